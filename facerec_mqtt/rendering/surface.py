"""Surfaces: a grid of points in space with its textures, in the head's coordinates.

Centimetres; the origin lies between the eyes, x to the right of the picture, y up, z to the camera.
Rows of a grid run from top to bottom, columns from left to right as seen from in front, so that
outward normals and the winding of the triangles agree everywhere.

From triangles to pixels: a rasteriser in whole-array operations.
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


@dataclass(frozen=True, slots=True, eq=False)
class Raster:
    """What is nearest at each pixel; filled in place by `draw`."""

    nearness: Array
    """(H, W) float32, 1 / distance; 0 is nothing."""
    surface: Array
    """(H, W) int16, number of the surface; -1 is none."""
    place: Array
    """(H, W, 2) float32, column and row on the surface's mesh."""

    @classmethod
    def empty(cls, height: int, width: int) -> "Raster":
        """A raster with nothing on it."""
        return cls(
            np.zeros((height, width), np.float32),
            np.full((height, width), -1, np.int16),
            np.zeros((height, width, 2), np.float32),
        )

    def behind(self, tolerance: float) -> "Raster":
        """An empty raster that only takes what is nearer than this one, less a tolerance."""
        empty = Raster.empty(*self.nearness.shape)
        return Raster(self.nearness - np.float32(tolerance), empty.surface, empty.place)


def draw(raster: Raster, number: int, pixels: Array, nearness: Array, *, inside: bool = False) -> None:
    """Draw a mesh where it is nearer than what is there.

    Args:
        raster: changed in place.
        number: what to write into `Raster.surface`.
        pixels: (h, w, 2) float32, x and y of the mesh's points in the raster.
        nearness: (h, w) float32, 1 / distance of the points.
        inside: draw the faces that are seen from within instead of those seen from outside.
    """
    mesh_rows, mesh_columns = nearness.shape
    height, width = raster.nearness.shape
    corners = _triangles(mesh_rows, mesh_columns, inside)
    flat = pixels.reshape(-1, 2)
    first, second, third = (flat[corners[:, k]] for k in range(3))
    edge_1, edge_2 = second - first, third - first
    area = edge_1[:, 0] * edge_2[:, 1] - edge_1[:, 1] * edge_2[:, 0]
    low = np.ceil(np.minimum(np.minimum(first, second), third)).clip(0, (width, height)).astype(np.int32)
    high = np.floor(np.maximum(np.maximum(first, second), third)).clip(-1, (width - 1, height - 1))
    extent = high.astype(np.int32) - low + 1
    kept = np.nonzero((area > 1e-6) & (extent > 0).all(axis=1))[0]
    if not len(kept):
        return
    # Barycentric weights of the second and third corner are linear in x and y, and so is all else.
    scale = 1 / area[kept]
    slope_1 = np.stack([edge_2[kept, 1], -edge_2[kept, 0]], axis=1) * scale[:, None]
    slope_2 = np.stack([-edge_1[kept, 1], edge_1[kept, 0]], axis=1) * scale[:, None]
    origin, low, extent = first[kept], low[kept], extent[kept]
    counts = extent[:, 0] * extent[:, 1]
    owner = np.repeat(np.arange(len(kept)), counts)
    offset = np.arange(len(owner)) - np.repeat(np.cumsum(counts) - counts, counts)
    offset_y, offset_x = np.divmod(offset.astype(np.int32), extent[owner, 0])
    x, y = low[owner, 0] + offset_x, low[owner, 1] + offset_y
    from_x, from_y = x - origin[owner, 0], y - origin[owner, 1]
    weight_1 = from_x * slope_1[owner, 0] + from_y * slope_1[owner, 1]
    weight_2 = from_x * slope_2[owner, 0] + from_y * slope_2[owner, 1]
    hit = np.nonzero((weight_1 >= -1e-4) & (weight_2 >= -1e-4) & (weight_1 + weight_2 <= 1 + 1e-4))[0]
    owner, weight_1, weight_2 = owner[hit], weight_1[hit], weight_2[hit]
    at = y[hit] * width + x[hit]
    columns, rows = corners[kept] % mesh_columns, corners[kept] // mesh_columns
    near = _blend(nearness.reshape(-1)[corners[kept]], owner, weight_1, weight_2)
    nearest = raster.nearness.reshape(-1)
    before = nearest[at]
    np.maximum.at(nearest, at, near)
    won = np.nonzero((near > before) & (near >= nearest[at]))[0]
    owner, weight_1, weight_2, at = owner[won], weight_1[won], weight_2[won], at[won]
    raster.surface.reshape(-1)[at] = number
    place = raster.place.reshape(-1, 2)
    place[at, 0] = _blend(columns, owner, weight_1, weight_2)
    place[at, 1] = _blend(rows, owner, weight_1, weight_2)


def _blend(values: Array, owner: Array, weight_1: Array, weight_2: Array) -> Array:
    """Interpolate (T, 3) values at the corners of triangles to the pixels in them."""
    base = values[:, 0].astype(np.float32)
    rise_1, rise_2 = values[:, 1] - base, values[:, 2] - base
    blended: Array = (base[owner] + weight_1 * rise_1[owner] + weight_2 * rise_2[owner]).astype(np.float32)
    return blended


def _triangles(rows: int, columns: int, inside: bool) -> Array:
    """(T, 3) indices into a mesh's points, clockwise on the screen."""
    index = np.arange(rows * columns).reshape(rows, columns)
    upper_left, upper_right = index[:-1, :-1].ravel(), index[:-1, 1:].ravel()
    lower_left, lower_right = index[1:, :-1].ravel(), index[1:, 1:].ravel()
    corners = np.concatenate(
        [
            np.stack([upper_left, upper_right, lower_left], axis=1),
            np.stack([upper_right, lower_right, lower_left], axis=1),
        ]
    )
    return corners[:, [0, 2, 1]] if inside else corners


def sample(texture: Array, columns: Array, rows: Array) -> Array:
    """Bilinear look-ups at a list of places.

    Args:
        texture: (H, W) or (H, W, C) float32.
        columns: (n,) in pixels of the texture.
        rows: (n,)

    Returns:
        (n,) or (n, C) float32.
    """
    count = len(columns)
    lines = -(-count // 1024)  # OpenCV refuses maps wider than 32766
    maps = np.zeros((2, lines * 1024), np.float32)
    maps[0, :count], maps[1, :count] = columns, rows
    column_map, row_map = maps.reshape(2, lines, 1024)
    values = cv2.remap(texture, column_map, row_map, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return values.reshape(lines * 1024, *texture.shape[2:])[:count]
