"""The compare-and-set in front of every POST, its slots, and what is written down afterwards."""

from __future__ import annotations

import asyncio
import json

import pytest
from sqlalchemy import update

from store import forgiving, giving_up, placing, runs
from store.gate import Candidate, GateAnswer
from store.pacing import SPACING
from store.placing import CLAIM_AHEAD, SEND_GRACE, NotSent, Placed, RefusedPost, Unsure
from store.schema import attempts
from tests.store.conftest import Opens
from tests.store.scene import Clock, OpenGate, Scene, api_id, people, phone, retry


async def reserved(run: Scene, **how: object) -> tuple[str, list[str]]:
    """Reserve, and return the token and the keys."""
    token = run.token()
    return token, list((await run.reserve(token, **how)).keys)  # type: ignore[arg-type]  # as given


async def test_claimed_once_means_claimed_for_ever(scene: Opens) -> None:
    """A second caller for the same key wins nothing, at once or after the worker has died."""
    run = await scene(rows=people(3))
    token, keys = await reserved(run)
    first = await run.claim(token, keys)
    assert [claim.key for claim in first] == keys
    assert await run.claim(token, keys) == []
    for result in (
        [Placed(key=keys[0], api_id=1)],
        [NotSent(key=keys[1])],
        [RefusedPost(key=keys[2], kind="number")],
    ):
        await placing.record(run.store, result)
    assert await run.claim(token, keys) == []


async def test_one_of_many_concurrent_claimers_wins_each_attempt(scene: Opens) -> None:
    """Ten turns of one token at once: every attempt is won exactly once."""
    run = await scene(rows=people(20))
    token, keys = await reserved(run)
    won = await asyncio.gather(*(run.claim(token, keys) for _ in range(10)))
    assert sorted(claim.key for claims in won for claim in claims) == sorted(keys)


async def test_the_intent_is_in_the_store_before_the_claim_is_returned(
    scene: Opens, clock: Clock
) -> None:
    """Whoever finds the row later knows that a POST may have been sent, and until when."""
    run = await scene(rows=people(1))
    token, keys = await reserved(run)
    (claim,) = await run.claim(token, keys)
    row = (await run.attempts())[claim.key]
    assert (row.state, row.live, row.posting_at) == ("posting", True, clock.now)
    assert row.send_by == claim.send_by
    assert clock.now < claim.slot < claim.send_by <= clock.now + CLAIM_AHEAD + SEND_GRACE
    assert claim.e164 == phone(0).e164


@pytest.mark.parametrize(
    "change", ["pause", "stop", "pause_and_resume", "fail", "another_token", "cap", "suppression"]
)
async def test_nothing_is_won_after(scene: Opens, change: str) -> None:
    """A worker that has lost touch claims nothing that the store has taken back meanwhile."""
    run = await scene(rows=people(2))
    token, keys = await reserved(run)
    per_contact = 5
    if change == "pause":
        await runs.pause(run.store, run.run, "x")
    elif change == "stop":
        await runs.stop(run.store, run.run, "x")
    elif change == "fail":
        await runs.stop(run.store, run.run, "x", ends_as="failed")
    elif change == "pause_and_resume":
        await runs.pause(run.store, run.run, "x")
        await runs.resume(run.store, run.run)
    elif change == "another_token":
        token = run.token()
    elif change == "cap":
        per_contact = 0
    else:
        await run.suppress(phone(0).e164)
        await run.suppress(phone(1).e164)
    assert await run.claim(token, keys, per_contact=per_contact) == []
    assert {row.state for row in (await run.attempts()).values()} == {"reserved"}


async def test_what_does_not_pass_leaves_the_others_their_slots(scene: Opens, clock: Clock) -> None:
    """One suppressed number in a batch costs the others nothing, and no slot is skipped."""
    run = await scene(rows=people(3))
    token, keys = await reserved(run)
    await run.suppress(phone(1).e164)
    claims = await run.claim(token, keys, rate=10)
    assert [claim.key for claim in claims] == [keys[0], keys[2]]
    assert claims[1].slot - claims[0].slot == pytest.approx(SPACING / 10)


@pytest.mark.parametrize(("seconds", "won"), [(-1.0, 0), (0.001, 0), (0.5, 1), (60.0, 1)])
async def test_no_post_may_leave_after_the_contacts_hours(
    scene: Opens, clock: Clock, seconds: float, won: int
) -> None:
    """A claim is refused when the hours end before its slot, and its deadline never lies beyond."""
    run = await scene(rows=people(1))
    end = clock.now + 100
    gate = OpenGate(lambda _candidate, _now: GateAnswer(until=end))
    token, keys = await reserved(run, gate=gate)
    clock.now = end - seconds
    claims = await run.claim(token, keys)
    assert len(claims) == won
    for claim in claims:
        assert claim.slot <= claim.send_by <= end


