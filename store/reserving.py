"""Choosing who is dialed next: `settle` and `reserve` in one transaction.

The account's row is taken first, so that channels and send slots are granted to one caller at a
time, whatever lane, campaign or worker asks.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple, Protocol, cast

from sqlalchemy import (
    ColumnElement,
    Row,
    and_,
    bindparam,
    func,
    insert,
    select,
    true,
    tuple_,
    update,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from campaigns.attempts import Outcome, Step
from campaigns.definition import Frozen
from campaigns.guarding import Watch
from campaigns.keys import attempt_key
from store import budget, dead, expiring, guards
from store.batches import FLAT, breathing, parts
from store.budget import Purse
from store.engine import Store
from store.expiring import expire
from store.leaving import WITHDRAWN, Leaver, let_go
from store.pacing import Pace, pace_of
from store.runs import RunState
from store.schema import (
    accounts,
    attempts,
    contacts,
    decisions,
    lanes,
    numbers,
    runs,
    suppressions,
)
from store.settling import settle, tally_up
from store.sharing import Room, announce, room, write_down
from store.trouble import repeatable
from store.upsert import insert_ignore

LIVE_ELSEWHERE_DELAY = 5.0
"""Seconds until a contact is looked at again whose number another attempt holds."""

ORPHANED_AFTER = 300.0
"""Seconds without a sign of a lane after which any lane of the account takes care of its work."""

CALLED = ("posting", "placed", "ended", "unknown")
"""States of an attempt that may have called the person: what the caps count."""

NO_GUARDS = Watch()
MAX_ROUNDS = 5
"""How often one reserve looks for more contacts when the first ones may not be called now."""


class Candidate(NamedTuple):
    """A contact that is due, and the number it would be called at.

    `number_calls` and `contact_calls` are when the number, and any number of the contact, were
    called before in all campaigns of the account, oldest first, as far back as the gate asks.
    """

    n: int
    e164: str
    kind: Literal["movel", "fixo"]
    number_calls: tuple[float, ...] = ()
    contact_calls: tuple[float, ...] = ()


class GateAnswer(NamedTuple):
    """Whether a candidate may be called now.

    `until` is the last instant at which the call may start (None: no limit). Where it may not be
    called, `wait_until` is when to ask again, or None for never; `why` is a short code, and
    `outcome` what the contact ends with if it has no further number.
    """

    allowed: bool = True
    until: float | None = None
    wait_until: float | None = None
    why: str = ""
    outcome: Outcome = Outcome.NOT_ALLOWED


class Gate(Protocol):
    """Decides whether a candidate may be called at an instant."""

    history: float
    """Seconds of past calls that the decision needs; 0: none."""

    def __call__(self, candidate: Candidate, now: float, /) -> GateAnswer:
        """Judge a candidate."""
        ...


class Reservation(Frozen):
    """What one call of `settle_and_reserve` found and did.

    `keys` are reserved under the token and not yet posted. `due_now` says that more contacts are
    due than were taken; `next_due` is the earliest instant at which one becomes due.
    """

    state: RunState
    epoch: int
    reason: str = ""
    keys: tuple[str, ...] = ()
    pace: Pace
    due_now: bool = False
    next_due: float | None = None
    limited_by_pacing: bool = False
    """More channels were free than slots within the horizon."""
    waits_for_channels: bool = False
    """Others hold channels that are this lane's share."""
    settled: int = 0
    hang_up: bool = False
    rules_version: int = 1
    paused_until: float | None = None
    """When a paused run goes on by itself; None: by hand."""
    expires_more: bool = False
    """More contacts are too late for the campaign's end than one transaction takes."""


async def lock_account(connection: AsyncConnection, run_id: str) -> Row[Any]:
    """Lock the account's row and the run's, and return what decides about granting."""
    query = (
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
        .where(runs.c.id == run_id)
        .with_for_update()
    )
    return cast("Row[Any]", (await connection.execute(query)).one())


async def give_back(
    store: Store, connection: AsyncConnection, run_id: str, lane: int, *, token: str, now: float
) -> int:
    """Release what the lane reserved under other tokens and never posted.

    Safe at any time: a worker that still holds one of them loses the compare-and-set.
    """
    return await _release(
        store,
        connection,
        now,
        attempts.c.run_id == run_id,
        attempts.c.lane == lane,
        attempts.c.token != token,
    )


