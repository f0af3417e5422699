"""Try everything the service needs, and say of each whether it is well or what to do."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

from facerec_mqtt.cameras import probe
from facerec_mqtt.core.errors import FacerecError, SettingsError
from facerec_mqtt.enrollment.folder import is_of_somebody, read_enrollment_folder
from facerec_mqtt.monitoring.prometheus import require_client
from facerec_mqtt.mqtt.connection import check_login
from facerec_mqtt.recognition.model_store import load_current
from facerec_mqtt.recognition.recognizer import Recognizer
from facerec_mqtt.settings.schema import CameraSettings, Settings
from facerec_mqtt.training.requirements import has_tensorflow, require_tensorflow

Try = Callable[[], str]
"""Tries one thing; returns what is to be said of it, or raises."""
_PATIENCE_S = 10.0


def check(settings: Settings) -> int:
    """Print a line for each thing that is tried.

    Returns:
        0 when all is well, else 1.
    """
    failed = 0
    for what, attempt in _tries(settings):
        try:
            said, mark = attempt(), "ok    "
        except FacerecError as error:
            said, mark = str(error), "FAILED"
            failed += 1
        print(f"{mark}  {what}: {said}", flush=True)
    print("All is well." if not failed else f"{failed} to mend, see above.", flush=True)
    return 1 if failed else 0


def _tries(settings: Settings) -> Iterator[tuple[str, Try]]:
    yield "settings", lambda: _describe(settings)
    yield "processor", _check_processor
    yield "enrollment folder", lambda: _check_enrollment(settings.enrollment_dir)
    yield (
        "model folder",
        lambda: _check_writable(
            settings.model_dir, "FACEREC_MODEL_DIR", "will be created by the first rebuild"
        ),
    )
    yield "model", lambda: _check_model(settings)
    yield "broker", lambda: _check_broker(settings)
    if not settings.cameras:
        yield "cameras", _require_cameras
    if settings.review.enabled:
        folder = settings.review.folder
        yield (
            "review folder",
            lambda: _check_writable(
                folder, "FACEREC_REVIEW__FOLDER", "will be created with the first picture"
            ),
        )
    if (beat := settings.heartbeat_file) is not None:
        yield "heartbeat file", lambda: _check_heartbeat(beat)
    if settings.metrics.prometheus_port is not None:
        yield "Prometheus", lambda: _check_prometheus(settings)
    for camera in settings.cameras:
        yield f"camera {camera.name}", lambda camera=camera: _check_camera(camera)  # type: ignore[misc]


def _describe(settings: Settings) -> str:
    mqtt = settings.mqtt
    secret = "without a password" if mqtt.password is None else "with password ***"
    login = f"as {mqtt.username} {secret}" if mqtt.username else "without login"
    cameras = ", ".join(camera.name for camera in settings.cameras) or "none"
    return (
        f"cameras {cameras}; broker {mqtt.host}:{mqtt.port} {login}; "
        f'models in "{settings.model_dir}", photos in "{settings.enrollment_dir}"'
    )


def _check_processor() -> str:
    if not has_tensorflow():
        return f"{os.cpu_count()} cores; cannot rebuild, since TensorFlow is not installed"
    require_tensorflow()
    return f"{os.cpu_count()} cores, can rebuild"


def _check_enrollment(folder: Path) -> str:
    try:
        entries = sorted(entry for entry in folder.iterdir() if entry.is_dir())
    except PermissionError as error:
        raise _unreadable(folder, error) from error
    except OSError as error:
        raise SettingsError(
            f'"{folder}" cannot be read ({error.strerror}); create it with one folder of photos for each '
            'person, such as "Anna/", or set FACEREC_ENROLLMENT_DIR.'
        ) from error
    people = [entry for entry in entries if is_of_somebody(entry)]
    if not people:
        raise SettingsError(f'"{folder}" holds no person; create a folder of photos in it, such as "Anna/".')
    files = sum(map(_count_files, people))
    read_enrollment_folder(folder)  # whatever else a rebuild would refuse
    return f"{len(people)} people, {files} files"


def _count_files(folder: Path) -> int:
    try:
        return sum(entry.is_file() for entry in folder.iterdir())
    except OSError as error:
        raise _unreadable(folder, error) from error


def _unreadable(folder: Path, error: OSError) -> SettingsError:
    return SettingsError(f'The folder "{folder}" cannot be read ({error.strerror}); check its permissions.')


def _check_writable(folder: Path, setting: str, later: str) -> str:
    # Unlike Path.exists, this takes what may not be looked at for what is not there.
    existing = next(path for path in (folder, *folder.absolute().parents) if os.path.exists(path))  # noqa: PTH110
    if not existing.is_dir() or not os.access(existing, os.W_OK | os.X_OK):
        raise SettingsError(
            f'"{folder}" cannot be written; make it writable for this user, or set {setting}.'
        )
    return "can be written" if existing == folder else later


def _check_heartbeat(file: Path) -> str:
    is_there = os.path.exists(file)  # noqa: PTH110 - as above
    well = os.access(file, os.W_OK) if is_there else os.access(f"{file.parent}/", os.W_OK | os.X_OK)
    if not well:
        raise SettingsError(
            f'"{file}" cannot be touched; set FACEREC_HEARTBEAT_FILE to a file in a folder that is writable.'
        )
    return f'"{file}" can be touched'


def _check_prometheus(settings: Settings) -> str:
    require_client()
    return f"will be served at {settings.metrics.prometheus_host}:{settings.metrics.prometheus_port}"


def _check_model(settings: Settings) -> str:
    model = load_current(settings.model_dir)
    Recognizer.load(
        model,
        min_detection_score=settings.recognition.min_detection_score,
        max_side_px=settings.recognition.max_side_px,
        threads=settings.recognition.threads,
    )
    if model is None:
        raise SettingsError('there is none yet; run "facerec-mqtt rebuild". Until then all are strangers.')
    return f"version {model.version} knows {', '.join(person.name for person in model.people)}"


def _check_broker(settings: Settings) -> str:
    check_login(settings.mqtt, timeout_s=_PATIENCE_S)
    return f"{settings.mqtt.host}:{settings.mqtt.port} lets us in"


def _require_cameras() -> str:
    raise SettingsError("none is set; set FACEREC_CAMERAS, see config.example.env.")


def _check_camera(camera: CameraSettings) -> str:
    facts = probe(camera)
    return f"{facts.width}x{facts.height} at {facts.fps:.1f} frames a second"
