"""What the system does to a running service, by its disks, threads and clock: the service lives on."""

import json
import shutil
import subprocess
import time
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from facerec_mqtt.core.records import Person
from facerec_mqtt.presence.state_file import LastSeen, ServiceState, StateFile
from facerec_mqtt.recognition.model_store import load_current
from tests.support.broker import PATIENCE_S, Broker, Ear, wait_until
from tests.support.disk import fill
from tests.support.service import Home, RunningService, program
from tests.support.service_runs import (
    REBUILD_PATIENCE_S,
    camera,
    events,
    tells_of,
    wait_for_event,
    wait_for_model,
)

RESULT = "facerec/command/result"


@pytest.mark.parametrize("fault", ["full", "read-only"])
def test_a_model_folder_that_takes_nothing_more_costs_only_what_is_remembered(
    home: Home, annas_film: Path, broker: Broker, tmp_path: Path, small_disk: Path, fault: str
) -> None:
    models = small_disk / "models"
    shutil.copytree(home.models, models)
    if fault == "full":
        fill(small_disk)
    else:
        subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    environment = replace(home, models=models).environment(camera(annas_film), **broker.environment())
    with broker.ear() as ear, RunningService(environment, tmp_path / "log" / "log") as service:
        wait_for_model(ear, status="ready")
        ear.say("facerec/command/rebuild")
        answer = json.loads(ear.wait_for(RESULT, timeout_s=REBUILD_PATIENCE_S).payload)
        state = wait_for_model(ear, status="failed")
        wait_for_event(ear, "arrived", "anna")
        wait_for_event(ear, "departed", "anna")
        assert service.terminate() == 0
    reason = "No space left on device" if fault == "full" else "Read-only file system"
    assert not answer["ok"]
    assert f"cannot be written ({reason})" in answer["message"]
    assert state["version"] == home.report["version"]
    assert service.log.count("memory-home.json cannot be written") == 1
    assert "Traceback" not in service.log
    assert load_current(models) is not None


# Nowhere is there room for a thread's stack of a petabyte, so that the system refuses to start one.
WITHOUT_THREADS = """
import sys, threading
from facerec_mqtt.cli.main import main
threading.stack_size(1 << 50)
sys.exit(main())
"""


def test_a_service_that_can_start_no_thread_ends_with_one_sentence(tmp_path: Path) -> None:
    nobody = Home(tmp_path / "enrollment", tmp_path / "models", {})
    environment = nobody.environment(camera(tmp_path / "film.mp4"))
    command = [program()[0], "-c", WITHOUT_THREADS, "run"]
    with RunningService(environment, tmp_path / "log" / "log", command) as service:
        assert service.process is not None
        assert service.process.wait(PATIENCE_S) == 1
    assert service.log.splitlines()[-1].startswith("facerec-mqtt: No more threads can be started; end other")
    assert "Traceback" not in service.log


def test_a_log_that_takes_nothing_more_stops_nobody(home: Home, annas_film: Path, broker: Broker) -> None:
    environment = home.environment(camera(annas_film), **broker.environment())
    with broker.ear() as ear, RunningService(environment, Path("/dev/full")) as service:
        wait_for_event(ear, "arrived", "anna")
        wait_for_event(ear, "departed", "anna")
        service.terminate()
        ear.wait_for("facerec/status", b"offline")


# The service with a wall clock that jumps back and forth by up to a year, several times a visit.
JUMPING_CLOCK = """
import itertools, sys, time
true_time, true_time_ns, start = time.time, time.time_ns, time.monotonic()
JUMPS_S = (0, 86_400, -3600, 31_536_000, -31_536_000, 7)
def jump_s():
    return JUMPS_S[int((time.monotonic() - start) / 0.7) % len(JUMPS_S)]
time.time = lambda: true_time() + jump_s()
time.time_ns = lambda: true_time_ns() + jump_s() * 1_000_000_000
from facerec_mqtt.cli.main import main
sys.exit(main())
"""


def spread_s(ear: Ear) -> float:
    """Between the earliest and the latest time that an event gives."""
    epochs = [event["epoch"] for event in events(ear)]
    return float(max(epochs) - min(epochs))


def test_a_clock_that_jumps_loses_no_visit_and_publishes_none_twice(
    home: Home, annas_film: Path, broker: Broker, tmp_path: Path
) -> None:
    environment = home.environment(camera(annas_film), **broker.environment())
    command = [program()[0], "-c", JUMPING_CLOCK, "run"]
    with broker.ear() as ear, RunningService(environment, tmp_path / "log" / "log", command) as service:
        began_s = time.monotonic()
        arrived = wait_for_event(ear, "arrived", "anna")
        departed = wait_for_event(ear, "departed", "anna")
        ear.wait(lambda m: tells_of("arrived", m) and arrived["visit_id"] not in m.text, PATIENCE_S)
        # It is the clock of the events that jumps, by chance not between the first few; what is measured
        # does not.
        wait_until(lambda: spread_s(ear) > time.monotonic() - began_s + 1000, "the clock does not jump")
        published = events(ear)
        assert service.terminate() == 0
    assert departed["visit_id"] == arrived["visit_id"]
    kinds = [(event["event_type"], event["visit_id"]) for event in published]
    assert len(kinds) == len(set(kinds))
    assert all(0 <= event["latency_ms"] < 1000 * PATIENCE_S for event in published if event["latency_ms"])
    assert "Traceback" not in service.log


# The service on a machine without a battery for its clock, which learns the time after its start.
LATE_CLOCK = """
import sys, time
from pathlib import Path
true_time, is_set = time.time, Path(sys.argv.pop())
time.time = lambda: true_time() - (0 if is_set.exists() else 36_000)
from facerec_mqtt.cli.main import main
sys.exit(main())
"""


def test_a_clock_that_is_set_after_the_start_changes_nothing_that_is_remembered(
    home: Home, broker: Broker, tmp_path: Path
) -> None:
    hall = tmp_path / "hall"
    hall.mkdir()
    cv2.imwrite(str(hall / "hall.jpg"), np.zeros((240, 320, 3), np.uint8))
    seen = LastSeen("hall", round(time.time()) - 1000.0, 0.9)
    StateFile(home.models, "home").save(
        ServiceState(people=(Person("anna", "Anna"),), last_seen={"anna": seen})
    )
    environment = home.environment({"name": "hall", "url": str(hall)}, **broker.environment())
    command = [program()[0], "-c", LATE_CLOCK, "run", str(tmp_path / "is_set")]
    with broker.ear() as ear, RunningService(environment, tmp_path / "log" / "log", command) as service:
        wait_for_model(ear, status="ready")
        (tmp_path / "is_set").touch()
        ear.say("facerec/camera/hall/enabled/set", "OFF")
        ear.wait_for("facerec/camera/hall/enabled/state", b"OFF")
        assert service.terminate() == 0
    kept = StateFile(home.models, "home").state
    assert kept.switched_off == {"hall"}
    assert abs(kept.last_seen["anna"].epoch_s - seen.epoch_s) < 1
