"""Lanes: several at once, and one that goes on as a new run again and again."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from temporalio.client import Client, WorkflowHistory
from temporalio.testing import WorkflowEnvironment

from store.importing import lane_of
from tests.workflows.stage import (
    TEMPORAL,
    TIMERS,
    Stage,
    campaign,
    keys,
    live_twice,
    new_run_id,
    open_stage,
    people,
    rule,
    until,
)
from workflows.campaign import CampaignWorkflow
from workflows.environment import DATA_CONVERTER
from workflows.messages import LaneInput, PauseRequest, Progress, ResumeRequest

SHORT_HISTORIES = ["--dynamic-config-value", "limit.historyCount.suggestContinueAsNew=12"]
RETRY = [rule(leg="contact", status=["ocupado"], after="1s", times="3")]


@pytest.fixture
async def forgetful() -> AsyncIterator[Client]:
    """Give the test a server that wants histories of a dozen events."""
    environment = await WorkflowEnvironment.start_local(
        dev_server_existing_path=TEMPORAL,
        dev_server_log_level="error",
        dev_server_extra_args=[*TIMERS, *SHORT_HISTORIES],
        data_converter=DATA_CONVERTER,
    )
    async with environment:
        yield environment.client


async def lane_input(history: WorkflowHistory) -> LaneInput:
    """Return what a lane's run was started with."""
    started = history.events[0].workflow_execution_started_event_attributes
    (given,) = await DATA_CONVERTER.decode(started.input.payloads, [LaneInput])
    assert isinstance(given, LaneInput)
    return given


async def test_a_lane_goes_on_with_its_counters_and_decisions(
    forgetful: Client, tmp_path: Path
) -> None:
    """Continue-as-new carries what was counted and what was decided and not yet settled."""
    async with open_stage(forgetful, tmp_path) as stage, stage.worker():
        for index in range(4):
            stage.script("busy", "busy", "answer", to=index)
        run = await stage.start(campaign(retry=RETRY), people(4))
        result = await run.result()

        calls = run.calls()
        assert result.by_outcome == {"answered": 4}
        assert len(set(keys(calls))) == len(calls) == 12
        lane = [item for item in await run.histories() if "/lane/" in item.workflow_id]
        assert len(lane) > 2
        inputs = [await lane_input(history) for history in lane]
        turns = [given.counters.turns for given in inputs]
        assert turns == sorted(set(turns))
        assert any(given.steps for given in inputs)
        assert all(
            given.counters.decided == given.counters.retried + given.counters.finished
            for given in inputs
        )
        counters = (await run.lane().result())["counters"]
        assert (counters["posted"], counters["retried"], counters["finished"]) == (12, 8, 4)


async def test_a_signal_finds_a_lane_that_has_gone_on(forgetful: Client, tmp_path: Path) -> None:
    """Pause and resume reach a lane whose first run is over."""
    async with open_stage(forgetful, tmp_path) as stage, stage.worker():
        stage.script("busy", {"outcome": "answer", "ring": 7_200})
        run = await stage.start(campaign(retry=RETRY), people(1))
        await until(lambda: len(run.calls()) == 2, what="the second call")
        await run.handle.execute_update(CampaignWorkflow.pause, PauseRequest())
        await run.handle.execute_update(CampaignWorkflow.resume, ResumeRequest())
        stage.script("answer")
        calls = stage.sandbox.ledger()
        await stage.voice.hang_up(calls[-1]["id"])
        result = await run.result()
        assert result.state == "completed"
        assert sum(result.by_outcome.values()) == 1


async def test_two_lanes_share_the_people(working: Stage) -> None:
    """Each lane calls its own hash share, and their counters add up in the campaign's answer."""
    run_id = new_run_id()
    for index in range(8):
        working.script("answer", to=index)
    run = await working.start(campaign(), people(8), lanes=2, run_id=run_id)
    result = await run.result()

    calls = run.calls()
    assert result.by_outcome == {"answered": 8}
    assert len(set(keys(calls))) == len(calls) == 8
    assert live_twice(calls) == []
    shares = [sum(lane_of(run_id, n, 2) == lane for n in range(1, 9)) for lane in (0, 1)]
    done = [(await run.lane(lane).result())["counters"]["finished"] for lane in (0, 1)]
    assert done == shares
    progress: Progress = await run.handle.query(CampaignWorkflow.progress)
    assert (progress.lanes, progress.lanes_finished) == (2, 2)
    assert progress.counters.finished == progress.counters.posted == 8


async def test_a_finished_lane_stands_in_no_updates_way(working: Stage) -> None:
    """A pause reaches the lane that still works, though another one has ended."""
    run_id = new_run_id()
    lanes = [lane_of(run_id, n, 2) for n in range(1, 5)]
    assert lanes[2] != lanes[3]
    for index in range(3):
        working.script("answer", to=index)
    working.script("busy", "answer", to=3)
    slowly = [rule(leg="contact", status=["ocupado"], after="2s", times="3")]
    run = await working.start(campaign(retry=slowly), people(4), lanes=2, run_id=run_id)

    async def one_is_done() -> bool:
        return (await run.handle.query(CampaignWorkflow.progress)).lanes_finished == 1

    await until(one_is_done, what="one lane has finished")
    changed = await run.handle.execute_update(CampaignWorkflow.pause, PauseRequest())
    assert changed.state == "paused"
    await run.handle.execute_update(CampaignWorkflow.resume, ResumeRequest())
    assert (await run.result()).by_outcome == {"answered": 4}
