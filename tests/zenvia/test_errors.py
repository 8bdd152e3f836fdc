"""Every failure has one place in the tree, and none of them says too much."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zenvia import errors
from zenvia.answers import Failed
from zenvia.envelope import BY_MOTIVO, BY_STATUS, dados, retry_after
from zenvia.gate import Withheld
from zenvia.transport import Answer, place


def subclasses(root: type[Any]) -> Iterator[type[Any]]:
    """Give every class below `root`."""
    for child in root.__subclasses__():
        yield child
        yield from subclasses(child)


def instance(kind: type[Exception]) -> Exception:
    """Make an exception of any class without its own arguments."""
    return kind.__new__(kind)


@pytest.mark.parametrize(
    "kind",
    [*subclasses(OSError), TimeoutError, ValueError, RuntimeError, Withheld, httpx.InvalidURL],
    ids=lambda kind: kind.__name__,
)
def test_whatever_is_raised_is_placed(kind: type[Exception]) -> None:
    """Any error is `NotSent` while the gate was shut and `Unsure` afterwards."""
    assert issubclass(place(instance(kind), opened=False), errors.NotSent)
    assert issubclass(place(instance(kind), opened=True), errors.Unsure)


@pytest.mark.parametrize("kind", [*subclasses(errors.VoiceError)], ids=lambda kind: kind.__name__)
def test_the_gate_decides_whatever_a_lower_layer_calls_it(kind: type[errors.VoiceError]) -> None:
    """A kind is kept on its own side of the gate; on the other side it says nothing."""
    shut, opened = place(Failed(kind), opened=False), place(Failed(kind), opened=True)
    assert shut is (kind if issubclass(kind, errors.NotSent) else errors.RequestNotPossible)
    assert opened is (kind if issubclass(kind, errors.Unsure) else errors.ConnectionLost)


def refusal(status: int, motivo: object, **more: object) -> errors.VoiceError:
    """Return what an envelope of a failure is raised as."""
    body = {"status": status, "sucesso": False, "motivo": motivo, "mensagem": "m", **more}
    return failure(status, httpx.Request("GET", "http://x"), body)


def failure(status: int, _: object, body: object) -> errors.VoiceError:
    """Return what an answer with this JSON is raised as."""
    answer = Answer(status, {}, httpx.Response(200, json=body).content)
    with pytest.raises(errors.VoiceError) as caught:
        dados(answer, operation="op", token="t")
    return caught.value


@pytest.mark.parametrize(
    ("status", "motivo", "kind"),
    [
        (403, 40, errors.AuthenticationRefused),
        (403, 8, errors.PermissionRefused),
        (402, 9, errors.BalanceRefused),
        (404, 10, errors.ParameterRefused),
        (405, 10, errors.ParameterRefused),
        (405, 11, errors.ParameterRefused),
        (409, 20, errors.DuplicateRefused),
        (501, 30, errors.NotImplementedByApi),
        (404, 60, errors.NotFound),
        (404, 70, errors.NoRecording),
        (404, 80, errors.NotActive),
        (404, 90, errors.PathNotFound),
        (400, 100, errors.ParameterRefused),
        (429, 100, errors.RateLimited),
        (500, 50, errors.ServerError),
        (200, 11, errors.ParameterRefused),
        (200, 50, errors.ServerError),
        (403, 1234, errors.PermissionRefused),
        (404, None, errors.NotFound),
        (418, None, errors.Refused),
        (503, 11, errors.ServerError),
    ],
)
def test_every_documented_motivo_is_placed(
    status: int, motivo: int | None, kind: type[errors.VoiceError]
) -> None:
    """A reason decides; the HTTP code decides where the reason is unknown, or says more."""
    error = refusal(status, motivo)
    assert type(error) is kind
    assert (error.operation, getattr(error, "status", None)) == ("op", status)
    assert getattr(error, "motivo", None) == motivo


def test_the_tables_hold_every_documented_code() -> None:
    """Reasons 8 to 100 and the documented HTTP codes of a refusal are all in the tables."""
    assert set(BY_MOTIVO) == {8, 9, 10, 11, 20, 30, 40, 60, 70, 80, 90, 100}
    assert set(BY_STATUS) == {400, 402, 403, 404, 405, 409, 501}


@pytest.mark.parametrize("status", [200, 201, 204, 301, 400, 401, 403, 404, 405, 407, 408, 418])
@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"null", b"{}", b'{"sucesso": null}'])
def test_an_answer_without_an_envelope_is_unsure(status: int, body: bytes) -> None:
    """What a proxy made up refuses nothing: only a readable envelope does."""
    with pytest.raises(errors.Undecodable):
        dados(Answer(status, {}, body), operation="op", token="t")


@pytest.mark.parametrize("body", [b"", b"<html>", b'{"sucesso": false}'])
def test_429_needs_no_body(body: bytes) -> None:
    """Too many requests is known by its HTTP code, and says how long to wait if it can."""
    with pytest.raises(errors.RateLimited) as caught:
        dados(Answer(429, {"retry-after": "2"}, body), operation="op", token="t")
    assert caught.value.retry_after == 2.0


def test_a_success_under_a_failing_code_is_unsure() -> None:
    """An answer that contradicts itself is believed in nothing."""
    with pytest.raises(errors.Undecodable):
        dados(Answer(404, {}, b'{"sucesso": true}'), operation="op", token="t")


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        (None, None),
        ("3", 3.0),
        ("0.5", 0.5),
        ("-4", 0.0),
        ("999999999", 86_400.0),
        ("nan", None),
        ("inf", None),
        ("soon", None),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0.0),
        ("Wed, 21 Oct 2015 07:28:00", 0.0),
        ("Wed, 99 Oct 99999 07:28:00 GMT", None),
    ],
)
def test_retry_after_is_seconds_or_a_date(text: str | None, seconds: float | None) -> None:
    """The header reads as seconds from now, within a day; nonsense reads as nothing."""
    assert retry_after(text) == seconds


@pytest.mark.parametrize(
    "text",
    [
        "numero_destino 4832830151 inválido",
        "numero_destino +5548999990001 inválido",
        "ligue (48) 99999-0001 ou 48 3283.0151",
        "o número é 48-9-9999-0001.",
    ],
)
def test_a_message_never_shows_a_number(text: str) -> None:
    """The API's text is passed on with long runs of digits masked, however they are written."""
    shown = errors.masked(text)
    assert "***" in shown
    assert not re.search(r"\d{4}", shown)


@given(st.text(max_size=5000), st.text(alphabet="abcdef0123456789", min_size=20, max_size=40))
def test_masked_text_is_short_and_clean(text: str, token: str) -> None:
    """Any text comes out without the secret, without control characters, of bounded length."""
    shown = errors.masked(f"{text} {token} {text}", token)
    assert token not in shown
    assert len(shown) <= 300
    assert shown.isprintable() or not any(ord(character) < 32 for character in shown)
    shown.encode()


def test_the_drawing_of_the_tree_is_the_tree() -> None:
    """The module's docstring draws every class, at its depth."""
    drawn = {
        match[2]: (len(match[1]) // 4)
        for match in re.finditer(r"^    ([│ ]*[├└]── )(\w+)", errors.__doc__ or "", re.MULTILINE)
    }
    real = {
        kind.__name__: len(kind.__mro__) - len(errors.VoiceError.__mro__)
        for kind in subclasses(errors.VoiceError)
    }
    assert drawn == real
