"""A statement for many rows, compiled once: every call under way passes through a handful of them.

SQLAlchemy brings each row's values into form anew, which takes several times as long as SQLite
takes to write the row. Here values go to the driver as they are: text, numbers, booleans and None.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from sqlalchemy import ColumnElement, Dialect, Insert, Text, Update, literal_column
from sqlalchemy.sql.compiler import SQLCompiler

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection


def word(text: str) -> ColumnElement[str]:
    """Return a word of ours, such as a state, that stands in the statement itself."""
    return literal_column(f"'{text}'", Text)


class Many:
    """An INSERT or UPDATE; what it binds comes from each row, by name.

    `columns` are those that an INSERT writes.
    """

    def __init__(self, statement: Insert | Update, *columns: str) -> None:
        self._statement = statement
        self._columns = columns
        self._compiled: dict[str, tuple[str, itemgetter[Any]]] = {}

    async def run(self, connection: AsyncConnection, rows: Sequence[Mapping[str, Any]]) -> int:
        """Run it for each row; return how many rows changed, -1 where the driver does not say."""
        if not rows:
            return 0
        dialect = await connection.run_sync(lambda plain: plain.dialect)
        if dialect.name not in self._compiled:
            self._compiled[dialect.name] = self._compile(dialect)
        text, values_of = self._compiled[dialect.name]
        result = await connection.exec_driver_sql(text, [values_of(row) for row in rows])
        return result.rowcount

    def _compile(self, dialect: Dialect) -> tuple[str, itemgetter[Any]]:
        columns = list(self._columns) or None
        compiled = self._statement.compile(dialect=dialect, column_keys=columns)
        assert isinstance(compiled, SQLCompiler)
        assert compiled.positiontup is not None
        fixed = [name for name, bind in compiled.binds.items() if not bind.required]
        assert not fixed, f"these values do not come from the rows: {fixed}"
        return str(compiled), itemgetter(*compiled.positiontup)
