"""Find the faces in a picture: two small networks of our own through LiteRT, and what goes around them.

The first sees the whole frame and is anchor-free: every cell of four grids, 8 to 64 px apart, says how sure
it is that a face is there, how far the sides of its box are, and where its five landmarks lie. The second
sees each face once more, cut out of the picture, and says it more exactly. How they were made:
`pretraining/detector`.
"""

from __future__ import annotations

from collections import OrderedDict
from hashlib import sha256
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray

from facerec_mqtt.core.errors import ModelError
from facerec_mqtt.core.records import Detection, Image
from facerec_mqtt.faces.litert import prepare_interpreter

if TYPE_CHECKING:
    from ai_edge_litert.interpreter import Interpreter

_STRIDES = (8, 16, 32, 64)
_CHANNELS = 15  # logit of a face, distances to the box's four sides, five landmarks x, y
_MAX_CANDIDATES = 500  # cells that are decoded at most; a face takes up to about ten
_SAME_FACE_IOU = 0.4  # boxes that overlap more are one face
_BLEND_IOU = 0.65  # of those, the ones near enough to the best to improve it
_FRAME_SIZES_KEPT = 4  # prepared interpreters, one for each frame size; cameras rarely have more
_TRAINED_SIDE_PX = 640  # longer side up to which faces of all sizes were trained
_MAX_FACES = 100  # that are looked at a second time, the surest first
_CUT_SIDE_PX = 48  # of what the second network sees
_CUT_CONTEXT = 1.5  # its side in the picture, in face sizes (root of the box's area)
_LOOKS = 2  # the second starts from the first one's better box, and so does one in the mirror
_MIRRORED = [0, 3, 2, 1, 4, 7, 8, 5, 6, 9, 10, 13, 14, 11, 12]  # columns of a face seen in the mirror
_FIRST_POWER, _SECOND_POWER = 0.4, 6.0  # of the two networks' scores in a face's
_OVERVIEW_SIDE_PX = 320  # longer side of the second look at larger pictures, for faces that fill them


