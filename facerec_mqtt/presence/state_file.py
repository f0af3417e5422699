"""What the service still knows after a restart: switches, people, last sightings, and what was announced.

One small file in the model folder, replaced whole: `memory-home.json`, by the node id, since two services may
share a model folder. It is not left to the broker's memory, since many brokers forget when they restart.
Times in it are the wall clock's: only that outlasts a restart.
"""

import json
import logging
import math
from collections.abc import Callable, Container, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Self

from facerec_mqtt.core.clock import Clock
from facerec_mqtt.core.files import read_plain, replace_file
from facerec_mqtt.core.records import OpenVisit, Person, PersonState
from facerec_mqtt.core.slugs import slug
from facerec_mqtt.mqtt.announcer import Component, well_formed
from facerec_mqtt.mqtt.discovery import person_keys

logger = logging.getLogger(__name__)
_NAME = "memory-"
_MOST_BYTES = 2**20
RESUME_S = 600.0
"""A visit goes on when its person was seen within this time before the service is back: after longer, nobody
knows, and a departure would be told of that nobody acts on any more."""
_CLOCK_SLACK_S = 5.0
"""Who was seen later than that from now was seen before the machine forgot the time."""


@dataclass(frozen=True, slots=True)
class LastSeen:
    """Where and when somebody was last seen."""

    camera: str
    """The camera's slug."""
    epoch_s: float
    """Seconds since 1970."""
    score: float | None
    """Of the last frame that gave the name, [0, 1]."""


@dataclass(frozen=True, slots=True)
class ServiceState:
    """What outlasts the service."""

    switched_off: frozenset[str] = frozenset()
    """Slugs of the cameras whose recognition the user has switched off."""
    people: tuple[Person, ...] = ()
    """Whom the last model knew: a model that cannot be read takes nobody's entities away."""
    last_seen: Mapping[str, LastSeen] = field(default_factory=dict)
    """By the person's slug."""
    visits: tuple[OpenVisit, ...] = ()
    """Of people, not ended when the service did; its times in seconds since 1970."""
    announced: Mapping[str, Component] = field(default_factory=dict)
    """What Home Assistant was told of and may still have, by its key in the discovery message."""
    cameras: frozenset[str] = frozenset()
    """Slugs of all that there were."""

    def without(self, person: str) -> Self:
        """Make the memory in which nothing is left of a person, given by slug."""
        return replace(
            self,
            people=tuple(known for known in self.people if known.slug != person),
            last_seen={slug: seen for slug, seen in self.last_seen.items() if slug != person},
            visits=tuple(visit for visit in self.visits if visit.person != person),
            announced={key: part for key, part in self.announced.items() if key not in person_keys(person)},
        )


def state_files(model_dir: Path) -> tuple["StateFile", ...]:
    """Find the memories of all services that use a model folder."""
    names = sorted(path.stem.removeprefix(_NAME) for path in model_dir.glob(f"{_NAME}*.json"))
    return tuple(StateFile(model_dir, node) for node in names)


class StateFile:
    """The memory on disk.

    Args:
        model_dir: the folder that it is in.
        node: the service's node id.
    """

    def __init__(self, model_dir: Path, node: str) -> None:
        self._path = model_dir / f"{_NAME}{node}.json"
        self.kept = ServiceState()
        """As it was last read, or was to be written."""
        self._is_unwritten = False

    def recall(self) -> ServiceState:
        """Read what an earlier run has kept; one that cannot be read is told of, and is as none."""
        try:
            self.kept = _parse(read_plain(self._path, _MOST_BYTES))
        except FileNotFoundError:
            pass
        except (OSError, ValueError, RecursionError) as error:
            logger.warning("%s cannot be read (%s); all cameras are switched on.", self._path, error)
        return self.kept

    def keep(self, memory: ServiceState) -> None:
        """Write down what is to be known after a restart, if that has changed; said once if it cannot be."""
        if memory == self.kept and not self._is_unwritten:
            return
        self.kept = memory
        try:
            replace_file(self._path, _written(memory))
        except OSError as error:
            if not self._is_unwritten:
                logger.warning(
                    "%s cannot be written (%s): after a restart switches and times are as they were before.",
                    self._path,
                    error.strerror,
                )
            self._is_unwritten = True
        else:
            if self._is_unwritten:
                logger.info("%s can be written again.", self._path)
            self._is_unwritten = False


