"""Holidays: which days, of which states, from which data."""

from __future__ import annotations

import subprocess
import sys
from datetime import date

import pytest

from campaigns.calendar import STATES, AddedHoliday, Calendar, CalendarSnapshot
from campaigns.packs import shipped_packs

CALENDAR = Calendar(shipped_packs().holidays())


def test_the_national_holidays_of_2026_are_those_of_the_federal_ordinance() -> None:
    """Ten national days, 20 November among them, and no others."""
    found = {
        day
        for day in (date.fromordinal(date(2026, 1, 1).toordinal() + n) for n in range(365))
        if CALENDAR.holiday(day, "national")
    }
    expected = [
        "01-01",
        "04-03",
        "04-21",
        "05-01",
        "09-07",
        "10-12",
        "11-02",
        "11-15",
        "11-20",
        "12-25",
    ]
    assert found == {date.fromisoformat(f"2026-{day}") for day in expected}


@pytest.mark.parametrize(
    ("uf", "day"),
    [
        ("RJ", "2026-02-17"),
        ("RJ", "2026-04-23"),
        ("SP", "2026-07-09"),
        ("RS", "2026-09-20"),
        ("BA", "2026-07-02"),
        ("SC", "2026-11-29"),
        ("AM", "2026-12-08"),
        ("PE", "2026-06-24"),
        ("AP", "2026-05-15"),
        ("AL", "2026-11-30"),
    ],
)
def test_a_state_holiday_closes_its_own_state_only(uf: str, day: str) -> None:
    """A state's day is a holiday there, and not where another state's law holds."""
    when = date.fromisoformat(day)
    assert CALENDAR.holiday(when, "state", (uf,))
    assert CALENDAR.holiday(when, "state", ("MT",)) is None
    assert CALENDAR.holiday(when, "national") is None


def test_an_area_code_of_two_states_keeps_the_holidays_of_both() -> None:
    """Either state's holiday counts where both are named."""
    assert CALENDAR.holiday(date(2026, 11, 30), "state", ("GO", "DF"))


@pytest.mark.parametrize("day", ["2026-02-16", "2026-06-04", "2026-04-20", "2026-06-05"])
def test_optional_days_are_kept_apart(day: str) -> None:
    """Carnival, Corpus Christi and the bridge days of the ordinance are optional, not national."""
    when = date.fromisoformat(day)
    assert CALENDAR.holiday(when, "optional")
    assert CALENDAR.holiday(when, "national") is None


def test_every_state_that_an_area_code_serves_has_a_calendar() -> None:
    """All 27 are known to the calendar, also those without a holiday of their own."""
    year = CALENDAR.snapshot(2026, 2026).years[0]
    assert set(year.days["state"]) == STATES
    assert len(STATES) == 27


def test_a_snapshot_answers_as_the_calendar_did() -> None:
    """Stored as JSON and read again, it names the same days and the version they came from."""
    stored = CALENDAR.snapshot(2026, 2027).model_dump_json()
    again = CalendarSnapshot.model_validate_json(stored)
    frozen = Calendar(snapshot=again)
    for ordinal in range(date(2026, 1, 1).toordinal(), date(2028, 1, 1).toordinal()):
        day = date.fromordinal(ordinal)
        for kind in ("national", "state", "optional"):
            assert frozen.holiday(day, kind, sorted(STATES)) == CALENDAR.holiday(
                day, kind, sorted(STATES)
            )
    assert frozen.version == CALENDAR.version


def test_a_snapshot_outlives_a_change_of_the_data() -> None:
    """A run keeps the days that it was planned with; other years come from the data of today."""
    snapshot = Calendar().snapshot(2026, 2026).model_copy(update={"version": "0.1"})
    added = AddedHoliday(
        name="Dia novo", kind="national", every="03-10", confidence="C", source="a test"
    )
    calendar = Calendar([added], snapshot=snapshot)
    assert calendar.holiday(date(2026, 3, 10), "national") is None
    assert calendar.holiday(date(2027, 3, 10), "national") == "Dia novo"
    assert calendar.version == "0.1"


def test_an_added_day_never_hides_one_of_the_package() -> None:
    """Adding a day that is there already keeps the name it had."""
    added = AddedHoliday(
        name="Outro nome", kind="national", every="12-25", confidence="C", source="a test"
    )
    assert Calendar([added]).holiday(date(2026, 12, 25), "national") == "Natal"


def test_importing_the_decision_does_not_load_the_holidays_package() -> None:
    """The package is slow to import; whoever asks nothing does not pay for it."""
    code = (
        "import sys, campaigns.explain\n"
        "campaigns.explain.HoursOracle(campaigns.explain.Terms(purpose='sales'))\n"
        "print('holidays' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
