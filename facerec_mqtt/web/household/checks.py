"""Everything that recognition needs: what `check` tries, with cameras and broker as the service has them."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from facerec_mqtt.core.errors import BrokerError, CameraError, SettingsError
from facerec_mqtt.maintenance.checks import (
    Check,
    CheckOutcome,
    attempt_check,
    check_enrollment_folder,
    check_history,
    check_processor,
    check_time_zone,
    check_writable,
)
from facerec_mqtt.monitoring.page_messages import PageFolders
from facerec_mqtt.recognition import load_current
from facerec_mqtt.web.schemas import BrokerStatus, CameraStatus, Checks, HouseStatus, ModelStatus, Status
from facerec_mqtt.web.schemas import Check as Checked


def check_all(folders: PageFolders, status: Status) -> Checks:
    """Try everything.

    Args:
        folders: where the household's files are.
        status: as the service has sent it last.
    """
    found = [attempt_check(what, check) for what, check in _checks(folders, status)]
    return Checks(checks=[_answer(each) for each in found])


def _answer(found: CheckOutcome) -> Checked:
    return Checked(check=found.what, state="ok" if found.passed else "failed", sentence=found.sentence)


def _checks(folders: PageFolders, status: Status) -> Iterator[tuple[str, Check]]:
    if folders.takes_photos:  # else it never rebuilds
        yield "processor", check_processor
    yield "time zone", check_time_zone
    if folders.takes_photos:
        yield "enrollment folder", partial(check_enrollment_folder, folders.enrollment_dir)
        yield (
            "photos can be added",
            partial(check_writable, folders.enrollment_dir, "FACEREC_ENROLLMENT_DIR", "will be created"),
        )
    at_first = "by the first rebuild" if folders.takes_photos else "at the first start"
    yield (
        "model folder",
        partial(check_writable, folders.model_dir, "FACEREC_MODEL_DIR", f"will be created {at_first}"),
    )
    if folders.takes_photos:
        yield "model", partial(_check_model, folders.model_dir)
    yield "broker", partial(_check_broker, status.broker)
    if status.house is not None and status.role == "camera":
        yield "recogniser", partial(_check_recogniser, status.house, status.model)
    if not status.cameras and status.role != "recogniser":
        yield "cameras", _require_cameras
    if folders.keeps_pictures:
        later = "will be created with the first picture"
        yield "review folder", partial(check_writable, folders.review_dir, "FACEREC_REVIEW__FOLDER", later)
    if folders.history_days:
        yield "history", partial(check_history, folders.model_dir, folders.history_days)
    for camera in status.cameras:
        yield f"camera {camera.name}", partial(_check_camera, camera)


def _check_model(model_dir: Path) -> str:
    model = load_current(model_dir)
    if model is None:
        raise SettingsError("There is none yet; press Rebuild. Until then all are strangers.")
    return f"version {model.version} knows {', '.join(person.name for person in model.people)}"


def _check_broker(broker: BrokerStatus) -> str:
    if not broker.online:
        raise BrokerError(broker.message or "There is no connection to the broker.")
    return "connected"


def _check_recogniser(house: HouseStatus, model: ModelStatus) -> str:
    if not house.recognisers:
        raise BrokerError(model.message or "None has answered within the last two minutes.")
    return f"{', '.join(house.recognisers)} {'answers' if len(house.recognisers) == 1 else 'answer'}"


def _require_cameras() -> str:
    raise SettingsError("none is set; set FACEREC_CAMERAS, see config.example.env.")


def _check_camera(camera: CameraStatus) -> str:
    if not camera.enabled:
        return "recognition is switched off"
    if not camera.online:
        raise CameraError(camera.message or "It gives no pictures.")
    return f"{camera.fps:.1f} frames a second"
