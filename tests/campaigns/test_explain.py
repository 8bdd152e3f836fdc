"""Who may be called when, until when, and by which rule: for every area code and by properties."""

from __future__ import annotations

import os
import random
import threading
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from campaigns.areas import UFS, ZONES
from campaigns.calendar import Calendar
from campaigns.clocks import Clocks, packaged_zone
from campaigns.definition import Campaign, Purpose, RuleOverride
from campaigns.explain import CallFacts, HoursOracle, Terms, Verdict, evaluate
from campaigns.opening import DAYS, CallingHours
from campaigns.packs import Packs, shipped_packs
from tests.campaigns.zone_data import with_summer_time

GOLDEN = Path(__file__).parent / "golden"
TICK = timedelta(microseconds=1)
SUMMER = Clocks(with_summer_time(datetime(2026, 11, 1), datetime(2027, 2, 21)))  # noqa: DTZ001  # local midnights
CALENDAR = Calendar(shipped_packs().holidays())

# Days around a change of clocks in the night to 2026-11-01.
DAYS_SHOWN = {
    "weekday before": date(2026, 10, 29),
    "Saturday before": date(2026, 10, 31),
    "Sunday of the change": date(2026, 11, 1),
    "national holiday": date(2026, 11, 2),
    "weekday after": date(2026, 11, 4),
    "Saturday after": date(2026, 11, 7),
}


def local(ddd: str, text: str, clocks: Clocks | None = None) -> datetime:
    """Read a local time of an area code (of its first zone)."""
    zone = ZONES[ddd][0]
    tz = clocks.zone(zone) if clocks else packaged_zone(zone)
    return datetime.fromisoformat(text).replace(tzinfo=tz)


def starts(oracle: HoursOracle, ddd: str, day: date, clocks: Clocks) -> list[tuple[str, str]]:
    """List the first and last instants (UTC) at which a call may start on a local day."""
    at: datetime | None = local(ddd, f"{day} 00:00", clocks).astimezone(UTC)
    end = local(ddd, f"{day + timedelta(days=1)} 00:00", clocks).astimezone(UTC)
    found = []
    while at is not None and at < end:
        verdict = oracle.evaluate(ddd, at)
        if verdict.callable:
            assert verdict.callable_until is not None
            found.append((f"{at:%H:%M:%S}", f"{verdict.callable_until:%H:%M:%S}"))
            at = verdict.callable_until + TICK
        else:
            assert verdict.next is None or verdict.next > at
            at = verdict.next
    return found


def state_holiday(ddd: str) -> date | None:
    """Find a state holiday of 2026 or 2027 on a working day that is not a national one."""
    for number in range(730):
        day = date(2026, 1, 1) + timedelta(days=number)
        if (
            day.weekday() < 5
            and CALENDAR.holiday(day, "state", UFS[ddd])
            and not CALENDAR.holiday(day, "national")
        ):
            return day
    return None


def table(terms: Terms) -> str:
    """Write the golden table: per area code and kind of day, first and last start in UTC."""
    oracle = HoursOracle(terms, clocks=SUMMER)
    lines = [
        f"# {terms.purpose}, {terms.automation}: first and last instant (UTC) at which a call may",
        "# start. Made-up zone data: the South's clocks go forward in the night to 2026-11-01.",
    ]
    for ddd in UFS:
        lines.append(f"\n{ddd} {'+'.join(UFS[ddd])} {' '.join(ZONES[ddd])}")
        days = {**DAYS_SHOWN, "state holiday": state_holiday(ddd)}
        for name, day in days.items():
            if day is None:
                lines.append(f"  {name:<22}           none on a working day")
                continue
            spans = starts(oracle, ddd, day, SUMMER)
            text = ", ".join(f"{first} - {last}" for first, last in spans) or "closed"
            lines.append(f"  {name:<22} {day} {text}")
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize(
    "terms",
    [
        Terms(purpose=Purpose.SALES),
        Terms(purpose=Purpose.COLLECTION),
        Terms(purpose=Purpose.SALES, automation="recorded"),
    ],
    ids=lambda terms: f"{terms.purpose}_{terms.automation}",
)
def test_first_and_last_start_of_every_area_code(terms: Terms) -> None:
    """For all 67 area codes, on both sides of a change of clocks, the table is the reviewed one."""
    name = f"hours_{terms.purpose}_{terms.automation}.txt"
    found = table(terms)
    if os.environ.get("DISCADOR_WRITE_GOLDEN"):
        (GOLDEN / name).write_text(found, encoding="utf-8")
    assert found == (GOLDEN / name).read_text(encoding="utf-8")
    assert found.count("\n\n") == 67


