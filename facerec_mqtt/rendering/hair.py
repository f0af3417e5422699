"""Hair: a shell over the skull, cut off at a hairline that depends on the direction."""

from collections.abc import Mapping
from dataclasses import dataclass

import cv2
import numpy as np

from facerec_mqtt.rendering.anatomy import CROWN_CM, head_section
from facerec_mqtt.rendering.identity import HairStyle, Identity
from facerec_mqtt.rendering.skin import hair_colour
from facerec_mqtt.rendering.surface import Array, Surface, bump, grain, ramp

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
