"""Attempts of unknown fate: what a person makes of each, once, whatever else goes on."""

from __future__ import annotations

import pytest

from campaigns.attempts import Outcome
from store import giving_up, placing, reporting, roster, tracking, unknowns
from store.placing import Placed
from store.roster import Withdrawn
from store.runs import RunError, close, stop
from tests.store.conftest import Opens
from tests.store.scene import Scene, final, people, retry


async def parked(scene: Opens, *, settled: bool = True) -> tuple[Scene, str]:
    """Open a run of two people, one of whom was asked for and never heard of again."""
    one = await scene(rows=people(2))
    token = one.token()
    found = await one.reserve(token, channels=1)
    key = found.keys[0]
    await one.claim(token, [key])
    await giving_up.give_up(one.store, [key], as_state="unknown", from_state="posting", hold=600)
    if settled:
        await one.reserve(steps=[final(key, Outcome.UNKNOWN)], channels=1)
    return one, key


async def by_outcome(scene: Scene) -> dict[str, int]:
    """Return the report's contacts, after holding the running totals against them."""
    report = await reporting.report(scene.store, scene.run)
    progress = await reporting.progress(scene.store, scene.run)
    counted = {name: count for name, count in progress.by_outcome.items() if count}
    told = {name: count for name, count in report.contacts.by_outcome.items() if name != "due"}
    assert counted == told
    assert sum(report.contacts.by_outcome.values()) == report.contacts.total
    return report.contacts.by_outcome


@pytest.mark.parametrize("settled", [True, False])
async def test_a_call_that_is_found_is_followed_to_its_end(scene: Opens, *, settled: bool) -> None:
    """It is the same attempt, counts once, and a stale decision to park it changes nothing."""
    one, key = await parked(scene, settled=settled)
    (listed,) = await unknowns.unknowns(one.store, one.run)
    assert (listed.attempt, listed.call, listed.holds_until) == (key, None, one.clock() + 600)
    for _ in range(2):
        await unknowns.resolve(one.store, one.run, key, "placed", call=77)
    assert await unknowns.unknowns(one.store, one.run) == []
    assert [row.api_id for row in await tracking.open_attempts(one.store, one.run, 0)] == [77]
    await one.finish([key])
    await one.reserve(steps=[final(key, Outcome.UNKNOWN)], channels=1)
    await one.reserve(steps=[final(key)], channels=1)
    assert (await by_outcome(one))["busy"] == 1
    assert (await one.contacts())[0].accepted == 1


@pytest.mark.parametrize("settled", [True, False])
async def test_one_that_was_not_placed_is_due_again_under_a_new_key(
    scene: Opens, *, settled: bool
) -> None:
    """Its number is free at once; the old key is never posted again."""
    one, key = await parked(scene, settled=settled)
    for _ in range(2):
        await unknowns.resolve(one.store, one.run, key, "not-placed")
    await one.reserve(steps=[final(key, Outcome.UNKNOWN)], channels=0)
    assert await by_outcome(one) == {"due": 2}
    found = await one.reserve()
    assert key not in found.keys
    assert {row.n for row in (await one.attempts()).values() if row.key in found.keys} == {1, 2}
    late = await placing.record(one.store, [Placed(key=key, api_id=5)])
    assert [item.api_id for item in late] == [5], "should it surface after all, it is hung up"


@pytest.mark.parametrize("settled", [True, False])
async def test_a_person_may_say_what_it_came_to(scene: Opens, *, settled: bool) -> None:
    """The contact is done and nobody is called in its place."""
    one, key = await parked(scene, settled=settled)
    for _ in range(2):
        await unknowns.resolve(one.store, one.run, key, "done", call=9, outcome=Outcome.ANSWERED)
    assert await by_outcome(one) == {"answered": 1, "due": 1}


WHEN = ["under way", "over", "settled"]


async def left(scene: Opens, when: str) -> tuple[Scene, str]:
    """Open a run of which somebody leaves before, or after, the call's fate is given up."""
    one = await scene(rows=people(2))
    token = one.token()
    key = (await one.reserve(token, channels=1)).keys[0]
    await one.claim(token, [key])

    async def leave(moment: str) -> None:
        if moment == when:
            found = await roster.withdraw(one.store, one.run, ["row-0"])
            gone = when == "settled"
            assert found == Withdrawn(gone=int(gone), under_way=int(not gone))

    await leave("under way")
    await giving_up.give_up(one.store, [key], as_state="unknown", from_state="posting", hold=600)
    await leave("over")
    if when != "over":
        await one.reserve(steps=[final(key, Outcome.UNKNOWN)], channels=1)
    await leave("settled")
    return one, key


