"""One connection to the Voice API: one request at a time, written once, answered or given up.

`Connection.exchange` is the only place that writes a request. It opens the gate and hands head and
body to the socket in one call, in one step of the event loop, and it never writes a second time.
No buffer is allowed in between, so that no event loop writes later what it could write now.
Whatever fails before is certain not to have been sent; whatever fails after leaves it open.
An exchange that is given up after that takes the connection with it: what the socket has not taken
yet is dropped.

A connection is kept for another request only when the answer ended where it said it would, nothing
came after it, and neither side said that it would close.
"""

from __future__ import annotations

import asyncio
import select
from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

from zenvia import errors
from zenvia.answers import Answer, Failed, Reader, Sink
from zenvia.gate import Gate

_GRACE = 0.001  # seconds; a timer may come so much early
_HUNG_UP = getattr(select, "POLLRDHUP", 0) | select.POLLHUP | select.POLLERR


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Limits in seconds for one exchange.

    `pool` bounds the wait while all connections are busy, `connect` the making of one, `write` and
    `read` the time from the first byte written to the head of the answer (`read` alone once all is
    written), `read` also each silence within the answer, and `total` everything together.
    """

    connect: float = 5.0
    write: float = 5.0
    read: float = 10.0
    pool: float = 5.0
    total: float = 15.0


class Connection(asyncio.Protocol):
    """A connection; `free` is told when it may take another request, `gone` when it is no more."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        timeouts: Timeouts,
        *,
        free: Callable[[Connection], object],
        gone: Callable[[Connection], object],
    ) -> None:
        self.idle_since = 0.0
        self._loop = loop
        self._timeouts = timeouts
        self._free = free
        self._gone = gone
        self._reader = Reader()
        self._open = False
        self._socket: asyncio.Transport | None = None  # below TLS, where there is any
        self._transport: asyncio.Transport | None = None
        self._poll = select.poll()
        self._waiter: asyncio.Future[Answer | Exception] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._deadline = self._written_at = self._heard_at = 0.0
        self._writing = False
        self._looked = False

    @property
    def socket(self) -> asyncio.Transport:
        """The transport below TLS, or the only one."""
        assert self._socket is not None
        return self._socket

    def secured(self, transport: asyncio.Transport) -> None:
        """Write through TLS from now on."""
        self._transport = transport

    def usable(self) -> bool:
        """Whether a request may be written: nothing says that the other side has hung up.

        The operating system is asked, too: after a standstill of this process it may know of an end
        that the event loop has not read yet.
        """
        return self._open and not self.socket.is_closing() and not self._poll.poll(0)

    def abort(self) -> None:
        """Close at once; what was not written yet never will be."""
        self._open = False
        self._stop_watching()
        if self._socket is not None:
            self._socket.abort()

    async def exchange(self, data: bytes, gate: Gate, deadline: float, sink: Sink | None) -> Answer:
        """Write a request, once, if its gate opens, and read the answer.

        Raises `Withheld`, with nothing written and the connection free; `Failed` and `SinkFailed`.
        A cancellation closes the connection.
        """
        assert self._transport is not None
        self._reader.begin(sink)
        waiter = self._loop.create_future()
        self._written_at = self._heard_at = self._loop.time()
        self._deadline = deadline
        self._looked = False
        try:
            gate.open()
        except BaseException:
            self._free(self)
            raise
        self._waiter = waiter
        try:
            self._transport.write(data)
            self._writing = self.socket.get_write_buffer_size() > 0
            limit = self._timeouts.write if self._writing else self._timeouts.read
            self._watch(min(self._written_at + limit, deadline))
            result = await waiter
        finally:
            if self._waiter is waiter:  # cancelled
                self._end(None)
        if isinstance(result, Answer):
            return result
        raise result

    def _end(self, result: Answer | Exception | None) -> None:
        """End the exchange, and with it the connection unless it can be kept."""
        waiter, self._waiter = self._waiter, None
        socket = self.socket
        if (
            isinstance(result, Answer)
            and self._reader.may_go_on
            and self._open
            and not socket.is_closing()
            and not socket.get_write_buffer_size()
        ):
            self._reader.begin(None)
            self._free(self)
        else:
            self.abort()
        if waiter is not None and result is not None and not waiter.done():
            waiter.set_result(result)

    def _watch(self, due: float) -> None:
        """Look at that time whether the answer is late.

        The timer of an exchange that is over serves the next one: it looks too soon, and again.
        """
        if self._timer is None or self._timer.when() > due:
            self._stop_watching()
            self._timer = self._loop.call_at(due, self._late)

    def _stop_watching(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _late(self) -> None:
        """Fail what is late; but read once more first: after a standstill, the answer is there."""
        self._timer = None
        if self._waiter is None:
            return
        if self._writing and not self.socket.get_write_buffer_size():
            self._writing = False
            self._heard_at = max(self._heard_at, self._written_at + self._timeouts.write)
        kind: type[errors.Unsure] = errors.ReadTimeout
        due = self._heard_at + self._timeouts.read
        if self._writing:
            kind, due = errors.WriteTimeout, self._written_at + self._timeouts.write
        if self._deadline <= due:
            kind, due = errors.TotalTimeout, self._deadline
        if self._loop.time() + _GRACE < due:
            self._looked = False
            self._watch(due)
        elif not self._looked:
            self._looked = True
            self._watch(self._loop.time() + 2 * _GRACE)
        else:
            self._end(Failed(kind, self._reader.status))

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the socket, and leave it no buffer of its own to write from later."""
        self._open = True
        self._socket = self._transport = cast("asyncio.Transport", transport)
        self._socket.set_write_buffer_limits(high=0)
        self._poll.register(transport.get_extra_info("socket").fileno(), _HUNG_UP)

    def data_received(self, data: bytes) -> None:
        """Read an answer; what comes while none is waited for closes the connection."""
        if self._waiter is None:
            self.abort()
            return
        self._heard_at = self._loop.time()
        result = self._reader.feed(data)
        if result is not None:
            self._end(result)

    def eof_received(self) -> None:
        """Take an orderly end: that of an answer without a length, or a lost connection."""
        self._open = False
        if self._waiter is not None:
            self._end(self._reader.end())

    def connection_lost(self, exc: Exception | None) -> None:
        """Take the end; with an error, no answer is whole."""
        self._open = False
        self._stop_watching()
        if self._waiter is not None:
            lost = Failed(errors.ConnectionLost, self._reader.status)
            self._end(self._reader.end() if exc is None else lost)
        self._gone(self)
