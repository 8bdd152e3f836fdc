"""What all tests share: a migrated store to copy, and a PostgreSQL where a test asks for one.

`DISCADOR_TEST_POSTGRESQL` names another server to use, on which databases may be created:
`postgresql://user@host/postgres`.
"""

from __future__ import annotations

import asyncio
import gc
import os
import secrets
from collections.abc import Iterator
from pathlib import Path

import asyncpg  # type: ignore[import-untyped]  # it has no types
import pytest
from hypothesis import settings
from sqlalchemy import make_url

from store.engine import open_store
from tests.store.server import shared
from tests.templates import migrated

settings.register_profile("untimed", deadline=None)  # a loaded machine is not a failure
settings.load_profile("untimed")


LONGEST = (
    "tests/crash/",
    "tests/console/test_running.py",
    "tests/chaos/",
    "tests/simulation/",
    "tests/workflows/test_thirty_days.py",
    "tests/workflows/test_store_trouble.py",
    "tests/activities/test_place_stateful.py",
)
"""Tests that take long: last, they would leave the other processes without work."""


gc.set_threshold(50_000, 20, 50)  # as the programs do: a process of tests keeps a million objects


@pytest.hookimpl(trylast=True)
def pytest_collection_finish() -> None:
    """Look for garbage among what tests make, not among the tests and what they have imported."""
    gc.collect()
    gc.freeze()


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the longest; the order is otherwise as random as it was."""
    items.sort(key=lambda item: not item.nodeid.startswith(LONGEST))


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make one migrated SQLite store, of which tests take copies."""
    return migrated(tmp_path_factory.mktemp("template") / "store.db")


def _on_server(url: str, statement: str) -> None:
    async def execute() -> None:
        connection = await asyncpg.connect(url)
        try:
            await connection.execute(statement)
        finally:
            await connection.close()

    asyncio.run(execute())


def _named(url: str, database: str) -> str:
    return make_url(url).set(database=database).render_as_string(hide_password=False)


@pytest.fixture(scope="session")
def postgresql(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Give the address of a server on which databases may be created."""
    given = os.environ.get("DISCADOR_TEST_POSTGRESQL", "")
    if given:
        yield given
        return
    meeting = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        meeting = meeting.parent
    with shared(meeting) as server:
        yield server.url()


@pytest.fixture(scope="session")
def postgresql_template(postgresql: str) -> Iterator[str]:
    """Name a database with today's schema, of which others are copies."""
    name = f"template_{secrets.token_hex(6)}"
    _on_server(postgresql, f"CREATE DATABASE {name}")

    async def migrated() -> None:
        async with open_store(_named(postgresql, name)):
            pass

    asyncio.run(migrated())
    yield name
    _on_server(postgresql, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def empty_postgresql_url(postgresql: str) -> Iterator[str]:
    """Give the address of a database without a schema."""
    name = f"discador_{secrets.token_hex(6)}"
    _on_server(postgresql, f"CREATE DATABASE {name} STRATEGY file_copy")
    yield _named(postgresql, name)
    _on_server(postgresql, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def postgresql_url(postgresql: str, postgresql_template: str) -> Iterator[str]:
    """Give the address of a database with today's schema, of the test's own."""
    name = f"discador_{secrets.token_hex(6)}"
    _on_server(
        postgresql, f"CREATE DATABASE {name} TEMPLATE {postgresql_template} STRATEGY file_copy"
    )
    yield _named(postgresql, name)
    _on_server(postgresql, f"DROP DATABASE {name} WITH (FORCE)")
