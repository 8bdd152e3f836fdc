"""Guards in the store: what is counted, what pauses a run, and what lets it go on."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from sqlalchemy import select

from campaigns.attempts import CallFacts, LegFacts, Outcome, Step
from campaigns.definition import Campaign
from campaigns.guarding import LAW_STOP, Verdict, Watch, next_midnight, watch_of
from campaigns.guards import Failures, ShortCalls
from store import amending, giving_up, guards, placing, runs, tracking
from store.engine import open_store
from store.placing import NotSent, Placed, RefusedPost, Unsure
from store.runs import RunError
from store.schema import attempts, run_events, short_call_days
from store.schema import guards as guard_rows
from tests.store.conftest import Opens
from tests.store.scene import (
    ANSWERED,
    BUSY,
    Clock,
    Scene,
    campaign,
    final,
    open_scene,
    people,
    retry,
    until_somebody_waits,
)

CALL = 10_000
"""What a call may cost at most in these tests: one real."""

BUDGET = Watch(budget=3 * CALL, worst={"movel": CALL, "fixo": CALL // 10})
BREAKER = Watch(failures=Failures(share=0.5, window=10))
BINA = Watch(bina="+554832830151", short_calls=ShortCalls(warn=0.5, pause=0.7, after=10))


async def guard(scene: Scene, name: str) -> Any:
    """Return a guard's row."""
    async with scene.store.read() as connection:
        query = select(guard_rows).where(
            guard_rows.c.run_id == scene.run, guard_rows.c.name == name
        )
        return (await connection.execute(query)).one()


async def state(scene: Scene) -> tuple[str, str]:
    """Return the run's state and reason."""
    run = await runs.get_run(scene.store, scene.run)
    return run.state, run.reason


async def end(scene: Scene, keys: list[str], cost: float | None = 0.35) -> None:
    """Let calls end at a price."""
    facts = CallFacts(contact=BUSY, other=LegFacts())
    await tracking.record_ended(
        scene.store,
        [tracking.EndedCall(key=key, facts=facts, cost_brl=cost) for key in keys],
    )


# Budget -------------------------------------------------------------------------------------------


async def test_live_calls_hold_their_worst_case_and_give_back_what_they_did_not_cost(
    scene: Opens,
) -> None:
    """Three reais are three calls at worst; when those cost 35 centavos each, one more fits."""
    one = await open_scene_of(scene, 6)
    keys = await one.place(watch=BUDGET)
    assert len(keys) == 3
    found = await one.reserve(watch=BUDGET, rate=1.0)
    assert (found.keys, found.limited_by_pacing) == ((), False), "a free slot would not help"
    assert (await state(one))[0] == "running", "calls are live whose end may free something"
    await end(one, keys)
    more = await one.place(steps=[final(key) for key in keys], watch=BUDGET)
    assert len(more) == 1, "1.05 is spent, and 1.95 is room for one"
    assert (await guard(one, "budget")).spent == 10_500


async def test_an_exhausted_budget_pauses_the_run_once_nothing_is_live(scene: Opens) -> None:
    """Nobody is dialed beyond it, and the run says why it waits."""
    one = await open_scene_of(scene, 6)
    keys = await one.place(watch=BUDGET)
    await end(one, keys, cost=0.9)
    found = await one.reserve(steps=[final(key) for key in keys], watch=BUDGET)
    assert (found.state, found.keys, found.paused_until) == ("paused", (), None)
    assert found.reason == (
        "R$ 0.30 of the budget of R$ 3.00 is left, and one more call may cost R$ 1.00"
    )
    assert (await guard(one, "budget")).state == "open"


async def test_a_raised_budget_resumes_the_run_and_a_person_does_not_overdraw_it(
    scene: Opens,
) -> None:
    """`resume` by hand meets the same budget again; more money lets the run go on by itself."""
    one = await open_scene_of(scene, 6)
    keys = await one.place(watch=BUDGET)
    await end(one, keys, cost=0.9)
    await one.reserve(steps=[final(key) for key in keys], watch=BUDGET)
    await runs.resume(one.store, one.run)
    assert (await one.reserve(watch=BUDGET)).state == "paused"
    raised = BUDGET.model_copy(update={"budget": 4 * CALL})
    found = await one.reserve(watch=raised)
    assert (found.state, len(found.keys)) == ("running", 1)


