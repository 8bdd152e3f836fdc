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

import pytest
from hypothesis import settings

from store.engine import open_store
from tests.store.databases import Databases, named, on_server
from tests.store.server import shared
from tests.templates import migrated

settings.register_profile("untimed", deadline=None)  # a loaded machine is not a failure
settings.load_profile("untimed")


LONGEST = (
    "tests/simulation/test_seeds.py",
    "tests/activities/test_place_stateful.py",
    "tests/crash/",
    "tests/benchmarks/test_contenders.py",
    "tests/console/test_schedule.py",
    "tests/console/test_running.py",
    "tests/chaos/",
    "tests/simulation/",
    "tests/workflows/test_thirty_days.py",
    "tests/workflows/test_store_trouble.py",
)
"""Tests that take long, longest first: last, they would leave the other processes without work."""


gc.set_threshold(50_000, 20, 50)  # as the programs do: a process of tests keeps a million objects


@pytest.hookimpl(trylast=True)
def pytest_collection_finish() -> None:
    """Look for garbage among what tests make, not among the tests and what they have imported."""
    gc.collect()
    gc.freeze()


def _rank(item: pytest.Item) -> int:
    starts = (at for at, prefix in enumerate(LONGEST) if item.nodeid.startswith(prefix))
    return next(starts, len(LONGEST))


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the longest; the order is otherwise as random as it was."""
    items.sort(key=_rank)


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make one migrated SQLite store, of which tests take copies."""
    return migrated(tmp_path_factory.mktemp("template") / "store.db")


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
    on_server(postgresql, f"CREATE DATABASE {name}")

    async def migrated() -> None:
        async with open_store(named(postgresql, name)):
            pass

    asyncio.run(migrated())
    yield name
    on_server(postgresql, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def empty_postgresql_url(postgresql: str) -> Iterator[str]:
    """Give the address of a database without a schema."""
    name = f"discador_{secrets.token_hex(6)}"
    on_server(postgresql, f"CREATE DATABASE {name} STRATEGY file_copy")
    yield named(postgresql, name)
    on_server(postgresql, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(scope="session")
def databases(postgresql: str, postgresql_template: str) -> Iterator[Databases]:
    """Give databases with today's schema, to take and to give back."""
    copies = Databases(postgresql, postgresql_template)
    yield copies
    copies.drop()


@pytest.fixture
def postgresql_url(databases: Databases) -> Iterator[str]:
    """Give the address of a database with today's schema, of the test's own."""
    url = databases.take()
    yield url
    databases.give_back(url)
