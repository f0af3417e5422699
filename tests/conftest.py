"""Fixtures of all tests: real brokers and real cameras."""

pytest_plugins = [
    "tests.fixtures_broker",
    "tests.fixtures_service",
    "tests.fixtures_rtsp",
    "tests.fixtures_ha",
    "tests.fixtures_disk",
    "tests.fixtures_forget",
]
