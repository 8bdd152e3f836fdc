"""How many requests a second the API is asked at most, by this process.

What changes calls goes at once: new calls are paced where they are decided about, and a call that
is to end must not wait. It is counted, and what only asks waits for its turn behind it.
"""

from __future__ import annotations

import asyncio

PATIENCE = 2.0
"""Seconds after which the first in the line asks all the same: somebody must hear of ends."""


class RequestRate:
    """Spaces requests evenly; `per_second` None: does nothing."""

    def __init__(self, per_second: float | None) -> None:
        self.per_second = per_second
        self._gap = 0.0 if per_second is None else 1 / per_second
        self._next = 0.0
        self._line = asyncio.Lock()

    def count(self) -> None:
        """Take note of a request that goes at once."""
        if self._gap:
            self._next = max(self._next, asyncio.get_running_loop().time()) + self._gap

    async def turn(self) -> None:
        """Wait until one more request may go, in the order of asking."""
        if not self._gap:
            return
        loop = asyncio.get_running_loop()
        async with self._line:
            longest = loop.time() + max(PATIENCE, self._gap)
            # Others may go at once meanwhile, and move it.
            while (wait := min(self._next, longest) - loop.time()) > 0:  # noqa: ASYNC110
                await asyncio.sleep(wait)
            self._next = max(min(self._next, longest), loop.time()) + self._gap
