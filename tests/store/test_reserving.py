"""Reserving: who is next, once per token, one live attempt per number, under every cap."""

from __future__ import annotations

import pytest
from sqlalchemy.exc import IntegrityError

from campaigns.attempts import Outcome
from campaigns.rows import ContactRow
from store import giving_up, runs
from store.choosing import LIVE_ELSEWHERE_DELAY
from store.gate import Candidate, GateAnswer
from store.schema import attempts
from tests.store.conftest import Opens
from tests.store.scene import Clock, OpenGate, final, people, phone, retry


async def test_the_same_token_returns_the_same_attempts(scene: Opens) -> None:
    """A turn whose answer was lost is done again and reserves nobody else."""
    run = await scene(rows=people(10))
    first = await run.reserve("one", channels=4)
    again = await run.reserve("one", channels=4)
    assert len(first.keys) == 4
    assert set(again.keys) == set(first.keys)
    assert len(await run.attempts()) == 4


async def test_a_token_never_reserves_a_second_time(scene: Opens) -> None:
    """What of a token was posted is not replaced by others under the same token."""
    run = await scene(rows=people(10))
    first = await run.reserve("one", channels=4)
    await run.claim("one", first.keys[:3])
    again = await run.reserve("one", channels=9)
    assert list(again.keys) == [first.keys[3]]
    assert len(await run.attempts()) == 4


async def test_a_turn_may_ask_for_more_under_its_token(scene: Opens) -> None:
    """It gets others, under the same caps; done again, it has all that is still to be posted."""
    run = await scene(rows=people(10))
    first = await run.reserve("one", channels=4)
    assert (await run.reserve("one", channels=4, more=True)).keys == ()
    more = await run.reserve("one", channels=6, more=True)
    assert len(more.keys) == 2
    assert not set(more.keys) & set(first.keys)
    await run.claim("one", first.keys[:1])
    again = await run.reserve("one", channels=10)
    assert set(again.keys) == {*first.keys[1:], *more.keys}
    assert len(await run.attempts()) == 6


async def test_a_turn_that_asks_for_more_takes_nothing_from_its_successor(scene: Opens) -> None:
    """A worker that has slept through the end of its turn asks in vain, or for others."""
    run = await scene(rows=people(6))
    await run.reserve("old", channels=2)
    new = await run.reserve("new", channels=4)
    more = await run.reserve("old", channels=6, more=True)
    kept = await run.attempts()
    assert {kept[key].state for key in new.keys} == {"reserved"}
    assert not set(more.keys) & set(new.keys)
    assert len(await run.claim("new", new.keys)) == 4


async def test_reserved_attempts_of_older_tokens_are_given_back_first(scene: Opens) -> None:
    """A turn that died leaves its contacts due, at once and under new keys."""
    run = await scene(rows=people(3))
    old = await run.reserve("old")
    new = await run.reserve("new")
    assert len(new.keys) == 3
    assert not set(old.keys) & set(new.keys)
    kept = await run.attempts()
    assert {kept[key].state for key in old.keys} == {"released"}
    assert not any(kept[key].live for key in old.keys)
    assert await run.claim("old", old.keys) == []


async def test_giving_back_leaves_other_lanes_and_what_was_posted_alone(scene: Opens) -> None:
    """A lane gives back its own reservations and nothing that may have been sent."""
    run = await scene(rows=people(40), lanes=2)
    mine = await run.reserve("a", lane=0)
    theirs = await run.reserve("b", lane=1)
    posted = [claim.key for claim in await run.claim("a", mine.keys[:2])]
    await run.reserve("c", lane=0, channels=1)
    kept = await run.attempts()
    assert {kept[key].state for key in posted} == {"posting"}
    assert {kept[key].state for key in theirs.keys} == {"reserved"}


async def test_lanes_share_the_list_and_no_contact_between_them(scene: Opens) -> None:
    """Every contact belongs to one lane, and all lanes together have the whole list."""
    run = await scene(rows=people(60), lanes=3)
    taken = [
        {attempt.n for attempt in (await run.attempts()).values() if attempt.key in found.keys}
        for found in [await run.reserve(f"t{lane}", lane=lane) for lane in range(3)]
    ]
    assert all(taken)
    assert sum(map(len, taken)) == len(set.union(*taken)) == 60


