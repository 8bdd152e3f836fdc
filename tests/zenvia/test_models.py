"""Reading what the API sends: tolerant of its slips, silent about people."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from campaigns import vocabulary
from zenvia.disconnect import REASONS, ReasonClass, parse_reason
from zenvia.models import CallState, Chamada, Conferencia, NewCall, WebphoneUrl
from zenvia.numbers import NumberFormat, written
from zenvia.webhooks import read_event

LEG: dict[str, Any] = {
    "data_inicio": "2018-08-02T10:49:29-03:00",
    "numero": "+5548999990001",
    "tipo": "movel",
    "status": "atendida",
    "duracao_segundos": 29,
    "duracao": "00:00:29",
    "duracao_cobrada_segundos": 60,
    "duracao_cobrada": "00:01:00",
    "duracao_falada_segundos": 28,
    "duracao_falada": "00:00:28",
    "preco": 0.1,
    "motivo_desconexao": "16. normal",
}
CALL: dict[str, Any] = {
    "id": 123,
    "data_criacao": "2018-08-02T10:49:30-03:00",
    "ativa": False,
    "url_gravacao": "https://example.org/rec/?id=123&x=0123456789",
    "cliente_id": 1,
    "conta_id": 1,
    "ramal_id_origem": None,
    "tags": "k1 novembro",
    "status_geral": "finalizada",
    "origem": LEG,
    "destino": {**LEG, "status": None, "motivo_desconexao": "indefinido"},
}


def test_the_documented_call_reads_whole() -> None:
    """Every documented field arrives with its type."""
    call = Chamada.model_validate(CALL)
    assert call.ended
    assert call.data_criacao == datetime(2018, 8, 2, 13, 49, 30, tzinfo=UTC)
    assert call.origem.duracao_cobrada_segundos == 60
    assert call.origem.disconnect_reason.code == 16
    assert call.destino.status is None
    assert call.destino.disconnect_reason.code is None
    assert call.destino.disconnect_reason.label == "indefinido"


_VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=12),
    st.sampled_from(
        ("ATENDIDA ", "16. normal", "29", "0.35", "sim", "2018-08-02T10:49:29", "curso")
    ),
    st.lists(st.integers(), max_size=2),
    st.dictionaries(st.sampled_from(("status", "preco")), st.text(max_size=3), max_size=2),
)
_LEGS = st.one_of(
    _VALUES, st.fixed_dictionaries({}, optional=dict.fromkeys([*LEG, "substatus"], _VALUES))
)


def _read(model: type[BaseModel], row: object) -> BaseModel | None:
    try:
        return model.model_validate(row)
    except ValidationError:
        return None


@given(
    st.fixed_dictionaries(
        {"id": st.one_of(st.integers(0, 10**9), _VALUES)},
        optional={
            **dict.fromkeys(["data_criacao", "tags", "status_geral", "detecta_caixa"], _VALUES),
            "origem": _LEGS,
            "destino": _LEGS,
        },
    )
)
def test_a_state_is_what_the_whole_call_says(row: dict[str, Any]) -> None:
    """However odd a row is: both readings take it, field by field alike, or neither does."""
    whole, state = _read(Chamada, row), _read(CallState, row)
    assert (whole is None) == (state is None)
    if isinstance(whole, Chamada) and isinstance(state, CallState):
        for name in CallState.model_fields.keys() - {"origem", "destino"}:
            assert getattr(state, name) == getattr(whole, name)
        for one, other in ((state.origem, whole.origem), (state.destino, whole.destino)):
            for name in type(one).model_fields:
                assert getattr(one, name) == getattr(other, name)
            assert one.disconnect_reason == other.disconnect_reason
        assert state.ended == whole.ended


@pytest.mark.parametrize(
    ("field", "value", "expected"),
    [
        ("id", "123", 123),
        ("id", 123.0, 123),
        ("ativa", "true", True),
        ("ativa", 0, False),
        ("ativa", "perhaps", None),
        ("cliente_id", "x", None),
        ("cliente_id", 10**30, None),
        ("tags", 5, "5"),
        ("tags", None, None),
        ("tags", "", ""),
        ("status_geral", " Finalizada ", "finalizada"),
        ("status_geral", "", None),
        (
            "data_criacao",
            "2019-09-06T13:44:52.000-03:00",
            datetime(2019, 9, 6, 16, 44, 52, tzinfo=UTC),
        ),
        ("data_criacao", "2018-03-18T00:51:22.000Z", datetime(2018, 3, 18, 0, 51, 22, tzinfo=UTC)),
        ("data_criacao", "2019-09-06T17:21:33", datetime(2019, 9, 6, 17, 21, 33, tzinfo=UTC)),
        ("data_criacao", "yesterday", None),
        ("data_criacao", 5, None),
        ("data_criacao", "0001-01-01T00:00:00+23:00", None),
    ],
)
def test_slips_are_tolerated(field: str, value: object, expected: object) -> None:
    """Another type or form than documented reads as what it means, or as None."""
    assert getattr(Chamada.model_validate({**CALL, field: value}), field) == expected


def test_a_naive_time_in_a_leg_is_local() -> None:
    """Legs of real-time events carry Brasília's time without an offset."""
    leg = {**LEG, "data_inicio": "2019-09-06T14:21:33"}
    call = Chamada.model_validate({**CALL, "origem": leg})
    assert call.origem.data_inicio == datetime(2019, 9, 6, 17, 21, 33, tzinfo=UTC)


