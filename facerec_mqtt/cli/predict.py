"""`predict`: who is in picture files, drawn into copies of them where wanted."""

import json
import sys
import unicodedata
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from facerec_mqtt.core.errors import FacerecError, PictureError
from facerec_mqtt.core.images import read_picture
from facerec_mqtt.core.records import Image
from facerec_mqtt.faces import MIN_STILL_FACE_PX, STILL_SIDE_PX
from facerec_mqtt.recognition import Recognition, Recognizer, load_current
from facerec_mqtt.settings import Settings

_FAMILY_COLOUR = (80, 200, 60)
_NOBODY_COLOUR = (60, 140, 240)


def predict(paths: Sequence[Path], settings: Settings, *, as_json: bool, annotated_dir: Path | None) -> int:
    """Print who is in each picture, in the order given.

    Returns:
        0 when all pictures could be read, else 1; the others are done all the same.

    Raises:
        FacerecError: there is no usable model, or the annotated pictures cannot be written.
    """
    model = load_current(settings.model_dir)
    if model is None:
        raise FacerecError(
            f'There is no model in "{settings.model_dir}"; make one with "facerec-mqtt rebuild", or name '
            "another folder with --model-dir."
        )
    recognizer = Recognizer.from_settings(settings.recognition, model, min_side_px=STILL_SIDE_PX)
    names = {person.slug: person.name for person in model.people}
    failed = 0
    copies: set[Path] = set()
    for path in paths:
        try:
            image = read_picture(path)
        except PictureError as error:
            failed += 1
            if as_json:
                print(json.dumps({"file": str(path), "error": str(error)}, ensure_ascii=False), flush=True)
            else:
                print(error, file=sys.stderr, flush=True)
            continue
        found = recognizer.recognise(
            image,
            min_face_px=MIN_STILL_FACE_PX,
            min_sharpness=0.0,
            min_margin=settings.recognition.min_margin,
        )
        if annotated_dir is not None:
            target = _copy_of(path, annotated_dir, copies)
            copies.add(target)
            write_annotated(target, annotate(image, found, names))
        print(_json_line(path, found, names) if as_json else _text_line(path, found, names), flush=True)
    return 1 if failed else 0


def _json_line(path: Path, found: Sequence[Recognition], names: Mapping[str, str]) -> str:
    faces = [_face_as_json(recognition, names) for recognition in found]
    return json.dumps({"file": str(path), "faces": faces}, ensure_ascii=False)


def _face_as_json(recognition: Recognition, names: Mapping[str, str]) -> dict[str, Any]:
    who = recognition.identification
    return {
        "box": [round(side, 1) for side in recognition.detection.box],
        "person": who.person,
        "name": None if who.person is None else names[who.person],
        "score": round(who.score, 4),
        "margin": round(who.margin, 4),
    }


def _text_line(path: Path, found: Sequence[Recognition], names: Mapping[str, str]) -> str:
    if not found:
        return f"{path}: no face"
    return f"{path}: " + ", ".join(label(recognition, names) for recognition in found)


def label(recognition: Recognition, names: Mapping[str, str]) -> str:
    """A face in words: `Anna 0.97`, or why nobody is named."""
    who = recognition.identification
    if who.person is not None:
        return f"{names[who.person]} {who.score:.2f}"
    return f"nobody enrolled ({who.refusal})"


def annotate(image: Image, found: Sequence[Recognition], names: Mapping[str, str]) -> Image:
    """Draw boxes and names into a copy of a picture.

    Args:
        image: (H, W, 3) uint8 BGR.
        found: the faces, in pixels of `image`.
        names: display name of each slug.
    """
    drawn = image.copy()
    scale = max(drawn.shape[0], drawn.shape[1]) / 640
    thickness = max(1, round(1.5 * scale))
    for recognition in found:
        known = recognition.identification.person is not None
        colour = _FAMILY_COLOUR if known else _NOBODY_COLOUR
        x_min, y_min, x_max, y_max = (round(side) for side in recognition.detection.box)
        cv2.rectangle(drawn, (x_min, y_min), (x_max, y_max), colour, thickness, cv2.LINE_AA)
        text = label(recognition, names) if known else "nobody enrolled"
        # The built-in font has no accents.
        plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
        below = y_min < 20 * scale
        place = (max(2, x_min), round(y_max + 16 * scale) if below else round(y_min - 6 * scale))
        for shade, width in ((0, 3), (1, 1)):
            ink = colour if shade else (20, 20, 20)
            cv2.putText(
                drawn,
                plain,
                place,
                cv2.FONT_HERSHEY_SIMPLEX,
                0.5 * scale,
                ink,
                width * thickness,
                cv2.LINE_AA,
            )
    return np.asarray(drawn, np.uint8)


def _copy_of(path: Path, folder: Path, taken: Collection[Path]) -> Path:
    """Where the annotated copy of a picture goes: beside those of pictures with the same name."""
    target = folder / f"{path.stem}.annotated.jpg"
    number = 1
    while target in taken:
        number += 1
        target = folder / f"{path.stem}-{number}.annotated.jpg"
    return target


def write_annotated(target: Path, image: Image) -> None:
    """Write an annotated picture as JPEG; its folder is made where it is missing.

    Raises:
        FacerecError: the folder or the file cannot be written.
    """
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(cv2.imencode(".jpg", image)[1].tobytes())
    except OSError as error:
        raise FacerecError(f'Cannot write "{target}" ({error.strerror}); choose another folder.') from error
