"""The second look at each face: a small network on a cut-out says where box and landmarks really are."""

import argparse
import time
from pathlib import Path

import cv2
import keras
import numpy as np
import tensorflow as tf
from keras import layers, ops

from pretraining.detector.camera import hide, spoil, tint
from pretraining.detector.cutouts import FACE_PX, KINDS, Cutouts
from pretraining.detector.network import Normalisation
from pretraining.detector.prepare import TEACHER_MIN_SCORE, overlap
from pretraining.detector.reread import reread
from pretraining.detector.robust import MIRRORED, roll
from pretraining.detector.scenes import Source, mirrored, moved

SIDE_PX = 48
CONTEXT = 1.5  # side of the cut-out, in face sizes (root of the box's area)
BATCH = 128
PEAK_RATE = 2e-3
AGAIN_RATE = 8e-4  # of a network that has learnt already
EDGE_SHARE = 0.12  # of the cut-outs: faces at the picture's edge
LANDMARK_WEIGHT, BOX_WEIGHT = 30.0, 15.0
KNEE = 0.03
MISTAKE_SHARE = 0.12  # of the cut-outs, when `mistakes.npz` is there
PACKED_SHARE = 0.72  # of the others: faces of `cutouts`, whose landmarks many looks agree on
PACKED_KINDS = {"lfw": 0.27, "celebrities": 0.25, "families": 0.3, "chips": 0.18}
TILTED_SHARE, MOST_TILT_DEG = 0.35, 45.0  # of the packed faces, turned by any angle up to this
CLOSELY_CUT_SHARE = 0.4  # of the packed faces: the picture ends at the face
SURROUNDINGS = ("black", "blurred", "reflected", "smeared", "grey", "elsewhere")
SURROUNDINGS_SHARES = (0.4, 0.3, 0.05, 0.07, 0.08, 0.1)  # where the picture ends
NEW_IN_A_BATCH = 32  # cut-outs; the others have been seen before, mirrored by chance: drawing them is dear
KEPT_CUTS = 30000  # to see again
FREEZE_AT = 0.5  # share of the time after which the normalisation's statistics are fixed
SAVE_EVERY_S = 300.0


def build() -> keras.Model:
    """From (B, 48, 48, 3) float32 in [-1, 1] to (B, 15): logit, box and landmarks.

    Places are -1 to 1 across the cut-out.
    """
    image = x = keras.Input((SIDE_PX, SIDE_PX, 3), name="face")
    for number, (channels, stride) in enumerate(((16, 2), (32, 2), (32, 1), (64, 2), (64, 1), (64, 2))):
        x = layers.Conv2D(channels, 3, stride, padding="same", use_bias=False, name=f"conv{number}")(x)
        x = Normalisation(momentum=0.98, epsilon=1e-4, name=f"norm{number}")(x)
        x = layers.ReLU(name=f"relu{number}")(x)
    x = layers.Reshape((3 * 3 * 64,))(x)
    x = layers.Dense(96, activation="relu", name="dense")(x)
    return keras.Model(image, layers.Dense(15, name="answer")(x), name="facerec_refiner")


class RefinerModel(keras.Model):
    """The network with its loss."""

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        """Cross entropy, and smooth L1 on box and landmarks of the faces; y (B, 15), first is_face 0, 1."""
        del x, sample_weight, training
        is_face, logit = y[:, 0], y_pred[:, 0]
        face = ops.mean(ops.softplus(logit) - logit * is_face)
        error = ops.abs(y_pred[:, 1:] - y[:, 1:])
        error = ops.where(error < KNEE, 0.5 * error**2 / KNEE, error - 0.5 * KNEE)
        box, landmark = ops.mean(error[:, :4], axis=1), ops.mean(error[:, 4:], axis=1)
        place = BOX_WEIGHT * box + LANDMARK_WEIGHT * landmark
        return face + ops.sum(place * is_face) / ops.maximum(ops.sum(is_face), 1.0)


