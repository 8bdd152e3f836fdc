"""A network between a worker and Temporal that can be cut."""

from __future__ import annotations

import asyncio
import contextlib
from types import TracebackType
from typing import Self


class Network:
    """Carries bytes to `port` of this machine, until it is cut; nothing is lost, only held.

    A cut is a silence, as of a switch that died: connections stay open and nobody is told.
    """

    def __init__(self, port: int) -> None:
        self._target = port
        self._open = asyncio.Event()
        self._open.set()
        self._server: asyncio.Server | None = None
        self._carrying: set[asyncio.Task[None]] = set()

    @property
    def address(self) -> str:
        """Where to connect in order to go through it."""
        assert self._server is not None
        return f"127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    def cut(self) -> None:
        """Carry nothing any more."""
        self._open.clear()

    def mend(self) -> None:
        """Carry on, beginning with what waits."""
        self._open.set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._server is not None
        self._server.close()
        for task in self._carrying:
            task.cancel()
        await asyncio.gather(*self._carrying, return_exceptions=True)

    def _accept(self, near: asyncio.StreamReader, out: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._connect(near, out))
        self._carrying.add(task)
        task.add_done_callback(self._carrying.discard)

    async def _connect(self, near: asyncio.StreamReader, out: asyncio.StreamWriter) -> None:
        ends = [out]
        try:
            await self._open.wait()
            far, into = await asyncio.open_connection("127.0.0.1", self._target)
            ends.append(into)
            await asyncio.gather(self._carry(near, into), self._carry(far, out))
        except OSError:
            return  # nobody listens: the near end is closed like the far one
        finally:
            for end in ends:
                end.close()
            await asyncio.gather(*(end.wait_closed() for end in ends), return_exceptions=True)

    async def _carry(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        """Carry bytes one way until an end goes away; then the other end learns of it."""
        with contextlib.suppress(OSError):
            while data := await source.read(65_536):
                await self._open.wait()
                sink.write(data)
                await sink.drain()
        await self._open.wait()
        sink.close()
