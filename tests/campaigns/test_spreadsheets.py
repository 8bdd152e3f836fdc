"""Lists in spreadsheets: the same contacts come out as from CSV."""

import zipfile
from collections.abc import Sequence
from pathlib import Path
from xml.sax.saxutils import escape

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from campaigns.contacts import ContactRow, ListError, RejectedRow, read_contacts
from campaigns.definition import Campaign

LISTS = Path(__file__).parent / "lists"
FUZZ = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
ROWS: list[list[object]] = [
    ["contrato", "celular", "pago"],
    ["C-1", 48900001000, True],
    [None, None, None],
    [2002, "(48) 90000-1001", 1.5],
]

OFFICE = "http://schemas.openxmlformats.org/"


def campaign(file: str, **dial_list: object) -> Campaign:
    """Give a campaign over a list with contracts and mobiles."""
    return Campaign.model_validate(
        {
            "campaign": "teste",
            "purpose": "service",
            "dial_list": {"file": file, "id": "contrato", "numbers": ["celular"], **dial_list},
            "call": {"connect_to": "4000"},
        }
    )


def write_xlsx(
    path: Path, sheets: dict[str, list[list[object]]], hidden: Sequence[str] = ()
) -> None:
    """Write the least that is an XLSX file."""
    main = f'xmlns="{OFFICE}spreadsheetml/2006/main"'
    relations = f'xmlns="{OFFICE}package/2006/relationships"'
    kind = f"{OFFICE}officeDocument/2006/relationships"
    with zipfile.ZipFile(path, "w") as book:
        book.writestr(
            "_rels/.rels",
            f'<Relationships {relations}><Relationship Id="a" Type="{kind}/officeDocument"'
            ' Target="xl/workbook.xml"/></Relationships>',
        )
        listed = linked = ""
        for number, (name, rows) in enumerate(sheets.items(), start=1):
            state = ' state="hidden"' if name in hidden else ""
            listed += f'<sheet name="{name}" sheetId="{number}" r:id="s{number}"{state}/>'
            linked += (
                f'<Relationship Id="s{number}" Type="{kind}/worksheet"'
                f' Target="worksheets/sheet{number}.xml"/>'
            )
            body = ""
            for line, row in enumerate(rows, start=1):
                cells = "".join(_xlsx_cell(line, n, value) for n, value in enumerate(row))
                body += f'<row r="{line}">{cells}</row>'
            book.writestr(
                f"xl/worksheets/sheet{number}.xml",
                f"<worksheet {main}><sheetData>{body}</sheetData></worksheet>",
            )
        book.writestr(
            "xl/workbook.xml",
            f'<workbook {main} xmlns:r="{kind}"><sheets>{listed}</sheets></workbook>',
        )
        book.writestr(
            "xl/_rels/workbook.xml.rels", f"<Relationships {relations}>{linked}</Relationships>"
        )


def _xlsx_cell(line: int, column: int, value: object) -> str:
    place = f"{'ABCDEFGH'[column]}{line}"
    if value is None:
        return ""
    if isinstance(value, bool):
        return f'<c r="{place}" t="b"><v>{int(value)}</v></c>'
    if isinstance(value, int | float):
        return f'<c r="{place}"><v>{value}</v></c>'
    return f'<c r="{place}" t="inlineStr"><is><t>{escape(str(value))}</t></is></c>'


def write_ods(path: Path, rows: list[list[object]]) -> None:
    """Write the least that is an ODS file."""
    urn = "urn:oasis:names:tc:opendocument:xmlns:"
    spaces = " ".join(f'xmlns:{name}="{urn}{name}:1.0"' for name in ("office", "table", "text"))
    body = "".join(
        f"<table:table-row>{''.join(_ods_cell(value) for value in row)}</table:table-row>"
        for row in rows
    )
    with zipfile.ZipFile(path, "w") as book:
        book.writestr("mimetype", "application/vnd.oasis.opendocument.spreadsheet")
        book.writestr("META-INF/manifest.xml", f'<m:manifest xmlns:m="{urn}manifest:1.0"/>')
        book.writestr(
            "content.xml",
            f"<office:document-content {spaces}><office:body><office:spreadsheet>"
            f'<table:table table:name="Plan1">{body}</table:table>'
            "</office:spreadsheet></office:body></office:document-content>",
        )


def _ods_cell(value: object) -> str:
    if value is None:
        return "<table:table-cell/>"
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    kind = "float" if is_number else "string"
    number = f' office:value="{value}"' if kind == "float" else ""
    return (
        f'<table:table-cell office:value-type="{kind}"{number}>'
        f"<text:p>{escape(str(value))}</text:p></table:table-cell>"
    )


