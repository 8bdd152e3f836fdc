"""Calls under way: what to poll, what ended, what nobody knows yet."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from sqlalchemy import (
    Integer,
    and_,
    bindparam,
    false,
    func,
    literal_column,
    or_,
    select,
    true,
    update,
)

from campaigns.attempts import CallFacts, Ended
from campaigns.definition import Frozen
from store.batches import breathing
from store.engine import Store
from store.prepared import Many, Prepared, PreparedRows, word, words
from store.releasing import ORPHANED_AFTER
from store.runs import locked
from store.schema import attempts, contacts, lanes, numbers, runs
from store.settling import OVER, blames_account
from store.trouble import repeatable


class OpenAttempt(NamedTuple):
    """An attempt that is posting or placed; instants in seconds since 1970."""

    key: str
    run_id: str
    lane: int
    state: str
    api_id: int | None
    posting_at: float
    send_by: float
    unsure_at: float | None
    placed_at: float | None
    hang_up_at: float | None
    hang_up: bool
    reads: int
    next_read: float | None


class EndedCall(NamedTuple):
    """A call that the API reports as `finalizada`."""

    key: str
    facts: CallFacts
    cost_brl: float | None


class LaneWork(Frozen):
    """How much a lane has left: attempts by state and whether a contact is due."""

    reserved: int = 0
    posting: int = 0
    placed: int = 0
    undecided: int = 0
    contacts_due: bool = False

    @property
    def live(self) -> int:
        """Attempts that are reserved, posting or placed."""
        return self.reserved + self.posting + self.placed


async def open_attempts(store: Store, run_id: str, lane: int) -> list[OpenAttempt]:
    """Return the posting and placed attempts of the lane, and of the account's dead lanes."""
    async with store.read() as connection:
        return await _OPEN.all(
            connection, b_run=run_id, b_lane=lane, b_cutoff=store.now() - ORPHANED_AFTER
        )


_OPEN = PreparedRows(
    select(
        attempts.c.key,
        attempts.c.run_id,
        attempts.c.lane,
        attempts.c.state,
        attempts.c.api_id,
        attempts.c.posting_at,
        attempts.c.send_by,
        attempts.c.unsure_at,
        attempts.c.placed_at,
        attempts.c.hang_up_at,
        runs.c.hang_up,
        attempts.c.reads,
        attempts.c.next_read,
    )
    .join(runs, runs.c.id == attempts.c.run_id)
    .outerjoin(lanes, and_(lanes.c.run_id == attempts.c.run_id, lanes.c.lane == attempts.c.lane))
    .where(
        attempts.c.account_id
        == select(runs.c.account_id).where(runs.c.id == bindparam("b_run")).scalar_subquery(),
        attempts.c.live == true(),
        attempts.c.state.in_(words("posting", "placed")),
        or_(
            and_(attempts.c.run_id == bindparam("b_run"), attempts.c.lane == bindparam("b_lane")),
            lanes.c.seen_at < bindparam("b_cutoff"),
        ),
    )
    .order_by(attempts.c.placed_at),
    OpenAttempt,
)


_ENDED = Many(
    update(attempts)
    .where(attempts.c.key == bindparam("b_key"), attempts.c.state == word("placed"))
    .values(
        state=word("ended"),
        live=false(),
        ended_at=bindparam("b_now"),
        facts=bindparam("b_facts"),
        cost_brl=bindparam("b_cost"),
    )
)


@repeatable
async def record_ended(store: Store, ended: Sequence[EndedCall]) -> int:
    """Write finished calls down and free their numbers and channels; return how many were new."""
    if not ended:
        return 0
    now = store.now()
    async with store.write() as connection:
        written = await _ENDED.run(
            connection,
            [
                {
                    "b_key": item.key,
                    "b_now": now,
                    "b_facts": _text(item.facts),
                    "b_cost": item.cost_brl,
                }
                for item in sorted(ended, key=lambda item: item.key)
            ],
        )
    return max(written, 0)


@repeatable
async def mark_hung_up(store: Store, keys: Sequence[str]) -> None:
    """Note when the API was asked to end these calls."""
    if keys:
        async with store.write() as connection:
            await connection.execute(
                update(attempts).where(attempts.c.key.in_(keys)).values(hang_up_at=store.now())
            )


@lru_cache(maxsize=4_096)
def _text(facts: CallFacts) -> str:
    """Write facts."""
    return facts.model_dump_json(exclude_defaults=True)


