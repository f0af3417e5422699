"""What this box does in a house of several: what belongs on it, and how that is said on the page."""

from collections.abc import Sequence

from fastapi import Depends
from starlette.requests import Request

from facerec_mqtt.web.context import Context, PageContext
from facerec_mqtt.web.household import ConflictError
from facerec_mqtt.web.schemas import HouseStatus


def require_photos_here(request: Request, context: PageContext) -> None:
    """Refuse changes of photos, people and models at a box on which none of these belong.

    Raises:
        ConflictError: this is one, and something would be changed.
    """
    if request.method not in ("GET", "HEAD") and not context.request.folders.takes_photos:
        raise ConflictError(f"This box has the role camera; {where_photos_are(context)}.")


def where_photos_are(context: Context) -> str:
    """Where people, photos and the model are changed, of a box on which they are not; part of a sentence."""
    made_by = context.live.status.model.made_by
    where = "at the box that has the photos" if made_by is None else f"on the page of the box {made_by}"
    return f"people, photos and the model are changed {where}"


PHOTOS_HERE = Depends(require_photos_here)
"""Of routes that change photos, people or the model."""


def work_of(house: HouseStatus | None) -> str:
    """What this box does of the work of its house, and with whom; empty where it watches alone."""
    if house is None:
        return ""
    if house.role == "camera":
        does = "It finds faces and asks recognisers who they are."
        with_whom = _boxes(house.recognisers, "answer") or "None answers."
    elif house.role == "recogniser":
        does = "It has no cameras, and names the faces that other boxes see."
        with_whom = _boxes(house.asked_by, "ask") or "None asks."
    else:
        does, with_whom = "It names the faces of its own cameras.", ""
    return f"This box of the house {house.name} has the role {house.role}. {does} {with_whom}".rstrip()


def _boxes(nodes: Sequence[str], do: str) -> str:
    if not nodes:
        return ""
    count = f"One box {do}s" if len(nodes) == 1 else f"{len(nodes)} boxes {do}"
    return f"{count}: {', '.join(nodes)}."
