"""The end of a campaign's own time: who is still due is called no more, and the store says why."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from sqlalchemy import and_, insert, select, update

from campaigns.attempts import Outcome
from campaigns.verdict import END_AT
from store.engine import Store
from store.locking import Locked
from store.runs import Run, locked
from store.schema import contacts, decisions
from store.settling import tally_up
from store.trouble import repeatable

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

BATCH = 5_000
"""Contacts that one transaction ends at most, so that it stays short at any size of a list."""


async def expire(
    store: Store,
    connection: AsyncConnection,
    run_id: str,
    lane: int,
    *,
    run: Locked | Run,
    ends_at: float,
    now: float,
) -> int:
    """End contacts of the lane that no attempt can reach in time any more; return how many.

    Past `ends_at` these are all that are due, of a paused run too; before it those of a running one
    whose next turn would come later. A run that is being stopped keeps them as they are: the stop
    is why they were not called. Twice is the same as once.
    """
    over = now >= ends_at
    if run.state not in ({"running", "paused"} if over else {"running"}):
        return 0
    waiting = and_(contacts.c.run_id == run_id, contacts.c.lane == lane, contacts.c.state == "due")
    late = select(contacts.c.n).where(waiting).limit(BATCH)
    if not over:
        late = late.where(contacts.c.due_at > ends_at)
    expired = (
        await connection.execute(
            update(contacts)
            .where(waiting, contacts.c.n.in_(late.scalar_subquery()))
            .values(state="done", outcome=Outcome.EXPIRED.value)
            .returning(contacts.c.n)
        )
    ).scalars()
    log = [
        {
            "run_id": run_id,
            "n": n,
            "attempt": None,
            "at": now,
            "what": "expired",
            "outcome": Outcome.EXPIRED.value,
            "why": END_AT,
            "rule": None,
            "rules_version": run.rules_version,
            "until": ends_at,
        }
        for n in expired
    ]
    if log:
        await connection.execute(insert(decisions), log)
        tally = Counter({f"contact:{Outcome.EXPIRED.value}": len(log)})
        await tally_up(store, connection, run_id, lane, tally)
    return len(log)


@repeatable
async def expire_more(
    store: Store, run_id: str, lane: int, *, ends_at: float, rules_version: int
) -> bool:
    """End another part of the lane's contacts as `expire` does; return whether there are more.

    Each call is a transaction of its own; a run whose rules are newer is left to the next turn.
    """
    async with store.write(long=True) as connection:
        run = await locked(connection, run_id)
        if run.rules_version != rules_version:
            return False
        now = store.now()
        count = await expire(store, connection, run_id, lane, run=run, ends_at=ends_at, now=now)
    return count >= BATCH
