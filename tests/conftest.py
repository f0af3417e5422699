"""Fixtures of all tests: real brokers and real cameras; which tests share a worker process."""

import pytest

pytest.register_assert_rewrite("tests.support")

# What is started once for the whole run.
SHARED_BY_ALL = {"installed_home_assistant"}

pytest_plugins = [
    "tests.support.broker",
    "tests.support.service",
    "tests.support.rtsp",
    "tests.support.home_assistant",
    "tests.support.disk",
    "tests.support.forget",
    "tests.support.page",
    "tests.support.browser",
    "tests.support.lived_in",
    "tests.support.camera_setup",
]


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep the tests of a module in one worker process, and all that need Home Assistant in one.

    A module's tests share what was costly to make. Home Assistant is started once, for one test at a time.
    """
    for item in items:
        shared = SHARED_BY_ALL & set(getattr(item, "fixturenames", ()))
        item.add_marker(pytest.mark.xdist_group(min(shared, default=item.nodeid.partition("::")[0])))
