"""A run's budget: what is spent, what live calls may still cost, and whether one more call fits.

Money is in the units of `campaigns.costs`. `spent` grows when an attempt is settled; what is held
is summed over the attempts that are not settled yet, which an index keeps few.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import BigInteger, and_, case, cast, delete, func, or_, select, update

from campaigns.costs import UNITS, LegKind, reais, units
from campaigns.guarding import Verdict, Watch
from store.engine import Store
from store.schema import attempts, guards
from store.upsert import insert_ignore

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

_HELD = ("reserved", "posting", "placed", "ended", "unknown")
_LIVE = ("reserved", "posting", "placed")


@dataclass
class Purse:
    """What a budget still allows, while one transaction reserves.

    `left` is what neither calls that are over have cost nor live ones may cost at worst. `live`
    counts the run's attempts that are under way: what they hold comes back in part.
    """

    left: int
    live: int
    worst: dict[LegKind, int]
    taken: int = 0
    refused: bool = False

    def take(self, kind: LegKind) -> int | None:
        """Hold the worst case of one more call; None where it does not fit."""
        cost = self.worst[kind]
        if self.refused or cost > self.left:
            self.refused = True
            return None
        self.left -= cost
        self.taken += 1
        return cost

    @property
    def is_empty(self) -> bool:
        """Whether no further call fits and none is under way whose end could change that."""
        return self.refused and not self.live and not self.taken


async def purse_of(
    store: Store, connection: AsyncConnection, run_id: str, watch: Watch
) -> Purse | None:
    """Return what the budget still allows; None without one. The caller holds the account's row."""
    if watch.budget is None:
        return None
    found = await committed(connection, run_id, watch)
    if found is None:
        before = await _spent_before(connection, run_id)
        await begin(store, connection, run_id, "budget", spent=before)
        found = await committed(connection, run_id, watch)
    spent, held, live = found or (0, 0, 0)
    return Purse(left=watch.budget - spent - held, live=live, worst=dict(watch.worst))


async def committed(
    connection: AsyncConnection, run_id: str, watch: Watch
) -> tuple[int, int, int] | None:
    """Return what was spent, what calls that are not settled hold, and how many of them are live.

    None for a budget that has not begun. One statement reads it all, so that a call that is settled
    meanwhile is never missed by both.
    """
    worst = func.coalesce(attempts.c.worst_cost, watch.dearest)
    cost = cast(func.round(attempts.c.cost_brl * UNITS), BigInteger)
    is_open = (
        attempts.c.run_id == run_id,
        attempts.c.settled_at.is_(None),
        attempts.c.state.in_(_HELD),
    )
    held = (
        select(
            func.sum(case((attempts.c.state == "ended", func.coalesce(cost, worst)), else_=worst))
        )
        .where(*is_open)
        .scalar_subquery()
    )
    live = (
        select(func.sum(case((attempts.c.state.in_(_LIVE), 1), else_=0)))
        .where(*is_open)
        .scalar_subquery()
    )
    query = select(guards.c.spent, held.label("held"), live.label("live")).where(
        guards.c.run_id == run_id, guards.c.name == "budget"
    )
    row = (await connection.execute(query)).one_or_none()
    return None if row is None else (int(row.spent), int(row.held or 0), int(row.live or 0))


async def _spent_before(connection: AsyncConnection, run_id: str) -> int:
    """Return what the run's settled calls have cost: a budget may come to a run that goes on."""
    worst = func.coalesce(attempts.c.worst_cost, 0)
    known = cast(func.round(attempts.c.cost_brl * UNITS), BigInteger)
    cost = case(
        (attempts.c.state == "ended", func.coalesce(known, worst)),
        (attempts.c.state == "unknown", worst),
        (and_(attempts.c.state == "not_placed", attempts.c.late_id.is_not(None)), worst),
        else_=0,
    )
    query = select(func.sum(cost)).where(
        attempts.c.run_id == run_id, attempts.c.settled_at.is_not(None)
    )
    return int((await connection.execute(query)).scalar() or 0)


async def amended(
    connection: AsyncConnection, run_id: str, before: Watch, after: Watch
) -> Purse | None:
    """Let calls under way hold what they may cost by changed rules; return what is left then.

    None where they cost no more than before. A budget that comes anew counts again what was spent:
    nobody did while there was none.
    """
    if after.budget is None or (before.budget is not None and before.worst == after.worst):
        return None
    if before.budget is None:
        await connection.execute(
            delete(guards).where(guards.c.run_id == run_id, guards.c.name == "budget")
        )
    await connection.execute(
        update(attempts)
        .where(
            attempts.c.run_id == run_id,
            attempts.c.settled_at.is_(None),
            attempts.c.state.in_(_HELD),
            or_(attempts.c.worst_cost.is_(None), attempts.c.worst_cost < after.dearest),
        )
        .values(worst_cost=after.dearest)
    )
    found = await committed(connection, run_id, after)
    if found is None or after.dearest <= before.dearest:
        return None
    spent, held, live = found
    reserved = select(func.sum(attempts.c.worst_cost)).where(
        attempts.c.run_id == run_id, attempts.c.state == "reserved"
    )
    held -= int((await connection.execute(reserved)).scalar() or 0)  # none of it is posted any more
    return Purse(left=after.budget - spent - held, live=live, worst=dict(after.worst))


async def begin(
    store: Store, connection: AsyncConnection, run_id: str, name: str, *, spent: int = 0
) -> None:
    """Insert a guard's row, unless there is one."""
    await connection.execute(
        insert_ignore(store, guards), {"run_id": run_id, "name": name, "spent": spent}
    )


def cost_of(row: Any) -> int:
    """Return what an attempt has cost: as the API says, at worst where it does not say."""
    if row.state not in {"ended", "unknown"}:
        return 0
    if row.state == "ended" and row.cost_brl is not None:
        return units(row.cost_brl)
    return int(row.worst_cost or 0)


async def charge(connection: AsyncConnection, run_id: str, amount: int) -> None:
    """Add to what a run has spent."""
    if amount:
        await connection.execute(
            update(guards)
            .where(guards.c.run_id == run_id, guards.c.name == "budget")
            .values(spent=guards.c.spent + amount)
        )


async def charge_late(connection: AsyncConnection, keys: Sequence[str]) -> None:
    """Charge the worst case of calls that surface for attempts given back as `not_placed`."""
    rows = await connection.execute(
        select(attempts.c.run_id, func.sum(attempts.c.worst_cost).label("cost"))
        .where(
            attempts.c.key.in_(keys),
            attempts.c.state == "not_placed",
            attempts.c.late_id.is_(None),
            attempts.c.worst_cost.is_not(None),
        )
        .group_by(attempts.c.run_id)
    )
    for row in rows.all():
        await charge(connection, row.run_id, int(row.cost))


async def take_back(connection: AsyncConnection, run_id: str, amount: int | None) -> None:
    """Give a budget back what was charged for an `unknown` attempt."""
    await charge(connection, run_id, -(amount or 0))


def over_budget(purse: Purse, watch: Watch) -> Verdict:
    """Say why no further call fits."""
    budget, dearest = reais(watch.budget or 0), reais(watch.dearest)
    return Verdict(
        state="open",
        reason=f"R$ {reais(max(purse.left, 0)):.2f} of the budget of R$ {budget:.2f} is left, and"
        f" one more call may cost R$ {dearest:.2f}",
    )
