"""Pictures for review: which faces are worth a look, how long they are kept, that they can be enrolled."""

import json
import shutil
import time
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import cv2
import numpy as np
import pytest

from facerec_mqtt.core.clock import WallClock
from facerec_mqtt.core.records import Sighting
from facerec_mqtt.presence.review import Review, ReviewCollector, ReviewFolder, ReviewPicture
from facerec_mqtt.presence.tracks.tracking import TRACK_GAP_S, Track, follow
from facerec_mqtt.settings import Choices, RecognitionSettings, ReviewSettings, Settings, write_choices
from tests.support.broker import Broker, wait_until
from tests.support.service import Home, RunningService, run_program
from tests.support.sightings import face

DOOR = "front_door"
QUIET_S = 60.0
STEP_S = 0.2
PATIENCE_S = 120.0
NOON = datetime(2026, 11, 23, 12, 0, 0, 345_000, tzinfo=UTC)


class Door:
    """Shows faces before one camera, one frame every `STEP_S`, and collects the pictures kept of them."""

    def __init__(self) -> None:
        self.collector = ReviewCollector(QUIET_S)
        self.tracks: list[Track] = []
        self.now_s = 1000.0
        self.pictures: list[ReviewPicture] = []

    def show(self, *sightings: Sighting, shade: int = 128) -> "Door":
        """Frames with one face each; the picture is all of one shade."""
        for sighting in sightings:
            self.now_s += STEP_S
            image = np.full((360, 640, 3), shade, np.uint8)
            tracks = follow(self.tracks, [replace(sighting, captured_at_s=self.now_s)], self.now_s)
            self.collector.add(DOOR, tracks, image)
        return self.wait(0.0)

    def announce(self) -> "Door":
        """The visits have called the face of the last frame a stranger."""
        self.tracks[-1].announced = "stranger"
        self.collector.add(DOOR, self.tracks[-1:], np.zeros((360, 640, 3), np.uint8))
        return self

    def wait(self, seconds: float) -> "Door":
        self.now_s += seconds
        self.tracks = [track for track in self.tracks if self.now_s - track.seen_s <= TRACK_GAP_S]
        self.pictures += self.collector.take_finished(self.now_s, self.tracks)
        return self

    @property
    def kinds(self) -> list[str]:
        return [picture.kind for picture in self.pictures]


def shade_of(picture: ReviewPicture) -> int:
    image = cv2.imdecode(np.frombuffer(picture.jpeg, np.uint8), cv2.IMREAD_COLOR)
    assert image is not None
    return round(float(image.mean()))


def test_of_a_stranger_the_best_picture_is_kept_once_the_visit_is_over() -> None:
    watch = Door().show(face(sharpness=30), shade=10).show(face(sharpness=55), shade=200)
    watch.show(face(sharpness=40), shade=90).announce().wait(2.9)
    assert watch.pictures == []
    watch.wait(0.2)
    [picture] = watch.pictures
    assert (picture.kind, picture.camera) == ("stranger", DOOR)
    assert picture.at_s == pytest.approx(1000.4)
    assert abs(shade_of(picture) - 200) < 3


def test_a_face_that_was_not_announced_and_is_clearly_nobody_is_not_kept() -> None:
    assert Door().show(*[face()] * 9).wait(200).pictures == []


def test_somebody_of_the_family_is_not_kept() -> None:
    watch = Door().show(*[face("anna")] * 9, *[face(score=0.4)] * 4).wait(200)
    assert watch.pictures == []


def test_a_face_that_came_near_and_was_mostly_not_named_is_doubtful() -> None:
    watch = Door().show(
        *[face(score=0.42)] * 5, face("anna", score=0.55), face(score=0.6, refusal="ambiguous")
    )
    assert watch.wait(200).kinds == ["doubtful"]


@pytest.mark.parametrize(
    "faces",
    [
        [face(score=0.42)] * 2,
        [face(score=0.42, refusal="blurred")] * 9,
        [face(score=0.42, refusal="face too small")] * 9,
        [face(score=0.0, refusal="no model")] * 9,
    ],
)
def test_a_face_that_was_hardly_seen_or_cannot_be_judged_is_not_doubtful(faces: list[Sighting]) -> None:
    assert Door().show(*faces).wait(200).pictures == []


def test_a_doubtful_face_that_comes_back_within_the_quiet_time_is_one_visit() -> None:
    watch = Door()
    for shade, sharpness in ((50, 30.0), (150, 55.0), (90, 40.0)):
        watch.show(*[face(score=0.42, sharpness=sharpness)] * 4, shade=shade).wait(20)
    assert watch.pictures == []
    watch.wait(QUIET_S)
    assert watch.kinds == ["doubtful"]
    assert abs(shade_of(watch.pictures[0]) - 150) < 3
    watch.show(*[face(score=0.42)] * 4).wait(100)
    assert watch.kinds == ["doubtful", "doubtful"]


def test_while_a_stranger_is_followed_the_picture_waits() -> None:
    watch = Door().show(*[face()] * 4).announce()
    for _ in range(50):
        watch.tracks[-1].seen_s = watch.now_s
        watch.wait(STEP_S)
    assert watch.pictures == []
    assert watch.wait(5).kinds == ["stranger"]


def picture(kind: str = "stranger") -> ReviewPicture:
    return ReviewPicture("doubtful" if kind == "doubtful" else "stranger", DOOR, 0.0, b"jpeg")


