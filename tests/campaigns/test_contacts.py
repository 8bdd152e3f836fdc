"""Lists of contacts: every row is a contact or is told, whatever the export looks like."""

import codecs
import re
import runpy
import tracemalloc
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from campaigns.contacts import (
    ContactRow,
    ListError,
    Note,
    RejectedRow,
    first_look,
    read_contacts,
)
from campaigns.definition import Campaign
from campaigns.loader import load

EXAMPLES = Path(__file__).parents[2] / "campaigns" / "examples"
NOVEMBRO = runpy.run_path(str(Path(__file__).with_name("make_novembro.py")))
FUZZ = settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)

PLAIN = (
    "contrato;nome;celular;fixo\nC-1;Açucena;48 90000-1000;48 5000-0001\nC-2;Ipê;48 90000-1001;\n"
)


def campaign(**dial_list: object) -> Campaign:
    """Give a campaign over `lista.csv`, by default with an id and two columns of numbers."""
    chosen = {"file": "lista.csv", "id": "contrato", "numbers": ["celular", "fixo"], **dial_list}
    return Campaign.model_validate(
        {
            "campaign": "teste",
            "purpose": "service",
            "dial_list": {key: value for key, value in chosen.items() if value is not None},
            "call": {"connect_to": "4000", "bina_origem": "4832830151"},
        }
    )


class Listed:
    """What reading a list gave, by kind."""

    def __init__(self, folder: Path, content: str | bytes, **dial_list: object) -> None:
        data = content.encode() if isinstance(content, str) else content
        (folder / "lista.csv").write_bytes(data)
        items = list(read_contacts(campaign(**dial_list), folder))
        self.contacts = [item for item in items if isinstance(item, ContactRow)]
        self.rejected = [item for item in items if isinstance(item, RejectedRow)]
        self.notes = [item for item in items if isinstance(item, Note)]

    @property
    def reasons(self) -> list[tuple[int, str]]:
        """Line and reason of each rejected row."""
        return [(row.line, row.reason) for row in self.rejected]

    @property
    def noted(self) -> list[tuple[int, str | None, str]]:
        """Line, column and reason of each note."""
        return [(note.line, note.column, note.reason) for note in self.notes]


def refused(folder: Path, content: str | bytes, **dial_list: object) -> ListError:
    """Read a list that cannot be used at all."""
    with pytest.raises(ListError) as error:
        Listed(folder, content, **dial_list)
    return error.value


def test_a_plain_list_gives_its_contacts(tmp_path: Path) -> None:
    """Ids, numbers in order, other columns and lines are those of the file."""
    listed = Listed(tmp_path, PLAIN)
    first, second = listed.contacts
    assert (first.line, first.external_id) == (2, "C-1")
    assert [number.e164 for number in first.numbers] == ["+5548900001000", "+554850000001"]
    assert first.columns == {"contrato": "C-1", "nome": "Açucena"}
    assert (second.line, len(second.numbers)) == (3, 1)
    assert not listed.rejected
    assert not listed.notes


def test_the_numbers_are_tried_in_the_order_of_the_campaign(tmp_path: Path) -> None:
    """The campaign's order of columns counts, not the file's."""
    listed = Listed(tmp_path, PLAIN, numbers=["fixo", "celular"])
    assert [number.kind for number in listed.contacts[0].numbers] == ["fixo", "movel"]


def test_without_an_id_column_the_line_is_the_id(tmp_path: Path) -> None:
    """A contact is named by the line on which a person finds it."""
    listed = Listed(tmp_path, PLAIN, id=None)
    assert [contact.external_id for contact in listed.contacts] == ["2", "3"]


@pytest.mark.parametrize("separator", [";", ",", "\t", "|"])
@pytest.mark.parametrize(
    ("encoding", "bom"),
    [
        ("utf-8", b""),
        ("utf-8", codecs.BOM_UTF8),
        ("cp1252", b""),
        ("utf-16-le", codecs.BOM_UTF16_LE),
        ("utf-16-be", codecs.BOM_UTF16_BE),
        ("utf-32-le", codecs.BOM_UTF32_LE),
    ],
)
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_separator_encoding_and_line_ends_are_found(
    tmp_path: Path, separator: str, encoding: str, bom: bytes, end: str
) -> None:
    """However the table was exported, the same contacts come out."""
    text = PLAIN.replace(";", separator).replace("\n", end)
    listed = Listed(tmp_path, bom + text.encode(encoding))
    assert [contact.columns["nome"] for contact in listed.contacts] == ["Açucena", "Ipê"]
    assert [contact.line for contact in listed.contacts] == [2, 3]


