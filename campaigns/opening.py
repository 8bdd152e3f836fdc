"""The hours in which a campaign may call, as people write them: windows by day of the week.

Only what was written. Which instant is open for which contact (zones, holidays, rule packs, summer
time) is worked out by `campaigns.calendar`.
"""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Annotated, Any, Final, Literal, Self

from pydantic import (
    BeforeValidator,
    Field,
    model_serializer,
    model_validator,
)
from pydantic_core import PydanticCustomError

from campaigns.scalars import Day, Frozen, OneOrMany

#: The days in the order of `date.weekday()`.
DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")

#: The shape of an IANA zone name; whether the zone exists is checked by the loader.
ZONE_NAME: Final = r"^[A-Za-z]+(/[A-Za-z0-9_+-]+)*$"

_WINDOW = re.compile(r"([01]\d|2[0-3]):([0-5]\d)\s*-\s*(?:([01]\d|2[0-3]):([0-5]\d)|24:00)")
_RANGE = re.compile(rf"({'|'.join(DAYS)})-({'|'.join(DAYS)})")
_MIDNIGHT = 24 * 60


class Window(Frozen):
    """A span of local time, `opens` included and `closes` not, in minutes since midnight.

    Written `09:00-20:00`; `24:00` closes at the end of the day. A window never spans midnight.
    """

    opens: int = Field(ge=0, lt=_MIDNIGHT)
    closes: int = Field(gt=0, le=_MIDNIGHT)

    @model_validator(mode="before")
    @classmethod
    def _written(cls, data: Any) -> Any:
        if not isinstance(data, str):
            return data
        match = _WINDOW.fullmatch(data.strip())
        if match is None:
            raise PydanticCustomError("bad_hours", 'hours are written "09:00-20:00"')
        closes = _MIDNIGHT if match[3] is None else int(match[3]) * 60 + int(match[4])
        return {"opens": int(match[1]) * 60 + int(match[2]), "closes": closes}

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.opens >= self.closes:
            raise PydanticCustomError(
                "bad_hours", "these hours end before they begin; a window stays within one day"
            )
        return self

    @model_serializer
    def _write(self) -> str:
        return str(self)

    def __str__(self) -> str:
        return "-".join(f"{m // 60:02d}:{m % 60:02d}" for m in (self.opens, self.closes))


def _windows(value: Any) -> Any:
    return () if value == "closed" else value


Windows = Annotated[
    tuple[Window, ...],
    OneOrMany,
    BeforeValidator(_windows),
]


def days_of(key: str) -> tuple[str, ...]:
    """Give the days that a key names: `sat`, or `mon-fri`; none if it is not a name of days."""
    if key in DAYS:
        return (key,)
    match = _RANGE.fullmatch(key)
    if match is None:
        return ()
    first, last = DAYS.index(match[1]), DAYS.index(match[2])
    return DAYS[first : last + 1] if first < last else (*DAYS[first:], *DAYS[: last + 1])


class CallingHours(Frozen):
    """Windows by weekday; a day that is not named is closed.

    `timezone` is `contact` (the zones of the number's area code, all of them) or one IANA zone.
    `holidays` are national and state ones, `optional_holidays` such as Carnival (absent: closed for
    sales only), `extra_dates` are further closed days.
    """

    mon: Windows = ()
    tue: Windows = ()
    wed: Windows = ()
    thu: Windows = ()
    fri: Windows = ()
    sat: Windows = ()
    sun: Windows = ()
    timezone: str = Field(default="contact", pattern=ZONE_NAME)
    holidays: Literal["closed", "open"] = "closed"
    optional_holidays: Literal["closed", "open"] | None = None
    extra_dates: Annotated[tuple[Day, ...], OneOrMany] = ()

    def windows(self, weekday: int) -> tuple[Window, ...]:
        """Give the windows of a day of the week, 0 being Monday as in `date.weekday()`."""
        windows: tuple[Window, ...] = getattr(self, DAYS[weekday])
        return windows

    @model_validator(mode="before")
    @classmethod
    def _ranges(cls, data: Any) -> Any:
        if not isinstance(data, dict):
            return data
        spread: dict[Any, Any] = {}
        for key, value in data.items():
            for day in days_of(key) if isinstance(key, str) else ():
                if day in spread:
                    raise PydanticCustomError(
                        "day_twice", "{day} is named twice", {"day": day, "key": key}
                    )
                spread[day] = value
            if not (isinstance(key, str) and days_of(key)):
                spread[key] = value
        return spread

    @model_validator(mode="after")
    def _sane(self) -> Self:
        for day in DAYS:
            ordered = sorted(getattr(self, day), key=lambda window: window.opens)
            if any(a.closes > b.opens for a, b in pairwise(ordered)):
                raise PydanticCustomError(
                    "bad_hours", "the hours of {day} overlap", {"day": day, "key": day}
                )
        if not any(getattr(self, day) for day in DAYS):
            raise PydanticCustomError("never_open", "no day of the week is open")
        return self