async def test_a_number_is_live_once_across_runs_and_campaigns(scene: Opens, clock: Clock) -> None:
    """Two campaigns of an account hold the same person: the second waits for seconds, unharmed."""
    first = await scene(run="run1", name="um", rows=people(1))
    second = await scene(run="run2", name="dois", rows=people(2))
    (held,) = (await first.reserve()).keys
    found = await second.reserve()
    assert len(found.keys) == 1
    waiting = (await second.contacts())[0]
    assert (waiting.state, waiting.drawn) == ("due", 0)
    assert waiting.due_at == clock.now + LIVE_ELSEWHERE_DELAY

    token = first.token()
    await first.reserve(token)  # gives the number back and takes it again
    assert (await first.attempts())[held].state == "released"
    clock.now += LIVE_ELSEWHERE_DELAY
    assert (await second.reserve(second.token())).keys
    assert (await second.contacts())[0].state == "due"


async def test_one_number_under_two_contacts_of_a_run_is_called_for_one_of_them(
    scene: Opens, clock: Clock
) -> None:
    """Two rows with the same number in one batch: one is reserved, the other is still due."""
    one = people(1)[0]
    twin = people(1)[0].model_copy(update={"external_id": "twin"})
    run = await scene(rows=[one, twin])
    keys = await run.place()
    assert len(keys) == 1
    await run.finish(keys)
    clock.now += LIVE_ELSEWHERE_DELAY
    (over,) = await run.undecided()
    again = await run.reserve(steps=[final(over.key)])
    assert len(again.keys) == 1


async def test_the_database_itself_refuses_a_second_live_attempt(scene: Opens) -> None:
    """The promise does not rest on good manners: a partial unique index carries it."""
    run = await scene(rows=people(1))
    (key,) = (await run.reserve()).keys
    row = dict((await run.attempts())[key]._mapping)
    with pytest.raises(IntegrityError):
        async with run.store.write() as connection:
            await connection.execute(attempts.insert().values(**{**row, "key": "other.1.1"}))
    async with run.store.write() as connection:
        await connection.execute(
            attempts.insert().values(**{**row, "key": "other.1.1", "live": False})
        )


async def test_another_account_may_call_the_same_number(scene: Opens) -> None:
    """A number is held within its account only."""
    run = await scene(rows=people(1))
    (key,) = (await run.reserve()).keys
    row = dict((await run.attempts())[key]._mapping)
    async with run.store.write() as connection:
        await connection.execute(
            attempts.insert().values(**{**row, "key": "other.1.1", "account_id": "another"})
        )


@pytest.mark.parametrize(("free", "of"), [(0, 3), (1, 3), (3, 3)])
async def test_no_more_is_reserved_than_the_campaign_has_channels(
    scene: Opens, free: int, of: int
) -> None:
    """Reserved, posting and placed attempts all hold a channel until they are over."""
    run = await scene(rows=people(20), channels=of)
    held = await run.place(of)
    await run.finish(held[:free])
    found = await run.reserve()
    assert len(found.keys) == free
    assert found.due_now


async def test_the_account_caps_all_its_campaigns_together(scene: Opens) -> None:
    """Two runs that would each have room share the account's channels."""
    first = await scene(run="run1", name="um", rows=people(20), account_channels=7)
    second = await scene(run="run2", name="dois", rows=people(20, first=20), account_channels=7)
    assert len((await first.reserve(channels=5)).keys) == 5
    assert len((await second.reserve(channels=5)).keys) == 2
    assert (await second.reserve("late", channels=1)).keys


async def test_an_attempt_of_unknown_fate_holds_its_channel_for_a_while(
    scene: Opens, clock: Clock
) -> None:
    """It may be ringing: its channel and number come free only after the longest call."""
    run = await scene(rows=people(2), channels=1)
    token = run.token()
    found = await run.reserve(token)
    (claim,) = await run.claim(token, found.keys)
    await giving_up.give_up(
        run.store, [claim.key], as_state="unknown", from_state="posting", hold=600
    )
    assert (await run.reserve()).keys == ()
    clock.now += 599
    assert await giving_up.release_held(run.store, run.run) == 0
    clock.now += 2
    assert await giving_up.release_held(run.store, run.run) == 1
    assert len((await run.reserve()).keys) == 1


