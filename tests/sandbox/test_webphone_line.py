"""The webphone without a browser: its URL, and what its line does when told."""

import json
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests

from tests.sandbox.conftest import CONTACT, START, WAIT, Api, Clock, Sandboxes

OTHER = "48999990009"


class Phone:
    """A webphone's page, as its sandbox sees it: commands go up, events come down."""

    def __init__(self, api: Api, query: str = "ramal=4000") -> None:
        self._url = link(api, query)
        self._query = {
            name: values[0] for name, values in parse_qs(urlsplit(self._url).query).items()
        }
        self._base = self._url.partition("?")[0]
        self._seen = 0

    def __call__(self, message: str, **values: Any) -> list[dict[str, Any]]:
        """Send one message; return the events that it caused."""
        command = requests.post(
            f"{self._base}comando",
            params=self._query,
            json={"message": message, **values},
            timeout=WAIT,
        )
        assert command.status_code == 200, command.text
        return self.look()

    def look(self) -> list[dict[str, Any]]:
        """Return the events since the last look, but for the statistics."""
        query = {**self._query, "desde": str(self._seen)}
        answer = requests.get(f"{self._base}eventos", params=query, timeout=WAIT).json()
        self._seen = answer["total"]
        return [event for event in answer["eventos"] if event["message"] != "stats_webphone"]


def link(api: Api, query: str) -> str:
    """Ask for a URL."""
    url: str = api("GET", f"/webphone?{query}").json()["dados"]["url"]
    return url


def status(value: str) -> dict[str, str]:
    """Make the event of a status."""
    return {"message": "status", "status": value}


def error(value: str) -> dict[str, str]:
    """Make the event of an error."""
    return {"message": "status_erro", "status_erro": value}


@pytest.mark.parametrize(
    ("query", "shape"),
    [
        ("ramal=4000", "pop=1"),
        ("id_ramal=1&ramal=4050&fechar_fim=True", "pop=1&ver=2&fechar_fim=1"),
        (f"ligar_para={CONTACT}", f"pop=1&ligar_para={CONTACT}"),
        ("tipo=embedded&ramal=4000", "tipo=embedded&fechar_fim=0&ver=2"),
        ("tipo=hidden&id_ramal=77", "tipo=hidden&ver=2"),
    ],
)
def test_urls_have_the_shape_of_their_type(api: Api, query: str, shape: str) -> None:
    """A URL is on another origin than the API, carries a key, and is signed until it expires."""
    url = link(api, query)
    assert url.startswith(f"{api.server.webphone_url}/w3/?key=")
    assert api.server.webphone_url != api.server.url
    key, *middle = urlsplit(url).query.removeprefix("key=").split("&")
    assert len(key) == 32
    assert "&".join(middle[:-2]) == shape
    assert len(middle[-2].removeprefix("signature=")) == 64
    assert middle[-1] == f"expires={int(START + 3_600)}"
    assert link(api, query) != url


def test_a_url_opens_only_what_it_was_made_for(api: Api, clock: Clock, sandbox: Sandboxes) -> None:
    """An altered or expired URL opens nothing; without signatures the key is enough."""
    url = link(api, "ramal=4000")
    assert requests.get(url, timeout=WAIT).status_code == 200
    for altered in (url.replace("signature=", "signature=0"), url.replace("key=", "key=0")):
        assert requests.get(altered, timeout=WAIT).status_code == 403
    clock.now += 3_600
    assert requests.get(url, timeout=WAIT).status_code == 403
    plain = link(sandbox(webphone_signed=False), "ramal=4000")
    assert "signature" not in plain
    assert requests.get(plain, timeout=WAIT).status_code == 200


