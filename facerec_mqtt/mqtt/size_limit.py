"""How large a message may be for a broker: as it says, or as its connections show."""

MIN_GUESS_BYTES = 1024
"""No broker is taken for one that refuses messages of this size unless it says so; events are smaller."""


def packet_bytes(topic: str, payload_bytes: int) -> int:
    """Size of a message as the broker counts it: the whole PUBLISH packet of QoS 1 in MQTT 5.

    See MQTT 5.0, sections 2.1.4 and 3.3: a byte, the length, the topic with its length, the identifier, no
    properties.
    """
    rest = 2 + len(topic.encode()) + 2 + 1 + payload_bytes
    return 1 + max(1, -(-rest.bit_length() // 7)) + rest


class SizeLimit:
    """The largest message that the broker takes: as it says, or as its connections show.

    A broker with MQTT 3.1.1 cannot declare it, and ends the connection. Where two connections in a row break
    just after something large was sent, and before it was acknowledged, nothing as large is sent again; from
    then on, one connection is enough for what is larger than all that was acknowledged.
    """

    def __init__(self) -> None:
        self._declared: int | None = None
        self._guessed: int | None = None
        self._suspected: int | None = None
        self._proven = 0

    @property
    def bytes(self) -> int | None:
        """In bytes, of the whole packet; `None` when nothing is known."""
        known = [limit for limit in (self._declared, self._guessed) if limit is not None]
        return min(known, default=None)

    @property
    def is_guess(self) -> bool:
        """Whether the broker has not said so itself."""
        return self.bytes != self._declared

    def connected(self, declared: int | None) -> None:
        """There is a connection to a broker that declares this limit."""
        self._declared = declared

    def acknowledged(self, size: int) -> None:
        """The broker has taken a message of this size."""
        self._proven = max(self._proven, size)

    def lost(self, largest: int | None, *, certain: bool) -> bool:
        """A connection broke.

        Args:
            largest: size of the largest message that was just sent and not acknowledged; `None` when there
                was none, or when this connection has taken a larger one.
            certain: whether the broker says that a message was too large.

        Returns:
            Whether size may be the cause.
        """
        unlikely = largest is None or largest < MIN_GUESS_BYTES or self._declared is not None
        if largest is None or (unlikely and not certain):
            self._suspected = None
            return False
        known_kind = self._guessed is not None and largest > self._proven
        if certain or known_kind or self._suspected is not None:
            self._guessed = min(largest, self._suspected or largest) - 1
        self._suspected = largest
        return True
