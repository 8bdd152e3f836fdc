"""Looking up one number, and whether it may be rung outside a lane."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sqlalchemy import Select, exists, select, true

from campaigns.definition import Campaign
from store.engine import Store
from store.schema import attempts, numbers, rules, runs, suppressions

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection


@dataclass(frozen=True)
class Holder:
    """A number that the store knows, and what speaks against ringing it now."""

    e164: str = field(repr=False)
    suppressed: bool
    live: bool


async def of_contact(store: Store, run_id: str, n: int, position: int) -> Holder | None:
    """Find one number of a contact; None when there is none."""
    return await _find(
        store,
        select(numbers.c.e164, numbers.c.run_id).where(
            numbers.c.run_id == run_id, numbers.c.n == n, numbers.c.position == position
        ),
    )


async def of_attempt(store: Store, key: str) -> Holder | None:
    """Find the number of an attempt; None when there is none."""
    return await _find(
        store, select(attempts.c.e164, attempts.c.run_id).where(attempts.c.key == key)
    )


async def _find(store: Store, query: Select[Any]) -> Holder | None:
    async with store.read() as connection:
        row = (await connection.execute(query)).one_or_none()
        if row is None:
            return None
        run = (await connection.execute(select(runs).where(runs.c.id == row.run_id))).one()
        held = await connection.scalar(
            select(
                exists().where(
                    attempts.c.account_id == run.account_id,
                    attempts.c.e164 == row.e164,
                    attempts.c.live == true(),
                )
            )
        )
        suppressed = await _is_suppressed(connection, run, row.e164, store.now())
    return Holder(e164=row.e164, suppressed=suppressed, live=bool(held))


async def _is_suppressed(connection: AsyncConnection, run: Any, e164: str, now: float) -> bool:
    definition = await connection.scalar(
        select(rules.c.definition)
        .where(rules.c.run_id == run.id)
        .order_by(rules.c.version.desc())
        .limit(1)
    )
    scopes = ["all"]
    if definition is not None:
        scopes.append(Campaign.model_validate_json(definition).purpose.value)
    found = await connection.scalar(
        select(
            exists().where(
                suppressions.c.account_id == run.account_id,
                suppressions.c.e164 == e164,
                suppressions.c.scope.in_(scopes),
                suppressions.c.campaign.in_(("", run.campaign)),
                (suppressions.c.expires_at.is_(None)) | (suppressions.c.expires_at > now),
            )
        )
    )
    return bool(found)
