"""Brazilian phone numbers: from what a spreadsheet holds to one that may be dialed, or a reason.

`normalise` is pure and total: any text gives a `PhoneNumber` or a `RejectedNumber`, never an
exception. Almost every number of a real list takes the fast path, one regular expression over our
own table of area codes; the rest is cleaned step by step and shown to `phonenumbers`, which is
imported only then (parse and type; nothing else of it is right enough to use). That both paths
agree is a test.

Messages never contain the number.
"""

from __future__ import annotations

import re
import unicodedata
from functools import cache
from typing import Any, Final, Literal

from campaigns.areas import UFS, is_area_code, ufs, zones
from campaigns.scalars import Frozen

Kind = Literal["movel", "fixo"]

_DDD: Final = "|".join(UFS)
_COUNTRY: Final = "55"

# What may be dialed at all: a geographic number of an area code in use. The four prefixes are
# nationwide shared-cost numbers that are also reached through an area code.
_DIALABLE = re.compile(
    rf"\+55(?:{_DDD})(?:9[0-9]{{8}}|(?!3003|3004|4003|4004)[2-5][0-9]{{7}})", re.ASCII
)

# The common ways to write a number that needs no repair.
_COMMON = re.compile(
    rf"(?:\+?55 ?(?:\(({_DDD})\)|({_DDD}))|\(0?({_DDD})\)|0?({_DDD}))[ .-]?"
    r"(?:(9[0-9]{4})[ .-]?([0-9]{4})|((?!3003|3004|4003|4004)[2-5][0-9]{3})[ .-]?([0-9]{4}))",
    re.ASCII,
)

_EXTENSION = re.compile(
    r"[\s,;-]*(?:;ext=|\b(?:ramal|ram\.|r\.|ext\.?|extension|x))\s*[:.=]?\s*[0-9]{1,6}\s*$",
    re.IGNORECASE | re.ASCII,
)
_SEVERAL = re.compile(r"\s*(?:[/;|\r\n]|\bou\b|\be\b|,(?=\s*[0-9(+]{2}))\s*", re.IGNORECASE)
_CARRIER_MARK = re.compile(r"\b0?xx\s*(?=[1-9(])", re.IGNORECASE)
_SCIENTIFIC = re.compile(r"[0-9]+(?:[.,][0-9]*)?e[+-]?[0-9]+", re.IGNORECASE | re.ASCII)
_SHEET_ERROR = re.compile(
    r"#+|#(?:N/[AD]|REF!|VALOR!|VALUE!|NOME\?|NAME\?|DIV/0!|NULL!|NULO!|NUM!)"
)
_FRACTION = re.compile(r"([0-9]{8,})[.,]([0-9]{1,2})", re.ASCII)

_SERVICE = re.compile(r"1[0-9]{2}|911|103[0-9]{1,2}|105[0-9]|106[0-9]{1,2}", re.ASCII)
_NON_GEOGRAPHIC = re.compile(
    r"0(?:800|300|303|500|900)[0-9]{6,7}|(?:55)?(?:800|300|303|500|900)[0-9]{7}", re.ASCII
)
_SHARED_COST = re.compile(r"(?:300[0-9]|400[0-9]|4020)[0-9]{4}", re.ASCII)
_SHARED_PREFIXES = ("3003", "3004", "4003", "4004")
_COLLECT = re.compile(r"90[0-9]{10,}", re.ASCII)
_DUMMY = re.compile(r"([0-9])\1{6,}$|(?:0123456|1234567|2345678|9876543|8765432)[0-9]$")

_EMERGENCY_STARTS = ("190", "191", "192", "193", "194", "197", "198", "199")
_AROUND = " \t\r\n\u00a0'\"=/;|,"

_SHORT = (8, 9)
_WHOLE = (10, 11)
_LONGEST_CELL = 200


