"""The part of the API that is live: status, events, pictures and faces of cameras, commands."""

import contextlib
from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import APIRouter, Header, Path, Query
from fastapi.responses import Response, StreamingResponse
from starlette.requests import Request

from facerec_mqtt.core.errors import FacerecError
from facerec_mqtt.monitoring.page_messages import CapturePhotos, EnableCamera, RebuildModel, StopPhotos
from facerec_mqtt.monitoring.page_messages import LiveFaces as SentFaces
from facerec_mqtt.web.box import PHOTOS_HERE
from facerec_mqtt.web.context import Context, PageContext
from facerec_mqtt.web.live.faces import as_answer, nothing_yet
from facerec_mqtt.web.live.frames import UnknownCameraError
from facerec_mqtt.web.live.link import Message, TooManyListenersError
from facerec_mqtt.web.schemas import (
    FAILURE,
    Accepted,
    CameraChange,
    CaptureRequest,
    Error,
    LiveFaces,
    RebuildRequest,
    Slug,
    Status,
)

HEARTBEAT_S = 15.0
"""A proxy, or a browser, would take a stream that is silent for long for a dead one."""
_RETRY_MS = 2000
_Responses = dict[int | str, dict[str, Any]]
_EVENTS: _Responses = {200: {"content": {"text/event-stream": {}}, "description": "Server-Sent Events."}}
_JPEG: _Responses = {200: {"content": {"image/jpeg": {}}, "description": "The picture."}}
_FACES: _Responses = {200: {"content": {"text/event-stream": {}}, "model": LiveFaces}}
_NOT_THERE: _Responses = {404: {**FAILURE}}
_NO_SERVICE: _Responses = {503: {**FAILURE}}
Camera = Annotated[Slug, Path(description="The camera's slug.")]

router = APIRouter(prefix="/api/v1", tags=["live"])


class RunningError(FacerecError):
    """What is asked for is being done, or what is to be ended is not."""

    status = 409


@router.get("/status", responses={401: {"model": Error}})
async def status(context: PageContext) -> Status:
    """Who is here, and how cameras, broker and model are."""
    return context.live.status


@router.get("/events", responses={**_EVENTS, **_NO_SERVICE}, response_class=StreamingResponse)
async def events(request: Request, context: PageContext) -> StreamingResponse:
    """What happens, as it happens.

    `event: status` has the whole status, at the beginning and on each change; `event: event` what was
    published on MQTT; `event: result` the answer to a command.
    """
    first: Message = "status", context.live.status.model_dump_json()
    return _stream(request, context, None, first)


@router.get(
    "/cameras/{camera}/frame.jpg", responses={**_JPEG, **_NOT_THERE, **_NO_SERVICE}, response_class=Response
)
def frame(
    context: PageContext,
    camera: Camera,
    width: Annotated[int | None, Query(ge=1, le=10_000, description="At most so wide, in pixels.")] = None,
    if_none_match: Annotated[str | None, Header(max_length=200)] = None,
) -> Response:
    """The newest picture of a camera."""
    picture = context.frames.newest(camera, width)
    tag = f'"{picture.captured_at_s:.6f}-{width or 0}"'
    headers = {
        "ETag": tag,
        "Cache-Control": "private, no-cache",
        "X-Captured-At": f"{picture.captured_at_s:.6f}",
    }
    if if_none_match == tag:
        return Response(status_code=304, headers=headers)
    return Response(picture.jpeg, headers=headers, media_type="image/jpeg")


@router.get(
    "/cameras/{camera}/live", responses={**_FACES, **_NOT_THERE, **_NO_SERVICE}, response_model=LiveFaces
)
async def live(
    request: Request,
    context: PageContext,
    camera: Camera,
) -> LiveFaces | Response:
    """What the service sees in a camera's newest picture: boxes, names, scores and reasons.

    As one answer, or for `Accept: text/event-stream` as an event `faces` for each picture. The service sends
    it only while somebody asks, so the first answer may be empty.
    """
    _require_camera(context, camera)
    newest = context.live.faces(camera)
    if "text/event-stream" in request.headers.get("accept", ""):
        first: Message | None = None if newest is None else ("faces", newest.model_dump_json())
        return _stream(request, context, camera, first)
    return nothing_yet(camera) if newest is None else as_answer(newest)


