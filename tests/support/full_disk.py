"""Rebuilds on a disk that is really full, with a little more space for each until one succeeds.

Run as `python -m tests.support.full_disk ENROLLMENT OLD_MODELS DISK`, where DISK is a small file
system of its own.
After each rebuild that fails the model must be the old one, whole, with nothing half written beside it.
Prints a line for each: what it said.
"""

import os
import shutil
import sys
from pathlib import Path

from facerec_mqtt.core.errors import ModelError
from facerec_mqtt.recognition.model_store import current_version, load_current, versions
from tests.support.patterns_rebuild import rebuild_patterns

_STEP_BYTES = 16384


def main(enrollment: Path, old_models: Path, disk: Path) -> None:
    """Give each rebuild four blocks more than the one before."""
    models, filler = disk / "models", disk / "filler"
    for room in range(0, 1 << 20, _STEP_BYTES):
        shutil.rmtree(models, ignore_errors=True)
        shutil.copytree(old_models, models)
        before, kept = current_version(models), versions(models)
        at = os.statvfs(disk)
        filler.write_bytes(bytes(max(0, at.f_bavail * at.f_frsize - room)))
        try:
            report = rebuild_patterns(enrollment, models)
        except ModelError as error:
            sys.stdout.write(f"{error}\n")
            assert current_version(models) == before
            assert versions(models)[: len(kept)] == kept
            assert load_current(models) is not None
            assert not list(models.rglob(".unfinished-*"))
            filler.unlink()
        else:
            assert current_version(models) == report.version
            sys.stdout.write("succeeded\n")
            return
    sys.exit("No rebuild succeeded.")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:4]))
