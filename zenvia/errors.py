"""Everything that can go wrong with one request to the Voice API, as one tree.

    VoiceError
    ├── NotSent                      certain: no byte of the request left this process
    │   ├── ConnectError             no connection could be made (refused, no such host, TLS)
    │   ├── ConnectTimeout           no connection within the time allowed
    │   ├── PoolTimeout              every pooled connection was busy for too long
    │   ├── DeadlinePassed           `send_by` had passed at the moment of writing
    │   └── RequestNotPossible       the request could not be built or started
    ├── Refused                      a definite answer: the API did not do it
    │   ├── ParameterRefused         405 or 400, motivo 10, 11, 100
    │   ├── AuthenticationRefused    403, motivo 40: bad or missing token
    │   ├── PermissionRefused        403, motivo 8: account disabled, number not allowed
    │   ├── BalanceRefused           402, motivo 9
    │   ├── NotFound                 404, motivo 60
    │   ├── NoRecording              404, motivo 70
    │   ├── NotActive                404, motivo 80
    │   ├── PathNotFound             404, motivo 90: this address is not the API that was expected
    │   ├── DuplicateRefused         409, motivo 20
    │   ├── RateLimited              429; `retry_after` when the answer gave one
    │   └── NotImplementedByApi      501, motivo 30
    ├── BadEvent                     a webhook's body that is not an event
    └── Unsure                       the request may have been carried out
        ├── ReadTimeout              written, and no answer came in time
        ├── WriteTimeout             it took too long to write
        ├── TotalTimeout             the whole exchange took too long
        ├── ConnectionLost           the connection broke after writing had begun
        ├── ServerError              5xx, motivo 50
        └── Undecodable              an answer that is not what the API documents

No error holds a token or a phone number: text that comes from the API is masked and cut by
`masked`, and nothing of a lower layer's message is repeated.
"""

from __future__ import annotations

import re

_MESSAGE_LIMIT = 300
_LONG_NUMBER = re.compile(r"\+?\d(?:[ \t().\-]{0,3}\d){7,}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]+")


def masked(text: str, *secrets: str) -> str:
    """Make foreign text fit for people and logs.

    Runs of eight or more digits (spaces, dots, dashes and parentheses between them count as part
    of the run) and every one of `secrets` become `***`; control characters become a space; the
    text is cut at 300 characters.
    """
    text = text[: 8 * _MESSAGE_LIMIT]
    for secret in secrets:
        if secret:
            text = text.replace(secret, "***")
    text = _CONTROL.sub(" ", _LONG_NUMBER.sub("***", text)).strip()
    return text if len(text) <= _MESSAGE_LIMIT else text[: _MESSAGE_LIMIT - 1] + "…"


class VoiceError(Exception):
    """A request to the Voice API that did not end as asked.

    `operation` is the operation's name as on the command line (`chamada criar`).
    """

    def __init__(self, message: str, *, operation: str) -> None:
        super().__init__(f"{operation}: {message}")
        self.operation = operation


class NotSent(VoiceError):  # noqa: N818 - it names a fact, and the tree is read as facts
    """Certain: no byte of the request left this process. It may be sent again."""


class ConnectError(NotSent):
    """No connection could be made: refused, no such host, or TLS failed."""


class ConnectTimeout(NotSent):
    """No connection was made within the time allowed."""


class PoolTimeout(NotSent):
    """Every connection of the pool was busy for longer than the time allowed."""


class DeadlinePassed(NotSent):
    """The clock had passed `send_by` when the request was about to be written."""


class RequestNotPossible(NotSent):
    """The request could not be built or started; sending it again will fail the same way."""


class Refused(VoiceError):  # noqa: N818 - it names a fact, and the tree is read as facts
    """The API answered, and its answer says that nothing was done.

    `status` is the HTTP code, `motivo` the API's reason code (None when the answer had none),
    `mensagem` its text, masked. `retry_after` is in seconds, None when the answer gave none.
    """

    def __init__(
        self,
        *,
        operation: str,
        status: int,
        motivo: int | None = None,
        mensagem: str = "",
        retry_after: float | None = None,
    ) -> None:
        reason = "no motivo" if motivo is None else f"motivo {motivo}"
        said = mensagem or "the API gave no message"
        super().__init__(f"{said} (HTTP {status}, {reason})", operation=operation)
        self.status = status
        self.motivo = motivo
        self.mensagem = mensagem
        self.retry_after = retry_after


class ParameterRefused(Refused):
    """A parameter is missing or invalid, or the body could not be read (405, 400)."""


class AuthenticationRefused(Refused):
    """The access token is missing or wrong (403, motivo 40)."""


class PermissionRefused(Refused):
    """The account may not do this, or is disabled (403)."""


class BalanceRefused(Refused):
    """The account has too little balance (402)."""


class NotFound(Refused):
    """There is no such call, conference or ramal (404)."""


class NoRecording(Refused):
    """The call has no recording, or not yet (404, motivo 70)."""


class NotActive(Refused):
    """The call is not running any more, or not yet (404, motivo 80)."""


class PathNotFound(Refused):
    """The API does not know this path: is the base address right? (404, motivo 90)."""


class DuplicateRefused(Refused):
    """The record exists already (409); documented, never for calls."""


class RateLimited(Refused):
    """Too many requests per second (429)."""


class NotImplementedByApi(Refused):
    """The API does not implement this (501)."""


class BadEvent(VoiceError):  # noqa: N818 - it names a fact, and the tree is read as facts
    """Something posted to our webhook that is not an event of the API."""


class Unsure(VoiceError):  # noqa: N818 - it names a fact, and the tree is read as facts
    """The request may have been carried out: nothing but looking can tell."""


class ReadTimeout(Unsure):
    """The request was written and no answer came in time."""


class WriteTimeout(Unsure):
    """Writing the request took too long; the API may have all of it."""


class TotalTimeout(Unsure):
    """The whole exchange took longer than allowed, after writing had begun."""


class ConnectionLost(Unsure):
    """The connection broke after writing had begun."""


class ServerError(Unsure):
    """The API reports an error of its own (5xx, motivo 50).

    `status`, `motivo` and `mensagem` are as in `Refused`.
    """

    def __init__(
        self, *, operation: str, status: int, motivo: int | None = None, mensagem: str = ""
    ) -> None:
        reason = "no motivo" if motivo is None else f"motivo {motivo}"
        said = mensagem or "the API failed without a message"
        super().__init__(f"{said} (HTTP {status}, {reason})", operation=operation)
        self.status = status
        self.motivo = motivo
        self.mensagem = mensagem


class Undecodable(Unsure):
    """The answer is not one that the API documents; `status` is its HTTP code."""

    def __init__(self, message: str, *, operation: str, status: int) -> None:
        super().__init__(f"{message} (HTTP {status})", operation=operation)
        self.status = status
