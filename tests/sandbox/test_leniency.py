"""What the sandbox takes although the document does not say so, because the clients need it."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.moments import iso, parse
from sandbox.numbers import parse as parse_number
from tests.sandbox.conftest import CONTACT, START, Api, Clock


@pytest.mark.parametrize(
    ("text", "digits", "kind"),
    [
        ("+5548999990001", "48999990001", "movel"),
        (" 5548999990001", "48999990001", "movel"),
        ("5548999990001", "48999990001", "movel"),
        ("48 99999 0001", "48999990001", "movel"),
        ("4832830151", "4832830151", "fixo"),
        ("5532830151", "5532830151", "fixo"),
        ("4000", "4000", "ramal"),
        ("101", "101", "ramal"),
        (4832830151, "4832830151", "fixo"),
    ],
)
def test_numbers_are_taken_in_every_form_that_arrives(text: object, digits: str, kind: str) -> None:
    """E.164 with and without plus, DDD and number, and ramais are one and the same number."""
    number = parse_number(text)
    assert number is not None
    assert (number.digits, number.kind) == (digits, kind)


@pytest.mark.parametrize(
    "text", ["", "0", "12", "190000", "+1 202 555 0100", "(48) 3283-0151", "0832830151", None, True]
)
def test_what_is_no_brazilian_number_is_refused(text: object) -> None:
    """Punctuation, other countries, short codes and things that are no text are no numbers."""
    assert parse_number(text) is None


@pytest.mark.parametrize(
    "text",
    [
        "2018-03-14T03:00:00Z",
        "2018-03-14T00:00:00-03:00",
        "2018-03-14 03:00:00 UTC",
        "2018-03-14+03:00:00+UTC",
        "2018-03-14T05:00:00 02:00",
        "2018-03-14",
        "2018-03-14T03:00:00",
    ],
)
def test_dates_are_taken_in_every_form_that_arrives(text: str) -> None:
    """All of these are the same instant: midnight of 14 March 2018 in Brasilia."""
    assert parse(text) == 1_520_996_400


def test_a_date_alone_ends_with_its_day() -> None:
    """As the end of a period a date means its last second."""
    assert parse("2018-03-14", end_of_day=True) == 1_520_996_400 + 86_399


@given(st.text() | st.dates().map(str) | st.datetimes().map(str))
def test_no_text_breaks_the_reading_of_dates(text: str) -> None:
    """Any text is an instant that can be printed again, or none."""
    instant = parse(text)
    assert instant is None or instant < 0 or iso(instant)


@pytest.mark.parametrize("value", [True, "true", "True", 1, "1"])
def test_a_flag_is_set_in_every_way_that_the_clients_write_it(api: Api, value: Any) -> None:
    """A boolean may be text or a number."""
    api.create(gravar_audio=value)
    assert api.server.ledger()[0]["gravar_audio"] is True


@pytest.mark.parametrize("value", [False, "false", 0, "0", None, "", []])
def test_a_flag_is_not_set_by_anything_else(api: Api, value: Any) -> None:
    """Nothing, null, false and nonsense leave a flag off."""
    api.create(gravar_audio=value)
    assert api.server.ledger()[0]["gravar_audio"] is False


@pytest.mark.parametrize("when", [None, "", "0001-01-01T00:00:00Z", "2017-03-30T17:17:14-03:00"])
def test_no_date_or_a_past_one_dials_now(api: Api, when: str | None) -> None:
    """Only a date in the future is a schedule."""
    api.create(data_criacao=when)
    assert api.server.ledger()[0]["live_from"] == START


def test_a_scheduled_call_waits_and_can_be_cancelled(api: Api, clock: Clock) -> None:
    """A call in the future holds no channel until its time, and DELETE cancels it before."""
    later, cancelled = (api.create(data_criacao=iso(START + 3_600)) for _ in range(2))
    assert api.fetch(later)["status_geral"] == "criada"
    assert api.server.stats()["live"] == 0
    assert api("DELETE", f"/chamada/{cancelled}").json()["sucesso"]
    clock.now += 3_601.5
    assert api.server.stats()["live"] == api.server.stats()["peak_live"] == 1
    assert api.fetch(later)["status_geral"] == "curso"
    call = api.fetch(cancelled)
    assert (call["status_geral"], call["origem"]["status"]) == ("finalizada", "cancelada")


def test_a_form_is_taken_for_a_body(api: Api) -> None:
    """Old callers post a form; `curl -d` posts JSON and calls it a form."""
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    for data in (
        f"numero_origem={CONTACT}&numero_destino=4000&gravar_audio=true".encode(),
        f'{{"numero_origem":"{CONTACT}","numero_destino":"4000","gravar_audio":"true"}}'.encode(),
    ):
        assert api("POST", "/chamada", data=data, headers=headers).json()["sucesso"]
    assert [entry["gravar_audio"] for entry in api.server.ledger()] == [True, True]
