"""Why a camera cannot be reached, from what it answers; logins, certificates, the relay."""

import hashlib
import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

import pytest

from facerec_mqtt.cameras.network import Address, Login, ask_rtsp
from facerec_mqtt.cameras.protocol import CameraFailedError, CameraFailure, FailureKind
from tests.support.rtsp import StartRtsp

PASSWORD = "p@ss:w/rd#%?"
PATIENCE_S = 60.0


@contextmanager
def server_that_says(answers: Sequence[bytes]) -> Iterator[tuple[str, list[bytes]]]:
    """A server of one connection, which gives these answers, and the questions it was asked."""
    asked: list[bytes] = []
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        connection, _ = listener.accept()
        # Who asks may hang up before all is said.
        with connection, suppress(ConnectionError):
            for answer in answers:
                asked.append(connection.recv(65536))
                connection.sendall(answer)
            # Not closed before the other has read all.
            while connection.recv(65536):
                pass

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    with listener:
        yield f"rtsp://127.0.0.1:{listener.getsockname()[1]}/sub", asked


def describe(
    url: str, username: str | None = None, password: str | None = None, timeout_s: float = PATIENCE_S
) -> None:
    connection, _ = ask_rtsp(Address.of(url, None), url, Login.of(username, password), timeout_s)
    connection.close()


def failure_of(
    url: str, username: str | None = None, password: str | None = None, timeout_s: float = PATIENCE_S
) -> CameraFailure:
    with pytest.raises(CameraFailedError) as caught:
        describe(url, username, password, timeout_s)
    return caught.value.failure


@pytest.mark.parametrize(
    ("answer", "kind", "status"),
    [
        (b"RTSP/1.0 404 Not Found\r\nCSeq: 1\r\n\r\n", FailureKind.NOT_FOUND, 404),
        (b"RTSP/1.0 403 Forbidden\r\n\r\n", FailureKind.LOGIN_MISSING, 403),
        (b"RTSP/1.0 453 Not Enough Bandwidth\r\n\r\n", FailureKind.STATUS, 453),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", FailureKind.NOT_RTSP, None),
        (b"RTSP/x nonsense\r\n\r\n", FailureKind.NOT_RTSP, None),
        (b"RTSP/1.0 200" + b"x" * 70000, FailureKind.NOT_RTSP, None),
    ],
)
def test_the_answer_becomes_a_failure(answer: bytes, kind: FailureKind, status: int | None) -> None:
    with server_that_says([answer]) as (url, _):
        failure = failure_of(url)
    assert (failure.kind, failure.status) == (kind, status)


def test_a_stream_that_is_offered_is_no_complaint() -> None:
    with server_that_says([b"RTSP/1.0 200 OK\r\nCSeq: 1\r\nContent-Length: 0\r\n\r\n"]) as (url, asked):
        describe(url)
    assert asked[0].startswith(f"DESCRIBE {url} RTSP/1.0\r\n".encode())


def test_nobody_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    failure = failure_of(f"rtsp://127.0.0.1:{port}/sub")
    assert failure == CameraFailure(FailureKind.REFUSED, place=f"127.0.0.1:{port}")


def test_a_name_that_nobody_has() -> None:
    failure = failure_of("rtsp://nobody.invalid/sub")
    assert failure == CameraFailure(FailureKind.UNKNOWN_HOST, place="nobody.invalid")


def test_a_server_that_is_silent() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"rtsp://127.0.0.1:{listener.getsockname()[1]}/sub"
        assert failure_of(url, timeout_s=0.2).kind is FailureKind.TIMEOUT


