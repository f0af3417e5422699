"""`cameras find`: which cameras there are in the network, their streams, and the line for the settings."""

import getpass
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from facerec_mqtt.cameras.network import Login
from facerec_mqtt.cameras.onvif import FoundCamera, OnvifError, Trouble, find_cameras, ready_settings
from facerec_mqtt.core.errors import CameraError
from facerec_mqtt.core.files import UnfitFileError, read_plain
from facerec_mqtt.core.slugs import slug

PASSWORD_VARIABLE = "ONVIF_PASSWORD"  # noqa: S105 - the variable's name
_MAX_PASSWORD_BYTES = 4096
_SENTENCES = {
    Trouble.TIMEOUT: "It did not answer in time; ask it alone, with --address.",
    Trouble.UNREACHABLE: "There is no connection to it; check its address and network.",
    Trouble.NOT_ONVIF: "It does not answer as ONVIF says; switch ONVIF on in the camera, or look up its URL.",
    Trouble.LOGIN_NEEDED: "It asks for a login; give its ONVIF user with --username.",
    Trouble.LOGIN_REFUSED: "It refuses the login; many cameras have users of their own for ONVIF.",
    Trouble.NO_STREAMS: "It names no stream; look up its URL.",
}


def find(
    *,
    hosts: Sequence[str],
    username: str | None,
    password_file: Path | None,
    seconds: float,
    show_password: bool,
    as_json: bool,
) -> int:
    """Find cameras and print them.

    Args:
        hosts: ask only these.
        username: login for all of them; the password is asked for where no file and no variable holds it.
        password_file: holds the password.
        seconds: for how long to wait for answers.
        show_password: whether the lines for the settings hold the password.
        as_json: print one line of JSON.

    Returns:
        The exit status: 1 where there is none.

    Raises:
        CameraError: the network or the password cannot be had.
    """
    login = None if username is None else Login(username, _password(password_file))
    try:
        cameras = find_cameras(login, hosts=hosts, seconds=seconds)
    except OSError as error:
        raise CameraError(
            f"Nothing can be sent into the network ({error.strerror}); give the cameras' addresses with"
            " --address."
        ) from error
    ready = _ready(cameras, login, show_password=show_password)
    if as_json:
        print(json.dumps({"cameras": [_as_json(camera, ready.get(camera.host)) for camera in cameras]}))
    else:
        _print(cameras, ready, login, show_password=show_password)
    return 0 if cameras else 1


def _ready(
    cameras: Sequence[FoundCamera], login: Login | None, *, show_password: bool
) -> dict[str, dict[str, str]]:
    """The settings of each camera that has a stream, by host."""
    ready: dict[str, dict[str, str]] = {}
    taken: set[str] = set()
    for camera in cameras:
        if camera.streams and camera.host not in ready:
            settings = ready_settings(camera, taken, login, show_password=show_password)
            taken.add(slug(settings["name"]))
            ready[camera.host] = settings
    return ready


def _password(file: Path | None) -> str:
    """The password: of a file, of the environment, or typed without being shown.

    Raises:
        CameraError: there is none.
    """
    if file is not None:
        try:
            return read_plain(file, _MAX_PASSWORD_BYTES).decode().rstrip("\r\n")
        except (OSError, UnfitFileError, UnicodeDecodeError) as error:
            raise CameraError(f'The password cannot be read from "{file}"; check the file.') from error
    if PASSWORD_VARIABLE in os.environ:
        return os.environ[PASSWORD_VARIABLE]
    if not sys.stdin.isatty():
        raise CameraError(
            f"There is no password for the cameras; give --password-file, or set {PASSWORD_VARIABLE}."
        )
    return getpass.getpass("Password of the cameras: ")


def _as_json(camera: FoundCamera, settings: dict[str, str] | None) -> dict[str, object]:
    return {
        "host": camera.host,
        "name": camera.name,
        "maker": camera.maker,
        "model": camera.model,
        "streams": [
            {
                "url": stream.url,
                "profile": stream.profile,
                "encoding": stream.encoding,
                "width": stream.width_px,
                "height": stream.height_px,
                "fps": stream.fps,
            }
            for stream in camera.streams
        ],
        "failure": None if camera.failure is None else camera.failure.trouble.value,
        "settings": settings,
    }


def _print(
    cameras: Sequence[FoundCamera],
    ready: dict[str, dict[str, str]],
    login: Login | None,
    *,
    show_password: bool,
) -> None:
    console = Console()
    if not cameras:
        print(
            "No camera answered. Many answer only in their own network, and only where ONVIF is switched on"
            " in them; in a container give --address, since multicast does not reach it."
        )
        return
    for camera in cameras:
        made = " ".join(part for part in (camera.maker, camera.model) if part)
        print(f"{camera.name} at {camera.host}{f' ({made})' if made else ''}")
        if camera.failure is not None:
            print(f"  {_sentence(camera.failure)}")
            continue
        table = Table("Stream", "Size", "Pictures a second", "Encoding", "URL", box=None, padding=(0, 2))
        for number, stream in enumerate(camera.streams):
            size = f"{stream.width_px}×{stream.height_px}" if stream.width_px else ""
            cells = stream.profile, size, f"{stream.fps:g}" if stream.fps else "", stream.encoding, stream.url
            table.add_row(*map(escape, cells), style="bold" if number == 0 else None)
        console.print(table, soft_wrap=True)
    if ready:
        print("\nFor .env, with the stream of each camera that suits recognition best:")
        # Between single quotes a value is taken as it stands, but for these two.
        line = json.dumps(list(ready.values()), ensure_ascii=False).replace("\\", "\\\\").replace("'", "\\'")
        print(f"FACEREC_CAMERAS='{line}'")
        if login is not None and not show_password:
            print("Put the password in the place of PASSWORD, or print it with --show-password.")


def _sentence(failure: OnvifError) -> str:
    sentence = _SENTENCES[failure.trouble]
    return f"{sentence} ({failure.detail})" if failure.detail else sentence
