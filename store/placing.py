"""The compare-and-set in front of every POST, and what became of it.

`claim` commits the intent before anything is sent. One caller wins an attempt, once, ever: there is
no way back from `posting` to `reserved`.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cache
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy import (
    ColumnElement,
    Double,
    Text,
    bindparam,
    case,
    exists,
    false,
    or_,
    select,
    update,
)

from campaigns.guarding import Watch
from store import budget, guards
from store.choosing import CALLED
from store.engine import Store
from store.locking import lock_account
from store.pacing import LEAD, SHIFT, Pace, draw_slots, pace_of, recovered, slots_ahead
from store.prepared import Many, Prepared, PreparedRows, among, word, words
from store.schema import accounts, attempts, contacts, numbers, runs, suppressions
from store.trouble import repeatable

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

SEND_GRACE = 2.0
"""Seconds after its slot until which a POST may leave at the very latest."""


SLOWER = 0.7
SLOWEST = 1 / 16
ONE_BURST = 1.0
"""Seconds within which answers of 429 belong together."""

CLAIM_AHEAD = 1.0
"""Seconds before its slot from which an attempt may be claimed: what is claimed is sent, even when
the run is paused in between."""


NO_COLUMNS: Mapping[str, str] = MappingProxyType({})


class Claim(NamedTuple):
    """An attempt that this caller alone may post: at `slot`, by `send_by`, never later."""

    key: str
    e164: str
    slot: float
    send_by: float
    columns: Mapping[str, str] = NO_COLUMNS
    """The contact's row of the list, where the campaign's tags ask for it."""


class Placed(NamedTuple):
    """The API accepted the call."""

    key: str
    api_id: int


class RefusedPost(NamedTuple):
    """A definite no: `kind` is number, pacing, account, campaign or other."""

    key: str
    kind: str
    status: int | None = None
    motivo: int | None = None
    message: str = ""


class NotSent(NamedTuple):
    """Nothing was written to the network, for sure."""

    key: str
    message: str = ""


class Unsure(NamedTuple):
    """The request may have reached the API and its answer is lost: the row stays `posting`."""

    key: str


PostResult = Placed | RefusedPost | NotSent | Unsure


@repeatable
async def claim(
    store: Store,
    *,
    run_id: str,
    token: str,
    keys: Sequence[str],
    calls_per_second: float,
    per_contact: int,
    purpose: str,
    with_columns: bool = False,
    capped: bool = False,
    watch: Watch | None = None,
) -> tuple[list[Claim], Pace]:
    """Move attempts from `reserved` to `posting` and give each its slot; commit before any POST.

    Checks in the same statement that the run is `running` under the attempt's epoch, that the
    contact may still be called when its slot comes, suppression and the cap; where the gate looks
    at past calls (`capped`), also that nobody has called the contact since it looked. What does not
    pass stays `reserved`. A second caller for the same key wins nothing, and nobody wins anything
    while the next slot is more than `CLAIM_AHEAD` away, or once a budget turns out to be overdrawn.
    Returns the claims in the order of `keys`, and the pace that their slots were drawn at.
    """
    async with store.write() as connection:
        run = await lock_account(connection, run_id)
        now = store.now()
        pace = pace_of(store, run, calls_per_second, now)
        first = max(now, pace.next_slot)
        if first > now + CLAIM_AHEAD:
            return [], pace
        purse = await budget.purse_of(store, connection, run_id, watch) if watch else None
        if purse is not None and purse.left < 0:
            return [], pace
        last = first + (len(keys) - 1) * pace.interval + (SHIFT if pace.newcomer else LEAD)
        if pace.crowded:
            # Slots lie between those of others, who may have pushed them far ahead.
            ahead = slots_ahead(pace, now, len(keys))
            soon = [slot for slot in ahead if slot <= max(last, now + CLAIM_AHEAD)]
            if ahead and not soon:
                return [], pace.model_copy(update={"next_slot": ahead[0]})
            keys, last = keys[: len(soon)], soon[-1] if soon else last
        send_by = last + SEND_GRACE
        won = await _won(capped=capped).all(
            connection,
            b_keys=keys,
            b_token=token,
            b_last=last,
            b_per_contact=per_contact,
            b_purpose=purpose,
            b_campaign=run.campaign,
            b_now=now,
            b_send_by=send_by,
        )
        columns: dict[int, str] = {}
        if with_columns and won:
            found = await connection.execute(
                select(contacts.c.n, contacts.c.columns).where(
                    contacts.c.run_id == run_id, contacts.c.n.in_([row.n for row in won])
                )
            )
            columns = {row.n: row.columns for row in found}
        slots = await draw_slots(
            store,
            connection,
            run_id=run_id,
            account=run.account_id,
            pace=pace,
            count=len(won),
            now=now if pace.crowded else None,
        )
    order = {key: index for index, key in enumerate(keys)}
    won = sorted(won, key=lambda row: order[row.key])
    claims = [
        Claim(
            key=row.key,
            e164=row.e164,
            slot=slot,
            send_by=row.send_by,
            columns=json.loads(columns[row.n]) if row.n in columns else NO_COLUMNS,
        )
        for row, slot in zip(won, slots, strict=True)
    ]
    return claims, pace


class _Won(NamedTuple):
    key: str
    e164: str
    n: int
    send_by: float


@cache
def _won(*, capped: bool) -> PreparedRows[_Won]:
    """Return the compare-and-set: it alone moves an attempt to `posting`."""
    send_by = bindparam("b_send_by", type_=Double)
    return PreparedRows(
        update(attempts)
        .where(
            among(attempts.c.key, "b_keys"),
            attempts.c.token == bindparam("b_token"),
            attempts.c.state == word("reserved"),
            or_(
                attempts.c.callable_until.is_(None),
                attempts.c.callable_until > bindparam("b_last"),
            ),
            exists(
                select(runs.c.id).where(
                    runs.c.id == attempts.c.run_id,
                    runs.c.state == word("running"),
                    runs.c.epoch == attempts.c.epoch,
                )
            ),
            exists(
                select(contacts.c.n).where(
                    contacts.c.run_id == attempts.c.run_id,
                    contacts.c.n == attempts.c.n,
                    contacts.c.accepted < bindparam("b_per_contact"),
                    contacts.c.outcome.is_(None),
                )
            ),
            ~exists(
                select(suppressions.c.id).where(
                    suppressions.c.account_id == attempts.c.account_id,
                    suppressions.c.e164 == attempts.c.e164,
                    suppressions.c.scope.in_([word("all"), bindparam("b_purpose", type_=Text)]),
                    suppressions.c.campaign.in_([word(""), bindparam("b_campaign", type_=Text)]),
                    or_(
                        suppressions.c.expires_at.is_(None),
                        suppressions.c.expires_at > bindparam("b_now"),
                    ),
                )
            ),
            *([~_called_meanwhile()] if capped else []),
        )
        .values(
            state=word("posting"),
            posting_at=bindparam("b_now"),
            send_by=case(
                (attempts.c.callable_until < send_by, attempts.c.callable_until),
                else_=send_by,
            ),
        )
        .returning(attempts.c.key, attempts.c.e164, attempts.c.n, attempts.c.send_by),
        _Won,
    )


def _called_meanwhile() -> ColumnElement[bool]:
    """Whether another campaign has called the person since the attempt was reserved.

    It may know the person by another number, so the one live attempt per number does not help.
    """
    other = attempts.alias()
    return exists(
        select(numbers.c.n)
        .where(
            numbers.c.run_id == attempts.c.run_id,
            numbers.c.n == attempts.c.n,
            other.c.e164 == numbers.c.e164,
            other.c.account_id == attempts.c.account_id,
            other.c.posting_at >= attempts.c.reserved_at,
            other.c.state.in_(words(*CALLED)),
            other.c.spared == false(),
        )
        .correlate(attempts)
    )


@repeatable
async def draw_again(
    store: Store, *, run_id: str, calls_per_second: float, count: int
) -> tuple[list[float], Pace]:
    """Return new slots for POSTs that missed theirs, and their pace; none of them has been sent."""
    async with store.write() as connection:
        run = await lock_account(connection, run_id)
        now = store.now()
        pace = pace_of(store, run, calls_per_second, now)
        slots = await draw_slots(
            store,
            connection,
            run_id=run_id,
            account=run.account_id,
            pace=pace,
            count=count,
        )
    return slots, pace


@repeatable
async def record(store: Store, results: Sequence[PostResult]) -> list[Placed]:
    """Write down what became of POSTs; return the calls that came too late.

    Only a row in `posting` changes, so the same result twice changes nothing. A call that the API
    accepted for a key that was meanwhile judged `not_placed` is returned: it must be hung up.
    """
    if not results:
        return []
    now = store.now()
    async with store.write() as connection:
        keys = [result.key for result in results]
        states = {row.key: row for row in await _STATES.all(connection, b_keys=keys)}
        by_key: dict[str, PostResult] = {}
        for result in results:
            if result.key in states and states[result.key].state == "posting":
                known = by_key.get(result.key)
                by_key[result.key] = result if isinstance(known, Unsure | None) else known
        fresh = list(by_key.values())
        placed = [result for result in fresh if isinstance(result, Placed)]
        await _accept(connection, [(item, states[item.key]) for item in placed], now)
        await _refuse(
            connection,
            [result for result in fresh if isinstance(result, RefusedPost | NotSent)],
            now,
        )
        unsure = [{"b_key": result.key} for result in fresh if isinstance(result, Unsure)]
        if unsure:
            await connection.execute(
                update(attempts)
                .where(attempts.c.key == bindparam("b_key"), attempts.c.unsure_at.is_(None))
                .values(unsure_at=now),
                unsure,
            )
        await guards.observe_failures(
            connection,
            [
                states[result.key].run_id
                for result in fresh
                if isinstance(result, NotSent)
                or (isinstance(result, Unsure) and states[result.key].unsure_at is None)
                or (isinstance(result, RefusedPost) and result.kind == "other")
            ],
        )
        late = [
            result
            for result in results
            if isinstance(result, Placed)
            and result.key in states
            and states[result.key].state in {"not_placed", "unknown"}
        ]
        await mark_late(connection, late)
    return [item for item in late if states[item.key].state == "not_placed"]


class _State(NamedTuple):
    key: str
    state: str
    run_id: str
    n: int
    unsure_at: float | None


_STATES = PreparedRows(
    select(
        attempts.c.key,
        attempts.c.state,
        attempts.c.run_id,
        attempts.c.n,
        attempts.c.unsure_at,
    )
    .where(among(attempts.c.key, "b_keys"))
    .order_by(attempts.c.key)
    .with_for_update(),
    _State,
)

_ACCEPTED = Many(
    update(attempts)
    .where(attempts.c.key == bindparam("b_key"), attempts.c.state == word("posting"))
    .values(state=word("placed"), api_id=bindparam("b_id"), placed_at=bindparam("b_now"))
)


_CALLED_MORE = Prepared(
    update(contacts)
    .where(contacts.c.run_id == bindparam("b_run"), among(contacts.c.n, "b_n"))
    .values(accepted=contacts.c.accepted + bindparam("b_calls"))
)


async def _accept(
    connection: AsyncConnection, placed: Sequence[tuple[Placed, _State]], now: float
) -> None:
    if not placed:
        return
    await _ACCEPTED.run(
        connection,
        [{"b_key": item.key, "b_id": item.api_id, "b_now": now} for item, _ in placed],
    )
    accepted: dict[tuple[str, int], list[int]] = {}
    for (run_id, n), calls in Counter((row.run_id, row.n) for _, row in placed).items():
        accepted.setdefault((run_id, calls), []).append(n)
    for (run_id, calls), ordinals in sorted(accepted.items()):
        await _CALLED_MORE.run(connection, b_run=run_id, b_calls=calls, b_n=sorted(ordinals))


async def _refuse(
    connection: AsyncConnection, results: Sequence[RefusedPost | NotSent], now: float
) -> None:
    if not results:
        return
    await connection.execute(
        update(attempts)
        .where(attempts.c.key == bindparam("b_key"), attempts.c.state == "posting")
        .values(
            state=bindparam("b_state"), live=False, ended_at=now, refusal=bindparam("b_refusal")
        ),
        [
            {
                "b_key": item.key,
                "b_state": "refused" if isinstance(item, RefusedPost) else "not_sent",
                "b_refusal": _as_json(item),
            }
            for item in results
        ],
    )


def _as_json(item: RefusedPost | NotSent) -> str:
    said = {name: value for name, value in item._asdict().items() if name != "key"}
    return json.dumps(said, ensure_ascii=False)


async def mark_late(connection: AsyncConnection, late: Sequence[Placed]) -> None:
    """Note on their attempts the calls that surfaced after those were given up."""
    if late:
        await budget.charge_late(connection, [item.key for item in late])
        await connection.execute(
            update(attempts)
            .where(attempts.c.key == bindparam("b_key"))
            .values(late_id=bindparam("b_id")),
            [{"b_key": item.key, "b_id": item.api_id} for item in late],
        )


@repeatable
async def slow_down(store: Store, run_id: str, seconds: float) -> None:
    """Grant no slot for `seconds` and cut the rate: the API said 429.

    The rate then recovers by itself (`pacing.recovered`). Several answers to one burst cut it once.
    """
    async with store.write() as connection:
        run = await lock_account(connection, run_id)
        now = store.now()
        factor = run.slow_factor
        if now > run.slow_until + ONE_BURST:
            factor = max(recovered(factor, run.slow_until, now) * SLOWER, SLOWEST)
        await connection.execute(
            update(accounts)
            .where(accounts.c.id == run.account_id)
            .values(
                next_slot=max(run.account_slot, now + seconds),
                slow_until=max(run.slow_until, now + seconds),
                slow_factor=factor,
            )
        )
