"""Lists of numbers not to call: every number that can be read binds, and no doubt frees one."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from campaigns.optouts import OptOut, check_list, read_optouts
from campaigns.rows import Note, RejectedRow
from campaigns.tables import ListError


def _read(folder: Path, text: str, **options: str) -> list[OptOut | RejectedRow | Note]:
    path = folder / "nao-ligar.csv"
    path.write_text(text, encoding="utf-8")
    return list(read_optouts(path, **options))


def test_a_row_brings_its_scope_days_and_source(tmp_path: Path) -> None:
    """Every column that the language names is read; a column beside them does not matter."""
    text = (
        "name;number;scope;registered_on;source;expiry\n"
        "x;(48) 99876-1234;Sales;2026-10-01;ouvidoria;31/12/2026\n"
    )
    assert _read(tmp_path, text) == [
        OptOut(
            line=2,
            e164="+5548998761234",
            scope="sales",
            registered_on=date(2026, 10, 1),
            source="ouvidoria",
            expires_on=date(2026, 12, 31),
        )
    ]


def test_bare_numbers_need_no_header(tmp_path: Path) -> None:
    """The first line of a registry's file of numbers is a number like the others."""
    items = _read(tmp_path, "48998761234\n48997312846\n")
    assert [item.line for item in items] == [1, 2]
    assert all(isinstance(item, OptOut) for item in items)


def test_every_number_of_a_cell_binds(tmp_path: Path) -> None:
    """Someone who wrote two numbers into one cell is called at neither."""
    items = _read(tmp_path, "number;scope\n48 99876-1234 / 48 3283-0151;\n")
    assert [item.e164 for item in items if isinstance(item, OptOut)] == [
        "+5548998761234",
        "+554832830151",
    ]


def test_what_cannot_be_read_widens_and_is_noted(tmp_path: Path) -> None:
    """An unknown scope suppresses for all, an unreadable expiry for ever."""
    items = _read(tmp_path, "number,scope,expiry\n48998761234,marketing,soon\n")
    assert items[0] == OptOut(line=2, e164="+5548998761234", scope="all")
    assert [item.reason for item in items[1:] if isinstance(item, Note)] == [
        "bad_scope",
        "bad_date",
    ]


def test_a_row_without_a_number_is_rejected_with_its_line(tmp_path: Path) -> None:
    """The rejection names line, column and reason, and repeats no digit of the cell."""
    items = _read(tmp_path, "number\n48998761234\n4899876\n48997312846\n")
    rejected = [item for item in items if isinstance(item, RejectedRow)]
    assert [(row.line, row.column) for row in rejected] == [(3, "number")]
    assert "9876" not in rejected[0].message
    assert len(items) == 3


@pytest.mark.parametrize(
    ("text", "code"),
    [("telefone;x\n48998761234;1\n", "missing_column"), ("number\n", "empty_list")],
)
def test_a_list_that_cannot_be_used_is_refused(text: str, code: str, tmp_path: Path) -> None:
    """A file without the column, or without rows, is an error and not an empty list."""
    with pytest.raises(ListError) as error:
        _read(tmp_path, text)
    assert error.value.code == code


def test_another_column_may_hold_the_numbers(tmp_path: Path) -> None:
    """A registry's own column name and an area code for short numbers are enough."""
    items = _read(tmp_path, "telefone;x\n99876-1234;1\n", column="telefone", default_ddd="48")
    assert [item.e164 for item in items if isinstance(item, OptOut)] == ["+5548998761234"]


def test_looking_at_a_list_finds_what_reading_would(tmp_path: Path) -> None:
    """Validation refuses a list that is not there, and takes a file of bare numbers."""
    with pytest.raises(ListError):
        check_list(tmp_path / "none.csv")
    (tmp_path / "bare.csv").write_text("48998761234\n", encoding="utf-8")
    check_list(tmp_path / "bare.csv")
