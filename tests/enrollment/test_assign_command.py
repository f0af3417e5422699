"""Saying by MQTT who a visit or a stranger was."""

import queue
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from facerec_mqtt.enrollment.changes import AssignmentController
from facerec_mqtt.history import FILE, Embedding, History, HistoryWriter, VisitKind
from facerec_mqtt.mqtt import Assign
from tests.support.visits import STRANGER, filled, read

PICTURE = "2026-11-29/180211-412_garden_stranger.jpg"


class House:
    """A household with Anna, two visits of one stranger and one of another."""

    def __init__(self, root: Path, days: int = 30) -> None:
        self.enrollment, self.review, self.models = root / "enrollment", root / "review", root / "models"
        self.answers: queue.Queue[tuple[str, bool, str]] = queue.Queue()
        (self.enrollment / "Anna").mkdir(parents=True)
        (self.review / PICTURE).parent.mkdir(parents=True)
        (self.review / PICTURE).write_bytes(b"a picture")
        self.models.mkdir()
        filled(self.models / FILE).close()
        with closing(History.open(self.models / FILE)) as history:
            for visit_id, group, picture in (
                ("01B", "01S", PICTURE),
                ("01C", "01S", None),
                ("01D", "01T", None),
            ):
                visit = replace(STRANGER, visit_id=visit_id, stranger_id=group, picture=picture)
                history.put(visit, Embedding(np.full(4, 0.5, np.float32), "a" * 64))
        self.writer = HistoryWriter(self.models / FILE, days)
        self.controller = AssignmentController(self.enrollment, self.review, self.models, self.writer, self)

    def publish_result(self, command: str, ok: bool, message: str) -> None:
        self.answers.put((command, ok, message))

    def assign(self, command: Assign) -> bool:
        self.controller.start(command)
        name, ok, message = self.answers.get(timeout=60)
        assert name == "assign"
        assert message.endswith(".")
        return ok


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


def test_all_visits_of_a_stranger_become_those_of_a_known_visitor(house: House) -> None:
    assert house.assign(Assign(None, "01S", visitor="Postman"))
    [picture] = (house.enrollment / "_known" / "Postman").iterdir()
    assert picture.read_bytes() == b"a picture"
    assert not (house.review / PICTURE).exists()
    found = {visit.visit_id: visit for visit in read(house.models / FILE)}
    assert [found[each].kind for each in ("01B", "01C")] == [VisitKind.VISITOR] * 2
    assert [found[each].name for each in ("01B", "01C")] == ["Postman"] * 2
    assert found["01D"] == replace(STRANGER, visit_id="01D", stranger_id="01T", picture=None)
    with closing(History.open(house.models / FILE)) as history:
        assert [group.stranger_id for group in history.strangers.groups()] == ["01T"]


def test_a_merged_stranger_is_found_by_the_id_of_an_earlier_event(house: House) -> None:
    with closing(History.open(house.models / FILE)) as history:
        history.strangers.merge("01T", "01S")
    assert house.assign(Assign(None, "01T", name="Uncle Jo"))
    assert {visit.person for visit in read(house.models / FILE)} == {"uncle_jo"}


@pytest.mark.parametrize(
    "command",
    [
        Assign("01Z", None, person="anna"),
        Assign(None, "01Z"),
        Assign("01B", None, person="tom"),
        Assign("01B", None, visitor="anna"),
    ],
)
def test_what_is_unknown_or_taken_changes_nothing(house: House, command: Assign) -> None:
    before = read(house.models / FILE)
    assert not house.assign(command)
    assert read(house.models / FILE) == before
    assert (house.review / PICTURE).exists()
    assert [path.name for path in house.enrollment.iterdir()] == ["Anna"]


def test_where_no_visits_are_kept_there_is_nothing_to_assign(tmp_path: Path) -> None:
    assert not House(tmp_path, days=0).assign(Assign("01B", None, person="anna"))
