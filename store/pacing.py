"""Send slots: the account's row and the run's row grant them, to one caller at a time.

A slot is the instant at which one POST may be written. Slots are `SPACING / rate` apart, a little
wider than the rate asks, and a POST may be late by `tolerance` at most, so that no second ever sees
more than rate + 1 of them; one that would be later draws a new slot instead.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Row, update
from sqlalchemy.ext.asyncio import AsyncConnection

from campaigns.definition import Frozen
from store.schema import accounts, runs

SPACING = 1.01
LEAD = 0.005
"""Seconds between drawing a slot and the earliest instant it may name."""


class Pace(Frozen):
    """The rate in force, in calls per second, and the next free slot."""

    rate: float
    account_rate: float | None
    run_rate: float
    next_slot: float

    @property
    def interval(self) -> float:
        """Seconds between two slots."""
        return SPACING / self.rate

    @property
    def tolerance(self) -> float:
        """Seconds by which a POST may leave after its slot.

        From (1 + t) * rate / SPACING < rate + 1, less a margin.
        """
        return SPACING * (self.rate + 1) / self.rate - 1 - 0.003

    def slots_within(self, horizon: float, now: float) -> int:
        """Return how many slots lie in the next `horizon` seconds."""
        first = max(now + LEAD, self.next_slot)
        if first > now + horizon:
            return 0
        return int((now + horizon - first) / self.interval) + 1


def pace_of(row: Row[Any], run_rate: float, now: float) -> Pace:
    """Return the pace for a run from its locked row (see `store.reserving`)."""
    account_rate: float | None = row.calls_per_second
    if row.slow_until > now:
        run_rate = run_rate * row.slow_factor
        account_rate = None if account_rate is None else account_rate * row.slow_factor
    rate = run_rate if account_rate is None else min(run_rate, account_rate)
    return Pace(
        rate=rate,
        account_rate=account_rate,
        run_rate=run_rate,
        next_slot=max(row.next_slot, row.account_slot),
    )


async def draw_slots(
    connection: AsyncConnection, *, run_id: str, account: str, pace: Pace, count: int, now: float
) -> list[float]:
    """Take `count` consecutive slots for good; the caller holds the account's row.

    Slots that are not used are lost: late is never made up for by a burst.
    """
    first = max(now + LEAD, pace.next_slot)
    slots = [first + index * pace.interval for index in range(count)]
    if slots:
        await connection.execute(
            update(runs)
            .where(runs.c.id == run_id)
            .values(next_slot=slots[-1] + SPACING / pace.run_rate)
        )
        account_rate = pace.account_rate
        if account_rate is not None:
            await connection.execute(
                update(accounts)
                .where(accounts.c.id == account)
                .values(next_slot=slots[-1] + SPACING / account_rate)
            )
    return slots
