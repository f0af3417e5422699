"""The sheet that a face is painted on: the head as seen from in front, in linear light.

Skin: its tone and grain, the wrinkles of age, and what grows on it.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import cv2
import numpy as np

from facerec_mqtt.rendering.anatomy import mouth_height
from facerec_mqtt.rendering.people import RGB, Expression, HairColour, Identity
from facerec_mqtt.rendering.surface import Array, bump, grain, linear, ramp

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


_TONES = np.array([[240, 204, 186], [226, 180, 154], [198, 148, 116], [150, 103, 75], [98, 65, 49]])
"""Skin colours for melanin 0, 0.25, ... 1."""
_HAIR: Mapping[HairColour, RGB] = {
    "black": (30, 24, 22),
    "dark brown": (54, 38, 28),
    "brown": (90, 62, 42),
    "light brown": (130, 97, 65),
    "blond": (196, 162, 108),
    "red": (146, 70, 36),
    "grey": (146, 144, 142),
    "white": (212, 210, 207),
}
_CANVAS = (SIDE_PX, SIDE_PX)


def skin_colour(identity: Identity) -> Array:
    """(3,) linear RGB of somebody's skin."""
    tone = [np.interp(identity.melanin, np.linspace(0, 1, 5), channel) for channel in _TONES.T]
    blush = identity.ruddiness - 0.5
    return linear((round(tone[0] + 4 * blush), round(tone[1] - 6 * blush), round(tone[2] - 6 * blush)))


def hair_colour(identity: Identity) -> Array:
    """(3,) linear RGB of somebody's hair."""
    return linear(_HAIR[identity.hair_colour])


def paint_skin(canvas: Canvas, identity: Identity, rng: np.random.Generator) -> None:
    """Blood under the skin, shadows around the eyes, grain, freckles and moles."""
    side, y = np.abs(canvas.x), canvas.y
    red = 0.9 * bump(side - 4.1, 1.5) * bump(y + 3.2, 1.4)
    red += 0.7 * bump(canvas.x, 0.9) * bump(y + identity.nose_length, 0.8)
    red += 0.3 * bump(canvas.x, 2) * bump(y + 10.2, 1.2)
    canvas.tint(red * (0.3 + 0.5 * identity.ruddiness) * (1 - 0.5 * identity.melanin), (1.0, 0.80, 0.80))
    around_eyes = bump(side - identity.eye_offset, 1.5) * bump(y - 0.1, 0.9)
    canvas.tint(0.3 * around_eyes, (0.82, 0.73, 0.72))
    bags = bump(side - identity.eye_offset + 0.2, 1.1) * bump(y + 1.25, 0.38)
    canvas.tint(bags * identity.eye_bags * 0.5, (0.74, 0.66, 0.70))
    pores = 0.025 * grain(rng, 10, 10, _CANVAS) + 0.02 * grain(rng, 40, 40, _CANVAS)
    pores += 0.025 * grain(rng, 180, 180, _CANVAS)
    canvas.colour[:] *= (1 + pores)[..., None]
    hue = np.stack([strength * grain(rng, 24, 24, _CANVAS) for strength in (0.01, 0.016, 0.016)], axis=2)
    canvas.colour[:] *= 1 + hue
    if identity.freckles > 0:
        stencil = Stencil()
        for _ in range(round(220 * identity.freckles)):
            x_cm, y_cm = float(rng.normal(0, 3.2)), float(rng.normal(-2.4, 1.2))
            stencil.dot(x_cm, y_cm, float(rng.uniform(0.04, 0.1)), float(rng.uniform(0.25, 0.75)))
        canvas.tint(stencil.mask(0.03), (0.72, 0.58, 0.50))
    for _ in range(int(rng.integers(0, 3))):
        x_cm, y_cm, radius = (float(rng.uniform(*r)) for r in ((-5, 5), (-9.5, 4), (0.08, 0.16)))
        mole = Stencil().dot(x_cm, y_cm, radius, 0.85)
        canvas.tint(mole.mask(0.03), (0.35, 0.28, 0.25))


