"""Pictures and scores of visits: which are kept, for how long, and that strangers' can be enrolled."""

import json
import shutil
import time
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
import pytest

from facerec_mqtt.core.clock import WallClock
from facerec_mqtt.core.records import Sighting
from facerec_mqtt.presence import Visits
from facerec_mqtt.presence.review import (
    MOST_PICTURES,
    MOST_SCORES,
    KeptLooks,
    Kind,
    Review,
    ReviewFolder,
    VisitCollector,
    VisitLooks,
)
from facerec_mqtt.settings import Choices, RecognitionSettings, ReviewSettings, Settings, write_choices
from facerec_mqtt.settings.schema import HistorySettings
from tests.support.broker import Broker, wait_until
from tests.support.service import Home, RunningService, run_program
from tests.support.sightings import face

DOOR = "front_door"
QUIET_S = 60.0
STEP_S = 0.2
PATIENCE_S = 120.0
NOON = datetime(2026, 11, 23, 12, 0, 0, 345_000, tzinfo=UTC)


class Door:
    """Shows faces before one camera, one frame every `STEP_S`, and collects what is kept of them."""

    def __init__(self) -> None:
        self.collector = VisitCollector(QUIET_S)
        self.visits = Visits(RecognitionSettings(departure_s=QUIET_S, stranger_votes=8))
        self.visits.set_people(["anna", "tom", "postman"], 0.0, visitors=["postman"])
        self.now_s = 1000.0
        self.looks: list[VisitLooks] = []

    def show(self, *sightings: Sighting, shade: int = 128) -> "Door":
        """Frames with one face each; the picture is all of one shade."""
        for sighting in sightings:
            self.now_s += STEP_S
            image = np.full((360, 640, 3), shade, np.uint8)
            self.visits.observe(DOOR, self.now_s, [replace(sighting, captured_at_s=self.now_s)])
            self.collector.add(DOOR, self.visits.in_view(DOOR), image)
        return self

    def wait(self, seconds: float) -> "Door":
        self.now_s += seconds
        self.visits.observe(DOOR, self.now_s, [])
        return self.look()

    def look(self) -> "Door":
        self.visits.end_overdue(self.now_s)
        self.looks += self.collector.take_due(self.now_s, self.visits.followed(), self.visits.open_ids())
        return self

    @property
    def kinds(self) -> list[str]:
        return [looks.kind for looks in self.looks]

    @property
    def shades(self) -> list[int]:
        """Of the pictures of the newest looks, the best first."""
        return [int(shot.image[0, 0, 0]) for shot in self.looks[-1].shots]


def stranger(**of: float) -> list[Sighting]:
    return [face(**of)] * 12  # type: ignore[arg-type]


def test_a_visit_has_its_pictures_as_soon_as_it_is_decided_and_again_when_the_face_is_gone() -> None:
    watch = Door().show(*[face("anna", sharpness=30)] * 4, shade=10).look()
    [first] = watch.looks
    assert (first.kind, first.camera, first.person, first.ended) == ("family", DOOR, "anna", False)
    assert watch.shades == [10]
    watch.show(face("anna", sharpness=55), shade=200).look()
    assert len(watch.looks) == 1
    watch.wait(3.1)
    assert watch.shades == [200]
    assert (watch.looks[-1].visit_id, watch.looks[-1].ended) == (first.visit_id, False)
    watch.wait(QUIET_S)
    assert [looks.ended for looks in watch.looks] == [False, False, True]


def test_of_a_long_visit_a_few_pictures_are_kept_that_are_spread_over_it() -> None:
    watch = Door()
    for part in range(10):
        x = 300.0 + 5 * part
        poor, good = face("anna", sharpness=20, x=x), face("anna", sharpness=40 + part, x=x)
        watch.show(*[poor] * 50, shade=1).show(good, shade=100 + part)
    watch.wait(200)
    times = sorted(shot.at_s for shot in watch.looks[-1].shots)
    assert 2 <= len(times) <= MOST_PICTURES
    assert times[-1] - times[0] > 40
    assert watch.shades[0] == 109
    assert 1 not in watch.shades
    points = watch.looks[-1].scores
    assert MOST_SCORES / 2 <= len(points) <= MOST_SCORES
    assert points[-1].seconds > 90


