"""Attempts of unknown fate, and what a person makes of them.

`placed`: the call was found, and is followed like any other. `not-placed`: nobody was called; the
contact is due again, under a new key. `done`: the contact is final with an outcome that the person
knows. Once a run, or the contact's lane, has ended, nothing is dialed or followed any more: then
only what is written about the contact is corrected. A contact that was withdrawn, before or after
its attempt was given up, is not due again whatever is said.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, Final, Literal

from sqlalchemy import and_, insert, select, update
from sqlalchemy.exc import IntegrityError

from campaigns.attempts import Outcome
from campaigns.definition import Frozen
from store import budget
from store.engine import Store
from store.leaving import WITHDRAWN, Leaver, let_go
from store.runs import Run, RunError, get_run, locked
from store.schema import attempts, contacts, decisions, lanes
from store.settling import tally_up
from store.trouble import repeatable

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

How = Literal["placed", "not-placed", "done"]

SAYABLE: Final = (
    Outcome.ANSWERED,
    Outcome.VOICEMAIL,
    Outcome.BUSY,
    Outcome.NO_ANSWER,
    Outcome.UNREACHABLE,
    Outcome.REJECTED,
    Outcome.INVALID_NUMBER,
    Outcome.OTHER_LEG,
    Outcome.OTHER,
)
"""Outcomes that a person may give to a contact."""


class UnknownAttempt(Frozen):
    """An attempt that could not be decided; instants are seconds since 1970.

    `id` is the contact's in its list. `reads` counts the reports that were read in vain after the
    quiet time. `call` is what the API has shown for its key since, `holds_until` when it frees its
    number and channel.
    """

    attempt: str
    contact: int
    id: str
    posted_at: float | None
    reads: int
    call: int | None
    holds_until: float | None


async def unknowns(store: Store, run_id: str) -> list[UnknownAttempt]:
    """Return the attempts of a run whose fate is unknown, oldest first."""
    await get_run(store, run_id)
    query = (
        select(attempts, contacts.c.external_id)
        .join(contacts, and_(contacts.c.run_id == attempts.c.run_id, contacts.c.n == attempts.c.n))
        .where(attempts.c.run_id == run_id, attempts.c.state == "unknown")
        .order_by(attempts.c.posting_at)
    )
    async with store.read() as connection:
        return [
            UnknownAttempt(
                attempt=row.key,
                contact=row.n,
                id=row.external_id,
                posted_at=row.posting_at,
                reads=row.reads,
                call=row.api_id or row.late_id,
                holds_until=row.holds_until if row.live else None,
            )
            for row in await connection.execute(query)
        ]


@repeatable
async def resolve(
    store: Store,
    run_id: str,
    key: str,
    how: How,
    *,
    call: int | None = None,
    outcome: Outcome | None = None,
) -> str:
    """Settle an attempt of unknown fate, and say what follows. Twice is the same as once.

    Raises `RunError` for one that is not unknown, or was resolved otherwise, and for what the run
    can no longer take back.
    """
    async with store.write() as connection:
        run = await locked(connection, run_id)
        row = (
            await connection.execute(
                select(attempts)
                .where(attempts.c.key == key, attempts.c.run_id == run_id)
                .with_for_update()
            )
        ).one_or_none()
        if row is None:
            raise RunError(f"run {run_id} has no attempt {key}; `discador unknowns` lists them")
        if row.state != "unknown":
            return _again(row, how, call, outcome)
        call = call or row.api_id or row.late_id
        if row.late_id is not None and call != row.late_id:
            raise RunError(f"the API has shown call {row.late_id} for attempt {key}, not {call}")
        goes_on = run.is_open and not await _has_finished(connection, run_id, row.lane)
        person = await _person(connection, row)
        if how == "placed":
            return await _placed(store, connection, run, row, call, person=person, goes_on=goes_on)
        if how == "not-placed":
            return await _not_placed(store, connection, run, row, person=person, goes_on=goes_on)
        if outcome not in SAYABLE:
            raise RunError(f"say what it came to: {', '.join(SAYABLE)}")
        return await _done(store, connection, run, row, call, person=person, outcome=outcome)


def _again(row: Any, how: How, call: int | None, outcome: Outcome | None) -> str:
    """Answer for an attempt that is not unknown any more."""
    same = row.resolution == how and call in {None, row.api_id}
    if same and (how != "done" or outcome in {None, row.outcome}):
        return f"attempt {row.key} was already resolved as {how}"
    if row.resolution is None:
        raise RunError(f"attempt {row.key} is {row.state}: only an unknown one can be resolved")
    raise RunError(f"attempt {row.key} was already resolved, as {row.resolution}")


async def _has_finished(connection: AsyncConnection, run_id: str, lane: int) -> bool:
    query = select(lanes.c.finished).where(lanes.c.run_id == run_id, lanes.c.lane == lane)
    return bool((await connection.execute(query)).scalar())


async def _person(connection: AsyncConnection, row: Any) -> Any:
    """Return the contact that waits for this attempt, or ended with it; None where neither."""
    mine = (
        contacts.c.state == "live"
        if row.settled_at is None
        else and_(
            contacts.c.state == "done", contacts.c.outcome.in_((Outcome.UNKNOWN.value, WITHDRAWN))
        )
    )
    query = select(contacts.c.n, contacts.c.lane, contacts.c.outcome).where(
        contacts.c.run_id == row.run_id, contacts.c.n == row.n, mine
    )
    return (await connection.execute(query.with_for_update())).one_or_none()


def _has_left(person: Any) -> bool:
    return person is not None and person.outcome == WITHDRAWN


async def _placed(
    store: Store,
    connection: AsyncConnection,
    run: Run,
    row: Any,
    call: int | None,
    *,
    person: Any,
    goes_on: bool,
) -> str:
    if not goes_on:
        raise RunError(
            f"run {run.id} has ended, so nobody would follow the call; see what it came to with "
            "`discador chamada buscar` and write --as done --outcome ..."
        )
    if call is None:
        raise RunError("say which call it is: --call-id ID")
    taken = select(attempts.c.key).where(
        attempts.c.account_id == row.account_id,
        attempts.c.api_id == call,
        attempts.c.key != row.key,
    )
    if (await connection.execute(taken.limit(1))).first() is not None:
        raise RunError(f"call {call} belongs to another attempt")
    now = store.now()
    try:
        async with connection.begin_nested():
            await _write(
                connection,
                row,
                state="placed",
                live=True,
                api_id=call,
                placed_at=row.placed_at or now,
                ended_at=None,
                settled_at=None,
                outcome=None,
                resolution="placed",
            )
    except IntegrityError:
        raise RunError(
            "its number is in another live attempt just now; say it again when that has ended"
        ) from None
    tally = Counter[str]()
    values: dict[str, Any] = {
        "state": "live",
        "outcome": WITHDRAWN if _has_left(person) else None,
    }
    if row.api_id is None:
        values["accepted"] = contacts.c.accepted + 1
    await _change(connection, row, person, **values)
    if row.settled_at is not None:
        tally = _unsaid(row, person)
        await budget.take_back(connection, row.run_id, row.worst_cost)
    await _log(store, connection, run, row, how="placed", outcome=None)
    await tally_up(store, connection, row.run_id, row.lane, tally)
    return f"call {call} is followed like any other"


async def _not_placed(
    store: Store, connection: AsyncConnection, run: Run, row: Any, *, person: Any, goes_on: bool
) -> str:
    known = row.api_id or row.late_id
    if known is not None:
        raise RunError(f"the API knows call {known} for attempt {row.key}: it was placed")
    now = store.now()
    await _write(
        connection,
        row,
        state="not_placed",
        live=False,
        settled_at=row.settled_at or now,
        outcome=Outcome.NOT_PLACED.value,
        resolution="not-placed",
    )
    tally = Counter({f"void:{Outcome.NOT_PLACED.value}": 1})
    if row.settled_at is not None:
        tally.update(_unsaid(row, person))
        await budget.take_back(connection, row.run_id, row.worst_cost)
    if _has_left(person):
        told = "nobody was called; the contact was withdrawn, so nobody is"
        await _change(connection, row, person, state="done")
        if row.settled_at is None:
            await let_go(store, connection, [Leaver(run.id, row.n, person.lane)], now)
        else:
            tally[f"contact:{WITHDRAWN}"] += 1  # as it was counted when it was withdrawn
    elif goes_on:
        told = "nobody was called; the contact is due again"
        await _change(connection, row, person, state="due", outcome=None, due_at=now)
    else:
        told = "nobody was called; the run dials no more, so the contact stays not placed"
        await _change(connection, row, person, state="done", outcome=Outcome.NOT_PLACED.value)
        tally[f"contact:{Outcome.NOT_PLACED.value}"] += person is not None
    await _log(store, connection, run, row, how="not-placed", outcome=Outcome.NOT_PLACED)
    await tally_up(store, connection, row.run_id, row.lane, tally)
    return told


async def _done(
    store: Store,
    connection: AsyncConnection,
    run: Run,
    row: Any,
    call: int | None,
    *,
    person: Any,
    outcome: Outcome,
) -> str:
    now = store.now()
    await _write(
        connection,
        row,
        state="ended",
        live=False,
        api_id=call,
        settled_at=row.settled_at or now,
        outcome=outcome.value,
        resolution="done",
    )
    await _change(connection, row, person, state="done", outcome=outcome.value)
    tally = Counter({f"{'void' if call is None else 'attempt'}:{outcome.value}": 1})
    tally[f"contact:{outcome.value}"] += person is not None
    if row.settled_at is not None:
        tally.update(_unsaid(row, person))
    else:
        await budget.charge(connection, row.run_id, row.worst_cost or 0)
    await _log(store, connection, run, row, how="done", outcome=outcome)
    await tally_up(store, connection, row.run_id, row.lane, tally)
    return f"the contact is done: {outcome.value}"


def _unsaid(row: Any, person: Any) -> Counter[str]:
    """Return what takes back how the attempt, and its contact, were counted when it was settled."""
    name = "void" if row.api_id is None else "attempt"
    tally = Counter({f"{name}:{Outcome.UNKNOWN.value}": -1})
    if person is not None:
        tally[f"contact:{person.outcome}"] -= 1
    return tally


async def _write(connection: AsyncConnection, row: Any, **values: Any) -> None:
    await connection.execute(
        update(attempts)
        .where(attempts.c.key == row.key, attempts.c.state == "unknown")
        .values(holds_until=None, **values)
    )


async def _change(connection: AsyncConnection, row: Any, person: Any, **values: Any) -> None:
    if person is not None:
        await connection.execute(
            update(contacts)
            .where(contacts.c.run_id == row.run_id, contacts.c.n == row.n)
            .values(**values)
        )


async def _log(
    store: Store,
    connection: AsyncConnection,
    run: Run,
    row: Any,
    *,
    how: How,
    outcome: Outcome | None,
) -> None:
    await connection.execute(
        insert(decisions).values(
            run_id=row.run_id,
            n=row.n,
            attempt=row.key,
            at=store.now(),
            what="resolved",
            outcome=None if outcome is None else outcome.value,
            why=how,
            rules_version=run.rules_version,
        )
    )
