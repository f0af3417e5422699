"""Our face detector beside YuNet: recall, false positives, landmarks, time. All in one run.

    python benchmarks/detector.py [--images DIR] [--photos DIR] [--backgrounds DIR] [--yunet ONNX]
        [--identities DIR] [--only-landmarks] [--json]

YuNet's boxes of score 0.8 and more are the truth; ours finds one with a box of IoU 0.5 or more.
Without `--images` the people of LFW's fold 8 are taken, who are in no training set of ours.

Where `--identities` has what ../shared/data's `identities/extract.py` makes (default: beside the checkout),
landmarks are also judged by source, against the mean of many of YuNet's looks: error and bias in eye
distances, in the face's own upright frame, and recall on raw photos by tilt, yaw and size (`landmarks.py`).
"""

import argparse
import csv
import json
import statistics
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import landmarks
import numpy as np
from labelled import YuNet

from facerec_mqtt.core.records import Detection
from facerec_mqtt.faces import FaceDetector

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
SEEN_MIN_SCORE, TRUTH_MIN_SCORE = 0.6, 0.8
FOUND_MIN_IOU = 0.5
SCENE_HEIGHT, SCENE_WIDTH = 360, 640
STILLS_SIDE_PX = 1280
TIMED_RUNS = 60
MIRRORED = [1, 0, 2, 4, 3]
PICTURE_SUFFIXES = {".jpg", ".jpeg", ".png", ".webp"}


def to_find(seen: np.ndarray) -> np.ndarray:
    """Those of YuNet's faces, (N, 15), that ours must find."""
    return seen[seen[:, 14] >= TRUTH_MIN_SCORE]


@dataclass(slots=True)
class Tally:
    """What was counted over a set of pictures."""

    pictures: int = 0
    faces: int = 0
    found: int = 0
    extra: int = 0
    landmark_errors: list[float] = field(default_factory=list)

    def add(self, truth: np.ndarray, ours: tuple[Detection, ...], doubtful: np.ndarray) -> None:
        """Count one picture.

        Args:
            truth: (N, 15) faces that ours must find.
            ours: what it found.
            doubtful: (M, 15) everything YuNet saw, to tell extra boxes from faces it was less sure of.
        """
        self.pictures += 1
        self.faces += len(truth)
        for face in truth:
            best = max(ours, key=lambda detection: overlap(face, detection), default=None)
            if best is None or overlap(face, best) < FOUND_MIN_IOU:
                continue
            self.found += 1
            points = face[4:14].reshape(5, 2)
            apart = np.linalg.norm(points - best.landmarks, axis=1).mean()
            self.landmark_errors.append(float(apart) / eye_distance(points))
        self.extra += sum(all(overlap(face, detection) < 0.3 for face in doubtful) for detection in ours)

    @property
    def recall(self) -> float:
        """Share of the faces that were found."""
        return self.found / self.faces if self.faces else float("nan")

    @property
    def landmark_error(self) -> float:
        """Mean distance of the landmarks from YuNet's, share of the eyes' distance."""
        return statistics.fmean(self.landmark_errors) if self.landmark_errors else float("nan")


def eye_distance(points: np.ndarray) -> float:
    """Pixels between the first two of (5, 2) landmarks."""
    return max(1e-3, float(np.linalg.norm(points[0] - points[1])))


def overlap(face: np.ndarray, detection: Detection) -> float:
    """Intersection over union of YuNet's box and ours."""
    x_min, y_min, x_max, y_max = detection.box
    width = min(face[0] + face[2], x_max) - max(face[0], x_min)
    height = min(face[1] + face[3], y_max) - max(face[1], y_min)
    shared = max(0.0, float(width)) * max(0.0, float(height))
    return shared / max(1e-6, float(face[2] * face[3]) + (x_max - x_min) * (y_max - y_min) - shared)


def interval(found: int, count: int) -> str:
    """Wilson's 95 % interval of a share."""
    if count == 0:
        return "-"
    share, z = found / count, 1.96
    middle = (share + z * z / (2 * count)) / (1 + z * z / count)
    reach = z * np.sqrt(share * (1 - share) / count + z * z / (4 * count**2)) / (1 + z * z / count)
    return f"{middle - reach:.4f}-{middle + reach:.4f}"


