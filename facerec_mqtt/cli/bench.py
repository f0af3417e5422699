"""`bench`: how long each stage takes on this machine, at two sizes of picture."""

import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

from facerec_mqtt.core.errors import FacerecError
from facerec_mqtt.core.images import read_picture
from facerec_mqtt.core.records import Frame, Image
from facerec_mqtt.faces import Embedder, FaceDetector, MotionGate, align, load_cohort
from facerec_mqtt.recognition import FamilyModel, Recognizer, load_current, prepare
from facerec_mqtt.settings import Settings

SIZES = ((1280, 720), (640, 360))


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
