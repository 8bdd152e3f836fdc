"""Commands about runs that exist: status, pause, resume, stop, report."""

from __future__ import annotations

import json
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from campaigns.attempts import Outcome
from campaigns.scalars import counted
from console import engine
from console.carried import Carried, Workers
from console.failures import CommandError
from console.progress import last_heard, local_time, outcomes_line, state_line, words
from console.rejected import rejected_file, tell_where
from console.report import print_report, rows_file, show_rows, write_json
from console.stackfile import HOME
from console.target import Target
from store.engine import Store
from store.guard_views import GuardView
from store.reporting import Progress
from store.runs import Run


@dataclass(frozen=True)
class Known:
    """A run, and the store that knows it."""

    run: Run
    store: Store


@asynccontextmanager
async def known_runs(target: Target) -> AsyncIterator[list[Known]]:
    """Open every store that may know a run and list the runs, newest first."""
    async with AsyncExitStack() as opened:
        known: list[Known] = []
        for url in target.stores():
            store = await opened.enter_async_context(engine.opened(url))
            known += [Known(run, store) for run in await engine.runs_of(store)]
        yield sorted(known, key=lambda one: one.run.created_at, reverse=True)


def choose(known: list[Known], name: str | None, *, open_only: bool) -> Known:
    """Pick the run that is meant: by its id, by its campaign's name, or the only one there is.

    A campaign's name means its newest run. Raises `CommandError` where nothing or too much fits.
    """
    if name is not None:
        fits = [one for one in known if name in {one.run.id, one.run.campaign}]
        if not fits:
            raise CommandError(f"There is no run or campaign {name}; `discador status` lists them.")
        return fits[0]
    fits = [one for one in known if one.run.is_open or not open_only]
    if not fits:
        raise CommandError("No campaign is running." if open_only else "There is no run yet.")
    if open_only and len(fits) > 1:
        names = ", ".join(f"{one.run.campaign} ({one.run.id})" for one in fits)
        raise CommandError(f"Several campaigns are running, so name one: {names}")
    return fits[0]


async def show_status(
    console: Console, target: Target, name: str | None, *, as_json: bool = False
) -> None:
    """Print all runs, or one of them in detail; as JSON a list of runs, or one."""
    async with known_runs(target) as known:
        chosen = known if name is None else [choose(known, name, open_only=False)]
        carried = await _carried(target, chosen)
        if as_json:
            documents = [await _document(one, carried.get(one.run.id)) for one in chosen]
            shown = documents if name is None else documents[0]
            sys.stdout.write(json.dumps(shown, ensure_ascii=False, indent=2) + "\n")
            return
        lines: list[str] = []
        if name is None:
            if not known:
                console.print("No run yet. `discador run FILE --sandbox` tries one.")
                return
            console.print(await _overview(known))
        else:
            (one,) = chosen
            lines += _details(await engine.progress_of(one.store, one.run.id))
            lines += guard_lines(await engine.guards_of(one.store, one.run.id), one.run)
        for one in chosen:
            alone = name is not None
            lines += _carrying_lines(target, one, carried.get(one.run.id), alone=alone)
        for line in lines:
            console.print(line, soft_wrap=True, highlight=False, markup=False)


async def _carried(target: Target, chosen: Sequence[Known]) -> dict[str, Carried]:
    """Return, for each run that has work to do, who carries it and what keeps it from going on."""
    working = [one.run for one in chosen if one.run.state in {"running", "stopping"}]
    if target.temporal is None or not working:
        return {run.id: Carried() for run in working}
    from console import carrying  # noqa: PLC0415 - loads Temporal's client, which few need

    return await carrying.carried(target.temporal, working, target.settings.task_queue)


def _carrying_lines(
    target: Target, one: Known, carried: Carried | None, *, alone: bool
) -> list[str]:
    """Write what people should know of who carries a run; nothing while all is well."""
    if carried is None:
        return []
    told = {}
    if carried.workers.connected is not True:
        told["worker"] = _without_worker(target, carried.workers)
    if carried.trouble is not None:
        told["trouble"] = carried.trouble
    head = f"{one.run.campaign} ({one.run.id}):"
    return [f"{f'{name:10}' if alone else head} {text}" for name, text in told.items()]


def _without_worker(target: Target, workers: Workers) -> str:
    if workers.connected is False:
        gone = last_heard(workers.silent)
        return f"no worker is connected, so nothing is dialed{gone}: `discador worker` starts one"
    unknown = "not known whether a worker is connected"
    if target.temporal is not None:
        return f"{unknown}: Temporal does not answer"
    return f"{unknown}: no Temporal is configured and no stack runs here"


