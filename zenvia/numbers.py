"""How a phone number is written for the API: E.164, or area code and number for old accounts."""

from __future__ import annotations

import re
from typing import Literal

NumberFormat = Literal["e164", "ddd"]

_LOOSE = re.compile(r"[ \t().\-]+")
_E164 = re.compile(r"\+55[1-9][1-9]\d{8,9}", re.ASCII)
_BRAZILIAN = re.compile(r"(?:\+?55)?([1-9][1-9]\d{8,9})", re.ASCII)


def written(number: str, number_format: NumberFormat) -> str:
    """Write a Brazilian number in the account's format.

    Ramais (three or four digits), foreign numbers and anything else pass as they are: judging them
    is the API's business.
    """
    if number_format == "e164" and _E164.fullmatch(number):
        return number
    bare = _LOOSE.sub("", number)
    match = _BRAZILIAN.fullmatch(bare)
    if match is None:
        return bare
    return f"+55{match[1]}" if number_format == "e164" else match[1]
