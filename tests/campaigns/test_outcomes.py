"""What a finished call came to, by leg, status and disconnect reason."""

from __future__ import annotations

import unicodedata
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaigns.attempts import CallFacts, LegFacts, Outcome
from campaigns.outcomes import classify, failing_leg, fold, is_voicemail
from campaigns.vocabulary import LEG_STATUSES, REASON_CLASSES, REASON_CODES

ANSWERED: Final = LegFacts(status="atendida", reason=16, talked=20, total=30)
UNTOUCHED: Final = LegFacts(status=None, reason=None)


def leg(status: str | None, reason: int | None = None, **facts: Any) -> LegFacts:
    """Return a leg that ended so."""
    return LegFacts(status=status, reason=reason, total=facts.pop("total", 5), **facts)


def call(contact: LegFacts, other: LegFacts = UNTOUCHED, **facts: Any) -> CallFacts:
    """Return a finished call."""
    return CallFacts(contact=contact, other=other, **facts)


BY_CONTACT: Final = [
    # status, code, what it came to
    ("ocupado", 17, Outcome.BUSY),
    ("ocupado", None, Outcome.BUSY),
    ("ocupado", 16, Outcome.BUSY),
    ("sem resposta", 18, Outcome.NO_ANSWER),
    ("sem resposta", 19, Outcome.NO_ANSWER),
    ("sem resposta", 20, Outcome.UNREACHABLE),
    ("sem resposta", None, Outcome.NO_ANSWER),
    ("falha", 21, Outcome.REJECTED),
    ("falha", 29, Outcome.REJECTED),
    ("falha", 27, Outcome.UNREACHABLE),
    ("falha", 41, Outcome.TECHNICAL),
    ("falha", 42, Outcome.TECHNICAL),
    ("falha", 44, Outcome.TECHNICAL),
    ("falha", 102, Outcome.TECHNICAL),
    ("falha", 111, Outcome.TECHNICAL),
    ("falha", 127, Outcome.TECHNICAL),
    ("falha", None, Outcome.TECHNICAL),
    ("congestionado", 34, Outcome.TECHNICAL),
    ("congestionado", None, Outcome.TECHNICAL),
    ("não existe", 1, Outcome.INVALID_NUMBER),
    ("não existe", 22, Outcome.INVALID_NUMBER),
    ("não existe", 28, Outcome.INVALID_NUMBER),
    ("não existe", None, Outcome.INVALID_NUMBER),
    ("cancelada", None, Outcome.OTHER),
    ("desconhecido", None, Outcome.OTHER),
    ("uma palavra nova", 16, Outcome.OTHER),
    ("uma palavra nova", 999, Outcome.OTHER),
]


@pytest.mark.parametrize(("status", "reason", "outcome"), BY_CONTACT)
def test_the_contacts_leg_names_the_outcome(
    status: str, reason: int | None, outcome: Outcome
) -> None:
    """The code decides where it says something, then the status; an unknown one blames nobody."""
    assert classify(call(leg(status, reason))) is outcome


@pytest.mark.parametrize(("status", "reason", "outcome"), BY_CONTACT)
@pytest.mark.parametrize("contact_rings_first", [True, False])
def test_the_same_end_of_the_other_leg_is_not_the_contacts_doing(
    status: str, reason: int | None, outcome: Outcome, *, contact_rings_first: bool
) -> None:
    """A busy agent is not a busy contact, whichever of the two rings first."""
    contact = ANSWERED if contact_rings_first else UNTOUCHED
    ended = call(contact, leg(status, reason), contact_rings_first=contact_rings_first)
    assert classify(ended) is Outcome.OTHER_LEG


def test_both_legs_answered_is_an_answer() -> None:
    """A contact who was connected was reached, even when we ended the call."""
    assert classify(call(ANSWERED, ANSWERED)) is Outcome.ANSWERED
    assert classify(call(ANSWERED, ANSWERED, hung_up=True)) is Outcome.ANSWERED


@pytest.mark.parametrize(
    ("contact", "other"),
    [(leg("cancelada"), UNTOUCHED), (ANSWERED, leg("cancelada")), (ANSWERED, UNTOUCHED)],
)
def test_a_call_that_we_ended_before_it_connected_says_nothing_about_anybody(
    contact: LegFacts, other: LegFacts
) -> None:
    """Hanging up is our doing: it is no answer, no failure of the contact and none of the other."""
    assert classify(call(contact, other, hung_up=True)) is Outcome.HUNG_UP


@pytest.mark.parametrize("hung_up", [False, True])
def test_a_call_that_dialed_nobody_never_ran(*, hung_up: bool) -> None:
    """Null statuses and no second on any leg: the API took the call and did nothing."""
    assert classify(call(UNTOUCHED, UNTOUCHED, hung_up=hung_up)) is Outcome.NEVER_RAN
    with_reason = LegFacts(status=None, reason=41)
    assert classify(call(with_reason, UNTOUCHED)) is Outcome.NEVER_RAN


