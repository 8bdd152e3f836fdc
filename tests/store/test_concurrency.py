"""Many processes on one store: the database alone keeps them apart.

Each contender has a store of its own (its own connections, its own event loop, its own thread or
process), so that nothing but the database stands between them.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import sys
import threading
from asyncio.subprocess import PIPE
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import pytest
from sqlalchemy import func, select, true

from store import placing, runs
from store.choosing import LIVE_ELSEWHERE_DELAY
from store.engine import Store, open_store
from store.placing import Placed
from store.schema import attempts
from tests.store.conftest import Opens
from tests.store.scene import Clock, Scene, api_id, campaign, final, people

ROOT = Path(__file__).parents[2]
PATIENCE = 60.0

T = TypeVar("T")


def contend(url: str, clock: Clock, contenders: list[Callable[[Store], Awaitable[T]]]) -> list[T]:
    """Run each contender in a thread on a store of its own, all from the same moment on."""
    start = threading.Barrier(len(contenders))
    results: dict[int, T] = {}
    failures: list[BaseException] = []

    async def alone(index: int) -> None:
        async with open_store(url, clock) as store:
            await asyncio.to_thread(start.wait, PATIENCE)
            results[index] = await contenders[index](store)

    def thread(index: int) -> None:
        try:
            asyncio.run(alone(index))
        except BaseException as error:  # noqa: BLE001 - shown by the test that waits for it
            start.abort()
            failures.append(error)

    threads = [threading.Thread(target=thread, args=(index,)) for index in range(len(contenders))]
    for each in threads:
        each.start()
    for each in threads:
        each.join(PATIENCE)
    assert not failures, failures
    return [results[index] for index in range(len(contenders))]


async def contend_outside(
    url: str, clock: Clock, contenders: list[Callable[[Store], Awaitable[T]]]
) -> list[T]:
    """Do so while this event loop goes on."""
    return await asyncio.to_thread(contend, url, clock, contenders)


async def held(store: Store) -> tuple[int, int]:
    """Return how many attempts are live, and on how many numbers."""
    query = select(func.count(), func.count(attempts.c.e164.distinct())).where(
        attempts.c.live == true()
    )
    async with store.read() as connection:
        live, numbers = (await connection.execute(query)).one()
    return live, numbers


async def test_concurrent_reservers_never_share_a_number_nor_a_channel(
    scene: Opens, store: Store, store_url: str, clock: Clock
) -> None:
    """Four runs with the same people on an account of 25 channels reserve all at once."""
    for index in range(4):
        await scene(
            run=f"run{index}", name=f"campaign-{index}", rows=people(30), account_channels=25
        )

    def reserver(index: int) -> Callable[[Store], Awaitable[int]]:
        async def reserve(store: Store) -> int:
            run = Scene(store, f"run{index}", campaign(), channels=20)
            return sum([len((await run.reserve(f"{index}/{turn}")).keys) for turn in range(4)])

        return reserve

    taken = await contend_outside(store_url, clock, [reserver(index) for index in range(4)])
    assert sum(taken) > 25  # each turn gives back what the one before had reserved
    live, numbers = await held(store)
    assert live == numbers <= 25
    # Who asked last may have left another's share alone, and whom another was calling is not due
    # for a while; who asks again has its share, but for what does not divide by four.
    for turn, index in itertools.product(range(4), range(4)):
        clock.now += LIVE_ELSEWHERE_DELAY
        await Scene(store, f"run{index}", campaign(), channels=20).reserve(f"{index}/again{turn}")
    live, numbers = await held(store)
    assert live == numbers
    assert 24 <= live <= 25


async def test_concurrent_lanes_of_one_turn_get_the_same_attempts(
    scene: Opens, store_url: str, clock: Clock
) -> None:
    """A turn that runs twice at once, because the first was thought dead, reserves once."""
    await scene(rows=people(30))

    async def reserve(store: Store) -> frozenset[str]:
        return frozenset((await Scene(store, "run1", campaign()).reserve("same")).keys)

    found = await contend_outside(store_url, clock, [reserve] * 4)
    assert len(set(found)) == 1
    assert len(found[0]) == 30


async def test_concurrent_claimers_win_each_attempt_once(
    scene: Opens, store_url: str, clock: Clock
) -> None:
    """Four workers claim the same attempts, in chunks and in different orders."""
    run = await scene(rows=people(40))
    keys = list((await run.reserve("same")).keys)

    def claimer(index: int) -> Callable[[Store], Awaitable[list[str]]]:
        async def claim(store: Store) -> list[str]:
            mine = Scene(store, "run1", campaign())
            order = keys[index * 10 :] + keys[: index * 10]
            won = []
            for start in range(0, len(order), 4):
                won += await mine.claim("same", order[start : start + 4], rate=1_000)
            return [one.key for one in won]

        return claim

    won = await contend_outside(store_url, clock, [claimer(index) for index in range(4)])
    counts = Counter(key for keys_won in won for key in keys_won)
    assert counts == Counter(dict.fromkeys(keys, 1))


async def test_a_pause_and_a_claim_at_the_same_moment_have_an_order(
    scene: Opens, store: Store, store_url: str, clock: Clock
) -> None:
    """Whatever was won was won before the pause was written; after it nothing is."""
    run = await scene(rows=people(40))
    keys = list((await run.reserve("same")).keys)
    paused = threading.Event()

    async def claim(store: Store) -> list[bool]:
        mine = Scene(store, "run1", campaign())
        after = []
        for key in keys:
            was_paused = paused.is_set()
            if await mine.claim("same", [key], rate=1_000):
                after.append(was_paused)
        return after

    async def pause(store: Store) -> list[bool]:
        await runs.pause(store, "run1", "now")
        paused.set()
        return []

    won_after, _ = await contend_outside(store_url, clock, [claim, pause])
    assert True not in won_after
    states = Counter(row.state for row in (await run.attempts()).values())
    assert states["posting"] == len(won_after)


async def test_results_and_adoptions_at_the_same_moment_count_once(
    scene: Opens, store_url: str, clock: Clock
) -> None:
    """The POST's own answer and the report's word may be written by two workers together."""
    run = await scene(rows=people(20))
    keys = list((await run.reserve("same")).keys)
    await run.claim("same", keys)

    async def record(store: Store) -> int:
        for key in keys:
            await placing.record(store, [Placed(key=key, api_id=api_id(key))])
        return 0

    await contend_outside(store_url, clock, [record] * 3)
    assert {row.accepted for row in await run.contacts()} == {1}


async def test_the_same_decisions_at_the_same_moment_count_once(
    scene: Opens, store_url: str, clock: Clock
) -> None:
    """Two workers carry the same turn: the totals and the log show each decision once."""
    run = await scene(rows=people(20))
    keys = await run.place()
    await run.finish(keys)
    steps = [final(key) for key in keys]

    async def settle(store: Store) -> int:
        return (await Scene(store, "run1", campaign()).reserve("same", steps=steps)).settled

    assert sum(await contend_outside(store_url, clock, [settle] * 4)) == 20
    assert await run.tallies() == {"attempt:busy": 20, "contact:busy": 20}
    assert len(await run.decisions()) == 20


WORKER = """
import asyncio, json, sys, time
from store import placing
from store.engine import open_store
from tests.store.scene import Clock, Scene, campaign

