"""The publisher against a real broker."""

import json
import logging
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from facerec_mqtt.core.errors import BrokerError
from facerec_mqtt.core.records import ModelState
from facerec_mqtt.mqtt.commands import Enable, Rebuild
from facerec_mqtt.mqtt.connection import check_login
from facerec_mqtt.mqtt.outbox import MAX_AGE_S
from facerec_mqtt.service.broker.publisher import Publisher
from facerec_mqtt.settings.schema import MqttSettings, PrivacySettings
from tests.support.broker import (
    LOGIN_CONFIG,
    PASSWORD,
    Broker,
    Certificates,
    free_port,
    run_broker,
    wait_until,
)
from tests.support.publisher import (
    AWAY,
    HERE,
    arrival,
    break_connection,
    let_answer,
    next_command,
    running,
    wait_for_log,
)


@pytest.mark.parametrize("protocol", ["3.1.1", "5"])
def test_says_online_retained_after_its_states_and_offline_when_it_stops(
    broker: Broker, protocol: str
) -> None:
    with broker.ear() as ear:
        with running(broker.settings(protocol=protocol)) as publisher:
            publisher.publish_state(HERE)
            publisher.publish_camera_status("front_door", True)
            ear.wait_for("facerec/status", b"online")
            ear.wait_for("facerec/camera/front_door/status", b"online")
            state = ear.wait_for("facerec/person/anna/state")
            assert json.loads(state.payload)["present"] == "ON"
        ear.wait_for("facerec/status", b"offline")
    with broker.ear() as late:
        assert late.wait_for("facerec/status").retained
        assert late.wait_for("facerec/status").text == "offline"
        assert late.wait_for("facerec/person/anna/state").retained
        assert late.wait_for("facerec/person/anna/state").qos == 1


@pytest.mark.parametrize("protocol", ["3.1.1", "5"])
def test_an_event_is_not_retained_and_has_its_latency(broker: Broker, protocol: str) -> None:
    with broker.ear() as ear, running(broker.settings(protocol=protocol)) as publisher:
        ear.wait_for("facerec/status", b"online")
        publisher.publish_event(arrival(time.monotonic() - 0.25), name="Anna", model="m1")
        message = ear.wait_for("facerec/camera/front_door/event")
        event = json.loads(message.payload)
        assert event["person"] == "anna"
        assert event["latency_ms"] >= 250
        assert message.qos == 1
        with broker.ear("facerec/#") as late:
            late.settle()
            assert not late.on("facerec/camera/front_door/event")


def test_the_will_says_offline_when_the_process_vanishes(broker: Broker) -> None:
    with broker.ear() as ear, running(broker.settings()) as publisher:
        ear.wait_for("facerec/status", b"online")
        break_connection(publisher)
        ear.wait_for("facerec/status", b"offline")
        wait_until(lambda: [m.text for m in ear.on("facerec/status")] == ["online", "offline", "online"])


def test_a_broker_that_comes_later_gets_the_newest_states_and_the_events_of_meanwhile(
    broker: Broker, caplog: pytest.LogCaptureFixture
) -> None:
    broker.stop()
    caplog.set_level(logging.INFO)
    with running(broker.settings()) as publisher:
        publisher.publish_state(HERE)
        publisher.publish_event(arrival(time.monotonic(), "V1"), name="Anna", model=None)
        publisher.publish_event(arrival(time.monotonic(), "V2"), name="Anna", model=None)
        publisher.publish_state(AWAY)
        assert not publisher.online
        wait_for_log(caplog, "nothing answers there")
        broker.start()
        with broker.ear() as ear:
            ear.wait_for("facerec/status", b"online")
            states = ear.on("facerec/person/anna/state")
            assert [json.loads(state.payload)["present"] for state in states] == ["OFF"]
        wait_for_log(caplog, "connected")
    assert len([r for r in caplog.records if "Trying again" in r.message]) == 1
    assert len([r for r in caplog.records if "connected" in r.message]) == 1


def test_nothing_is_lost_and_nothing_stale_is_replayed_when_the_broker_restarts(broker: Broker) -> None:
    with running(broker.settings()) as publisher:
        with broker.ear() as ear:
            ear.wait_for("facerec/status", b"online")
            publisher.publish_state(HERE)
            publisher.publish_event(arrival(time.monotonic(), "V1"), name="Anna", model=None)
            ear.wait_for("facerec/camera/front_door/event")
            ear.wait_for("facerec/person/anna/state")
            let_answer(ear)  # else V1, whose receipt may not have come, would be said again
        broker.kill()
        wait_until(lambda: not publisher.online)
        publisher.publish_event(arrival(time.monotonic(), "V2"), name="Anna", model=None)
        publisher.publish_state(AWAY)
        broker.start()
        with broker.ear() as ear:
            ear.wait_for("facerec/status", b"online")
            ear.wait_for("facerec/person/anna/state")
            publisher.publish_event(arrival(time.monotonic(), "V3"), name="Anna", model=None)
            ear.wait(lambda m: b'"V3"' in m.payload)
            visits = [json.loads(m.payload)["visit_id"] for m in ear.on("facerec/camera/front_door/event")]
            assert visits in (["V2", "V3"], ["V3"])  # V2 may have been said before the ear came back
            assert b'"ON"' not in b"".join(m.payload for m in ear.on("facerec/person/anna/state"))


