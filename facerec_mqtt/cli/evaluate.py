"""`evaluate`: how well the model in use does on a labelled folder of new pictures."""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from facerec_mqtt.cli.output import progress_on_terminal
from facerec_mqtt.core.errors import FacerecError, PictureError
from facerec_mqtt.core.files import replace_file
from facerec_mqtt.core.images import decode_picture, read_bytes
from facerec_mqtt.core.records import Person
from facerec_mqtt.core.rejections import Rejection, Remark, RemarkCode
from facerec_mqtt.enrollment import EnrollmentFolder, Photo, read_enrollment_folder
from facerec_mqtt.enrollment.judging.photo_cache import Networks, PhotoCache
from facerec_mqtt.enrollment.judging.photos import content_key
from facerec_mqtt.enrollment.reports import (
    PhotoReport,
    confusable_people,
    outcomes_as_json,
    photos_of,
    rate_text,
)
from facerec_mqtt.enrollment.reports.html import Page, render_page
from facerec_mqtt.faces import STILL_SIDE_PX, Embedder, FaceDetector, find_faces, load_cohort, select_face
from facerec_mqtt.recognition import (
    NOBODY,
    Family,
    FamilyModel,
    ModelPaths,
    Outcomes,
    SavedReport,
    Scores,
    fpir_of,
    load_current,
    prepare,
    tpir_of,
)
from facerec_mqtt.settings import Settings


