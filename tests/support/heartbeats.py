"""What systemd receives from a service."""

import socket


def received(listener: socket.socket) -> list[bytes]:
    """All that has come so far."""
    said = []
    while True:
        try:
            said.append(listener.recv(1000))
        except BlockingIOError:
            return said
