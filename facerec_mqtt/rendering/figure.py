"""What a head rests on: ears, neck, torso and arms, in plain clothes.

Hair: a shell over the skull, cut off at a hairline that depends on the direction.

A whole person in one expression, baked once and then drawn from any side.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np

from facerec_mqtt.rendering import canvas as skin
from facerec_mqtt.rendering import features
from facerec_mqtt.rendering.anatomy import (
    CROWN_CM,
    HeadGrid,
    frontal_depth,
    head_grid,
    head_section,
    mouth_half_width,
    mouth_height,
    relief,
)
from facerec_mqtt.rendering.canvas import Canvas, hair_colour, skin_colour, to_canvas
from facerec_mqtt.rendering.people import RGB, Expression, HairStyle, Identity
from facerec_mqtt.rendering.surface import Array, Surface, bump, ellipsoid, grain, linear, ramp, tube

_TROUSERS: RGB = (52, 56, 70)
_BELT_CM = -64.0


def bake_ears(identity: Identity) -> tuple[Surface, Surface]:
    """The left and right ear, as seen in the picture."""
    reach = float(head_section(identity, np.array([-1.0])).half_width[0]) + 0.2
    colour = skin_colour(identity) * np.array([0.95, 0.76, 0.72])
    left, right = (
        Surface.from_grid(ellipsoid((side * reach, -1.2, -0.6), (0.7, 2.8, 1.6), 0.2), colour, step=4)
        for side in (-1, 1)
    )
    return left, right


def bake_bun(identity: Identity) -> Surface:
    """A knot of hair on top of the head."""
    points = ellipsoid((0, 11.0, -4.5), (3.4, 3.0, 3.4))
    return Surface.from_grid(points, hair_colour(identity), step=4, gloss=0.2)


def bake_neck(identity: Identity) -> Surface:
    """The neck, dark under the chin."""
    y = np.linspace(-5, -20, 65)
    radius = (4.75 + 0.7 * identity.fullness) * (0.7 + 0.3 * identity.jaw_width) * identity.head_width
    radius *= 0.86 if identity.female else 1.0
    widths = radius * (1 + 0.12 * ramp(-12, -16, y))
    points = tube(_upright(y, -1.9), widths, widths * 0.95)
    in_shade = 0.35 + 0.6 * ramp(-10.5, -15, y)
    colour = skin_colour(identity) * np.array([0.88, 0.80, 0.77])
    return Surface.from_grid(points, colour, step=2, occlusion=in_shade[:, None])


def bake_torso(identity: Identity) -> Surface:
    """Shoulders to below the picture, with a collar and a belt."""
    heights = np.array([-15.0, -15.3, -16.3, -18, -20, -22.5, -26, -32, -46, -62, -80, -115])
    widths = np.array([3.0, 5.6, 8.6, 12.6, 16.4, 18.4, 19.4, 19.4, 17.6, 17.2, 18.0, 17.0])
    depths = np.array([3.0, 5.4, 6.2, 7.2, 8.2, 9.2, 10.3, 11.2, 10.2, 10.2, 10.6, 10.4])
    if identity.female:
        widths = widths * np.interp(heights, [-115, -80, -50, -30, -14.2], [0.95, 0.98, 0.84, 0.87, 0.93])
    y = np.interp(np.linspace(0, 1, 193), np.linspace(0, 1, len(heights)), heights)
    width = np.interp(y, heights[::-1], widths[::-1])
    depth = np.interp(y, heights[::-1], depths[::-1])
    kernel = np.hanning(11) / np.hanning(11).sum()
    width, depth = (np.convolve(np.pad(a, 5, "edge"), kernel, "valid") for a in (width, depth))
    points = tube(_upright(y, -2.6), width, depth, columns=129)
    dip = ramp(-18, -15.3, points[..., 1])
    points[..., 1] -= 1.3 * dip * ramp(-4, 4, points[..., 2])
    colour = _cloth(identity, points)
    collar = ramp(-16.5, -16.2, y)[:, None, None]
    colour = colour * (1 - 0.38 * collar)
    return Surface.from_grid(points, colour, step=4, gloss=0.03)


def bake_arms(identity: Identity) -> tuple[Surface, Surface]:
    """Both arms, hanging."""
    y = np.concatenate([np.linspace(-19, -24, 17), np.linspace(-25, -85, 32)])
    radius = np.interp(y, [-85, -60, -40, -26, -22, -20, -19], [3.4, 4.0, 4.6, 4.9, 4.0, 2.3, 0.1])
    narrow = 0.87 if identity.female else 1.0
    left, right = (_arm(identity, side, y, radius * narrow, narrow) for side in (-1, 1))
    return left, right


def _arm(identity: Identity, side: int, y: Array, radius: Array, narrow: float) -> Surface:
    line = _upright(y, -2.8)
    line[:, 0] = side * narrow * np.interp(y, [-85, -45, -26, -21, -19], [20.5, 19.4, 17.6, 15.4, 13.4])
    points = tube(line, radius, radius)
    return Surface.from_grid(points, _cloth(identity, points), step=4, gloss=0.03)


def _upright(y: Array, z: float) -> Array:
    """(n, 3) a vertical line of points at a depth."""
    return np.stack([np.zeros_like(y), y, np.full_like(y, z)], axis=1)


def _cloth(identity: Identity, points: Array) -> Array:
    """(H, W, 3) linear RGB of shirt and trousers, with soft folds."""
    size = (points.shape[0], points.shape[1])
    folds = 1 + 0.06 * grain(np.random.default_rng([identity.seed, 3]), 12, 8, size)
    shirt = ramp(_BELT_CM - 0.4, _BELT_CM + 0.4, points[..., 1])[..., None]
    colour: Array = linear(identity.clothes) * shirt + linear(_TROUSERS) * (1 - shirt)
    return colour * folds[..., None]


_SIDE = 361
"""Rows and columns of the shell's grid."""
_STEP = 6


