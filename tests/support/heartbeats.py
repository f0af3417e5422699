"""What systemd hears of a service."""

import socket


def heard(listener: socket.socket) -> list[bytes]:
    """All that has come so far."""
    said = []
    while True:
        try:
            said.append(listener.recv(1000))
        except BlockingIOError:
            return said
