"""The long-running service: the loop, and what it owns.

`run` starts it and is imported by its path, since it brings in all the rest. What is named here are the
messages between the service and its rebuild, which the rebuild's process needs too.
"""

from facerec_mqtt.service.rebuild_process import RebuildDone, RebuildFailed, RebuildProgress, RebuildRequest

__all__ = ["RebuildDone", "RebuildFailed", "RebuildProgress", "RebuildRequest"]
