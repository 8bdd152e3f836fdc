"""A transaction that is cancelled at any moment lets go of the store."""

from __future__ import annotations

import asyncio
import random
import sqlite3
from pathlib import Path

from sqlalchemy import text

from store.engine import Store, open_store

SEED = 7
ROUNDS = 120


async def _write(store: Store) -> None:
    async with store.write() as connection:
        for _ in range(3):
            await connection.execute(text("SELECT count(*) FROM runs"))
        await connection.execute(text("UPDATE runs SET state = state"))


async def test_a_writer_that_is_cancelled_does_not_keep_the_file_locked(tmp_path: Path) -> None:
    """Whoever writes next gets the lock: a turn that is cut costs a delay, not the store."""
    luck = random.Random(SEED)
    path = tmp_path / "store.db"
    async with open_store(f"sqlite:///{path}") as store:
        for round_ in range(ROUNDS):
            writer = asyncio.create_task(_write(store))
            for _ in range(luck.randrange(12)):
                await asyncio.sleep(0)
            await asyncio.sleep(luck.choice((0.0, 0.001, 0.002, 0.004)))
            writer.cancel()
            await asyncio.gather(writer, return_exceptions=True)

            def next_one() -> None:
                other = sqlite3.connect(path, timeout=10, isolation_level=None)
                try:
                    other.execute("BEGIN IMMEDIATE")
                finally:
                    other.close()

            try:
                await asyncio.to_thread(next_one)
            except sqlite3.OperationalError as error:
                raise AssertionError(f"seed {SEED}, round {round_}: {error}") from None
