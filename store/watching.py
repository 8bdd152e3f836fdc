"""What monitoring asks of the store: the open runs at a glance."""

from __future__ import annotations

from pydantic import Field
from sqlalchemy import func, literal, select, true

from campaigns.definition import Frozen
from store import guard_views
from store.engine import Store
from store.schema import OPEN_RUN_STATES, attempts, runs, tallies


class OpenRun(Frozen):
    """An open run: `live` counts attempts that hold a channel, by state.

    `guards` gives the state of each guard that it has: ok, warning or open.
    """

    id: str
    campaign: str
    state: str
    live: dict[str, int] = Field(default_factory=dict)
    unknowns: int = 0
    contacts_open: int = 0
    guards: dict[str, str] = Field(default_factory=dict)


async def answers(store: Store) -> None:
    """Ask the store for nothing; raises what the database raises when it is away."""
    async with store.read() as connection:
        await connection.execute(select(literal(1)))


async def open_runs(store: Store) -> list[OpenRun]:
    """Return the open runs, oldest first. Costs the same for a long list as for a short one."""
    opened = (
        select(runs.c.id, runs.c.campaign, runs.c.state, runs.c.total)
        .where(runs.c.state.in_(OPEN_RUN_STATES))
        .order_by(runs.c.created_at)
    )
    held = (
        select(attempts.c.run_id, attempts.c.state, func.count().label("calls"))
        .where(attempts.c.live == true())
        .group_by(attempts.c.run_id, attempts.c.state)
    )
    async with store.read() as connection:
        rows = (await connection.execute(opened)).all()
        if not rows:
            return []
        counted = (await connection.execute(held)).all()
        known = (
            await connection.execute(
                select(tallies.c.run_id, tallies.c.name, func.sum(tallies.c.count).label("sum"))
                .where(tallies.c.run_id.in_([row.id for row in rows]))
                .group_by(tallies.c.run_id, tallies.c.name)
            )
        ).all()
    guards = {row.id: await guard_views.views(store, row.id) for row in rows}
    return [
        OpenRun(
            id=row.id,
            campaign=row.campaign,
            state=row.state,
            live={item.state: item.calls for item in counted if item.run_id == row.id},
            unknowns=sum(
                item.sum
                for item in known
                if item.run_id == row.id and item.name in {"attempt:unknown", "void:unknown"}
            ),
            contacts_open=row.total
            - sum(
                item.sum
                for item in known
                if item.run_id == row.id and item.name.startswith("contact:")
            ),
            guards={guard.name: guard.state for guard in guards[row.id]},
        )
        for row in rows
    ]