# The table above is what the code says; here is what the reference says, written independently.
WEEKDAY = {
    "sales": {"RJ": ("09:00", "17:55"), "ES": ("09:00", "18:55")},
    "collection": {
        "RJ": ("09:00", "18:55"),
        "ES": ("09:00", "18:55"),
        "AM": ("09:00", "18:55"),
    },
}
SATURDAY = {
    "sales": {"RJ": None, "ES": None, "": ("10:00", "12:55")},
    "collection": {"RJ": None, "ES": None, "AM": None, "": ("09:00", "13:55")},
}


@pytest.mark.parametrize("purpose", ["sales", "collection"])
@pytest.mark.parametrize("ddd", sorted(UFS))
@pytest.mark.parametrize("clocks", [Clocks(), SUMMER], ids=["real zones", "summer time"])
def test_the_polite_hours_with_those_of_the_state(purpose: str, ddd: str, clocks: Clocks) -> None:
    """Local hours are 9 to 20 less the margin, less what the state takes, whatever the season."""
    oracle = HoursOracle(Terms(purpose=Purpose(purpose)), clocks=clocks)
    for day, by_state, usual in (
        (date(2026, 10, 29), WEEKDAY[purpose], ("09:00", "19:55")),
        (date(2026, 11, 4), WEEKDAY[purpose], ("09:00", "19:55")),
        (date(2026, 10, 31), SATURDAY[purpose], SATURDAY[purpose][""]),
        (date(2026, 11, 7), SATURDAY[purpose], SATURDAY[purpose][""]),
        (date(2026, 11, 1), {}, None),
        (date(2026, 11, 2), {}, None),
        (state_holiday(ddd), {}, None),
    ):
        if day is None:
            continue
        hours = by_state.get(UFS[ddd][0], usual)
        expected = []
        if hours is not None:
            zones = [clocks.zone(zone) for zone in ZONES[ddd]]
            first, last = (datetime.fromisoformat(f"{day} {hour}") for hour in hours)
            expected = [
                (
                    max(first.replace(tzinfo=zone).astimezone(UTC) for zone in zones),
                    min(last.replace(tzinfo=zone).astimezone(UTC) for zone in zones),
                )
            ]
        assert starts(oracle, ddd, day, clocks) == [
            (f"{a:%H:%M:%S}", f"{b:%H:%M:%S}") for a, b in expected
        ]


def test_western_amazonas_is_called_in_the_hours_of_both_its_clocks() -> None:
    """Area code 97 opens at 9 in Eirunepé and closes at 20 in Manaus."""
    oracle = HoursOracle(Terms(purpose=Purpose.SERVICE))
    verdict = oracle.evaluate("97", datetime.fromisoformat("2026-11-25T13:30:00Z"))
    assert not verdict.callable
    assert verdict.next == datetime.fromisoformat("2026-11-25T14:00:00Z")
    inside = oracle.evaluate("97", verdict.next)
    assert inside.callable_until == datetime.fromisoformat("2026-11-25T23:55:00Z")


def test_a_contact_whose_city_is_known_uses_its_own_zone_and_state() -> None:
    """Zones and states of the contact replace those of its area code."""
    facts = CallFacts(terms=Terms(purpose=Purpose.SERVICE), ddd="97", zones=("America/Manaus",))
    assert evaluate(facts, datetime.fromisoformat("2026-11-25T13:30:00Z")).callable
    goias = CallFacts(terms=Terms(purpose=Purpose.SERVICE), ddd="61", ufs=("GO",))
    in_df = datetime.fromisoformat("2026-11-30T10:00:00-03:00")
    assert evaluate(goias, in_df).callable
    assert not evaluate(goias.model_copy(update={"ufs": ()}), in_df).callable