def contacts(folder: Path, file: str, **dial_list: object) -> list[ContactRow]:
    """Read a list in which every row is a contact."""
    items = list(read_contacts(campaign(file, **dial_list), folder))
    assert not [item for item in items if isinstance(item, RejectedRow)]
    return [item for item in items if isinstance(item, ContactRow)]


def told(rows: list[ContactRow]) -> list[tuple[int, str, str]]:
    """Give line, id and number of contacts."""
    return [(row.line, row.external_id, row.numbers[0].e164) for row in rows]


EXPECTED = [(2, "C-1", "+5548900001000"), (4, "2002", "+5548900001001")]


def test_a_workbook_is_read_like_a_table(tmp_path: Path) -> None:
    """Numbers that Excel keeps as numbers lose no digit, and lines are those of the sheet."""
    write_xlsx(tmp_path / "lista.xlsx", {"Plan1": ROWS})
    rows = contacts(tmp_path, "lista.xlsx")
    assert told(rows) == EXPECTED
    assert [row.columns["pago"] for row in rows] == ["true", "1.5"]


def test_an_open_document_is_read_like_a_table(tmp_path: Path) -> None:
    """LibreOffice's format gives the same contacts."""
    write_ods(tmp_path / "lista.ods", ROWS)
    assert told(contacts(tmp_path, "lista.ods")) == EXPECTED


def test_an_old_excel_file_is_read_like_a_table() -> None:
    """The binary format of old Excel gives the same contacts."""
    rows = contacts(LISTS, "three-rows.xls")
    assert [(row.external_id, row.numbers[0].e164) for row in rows] == [
        ("C-1", "+5548900001000"),
        ("C-2", "+5548900001001"),
    ]
    assert rows[0].columns["vencimento"] == "10/11/2026"


def test_the_first_visible_sheet_is_read_or_the_one_that_is_named(tmp_path: Path) -> None:
    """Hidden sheets are passed over, unless the campaign names one."""
    other: list[list[object]] = [["contrato", "celular"], ["D-1", "48 90000-2000"]]
    sheets: dict[str, list[list[object]]] = {"apoio": other, "Plan1": ROWS}
    write_xlsx(tmp_path / "lista.xlsx", sheets, hidden=["apoio"])
    assert told(contacts(tmp_path, "lista.xlsx")) == EXPECTED
    assert contacts(tmp_path, "lista.xlsx", sheet="apoio")[0].external_id == "D-1"
    with pytest.raises(ListError, match="no sheet") as error:
        contacts(tmp_path, "lista.xlsx", sheet="Plan2")
    assert error.value.code == "missing_sheet"


def test_what_is_no_spreadsheet_is_refused(tmp_path: Path) -> None:
    """An empty, damaged or mislabelled spreadsheet is one clear error."""
    write_xlsx(tmp_path / "vazia.xlsx", {"Plan1": []})
    write_xlsx(tmp_path / "sem-linhas.xlsx", {"Plan1": ROWS[:1]})
    (tmp_path / "nada.xlsx").write_bytes(b"")
    (tmp_path / "texto.xlsx").write_text("contrato;celular\n")
    (tmp_path / "texto.xls").write_text("contrato;celular\n")
    for name, code in (
        ("vazia.xlsx", "empty_list"),
        ("sem-linhas.xlsx", "empty_list"),
        ("nada.xlsx", "empty_list"),
        ("texto.xlsx", "not_a_table"),
        ("texto.xls", "not_a_table"),
        ("falta.xlsx", "missing_list"),
    ):
        with pytest.raises(ListError) as error:
            contacts(tmp_path, name)
        assert error.value.code == code, name


@FUZZ
@given(st.data())
def test_no_damage_to_a_spreadsheet_raises_anything_else(
    tmp_path: Path, data: st.DataObject
) -> None:
    """A spreadsheet with bytes cut or changed is read or refused with a ListError."""
    suffix = data.draw(st.sampled_from(["xlsx", "ods", "xls"]))
    path = tmp_path / f"lista.{suffix}"
    if suffix == "xlsx":
        write_xlsx(path, {"Plan1": ROWS})
    elif suffix == "ods":
        write_ods(path, ROWS)
    else:
        path.write_bytes((LISTS / "three-rows.xls").read_bytes())
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 20))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(content[: data.draw(st.integers(1, len(content)))])
    try:
        list(read_contacts(campaign(path.name), tmp_path))
    except ListError as error:
        assert str(error)  # noqa: PT017  # most damage is refused, some does not matter
