"""Many rows in one statement, where rows come by the million.

A statement with a thousand rows costs SQLite half of what a thousand runs of one with a single row
do, SQLAlchemy next to nothing, and Python's lock is free meanwhile: whoever reads the next rows in
another thread is not held up, and does not hold up this one at every row.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import count, islice
from typing import TYPE_CHECKING, Any

from sqlalchemy import Column, Dialect, Table

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

ROWS = 1_000
"""Rows of a statement. With the columns of a row this stays far from what both databases take,
32,766 values in a statement."""


class Bulk:
    """Writes rows into some columns of a table; the others take what the database gives them.

    Values go to the driver as they are: for text and numbers, which no type has to bring into form.
    """

    def __init__(self, *columns: Column[Any]) -> None:
        self._table: Table = columns[0].table
        self._columns = columns

    async def insert(self, connection: AsyncConnection, values: Sequence[object]) -> None:
        """Write rows, given as their values one after the other, those of a row in its order."""
        dialect = await connection.run_sync(lambda plain: plain.dialect)
        most = ROWS * len(self._columns)
        for start in range(0, len(values), most):
            some = tuple(values[start : start + most])
            rows = len(some) // len(self._columns)
            text = self._full(dialect) if rows == ROWS else self._text(dialect, rows)
            await connection.exec_driver_sql(text, some)

    @lru_cache(maxsize=4)  # noqa: B019 - there is one for each table, for as long as the process
    def _full(self, dialect: Dialect) -> str:
        return self._text(dialect, ROWS)

    def _text(self, dialect: Dialect, rows: int) -> str:
        quoted = dialect.identifier_preparer
        names = ", ".join(quoted.format_column(column) for column in self._columns)
        marks = _marks(dialect)
        row = len(self._columns)
        values = ", ".join(f"({', '.join(islice(marks, row))})" for _ in range(rows))
        return f"INSERT INTO {quoted.format_table(self._table)} ({names}) VALUES {values}"  # noqa: S608 - nothing but names


def _marks(dialect: Dialect) -> Iterator[str]:
    """Give the marks of a statement's values as the driver wants them."""
    if dialect.paramstyle == "qmark":
        while True:
            yield "?"
    yield from (f"${number}" for number in count(1))
