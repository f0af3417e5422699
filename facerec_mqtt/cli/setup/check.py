"""`check` and `bench`: whether this machine has all that the service needs, and how fast it is.

`check` prints of each thing whether it works or what to do; `bench` prints how long each stage takes.
"""

import json
import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np

from facerec_mqtt.cameras import CameraFailedError, CameraFailure, FailureKind, HandedPicture, probe
from facerec_mqtt.core.errors import BrokerError, FacerecError, SettingsError
from facerec_mqtt.core.images import read_picture
from facerec_mqtt.core.records import Frame, Image
from facerec_mqtt.faces import Embedder, FaceDetector, MotionGate, align, load_cohort
from facerec_mqtt.maintenance.checks import (
    Check,
    attempt_check,
    check_enrollment_folder,
    check_heartbeat,
    check_history,
    check_processor,
    check_time_zone,
    check_writable,
)
from facerec_mqtt.monitoring import require_client
from facerec_mqtt.mqtt import Access, check_login, listen_once
from facerec_mqtt.recognition import FamilyModel, Recognizer, load_current, prepare
from facerec_mqtt.service.roles.requirements import require_role
from facerec_mqtt.service.roles.trying import NoAnswer, Tried, try_recogniser
from facerec_mqtt.settings import CameraSettings, Role, Settings

_TIMEOUT_S = 10.0
_ANSWER_S = 5.0
SIZES = ((1280, 720), (640, 360))


def check(settings: Settings) -> int:
    """Print a line for each thing that is tried.

    Returns:
        0 when all checks passed, else 1.
    """
    failed = 0
    for what, attempt in _tries(settings):
        done = attempt_check(what, attempt)
        failed += not done.passed
        print(f"{'ok    ' if done.passed else 'FAILED'}  {what}: {done.sentence}", flush=True)
    print(f"{failed} check{'s' * (failed > 1)} failed." if failed else "All checks passed.", flush=True)
    return 1 if failed else 0


def _tries(settings: Settings) -> Iterator[tuple[str, Check]]:
    yield "settings", lambda: _describe(settings)
    role = settings.house.role
    if role is not Role.CAMERA:  # which never rebuilds
        yield "processor", check_processor
    yield "time zone", check_time_zone
    if role is Role.ALL:
        yield "enrollment folder", lambda: check_enrollment_folder(settings.enrollment_dir)
    else:
        yield "role", lambda: _check_role(settings)
    at_first = "at the first start" if role is Role.CAMERA else "by the first rebuild"
    yield (
        "model folder",
        lambda: check_writable(settings.model_dir, "FACEREC_MODEL_DIR", f"will be created {at_first}"),
    )
    if role is not Role.CAMERA:
        yield "model", lambda: _check_model(settings)
    yield "broker", lambda: _check_broker(settings)
    if role is Role.CAMERA:
        yield "recogniser", lambda: _check_recogniser(settings)
    if not settings.cameras and role is not Role.RECOGNISER:
        yield "cameras", _require_cameras
    if settings.review.enabled:
        folder = settings.review.folder
        yield (
            "review folder",
            lambda: check_writable(
                folder, "FACEREC_REVIEW__FOLDER", "will be created with the first picture"
            ),
        )
    if settings.history.days:
        yield "history", lambda: check_history(settings.model_dir, settings.history.days)
    if (beat := settings.heartbeat_file) is not None:
        yield "heartbeat file", lambda: check_heartbeat(beat)
    if settings.metrics.prometheus_port is not None:
        yield "Prometheus", lambda: _check_prometheus(settings)
    for camera in settings.cameras:
        yield f"camera {camera.name}", lambda camera=camera: _check_camera(settings, camera)  # type: ignore[misc]
        if camera.main_url is not None:
            main = camera.of_main_stream()
            yield f"main stream of {camera.name}", lambda main=main: _check_camera(settings, main)  # type: ignore[misc]


