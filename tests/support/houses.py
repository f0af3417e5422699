"""Houses to back up: photos, models, visits and what services have saved, without anything real in them."""

from pathlib import Path

from facerec_mqtt.core.records import Person
from facerec_mqtt.enrollment import PERSON_FILE
from facerec_mqtt.history import FILE as HISTORY
from facerec_mqtt.presence.state_file import ServiceState, StateFile
from facerec_mqtt.recognition import FamilyModel, save_model
from tests.support.models import a_model
from tests.support.visits import ANNA, STRANGER, filled


def write_files(folder: Path, **contents: str) -> None:
    """Write files; their names have `__` for `/` and end in .jpg."""
    for name, content in contents.items():
        path = folder / (name.replace("__", "/") + ".jpg")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)


def a_house(folder: Path) -> tuple[Path, Path, FamilyModel]:
    """Anna, José with two models, visits and what services keep; its folders and its model."""
    enrollment, models = folder / "enrollment", folder / "models"
    write_files(enrollment, Anna__1="a1", Anna__2019__2="a2", _strangers__s="s", _test__Anna__t="t")
    write_files(enrollment / "José Núñez", j="j")
    write_files(enrollment / "_known" / "Postman", p="p")
    (enrollment / "Anna" / PERSON_FILE).write_text('{"name": "Anna Smith"}')
    save_model(models, a_model(0), page="<p>report</p>")
    model = a_model(1)
    save_model(models, model)
    filled(models / HISTORY, ANNA, STRANGER).close()
    StateFile(models, "home").save(ServiceState(frozenset({"door"}), (Person("anna", "Anna"),)))
    (models / "web.json").write_text('{"tokens": []}')
    (models / "cache").mkdir()
    (models / "cache" / "photos.npz").write_bytes(b"cache")
    (enrollment / "Anna" / ".DS_Store").write_bytes(b"clutter")
    return enrollment, models, model


def pictures(enrollment: Path) -> dict[str, str]:
    """The visible pictures, by path, with their content."""
    found = (path for path in enrollment.rglob("*.jpg") if path.is_file())
    return {str(path.relative_to(enrollment)): path.read_text() for path in found}