def test_the_separator_is_the_one_that_gives_the_wanted_columns(tmp_path: Path) -> None:
    """Commas inside a header of semicolons do not win by their number."""
    text = (
        'contrato;"nome, sobrenome, alcunha, título, sufixo";celular;fixo\nC-1;x;48 90000-1000;\n'
    )
    assert Listed(tmp_path, text).contacts[0].external_id == "C-1"


def test_excel_s_separator_line_is_obeyed(tmp_path: Path) -> None:
    """A first line `sep=` names the separator and is no header."""
    listed = Listed(tmp_path, "sep=|\n" + PLAIN.replace(";", "|"))
    assert [contact.line for contact in listed.contacts] == [3, 4]


def test_quoted_cells_may_hold_separators_quotes_and_lines(tmp_path: Path) -> None:
    """Quotes keep a cell together, and the lines of later rows stay right."""
    text = 'contrato;nome;celular;fixo\nC-1;"a; ""b""\nc";48 90000-1000;\nC-2;d;48 90000-1001;\n'
    first, second = Listed(tmp_path, text).contacts
    assert first.columns["nome"] == 'a; "b"\nc'
    assert (first.line, second.line) == (2, 4)


def test_an_open_quote_costs_its_own_row_only(tmp_path: Path) -> None:
    """A quote that is never closed does not swallow the contacts below it."""
    rows = "".join(f"C-{n};x;48 90000-{n};\n" for n in range(1000, 1200))
    for opened in ('C-1;"x;48 90000-0001;\n', 'C-1;x;48 90000-0001;"\n'):
        listed = Listed(tmp_path, f"contrato;nome;celular;fixo\n{opened}{rows}")
        assert listed.reasons == [(2, "bad_quotes")]
        assert len(listed.contacts) == 200
        assert listed.contacts[-1].line == 202
    pair = 'C-1;"x;48 90000-0001;\nC-2;"y;48 90000-0002;\n'
    listed = Listed(tmp_path, f"contrato;nome;celular;fixo\n{pair}{rows}")
    assert [line for line, _ in listed.reasons] == [2, 3]
    assert len(listed.contacts) == 200


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("length", [100_000, 100_001, 100_002, 100_003, 200_002, 1_100_000])
def test_a_line_too_long_for_a_row_costs_itself_only(tmp_path: Path, length: int, end: str) -> None:
    """However long it is and however it ends, the lines below it are read."""
    for cell in ('"', ""):
        line = f"C-3;{cell}"
        line += "x" * (length - len(line) - len(end)) + end
        text = PLAIN.replace("\n", end) + line + f"C-4;a;48 90000-1002;{end}"
        listed = Listed(tmp_path, text)
        assert [contact.line for contact in listed.contacts] == [2, 3, 5]
        wrong = "bad_quotes" if cell else "empty"
        assert listed.reasons == [(4, wrong if length <= 100_000 else "too_long")]


def test_no_memory_holds_a_line_that_is_too_long(tmp_path: Path) -> None:
    """Forty million characters without an end cost no more than the buffers."""
    Listed(tmp_path, PLAIN + "x" * 40_000_000)
    tracemalloc.start()
    try:
        items = list(read_contacts(campaign(), tmp_path))
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert isinstance(items[-1], RejectedRow)
    assert items[-1].reason == "too_long"
    assert most < 10_000_000


def test_a_row_that_is_not_text_costs_itself_only(tmp_path: Path) -> None:
    """Zero bytes reject their row, which is there to be mended, and no other."""
    for text in (
        PLAIN + "C-3;a;48 90000-1002\0;\nC-4;a;48 90000-1003;\n",
        PLAIN + "\0" * 150_000 + "\nC-4;a;48 90000-1003;\n",
    ):
        listed = Listed(tmp_path, text)
        assert [contact.line for contact in listed.contacts] == [2, 3, 5]
        [rejected] = listed.rejected
        assert (rejected.line, rejected.reason) in {(4, "not_text"), (4, "too_long")}


def test_ragged_rows_are_told(tmp_path: Path) -> None:
    """A row with a cell too many is rejected; a short one is kept and noted."""
    text = PLAIN + "C-3;a;b;48 90000-1002;z\nC-4;a;48 90000-1003\nC-5;a;48 90000-1004;;;\n"
    listed = Listed(tmp_path, text)
    assert listed.reasons == [(4, "ragged")]
    assert listed.noted == [(5, None, "short_row")]
    assert [contact.external_id for contact in listed.contacts] == ["C-1", "C-2", "C-4", "C-5"]


def test_blank_lines_are_counted(tmp_path: Path) -> None:
    """Blank rows are no contacts and no mistakes, and their number is told."""
    listed = Listed(tmp_path, "\n\n" + PLAIN + "\n;;;\n   \nC-3;a;48 90000-1002;\n\n")
    assert [contact.line for contact in listed.contacts] == [4, 5, 9]
    assert not listed.rejected
    assert [note.message for note in listed.notes] == ["4 blank lines were skipped"]


