"""Whether the household's folders can be used, and what mends those that cannot."""

import os
import shlex
import stat
from contextlib import closing
from pathlib import Path

from facerec_mqtt.core.errors import SettingsError
from facerec_mqtt.core.files import files_below
from facerec_mqtt.enrollment import folders_of_visitors, is_of_somebody, read_enrollment_folder
from facerec_mqtt.history import FILE as HISTORY
from facerec_mqtt.history import History, VisitFilter, history_errors


def check_enrollment_folder(folder: Path) -> str:
    """How many people and files are in the enrollment folder.

    Raises:
        FacerecError: it cannot be read, or a rebuild would refuse it.
    """
    try:
        entries = sorted(entry for entry in folder.iterdir() if entry.is_dir())
    except PermissionError as error:
        raise _unreadable(folder, error) from error
    except OSError as error:
        raise SettingsError(
            f'"{folder}" cannot be read ({error.strerror}); create it with one folder of photos for each '
            'person, such as "Anna/", or set FACEREC_ENROLLMENT_DIR.'
        ) from error
    people = [entry for entry in entries if is_of_somebody(entry)]
    visitors = folders_of_visitors(folder)
    if not people and not visitors:
        raise SettingsError(f'"{folder}" holds no person; create a folder of photos in it, such as "Anna/".')
    files = sum(map(_count_files, [*people, *visitors]))
    read_enrollment_folder(folder)  # whatever else a rebuild would refuse
    known = f", {len(visitors)} known visitors" if visitors else ""
    return f"{len(people)} people{known}, {files} files"


def check_writable(folder: Path, setting: str, later: str) -> str:
    """Whether a folder can be written.

    Args:
        folder: it need not exist.
        setting: that names it.
        later: what is said of one that does not exist yet.

    Raises:
        SettingsError: it cannot be.
    """
    # Unlike Path.exists, this takes what may not be read for what is not there.
    existing = next(path for path in (folder, *folder.absolute().parents) if os.path.exists(path))  # noqa: PTH110
    if not existing.is_dir() or not os.access(existing, os.W_OK | os.X_OK):
        mended = (_mended_by(folder) if existing == folder else None) or "make it writable for this user"
        raise SettingsError(f'"{folder}" cannot be written; {mended}, or set {setting}.')
    return "can be written" if existing == folder else later


def check_history(model_dir: Path, days_kept: int) -> str:
    """For how long visits are kept, and how many there are.

    Raises:
        FacerecError: the history cannot be read or written.
    """
    path = model_dir / HISTORY
    days = f"visits are kept for {days_kept} days"
    check_writable(model_dir, "FACEREC_MODEL_DIR", "")
    if not path.exists():
        return f"{days}; none yet"
    with history_errors(path), closing(History.open(path)) as history:
        history.try_to_write()
        return f"{days}; {history.count(VisitFilter())} so far"


def check_heartbeat(file: Path) -> str:
    """Whether the heartbeat file can be touched.

    Raises:
        SettingsError: it cannot be.
    """
    is_there = os.path.exists(file)  # noqa: PTH110 - as above
    can_touch = os.access(file, os.W_OK) if is_there else os.access(f"{file.parent}/", os.W_OK | os.X_OK)
    if not can_touch:
        raise SettingsError(
            f'"{file}" cannot be touched; set FACEREC_HEARTBEAT_FILE to a file in a folder that is writable.'
        )
    return f'"{file}" can be touched'


def _count_files(folder: Path) -> int:
    try:
        return sum(1 for _ in files_below(folder))
    except OSError as error:
        raise _unreadable(folder, error) from error


def _unreadable(folder: Path, error: OSError) -> SettingsError:
    mended = _mended_by(Path(error.filename or folder)) or "check its permissions"
    return SettingsError(f'The folder "{folder}" cannot be read ({error.strerror}); {mended}.')


def _mended_by(folder: Path) -> str | None:
    """Whose a folder is, who we are, and what mends it; `None` where it is ours or cannot be looked at."""
    try:
        facts = folder.stat()
    except OSError:
        return None
    if facts.st_uid == os.geteuid():
        return None
    us, owner = f"{os.geteuid()}:{os.getegid()}", f"{facts.st_uid}:{facts.st_gid}"
    # To become root so that files can be read is no advice.
    as_owner = f', or run as its owner (in compose.yaml: user: "{owner}")' if facts.st_uid else ""
    return (
        f"it belongs to {owner} (mode {stat.S_IMODE(facts.st_mode):03o}), and this runs as {us};"
        f" as root, run: chown -R {us} {shlex.quote(str(folder))}{as_owner}"
    )