@dataclass(frozen=True, slots=True)
class _Cut:
    """A way to wear one's hair."""

    angles: tuple[float, ...]
    """Degrees around the head; 0 is the front, 90 the ear."""
    hairline: tuple[float, ...]
    """Height in cm at each angle; hair grows above it."""
    thickness: float
    """How far the hair stands off the skull, cm."""
    flare: float = 0.0
    """How much wider it gets further down, cm."""
    sweep: float = 0.0
    """How much lower the hairline is on one side, cm."""


_EARS = (0, 20, 40, 52, 62, 70, 76, 84, 100, 112, 180)
"""Angles for hair that leaves the ears free."""
_CUTS: Mapping[HairStyle, _Cut] = {
    "short": _Cut(_EARS, (6.2, 6.3, 5.8, 4.3, 2.4, 0.5, -1.4, -0.4, 0.8, -6, -8), 0.9),
    "side": _Cut(_EARS, (5.9, 6.1, 5.5, 4.2, 2.4, 0.5, -1.2, -0.6, 0.8, -6, -8), 1.6, sweep=1.0),
    "fringe": _Cut(_EARS, (3.5, 3.5, 3.1, 2.4, 1.2, -0.5, -2.0, -1.2, -1, -6, -8), 1.3),
    "buzz": _Cut(_EARS, (6.2, 6.4, 5.8, 4.0, 2.6, 0.5, -1, 0.2, 1, -6, -8), 0.18),
    "receding": _Cut(
        (0, 12, 30, 45, 58, 68, 76, 84, 100, 112, 180),
        (7.6, 8.0, 9.2, 8.0, 4.2, 1.2, -1, -0.2, 1, -6, -8),
        0.5,
    ),
    "bald": _Cut((0, 50, 62, 72, 78, 84, 100, 112, 180), (20, 20, 20, 3.0, 0.5, 0.8, 1.5, -6, -8), 0.25),
    "long": _Cut((0, 14, 30, 44, 52, 60, 68, 180), (7.2, 6.5, 4.6, 1.8, -3, -12, -17, -19), 1.2, flare=1.1),
    "long fringe": _Cut(
        (0, 14, 30, 42, 50, 58, 66, 180), (3.1, 3.0, 2.7, 1.5, -4, -13, -17, -19), 1.3, flare=1.0
    ),
    "bob": _Cut((0, 14, 30, 42, 50, 56, 62, 180), (6.4, 5.7, 4.0, 1.0, -4, -8, -9.5, -9.5), 1.5, flare=1.4),
    "bun": _Cut(_EARS, (6.4, 6.4, 5.4, 4.0, 2.6, 1.0, -0.6, 0.5, 1.0, -5, -7), 0.45),
}


def hairline(identity: Identity, angle: Array) -> Array:
    """Height of the hairline in cm in some directions (radians around the head, 0 in front)."""
    cut = _CUTS[identity.hair_style]
    height = np.interp(np.degrees(np.abs(angle)), cut.angles, cut.hairline)
    return height + cut.sweep * np.sin(angle * 1.3)


def scalp(identity: Identity, angle: Array, y: Array) -> Array:
    """How much the roots of the hair darken the skin, 0 to 1, at points of the head."""
    depth = 0.35 if identity.hair_style == "bald" else 0.85
    on_skull = ramp(-1.0, 2.0, y)  # long hair hangs in front of cheeks and jaw, it does not grow there
    return depth * ramp(-0.7, 1.0, y - hairline(identity, angle)) * on_skull


