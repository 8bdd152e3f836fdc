"""Pause, resume, stop and cancel: what they hold back, and what they never let go of."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select
from temporalio import activity
from temporalio.api.sdk.v1 import WorkflowMetadata
from temporalio.client import Client, WorkflowHandle, WorkflowUpdateFailedError
from temporalio.service import RPCError, RPCStatusCode
from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput, Interceptor

from console import carrying
from console.engine import Change
from store import roster, runs
from store.schema import attempts
from tests.workflows.stage import (
    CampaignRun,
    Stage,
    campaign,
    keys,
    open_stage,
    people,
    rule,
    until,
)
from workflows.campaign import CampaignWorkflow
from workflows.messages import PauseRequest, ResumeRequest, StopRequest

ONE_CHANNEL = {"channels": "1", "calls_per_second": "50"}
LONG = {"outcome": "answer", "ring": 1, "talk": 500}
"""At the speed of these tests a minute lasts a third of a second; this call lasts three."""
RINGING = {"outcome": "answer", "ring": 7_200}
"""A call that rings until it is hung up."""


async def details(handle: WorkflowHandle[Any, Any]) -> str:
    """Return what Temporal's own interface shows of a workflow."""
    answer = await handle.query("__temporal_workflow_metadata", result_type=WorkflowMetadata)
    text: str = answer.current_details
    return text


async def some_live(run: CampaignRun) -> None:
    """Wait until the provider carries a call of the run."""
    await until(run.live, what="a call is live")


async def test_pause_holds_retries_and_first_attempts(working: Stage) -> None:
    """Nobody is called during a pause, due or not; after it everybody is."""
    working.script("busy", "answer")
    working.script("answer", to=1)
    definition = campaign(
        pacing=ONE_CHANNEL,
        retry=[rule(leg="contact", status=["ocupado"], after="1s", times="3")],
    )
    run = await working.start(definition, people(3))
    await until(run.calls, what="the first call")
    changed = await run.handle.execute_update(CampaignWorkflow.pause, PauseRequest(reason="lunch"))
    assert (changed.state, changed.reason) == ("paused", "lunch")
    await until(lambda: not run.live(), what="the live call ends")

    before = len(run.calls())
    ended = working.clock()
    await until(lambda: working.clock() > ended + 2.0, what="the retry is overdue")
    assert len(run.calls()) == before < 4
    progress = await run.handle.query(CampaignWorkflow.progress)
    assert (progress.state, progress.reason) == ("paused", "lunch")
    assert "paused (lunch)" in await details(run.handle)

    again = await run.handle.execute_update(CampaignWorkflow.pause, PauseRequest(reason="twice"))
    assert again.reason == "lunch"
    resumed = await run.handle.execute_update(CampaignWorkflow.resume, ResumeRequest())
    assert resumed.state == "running"
    result = await run.result()
    assert result.state == "completed"
    assert len(run.calls()) == 4
    assert sum(result.by_outcome.values()) == 3


async def test_stop_drains(working: Stage) -> None:
    """After a stop nothing is placed, live calls are followed to their end, and the rest is due."""
    for index in range(3):
        working.script(LONG, to=index)
    run = await working.start(campaign(pacing=ONE_CHANNEL), people(3))
    await some_live(run)
    changed = await run.handle.execute_update(CampaignWorkflow.stop, StopRequest(reason="enough"))
    assert changed.state == "stopping"

    result = await run.result()
    (call,) = run.calls()
    assert result.state == "stopped"
    assert result.reason == "enough"
    assert result.by_outcome == {"answered": 1, "due": 2}
    assert call["hung_up_by_api"] is False
    assert (await run.state()).ended_at >= call["ended_at"]


