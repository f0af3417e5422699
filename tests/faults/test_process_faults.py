"""What becomes of processes that are killed, fail or cannot be started: the model in use stays whole."""

import json
import os
import resource
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from facerec_mqtt.cameras import CameraFailedError
from facerec_mqtt.cameras.shared_frame import SharedFrame
from facerec_mqtt.cameras.supervision.reader_process import ReaderProcess
from facerec_mqtt.presence.state_file import ServiceState, StateFile
from facerec_mqtt.recognition.model_store import load_current, versions
from facerec_mqtt.service.rebuild_process import RebuildDone, RebuildFailed, RebuildProcess
from facerec_mqtt.settings.schema import CameraSettings, Settings
from tests.support.broker import Broker, wait_until
from tests.support.paths import ROOT
from tests.support.pattern_world import write_photos
from tests.support.patterns_rebuild import rebuild_patterns
from tests.support.service import Home, RunningService, children_of, wait_for_child
from tests.support.service_runs import (
    REBUILD_PATIENCE_S,
    camera,
    wait_for_event,
    wait_for_model,
)
from tests.support.strange_children import replace_children
from tests.support.watched_camera import is_running

RESULT = "facerec/command/result"

# Does something again and again, killed before the first, the second, ... of all its steps on the disk,
# until it comes to its end; after each, says what a service would find.
KILLED_AT_EACH_STEP = """
import json, os, pathlib, signal, sys
from facerec_mqtt.presence.state_file import ServiceState, StateFile
from facerec_mqtt.recognition.model_store import load_current
from tests.support.patterns_rebuild import rebuild_patterns

WRITING = os.O_WRONLY | os.O_RDWR
STEPS = ("os.rename", "os.mkdir", "os.remove", "os.rmdir", "os.truncate")
what, enrollment, models = sys.argv[1], *map(pathlib.Path, sys.argv[2:])

def act():
    if what == "rebuild":
        rebuild_patterns(enrollment, models)
    else:
        StateFile(models, "home").save(ServiceState(frozenset({"garden"})))

def killed_at(step):
    count = 0
    def watch(event, arguments):
        nonlocal count
        is_write = event == "open" and isinstance(arguments[2], int) and arguments[2] & WRITING
        if is_write or event in STEPS:
            count += 1
            if count == step:
                os.kill(os.getpid(), signal.SIGKILL)
    child = os.fork()
    if child == 0:
        sys.addaudithook(watch)
        act()
        os._exit(0)
    return os.waitpid(child, 0)[1] == signal.SIGKILL

step, was_killed = 0, True
while was_killed:
    step += 1
    was_killed = killed_at(step)
    model = load_current(models)
    print(json.dumps({
        "version": model and model.version,
        "switched_off": sorted(StateFile(models, "home").state.switched_off),
    }))
"""


