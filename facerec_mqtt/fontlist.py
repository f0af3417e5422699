"""Matplotlib's list of fonts, which is not to stay on disk."""

import contextlib
import logging
import os
import sys
import tempfile
from collections.abc import Iterator

_FOLDER = "MPLCONFIGDIR"


@contextlib.contextmanager
def unlisted_fonts() -> Iterator[None]:
    """Import matplotlib within this, or Keras, which imports it.

    It keeps the list of fonts that it finds then in the user's home, under a lock file that a process which
    is killed leaves behind, and for which every later one waits five seconds. Here it finds them each time,
    in a fraction of one.

    Raises:
        OSError: there is no room for a temporary folder.
    """
    if "matplotlib.font_manager" in sys.modules:
        yield
        return
    # Where the disk is full it says at length that the list could not be kept, which it is not to be.
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