async def test_stop_with_hang_up_frees_nothing_before_the_end(
    client: Client, tmp_path: Path
) -> None:
    """A call that we hang up keeps its number and channel until the provider says it is over."""
    async with open_stage(client, tmp_path, hangup_delay=200.0) as stage, stage.worker():
        for index in range(3):
            stage.script(RINGING, to=index)
        run = await stage.start(campaign(), people(3))
        await until(lambda: len(run.live()) == 3, what="three calls are live")
        await run.handle.execute_update(CampaignWorkflow.stop, StopRequest(hang_up=True))
        result = await run.result()

        ended = {keys([call])[0]: call["ended_at"] for call in run.calls()}
        assert all(call["hung_up_by_api"] for call in run.calls())
        async with stage.store.read() as connection:
            rows = (await connection.execute(select(attempts.c.key, attempts.c.ended_at))).all()
        assert {row.key for row in rows} == set(ended)
        assert all(row.ended_at >= ended[row.key] for row in rows)
        assert result.state == "stopped"
        assert result.by_outcome == {"hung_up": 3}


async def test_a_call_adopted_after_the_stop_is_hung_up_too(working: Stage) -> None:
    """A call whose answer was lost is found by its key and ended, before the run ends."""
    working.script(RINGING)
    working.sandbox.faults(lost_answer=1.0)
    run = await working.start(campaign(reconcile={"quiet": "20s"}), people(1))
    await some_live(run)
    await run.handle.execute_update(CampaignWorkflow.stop, StopRequest(hang_up=True))

    result = await run.result()
    (call,) = run.calls()
    assert call["hung_up_by_api"] is True
    assert call["ended_at"] is not None
    assert result.by_outcome == {"hung_up": 1}


async def test_a_stop_can_gain_the_hang_up(working: Stage) -> None:
    """A second stop ends the live calls that the first one let go on."""
    working.script(RINGING)
    run = await working.start(campaign(), people(1))
    await some_live(run)
    await run.handle.execute_update(CampaignWorkflow.stop, StopRequest())
    await run.handle.execute_update(CampaignWorkflow.stop, StopRequest(hang_up=True))
    assert (await run.result()).by_outcome == {"hung_up": 1}


async def test_updates_that_make_no_sense_are_refused(working: Stage) -> None:
    """A run that is stopping is neither paused nor resumed, and one that has ended is gone."""
    working.script(LONG)
    run = await working.start(campaign(), people(1))
    await some_live(run)
    await run.handle.execute_update(CampaignWorkflow.stop, StopRequest())
    with pytest.raises(WorkflowUpdateFailedError) as refused:
        await run.handle.execute_update(CampaignWorkflow.pause, PauseRequest())
    assert str(refused.value.cause) == "the run is stopping: there is nothing to pause"
    with pytest.raises(WorkflowUpdateFailedError) as refused:
        await run.handle.execute_update(CampaignWorkflow.resume, ResumeRequest())
    assert str(refused.value.cause) == "the run is stopping and cannot be resumed"

    await run.result()
    with pytest.raises(RPCError) as gone:
        await run.handle.execute_update(CampaignWorkflow.pause, PauseRequest())
    assert gone.value.status == RPCStatusCode.NOT_FOUND


@pytest.mark.parametrize("change", ["pause", "resume", "stop"])
async def test_a_change_without_any_worker_is_made_and_said_to_be_heard_of_later(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, change: Change
) -> None:
    """Temporal answers and nobody works: the command ends soon, and says why nobody has heard."""
    started = await stage.start(campaign(), people(1))
    run = await runs.get_run(stage.store, started.id)

    async def connect(_: object) -> Client:
        return stage.client

    monkeypatch.setattr(carrying, "connect", connect)
    monkeypatch.setattr(carrying, "UPDATE_SECONDS", 0.3)
    reason = await carrying.tell({}, run, change, hang_up=False)
    assert reason == "no worker has taken it up so far"


