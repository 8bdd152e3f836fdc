"""Tests may use a database one after another: no test finds what another has left."""

from __future__ import annotations

import asyncio
from typing import Any

import asyncpg  # type: ignore[import-untyped]  # it has no types
import pytest

from store.engine import open_store
from tests.store.databases import ADVANCED, WRITTEN, Databases
from tests.store.scene import Clock, open_scene


def _asked(url: str, query: str) -> list[Any]:
    async def ask() -> list[Any]:
        connection = await asyncpg.connect(url)
        try:
            return list(await connection.fetch(query))
        finally:
            await connection.close()

    return asyncio.run(ask())


def test_who_comes_next_finds_nothing(databases: Databases) -> None:
    """Rows are gone and numbers begin anew, and the old address leads nowhere."""

    async def write(url: str) -> None:
        async with open_store(url, Clock()) as store:
            await open_scene(store)

    url = databases.take()
    asyncio.run(write(url))
    assert _asked(url, WRITTEN)
    databases.give_back(url)
    with pytest.raises(asyncpg.InvalidCatalogNameError):
        _asked(url, WRITTEN)
    following = databases.take()
    assert _asked(following, WRITTEN) == []
    assert _asked(following, ADVANCED) == []
    databases.give_back(following)


def test_who_still_uses_it_is_cut_off(databases: Databases) -> None:
    """A connection that a test forgot ends, and the database is used again."""
    url = databases.take()

    async def forget() -> asyncpg.Connection:
        connection = await asyncpg.connect(url)
        await asyncio.to_thread(databases.give_back, url)
        with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError, OSError)):
            await connection.fetch("SELECT 1")
        connection.terminate()

    asyncio.run(forget())
    following = databases.take()
    assert _asked(following, "SELECT 1")
    databases.give_back(following)


@pytest.mark.parametrize(
    "change",
    [
        "CREATE TABLE another (id integer)",
        "ALTER TABLE attempts ADD COLUMN another integer",
        "CREATE INDEX another ON attempts (key)",
        "UPDATE alembic_version SET version_num = 'another'",
        "CREATE SCHEMA another",
    ],
)
def test_another_schema_does_not_come_back(databases: Databases, change: str) -> None:
    """A database that is not as its template is dropped, whatever the difference."""
    url = databases.take()
    others = databases.waiting
    _asked(url, change)
    databases.give_back(url)
    assert databases.waiting == others
