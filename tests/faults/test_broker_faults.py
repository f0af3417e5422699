"""What brokers and the lines to them do wrong: no event is lost, none comes twice, and it is logged once."""

import heapq
import json
import logging
import subprocess
import time
from collections.abc import Iterator
from functools import partial
from itertools import pairwise
from pathlib import Path

import pytest

from facerec_mqtt.mqtt.failures import Fault, Outage
from facerec_mqtt.mqtt.outbox import MAX_WAITING
from facerec_mqtt.service.broker.reconnect import DOUBTED_DELAY_S, ReconnectPolicy
from facerec_mqtt.settings.schema import MqttSettings
from tests.support.broker import (
    LOGIN_CONFIG,
    PASSWORD,
    USERNAME,
    Broker,
    Certificates,
    Ear,
    run_broker,
    wait_until,
)
from tests.support.disk import fill
from tests.support.faulty_line import FaultyLine
from tests.support.publisher import AWAY, HERE, arrival, let_answer, running, wait_for_log
from tests.support.service import Home, RunningService
from tests.support.service_runs import camera, events, wait_for_event

EVENTS = "facerec/camera/front_door/event"
HOUR_S = 3600.0
TWIN = MqttSettings(client_id="twin")


def warnings_of(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]


def visits_on(ear: Ear) -> list[str]:
    return [json.loads(message.payload)["visit_id"] for message in ear.on(EVENTS)]


def said(ear: Ear) -> list[tuple[str, str]]:
    """What events were of what visits."""
    return [(event["event_type"], event["visit_id"]) for event in events(ear)]


def test_what_happens_while_the_broker_is_killed_comes_once_and_with_its_true_time(
    home: Home, annas_film: Path, broker: Broker, tmp_path: Path
) -> None:
    log = tmp_path / "log" / "log"
    with FaultyLine(broker.port) as line:
        environment = home.environment(camera(annas_film), **broker.environment())
        environment["FACEREC_MQTT__PORT"] = str(line.port)
        with RunningService(environment, log) as service:
            with broker.ear() as ear:
                before = wait_for_event(ear, "arrived", "anna")
                let_answer(ear)  # else the event, whose receipt may not have come, would be said again
            line.cut()
            broker.kill()
            cut_at = time.time()
            wait_until(lambda: service.log.count("Anna departed") >= 1)
            wait_until(lambda: service.log.count("Anna arrived") >= 2)
            broker.start()
            mended_at = time.time()
            with broker.ear() as ear:
                line.restore()
                departed = wait_for_event(ear, "departed", "anna")
                arrived = wait_for_event(ear, "arrived", "anna")
                wait_until(lambda: [kind for kind, _ in said(ear)].count("departed") >= 2)
                published = said(ear)
            assert service.terminate() == 0
    assert departed["visit_id"] == before["visit_id"]
    assert cut_at < departed["epoch"] < arrived["epoch"] + 60
    assert cut_at < arrived["epoch"] < mended_at
    assert len(published) == len(set(published))
    assert ("arrived", before["visit_id"]) not in published
    assert service.log.count("Trying again until it is back") == 1


def test_what_a_dead_line_has_swallowed_is_sent_again_and_comes_once(
    broker: Broker, caplog: pytest.LogCaptureFixture
) -> None:
    with FaultyLine(broker.port) as line, broker.ear() as ear:
        with running(broker.settings(port=line.port, keepalive_s=5)) as publisher:
            ear.wait_for("facerec/status", b"online")
            publisher.publish_event(arrival(time.monotonic(), "V1"), name="Anna", model=None)
            ear.wait_for(EVENTS)
            let_answer(ear)  # the broker's receipt for V1 must not be swallowed
            line.swallow()
            publisher.publish_event(arrival(time.monotonic(), "V2"), name="Anna", model=None)
            publisher.publish_state(HERE)
            # No side learns that the broker is gone but by its silence.
            wait_until(lambda: not publisher.online)
            publisher.publish_event(arrival(time.monotonic(), "V3"), name="Anna", model=None)
            publisher.publish_state(AWAY)
            assert visits_on(ear) == ["V1"]
            line.restore()
            ear.wait(lambda m: b'"V3"' in m.payload)
            wait_until(lambda: bool(ear.on("facerec/person/anna/state")))
        ear.settle()
        assert visits_on(ear) == ["V1", "V2", "V3"]
        states = [json.loads(m.payload)["present"] for m in ear.on("facerec/person/anna/state")]
        assert set(states) == {"OFF"}
    assert len([text for text in warnings_of(caplog) if "Trying again" in text]) == 1


