"""What carries a run: its workflows at Temporal, and the workers that take their work.

Who imports this loads Temporal's client, which takes a third of a second: what only reads the store
or a file does without.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress

from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.enums.v1 import EventType
from temporalio.api.workflowservice.v1 import GetWorkflowExecutionHistoryReverseRequest
from temporalio.client import (
    Client,
    RPCTimeoutOrCancelledError,
    WorkflowExecutionStatus,
    WorkflowFailureError,
    WorkflowUpdateFailedError,
)
from temporalio.common import WorkflowIDConflictPolicy, WorkflowIDReusePolicy
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.envconfig import ClientConnectConfig
from temporalio.service import RPCError, RPCStatusCode

from console.carried import Carried, Workers
from console.connected import workers_of
from console.engine import Change
from console.failures import CommandError
from store import runs
from store.engine import Store
from store.runs import Run
from workflows.campaign import CampaignWorkflow
from workflows.lane import LaneWorkflow
from workflows.messages import CampaignInput, PauseRequest, ResumeRequest, StopRequest, Wake
from workflows.names import campaign_id, lane_id

CONNECT_SECONDS = 10.0
UPDATE_SECONDS = 5.0
TURN = "advance"
NEWEST_EVENTS = 12
"""Events among which a lane's newest turn has its end: waiting for the next round takes five."""
_TRIED_AGAIN = (
    EventType.EVENT_TYPE_TIMER_STARTED,
    EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED,
)


async def connect(config: ClientConnectConfig) -> Client:
    """Connect to Temporal and see that it answers; raises `CommandError` when it does not."""
    address = config.get("target_host", "")
    try:
        async with asyncio.timeout(CONNECT_SECONDS):
            client = await Client.connect(**config, data_converter=pydantic_data_converter)
            await client.count_workflows()
    except TimeoutError:
        reason = f"no answer within {CONNECT_SECONDS:.0f} seconds"
    except RPCError as error:
        reason = error.message
    except RuntimeError as error:
        reason = str(error).removeprefix("Failed client connect: ").partition("\n")[0]
    else:
        return client
    raise CommandError(f"Temporal does not answer at {address}: {reason}. Nothing was started.")


async def queue_of(client: Client, run: Run, queue: str) -> str:
    """Return the queue that the work of a run waits in: its workflow's, else this one."""
    with suppress(RPCError):
        handle = client.get_workflow_handle(campaign_id(run.campaign, run.id))
        queue = (await handle.describe()).task_queue
    return queue


async def wake_lanes(client: Client, run: Run) -> None:
    """Let every lane of a run look at the store now; one that has finished needs nothing."""
    for lane in range(run.lanes):
        handle = client.get_workflow_handle(lane_id(run.campaign, run.id, lane))
        try:
            await handle.signal(LaneWorkflow.wake, Wake())
        except RPCError as error:
            if error.status != RPCStatusCode.NOT_FOUND:
                raise CommandError(error.message) from None


async def begin_dialing(store: Store, client: Client, run: Run, queue: str) -> None:
    """Let an imported run dial. Should Temporal fail now, the run is given up and says so."""
    await runs.mark_ready(store, run.id)
    try:
        await carry(client, run, queue)
    except (RPCError, RuntimeError) as error:
        await runs.abandon(store, run.id, "Temporal did not take it")
        raise CommandError(
            f"Temporal did not take the campaign: {error}. Nobody was called."
        ) from None


async def carry(client: Client, run: Run, queue: str) -> None:
    """See to it that a workflow carries this open run. Twice is the same as once.

    The store is the authority: a run whose workflow was lost goes on under a new one, and no
    attempt that was made is made again.
    """
    await client.start_workflow(
        CampaignWorkflow.run,
        CampaignInput(run=run.id),
        id=campaign_id(run.campaign, run.id),
        task_queue=queue,
        id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE,
        id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
    )


async def tell_workflow(client: Client, run: Run, change: Change, *, hang_up: bool) -> None:
    """Tell the run's workflow of a change that the store already holds.

    Raises `CommandError` when it cannot be told; the change holds all the same.
    """
    handle = client.get_workflow_handle_for(CampaignWorkflow.run, campaign_id(run.campaign, run.id))
    try:
        if change == "pause":
            await handle.execute_update(CampaignWorkflow.pause, PauseRequest(reason=run.reason))
        elif change == "resume":
            await handle.execute_update(CampaignWorkflow.resume, ResumeRequest())
        else:
            await handle.execute_update(
                CampaignWorkflow.stop, StopRequest(reason=run.reason, hang_up=hang_up)
            )
    except WorkflowUpdateFailedError as error:
        raise CommandError(str(error.cause)) from None
    except RPCError as error:
        raise CommandError(error.message) from None


