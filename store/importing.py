"""Taking a list into the store: whole or not at all as far as dialing goes.

Rows are written in batches while the run is `preparing`; only `mark_ready` lets it dial. An import
that dies half way leaves a run that the next start replaces.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Iterable
from itertools import islice

from sqlalchemy import func, insert, select, update

from campaigns.contacts import ContactRow, Note, RejectedRow
from campaigns.definition import Frozen
from store.engine import Store
from store.schema import contacts, numbers, rejected_rows, runs

BATCH = 5_000


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
    async with store.read() as connection:
        return list((await connection.execute(query)).scalars())


async def import_rows(
    store: Store,
    run_id: str,
    rows: Iterable[ContactRow | RejectedRow | Note],
    progress: Callable[[Imported], None] | None = None,
) -> Imported:
    """Write the rows of a list; return how many were taken.

    Each batch is one transaction. The run must be `preparing`. `progress` is called after each
    batch with what has been written so far.
    """
    async with store.read() as connection:
        lanes = (
            await connection.execute(select(runs.c.lanes).where(runs.c.id == run_id))
        ).scalar_one()
        last = (
            await connection.execute(
                select(func.coalesce(func.max(contacts.c.n), 0)).where(contacts.c.run_id == run_id)
            )
        ).scalar_one()
    done = Imported()
    stream = iter(rows)
    now = store.now()
    while batch := list(islice(stream, BATCH)):
        new_contacts: list[dict[str, object]] = []
        new_numbers: list[dict[str, object]] = []
        noted: list[dict[str, object]] = []
        rejected = notes = 0
        for row in batch:
            if isinstance(row, ContactRow):
                last += 1
                new_contacts.append(
                    {
                        "run_id": run_id,
                        "n": last,
                        "line": row.line,
                        "external_id": row.external_id,
                        "columns": json.dumps(row.columns, ensure_ascii=False),
                        "lane": lane_of(run_id, last, lanes),
                        "state": "due",
                        "due_at": now,
                    }
                )
                new_numbers.extend(
                    {
                        "run_id": run_id,
                        "n": last,
                        "position": position,
                        "e164": number.e164,
                        "kind": number.kind,
                    }
                    for position, number in enumerate(row.numbers)
                )
                continue
            kept = isinstance(row, Note)
            rejected += not kept
            notes += kept
            noted.append(
                {
                    "run_id": run_id,
                    "line": row.line,
                    "external_id": None if isinstance(row, Note) else row.external_id,
                    "column": row.column,
                    "reason": row.reason,
                    "message": row.message,
                    "kept": kept,
                }
            )
        done = Imported(
            total=done.total + len(new_contacts),
            rejected=done.rejected + rejected,
            notes=done.notes + notes,
        )
        async with store.write() as connection:
            for table, values in (
                (contacts, new_contacts),
                (numbers, new_numbers),
                (rejected_rows, noted),
            ):
                if values:
                    await connection.execute(insert(table), values)
            await connection.execute(
                update(runs)
                .where(runs.c.id == run_id)
                .values(total=done.total, rejected=done.rejected)
            )
        if progress is not None:
            progress(done)
    return done
