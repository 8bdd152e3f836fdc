"""Opening the store: one database, one clock, and transactions that mean what they say.

Two reservers must never read the same contact: a transaction that may write holds SQLite's file
from its first moment (`store.sqlite`), and PostgreSQL gets the same order by locking the account's
row first (`store.locking`).
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

from sqlalchemy import make_url
from sqlalchemy.engine import URL
from sqlalchemy.exc import ArgumentError

from store.migrate import migrate
from store.sqlite import SqliteFile
from store.trouble import Place, StoreError, explained, raised, reaching, unreachable

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

    from store.postgresql import Server

__all__ = ["Clock", "Store", "StoreError", "open_store"]

Clock = Callable[[], float]


@dataclass(frozen=True)
class Store:
    """A database of contacts, attempts and decisions.

    `clock` gives seconds since 1970; everything that is written is timed by it.
    """

    database: SqliteFile | Server
    clock: Clock
    identity: str = field(default_factory=lambda: uuid4().hex)
    """Names this process where it draws send slots."""
    place: Place | None = None
    """Where it is; None: what goes wrong is raised as the driver says it."""

    @property
    def is_sqlite(self) -> bool:
        """Whether writers exclude each other by the file rather than by rows."""
        return isinstance(self.database, SqliteFile)

    def now(self) -> float:
        """Return the store's time in seconds."""
        return self.clock()

    @asynccontextmanager
    async def read(self, *, long: bool = False) -> AsyncIterator[AsyncConnection]:
        """Yield a connection that sees one state of the store and writes nothing.

        `long` says that a statement may take more than some milliseconds. Raises `StoreUnavailable`
        while the store cannot be used.
        """
        async with self._told():
            self._check()
            async with self.database.read(long=long) as connection:
                yield connection

    @asynccontextmanager
    async def write(self, *, long: bool = False) -> AsyncIterator[AsyncConnection]:
        """Yield a connection in a transaction that is committed whole or not at all.

        On SQLite the transaction holds the write lock from its first moment. `long` as in `read`.
        Raises `StoreUnavailable` while the store cannot be used, and `StoreConflict` where the
        database gave the transaction up; nothing of it holds then, unless the connection was lost
        in the commit itself.
        """
        async with self._told():
            self._check()
            async with self.database.write(long=long) as connection:
                yield connection

    def _check(self) -> None:
        if self.place is not None:
            self.place.check()

    @asynccontextmanager
    async def _told(self) -> AsyncIterator[None]:
        """Turn a driver's error into one of ours, where it is the store's state and no bug."""
        try:
            yield
        except raised() as error:
            known = explained(error, self.place) if self.place is not None else None
            if known is None:
                raise
            raise known from error


def _parsed(url: str) -> URL:
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise StoreError(
            "DISCADOR_STORE_URL is not a database address; write sqlite:///path/to/file.db "
            "or postgresql://user@host/database"
        ) from None
    backend = parsed.get_backend_name()
    if backend not in {"sqlite", "postgresql", "postgres"}:
        raise StoreError(
            f"the store cannot be a {backend} database; use sqlite:///... or postgresql://..."
        )
    return parsed


@asynccontextmanager
async def open_store(url: str, clock: Clock = time.time) -> AsyncIterator[Store]:
    """Open the store at `url`, bring its schema up to date, and close it at the end.

    `url` is plain: `sqlite:///file.db` or `postgresql://user@host/database`. Several processes may
    open it at once; the migration takes a lock. Raises `StoreError`.
    """
    target = _parsed(url)
    database: SqliteFile | Server
    if target.get_backend_name() == "sqlite":
        if not target.database or target.database == ":memory:":
            raise StoreError("the store must be a file: several processes share it")
        place = Place(target.database)
        try:
            Path(target.database).parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise unreachable(error, place) from error
        database = SqliteFile(target, place)
    else:
        place = Place.of(target)
        from store.postgresql import Server  # noqa: PLC0415 - 0.3 s that SQLite does not need

        database = Server(target, place)
    try:
        with reaching(place):
            await migrate(database)
            place = Place.of(target)
        yield Store(database, clock, place=place)
    finally:
        await database.dispose()
