"""Delimited text as back offices export it: encoding and separator found, lines counted.

Streaming: a file of any size is read in constant memory, twice (once to learn its encoding). What
cannot be read as a table at all is a `ListError`; a row that cannot be read is a `BrokenRow`, and
the rows after it are still read. Of a line that is too long for a row no more than its beginning is
ever in memory.

Encoding: a byte order mark, else strict UTF-8, else Windows-1252. Guessing libraries are not used:
they take Portuguese for Central European and change letters.
"""

from __future__ import annotations

import codecs
import csv
import re
import unicodedata
from collections import deque
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TextIO

from campaigns.cells import plain
from campaigns.problems import nearest, printable
from campaigns.scalars import counted

SEPARATORS: Final = (";", ",", "\t", "|")

_CHUNK: Final = 1 << 20
_MOST_LINES: Final = 50
_LONGEST: Final = 100_000
"""Characters of a line, at most; fewer than what the `csv` module takes for one cell."""
_BEGINNING: Final = 200
_BAD_QUOTES: Final = "the quotes of this row are not closed, or do not stand around a whole cell"
_TOO_LONG: Final = f"this line has more than {_LONGEST:,} characters"
_NOT_TEXT: Final = "there are zero bytes in this row, which no text has"
_BOMS: Final = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_OTHER_FORMATS: Final = (
    (b"PK\x03\x04", "a spreadsheet or zip file; give it its own ending (.xlsx, .ods)"),
    (b"\xd0\xcf\x11\xe0", "an old Excel file; give it its own ending (.xls)"),
    (b"%PDF", "a PDF; export the list as CSV"),
    (b"\x1f\x8b", "a gzip file; unpack it first"),
)
_LONG_DIGITS = re.compile(r"[0-9][0-9 ().+-]{6,}[0-9]")
_SEPARATOR_LINE = re.compile(r'"?sep=(.)"?\s*', re.IGNORECASE)


class ListError(Exception):
    """A list cannot be used at all. The text says what is wrong and what to do.

    `code` is stable. `column` is the column that was not found, if that is the reason.
    """

    def __init__(self, code: str, message: str, *, column: str | None = None) -> None:
        self.code = code
        self.column = column
        super().__init__(message)


@dataclass(frozen=True, slots=True)
class BrokenRow:
    """A row that could not be split into the cells of the table; `cells` are as far as it could."""

    line: int
    reason: str
    message: str
    cells: tuple[str, ...] = ()


Row = tuple[int, list[str]]
"""The line on which a row begins, and its cells without outer blanks."""


class Table:
    """An open list: its columns, and its rows as an iterator. Close it."""

    def __init__(
        self, columns: list[str], rows: Iterator[Row | BrokenRow], close: Callable[[], None]
    ) -> None:
        self.columns = columns
        self.rows = rows
        self.close = close


def tidy(text: str) -> str:
    """Write a column's name in the one form in which names are compared."""
    return unicodedata.normalize("NFC", text).strip().strip("\ufeff").strip()


def open_delimited(path: Path, wanted: Collection[str]) -> Table:
    """Open a CSV or TSV file. Raises ListError if it cannot be read as a table.

    `wanted` are the columns that must be there; they also tell which separator is meant.
    """
    file = path.open(encoding=_encoding(path), newline="")
    try:
        return _table(file, path.name, wanted)
    except BaseException:
        file.close()
        raise


def _table(file: TextIO, name: str, wanted: Collection[str]) -> Table:
    separator, skipped = _separator(file, name, wanted)
    file.seek(0)
    lines = _Lines(file)
    for _ in range(skipped):
        next(lines)
    rows = _rows(lines, separator)
    header = _header(rows, name)
    if header is None:
        raise ListError("empty_list", f"{name} is empty")
    columns = [tidy(column) for column in header]
    return Table(columns, _ragged(rows, lines, len(header)), file.close)


def no_rows(name: str) -> ListError:
    """Say that a list names its columns and nothing more."""
    return ListError(
        "empty_list",
        f"{name} has no rows below the names of its columns, so there is nobody to call;"
        " add rows or name another file",
    )


def nobody_in(rejected: int) -> str:
    """Say that a list has rows and nobody to call."""
    return f"nobody in it can be dialed ({counted(rejected, 'row')} rejected)"


def require_columns(name: str, columns: list[str], wanted: Collection[str]) -> None:
    """Raise ListError for the first wanted column that is not there or is there twice."""
    for column in wanted:
        count = columns.count(tidy(column))
        if count == 1:
            continue
        if count:
            raise ListError(
                "column_twice", f'{name} has more than one column "{column}"', column=column
            )
        there = ", ".join(_shown(known) for known in columns if known) or "none"
        near = nearest(column, columns)
        meant = f' Did you mean "{_shown(near)}"?' if near else ""
        raise ListError(
            "missing_column",
            f'{name} has no column "{printable(column)}"; it has {there}.{meant}',
            column=column,
        )


def _shown(column: str) -> str:
    """Show a column's name, unless the first row is data and the name a phone number."""
    text = printable(column)[:60]
    return "(a number)" if _LONG_DIGITS.search(text) else text


