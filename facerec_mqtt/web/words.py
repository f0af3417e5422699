"""Facts in the words that a family uses, for the templates: times, kinds of visits, figures."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from facerec_mqtt.core.errors import FacerecError
from facerec_mqtt.core.records import THRESHOLD, score_text
from facerec_mqtt.core.rejections import RejectionCode
from facerec_mqtt.history import unnamed_that_go
from facerec_mqtt.settings import reason
from facerec_mqtt.web.schemas import FoundFace, Person, PersonStatus, Photo, Visit, VisitDetail

_KINDS: Mapping[str, str] = {
    "family": "Family",
    "visitor": "Known visitor",
    "stranger": "Stranger",
    "doubtful": "Doubtful",
}
_REFUSED: Mapping[str, str] = {
    "no model": "Seen before there was a model",
    "below threshold": "Score too low for a name",
    "ambiguous": "Could be either of two people",
    "face too small": "Face too small",
    "blurred": "Face too blurred",
}
LIKE_ANOTHER_PHOTO: Mapping[str, str] = {
    RejectionCode.DUPLICATE_OF: "It is almost the same as another photo, which is used.",
    RejectionCode.DUPLICATE_OF_MEMBER: (
        "It is almost the same as a photo of somebody of the family, which is used; delete the wrong one."
    ),
}
"""Without the name of a file, which says nothing to who looks at the photos."""
_SET_ASIDE: Mapping[str, str] = {
    RejectionCode.DUPLICATE_OF: "almost the same as another",
    RejectionCode.DUPLICATE_OF_MEMBER: "almost the same as one of somebody else",
    RejectionCode.LOOKS_LIKE_ANOTHER: "more like somebody else",
    RejectionCode.UNLIKE_THE_OTHERS: "unlike the others",
    RejectionCode.SEVERAL_FACES: "with several faces",
    RejectionCode.NO_FACE: "without a face",
    RejectionCode.FACE_TOO_SMALL: "with too small a face",
    RejectionCode.BLURRED: "blurred",
}
_WEEK_DAYS = 6


def local_now() -> datetime:
    """The present, in this machine's zone."""
    return datetime.now().astimezone()


def what_goes(name: str, photos: int, named: int, unnamed: int | None) -> str:
    """What goes when somebody is forgotten.

    Args:
        name: the person's.
        photos: how many there are.
        named: visits with the name.
        unnamed: visits without a name that probably are the person's; `None` where nobody can tell yet.
    """
    who = f"visits without a name that probably are {name}"
    if unnamed is not None:
        who = unnamed_that_go(unnamed, name)
    return (
        f"{photos} photo{'' if photos == 1 else 's'}, {named} visit{'' if named == 1 else 's'} of {name},"
        f" {who}, and everything that the model has learnt are removed."
    )


def what_is_wrong(error: Mapping[str, Any]) -> str:
    """What is wrong with something that was sent, in one sentence.

    Args:
        error: the first of pydantic's errors.
    """
    cause = error.get("ctx", {}).get("error")
    if isinstance(cause, FacerecError):
        return str(cause)
    place = ".".join(str(part)[:40] for part in error["loc"] if part not in ("body", "query", "path"))
    said = reason(error)
    if error["type"] == "string_pattern_mismatch":
        said = "it has a form that cannot be used"
    elif error["type"] == "string_too_short":
        return f"The {place or 'request'} is empty; write one."
    return f"{place or 'The request'}: {said}."


def put_anyway(like: str, count: int, of: int, name: str) -> str:
    """Ask whether pictures that look like somebody else are put to somebody.

    Args:
        like: who they look like.
        count: how many do.
        of: how many there are.
        name: of whose they would be; empty for strangers.
    """
    where = f"{name}'s photos" if name else "the pictures of strangers"
    if of == 1:
        return f"This looks like {like}. Put it to {where} anyway?"
    if 2 * count > of:
        return f"These look like {like}. Put them to {where} anyway?"
    which = "One of these looks" if count == 1 else f"{count} of these look"
    return f"{which} like {like}. Put {'it' if count == 1 else 'them'} to {where} anyway?"


def moment(text: str) -> datetime:
    """Read a time of the API (ISO 8601 with offset)."""
    return datetime.fromisoformat(text)


