"""What the service decides, as the history has it."""

from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from facerec_mqtt.core.clock import Reading, WallClock
from facerec_mqtt.core.records import StrangerSeen
from facerec_mqtt.history import (
    FILE,
    History,
    HistoryWriter,
    StrangerGroups,
    VisitFacts,
    VisitFilter,
    VisitKind,
    VisitRecorder,
)
from facerec_mqtt.presence import Visits
from facerec_mqtt.presence.review import KeptLooks, VisitCollector
from facerec_mqtt.recognition import Normaliser
from facerec_mqtt.settings.schema import RecognitionSettings
from tests.support.broker import PATIENCE_S
from tests.support.sightings import face
from tests.support.visits import NOON, read

DOOR = "front_door"
STEP_S = 0.2
SETTINGS = RecognitionSettings(departure_s=10.0)
NAMES = {"anna": "Anna", "tom": "Tom", "postman": "Postman"}
NETWORK = "a" * 64


def embedding_of(person: int) -> NDArray[np.float32]:
    vector = np.random.default_rng(person).normal(size=64)
    return np.asarray(vector / np.linalg.norm(vector), np.float32)


def groups() -> StrangerGroups:
    """Of strangers, compared with a cohort of 100."""
    return StrangerGroups(Normaliser(np.stack([embedding_of(1000 + n) for n in range(100)]), 30), NETWORK)


class Home:
    """Shows faces before one camera, and records the visits as the service does.

    Args:
        folder: of the history.
        wall_s: what the wall clock shows at the beginning, seconds since 1970.
        days: for how long visits are kept.
    """

    def __init__(self, folder: Path, wall_s: float = NOON, days: int = 30) -> None:
        self.now_s = 1000.0
        self._wall_at_zero_s = wall_s - self.now_s
        self.clock = WallClock(read=self._reading)
        self.writer = HistoryWriter(folder / FILE, days)
        self.recorder = VisitRecorder(self.writer, "home", groups())
        self.visits = Visits(SETTINGS, explain=self.recorder.explained)
        self.visits.set_people([*NAMES, "postman"], 0.0, visitors=["postman"])
        self.strangers: list[StrangerSeen] = []
        self.review = VisitCollector(10.0)
        self.discarded: list[str] = []
        self.recorder.start((), NAMES, self.clock.now())

    def _reading(self) -> Reading:
        return Reading(self._wall_at_zero_s + self.now_s, self.now_s, self.now_s)

    def show(
        self, person: str | None, frames: int, score: float | None = None, looks: int | None = None
    ) -> "Home":
        """Frames with one face each, that has an embedding where it `looks` like one of some people."""
        for _ in range(frames):
            self.now_s += STEP_S
            embedding = None if looks is None else embedding_of(looks)
            seen = [face(person, score=score, at_s=self.now_s, embedding=embedding)]
            for change in self.visits.observe(DOOR, self.now_s, seen):
                name = None if change.person is None else NAMES[change.person]
                if (stranger := self.recorder.stranger(change)) is not None:
                    self.strangers.append(stranger)
                self.recorder.began(change, name, self.clock.now(), stranger)
            self.review.add(DOOR, self.visits.in_view(DOOR), np.zeros((360, 640, 3), np.uint8))
            self.recorder.update(self.visits.open_visits(), self.clock.now(), self.now_s)
        return self

    def wait(self, seconds: float) -> "Home":
        self.now_s += seconds
        self.visits.observe(DOOR, self.now_s, [])
        self.visits.end_overdue(self.now_s)
        self.recorder.update(self.visits.open_visits(), self.clock.now(), self.now_s)
        return self.look()

    def look(self, *, written: bool = True) -> "Home":
        """The pictures of visits are written, or cannot be."""
        due = self.review.take_due(self.now_s, self.visits.followed(), self.visits.open_ids())
        kept = [KeptLooks(looks, (f"day/{looks.kind}.jpg",) if written else ()) for looks in due]
        self.recorder.looked(kept, self.clock.now(), self.discarded.extend)
        return self

    def set_clock(self, step_s: float) -> "Home":
        before_s = self.clock.set_by_s
        self._wall_at_zero_s += step_s
        self.clock.now()
        self.recorder.clock_was_set(self.clock.set_by_s - before_s)
        return self

    def stop(self) -> "Home":
        self.recorder.stop(self.clock.now())
        return self