@lru_cache(maxsize=4_096)
def _facts(text: str) -> CallFacts:
    """Read facts; most calls that nobody answered have the same ones."""
    return CallFacts.model_validate_json(text)


@lru_cache(maxsize=1_024)
def _uses(text: str) -> tuple[int, ...]:
    return tuple(json.loads(text))


class _Undecided(NamedTuple):
    key: str
    state: Any
    facts: str | None
    refusal: str | None
    accepted: int
    technical: int
    rule_uses: str
    numbers_left: int


_UNDECIDED = PreparedRows(
    select(
        attempts.c.key,
        attempts.c.state,
        attempts.c.facts,
        attempts.c.refusal,
        contacts.c.accepted,
        contacts.c.technical,
        contacts.c.rule_uses,
        select(func.count())
        .select_from(numbers)
        .where(
            numbers.c.run_id == attempts.c.run_id,
            numbers.c.n == attempts.c.n,
            numbers.c.position > attempts.c.position,
        )
        .correlate(attempts)
        .scalar_subquery(),
    )
    .join(
        contacts,
        and_(contacts.c.run_id == attempts.c.run_id, contacts.c.n == attempts.c.n),
    )
    .where(
        attempts.c.run_id == bindparam("b_run"),
        attempts.c.lane == bindparam("b_lane"),
        attempts.c.state.in_(words(*OVER)),
        attempts.c.settled_at.is_(None),
    )
    .order_by(attempts.c.ended_at)
    .limit(bindparam("b_limit", type_=Integer)),
    _Undecided,
)


async def undecided(store: Store, run_id: str, lane: int, limit: int) -> list[Ended]:
    """Return attempts that are over and not settled yet, oldest first.

    They are returned until they are settled, so that a lost answer loses nobody.
    """
    async with store.read() as connection:
        rows = await _UNDECIDED.all(connection, b_run=run_id, b_lane=lane, b_limit=limit)
    return [
        Ended(
            key=row.key,
            how="call" if row.state == "ended" else row.state,
            call=_facts(row.facts) if row.facts else None,
            refusal=json.loads(row.refusal).get("kind") if row.refusal else None,
            accepted=row.accepted,
            technical=row.technical + (row.state != "ended" and not blames_account(row.refusal)),
            numbers_left=row.numbers_left,
            rule_uses=_uses(row.rule_uses),
        )
        async for row in breathing(rows)
    ]


class _Held(NamedTuple):
    state: str
    held: int


_HELD = PreparedRows(
    select(attempts.c.state, func.count())
    .where(
        attempts.c.run_id == bindparam("b_run"),
        attempts.c.lane == bindparam("b_lane"),
        attempts.c.settled_at.is_(None),
    )
    .group_by(attempts.c.state),
    _Held,
)


_WAITING = Prepared(
    select(contacts.c.n)
    .where(
        contacts.c.run_id == bindparam("b_run"),
        contacts.c.lane == bindparam("b_lane"),
        contacts.c.state == word("due"),
    )
    .limit(literal_column("1"))
)


async def lane_work(store: Store, run_id: str, lane: int) -> LaneWork:
    """Return what the lane has left to do; it is finished when every part is zero."""
    async with store.read() as connection:
        held = dict(await _HELD.all(connection, b_run=run_id, b_lane=lane))
        waiting = bool(await _WAITING.scalars(connection, b_run=run_id, b_lane=lane))
    return LaneWork(
        reserved=held.get("reserved", 0),
        posting=held.get("posting", 0),
        placed=held.get("placed", 0),
        undecided=sum(count for state, count in held.items() if state in OVER),
        contacts_due=waiting,
    )


async def finish_lane(store: Store, run_id: str, lane: int) -> bool:
    """Note that a lane has nothing left, unless a person has just given something back to it.

    Nothing can be given back to one that is noted as finished. Twice is the same as once.
    """
    async with store.write() as connection:
        run = await locked(connection, run_id)
        left = select(attempts.c.key).where(
            attempts.c.run_id == run_id, attempts.c.lane == lane, attempts.c.settled_at.is_(None)
        )
        due = select(contacts.c.n).where(
            contacts.c.run_id == run_id, contacts.c.lane == lane, contacts.c.state == "due"
        )
        if (await connection.execute(left.limit(1))).first() is not None:
            return False
        if run.state != "stopping" and (await connection.execute(due.limit(1))).first() is not None:
            return False
        await connection.execute(
            update(lanes)
            .where(lanes.c.run_id == run_id, lanes.c.lane == lane)
            .values(finished=True)
        )
    return True
