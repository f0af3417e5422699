"""Visits as the history keeps them."""

from pathlib import Path

from facerec_mqtt.history import History, VisitFacts, VisitFilter, VisitKind, VisitRecord

NOON = 1_795_953_600.0
"""Of 2026-11-29, UTC."""
ANNA = VisitRecord(
    "01A",
    VisitKind.FAMILY,
    "anna",
    "Anna",
    "front_door",
    NOON,
    None,
    0.93,
    why=VisitFacts(votes=3, frames=4, named=3, refused={"blurred": 1}),
    service="home",
)
STRANGER = VisitRecord(
    "01B", VisitKind.STRANGER, None, None, "garden", NOON + 60, NOON + 90, 0.1, "p.jpg", "s1"
)


def filled(path: Path, *visits: VisitRecord) -> History:
    """A history with these visits, open."""
    history = History.open(path)
    for visit in visits:
        history.put(visit)
    return history


def read(path: Path, wanted: VisitFilter | None = None) -> list[VisitRecord]:
    """The visits in a history, the first one first."""
    history = History.open(path, read_only=True)
    try:
        return list(reversed(history.find(wanted or VisitFilter(), limit=500)[0]))
    finally:
        history.close()
