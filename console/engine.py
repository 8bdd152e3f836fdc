"""The seam between the command line and the core: all that the console asks of it, in one place."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Literal

from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest
from temporalio.client import (
    Client,
    WorkflowExecutionStatus,
    WorkflowFailureError,
    WorkflowUpdateFailedError,
)
from temporalio.common import WorkflowIDConflictPolicy, WorkflowIDReusePolicy
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.envconfig import ClientConnectConfig
from temporalio.service import RPCError, RPCStatusCode

from activities import intake
from activities.intake import Item, run_id_of
from activities.refusals import InvalidCampaignError, StartRefusedError
from activities.settings import ACCOUNT
from campaigns.contacts import ContactRow, Note, RejectedRow
from campaigns.definition import Campaign
from campaigns.loader import Checked, check
from console.failures import CommandError, InvalidDefinitionError
from console.rejected import RejectedRows, noting
from store import amending, guard_views, reporting, runs
from store.engine import Store, StoreError, open_store
from store.guard_views import GuardView
from store.importing import Imported, ListChangedError
from store.reporting import Progress, Report, RowNote
from store.runs import Run, RunError
from store.schema import accounts
from store.upsert import insert_ignore
from workflows.campaign import CampaignWorkflow
from workflows.lane import LaneWorkflow
from workflows.messages import CampaignInput, PauseRequest, ResumeRequest, StopRequest, Wake
from workflows.names import campaign_id, lane_id

CONNECT_SECONDS = 10.0
UPDATE_SECONDS = 5.0
ROWS_TOLD = 8

Change = Literal["pause", "resume", "stop"]


def new_run_id() -> str:
    """Draw the id of a run."""
    return run_id_of(secrets.randbits(64))


def check_definition(path: Path, *, loopback: bool) -> Checked:
    """Read a campaign file and give everything that is wrong with it."""
    return check(path, loopback=loopback)


def load_definition(path: Path, *, loopback: bool) -> Checked:
    """Read a campaign file; raises `InvalidDefinitionError` with all problems where it has any."""
    checked = check_definition(path, loopback=loopback)
    if checked.campaign is None:
        raise InvalidDefinitionError("\n".join(problem.render() for problem in checked.errors))
    return checked


def load_amended(path: Path, running: Campaign, *, loopback: bool) -> Campaign:
    """Read the file that is to change a running campaign.

    Raises `InvalidDefinitionError` with all problems, also those of changing what may not change.
    """
    checked = check(path, loopback=loopback, running=running)
    if checked.campaign is None:
        raise InvalidDefinitionError("\n".join(problem.render() for problem in checked.errors))
    return checked.campaign


async def amend(store: Store, run_id: str, definition: Campaign, *, known_version: int) -> int:
    """Let a run go on by another definition. Raises `CommandError` where it cannot any more."""
    try:
        return await amending.amend(store, run_id, definition, known_version=known_version)
    except RunError as error:
        raise CommandError(_sentence(str(error))) from None


async def wake_lanes(client: Client, run: Run) -> None:
    """Let every lane of a run look at the store now; one that has finished needs nothing."""
    for lane in range(run.lanes):
        handle = client.get_workflow_handle(lane_id(run.campaign, run.id, lane))
        try:
            await handle.signal(LaneWorkflow.wake, Wake())
        except RPCError as error:
            if error.status != RPCStatusCode.NOT_FOUND:
                raise CommandError(error.message) from None


def list_rows(campaign: Campaign, path: Path) -> Iterator[ContactRow | RejectedRow | Note]:
    """Read the campaign's list, row by row. Raises `InvalidDefinitionError` for the whole list."""
    with telling_refusals():
        yield from intake.list_rows(campaign, path)


def refuse_if_over(campaign: Campaign) -> None:
    """Raise `CommandError` for a campaign whose own end has passed."""
    with telling_refusals():
        intake.refuse_if_over(campaign, time.time())


@contextmanager
def telling_refusals() -> Iterator[None]:
    """Tell why a campaign may not start as the command line does."""
    try:
        yield
    except InvalidCampaignError as error:
        raise InvalidDefinitionError(str(error)) from None
    except StartRefusedError as error:
        raise CommandError(str(error)) from None


def row_note(row: RejectedRow | Note) -> RowNote:
    """Describe a row that was rejected or remarked on, as the store would."""
    return RowNote(
        line=row.line,
        external_id=row.external_id if isinstance(row, RejectedRow) else None,
        column=row.column,
        reason=row.reason,
        message=row.message,
        kept=isinstance(row, Note),
    )


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[Store]:
    """Open the store. Raises `CommandError` when it cannot be opened or used."""
    try:
        async with open_store(url, time.time) as store:
            yield store
    except StoreError as error:
        raise CommandError(_sentence(str(error))) from None
    except RunError as error:
        raise CommandError(_sentence(str(error))) from None


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


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


