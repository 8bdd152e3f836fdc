"""Taking a list into the store: whole or not at all as far as dialing goes.

Rows are written in batches while the run is `preparing`; only `mark_ready` lets it dial. An import
that dies half way leaves a run that the next start goes on with (`runs.take_over`): every row of a
list leaves one row here, as a contact or as a remark, so what is here says how far it came.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from itertools import islice
from json.encoder import encode_basestring as _quoted
from typing import TYPE_CHECKING

from sqlalchemy import case, delete, func, insert, select, update

from campaigns.contacts import ContactRow, Note, RejectedRow
from campaigns.definition import Campaign, Frozen
from campaigns.rows import Item
from store.batches import ahead
from store.bulk import Bulk
from store.engine import Store
from store.runs import RunError
from store.schema import contacts, numbers, rejected_rows, rules, runs

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

BATCH = 5_000


class ListChangedError(Exception):
    """The list is not the one of which a part is in the store already."""


class Imported(Frozen):
    """What an import came to, in rows."""

    total: int = 0
    rejected: int = 0
    notes: int = 0


def lane_of(run_id: str, n: int, lanes: int) -> int:
    """Return the lane that owns a contact: a stable hash, so that it never moves."""
    return zlib.crc32(f"{run_id}/{n}".encode()) % lanes


async def area_codes(store: Store, run_id: str) -> list[str]:
    """Return the area codes that a run's list has numbers of, in order."""
    code = func.substr(numbers.c.e164, 4, 2)
    query = select(code).where(numbers.c.run_id == run_id).distinct().order_by(code)
    async with store.read(long=True) as connection:
        return list((await connection.execute(query)).scalars())


_CONTACTS = Bulk(
    contacts.c.run_id,
    contacts.c.n,
    contacts.c.line,
    contacts.c.external_id,
    contacts.c.columns,
    contacts.c.lane,
    contacts.c.state,
    contacts.c.due_at,
)
_NUMBERS = Bulk(numbers.c.run_id, numbers.c.n, numbers.c.position, numbers.c.e164, numbers.c.kind)


@dataclass
class RowsToWrite:
    """A batch of a list's rows as the tables take them.

    Contacts and numbers as their values one after the other: no object is kept for a row, of which
    a million would have Python look through all of them again and again for garbage.
    """

    people: int = 0
    contacts: list[object] = field(default_factory=list)
    numbers: list[object] = field(default_factory=list)
    noted: list[dict[str, object]] = field(default_factory=list)
    rejected: int = 0

    @property
    def rows(self) -> int:
        """How many there are."""
        return self.people + len(self.noted)

    async def insert(self, connection: AsyncConnection) -> None:
        """Write the rows."""
        await _CONTACTS.insert(connection, self.contacts)
        await _NUMBERS.insert(connection, self.numbers)
        if self.noted:
            await connection.execute(insert(rejected_rows), self.noted)


def text_of(columns: dict[str, str]) -> str:
    """Write columns as `json.dumps` does with `ensure_ascii=False`, in a third of its time."""
    cells = [f"{_quoted(name)}: {_quoted(cell)}" for name, cell in columns.items()]
    return f"{{{', '.join(cells)}}}"


def written_rows(
    run_id: str,
    batch: Iterable[Item],
    *,
    lanes: Sequence[int],
    after: int,
    now: float,
    source: str = "",
) -> RowsToWrite:
    """Bring rows into the form of the tables; contacts are numbered from `after` + 1 on.

    They are spread over `lanes`. `source` names the list where it is not the campaign's own.
    """
    rows = RowsToWrite()
    for row in batch:
        if isinstance(row, ContactRow):
            rows.people += 1
            n = after + rows.people
            lane = lanes[lane_of(run_id, n, len(lanes))]
            columns = text_of(row.columns)
            rows.contacts += (run_id, n, row.line, row.external_id, columns, lane, "due", now)
            for position, number in enumerate(row.numbers):
                rows.numbers += (run_id, n, position, number.e164, number.kind)
            continue
        kept = isinstance(row, Note)
        rows.rejected += not kept
        rows.noted.append(
            {
                "run_id": run_id,
                "line": row.line,
                "external_id": None if isinstance(row, Note) else row.external_id,
                "column": row.column,
                "reason": row.reason,
                "message": row.message,
                "kept": kept,
                "source": source,
            }
        )
    return rows


