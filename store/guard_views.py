"""Guards as people read them, in `discador status` and in the report."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import select

from campaigns.costs import reais
from campaigns.definition import Campaign, Frozen
from campaigns.guarding import Watch, watch_of
from store.budget import committed
from store.engine import Store
from store.guards import newest_rules, rows_of, short_calls_today
from store.schema import runs

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection


class GuardView(Frozen):
    """A guard as people see it: `state` is ok, warning or open (the run is paused by it).

    `figures` says what it has counted. `reason` is of its last change, at `since`; instants are
    seconds since 1970. `until` is when an open one lets the run go on by itself.
    """

    name: str
    state: str = "ok"
    figures: str = ""
    reason: str = ""
    since: float | None = None
    until: float | None = None
    trips: int = 0


async def views(store: Store, run_id: str) -> tuple[GuardView, ...]:
    """Return the guards of a run: those that its campaign names, and those that have acted."""
    async with store.read() as connection:
        run = (await connection.execute(select(runs).where(runs.c.id == run_id))).one_or_none()
        if run is None:
            return ()
        text = (await connection.execute(newest_rules(run_id))).scalar_one()
        known = await rows_of(connection, run_id)
        watch = watch_of(Campaign.model_validate_json(text), loopback=True)
        figures: dict[str, str] = {}
        if watch.budget is not None:
            figures["budget"] = await _budget_figures(connection, run_id, watch)
        if watch.failures is not None:
            ring = known["failures"].ring[-watch.failures.window :] if "failures" in known else ""
            figures["failures"] = f"{ring.count('1')} of the last {len(ring)} attempts"
        calls, short = await short_calls_today(connection, run.account_id, watch.bina, store.now())
        if calls or watch.short_calls is not None:
            share = f" ({short / calls:.0%})" if calls else ""
            figures["short_calls"] = f"{short} of {calls} calls of this caller ID today{share}"
    shown = []
    for name in (*figures, *(name for name in sorted(known) if name not in figures)):
        row = known.get(name)
        if row is None:
            shown.append(GuardView(name=name, figures=figures[name]))
            continue
        closed = row.state == "open" and run.state not in {"paused", "running"}
        shown.append(
            GuardView(
                name=name,
                state="ok" if closed else row.state,
                figures=figures.get(name, ""),
                reason=row.reason,
                since=row.since,
                until=None if closed else row.until,
                trips=row.trips,
            )
        )
    return tuple(shown)


async def _budget_figures(connection: AsyncConnection, run_id: str, watch: Watch) -> str:
    spent, held, _ = await committed(connection, run_id, watch) or (0, 0, 0)
    return (
        f"R$ {reais(spent):.2f} spent and up to R$ {reais(held):.2f} held by calls under way, of"
        f" R$ {reais(watch.budget or 0):.2f}"
    )
