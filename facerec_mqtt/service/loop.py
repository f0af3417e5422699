"""The service: a loop that acts on the newest frames of its cameras, with housekeeping between.

What becomes of a frame is in `frames.pipeline`. Cameras read in processes of their own; frames are searched,
and the MQTT client runs, in threads of their own: none of them waits for the loop, nor the loop for them.
"""

import logging
import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from facerec_mqtt import __version__
from facerec_mqtt.cameras import ForkServer
from facerec_mqtt.core.clock import Clock, WallClock
from facerec_mqtt.core.errors import CommandError
from facerec_mqtt.core.records import CaptureState, Image, PresenceChange, family_of
from facerec_mqtt.enrollment import CaptureController
from facerec_mqtt.enrollment.changes import AssignmentController
from facerec_mqtt.faces import face_jpeg
from facerec_mqtt.history import FILE, HistoryWriter, VisitRecorder
from facerec_mqtt.monitoring import CountsReporter, Endpoint, Heartbeat, Metrics
from facerec_mqtt.mqtt import Assign, Capture, Enable, Rebuild, StopCapture
from facerec_mqtt.presence import Explanation, Presence, Review, StateFile, Visits, announcement
from facerec_mqtt.recognition import Recognizer
from facerec_mqtt.service.broker.camera_topics import listen_for_cameras
from facerec_mqtt.service.broker.publisher import Publisher
from facerec_mqtt.service.frames.camera_status import CameraStatusQueue
from facerec_mqtt.service.frames.pipeline import FramePipeline
from facerec_mqtt.service.frames.search import FrameSearch
from facerec_mqtt.service.frames.watched_camera import WatchedCamera
from facerec_mqtt.service.frames.workers import SearchWorkers
from facerec_mqtt.service.house.house import House
from facerec_mqtt.service.page_feed import PageFeed
from facerec_mqtt.service.persistence import Persistence
from facerec_mqtt.service.restart import Restart
from facerec_mqtt.service.roles.parts import Part, Watch
from facerec_mqtt.service.roles.requirements import NO_MODEL_HERE
from facerec_mqtt.settings import Settings

_log = logging.getLogger(__name__)
_HOUSEKEEPING_S = 0.25
_MODEL_POLL_S = 1.0
_SAVE_EVERY_S = 60.0
_CLOCK_STEP_S = 2.0


