"""Choosing who is dialed next among those who are due, and saying why the others are not."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from sqlalchemy import (
    Integer,
    Text,
    and_,
    bindparam,
    func,
    insert,
    literal_column,
    or_,
    select,
    update,
)

from campaigns.attempts import Outcome
from campaigns.keys import attempt_key
from store import dead
from store.batches import breathing, parts
from store.budget import Purse
from store.engine import Store
from store.gate import Candidate, Gate
from store.locking import Locked
from store.prepared import Many, Prepared, PreparedRows, among, word
from store.schema import attempts, contacts, decisions, numbers, suppressions
from store.settling import tally_up
from store.upsert import insert_ignore

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

LIVE_ELSEWHERE_DELAY = 5.0
"""Seconds until a contact is looked at again whose number another attempt holds."""

CALLED = ("posting", "placed", "ended", "unknown")
"""States of an attempt that may have called the person: what the caps count."""

MAX_ROUNDS = 5
"""How often one reserve looks for as many as it wants when the first ones may not be called now."""
LEAST_LOOKED = 40
"""Contacts that it looks at in any case: who wants one more must not starve behind others."""


_INSERTS: dict[bool, Many] = {}


async def take_up_to(
    store: Store, connection: AsyncConnection, want: int, *, purse: Purse | None, **what: Any
) -> list[str]:
    """Look for contacts in rounds until enough are taken, none is left, or the budget is."""
    keys: list[str] = []
    left = max(MAX_ROUNDS * want, LEAST_LOOKED)
    while left > 0 and len(keys) < want and not (purse is not None and purse.refused):
        found, taken = await _reserve_round(
            store, connection, want=want - len(keys), purse=purse, **what
        )
        keys += taken
        left -= found
        if not found:
            break
    return keys


class _Due(NamedTuple):
    n: int
    position: int
    drawn: int
    accepted: int
    e164: str
    kind: Literal["movel", "fixo"]


_DUE = PreparedRows(
    select(
        contacts.c.n,
        contacts.c.position,
        contacts.c.drawn,
        contacts.c.accepted,
        numbers.c.e164,
        numbers.c.kind,
    )
    .join(
        numbers,
        and_(
            numbers.c.run_id == contacts.c.run_id,
            numbers.c.n == contacts.c.n,
            numbers.c.position == contacts.c.position,
        ),
    )
    .where(
        contacts.c.run_id == bindparam("b_run"),
        contacts.c.lane == bindparam("b_lane"),
        contacts.c.state == word("due"),
        contacts.c.due_at <= bindparam("b_now"),
    )
    .order_by(contacts.c.due_at, contacts.c.n)
    .limit(bindparam("b_want", type_=Integer))
    # What somebody else is changing just now is looked at again in the next turn.
    .with_for_update(of=contacts, skip_locked=True),
    _Due,
)


async def _reserve_round(
    store: Store,
    connection: AsyncConnection,
    *,
    run: Locked,
    run_id: str,
    lane: int,
    token: str,
    want: int,
    per_contact: int,
    purpose: str,
    gate: Gate,
    purse: Purse | None,
    now: float,
) -> tuple[int, list[str]]:
    """Take up to `want` contacts that are due; return how many were looked at, and the keys."""
    rows = await _DUE.all(connection, b_run=run_id, b_lane=lane, b_now=now, b_want=want)
    if not rows:
        return 0, []
    suppressed = await _suppressed(connection, run, purpose, [row.e164 for row in rows], now)
    histories = await _histories(
        connection, run_id, run, rows, now - gate.history if gate.history else None
    )
    allowed: list[dict[str, Any]] = []
    waiting: list[dict[str, Any]] = []
    blocked: list[tuple[Any, Outcome, str]] = []
    async for row in breathing(rows):
        if row.e164 in suppressed:
            blocked.append((row, *suppressed[row.e164]))
            continue
        if row.accepted >= per_contact:
            blocked.append((row, Outcome.NOT_ALLOWED, "contact_cap"))
            continue
        calls = histories.get(row.n, ())
        candidate = Candidate(
            n=row.n,
            e164=row.e164,
            kind=row.kind,
            number_calls=tuple(at for at, e164 in calls if e164 == row.e164),
            contact_calls=tuple(at for at, _ in calls),
        )
        answer = gate(candidate, now)
        if answer.allowed:
            worst = purse.take(row.kind) if purse is not None else None
            if purse is not None and worst is None:
                break
            allowed.append(
                {
                    "key": attempt_key(run_id, row.n, row.drawn + 1),
                    "run_id": run_id,
                    "account_id": run.account_id,
                    "n": row.n,
                    "position": row.position,
                    "e164": row.e164,
                    "lane": lane,
                    "token": token,
                    "epoch": run.epoch,
                    "rules_version": run.rules_version,
                    "state": "reserved",
                    "live": True,
                    "reserved_at": now,
                    "callable_until": answer.until,
                    "worst_cost": worst,
                }
            )
        elif answer.wait_until is not None:
            waiting.append({"b_n": row.n, "b_due_at": answer.wait_until, "why": answer.why})
        else:
            blocked.append((row, answer.outcome, answer.why))
    keys = await _insert_attempts(store, connection, run_id, allowed, now)
    if waiting:
        await _make_wait(connection, run_id, run.rules_version, waiting, now)
    if blocked:
        await _block(
            store,
            connection,
            run_id=run_id,
            lane=lane,
            version=run.rules_version,
            blocked=blocked,
            now=now,
        )
    return len(rows), keys


async def _histories(
    connection: AsyncConnection,
    run_id: str,
    run: Locked,
    rows: Sequence[Any],
    since: float | None,
) -> dict[int, list[tuple[float, str]]]:
    """Return when each contact's numbers were called after `since` (None: not asked), by ordinal.

    A call that a technical failure kept from the person does not count; one of unknown fate does.
    """
    found: dict[int, list[tuple[float, str]]] = {}
    if since is None:
        return found
    query = (
        select(numbers.c.n, attempts.c.e164, attempts.c.posting_at)
        .join(
            attempts,
            and_(attempts.c.account_id == run.account_id, attempts.c.e164 == numbers.c.e164),
        )
        .where(
            numbers.c.run_id == run_id,
            numbers.c.n.in_([row.n for row in rows]),
            attempts.c.posting_at > since,
            attempts.c.state.in_(CALLED),
            attempts.c.spared.is_(False),
        )
        .order_by(attempts.c.posting_at)
    )
    for row in await connection.execute(query):
        found.setdefault(row.n, []).append((row.posting_at, row.e164))
    return found


_TAKEN = Prepared(
    update(contacts)
    .where(contacts.c.run_id == bindparam("b_run"), among(contacts.c.n, "b_n"))
    .values(state=word("live"), drawn=contacts.c.drawn + literal_column("1"))
)


async def _insert_attempts(
    store: Store,
    connection: AsyncConnection,
    run_id: str,
    allowed: list[dict[str, Any]],
    now: float,
) -> list[str]:
    """Insert attempts; a number that is live elsewhere leaves its contact due a little later."""
    if not allowed:
        return []
    inserted = await _insert(store, connection, allowed)
    taken = [item["n"] for item in allowed if item["key"] in inserted]
    await _TAKEN.run(connection, b_run=run_id, b_n=taken)
    elsewhere = [{"b_n": item["n"]} for item in allowed if item["key"] not in inserted]
    if elsewhere:
        await connection.execute(
            update(contacts)
            .where(contacts.c.run_id == run_id, contacts.c.n == bindparam("b_n"))
            .values(due_at=now + LIVE_ELSEWHERE_DELAY),
            elsewhere,
        )
    return [item["key"] for item in allowed if item["key"] in inserted]


async def _insert(
    store: Store, connection: AsyncConnection, rows: list[dict[str, Any]]
) -> set[str]:
    """Insert attempts whose number is not live; return the keys of those that are there now."""
    if store.is_sqlite not in _INSERTS:
        _INSERTS[store.is_sqlite] = Many(insert_ignore(store, attempts), *rows[0])
    keys = [row["key"] for row in rows]
    if await _INSERTS[store.is_sqlite].run(connection, rows) == len(rows):
        return set(keys)
    found: set[str] = set()
    for some in parts(keys):
        query = select(attempts.c.key).where(
            attempts.c.key.in_(some),
            attempts.c.token == rows[0]["token"],
            attempts.c.state == "reserved",
            attempts.c.reserved_at == rows[0]["reserved_at"],
        )
        found.update((await connection.execute(query)).scalars())
    return found


async def _make_wait(
    connection: AsyncConnection,
    run_id: str,
    version: int,
    waiting: list[dict[str, Any]],
    now: float,
) -> None:
    await connection.execute(
        update(contacts)
        .where(contacts.c.run_id == run_id, contacts.c.n == bindparam("b_n"))
        .values(due_at=bindparam("b_due_at")),
        [{"b_n": item["b_n"], "b_due_at": item["b_due_at"]} for item in waiting],
    )
    await connection.execute(
        insert(decisions),
        [
            {
                "run_id": run_id,
                "n": item["b_n"],
                "attempt": None,
                "at": now,
                "what": "wait",
                "outcome": None,
                "why": item["why"],
                "rule": None,
                "rules_version": version,
                "until": item["b_due_at"],
            }
            for item in waiting
        ],
    )


async def _block(
    store: Store,
    connection: AsyncConnection,
    *,
    run_id: str,
    lane: int,
    version: int,
    blocked: list[tuple[Any, Outcome, str]],
    now: float,
) -> None:
    """Pass over numbers that may not be called: the contact's next one is tried, or it is done."""
    counts = {
        row.n: row.numbers
        for row in await connection.execute(
            select(numbers.c.n, func.count().label("numbers"))
            .where(numbers.c.run_id == run_id, numbers.c.n.in_([row.n for row, _, _ in blocked]))
            .group_by(numbers.c.n)
        )
    }
    tally = Counter[str]()
    changes, log = [], []
    for row, outcome, why in blocked:
        last = row.position + 1 >= counts[row.n] or why == "contact_cap"
        if last:
            tally[f"contact:{outcome.value}"] += 1
        changes.append(
            {
                "b_n": row.n,
                "b_state": "done" if last else "due",
                "b_outcome": outcome.value if last else None,
                "b_position": row.position if last else row.position + 1,
            }
        )
        log.append(
            {
                "run_id": run_id,
                "n": row.n,
                "attempt": None,
                "at": now,
                "what": "blocked",
                "outcome": outcome.value,
                "why": why,
                "rule": None,
                "rules_version": version,
                "until": None,
            }
        )
    await connection.execute(
        update(contacts)
        .where(contacts.c.run_id == run_id, contacts.c.n == bindparam("b_n"))
        .values(
            state=bindparam("b_state"),
            outcome=bindparam("b_outcome"),
            position=bindparam("b_position"),
            rule_uses=json.dumps([]),
        ),
        changes,
    )
    await connection.execute(insert(decisions), log)
    await tally_up(store, connection, run_id, lane, tally)


