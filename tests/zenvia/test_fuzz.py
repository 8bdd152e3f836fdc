"""Whatever the API answers, the client raises nothing but its own errors."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.zenvia.test_models import CALL, DECLARED, FLAT
from zenvia import errors
from zenvia.client import VoiceClient
from zenvia.models import NewCall
from zenvia.transport import Answer
from zenvia.webhooks import read_event

SINCE, UNTIL = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 2, tzinfo=UTC)


async def _all(rows: Any) -> list[Any]:
    return [row async for row in rows]


OPERATIONS: dict[str, Callable[[VoiceClient], Awaitable[object]]] = {
    "create_call": lambda c: c.create_call(NewCall(numero_origem="4000", numero_destino="4001")),
    "fetch_call": lambda c: c.fetch_call(1),
    "hang_up": lambda c: c.hang_up(1),
    "call_recording": lambda c: c.call_recording(1, Path("never-written.mp3")),
    "call_report": lambda c: c.call_report(SINCE, UNTIL),
    "call_states": lambda c: c.call_states(SINCE, UNTIL),
    "iter_call_report": lambda c: _all(c.iter_call_report(SINCE, UNTIL)),
    "listen_in": lambda c: c.listen_in(1, "4000", 1),
    "transfer": lambda c: c.transfer(1, "4000", "origem"),
    "rate_call": lambda c: c.rate_call(1, 5),
    "create_conference": lambda c: c.create_conference(),
    "add_to_conference": lambda c: c.add_to_conference(1, "4000"),
    "fetch_conference": lambda c: c.fetch_conference(1),
    "end_conference": lambda c: c.end_conference(1),
    "conference_report": lambda c: c.conference_report(SINCE, UNTIL),
    "iter_conference_report": lambda c: _all(c.iter_conference_report(SINCE, UNTIL)),
    "conference_calls_report": lambda c: c.conference_calls_report(SINCE, UNTIL),
    "iter_conference_calls_report": lambda c: _all(c.iter_conference_calls_report(SINCE, UNTIL)),
    "webphone_url": lambda c: c.webphone_url(ramal="4000"),
}
DADOS: list[Any] = [
    {"id": 123},
    CALL,
    DECLARED,
    FLAT,
    {"relatorio": [CALL, CALL]},
    {"relatorio": [DECLARED, FLAT]},
    {"relatorio": DECLARED["chamadas"][:1] * 100},
    {"url": "https://voice-api.zenvia.com/w3/?key=ab&pop=1"},
    None,
]

scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.sampled_from([2**63, -(2**63), 10**25, 10**400, -1, 0]),
    st.floats(allow_nan=True, allow_infinity=True),
    st.text(max_size=20),
    st.sampled_from(
        ["", "\0", "\ud800", "9" * 5000, "1e999", "NaN", "16. ", "0001-01-01T00:00:00Z"]
    ),
    st.sampled_from(["9999-12-31T23:59:59-14:00", "http://[", "https://x:99999999/", "\x1b[2J"]),
)
anything = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=8,
)


@st.composite
def spoiled(draw: st.DrawFn, value: Any) -> Any:
    """Take a documented value and spoil some of it: missing, null, another type, huge, more."""
    action = draw(st.integers(0, 9))
    if action == 0:
        return draw(anything)
    if isinstance(value, dict):
        kept = {
            key: draw(spoiled(item)) if draw(st.integers(0, 5)) == 0 else item
            for key, item in value.items()
            if draw(st.integers(0, 9))
        }
        if action == 1:
            kept[draw(st.text(max_size=10))] = draw(anything)
        return kept
    if isinstance(value, list):
        return [draw(spoiled(item)) for item in value[:3] for _ in range(draw(st.integers(0, 2)))]
    return value


@st.composite
def bodies(draw: st.DrawFn) -> bytes:
    """Give the bytes of an answer: documented, spoiled, cut, or not JSON at all."""
    kind = draw(st.integers(0, 9))
    if kind == 0:
        return draw(st.binary(max_size=40))
    if kind == 1:
        depth = draw(st.sampled_from([5, 150, 250, 1000, 100_000]))
        opening, closing = draw(st.sampled_from([(b"[", b"]"), (b'{"dados":', b"}")]))
        return opening * depth + b"1" + closing * depth
    envelope = {
        "status": 200,
        "sucesso": draw(st.sampled_from([True, True, True, False, "true", None, 1])),
        "motivo": draw(st.sampled_from([0, 11, 50, 60, None, "11", 10**30, [1], 1.5])),
        "mensagem": draw(st.one_of(st.text(max_size=30), scalars)),
        "dados": draw(spoiled(draw(st.sampled_from(DADOS)))),
    }
    text = json.dumps(
        envelope if kind > 2 else draw(spoiled(envelope)), ensure_ascii=draw(st.booleans())
    )
    data = text.encode("utf-8", "surrogatepass")
    return data[: draw(st.integers(0, len(data)))] if kind == 3 else data


def ask(operation: str, answer: Answer) -> object:
    """Run one operation of a client whose every exchange brings `answer`."""

    async def exchange(*_: object, **named: Any) -> Answer:
        return answer

    client = VoiceClient("http://127.0.0.1:9", "t0ken")
    with mock.patch.object(client._transport, "exchange", exchange):
        return asyncio.run(_awaited(OPERATIONS[operation](client)))


async def _awaited(thing: Awaitable[object]) -> object:
    return await thing


@pytest.mark.parametrize("operation", sorted(OPERATIONS))
@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(
    body=bodies(),
    status=st.sampled_from([200, 200, 200, 200, 204, 301, 400, 403, 404, 405, 429, 500, 501]),
)
@example(body=b'{"sucesso":true,"dados":{"id":"\\ud800"}}', status=200)
@example(body=b'{"sucesso":true,"dados":{"id":' + b"9" * 5000 + b"}}", status=200)
@example(body=b'{"sucesso":true,"dados":' + b"[" * 100_000, status=200)
@example(body=b'{"sucesso":true,"dados":{"relatorio":[{"id":NaN}]}}', status=200)
@example(body=b'{"sucesso":true,"motivo":NaN,"mensagem":{},"dados":Infinity}', status=405)
@example(body=b"\xff\xfe\x00", status=200)
def test_no_answer_makes_the_client_raise_anything_else(
    operation: str, body: bytes, status: int
) -> None:
    """A result, or an error of our tree whose text is safe to print; for every operation."""
    headers = {"content-type": "application/json", "retry-after": "soon"}
    try:
        result = ask(operation, Answer(status, headers, body))
    except errors.VoiceError as error:
        result = str(error)[:500].encode()
    repr(result)


@given(body=bodies())
@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow], deadline=None)
def test_no_event_raises_anything_else(body: bytes) -> None:
    """Anybody can post anything to a webhook: it is an event or a `BadEvent`."""
    try:
        event = read_event("chamada_fim", body)
    except errors.BadEvent:
        return
    assert 0 <= event.id < 2**63
    event.model_dump_json()


def test_every_method_is_fuzzed() -> None:
    """A public method that is added to the client must be added here."""
    public = {
        name
        for name in dir(VoiceClient)
        if not name.startswith("_") and callable(getattr(VoiceClient, name))
    }
    assert public == set(OPERATIONS)
