"""Resources beside calls: what the clients need of them, and 501 for the rest."""

from dataclasses import dataclass
from typing import Any

from sandbox import envelope
from sandbox.account import Account
from sandbox.chamadas import RETURNED
from sandbox.envelope import Answer, ApiError, Row, missing
from sandbox.incoming import Incoming, number
from sandbox.moments import iso
from sandbox.numbers import Number

TTS_NOT_FOUND = Row(404, 60, "tts não encontrado")
# Whole resources, and parts of resources, that the real API has and nobody here needs.
NOT_BUILT = ("sms", "audio", "composto", "ramal", "ura", "did", "fila", "verificacao", "status")
PARTS_NOT_BUILT = (
    ("GET", "/tts/relatorio"),
    ("POST", "/conta"),
    ("PUT", "/conta"),
    ("GET", "/conta/relatorio"),
    ("GET", "/conta/recargas"),
    ("GET", "/conta/urlrecarga"),
    ("GET", "/conta/{id:digits}"),
    ("PUT", "/conta/{id:digits}"),
    ("DELETE", "/conta/{id:digits}"),
    ("POST", "/conta/{id:digits}/bonus"),
)


def saldo(account: Account, _incoming: Incoming) -> Answer:
    """Show the balance: the one that limits calls, else the one in the settings."""
    account.book.advance(account.now())
    balance = account.settings.saldo if account.balance is None else account.balance
    return Answer("saldo atual", {"saldo": balance})


def conta(account: Account, _incoming: Incoming) -> Answer:
    """Show the account; prices are text, as in the documents."""
    settings = account.settings
    return Answer(
        RETURNED,
        {
            "id": settings.conta_id,
            "metodo_pagamento": "prepago",
            "conta_ativa": 0 if settings.account_disabled else 1,
            "preco_fixo": f"{settings.price_fixo:.3f}",
            "preco_cel": f"{settings.price_movel:.3f}",
            "preco_ramal": f"{settings.price_ramal:.3f}",
            "saldo": account.settings.saldo if account.balance is None else account.balance,
        },
    )


def not_implemented(_account: Account, _incoming: Incoming) -> Answer:
    """Answer for what the real API has and the sandbox does not: 501/30."""
    raise ApiError(envelope.NOT_IMPLEMENTED)


@dataclass(frozen=True, slots=True)
class Speech:
    """One text-to-speech call: taken, never played."""

    id: int
    created_at: float
    number: Number
    message: str


class Tts:
    """Text to speech: accepted and found again."""

    def __init__(self) -> None:
        self._by_id: dict[int, Speech] = {}

    def enviar(self, account: Account, incoming: Incoming) -> Answer:
        """Take a message for a number."""
        fields = incoming.fields()
        text = fields.get("numero_destino")
        shown = str(text)[:40]
        bad = Row(405, 11, f"numero_destino {shown} inválido, {envelope.E164.split(' ex:')[0]}")
        called = number(text, ApiError(bad))
        message = fields.get("mensagem")
        if message is None:
            raise ApiError(missing("mensagem"))
        speech = Speech(next(account.ids), account.now(), called, str(message))
        self._by_id[speech.id] = speech
        return Answer("tts criado com sucesso", {"id": speech.id})

    def buscar(self, _account: Account, incoming: Incoming) -> Answer:
        """Show one."""
        speech = self._by_id.get(incoming.path["id"])
        if speech is None:
            raise ApiError(TTS_NOT_FOUND)
        dados: dict[str, Any] = {
            "id": speech.id,
            "numero_destino": speech.number.text,
            "data_criacao": iso(speech.created_at),
            "data_inicio": None,
            "tipo": speech.number.kind,
            "status": "preparando",
            "mensagem": speech.message,
        }
        return Answer(RETURNED, dados)
