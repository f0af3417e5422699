"""Who is here, and what each camera sees: the states that are published when they change.

A person is present while a visit of theirs is open at any camera. Nothing here reads a clock: every time
is an argument, in seconds of `time.monotonic`.
"""

import math
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from facerec_mqtt.core.records import CameraState, OpenVisit, Person, PersonState

MIN_INTERVAL_S = 1.0
"""A state is published at most this often."""
REFRESH_S = 10.0
"""A camera's frame rate and time change with every frame; they are published this often."""
PERSON_REFRESH_S = 300.0
"""So are a person's time and score; a home automation keeps every one of them in its database for days."""
STAY_S = 3.0
"""Somebody seen by two cameras stays at the first until it has not seen them for this long."""
FPS_WINDOW_S = 5.0
"""The frame rate is counted over this time."""


@dataclass(slots=True, eq=False)
class _Camera:
    faces: int = 0
    frozen: bool = False
    frames: deque[float] = field(default_factory=lambda: deque(maxlen=1024))
    published: CameraState | None = None
    published_s: float = -math.inf


@dataclass(slots=True, eq=False)
class _Member:
    state: PersonState
    from_earlier_run: bool = False
    """Whether it was last seen in one."""
    published: PersonState | None = None
    published_s: float = -math.inf


class Presence:
    """Keeps the state of every camera and of every member of the family.

    Args:
        cameras: their slugs.
    """

    def __init__(self, cameras: Sequence[str]) -> None:
        self._cameras = {camera: _Camera() for camera in cameras}
        self._members: dict[str, _Member] = {}
        self._visits: tuple[OpenVisit, ...] = ()

    def set_people(self, people: Iterable[Person]) -> None:
        """A model is in use: everybody it knows has a state from now on, others have none."""
        before = self._members
        self._members = {}
        for person in people:
            member = before.get(person.slug) or _Member(PersonState(person, False, None, None, None))
            member.state = replace(member.state, person=person)
            self._members[person.slug] = member
        self.visits(self._visits)

    @property
    def people(self) -> tuple[PersonState, ...]:
        """The state of everybody at present."""
        return tuple(member.state for member in self._members.values())

    def recall(self, person: str, camera: str, last_seen_s: float, score: float | None) -> None:
        """Somebody was last seen in an earlier run of the program; ignored once they were seen in this.

        Args:
            person: slug; ignored where the model does not know it.
            camera: where.
            last_seen_s: when; negative when it was before the machine started.
            score: of that sighting.
        """
        member = self._members.get(person)
        if member is not None and member.state.last_seen_s is None:
            member.state = PersonState(member.state.person, False, camera, last_seen_s, score)
            member.from_earlier_run = True

    def clock_was_set(self, by_s: float) -> None:
        """The wall clock, in whose time earlier runs saved theirs, was wrong until now.

        Args:
            by_s: how much later it is than was thought.
        """
        for member in self._members.values():
            last_seen_s = member.state.last_seen_s
            if member.from_earlier_run and last_seen_s is not None:
                member.state = replace(member.state, last_seen_s=last_seen_s - by_s)

    def count_frame(self, camera: str, at_s: float, faces: int | None) -> None:
        """A frame was read.

        Args:
            camera: which camera.
            at_s: its capture.
            faces: how many are in it; `None` when it was not searched, since nothing had moved.
        """
        state = self._cameras.setdefault(camera, _Camera())
        state.frames.append(at_s)
        if faces is not None:
            state.faces = faces

    def camera_lost(self, camera: str) -> None:
        """A camera is away: there are no faces in sight."""
        self._cameras.setdefault(camera, _Camera()).faces = 0

    def camera_frozen(self, camera: str, *, frozen: bool) -> None:
        """A camera's picture stands still, or moves again."""
        self._cameras.setdefault(camera, _Camera()).frozen = frozen

    def visits(self, open_visits: Sequence[OpenVisit]) -> None:
        """Take in all visits, of all cameras, that have not ended."""
        self._visits = tuple(open_visits)
        visits_of: dict[str, list[OpenVisit]] = {}
        for visit in self._visits:
            if visit.person is not None:
                visits_of.setdefault(visit.person, []).append(visit)
        for slug, member in self._members.items():
            if slug in visits_of:
                member.from_earlier_run = False
                here = _where(visits_of[slug], member.state)
                member.state = PersonState(
                    member.state.person, True, here.camera, here.last_seen_s, here.score
                )
            else:
                member.state = replace(member.state, present=False)

    def take_unpublished(self, now_s: float) -> tuple[CameraState | PersonState, ...]:
        """The states that are to be published now; each is returned once.

        What people act on waits for a second at most, what only counts on until it is due for a refresh.
        """
        states: list[CameraState | PersonState] = []
        for name, camera in self._cameras.items():
            camera_state, before = self._camera_state(name, camera, now_s), camera.published
            if camera_state == before:
                continue
            urgent = before is None or _essence_of_camera(camera_state) != _essence_of_camera(before)
            if now_s - camera.published_s >= (MIN_INTERVAL_S if urgent else REFRESH_S):
                camera.published, camera.published_s = camera_state, now_s
                states.append(camera_state)
        for member in self._members.values():
            state, last = member.state, member.published
            if state == last:
                continue
            urgent = (
                last is None or not state.present or _essence_of_person(state) != _essence_of_person(last)
            )
            if now_s - member.published_s >= (MIN_INTERVAL_S if urgent else PERSON_REFRESH_S):
                member.published, member.published_s = state, now_s
                states.append(state)
        return tuple(states)

    def _camera_state(self, name: str, camera: _Camera, now_s: float) -> CameraState:
        here = [visit for visit in self._visits if visit.camera == name]
        recent = sum(now_s - at_s < FPS_WINDOW_S for at_s in camera.frames)
        return CameraState(
            camera=name,
            people=tuple(
                sorted(visit.person for visit in here if visit.person is not None and not visit.is_visitor)
            ),
            strangers=sum(visit.person is None for visit in here),
            faces=camera.faces,
            fps=round(recent / FPS_WINDOW_S, 1),
            last_frame_s=camera.frames[-1] if camera.frames else None,
            frozen=camera.frozen,
        )


def _where(visits: Sequence[OpenVisit], before: PersonState) -> OpenVisit:
    """Choose the visit that decides where a person is: where last seen, but without going back and forth."""
    newest = max(visits, key=lambda visit: visit.last_seen_s)
    if before.present:
        for visit in visits:
            if visit.camera == before.camera and newest.last_seen_s - visit.last_seen_s <= STAY_S:
                return visit
    return newest


def _essence_of_camera(state: CameraState) -> tuple[object, ...]:
    return state.people, state.strangers, state.faces, state.frozen


def _essence_of_person(state: PersonState) -> tuple[object, ...]:
    return state.person, state.present, state.camera
