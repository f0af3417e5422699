"""docs/API.md lists calls that there are."""

import re
from pathlib import Path

from facerec_mqtt.web.app import create_app
from facerec_mqtt.web.context import Context
from tests.support.page import folders_in, page_request
from tests.support.paths import ROOT


def test_every_call_that_is_documented_exists(tmp_path: Path) -> None:
    text = (ROOT / "docs" / "API.md").read_text(encoding="utf-8")
    documented = re.findall(r"^\| `(GET|POST|PATCH|DELETE) ([a-z/<>_.]+)` \|", text, flags=re.MULTILINE)
    paths = create_app(Context.of(page_request(folders_in(tmp_path)))).openapi()["paths"]
    calls = {
        (method.upper(), re.sub(r"\{\w+\}", "<>", path.removeprefix("/api/v1/")))
        for path, operations in paths.items()
        for method in operations
    }
    assert len(documented) > 20
    assert {(method, re.sub(r"<\w+>", "<>", path)) for method, path in documented} <= calls
