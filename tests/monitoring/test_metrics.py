"""The counts, and the endpoint that serves them."""

import socket
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from facerec_mqtt.core.errors import FacerecError
from facerec_mqtt.core.records import PresenceChange
from facerec_mqtt.monitoring.metrics import LATENCIES_KEPT, BrokerCounts, Metrics, Snapshot
from facerec_mqtt.monitoring.prometheus import Endpoint
from tests.support.sightings import face

pytest.importorskip("prometheus_client")


def a_day() -> Snapshot:
    """Two cameras; before one of them a few faces were seen."""
    metrics = Metrics(["front_door", "garden"], "1.2", start_s=1000.0)
    metrics.count_still("front_door")
    metrics.count_late("garden")
    metrics.count_searched("front_door", (), 0.02)
    metrics.count_searched("front_door", (face("anna"), face(refusal="blurred", candidate="anna")), 0.04)
    metrics.count_searched("front_door", (face(candidate="anna"),), 0.5)
    metrics.count_changes([PresenceChange("front_door", "anna", "arrived", 0.0, "V1", 3, 3, None)])
    return metrics.snapshot(1060.0, {"front_door": (9, 2), "garden": (7, 0)}, BrokerCounts(1, 2, 3))


def test_frames_faces_and_visits_are_counted_by_camera() -> None:
    day = a_day()
    door, garden = day.cameras["front_door"], day.cameras["garden"]
    assert (door.frames, door.reconnects, door.looked_at, door.still, door.late) == (9, 2, 3, 1, 0)
    assert (door.faces, door.named, door.arrived, door.departed, door.strangers) == (3, 1, 1, 0, 0)
    assert {reason for reason, number in door.refused.items() if number} == {"blurred", "below threshold"}
    assert (garden.frames, garden.late, garden.faces, sum(garden.refused.values())) == (7, 1, 0, 0)
    assert day.uptime_s == 60.0


def test_the_latency_is_given_by_quantiles_of_the_last_frames() -> None:
    metrics = Metrics(["c"], "1", 0.0)
    for _ in range(10):
        metrics.count_searched("c", (), 9.0)
    for number in range(LATENCIES_KEPT):
        metrics.count_searched("c", (), number / 1000)
    latency_ms = metrics.snapshot(1.0, {"c": (0, 0)}, BrokerCounts(0, 0, 0)).latency_ms
    assert latency_ms == pytest.approx({0.5: 999, 0.95: 1899, 0.99: 1979}, abs=1)


def test_before_the_first_frame_there_is_no_latency() -> None:
    snapshot = Metrics(["c"], "1", 0.0).snapshot(1.0, {"c": (0, 0)}, BrokerCounts(0, 0, 0))
    assert snapshot.as_json()["latency_ms"] == {"p50": None, "p95": None, "p99": None}


def test_nobody_is_named_in_the_counts() -> None:
    assert "anna" not in str(a_day().as_json())


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    served = Endpoint("127.0.0.1", 0)
    served.start()
    yield served
    served.stop()


def scrape(endpoint: Endpoint) -> list[str]:
    """The lines that Prometheus reads."""
    with urllib.request.urlopen(f"http://127.0.0.1:{endpoint.port}/metrics", timeout=10) as answer:
        return [line for line in answer.read().decode().splitlines() if not line.startswith("#")]


def test_prometheus_is_answered_with_the_last_counts(endpoint: Endpoint) -> None:
    assert scrape(endpoint) == []
    endpoint.show(a_day())
    lines = scrape(endpoint)
    for line in (
        "facerec_uptime_seconds 60.0",
        "facerec_messages_lost_total 2.0",
        'facerec_frame_latency_seconds{quantile="0.5"} 0.04',
        'facerec_frames_total{camera="front_door",fate="looked_at"} 3.0',
        'facerec_faces_total{answer="below threshold",camera="front_door"} 1.0',
        'facerec_visits_total{camera="front_door",kind="arrived"} 1.0',
        'facerec_camera_reconnects_total{camera="garden"} 0.0',
    ):
        assert line in lines
    assert not [line for line in lines if "anna" in line]


def test_an_endpoint_that_has_stopped_answers_no_more(endpoint: Endpoint) -> None:
    port = endpoint.port
    endpoint.stop()
    with pytest.raises(urllib.error.URLError):
        urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10)


def test_a_port_that_is_taken_is_one_sentence() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = int(other.getsockname()[1])
        with pytest.raises(FacerecError, match=rf"127\.0\.0\.1:{port} .*FACEREC_METRICS__PROMETHEUS_PORT"):
            Endpoint("127.0.0.1", port).start()


def test_without_the_extra_it_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in [name for name in sys.modules if name.split(".")[0] == "prometheus_client"]:
        monkeypatch.delitem(sys.modules, name)
    (tmp_path / "prometheus_client.py").write_text("raise ImportError('not here')")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(FacerecError, match=r"pip install 'facerec-mqtt\[metrics\]'"):
        Endpoint("127.0.0.1", 0).start()