def test_a_call_is_dialled_and_ended(api: Api, clock: Clock) -> None:
    """Dialling tells the call's id and how it goes; in the API's object no ramal was rung."""
    api.script({"outcome": "answer", "ring": 5, "talk": 60})
    phone = Phone(api)
    assert phone("chamaNumero", numero=CONTACT) == [error("webphone desconectado")]
    assert phone("conectar") == [status("conectado")]
    started, ringing = phone("chamaNumero", numero=CONTACT)
    call = started["chamada_id"]
    assert (started["message"], ringing) == ("chamada_id", status("chamando"))
    clock.now += 6
    assert phone.look() == [status("conversando")]
    assert phone("chamaNumero", numero=OTHER) == [error("já existe uma chamada em andamento")]
    clock.now += 10
    assert phone("hangup") == [status("encerrada")]
    found = api.fetch(call)
    assert (found["origem"]["status"], found["origem"]["duracao_segundos"]) == (None, 0)
    assert (found["destino"]["status"], found["destino"]["duracao_falada_segundos"]) == (
        "atendida",
        10,
    )
    entry = api.server.ledger()[0]
    assert (entry["from_webphone"], entry["hung_up_by_api"]) == (True, False)


def test_a_call_that_nobody_takes_just_ends(api: Api, clock: Clock) -> None:
    """A busy number ends the call; a number that is none, or an account's limit, is an error."""
    api.script("busy")
    phone = Phone(api)
    phone("conectar")
    phone("chamaNumero", numero=CONTACT)
    clock.now += 30
    assert phone.look() == [status("encerrada")]
    assert phone("chamaNumero", numero="x") == [error("número inválido")]
    api.server.limits(balance=0)
    assert phone("chamaNumero", numero=CONTACT) == [error("saldo insuficiente")]


def test_a_call_to_a_connected_ramal_waits_to_be_answered(api: Api, clock: Clock) -> None:
    """The webphone is told of the call; answered there, the other leg is dialled."""
    phone = Phone(api)
    phone("conectar")
    api.script({"outcome": "answer", "ring": 4, "talk": 30})
    call = api.create(numero_origem="4000", numero_destino=CONTACT)
    assert phone("answer") == [error("não há chamada para atender")]
    clock.now += 2
    arriving = {
        "message": "chegandoChamada",
        "numeroChegando": CONTACT,
        "numeroDestino": "4000",
        "chamadaRecebidaId": call,
    }
    assert phone.look() == [arriving]
    assert phone("answer") == [{"message": "chamada_id", "chamada_id": call}, status("chamando")]
    assert api.fetch(call)["origem"]["status"] == "atendida"
    clock.now += 4
    assert phone.look() == [status("conversando")]
    clock.now += 30
    assert phone.look() == [status("encerrada")]
    assert api.fetch(call)["destino"]["duracao_falada_segundos"] == 30


def test_a_ramal_as_second_leg_rings_too(api: Api, clock: Clock) -> None:
    """With the contact as first leg the webphone rings when the contact has answered."""
    phone = Phone(api)
    phone("conectar")
    api.script({"outcome": "answer", "ring": 1, "talk": 50})
    call = api.create()
    assert phone.look() == []
    clock.now += 3
    assert [event["message"] for event in phone.look()] == ["chegandoChamada"]
    phone("answer")
    clock.now += 49
    assert api.fetch(call)["status_geral"] == "curso"
    clock.now += 2
    assert phone.look() == [status("encerrada")]


def test_a_call_can_be_rejected_or_missed(api: Api, clock: Clock) -> None:
    """Hanging up on a ringing call rejects it; one that nobody takes ends at the ring timeout."""
    phone = Phone(api)
    phone("conectar")
    rejected = api.create(numero_origem="4000", numero_destino=CONTACT)
    clock.now += 2
    assert phone("hangup")[-1] == status("encerrada")
    assert api.fetch(rejected)["origem"]["motivo_desconexao"] == "21. chamada rejeitada"
    missed = api.create(numero_origem="4000", numero_destino=CONTACT)
    clock.now += 10
    phone.look()
    clock.now += 60
    assert phone.look() == [status("encerrada")]
    assert api.fetch(missed)["origem"]["status"] == "sem resposta"


