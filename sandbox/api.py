"""The table of the Voice API: every operation, its method and path, and what answers it."""

from collections.abc import Iterator
from dataclasses import dataclass

from starlette.convertors import Convertor, register_url_convertor

from sandbox import acting, chamadas, recordings, siblings
from sandbox.account import Account
from sandbox.binas import Binas
from sandbox.conferencias import Rooms
from sandbox.operations import Handler
from sandbox.webhooks import Webhooks
from sandbox.webphone import Webphones


class Digits(Convertor[int]):
    """An id in a path: digits only, and no more than 64 bits hold."""

    regex = "[0-9]{1,18}"

    def convert(self, value: str) -> int:
        """Read an id."""
        return int(value)

    def to_string(self, value: int) -> str:
        """Write an id."""
        return str(value)


register_url_convertor("digits", Digits())


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One operation. `name` is what counters and faults call it."""

    name: str
    method: str
    path: str
    handler: Handler
    open_to_all: bool = False


def endpoints(account: Account, webhooks: Webhooks, webphones: Webphones) -> Iterator[Endpoint]:
    """List the API. Fixed paths stand before those with an id: `relatorio` is no id."""
    yield from calls()
    yield from conferences(Rooms())
    yield Endpoint("webphone.url", "GET", "/webphone", webphones.url)
    yield from hooks(webhooks)
    yield from bina(Binas(account))
    yield from others(siblings.Tts())


def calls() -> Iterator[Endpoint]:
    """List the operations on calls."""
    one = "/chamada/{id:digits}"
    yield Endpoint("chamada.criar", "POST", "/chamada", chamadas.criar)
    yield Endpoint("chamada.sem_id", "GET", "/chamada", chamadas.sem_id)
    yield Endpoint("chamada.relatorio", "GET", "/chamada/relatorio", chamadas.relatorio)
    yield Endpoint("chamada.buscar", "GET", one, chamadas.buscar)
    yield Endpoint("chamada.desligar", "DELETE", one, chamadas.desligar)
    yield Endpoint("chamada.gravacao", "GET", f"{one}/gravacao", recordings.gravacao)
    yield Endpoint("chamada.escuta", "POST", f"{one}/escuta", acting.escuta)
    yield Endpoint("chamada.transferir", "POST", f"{one}/transfer", acting.transferir)
    yield Endpoint("chamada.avaliar", "POST", f"{one}/avaliar", acting.avaliar)
    yield Endpoint("gravacao.url", "GET", "/rec", recordings.by_url, open_to_all=True)


def conferences(rooms: Rooms) -> Iterator[Endpoint]:
    """List the operations on conferences."""
    one = "/conferencia/{id:digits}"
    rows = "/conferencia/chamadas/relatorio"
    yield Endpoint("conferencia.criar", "POST", "/conferencia", rooms.criar)
    yield Endpoint("conferencia.relatorio", "GET", "/conferencia/relatorio", rooms.relatorio)
    yield Endpoint("conferencia.chamadas", "GET", rows, rooms.chamadas)
    yield Endpoint("conferencia.adicionar", "POST", one, rooms.adicionar)
    yield Endpoint("conferencia.buscar", "GET", one, rooms.buscar)
    yield Endpoint("conferencia.encerrar", "DELETE", one, rooms.encerrar)


def hooks(webhooks: Webhooks) -> Iterator[Endpoint]:
    """List the operations on webhooks; a parent account has the same under another path."""
    for name, path, words in (
        ("webhook", "/webhook", "webhook"),
        ("webhook_default", "/conta/webhook-default", "webhook default"),
    ):
        one = path + "/{nome}"
        yield Endpoint(f"{name}.listar", "GET", path, webhooks.listar)
        yield Endpoint(f"{name}.sem_nome", "PUT", path, webhooks.sem_nome)
        yield Endpoint(f"{name}.sem_nome", "DELETE", path, webhooks.sem_nome)
        yield Endpoint(f"{name}.salvar", "PUT", one, webhooks.salvar(words))
        yield Endpoint(f"{name}.apagar", "DELETE", one, webhooks.apagar(words))


def bina(binas: Binas) -> Iterator[Endpoint]:
    """List the operations on caller IDs."""
    yield Endpoint("bina.validar", "GET", "/bina", binas.validar)
    yield Endpoint("bina.enviar", "POST", "/bina", binas.enviar)
    yield Endpoint("bina.relatorio", "GET", "/bina/relatorio", binas.relatorio)
    yield Endpoint("bina.buscar", "GET", "/bina/{id}", binas.buscar)
    yield Endpoint("bina.remover", "DELETE", "/bina/{id}", binas.remover)


def others(tts: siblings.Tts) -> Iterator[Endpoint]:
    """List what stands beside calls; what is not built answers 501 whatever the method."""
    yield Endpoint("saldo", "GET", "/saldo", siblings.saldo)
    yield Endpoint("conta.buscar", "GET", "/conta", siblings.conta)
    yield Endpoint("tts.enviar", "POST", "/tts", tts.enviar)
    yield Endpoint("tts.buscar", "GET", "/tts/{id:digits}", tts.buscar)
    for method, path in siblings.PARTS_NOT_BUILT:
        yield Endpoint("not_built", method, path, siblings.not_implemented)
    for name in siblings.NOT_BUILT:
        for path in (f"/{name}", f"/{name}/{{rest:path}}"):
            for method in ("GET", "POST", "PUT", "DELETE"):
                yield Endpoint("not_built", method, path, siblings.not_implemented)
