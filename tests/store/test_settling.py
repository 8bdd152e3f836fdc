"""What was decided is written once; what is not decided comes back until it is."""

from __future__ import annotations

from collections import Counter

import pytest
from sqlalchemy import select

from campaigns.attempts import Outcome, Step
from campaigns.policy import MAX_TECHNICAL, dialing_rules, next_step
from store import giving_up, placing
from store.placing import NotSent, RefusedPost
from store.schema import suppressions
from tests.store.conftest import Opens
from tests.store.scene import (
    ANSWERED,
    BUSY,
    NOBODY,
    Clock,
    Scene,
    final,
    next_number,
    people,
    phone,
    retry,
)


async def over(scene: Opens, count: int = 1, numbers: int = 1) -> tuple[Scene, list[str]]:
    """Return a run with so many calls that have ended."""
    run = await scene(rows=people(count, numbers=numbers))
    keys = await run.place()
    await run.finish(keys)
    return run, keys


async def test_what_is_undecided_is_returned_until_it_is_settled(scene: Opens) -> None:
    """An answer that Temporal loses loses nobody: the next turn hears of the same ends."""
    run, keys = await over(scene, 3)
    for _ in range(2):
        assert [ended.key for ended in await run.undecided()] == keys
    await run.reserve(steps=[final(keys[1])])
    assert [ended.key for ended in await run.undecided()] == [keys[0], keys[2]]


async def test_what_is_undecided_comes_oldest_first_and_no_more_than_asked(
    scene: Opens, clock: Clock
) -> None:
    """A batch has an end, and nobody waits behind those who ended later."""
    run = await scene(rows=people(3))
    keys = await run.place()
    for key in reversed(keys):
        await run.finish([key])
        clock.now += 1
    assert [ended.key for ended in await run.undecided(limit=2)] == [keys[2], keys[1]]


async def test_an_undecided_attempt_tells_all_that_the_policy_asks(scene: Opens) -> None:
    """Legs, what the API accepted so far, numbers left, uses of the rules: no number, no name."""
    run = await scene(rows=people(1, numbers=3))
    keys = await run.place()
    await run.finish(keys, ANSWERED, voicemail_detection=True)
    (ended,) = await run.undecided()
    assert (ended.how, ended.accepted, ended.technical) == ("call", 1, 0)
    assert (ended.numbers_left, ended.rule_uses) == (2, ())
    assert ended.call is not None
    assert ended.call.contact == ANSWERED
    assert ended.call.voicemail_detection is True
    assert phone(0).e164 not in ended.model_dump_json()

    await run.reserve(steps=[retry(ended.key, 0.0, rule=2)], channels=0)
    keys = await run.place()
    await run.finish(keys)
    (ended,) = await run.undecided()
    assert (ended.accepted, ended.numbers_left, ended.rule_uses) == (2, 2, (0, 0, 1))
    await run.reserve(steps=[next_number(ended.key)], channels=0)
    keys = await run.place()
    await run.finish(keys)
    (ended,) = await run.undecided()
    assert (ended.accepted, ended.numbers_left, ended.rule_uses) == (3, 1, ())


async def test_settling_twice_is_settling_once(scene: Opens, clock: Clock) -> None:
    """The same decisions come again after a lost answer, and change nothing."""
    run, keys = await over(scene, 3)
    steps = [final(keys[0]), retry(keys[1], 30.0), retry(keys[2], 60.0)]
    first = await run.reserve(steps=steps)
    state = await run.contacts(), await run.tallies(), await run.decisions()
    clock.now += 10
    again = await run.reserve(steps=steps)
    assert (first.settled, again.settled) == (3, 0)
    assert (await run.contacts(), await run.tallies(), await run.decisions()) == state


