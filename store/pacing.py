"""Send slots: the account's row and the run's row grant them, to one caller at a time.

A slot is the instant at which one POST may be written. Slots are `SPACING / rate` apart, a little
wider than the rate asks, and a POST may be late by `tolerance` at most, so that no second ever sees
more than rate + 1 of them; one that would be later takes a later slot instead.

Where one process has drawn every slot of late, it keeps its POSTs apart by itself and may shift all
of them by up to `SHIFT` without asking again. Once a second process draws, both ask for every slot;
the newcomer leaves a gap of `SHIFT` in every run, so that what the first one has shifted is over.

While several runs share the account's rate (`store.sharing`), each draws at its own share of it and
takes free places of one grid; the slots of one lie between those of another.
"""

from __future__ import annotations

import json
from bisect import bisect_left, insort
from math import ceil, floor
from typing import TYPE_CHECKING

from sqlalchemy import bindparam, update

from campaigns.definition import Frozen
from store.locking import Locked
from store.prepared import Prepared
from store.schema import accounts, runs

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

    from store.engine import Store

SPACING = 1.01
LEAD = 0.005
"""Seconds between drawing a slot and the earliest instant it may name."""
SHIFT = 0.3
"""Seconds by which a process that draws alone may shift its POSTs."""
RECOVERY = 3.0
"""Seconds in which the rate doubles again after a 429."""
_EXACT = 1e-5
"""Seconds: slots are written down to the microsecond."""
SHARED_FOR = 10.0
"""Seconds for which the account counts as shared after another process drew."""


class Pace(Frozen):
    """The rate in force, in calls per second, and the next free slot."""

    rate: float
    account_rate: float | None
    run_rate: float
    next_slot: float
    alone: bool = False
    """Every slot of late was drawn by this process."""
    newcomer: bool = False
    """Another process drew alone until now."""
    other_drew: bool = False
    crowded: bool = False
    """Several runs of the account draw: each takes what is free of one grid."""
    taken: tuple[float, ...] = ()
    """Slots ahead that are taken."""
    drawer: str | None = None
    """The process that drew last."""

    @property
    def shift(self) -> float:
        """Seconds by which POSTs may leave after their slot, kept apart by the process itself."""
        return SHIFT if self.alone else self.tolerance

    @property
    def interval(self) -> float:
        """Seconds between two slots."""
        return SPACING / self.rate

    @property
    def tolerance(self) -> float:
        """Seconds by which a POST may leave after its slot.

        A stretch of 1 + t seconds must not hold more slots than rate + 1, rounded down: t is how
        much longer than a second their intervals are, less a margin.
        """
        if not self.crowded or self.account_rate is None:
            return _tolerance(self.rate)
        account = _tolerance(self.account_rate)
        if self.run_rate >= self.account_rate:
            return account
        # A run's slot may be a step of the account's grid away from where it ought to be.
        own = _tolerance(self.run_rate) - SPACING / self.account_rate
        return max(min(account, own), 0.005)

    def slots_within(self, horizon: float, now: float) -> int:
        """Return how many slots lie in the next `horizon` seconds."""
        first = max(now + LEAD, self.next_slot)
        if first > now + horizon:
            return 0
        return int((now + horizon - first) / self.interval) + 1


def _tolerance(rate: float) -> float:
    return SPACING / rate * (floor(rate) + 1) - 1 - 0.003


def recovered(factor: float, since: float, now: float) -> float:
    """Return the share of the rate in force, some time after a 429 left it at `factor`."""
    return min(1.0, factor * 2 ** min(max(now - since, 0.0) / RECOVERY, 10.0))