def kill_at_each_step(what: str, enrollment: Path, models: Path) -> list[dict[str, Any]]:
    done = subprocess.run(
        [sys.executable, "-c", KILLED_AT_EACH_STEP, what, enrollment, models],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert "cannot be read" not in done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_a_rebuild_that_is_killed_at_any_step_leaves_a_whole_model_and_the_next_one_clears_up(
    tmp_path: Path,
) -> None:
    enrollment, models = tmp_path / "enrollment", tmp_path / "models"
    write_photos(enrollment / "Anna", 1, 3)
    old = rebuild_patterns(enrollment, models).version
    write_photos(enrollment / "Tom", 2, 3)
    found = [after["version"] for after in kill_at_each_step("rebuild", enrollment, models)]
    assert len(found) > 10
    assert None not in found
    # The old one until the switch, then a new one; each was whole when it was loaded.
    assert found[0] == old
    assert found == sorted(found)
    assert found[-1] != old
    rebuild_patterns(enrollment, models)
    assert not [path for path in models.rglob("*") if path.name.startswith(".unfinished")]
    assert len(versions(models)) <= 3
    model = load_current(models)
    assert model is not None
    assert [person.name for person in model.people] == ["Anna", "Tom"]


def test_a_memory_whose_writing_is_killed_at_any_step_is_the_old_or_the_new_one(tmp_path: Path) -> None:
    StateFile(tmp_path, "home").save(ServiceState(frozenset({"front_door"})))
    found = [after["switched_off"] for after in kill_at_each_step("memory", tmp_path, tmp_path)]
    assert found[0] == ["front_door"]
    assert found[-1] == ["garden"]
    assert all(switched_off in (["front_door"], ["garden"]) for switched_off in found)


def test_a_state_file_that_cannot_be_written_is_logged_once_and_written_when_it_can(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    folder = tmp_path / "models"
    folder.write_text("in the way")
    file = StateFile(folder, "home")
    for camera_name in ("attic", "cellar", "garden"):
        file.save(ServiceState(frozenset({camera_name})))
    assert len(caplog.messages) == 1
    assert "cannot be written" in caplog.messages[0]
    folder.unlink()
    file.save(file.state)
    assert "can be written again" in caplog.messages[1]
    assert StateFile(folder, "home").state == ServiceState(frozenset({"garden"}))
    file.save(file.state)
    assert len(caplog.messages) == 2


def test_a_rebuild_that_is_killed_or_has_too_little_memory_is_reported_and_the_service_goes_on(
    home: Home, annas_film: Path, broker: Broker, tmp_path: Path
) -> None:
    environment = home.environment(camera(annas_film), **broker.environment())
    with RunningService(environment, tmp_path / "log" / "log") as service:
        with broker.ear() as ear:
            wait_for_model(ear, status="ready")
            ear.say("facerec/command/rebuild")
            limit = 250 * 2**20
            resource.prlimit(wait_for_child(service, "rebuild"), resource.RLIMIT_AS, (limit, limit))
            short = json.loads(ear.wait_for(RESULT, timeout_s=REBUILD_PATIENCE_S).payload)
            wait_for_model(ear, status="failed")
        with broker.ear() as ear:
            ear.say("facerec/command/rebuild")
            os.kill(wait_for_child(service, "rebuild"), signal.SIGKILL)
            killed = json.loads(ear.wait_for(RESULT, timeout_s=REBUILD_PATIENCE_S).payload)
            state = wait_for_model(ear, status="failed")
            wait_for_event(ear, "arrived", "anna")
        assert service.terminate() == 0
    assert not short["ok"]
    assert "memory" in short["message"]
    assert not killed["ok"]
    assert killed["message"].startswith("The rebuild was ended by signal 9, possibly out of memory")
    assert "\n" not in short["message"] + killed["message"]
    assert set(state["people"]) == {"anna", "tom"}
    assert state["version"] == home.report["version"]
    assert "Traceback" not in service.log


DONE = """send('{"v": 1, "type": "done", "message": "There.", "switched": true}\\n')"""


@pytest.mark.parametrize(
    "noise",
    [
        "send('a warning of some library\\n')",
        "send(b'\\xff\\x00' * 3 + b'\\n')",
        "send('[' * 50_000 + '\\n')",
        "send(b'x' * 5_000_000 + b'\\n')",
        "send('{\\n')",
        "send('{}\\n')",
        "send('null\\n7\\n\\n[]\\n')",
        'send(\'{"v": 2, "type": "done", "message": "Old.", "switched": true}\\n\')',
        'send(\'{"v": 1, "type": "done", "message": 7, "switched": true}\\n\')',
        'send(\'{"v": 1, "type": "done", "message": "More.", "switched": true, "more": 1}\\n\')',
        'send(\'{"v": 1, "type": "progress", "stage": "A", "percent": 1e999, "seconds_left": null}\\n\')',
        'send(\'{"v": 1, "type": "progress", "stage": "A", "percent": true, "seconds_left": NaN}\\n\')',
        "os.write(2, b'x' * 3_000_000)",
        "os.close(2)",
        "os.close(0)",
    ],
)
def test_whatever_a_rebuild_writes_beside_its_messages_is_ignored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, noise: str
) -> None:
    replace_children(monkeypatch, tmp_path, f"{noise}\n{DONE}")
    rebuild = started_rebuild(tmp_path)
    assert result_of(rebuild) == RebuildDone("There.", switched=True)
    assert (rebuild.percent, rebuild.stage) == (0, None)


@pytest.mark.parametrize(
    "program",
    [
        "",
        "sys.exit(3)",
        "os.abort()",
        "os.close(1); os.close(2); time.sleep(1000)",
        'send(\'{"v": 1, "type": "do\')',
        "while time.monotonic() < start + 3: send(b'x' * 65536)",
        "raise ValueError('why')",
    ],
    ids=["nothing", "status", "abort", "closed pipes", "half a line", "endless line", "traceback"],
)
def test_a_rebuild_that_ends_without_a_result_has_failed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, program: str
) -> None:
    replace_children(monkeypatch, tmp_path, f"start = time.monotonic()\n{program}")
    result = result_of(started_rebuild(tmp_path))
    assert isinstance(result, RebuildFailed)
    assert "\n" not in result.message
    assert len(result.message) < 500


