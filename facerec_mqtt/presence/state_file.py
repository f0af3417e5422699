"""What outlasts a restart of the service: switches, people, last sightings, and what was announced.

One small file in the model folder, replaced whole: `memory-home.json`, by the node id, since two services may
share a model folder. It is not left to the broker, since many brokers lose it when they restart. Times in it
are the wall clock's: only that outlasts a restart.

What is damaged in it, or missing, as in the file of an older version, costs nothing else: each entry is read
by itself. Keys of a newer version are ignored, so that one can go back to an older version.
"""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    ValidationError,
    ValidationInfo,
    WrapValidator,
    field_validator,
)
from pydantic import Field as ModelField
from pydantic_core import PydanticOmit, from_json, to_json

from facerec_mqtt.core.files import read_plain, replace_file
from facerec_mqtt.core.records import OpenVisit, Person
from facerec_mqtt.mqtt import Component, awaits_removal, person_keys, well_formed
from facerec_mqtt.settings import Slug, first_problem

logger = logging.getLogger(__name__)
_NAME = "memory-"
_MOST_BYTES = 2**20


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
    """Who the last model knew: a model that cannot be read takes nobody's entities away."""
    last_seen: Mapping[str, LastSeen] = field(default_factory=dict)
    """By the person's slug."""
    visits: tuple[OpenVisit, ...] = ()
    """Of people, not ended when the service did; its times in seconds since 1970."""
    announced: Mapping[str, Component] = field(default_factory=dict)
    """What was announced to Home Assistant and may still be there, by its key in the discovery message."""
    cameras: frozenset[str] = frozenset()
    """Slugs of all that there were."""
    removed: frozenset[str] = frozenset()
    """Slugs of people who are not enrolled any more, and whose topics the broker may still retain."""

    @property
    def known(self) -> frozenset[str]:
        """Slugs of everybody who was enrolled, wherever in it they are named."""
        visiting = {visit.person for visit in self.visits if visit.person is not None}
        return frozenset({person.slug for person in self.people} | self.last_seen.keys() | visiting)

    def names(self, person: Person) -> bool:
        """Whether anything is left of a person but ids by which Home Assistant will remove the entities."""
        after = self.without(person.slug)
        waiting = {key: part for key, part in self.announced.items() if awaits_removal(part)}
        return self != replace(after, announced={**after.announced, **waiting})

    def without(self, person: str) -> Self:
        """Make the state in which nothing is left of a person, given by slug."""
        return replace(
            self.without_sightings(person),
            announced={key: part for key, part in self.announced.items() if key not in person_keys(person)},
            removed=self.removed - {person},
        )

    def without_sightings(self, person: str) -> Self:
        """Make the state in which a person, given by slug, is not enrolled."""
        return replace(
            self,
            people=tuple(known for known in self.people if known.slug != person),
            last_seen={slug: seen for slug, seen in self.last_seen.items() if slug != person},
            visits=tuple(visit for visit in self.visits if visit.person != person),
        )


def state_files(model_dir: Path) -> tuple["StateFile", ...]:
    """Find the states of all services that use a model folder."""
    names = sorted(path.stem.removeprefix(_NAME) for path in model_dir.glob(f"{_NAME}*.json"))
    return tuple(StateFile(model_dir, node) for node in names)


def remove_person(model_dir: Path, person: Person, *, from_broker: bool) -> bool:
    """Remove a person from what services have saved.

    Args:
        model_dir: the folder that the files are in.
        person: who.
        from_broker: whether services are to take the person off the broker, which nobody has done yet;
            then their files keep what is needed for it.

    Returns:
        Whether a service will do that.
    """
    will_remove = False
    for file in state_files(model_dir):
        before = file.state
        after = before.without(person.slug)
        if from_broker and before.names(person):
            after = replace(after, announced=before.announced, removed=before.removed | {person.slug})
            will_remove = True
        file.save(after)
    return will_remove


class StateFile:
    """The state on disk. It is read before anything is written, whatever is asked of it first.

    Args:
        model_dir: the folder that it is in.
        node: the service's node id.
    """

    def __init__(self, model_dir: Path, node: str) -> None:
        self.path = model_dir / f"{_NAME}{node}.json"
        self._state: ServiceState | None = None
        self._is_damaged = False
        self._is_unwritten = False

    @property
    def state(self) -> ServiceState:
        """As it was last read, or was to be written."""
        if self._state is None:
            self._state = self._read()
        return self._state

    def save(self, state: ServiceState) -> None:
        """Write what is to be known after a restart, if it has changed; logged once if it cannot be."""
        if state == self.state and not (self._is_damaged or self._is_unwritten):
            return
        self._state, self._is_damaged = state, False
        try:
            replace_file(self.path, _encode(state))
        except OSError as error:
            if not self._is_unwritten:
                logger.warning(
                    "%s cannot be written (%s): after a restart switches and times are as they were before.",
                    self.path,
                    error.strerror,
                )
            self._is_unwritten = True
        else:
            if self._is_unwritten:
                logger.info("%s can be written again.", self.path)
            self._is_unwritten = False

    def _read(self) -> ServiceState:
        try:
            state, damaged = _parse(read_plain(self.path, _MOST_BYTES))
        except (FileNotFoundError, NotADirectoryError):
            return ServiceState()
        except ValidationError as error:
            logger.warning(
                "%s is damaged (%s); all cameras are switched on.", self.path, first_problem(error)
            )
        except (OSError, ValueError) as error:
            logger.warning("%s cannot be read (%s); all cameras are switched on.", self.path, error)
        else:
            self._is_damaged = bool(damaged)
            if damaged:
                logger.warning("%s is damaged in %s; the rest is used.", self.path, ", ".join(damaged))
            return state
        self._is_damaged = True
        return ServiceState()


