"""Writing down that contacts who were withdrawn are called no more."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

from sqlalchemy import insert, select

from campaigns.attempts import Outcome
from store.engine import Store
from store.schema import decisions, runs
from store.upsert import add_tally

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

WITHDRAWN: Final = Outcome.WITHDRAWN.value
"""Outcome of a contact that was withdrawn; it has it already while its last attempt goes on."""

FOR_GOOD: Final = "withdrawn"
"""Why a contact that was taken out of its campaign is called at none of its numbers."""


class Leaver(NamedTuple):
    """A contact that has just become `done`, because it was withdrawn."""

    run_id: str
    n: int
    lane: int


async def let_go(
    store: Store, connection: AsyncConnection, leavers: Sequence[Leaver], now: float
) -> None:
    """Log and count contacts whom the caller's transaction has ended as withdrawn."""
    if not leavers:
        return
    known = await connection.execute(
        select(runs.c.id, runs.c.rules_version).where(
            runs.c.id.in_({leaver.run_id for leaver in leavers})
        )
    )
    versions = {row.id: row.rules_version for row in known}
    await connection.execute(
        insert(decisions),
        [
            {
                "run_id": leaver.run_id,
                "n": leaver.n,
                "attempt": None,
                "at": now,
                "what": "blocked",
                "outcome": WITHDRAWN,
                "why": FOR_GOOD,
                "rule": None,
                "rules_version": versions[leaver.run_id],
                "until": None,
            }
            for leaver in leavers
        ],
    )
    counts = Counter((leaver.run_id, leaver.lane) for leaver in leavers)
    await connection.execute(
        add_tally(store),
        [
            {"run_id": run_id, "lane": lane, "name": f"contact:{WITHDRAWN}", "count": count}
            for (run_id, lane), count in sorted(counts.items())
        ],
    )
