"""The blueprints: complete in themselves. What they do is tried in a real Home Assistant (tests/e2e)."""

from pathlib import Path

import pytest
import yaml  # type: ignore[import-untyped]

from tests.support.paths import ROOT

BLUEPRINTS = sorted((ROOT / "packaging" / "home_assistant" / "blueprints").glob("*.yaml"))


class _Loader(yaml.SafeLoader):  # type: ignore[misc]
    """Notes which inputs are used."""

    used: set[str]

    def __init__(self, stream: str) -> None:
        super().__init__(stream)
        self.used = set()


def _use(loader: _Loader, node: yaml.ScalarNode) -> str:
    loader.used.add(node.value)
    return str(node.value)


_Loader.add_constructor("!input", _use)


@pytest.mark.parametrize("path", BLUEPRINTS, ids=lambda path: path.stem)
def test_every_input_is_used_and_explained(path: Path) -> None:
    loader = _Loader(path.read_text(encoding="utf-8"))
    content = loader.get_single_data()
    about = content["blueprint"]
    assert set(about["input"]) == loader.used
    assert all(entry["name"] and entry["selector"] for entry in about["input"].values())
    assert about["domain"] == "automation"
    assert (
        about["homeassistant"]["min_version"] == "2024.10.0"
    )  # the first that knows "triggers" and "actions"
    assert {"triggers", "actions", "conditions", "mode"} <= set(content)
    page = (ROOT / "docs" / "HOME_ASSISTANT.md").read_text(encoding="utf-8")
    assert f"blueprints/{path.name})" in page


def test_there_are_three() -> None:
    assert len(BLUEPRINTS) == 3