def test_a_picture_of_a_visit_shows_whom_its_frame_names() -> None:
    watch = Door().show(*stranger(sharpness=20), shade=50).show(*[face("anna", sharpness=30)] * 9, shade=90)
    watch.show(face("tom", sharpness=60), shade=250).show(*[face("anna", sharpness=30)] * 9, shade=90)
    watch.wait(200)
    shades = {looks.kind: {int(shot.image[0, 0, 0]) for shot in looks.shots} for looks in watch.looks}
    assert shades == {"stranger": {50}, "family": {90}}


def test_a_known_visitor_has_pictures_too() -> None:
    assert set(Door().show(*[face("postman")] * 9).wait(200).kinds) == {"visitor"}


def test_of_whoever_the_model_in_use_does_not_know_any_more_nothing_is_kept() -> None:
    watch = Door().show(*[face("anna")] * 9)
    watch.collector.set_people(["tom"])
    assert watch.wait(200).looks == []


def test_without_pictures_there_are_scores() -> None:
    watch = Door()
    for _ in range(9):
        watch.now_s += STEP_S
        watch.visits.observe(DOOR, watch.now_s, [face(score=0.4, candidate="tom", at_s=watch.now_s)])
        watch.collector.add(DOOR, watch.visits.in_view(DOOR), None)
    [looks] = watch.wait(200).looks
    assert looks.shots == ()
    assert {(point.score, point.nearest) for point in looks.scores} == {(0.4, "tom")}


def test_a_face_that_was_not_announced_and_is_clearly_nobody_is_not_kept() -> None:
    assert Door().show(*[face()] * 4).wait(200).looks == []


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
        [face(score=0.0, refusal="no model")] * 4,
    ],
)
def test_a_face_that_was_hardly_seen_or_cannot_be_judged_is_not_doubtful(faces: list[Sighting]) -> None:
    assert Door().show(*faces).wait(200).looks == []


def test_a_doubtful_face_that_comes_back_within_the_quiet_time_is_one_visit() -> None:
    watch = Door()
    for shade, sharpness in ((50, 30.0), (150, 55.0), (90, 40.0)):
        watch.show(*[face(score=0.42, sharpness=sharpness)] * 4, shade=shade).wait(20)
    assert watch.looks == []
    watch.wait(QUIET_S)
    assert watch.kinds == ["doubtful"]
    assert watch.shades[0] == 150
    watch.show(*[face(score=0.42)] * 4).wait(100)
    assert watch.kinds == ["doubtful", "doubtful"]


def keep(folder: ReviewFolder, taken: datetime, kind: Kind = "stranger") -> str:
    return folder.add(kind, DOOR, taken, b"jpeg")


def test_a_picture_is_private_and_its_name_says_when_and_where(tmp_path: Path) -> None:
    folder = ReviewFolder(ReviewSettings(folder=tmp_path / "review"))
    names = [keep(folder, NOON, "doubtful") for _ in range(2)]
    assert names == [f"2026-11-23/120000-{which}_front_door_doubtful.jpg" for which in (345, 346)]
    path = tmp_path / "review" / names[0]
    assert path.read_bytes() == b"jpeg"
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    folder.remove([*names, "../outside.jpg"])
    assert list((tmp_path / "review").iterdir()) == []


@pytest.mark.parametrize(
    ("kind", "kept"), [("stranger", ["2026-11-14", "2026-11-23"]), ("family", ["2026-11-23"])]
)
def test_old_pictures_go_and_so_do_their_days(tmp_path: Path, kind: Kind, kept: list[str]) -> None:
    folder = ReviewFolder(ReviewSettings(folder=tmp_path, max_days=10), history_days=5)
    for day in (1, 13, 14, 23):
        keep(folder, NOON.replace(day=day), kind)
    folder.prune(date(2026, 11, 24))
    assert sorted(path.name for path in tmp_path.iterdir()) == kept


def test_of_too_many_pictures_the_oldest_go_and_the_familys_are_counted_by_themselves(tmp_path: Path) -> None:
    folder = ReviewFolder(ReviewSettings(folder=tmp_path, max_pictures=3, max_family_pictures=1))
    of_family = [keep(folder, NOON.replace(day=day), "family") for day in (21, 22)]
    of_strangers = [keep(folder, NOON.replace(day=day, hour=hour)) for day in (22, 23) for hour in (8, 9, 10)]
    folder.prune(date(2026, 11, 23))
    left = {str(path.relative_to(tmp_path)) for path in tmp_path.glob("*/*")}
    assert left == {*of_family[1:], *of_strangers[3:]}


