"""`evaluate`: how well the model in use does on a labelled folder of new pictures."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from facerec_mqtt.cli.output import progress_on_terminal
from facerec_mqtt.core.errors import FacerecError, PictureError
from facerec_mqtt.core.files import replace_file
from facerec_mqtt.core.images import decode_picture, read_bytes
from facerec_mqtt.core.records import AlignedFace
from facerec_mqtt.enrollment.folder import EnrollmentFolder, Photo, read_enrollment_folder
from facerec_mqtt.enrollment.photos import MIN_FACE_PX, Networks, PhotoCache, content_key
from facerec_mqtt.faces.alignment import align
from facerec_mqtt.faces.detection import FaceDetector
from facerec_mqtt.faces.embedding import Embedder, load_cohort
from facerec_mqtt.faces.selection import choose, find_faces
from facerec_mqtt.recognition.error_rates import NOBODY, Outcomes, fpir_of, tpir_of
from facerec_mqtt.recognition.model_store import FamilyModel, load_current
from facerec_mqtt.recognition.recognizer import Family, prepare
from facerec_mqtt.reports.html import Page, confusable_text, rate_text, render_page
from facerec_mqtt.reports.rebuild_report import PhotoReport, outcomes_as_json
from facerec_mqtt.settings.schema import Settings

# A still is looked at as `predict` does.
_STILL_SIDE_PX = 1280


@dataclass(frozen=True, slots=True, eq=False)
class Evaluation:
    """What the model in use said of a labelled folder."""

    model: FamilyModel
    folder: Path
    photos: tuple[PhotoReport, ...]
    outcomes: Outcomes
    """Of the pictures that were not set aside; its rows are the model's people."""
    notes: tuple[str, ...]
    """What makes the figures say less than they seem to, a sentence each."""

    def as_json(self) -> dict[str, Any]:
        """As `facerec-mqtt evaluate --json` prints it."""
        people = self.model.people
        return {
            "version": self.model.version,
            "people": [person.slug for person in people],
            "tpir": _rounded(tpir_of(self.outcomes)),
            "fpir": _rounded(fpir_of(self.outcomes)),
            "stated_fpir": self.model.report.get("fpir"),
            "genuine": int(np.sum(self.outcomes.true != NOBODY)),
            "strangers": int(np.sum(self.outcomes.true == NOBODY)),
            "details": {
                person.slug: {
                    "name": person.name,
                    "pictures": int(np.sum(self.outcomes.true == row)),
                    "set_aside": self.set_aside(person.slug),
                    "tpir": _rounded(tpir_of(self.outcomes, row)),
                }
                for row, person in enumerate(people)
            },
            "photos": [photo.as_json() for photo in self.photos],
            "notes": list(self.notes),
            **outcomes_as_json(people, self.outcomes),
        }

    def set_aside(self, slug: str | None) -> int:
        """How many pictures of a person, `None` for strangers, could not be judged."""
        return sum(photo.person == slug and photo.reason is not None for photo in self.photos)

    def page(self) -> Page:
        """As `facerec-mqtt evaluate --html` writes it."""
        return Page(
            title="How well did it do on new pictures?",
            subtitle=f"Model {self.model.version} on {self.folder.name}",
            verdict=None,
            people=self.model.people,
            advice=(),
            notes=self.notes,
            photos=self.photos,
            outcomes=self.outcomes,
            curves=(),
            fpir=float(self.model.report.get("fpir", float("nan"))),
            method=(
                "Each picture was judged by the model in use, as a single frame of a camera would be; a visit"
                " has many. Pictures without a face that can be judged are set aside and count for neither"
                " figure."
            ),
        )


def evaluate(folder: Path, settings: Settings, *, as_json: bool, html: Path | None) -> int:
    """Print how the model in use does on a folder as for enrollment, of new pictures.

    Args:
        folder: `<Person>/*` and `_strangers/*`; nothing in it is changed.
        settings: where the model is, and how faces are looked for.
        as_json: print one line of JSON, and not a table.
        html: where the report is written as a page.

    Returns:
        0.

    Raises:
        FacerecError: there is no usable model, no picture, or the page cannot be written.
    """
    model = load_current(settings.model_dir)
    if model is None:
        raise FacerecError(
            f'There is no model in "{settings.model_dir}"; make one with "facerec-mqtt rebuild", or name '
            "another folder with --model-dir."
        )
    roster = read_enrollment_folder(folder, called="folder", strangers_suffice=True)
    with progress_on_terminal() as progress:
        found = _judge(
            model, folder, roster, settings, lambda share: progress("Looking at the pictures", share)
        )
    if not len(found.outcomes.true):
        raise FacerecError(
            f'No picture in "{folder}" could be judged; the first is {found.photos[0].file}.'
            f" {found.photos[0].reason}"
            if found.photos
            else f'There is no picture in "{folder}"; put some into {folder / "Anna"}.'
        )
    if html is not None:
        _write_page(html, render_page(found.page()))
    if as_json:
        print(json.dumps(found.as_json(), ensure_ascii=False))
    else:
        _print(found)
        if html is not None:
            print(f'The whole report: "{html}"')
    return 0


