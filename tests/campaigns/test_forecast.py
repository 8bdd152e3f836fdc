"""What a campaign is expected to take: calls, short calls, and the most that it can cost."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from campaigns.attempts import Outcome
from campaigns.definition import Campaign
from campaigns.forecast import (
    ASSUMED,
    Crowd,
    Mix,
    Prices,
    expected_attempts,
    forecast,
    measured,
    most_attempts,
)
from campaigns.policy import dialing_rules

BUSY_HALF = Mix(shares={Outcome.ANSWERED: 0.5, Outcome.BUSY: 0.5}, basis="a test")


def campaign(*retry: dict[str, Any], total: int = 10, **call: Any) -> Campaign:
    """Make a campaign with this retry table."""
    return Campaign.model_validate(
        {
            "campaign": "teste",
            "purpose": "service",
            "dial_list": {"file": "lista.csv", "numbers": ["celular"]},
            "call": {"connect_to": "4000", **call},
            "limits": {"per_contact": {"total": str(total)}},
            "retry": retry,
        }
    )


def mean(made: Campaign, numbers: int = 1, mix: Mix = BUSY_HALF) -> float:
    """Give the expected calls to a contact."""
    return expected_attempts(dialing_rules(made, 1), numbers, mix)


BUSY = {"leg": "contact", "status": "ocupado", "after": "1m"}


def test_attempts_follow_the_retry_table() -> None:
    """Half the calls are busy: 1 call, then half, then a quarter, as far as rule and cap let."""
    assert mean(campaign()) == 1.0
    assert mean(campaign({**BUSY, "times": "1"})) == pytest.approx(1.5)
    assert mean(campaign({**BUSY, "times": "3"})) == pytest.approx(1.875)
    assert mean(campaign({**BUSY, "times": "3"}, total=2)) == pytest.approx(1.5)
    other = {"leg": "contact", "status": "sem resposta", "after": "1m", "times": "3"}
    assert mean(campaign(other)) == 1.0


def test_a_further_number_starts_the_rules_anew() -> None:
    """`next_number` goes on with the second number, whose retries count from none."""
    rules = ({**BUSY, "times": "1"}, {"leg": "contact", "status": "ocupado", "then": "next_number"})
    assert mean(campaign(*rules), numbers=1) == pytest.approx(1.5)
    assert mean(campaign(*rules), numbers=2) == pytest.approx(1.5 + 0.25 * 1.5)


def test_the_worst_case_is_bounded_by_rules_and_caps() -> None:
    """Each retry uses up one of its rule's times, for each number, and never beyond the cap."""
    made = campaign({**BUSY, "times": "2"}, max_duration="2m")
    assert (most_attempts(made, 1), most_attempts(made, 3), most_attempts(made, 9)) == (3, 9, 10)
    seen = forecast(
        made,
        [
            Crowd(numbers=1, dearest="movel", contacts=10),
            Crowd(numbers=3, dearest="fixo", contacts=1),
        ],
        BUSY_HALF,
        Prices(movel=0.5, fixo=0.1),
    )
    assert seen.attempts_at_most == 39
    assert seen.cost_at_most_brl == 30 * 2 * 0.5 + 9 * 2 * 0.1
    assert seen.short_share == pytest.approx(1 - 0.5 * 0.96)
    both = forecast(
        campaign(connect_to="48 99876-1234", max_duration="30s"),
        [Crowd(numbers=1, dearest="fixo", contacts=1)],
    )
    assert both.cost_at_most_brl == 0.06 + 0.35, "both legs, a minute at least"


def test_what_calls_came_to_is_taken_where_there_were_enough() -> None:
    """Two hundred calls of the account replace the assumption; fewer do not."""
    assert measured({"answered": 150, "busy": 49}) is None
    mix = measured({"answered": 150, "busy": 50, "unknown": 7})
    assert mix is not None
    assert mix.shares == {Outcome.ANSWERED: 0.75, Outcome.BUSY: 0.25}
    assert ASSUMED.short == pytest.approx(0.54, abs=0.01)


RULES = st.lists(
    st.fixed_dictionaries(
        {
            "leg": st.just("contact"),
            "status": st.sampled_from(["ocupado", "sem resposta", "não existe", "falha"]),
            "after": st.just("1m"),
            "times": st.integers(1, 4).map(str),
        }
    ),
    max_size=3,
)


@settings(max_examples=60, deadline=None)
@given(rules=RULES, total=st.integers(1, 6), numbers=st.integers(1, 3))
def test_the_shares_add_up_and_more_is_never_expected_than_is_possible(
    rules: list[dict[str, str]], total: int, numbers: int
) -> None:
    """At least one call, and at most the worst case and technical failures beside it."""
    assert sum(ASSUMED.shares.values()) == pytest.approx(1.0)
    made = campaign(*rules, total=total)
    quiet = Mix(
        shares={o: s for o, s in ASSUMED.shares.items() if o is not Outcome.TECHNICAL}, basis="x"
    )
    assert 1.0 <= mean(made, numbers, quiet) <= most_attempts(made, numbers) + 1e-9
