"""Attempts that nobody could follow: given up, held for a while, and found again all the same."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from sqlalchemy import and_, bindparam, select, true, update

from store.engine import Store
from store.placing import Placed, mark_late
from store.prepared import PreparedRows, among, word
from store.schema import attempts, runs
from store.trouble import repeatable


async def keys_given_up(store: Store, found: Iterable[tuple[str, int]]) -> list[Placed]:
    """Note calls whose key had been given up, and return those judged `not_placed`: end them.

    `found` are keys with the API's call ids. The call of an attempt that was parked as `unknown` is
    noted too and goes on: nobody was called in its place. Each is returned once.
    """
    by_key = dict(found)
    if not by_key:
        return []
    given_up = select(attempts.c.key, attempts.c.state).where(
        attempts.c.key.in_(list(by_key)),
        attempts.c.state.in_(("not_placed", "unknown")),
        attempts.c.api_id.is_(None),
        attempts.c.late_id.is_(None),
    )
    async with store.read() as connection:
        if (await connection.execute(given_up.limit(1))).first() is None:
            return []
    async with store.write() as connection:
        # Who has waited here for somebody who wrote them down finds none any more.
        locked_rows = given_up.order_by(attempts.c.key).with_for_update()
        rows = (await connection.execute(locked_rows)).all()
        late = [(Placed(key=row.key, api_id=by_key[row.key]), row.state) for row in rows]
        await mark_late(connection, [item for item, _ in late])
    return [item for item, state in late if state == "not_placed"]


@repeatable
async def mark_read(store: Store, reads: Sequence[tuple[str, int, float]]) -> None:
    """Keep, for unresolved attempts, how often the report was read and when to read it next."""
    if not reads:
        return
    async with store.write() as connection:
        await connection.execute(
            update(attempts)
            .where(attempts.c.key == bindparam("b_key"), attempts.c.state == "posting")
            .values(reads=bindparam("b_reads"), next_read=bindparam("b_next")),
            [{"b_key": key, "b_reads": count, "b_next": at} for key, count, at in sorted(reads)],
        )


@repeatable
async def give_up(
    store: Store, keys: Sequence[str], *, as_state: str, from_state: str, hold: float
) -> int:
    """Resolve attempts as `not_placed` or `unknown`; return how many were still `from_state`.

    An `unknown` one keeps its number and its channel for `hold` seconds: it may be ringing.
    """
    if not keys:
        return 0
    now = store.now()
    unknown = as_state == "unknown"
    async with store.write() as connection:
        result = await connection.execute(
            update(attempts)
            .where(attempts.c.key.in_(keys), attempts.c.state == from_state)
            .values(
                state=as_state,
                live=unknown,
                ended_at=now,
                holds_until=now + hold if unknown else None,
            )
        )
    return max(result.rowcount, 0)


class GivenUp(NamedTuple):
    """An attempt that was judged `not_placed`, and whose call has not surfaced."""

    key: str
    e164: str
    posting_at: float
    ended_at: float


_GIVEN_UP = select(*(attempts.c[name] for name in GivenUp._fields)).where(
    attempts.c.state == word("not_placed"), attempts.c.late_id.is_(None)
)
_GIVEN_UP_KEYS = PreparedRows(_GIVEN_UP.where(among(attempts.c.key, "b_keys")), GivenUp)


async def given_up(store: Store, keys: Sequence[str]) -> list[GivenUp]:
    """Return which of these attempts are `not_placed`, and what their calls are found by."""
    if not keys:
        return []
    async with store.read() as connection:
        return await _GIVEN_UP_KEYS.all(connection, b_keys=keys)


async def given_up_since(store: Store, run_id: str, lane: int, since: float) -> list[GivenUp]:
    """Return which attempts of a lane have been judged `not_placed` since an instant.

    Looks at every attempt of the run, away from the loop: once for each worker that takes it over.
    """
    query = _GIVEN_UP.where(
        attempts.c.run_id == run_id, attempts.c.lane == lane, attempts.c.ended_at > since
    )
    async with store.read(long=True) as connection:
        return [GivenUp._make(row) for row in await connection.execute(query)]


@repeatable
async def release_held(store: Store, run_id: str) -> int:
    """Free numbers and channels that `unknown` attempts of the account have held long enough."""
    account = select(runs.c.account_id).where(runs.c.id == run_id).scalar_subquery()
    now = store.now()
    due = and_(
        attempts.c.account_id == account,
        attempts.c.live == true(),
        attempts.c.state == "unknown",
        attempts.c.holds_until < now,
    )
    async with store.read() as connection:
        if (await connection.execute(select(attempts.c.key).where(due).limit(1))).first() is None:
            return 0
    async with store.write() as connection:
        result = await connection.execute(update(attempts).where(due).values(live=False))
    return max(result.rowcount, 0)
