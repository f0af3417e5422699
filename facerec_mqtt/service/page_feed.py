"""What the page is sent: the status on a change, events as on MQTT, and faces at cameras that are watched."""

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from facerec_mqtt import __version__
from facerec_mqtt.core.clock import WallClock
from facerec_mqtt.core.errors import CommandError, SettingsError
from facerec_mqtt.core.records import CaptureState, Frame, ModelState, PersonState, Sighting
from facerec_mqtt.core.slugs import SlugError, person_name
from facerec_mqtt.monitoring.page_messages import (
    SUPERVISOR,
    CapturePhotos,
    EnableCamera,
    LiveFace,
    LiveFaces,
    PageCamera,
    PageFolders,
    PageListening,
    PageRequest,
    PageSettings,
    Published,
    RebuildModel,
    RestartService,
    StopPhotos,
    Watch,
    encode,
)
from facerec_mqtt.mqtt import Capture, Command, CommandQueue, Enable, Rebuild, StopCapture, known_camera
from facerec_mqtt.service.broker.publisher import Publisher
from facerec_mqtt.service.frames.watched_camera import WatchedCamera
from facerec_mqtt.service.house.house import House
from facerec_mqtt.service.page_process import PageProcess, where_found
from facerec_mqtt.service.restart import Restart
from facerec_mqtt.settings import CameraSettings, Role, Settings

_log = logging.getLogger(__name__)
_STATUS_EVERY_S = 0.5
_TOO_MANY = "Too many commands are waiting; try again in a moment."