def test_of_more_than_can_wait_the_newest_come_and_the_others_are_counted_once(
    broker: Broker, caplog: pytest.LogCaptureFixture
) -> None:
    with FaultyLine(broker.port) as line, broker.ear() as ear:
        line.cut()
        with running(broker.settings(port=line.port)) as publisher:
            wait_for_log(caplog, "Trying again")
            for number in range(MAX_WAITING + 44):
                publisher.publish_event(arrival(time.monotonic(), f"V{number}"), name="Anna", model=None)
            line.restore()
            last = f'"V{MAX_WAITING + 43}"'.encode()
            ear.wait(lambda m: last in m.payload)
        assert visits_on(ear) == [f"V{number}" for number in range(44, MAX_WAITING + 44)]
    assert [text for text in warnings_of(caplog) if "dropped" in text and "44 messages" in text]
    assert len(warnings_of(caplog)) == 2  # nothing answers; so many are dropped


def test_a_password_that_is_changed_is_logged_once_and_what_waits_comes_when_it_is_right_again(
    broker_with_password: Broker, caplog: pytest.LogCaptureFixture
) -> None:
    broker = broker_with_password
    with running(broker.settings()) as publisher:
        wait_until(lambda: publisher.online)
        broker.stop()
        set_password(broker, "an0ther-one")
        broker.start()
        wait_for_log(caplog, "not authorised")
        publisher.publish_event(arrival(time.monotonic(), "V1"), name="Anna", model=None)
        broker.stop()
        set_password(broker, PASSWORD)
        broker.start()
        with broker.ear() as ear, running(broker.settings(client_id="other")):
            # Either the event itself, or it was said before this ear was there.
            wait_until(lambda: publisher.online)
            publisher.publish_event(arrival(time.monotonic(), "V2"), name="Anna", model=None)
            ear.wait(lambda m: b'"V2"' in m.payload)
            assert visits_on(ear) in (["V1", "V2"], ["V2"])
    assert caplog.text.count("check FACEREC_MQTT__USERNAME and FACEREC_MQTT__PASSWORD") == 1
    assert PASSWORD not in caplog.text


def set_password(broker: Broker, password: str) -> None:
    passwords = broker.folder / "passwords"
    subprocess.run(["mosquitto_passwd", "-b", "-c", passwords, USERNAME, password], check=True)
    passwords.chmod(0o644)


@pytest.mark.parametrize("protocol", ["3.1.1", "5"])
def test_a_broker_that_lets_us_write_nothing_is_reported_once_where_it_says_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, protocol: str
) -> None:
    folder = tmp_path / "broker"
    folder.mkdir()
    write_rights(folder, "topic read #")
    config = f"{LOGIN_CONFIG}acl_file {{folder}}/acl\n"
    for broker in run_broker(folder, config, "facerec", "secret"):
        broker.stop()
        with running(broker.settings(protocol=protocol)) as publisher:
            for number in range(8):
                publisher.publish_camera_status(f"camera_{number}", True)
            publisher.publish_event(arrival(time.monotonic(), "V1"), name="Anna", model=None)
            # What waits is sent, and refused, in one go; only then it is sure to be logged in one line.
            broker.start()
            wait_until(lambda: publisher.online)
            if protocol == "5":
                wait_for_log(caplog, "refuses what we publish on")
            broker.stop()
            write_rights(folder, "topic readwrite #")
            broker.start()
            with broker.ear() as ear:
                for number in range(8):
                    ear.wait_for(f"facerec/camera/camera_{number}/status", b"online")
            assert publisher.online
    refusals = [text for text in warnings_of(caplog) if "refuses what we publish" in text]
    if protocol == "5":
        (said,) = refusals
        assert "and 6 more (Not authorized); allow us to write there" in said
    else:
        assert refusals == []  # MQTT 3.1.1 has no word for it


def write_rights(folder: Path, rights: str) -> None:
    path = folder / "acl"
    path.write_text(f"user facerec\n{rights}\n")
    path.chmod(0o644)


def test_a_broker_whose_disk_is_full_still_passes_on_every_event(tmp_path: Path, small_disk: Path) -> None:
    config = (
        f"allow_anonymous true\npersistence true\npersistence_location {small_disk}/\n"
        "autosave_interval 1\nautosave_on_changes true\n"
    )
    fill(small_disk)
    for broker in run_broker(tmp_path / "broker", config):
        with broker.ear() as ear, running(broker.settings()) as publisher:
            ear.wait_for("facerec/status", b"online")
            publisher.publish_event(arrival(time.monotonic(), "V1"), name="Anna", model=None)
            ear.say("test/large", bytes(20_000), retain=True)  # more than it keeps in a buffer
            wait_until(partial(has_a_full_disk, broker))
            publisher.publish_event(arrival(time.monotonic(), "V2"), name="Anna", model=None)
            ear.wait(lambda m: b'"V2"' in m.payload)
            assert visits_on(ear) == ["V1", "V2"]
            assert publisher.online