def day(at: datetime, now: datetime) -> str:
    """A day as a heading: "Today", "Yesterday", "Tuesday", "Tuesday 3 November"."""
    days = (now.date() - at.date()).days
    if days in (0, 1):
        return ("Today", "Yesterday")[days]
    if 1 < days <= _WEEK_DAYS:
        return f"{at:%A}"
    return f"{at:%A} {at.day} {at:%B}" + ("" if at.year == now.year else f" {at.year}")


def when(text: str, now: datetime | None = None) -> str:
    """A moment: "today 14:02", "Tuesday 9:30", "3 November 9:30"."""
    at, now = moment(text), now or local_now()
    days = (now.date() - at.date()).days
    if 0 <= days <= _WEEK_DAYS:
        named = day(at, now)
        return f"{named if days > 1 else named.lower()} {clock(text)}"
    return f"{at.day} {at:%B}" + ("" if at.year == now.year else f" {at.year}") + f" {clock(text)}"


def clock(text: str) -> str:
    """The time of a day: "14:02"."""
    return f"{moment(text):%H:%M}"


def exact(text: str) -> str:
    """Date and time to the second, for whoever wants to know."""
    at = moment(text)
    return f"{at:%A} {at.day} {at:%B} {at.year}, {at:%H:%M:%S}"


def recent(text: str) -> bool:
    """Whether something began within the last hours, so that it may go on still."""
    return local_now() - moment(text) < timedelta(hours=12)


def lasted(visit: Visit) -> str:
    """How long a visit was: "3 minutes"."""
    if visit.ended is None:
        return ""
    return span((moment(visit.ended) - moment(visit.began)).total_seconds())


def span(seconds: float) -> str:
    """A duration in its largest unit: "a moment", "40 seconds", "3 minutes", "2 hours"."""
    if seconds < 5:
        return "a moment"
    if seconds < 60:
        return f"{seconds:.0f} seconds"
    unit, count = ("minute", seconds / 60) if seconds < 5400 else ("hour", seconds / 3600)
    return f"{count:.0f} {unit}{'' if round(count) == 1 else 's'}"


def left(seconds: float) -> str:
    """How long something goes on: "about 40 seconds left"."""
    return "nearly done" if seconds < 5 else f"about {span(seconds)} left"


def headline(people: Iterable[PersonStatus]) -> str:
    """Who is here, as the title of the first page."""
    here = [person.name for person in people if person.present]
    if not here:
        return "Nobody from the family is in sight"
    names = here[0] if len(here) == 1 else f"{', '.join(here[:-1])} and {here[-1]}"
    return f"{names} {'is' if len(here) == 1 else 'are'} here"


def to_rebuild(new: int) -> str:
    """That photos have come since the model was made; empty where none have."""
    return "" if not new else "One photo is new" if new == 1 else f"{new} photos are new"


def who(visit: Visit) -> str:
    """Who a visit was, as a title."""
    if visit.name is not None:
        return visit.name
    return "A stranger" if visit.kind == "stranger" else "Somebody"


def kind_word(kind: str) -> str:
    """The kind of a visit."""
    return _KINDS[kind]


def initials(name: str) -> str:
    """Up to two letters for somebody without a picture."""
    words = name.split()
    return (words[0][:1] + (words[-1][:1] if len(words) > 1 else "")).upper()


def anchor(text: str) -> str:
    """A text as part of an element's id."""
    return "".join(sign if sign.isalnum() else "-" for sign in text).strip("-")


def query(asked: Mapping[str, str], **changed: str) -> str:
    """What visits are asked for, as the end of a link; a cursor holds for the same question alone."""
    values = {name: value for name, value in ({**asked, "cursor": ""} | changed).items() if value}
    return f"?{urlencode(values)}" if values else ""


def how_well(person: Person) -> str:
    """How well somebody is recognised, by the last rebuild."""
    if not person.photos:
        return "No photos yet"
    if person.used is None:
        return f"{_photos(person.photos)}, not yet in a model"
    parts = [f"{_photos(person.used)} used"]
    if person.recognised is not None:
        parts.insert(0, f"{person.recognised:.0%} recognised")
    if person.set_aside:
        parts.append(f"{person.set_aside} set aside")
    if person.new:
        parts.append(f"{person.new} new")
    return " · ".join(parts)


def _photos(count: int) -> str:
    return f"{count} photo{'' if count == 1 else 's'}"


