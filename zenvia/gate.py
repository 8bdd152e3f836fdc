"""The gate that each request passes as its last act before bytes are written.

aiohttp calls the trace hook for a chunk of a body in the same step of the event loop in which it
hands headers and body to the socket, after any wait for a connection (read in aiohttp 3.14:
`StreamWriter.write`); for a request without a body that hook is the one for headers. There the gate
compares the clock with the deadline. It opens once, and never for a request that was given up.

The gate travels in a context variable, because httpx has no way to pass it on; aiohttp's task that
writes the body inherits it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextvars import ContextVar
from enum import Enum, auto
from types import SimpleNamespace
from typing import Any

import aiohttp

from zenvia import errors


class State(Enum):
    """Where a request stands. Only `OPEN` means that bytes may have left."""

    CLOSED = auto()
    OPEN = auto()
    EXPIRED = auto()
    GIVEN_UP = auto()


class Withheld(Exception):  # noqa: N818 - a signal to the layers below, never seen above
    """Raised into aiohttp so that it writes nothing."""


class Gate:
    """Whether one request may be written; it opens at most once."""

    __slots__ = (
        "_answer_within",
        "_clock",
        "_permit",
        "_send_by",
        "_timer",
        "has_body",
        "state",
        "waiting_for",
    )

    def __init__(
        self,
        *,
        has_body: bool,
        send_by: float | None,
        clock: Callable[[], float],
        timer: asyncio.Timeout,
        answer_within: float,
        permit: Callable[[], bool] | None = None,
    ) -> None:
        self.has_body = has_body
        self.waiting_for: type[errors.NotSent] = errors.ConnectTimeout
        self.state = State.CLOSED
        self._send_by = send_by
        self._clock = clock
        self._timer = timer
        self._answer_within = answer_within
        self._permit = permit

    def open(self) -> None:
        """Last act before bytes are written; raises `Withheld` when they must not be."""
        if self.state is not State.CLOSED:
            raise Withheld
        answer_by = asyncio.get_running_loop().time() + self._answer_within
        if answer_by < (self._timer.when() or 0.0):
            self._timer.reschedule(answer_by)
        if self._send_by is not None and self._clock() > self._send_by:
            self.state = State.EXPIRED
            raise Withheld
        if self._permit is not None and not self._permit():
            self.state = State.EXPIRED
            raise Withheld
        self.state = State.OPEN

    def give_up(self) -> None:
        """Keep the gate shut for good, unless it was open already."""
        if self.state is State.CLOSED:
            self.state = State.GIVEN_UP


current_gate: ContextVar[Gate] = ContextVar("gate")


async def _headers_hook(_session: Any, _context: SimpleNamespace, _params: Any) -> None:
    """Guard the headers, before they are buffered: the last stop for a request without a body.

    aiohttp sends GET and DELETE a second time, by itself, when a kept connection turns out to be
    dead; here that second time is stopped, because nothing is sent twice by any layer.
    """
    gate = current_gate.get()
    if not gate.has_body:
        gate.open()
    elif gate.state is not State.CLOSED:
        raise Withheld


async def _chunk_hook(_session: Any, _context: SimpleNamespace, _params: Any) -> None:
    """Guard each chunk of the body; the first one leaves together with the headers."""
    gate = current_gate.get()
    if gate.state is not State.OPEN:
        gate.open()


async def _queued_hook(_session: Any, _context: SimpleNamespace, _params: Any) -> None:
    current_gate.get().waiting_for = errors.PoolTimeout


async def _connecting_hook(_session: Any, _context: SimpleNamespace, _params: Any) -> None:
    current_gate.get().waiting_for = errors.ConnectTimeout


def trace_config() -> aiohttp.TraceConfig:
    """Make the hooks through which aiohttp asks the current gate."""
    config = aiohttp.TraceConfig()
    config.on_request_headers_sent.append(_headers_hook)
    config.on_request_chunk_sent.append(_chunk_hook)
    config.on_connection_queued_start.append(_queued_hook)
    config.on_connection_create_start.append(_connecting_hook)
    return config
