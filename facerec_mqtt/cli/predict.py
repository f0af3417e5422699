"""`predict` and `find`: who is in picture files, and whether they are in pictures kept for review."""

import json
import sys
import unicodedata
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from facerec_mqtt.core.errors import FacerecError, PictureError
from facerec_mqtt.core.images import read_picture
from facerec_mqtt.core.records import Image, Vectors, score_text, short_of
from facerec_mqtt.faces import MIN_STILL_FACE_PX, STILL_SIDE_PX, load_cohort
from facerec_mqtt.presence.review import KeptPicture, kept_pictures
from facerec_mqtt.recognition import (
    Calibration,
    Gallery,
    Normaliser,
    Recognition,
    Recognizer,
    Scores,
    calibrate,
    load_current,
)
from facerec_mqtt.settings import Settings

_FAMILY_COLOUR = (80, 200, 60)
_NOBODY_COLOUR = (60, 140, 240)
_FPIR = 0.01
"""At least so often may `find` show somebody who was never here: single pictures say less than visits."""
_ENOUGH_TO_COMPARE = 4
# So many of the kept pictures, the least alike ones, are surely of other people than a given one.
_OTHERS = 0.25


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
        "reason": _reason(recognition),
        "reason_code": who.refusal,
    }


def _reason(recognition: Recognition) -> str | None:
    """Why nobody is named, in a sentence; `None` when somebody is."""
    who, width_px = recognition.identification, recognition.face.width_px
    match who.refusal:
        case None:
            return None
        case "no model":
            return "There is no model yet."
        case "below threshold":
            return (
                f"Like nobody enrolled: the score is {score_text(who.score)}, and 0.50 is needed for a name."
            )
        case "ambiguous":
            return "Between two people: it is nearly as much like the one as like the other."
        case "face too small":
            width = short_of(width_px, MIN_STILL_FACE_PX, 0)
            return f"The face is only {width} pixels wide, and {MIN_STILL_FACE_PX:.0f} are needed."
        case "blurred":
            return "The face is too blurred."


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


@dataclass(frozen=True, slots=True, eq=False)
class _Match:
    """A picture that was kept for review, and how much a face in it is like the one that is looked for."""

    picture: KeptPicture
    score: float
    """[0, 1], 0.5 at the threshold."""

    def as_json(self) -> dict[str, str | float]:
        kept = self.picture
        return {
            "file": str(kept.path),
            "time": kept.taken.isoformat(timespec="milliseconds"),
            "camera": kept.camera,
            "kind": kept.kind,
            "score": round(self.score, 4),
        }


def find(path: Path, settings: Settings, *, as_json: bool) -> int:
    """Print in which pictures kept for review the people of a picture are seen.

    Returns:
        0, also when they are in none.

    Raises:
        FacerecError: the picture cannot be read, the model does not fit, or no picture is ever kept.
    """
    pictures = _pictures_for_review(settings)
    recognizer = Recognizer.from_settings(settings.recognition, min_side_px=STILL_SIDE_PX)
    normaliser = recognizer.with_model(load_current(settings.model_dir)).normaliser
    seen = recognizer.recognise(read_picture(path), min_face_px=MIN_STILL_FACE_PX)
    faces = [found for found in seen if found.identification.refusal != "face too small"]
    shown, vectors = _kept_faces(pictures, recognizer)
    calibration = _calibration(vectors, normaliser, max(settings.recognition.fpir, _FPIR))
    answers: list[tuple[Recognition, list[_Match]]] = []
    for found in faces:
        gallery = Gallery.of(recognizer.embed(found.face)[None], normaliser)
        scores = calibration.scores(gallery.normalised(vectors, normaliser)[:, 0])
        answers.append((found, _matches(shown, scores)))
    if as_json:
        listed = [
            {
                "box": [round(side, 1) for side in found.detection.box],
                "matches": [match.as_json() for match in matches if match.score >= 0.5],
            }
            for found, matches in answers
        ]
        print(json.dumps({"file": str(path), "compared": len(pictures), "faces": listed}, ensure_ascii=False))
        return 0
    cameras = {camera.slug: camera.name for camera in settings.cameras}
    for line in _found_lines(path, answers, len(pictures), cameras):
        print(line)
    return 0


