"""What the parts of the API share: failures, pictures, and files that are sent."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path as FilePath
from typing import Annotated, Any

from fastapi import Path, Query
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, Response

from facerec_mqtt.web.household import InvalidError
from facerec_mqtt.web.schemas import FAILURE

FAILURES: dict[int | str, dict[str, Any]] = {
    status: {**FAILURE, "description": description}
    for status, description in (
        (401, "Nobody is signed in."),
        (404, "There is no such thing any more."),
        (409, "What is there at present does not allow it."),
        (413, "It is too large."),
        (422, "What was sent makes no sense."),
        (503, "It cannot be done at present; try again."),
    )
}

PhotoPath = Annotated[str, Path(max_length=4096)]
PhotoWidth = Annotated[int, Query(ge=16, le=2048)]
PHOTOS_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["photo"],
                    "properties": {
                        "photo": {"type": "array", "items": {"type": "string", "format": "binary"}}
                    },
                }
            }
        },
    }
}
"""Of a request that sends photos, for the description of the API."""
MAX_FILES = 100
"""In one request."""
PICTURE_HEADERS = {"Cache-Control": "private, no-cache"}


def picture_file(path: FilePath, media_type: str) -> Response:
    """Give out a file that no proxy may keep."""
    return FileResponse(path, media_type=media_type, headers=PICTURE_HEADERS)


@dataclass(frozen=True, slots=True)
class SentFile:
    """A file of a form; read in the thread that needs it."""

    name: str
    """What it was called; anything."""
    _file: UploadFile

    def read(self, most_bytes: int) -> bytes:
        """Its content, or so many bytes of it."""
        self._file.file.seek(0)
        return self._file.file.read(most_bytes)


@asynccontextmanager
async def read_form(request: Request) -> AsyncIterator[list[SentFile]]:
    """Read the files of a multipart form; they are deleted afterwards.

    Raises:
        HTTPException: the form is malformed, has too many files, or ends early.
    """
    try:
        async with request.form(max_files=MAX_FILES, max_fields=MAX_FILES) as form:
            sent = [each for _, each in form.multi_items() if isinstance(each, UploadFile)]
            yield [SentFile(each.filename or "", each) for each in sent]
    except ClientDisconnect as error:
        raise HTTPException(400, "The request ended early.") from error
    except HTTPException as error:
        if error.status_code == 400 and error.detail.startswith("Too many"):
            sentence = f"More than {MAX_FILES} files are not taken at once; send fewer."
            raise HTTPException(413, sentence) from error
        raise


@asynccontextmanager
async def read_photos(request: Request) -> AsyncIterator[list[SentFile]]:
    """The same of a form that must have a file.

    Raises:
        HTTPException: as above.
        InvalidError: it has none.
    """
    async with read_form(request) as files:
        if not files:
            raise InvalidError('Send at least one picture, as a multipart field "photo" with a file in it.')
        yield files


async def read_body(request: Request) -> bytes:
    """Read a whole body.

    Raises:
        HTTPException: it ends early.
    """
    try:
        return await request.body()
    except ClientDisconnect as error:
        raise HTTPException(400, "The request ended early.") from error
