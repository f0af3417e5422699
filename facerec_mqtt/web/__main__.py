"""The process of the page: `python -m facerec_mqtt.web`, started by the service.

Its request comes on standard input, and when that ends, so does the process: it never outlives the service.
"""

import contextlib
import errno
import logging
import os
import resource
import signal
import socket
import ssl
import sys
from collections.abc import Iterator

import uvicorn
from fastapi import FastAPI

from facerec_mqtt.core.child_process import when_input_ends
from facerec_mqtt.monitoring.page_messages import PageRequest
from facerec_mqtt.web.access.connections import MAX_CONNECTIONS, connections_with
from facerec_mqtt.web.live.link import Live, report_failure
from facerec_mqtt.web.on_demand import load_on_demand

_log = logging.getLogger(__name__)
_UNSENT_MS = 30_000
"""Whoever takes nothing of an answer for this long has gone."""


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """The service decides when this process ends."""
        yield


def listen(host: str, port: int) -> socket.socket:
    """Open the port that is listened on.

    Raises:
        OSError: it cannot be opened.
    """
    family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    listening = socket.create_server(address[:2], family=family, dualstack_ipv6=host == "::", backlog=128)
    if hasattr(socket, "TCP_USER_TIMEOUT"):  # each connection has it from here
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _UNSENT_MS)
    return listening


def why_not(error: OSError, request: PageRequest) -> str:
    """Why the page cannot be served, in one sentence.

    Args:
        error: of `listen`, or of reading the certificate.
        request: the settings.
    """
    where = f"port {request.port} of {request.host}"
    match error:
        case ssl.SSLError():
            return (
                f"the certificate {request.tls_certificate} and the key {request.tls_key} do not fit or"
                " cannot be read; check FACEREC_WEB__TLS_CERTIFICATE and FACEREC_WEB__TLS_KEY"
            )
        case FileNotFoundError() | PermissionError() if request.tls_certificate is not None:
            return f"the certificate or its key cannot be read ({error.strerror}); check FACEREC_WEB__TLS_*"
        case socket.gaierror():
            return (
                f'the host "{request.host}" is unknown; set FACEREC_WEB__HOST to an address of this machine'
            )
    match error.errno:
        case errno.EADDRINUSE:
            return f"{where} is taken by another program; end it, or set FACEREC_WEB__PORT to another port"
        case errno.EADDRNOTAVAIL:
            return f"{request.host} is no address of this machine; set FACEREC_WEB__HOST to one that is"
        case errno.EACCES:
            return f"{where} may not be opened by this user; set FACEREC_WEB__PORT to one above 1023"
    return f"{where} cannot be opened ({error.strerror})"


def server_config(app: FastAPI, request: PageRequest) -> uvicorn.Config:
    """How uvicorn serves the page."""
    # Whoever sends nonsense is to fill no log; errors of ours are logged by us.
    logging.getLogger("uvicorn.error").setLevel(logging.ERROR)
    return uvicorn.Config(
        app,
        http=connections_with(request.believed),
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        limit_concurrency=MAX_CONNECTIONS + 1,
        timeout_graceful_shutdown=1,
        ssl_certfile=request.tls_certificate,
        ssl_keyfile=request.tls_key,
    )


def main() -> None:
    """Serve the page, as the request on standard input says."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    os.umask(0o077)
    # A core file would hold the password.
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # OpenCV makes the thumbnails of photos, and nothing else here.
    load_on_demand("cv2")
    from facerec_mqtt.web.app import create_app
    from facerec_mqtt.web.context import Context

    request = PageRequest.model_validate_json(sys.stdin.buffer.readline())
    when_input_ends(lambda: os._exit(0))
    logging.basicConfig(
        level=max(logging.getLevelNamesMapping()[request.log_level], logging.WARNING),
        format="%(asctime)s %(levelname)-7s The page: %(message)s",
        datefmt="%Y-%m-%d %H:%M:%S",
    )
    link = None if request.link_descriptor is None else socket.socket(fileno=request.link_descriptor)
    live = Live(request.cameras, link)
    try:
        listening = listen(request.host, request.port)
        config = server_config(create_app(Context.of(request, live)), request)
        config.load()
    except OSError as error:
        if link is not None:
            report_failure(link, why_not(error, request))
        sys.exit(1)
    _Server(config).run(sockets=[listening])


if __name__ == "__main__":
    main()
