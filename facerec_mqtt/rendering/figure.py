"""A whole person in one expression, baked once and then drawn from any side."""

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np

from facerec_mqtt.rendering import features, skin
from facerec_mqtt.rendering.anatomy import (
    HeadGrid,
    frontal_depth,
    head_grid,
    mouth_half_width,
    mouth_height,
    relief,
)
from facerec_mqtt.rendering.body import bake_arms, bake_bun, bake_ears, bake_neck, bake_torso
from facerec_mqtt.rendering.canvas import Canvas, to_canvas
from facerec_mqtt.rendering.hair import bake_hair, forehead_shade, scalp
from facerec_mqtt.rendering.identity import Expression, Identity
from facerec_mqtt.rendering.surface import Array, Surface, bump, ramp

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
    """Ears and bun; the face itself is a `Head`."""
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
