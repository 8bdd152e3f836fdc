"""Taking back what was concluded about contacts while the campaign itself was at fault."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from sqlalchemy import insert, select, update

from campaigns.attempts import Outcome
from store.engine import Store
from store.schema import attempts, contacts, decisions, runs
from store.settling import tally_up

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection


async def forgive_refusals(store: Store, run_id: str) -> int:
    """Make contacts due again that were refused since the API last accepted a call of the run.

    Used when the campaign itself turned out to be what the API refuses: those numbers were judged
    by it. Twice is the same as once.
    """
    now = store.now()
    async with store.write(long=True) as connection:
        last = (
            await connection.execute(
                select(attempts.c.placed_at)
                .where(attempts.c.run_id == run_id, attempts.c.placed_at.is_not(None))
                .order_by(attempts.c.placed_at.desc())
                .limit(1)
            )
        ).scalar() or 0.0
        blamed = (
            select(attempts.c.n)
            .where(
                attempts.c.run_id == run_id,
                attempts.c.state == "refused",
                attempts.c.ended_at > last,
            )
            .distinct()
        )
        forgiven = (
            await connection.execute(
                update(contacts)
                .where(
                    contacts.c.run_id == run_id,
                    contacts.c.n.in_(blamed),
                    contacts.c.state == "done",
                    contacts.c.outcome == Outcome.INVALID_NUMBER,
                )
                .values(state="due", outcome=None, due_at=now)
                .returning(contacts.c.n, contacts.c.lane)
            )
        ).all()
        if forgiven:
            await _log_forgiven(connection, run_id, [row.n for row in forgiven], now)
        for lane, people in sorted(Counter(row.lane for row in forgiven).items()):
            tally = Counter({f"contact:{Outcome.INVALID_NUMBER.value}": -people})
            await tally_up(store, connection, run_id, lane, tally)
    return len(forgiven)


async def _log_forgiven(
    connection: AsyncConnection, run_id: str, ordinals: Sequence[int], now: float
) -> None:
    version = (
        await connection.execute(select(runs.c.rules_version).where(runs.c.id == run_id))
    ).scalar_one()
    await connection.execute(
        insert(decisions),
        [
            {
                "run_id": run_id,
                "n": n,
                "at": now,
                "what": "forgiven",
                "why": "campaign_refused",
                "rules_version": version,
                "until": now,
            }
            for n in ordinals
        ],
    )
