"""Surfaces: a grid of points in space with its textures, in the head's coordinates.

Centimetres; the origin lies between the eyes, x to the right of the picture, y up, z to the camera.
Rows of a grid run from top to bottom, columns from left to right as seen from in front, so that
outward normals and the winding of the triangles agree everywhere.
"""

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


@dataclass(frozen=True, slots=True, eq=False)
class Surface:
    """A part of a person, ready to be drawn."""

    points: Array
    """(h, w, 3) float32 cm, the coarse mesh."""
    relief: Array
    """(H, W, 4) float32: unit normal x, y, z and ambient occlusion, 0 (dark) to 1."""
    colour: Array
    """(H, W, 4) float32: linear red, green, blue, and opacity, all 0 to 1."""
    gloss: Array
    """(H, W) float32: strength of highlights, 0 to 1; strands of hair for hair."""

    @classmethod
    def from_grid(
        cls,
        points: Array,
        colour: Array,
        *,
        step: int,
        occlusion: Array | float = 1.0,
        opacity: Array | float = 1.0,
        gloss: Array | float = 0.1,
    ) -> "Surface":
        """Make a surface of a fine grid; its mesh takes every `step`-th point.

        Args:
            points: (H, W, 3) cm, H - 1 and W - 1 multiples of `step`.
            colour: linear RGB, (H, W, 3) or one colour.
            step: of the mesh, in points of the grid.
            occlusion: (H, W) or one value, as in `Surface.relief`.
            opacity: (H, W) or one value, as in `Surface.colour`.
            gloss: (H, W) or one value, as in `Surface.gloss`.
        """
        height, width = points.shape[:2]
        relief = np.empty((height, width, 4), np.float32)
        relief[..., :3] = normals(points)
        relief[..., 3] = occlusion
        painted = np.empty((height, width, 4), np.float32)
        painted[..., :3] = colour
        painted[..., 3] = opacity
        glossy = np.empty((height, width), np.float32)
        glossy[:] = gloss
        return cls(points[::step, ::step].astype(np.float32), relief, painted, glossy)


def normals(points: Array) -> Array:
    """Outward unit normals of a grid.

    Args:
        points: (H, W, 3) cm.

    Returns:
        (H, W, 3) float32.
    """
    across, down = np.gradient(points, axis=1), np.gradient(points, axis=0)
    outward = np.cross(down, across)
    lengths = np.linalg.norm(outward, axis=2, keepdims=True)
    unit: Array = (outward / np.maximum(lengths, 1e-9)).astype(np.float32)
    return unit


def tube(centres: Array, half_widths: Array, half_depths: Array, columns: int = 65) -> Array:
    """A grid around a line of centres: a neck, an arm, a torso.

    Args:
        centres: (n, 3) cm, from top to bottom.
        half_widths: (n,) cm, along x.
        half_depths: (n,) cm, along z.
        columns: of the grid; the seam is at the back.

    Returns:
        (n, columns, 3) float32 cm.
    """
    angle = np.linspace(-np.pi, np.pi, columns)
    grid = np.repeat(centres[:, None, :], columns, axis=1)
    grid[..., 0] += half_widths[:, None] * np.sin(angle)
    grid[..., 2] += half_depths[:, None] * np.cos(angle)
    return grid.astype(np.float32)


def ellipsoid(
    centre: tuple[float, float, float], radii: tuple[float, float, float], tilt: float = 0.0
) -> Array:
    """A grid on an ellipsoid: (33, 65, 3) float32 cm.

    Args:
        centre: x, y, z in cm.
        radii: along x, y, z in cm.
        tilt: forward, in radians.
    """
    polar = np.linspace(0.02, np.pi - 0.02, 33)
    heights = np.zeros((33, 3))
    heights[:, 1] = radii[1] * np.cos(polar)
    grid = tube(heights, radii[0] * np.sin(polar), radii[2] * np.sin(polar))
    tilted: Array = grid @ rotation(0.0, tilt, 0.0).T + np.array(centre, np.float32)
    return tilted


def rotation(yaw: float, pitch: float, roll: float) -> Array:
    """(3, 3) float32 that turns by yaw, then pitch, then roll, in radians."""
    cos, sin = np.cos, np.sin
    about_y = np.array([[cos(yaw), 0, sin(yaw)], [0, 1, 0], [-sin(yaw), 0, cos(yaw)]])
    about_x = np.array([[1, 0, 0], [0, cos(pitch), -sin(pitch)], [0, sin(pitch), cos(pitch)]])
    about_z = np.array([[cos(roll), -sin(roll), 0], [sin(roll), cos(roll), 0], [0, 0, 1]])
    turn: Array = (about_z @ about_x @ about_y).astype(np.float32)
    return turn


def bump(distance: Array, width: float) -> Array:
    """A bell of height 1: `exp(-(distance / width)² / 2)`."""
    return np.exp(-0.5 * np.square(distance / width))


def ramp(start: float, end: float, value: Array) -> Array:
    """Smooth step from 0 at `start` to 1 at `end`."""
    share = np.clip((value - start) / (end - start), 0, 1)
    return share * share * (3 - 2 * share)


def linear(rgb: tuple[int, int, int]) -> Array:
    """(3,) float32 linear light, 0 to 1, of a colour as on a screen."""
    return ((np.array(rgb, np.float32) / 255) ** 2.2).astype(np.float32)


def grain(rng: np.random.Generator, rows: int, columns: int, size: tuple[int, int]) -> Array:
    """Smooth noise of unit strength: `rows` × `columns` random values, enlarged to `size`.

    Returns:
        float32 of shape `size` (height, width).
    """
    values = rng.standard_normal((rows, columns)).astype(np.float32)
    return cv2.resize(values, (size[1], size[0]), interpolation=cv2.INTER_CUBIC)
