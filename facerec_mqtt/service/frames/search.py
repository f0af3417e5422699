"""What a frame shows: the part of its way that takes time, and that any thread may do.

    camera -> region -> motion -> faces, recognised -> main stream -> `SearchResult`

What it must know of visits and captures is in the request, as it was when the search began.
"""

from dataclasses import dataclass

from facerec_mqtt.core.records import Frame, Sighting
from facerec_mqtt.presence import Judge, SettledFaces, Visits
from facerec_mqtt.service.frames.watched_camera import WatchedCamera, is_in_time
from facerec_mqtt.service.roles.remote import AnyRecognizer, NoAnswerError, RemoteRecognizer, judge_by
from facerec_mqtt.settings import RecognitionSettings


@dataclass(frozen=True, slots=True, eq=False)
class SearchRequest:
    """The newest frame of a camera is to be searched."""

    watched: WatchedCamera
    recognizer: AnyRecognizer
    """With the model in use."""
    visits: Visits | None
    """A copy of what is known of the camera, where others are to be asked about its visits."""
    settled: SettledFaces
    """Faces that the main stream is not asked about."""
    is_forced: bool
    """Whether faces are looked for although nothing moves."""
    is_enabled: bool
    discarded: int
    """As of the camera, when the search began."""
    newest_s: float
    """Of the camera's frames, when the search was asked for."""


@dataclass(frozen=True, slots=True, eq=False)
class SearchResult:
    """What came of it."""

    request: SearchRequest
    frame: Frame | None = None
    """`None` where there was none after all: it was just being replaced."""
    sightings: tuple[Sighting, ...] | None = None
    """The faces in it; `None` where they were not looked for."""
    stood_s: float | None = None
    """As `FrozenPicture.look`."""
    judge: Judge | None = None
    """Knows what others say of its visits; `None` where nobody was asked."""
    is_answered: bool = True
    """Whether those who were asked have answered in time."""
    error: Exception | None = None
    """Why it could not be searched."""


@dataclass(frozen=True, slots=True)
class FrameSearch:
    """Searches frames. Of several threads; a camera is searched by one at a time.

    Args:
        settings: how faces are found and named.
    """

    settings: RecognitionSettings

    def search(self, request: SearchRequest, recognizer: AnyRecognizer) -> SearchResult:
        """Search the newest frame of a camera.

        Args:
            request: which camera.
            recognizer: with the request's model, and networks that no other thread uses.
        """
        watched = request.watched
        frame = watched.camera.latest(watched.last_frame_s, 0.0)
        if frame is None or not is_in_time(frame.captured_at_s):
            return SearchResult(request, frame)
        stood_s = watched.frozen.look(frame.image, frame.captured_at_s)
        judge = None
        try:
            sightings = self._sightings(request, frame, recognizer) if request.is_enabled else None
            if sightings and request.visits is not None and isinstance(recognizer, RemoteRecognizer):
                judge = judge_by(recognizer, request.visits, sightings, self.settings.min_margin)
        except NoAnswerError:
            return SearchResult(request, frame, None, stood_s, is_answered=False)
        return SearchResult(request, frame, sightings, stood_s, judge)

    def _sightings(
        self, request: SearchRequest, frame: Frame, recognizer: AnyRecognizer
    ) -> tuple[Sighting, ...] | None:
        """The faces in a frame; `None` where nothing has moved, so that it was not searched."""
        watched = request.watched
        part = watched.region.cut(frame)
        moved = not self.settings.motion or watched.gate.moved(part)
        if not (moved or request.is_forced):
            return None
        found = recognizer.recognise(
            part.image,
            min_face_px=watched.settings.min_face_px,
            min_sharpness=self.settings.min_sharpness,
            min_margin=self.settings.min_margin,
        )
        sightings = [
            Sighting(
                camera=watched.settings.slug,
                captured_at_s=frame.captured_at_s,
                detection=watched.region.to_whole_frame(frame, face.detection),
                identification=face.identification,
                face=face.face,
                embedding=face.embedding,
            )
            for face in found
        ]
        main = watched.main
        if main is None:
            return tuple(sightings)
        return tuple(
            main.look(frame, each, recognizer) if _is_open(request, each) else each for each in sightings
        )


def _is_open(request: SearchRequest, sighting: Sighting) -> bool:
    """Whether it is a face that a larger picture might give a name, and that has none yet."""
    return sighting.identification.refusal == "face too small" and not request.settled.has(sighting)