async def sweep(store: Store, connection: AsyncConnection, account: str, now: float) -> int:
    """Release what any lane of the account reserved so long ago that nobody carries it any more.

    A run whose workflow was terminated never gives back what it holds, and its numbers and channels
    would be taken for ever.
    """
    return await _release(
        store,
        connection,
        now,
        attempts.c.account_id == account,
        attempts.c.live == true(),
        attempts.c.reserved_at < now - ORPHANED_AFTER,
    )


async def _release(
    store: Store, connection: AsyncConnection, now: float, *which: ColumnElement[bool]
) -> int:
    """Release reserved attempts and return how many.

    Their contacts are due again; one that was withdrawn meanwhile is done.
    """
    rows = (
        await connection.execute(
            update(attempts)
            .where(attempts.c.state == "reserved", attempts.c.settled_at.is_(None), *which)
            .values(state="released", live=False, settled_at=now)
            .returning(attempts.c.run_id, attempts.c.n)
        )
    ).all()
    if not rows:
        return 0
    leaving = and_(contacts.c.state == "live", contacts.c.outcome == WITHDRAWN)
    leavers: list[Leaver] = []
    for start in range(0, len(rows), FLAT):
        these = tuple_(contacts.c.run_id, contacts.c.n).in_(
            [(row.run_id, row.n) for row in rows[start : start + FLAT]]
        )
        found = await connection.execute(
            update(contacts)
            .where(these, leaving)
            .values(state="done")
            .returning(contacts.c.run_id, contacts.c.n, contacts.c.lane)
        )
        leavers += [Leaver._make(row) for row in found]
    await connection.execute(
        update(contacts)
        .where(
            contacts.c.run_id == bindparam("b_run"),
            contacts.c.n == bindparam("b_n"),
            contacts.c.state == "live",
        )
        .values(state="due", due_at=now),
        [{"b_run": row.run_id, "b_n": row.n} for row in rows],
    )
    await let_go(store, connection, leavers, now)
    return len(rows)


async def _suppressed(
    connection: AsyncConnection, run: Row[Any], purpose: str, e164s: Sequence[str], now: float
) -> dict[str, tuple[Outcome, str]]:
    """Return what stands against the numbers that may not be called; a person's wish goes first."""
    rows = await connection.execute(
        select(suppressions.c.e164, suppressions.c.source).where(
            suppressions.c.account_id == run.account_id,
            suppressions.c.e164.in_(e164s),
            suppressions.c.scope.in_(("all", purpose)),
            suppressions.c.campaign.in_(("", run.campaign)),
            (suppressions.c.expires_at.is_(None)) | (suppressions.c.expires_at > now),
        )
    )
    found: dict[str, tuple[Outcome, str]] = {}
    for row in rows:
        if row.source != dead.SOURCE:
            found[row.e164] = (Outcome.SUPPRESSED, "suppressed")
        else:
            found.setdefault(row.e164, (Outcome.INVALID_NUMBER, "dead_number"))
    return found


