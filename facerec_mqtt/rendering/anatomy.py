"""The shape of a head: an egg by sections, and the relief of the features on it."""

from dataclasses import dataclass

import numpy as np

from facerec_mqtt.rendering.people import Expression, Identity
from facerec_mqtt.rendering.surface import Array, bump, ramp

CROWN_CM = 11.6
"""Height of the top of the skull over the eyes."""
GRID_SIDE = 385
"""Rows and columns of the head's grid."""
_WIDEST_ANGLE = np.radians(118)


def chin_height(identity: Identity) -> float:
    """Where the chin ends, y in cm (negative)."""
    return -11.3 * identity.face_length


def mouth_height(identity: Identity) -> float:
    """Where the lips meet, y in cm (negative)."""
    return -identity.mouth_drop * identity.face_length


def mouth_half_width(identity: Identity, expression: Expression) -> float:
    """From the middle of the mouth to a corner, cm."""
    return identity.mouth_width / 2 * (1 + 0.17 * expression.smile)


@dataclass(frozen=True, slots=True, eq=False)
class Section:
    """Horizontal sections through a head, one per height."""

    half_width: Array
    front: Array
    """Depth from the ear line to the front, cm."""
    back: Array


def head_section(identity: Identity, y: Array, growth: float = 0.0) -> Section:
    """Sections of the head at some heights.

    Args:
        identity: whose head.
        y: (n,) cm.
        growth: how much higher the crown is taken, cm: for hair.
    """
    length, jaw, full = identity.face_length, identity.jaw_width, identity.fullness / 2
    heights = np.array([-12.5, -10, -8.5, -7, -5, -3, -1, 1, 4, 7, 12])
    heights[:6] *= length
    widths = np.array(
        [
            *(4.6 * jaw, 5.0 * jaw + full, 5.5 * jaw + full, 6.05 * jaw + full),
            *(6.5 * (jaw * 0.6 + 0.4) + full, 6.9 + full * 0.6, 7.15, 7.25, 7.4, 7.4, 7.2),
        ]
    )
    fronts = np.array([8.6, 9.0, 8.9, 9.1, 9.2, 9.2, 9.1, 9.3, 9.4, 9.2, 9.0])
    backs = np.array([4, 5, 6, 7, 8, 9, 9.6, 9.8, 9.9, 9.8, 9.6])
    crown = CROWN_CM + growth
    towards_crown = np.clip((y - 1.5) / (crown - 1.5), 0, 1)
    crown_taper = np.sqrt(1 - towards_crown**2.9)
    towards_chin = np.clip((-5.5 * length - y) / (-chin_height(identity) - 5.5 * length), 0, 1)
    chin_taper = np.sqrt(1 - towards_chin**identity.chin_squareness)
    chin_depth_taper = np.sqrt(1 - towards_chin**7)
    return Section(
        half_width=_smooth(heights, widths * identity.head_width, y) * crown_taper * chin_taper,
        front=_smooth(heights, fronts, y) * crown_taper * chin_depth_taper,
        back=_smooth(heights, backs, y) * crown_taper * chin_taper,
    )


def _smooth(heights: Array, values: Array, y: Array) -> Array:
    """Interpolate between the given heights without corners."""
    fine = np.linspace(-15, 15, 601)
    kernel = np.hanning(41) / np.hanning(41).sum()
    interpolated = np.pad(np.interp(fine, heights, values), 20, "edge")
    return np.interp(y, fine, np.convolve(interpolated, kernel, "valid"))


@dataclass(frozen=True, slots=True, eq=False)
class HeadGrid:
    """The head without features, as seen from in front: (GRID_SIDE, GRID_SIDE) float32 each."""

    x: Array
    y: Array
    z: Array
    angle: Array
    """Around the vertical axis, radians; 0 is the front."""


def head_grid(identity: Identity) -> HeadGrid:
    """Lay a grid on the head, denser in front where the features are."""
    across = np.linspace(-1, 1, GRID_SIDE)
    angle = _WIDEST_ANGLE * (0.6 * across + 0.4 * across**3)
    down = np.linspace(0, 1, GRID_SIDE)
    share = 0.45 * (1 - np.cos(np.pi * down)) / 2 + 0.55 * down
    y = CROWN_CM + (chin_height(identity) - CROWN_CM) * share
    section = head_section(identity, y)
    sine, cosine = np.sin(angle), np.cos(angle)
    x = section.half_width[:, None] * np.sign(sine) * np.abs(sine) ** 0.95
    forward = section.front[:, None] * np.abs(cosine) ** 0.92
    z = np.where(cosine > 0, forward, section.back[:, None] * cosine)
    rows = np.broadcast_to(y[:, None], x.shape)
    columns = np.broadcast_to(angle[None, :], x.shape)
    return HeadGrid(*(a.astype(np.float32) for a in (x, rows, z, columns)))


def frontal_depth(identity: Identity, expression: Expression, x: Array, y: Array) -> Array:
    """Depth of the face seen from in front, for shadows.

    Args:
        identity: whose face.
        expression: what it does.
        x: (w,) cm.
        y: (h,) cm, from top to bottom.

    Returns:
        (h, w) float32 z in cm; outside of the outline that of the outline.
    """
    section = head_section(identity, y)
    share = np.abs(x)[None, :] / np.maximum(section.half_width[:, None], 1e-3)
    angle = np.arcsin(np.clip(share, 0, 1) ** (1 / 0.95))
    z = section.front[:, None] * np.cos(angle) ** 0.92
    grid = HeadGrid(*np.broadcast_arrays(x[None, :], y[:, None], z, angle))
    return (z + relief(identity, grid, expression)[2]).astype(np.float32)