@dataclass(frozen=True, slots=True, eq=False)
class _Judge:
    networks: Networks
    embedder: Embedder
    family: Family
    min_margin: float

    def face(self, data: bytes) -> AlignedFace | str:
        """The face that a picture is about, or why there is none that can be judged."""
        try:
            image = decode_picture(data, enough_px=_STILL_SIDE_PX)
        except PictureError as error:
            return str(error)
        detections = find_faces(self.networks.detector, image)
        if not detections:
            return "No face was found in it."
        chosen = choose(detections, image)
        if chosen is None:
            return (
                f"It shows {len(detections)} faces, none of them clearly the largest; cut out the right one."
            )
        face = align(image, chosen)
        if face.width_px < MIN_FACE_PX:
            return f"The face is only {face.width_px:.0f} pixels wide, and {MIN_FACE_PX:.0f} are the least."
        return face


def _judge(
    model: FamilyModel,
    folder: Path,
    roster: EnrollmentFolder,
    settings: Settings,
    progress: Callable[[float], None],
) -> Evaluation:
    detector = FaceDetector.load(
        min_score=settings.recognition.min_detection_score,
        max_side_px=max(_STILL_SIDE_PX, settings.recognition.max_side_px),
        threads=settings.recognition.threads,
    )
    embedder = Embedder.load(threads=settings.recognition.threads)
    networks = Networks(detector, detector, embedder, detector.digest, embedder.digest)
    judge = _Judge(
        networks,
        embedder,
        prepare(model, embedder.digest, load_cohort()),
        settings.recognition.min_margin,
    )
    learnt = PhotoCache.open(settings.model_dir / "cache" / "photos.npz", networks)
    rows = {person.slug: row for row, person in enumerate(model.people)}
    names = {person.slug: person.name for person in model.people}
    # Whoever is not in the model counts as a stranger, with what is set aside too.
    reports = [
        PhotoReport(each.file, each.person if each.person in rows else None, each.rejection.sentence)
        for each in roster.rejected
    ]
    files, true, scores, named, known = [], [], [], [], 0
    for done, photo in enumerate(roster.photos):
        data, reason = _read(photo)
        face = judge.face(data) if reason is None else reason
        person = photo.person if photo.person in rows else None
        if isinstance(face, str):
            reports.append(PhotoReport(photo.file, person, face))
        else:
            vectors = embedder.embed([face])
            (answer,) = judge.family.identify(vectors, min_margin=judge.min_margin)
            reports.append(PhotoReport(photo.file, person, None, _wrong(person, answer.person, names)))
            finding = learnt.get(content_key(data))
            known += finding is not None and finding.vectors is not None
            files.append(photo.file)
            true.append(NOBODY if person is None else rows[person])
            scores.append(judge.family.scores(vectors)[0])
            named.append(NOBODY if answer.person is None else rows[answer.person])
        progress((done + 1) / len(roster.photos))
    outcomes = Outcomes(
        files=tuple(files),
        true=np.array(true, np.int64),
        scores=np.array(scores, np.float32).reshape(-1, len(rows)),
        named=np.array(named, np.int64),
    )
    notes = [*roster.notes]
    notes += [
        f"{person.name} is not in the model, so these pictures count as a stranger's."
        for person in roster.people
        if person.slug not in rows
    ]
    if known:
        notes.append(
            f"{known} of the pictures were looked at for enrollment: what the model has learnt from flatters"
            " it; take them out to see how it does on new ones."
        )
    return Evaluation(
        model, folder, tuple(sorted(reports, key=lambda each: each.file)), outcomes, tuple(notes)
    )


def _wrong(shown: str | None, answer: str | None, names: Mapping[str, str]) -> str | None:
    """What was wrong with an answer; `None` where it was right."""
    if answer == shown:
        return None
    return "Not recognised." if answer is None else f"Taken for {names[answer]}."


def _read(photo: Photo) -> tuple[bytes, str | None]:
    try:
        return read_bytes(photo.path), None
    except PictureError as error:
        return b"", str(error)


def _write_page(path: Path, page: str) -> None:
    try:
        replace_file(path, page.encode())
    except OSError as error:
        raise FacerecError(f'Cannot write "{path}" ({error.strerror}); choose another place.') from error


def _print(found: Evaluation) -> None:
    console = Console()
    table = Table(title=escape(f"Model {found.model.version} on {found.folder}"))
    table.add_column("Who")
    for heading in ("Pictures", "Set aside", "Recognised"):
        table.add_column(heading, justify="right")
    answer = found.as_json()
    for entry in answer["details"].values():
        rate = "" if entry["tpir"] is None else rate_text(entry["tpir"])
        table.add_row(escape(entry["name"]), str(entry["pictures"]), str(entry["set_aside"]), rate)
    table.add_row("not enrolled", str(answer["strangers"]), str(found.set_aside(None)), "")
    console.print(table)

    def say(text: str) -> None:
        console.print(text, markup=False, highlight=False)

    for photo in found.photos:
        if (remark := photo.reason or photo.note) is not None:
            say(f"  {photo.file}: {remark}")
    for note in found.notes:
        say(f"! {note}")
    say(f"Recognised: {rate_text(tpir_of(found.outcomes))} of {answer['genuine']} pictures of the family.")
    stated = answer["stated_fpir"]
    asked = "" if stated is None else f" (at most {rate_text(stated)} were asked for)"
    say(
        f"Given a name: {rate_text(fpir_of(found.outcomes))} of {answer['strangers']} pictures of people who"
        f" are not enrolled{asked}."
    )
    if pair := confusable_text(found.model.people, found.outcomes):
        say(pair)


def _rounded(rate: float) -> float | None:
    return None if np.isnan(rate) else round(rate, 4)
