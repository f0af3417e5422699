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
"""What changes with every frame (frame rate, times, scores) is published this often while it changes; a
home automation that records every state would else write a row a second for each camera."""
STAY_S = 3.0
"""Somebody whom two cameras see stays at the first until it has not seen them for this long."""
FPS_WINDOW_S = 5.0
"""The frame rate is counted over this time."""


@dataclass(slots=True, eq=False)
class _Camera:
    faces: int = 0
    frames: deque[float] = field(default_factory=lambda: deque(maxlen=1024))
    published: CameraState | None = None
    published_s: float = -math.inf


@dataclass(slots=True, eq=False)
class _Member:
    state: PersonState
    recalled: bool = False
    """Whether it was last seen in an earlier run."""
    published: PersonState | None = None
    published_s: float = -math.inf


class Presence:
    """Keeps the state of every camera and of every member of the family.

    Args:
        cameras: their names or slugs, as frames and visits name them.
    """

    def __init__(self, cameras: Sequence[str]) -> None:
        self._cameras = {camera: _Camera() for camera in cameras}
        self._members: dict[str, _Member] = {}
        self._visits: tuple[OpenVisit, ...] = ()

    def set_people(self, people: Iterable[Person]) -> None:
        """A model is in use: everybody whom it knows has a state from now on, others have none."""
        before = self._members
        self._members = {}
        for person in people:
            member = before.get(person.slug) or _Member(PersonState(person, False, None, None, None))
            member.state = replace(member.state, person=person)
            self._members[person.slug] = member
        self.visits(self._visits)

    @property
    def people(self) -> tuple[PersonState, ...]:
        """How everybody fares at present."""
        return tuple(member.state for member in self._members.values())

    def recall(self, person: str, camera: str, last_seen_s: float, score: float | None) -> None:
        """Somebody was last seen in an earlier run of the program; of no account once they were seen in this.

        Args:
            person: slug; of somebody unknown it is of no account either.
            camera: where.
            last_seen_s: when; negative when it was before the machine started.
            score: of that sighting.
        """
        member = self._members.get(person)
        if member is not None and member.state.last_seen_s is None:
            member.state = PersonState(member.state.person, False, camera, last_seen_s, score)
            member.recalled = True

    def clock_was_set(self, by_s: float) -> None:
        """The wall clock, by which alone earlier runs could tell us their times, was wrong until now.

        Args:
            by_s: how much later it is than was thought.
        """
        for member in self._members.values():
            last_seen_s = member.state.last_seen_s
            if member.recalled and last_seen_s is not None:
                member.state = replace(member.state, last_seen_s=last_seen_s - by_s)

    def frame(self, camera: str, at_s: float, faces: int | None) -> None:
        """A frame was read.

        Args:
            camera: which camera.
            at_s: its capture.
            faces: how many are in it; `None` when it was not looked at, since nothing had moved.
        """
        state = self._cameras.setdefault(camera, _Camera())
        state.frames.append(at_s)
        if faces is not None:
            state.faces = faces

    def camera_lost(self, camera: str) -> None:
        """A camera is away: there are no faces in sight."""
        self._cameras.setdefault(camera, _Camera()).faces = 0

    def visits(self, open_visits: Sequence[OpenVisit]) -> None:
        """Take in all visits, of all cameras, that have not ended."""
        self._visits = tuple(open_visits)
        visits_of: dict[str, list[OpenVisit]] = {}
        for visit in self._visits:
            if visit.person is not None:
                visits_of.setdefault(visit.person, []).append(visit)
        for slug, member in self._members.items():
            if slug in visits_of:
                member.recalled = False
                here = _where(visits_of[slug], member.state)
                member.state = PersonState(
                    member.state.person, True, here.camera, here.last_seen_s, here.score
                )
            else:
                member.state = replace(member.state, present=False)

    def due(self, now_s: float) -> tuple[CameraState | PersonState, ...]:
        """Tell what is to be published now; each state is told once.

        What people act on is told within a second; what only counts on, every ten.
        """
        states: list[CameraState | PersonState] = []
        for name, camera in self._cameras.items():
            camera_state = self._camera_state(name, camera, now_s)
            if camera_state == camera.published:
                continue
            before = camera.published
            urgent = before is None or _essence(camera_state) != _essence(before)
            if now_s - camera.published_s >= (MIN_INTERVAL_S if urgent else REFRESH_S):
                camera.published, camera.published_s = camera_state, now_s
                states.append(camera_state)
        for member in self._members.values():
            state, told = member.state, member.published
            if state == told:
                continue
            urgent = (
                told is None
                or (state.person, state.present, state.camera) != (told.person, told.present, told.camera)
                or not state.present
            )
            if now_s - member.published_s >= (MIN_INTERVAL_S if urgent else REFRESH_S):
                member.published, member.published_s = state, now_s
                states.append(state)
        return tuple(states)

    def _camera_state(self, name: str, camera: _Camera, now_s: float) -> CameraState:
        here = [visit for visit in self._visits if visit.camera == name]
        recent = sum(now_s - at_s < FPS_WINDOW_S for at_s in camera.frames)
        return CameraState(
            camera=name,
            people=tuple(sorted(visit.person for visit in here if visit.person is not None)),
            strangers=sum(visit.person is None for visit in here),
            faces=camera.faces,
            fps=round(recent / FPS_WINDOW_S, 1),
            last_frame_s=camera.frames[-1] if camera.frames else None,
        )


def _where(visits: Sequence[OpenVisit], before: PersonState) -> OpenVisit:
    """Choose the visit that tells where a person is: where last seen, but without going back and forth."""
    newest = max(visits, key=lambda visit: visit.last_seen_s)
    if before.present:
        for visit in visits:
            if visit.camera == before.camera and newest.last_seen_s - visit.last_seen_s <= STAY_S:
                return visit
    return newest


def _essence(state: CameraState) -> tuple[object, ...]:
    return state.people, state.strangers, state.faces
