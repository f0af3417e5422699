"""Who counts as at home: from the arrival on, for some time after, and never away."""

from dataclasses import replace

from facerec_mqtt.core.records import Person, PersonState
from facerec_mqtt.mqtt.home_assistant import Trackers

ANNA, TOM = Person("anna", "Anna"), Person("tom", "Tom")
AWAY = PersonState(ANNA, False, None, None, None)
HERE = PersonState(ANNA, True, "door", 100.0, 0.9)
GONE = replace(HERE, present=False)


def test_whoever_was_seen_is_at_home_until_nobody_can_know() -> None:
    trackers = Trackers(hold_s=1000.0)
    assert list(trackers.changed([AWAY], 50.0)) == [("anna", False)]
    assert list(trackers.changed([AWAY], 60.0)) == []
    assert list(trackers.changed([HERE], 100.0)) == [("anna", True)]
    assert list(trackers.changed([GONE], 1099.0)) == []
    assert list(trackers.changed([GONE], 1100.0)) == [("anna", False)]
    # Somebody who stands there is at home however long the visit.
    assert list(trackers.changed([HERE], 5000.0)) == [("anna", True)]


def test_after_a_restart_and_after_somebody_was_removed_all_is_published_again() -> None:
    assert list(Trackers(1000.0).changed([GONE], 200.0)) == [("anna", True)]
    trackers = Trackers(1000.0)
    list(trackers.changed([HERE], 100.0))
    assert list(trackers.changed([replace(AWAY, person=TOM)], 100.0)) == [("tom", False)]
    assert list(trackers.changed([HERE], 100.0)) == [("anna", True)]