def _describe(settings: Settings) -> str:
    mqtt = settings.mqtt
    secret = "without a password" if mqtt.password is None else "with password ***"
    login = f"as {mqtt.username} {secret}" if mqtt.username else "without login"
    cameras = ", ".join(camera.name for camera in settings.cameras) or "none"
    folders = f'models in "{settings.model_dir}", photos in "{settings.enrollment_dir}"'
    if settings.house.role is Role.CAMERA:
        folders = f'visits in "{settings.model_dir}"'
    return f"cameras {cameras}; broker {mqtt.host}:{mqtt.port} {login}; {folders}"


def _check_prometheus(settings: Settings) -> str:
    require_client()
    return f"will be served at {settings.metrics.prometheus_host}:{settings.metrics.prometheus_port}"


def _check_role(settings: Settings) -> str:
    require_role(settings)
    return f"{settings.house.role} in the house {settings.house.name}"


def _check_model(settings: Settings) -> str:
    model = load_current(settings.model_dir)
    Recognizer.from_settings(settings.recognition, model)
    if model is None and settings.house.role is Role.RECOGNISER:
        return "there is none yet; it comes from another box of the house"
    if model is None:
        raise SettingsError('there is none yet; run "facerec-mqtt rebuild". Until then all are strangers.')
    return f"version {model.version} knows {', '.join(person.name for person in model.people)}"


def _check_broker(settings: Settings) -> str:
    check_login(settings.mqtt, timeout_s=_TIMEOUT_S)
    return f"{settings.mqtt.host}:{settings.mqtt.port} accepts the login"


def _check_recogniser(settings: Settings) -> str:
    require_role(settings)
    tried = try_recogniser(settings, _ANSWER_S)
    if tried.took_ms is None:
        raise BrokerError(_why_nobody_answers(tried, settings.house.name or ""))
    return f"{' '.join(tried.nodes) or 'one'} answered in {tried.took_ms:.0f} ms"


def _why_nobody_answers(tried: Tried, house: str) -> str:
    nodes = ", ".join(tried.nodes)
    match tried.why:
        case NoAnswer.NOT_SHARED:
            return (
                "the broker has no shared subscriptions, by which recognisers divide the questions; switch"
                " them on there, or take another broker, such as Mosquitto."
            )
        case NoAnswer.MAY_NOT_ASK:
            return f'the broker does not let this box write "{tried.topic}"; allow it, or nobody is named.'
        case NoAnswer.MAY_NOT_READ:
            return f'the broker does not let this box read "{tried.topic}"; allow it, or nobody is named.'
        case NoAnswer.NO_MODEL:
            return (
                f'{nodes} would answer, but has no model yet; run "facerec-mqtt rebuild" at the box of the'
                f' house "{house}" that has the photos.'
            )
        case NoAnswer.NO_REPLY:
            return (
                f"{nodes} is connected and did not answer within {_ANSWER_S:.0f} s; check that"
                ' FACEREC_HOUSE__CAMERA_KEY is what "facerec-mqtt camera-key" prints there, and that the'
                " broker lets it write, and this box read, what is below the base topic's box/+/answers."
            )
        case _:
            return (
                f'no recogniser of the house "{house}" is connected to this broker; run "facerec-mqtt run'
                ' --role recogniser" on another box of it.'
            )


def _require_cameras() -> str:
    raise SettingsError("none is set; set FACEREC_CAMERAS, see config.example.env.")


def _check_camera(settings: Settings, camera: CameraSettings) -> str:
    if camera.kind == "mqtt":
        return _check_topic(settings, camera)
    facts = probe(camera)
    if camera.kind == "frigate":
        topic = f"{settings.frigate.topic_prefix}/available"
        came = listen_once(settings.mqtt, topic, _TIMEOUT_S)
        if isinstance(came, Access) or came.payload != b"online":
            raise CameraFailedError(CameraFailure(FailureKind.NO_FRIGATE, place=topic), camera.name)
        return f"{facts.width}x{facts.height}, fetched while Frigate tracks a person"
    return f"{facts.width}x{facts.height} at {facts.fps:.1f} frames a second"


