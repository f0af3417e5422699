"""What would make the model better, said to the owner for each person in a sentence or two."""

from dataclasses import dataclass

FEW_PHOTOS = 5
"""With fewer usable photos a person is hardly known."""
ENOUGH_PHOTOS = 20
_FEW_MOMENTS = 4
_POOR = 0.6
_GOOD = 0.9
_STILL_RISING = 0.03
_FROM_THE_CAMERA = "best from the camera at the door, on other days and in other light"


@dataclass(frozen=True, slots=True)
class Standing:
    """What is known of one person after a rebuild."""

    name: str
    used: int
    set_aside: int
    moments: int
    """How many different moments the used photos are from."""
    tpir: float | None
    """Share of the photos that were recognised by a model that had not learnt from them; `None` where
    there are too few to tell."""
    taken_for: tuple[str, int] | None
    """Whose name the photos were given most often instead, and how often."""
    curve: tuple[tuple[int, float], ...]
    """Number of photos and the share that is recognised with so many; may be empty."""


@dataclass(frozen=True, slots=True)
class Advice:
    """What to do for one person."""

    text: str
    """`Tom: 6 photos, from 2 moments only. Add ten, ...`"""
    needed: bool
    """False when all is well as it is."""


def advise(standing: Standing) -> Advice:
    """Say how things stand with a person, and what to do."""
    say = _Sentences(standing)
    if standing.used == 0:
        return Advice(f"{standing.name}: no usable photo. Add ten or more.", needed=True)
    few, one_sided = standing.used < FEW_PHOTOS, standing.moments < min(_FEW_MOMENTS, standing.used)
    poor = standing.tpir is not None and standing.tpir < _GOOD
    if few or one_sided:
        steps = [f"Add {'ten or more' if few else 'ten'}, {_FROM_THE_CAMERA}."]
    elif poor:
        steps = [say.what_helps()]
    elif standing.used < ENOUGH_PHOTOS:
        steps = ["That serves; some more, from the camera at the door, make it surer."]
    else:
        steps = ["Nothing needs to be done."]
    confused = say.who_it_is()
    needed = few or one_sided or confused != "" or poor
    return Advice(" ".join(filter(None, [say.how_it_stands(), *steps, confused])), needed)


@dataclass(frozen=True, slots=True)
class _Sentences:
    standing: Standing

    def how_it_stands(self) -> str:
        standing = self.standing
        said = f"{standing.name}: {standing.used} photo{'s' * (standing.used > 1)}"
        if standing.moments < min(_FEW_MOMENTS, standing.used):
            said += f", from {standing.moments} moment{'s' * (standing.moments > 1)} only"
        if standing.set_aside:
            said += f" ({standing.set_aside} more set aside)"
        if standing.tpir is not None:
            said += f"; {standing.tpir:.0%} of them would be recognised"
        return said + "."

    def what_helps(self) -> str:
        standing = self.standing
        if len(standing.curve) > 1 and standing.curve[-1][1] - standing.curve[-2][1] >= _STILL_RISING:
            (fewer, before), (more, now) = standing.curve[-2:]
            return (
                f"More photos help: with {fewer} of them {before:.0%} are recognised, with {more} {now:.0%}."
                f" Add as many again, {_FROM_THE_CAMERA}."
            )
        if standing.tpir is not None and standing.tpir < _POOR:
            return f"Look whether all show the same person, and add sharper ones, {_FROM_THE_CAMERA}."
        return f"More of the same kind hardly help; add ten of another kind, {_FROM_THE_CAMERA}."

    def who_it_is(self) -> str:
        if self.standing.taken_for is None:
            return ""
        other, often = self.standing.taken_for
        were = "was" if often == 1 else "were"
        return f"{often} {were} taken for {other}: look whether the folders of both show the right person."
