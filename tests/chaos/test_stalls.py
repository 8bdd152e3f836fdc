"""What the witness cannot have seen is not held against the engine, and what it has seen is."""

from __future__ import annotations

import random
import time

from sandbox.server import SandboxServer
from tests.chaos.stalls import Watch, surely_within
from tests.crash.ledger import LedgerCall, most_within


def test_calls_accepted_after_a_stall_may_have_come_at_any_instant_of_it() -> None:
    """Ten a second with a stall of half a second: five calls at its end are no burst."""
    even = [index / 10 for index in range(40)]
    stalled = [2.0 if 1.5 <= start < 2.0 else start for start in even]
    assert surely_within(stalled, []) == 15
    assert surely_within(stalled, [(1.5, 2.0)]) == 10


def test_a_burst_outside_of_a_stall_counts_in_full() -> None:
    """A stall elsewhere excuses nothing."""
    burst = [5.0 + index / 1000 for index in range(9)]
    assert surely_within([1.0, *burst], [(0.5, 1.0), (8.0, 9.0)]) == 9


def test_without_stalls_it_is_the_plain_count() -> None:
    """It then agrees with the ledger's own check."""
    luck = random.Random(4)
    for _ in range(50):
        starts = sorted(luck.uniform(0, 5) for _ in range(60))
        calls = [LedgerCall(index, str(index), "n", start) for index, start in enumerate(starts)]
        assert surely_within(starts, []) == most_within(calls)


def test_a_stall_of_the_sandbox_is_noticed() -> None:
    """Its loop is held up for as long as the test says, and the watch saw that."""
    watch = Watch()
    with SandboxServer() as sandbox:
        sandbox.inside(watch.start)
        sandbox.inside(lambda _: time.sleep(0.2))
        deadline = time.monotonic() + 10
        while watch.longest < 0.2 and time.monotonic() < deadline:
            time.sleep(0.01)
    assert watch.longest >= 0.2
