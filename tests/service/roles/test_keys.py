"""The rotation changes no mean and no cosine, and what is derived from a key gives nothing of it away."""

import secrets

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facerec_mqtt.core.records import PooledEmbedding
from facerec_mqtt.presence.tracks.pooling import differing
from facerec_mqtt.recognition import unit
from facerec_mqtt.service.roles.keys import (
    Rotation,
    SealError,
    camera_key,
    new_private_key,
    private_key,
    public_half,
    seal,
    shared_key,
    unseal,
)
from tests.support.role_boxes import KEY, family_of_patterns, vectors_of

HOUSE_KEY = bytes.fromhex(KEY)


@settings(max_examples=25, deadline=None)
@given(
    people=st.lists(st.integers(0, 30), min_size=1, max_size=8),
    weights=st.lists(st.floats(0.1, 1), min_size=8, max_size=8),
)
def test_frames_put_together_after_the_rotation_are_judged_as_before(
    people: list[int], weights: list[float]
) -> None:
    recognizer = family_of_patterns()
    rotation = Rotation.of(HOUSE_KEY, 64)
    vectors, weighing = vectors_of(people), np.array(weights[: len(people)], np.float32)
    turned = rotation.turn(vectors)
    assert np.abs(turned @ turned.T - vectors @ vectors.T).max() < 1e-5
    plain = PooledEmbedding(unit(weighing @ vectors), len(people), differing(vectors, weighing))
    back = rotation.turn_back(unit(weighing @ turned)[None])[0]
    pooled = PooledEmbedding(back, len(people), differing(turned, weighing))
    before, after = (recognizer.identify_visit(each, min_margin=0.1) for each in (plain, pooled))
    assert after.score == pytest.approx(before.score, abs=1e-5)
    assert after.margin == pytest.approx(before.margin, abs=1e-5)
    assert (after.person, after.candidate) == (before.person, before.candidate)


def test_the_rotation_is_the_same_everywhere_and_another_with_another_key() -> None:
    one = Rotation.of(HOUSE_KEY, 256).matrix
    assert np.array_equal(one, Rotation.of(HOUSE_KEY, 256).matrix)
    assert np.abs(one @ one.T - np.eye(256)).max() < 1e-12
    assert np.abs(one - Rotation.of(secrets.token_bytes(32), 256).matrix).max() > 0.1
    # Every version of the program must come to this, or recognisers of two would not understand each other.
    assert one[0, :3] == pytest.approx([-0.00368535, 0.1048766, -0.07562755], abs=1e-7)


def test_the_camera_key_is_derived_and_opens_nothing() -> None:
    public = camera_key(HOUSE_KEY)
    assert public == camera_key(HOUSE_KEY) != HOUSE_KEY
    porch, garage = new_private_key(), new_private_key()
    derived = shared_key(porch, public)
    assert shared_key(private_key(HOUSE_KEY), public_half(porch)) == derived
    # Another box, which has the same camera key, reads nothing of it.
    assert shared_key(garage, public) != derived
    assert shared_key(garage, public_half(porch)) != derived
    for none in (b"", bytes(32), public + b"x"):
        with pytest.raises(SealError):
            shared_key(porch, none)
    sealed = seal(derived, b"faces", b"for this")
    assert b"faces" not in sealed
    assert unseal(derived, sealed, b"for this") == b"faces"
    for key, body, bound in (
        (HOUSE_KEY, sealed, b"for this"),
        (derived, sealed, b"for that"),
        (derived, sealed[:-1], b"for this"),
        (derived, b"", b"for this"),
    ):
        with pytest.raises(SealError):
            unseal(key, body, bound)
