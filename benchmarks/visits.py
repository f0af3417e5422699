"""Who is named in a visit: the pictures of it put together, against votes of single pictures.

    python benchmarks/visits.py [--people DIR] [--clips DIR] [--json]

- `--people`: one folder a person of faces aligned to the ArcFace 112×112 template. Thirty random families of
  five, twenty enrolment pictures each; all other people are strangers. A visit is five different pictures of
  one person. *Votes*: three of five pictures must be somebody's; *pooled*: the five embeddings are put
  together. Once at the score that lets exactly 0.1 or 1 % of the strangers' visits through, and once, *as
  used*, by the shipped table and a look after each picture.
  *Poor*: 48 px, JPEG 40, grey, in enrolment and visits. *Frames*: a visit is eight guises of one picture, a
  little turned, shifted, lit otherwise, noisy and compressed, as of somebody who hardly moves; as used, by
  three votes and pooled, with the third frame and with any.
- `--clips`: short clips `PERSON_word.mkv` of one person each. Each clip is a visit, of a person who is
  enrolled from the other clips together with four of `--people`; and once of a stranger, without that person.
  By the real tracks, at 5 frames a second: how many frames with a face until the arrival, pooled and by
  single frames.

AS-norm scores, without the family's layers. Intervals are 95 %, of the draw of families.
"""

import argparse
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from accuracy import DATA, ENROLLED, FAMILY_SIZE, FPIRS, degrade, summary
from filmed import FAMILIES, NOTHING, VOTES, embed, unit, visits_of_frames
from labelled import read_people
from numpy.typing import NDArray

from facerec_mqtt.core.records import Identification, PooledEmbedding, Sighting, Vectors
from facerec_mqtt.faces import Cohort, Embedder, FaceDetector, align, load_cohort
from facerec_mqtt.presence import Visits
from facerec_mqtt.recognition import Calibration, Gallery, Normaliser, calibrate, template
from facerec_mqtt.recognition.error_rates import Scores, threshold_at
from facerec_mqtt.settings import RecognitionSettings

PICTURES = 5
SHUFFLES = 6
"""How often a stranger's pictures are dealt into visits."""
FPS = 5


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--people", type=Path, default=DATA / "glint12")
    parser.add_argument("--clips", type=Path, default=DATA / "video")
    parser.add_argument("--json", action="store_true", help="print one line of JSON at the end")
    arguments = parser.parse_args()
    for folder in (arguments.people, arguments.clips):
        if not folder.is_dir():
            parser.error(f"{folder} is no folder; name the data with --people and --clips")
    embedder, cohort = Embedder.load(), load_cohort()
    people = read_people(arguments.people, FAMILY_SIZE, ENROLLED)
    clean = {who: embed(embedder, faces) for who, faces in people.items()}
    poor = {who: embed(embedder, [degrade(face) for face in faces]) for who, faces in people.items()}
    figures: dict[str, Any] = {}
    for name, vectors in (("clean", clean), ("poor", poor)):
        figures[name] = visits_of_people(vectors, cohort)
        show(name, figures[name])
    for name, enrolled, spoil in (("clean", clean, False), ("poor", poor, True)):
        figures[f"frames, {name}"] = visits_of_frames(people, enrolled, embedder, cohort, spoil=spoil)
        show(f"frames, {name}", figures[f"frames, {name}"])
    figures["clips"] = visits_in_clips(arguments.clips, clean, embedder, cohort)
    if arguments.json:
        print(json.dumps(figures))
    return 0


# --- Visits of five pictures


@dataclass(frozen=True, slots=True, eq=False)
class Scored:
    """Normalised scores of V visits against P people."""

    votes: Scores
    """(V, P): the third highest of the five pictures."""
    looks: Scores
    """(V, 5, P): of the first picture, the first two together, and so on."""

    @property
    def pooled(self) -> Scores:
        """(V, P): of all five together."""
        return self.looks[:, -1]


def score_visits(visits: Vectors, gallery: Gallery, normaliser: Normaliser) -> Scored:
    """Score visits: (V, 5, D) unit rows."""
    count, people = len(visits), len(gallery.templates)
    single = gallery.normalised(visits.reshape(-1, visits.shape[-1]), normaliser)
    single = np.sort(single.reshape(count, PICTURES, people), axis=1)
    looks = unit(np.cumsum(visits, axis=1)).reshape(-1, visits.shape[-1])
    return Scored(
        votes=single[:, PICTURES - VOTES],
        looks=gallery.normalised(looks, normaliser).reshape(count, PICTURES, people),
    )


