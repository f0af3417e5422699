"""Commands: what is taken, and that everything else is refused with one sentence."""

import random

import pytest

from facerec_mqtt.core.errors import CommandError
from facerec_mqtt.mqtt.commands import (
    BURST,
    MAX_PAYLOAD_BYTES,
    MAX_WAITING,
    PER_SECOND,
    Assign,
    Capture,
    Command,
    CommandIntake,
    CommandQueue,
    Enable,
    RateLimit,
    Rebuild,
    Refused,
    parse_assign,
    parse_capture,
    parse_enabled,
    parse_rebuild,
)
from facerec_mqtt.mqtt.topics import Topics

CAMERAS = ("front_door", "garden")
GOOD_CAPTURE = '{"person":"José Núñez","camera":"front_door","seconds":20}'


@pytest.mark.parametrize("payload", [b"", b"  \n", b"PRESS", b"{}", b'{"force":false}'])
def test_a_rebuild_is_taken(payload: bytes) -> None:
    assert parse_rebuild(payload) == Rebuild(force=False)


def test_a_forced_rebuild_is_taken() -> None:
    assert parse_rebuild(b'{"force": true}') == Rebuild(force=True)


@pytest.mark.parametrize(
    ("payload", "command"),
    [
        ('{"visit_id":"01K","person":"anna"}', Assign("01K", None, person="anna")),
        ('{"stranger_id":"01K","name":" Uncle  Jo "}', Assign(None, "01K", name="Uncle Jo")),
        ('{"stranger_id":"01K","visitor":"Postman"}', Assign(None, "01K", visitor="Postman")),
        ('{"visit_id":"01K","nobody":true}', Assign("01K", None)),
    ],
)
def test_an_assignment_is_taken(payload: str, command: Assign) -> None:
    assert parse_assign(payload.encode()) == command


@pytest.mark.parametrize(
    "payload",
    [
        "",
        "{}",
        '{"visit_id":"01K"}',
        '{"person":"anna"}',
        '{"visit_id":"01K","stranger_id":"01K","person":"anna"}',
        '{"visit_id":"01K","person":"anna","name":"Anna"}',
        '{"visit_id":"01K","nobody":false}',
        '{"visit_id":"01K","nobody":true,"name":"Anna"}',
        '{"visit_id":"../01K","person":"anna"}',
        '{"visit_id":"01K","person":"../anna"}',
        '{"visit_id":"01K","name":"../Anna"}',
        '{"visit_id":"01K","visitor":"_known"}',
        '{"visit_id":1,"person":"anna"}',
        '{"visit_id":"01K","person":"anna","why":"so"}',
    ],
)
def test_another_assignment_is_refused_with_one_sentence(payload: str) -> None:
    with pytest.raises(CommandError, match=r"^assign[^\n]*\.$"):
        parse_assign(payload.encode())


BAD_JSON = [
    b"press",
    b"null",
    b"[]",
    b"1",
    b'"PRESS"',
    b"{",
    b'{"force":NaN}',
    b"\xff\xfe",
    b"\x00",
    b"[" * MAX_PAYLOAD_BYTES,
    b'{"a":' * 800,
    b"1" * MAX_PAYLOAD_BYTES,
    b" " * (MAX_PAYLOAD_BYTES + 1),
    '{"forcé":true}'.encode(),
    b'{"\\ud800":true}',
]


@pytest.mark.parametrize(
    "payload",
    [
        *BAD_JSON,
        b'{"force":1}',
        b'{"force":"true"}',
        b'{"force":true,"force":false}',
        b'{"force":true,"x":1}',
    ],
    ids=lambda payload: repr(payload[:24]),
)
def test_anything_else_is_no_rebuild(payload: bytes) -> None:
    with pytest.raises(CommandError) as refused:
        parse_rebuild(payload)
    assert_one_sentence(str(refused.value))


def test_a_capture_is_taken() -> None:
    taken = parse_capture(GOOD_CAPTURE.encode(), CAMERAS)
    assert taken == Capture("José Núñez", "front_door", 20.0)


def test_a_camera_may_be_given_by_its_display_name() -> None:
    payload = b'{"person":"Anna","camera":"Front door","seconds":1.5}'
    assert parse_capture(payload, CAMERAS) == Capture("Anna", "front_door", 1.5)


