"""Whether a new model is clearly worse than the one in use, judged on pictures that neither has learnt from.

A model answers brilliantly about photos that it was made of. So each model is asked only about pictures
that were held out from it: about those that its own rebuild held out in turn, what that rebuild wrote
down; about those that came later, what it says now. A picture that only one of the two was asked about
counts for neither.

The comparison is paired: only pictures about which the two differ say anything. Of these, chance would
let each model win half (McNemar's exact test). Clearly worse is what chance explains in fewer than one of
twenty cases *and* what is large enough to matter; see `compare`.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from math import comb

LEVEL = 0.05
"""Worse by chance alone in at most this share of comparisons."""
MATTERS = 0.05
"""A model that loses a smaller share of the pictures is not clearly worse, however sure the loss is."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a model said of one picture that it had not learnt from."""

    true: str | None
    """Slug of the person in it; `None` for somebody who is not enrolled."""
    named: str | None
    """Slug of the person who was named; `None` where nobody was."""

    @property
    def right(self) -> bool:
        """Whether that person was named, or nobody where nobody is enrolled."""
        return self.true == self.named


@dataclass(frozen=True, slots=True)
class Tally:
    """How two models differ on the same pictures."""

    pictures: int
    lost: int
    """Pictures about which the model before is right and the new one is not."""
    won: int
    """Pictures about which the new one is right and the model before is not."""
    right: int
    """Pictures about which the new one is right."""

    @property
    def right_before(self) -> int:
        """Pictures about which the model before is right."""
        return self.right + self.lost - self.won

    def is_worse(self, level: float) -> bool:
        """Whether the new one loses more than chance explains at this level, and enough to matter."""
        matters = self.lost - self.won >= MATTERS * self.pictures
        return self.lost > self.won and matters and chance_of(self.lost, self.won) < level

    def is_better(self) -> bool:
        """Whether the model before is worse, by the same rule."""
        return Tally(self.pictures, self.won, self.lost, self.right_before).is_worse(LEVEL)


@dataclass(frozen=True, slots=True)
class Comparison:
    """A new model beside the one in use."""

    version: str
    """Of the model in use."""
    members: Tally
    """Pictures of people whom both know."""
    strangers: Tally
    """Pictures of people who are not enrolled."""
    worse: str | None
    """In which way the new one is clearly worse, in a sentence; `None` when it is not."""


def compare(
    version: str,
    before: Mapping[str, Answer],
    after: Mapping[str, Answer],
    *,
    both_know: Mapping[str, str],
    lost_people: Collection[str] = (),
    fpir_before: float,
    fpir_after: float,
) -> Comparison:
    """Compare a new model with the one in use.

    The new one is clearly worse when

    - somebody whom the model in use knows still has a folder, but no usable photo any more; or
    - it names strangers whom the model in use does not; or
    - it names members less often, all together or one of them, and does not name fewer strangers for it.

    The last two are judged at `LEVEL` (for a single member, divided by their number) and have to reach
    `MATTERS`. Where the owner has stated another FPIR, what follows from it is no fault: naming fewer
    members at a stricter one, more strangers at a looser one.

    Args:
        version: of the model in use.
        before: its answers, by file; see `Answer`.
        after: the new one's.
        both_know: display names of the people whom both models know, by slug.
        lost_people: display names of people whom the model in use knows, and the new one does not although
            they have a folder.
        fpir_before: share of strangers who may be taken for somebody, as stated for the model in use.
        fpir_after: as stated for the new one.
    """
    shared = [file for file in after if file in before and before[file].true == after[file].true]

    def tally(wanted: Collection[str | None]) -> Tally:
        pairs = [(before[file].right, after[file].right) for file in shared if after[file].true in wanted]
        return Tally(
            pictures=len(pairs),
            lost=sum(was and not now for was, now in pairs),
            won=sum(now and not was for was, now in pairs),
            right=sum(now for _, now in pairs),
        )

    members, strangers = tally(both_know), tally([None])
    worse = None
    if lost_people:
        names = " and ".join(sorted(lost_people))
        worse = f"{names} would not be known any more, having a folder but no usable photo."
    elif fpir_after <= fpir_before and strangers.is_worse(LEVEL):
        worse = (
            f"Of {strangers.pictures} strangers' pictures it gives a name to"
            f" {strangers.pictures - strangers.right}, and the model {version} to"
            f" {strangers.pictures - strangers.right_before}."
        )
    elif fpir_after >= fpir_before and not strangers.is_better():
        if members.is_worse(LEVEL):
            worse = _fewer(members, "the family's photos", version)
        else:
            for slug, name in both_know.items():
                own = tally([slug])
                if own.is_worse(LEVEL / len(both_know)):
                    worse = _fewer(own, f"{name}'s photos", version)
                    break
    return Comparison(version, members, strangers, worse)


def chance_of(lost: int, won: int) -> float:
    """How often chance alone loses at least as many of the pictures on which two models differ.

    The exact one-sided test of McNemar, that is, the sign test.
    """
    differ = lost + won
    return float(sum(comb(differ, number) for number in range(lost, differ + 1)) / 2**differ)


def _fewer(tally: Tally, what: str, version: str) -> str:
    return (
        f"Of {tally.pictures} of {what} that neither model had learnt from it recognises {tally.right},"
        f" and the model {version} {tally.right_before}."
    )