@pytest.mark.parametrize(("ddd", "uf"), [("42", "SC"), ("47", "PR"), ("49", "PR"), ("61", "DF")])
def test_an_area_code_across_a_border_obeys_both_states(ddd: str, uf: str) -> None:
    """The rules of each state that the area code serves are in the chain."""
    verdict = HoursOracle(Terms(purpose=Purpose.SALES)).evaluate(
        ddd, datetime.fromisoformat("2026-11-25T10:00:00-03:00")
    )
    rules = {reason.rule for reason in verdict.reasons}
    for rule in shipped_packs().rules():
        about = uf in rule.when.uf and Purpose.SALES in rule.when.purpose
        if about and not rule.when.automation:
            assert rule.id in rules


def test_a_window_inside_a_skipped_hour_is_not_open_that_day() -> None:
    """In the night in which the clock skips 00:00-01:00, hours inside it have no instant."""
    hours = CallingHours.model_validate(
        {"mon-sun": "00:00-00:50", "holidays": "open", "optional_holidays": "open"}
    )
    terms = Terms(purpose=Purpose.SERVICE, hours=hours)
    oracle = HoursOracle(terms)
    before = datetime.fromisoformat("2018-11-03T12:00:00-03:00")
    assert oracle.evaluate("11", before).next == datetime.fromisoformat("2018-11-05T00:00-02:00")
    assert oracle.evaluate("71", before).next == datetime.fromisoformat("2018-11-04T00:00-03:00")


def test_a_repeated_hour_is_open_both_times() -> None:
    """In the night in which 23:00-24:00 comes twice, 23:00-23:30 is open twice."""
    hours = CallingHours.model_validate(
        {"mon-sun": "23:00-23:30", "holidays": "open", "optional_holidays": "open"}
    )
    oracle = HoursOracle(Terms(purpose=Purpose.SERVICE, hours=hours))
    first = oracle.evaluate("11", datetime.fromisoformat("2018-02-18T01:00:00Z"))
    assert first.callable_until == datetime.fromisoformat("2018-02-18T01:25:00Z")
    pause = oracle.evaluate("11", first.callable_until + TICK)
    assert pause.next == datetime.fromisoformat("2018-02-18T02:00:00Z")


def test_hours_that_meet_at_midnight_are_one_span() -> None:
    """Around the clock there is no pause at midnight, and the end is that of the whole span."""
    hours = CallingHours.model_validate({"mon": "09:00-24:00", "tue": "00:00-10:00"})
    oracle = HoursOracle(Terms(purpose=Purpose.SERVICE, hours=hours))
    verdict = oracle.evaluate("11", local("11", "2026-11-23 23:58"))
    assert verdict.callable
    assert verdict.callable_until == local("11", "2026-11-24 09:55")


def test_hours_without_an_end_in_sight_have_no_limit() -> None:
    """Open every day around the clock, holidays too: callable, without an end."""
    hours = CallingHours.model_validate(
        {"mon-sun": "00:00-24:00", "holidays": "open", "optional_holidays": "open"}
    )
    verdict = HoursOracle(Terms(purpose=Purpose.SERVICE, hours=hours)).evaluate(
        "11", local("11", "2026-12-25 03:00")
    )
    assert (verdict.callable, verdict.callable_until, verdict.next) == (True, None, None)


def test_always_switches_everything_off() -> None:
    """For a local API: a banned sale on a holiday night is callable, with no limit."""
    terms = Terms(purpose=Purpose.SALES, automation="recorded", hours="always")
    verdict = HoursOracle(terms).evaluate("96", local("96", "2026-12-25 03:00"))
    assert (verdict.callable, verdict.callable_until) == (True, None)
    assert [reason.rule for reason in verdict.reasons] == ["always"]
    assert HoursOracle(terms).unmet(["11", "21"], date(2026, 11, 25)) == ()


def test_the_margin_is_taken_off_before_a_lunch_break_too() -> None:
    """A call that could run into a closed hour does not start; the reason names the margin."""
    hours = CallingHours.model_validate({"mon-fri": ["09:00-12:00", "14:00-18:00"]})
    terms = Terms(purpose=Purpose.SERVICE, hours=hours, margin=timedelta(minutes=20))
    oracle = HoursOracle(terms)
    assert oracle.evaluate("11", local("11", "2026-11-25 11:40")).callable
    late = oracle.evaluate("11", local("11", "2026-11-25 11:41"))
    assert (late.callable, late.why) == (False, "margin")
    assert late.next == local("11", "2026-11-25 14:00")
    [margin, shutting] = [reason for reason in late.reasons if reason.blocks]
    assert "20 min" in margin.text
    assert shutting.rule == "calling-hours"


