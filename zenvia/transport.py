"""One HTTP exchange with the Voice API: sent at most once, and every failure placed in our tree.

The only module that imports httpx. Its requests go straight to its transport, which runs on
aiohttp's connections: httpx's own pool slows down with their number, and its client (redirects,
authentication, cookies, a log line with the address) costs more CPU than the exchange itself. The
class of a lower layer's exception does not tell whether bytes left: a
server that hangs up after reading a request arrives as httpx.ConnectTimeout. So only the gate of
`zenvia.gate` decides: what fails before it opened is `NotSent`, what fails after it is `Unsure`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from http import HTTPStatus
from types import TracebackType
from typing import Self, TypeVar
from urllib.parse import urlsplit

import aiohttp
import httpx
from httpx_aiohttp import AiohttpTransport

from zenvia import errors
from zenvia.gate import Gate, State, current_gate, trace_config

Sink = Callable[[Mapping[str, str]], Callable[[bytes], object] | None]
"""Shown the headers of a success, gives what takes its body, or None to have it in the answer."""

_Given = TypeVar("_Given")
_Result = TypeVar("_Result")
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


class _SinkFailed(Exception):  # noqa: N818 - carries the caller's own error past the map
    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.error = error


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
        self._headers = httpx.Headers(
            {
                "Host": parts.netloc,
                "Access-Token": token,
                "Accept": "application/json",
                "Accept-Encoding": "gzip, deflate",
                "User-Agent": "discador",
            }
        )
        self._headers_of_json = httpx.Headers({**self._headers, "Content-Type": "application/json"})
        self._extensions = {
            "timeout": {
                "connect": timeouts.connect,
                "write": timeouts.write,
                "read": timeouts.read,
                "pool": timeouts.connect + timeouts.pool,
            }
        }
        self._address_of = lru_cache(maxsize=64)(lambda path: httpx.URL(self._base + path))
        self._http: AiohttpTransport | None = None

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
            trace_configs=[trace_config()],
            trust_env=False,
        )
        self._http = transport
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
        permit: Callable[[], bool] | None = None,
        total: float | None = None,
        sink: Sink | None = None,
    ) -> Answer:
        """Send one request once and read the whole answer.

        Raises `NotSent` or `Unsure`; whatever the HTTP code, an answer is returned. A cancellation
        passes through as it is: after it nothing more is written, but what was, was. `permit` is
        asked right before the bytes leave, after `send_by` was compared; False sends nothing and is
        `DeadlinePassed` too. `total` overrides the total limit. A `sink` is shown the headers of a
        200 and may give a function that takes the body piece by piece; the answer then has none.
        What it raises passes through.

        Errors carry no cause: the layers below keep the address with its query, and the headers
        with the token, in theirs.
        """
        if self._http is None:
            raise RuntimeError("the client is not open: use it in `async with`")
        deadline = asyncio.get_running_loop().time() + (total or self._timeouts.total)
        timer = asyncio.timeout_at(deadline)
        gate = Gate(
            has_body=body is not None,
            send_by=send_by,
            clock=clock,
            timer=timer,
            answer_within=self._timeouts.write + self._timeouts.read,
            permit=permit,
        )
        reset = current_gate.set(gate)
        status = 0
        try:
            async with timer:
                address = self._address_of(path)
                request = httpx.Request(
                    verb,
                    address if query is None else address.copy_merge_params(query),
                    headers=self._headers if body is None else self._headers_of_json,
                    content=body,
                    extensions=self._extensions,
                )
                response = await self._http.handle_async_request(request)
                timer.reschedule(deadline)
                status = response.status_code
                headers = {name.lower(): value for name, value in response.headers.items()}
                try:
                    wanted = sink if status == HTTPStatus.OK else None
                    take = None if wanted is None else _outside(wanted, headers)
                    content = await _read(response, take)
                finally:
                    await response.aclose()
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
            current_gate.reset(reset)
        raise failure

    def _placed(
        self, exc: Exception, gate: Gate, *, late: _Late | None, operation: str, status: int
    ) -> errors.VoiceError:
        kind: type[errors.VoiceError]
        opened = gate.state is State.OPEN
        if gate.state is State.EXPIRED:
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


async def _read(response: httpx.Response, take: Callable[[bytes], object] | None) -> bytes:
    content = bytearray()
    async for chunk in response.aiter_bytes():
        if take is not None:
            _outside(take, chunk)
            continue
        content += chunk
        if len(content) > _MAX_ANSWER:
            raise httpx.DecodingError("too large")
    return bytes(content)


def _outside(function: Callable[[_Given], _Result], given: _Given) -> _Result:
    """Call the caller's function so that what it raises is not taken for ours."""
    try:
        return function(given)
    except Exception as error:  # noqa: BLE001 - it is raised again, past the map
        raise _SinkFailed(error) from None
