"""What a rendered person is: bones, features, colours; and what their face does."""

from dataclasses import dataclass
from typing import Literal

RGB = tuple[int, int, int]
"""Red, green, blue, 0 to 255, as on a screen (gamma encoded)."""

HairStyle = Literal[
    "short", "side", "fringe", "buzz", "receding", "bald", "long", "long fringe", "bob", "bun"
]
HairColour = Literal["black", "dark brown", "brown", "light brown", "blond", "red", "grey", "white"]
IrisColour = Literal["dark", "brown", "green", "blue", "grey"]
Beard = Literal["none", "stubble", "full", "moustache", "goatee"]
Glasses = Literal["none", "thick", "thin"]


@dataclass(frozen=True, slots=True)
class Identity:
    """A rendered person. The defaults are an average; what differs from them is who somebody is.

    Lengths are in cm, measured from the point between the eyes. How much each trait matters to a
    face network was measured: glasses, melanin, beard, hair style, nose length, eye spacing and
    face length tell people apart; chin, cheeks, lids and lip colour hardly do.
    """

    seed: int
    """Of what is drawn at random: skin grain, moles, strands of hair."""
    female: bool = False

    head_width: float = 1.0
    """Factor on the average width, 0.9 to 1.1."""
    face_length: float = 1.0
    """Factor on the height from the eyes to the chin, 0.92 to 1.08."""
    jaw_width: float = 0.94
    """Factor, 0.8 (pointed) to 1.08 (broad)."""
    chin_squareness: float = 2.5
    """Exponent of the chin's outline, 1.8 (round) to 3.3 (square)."""
    chin_depth: float = 0.4
    cheekbones: float = 0.4
    fullness: float = 0.25
    """Of the cheeks below the bones, -0.3 (hollow) to 0.7 (round)."""
    brow_ridge: float = 0.3

    eye_offset: float = 3.15
    """From the middle of the face to the middle of an eye, 2.8 to 3.5."""
    eye_width: float = 3.0
    eye_height: float = 1.0
    eye_tilt: float = 0.08
    """How much higher the outer corner is than the inner."""
    lid_height: float = 0.32
    """Height of the upper lid's crease over the eye; 0 draws none."""
    brow_height: float = 1.9
    brow_thickness: float = 0.45
    brow_arch: float = 0.35
    brow_tilt: float = 0.05
    brow_gap: float = 1.3
    """From the middle of the face to where a brow begins."""

    nose_length: float = 4.1
    nose_depth: float = 2.0
    nose_width: float = 1.0
    """Factor, 0.75 to 1.35."""
    bridge_width: float = 0.55
    bridge_height: float = 0.45
    tip_lift: float = 0.05
    mouth_drop: float = 7.0
    """From the eyes down to the mouth, before `face_length`."""
    mouth_width: float = 4.9
    upper_lip: float = 0.5
    lower_lip: float = 0.7

    melanin: float = 0.2
    """Skin from 0 (pale) to 1 (very dark)."""
    ruddiness: float = 0.4
    age: float = 0.15
    """Depth of wrinkles and folds, 0 to 1."""
    freckles: float = 0.0
    eye_bags: float = 0.2
    lipstick: float = 0.0
    hair_style: HairStyle = "short"
    hair_colour: HairColour = "brown"
    iris: IrisColour = "brown"
    beard: Beard = "none"
    glasses: Glasses = "none"
    clothes: RGB = (70, 96, 130)


@dataclass(frozen=True, slots=True)
class Expression:
    """What the muscles of a face do."""

    smile: float = 0.0
    """-0.5 (corners down) to 1."""
    open_mouth: float = 0.0
    """0 to 1."""
    blink: float = 0.0
    """0 to 1 (closed)."""
    brow_lift: float = 0.0
    """Of the inner ends of the brows, cm."""


NEUTRAL = Expression()
HALF_SMILE = Expression(smile=0.45)
SMILE = Expression(smile=0.9)
TALKING = Expression(smile=0.15, open_mouth=0.5)
BLINK = Expression(smile=0.2, blink=1.0)


@dataclass(frozen=True, slots=True)
class Pose:
    """Where a person is in the picture, which way the head points and what the face does."""

    x_px: float
    y_px: float
    """Of the point between the eyes."""
    face_px: float
    """Height of the face from chin to hairline: how near the person is."""
    yaw_deg: float = 0.0
    """Positive turns the face towards the right edge of the picture."""
    pitch_deg: float = 0.0
    """Positive looks down."""
    roll_deg: float = 0.0
    """Positive leans towards the left edge of the picture."""
    expression: Expression = NEUTRAL


@dataclass(frozen=True, slots=True)
class Light:
    """One lamp or window, and the light that comes from everywhere."""

    direction: tuple[float, float, float] = (0.35, 0.5, 0.8)
    """Towards the light: x right, y up, z to the camera."""
    key: float = 0.85
    """Strength of the lamp, 0.5 to 1.15."""
    ambient: float = 0.55
    """Strength of the rest, 0.3 to 0.7."""
    warmth: float = 0.0
    """-0.1 (blue) to 0.1 (yellow)."""


DAYLIGHT = Light()
