"""What the Voice API sends and takes, with the API's own field names.

Reading is tolerant: unknown fields are kept, a field that is missing, null or of another type
than documented reads as None, and numbers and booleans are accepted as text. Only an object's own
`id` is required, because nothing can be done with a call that cannot be named.

No model shows a phone number, a secret address or an unknown field in its `repr`.
"""

from __future__ import annotations

import json
import math
import unicodedata
from collections.abc import Iterable
from datetime import UTC, datetime, tzinfo
from functools import partial
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field

from zenvia.disconnect import DisconnectReason, parse_reason

_BRASILIA = ZoneInfo("America/Sao_Paulo")
_MAX_ID = 2**63 - 1
_TRUE = frozenset({"true", "1", "sim", "yes"})
_FALSE = frozenset({"false", "0", "nao", "não", "no"})


def _text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        text = value
    elif isinstance(value, bool | int | float):
        text = str(value)
    else:
        text = json.dumps(value, ensure_ascii=False, default=str)
    return None if text is None else text.replace("\0", "").strip()


def _word(value: Any) -> str | None:
    text = _text(value)
    return None if not text else unicodedata.normalize("NFC", text).casefold()


def _whole(value: Any) -> int | None:
    if isinstance(value, str):
        value = value.strip()
        if not (len(value) <= 19 and value.isascii() and value.lstrip("-").isdigit()):  # noqa: PLR2004 - digits of the largest 64-bit number
            return None
        try:
            value = int(value)
        except ValueError:
            return None
    if isinstance(value, float):
        if not value.is_integer():
            return None
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or abs(value) > _MAX_ID:
        return None
    return value


def _identity(value: Any) -> int:
    number = _whole(value)
    if number is None or number < 0:
        raise ValueError("not an id")
    return number


def _real(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def _flag(value: Any) -> bool | None:
    if isinstance(value, bool):
        return value
    text = str(value).strip().casefold() if isinstance(value, str | int) else ""
    return True if text in _TRUE else False if text in _FALSE else None


def _moment(value: Any, *, zone: tzinfo) -> datetime | None:
    if not isinstance(value, str | datetime):
        return None
    try:
        moment = value if isinstance(value, datetime) else datetime.fromisoformat(value.strip())
        moment = moment if moment.tzinfo is not None else moment.replace(tzinfo=zone)
        moment.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return moment


def _leg(value: Any) -> Any:
    return value if isinstance(value, dict | Leg) else {}


def _list(value: Any) -> Any:
    return value if isinstance(value, list) else []


Text = Annotated[str | None, BeforeValidator(_text)]
"""Text without surrounding space."""
Word = Annotated[str | None, BeforeValidator(_word)]
"""One of a set of words: NFC, case folded; empty reads as None."""
Whole = Annotated[int | None, BeforeValidator(_whole)]
Id = Annotated[int, BeforeValidator(_identity)]
Real = Annotated[float | None, BeforeValidator(_real)]
Flag = Annotated[bool | None, BeforeValidator(_flag)]
Moment = Annotated[AwareDatetime | None, BeforeValidator(partial(_moment, zone=UTC))]
"""A time; without an offset it is UTC, as observed at the top of an object."""
LocalMoment = Annotated[AwareDatetime | None, BeforeValidator(partial(_moment, zone=_BRASILIA))]
"""A time; without an offset it is Brasília's, as observed inside a leg."""


class ApiObject(BaseModel):
    """An object of the API: frozen, unknown fields kept, nothing private in its `repr`."""

    model_config = ConfigDict(
        frozen=True, extra="allow", hide_input_in_errors=True, protected_namespaces=()
    )

    def __repr_args__(self) -> Iterable[tuple[str | None, Any]]:
        fields = type(self).model_fields
        return [(name, getattr(self, name, None)) for name, field in fields.items() if field.repr]


class NewCall(BaseModel):
    """A call to be made. Leg A (`numero_origem`) rings first; leg B follows when A answers.

    A number is E.164, or a ramal of three or four digits. `bina_origem` is what leg A sees,
    `bina_destino` what leg B sees. `data_criacao` schedules the call at the provider (out of reach
    of a pause); None calls now. `detecta_caixa_origem` listens for voicemail on leg A only.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    numero_origem: str = Field(repr=False)
    numero_destino: str = Field(repr=False)
    data_criacao: AwareDatetime | None = None
    gravar_audio: bool | None = None
    bina_origem: str | None = Field(default=None, repr=False)
    bina_destino: str | None = Field(default=None, repr=False)
    tags: str | None = None
    detecta_caixa_origem: bool | None = None


class Leg(ApiObject):
    """One side of a call, `origem` or `destino`.

    `status` is None for a leg that was never dialed. Durations are seconds (`duracao_segundos`) or
    `HH:MM:SS` (`duracao`); `preco` is in reais. While the call runs, billed and spoken durations
    and the price are None.
    """

    data_inicio: LocalMoment = None
    numero: Annotated[Text, Field(repr=False)] = None
    tipo: Word = None
    status: Word = None
    duracao_segundos: Whole = None
    duracao: Text = None
    duracao_cobrada_segundos: Whole = None
    duracao_cobrada: Text = None
    duracao_falada_segundos: Whole = None
    duracao_falada: Text = None
    preco: Real = None
    motivo_desconexao: Text = None
    substatus: Word = None
    detecta_caixa: Flag = None
    bina_origem: Annotated[Text, Field(repr=False)] = None
    bina_destino: Annotated[Text, Field(repr=False)] = None

    @property
    def disconnect_reason(self) -> DisconnectReason:
        """`motivo_desconexao` as code and label."""
        return parse_reason(self.motivo_desconexao)


class Chamada(ApiObject):
    """A call. `status_geral` is `criada`, `curso` or `finalizada`; others are kept as they come.

    `url_gravacao` opens the recording without a token: treat it as a secret.
    """

    id: Id
    data_criacao: Moment = None
    ativa: Flag = None
    url_gravacao: Annotated[Text, Field(repr=False)] = None
    cliente_id: Whole = None
    conta_id: Whole = None
    ramal_id_origem: Whole = None
    tags: Text = None
    status_geral: Word = None
    detecta_caixa: Flag = None
    gravacoes_parciais: Annotated[list[Any], BeforeValidator(_list), Field(repr=False)] = []
    origem: Annotated[Leg, BeforeValidator(_leg)] = Leg()
    destino: Annotated[Leg, BeforeValidator(_leg)] = Leg()

    @property
    def ended(self) -> bool:
        """Whether the API calls it `finalizada`."""
        return self.status_geral == "finalizada"


class CreatedId(ApiObject):
    """The answer to a creation."""

    id: Id
