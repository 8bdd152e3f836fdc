"""A socket server that keeps every byte it is sent and answers by script."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Any, Self

Reply = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def http(status: int, body: bytes, *headers: str) -> bytes:
    """Write an HTTP answer with its length."""
    lines = [f"HTTP/1.1 {status} X", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def envelope(dados: Any = None, **changed: Any) -> bytes:
    """Write a success as the API documents it, with `changed` keys."""
    fields = {"status": 200, "sucesso": True, "motivo": 0, "mensagem": "ok", "dados": dados}
    return json.dumps({**fields, **changed}).encode()


class RawServer:
    """Answers each request with the next of `script`; the last entry repeats.

    An entry is the bytes to answer with, None to close without an answer, or a coroutine function.
    `received` has one bytes object per request, `silent` counts connections that closed without
    having sent anything.
    """

    def __init__(self, *script: bytes | Reply | None) -> None:
        self.script = list(script or [http(200, envelope({"id": 7}))])
        self.received: list[bytes] = []
        self.connections = 0
        self.silent = 0
        self.closed = 0
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        """The address to give to a client."""
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.connections += 1
        before = len(self.received)
        try:
            await self._serve(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            self._tasks.discard(task)
            self.silent += len(self.received) == before
            self.closed += 1
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while head := await _until_blank_line(reader):
            length = next(
                (
                    int(line.split(b":")[1])
                    for line in head.lower().split(b"\r\n")
                    if line.startswith(b"content-length:")
                ),
                0,
            )
            self.received.append(head + await reader.readexactly(length))
            reply = self.script.pop(0) if len(self.script) > 1 else self.script[0]
            if reply is None:
                return
            if isinstance(reply, bytes):
                writer.write(reply)
                await writer.drain()
            else:
                await reply(reader, writer)

    async def until(self, condition: Callable[[Self], bool]) -> None:
        """Wait until `condition` holds, five seconds at most."""
        async with asyncio.timeout(5):
            while not condition(self):  # noqa: ASYNC110 - it waits for the other side
                await asyncio.sleep(0.002)


async def _until_blank_line(reader: asyncio.StreamReader) -> bytes:
    try:
        return await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError as cut:
        return cut.partial
