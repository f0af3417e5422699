"""The arithmetic of cameras: pace, rate, waiting, backlog."""

import random

import pytest

from facerec_mqtt.cameras.pacing import Backlog, Pacer, RateMeter, backoff_s


def taken(pacer: Pacer, times_s: list[float]) -> list[float]:
    return [at_s for at_s in times_s if pacer.takes(at_s)]


@pytest.mark.parametrize("camera_fps", [5.0, 7.0, 12.5, 15.0, 30.0])
def test_a_faster_camera_is_held_to_the_wanted_rate(camera_fps: float) -> None:
    times_s = [i / camera_fps for i in range(int(60 * camera_fps))]
    assert len(taken(Pacer(5.0), times_s)) == pytest.approx(300, rel=0.02)


def test_a_slower_camera_loses_nothing() -> None:
    times_s = [i / 3.0 for i in range(100)]
    assert taken(Pacer(5.0), times_s) == times_s


def test_a_camera_of_just_the_wanted_rate_loses_nothing_by_its_jitter() -> None:
    chance = random.Random(3)
    times_s = [i / 5.0 + chance.uniform(-0.04, 0.04) for i in range(300)]
    assert len(taken(Pacer(5.0), times_s)) >= 297


def test_after_a_pause_frames_are_not_made_up_for() -> None:
    pacer = Pacer(5.0)
    taken(pacer, [i / 30 for i in range(30)])
    assert len(taken(pacer, [100 + i / 30 for i in range(30)])) <= 6


def test_the_rate_is_that_of_the_last_seconds_and_falls_when_frames_cease() -> None:
    meter = RateMeter()
    assert meter.fps(0.0) == 0
    for i in range(200):
        meter.add(i / 4)
    assert meter.fps(50.0) == pytest.approx(4.0, rel=0.05)
    assert meter.fps(55.0) == pytest.approx(2.0, rel=0.1)
    assert meter.fps(70.0) == 0


def test_waiting_doubles_from_one_second_to_a_minute() -> None:
    assert [backoff_s(failures, 0.5) for failures in range(1, 7)] == [1, 2, 4, 8, 16, 32]
    assert backoff_s(1, 0.0) == 1
    assert 45 <= backoff_s(10**6, 0.0) <= backoff_s(10**6, 0.999) <= 60


def test_chance_spreads_the_tries_of_many_cameras() -> None:
    assert len({round(backoff_s(4, i / 10), 3) for i in range(10)}) == 10


def test_frames_that_come_in_time_have_not_waited() -> None:
    chance, backlog = random.Random(5), Backlog()
    assert not any(backlog.waited(i / 15, 1000 + i / 15 + chance.uniform(0, 0.3)) for i in range(1000))


def test_what_was_held_up_has_waited_until_the_present_is_reached() -> None:
    backlog = Backlog()
    for i in range(60):
        backlog.waited(i / 15, 1000 + i / 15)
    # Three seconds of pictures, all of which come within a tenth of a second.
    waited = [backlog.waited(4 + i / 15, 1007 + i / 450) for i in range(46)]
    assert waited == [True] * 39 + [False] * 7
    assert not backlog.waited(7.1, 1007.1)


def test_what_piles_up_before_the_first_picture_does_no_harm() -> None:
    backlog = Backlog()
    assert not backlog.waited(0, 1000)
    assert not any(backlog.waited(i / 15, 1000 + i / 300) for i in range(1, 30))


@pytest.mark.parametrize("speed", [0.0, 0.5, 0.9])
def test_a_clock_that_goes_wrong_is_not_believed_for_long(speed: float) -> None:
    backlog = Backlog()
    waited = [backlog.waited(speed * i / 15, 1000 + i / 15) for i in range(1500)]
    assert sum(waited) <= 46
    assert not any(waited[-500:])


def test_a_clock_that_jumps_costs_a_moment_at_most() -> None:
    backlog = Backlog()
    for jump_s in (0.0, 5.0, -5.0):
        waited = [backlog.waited(jump_s + i / 15, 1000 + i / 15) for i in range(1, 200)]
        assert sum(waited) <= 46
        assert not waited[-1]
