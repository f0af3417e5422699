"""Which visits without a name are one person."""

from itertools import count

import numpy as np
import pytest
from numpy.typing import NDArray

from facerec_mqtt.history import GroupedEmbedding, StrangerGroups
from facerec_mqtt.recognition import Normaliser


def unit(vector: NDArray[np.float64]) -> NDArray[np.float32]:
    return np.asarray(vector / np.linalg.norm(vector), np.float32)


def seen(person: int, visit: int = 0) -> NDArray[np.float32]:
    """What a person looks like at one of their visits."""
    of_person = np.random.default_rng(person).normal(size=128)
    return unit(of_person + 0.5 * np.random.default_rng([person, visit]).normal(size=128))


@pytest.fixture
def groups() -> StrangerGroups:
    cohort = np.random.default_rng(99).normal(size=(300, 128))
    numbers = count(1)
    centres = np.stack([unit(row) for row in cohort])
    return StrangerGroups(Normaliser(centres, 50), "a" * 64, lambda: f"s{next(numbers)}")


def test_a_person_who_comes_again_is_counted_and_another_one_is_not_that_person(
    groups: StrangerGroups,
) -> None:
    visits = [(person, visit) for visit in range(4) for person in range(5)]
    found = [groups.join(f"v{person}{visit}", seen(person, visit)) for person, visit in visits]
    assert [(each.stranger_id, each.times_seen) for each in found] == [
        (f"s{person + 1}", visit + 1) for person, visit in visits
    ]


def test_what_the_history_has_counts_and_what_is_not_written_yet_is_not_lost(groups: StrangerGroups) -> None:
    groups.join("v1", seen(1))
    groups.join("v2", seen(2))
    groups.written("v2")
    kept = [GroupedEmbedding(f"k{number}", "s9", seen(3, number)) for number in range(2)]
    # Three visits of s9, one of them by another network; v2 was deleted, and s1 merged into s7.
    groups.load(kept, {"s9": 3, "s7": 4}, {"s1": "s7"})
    again = groups.join("v3", seen(3, 5)), groups.join("v4", seen(1, 5)), groups.join("v5", seen(2, 5))
    assert [(each.stranger_id, each.times_seen) for each in again] == [("s9", 4), ("s7", 6), ("s3", 1)]