@pytest.mark.parametrize(
    "payload",
    [
        *BAD_JSON,
        b"",
        b"{}",
        b'{"person":"Anna","camera":"front_door"}',
        b'{"person":1,"camera":"front_door","seconds":20}',
        b'{"person":"Anna","camera":null,"seconds":20}',
        b'{"person":"Anna","camera":"cellar","seconds":20}',
        b'{"person":"Anna","camera":"../garden/x","seconds":20}',
        b'{"person":"Anna","camera":"front_door","seconds":true}',
        b'{"person":"Anna","camera":"front_door","seconds":"20"}',
        b'{"person":"Anna","camera":"front_door","seconds":0}',
        b'{"person":"Anna","camera":"front_door","seconds":-1}',
        b'{"person":"Anna","camera":"front_door","seconds":1e400}',
        b'{"person":"Anna","camera":"front_door","seconds":1' + b"0" * 400 + b"}",
        b'{"person":"Anna","camera":"front_door","seconds":20,"path":"/etc"}',
    ],
    ids=lambda payload: repr(payload[-32:]),
)
def test_anything_else_is_no_capture(payload: bytes) -> None:
    with pytest.raises(CommandError) as refused:
        parse_capture(payload, CAMERAS)
    assert_one_sentence(str(refused.value))


@pytest.mark.parametrize(
    "name",
    [
        *("", " ", "..", "../Anna", "/etc/passwd", "a/b", "a\\\\b", ".hidden", "_strangers", "C:", "😀"),
        *("x" * 65, "An\\u0000na", "An\\nna", "\\ud800", "\\u202eannA"),
    ],
)
def test_a_name_that_cannot_be_a_folders_is_refused(name: str) -> None:
    payload = f'{{"person":"{name}","camera":"front_door","seconds":20}}'.encode()
    with pytest.raises(CommandError, match="cannot be the name of a person") as refused:
        parse_capture(payload, CAMERAS)
    assert_one_sentence(str(refused.value))


@pytest.mark.parametrize("name", ["Anna", "Anna-Maria O'Neill", "安娜", "Анна", "Tom 2"])
def test_names_of_all_scripts_are_taken(name: str) -> None:
    payload = f'{{"person":"{name}","camera":"garden","seconds":20}}'.encode()
    assert parse_capture(payload, CAMERAS).person == name


def test_a_switch_takes_on_and_off_only() -> None:
    assert parse_enabled("front_door", b"ON", CAMERAS) == Enable("front_door", True)
    assert parse_enabled("garden", b"OFF", CAMERAS) == Enable("garden", False)
    for payload in (b"", b"on", b"1", b'{"state":"ON"}', b"\xff", b"O" * 5000):
        with pytest.raises(CommandError) as refused:
            parse_enabled("front_door", payload, CAMERAS)
        assert_one_sentence(str(refused.value))


def test_an_unknown_camera_is_named_beside_those_that_there_are() -> None:
    with pytest.raises(CommandError, match=r'no camera "cellar"; there are: front_door, garden'):
        parse_enabled("cellar", b"ON", CAMERAS)


def test_random_bytes_are_refused_or_taken_but_never_break_anything() -> None:
    dice = random.Random(7)
    seeds = [GOOD_CAPTURE.encode(), b'{"force":true}', b"PRESS", b""]
    for _ in range(3000):
        payload = bytearray(dice.choice(seeds))
        for _ in range(dice.randrange(1, 6)):
            position = dice.randrange(len(payload) + 1)
            payload[position : position + dice.randrange(3)] = dice.randbytes(dice.randrange(3))
        for parse in (parse_rebuild, lambda p: parse_capture(p, CAMERAS)):
            try:
                parse(bytes(payload))
            except CommandError as error:
                assert_one_sentence(str(error))


def intake() -> CommandIntake:
    return CommandIntake(Topics(), CAMERAS)


def test_commands_are_taken_on_their_topics() -> None:
    commands = intake()
    assert commands.take("facerec/command/rebuild", b"", False, 0) == Rebuild()
    assert commands.take("facerec/command/capture", GOOD_CAPTURE.encode(), False, 0) == Capture(
        "José Núñez", "front_door", 20.0
    )
    assert commands.take("facerec/camera/garden/enabled/set", b"OFF", False, 0) == Enable("garden", False)


@pytest.mark.parametrize(
    "topic",
    [
        "facerec/status",
        "facerec/command/other",
        "facerec/command/rebuild/x",
        "other/command/rebuild",
        "facerec/camera/garden/enabled/state",
        "facerec/camera/a/b/enabled/set",
        "camera/garden/enabled/set",
    ],
)
def test_other_topics_are_none_of_ours(topic: str) -> None:
    assert intake().take(topic, b"ON", False, 0) is None


def test_a_capture_that_lacks_something_is_refused() -> None:
    wrong = intake().take("facerec/command/capture", b"{}", False, 0)
    assert isinstance(wrong, Refused)
    assert "lacks" in wrong.message


def test_a_retained_command_is_refused_once_and_never_taken() -> None:
    commands = intake()
    refused = commands.take("facerec/command/rebuild", b"PRESS", True, 0)
    assert isinstance(refused, Refused)
    assert refused.command == "rebuild"
    assert commands.take("facerec/command/rebuild", b"PRESS", True, 1) is None
    assert commands.take("facerec/command/rebuild", b"PRESS", False, 2) == Rebuild()


