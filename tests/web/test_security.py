import pytest

from facerec_mqtt.settings import is_loopback
from facerec_mqtt.web.access.security import (
    FREE_ATTEMPTS,
    MAX_ADDRESSES,
    MAX_DELAY_S,
    MAX_SESSIONS,
    SESSION_S,
    Sessions,
    SignIn,
    is_foreign,
    is_rebinding,
)

RIGHT = "correct horse"


@pytest.fixture(scope="module")
def sign_in() -> SignIn:
    return SignIn.with_password(RIGHT)


def test_the_right_password_is_let_in_and_others_are_not(sign_in: SignIn) -> None:
    assert sign_in.check("10.0.0.1", RIGHT, 0)
    assert not sign_in.check("10.0.0.1", "wrong", 0)
    assert not sign_in.check("10.0.0.1", "", 0)
    assert not sign_in.check("10.0.0.1", RIGHT * 1000, 0)


def test_nothing_of_the_password_is_kept(sign_in: SignIn) -> None:
    assert RIGHT not in repr(sign_in)
    assert RIGHT not in sign_in._hash


def test_who_guesses_has_to_wait_longer_and_longer_and_others_do_not() -> None:
    sign_in, now_s, waits = SignIn.with_password(RIGHT), 0.0, []
    for _ in range(FREE_ATTEMPTS + 8):
        assert not sign_in.check("10.0.0.1", "guess", now_s)
        waits.append(sign_in.wait_s("10.0.0.1", now_s))
        now_s += waits[-1]
    assert waits[:FREE_ATTEMPTS] == [0.0] * FREE_ATTEMPTS
    assert waits[FREE_ATTEMPTS:] == sorted(waits[FREE_ATTEMPTS:])
    assert waits[-1] == MAX_DELAY_S
    assert sign_in.wait_s("10.0.0.2", now_s) == 0


def test_while_waiting_even_the_right_password_is_refused() -> None:
    sign_in = SignIn.with_password(RIGHT)
    for _ in range(FREE_ATTEMPTS + 3):
        sign_in.check("10.0.0.1", "guess", 0)
        assert sign_in.wait_s("10.0.0.1", MAX_DELAY_S) == 0
        if sign_in.wait_s("10.0.0.1", 0) > 0:
            break
    assert not sign_in.check("10.0.0.1", RIGHT, 0)
    assert sign_in.check("10.0.0.1", RIGHT, MAX_DELAY_S)


def test_guesses_from_many_addresses_cost_no_lasting_memory() -> None:
    sign_in = SignIn.with_password(RIGHT)
    for number in range(MAX_ADDRESSES + 50):
        sign_in.check(f"10.0.{number // 256}.{number % 256}", "x" * 2000, 0)
    assert len(sign_in._attempts) == MAX_ADDRESSES


def test_a_session_lasts_while_it_is_used() -> None:
    sessions = Sessions()
    token = sessions.begin(0)
    assert sessions.is_valid(token, SESSION_S - 1)
    assert sessions.is_valid(token, 2 * SESSION_S - 2)
    assert not sessions.is_valid(token, 4 * SESSION_S)
    assert not sessions.is_valid("made up", 0)


def test_an_ended_session_and_the_oldest_of_too_many_are_gone() -> None:
    sessions = Sessions()
    tokens = [sessions.begin(number) for number in range(MAX_SESSIONS + 1)]
    assert not sessions.is_valid(tokens[0], 0)
    sessions.end(tokens[1])
    assert [sessions.is_valid(token, 0) for token in tokens[1:3]] == [False, True]


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost", "127.1.2.3"])
def test_loopback(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "example.org", ""])
def test_more_than_loopback(host: str) -> None:
    assert not is_loopback(host)


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {"sec-fetch-site": "cross-site", "origin": "http://box:8094"},
        {"sec-fetch-site": "same-site"},
    ],
)
def test_a_change_that_another_site_asks_for_is_foreign(headers: dict[str, str]) -> None:
    assert is_foreign("POST", headers, "box:8094")
    assert not is_foreign("GET", headers, "box:8094")


@pytest.mark.parametrize(
    "headers",
    [{}, {"origin": "http://box:8094"}, {"sec-fetch-site": "same-origin"}, {"sec-fetch-site": "none"}],
)
def test_a_change_of_our_own_page_or_of_a_program_is_not(headers: dict[str, str]) -> None:
    assert not is_foreign("DELETE", headers, "box:8094")


@pytest.mark.parametrize(
    ("host", "listens_on", "rebinding"),
    [
        ("127.0.0.1:8094", "127.0.0.1", False),
        ("localhost:8094", "127.0.0.1", False),
        ("[::1]:8094", "::1", False),
        ("evil.example:8094", "127.0.0.1", True),
        ("", "127.0.0.1", True),
        ("box.lan:8094", "0.0.0.0", False),
    ],
)
def test_a_name_that_was_pointed_at_the_loopback(host: str, listens_on: str, rebinding: bool) -> None:
    assert is_rebinding(host, listens_on) == rebinding
