"""The campaign's own start and end: as instants, as links of a decision, and as a cron line."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaigns import cron
from campaigns.clocks import packaged_zone
from campaigns.definition import Purpose, Schedule
from campaigns.explain import HoursOracle, Terms, Verdict
from campaigns.opening import CallingHours
from campaigns.period import Period

TICK = timedelta(microseconds=1)
OFFICE = CallingHours.model_validate({"mon-fri": "09:00-18:00", "timezone": "contact"})
SOMEWHEN = st.datetimes(
    min_value=datetime(2026, 11, 20),  # noqa: DTZ001  # hypothesis adds the zone
    max_value=datetime(2026, 12, 10),  # noqa: DTZ001
    timezones=st.just(UTC),
)


def at(text: str) -> datetime:
    """Read a time of São Paulo."""
    return datetime.fromisoformat(text).replace(tzinfo=packaged_zone("America/Sao_Paulo"))


def oracle(start: str | None = None, end: str | None = None, hours: object = OFFICE) -> HoursOracle:
    """Make an oracle for a campaign with these edges, in São Paulo's time."""
    written = Schedule.model_validate({"start_at": start, "end_at": end})
    terms = Terms(purpose=Purpose.COLLECTION, period=Period.of(written))
    return HoursOracle(terms.model_copy(update={"hours": hours}))


def blocked_by(verdict: Verdict) -> list[str]:
    """Give the rules that block, in their order."""
    return [reason.rule for reason in verdict.reasons if reason.blocks]


def test_times_are_read_in_their_zone_unless_they_have_an_offset() -> None:
    """The zone beside them counts for local times alone."""
    schedule = Schedule.model_validate(
        {
            "start_at": "2026-12-01 09:00",
            "end_at": "2026-12-01T18:00:00-03:00",
            "timezone": "America/Rio_Branco",
        }
    )
    period = Period.of(schedule)
    assert period.starts_at == datetime(2026, 12, 1, 14, tzinfo=UTC)
    assert period.ends_at == datetime(2026, 12, 1, 21, tzinfo=UTC)


@pytest.mark.parametrize("text", ["2026-11-01 01:30", "2026-03-08 02:30"])
def test_a_time_that_is_there_twice_or_never_makes_the_period_shorter(text: str) -> None:
    """Around a change of clocks it starts at the later reading and ends at the earlier one."""
    zone = "America/New_York"
    written = Schedule.model_validate({"start_at": text, "end_at": text, "timezone": zone})
    period = Period.of(written)
    assert period.starts_at is not None
    assert period.ends_at == period.starts_at - timedelta(hours=1)


def test_before_its_start_a_campaign_waits_for_it() -> None:
    """A start within the hours is when the first call may start; one outside is when they open."""
    for start, opens in (
        ("2026-12-01 10:30", "2026-12-01 10:30"),
        ("2026-12-05 08:00", "2026-12-07 09:00"),
    ):
        verdict = oracle(start).evaluate("11", at("2026-11-30 11:00"))
        assert (verdict.callable, verdict.next) == (False, at(opens))
        assert blocked_by(verdict) == ["start-at"]
        assert oracle(start).evaluate("11", at(opens)).callable


def test_after_its_end_a_campaign_calls_no_more() -> None:
    """The end itself is the last instant, it cuts the hours short, and the next is never."""
    ending = oracle(end="2026-12-01 10:30")
    verdict = ending.evaluate("11", at("2026-12-01 09:30"))
    assert (verdict.callable, verdict.callable_until) == (True, at("2026-12-01 10:30"))
    assert ending.evaluate("11", at("2026-12-01 10:30")).callable
    verdict = ending.evaluate("11", at("2026-12-01 10:30") + TICK)
    assert (verdict.callable, verdict.next, verdict.why) == (False, None, "end-at")


def test_hours_that_open_after_the_end_are_no_hope() -> None:
    """Who would be called tomorrow is not called at all where the campaign ends tonight."""
    verdict = oracle(end="2026-12-01 23:00").evaluate("11", at("2026-12-01 19:00"))
    assert (verdict.callable, verdict.next) == (False, None)
    assert blocked_by(verdict) == ["end-at", "calling-hours"]


def test_an_end_binds_a_campaign_that_calls_always() -> None:
    """`calling_hours: always` switches off hours and rules, not the campaign's own end."""
    always = oracle("2026-12-01 08:00", "2026-12-01 10:00", hours="always")
    first, last = at("2026-12-01 08:00"), at("2026-12-01 10:00")
    assert always.evaluate("11", first - TICK).next == first
    assert always.evaluate("11", first).callable_until == last
    assert always.evaluate("11", last + TICK).why == "end-at"


@given(
    SOMEWHEN,
    SOMEWHEN,
    SOMEWHEN,
    st.sampled_from(["11", "68", "92"]),
    st.sampled_from(["always", OFFICE]),
)
def test_a_period_only_narrows_and_is_never_left(
    start: datetime, end: datetime, when: datetime, ddd: str, hours: Any
) -> None:
    """Whatever the edges, a call starts only within them and within the hours, and no other.

    What is said of later holds: until `callable_until` it may start, and at `next` it may again.
    """
    terms = Terms(purpose=Purpose.COLLECTION, hours=hours)
    period = Period(starts_at=start, ends_at=end)
    narrow = HoursOracle(terms.model_copy(update={"period": period}))
    verdict = narrow.evaluate(ddd, when)
    assert verdict.callable == (
        start <= when <= end and HoursOracle(terms).evaluate(ddd, when).callable
    )
    if verdict.callable:
        assert verdict.callable_until is not None
        assert verdict.callable_until <= end
        assert narrow.evaluate(ddd, verdict.callable_until).callable
        assert not narrow.evaluate(ddd, verdict.callable_until + TICK).callable
        assert not blocked_by(verdict)
        return
    assert blocked_by(verdict)
    if verdict.next is not None:
        assert max(when, start) <= verdict.next <= end
        assert narrow.evaluate(ddd, verdict.next).callable
        if verdict.next - TICK > when:
            assert not narrow.evaluate(ddd, verdict.next - TICK).callable


@pytest.mark.parametrize(
    "line",
    ["0 9 * * 1-5", "*/15 9-18 * jan MON,wed", "0 9 5/10 * *", "0 9 29 2 *", "0 0 * * 7"],
)
def test_lines_that_temporal_takes_are_right(line: str) -> None:
    """Each of these was given to a Temporal server, which has next times for it."""
    assert cron.mistake(line) is None


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("60 9 * * *", "the minute goes from 0 to 59"),
        ("9-5 9 * * *", "9-5 ends before it begins"),
        ("0 9 * * 7-1", "7-1 ends before it begins"),
        ("0 9 0 * *", "the day of the month goes from 1 to 31"),
        ("0 9 31 2,4 *", "no year has such a day"),
        ("*/0 * * * *", "the minute has a step from 1 to 59"),
        ("0 9 * * 1,,2", "the day of the week is written such as"),
        ("0 9 * *", "five fields, this has 4"),
    ],
)
def test_lines_that_never_start_or_are_refused_say_why(line: str, said: str) -> None:
    """A line that Temporal refuses, or for which it finds no time, is a mistake with a reason."""
    found = cron.mistake(line)
    assert found is not None
    assert said in found
