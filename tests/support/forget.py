"""Somebody to forget: Anna, of a family of patterns."""

import shutil
from pathlib import Path

import cv2
import pytest

from facerec_mqtt.core.records import Person
from facerec_mqtt.presence.state_file import LastSeen, ServiceState, StateFile
from tests.support import killed_forgets
from tests.support.pattern_world import picture_of, write_photos

ANNA, TOM = Person("anna", "Anna"), Person("tom", "Tom")


@pytest.fixture
def family(tmp_path: Path) -> Path:
    """Anna and Tom as patterns, with a model of Tom alone and one of both, pictures and a memory."""
    data = tmp_path / "data"
    where = killed_forgets.places(data)
    write_photos(where.enrollment / "Tom", 2, 6)
    killed_forgets.make_model(data)
    write_photos(where.enrollment / "Anna", 1, 5)
    killed_forgets.make_model(data)
    write_photos(where.enrollment / "_test" / "Anna", 1, 2, first=50)
    write_photos(where.review / "2026-11-23", 1, 2, first=60)
    cv2.imwrite(str(where.review / "2026-11-23" / "tom.png"), picture_of(2, picture=70))
    seen = {"anna": LastSeen("door", 1.0, 0.9), "tom": LastSeen("door", 2.0, 0.9)}
    StateFile(where.models, "home").save(ServiceState(frozenset({"door"}), (ANNA, TOM), seen))
    return data


def leave_anna_alone(data: Path) -> None:
    """Take Tom out on purpose: the model in use knows only Anna."""
    shutil.rmtree(data / "enrollment" / "Tom")
    killed_forgets.make_model(data)


def files_in(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
