"""Holidays of Brazil, national, of a state and optional, behind an interface of our own.

The dates come from the `holidays` package and from `rules/br/holidays.yaml`, which adds days that
the package lacks and never takes one away. A snapshot holds them as values, so that a run can keep
the calendar it was planned with; every answer names the versions that gave it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date
from types import MappingProxyType
from typing import Final, Literal

from pydantic import Field

from campaigns.areas import UFS
from campaigns.scalars import Day, Frozen

HolidayKind = Literal["national", "state", "optional"]

#: Where the national days stand in a year's table.
_NATION = ""

#: The states and the federal district.
STATES: Final = frozenset(uf for ufs in UFS.values() for uf in ufs)


class DataVersions(Frozen):
    """Which data gave an answer: zone data, the holidays package, a hash of the rule packs."""

    tzdata: str
    holidays: str
    packs: str


class AddedHoliday(Frozen):
    """A day that the `holidays` package lacks: every year (`12-08`) or once (a full date)."""

    name: str
    uf: str | None = Field(default=None, pattern=r"^[A-Z]{2}$")
    kind: HolidayKind
    every: str | None = Field(default=None, pattern=r"^\d{2}-\d{2}$")
    on: Day | None = None
    confidence: Literal["A", "B", "C"]
    source: str

    def days(self, year: int) -> tuple[date, ...]:
        """Give the days of a year on which it falls: one or none."""
        if self.every is not None:
            month, day = self.every.split("-")
            return (date(year, int(month), int(day)),)
        return (self.on,) if self.on is not None and self.on.year == year else ()


class YearOfHolidays(Frozen):
    """The holidays of one year: kind, then state (empty for all of Brazil), then day and name."""

    year: int
    days: dict[HolidayKind, dict[str, dict[Day, str]]]


class CalendarSnapshot(Frozen):
    """A calendar as values, to be stored with a run. JSON carries it both ways unchanged."""

    version: str
    years: tuple[YearOfHolidays, ...]


class Calendar:
    """Says whether a day is a holiday, where, and what it is called.

    Years of `snapshot` are answered from it; all others are worked out once and remembered. The
    `holidays` package is imported at the first such year, not before.
    """

    def __init__(
        self, added: Iterable[AddedHoliday] = (), *, snapshot: CalendarSnapshot | None = None
    ) -> None:
        self._added = tuple(added)
        self._years: dict[int, Mapping[HolidayKind, Mapping[str, Mapping[date, str]]]] = {}
        self._snapshot_version = None
        if snapshot is not None:
            self._snapshot_version = snapshot.version
            self._years = {year.year: MappingProxyType(year.days) for year in snapshot.years}

    @property
    def version(self) -> str:
        """The version of the `holidays` package that gave the dates, as of the snapshot if any."""
        return self._snapshot_version or _package_version()

    def holiday(self, day: date, kind: HolidayKind, ufs: Iterable[str] = ()) -> str | None:
        """Name the holiday of that kind on a day, for all of Brazil or in any of the states."""
        year = self._years.get(day.year)
        if year is None:
            year = self._years[day.year] = MappingProxyType(_year(day.year, self._added).days)
        table = year.get(kind, {})
        for place in (_NATION, *ufs):
            name = table.get(place, {}).get(day)
            if name is not None:
                return name
        return None

    def snapshot(self, first_year: int, last_year: int) -> CalendarSnapshot:
        """Give the holidays of these years as values."""
        years = (_year(year, self._added) for year in range(first_year, last_year + 1))
        return CalendarSnapshot(version=self.version, years=tuple(years))


def _package_version() -> str:
    from holidays.version import __version__ as version  # noqa: PLC0415  # slow to import

    return str(version)


def _year(year: int, added: Iterable[AddedHoliday]) -> YearOfHolidays:
    from holidays import country_holidays  # noqa: PLC0415  # slow to import

    def ask(uf: str | None, category: str) -> dict[date, str]:
        found = country_holidays(
            "BR", subdiv=uf, years=year, categories=(category,), language="pt_BR"
        )
        return {day: name for day, name in found.items() if day.year == year}

    national = ask(None, "public")
    optional = ask(None, "optional")
    days: dict[HolidayKind, dict[str, dict[Day, str]]] = {
        "national": {_NATION: national},
        "state": {},
        "optional": {_NATION: optional},
    }
    for uf in sorted(STATES):
        state = {day: name for day, name in ask(uf, "public").items() if day not in national}
        days["state"][uf] = state
        more = {day: name for day, name in ask(uf, "optional").items() if day not in optional}
        if more:
            days["optional"][uf] = more
    for holiday in added:
        table = days[holiday.kind].setdefault(holiday.uf or _NATION, {})
        for day in holiday.days(year):
            table.setdefault(day, holiday.name)
    return YearOfHolidays(year=year, days=days)
