"""A store for each test, on both databases.

A test that asks for `store` or `store_url` runs on SQLite and on PostgreSQL.
"""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from store.engine import Store, open_store
from tests.store.scene import Clock, Scene, open_scene

Opens = Callable[..., Awaitable[Scene]]


@pytest.fixture(params=["sqlite", "postgresql"])
def backend(request: pytest.FixtureRequest) -> str:
    """Name the database that a test runs on."""
    return str(request.param)


@pytest.fixture
def empty_url(request: pytest.FixtureRequest, backend: str, tmp_path: Path) -> str:
    """Give the address of a database without a schema."""
    if backend == "postgresql":
        return str(request.getfixturevalue("empty_postgresql_url"))
    return f"sqlite:///{tmp_path / 'empty.db'}"


@pytest.fixture
def store_url(request: pytest.FixtureRequest, backend: str, tmp_path: Path) -> str:
    """Give the address of a migrated database of the test's own."""
    if backend == "postgresql":
        return str(request.getfixturevalue("postgresql_url"))
    path = tmp_path / "store.db"
    shutil.copyfile(request.getfixturevalue("template"), path)
    return f"sqlite:///{path}"


@pytest.fixture
def clock() -> Clock:
    """Give the test the clock of its store."""
    return Clock()


@pytest.fixture
async def store(store_url: str, clock: Clock) -> AsyncIterator[Store]:
    """Open a store on the test's clock."""
    async with open_store(store_url, clock) as opened:
        yield opened


@pytest.fixture
def scene(store: Store) -> Opens:
    """Give the test as many runs as it wants in its store; options are those of `open_scene`."""

    async def open_in_store(**options: object) -> Scene:
        return await open_scene(store, **options)  # type: ignore[arg-type]  # passed through as is

    return open_in_store
