"""Backups: all that a house cannot make again in one file, and putting it back.

`create` writes one, `archive` reads one that may be hostile, `restore` puts it in place.
"""

from facerec_mqtt.maintenance.backup.archive import BackupError
from facerec_mqtt.maintenance.backup.create import Backup, back_up
from facerec_mqtt.maintenance.backup.restore import Restored, restore

__all__ = ["Backup", "BackupError", "Restored", "back_up", "restore"]