async def main():
    async with open_store(sys.argv[1], Clock()) as store:
        run = Scene(store, "run1", campaign())
        print("ready", flush=True)
        sys.stdin.readline()
        keys = list((await run.reserve("same")).keys)
        won = []
        for start in range(0, len(keys), 3):
            chunk = keys[start:start + 3]
            won += [claim.key for claim in await run.claim("same", chunk, rate=1_000)]
        print(json.dumps({"reserved": keys, "won": won}), flush=True)

asyncio.run(main())
"""


async def test_two_processes_carry_the_same_turn(scene: Opens, store_url: str) -> None:
    """A partitioned worker and its successor: what one has won the other has not."""
    run = await scene(rows=people(30))
    processes = [
        await asyncio.create_subprocess_exec(
            sys.executable, "-c", WORKER, store_url, cwd=ROOT, stdin=PIPE, stdout=PIPE, stderr=PIPE
        )
        for _ in range(2)
    ]
    for process in processes:
        assert process.stdout is not None
        assert await process.stdout.readline() == b"ready\n"
    ends = await asyncio.gather(*(process.communicate(b"go\n") for process in processes))
    said = []
    for process, (output, errors) in zip(processes, ends, strict=True):
        assert process.returncode == 0, errors
        said.append(json.loads(output))
    won = Counter(key for process in said for key in process["won"])
    assert set(won.values()) == {1}
    posting = {key for key, row in (await run.attempts()).items() if row.state == "posting"}
    assert posting == set(won)
    assert len(posting) == 30


class Died(Exception):  # noqa: N818 - it stands for a kill, not for an error
    """The process ends here."""


async def die_inside(store: Store) -> None:
    """Change every attempt in a transaction, and die before it is committed."""
    async with store.write() as connection:
        await connection.execute(attempts.update().values(state="posting", live=False))
        raise Died


async def test_a_transaction_that_fails_leaves_nothing_behind(scene: Opens) -> None:
    """A worker that dies inside a transaction has done none of it, and holds no lock."""
    run = await scene(rows=people(3))
    keys = list((await run.reserve("one")).keys)
    before = await run.attempts()
    with pytest.raises(Died):
        await die_inside(run.store)
    assert await run.attempts() == before
    assert len(await run.claim("one", keys)) == 3
