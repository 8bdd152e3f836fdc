"""The open connections to one address: made when needed, kept while fresh, never too many.

Who asks for one while all are busy waits in order. A connection is made in a task of its own: a
request that is given up in the meantime leaves it to the next one. Nothing here writes a request,
so whatever fails here is certain not to have been sent.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections import OrderedDict
from collections.abc import Callable
from contextvars import Context
from typing import cast

from zenvia import errors
from zenvia.answers import Failed
from zenvia.wire import Connection, Timeouts

_KEEPALIVE = 4.0  # seconds; the API announces that it closes idle connections after 5
_ADDRESSES_FRESH = 10.0  # seconds for which a name need not be looked up again
_CLOSING = 1.0  # seconds; closing is only a matter of rounds of the event loop


class _Place:
    """A place in the line; its future gets a connection, or why there is none."""

    __slots__ = ("_loop", "_timer", "deadline", "future")

    def __init__(self, loop: asyncio.AbstractEventLoop, deadline: float) -> None:
        self.deadline = deadline
        self.future: asyncio.Future[Connection | type[errors.NotSent]] = loop.create_future()
        self._loop = loop
        self._timer: asyncio.TimerHandle | None = None

    def limit(self, when: float, late: Callable[[_Place], object]) -> None:
        """Call `late` at that time, instead of what was to be called before."""
        self.stop()
        self._timer = self._loop.call_at(min(when, self.deadline), late, self)

    def stop(self) -> None:
        """Have nothing called any more."""
        if self._timer is not None:
            self._timer.cancel()

    def settle(self, result: Connection | type[errors.NotSent]) -> None:
        """Tell who waits, if it still does."""
        self.stop()
        if not self.future.done():
            self.future.set_result(result)


class Pool:
    """Connections to `host` and `port`, `limit` at most; made in the event loop that uses it."""

    def __init__(
        self, host: str, port: int, *, tls: ssl.SSLContext | None, timeouts: Timeouts, limit: int
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._host = host
        self._port = port
        self._tls = tls
        self._timeouts = timeouts
        self._limit = limit
        self._closed = False
        self._all: set[Connection] = set()
        self._making: set[asyncio.Task[None]] = set()
        self._idle: OrderedDict[Connection, None] = OrderedDict()  # the last one was used last
        # The line: first those for whom a connection is being made, then those who wait until one
        # may be. There are never more of the former than connections in the making.
        self._connecting: OrderedDict[_Place, None] = OrderedDict()
        self._queued: OrderedDict[_Place, None] = OrderedDict()
        self._sweeper: asyncio.TimerHandle | None = None
        self._lookup = asyncio.Lock()
        self._addresses: list[str] = []
        self._fresh_until = 0.0
        self._none_left = asyncio.Event()

    def take(self) -> Connection | None:
        """Take the idle connection that was used last; None when there is none."""
        while self._idle:
            connection, _ = self._idle.popitem()
            if connection.idle_since + _KEEPALIVE > self._loop.time() and connection.usable():
                return connection
            connection.abort()
        return None

    async def wait(self, deadline: float) -> Connection:
        """Take a connection as soon as there is one. Raises `Failed` with a kind of `NotSent`."""
        while True:
            if self._closed:
                raise Failed(errors.RequestNotPossible)
            if (connection := self.take()) is not None:
                return connection
            place = _Place(self._loop, deadline)
            self._queued[place] = None
            if not self._make_what_is_missing():
                place.limit(self._loop.time() + self._timeouts.pool, self._too_long_queued)
            try:
                given = await place.future
            except asyncio.CancelledError:
                self._leave(place)
                raise
            if not isinstance(given, Connection):
                raise Failed(given)
            if given.usable():
                return given
            given.abort()  # it died while it was handed over, and nothing was written

    def free(self, connection: Connection) -> None:
        """Give a connection to who is first in the line, or keep it for a while."""
        if self._closed:
            connection.abort()
            return
        for line in (self._connecting, self._queued):
            if line:
                place, _ = line.popitem(last=False)
                place.settle(connection)
                self._make_what_is_missing()
                return
        connection.idle_since = self._loop.time()
        self._idle[connection] = None
        if self._sweeper is None:
            self._sweeper = self._loop.call_later(_KEEPALIVE, self._sweep)

    async def close(self) -> None:
        """Close every connection. Who waits for one is told; what was written is unsure."""
        self._closed = True
        if self._sweeper is not None:
            self._sweeper.cancel()
        making = list(self._making)
        for task in making:
            task.cancel()
        for line in (self._connecting, self._queued):
            while line:
                line.popitem()[0].settle(errors.ConnectError)
        if not self._all:
            self._none_left.set()
        for connection in list(self._all):
            connection.abort()
        await asyncio.gather(*making, return_exceptions=True)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_CLOSING):
                await self._none_left.wait()

    def _leave(self, place: _Place) -> None:
        """Give up a place; a connection that had just been handed over goes to the next."""
        place.stop()
        self._remove(place)
        if place.future.done() and not place.future.cancelled():
            given = place.future.result()
            if isinstance(given, Connection):
                self.free(given)

    def _remove(self, place: _Place) -> None:
        self._connecting.pop(place, None)
        self._queued.pop(place, None)
        self._make_what_is_missing()

    def _too_long_queued(self, place: _Place) -> None:
        self._remove(place)
        place.settle(errors.PoolTimeout)

    def _too_long_connecting(self, place: _Place) -> None:
        self._remove(place)
        place.settle(errors.ConnectTimeout)

    def _gone(self, connection: Connection) -> None:
        self._all.discard(connection)
        self._idle.pop(connection, None)
        if self._closed and not self._all:
            self._none_left.set()
        self._make_what_is_missing()

    def _sweep(self) -> None:
        self._sweeper = None
        while self._idle:
            oldest = next(iter(self._idle))
            until = oldest.idle_since + _KEEPALIVE
            if until > self._loop.time():
                self._sweeper = self._loop.call_at(until, self._sweep)
                return
            del self._idle[oldest]
            oldest.abort()

    # Making connections.

    def _make_what_is_missing(self) -> bool:
        """Have a connection made for who waits next, if more may be open; whether all have one."""
        while self._queued and not self._closed:
            if len(self._making) <= len(self._connecting):
                if len(self._all) + len(self._making) >= self._limit:
                    return False
                self._making.add(self._loop.create_task(self._make(), context=Context()))
            place, _ = self._queued.popitem(last=False)
            self._connecting[place] = None
            place.limit(place.deadline, self._too_long_connecting)
        return True

    async def _make(self) -> None:
        """Make one connection for whoever is first; if it cannot be made, that one is told."""
        kind: type[errors.NotSent] = errors.ConnectError
        connection = None
        try:
            async with asyncio.timeout(self._timeouts.connect):
                connection = await self._connected()
        except TimeoutError:
            kind = errors.ConnectTimeout
        except OSError:
            self._fresh_until = 0.0
        except Exception:  # noqa: BLE001 - a name that no lookup takes, or a setting of TLS
            kind = errors.RequestNotPossible
        finally:
            self._making.discard(cast("asyncio.Task[None]", asyncio.current_task()))
        if connection is not None and connection.usable():
            self._all.add(connection)
            self.free(connection)
            return
        if connection is not None:
            connection.abort()
        if len(self._making) < len(self._connecting):
            self._connecting.popitem(last=False)[0].settle(kind)
        self._make_what_is_missing()

    async def _connected(self) -> Connection:
        """Try each address of the host in turn, each for its share of the time."""
        until = self._loop.time() + self._timeouts.connect
        addresses = await self._looked_up()
        for left, address in zip(range(len(addresses), 1, -1), addresses, strict=False):
            with contextlib.suppress(OSError):  # TimeoutError is one of them
                async with asyncio.timeout((until - self._loop.time()) / left):
                    return await self._reached(address)
        return await self._reached(addresses[-1])

    async def _reached(self, address: str) -> Connection:
        _, connection = await self._loop.create_connection(
            lambda: Connection(self._loop, self._timeouts, free=self.free, gone=self._gone),
            address,
            self._port,
        )
        if self._tls is not None:
            try:
                transport = await self._loop.start_tls(
                    connection.socket, connection, self._tls, server_hostname=self._host.rstrip(".")
                )
            except BaseException:
                connection.abort()
                raise
            if transport is None:
                raise ConnectionAbortedError
            connection.secured(transport)
        return connection

    async def _looked_up(self) -> list[str]:
        """Look up the host's addresses, which one caller does for all that ask meanwhile."""
        async with self._lookup:
            if self._loop.time() >= self._fresh_until:
                found = await self._loop.getaddrinfo(
                    self._host, self._port, type=socket.SOCK_STREAM
                )
                self._addresses = list(dict.fromkeys(str(where[0]) for *_, where in found))
                self._fresh_until = self._loop.time() + _ADDRESSES_FRESH
            return self._addresses
