"""The API, called with what its description allows, and with what it does not."""

import contextlib
import socket
import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis.checks import not_a_server_error
from schemathesis.generation import GenerationMode
from schemathesis.schemas import BaseSchema
from schemathesis.specs.openapi.checks import response_schema_conformance

from facerec_mqtt.cameras.shared_frame import SharedFrame
from facerec_mqtt.monitoring.page_messages import MAX_MESSAGE_BYTES, PageCamera, from_page
from facerec_mqtt.web.live import Live
from tests.support.page import folders_in, page_request, running_page

LIMITS = settings(
    max_examples=4,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)
ENDLESS = "/api/v1/events"
ASKS_THE_NETWORK = "/api/v1/cameras/find"


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BaseSchema]:
    """The API of a page whose service takes every command, with a camera that has a picture."""
    frame = SharedFrame.create()
    frame.write(1.0, np.zeros((90, 160, 3), np.uint8))
    camera = PageCamera(slug="front_door", name="Front door", descriptor=frame.descriptor)
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    request = page_request(folders_in(tmp_path_factory.mktemp("fuzz")), cameras=(camera,))
    service = threading.Thread(target=_take_all, args=(ours,), daemon=True)
    service.start()
    with running_page(request, Live(request.cameras, theirs)) as page:
        yield schemathesis.openapi.from_url(f"{page.address}/api/openapi.json").exclude(
            path=[ENDLESS, ASKS_THE_NETWORK]
        )
    theirs.close()
    service.join()
    ours.close()
    frame.close()


def _take_all(link: socket.socket) -> None:
    """Take what the page sends, each of which must be understood."""
    while data := link.recv(MAX_MESSAGE_BYTES):
        from_page(data)


def test_no_request_makes_the_page_fail(api: BaseSchema) -> None:
    operations = [result.ok() for result in api.get_all_operations()]  # type: ignore[union-attr]
    assert len(operations) >= 8

    for operation in operations:
        for mode in GenerationMode:

            @LIMITS
            @given(case=operation.as_strategy(generation_mode=mode))
            def call(case: Any) -> None:
                answer = case.call(timeout=60)
                case.validate_response(answer, checks=[not_a_server_error, response_schema_conformance])

            # A request that has no parameters cannot be wrong.
            with contextlib.suppress(Unsatisfiable):
                call()
