"""Who is let in, by which name, from where, with how much."""

import contextlib
import json
import socket
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from pydantic import SecretStr

from facerec_mqtt.web.access.security import FREE_ATTEMPTS, HEADERS, MAX_DELAY_S, SESSION_COOKIE, TOKENS_FILE
from tests.support.broker import PATIENCE_S
from tests.support.page import Page, folders_in, page_request, running_page

PASSWORD = "c4n4ry of the page"
STATUS = "/api/v1/status"


class Time:
    """A clock that stands still until it is set."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture(scope="module")
def time() -> Time:
    return Time()


@pytest.fixture(scope="module")
def locked(tmp_path_factory: pytest.TempPathFactory, time: Time) -> Iterator[Page]:
    """A page with a password; the proxy 127.0.0.3 is believed."""
    folders = folders_in(tmp_path_factory.mktemp("locked"))
    request = page_request(folders, password=SecretStr(PASSWORD), trusted_proxies=("127.0.0.3/32",))
    with running_page(request, clock=time) as running:
        yield running


def client(page: Page, address: str = "127.0.0.1", **headers: str) -> httpx.Client:
    """A browser of its own at an address of the loopback network."""
    transport = httpx.HTTPTransport(local_address=address)
    return httpx.Client(base_url=page.address, transport=transport, headers=headers, timeout=PATIENCE_S)


def sign_in(browser: httpx.Client, password: str = PASSWORD, **form: str) -> httpx.Response:
    return browser.post("/sign-in", data={"password": password, **form})


def test_without_signing_in_there_is_nothing_but_the_form(locked: Page) -> None:
    with client(locked) as browser:
        answer = browser.get(STATUS)
        assert answer.status_code == 401
        assert list(answer.json()) == ["error"]
        for path in ("/api/openapi.json", "/api/v1/events", "/api/v1/cameras/front_door/frame.jpg"):
            assert browser.get(path).status_code == 401
        assert browser.post("/api/v1/model/rebuild").status_code == 401
        asked = browser.get("/people?sort=name")
        assert asked.status_code == 303
        assert asked.headers["location"] == "/sign-in?next=%2Fpeople%3Fsort%3Dname"
        form = browser.get(asked.headers["location"])
        assert form.status_code == 200
        assert "/people?sort=name" in form.text
        assert PASSWORD not in form.text


def test_a_browser_signs_in_and_out_and_another_is_not_signed_in_by_it(locked: Page) -> None:
    with client(locked) as browser, client(locked) as other:
        answer = sign_in(browser, next="/people?sort=name")
        assert (answer.status_code, answer.headers["location"]) == (303, "/people?sort=name")
        cookie = answer.headers["set-cookie"]
        assert "HttpOnly" in cookie
        assert "SameSite=strict" in cookie
        assert "Secure" not in cookie
        assert browser.get(STATUS).status_code == 200
        assert other.get(STATUS).status_code == 401
        assert sign_in(other).status_code == 303
        stolen = browser.cookies[SESSION_COOKIE]
        assert browser.post("/sign-out").headers["location"] == "/sign-in"
        assert browser.get(STATUS, headers={"Cookie": f"{SESSION_COOKIE}={stolen}"}).status_code == 401
        assert other.get(STATUS).status_code == 200


@pytest.mark.parametrize("elsewhere", ["https://evil.example/", "//evil.example", "/\\evil.example", "x"])
def test_after_signing_in_nobody_is_sent_elsewhere(locked: Page, elsewhere: str) -> None:
    with client(locked) as browser:
        assert sign_in(browser, next=elsewhere).headers["location"] == "/"


def test_a_program_signs_in_with_json(locked: Page) -> None:
    with client(locked) as program:
        assert program.post("/sign-in", json={"password": "wrong"}).status_code == 401
        assert program.post("/sign-in", json={"pass": "word"}).status_code == 422
        assert program.post("/sign-in", json={"password": PASSWORD}).status_code == 204
        assert program.get(STATUS).status_code == 200


def test_wrong_passwords_are_slowed_down_and_others_may_go_on(locked: Page, time: Time) -> None:
    with client(locked, "127.0.0.9") as guesser, client(locked) as other:
        for _ in range(FREE_ATTEMPTS):
            assert sign_in(guesser, "guess").status_code == 401
        answer = sign_in(guesser, "guess")
        assert answer.status_code == 429
        assert int(answer.headers["retry-after"]) >= 1
        assert sign_in(guesser).status_code == 429
        assert sign_in(other).status_code == 303
        time.now_s += MAX_DELAY_S + 1
        assert sign_in(guesser).status_code == 303


def test_guesses_through_a_proxy_count_for_who_guesses(locked: Page, time: Time) -> None:
    with client(locked, "127.0.0.3") as proxy:
        for _ in range(FREE_ATTEMPTS + 1):
            refused = proxy.post(
                "/sign-in", data={"password": "guess"}, headers={"X-Forwarded-For": "127.0.0.9, 10.9.9.9"}
            )
        assert refused.status_code == 429
        others = {"X-Forwarded-For": "10.9.9.9, 10.9.9.8"}
        assert proxy.post("/sign-in", data={"password": PASSWORD}, headers=others).status_code == 303
    time.now_s += MAX_DELAY_S + 1


def test_a_token_is_made_once_used_and_deleted_and_kept_as_a_hash(locked: Page) -> None:
    with client(locked) as browser, client(locked) as program:
        sign_in(browser)
        made = browser.post("/api/v1/tokens", json={"name": "A clock"}).json()
        kept = (locked.folders.model_dir / TOKENS_FILE).read_text()
        assert made["token"] not in kept
        program.headers["Authorization"] = f"Bearer {made['token']}"
        assert program.get(STATUS).status_code == 200
        assert program.post("/api/v1/tokens", json={"name": "Another"}).status_code == 403
        assert browser.get("/api/v1/tokens").json()["tokens"] == [
            {key: made[key] for key in ("token_id", "name", "created")}
        ]
        assert browser.delete(f"/api/v1/tokens/{made['token_id']}").status_code == 204
        assert browser.delete(f"/api/v1/tokens/{made['token_id']}").status_code == 404
        assert program.get(STATUS).status_code == 401


@pytest.mark.parametrize("content", ["no JSON", '{"version": 1, "tokens": [{"name": "half"}]}'])
def test_a_damaged_file_of_tokens_lets_nobody_in_and_is_not_replaced(tmp_path: Path, content: str) -> None:
    folders = folders_in(tmp_path)
    folders.model_dir.mkdir()
    file = folders.model_dir / TOKENS_FILE
    file.write_text(content)
    with running_page(page_request(folders)) as page:
        assert page.client.get("/api/v1/tokens").json() == {"tokens": []}
        answer = page.client.post("/api/v1/tokens", json={"name": "A clock"})
        assert answer.status_code == 409
        assert str(file) in answer.json()["error"]
    assert file.read_text() == content


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-origin"}, 503),
        ({}, 503),
    ],
)
def test_a_foreign_sites_form_changes_nothing(empty_page: Page, headers: dict[str, str], status: int) -> None:
    assert empty_page.client.post("/api/v1/model/rebuild", headers=headers).status_code == status


def test_our_own_page_may_change_things_also_behind_a_proxy(locked: Page) -> None:
    with client(locked, "127.0.0.3") as proxy:
        proxy.headers["X-Forwarded-Host"] = "home.example"
        assert sign_in(proxy).status_code == 303
        own = {"Origin": "https://home.example"}
        assert proxy.post("/api/v1/model/rebuild", headers=own).status_code == 503
        assert proxy.post("/api/v1/model/rebuild", headers={"Origin": locked.address}).status_code == 403


def test_a_name_that_was_pointed_at_this_machine_is_refused(empty_page: Page) -> None:
    assert empty_page.client.get(STATUS, headers={"Host": "evil.example:8094"}).status_code == 421
    assert empty_page.client.get(STATUS, headers={"Host": "evil.example."}).status_code == 421
    assert empty_page.client.get(STATUS, headers={"Host": "[::1"}).status_code == 421
    for name in ("localhost:8094", "localhost.", "localhost.:8094", "127.0.0.1."):
        assert empty_page.client.get(STATUS, headers={"Host": name}).status_code == 200


@pytest.mark.parametrize("path", [STATUS, "/nowhere", "/static/page.css", "/sign-in"])
def test_every_answer_tells_the_browser_what_to_refuse(locked: Page, path: str) -> None:
    with client(locked) as browser:
        answer = browser.get(path)
        assert {name: answer.headers[name] for name in HEADERS} == dict(HEADERS)
        assert "server" not in answer.headers
        assert ("no-store" in answer.headers["cache-control"]) == (not path.startswith("/static"))


def test_links_have_the_prefix_of_a_proxy_that_is_believed(locked: Page) -> None:
    with client(locked, "127.0.0.3") as proxy:
        proxy.headers.update({"X-Forwarded-Prefix": "/facerec/", "X-Forwarded-Proto": "https"})
        assert proxy.get("/people").headers["location"] == "/facerec/sign-in?next=%2Fpeople"
        form = proxy.get("/sign-in").text
        assert 'action="/facerec/sign-in"' in form
        style = form.split('href="')[1].split('"')[0]
        assert style.startswith("/facerec/static/page.css?v=")
        assert proxy.get(style).status_code == proxy.get(style.removeprefix("/facerec")).status_code == 200
        answer = sign_in(proxy, next="/people")
        assert answer.headers["location"] == "/facerec/people"
        assert "Path=/facerec" in answer.headers["set-cookie"]
        assert "Secure" in answer.headers["set-cookie"]


@pytest.mark.parametrize("prefix", ["//evil.example", "/a/../b", "/a b", "https://evil.example", "/a" * 200])
def test_a_prefix_that_is_none_and_one_of_a_stranger_are_ignored(locked: Page, prefix: str) -> None:
    with client(locked, "127.0.0.3") as proxy, client(locked) as stranger:
        assert 'action="/sign-in"' in proxy.get("/sign-in", headers={"X-Forwarded-Prefix": prefix}).text
        forwarded = {"X-Forwarded-Prefix": "/facerec", "X-Ingress-Path": "/facerec"}
        assert 'action="/sign-in"' in stranger.get("/sign-in", headers=forwarded).text


def test_as_an_add_on_nobody_but_the_supervisor_is_answered(tmp_path: Path) -> None:
    request = page_request(folders_in(tmp_path), supervisor="127.0.0.2", password=SecretStr(PASSWORD))
    with running_page(request) as page, client(page, "127.0.0.2") as supervisor, client(page) as other:
        supervisor.headers["X-Ingress-Path"] = "/api/hassio_ingress/abc_-D"
        supervisor.headers["X-Forwarded-Host"] = "ha.local"
        assert supervisor.get(STATUS).status_code == 200
        assert "/api/hassio_ingress/abc_-D/static/" in supervisor.get("/nowhere").text
        own = {"Origin": "http://ha.local"}
        assert supervisor.post("/api/v1/model/rebuild", headers=own).status_code == 503
        assert other.get(STATUS).status_code == 403
        assert other.get("/sign-in", headers={"X-Forwarded-For": "127.0.0.2"}).status_code == 403


def test_a_body_that_is_too_large_is_refused_whether_it_says_so_or_not(empty_page: Page) -> None:
    large = json.dumps({"name": "x" * 100_000}).encode()
    for body in (large, iter([large[:40_000], large[40_000:]])):
        answer = empty_page.client.post("/api/v1/tokens", content=body)
        assert answer.status_code == 413
        assert list(answer.json()) == ["error"]


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[" * 50_000, b'{"name": 1}', b'{"name": "a", "b": 1}', b"\xff"]
)
def test_a_body_that_is_not_understood_is_refused_in_one_sentence(empty_page: Page, body: bytes) -> None:
    answer = empty_page.client.post(
        "/api/v1/tokens", content=body, headers={"Content-Type": "application/json"}
    )
    assert answer.status_code in (400, 422)
    assert answer.json()["error"].endswith(".")


def test_too_many_files_are_refused_with_how_many_are_taken(empty_page: Page) -> None:
    files = [("photo", (f"{number}.jpg", b"x")) for number in range(101)]
    for path in ("/api/v1/people/anna/photos", "/people/anna/photos"):
        answer = empty_page.client.post(path, files=files)
        assert answer.status_code == 413
        assert "100 files" in answer.text


@pytest.mark.parametrize(("name", "status"), [("..", 422), ("a/b", 422), ("_Anna", 422), ("Anna", 503)])
def test_photos_are_not_taken_under_a_name_that_nobody_can_have(
    empty_page: Page, name: str, status: int
) -> None:
    answer = empty_page.client.post("/api/v1/cameras/front_door/capture", json={"name": name})
    assert answer.status_code == status


def test_who_connects_and_asks_nothing_is_hung_up_on(
    empty_page: Page, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("facerec_mqtt.web.access.connections.HEAD_WITHIN_S", 0.1)
    url = httpx.URL(empty_page.address)
    for begun in (b"", b"GET / HTTP/1.1\r\nHost: localhost\r\nX-A: "):
        with socket.create_connection((url.host, url.port or 0), PATIENCE_S) as slow:
            slow.sendall(begun)
            with contextlib.suppress(ConnectionResetError):
                assert slow.recv(100) == b""


REQUEST = b"GET /api/v1/status HTTP/1.1\r\nHost: localhost\r\n\r\n"
SIGN_IN = (
    b"POST /sign-in HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-www-form-urlencoded\r\n"
    b"Expect: 100-continue\r\nContent-Length: 10\r\n\r\n"
)


@pytest.mark.parametrize("begun", [b"", b"GET / HTTP/1.1\r\nX: ", SIGN_IN])
@pytest.mark.parametrize("address", ["127.0.0.9", "127.0.0.8"])
def test_who_holds_many_connections_gives_way(
    locked: Page, monkeypatch: pytest.MonkeyPatch, begun: bytes, address: str
) -> None:
    monkeypatch.setattr("facerec_mqtt.web.access.connections.MAX_CONNECTIONS", 20)
    with contextlib.ExitStack() as held, client(locked, "127.0.0.7") as at_work:
        assert at_work.get("/sign-in").status_code == 200
        for _ in range(40):
            held.enter_context(connected(locked, "127.0.0.9")).sendall(begun)
        with client(locked, address) as other:
            assert other.get("/sign-in").status_code == 200
        assert at_work.get("/sign-in").status_code == 200


def test_a_proxy_that_is_believed_keeps_what_is_at_work(
    locked: Page, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("facerec_mqtt.web.access.connections.MAX_CONNECTIONS", 6)
    with contextlib.ExitStack() as held:
        slow = [held.enter_context(connected(locked, "127.0.0.3")) for _ in range(5)]
        for each in slow:
            each.sendall(SIGN_IN)
            assert each.recv(100).startswith(b"HTTP/1.1 100")  # the body is waited for
        idle = [held.enter_context(connected(locked, "127.0.0.3")) for _ in range(12)]
        idle[-1].sendall(REQUEST)
        assert idle[-1].recv(100).startswith(b"HTTP/1.1 401")  # all of them have come by now
        for each in slow:
            each.sendall(b"password=x")
            assert each.recv(100).startswith(b"HTTP/1.1 401")


def test_head_is_answered_as_get_is_without_a_body(empty_page: Page) -> None:
    for path in ("/", "/people", "/static/page.css", STATUS, "/api/v1/people", "/api/v1/events", "/nowhere"):
        head = empty_page.client.head(path)
        assert head.content == b""
        with empty_page.client.stream("GET", path) as got:
            kept = {"content-type", "content-length", "cache-control"}
            assert head.status_code == got.status_code
            assert {name: head.headers.get(name) for name in kept} == {
                name: got.headers.get(name) for name in kept
            }
    assert empty_page.client.head("/api/v1/model/rebuild").status_code == 405


@pytest.mark.parametrize("signed_in", [True, False])
def test_whoever_sends_too_much_reads_why_it_was_refused(
    empty_page: Page, locked: Page, signed_in: bool
) -> None:
    most = 65 * 2**20 if signed_in else 2**24
    head = f"POST /api/v1/people/anna/photos HTTP/1.1\r\nHost: localhost\r\nContent-Length: {most}\r\n\r\n"
    with connected(empty_page if signed_in else locked, "127.0.0.1") as sender:
        sender.sendall(head.encode())
        for _ in range(most // 2**20):
            sender.sendall(bytes(2**20))
        assert sender.recv(100).startswith(b"HTTP/1.1 413" if signed_in else b"HTTP/1.1 401")
        sender.sendall(REQUEST)


def connected(page: Page, address: str) -> socket.socket:
    url = httpx.URL(page.address)
    return socket.create_connection((url.host, url.port or 0), PATIENCE_S, source_address=(address, 0))
