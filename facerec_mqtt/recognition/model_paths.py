"""Where everything lies in a model folder. Nobody else spells these names.

<model folder>/
current                     one line: the version in use
versions/<version>/
manifest.json           who and what, and the SHA-256 of the other files
model.npz               the arrays
report.json             what the rebuild found
report.html             the same as a page, where it was made
cache/photos.npz            what each photo gave, kept for the next rebuild
rebuild.lock                held while a rebuild runs
.restoring/                 what a restore is putting in place; there only while it does
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from facerec_mqtt.core.files import UNFINISHED_PREFIX

ARRAYS = "model.npz"
REPORT = "report.json"
MAX_FILE_BYTES = 64 * 2**20
"""Of a file of a version. A family of a hundred has less than a megabyte of arrays, and a report of all of
its photos a few."""


@dataclass(frozen=True, slots=True)
class ModelPaths:
    """Where everything lies in one model folder."""

    root: Path

    @property
    def current(self) -> Path:
        """The file that names the version in use."""
        return self.root / "current"

    @property
    def versions(self) -> Path:
        """The folder of all versions."""
        return self.root / "versions"

    @property
    def cache(self) -> Path:
        """The folder of what rebuilds keep for the next one."""
        return self.root / "cache"

    @property
    def photo_cache(self) -> Path:
        """What each photo gave."""
        return self.cache / "photos.npz"

    @property
    def rebuild_lock(self) -> Path:
        """The file that is locked while a rebuild runs."""
        return self.root / "rebuild.lock"

    @property
    def restoring(self) -> Path:
        """What a restore is putting in place, and what it has taken out."""
        return self.root / ".restoring"

    def version(self, version: str) -> Path:
        """The folder of a version."""
        return self.versions / version

    def manifest(self, version: str) -> Path:
        """Who a version knows, and the digests of its other files."""
        return self.version(version) / "manifest.json"

    def page(self, version: str) -> Path:
        """The report of a version as a page, if it was made."""
        return self.version(version) / "report.html"

    def unfinished(self) -> Iterator[Path]:
        """What a killed rebuild has left half written, or half deleted."""
        for folder in (self.root, self.versions, self.cache):
            yield from folder.glob(f"{UNFINISHED_PREFIX}*")