def paint_age(canvas: Canvas, identity: Identity, expression: Expression) -> None:
    """Lines of the forehead and around the eyes, and the folds from the nose to the mouth."""
    lines = Stencil()
    across = np.linspace(-3.6, 3.6, 30)
    for k in range(3):
        lines.line(across, 3.9 + 0.75 * k + 0.15 * np.cos(across * 0.9 + k), 0.06)
    for sign in (-1, 1):
        lines.line(sign * np.array([0.45, 0.5]), np.array([1.3, 2.2]), 0.06)
        start = identity.eye_offset + identity.eye_width / 2 + 0.25
        for k in (-1, 0, 1):
            x = sign * np.array([start, start + 0.9])
            lines.line(x, np.array([0.1 + 0.18 * k, 0.15 + 0.42 * k]), 0.05)
    depth = identity.age**1.5 * 0.9
    canvas.tint(lines.mask(0.07), np.array([0.72, 0.66, 0.63]) ** depth)
    folds = Stencil()
    down = np.linspace(-identity.nose_length + 0.1, mouth_height(identity) - 0.4, 20)
    for sign in (-1, 1):
        folds.line(sign * (1.9 - (down + identity.nose_length) * 0.42), down, 0.12)
    depth = 0.1 + 0.8 * identity.age + 0.6 * max(expression.smile, 0)
    canvas.tint(folds.mask(0.14), np.array([0.76, 0.67, 0.65]) ** depth)


def paint_beard(canvas: Canvas, identity: Identity, rng: np.random.Generator, lips: Array) -> None:
    """Stubble, moustache, goatee or a full beard; never on the lips.

    Args:
        canvas: what is painted on.
        identity: whose beard.
        rng: of the single hairs.
        lips: mask of the mouth, 0 to 1.
    """
    if identity.beard == "none":
        return
    region = cv2.GaussianBlur(_beard_region(canvas, identity) * (1 - lips), (0, 0), 3.0) * (1 - 0.95 * lips)
    hairs = grain(rng, 170, 170, _CANVAS) * 0.6 + grain(rng, 60, 60, _CANVAS) * 0.5
    colour = hair_colour(identity)
    if identity.beard == "stubble":
        ground = colour * 0.7 + skin_colour(identity) * 0.12
        canvas.cover(region * np.clip(0.45 + 0.25 * hairs, 0, 1) * 0.75, ground)
        return
    canvas.cover(np.clip(region * 1.3 + 0.25 * hairs * region, 0, 1) * 0.95, colour * 0.95)
    canvas.colour[:] *= np.clip(1 + 0.3 * region * hairs, 0.4, 1.8)[..., None]
    canvas.gloss[:] *= 1 - 0.7 * region


def _beard_region(canvas: Canvas, identity: Identity) -> Array:
    mouth, upper, lower = mouth_height(identity), identity.upper_lip, identity.lower_lip
    x = np.array([0, 1.2, 2.3, 3.0, 3.1, 2.6, 1.5, 0.5, 0])
    y = np.array([0.85, 0.95, 0.65, -0.1, -0.7, -0.35, 0.12, 0.15, 0.1]) + mouth + upper * 0.8
    moustache = Stencil().polygon(x, y).polygon(-x, y).mask(0.08)
    if identity.beard == "moustache":
        return moustache
    if identity.beard == "goatee":
        around = Stencil()
        below = mouth - lower
        x = np.array([0, 1.0, 1.9, 2.6, 3.0, 3.3, 3.0, 2.5, 1.8, 0])
        y = np.array([-0.5, -0.55, -0.2, lower - 0.1, lower + 0.2, lower - 1, -3, -4, -5, -6]) + below
        around.polygon(x, y).polygon(-x, y)
        return np.maximum(moustache, around.mask(0.12))
    x = np.array([7.2, 6.5, 6.1, 5.6, 4.9, 4.0, 3.1, 2.7, 1.7, 1.0, 0, 0, 7.2])
    cheek, lip = [0.5, 0.0, -2.2, -4.0, -5.4, -6.2], mouth - lower
    y = np.array([*cheek, mouth + 0.7, mouth + 0.1, lip - 0.3, lip - 0.55, lip - 0.55, -13, -13])
    jaw = Stencil().polygon(x, y).polygon(-x, y).mask(0.3)
    whole: Array = np.clip(np.maximum(moustache, jaw) * ramp(1.0, -1.5, canvas.y), 0, 1)
    return whole