class PhoneNumber(Frozen):
    """A number that may be dialed.

    `e164` is `+55`, the area code and 8 (fixo) or 9 (movel) digits. `ninth_digit_added` marks an
    old mobile that was completed, `area_code_added` one written without its area code,
    `more_in_cell` a cell that held further text after the first number, and `looks_invented`
    digits such as 99999999.
    """

    e164: str
    kind: Kind
    ddd: str
    ninth_digit_added: bool = False
    area_code_added: bool = False
    more_in_cell: bool = False
    looks_invented: bool = False

    @property
    def ufs(self) -> tuple[str, ...]:
        """The states that the area code serves."""
        return ufs(self.ddd)

    @property
    def zones(self) -> tuple[str, ...]:
        """The IANA zones of the area code."""
        return zones(self.ddd)


class RejectedNumber(Frozen):
    """Why a cell is not a number to dial: a code, and a sentence without the number in it."""

    reason: str
    message: str


def _rejected(reason: str, message: str) -> RejectedNumber:
    return RejectedNumber(reason=reason, message=message)


def may_be_dialed(e164: str) -> bool:
    """Whether a number is one that a campaign may ever call; cheap, asked again before each POST.

    Only geographic Brazilian numbers in full E.164: no emergency or service code, no 0800 and the
    like, no other country.
    """
    return _DIALABLE.fullmatch(e164) is not None


def normalise(text: str, *, default_ddd: str | None = None) -> PhoneNumber | RejectedNumber:
    """Read one cell. Pure and total; normalising the result's `e164` gives the same `e164`.

    `default_ddd` completes numbers without an area code. Of several numbers in one cell the first
    is taken.
    """
    match = _COMMON.fullmatch(text)
    if match is None:
        return normalise_slowly(text, default_ddd=default_ddd)
    one, two, three, four, mobile, mobile_end, fixed, fixed_end = match.groups()
    ddd = one or two or three or four
    local = mobile + mobile_end if mobile else fixed + fixed_end
    return PhoneNumber(
        e164=f"+55{ddd}{local}",
        kind="movel" if mobile else "fixo",
        ddd=ddd,
        looks_invented=_DUMMY.search(local) is not None,
    )


def normalise_slowly(text: str, *, default_ddd: str | None = None) -> PhoneNumber | RejectedNumber:
    """Read one cell without the fast path: every form, and the opinion of `phonenumbers`."""
    cell = _ascii_digits(text[: _LONGEST_CELL + 1]).strip(_AROUND)
    refused = _unreadable(cell)
    if refused:
        return refused
    fraction = _FRACTION.fullmatch(cell)
    cell = _EXTENSION.sub("", fraction[1] if fraction else cell)
    first, *others = _SEVERAL.split(cell, maxsplit=1)
    first = _CARRIER_MARK.sub("0", _EXTENSION.sub("", first))
    if any(char.isalpha() or (char.isnumeric() and not char.isascii()) for char in first):
        return _rejected("letters", "there are letters among the digits")
    digits = "".join(char for char in first if char in "0123456789")
    if not digits:
        return _rejected("not_a_number", "there are no digits")
    national = _national(digits, international=first.lstrip(" (").startswith("+"))
    if isinstance(national, RejectedNumber):
        return national
    return _judged(national, default_ddd=default_ddd, more_in_cell=any(others))


def _ascii_digits(text: str) -> str:
    """Write the decimal digits of other scripts as 0 to 9; all else stays."""
    if text.isascii():
        return text
    return "".join(str(unicodedata.decimal(c)) if c.isdecimal() else c for c in text)


def _unreadable(cell: str) -> RejectedNumber | None:
    """Find what holds no number; where a spreadsheet lost the digits, nothing is guessed."""
    if not cell:
        return _rejected("empty", "there is no number")
    if len(cell) > _LONGEST_CELL:
        return _rejected("not_a_number", "this is far too long for a phone number")
    if _SCIENTIFIC.fullmatch(cell):
        return _rejected(
            "spreadsheet_damage",
            "a spreadsheet rounded this number (as in 4,8E+09) and its digits are lost;"
            " export the column as text",
        )
    if _SHEET_ERROR.fullmatch(cell):
        return _rejected("spreadsheet_damage", "a spreadsheet error stands in place of the number")
    fraction = _FRACTION.fullmatch(cell)
    if fraction and fraction[2].strip("0"):
        return _rejected("spreadsheet_damage", "this is a decimal number, not a phone number")
    return None