def test_clearing_a_retained_command_is_none_itself() -> None:
    commands = intake()
    assert isinstance(commands.take("facerec/command/rebuild", b"PRESS", True, 0), Refused)
    cleared = commands.take("facerec/command/rebuild", b"", False, 1)
    assert isinstance(cleared, Refused)
    assert "cleared" in cleared.message
    assert commands.take("facerec/command/rebuild", b"", False, 2) == Rebuild()


def test_retained_commands_of_a_thousand_cameras_are_not_all_answered() -> None:
    commands = intake()
    topics = [f"facerec/camera/door_{number}/enabled/set" for number in range(1000)]
    answers = [commands.take(topic, b"OFF", True, 100.0) for topic in topics]
    assert all(isinstance(answer, Refused) for answer in answers[:BURST])
    assert answers[BURST:] == [None] * (1000 - BURST)


def test_a_flood_is_refused_with_one_answer() -> None:
    commands = intake()
    answers = [commands.take("facerec/command/rebuild", b"", False, 100.0 + n / 1000) for n in range(500)]
    assert answers[:BURST] == [Rebuild()] * BURST
    assert [answer for answer in answers[BURST:] if answer is not None] == [
        Refused("rebuild", "Too many commands at once; they are ignored. Wait a few seconds.")
    ]


def test_each_kind_of_command_has_a_limit_of_its_own() -> None:
    commands = intake()
    for _ in range(3 * BURST):
        commands.take("facerec/command/rebuild", b"", False, 100.0)
        commands.take("facerec/camera/garden/enabled/set", b"perhaps", False, 100.0)
        commands.take("facerec/camera/cellar/enabled/set", b"OFF", False, 100.0)
    assert isinstance(commands.take("facerec/command/capture", GOOD_CAPTURE.encode(), False, 100.0), Capture)
    answer = commands.take("facerec/camera/front_door/enabled/set", b"perhaps", False, 100.0)
    assert isinstance(answer, Refused)
    assert "neither ON nor OFF" in answer.message


def test_cameras_that_there_are_not_share_one_limit() -> None:
    commands = intake()
    topics = [f"facerec/camera/cellar_{number}/enabled/set" for number in range(1000)]
    answers = [commands.take(topic, b"OFF", False, 100.0) for topic in topics]
    assert len([answer for answer in answers if answer is not None]) == BURST + 1


def test_a_switch_is_never_refused_for_a_flood() -> None:
    commands = intake()
    for number in range(500):
        wanted = number % 2 == 0
        taken = commands.take("facerec/camera/garden/enabled/set", b"ON" if wanted else b"OFF", False, 100.0)
        assert taken == Enable("garden", wanted)


def test_of_a_flood_of_switches_few_are_carried_out_and_the_last_is() -> None:
    waiting = CommandQueue()
    carried_out: list[Command] = []
    for number in range(1001):
        now_s = 100.0 + number / 1000
        assert waiting.put(Enable("garden", number % 2 == 0))
        command = waiting.take(now_s)
        if command is not None:
            carried_out.append(command)
    assert len(carried_out) == BURST
    assert waiting.take(101.0) is None
    assert waiting.take(101.0 + 1 / PER_SECOND) == Enable("garden", True)
    assert waiting.take(1000.0) is None


def test_a_flood_at_one_camera_delays_neither_another_nor_a_rebuild() -> None:
    waiting = CommandQueue()
    for _ in range(BURST):
        waiting.put(Enable("garden", True))
        assert waiting.take(100.0) == Enable("garden", True)
    waiting.put(Enable("garden", False))
    waiting.put(Enable("front_door", False))
    waiting.put(Rebuild())
    assert waiting.take(100.0) == Enable("front_door", False)
    assert waiting.take(100.0) == Rebuild()
    assert waiting.take(100.0) is None


def test_no_more_commands_wait_than_there_is_room_for() -> None:
    waiting = CommandQueue()
    assert all(waiting.put(Rebuild()) for _ in range(MAX_WAITING))
    assert not waiting.put(Rebuild())
    assert waiting.put(Enable("garden", False))


def test_after_a_flood_commands_are_taken_again() -> None:
    limit = RateLimit(burst=2, per_second=0.5)
    assert [limit.admit(100.0) for _ in range(3)] == [True, True, False]
    assert limit.first_refusal()
    assert not limit.first_refusal()
    assert not limit.admit(101.0)
    assert limit.admit(102.0)
    assert limit.first_refusal()


def assert_one_sentence(message: str) -> None:
    assert message.endswith(".")
    assert len(message) < 300
    assert "\n" not in message
    assert message.isprintable()
