"""Who is on the list of a running campaign: bringing contacts in, and taking them out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, select, update

from campaigns.attempts import Outcome
from campaigns.definition import Frozen
from campaigns.rows import ContactRow, Item, Note, RejectedRow
from campaigns.seen import Seen, key_of
from store.batches import parts
from store.engine import Store
from store.importing import BATCH, Imported, written_rows
from store.leaving import WITHDRAWN, Leaver, let_go
from store.runs import Run, RunError, locked
from store.schema import contacts, lanes, numbers, rejected_rows, runs
from store.settling import tally_up
from store.trouble import repeatable

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

UNKNOWN = Outcome.UNKNOWN.value


class Withdrawn(Frozen):
    """What became of the ids that were to be withdrawn.

    `gone` are called no more, `under_way` no more after the call that is being made, `ended` had
    their outcome already, and `unknown` are ids that the run does not have.
    """

    gone: int = 0
    under_way: int = 0
    ended: int = 0
    unknown: tuple[str, ...] = ()


async def add(
    store: Store,
    run_id: str,
    rows: Iterable[Item],
    *,
    by_id: bool,
    source: str,
    progress: Callable[[Imported], None] | None = None,
) -> Imported:
    """Add the contacts of another list to an open run; return what was taken and rejected.

    A number that the run has already, or an id where `by_id`, is a rejected row, so the same list
    twice adds nobody. A row that was rejected before, of a list of the same name (`source`) for the
    same reason, is not written again. Each batch is one transaction and its contacts are due at
    once, in lanes that have not finished: after a kill, the same list again goes on. Raises
    `RunError` for a run that is ending or has ended.
    """
    ids, known, told = Seen(), Seen(), _Told(run_id, source)
    async with store.read() as connection:
        seen = await _last(connection, run_id)
        await _remember(connection, run_id, ids if by_id else None, known)
    done, stream = Imported(), iter(rows)
    while batch := list(islice(stream, BATCH)):
        async with store.write(long=True) as connection:
            run = await locked(connection, run_id)
            if run.state not in {"running", "paused"}:
                raise RunError(f"run {run_id} is {run.state}: nobody can be added to it any more")
            last = await _last(connection, run_id)
            if last > seen:  # somebody else adds at the same time
                await _remember(connection, run_id, ids if by_id else None, known, after=seen)
            await told.learn(connection)
            fresh = [_judged(row, ids if by_id else None, known) for row in batch]
            now = store.now()
            turning = await _turning(connection, run)
            written = written_rows(
                run_id, told.new(fresh), lanes=turning, after=last, now=now, source=source
            )
            await written.insert(connection)
            await connection.execute(
                update(runs)
                .where(runs.c.id == run_id)
                .values(
                    total=runs.c.total + written.people,
                    rejected=runs.c.rejected + written.rejected,
                )
            )
        seen = last + written.people
        done = Imported(
            total=done.total + written.people,
            rejected=done.rejected + sum(isinstance(row, RejectedRow) for row in fresh),
            notes=done.notes + sum(isinstance(row, Note) for row in fresh),
        )
        if progress is not None:
            progress(done)
    return done


class _Told:
    """The rejected rows and remarks that a run has of one list already."""

    def __init__(self, run_id: str, source: str) -> None:
        self._run_id = run_id
        self._source = source
        self._seen = Seen()
        self._last = 0

    async def learn(self, connection: AsyncConnection) -> None:
        """Take in what was written since, by whomever. The run's row must be locked."""
        table = rejected_rows.c
        query = select(
            table.id, table.line, table.external_id, table.column, table.reason, table.kept
        ).where(table.run_id == self._run_id, table.source == self._source, table.id > self._last)
        async for row in await connection.stream(query.order_by(table.id)):
            self._last = row.id
            self._seen.remember(_key(*row[1:]), 1)

    def new(self, rows: Iterable[Item]) -> Iterator[Item]:
        """Leave out what is known; contacts are always new."""
        for row in rows:
            if isinstance(row, ContactRow):
                yield row
                continue
            name = row.external_id if isinstance(row, RejectedRow) else None
            key = _key(row.line, name, row.column, row.reason, isinstance(row, Note))
            if self._seen.line_of(key) is None:
                yield row


def _key(*parts: object) -> int:
    return key_of(repr(parts))


