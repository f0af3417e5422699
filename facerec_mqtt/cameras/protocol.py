"""The messages between the service and a camera's reader process, and what can go wrong with a camera.

See `core.child_process` for how they are written. A failure is a code with its data from where it arises to
where a person reads it; the one sentence for each is made here.
"""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import ClassVar

from facerec_mqtt.cameras.streams.messages import DecodedBy, StillUnchanged
from facerec_mqtt.core.errors import CameraError


class FailureKind(StrEnum):
    """What went wrong. The names are also those of the reader's messages."""

    LOGIN_MISSING = "login_missing"
    UNAUTHORIZED = "unauthorized"
    TOKEN_REFUSED = "token_refused"  # noqa: S105 - no token
    LOGIN_KIND = "login_kind"
    NOT_FOUND = "not_found"
    STATUS = "status"
    REDIRECTED = "redirected"
    TIMEOUT = "timeout"
    UNKNOWN_HOST = "unknown_host"
    REFUSED = "refused"
    UNREACHABLE = "unreachable"
    UNTRUSTED = "untrusted"
    WRONG_CERTIFICATE = "wrong_certificate"
    SLOW = "slow"
    HUNG_UP = "hung_up"
    NOT_RTSP = "not_rtsp"
    NOT_HTTP = "not_http"
    TRANSPORT = "transport"
    NO_VIDEO = "no_video"
    CODEC = "codec"
    PLAYLIST_BY_HTTPS = "playlist_by_https"
    UNDECODABLE = "undecodable"
    NO_PICTURE = "no_picture"
    PICTURE_TOO_LARGE = "picture_too_large"
    NO_FILE = "no_file"
    NOT_A_VIDEO = "not_a_video"
    EMPTY_FOLDER = "empty_folder"
    UNREADABLE_FOLDER = "unreadable_folder"
    NO_DEVICE = "no_device"
    DEVICE_UNREADABLE = "device_unreadable"
    ENDED = "ended"
    SILENT = "silent"
    NOT_AT_FRIGATE = "not_at_frigate"
    OFFLINE_AT_FRIGATE = "offline_at_frigate"
    NO_FRIGATE = "no_frigate"
    FRIGATE_STOPPED = "frigate_stopped"
    NO_BROKER = "no_broker"
    TOPIC_DENIED = "topic_denied"
    NEEDS_SERVICE = "needs_service"
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
    """`host:port`, a path, a device, or the fingerprint of a certificate."""
    detail: str | None = None
    """What the system or a library says."""
    seconds: float | None = None
    """Of silence."""

    @property
    def needs_action(self) -> bool:
        """Whether waiting alone will not help: somebody has to set something right."""
        return self.kind in _NEED_ACTION

    @property
    def is_of_picture(self) -> bool:
        """Whether what came was no picture, so that only a picture shows that this is over."""
        return self.kind in (FailureKind.NO_PICTURE, FailureKind.PICTURE_TOO_LARGE)

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
    FailureKind.LOGIN_MISSING: "asks for a login ({status}); set username and password, or a token",
    FailureKind.UNAUTHORIZED: "refuses the login ({status}); check username and password",
    FailureKind.TOKEN_REFUSED: "refuses the token ({status}); make a new one there, and set it as token",
    FailureKind.LOGIN_KIND: (
        "asks for a kind of login that is not supported ({detail}); choose Digest or Basic in its settings"
    ),
    FailureKind.NOT_FOUND: "has no such path ({status}); check what follows {place} in its URL",
    FailureKind.STATUS: "refuses the stream or picture (status {status}); see its manual or restart it",
    FailureKind.REDIRECTED: (
        "leads from one address to the next without end ({status}); set the URL of the picture itself"
    ),
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
        "shows a certificate that is not trusted ({detail}); if it is the camera's own, set"
        ' "tls_fingerprint": "{place}"'
    ),
    FailureKind.WRONG_CERTIFICATE: (
        'shows another certificate than "tls_fingerprint" says; if the camera has a new one, set'
        ' "tls_fingerprint": "{place}"'
    ),
    FailureKind.SLOW: (
        "accepts the connection but did not send its stream within {seconds} s; if it is slow to wake up,"
        " raise read_timeout_s, otherwise restart it"
    ),
    FailureKind.HUNG_UP: "ends the connection without an answer; restart it",
    FailureKind.NOT_HTTP: "does not speak HTTP at {place}; check the port and http or https in its URL",
    FailureKind.TRANSPORT: (
        'refuses the RTSP transport ({detail}); set "transport" of this camera to auto, tcp or udp'
    ),
    FailureKind.NO_VIDEO: "sends no video; check its URL",
    FailureKind.NOT_RTSP: "does not speak RTSP; check the port in its URL",
    FailureKind.CODEC: "offers a stream that cannot be decoded; choose H.264 or H.265 in its settings",
    FailureKind.PLAYLIST_BY_HTTPS: "sends an HLS playlist by https, which is not supported; use http or rtsp",
    FailureKind.UNDECODABLE: "sends data that cannot be decoded ({detail})",
    FailureKind.NO_PICTURE: "sends no picture: {detail}",
    FailureKind.PICTURE_TOO_LARGE: "sends more than {detail} as one picture; give another URL or topic",
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
    FailureKind.NOT_AT_FRIGATE: 'is not known to Frigate as "{place}"; check the name at the end of its URL',
    FailureKind.OFFLINE_AT_FRIGATE: "is offline at Frigate; look at the camera there",
    FailureKind.NO_FRIGATE: (
        'waits for Frigate, which says nothing on "{place}"; check that mqtt: in its configuration names the'
        " same broker, and FACEREC_FRIGATE__TOPIC_PREFIX"
    ),
    FailureKind.FRIGATE_STOPPED: "gets no pictures: Frigate is not running",
    FailureKind.NO_BROKER: "gets no pictures: there is no connection to the broker",
    FailureKind.TOPIC_DENIED: 'gets no pictures: the broker does not let us read "{place}"; allow it there',
    FailureKind.NEEDS_SERVICE: (
        "has its pictures by MQTT, which only the running service gets; take them with the page or with the"
        " command capture"
    ),
    FailureKind.NO_PROCESS: "cannot be read: no process can be started ({detail})",
    FailureKind.READER_EXITED: "cannot be read: the reader exited unexpectedly; check available memory",
    FailureKind.READER_INVALID: "cannot be read: the reader sent an invalid message ({detail})",
    FailureKind.INTERNAL: "cannot be read because of an error in this program ({detail}); please report it",
}
_NEED_ACTION = frozenset(
    (
        FailureKind.LOGIN_MISSING,
        FailureKind.UNAUTHORIZED,
        FailureKind.TOKEN_REFUSED,
        FailureKind.TOPIC_DENIED,
        FailureKind.NOT_AT_FRIGATE,
        FailureKind.NO_FRIGATE,
        FailureKind.LOGIN_KIND,
        FailureKind.NOT_FOUND,
        FailureKind.UNTRUSTED,
        FailureKind.WRONG_CERTIFICATE,
        FailureKind.TRANSPORT,
        FailureKind.CODEC,
        FailureKind.PLAYLIST_BY_HTTPS,
    )
)