def test_a_rebuild_needs_no_thread_of_the_service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    replace_children(monkeypatch, tmp_path, DONE)
    rebuild = RebuildProcess(Settings(enrollment_dir=tmp_path, model_dir=tmp_path), force=False)
    usual = threading.stack_size(1 << 50)  # for which there is room nowhere
    try:
        with pytest.raises(RuntimeError):
            threading.Thread(target=int).start()
        rebuild.start()
        assert result_of(rebuild) == RebuildDone("There.", switched=True)
    finally:
        threading.stack_size(usual)


def test_where_no_process_can_be_started_neither_a_rebuild_nor_a_reader_leaves_anything(
    tmp_path: Path,
) -> None:
    frame = SharedFrame.create()
    # Servers that the whole run of the tests shares are children too.
    children = set(children_of(os.getpid()))

    def start_rebuild() -> None:
        started_rebuild(tmp_path).stop()

    def start_reader() -> None:
        door = CameraSettings(name="door", url=str(tmp_path))
        ReaderProcess.start(door, frame).close()

    for start in (start_rebuild, start_reader):
        before, failures = open_files(), 0
        usual = resource.getrlimit(resource.RLIMIT_NOFILE)
        # With room for no file more, for one, ... until there is enough.
        for limit in range(min(set(range(100)) - before), 100):
            resource.setrlimit(resource.RLIMIT_NOFILE, (limit, usual[1]))
            try:
                start()
                break
            except (OSError, CameraFailedError):
                failures += 1
            finally:
                resource.setrlimit(resource.RLIMIT_NOFILE, usual)
            assert open_files() == before
        assert failures > 2
        assert open_files() == before
    frame.close()
    assert set(children_of(os.getpid())) <= children


def open_files() -> set[int]:
    found = set(map(int, os.listdir("/proc/self/fd")))  # noqa: PTH208
    return {number for number in found if Path(f"/proc/self/fd/{number}").exists()}


def started_rebuild(folder: Path) -> RebuildProcess:
    rebuild = RebuildProcess(Settings(enrollment_dir=folder, model_dir=folder), force=False)
    rebuild.start()
    return rebuild


def result_of(rebuild: RebuildProcess) -> RebuildDone | RebuildFailed:
    wait_until(rebuild.poll, "it does not end")
    result = rebuild.poll()
    assert result is not None
    return result


def test_a_service_that_is_killed_in_a_rebuild_leaves_no_process_and_finds_its_model_again(
    home: Home, annas_film: Path, broker: Broker, tmp_path: Path
) -> None:
    environment = home.environment(camera(annas_film), **broker.environment())
    with broker.ear() as ear, RunningService(environment, tmp_path / "log" / "first") as service:
        wait_for_model(ear, status="ready")
        wait_for_event(ear, "arrived", "anna")
        ear.say("facerec/command/rebuild")
        wait_for_model(ear, status="training")
        children = [wait_for_child(service, "rebuild"), wait_for_child(service, "front_door")]
        service.terminate(signal.SIGKILL)
        # The rebuild finds nobody to tell how far it is.
        wait_until(lambda: not any(map(is_running, children)), timeout_s=REBUILD_PATIENCE_S)
    model = load_current(home.models)
    assert model is not None
    assert [person.slug for person in model.people] == ["anna", "tom"]
    with broker.ear() as ear, RunningService(environment, tmp_path / "log" / "second") as service:
        wait_for_event(ear, "arrived", "anna")
        assert wait_for_model(ear, status="ready")["version"] == model.version
        assert service.terminate() == 0
