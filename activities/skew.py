"""How far the provider's clock is ahead of ours: pure.

A report is asked for by the provider's time, to the second, and at a thousand calls a second each
second too much is a thousand rows. Each call says a little: the provider created it after its
intent was written here and before its answer was. What all of them say together is much narrower.
"""

from __future__ import annotations

from typing import NamedTuple

UNKNOWN_SKEW = 3_600.0
"""Seconds by which the provider's clock may differ from ours before one call has shown it."""
SECOND = 1.0
"""The API prints when a call was created to the second, and leaves out what is over."""


class Skew(NamedTuple):
    """Seconds by which the provider's clock is ahead, at least and at most.

    `agreed` tells whether one difference would explain all calls so far; where none does, clocks
    jump or differ among themselves, and from then on the bounds only widen.
    """

    least: float
    most: float
    agreed: bool = True

    @staticmethod
    def of(created: float, after: float, before: float) -> Skew:
        """Return what a call says that was created after one instant of ours and before another."""
        cut = SECOND if created.is_integer() else 0.0
        return Skew(created - max(before, after), created + cut - after)

    def and_also(self, other: Skew) -> Skew:
        """Return what is known once another call has said something, too."""
        if self.agreed and other.least <= self.least and self.most <= other.most:
            return self  # nothing new, as most calls say
        least, most = max(self.least, other.least), min(self.most, other.most)
        if self.agreed and least <= most:
            return Skew(least, most)
        return Skew(min(self.least, other.least), max(self.most, other.most), agreed=False)


def bounds(skew: Skew | None, margin: float) -> tuple[float, float]:
    """Return by how much the provider's clock is ahead at least and at most.

    What calls have shown is widened by `margin`, for what clocks drift.
    """
    if skew is None:
        return -UNKNOWN_SKEW, UNKNOWN_SKEW
    return skew.least - margin, skew.most + margin