async def test_a_retry_is_due_after_its_delay_from_the_end_of_the_call(
    scene: Opens, clock: Clock
) -> None:
    """A decision that came late does not push the retry back, and is never due in the past."""
    run, keys = await over(scene, 2)
    ended_at = clock.now
    clock.now += 40
    await run.reserve(steps=[retry(keys[0], 60.0), retry(keys[1], 10.0)], channels=0)
    assert [row.due_at for row in await run.contacts()] == [ended_at + 60, clock.now]


async def test_every_decision_is_logged_with_its_rule_and_version(
    scene: Opens, clock: Clock
) -> None:
    """The store tells for each attempt what was decided, when, and by which line of which rules."""
    run, keys = await over(scene, 3, numbers=2)
    steps = [
        final(keys[0], Outcome.REJECTED),
        retry(keys[1], 30.0, rule=1),
        next_number(keys[2]).model_copy(update={"version": 4}),
    ]
    await run.reserve(steps=steps, channels=0)
    log = [
        (row.attempt, row.what, row.outcome, row.rule, row.rules_version, row.until)
        for row in await run.decisions()
    ]
    assert log == [
        (keys[0], "final", "rejected", None, 1, None),
        (keys[1], "retry", "busy", 1, 1, clock.now + 30),
        (keys[2], "next_number", "invalid_number", 1, 4, clock.now),
    ]


async def test_the_running_totals_add_up_to_the_rows(scene: Opens) -> None:
    """Progress is read from totals, the report from the rows: they say the same."""
    run = await scene(rows=people(9, numbers=2), lanes=2)
    for lane in (0, 1):
        token = run.token()
        found = await run.reserve(token, lane=lane)
        claims = await run.claim(token, found.keys)
        keys = [claim.key for claim in claims]
        await placing.record(
            run.store,
            [
                NotSent(key=keys[0]),
                RefusedPost(key=keys[1], kind="number"),
                *(placing.Placed(key=key, api_id=index) for index, key in enumerate(keys[2:])),
            ],
        )
        await run.finish(keys[2:])
        steps = [
            retry(keys[0]).model_copy(update={"outcome": Outcome.NOT_SENT}),
            final(keys[1], Outcome.INVALID_NUMBER),
            *(final(key) for key in keys[2:]),
        ]
        await run.reserve(lane=lane, steps=steps, channels=0)
    rows = await run.contacts()
    done = Counter(f"contact:{row.outcome}" for row in rows if row.state == "done")
    attempts = Counter(
        f"{'attempt' if row.api_id else 'void'}:{row.outcome}"
        for row in (await run.attempts()).values()
        if row.settled_at is not None
    )
    tallies = await run.tallies()
    assert {name: count for name, count in tallies.items() if "contact" in name} == done
    assert sum(done.values()) == 7
    assert sum(count for name, count in tallies.items() if "contact" not in name) == sum(
        attempts.values()
    )
    assert tallies["void:not_sent"] == tallies["void:invalid_number"] == 2


async def test_a_step_about_somebody_elses_attempt_does_nothing(scene: Opens) -> None:
    """A decision of one run never settles an attempt of another."""
    first = await scene(run="run1", name="um", rows=people(1))
    second = await scene(run="run2", name="dois", rows=people(1, first=1))
    keys = await first.place()
    await first.finish(keys)
    assert (await second.reserve(steps=[final(keys[0])])).settled == 0
    assert (await first.contacts())[0].state == "live"


@pytest.mark.parametrize("state", ["reserved", "posting", "placed"])
async def test_an_attempt_that_is_not_over_cannot_be_settled(scene: Opens, state: str) -> None:
    """A decision that comes for a live attempt, whatever went wrong, frees nothing."""
    run = await scene(rows=people(1))
    token = run.token()
    (key,) = (await run.reserve(token)).keys
    if state != "reserved":
        await run.claim(token, [key])
    if state == "placed":
        await placing.record(run.store, [placing.Placed(key=key, api_id=1)])
    found = await run.reserve(token, steps=[final(key)])
    assert found.settled == 0
    assert (await run.attempts())[key].state == state
    assert (await run.contacts())[0].state == "live"