@pytest.mark.parametrize(
    ("facts", "voicemail"),
    [
        # The API says so outright, whatever the rest.
        (call(leg("atendida", 16, talked=3, substatus="maquina_origem")), True),
        (call(leg("atendida", 16, talked=40, substatus="MAQUINA_ORIGEM")), True),
        (call(leg(None, None, substatus="maquina_origem")), True),
        # It leaves the word out: detection was on and the leg was dropped at once.
        (call(leg("atendida", 16, talked=3, total=25), voicemail_detection=True), True),
        (call(leg("Atendida", 16, talked=1, total=25), voicemail_detection=True), True),
        # Detection was off, or not told of: not known, so no voicemail.
        (call(leg("atendida", 16, talked=3)), False),
        (call(leg("atendida", 16, talked=3), voicemail_detection=False), False),
        # A person who stayed longer, who was connected, or whom we cut off.
        (call(leg("atendida", 16, talked=4), voicemail_detection=True), False),
        (call(leg("atendida", 16, talked=2), ANSWERED, voicemail_detection=True), False),
        (call(leg("atendida", 16, talked=2), leg("ocupado"), voicemail_detection=True), False),
        (call(leg("atendida", 16, talked=2), voicemail_detection=True, hung_up=True), False),
        # Nobody picked up.
        (call(leg("sem resposta", 19), voicemail_detection=True), False),
        # Detection listens to the leg that rings first, which is our own side here.
        (
            call(
                leg("atendida", 16, talked=2), voicemail_detection=True, contact_rings_first=False
            ),
            False,
        ),
    ],
)
def test_voicemail_is_told_by_substatus_else_by_a_dropped_leg_else_not_at_all(
    facts: CallFacts, *, voicemail: bool
) -> None:
    """A machine is an outcome of its own; where it is not known, the legs speak as they do."""
    assert is_voicemail(facts) is voicemail
    assert (classify(facts) is Outcome.VOICEMAIL) is voicemail


@pytest.mark.parametrize("status", LEG_STATUSES)
@pytest.mark.parametrize("form", ["NFC", "NFD"])
@pytest.mark.parametrize("write", [str.lower, str.upper, str.title, lambda text: f"  {text} "])
def test_a_status_is_read_in_any_case_and_any_composition_of_accents(
    status: str, form: Any, write: Any
) -> None:
    """`NÃO EXISTE` in decomposed letters with blanks around is the documented `não existe`."""
    written = write(unicodedata.normalize(form, status))
    plain = call(leg(unicodedata.normalize("NFC", status)))
    assert classify(call(leg(written))) is classify(plain)
    assert failing_leg(call(leg(written))) == failing_leg(plain)


def test_every_class_of_reasons_is_one_outcome() -> None:
    """What a campaign may write as a class is what the outcome of those codes is."""
    expected = {
        "busy": Outcome.BUSY,
        "no_answer": Outcome.NO_ANSWER,
        "unreachable": Outcome.UNREACHABLE,
        "rejected": Outcome.REJECTED,
        "technical": Outcome.TECHNICAL,
        "number_suspect": Outcome.INVALID_NUMBER,
    }
    for name, codes in REASON_CLASSES.items():
        for code in codes:
            assert classify(call(leg("falha", code))) is expected[name], (name, code)


STATUSES = st.none() | st.sampled_from(LEG_STATUSES) | st.text(max_size=12)
LEGS = st.builds(
    LegFacts,
    status=STATUSES,
    reason=st.none() | st.sampled_from(sorted(REASON_CODES)) | st.integers(),
    talked=st.integers(0, 5_000),
    total=st.integers(0, 5_000),
    substatus=st.none() | st.just("maquina_origem") | st.text(max_size=8),
)
CALLS = st.builds(
    CallFacts,
    contact=LEGS,
    other=LEGS,
    voicemail_detection=st.none() | st.booleans(),
    contact_rings_first=st.booleans(),
    hung_up=st.booleans(),
)


@given(CALLS)
def test_any_finished_call_has_one_outcome_that_a_call_can_have(facts: CallFacts) -> None:
    """Whatever the API says, classifying ends in one of the words for calls, always the same."""
    outcome = classify(facts)
    assert outcome is classify(facts)
    assert outcome not in {
        Outcome.REFUSED,
        Outcome.NOT_SENT,
        Outcome.NOT_PLACED,
        Outcome.UNKNOWN,
        Outcome.SUPPRESSED,
        Outcome.NOT_ALLOWED,
        Outcome.EXPIRED,
    }


@given(CALLS)
def test_only_the_legs_own_words_make_an_answer(facts: CallFacts) -> None:
    """Nobody counts as reached unless both legs were picked up."""
    if classify(facts) is Outcome.ANSWERED:
        assert fold(facts.contact.status) == fold(facts.other.status) == "atendida"