async def test_nothing_is_claimed_long_before_its_slot(scene: Opens, clock: Clock) -> None:
    """What is claimed is sent, pause or not: so nobody claims what pacing sends much later."""
    run = await scene(rows=people(4))
    token, keys = await reserved(run)
    await placing.slow_down(run.store, run.run, 30.0)
    claims, pace = await run.claim_at(token, keys)
    assert claims == []
    assert pace.next_slot == clock.now + 30
    assert {row.state for row in (await run.attempts()).values()} == {"reserved"}
    clock.now += 30 - CLAIM_AHEAD
    assert len(await run.claim(token, keys)) == 4


async def test_slow_pacing_lets_no_post_wait_longer(scene: Opens, clock: Clock) -> None:
    """A call that misses its slot is not kept for one a minute later: a pause would not hold it."""
    run = await scene(rows=people(1))
    token, keys = await reserved(run, rate=0.02)
    (claim,) = await run.claim(token, keys, rate=0.02)
    assert claim.slot == pytest.approx(clock.now, abs=0.01)
    assert claim.send_by <= claim.slot + SEND_GRACE


async def test_the_contacts_row_comes_along_only_when_tags_ask_for_it(scene: Opens) -> None:
    """Columns of the list leave the store with the claim, and nowhere else."""
    run = await scene(rows=people(2))
    token, keys = await reserved(run)
    (without,) = await run.claim(token, keys[:1])
    (with_columns,) = await run.claim(token, keys[1:], with_columns=True)
    assert without.columns == {}
    assert with_columns.columns == {"contrato": "A-1"}


# Recording ----------------------------------------------------------------------------------------


async def posting(scene: Opens, count: int = 1) -> tuple[Scene, list[str]]:
    """Return a run with so many attempts in `posting`."""
    run = await scene(rows=people(count))
    token, keys = await reserved(run)
    assert len(await run.claim(token, keys)) == count
    return run, keys


async def test_the_same_result_twice_changes_nothing(scene: Opens, clock: Clock) -> None:
    """An answer that is written down again, or comes twice in one batch, counts once."""
    run, (key,) = await posting(scene)
    for results in ([Placed(key=key, api_id=7)] * 2, [Placed(key=key, api_id=7)]):
        assert await placing.record(run.store, results) == []
        clock.now += 1
    row = (await run.attempts())[key]
    assert (row.state, row.api_id, row.placed_at) == ("placed", 7, clock.now - 2)
    assert (await run.contacts())[0].accepted == 1


@pytest.mark.parametrize(
    ("result", "state", "live"),
    [
        (Placed(key="", api_id=7), "placed", True),
        (NotSent(key="", message="no connection"), "not_sent", False),
        (RefusedPost(key="", kind="number", status=405, motivo=11), "refused", False),
        (Unsure(key=""), "posting", True),
    ],
)
async def test_each_result_frees_the_number_or_holds_it(
    scene: Opens, result: placing.PostResult, state: str, *, live: bool
) -> None:
    """Only a definite no frees a number; what is not known keeps it, and its channel."""
    run, (key,) = await posting(scene)
    await placing.record(run.store, [result._replace(key=key)])
    row = (await run.attempts())[key]
    assert (row.state, row.live) == (state, live)
    if state == "refused":
        kept = json.loads(row.refusal)
        assert (kept["kind"], kept["status"], kept["motivo"]) == ("number", 405, 11)
    undecided = await run.undecided()
    assert [ended.how for ended in undecided] == ([] if live else [state])


async def test_an_answer_after_another_one_is_ignored(scene: Opens) -> None:
    """The first definite result stands, whatever comes after it."""
    first: list[placing.PostResult]
    run, keys = await posting(scene, 3)
    first = [
        Placed(key=keys[0], api_id=1),
        NotSent(key=keys[1]),
        RefusedPost(key=keys[2], kind="number"),
    ]
    await placing.record(run.store, first)
    before = await run.attempts()
    for key in keys:
        for late in (NotSent(key=key), Unsure(key=key), RefusedPost(key=key, kind="other")):
            assert await placing.record(run.store, [late]) == []
    assert await run.attempts() == before


async def test_an_adopted_call_is_not_counted_again_when_its_answer_comes(scene: Opens) -> None:
    """Reconciling may be faster than a slow answer: both say the same call, counted once."""
    run, (key,) = await posting(scene)
    assert await placing.record(run.store, [Placed(key=key, api_id=7)]) == []
    assert await placing.record(run.store, [Placed(key=key, api_id=7)]) == []
    assert (await run.contacts())[0].accepted == 1