@pytest.mark.parametrize("value", [None, "x", -1, 2**63, True, [], 1.5, "1e3", "\uff19"])
def test_a_call_needs_an_id(value: object) -> None:
    """A call that cannot be named is no call."""
    with pytest.raises(ValidationError):
        Chamada.model_validate({**CALL, "id": value})


@pytest.mark.parametrize("price", [10**400, float("nan"), float("inf"), "1e999", True, [], "free"])
def test_a_price_is_a_finite_number(price: object) -> None:
    """Anything else reads as no price."""
    call = Chamada.model_validate({**CALL, "origem": {**LEG, "preco": price}})
    assert call.origem.preco is None


@pytest.mark.parametrize("leg", [None, "x", [], 5])
def test_a_missing_leg_is_an_empty_leg(leg: object) -> None:
    """A call without one of its legs still reads."""
    assert Chamada.model_validate({**CALL, "destino": leg}).destino.status is None


def test_unknown_fields_are_kept() -> None:
    """What the API adds one day is there for whoever looks, and goes out again with the rest."""
    call = Chamada.model_validate({**CALL, "novo": {"a": [1]}})
    assert call.model_extra == {"novo": {"a": [1]}}
    assert '"novo":{"a":[1]}' in call.model_dump_json()


def test_no_repr_shows_a_number_or_a_secret() -> None:
    """Numbers, recording addresses and unknown fields stay out of any representation."""
    call = Chamada.model_validate({**CALL, "novo": "+5548999990002"})
    new = NewCall(numero_origem="+5548999990003", numero_destino="4000", bina_origem="4832830151")
    url = WebphoneUrl(url="https://example.org/w3/?key=0123")
    shown = f"{call!r} {call} {new!r} {url!r}"
    for private in ("99999", "4832830151", "example.org", "0123"):
        assert private not in shown


def test_a_bad_new_call_does_not_quote_its_number() -> None:
    """The error of a wrong field names the field and not its value."""
    with pytest.raises(ValidationError) as caught:
        NewCall(numero_origem=4832830151, numero_destino="4000")
    assert "4832830151" not in str(caught.value)


@pytest.mark.parametrize(
    ("raw", "code", "label"),
    [
        ("16. normal", 16, "normal"),
        ("98. mensagem não compatível", 98, "mensagem não compatível"),
        (" 17.ocupado ", 17, "ocupado"),
        ("16.", 16, None),
        ("indefinido", None, "indefinido"),
        ("normal", None, "normal"),
        ("", None, None),
        (None, None, None),
        ("99999999999. x", None, "99999999999. x"),
        ("٣. x", None, "٣. x"),
    ],
)
def test_a_disconnect_reason_reads_in_every_form(
    raw: str | None, code: int | None, label: str | None
) -> None:
    """Code and label, a label alone, or nothing; the raw text is kept."""
    reason = parse_reason(raw)
    assert (reason.code, reason.label, reason.raw) == (code, label, raw)


def test_there_are_46_reasons() -> None:
    """The documented list, with the code that it prints three times counted once."""
    assert len(REASONS) == 46
    assert set(REASONS) == vocabulary.REASON_CODES
    assert all(label == label.strip() != "" for label, _ in REASONS.values())


