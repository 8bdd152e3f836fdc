"""The account's row: it is taken first, so that one caller at a time grants channels and slots."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy import bindparam, select

from store.prepared import PreparedRows
from store.runs import RunState
from store.schema import accounts, runs

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection


class Locked(NamedTuple):
    """What decides about granting: a run as it stands, and its account."""

    state: RunState
    reason: str
    epoch: int
    account_id: str
    campaign: str
    rules_version: int
    hang_up: bool
    guarded: bool
    paused_until: float | None
    next_slot: float
    lanes: int
    served: float
    share_rate: float | None
    wants_until: float
    channels: int | None
    """The account's, as what follows."""
    calls_per_second: float | None
    account_slot: float
    drawer: str | None
    shared_until: float
    slow_until: float
    slow_factor: float
    taker: str | None
    crowded_until: float
    taken: str


_ROWS = PreparedRows(
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
        accounts.c.next_slot,
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
    .with_for_update(),
    Locked,
)


async def lock_account(connection: AsyncConnection, run_id: str) -> Locked:
    """Lock the account's row and the run's, and return what decides about granting."""
    (row,) = await _ROWS.all(connection, b_run=run_id)
    return row