class PageFeed:
    """The page, as the service's loop sees it: nothing here ever waits for it.

    Args:
        settings: all of them.
        cameras: by slug.
        names: gives the display names by slug.
        clock: the wall clock.
        restart: starts the service again; `None` where that cannot be.
    """

    def __init__(
        self,
        settings: Settings,
        cameras: Mapping[str, WatchedCamera],
        names: Callable[[], Mapping[str, str]],
        clock: WallClock,
        restart: Restart | None = None,
    ) -> None:
        self._settings = settings
        self._names = names
        self._cameras = cameras
        self._clock = clock
        self._restart = restart
        self._process: PageProcess | None = None
        self._watched: set[str] = set()
        self._capture = CaptureState()
        self._model = ModelState("missing", None, None, (), None, None)
        self._sent: dict[str, Any] | None = None
        self._sent_s = 0.0

    def start(self) -> None:
        """Serve the page, if the settings say so; to be called once the cameras have begun."""
        web = self._settings.web
        if web.enabled:
            self._process = PageProcess(where_found(web), self._request)
            self._process.start()

    def stop(self) -> None:
        """End the page."""
        if self._process is not None:
            self._process.stop()

    def take_commands(self, commands: CommandQueue) -> None:
        """Have done what somebody has asked for on the page.

        Args:
            commands: takes what is to be done, as if it came by MQTT.
        """
        while self._process is not None and (message := self._process.take()) is not None:
            match message:
                case PageListening():
                    # It knows nothing yet, and nobody watches.
                    self._watched.clear()
                    self._sent = None
                case Watch():
                    (self._watched.add if message.on else self._watched.discard)(message.camera)
                case RestartService():
                    self._start_again()
                case _:
                    try:
                        taken = commands.put(self._command(message))
                    except (SlugError, CommandError) as error:
                        self.publish_result(message.type, ok=False, message=str(error))
                    else:
                        if not taken:
                            self.publish_result(message.type, ok=False, message=_TOO_MANY)

    @property
    def restarts(self) -> bool:
        """Whether the service is to start again once it has ended."""
        return self._restart is not None and self._restart.is_wanted

    def _start_again(self) -> None:
        try:
            if self._restart is None:
                raise CommandError("The service cannot start itself again here; start it again yourself.")
            self._restart.ask()
        except (CommandError, SettingsError) as error:
            _log.warning("The service does not start again: %s", error)
            self.publish_result("restart", ok=False, message=str(error))

    def _command(self, message: RebuildModel | EnableCamera | CapturePhotos | StopPhotos) -> Command:
        """Check what the page asks for; raises `CommandError` or `SlugError`."""
        match message:
            case RebuildModel():
                return Rebuild(message.force)
            case EnableCamera():
                return Enable(known_camera(message.camera, self._cameras), message.on)
            case CapturePhotos():
                camera = known_camera(message.camera, self._cameras)
                return Capture(person_name(message.person), camera, message.seconds)
            case StopPhotos():
                return StopCapture()

    def publish_event(self, payload: Mapping[str, object]) -> None:
        """Send an event, as it was published on MQTT."""
        self._publish("event", dict(payload))

    def publish_result(self, command: str, ok: bool, message: str) -> None:
        """Send the answer to a command."""
        self._publish("result", {"command": command, "ok": ok, "message": message})

    def publish_state(self, state: ModelState | CaptureState) -> None:
        """Note a state; it is sent with the next status."""
        if isinstance(state, ModelState):
            self._model = state
        else:
            self._capture = state

    def publish_status(
        self, now_s: float, publisher: Publisher, people: Sequence[PersonState], house: House | None
    ) -> None:
        """Send everything at present, if it has changed, at most twice a second.

        Args:
            now_s: now, of `time.monotonic`.
            publisher: whether the broker is connected, and why not.
            people: everybody who is enrolled, as this box sees them.
            house: knows them as all boxes see them; `None` where there is one.
        """
        if self._process is None or now_s - self._sent_s < _STATUS_EVERY_S:
            return
        clock, capture, model = self._clock.now(), self._capture, self._model
        status: dict[str, Any] = {
            "version": __version__,
            "house": None if house is None else _house(house),
            "broker": {"online": publisher.online, "message": publisher.failure},
            "model": {
                "status": model.status,
                "version": model.version,
                "progress": model.progress,
                "stage": model.stage,
                "seconds_left": model.seconds_left,
                "message": model.message,
                "made_by": None if house is None else house.made_by,
            },
            "cameras": [_camera(slug, watched) for slug, watched in self._cameras.items()],
            "people": [
                {
                    "person": state.person.slug,
                    "name": state.person.name,
                    "present": state.present,
                    "camera": state.camera,
                    "last_seen": None if state.last_seen_s is None else clock.iso(state.last_seen_s),
                }
                for state in (people if house is None else house.people(clock))
            ],
            "capture": None
            if capture.person is None
            else {
                "person": capture.person,
                "camera": capture.camera,
                "taken": capture.taken,
                "wanted": capture.wanted,
                "hint": capture.hint,
            },
        }
        if status != self._sent and self._publish("status", status):
            self._sent, self._sent_s = status, now_s

    def is_watched(self, camera: str) -> bool:
        """Whether somebody watches this camera at present."""
        return camera in self._watched

    def publish_faces(self, frame: Frame, sightings: Sequence[Sighting] | None) -> None:
        """Send the faces of a frame, if somebody watches its camera.

        Args:
            frame: that was just looked at.
            sightings: its faces; `None` where it was not searched.
        """
        if self._process is None or frame.camera not in self._watched:
            return
        recognition, names = self._settings.recognition, self._names()
        height_px, width_px = frame.image.shape[:2]
        faces = LiveFaces(
            camera=frame.camera,
            captured_at_s=frame.captured_at_s,
            width_px=width_px,
            height_px=height_px,
            searched=sightings is not None,
            min_face_px=self._cameras[frame.camera].settings.min_face_px,
            min_sharpness=recognition.min_sharpness,
            min_margin=recognition.min_margin,
            faces=tuple(_face(sighting, names) for sighting in sightings or ()),
        )
        self._process.send(encode(faces))

    def _publish(self, kind: Any, content: dict[str, Any]) -> bool:
        return self._process is not None and self._process.send(encode(Published(type=kind, content=content)))

    def _request(self, link: int) -> tuple[PageRequest, tuple[int, ...]]:
        settings, web = self._settings, self._settings.web
        cameras = tuple(
            PageCamera(
                slug=slug,
                name=watched.settings.name,
                descriptor=watched.camera.frame_descriptor,
                host=_host(watched.settings),
                region=watched.settings.region,
                min_face_px=watched.settings.min_face_px,
                has_main_stream=watched.settings.main_url is not None,
            )
            for slug, watched in self._cameras.items()
        )
        origin = None if self._restart is None else self._restart.origin
        request = PageRequest(
            host=web.host,
            port=web.port,
            password=web.password,
            tls_certificate=web.tls_certificate,
            tls_key=web.tls_key,
            trusted_proxies=web.trusted_proxies,
            supervisor=SUPERVISOR if web.ingress else None,
            folders=PageFolders(
                enrollment_dir=settings.enrollment_dir,
                model_dir=settings.model_dir,
                review_dir=settings.review.folder,
                keeps_pictures=settings.review.enabled,
                pictures_days=settings.review.max_days,
                history_days=settings.history.days,
                shares_model=settings.house.name is not None and settings.house.share_model,
                takes_photos=settings.house.role is not Role.CAMERA,
            ),
            cameras=cameras,
            settings=PageSettings(
                file=None if origin is None else origin.file,
                digest="" if origin is None else origin.digest,
                cameras_in_environment=origin is not None and origin.cameras_in_environment,
                max_side_px=settings.recognition.max_side_px,
            ),
            link_descriptor=link,
            log_level=settings.logging.level,
        )
        return request, tuple(each.descriptor for each in cameras if each.descriptor is not None)


def _camera(slug: str, watched: WatchedCamera) -> dict[str, Any]:
    camera, failure = watched.camera, watched.camera.failure
    return {
        "camera": slug,
        "name": watched.settings.name,
        "online": camera.online,
        "enabled": watched.enabled,
        "fps": round(camera.counters.fps),
        "message": None if failure is None else f"It {failure.sentence}.",
    }


def _house(house: House) -> dict[str, Any]:
    work = house.work
    return {
        "name": house.name,
        "role": work.role,
        "recognisers": list(work.recognisers),
        "asked_by": list(work.asked_by),
    }


def _host(camera: CameraSettings) -> str | None:
    """Where a camera is in the network; `None` where it is not asked itself."""
    return urlsplit(camera.url).hostname if camera.kind in ("rtsp", "http") else None


def _face(sighting: Sighting, names: Mapping[str, str]) -> LiveFace:
    seen = sighting.identification
    left, top, right, bottom = (float(side) for side in sighting.detection.box)
    return LiveFace(
        box=(left, top, right, bottom),
        person=seen.person,
        name=None if seen.person is None else names.get(seen.person, seen.person),
        score=float(seen.score),
        margin=float(seen.margin),
        reason=seen.refusal,
        candidate=None if seen.candidate is None else names.get(seen.candidate, seen.candidate),
        width_px=float(sighting.face.width_px),
        sharpness=float(sighting.face.sharpness),
    )
