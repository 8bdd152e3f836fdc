"""Changing a run's rules while it runs, and what has been changed: every version is kept."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from sqlalchemy import case, insert, select, update

from campaigns.amending import carried_uses, moved_rules
from campaigns.costs import reais
from campaigns.definition import Campaign, Frozen
from campaigns.guarding import watch_of
from store import budget
from store.engine import Store
from store.runs import RunError, locked
from store.schema import contacts, rules, run_events, runs
from store.trouble import repeatable

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection


class RulesVersion(Frozen):
    """One version of a run's campaign; `created_at` in seconds since 1970."""

    version: int
    created_at: float
    definition: Campaign


async def versions(store: Store, run_id: str) -> list[RulesVersion]:
    """Return every version of a run's campaign, oldest first."""
    query = select(rules).where(rules.c.run_id == run_id).order_by(rules.c.version)
    async with store.read() as connection:
        rows = (await connection.execute(query)).all()
    return [
        RulesVersion(
            version=row.version,
            created_at=row.created_at,
            definition=Campaign.model_validate_json(row.definition),
        )
        for row in rows
    ]


class RunEvent(Frozen):
    """A change of a run's state or rules; `at` in seconds since 1970."""

    at: float
    state: str
    reason: str
    epoch: int


async def events(store: Store, run_id: str) -> list[RunEvent]:
    """Return what happened to a run, oldest first."""
    query = (
        select(run_events.c.at, run_events.c.state, run_events.c.reason, run_events.c.epoch)
        .where(run_events.c.run_id == run_id)
        .order_by(run_events.c.id)
    )
    async with store.read() as connection:
        rows = (await connection.execute(query)).all()
    return [
        RunEvent(at=row.at, state=row.state, reason=row.reason, epoch=row.epoch) for row in rows
    ]


@repeatable
async def amend(store: Store, run_id: str, definition: Campaign, *, known_version: int) -> int:
    """Let an open run go on by another definition; return its version. The old ones are kept.

    What was reserved by the old rules and not yet posted is given back: the epoch rises, so no
    worker wins it any more. Retry rules that stay keep how often they have acted for a number. The
    same definition twice is the same as once. Raises `RunError` when the run has ended or is
    stopping, when calls under way may become so much dearer that they could cost more than the
    budget, or when somebody else changed it since `known_version`; then nothing has changed. A
    budget that is only made smaller is taken: the run pauses, and its calls under way go on.
    """
    now = store.now()
    async with store.write() as connection:
        run = await locked(connection, run_id)
        if run.state not in {"preparing", "running", "paused"}:
            raise RunError(f"run {run_id} is {run.state}: its rules can no longer change")
        newest = await _definition(connection, run_id)
        if newest == definition:
            return run.rules_version
        if run.rules_version != known_version:
            raise RunError(
                f"run {run_id} was changed by somebody else meanwhile: it is at version "
                f"{run.rules_version}; look at `discador history {run_id}` and try again"
            )
        version = run.rules_version + 1
        await connection.execute(
            insert(rules).values(
                run_id=run_id,
                version=version,
                definition=definition.model_dump_json(),
                created_at=now,
            )
        )
        epoch = (
            await connection.execute(
                update(runs)
                .where(runs.c.id == run_id)
                .values(rules_version=version, epoch=runs.c.epoch + 1)
                .returning(runs.c.epoch)
            )
        ).scalar_one()
        await connection.execute(
            insert(run_events).values(
                run_id=run_id,
                at=now,
                state=run.state,
                reason=f"rules version {version}",
                epoch=epoch,
            )
        )
        await _carry_uses(connection, run_id, moved_rules(newest.retry, definition.retry))
        await _hold(connection, run_id, newest, definition)
    return version


async def _hold(
    connection: AsyncConnection, run_id: str, before: Campaign, after: Campaign
) -> None:
    """Hold for calls under way what they may cost now. Raises `RunError` where it does not fit."""
    watch = watch_of(after, loopback=True)
    left = await budget.amended(connection, run_id, watch_of(before, loopback=True), watch)
    if left is not None and left.left < 0 and left.live and watch.budget is not None:
        total = reais(watch.budget)
        raise RunError(
            f"with calls under way the run may cost R$ {reais(watch.budget - left.left):.2f} by "
            f"these rules, and its budget is R$ {total:.2f}: wait until some have ended, or raise "
            "the budget"
        )


async def _definition(connection: AsyncConnection, run_id: str) -> Campaign:
    query = (
        select(rules.c.definition)
        .where(rules.c.run_id == run_id)
        .order_by(rules.c.version.desc())
        .limit(1)
    )
    return Campaign.model_validate_json((await connection.execute(query)).scalar_one())


async def _carry_uses(
    connection: AsyncConnection, run_id: str, moved: tuple[int | None, ...]
) -> None:
    """Bring the counts of retry rules over to a new table. There are few different ones."""
    if moved == tuple(range(len(moved))):
        return
    counted = contacts.c.run_id == run_id, contacts.c.state != "done", contacts.c.rule_uses != "[]"
    query = select(contacts.c.rule_uses).where(*counted).distinct()
    known = (await connection.execute(query)).scalars().all()
    carried = {text: json.dumps(carried_uses(json.loads(text), moved)) for text in known}
    if not carried:
        return
    await connection.execute(
        update(contacts)
        .where(*counted)
        .values(rule_uses=case(carried, value=contacts.c.rule_uses, else_=contacts.c.rule_uses))
    )