@pytest.mark.parametrize("when", WHEN)
async def test_who_was_withdrawn_is_not_called_again_though_nobody_was_called(
    scene: Opens, when: str
) -> None:
    """That the call was not placed makes nobody due who has left, before or after it was known."""
    one, key = await left(scene, when)
    for _ in range(2):
        await unknowns.resolve(one.store, one.run, key, "not-placed")
    await one.reserve(steps=[final(key, Outcome.UNKNOWN)], channels=0)
    assert await by_outcome(one) == {"due": 1, "withdrawn": 1}
    found = await one.reserve()
    assert [(await one.attempts())[each].n for each in found.keys] == [2]
    ends = [row for row in await one.decisions() if row.n == 1 and row.what == "blocked"]
    assert [row.why for row in ends] == ["withdrawn"]


@pytest.mark.parametrize("when", WHEN)
async def test_who_was_withdrawn_is_not_called_again_after_the_call_that_was_found(
    scene: Opens, when: str
) -> None:
    """It is followed to its end, and the retry that the rules ask for is not made."""
    one, key = await left(scene, when)
    await unknowns.resolve(one.store, one.run, key, "placed", call=77)
    assert (await by_outcome(one)) == {"due": 2}
    await one.finish([key])
    await one.reserve(steps=[retry(key)], channels=0)
    assert await by_outcome(one) == {"due": 1, "withdrawn": 1}
    one.clock.now += 3_600
    assert len((await one.reserve()).keys) == 1


@pytest.mark.parametrize("when", WHEN)
async def test_who_was_withdrawn_ends_as_the_person_says(scene: Opens, when: str) -> None:
    """The call that was being made was answered: that is what the contact came to."""
    one, key = await left(scene, when)
    await unknowns.resolve(one.store, one.run, key, "done", call=9, outcome=Outcome.ANSWERED)
    assert await by_outcome(one) == {"answered": 1, "due": 1}


async def test_what_is_resolved_is_not_resolved_otherwise(scene: Opens) -> None:
    """A call that the API has shown meanwhile decides against `not-placed`."""
    one, key = await parked(scene)
    await giving_up.keys_given_up(one.store, [(key, 5)])
    with pytest.raises(RunError, match="knows call 5"):
        await unknowns.resolve(one.store, one.run, key, "not-placed")
    with pytest.raises(RunError, match="has shown call 5"):
        await unknowns.resolve(one.store, one.run, key, "placed", call=6)
    await unknowns.resolve(one.store, one.run, key, "placed")
    with pytest.raises(RunError, match="already resolved, as placed"):
        await unknowns.resolve(one.store, one.run, key, "done", outcome=Outcome.BUSY)
    with pytest.raises(RunError, match="has no attempt"):
        await unknowns.resolve(one.store, one.run, "x", "not-placed")


async def test_after_the_end_only_what_is_written_is_corrected(scene: Opens) -> None:
    """Nobody is dialed for a run, or a lane, that has ended, and no call of it is followed."""
    one, key = await parked(scene)
    await stop(one.store, one.run, "enough")
    assert await tracking.finish_lane(one.store, one.run, 0)
    with pytest.raises(RunError, match="nobody would follow the call"):
        await unknowns.resolve(one.store, one.run, key, "placed", call=7)
    await close(one.store, one.run)
    await unknowns.resolve(one.store, one.run, key, "not-placed")
    assert await by_outcome(one) == {"due": 1, "not_placed": 1}


async def test_a_lane_does_not_finish_on_what_was_just_given_back(scene: Opens) -> None:
    """The contact that a person made due again is dialed, however late that was said."""
    one, key = await parked(scene)
    keys = await one.place()
    await one.finish(keys)
    await one.reserve(steps=[final(each) for each in keys])
    await unknowns.resolve(one.store, one.run, key, "not-placed")
    assert not await tracking.finish_lane(one.store, one.run, 0)
    assert len((await one.reserve()).keys) == 1
