"""The sentences of reports: what the numbers of a rebuild mean, for people to read."""

from collections.abc import Sequence

import numpy as np

from facerec_mqtt.core.records import Person
from facerec_mqtt.enrollment.reports.photo_report import PhotoReport
from facerec_mqtt.recognition import Outcomes, most_confusable
from facerec_mqtt.training import Comparison, WorseCode

_NEAR = 0.05


def rate_text(rate: float) -> str:
    """A rate as people read it: `96 %`, `0.8 %`, or a dash where it is not a number."""
    if not np.isfinite(rate):
        return "–"
    return f"{rate * 100:.1f}".removesuffix(".0") + " %" if rate < 0.1 else f"{rate * 100:.0f} %"


def few_photos(name: str, used: int) -> str:
    """Ask for more photos of a person."""
    return f"{name} has only {used} usable photo{'s' * (used > 1)}; add ten or more."


def no_usable_photo(photos: Sequence[PhotoReport], notes: Sequence[str] = ()) -> str:
    """The rest of a sentence that says why none of a person's photos can be used, and what else was noted."""
    why = ": none is to be seen in the folder."
    if photos:
        first = photos[0]
        why = f": of {len(photos)}, the first is {first.file}."
        if first.rejection is not None:
            why += f" {first.rejection.sentence}"
    return " ".join([why, *notes])


def many_strangers_named(named: int, strangers: int, fpir: float) -> str:
    """Say what to do where far more strangers would be named than were asked for."""
    return (
        f"Of {strangers} strangers' faces {named} would be given a name, where the settings allow 1 in"
        f" {1 / fpir:.0f}; put pictures of twenty people who are not family, best from your own cameras, into"
        " _strangers, and check whether a member is there."
    )


def resembling_strangers(file: str, name: str, more: int) -> str:
    """Say what to do about strangers' pictures that resemble members.

    Args:
        file: the first such picture.
        name: who it resembles.
        more: how many others there are.
    """
    others = f", and {more} more resemble somebody enrolled" if more else ""
    return (
        f"{file} resembles {name}{others}; if that is who it shows, move it into that folder: strangers"
        f" who look like {name} make {name} harder to recognise."
    )


def why_worse(comparison: Comparison) -> str | None:
    """In which way a new model is clearly worse than the one in use; `None` when it is not."""
    worse, version = comparison.worse, comparison.version
    if worse is None:
        return None
    if worse.code is WorseCode.PEOPLE_LOST:
        names = " and ".join(worse.people)
        return f"{names} would not be known any more, having a folder but no usable photo."
    tally = worse.tally
    if worse.code is WorseCode.STRANGERS_NAMED:
        return (
            f"Of {tally.pictures} strangers' pictures it gives a name to {tally.pictures - tally.right},"
            f" and the model {version} to {tally.pictures - tally.right_before}."
        )
    if worse.code is WorseCode.RELATIVES_NAMED:
        return (
            f"Of {tally.pictures} photos of members whom it was made without, as of relatives who are not"
            f" enrolled, it gives another's name to {tally.pictures - tally.right}, and the model {version}"
            f" to {tally.pictures - tally.right_before}."
        )
    whose = "the family's" if worse.code is WorseCode.MEMBERS_MISSED else f"{worse.people[0]}'s"
    return (
        f"Of {tally.pictures} of {whose} photos that neither model had learnt from it recognises"
        f" {tally.right}, and the model {version} {tally.right_before}."
    )


def confusable_people(people: Sequence[Person], outcomes: Outcomes) -> str:
    """Name the two who are the hardest to tell apart; empty where there are no two."""
    pair = most_confusable(outcomes)
    if pair is None:
        return ""
    first, second = people[pair.first].name, people[pair.second].name
    if pair.confused:
        were = "was" if pair.confused == 1 else "were"
        return (
            f"{first} and {second} are the hardest to tell apart: {pair.confused} of their {pair.pictures}"
            f" pictures {were} given the other's name."
        )
    if pair.score < _NEAR:
        return "Nobody was taken for anybody else, or comes near it."
    return (
        f"Nobody was taken for anybody else. {first} resembles {second} most, with a score of"
        f" {pair.score:.2f} where 0.5 would be a name."
    )