async def test_what_the_api_gives_no_price_for_costs_its_worst_case(scene: Opens) -> None:
    """So does a call of which nobody knows whether it was made."""
    one = await open_scene_of(scene, 6)
    keys = await one.place(watch=BUDGET)
    await end(one, keys[:2], cost=None)
    await giving_up.give_up(one.store, keys[2:], as_state="unknown", from_state="placed", hold=60)
    found = await one.reserve(
        steps=[final(keys[0]), final(keys[1]), final(keys[2], Outcome.UNKNOWN)], watch=BUDGET
    )
    assert found.state == "paused"
    assert (await guard(one, "budget")).spent == 3 * CALL


async def test_a_call_that_surfaces_late_is_charged_once(scene: Opens) -> None:
    """Its attempt had been given up, so nothing was held for it any more."""
    one = await open_scene_of(scene, 6)
    token = one.token()
    found = await one.reserve(token, watch=BUDGET)
    await one.claim(token, found.keys, watch=BUDGET)
    key = found.keys[0]
    await giving_up.give_up(one.store, [key], as_state="not_placed", from_state="posting", hold=0)
    for _ in range(2):
        await placing.record(one.store, [Placed(key=key, api_id=7)])
        await giving_up.keys_given_up(one.store, [(key, 7)])
    assert (await guard(one, "budget")).spent == CALL


async def test_a_call_that_two_find_late_at_the_same_time_is_charged_once(
    scene: Opens, store_url: str, clock: Clock
) -> None:
    """Who comes second has seen an attempt without the call, and waits for who writes it down."""
    one = await open_scene_of(scene, 6)
    token = one.token()
    found = await one.reserve(token, watch=BUDGET)
    await one.claim(token, found.keys, watch=BUDGET)
    key = found.keys[0]
    await giving_up.give_up(one.store, [key], as_state="not_placed", from_state="posting", hold=0)
    async with open_store(store_url, clock) as other:
        async with other.write() as connection:
            await placing.mark_late(connection, [Placed(key=key, api_id=7)])
            second = asyncio.create_task(giving_up.keys_given_up(one.store, [(key, 7)]))
            if not one.store.is_sqlite:  # there nobody sees who waits
                await until_somebody_waits(one.store)
        assert await second == []
    assert (await guard(one, "budget")).spent == CALL


async def test_two_lanes_share_one_budget(scene: Opens) -> None:
    """What one lane holds, the other may not hold as well."""
    one = await scene(rows=people(12), lanes=2)
    first = await one.reserve(lane=0, watch=BUDGET)
    second = await one.reserve(lane=1, watch=BUDGET)
    assert len(first.keys) + len(second.keys) == 3


async def test_a_budget_that_is_overdrawn_lets_nothing_reserved_be_posted(scene: Opens) -> None:
    """The check comes again before the POST: a call has cost more than anybody could know."""
    one = await open_scene_of(scene, 6)
    keys = await one.place(1, watch=BUDGET)
    token = one.token()
    found = await one.reserve(token, watch=BUDGET)
    assert len(found.keys) == 2
    await end(one, keys, cost=1.5)
    assert await one.claim(token, found.keys, watch=BUDGET) == []


async def test_a_budget_that_comes_to_a_running_run_counts_what_was_spent_before(
    scene: Opens,
) -> None:
    """Old calls are counted once, when the guard begins; live ones hold the worst case."""
    one = await open_scene_of(scene, 8)
    keys = await one.place(3)
    await end(one, keys[:2], cost=0.5)
    await one.reserve(steps=[final(key) for key in keys[:2]], channels=1)
    found = await one.reserve(watch=BUDGET)
    assert len(found.keys) == 1, "1.00 is spent, 1.00 is held by the live one"


PRICE = {"movel": "1.00", "fixo": "0.10", "minimum": "60s", "step": "60s"}


def on_a_budget(total: str | None = "3.00", longest: str = "60s") -> Campaign:
    """Return a campaign whose calls cost one real a minute at worst."""
    return campaign(
        call={"connect_to": "4000", "max_duration": longest},
        guards={} if total is None else {"budget": {"total_brl": total, "price": PRICE}},
    )