@router.patch("/cameras/{camera}", status_code=202, responses={**_NOT_THERE, **_NO_SERVICE})
def change_camera(context: PageContext, camera: Camera, change: CameraChange) -> Accepted:
    """Switch recognition at a camera on or off."""
    _require_camera(context, camera)
    context.live.send(EnableCamera(camera=camera, on=change.enabled))
    return Accepted()


@router.post(
    "/cameras/{camera}/capture",
    status_code=202,
    dependencies=[PHOTOS_HERE],
    responses={**_NOT_THERE, **_NO_SERVICE, 409: {**FAILURE}},
)
def capture(context: PageContext, camera: Camera, asked: CaptureRequest) -> Accepted:
    """Take photos of somebody by a camera; `capture` in the status has what is still needed."""
    _require_camera(context, camera)
    if context.live.status.capture is not None:
        raise RunningError("Photos are being taken already; wait until that has ended.")
    context.live.send(CapturePhotos(person=asked.name, camera=camera, seconds=asked.seconds))
    return Accepted()


@router.delete(
    "/cameras/{camera}/capture",
    status_code=202,
    responses={**_NOT_THERE, **_NO_SERVICE, 409: {**FAILURE}},
)
def stop_capture(context: PageContext, camera: Camera) -> Accepted:
    """Take no more photos of somebody by a camera; those that were taken stay."""
    _require_camera(context, camera)
    capture = context.live.status.capture
    if capture is None or capture.camera != camera:
        raise RunningError("No photos are being taken there.")
    context.live.send(StopPhotos())
    return Accepted()


@router.post(
    "/model/rebuild",
    status_code=202,
    dependencies=[PHOTOS_HERE],
    responses={**_NO_SERVICE, 409: {**FAILURE}},
)
def rebuild(context: PageContext, asked: RebuildRequest | None = None) -> Accepted:
    """Make a new model of the photos; `model` in the status has how far it is."""
    if context.live.status.model.status == "training":
        raise RunningError("A rebuild is already running; wait until it has ended.")
    context.household.give_way()
    context.live.send(RebuildModel(force=asked is not None and asked.force))
    return Accepted()


def _require_camera(context: Context, camera: str) -> None:
    slugs = [each.slug for each in context.request.cameras]
    if camera not in slugs:
        raise UnknownCameraError(f'There is no camera "{camera}"; there are: {", ".join(slugs) or "none"}.')


def _stream(
    request: Request, context: Context, camera: str | None, first: Message | None
) -> StreamingResponse:
    context.live.require_room(_address(request))
    content = _listen(request, context, camera, first)
    # A proxy is not to collect it.
    return StreamingResponse(content, media_type="text/event-stream", headers={"X-Accel-Buffering": "no"})


async def _listen(
    request: Request, context: Context, camera: str | None, first: Message | None
) -> AsyncIterator[str]:
    """Write what happens as Server-Sent Events, until whoever listens has gone or does not keep up."""
    with contextlib.ExitStack() as stack:
        try:
            listener = stack.enter_context(context.live.listening(camera, _address(request)))
        except TooManyListenersError:
            return  # another came between; the browser tries again
        yield f"retry: {_RETRY_MS}\n\n"
        if first is not None:
            yield _event(first)
        while True:
            try:
                message = await listener.next(HEARTBEAT_S)
            except EOFError:
                return
            if await request.is_disconnected():
                return
            yield ": alive\n\n" if message is None else _event(message)


def _address(request: Request) -> str:
    return request.client.host if request.client else ""


def _event(message: Message) -> str:
    topic, text = message
    if topic == "faces":
        text = as_answer(SentFaces.model_validate_json(text)).model_dump_json()
    return f"event: {topic}\ndata: {text}\n\n"
