"""The number normaliser: tables of what spreadsheets hold, and properties over any text."""

import itertools
import string
import subprocess
import sys

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from campaigns.areas import UFS, ZONES
from campaigns.numbers import (
    PhoneNumber,
    RejectedNumber,
    may_be_dialed,
    normalise,
    normalise_slowly,
)

LANDLINE = "+554832830151"
DIGITS_AND_MARKS = st.text(alphabet=string.digits + "+()-. xX/;,'ramlEe", max_size=30)

local_fixed = st.from_regex(r"[2-5][0-9]{7}", fullmatch=True)
local_mobile = st.from_regex(r"9[0-9]{8}", fullmatch=True)
area_codes = st.sampled_from(sorted(UFS))


@st.composite
def common_forms(draw: st.DrawFn) -> str:
    """Draw a number as lists usually write it."""
    local = draw(st.one_of(local_fixed, local_mobile))
    separator = draw(st.sampled_from(["", "-", " ", "."]))
    ddd = draw(st.one_of(area_codes, st.from_regex(r"[0-9]{2}", fullmatch=True)))
    ddd = draw(st.sampled_from([ddd, f"({ddd})", f"0{ddd}", f"(0{ddd})"]))
    prefix = draw(st.sampled_from(["", "+55", "55", "+55 ", "55 ", "0"]))
    gap = draw(st.sampled_from(["", " ", "-", "."]))
    return f"{prefix}{ddd}{gap}{local[:-4]}{separator}{local[-4:]}"


def accepted(text: str, default_ddd: str | None = None) -> PhoneNumber:
    """Normalise a text that must be accepted."""
    number = normalise(text, default_ddd=default_ddd)
    assert isinstance(number, PhoneNumber), number
    return number


def rejected(text: str, default_ddd: str | None = None) -> RejectedNumber:
    """Normalise a text that must be rejected."""
    number = normalise(text, default_ddd=default_ddd)
    assert isinstance(number, RejectedNumber), number
    return number


@pytest.mark.parametrize(
    "text",
    [
        "4832830151",
        "(48) 3283-0151",
        "048 3283-0151",
        "(048) 3283-0151",
        "0 15 48 3283-0151",
        "0xx48 3283-0151",
        "(0xx48) 3283-0151",
        "0 XX 48 3283-0151",
        "+55 48 3283-0151",
        "+55 (048) 3283-0151",
        "+55 0 15 48 3283-0151",
        "(+55) 48 3283-0151",
        "554832830151",
        "0055 48 3283-0151",
        "00 55 48 3283-0151",
        "48.3283.0151",
        "4832830151;ext=12",
        "48 3283-0151 ramal 12",
        "48 3283-0151 r. 12",
        "48 3283-0151, ramal: 7",
        "4832830151.0",
        "4832830151,00",
        "'4832830151",
        '="4832830151"',
        "  48\u00a03283\u20110151\t",
        "".join(chr(0xFF10 + int(digit)) for digit in "4832830151"),
        "48 3283-0151 / 48 99123-4567",
        "48 3283-0151; 48 99123-4567",
        "48 3283-0151 | 48 99123-4567",
        "48 3283-0151 ou 48 99123-4567",
        "48 3283-0151, 48 99123-4567",
        "48 3283-0151\n48 99123-4567",
        "48 3283-0151 ramal 12 / 48 99123-4567",
    ],
)
def test_every_way_to_write_a_landline_gives_one_number(text: str) -> None:
    """However a landline is written, it becomes the same E.164 number."""
    number = accepted(text)
    assert (number.e164, number.kind, number.ddd) == (LANDLINE, "fixo", "48")


@pytest.mark.parametrize(
    ("text", "e164", "kind"),
    [
        ("5532123456", "+555532123456", "fixo"),
        ("55991234567", "+5555991234567", "movel"),
        ("5555991234567", "+5555991234567", "movel"),
        ("055991234567", "+5555991234567", "movel"),
        ("5548991234567", "+5548991234567", "movel"),
        ("48991234567.0", "+5548991234567", "movel"),
    ],
)
def test_area_code_55_is_not_taken_for_the_country(text: str, e164: str, kind: str) -> None:
    """A leading 55 is the country only where a whole number follows it."""
    number = accepted(text)
    assert (number.e164, number.kind) == (e164, kind)


