"""Databases with today's schema that tests use one after another.

To make one costs the server a fifth of a second or more, to empty one a tenth of that. A database
comes back under another name, so that whoever still knows the old one does not reach it, and comes
back only when its schema is that of the template; otherwise it is dropped.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import asyncpg  # type: ignore[import-untyped]  # it has no types
from sqlalchemy import make_url

SCHEMA = """
SELECT string_agg(line, E'\\n' ORDER BY line) FROM (
    SELECT format('%s.%s %s %s %s', attrelid::regclass, attname, atttypid::regtype, attnotnull,
                  pg_get_expr(adbin, adrelid)) AS line
    FROM pg_attribute
    JOIN pg_class ON pg_class.oid = attrelid AND relnamespace = 'public'::regnamespace
    LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
    WHERE attnum > 0 AND NOT attisdropped
    UNION ALL SELECT indexdef FROM pg_indexes WHERE schemaname = 'public'
    UNION ALL SELECT format('%s %s %s', conrelid::regclass, conname, pg_get_constraintdef(oid))
              FROM pg_constraint WHERE connamespace = 'public'::regnamespace
    UNION ALL SELECT format('%s %s', tgrelid::regclass, tgname)
              FROM pg_trigger WHERE NOT tgisinternal
    UNION ALL SELECT proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace
    UNION ALL SELECT nspname FROM pg_namespace WHERE nspname !~ '^pg_(toast_)?temp'
    UNION ALL SELECT version_num FROM alembic_version
) AS lines
"""
WRITTEN = """
SELECT oid::regclass::text FROM pg_class
WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' AND relname <> 'alembic_version'
    AND pg_relation_size(oid) > 0
"""
ADVANCED = """
SELECT format('%I', sequencename) FROM pg_sequences
WHERE schemaname = 'public' AND last_value IS NOT NULL
"""


def named(url: str, database: str) -> str:
    """Return the address of another database of the same server."""
    return make_url(url).set(database=database).render_as_string(hide_password=False)


@asynccontextmanager
async def _connected(url: str) -> AsyncIterator[Any]:
    connection = await asyncpg.connect(url)
    try:
        yield connection
    finally:
        await connection.close()


def on_server(url: str, statement: str) -> None:
    """Execute one statement at a database."""

    async def execute() -> None:
        async with _connected(url) as connection:
            await connection.execute(statement)

    asyncio.run(execute())


class Databases:
    """Copies of one template, for a process that runs one test at a time."""

    def __init__(self, server: str, template: str) -> None:
        self._server = server
        self._template = template
        self._empty: list[str] = []
        self._schema = asyncio.run(self._look(template, _schema_of_nothing_written))

    def take(self) -> str:
        """Give the address of a database with the template's schema and without a row."""
        if self._empty:
            return named(self._server, self._empty.pop())
        name = _new_name()
        on_server(
            self._server, f"CREATE DATABASE {name} TEMPLATE {self._template} STRATEGY file_copy"
        )
        return named(self._server, name)

    @property
    def waiting(self) -> tuple[str, ...]:
        """Name those that wait for a test."""
        return tuple(self._empty)

    def give_back(self, url: str) -> None:
        """Take it from whoever still uses it, and keep it for another test if it can be emptied."""
        asyncio.run(self._give_back(str(make_url(url).database)))

    def drop(self) -> None:
        """Drop those that nobody uses."""
        while self._empty:
            on_server(self._server, f"DROP DATABASE {self._empty.pop()} WITH (FORCE)")

    async def _give_back(self, name: str) -> None:
        now = _new_name()
        async with _connected(self._server) as connection:
            await connection.execute(
                "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = $1",
                name,
            )
            try:
                await connection.execute(f"ALTER DATABASE {name} RENAME TO {now}")
            except asyncpg.ObjectInUseError:  # somebody was quicker to come back
                await connection.execute(f"DROP DATABASE {name} WITH (FORCE)")
                return
        if await self._look(now, _emptied) == self._schema:
            self._empty.append(now)
        else:
            async with _connected(self._server) as connection:
                await connection.execute(f"DROP DATABASE {now} WITH (FORCE)")

    async def _look(self, name: str, see: Callable[[Any], Awaitable[str]]) -> str:
        async with _connected(named(self._server, name)) as connection:
            return await see(connection)


def _new_name() -> str:
    return f"discador_{secrets.token_hex(6)}"


async def _schema_of_nothing_written(connection: Any) -> str:
    """Return the schema; emptying would take from a copy what its template has."""
    assert await connection.fetch(WRITTEN) == []
    assert await connection.fetch(ADVANCED) == []
    return str(await connection.fetchval(SCHEMA))


async def _emptied(connection: Any) -> str:
    """Delete every row, let every sequence begin anew, and return the schema."""
    written = [table for (table,) in await connection.fetch(WRITTEN)]
    if written:
        await connection.execute(f"TRUNCATE {', '.join(written)} CASCADE")
    for (sequence,) in await connection.fetch(ADVANCED):
        await connection.execute(f"ALTER SEQUENCE {sequence} RESTART")
    return str(await connection.fetchval(SCHEMA))