def test_a_picture_is_private_and_its_name_says_when_and_where(tmp_path: Path) -> None:
    folder = ReviewFolder(ReviewSettings(folder=tmp_path / "review"))
    path = folder.add(picture("doubtful"), NOON)
    assert path == tmp_path / "review" / "2026-11-23" / "120000-345_front_door_doubtful.jpg"
    assert path.read_bytes() == b"jpeg"
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700


def test_old_pictures_go_and_so_do_their_days(tmp_path: Path) -> None:
    folder = ReviewFolder(ReviewSettings(folder=tmp_path, max_days=10))
    for day in (1, 13, 14, 23):
        folder.add(picture(), NOON.replace(day=day))
    folder.prune(date(2026, 11, 24))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["2026-11-14", "2026-11-23"]


def test_of_too_many_pictures_the_oldest_go(tmp_path: Path) -> None:
    folder = ReviewFolder(ReviewSettings(folder=tmp_path, max_pictures=3))
    paths = [
        folder.add(picture(), NOON.replace(day=day, hour=hour)) for day in (22, 23) for hour in (8, 9, 10)
    ]
    folder.prune(date(2026, 11, 23))
    assert [path for path in paths if path.exists()] == paths[3:]


def test_what_is_not_ours_is_never_deleted(tmp_path: Path) -> None:
    folder = ReviewFolder(ReviewSettings(folder=tmp_path, max_days=1, max_pictures=1))
    kept = [tmp_path / "2020-01-01" / "holiday.jpg", tmp_path / "holiday" / "120000-345_x_stranger.jpg"]
    for path in kept:
        path.parent.mkdir()
        path.write_bytes(b"mine")
    folder.prune(date(2026, 11, 23))
    assert all(path.exists() for path in kept)


def announced_stranger(at_s: float) -> Track:
    """A face that was seen once, and announced."""
    [track] = follow([], [face(at_s=at_s)], at_s)
    track.announced = "stranger"
    return track


def a_review(folder: Path, *, enabled: bool) -> Review:
    review = ReviewSettings(enabled=enabled, folder=folder / "review")
    recognition = RecognitionSettings(departure_s=QUIET_S)
    return Review(Settings(model_dir=folder, review=review, recognition=recognition), WallClock())


def test_what_is_chosen_on_the_page_switches_it_on(tmp_path: Path) -> None:
    write_choices(tmp_path, Choices(keeps_pictures=True))
    review = a_review(tmp_path, enabled=False)
    for number in range(9):
        review.add(DOOR, [announced_stranger(number * STEP_S)], np.zeros((360, 640, 3), np.uint8))
    assert review.stop(10.0)


def test_a_review_that_is_not_switched_on_writes_nothing(tmp_path: Path) -> None:
    review = a_review(tmp_path, enabled=False)
    for number in range(9):
        review.add(DOOR, [announced_stranger(number * STEP_S)], np.zeros((360, 640, 3), np.uint8))
    review.stop(10.0)
    assert not (tmp_path / "review").exists()


def test_a_picture_of_a_visit_that_goes_on_is_written_when_the_service_ends(tmp_path: Path) -> None:
    review = a_review(tmp_path, enabled=True)
    track = announced_stranger(time.monotonic())
    review.add(DOOR, [track], np.zeros((360, 640, 3), np.uint8))
    review.write_finished(time.monotonic(), {track})
    assert not (tmp_path / "review").exists()
    review.stop(time.monotonic())
    assert len(list((tmp_path / "review").glob("*/*_stranger.jpg"))) == 1


def test_a_folder_that_cannot_be_written_is_reported_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "review").write_text("a file")
    review = a_review(tmp_path, enabled=True)
    for start_s in (0.0, 100.0):
        review.add(DOOR, [announced_stranger(start_s)], np.zeros((360, 640, 3), np.uint8))
        review.write_finished(start_s + 10, ())
    assert caplog.text.count("FACEREC_REVIEW__FOLDER") == 1


def test_a_strangers_picture_that_is_moved_into_a_folder_is_learnt_from(
    home: Home, film: Path, broker: Broker, tmp_path: Path
) -> None:
    settings = home.environment(
        {"name": DOOR, "url": str(film), "fps": 5},
        **broker.environment(),
        FACEREC_REVIEW__ENABLED="true",
        FACEREC_REVIEW__FOLDER=str(tmp_path / "review"),
    )
    with broker.ear() as ear, RunningService(settings, tmp_path / "log") as service:
        ear.wait(lambda m: m.topic.endswith("/event") and b'"stranger"' in m.payload, PATIENCE_S)
        wait_until(lambda: list((tmp_path / "review").glob("*/*.jpg")))
        found = next((tmp_path / "review").glob("*/*.jpg"))
        ear.wait(lambda m: m.topic.endswith("/event") and b'"anna"' in m.payload, PATIENCE_S)
        assert service.terminate() == 0
    assert found.name.endswith("_front_door_stranger.jpg")
    assert not [path for path in (tmp_path / "review").rglob("*") if "anna" in path.name.lower()]
    shutil.copytree(home.enrollment, tmp_path / "enrollment")
    (tmp_path / "enrollment" / "Neighbour").mkdir()
    found.rename(tmp_path / "enrollment" / "Neighbour" / found.name)
    done = run_program(
        *("rebuild", "--json", "--force"),
        *("--enrollment", tmp_path / "enrollment", "--model-dir", home.models),
    )
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert "neighbour" in report["people"]
    [photo] = [each for each in report["photos"] if each["file"] == f"Neighbour/{found.name}"]
    assert photo["used"]
