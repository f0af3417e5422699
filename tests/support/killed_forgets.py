"""Run by test_forget.py: forget somebody, be killed before each change on the disk, and do it again.

`python -m tests.support.killed_forgets FOLDER`, where FOLDER holds `enrollment`, `models` and `review` of a
family of patterns. Writes a line of JSON for each place at which it was killed: what was found then, and
what was left after the command was given again.
"""

import json
import os
import shutil
import signal
import sys
from collections.abc import Callable, Collection
from pathlib import Path

from facerec_mqtt.core.errors import EnrollmentError
from facerec_mqtt.core.records import Person
from facerec_mqtt.enrollment.forget import forget
from facerec_mqtt.enrollment.rebuild import rebuild
from facerec_mqtt.enrollment.traces import Places, find_traces
from facerec_mqtt.presence.state_file import remove_person
from facerec_mqtt.recognition.model_store import load_current
from facerec_mqtt.recognition.recognizer import Recognizer
from tests.support.pattern_world import (
    PatternBackbone,
    PatternDetector,
    closest_classifier,
    pattern_cohort,
    pattern_networks,
)

CHANGES = {"os.rename", "os.remove", "os.rmdir"}


def places(folder: Path) -> Places:
    return Places(folder / "enrollment", folder / "models", folder / "review")


def recognizer() -> Recognizer:
    backbone = PatternBackbone()
    return Recognizer(PatternDetector(), backbone, backbone.digest, pattern_cohort(), None, None)


def make_model(
    folder: Path, must_know: Collection[str] = (), *, force: bool = True, is_locked: bool = False
) -> None:
    where = places(folder)
    rebuild(
        where.enrollment,
        where.models,
        force=force,
        must_know=must_know,
        is_locked=is_locked,
        load_networks=pattern_networks,
        cohort=pattern_cohort(),
        train=closest_classifier,
    )


def forget_on_disk(folder: Path, name: str = "Anna") -> Person:
    """Forget somebody, but for what services have saved."""

    def make_model_without(must_know: Collection[str]) -> None:
        make_model(folder, must_know, is_locked=True)

    return forget(places(folder), name, make_model_without, recognizer)


def forget_anna(folder: Path) -> None:
    remove_person(folder / "models", forget_on_disk(folder), from_broker=False)


def complete_forgetting(folder: Path) -> None:
    """Give the command again, where there is any trace left to be found by it."""
    try:
        find_traces(places(folder), "Anna")
    except EnrollmentError:
        return
    forget_anna(folder)


def dies_in(act: Callable[[], None], change: int) -> bool:
    """Do something in a process that kills itself before its n-th change; whether that came to be."""
    child = os.fork()
    if child == 0:
        left = change

        def count(event: str, _arguments: object) -> None:
            nonlocal left
            if event in CHANGES:
                left -= 1
                if left == 0:
                    os.kill(os.getpid(), signal.SIGKILL)

        sys.addaudithook(count)
        act()
        os._exit(0)
    status = os.waitpid(child, 0)[1]
    if os.WIFEXITED(status) and os.WEXITSTATUS(status) != 0:
        raise RuntimeError("the command failed")
    return os.WIFSIGNALED(status)


def state_of(folder: Path) -> dict[str, object]:
    where = places(folder)
    model = load_current(where.models)
    return {
        "known": [] if model is None else [person.slug for person in model.people],
        "photos": len([*where.enrollment.glob("Anna/*"), *where.enrollment.glob(".forgetting/Anna*/*")]),
    }


def main() -> None:
    folder = Path(sys.argv[1])
    for change in range(1, 1000):
        trial = folder.parent / f"trial-{change}"
        shutil.copytree(folder, trial)
        killed = dies_in(lambda trial=trial: forget_anna(trial), change)  # type: ignore[misc]
        then = state_of(trial)
        dies_in(lambda trial=trial: complete_forgetting(trial), -1)  # type: ignore[misc]
        line = {"killed": killed, "then": then, "after": state_of(trial), "folder": str(trial)}
        sys.stdout.write(json.dumps(line) + "\n")
        if not killed:
            return


if __name__ == "__main__":
    main()
