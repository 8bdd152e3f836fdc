"""Schedules on a real server: each firing is one run, of the list as it is then, told how it ended.

Firings are triggered by hand; that Temporal keeps its clock is Temporal's to test.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from activities import scheduling
from activities.intake import scheduled_run_id
from activities.messages import BeginScheduledInput
from activities.scheduling import ScheduleActivities
from campaigns.loader import load
from console import schedules
from console.failures import CommandError
from console.schedules import Known
from store import batches as reading
from store import importing, runs
from store.schema import contacts, rejected_rows
from tests.workflows.stage import (
    ACCOUNT,
    SCHEDULED,
    Stage,
    campaign,
    e164,
    people,
    person,
    person_row,
    until,
    write_campaign,
)
from tests.workflows.test_privacy import history_texts, leaks, secrets_of
from workflows.names import schedule_id

NAME = "agendada"


@dataclass
class Scheduled:
    """A stage with a schedule of the campaign, and words for what a test does to it."""

    stage: Stage
    file: Path

    async def known(self) -> Known:
        """Look at the schedule."""
        return await schedules.known(self.stage.client, NAME)

    async def fire(self, state: str, *, skip: int = 0) -> Known:
        """Let it start now, and wait until its newest start is in a state."""
        before = await self.known()
        handle = self.stage.client.get_schedule_handle(schedule_id(NAME))
        seen: list[Known] = []
        if before.last is not None:  # a firing's id is its second
            now = before.last.at.replace(microsecond=0)
            await until(lambda: datetime.now(UTC) > now + timedelta(seconds=1), what="a second")
        await handle.trigger()

        async def reached() -> bool:
            seen.append(await self.known())
            last = seen[-1].last
            fresh = last is not None and (before.last is None or last.at > before.last.at)
            return fresh and last is not None and last.state == state

        await until(reached, what=f"a start that is {state}")
        return seen[-1]

    def calls(self) -> Counter[str]:
        """Count the provider's calls by number."""
        return Counter(call["numero_origem"] for call in self.stage.sandbox.ledger())


@pytest.fixture
async def scheduled(working: Stage) -> AsyncIterator[Scheduled]:
    """Give the test a campaign of three people with a schedule, and a worker."""
    file = write_campaign(working.folder, [person_row(index) for index in range(3)])
    plan = schedules.plan_of(load(file, loopback=True), file, working.task_queue)
    await schedules.put(working.client, plan)
    yield Scheduled(working, file)
    await schedules.delete(working.client, NAME)


async def test_each_firing_dials_the_list_as_it_is_then(scheduled: Scheduled) -> None:
    """Two firings are two runs; who is new on the list is called, and nobody twice by one run."""
    scheduled.stage.script("answer")
    first = await scheduled.fire("completed")
    assert first.last is not None
    assert first.last.run
    assert scheduled.calls() == {e164(person(index)): 1 for index in range(3)}

    write_campaign(scheduled.stage.folder, [person_row(index) for index in range(2, 4)])
    second = await scheduled.fire("completed")
    assert second.last is not None
    assert second.last.run not in {None, first.last.run}
    assert scheduled.calls() == {e164(person(index)): 1 + (index == 2) for index in range(4)}
    assert {run.state for run in await runs.list_runs(scheduled.stage.store)} == {"completed"}


