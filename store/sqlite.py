"""SQLite on an event loop: statements where they stand, waiting elsewhere.

A statement of dialing takes SQLite some microseconds; handing it to a thread and back would take
ten times as long, so it runs on the loop itself. What may wait does not: commits, which wait for
the disk, large batches and transactions that are said to be long run in a thread, and a writer that
finds the file held by another process sleeps between its tries.
"""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Any, TypeVar, cast

from sqlalchemy import Connection, Dialect, create_engine, event
from sqlalchemy.engine import URL

from store.trouble import Place, reaching

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

T = TypeVar("T")

BUSY_TIMEOUT_MS = 15_000
"""How long a writer waits for another process."""
LARGE = 500
"""Rows of a batch from which on it is written in a thread."""

_FIRST_WAIT, _LONGEST_WAIT = 0.001, 0.05
_threads = ThreadPoolExecutor(max_workers=8, thread_name_prefix="sqlite")


async def _in_thread(work: Callable[[], T]) -> T:
    """Do work in a thread. Cancelling waits for its end: nobody else may use its connection."""
    going = asyncio.get_running_loop().run_in_executor(_threads, work)
    cancelled: asyncio.CancelledError | None = None
    while not going.done():
        try:
            await asyncio.wait([going])
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None:
        going.exception()
        raise cancelled
    return going.result()


class LoopConnection:
    """What the store uses of SQLAlchemy's `AsyncConnection`, over a connection of this loop."""

    def __init__(self, connection: Connection, *, long: bool) -> None:
        self._connection = connection
        self._long = long

    @property
    def dialect(self) -> Dialect:
        """What statements are compiled for."""
        return self._connection.dialect

    async def execute(self, statement: Any, parameters: Any = None) -> Any:
        """Run a statement."""
        return await self._run(lambda: self._connection.execute(statement, parameters), parameters)

    async def _run(self, work: Callable[[], Any], parameters: Any) -> Any:
        await asyncio.sleep(0)  # whose moment has come has it between two statements
        large = isinstance(parameters, list) and len(parameters) >= LARGE
        return await _in_thread(work) if large or self._long else work()

    async def scalar(self, statement: Any, parameters: Any = None) -> Any:
        """Run a statement and return its first value."""
        return (await self.execute(statement, parameters)).scalar()

    async def exec_driver_sql(self, statement: str, parameters: Any = None) -> Any:
        """Run a statement of SQLite's own."""
        return await self._run(
            lambda: self._connection.exec_driver_sql(statement, parameters), parameters
        )

    async def stream(self, statement: Any, parameters: Any = None) -> AsyncIterator[Any]:
        """Run a statement whose rows are read as they are asked for."""
        return _one_by_one(await self.execute(statement, parameters))

    async def run_sync(self, work: Callable[..., T], *arguments: Any) -> T:
        """Give the connection to code that knows nothing of loops."""
        return work(self._connection, *arguments)

    @asynccontextmanager
    async def begin_nested(self) -> AsyncIterator[None]:
        """Begin a part of the transaction that can fail alone."""
        with self._connection.begin_nested():
            yield


async def _one_by_one(result: Any) -> AsyncIterator[Any]:
    for row in result:
        yield row


class SqliteFile:
    """A file and this process's connections to it."""

    def __init__(self, url: URL, place: Place) -> None:
        self.engine = create_engine(
            url.set(drivername="sqlite"),
            pool_size=8,
            max_overflow=-1,  # waiting for a connection would stop the loop
            connect_args={"check_same_thread": False},
            hide_parameters=True,  # an error's text must not quote the numbers of a statement
        )
        event.listen(self.engine, "connect", _prepare)
        self._place = place
        self._writing = asyncio.Lock()

    @asynccontextmanager
    async def read(self, *, long: bool = False) -> AsyncIterator[AsyncConnection]:
        """Yield a connection that sees one state of the file."""
        with self._connected() as connection:
            _driver(connection).execute("BEGIN").close()
            yield cast("AsyncConnection", LoopConnection(connection, long=long))

    @asynccontextmanager
    async def write(self, *, long: bool = False) -> AsyncIterator[AsyncConnection]:
        """Yield a connection that alone writes; committed whole or not at all.

        Writers of this process queue here, so that they do not spin on the file.
        """
        async with self._writing:
            with self._connected() as connection:
                driver = _driver(connection)
                await _take_the_lock(driver)
                yield cast("AsyncConnection", LoopConnection(connection, long=long))
                await _in_thread(driver.commit)

    @contextmanager
    def _connected(self) -> Iterator[Connection]:
        with reaching(self._place):
            connection = self.engine.connect()
        with connection:  # what is not committed by its end is undone
            yield connection

    async def dispose(self) -> None:
        """Close the connections."""
        self.engine.dispose()


def _driver(connection: Connection) -> sqlite3.Connection:
    return cast("sqlite3.Connection", connection.connection.dbapi_connection)


def _prepare(connection: sqlite3.Connection, _record: object) -> None:
    connection.isolation_level = None
    for pragma in (
        f"busy_timeout={BUSY_TIMEOUT_MS}",
        "journal_mode=WAL",
        "synchronous=FULL",
        "foreign_keys=ON",
    ):
        connection.execute(f"PRAGMA {pragma}").close()


async def _take_the_lock(connection: sqlite3.Connection) -> None:
    """Begin a transaction that holds the write lock from its first moment."""
    give_up_at = time.monotonic() + BUSY_TIMEOUT_MS / 1000
    wait = _FIRST_WAIT
    connection.execute("PRAGMA busy_timeout=0").close()
    try:
        while True:
            try:
                connection.execute("BEGIN IMMEDIATE").close()
            except sqlite3.OperationalError as error:
                busy = error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY
                if not busy or time.monotonic() >= give_up_at:
                    raise
            else:
                return
            await asyncio.sleep(wait)
            wait = min(wait * 2, _LONGEST_WAIT)
    finally:
        connection.execute(f"PRAGMA busy_timeout={BUSY_TIMEOUT_MS}").close()
