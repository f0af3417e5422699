"""What can go wrong with a household's files, each with the status that HTTP has for it."""

import contextlib
import errno
from collections.abc import Iterator
from typing import ClassVar

from facerec_mqtt.core.errors import EnrollmentError, FacerecError, ModelError
from facerec_mqtt.enrollment.changes import UnknownPersonError
from facerec_mqtt.history import HistoryError, MissingHistoryError


class HouseholdError(FacerecError):
    """Something was not done."""

    status: ClassVar[int] = 422


class NotThereError(HouseholdError):
    """There is no such visit, person, photo or version (any more)."""

    status = 404


class ConflictError(HouseholdError):
    """What is there at present does not allow it; somebody else may have changed it just now."""

    status = 409


class InvalidError(HouseholdError):
    """What was sent makes no sense."""

    status = 422


class TryAgainError(HouseholdError):
    """It cannot be done at present: the disk is full, a file is locked, another rebuild is running."""

    status = 503


@contextlib.contextmanager
def household_errors() -> Iterator[None]:
    """Turn what the packages below and the system report into an error with a status.

    Raises:
        HouseholdError: something failed.
        MissingHistoryError: there is no history yet.
    """
    try:
        yield
    except (HouseholdError, MissingHistoryError):
        raise
    except (HistoryError, ModelError) as error:
        raise TryAgainError(str(error)) from error
    except UnknownPersonError as error:
        raise NotThereError(str(error)) from error
    except EnrollmentError as error:
        raise ConflictError(str(error)) from error
    except OSError as error:
        raise TryAgainError(sentence_of(error)) from error


def sentence_of(error: OSError) -> str:
    """What the system reports, and what to do."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return "The disk is full; free some space and try again. Nothing was changed."
    where = f' "{error.filename}"' if isinstance(error.filename, str) else ""
    return f"The folder of photos or pictures cannot be changed ({error.strerror}{where}); make it writable."
