"""Why somebody was announced, or nobody: the results of all frames of one face, in one sentence."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from facerec_mqtt.core.records import PresenceChange, Refusal, Sighting

_REASONS: Mapping[Refusal, str] = {
    "no model": "seen without a model",
    "below threshold": "below the threshold",
    "ambiguous": "between two people",
    "face too small": "too small",
    "blurred": "blurred",
}


@dataclass(slots=True, eq=False)
class Tally:
    """The results of a track's frames so far."""

    began_s: float
    last_s: float
    named: Counter[str] = field(default_factory=Counter)
    refused: Counter[Refusal] = field(default_factory=Counter)
    best_score: float = 0.0
    candidate: str | None = None
    """Who the face resembled most in its best frame, also when that was not enough for a name."""

    def add(self, sighting: Sighting) -> None:
        """Count one frame."""
        seen = sighting.identification
        self.last_s = sighting.captured_at_s
        if seen.person is not None:
            self.named[seen.person] += 1
        elif seen.refusal is not None:
            self.refused[seen.refusal] += 1
        if seen.score > self.best_score:
            self.best_score, self.candidate = seen.score, seen.candidate


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why a face was announced as it was, or why it was not."""

    camera: str
    outcome: Literal["arrived", "visitor", "stranger", "nobody"]
    """`nobody`: the face has gone and was never announced."""
    person: str | None
    """Slug of who has arrived."""
    visit_id: str | None
    """`None` where there was no visit."""
    seen_s: float
    """For how long the face was followed."""
    named: Mapping[str, int]
    """Frames that gave a name, by slug."""
    refused: Mapping[Refusal, int]
    """Frames that gave none, by the reason."""
    best_score: float
    """Of all frames, [0, 1]; 0.5 is the threshold."""
    candidate: str | None
    """Slug of who the face resembled most. A name that may have been refused: never to be published."""

    @classmethod
    def of(
        cls,
        camera: str,
        tally: Tally,
        outcome: Literal["arrived", "visitor", "stranger", "nobody"],
        person: str | None = None,
        visit_id: str | None = None,
    ) -> "Explanation":
        """Explain an outcome by what was counted until now."""
        return cls(
            camera,
            outcome,
            person,
            visit_id,
            tally.last_s - tally.began_s,
            dict(tally.named),
            dict(tally.refused),
            tally.best_score,
            tally.candidate,
        )

    def sentence(self, names: Mapping[str, str], *, name_all: bool) -> str:
        """The explanation on one line.

        Args:
            names: display names by slug.
            name_all: also name people who the face was not announced as.
        """

        def name(slug: str) -> str:
            return names.get(slug, slug) if name_all or slug == self.person else "somebody"

        frames = sum(self.named.values()) + sum(self.refused.values())
        votes: Counter[str] = Counter()
        for slug, count in self.named.items():
            votes[name(slug)] += count
        parts = [f"{count} named {who}" for who, count in votes.most_common()]
        parts += [f"{count} {_REASONS[why]}" for why, count in Counter(self.refused).most_common()]
        best = f"; best score {self.best_score:.2f}" if self.best_score > 0 else ""
        if best and name_all and self.candidate is not None and self.candidate != self.person:
            best += f", for {name(self.candidate)}"
        match self.outcome:
            case "arrived":
                event = f"{name(self.person or '')} arrived"
            case "visitor":
                event = f"{name(self.person or '')}, a known visitor, was seen"
            case "stranger":
                event = "a stranger was seen"
            case "nobody":
                event = "nobody was announced"
        visit = "" if self.visit_id is None else f" ({self.visit_id})"
        counts = ", ".join(parts)
        looks = f"{frames} frames in {self.seen_s:.1f} s"
        return f"Explained: {event} at {self.camera}{visit}: {looks}, {counts}{best}"


def announcement(change: PresenceChange, name: str | None) -> str:
    """What happened, as the log has it.

    Args:
        change: what.
        name: the person's display name; `None` for a stranger.
    """
    who = name or "A stranger"
    if change.kind == "departed":
        return f"{who} departed from {change.camera} ({change.reason}, {change.visit_id})"
    event = "arrived" if change.kind == "arrived" else "was seen"
    return f"{who} {event} at {change.camera} ({change.votes} of {change.frames} frames, {change.visit_id})"
