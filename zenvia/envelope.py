"""What an answer means: the data of a success, or the error that it stands for.

Every answer but a recording is an envelope `{status, sucesso, motivo, mensagem, dados}`. `sucesso`
alone tells success from failure; a failure is classed by its `motivo`, and by the HTTP code where
that says more (429 has no motivo of its own). Only a readable envelope is a definite refusal: an
answer that somebody between us and the API made up leaves us unsure.
"""

from __future__ import annotations

import math
from contextlib import suppress
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from orjson import loads
from pydantic_core import from_json

from zenvia import errors

if TYPE_CHECKING:
    from collections.abc import Mapping

    from zenvia.transport import Answer

_LONGEST_WAIT = 86_400.0  # seconds; a longer Retry-After is taken for a mistake
_INTERNAL_ERROR = 50
_OK: int = HTTPStatus.OK  # asked for by name, a member takes 0.6 us, and each answer asks

BY_MOTIVO: Mapping[int, type[errors.Refused]] = {
    8: errors.PermissionRefused,
    9: errors.BalanceRefused,
    10: errors.ParameterRefused,
    11: errors.ParameterRefused,
    20: errors.DuplicateRefused,
    30: errors.NotImplementedByApi,
    40: errors.AuthenticationRefused,
    60: errors.NotFound,
    70: errors.NoRecording,
    80: errors.NotActive,
    90: errors.PathNotFound,
    100: errors.ParameterRefused,
}
"""The documented reasons of a refusal; 50 is not one, since it leaves the outcome open."""

BY_STATUS: Mapping[int, type[errors.Refused]] = {
    HTTPStatus.BAD_REQUEST: errors.ParameterRefused,
    HTTPStatus.PAYMENT_REQUIRED: errors.BalanceRefused,
    HTTPStatus.FORBIDDEN: errors.PermissionRefused,
    HTTPStatus.NOT_FOUND: errors.NotFound,
    HTTPStatus.METHOD_NOT_ALLOWED: errors.ParameterRefused,
    HTTPStatus.CONFLICT: errors.DuplicateRefused,
    HTTPStatus.NOT_IMPLEMENTED: errors.NotImplementedByApi,
}
"""What an HTTP code means under an envelope whose motivo is not documented."""


def decode(content: bytes) -> Any:
    """Read JSON; `ValueError` for whatever is not (broken, too deep, not UTF-8, numbers too long).

    NaN and infinities come through as floats; the models read them as None. orjson takes half the
    time and none of those: what it does not take is read again.
    """
    with suppress(ValueError):
        return loads(content)
    return from_json(content, allow_inf_nan=True)


def dados(answer: Answer, *, operation: str, token: str) -> Any:
    """Return `dados` of a successful answer (None when absent); raise `Refused` or `Unsure`."""
    status = answer.status
    try:
        envelope = decode(answer.body)
    except ValueError:
        envelope = None
    known = isinstance(envelope, dict)
    sucesso = _sucesso(envelope.get("sucesso")) if known else None
    if sucesso is True and status == _OK:
        return envelope.get("dados")
    motivo = _motivo(envelope.get("motivo")) if known else None
    mensagem = _mensagem(envelope.get("mensagem"), token) if known else ""

    if status == HTTPStatus.TOO_MANY_REQUESTS:
        raise errors.RateLimited(
            operation=operation,
            status=status,
            motivo=motivo,
            mensagem=mensagem,
            retry_after=retry_after(answer.headers.get("retry-after")),
        )
    failed = status >= HTTPStatus.INTERNAL_SERVER_ERROR
    if (failed and status != HTTPStatus.NOT_IMPLEMENTED) or (
        sucesso is False and motivo == _INTERNAL_ERROR
    ):
        raise errors.ServerError(
            operation=operation, status=status, motivo=motivo, mensagem=mensagem
        )
    if sucesso is False:
        kind = BY_MOTIVO.get(motivo or 0) or BY_STATUS.get(status, errors.Refused)
        raise kind(
            operation=operation,
            status=status,
            motivo=motivo,
            mensagem=mensagem,
            retry_after=retry_after(answer.headers.get("retry-after")),
        )
    raise errors.Undecodable(
        "the answer is not one of the Voice API; is the address right?",
        operation=operation,
        status=status,
    )


def retry_after(text: str | None) -> float | None:
    """Seconds to wait from a `Retry-After` header (seconds or a date); None when there is none."""
    if text is None:
        return None
    try:
        seconds = float(text)
    except ValueError:
        try:
            until = parsedate_to_datetime(text)
            until = until if until.tzinfo is not None else until.replace(tzinfo=UTC)
            seconds = (until - datetime.now(UTC)).total_seconds()
        except (ValueError, TypeError, OverflowError):
            return None
    if not math.isfinite(seconds):
        return None
    return min(max(seconds, 0.0), _LONGEST_WAIT)


def _sucesso(value: Any) -> bool | None:
    if isinstance(value, str):
        value = {"true": True, "false": False}.get(value.casefold())
    return bool(value) if value in (0, 1) else None


def _motivo(value: Any) -> int | None:
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 6:  # noqa: PLR2004 - no reason code is longer
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _mensagem(value: Any, token: str) -> str:
    return errors.masked(value, token) if isinstance(value, str) else ""
