"""Numbers that are dead for the account: said not to exist on two days, by any of its campaigns.

A declaration is an entry of the suppression list under a source of its own, so that reserving and
claiming skip the number without asking one more table. `suppressing.remove` takes it back; the
entry then stays as one that has expired, and only calls after that moment can confirm anew.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import exists, insert, select

from campaigns.attempts import Outcome, Step
from campaigns.caps import local_zone
from campaigns.deadness import Word, confirmed_on
from store.engine import Store
from store.schema import attempts, decisions, runs, suppressions
from store.upsert import upsert_suppression

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

SOURCE: Final = "dead number"
"""The source of the entries that declare a number dead."""


async def declare(
    store: Store,
    connection: AsyncConnection,
    suspects: Sequence[Any],
    steps: Mapping[str, Step],
    now: float,
) -> frozenset[str]:
    """Return which numbers of `suspects` are dead, having declared those that are so only now.

    `suspects` are attempts whose outcome, just written, says that the number does not exist;
    `steps` are the decisions about them. Every campaign of the account counts. A number that was
    declared before is not declared again.
    """
    if not suspects:
        return frozenset()
    account = suspects[0].account_id
    e164s = {row.e164 for row in suspects}
    entries = {
        row.e164: row.expires_at
        for row in await connection.execute(
            select(suppressions.c.e164, suppressions.c.expires_at).where(
                suppressions.c.account_id == account,
                suppressions.c.e164.in_(e164s),
                suppressions.c.source == SOURCE,
            )
        )
    }
    known = {e164 for e164, taken_back in entries.items() if taken_back is None}
    words = await _words(connection, account, e164s - known, entries)
    days = {e164: confirmed_on(said, local_zone(e164)) for e164, said in words.items()}
    fresh = {e164: day for e164, day in days.items() if day is not None}
    if fresh:
        await connection.execute(
            upsert_suppression(store),
            [
                {
                    "account_id": account,
                    "e164": e164,
                    "scope": "all",
                    "campaign": "",
                    "source": SOURCE,
                    "registered_on": day.isoformat(),
                    "expires_at": None,
                    "created_at": now,
                }
                for e164, day in sorted(fresh.items())
            ],
        )
        await connection.execute(
            insert(decisions),
            [
                {
                    "run_id": row.run_id,
                    "n": row.n,
                    "attempt": row.key,
                    "at": now,
                    "what": "dead",
                    "outcome": Outcome.INVALID_NUMBER.value,
                    "why": "confirmed_on_two_days",
                    "rules_version": steps[row.key].version,
                }
                for row in suspects
                if row.e164 in fresh
            ],
        )
    return frozenset(known | fresh.keys())


async def _words(
    connection: AsyncConnection,
    account: str,
    e164s: Collection[str],
    since: Mapping[str, float],
) -> dict[str, list[Word]]:
    """Return what each number's calls came to, oldest first, after `since` where it has one."""
    if not e164s:
        return {}
    rows = (
        await connection.execute(
            select(
                attempts.c.run_id,
                attempts.c.e164,
                attempts.c.posting_at,
                attempts.c.state,
                attempts.c.outcome,
                attempts.c.spared,
            )
            .where(
                attempts.c.account_id == account,
                attempts.c.e164.in_(e164s),
                attempts.c.posting_at.is_not(None),
                attempts.c.outcome.is_not(None),
            )
            .order_by(attempts.c.posting_at)
        )
    ).all()
    working = await _working(connection, {row.run_id for row in rows if row.state == "refused"})
    words: dict[str, list[Word]] = {}
    for row in rows:
        if row.posting_at < since.get(row.e164, 0.0):
            continue
        if row.state == "refused" and row.run_id not in working:
            continue
        word = Word(at=row.posting_at, outcome=Outcome(row.outcome), spared=row.spared)
        words.setdefault(row.e164, []).append(word)
    return words


async def _working(connection: AsyncConnection, run_ids: Collection[str]) -> set[str]:
    """Return the runs of which the API has accepted a call.

    A refusal in any other says as much about the campaign's own parameters as about the number.
    """
    if not run_ids:
        return set()
    accepted = exists(
        select(attempts.c.key).where(
            attempts.c.run_id == runs.c.id, attempts.c.placed_at.is_not(None)
        )
    )
    found = await connection.execute(select(runs.c.id).where(runs.c.id.in_(run_ids), accepted))
    return {row.id for row in found}