@repeatable
async def settle_and_reserve(
    store: Store,
    *,
    run_id: str,
    lane: int,
    token: str,
    steps: Sequence[Step],
    channels: int,
    calls_per_second: float,
    per_contact: int,
    purpose: str,
    horizon: float,
    gate: Gate,
    priority: int = 3,
    most: int | None = None,
    starts_at: float | None = None,
    ends_at: float | None = None,
    watch: Watch = NO_GUARDS,
    rules_version: int | None = None,
) -> Reservation:
    """Settle what was decided, then reserve who is next, in one transaction.

    Reserves at most what pacing sends within `horizon` seconds, what the channels leave free and
    the lane's share allows (`store.sharing`), and `most`, which is what the caller can send in that
    time.
    The same token returns the same attempts, as far as they are still to be posted; reserved rows
    of older tokens of the lane are given back first. Only a `running` run reserves, from
    `starts_at` on and until `ends_at`; who is still due then, or due only later, is `expired`.
    Its guards are looked at before, and may pause it or let it go on.
    `rules_version` is what the caller's rules are of; where the run has newer ones by now, nothing
    but settling is done, and the answer says so.
    """
    async with store.write() as connection:
        run = await lock_account(connection, run_id)
        now = store.now()
        settled = await settle(
            store, connection, run_id, lane, steps, version=run.rules_version, watch=watch
        )
        await connection.execute(
            insert_ignore(store, lanes), {"run_id": run_id, "lane": lane, "seen_at": now}
        )
        await connection.execute(
            update(lanes).where(lanes.c.run_id == run_id, lanes.c.lane == lane).values(seen_at=now)
        )
        await give_back(store, connection, run_id, lane, token=token, now=now)
        await sweep(store, connection, run.account_id, now)
        current = rules_version is None or rules_version == run.rules_version
        if current and await guards.review(store, connection, run_id, run, watch=watch, now=now):
            run = await lock_account(connection, run_id)
        crowded = await announce(connection, run_id, run, now)
        pace = pace_of(store, run, calls_per_second, now)
        mine = (
            await connection.execute(
                select(attempts.c.key, attempts.c.state).where(
                    attempts.c.run_id == run_id,
                    attempts.c.lane == lane,
                    attempts.c.token == token,
                )
            )
        ).all()
        keys = [row.key for row in mine if row.state == "reserved"]
        limited = bool(keys)
        found_room: Room | None = None
        in_time = (starts_at is None or now >= starts_at) and (ends_at is None or now < ends_at)
        if current and not mine and run.state == "running" and in_time:
            found_room = await room(
                connection,
                run_id=run_id,
                lane=lane,
                run=run,
                channels=channels,
                rate=calls_per_second,
                priority=priority,
                crowded=crowded,
                now=now,
            )
            free = found_room.free
            slots = pace.slots_within(horizon, now)
            slots = slots if most is None else min(slots, most)
            want, limited = min(free, slots), slots < free
            purse = await budget.purse_of(store, connection, run_id, watch)
            keys = await _reserve_up_to(
                store,
                connection,
                want,
                run=run,
                run_id=run_id,
                lane=lane,
                token=token,
                per_contact=per_contact,
                purpose=purpose,
                gate=gate,
                purse=purse,
                now=now,
            )
            if purse is not None and purse.refused:
                limited = False  # a free slot would not help: the next turn waits for an end
                run = await _pause_if_empty(store, connection, run_id, run, purse, watch=watch)
        expired = 0
        if current and ends_at is not None:
            expired = await expire(
                store, connection, run_id, lane, run=run, ends_at=ends_at, now=now
            )
        next_due = (
            await connection.execute(
                select(func.min(contacts.c.due_at)).where(
                    contacts.c.run_id == run_id,
                    contacts.c.lane == lane,
                    contacts.c.state == "due",
                )
            )
        ).scalar()
        if next_due is not None and starts_at is not None:
            next_due = max(next_due, starts_at)
        if next_due is not None and ends_at is not None:
            next_due = min(next_due, ends_at)  # the lane looks again when there is nothing to wait
        due_now = next_due is not None and next_due <= now
        if found_room is not None and (crowded or run.lanes > 1):
            await write_down(
                connection,
                run_id=run_id,
                lane=lane,
                run=run,
                found=found_room,
                crowded=crowded,
                channels=channels,
                rate=calls_per_second,
                priority=priority,
                taken=len(keys),
                more=due_now,
                limited=limited,
                horizon=horizon,
                now=now,
            )
    return Reservation(
        state=run.state,
        reason=run.reason,
        epoch=run.epoch,
        keys=tuple(keys),
        pace=pace,
        due_now=due_now,
        waits_for_channels=found_room is not None
        and due_now
        and found_room.contested
        and found_room.entitled > found_room.free,
        next_due=next_due,
        limited_by_pacing=limited,
        settled=settled,
        hang_up=run.hang_up,
        rules_version=run.rules_version,
        paused_until=run.paused_until,
        expires_more=expired >= expiring.BATCH,
    )


async def _pause_if_empty(
    store: Store,
    connection: AsyncConnection,
    run_id: str,
    run: Row[Any],
    purse: Purse,
    *,
    watch: Watch,
) -> Row[Any]:
    """Pause a run whose budget is exhausted for good; return its row as it is then."""
    if not purse.is_empty:
        return run
    verdict = budget.over_budget(purse, watch)
    await guards.trip(store, connection, run_id, "budget", verdict, now=store.now())
    return await lock_account(connection, run_id)


