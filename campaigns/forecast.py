"""How many calls a campaign will take, how many of them are short, and what they cost at most.

Arithmetic only: the campaign's own retry table (`campaigns.policy`) is followed over every outcome
that a call may have, weighted by a mix of outcomes. The mix is an assumption and is told as one.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import timedelta
from typing import Final

from campaigns.attempts import CallFacts, DialingRules, Ended, LegFacts, Outcome
from campaigns.checks import is_ramal
from campaigns.definition import Call, Campaign
from campaigns.numbers import Kind, PhoneNumber, normalise
from campaigns.policy import dialing_rules, next_step
from campaigns.scalars import Frozen, counted

LONGEST_CALL: Final = timedelta(minutes=10)
"""With how long a call the worst case reckons where nothing cuts calls."""

SHORT_ANSWERS: Final = 0.04
"""The share of answered calls that end within six seconds."""

PRICE_MOVEL: Final = 0.35
PRICE_FIXO: Final = 0.06

_BILLED_AT_LEAST: Final = 60.0
_NEGLIGIBLE: Final = 1e-7
_OTHER: Final = LegFacts(status="atendida", reason=16, talked=60, total=60)
_CALLS: Final = {
    Outcome.ANSWERED: CallFacts(
        contact=LegFacts(status="atendida", reason=16, talked=60, total=75), other=_OTHER
    ),
    Outcome.VOICEMAIL: CallFacts(
        contact=LegFacts(status="atendida", talked=2, total=20, substatus="maquina_origem"),
        other=LegFacts(),
    ),
    Outcome.NO_ANSWER: CallFacts(
        contact=LegFacts(status="sem resposta", reason=19, total=30), other=LegFacts()
    ),
    Outcome.BUSY: CallFacts(
        contact=LegFacts(status="ocupado", reason=17, total=5), other=LegFacts()
    ),
    Outcome.UNREACHABLE: CallFacts(
        contact=LegFacts(status="sem resposta", reason=20, total=10), other=LegFacts()
    ),
    Outcome.INVALID_NUMBER: CallFacts(
        contact=LegFacts(status="não existe", reason=1, total=2), other=LegFacts()
    ),
    Outcome.TECHNICAL: CallFacts(
        contact=LegFacts(status="falha", reason=41, total=1), other=LegFacts()
    ),
}
_SECONDS: Final = {
    Outcome.ANSWERED: 75.0,
    Outcome.VOICEMAIL: 22.0,
    Outcome.NO_ANSWER: 30.0,
    Outcome.BUSY: 5.0,
    Outcome.UNREACHABLE: 10.0,
    Outcome.INVALID_NUMBER: 2.0,
    Outcome.TECHNICAL: 1.0,
}


class Mix(Frozen):
    """Which share of calls ends how, and where that is known from. The shares add up to one."""

    shares: dict[Outcome, float]
    basis: str

    @property
    def short(self) -> float:
        """The share of calls that Anatel takes for short: unanswered, voicemail, six seconds."""
        return 1.0 - self.shares.get(Outcome.ANSWERED, 0.0) * (1.0 - SHORT_ANSWERS)

    @property
    def seconds(self) -> float:
        """How long a call holds its channel, on average."""
        return sum(share * _SECONDS[outcome] for outcome, share in self.shares.items())


ASSUMED: Final = Mix(
    shares={
        Outcome.ANSWERED: 0.48,
        Outcome.VOICEMAIL: 0.17,
        Outcome.NO_ANSWER: 0.20,
        Outcome.BUSY: 0.05,
        Outcome.UNREACHABLE: 0.03,
        Outcome.INVALID_NUMBER: 0.04,
        Outcome.TECHNICAL: 0.03,
    },
    basis="assumed: 54 % short calls, the national average of April 2025; its split is a guess",
)


class Prices(Frozen):
    """Reais a minute by kind of line; the API's documents show these as an account's example."""

    movel: float = PRICE_MOVEL
    fixo: float = PRICE_FIXO
    ramal: float = 0.0

    def of(self, kind: Kind | None) -> float:
        """Give the price of a kind; None is a ramal."""
        return self.ramal if kind is None else self.movel if kind == "movel" else self.fixo


class Crowd(Frozen):
    """Contacts with equally many numbers, of which the dearest is of this kind."""

    numbers: int
    dearest: Kind
    contacts: int


class Forecast(Frozen):
    """What to expect. `at_most` leaves aside failures that never reach a person's phone.

    `cost_at_most` takes every one of those calls to be answered and to last as long as it can, both
    of its legs billed.
    """

    expected_attempts: int
    attempts_at_most: int
    attempts_per_contact: float
    short_share: float
    seconds_a_call: float
    longest_call_seconds: float
    cost_at_most_brl: float
    basis: str


def forecast(
    campaign: Campaign, crowds: Iterable[Crowd], mix: Mix = ASSUMED, prices: Prices | None = None
) -> Forecast:
    """Reckon with these contacts. Pure."""
    prices = prices or Prices()
    rules = dialing_rules(campaign, 1)
    longest = (campaign.call.max_duration or LONGEST_CALL).total_seconds()
    minutes = max(longest, _BILLED_AT_LEAST) / 60.0
    other = prices.of(_kind_of(campaign.call))
    means: dict[int, float] = {}
    contacts = at_most = 0
    expected = cost = 0.0
    for crowd in crowds:
        mean = means.setdefault(crowd.numbers, expected_attempts(rules, crowd.numbers, mix))
        most = most_attempts(campaign, crowd.numbers)
        contacts += crowd.contacts
        expected += mean * crowd.contacts
        at_most += most * crowd.contacts
        cost += most * crowd.contacts * minutes * (prices.of(crowd.dearest) + other)
    return Forecast(
        expected_attempts=round(expected),
        attempts_at_most=at_most,
        attempts_per_contact=round(expected / contacts, 3) if contacts else 0.0,
        short_share=round(mix.short, 4),
        seconds_a_call=round(mix.seconds, 1),
        longest_call_seconds=longest,
        cost_at_most_brl=round(cost, 2),
        basis=mix.basis,
    )


def most_attempts(campaign: Campaign, numbers: int) -> int:
    """Give the most calls that may reach a contact: each retry uses up one of its rule's times."""
    a_number = 1 + sum(rule.times or 0 for rule in campaign.retry)
    return min(numbers * a_number, campaign.limits.per_contact.total)