@dataclass(frozen=True, slots=True)
class ReaderRequest:
    """One connection to one camera: the first message to a reader, on standard input. A secret."""

    TYPE: ClassVar[str] = "read"
    kind: str
    """As `CameraSettings.kind`."""
    url: str
    """Without user and password."""
    address: str = field(repr=False)
    """With them, percent-encoded."""
    username: str | None = field(repr=False)
    password: str | None = field(repr=False)
    token: str | None = field(repr=False)
    fps: float
    """Frames a second to deliver, at most."""
    timeout_s: float
    """Silence after which the service ends the reader; also for connecting."""
    open_timeout_s: float
    """How long it may take to describe its stream, or to begin with a picture."""
    transport: str
    """As `CameraSettings.transport`."""
    rotate: int
    """Degrees clockwise, by which its pictures are turned: 0, 90, 180 or 270."""
    tls_fingerprint: str | None
    """SHA-256 of the only certificate to trust, in hexadecimal digits."""
    hardware: str | None = None
    """As `CameraSettings.hardware_decoding`; `None` for off."""


HANDED = frozenset(("mqtt", "frigate"))
"""Kinds of camera to whose reader the service hands something."""
LONGEST_HANDED = 16 * 2**20
"""Bytes of a picture that is handed to a reader; of a longer one, one more is handed over."""


@dataclass(frozen=True, slots=True, eq=False)
class HandedPicture:
    """The bytes of a picture file, which may be anything."""

    came_at_s: float
    """When the service got it, in seconds of `time.monotonic`."""
    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class PictureFollows:
    """To a reader that was started for it, again and again: so many bytes of a picture file follow."""

    TYPE: ClassVar[str] = "picture"
    came_at_s: float
    """In seconds of `time.monotonic`."""
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Want:
    """To a reader that fetches its pictures only while they are wanted; until the first, they are."""

    TYPE: ClassVar[str] = "want"
    until_s: float
    """Pictures are wanted until this moment of `time.monotonic`."""


@dataclass(frozen=True, slots=True)
class Alive:
    """Something came from the camera, or nothing is due yet."""

    TYPE: ClassVar[str] = "alive"


@dataclass(frozen=True, slots=True)
class Ready:
    """The camera is there, and gives pictures only when something happens."""

    TYPE: ClassVar[str] = "ready"


@dataclass(frozen=True, slots=True)
class Opened:
    """The first picture is about to come."""

    TYPE: ClassVar[str] = "opened"
    width_px: int
    height_px: int
    fps: float
    """Frames a second that the camera sends."""


@dataclass(frozen=True, slots=True)
class FrameWritten:
    """A picture is in the shared frame."""

    TYPE: ClassVar[str] = "frame"
    captured_at_s: float
    """In seconds of `time.monotonic`."""


@dataclass(frozen=True, slots=True)
class Failed:
    """The reader cannot go on, and ends."""

    TYPE: ClassVar[str] = "failed"
    kind: FailureKind
    status: int | None
    place: str | None
    detail: str | None
    seconds: float | None

    @classmethod
    def of(cls, failure: CameraFailure) -> "Failed":
        """Make the message of a failure."""
        return cls(failure.kind, failure.status, failure.place, failure.detail, failure.seconds)

    @property
    def failure(self) -> CameraFailure:
        """Why."""
        return CameraFailure(self.kind, self.status, self.place, self.detail, self.seconds)


Status = Alive | Ready | Opened | FrameWritten | StillUnchanged | DecodedBy | Failed
"""What a reader sends, on the pipe that it is started with."""
STATUSES: tuple[type[Status], ...] = (
    Alive,
    Ready,
    Opened,
    FrameWritten,
    StillUnchanged,
    DecodedBy,
    Failed,
)
