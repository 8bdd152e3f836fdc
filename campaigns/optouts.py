"""Reads lists of numbers that must not be called: registries, a company's own, one campaign's.

A CSV or spreadsheet with a column of numbers and, where it has them, `scope`, `registered_on`,
`source` and `expiry`; or a file with nothing but numbers, one a line. What cannot be read of a row
beside its number only ever widens the row (every scope, for ever) and is noted. No message holds a
number.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import closing
from datetime import date, datetime
from pathlib import Path
from typing import Final, Literal

from campaigns.contacts import open_table
from campaigns.numbers import PhoneNumber, RejectedNumber, normalise
from campaigns.rows import Note, RejectedRow
from campaigns.scalars import Frozen, fold
from campaigns.tables import BrokenRow, ListError, Row, Table, require_columns, tidy

NUMBER: Final = "number"

_DETAILS: Final = ("scope", "registered_on", "source", "expiry")
_SCOPES: Final = ("sales", "collection", "all")
_BETWEEN: Final = re.compile(r"\s*[/;,|\n]\s*|\s+(?:e|ou)\s+")
_LONGEST_SOURCE: Final = 100


class OptOut(Frozen):
    """A number that must not be called. `scope` None and an empty `source`: the row says none.

    `expires_on` is the last day on which it holds.
    """

    line: int
    e164: str
    scope: Literal["sales", "collection", "all"] | None = None
    registered_on: date | None = None
    source: str = ""
    expires_on: date | None = None


Item = OptOut | RejectedRow | Note


def read_optouts(
    path: Path,
    *,
    column: str = NUMBER,
    sheet: str | None = None,
    default_ddd: str | None = None,
) -> Iterator[Item]:
    """Read a list row by row. Raises ListError where it cannot be used, at the first item.

    Reading again gives the same items. A number that stands there twice comes twice.
    """
    with closing(open_table(path, [column, *_DETAILS], sheet)) as table:
        columns = table.columns
        first: list[Row] = []
        if _has_no_header(table):
            columns, first = [column], [(1, list(table.columns))]
        require_columns(path.name, columns, [column])
        reader = _Reader(columns, column, default_ddd)
        found = False
        for row in _all(first, table):
            if isinstance(row, BrokenRow):
                found = True
                yield _rejected(row.line, None, row.reason, row.message)
            elif any(row[1]):
                found = True
                yield from reader.row(*row)
        if not found:
            raise ListError("empty_list", f"{path.name} has no rows below its first")


def check_list(path: Path, *, column: str = NUMBER) -> None:
    """Raise ListError unless the file is there, can be opened and has the column."""
    with closing(open_table(path, [column, *_DETAILS])) as table:
        if not _has_no_header(table):
            require_columns(path.name, table.columns, [column])


def read_day(text: str) -> date | None:
    """Read 2026-11-30 or 30/11/2026, a time after it left aside; None for anything else."""
    words = text.split()
    day = words[0].partition("T")[0] if words else ""
    for form in ("%Y-%m-%d", "%d/%m/%Y"):
        try:
            return datetime.strptime(day, form).date()  # noqa: DTZ007 - a day has no zone
        except ValueError:
            continue
    return None


def _has_no_header(table: Table) -> bool:
    """Whether the first row is a number already: registries hand out files of bare numbers."""
    return len(table.columns) == 1 and isinstance(normalise(table.columns[0]), PhoneNumber)


def _all(first: list[Row], table: Table) -> Iterator[Row | BrokenRow]:
    yield from first
    yield from table.rows


def _rejected(line: int, column: str | None, reason: str, message: str) -> RejectedRow:
    return RejectedRow(line=line, external_id=None, column=column, reason=reason, message=message)


class _Reader:
    """Reads rows of one table."""

    def __init__(self, columns: list[str], column: str, default_ddd: str | None) -> None:
        self._column = column
        self._number = columns.index(tidy(column))
        self._ddd = default_ddd
        folded = [fold(name) for name in columns]
        self._details: dict[str, int] = {
            name: folded.index(name) for name in _DETAILS if name in folded
        }

    def row(self, line: int, cells: list[str]) -> Iterator[Item]:
        """Give what one row holds: one opt-out a number, and remarks."""
        given = {
            name: cells[index].strip()
            for name, index in self._details.items()
            if index < len(cells) and cells[index].strip()
        }
        numbers, fault = self._numbers(cells[self._number] if self._number < len(cells) else "")
        if not numbers:
            assert fault is not None
            yield _rejected(line, self._column, fault.reason, fault.message)
            return
        notes: list[Note] = []
        scope = self._scope(line, given, notes)
        registered_on = self._day(line, given, "registered_on", notes)
        expires_on = self._day(line, given, "expiry", notes)
        for number in numbers:
            yield OptOut(
                line=line,
                e164=number.e164,
                scope=scope,
                registered_on=registered_on,
                source=given.get("source", "")[:_LONGEST_SOURCE],
                expires_on=expires_on,
            )
        if fault is not None:
            notes.append(
                Note(
                    line=line,
                    column=self._column,
                    reason="more_in_cell",
                    message="not every number of this cell could be read",
                )
            )
        yield from notes

    def _numbers(self, cell: str) -> tuple[list[PhoneNumber], RejectedNumber | None]:
        """Read all numbers of a cell; the fault is of the last that could not be read."""
        whole = normalise(cell, default_ddd=self._ddd)
        if isinstance(whole, PhoneNumber) and not whole.more_in_cell:
            return [whole], None
        numbers = [whole] if isinstance(whole, PhoneNumber) else []
        fault = whole if isinstance(whole, RejectedNumber) else None
        pieces = [piece for piece in _BETWEEN.split(cell) if piece]
        if len(pieces) < 2:  # noqa: PLR2004 - one piece is the whole cell again
            return numbers, fault
        fault = None
        for piece in pieces:
            number = normalise(piece, default_ddd=self._ddd)
            if isinstance(number, RejectedNumber):
                fault = number
            elif number.e164 not in {known.e164 for known in numbers}:
                numbers.append(number)
        return numbers, fault

    def _scope(
        self, line: int, given: dict[str, str], notes: list[Note]
    ) -> Literal["sales", "collection", "all"] | None:
        text = given.get("scope")
        if text is None:
            return None
        for scope in _SCOPES:
            if fold(text) == scope:
                return scope
        notes.append(
            Note(
                line=line,
                column="scope",
                reason="bad_scope",
                message="the scope is none of sales, collection and all: taken as all",
            )
        )
        return "all"

    def _day(self, line: int, given: dict[str, str], name: str, notes: list[Note]) -> date | None:
        text = given.get(name)
        if text is None:
            return None
        day = read_day(text)
        if day is None:
            kept = "it holds for ever" if name == "expiry" else "left out"
            notes.append(
                Note(
                    line=line,
                    column=name,
                    reason="bad_date",
                    message=f"this is not a day such as 2026-11-30: {kept}",
                )
            )
        return day
