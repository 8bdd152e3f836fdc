"""What people read about a run: progress while it goes, and the report that adds up to the list."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import func, select, true

from campaigns.definition import Frozen
from campaigns.period import Period
from campaigns.rows import RowNote
from store.engine import Store
from store.guard_views import GuardView, views
from store.runs import PublicStatus, Run, get_definition, get_run
from store.schema import attempts, contacts, rejected_rows, runs, tallies

DUE = "due"
"""Outcome of a contact that a run has not finished with."""


class ContactCounts(Frozen):
    """Contacts of a run; `by_outcome` adds up to `total`."""

    total: int
    rejected: int
    by_outcome: dict[str, int]


class AttemptCounts(Frozen):
    """Attempts of a run: `total` counts the calls that the API accepted, `by_status` splits it.

    `unknown` could not be decided; `not_placed`, `refused` and `not_sent` never became a call.
    """

    total: int
    by_status: dict[str, int]
    unknown: int
    not_placed: int
    refused: int
    not_sent: int
    late: int


class Report(Frozen):
    """A run's report; instants are ISO 8601 in UTC, `cost_brl` is in reais."""

    campaign: str
    run: str
    status: PublicStatus
    reason: str
    contacts: ContactCounts
    attempts: AttemptCounts
    cost_brl: float
    started_at: str | None
    ended_at: str | None
    guards: tuple[GuardView, ...] = ()


class Progress(Frozen):
    """A run at a glance, cheap at any size.

    `waits_until` is the campaign's own start while that has not come, `ends_at` its own end.
    """

    run: Run
    done: int
    live: int
    placed: int
    by_outcome: dict[str, int]
    waits_until: float | None = None
    ends_at: float | None = None


def _iso(at: float | None) -> str | None:
    return None if at is None else datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds")


async def progress(store: Store, run_id: str) -> Progress:
    """Return how far a run is, from the lanes' tallies."""
    run = await get_run(store, run_id)
    definition, _ = await get_definition(store, run_id)
    period = Period.of(definition.schedule)
    starts_at = period.starts_at.timestamp() if period.starts_at else 0.0
    async with store.read() as connection:
        sums = {
            row.name: row.total
            for row in await connection.execute(
                select(tallies.c.name, func.sum(tallies.c.count).label("total"))
                .where(tallies.c.run_id == run_id)
                .group_by(tallies.c.name)
            )
        }
        live = {
            row.state: row.held
            for row in await connection.execute(
                select(attempts.c.state, func.count().label("held"))
                .where(attempts.c.run_id == run_id, attempts.c.live == true())
                .group_by(attempts.c.state)
            )
        }
    outcomes = {
        name.removeprefix("contact:"): int(total)
        for name, total in sums.items()
        if name.startswith("contact:")
    }
    ended = sum(int(total) for name, total in sums.items() if name.startswith("attempt:"))
    return Progress(
        run=run,
        done=sum(outcomes.values()),
        live=live.get("placed", 0) + live.get("posting", 0),
        placed=ended + live.get("placed", 0),
        by_outcome=dict(sorted(outcomes.items())),
        waits_until=starts_at if run.is_open and starts_at > store.now() else None,
        ends_at=period.ends_at.timestamp() if period.ends_at else None,
    )


async def report(store: Store, run_id: str) -> Report:
    """Return the run's report, counted from the rows themselves."""
    run = await get_run(store, run_id)
    async with store.read(long=True) as connection:
        by_outcome: dict[str, int] = {}
        for row in await connection.execute(
            select(contacts.c.state, contacts.c.outcome, func.count().label("people"))
            .where(contacts.c.run_id == run_id)
            .group_by(contacts.c.state, contacts.c.outcome)
        ):
            name = row.outcome if row.state == "done" else DUE
            by_outcome[name] = by_outcome.get(name, 0) + row.people
        states: dict[str, Any] = {}
        cost = 0.0
        for row in await connection.execute(
            select(
                attempts.c.state,
                func.count().label("held"),
                func.count(attempts.c.api_id).label("accepted"),
                func.sum(attempts.c.cost_brl).label("cost"),
            )
            .where(attempts.c.run_id == run_id)
            .group_by(attempts.c.state)
        ):
            states[row.state] = row
            cost += row.cost or 0.0
        late = (
            await connection.execute(
                select(func.count(attempts.c.late_id)).where(attempts.c.run_id == run_id)
            )
        ).scalar_one()
        statuses = {
            row.name.removeprefix("attempt:"): int(row.total)
            for row in await connection.execute(
                select(tallies.c.name, func.sum(tallies.c.count).label("total"))
                .where(tallies.c.run_id == run_id, tallies.c.name.startswith("attempt:"))
                .group_by(tallies.c.name)
            )
        }

    def held(state: str) -> int:
        return states[state].held if state in states else 0

    accepted = sum(row.accepted for row in states.values())
    under_way = accepted - sum(statuses.values())
    if under_way:
        statuses["live"] = under_way
    return Report(
        campaign=run.campaign,
        run=run.id,
        status=run.status,
        reason=run.reason,
        contacts=ContactCounts(
            total=run.total, rejected=run.rejected, by_outcome=dict(sorted(by_outcome.items()))
        ),
        attempts=AttemptCounts(
            total=accepted,
            by_status=dict(sorted(statuses.items())),
            unknown=held("unknown"),
            not_placed=held("not_placed"),
            refused=held("refused"),
            not_sent=held("not_sent"),
            late=late,
        ),
        cost_brl=round(cost, 4),
        started_at=_iso(run.started_at),
        ended_at=_iso(run.ended_at),
        guards=await views(store, run_id),
    )


async def calls_by_outcome(store: Store, account: str) -> dict[str, int]:
    """Return how many calls of all the account's runs ended how, from the lanes' tallies."""
    query = (
        select(tallies.c.name, func.sum(tallies.c.count).label("total"))
        .join(runs, runs.c.id == tallies.c.run_id)
        .where(runs.c.account_id == account, tallies.c.name.startswith("attempt:"))
        .group_by(tallies.c.name)
    )
    async with store.read(long=True) as connection:
        return {
            row.name.removeprefix("attempt:"): int(row.total)
            for row in await connection.execute(query)
        }


async def row_notes(store: Store, run_id: str) -> list[RowNote]:
    """Return every row that was rejected or remarked on, list by list, in the order of each."""
    query = (
        select(
            rejected_rows.c.line,
            rejected_rows.c.external_id,
            rejected_rows.c.column,
            rejected_rows.c.reason,
            rejected_rows.c.message,
            rejected_rows.c.kept,
            rejected_rows.c.source,
        )
        .where(rejected_rows.c.run_id == run_id)
        .order_by(rejected_rows.c.source, rejected_rows.c.line, rejected_rows.c.id)
    )
    async with store.read(long=True) as connection:
        return [RowNote(**row._asdict()) for row in await connection.execute(query)]