async def test_a_call_for_an_attempt_judged_not_placed_is_handed_back_to_be_ended(
    scene: Opens,
) -> None:
    """Its contact may be called again already, so the late call must go."""
    run, (key,) = await posting(scene)
    await giving_up.give_up(run.store, [key], as_state="not_placed", from_state="posting", hold=600)
    late = Placed(key=key, api_id=7)
    assert await placing.record(run.store, [late]) == [late]
    row = (await run.attempts())[key]
    assert (row.state, row.late_id, row.live) == ("not_placed", 7, False)


async def test_a_call_for_a_parked_attempt_is_noted_and_goes_on(scene: Opens) -> None:
    """Nobody was called in its place: the person who looks at it finds the call's id."""
    run, (key,) = await posting(scene)
    await giving_up.give_up(run.store, [key], as_state="unknown", from_state="posting", hold=600)
    assert await placing.record(run.store, [Placed(key=key, api_id=7)]) == []
    row = (await run.attempts())[key]
    assert (row.state, row.late_id, row.live) == ("unknown", 7, True)


async def test_only_the_first_doubt_is_timed(scene: Opens, clock: Clock) -> None:
    """When the POST is known to have ended is the first time that somebody said so."""
    run, (key,) = await posting(scene)
    await placing.record(run.store, [Unsure(key=key)])
    at = clock.now
    clock.now += 5
    await placing.record(run.store, [Unsure(key=key)])
    assert (await run.attempts())[key].unsure_at == at


# Refusals that blame the campaign -----------------------------------------------------------------


async def refused(run: Scene, clock: Clock, *, settle: bool = True) -> None:
    """Have the API refuse the number of everyone who is due."""
    from campaigns.attempts import DialingRules  # noqa: PLC0415 - used here alone
    from campaigns.policy import next_step  # noqa: PLC0415

    token, keys = await reserved(run)
    await run.claim(token, keys)
    await placing.record(run.store, [RefusedPost(key=key, kind="number") for key in keys])
    clock.now += 1
    steps = [next_step(DialingRules(), ended) for ended in await run.undecided()]
    await run.reserve(steps=steps, channels=0)


async def test_refusals_that_blame_the_campaign_are_forgiven_to_its_contacts(
    scene: Opens, clock: Clock
) -> None:
    """Their numbers were judged by a bad parameter: they are due again, and every count knows."""
    run = await scene(rows=people(5))
    await refused(run, clock)
    assert await run.tallies() == {"contact:invalid_number": 5, "void:invalid_number": 5}
    assert await forgiving.forgive_refusals(run.store, run.run) == 5
    assert {(row.state, row.outcome) for row in await run.contacts()} == {("due", None)}
    tallies = await run.tallies()
    assert tallies.get("contact:invalid_number", 0) == 0
    assert {row.what for row in await run.decisions()} == {"final", "forgiven"}
    assert await forgiving.forgive_refusals(run.store, run.run) == 0
    assert await run.tallies() == tallies


async def test_a_refusal_before_the_last_accepted_call_is_the_numbers_own(
    scene: Opens, clock: Clock
) -> None:
    """A campaign that places calls is not to blame for the number that was refused before."""
    run = await scene(rows=people(1))
    await refused(run, clock)
    async with run.store.write() as connection:
        await connection.execute(
            update(attempts).values(placed_at=clock.now + 1, api_id=api_id("x"))
        )
    assert await forgiving.forgive_refusals(run.store, run.run) == 0
    assert (await run.contacts())[0].outcome == "invalid_number"


async def test_a_retry_is_held_by_a_pause_like_a_first_attempt(scene: Opens, clock: Clock) -> None:
    """Pause holds retries as well: nothing that is due is placed before it is resumed."""
    run = await scene(rows=people(2))
    keys = await run.place()
    await run.finish(keys)
    clock.now += 1
    await run.reserve(steps=[retry(key, 5.0) for key in keys])
    await runs.pause(run.store, run.run, "x")
    clock.now += 60
    assert await run.place() == []
    await runs.resume(run.store, run.run)
    assert len(await run.place()) == 2


async def test_the_gate_is_asked_again_before_every_attempt(scene: Opens, clock: Clock) -> None:
    """Retries are judged like first attempts: hours and caps are looked at each time."""
    run = await scene(rows=people(1))
    gate = OpenGate()
    keys = await run.place(gate=gate)
    await run.finish(keys)
    clock.now += 1
    closed = OpenGate(lambda _candidate, now: GateAnswer(allowed=False, wait_until=now + 9))
    found = await run.reserve(steps=[retry(keys[0], 0.0)], gate=closed)
    assert found.keys == ()
    assert [type(asked) for asked in gate.asked + closed.asked] == [Candidate, Candidate]
