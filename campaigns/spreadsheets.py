"""Spreadsheets as tables: XLSX, XLSM, XLSB, XLS and ODS, their first visible sheet or a named one.

Values become the text that a person sees in the cell: whole numbers without a fraction, dates as
2026-11-30. A spreadsheet is read whole, in about twice the size of the file unpacked.
"""

from __future__ import annotations

import datetime as dt
import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from campaigns.cells import plain
from campaigns.problems import did_you_mean, printable
from campaigns.tables import ListError, Row, Table, judged, tidy

SUFFIXES: Final = frozenset({".xlsx", ".xlsm", ".xlsb", ".xls", ".ods"})

_EXACT: Final = 2.0**53


def open_spreadsheet(path: Path, sheet: str | None) -> Table:
    """Open a sheet as a table. Raises ListError where it cannot be read, OSError as files do."""
    with path.open("rb") as file:
        if not file.read(1):
            raise ListError("empty_list", f"{path.name} is empty")
    rows = _rows(_sheet(path, sheet))
    header = next((cells for _, cells in rows if any(cells)), None)
    if header is None:
        raise ListError("empty_list", f"{path.name} is empty")
    return Table([tidy(name) for name in header], map(judged, rows), lambda: None)


def _sheet(path: Path, name: str | None) -> Any:
    import python_calamine  # noqa: PLC0415  # 5 MB that lists in CSV do not need

    try:
        book = python_calamine.CalamineWorkbook.from_path(path)
        seen = python_calamine.SheetVisibleEnum.Visible
        visible = [sheet.name for sheet in book.sheets_metadata if sheet.visible == seen]
        return book.get_sheet_by_name(_chosen(path, name, book.sheet_names, visible))
    except python_calamine.PasswordError:
        raise ListError("not_a_table", f"{path.name} is protected by a password") from None
    except (ListError, OSError):
        raise
    except BaseException as error:
        # The library is written in Rust: a damaged file may make it panic, which is no Exception.
        if not isinstance(error, Exception) and type(error).__name__ != "PanicException":
            raise
        raise ListError(
            "not_a_table", f"{path.name} is not a spreadsheet, whatever its ending says"
        ) from None


def _chosen(path: Path, name: str | None, names: list[str], visible: list[str]) -> str:
    if name is None:
        if not visible:
            raise ListError("empty_list", f"{path.name} has no sheet that can be seen")
        return visible[0]
    if name not in names:
        raise ListError(
            "missing_sheet",
            f'{path.name} has no sheet "{printable(name)}"; it has:'
            f" {', '.join(printable(known) for known in visible)}{did_you_mean(name, visible)}",
        )
    return name


def _rows(sheet: Any) -> Iterator[Row]:
    for line, row in zip(itertools.count(1), sheet.iter_rows(), strict=False):
        yield line, [plain(value) if isinstance(value, str) else _shown(value) for value in row]


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer() and abs(value) < _EXACT:
        return str(int(value))
    if isinstance(value, dt.datetime) and value.time() == dt.time(0):
        return value.date().isoformat()
    if isinstance(value, dt.datetime):
        return value.isoformat(" ")
    if isinstance(value, dt.date | dt.time):
        return value.isoformat()
    return str(value)