def deal(vectors: Vectors, rng: np.random.Generator) -> Vectors:
    """Somebody's pictures as visits of five: (V, 5, D)."""
    shuffled = vectors[rng.permutation(len(vectors))][: len(vectors) // PICTURES * PICTURES]
    return shuffled.reshape(-1, PICTURES, vectors.shape[-1])


def visits_of_people(vectors: dict[str, Vectors], cohort: Cohort) -> dict[str, Any]:
    """Shares of visits that are named rightly, of members, and named at all, of strangers."""
    rng, normaliser = np.random.default_rng(1), Normaliser(cohort.centres, cohort.top)
    people = sorted(who for who, some in vectors.items() if len(some) >= ENROLLED + PICTURES)
    shares: dict[str, list[float]] = {}
    totals = {"visits": 0, "strangers_visits": 0}
    for _ in range(FAMILIES):
        family = [people[at] for at in rng.choice(len(people), FAMILY_SIZE, replace=False)]
        mixed = {who: vectors[who][rng.permutation(len(vectors[who]))] for who in family}
        gallery = Gallery.of(np.stack([template(some[:ENROLLED]) for some in mixed.values()]), normaliser)
        own = [deal(some[ENROLLED:], rng) for some in mixed.values()]
        truth = np.repeat(np.arange(FAMILY_SIZE), [len(some) for some in own])
        others = [deal(vectors[who], rng) for who in people if who not in family for _ in range(SHUFFLES)]
        members = score_visits(np.concatenate(own), gallery, normaliser)
        strangers = score_visits(np.concatenate(others), gallery, normaliser)
        totals["visits"] += len(truth)
        totals["strangers_visits"] += len(strangers.votes)
        for rate in FPIRS:
            for kind in ("votes", "pooled"):
                limit = threshold_at(getattr(strangers, kind).max(axis=1), rate)
                share = named_rightly(getattr(members, kind), limit, truth)
                shares.setdefault(f"{kind} at {rate:g}", []).append(share)
            calibration = calibrate(
                rate, FAMILY_SIZE, (cohort.impostor_far, cohort.impostor_threshold), NOTHING, NOTHING
            )
            for kind, share in as_used(members, strangers, truth, calibration).items():
                shares.setdefault(f"{kind} as used at {rate:g}", []).append(share)
    return {name: summary(each) for name, each in shares.items()} | totals


def named_rightly(scores: Scores, limit: float, truth: NDArray[np.int64]) -> float:
    """Share of (V, P) scores that name the right person at a threshold."""
    return float(np.mean((scores.argmax(axis=1) == truth) & (scores.max(axis=1) >= limit)))


def as_used(
    members: Scored, strangers: Scored, truth: NDArray[np.int64], calibration: Calibration
) -> dict[str, float]:
    """What looks after each picture decide, at the thresholds of the product."""
    limits = np.array([calibration.of_visit(count).threshold for count in range(1, PICTURES + 1)])
    passed = members.looks.max(axis=2) >= limits
    first = passed.argmax(axis=1)
    name = members.looks[np.arange(len(truth)), first].argmax(axis=1)
    named = passed.any(axis=1)
    return {
        "members": float(np.mean(named & (name == truth))),
        "members wrongly": float(np.mean(named & (name != truth))),
        "members by the first picture": float(np.mean(passed[:, 0])),
        "strangers": float(np.mean((strangers.looks.max(axis=2) >= limits).any(axis=1))),
        "strangers by one picture": float(
            np.mean(strangers.looks[:, 0].max(axis=1) >= calibration.threshold)
        ),
    }


def show(name: str, figures: dict[str, Any]) -> None:
    """Print the table."""
    print(f"{name}: {figures['visits']:,} visits of members, {figures['strangers_visits']:,} of strangers")
    for what, row in figures.items():
        if isinstance(row, dict):
            print(f"  {what:45} {row['mean']:.4f} {row['interval']}")


# --- Clips


def visits_in_clips(
    folder: Path, people: dict[str, Vectors], embedder: Embedder, cohort: Cohort
) -> list[dict[str, Any]]:
    """What the real tracks make of each clip, its person enrolled and not."""
    clips = {path.stem: sightings_in(path, embedder) for path in sorted(folder.glob("*.mkv"))}
    others = {who: people[who][:ENROLLED] for who in sorted(people)[: FAMILY_SIZE - 1]}
    rows = []
    for clip, frames in clips.items():
        person = clip.split("_")[0]
        enrolled = dict(others)
        for who in sorted({name.split("_")[0] for name in clips}):
            some = [each for name, each in clips.items() if name.split("_")[0] == who and name != clip]
            enrolled[who] = np.stack(
                [
                    face.embedding
                    for each in some
                    for faces in each
                    for face in faces
                    if face.embedding is not None
                ]
            )
        strange = {who: some for who, some in enrolled.items() if who != person}
        row: dict[str, Any] = {"clip": clip, "faces": sum(map(len, frames))}
        for fpir in FPIRS:
            member = Judges(enrolled, cohort, fpir)
            row |= {f"pooled at {fpir:g}": arrival(frames, member, pooled=True)}
            row |= {f"votes at {fpir:g}": arrival(frames, member, pooled=False)}
            row |= {
                f"stranger named at {fpir:g}": arrival(frames, Judges(strange, cohort, fpir), pooled=True)
            }
        print(row)
        rows.append(row)
    return rows


def sightings_in(path: Path, embedder: Embedder) -> list[list[Sighting]]:
    """The faces of a clip, frame by frame."""
    detector = FaceDetector.load(min_score=RecognitionSettings().min_detection_score)
    capture = cv2.VideoCapture(str(path))
    step = max(1, round(capture.get(cv2.CAP_PROP_FPS) / FPS))
    frames: list[list[Sighting]] = []
    number = 0
    while (read := capture.read())[0]:
        number += 1
        if number % step:
            continue
        at_s = len(frames) / FPS
        image = np.asarray(read[1], np.uint8)
        faces = [(detection, align(image, detection)) for detection in detector.detect(image)]
        nobody = Identification(None, 0.0, 0.0, "below threshold")
        frames.append(
            [
                Sighting("clip", at_s, detection, nobody, face, embedder.embed([face])[0])
                for detection, face in faces
            ]
        )
    capture.release()
    return frames


class Judges:
    """A family's templates and threshold."""

    def __init__(self, enrolled: dict[str, Vectors], cohort: Cohort, fpir: float) -> None:
        self._people = sorted(enrolled)
        self._normaliser = Normaliser(cohort.centres, cohort.top)
        self._gallery = Gallery.of(
            np.stack([template(enrolled[who]) for who in self._people]), self._normaliser
        )
        table = (cohort.impostor_far, cohort.impostor_threshold)
        self._calibration = calibrate(fpir, len(enrolled), table, NOTHING, NOTHING)

    def visit(self, pooled: PooledEmbedding) -> Identification:
        """Who a face is by all of its frames."""
        return self._decide(pooled.vector, self._calibration.of_visit(pooled.differing))

    def frame(self, vector: Vectors) -> Identification:
        """Who a face is by one frame."""
        return self._decide(vector, self._calibration)

    def _decide(self, vector: Vectors, calibration: Calibration) -> Identification:
        scores = calibration.scores(self._gallery.normalised(vector[None], self._normaliser))[0]
        best = int(scores.argmax())
        score = float(scores[best])
        if score < 0.5:
            return Identification(None, score, 0.0, "below threshold", self._people[best])
        return Identification(self._people[best], score, 0.5, None, self._people[best])


def arrival(frames: Sequence[Sequence[Sighting]], judges: Judges, *, pooled: bool) -> dict[str, Any] | None:
    """Who arrives in a clip, and with which frame that shows a face; `None` where nobody does."""
    visits = Visits(RecognitionSettings())
    seen = 0
    for number, faces in enumerate(frames):
        seen += bool(faces)
        judged = [
            Sighting(
                each.camera,
                each.captured_at_s,
                each.detection,
                judges.frame(each.embedding),
                each.face,
                each.embedding,
            )
            for each in faces
            if each.embedding is not None
        ]
        for change in visits.observe("clip", number / FPS, judged, judges.visit if pooled else None):
            if change.kind == "arrived":
                differing = None if change.pooled is None else round(change.pooled.differing, 2)
                score = None if change.sighting is None else change.sighting.identification.score
                return {"who": change.person, "frame": seen, "differing": differing, "score": score}
    return None


if __name__ == "__main__":
    raise SystemExit(main())
