"""What a campaign would do, by counts: now, later, never, and when it ends."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from campaigns.areas import UFS
from campaigns.definition import Purpose
from campaigns.explain import HoursOracle, Terms
from campaigns.opening import CallingHours
from campaigns.outlook import Group, Outlook, calls_per_second, look_ahead

SALES = HoursOracle(Terms(purpose=Purpose.SALES, automation="recorded", registries=frozenset()))
WEDNESDAY = datetime.fromisoformat("2026-11-25T19:00:00-03:00")


def group(ddd: str, contacts: int) -> Group:
    """Make a group of mobiles."""
    return Group(ddd=ddd, kind="movel", contacts=contacts)


def outlook(oracle: HoursOracle, *groups: Group, rate: float = 1.0, **more: float) -> Outlook:
    """Look ahead from a Wednesday evening."""
    return look_ahead(oracle, groups, WEDNESDAY, rate=rate, **more)


def test_contacts_are_called_now_later_or_never() -> None:
    """At 19:00 Goiás is open, Rio has closed, Amapá bans recorded sales; each with its rule."""
    seen = outlook(SALES, group("62", 100), group("21", 20), group("96", 3), group("83", 4))
    assert (seen.contacts, seen.now, seen.now_by_uf) == (127, 100, {"GO": 100})
    assert [(b.reason.rule, b.contacts) for b in seen.blocked] == [
        ("rj-no-automated-sales", 20),
        ("pb-no-automated-sales", 4),
        ("ap-no-automated-sales", 3),
    ]
    by_person = HoursOracle(Terms(purpose=Purpose.SALES))
    [waiting] = outlook(by_person, group("62", 100), group("21", 20)).waiting
    assert waiting.until == datetime.fromisoformat("2026-11-26T09:00:00-03:00")
    assert (waiting.contacts, list(waiting.by_rule)) == (20, ["rj-sales-hours"])


def test_what_stands_against_starting_is_there_once_with_its_area_codes() -> None:
    """A missing register is named with the area codes that need it."""
    [unmet] = outlook(SALES, group("51", 1), group("54", 1), group("62", 1)).unmet
    assert (unmet.reason.rule, unmet.ddds) == ("rs-registry", ("51", "54"))


def test_the_last_call_follows_from_the_rate_and_the_hours() -> None:
    """At one call a second 3,301 start until 19:55 sharp; the rest begin at nine the next day."""
    seen = outlook(SALES, group("62", 3_600))
    assert seen.first == WEDNESDAY
    assert seen.last == datetime.fromisoformat("2026-11-26T09:04:58-03:00")
    assert seen.unfinished == 0


def test_several_attempts_a_contact_take_as_many_turns() -> None:
    """Twice the attempts need twice the seconds."""
    once = outlook(SALES, group("62", 1_000))
    twice = outlook(SALES, group("62", 1_000), attempts_per_contact=2.0)
    assert once.last == WEDNESDAY + timedelta(seconds=999)
    assert twice.last == WEDNESDAY + timedelta(seconds=1_999)


def test_who_closes_first_is_called_first() -> None:
    """Bahia and Acre are open; the calls to Bahia, which closes first, are not left to tomorrow."""
    oracle = HoursOracle(Terms(purpose=Purpose.SERVICE))
    seen = outlook(oracle, group("71", 3_000), group("68", 3_000))
    assert seen.last is not None
    assert seen.last.astimezone(UTC) < datetime.fromisoformat("2026-11-26T00:55:01Z")


def test_who_opens_later_and_closes_earlier_gets_a_turn_in_between() -> None:
    """São Paulo from eight to twenty does not starve Rio, which may be called from nine to 19."""
    hours = CallingHours.model_validate({"mon-fri": "08:00-20:00"})
    oracle = HoursOracle(Terms(purpose=Purpose.COLLECTION, hours=hours))
    early = datetime.fromisoformat("2026-11-25T08:30:00-03:00")
    seen = look_ahead(oracle, [group("11", 40_000), group("21", 30_000)], early, rate=1.0)
    assert seen.last is not None
    assert seen.last < datetime.fromisoformat("2026-11-26T16:30:00-03:00")


def test_nobody_to_call_has_no_first_and_no_last() -> None:
    """An empty list, or one that is all banned, is no error."""
    assert (outlook(SALES).first, outlook(SALES).contacts) == (None, 0)
    banned = outlook(SALES, group("96", 5))
    assert (banned.first, banned.last, banned.now, banned.waiting) == (None, None, 0, ())


def test_a_campaign_that_cannot_end_in_a_year_says_how_much_is_left() -> None:
    """A rate too low for the list leaves attempts unfinished instead of running on."""
    hours = CallingHours.model_validate({"mon": "09:00-09:10"})
    oracle = HoursOracle(Terms(purpose=Purpose.SERVICE, hours=hours))
    assert outlook(oracle, group("62", 1_000_000), rate=0.01).unfinished > 900_000


@pytest.mark.parametrize("rate", [0.0, -1.0, float("nan")])
def test_a_rate_that_is_none_is_refused(rate: float) -> None:
    """Nothing can be forecast without calls."""
    with pytest.raises(ValueError, match="above zero"):
        outlook(SALES, rate=rate)


@pytest.mark.parametrize(
    ("pacing", "channels", "seconds", "rate"),
    [(10, 30, 45, 30 / 45), (1, 300, 45, 1), (5, 1, 0, 5)],
)
def test_the_rate_is_that_of_the_narrower_side(
    pacing: float, channels: int, seconds: float, rate: float
) -> None:
    """Channels that are held by long calls limit what pacing would allow."""
    assert calls_per_second(pacing, channels, seconds) == rate


@settings(deadline=None)
@given(
    st.lists(
        st.builds(
            Group,
            ddd=st.sampled_from(sorted(UFS)),
            kind=st.sampled_from(["movel", "fixo"]),
            contacts=st.integers(0, 500),
        ),
        max_size=6,
    ),
    st.integers(0, 14 * 24 * 60),
    st.sampled_from([0.1, 1.0, 20.0]),
)
def test_the_counts_add_up(groups: list[Group], minute: int, rate: float) -> None:
    """Nobody is lost or counted twice, and the first call is no earlier than now."""
    at = WEDNESDAY + timedelta(minutes=minute)
    seen = look_ahead(SALES, groups, at, rate=rate)
    parts = (
        seen.now,
        sum(waiting.contacts for waiting in seen.waiting),
        sum(blocked.contacts for blocked in seen.blocked),
    )
    assert sum(parts) == seen.contacts == sum(group.contacts for group in groups)
    assert sum(seen.now_by_uf.values()) == seen.now
    assert (seen.first is None) is (seen.now == 0 and not seen.waiting)
    if seen.first is not None:
        assert seen.last is not None
        assert at <= seen.first <= seen.last
        assert seen.unfinished == 0
        if seen.now:
            assert seen.first == at
        else:
            assert seen.first == seen.waiting[0].until
