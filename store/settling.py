"""Writing down what the workflow decided about attempts that are over."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from typing import Any

from sqlalchemy import bindparam, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from campaigns.attempts import Outcome, Step
from store.engine import Store
from store.schema import attempts, contacts, decisions
from store.upsert import add_tally

OVER = ("ended", "refused", "not_sent", "not_placed", "unknown")
"""States of an attempt that is over and waits for a decision."""

FLAT = 1_000
"""Rows per IN list."""

_NO_CALL = frozenset({Outcome.REFUSED, Outcome.NOT_SENT, Outcome.NOT_PLACED})


def _rule_uses(text: str, rule: int) -> str:
    uses: list[int] = json.loads(text)
    uses.extend([0] * (rule + 1 - len(uses)))
    uses[rule] += 1
    return json.dumps(uses)


async def settle(
    store: Store, connection: AsyncConnection, run_id: str, lane: int, steps: Sequence[Step]
) -> int:
    """Apply decisions inside the caller's transaction; return how many were new.

    A step for an attempt that is already settled does nothing: the same steps may come again after
    a lost answer.
    """
    by_key = {step.key: step for step in steps}
    keys = list(by_key)
    now = store.now()
    rows: list[Any] = []
    for start in range(0, len(keys), FLAT):
        rows += (
            await connection.execute(
                update(attempts)
                .where(
                    attempts.c.key.in_(keys[start : start + FLAT]),
                    attempts.c.run_id == run_id,
                    attempts.c.settled_at.is_(None),
                    attempts.c.state.in_(OVER),
                )
                .values(settled_at=now)
                .returning(attempts.c.key, attempts.c.n, attempts.c.state, attempts.c.ended_at)
            )
        ).all()
    if not rows:
        return 0
    ordinals = [row.n for row in rows]
    known = {}
    for start in range(0, len(ordinals), FLAT):
        found = await connection.execute(
            select(
                contacts.c.n, contacts.c.technical, contacts.c.rule_uses, contacts.c.position
            ).where(contacts.c.run_id == run_id, contacts.c.n.in_(ordinals[start : start + FLAT]))
        )
        known.update({row.n: row for row in found})
    changes, log, tally = [], [], Counter[str]()
    for row in rows:
        step, contact = by_key[row.key], known[row.n]
        due_at = max(now, (row.ended_at or now) + step.delay)
        change = {
            "b_n": row.n,
            "b_state": "due",
            "b_outcome": None,
            "b_due_at": due_at,
            "b_position": contact.position,
            "b_technical": contact.technical + 1 if step.outcome in _NO_CALL else 0,
            "b_rule_uses": contact.rule_uses,
        }
        if step.action == "final":
            change |= {"b_state": "done", "b_outcome": step.outcome.value, "b_due_at": now}
            tally[f"contact:{step.outcome.value}"] += 1
        elif step.action == "next_number":
            change |= {
                "b_position": contact.position + 1,
                "b_rule_uses": "[]",
                "b_due_at": now,
            }
        elif step.rule is not None:
            change["b_rule_uses"] = _rule_uses(contact.rule_uses, step.rule)
        changes.append(change)
        name = "attempt" if row.state == "ended" else "void"
        tally[f"{name}:{step.outcome.value}"] += 1
        log.append(
            {
                "run_id": run_id,
                "n": row.n,
                "attempt": row.key,
                "at": now,
                "what": step.action,
                "outcome": step.outcome.value,
                "why": step.why,
                "rule": step.rule,
                "rules_version": step.version,
                "until": change["b_due_at"] if step.action != "final" else None,
            }
        )
    await connection.execute(
        update(contacts)
        .where(
            contacts.c.run_id == run_id,
            contacts.c.n == bindparam("b_n"),
            contacts.c.state == "live",
        )
        .values(
            state=bindparam("b_state"),
            outcome=bindparam("b_outcome"),
            due_at=bindparam("b_due_at"),
            position=bindparam("b_position"),
            technical=bindparam("b_technical"),
            rule_uses=bindparam("b_rule_uses"),
        ),
        changes,
    )
    await connection.execute(insert(decisions), log)
    await tally_up(store, connection, run_id, lane, tally)
    return len(rows)


async def tally_up(
    store: Store, connection: AsyncConnection, run_id: str, lane: int, tally: Counter[str]
) -> None:
    """Add to the lane's running totals, which are what progress is read from."""
    if tally:
        await connection.execute(
            add_tally(store),
            [
                {"run_id": run_id, "lane": lane, "name": name, "count": count}
                for name, count in sorted(tally.items())
            ],
        )
