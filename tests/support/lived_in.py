"""A household in which people have come and gone for days: drawn pictures, visits, strangers."""

import shutil
from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import lru_cache
from pathlib import Path

import cv2
import pytest

from facerec_mqtt.core.records import Image
from facerec_mqtt.history import FILE, History, Looks, VisitFacts, VisitKind, VisitRecord
from facerec_mqtt.monitoring.page_messages import PageFolders
from facerec_mqtt.presence import ScorePoint
from facerec_mqtt.rendering import FAMILY, UNSEEN_STRANGERS, render_photo
from tests.support.page import Page, folders_in, page_request, running_page
from tests.support.service import Home
from tests.support.visits import filled

FAMILY_VISITS = 120
DAY = "2026-11-23"
"""Of the pictures that are kept."""
PICTURES = 3
"""Of the latest visit of the family."""
_EVERY = timedelta(minutes=47)
STRANGER, DOUBTFUL, OTHER_STRANGER = "01W3", "01W2", "01W1"


@lru_cache
def face(name: str | None, seed: int = 0) -> Image:
    """A drawn picture of somebody of the family, or of somebody unknown."""
    identity = UNSEEN_STRANGERS[0] if name is None else FAMILY[name]
    return render_photo(identity, seed=seed, side_px=240)


def live_in(folders: PageFolders) -> None:
    """Add visits of some days to a household, the latest a minute ago."""
    review = folders.review_dir / DAY
    review.mkdir(parents=True)
    cv2.imwrite(str(review / "180211-412_front_door_stranger.jpg"), face(None))
    cv2.imwrite(str(review / "175807-003_front_door_doubtful.jpg"), face("Anna", seed=9))
    now = datetime.now().timestamp()
    visits = [
        VisitRecord(
            f"01F{FAMILY_VISITS - number:05}",
            VisitKind.FAMILY,
            ("anna", "tom")[number % 2],
            ("Anna", "Tom")[number % 2],
            "front_door",
            now - 600 - number * _EVERY.total_seconds(),
            now - 540 - number * _EVERY.total_seconds(),
            0.93,
            why=VisitFacts(votes=3, frames=12, named=10, refused={"blurred": 2}, best_score=0.97),
        )
        for number in range(FAMILY_VISITS)
    ]
    nobody = VisitFacts(frames=8, refused={"below threshold": 8}, best_score=0.31)
    for visit_id, kind, ago_s, picture in (
        (STRANGER, VisitKind.STRANGER, 60, f"{DAY}/180211-412_front_door_stranger.jpg"),
        (DOUBTFUL, VisitKind.DOUBTFUL, 180, f"{DAY}/175807-003_front_door_doubtful.jpg"),
        (OTHER_STRANGER, VisitKind.STRANGER, 300, None),
    ):
        group = f"S{visit_id}" if kind is VisitKind.STRANGER else None
        visits.append(
            VisitRecord(
                visit_id,
                kind,
                None,
                None,
                "front_door",
                now - ago_s,
                now - ago_s + 20,
                0.31,
                picture,
                group,
                nobody,
            )
        )
    history = filled(folders.model_dir / FILE, *visits)
    keep_looks(history, review, visits[0])
    history.close()


def keep_looks(history: History, review: Path, visit: VisitRecord) -> None:
    """Give a visit pictures and scores, as the service keeps them."""
    names = [f"18030{number}-000_front_door_family.jpg" for number in range(PICTURES)]
    for number, name in enumerate(names):
        cv2.imwrite(str(review / name), face("Anna", seed=20 + number))
    scores = [
        ScorePoint(round(0.4 * number - 1.2, 1), score, "anna" if score > 0.3 else "tom")
        for number, score in enumerate((0.22, 0.35, 0.48, 0.71, 0.86, 0.93, 0.97, 0.9, 0.44, 0.88, 0.95))
    ]
    looks = Looks(visit.person, tuple(scores), tuple(f"{DAY}/{name}" for name in names))
    assert history.set_looks(visit.visit_id, looks)


def household(rebuilt: Home, folder: Path) -> PageFolders:
    """A household of its own in which people have come and gone."""
    shutil.copytree(rebuilt.enrollment, folder / "enrollment")
    shutil.copytree(rebuilt.models, folder / "models")
    folders = folders_in(folder).model_copy(update={"shares_model": True})
    live_in(folders)
    return folders


@pytest.fixture(scope="module")
def lived_in(rebuilt: Home, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    """A page of a household in which people have come and gone, for tests that only look."""
    with running_page(page_request(household(rebuilt, tmp_path_factory.mktemp("lived_in")))) as page:
        yield page


@pytest.fixture
def to_change(rebuilt: Home, tmp_path: Path) -> Iterator[Page]:
    """The same for one test that changes it."""
    with running_page(page_request(household(rebuilt, tmp_path))) as page:
        yield page


def pictures_in(folder: Path) -> int:
    """How many files a folder has, none where there is no folder."""
    return sum(1 for path in folder.rglob("*") if path.is_file()) if folder.is_dir() else 0