class FaceDetector:
    """Finds faces from about 12 px (at the network's scale) to most of the frame. Not thread-safe."""

    def __init__(
        self,
        content: bytes,
        source: str,
        digest: str,
        refiner: _Refiner,
        min_score: float,
        max_side_px: int,
        threads: int,
    ) -> None:
        self._content = content
        self._source = source
        self.digest = digest
        """SHA-256 of both networks' files, hexadecimal."""
        self._refiner = refiner
        self._min_score = min_score
        self._max_side_px = max_side_px
        self._threads = threads
        self._networks: OrderedDict[tuple[int, int], _Network] = OrderedDict()

    @classmethod
    def load(
        cls,
        path: Path | None = None,
        *,
        min_score: float = 0.6,
        max_side_px: int = 640,
        threads: int = 1,
    ) -> FaceDetector:
        """Read the networks and try each once.

        Args:
            path: a LiteRT file of the first network; `None` is the one that the package ships.
            min_score: faces below this score are not reported, (0, 1).
            max_side_px: larger pictures are shrunk so that their longer side is this. Above 640, as suits
                still pictures with many small faces, a second look at low resolution finds those that fill
                the picture.
            threads: that the network may use.

        Raises:
            ModelError: the file is missing, damaged or not a face detector.
        """
        source = "weights/detector.tflite" if path is None else str(path)
        content = _read(path, source)
        refiner_source = "weights/refiner.tflite"
        refiner_content = _read(None, refiner_source)
        refiner = _Refiner.load(refiner_content, refiner_source, threads)
        digest = sha256(content + refiner_content).hexdigest()
        detector = cls(content, source, digest, refiner, min_score, max_side_px, threads)
        detector._network_for(64, 64)
        return detector

    def detect(self, image: Image) -> tuple[Detection, ...]:
        """Find the faces, best score first.

        Args:
            image: (H, W, 3) uint8 BGR, any size from one pixel.

        Returns:
            Boxes and landmarks in pixels of `image`; each face once.
        """
        if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or image.size == 0:
            raise ValueError(f"a picture must be (H, W, 3) uint8, not {image.shape} {image.dtype}")
        faces = [self._refined(image, face) for face in self.propose(image)]
        sure = np.array([face for face in faces if face[0] >= self._min_score], np.float32)
        return tuple(
            Detection(
                box=(float(face[1]), float(face[2]), float(face[3]), float(face[4])),
                landmarks=face[5:].reshape(5, 2).astype(np.float32),
                score=float(face[0]),
            )
            for face in _one_each(sure.reshape(-1, _CHANNELS))
        )

    def propose(self, image: Image) -> list[NDArray[np.float32]]:
        """What the first network alone takes for faces: (15,) score, box and landmarks, best first."""
        longer_px = max(image.shape[:2])
        scale = min(1.0, self._max_side_px / longer_px)
        candidates = self._look(image, scale)
        if longer_px * scale > _TRAINED_SIDE_PX:
            overview = self._look(image, _OVERVIEW_SIDE_PX / longer_px)
            candidates = np.concatenate([candidates, overview])
        return _one_each(candidates)[:_MAX_FACES]

    def _refined(self, image: Image, face: NDArray[np.float32]) -> NDArray[np.float32]:
        """A face after the second network's looks at it.

        Its score is the product of both networks' with these powers. The first is unsure of faces that the
        picture's edge cuts off, and the second hardly ever wrong: at as many false faces on training
        pictures this finds more than the first's whole score would leave.
        """
        before = seen = face
        for _ in range(_LOOKS):
            before, seen = seen, self._refiner.look(image, seen)
        # What it does to one side of all faces, it does to the other in the mirror.
        seen = np.asarray((seen + self._refiner.look(image, before, mirrored=True)) / 2, np.float32)
        seen[0] = face[0] ** _FIRST_POWER * seen[0] ** _SECOND_POWER
        return seen

    def _look(self, image: Image, scale: float) -> NDArray[np.float32]:
        """Candidates at one scale: (N, 15) score, box and landmarks in pixels of `image`."""
        height = max(1, round(image.shape[0] * scale))
        width = max(1, round(image.shape[1] * scale))
        if (height, width) != image.shape[:2]:
            image_scaled: Image = np.asarray(
                cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA), np.uint8
            )
            factors = np.array([image.shape[1] / width, image.shape[0] / height], np.float32)
        else:
            image_scaled, factors = image, np.ones(2, np.float32)
        network = self._network_for(_padded(height), _padded(width))
        # The second network can at most leave this power of a candidate's score.
        candidates = decode(network.run(image_scaled), self._min_score ** (1 / _FIRST_POWER))
        candidates[:, 1:] *= np.tile(factors, 7)
        return candidates

    def _network_for(self, height: int, width: int) -> _Network:
        network = self._networks.pop((height, width), None)
        if network is None:
            network = _Network.load(self._content, self._source, height, width, self._threads)
        self._networks[(height, width)] = network
        if len(self._networks) > _FRAME_SIZES_KEPT:
            self._networks.popitem(last=False)
        return network


