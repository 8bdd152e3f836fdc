"""Contacts that come and go while a run dials, as the provider saw it."""

from __future__ import annotations

from temporalio.client import WorkflowHandle

from store import roster
from tests.workflows.stage import CampaignRun, Stage, campaign, e164, people, person, rule, until
from workflows.lane import LaneWorkflow
from workflows.messages import Wake

SLOW = campaign(
    pacing={"channels": "1", "calls_per_second": "50"},
    retry=[rule(leg="contact", status=["ocupado"], after="1s", times="3")],
)


async def woken(run: CampaignRun) -> None:
    """Let the lane look at the store now, as the command does."""
    handle: WorkflowHandle[LaneWorkflow, object] = run.lane()
    await handle.signal(LaneWorkflow.wake, Wake())


async def test_who_is_withdrawn_is_called_no_more_and_who_is_added_is_called(
    working: Stage,
) -> None:
    """Of ten people the last leave, one in the middle of retries; two new ones are called once."""
    working.script("busy", to=0)
    run = await working.start(SLOW, people(10))
    await until(lambda: len(run.calls()) >= 2, what="two calls")
    gone = ["row-2", "row-9", "row-10", "row-11"]
    await roster.withdraw(working.store, run.id, gone)
    called_before = [call["numero_origem"] for call in run.calls()]
    await roster.add(working.store, run.id, people(2, first=20), by_id=False, source="x")
    await woken(run)
    result = await run.result()

    called = [call["numero_origem"] for call in run.calls()]
    assert called.count(e164(person(0))) <= called_before.count(e164(person(0))) + 1
    for index in (7, 8, 9):
        assert e164(person(index)) not in called
    for index in (20, 21):
        assert called.count(e164(person(index))) == 1
    assert result.by_outcome["withdrawn"] >= 3
    assert sum(result.by_outcome.values()) == 12


async def test_a_run_whose_lanes_had_finished_goes_on_for_who_came_last(working: Stage) -> None:
    """Added between the end of the last lane and the end of the run: called all the same."""
    run = await working.start(SLOW, people(1))
    await until(lambda: len(run.calls()) == 1, what="the first call")
    added = await roster.add(
        working.store, run.id, people(3, first=30), by_id=False, source="mais.csv"
    )
    assert added.total == 3
    result = await run.result()
    assert len({call["numero_origem"] for call in run.calls()}) == 4
    assert sum(result.by_outcome.values()) == 4
