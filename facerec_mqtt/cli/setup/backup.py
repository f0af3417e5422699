"""`backup` and `restore`: all that a house cannot make again in one file, and back."""

import json
import sys
from datetime import UTC, datetime
from pathlib import Path

from facerec_mqtt.maintenance.backup import back_up, restore
from facerec_mqtt.settings import Settings


def write_backup(settings: Settings, file: Path, *, as_json: bool) -> int:
    """Write a backup.

    Args:
        settings: where everything is.
        file: the backup.
        as_json: print one line of JSON, not sentences.

    Returns:
        The exit status.

    Raises:
        FacerecError: it cannot be made.
    """
    done = back_up(settings.enrollment_dir, settings.model_dir, file, datetime.now(UTC))
    if as_json:
        facts = {
            "file": str(done.file),
            "bytes": done.bytes,
            "files": done.files,
            "pictures": done.pictures,
            "versions": done.versions,
            "history": done.has_history,
            "left_out": [str(path) for path in done.left_out],
        }
        print(json.dumps(facts))
        return 0
    for path in done.left_out:
        print(f'"{path}" is left out: it is a link, no plain file, or lies too deep.', file=sys.stderr)
    print(
        f'"{done.file}" holds {done.pictures} pictures, {done.versions} models'
        f"{', the visits' if done.has_history else ''} and what the service has saved"
        f" ({done.bytes / 2**20:.1f} MB). It holds faces: keep it where only you can read it."
    )
    return 0


def put_back(settings: Settings, file: Path, *, merge: bool, as_json: bool) -> int:
    """Put a backup back.

    Args:
        settings: where everything is.
        file: the backup.
        merge: only add what is missing.
        as_json: print one line of JSON, not sentences.

    Returns:
        The exit status.

    Raises:
        FacerecError: it cannot be put back.
    """
    done = restore(settings.enrollment_dir, settings.model_dir, file, merge=merge)
    if as_json:
        facts = {
            "created": done.created,
            "pictures": done.pictures,
            "kept": done.kept,
            "versions": done.versions,
            "model": done.model,
            "visits": done.visits,
            "model_fault": done.model_fault,
        }
        print(json.dumps(facts))
        return 0
    print(f"Restored {done.pictures} pictures from the backup of {done.created}.")
    if done.kept:
        print(f"{done.kept} files were there already and stay as they were.")
    if done.visits is not None:
        print(f"Its {done.visits} visits are in the history.")
    if done.model is not None:
        print(f"Model {done.model} is in use; a running service loads it within seconds.")
    elif done.model_fault is not None:
        print(f"Its models are left out: {done.model_fault}")
    if done.model is None and done.pictures:
        print('Run "facerec-mqtt rebuild" to make a model of all photos.')
    return 0
