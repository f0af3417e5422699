"""The API of what sets cameras up."""

from typing import Annotated

from fastapi import APIRouter, Path

from facerec_mqtt.monitoring.page_messages import RestartService
from facerec_mqtt.web.api.shared import FAILURES
from facerec_mqtt.web.context import PageContext
from facerec_mqtt.web.schemas import (
    Accepted,
    CameraSetups,
    FindCameras,
    FoundCameras,
    NewCamera,
    NewCameraSetup,
    Slug,
)

router = APIRouter(prefix="/api/v1", tags=["cameras"], responses=FAILURES)


@router.get("/cameras")
def cameras(context: PageContext) -> CameraSetups:
    """The settings of the cameras that can be changed here, and whether they can be saved here."""
    return context.setups.all()


@router.put("/cameras/{camera}/settings")
def change(
    context: PageContext,
    camera: Annotated[Slug, Path(description="The camera's slug.")],
    wanted: NewCameraSetup,
) -> CameraSetups:
    """Save a camera's region and smallest face; they come into use when the service starts again."""
    return context.setups.change(camera, wanted)


@router.post("/cameras", status_code=201)
def add(context: PageContext, new: NewCamera) -> CameraSetups:
    """Save a new camera; it is watched when the service starts again."""
    return context.setups.add(new)


@router.post("/cameras/find")
def find(context: PageContext, asked: FindCameras) -> FoundCameras:
    """Find cameras that speak ONVIF, in the network or at an address; takes some seconds."""
    return context.finder.find(asked, context.setups.keeper)


@router.post("/restart", status_code=202)
def restart(context: PageContext) -> Accepted:
    """Start the service again, with the settings as they are by now.

    Where it could not start with them it goes on as it is, and an event `result` says why.
    """
    context.live.send(RestartService())
    return Accepted()
