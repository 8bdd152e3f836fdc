"""What the Voice API sends and takes, with the API's own field names.

Reading is tolerant: unknown fields are kept, a field that is missing, null or of another type
than documented reads as None, and numbers and booleans are accepted as text. Only an object's own
`id` is required, because nothing can be done with a call that cannot be named.

No model shows a phone number, a secret address or an unknown field in its `repr`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Annotated, Any, Literal
from urllib.parse import parse_qs, urlsplit

from pydantic import (
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    field_validator,
    model_validator,
)

from zenvia.disconnect import DisconnectReason, parse_reason
from zenvia.fields import Flag, Id, LocalMoment, Moment, Real, Text, Whole, Word

Modo = Literal[1, 2, 3]
"""How to listen in: 1 escuta (nobody hears you), 2 sussurro (one leg does), 3 conferência (all)."""

Perna = Literal["origem", "destino"]

TipoWebphone = Literal["floating", "embedded", "hidden"]


def _leg(value: Any) -> Any:
    return value if isinstance(value, dict | Leg) else {}


def _list(value: Any) -> Any:
    return value if isinstance(value, list | tuple) else ()


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
    gravacoes_parciais: Annotated[tuple[Any, ...], BeforeValidator(_list), Field(repr=False)] = ()
    origem: Annotated[Leg, BeforeValidator(_leg)] = Leg()
    destino: Annotated[Leg, BeforeValidator(_leg)] = Leg()

    @property
    def ended(self) -> bool:
        """Whether the API calls it `finalizada`."""
        return self.status_geral == "finalizada"


class LegState(BaseModel):
    """What of a leg tells how it is doing, and what it came to; as in `Leg`."""

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)

    status: Word = None
    duracao_segundos: Whole = None
    duracao_falada_segundos: Whole = None
    preco: Real = None
    motivo_desconexao: Text = None
    substatus: Word = None

    @property
    def disconnect_reason(self) -> DisconnectReason:
        """`motivo_desconexao` as code and label."""
        return parse_reason(self.motivo_desconexao)


_LEG_STATE = tuple(LegState.model_fields)


@lru_cache(maxsize=8_192, typed=True)
def _read_leg(*values: Any) -> LegState:
    return LegState(**dict(zip(_LEG_STATE, values, strict=True)))


def _leg_state(value: Any) -> Any:
    if type(value) is not dict:
        return value if isinstance(value, LegState) else {}
    try:  # most legs came to what others came to before: nobody answered, or an agent hung up
        return _read_leg(*map(value.get, _LEG_STATE))
    except TypeError:  # something that cannot be a key, where the API documents text or a number
        return value


class CallState(BaseModel):
    """What of a call tells how it is doing, and what it came to; as in `Chamada`, in half the time.

    Nothing else is read, nor kept.
    """

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)

    id: Id
    data_criacao: Moment = None
    ativa: Flag = None
    tags: Text = None
    status_geral: Word = None
    detecta_caixa: Flag = None
    origem: Annotated[LegState, BeforeValidator(_leg_state)] = LegState()
    destino: Annotated[LegState, BeforeValidator(_leg_state)] = LegState()

    @property
    def ended(self) -> bool:
        """Whether the API calls it `finalizada`."""
        return self.status_geral == "finalizada"


class CreatedId(ApiObject):
    """The answer to a creation."""

    id: Id


class ConferenceCall(ApiObject):
    """One call into a conference room. Durations are seconds, or text as the API prints it."""

    id: Whole = None
    conferencia_id: Whole = None
    url_gravacao: Annotated[Text, Field(repr=False)] = None
    numero: Annotated[Text, Field(repr=False)] = None
    data_criacao: Moment = None
    data_inicio: LocalMoment = None
    cli: Whole = None
    tipo: Word = None
    status: Word = None
    duracao_segundos: Whole = None
    duracao: Text = None
    duracao_cobrada_segundos: Whole = None
    duracao_cobrada: Text = None
    duracao_falada_segundos: Whole = None
    duracao_falada: Text = None
    preco: Real = None


_FLAT_KEYS = frozenset({"numero_destino", "duracao_segundos", "url_conferencia", "status"})


class Conferencia(ApiObject):
    """A conference room and the calls into it.

    The API document prints two shapes. The declared one has `chamadas`; the flat one looks like a
    single call, and reads as a room with that one call.
    """

    id: Id
    data_criacao: Moment = None
    data_termino: Moment = None
    chamadas: tuple[ConferenceCall, ...] = ()

    @model_validator(mode="before")
    @classmethod
    def _from_either_shape(cls, value: Any) -> Any:
        if not isinstance(value, Mapping):
            return value
        calls = value.get("chamadas")
        if isinstance(calls, list | tuple):
            kept = [call for call in calls if isinstance(call, Mapping | ConferenceCall)]
            return {**value, "chamadas": kept}
        if not _FLAT_KEYS & value.keys():
            return {**value, "chamadas": []}
        call = {
            **value,
            "id": None,
            "conferencia_id": value.get("id"),
            "numero": value.get("numero_destino"),
        }
        return {**value, "chamadas": [call]}


class WebphoneUrl(ApiObject):
    """The address that opens a ramal's webphone without a login: a secret, and short-lived.

    Ask for a fresh one each time; never store or log it.
    """

    url: Annotated[str, Field(repr=False)]

    @field_validator("url")
    @classmethod
    def _is_an_address(cls, value: str) -> str:
        parts = urlsplit(value)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ValueError("not an address")
        return value

    @property
    def origin(self) -> str:
        """Scheme, host and port: the only origin with which to exchange messages."""
        parts = urlsplit(self.url)
        return f"{parts.scheme}://{parts.netloc}"

    @property
    def expires(self) -> datetime | None:
        """When a signed address stops working; None for one that is not signed."""
        given = parse_qs(urlsplit(self.url).query).get("expires", [""])[0]
        try:
            return datetime.fromtimestamp(int(given), UTC)
        except (ValueError, OverflowError, OSError):
            return None


class CallEvent(Chamada):
    """A webhook's word about a call: `chamada_fim` or `status_tempo_real`.

    A hint and nothing more: it may come twice, late, out of order or from a stranger. What is true
    is what `fetch_call` says.
    """


class AddedCall(ApiObject):
    """The answer to adding a number to a conference, which is not documented."""

    id: Whole = None
