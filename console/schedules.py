"""Schedules of campaigns at Temporal: made of a campaign, looked at, paused and deleted."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from temporalio.client import (
    Client,
    Schedule,
    ScheduleActionExecutionStartWorkflow,
    ScheduleActionStartWorkflow,
    ScheduleAlreadyRunningError,
    ScheduleCalendarSpec,
    ScheduleDescription,
    ScheduleHandle,
    ScheduleOverlapPolicy,
    SchedulePolicy,
    ScheduleRange,
    ScheduleSpec,
    ScheduleUpdate,
    ScheduleUpdateInput,
    WorkflowExecutionStatus,
    WorkflowFailureError,
)
from temporalio.service import RPCError, RPCStatusCode

from campaigns.clocks import packaged_zone
from campaigns.definition import Campaign
from campaigns.period import Period
from console.failures import CommandError
from workflows.messages import ScheduledInput, ScheduledResult
from workflows.names import SCHEDULE_PREFIX, schedule_id
from workflows.scheduled import ScheduledWorkflow

CATCH_UP = timedelta(hours=1)
"""A time that Temporal missed is made up within this; nobody wants last week's calls."""

NEXT_SHOWN = 3

PROMISE: Final = (
    "A start that is missed while Temporal is away is made up within an hour, else left out; one\n"
    "that comes while the last run still goes on is skipped."
)


@dataclass(frozen=True)
class Plan:
    """What a campaign's schedule is made of."""

    order: ScheduledInput
    spec: ScheduleSpec
    queue: str


@dataclass(frozen=True)
class Last:
    """The newest start of a schedule. `state` is that of its run, or `failed` without one."""

    at: datetime
    state: str
    run: str | None = None
    reason: str = ""


@dataclass(frozen=True)
class Known:
    """A schedule as Temporal has it; instants in UTC."""

    order: ScheduledInput
    paused: bool
    note: str
    next: tuple[datetime, ...]
    skipped: int
    missed: int
    last: Last | None

    @property
    def name(self) -> str:
        """The campaign's name."""
        return self.order.campaign

    def local(self, at: datetime) -> datetime:
        """Read an instant on the clock of the schedule's zone."""
        return at.astimezone(packaged_zone(self.order.timezone))

    def as_json(self) -> dict[str, Any]:
        """Give everything as JSON has it; instants with the offset of the schedule's zone."""
        last = self.last
        return {
            **self.order.model_dump(),
            "paused": self.paused,
            "note": self.note,
            "next": [self.local(at).isoformat(timespec="seconds") for at in self.next],
            "skipped": self.skipped,
            "missed": self.missed,
            "last": last
            and {
                "at": self.local(last.at).isoformat(timespec="seconds"),
                "state": last.state,
                "run": last.run,
                "reason": last.reason,
            },
        }


def plan_of(campaign: Campaign, file: Path, queue: str) -> Plan:
    """Make the schedule that a campaign writes. Raises `CommandError` where it writes no time."""
    written = campaign.schedule
    if written is None or (written.repeat is None and written.start_at is None):
        raise CommandError(
            f"{campaign.campaign} says no time to start at: write schedule.repeat, such as "
            '"0 9 * * 1-5", or schedule.start_at.'
        )
    period = Period.of(written)
    spec = ScheduleSpec(
        start_at=period.starts_at, end_at=period.ends_at, time_zone_name=written.timezone
    )
    if written.repeat is not None:
        spec.cron_expressions = [written.repeat]
    else:
        assert period.starts_at is not None
        if period.starts_at <= datetime.now(UTC):
            raise CommandError(
                f"schedule.start_at of {campaign.campaign} has passed and it does not repeat: "
                "`discador start` starts it now."
            )
        spec.calendars = [_once(period.starts_at)]
        spec.time_zone_name = "UTC"
    order = ScheduledInput(
        campaign=campaign.campaign,
        file=str(file),
        repeat=written.repeat,
        start_at=None if written.start_at is None else written.start_at.isoformat(sep=" "),
        end_at=None if written.end_at is None else written.end_at.isoformat(sep=" "),
        timezone=written.timezone,
    )
    return Plan(order, spec, queue)


def _once(at: datetime) -> ScheduleCalendarSpec:
    return ScheduleCalendarSpec(
        second=[ScheduleRange(at.second)],
        minute=[ScheduleRange(at.minute)],
        hour=[ScheduleRange(at.hour)],
        day_of_month=[ScheduleRange(at.day)],
        month=[ScheduleRange(at.month)],
        year=[ScheduleRange(at.year)],
    )


@asynccontextmanager
async def _told(name: str = "") -> AsyncIterator[None]:
    """Tell what Temporal answers in the words of a person."""
    try:
        yield
    except RPCError as error:
        if error.status == RPCStatusCode.NOT_FOUND and name:
            raise CommandError(
                f"There is no schedule {name}; `discador schedule list` shows those there are."
            ) from None
        raise CommandError(f"Temporal refuses: {error.message}.") from None