async def import_rows(
    store: Store,
    run_id: str,
    rows: Iterable[ContactRow | RejectedRow | Note],
    progress: Callable[[Imported], None] | None = None,
    *,
    go_on: bool = False,
    in_thread: bool = False,
) -> Imported:
    """Write the rows of a list; return how many were taken.

    Each batch is one transaction. The run must be `preparing`, and `RunError` is raised when
    somebody else has taken it over or ended it. `progress` is called after each batch with what has
    been written so far. With `go_on`, the rows that are in the store already are passed over, each
    compared with what is there; `ListChangedError` when they differ. `in_thread` as in `ahead`.
    """
    async with store.read() as connection:
        run = (
            await connection.execute(select(runs.c.lanes, runs.c.epoch).where(runs.c.id == run_id))
        ).one()
        last = (
            await connection.execute(
                select(func.coalesce(func.max(contacts.c.n), 0)).where(contacts.c.run_id == run_id)
            )
        ).scalar_one()
    stream = iter(rows)
    done = await _pass_over(store, run_id, stream) if go_on else Imported()
    if go_on and progress is not None:
        progress(done)
    lanes = range(run.lanes)
    written = _in_batches(run_id, stream, lanes=lanes, after=last, now=store.now())
    async with aclosing(ahead(written, in_thread=in_thread)) as coming:
        async for rows_of in coming:
            done = Imported(
                total=done.total + rows_of.people,
                rejected=done.rejected + rows_of.rejected,
                notes=done.notes + len(rows_of.noted) - rows_of.rejected,
            )
            async with store.write(long=True) as connection:
                await rows_of.insert(connection)
                mine = await connection.execute(
                    update(runs)
                    .where(
                        runs.c.id == run_id,
                        runs.c.state == "preparing",
                        runs.c.epoch == run.epoch,
                    )
                    .values(total=done.total, rejected=done.rejected)
                )
                if not mine.rowcount:
                    raise RunError(
                        f"run {run_id} is not prepared here any more: another command is"
                    )
            if progress is not None:
                progress(done)
    return done


def _in_batches(
    run_id: str, stream: Iterator[Item], *, lanes: Sequence[int], after: int, now: float
) -> Iterator[RowsToWrite]:
    while True:
        # Row by row from the list into the batch, so that a row is gone before the next one comes.
        batch = islice(stream, BATCH)
        rows = written_rows(run_id, batch, lanes=lanes, after=after, now=now)
        if not rows.rows:
            return
        after += rows.people
        yield rows


async def start_over(store: Store, run_id: str, definition: Campaign) -> None:
    """Empty a run that is still `preparing`, because its file or its list has changed.

    Twice is the same as once. Raises `RunError` where the run is past that.
    """
    async with store.write(long=True) as connection:
        mine = await connection.execute(
            update(runs)
            .where(runs.c.id == run_id, runs.c.state == "preparing")
            .values(total=0, rejected=0, epoch=runs.c.epoch + 1)
        )
        if not mine.rowcount:
            raise RunError(f"run {run_id} is not prepared here any more")
        for table in (contacts, numbers, rejected_rows):
            await connection.execute(delete(table).where(table.c.run_id == run_id))
        await connection.execute(
            update(rules)
            .where(rules.c.run_id == run_id)
            .values(definition=definition.model_dump_json())
        )


async def _pass_over(
    store: Store, run_id: str, stream: Iterator[ContactRow | RejectedRow | Note]
) -> Imported:
    """Take off `stream` what the store has of it, and return how much that was.

    Going through those rows again is what makes the rest be judged as it would have been: which
    ids and numbers were there before is known to whoever reads the list, and to nobody else.
    """
    here = select(func.count()).where(contacts.c.run_id == run_id)
    noted = select(
        func.count(), func.coalesce(func.sum(case((rejected_rows.c.kept, 1), else_=0)), 0)
    ).where(rejected_rows.c.run_id == run_id)
    async with store.read(long=True) as connection:
        people = (await connection.execute(here)).scalar_one()
        remarks, notes = (await connection.execute(noted)).one()
    left = people + remarks
    first = 1
    while left > 0:
        rows = list(islice(stream, min(left, BATCH)))
        if not rows:
            raise ListChangedError
        left -= len(rows)
        expected = [_written(row) for row in rows if isinstance(row, ContactRow)]
        if expected != await _stored(store, run_id, first, len(expected)):
            raise ListChangedError
        first += len(expected)
    if first != people + 1:
        raise ListChangedError
    return Imported(total=people, rejected=remarks - notes, notes=notes)


Written = tuple[int, str, str, tuple[str, ...]]


def _written(row: ContactRow) -> Written:
    numbers_of = tuple(number.e164 for number in row.numbers)
    return row.line, row.external_id, text_of(row.columns), numbers_of


async def _stored(store: Store, run_id: str, first: int, count: int) -> list[Written]:
    """Return `count` contacts from the one with ordinal `first` on, as they were written."""
    span = (first, first + count - 1)
    people = (
        select(contacts.c.n, contacts.c.line, contacts.c.external_id, contacts.c.columns)
        .where(contacts.c.run_id == run_id, contacts.c.n.between(*span))
        .order_by(contacts.c.n)
    )
    phones = (
        select(numbers.c.n, numbers.c.e164)
        .where(numbers.c.run_id == run_id, numbers.c.n.between(*span))
        .order_by(numbers.c.n, numbers.c.position)
    )
    async with store.read(long=True) as connection:
        found = (await connection.execute(people)).all()
        e164s: dict[int, list[str]] = {}
        for row in await connection.execute(phones):
            e164s.setdefault(row.n, []).append(row.e164)
    return [(row.line, row.external_id, row.columns, tuple(e164s.get(row.n, ()))) for row in found]