def _encoding(path: Path) -> str:
    with path.open("rb") as file:
        start = file.read(4)
        if not start:
            raise ListError("empty_list", f"{path.name} is empty")
        for magic, what in _OTHER_FORMATS:
            if start.startswith(magic):
                raise ListError("not_a_table", f"{path.name} is {what}")
        encoding = next((name for bom, name in _BOMS if start.startswith(bom)), None)
        file.seek(0)
        candidates = [encoding] if encoding else ["utf-8", "cp1252"]
        decoders = {name: codecs.getincrementaldecoder(name)("strict") for name in candidates}
        while chunk := file.read(_CHUNK):
            for name in list(decoders):
                if not _decodes(decoders[name], chunk):
                    del decoders[name]
        for name in list(decoders):
            if not _decodes(decoders[name], b"", final=True):
                del decoders[name]
    if not decoders:
        raise ListError(
            "unreadable_encoding",
            f"{path.name} is written in an unknown encoding; save it as UTF-8",
        )
    return next(iter(decoders))


def _decodes(decoder: codecs.IncrementalDecoder, chunk: bytes, *, final: bool = False) -> bool:
    try:
        decoder.decode(chunk, final)
    except UnicodeError:
        return False
    return True


def _header(rows: Iterator[Row | BrokenRow], name: str) -> list[str] | None:
    """Give the cells of the first row that has any. Raises ListError where the file is no text."""
    for row in rows:
        if not isinstance(row, BrokenRow):
            if any(row[1]):
                return row[1]
        elif row.reason == "not_text":
            raise ListError(
                "unreadable_encoding",
                f"{name} is not text (or UTF-16 without its mark); save it as CSV in UTF-8",
            )
        elif row.reason == "too_long":
            raise ListError(
                "not_a_table",
                f"{name} is no list: its first line has more than {_LONGEST:,} characters",
            )
    return None


def _separator(file: TextIO, name: str, wanted: Collection[str]) -> tuple[str, int]:
    """Find the separator, and how many lines come before the header on its account."""
    first = file.readline(_BEGINNING)
    declared = len(first) < _BEGINNING and _SEPARATOR_LINE.fullmatch(first)
    if declared:
        return declared[1], 1
    best, score = ";", (-1, -1)
    names = {tidy(column) for column in wanted}
    for separator in SEPARATORS:
        file.seek(0)
        rows = _rows(_Lines(file), separator)
        header = _header(rows, name) or []
        columns = [tidy(column) for column in header]
        found = (len(names.intersection(columns)), len(columns))
        if found > score:
            best, score = separator, found
    return best, 0


class _Lines:
    """The lines of a file, counted, with the last record's lines at hand to be read again.

    Of a line that is too long the beginning alone is kept, one character more than is allowed.
    """

    def __init__(self, file: TextIO) -> None:
        self.number = 0
        self.record: list[str] = []
        self._read = file.readline
        self._again: deque[str] = deque()
        self._half_ended = False

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        if len(self.record) >= _MOST_LINES:
            raise csv.Error("a row this long is an open quote")
        if self._again:
            line = self._again.popleft()
        else:
            line = self._read(_LONGEST + 1)
            if self._half_ended:
                self._half_ended = False
                line = self._read(_LONGEST + 1) if line == "\n" else line
            if len(line) > _LONGEST:
                self._skip(line)
            elif not line:
                raise StopIteration
        self.number += 1
        self.record.append(line)
        if len(line) > _LONGEST:
            raise csv.Error(_TOO_LONG)
        return line

    def _skip(self, piece: str) -> None:
        """Leave out the rest of a line, piece by piece; its end may be cut in two itself."""
        while piece and not piece.endswith(("\n", "\r")):
            piece = self._read(_LONGEST + 1)
        self._half_ended = piece.endswith("\r")

    def reread(self) -> None:
        """Give back every line of the current record but the first."""
        rest = self.record[1:]
        self._again.extendleft(reversed(rest))
        self.number -= len(rest)
        del self.record[1:]


def _rows(lines: _Lines, separator: str) -> Iterator[Row | BrokenRow]:
    """Split lines into rows; a quote that is never closed costs its own line only.

    So does a line that is too long, or that holds what is no text.
    """
    reader = csv.reader(lines, delimiter=separator, strict=True)
    record = lines.record
    while True:
        record.clear()
        line = lines.number + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error:
            lines.reread()
            if len(record[0]) > _LONGEST:
                yield BrokenRow(line, "too_long", _TOO_LONG, (record[0][:_BEGINNING].strip(),))
            else:
                yield BrokenRow(line, "bad_quotes", _BAD_QUOTES, (record[0].strip(),))
            continue
        text = "".join(record)
        row = line, [cell.strip() for cell in cells]
        if "'" in text:
            row = line, [plain(cell) for cell in row[1]]
        yield judged(row) if "\0" in text else row


def judged(row: Row) -> Row | BrokenRow:
    """Give the row, unless there is something in a cell that no text has and no store keeps."""
    line, cells = row
    if any("\0" in cell for cell in cells):
        return BrokenRow(line, "not_text", _NOT_TEXT, tuple(cells))
    return row


def _ragged(
    rows: Iterator[Row | BrokenRow], lines: _Lines, width: int
) -> Iterator[Row | BrokenRow]:
    """Refuse rows with more cells than there are columns, and fill up shorter ones as they are."""
    for row in rows:
        if isinstance(row, BrokenRow) or len(row[1]) == width:
            yield row
            continue
        line, cells = row
        if not any(cells):
            yield line, []
        elif len(cells) > width and any(cells[width:]):
            if len(lines.record) > 1:
                lines.reread()
            message = f"there are {len(cells)} cells here and {counted(width, 'column')}"
            yield BrokenRow(line, "ragged", message, tuple(cells))
        elif len(cells) < width and len(lines.record) > 1:
            lines.reread()
            yield BrokenRow(line, "bad_quotes", _BAD_QUOTES, (lines.record[0].strip(),))
        else:
            yield line, cells[:width]
