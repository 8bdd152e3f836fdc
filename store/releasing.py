"""Giving back what was reserved and not posted: its number and channel are free again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import ColumnElement, and_, bindparam, true, tuple_, update

from store.batches import parts
from store.engine import Store
from store.leaving import WITHDRAWN, Leaver, let_go
from store.schema import attempts, contacts

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

ORPHANED_AFTER = 300.0
"""Seconds without a sign of a lane after which any lane of the account takes care of its work."""

SWEEP_EVERY = 10.0
"""Seconds between two looks of a lane for what the account's dead lanes have left."""


async def give_back(
    store: Store, connection: AsyncConnection, run_id: str, lane: int, *, token: str, now: float
) -> int:
    """Release what the lane reserved under other tokens and never posted.

    Safe at any time: a worker that still holds one of them loses the compare-and-set.
    """
    return await _release(
        store,
        connection,
        now,
        attempts.c.run_id == run_id,
        attempts.c.lane == lane,
        attempts.c.token != token,
    )


async def sweep(
    store: Store, connection: AsyncConnection, account: str, now: float, *, since: float
) -> int:
    """Release what any lane of the account reserved so long ago that nobody carries it any more.

    A run whose workflow was terminated never gives back what it holds, and its numbers and channels
    would be taken for ever. `since` is when the caller asked before: it looks at every live attempt
    of the account, and does so once in `SWEEP_EVERY` seconds.
    """
    if since // SWEEP_EVERY == now // SWEEP_EVERY:
        return 0
    return await _release(
        store,
        connection,
        now,
        attempts.c.account_id == account,
        attempts.c.live == true(),
        attempts.c.reserved_at < now - ORPHANED_AFTER,
    )


async def _release(
    store: Store, connection: AsyncConnection, now: float, *which: ColumnElement[bool]
) -> int:
    """Release reserved attempts and return how many.

    Their contacts are due again; one that was withdrawn meanwhile is done.
    """
    rows = (
        await connection.execute(
            update(attempts)
            .where(attempts.c.state == "reserved", attempts.c.settled_at.is_(None), *which)
            .values(state="released", live=False, settled_at=now)
            .returning(attempts.c.run_id, attempts.c.n)
        )
    ).all()
    if not rows:
        return 0
    leaving = and_(contacts.c.state == "live", contacts.c.outcome == WITHDRAWN)
    leavers: list[Leaver] = []
    for some in parts(rows):
        these = tuple_(contacts.c.run_id, contacts.c.n).in_([(row.run_id, row.n) for row in some])
        found = await connection.execute(
            update(contacts)
            .where(these, leaving)
            .values(state="done")
            .returning(contacts.c.run_id, contacts.c.n, contacts.c.lane)
        )
        leavers += [Leaver._make(row) for row in found]
    await connection.execute(
        update(contacts)
        .where(
            contacts.c.run_id == bindparam("b_run"),
            contacts.c.n == bindparam("b_n"),
            contacts.c.state == "live",
        )
        .values(state="due", due_at=now),
        [{"b_run": row.run_id, "b_n": row.n} for row in rows],
    )
    await let_go(store, connection, leavers, now)
    return len(rows)
