"""The embeddings of one face's frames, put together."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from facerec_mqtt.core.records import Identification, PooledEmbedding, PresenceChange, Sighting
from facerec_mqtt.presence.tracks.pooling import MOST_FRAMES, Pool
from facerec_mqtt.presence.visits import Visits
from facerec_mqtt.settings.schema import RecognitionSettings
from tests.support.sightings import face

ANNA, TOM = np.eye(256, dtype=np.float32)[:2]
"""What is theirs in every frame."""


def frame(person: NDArray[np.float32], seed: int, noise: float = 1.0, sharpness: float = 60.0) -> Sighting:
    """A frame of somebody, with chance as long as what is theirs by default: 0.5 alike."""
    chance = np.random.default_rng(seed).normal(size=256).astype(np.float32)
    vector = person + noise * chance / np.linalg.norm(chance)
    return replace(face(at_s=float(seed), sharpness=sharpness), embedding=vector / np.linalg.norm(vector))


def pool_of(*frames: Sighting) -> Pool:
    pool = Pool()
    for each in frames:
        pool.add(each)
    return pool


def test_what_frames_have_in_common_stays_and_chance_goes() -> None:
    frames = [frame(ANNA, seed) for seed in range(12)]
    pooled = pool_of(*frames).pooled()
    assert pooled is not None
    singles = [float(each.embedding @ ANNA) for each in frames if each.embedding is not None]
    assert max(singles) < 0.8 < 0.93 < float(pooled.vector @ ANNA)
    assert float(np.linalg.norm(pooled.vector)) == pytest.approx(1, abs=1e-5)
    assert pooled.frames == 12
    assert pooled.differing > 10


def test_frames_that_are_alike_count_as_few() -> None:
    pooled = pool_of(*[frame(ANNA, seed, noise=0.3) for seed in range(12)]).pooled()
    assert pooled is not None
    assert pooled.frames == 12
    assert 1 <= pooled.differing < 1.5


def test_a_frame_of_somebody_else_is_left_out_and_a_poor_one_counts_less() -> None:
    good = [frame(ANNA, seed) for seed in range(5)]
    with_tom = pool_of(*good, frame(TOM, 99)).pooled()
    assert with_tom is not None
    assert with_tom.frames == 5
    poor = pool_of(frame(ANNA, 1), frame(ANNA, 2, sharpness=6.0)).pooled()
    assert poor is not None
    first, second = (each.embedding for each in (frame(ANNA, 1), frame(ANNA, 2)))
    assert first is not None
    assert second is not None
    assert float(poor.vector @ first) > float(poor.vector @ second)


def test_somebody_else_in_the_same_place_is_noticed_and_one_bad_frame_is_not_somebody_else() -> None:
    pool = pool_of(*[frame(ANNA, seed) for seed in range(20)])
    for seed in (50, 51):
        pool.add(frame(TOM, seed))
        assert not pool.has_changed()
    pool.add(frame(TOM, 52))
    assert pool.has_changed()
    pool.keep_newest()
    pooled = pool.pooled()
    assert pooled is not None
    assert float(pooled.vector @ TOM) > 0.8


def test_of_many_frames_those_that_differ_are_kept() -> None:
    different = [frame(ANNA, seed) for seed in range(MOST_FRAMES - 2)]
    same = [replace(frame(ANNA, 500), captured_at_s=100.0 + at) for at in range(200)]
    pooled = pool_of(*different, *same).pooled()
    assert pooled is not None
    assert pooled.frames == MOST_FRAMES
    assert pooled.differing > MOST_FRAMES - 6


def test_a_visit_has_what_its_frames_say_when_it_is_decided_and_until_it_ends() -> None:
    visits = Visits(RecognitionSettings())
    changes: list[PresenceChange] = []
    for number in range(30):
        seen = replace(frame(TOM, number), captured_at_s=0.2 * number)
        changes += visits.observe("front_door", 0.2 * number, [seen])
    (stranger,) = changes
    assert stranger.pooled is not None
    assert float(stranger.pooled.vector @ TOM) > 0.9
    (visit,) = visits.open_visits()
    assert visit.pooled is not None
    assert visit.pooled.frames == 30
    without = Visits(RecognitionSettings())
    without.observe("front_door", 0.0, [face("anna")])
    assert all(each.pooled is None for each in without.open_visits())


def judge(pooled: PooledEmbedding) -> Identification:
    """Names who is clearly in it; in no single frame is anybody."""
    score = float(max(pooled.vector @ ANNA, pooled.vector @ TOM)) - 0.36
    slug = "anna" if pooled.vector[0] > pooled.vector[1] else "tom"
    if score < 0.5:
        return Identification(None, score, 0.3, "below threshold", slug)
    return Identification(slug, score, 0.3, None, slug)


def show(*seen: NDArray[np.float32], noise: float = 1.0) -> list[tuple[int, str, str | None, int]]:
    """Five frames a second of these people: after which frame what happened, to whom, with how many votes."""
    visits = Visits(RecognitionSettings())
    happened: list[tuple[int, str, str | None, int]] = []
    for number, person in enumerate(seen):
        sighting = replace(frame(person, number, noise), captured_at_s=0.2 * number)
        for change in visits.observe("front_door", 0.2 * number, [sighting], judge):
            happened.append((number + 1, change.kind, change.person, change.votes))
            assert change.sighting is not None
            assert change.sighting.identification.person == change.person
    return happened


def test_a_clear_face_arrives_with_its_first_good_frames() -> None:
    assert show(*[ANNA] * 10, noise=0.3) == [(3, "arrived", "anna", 3)]


def test_a_doubtful_face_arrives_once_enough_frames_say_who_it_is_and_no_single_one_does() -> None:
    ((when, kind, person, votes),) = show(*[ANNA] * 20)
    assert (kind, person, votes) == ("arrived", "anna", when)
    assert 3 <= when <= 6


def test_somebody_else_stays_a_stranger_however_many_frames_there_are() -> None:
    somebody = np.eye(256, dtype=np.float32)[2]
    assert [each[1:3] for each in show(*[somebody] * 60)] == [("stranger", None)]


def test_whoever_takes_the_place_arrives_as_soon_as_anybody() -> None:
    assert show(*[ANNA] * 20, *[TOM] * 10, noise=0.3) == [
        (3, "arrived", "anna", 3),
        (23, "arrived", "tom", 3),
    ]


def test_a_sister_who_takes_the_place_arrives_as_soon_although_they_are_alike() -> None:
    sister = (0.5 * ANNA + 0.866 * TOM).astype(np.float32)
    visits, arrived = Visits(RecognitionSettings()), []
    for number in range(30):
        person, name = (ANNA, "anna") if number < 20 else (sister, "tom")
        alone = Identification(name, 0.9, 0.5, None, name)
        seen = replace(frame(person, number, 0.3), captured_at_s=0.2 * number, identification=alone)
        changes = visits.observe("front_door", 0.2 * number, [seen], judge)
        arrived += [(number + 1, change.person) for change in changes]
    assert arrived == [(3, "anna"), (23, "tom")]
