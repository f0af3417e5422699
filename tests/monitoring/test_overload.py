"""A machine that cannot keep up with its cameras says so once."""

from facerec_mqtt.monitoring.overload import WINDOW_S, OverloadMonitor, Tally


def said(*shares: float, capacity: OverloadMonitor | None = None) -> list[str]:
    """What is said of windows in which these shares of 1,200 frames were taken."""
    capacity = capacity or OverloadMonitor()
    came = taken = 0
    assert capacity.judge(Tally(came, taken), 1000.0) is None
    sentences = []
    for number, share in enumerate(shares, 1):
        came += 1200
        taken += round(1200 * share)
        sentence = capacity.judge(Tally(came, taken), 1000.0 + number * WINDOW_S)
        if sentence is not None:
            sentences.append(sentence)
    return sentences


def test_a_machine_that_keeps_up_says_nothing() -> None:
    assert said(1.0, 0.97, 0.85, 1.0) == []


def test_a_lack_is_said_once_and_its_end_once() -> None:
    first, last = said(1.0, 0.5, 0.4, 0.6, 0.97, 1.0)
    assert "20.0 a second, of which 10.0 are taken" in first
    assert "keeps up" in last


def test_what_is_neither_much_nor_little_changes_nothing() -> None:
    assert len(said(0.5, 0.85, 0.5, 0.85)) == 1


def test_nothing_is_said_before_a_minute_is_over() -> None:
    capacity = OverloadMonitor()
    capacity.judge(Tally(0, 0), 0.0)
    assert capacity.judge(Tally(500, 10), WINDOW_S - 1) is None
    assert capacity.judge(Tally(510, 12), WINDOW_S) is not None


def test_cameras_that_are_all_away_are_no_lack_of_capacity() -> None:
    capacity = OverloadMonitor()
    assert [capacity.judge(Tally(0, 0), second) for second in (0.0, 70.0, 140.0)] == [None] * 3