def pictures(folder: Path, people: set[str] | None = None) -> Iterator[np.ndarray]:
    """All pictures below a folder that can be read, or only those in the folders of some people."""
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() in PICTURE_SUFFIXES and (people is None or path.parent.name in people):
            image = cv2.imread(str(path), cv2.IMREAD_COLOR)
            if image is not None:
                yield image


def at_side(image: np.ndarray, side_px: int) -> np.ndarray:
    """The picture with its longer side shrunk or stretched to a length."""
    scale = side_px / max(image.shape[:2])
    size = (max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale)))
    return image if scale == 1 else cv2.resize(image, size, interpolation=cv2.INTER_AREA)


def scene(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A picture 80 px large somewhere in a black 640×360 frame."""
    small = at_side(image, 80)
    frame = np.zeros((SCENE_HEIGHT, SCENE_WIDTH, 3), np.uint8)
    top = int(rng.integers(0, SCENE_HEIGHT - small.shape[0] + 1))
    left = int(rng.integers(0, SCENE_WIDTH - small.shape[1] + 1))
    frame[top : top + small.shape[0], left : left + small.shape[1]] = small
    return frame


def tally(images: Iterable[np.ndarray], detector: FaceDetector, yunet: YuNet) -> Tally:
    """Compare both on the same pictures."""
    result = Tally()
    for image in images:
        seen = yunet.find(image)
        result.add(to_find(seen), detector.detect(image), seen)
    return result


def tally_photos(images: Iterable[np.ndarray], detector: FaceDetector, yunet: YuNet) -> Tally:
    """The same on raw photos; YuNet sees them at 1280 px, ours gets them as they are."""
    result = Tally()
    for image in images:
        shrunk = at_side(image, STILLS_SIDE_PX) if max(image.shape[:2]) > STILLS_SIDE_PX else image
        seen = yunet.find(shrunk)
        seen[:, :14] *= image.shape[1] / shrunk.shape[1]
        result.add(to_find(seen), detector.detect(image), seen)
    return result


def disagreement(images: Iterable[np.ndarray], yunet: YuNet) -> float:
    """How far YuNet's landmarks in pictures' mirror images are from those in the pictures.

    Median, as a share of the eyes' distance. Of two looks that err alike each errs by this over the root of
    two, and who has learnt from many of them cannot be nearer than that to one of them.
    """
    apart = []
    for image in images:
        other = yunet.find(np.ascontiguousarray(image[:, ::-1]))[:, 4:14].reshape(-1, 5, 2)
        other = other[:, MIRRORED] * (-1, 1) + (image.shape[1] - 1, 0)
        for face in to_find(yunet.find(image)):
            points = face[4:14].reshape(5, 2)
            nearest = min((np.linalg.norm(points - each, axis=1).mean() for each in other), default=np.inf)
            if nearest < eye_distance(points):
                apart.append(float(nearest) / eye_distance(points))
    return statistics.median(apart) if apart else float("nan")


def duration_ms(work: Callable[[], object]) -> float:
    """Wall time of one call."""
    began = time.perf_counter()
    work()
    return (time.perf_counter() - began) * 1000


def durations(image: np.ndarray, yunet: YuNet) -> tuple[float, float]:
    """Median ms of ours and of YuNet on one 640×360 frame, two threads each, by turns."""
    cv2.setNumThreads(2)
    detector = FaceDetector.load(threads=2)
    ours, theirs = [], []
    for _ in range(TIMED_RUNS):
        ours.append(duration_ms(lambda: detector.detect(image)))
        theirs.append(duration_ms(lambda: yunet.find(image)))
    return statistics.median(ours[5:]), statistics.median(theirs[5:])


def fold_eight(images: Path) -> set[str]:
    """The people that training never saw."""
    with (images.parent / "folds.tsv").open(encoding="utf-8") as table:
        return {row["person"] for row in csv.DictReader(table, delimiter="\t") if row["fold"] == "8"}


def main() -> None:
    """Print the table, and with `--json` the figures as the last line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--images", type=Path, help="people's folders of 250 px pictures; default: LFW's fold 8"
    )
    parser.add_argument("--photos", type=Path, help="a tree of raw photos of any size")
    parser.add_argument("--backgrounds", type=Path, default=DATA / "backgrounds", help="photos without faces")
    parser.add_argument("--yunet", type=Path, default=DATA / "models/face_detection_yunet.onnx")
    parser.add_argument("--identities", type=Path, default=DATA.parents[1] / "identities")
    parser.add_argument("--most", type=int, default=400, help="pictures of each source for landmarks")
    parser.add_argument("--only-landmarks", action="store_true", help="by source, and nothing else")
    parser.add_argument("--json", action="store_true", help="the figures as the last line")
    arguments = parser.parse_args()
    if arguments.only_landmarks:
        by_source = landmarks.measure(
            FaceDetector.load(), arguments.yunet, DATA, arguments.identities, arguments.most
        )
        landmarks.show(by_source)
        if arguments.json:
            print(json.dumps(by_source))
        return
    images = arguments.images or DATA / "lfw/images"
    for needed in (images, arguments.photos, arguments.backgrounds, arguments.yunet):
        if needed is not None and not needed.exists():
            parser.error(f"{needed} does not exist; name the data with --images, --backgrounds and --yunet")
    people = None if arguments.images else fold_eight(images)
    for folder, some in ((images, people), (arguments.photos, None), (arguments.backgrounds, None)):
        if folder is not None and next(pictures(folder, some), None) is None:
            parser.error(f"{folder} holds no picture that can be read; name folders of JPEG, PNG or WebP")
    yunet, detector = YuNet.load(arguments.yunet, SEEN_MIN_SCORE), FaceDetector.load()
    rng = np.random.default_rng(1)

    large = tally((at_side(image, 250) for image in pictures(images, people)), detector, yunet)
    small = tally((scene(image, rng) for image in pictures(images, people)), detector, yunet)
    yunets_own = disagreement((at_side(image, 250) for image in pictures(images, people)), yunet)
    empty = tally(pictures(arguments.backgrounds), detector, yunet)
    false_per_1000 = 1000 * empty.extra / max(1, empty.pictures)
    photos = None
    if arguments.photos is not None:
        stills = FaceDetector.load(max_side_px=STILLS_SIDE_PX)
        photos = tally_photos(pictures(arguments.photos), stills, yunet)
    frame = np.full((SCENE_HEIGHT, SCENE_WIDTH, 3), 90, np.uint8)
    for left, image in zip((20, 340), pictures(images, people), strict=False):
        shown = at_side(image, 250)
        frame[50 : 50 + shown.shape[0], left : left + shown.shape[1]] = shown
    ours_ms, yunet_ms = durations(frame, yunet)

    print(f"{'measure':34} {'ours':>8}  {'95 % interval':15} n")
    for name, counted in (
        ("recall, 250 px", large),
        ("recall, 80 px in 640x360", small),
        ("recall, photos", photos),
    ):
        if counted is not None:
            limits = interval(counted.found, counted.faces)
            print(
                f"{name:34} {counted.recall:8.4f}  {limits:15} {counted.faces} faces, {counted.extra} extra"
            )
    print(f"{'false positives per 1000':34} {false_per_1000:8.2f}  {'':15} {empty.pictures} backgrounds")
    print(f"{'landmark error / eye distance':34} {large.landmark_error:8.4f}  {'':15} {large.found} faces")
    print(f"{'the same, median':34} {statistics.median(large.landmark_errors or [float('nan')]):8.4f}")
    print(f"{'YuNet from its own, mirrored':34} {yunets_own:8.4f}  median")
    print(f"{'ms, 640x360, 2 threads':34} {ours_ms:8.2f}  YuNet {yunet_ms:.2f}")
    by_source = {}
    if DATA.is_dir() and not arguments.images:
        by_source = landmarks.measure(detector, arguments.yunet, DATA, arguments.identities, arguments.most)
        landmarks.show(by_source)
    if arguments.json:
        figures = {
            "recall_250": large.recall,
            "recall_80": small.recall,
            "recall_photos": None if photos is None else photos.recall,
            "false_positives_per_1000": false_per_1000,
            "landmark_error": large.landmark_error,
            "landmark_disagreement_of_yunet_with_itself": yunets_own,
            "time_ratio_to_yunet": ours_ms / yunet_ms,
        }
        known = {name: None if value != value else value for name, value in figures.items()}
        print(json.dumps(known | {"by_source": by_source}))


if __name__ == "__main__":
    main()