async def test_a_firing_leaves_no_number_at_temporal(scheduled: Scheduled) -> None:
    """A history of a firing names files and ids, whether it went well or not."""
    await scheduled.fire("completed")
    write_campaign(
        scheduled.stage.folder,
        [],
        SCHEDULED.replace("{file: agenda.csv,", f"{{contacts: [{{celular: {person(1)}}}],"),
    )
    failed = await scheduled.fire("failed")
    assert failed.last is not None
    assert "agendada.yaml is invalid at 3:" in failed.last.reason
    client = scheduled.stage.client
    described = await client.get_schedule_handle(schedule_id(NAME)).describe()
    found = [failed.last.reason]
    for result in described.info.recent_actions:
        workflow_id = result.action.workflow_id  # type: ignore[attr-defined]  # one kind of action
        history = await client.get_workflow_handle(workflow_id).fetch_history()
        found += await history_texts(client, history)
    assert len(described.info.recent_actions) == 2
    assert leaks(found, secrets_of(scheduled.stage, 4)) == []


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda file: file.unlink(), "agendada.yaml is not there"),
        (lambda file: (file.parent / "agenda.csv").unlink(), "[missing_list]"),
        (
            lambda file: write_campaign(file.parent, ["190;Polícia"]),
            "nobody in it can be dialed (1 row rejected)",
        ),
        (
            lambda file: write_campaign(
                file.parent,
                [person_row(0)],
                SCHEDULED.replace("schedule: {", 'schedule: {end_at: "2026-01-02 03:04", '),
            ),
            "the campaign ended at 2026-01-02 03:04",
        ),
        (
            lambda file: write_campaign(
                file.parent, [person_row(0)], SCHEDULED.replace("agendada", "outra")
            ),
            "now holds the campaign outra",
        ),
    ],
    ids=["no file", "no list", "nobody", "over", "another campaign"],
)
async def test_a_firing_that_may_not_start_fails_with_its_reason(
    scheduled: Scheduled, spoil: Any, reason: str
) -> None:
    """It calls nobody, the list of schedules says why, and the next firing has its chance."""
    spoil(scheduled.file)
    failed = await scheduled.fire("failed")
    assert failed.last is not None
    assert reason in failed.last.reason
    assert scheduled.calls() == Counter()
    assert [one for one in await runs.list_runs(scheduled.stage.store) if one.is_open] == []
    write_campaign(scheduled.stage.folder, [person_row(0)])
    await scheduled.fire("completed")
    assert scheduled.calls() == {e164(person(0)): 1}


async def test_a_time_that_comes_while_the_run_goes_on_is_skipped(scheduled: Scheduled) -> None:
    """The firing lasts as long as its run, so Temporal sees that it still goes on."""
    stage = scheduled.stage
    stage.script({"outcome": "answer", "talk": 100_000})
    handle = stage.client.get_schedule_handle(schedule_id(NAME))
    await handle.trigger()
    await until(lambda: len(stage.sandbox.ledger()) == 3, what="three calls")
    await handle.trigger()

    async def skipped() -> bool:
        return (await scheduled.known()).skipped == 1

    await until(skipped, what="a skipped start")
    last = (await scheduled.known()).last
    assert last is not None
    assert last.state == "running"
    (run,) = await runs.list_runs(stage.store)
    await runs.stop(stage.store, run.id, "enough", hang_up=True)
    assert scheduled.calls().total() == 3


async def test_a_campaign_that_runs_by_hand_is_not_started_a_second_time(
    scheduled: Scheduled,
) -> None:
    """The firing fails and says so, and the run that was there is left alone."""
    stage = scheduled.stage
    by_hand = await stage.start(
        campaign(NAME, schedule={"start_at": "2099-01-01 09:00"}), people(1)
    )
    failed = await scheduled.fire("failed")
    assert failed.last is not None
    assert "already running" in failed.last.reason
    assert (await by_hand.state()).state == "running"
    await runs.stop(stage.store, by_hand.id, "enough")


async def test_a_schedule_is_created_once_and_brought_up_to_date(scheduled: Scheduled) -> None:
    """Creating again changes the times, leaves a pause as it is, and says that it was there."""
    client, queue = scheduled.stage.client, scheduled.stage.task_queue
    known = await scheduled.known()
    assert known.next
    assert all(
        (known.local(at).hour, known.local(at).weekday() < 5) == (9, True) for at in known.next
    )
    assert known.as_json()["next"][0].endswith("T09:00:00-04:00")
    assert (await schedules.pause(client, NAME, "carnival")).note == "carnival"
    text = SCHEDULED.replace("0 9 * * 1-5", "30 14 * * sat").replace("Manaus", "Sao_Paulo")
    file = write_campaign(scheduled.stage.folder, [person_row(0)], text)
    renewed, is_new = await schedules.put(
        client, schedules.plan_of(load(file, loopback=True), file, queue)
    )
    assert (is_new, renewed.paused, renewed.order.repeat) == (False, True, "30 14 * * sat")
    assert all(renewed.local(at).strftime("%a %H:%M") == "Sat 14:30" for at in renewed.next)
    assert not (await schedules.resume(client, NAME)).paused

    async def listed() -> bool:
        return NAME in {one.name for one in await schedules.all_of(client)}

    await until(listed, what="the schedule in the list")