def relief(identity: Identity, grid: HeadGrid, expression: Expression) -> tuple[Array, Array, Array]:
    """What the features add to the bare head.

    Returns:
        Displacement along x, y and z in cm, each of the grid's shape.
    """
    forward = _eye_relief(identity, grid) + _nose_relief(identity, grid, expression)
    forward += _cheek_relief(identity, grid, expression) + _mouth_relief(identity, grid, expression)
    x, y, smile = grid.x, grid.y, expression.smile
    mouth = mouth_height(identity)
    upward = identity.tip_lift * bump(x, 0.9) * bump(y + identity.nose_length - 0.3, 0.8)
    upward += 0.12 * smile * bump(np.abs(x) - 3.8, 1.6) * bump(y + 3, 1.5)
    upward -= 0.9 * expression.open_mouth * ramp(mouth + 0.1, mouth - 1.2, y)
    in_front = ramp(-0.05, 0.35, np.cos(grid.angle))
    return np.zeros_like(forward), upward * in_front, forward * in_front


def _eye_relief(identity: Identity, grid: HeadGrid) -> Array:
    side, y = np.abs(grid.x), grid.y
    sockets = -0.85 * bump(side - identity.eye_offset + 0.2, 1.35) * bump(y - 0.15, 0.85)
    eyeballs = 0.6 * bump(side - identity.eye_offset, 1.05) * bump(y + 0.02, 0.62)
    inner_corners = -0.22 * bump(side - 1.5, 0.5) * bump(y - 0.3, 0.9)
    ridge = bump(side - 2.9, 1.7) * bump(y - identity.brow_height + 0.1, 0.55)
    ridge = identity.brow_ridge * (ridge + 0.3 * bump(grid.x, 1.2) * bump(y - 1.5, 0.6))
    temples = -0.35 * bump(side - 6.6, 1.0) * bump(y - 2.5, 1.8)
    return sockets + eyeballs + inner_corners + ridge + temples


def _nose_relief(identity: Identity, grid: HeadGrid, expression: Expression) -> Array:
    x, y, side = grid.x, grid.y, np.abs(grid.x)
    length, width, smile = identity.nose_length, identity.nose_width, max(expression.smile, 0)
    root = 1.0
    along = np.clip((root - y) / (length + root), 0, 1.4)
    bridge = identity.bridge_height * 0.8 + 0.15
    profile = bridge * ramp(0, 0.25, along) + (identity.nose_depth - bridge) * np.clip(along, 0, 1) ** 1.35
    profile *= 1 - ramp(length - 0.15, length + 0.95, -y)
    half = identity.bridge_width + (0.62 * width - identity.bridge_width + 0.12) * ramp(0.3, 1, along)
    ridge = profile * np.exp(-(np.abs(x / (half * 1.5)) ** 2.1)) * ramp(root + 0.5, root + 0.2, y)
    tip = 0.5 * bump(x, 0.75 * width) * bump(y + length - 0.05, 0.55)
    wing = side - 1.28 * width - 0.1 * smile
    wings = (0.9 + 0.2 * smile) * bump(wing, 0.48) * bump(y + length - 0.05, 0.52)
    creases = -0.2 * bump(side - 1.28 * width - 0.75, 0.3) * bump(y + length, 0.6)
    return ridge + tip + wings + creases


def _cheek_relief(identity: Identity, grid: HeadGrid, expression: Expression) -> Array:
    y, side, smile = grid.y, np.abs(grid.x), expression.smile
    mouth, length = mouth_height(identity), identity.nose_length
    height = 0.35 + identity.cheekbones * 0.6 + 0.45 * max(smile, 0)
    bones = height * bump(side - 4.2, 1.5) * bump(y + 2.6 - 0.4 * smile, 1.3)
    flesh = (identity.fullness * 0.8 - 0.2 * identity.age) * bump(side - 4.4, 1.5) * bump(y + 6.0, 1.9)
    fold_x = 1.9 - (y + length) * 0.42
    fold = ramp(-length + 0.9, -length - 0.1, y) * ramp(mouth - 1.0, mouth + 0.8, y)
    fold = fold * bump(side - fold_x, 0.3) * (0.04 + 0.2 * identity.age + 0.2 * max(smile, 0))
    return bones + flesh - fold


def _mouth_relief(identity: Identity, grid: HeadGrid, expression: Expression) -> Array:
    x, y, side = grid.x, grid.y, np.abs(grid.x)
    mouth, opened = mouth_height(identity), expression.open_mouth
    half = mouth_half_width(identity, expression)
    lips_meet = mouth + expression.smile * 0.35 * np.clip(side / half, 0, 1.2) ** 2
    upper, lower = identity.upper_lip, identity.lower_lip
    along = np.clip(1 - (side / half) ** 2.2, 0, 1)
    mound = 0.55 * bump(x, 2.3) * bump(y - mouth, 1.35)
    lips = along * (0.22 + 0.3 * upper) * bump(y - lips_meet - 0.33 * upper - 0.12, 0.27)
    lips += along * (0.2 + 0.38 * lower) * bump(y - lips_meet + 0.45 * lower + 0.1 + opened, 0.33)
    lips -= 0.35 * along**0.3 * bump(y - lips_meet + opened * 0.4, 0.13 + 0.4 * opened)
    corners = -0.2 * bump(side - half - 0.15, 0.3) * bump(y - lips_meet, 0.35)
    groove = -0.12 * bump(x, 0.22) * bump(y - (mouth + 1.25), 0.5)
    under_lip = -0.35 * bump(x, 1.7) * bump(y - mouth + 1.75 + opened * 0.6, 0.4)
    chin = (0.15 + identity.chin_depth) * bump(x, 1.35) * bump(y + 10.1 * identity.face_length, 0.95)
    return mound + lips + corners + groove + under_lip + chin
