"""What happens after an attempt: the retry table, its limits, and that everything ends."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaigns.attempts import CallFacts, DialingRules, Ended, LegFacts, Outcome, Step
from campaigns.definition import RetryRule
from campaigns.policy import MAX_TECHNICAL, TECHNICAL_DELAYS, next_step
from campaigns.vocabulary import LEG_STATUSES

ANSWERED = LegFacts(status="atendida", reason=16, talked=20, total=30)
UNTOUCHED = LegFacts()


def rules(*table: dict[str, Any], total: int = 5) -> DialingRules:
    """Return rules with this retry table, as YAML gives it."""
    return DialingRules(
        version=3,
        retry=tuple(RetryRule.model_validate(line) for line in table),
        total_per_contact=total,
    )


def contact_leg(status: str, reason: int | None = None) -> CallFacts:
    """Return a call that ended on the contact's leg."""
    return CallFacts(contact=LegFacts(status=status, reason=reason, total=9), other=UNTOUCHED)


def other_leg(status: str, reason: int | None = None) -> CallFacts:
    """Return a call whose contact was there and whose other leg was not."""
    return CallFacts(contact=ANSWERED, other=LegFacts(status=status, reason=reason, total=9))


def ended(call: CallFacts | None, **facts: Any) -> Ended:
    """Return an attempt that is over after one accepted call."""
    return Ended(
        **{"key": "a1b2.1.1", "how": "call" if call else "not_sent", "call": call, "accepted": 1}
        | facts
    )


BUSY = {"leg": "contact", "status": "ocupado", "after": "15m", "times": "3"}
SILENT = {"leg": "contact", "reasons": ["18", "19", "20"], "after": "4h", "times": "2"}
SUSPECT = {"leg": "contact", "reasons": ["number_suspect"], "then": "next_number"}
AGENT = {"leg": "other", "after": "1m", "times": "5"}
ANY = {"after": "2h", "times": "1"}
AGAIN = {"leg": "contact", "reasons": ["number_suspect"], "after": "1d", "times": "1"}
TABLE = rules(BUSY, SILENT, SUSPECT, AGENT)

NO_ONE = LegFacts(status=None, reason=None)


@pytest.mark.parametrize(
    ("call", "facts", "expected"),
    [
        (contact_leg("ocupado", 17), {}, ("retry", 900, 0, "rule")),
        (contact_leg("OCUPADO", 17), {}, ("retry", 900, 0, "rule")),
        (contact_leg("sem resposta", 19), {}, ("retry", 14_400, 1, "rule")),
        (contact_leg("falha", 20), {}, ("retry", 14_400, 1, "rule")),
        (contact_leg("não existe", 1), {"numbers_left": 2}, ("next_number", 0, 2, "rule")),
        (contact_leg("não existe", 1), {}, ("final", 0, 2, "no_number_left")),
        (contact_leg("falha", 21), {}, ("final", 0, None, "no_rule")),
        (contact_leg("uma palavra nova"), {}, ("final", 0, None, "no_rule")),
        (other_leg("ocupado", 17), {}, ("retry", 60, 3, "rule")),
        (other_leg("sem resposta", 19), {}, ("retry", 60, 3, "rule")),
        (CallFacts(contact=ANSWERED, other=ANSWERED), {}, ("final", 0, None, "answered")),
        (
            CallFacts(contact=ANSWERED, other=UNTOUCHED, hung_up=True),
            {},
            ("final", 0, None, "hung_up"),
        ),
        # Caps come before any rule that would call again.
        (contact_leg("ocupado", 17), {"accepted": 5}, ("final", 0, 0, "contact_cap")),
        (
            contact_leg("não existe", 1),
            {"accepted": 5, "numbers_left": 1},
            ("final", 0, 2, "contact_cap"),
        ),
    ],
)
def test_the_first_line_that_holds_acts(
    call: CallFacts, facts: dict[str, Any], expected: tuple[str, float, int | None, str]
) -> None:
    """Each line of the table speaks for its leg, its statuses and its reasons, in order."""
    step = next_step(TABLE, ended(call, **facts))
    assert (step.action, step.delay, step.rule, step.why) == expected
    assert (step.key, step.version) == ("a1b2.1.1", 3)


def test_a_line_that_stands_first_wins_over_a_narrower_one_below() -> None:
    """Order decides, not precision."""
    step = next_step(rules(ANY, BUSY), ended(contact_leg("ocupado", 17)))
    assert (step.rule, step.delay) == (0, 7_200)