async def _reserve_up_to(
    store: Store, connection: AsyncConnection, want: int, *, purse: Purse | None, **what: Any
) -> list[str]:
    """Look for contacts in rounds until enough are taken, none is left, or the budget is."""
    keys: list[str] = []
    for _ in range(MAX_ROUNDS):
        if len(keys) >= want or (purse is not None and purse.refused):
            break
        found, taken = await _reserve_round(
            store, connection, want=want - len(keys), purse=purse, **what
        )
        keys += taken
        if not found:
            break
    return keys


async def _reserve_round(
    store: Store,
    connection: AsyncConnection,
    *,
    run: Row[Any],
    run_id: str,
    lane: int,
    token: str,
    want: int,
    per_contact: int,
    purpose: str,
    gate: Gate,
    purse: Purse | None,
    now: float,
) -> tuple[int, list[str]]:
    """Take up to `want` contacts that are due; return how many were looked at, and the keys."""
    rows = (
        await connection.execute(
            select(
                contacts.c.n,
                contacts.c.position,
                contacts.c.drawn,
                contacts.c.accepted,
                numbers.c.e164,
                numbers.c.kind,
            )
            .join(
                numbers,
                and_(
                    numbers.c.run_id == contacts.c.run_id,
                    numbers.c.n == contacts.c.n,
                    numbers.c.position == contacts.c.position,
                ),
            )
            .where(
                contacts.c.run_id == run_id,
                contacts.c.lane == lane,
                contacts.c.state == "due",
                contacts.c.due_at <= now,
            )
            .order_by(contacts.c.due_at, contacts.c.n)
            .limit(want)
            # What somebody else is changing just now is looked at again in the next turn.
            .with_for_update(of=contacts, skip_locked=True)
        )
    ).all()
    if not rows:
        return 0, []
    suppressed = await _suppressed(connection, run, purpose, [row.e164 for row in rows], now)
    histories = await _histories(
        connection, run_id, run, rows, now - gate.history if gate.history else None
    )
    allowed: list[dict[str, Any]] = []
    waiting: list[dict[str, Any]] = []
    blocked: list[tuple[Any, Outcome, str]] = []
    async for row in breathing(rows):
        if row.e164 in suppressed:
            blocked.append((row, *suppressed[row.e164]))
            continue
        if row.accepted >= per_contact:
            blocked.append((row, Outcome.NOT_ALLOWED, "contact_cap"))
            continue
        calls = histories.get(row.n, ())
        candidate = Candidate(
            n=row.n,
            e164=row.e164,
            kind=row.kind,
            number_calls=tuple(at for at, e164 in calls if e164 == row.e164),
            contact_calls=tuple(at for at, _ in calls),
        )
        answer = gate(candidate, now)
        if answer.allowed:
            worst = purse.take(row.kind) if purse is not None else None
            if purse is not None and worst is None:
                break
            allowed.append(
                {
                    "key": attempt_key(run_id, row.n, row.drawn + 1),
                    "run_id": run_id,
                    "account_id": run.account_id,
                    "n": row.n,
                    "position": row.position,
                    "e164": row.e164,
                    "lane": lane,
                    "token": token,
                    "epoch": run.epoch,
                    "rules_version": run.rules_version,
                    "state": "reserved",
                    "live": True,
                    "reserved_at": now,
                    "callable_until": answer.until,
                    "worst_cost": worst,
                }
            )
        elif answer.wait_until is not None:
            waiting.append({"b_n": row.n, "b_due_at": answer.wait_until, "why": answer.why})
        else:
            blocked.append((row, answer.outcome, answer.why))
    keys = await _insert_attempts(store, connection, run_id, allowed, now)
    if waiting:
        await _make_wait(connection, run_id, run.rules_version, waiting, now)
    if blocked:
        await _block(
            store,
            connection,
            run_id=run_id,
            lane=lane,
            version=run.rules_version,
            blocked=blocked,
            now=now,
        )
    return len(rows), keys