def has_a_full_disk(broker: Broker) -> bool:
    return "No space left on device" in (broker.folder / "mosquitto.log").read_text()


def test_an_expired_certificate_is_logged_once_and_trusted_again_when_it_is_renewed(
    tmp_path: Path, certificates: Certificates, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "broker"
    folder.mkdir()
    expired = expired_certificate(certificates, tmp_path / "expired.crt")
    in_use = folder / "in_use.crt"
    in_use.write_bytes(certificates.server.read_bytes())
    config = f"allow_anonymous true\ncertfile {in_use}\nkeyfile {certificates.server_key}\n"
    for broker in run_broker(folder, config, ca=certificates.ca):
        with running(broker.settings()) as publisher:
            wait_until(lambda: publisher.online)
            broker.stop()
            in_use.write_bytes(expired.read_bytes())
            broker.start()
            wait_for_log(caplog, "certificate is not trusted (certificate has expired); renew it")
            assert not publisher.online
            publisher.publish_event(arrival(time.monotonic(), "V1"), name="Anna", model=None)
            broker.stop()
            in_use.write_bytes(certificates.server.read_bytes())
            broker.start()
            wait_until(lambda: publisher.online)
    assert caplog.text.count("renew it") == 1


def expired_certificate(certificates: Certificates, path: Path) -> Path:
    """The server's certificate as it will be when its time is over."""
    request = certificates.server.with_suffix(".csr")
    signer: list[str | Path] = ["-CA", certificates.ca, "-CAkey", certificates.ca.with_suffix(".key")]
    extensions = certificates.server.with_suffix(".ext")
    subprocess.run(
        [
            "openssl",
            "x509",
            "-req",
            "-in",
            request,
            *signer,
            "-CAcreateserial",
            "-out",
            path,
            "-days",
            "-1",
            "-extfile",
            extensions,
        ],
        check=True,
        capture_output=True,
    )
    path.chmod(0o644)
    return path


@pytest.mark.parametrize("fault", [Fault.TAKEN_OVER, Fault.BROKE])
def test_two_services_with_one_client_id_neither_fight_hotly_nor_log_it_indefinitely(
    caplog: pytest.LogCaptureFixture, fault: Fault
) -> None:
    caplog.set_level(logging.INFO)
    connected_s = list(fight([ReconnectPolicy(TWIN), ReconnectPolicy(TWIN)], Outage(fault), HOUR_S))
    late = [at_s for at_s in connected_s if at_s > 300]
    assert late, "they give up, and nobody is connected"
    assert min(b - a for a, b in pairwise(late[::2])) > DOUBTED_DELAY_S / 2
    assert len(connected_s) < 240
    lines = [record.getMessage() for record in caplog.records]
    assert len([line for line in lines if "client id" in line]) == 2  # each logs it once
    assert len(lines) <= 14


def fight(services: list[ReconnectPolicy], outage: Outage, until_s: float) -> Iterator[float]:
    """Let each take the connection from the other whenever its time has come; tells when."""
    due = [(0.0, number) for number in range(len(services))]
    holder: int | None = None
    steady_s: float | None = None
    while due and (next_up := heapq.heappop(due))[0] < until_s:
        now_s, number = next_up
        if holder is not None:
            if steady_s is not None and steady_s <= now_s:
                services[holder].steady(steady_s)
            heapq.heappush(due, (now_s + services[holder].lost(outage, now_s), holder))
        holder, steady_s = number, services[number].connected(now_s)
        yield now_s


def test_when_the_other_service_is_gone_the_fight_is_over_and_forgotten(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    taken = Outage(Fault.TAKEN_OVER)
    one = ReconnectPolicy(TWIN)
    assert one.connected(0.0) is None
    delay_s = one.lost(taken, 1.0)
    for _ in range(8):
        one.connected(100.0)
        delay_s = one.lost(taken, 101.0)
    assert delay_s == DOUBTED_DELAY_S
    steady_s = one.connected(200.0)
    assert steady_s is not None
    one.steady(steady_s)
    assert "connected again" in caplog.messages[-1]
    assert one.lost(Outage(Fault.BROKE), 1000.0) < 1.0
    assert one.connected(1001.0) is None