@dataclass(frozen=True, slots=True, eq=False)
class Evaluation:
    """Who the model in use named in the pictures of a labelled folder."""

    model: FamilyModel
    folder: Path
    photos: tuple[PhotoReport, ...]
    outcomes: Outcomes
    """Of the pictures that could be judged; its rows are the model's people."""
    notes: tuple[str, ...]
    """What makes the figures say less than they seem to, a sentence each."""

    @property
    def stated_fpir(self) -> float | None:
        """Share of strangers that the model may name; `None` where its report lacks it."""
        return SavedReport.of(self.model.report).fpir

    @property
    def genuine(self) -> int:
        """Pictures of people in the model."""
        return int(np.sum(self.outcomes.true != NOBODY))

    @property
    def strangers(self) -> int:
        """Pictures of people who are not in the model."""
        return int(np.sum(self.outcomes.true == NOBODY))

    def pictures(self, row: int) -> int:
        """Pictures of one person that could be judged."""
        return int(np.sum(self.outcomes.true == row))

    def rejected(self, slug: str | None) -> int:
        """How many pictures of a person, `None` for strangers, could not be judged."""
        return sum(not photo.used for photo in photos_of(slug, self.photos))

    def as_json(self) -> dict[str, Any]:
        """As `facerec-mqtt evaluate --json` prints it."""
        people = self.model.people
        return {
            "version": self.model.version,
            "people": [person.slug for person in people],
            "tpir": _rounded(tpir_of(self.outcomes)),
            "fpir": _rounded(fpir_of(self.outcomes)),
            "stated_fpir": self.stated_fpir,
            "genuine": self.genuine,
            "strangers": self.strangers,
            "details": {
                person.slug: {
                    "name": person.name,
                    "pictures": self.pictures(row),
                    "set_aside": self.rejected(person.slug),
                    "tpir": _rounded(tpir_of(self.outcomes, row)),
                }
                for row, person in enumerate(people)
            },
            "photos": [photo.as_json() for photo in self.photos],
            "notes": list(self.notes),
            **outcomes_as_json(people, self.outcomes),
        }

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
            fpir=float("nan") if self.stated_fpir is None else self.stated_fpir,
            method=(
                "Each picture was judged by the model in use, as a single frame of a camera would be; a visit"
                " has many. Pictures without a face that can be judged are rejected and count for neither"
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
    pictures = read_enrollment_folder(folder, called="folder", strangers_suffice=True)
    with progress_on_terminal() as progress:
        evaluation = _judge_folder(
            model, folder, pictures, settings, lambda share: progress("Looking at the pictures", share)
        )
    if not len(evaluation.outcomes.true):
        raise FacerecError(
            f'No picture in "{folder}" could be judged; the first is {evaluation.photos[0].file}.'
            f" {evaluation.photos[0].sentence}"
            if evaluation.photos
            else f'There is no picture in "{folder}"; put some into {folder / "Anna"}.'
        )
    if html is not None:
        _write_page(html, render_page(evaluation.page()))
    if as_json:
        print(json.dumps(evaluation.as_json(), ensure_ascii=False))
    else:
        _print(evaluation)
        if html is not None:
            print(f'The whole report: "{html}"')
    return 0


@dataclass(frozen=True, slots=True)
class _Judgement:
    """Who the model named in one picture."""

    scores: Scores
    """(P,) against each of the model's people."""
    person: str | None
    """Slug of the one who was named."""
    learnt: bool
    """Whether a rebuild has analysed the picture for enrollment."""


@dataclass(frozen=True, slots=True, eq=False)
class _Judge:
    networks: Networks
    family: Family
    min_margin: float
    enrolled: PhotoCache

    @classmethod
    def load(cls, model: FamilyModel, settings: Settings) -> Self:
        """Load the networks as for still pictures.

        Raises:
            ModelError: the model does not fit them.
        """
        detector = FaceDetector.load(
            min_score=settings.recognition.min_detection_score,
            max_side_px=max(STILL_SIDE_PX, settings.recognition.max_side_px),
            threads=settings.recognition.threads,
        )
        embedder = Embedder.load(threads=settings.recognition.threads)
        networks = Networks(detector, detector, embedder, detector.digest, embedder.digest)
        return cls(
            networks,
            prepare(model, embedder.digest, load_cohort()),
            settings.recognition.min_margin,
            PhotoCache.open(ModelPaths(settings.model_dir).photo_cache, networks),
        )

    def judge(self, path: Path) -> _Judgement | Rejection:
        """Name the person that a picture is about, or say why it cannot be judged."""
        try:
            data = read_bytes(path)
            image = decode_picture(data, enough_px=STILL_SIDE_PX)
        except PictureError as error:
            return error.rejection
        selected = select_face(find_faces(self.networks.detector, image), image)
        if isinstance(selected, Rejection):
            return selected
        vectors = self.networks.backbone.embed([selected.face])
        (answer,) = self.family.identify(vectors, min_margin=self.min_margin)
        learnt = any(each.vectors is not None for each in self.enrolled.get(content_key(data)) or ())
        return _Judgement(self.family.scores(vectors)[0], answer.person, learnt)


def _judge_folder(
    model: FamilyModel,
    folder: Path,
    pictures: EnrollmentFolder,
    settings: Settings,
    progress: Callable[[float], None],
) -> Evaluation:
    judge = _Judge.load(model, settings)
    rows = {person.slug: row for row, person in enumerate(model.people)}
    # Whoever is not in the model counts as a stranger, with what is rejected too.
    reports = [
        PhotoReport(
            file=rejected.file,
            folder=rejected.folder,
            person=rejected.person if rejected.person in rows else None,
            rejection=rejected.rejection,
        )
        for rejected in pictures.rejected
    ]
    judged: dict[Photo, _Judgement] = {}
    for done, photo in enumerate(pictures.photos, start=1):
        person = photo.person if photo.person in rows else None
        answer = judge.judge(photo.path)
        rejection = answer if isinstance(answer, Rejection) else None
        remark = None
        if isinstance(answer, _Judgement):
            judged[photo] = answer
            remark = _what_is_wrong(person, answer.person, model.people)
        reports.append(
            PhotoReport(
                file=photo.file, folder=photo.folder, person=person, rejection=rejection, remark=remark
            )
        )
        progress(done / len(pictures.photos))
    outcomes = Outcomes(
        files=tuple(photo.file for photo in judged),
        true=np.array([rows.get(photo.person or "", NOBODY) for photo in judged], np.int64),
        scores=np.array([each.scores for each in judged.values()], np.float32).reshape(-1, len(rows)),
        named=np.array([rows.get(each.person or "", NOBODY) for each in judged.values()], np.int64),
    )
    return Evaluation(
        model,
        folder,
        tuple(sorted(reports, key=lambda each: each.file)),
        outcomes,
        (*pictures.notes, *_notes(pictures.people, model, sum(each.learnt for each in judged.values()))),
    )


def _notes(people: Sequence[Person], model: FamilyModel, learnt: int) -> Iterator[str]:
    """What limits the meaning of the figures."""
    known = {person.slug for person in model.people}
    for person in people:
        if person.slug not in known:
            yield f"{person.name} is not in the model, so these pictures count as a stranger's."
    if learnt:
        yield (
            f"{learnt} of the pictures were used for enrollment: what the model has learnt from flatters it;"
            " take them out to see how it performs on new ones."
        )


def _what_is_wrong(shown: str | None, named: str | None, people: Sequence[Person]) -> Remark | None:
    """What is wrong with an answer; `None` where it is right."""
    if named == shown:
        return None
    if named is None:
        return Remark(code=RemarkCode.NOT_RECOGNISED)
    name = next(person.name for person in people if person.slug == named)
    return Remark(code=RemarkCode.TAKEN_FOR, name=name)


def _write_page(path: Path, page: str) -> None:
    try:
        replace_file(path, page.encode())
    except OSError as error:
        raise FacerecError(f'Cannot write "{path}" ({error.strerror}); choose another place.') from error


def _print(evaluation: Evaluation) -> None:
    console = Console()
    outcomes, model = evaluation.outcomes, evaluation.model
    table = Table(title=escape(f"Model {model.version} on {evaluation.folder}"))
    table.add_column("Who")
    for heading in ("Pictures", "Rejected", "Recognised"):
        table.add_column(heading, justify="right")
    for row, person in enumerate(model.people):
        pictures, rejected = evaluation.pictures(row), evaluation.rejected(person.slug)
        rate = rate_text(tpir_of(outcomes, row)) if pictures else ""
        table.add_row(escape(person.name), str(pictures), str(rejected), rate)
    table.add_row("not enrolled", str(evaluation.strangers), str(evaluation.rejected(None)), "")
    console.print(table)

    def print_line(text: str) -> None:
        console.print(text, markup=False, highlight=False)

    for photo in evaluation.photos:
        if photo.sentence is not None:
            print_line(f"  {photo.file}: {photo.sentence}")
    for note in evaluation.notes:
        print_line(f"! {note}")
    print_line(f"Recognised: {rate_text(tpir_of(outcomes))} of {evaluation.genuine} pictures of the family.")
    stated = evaluation.stated_fpir
    asked = "" if stated is None else f" (at most {rate_text(stated)} were asked for)"
    print_line(
        f"Given a name: {rate_text(fpir_of(outcomes))} of {evaluation.strangers} pictures of people who"
        f" are not enrolled{asked}."
    )
    if pair := confusable_people(model.people, outcomes):
        print_line(pair)


def _rounded(rate: float) -> float | None:
    return None if np.isnan(rate) else round(rate, 4)
