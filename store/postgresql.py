"""PostgreSQL: a pool of connections, and rows that are locked instead of a file."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from sqlalchemy.engine import URL
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

from store.trouble import Place, reaching

LOCK_TIMEOUT_MS = 15_000
"""How long a writer waits for another one."""

_CONNECT: dict[str, Any] = {
    "timeout": 10,  # seconds to connect
    "command_timeout": 60,  # seconds: a server that stands still is noticed
    "server_settings": {
        "application_name": "discador",
        "lock_timeout": str(LOCK_TIMEOUT_MS),
        # A process that is frozen inside a transaction must not hold the account's row for ever.
        "idle_in_transaction_session_timeout": str(LOCK_TIMEOUT_MS),
    },
}


class Server:
    """A database and this process's connections to it."""

    def __init__(self, url: URL, place: Place) -> None:
        self.engine = create_async_engine(
            url.set(drivername="postgresql+asyncpg"),
            pool_size=8,
            max_overflow=8,
            hide_parameters=True,  # an error's text must not quote the numbers of a statement
            connect_args=_CONNECT,
        )
        self._place = place

    @asynccontextmanager
    async def read(self, *, long: bool = False) -> AsyncIterator[AsyncConnection]:  # noqa: ARG002
        """Yield a connection; however long a statement takes, the loop goes on meanwhile."""
        with reaching(self._place):
            connection = await self.engine.connect()
        try:
            yield connection
        finally:
            await connection.close()

    @asynccontextmanager
    async def write(self, *, long: bool = False) -> AsyncIterator[AsyncConnection]:
        """Yield a connection in a transaction, committed whole or not at all."""
        async with self.read(long=long) as connection, connection.begin():
            yield connection

    async def dispose(self) -> None:
        """Close the connections."""
        await self.engine.dispose()