@pytest.mark.parametrize(
    ("uses", "rule"), [((), 0), ((2,), 0), ((3,), 1), ((3, 0), 1), ((9, 0), 1), ((3, 1), None)]
)
def test_a_line_that_is_used_up_lets_the_next_one_speak(
    uses: tuple[int, ...], rule: int | None
) -> None:
    """Three times busy is the busy line's share; the fourth falls through to the line below."""
    step = next_step(rules(BUSY, ANY), ended(contact_leg("ocupado", 17), rule_uses=uses))
    assert step.rule == rule
    assert step.action == ("final" if rule is None else "retry")


@pytest.mark.parametrize(
    ("table", "left", "expected"),
    [
        ((SUSPECT, AGAIN), 1, ("next_number", 0, "rule")),
        ((SUSPECT, AGAIN), 0, ("retry", 1, "rule")),
        ((SUSPECT,), 0, ("final", 0, "no_number_left")),
        ((SUSPECT, AGENT), 0, ("final", 0, "no_number_left")),
        ((), 1, ("next_number", None, "number_suspect")),
        ((), 0, ("final", None, "no_rule")),
    ],
)
def test_a_number_that_seems_not_to_exist_gives_way(
    table: tuple[dict[str, Any], ...], left: int, expected: tuple[str, int | None, str]
) -> None:
    """The next number goes first, rule or not; behind the last one the line below speaks."""
    step = next_step(rules(*table), ended(contact_leg("não existe", 1), numbers_left=left))
    assert (step.action, step.rule, step.why) == expected
    assert step.outcome is Outcome.INVALID_NUMBER
    at_the_cap = ended(contact_leg("não existe", 1), numbers_left=left, accepted=5)
    assert next_step(rules(*table), at_the_cap).action == "final"


@pytest.mark.parametrize("used", [0, 1, 2, 3, 9])
def test_growing_delays_follow_how_often_the_line_has_acted(used: int) -> None:
    """The n-th retry waits the n-th delay, and the last one repeats."""
    growing = {"leg": "contact", "after": ["1m", "5m", "1h"], "times": "20"}
    step = next_step(rules(growing), ended(contact_leg("ocupado"), rule_uses=(used,)))
    assert step.delay == [60, 300, 3_600, 3_600, 3_600][min(used, 4)]


@pytest.mark.parametrize("then", ["stop", "suppress"])
def test_a_line_may_end_the_contact(then: str) -> None:
    """`stop` is final; `suppress` also keeps the number from every later campaign."""
    step = next_step(
        rules({"leg": "contact", "reasons": ["21"], "then": then}),
        ended(contact_leg("falha", 21), numbers_left=3),
    )
    assert (step.action, step.rule, step.suppress) == ("final", 0, then == "suppress")


@pytest.mark.parametrize(
    ("table", "outcome"), [("voicemail", Outcome.VOICEMAIL), ("never_ran", Outcome.NEVER_RAN)]
)
def test_a_line_can_speak_of_what_the_engine_concluded(table: str, outcome: Outcome) -> None:
    """`outcome: voicemail` holds for a machine alone, `never_ran` for a call that dialed nobody."""
    facts = {
        "voicemail": CallFacts(
            contact=ANSWERED.model_copy(update={"substatus": "maquina_origem"}), other=UNTOUCHED
        ),
        "never_ran": CallFacts(contact=NO_ONE, other=NO_ONE),
    }
    only = rules({"outcome": table, "after": "1h", "times": "2"})
    for name, call in facts.items():
        step = next_step(only, ended(call))
        assert step.action == ("retry" if name == table else "final")
    assert next_step(only, ended(facts[table])).outcome is outcome
    assert next_step(only, ended(contact_leg("ocupado", 17))).action == "final"


