"""Guards: what a run counts about itself, and the pauses that follow from it.

Everything is kept by running totals, in the transactions that settle and reserve. A guard that
opens pauses the run as a person would: the store first, with a new epoch, so that nothing that was
reserved before is placed. A run whose campaign has no guard pays for one line a turn.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from sqlalchemy import Select, insert, select, update

from campaigns.definition import Campaign
from campaigns.guarding import (
    GuardName,
    Verdict,
    Watch,
    judge_failures,
    judge_short_calls,
    local_day,
)
from store.budget import begin, charge, cost_of, purse_of
from store.engine import Store
from store.locking import Locked
from store.runs import RunError, close_guards, locked, write_state
from store.schema import guards, rules, run_events, runs, short_call_days
from store.trouble import repeatable
from store.upsert import add_short_calls

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

RING = 1_000
"""Attempts that the breaker remembers: its longest window."""


# Counting -----------------------------------------------------------------------------------------


async def count_settled(
    store: Store,
    connection: AsyncConnection,
    run_id: str,
    watch: Watch,
    settled: Sequence[tuple[Any, bool | None, bool]],
) -> None:
    """Count attempts that are settled in this transaction, each once.

    `settled` are the attempt's row, whether its call was short (None: not dialed), and whether it
    failed for a technical reason.
    """
    if watch.budget is not None:
        await charge(connection, run_id, sum(cost_of(row) for row, _, _ in settled))
    if watch.failures is not None:
        ring = "".join(
            "1" if failed else "0"
            for row, _, failed in settled
            if row.api_id is not None and row.unsure_at is None
        )
        if ring:
            await begin(store, connection, run_id, "failures")
            await _observe(connection, run_id, ring)
    days: dict[str, list[bool]] = {}
    for row, short, _ in settled:
        if short is not None and row.posting_at is not None:
            days.setdefault(local_day(row.posting_at).isoformat(), []).append(short)
    if days:
        await connection.execute(
            add_short_calls(store),
            [
                {
                    "account_id": settled[0][0].account_id,
                    "bina": watch.bina,
                    "day": day,
                    "calls": len(calls),
                    "short": sum(calls),
                }
                for day, calls in sorted(days.items())
            ],
        )


async def _observe(connection: AsyncConnection, run_id: str, ring: str) -> None:
    """Append to the breaker's memory, where the run has one."""
    known = (
        await connection.execute(
            select(guards.c.ring)
            .where(guards.c.run_id == run_id, guards.c.name == "failures")
            .with_for_update()
        )
    ).scalar()
    if known is not None:
        await connection.execute(
            update(guards)
            .where(guards.c.run_id == run_id, guards.c.name == "failures")
            .values(ring=(known + ring)[-RING:])
        )


async def observe_failures(connection: AsyncConnection, run_ids: Iterable[str]) -> None:
    """Remember POSTs that failed for technical reasons: one entry of `run_ids` for each.

    Called once for each attempt, when its answer is written down; it is not counted again when the
    attempt is settled.
    """
    counts: dict[str, int] = {}
    for run_id in run_ids:
        counts[run_id] = counts.get(run_id, 0) + 1
    for run_id, count in sorted(counts.items()):
        await _observe(connection, run_id, "1" * min(count, RING))


# Pausing and going on -----------------------------------------------------------------------------


async def review(
    store: Store,
    connection: AsyncConnection,
    run_id: str,
    run: Locked,
    *,
    watch: Watch,
    now: float,
) -> bool:
    """Pause or resume the run as its guards say; return whether its state has changed.

    `run` is what `lock_account` returned.
    """
    if run.state == "running" and watch.is_needed:
        return await _look(store, connection, run_id, run, watch=watch, now=now)
    if run.state == "paused" and run.guarded:
        return await _go_on(store, connection, run_id, watch, now)
    return False


async def _look(
    store: Store,
    connection: AsyncConnection,
    run_id: str,
    run: Locked,
    *,
    watch: Watch,
    now: float,
) -> bool:
    known = await rows_of(connection, run_id)
    verdicts: list[tuple[GuardName, Verdict]] = []
    if watch.failures is not None:
        if "failures" not in known:
            await begin(store, connection, run_id, "failures")
        else:
            ring = known["failures"].ring
            verdicts.append(("failures", judge_failures(watch.failures, ring, now)))
    if watch.short_calls is not None:
        row = known.get("short_calls")
        waived = row is not None and row.waived_until is not None and now < row.waived_until
        calls, short = await short_calls_today(connection, run.account_id, watch.bina, now)
        verdict = judge_short_calls(watch.short_calls, calls, short, now, waived=waived)
        verdicts.append(("short_calls", verdict))
    changed = False
    for name, verdict in verdicts:
        if verdict.state == "open":
            await trip(store, connection, run_id, name, verdict, now=now)
            changed = True
        elif verdict.state != (known[name].state if name in known else "ok"):
            await begin(store, connection, run_id, name)
            await _warn(connection, run_id, name, verdict, run=run, now=now)
    return changed


