"""Writing down what the workflow decided about attempts that are over."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import Text, bindparam, insert, or_, select, update

from campaigns.amending import moved_rules
from campaigns.attempts import Outcome, Step
from campaigns.caps import local_zone, next_daypart
from campaigns.definition import Campaign
from campaigns.guarding import Watch
from store import dead, guards
from store.batches import breathing
from store.engine import Store
from store.leaving import FOR_GOOD, WITHDRAWN
from store.prepared import Many, Prepared, PreparedRows, among, word, words
from store.schema import attempts, contacts, decisions, rules, suppressions
from store.upsert import add_tally, insert_ignore

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

OVER = ("ended", "refused", "not_sent", "not_placed", "unknown")
"""States of an attempt that is over and waits for a decision."""

RULE = "a rule of run "
"""What the source of an entry of the suppression list begins with that a retry rule wrote."""

WORTH_A_STATEMENT = 8
"""Contacts from which on a change that they share is written in a statement of its own."""

_DECIDED = Many(insert(decisions), *(c.name for c in decisions.c if c.name != "id"))
_BROKEN = frozenset({Outcome.TECHNICAL, Outcome.NEVER_RAN})
_OF_THE_ACCOUNT = frozenset({"account", "pacing"})
_NO_CALL = frozenset({Outcome.REFUSED, Outcome.NOT_SENT, Outcome.NOT_PLACED})


def _rule_uses(text: str, rule: int) -> str:
    uses: list[int] = json.loads(text)
    uses.extend([0] * (rule + 1 - len(uses)))
    uses[rule] += 1
    return json.dumps(uses)


async def settle(
    store: Store,
    connection: AsyncConnection,
    run_id: str,
    lane: int,
    steps: Sequence[Step],
    *,
    version: int,
    watch: Watch,
) -> int:
    """Apply decisions inside the caller's transaction; return how many were new.

    `version` is that of the run's rules now; a decision by older ones counts for the retry rule
    where that one stands now, if it still does.

    A step for an attempt that is already settled does nothing: the same steps may come again after
    a lost answer.
    """
    by_key = {step.key: step for step in steps}
    now = store.now()
    rows = await _close(connection, run_id, by_key, now)
    if not rows:
        return 0
    found = await _CONTACTS.all(connection, b_run=run_id, b_n=[row.n for row in rows])
    known = {contact.n: contact for contact in found}
    suspects = [row for row in rows if by_key[row.key].outcome is Outcome.INVALID_NUMBER]
    gone = await dead.declare(store, connection, suspects, by_key, now)
    places = await _places(connection, run_id, {by_key[row.key].version for row in rows}, version)
    changes, log, tally = [], [], Counter[str]()
    suppressed: list[dict[str, object]] = []
    async for row in breathing(rows):
        step = by_key[row.key]
        rule = places[step.version].get(step.rule) if step.version in places else step.rule
        change = _change(step, row, known[row.n], now, rule)
        if step.action == "retry" and row.e164 in gone:
            change = change._replace(due_at=now)  # the next reserve passes the number over for good
        changes.append(change)
        leaves = change.outcome == WITHDRAWN
        if change.state == "done":
            tally[f"contact:{change.outcome}"] += 1
        name = "void" if row.api_id is None else "attempt"
        tally[f"{name}:{step.outcome.value}"] += 1
        if step.suppress:
            suppressed.append(_suppression(row, run_id, now))
        log.append(
            {
                "run_id": run_id,
                "n": row.n,
                "attempt": row.key,
                "at": now,
                "what": "blocked" if leaves else step.action,
                "outcome": WITHDRAWN if leaves else step.outcome.value,
                "why": FOR_GOOD if leaves else step.why,
                "rule": step.rule,
                "rules_version": step.version,
                "until": change.due_at if change.state == "due" else None,
            }
        )
    await _change_contacts(connection, run_id, changes)
    await _DECIDED.run(connection, log)
    await guards.count_settled(
        store,
        connection,
        run_id,
        watch,
        [(row, by_key[row.key].short, _failed(row, by_key[row.key])) for row in rows],
    )
    if suppressed:
        await connection.execute(insert_ignore(store, suppressions), suppressed)
    await tally_up(store, connection, run_id, lane, tally)
    return len(rows)


class Closed(NamedTuple):
    """An attempt whose outcome has just been written."""

    key: str
    run_id: str
    n: int
    state: str
    ended_at: float | None
    posting_at: float | None
    e164: str
    account_id: str
    api_id: int | None
    unsure_at: float | None
    cost_brl: float | None
    worst_cost: int | None
    refusal: str | None


_CLOSED = PreparedRows(
    update(attempts)
    .where(
        among(attempts.c.key, "b_keys"),
        attempts.c.run_id == bindparam("b_run"),
        attempts.c.settled_at.is_(None),
        attempts.c.state.in_(words(*OVER)),
        # A person may have found the call of a parked attempt since, and it may have ended by now.
        or_(
            attempts.c.state == word("unknown"),
            bindparam("b_outcome", type_=Text) != word(Outcome.UNKNOWN.value),
        ),
    )
    .values(
        settled_at=bindparam("b_now"),
        outcome=bindparam("b_outcome", type_=Text),
        spared=bindparam("b_spared"),
    )
    .returning(*(attempts.c[name] for name in Closed._fields)),
    Closed,
)


async def _close(
    connection: AsyncConnection, run_id: str, by_key: Mapping[str, Step], now: float
) -> list[Closed]:
    """Write outcomes on the attempts that are over and not settled yet, and return those."""
    alike: dict[tuple[Outcome, bool], list[str]] = {}
    for step in by_key.values():
        alike.setdefault((step.outcome, step.spared), []).append(step.key)
    rows: list[Closed] = []
    for (outcome, spared), keys in alike.items():
        rows += await _CLOSED.all(
            connection,
            b_keys=keys,
            b_run=run_id,
            b_now=now,
            b_outcome=outcome.value,
            b_spared=spared,
        )
    return rows


class _Contact(NamedTuple):
    n: int
    accepted: int
    technical: int
    rule_uses: str
    position: int
    outcome: str | None


_CONTACTS = PreparedRows(
    select(*(contacts.c[name] for name in _Contact._fields)).where(
        contacts.c.run_id == bindparam("b_run"), among(contacts.c.n, "b_n")
    ),
    _Contact,
)


class _Change(NamedTuple):
    """What becomes of a contact."""

    n: int
    state: str
    outcome: str | None
    due_at: float
    position: int
    accepted: int
    technical: int
    rule_uses: str


_CHANGED = _Change._fields[1:]
_TOGETHER = Prepared(
    update(contacts)
    .where(
        contacts.c.run_id == bindparam("b_run"),
        among(contacts.c.n, "b_n"),
        contacts.c.state == word("live"),
    )
    .values({name: bindparam(f"b_{name}") for name in _CHANGED})
)
_ALONE = Many(
    update(contacts)
    .where(
        contacts.c.run_id == bindparam("b_run"),
        contacts.c.n == bindparam("b_n"),
        contacts.c.state == word("live"),
    )
    .values({name: bindparam(f"b_{name}") for name in _CHANGED})
)


async def _change_contacts(
    connection: AsyncConnection, run_id: str, changes: Sequence[_Change]
) -> None:
    """Write what becomes of contacts: of many in one statement where it is the same."""
    alike: dict[tuple[Any, ...], list[int]] = {}
    for change in changes:
        alike.setdefault(change[1:], []).append(change.n)
    alone: list[dict[str, Any]] = []
    for same, ordinals in alike.items():
        values = {f"b_{name}": value for name, value in zip(_CHANGED, same, strict=True)}
        if len(ordinals) < WORTH_A_STATEMENT:
            alone += [{"b_run": run_id, "b_n": n, **values} for n in ordinals]
        else:
            await _TOGETHER.run(connection, b_run=run_id, b_n=ordinals, **values)
    await _ALONE.run(connection, alone)


async def _places(
    connection: AsyncConnection, run_id: str, decided_by: set[int], version: int
) -> dict[int, dict[int | None, int]]:
    """Return, for each older version of the rules, where its retry rules stand now."""
    older = decided_by - {version}
    if not older:
        return {}
    query = select(rules.c.version, rules.c.definition).where(
        rules.c.run_id == run_id, rules.c.version.in_({*older, version})
    )
    tables = {
        row.version: Campaign.model_validate_json(row.definition).retry
        for row in await connection.execute(query)
    }
    return {
        old: {
            index: place
            for place, index in enumerate(moved_rules(tables[old], tables[version]))
            if index is not None
        }
        for old in older
        if old in tables and version in tables
    }


def blames_account(refusal: str | None) -> bool:
    """Whether an attempt was refused on account of the account: no balance, or a 429.

    That says nothing about the contact: it is not counted against it. It is due again for as long
    as the run lasts, and no faster than the pause, or the pace, which such an answer leaves.
    """
    return refusal is not None and json.loads(refusal).get("kind") in _OF_THE_ACCOUNT


def _failed(row: Closed, step: Step) -> bool:
    """Whether a call that the API had accepted came to nothing for a technical reason."""
    return step.outcome in _BROKEN or row.state == "unknown"


def _change(step: Step, row: Closed, contact: _Contact, now: float, rule: int | None) -> _Change:
    """Return what becomes of the contact whose attempt `row` ended; `rule` is what has acted."""
    due_at = max(now, (row.ended_at or now) + step.delay)
    if step.other_daypart and row.posting_at is not None:
        due_at = max(due_at, next_daypart(row.posting_at, local_zone(row.e164)))
    state, outcome = "due", None
    position, rule_uses = contact.position, contact.rule_uses
    if step.action == "final":
        state, outcome, due_at = "done", step.outcome.value, now
    elif step.action == "next_number":
        position, rule_uses, due_at = position + 1, "[]", now
    elif rule is not None:
        rule_uses = _rule_uses(rule_uses, rule)
    was_called = row.api_id is not None and step.outcome is not Outcome.UNKNOWN
    if contact.outcome is not None and not (step.action == "final" and was_called):
        # It was withdrawn while this attempt was under way: none follows.
        state, outcome, due_at = "done", contact.outcome, now
    return _Change(
        n=row.n,
        state=state,
        outcome=outcome,
        due_at=due_at,
        position=position,
        accepted=contact.accepted - step.spared,
        technical=_technical(step, row, contact.technical),
        rule_uses=rule_uses,
    )


def _technical(step: Step, row: Closed, before: int) -> int:
    """Return how many attempts in a row have come to nothing for technical reasons."""
    if blames_account(row.refusal):
        return before
    return before + 1 if step.spared or step.outcome in _NO_CALL else 0


def _suppression(row: Closed, run_id: str, now: float) -> dict[str, object]:
    return {
        "account_id": row.account_id,
        "e164": row.e164,
        "scope": "all",
        "campaign": "",
        "source": f"{RULE}{run_id}",
        "created_at": now,
    }


async def tally_up(
    store: Store, connection: AsyncConnection, run_id: str, lane: int, tally: Counter[str]
) -> None:
    """Add to the lane's running totals, which are what progress is read from."""
    rows = [
        {"run_id": run_id, "lane": lane, "name": name, "count": count}
        for name, count in sorted(tally.items())
        if count
    ]
    if rows:
        await connection.execute(add_tally(store), rows)
