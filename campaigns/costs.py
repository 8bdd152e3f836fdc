"""What a call may cost at most: pure, in ten-thousandths of a real, so that sums are exact."""

from __future__ import annotations

import math
from datetime import timedelta
from typing import Final, Literal

from campaigns.guards import Price
from campaigns.numbers import PhoneNumber, normalise

UNITS: Final = 10_000
"""Units in a real: the API tells prices with four decimals."""

OVERRUN: Final = timedelta(seconds=30)
"""How much longer than `max_duration` a call may last: it is seen too late by the time between two
looks, hung up by a request that may have to be repeated, and ends a moment after that."""

LegKind = Literal["movel", "fixo", "ramal"]


def units(brl: float) -> int:
    """Return reais in whole units, rounded to the nearest."""
    return round(brl * UNITS)


def reais(amount: int) -> float:
    """Return units in reais."""
    return amount / UNITS


def leg_kind(text: str) -> LegKind:
    """Return how a leg is billed that is dialed as `text`; what is no phone number is a ramal."""
    number = normalise(text)
    return number.kind if isinstance(number, PhoneNumber) else "ramal"


def leg_cost(price: Price, kind: LegKind, seconds: float) -> int:
    """Return what a leg of this kind costs that was up for `seconds`, in units, rounded up."""
    minimum, step = price.minimum.total_seconds(), price.step.total_seconds()
    billed = minimum + math.ceil(max(seconds - minimum, 0.0) / step) * step
    a_minute: float = getattr(price, kind)
    return math.ceil(round(a_minute * UNITS * billed / 60, 6))


def worst_cases(
    price: Price, other: LegKind, *, max_duration: timedelta, detection: bool = False
) -> dict[LegKind, int]:
    """Return the most that one call can cost, by kind of the contact's number, in units.

    Both legs are up for the longest time. A number of the contact is `movel` or `fixo`.
    """
    seconds = (max_duration + OVERRUN).total_seconds()
    beside = leg_cost(price, other, seconds)
    if detection:
        beside += math.ceil(round((price.detection or 0.0) * UNITS, 6))
    return {
        "movel": leg_cost(price, "movel", seconds) + beside,
        "fixo": leg_cost(price, "fixo", seconds) + beside,
    }
