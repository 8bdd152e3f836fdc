"""Choosing who is dialed next: `settle` and `reserve` in one transaction.

The account's row is taken first, so that channels and send slots are granted to one caller at a
time, whatever lane, campaign or worker asks.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy import bindparam, func, select, update

from campaigns.attempts import Step
from campaigns.definition import Frozen
from campaigns.guarding import Watch
from store import budget, expiring, guards
from store.budget import Purse
from store.choosing import take_up_to
from store.engine import Store
from store.expiring import expire
from store.gate import Gate
from store.locking import Locked, lock_account
from store.pacing import Pace, pace_of
from store.prepared import Prepared, PreparedRows, word
from store.releasing import give_back, sweep
from store.runs import RunState
from store.schema import attempts, contacts, lanes
from store.settling import settle
from store.sharing import Room, announce, room, write_down
from store.trouble import repeatable
from store.upsert import insert_ignore

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

NO_GUARDS = Watch()


class Reservation(Frozen):
    """What one call of `settle_and_reserve` found and did.

    `keys` are reserved under the token and not yet posted. `due_now` says that more contacts are
    due than were taken; `next_due` is the earliest instant at which one becomes due.
    """

    state: RunState
    epoch: int
    reason: str = ""
    keys: tuple[str, ...] = ()
    pace: Pace
    due_now: bool = False
    next_due: float | None = None
    limited_by_pacing: bool = False
    """More channels were free than slots within the horizon."""
    waits_for_channels: bool = False
    """Others hold channels that are this lane's share."""
    settled: int = 0
    hang_up: bool = False
    rules_version: int = 1
    paused_until: float | None = None
    """When a paused run goes on by itself; None: by hand."""
    expires_more: bool = False
    """More contacts are too late for the campaign's end than one transaction takes."""


@repeatable
async def settle_and_reserve(
    store: Store,
    *,
    run_id: str,
    lane: int,
    token: str,
    steps: Sequence[Step],
    channels: int,
    calls_per_second: float,
    per_contact: int,
    purpose: str,
    horizon: float,
    gate: Gate,
    priority: int = 3,
    most: int | None = None,
    starts_at: float | None = None,
    ends_at: float | None = None,
    watch: Watch = NO_GUARDS,
    rules_version: int | None = None,
    more: bool = False,
) -> Reservation:
    """Settle what was decided, then reserve who is next, in one transaction.

    Reserves at most what pacing sends within `horizon` seconds, what the channels leave free and
    the lane's share allows (`store.sharing`), and `most`, which is what the caller can send in that
    time.
    The same token returns the same attempts, as far as they are still to be posted, and none
    besides, unless `more` are asked for: then those, and no others, are returned. Otherwise
    reserved rows of older tokens of the lane are given back first. Only a `running` run reserves,
    from `starts_at` on and until `ends_at`; who is still due then, or due only later, is `expired`.
    Its guards are looked at before, and may pause it or let it go on.
    `rules_version` is what the caller's rules are of; where the run has newer ones by now, nothing
    but settling is done, and the answer says so.
    """
    async with store.write() as connection:
        run = await lock_account(connection, run_id)
        now = store.now()
        settled = await settle(
            store, connection, run_id, lane, steps, version=run.rules_version, watch=watch
        )
        seen_at = await _be_seen(store, connection, run_id, lane, now)
        if not more:  # one who has slept may ask, and what its successor holds is not its to give
            await give_back(store, connection, run_id, lane, token=token, now=now)
        await sweep(store, connection, run.account_id, now, since=seen_at)
        current = rules_version is None or rules_version == run.rules_version
        if current and await guards.review(store, connection, run_id, run, watch=watch, now=now):
            run = await lock_account(connection, run_id)
        crowded = await announce(connection, run_id, run, now)
        pace = pace_of(store, run, calls_per_second, now)
        mine: list[_Under] = []
        if not more:
            mine = await _UNDER.all(connection, b_run=run_id, b_lane=lane, b_token=token)
        keys = [row.key for row in mine if row.state == "reserved"]
        limited = bool(keys)
        found_room: Room | None = None
        in_time = (starts_at is None or now >= starts_at) and (ends_at is None or now < ends_at)
        if current and not mine and run.state == "running" and in_time:
            found_room = await room(
                connection,
                run_id=run_id,
                lane=lane,
                run=run,
                channels=channels,
                rate=calls_per_second,
                priority=priority,
                crowded=crowded,
                now=now,
            )
            free = found_room.free
            slots = pace.slots_within(horizon, now)
            slots = slots if most is None else min(slots, most)
            want, limited = min(free, slots), slots < free
            purse = await budget.purse_of(store, connection, run_id, watch)
            keys = await take_up_to(
                store,
                connection,
                want,
                run=run,
                run_id=run_id,
                lane=lane,
                token=token,
                per_contact=per_contact,
                purpose=purpose,
                gate=gate,
                purse=purse,
                now=now,
            )
            if purse is not None and purse.refused:
                limited = False  # a free slot would not help: the next turn waits for an end
                run = await _pause_if_empty(store, connection, run_id, run, purse, watch=watch)
        expired = 0
        if current and ends_at is not None:
            expired = await expire(
                store, connection, run_id, lane, run=run, ends_at=ends_at, now=now
            )
        (next_due,) = await _NEXT_DUE.scalars(connection, b_run=run_id, b_lane=lane)
        if next_due is not None and starts_at is not None:
            next_due = max(next_due, starts_at)
        if next_due is not None and ends_at is not None:
            next_due = min(next_due, ends_at)  # the lane looks again when there is nothing to wait
        due_now = next_due is not None and next_due <= now
        if found_room is not None and (crowded or run.lanes > 1):
            await write_down(
                connection,
                run_id=run_id,
                lane=lane,
                run=run,
                found=found_room,
                crowded=crowded,
                channels=channels,
                rate=calls_per_second,
                priority=priority,
                taken=len(keys),
                more=due_now,
                limited=limited,
                horizon=horizon,
                now=now,
            )
    return Reservation(
        state=run.state,
        reason=run.reason,
        epoch=run.epoch,
        keys=tuple(keys),
        pace=pace,
        due_now=due_now,
        waits_for_channels=found_room is not None
        and due_now
        and found_room.contested
        and found_room.entitled > found_room.free,
        next_due=next_due,
        limited_by_pacing=limited,
        settled=settled,
        hang_up=run.hang_up,
        rules_version=run.rules_version,
        paused_until=run.paused_until,
        expires_more=expired >= expiring.BATCH,
    )


