"""The sheet that a face is painted on: the head as seen from in front, in linear light."""

from dataclasses import dataclass

import cv2
import numpy as np

from facerec_mqtt.rendering.surface import Array

SIDE_PX = 480
PX_PER_CM = 20.0
_ORIGIN_PX = (240.0, 246.0)
"""Where the point between the eyes lies."""
_SHIFT = 5
"""Fractional bits of OpenCV's drawing coordinates."""


def to_canvas(x: Array, y: Array) -> tuple[Array, Array]:
    """Pixel coordinates (column, row) of points in cm, float32."""
    column = (_ORIGIN_PX[0] + PX_PER_CM * x).astype(np.float32)
    return column, (_ORIGIN_PX[1] - PX_PER_CM * y).astype(np.float32)


Part = tuple[slice, slice]
"""Rows and columns of a part of the canvas."""


@dataclass(frozen=True, slots=True, eq=False)
class Canvas:
    """Colour and gloss of a face, changed in place by what is painted on it."""

    x: Array
    """(SIDE_PX, SIDE_PX) float32 cm of each pixel."""
    y: Array
    colour: Array
    """(SIDE_PX, SIDE_PX, 3) float32 linear RGB."""
    gloss: Array
    """(SIDE_PX, SIDE_PX) float32."""

    @classmethod
    def primed(cls, ground: Array) -> "Canvas":
        """A canvas of one colour, linear RGB."""
        rows, columns = np.mgrid[0:SIDE_PX, 0:SIDE_PX].astype(np.float32)
        return cls(
            (columns - np.float32(_ORIGIN_PX[0])) / np.float32(PX_PER_CM),
            (np.float32(_ORIGIN_PX[1]) - rows) / np.float32(PX_PER_CM),
            np.tile(ground.astype(np.float32), (SIDE_PX, SIDE_PX, 1)),
            np.full((SIDE_PX, SIDE_PX), 0.3, np.float32),
        )

    def window(self, part: Part) -> "Canvas":
        """A part of the canvas; what is painted on it is painted on the whole."""
        return Canvas(self.x[part], self.y[part], self.colour[part], self.gloss[part])

    def cover(self, mask: Array, colour: Array) -> None:
        """Paint a colour where the mask, 0 to 1, says how thickly."""
        part = touched(mask)
        painted = self.colour[part]
        wanted = colour[part] if colour.ndim == 3 else colour
        painted += (wanted.astype(np.float32) - painted) * mask[part].astype(np.float32)[..., None]

    def tint(self, mask: Array, factors: tuple[float, float, float] | Array) -> None:
        """Multiply the colour by `factors` where the mask is 1, by less where it is less."""
        part = touched(mask)
        painted = self.colour[part]
        painted *= 1 - mask[part].astype(np.float32)[..., None] * (1 - np.asarray(factors, np.float32))


def touched(mask: Array) -> Part:
    """The smallest part of the canvas outside of which the mask is (almost) 0."""
    inked = mask > 1e-3
    rows, columns = np.flatnonzero(inked.any(axis=1)), np.flatnonzero(inked.any(axis=0))
    if not len(rows):
        return slice(0, 0), slice(0, 0)
    return slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1)


def _widened(part: Part, margin: int) -> Part:
    rows, columns = (slice(max(0, side.start - margin), side.stop + margin) for side in part)
    return rows, columns


class Stencil:
    """A mask in the making, 0 to 1, of the canvas's size; coordinates in cm."""

    def __init__(self) -> None:
        self._mask: Array = np.zeros((SIDE_PX, SIDE_PX), np.uint8)

    def polygon(self, x: Array, y: Array) -> "Stencil":
        """Fill a closed outline."""
        cv2.fillPoly(self._mask, [_fixed(x, y)], (255,), cv2.LINE_AA, _SHIFT)
        return self

    def between(self, x: Array, upper: Array, lower: Array) -> "Stencil":
        """Fill the strip between two curves over the same x."""
        return self.polygon(np.concatenate([x, x[::-1]]), np.concatenate([upper, lower[::-1]]))

    def line(self, x: Array, y: Array, width: float, strength: float = 1.0) -> "Stencil":
        """Draw an open line of some width in cm."""
        thickness = max(1, round(width * PX_PER_CM))
        value = (round(255 * strength),)
        cv2.polylines(self._mask, [_fixed(x, y)], False, value, thickness, cv2.LINE_AA, _SHIFT)
        return self

    def dot(self, x: float, y: float, radius: float, strength: float = 1.0) -> "Stencil":
        """Fill a circle."""
        return self.ellipse(x, y, radius, radius, 0.0, strength)

    def ellipse(
        self, x: float, y: float, radius_x: float, radius_y: float, turn_deg: float, strength: float = 1.0
    ) -> "Stencil":
        """Fill an ellipse, turned clockwise."""
        ((centre,),) = (_fixed(np.array([x]), np.array([y])),)
        radii = (round(radius_x * PX_PER_CM * 2**_SHIFT), round(radius_y * PX_PER_CM * 2**_SHIFT))
        value = (round(255 * strength),)
        where = (int(centre[0]), int(centre[1]))
        cv2.ellipse(self._mask, where, radii, turn_deg, 0, 360, value, -1, cv2.LINE_AA, _SHIFT)
        return self

    def mask(self, blur: float = 0.0) -> Array:
        """(SIDE_PX, SIDE_PX) float32, 0 to 1, softened by a Gaussian of `blur` cm."""
        mask = self._mask.astype(np.float32) / 255
        if blur > 0:
            part = _widened(touched(mask), round(4 * blur * PX_PER_CM) + 1)
            mask[part] = cv2.GaussianBlur(mask[part], (0, 0), blur * PX_PER_CM)
        return mask


def _fixed(x: Array, y: Array) -> Array:
    """(n, 2) int32 pixels with `_SHIFT` fractional bits."""
    columns, rows = to_canvas(np.asarray(x, np.float32), np.asarray(y, np.float32))
    fixed: Array = np.round(np.stack([columns, rows], axis=1) * 2**_SHIFT).astype(np.int32)
    return fixed
