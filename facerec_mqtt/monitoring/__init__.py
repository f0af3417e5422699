"""Metrics, heartbeat and overload of the service."""

from facerec_mqtt.monitoring.heartbeat import Heartbeat
from facerec_mqtt.monitoring.metrics import BrokerCounts, Metrics, Snapshot
from facerec_mqtt.monitoring.prometheus import Endpoint, require_client
from facerec_mqtt.monitoring.reporter import CameraTotals, CountsReporter

__all__ = [
    "BrokerCounts",
    "CameraTotals",
    "CountsReporter",
    "Endpoint",
    "Heartbeat",
    "Metrics",
    "Snapshot",
    "require_client",
]