def _pictures_for_review(settings: Settings) -> tuple[KeptPicture, ...]:
    """What is kept for review.

    Raises:
        FacerecError: nothing is kept and nothing will be, or the folder cannot be read.
    """
    folder = settings.review.folder
    try:
        pictures = kept_pictures(folder)
    except OSError as error:
        raise FacerecError(
            f'The review folder "{folder}" cannot be read ({error.strerror}); check its permissions.'
        ) from error
    if not pictures and not settings.review.enabled:
        raise FacerecError(
            f'No picture is kept in "{folder}", since pictures for review are switched off; set'
            " FACEREC_REVIEW__ENABLED=true, and strangers from then on can be found."
        )
    return pictures


def _kept_faces(pictures: Sequence[KeptPicture], recognizer: Recognizer) -> tuple[list[KeptPicture], Vectors]:
    """The faces of the pictures: which picture each is in, and (N, D) their embeddings."""
    shown: list[KeptPicture] = []
    vectors = [np.zeros((0, load_cohort().centres.shape[1]), np.float32)]
    for picture in pictures:
        try:
            image = read_picture(picture.path)
        except PictureError as error:
            print(f"{picture.path}: {error}", file=sys.stderr)
            continue
        for found in recognizer.recognise(image, min_face_px=MIN_STILL_FACE_PX):
            shown.append(picture)
            vectors.append(recognizer.embed(found.face)[None])
    return shown, np.concatenate(vectors)


def _calibration(vectors: Vectors, normaliser: Normaliser, fpir: float) -> Calibration:
    """From which score on two faces are one person's, where so many are compared.

    Args:
        vectors: (N, D) of the faces that are kept.
        normaliser: what scores are normalised with.
        fpir: share of people who were never here of whom a match may be found, (0, 1).
    """
    cohort = load_cohort()
    table = cohort.impostor_far, cohort.impostor_threshold
    nobody = np.zeros(0, np.float32)
    if len(vectors) < _ENOUGH_TO_COMPARE:
        return calibrate(fpir, len(vectors), table, nobody, nobody)
    # Pictures of one camera are more alike than those of the table. Of most people there are few among them.
    scores = Gallery.of(vectors, normaliser).normalised(vectors, normaliser)
    alike = np.quantile(scores, _OTHERS, axis=1)
    return calibrate(fpir, len(vectors), table, nobody, np.minimum(alike, table[1].max()).astype(np.float32))


def _matches(shown: Sequence[KeptPicture], scores: Scores) -> list[_Match]:
    """Each picture once, with its most alike face; the most alike picture first."""
    best: dict[KeptPicture, float] = {}
    for picture, score in zip(shown, scores, strict=True):
        best[picture] = max(best.get(picture, 0.0), float(score))
    return sorted((_Match(*each) for each in best.items()), key=lambda match: -match.score)


def _found_lines(
    path: Path,
    answers: Sequence[tuple[Recognition, Sequence[_Match]]],
    compared: int,
    cameras: Mapping[str, str],
) -> Iterator[str]:
    """The answer for people to read."""
    if not answers:
        yield f"{path}: no face"
    for number, (_, matches) in enumerate(answers, 1):
        which = f"{path}, face {number} of {len(answers)}" if len(answers) > 1 else str(path)
        found = [match for match in matches if match.score >= 0.5]
        if not compared:
            yield f"{which}: nothing is kept for review yet."
        elif not found:
            nearest = f"; the most alike has {matches[0].score:.2f}, and 0.5 is needed" if matches else ""
            yield f"{which}: in none of {compared} pictures kept for review{nearest}."
        else:
            yield f"{which}: in {len(found)} of {compared} pictures kept for review:"
        for match in found:
            kept = match.picture
            camera = cameras.get(kept.camera, kept.camera)
            yield f"  {kept.taken:%Y-%m-%d %H:%M:%S}  {camera}  {match.score:.2f}  {kept.path}"
