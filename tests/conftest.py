"""Fixtures of all tests: real brokers and real cameras."""

import pytest

pytest.register_assert_rewrite("tests.support")

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
]