def pace_of(store: Store, row: Locked, run_rate: float, now: float) -> Pace:
    """Return the pace for a run from its locked row (see `store.locking`)."""
    account_rate: float | None = row.calls_per_second
    factor = recovered(row.slow_factor, row.slow_until, now)
    run_rate = run_rate * factor
    account_rate = None if account_rate is None else account_rate * factor
    crowded = account_rate is not None and row.crowded_until > now
    if crowded and row.share_rate is not None:
        run_rate = min(run_rate, row.share_rate)
    taken = tuple(json.loads(row.taken)) if account_rate is not None else ()
    account_slot = row.account_slot
    if taken and not crowded and account_rate is not None:
        account_slot = max(account_slot, taken[-1] + SPACING / account_rate)
    rate = run_rate if account_rate is None else min(run_rate, account_rate)
    mine = row.drawer in {None, store.identity}
    shared = row.shared_until > now
    return Pace(
        alone=mine and not shared and not crowded,
        newcomer=not mine and not shared,
        other_drew=not mine,
        rate=rate,
        account_rate=account_rate,
        run_rate=run_rate,
        next_slot=max(row.next_slot, account_slot),
        crowded=crowded,
        taken=taken,
        drawer=row.drawer,
    )


def take_between(
    taken: list[float], *, first: float, step: float, interval: float, count: int
) -> tuple[list[float], float]:
    """Take slots that lie `step` at least from every other; return them and when the next may lie.

    They are `interval` apart on the average, each at most a step later than that. `taken` is in
    order and takes them in.
    """
    anchor = taken[-1] if taken else first
    slots, ideal = [], first
    for _ in range(count):
        slot = anchor + ceil((ideal - anchor) / step - _EXACT) * step
        while True:
            after = bisect_left(taken, slot - step + _EXACT)
            if after == len(taken) or taken[after] >= slot + step - _EXACT:
                break
            slot += step
        insort(taken, slot)
        slots.append(slot)
        ideal = max(ideal, slot - step) + interval
    return slots, ideal


def slots_ahead(pace: Pace, now: float, count: int) -> list[float]:
    """Return the slots that `draw_slots` would give at this instant; none is taken."""
    return _slots(pace, now, count)[0]


def _slots(pace: Pace, now: float, count: int) -> tuple[list[float], float, list[float]]:
    """Return the next slots, when the run's next one may lie, and what is taken then."""
    first = max(now + LEAD, pace.next_slot) + (SHIFT if pace.newcomer else 0.0)
    if pace.crowded and pace.account_rate is not None:
        step = SPACING / pace.account_rate
        ahead = [slot for slot in pace.taken if slot > now - max(step, 1.0)]
        slots, next_slot = take_between(
            ahead,
            first=first,
            step=step,
            interval=SPACING / pace.run_rate,
            count=count,
        )
        return slots, next_slot, ahead
    slots = [first + index * pace.interval for index in range(count)]
    return slots, slots[-1] + SPACING / pace.run_rate if slots else first, []


async def draw_slots(
    store: Store,
    connection: AsyncConnection,
    *,
    run_id: str,
    account: str,
    pace: Pace,
    count: int,
    now: float | None = None,
) -> list[float]:
    """Take `count` consecutive slots for good; the caller holds the account's row.

    They are those of this instant, or of `now`. Slots that are not used are lost: late is never
    made up for by a burst.
    """
    now = store.now() if now is None else now
    if not count:
        return []
    slots, next_slot, ahead = _slots(pace, now, count)
    changes: dict[str, object] = {}
    if pace.drawer != store.identity:
        changes["drawer"] = store.identity
    if pace.other_drew:
        changes["shared_until"] = now + SHARED_FOR
    if pace.newcomer:
        await _keep_clear(connection, run_id, account, now)
    if pace.crowded and pace.account_rate is not None:
        changes["taken"] = json.dumps([round(slot, 6) for slot in ahead])
    else:
        if pace.account_rate is not None:
            changes["next_slot"] = slots[-1] + SPACING / pace.account_rate
        if pace.taken:
            changes["taken"] = "[]"
    await _NEXT_SLOT.run(connection, b_run=run_id, b_slot=next_slot)
    if changes:
        await connection.execute(update(accounts).where(accounts.c.id == account).values(changes))
    return slots


_NEXT_SLOT = Prepared(
    update(runs).where(runs.c.id == bindparam("b_run")).values(next_slot=bindparam("b_slot"))
)


async def _keep_clear(connection: AsyncConnection, run_id: str, account: str, now: float) -> None:
    """Leave the gap in the account's other runs too, for which the first process may have drawn."""
    await connection.execute(
        update(runs)
        .where(runs.c.account_id == account, runs.c.id != run_id, runs.c.next_slot > now - 1)
        .values(next_slot=runs.c.next_slot + SHIFT)
    )
