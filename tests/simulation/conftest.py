"""What the simulations share."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.simulation.running import template


@pytest.fixture(scope="session")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make one migrated store, of which every simulation gets a copy."""
    return template(tmp_path_factory.mktemp("template") / "store.db")