@pytest.mark.parametrize(
    ("facts", "action", "outcome", "why"),
    [
        ({"how": "not_sent", "technical": 1}, "retry", Outcome.NOT_SENT, "not_sent"),
        ({"how": "not_placed", "technical": 1}, "retry", Outcome.NOT_PLACED, "not_placed"),
        (
            {"how": "refused", "refusal": "pacing", "technical": 1},
            "retry",
            Outcome.REFUSED,
            "refused",
        ),
        (
            {"how": "refused", "refusal": "account", "technical": 7},
            "retry",
            Outcome.REFUSED,
            "refused",
        ),
        (
            {"how": "refused", "refusal": "number", "technical": 1},
            "final",
            Outcome.INVALID_NUMBER,
            "number_refused",
        ),
        (
            {"how": "refused", "refusal": "number", "technical": 1, "numbers_left": 1},
            "next_number",
            Outcome.INVALID_NUMBER,
            "number_refused",
        ),
        ({"how": "unknown", "technical": 1, "numbers_left": 4}, "final", Outcome.UNKNOWN, "parked"),
        (
            {"how": "not_sent", "technical": MAX_TECHNICAL},
            "final",
            Outcome.NOT_SENT,
            "technical_cap",
        ),
    ],
)
def test_an_attempt_that_never_became_a_call_is_no_ones_fault(
    facts: dict[str, Any], action: str, outcome: Outcome, why: str
) -> None:
    """It is due again under a new key; only a refused number, doubt and the cap end there."""
    step = next_step(TABLE, ended(None, **facts))
    assert (step.action, step.outcome, step.why, step.rule) == (action, outcome, why, None)


def test_the_wait_after_nothing_was_placed_grows() -> None:
    """Retries of attempts that never became a call back off, up to a minute."""
    waits = [
        next_step(TABLE, ended(None, technical=n)).delay
        for n in range(1, len(TECHNICAL_DELAYS) + 3)
    ]
    assert waits == [*TECHNICAL_DELAYS, TECHNICAL_DELAYS[-1], TECHNICAL_DELAYS[-1]]


@pytest.mark.parametrize(
    ("call", "spared"),
    [
        (contact_leg("congestionado", 34), True),
        (contact_leg("falha", 127), True),
        (CallFacts(contact=NO_ONE, other=NO_ONE), True),
        # An agent who did not answer before the contact was dialed.
        (
            CallFacts(
                contact=NO_ONE,
                other=LegFacts(status="sem resposta", reason=19, total=45),
                contact_rings_first=False,
            ),
            True,
        ),
        # The contact picked up and waited: they were disturbed.
        (other_leg("sem resposta", 19), False),
        (contact_leg("ocupado", 17), False),
        (contact_leg("sem resposta", 19), False),
    ],
)
def test_a_technical_failure_costs_the_person_nothing(call: CallFacts, *, spared: bool) -> None:
    """Only what reached the contact's phone counts against the contact."""
    step = next_step(rules(ANY, total=1), ended(call))
    assert step.spared is spared
    assert step.action == ("retry" if spared else "final")


# Properties ---------------------------------------------------------------------------------------

DELAYS = st.integers(0, 10_000).map(lambda seconds: timedelta(seconds=seconds))
RULES = st.builds(
    RetryRule.model_construct,
    leg=st.sampled_from([None, "contact", "other"]),
    status=st.lists(st.sampled_from(LEG_STATUSES), max_size=2).map(tuple),
    reasons=st.lists(st.sampled_from([1, 16, 17, 19, 34, 41]), max_size=3).map(tuple),
    outcome=st.sampled_from([(), ("voicemail",), ("never_ran",)]),
    later=st.lists(DELAYS, max_size=2).map(tuple),
).flatmap(
    lambda rule: st.one_of(
        st.builds(
            lambda after, times: RetryRule.model_construct(
                **{**rule.__dict__, "after": after, "times": times, "then": None}
            ),
            DELAYS,
            st.integers(1, 50),
        ),
        st.sampled_from(["next_number", "stop", "suppress"]).map(
            lambda then: RetryRule.model_construct(
                **{**rule.__dict__, "after": None, "times": None, "then": then}
            )
        ),
    )
)
TABLES = st.builds(
    DialingRules.model_construct,
    version=st.just(1),
    retry=st.lists(RULES, max_size=5).map(tuple),
    total_per_contact=st.integers(1, 6),
)
LEGS = st.builds(
    LegFacts,
    status=st.none() | st.sampled_from(LEG_STATUSES),
    reason=st.none() | st.sampled_from([1, 16, 17, 19, 34, 41]),
    talked=st.integers(0, 9),
    total=st.integers(0, 9),
    substatus=st.sampled_from([None, None, "maquina_origem"]),
)
CALLS = st.builds(
    CallFacts,
    contact=LEGS,
    other=LEGS,
    voicemail_detection=st.none() | st.booleans(),
    contact_rings_first=st.booleans(),
    hung_up=st.booleans(),
)
WAYS = st.one_of(
    CALLS.map(lambda call: {"how": "call", "call": call}),
    st.sampled_from(["not_sent", "not_placed", "unknown"]).map(lambda how: {"how": how}),
    st.sampled_from(["number", "pacing", "account", "campaign", "other"]).map(
        lambda kind: {"how": "refused", "refusal": kind}
    ),
)


