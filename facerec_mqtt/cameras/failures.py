"""What can go wrong with a camera: a code with its data, and one sentence for each, made here alone."""

from dataclasses import dataclass
from enum import StrEnum

from facerec_mqtt.core.errors import CameraError


class FailureKind(StrEnum):
    """What went wrong. The names are also those of the reader's messages."""

    LOGIN_MISSING = "login_missing"
    UNAUTHORIZED = "unauthorized"
    NOT_FOUND = "not_found"
    STATUS = "status"
    TIMEOUT = "timeout"
    UNKNOWN_HOST = "unknown_host"
    REFUSED = "refused"
    UNREACHABLE = "unreachable"
    UNTRUSTED = "untrusted"
    HUNG_UP = "hung_up"
    NOT_RTSP = "not_rtsp"
    CODEC = "codec"
    UNDECODABLE = "undecodable"
    NO_PICTURE = "no_picture"
    PICTURE_TOO_LARGE = "picture_too_large"
    VIDEO_STREAM = "video_stream"
    NO_FILE = "no_file"
    NOT_A_VIDEO = "not_a_video"
    EMPTY_FOLDER = "empty_folder"
    UNREADABLE_FOLDER = "unreadable_folder"
    NO_DEVICE = "no_device"
    DEVICE_UNREADABLE = "device_unreadable"
    ENDED = "ended"
    SILENT = "silent"
    NO_PROCESS = "no_process"
    READER_EXITED = "reader_exited"
    READER_INVALID = "reader_invalid"
    INTERNAL = "internal"


@dataclass(frozen=True, slots=True)
class CameraFailure:
    """Why a camera gives no picture. Holds no secret."""

    kind: FailureKind
    status: int | None = None
    """The answer's, in HTTP or RTSP."""
    place: str | None = None
    """`host:port`, a path or a device."""
    detail: str | None = None
    """What the system or a library says."""
    seconds: float | None = None
    """Of silence."""

    @property
    def needs_action(self) -> bool:
        """Whether waiting alone will not help: somebody has to set something right."""
        return self.kind in _NEED_ACTION

    @property
    def sentence(self) -> str:
        """What happened and what to do, without subject and full stop: "refuses the login (401); ..."."""
        seconds = "" if self.seconds is None else f"{self.seconds:g}"
        return _SENTENCES[self.kind].format(
            status=self.status, place=self.place, detail=self.detail, seconds=seconds
        )


class CameraFailedError(CameraError):
    """A camera cannot be opened or read.

    Args:
        failure: why.
        camera: its name, for the sentence.
    """

    def __init__(self, failure: CameraFailure, camera: str | None = None) -> None:
        subject = "The camera" if camera is None else f'Camera "{camera}"'
        super().__init__(f"{subject} {failure.sentence}.")
        self.failure = failure


def failed(
    kind: FailureKind,
    *,
    status: int | None = None,
    place: object = None,
    detail: str | None = None,
    seconds: float | None = None,
) -> CameraFailedError:
    """Make the error of a failure, to be raised."""
    return CameraFailedError(
        CameraFailure(kind, status, None if place is None else str(place), detail, seconds)
    )


_SENTENCES = {
    FailureKind.LOGIN_MISSING: "asks for a login ({status}); set username and password",
    FailureKind.UNAUTHORIZED: "refuses the login ({status}); check username and password",
    FailureKind.NOT_FOUND: "has no such path ({status}); check what follows {place} in its URL",
    FailureKind.STATUS: "refuses the stream or picture (status {status}); see its manual or restart it",
    FailureKind.TIMEOUT: (
        "cannot be reached: {place} does not answer; check that it is on and the address is right"
    ),
    FailureKind.UNKNOWN_HOST: 'cannot be reached: the host name "{place}" is not known; check its spelling',
    FailureKind.REFUSED: (
        "cannot be reached: {place} refuses connections; check that the service is switched on at the camera"
        " and the port is right"
    ),
    FailureKind.UNREACHABLE: "cannot be reached: {place}, {detail}; check that the address is right",
    FailureKind.UNTRUSTED: (
        "cannot be trusted: {detail}; name its certificate in SSL_CERT_FILE, or use http://"
    ),
    FailureKind.HUNG_UP: "ends the connection without an answer; restart it",
    FailureKind.NOT_RTSP: "does not speak RTSP; check the port in its URL",
    FailureKind.CODEC: "offers a stream that cannot be decoded; choose H.264 in its settings",
    FailureKind.UNDECODABLE: "sends data that cannot be decoded ({detail})",
    FailureKind.NO_PICTURE: "sends no picture: {detail}",
    FailureKind.PICTURE_TOO_LARGE: "sends more than {detail}; give the URL of one picture",
    FailureKind.VIDEO_STREAM: "sends a video stream, not pictures; give the URL of its snapshots",
    FailureKind.NO_FILE: 'does not exist: there is no file or folder "{place}"',
    FailureKind.NOT_A_VIDEO: 'cannot be opened: "{place}" is not a video, or a damaged one',
    FailureKind.EMPTY_FOLDER: 'has no pictures: "{place}" holds no JPEG, PNG or WebP that can be read',
    FailureKind.UNREADABLE_FOLDER: 'cannot be read: the folder "{place}", {detail}',
    FailureKind.NO_DEVICE: "does not exist: there is no {place}",
    FailureKind.DEVICE_UNREADABLE: (
        "cannot be opened; check that {place} may be read and that no other program uses it"
    ),
    FailureKind.ENDED: "has ended its stream",
    FailureKind.SILENT: "gave no picture for {seconds} s; check that it is on",
    FailureKind.NO_PROCESS: "cannot be read: no process can be started ({detail})",
    FailureKind.READER_EXITED: "cannot be read: the reader exited unexpectedly; check available memory",
    FailureKind.READER_INVALID: "cannot be read: the reader sent an invalid message ({detail})",
    FailureKind.INTERNAL: "cannot be read because of an error in this program ({detail}); please report it",
}
_NEED_ACTION = frozenset(
    (
        FailureKind.LOGIN_MISSING,
        FailureKind.UNAUTHORIZED,
        FailureKind.NOT_FOUND,
        FailureKind.UNTRUSTED,
        FailureKind.CODEC,
        FailureKind.VIDEO_STREAM,
    )
)
