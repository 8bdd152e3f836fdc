"""Who may take how much where several want it: campaigns of one account, lanes of one campaign.

A share is a target, never a reservation. What the wanting ones cannot use is lent to the others,
and calls under way are never cut: a freed channel goes to whoever is below its share. Demand is
written down where it is met last and forgotten `WANTED_FOR` seconds later, so that a dead worker
holds nothing back. A campaign that is alone, and an account without caps, pay nothing for this.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import floor
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, select, true, update

from store.engine import Store
from store.locking import Locked
from store.pacing import SHIFT, recovered
from store.schema import accounts, attempts, lanes, runs

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

WEIGHTS: Mapping[int, float] = {1: 16, 2: 8, 3: 4, 4: 2, 5: 1}
"""What a campaign's priority weighs where it shares."""

WANTED_FOR = 4.0
"""Seconds for which demand counts that was not renewed."""

_NEARLY = 1e-9


@dataclass(frozen=True)
class Sharer:
    """One that wants a part: how much at most, and how much it was served so far by its weight."""

    name: str
    weight: float
    wants: float
    rate: float = 0.0
    served: float = 0.0


def fill(capacity: float, wants: Mapping[str, tuple[float, float]]) -> dict[str, float]:
    """Divide a capacity by weight; what one does not want goes to the others.

    `wants` is weight and demand by name. Nobody gets more than it wants, and nothing is left over
    while somebody wants more.
    """
    given: dict[str, float] = {}
    open_ = dict(wants)
    left = capacity
    while open_:
        level = left / sum(weight for weight, _ in open_.values())
        content = {name for name, (weight, most) in open_.items() if most <= weight * level}
        if not content:
            return given | {name: weight * level for name, (weight, _) in open_.items()}
        for name in content:
            given[name] = open_.pop(name)[1]
            left = max(left - given[name], 0.0)
    return given


def whole_shares(capacity: int, sharers: Sequence[Sharer]) -> dict[str, int]:
    """Divide whole things by weight; what does not come out even goes to who was served least.

    That turns with what each is served, so nobody is left out for good, however light.
    """
    exact = fill(max(capacity, 0), {item.name: (item.weight, item.wants) for item in sharers})
    shares = {name: floor(part + _NEARLY) for name, part in exact.items()}
    left = floor(sum(exact.values()) + _NEARLY) - sum(shares.values())
    uneven = [item for item in sharers if exact[item.name] > shares[item.name] + _NEARLY]
    for item in sorted(uneven, key=lambda item: (item.served, -item.weight, item.name))[:left]:
        shares[item.name] += 1
    return shares


@dataclass(frozen=True)
class Room:
    """What one reserve may take, and what has to be written down after it."""

    free: int
    """Channels that it may take now."""
    entitled: int
    """Channels that it may have more than it holds; more than `free`: it waits for some."""
    contested: bool = False
    """Another campaign of the account, or another lane, wants some too."""
    me: Sharer | None = None
    my_lane: Sharer | None = None
    held: int = 0
    held_by_lane: int = 0


def shares_account(run: Locked) -> bool:
    """Whether the account has a cap that its campaigns share."""
    return run.channels is not None or run.calls_per_second is not None


async def announce(connection: AsyncConnection, run_id: str, run: Locked, now: float) -> bool:
    """Note that this run reserves; return whether others did of late. The account's row is held."""
    if not shares_account(run):
        return False
    crowded = bool(run.crowded_until > now)
    if run.taker == run_id:
        return crowded
    changes: dict[str, Any] = {"taker": run_id}
    if run.taker is not None:
        changes["crowded_until"] = now + WANTED_FOR
        if not crowded and run.calls_per_second is not None:
            # What a process that drew alone may have shifted is over by then.
            changes["next_slot"] = max(run.account_slot, now) + SHIFT
    await connection.execute(
        update(accounts).where(accounts.c.id == run.account_id).values(changes)
    )
    return crowded or run.taker is not None


async def room(
    connection: AsyncConnection,
    *,
    run_id: str,
    lane: int,
    run: Locked,
    channels: int,
    rate: float,
    priority: int,
    crowded: bool,
    now: float,
) -> Room:
    """Return how many channels the lane may take: under every cap, and no more than its share."""
    held = {
        (row.run_id, row.lane): int(row.held)
        for row in await connection.execute(
            select(attempts.c.run_id, attempts.c.lane, func.count().label("held"))
            .where(attempts.c.account_id == run.account_id, attempts.c.live == true())
            .group_by(attempts.c.run_id, attempts.c.lane)
        )
    }
    by_run: dict[str, int] = {}
    for (name, _), count in held.items():
        by_run[name] = by_run.get(name, 0) + count
    mine = by_run.get(run_id, 0)
    free = channels - mine
    if run.channels is not None:
        free = min(free, run.channels - sum(by_run.values()))
    entitled = channels - mine
    me = my_lane = None
    if crowded:
        others = await _wanting_runs(connection, run_id, run.account_id, now)
        if others:
            me = _joined(
                Sharer(run_id, WEIGHTS[priority], channels, rate, run.served), others, run, now
            )
            if run.channels is not None:
                apart = by_run.keys() - {me.name} - {item.name for item in others}
                capacity = run.channels - sum(by_run[name] for name in apart)
                share = whole_shares(capacity, [me, *others])[run_id]
                entitled = min(entitled, share - mine)
    held_by_lane = held.get((run_id, lane), 0)
    if run.lanes > 1:
        served, siblings = await _wanting_lanes(connection, run_id, lane, now)
        if siblings:
            most = max(entitled + mine, 0)
            least = min(item.served for item in siblings)
            my_lane = Sharer(str(lane), 1, most, served=max(served, least - 1))
            apart_by_lane = sum(
                count
                for (name, other), count in held.items()
                if name == run_id
                and other != lane
                and str(other) not in {item.name for item in siblings}
            )
            share = whole_shares(most - apart_by_lane, [my_lane, *siblings])[my_lane.name]
            entitled = min(entitled, share - held_by_lane)
    return Room(
        free=max(min(free, entitled), 0),
        entitled=max(entitled, 0),
        contested=me is not None or my_lane is not None,
        me=me,
        my_lane=my_lane,
        held=mine,
        held_by_lane=held_by_lane,
    )


