"""What Frigate says on MQTT, as much of it as is needed, and whom it tracks.

Of Frigate 0.18, and of earlier ones: docs/docs/integrations/mqtt.md, frigate/track/tracked_object.py. Keys
that are not named here are ignored: it is another program's message, and each version has more of them.
"""

from dataclasses import dataclass, field
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

MAX_EVENT_BYTES = 256 * 1024
PERSON = "person"
UNSEEN_S = 150.0
"""Whom Frigate tracks is in a message once a minute at least: of one who is not, the end was missed."""


class _Foreign(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True, extra="ignore", hide_input_in_errors=True)


class TrackedObject(_Foreign):
    """One object, as Frigate last saw it."""

    # Both stand in URLs.
    id: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
    camera: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
    label: Annotated[str, Field(max_length=100)]
    false_positive: bool = False
    end_time: float | None = None
    box: tuple[float, float, float, float] | None = None
    """Left, top, right, bottom in the pixels of the picture in which Frigate looks for objects."""


class FrigateEvent(_Foreign):
    """What has become of an object; on `frigate/events`."""

    type: Literal["new", "update", "end"]
    after: TrackedObject


@dataclass(slots=True, eq=False)
class TrackedPerson:
    """A person whom Frigate tracks."""

    tracked: TrackedObject
    heard_s: float
    names: set[str] = field(default_factory=set)
    """Whom we have said it is."""


class TrackedPeople:
    """Whom Frigate tracks, by camera. Nothing here reads a clock: times are of `time.monotonic`."""

    def __init__(self) -> None:
        self._people: dict[str, dict[str, TrackedPerson]] = {}

    def take(self, event: FrigateEvent, now_s: float) -> None:
        """Take in an event of a person."""
        tracked = event.after
        at_camera = self._people.setdefault(tracked.camera, {})
        if event.type == "end" or tracked.end_time is not None or tracked.false_positive:
            at_camera.pop(tracked.id, None)
        elif tracked.id in at_camera:
            at_camera[tracked.id].tracked, at_camera[tracked.id].heard_s = tracked, now_s
        else:
            at_camera[tracked.id] = TrackedPerson(tracked, now_s)

    def at(self, camera: str, now_s: float) -> list[TrackedPerson]:
        """Everybody whom Frigate tracks at a camera."""
        at_camera = self._people.get(camera, {})
        for event_id in [each for each, person in at_camera.items() if now_s - person.heard_s > UNSEEN_S]:
            del at_camera[event_id]
        return list(at_camera.values())

    def with_face(
        self, camera: str, centre: tuple[float, float] | None, now_s: float
    ) -> TrackedPerson | None:
        """Whose face it is that lies at this place; `None` where that is not clear.

        Args:
            camera: Frigate's name of it.
            centre: in the pixels of Frigate's boxes; `None` where that is not known.
            now_s: now.
        """
        people = self.at(camera, now_s)
        if len(people) > 1:
            people = [each for each in people if centre is not None and _holds(each.tracked.box, centre)]
        return people[0] if len(people) == 1 else None

    def clear(self) -> None:
        """Forget all: Frigate has begun anew."""
        self._people.clear()


def _holds(box: tuple[float, float, float, float] | None, point: tuple[float, float]) -> bool:
    return box is not None and box[0] <= point[0] <= box[2] and box[1] <= point[1] <= box[3]