def _never_dial(digits: str) -> RejectedNumber | None:
    """Refuse what is a number but never a person's, before prefixes are taken off."""
    bare = digits.removeprefix("0")
    if _SERVICE.fullmatch(bare) or _SERVICE.fullmatch(digits):
        return _rejected("emergency", "this is an emergency or public service number")
    if _NON_GEOGRAPHIC.fullmatch(digits):
        return _rejected("non_geographic", "0800, 0300, 0303, 0500 and 0900 are never called")
    if _SHARED_COST.fullmatch(digits):
        return _rejected("non_geographic", "shared-cost numbers such as 4004 are never called")
    if _COLLECT.fullmatch(digits):
        return _rejected("collect", "this is written as a collect call (90 or 9090)")
    return None


def _national(digits: str, *, international: bool) -> str | RejectedNumber:
    """Take off country, trunk and carrier prefixes, as far as they are there."""
    if digits.startswith("00"):
        digits = digits.lstrip("0")
        international = international or digits.startswith(_COUNTRY)
    if international and not digits.startswith(_COUNTRY):
        return _rejected("foreign", "this is a number of another country")
    refused = _never_dial(digits[2:] if international else digits)
    if refused:
        return refused
    rest = _without_trunk(digits[2:]) if digits.startswith(_COUNTRY) else ""
    if international:
        return rest
    has_country = rest and len(digits) > max(_WHOLE)  # shorter, 55 is the area code
    return rest if has_country else _without_trunk(digits)


def _without_trunk(digits: str) -> str:
    """Take off the leading 0 and, where one follows, the two digits of a carrier."""
    if not digits.startswith("0"):
        return digits
    digits = digits[1:]
    return digits[2:] if len(digits) in {length + 2 for length in _WHOLE} else digits


def _with_area_code(digits: str, default_ddd: str | None) -> str | RejectedNumber:
    """Put the campaign's own area code before a number that has none."""
    service = is_area_code(digits[:2]) and _SERVICE.fullmatch(digits[2:])
    if service or (len(digits) in _SHORT and digits.startswith(_EMERGENCY_STARTS)):
        return _rejected("emergency", "this is an emergency or public service number")
    if len(digits) not in _SHORT:
        return digits
    if default_ddd is None:
        return _rejected(
            "no_area_code", "there is no area code; set dial_list.default_ddd to complete it"
        )
    return default_ddd + digits


def _judged(
    digits: str, *, default_ddd: str | None, more_in_cell: bool
) -> PhoneNumber | RejectedNumber:
    """Complete a national number and accept it, or say what is wrong with it."""
    complete = _with_area_code(digits, default_ddd)
    if isinstance(complete, RejectedNumber):
        return complete
    without_area, digits = complete != digits, complete
    if len(digits) not in _WHOLE:
        few = len(digits) < min(_WHOLE)
        return _rejected("bad_length", f"there are too {'few' if few else 'many'} digits")
    ddd, local = digits[:2], digits[2:]
    if not is_area_code(ddd):
        return _rejected("unknown_area_code", "no place in Brazil has this area code")
    old_mobile = len(digits) == min(_WHOLE) and local[0] in "6789"
    if old_mobile:
        local = f"9{local}"
    e164 = f"+55{ddd}{local}"
    if local.startswith(_SHARED_PREFIXES):
        return _rejected("non_geographic", "shared-cost numbers such as 4004 are never called")
    if not may_be_dialed(e164) or (kind := _opinion(e164)) is None:
        return _rejected("bad_digits", "no phone in Brazil has digits like these")
    return PhoneNumber(
        e164=e164,
        kind=kind,
        ddd=ddd,
        ninth_digit_added=old_mobile,
        area_code_added=without_area,
        more_in_cell=more_in_cell,
        looks_invented=_DUMMY.search(local) is not None,
    )


@cache
def _phonenumbers() -> Any:
    import phonenumbers  # noqa: PLC0415  # 30 MB that most processes never need

    return phonenumbers


def _opinion(e164: str) -> Kind | None:
    """Give what `phonenumbers` takes the number for, if it is one to call."""
    library = _phonenumbers()
    number_type = library.number_type(library.parse(e164, "BR"))
    if number_type == library.PhoneNumberType.MOBILE:
        return "movel"
    return "fixo" if number_type == library.PhoneNumberType.FIXED_LINE else None