async def test_a_budget_that_was_taken_out_meanwhile_counts_what_was_spent_without_it(
    scene: Opens,
) -> None:
    """Whoever writes it again has the money of before left, not that of the time between too."""
    one = await scene(rows=people(8), definition=on_a_budget())
    first = await one.place(1, watch=watch_of(on_a_budget(), loopback=True))
    await end(one, first, cost=1.0)
    await amending.amend(one.store, one.run, on_a_budget(None), known_version=1)
    second = await one.place(2, steps=[final(key) for key in first])
    await end(one, second, cost=1.0)
    await one.reserve(steps=[final(key) for key in second], channels=0)
    await amending.amend(one.store, one.run, on_a_budget(), known_version=2)
    found = await one.reserve(watch=watch_of(on_a_budget(), loopback=True))
    assert (found.keys, found.state) == ((), "paused"), "three reais of three are spent"


async def test_calls_that_may_become_longer_hold_what_they_may_cost_now(scene: Opens) -> None:
    """A longer limit binds calls under way, so they hold more; where it does not fit, it is no."""
    one = await scene(rows=people(8), definition=on_a_budget("8.00"))
    assert len(await one.place(2, watch=watch_of(on_a_budget("8.00"), loopback=True))) == 2
    with pytest.raises(RunError, match=r"may cost R\$ 10\.00"):
        await amending.amend(one.store, one.run, on_a_budget("8.00", "4m"), known_version=1)
    longer = on_a_budget("8.00", "3m")
    await amending.amend(one.store, one.run, longer, known_version=1)
    found = await one.reserve(watch=watch_of(longer, loopback=True))
    assert found.keys == (), "two calls hold all of it"


async def test_a_budget_that_is_made_smaller_lets_calls_go_on_and_nobody_else_be_called(
    scene: Opens,
) -> None:
    """Who wants to spend less is heard, even if calls under way may cost more than that."""
    one = await scene(rows=people(8), definition=on_a_budget("8.00"))
    keys = await one.place(2, watch=watch_of(on_a_budget("8.00"), loopback=True))
    waiting = await one.reserve(watch=watch_of(on_a_budget("80.00"), loopback=True))
    assert waiting.keys
    less = on_a_budget("4.00")
    smaller = watch_of(less, loopback=True)
    assert await amending.amend(one.store, one.run, less, known_version=1) == 2
    found = await one.reserve(watch=smaller)
    assert (found.keys, found.state) == ((), "running"), "calls under way hold more than all of it"
    await end(one, keys, cost=2.0)
    found = await one.reserve(steps=[final(key) for key in keys], watch=smaller)
    assert (found.keys, found.state) == ((), "paused")
    assert found.reason.startswith("R$ 0.00 of the budget of R$ 4.00 is left")


# The breaker --------------------------------------------------------------------------------------


async def test_technical_failures_open_the_breaker_and_the_window_begins_anew(
    scene: Opens,
) -> None:
    """Five of ten: refused, not sent, unsure, congested and never run; busy is no failure."""
    watch = BREAKER
    one = await open_scene_of(scene, 30)
    token = one.token()
    found = await one.reserve(token, watch=watch)
    keys = found.keys[:12]
    await one.claim(token, keys)
    await placing.record(
        one.store,
        [
            RefusedPost(key=keys[0], kind="other", status=409),
            RefusedPost(key=keys[1], kind="number", status=405),
            RefusedPost(key=keys[2], kind="account", status=402),
            NotSent(key=keys[3]),
            Unsure(key=keys[4]),
            *(Placed(key=key, api_id=index) for index, key in enumerate(keys[5:], start=1)),
        ],
    )
    await one.finish(keys[5:])
    how = [Outcome.TECHNICAL, Outcome.NEVER_RAN, *[Outcome.BUSY] * 4]
    steps = [final(key, outcome) for key, outcome in zip(keys[5:], how, strict=False)]
    assert (await one.reserve(steps=steps, watch=watch)).state == "running", "nine were seen"
    found = await one.reserve(steps=[final(keys[11])], watch=watch)
    assert found.state == "paused"
    assert found.reason == (
        "5 of the last 10 attempts failed for technical reasons (guards.failures: 50%)"
    )
    await runs.resume(one.store, one.run)
    assert (await one.reserve(watch=watch)).state == "running"
    assert (await guard(one, "failures")).ring == ""


