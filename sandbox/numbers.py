"""Telephone numbers as the API takes them: E.164 of Brazil, DDD + number, or a ramal."""

import re
from dataclasses import dataclass
from typing import Literal

Kind = Literal["ramal", "movel", "fixo"]

RAMAL = re.compile(r"\d{3,4}")
INTERNATIONAL = re.compile(r"\+?55([1-9]{2}\d{8,9})")
NATIONAL = re.compile(r"[1-9]{2}\d{8,9}")


@dataclass(frozen=True, slots=True)
class Number:
    """A number that the API accepts.

    `text` is what the caller sent, without spaces; `digits` is the form by which numbers are
    compared (DDD + number, or the ramal), so that `+5548...` and `48...` are one person.
    """

    text: str
    digits: str
    kind: Kind


def parse(value: object) -> Number | None:
    """Read a number in one of the accepted forms; None for anything else.

    A leading space counts as the `+` that an unescaped query string loses.
    """
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str) or not value.isascii():
        return None
    text = ("+" + value[1:] if value.startswith(" ") else value).replace(" ", "")
    if RAMAL.fullmatch(text):
        return Number(text, text, "ramal")
    if match := INTERNATIONAL.fullmatch(text):
        return Number(text, match[1], kind_of(match[1]))
    if NATIONAL.fullmatch(text):
        return Number(text, text, kind_of(text))
    return None


def kind_of(digits: str) -> Kind:
    """Landlines begin with 1-5 after the DDD (the documentation's samples begin with 1)."""
    if len(digits) <= 4:  # noqa: PLR2004 - the longest ramal
        return "ramal"
    return "movel" if digits[2] in "6789" else "fixo"