class _Against(NamedTuple):
    e164: str
    source: str


_AGAINST = PreparedRows(
    select(suppressions.c.e164, suppressions.c.source).where(
        suppressions.c.account_id == bindparam("b_account"),
        among(suppressions.c.e164, "b_e164s"),
        suppressions.c.scope.in_([word("all"), bindparam("b_purpose", type_=Text)]),
        suppressions.c.campaign.in_([word(""), bindparam("b_campaign", type_=Text)]),
        or_(suppressions.c.expires_at.is_(None), suppressions.c.expires_at > bindparam("b_now")),
    ),
    _Against,
)


async def _suppressed(
    connection: AsyncConnection, run: Locked, purpose: str, e164s: Sequence[str], now: float
) -> dict[str, tuple[Outcome, str]]:
    """Return what stands against the numbers that may not be called; a person's wish goes first."""
    rows = await _AGAINST.all(
        connection,
        b_account=run.account_id,
        b_e164s=e164s,
        b_purpose=purpose,
        b_campaign=run.campaign,
        b_now=now,
    )
    found: dict[str, tuple[Outcome, str]] = {}
    for row in rows:
        if row.source != dead.SOURCE:
            found[row.e164] = (Outcome.SUPPRESSED, "suppressed")
        else:
            found.setdefault(row.e164, (Outcome.INVALID_NUMBER, "dead_number"))
    return found
