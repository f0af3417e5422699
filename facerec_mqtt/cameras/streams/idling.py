"""Which packets of a stream are decoded: all of them, or key frames alone while nothing moves."""

import math
from typing import TYPE_CHECKING, Any

from facerec_mqtt.cameras.streams.messages import Scene
from facerec_mqtt.cameras.streams.movement import PacketSizes

if TYPE_CHECKING:
    from av.packet import Packet
# What was suspected is looked for so long in every frame; the service says meanwhile whether something moves.
_SUSPECTED_S = 1.5
# Sizes tell of a movement so long before the service has seen it in pictures, or so long after, at most.
_BEFORE_S = 1.5
_AFTER_S = 0.5
_JUDGED_AFTER_S = 1.0
_PROVEN_AFTER = 5
_LONGEST_GROUP_S = 6.0
_MOST_BYTES = 8 * 2**20


class Idling:
    """Holds back what need not be decoded until it must be: nothing is lost by having waited.

    Where the encoder keeps to a constant bit rate, movement hardly shows in the sizes of packets. So a stream
    must have proven that it does: of the last movements that the service has seen in pictures, all were
    suspected by the sizes, in time. One that was not ends it, until others prove the contrary.
    """

    def __init__(self) -> None:
        self._sizes = PacketSizes()
        self._held: list[Packet[Any]] | None = None
        """The packets since the last key frame, that one included; `None` while all are decoded."""
        self._held_bytes = 0
        self._key_s = -math.inf
        self._was_still = False
        self._suspected_s = -math.inf
        self._proofs = 0
        self._is_possible = True
        # Of the movement that the service sees at present, or has seen last.
        self._began_s: float | None = None
        self._is_large = False
        self._is_noticed = False
        self._is_judged = False

    @property
    def idles(self) -> bool:
        """Whether key frames alone are decoded at present."""
        return self._held is not None

    def give_up(self) -> None:
        """Decode everything from now on: a key frame of this stream is no picture by itself."""
        self._is_possible, self._held = False, None

    def due(self, packet: "Packet[Any]", now_s: float, scene: Scene) -> "list[Packet[Any]]":
        """Take in the next packet.

        Args:
            packet: as it came.
            now_s: now, of `time.monotonic`.
            scene: what the service has seen.

        Returns:
            The packets to decode now, in order: this one, none, or all since the last key frame.
        """
        self._judge(scene, now_s)
        is_still = scene is Scene.STILL
        if packet.is_keyframe:
            self._sizes.add_key(now_s, still=self._was_still and is_still)
            self._key_s, self._was_still = now_s, is_still
            self._held, self._held_bytes = [packet] if is_still and self._may_idle(now_s) else None, 0
            return [packet]
        moves = self._sizes.add(packet.size)
        self._was_still = self._was_still and is_still
        if moves:
            self._suspected_s = now_s
        if self._held is None:
            return [packet]
        self._held.append(packet)
        self._held_bytes += packet.size
        is_long = now_s - self._key_s > _LONGEST_GROUP_S or self._held_bytes > _MOST_BYTES
        if is_still and not moves and not is_long:
            return []
        held, self._held = self._held, None
        return held

    def _may_idle(self, now_s: float) -> bool:
        is_proven = self._sizes.is_known and self._proofs >= _PROVEN_AFTER
        return self._is_possible and is_proven and now_s >= self._suspected_s + _SUSPECTED_S

    def _judge(self, scene: Scene, now_s: float) -> None:
        """Compare what the service sees in pictures with what the sizes have told."""
        if scene is Scene.STILL:
            self._began_s = None
            return
        if self._began_s is None:
            self._began_s, self._is_large, self._is_judged = now_s, False, not self._sizes.is_known
            self._is_noticed = self._suspected_s >= now_s - _BEFORE_S
        self._is_large = self._is_large or scene is Scene.MOVED
        self._is_noticed = self._is_noticed or self._began_s <= self._suspected_s <= self._began_s + _AFTER_S
        if now_s >= self._began_s + _JUDGED_AFTER_S and not self._is_judged:
            self._is_judged = True
            if self._is_large:
                self._proofs = self._proofs + 1 if self._is_noticed else 0
