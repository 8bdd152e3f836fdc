"""Contender (a): an asyncio loop with aiohttp, no durability.

One coroutine a channel takes the next number, creates the call and asks about it every `poll`
seconds until it is over. Connections are kept and reused, the loop is uvloop, POSTs are paced.

It promises nothing beyond the life of the process: a kill loses who was called and what is under
way, a lost answer is a call that nobody knows of, and nothing limits how often a number is called.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import uvloop

from benchmarks.contender import Running
from benchmarks.load import RAMAL, Load, e164s, write_list
from benchmarks.stage import TOKEN, Stage, until_said

TOO_MANY = 429
REFUSED = 400


class Dialer:
    """The whole dialer."""

    def __init__(
        self, session: aiohttp.ClientSession, numbers: Iterator[str], rate: float, poll: float
    ) -> None:
        self._session = session
        self._numbers = numbers
        self._gap = 1 / rate
        self._poll = poll
        self._next_slot = 0.0

    async def channel(self) -> None:
        """Make one call after another until the list is at its end."""
        for number in self._numbers:
            call = await self._create(number)
            while call is not None:
                await asyncio.sleep(self._poll)
                if await self._is_over(call):
                    break

    async def _create(self, number: str) -> int | None:
        """Create a call; None where it was refused, or nobody knows whether it was made."""
        body = {"numero_origem": number, "numero_destino": RAMAL, "tags": "benchmark"}
        while True:
            await self._slot()
            try:
                async with self._session.post("/chamada", json=body) as answer:
                    if answer.status == TOO_MANY:
                        await asyncio.sleep(1)
                        continue
                    if answer.status >= REFUSED:
                        return None
                    return int((await answer.json())["dados"]["id"])
            except (aiohttp.ClientError, TimeoutError):
                return None

    async def _is_over(self, call: int) -> bool:
        try:
            async with self._session.get(f"/chamada/{call}") as answer:
                if answer.status >= REFUSED:
                    return False
                return bool((await answer.json())["dados"]["status_geral"] == "finalizada")
        except (aiohttp.ClientError, TimeoutError):
            return False

    async def _slot(self) -> None:
        now = asyncio.get_running_loop().time()
        self._next_slot = max(self._next_slot + self._gap, now)
        if self._next_slot > now:
            await asyncio.sleep(self._next_slot - now)


async def dial(url: str, contacts: Path, channels: int, rate: float, poll: float) -> None:
    """Call everybody of a list."""
    connector = aiohttp.TCPConnector(limit=200, keepalive_timeout=60)
    headers = {"Access-Token": TOKEN}
    timeout = aiohttp.ClientTimeout(total=30)
    async with aiohttp.ClientSession(
        url, connector=connector, headers=headers, timeout=timeout
    ) as session:
        dialer = Dialer(session, e164s(contacts), rate, poll)
        print("dialing", flush=True)
        await asyncio.gather(*(dialer.channel() for _ in range(channels)))


class PlainLoop:
    """The asyncio loop."""

    name = "loop"
    title = "(a) asyncio loop"

    def missing(self) -> str | None:
        """Nothing: aiohttp is there already."""
        return None

    @asynccontextmanager
    async def running(self, stage: Stage, load: Load) -> AsyncIterator[Running]:
        """Start the process and let it dial."""
        contacts = stage.home / "list.csv"
        await asyncio.to_thread(write_list, contacts, load.contacts)
        command = [sys.executable, "-m", "benchmarks.plain_loop", stage.url, str(contacts)]
        command += [str(load.channels), str(load.calls_per_second), str(load.poll)]
        child = stage.start("loop", command, {})
        try:
            await until_said(child, "dialing")
            yield Running(processes={"worker": child})
        finally:
            child.kill()


if __name__ == "__main__":
    where, listed, width, pace, interval = sys.argv[1:]
    uvloop.run(dial(where, Path(listed), int(width), float(pace), float(interval)))