def last_seen(states: Iterable[PersonState], clock: Clock) -> dict[str, LastSeen]:
    """Take what is worth remembering from the people's states.

    Args:
        states: of everybody whom the model knows.
        clock: the wall clock.
    """
    return {
        state.person.slug: LastSeen(state.camera, clock.epoch(state.last_seen_s), state.score)
        for state in states
        if state.camera is not None and state.last_seen_s is not None
    }


def of_people(visits: Iterable[OpenVisit], clock: Clock) -> tuple[OpenVisit, ...]:
    """Take the visits that are worth remembering, with the wall clock's times.

    Args:
        visits: all that have not ended.
        clock: the wall clock.
    """
    return tuple(_moved(visit, clock.epoch) for visit in visits if visit.person is not None)


def to_resume(
    visits: Iterable[OpenVisit],
    people: Container[str | None],
    cameras: Container[str],
    clock: Clock,
    now_s: float,
) -> tuple[OpenVisit, ...]:
    """Take the remembered visits that go on: of people and cameras that there are, not too long ago.

    Args:
        visits: that an earlier run has kept.
        people: slugs of those whom the model knows.
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


def _parse(content: bytes) -> ServiceState:
    """Read a memory.

    Raises:
        ValueError: it is damaged.
    """
    values = json.loads(content)
    try:
        return ServiceState(
            frozenset(_text(camera) for camera in values["switched_off"]),
            tuple(Person(_slug(person), _text(name)) for person, name in values["people"].items()),
            {
                person: LastSeen(
                    _slug(seen["camera"]),
                    _number(seen["epoch_s"]),
                    None if seen["score"] is None else _number(seen["score"]),
                )
                for person, seen in values["last_seen"].items()
            },
            tuple(
                OpenVisit(
                    _slug(visit["camera"]),
                    _slug(visit["person"]),
                    _text(visit["visit_id"]),
                    _number(visit["began_epoch_s"]),
                    _number(visit["last_seen_epoch_s"]),
                    _number(visit["score"]),
                )
                for visit in values["visits"]
            ),
            well_formed(values["announced"]),
            frozenset(_slug(camera) for camera in values.get("cameras", ())),
        )
    except (AttributeError, KeyError, OverflowError, TypeError) as error:
        raise ValueError(f"it is damaged: {error}") from error


def _written(memory: ServiceState) -> bytes:
    values = {
        "switched_off": sorted(memory.switched_off),
        "cameras": sorted(memory.cameras),
        "people": {person.slug: person.name for person in memory.people},
        "last_seen": {
            person: {"camera": seen.camera, "epoch_s": seen.epoch_s, "score": seen.score}
            for person, seen in sorted(memory.last_seen.items())
        },
        "visits": [
            {
                "camera": visit.camera,
                "person": visit.person,
                "visit_id": visit.visit_id,
                "began_epoch_s": visit.began_s,
                "last_seen_epoch_s": visit.last_seen_s,
                "score": visit.score,
            }
            for visit in memory.visits
        ],
        "announced": dict(memory.announced),
    }
    return (json.dumps(values, indent=1, ensure_ascii=False) + "\n").encode()


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is no text")
    return value


def _slug(value: object) -> str:
    text = _text(value)
    if slug(text) != text:
        raise ValueError(f"{value!r} cannot stand in a topic")
    return text


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise TypeError(f"{value!r} is no number")
    return float(value)
