"""What looks at photos for the page: a process that may be killed, and pictures that are tried in turn."""

import os
import signal
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import cv2
import numpy as np
import pytest

from facerec_mqtt.core.rejections import RejectionCode
from facerec_mqtt.enrollment.changes import empty_trash, restore_photo, throw_away
from facerec_mqtt.enrollment.owners import TRASH
from facerec_mqtt.web.household import HouseholdError, TryAgainError
from facerec_mqtt.web.household.commands import Recogniser
from facerec_mqtt.web.household.photos import LookAlikes, PhotoWorker
from tests.support.broker import wait_until
from tests.support.service import children_of

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)


def workers() -> list[int]:
    return [pid for pid in children_of(os.getpid()) if "judging.worker" in _arguments(pid)]


def _arguments(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text()
    except OSError:
        return ""


def test_a_worker_that_is_killed_is_started_again_and_an_idle_one_ends(tmp_path: Path) -> None:
    picture = tmp_path / "a.jpg"
    cv2.imwrite(str(picture), np.zeros((300, 300, 3), np.uint8))
    worker = PhotoWorker(idle_s=0.2)
    for _ in range(2):
        answer = worker.look(picture)
        assert answer.rejection is not None
        assert answer.rejection.code == RejectionCode.NO_FACE
        for pid in workers():
            os.kill(pid, signal.SIGKILL)
    assert worker.copy(picture, 100).startswith(b"\xff\xd8")
    wait_until(lambda: not workers(), "the worker stays")
    worker.close()


def test_where_nobody_can_tell_whom_pictures_look_like_nothing_is_asked(tmp_path: Path) -> None:
    picture = tmp_path / "a.jpg"
    cv2.imwrite(str(picture), np.zeros((300, 300, 3), np.uint8))
    worker = PhotoWorker(idle_s=60)
    look_alikes = LookAlikes(worker, tmp_path / "models", lambda: {"anna": "Anna"})
    for path in (picture, tmp_path / "gone.jpg"):
        assert look_alikes.among({"a": path}, "anna", "Anna") is None
    worker.close()


def test_more_pictures_than_may_wait_are_refused(tmp_path: Path) -> None:
    recogniser = Recogniser(tmp_path, most_waiting=0)
    refused: list[str] = []
    others: list[HouseholdError] = []

    def ask() -> None:
        try:
            recogniser.recognise(b"no picture")
        except TryAgainError as error:
            refused.append(str(error))
        except HouseholdError as error:  # there is no model
            others.append(error)

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    wait_until(lambda: len(refused) >= 3, "nobody is refused")
    for thread in threads:
        thread.join()
    assert len(refused) == 3
    assert len(others) == 1


@pytest.mark.parametrize(("days", "stays"), [(29, True), (31, False)])
def test_the_trash_is_emptied_after_thirty_days(tmp_path: Path, days: int, stays: bool) -> None:
    anna = tmp_path / "Anna"
    anna.mkdir()
    (anna / "1.jpg").write_bytes(b"1")
    throw_away(tmp_path, anna, "1.jpg", NOW)
    (tmp_path / TRASH / "somebody else's").write_bytes(b"stays")
    empty_trash(tmp_path, NOW + timedelta(days=days))
    assert (restore_photo(tmp_path, anna, "1.jpg") is not None) is stays
    assert (tmp_path / TRASH / "somebody else's").exists()
