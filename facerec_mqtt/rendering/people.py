"""What a rendered person is: bones, features, colours; and what their face does.

Who is rendered: a family of four, and strangers. Nobody here exists.

Each has a strong cue of their own (see `Identity`), chosen so that a face network tells them apart.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
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


FAMILY: Mapping[str, Identity] = MappingProxyType(
    {
        "Anna": Identity(
            11, female=True, face_length=0.97, jaw_width=0.86, chin_squareness=2.0, cheekbones=0.7,
            brow_ridge=0.1, eye_offset=3.25, eye_width=3.35, eye_height=1.15, eye_tilt=0.2,
            brow_height=2.1, brow_thickness=0.3, brow_arch=0.55, nose_length=3.7, nose_depth=1.75,
            nose_width=0.85, tip_lift=0.3, upper_lip=0.6, lower_lip=0.85, mouth_width=4.8,
            melanin=0.08, ruddiness=0.6, age=0.05, lipstick=0.45,
            hair_style="long", hair_colour="blond", iris="blue", clothes=(176, 66, 84),
        ),
        "Tom": Identity(
            12, head_width=1.05, face_length=1.02, jaw_width=1.04, chin_squareness=3.0, fullness=0.4,
            brow_ridge=0.6, eye_offset=3.0, eye_width=2.8, brow_height=1.65, brow_thickness=0.6,
            nose_length=4.3, nose_width=1.12, nose_depth=2.2, melanin=0.1, ruddiness=0.7,
            age=0.25, freckles=0.4,
            hair_style="side", hair_colour="red", iris="green", beard="full", clothes=(62, 98, 78),
        ),
        "José": Identity(
            13, head_width=0.97, face_length=1.05, jaw_width=0.92, cheekbones=0.6, fullness=-0.1,
            brow_ridge=0.45, eye_offset=3.2, eye_height=0.95, eye_tilt=-0.02, brow_height=1.8,
            brow_thickness=0.75, brow_arch=0.2, nose_length=4.6, nose_depth=2.5, nose_width=1.0,
            bridge_height=0.8, mouth_drop=7.3, mouth_width=5.3,
            melanin=0.62, age=0.2, hair_style="side", hair_colour="black", iris="dark", beard="full",
            clothes=(226, 206, 160),
        ),
        "Grandma Edith": Identity(
            14, female=True, head_width=1.0, face_length=0.94, jaw_width=0.95, chin_squareness=2.2,
            fullness=0.65, brow_ridge=0.1, eye_offset=3.05, eye_width=2.7, eye_height=0.85, eye_tilt=-0.05,
            lid_height=0.2, brow_height=2.2, brow_thickness=0.3, nose_length=4.2, nose_width=1.05,
            mouth_width=4.4, upper_lip=0.35, lower_lip=0.5, melanin=0.06, ruddiness=0.8, age=0.85,
            eye_bags=0.8, lipstick=0.3, hair_style="bun", hair_colour="white", iris="grey", glasses="thin",
            clothes=(124, 106, 158),
        ),
    }
)  # fmt: skip
"""Display name to identity."""
STRANGERS: tuple[Identity, ...] = (
    Identity(
        27, female=True, face_length=1.04, jaw_width=0.9, cheekbones=0.8, eye_offset=3.1, eye_width=3.3,
        nose_length=4.5, nose_depth=2.3, mouth_width=5.4, upper_lip=0.7, melanin=0.58, age=0.1, lipstick=0.2,
        hair_style="long", hair_colour="dark brown", iris="dark", clothes=(232, 228, 220),
    ),
    Identity(
        22, female=True, head_width=0.97, jaw_width=0.88, eye_offset=3.3, eye_width=3.2, eye_height=1.15,
        nose_length=3.9, nose_width=1.25, bridge_height=0.2, upper_lip=0.8, lower_lip=1.0, brow_arch=0.5,
        melanin=0.85, age=0.05, lipstick=0.5, hair_style="bob", hair_colour="black", iris="dark",
        clothes=(179, 152, 102),
    ),
    Identity(
        103, female=True, head_width=1.06, face_length=1.06, jaw_width=0.85, chin_squareness=2.28,
        chin_depth=0.53, cheekbones=0.63, fullness=0.14, brow_ridge=0.12, eye_offset=3.31, eye_width=2.95,
        eye_height=1.18, eye_tilt=0.02, lid_height=0.0, brow_height=1.59, brow_thickness=0.34,
        brow_arch=0.13, nose_length=4.69, nose_depth=2.25, nose_width=0.91, bridge_height=0.13,
        tip_lift=0.29, mouth_drop=6.9, mouth_width=4.51, lower_lip=0.54, melanin=0.22, ruddiness=0.16,
        age=0.02, freckles=0.6, lipstick=0.37, hair_style="long", hair_colour="red", iris="green",
        clothes=(103, 93, 194),
    ),
    Identity(
        123, head_width=0.96, face_length=0.95, jaw_width=1.03, chin_squareness=3.1, chin_depth=0.22,
        cheekbones=0.74, fullness=0.59, brow_ridge=0.41, eye_offset=2.98, eye_width=3.26, eye_height=0.87,
        eye_tilt=0.18, lid_height=0.0, brow_height=2.0, brow_thickness=0.72, brow_arch=0.23,
        nose_length=4.52, nose_depth=2.12, nose_width=0.93, bridge_height=0.22, mouth_drop=7.07,
        mouth_width=4.48, upper_lip=0.31, lower_lip=0.71, melanin=0.05, ruddiness=0.68, age=0.73,
        hair_style="side", hair_colour="white", iris="green", beard="goatee", glasses="thick",
        clothes=(196, 128, 87),
    ),
    Identity(
        126, female=True, head_width=1.08, face_length=0.94, jaw_width=0.85, chin_squareness=2.96,
        chin_depth=0.75, cheekbones=0.48, fullness=-0.17, brow_ridge=0.17, eye_offset=2.89, eye_width=2.68,
        eye_height=0.98, eye_tilt=-0.03, lid_height=0.0, brow_height=1.73, brow_thickness=0.31,
        brow_arch=0.5, nose_length=4.06, nose_depth=2.31, nose_width=0.98, bridge_height=0.77,
        tip_lift=0.33, mouth_drop=7.34, mouth_width=4.64, upper_lip=0.54, lower_lip=0.69, melanin=0.94,
        ruddiness=0.82, age=0.63, lipstick=0.48, hair_style="long fringe", hair_colour="dark brown",
        iris="dark", clothes=(165, 92, 138),
    ),
    Identity(
        102, female=True, head_width=0.97, face_length=1.03, jaw_width=0.9, chin_squareness=3.06,
        chin_depth=0.45, cheekbones=0.89, fullness=-0.06, brow_ridge=0.07, eye_offset=3.05, eye_width=3.22,
        eye_height=1.01, eye_tilt=0.25, lid_height=0.4, brow_height=2.3, brow_thickness=0.48,
        brow_arch=0.19, nose_length=4.23, nose_depth=2.33, nose_width=1.31, bridge_height=0.2,
        tip_lift=0.13, mouth_drop=6.64, mouth_width=5.31, upper_lip=0.59, lower_lip=0.52, melanin=0.59,
        ruddiness=0.19, age=0.42, lipstick=0.32, hair_style="bob", hair_colour="black", iris="dark",
        glasses="thin", clothes=(131, 189, 168),
    ),
    Identity(
        109, head_width=0.98, face_length=1.02, jaw_width=0.9, chin_squareness=2.1, cheekbones=0.49,
        fullness=0.7, brow_ridge=0.69, eye_offset=3.16, eye_width=3.13, eye_height=0.87, eye_tilt=0.19,
        lid_height=0.4, brow_height=2.14, brow_thickness=0.73, brow_arch=0.17, nose_length=4.03,
        nose_depth=2.24, nose_width=1.1, bridge_height=0.18, tip_lift=0.16, mouth_drop=7.21,
        mouth_width=5.53, upper_lip=0.34, lower_lip=0.6, melanin=0.84, ruddiness=0.82, age=0.55,
        freckles=0.6, hair_style="receding", hair_colour="black", glasses="thin", clothes=(81, 69, 135),
    ),
    Identity(
        107, head_width=1.04, jaw_width=0.88, chin_squareness=2.44, chin_depth=0.79, cheekbones=0.15,
        fullness=0.52, brow_ridge=0.24, eye_offset=2.97, eye_width=2.63, eye_height=0.83, eye_tilt=0.17,
        lid_height=0.25, brow_height=2.28, brow_thickness=0.46, brow_arch=0.27, nose_length=3.54,
        nose_depth=2.52, nose_width=0.96, bridge_height=0.75, tip_lift=0.07, mouth_drop=6.79,
        mouth_width=5.28, upper_lip=0.74, lower_lip=0.94, melanin=0.48, ruddiness=0.19, age=0.23,
        hair_style="side", hair_colour="grey", iris="dark", glasses="thick", clothes=(128, 161, 102),
    ),
    Identity(
        29, head_width=1.03, face_length=1.03, jaw_width=1.0, nose_length=4.5, nose_width=1.2, melanin=0.6,
        age=0.6, hair_style="bald", hair_colour="grey", iris="dark", beard="full", clothes=(150, 110, 80),
    ),
    Identity(
        24, female=True, face_length=0.95, jaw_width=0.9, fullness=0.5, eye_offset=3.2, eye_height=0.85,
        eye_tilt=0.25, lid_height=0.0, nose_length=3.6, nose_depth=1.7, bridge_height=0.15, melanin=0.25,
        age=0.05, hair_style="long fringe", hair_colour="black", iris="dark", glasses="thick",
        clothes=(70, 130, 140),
    ),
    Identity(
        21, face_length=1.04, jaw_width=0.9, eye_offset=3.05, nose_length=4.4, mouth_width=5.0, melanin=0.12,
        age=0.5, hair_style="bald", hair_colour="grey", iris="blue", glasses="thick", clothes=(96, 84, 120),
    ),
    Identity(
        23, head_width=1.05, jaw_width=1.03, chin_squareness=3.1, brow_ridge=0.6, nose_width=1.3,
        upper_lip=0.7, lower_lip=0.95, melanin=0.93, age=0.1, hair_style="buzz", hair_colour="black",
        iris="dark", beard="goatee", clothes=(188, 190, 196),
    ),
)  # fmt: skip
"""People who are not family. The last four resemble the family least."""
