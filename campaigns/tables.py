"""Delimited text as back offices export it: encoding and separator found, lines counted.

Streaming: a file of any size is read in constant memory, twice (once to learn its encoding). What
cannot be read as a table at all is a `ListError`; a row that cannot be read is a `BrokenRow`, and
the rows after it are still read.

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

SEPARATORS: Final = (";", ",", "\t", "|")

_CHUNK: Final = 1 << 20
_MOST_LINES: Final = 50
_BAD_QUOTES: Final = "the quotes of this row are not closed, or do not stand around a whole cell"
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
    separator, skipped = _separator(file, wanted)
    file.seek(0)
    lines = _Lines(file)
    for _ in range(skipped):
        next(lines)
    rows = _rows(lines, separator)
    header = next((cells for row in rows if (cells := _cells(row)) is not None), None)
    if header is None:
        raise ListError("empty_list", f"{name} is empty")
    columns = [tidy(column) for column in header]
    return Table(columns, _ragged(rows, lines, len(header)), file.close)


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
            _refuse_binary(path, chunk, wide=encoding in {"utf-16", "utf-32"})
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


def _refuse_binary(path: Path, chunk: bytes, *, wide: bool) -> None:
    if not wide and b"\0" in chunk:
        raise ListError(
            "unreadable_encoding",
            f"{path.name} is not text (or UTF-16 without its mark); save it as CSV in UTF-8",
        )
    if len(chunk) == _CHUNK and b"\n" not in chunk and b"\r" not in chunk:
        raise ListError(
            "not_a_table",
            f"{path.name} is no list: a line has more than a million characters",
        )


def _separator(file: TextIO, wanted: Collection[str]) -> tuple[str, int]:
    """Find the separator, and how many lines come before the header on its account."""
    first = file.readline(1000)
    declared = _SEPARATOR_LINE.fullmatch(first)
    if declared:
        return declared[1], 1
    best, score = ";", (-1, -1)
    names = {tidy(name) for name in wanted}
    for separator in SEPARATORS:
        file.seek(0)
        rows = _rows(_Lines(file), separator)
        header = next((cells for row in rows if (cells := _cells(row)) is not None), [])
        columns = [tidy(name) for name in header]
        found = (len(names.intersection(columns)), len(columns))
        if found > score:
            best, score = separator, found
    return best, 0


def _cells(row: Row | BrokenRow) -> list[str] | None:
    """Give the cells of a row that has any content."""
    return None if isinstance(row, BrokenRow) or not any(row[1]) else row[1]


class _Lines:
    """The lines of a file, counted, with the last record's lines at hand to be read again."""

    def __init__(self, file: TextIO) -> None:
        self.number = 0
        self.record: list[str] = []
        self._file = file
        self._again: deque[str] = deque()

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        if len(self.record) >= _MOST_LINES:
            raise csv.Error("a row this long is an open quote")
        line = self._again.popleft() if self._again else next(self._file)
        self.number += 1
        self.record.append(line)
        return line

    def reread(self) -> None:
        """Give back every line of the current record but the first."""
        rest = self.record[1:]
        self._again.extendleft(reversed(rest))
        self.number -= len(rest)
        del self.record[1:]


def _rows(lines: _Lines, separator: str) -> Iterator[Row | BrokenRow]:
    """Split lines into rows; a quote that is never closed costs its own line only."""
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
            yield BrokenRow(line, "bad_quotes", _BAD_QUOTES, (record[0].strip(),))
            continue
        if "'" in "".join(record):
            yield line, [plain(cell.strip()) for cell in cells]
        else:
            yield line, [cell.strip() for cell in cells]


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
            message = f"there are {len(cells)} cells here and {width} columns"
            yield BrokenRow(line, "ragged", message, tuple(cells))
        elif len(cells) < width and len(lines.record) > 1:
            lines.reread()
            yield BrokenRow(line, "bad_quotes", _BAD_QUOTES, (lines.record[0].strip(),))
        else:
            yield line, cells[:width]