def test_hours_shorter_than_the_margin_never_open() -> None:
    """Where no call could end in time there is no next instant, and the reason says why."""
    hours = CallingHours.model_validate({"mon-fri": "09:00-09:10"})
    terms = Terms(purpose=Purpose.SERVICE, hours=hours, margin=timedelta(minutes=15))
    verdict = HoursOracle(terms).evaluate("11", local("11", "2026-11-25 09:05"))
    assert (verdict.callable, verdict.next, verdict.why) == (False, None, "margin")


def test_hours_in_a_named_zone_are_kept_together_with_the_law_of_the_place() -> None:
    """A campaign in São Paulo time calls Acre by that clock, and Rio's law by Rio's."""
    hours = CallingHours.model_validate({"mon-fri": "08:00-20:00", "timezone": "America/Sao_Paulo"})
    oracle = HoursOracle(Terms(purpose=Purpose.SALES, hours=hours))
    assert oracle.evaluate("68", datetime.fromisoformat("2026-11-25T08:00:00-03:00")).callable
    assert not oracle.evaluate("68", datetime.fromisoformat("2026-11-25T20:00:00-03:00")).callable


@pytest.mark.parametrize(
    ("key", "day", "purpose", "expected"),
    [
        ({}, "2026-06-04", "sales", False),
        ({}, "2026-06-04", "collection", True),
        ({"optional_holidays": "open"}, "2026-06-04", "sales", True),
        ({"optional_holidays": "closed"}, "2026-06-04", "collection", False),
        ({}, "2026-11-20", "service", False),
        ({"holidays": "open"}, "2026-11-20", "service", True),
        ({"extra_dates": ["2026-11-25"]}, "2026-11-25", "service", False),
    ],
)
def test_which_holidays_close_written_hours(
    key: dict[str, object], day: str, purpose: str, *, expected: bool
) -> None:
    """Holidays close unless said otherwise; optional ones close sales; extra dates always close."""
    hours = CallingHours.model_validate({"mon-fri": "09:00-18:00", **key})
    terms = Terms(purpose=Purpose(purpose), hours=hours)
    assert HoursOracle(terms).evaluate("62", local("62", f"{day} 10:00")).callable is expected


def test_a_holiday_is_named_in_the_reason() -> None:
    """The chain says which holiday closes the day, and where the rule comes from."""
    verdict = HoursOracle(Terms(purpose=Purpose.COLLECTION)).evaluate(
        "21", local("21", "2026-04-23 10:00")
    )
    [state] = [reason for reason in verdict.reasons if reason.rule == "rj-collection-hours"]
    assert state.blocks
    assert "2026-04-23: São Jorge" in state.text
    assert "6.854/2014" in state.law


def test_the_answer_names_the_data_it_rests_on() -> None:
    """Zone data, holidays and packs are in every verdict."""
    verdict = HoursOracle(Terms(purpose=Purpose.SALES)).evaluate(
        "11", local("11", "2026-11-25 10:00")
    )
    assert verdict.versions.packs == shipped_packs().digest
    assert verdict.versions.tzdata.startswith("20")
    assert verdict.versions.holidays
    assert Verdict.model_validate_json(verdict.model_dump_json()) == verdict


@pytest.mark.parametrize("ddd", ["20", "00", "", "1", "110", "xx"])
def test_an_area_code_that_does_not_exist_is_refused(ddd: str) -> None:
    """Nobody is judged by the rules of a place that is not there."""
    with pytest.raises(ValueError, match="area code"):
        HoursOracle(Terms(purpose=Purpose.SALES)).evaluate(ddd, datetime(2026, 1, 1, tzinfo=UTC))


