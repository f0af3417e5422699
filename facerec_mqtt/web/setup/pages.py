"""The cameras as a person sees them: all with what can be checked, each with its region and smallest face."""

from typing import Annotated

from fastapi import APIRouter, Form
from pydantic import ValidationError
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse

from facerec_mqtt.monitoring.page_messages import RestartService
from facerec_mqtt.web.context import PageContext
from facerec_mqtt.web.first_page import camera_step
from facerec_mqtt.web.forms import Text, back_to
from facerec_mqtt.web.household import InvalidError
from facerec_mqtt.web.pages import render
from facerec_mqtt.web.schemas import CameraSetup, NewCameraSetup
from facerec_mqtt.web.setup.words import SMALLEST_FOUND_PX, WHOLE

router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)
Percent = Annotated[float, Form(ge=0, le=100)]
_SLIDER_PX = 200


@router.get("/cameras")
def cameras(request: Request, context: PageContext, check: str = "") -> HTMLResponse:
    """The cameras, and everything that can be checked."""
    setups = context.setups.all()
    return render(
        request,
        context,
        "cameras.html",
        checks=context.household.checks().checks if check else None,
        tokens=context.access.tokens.all(),
        camera_step=[camera_step("now")],
        saving=setups.saving,
        areas={each.camera: _area(each) for each in setups.cameras if each.region and each.width},
    )


@router.get("/cameras/{camera}")
def camera(request: Request, context: PageContext, camera: str) -> HTMLResponse:
    """One camera: where faces are looked for, and how large they must be."""
    context.setups.require(camera)
    setups = context.setups.all()
    setup = next(each for each in setups.cameras if each.camera == camera)
    return render(
        request,
        context,
        "camera.html",
        setup=setup,
        area=_area(setup),
        sides=[round(100 * side, 1) for side in setup.region or WHOLE],
        saving=setups.saving,
        keeper=context.setups.keeper.value,
        max_side_px=context.request.settings.max_side_px,
        smallest_px=SMALLEST_FOUND_PX,
        slider_px=max(_SLIDER_PX, round(setup.min_face_px)),
        seen=next(each for each in context.live.status.cameras if each.camera == camera),
    )


@router.post("/cameras/{camera}/settings")
def change(
    request: Request,
    context: PageContext,
    camera: str,
    revision: Text,
    left: Percent,
    top: Percent,
    right: Percent,
    bottom: Percent,
    min_face_px: Annotated[float, Form(ge=16, le=1000)],
) -> RedirectResponse:
    """Save a camera's region and smallest face."""
    sides = [left / 100, top / 100, right / 100, bottom / 100]
    try:
        wanted = NewCameraSetup(revision=revision, region=sides, min_face_px=min_face_px)
    except ValidationError:
        raise InvalidError("This is no region; give four percentages.") from None
    context.setups.change(camera, wanted)
    return back_to(request, f"/cameras/{camera}")


@router.post("/restart")
def restart(request: Request, context: PageContext) -> HTMLResponse:
    """Start the service again."""
    context.live.send(RestartService())
    return render(request, context, "restarting.html")


def _area(setup: CameraSetup) -> dict[str, float]:
    """The region in pixels of the picture, and the picture's size."""
    width, height = setup.width or 1280, setup.height or 720
    left, top, right, bottom = setup.region or WHOLE
    return {
        "width": width,
        "height": height,
        "left": round(left * width, 1),
        "top": round(top * height, 1),
        "right": round(right * width, 1),
        "bottom": round(bottom * height, 1),
        "share": round(100 * (right - left) * (bottom - top)),
    }
