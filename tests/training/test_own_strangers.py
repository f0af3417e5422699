"""Strangers whom the house's own cameras have seen, in the cohort."""

from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from facerec_mqtt.core.records import Vectors
from facerec_mqtt.history import FILE, Embedding, History, HistoryError, VisitKind, VisitRecord
from facerec_mqtt.training.fit import fit
from facerec_mqtt.training.own_strangers import MOST_SEEN, seen_by_cameras
from tests.support.pattern_world import DIMENSIONS, closest_classifier, pattern, pattern_cohort
from tests.support.patterns_training import a_training_set, fit_patterns, unit


def looks_of(person: int, seed: int, noise: float = 0.5) -> Vectors:
    """(1, D) an embedding of somebody."""
    rng = np.random.default_rng([person, seed])
    return unit(pattern(person).ravel() + rng.normal(0, noise, DIMENSIONS))[None]


def test_strangers_join_the_cohort_and_members_never_do_whether_seen_well_or_badly() -> None:
    training_set, cohort = a_training_set((6, 6)), pattern_cohort()
    strangers = np.concatenate([looks_of(700 + number, 0) for number in range(5)])
    members = np.concatenate(
        [looks_of(0, 1), looks_of(1, 2), looks_of(1, 3, noise=1.2), looks_of(0, 4, noise=1.2)]
    )
    seen = np.concatenate([strangers[:3], members, strangers[3:]])
    (family,) = fit(training_set, cohort, 0.01, closest_classifier, seen)
    assert np.array_equal(family.normaliser.centres[len(cohort.centres) :], strangers)
    assert len(fit_patterns(training_set).normaliser.centres) == len(cohort.centres)
    probes = np.concatenate([looks_of(row, 50 + number) for row in range(2) for number in range(10)])
    named = [answer.person for answer in family.identify(probes, min_margin=0.1)]
    assert named == ["anna"] * 10 + ["mia"] * 10


def test_of_many_strangers_those_seen_last_join() -> None:
    seen = np.concatenate([looks_of(1000 + number, 0) for number in range(MOST_SEEN + 200)])
    cohort = pattern_cohort()
    (family,) = fit(a_training_set((6, 6)), cohort, 0.01, closest_classifier, seen)
    added = family.normaliser.centres[len(cohort.centres) :]
    assert len(added) == MOST_SEEN
    assert any(np.array_equal(added[0], each) for each in seen[:10])
    assert not any(np.array_equal(added[-1], each) for each in seen[-10:])


def test_each_group_counts_once_the_one_seen_last_first_and_assigned_visits_do_not(tmp_path: Path) -> None:
    def put(number: int, group: str, vector: Vectors, network: str = "ours") -> None:
        visit = VisitRecord(
            f"V{number}",
            VisitKind.STRANGER,
            None,
            None,
            "door",
            1000.0 + number,
            None,
            0.1,
            stranger_id=group,
        )
        history.put(visit, Embedding(vector[0], network))

    assert seen_by_cameras(tmp_path, "ours", DIMENSIONS).shape == (0, DIMENSIONS)
    with closing(History.open(tmp_path / FILE)) as history:
        put(1, "postman", looks_of(1, 1))
        put(2, "neighbour", looks_of(2, 1))
        put(3, "postman", looks_of(1, 2))
        put(4, "aunt", looks_of(3, 1))
        put(5, "foreign", looks_of(4, 1), network="another")
        history.assign(["V4"], VisitKind.FAMILY, "aunt", "Aunt")
    seen = seen_by_cameras(tmp_path, "ours", DIMENSIONS)
    wanted = np.concatenate([unit(looks_of(1, 1) + looks_of(1, 2)), looks_of(2, 1)])
    assert seen == pytest.approx(wanted, abs=2e-3)


def test_a_damaged_history_is_an_error(tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(b"no database at all, and long enough to be looked at" * 40)
    with pytest.raises(HistoryError):
        seen_by_cameras(tmp_path, "ours", DIMENSIONS)