def test_terms_are_taken_from_a_campaign() -> None:
    """What a file says about hours, length, recording, caps and overrides reaches the decision."""
    campaign = Campaign.model_validate(
        {
            "campaign": "x",
            "purpose": "collection",
            "automation": "recorded",
            "dial_list": {"file": "x.csv", "numbers": ["a"]},
            "call": {"connect_to": "4000", "gravar_audio": "true", "max_duration": "12m"},
            "calling_hours": {"mon-fri": "09:00-20:00"},
            "limits": {"per_number": {"per_day": "1", "min_gap": "6h"}},
            "overrides": [{"rule": "rj-sales-hours", "reason": "counsel said that we may"}],
        }
    )
    terms = Terms.of(campaign, ["procon-sp"])
    assert (terms.purpose, terms.automation, terms.recording) == ("collection", "recorded", True)
    assert terms.margin == timedelta(minutes=12)
    assert terms.hours == campaign.calling_hours
    assert (terms.limits.per_day, terms.limits.min_gap) == (1, timedelta(hours=6))
    limits = HoursOracle(terms).limits("11", date(2026, 11, 25))
    assert (limits.per_day, limits.min_gap) == (1, timedelta(hours=6))
    assert terms.overrides[0].rule == "rj-sales-hours"
    assert terms.registries == frozenset({"procon-sp"})


def test_threads_share_an_oracle() -> None:
    """Many threads asking at once get the answers that one alone gets."""
    terms = Terms(purpose=Purpose.COLLECTION)
    draw = random.Random(7)
    asked = [
        (draw.choice(sorted(UFS)), datetime(2026, 11, 1, tzinfo=UTC) + timedelta(minutes=minute))
        for minute in draw.sample(range(60 * 24 * 30), 300)
    ]
    alone = HoursOracle(terms)
    expected = [alone.evaluate(ddd, at) for ddd, at in asked]
    shared, wrong = HoursOracle(terms), []

    def ask() -> None:
        for (ddd, at), answer in zip(asked, expected, strict=True):
            if shared.evaluate(ddd, at) != answer:
                wrong.append((ddd, at))

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_an_answer_given_before_is_the_same_object() -> None:
    """A stretch of time is worked out once: asking hundreds a tick costs look-ups."""
    oracle = HoursOracle(Terms(purpose=Purpose.COLLECTION))
    at = datetime.fromisoformat("2026-11-25T15:00:00Z")
    first = oracle.evaluate("48", at)
    assert oracle.evaluate("48", at + timedelta(hours=2)) is first
    assert oracle.at_seconds("48", at.timestamp()) is first
    assert oracle.evaluate("41", at) is not first


@pytest.mark.parametrize("closes", ["21:00", "21:10"])
def test_hours_too_short_for_a_call_do_not_open_at_the_horizon(closes: str) -> None:
    """The end of what is looked at, a Thursday at 21:00 there, does not make an evening longer."""
    hours = CallingHours.model_validate({"thu": f"19:15-{closes}", "holidays": "open"})
    terms = Terms(purpose=Purpose.SERVICE, hours=hours, margin=timedelta(hours=2))
    verdict = HoursOracle(terms).evaluate("11", datetime.fromisoformat("2026-01-01T00:00:00Z"))
    assert (verdict.callable, verdict.next) == (False, None)


# -- properties --------------------------------------------------------------------------------

WINDOWS = st.lists(st.integers(0, 96), min_size=2, max_size=4, unique=True).map(
    lambda quarters: [
        {"opens": a * 15, "closes": b * 15}
        for a, b in zip(sorted(quarters)[::2], sorted(quarters)[1::2], strict=False)
    ]
)
HOURS = st.fixed_dictionaries(
    {
        "mon": WINDOWS,
        "holidays": st.sampled_from(["open", "closed"]),
        "timezone": st.sampled_from(["contact", "America/Sao_Paulo", "America/Noronha"]),
    },
    optional={day: WINDOWS for day in DAYS if day != "mon"},
).map(CallingHours.model_validate)
RULES = {rule.id: rule for rule in shipped_packs().rules()}
TERMS = st.builds(
    Terms,
    purpose=st.sampled_from(Purpose),
    automation=st.sampled_from(["person", "recorded", "voicebot"]),
    hours=HOURS | st.none(),
    margin=st.sampled_from([timedelta(0), timedelta(minutes=5), timedelta(hours=2)]),
    overrides=st.lists(st.sampled_from(sorted(RULES)), max_size=2, unique=True).map(
        lambda ids: tuple(RuleOverride(rule=rule, reason="a reason long enough") for rule in ids)
    ),
)
DDD = st.sampled_from(sorted(UFS))
# Years with and without summer time, to the second.
AT = st.integers(1_514_764_800, 1_577_836_800).map(lambda s: datetime.fromtimestamp(s, UTC))
NOW = st.integers(1_767_225_600, 1_830_297_600).map(lambda s: datetime.fromtimestamp(s, UTC))


