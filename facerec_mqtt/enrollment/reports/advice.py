"""What would make the model better: for each person the next step, and the sentences that say it."""

from dataclasses import dataclass
from enum import StrEnum

FEW_PHOTOS = 5
"""With fewer usable photos a person is hardly known."""
ENOUGH_PHOTOS = 20
_FEW_MOMENTS = 4
_POOR = 0.6
_GOOD = 0.9
_STILL_RISING = 0.03
_FROM_THE_CAMERA = "best from the camera at the door, on other days and in other light"


class Step(StrEnum):
    """What to do next for one person, as JSON has it (`code`)."""

    ADD_PHOTOS = "add_photos"
    ADD_OTHER_MOMENTS = "add_other_moments"
    ADD_AS_MANY_AGAIN = "add_as_many_again"
    ADD_ANOTHER_KIND = "add_another_kind"
    CHECK_WHO_IS_SHOWN = "check_who_is_shown"
    ADD_SOME_IF_AT_HAND = "add_some_if_at_hand"
    NOTHING = "nothing"


@dataclass(frozen=True, slots=True)
class Nearest:
    """Who of the others somebody resembles most, and how a relative who is not enrolled would fare."""

    name: str
    """The other's."""
    slug: str
    named: int
    """Photos that would be given a name, were the person not enrolled."""
    photos: int
    """Of so many."""


@dataclass(frozen=True, slots=True)
class Standing:
    """What is known of one person after a rebuild."""

    name: str
    used: int
    rejected: int
    moments: int
    """How many different moments the used photos are from."""
    tpir: float | None
    """Share of the photos that were recognised by a model that had not learnt from them; `None` where
    there are too few to tell."""
    taken_for: tuple[str, int] | None
    """Whose name the photos were given most often instead, and how often."""
    curve: tuple[tuple[int, float], ...]
    """Number of photos and the share that is recognised with so many; may be empty."""
    nearest: Nearest | None = None
    """`None` where nobody else is enrolled."""

    @property
    def is_one_sided(self) -> bool:
        """Whether the photos are from too few moments."""
        return self.moments < min(_FEW_MOMENTS, self.used)


@dataclass(frozen=True, slots=True)
class Advice:
    """What to do for one person."""

    standing: Standing
    step: Step

    @property
    def needed(self) -> bool:
        """False when nothing needs to be done."""
        is_fine = self.step in (Step.NOTHING, Step.ADD_SOME_IF_AT_HAND)
        return not is_fine or self.standing.taken_for is not None

    @property
    def text(self) -> str:
        """`Tom: 6 photos, from 2 moments only. Add ten, ...`."""
        if self.standing.used == 0:
            return f"{self.standing.name}: no usable photo. Add ten or more."
        parts = [
            _how_it_stands(self.standing),
            _what_helps(self),
            _taken_for_whom(self.standing),
            _who_is_near(self.standing),
        ]
        return " ".join(filter(None, parts))


def advise(standing: Standing) -> Advice:
    """Choose the next step for a person."""
    return Advice(standing, _next_step(standing))


def _next_step(standing: Standing) -> Step:
    if standing.used < FEW_PHOTOS:
        return Step.ADD_PHOTOS
    if standing.is_one_sided:
        return Step.ADD_OTHER_MOMENTS
    if standing.tpir is not None and standing.tpir < _GOOD:
        curve = standing.curve
        if len(curve) > 1 and curve[-1][1] - curve[-2][1] >= _STILL_RISING:
            return Step.ADD_AS_MANY_AGAIN
        return Step.CHECK_WHO_IS_SHOWN if standing.tpir < _POOR else Step.ADD_ANOTHER_KIND
    return Step.ADD_SOME_IF_AT_HAND if standing.used < ENOUGH_PHOTOS else Step.NOTHING


def _how_it_stands(standing: Standing) -> str:
    text = f"{standing.name}: {standing.used} photo{'s' * (standing.used > 1)}"
    if standing.is_one_sided:
        text += f", from {standing.moments} moment{'s' * (standing.moments > 1)} only"
    if standing.rejected:
        text += f" ({standing.rejected} more rejected)"
    if standing.tpir is not None:
        text += f"; {standing.tpir:.0%} of them would be recognised"
    return f"{text}."


def _what_helps(advice: Advice) -> str:
    match advice.step:
        case Step.ADD_PHOTOS:
            return f"Add ten or more, {_FROM_THE_CAMERA}."
        case Step.ADD_OTHER_MOMENTS:
            return f"Add ten, {_FROM_THE_CAMERA}."
        case Step.ADD_AS_MANY_AGAIN:
            (fewer, before), (more, now) = advice.standing.curve[-2:]
            return (
                f"More photos help: with {fewer} of them {before:.0%} are recognised, with {more} {now:.0%}."
                f" Add as many again, {_FROM_THE_CAMERA}."
            )
        case Step.ADD_ANOTHER_KIND:
            return f"More of the same kind hardly help; add ten of another kind, {_FROM_THE_CAMERA}."
        case Step.CHECK_WHO_IS_SHOWN:
            return f"Check whether all show the same person, and add sharper ones, {_FROM_THE_CAMERA}."
        case Step.ADD_SOME_IF_AT_HAND:
            return "That is enough; some more, from the camera at the door, make it surer."
        case Step.NOTHING:
            return "Nothing needs to be done."


def _taken_for_whom(standing: Standing) -> str:
    if standing.taken_for is None:
        return ""
    other, often = standing.taken_for
    were = "was" if often == 1 else "were"
    return f"{often} {were} taken for {other}: check whether the folders of both show the right person."


def _who_is_near(standing: Standing) -> str:
    near = standing.nearest
    if near is None:
        return ""
    how_many = f"{near.named or 'none'} of {near.photos} photos would be given a name"
    text = f"Of the others {near.name} comes nearest: were {standing.name} not enrolled, {how_many}."
    if near.named:
        text += (
            " Relatives who are not enrolled are as likely to be: put photos of those who come to the house"
            " into folders of their own, here or in _known."
        )
    return text