async def stalled_because(client: Client, run: Run, *, silence: bool = True) -> str | None:
    """Return the newest failure of what carries the run and is being tried again, or None.

    Without `silence` only what a worker has said of itself counts: a turn that another worker has
    taken over from one that was killed goes on well.
    """
    ids = [campaign_id(run.campaign, run.id)]
    ids += [lane_id(run.campaign, run.id, lane) for lane in range(run.lanes)]
    found = await asyncio.gather(*(_failure(client, id_, silence=silence) for id_ in ids))
    return next((reason for reason in found if reason is not None), None)


async def _failure(client: Client, workflow_id: str, *, silence: bool) -> str | None:
    handle = client.get_workflow_handle(workflow_id)
    try:
        described = await handle.describe()
        for pending in described.raw_description.pending_activities:
            failure = pending.last_failure
            said = failure.HasField("application_failure_info")
            if pending.attempt > 1 and failure.message and (said or silence):
                name = pending.activity_type.name
                what = "a turn" if name == TURN else name
                return f"{what} fails (attempt {pending.attempt}): {failure.message}"
        is_open = described.status == WorkflowExecutionStatus.RUNNING
        return await _newest_failure(client, workflow_id) if is_open else None
    except RPCError:
        return None


async def _newest_failure(client: Client, workflow_id: str) -> str | None:
    """Return why the newest activity that is over failed and is tried again, else None.

    A lane waits between two rounds of a turn that fails; nothing is pending then. A pause that was
    refused failed, too, and nothing comes after it.
    """
    answer = await client.workflow_service.get_workflow_execution_history_reverse(
        GetWorkflowExecutionHistoryReverseRequest(
            namespace=client.namespace,
            execution=WorkflowExecution(workflow_id=workflow_id),
            maximum_page_size=NEWEST_EVENTS,
        )
    )
    again = False
    for event in answer.history.events:
        if event.event_type in _TRIED_AGAIN:
            again = True
        elif event.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_COMPLETED:
            return None
        elif event.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_FAILED:
            if not again:
                return None
            failure = event.activity_task_failed_event_attributes.failure
            return f"a turn has failed and is tried again: {failure.message}"
    return None


async def workflow_trouble(client: Client, store: Store, run_id: str) -> str | None:
    """Say why an open run's workflow does not carry it any more, or None while it does."""
    run = await runs.get_run(store, run_id)
    handle = client.get_workflow_handle(campaign_id(run.campaign, run.id))
    try:
        status = (await handle.describe()).status
        if status == WorkflowExecutionStatus.RUNNING:
            return None
        # It writes the end of the run before its own, so now the run must have ended.
        if not (await runs.get_run(store, run_id)).is_open:
            return None
        await handle.result()
        reason = "it ended without closing the run"
    except WorkflowFailureError as error:
        cause = error.cause
        while cause.__cause__ is not None:
            cause = cause.__cause__
        reason = str(cause)
    except RPCError as error:
        if error.status != RPCStatusCode.NOT_FOUND:
            return None  # Temporal does not answer just now; it is asked again
        reason = "Temporal does not know it"
    return f"The workflow of run {run_id} has failed while the run is open: {reason}"


async def carried(
    config: ClientConnectConfig, working: Sequence[Run], queue: str
) -> dict[str, Carried]:
    """Look at Temporal for each run that has work to do; nothing is known while it is away.

    All at once, and at each queue once: a look may take a second.
    """
    found = {run.id: Carried() for run in working}
    asked: dict[str, asyncio.Task[Workers]] = {}

    async def look(client: Client, run: Run) -> None:
        its = await queue_of(client, run, queue)
        if its not in asked:
            asked[its] = asyncio.create_task(workers_of(client, its))
        workers, trouble = await asyncio.gather(
            asked[its], stalled_because(client, run, silence=False)
        )
        found[run.id] = Carried(workers, trouble)

    with suppress(TimeoutError, CommandError):
        async with asyncio.timeout(UPDATE_SECONDS):
            client = await connect(config)
            await asyncio.gather(*(look(client, run) for run in working))
    return found


async def tell(
    config: ClientConnectConfig, run: Run, change: Change, *, hang_up: bool
) -> str | None:
    """Tell the run's workflow of a change that the store holds; returns why it could not."""
    try:
        async with asyncio.timeout(UPDATE_SECONDS):
            await tell_workflow(await connect(config), run, change, hang_up=hang_up)
    except RPCTimeoutOrCancelledError:  # what the SDK makes of the end of our patience
        return "no worker has taken it up so far"
    except (TimeoutError, CommandError) as error:
        return str(error).partition(". ")[0] or "Temporal does not answer"
    return None


async def wake(config: ClientConnectConfig, run: Run) -> bool:
    """Let lanes that wait look at the store now; whether Temporal was there to tell them."""
    try:
        async with asyncio.timeout(UPDATE_SECONDS):
            await wake_lanes(await connect(config), run)
    except (TimeoutError, CommandError):
        return False
    return True
