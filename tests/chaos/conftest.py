"""What takes more than a minute runs only when asked for, as with the crash tests."""

from __future__ import annotations

from tests.crash.conftest import pytest_collection_modifyitems, pytest_configure

__all__ = ["pytest_collection_modifyitems", "pytest_configure"]