async def test_an_unsure_post_is_counted_once_whatever_becomes_of_its_call(scene: Opens) -> None:
    """Its lost answer is the failure; the call that is found later is not a second attempt."""
    one = await open_scene_of(scene, 4)
    token = one.token()
    found = await one.reserve(token, watch=BREAKER)
    await one.claim(token, found.keys[:1])
    key = found.keys[0]
    await placing.record(one.store, [Unsure(key=key)])
    await placing.record(one.store, [Unsure(key=key)])
    await placing.record(one.store, [Placed(key=key, api_id=1)])
    await one.finish([key])
    await one.reserve(steps=[final(key)], watch=BREAKER)
    assert (await guard(one, "failures")).ring == "1"


async def test_a_timed_pause_ends_by_itself_and_one_by_hand_does_not(scene: Opens) -> None:
    """A person who pauses what a guard has paused wants it to stay so."""
    one = await open_scene_of(scene, 4)
    verdict = Verdict(state="open", reason="tripped", until=one.clock() + 60)

    async def trip() -> None:
        async with one.store.write() as connection:
            await guards.trip(one.store, connection, one.run, "failures", verdict, now=one.clock())

    await trip()
    epoch = (await runs.get_run(one.store, one.run)).epoch
    await trip()
    assert (await runs.get_run(one.store, one.run)).epoch == epoch, "twice is the same as once"
    found = await one.reserve(watch=BREAKER)
    assert (found.state, found.paused_until) == ("paused", one.clock() + 60)
    one.clock.now += 61
    found = await one.reserve(watch=BREAKER)
    assert (found.state, bool(found.keys)) == ("running", True)
    await trip()
    await runs.pause(one.store, one.run, "paused by hand")
    one.clock.now += 1_000
    found = await one.reserve(watch=BREAKER)
    assert (found.state, found.reason, found.keys) == ("paused", "paused by hand", ())


async def test_what_was_reserved_before_a_guard_opened_is_not_posted(scene: Opens) -> None:
    """It binds a worker that has lost touch, as a pause by a person does."""
    one = await open_scene_of(scene, 4)
    token = one.token()
    found = await one.reserve(token)
    await guards.no_balance(one.store, one.run, "the account has no balance: x")
    assert await one.claim(token, found.keys) == []
    assert await state(one) == ("paused", "the account has no balance: x")
    one.clock.now += 100_000
    assert (await one.reserve()).state == "paused", "nothing was said about going on by itself"


async def test_no_balance_goes_on_when_the_campaign_says_so(scene: Opens) -> None:
    """`resume_after` is read from the rules that hold when it happens."""
    one = await scene(rows=people(4), guards={"no_balance": {"resume_after": "15m"}})
    await guards.no_balance(one.store, one.run, "no balance")
    one.clock.now += 899
    assert (await one.reserve()).state == "paused"
    one.clock.now += 2
    assert (await one.reserve()).state == "running"
    await runs.stop(one.store, one.run, "enough")
    with pytest.raises(runs.RunError):
        await guards.no_balance(one.store, one.run, "no balance")


async def test_of_two_open_guards_the_later_one_lets_the_run_go_on(scene: Opens) -> None:
    """One whose time has come does not overrule another."""
    one = await open_scene_of(scene, 4)
    now = one.clock()
    async with one.store.write() as connection:
        for name, until in (("failures", now + 10), ("no_balance", now + 100)):
            verdict = Verdict(state="open", reason=name, until=until)
            await guards.trip(one.store, connection, one.run, name, verdict, now=now)  # type: ignore[arg-type]  # both are names
    one.clock.now += 50
    found = await one.reserve(watch=BREAKER)
    assert (found.state, found.paused_until) == ("paused", now + 100)
    one.clock.now += 51
    assert (await one.reserve(watch=BREAKER)).state == "running"


# Short calls --------------------------------------------------------------------------------------


def short(key: str, *, short: bool | None) -> Step:
    """Return a decision about a call that was short, or not, or not dialed at all."""
    return final(key).model_copy(update={"short": short})