def set_aside(photos: Iterable[Photo]) -> str:
    """How many of somebody's photos are not used, and why: "3 are set aside: 2 blurred, 1 without a face"."""
    reasons = Counter(
        _SET_ASIDE.get(photo.reason_code or "", "unusable") for photo in photos if photo.used is False
    )
    if not reasons:
        return ""
    count = reasons.total()
    if count == 1:
        return f"One is set aside: {next(iter(reasons))}."
    if len(reasons) == 1:
        return f"{count} are set aside, all {next(iter(reasons))}."
    why = ", ".join(f"{number} {reason}" for reason, number in reasons.most_common())
    return f"{count} are set aside: {why}."


def found(face: FoundFace) -> str:
    """Who a face in a picture that was tried is."""
    if face.name is not None:
        return f"{face.name}: the score is {face.score:.2f}, and 0.50 is needed for a name."
    return f"Unknown: {face.reason or f'the score is {score_text(face.score)}, and 0.50 would be needed.'}"


def why_not(photo: Photo) -> str:
    """What is worth knowing of a photo."""
    return photo.reason or photo.note or ""


def worse(reason: str) -> str:
    """Why a new model is not used, without the names of versions."""
    return re.sub(r"\bthe model \d{8}T\d{6}Z-[0-9a-f]{4}\b", "the one in use", reason)


def by_button(said: str) -> str:
    """What is said of a model, with the page's own way in place of a folder's name."""
    return re.sub(r", into _strangers, and check whether a member is there", ", on the page Strangers", said)


def bounds(text: str) -> tuple[float | None, float | None]:
    """The seconds between which a day of the form lies; of none, and of nonsense, nothing."""
    try:
        begin = datetime.fromisoformat(text).replace(hour=0, minute=0, second=0).astimezone()
    except ValueError:
        return None, None
    return begin.timestamp(), (begin + timedelta(days=1)).timestamp()


@dataclass(frozen=True, slots=True)
class Curve:
    """Scores over time as a drawing of 320 x 140."""

    points: Sequence[tuple[float, float, bool]]
    """x and y of each, and whether a name would be given."""
    decided: float | None
    """x of the moment that decided; `None` where that is not in the drawing."""
    lasted: str
    """The time from its left to its right side."""
    text: str
    """What it shows, for whoever cannot see it."""
    rows: Sequence[tuple[str, str, str]]
    """The same as a table: time, score, who came nearest."""


def curve(visit: VisitDetail) -> Curve | None:
    """The scores of a visit as a drawing; of fewer than two, none."""
    scores = visit.scores
    if len(scores) < 2:
        return None
    begin, length = scores[0].seconds, max(0.1, scores[-1].seconds - scores[0].seconds)

    def x(seconds: float) -> float:
        return round(6 + 308 * (seconds - begin) / length, 1)

    low, high = (score_text(extreme(each.score for each in scores)) for extreme in (min, max))
    is_there = visit.kind in ("family", "visitor", "stranger") and begin <= 0 <= begin + length
    return Curve(
        [(x(each.seconds), round(112 - 104 * each.score, 1), each.score >= THRESHOLD) for each in scores],
        x(0.0) if is_there else None,
        span(length),
        f"{len(scores)} scores in {span(length)}, between {low} and {high}; a name is given from 0.50.",
        [
            (f"{each.seconds - begin:.1f} s", score_text(each.score), each.nearest or "nobody")
            for each in scores
        ],
    )


def facts(visit: Visit) -> list[tuple[str, str]]:
    """The figures behind a decision, as pairs of a title and a value."""
    pairs = [("Score", score_text(visit.score))]
    if frames := _number(visit.why.get("frames")):
        pairs.append(("Pictures until it was decided", f"{frames:.0f}"))
    if otherwise := _number(visit.why.get("named_otherwise")):
        pairs.append(("Given another name", f"{otherwise:.0f}"))
    refused = visit.why.get("refused")
    if isinstance(refused, Mapping):
        pairs += [(_REFUSED.get(reason, reason), str(count)) for reason, count in refused.items()]
    return pairs


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) else 0.0


FILTERS = {
    each.__name__: each
    for each in (
        when, clock, exact, recent, lasted, left, who, kind_word, initials, anchor, query, how_well, why_not,
        worse, set_aside, by_button, score_text,
    )
}  # fmt: skip
"""What templates know them by."""
