"""What others than the service listen to, on its connection to a real broker."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from facerec_mqtt.mqtt.connection import Received
from facerec_mqtt.mqtt.failures import ConnectionFailedError
from facerec_mqtt.mqtt.subscriptions import Access, Subscription, listen_once
from facerec_mqtt.service.broker.publisher import Publisher
from facerec_mqtt.settings.schema import PrivacySettings
from tests.support.broker import Broker, run_broker, wait_until
from tests.support.publisher import next_command

PICTURE = b"\xff\xd8" + bytes(200_000)


class Listener:
    """Notes what comes, and fails at what it is told to."""

    def __init__(self) -> None:
        self.messages: list[Received] = []
        self.access: list[Access] = []

    def take(self, message: Received) -> None:
        self.messages.append(message)
        if message.payload == b"fail":
            raise ValueError

    def on_access(self, access: Access) -> None:
        if self.access[-1:] != [access]:
            self.access.append(access)


@pytest.fixture
def denying_broker(tmp_path: Path) -> Iterator[Broker]:
    """A broker that refuses subscriptions below `secret/`, which its plain lists of rights cannot."""
    plugin = next(Path("/usr/lib").glob("**/mosquitto_dynamic_security.so"), None)
    if plugin is None:
        pytest.skip("Mosquitto's plugin for rights is not installed")
    rules = tmp_path / "rules.json"
    kinds = {"publishClientSend": True, "publishClientReceive": True, "subscribe": True, "unsubscribe": True}
    denied = {"acltype": "subscribePattern", "topic": "secret/#", "priority": 1, "allow": False}
    content = {
        "defaultACLAccess": kinds,
        "roles": [{"rolename": "all", "acls": [denied]}],
        "groups": [{"groupname": "all", "roles": [{"rolename": "all"}]}],
        "anonymousGroup": "all",
    }
    rules.write_text(json.dumps(content))
    config = f"allow_anonymous true\nplugin {plugin}\nplugin_opt_config_file {rules}\n"
    yield from run_broker(tmp_path / "denying", config)


@pytest.mark.parametrize("protocol", ["3.1.1", "5"])
def test_messages_come_whole_on_every_connection_and_commands_come_as_before(
    broker: Broker, protocol: str
) -> None:
    first, second = Listener(), Listener()
    publisher = Publisher(broker.settings(protocol=protocol), PrivacySettings(), cameras=["door"])
    publisher.subscribe(Subscription("yard/+/picture", first.take, first.on_access, qos=0))
    publisher.subscribe(Subscription("yard/+/picture", second.take))
    with broker.ear() as ear:
        ear.say("yard/old/picture", PICTURE, retain=True)
    publisher.start()
    try:
        wait_until(lambda: first.messages)
        assert first.messages == [Received("yard/old/picture", PICTURE, True)]
        with broker.ear() as ear:
            for payload in (b"fail", PICTURE):
                ear.say("yard/new/picture", payload, retain=True)
            ear.say("yard/new/other", b"not asked for")
            ear.say("facerec/camera/door/enabled/set", "OFF")
            next_command(publisher)
        wait_until(lambda: len(first.messages) == 3)
        assert first.messages[1:] == [
            Received("yard/new/picture", each, False) for each in (b"fail", PICTURE)
        ]
        assert second.messages == first.messages
        broker.stop()
        wait_until(lambda: first.access == [Access.OPEN, Access.CLOSED])
        broker.start()
        wait_until(lambda: first.access == [Access.OPEN, Access.CLOSED, Access.OPEN])
        with broker.ear() as ear:
            ear.say("yard/new/picture", b"once more")
        wait_until(lambda: first.messages[-1].payload == b"once more")
    finally:
        publisher.stop()
    assert first.access[-1] is Access.CLOSED


def test_who_listens_once_learns_what_came_or_why_nothing_can(broker: Broker, denying_broker: Broker) -> None:
    with broker.ear("none") as ear:
        ear.say("yard/picture", PICTURE, retain=True)
    assert listen_once(broker.settings(), "yard/picture", 30.0) == Received("yard/picture", PICTURE, True)
    assert listen_once(broker.settings(), "yard/other", 0.5) is Access.OPEN
    assert listen_once(denying_broker.settings(), "secret/picture", 30.0) is Access.DENIED
    broker.stop()
    with pytest.raises(ConnectionFailedError):
        listen_once(broker.settings(), "yard/picture", 30.0)


def test_a_topic_that_we_may_not_read_is_reported_to_who_listens_there(denying_broker: Broker) -> None:
    denied, allowed = Listener(), Listener()
    publisher = Publisher(denying_broker.settings(), PrivacySettings(), cameras=[])
    publisher.subscribe(Subscription("secret/picture", denied.take, denied.on_access))
    publisher.subscribe(Subscription("yard/picture", allowed.take, allowed.on_access))
    publisher.start()
    try:
        wait_until(lambda: denied.access and allowed.access)
        assert (denied.access, allowed.access) == ([Access.DENIED], [Access.OPEN])
    finally:
        publisher.stop()
