"""Runs: one execution of a campaign over one imported list.

A run's state lives here and nowhere else: `pause` and `stop` write it first, so they bind every
worker, also one that has lost touch with Temporal. Each change raises the run's epoch; an attempt
reserved under an older epoch is never placed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from sqlalchemy import Row, and_, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from campaigns.definition import Campaign, Frozen
from campaigns.scalars import counted
from store.engine import Store
from store.schema import (
    OPEN_RUN_STATES,
    accounts,
    attempts,
    contacts,
    guards,
    lanes,
    rules,
    run_events,
    runs,
)
from store.upsert import insert_ignore

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

RunState = Literal["preparing", "running", "paused", "stopping", "completed", "stopped", "failed"]
PublicStatus = Literal["running", "paused", "completed", "stopped", "failed"]


class RunError(Exception):
    """A request about a run that cannot be met; the text is for people."""


class Run(Frozen):
    """A run as people see it; instants are seconds since 1970."""

    id: str
    account: str
    campaign: str
    state: RunState
    reason: str
    ends_as: str | None
    epoch: int
    rules_version: int
    lanes: int
    hang_up: bool
    guarded: bool = False
    paused_until: float | None = None
    total: int
    rejected: int
    created_at: float
    started_at: float | None
    ended_at: float | None

    @property
    def status(self) -> PublicStatus:
        """The state in the report's five words: a run that prepares or stops still runs."""
        if self.state in {"preparing", "stopping"}:
            return "running"
        return self.state  # type: ignore[return-value]  # the two others were taken out above

    @property
    def is_open(self) -> bool:
        """Whether the run may still place or hold calls."""
        return self.state in OPEN_RUN_STATES


def _run(row: Row[Any]) -> Run:
    values = row._mapping  # noqa: SLF001 - SQLAlchemy's public way to a row's names
    fields = {name: values[name] for name in Run.model_fields if name != "account"}
    return Run(account=values["account_id"], **fields)


async def ensure_account(
    store: Store, account: str, channels: int | None, calls_per_second: float | None
) -> None:
    """Create the account's row, or bring its caps up to date. Twice is the same as once."""
    async with store.write() as connection:
        await connection.execute(
            insert_ignore(store, accounts),
            {"id": account, "channels": channels, "calls_per_second": calls_per_second},
        )
        await connection.execute(
            update(accounts)
            .where(accounts.c.id == account)
            .values(channels=channels, calls_per_second=calls_per_second)
        )


async def create_run(
    store: Store, *, run_id: str, account: str, definition: Campaign, lanes: int | None = None
) -> None:
    """Create a run in state `preparing`; nothing dials before `mark_ready`.

    A run of the same campaign that was left in `preparing` by a killed import gives way. Raises
    `RunError` when the campaign is already running on this account.
    """
    now = store.now()
    async with store.write() as connection:
        left = (
            await connection.execute(
                select(runs.c.id).where(
                    runs.c.account_id == account,
                    runs.c.campaign == definition.campaign,
                    runs.c.state == "preparing",
                )
            )
        ).scalars()
        for stale in left.all():
            await write_state(
                connection, stale, "failed", "its import was interrupted", now, ended_at=now
            )
        try:
            await connection.execute(
                insert(runs).values(
                    id=run_id,
                    account_id=account,
                    campaign=definition.campaign,
                    state="preparing",
                    lanes=definition.pacing.lanes if lanes is None else lanes,
                    created_at=now,
                )
            )
        except IntegrityError:
            raise RunError(
                f"campaign {definition.campaign} is already running; "
                "`discador status` shows it, `discador stop` ends it"
            ) from None
        await connection.execute(
            insert(rules).values(
                run_id=run_id,
                version=1,
                definition=definition.model_dump_json(),
                created_at=now,
            )
        )