async def test_no_more_is_reserved_than_pacing_sends_within_the_horizon(scene: Opens) -> None:
    """At 10 calls a second, half a second of work is about five attempts, and it says so."""
    run = await scene(rows=people(50))
    found = await run.reserve(rate=10, horizon=0.5)
    assert 4 <= len(found.keys) <= 6
    assert found.limited_by_pacing
    assert found.due_now


@pytest.mark.parametrize("state", ["preparing", "paused", "stopping"])
async def test_only_a_running_run_reserves(scene: Opens, state: str) -> None:
    """Before it is ready, during a pause and after a stop nobody is taken, retries included."""
    run = await scene(rows=people(3), ready=state != "preparing")
    if state == "paused":
        await runs.pause(run.store, run.run, "lunch")
    elif state == "stopping":
        await runs.stop(run.store, run.run, "enough")
    found = await run.reserve()
    assert found.keys == ()
    assert found.state == state
    assert found.due_now


async def test_first_come_first_served_by_the_time_they_are_due(scene: Opens, clock: Clock) -> None:
    """A retry that is due earlier goes before one that is due later; nobody goes before time."""
    run = await scene(rows=people(3))
    keys = await run.place()
    await run.finish(keys)
    steps = [retry(key, delay) for key, delay in zip(keys, (30.0, 10.0, 20.0), strict=True)]
    assert (await run.reserve(steps=steps)).next_due == clock.now + 10
    clock.now += 25
    found = await run.reserve("x")
    assert [(await run.attempts())[key].n for key in found.keys] == [2, 3]


async def test_a_suppressed_number_is_passed_over_and_said_so(scene: Opens) -> None:
    """The contact's next number is tried; one without another number is done as suppressed."""
    run = await scene(rows=people(2, numbers=2))
    await run.suppress(phone(0).e164)
    await run.suppress(phone(2).e164)
    await run.suppress(phone(3).e164)
    found = await run.reserve()
    kept = await run.attempts()
    assert [(kept[key].n, kept[key].e164) for key in found.keys] == [(1, phone(1).e164)]
    first, second = await run.contacts()
    assert (first.state, first.position) == ("live", 1)
    assert (second.state, second.outcome) == ("done", Outcome.SUPPRESSED)
    assert {row.why for row in await run.decisions()} == {"suppressed"}
    assert await run.tallies() == {"contact:suppressed": 1}


@pytest.mark.parametrize(
    ("columns", "called"),
    [
        ({"scope": "all"}, False),
        ({"scope": "collection"}, False),
        ({"scope": "sales"}, True),
        ({"scope": "all", "campaign": "teste"}, False),
        ({"scope": "all", "campaign": "another"}, True),
        ({"scope": "all", "expires_at": 1.0}, True),
        ({"scope": "all", "expires_at": 9e9}, False),
        ({"scope": "all", "account_id": "another"}, True),
    ],
)
async def test_suppression_holds_for_its_scope_its_campaign_and_its_time(
    scene: Opens, columns: dict[str, object], *, called: bool
) -> None:
    """Reserving and claiming read the same list the same way."""
    run = await scene(rows=people(1))
    token = run.token()
    found = await run.reserve(token)
    await run.suppress(phone(0).e164, **columns)
    assert bool(await run.claim(token, found.keys)) is called
    if not called:
        assert (await run.reserve()).keys == ()


async def test_a_gate_that_says_wait_moves_the_contact_and_logs_why(
    scene: Opens, clock: Clock
) -> None:
    """A contact whose hours are closed is due when they open, and the store tells why."""
    run = await scene(rows=people(2))

    def closed(candidate: Candidate, now: float) -> GateAnswer:
        if candidate.n == 1:
            return GateAnswer(allowed=False, wait_until=now + 3_600, why="hours")
        return GateAnswer(until=now + 60)

    found = await run.reserve(gate=OpenGate(closed))
    assert len(found.keys) == 1
    assert (await run.attempts())[found.keys[0]].callable_until == clock.now + 60
    assert found.next_due == clock.now + 3_600
    (logged,) = await run.decisions()
    assert (logged.n, logged.what, logged.why, logged.until) == (
        1,
        "wait",
        "hours",
        clock.now + 3_600,
    )


async def test_a_gate_that_says_never_uses_up_the_number(scene: Opens) -> None:
    """Each number is judged for itself; with the last one the contact is done."""
    run = await scene(rows=people(1, numbers=3))
    gate = OpenGate(lambda candidate, now: GateAnswer(allowed=False, why="never_dial"))
    found = await run.reserve(gate=gate)
    assert found.keys == ()
    assert [candidate.e164 for candidate in gate.asked] == [phone(n).e164 for n in range(3)]
    (contact,) = await run.contacts()
    assert (contact.state, contact.outcome) == ("done", Outcome.NOT_ALLOWED)