_State = tuple[int, int, int, tuple[int, ...]]
"""Numbers left, calls accepted, technical failures in a row, uses of each rule."""


def expected_attempts(rules: DialingRules, numbers: int, mix: Mix) -> float:
    """Give the mean number of calls to a contact with so many numbers. Deterministic."""
    now: dict[_State, float] = {(numbers - 1, 0, 0, (0,) * len(rules.retry)): 1.0}
    mean = 0.0
    while now:
        then: dict[_State, float] = defaultdict(float)
        for state, weight in now.items():
            mean += weight
            for outcome, share in mix.shares.items():
                after = _after(rules, state, outcome)
                if after is not None and weight * share > _NEGLIGIBLE:
                    then[after] += weight * share
        now = then
    return mean


def _after(rules: DialingRules, state: _State, outcome: Outcome) -> _State | None:
    """Give the state in which the contact is called again, or None where it is done."""
    left, accepted, technical, uses = state
    ended = Ended(
        key="forecast",
        how="call",
        call=_CALLS[outcome],
        accepted=accepted + 1,
        technical=technical,
        numbers_left=left,
        rule_uses=uses,
    )
    step = next_step(rules, ended)
    accepted += not step.spared
    technical = technical + 1 if step.spared else 0
    if step.action == "next_number":
        return left - 1, accepted, technical, (0,) * len(uses)
    if step.action == "retry" and step.rule is not None:
        used = tuple(count + (index == step.rule) for index, count in enumerate(uses))
        return left, accepted, technical, used
    return None


def measured(counts: dict[str, int], least: int = 200) -> Mix | None:
    """Make a mix of what calls came to so far; None where there were too few to tell."""
    known = {outcome: counts.get(outcome.value, 0) for outcome in _CALLS}
    total = sum(known.values())
    if total < least:
        return None
    shares = {outcome: count / total for outcome, count in known.items() if count}
    return Mix(shares=shares, basis=f"what {counted(total, 'call')} of this account came to so far")


def _kind_of(call: Call) -> Kind | None:
    """Tell what kind of line answers for the campaign; a ramal is None."""
    number = None if is_ramal(call.connect_to) else normalise(call.connect_to)
    return number.kind if isinstance(number, PhoneNumber) else None