def test_a_visit_has_a_beginning_an_end_and_its_facts(tmp_path: Path) -> None:
    Home(tmp_path).show(None, 1, 0.4).show("anna", 20).wait(30).stop()
    [visit] = read(tmp_path / FILE)
    assert (visit.kind, visit.person, visit.name, visit.camera) == (VisitKind.FAMILY, "anna", "Anna", DOOR)
    assert visit.began == pytest.approx(NOON + 4 * STEP_S)
    assert visit.ended == pytest.approx(NOON + 21 * STEP_S)
    assert (visit.score, visit.service, visit.picture) == (0.9, "home", "day/family.jpg")
    assert visit.why == VisitFacts(votes=3, frames=4, named=3, refused={"below threshold": 1}, best_score=0.9)


def test_a_stranger_has_a_visit_with_its_picture(tmp_path: Path) -> None:
    Home(tmp_path).show(None, 20).wait(30).stop()
    [visit] = read(tmp_path / FILE)
    assert (visit.kind, visit.person, visit.name) == (VisitKind.STRANGER, None, None)
    assert visit.ended == pytest.approx(NOON + 20 * STEP_S)
    assert visit.picture == "day/stranger.jpg"
    assert visit.why.refused == {"below threshold": visit.why.votes}


def test_whoever_was_nearly_named_is_a_doubtful_visit_without_a_name(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.visits = Visits(SETTINGS.model_copy(update={"stranger_votes": 100}))
    home.show("anna", 2).show(None, 10, 0.42).wait(5).wait(30).stop()
    [visit] = read(tmp_path / FILE)
    assert (visit.kind, visit.person, visit.name) == (VisitKind.DOUBTFUL, None, None)
    assert (visit.began, visit.ended) == (NOON + STEP_S, NOON + 12 * STEP_S)
    assert (visit.score, visit.picture) == (0.9, "day/doubtful.jpg")
    assert visit.why == VisitFacts(
        frames=12, named_otherwise=2, refused={"below threshold": 10}, best_score=0.9
    )
    assert "anna" not in visit.why.model_dump_json()


def test_whoever_was_named_in_the_end_has_one_visit_and_no_doubtful_one(tmp_path: Path) -> None:
    Home(tmp_path).show(None, 5, 0.42).show("anna", 4).wait(5).wait(30).stop()
    assert [visit.kind for visit in read(tmp_path / FILE)] == [VisitKind.FAMILY]


def test_a_doubtful_visit_whose_picture_cannot_be_written_is_recorded(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.visits = Visits(SETTINGS.model_copy(update={"stranger_votes": 100}))
    home.show(None, 10, 0.42)
    home.now_s += 60
    home.visits.observe(DOOR, home.now_s, [])
    home.look(written=False).stop()
    [visit] = read(tmp_path / FILE)
    assert (visit.kind, visit.picture) == (VisitKind.DOUBTFUL, None)


def test_the_scores_of_a_visit_are_kept_over_time_with_who_came_nearest(tmp_path: Path) -> None:
    Home(tmp_path).show(None, 3, 0.4).show("anna", 20).wait(30).stop()
    with closing(History.open(tmp_path / FILE)) as history:
        [visit] = history.find(VisitFilter())[0]
        points = history.scores.of(visit.visit_id)
    assert points[0].seconds < 0.0 < points[-1].seconds
    assert (points[0].score, points[-1].score) == (0.4, 0.9)
    assert points[-1].nearest == "anna"


def test_whoever_is_not_known_any_more_came_nearest_nowhere_and_has_no_picture(tmp_path: Path) -> None:
    home = Home(tmp_path).show("anna", 5).wait(5)
    assert home.writer.is_up_to_date(PATIENCE_S)
    home.writer.keep_only(["tom"])
    with closing(History.open(tmp_path / FILE)) as history:
        assert history.forget("anna") == 1
    home.show("anna", 5).wait(30).stop()
    assert home.discarded == ["day/family.jpg"]
    assert read(tmp_path / FILE) == []
    assert b"anna" not in (tmp_path / FILE).read_bytes()


def test_once_the_clock_is_right_so_are_the_times_of_visits_before(tmp_path: Path) -> None:
    home = Home(tmp_path, wall_s=0.0).show("anna", 5).wait(30).show("tom", 5)
    home.set_clock(NOON).show("tom", 5).wait(30).stop()
    anna, tom = read(tmp_path / FILE)
    assert anna.began == pytest.approx(NOON + 3 * STEP_S)
    assert anna.ended == pytest.approx(NOON + 5 * STEP_S)
    assert tom.began == pytest.approx(NOON + 30 + 8 * STEP_S)
    assert tom.ended == pytest.approx(NOON + 30 + 15 * STEP_S)


def test_a_visit_that_goes_on_after_a_restart_is_one_visit(tmp_path: Path) -> None:
    first = Home(tmp_path).show("anna", 5).show("tom", 15).stop()
    [anna, _tom] = first.visits.open_visits()
    second = VisitRecorder(HistoryWriter(tmp_path / FILE, 30), "home", groups())
    second.start([anna], NAMES, first.clock.now())
    second.update([replace(anna, last_seen_s=anna.last_seen_s + 50)], first.clock.now(), first.now_s + 50)
    second.update([], first.clock.now(), first.now_s + 60)
    second.stop(first.clock.now())
    visits = read(tmp_path / FILE)
    assert [visit.name for visit in visits] == ["Anna", "Tom"]
    assert visits[0].ended == pytest.approx(NOON + anna.last_seen_s + 50 - 1000)
    assert visits[0].why.votes == 3
    # The other one has ended when it was last seen.
    assert visits[1].ended == pytest.approx(NOON + 20 * STEP_S)


def test_visits_are_pruned_at_the_start_and_each_day(tmp_path: Path) -> None:
    Home(tmp_path).show("anna", 5).wait(30).stop()
    later = Home(tmp_path, wall_s=NOON + 29 * 86_400).show("tom", 5).wait(30)
    later.wait(2 * 86_400).stop()
    assert [visit.name for visit in read(tmp_path / FILE)] == ["Tom"]


def test_at_the_start_what_is_too_old_is_deleted(tmp_path: Path) -> None:
    Home(tmp_path).show("anna", 5).wait(30).stop()
    Home(tmp_path, wall_s=NOON + 31 * 86_400).wait(1).stop()
    assert read(tmp_path / FILE) == []


def test_a_known_visitor_is_recorded_as_one(tmp_path: Path) -> None:
    Home(tmp_path).show("postman", 5).wait(20).stop()
    [visit] = read(tmp_path / FILE)
    assert (visit.kind, visit.person, visit.name) == (VisitKind.VISITOR, "postman", "Postman")


def test_a_stranger_who_comes_again_is_the_same_one_also_after_a_restart(tmp_path: Path) -> None:
    first = Home(tmp_path).show(None, 20, looks=1).wait(20).show(None, 20, looks=2).wait(20)
    first.show(None, 20, looks=1).wait(20).stop()
    second = Home(tmp_path, NOON + 3600)
    assert second.writer.is_up_to_date(30)
    second.show(None, 20, looks=1).wait(20).stop()
    one, other = first.strangers[0].stranger_id, first.strangers[1].stranger_id
    assert first.strangers == [StrangerSeen(one, 1), StrangerSeen(other, 1), StrangerSeen(one, 2)]
    assert second.strangers == [StrangerSeen(one, 3)]
    assert [visit.stranger_id for visit in read(tmp_path / FILE)] == [one, other, one, one]
    with closing(History.open(tmp_path / FILE)) as history:
        assert len(history.strangers.embeddings(NETWORK)) == 4


def test_where_no_visits_are_kept_nothing_is_kept_of_strangers(tmp_path: Path) -> None:
    home = Home(tmp_path, days=0).show(None, 20, looks=1).wait(20).show(None, 20, looks=1).stop()
    assert home.strangers == []
    assert list(tmp_path.iterdir()) == []