@pytest.mark.parametrize("local", ["91234567", "81234567", "71234567", "61234567"])
def test_an_old_mobile_gets_its_ninth_digit(local: str) -> None:
    """A mobile from before the ninth digit is completed, and says so."""
    number = accepted(f"48{local}")
    assert number.e164 == f"+55489{local}"
    assert number.ninth_digit_added
    assert not accepted(number.e164).ninth_digit_added


def test_a_number_without_area_code_needs_the_default() -> None:
    """Eight or nine digits are completed with the campaign's area code, else refused."""
    assert rejected("3283-0151").reason == "no_area_code"
    assert rejected("+55 3283-0151").reason == "no_area_code"
    number = accepted("3283-0151", "48")
    assert (number.e164, number.area_code_added) == (LANDLINE, True)
    assert accepted("99123-4567", "48").e164 == "+5548991234567"
    assert accepted("90123-4567", "48").e164 == "+5548901234567"
    assert accepted("90012-3456", "48").e164 == "+5548900123456"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "empty"),
        ("   ", "empty"),
        ("-", "not_a_number"),
        ("não tem", "letters"),
        ("cel 48 99123-4567", "letters"),
        ("x" * 300, "not_a_number"),
        ("4,83283E+09", "spreadsheet_damage"),
        ("4.83283e9", "spreadsheet_damage"),
        ("#N/D", "spreadsheet_damage"),
        ("########", "spreadsheet_damage"),
        ("4832830151,5", "spreadsheet_damage"),
        ("0800 123 4567", "non_geographic"),
        ("0800 123 456", "non_geographic"),
        ("+55 800 123 4567", "non_geographic"),
        ("03001234567", "non_geographic"),
        ("0303 123 4567", "non_geographic"),
        ("0500 123 4567", "non_geographic"),
        ("0900 123 4567", "non_geographic"),
        ("40041234", "non_geographic"),
        ("4003-1234", "non_geographic"),
        ("48 4004-1234", "non_geographic"),
        ("190", "emergency"),
        ("0190", "emergency"),
        ("192", "emergency"),
        ("911", "emergency"),
        ("112", "emergency"),
        ("188", "emergency"),
        ("10315", "emergency"),
        ("+55 48 190", "emergency"),
        ("48190", "emergency"),
        ("048 193", "emergency"),
        ("19012345", "emergency"),
        ("9090 48 99123-4567", "collect"),
        ("90 15 48 3283-0151", "collect"),
        ("+1 202 555 0100", "foreign"),
        ("+351 21 123 4567", "foreign"),
        ("20 3283-0151", "unknown_area_code"),
        ("55 20 3283-0151", "unknown_area_code"),
        ("55 48 83283-01512", "bad_length"),
        ("00 3283-0151", "no_area_code"),
        ("48 1283-0151", "bad_digits"),
        ("48 0283-0151", "bad_digits"),
        ("48 83283-0151", "bad_digits"),
        ("48 3283", "bad_length"),
        ("4832830151 48991234567", "bad_length"),
        ("48 3283-015²", "letters"),
    ],
)
def test_what_is_not_a_person_s_number_is_rejected_with_its_reason(text: str, reason: str) -> None:
    """Each kind of unusable cell has a reason of its own."""
    assert rejected(text).reason == reason


def test_a_second_number_in_the_cell_is_marked() -> None:
    """Text after the first number does not vanish unseen."""
    assert accepted("48 3283-0151 / 48 99123-4567").more_in_cell
    assert not accepted("48 3283-0151").more_in_cell
    assert not accepted("48 3283-0151 /").more_in_cell


@pytest.mark.parametrize("text", ["48999999999", "48900000000", "4833333333", "48912345678"])
def test_invented_digits_are_marked(text: str) -> None:
    """A number of equal or counting digits is accepted, with a mark."""
    assert accepted(text).looks_invented
    assert not accepted("48 99123-7067").looks_invented