@settings(deadline=None, max_examples=300)
@given(TERMS, DDD, AT | NOW)
def test_a_verdict_keeps_its_promises(terms: Terms, ddd: str, at: datetime) -> None:
    """`callable_until` is the end and not before it; `next` is callable, and nothing before it."""
    oracle = HoursOracle(terms)
    verdict = oracle.evaluate(ddd, at)
    assert verdict.callable is not any(reason.blocks for reason in verdict.reasons)
    if verdict.callable:
        assert verdict.next is None
        if verdict.callable_until is not None:
            assert verdict.callable_until >= at
            assert oracle.evaluate(ddd, verdict.callable_until).callable
            assert not oracle.evaluate(ddd, verdict.callable_until + TICK).callable
            middle = at + (verdict.callable_until - at) / 2
            assert oracle.evaluate(ddd, middle).callable_until == verdict.callable_until
        return
    assert verdict.callable_until is None
    if verdict.next is not None:
        assert verdict.next > at
        assert oracle.evaluate(ddd, verdict.next).callable
        before = oracle.evaluate(ddd, verdict.next - TICK)
        assert (before.callable, before.next) == (False, verdict.next)
        middle = at + (verdict.next - at) / 2
        assert oracle.evaluate(ddd, middle).next == verdict.next


@settings(deadline=None)
@given(TERMS, DDD, AT | NOW)
def test_a_call_that_may_start_ends_inside_the_hours(terms: Terms, ddd: str, at: datetime) -> None:
    """During the margin after a permitted start every rule still leaves the hours open."""
    if not HoursOracle(terms).evaluate(ddd, at).callable:
        return
    bare = HoursOracle(terms.model_copy(update={"margin": timedelta(0)}))
    for after in (timedelta(0), terms.margin * 0.3, terms.margin * 0.7, terms.margin - TICK):
        assert bare.evaluate(ddd, max(at, at + after)).callable


@settings(deadline=None)
@given(TERMS, DDD, AT | NOW, st.sets(st.sampled_from(sorted(RULES)), max_size=12))
def test_hours_never_widen_when_rules_are_added(
    terms: Terms, ddd: str, at: datetime, chosen: set[str]
) -> None:
    """Whatever the rules of all packs allow, any part of them allows too, and for as long."""
    few = Packs(
        packs=tuple(
            pack
            if pack.applies == "unwritten"
            else pack.model_copy(
                update={"rules": tuple(rule for rule in pack.rules if rule.id in chosen)}
            )
            for pack in shipped_packs().packs
        )
    )
    strict = HoursOracle(terms).evaluate(ddd, at)
    loose = HoursOracle(terms, packs=few).evaluate(ddd, at)
    if strict.callable:
        assert loose.callable
        if loose.callable_until is not None:
            assert strict.callable_until is not None
            assert strict.callable_until <= loose.callable_until
    elif strict.next is not None and not loose.callable:
        assert loose.next is not None
        assert loose.next <= strict.next


@settings(deadline=None)
@given(TERMS, DDD, AT | NOW)
def test_the_written_hours_are_read_off_the_local_clock(
    terms: Terms, ddd: str, at: datetime
) -> None:
    """With written hours alone, callable means: every clock of the place shows open hours."""
    if not isinstance(terms.hours, CallingHours):
        return
    own = terms.hours.model_copy(update={"holidays": "open", "optional_holidays": "open"})
    bare = Terms(purpose=terms.purpose, hours=own, margin=timedelta(0))
    names = ZONES[ddd] if own.timezone == "contact" else (own.timezone,)
    clocks = [at.astimezone(packaged_zone(name)) for name in names]
    shown = all(
        any(
            w.opens <= clock.hour * 60 + clock.minute < w.closes
            for w in own.windows(clock.weekday())
        )
        for clock in clocks
    )
    found = HoursOracle(bare, packs=Packs()).evaluate(ddd, at)
    assert found.callable is shown
