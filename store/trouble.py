"""What may keep the store from being used, told for people: full, locked, gone, out of reach.

    StoreError              the text says what is wrong and what to do
    ├─ StoreUnavailable     not now; nothing of the transaction holds, and it may be tried again
    └─ StoreConflict        the database gave this transaction up for another one; try again at once

Databases are told apart by their error codes, never by their texts, and no text of theirs that
could quote a row is passed on. Anything else that a driver raises is a bug and stays what it is.
"""

from __future__ import annotations

import asyncio
import random
import sqlite3
import sys
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

P = ParamSpec("P")
T = TypeVar("T")

CONFLICT_RETRIES = 5

GOES_ON = "dialing goes on by itself"


class StoreError(Exception):
    """The store cannot be opened or used; the text says why and what to do, for people."""


class StoreUnavailable(StoreError):  # noqa: N818 - a state, not a mistake
    """The store cannot be used just now; nothing of the transaction holds."""


class StoreConflict(StoreError):  # noqa: N818 - a state, not a mistake
    """The database gave the transaction up for another one; nothing of it holds."""


_RAISED: tuple[type[Exception], ...] = (
    SQLAlchemyError,
    sqlite3.Error,
    ConnectionError,
    TimeoutError,
)
"""What drivers raise, through SQLAlchemy or past it; PostgreSQL's own are added by `raised`."""


def raised(*others: type[Exception]) -> tuple[type[Exception], ...]:
    """Return all that the drivers raise which are in use, and `others`."""
    return (*_RAISED, *_of_postgresql(), *others)


def _of_postgresql() -> tuple[type[Exception], ...]:
    """Return what its driver raises, where it is loaded: SQLite need not wait for it."""
    driver = sys.modules.get("asyncpg")
    return () if driver is None else (driver.PostgresError, driver.InterfaceError)


@dataclass(frozen=True)
class Place:
    """Where a store is, as it may be shown, and for a file which one it was when it was opened."""

    name: str
    file: Path | None = None
    inode: tuple[int, int] | None = None

    @classmethod
    def of(cls, url: URL) -> Place:
        """Describe an address without its password; a file must exist by now."""
        if url.get_backend_name() == "sqlite":
            path = Path(str(url.database))
            status = path.stat()
            return cls(f"{path}", path, (status.st_dev, status.st_ino))
        return cls(shown(url))

    def check(self) -> None:
        """Raise where the file is not the one that was opened.

        SQLite goes on writing to a file that was deleted, and makes an empty one for a new
        connection: what was written would be lost without a word.
        """
        if self.file is None:
            return
        try:
            status = self.file.stat()
        except OSError:
            raise StoreUnavailable(
                f"the store is gone: {self.name} is not there any more; put it back and {GOES_ON}"
            ) from None
        if (status.st_dev, status.st_ino) != self.inode:
            raise StoreUnavailable(
                f"the store {self.name} was replaced while it was in use, and calls may have been "
                "made that the new file does not know; put the old one back, or start the worker "
                "anew to go on with the new one"
            )


def shown(url: URL) -> str:
    """Name a PostgreSQL database for people: no user, no password."""
    host = url.host or url.query.get("host") or "localhost"
    port = f":{url.port}" if url.port else ""
    return f"{url.database} on {host}{port}"


_SQLITE: dict[int, str] = {
    sqlite3.SQLITE_BUSY: "the store {place} is locked by another process, for longer than we wait; "
    f"when it lets go {GOES_ON}",
    sqlite3.SQLITE_LOCKED: f"the store {{place}} is locked; when it is free {GOES_ON}",
    sqlite3.SQLITE_FULL: "the store {place} is full: there is no room left for it; "
    f"make room and {GOES_ON}",
    sqlite3.SQLITE_IOERR: "the store {place} cannot be read or written: its disk reports an error",
    sqlite3.SQLITE_CANTOPEN: "the store {place} cannot be opened: is its directory there, and may "
    "this user write to it?",
    sqlite3.SQLITE_READONLY: f"the store {{place}} may not be written; allow it and {GOES_ON}",
    sqlite3.SQLITE_CORRUPT: "the store {place} is damaged; restore it from a backup",
    sqlite3.SQLITE_NOTADB: "the store {place} is not a SQLite file",
}

_CONFLICTS = ("40001", "40P01")

_POSTGRESQL: dict[str, str] = {
    "53100": "is full: its disk has no room left; make room and",
    "53300": "takes no more connections; when it does",
    "53": "has run out of memory or room; when it has some",
    "55P03": "is locked by another process, for longer than we wait; when it lets go",
    "57P01": "was stopped; when it is back",
    "57P02": "has crashed; when it is back",
    "57P03": "is starting or stopping; when it is up",
    "57014": "took too long to answer; when it does",
    "25006": "may only be read; when it may be written",
    "25P03": "gave up a transaction of a process that stood still; with the next one",
    "28": "refuses this user or password; when it does not",
    "3D000": "does not exist; when the database is there",
    "08": "was cut off; when the connection is back",
    "58": "cannot read or write its own files; when it can",
}
"""What is said of codes, by the longest beginning that is known."""

_LOST = f"the store {{place}} does not answer; when it does {GOES_ON}"


def explained(error: BaseException, place: Place) -> StoreError | None:
    """Return what a driver's error means for people, or None for one that is a bug."""
    cause = getattr(error, "orig", None) or error
    code = getattr(cause, "sqlstate", None)
    if code in _CONFLICTS:
        return StoreConflict(f"the store {place.name} gave a transaction up for another one")
    known = None
    lost = isinstance(error, DBAPIError) and error.connection_invalidated
    if isinstance(code, str):
        said = next((_POSTGRESQL[code[:n]] for n in (5, 2) if code[:n] in _POSTGRESQL), None)
        known = f"the store {{place}} {said} {GOES_ON}" if said else None
    elif isinstance(number := getattr(cause, "sqlite_errorcode", None), int):
        known = _SQLITE.get(number & 0xFF)
    elif isinstance(error, PoolTimeoutError):
        known = f"every connection to the store {{place}} is busy; {GOES_ON}"
    elif lost or isinstance(error, (ConnectionError, TimeoutError, *_of_postgresql())):
        known = _LOST
    return StoreUnavailable(known.format(place=place.name)) if known else None


def unreachable(error: BaseException, place: Place) -> StoreError:
    """Return what it means for people that no connection could be had."""
    known = explained(error, place)
    if known is not None:
        return known
    if isinstance(error, OSError):
        return StoreUnavailable(_LOST.format(place=place.name))
    lines = str(getattr(error, "orig", None) or error).splitlines()
    return StoreError(f"the store {place.name} cannot be opened: {lines[0] if lines else error!r}")


@contextmanager
def reaching(place: Place) -> Iterator[None]:
    """Say for people that no connection can be had, whatever the driver raises."""
    try:
        yield
    except raised(OSError) as error:
        raise unreachable(error, place) from error


def repeatable(
    function: Callable[P, Coroutine[Any, Any, T]],
) -> Callable[P, Coroutine[Any, Any, T]]:
    """Run a function again whose one transaction the database gave up; each try begins anew.

    Locks are taken in one order (account, run, attempts, contacts), so this is rare.
    """

    @wraps(function)
    async def again(*args: P.args, **kwargs: P.kwargs) -> T:
        for tries in range(CONFLICT_RETRIES):
            try:
                return await function(*args, **kwargs)
            except StoreConflict:
                await asyncio.sleep(random.uniform(0, 0.02 * 2**tries))  # noqa: S311 - not a secret
        return await function(*args, **kwargs)

    return again
