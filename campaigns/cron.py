"""What may stand in a cron line of five fields, read as Temporal reads it.

Beyond crontab: a day of the month and a day of the week must both fit, where both are limited.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

_WEEKDAYS: Final = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_MONTHS: Final = (
    *("jan", "feb", "mar", "apr", "may", "jun"),
    *("jul", "aug", "sep", "oct", "nov", "dec"),
)


class _Field(NamedTuple):
    name: str
    least: int
    most: int
    words: tuple[str, ...] = ()


_FIELDS: Final = (
    _Field("minute", 0, 59),
    _Field("hour", 0, 23),
    _Field("day of the month", 1, 31),
    _Field("month", 1, 12, _MONTHS),
    _Field("day of the week", 0, 7, _WEEKDAYS),
)
_PART: Final = re.compile(r"(?:\*|(\w+)(?:-(\w+))?)(?:/(\w+))?", re.ASCII)
_LONGEST: Final = {4: 30, 6: 30, 9: 30, 11: 30, 2: 29}
_ALL: Final = "*"


def mistake(line: str) -> str | None:
    """Say what is wrong with a cron line, or None where it is right."""
    texts = line.split()
    if len(texts) != len(_FIELDS):
        return f"a cron line has five fields, this has {len(texts)}"
    values: list[set[int]] = []
    for field, text in zip(_FIELDS, texts, strict=True):
        read = _values(field, text)
        if isinstance(read, str):
            return read
        values.append(read)
    _, _, days, months, _ = values
    if not any(day <= _LONGEST.get(month, 31) for day in days for month in months):
        return "no year has such a day"
    return None


def limits_both_days(line: str) -> bool:
    """Whether a line names days of the month and days of the week."""
    texts = line.split()
    return len(texts) == len(_FIELDS) and not texts[2].startswith(_ALL) and texts[4] != _ALL


def _values(field: _Field, text: str) -> set[int] | str:
    """Give the values that a field stands for, or what is wrong with it."""
    found: set[int] = set()
    for part in text.split(","):
        match = _PART.fullmatch(part)
        if match is None:
            return f'the {field.name} is written such as *, 5, 1-5, 1,3 or */2, not "{part}"'
        first, last, step = match[1], match[2], match[3]
        low = field.least if first is None else _value(field, first)
        if first is None or (step is not None and last is None):
            high: int | None = field.most
        else:
            high = low if last is None else _value(field, last)
        if low is None or high is None:
            return f"the {field.name} goes from {field.least} to {field.most}"
        if low > high:
            return f"the {field.name} goes up: {part} ends before it begins"
        by = 1 if step is None else int(step) if step.isdigit() else 0
        if not 0 < by <= field.most:
            return f"the {field.name} has a step from 1 to {field.most}"
        found.update(range(low, high + 1, by))
    return found


def _value(field: _Field, text: str) -> int | None:
    """Read a number or one of the field's words; None for anything else."""
    word = text.casefold()
    if word in field.words:
        return field.words.index(word) + field.least
    if not text.isdigit() or len(text) > len("59"):
        return None
    value = int(text)
    return value if field.least <= value <= field.most else None
