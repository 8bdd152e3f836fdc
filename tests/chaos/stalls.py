"""When the witness itself did not run.

On a machine that is busy the sandbox's process waits for its turn, and calls that came one by one
are accepted together. What it cannot have seen it must not hold against the engine: a call that was
accepted right after a stall may have come at any instant of it.
"""

from __future__ import annotations

import asyncio
import time
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from sandbox.account import Account

TICK = 0.01
SMALLEST = 0.02
"""Seconds: the shortest stall that counts."""
AFTERMATH = 0.03
"""Seconds after a stall in which what had queued up is answered."""

Stall = tuple[float, float]


@dataclass
class Watch:
    """Notes the stretches in which the sandbox's loop stood still; `start` runs inside it."""

    stalls: list[Stall] = field(default_factory=list)
    _last: float = 0.0

    def start(self, _: Account) -> None:
        """Begin to tick, on the clock that the ledger uses."""
        self._last = time.time()
        asyncio.get_running_loop().call_later(TICK, self._tick)

    def _tick(self) -> None:
        now = time.time()
        if now - self._last > TICK + SMALLEST:
            begin = self._last
            if self.stalls and self.stalls[-1][1] == begin:  # it came to one turn in between
                begin = self.stalls.pop()[0]
            self.stalls.append((begin, now))
        self._last = now
        asyncio.get_running_loop().call_later(TICK, self._tick)

    @property
    def longest(self) -> float:
        """Return the longest stall, in seconds."""
        return max((end - begin for begin, end in self.stalls), default=0.0)


def surely_within(starts: Iterable[float], stalls: Sequence[Stall], seconds: float = 1.0) -> int:
    """Return the most calls that surely came within some half-open window of so many seconds.

    Each call came between its earliest possible instant and the one at which it was accepted.
    """
    ends = [end for _, end in stalls]
    came = []
    for start in starts:
        at = bisect_left(ends, start - AFTERMATH)
        during = at < len(stalls) and stalls[at][0] <= start
        came.append((stalls[at][0] if during else start, start))
    came.sort()
    most = 0
    for index, (first, _) in enumerate(came):
        within = 0
        for earliest, latest in came[index:]:
            if earliest >= first + seconds:
                break
            within += latest < first + seconds
        most = max(most, within)
    return most
