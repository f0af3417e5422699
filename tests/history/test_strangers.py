"""Groups of strangers in the database of visits."""

import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from facerec_mqtt.history import SCHEMA_VERSION, Embedding, History, VisitKind
from tests.support.visits import ANNA, NOON, STRANGER, filled

NETWORK = "a" * 64


def seen_as(number: int, network: str = NETWORK) -> Embedding:
    """What one of some faces looks like."""
    vector = np.random.default_rng(number).normal(size=256).astype(np.float32)
    return Embedding(vector / np.linalg.norm(vector), network)


@pytest.fixture
def history(tmp_path: Path) -> History:
    """Three visits in the groups s1, s1 and s2; and one of Anna."""
    opened = filled(tmp_path / "history.db", ANNA)
    opened.put(STRANGER, seen_as(1))
    opened.put(
        replace(STRANGER, visit_id="01C", began=NOON + 200, ended=NOON + 210, picture="q.jpg"), seen_as(1)
    )
    opened.put(replace(STRANGER, visit_id="01D", stranger_id="s2", camera="gate", picture=None), seen_as(2))
    return opened


def test_a_group_is_the_visits_of_its_id(history: History) -> None:
    first, second = history.strangers.groups()
    assert (first.stranger_id, first.visits, first.first_seen, first.last_seen) == (
        "s1",
        2,
        NOON + 60,
        NOON + 210,
    )
    assert (first.cameras, first.pictures) == (("garden",), ("q.jpg", "p.jpg"))
    assert (second.stranger_id, second.visits, second.cameras, second.pictures) == ("s2", 1, ("gate",), ())
    assert np.allclose(first.embeddings[NETWORK][0], seen_as(1).vector, atol=1e-3)
    assert history.strangers.group("s3") is None
    assert history.strangers.visits("s1") == ("01B", "01C")


def test_what_another_network_made_is_never_given_with_it(history: History) -> None:
    history.put(replace(STRANGER, visit_id="01E"), seen_as(1, "b" * 64))
    assert [kept.visit_id for kept in history.strangers.embeddings(NETWORK)] == ["01B", "01D", "01C"]
    assert [kept.visit_id for kept in history.strangers.embeddings("b" * 64)] == ["01E"]


def test_what_was_merged_stays_so_for_visits_that_come_later(history: History) -> None:
    assert history.strangers.merge("s2", "s1")
    assert not history.strangers.merge("s2", "s1")
    assert not history.strangers.merge("s1", "s1")
    assert not history.strangers.merge("s1", "s3")
    history.put(replace(STRANGER, visit_id="01E", stranger_id="s2"), seen_as(2))
    assert [(group.stranger_id, group.visits) for group in history.strangers.groups()] == [("s1", 4)]
    history.put(replace(STRANGER, visit_id="01F", stranger_id="s4"))
    assert history.strangers.merge("s1", "s4")
    assert history.strangers.merged() == {"s1": "s4", "s2": "s4"}


def test_visits_are_split_from_their_own_group_alone(history: History) -> None:
    assert history.strangers.split("s1", ["01C", "01D", "01A"], "s9") == 1
    assert {group.stranger_id: group.visits for group in history.strangers.groups()} == {
        "s1": 1,
        "s2": 1,
        "s9": 1,
    }


def test_a_visit_that_got_a_name_leaves_its_group_and_its_embedding(history: History) -> None:
    assert history.assign(history.strangers.visits("s1"), VisitKind.FAMILY, "tom", "Tom") == 2
    assert [group.stranger_id for group in history.strangers.groups()] == ["s2"]
    assert [kept.visit_id for kept in history.strangers.embeddings(NETWORK)] == ["01D"]
    history.strangers.improve("01B", seen_as(3))
    history.put(replace(ANNA, visit_id="01E"), seen_as(3))
    assert [kept.visit_id for kept in history.strangers.embeddings(NETWORK)] == ["01D"]


def test_what_a_visit_looked_like_goes_with_it(history: History) -> None:
    assert history.delete("01B", "01Z") == 1
    assert history.prune(NOON + 100) == 2
    assert [kept.visit_id for kept in history.strangers.embeddings(NETWORK)] == ["01C"]


def test_a_better_embedding_takes_the_place_of_the_first(history: History) -> None:
    history.strangers.improve("01D", seen_as(5))
    found = {kept.visit_id: kept.vector for kept in history.strangers.embeddings(NETWORK)}
    assert np.allclose(found["01D"], seen_as(5).vector, atol=1e-3)


def test_a_history_without_groups_is_brought_up_to_date(history: History, tmp_path: Path) -> None:
    history.close()
    path = tmp_path / "history.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(
            "DROP TABLE embeddings; DROP TABLE merged; DROP VIEW grouped; DROP TRIGGER visit_deleted;"
            " DROP TABLE scores; DROP TRIGGER visit_with_scores_deleted;"
            " ALTER TABLE visits DROP COLUMN more_pictures;"
            " PRAGMA user_version = 1;"
        )
    with closing(History.open(path)) as opened:
        assert opened.get("01A") == ANNA
        assert opened.strangers.group("s1") is not None
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (SCHEMA_VERSION,)
