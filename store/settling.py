"""Writing down what the workflow decided about attempts that are over."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sqlalchemy import bindparam, insert, or_, select, update

from campaigns.amending import moved_rules
from campaigns.attempts import Outcome, Step
from campaigns.caps import local_zone, next_daypart
from campaigns.definition import Campaign
from campaigns.guarding import Watch
from store import dead, guards
from store.batches import breathing, parts
from store.engine import Store
from store.leaving import FOR_GOOD, WITHDRAWN
from store.many import Many
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
    known = await _contacts_of(connection, run_id, [row.n for row in rows])
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
            change["b_due_at"] = now  # the next reserve passes the number over, for good
        changes.append(change)
        leaves = change["b_outcome"] == WITHDRAWN
        if change["b_state"] == "done":
            tally[f"contact:{change['b_outcome']}"] += 1
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
                "until": change["b_due_at"] if change["b_state"] == "due" else None,
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


async def _close(
    connection: AsyncConnection, run_id: str, by_key: Mapping[str, Step], now: float
) -> list[Any]:
    """Write outcomes on the attempts that are over and not settled yet, and return those."""
    parked = [step.key for step in by_key.values() if step.outcome is Outcome.UNKNOWN]
    # A person may have found the call of a parked attempt since, and it may have ended by now.
    stale = [or_(attempts.c.state == "unknown", attempts.c.key.not_in(parked))] if parked else []
    alike: dict[tuple[Outcome, bool], list[str]] = {}
    for step in by_key.values():
        alike.setdefault((step.outcome, step.spared), []).append(step.key)
    rows: list[Any] = []
    for (outcome, spared), keys in alike.items():
        for some in parts(keys):
            closed = await connection.execute(
                update(attempts)
                .where(
                    attempts.c.key.in_(some),
                    attempts.c.run_id == run_id,
                    attempts.c.settled_at.is_(None),
                    attempts.c.state.in_(OVER),
                    *stale,
                )
                .values(settled_at=now, outcome=outcome.value, spared=spared)
                .returning(
                    attempts.c.key,
                    attempts.c.run_id,
                    attempts.c.n,
                    attempts.c.state,
                    attempts.c.ended_at,
                    attempts.c.posting_at,
                    attempts.c.e164,
                    attempts.c.account_id,
                    attempts.c.api_id,
                    attempts.c.unsure_at,
                    attempts.c.cost_brl,
                    attempts.c.worst_cost,
                    attempts.c.refusal,
                )
            )
            rows += closed.all()
    return rows


async def _contacts_of(
    connection: AsyncConnection, run_id: str, ordinals: Sequence[int]
) -> dict[int, Any]:
    found: dict[int, Any] = {}
    for some in parts(ordinals):
        rows = await connection.execute(
            select(
                contacts.c.n,
                contacts.c.accepted,
                contacts.c.technical,
                contacts.c.rule_uses,
                contacts.c.position,
                contacts.c.outcome,
            ).where(contacts.c.run_id == run_id, contacts.c.n.in_(some))
        )
        found.update({row.n: row for row in rows})
    return found


async def _change_contacts(
    connection: AsyncConnection, run_id: str, changes: Sequence[Mapping[str, Any]]
) -> None:
    """Write what becomes of contacts: of many in one statement where it is the same."""
    alike: dict[tuple[Any, ...], list[Mapping[str, Any]]] = {}
    for change in changes:
        same = tuple(value for name, value in change.items() if name != "b_n")
        alike.setdefault(same, []).append(change)
    alone: list[Mapping[str, Any]] = []
    for group in alike.values():
        if len(group) < WORTH_A_STATEMENT:
            alone += group
            continue
        values = {name[2:]: value for name, value in group[0].items() if name != "b_n"}
        for some in parts([change["b_n"] for change in group]):
            await connection.execute(
                update(contacts)
                .where(
                    contacts.c.run_id == run_id,
                    contacts.c.n.in_(some),
                    contacts.c.state == "live",
                )
                .values(values)
            )
    if alone:
        await connection.execute(
            update(contacts)
            .where(
                contacts.c.run_id == run_id,
                contacts.c.n == bindparam("b_n"),
                contacts.c.state == "live",
            )
            .values({name[2:]: bindparam(name) for name in alone[0] if name != "b_n"}),
            alone,
        )


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


def _failed(row: Any, step: Step) -> bool:
    """Whether a call that the API had accepted came to nothing for a technical reason."""
    return step.outcome in _BROKEN or row.state == "unknown"


def _change(step: Step, row: Any, contact: Any, now: float, rule: int | None) -> dict[str, Any]:
    """Return what becomes of the contact whose attempt `row` ended; `rule` is what has acted."""
    due_at = max(now, (row.ended_at or now) + step.delay)
    if step.other_daypart and row.posting_at is not None:
        due_at = max(due_at, next_daypart(row.posting_at, local_zone(row.e164)))
    change = {
        "b_n": row.n,
        "b_state": "due",
        "b_outcome": None,
        "b_due_at": due_at,
        "b_position": contact.position,
        "b_accepted": contact.accepted - step.spared,
        "b_technical": _technical(step, row, contact.technical),
        "b_rule_uses": contact.rule_uses,
    }
    if step.action == "final":
        change |= {"b_state": "done", "b_outcome": step.outcome.value, "b_due_at": now}
    elif step.action == "next_number":
        change |= {"b_position": contact.position + 1, "b_rule_uses": "[]", "b_due_at": now}
    elif rule is not None:
        change["b_rule_uses"] = _rule_uses(contact.rule_uses, rule)
    was_called = row.api_id is not None and step.outcome is not Outcome.UNKNOWN
    if contact.outcome is not None and not (step.action == "final" and was_called):
        # It was withdrawn while this attempt was under way: none follows.
        change |= {"b_state": "done", "b_outcome": contact.outcome, "b_due_at": now}
    return change


def _technical(step: Step, row: Any, before: int) -> int:
    """Return how many attempts in a row have come to nothing for technical reasons."""
    if blames_account(row.refusal):
        return before
    return before + 1 if step.spared or step.outcome in _NO_CALL else 0


def _suppression(row: Any, run_id: str, now: float) -> dict[str, object]:
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
