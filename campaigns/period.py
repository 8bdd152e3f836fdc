"""From when and until when a campaign may call at all, as instants: `schedule` read in its zone.

A local time that its zone shows twice, or skips, is read so that the period is never longer than
what may have been meant: the later instant for its start, the earlier one for its end.
"""

from __future__ import annotations

from datetime import UTC, datetime

from campaigns.clocks import packaged_zone
from campaigns.definition import Schedule
from campaigns.scalars import Frozen


class Period(Frozen):
    """No attempt starts before `starts_at` or after `ends_at`; UTC, None where there is no edge."""

    starts_at: datetime | None = None
    ends_at: datetime | None = None

    @classmethod
    def of(cls, schedule: Schedule | None) -> Period:
        """Read the period that a campaign writes. ValueError for a zone that is not known."""
        if schedule is None:
            return Period()
        start, end = schedule.start_at, schedule.end_at
        return Period(
            starts_at=None if start is None else max(_readings(start, schedule.timezone)),
            ends_at=None if end is None else min(_readings(end, schedule.timezone)),
        )

    @property
    def is_empty(self) -> bool:
        """Whether it ends before it begins."""
        return None not in (self.starts_at, self.ends_at) and self.ends_at <= self.starts_at  # type: ignore[operator]  # None was taken out


def _readings(at: datetime, zone: str) -> tuple[datetime, ...]:
    """Give the instants that a written time may name: one, or two around a change of clocks."""
    if at.tzinfo is not None:
        return (at.astimezone(UTC),)
    local = at.replace(tzinfo=packaged_zone(zone))
    return tuple(local.replace(fold=fold).astimezone(UTC) for fold in (0, 1))