def test_an_event_of_an_outage_keeps_its_true_time_and_an_old_one_is_dropped(broker: Broker) -> None:
    publisher = Publisher(broker.settings(), PrivacySettings(), cameras=[])
    publisher.publish_event(arrival(time.monotonic() - 100, "OLD"), name="Anna", model=None)
    waiting = publisher._outbox._waiting
    waiting[0] = replace(waiting[0], made_s=waiting[0].made_s - MAX_AGE_S - 1)
    publisher.publish_event(arrival(time.monotonic() - 100, "NEW"), name="Anna", model=None)
    with broker.ear() as ear:
        publisher.start()
        event = json.loads(ear.wait_for("facerec/camera/front_door/event").payload)
        publisher.stop()
        assert event["visit_id"] == "NEW"
        assert abs(event["epoch"] - (time.time() - 100)) < 30
        assert event["latency_ms"] >= 100_000
        assert len(ear.on("facerec/camera/front_door/event")) == 1


def test_a_wrong_password_is_logged_once_with_what_to_do_and_without_the_password(
    broker_with_password: Broker, caplog: pytest.LogCaptureFixture
) -> None:
    wrong = broker_with_password.settings(password="canary-8271")
    with running(wrong) as publisher:
        wait_for_log(caplog, "not authorised: check FACEREC_MQTT__USERNAME and FACEREC_MQTT__PASSWORD")
        assert not publisher.online
    assert "canary-8271" not in caplog.text
    with pytest.raises(BrokerError, match="not authorised"):
        check_login(broker_with_password.settings(protocol="3.1.1", username=None, password=None))


@pytest.mark.parametrize("protocol", ["3.1.1", "5"])
def test_the_right_password_is_accepted(broker_with_password: Broker, protocol: str) -> None:
    settings = broker_with_password.settings(protocol=protocol)
    check_login(settings)
    with broker_with_password.ear() as ear, running(settings) as publisher:
        ear.wait_for("facerec/status", b"online")
        assert PASSWORD not in repr(publisher)
        assert PASSWORD not in repr(vars(publisher))


def test_speaks_tls_with_an_authority_that_it_was_given(broker_with_tls: Broker) -> None:
    with broker_with_tls.ear() as ear, running(broker_with_tls.settings()):
        ear.wait_for("facerec/status", b"online")


