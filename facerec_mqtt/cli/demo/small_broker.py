"""An MQTT broker inside the program, for loopback only: amqtt, on a thread of its own."""

import asyncio
import logging
import socket
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any

from facerec_mqtt.core.errors import BrokerError
from facerec_mqtt.settings import MqttSettings

_START_TIMEOUT_S = 20.0
_STOP_TIMEOUT_S = 5.0


@contextmanager
def small_broker() -> Iterator[MqttSettings]:
    """Run a broker on a free loopback port; gives what clients need to reach it.

    Raises:
        BrokerError: it does not start.
    """
    for name in ("amqtt", "transitions"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    port = _free_port()
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=_run, args=(loop,), name="broker", daemon=True)
    thread.start()
    try:
        starting = asyncio.run_coroutine_threadsafe(_start(port), loop)
        try:
            stop = starting.result(_START_TIMEOUT_S)
        except Exception as error:  # whatever amqtt finds wrong
            raise BrokerError(
                f"The demo's broker does not start on port {port} ({error!r}); "
                "set FACEREC_MQTT__HOST to use one of your own."
            ) from error
        try:
            # amqtt speaks 3.1.1 only.
            yield MqttSettings(host="127.0.0.1", port=port, protocol="3.1.1")
        finally:
            asyncio.run_coroutine_threadsafe(stop(), loop).result(_STOP_TIMEOUT_S)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(_STOP_TIMEOUT_S)


async def _start(port: int) -> Callable[[], Coroutine[Any, Any, None]]:
    """Start the broker; gives what stops it."""
    from amqtt.broker import Broker

    broker = Broker(
        {
            "listeners": {"default": {"type": "tcp", "bind": f"127.0.0.1:{port}", "max_connections": 50}},
            "plugins": {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}},
        }
    )
    await broker.start()
    stop: Callable[[], Coroutine[Any, Any, None]] = broker.shutdown
    return stop


def _run(loop: asyncio.AbstractEventLoop) -> None:
    """Run an event loop until it is stopped, then end what still runs in it."""
    asyncio.set_event_loop(loop)
    try:
        loop.run_forever()
        left = asyncio.all_tasks(loop)
        for task in left:
            task.cancel()
        loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
    finally:
        loop.close()


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port
