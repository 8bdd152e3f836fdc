"""One HTTP exchange with the Voice API: sent at most once, and every failure placed in our tree.

The only module that imports httpx. httpx runs on aiohttp's connections (its own pool slows down
with their number). Two facts about that stack decide how this module is written:

* The class of a lower layer's exception does not tell whether bytes left (a server that hangs up
  after reading a request arrives as httpx.ConnectTimeout). So each request carries a `_Gate`, and
  only the gate decides: what fails before it opened is `NotSent`, what fails after it is `Unsure`.
* aiohttp calls the trace hook for a chunk in the same step of the event loop in which it hands
  headers and body to the socket, after any wait for a connection. The gate compares the clock
  with the deadline there, opens once, and never opens for a request that was given up.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from enum import Enum, auto
from http import HTTPStatus
from types import SimpleNamespace, TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

import aiohttp
import httpx
from httpx_aiohttp import AiohttpTransport

from zenvia import errors

_Late = type[errors.WriteTimeout] | type[errors.TotalTimeout]

_KEEPALIVE = 4.0  # seconds; the API announces that it closes idle connections after 5
_MAX_ANSWER = 16 * 2**20  # bytes; a full report page is about 0.2 MB


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Limits in seconds for one exchange.

    `pool` and `connect` bound the wait for a connection, `write` and `read` the time from the
    first byte written to the head of the answer, `read` also each silence within the answer, and
    `total` everything together.
    """

    connect: float = 5.0
    write: float = 5.0
    read: float = 10.0
    pool: float = 5.0
    total: float = 15.0


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: HTTP code, headers with lower-case names, and the whole body."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class _State(Enum):
    CLOSED = auto()
    OPEN = auto()
    EXPIRED = auto()
    GIVEN_UP = auto()


class _Withheld(Exception):  # noqa: N818 - a signal to the layers below, never seen above
    """Raised into aiohttp so that it writes nothing."""


class _SinkFailed(Exception):  # noqa: N818 - carries the caller's own error past the map
    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.error = error


class _Gate:
    """Whether one request may be written; it opens at most once."""

    __slots__ = (
        "_answer_within",
        "_clock",
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
    ) -> None:
        self.has_body = has_body
        self.waiting_for: type[errors.NotSent] = errors.ConnectTimeout
        self.state = _State.CLOSED
        self._send_by = send_by
        self._clock = clock
        self._timer = timer
        self._answer_within = answer_within

    def open(self) -> None:
        """Last act before bytes are written; raises `_Withheld` when they must not be."""
        if self.state is not _State.CLOSED:
            raise _Withheld
        answer_by = asyncio.get_running_loop().time() + self._answer_within
        if answer_by < (self._timer.when() or 0.0):
            self._timer.reschedule(answer_by)
        if self._send_by is not None and self._clock() > self._send_by:
            self.state = _State.EXPIRED
            raise _Withheld
        self.state = _State.OPEN

    def give_up(self) -> None:
        if self.state is _State.CLOSED:
            self.state = _State.GIVEN_UP


_gate: ContextVar[_Gate] = ContextVar("gate")


async def _headers_hook(_session: Any, _context: SimpleNamespace, _params: Any) -> None:
    """Guard the headers, before they are buffered: the last stop for a request without a body.

    aiohttp sends GET and DELETE a second time, by itself, when a kept connection turns out to be
    dead; here that second time is stopped, because nothing is sent twice by any layer.
    """
    gate = _gate.get()
    if not gate.has_body:
        gate.open()
    elif gate.state is not _State.CLOSED:
        raise _Withheld


async def _chunk_hook(_session: Any, _context: SimpleNamespace, _params: Any) -> None:
    """Guard each chunk of the body; the first one leaves together with the headers."""
    gate = _gate.get()
    if gate.state is not _State.OPEN:
        gate.open()


async def _queued_hook(_session: Any, _context: SimpleNamespace, _params: Any) -> None:
    _gate.get().waiting_for = errors.PoolTimeout


async def _connecting_hook(_session: Any, _context: SimpleNamespace, _params: Any) -> None:
    _gate.get().waiting_for = errors.ConnectTimeout


