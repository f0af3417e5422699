"""What is worth saving of the people's states and visits, and what of it goes on after a restart. Pure.

Here times change between `time.monotonic`, which starts again with the machine, and the wall clock's.
"""

from collections.abc import Callable, Container, Iterable
from dataclasses import replace

from facerec_mqtt.core.clock import Clock
from facerec_mqtt.core.records import OpenVisit, PersonState
from facerec_mqtt.presence.state_file import LastSeen

RESUME_S = 600.0
"""A visit goes on when its person was seen within this time before the service is back: after longer, nobody
knows, and a departure would be published that nobody acts on any more."""
_CLOCK_SLACK_S = 5.0
"""Who was seen later than that from now was seen before the machine lost the time."""


def last_seen(states: Iterable[PersonState], clock: Clock) -> dict[str, LastSeen]:
    """Take what is worth saving from the people's states.

    Args:
        states: of everybody the model knows.
        clock: the wall clock.
    """
    return {
        state.person.slug: LastSeen(state.camera, clock.epoch(state.last_seen_s), state.score)
        for state in states
        if state.camera is not None and state.last_seen_s is not None
    }


def of_people(visits: Iterable[OpenVisit], clock: Clock) -> tuple[OpenVisit, ...]:
    """Take the visits that are worth saving, of members, with the wall clock's times.

    Args:
        visits: all that have not ended.
        clock: the wall clock.
    """
    return tuple(
        _moved(visit, clock.epoch) for visit in visits if visit.person is not None and not visit.is_visitor
    )


def to_resume(
    visits: Iterable[OpenVisit],
    people: Container[str | None],
    cameras: Container[str],
    clock: Clock,
    now_s: float,
) -> tuple[OpenVisit, ...]:
    """Take the saved visits that go on: of people and cameras that there are, not too long ago.

    Args:
        visits: that an earlier run has saved.
        people: slugs of those the model knows.
        cameras: slugs of those that there are.
        clock: the wall clock.
        now_s: now, of `time.monotonic`.
    """
    moved = [_moved(visit, clock.monotonic) for visit in visits]
    return tuple(
        visit
        for visit in moved
        if visit.person in people
        and visit.camera in cameras
        and -_CLOCK_SLACK_S <= now_s - visit.last_seen_s <= RESUME_S
    )


def _moved(visit: OpenVisit, convert: Callable[[float], float]) -> OpenVisit:
    began_s, last_seen_s = round(convert(visit.began_s), 3), round(convert(visit.last_seen_s), 3)
    return replace(visit, began_s=began_s, last_seen_s=last_seen_s, score=float(visit.score))