def test_duplicates_name_the_earlier_line(tmp_path: Path) -> None:
    """A repeated id or number is rejected by naming the row that was kept."""
    text = PLAIN + "C-1;a;48 90000-1002;\nC-3;b;(48) 90000 1000;\nC-4;c;48 90000-1003;48 50000001\n"
    listed = Listed(tmp_path, text)
    assert listed.reasons == [(4, "duplicate_id"), (5, "duplicate_number")]
    assert [row.message for row in listed.rejected] == [
        "line 2 has the same id",
        "line 2 has the same number",
    ]
    assert listed.noted == [(6, "fixo", "duplicate_number")]
    assert [number.kind for number in listed.contacts[-1].numbers] == ["movel"]


def test_a_rejected_row_does_not_make_later_ones_duplicates(tmp_path: Path) -> None:
    """Only rows that were kept count when a later row is compared."""
    text = "contrato;nome;celular;fixo\nC-1;a;190;\nC-1;a;48 90000-1000;\n"
    listed = Listed(tmp_path, text)
    assert listed.reasons == [(2, "emergency")]
    assert len(listed.contacts) == 1


def test_a_number_twice_in_one_row_is_one_number(tmp_path: Path) -> None:
    """The same number in both columns is tried once."""
    text = "contrato;celular;fixo\nC-1;48 90000-1000;5548900001000\n"
    assert len(Listed(tmp_path, text).contacts[0].numbers) == 1


def test_a_bad_second_number_is_noted_and_all_bad_ones_are_told(tmp_path: Path) -> None:
    """A contact lives by one good number; without any it is rejected with every reason."""
    text = (
        "contrato;celular;fixo\nC-1;0800 123 4567;48 5000-0001\nC-2;190;4,8E+09\nC-3;;\nC-4;;12\n"
    )
    listed = Listed(tmp_path, text)
    assert listed.noted == [(2, "celular", "non_geographic")]
    assert listed.reasons == [(3, "no_valid_number"), (4, "empty"), (5, "bad_length")]
    assert listed.rejected[0].message.startswith("celular: ")
    assert "; fixo: a spreadsheet rounded" in listed.rejected[0].message
    assert listed.rejected[2].column == "fixo"


def test_our_own_numbers_are_not_contacts(tmp_path: Path) -> None:
    """The campaign's BINA is never dialed."""
    listed = Listed(tmp_path, "contrato;celular;fixo\nC-1;48 3283-0151;\n")
    assert listed.reasons == [(2, "own_number")]


def test_rows_without_a_usable_id_are_rejected(tmp_path: Path) -> None:
    """Where an id column is named, each contact has an id of sane length."""
    text = f"contrato;celular;fixo\n;48 90000-1000;\n{'9' * 201};48 90000-1001;\n"
    assert Listed(tmp_path, text).reasons == [(2, "no_id"), (3, "bad_id")]


def test_columns_without_a_name_or_with_the_same_keep_their_cells(tmp_path: Path) -> None:
    """No cell is lost because its column has no name of its own."""
    text = "contrato;celular;fixo;x;x;\nC-1;48 90000-1000;;a;b;c\n"
    columns = Listed(tmp_path, text).contacts[0].columns
    assert columns == {"contrato": "C-1", "x": "a", "x (5)": "b", "column 6": "c"}


@pytest.mark.parametrize(
    ("content", "code", "told"),
    [
        ("", "empty_list", "is empty"),
        ("\n\n", "empty_list", "is empty"),
        ("contrato;celular;fixo\n", "empty_list", "no rows below"),
        ("contrato;celular;fixo\n\n;;\n", "empty_list", "no rows below"),
        ("contrato;celular\nC-1;48 90000-1000\n", "missing_column", 'no column "fixo"'),
        ("contrato;celular;fixo;fixo\n", "column_twice", "more than one"),
        (PLAIN.encode("utf-16-le"), "unreadable_encoding", "UTF-16"),
        (b"contrato;celular;fixo\nC\x81;48 90000-1000;\n", "unreadable_encoding", "UTF-8"),
        (b"a\0b;c\n", "unreadable_encoding", "not text"),
        (b"PK\x03\x04xyz", "not_a_table", ".xlsx"),
        (b"\xd0\xcf\x11\xe0xyz", "not_a_table", ".xls"),
        (b"%PDF-1.7", "not_a_table", "PDF"),
        (b"x" * 3_000_000, "not_a_table", "first line has more than 100,000 characters"),
    ],
)
def test_a_list_that_cannot_be_used_is_refused(
    tmp_path: Path, content: str | bytes, code: str, told: str
) -> None:
    """Whatever cannot be read as a list at all gives one clear error."""
    error = refused(tmp_path, content)
    assert error.code == code
    assert told in str(error)


