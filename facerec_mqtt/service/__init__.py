"""The long-running service: the loop, and what it owns."""

from facerec_mqtt.service.rebuild_process import RebuildDone, RebuildFailed, RebuildProgress, RebuildRequest
from facerec_mqtt.service.run import run_service

__all__ = ["RebuildDone", "RebuildFailed", "RebuildProgress", "RebuildRequest", "run_service"]
