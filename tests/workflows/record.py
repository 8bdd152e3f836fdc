"""Records the histories under tests/histories/: run it when a new branch deserves one.

    python -m tests.workflows.record [NAME ...]

A history that is there stays as it is unless it is named: it stands for what workers in the field
have done, and today's code must still replay it. Each is a real run against the local API.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from temporalio import activity
from temporalio.client import Client
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput, Interceptor

from activities.intake import scheduled_run_id
from store import runs
from tests.workflows.stage import (
    TEMPORAL,
    TIMERS,
    CampaignRun,
    Stage,
    campaign,
    open_stage,
    people,
    person_row,
    row,
    rule,
    until,
    write_campaign,
)
from tests.workflows.stage import person as number_of
from workflows.campaign import CampaignWorkflow
from workflows.environment import DATA_CONVERTER
from workflows.messages import (
    CampaignResult,
    PauseRequest,
    ResumeRequest,
    ScheduledInput,
    StopRequest,
)
from workflows.names import campaign_id
from workflows.scheduled import ScheduledWorkflow

FOLDER = Path(__file__).parents[1] / "histories"
BUSY = rule(leg="contact", status=["ocupado"], after="1s", times="2")
SHORT_HISTORIES = ("--dynamic-config-value", "limit.historyCount.suggestContinueAsNew=30")


class _FailingActivities(ActivityInboundInterceptor):
    async def execute_activity(self, input: ExecuteActivityInput) -> Any:  # noqa: A002 - the SDK's
        if activity.info().activity_type == "advance" and activity.info().attempt % 2:
            raise ConnectionError("the store is away")
        return await self.next.execute_activity(input)


class Failing(Interceptor):
    """Makes every first attempt of a turn fail."""

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:  # noqa: A002 - the SDK's
        """Stand in front of the activities."""
        return _FailingActivities(next)


async def completed_with_retries(stage: Stage) -> CampaignRun:
    """Busy twice, a second number, and an end."""
    stage.script("answer")
    stage.script("busy", "answer", to=1)
    stage.script("invalid", to=2)
    definition = campaign(
        retry=[BUSY, rule(leg="contact", reasons=["1"], then="next_number")],
        dial_list={"file": "lista.csv", "numbers": ["celular", "fixo"]},
    )
    rows = [*people(2), row(4, number_of(2), number_of(3))]
    run = await stage.start(definition, rows, run_id="recordeda")
    await run.result()
    return run


async def paused_and_resumed(stage: Stage) -> CampaignRun:
    """Pause in the middle, and go on."""
    definition = campaign(pacing={"channels": "2", "calls_per_second": "5"})
    run = await stage.start(definition, people(6), run_id="recordedb")
    await until(lambda: bool(run.calls()), what="the first call")
    await run.handle.execute_update(CampaignWorkflow.pause, PauseRequest(reason="recorded"))
    await until(lambda: not run.live(), what="the end of the live calls")
    await run.handle.execute_update(CampaignWorkflow.resume, ResumeRequest())
    await run.result()
    return run


async def stopped_with_hang_up(stage: Stage) -> CampaignRun:
    """Live calls are ended and the rest is left due."""
    definition = campaign(pacing={"channels": "2", "calls_per_second": "20"})
    run = await stage.start(definition, people(8), run_id="recordedc")
    await until(lambda: bool(run.live()), what="a live call")
    await run.handle.execute_update(CampaignWorkflow.stop, StopRequest(hang_up=True))
    await run.result()
    return run


async def failed_by_the_token(stage: Stage) -> CampaignRun:
    """Let the API refuse the account."""
    run = await stage.start(campaign(), people(3), run_id="recordedd")
    await run.result()
    return run


async def a_lost_answer(stage: Stage) -> CampaignRun:
    """Answers are lost, adopted, or proven absent."""
    stage.sandbox.faults(lost_answer=0.5, error_before=0.3)
    run = await stage.start(campaign(), people(6), run_id="recordede")
    await run.result()
    return run


async def parked(stage: Stage) -> CampaignRun:
    """Leave to a person what cannot be found out."""
    stage.sandbox.faults(error_before=1.0)
    definition = campaign(reconcile={"quiet": "1s", "then": "park"})
    run = await stage.start(definition, people(2), run_id="recordedf")
    await run.result(60)
    return run


async def stopped_in_the_store(stage: Stage) -> CampaignRun:
    """Stop in the store alone, and cancel the workflow after it."""
    definition = campaign(pacing={"channels": "1", "calls_per_second": "2"})
    run = await stage.start(definition, people(5), run_id="recordedg")
    await until(lambda: bool(run.calls()), what="the first call")
    await runs.stop(stage.store, run.id, "recorded")
    await run.handle.cancel()
    await run.result()
    return run


async def continued_as_new(stage: Stage) -> CampaignRun:
    """Go on under a new history when the server says that this one is long enough."""
    stage.script("busy")
    definition = campaign(
        pacing={"channels": "2", "calls_per_second": "20"},
        retry=[rule(leg="contact", status=["ocupado"], after="1s", times="3")],
    )
    run = await stage.start(definition, people(4), run_id="recordedh")
    await run.result(60)
    return run


async def scheduled(stage: Stage) -> CampaignRun:
    """Start by a schedule, and follow the run to its end."""
    file = write_campaign(stage.folder, [person_row(index) for index in range(2)])
    run_id = scheduled_run_id("agendada", "recorded")
    handle = await stage.client.start_workflow(
        ScheduledWorkflow.run,
        ScheduledInput(campaign="agendada", file=str(file)),
        id="recorded",
        task_queue=stage.task_queue,
    )
    await handle.result()
    carried = stage.client.get_workflow_handle(
        campaign_id("agendada", run_id), result_type=CampaignResult
    )
    return CampaignRun(stage=stage, id=run_id, handle=carried, lanes=1, firing=handle.id)


async def turns_that_fail(stage: Stage) -> CampaignRun:
    """Let a turn fail now and then, as a store that is away makes it."""
    run = await stage.start(campaign(), people(3), run_id="recordedi")
    await run.result(60)
    return run


CASES: dict[str, Callable[[Stage], Awaitable[CampaignRun]]] = {
    case.__name__: case
    for case in (
        completed_with_retries,
        paused_and_resumed,
        stopped_with_hang_up,
        failed_by_the_token,
        a_lost_answer,
        parked,
        stopped_in_the_store,
        continued_as_new,
        turns_that_fail,
        scheduled,
    )
}


async def _record(client: Client, name: str) -> None:
    token = "a-wrong-token" if name == "failed_by_the_token" else None
    with tempfile.TemporaryDirectory() as folder:
        failing = [Failing()] if name == "turns_that_fail" else []
        async with (
            open_stage(client, Path(folder), token=token) as stage,
            stage.worker(interceptors=failing),
        ):
            run = await CASES[name](stage)
            for index, history in enumerate(await run.histories()):
                kind = "campaign" if index == 0 else f"lane-{index}"
                (FOLDER / f"{name}.{kind}.json").write_text(history.to_json(), encoding="utf-8")
            if run.firing is not None:
                firing = await client.get_workflow_handle(run.firing).fetch_history()
                (FOLDER / f"{name}.firing.json").write_text(firing.to_json(), encoding="utf-8")
    print(f"recorded {name}")  # noqa: T201 - a script


async def _record_on_a_server(wanted: list[str], *, short: bool) -> None:
    environment = await WorkflowEnvironment.start_local(
        dev_server_existing_path=TEMPORAL,
        dev_server_log_level="error",
        dev_server_extra_args=[*TIMERS, *(SHORT_HISTORIES if short else ())],
        data_converter=DATA_CONVERTER,
    )
    async with environment:
        for name in wanted:
            await _record(environment.client, name)


async def main(names: list[str]) -> None:
    """Record what was named, or what is missing."""
    wanted = names or [name for name in CASES if not (FOLDER / f"{name}.campaign.json").exists()]
    short = [name for name in wanted if name == "continued_as_new"]
    await _record_on_a_server([name for name in wanted if name not in short], short=False)
    await _record_on_a_server(short, short=True)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:]))
