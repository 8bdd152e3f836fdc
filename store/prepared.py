"""Statements of dialing, compiled once: every call under way passes through a handful of them.

SQLAlchemy builds and looks up a statement anew each time it is run, brings every value into form
and answers with rows whose fields are looked up by name: together that takes several times as long
as the database takes. Here values go to the driver as they are (text, numbers, booleans and None),
and rows come as named tuples.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar

import orjson
from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Delete,
    Dialect,
    Insert,
    Select,
    Text,
    Update,
    bindparam,
    literal_column,
)
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

R = TypeVar("R", bound=NamedTuple)
Statement = Select[Any] | Insert | Update | Delete


def word(text: str) -> ColumnElement[str]:
    """Return a word of ours, such as a state, that stands in the statement itself."""
    return literal_column(f"'{text}'", Text)


def words(*texts: str) -> list[ColumnElement[str]]:
    """Return several, for a list of them in the statement."""
    return [word(text) for text in texts]


class _Among(ColumnElement[bool]):
    """Whether a column is one of a list; see `among`."""

    inherit_cache = False

    def __init__(self, column: ColumnElement[Any], name: str) -> None:
        self.column = column
        self.bound: BindParameter[Any] = bindparam(f"{name}{_LIST}", required=True)


_LIST = "__list"
"""How the names of values end that are lists."""


def among(column: ColumnElement[Any], name: str) -> ColumnElement[bool]:
    """Return whether a column is one of a list that is bound by that name, however long it is.

    The statement is the same for every length, unlike that of `in_`.
    """
    return _Among(column, name)


@compiles(_Among, "sqlite")
def _in_json(element: _Among, compiler: SQLCompiler, **options: Any) -> str:
    column, bound = (compiler.process(part, **options) for part in (element.column, element.bound))
    return f"{column} IN (SELECT value FROM json_each({bound}))"  # noqa: S608 - nothing but names


@compiles(_Among, "postgresql")
def _in_array(element: _Among, compiler: SQLCompiler, **options: Any) -> str:
    column, bound = (compiler.process(part, **options) for part in (element.column, element.bound))
    return f"{column} = ANY ({bound})"


def compiled_for(
    dialect: Dialect, statement: Statement, columns: list[str] | None = None
) -> tuple[str, list[str], dict[str, Any]]:
    """Return a statement's text, its values' names in their order, and those that are fixed."""
    compiled = statement.compile(dialect=dialect, column_keys=columns)
    assert isinstance(compiled, SQLCompiler)
    assert compiled.positiontup is not None
    fixed = {
        compiled.bind_names[bind]: bind.value for bind in compiled.bind_names if not bind.required
    }
    return str(compiled), compiled.positiontup, fixed


class Prepared:
    """A statement whose values are bound by name; those that are fixed stand in it."""

    def __init__(self, statement: Statement) -> None:
        self._statement = statement
        self._compiled: dict[str, tuple[str, list[str], dict[str, Any]]] = {}

    def text_for(self, dialect: Dialect) -> tuple[str, list[str]]:
        """Return its text, and the names of its values in their order."""
        return self._for(dialect)[:2]

    async def run(self, connection: AsyncConnection, **values: Any) -> int:
        """Run it; return how many rows changed."""
        return int((await self._result(connection, values)).rowcount)

    async def scalars(self, connection: AsyncConnection, **values: Any) -> list[Any]:
        """Run it and return the first value of each row."""
        return list((await self._result(connection, values)).scalars())

    async def _result(self, connection: AsyncConnection, values: Mapping[str, Any]) -> Any:
        dialect = connection.dialect
        text, names, fixed = self._for(dialect)
        values = {**fixed, **values}
        bound = tuple([_value(dialect, name, values) for name in names])
        return await connection.exec_driver_sql(text, bound)

    def _for(self, dialect: Dialect) -> tuple[str, list[str], dict[str, Any]]:
        if dialect.name not in self._compiled:
            self._compiled[dialect.name] = compiled_for(dialect, self._statement)
        return self._compiled[dialect.name]


class PreparedRows(Prepared, Generic[R]):
    """A statement that gives rows, each of them a named tuple with its columns in their order.

    On SQLite a boolean comes as 0 or 1.
    """

    def __init__(self, statement: Statement, row: type[R]) -> None:
        super().__init__(statement)
        self._make: Callable[[Any], R] = row._make

    async def all(self, connection: AsyncConnection, **values: Any) -> list[R]:
        """Run it and return its rows."""
        return list(map(self._make, (await self._result(connection, values)).all()))


def _value(dialect: Dialect, name: str, values: Mapping[str, Any]) -> Any:
    if not name.endswith(_LIST):
        return values[name]
    listed = list(values[name.removesuffix(_LIST)])
    return orjson.dumps(listed).decode() if dialect.name == "sqlite" else listed


class Many:
    """An INSERT or UPDATE for many rows; what it binds comes from each row, by name.

    `columns` are those that an INSERT writes.
    """

    def __init__(self, statement: Insert | Update, *columns: str) -> None:
        self._statement = statement
        self._columns = list(columns) or None
        self._compiled: dict[str, tuple[str, itemgetter[Any]]] = {}

    def text_for(self, dialect: Dialect) -> tuple[str, list[str]]:
        """Return its text, and the names of a row's values in their order."""
        text, names, fixed = compiled_for(dialect, self._statement, self._columns)
        assert not fixed, f"these values do not come from the rows: {fixed}"
        return text, names

    async def run(self, connection: AsyncConnection, rows: Sequence[Mapping[str, Any]]) -> int:
        """Run it for each row; return how many rows changed, -1 where the driver does not say."""
        if not rows:
            return 0
        dialect = connection.dialect
        if dialect.name not in self._compiled:
            text, names = self.text_for(dialect)
            self._compiled[dialect.name] = text, itemgetter(*names)
        text, values_of = self._compiled[dialect.name]
        result = await connection.exec_driver_sql(text, [values_of(row) for row in rows])
        return result.rowcount