def _check_topic(settings: Settings, camera: CameraSettings) -> str:
    came = listen_once(settings.mqtt, camera.topic, _TIMEOUT_S)
    if came is Access.DENIED:
        raise CameraFailedError(CameraFailure(FailureKind.TOPIC_DENIED, place=camera.topic), camera.name)
    if isinstance(came, Access):
        return (
            f'no picture came on "{camera.topic}" within {_TIMEOUT_S:.0f} s, which is no fault where one '
            "comes only when something happens"
        )
    facts = probe(camera, HandedPicture(time.monotonic(), came.payload))
    kept = ", kept by the broker; the service waits for the next one" if came.retained else ""
    return f'{facts.width}x{facts.height}, a picture on "{camera.topic}"{kept}'


def bench(settings: Settings, picture: Path | None, repeat: int, *, as_json: bool) -> int:
    """Print the median milliseconds of each stage for one frame with one face.

    Raises:
        FacerecError: the picture holds no face, `repeat` is below 1, or the model is damaged.
    """
    if repeat < 1:
        raise FacerecError(f"--repeat is {repeat}; give 1 or more.")
    image = drawn_frame() if picture is None else read_picture(picture)
    model = load_current(settings.model_dir)
    figures = {
        f"{width}x{height}": _stages(settings, model, image, (width, height), repeat)
        for width, height in SIZES
    }
    if as_json:
        print(json.dumps({"threads": settings.recognition.threads, "repeat": repeat, "ms": figures}))
        return 0
    print(f"Median of {repeat} frames with one face, {settings.recognition.threads} thread(s), in ms:")
    print(f"{'':12}" + "".join(f"{size:>12}" for size in figures))
    for stage in next(iter(figures.values())):
        print(f"{stage:12}" + "".join(f"{figure[stage]:12.2f}" for figure in figures.values()))
    if model is None:
        print(f'There is no model in "{settings.model_dir}" yet, so the classifier and all are not measured.')
    return 0


def _stages(
    settings: Settings, model: FamilyModel | None, image: Image, size: tuple[int, int], repeat: int
) -> dict[str, float]:
    frame_image = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)
    recognition = settings.recognition
    detector = FaceDetector.load(
        min_score=recognition.min_detection_score,
        max_side_px=recognition.max_side_px,
        threads=recognition.threads,
    )
    embedder = Embedder.load(threads=recognition.threads)
    gate = MotionGate()
    found = detector.detect(frame_image)
    if not found:
        raise FacerecError(
            f"No face is found in the picture at {size[0]}x{size[1]}; give another with --image."
        )
    face = align(frame_image, found[0])
    frame = Frame(camera="bench", captured_at_s=0.0, image=frame_image)
    figures = {
        "motion": _median_ms(lambda: gate.moved(frame), repeat),
        "detection": _median_ms(lambda: detector.detect(frame_image), repeat),
        "alignment": _median_ms(lambda: align(frame_image, found[0]), repeat),
        "embedding": _median_ms(lambda: embedder.embed([face]), repeat),
    }
    if model is None:
        return figures
    cohort = load_cohort()
    family, vectors = prepare(model, embedder.digest, cohort), embedder.embed([face])
    recognizer = Recognizer(detector, embedder, embedder.digest, cohort, model, family)
    return figures | {
        "head": _median_ms(lambda: family.identify(vectors, min_margin=0.0), repeat),
        "all": _median_ms(
            lambda: recognizer.recognise(frame_image, min_face_px=16, min_sharpness=0, min_margin=0), repeat
        ),
    }


def _median_ms(call: Callable[[], object], repeat: int) -> float:
    """Median wall time of one call, after one that warms up."""
    call()
    times = []
    for _ in range(repeat):
        began = time.perf_counter()
        call()
        times.append(time.perf_counter() - began)
    return round(statistics.median(times) * 1000, 3)


def drawn_frame() -> Image:
    """A drawn camera frame with one person in it, (720, 1280, 3) uint8 BGR."""
    from facerec_mqtt.rendering import FAMILY, Pose, render_frame

    return render_frame([(next(iter(FAMILY.values())), Pose(640, 300, 180))], size=(1280, 720), seed=1)