async def test_a_technical_failure_gives_the_call_back_to_the_persons_cap(scene: Opens) -> None:
    """A spared attempt is a call at the provider and none of the contact's."""
    run, keys = await over(scene)
    step = retry(keys[0], 0.0).model_copy(update={"spared": True, "outcome": Outcome.TECHNICAL})
    await run.reserve(steps=[step], channels=0)
    (contact,) = await run.contacts()
    assert (contact.accepted, contact.technical, contact.state) == (0, 1, "due")


async def test_a_rule_that_suppresses_keeps_the_number_from_every_campaign(scene: Opens) -> None:
    """The number is on the account's list in the same transaction that settles the attempt."""
    run, keys = await over(scene)
    step = Step(
        key=keys[0], action="final", outcome=Outcome.REJECTED, rule=0, why="rule", suppress=True
    )
    for _ in range(2):
        await run.reserve(steps=[step])
    async with run.store.read() as connection:
        listed = (await connection.execute(select(suppressions))).all()
    assert [(row.e164, row.scope, row.campaign) for row in listed] == [(phone(0).e164, "all", "")]
    other = await scene(run="run2", name="dois", rows=people(1))
    assert (await other.reserve()).keys == ()


# Ends of calls ------------------------------------------------------------------------------------


async def test_an_end_is_recorded_once(scene: Opens, clock: Clock) -> None:
    """A call that two workers saw ending ends once, with the facts of the first."""
    run, keys = await over(scene)
    clock.now += 9
    await run.finish(keys, ANSWERED, other=ANSWERED)
    row = (await run.attempts())[keys[0]]
    assert (row.state, row.live, row.ended_at) == ("ended", False, clock.now - 9)
    (ended,) = await run.undecided()
    assert ended.call is not None
    assert ended.call.contact == BUSY


async def test_a_call_that_was_not_placed_cannot_end(scene: Opens) -> None:
    """Only an attempt that the API accepted has an end to record."""
    run = await scene(rows=people(1))
    found = await run.reserve()
    await run.finish(found.keys, NOBODY)
    assert (await run.attempts())[found.keys[0]].state == "reserved"


@pytest.mark.parametrize("state", ["not_placed", "unknown"])
async def test_giving_up_is_done_once_and_only_from_the_state_that_was_seen(
    scene: Opens, state: str
) -> None:
    """An answer that came in the meantime wins over the doubt."""
    run = await scene(rows=people(2))
    token = run.token()
    keys = (await run.reserve(token)).keys
    await run.claim(token, keys)
    await placing.record(run.store, [placing.Placed(key=keys[0], api_id=1)])
    for given_up in (1, 0):
        assert given_up == await giving_up.give_up(
            run.store, keys, as_state=state, from_state="posting", hold=60
        )
    kept = await run.attempts()
    assert [kept[key].state for key in keys] == ["placed", state]
    assert kept[keys[1]].live is (state == "unknown")
    assert [ended.how for ended in await run.undecided()] == [state]


@pytest.mark.parametrize("blamed", ["account", "pacing"])
async def test_refusals_of_the_account_are_not_counted_against_the_contact(
    scene: Opens, clock: Clock, blamed: str
) -> None:
    """However often the API says 402 or 429, nobody is given up; other failures still count."""
    run = await scene(rows=people(1))
    rules = dialing_rules(run.definition, 1)
    steps: tuple[Step, ...] = ()
    often = [blamed] * (MAX_TECHNICAL + 2)
    for kind in [*often, "other", *often, "other"]:
        clock.now += 3_600
        token = run.token()
        (key,) = (await run.reserve(token, steps=steps)).keys
        await run.claim(token, [key])
        await placing.record(run.store, [RefusedPost(key=key, kind=kind)])
        steps = tuple(next_step(rules, ended) for ended in await run.undecided())
        assert [step.action for step in steps] == ["retry"]
    await run.reserve(steps=steps)
    assert (await run.contacts())[0].technical == 2