def _joined(me: Sharer, others: Sequence[Sharer], run: Locked, now: float) -> Sharer:
    """Return a newcomer as one who was served no less than the others: idle time is not saved."""
    if run.wants_until > now:
        return me
    return replace(me, served=max(me.served, min(item.served for item in others)))


async def _wanting_runs(
    connection: AsyncConnection, run_id: str, account: str, now: float
) -> list[Sharer]:
    rows = await connection.execute(
        select(runs.c.id, runs.c.weight, runs.c.wants, runs.c.wants_rate, runs.c.served).where(
            runs.c.account_id == account,
            runs.c.wants_until > now,
            runs.c.state == "running",
            runs.c.id != run_id,
        )
    )
    return [Sharer(row.id, row.weight, row.wants, row.wants_rate, row.served) for row in rows]


async def _wanting_lanes(
    connection: AsyncConnection, run_id: str, lane: int, now: float
) -> tuple[float, list[Sharer]]:
    rows = (
        await connection.execute(
            select(lanes.c.lane, lanes.c.wants, lanes.c.wants_until, lanes.c.served).where(
                lanes.c.run_id == run_id
            )
        )
    ).all()
    mine = next((row.served for row in rows if row.lane == lane), 0.0)
    return mine, [
        Sharer(str(row.lane), 1, row.wants, served=row.served)
        for row in rows
        if row.lane != lane and row.wants_until > now
    ]


async def write_down(
    connection: AsyncConnection,
    *,
    run_id: str,
    lane: int,
    run: Locked,
    found: Room,
    crowded: bool,
    channels: int,
    rate: float,
    priority: int,
    taken: int,
    more: bool,
    limited: bool,
    horizon: float,
    now: float,
) -> None:
    """Write what the lane and its run want after a reserve that took `taken` channels.

    `more` says that they would take more if they could, `limited` that pacing was what kept them.
    """
    if crowded:
        me = found.me
        wants = channels if more else found.held + taken
        wants_rate = rate if more and limited else min(rate, 1 + taken / horizon)
        served = (run.served if me is None else me.served) + taken / WEIGHTS[priority]
        await connection.execute(
            update(runs)
            .where(runs.c.id == run_id)
            .values(
                weight=WEIGHTS[priority],
                wants=wants,
                wants_rate=wants_rate,
                wants_until=now + WANTED_FOR if wants else 0.0,
                served=served,
                share_rate=await _share_of_rate(connection, run_id, run, me, now),
            )
        )
    if run.lanes > 1:
        my_lane = found.my_lane
        wants = channels if more else found.held_by_lane + taken
        await connection.execute(
            update(lanes)
            .where(lanes.c.run_id == run_id, lanes.c.lane == lane)
            .values(
                wants=wants,
                wants_until=now + WANTED_FOR if wants else 0.0,
                served=lanes.c.served + taken if my_lane is None else my_lane.served + taken,
            )
        )


async def _share_of_rate(
    connection: AsyncConnection, run_id: str, run: Locked, me: Sharer | None, now: float
) -> float | None:
    """Return the run's part of the account's calls per second, None while it is alone."""
    if me is None or run.calls_per_second is None:
        return None
    others = await _wanting_runs(connection, run_id, run.account_id, now)
    limit = run.calls_per_second * recovered(run.slow_factor, run.slow_until, now)
    wants = {item.name: (item.weight, min(item.rate, limit)) for item in [me, *others]}
    return fill(limit, wants)[run_id]


async def may_have_room(store: Store, run_id: str, lane: int, channels: int) -> bool:
    """Whether a lane that waits for channels should ask again; its demand is renewed.

    Twice is the same as once. It counts without a lock: the next reserve decides.
    """
    now = store.now()
    async with store.write() as connection:
        account = (
            await connection.execute(
                select(accounts.c.id, accounts.c.channels)
                .join(runs, runs.c.account_id == accounts.c.id)
                .where(runs.c.id == run_id)
                .with_for_update()
            )
        ).one()
        until = now + WANTED_FOR
        await connection.execute(
            update(accounts).where(accounts.c.id == account.id).values(crowded_until=until)
        )
        await connection.execute(update(runs).where(runs.c.id == run_id).values(wants_until=until))
        await connection.execute(
            update(lanes)
            .where(lanes.c.run_id == run_id, lanes.c.lane == lane)
            .values(wants_until=until)
        )
        held = {
            row.run_id: int(row.held)
            for row in await connection.execute(
                select(attempts.c.run_id, func.count().label("held"))
                .where(attempts.c.account_id == account.id, attempts.c.live == true())
                .group_by(attempts.c.run_id)
            )
        }
    if held.get(run_id, 0) >= channels:
        return False
    return account.channels is None or sum(held.values()) < account.channels
