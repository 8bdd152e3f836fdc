"""Send slots: apart from each other whoever draws them, and how late a POST may be."""

from __future__ import annotations

import random
from collections.abc import Sequence
from itertools import chain, pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from store import placing
from store.engine import open_store
from store.pacing import SHIFT, SPACING, Pace
from tests.store.conftest import Opens
from tests.store.scene import START, Clock, Scene, people

RATES = st.floats(0.05, 20) | st.floats(20, 1_000) | st.integers(1, 500).map(float)


def most_in_a_second(moments: Sequence[float]) -> int:
    """Return the most moments that any stretch of one second holds, both ends included."""
    ordered, start, most = sorted(moments), 0, 0
    for end, moment in enumerate(ordered):
        while moment - ordered[start] > 1:
            start += 1
        most = max(most, end - start + 1)
    return most


@settings(max_examples=50)  # of up to three thousand slots
@given(RATES, st.randoms(use_true_random=False))
def test_no_second_sees_more_than_the_rate_and_one(rate: float, luck: random.Random) -> None:
    """However late each POST is within its tolerance, early and late ones never make a burst."""
    pace = Pace(rate=rate, account_rate=None, run_rate=rate, next_slot=0)
    assert pace.tolerance > 0
    slots = [index * pace.interval for index in range(int(3 * rate) + 3)]
    latest = [slot + pace.tolerance for slot in slots]
    turning = luck.randrange(len(slots))
    bunched = latest[:turning] + slots[turning:]
    drawn = [slot + luck.random() * pace.tolerance for slot in slots]
    for moments in (slots, latest, bunched, drawn):
        assert most_in_a_second(moments) <= rate + 1


@given(RATES, st.floats(0.01, 30), st.floats(-5, 5))
def test_a_horizon_holds_the_slots_that_fit_in_it(
    rate: float, horizon: float, ahead: float
) -> None:
    """Reserving takes no more than will have been sent when the horizon is over."""
    pace = Pace(rate=rate, account_rate=None, run_rate=rate, next_slot=START + ahead)
    count = pace.slots_within(horizon, START)
    if count:
        assert max(START, pace.next_slot) + (count - 1) * pace.interval <= START + horizon + 1e-6
        assert count <= horizon * rate + 1
    else:
        assert pace.next_slot > START + horizon - 0.01


async def draws(
    runs: Sequence[Scene], rates: Sequence[float], clock: Clock, luck: random.Random
) -> dict[str, list[float]]:
    """Let runs draw slots in turns at random moments; return the slots of each."""
    slots: dict[str, list[float]] = {run.run: [] for run in runs}
    for _ in range(60):
        index = luck.randrange(len(runs))
        run = runs[index]
        drawn, _ = await placing.draw_again(
            run.store, run_id=run.run, calls_per_second=rates[index], count=luck.randint(1, 5)
        )
        assert all(slot > clock.now for slot in drawn)
        slots[run.run] += drawn
        clock.now += luck.choice((0.0, 0.0, 0.01, 0.3, 2.0))
    return slots


def apart(slots: Sequence[float], rate: float) -> bool:
    """Whether no two slots are closer than the rate allows."""
    return all(after - before >= SPACING / rate - 1e-6 for before, after in pairwise(slots))


@pytest.mark.parametrize("seed", range(4))
async def test_slots_of_interleaved_callers_stay_apart(
    scene: Opens, clock: Clock, seed: int
) -> None:
    """Each run keeps its own rate, and all runs of an account together keep the account's."""
    rates = [3.0, 7.0, 20.0]
    runs = [
        await scene(run=f"run{index}", name=f"campaign-{index}", account_rate=12.0)
        for index in range(3)
    ]
    slots = await draws(runs, rates, clock, random.Random(seed))
    for run, rate in zip(runs, rates, strict=True):
        assert slots[run.run] == sorted(slots[run.run])
        assert apart(slots[run.run], min(rate, 12.0))
    assert apart(sorted(chain.from_iterable(slots.values())), 12.0)


