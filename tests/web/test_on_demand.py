"""Modules that are loaded when something of them is first used."""

import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from facerec_mqtt.web.on_demand import load_on_demand

MODULE = """
import time
time.sleep(0.2)
VALUE = 7
"""


def test_a_module_is_loaded_once_when_it_is_used_and_no_thread_sees_half_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "slow_module.py").write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "slow_module", raising=False)
    load_on_demand("slow_module")
    import slow_module  # type: ignore[import-not-found]

    assert "VALUE" not in vars(slow_module)
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(lambda _: slow_module.VALUE, range(8))) == [7] * 8
    assert vars(sys.modules["slow_module"])["VALUE"] == 7
    with pytest.raises(AttributeError):
        _ = slow_module.OTHER


def test_what_is_loaded_already_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "slow_module", sys)
    load_on_demand("slow_module")
    assert sys.modules["slow_module"] is sys