class Service:
    """Runs until it is stopped."""

    def __init__(
        self,
        settings: Settings,
        part: Part,
        publisher: Publisher,
        clock: WallClock,
        *,
        explain: bool = False,
        restart: Restart | None = None,
    ) -> None:
        self._settings = settings
        self._publisher = publisher
        self._clock = clock
        self._explain_all = explain
        votes = {camera.slug: camera.votes for camera in settings.cameras if camera.votes is not None}
        self._visits = Visits(settings.recognition, explain=self._explain, votes=votes)
        self._presence = Presence([camera.slug for camera in settings.cameras])
        self._camera_status = CameraStatusQueue(publisher, self._visits, self._presence)
        self._fork_server = ForkServer()
        # Set when there is a frame, or one was searched.
        self._news = threading.Event()
        launch, wake = self._fork_server.launch, self._news.set
        self._cameras = {
            camera.slug: WatchedCamera.of(camera, settings.recognition, self._camera_status.put, launch, wake)
            for camera in settings.cameras
        }
        cameras = [(each.settings, each.camera) for each in self._cameras.values()]
        listen_for_cameras(publisher, settings.frigate, cameras)
        self._part, self._models = part, part.models
        self._house = House.of(settings, publisher, __version__)
        self._captures = CaptureController(settings.enrollment_dir, publisher, clock)
        self._review = Review(settings, clock)
        history = HistoryWriter(settings.model_dir / FILE, settings.history.days)
        self._assignments = AssignmentController(
            settings.enrollment_dir, settings.review.folder, settings.model_dir, history, publisher
        )
        self._history = VisitRecorder(history, settings.mqtt.node_id, part.groups)
        saved = StateFile(settings.model_dir, settings.mqtt.node_id)
        self._persistence = Persistence(saved, self._cameras, publisher, self._presence, self._visits)
        self._page = publisher.audience = PageFeed(settings, self._cameras, self._names, clock, restart)
        metrics = self._metrics = Metrics(self._cameras, __version__, time.monotonic())
        port = settings.metrics.prometheus_port
        self._endpoint = None if port is None else Endpoint(settings.metrics.prometheus_host, port)
        self._counts = CountsReporter(
            metrics, settings.metrics.interval_s, publisher.publish_metrics, self._endpoint
        )
        self._workers = SearchWorkers(
            part.most_workers,
            FrameSearch(settings.recognition).search,
            part.more_networks,
            wake,
        )
        self._pipeline = FramePipeline(
            settings.recognition,
            self._cameras.values(),
            self._workers,
            self._visits,
            self._presence,
            self._review,
            self._captures,
            metrics,
            self._publish_changes,
            self._page.publish_faces,
            self._page.is_watched,
        )
        self._heartbeat = Heartbeat(settings.heartbeat_file)
        self._clock_set_by_s = 0.0
        self._due_s = dict.fromkeys(("housekeeping", "model", "state file"), 0.0)

    def run(self, stop: threading.Event) -> None:
        """Watch the cameras until `stop` is set, then end what was started.

        Raises:
            FacerecError: the endpoint for Prometheus cannot be opened.
        """
        if self._endpoint is not None:
            self._endpoint.start()
        if not self._reload_model() and self._models.fault is None:
            self._part.report_no_model()
        self._restore_state()
        self._publisher.publish_state(self._models.state())
        self._publisher.publish_state(CaptureState())
        self._publish_discovery()
        for slug, watched in self._cameras.items():
            self._publisher.publish_camera_status(slug, online=False)
            self._publisher.publish_camera_enabled(slug, enabled=watched.enabled)
            watched.camera.start()
        # What is known by now is published at once on connecting, before "online".
        self._housekeeping(time.monotonic())
        self._publisher.start()
        self._part.start()
        self._page.start()
        self._workers.start(time.monotonic())
        self._heartbeat.ready()
        try:
            while not stop.is_set():
                self._news.clear()
                self._pipeline.step(self._models.recognizer)
                now_s = time.monotonic()
                self._housekeeping(now_s)
                if not self._pipeline.is_stuck(now_s):
                    self._heartbeat.beat(now_s)
                self._news.wait(max(0.0, self._due_s["housekeeping"] - time.monotonic()))
        finally:
            self._end()

    def _end(self) -> None:
        self._heartbeat.stopping(restarts=self._page.restarts)
        # "offline" goes out first: the entities need not wait until the cameras are closed.
        online = self._publisher.online
        self._part.stop()
        self._publisher.stop()
        self._save_state(emptied=online)
        self._captures.stop()
        clock = self._current_clock()
        self._history.looked(self._review.stop(), clock, self._review.discard)
        self._history.stop(clock)
        with ThreadPoolExecutor(len(self._cameras) + 4) as pool:
            if self._endpoint is not None:
                pool.submit(self._endpoint.stop)
            for watched in self._cameras.values():
                pool.submit(watched.stop)
            pool.submit(self._models.stop)
            pool.submit(self._workers.stop)
            pool.submit(self._page.stop)
        self._fork_server.close()

    # --- What has changed

    def _publish_changes(self, changes: Sequence[PresenceChange], image: Image | None = None) -> None:
        """Publish arrivals, departures, known visitors and strangers.

        Args:
            changes: what has happened, in order.
            image: the frame that the changes were decided on; `None` where all are departures.
        """
        # One clock for all: were it set meanwhile, all times would be corrected alike.
        clock = self._current_clock()
        for change in changes:
            name = None if change.person is None else self._names().get(change.person, change.person)
            _log.info("%s", announcement(change, name))
            # The picture first: an automation that the event starts finds it in place.
            if change.sighting is not None and image is not None:
                self._publisher.publish_face(change.camera, face_jpeg(change.sighting, image), change.person)
            stranger = self._history.stranger(change)
            self._publisher.publish_event(change, name=name, model=self._models.version, stranger=stranger)
            self._history.began(change, name, clock, stranger)
        visits = self._visits.open_visits()
        self._presence.visits(visits)
        if self._house is not None:
            self._house.observe(self._presence.people, visits, changes, clock, time.monotonic())
        self._history.update(visits, clock, time.monotonic())
        if changes:
            self._metrics.count_changes(changes)
            self._save_state()

    def _explain(self, why: Explanation) -> None:
        """Log an explanation; a name that was refused is in it only where the user asked for that."""
        self._history.explained(why)
        level = logging.INFO if self._explain_all else logging.DEBUG
        if _log.isEnabledFor(level):
            _log.log(level, "%s", why.sentence(self._names(), name_all=self._explain_all))

    # --- Housekeeping

    def _is_due(self, what: str, now_s: float, every_s: float) -> bool:
        if now_s < self._due_s[what]:
            return False
        self._due_s[what] = now_s + every_s
        return True

    def _housekeeping(self, now_s: float) -> None:
        if not self._is_due("housekeeping", now_s, _HOUSEKEEPING_S):
            return
        self._current_clock()
        self._camera_status.act(self._cameras, now_s)
        self._take_commands()
        self._watch_rebuild()
        self._captures.end_if_over(now_s)
        for watched in self._cameras.values():
            watched.close_idle(now_s)
        self._part.step(Watch(self._visits, self._cameras, self._house), now_s)
        if self._is_due("model", now_s, _MODEL_POLL_S) and self._reload_model():
            self._publisher.publish_state(self._models.state())
            self._publish_discovery()
        self._publish_changes(self._visits.end_overdue(now_s))
        kept = self._review.update(now_s, self._visits.followed(), self._visits.open_ids())
        self._history.looked(kept, self._current_clock(), self._review.discard)
        for state in self._presence.take_unpublished(now_s):
            self._publisher.publish_state(state)
        self._publisher.publish_trackers(self._presence.people, now_s)
        if self._is_due("state file", now_s, _SAVE_EVERY_S) or self._persistence.is_due(now_s):
            self._save_state()
        self._page.publish_status(now_s, self._publisher, self._presence.people, self._house)
        totals = {slug: watched.totals for slug, watched in self._cameras.items()}
        self._counts.report(now_s, totals, self._publisher.counts, self._part.counts())

    def _current_clock(self) -> Clock:
        """The wall clock: a small box may learn the time minutes after its start."""
        clock = self._clock.now()
        step_s = self._clock.set_by_s - self._clock_set_by_s
        if abs(step_s) > _CLOCK_STEP_S:
            self._presence.clock_was_set(step_s)
            self._history.clock_was_set(step_s)
            self._clock_set_by_s += step_s
        return clock

    def _take_commands(self) -> None:
        self._page.take_commands(self._publisher.commands)
        while (command := self._publisher.commands.take(time.monotonic())) is not None:
            match command:
                case Rebuild(force=force):
                    try:
                        self._models.rebuild(force=force)
                    except CommandError as error:
                        self._publisher.publish_result("rebuild", ok=False, message=str(error))
                case Enable(camera=camera, enabled=enabled):
                    self._enable(camera, enabled=enabled)
                case Capture() if isinstance(recognizer := self._models.recognizer, Recognizer):
                    self._captures.start(command, recognizer, enabled=self._cameras[command.camera].enabled)
                case StopCapture():
                    self._captures.cancel()
                case Assign() if isinstance(self._models.recognizer, Recognizer):
                    self._assignments.start(command)
                case Capture() | Assign():
                    name = "capture" if isinstance(command, Capture) else "assign"
                    self._publisher.publish_result(name, ok=False, message=NO_MODEL_HERE)

    def _enable(self, camera: str, *, enabled: bool) -> None:
        watched, now_s = self._cameras[camera], time.monotonic()
        if watched.enabled != enabled:
            _log.info("Recognition at %s is switched %s", watched.settings.name, "on" if enabled else "off")
        watched.enabled = enabled
        watched.discard_search()
        if not enabled:
            self._captures.camera_off(camera)
            self._publish_changes(self._visits.end_camera(camera, now_s))
            self._presence.count_frame(camera, now_s, 0)
        self._publisher.publish_camera_enabled(camera, enabled=enabled)
        self._save_state()

    def _restore_state(self) -> None:
        """Restore what an earlier run has saved."""
        now_s = time.monotonic()
        clock = self._current_clock()
        self._persistence.restore(self._models.people, clock, now_s)
        self._history.start(self._visits.open_visits(), self._names(), clock)

    def _save_state(self, *, emptied: bool = False) -> None:
        """Save for the next run what it is to know."""
        clock = self._current_clock()
        self._persistence.save(self._models.people, clock, time.monotonic(), emptied=emptied)

    # --- The model

    def _names(self) -> Mapping[str, str]:
        return {person.slug: person.name for person in self._models.people or ()}

    def _reload_model(self) -> bool:
        """Load the model that is current on disk; a damaged one changes nothing.

        Returns:
            Whether anything is new.
        """
        fault = self._models.fault
        newer = self._models.newer()
        if newer is None:
            return self._models.fault != fault
        people = () if newer.model is None else newer.model.people
        # The departures of those who are no longer enrolled still carry their names, so before it is in use.
        slugs, family = [person.slug for person in people], family_of(people)
        visitors = [person.slug for person in people if person not in family]
        self._publish_changes(self._visits.set_people(slugs, time.monotonic(), visitors=visitors))
        self._models.use()
        self._persistence.enrol(people)
        self._history.set_people(slugs)
        self._review.set_people(slugs)
        if self._models.version is None:
            _log.info("The last person was forgotten: there is no model, and all are strangers")
        else:
            names = ", ".join(person.name for person in people)
            _log.info("Using model %s: %s", self._models.version, names)
        return True

    def _watch_rebuild(self) -> None:
        if self._models.has_moved():
            self._publisher.publish_state(self._models.state())
        result = self._models.ended()
        if result is None:
            return
        self._reload_model()
        message = self._models.settle(result)
        self._publisher.publish_state(self._models.state())
        self._publish_discovery()
        self._publisher.publish_result("rebuild", ok=result.ok, message=message)

    def _publish_discovery(self) -> None:
        self._save_state()
        cameras = [(slug, watch.settings.name) for slug, watch in self._cameras.items()]
        self._publisher.announce(cameras, self._persistence.people, __version__)