@pytest.mark.parametrize("seed", range(4))
async def test_slots_of_two_processes_stay_apart(
    scene: Opens, store_url: str, clock: Clock, seed: int
) -> None:
    """Whoever draws, the row decides; a newcomer keeps clear of what the first may have shifted."""
    first = await scene(account_rate=10.0)
    async with open_store(store_url, clock) as other:
        second = Scene(other, first.run, first.definition)
        luck = random.Random(seed)
        drawn: list[tuple[float, str]] = []
        for _ in range(60):
            run = luck.choice((first, second))
            slots, _ = await placing.draw_again(
                run.store, run_id=run.run, calls_per_second=10.0, count=luck.randint(1, 4)
            )
            drawn += [(slot, run.store.identity) for slot in slots]
            clock.now += luck.choice((0.0, 0.1, 0.5, 30.0))
    assert drawn == sorted(drawn)
    assert apart([slot for slot, _ in drawn], 10.0)
    first_change = next(
        after[0] - before[0] for before, after in pairwise(drawn) if before[1] != after[1]
    )
    assert first_change >= SPACING / 10 + SHIFT - 1e-6


@pytest.mark.parametrize("account_rate", [None, 100.0])
async def test_a_newcomer_keeps_clear_of_every_run_that_another_has_shifted(
    scene: Opens, store_url: str, clock: Clock, account_rate: float | None
) -> None:
    """Also where it draws for another run first: each run keeps its own rate."""
    one = await scene(run="run1", name="um", account_rate=account_rate)
    two = await scene(run="run2", name="dois", account_rate=account_rate)

    async def draw(run: Scene) -> list[float]:
        slots, _ = await placing.draw_again(
            run.store, run_id=run.run, calls_per_second=10.0, count=4
        )
        return slots

    shifted = await draw(one)
    async with open_store(store_url, clock) as other:
        for run in (two, one):
            drawn = await draw(Scene(other, run.run, run.definition))
    assert drawn[0] >= shifted[-1] + SHIFT + SPACING / 10 - 1e-6


async def test_slots_that_were_missed_are_not_made_up_for(scene: Opens, clock: Clock) -> None:
    """After an idle minute pacing begins anew: no burst, however much was left unused."""
    run = await scene()
    await placing.draw_again(run.store, run_id=run.run, calls_per_second=5.0, count=3)
    clock.now += 60
    slots, _ = await placing.draw_again(run.store, run_id=run.run, calls_per_second=5.0, count=6)
    assert slots[0] >= clock.now
    assert apart(slots, 5.0)


async def test_a_429_pauses_every_run_of_the_account_and_slows_it_for_a_while(
    scene: Opens, clock: Clock
) -> None:
    """No slot for as long as the API asks; then less than before, and by and by the full rate."""
    one = await scene(run="run1", name="um", rows=people(60))
    two = await scene(run="run2", name="dois", rows=people(60, first=60))

    async def pace(run: Scene) -> Pace:
        return (await run.reserve(rate=8.0, channels=1)).pace

    await placing.slow_down(one.store, one.run, 10.0)
    for run in (one, two):
        assert (await pace(run)).next_slot == clock.now + 10
        assert (await pace(run)).rate < 8.0
    clock.now += 10
    first = (await pace(two)).rate
    for _ in range(9):
        clock.now += 1.1
        await placing.slow_down(one.store, one.run, 0.0)
    assert 0 < (await pace(two)).rate < first
    clock.now += 120
    assert (await pace(two)).rate == 8.0


async def test_many_429s_of_one_burst_cut_the_rate_once(scene: Opens, clock: Clock) -> None:
    """Ten answers to ten POSTs that were under way together are one sign, not ten."""
    run = await scene(rows=people(60))
    await placing.slow_down(run.store, run.run, 1.0)
    once = (await run.reserve(rate=8.0, channels=1)).pace.rate
    for _ in range(9):
        clock.now += 0.01
        await placing.slow_down(run.store, run.run, 1.0)
    assert (await run.reserve(rate=8.0, channels=1)).pace.rate == once
