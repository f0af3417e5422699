"""Spectacles: lines in space in front of the face, hidden where the head is nearer.

Painted features: eyes, brows, nostrils and mouth.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import cv2
import numpy as np

from facerec_mqtt.rendering.anatomy import mouth_half_width, mouth_height
from facerec_mqtt.rendering.canvas import Canvas, Stencil, hair_colour, skin_colour, touched
from facerec_mqtt.rendering.people import RGB, Expression, Identity, IrisColour
from facerec_mqtt.rendering.surface import Array, bump, linear, ramp


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
        landmarks: (5, 3) cm, as in `Classifier.landmarks`.
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


_IRIS: Mapping[IrisColour, RGB] = {
    "dark": (44, 29, 20),
    "brown": (84, 52, 30),
    "blue": (92, 130, 170),
    "green": (98, 118, 76),
    "grey": (120, 132, 142),
}
_SCLERA: RGB = (212, 203, 197)
_IRIS_RADIUS_CM = 0.6
_SIDES = (-1, 1)


def paint_nose(canvas: Canvas, identity: Identity) -> None:
    """The creases of the wings, the nostrils and the shade under the tip."""
    width, length = identity.nose_width, identity.nose_length
    around = np.linspace(-1.2, 1.7, 16)
    wings, nostrils = Stencil(), Stencil()
    for side in _SIDES:
        wings.line(side * (1.28 * width + 0.5 * np.cos(around)), -length + 0.05 + 0.55 * np.sin(around), 0.09)
        nostrils.ellipse(side * 0.72 * width, -length - 0.42, 0.4 * width, 0.18, -side * 22)
    canvas.tint(wings.mask(0.1), (0.72, 0.61, 0.57))
    canvas.tint(nostrils.mask(0.07), (0.30, 0.19, 0.17))
    x = np.array([-1.2 * width, -0.5, 0, 0.5, 1.2 * width])
    y = -length - np.array([0.55, 0.6, 0.72, 0.6, 0.55])
    canvas.tint(Stencil().line(x, y, 0.14).mask(0.16), (0.84, 0.76, 0.73))


def paint_mouth(canvas: Canvas, identity: Identity, expression: Expression) -> Array:
    """Lips, teeth and the gap between them.

    Returns:
        Mask of all that is mouth, (SIDE_PX, SIDE_PX) float32, 0 to 1.
    """
    half, mouth = mouth_half_width(identity, expression), mouth_height(identity)
    along = np.linspace(-1, 1, 41)
    from_middle = np.abs(along)
    x = along * half
    meet = mouth + expression.smile * 0.35 * from_middle**2
    bow = (1 - 0.28 * bump(along, 0.12)) * (1 + 0.12 * bump(from_middle - 0.25, 0.12))
    top = meet + identity.upper_lip * (1 - from_middle**1.8) ** 0.8 * bow
    top_inner = meet + 0.04 * (1 - from_middle)
    gap = max(expression.open_mouth * 1.15, 0.36 * max(expression.smile - 0.4, 0) / 0.6)
    low_inner = meet - gap * (1 - from_middle**2.5) - 0.02
    low = low_inner - identity.lower_lip * (1 - from_middle**2.2) ** 0.75
    upper = Stencil().between(x, top, top_inner).mask(0.05)
    lower = Stencil().between(x, low_inner, low).mask(0.06)
    natural = skin_colour(identity) * np.array([0.84, 0.49, 0.49])
    red = linear((170, 42, 58)) * (1 - 0.4 * identity.melanin)
    colour = natural * (1 - 0.75 * identity.lipstick) + red * 0.75 * identity.lipstick
    thickness = 0.7 + 0.18 * identity.lipstick
    canvas.cover(upper * thickness, colour * 0.84)
    canvas.cover(lower * thickness, colour * 1.06)
    np.maximum(canvas.gloss, lower, out=canvas.gloss)
    everything = np.clip(upper + lower, 0, 1)
    if gap > 0.08:
        everything = np.maximum(everything, _paint_teeth(canvas, x, meet, top_inner, low_inner))
    seam = Stencil().line(x, top_inner - 0.02, 0.09).mask(0.05)
    canvas.tint(seam, (0.28, 0.17, 0.16))
    corners = Stencil()
    for side in _SIDES:
        corners.line(side * np.array([half * 0.97, half + 0.15]), np.array([meet[0], meet[0] - 0.03]), 0.14)
    canvas.tint(corners.mask(0.1), (0.72, 0.61, 0.58))
    below = Stencil().line(np.array([-1.1, 0, 1.1]), mouth - np.array([1.75, 1.85, 1.75]), 0.25)
    canvas.tint(below.mask(0.25), (0.85, 0.78, 0.76))
    mouth_mask: Array = everything
    return mouth_mask


def _paint_teeth(canvas: Canvas, x: Array, meet: Array, upper: Array, lower: Array) -> Array:
    """The open mouth; returns its mask."""
    inside = Stencil().between(x * 0.96, upper, lower).mask(0.03)
    canvas.cover(inside, linear((78, 28, 26)))
    from_middle = np.abs(np.linspace(-1, 1, len(x)))
    edge = np.maximum(lower, meet - 0.6 * (1 - from_middle**3))
    teeth = Stencil().between(x * 0.86, upper, edge).mask(0.04)
    canvas.cover(teeth * 0.92, linear((232, 224, 210)))
    gaps = Stencil()
    for place in np.linspace(-0.7, 0.7, 7):
        gaps.line(np.full(2, place * x[-1]), np.array([upper.max(), upper.min() - 0.6]), 0.05)
    canvas.tint(gaps.mask(0.03) * teeth, (0.84, 0.80, 0.76))
    return inside


def paint_brows(canvas: Canvas, identity: Identity, expression: Expression, rng: np.random.Generator) -> None:
    """A soft shape and single hairs over it."""
    colour = hair_colour(identity) * 0.75 + skin_colour(identity) * 0.06
    if identity.hair_colour in ("blond", "white"):
        colour = hair_colour(identity) * 0.45 + skin_colour(identity) * 0.1
    along = np.linspace(0, 1, 30)
    x = identity.brow_gap + (identity.eye_offset + 2.0 - identity.brow_gap) * along
    y = identity.brow_height - 0.1 + identity.brow_tilt * along + 0.12 * expression.smile
    y = y + identity.brow_arch * np.sin(np.pi * along**1.25) + expression.brow_lift * (1 - along)
    thickness = identity.brow_thickness * (1 - 0.75 * along**2.2) * ramp(-0.15, 0.2, along)
    shape, hairs = Stencil(), Stencil()
    for side in _SIDES:
        shape.between(side * x, y + thickness / 2, y - thickness / 2)
        for _ in range(130):
            i, across = int(rng.integers(0, 29)), float(rng.uniform(-0.5, 0.5))
            lean = np.radians(75 - 70 * along[i] ** 0.6 - 36 * (across > 0))
            length, root = float(rng.uniform(0.2, 0.38)), y[i] + across * thickness[i]
            tip_x, tip_y = x[i] + length * np.cos(lean), root + length * np.sin(lean) * 0.6
            strength = float(rng.uniform(0.35, 0.9))
            hairs.line(side * np.array([x[i], tip_x]), np.array([root, tip_y]), 0.04, strength)
    canvas.cover(shape.mask(0.09) * 0.7, colour)
    canvas.cover(hairs.mask(0.02) * 0.85, colour * 0.8)


@dataclass(frozen=True, slots=True, eq=False)
class _Eye:
    """Outline of one eye, from the inner corner to the outer: 24 points."""

    side: int
    x: Array
    upper: Array
    lower: Array


def _eye(identity: Identity, expression: Expression, side: int) -> _Eye:
    height = identity.eye_height * (1 - 0.2 * max(expression.smile, 0))
    along = np.linspace(0, 1, 24)
    x = side * (identity.eye_offset + identity.eye_width * (along - 0.5))
    middle = -0.08 + identity.eye_tilt * along
    lower = middle - 0.40 * height * np.sin(np.pi * along**1.15).clip(0) ** 0.9
    opened = 0.62 * height * np.sin(np.pi * along**0.85).clip(0) ** 0.8
    upper = np.maximum(middle + opened * (1 - 1.25 * expression.blink), lower + 0.02)
    return _Eye(side, x, upper, lower)


def paint_eyes(canvas: Canvas, identity: Identity, expression: Expression) -> None:
    """Lids, eyeballs, irises and lashes."""
    for side in _SIDES:
        eye = _eye(identity, expression, side)
        if identity.lid_height > 0:
            _paint_lid(canvas, identity, eye)
        _paint_eyeball(canvas, identity, eye)
        _paint_lashes(canvas, identity, eye)


def _paint_lid(canvas: Canvas, identity: Identity, eye: _Eye) -> None:
    rise = identity.lid_height * (0.55 + 0.45 * np.sin(np.pi * np.linspace(0, 1, 24)))
    canvas.tint(Stencil().line(eye.x, eye.upper + rise, 0.07).mask(0.07), (0.60, 0.49, 0.46))
    lid = Stencil().between(eye.x, eye.upper + identity.lid_height, eye.upper)
    canvas.tint(lid.mask(0.1), (0.88, 0.80, 0.78))


def _paint_eyeball(canvas: Canvas, identity: Identity, eye: _Eye) -> None:
    opening = Stencil().between(eye.x, eye.upper, eye.lower).mask(0.025)
    corner = Stencil().dot(float(eye.x[1]), float(eye.upper[1] + eye.lower[1]) / 2, 0.16).mask(0.05)
    part = touched(opening)
    canvas, opening, corner = canvas.window(part), opening[part], corner[part]
    x, y = canvas.x, canvas.y
    centre_x, centre_y = eye.side * (identity.eye_offset - 0.02), 0.02 + identity.eye_tilt * 0.5
    shade = 1 - 0.55 * bump(y - (centre_y + 0.3 * identity.eye_height + 0.22), 0.26)
    from_middle = np.abs(x - eye.side * identity.eye_offset)
    shade -= 0.22 * ramp(identity.eye_width * 0.25, identity.eye_width * 0.52, from_middle)
    canvas.cover(opening, shade[..., None] * linear(_SCLERA))
    radius = np.hypot(x - centre_x, y - centre_y)
    rays = np.sin(np.arctan2(y - centre_y, x - centre_x) * 17)
    tone = 0.75 + 0.5 * radius / _IRIS_RADIUS_CM + 0.12 * rays
    tone *= (1 - 0.6 * ramp(0.46, 0.6, radius)) * (1 - 0.4 * bump(y - centre_y - 0.5, 0.25))
    iris = opening * ramp(_IRIS_RADIUS_CM + 0.04, _IRIS_RADIUS_CM - 0.03, radius)
    canvas.cover(iris, tone[..., None] * linear(_IRIS[identity.iris]))
    canvas.cover(opening * ramp(0.29, 0.22, radius), linear((10, 8, 8)))
    catch_light = np.hypot(x - centre_x - 0.2, y - centre_y - 0.24)
    canvas.cover(opening * ramp(0.17, 0.08, catch_light) * 0.95, np.full(3, 0.95))
    canvas.cover(corner * opening * 0.8, skin_colour(identity) * np.array([0.8, 0.5, 0.48]))
    canvas.gloss[:] += (0.12 - canvas.gloss) * opening


def _paint_lashes(canvas: Canvas, identity: Identity, eye: _Eye) -> None:
    width = 0.15 if identity.female else 0.10
    lashes = Stencil().line(eye.x, eye.upper, width).line(eye.x[10:], eye.upper[10:], width + 0.05)
    canvas.tint(lashes.mask(0.04), (0.15, 0.11, 0.11))
    if identity.female:
        single = Stencil()
        for i in range(9, 24):
            tip_x = eye.x[i] + eye.side * 0.22 * (i / 24)
            single.line(np.array([eye.x[i], tip_x]), np.array([eye.upper[i], eye.upper[i] + 0.25]), 0.04)
        canvas.tint(single.mask(0.02), (0.2, 0.16, 0.16))
    canvas.tint(Stencil().line(eye.x, eye.lower, 0.06).mask(0.05), (0.66, 0.54, 0.51))
    fold = eye.lower[3:] - 0.42 - 0.25 * identity.eye_bags
    canvas.tint(Stencil().line(eye.x[3:], fold, 0.1).mask(0.14), (0.90, 0.83, 0.82))
