"""Whether TensorFlow can run here, told before it is imported.

TensorFlow's wheels for x86-64 are compiled with AVX. Without it the import ends the process with
"Illegal instruction" and no word of why; virtual machines hide AVX often.
"""

import platform
from importlib.util import find_spec
from pathlib import Path

from facerec_mqtt.errors import FacerecError


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
