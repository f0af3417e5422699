"""What the votes of a face's frames decide: a name, somebody else in the same place, a stranger. Pure.

Good frames vote; small, blurred and ambiguous ones do not. With every frame the face is judged by all of its
frames together, and those that fit vote again, as the newest look says. So the first frames decide a clear
face, and a doubtful one is decided as soon as enough frames that differ say who it is.
"""

import math
import statistics
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from facerec_mqtt.core.records import Identification, PooledEmbedding, Sighting
from facerec_mqtt.presence.tracks.pooling import CHANGED_FRAMES
from facerec_mqtt.presence.tracks.tracking import MOST_VOTES, Track, Vote
from facerec_mqtt.settings import RecognitionSettings

RIVAL_SHARE = 3
"""A person needs this many times the votes of all other people together: flickering decides nothing."""
NOBODY_SHARE = 2
"""And more than half as many as there are frames that resemble nobody. Otherwise a stranger who is mistaken
now and then would arrive, where frames are judged alone."""
CLEAR_SCORE = 0.3
"""Faces scored below this resemble nobody enrolled; 0.5 is the threshold for a name."""
STRANGER_SPAN_S = 2.0
"""A stranger's votes must be spread over at least this time."""
STRANGER_WINDOW_S = 15.0
"""And count for this long."""
NAMED_SHARE = 5
"""At most one good frame in this many of a stranger's may have been given a name."""
LONG_S = 10.0
LONG_FACTOR = 3
"""Over this time, and with this many times a stranger's votes, a face that keeps close to the threshold
without ever passing it is a stranger too, and a track that was somebody's may become a stranger's."""


POOLED_S = 15.0
"""Frames of this time are judged together."""
Judge = Callable[[PooledEmbedding], Identification | None]
"""Says who a face is by what its frames say together; `None` where nobody can say, and its frame stands."""


def look(track: Track, judge: Judge | None) -> None:
    """Judge a face by its newest frame and those before, and count the votes.

    The track's sighting then says who the face is by all of them. A frame that does not fit the others speaks
    for itself.

    Args:
        track: its sighting is the newest frame.
        judge: `None` judges every frame by itself.
    """
    at_s, pool = track.sighting.captured_at_s, track.pool
    pool.add(track.sighting)
    track.alone.append(track.sighting.identification.person)
    if pool.has_changed() or _is_another_member(track):
        began_s = pool.keep_newest()
        track.votes = _deque(vote for vote in track.votes if vote.at_s >= began_s)
    fitting = pool.fitting(at_s - POOLED_S)
    pooled = pool.pooled(at_s - POOLED_S)
    judged = None if judge is None or pooled is None or at_s not in fitting else judge(pooled)
    if judged is None:
        add_vote(track, track.sighting)
        return
    track.sighting = replace(track.sighting, identification=judged)
    if add_vote(track, track.sighting):
        newest = track.votes[-1]
        votes = [vote for vote in track.votes if vote.at_s not in fitting]
        votes += [replace(newest, at_s=frame_s) for frame_s in fitting]
        track.votes = _deque(sorted(votes, key=lambda vote: vote.at_s))


def _is_another_member(track: Track) -> bool:
    """Whether each of the newest frames, by itself, names the same other member: a sister, a brother."""
    names = set(track.alone)
    return (
        track.person is not None
        and len(track.alone) == CHANGED_FRAMES
        and len(names) == 1
        and names.isdisjoint({None, track.person})
    )


def _deque(votes: Iterable[Vote]) -> deque[Vote]:
    return deque(votes, maxlen=MOST_VOTES)


def add_vote(track: Track, sighting: Sighting) -> bool:
    """Count a frame's vote, if it has one."""
    seen = sighting.identification
    if seen.refusal not in ("face too small", "blurred"):
        track.good_frames += 1
    if seen.person is None and seen.refusal not in ("no model", "below threshold"):
        return False
    score = 0.0 if seen.refusal == "no model" else seen.score
    track.votes.append(Vote(sighting.captured_at_s, seen.person, score))
    return True


def votes_for(track: Track, person: str, at_s: float, window_s: float, needed: int) -> int:
    """Votes for a person within the window, or 0 when they do not decide."""
    recent = track.since(at_s - window_s)
    agreeing = sum(vote.person == person for vote in recent)
    rivals = sum(vote.person not in (None, person) for vote in recent)
    nobody = sum(vote.person is None and vote.score < CLEAR_SCORE for vote in recent)
    decided = agreeing >= needed and agreeing >= RIVAL_SHARE * rivals and agreeing * NOBODY_SHARE > nobody
    return agreeing if decided else 0


def votes_of_successor(track: Track, at_s: float, settings: RecognitionSettings) -> list[Vote]:
    """Votes of somebody else who has taken the place of the track's person; empty where nobody has."""
    last_named_s = max((vote.at_s for vote in track.votes if vote.person == track.person), default=-math.inf)
    after = [vote for vote in track.votes if vote.at_s > last_named_s]
    if (
        len(after) >= LONG_FACTOR * settings.stranger_votes
        and at_s - after[0].at_s >= LONG_S
        and _is_clear(after)
    ):
        return after
    return []


def votes_for_stranger(track: Track, at_s: float, needed: int) -> int:
    """Votes for nobody within a stranger's window, or 0 when they do not decide.

    Args:
        track: which face.
        at_s: now.
        needed: votes that make a stranger of a face that resembles nobody.
    """
    recent = track.since(at_s - STRANGER_WINDOW_S)
    nobody = [vote for vote in recent if vote.person is None]
    named = len(recent) - len(nobody)
    span_s = at_s - nobody[0].at_s if nobody else 0.0
    soon = len(nobody) >= needed and span_s >= STRANGER_SPAN_S and _is_clear(recent)
    late = len(nobody) >= LONG_FACTOR * needed and span_s >= LONG_S
    return len(nobody) if (soon or late) and named * NAMED_SHARE <= len(recent) else 0


def _is_clear(votes: Sequence[Vote]) -> bool:
    return statistics.median(vote.score for vote in votes) < CLEAR_SCORE
