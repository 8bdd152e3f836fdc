"""One API operation as an ASGI endpoint: token, rate, faults, the work, the envelope."""

import asyncio
import socket
import struct
from collections.abc import Callable, Mapping
from typing import Literal

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from sandbox import envelope
from sandbox.account import Account
from sandbox.envelope import Answer, ApiError
from sandbox.faults import Fault
from sandbox.incoming import Incoming

Handler = Callable[[Account, Incoming], Answer | Response]
Cut = Literal["close", "reset"]  # how a connection ends without an answer
CUTS: Mapping[Fault, Cut] = {
    "lost_answer": "close",
    "reset_before": "reset",
    "reset_after": "reset",
}
CONNECTION = "sandbox.connection"  # scope extension: the transport, for faults that cut it
RESET = struct.pack("ii", 1, 0)


class Operation:
    """An operation of the Voice API.

    `account` owns the state; `open_to_all` operations need no token. The work itself never
    yields, so that each request is atomic.
    """

    def __init__(
        self, account: Account, name: str, handler: Handler, *, open_to_all: bool = False
    ) -> None:
        self._account = account
        self._name = name
        self._handler = handler
        self._open = open_to_all

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or cut its connection when a fault says so."""
        incoming = await read(scope, receive, self._account.now)
        if incoming is None:
            return
        answer = await self._respond(incoming)
        if isinstance(answer, str):
            await cut(answer, scope, receive)
        else:
            await answer(scope, receive, send)

    async def _respond(self, incoming: Incoming) -> Response | Cut:
        account = self._account
        account.requests[self._name] += 1
        try:
            self._admit(incoming)
            return await self._exposed(incoming)
        except ApiError as error:
            account.refused[f"{error.row.status}/{error.row.motivo}"] += 1
            return envelope.refusal(error)

    def _admit(self, incoming: Incoming) -> None:
        if self._open:
            return
        if incoming.token != self._account.settings.token:
            raise ApiError(envelope.BAD_TOKEN)
        if self._account.settings.account_disabled:
            raise ApiError(envelope.ACCOUNT_DISABLED)
        self._account.take_request(self._account.now())

    async def _exposed(self, incoming: Incoming) -> Response | Cut:
        account = self._account
        faults = account.faults
        if not faults.befall(self._name):
            return self._work(incoming)
        before, after = faults.before(account.luck), faults.after(account.luck)
        delay = faults.delay(account.luck)
        if before:
            return self._fail(before)
        if delay:
            account.faulted["slow"] += 1
        if delay and faults.slow.when == "before":
            await asyncio.sleep(delay)
        response = self._work(incoming)
        if delay and faults.slow.when == "after":
            await asyncio.sleep(delay)
        return self._fail(after) if after else response

    def _fail(self, fault: Fault) -> Response | Cut:
        self._account.faulted[fault] += 1
        if fault == "rate_limited":
            raise self._account.too_many(envelope.TOO_MANY)
        if fault in CUTS:
            return CUTS[fault]
        return envelope.refusal(ApiError(envelope.INTERNAL))

    def _work(self, incoming: Incoming) -> Response:
        answer = self._handler(self._account, incoming)
        return envelope.success(answer) if isinstance(answer, Answer) else answer


async def cut(how: Cut, scope: Scope, receive: Receive) -> None:
    """End the connection without an answer."""
    transport = scope.get("extensions", {}).get(CONNECTION)
    if transport is None:
        raise RuntimeError("this fault needs a real connection: run the sandbox as a server")
    if how == "reset":
        linger(transport)
        transport.abort()
    else:
        transport.close()
    while (await receive())["type"] != "http.disconnect":
        pass


def linger(transport: asyncio.Transport) -> None:
    """Make closing this connection a reset instead of an orderly end."""
    sock = transport.get_extra_info("socket")
    if sock is not None and sock.fileno() >= 0:  # the other side may have closed it already
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)


async def read(scope: Scope, receive: Receive, clock: Callable[[], float]) -> Incoming | None:
    """Read the whole request; None when its sender left before its end."""
    chunks = []
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        chunks.append(message.get("body", b""))
        if not message.get("more_body"):
            break
    headers = dict(scope["headers"])
    token = headers.get(b"access-token")
    return Incoming(
        path=scope.get("path_params", {}),
        query_string=scope["query_string"],
        body=b"".join(chunks),
        content_type=headers.get(b"content-type", b"").decode("latin-1").lower(),
        token=None if token is None else token.decode("latin-1"),
        asked_at=clock(),
    )