def test_the_example_of_the_standard_is_answered_as_it_says() -> None:
    # RFC 2617, 3.5, but with the method and URI of this server and without qop, as RTSP cameras ask.
    challenge = b'RTSP/1.0 401 No\r\nWWW-Authenticate: Digest realm="r,s", nonce="dcd98b"\r\n\r\n'
    with server_that_says([challenge, b"RTSP/1.0 200 OK\r\n\r\n"]) as (url, asked):
        describe(url, "cam", PASSWORD)
    assert b'realm="r,s", nonce="dcd98b"' in asked[1]
    assert PASSWORD.encode() not in asked[1]


@pytest.mark.parametrize("kind", ["digest", "basic"])
def test_a_real_server_takes_the_right_login_only(start_rtsp: StartRtsp, kind: str, clip: object) -> None:
    server = start_rtsp({"/front": [clip]}, login=(kind, "cam", PASSWORD))
    url = server.url("/front")
    describe(url, "cam", PASSWORD)
    assert failure_of(url, "cam", "wrong").kind is FailureKind.UNAUTHORIZED
    assert failure_of(url).kind is FailureKind.LOGIN_MISSING
    assert failure_of(server.url("/back"), "cam", PASSWORD).kind is FailureKind.NOT_FOUND


@pytest.mark.parametrize("extra", [', qop="auth"', ", algorithm=SHA-256", ', opaque="x", stale=FALSE'])
def test_other_kinds_of_digest_are_answered_too(extra: str) -> None:
    challenge = f'RTSP/1.0 401 No\r\nWWW-Authenticate: Digest realm="r", nonce="n"{extra}\r\n\r\n'
    with server_that_says([challenge.encode(), b"RTSP/1.0 200 OK\r\n\r\n"]) as (url, asked):
        describe(url, "cam", PASSWORD)
    assert b'response="' in asked[1]


@pytest.mark.parametrize(
    ("challenge", "kinds"),
    [
        ("Kerberos", "Kerberos"),
        ('Digest realm="r, Basic x=1", nonce="n", algorithm=SHA-512-256', "Digest SHA-512-256"),
        ('Negotiate, NTLM realm="x"', "Negotiate, Ntlm"),
    ],
)
def test_a_login_of_an_unknown_kind_is_not_tried_and_named(challenge: str, kinds: str) -> None:
    answer = f"RTSP/1.0 401 No\r\nWWW-Authenticate: {challenge}\r\n\r\n".encode()
    with server_that_says([answer]) as (url, asked):
        assert failure_of(url, "cam", PASSWORD) == CameraFailure(FailureKind.LOGIN_KIND, detail=kinds)
    assert len(asked) == 1


@pytest.mark.parametrize(
    "challenges",
    [
        ['Basic realm="r"', 'Digest realm="r", nonce="n"'],
        ['Basic realm="r", Digest realm="r", nonce="n"'],
        ['Digest realm="a \\"quoted\\" realm", nonce="n", qop="auth,auth-int", algorithm=SHA-256'],
        ['Digest realm="r", nonce="n", algorithm=SHA-512-256', 'Digest realm="r", nonce="n", algorithm=md5'],
    ],
)
def test_of_several_kinds_of_login_a_digest_that_is_known_is_chosen(challenges: list[str]) -> None:
    answer = Login("cam", PASSWORD).answer(challenges, "DESCRIBE", "rtsp://h/x")
    assert answer is not None
    assert answer.startswith("Digest ")
    assert PASSWORD not in answer


def test_the_example_of_rfc_7616_without_its_client_nonce() -> None:
    nonce = "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcC"
    challenge = f'Digest realm="http-auth@example.org", algorithm=SHA-256, nonce="{nonce}"'
    answer = Login("Mufasa", "Circle of Life").answer([challenge], "GET", "/dir/index.html")
    mine = hashlib.sha256(b"Mufasa:http-auth@example.org:Circle of Life").hexdigest()
    asked = hashlib.sha256(b"GET:/dir/index.html").hexdigest()
    expected = hashlib.sha256(f"{mine}:{nonce}:{asked}".encode()).hexdigest()
    assert answer is not None
    assert f'response="{expected}"' in answer
