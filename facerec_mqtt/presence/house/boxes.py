"""What is known of all boxes of a house. Whatever the order in which messages come, it ends as the same.

Of one topic MQTT keeps the order, and the broker retains the last message. Between topics there is none: a
box's claims may come before its status or long after it, twice, or as an older one after a newer.
"""

from dataclasses import dataclass

from facerec_mqtt.presence.house.claims import ALIVE_S, BoxClaims
from facerec_mqtt.presence.house.merging import BoxView

SILENT_S = 3.5 * ALIVE_S
"""A box that says nothing for so long is gone, whatever its status is."""


@dataclass(slots=True, eq=False)
class _Box:
    claims: BoxClaims | None = None
    online: bool = False
    gone_since_s: float | None = None
    """Since when it is known to be gone, in seconds of `time.monotonic`; `None` while it is not."""
    heard: bool = False
    """Whether its status came on the present connection."""
    heard_s: float = 0.0
    """When something last came of it."""
    silent: bool = False
    """Whether it is taken for gone since nothing comes of it, though its will has not said so."""


class Boxes:
    """Keeps what the boxes of a house have published.

    Args:
        own: node id of this box.
    """

    def __init__(self, own: str) -> None:
        self._own = own
        self._boxes: dict[str, _Box] = {}
        self._own_claims: BoxClaims | None = None

    def others_living(self, now_s: float) -> frozenset[str]:
        """Node ids of the other boxes that are there, as far as is known on this connection.

        Args:
            now_s: now, of `time.monotonic`.
        """
        self._doubt_silent(now_s)
        return frozenset(node for node, box in self._boxes.items() if box.online and box.heard)

    @property
    def nodes(self) -> frozenset[str]:
        """Node ids of all other boxes that are known."""
        return frozenset(self._boxes)

    @property
    def cameras(self) -> dict[str, tuple[str, str]]:
        """Each camera of another box, by slug: the box's node id, and the camera's display name."""
        return {
            slug: (node, name)
            for node, box in sorted(self._boxes.items(), reverse=True)
            if box.claims is not None
            for slug, name in box.claims.cameras.items()
        }

    def connecting(self) -> None:
        """A connection begins: what was known before is to be confirmed on it."""
        for box in self._boxes.values():
            box.heard = False

    def synchronised(self, now_s: float) -> None:
        """All that the broker retains has come: whoever is not among it is gone, or will come again.

        Args:
            now_s: now, of `time.monotonic`.
        """
        for box in self._boxes.values():
            if not box.heard:
                self._set_online(box, False, now_s)

    def own_claims(self, claims: BoxClaims) -> None:
        """This box claims something else now."""
        self._own_claims = claims

    def status(self, node: str, *, online: bool | None, now_s: float) -> None:
        """A box has said that it is there or not; or its will has.

        Args:
            node: its node id.
            online: `None` where its status was emptied: the box is no more.
            now_s: now, of `time.monotonic`.
        """
        if node == self._own:
            return
        if online is None:
            self._boxes.pop(node, None)
            return
        box = self._boxes.setdefault(node, _Box())
        box.heard, box.heard_s = True, now_s
        self._set_online(box, online, now_s)

    def claims(self, node: str, claims: BoxClaims, now_s: float, *, live: bool) -> None:
        """A box claims something; what it claimed after that stays.

        Args:
            node: its node id.
            claims: all that it claims.
            now_s: now, of `time.monotonic`.
            live: whether it says so just now, and the broker has not kept it.
        """
        if node == self._own:
            return
        box = self._boxes.setdefault(node, _Box(gone_since_s=now_s))
        self._drop_lapsed(box, now_s)
        if live:
            box.heard_s = now_s
            if box.silent:
                self._set_online(box, True, now_s)
        if box.claims is None or claims.revision > box.claims.revision:
            box.claims = claims

    def views(self, now_s: float) -> tuple[BoxView, ...]:
        """All boxes that have claimed something, this one too.

        Args:
            now_s: now, of `time.monotonic`.
        """
        self._doubt_silent(now_s)
        own = () if self._own_claims is None else (BoxView(self._own_claims, None),)
        return own + tuple(
            BoxView(box.claims, None if box.gone_since_s is None else max(0.0, now_s - box.gone_since_s))
            for box in self._boxes.values()
            if box.claims is not None
        )

    def _set_online(self, box: _Box, online: bool, now_s: float) -> None:
        if online:
            self._drop_lapsed(box, now_s)
            box.gone_since_s = None
        elif box.gone_since_s is None:
            box.gone_since_s = now_s
        box.online, box.silent = online, False

    def _doubt_silent(self, now_s: float) -> None:
        """Take boxes for gone whose will never came, as when they died while the broker was down."""
        for box in self._boxes.values():
            if box.online and now_s - box.heard_s >= SILENT_S:
                self._set_online(box, False, now_s)
                box.silent = True

    def _drop_lapsed(self, box: _Box, now_s: float) -> None:
        """Forget claims that count no more, so that a box that counts from the beginning again is heard."""
        if box.claims is None or box.gone_since_s is None:
            return
        if now_s - box.gone_since_s >= box.claims.lapse_s:
            box.claims = None