def once_in_an_hour(candidate: Candidate, now: float) -> GateAnswer:
    """Let nobody be called who was called within an hour, at whichever number."""
    if not candidate.contact_calls:
        return GateAnswer()
    wait = candidate.contact_calls[-1] + 3_600
    return GateAnswer(allowed=wait <= now, wait_until=wait, why="min_gap")


async def test_a_gate_hears_of_past_calls_as_far_back_as_it_asks(
    scene: Opens, clock: Clock
) -> None:
    """The history of a number counts every campaign of the account, that of a contact its own."""
    other = await scene(run="run1", name="um", rows=people(1, numbers=2))
    keys = await other.place()
    called_at = clock.now
    await other.finish(keys)
    clock.now += 100
    run = await scene(run="run2", name="dois", rows=people(1, numbers=2))
    for history, calls in ((0.0, 0), (50.0, 0), (500.0, 1)):
        gate = OpenGate(
            lambda candidate, now: GateAnswer(allowed=False, wait_until=now, why="x"),
            history=history,
        )
        await run.reserve(gate=gate)
        assert len(gate.asked[0].number_calls) == calls
        assert gate.asked[0].number_calls == (called_at,) * calls


@pytest.mark.parametrize("capped", [True, False])
async def test_who_was_called_at_another_number_meanwhile_is_not_called_too(
    scene: Opens, clock: Clock, *, capped: bool
) -> None:
    """Two campaigns know a person by different numbers first and reserve within the same second."""
    listed = people(1, numbers=2)[0]
    assert isinstance(listed, ContactRow)
    other_way = listed.model_copy(update={"numbers": listed.numbers[::-1]})
    run = await scene(run="run1", name="um", rows=[listed])
    other = await scene(run="run2", name="dois", rows=[other_way])
    gate, token = OpenGate(once_in_an_hour, history=86_400), "one"
    first, second = [await each.reserve(token, gate=gate) for each in (run, other)]
    clock.now += 0.5
    assert len(await run.claim(token, first.keys, capped=capped)) == 1
    assert len(await other.claim(token, second.keys, capped=capped)) == (0 if capped else 1)
    if capped:
        assert (await other.reserve(gate=gate)).keys == ()
        (contact,) = await other.contacts()
        assert (contact.state, contact.due_at) == ("due", clock.now + 3_600)


async def test_a_contact_at_its_cap_is_not_reserved(scene: Opens) -> None:
    """The cap on accepted calls holds here too, whatever the policy decided."""
    run = await scene(rows=people(1, numbers=2))
    keys = await run.place()
    await run.finish(keys)
    found = await run.reserve(steps=[retry(keys[0], 0)], per_contact=1)
    assert found.keys == ()
    (contact,) = await run.contacts()
    assert (contact.state, contact.outcome) == ("done", Outcome.NOT_ALLOWED)


async def test_what_a_terminated_run_left_reserved_is_swept_by_its_account(
    scene: Opens, clock: Clock
) -> None:
    """Its workflow is gone and never gives them back: another run of the account frees them."""
    dead = await scene(run="run1", name="um", rows=people(3), account_channels=3)
    assert len((await dead.reserve()).keys) == 3
    run = await scene(run="run2", name="dois", rows=people(3), account_channels=3)
    assert (await run.reserve()).keys == ()
    clock.now += 3_600
    assert len((await run.reserve()).keys) == 3
    assert {row.state for row in (await dead.attempts()).values()} == {"released"}
    assert {row.state for row in await dead.contacts()} == {"due"}


async def test_who_wants_one_channel_finds_it_behind_numbers_that_others_hold(scene: Opens) -> None:
    """Twenty people are on the phone with another campaign: the next one is taken at once."""
    other = await scene(run="other", name="other", rows=people(30))
    held = await other.reserve("t1", channels=20)
    assert len(held.keys) == 20
    mine = await scene(run="mine", name="mine", rows=people(30))
    found = await mine.reserve("t2", channels=1)
    assert [key.split(".")[1] for key in found.keys] == ["l"], "the twenty-first, in base 36"