@pytest.mark.parametrize(
    "e164",
    [
        "",
        "190",
        "+55190",
        "+5548190",
        "4832830151",
        "+554840041234",
        "+550800123456",
        "+12025550100",
    ],
)
def test_the_last_check_refuses_what_is_not_a_full_brazilian_number(e164: str) -> None:
    """What is no geographic Brazilian number in E.164 is never dialed."""
    assert not may_be_dialed(e164)
    assert not may_be_dialed(f"{LANDLINE}\n")
    assert may_be_dialed(LANDLINE)


def test_both_paths_agree_over_every_prefix() -> None:
    """For every two-digit area code and prefix, the fast path decides as `phonenumbers` does."""
    shapes = [f"{a}{b}" for a, b in itertools.product(range(10), repeat=2)]
    known = 0
    for ddd, prefix in itertools.product(shapes, shapes):
        for end in ("706702", "7067021"):
            text = f"{ddd}{prefix}{end}"
            for form in (text, f"0{text}"):
                result = normalise(form)
                assert result == normalise_slowly(form), form
                known += isinstance(result, PhoneNumber) and ddd in UFS
    assert known == 67 * 2 * (40 + 40 + 10)  # landlines, old mobiles, mobiles; plain and with 0


def test_shared_cost_prefixes_are_refused_by_both_paths() -> None:
    """Nationwide shared-cost numbers are refused though `phonenumbers` calls them geographic."""
    for prefix in range(3000, 3010), range(4000, 4010):
        for four in prefix:
            text = f"11 {four}-7067"
            assert normalise(text) == normalise_slowly(text)


@given(common_forms())
@example("5532123456")
@example("+5532830151")
@example("055 99123-4567")
@example("(055)99123-4567")
def test_the_fast_path_equals_the_slow_one_on_common_forms(text: str) -> None:
    """No form is read differently for being read fast."""
    assert normalise(text) == normalise_slowly(text)


@given(DIGITS_AND_MARKS, st.one_of(st.none(), area_codes))
def test_the_fast_path_equals_the_slow_one_on_number_like_text(
    text: str, default_ddd: str | None
) -> None:
    """Text made of digits and marks is read the same by both paths."""
    assert normalise(text, default_ddd=default_ddd) == normalise_slowly(
        text, default_ddd=default_ddd
    )


@given(st.one_of(st.text(), DIGITS_AND_MARKS, common_forms()), st.one_of(st.none(), area_codes))
def test_what_is_accepted_may_be_dialed_and_is_stable(text: str, default_ddd: str | None) -> None:
    """Any text gives a result; what is accepted passes the last check and normalises to itself."""
    result = normalise(text, default_ddd=default_ddd)
    if isinstance(result, PhoneNumber):
        assert may_be_dialed(result.e164)
        again = accepted(result.e164)
        assert (again.e164, again.kind, again.ddd) == (result.e164, result.kind, result.ddd)
        assert result.zones
        assert result.ufs


@given(st.from_regex(r"[0-9]{7,14}", fullmatch=True))
def test_a_message_never_holds_the_number(digits: str) -> None:
    """No rejection repeats the digits that it rejects."""
    result = normalise(digits)
    if isinstance(result, RejectedNumber):
        assert digits not in result.message
        assert not any(len(run) > 4 for run in result.message.split() if run.isdigit())


def test_area_codes_are_the_67_in_use() -> None:
    """The table has every area code, with the states and zones that differ from the rule."""
    assert len(UFS) == len(ZONES) == 67
    assert {code for code, states in UFS.items() if len(states) > 1} == {"42", "47", "49", "61"}
    assert ZONES["81"] == ("America/Recife",)
    assert ZONES["97"] == ("America/Manaus", "America/Eirunepe")
    assert ZONES["93"] == ("America/Santarem",)
    assert ZONES["91"] == ZONES["94"] == ZONES["96"] == ("America/Belem",)
    assert ZONES["48"] == ("America/Sao_Paulo",)


def test_common_numbers_do_not_load_phonenumbers() -> None:
    """A process that only meets common forms never pays for the numbering library."""
    code = (
        "import sys; from campaigns.numbers import normalise; "
        "normalise('(48) 3283-0151'); sys.exit('phonenumbers' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
