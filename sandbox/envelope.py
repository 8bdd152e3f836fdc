"""The JSON envelope around every answer, and the catalogue of refusals.

The rows follow the provider's own status table; rows marked "ours" fill its gaps.
"""

import json
from dataclasses import dataclass
from typing import Any

import orjson
from starlette.responses import Response

ABSENT: Any = object()  # `dados` is missing altogether in some documented answers

HEADERS = {"access-control-allow-origin": "*"}
E164 = "formato E.164: [+][DDI][DDD][Número] ex: +5510999999999"


@dataclass(frozen=True, slots=True)
class Answer:
    """A success: `mensagem` and `dados`, or `ABSENT` where the document shows no `dados`."""

    mensagem: str
    dados: Any = ABSENT


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the error catalogue."""

    status: int
    motivo: int
    mensagem: str


class ApiError(Exception):
    """A refusal, to be answered as the catalogue row says."""

    def __init__(self, row: Row, headers: dict[str, str] | None = None) -> None:
        super().__init__(row.mensagem)
        self.row = row
        self.headers = headers or {}


BAD_TOKEN = Row(403, 40, "access token inválido")
ACCOUNT_DISABLED = Row(403, 8, "conta desativada")
NUMBER_NOT_ALLOWED = Row(403, 8, "Número destino não permitido.")
NO_BALANCE = Row(402, 9, "saldo insuficiente")
NOT_IMPLEMENTED = Row(501, 30, "não implementado")
NOT_JSON = Row(400, 100, "requisição inválida")  # message ours
TOO_MANY = Row(429, 100, "limite de requisições por segundo excedido")  # ours
TOO_MANY_CHANNELS = Row(429, 100, "limite de canais simultâneos excedido")  # ours
INTERNAL = Row(500, 50, "erro interno")
NO_PATH = Row(404, 90, "caminho não encontrado")  # message ours

WHICH_CALL = Row(404, 10, "qual chamada? informar ID /chamada/ID")
CALL_NOT_FOUND = Row(404, 60, "chamada não encontrada")
NO_RECORDING = Row(404, 70, "chamada sem gravação solicitada")
CALL_NOT_ACTIVE = Row(404, 80, "a chamada não está ativa")
BAD_ORIGEM = Row(405, 11, f"numero_origem inválido, {E164}")
BAD_DESTINO = Row(405, 11, f"numero_destino inválido, {E164}")
BAD_NUMERO = Row(405, 11, f"numero inválido, {E164}")
BAD_MODO = Row(405, 11, "modo inválido: 1=escuta, 2=sussurro, 3=conferência")
BAD_PERNA = Row(405, 11, "parametro inválido, informe perna 'origem' ou 'destino'")
BAD_SCHEDULE = Row(405, 11, "data_criacao inválida")  # ours
BAD_BINA = Row(405, 11, "bina inválida")  # ours
BAD_NOTA = Row(405, 11, "nota inválida, informe de 1 a 5")  # ours
BAD_COMENTARIO = Row(405, 11, "comentario inválido, máximo de 1000 caracteres")  # ours


def missing(parameter: str, status: int = 405) -> Row:
    """Say that a required parameter is missing."""
    return Row(status, 10, f"o parametro {parameter} é obrigatório")


def invalid(parameter: str) -> Row:
    """Say that a parameter cannot be read."""
    return Row(405, 11, f"o parametro {parameter} é inválido")


def as_json(content: object) -> bytes:
    """Encode without escaping Portuguese, as compactly as JSON allows."""
    try:
        return orjson.dumps(content)
    except orjson.JSONEncodeError:  # a number above 64 bits
        return json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()


def json_response(
    content: object, status: int = 200, headers: dict[str, str] = HEADERS
) -> Response:
    """Answer with JSON."""
    return Response(as_json(content), status, headers, media_type="application/json")


def success(answer: Answer) -> Response:
    """Wrap a success."""
    content = {"status": 200, "sucesso": True, "motivo": 0, "mensagem": answer.mensagem}
    if answer.dados is not ABSENT:
        content["dados"] = answer.dados
    return json_response(content)


def refusal(error: ApiError) -> Response:
    """Wrap a refusal; `dados` is null."""
    row = error.row
    content = {
        "status": row.status,
        "sucesso": False,
        "motivo": row.motivo,
        "mensagem": row.mensagem,
        "dados": None,
    }
    return json_response(content, row.status, {**HEADERS, **error.headers})
