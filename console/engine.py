"""The seam between the command line and the store: all that the console asks of it, in one place.

Campaign files are read in `definitions`, what carries a run is asked in `carrying`.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Literal

from activities import intake
from activities.intake import run_id_of
from activities.settings import ACCOUNT
from campaigns.definition import Campaign
from campaigns.rows import Item, RowNote
from console.definitions import telling_refusals
from console.failures import CommandError
from console.rejected import RejectedRows, noting
from store import amending, guard_views, reporting, runs
from store.engine import Store, StoreError, open_store
from store.guard_views import GuardView
from store.importing import Imported, ListChangedError
from store.reporting import Progress, Report
from store.runs import Run, RunError
from store.schema import accounts
from store.upsert import insert_ignore

Change = Literal["pause", "resume", "stop"]


def new_run_id() -> str:
    """Draw the id of a run."""
    return run_id_of(secrets.randbits(64))


async def amend(store: Store, run_id: str, definition: Campaign, *, known_version: int) -> int:
    """Let a run go on by another definition. Raises `CommandError` where it cannot any more."""
    try:
        return await amending.amend(store, run_id, definition, known_version=known_version)
    except RunError as error:
        raise CommandError(_sentence(str(error))) from None


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


async def write_change(store: Store, run_id: str, change: Change, *, hang_up: bool) -> Run:
    """Write a pause, resume or stop to the store, which binds every worker at once."""
    if change == "pause":
        return await runs.pause(store, run_id, "paused by hand")
    if change == "resume":
        return await runs.resume(store, run_id)
    return await runs.stop(store, run_id, "stopped by hand", hang_up=hang_up)
