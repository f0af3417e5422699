"""Connections: how long each may take to ask for something, and who gives way when there are too many."""

import asyncio
from collections import Counter
from collections.abc import Iterable
from typing import ClassVar

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from facerec_mqtt.web.access.addresses import Networks, counted_as, is_in, networks

HEAD_WITHIN_S = 20.0
"""A request whose head has not come as a whole by then does not come."""
DISCARD_WITHIN_S = 60.0
"""For so long the rest of a refused body is read and dropped: a browser reads the answer after it."""
MAX_CONNECTIONS = 256


class Connection(H11Protocol):
    """A connection that is ended where a request does not begin, or its head is not complete, in time.

    When there are too many, whoever has most of them loses one: of those on which nothing is asked for, or
    where there is none of all, the one on which nothing has come for longest. A proxy that is believed speaks
    for many people, and keeps those that are at work.
    """

    proxies: ClassVar[Networks] = ()
    """That are believed."""
    used_s = 0.0
    """When something came last."""
    address = ""
    """Who counts as one."""
    is_of_proxy = False
    _timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Somebody has connected, and is to ask for something."""
        super().connection_made(transport)
        self.used_s = self.loop.time()
        peer = self.client[0] if self.client else ""
        self.address, self.is_of_proxy = counted_as(peer), is_in(peer, self.proxies)
        if len(self.connections) > MAX_CONNECTIONS:
            self._make_room()
        self._wait(HEAD_WITHIN_S)

    def data_received(self, data: bytes) -> None:
        """Some of a request has come."""
        self.used_s = self.loop.time()
        super().data_received(data)
        if self.is_idle:
            self._wait(DISCARD_WITHIN_S if self.conn.their_state is h11.SEND_BODY else HEAD_WITHIN_S)
        else:
            self._stop_waiting()

    def connection_lost(self, exc: Exception | None) -> None:
        """Nobody is there any more."""
        self._stop_waiting()
        super().connection_lost(exc)

    @property
    def is_idle(self) -> bool:
        """Whether no request is being answered."""
        return self.cycle is None or self.cycle.response_complete

    def _make_room(self) -> None:
        others = [each for each in self.connections if isinstance(each, Connection) and each is not self]
        count = Counter(each.address for each in others)
        most = max(count.values())
        crowd = [each for each in others if count[each.address] == most]
        # Where none may be ended, this one is refused by uvicorn's own limit.
        if able := [each for each in crowd if each.is_idle or not each.is_of_proxy]:
            ended = min(able, key=lambda each: (not each.is_idle, each.used_s))
            self.connections.discard(ended)
            ended.transport.abort()

    def _wait(self, seconds: float) -> None:
        if self._timer is None:
            self._timer = self.loop.call_later(seconds, self.transport.abort)

    def _stop_waiting(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def connections_with(proxies: Iterable[str]) -> type[Connection]:
    """The class of connections where some proxies are believed.

    Args:
        proxies: addresses and networks.
    """

    class OfThisPage(Connection):
        pass

    OfThisPage.proxies = networks(proxies)
    return OfThisPage
