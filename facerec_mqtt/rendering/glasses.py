"""Spectacles: lines in space in front of the face, hidden where the head is nearer."""

from typing import Protocol

import cv2
import numpy as np

from facerec_mqtt.rendering.identity import Identity
from facerec_mqtt.rendering.surface import Array


class View(Protocol):
    """What glasses need of a camera."""

    @property
    def samples(self) -> int:
        """Samples per pixel, along each side."""

    @property
    def head_turn(self) -> Array:
        """(3, 3) rotation of the head."""

    def project(self, points: Array, turn: Array) -> tuple[Array, Array]:
        """Samples x, y and nearness of points."""


def draw_glasses(
    colour: Array, opacity: Array, nearness: Array, identity: Identity, landmarks: Array, view: View
) -> None:
    """Draw somebody's glasses, if they wear any.

    Args:
        colour: (H, W, 3) float32 linear RGB, changed in place.
        opacity: (H, W) float32, changed in place.
        nearness: (H, W) float32, 1 / distance of what is there already.
        identity: whose glasses.
        landmarks: (5, 3) cm, as in `Head.landmarks`.
        view: the camera.
    """
    if identity.glasses == "none":
        return
    thick = identity.glasses == "thick"
    rim = np.array([0.012, 0.012, 0.014] if thick else [0.12, 0.10, 0.09], np.float32)
    lens = np.zeros(opacity.shape, np.uint8)
    frame = np.zeros(opacity.shape, np.uint8)
    for line, is_lens in _lines(identity, float(landmarks[:2, 2].mean())):
        pixels, near = view.project(line, view.head_turn)
        scale = np.linalg.norm(np.diff(pixels, axis=0), axis=1).sum()
        scale /= np.linalg.norm(np.diff(line, axis=0), axis=1).sum()
        width = max(1, round((0.40 if thick else 0.18) * float(scale)))
        fixed = np.round(pixels * 16).astype(np.int32)
        if is_lens:
            cv2.fillPoly(lens, [fixed], (255,), cv2.LINE_AA, 4)
        hidden = _hidden(nearness, pixels, near)
        for start, end, behind in zip(fixed[:-1], fixed[1:], hidden[:-1] | hidden[1:], strict=True):
            if not behind:
                ends = (int(start[0]), int(start[1])), (int(end[0]), int(end[1]))
                cv2.line(frame, *ends, (255,), width, cv2.LINE_AA, 4)
    glass = (lens.astype(np.float32) / 255 * opacity)[..., None]
    colour += glass * (0.012 - 0.04 * colour)
    cover = frame.astype(np.float32) / 255
    colour += (rim - colour) * cover[..., None]
    np.maximum(opacity, cover, out=opacity)


def _hidden(nearness: Array, pixels: Array, near: Array) -> Array:
    """(n,) bool: which points lie behind what is drawn."""
    height, width = nearness.shape
    columns = np.clip(pixels[:, 0], 0, width - 1).astype(int)
    rows = np.clip(pixels[:, 1], 0, height - 1).astype(int)
    # Half a centimetre of tolerance, since the frame touches nose and temples.
    hidden: Array = nearness[rows, columns] > near + 0.5 * near**2
    return hidden


def _lines(identity: Identity, eye_depth: float) -> list[tuple[Array, bool]]:
    """Lines in cm, (n, 3) each, and whether they enclose a lens."""
    thick = identity.glasses == "thick"
    half_width, half_height, roundness = (2.75, 2.0, 3.5) if thick else (2.5, 2.4, 2.0)
    depth, centre = eye_depth + 1.7, identity.eye_offset + 0.1
    around = np.linspace(0, 2 * np.pi, 49)
    cosine, sine = np.cos(around), np.sin(around)
    lines: list[tuple[Array, bool]] = []
    for side in (-1, 1):
        x = side * centre + half_width * np.sign(cosine) * np.abs(cosine) ** (2 / roundness)
        y = -0.15 + half_height * np.sign(sine) * np.abs(sine) ** (2 / roundness)
        lines.append((np.stack([x, y, depth + 0.3 - 0.03 * x * x], axis=1), True))
        edge = centre + half_width
        ear = 7.55 * identity.head_width
        along = np.linspace(0, 1, 33)
        x = side * (edge + (ear - edge) * np.minimum(1, along * 1.6))
        z = depth + 0.3 - 0.03 * edge * edge + (0.3 - depth) * along
        lines.append((np.stack([x, 0.35 + 0 * along, z], axis=1), False))
    inner = centre - half_width
    bridge = np.array([[-inner, 0.3, depth + 0.2], [0, 0.6, depth + 0.5], [inner, 0.3, depth + 0.2]])
    lines.append((bridge, False))
    return lines
