"""Crash tests that take more than a minute on a loaded machine run only when asked for."""

from __future__ import annotations

import os

import pytest

LONG = "CRASH_LONG"


def pytest_configure(config: pytest.Config) -> None:
    """Declare the mark that the long tests carry."""
    config.addinivalue_line("markers", f"long: runs only where {LONG} is set, as in `make chaos`")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave the long tests out unless they are asked for."""
    if os.environ.get(LONG):
        return
    for item in items:
        if item.get_closest_marker("long"):
            item.add_marker(pytest.mark.skip(reason=f"long: set {LONG}=1 to run it"))