def test_a_missing_column_is_answered_with_those_that_are_there(tmp_path: Path) -> None:
    """The error names the columns of the file and the nearest one."""
    error = refused(tmp_path, PLAIN, numbers=["celullar"])
    assert error.column == "celullar"
    assert "contrato, nome, celular, fixo" in str(error)
    assert 'Did you mean "celular"?' in str(error)


def test_a_list_without_a_header_does_not_show_its_numbers(tmp_path: Path) -> None:
    """Where the first row is data, the error does not repeat a phone number."""
    error = refused(tmp_path, "C-1;(48) 90000-1000;5548900001000\n")
    assert not re.search(r"\d{4}", str(error))


def test_a_missing_file_is_a_list_error(tmp_path: Path) -> None:
    """No file, a folder in its place, or an impossible name: one clear error."""
    for name, code in (
        ("nada.csv", "missing_list"),
        (".", "unreadable_list"),
        ("a\0b", "unreadable_list"),
        ("x" * 300, "unreadable_list"),
    ):
        with pytest.raises(ListError) as error:
            next(read_contacts(campaign(file=name), tmp_path))
        assert error.value.code == code


def test_the_example_list_is_what_its_script_writes() -> None:
    """The committed list is the seeded one, byte for byte as text."""
    with NOVEMBRO["OUTPUT"].open(encoding="cp1252", newline="") as file:
        lines = [line.split(";") if line else [] for line in file.read().split("\r\n")[:-1]]
    assert lines == NOVEMBRO["lines"]()


def test_the_example_list_shows_every_fault_it_is_made_of() -> None:
    """The example's counts add up, and each fault of a real export is told."""
    loaded = load(EXAMPLES / "cobranca.yaml", loopback=True)
    items = list(read_contacts(loaded, EXAMPLES))
    contacts = [item for item in items if isinstance(item, ContactRow)]
    reasons = Counter(item.reason for item in items if isinstance(item, RejectedRow))
    notes = {item.reason for item in items if isinstance(item, Note)}
    rows = sum(1 for row in NOVEMBRO["lines"]()[1:] if row)
    assert len(contacts) + reasons.total() == rows == 320
    assert reasons == {
        "non_geographic": 2,
        "emergency": 1,
        "empty": 1,
        "spreadsheet_damage": 1,
        "duplicate_number": 1,
        "duplicate_id": 1,
        "no_area_code": 1,
        "unknown_area_code": 1,
        "collect": 1,
        "bad_length": 1,
        "foreign": 1,
        "ragged": 1,
    }
    assert notes == {"ninth_digit_added", "more_in_cell", "letters", "short_row", "blank_lines"}
    assert {number.kind for contact in contacts for number in contact.numbers} == {"movel", "fixo"}
    assert len({number.ddd for contact in contacts for number in contact.numbers}) > 10
    for item in items:
        if not isinstance(item, ContactRow):
            assert not re.search(r"\d{7}", item.message)


CELLS = st.text(alphabet="C-0123456789;,\"'|\t\r\n ()+4890xEé/", max_size=40)


@FUZZ
@given(st.lists(CELLS, max_size=15))
def test_no_list_loses_a_row_or_raises_anything_else(tmp_path: Path, rows: list[str]) -> None:
    """Each line of any text is a contact, is told, or is blank; ids and numbers stay unique."""
    text = PLAIN + "\n".join(rows)
    try:
        listed = Listed(tmp_path, text)
    except ListError:
        return
    numbers = [number.e164 for contact in listed.contacts for number in contact.numbers]
    assert len(numbers) == len(set(numbers))
    ids = [contact.external_id for contact in listed.contacts]
    assert len(ids) == len(set(ids))
    assert all(contact.numbers for contact in listed.contacts)


@FUZZ
@given(st.binary(max_size=200))
def test_no_bytes_make_the_reader_raise_anything_else(tmp_path: Path, data: bytes) -> None:
    """Any file is read or refused with a ListError."""
    for content in (data, b"contrato;celular;fixo\n" + data):
        try:
            Listed(tmp_path, content)
        except ListError as error:
            assert str(error)  # noqa: PT017  # most content is refused, some is not


def test_the_columns_of_a_list_can_be_asked_for(tmp_path: Path) -> None:
    """The header is read without reading contacts, and whether there is any row."""
    header = "\ufeff contrato ;celular;;fixo\n"
    for rows, there in (("", False), ("\n;;;\n", False), ("\n;;;\nx\n", True)):
        (tmp_path / "lista.csv").write_text(header + rows, encoding="utf-8")
        found = first_look(campaign().dial_list, tmp_path)
        assert found == (["contrato", "celular", "fixo"], there)
