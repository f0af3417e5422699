"""What can go wrong that the user can act on.

    FacerecError
    ├── SettingsError      a setting is missing, unknown or out of range
    ├── CameraError        a camera cannot be opened or read
    │   └── cameras.CameraFailedError  with the failure as an enum and its data
    ├── PictureError       a picture file cannot be read
    ├── EnrollmentError    the enrollment folder cannot be made into a model
    ├── ModelError         a model folder or a shipped weight file is missing, damaged or foreign
    ├── BrokerError        the MQTT broker refuses us
    └── CommandError       a command that came by MQTT cannot be carried out

Every message says what failed, the value received, and what to do. No message holds a secret.
"""

from pathlib import Path

from facerec_mqtt.core.rejections import Rejection


class FacerecError(Exception):
    """Root of all errors that a user can act on; the command line prints them as one line."""


class SettingsError(FacerecError):
    """A setting is missing, unknown or out of range."""


class CameraError(FacerecError):
    """A camera cannot be opened or read."""


class PictureError(FacerecError):
    """A picture file cannot be read.

    Args:
        rejection: why not.
        path: which file, where its name is not known to the caller.
    """

    def __init__(self, rejection: Rejection, path: Path | None = None) -> None:
        super().__init__(rejection, path)
        self.rejection = rejection
        self.path = path

    def __str__(self) -> str:
        place = "" if self.path is None else f"{self.path}: "
        return f"{place}{self.rejection.sentence}"


class EnrollmentError(FacerecError):
    """The enrollment folder cannot be made into a model."""


class ModelError(FacerecError):
    """A model folder or a shipped weight file is missing, damaged or foreign."""


class BrokerError(FacerecError):
    """The MQTT broker refuses us."""


class CommandError(FacerecError):
    """A command that came by MQTT cannot be carried out."""
