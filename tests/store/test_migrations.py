"""The schema: its scripts, its newest revision, and many processes that start together."""

from __future__ import annotations

import asyncio
import sys
from asyncio.subprocess import PIPE
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, inspect, text

from store import migrate
from store.engine import Store, StoreError, open_store
from store.schema import metadata

ROOT = Path(__file__).parents[2]

OPEN = """
import asyncio, sys
from store.engine import open_store

async def main():
    sys.stdin.readline()
    async with open_store(sys.argv[1]) as store, store.read() as connection:
        await connection.exec_driver_sql("SELECT count(*) FROM attempts")

print("ready", flush=True)
asyncio.run(main())
"""


def test_the_newest_revision_is_the_newest_script() -> None:
    """A script that nobody would apply, or a head without a script, is found here."""
    config = Config()
    config.set_main_option("script_location", str(ROOT / "store" / "migrations"))
    scripts = ScriptDirectory.from_config(config)
    assert scripts.get_heads() == [migrate.HEAD]


async def test_the_scripts_make_the_schema_that_the_code_uses(store: Store) -> None:
    """After the last script nothing is left to generate: tables, columns, types, indexes, keys."""

    def difference(connection: Connection) -> list[object]:
        context = MigrationContext.configure(
            connection, opts={"compare_type": True, "target_metadata": metadata}
        )
        found: list[Any] = compare_metadata(context, metadata)
        # A comment is for whoever reads the schema; PostgreSQL alone keeps it.
        return [item for item in found if item[0][0] != "modify_comment"]

    async with store.read() as connection:
        assert await connection.run_sync(difference) == []


async def test_the_indexes_that_carry_promises_are_partial_and_unique(store: Store) -> None:
    """A comparison of schemas does not look at conditions of indexes, and two of them matter."""

    def conditions(connection: Connection) -> dict[str, tuple[bool, str]]:
        found = {}
        for table in ("attempts", "runs", "contacts"):
            for index in inspect(connection).get_indexes(table):
                options = index.get("dialect_options", {})
                where = str(options.get("sqlite_where", options.get("postgresql_where", "")))
                found[str(index["name"])] = (bool(index["unique"]), where)
        return found

    async with store.read() as connection:
        migrated = await connection.run_sync(conditions)
    unique, where = migrated["uq_attempts_live_number"]
    assert unique
    assert "live" in where
    unique, where = migrated["uq_runs_open_campaign"]
    assert unique
    for state in ("preparing", "running", "paused", "stopping"):
        assert state in where
    assert "due" in migrated["ix_contacts_due"][1]
    assert "settled_at" in migrated["ix_attempts_open"][1]


async def test_opening_twice_changes_nothing(empty_url: str) -> None:
    """The second opening finds the schema at head and does not even load the scripts' tool."""
    async with open_store(empty_url) as first, first.read() as connection:
        before = await connection.run_sync(migrate.current_revision)
    async with open_store(empty_url) as second, second.read() as connection:
        assert await connection.run_sync(migrate.current_revision) == before == migrate.HEAD


async def test_processes_that_start_together_migrate_once(empty_url: str) -> None:
    """Worker and command line start at the same moment on an empty database, and both go on."""
    processes = [
        await asyncio.create_subprocess_exec(
            sys.executable, "-c", OPEN, empty_url, cwd=ROOT, stdin=PIPE, stdout=PIPE, stderr=PIPE
        )
        for _ in range(2)
    ]
    for process in processes:
        assert process.stdout is not None
        assert await process.stdout.readline() == b"ready\n"
    ends = await asyncio.gather(*(process.communicate(b"go\n") for process in processes))
    for process, (_, errors) in zip(processes, ends, strict=True):
        assert process.returncode == 0, errors
    async with open_store(empty_url) as store, store.read() as connection:
        versions = (await connection.execute(text("SELECT version_num FROM alembic_version"))).all()
    assert [row.version_num for row in versions] == [migrate.HEAD]


async def test_stores_that_open_together_in_one_process_do_not_collide(empty_url: str) -> None:
    """Switching a new file to its journal mode and migrating it survive eight openings at once."""

    async def opened() -> str | None:
        async with open_store(empty_url) as store, store.read() as connection:
            return await connection.run_sync(migrate.current_revision)

    assert await asyncio.gather(*(opened() for _ in range(8))) == [migrate.HEAD] * 8


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("nonsense", "not a database address"),
        ("mysql://localhost/x", "cannot be a mysql database"),
        ("sqlite://", "must be a file"),
        ("sqlite:///:memory:", "must be a file"),
    ],
)
async def test_an_address_that_cannot_be_a_store_is_refused_with_a_way_out(
    url: str, says: str
) -> None:
    """The error names what is wrong with the address, for people."""
    with pytest.raises(StoreError, match=says):
        async with open_store(url):
            pass


async def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    """A text file at the store's address is an error, not a database that is made anew."""
    path = tmp_path / "store.db"
    path.write_text("this is a list of names, not a database\n" * 100)
    with pytest.raises(StoreError, match="is not a SQLite file"):
        async with open_store(f"sqlite:///{path}"):
            pass
    assert path.read_text().startswith("this is a list")


async def test_a_statement_that_fails_does_not_quote_its_values(store: Store) -> None:
    """An error of the database may end up in a log or a history: no number in it."""
    row = "INSERT INTO numbers (run_id, n, position, e164, kind) VALUES ('r', 1, 0, :e164, 'movel')"
    async with store.write() as connection:
        await connection.execute(text(row), {"e164": "+5511961000000"})
    with pytest.raises(Exception, match=r"(?i)unique") as caught:
        async with store.write() as connection:
            await connection.execute(text(row), {"e164": "+5511961000000"})
    assert "961000000" not in str(caught.value)
