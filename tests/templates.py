"""A migrated, empty store: migrating takes longer than most tests, so they copy one."""

from __future__ import annotations

import asyncio
from pathlib import Path

from store.engine import open_store


def migrated(path: Path) -> Path:
    """Make one at `path`; returns that."""

    async def migrate() -> None:
        async with open_store(f"sqlite:///{path}"):
            pass

    asyncio.run(migrate())
    return path
