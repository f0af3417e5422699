"""Settings of cameras in sentences, and as the lines that are copied to where settings belong."""

import json
from collections.abc import Mapping
from enum import StrEnum, auto
from pathlib import Path

SMALLEST_FOUND_PX = 12.0
"""Narrower faces, in the picture as it is searched, are not found; see `faces.detection.FaceDetector`."""
Region = tuple[float, float, float, float]
WHOLE: Region = (0.0, 0.0, 1.0, 1.0)
NOTHING_FOUND = (
    "No camera answered. Check that ONVIF is switched on in the camera, and that it is on the same network as"
    " this program. No answer reaches a program in a container: enter a camera's address there."
)


class Keeper(StrEnum):
    """Who keeps the settings."""

    FILE = auto()
    """A settings file that we may write."""
    READ_ONLY = auto()
    """A settings file that we may not write."""
    CREDENTIAL = auto()
    """A copy that systemd has made of one."""
    APP = auto()
    """The options of Home Assistant's app."""
    ENVIRONMENT = auto()
    """Whoever sets the environment."""
    NOWHERE = auto()
    """There are none yet."""


def where(keeper: Keeper, file: Path | None) -> str:
    """Where settings of cameras belong, in one sentence."""
    restart = "then start the service again."
    match keeper:
        case Keeper.FILE:
            return f"What you save here goes into {file}; every other line of it stays as it is."
        case Keeper.READ_ONLY:
            return (
                f"The page may not write {file}: put the line there into FACEREC_CAMERAS yourself, {restart}"
            )
        case Keeper.CREDENTIAL:
            return (
                "systemd has given the service a copy of its settings: put the line into FACEREC_CAMERAS in"
                f" the original, usually /etc/facerec-mqtt/env, {restart}"
            )
        case Keeper.APP:
            return (
                "The settings are the options of the app: put the lines there, at this camera (Settings,"
                " Apps, Face recognition, Configuration), and restart the app."
            )
        case Keeper.ENVIRONMENT:
            return (
                "The settings are environment variables: put the line into FACEREC_CAMERAS where they are set"
                f" (with Docker Compose, the file named by env_file), {restart}"
            )
        case Keeper.NOWHERE:
            return f"Put the line into FACEREC_CAMERAS in the file .env where the program starts, {restart}"


def setup_line(keeper: Keeper, region: Region | None, min_face_px: float) -> str:
    """Region and smallest face of a camera as they are written there."""
    sides = [number(side) for side in region or WHOLE]
    if keeper is Keeper.APP:
        return f"region: {', '.join(map(str, sides))}\nmin_face_px: {number(min_face_px)}"
    return f'"region":{json.dumps(sides, separators=(",", ":"))},"min_face_px":{number(min_face_px)}'


def camera_line(keeper: Keeper, camera: Mapping[str, str], *, is_first: bool) -> str:
    """A new camera as it is written there."""
    if keeper is Keeper.APP:
        # A text of JSON is one of YAML, too.
        lines = [f"{name}: {json.dumps(value, ensure_ascii=False)}" for name, value in camera.items()]
        return "- " + "\n  ".join(lines)
    text = json.dumps(camera, ensure_ascii=False, separators=(",", ":"))
    if not is_first:
        return text
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"FACEREC_CAMERAS='[{escaped}]'"


def number(value: float) -> float | int:
    """A number as a person writes it: 0.125, 40."""
    rounded = round(value, 3)
    return int(rounded) if rounded == int(rounded) else rounded


def found_from_px(region: Region | None, size_px: tuple[int, int], max_side_px: int) -> float:
    """How wide a face must be to be found in a region at all, about, in pixels of the camera's picture.

    The region alone is searched, scaled down where it is larger than the search takes.

    Args:
        region: as the setting.
        size_px: width and height of the picture.
        max_side_px: to which the search scales it down.
    """
    left, top, right, bottom = region or WHOLE
    longer_px = max((right - left) * size_px[0], (bottom - top) * size_px[1])
    return SMALLEST_FOUND_PX * max(1.0, longer_px / max_side_px)


def failure_of(trouble: str, detail: str, *, alone: bool) -> str:
    """Why a camera does not say which streams it has.

    Args:
        trouble: a value of `cameras.onvif.Trouble`.
        detail: what it or the system said.
        alone: whether it was asked by its address.
    """
    sentences = {
        "timeout": "It did not answer in time; try again"
        + (", or restart it." if alone else " with its address alone."),
        "unreachable": "There is no connection to it; check its address and network.",
        "not_onvif": "It does not speak ONVIF; switch ONVIF on in the camera, or look up its URL.",
        "login_needed": "It asks for a login; enter the user and password that it has for ONVIF.",
        "login_refused": "It rejects this user or password; many cameras have separate users for ONVIF.",
        "no_streams": "It lists no stream; look up its URL.",
    }
    return f"{sentences[trouble]} ({detail})" if detail else sentences[trouble]


def no_network(reason: str) -> str:
    """That nobody can be asked."""
    return f"The network cannot be searched ({reason}); enter a camera's address."