class _Network:
    """The LiteRT interpreter for one frame size, with its pre-processing."""

    def __init__(self, interpreter: Interpreter, input_index: int, output_indices: tuple[int, ...]) -> None:
        self._interpreter = interpreter
        self._input_index = input_index
        self._output_indices = output_indices

    @classmethod
    def load(cls, content: bytes, source: str, height: int, width: int, threads: int) -> _Network:
        """Prepare the network for frames of `height` × `width`, multiples of the largest stride."""
        interpreter, input_index, outputs = _prepared(content, source, height, width, threads)
        by_stride = {}
        for index in outputs:
            shape = tuple(interpreter.get_tensor(index).shape)
            for stride in _STRIDES:
                if shape == (1, height // stride, width // stride, _CHANNELS):
                    by_stride[stride] = index
        if tuple(sorted(by_stride)) != _STRIDES:
            raise ModelError(f"{source} is a LiteRT network but not a face detector; reinstall the package")
        return cls(interpreter, input_index, tuple(by_stride[stride] for stride in _STRIDES))

    def run(self, image: Image) -> tuple[NDArray[np.float32], ...]:
        """For each stride (H / stride, W / stride, 15) float32, from a picture no larger than the frame."""
        height, width = image.shape[:2]
        # A view into the interpreter's own memory, which it may reuse: all of it is written each time.
        frame = self._interpreter.tensor(self._input_index)()[0]
        frame[height:] = 0
        frame[:height, width:] = 0
        np.multiply(image, np.float32(1 / 127.5), out=frame[:height, :width])
        frame[:height, :width] -= 1
        del frame
        self._interpreter.invoke()
        return tuple(self._interpreter.get_tensor(index)[0] for index in self._output_indices)


class _Refiner:
    """The second network: one face, cut out of the picture, to a better box and landmarks."""

    def __init__(self, interpreter: Interpreter, input_index: int, output_index: int) -> None:
        self._interpreter = interpreter
        self._input_index = input_index
        self._output_index = output_index

    @classmethod
    def load(cls, content: bytes, source: str, threads: int) -> _Refiner:
        """Prepare the network for one face at a time."""
        interpreter, input_index, outputs = _prepared(content, source, _CUT_SIDE_PX, _CUT_SIDE_PX, threads)
        if not outputs or tuple(interpreter.get_tensor(outputs[0]).shape) != (1, _CHANNELS):
            raise ModelError(f"{source} is a LiteRT network for something else; reinstall the package")
        return cls(interpreter, input_index, outputs[0])

    def look(self, image: Image, face: NDArray[np.float32], *, mirrored: bool = False) -> NDArray[np.float32]:
        """Cut the face out with some context and ask the network.

        Args:
            image: (H, W, 3) uint8 BGR.
            face: (15,) score, box and landmarks in pixels of `image`.
            mirrored: show it the mirror image.

        Returns:
            (15,) float32, likewise, of this network alone.
        """
        centre = (face[1:3] + face[3:5]) / 2
        side = max(4, round(_CUT_CONTEXT * float(np.sqrt(np.prod(np.maximum(face[3:5] - face[1:3], 1))))))
        corner = np.round(centre - side / 2).astype(int)
        square = _cut(image, int(corner[0]), int(corner[1]), side)
        kind = cv2.INTER_AREA if side > _CUT_SIDE_PX else cv2.INTER_LINEAR
        cut = cv2.resize(square, (_CUT_SIDE_PX, _CUT_SIDE_PX), interpolation=kind).astype(np.float32)
        cut = cut[:, ::-1] if mirrored else cut
        self._interpreter.set_tensor(self._input_index, cut[None] / 127.5 - 1)
        self._interpreter.invoke()
        answer = self._interpreter.get_tensor(self._output_index)[0]
        if mirrored:
            answer = answer[_MIRRORED]
            # Half a pixel of the cut-out at each end: where training counts from.
            answer[1::2] = -1 / _CUT_SIDE_PX - answer[1::2]
        seen = np.empty(_CHANNELS, np.float32)
        seen[0] = 1 / (1 + np.exp(-answer[0]))
        # A quarter of a pixel of the cut-out and half a pixel of the picture: where training counts from.
        shift = corner + 0.25 / _CUT_SIDE_PX * side - 0.5
        seen[1:] = np.tile(shift, 7) + (answer[1:] + 1) / 2 * side
        return seen


def _read(path: Path | None, source: str) -> bytes:
    """A weight file's content; without a path `source` is one of the package's own."""
    try:
        if path is None:
            return resources.files("facerec_mqtt.faces").joinpath(source).read_bytes()
        return path.read_bytes()
    except OSError as error:
        raise ModelError(
            f"the face detector {source} cannot be read ({error.strerror}); reinstall the package"
        ) from error


def _prepared(
    content: bytes, source: str, height: int, width: int, threads: int
) -> tuple[Interpreter, int, tuple[int, ...]]:
    """A network that has seen one picture of this size, with the indices of its input and of its outputs."""
    try:
        interpreter = prepare_interpreter(content, threads, (1, height, width, 3))
        input_index = interpreter.get_input_details()[0]["index"]
        interpreter.set_tensor(input_index, np.zeros((1, height, width, 3), np.float32))
        interpreter.invoke()
    except (ValueError, RuntimeError, IndexError) as error:
        raise ModelError(
            f"{source} is not a working LiteRT network ({len(content)} bytes); reinstall the package"
        ) from error
    return interpreter, input_index, tuple(detail["index"] for detail in interpreter.get_output_details())


def _cut(image: Image, left: int, top: int, side: int) -> Image:
    """A square of a picture; what lies outside is black."""
    height, width = image.shape[:2]
    x0, y0, x1, y1 = max(0, left), max(0, top), min(width, left + side), min(height, top + side)
    square = np.zeros((side, side, 3), np.uint8)
    if x1 > x0 and y1 > y0:
        square[y0 - top : y1 - top, x0 - left : x1 - left] = image[y0:y1, x0:x1]
    return square


def _padded(side: int) -> int:
    """A side in pixels, rounded up to a multiple of the largest stride."""
    return -(-side // _STRIDES[-1]) * _STRIDES[-1]


def decode(outputs: tuple[NDArray[np.float32], ...], min_score: float) -> NDArray[np.float32]:
    """The output of the network's cells, in pixels of its input frame.

    Args:
        outputs: for each stride (H / stride, W / stride, 15) float32.
        min_score: cells below it are left out.

    Returns:
        (N, 15) float32, best first: score, x_min, y_min, x_max, y_max, five landmarks x, y.
    """
    min_logit = np.log(min_score / (1 - min_score))
    found = []
    for stride, output in zip(_STRIDES, outputs, strict=True):
        rows, columns = np.nonzero(output[:, :, 0] >= min_logit)
        cells = output[rows, columns]
        centres = (np.stack([columns, rows], axis=1) + np.float32(0.5)) * np.float32(stride)
        sides = np.exp(np.clip(cells[:, 1:5], -6, 6)) * stride
        face = np.empty((len(cells), _CHANNELS), np.float32)
        face[:, 0] = 1 / (1 + np.exp(-cells[:, 0]))
        face[:, 1:3] = centres - sides[:, :2]
        face[:, 3:5] = centres + sides[:, 2:]
        face[:, 5:] = np.tile(centres, 5) + cells[:, 5:] * stride
        found.append(face)
    faces = np.concatenate(found)
    return faces[np.argsort(-faces[:, 0], kind="stable")[:_MAX_CANDIDATES]]


def _one_each(candidates: NDArray[np.float32]) -> list[NDArray[np.float32]]:
    """One row for each face: the best, its box and landmarks averaged with those that say nearly the same."""
    remaining = candidates[np.argsort(-candidates[:, 0], kind="stable")]
    faces = []
    while len(remaining):
        overlap = _overlap(remaining[0, 1:5], remaining[:, 1:5])
        overlap[0] = 1.0  # whatever its shape
        agreeing = remaining[overlap >= _BLEND_IOU]
        face = np.average(agreeing, axis=0, weights=agreeing[:, 0])
        face[0] = remaining[0, 0]
        faces.append(face)
        remaining = remaining[overlap < _SAME_FACE_IOU]
    return faces


def _overlap(box: NDArray[np.float32], boxes: NDArray[np.float32]) -> NDArray[np.float32]:
    """Intersection over union of one box with (N, 4) others."""
    sides = np.minimum(box[2:], boxes[:, 2:]) - np.maximum(box[:2], boxes[:, :2])
    shared = np.prod(np.clip(sides, 0, None), axis=1)
    areas = np.prod(boxes[:, 2:] - boxes[:, :2], axis=1)
    union: NDArray[np.float32] = np.prod(box[2:] - box[:2]) + areas - shared
    return np.asarray(shared / np.maximum(union, 1e-6), np.float32)
