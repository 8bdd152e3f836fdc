"""Judges the rows of a list, each by itself and against those before it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from campaigns.checks import own_numbers
from campaigns.definition import Campaign
from campaigns.joining import Groups
from campaigns.numbers import PhoneNumber, normalise
from campaigns.rows import ContactRow, Item, Note, RejectedRow
from campaigns.seen import Seen, key_of
from campaigns.tables import BrokenRow, Table, no_rows, tidy

MAX_ID: Final = 200
"""Characters of an id, at most."""

Fault = tuple[str, str]
"""A reason and its message."""


@dataclass(slots=True)
class _Judged:
    """A row with a usable id: its numbers, what is wrong with other cells, what is doubtful."""

    line: int
    external_id: str
    columns: dict[str, str]
    names: tuple[str, ...]
    cells: list[str]
    numbers: list[PhoneNumber] = field(default_factory=list)
    faults: list[Note] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)


class Judge:
    """Judges rows against each other and against the campaign."""

    def __init__(
        self, campaign: Campaign, table: Table, name: str, groups: Groups | None = None
    ) -> None:
        dial_list = campaign.dial_list
        self._table = table
        self._name = name
        self._columns = tuple(table.columns)
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
        self._strict = dial_list.ninth_digit == "reject"
        self._join = dial_list.duplicates
        self._groups = groups
        self._held: dict[int, list[_Judged]] = {}
        self._parts: Counter[int] = Counter()
        self._numbers_seen = Seen()
        self._ids_seen = Seen()

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
                    columns=self._columns,
                    cells=row.cells,
                )
                continue
            line, cells = row
            if not any(cells):
                blank += 1
                continue
            rows += 1
            yield from self._row(line, cells)
        if not rows:
            raise no_rows(self._name)
        if blank:
            yield Note(
                line=line,
                column=None,
                reason="blank_lines",
                message=f"{blank} blank line{'s were' if blank > 1 else ' was'} skipped",
            )

    def _row(self, line: int, cells: list[str]) -> Iterator[Item]:
        judged = self._judged(line, cells)
        root = self._groups.root(line) if self._groups else None
        if root is not None:
            yield from self._joined(root, judged)
        elif isinstance(judged, RejectedRow):
            yield judged
        else:
            self._remember(judged)
            yield from _items(judged)

    def _judged(self, line: int, cells: list[str]) -> _Judged | RejectedRow:
        """Read a row, and remember its numbers as taken."""
        width = len(self._table.columns)
        short = len(cells) < width
        if short:
            cells = cells + [""] * (width - len(cells))
        external_id = str(line) if self._id_cell is None else cells[self._id_cell]
        rejected = self._wrong_id(line, external_id, cells)
        if rejected:
            return rejected
        kept = {column: cells[index] for column, index in self._kept}
        judged = _Judged(line, external_id, kept, self._columns, cells)
        for column, index in self._number_cells:
            self._number(judged, column, cells[index])
        if short:
            judged.notes.append(
                Note(
                    line=line,
                    column=None,
                    reason="short_row",
                    message="there are fewer cells here than columns; the others count as empty",
                )
            )
        return judged

    def _remember(self, judged: _Judged) -> None:
        """Take the id and the numbers of a row that is kept, so that no later row has them."""
        if not judged.numbers:
            return
        if self._id_cell is not None:
            self._ids_seen.remember(key_of(judged.external_id), judged.line)
        for number in judged.numbers:
            self._numbers_seen.remember(int(number.e164), judged.line)

    def _joined(self, root: int, judged: _Judged | RejectedRow) -> Iterator[Item]:
        """Gather the rows of one contact; it comes out with the last of them."""
        assert self._groups is not None
        if isinstance(judged, RejectedRow):
            yield judged
        else:
            self._remember(judged)
            self._held.setdefault(root, []).append(judged)
        self._parts[root] += 1
        if self._parts[root] == self._groups.size(root):
            yield from _joined(self._held.pop(root, []))

    def groups(self) -> Groups:
        """Find the rows that are one contact, as the campaign joins duplicates."""
        groups = Groups()
        for row in self._table.rows:
            if isinstance(row, BrokenRow) or not any(row[1]):
                continue
            judged = self._judged(*row)
            if isinstance(judged, _Judged) and judged.numbers:
                by_id = self._id_cell is not None and self._join.id == "join"
                groups.add(
                    judged.line,
                    [key_of(judged.external_id)] if by_id else [],
                    [int(number.e164) for number in judged.numbers]
                    if self._join.number == "join"
                    else [],
                )
        groups.close()
        return groups

    def _wrong_id(self, line: int, external_id: str, cells: list[str]) -> RejectedRow | None:
        if self._id_cell is None:
            return None
        if not external_id:
            reason, message, shown = "no_id", "there is no id in this row", None
        elif len(external_id) > MAX_ID:
            reason, message, shown = "bad_id", f"the id is longer than {MAX_ID} characters", None
        elif self._join.id == "reject" and (earlier := self._ids_seen.line_of(key_of(external_id))):
            reason, message = "duplicate_id", f"line {earlier} has the same id"
            shown = external_id
        else:
            return None
        column = self._table.columns[self._id_cell]
        return RejectedRow(
            line=line,
            external_id=shown,
            column=column,
            reason=reason,
            message=message,
            columns=self._columns,
            cells=tuple(cells),
        )

    def _number(self, judged: _Judged, column: str, cell: str) -> None:
        """Judge one cell with a number."""
        number = self._of_cell(cell, judged)
        if isinstance(number, PhoneNumber):
            judged.numbers.append(number)
            if number.ninth_digit_added or number.more_in_cell or number.looks_invented:
                judged.notes.extend(_doubts(judged.line, column, number))
        elif number is not None:
            reason, message = number
            judged.faults.append(
                Note(line=judged.line, column=column, reason=reason, message=message)
            )

    def _of_cell(self, cell: str, judged: _Judged) -> PhoneNumber | Fault | None:
        """Read a cell; None is a number that the contact has already."""
        number = normalise(cell, default_ddd=self._ddd)
        if not isinstance(number, PhoneNumber):
            return number.reason, number.message
        if number.ninth_digit_added and self._strict:
            return "ninth_digit_missing", "this mobile lacks its ninth digit"
        earlier = self._numbers_seen.line_of(int(number.e164))
        if earlier is not None and not self._together(earlier, judged.line):
            return "duplicate_number", f"line {earlier} has the same number"
        if number.e164 in self._own:
            return "own_number", "this is a number of the campaign itself"
        others = judged.numbers
        known = others and any(number.e164 == other.e164 for other in others)
        return None if known else number

    def _together(self, one: int, other: int) -> bool:
        return self._groups is not None and self._groups.together(one, other)


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


def _items(judged: _Judged) -> Iterator[Item]:
    """Give a contact with its notes, or reject it where no number was left."""
    if not judged.numbers:
        yield _without_number(judged)
        return
    yield ContactRow(
        line=judged.line,
        external_id=judged.external_id,
        numbers=tuple(judged.numbers),
        columns=judged.columns,
    )
    yield from judged.notes
    for fault in judged.faults:
        if fault.reason != "empty":
            yield fault


def _joined(rows: list[_Judged]) -> Iterator[Item]:
    """Give one contact for several rows: the first that has numbers, with those of the others."""
    kept = [row for row in rows if row.numbers]
    for row in rows:
        if not row.numbers:
            yield _without_number(row)
    if not kept:
        return
    first, *others = kept
    known = {number.e164 for number in first.numbers}
    for row in others:
        first.numbers += [number for number in row.numbers if number.e164 not in known]
        known.update(number.e164 for number in row.numbers)
        first.faults += row.faults
        first.notes += row.notes
        first.notes.append(
            Note(
                line=row.line,
                column=None,
                reason="joined",
                message=f"this row was joined to the contact of line {first.line}",
            )
        )
    yield from _items(first)


def _without_number(judged: _Judged) -> RejectedRow:
    """Reject a row that has no number to dial, with the reason of every cell."""
    faults = judged.faults
    telling = [fault for fault in faults if fault.reason != "empty"] or faults[:1]
    alone = telling[0] if len(telling) == 1 else None
    return RejectedRow(
        line=judged.line,
        external_id=judged.external_id,
        column=alone.column if alone else None,
        reason=alone.reason if alone else "no_valid_number",
        message=alone.message
        if alone
        else "; ".join(f"{fault.column}: {fault.message}" for fault in faults),
        columns=judged.names,
        cells=tuple(judged.cells),
    )
