"""One exchange with the Voice API: sent at most once, and every failure placed in our tree.

Below is HTTP/1.1 of our own: `zenvia.pool` makes and keeps connections, `zenvia.wire` writes on
them, `zenvia.answers` reads. What fails before the gate of `zenvia.gate` opened is `NotSent`, what
fails after it is `Unsure`, whatever the layers below call it.

The only module that imports httpx, for what it knows best: how an address and its query are
written, and which certificates are trusted.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable, Mapping
from functools import lru_cache
from types import TracebackType
from typing import Self
from urllib.parse import urlencode, urlsplit

import httpx

from zenvia import errors
from zenvia.answers import Answer, Failed, Sink, SinkFailed
from zenvia.gate import Gate, State
from zenvia.pool import Pool
from zenvia.wire import Timeouts

__all__ = ["Answer", "HttpTransport", "Sink", "Timeouts", "place"]

_TARGET = re.compile(rb"/[!-~]*")
_VERBS = frozenset({"GET", "POST", "DELETE"})

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

    Its kind is believed only as far as the gate agrees.
    """
    kind = exc.kind if isinstance(exc, Failed) else None
    if opened:
        return kind if kind and issubclass(kind, errors.Unsure) else errors.ConnectionLost
    return kind if kind and issubclass(kind, errors.NotSent) else errors.RequestNotPossible


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
        try:
            base = httpx.URL(base_url.rstrip("/"))
        except httpx.InvalidURL:
            raise ValueError("the API's address is not one; is it written right?") from None
        self.address = parts.netloc
        self._base = base_url.rstrip("/")
        self._secure = parts.scheme == "https"
        self._host = base.raw_host.decode("ascii")
        self._port = base.port or (443 if self._secure else 80)
        self._timeouts = timeouts
        self._connections = connections
        written = parts.netloc.encode("ascii", "ignore")
        named = written if parts.netloc.isascii() and parts.netloc.isprintable() else base.netloc
        self._headers = (
            b"Host: %b\r\nAccess-Token: %b\r\nAccept: application/json\r\n"
            b"Accept-Encoding: gzip, deflate\r\nUser-Agent: discador\r\n"
        ) % (named, token.encode("ascii"))
        self._target_of = lru_cache(maxsize=64)(lambda path: httpx.URL(self._base + path).raw_path)
        self._head_of = lru_cache(maxsize=64)(self._head)
        self._pool: Pool | None = None

    def __repr__(self) -> str:
        return f"HttpTransport({self._base!r}, token=***)"

    async def __aenter__(self) -> Self:
        tls = None
        if self._secure:
            tls = httpx.create_ssl_context()
            tls.set_alpn_protocols(["http/1.1"])
        self._pool = Pool(
            self._host,
            self._port,
            tls=tls,
            timeouts=self._timeouts,
            limit=self._connections,
        )
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._pool is not None:
            await self._pool.close()

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

        Errors carry no cause, and nothing of a lower layer's message.
        """
        if self._pool is None:
            raise RuntimeError("the client is not open: use it in `async with`")
        deadline = asyncio.get_running_loop().time() + (total or self._timeouts.total)
        gate = Gate(send_by=send_by, clock=clock, permit=permit)
        try:
            data = self._request(verb, path, query, body)
            connection = self._pool.take() or await self._pool.wait(deadline)
            return await connection.exchange(data, gate, deadline, sink)
        except SinkFailed as failed:
            failure: Exception = failed.error
        except Exception as exc:  # noqa: BLE001 - the map is total on purpose
            failure = self._placed(exc, gate, operation)
        finally:
            gate.give_up()
        raise failure

    def _request(
        self, verb: str, path: str, query: Mapping[str, str] | None, body: bytes | None
    ) -> bytes:
        """Write a request whole; raises `ValueError` and the like for what cannot be written."""
        if not query:
            head = self._head_of(verb, path, body is not None)
        else:
            target = self._target_of(path)
            more = b"&" if b"?" in target else b"?"
            target += more + urlencode(query).encode("ascii")
            head = self._written(verb, target, with_body=body is not None)
        return head + b"\r\n" if body is None else b"%b%d\r\n\r\n%b" % (head, len(body), body)

    def _head(self, verb: str, path: str, with_body: bool) -> bytes:  # noqa: FBT001 - a cached call
        return self._written(verb, self._target_of(path), with_body=with_body)

    def _written(self, verb: str, target: bytes, *, with_body: bool) -> bytes:
        """Write the lines of a head; with a body, up to its length."""
        if verb not in _VERBS or not _TARGET.fullmatch(target):
            raise ValueError("not a request that this client can write")
        ending = b"Content-Type: application/json\r\nContent-Length: " if with_body else b""
        return b"%b %b HTTP/1.1\r\n%b%b" % (verb.encode(), target, self._headers, ending)

    def _placed(self, exc: Exception, gate: Gate, operation: str) -> errors.VoiceError:
        kind = place(exc, opened=gate.state is State.OPEN)
        if gate.state is State.EXPIRED:
            kind = errors.DeadlinePassed
        message = _EXPLANATION[kind].format(address=self.address)
        if issubclass(kind, errors.Undecodable):
            status = exc.status if isinstance(exc, Failed) else 0
            return kind(message, operation=operation, status=status)
        return kind(message, operation=operation)
