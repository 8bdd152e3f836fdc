"""The account's row: it is taken first, so that one caller at a time grants channels and slots."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from sqlalchemy import Row, bindparam, select

from store.schema import accounts, runs

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

_ROWS = (
    select(
        runs.c.state,
        runs.c.reason,
        runs.c.epoch,
        runs.c.account_id,
        runs.c.campaign,
        runs.c.rules_version,
        runs.c.hang_up,
        runs.c.guarded,
        runs.c.paused_until,
        runs.c.next_slot,
        runs.c.lanes,
        runs.c.served,
        runs.c.share_rate,
        runs.c.wants_until,
        accounts.c.channels,
        accounts.c.calls_per_second,
        accounts.c.next_slot.label("account_slot"),
        accounts.c.drawer,
        accounts.c.shared_until,
        accounts.c.slow_until,
        accounts.c.slow_factor,
        accounts.c.taker,
        accounts.c.crowded_until,
        accounts.c.taken,
    )
    .join(accounts, accounts.c.id == runs.c.account_id)
    .where(runs.c.id == bindparam("b_run"))
    .with_for_update()
)


async def lock_account(connection: AsyncConnection, run_id: str) -> Row[Any]:
    """Lock the account's row and the run's, and return what decides about granting."""
    return cast("Row[Any]", (await connection.execute(_ROWS, {"b_run": run_id})).one())
