"""Opening the store: one engine, one clock, and transactions that mean what they say.

SQLite needs `BEGIN IMMEDIATE` for every transaction that may write: SQLAlchemy's own `begin()`
opens nothing before the first write, and two reservers would read the same contact. PostgreSQL gets
the same order by locking the account's row first (`store.reserving`).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

from sqlalchemy import event, make_url
from sqlalchemy.engine import URL
from sqlalchemy.exc import ArgumentError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from store.migrate import migrate
from store.trouble import RAISED, Place, StoreError, explained, unreachable

__all__ = ["Clock", "Store", "StoreError", "open_store"]

Clock = Callable[[], float]
BUSY_TIMEOUT_MS = 15_000
"""How long a writer waits for another process."""

_POOL: dict[str, Any] = {
    "pool_size": 8,
    "max_overflow": 8,
    "hide_parameters": True,  # an error's text must not quote the numbers of a statement
}


_POSTGRESQL: dict[str, Any] = {
    "timeout": 10,  # seconds to connect
    "command_timeout": 60,  # seconds: a server that stands still is noticed
    "server_settings": {
        "application_name": "discador",
        "lock_timeout": str(BUSY_TIMEOUT_MS),
        # A process that is frozen inside a transaction must not hold the account's row for ever.
        "idle_in_transaction_session_timeout": str(BUSY_TIMEOUT_MS),
    },
}


@dataclass(frozen=True)
class Store:
    """A database of contacts, attempts and decisions.

    `clock` gives seconds since 1970; everything that is written is timed by it.
    """

    engine: AsyncEngine
    clock: Clock
    identity: str = field(default_factory=lambda: uuid4().hex)
    """Names this process where it draws send slots."""
    place: Place | None = None
    """Where it is; None: what goes wrong is raised as the driver says it."""
    _writing: asyncio.Lock = field(default_factory=asyncio.Lock, repr=False)

    @property
    def is_sqlite(self) -> bool:
        """Whether writers exclude each other by the file rather than by rows."""
        return self.engine.dialect.name == "sqlite"

    def now(self) -> float:
        """Return the store's time in seconds."""
        return self.clock()

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncConnection]:
        """Yield a connection that sees one state of the store and writes nothing.

        Raises `StoreUnavailable` while the store cannot be used.
        """
        async with self._told(), self._connected() as connection:
            yield connection

    @asynccontextmanager
    async def write(self) -> AsyncIterator[AsyncConnection]:
        """Yield a connection in a transaction that is committed whole or not at all.

        On SQLite the transaction holds the write lock from its first moment. Writers of this
        process queue here, so that they do not spin on the file. Raises `StoreUnavailable` while
        the store cannot be used, and `StoreConflict` where the database gave the transaction up;
        nothing of it holds then, unless the connection was lost in the commit itself.
        """
        if self.is_sqlite:
            async with self._told(), self._writing, self._connected() as raw:
                connection = await raw.execution_options(discador_write=True)
                async with connection.begin():
                    yield connection
        else:
            async with self._told(), self._connected() as connection, connection.begin():
                yield connection

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[AsyncConnection]:
        place = self.place
        if place is not None:
            place.check()
        try:
            connection = await self.engine.connect()
        except (*RAISED, OSError) as error:
            if place is None:
                raise
            raise unreachable(error, place) from error
        try:
            yield connection
        finally:
            await connection.close()

    @asynccontextmanager
    async def _told(self) -> AsyncIterator[None]:
        """Turn a driver's error into one of ours, where it is the store's state and no bug."""
        try:
            yield
        except RAISED as error:
            known = explained(error, self.place) if self.place is not None else None
            if known is None:
                raise
            raise known from error


def _async_url(url: str) -> URL:
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise StoreError(
            "DISCADOR_STORE_URL is not a database address; write sqlite:///path/to/file.db "
            "or postgresql://user@host/database"
        ) from None
    backend = parsed.get_backend_name()
    if backend == "sqlite":
        return parsed.set(drivername="sqlite+aiosqlite")
    if backend in {"postgresql", "postgres"}:
        return parsed.set(drivername="postgresql+asyncpg")
    raise StoreError(
        f"the store cannot be a {backend} database; use sqlite:///... or postgresql://..."
    )


def _let_go(connection: Any) -> None:
    """Roll back and close a connection in its own thread, after what it is doing; do not wait."""
    driver = connection.driver_connection
    if driver is not None and driver._connection is not None:  # noqa: SLF001 - no public way
        driver._tx.put_nowait((None, driver._connection.rollback))  # noqa: SLF001
        driver.stop()


def _prepare_sqlite(engine: AsyncEngine) -> None:
    @event.listens_for(engine.sync_engine, "connect")
    def _connect(connection: Any, _record: Any) -> None:
        connection.isolation_level = None
        cursor = connection.cursor()
        for pragma in (
            f"busy_timeout={BUSY_TIMEOUT_MS}",
            "journal_mode=WAL",
            "synchronous=FULL",
            "foreign_keys=ON",
        ):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    # A cancelled statement makes SQLAlchemy close its connection, which in SQLite ends a
    # transaction only once nothing refers to its statements: until then the file stays locked.
    dialect: Any = engine.sync_engine.dialect
    dialect.do_terminate = _let_go

    @event.listens_for(engine.sync_engine, "begin")
    def _begin(connection: Any) -> None:
        writes = connection.get_execution_options().get("discador_write")
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


@asynccontextmanager
async def open_store(url: str, clock: Clock = time.time) -> AsyncIterator[Store]:
    """Open the store at `url`, bring its schema up to date, and close it at the end.

    `url` is plain: `sqlite:///file.db` or `postgresql://user@host/database`. Several processes may
    open it at once; the migration takes a lock. Raises `StoreError`.
    """
    target = _async_url(url)
    if target.get_backend_name() == "sqlite":
        if not target.database or target.database == ":memory:":
            raise StoreError("the store must be a file: several processes share it")
        place = Place(target.database)
        try:
            Path(target.database).parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise unreachable(error, place) from error
        engine = create_async_engine(target, **_POOL)
        _prepare_sqlite(engine)
    else:
        place = Place.of(target)
        engine = create_async_engine(target, **_POOL, connect_args=_POSTGRESQL)
    try:
        try:
            await migrate(engine)
            place = Place.of(target)
        except (*RAISED, OSError) as error:
            raise unreachable(error, place) from error
        yield Store(engine, clock, place=place)
    finally:
        await engine.dispose()