async def worker_takes_work(client: Client, queue: str, *, host: str | None = None) -> bool:
    """Whether a worker, on this host where one is named, asks this queue for workflow tasks."""
    try:
        answer = await client.workflow_service.describe_task_queue(
            DescribeTaskQueueRequest(
                namespace=client.namespace,
                task_queue=TaskQueue(name=queue),
                task_queue_type=TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW,
            )
        )
    except RPCError:
        return False
    return any(host is None or one.identity.endswith(f"@{host}") for one in answer.pollers)


async def worker_takes(client: Client, run: Run, queue: str) -> bool:
    """Whether a worker asks for the work of a run: of its workflow's queue, else of this one.

    Temporal remembers a worker that was killed for up to five minutes.
    """
    with suppress(RPCError):
        handle = client.get_workflow_handle(campaign_id(run.campaign, run.id))
        queue = (await handle.describe()).task_queue
    return await worker_takes_work(client, queue)


async def runs_of(store: Store) -> list[Run]:
    """List the runs of a store, newest first."""
    return await runs.list_runs(store)


async def progress_of(store: Store, run_id: str) -> Progress:
    """Return how far a run is."""
    return await reporting.progress(store, run_id)


async def report_of(store: Store, run_id: str) -> Report:
    """Return the report of a run."""
    return await reporting.report(store, run_id)


async def guards_of(store: Store, run_id: str) -> tuple[GuardView, ...]:
    """Return the guards of a run and what each has counted."""
    return await guard_views.views(store, run_id)


async def rows_of(store: Store, run_id: str) -> list[RowNote]:
    """Return the rejected rows of a run's list, and the remarks about others."""
    return await reporting.row_notes(store, run_id)


async def interrupted_run(store: Store, campaign: Campaign) -> Run | None:
    """Return the open run of this campaign, or None. Nobody carries it while no stack runs."""
    for run in await runs.list_runs(store, open_only=True):
        if run.campaign == campaign.campaign and run.state != "preparing":
            return run
    return None


async def has_rules(store: Store, run: Run, campaign: Campaign) -> bool:
    """Whether the run still dials by exactly this definition."""
    definition, _ = await runs.get_definition(store, run.id)
    return definition == campaign


async def know_account(store: Store) -> None:
    """See to it that the store knows the account; its caps are the worker's to set."""
    async with store.write() as connection:
        await connection.execute(insert_ignore(store, accounts), {"id": ACCOUNT})


async def import_list(
    store: Store,
    campaign: Campaign,
    path: Path,
    on_progress: Callable[[Imported], None],
    say: Callable[[str], None] = lambda _: None,
    *,
    run_id: str | None = None,
    rejected: RejectedRows | None = None,
) -> Run:
    """Create a run and read its lists into the store; it cannot dial yet.

    An import of this very definition that was killed goes on where it stopped, as its own run, if
    the list still begins as it did. Raises `InvalidDefinitionError` for a list that cannot be used
    or has nobody to call, and `CommandError` when the campaign is already running, or when the
    rules require a registry that is missing. In each case nothing is left that dials. Rows that are
    no contacts are written to `rejected` as well.
    """

    def through(items: Iterator[Item]) -> Iterator[Item]:
        return items if rejected is None else noting(items, rejected)

    async def read_into(run: str, *, go_on: bool) -> Run:
        try:
            with telling_refusals():
                await intake.fill_run(
                    store,
                    run,
                    ACCOUNT,
                    campaign,
                    path,
                    on_progress=on_progress,
                    say=say,
                    through=through,
                    go_on=go_on,
                )
        except RunError:
            raise  # another command has taken this run over, and goes on with it
        except BaseException:
            await runs.abandon(store, run, "it was not let start")
            raise
        return await runs.get_run(store, run)

    left = await runs.take_over(store, account=ACCOUNT, definition=campaign)
    if left is not None:
        try:
            say(f"Going on with run {left}, whose import was interrupted.")
            return await read_into(left, go_on=True)
        except ListChangedError:
            say("The list has changed since then, so it is read anew.")
            if rejected is not None:
                rejected.begin_again()
    run_id = run_id or new_run_id()
    await runs.create_run(store, run_id=run_id, account=ACCOUNT, definition=campaign)
    return await read_into(run_id, go_on=False)


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


async def write_change(store: Store, run_id: str, change: Change, *, hang_up: bool) -> Run:
    """Write a pause, resume or stop to the store, which binds every worker at once."""
    if change == "pause":
        return await runs.pause(store, run_id, "paused by hand")
    if change == "resume":
        return await runs.resume(store, run_id)
    return await runs.stop(store, run_id, "stopped by hand", hang_up=hang_up)


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


async def stalled_because(client: Client, run: Run) -> str | None:
    """Return the newest failure of what carries the run and is being tried again, or None."""
    ids = [campaign_id(run.campaign, run.id)]
    ids += [lane_id(run.campaign, run.id, lane) for lane in range(run.lanes)]
    for workflow_id in ids:
        try:
            described = await client.get_workflow_handle(workflow_id).describe()
        except RPCError:
            continue
        for pending in described.raw_description.pending_activities:
            if pending.attempt > 1 and pending.last_failure.message:
                name = pending.activity_type.name
                return f"{name} fails (attempt {pending.attempt}): {pending.last_failure.message}"
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