async def test_the_store_has_the_last_word(working: Stage) -> None:
    """An update that the workflow would allow fails in words where the store knows better."""
    working.script(LONG)
    run = await working.start(campaign(), people(1))
    await some_live(run)
    await runs.stop(working.store, run.id, "written while Temporal was down")
    with pytest.raises(WorkflowUpdateFailedError) as refused:
        await run.handle.execute_update(CampaignWorkflow.pause, PauseRequest())
    message = str(refused.value.cause)
    assert "stopping" in message
    known = await runs.get_run(working.store, run.id)
    trouble = await carrying.stalled_because(working.client, known, silence=False)
    assert trouble is None, "what was refused has not kept the run from going on"
    assert (await run.result()).reason == "written while Temporal was down"


async def test_a_state_written_while_temporal_was_down_is_seen(working: Stage) -> None:
    """Pause and resume bind and are told to the campaign's workflow without any update."""
    working.script(RINGING)
    run = await working.start(campaign(pacing=ONE_CHANNEL), people(2))
    await some_live(run)
    await runs.pause(working.store, run.id, "written to the store")

    async def told() -> bool:
        seen = await run.handle.query(CampaignWorkflow.progress)
        return (seen.state, seen.reason) == ("paused", "written to the store")

    await until(told, what="the workflow knows of the pause")
    assert "paused (written to the store)" in await details(run.handle)
    await runs.resume(working.store, run.id)

    async def going() -> bool:
        return (await run.handle.query(CampaignWorkflow.progress)).state == "running"

    await until(going, what="the workflow knows that the run goes on")
    await runs.stop(working.store, run.id, "", hang_up=True)
    assert (await run.result()).by_outcome == {"hung_up": 1, "due": 1}


async def test_a_cancelled_workflow_is_a_stopped_run(working: Stage) -> None:
    """Cancelling stops the run and follows its calls to their end, instead of leaving them."""
    working.script(LONG)
    run = await working.start(campaign(pacing=ONE_CHANNEL), people(2))
    await some_live(run)
    await run.handle.cancel()

    result = await run.result()
    (call,) = run.calls()
    assert (result.state, result.reason) == ("stopped", "the workflow was cancelled")
    assert result.by_outcome == {"answered": 1, "due": 1}
    assert (await run.state()).ended_at >= call["ended_at"]


async def test_a_workflow_cancelled_before_its_first_step_stops_too(stage: Stage) -> None:
    """A run is never left open in the store by a cancellation that came too early."""
    run = await stage.start(campaign(), people(2))
    await run.handle.cancel()
    async with stage.worker():
        result = await run.result()
    assert result.state == (await run.state()).state == "stopped"
    assert run.live() == []


class _Before(ActivityInboundInterceptor):
    def __init__(self, following: ActivityInboundInterceptor, owner: BeforeClose) -> None:
        super().__init__(following)
        self._owner = owner

    async def execute_activity(self, input: ExecuteActivityInput) -> Any:  # noqa: A002 - the SDK's
        if activity.info().activity_type == "close":
            await self._owner.what()
        return await super().execute_activity(input)


class BeforeClose(Interceptor):
    """Does something while the workflow waits for the run to be closed."""

    what: Callable[[], Awaitable[None]]

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:  # noqa: A002 - the SDK's
        """Put it before the closing."""
        return _Before(next, self)


async def test_a_run_that_is_cancelled_while_it_closes_stops_though_somebody_came(
    stage: Stage,
) -> None:
    """Contacts that come last open its lanes again; the cancel holds, and they are not called."""
    before = BeforeClose()
    async with stage.worker(interceptors=[before]):
        run = await stage.start(campaign(), people(1))

        async def come_and_cancel() -> None:
            before.what = nothing
            await roster.add(
                stage.store, run.id, people(2, first=10), by_id=False, source="mais.csv"
            )
            await run.handle.cancel()

        async def nothing() -> None:
            """Let it close."""

        before.what = come_and_cancel
        result = await run.result()
    assert (result.state, result.reason) == ("stopped", "the workflow was cancelled")
    assert result.by_outcome == {"answered": 1, "due": 2}
    assert len(run.calls()) == 1