async def _document(one: Known, carried: Carried | None) -> dict[str, Any]:
    """Return a run with its progress and its guards; instants are ISO 8601 in UTC.

    `worker_connected` is null for a run that has no work to do, or where nobody can tell;
    `worker_silent_seconds` is null unless the last one that was heard of is gone, and `trouble`
    unless the run's turns fail.
    """
    progress = await engine.progress_of(one.store, one.run.id)
    run = progress.run
    return {
        "run": run.id,
        "campaign": run.campaign,
        "status": run.status,
        "reason": run.reason,
        "resumes_at": _iso(run.paused_until),
        "worker_connected": None if carried is None else carried.workers.connected,
        "worker_silent_seconds": _whole(None if carried is None else carried.workers.silent),
        "trouble": None if carried is None else carried.trouble,
        "contacts": {"total": run.total, "done": progress.done, "rejected": run.rejected},
        "by_outcome": progress.by_outcome,
        "calls": progress.placed,
        "live": progress.live,
        "started_at": _iso(run.started_at),
        "ended_at": _iso(run.ended_at),
        "guards": [
            {**view.model_dump(), "since": _iso(view.since), "until": _iso(view.until)}
            for view in await engine.guards_of(one.store, run.id)
        ],
    }


def _whole(seconds: float | None) -> int | None:
    return None if seconds is None else round(seconds)


def _iso(at: float | None) -> str | None:
    return None if at is None else datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds")


async def _overview(known: list[Known]) -> Table:
    table = Table(box=SIMPLE_HEAD)
    for heading in ("run", "campaign", "status", "contacts done", "live", "calls", "started"):
        figures = heading in {"contacts done", "live", "calls"}
        table.add_column(heading, justify="right" if figures else "left")
    for one in known:
        progress = await engine.progress_of(one.store, one.run.id)
        table.add_row(
            one.run.id,
            one.run.campaign,
            state_line(progress),
            f"{progress.done} of {one.run.total}",
            str(progress.live),
            str(progress.placed),
            local_time(one.run.started_at),
        )
    return table


def _details(progress: Progress) -> list[str]:
    run = progress.run
    lines = [
        f"campaign   {run.campaign}",
        f"run        {run.id}",
        f"status     {state_line(progress)}",
        f"contacts   {progress.done} of {run.total} done, {counted(run.rejected, 'row')} rejected",
        f"outcomes   {outcomes_line(progress.by_outcome)}",
        f"calls      {progress.placed}, {progress.live} live",
    ]
    undecided = progress.by_outcome.get(Outcome.UNKNOWN.value)
    if undecided:
        lines.append(
            f"undecided  {counted(undecided, 'contact')}: `discador unknowns {run.id}` lists"
            " the attempts, and how each is settled"
        )
    lines.append(f"started    {local_time(run.started_at)}")
    if run.ended_at is not None:
        lines.append(f"ended      {local_time(run.ended_at)}")
    elif progress.ends_at is not None:
        lines.append(f"ends       {local_time(progress.ends_at)} at the latest (schedule.end_at)")
    return lines


def guard_lines(views: Sequence[GuardView], run: Run) -> list[str]:
    """Write the state of each guard, what it has counted, and why it acted."""
    lines = []
    for view in views:
        line = f"{words(view.name):12}{view.state}"
        if view.figures:
            line += f": {view.figures}"
        if view.state == "open":
            line += f"; {view.reason}" if view.reason != run.reason else ""
            until = local_time(view.until) if view.until is not None else None
            by_hand = (
                "`discador update` with more" if view.name == "budget" else "`discador resume`"
            )
            line += f"; goes on at {until}" if until else f"; goes on by {by_hand}"
        elif view.reason and view.since is not None:
            line += f"; last at {local_time(view.since)}: {view.reason}"
        lines.append(line)
    return lines


async def change(
    console: Console, target: Target, name: str | None, what: engine.Change, *, hang_up: bool
) -> None:
    """Pause, resume or stop a run: in the store first, which binds at once, then in Temporal.

    With Temporal down the store still binds every worker; the command says so and succeeds.
    """
    async with known_runs(target) as known:
        one = choose(known, name, open_only=True)
        run = await engine.write_change(one.store, one.run.id, what, hang_up=hang_up)
    console.print(f"{run.campaign} ({run.id}) is {run.state}.", highlight=False)
    if target.temporal is None:
        console.print(
            "No Temporal is configured and no stack runs here; it holds from its next start.",
            soft_wrap=True,
        )
        return
    from console import carrying  # noqa: PLC0415 - loads Temporal's client, which few need

    reason = await carrying.tell(target.temporal, run, what, hang_up=hang_up)
    if reason is not None:
        console.print(
            f"It is in the store and binds every worker; its workflow learns later: {reason}.",
            soft_wrap=True,
            highlight=False,
        )


async def show_report(
    console: Console, target: Target, name: str | None, json_path: str | None
) -> None:
    """Print the report of a run, or write it as JSON."""
    async with known_runs(target) as known:
        one = choose(known, name, open_only=False)
        report = await engine.report_of(one.store, one.run.id)
        rows = await engine.rows_of(one.store, one.run.id)
    if json_path is not None:
        write_json(json_path, report, rows)
    if json_path != "-":
        print_report(console, report)
        show_rows(console, rows, rows_file(HOME, one.run.id))
        mendable = rejected_file(HOME, one.run.id)
        if mendable.exists():
            tell_where(lambda line: console.print(line, soft_wrap=True, highlight=False), mendable)


async def wake(target: Target, run: Run) -> bool:
    """Let lanes that wait look at the store now; with Temporal away they do so by themselves.

    Returns whether Temporal was there to be told, where one is known.
    """
    if target.temporal is None:
        return True
    from console import carrying  # noqa: PLC0415 - loads Temporal's client, which few need

    return await carrying.wake(target.temporal, run)
