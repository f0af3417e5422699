"""Whom groups of strangers resemble."""

import numpy as np

from facerec_mqtt.history import StrangerGroup, suggest
from facerec_mqtt.recognition import FamilyModel, cohort_digest, family_arrays
from tests.support.pattern_world import DIMENSIONS, pattern, pattern_cohort
from tests.support.patterns_training import a_training_set, fit_patterns, unit

NETWORK = "ab" * 32


def a_group(person: int, network: str = NETWORK, noise: float = 0.9) -> StrangerGroup:
    """Four visits of one of the patterns, seen badly."""
    rng = np.random.default_rng([7, person])
    vectors = unit(pattern(person).ravel() + rng.normal(0, noise, (4, DIMENSIONS)))
    return StrangerGroup(f"s{person}", 4, 0.0, 1.0, ("gate",), (), {network: vectors})


def test_a_group_that_resembles_somebody_has_a_suggestion() -> None:
    family = fit_patterns(a_training_set((12, 12, 12)))
    cohort = pattern_cohort()
    model = FamilyModel(
        "v", "", NETWORK, cohort_digest(cohort), family.people, family_arrays(family, cohort), {}
    )
    found = suggest([a_group(2), a_group(700), a_group(1, "cd" * 32)], model, cohort)
    assert {group: each.person.name for group, each in found.items()} == {"s2": "Tom"}
    assert 0.2 <= found["s2"].score <= 1
    assert suggest([a_group(1, "cd" * 32)], model, cohort) == {}