class Life:
    """A contact's counters, kept as `settle` keeps them."""

    def __init__(self, numbers: int) -> None:
        self.left = numbers - 1
        self.accepted = self.technical = self.rang = self.attempts = 0
        self.uses: list[int] = []

    def attempt(self, table: DialingRules, way: dict[str, Any]) -> Step:
        """End one attempt so, and apply what was decided."""
        self.attempts += 1
        call = way["how"] == "call"
        self.accepted += call
        step = next_step(
            table,
            Ended.model_construct(
                **{
                    "key": f"a1b2.1.{self.attempts}",
                    "call": None,
                    "refusal": None,
                    "accepted": self.accepted,
                    "technical": self.technical + (not call),
                    "numbers_left": self.left,
                    "rule_uses": tuple(self.uses),
                    **way,
                }
            ),
        )
        self.accepted -= step.spared
        self.rang += call and not step.spared
        no_call = {Outcome.REFUSED, Outcome.NOT_SENT, Outcome.NOT_PLACED}
        self.technical = self.technical + 1 if step.spared or step.outcome in no_call else 0
        if step.action == "next_number":
            self.left, self.uses = self.left - 1, []
        elif step.action == "retry" and step.rule is not None:
            self.uses += [0] * (step.rule + 1 - len(self.uses))
            self.uses[step.rule] += 1
        return step


@given(TABLES, WAYS, st.integers(0, 6), st.integers(0, 30), st.integers(0, 3))
def test_every_end_has_exactly_one_next_step(
    table: DialingRules, way: dict[str, Any], accepted: int, technical: int, left: int
) -> None:
    """The policy is total, gives the same answer twice, and asks for nothing impossible."""
    over = Ended.model_construct(
        **{
            "key": "a1b2.1.1",
            "call": None,
            "refusal": None,
            "accepted": accepted,
            "technical": technical,
            "numbers_left": left,
            "rule_uses": (),
            **way,
        }
    )
    step = next_step(table, over)
    assert step == next_step(table, over)
    assert Step.model_validate(step.model_dump()) == step
    assert step.key == over.key
    assert step.delay >= 0
    assert step.why
    if step.action == "next_number":
        assert left > 0
    if step.rule is not None:
        assert 0 <= step.rule < len(table.retry)
    if step.action != "retry":
        assert step.delay == 0
    assert not (step.suppress and step.action != "final")


@given(TABLES, st.lists(WAYS, min_size=1, max_size=6), st.integers(1, 4))
def test_whatever_happens_a_contact_comes_to_an_end(
    table: DialingRules, ways: list[dict[str, Any]], numbers: int
) -> None:
    """Any sequence of ends is over within a bound, and never rings beyond the contact's cap."""
    life = Life(numbers)
    bound = (table.total_per_contact + 1) * MAX_TECHNICAL + numbers
    while life.attempt(table, ways[life.attempts % len(ways)]).action != "final":
        assert life.attempts <= bound
        assert life.rang <= table.total_per_contact
        assert life.left >= 0
    assert life.rang <= table.total_per_contact


@given(TABLES, CALLS, st.lists(st.integers(0, 60), max_size=5))
def test_the_line_that_acts_is_the_first_that_may(
    table: DialingRules, call: CallFacts, uses: list[int]
) -> None:
    """Taking away the lines above the one that acted changes nothing but its place."""
    over = ended(call, accepted=0, rule_uses=tuple(uses))
    step = next_step(table, over)
    if step.rule is None:
        return
    for index, line in enumerate(table.retry[: step.rule]):
        alone = next_step(
            table.model_copy(update={"retry": (line,)}),
            over.model_copy(update={"rule_uses": tuple(uses[index : index + 1])}),
        )
        gave_way = line.then == "next_number" and alone.why == "no_number_left"
        assert gave_way or alone.rule is None, "a line above would have acted"
    below = next_step(
        table.model_copy(update={"retry": table.retry[step.rule :]}),
        over.model_copy(update={"rule_uses": tuple(uses[step.rule :])}),
    )
    assert below.rule == 0
    assert below.model_copy(update={"rule": step.rule}) == step