async def call_short(scene: Scene, shorts: int, others: int, watch: Watch = BINA) -> None:
    """Make so many short and so many longer calls, and settle them."""
    keys = await scene.place(shorts + others)
    await scene.finish(keys, ANSWERED)
    steps = [short(key, short=index < shorts) for index, key in enumerate(keys)]
    await scene.reserve(steps=steps, channels=1, watch=watch)


async def test_short_calls_warn_and_then_pause_until_midnight(scene: Opens) -> None:
    """Six of ten warn; eight of ten more pause; at midnight in Brasília the run goes on."""
    one = await scene(rows=people(60))
    await call_short(one, 6, 4)
    warned = await guard(one, "short_calls")
    assert (await state(one), warned.state) == (("running", ""), "warning")
    assert warned.reason.startswith("6 of 10 calls of this caller ID today were short (60%)")
    await call_short(one, 9, 1)
    assert (await state(one))[0] == "paused"
    midnight = next_midnight(one.clock())
    assert (await runs.get_run(one.store, one.run)).paused_until == midnight
    one.clock.now = midnight - 1
    assert (await one.reserve(watch=BINA)).state == "paused"
    one.clock.now = midnight
    assert (await one.reserve(watch=BINA)).state == "running"
    assert (await guard(one, "short_calls")).state == "ok"
    async with one.store.read() as connection:
        told = (await connection.execute(select(run_events.c.reason))).scalars().all()
    assert [text[:8] for text in told if "short" in text] == ["warning:", "15 of 20"]


async def test_short_calls_are_counted_by_caller_id_over_all_campaigns(
    scene: Opens, store: Any
) -> None:
    """Another campaign's calls with the same caller ID count, with another one they do not."""
    one = await scene(rows=people(30))
    other = await open_scene(store, run="run2", name="outra", rows=people(30, first=100))
    await call_short(other, 12, 0, Watch(bina="+551132830152"))
    assert (await one.reserve(watch=BINA, channels=1)).state == "running"
    await call_short(other, 12, 0, Watch(bina=BINA.bina))
    assert (await one.reserve(watch=BINA, channels=1)).state == "paused"


async def test_a_person_may_go_on_for_the_day_but_not_beyond_the_law(scene: Opens) -> None:
    """Resumed by hand the campaign's own line is waived until midnight, the law's never is."""
    one = await scene(rows=people(30))
    await call_short(one, 10, 0)
    assert (await state(one))[0] == "paused"
    await runs.resume(one.store, one.run)
    assert (await one.reserve(watch=BINA, channels=1)).state == "running"
    async with one.store.write() as connection:
        await connection.execute(short_call_days.update().values(calls=LAW_STOP, short=LAW_STOP))
    found = await one.reserve(watch=BINA, channels=1)
    assert found.state == "paused"
    assert "Despacho 22/2024" in found.reason


async def test_settling_twice_counts_once(scene: Opens) -> None:
    """The same steps come again after a lost answer: no counter moves a second time."""
    watch = BUDGET.model_copy(
        update={
            "bina": BINA.bina,
            "short_calls": BINA.short_calls,
            "failures": BREAKER.failures,
        }
    )
    one = await scene(rows=people(30))
    keys = await one.place(2, watch=watch)
    await one.finish(keys)
    steps = [short(keys[0], short=True), retry(keys[1])]
    for _ in range(2):
        await one.reserve(steps=steps, channels=1, watch=watch)
    assert (await guard(one, "budget")).spent == 7_000
    assert (await guard(one, "failures")).ring == "00"
    async with one.store.read() as connection:
        counted = await guards.short_calls_today(connection, "account", BINA.bina, one.clock())
    assert counted == (1, 1)


async def test_a_run_without_guards_keeps_no_guard(scene: Opens) -> None:
    """What is not configured costs no row, and its attempts hold no money."""
    one = await open_scene_of(scene, 4)
    keys = await one.place()
    await one.finish(keys)
    await one.reserve(steps=[final(key) for key in keys])
    assert await one.rows(guard_rows) == []
    assert {row.worst_cost for row in await one.rows(attempts)} == {None}


async def open_scene_of(scene: Opens, count: int) -> Scene:
    """Open a run of so many people."""
    return await scene(rows=people(count))