async def take_over(store: Store, *, account: str, definition: Campaign) -> str | None:
    """Take over the run that a killed import of this very definition has left; return its id.

    None where there is none, or one of another definition. Whoever still imports into it writes no
    further batch: the epoch is a new one.
    """
    now = store.now()
    async with store.write() as connection:
        left = (
            await connection.execute(
                select(runs.c.id, rules.c.definition)
                .join(
                    rules,
                    and_(rules.c.run_id == runs.c.id, rules.c.version == runs.c.rules_version),
                )
                .where(
                    runs.c.account_id == account,
                    runs.c.campaign == definition.campaign,
                    runs.c.state == "preparing",
                )
            )
        ).one_or_none()
        if left is None or Campaign.model_validate_json(left.definition) != definition:
            return None
        await write_state(connection, left.id, "preparing", "its import goes on", now)
    return str(left.id)


async def mark_ready(store: Store, run_id: str) -> None:
    """Let a prepared run dial. Twice is the same as once; a run that has ended stays ended."""
    async with store.write() as connection:
        run = await locked(connection, run_id)
        now = store.now()
        if run.state == "preparing":
            await write_state(connection, run_id, "running", "", now, started_at=now)


async def locked(connection: AsyncConnection, run_id: str) -> Run:
    """Lock a run's row and return it. Raises `RunError` where there is none."""
    row = (
        await connection.execute(select(runs).where(runs.c.id == run_id).with_for_update())
    ).one_or_none()
    if row is None:
        raise RunError(f"there is no run {run_id}")
    return _run(row)


async def write_state(
    connection: AsyncConnection,
    run_id: str,
    state: RunState,
    reason: str,
    now: float,
    **values: Any,
) -> None:
    """Change a run's state and raise its epoch, so that nothing reserved before is placed."""
    pause = {"guarded": False, "paused_until": None}
    epoch = (
        await connection.execute(
            update(runs)
            .where(runs.c.id == run_id)
            .values(state=state, reason=reason, epoch=runs.c.epoch + 1, **{**pause, **values})
            .returning(runs.c.epoch)
        )
    ).scalar_one()
    await connection.execute(
        insert(run_events).values(run_id=run_id, at=now, state=state, reason=reason, epoch=epoch)
    )


async def get_run(store: Store, run_id: str) -> Run:
    """Return one run. Raises `RunError` where there is none."""
    async with store.read() as connection:
        row = (await connection.execute(select(runs).where(runs.c.id == run_id))).one_or_none()
    if row is None:
        raise RunError(f"there is no run {run_id}; `discador status` lists them")
    return _run(row)


async def find_run(store: Store, run_id: str) -> Run | None:
    """Return one run, or None where there is none."""
    async with store.read() as connection:
        row = (await connection.execute(select(runs).where(runs.c.id == run_id))).one_or_none()
    return None if row is None else _run(row)


async def hold_import(store: Store, run_id: str) -> bool:
    """Take over the import of a run that is `preparing`; whoever is at it writes no more.

    False where the run is past that. Twice is the same as once.
    """
    now = store.now()
    async with store.write() as connection:
        run = await locked(connection, run_id)
        if run.state == "preparing":
            await write_state(connection, run_id, "preparing", "its import goes on", now)
        return run.state == "preparing"


async def list_runs(store: Store, *, open_only: bool = False) -> list[Run]:
    """Return the runs, newest first."""
    query = select(runs).order_by(runs.c.created_at.desc())
    if open_only:
        query = query.where(runs.c.state.in_(OPEN_RUN_STATES))
    async with store.read() as connection:
        return [_run(row) for row in await connection.execute(query)]


async def get_definition(store: Store, run_id: str) -> tuple[Campaign, int]:
    """Return the run's campaign in its newest version, and that version."""
    query = (
        select(rules.c.definition, rules.c.version)
        .where(rules.c.run_id == run_id)
        .order_by(rules.c.version.desc())
        .limit(1)
    )
    async with store.read() as connection:
        row = (await connection.execute(query)).one_or_none()
    if row is None:
        raise RunError(f"there is no run {run_id}")
    return Campaign.model_validate_json(row.definition), row.version


async def pause(store: Store, run_id: str, reason: str) -> Run:
    """Stop placing, retries included; live calls go on. A paused run stays as it is.

    A run that its guards have paused is from now on paused by hand: it does not go on by itself.
    """
    async with store.write() as connection:
        run = await locked(connection, run_id)
        now = store.now()
        if run.state == "running" or (run.state == "paused" and run.guarded):
            await write_state(connection, run_id, "paused", reason, now)
        elif run.state != "paused":
            raise RunError(f"run {run_id} is {run.state}: only a running one can be paused")
    return await get_run(store, run_id)