_NEXT_DUE = Prepared(
    select(func.min(contacts.c.due_at)).where(
        contacts.c.run_id == bindparam("b_run"),
        contacts.c.lane == bindparam("b_lane"),
        contacts.c.state == word("due"),
    )
)
_SEEN = Prepared(
    select(lanes.c.seen_at).where(
        lanes.c.run_id == bindparam("b_run"), lanes.c.lane == bindparam("b_lane")
    )
)
_BE_SEEN = Prepared(
    update(lanes)
    .where(lanes.c.run_id == bindparam("b_run"), lanes.c.lane == bindparam("b_lane"))
    .values(seen_at=bindparam("b_now"))
)


async def _be_seen(
    store: Store, connection: AsyncConnection, run_id: str, lane: int, now: float
) -> float:
    """Note that the lane is carried; return when it was seen before, 0 if never."""
    seen: list[float] = await _SEEN.scalars(connection, b_run=run_id, b_lane=lane)
    if seen:
        await _BE_SEEN.run(connection, b_run=run_id, b_lane=lane, b_now=now)
        return seen[0]
    row = {"run_id": run_id, "lane": lane, "seen_at": now}
    await connection.execute(insert_ignore(store, lanes), row)
    return 0.0


class _Under(NamedTuple):
    key: str
    state: str


_UNDER = PreparedRows(
    select(attempts.c.key, attempts.c.state).where(
        attempts.c.run_id == bindparam("b_run"),
        attempts.c.lane == bindparam("b_lane"),
        attempts.c.token == bindparam("b_token"),
        attempts.c.settled_at.is_(None),  # or this would look at every attempt of the run
    ),
    _Under,
)
"""The attempts that were reserved under a token and are not settled: by its successor, that is."""


async def _pause_if_empty(
    store: Store,
    connection: AsyncConnection,
    run_id: str,
    run: Locked,
    purse: Purse,
    *,
    watch: Watch,
) -> Locked:
    """Pause a run whose budget is exhausted for good; return its row as it is then."""
    if not purse.is_empty:
        return run
    verdict = budget.over_budget(purse, watch)
    await guards.trip(store, connection, run_id, "budget", verdict, now=store.now())
    return await lock_account(connection, run_id)