def test_what_is_not_ours_is_never_deleted(tmp_path: Path) -> None:
    folder = ReviewFolder(ReviewSettings(folder=tmp_path, max_days=1, max_pictures=1))
    kept = [tmp_path / "2020-01-01" / "holiday.jpg", tmp_path / "holiday" / "120000-345_x_stranger.jpg"]
    for path in kept:
        path.parent.mkdir()
        path.write_bytes(b"mine")
    folder.prune(date(2026, 11, 23))
    assert all(path.exists() for path in kept)


class Service:
    """A review, with the visits at one door before which Anna stands."""

    def __init__(self, folder: Path, *, enabled: bool, days: int = 30) -> None:
        recognition = RecognitionSettings(departure_s=QUIET_S)
        settings = Settings(
            model_dir=folder,
            review=ReviewSettings(enabled=enabled, folder=folder / "review"),
            recognition=recognition,
            history=HistorySettings(days=days),
        )
        self.review = Review(settings, WallClock())
        self.visits = Visits(recognition)
        self.visits.set_people(["anna"], 0.0)

    def show(self, frames: int = 9) -> "Service":
        for _ in range(frames):
            at_s = time.monotonic()
            self.visits.observe(DOOR, at_s, [face("anna", at_s=at_s)])
            self.review.add(DOOR, self.visits.in_view(DOOR), np.zeros((360, 640, 3), np.uint8))
        return self

    def update(self) -> tuple[KeptLooks, ...]:
        return self.review.update(time.monotonic(), self.visits.followed(), self.visits.open_ids())


def test_what_is_chosen_on_the_page_switches_it_on(tmp_path: Path) -> None:
    write_choices(tmp_path, Choices(keeps_pictures=True))
    [kept] = Service(tmp_path, enabled=False).show().review.stop()
    assert [(tmp_path / "review" / name).is_file() for name in kept.pictures] == [True]


@pytest.mark.parametrize(("enabled", "days"), [(False, 30), (True, 0)])
def test_without_the_choice_or_a_history_no_picture_of_the_family_is_written(
    tmp_path: Path, enabled: bool, days: int
) -> None:
    [kept] = Service(tmp_path, enabled=enabled, days=days).show().review.stop()
    assert kept.looks.scores
    assert kept.pictures == ()
    assert not (tmp_path / "review").exists()


def test_a_picture_is_written_while_the_visit_goes_on_and_given_up_for_a_better_one(tmp_path: Path) -> None:
    service = Service(tmp_path, enabled=True).show()
    service.update()
    kept: list[KeptLooks] = []

    def is_written() -> bool:
        kept.extend(service.update())
        return bool(kept)

    wait_until(is_written)
    [name] = kept[0].pictures
    better = face("anna", at_s=time.monotonic())
    better = replace(better, detection=replace(better.detection, score=1.0))
    service.visits.observe(DOOR, better.captured_at_s, [better])
    service.review.add(DOOR, service.visits.in_view(DOOR), np.zeros((360, 640, 3), np.uint8))
    [last] = service.review.stop()
    assert last.removed == (name,)
    assert [str(path.relative_to(tmp_path / "review")) for path in (tmp_path / "review").glob("*/*")] == list(
        last.pictures
    )


def test_pictures_of_a_visit_that_the_history_does_not_have_are_deleted(tmp_path: Path) -> None:
    service = Service(tmp_path, enabled=True).show()
    [kept] = service.review.stop()
    service.review.discard(kept.pictures)
    assert service.review.stop() == ()
    assert list((tmp_path / "review").glob("*/*")) == []


def test_a_folder_that_cannot_be_written_is_reported_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "review").write_text("a file")
    service = Service(tmp_path, enabled=True)
    for _ in range(2):
        [kept] = service.show().review.stop()
        assert kept.pictures == ()
        service.visits.end_camera(DOOR, time.monotonic())
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
        wait_until(lambda: list((tmp_path / "review").glob("*/*_stranger.jpg")))
        found = next((tmp_path / "review").glob("*/*_stranger.jpg"))
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
