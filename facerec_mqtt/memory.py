"""What the service still knows after a restart: switches, the people, and where they were last seen.

One small file in the model folder, `memory.json`, replaced whole. It is not left to the broker's memory,
since many brokers forget when they restart. Times in it are the wall clock's: only that outlasts a restart.
"""

import json
import logging
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from facerec_mqtt.artifact import replace_file
from facerec_mqtt.records import Person, PersonState

logger = logging.getLogger(__name__)


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
class Memory:
    """What outlasts the service."""

    switched_off: frozenset[str] = frozenset()
    """Slugs of the cameras whose recognition the user has switched off."""
    people: tuple[Person, ...] = ()
    """Whom the last model knew: a model that cannot be read takes nobody's entities away."""
    last_seen: Mapping[str, LastSeen] = field(default_factory=dict)
    """By the person's slug."""


class MemoryFile:
    """The memory on disk.

    Args:
        model_dir: the folder that it is in.
    """

    def __init__(self, model_dir: Path) -> None:
        self._path = model_dir / "memory.json"
        self.kept = Memory()
        """As it was last read, or was to be written."""
        self._is_unwritten = False

    def recall(self) -> Memory:
        """Read what an earlier run has kept; one that cannot be read is told of, and is as none."""
        try:
            self.kept = _parse(self._path.read_bytes())
        except FileNotFoundError:
            pass
        except (OSError, ValueError, RecursionError) as error:
            logger.warning("%s cannot be read (%s); all cameras are switched on.", self._path, error)
        return self.kept

    def keep(self, memory: Memory) -> None:
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


def last_seen(states: Iterable[PersonState], epoch_at_zero_s: float) -> dict[str, LastSeen]:
    """Take what is worth remembering from the people's states.

    Args:
        states: of everybody whom the model knows.
        epoch_at_zero_s: the wall clock when `time.monotonic` was at zero.
    """
    return {
        state.person.slug: LastSeen(state.camera, round(epoch_at_zero_s + state.last_seen_s, 3), state.score)
        for state in states
        if state.camera is not None and state.last_seen_s is not None
    }


def _parse(content: bytes) -> Memory:
    """Read a memory.

    Raises:
        ValueError: it is damaged.
    """
    values = json.loads(content)
    try:
        return Memory(
            frozenset(_text(camera) for camera in values["switched_off"]),
            tuple(Person(_text(slug), _text(name)) for slug, name in values["people"].items()),
            {
                person: LastSeen(
                    _text(seen["camera"]),
                    _number(seen["epoch_s"]),
                    None if seen["score"] is None else _number(seen["score"]),
                )
                for person, seen in values["last_seen"].items()
            },
        )
    except (AttributeError, KeyError, TypeError) as error:
        raise ValueError(f"it is damaged: {error}") from error


def _written(memory: Memory) -> bytes:
    values = {
        "switched_off": sorted(memory.switched_off),
        "people": {person.slug: person.name for person in memory.people},
        "last_seen": {
            person: {"camera": seen.camera, "epoch_s": seen.epoch_s, "score": seen.score}
            for person, seen in sorted(memory.last_seen.items())
        },
    }
    return (json.dumps(values, indent=1, ensure_ascii=False) + "\n").encode()


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is no text")
    return value


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise TypeError(f"{value!r} is no number")
    return float(value)