def forehead_shade(identity: Identity, angle: Array, y: Array) -> Array:
    """How much the hair shades the skin below it, 0 to 1."""
    depth = min(_CUTS[identity.hair_style].thickness, 1.2)
    return 0.4 * depth * bump(y - hairline(identity, angle) + 0.4, 0.7) * ramp(-1.0, 2.0, y)


def bake_hair(identity: Identity) -> Surface:
    """The shell of hair, transparent below the hairline."""
    cut, rng = _CUTS[identity.hair_style], np.random.default_rng([identity.seed, 2])
    size = (_SIDE, _SIDE)
    points, angle = _shell(identity, cut, rng)
    y = points[..., 1]
    strands = 0.6 * grain(rng, 10, _SIDE // 2, size) + 0.4 * grain(rng, 24, _SIDE, size)
    clumps = grain(rng, 4, 44, size)
    above = y - hairline(identity, angle)
    fray = 0.35 if cut.thickness > 0.3 else 0.25
    opacity = np.clip((above + fray * (0.7 * strands + 0.8 * clumps)) / 0.9 + 0.45, 0, 1)
    bottom = min(cut.hairline) - 0.5
    if cut.flare:
        opacity *= ramp(bottom - 0.2, bottom + 1.6, y + 0.7 * clumps)
    if cut.thickness < 0.3:
        opacity *= np.clip(0.8 + 0.2 * strands, 0, 1) * (0.5 if identity.hair_style == "bald" else 0.9)
    shine = np.clip(1 + 0.34 * strands + 0.2 * clumps, 0.3, 2.0)
    roots = 0.5 + 0.5 * ramp(0, 1.6, above)
    colour = hair_colour(identity) * (1.1 * shine * roots)[..., None]
    return Surface.from_grid(points, colour, step=_STEP, opacity=opacity, gloss=strands)


def _shell(identity: Identity, cut: _Cut, rng: np.random.Generator) -> tuple[Array, Array]:
    """Points (_SIDE, _SIDE, 3) cm and their angles around the head, radians."""
    down = np.linspace(0, 1, _SIDE)
    share = 0.4 * (1 - np.cos(np.pi * down / 1.6)) / (1 - np.cos(np.pi / 1.6)) + 0.6 * down
    top = CROWN_CM + cut.thickness
    y = top + (min(cut.hairline) - 0.5 - top) * share
    section = head_section(identity, np.maximum(y, -4.5), growth=cut.thickness)
    flare = cut.flare * ramp(4, -8, y)
    stand_off = cut.thickness * (0.4 + 0.6 * ramp(top + 0.1, 8, y)) * (0.9 if cut.flare else 1.0)
    width = section.half_width + stand_off + flare
    front, back = section.front + cut.thickness * 0.8, section.back + cut.thickness + flare
    for radius in (width, front, back):
        radius[0] = 1e-3
    turn = np.linspace(-np.pi, np.pi, _SIDE)
    bumps = grain(rng, 9, 9, (_SIDE, _SIDE)) * 0.1 * min(cut.thickness, 1.2)
    uneven = cv2.GaussianBlur(bumps, (0, 0), 6) * ramp(0, 0.12, down)[:, None]
    depth = np.where(np.cos(turn) > 0, front[:, None], back[:, None]) * np.cos(turn)
    points = np.stack([width[:, None] * np.sin(turn), np.tile(y[:, None], _SIDE), depth], axis=2)
    points *= 1 + 0.1 * uneven[..., None]
    return points.astype(np.float32), np.broadcast_to(turn, (_SIDE, _SIDE))


HEAD_STEP = 6
"""Points of the head's grid between two of its mesh."""
DEPTH_SIDE_PX = 256
DEPTH_PX_PER_CM = 10.0
DEPTH_CENTRE_CM = -1.0
"""Height in the middle of the depth map; its x begins at the middle too."""


@dataclass(frozen=True, slots=True, eq=False)
class Head:
    """The part of a figure that an expression changes."""

    surface: Surface
    frontal: Array
    """(h, w, 3) float32 at the mesh's points: x and y in cm before features were added, and how
    much the point faces forward, 0 to 1."""
    depth: Array
    """(DEPTH_SIDE_PX, DEPTH_SIDE_PX) float32 z in cm, seen from in front."""
    landmarks: Array
    """(5, 3) float32 cm: eyes, nose, mouth corners, from left to right in the picture."""


@dataclass(frozen=True, slots=True, eq=False)
class Figure:
    """All that is drawn of a person, by what it turns with."""

    head: tuple[Surface, ...]
    """Ears and bun; the face itself is a `Classifier`."""
    neck: Surface
    body: tuple[Surface, ...]
    hair: Surface


@lru_cache(maxsize=32)
def bake_figure(identity: Identity) -> Figure:
    """What an expression does not change."""
    on_head = bake_ears(identity)
    knot = (bake_bun(identity),) if identity.hair_style == "bun" else ()
    body = (bake_torso(identity), *bake_arms(identity))
    return Figure((*on_head, *knot), bake_neck(identity), body, bake_hair(identity))


@lru_cache(maxsize=48)
def bake_head(identity: Identity, expression: Expression) -> Head:
    """Shape and paint a head."""
    grid = head_grid(identity)
    sideways, upward, forward = relief(identity, grid, expression)
    if identity.beard == "full":
        chin = ramp(-6, -8, grid.y) * ramp(0, 0.5, np.cos(grid.angle))
        forward = forward + 0.5 * chin * (1 - bump(grid.x, 2.2) * bump(grid.y - mouth_height(identity), 0.8))
    points = np.stack([grid.x + sideways, grid.y + upward, grid.z + forward], axis=2)
    in_front = np.cos(grid.angle)
    colour, gloss = _paint(identity, expression, grid)
    surface = Surface.from_grid(
        points,
        colour,
        step=HEAD_STEP,
        occlusion=_occlusion(grid.z + forward, in_front) * (1 - forehead_shade(identity, grid.angle, grid.y)),
        gloss=gloss,
    )
    surface.relief[:3, :, :3], surface.relief[-3:, :, :3] = (0, 1, 0), (0, -1, 0)
    frontal = np.stack([grid.x, grid.y, ramp(0.0, 0.4, in_front)], axis=2)[::HEAD_STEP, ::HEAD_STEP]
    across = (np.arange(DEPTH_SIDE_PX) - DEPTH_SIDE_PX / 2) / DEPTH_PX_PER_CM
    return Head(
        surface,
        frontal.astype(np.float32),
        frontal_depth(identity, expression, across, DEPTH_CENTRE_CM - across),
        _landmarks(identity, expression, grid, points),
    )


def _paint(identity: Identity, expression: Expression, grid: HeadGrid) -> tuple[Array, Array]:
    """Colour (GRID_SIDE, GRID_SIDE, 3) and gloss (GRID_SIDE, GRID_SIDE) of the head's grid."""
    rng = np.random.default_rng([identity.seed, 1])
    canvas = Canvas.primed(skin.skin_colour(identity))
    skin.paint_skin(canvas, identity, rng)
    skin.paint_age(canvas, identity, expression)
    features.paint_nose(canvas, identity)
    mouth = features.paint_mouth(canvas, identity, expression)
    skin.paint_beard(canvas, identity, rng, mouth)
    features.paint_brows(canvas, identity, expression, rng)
    features.paint_eyes(canvas, identity, expression)
    columns, rows = to_canvas(grid.x, grid.y)
    painted = np.concatenate([canvas.colour, canvas.gloss[..., None]], axis=2).astype(np.float32)
    wrapped = cv2.remap(painted, columns, rows, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    roots = scalp(identity, grid.angle, grid.y)[..., None]
    colour = wrapped[..., :3] * (1 - roots) + skin.hair_colour(identity) * 0.7 * roots
    return np.clip(colour, 0.002, 1), wrapped[..., 3] * (1 - roots[..., 0])


def _occlusion(depth: Array, in_front: Array) -> Array:
    """How open to the light each point is, 0.35 to 1.1, from how far it lies below its surroundings."""
    depth = depth.astype(np.float32)
    openness = np.ones_like(depth)
    for reach, strength in ((4, 0.5), (9, 0.28), (20, 0.12)):
        below = cv2.GaussianBlur(depth, (0, 0), reach) - depth
        openness -= strength * np.clip(below * ramp(0.1, 0.5, in_front), -0.15, 0.9)
    return np.clip(openness, 0.35, 1.12)


def _landmarks(identity: Identity, expression: Expression, grid: HeadGrid, points: Array) -> Array:
    """The points of the surface nearest to where the five landmarks are painted."""
    half, mouth = mouth_half_width(identity, expression), mouth_height(identity) + 0.35 * expression.smile
    eye, tip = identity.eye_offset, -identity.nose_length + 0.1
    wanted = ((-eye, 0.05), (eye, 0.05), (0.0, tip), (-half, mouth), (half, mouth))
    found = []
    for x, y in wanted:
        apart = np.square(grid.x - x) + np.square(grid.y - y) + 1e6 * (np.cos(grid.angle) < 0)
        found.append(points.reshape(-1, 3)[apart.argmin()])
    return np.array(found, np.float32)