def _trace_config() -> aiohttp.TraceConfig:
    config = aiohttp.TraceConfig()
    config.on_request_headers_sent.append(_headers_hook)
    config.on_request_chunk_sent.append(_chunk_hook)
    config.on_connection_queued_start.append(_queued_hook)
    config.on_connection_create_start.append(_connecting_hook)
    return config


NOT_SENT: Mapping[type[Exception], type[errors.NotSent]] = {
    httpx.PoolTimeout: errors.PoolTimeout,
    httpx.ConnectTimeout: errors.ConnectTimeout,
    httpx.TimeoutException: errors.ConnectTimeout,
    httpx.UnsupportedProtocol: errors.RequestNotPossible,
    httpx.LocalProtocolError: errors.RequestNotPossible,
    httpx.InvalidURL: errors.RequestNotPossible,
    httpx.TransportError: errors.ConnectError,
    OSError: errors.ConnectError,
    Exception: errors.RequestNotPossible,
}
"""What a lower layer's exception means while the gate was never open; the first match wins."""

UNSURE: Mapping[type[Exception], type[errors.Unsure]] = {
    httpx.WriteTimeout: errors.WriteTimeout,
    httpx.ReadTimeout: errors.ReadTimeout,
    httpx.DecodingError: errors.Undecodable,
    Exception: errors.ConnectionLost,
}
"""What a lower layer's exception means once the gate has opened; the first match wins."""

_EXPLANATION: Mapping[type[errors.VoiceError], str] = {
    errors.ConnectError: "no connection to {address} could be made; nothing was sent",
    errors.ConnectTimeout: "no connection to {address} within the time allowed; nothing was sent",
    errors.PoolTimeout: "every connection to {address} is busy; nothing was sent",
    errors.DeadlinePassed: "the time to send had passed; nothing was sent",
    errors.RequestNotPossible: "the request to {address} could not be built; nothing was sent",
    errors.WriteTimeout: "writing to {address} took too long; whether it arrived is not known",
    errors.ReadTimeout: "{address} did not answer in time; whether it acted is not known",
    errors.TotalTimeout: "{address} took longer than allowed; whether it acted is not known",
    errors.Undecodable: "the answer of {address} cannot be read",
    errors.ConnectionLost: "{address} broke the connection; whether it acted is not known",
}


def place(exc: Exception, *, opened: bool) -> type[errors.VoiceError]:
    """Place any exception of the layers below: `NotSent` while the gate was shut, else `Unsure`.

    httpx-aiohttp calls every broken connection a ConnectTimeout; its cause tells the difference.
    """
    cause = exc.__cause__
    if isinstance(exc, httpx.ConnectTimeout) and cause and not isinstance(cause, TimeoutError):
        return errors.ConnectionLost if opened else errors.ConnectError
    table: Mapping[type[Exception], type[errors.VoiceError]] = UNSURE if opened else NOT_SENT
    return next(ours for theirs, ours in table.items() if isinstance(exc, theirs))


class _WithoutQuery(logging.Filter):
    """httpx logs whole addresses, and a report's query holds phone numbers: cut it off."""

    def filter(self, record: logging.LogRecord) -> bool:
        if isinstance(record.args, tuple):
            record.args = tuple(
                str(arg.copy_with(query=None)) if isinstance(arg, httpx.URL) else arg
                for arg in record.args
            )
        return True


logging.getLogger("httpx").addFilter(_WithoutQuery())


