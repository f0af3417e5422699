"""Faces of a live picture as the API gives them, with the reason in words."""

from facerec_mqtt.core.records import score_text, short_of
from facerec_mqtt.monitoring import page_messages as sent
from facerec_mqtt.web import schemas

_CODES = {
    "no model": "no_model",
    "below threshold": "below_threshold",
    "ambiguous": "ambiguous",
    "face too small": "face_too_small",
    "blurred": "blurred",
}


def as_answer(seen: sent.LiveFaces) -> schemas.LiveFaces:
    """Make the answer of what the service has sent."""
    return schemas.LiveFaces.model_validate(
        {
            "camera": seen.camera,
            "captured_at": seen.captured_at_s,
            "width": seen.width_px,
            "height": seen.height_px,
            "searched": seen.searched,
            "faces": [_face(seen, face) for face in seen.faces],
        }
    )


def nothing_yet(camera: str) -> schemas.LiveFaces:
    """The answer while the service has sent nothing."""
    return schemas.LiveFaces(camera=camera, captured_at=None, width=0, height=0, searched=False, faces=[])


def _face(seen: sent.LiveFaces, face: sent.LiveFace) -> dict[str, object]:
    left, top, right, bottom = face.box
    return {
        # Of a face at the edge, the part that is in the picture.
        "box": (max(left, 0.0), max(top, 0.0), min(right, seen.width_px), min(bottom, seen.height_px)),
        "person": face.person,
        "name": face.name,
        "score": round(face.score, 3),
        "reason_code": None if face.reason is None else _CODES.get(face.reason),
        "reason": None if face.reason is None else _sentence(seen, face),
    }


def _sentence(seen: sent.LiveFaces, face: sent.LiveFace) -> str:
    """Why a face was given no name."""
    like = "nobody" if face.candidate is None else face.candidate
    match face.reason:
        case "no model":
            return "There is no model yet; add photos, then rebuild."
        case "face too small":
            return f"{short_of(face.width_px, seen.min_face_px, 0)} px wide, {seen.min_face_px:.0f} needed."
        case "blurred":
            sharpness = short_of(face.sharpness, seen.min_sharpness, 0)
            return f"Too blurred: sharpness {sharpness}, {seen.min_sharpness:.0f} needed."
        case "ambiguous":
            return (
                f"{face.score:.2f}, most like {like}, but only {short_of(face.margin, seen.min_margin)} ahead"
                f" of somebody else; {seen.min_margin:.2f} needed."
            )
        case _:
            return f"{score_text(face.score)}, most like {like}; 0.50 needed."