def test_classes_of_reasons_are_those_of_the_campaign_language() -> None:
    """A reason is classed here as it is where campaigns name classes."""
    for name, codes in vocabulary.REASON_CLASSES.items():
        assert {code for code, (_, kind) in REASONS.items() if kind == name} == set(codes)
    assert parse_reason("17. ocupado").kind is ReasonClass.BUSY
    assert parse_reason("indefinido").kind is ReasonClass.UNKNOWN
    assert parse_reason("5. novo").kind is ReasonClass.UNKNOWN


DECLARED: dict[str, Any] = {
    "id": 432,
    "data_criacao": "2016-03-27T15:12:44-03:00",
    "data_termino": None,
    "chamadas": [
        {"id": 46132, "conferencia_id": 432, "numero": "4832830151", "duracao_cobrada": "00:00:60"},
        "rubbish",
    ],
}
FLAT: dict[str, Any] = {
    "id": 432,
    "numero_destino": "4832830151",
    "data_criacao": "2016-03-27T15:12:44+03:00",
    "tipo": "fixo",
    "status": "atendida",
    "duracao_segundos": 45,
    "preco": None,
    "url_conferencia": "http://example.org/c.mp3",
    "resposta": None,
}


def test_both_shapes_of_a_conference_read() -> None:
    """The declared shape has calls; the flat one reads as a room with one call."""
    declared, flat = Conferencia.model_validate(DECLARED), Conferencia.model_validate(FLAT)
    assert [call.id for call in declared.chamadas] == [46132]
    assert declared.chamadas[0].duracao_cobrada == "00:00:60"
    assert [(c.conferencia_id, c.numero, c.duracao_segundos) for c in flat.chamadas] == [
        (432, "4832830151", 45)
    ]
    assert flat.id == declared.id == 432
    assert Conferencia.model_validate({"id": 1}).chamadas == ()


@pytest.mark.parametrize(
    ("url", "expires"),
    [
        ("https://voice-api.zenvia.com/w3/?key=ab&pop=1", None),
        (
            "https://voice-api.zenvia.com/w3/?key=ab&signature=cd&expires=1767225600",
            datetime(2026, 1, 1, tzinfo=UTC),
        ),
        ("https://voice-api.zenvia.com/w3/?key=ab&expires=never", None),
        ("https://voice-api.zenvia.com/w3/?key=ab&expires=99999999999999999999", None),
    ],
)
def test_a_webphone_address_may_be_signed(url: str, expires: datetime | None) -> None:
    """Addresses are understood with and without a signature, and tell their origin."""
    address = WebphoneUrl(url=url)
    assert address.expires == expires
    assert address.origin == "https://voice-api.zenvia.com"


@pytest.mark.parametrize("url", ["javascript:alert(1)", "/w3/", "", "https://"])
def test_a_webphone_address_is_a_web_address(url: str) -> None:
    """Anything that is not http or https is refused: it will be opened in a browser."""
    with pytest.raises(ValidationError):
        WebphoneUrl(url=url)


@pytest.mark.parametrize(
    ("number", "number_format", "expected"),
    [
        ("+5548999990001", "e164", "+5548999990001"),
        ("+5548999990001", "ddd", "48999990001"),
        ("5548999990001", "ddd", "48999990001"),
        ("48999990001", "e164", "+5548999990001"),
        ("4832830151", "e164", "+554832830151"),
        ("(48) 3283-0151", "ddd", "4832830151"),
        ("4000", "e164", "4000"),
        ("400", "ddd", "400"),
        ("+14155550100", "ddd", "+14155550100"),
        ("03031234567", "e164", "03031234567"),
        ("5555999990001", "ddd", "55999990001"),
        ("55999990001", "e164", "+5555999990001"),
    ],
)
def test_numbers_are_written_as_the_account_wants(
    number: str, number_format: NumberFormat, expected: str
) -> None:
    """E.164, or area code and number; ramais and what is not Brazilian pass as they are."""
    assert written(number, number_format) == expected


def test_an_event_is_a_call_without_an_envelope() -> None:
    """`chamada_fim` carries the whole call, its id perhaps as text."""
    event = read_event("chamada_fim", b'{"id": "55", "status_geral": "finalizada", "ativa": false}')
    assert (event.id, event.ended) == (55, True)