class HttpTransport:
    """Connections to one address; open it with `async with`, in the event loop that uses it."""

    def __init__(self, base_url: str, token: str, *, timeouts: Timeouts, connections: int) -> None:
        parts = urlsplit(base_url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ValueError("the API's address must look like https://voice-api.zenvia.com")
        if parts.username or parts.password or parts.query or parts.fragment:
            raise ValueError("the API's address must not hold a user, a query or a fragment")
        if not token or not token.isascii() or not token.isprintable() or " " in token:
            raise ValueError("the access token is empty, or has characters that no token has")
        self.address = parts.netloc
        self._base = base_url.rstrip("/")
        self._timeouts = timeouts
        self._connections = connections
        self._headers = {
            "Access-Token": token,
            "Accept": "application/json",
            "Accept-Encoding": "gzip, deflate",
            "User-Agent": "discador",
        }
        self._http: httpx.AsyncClient | None = None

    def __repr__(self) -> str:
        return f"HttpTransport({self._base!r}, token=***)"

    async def __aenter__(self) -> Self:
        limits = httpx.Limits(max_connections=self._connections, keepalive_expiry=_KEEPALIVE)
        transport = AiohttpTransport(limits=limits)
        transport.client = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=self._connections,
                keepalive_timeout=_KEEPALIVE,
                ssl=transport.ssl_context,
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            trace_configs=[_trace_config()],
            trust_env=False,
        )
        self._http = httpx.AsyncClient(
            transport=transport,
            headers=self._headers,
            follow_redirects=False,
            trust_env=False,
            timeout=httpx.Timeout(
                connect=self._timeouts.connect,
                write=self._timeouts.write,
                read=self._timeouts.read,
                pool=self._timeouts.connect + self._timeouts.pool,
            ),
        )
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._http is not None:
            await self._http.aclose()

    async def exchange(
        self,
        operation: str,
        verb: str,
        path: str,
        *,
        body: bytes | None = None,
        query: Mapping[str, str] | None = None,
        send_by: float | None = None,
        clock: Callable[[], float] = time.time,
        total: float | None = None,
        sink: Callable[[bytes], object] | None = None,
    ) -> Answer:
        """Send one request once and read the whole answer.

        Raises `NotSent` or `Unsure`; whatever the HTTP code, an answer is returned. A cancellation
        passes through as it is: after it nothing more is written, but what was, was. `total`
        overrides the total limit. With a `sink`, the body of a 200 goes there piece by piece and
        not into the answer; what the sink raises passes through.

        Errors carry no cause: the layers below keep the address with its query, and the headers
        with the token, in theirs.
        """
        if self._http is None:
            raise RuntimeError("the client is not open: use it in `async with`")
        deadline = asyncio.get_running_loop().time() + (total or self._timeouts.total)
        timer = asyncio.timeout_at(deadline)
        gate = _Gate(
            has_body=body is not None,
            send_by=send_by,
            clock=clock,
            timer=timer,
            answer_within=self._timeouts.write + self._timeouts.read,
        )
        reset = _gate.set(gate)
        status = 0
        try:
            async with timer:
                request = self._http.build_request(
                    verb,
                    self._base + path,
                    content=body,
                    params=query,
                    headers=None if body is None else {"Content-Type": "application/json"},
                )
                response = await self._http.send(request, stream=True)
                timer.reschedule(deadline)
                status = response.status_code
                headers = {name.lower(): value for name, value in response.headers.items()}
                content = await _read(response, sink if status == HTTPStatus.OK else None)
                return Answer(status, headers, content)
        except _SinkFailed as failed:
            failure: Exception = failed.error
        except Exception as exc:  # noqa: BLE001 - the map is total on purpose
            late: _Late | None = None
            if timer.expired():
                early = (timer.when() or deadline) < deadline
                late = errors.WriteTimeout if early else errors.TotalTimeout
            failure = self._placed(exc, gate, late=late, operation=operation, status=status)
        finally:
            gate.give_up()
            _gate.reset(reset)
        raise failure

    def _placed(
        self, exc: Exception, gate: _Gate, *, late: _Late | None, operation: str, status: int
    ) -> errors.VoiceError:
        kind: type[errors.VoiceError]
        opened = gate.state is _State.OPEN
        if gate.state is _State.EXPIRED:
            kind = errors.DeadlinePassed
        elif late is not None and opened:
            kind = late
        else:
            kind = errors.ConnectTimeout if late else place(exc, opened=opened)
        if kind is errors.ConnectTimeout:
            kind = gate.waiting_for
        message = _EXPLANATION[kind].format(address=self.address)
        if issubclass(kind, errors.Undecodable):
            return kind(message, operation=operation, status=status)
        return kind(message, operation=operation)


async def _read(response: httpx.Response, sink: Callable[[bytes], object] | None) -> bytes:
    content = bytearray()
    try:
        async for chunk in response.aiter_bytes():
            if sink is None:
                content += chunk
                if len(content) > _MAX_ANSWER:
                    raise httpx.DecodingError("too large")
                continue
            try:
                sink(chunk)
            except Exception as error:  # noqa: BLE001 - it is raised again, past the map
                raise _SinkFailed(error) from None
    finally:
        await response.aclose()
    return bytes(content)