async def resume(store: Store, run_id: str) -> Run:
    """Go on after a pause. A running run stays as it is.

    Guards that are open begin anew; what the caller ID's short calls paused goes on until the day
    ends.
    """
    async with store.write() as connection:
        run = await locked(connection, run_id)
        now = store.now()
        if run.state == "paused":
            await write_state(connection, run_id, "running", "", now)
            await close_guards(connection, run_id, by_hand=True)
        elif run.state != "running":
            raise RunError(f"run {run_id} is {run.state}: only a paused one can be resumed")
    return await get_run(store, run_id)


async def close_guards(connection: AsyncConnection, run_id: str, *, by_hand: bool) -> None:
    """Let every open guard of a run begin anew; their last reasons stay to be read."""
    await connection.execute(
        update(guards)
        .where(guards.c.run_id == run_id, guards.c.state == "open")
        .values(state="ok", ring="", until=None, waived_until=guards.c.until if by_hand else None)
    )


async def stop(
    store: Store,
    run_id: str,
    reason: str,
    *,
    hang_up: bool = False,
    ends_as: Literal["stopped", "failed"] = "stopped",
) -> Run:
    """Place nothing more; the run ends when its last call has ended. Twice is the same as once.

    With `hang_up` live calls are ended too, also those that surface later. A stop can gain
    `hang_up`, never lose it.
    """
    async with store.write() as connection:
        run = await locked(connection, run_id)
        now = store.now()
        if run.state in {"running", "paused", "preparing"}:
            await write_state(
                connection, run_id, "stopping", reason, now, ends_as=ends_as, hang_up=hang_up
            )
        elif run.state == "stopping":
            if hang_up and not run.hang_up:
                await connection.execute(
                    update(runs).where(runs.c.id == run_id).values(hang_up=True)
                )
        else:
            raise RunError(f"run {run_id} has already ended: it is {run.state}")
    return await get_run(store, run_id)


async def open_attempts(connection: AsyncConnection, run_id: str) -> int:
    """Return how many attempts of the run are reserved, posting or placed."""
    query = select(func.count()).where(
        attempts.c.run_id == run_id, attempts.c.state.in_(("reserved", "posting", "placed"))
    )
    return int((await connection.execute(query)).scalar_one())


async def _somebody_is_due(connection: AsyncConnection, run_id: str) -> bool:
    due = select(contacts.c.n).where(contacts.c.run_id == run_id, contacts.c.state == "due")
    return (await connection.execute(due.limit(1))).first() is not None


async def close(store: Store, run_id: str) -> Run:
    """End a run that has nothing left to do: `completed`, or what a stop asked for.

    Raises `RunError` while an attempt is reserved, posting or placed. A run that has ended stays as
    it is, and so does one to which contacts were added after its lanes had finished: these begin
    anew.
    """
    async with store.write() as connection:
        run = await locked(connection, run_id)
        now = store.now()
        if run.is_open:
            held = await open_attempts(connection, run_id)
            if held:
                raise RunError(f"run {run_id} still has {counted(held, 'attempt')} under way")
            if run.state in {"running", "paused"} and await _somebody_is_due(connection, run_id):
                await connection.execute(
                    update(lanes).where(lanes.c.run_id == run_id).values(finished=False)
                )
                return run
            state: RunState = "completed"
            reason = ""  # why it was paused is no reason for its end
            if run.state == "stopping":
                state = "failed" if run.ends_as == "failed" else "stopped"
                reason = run.reason
            await write_state(connection, run_id, state, reason, now, ended_at=now)
    return await get_run(store, run_id)


async def abandon(store: Store, run_id: str, reason: str) -> None:
    """Mark a run failed whose workflow never started; nothing of it was dialed."""
    async with store.write() as connection:
        run = await locked(connection, run_id)
        now = store.now()
        if run.is_open and not await open_attempts(connection, run_id):
            await write_state(connection, run_id, "failed", reason, now, ended_at=now)