async def put(client: Client, plan: Plan) -> tuple[Known, bool]:
    """Create a campaign's schedule, or bring the one that is there up to date; whether it is new.

    One that is paused stays paused. Twice is the same as once.
    """
    name = plan.order.campaign
    made = Schedule(
        action=ScheduleActionStartWorkflow(
            ScheduledWorkflow.run,
            plan.order,
            id=schedule_id(name),
            task_queue=plan.queue,
        ),
        spec=plan.spec,
        policy=SchedulePolicy(overlap=ScheduleOverlapPolicy.SKIP, catchup_window=CATCH_UP),
    )
    is_new = True
    async with _told():
        try:
            handle = await client.create_schedule(schedule_id(name), made)
        except ScheduleAlreadyRunningError:
            is_new = False
            handle = client.get_schedule_handle(schedule_id(name))

            def renewed(now: ScheduleUpdateInput) -> ScheduleUpdate:
                made.state = now.description.schedule.state
                return ScheduleUpdate(made)

            await handle.update(renewed)
    return await known(client, name), is_new


async def all_of(client: Client) -> list[Known]:
    """Give every schedule of a campaign, by name. One that was made just now may be missing."""
    async with _told():
        ids = [entry.id async for entry in await client.list_schedules()]
    names = [one.removeprefix(SCHEDULE_PREFIX) for one in ids if one.startswith(SCHEDULE_PREFIX)]
    found = []
    for name in sorted(names):
        try:
            found.append(await known(client, name))
        except CommandError:
            continue  # it was deleted meanwhile
    return found


async def pause(client: Client, name: str, reason: str) -> Known:
    """Let no further run start. Twice is the same as once."""
    async with _told(name):
        await _handle(client, name).pause(note=reason)
    return await known(client, name)


async def resume(client: Client, name: str) -> Known:
    """Let runs start again. Twice is the same as once."""
    async with _told(name):
        await _handle(client, name).unpause(note="")
    return await known(client, name)


async def delete(client: Client, name: str) -> None:
    """Forget a schedule. Raises `CommandError` where there is none."""
    async with _told(name):
        await _handle(client, name).delete()


def _handle(client: Client, name: str) -> ScheduleHandle:
    return client.get_schedule_handle(schedule_id(name))


async def known(client: Client, name: str) -> Known:
    """Look at one schedule and its newest start."""
    async with _told(name):
        described = await _handle(client, name).describe()
        action = described.schedule.action
        assert isinstance(action, ScheduleActionStartWorkflow)
        payloads: list[Any] = list(action.args)
        (order,) = await client.data_converter.decode(payloads, [ScheduledInput])
        state = described.schedule.state
        return Known(
            order=order,
            paused=state.paused,
            note=(state.note or "") if state.paused else "",
            next=tuple(described.info.next_action_times[:NEXT_SHOWN]),
            skipped=described.info.num_actions_skipped_overlap,
            missed=described.info.num_actions_missed_catchup_window,
            last=await _last(client, described),
        )


async def _last(client: Client, described: ScheduleDescription) -> Last | None:
    """Say how the newest start ended, or that its run still goes on."""
    if not described.info.recent_actions:
        return None
    newest = described.info.recent_actions[-1]
    action = newest.action
    if not isinstance(action, ScheduleActionExecutionStartWorkflow):
        return None
    handle = client.get_workflow_handle(
        action.workflow_id, run_id=action.first_execution_run_id, result_type=ScheduledResult
    )
    at = newest.scheduled_at
    try:
        if (await handle.describe()).status == WorkflowExecutionStatus.RUNNING:
            return Last(at, "running")
        ended = await handle.result()
    except WorkflowFailureError as error:
        cause: BaseException = error.cause
        while cause.__cause__ is not None:
            cause = cause.__cause__
        return Last(at, "failed", reason=str(cause))
    except RPCError as error:
        if error.status != RPCStatusCode.NOT_FOUND:
            raise
        return Last(at, "forgotten", reason="Temporal keeps its history no longer")
    return Last(at, ended.state, ended.run, ended.reason)


def describe(one: Known) -> list[str]:
    """Write a schedule for people, but for its name."""
    order = one.order
    times = f"{one.order.repeat} ({order.timezone})" if order.repeat else "once"
    lines = [f"  file    {order.file}", f"  starts  {times}"]
    for word, text in (("from", order.start_at), ("until", order.end_at)):
        lines += [f"  {word:<7} {text} ({order.timezone})"] if text else []
    following = ", ".join(f"{one.local(at):%a %Y-%m-%d %H:%M %z}" for at in one.next)
    if one.paused:
        lines.append(f"  paused  {one.note}")
    lines.append(f"  next    {following or 'never again'}")
    if one.last is not None:
        last = one.last
        run = f", run {last.run}" if last.run else ""
        reason = f": {last.reason}" if last.reason else ""
        lines.append(
            f"  last    {one.local(last.at):%a %Y-%m-%d %H:%M %z} {last.state}{run}{reason}"
        )
    if one.skipped or one.missed:
        lines.append(f"  left    {one.skipped} skipped for a run that went on, {one.missed} missed")
    return lines
