"""The beginner's recipe as a contestant of `peers.py`: new dense layers on a frozen ImageNet MobileNetV2.

224×224 pixels, softmax over the family, Keras' `predict` for each face. Such a script finds faces with the
Haar cascade, which OpenCV 5 has no more; here it is given our detector, so that it is judged by what it makes
of faces.
"""

import os
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import cv2
import keras
import numpy as np
import peer_contest as contest

from facerec_mqtt.core.records import Box
from facerec_mqtt.faces import FaceDetector

SIDE_PX = 224
EPOCHS = 20
SEED = 1
NAMED_AT = 0.5
# Hair and chin belong to what the recipe learns.
MARGIN_SHARE = 0.25


def cut(image: contest.Image, box: Box) -> contest.Image:
    """A face with some margin, as the network wants it: RGB."""
    left, top, right, bottom = box
    margin_px = MARGIN_SHARE * (right - left)
    height, width = image.shape[:2]
    x, y = max(0, round(left - margin_px)), max(0, round(top - margin_px))
    part = image[y : min(height, round(bottom + margin_px)), x : min(width, round(right + margin_px))]
    return np.asarray(cv2.resize(part, (SIDE_PX, SIDE_PX))[..., ::-1], np.uint8)


def enrol(work: Path) -> None:
    """Train the new layers on the faces of the photos."""
    keras.utils.set_random_seed(SEED)
    detector = FaceDetector.load(max_side_px=640)
    people = sorted(path.name for path in (work / "enrollment").iterdir())
    faces, who = [], []
    for number, name in enumerate(people):
        for path in sorted((work / "enrollment" / name).iterdir()):
            image = np.asarray(cv2.imread(str(path)), np.uint8)
            found = detector.detect(image)
            if found:
                faces.append(cut(image, contest.nearest_to_middle(image, found, lambda face: face.box).box))
                who.append(number)
    base = keras.applications.MobileNetV2(
        input_shape=(SIDE_PX, SIDE_PX, 3), include_top=False, weights=None, pooling="avg"
    )
    base.load_weights(work / "imagenet.weights.h5")
    base.trainable = False
    network = keras.Sequential(
        [
            keras.layers.Input((SIDE_PX, SIDE_PX, 3)),
            keras.layers.RandomFlip("horizontal"),
            keras.layers.Rescaling(1 / 127.5, offset=-1),
            base,
            keras.layers.Dense(128, activation="relu"),
            keras.layers.Dropout(0.3),
            keras.layers.Dense(len(people), activation="softmax"),
        ]
    )
    network.compile("adam", "sparse_categorical_crossentropy")
    network.fit(np.stack(faces), np.array(who), batch_size=16, epochs=EPOCHS, verbose=0)
    network.save(work / "article.keras")
    (work / "article.txt").write_text("\n".join(contest.slug(name) for name in people))


def recognise(work: Path) -> contest.Recognise:
    """Load what was trained, and predict face by face."""
    names = (work / "article.txt").read_text().split("\n")
    network = keras.models.load_model(work / "article.keras")
    detector = FaceDetector.load(max_side_px=640)

    def answer(image: contest.Image) -> list[contest.Face]:
        faces = []
        for found in detector.detect(image):
            (shares,) = network.predict(cut(image, found.box)[None].astype(np.float32), verbose=0)
            best = int(shares.argmax())
            passed = shares[best] >= NAMED_AT
            faces.append(
                contest.Face(found.box, names[best] if passed else None, names[best], float(shares[best]))
            )
        return faces

    return answer


if __name__ == "__main__":
    contest.main(enrol, recognise)
