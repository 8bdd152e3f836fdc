"""The small words of a campaign file: how text becomes a number, a flag, a duration, a date.

Every value arrives as the text that was written, because YAML's own guesses corrupt (`NO` is not
false, `20:30` is not 1230, a number keeps its leading zero). JSON that we stored ourselves arrives
typed; both are read by the same types. Each type refuses with a code of its own.
"""

from __future__ import annotations

import re
import unicodedata
from contextlib import suppress
from datetime import date, datetime, timedelta
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, PlainSerializer, WithJsonSchema
from pydantic_core import PydanticCustomError

_DURATION = re.compile(r"(\d{1,9})\s*([smhd])", re.ASCII)
_WHOLE = re.compile(r"\d{1,15}", re.ASCII)
_DECIMAL = re.compile(r"\d{1,15}(\.\d{1,9})?", re.ASCII)
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_INSTANT = re.compile(r"\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(:\d{2})?(Z|[+-]\d{2}:\d{2})?", re.ASCII)
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_LONGEST = timedelta(days=3650)
_YEARS = range(2000, 2200)


class Frozen(BaseModel):
    """A value: it cannot change, and it knows every key that it was given."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def parse_duration(value: Any) -> Any:
    """Read `90s`, `15m`, `4h` or `2d`; anything else is an error that says so."""
    if isinstance(value, timedelta):
        return value
    match = _DURATION.fullmatch(str(value).strip())
    if match is None:
        raise PydanticCustomError(
            "bad_duration", "a duration is a whole number and a unit: 90s, 15m, 4h or 2d"
        )
    duration = timedelta(**{_UNITS[match[2]]: int(match[1])})
    if duration > _LONGEST:
        raise PydanticCustomError("bad_duration", "this duration is longer than ten years")
    return duration


def counted(count: int, one: str, several: str = "") -> str:
    """Write a count of things: 1 row, 2 rows; `several` where an s alone does not make it."""
    return f"{count} {one if count == 1 else several or f'{one}s'}"


def format_duration(value: timedelta) -> str:
    """Write a duration in the largest unit that keeps it whole; the inverse of `parse_duration`."""
    seconds = int(value.total_seconds())
    for unit, size in (("d", 86_400), ("h", 3_600), ("m", 60)):
        if seconds and seconds % size == 0:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"


def _whole(value: Any) -> Any:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if not isinstance(value, str) or _WHOLE.fullmatch(value) is None:
        raise PydanticCustomError("bad_number", "a whole number is needed here, such as 3")
    return int(value)


def _decimal(value: Any) -> Any:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return value
    if not isinstance(value, str) or _DECIMAL.fullmatch(value) is None:
        raise PydanticCustomError("bad_number", "a number is needed here, such as 2 or 0.5")
    return float(value)


def _flag(value: Any) -> Any:
    if isinstance(value, bool):
        return value
    if value not in {"true", "false"}:
        raise PydanticCustomError("bad_flag", "write true or false")
    return value == "true"


def _date(value: Any) -> Any:
    if isinstance(value, str) and _DATE.fullmatch(value):
        with suppress(ValueError):
            return date.fromisoformat(value)
    if isinstance(value, date) and not isinstance(value, datetime):
        return value
    raise PydanticCustomError("bad_date", 'a date is written "2026-12-24"')


def _instant(value: Any) -> Any:
    if isinstance(value, str) and _INSTANT.fullmatch(value):
        with suppress(ValueError):
            value = datetime.fromisoformat(value)
    if isinstance(value, datetime):
        if value.year not in _YEARS:
            raise PydanticCustomError("bad_date", "a year from 2000 to 2199 is needed here")
        return value
    raise PydanticCustomError("bad_date", 'a date and time is written "2026-12-01 09:00"')


def _one_or_many(value: Any) -> Any:
    return (value,) if isinstance(value, str | int) else value


def fold(text: str) -> str:
    """Make two spellings of one word equal: Unicode form, case and outer spaces do not count."""
    return unicodedata.normalize("NFC", text).casefold().strip()


#: A whole number. Text that is anything else (`3.0`, `0x3`, `1_000`) is refused.
Whole = Annotated[int, BeforeValidator(_whole)]

#: A number with an optional decimal point; no exponent, infinity or comma.
Decimal = Annotated[float, BeforeValidator(_decimal)]

#: `true` or `false`; never `yes`, `on` or `1`.
Flag = Annotated[bool, BeforeValidator(_flag)]

#: A span of time; `timedelta` in Python, `15m` in YAML and JSON.
Duration = Annotated[
    timedelta,
    BeforeValidator(parse_duration),
    PlainSerializer(format_duration, return_type=str),
    WithJsonSchema({"type": "string", "pattern": r"^\d{1,9}\s*[smhd]$", "examples": ["15m"]}),
]

#: A calendar day.
Day = Annotated[date, BeforeValidator(_date), WithJsonSchema({"type": "string", "format": "date"})]

#: A date and a time; without an offset it is meant in the zone that stands beside it.
Instant = Annotated[
    datetime,
    BeforeValidator(_instant),
    WithJsonSchema({"type": "string", "pattern": _INSTANT.pattern}),
]

#: Marks a tuple that may also be written as its only element.
OneOrMany = BeforeValidator(_one_or_many)
