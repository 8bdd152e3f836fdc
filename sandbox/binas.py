"""Caller IDs of the account, as the current documents and the older clients use them."""

from dataclasses import dataclass
from itertools import count
from typing import Any

from sandbox.account import Account
from sandbox.envelope import Answer, ApiError, Row, invalid, missing
from sandbox.incoming import Incoming, number
from sandbox.moments import iso
from sandbox.numbers import parse

NOT_FOUND = Row(404, 60, "bina não encontrada")  # ours
WHICH = Row(404, 10, "qual bina? informar ID /bina/ID")  # ours
LISTED = "Dados retornados com sucesso"


@dataclass(slots=True)
class Bina:
    """One caller ID."""

    id: int
    digits: str
    created_at: float
    confirmed: bool


class Binas:
    """The caller IDs of one account and the endpoints on them."""

    def __init__(self, account: Account) -> None:
        self._ids = count(1)
        self._binas: dict[str, Bina] = {}
        for digits in account.settings.binas:
            self._add(digits, account.now(), confirmed=True)
        account.may_show = self.may_show

    def may_show(self, digits: str) -> bool:
        """Whether this caller ID is one of the account's and confirmed."""
        bina = self._binas.get(digits)
        return bina is not None and bina.confirmed

    def relatorio(self, account: Account, _incoming: Incoming) -> Answer:
        """List all of them."""
        rows = [show(bina) for bina in self._binas.values()]
        return Answer(LISTED, rows if account.settings.bina_report_bare else {"relatorio": rows})

    def buscar(self, _account: Account, incoming: Incoming) -> Answer:
        """Show one, by id."""
        return Answer(LISTED, show(self._find(incoming)))

    def remover(self, _account: Account, incoming: Incoming) -> Answer:
        """Remove one, by id or by number as the clients do."""
        del self._binas[self._find(incoming).digits]
        return Answer("Bina removida com sucesso", None)

    def enviar(self, account: Account, incoming: Incoming) -> Answer:
        """Ask for a confirmation code to be sent to a number."""
        given = incoming.fields().get("telefone")
        if given is None:
            raise ApiError(missing("telefone"))
        asked = number(given, ApiError(invalid("telefone")))
        if asked.digits not in self._binas:
            self._add(asked.digits, account.now(), confirmed=False)
        return Answer("Código enviado com sucesso", None)

    def validar(self, account: Account, incoming: Incoming) -> Answer:
        """Confirm a number with the code that it was sent."""
        query = incoming.query()
        if not query:
            raise ApiError(WHICH)
        if "codigo" not in query or "telefone" not in query:
            raise ApiError(missing("codigo" if "codigo" not in query else "telefone"))
        asked = parse(query["telefone"])
        bina = None if asked is None else self._binas.get(asked.digits)
        valid = bina is not None and query["codigo"] == account.settings.bina_code
        if bina is None or not valid:
            return Answer("Verificação realizada com sucesso", {"valido": False})
        bina.confirmed = True
        return Answer("Verificação realizada com sucesso", {"valido": True, "id": bina.id})

    def _add(self, digits: str, now: float, *, confirmed: bool) -> None:
        self._binas[digits] = Bina(next(self._ids), digits, now, confirmed)

    def _find(self, incoming: Incoming) -> Bina:
        wanted = incoming.path["id"]
        asked = parse(wanted)
        for bina in self._binas.values():
            if wanted == str(bina.id) or (asked is not None and asked.digits == bina.digits):
                return bina
        raise ApiError(NOT_FOUND)


def show(bina: Bina) -> dict[str, Any]:
    """Print a caller ID as the documents do; its date has milliseconds and a Z."""
    return {
        "id": bina.id,
        "numero_telefone": bina.digits,
        "data_criacao": iso_utc(bina.created_at),
        "fixo": bina.digits[2] < "6",
        "confirmado": bina.confirmed,
    }


def iso_utc(instant: float) -> str:
    """Write an instant as `2018-03-18T00:51:22.000Z`."""
    return iso(instant + 3 * 3_600).replace("-03:00", ".000Z")
