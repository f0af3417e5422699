"""A machine that cannot keep up with its cameras reports it once."""

import pytest

from facerec_mqtt.monitoring.overload import WINDOW_S, FrameTotals, Overload, OverloadMonitor


def reports(*shares: float) -> list[Overload]:
    """What is reported of windows in which these shares of 1,200 frames were taken."""
    monitor = OverloadMonitor()
    came = taken = 0
    assert monitor.check(FrameTotals(came, taken), 1000.0) is None
    found = []
    for number, share in enumerate(shares, 1):
        came += 1200
        taken += round(1200 * share)
        report = monitor.check(FrameTotals(came, taken), 1000.0 + number * WINDOW_S)
        if report is not None:
            found.append(report)
    return found


def test_a_machine_that_keeps_up_reports_nothing() -> None:
    assert reports(1.0, 0.97, 0.85, 1.0) == []


def test_an_overload_is_reported_once_and_its_end_once() -> None:
    first, last = reports(1.0, 0.5, 0.4, 0.6, 0.97, 1.0)
    assert not first.is_over
    assert (first.came_per_s, first.taken_per_s) == pytest.approx((20.0, 10.0))
    assert last.is_over


def test_what_is_neither_much_nor_little_changes_nothing() -> None:
    assert len(reports(0.5, 0.85, 0.5, 0.85)) == 1


def test_nothing_is_reported_before_a_minute_is_over() -> None:
    monitor = OverloadMonitor()
    monitor.check(FrameTotals(0, 0), 0.0)
    assert monitor.check(FrameTotals(500, 10), WINDOW_S - 1) is None
    assert monitor.check(FrameTotals(510, 12), WINDOW_S) is not None


def test_cameras_that_are_all_away_are_no_overload() -> None:
    monitor = OverloadMonitor()
    assert [monitor.check(FrameTotals(0, 0), second) for second in (0.0, 70.0, 140.0)] == [None] * 3
