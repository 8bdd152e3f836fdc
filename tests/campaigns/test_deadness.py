"""Two days that say so, with nothing in between that says otherwise."""

from __future__ import annotations

from datetime import date, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaigns.attempts import Outcome
from campaigns.deadness import Word, confirmed_on

ACRE = ZoneInfo("America/Rio_Branco")
RECIFE = ZoneInfo("America/Recife")
NONE = Outcome.INVALID_NUMBER


def word(day: int, hour: int, outcome: Outcome = NONE, *, spared: bool = False) -> Word:
    """Return what a call came to that was made at a full hour of a day of March, in Acre."""
    at = datetime(2026, 3, day, hour, tzinfo=ACRE).timestamp()
    return Word(at=at, outcome=outcome, spared=spared)


@pytest.mark.parametrize(
    ("words", "day"),
    [
        ([], None),
        ([word(2, 10)], None),
        ([word(2, 9), word(2, 12), word(2, 19)], None),
        ([word(2, 10), word(3, 10)], 3),
        ([word(2, 10), word(2, 11), word(30, 9)], 30),
        ([word(2, 23), word(3, 0)], 3),
        ([word(2, 10), word(3, 9, Outcome.NO_ANSWER), word(4, 10)], None),
        ([word(2, 10), word(3, 9, Outcome.ANSWERED), word(4, 10), word(5, 10)], 5),
        ([word(2, 10), word(3, 9, Outcome.TECHNICAL), word(4, 10)], 4),
        ([word(2, 10), word(3, 9, Outcome.OTHER_LEG, spared=True), word(4, 10)], 4),
        ([word(2, 10), word(3, 9, Outcome.OTHER_LEG), word(4, 10)], None),
        ([word(2, 10), word(3, 9, Outcome.NEVER_RAN, spared=True)], None),
    ],
)
def test_a_number_is_dead_on_the_second_day(words: list[Word], day: int | None) -> None:
    """One day proves nothing, and a sign of life makes the count begin anew."""
    expected = None if day is None else date(2026, 3, day)
    assert confirmed_on(words, ACRE) == expected


def test_the_days_are_those_of_the_number() -> None:
    """An evening in Acre is the next day in Recife: the same two calls, one day or two."""
    words = [word(2, 20), word(2, 23)]
    assert confirmed_on(words, ACRE) is None
    assert confirmed_on(words, RECIFE) == date(2026, 3, 3)


@given(st.lists(st.tuples(st.integers(0, 23), st.sampled_from(Outcome), st.booleans())))
def test_one_day_never_declares_a_number_dead(said: list[tuple[int, Outcome, bool]]) -> None:
    """However often and by whomever it is said on one day."""
    words = [word(9, hour, outcome, spared=spared) for hour, outcome, spared in sorted(said)]
    assert confirmed_on(words, ACRE) is None