async def rows_of(connection: AsyncConnection, run_id: str) -> dict[str, Any]:
    """Return a run's guards by name."""
    query = select(guards).where(guards.c.run_id == run_id)
    return {row.name: row for row in await connection.execute(query)}


async def short_calls_today(
    connection: AsyncConnection, account: str, bina: str, now: float
) -> tuple[int, int]:
    """Return how many calls a caller ID has made in the day of `now`, and how many were short."""
    row = (
        await connection.execute(
            select(short_call_days.c.calls, short_call_days.c.short).where(
                short_call_days.c.account_id == account,
                short_call_days.c.bina == bina,
                short_call_days.c.day == local_day(now).isoformat(),
            )
        )
    ).one_or_none()
    return (0, 0) if row is None else (row.calls, row.short)


async def _warn(
    connection: AsyncConnection,
    run_id: str,
    name: GuardName,
    verdict: Verdict,
    *,
    run: Locked,
    now: float,
) -> None:
    """Write down that a guard warns, or no longer does; the run goes on."""
    values: dict[str, Any] = {"state": verdict.state, "since": now}
    if verdict.state == "warning":
        values["reason"] = verdict.reason
        await connection.execute(
            insert(run_events).values(
                run_id=run_id,
                at=now,
                state=run.state,
                reason=f"warning: {verdict.reason}",
                epoch=run.epoch,
            )
        )
    await connection.execute(
        update(guards).where(guards.c.run_id == run_id, guards.c.name == name).values(**values)
    )


async def trip(
    store: Store,
    connection: AsyncConnection,
    run_id: str,
    name: GuardName,
    verdict: Verdict,
    *,
    now: float,
) -> None:
    """Open a guard and pause the run. One that is paused by a person stays so.

    Twice is the same as once: a guard that is open already changes nothing.
    """
    await begin(store, connection, run_id, name)
    opened = await connection.execute(
        update(guards)
        .where(guards.c.run_id == run_id, guards.c.name == name, guards.c.state != "open")
        .values(
            state="open",
            reason=verdict.reason,
            since=now,
            until=verdict.until,
            trips=guards.c.trips + 1,
        )
    )
    run = await locked(connection, run_id)
    if run.state == "running":
        await write_state(
            connection,
            run_id,
            "paused",
            verdict.reason,
            now,
            guarded=True,
            paused_until=verdict.until,
        )
    elif run.state == "paused" and run.guarded and opened.rowcount:
        both = (
            None
            if run.paused_until is None or verdict.until is None
            else max(run.paused_until, verdict.until)
        )
        await connection.execute(update(runs).where(runs.c.id == run_id).values(paused_until=both))


async def _go_on(
    store: Store, connection: AsyncConnection, run_id: str, watch: Watch, now: float
) -> bool:
    """Resume a run whose open guards all allow it: it is their time, or there is budget again."""
    known = await rows_of(connection, run_id)
    for row in known.values():
        if row.state != "open":
            continue
        if row.name == "budget":
            purse = await purse_of(store, connection, run_id, watch)
            if purse is not None and purse.left < watch.dearest:
                return False
        elif row.until is None or row.until > now:
            return False
    await write_state(connection, run_id, "running", "", now)
    await close_guards(connection, run_id, by_hand=False)
    return True


def newest_rules(run_id: str) -> Select[Any]:
    """Ask for the definition that a run dials by now."""
    return (
        select(rules.c.definition)
        .where(rules.c.run_id == run_id)
        .order_by(rules.c.version.desc())
        .limit(1)
    )


@repeatable
async def no_balance(store: Store, run_id: str, reason: str) -> None:
    """Pause a run whose account has no balance, for as long as its campaign says.

    Raises `RunError` for a run that can no longer be paused. Twice is the same as once.
    """
    async with store.write() as connection:
        now = store.now()
        run = await locked(connection, run_id)
        if run.state not in {"running", "paused"}:
            raise RunError(f"run {run_id} is {run.state}: only a running one can be paused")
        definition = (await connection.execute(newest_rules(run_id))).scalar_one()
        wait = Campaign.model_validate_json(definition).guards.no_balance.resume_after
        until = None if wait is None else now + wait.total_seconds()
        verdict = Verdict(state="open", reason=reason, until=until)
        await trip(store, connection, run_id, "no_balance", verdict, now=now)
