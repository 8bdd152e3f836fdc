"""A store for each test, on every database that there is.

SQLite always; PostgreSQL too where `DISCADOR_TEST_POSTGRESQL` names a server on which databases may
be created (`postgresql://user@host/postgres`). A test that asks for `store` or `store_url` runs on
each of them.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import make_url, text
from sqlalchemy.ext.asyncio import create_async_engine

from store.engine import Store, open_store
from tests.store.scene import Clock, Scene, open_scene

POSTGRESQL = os.environ.get("DISCADOR_TEST_POSTGRESQL", "")
BACKENDS = ["sqlite", "postgresql"] if POSTGRESQL else ["sqlite"]

Opens = Callable[..., Awaitable[Scene]]


async def _on_server(statement: str) -> None:
    url = make_url(POSTGRESQL).set(drivername="postgresql+asyncpg")
    engine = create_async_engine(url, isolation_level="AUTOCOMMIT")
    async with engine.connect() as connection:
        await connection.execute(text(statement))
    await engine.dispose()


async def _migrated(url: str) -> None:
    async with open_store(url):
        pass


@pytest.fixture(params=BACKENDS, scope="session")
def backend(request: pytest.FixtureRequest) -> str:
    """Name the database that a test runs on."""
    return str(request.param)


@pytest.fixture
def empty_url(backend: str, tmp_path: Path) -> Iterator[str]:
    """Give the address of a database without a schema."""
    if backend == "sqlite":
        yield f"sqlite:///{tmp_path / 'empty.db'}"
        return
    name = f"discador_{secrets.token_hex(6)}"
    asyncio.run(_on_server(f"CREATE DATABASE {name}"))
    yield make_url(POSTGRESQL).set(database=name).render_as_string(hide_password=False)
    asyncio.run(_on_server(f"DROP DATABASE {name} WITH (FORCE)"))


@pytest.fixture(scope="session")
def template(backend: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Make one migrated database, of which every test gets a copy."""
    if backend == "sqlite":
        path = tmp_path_factory.mktemp("template") / "store.db"
        asyncio.run(_migrated(f"sqlite:///{path}"))
        yield str(path)
        return
    name = f"discador_template_{secrets.token_hex(6)}"
    asyncio.run(_on_server(f"CREATE DATABASE {name}"))
    url = make_url(POSTGRESQL).set(database=name)
    asyncio.run(_migrated(url.render_as_string(hide_password=False)))
    yield name
    asyncio.run(_on_server(f"DROP DATABASE {name} WITH (FORCE)"))


@pytest.fixture
def store_url(backend: str, template: str, tmp_path: Path) -> Iterator[str]:
    """Give the address of a migrated database of the test's own."""
    if backend == "sqlite":
        path = tmp_path / "store.db"
        shutil.copyfile(template, path)
        yield f"sqlite:///{path}"
        return
    name = f"discador_{secrets.token_hex(6)}"
    asyncio.run(_on_server(f"CREATE DATABASE {name} TEMPLATE {template}"))
    yield make_url(POSTGRESQL).set(database=name).render_as_string(hide_password=False)
    asyncio.run(_on_server(f"DROP DATABASE {name} WITH (FORCE)"))


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