class Cutter:
    """Cut-outs of faces and of everything else, with the answers."""

    def __init__(
        self, sources: dict[str, Source], packed: dict[str, Cutouts], mistakes: np.ndarray, seed: int
    ) -> None:
        self.sources = sources
        self.packed = packed
        self.kept: list[tuple[np.ndarray, np.ndarray]] = []
        self.mistakes = mistakes
        self.seed = seed

    @classmethod
    def load(cls, work: Path, seed: int) -> "Cutter":
        """With the sources that `prepare` left in the work folder."""
        path = work / "mistakes.npz"
        mistakes = np.load(path)["mistakes"] if path.exists() else np.zeros((0, 6), np.float32)
        names = ("lfw", "chips", "backgrounds", "rendered")
        return cls(
            {name: Source.load(work, name) for name in names if (work / f"{name}.faces.npz").exists()},
            {kind: Cutouts.load(work, kind) for kind in KINDS},
            mistakes,
            seed,
        )

    def batch(self, number: int) -> tuple[np.ndarray, np.ndarray]:
        """(B, 48, 48, 3) float32 in [-1, 1] and (B, 15) float32; from the second on, many seen before."""
        rng = np.random.default_rng((self.seed, 5, number))
        new = BATCH if len(self.kept) < BATCH else NEW_IN_A_BATCH
        cuts = [self.cut(rng) for _ in range(new)]
        again = [self.kept[int(row)] for row in rng.integers(0, max(1, len(self.kept)), BATCH - new)]
        self.kept = (self.kept + cuts)[-KEPT_CUTS:]
        cuts += [flipped(*cut) if rng.random() < 0.5 else cut for cut in again]
        images = np.stack([image for image, _ in cuts]).astype(np.float32) / 127.5 - 1
        return images, np.stack([answer for _, answer in cuts]).astype(np.float32)

    def cut(self, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """One cut-out: (48, 48, 3) uint8 BGR and (15,)."""
        if len(self.mistakes) and rng.random() < MISTAKE_SHARE:
            return self.mistake(rng)
        if rng.random() < PACKED_SHARE:
            return self.packed_face(rng)
        if rng.random() < EDGE_SHARE and self.sources["lfw"].at_edge:
            picture, faces, cut_off = self.sources["lfw"].pick_at_edge(rng)
            sure, is_face = np.array([cut_off]), True
        else:
            shares = {"lfw": 0.5, "chips": 0.2, "rendered": 0.07, "backgrounds": 0.23}
            shares = {name: share for name, share in shares.items() if name in self.sources}
            odds = np.array(list(shares.values()))
            name = list(shares)[int(rng.choice(len(odds), p=odds / odds.sum()))]
            picture, faces = self.sources[name].pick(rng)
            sure = np.flatnonzero(faces[:, 14] >= TEACHER_MIN_SCORE) if len(faces) else np.zeros(0, int)
            is_face = len(sure) > 0 and (name == "chips" or rng.random() < 0.85)
        if is_face:
            face = faces[int(rng.choice(sure))]
            size = float(np.sqrt(face[2] * face[3]))
            centre = face[:2] + face[2:4] / 2 + rng.normal(0, 0.11, 2) * size
            reach = CONTEXT * size * np.exp(np.clip(rng.normal(0, 0.18), -0.45, 0.45))
        else:
            reach = np.exp(rng.uniform(np.log(20), np.log(min(picture.shape[:2]))))
            centre = rng.uniform(0.2, 0.8, 2) * picture.shape[1::-1]
            face = np.concatenate([centre - reach / 3, [reach / 1.5] * 2, np.zeros(11)])
            if len(faces) and overlap(face[:4], faces[:, :4]).max() > 0.2:
                return self.cut(rng)
        return self.view(rng, picture, face, centre, reach, is_face)

    def packed_face(self, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """A face whose landmarks many looks agree on; where its picture ends, anything may begin."""
        kind = list(PACKED_KINDS)[int(rng.choice(len(PACKED_KINDS), p=list(PACKED_KINDS.values())))]
        faces = self.packed[kind]
        index = int(rng.integers(len(faces.images)))
        points, box = faces.points[index].astype(np.float64), faces.boxes[index].astype(np.float64)
        left, top, right, bottom = faces.inside[index]
        if rng.random() < CLOSELY_CUT_SHARE:
            low, high = box[:2] - box[2:] / 2, box[:2] + box[2:] / 2
            gaps = rng.uniform(-0.08, 0.4, 4) * np.tile(box[2:], 2)
            left, top = np.maximum((left, top), low - gaps[:2])
            right, bottom = np.minimum((right, bottom), high + gaps[2:])
        left, top = int(np.ceil(left)), int(np.ceil(top))
        part = faces.images[index][top : int(bottom) + 1, left : int(right) + 1]
        shift = np.array([left, top], np.float64)
        points, centre = points - shift, box[:2] - shift

        tilted = rng.random() < TILTED_SHARE
        turn = rng.uniform(-MOST_TILT_DEG, MOST_TILT_DEG) if tilted else rng.normal(0, 12)
        angle = np.radians(turn)
        aim = centre + rng.normal(0, 0.1, 2) * FACE_PX
        reach = CONTEXT * FACE_PX * np.exp(np.clip(rng.normal(0, 0.17), -0.45, 0.45))
        side = 2 * SIDE_PX
        scale = side / reach
        linear = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        matrix = np.column_stack([linear, side / 2 - 0.5 - linear @ aim])
        image = self.surrounded(rng, part, matrix, scale)
        # The box is the hull of the oval that the face is, as the picture has it turned.
        whole = np.radians(roll(faces.points[index]) + turn)
        cos, sin = np.cos(whole), np.sin(whole)
        sides = scale * np.array([np.hypot(box[2] * cos, box[3] * sin), np.hypot(box[2] * sin, box[3] * cos)])
        middle = linear @ centre + matrix[:, 2]
        points = points @ linear.T + matrix[:, 2]
        face = np.concatenate([middle - sides / 2, sides, points.ravel(), [1.0]])
        return self.seen(rng, image, face, True)

    def surrounded(
        self, rng: np.random.Generator, part: np.ndarray, matrix: np.ndarray, scale: float
    ) -> np.ndarray:
        """Warp a part of a picture to twice the cut-out's side; where it ends, something else begins."""
        side = (2 * SIDE_PX, 2 * SIDE_PX)
        way = SURROUNDINGS[int(rng.choice(len(SURROUNDINGS), p=SURROUNDINGS_SHARES))]
        if way == "black":
            return cv2.warpAffine(part, matrix, side)
        if way == "grey":
            return cv2.warpAffine(part, matrix, side, borderValue=[float(rng.integers(30, 220))] * 3)
        if way == "smeared":
            return cv2.warpAffine(part, matrix, side, borderMode=cv2.BORDER_REPLICATE)
        if way == "elsewhere":
            picture, _ = self.sources["backgrounds"].pick(rng)
            ground = cv2.resize(picture, side, interpolation=cv2.INTER_AREA)
            return cv2.warpAffine(part, matrix, side, dst=ground, borderMode=cv2.BORDER_TRANSPARENT)
        image = cv2.warpAffine(part, matrix, side, borderMode=cv2.BORDER_REFLECT)
        if way == "blurred":
            ground = cv2.GaussianBlur(image, (0, 0), max(0.5, rng.uniform(0.03, 0.12) * FACE_PX * scale))
            inside = cv2.warpAffine(np.ones(part.shape[:2], np.uint8), matrix, side)
            image = np.where(inside[..., None] > 0, image, ground)
        return image

    def mistake(self, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """A place that the first network took for a face."""
        source, index, *box = self.mistakes[int(rng.integers(len(self.mistakes)))]
        picture = np.asarray(self.sources["lfw" if source else "backgrounds"].pictures[int(index)])
        face = np.concatenate([box, np.zeros(11)])
        size = float(np.sqrt(face[2] * face[3]))
        centre = face[:2] + face[2:4] / 2 + rng.normal(0, 0.06, 2) * size
        return self.view(rng, picture, face, centre, CONTEXT * size * np.exp(rng.normal(0, 0.12)), False)

    def view(
        self,
        rng: np.random.Generator,
        picture: np.ndarray,
        face: np.ndarray,
        centre: np.ndarray,
        reach: float,
        is_face: bool,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Cut a square around `centre` out of a picture, turned and spoilt by chance."""
        angle = np.radians(rng.normal(0, 14))
        scale = 2 * SIDE_PX / reach
        linear = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        matrix = np.column_stack([linear, SIDE_PX - linear @ centre])
        border = cv2.BORDER_CONSTANT if rng.random() < 0.7 else cv2.BORDER_REPLICATE
        image = cv2.warpAffine(picture, matrix, (2 * SIDE_PX, 2 * SIDE_PX), borderMode=border)
        return self.seen(rng, image, moved(face, matrix, scale, float(angle)), is_face)

    @staticmethod
    def seen(
        rng: np.random.Generator, image: np.ndarray, face: np.ndarray, is_face: bool
    ) -> tuple[np.ndarray, np.ndarray]:
        """What a camera makes of a picture of twice the cut-out's side, and the answer."""
        if rng.random() < 0.5:
            image, face = np.ascontiguousarray(image[:, ::-1]), mirrored(face[None], 2 * SIDE_PX)[0]
        image = tint(rng, image)
        if is_face and rng.random() < 0.2:
            hide(rng, image, face[4:14].reshape(5, 2), face[:4])
        if rng.random() < 0.4:
            image = spoil(rng, image)
        if rng.random() < 0.4:  # a small face, enlarged
            small = int(rng.integers(14, 44))
            image = cv2.resize(image, (small, small), interpolation=cv2.INTER_AREA)
            image = cv2.resize(image, (SIDE_PX, SIDE_PX), interpolation=cv2.INTER_LINEAR)
        else:
            image = cv2.resize(image, (SIDE_PX, SIDE_PX), interpolation=cv2.INTER_AREA)
        corners = np.concatenate([face[:2], face[:2] + face[2:4], face[4:14]]) / SIDE_PX - 1
        return image, np.concatenate([[is_face], corners * is_face])


def flipped(image: np.ndarray, answer: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A cut-out and its answer in the mirror."""
    # Places count from pixels of twice the side, whose first and last centres lie half a pixel inside.
    ends = -1 / SIDE_PX
    answer = answer.copy()
    if answer[0]:
        answer[[1, 3]] = ends - answer[[3, 1]]
        points = answer[5:].reshape(5, 2)[MIRRORED]
        points[:, 0] = ends - points[:, 0]
        answer[5:] = points.ravel()
    return image[:, ::-1], answer


def train_refiner(work: Path, minutes: float, seed: int, out: Path, start: Path | None = None) -> None:
    """Train for some minutes of wall-clock time, all legs together, and write LiteRT now and then.

    `refiner.npz` in the work folder keeps the weights; what the optimizer remembers is not kept.
    """
    keras.utils.set_random_seed(seed)
    network = build()
    if start is not None:
        reread(start, network)
    model = RefinerModel(network.inputs, network.outputs)
    optimizer = keras.optimizers.AdamW(PEAK_RATE, weight_decay=1e-3, clipnorm=10.0)
    model.compile(optimizer=optimizer, jit_compile=False)
    cutter = Cutter.load(work, seed)
    average = [np.array(weight) for weight in model.get_weights()]
    step, earlier_s, frozen, checkpoint = 0, 0.0, start is not None, work / "refiner.npz"
    peak_rate = AGAIN_RATE if start else PEAK_RATE
    if checkpoint.exists():
        kept = np.load(checkpoint)
        step, earlier_s, frozen = int(kept["step"]), float(kept["spent_s"]), bool(kept["frozen"])
        average = [kept[f"average_{index}"] for index in range(len(average))]
        model.set_weights([kept[f"weight_{index}"] for index in range(len(average))])
    freeze(model, frozen)
    began_s, saved_s, losses = time.monotonic(), earlier_s, []
    while (spent_s := earlier_s + time.monotonic() - began_s) < 60 * minutes:
        progress = spent_s / (60 * minutes)
        if progress >= FREEZE_AT and not frozen:
            frozen = True
            freeze(model, frozen)
        optimizer.learning_rate = peak_rate * (0.005 + 0.995 * (1 + np.cos(np.pi * progress)) / 2)
        losses.append(float(model.train_on_batch(*cutter.batch(step))))
        step += 1
        if step % 5 == 0:
            share = min(0.98, step / (step + 50))
            for mean, weight in zip(average, model.get_weights(), strict=True):
                mean += (1 - share) * (weight - mean)
        if step % 100 == 0:
            print(f"refiner {step} {spent_s / 60:.1f} min, loss {np.mean(losses):.4f}", flush=True)
            losses = []
        if spent_s - saved_s > SAVE_EVERY_S:
            saved_s = spent_s
            keep(checkpoint, model, average, step, spent_s, frozen)
            snapshot = build()
            snapshot.set_weights(average)
            export_refiner(snapshot, work / "refiner_latest.tflite")
    keep(checkpoint, model, average, step, 60 * minutes, frozen)
    network = build()
    network.set_weights(average)
    export_refiner(network, out)


def freeze(model: keras.Model, frozen: bool) -> None:
    """Use the normalisation's mean statistics in training too, as for the first network."""
    for layer in model.layers:
        if isinstance(layer, Normalisation):
            layer.frozen = frozen
    model.make_train_function(force=True)


def keep(
    path: Path, model: keras.Model, average: list[np.ndarray], step: int, spent_s: float, frozen: bool
) -> None:
    """Write the checkpoint, replacing the file at once."""
    arrays = {f"weight_{index}": weight for index, weight in enumerate(model.get_weights())}
    arrays |= {f"average_{index}": weight for index, weight in enumerate(average)}
    partial = path.with_suffix(".partial.npz")
    np.savez(partial, **arrays, step=step, spent_s=spent_s, frozen=frozen)
    partial.replace(path)


def export_refiner(network: keras.Model, path: Path) -> None:
    """Write LiteRT with float16 weights, replacing the file at once; the number of faces is free."""
    converter = tf.lite.TFLiteConverter.from_keras_model(network)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.target_spec.supported_types = [tf.float16]
    partial = path.with_suffix(".partial")
    partial.write_bytes(converter.convert())
    partial.replace(path)


def main() -> None:
    """`python -m pretraining.detector.refiner`: only this second stage; the pictures must be prepared."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, default=Path("../detector_run"))
    parser.add_argument("--out", type=Path, default=Path("facerec_mqtt/faces/weights/refiner.tflite"))
    parser.add_argument("--minutes", type=float, default=15)
    parser.add_argument("--start", type=Path, help="an exported one to go on from")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    train_refiner(arguments.work, arguments.minutes, arguments.seed, arguments.out, arguments.start)


if __name__ == "__main__":
    main()
