"""Run by test_restore.py: restore a backup, be killed before each change on the disk, and do it again.

`python -m tests.support.killed_restores HOUSE FILE MERGE`, where HOUSE holds `enrollment` and `models`. Each
restore works on a copy of its own and kills itself before its n-th change. Writes a line of JSON for each:
what was there then, and after the command was given again.
"""

import json
import os
import shutil
import sys
from pathlib import Path

from facerec_mqtt.maintenance.backup import restore
from facerec_mqtt.recognition import load_current
from tests.support.killed_forgets import dies_in


def contents(house: Path) -> dict[str, object]:
    """What a user finds: names and sizes of pictures, and the model in use; and what is left half done."""
    enrollment, models = house / "enrollment", house / "models"
    model = load_current(models)
    everywhere = [path for path in house.rglob("*") if path.is_file()]
    return {
        "photos": sorted(
            str(path.relative_to(enrollment)) for path in enrollment.glob("[!.]*/**/*") if path.is_file()
        ),
        "anywhere": sorted({path.name for path in everywhere if path.suffix == ".jpg"}),
        "model": None if model is None else model.version,
        "left": sorted(str(path.relative_to(house)) for path in house.rglob(".*")),
    }


def main(house: Path, file: Path, merge: bool) -> None:
    os.fsync = lambda fd: None  # noqa: ARG005 - who is killed loses nothing that was written
    for change in range(1, 1000):
        trial = house.parent / f"trial-{change}"
        shutil.copytree(house, trial)

        def act(trial: Path = trial) -> None:
            restore(trial / "enrollment", trial / "models", file, merge=merge)

        killed = dies_in(act, change)
        line = {"killed": killed, "then": contents(trial)}
        act()
        sys.stdout.write(json.dumps(line | {"after": contents(trial)}) + "\n")
        shutil.rmtree(trial)
        if not killed:
            return
    os._exit(1)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3] == "merge")