def test_transfers_with_and_without_asking(api: Api, clock: Clock) -> None:
    """A blind transfer moves the other party at once; an attended one when the ramal hangs up."""
    phone = Phone(api)
    phone("conectar")
    api.script({"outcome": "answer", "ring": 1, "talk": 600})
    for message, last in (("transferir", "transferir"), ("transferirConsulta", "hangup")):
        phone("chamaNumero", numero=CONTACT)
        clock.now += 5
        assert phone.look() == [status("conversando")]
        assert phone(message, numeroTelefone="x") == [error("número inválido")]
        events = phone(message, numeroTelefone=OTHER)
        if last != message:
            assert events == []
            events = phone(last)
        assert events == [status("encerrada")]
    moved = [[step["numero"] for step in entry["transfers"]] for entry in api.server.ledger()]
    assert moved == [[OTHER], [OTHER]]
    assert phone("transferir", numeroTelefone=OTHER) == [error("não há chamada ativa")]


def test_keys_mute_and_partial_recording(api: Api, clock: Clock) -> None:
    """What is pressed, muted and recorded shows on the control plane."""
    phone = Phone(api)
    phone("conectar")
    api.script({"outcome": "answer", "ring": 1, "talk": 600})
    assert phone("enviaDTMF", dtmf="5") == [error("não há chamada ativa")]
    assert phone("recStart") == [error("não há chamada ativa")]
    phone("chamaNumero", numero=CONTACT)
    clock.now += 5
    phone.look()
    assert phone("enviaDTMF", dtmf="1*#") == phone("mute") == phone("recStart") == []
    assert phone("enviaDTMF", dtmf="A") == [error("DTMF inválido")]
    clock.now += 5
    assert phone("recStop") == []
    assert phone("recStop") == [error("não há gravação em andamento")]
    line = api("GET", "/_sandbox/webphones").json()[0]
    assert (line["dtmf"], line["muted"], line["ramal"]) == ("1*#", True, "4000")
    parts = api.server.inside(lambda account: account.book.live_calls()[0].partial_recordings)
    assert parts == [(START + 5, START + 10)]


def test_queues(api: Api) -> None:
    """A ramal joins, pauses, resumes and leaves queues: one by id, or all of them."""
    phone = Phone(api)
    phone("conectar")
    assert phone("pausarNaFila", filaId=7) == [error("o ramal não está na fila")]
    assert phone("entrarNaFila") == [error("informe a fila")]
    for message, values, told in (
        ("entrarNaFila", {"filaId": 7}, "entrou_na_fila"),
        ("entrarNaFila", {"filaId": "8"}, "entrou_na_fila"),
        ("pausarNaFila", {}, "pausou_na_fila"),
        ("despausarNaFila", {"filaId": 8}, "despausou_na_fila"),
        ("sairDaFila", {"filaId": 8}, "saiu_da_fila"),
    ):
        assert phone(message, **values) == [{"message": told}]
    assert api("GET", "/_sandbox/webphones").json()[0]["queues"] == {"7": True}


def test_disconnecting_ends_the_call_and_the_ramal_answers_by_itself_again(
    api: Api, clock: Clock
) -> None:
    """A ramal without a connected webphone is answered by the profile."""
    phone = Phone(api)
    phone("conectar")
    phone("chamaNumero", numero=CONTACT)
    assert phone("desconectar") == [status("encerrada"), status("desconectado")]
    clock.now += 1
    call = api.create(numero_origem="4000", numero_destino=CONTACT)
    clock.now += 10
    assert api.fetch(call)["origem"]["status"] == "atendida"
    assert phone("conectar") == [status("conectado")]


def test_what_is_no_message_is_refused(api: Api) -> None:
    """Unknown messages and broken bodies change nothing."""
    url = link(api, "ramal=4000").replace("/w3/?", "/w3/comando?")
    for body in (b"{", b"[]", json.dumps({"message": "atender"}).encode()):
        assert requests.post(url, data=body, timeout=WAIT).status_code == 400
