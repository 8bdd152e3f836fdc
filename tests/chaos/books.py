"""What the store must say after a round, beside what the crash tests already ask of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from sqlalchemy import func, or_, select

from store.engine import Store
from store.schema import attempts, contacts, decisions
from tests.crash.campaign import Plan
from tests.crash.ledger import LedgerCall

NO_CALL = ("released", "refused", "not_sent", "not_placed")
"""States that say that no call was made."""


async def lost(store: Store, run: str) -> int:
    """Return how many contacts of the list have no terminal outcome."""
    query = select(func.count()).where(
        contacts.c.run_id == run, or_(contacts.c.state != "done", contacts.c.outcome.is_(None))
    )
    async with store.read() as connection:
        return int((await connection.execute(query)).scalar_one())


async def wrong_outcomes(store: Store, plan: Plan) -> list[str]:
    """Return the contacts that did not end as what their number does says they must."""
    async with store.read() as connection:
        rows = await connection.execute(
            select(contacts.c.external_id, contacts.c.outcome).where(contacts.c.run_id == plan.run)
        )
        found = {int(row.external_id): row.outcome for row in rows}
    expected = [behaviour.outcome for behaviour in plan.number_of.values()]
    wrong = {
        index: (found.get(index), outcome)
        for index, outcome in enumerate(expected)
        if found.get(index) != outcome
    }
    return [f"contacts that ended otherwise than scripted: {wrong}"] if wrong else []


async def unexplained(store: Store, run: str, calls: Sequence[LedgerCall]) -> list[str]:
    """Return attempts whose story is not told to its end.

    An attempt whose answer was lost has to be found or judged; one that is said to have made no
    call must have none in the ledger, unless it is noted as late; one that stays unknown needs a
    decision that says why.
    """
    async with store.read() as connection:
        rows = (await connection.execute(select(attempts).where(attempts.c.run_id == run))).all()
        told = await connection.execute(
            select(decisions.c.attempt, decisions.c.why).where(
                decisions.c.run_id == run, decisions.c.attempt.is_not(None)
            )
        )
        reasons = {row.attempt: row.why for row in told}
    made = {call.key for call in calls}
    found = {
        "attempts never resolved": [
            row.key for row in rows if row.state in ("reserved", "posting", "placed")
        ],
        "attempts said to have made no call that the ledger shows": [
            row.key
            for row in rows
            if row.state in NO_CALL and row.key in made and row.late_id is None
        ],
        "unknown attempts without a reason": [
            row.key for row in rows if row.state == "unknown" and not reasons.get(row.key)
        ],
    }
    return [f"{what}: {keys}" for what, keys in found.items() if keys]


async def doubts(store: Store, run: str) -> dict[str, int]:
    """Return what became of attempts whose answer did not come or whose POST came to nothing."""
    async with store.read() as connection:
        rows = (
            await connection.execute(
                select(
                    attempts.c.state, attempts.c.unsure_at, attempts.c.reads, attempts.c.late_id
                ).where(attempts.c.run_id == run)
            )
        ).all()
    found = Counter(
        {"answers lost and calls found": 0, "proven not placed": 0, "unknown": 0, "late": 0}
    )
    for row in rows:
        found["late"] += row.late_id is not None
        if row.state == "ended":
            found["answers lost and calls found"] += row.unsure_at is not None or row.reads > 0
        elif row.state == "not_placed":
            found["proven not placed"] += 1
        elif row.state in {"unknown", "refused", "not_sent", "released"}:
            found[row.state.replace("_", " ")] += 1
    return dict(found)
