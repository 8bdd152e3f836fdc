"""What is exported is read back as it was, and no spreadsheet takes any of it for a formula."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from campaigns.cells import escaped, plain
from campaigns.contacts import ContactRow, open_table, read_contacts
from campaigns.definition import Campaign
from campaigns.rows import RejectedRow
from console.rejected import COLUMNS, rejected_file, rejected_rows

FORMULAS = ("=", "+", "-", "@", "\t", "\r")
CELLS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=30)


@given(st.text(alphabet="'=+-@\t\rab1", max_size=8))
def test_escaping_is_undone_by_reading_and_starts_no_formula(text: str) -> None:
    """For any text, one that people wrote with an apostrophe before it included."""
    written = escaped(text)
    assert plain(written) == text
    assert not written.startswith(FORMULAS)


@given(rows=st.lists(st.lists(CELLS, min_size=3, max_size=3), min_size=1, max_size=5))
@example(rows=[["+5548998761234", "=1+1", "@SUM(A1)"], ["'+55", "''=x", "-1"]])
@example(rows=[["a;b", 'say "x"', "two\nlines"], [" ", "\ufeff", "x,y"]])
def test_rejected_rows_are_read_back_cell_by_cell(
    rows: list[list[str]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """The importer reads its own export: every cell as it had read it, in a list of its own."""
    path = tmp_path_factory.mktemp("rows") / "back.csv"
    columns = ("id", "=número", "x")
    read = [[plain(cell.strip()).strip() for cell in row] for row in rows]
    _write(path, columns, read)
    with path.open(encoding="utf-8-sig", newline="") as file:
        raw = [cell for row in csv.reader(file, delimiter=";") for cell in row]
    assert not [cell for cell in raw if cell.startswith(FORMULAS)]
    table = open_table(path, ["id"])
    try:
        assert table.columns == [*(column.strip() for column in COLUMNS), *columns]
        back = [row[1][len(COLUMNS) :] for row in table.rows]  # type: ignore[index]  # none is broken
    finally:
        table.close()
    assert back == read


def _write(path: Path, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    with rejected_rows(path) as rejected:
        for line, row in enumerate(rows, start=2):
            rejected.write(
                RejectedRow(
                    line=line,
                    external_id=None,
                    column=None,
                    reason="empty",
                    message="=there is no number",
                    columns=tuple(columns),
                    cells=tuple(row),
                )
            )


def _campaign(file: str) -> Campaign:
    return Campaign.model_validate(
        {
            "campaign": "natal",
            "purpose": "service",
            "dial_list": {"file": file, "id": "contrato", "numbers": ["celular", "fixo"]},
            "call": {"connect_to": "4000"},
        }
    )


def test_a_mended_row_is_a_contact_of_the_same_campaign(tmp_path: Path) -> None:
    """Whoever mends the cell and names the file gets the contact, with all its columns."""
    (tmp_path / "lista.csv").write_text(
        "contrato,celular,fixo,nome\n"
        "A1,48998761234,,Ana\n"
        "A2,190,+554832,=Bia\n"
        "A1,48998761235,,Caio\n"
        ",48998761236,,Duda\n"
        'A5,"48,,,x\n'
        "A6,48998761237,,Eva,more\n",
        encoding="utf-8",
    )
    first = list(read_contacts(_campaign("lista.csv"), tmp_path))
    path = rejected_file(tmp_path, "natal")
    with rejected_rows(path) as rejected:
        for row in first:
            if isinstance(row, RejectedRow):
                rejected.write(row)
    assert (rejected.count, rejected.path) == (5, path)
    text = path.read_text(encoding="utf-8-sig")
    assert text.splitlines()[1].startswith("3;no_valid_number;")
    assert ";A2;190;'+554832;'=Bia" in text

    mended = text.replace(";190;", ";(48) 99876-1299;").replace(";A1;", ";A3;")
    path.write_text(mended, encoding="utf-8")
    again = list(read_contacts(_campaign(str(path)), tmp_path))
    taken = {row.external_id: row for row in again if isinstance(row, ContactRow)}
    assert [number.e164 for number in taken["A2"].numbers] == ["+5548998761299"]
    assert taken["A2"].columns["nome"] == "=Bia"
    assert [number.e164 for number in taken["A3"].numbers] == ["+5548998761235"]
    assert rejected_file(tmp_path, "natal", path) != path

    with rejected_rows(tmp_path / "once-more.csv") as rejected:
        for row in again:
            if isinstance(row, RejectedRow):
                rejected.write(row)
    header = (tmp_path / "once-more.csv").read_text(encoding="utf-8-sig").splitlines()[0]
    assert header == ";".join([*COLUMNS, "contrato", "celular", "fixo", "nome"])


def test_no_rejected_row_leaves_no_file_of_an_earlier_time(tmp_path: Path) -> None:
    """A file from before the list was mended would be believed."""
    path = tmp_path / "rows" / "natal-rejected.csv"
    _write(path, ("id",), [["1"]])
    assert path.exists()
    _write(path, ("id",), [])
    assert not path.exists()


def test_an_apostrophe_before_a_number_is_not_part_of_it(tmp_path: Path) -> None:
    """What people type so that a spreadsheet keeps the plus is read as the number alone."""
    (tmp_path / "lista.csv").write_text(
        "contrato;celular;fixo\nA1;'+5548998761234;\n", encoding="utf-8"
    )
    [row] = read_contacts(_campaign("lista.csv"), tmp_path)
    assert isinstance(row, ContactRow)
    assert row.numbers[0].e164 == "+5548998761234"
