"""A library that is loaded when it is first used: the page at rest does without its memory."""

import importlib
import sys
import threading
from types import ModuleType


class _OnDemand(ModuleType):
    """Stands for a module until something of it is asked for; any thread may ask."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.__dict__["_loading"] = threading.RLock()

    def __getattr__(self, attribute: str) -> object:
        if attribute.startswith("__"):  # the import system asks for these of every module
            raise AttributeError(attribute)
        with self.__dict__["_loading"]:
            name = self.__name__
            if sys.modules.get(name) is self:
                del sys.modules[name]
                importlib.import_module(name)
            return getattr(sys.modules[name], attribute)


def load_on_demand(name: str) -> None:
    """Have a module loaded when something of it is first used, not when it is imported."""
    if name not in sys.modules:
        sys.modules[name] = _OnDemand(name)