def _leave_out(value: object, parse: Callable[[object], object], info: ValidationInfo) -> object:
    """Leave out an entry that is damaged, and note the key it is in."""
    try:
        return parse(value)
    except ValidationError:
        _note_damage(info)
        raise PydanticOmit from None


def _components(value: object, info: ValidationInfo) -> Mapping[str, Component]:
    found = well_formed(value)
    if not isinstance(value, dict) or len(found) < len(value):
        _note_damage(info)
    return found


def _note_damage(info: ValidationInfo) -> None:
    damaged: dict[str, None] = {} if info.context is None else info.context
    damaged[str(info.field_name)] = None


_Number = Annotated[float, ModelField(allow_inf_nan=False)]
_SlugEntry = Annotated[Slug, WrapValidator(_leave_out)]


class _Stored(BaseModel):
    # A file of a newer version may hold more, and one must be able to go back to an older version.
    model_config = ConfigDict(strict=True, frozen=True, extra="ignore")


class _StoredLastSeen(_Stored):
    camera: Slug
    epoch_s: _Number
    score: _Number | None


class _StoredVisit(_Stored):
    camera: Slug
    person: Slug
    visit_id: str
    began_epoch_s: _Number
    last_seen_epoch_s: _Number
    score: _Number


class _StoredState(_Stored):
    """The file. The switches come first, so that they are the last to go where it is cut short."""

    switched_off: list[_SlugEntry] = []
    cameras: list[_SlugEntry] = []
    people: dict[_SlugEntry, Annotated[str, WrapValidator(_leave_out)]] = {}
    last_seen: dict[_SlugEntry, Annotated[_StoredLastSeen, WrapValidator(_leave_out)]] = {}
    visits: list[Annotated[_StoredVisit, WrapValidator(_leave_out)]] = []
    announced: Annotated[dict[str, Component], BeforeValidator(_components)] = {}
    removed: list[_SlugEntry] = []

    @field_validator("*", mode="wrap")
    @classmethod
    def _or_empty(cls, value: object, parse: Callable[[object], object], info: ValidationInfo) -> object:
        try:
            return parse(value)
        except ValidationError:
            _note_damage(info)
            return cls.model_fields[str(info.field_name)].get_default()


def _parse(content: bytes) -> tuple[ServiceState, tuple[str, ...]]:
    """Read a state.

    Returns:
        The state, and the keys in which something is damaged and left out.

    Raises:
        ValidationError: it is not a JSON object.
    """
    damaged: dict[str, None] = {}
    try:
        stored = _StoredState.model_validate_json(content, context=damaged)
    except ValidationError:
        # Cut short, as on a full disk: what came before is whole.
        try:
            whole = to_json(from_json(content, allow_partial=True))
        except ValueError:
            whole = b""
        if not whole.startswith(b"{"):
            raise
        stored = _StoredState.model_validate_json(whole, context=damaged)
        damaged["the end"] = None
    state = ServiceState(
        frozenset(stored.switched_off),
        tuple(Person(person, name) for person, name in stored.people.items()),
        {
            person: LastSeen(seen.camera, seen.epoch_s, seen.score)
            for person, seen in stored.last_seen.items()
        },
        tuple(
            OpenVisit(
                visit.camera,
                visit.person,
                visit.visit_id,
                visit.began_epoch_s,
                visit.last_seen_epoch_s,
                visit.score,
            )
            for visit in stored.visits
        ),
        stored.announced,
        frozenset(stored.cameras),
        frozenset(stored.removed),
    )
    return state, tuple(damaged)


def _encode(state: ServiceState) -> bytes:
    values = {
        "switched_off": sorted(state.switched_off),
        "cameras": sorted(state.cameras),
        "people": {person.slug: person.name for person in state.people},
        "last_seen": dict(sorted(state.last_seen.items())),
        "visits": [
            {
                "camera": visit.camera,
                "person": visit.person,
                "visit_id": visit.visit_id,
                "began_epoch_s": visit.began_s,
                "last_seen_epoch_s": visit.last_seen_s,
                "score": visit.score,
            }
            for visit in state.visits
        ],
        "announced": dict(state.announced),
        "removed": sorted(state.removed),
    }
    return to_json(values, indent=1) + b"\n"