def test_an_unknown_authority_is_refused_unless_set_to_be_insecure(
    broker_with_tls: Broker, certificates: Certificates, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(BrokerError, match="FACEREC_MQTT__TLS_CA"):
        check_login(broker_with_tls.settings(tls_ca=None))
    with pytest.raises(BrokerError, match="not trusted"):
        check_login(broker_with_tls.settings(tls_ca=certificates.foreign_ca))
    with running(broker_with_tls.settings(tls_ca=certificates.foreign_ca)) as publisher:
        wait_for_log(caplog, "its certificate is not trusted")
        assert not publisher.online
    check_login(broker_with_tls.settings(tls_ca=None, tls_insecure=True))


def test_stops_within_two_seconds_where_there_is_no_broker() -> None:
    publisher = Publisher(
        MqttSettings(host="127.0.0.1", port=free_port()), PrivacySettings(), cameras=["front_door"]
    )
    publisher.start()
    publisher.stop()
    assert publisher._link._thread is not None
    assert not publisher._link._thread.is_alive()


def test_commands_reach_the_service(broker: Broker) -> None:
    with broker.ear() as ear, running(broker.settings()) as publisher:
        ear.wait_for("facerec/status", b"online")
        ear.say("facerec/command/rebuild", "PRESS")
        assert next_command(publisher) == Rebuild(force=False)
        ear.say("facerec/camera/front_door/enabled/set", "OFF")
        assert next_command(publisher) == Enable("front_door", False)


@pytest.mark.parametrize("number", [16, 40])
def test_a_scene_that_switches_many_cameras_off_leaves_none_on(broker: Broker, number: int) -> None:
    cameras = [f"camera_{each}" for each in range(number)]
    publisher = Publisher(broker.settings(), PrivacySettings(), cameras=cameras)
    publisher.start()
    with broker.ear() as ear:
        ear.wait_for("facerec/status", b"online")
        for camera in cameras:
            ear.say(f"facerec/camera/{camera}/enabled/set", "OFF")
        assert [next_command(publisher) for _ in cameras] == [Enable(camera, False) for camera in cameras]
        assert not ear.on("facerec/command/result")
    publisher.stop()


def test_before_the_broker_has_let_us_in_nothing_is_sent_but_the_login_and_its_withdrawal() -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        settings = MqttSettings(host="127.0.0.1", port=mute.getsockname()[1])
        with running(settings) as publisher:
            peer, _ = mute.accept()
            with peer:
                publisher.publish_state(HERE)
                publisher.remove_person("tom")
                publisher.publish_discovery({"dev": {}})
                came = b"".join(iter(lambda: peer.recv(4096), b""))  # until it gives up
    assert packet_types(came) == [CONNECT, DISCONNECT]


CONNECT, DISCONNECT = 1, 14


def packet_types(data: bytes) -> list[int]:
    """Types of the MQTT packets in what a client has sent; MQTT 5.0, section 2.1."""
    types = []
    while data:
        types.append(data[0] >> 4)
        length, shift, at = 0, 0, 1
        while True:
            length |= (data[at] & 0x7F) << shift
            shift, at = shift + 7, at + 1
            if not data[at - 1] & 0x80:
                break
        data = data[at + length :]
    return types


def test_a_bad_command_is_answered_and_not_carried_out(broker: Broker) -> None:
    with broker.ear() as ear, running(broker.settings()) as publisher:
        ear.wait_for("facerec/status", b"online")
        ear.say("facerec/command/rebuild", b"x" * 10_000_000)
        answer = json.loads(ear.wait_for("facerec/command/result").payload)
        assert answer["ok"] is False
        assert "4096 bytes" in answer["message"]
        ear.say("facerec/command/capture", '{"person":"../Anna","camera":"front_door","seconds":20}')
        ear.wait(lambda m: b"cannot be the name of a person" in m.payload)
        assert publisher.commands.take(time.monotonic()) is None
        assert not any(m.retained for m in ear.on("facerec/command/result"))


def test_a_retained_command_is_ignored_and_answered_once(broker: Broker) -> None:
    with broker.ear() as ear:
        ear.say("facerec/command/rebuild", "PRESS", retain=True)
        with running(broker.settings()) as publisher:
            ear.wait(lambda m: m.topic == "facerec/command/result" and b"retain" in m.payload)
            assert publisher.commands.take(time.monotonic()) is None


@pytest.mark.parametrize(
    "strange", ['"n":1e999', '"name":"\\ud800"', '"state_topic":"facerec/' + "a" * 70_000 + '"']
)
def test_whatever_stands_in_our_discovery_topic_our_messages_go_on(
    broker: Broker, caplog: pytest.LogCaptureFixture, strange: str
) -> None:
    discovery = "homeassistant/device/home/config"
    announced = {"components": {"anna": {"platform": "sensor"}}}
    with broker.ear() as ear:
        ear.say(discovery, f'{{"components":{{"x":{{"platform":"sensor",{strange}}}}}}}', retain=True)
        with running(broker.settings(), discovery=announced) as publisher:
            ear.wait_for("facerec/status", b"online")
            let_answer(ear)
            publisher.publish_event(arrival(time.monotonic(), "V1"), name="Anna", model=None)
            ear.wait_for("facerec/camera/front_door/event")
            publisher.publish_discovery(announced)
            ear.wait(lambda _: json.loads(ear.on(discovery)[-1].payload) == announced)
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


def test_an_error_of_our_own_costs_the_connection_and_no_event(
    broker: Broker, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object, **__: object) -> None:
        raise RuntimeError("unforeseen")

    with broker.ear() as ear, running(broker.settings()) as publisher:
        ear.wait_for("facerec/status", b"online")
        with monkeypatch.context() as patch:
            patch.setattr("facerec_mqtt.mqtt.home_assistant.announcer.Announcer.home_assistant_is", fails)
            ear.say("homeassistant/status", "offline")
            wait_for_log(caplog, "unforeseen")
        publisher.publish_event(arrival(time.monotonic(), "V1"), name="Anna", model=None)
        ear.wait_for("facerec/camera/front_door/event")


def test_the_birth_of_home_assistant_brings_everything_again(broker: Broker) -> None:
    with broker.ear() as ear, running(broker.settings()) as publisher:
        publisher.publish_discovery({"dev": {}})
        publisher.publish_state(HERE)
        ear.wait_for("facerec/status", b"online")
        ear.say("homeassistant/status", "offline")
        ear.say("homeassistant/status", "online")
        wait_until(lambda: [m.text for m in ear.on("facerec/status")] == ["online", "online"])
        assert len(ear.on("homeassistant/device/home/config")) == 2
        assert len(ear.on("facerec/person/anna/state")) == 2


def test_without_discovery_nothing_is_announced(broker: Broker) -> None:
    with broker.ear() as ear, running(broker.settings(discovery=False)) as publisher:
        publisher.publish_discovery({"dev": {}})
        ear.wait_for("facerec/status", b"online")
        assert not ear.on("homeassistant/device/home/config")


def test_an_unchanged_state_is_not_said_again(broker: Broker) -> None:
    with broker.ear() as ear, running(broker.settings()) as publisher:
        ear.wait_for("facerec/status", b"online")
        model = ModelState("missing", None, None, (), None, None)
        publisher.publish_state(model)
        publisher.publish_state(model)
        publisher.publish_state(ModelState("training", 40, None, (), None, None))
        ear.wait(lambda m: b'"training"' in m.payload)
        assert len(ear.on("facerec/model/state")) == 2


@pytest.mark.parametrize(
    ("publish", "retain", "received", "kept"),
    [(True, False, True, False), (True, True, True, True), (False, True, False, False)],
)
def test_pictures_obey_the_privacy_settings(
    broker: Broker, publish: bool, retain: bool, received: bool, kept: bool
) -> None:
    privacy = PrivacySettings(publish_images=publish, retain_images=retain)
    with broker.ear() as ear:
        with running(broker.settings(), privacy=privacy) as publisher:
            ear.wait_for("facerec/status", b"online")
            publisher.publish_face("front_door", b"\xff\xd8jpeg")
            publisher.publish_result("rebuild", True, "done")
            ear.wait_for("facerec/command/result")
        assert bool(ear.on("facerec/camera/front_door/face")) is received
    with broker.ear("facerec/#") as late:
        late.settle()
        assert bool(late.on("facerec/camera/front_door/face")) is kept


def test_messages_of_many_threads_all_arrive(broker: Broker) -> None:
    with broker.ear() as ear, running(broker.settings()) as publisher:
        ear.wait_for("facerec/status", b"online")

        def speak(name: str) -> None:
            for number in range(25):
                publisher.publish_result("rebuild", True, f"{name} {number}")

        threads = [threading.Thread(target=speak, args=(name,)) for name in "abcd"]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        publisher.publish_result("rebuild", True, "last")
        ear.wait(lambda m: b'"last"' in m.payload)
        assert len(ear.on("facerec/command/result")) == 101


def test_a_topic_that_the_broker_refuses_is_named_once_and_the_others_go_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "broker"
    folder.mkdir()
    rights = folder / "acl"
    rights.write_text("user ear\ntopic readwrite #\nuser facerec\ntopic write facerec/status\n")
    rights.chmod(0o644)
    config = f"{LOGIN_CONFIG}acl_file {{folder}}/acl\n"
    for broker in run_broker(folder, config, "facerec", "secret"):
        with running(broker.settings()) as publisher:
            wait_until(lambda: publisher.online)
            publisher.publish_camera_status("front_door", True)
            publisher.publish_camera_status("front_door", False)
            wait_for_log(caplog, "refuses what we publish on facerec/camera/front_door/status")
            assert publisher.online
            assert "facerec/status" not in caplog.text
    assert caplog.text.count("refuses what we publish") == 1


def test_another_client_with_our_client_id_is_named(broker: Broker, caplog: pytest.LogCaptureFixture) -> None:
    settings = broker.settings(client_id="twin")
    with running(settings) as first:
        wait_until(lambda: first.online)
        with running(settings):
            wait_for_log(caplog, 'another client has our client id "twin", give each its own')


def test_our_own_two_services_do_not_disturb_each_other(broker: Broker) -> None:
    barn = broker.settings(node_id="barn", base_topic="barn")
    with broker.ear() as ear, running(broker.settings()), running(barn):
        ear.wait_for("facerec/status", b"online")
        ear.wait_for("barn/status", b"online")
        ear.say("barn/command/rebuild", "nonsense")
        ear.wait_for("barn/command/result")
        assert not ear.on("facerec/command/result")
        assert not [m for m in ear.messages if m.text == "offline"]


@contextmanager
def no_more_threads() -> Iterator[None]:
    """The system refuses to start a thread: nowhere is there room for a stack of a petabyte."""
    before = threading.stack_size(1 << 50)
    try:
        yield
    finally:
        threading.stack_size(before)


def test_a_connection_for_which_no_thread_can_be_started_is_reported_once_and_made_when_one_can(
    broker: Broker, caplog: pytest.LogCaptureFixture
) -> None:
    with running(broker.settings()) as publisher:
        wait_until(lambda: publisher.online)
        broker.stop()
        wait_until(lambda: not publisher.online)
        with no_more_threads():
            broker.start()
            wait_for_log(caplog, "no thread for the connection can be started; end other programs")
        wait_until(lambda: publisher.online)
    assert caplog.text.count("no thread") == 1
