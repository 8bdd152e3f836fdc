"""Tolerant fields: what is missing, null or of another type than documented reads as None.

Source of each rule: the API's samples and clients, where they differ from its tables.
"""

from __future__ import annotations

import json
import math
import unicodedata
from datetime import UTC, datetime, tzinfo
from functools import partial
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from pydantic import AwareDatetime, BeforeValidator

_BRASILIA = ZoneInfo("America/Sao_Paulo")
_FIRST_YEAR, _LAST_YEAR = 1, 9999
_MAX_ID = 2**63 - 1
_TRUE = frozenset({"true", "1", "sim", "yes"})
_FALSE = frozenset({"false", "0", "nao", "não", "no"})


def _text(value: Any) -> str | None:
    if value is None:
        return None
    if isinstance(value, str):
        text = value
    elif isinstance(value, bool | int | float):
        text = str(value)
    else:
        text = json.dumps(value, ensure_ascii=False, default=str)
    return text.replace("\0", "").strip()


def _word(value: Any) -> str | None:
    text = _text(value)
    if not text:
        return None
    return text.lower() if text.isascii() else unicodedata.normalize("NFC", text).casefold()


def _whole(value: Any) -> int | None:
    if value is None:
        return None
    if isinstance(value, str):
        value = value.strip()
        if not (len(value) <= 19 and value.isascii() and value.lstrip("-").isdigit()):  # noqa: PLR2004 - digits of the largest 64-bit number
            return None
        try:
            value = int(value)
        except ValueError:
            return None
    if isinstance(value, float):
        if not value.is_integer():
            return None
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or abs(value) > _MAX_ID:
        return None
    return value


def _identity(value: Any) -> int:
    number = _whole(value)
    if number is None or number < 0:
        raise ValueError("not an id")
    return number


def _real(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def _flag(value: Any) -> bool | None:
    if isinstance(value, bool):
        return value
    text = str(value).strip().casefold() if isinstance(value, str | int) else ""
    return True if text in _TRUE else False if text in _FALSE else None


def _moment(value: Any, *, zone: tzinfo) -> datetime | None:
    if not isinstance(value, str | datetime):
        return None
    try:
        moment = value if isinstance(value, datetime) else datetime.fromisoformat(value.strip())
        moment = moment if moment.tzinfo is not None else moment.replace(tzinfo=zone)
        if not _FIRST_YEAR < moment.year < _LAST_YEAR:
            moment.astimezone(UTC)  # which may lie outside the calendar
    except (ValueError, OverflowError):
        return None
    return moment


Text = Annotated[str | None, BeforeValidator(_text)]
"""Text without surrounding space."""
Word = Annotated[str | None, BeforeValidator(_word)]
"""One of a set of words: NFC, case folded; empty reads as None."""
Whole = Annotated[int | None, BeforeValidator(_whole)]
Id = Annotated[int, BeforeValidator(_identity)]
Real = Annotated[float | None, BeforeValidator(_real)]
Flag = Annotated[bool | None, BeforeValidator(_flag)]
Moment = Annotated[AwareDatetime | None, BeforeValidator(partial(_moment, zone=UTC))]
"""A time; without an offset it is UTC, as observed at the top of an object."""
LocalMoment = Annotated[AwareDatetime | None, BeforeValidator(partial(_moment, zone=_BRASILIA))]
"""A time; without an offset it is Brasília's, as observed inside a leg."""