async def _turning(connection: AsyncConnection, run: Run) -> Sequence[int]:
    """Return the lanes that have not finished; all where all have, for they are opened again.

    None finishes meanwhile: the run's row is locked.
    """
    query = select(lanes.c.lane).where(lanes.c.run_id == run.id, lanes.c.finished.is_(True))
    finished = set((await connection.execute(query)).scalars())
    return [lane for lane in range(run.lanes) if lane not in finished] or range(run.lanes)


async def _last(connection: AsyncConnection, run_id: str) -> int:
    """Return the ordinal of the contact that came last; 0: there is none."""
    query = select(func.coalesce(func.max(contacts.c.n), 0)).where(contacts.c.run_id == run_id)
    return int((await connection.execute(query)).scalar_one())


async def _remember(
    connection: AsyncConnection, run_id: str, ids: Seen | None, known: Seen, *, after: int = 0
) -> None:
    """Take in the ids and the numbers of a run's contacts from the one behind `after` on."""
    if ids is not None:
        people = await connection.stream(
            select(contacts.c.external_id, contacts.c.line).where(
                contacts.c.run_id == run_id, contacts.c.n > after
            )
        )
        async for row in people:
            ids.remember(key_of(row.external_id), row.line)
    phones = await connection.stream(
        select(numbers.c.e164).where(numbers.c.run_id == run_id, numbers.c.n > after)
    )
    async for row in phones:
        known.remember(key_of(row.e164[1:]), 1)


def _judged(row: Item, ids: Seen | None, known: Seen) -> Item:
    """Return a row as it is, or as a rejected one where the run has its id or number already."""
    if not isinstance(row, ContactRow):
        return row
    if ids is not None and ids.line_of(key_of(row.external_id)) is not None:
        return _rejected(row, "known_id", "the run already has a contact of this id")
    if any(known.line_of(key_of(number.e164[1:])) is not None for number in row.numbers):
        return _rejected(row, "known_number", "the run already has a contact of this number")
    if ids is not None:
        ids.remember(key_of(row.external_id), row.line)
    for number in row.numbers:
        known.remember(key_of(number.e164[1:]), 1)
    return row


def _rejected(row: ContactRow, reason: str, message: str) -> RejectedRow:
    return RejectedRow(
        line=row.line, external_id=row.external_id, column=None, reason=reason, message=message
    )


@repeatable
async def withdraw(store: Store, run_id: str, ids: Sequence[str]) -> Withdrawn:
    """Take contacts out of an open run, by the ids of its list: all of them or, on error, none.

    Whoever waits ends as `withdrawn` now; an attempt that is reserved is not posted any more, and a
    call under way goes on to its end and is followed by none. Whoever ended as `unknown` is not
    called either, whatever `unknowns.resolve` is told. Twice is the same as once. Raises `RunError`
    for a run that has ended.
    """
    now, wanted = store.now(), list(dict.fromkeys(ids))
    async with store.write() as connection:
        run = await locked(connection, run_id)
        if not run.is_open:
            raise RunError(f"run {run_id} has ended: it is {run.state}, and calls nobody any more")
        found: list[Any] = []
        for some in parts(wanted):
            query = select(
                contacts.c.n,
                contacts.c.external_id,
                contacts.c.lane,
                contacts.c.state,
                contacts.c.outcome,
            ).where(
                contacts.c.run_id == run_id,
                contacts.c.external_id.in_(some),
            )
            found += (await connection.execute(query.with_for_update())).all()
        waiting = [row for row in found if row.state == "due"]
        parked = [row for row in found if (row.state, row.outcome) == ("done", UNKNOWN)]
        live = [row for row in found if row.state == "live"]
        leaving = [*waiting, *parked]
        for rows, values in (
            (leaving, {"state": "done", "outcome": WITHDRAWN}),
            (live, {"outcome": WITHDRAWN}),
        ):
            for some in parts([row.n for row in rows]):
                await connection.execute(
                    update(contacts)
                    .where(
                        contacts.c.run_id == run_id,
                        contacts.c.n.in_(some),
                    )
                    .values(values)
                )
        leavers = [Leaver(run_id, row.n, row.lane) for row in leaving]
        await let_go(store, connection, leavers, now)
        for lane, count in sorted(Counter(row.lane for row in parked).items()):
            tally = Counter({f"contact:{UNKNOWN}": -count})
            await tally_up(store, connection, run_id, lane, tally)
    known = {row.external_id for row in found}
    return Withdrawn(
        gone=len(leaving),
        under_way=len(live),
        ended=sum(row.state == "done" for row in found) - len(parked),
        unknown=tuple(name for name in wanted if name not in known),
    )
