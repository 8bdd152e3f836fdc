"""Instants as the API writes and reads them."""

import re
from datetime import UTC, datetime, timedelta, timezone
from functools import lru_cache
from math import floor

# The API prints this offset everywhere; Brasilia has had no other since 2019.
BRASILIA = timezone(timedelta(hours=-3))

DATE_ONLY = re.compile(r"\d{4}-\d{2}-\d{2}")
# PHP and Ruby clients send "2018-03-14 03:00:00 UTC"; a raw "+" or "%20" stands for the space.
SPACED_UTC = re.compile(r"(\d{4}-\d{2}-\d{2})[ +](\d{2}:\d{2}:\d{2})[ +]UTC")
# An unescaped "+03:00" arrives as " 03:00".
LOST_PLUS = re.compile(r"(.*T[\d:.]+) (\d{2}:\d{2})")
DAY = 86_400.0
LAST = datetime(9999, 12, 30, tzinfo=UTC).timestamp()  # beyond it no calendar can go


def iso(instant: float) -> str:
    """Epoch seconds as ISO 8601 with the offset -03:00, whole seconds."""
    return _iso(floor(round(instant, 6)))


@lru_cache(maxsize=4_096)
def _iso(second: int) -> str:
    return datetime.fromtimestamp(second, BRASILIA).isoformat()


@lru_cache(maxsize=4_096)
def clock(seconds: int) -> str:
    """Write a duration as HH:MM:SS."""
    minutes, second = divmod(seconds, 60)
    hour, minute = divmod(minutes, 60)
    return f"{hour:02d}:{minute:02d}:{second:02d}"


def parse(text: str, *, end_of_day: bool = False) -> float | None:
    """Read any date form that the official clients send, as epoch seconds; None if it is none.

    A date alone is that day in Brasilia: its first second, or its last with `end_of_day`.
    A time without an offset is UTC, as the documentation says of dates that are sent.
    """
    text = text.strip()
    try:
        if DATE_ONLY.fullmatch(text):
            start = datetime.fromisoformat(text).replace(tzinfo=BRASILIA).timestamp()
            return start + DAY - 1 if end_of_day else start
        if match := SPACED_UTC.fullmatch(text):
            text = f"{match[1]}T{match[2]}+00:00"
        elif match := LOST_PLUS.fullmatch(text):
            text = f"{match[1]}+{match[2]}"
        moment = datetime.fromisoformat(text)
        instant = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None
    return instant if instant < LAST else None
