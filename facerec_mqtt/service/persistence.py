"""What the service saves for its next run, and restores from the last one."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from facerec_mqtt.core.clock import Clock
from facerec_mqtt.core.records import Person, family_of
from facerec_mqtt.presence import Presence, StateFile, Visits, last_seen, of_people, to_resume
from facerec_mqtt.service.broker.broker_link import REMOVAL_DELAY_S, TIDY_DELAY_S
from facerec_mqtt.service.broker.publisher import Publisher
from facerec_mqtt.service.frames.watched_camera import WatchedCamera

REMOVED_AFTER_S = REMOVAL_DELAY_S + TIDY_DELAY_S + 1.0
"""A connection to the broker that has lasted this long has emptied all topics of whoever was removed."""


class Persistence:
    """Saves and restores; nothing is saved before all is restored, since it would overwrite what is not.

    Args:
        file: of this service.
        cameras: all of them, by slug.
        publisher: takes people and cameras that are no more off the broker.
        presence: of everybody who is enrolled.
        visits: that have not ended.
    """

    def __init__(
        self,
        file: StateFile,
        cameras: Mapping[str, WatchedCamera],
        publisher: Publisher,
        presence: Presence,
        visits: Visits,
    ) -> None:
        self._file = file
        self._cameras = cameras
        self._publisher = publisher
        self._presence = presence
        self._visits = visits
        self._is_restored = False
        self._removing_on: int | None = None
        self._removing_since_s = 0.0

    @property
    def people(self) -> Sequence[Person]:
        """Who the last model knew that could be loaded, in this run or an earlier one."""
        return self._file.state.people

    def is_due(self, now_s: float) -> bool:
        """Whether there is something to save that should not wait."""
        state = self._file.state
        return self._publisher.announced != state.announced or (
            bool(state.removed) and self._has_removed(now_s)
        )

    def enrol(self, people: Sequence[Person]) -> None:
        """A model is loaded, or the last person was forgotten: whoever is not enrolled any more is removed.

        What was saved counts, too: no model may have been usable since the start.

        Args:
            people: everybody who is enrolled from now on.
        """
        people = family_of(people)
        enrolled = {person.slug for person in people}
        state = self._file.state
        known = state.known | {member.person.slug for member in self._presence.people}
        gone = known - enrolled
        for person in gone:
            state = state.without_sightings(person)
        # Saved before anything else is done: the broker may be away, and this program end, before it is.
        self._file.save(replace(state, removed=(state.removed | gone) - enrolled))
        self._remove(gone)
        self._presence.set_people(people)

    def restore(self, people: Sequence[Person] | None, clock: Clock, now_s: float) -> None:
        """Restore what an earlier run has saved.

        Args:
            people: everybody who is enrolled; `None` while nobody can tell, and the last ones are kept.
            clock: the wall clock.
            now_s: now, of `time.monotonic`.
        """
        state = self._file.state
        self._publisher.recall(state.announced)
        for slug, watched in self._cameras.items():
            watched.enabled = slug not in state.switched_off
        for camera in state.cameras - set(self._cameras):
            self._publisher.remove_camera(camera)
        self._remove(state.removed)
        if people is None:
            self._presence.set_people(state.people)
        for slug, seen in state.last_seen.items():
            self._presence.recall(slug, seen.camera, clock.monotonic(seen.epoch_s), seen.score)
        enrolled = {person.slug for person in family_of(people or ())}
        for visit in to_resume(state.visits, enrolled, self._cameras, clock, now_s):
            self._visits.resume(visit, now_s)
        self._presence.visits(self._visits.open_visits())
        self._is_restored = True

    def save(
        self,
        people: Sequence[Person] | None,
        clock: Clock,
        now_s: float,
        *,
        emptied: bool = False,
    ) -> None:
        """Save for the next run what it is to know.

        Args:
            people: everybody who is enrolled; `None` while nobody can tell, and the last ones are kept.
            clock: the wall clock.
            now_s: now, of `time.monotonic`.
            emptied: whether the broker has just been left with all topics emptied that were to be.
        """
        if not self._is_restored:
            return
        state = self._file.state
        state = replace(
            state,
            switched_off=frozenset(slug for slug, each in self._cameras.items() if not each.enabled),
            cameras=frozenset(self._cameras),
            announced=self._publisher.announced,
            removed=frozenset() if emptied or self._has_removed(now_s) else state.removed,
        )
        if people is not None:
            seen = last_seen(self._presence.people, clock)
            visits = of_people(self._visits.open_visits(), clock)
            state = replace(state, people=family_of(people), last_seen=seen, visits=visits)
        self._file.save(state)

    def _remove(self, people: Iterable[str]) -> None:
        """Remove people, given by slug, from the broker, with all retained faces, which bear no name."""
        gone = sorted(people)
        for slug in gone:
            self._publisher.remove_person(slug)
        if gone:
            self._publisher.remove_faces()
            self._removing_on = None

    def _has_removed(self, now_s: float) -> bool:
        """Whether one connection has lasted for long enough since somebody was last removed."""
        connection = self._publisher.counts.connections if self._publisher.online else None
        if connection is None or connection != self._removing_on:
            self._removing_on, self._removing_since_s = connection, now_s
            return False
        return now_s - self._removing_since_s >= REMOVED_AFTER_S
