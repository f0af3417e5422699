"""Disks of a test's own that are small or cannot be written, where the system lets us make them."""

import errno
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

SMALL_DISK_KIB = 512


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of half a megabyte."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={SMALL_DISK_KIB}k,mode=755", "tmpfs", folder],
        capture_output=True,
        check=False,
    )
    if mounted.returncode != 0:
        pytest.skip("a small disk can be mounted by root only")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


def fill(disk: Path, *, leave: int = 0) -> None:
    """Fill a disk except for so many bytes."""
    free = os.statvfs(disk)
    (disk / "ballast").write_bytes(bytes(max(0, free.f_bavail * free.f_frsize - leave)))


@pytest.fixture
def forbid(monkeypatch: pytest.MonkeyPatch) -> Callable[[Path], None]:
    """Lets a folder be listed by nobody; permissions would not keep root out, and tests may run as root."""
    entries, scan = Path.iterdir, os.scandir

    def forbid_one(folder: Path) -> None:
        def refuse(path: Path) -> None:
            if path == folder:
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))

        def iterdir(path: Path) -> Iterator[Path]:
            refuse(path)
            return entries(path)

        def scandir(path: Path | str | int = ".") -> Iterator[os.DirEntry[str]]:
            if not isinstance(path, int):
                refuse(Path(path))
            return scan(path)

        monkeypatch.setattr(Path, "iterdir", iterdir)
        monkeypatch.setattr(os, "scandir", scandir)  # what os.walk lists with

    return forbid_one
