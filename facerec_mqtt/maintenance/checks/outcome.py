"""One check, and what it found."""

from collections.abc import Callable
from dataclasses import dataclass

from facerec_mqtt.core.errors import FacerecError

Check = Callable[[], str]
"""Tries one thing; returns what works, or raises what does not."""


@dataclass(frozen=True, slots=True)
class CheckOutcome:
    """What a check found."""

    what: str
    """`enrollment folder`: what was tried."""
    passed: bool
    sentence: str
    """What works, or what does not and what to do."""


def attempt_check(what: str, check: Check) -> CheckOutcome:
    """Try one thing.

    Args:
        what: it is.
        check: tries it.
    """
    try:
        return CheckOutcome(what, True, check())
    except FacerecError as error:
        return CheckOutcome(what, False, str(error))
