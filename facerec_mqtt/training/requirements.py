"""Whether TensorFlow can run here, checked before it is imported.

TensorFlow's wheels for x86-64 are compiled with AVX. Without it the import ends the process with
"Illegal instruction" and no reason; virtual machines often hide AVX.
Importing matplotlib also writes a list of fonts, which is not to stay on disk.
"""

import contextlib
import logging
import os
import platform
import sys
import tempfile
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

from facerec_mqtt.core.errors import FacerecError


def has_tensorflow() -> bool:
    """Whether TensorFlow is installed; it is not imported."""
    return find_spec("tensorflow") is not None


def require_tensorflow() -> None:
    """Raise when TensorFlow is not installed, or would crash on this processor.

    Raises:
        FacerecError: it is not there, or this is an x86-64 processor without AVX.
    """
    if not has_tensorflow():
        raise FacerecError(
            "TensorFlow is not installed here, and the rebuild needs it; install the whole package, or "
            "rebuild on another computer and copy the model folder."
        )
    cpuinfo = Path("/proc/cpuinfo")
    if platform.machine() == "x86_64" and cpuinfo.is_file() and not has_avx(cpuinfo.read_text()):
        raise FacerecError(
            "This processor shows no AVX instructions, which TensorFlow needs for the rebuild; in a virtual "
            'machine set the CPU type to "host", or rebuild on another computer and copy the model folder.'
        )


def has_avx(cpuinfo: str) -> bool:
    """Whether the text of `/proc/cpuinfo` names AVX in its flags."""
    return any(line.startswith("flags") and "avx" in line.split() for line in cpuinfo.splitlines())


_FOLDER = "MPLCONFIGDIR"


@contextlib.contextmanager
def unlisted_fonts() -> Iterator[None]:
    """Import matplotlib within this.

    It keeps the list of fonts that it finds then in the user's home, under a lock file that a process which
    is killed leaves behind, and for which every later one waits five seconds. Here it finds them each time,
    in a fraction of one.

    Raises:
        OSError: there is no space for a temporary folder.
    """
    if "matplotlib.font_manager" in sys.modules:
        yield
        return
    # On a full disk it logs at length that the list could not be kept, which it is not to be.
    logging.getLogger("matplotlib.font_manager").setLevel(logging.ERROR)
    before = os.environ.get(_FOLDER)
    with tempfile.TemporaryDirectory(prefix="facerec-mqtt-") as folder:
        os.environ[_FOLDER] = folder
        try:
            yield
        finally:
            if before is None:
                del os.environ[_FOLDER]
            else:
                os.environ[_FOLDER] = before
