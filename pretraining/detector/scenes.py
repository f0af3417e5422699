"""Training scenes, composed on the fly: faces of all sizes, on all grounds, seen by all kinds of cameras."""

import threading
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import cv2
import numpy as np

from pretraining.detector.camera import hide, spoil, tint
from pretraining.detector.prepare import TEACHER_MIN_SCORE

MAX_FACES = 48
SMALLEST_PX, LARGEST_SHARE = 10.0, 1.15  # of a face: px, and share of the scene
AT_EDGE = 0.08  # share of its size that a face at the edge is from it, at most
SIDES = ((192, 14, 0.42), (256, 8, 0.38), (384, 4, 0.16), (576, 2, 0.04))  # px, scenes in a batch, share


@dataclass(frozen=True, eq=False)
class Source:
    """Pictures of one kind, with the teacher's faces."""

    pictures: np.ndarray
    """(N, H, W, 3) uint8 BGR."""
    faces: tuple[np.ndarray, ...]
    """For each picture (K, 15): x, y, width, height, five landmarks x, y, score."""

    @classmethod
    def load(cls, work: Path, name: str) -> "Source":
        """From what `prepare` left in the work folder."""
        table = np.load(work / f"{name}.faces.npz")
        order = np.argsort(table["picture"], kind="stable")
        starts = np.searchsorted(table["picture"][order], np.arange(1, int(table["count"])))
        pictures = np.load(work / f"{name}.pictures.npy", mmap_mode="r")
        return cls(pictures, tuple(np.split(table["faces"][order], starts)))

    def pick(self, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """A picture and its faces."""
        index = int(rng.integers(len(self.faces)))
        return np.asarray(self.pictures[index]), self.faces[index]

    def pick_at_edge(self, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, int]:
        """A picture, its faces, and which of them the picture's edge cuts off."""
        index, face = self.at_edge[int(rng.integers(len(self.at_edge)))]
        return np.asarray(self.pictures[index]), self.faces[index], face

    @cached_property
    def at_edge(self) -> list[tuple[int, int]]:
        """Pictures and faces in them that are sure and lie at the edge or across it: bystanders, cut off."""
        height, width = self.pictures.shape[1:3]
        found = []
        for index, faces in enumerate(self.faces):
            inside = np.concatenate([faces[:, :2], (width, height) - faces[:, :2] - faces[:, 2:4]], axis=1)
            near = inside.min(axis=1, initial=np.inf) < AT_EDGE * np.sqrt(faces[:, 2] * faces[:, 3])
            sure = faces[:, 14] >= TEACHER_MIN_SCORE
            found += [(index, int(face)) for face in np.flatnonzero(near & sure)]
        return found


class Scene:
    """A scene while it is composed: the picture, whose picture each pixel is, and the faces so far."""

    def __init__(self, rng: np.random.Generator, image: np.ndarray) -> None:
        self.rng = rng
        self.image = image
        self.owner = np.zeros(image.shape[:2], np.int16)
        self.faces: list[tuple[int, bool, np.ndarray]] = []
        self.pasted = 0

    def paste(
        self,
        picture: np.ndarray,
        faces: np.ndarray,
        size_px: float,
        at: np.ndarray,
        turn_deg: float,
        soft: bool = False,
    ) -> None:
        """Put a picture into the scene so that its first face has a size and a place.

        Args:
            picture: (H, W, 3) uint8 BGR.
            faces: (K, 15), the main one first.
            size_px: root of the area of the main face's box in the scene.
            at: (2,) where its centre goes.
            turn_deg: clockwise.
            soft: whether only an oval around the main face is pasted, with a soft edge.
        """
        rng = self.rng
        main = faces[0]
        scale = size_px / float(np.sqrt(main[2] * main[3]))
        finest = 0.6 if rng.random() < 0.8 else 0.3  # not every camera shrinks without aliasing
        while scale < finest:
            height, width = (side // 2 for side in picture.shape[:2])
            picture = np.ascontiguousarray(picture[: 2 * height, : 2 * width])
            picture = cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA)
            faces, scale = scaled(faces, 0.5), 2 * scale
            main = faces[0]
        picture = tint(rng, np.ascontiguousarray(picture))
        angle = np.radians(turn_deg)
        linear = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        matrix = np.column_stack([linear, at - linear @ (main[:2] + main[2:4] / 2)])
        self.pasted += 1
        height, width = self.image.shape[:2]
        if soft:
            mask = np.zeros(picture.shape[:2], np.float32)
            axes = (main[2:4] * rng.uniform(0.52, 0.68)).astype(int)
            centre = (main[:2] + main[2:4] / 2).astype(int)
            cv2.ellipse(mask, centre.tolist(), axes.tolist(), 0, 0, 360, 1.0, -1)
            mask = cv2.GaussianBlur(mask, (0, 0), max(0.5, 0.03 * main[2]))
            mask = cv2.warpAffine(mask, matrix, (width, height))[..., None]
            layer = cv2.warpAffine(picture, matrix, (width, height), borderMode=cv2.BORDER_REPLICATE)
            self.image[:] = (self.image * (1 - mask) + layer * mask).astype(np.uint8)
            self.owner[mask[..., 0] > 0.5] = self.pasted
        else:
            cv2.warpAffine(
                picture, matrix, (width, height), dst=self.image, borderMode=cv2.BORDER_TRANSPARENT
            )
            sides = np.array(picture.shape[1::-1])
            corners = np.array([[0, 0], [1, 0], [1, 1], [0, 1]]) * sides
            corners = corners @ linear.T + matrix[:, 2]
            cv2.fillConvexPoly(self.owner, np.round(corners).astype(np.int32), self.pasted)
        for index, face in enumerate(faces[:1] if soft else faces):
            self.faces.append((self.pasted, index == 0, moved(face, matrix, scale, angle)))

    def labels(self) -> np.ndarray:
        """(MAX_FACES, 15) as the loss wants them, after hiding parts of some faces."""
        rows = np.zeros((MAX_FACES, 15), np.float32)
        count = 0
        height, width = self.owner.shape
        for owner, _, face in self.faces:
            low, high = face[:2], face[:2] + face[2:4]
            x0, y0 = np.clip(np.round(low), 0, [width, height]).astype(int)
            x1, y1 = np.clip(np.round(high), 0, [width, height]).astype(int)
            inside = self.owner[y0:y1, x0:x1]
            seen = np.count_nonzero(inside == owner) / max(1.0, float(face[2] * face[3]))
            size = float(np.sqrt(face[2] * face[3]))
            if seen < 0.25 or count == MAX_FACES:
                continue
            sure = seen > 0.62 and size >= SMALLEST_PX and face[14] >= TEACHER_MIN_SCORE
            rows[count, 0] = 1 if sure else 2
            rows[count, 1:3], rows[count, 3:5], rows[count, 5:] = low, high, face[4:14]
            count += 1
            if sure and size > 18 and self.rng.random() < 0.22:
                hide(self.rng, self.image, face[4:14].reshape(5, 2), face[:4])
        return rows


def mirrored(faces: np.ndarray, width: int) -> np.ndarray:
    """Faces in a picture that was flipped left to right: right eye and left eye change places."""
    faces = faces.copy()
    faces[:, 0] = width - 1 - faces[:, 0] - faces[:, 2]  # places count from pixels' centres
    points = faces[:, 4:14].reshape(-1, 5, 2)[:, [1, 0, 2, 4, 3]]
    points[..., 0] = width - 1 - points[..., 0]
    faces[:, 4:14] = points.reshape(-1, 10)
    return faces


def perhaps_mirrored(
    rng: np.random.Generator, picture: np.ndarray, faces: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """A picture and its faces, flipped left to right half of the time."""
    if rng.random() < 0.5:
        return picture[:, ::-1], mirrored(faces, picture.shape[1])
    return picture, faces


def with_first(faces: np.ndarray, main: int) -> np.ndarray:
    """The faces with one of them before the others."""
    return np.concatenate([faces[main : main + 1], np.delete(faces, main, axis=0)])


def scaled(faces: np.ndarray, ratio: float) -> np.ndarray:
    """Faces in a picture that was resized."""
    faces = faces.copy()
    faces[:, :14] *= ratio
    return faces


def moved(face: np.ndarray, matrix: np.ndarray, scale: float, angle: float) -> np.ndarray:
    """A face after a similarity transform; its box is the hull of the turned oval."""
    face = face.copy()
    centre = matrix[:, :2] @ (face[:2] + face[2:4] / 2) + matrix[:, 2]
    width, height = face[2:4] * scale
    cos, sin = np.cos(angle), np.sin(angle)
    face[2] = np.hypot(width * cos, height * sin)
    face[3] = np.hypot(width * sin, height * cos)
    face[:2] = centre - face[2:4] / 2
    face[4:14] = (face[4:14].reshape(5, 2) @ matrix[:, :2].T + matrix[:, 2]).ravel()
    return face


class Composer:
    """Composes scenes and batches of them; the same seed and number give the same scene."""

    def __init__(self, sources: dict[str, Source], seed: int) -> None:
        self.sources = sources
        self.seed = seed

    @classmethod
    def load(cls, work: Path, seed: int) -> "Composer":
        """With all sources that `prepare` left in the work folder."""
        names = ("lfw", "chips", "backgrounds", "rendered")
        return cls({n: Source.load(work, n) for n in names if (work / f"{n}.faces.npz").exists()}, seed)

    def batch(self, number: int) -> tuple[np.ndarray, np.ndarray]:
        """(B, S, S, 3) float32 in [-1, 1] and (B, MAX_FACES, 15) float32."""
        rng = np.random.default_rng((self.seed, number))
        side, count, _ = SIDES[int(rng.choice(len(SIDES), p=[share for *_, share in SIDES]))]
        scenes = [self.scene(rng, side) for _ in range(count)]
        images = np.stack([image for image, _ in scenes]).astype(np.float32) / 127.5 - 1
        return images, np.stack([labels for _, labels in scenes])

    def scene(self, rng: np.random.Generator, side: int) -> tuple[np.ndarray, np.ndarray]:
        """One scene: (S, S, 3) uint8 BGR and (MAX_FACES, 15)."""
        scene = Scene(rng, self.ground(rng, side))
        layouts = (self._one, self._cover, self._edge, self._several, self._grid, self._nobody)
        layouts[int(rng.choice(6, p=(0.22, 0.18, 0.16, 0.24, 0.10, 0.10)))](scene, side)
        labels = scene.labels()
        return spoil(rng, scene.image), labels

    def ground(self, rng: np.random.Generator, side: int) -> np.ndarray:
        """What lies behind the pictures: a photo without faces, or a plain colour, (S, S, 3) uint8."""
        if rng.random() < 0.25:
            colour = rng.integers(0, 256, 3) if rng.random() < 0.6 else np.repeat(rng.integers(0, 256), 3)
            return np.full((side, side, 3), colour, np.uint8)
        picture, _ = self.sources["backgrounds"].pick(rng)
        part = int(rng.integers(100, picture.shape[0] + 1))
        top, left = rng.integers(0, picture.shape[0] - part + 1, 2)
        picture = cv2.resize(picture[top : top + part, left : left + part], (side, side))
        if rng.random() < 0.5:
            picture = picture[:, ::-1]
        return tint(rng, np.ascontiguousarray(picture))

    def person(self, rng: np.random.Generator, chip_share: float) -> tuple[np.ndarray, np.ndarray, bool]:
        """A picture with a face, mirrored or not, its faces (main one first), whether it is a tight chip."""
        kind = rng.random()
        name = "lfw"
        if kind < chip_share and "chips" in self.sources:
            name = "chips"
        elif kind > 0.9 and "rendered" in self.sources:
            name = "rendered"
        while True:
            picture, faces = self.sources[name].pick(rng)
            sure = np.flatnonzero(faces[:, 14] >= TEACHER_MIN_SCORE) if len(faces) else []
            if len(sure):
                break
        main = int(sure[np.argmax(faces[sure, 2])])
        return *perhaps_mirrored(rng, picture, with_first(faces, main)), name == "chips"

    def _turn(self, rng: np.random.Generator) -> float:
        return float(rng.normal(0, 14)) if rng.random() < 0.7 else 0.0

    def _one(self, scene: Scene, side: int) -> None:
        rng = scene.rng
        size = np.exp(rng.uniform(np.log(SMALLEST_PX * 1.1), np.log(side * LARGEST_SHARE)))
        picture, faces, is_chip = self.person(rng, 0.25)
        reach = max(0.0, min(size * 0.35, side * 0.45))
        at = rng.uniform(reach, side - reach, 2)
        scene.paste(picture, faces, size, at, self._turn(rng), soft=is_chip and rng.random() < 0.6)

    def _cover(self, scene: Scene, side: int) -> None:
        rng = scene.rng
        picture, faces, _ = self.person(rng, 0.0)
        face = float(np.sqrt(faces[0, 2] * faces[0, 3]))
        scale = side / min(picture.shape[:2]) * np.exp(rng.uniform(0, 0.9))
        where = (faces[0, :2] + faces[0, 2:4] / 2) / picture.shape[1::-1] * side
        at = where + rng.uniform(-0.25, 0.25, 2) * side
        scene.paste(picture, faces, face * scale, at, self._turn(rng) * 0.7)

    def _edge(self, scene: Scene, side: int) -> None:
        """A picture that ends where the scene does, across somebody's face."""
        rng = scene.rng
        if not self.sources["lfw"].at_edge:
            self._one(scene, side)
            return
        picture, faces, main = self.sources["lfw"].pick_at_edge(rng)
        picture, faces = perhaps_mirrored(rng, picture, with_first(faces, main))
        scale = side / picture.shape[0] * np.exp(rng.uniform(-0.3, 0.5))
        size = float(np.sqrt(faces[0, 2] * faces[0, 3]))
        middle = faces[0, :2] + faces[0, 2:4] / 2
        sides = np.array(picture.shape[1::-1])
        from_start = middle * scale
        from_end = side - (sides - middle) * scale
        at = np.where(middle < sides / 2, from_start, from_end)
        scene.paste(picture, faces, size * scale, at, rng.normal(0, 2))

    def _several(self, scene: Scene, side: int) -> None:
        rng = scene.rng
        for _ in range(int(rng.integers(2, 8))):
            size = np.exp(rng.uniform(np.log(SMALLEST_PX * 1.1), np.log(side * 0.45)))
            picture, faces, is_chip = self.person(rng, 0.35)
            soft = is_chip and rng.random() < 0.7
            scene.paste(picture, faces, size, rng.uniform(0.03, 0.97, 2) * side, self._turn(rng), soft)

    def _grid(self, scene: Scene, side: int) -> None:
        rng = scene.rng
        count = int(rng.integers(2, max(3, side // 36)))
        pitch = side / count
        for row in range(count):
            for column in range(count):
                if rng.random() < 0.15:
                    continue
                picture, faces, _ = self.person(rng, 0.15)
                size = pitch * rng.uniform(0.34, 0.75)
                at = (np.array([column, row]) + rng.uniform(0.4, 0.6, 2)) * pitch
                scene.paste(picture, faces, max(size, SMALLEST_PX), at, self._turn(rng) * 0.5)

    def _nobody(self, scene: Scene, side: int) -> None:
        """Half of the time the bodies, hands and hair around a face, without the face."""
        rng = scene.rng
        if rng.random() < 0.5:
            return
        picture, faces, _ = self.person(rng, 0.0)
        if picture.shape[0] != picture.shape[1]:
            return
        part = int(rng.integers(50, 110))
        top, left = rng.integers(0, picture.shape[0] - part + 1, 2)
        low, high = faces[:, :2], faces[:, :2] + faces[:, 2:4]
        apart = np.any((low >= (left + part, top + part)) | (high <= (left, top)), axis=1)
        if apart.all():
            crop = np.ascontiguousarray(picture[top : top + part, left : left + part])
            scene.image[:] = tint(rng, cv2.resize(crop, (side, side)))


class Feed:
    """Batches composed ahead by threads, in order."""

    def __init__(self, composer: Composer, first: int, threads: int) -> None:
        self._composer = composer
        self._next = first
        self._threads = threads
        self._ready: dict[int, tuple[np.ndarray, np.ndarray]] = {}
        self._wanted = first
        self._failed: BaseException | None = None
        self._condition = threading.Condition()

    def start(self) -> None:
        """Begin composing."""
        for _ in range(self._threads):
            threading.Thread(target=self._work, daemon=True).start()

    def get(self) -> tuple[np.ndarray, np.ndarray]:
        """The next batch."""
        with self._condition:
            self._condition.wait_for(lambda: self._wanted in self._ready or self._failed)
            if self._failed:
                raise self._failed
            batch = self._ready.pop(self._wanted)
            self._wanted += 1
            self._condition.notify_all()
            return batch

    def _work(self) -> None:
        while True:
            with self._condition:
                self._condition.wait_for(lambda: self._next < self._wanted + 8)
                number = self._next
                self._next += 1
            try:
                batch = self._composer.batch(number)
            except Exception as error:
                with self._condition:
                    self._failed = error
                    self._condition.notify_all()
                return
            with self._condition:
                self._ready[number] = batch
                self._condition.notify_all()
