"""The arguments of the commands in this package; what a command needs is imported when it runs."""

import argparse
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from facerec_mqtt.settings import Settings

if TYPE_CHECKING:
    Commands = argparse._SubParsersAction[argparse.ArgumentParser]
ReadSettings = Callable[[argparse.Namespace], Settings]


def add_parsers(
    commands: "Commands", add_folders: Callable[[argparse.ArgumentParser], None], settings: ReadSettings
) -> None:
    """Add `cameras`, `backup`, `restore`, `status` and `camera-key` to the command line.

    Args:
        commands: of the program.
        add_folders: adds the options that name the folders.
        settings: reads the settings, with what the command line overrides.
    """
    cameras = commands.add_parser("cameras", help="find the cameras in the network")
    search = cameras.add_subparsers(required=True, metavar="HOW").add_parser(
        "find", help="list cameras that speak ONVIF, their streams, and the line for the settings"
    )
    search.add_argument("--address", action="append", default=[], metavar="HOST", help="ask only this one")
    search.add_argument("--username", metavar="NAME", help="login of the cameras; the password is asked for")
    search.add_argument("--password-file", type=Path, metavar="FILE", help="file that holds the password")
    search.add_argument(
        "--seconds", type=float, default=4.0, metavar="N", help="wait for answers (%(default)s)"
    )
    search.add_argument("--show-password", action="store_true", help="print the password in the settings")
    search.add_argument("--json", action="store_true", help="print the cameras as one line of JSON")
    search.set_defaults(command=_find_cameras)

    backup = commands.add_parser("backup", help="write photos, models, visits and states into one file")
    backup.add_argument("file", type=Path, metavar="FILE")
    add_folders(backup)
    backup.add_argument("--json", action="store_true", help="print what was backed up as one line of JSON")
    backup.set_defaults(command=partial(_backup, settings))

    restore = commands.add_parser("restore", help="put a backup back, also on another machine")
    restore.add_argument("file", type=Path, metavar="FILE")
    add_folders(restore)
    restore.add_argument("--merge", action="store_true", help="only add what is missing; overwrite nothing")
    restore.add_argument("--json", action="store_true", help="print what was restored as one line of JSON")
    restore.set_defaults(command=partial(_restore, settings))

    status = commands.add_parser("status", help="show whether the boxes of the house run, and who does what")
    status.add_argument("--json", action="store_true", help="print it as one line of JSON")
    status.set_defaults(command=partial(_status, settings))

    key = commands.add_parser("camera-key", help="print the key for boxes that have cameras and no model")
    key.set_defaults(command=partial(_camera_key, settings))


def _find_cameras(arguments: argparse.Namespace) -> int:
    from facerec_mqtt.cli.setup.cameras import find

    return find(
        hosts=arguments.address,
        username=arguments.username,
        password_file=arguments.password_file,
        seconds=arguments.seconds,
        show_password=arguments.show_password,
        as_json=arguments.json,
    )


def _backup(settings: ReadSettings, arguments: argparse.Namespace) -> int:
    from facerec_mqtt.cli.setup.backup import write_backup

    return write_backup(settings(arguments), arguments.file, as_json=arguments.json)


def _restore(settings: ReadSettings, arguments: argparse.Namespace) -> int:
    from facerec_mqtt.cli.setup.backup import put_back

    return put_back(settings(arguments), arguments.file, merge=arguments.merge, as_json=arguments.json)


def _camera_key(settings: ReadSettings, arguments: argparse.Namespace) -> int:
    from facerec_mqtt.cli.setup.camera_key import print_camera_key

    return print_camera_key(settings(arguments))


def _status(settings: ReadSettings, arguments: argparse.Namespace) -> int:
    from facerec_mqtt.cli.setup.status import show_status

    return show_status(settings(arguments), as_json=arguments.json)
