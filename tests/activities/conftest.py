"""What the tests of the activities share."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from store.engine import open_store


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make one migrated store, of which every test gets a copy."""
    path = tmp_path_factory.mktemp("template") / "store.db"

    async def migrate() -> None:
        async with open_store(f"sqlite:///{path}"):
            pass

    asyncio.run(migrate())
    return path
