"""The real store code over one SQLite file, whose processes may die or freeze in a transaction.

SQL runs on SQLite's own driver inside the loop, without threads: nothing happens while nobody
looks. One connection reads and one writes, as in WAL mode any number of processes would: readers
see what is committed, and one writer at a time holds the file until it commits or dies.
"""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

from sqlalchemy import Connection, create_engine, event
from sqlalchemy.exc import OperationalError
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.pool import NullPool

from store.engine import Store
from store.sqlite import BUSY_TIMEOUT_MS, LoopConnection, SqliteFile
from store.trouble import Place
from tests.simulation.loop import Life, clock

SPIN = 0.05
"""Seconds between two looks of a writer at a file that another one holds."""

_open_path = ""


def _connect() -> sqlite3.Connection:
    raw = sqlite3.connect(_open_path, isolation_level=None)
    raw.execute("PRAGMA synchronous=OFF")
    raw.execute("PRAGMA foreign_keys=ON")
    return raw


# One engine for every simulation of this process: it keeps the statements that it has compiled.
_engine = create_engine("sqlite://", creator=_connect, poolclass=NullPool, hide_parameters=True)


@event.listens_for(_engine, "begin")
def _begin(connection: Connection) -> None:
    if connection.get_execution_options().get("discador_write"):
        connection.exec_driver_sql("BEGIN IMMEDIATE")


def failure(code: int) -> OperationalError:
    """Return what SQLite's driver raises with one of its error codes."""
    cause = sqlite3.OperationalError("the simulated store fails")
    cause.sqlite_errorcode = code
    return OperationalError("", None, cause)


class Database:
    """One file, and who writes it now."""

    def __init__(self, template: Path, path: Path) -> None:
        global _open_path  # noqa: PLW0603 - where the engine's next connections go
        shutil.copyfile(template, path)
        _open_path = str(path)
        self.reader = _engine.connect()
        self.writer = _engine.connect().execution_options(discador_write=True)
        self.holder: Life | None = None
        self.taken = False

    def abandon(self, life: Life) -> None:
        """Undo what a process that has just died had not committed."""
        if self.taken and self.holder is life:
            self._release()

    def _release(self) -> None:
        self.writer.rollback()
        self.holder, self.taken = None, False

    async def take(self, life: Life | None) -> None:
        """Become the one who writes; raises as SQLite does when that takes too long."""
        give_up_at = clock() + BUSY_TIMEOUT_MS / 1000
        while self.taken:
            if clock() >= give_up_at:
                raise failure(sqlite3.SQLITE_BUSY)
            await asyncio.sleep(SPIN)
        self.holder, self.taken = life, True

    def done(self, *, commit: bool) -> None:
        """Commit or undo, and let the next one write."""
        if commit:
            self.writer.commit()
        self._release()

    def close(self) -> None:
        """Close the file."""
        self.reader.close()
        self.writer.close()


Boundary = Callable[[str], Any]
"""Called at each boundary of I/O; may kill or freeze its process or raise the store's errors."""


class SimulatedStore(Store):
    """The store of one process, or of the one at the command line (`life` is None)."""

    file: Database
    life: Life | None
    boundary: Boundary
    queue: asyncio.Lock
    """Writers of one process."""

    @classmethod
    def of(cls, database: Database, life: Life | None, boundary: Boundary) -> SimulatedStore:
        """Open the store for a process."""
        name = "command line" if life is None else life.name
        store = cls(cast("SqliteFile", None), clock, name, Place("store"))
        extras = {"file": database, "life": life, "boundary": boundary, "queue": asyncio.Lock()}
        for field, value in extras.items():
            object.__setattr__(store, field, value)
        return store

    @property
    def is_sqlite(self) -> bool:
        """It is."""
        return True

    @asynccontextmanager
    async def read(self, *, long: bool = False) -> AsyncIterator[AsyncConnection]:
        """Yield a connection that sees what is committed."""
        await self.boundary("read")
        try:
            yield cast("AsyncConnection", LoopConnection(self.file.reader, long=False))
        finally:
            self.file.reader.rollback()

    @asynccontextmanager
    async def write(self, *, long: bool = False) -> AsyncIterator[AsyncConnection]:
        """Yield a transaction: committed whole or not at all."""
        async with self._told(), self.queue:
            await self.boundary("begin")
            await self.file.take(self.life)
            commit = False
            try:
                yield cast("AsyncConnection", LoopConnection(self.file.writer, long=False))
                await self.boundary("commit")
                commit = True
            finally:
                if self.life is None or not self.life.buried:
                    self.file.done(commit=commit)
            await self.boundary("committed")
