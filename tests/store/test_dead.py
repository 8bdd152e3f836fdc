"""A number is dead for the whole account when two days have said so, until it is taken back."""

from __future__ import annotations

from typing import Any

import pytest

from campaigns.attempts import LegFacts, Outcome, Step
from store import dead, placing, suppressing
from store.placing import RefusedPost
from tests.store.conftest import Opens
from tests.store.scene import ACCOUNT, BUSY, Clock, Scene, people, phone, retry

DAY = 86_400.0
GONE = LegFacts(status="não existe", reason=1)


def invalid(key: str, action: Any = "final", **parts: Any) -> Step:
    """Return the decision about a call that said that the number does not exist."""
    return Step(key=key, action=action, outcome=Outcome.INVALID_NUMBER, why="no_rule", **parts)


async def is_dead(run: Scene, index: int = 0) -> bool:
    """Whether a number is declared dead now."""
    entries = await suppressing.entries_of(run.store, ACCOUNT, phone(index).e164)
    return any(entry.source == dead.SOURCE and entry.expires_at is None for entry in entries)


async def say(run: Scene, leg: LegFacts = GONE, outcome: Outcome = Outcome.INVALID_NUMBER) -> None:
    """Call everybody who is due and let each call end so; a day passes then."""
    keys = await run.place()
    assert keys
    await run.finish(keys, leg)
    await run.reserve(
        steps=[retry(key, DAY).model_copy(update={"outcome": outcome}) for key in keys]
    )
    run.clock.now += DAY


async def test_one_day_is_not_enough_and_the_second_declares_it(scene: Opens) -> None:
    """The number is called on two days; then it is passed over, and the store says why."""
    run = await scene(rows=people(1))
    await say(run)
    assert not await is_dead(run)
    await say(run)
    assert await is_dead(run)
    (contact,) = await run.contacts()
    assert (contact.state, contact.outcome) == ("done", Outcome.INVALID_NUMBER)
    logged = [(row.what, row.why) for row in await run.decisions()]
    assert logged == [
        ("retry", "rule"),
        ("dead", "confirmed_on_two_days"),
        ("retry", "rule"),
        ("blocked", "dead_number"),
    ]
    assert await run.tallies() == {"attempt:invalid_number": 2, "contact:invalid_number": 1}


async def test_a_dead_number_gives_way_to_the_contacts_next_one(scene: Opens) -> None:
    """What is dead is skipped; the contact is not."""
    run = await scene(rows=people(1, numbers=2))
    await say(run)
    await say(run)
    (key,) = (await run.reserve()).keys
    assert (await run.attempts())[key].e164 == phone(1).e164


async def test_confirmations_come_from_any_campaign_and_bind_every_other(scene: Opens) -> None:
    """Two campaigns see it on two days; a third one, and another contact, never dial it."""
    first = await scene(run="run1", name="um", rows=people(1))
    await say(first)
    second = await scene(run="run2", name="dois", rows=people(1))
    await say(second)
    third = await scene(run="run3", name="tres", rows=people(2))
    (key,) = (await third.reserve()).keys
    assert (await third.attempts())[key].e164 == phone(1).e164
    assert (await third.contacts())[0].outcome == Outcome.INVALID_NUMBER
    assert (await third.decisions())[0].why == "dead_number"


@pytest.mark.parametrize(
    ("between", "declared"),
    [
        (Outcome.BUSY, False),
        (Outcome.NO_ANSWER, False),
        (Outcome.TECHNICAL, True),
        (Outcome.NEVER_RAN, True),
    ],
)
async def test_a_sign_of_life_begins_the_count_anew(
    scene: Opens, between: Outcome, *, declared: bool
) -> None:
    """A call that rang or was busy takes the first confirmation back; a failed network does not."""
    run = await scene(rows=people(1))
    await say(run)
    await say(run, BUSY, between)
    await say(run)
    assert await is_dead(run) is declared


async def test_it_is_taken_back_like_any_other_entry(scene: Opens) -> None:
    """Old calls then declare nothing: the number needs two more days to be dead again."""
    run = await scene(rows=people(1))
    await say(run)
    await say(run)
    assert await suppressing.remove(run.store, ACCOUNT, phone(0).e164) == 1
    assert await suppressing.remove(run.store, ACCOUNT, phone(0).e164) == 0
    again = await scene(run="run2", name="dois", rows=people(1))
    await say(again)
    assert not await is_dead(again)
    await say(again)
    assert await is_dead(again)


async def refuse(run: Scene) -> None:
    """Let the API refuse the number of everybody who is due, as 405; a day passes then."""
    token = run.token()
    claims = await run.claim(token, (await run.reserve(token)).keys)
    assert claims
    await placing.record(
        run.store, [RefusedPost(key=claim.key, kind="number", status=405) for claim in claims]
    )
    await run.reserve(steps=[invalid(claim.key) for claim in claims])
    run.clock.now += DAY


async def test_a_refusal_counts_where_the_run_gets_calls_through(
    scene: Opens, clock: Clock
) -> None:
    """One 405 and one dead call on two days are two confirmations."""
    first = await scene(run="run1", name="um", rows=[people(1)[0]])
    await refuse(first)
    second = await scene(run="run2", name="dois", rows=people(2))
    token = second.token()
    claims = await second.claim(token, (await second.reserve(token)).keys)
    await placing.record(
        second.store,
        [
            RefusedPost(key=claims[0].key, kind="number", status=405),
            placing.Placed(key=claims[1].key, api_id=7),
        ],
    )
    await second.reserve(steps=[invalid(claims[0].key)])
    assert not await is_dead(second), "in the first run nothing was ever accepted"
    clock.now += DAY
    third = await scene(run="run3", name="tres", rows=people(1))
    await say(third)
    assert await is_dead(third)


async def test_a_campaign_whose_calls_are_all_refused_declares_nobody_dead(scene: Opens) -> None:
    """Day after day a wrong caller ID is refused as 405: that is no word about the contacts."""
    for day in range(3):
        run = await scene(run=f"run{day}", name=f"dia-{day}", rows=people(3))
        await refuse(run)
        assert not any([await is_dead(run, index) for index in range(3)])


async def test_settling_twice_declares_once(scene: Opens) -> None:
    """The same steps come again after a lost answer; a third day changes nothing either."""
    run = await scene(rows=people(1))
    await say(run)
    keys = await run.place()
    await run.finish(keys, GONE)
    for _ in range(2):
        await run.reserve(steps=[invalid(keys[0])])
    assert [row.what for row in await run.decisions()].count("dead") == 1
    entries = await suppressing.entries_of(run.store, ACCOUNT, phone(0).e164)
    assert [entry.source for entry in entries] == [dead.SOURCE]
