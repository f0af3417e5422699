"""The wall clock against the monotonic one: steps, sleeps of the machine, time zones."""

import subprocess
import sys
import time
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from facerec_mqtt.core.clock import Clock, Reading, WallClock, local_zone
from facerec_mqtt.core.errors import SettingsError
from tests.support.service import clean_environment

EPOCH_S = 1_795_000_000.0
HOUR_S = 3600.0


class Machine:
    """A machine whose clocks are set, and which sleeps, by hand."""

    def __init__(self) -> None:
        self.wall_s, self.monotonic_s, self.boot_s = EPOCH_S, 100.0, 100.0
        self.clock = WallClock(read=lambda: Reading(self.wall_s, self.monotonic_s, self.boot_s))
        self.clock.now()

    def wait(self, seconds: float) -> Clock:
        self.wall_s += seconds
        self.monotonic_s += seconds
        self.boot_s += seconds
        return self.clock.now()

    def sleep(self, seconds: float) -> Clock:
        self.wall_s += seconds
        self.boot_s += seconds
        return self.clock.now()

    def set_clock(self, by_s: float) -> Clock:
        self.wall_s += by_s
        return self.clock.now()


def test_what_was_seen_before_a_sleep_keeps_its_time() -> None:
    machine = Machine()
    machine.wait(10)
    clock = machine.sleep(8 * HOUR_S)
    assert clock.epoch(105.0) == EPOCH_S + 5
    clock = machine.wait(1)
    assert clock.epoch(111.0) == EPOCH_S + 11 + 8 * HOUR_S
    assert machine.clock.set_by_s == 0


def test_each_of_several_sleeps_counts_for_what_was_before_it() -> None:
    machine = Machine()
    machine.wait(10)
    machine.sleep(HOUR_S)
    machine.wait(10)
    machine.sleep(2 * HOUR_S)
    clock = machine.wait(10)
    epochs = [clock.epoch(at_s) - EPOCH_S for at_s in (105.0, 115.0, 125.0)]
    assert epochs == [5.0, 15.0 + HOUR_S, 25.0 + 3 * HOUR_S]


def test_what_was_seen_before_the_clock_was_set_has_the_right_time_afterwards() -> None:
    machine = Machine()
    machine.wait(10)
    clock = machine.set_clock(-3 * HOUR_S)
    assert clock.epoch(105.0) == EPOCH_S + 5 - 3 * HOUR_S
    assert machine.clock.set_by_s == -3 * HOUR_S


def test_a_clock_that_is_set_after_a_sleep_was_wrong_before_it_too() -> None:
    machine = Machine()
    machine.wait(10)
    machine.sleep(HOUR_S)
    machine.wait(10)
    clock = machine.set_clock(60)
    assert clock.epoch(105.0) == EPOCH_S + 5 + 60
    assert clock.epoch(115.0) == EPOCH_S + 15 + HOUR_S + 60
    assert machine.clock.set_by_s == 60


def test_the_machines_own_clocks_agree() -> None:
    clock = WallClock().now()
    assert abs(clock.epoch(time.monotonic()) - time.time()) < 60


@pytest.mark.parametrize("name", ["Europe/Berlin", ":Europe/Berlin"])
def test_a_zone_is_known_by_its_name(name: str) -> None:
    assert local_zone({"TZ": name}) == ZoneInfo("Europe/Berlin")


@pytest.mark.parametrize("name", ["", "CET-1", "CET-1CEST,M3.5.0,M10.5.0/3", "<+03>-3"])
def test_a_zone_that_needs_no_data_is_the_machines_own(name: str) -> None:
    assert local_zone({"TZ": name}) is None


@pytest.mark.parametrize("name", ["Europe/Berlinn", "Nowhere", "../../etc/passwd", "/no/such/file", "é"])
def test_an_unknown_zone_is_named(name: str) -> None:
    with pytest.raises(SettingsError, match="TZ"):
        local_zone({"TZ": name})


def test_the_offset_changes_with_summer_time_within_a_visit() -> None:
    last_of_winter = datetime(2026, 3, 29, 0, 59, 0, tzinfo=UTC).timestamp()
    clock = Clock(last_of_winter, ZoneInfo("Europe/Berlin"))
    assert clock.iso(0) == "2026-03-29T01:59:00+01:00"
    assert clock.iso(120) == "2026-03-29T03:01:00+02:00"
    back = datetime(2026, 10, 25, 0, 59, 0, tzinfo=UTC).timestamp()
    clock = Clock(back, ZoneInfo("Europe/Berlin"))
    assert [clock.iso(0), clock.iso(120)] == ["2026-10-25T02:59:00+02:00", "2026-10-25T02:01:00+01:00"]


def test_a_zone_has_its_offset_where_the_system_has_no_zone_data() -> None:
    code = (
        "import os; from facerec_mqtt.core.clock import Clock, local_zone;"
        "print(Clock(1_796_040_000.0, local_zone(os.environ)).iso(0.0))"
    )
    environment = clean_environment(TZ="Europe/Berlin", PYTHONTZPATH="", TZDIR="/no/such/folder")
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip().endswith("+01:00")