async def test_a_campaign_that_does_not_repeat_starts_once(stage: Stage) -> None:
    """A start alone is one time; one that has passed, or none at all, makes no schedule."""
    start = (datetime.now(UTC) + timedelta(days=9)).replace(microsecond=0)
    for schedule, made in (
        (f'{{start_at: "{start:%Y-%m-%dT%H:%M:%SZ}"}}', True),
        ('{start_at: "2026-01-05 09:00"}', False),
        ("{timezone: America/Manaus}", False),
    ):
        text = SCHEDULED.partition("schedule:")[0] + f"schedule: {schedule}\n"
        file = write_campaign(stage.folder, [person_row(0)], text)
        loaded = load(file, loopback=True)
        if not made:
            with pytest.raises(CommandError):
                schedules.plan_of(loaded, file, stage.task_queue)
            continue
        plan = schedules.plan_of(loaded, file, stage.task_queue)
        known, _ = await schedules.put(stage.client, plan)
        assert known.next == (start,)
        await schedules.delete(stage.client, NAME)
    for missing in (schedules.known, schedules.delete, schedules.resume):
        with pytest.raises(CommandError, match="There is no schedule agendada"):
            await missing(stage.client, NAME)


# What an activity that is cut off leaves, and what its next attempt makes of it -------------------


class Cut(Exception):  # noqa: N818 - the death of a process, not an error of the code
    """The worker died here."""


async def begin(stage: Stage, file: Path) -> Any:
    """Do the firing's activity once."""
    activities = ScheduleActivities(stage.store, loopback=True, account=ACCOUNT)
    request = BeginScheduledInput(campaign=NAME, file=str(file), firing="now")
    return await ActivityEnvironment().run(activities.begin_scheduled, request)


async def taken(stage: Stage) -> tuple[int, list[str], int]:
    """Count the runs, list the contacts' lines, and count the rejected rows."""
    async with stage.store.read() as connection:
        lines = (await connection.execute(select(contacts.c.external_id))).scalars().all()
        rejected = await connection.execute(select(func.count()).select_from(rejected_rows))
        return len(await runs.list_runs(stage.store)), sorted(lines), rejected.scalar_one()


@pytest.mark.parametrize("dies_after", range(5))
@pytest.mark.parametrize("changed", [False, True], ids=["same list", "another list"])
async def test_an_import_that_is_cut_off_goes_on(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, dies_after: int, *, changed: bool
) -> None:
    """Wherever it dies, the next attempt ends with one run and every row of the list once."""
    monkeypatch.setattr(importing, "BATCH", 2)
    rows = [person_row(index) for index in range(4)] + ["190;x", person_row(5), "12;y"]
    file = write_campaign(stage.folder, rows)
    real, batches = reading.ahead, 0

    async def dying(*args: Any, **how: Any) -> AsyncIterator[Any]:
        nonlocal batches
        async with aclosing(real(*args, **how)) as coming:
            async for batch in coming:
                if batches == dies_after:
                    raise Cut
                batches += 1
                yield batch

    monkeypatch.setattr(importing, "ahead", dying)
    if dies_after < 4:
        with pytest.raises(Cut):
            await begin(stage, file)
        assert [run.state for run in await runs.list_runs(stage.store)] == ["preparing"]
    if changed:
        rows = [person_row(9), *rows]
        write_campaign(stage.folder, rows)
    monkeypatch.setattr(importing, "ahead", real)
    begun = await begin(stage, file)
    again = await begin(stage, file)
    assert (begun.run, begun.state) == (scheduled_run_id(NAME, "now"), "running")
    assert again == begun
    total = 5 + changed
    count, lines, rejected = await taken(stage)
    assert (count, len(lines), len(set(lines)), rejected) == (1, total, total, 2)
    assert begun.total == total


async def test_two_attempts_at_once_make_one_run(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An attempt that was given up and goes on anyway doubles nobody; at least one gets through."""
    monkeypatch.setattr(importing, "BATCH", 2)
    file = write_campaign(stage.folder, [person_row(index) for index in range(40)])
    outcomes = await asyncio.gather(*(begin(stage, file) for _ in range(4)), return_exceptions=True)
    assert any(not isinstance(one, BaseException) for one in outcomes), outcomes
    begun = await begin(stage, file)
    assert (begun.state, begun.total) == ("running", 40)
    count, lines, _ = await taken(stage)
    assert (count, len(lines), len(set(lines))) == (1, 40, 40)


async def test_a_refusal_that_was_not_reported_is_found_again(stage: Stage) -> None:
    """The worker dies between writing the refusal down and telling it: the run still says why."""
    file = write_campaign(stage.folder, ["190;x"])
    with pytest.raises(ApplicationError, match="nobody in it can be dialed"):
        await begin(stage, file)
    found = await begin(stage, file)
    assert (found.state, found.reason) == ("failed", "nobody in it can be dialed (1 row rejected)")
    assert scheduling.HEARTBEAT_SECONDS < 15
