"""Reads a list of contacts: every row becomes a contact, or a rejected row with its reason.

Streaming and pure but for reading the file. The only memory that grows is what finds duplicates:
one entry for each number and id. Nothing is dropped silently, and no message holds a phone number.
Reading again gives the same items in the same order.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from campaigns.checks import own_numbers
from campaigns.definition import Campaign
from campaigns.numbers import PhoneNumber, normalise
from campaigns.scalars import Frozen
from campaigns.tables import (
    BrokenRow,
    ListError,
    Table,
    open_delimited,
    require_columns,
    tidy,
)

__all__ = ["ContactRow", "ListError", "Note", "RejectedRow", "list_columns", "read_contacts"]

MAX_ID: Final = 200
"""Characters of an id, at most."""


class ContactRow(Frozen):
    """A contact. `numbers` in the order in which they are tried, without repetition.

    `line` is the line of the file on which the row begins; `columns` are the named columns but for
    those of numbers.
    """

    line: int
    external_id: str
    numbers: tuple[PhoneNumber, ...]
    columns: dict[str, str]


class RejectedRow(Frozen):
    """A row that is no contact, and why; `column` where one column alone is the reason."""

    line: int
    external_id: str | None
    column: str | None
    reason: str
    message: str


class Note(Frozen):
    """Something the operator should know about a row that was kept."""

    line: int
    column: str | None
    reason: str
    message: str


Item = ContactRow | RejectedRow | Note

Fault = tuple[str, str]
"""A reason and its message."""


def list_columns(path: Path) -> list[str]:
    """Give the columns that a list names in its first row. Raises ListError."""
    table = _open(path, ())
    table.close()
    return [column for column in table.columns if column]


def read_contacts(campaign: Campaign, base: Path) -> Iterator[Item]:
    """Read the list of a campaign; `base` is the folder of its file.

    Raises ListError, at the first item, where the list cannot be used at all: no file, no such
    column, no rows, an unreadable encoding.
    """
    dial_list = campaign.dial_list
    path = base / dial_list.file
    wanted = [*dial_list.numbers, *([dial_list.id] if dial_list.id else [])]
    table = _open(path, wanted)
    try:
        require_columns(path.name, table.columns, wanted)
        yield from _Reader(campaign, table, path.name).items()
    finally:
        table.close()


def _open(path: Path, wanted: list[str] | tuple[str, ...]) -> Table:
    try:
        return open_delimited(path, wanted)
    except FileNotFoundError:
        raise ListError("missing_list", f"there is no list {path.name}") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "it cannot be opened"
        raise ListError(
            "unreadable_list", f"{path.name or path} cannot be read: {reason}"
        ) from None


class _Reader:
    """Judges rows against each other and against the campaign."""

    def __init__(self, campaign: Campaign, table: Table, name: str) -> None:
        dial_list = campaign.dial_list
        self._table = table
        self._name = name
        self._ddd = dial_list.default_ddd
        self._own = own_numbers(campaign.call)
        positions = {column: index for index, column in enumerate(table.columns)}
        self._number_cells = [(column, positions[tidy(column)]) for column in dial_list.numbers]
        self._id_cell = positions[tidy(dial_list.id)] if dial_list.id else None
        taken = {index for _, index in self._number_cells}
        self._kept = [
            (column, index)
            for index, column in enumerate(_distinct(table.columns))
            if index not in taken
        ]
        self._lines_of_numbers: dict[int, int] = {}
        self._lines_of_ids: dict[str, int] = {}

    def items(self) -> Iterator[Item]:
        """Judge every row. Raises ListError where there is none."""
        blank = rows = line = 0
        for row in self._table.rows:
            if isinstance(row, BrokenRow):
                rows += 1
                yield RejectedRow(
                    line=row.line,
                    external_id=None,
                    column=None,
                    reason=row.reason,
                    message=row.message,
                )
                continue
            line, cells = row
            if not any(cells):
                blank += 1
                continue
            rows += 1
            yield from self._row(line, cells)
        if not rows:
            raise ListError("empty_list", f"{self._name} has a first row and no contacts below it")
        if blank:
            yield Note(
                line=line,
                column=None,
                reason="blank_lines",
                message=f"{blank} blank line{'s were' if blank > 1 else ' was'} skipped",
            )

    def _row(self, line: int, cells: list[str]) -> Iterator[Item]:
        width = len(self._table.columns)
        short = len(cells) < width
        if short:
            cells = cells + [""] * (width - len(cells))
        external_id = str(line) if self._id_cell is None else cells[self._id_cell]
        rejected = self._wrong_id(line, external_id)
        if rejected:
            yield rejected
            return
        numbers, faults, notes = self._numbers(line, cells)
        if not numbers:
            yield _without_number(line, external_id, faults)
            return
        if short:
            notes.append(
                Note(
                    line=line,
                    column=None,
                    reason="short_row",
                    message="there are fewer cells here than columns; the others count as empty",
                )
            )
        if self._id_cell is not None:
            self._lines_of_ids[external_id] = line
        for number in numbers:
            self._lines_of_numbers[int(number.e164)] = line
        yield ContactRow(
            line=line,
            external_id=external_id,
            numbers=tuple(numbers),
            columns={column: cells[index] for column, index in self._kept},
        )
        yield from notes
        yield from (fault for fault in faults if fault.reason != "empty")

    def _wrong_id(self, line: int, external_id: str) -> RejectedRow | None:
        if self._id_cell is None:
            return None
        if not external_id:
            reason, message, shown = "no_id", "there is no id in this row", None
        elif len(external_id) > MAX_ID:
            reason, message, shown = "bad_id", f"the id is longer than {MAX_ID} characters", None
        elif external_id in self._lines_of_ids:
            earlier = self._lines_of_ids[external_id]
            reason, message = "duplicate_id", f"line {earlier} has the same id"
            shown = external_id
        else:
            return None
        column = self._table.columns[self._id_cell]
        return RejectedRow(
            line=line, external_id=shown, column=column, reason=reason, message=message
        )

    def _numbers(
        self, line: int, cells: list[str]
    ) -> tuple[list[PhoneNumber], list[Note], list[Note]]:
        """Give the numbers of a row, what is wrong with its other cells, and what is doubtful."""
        numbers: list[PhoneNumber] = []
        faults: list[Note] = []
        notes: list[Note] = []
        for column, index in self._number_cells:
            judged = self._judge(cells[index], numbers)
            if isinstance(judged, PhoneNumber):
                numbers.append(judged)
                if judged.ninth_digit_added or judged.more_in_cell or judged.looks_invented:
                    notes.extend(_doubts(line, column, judged))
            elif judged is not None:
                reason, message = judged
                faults.append(Note(line=line, column=column, reason=reason, message=message))
        return numbers, faults, notes

    def _judge(self, cell: str, numbers: list[PhoneNumber]) -> PhoneNumber | Fault | None:
        """Judge one cell; None is a number that the contact has already."""
        number = normalise(cell, default_ddd=self._ddd)
        if not isinstance(number, PhoneNumber):
            return number.reason, number.message
        earlier = self._lines_of_numbers.get(int(number.e164))
        if earlier is not None:
            return "duplicate_number", f"line {earlier} has the same number"
        if number.e164 in self._own:
            return "own_number", "this is a number of the campaign itself"
        known = any(number.e164 == other.e164 for other in numbers)
        return None if known else number


def _distinct(columns: list[str]) -> list[str]:
    """Name every column, and none like an earlier one, so that no cell is lost."""
    names: list[str] = []
    for index, column in enumerate(columns):
        name = column or f"column {index + 1}"
        names.append(name if name not in names else f"{name} ({index + 1})")
    return names


def _doubts(line: int, column: str, number: PhoneNumber) -> Iterator[Note]:
    doubts = (
        (number.ninth_digit_added, "ninth_digit_added", "the ninth digit was added to this mobile"),
        (number.more_in_cell, "more_in_cell", "only the first number of this cell is used"),
        (number.looks_invented, "looks_invented", "the digits of this number look invented"),
    )
    for doubtful, reason, message in doubts:
        if doubtful:
            yield Note(line=line, column=column, reason=reason, message=message)


def _without_number(line: int, external_id: str, faults: list[Note]) -> RejectedRow:
    """Reject a row that has no number to dial, with the reason of every cell."""
    telling = [fault for fault in faults if fault.reason != "empty"] or faults[:1]
    alone = telling[0] if len(telling) == 1 else None
    return RejectedRow(
        line=line,
        external_id=external_id,
        column=alone.column if alone else None,
        reason=alone.reason if alone else "no_valid_number",
        message=alone.message
        if alone
        else "; ".join(f"{fault.column}: {fault.message}" for fault in faults),
    )
