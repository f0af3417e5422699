"""Rebuilds that are killed, each at another of the moments at which something on the disk changes.

Run as `python -m tests.support.killed_rebuilds ENROLLMENT OLD_MODELS WORK MOST`. The world of patterns is
imported once; each rebuild is then a forked process of its own on a fresh copy `WORK/<n>` of OLD_MODELS,
and sends itself SIGKILL just before its n-th change. The first that lives to its end is the last; its
number is printed, and what each was about to do.
"""

import os
import shutil
import signal
import sys
from pathlib import Path

from tests.support.patterns_rebuild import rebuild_patterns

# What Python reports before it asks the system for a change (https://docs.python.org/3/library/audit_events.html).
_CHANGES = {"os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.link", "os.symlink", "os.truncate"}


def _kill_before_change(number: int, models: Path, notes: int) -> None:
    """Let this process be killed just before its n-th change in the model folder."""
    seen = 0
    inside = str(models)

    def watch(event: str, arguments: tuple[object, ...]) -> None:
        nonlocal seen
        writes = (
            event == "open" and isinstance(arguments[2], int) and arguments[2] & (os.O_WRONLY | os.O_RDWR)
        )
        # Deleting a tree works with names relative to an open folder; it does so in the model folder only.
        if not (writes or event in _CHANGES):
            return
        path = arguments[0]
        if writes and not (isinstance(path, str | os.PathLike) and os.fspath(path).startswith(inside)):
            return
        seen += 1
        if seen == number:
            os.write(notes, f"{number} {event} {Path(str(path)).name}\n".encode())
            os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(watch)


def main(enrollment: Path, old_models: Path, work: Path, most: int) -> None:
    """Kill rebuilds until one is left alive."""
    for number in range(1, most + 1):
        models = work / str(number)
        shutil.copytree(old_models, models)
        child = os.fork()
        if child == 0:
            _kill_before_change(number, models, sys.stdout.fileno())
            try:
                rebuild_patterns(enrollment, models)
            except BaseException as error:
                os.write(2, f"{number}: {error!r}\n".encode())
                os._exit(1)
            os._exit(0)
        status = os.waitpid(child, 0)[1]
        if os.WIFEXITED(status) and os.WEXITSTATUS(status) == 0:
            os.write(1, f"{number} ended\n".encode())
            return
        if not os.WIFSIGNALED(status):
            sys.exit(1)
    sys.exit(f"None of {most} rebuilds lived to its end.")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]), int(sys.argv[4]))
