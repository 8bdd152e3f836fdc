"""What the simulations share."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def empty(template: Path) -> Path:
    """Give the store of which every simulation gets a copy."""
    return template