async def _histories(
    connection: AsyncConnection,
    run_id: str,
    run: Row[Any],
    rows: Sequence[Any],
    since: float | None,
) -> dict[int, list[tuple[float, str]]]:
    """Return when each contact's numbers were called after `since` (None: not asked), by ordinal.

    A call that a technical failure kept from the person does not count; one of unknown fate does.
    """
    found: dict[int, list[tuple[float, str]]] = {}
    if since is None:
        return found
    query = (
        select(numbers.c.n, attempts.c.e164, attempts.c.posting_at)
        .join(
            attempts,
            and_(attempts.c.account_id == run.account_id, attempts.c.e164 == numbers.c.e164),
        )
        .where(
            numbers.c.run_id == run_id,
            numbers.c.n.in_([row.n for row in rows]),
            attempts.c.posting_at > since,
            attempts.c.state.in_(CALLED),
            attempts.c.spared.is_(False),
        )
        .order_by(attempts.c.posting_at)
    )
    for row in await connection.execute(query):
        found.setdefault(row.n, []).append((row.posting_at, row.e164))
    return found


async def _insert_attempts(
    store: Store,
    connection: AsyncConnection,
    run_id: str,
    allowed: list[dict[str, Any]],
    now: float,
) -> list[str]:
    """Insert attempts; a number that is live elsewhere leaves its contact due a little later."""
    if not allowed:
        return []
    inserted = {
        row.key
        for row in await connection.execute(
            insert_ignore(store, attempts).returning(attempts.c.key), allowed
        )
    }
    taken = [item["n"] for item in allowed if item["key"] in inserted]
    for some in parts(taken):
        await connection.execute(
            update(contacts)
            .where(contacts.c.run_id == run_id, contacts.c.n.in_(some))
            .values(state="live", drawn=contacts.c.drawn + 1)
        )
    elsewhere = [{"b_n": item["n"]} for item in allowed if item["key"] not in inserted]
    if elsewhere:
        await connection.execute(
            update(contacts)
            .where(contacts.c.run_id == run_id, contacts.c.n == bindparam("b_n"))
            .values(due_at=now + LIVE_ELSEWHERE_DELAY),
            elsewhere,
        )
    return [item["key"] for item in allowed if item["key"] in inserted]


async def _make_wait(
    connection: AsyncConnection,
    run_id: str,
    version: int,
    waiting: list[dict[str, Any]],
    now: float,
) -> None:
    await connection.execute(
        update(contacts)
        .where(contacts.c.run_id == run_id, contacts.c.n == bindparam("b_n"))
        .values(due_at=bindparam("b_due_at")),
        [{"b_n": item["b_n"], "b_due_at": item["b_due_at"]} for item in waiting],
    )
    await connection.execute(
        insert(decisions),
        [
            {
                "run_id": run_id,
                "n": item["b_n"],
                "attempt": None,
                "at": now,
                "what": "wait",
                "outcome": None,
                "why": item["why"],
                "rule": None,
                "rules_version": version,
                "until": item["b_due_at"],
            }
            for item in waiting
        ],
    )


async def _block(
    store: Store,
    connection: AsyncConnection,
    *,
    run_id: str,
    lane: int,
    version: int,
    blocked: list[tuple[Any, Outcome, str]],
    now: float,
) -> None:
    """Pass over numbers that may not be called: the contact's next one is tried, or it is done."""
    counts = {
        row.n: row.numbers
        for row in await connection.execute(
            select(numbers.c.n, func.count().label("numbers"))
            .where(numbers.c.run_id == run_id, numbers.c.n.in_([row.n for row, _, _ in blocked]))
            .group_by(numbers.c.n)
        )
    }
    tally = Counter[str]()
    changes, log = [], []
    for row, outcome, why in blocked:
        last = row.position + 1 >= counts[row.n] or why == "contact_cap"
        if last:
            tally[f"contact:{outcome.value}"] += 1
        changes.append(
            {
                "b_n": row.n,
                "b_state": "done" if last else "due",
                "b_outcome": outcome.value if last else None,
                "b_position": row.position if last else row.position + 1,
            }
        )
        log.append(
            {
                "run_id": run_id,
                "n": row.n,
                "attempt": None,
                "at": now,
                "what": "blocked",
                "outcome": outcome.value,
                "why": why,
                "rule": None,
                "rules_version": version,
                "until": None,
            }
        )
    await connection.execute(
        update(contacts)
        .where(contacts.c.run_id == run_id, contacts.c.n == bindparam("b_n"))
        .values(
            state=bindparam("b_state"),
            outcome=bindparam("b_outcome"),
            position=bindparam("b_position"),
            rule_uses=json.dumps([]),
        ),
        changes,
    )
    await connection.execute(insert(decisions), log)
    await tally_up(store, connection, run_id, lane, tally)
