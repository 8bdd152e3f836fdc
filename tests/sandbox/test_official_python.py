"""The official Python client, unmodified, against the sandbox: every operation that it has."""

import json
from typing import Any

import pytest
import requests
from totalvoice.cliente import Cliente  # type: ignore[import-untyped]  # it has no types

from tests.sandbox.conftest import CONTACT, Api, Clock

PERIOD = ("2000-01-01T00:00:00-03:00", "2100-01-01T00:00:00-03:00")


@pytest.fixture
def client(api: Api, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Give the test the client, speaking to its sandbox and unable to speak to anybody else."""
    send = requests.Session.send

    def only_local(session: requests.Session, request: Any, **options: Any) -> requests.Response:
        assert request.url.startswith(api.server.url), "a test must never dial for real"
        return send(session, request, **options)

    monkeypatch.setattr(requests.Session, "send", only_local)
    client = Cliente(api.server.token, "this argument has no effect")
    assert client.host == "https://voice-api.zenvia.com"
    client.host = api.server.url
    return client


def dados(answer: bytes) -> Any:
    """Parse an answer that reports a success."""
    envelope = json.loads(answer)
    assert envelope["sucesso"] is True, envelope
    return envelope["dados"]


def refused(answer: bytes) -> tuple[int, int]:
    """Parse an answer that reports a refusal: HTTP status and motivo."""
    envelope = json.loads(answer)
    assert envelope["sucesso"] is False, envelope
    return envelope["status"], envelope["motivo"]


def test_a_call_from_its_creation_to_its_recording(client: Any, api: Api, clock: Clock) -> None:
    """Every operation on calls that works, works, and its answer is what the document says."""
    api.script({"outcome": "answer", "ring": 1, "talk": 20})
    call = str(
        dados(
            client.chamada.enviar(
                CONTACT, "4000", None, True, "4832830151", "4832830152", "k-1", False
            )
        )["id"]
    )
    found = dados(client.chamada.get_by_id(call))
    assert (found["tags"], found["origem"]["bina_origem"]) == ("k-1", "4832830151")
    assert client.chamada.escuta_chamada(call, "48999990002", "1") is None
    assert client.chamada.avaliar(call, "5", "muito boa") is None
    clock.now += 100
    assert dados(client.chamada.get_by_id(call))["status_geral"] == "finalizada"
    page = dados(client.chamada.get_relatorio(*PERIOD))["relatorio"]
    assert [row["id"] for row in page] == [int(call)]
    assert client.chamada.get_gravacao_chamada(call).startswith(b"ID3")
    entry = api.server.ledger()[0]
    assert entry["listeners"] == [{"numero": "48999990002", "modo": 1}]
    assert entry["rating"] == {"nota": 5, "comentario": "muito boa"}


def test_its_voicemail_detection_is_understood(client: Any, api: Api, clock: Clock) -> None:
    """It says `detecta_caixa`, which counts as the documented key."""
    api.script("voicemail")
    call = dados(client.chamada.enviar(CONTACT, "4000", detecta_caixa=True))["id"]
    clock.now += 100
    assert api.fetch(call)["origem"]["substatus"] == "maquina_origem"


def test_its_transfer_goes_to_a_path_that_does_not_exist(client: Any, api: Api) -> None:
    """Its path has a typo: the API answers 404/90, and the client throws that answer away."""
    call = api.create()
    assert client.chamada.transferir(str(call), "48999990002", "destino") is None
    assert api.server.ledger()[0]["transfers"] == []
    assert api.server.stats()["refused"] == {"404/90": 1}


def test_hanging_up_and_its_refusals(client: Any, api: Api, clock: Clock) -> None:
    """A hang-up answers null; ids must be text; a call that is over is 404/80."""
    call = api.create()
    assert dados(client.chamada.deletar(str(call))) is None
    clock.now += 2
    assert refused(client.chamada.deletar(str(call))) == (404, 80)
    assert refused(client.chamada.get_by_id("1")) == (404, 60)
    with pytest.raises(TypeError):
        client.chamada.get_by_id(call)


def test_a_conference(client: Any) -> None:
    """A room is made, read and ended; adding a number and the report never reach the API."""
    room = str(dados(client.conferencia.cria_conferencia())["id"])
    assert dados(client.conferencia.get_by_id(room))["chamadas"] == []
    with pytest.raises(TypeError):
        client.conferencia.add_numero_conferencia(room, CONTACT)
    with pytest.raises(NotImplementedError):
        client.conferencia.get_relatorio(*PERIOD)
    assert dados(client.conferencia.deletar(room)) is None


def test_webphone_and_account(client: Any, api: Api) -> None:
    """Webphone URLs, caller IDs, balance, account, webhooks and speech work; the rest is 501."""
    url = dados(client.webphone.get_webphone("hidden", "77", None, CONTACT, True))["url"]
    assert url.startswith(f"{api.server.webphone_url}/w3/?key=")
    assert json.loads(client.bina.enviar("4832830199"))["mensagem"] == "Código enviado com sucesso"
    assert dados(client.bina.validar("9999", "4832830199")) == {"valido": False}
    assert dados(client.bina.validar("1234", "4832830199"))["valido"] is True
    assert len(dados(client.bina.get_relatorio())) == 3
    assert dados(client.bina.excluir("4832830199")) is None
    assert dados(client.minha_conta.get_saldo()) == {"saldo": 100.0}
    assert dados(client.minha_conta.get_conta())["conta_ativa"] == 1
    assert dados(client.minha_conta.editar_webhook("chamada_fim", "http://a.b/c")) is None
    listed = [{"webhook": "chamada_fim", "url": "http://a.b/c"}]
    assert dados(client.minha_conta.get_webhook()) == {"webhooks": listed}
    assert dados(client.minha_conta.delete_webhook("chamada_fim")) is None
    assert dados(client.conta.edit_webhook_default("chamada_fim", "http://a.b/c")) is None
    assert dados(client.conta.get_webhook_default()) == {"webhooks": listed}
    assert dados(client.conta.delete_webhook_default("chamada_fim")) is None
    speech = str(dados(client.tts.enviar(CONTACT, "olá"))["id"])
    assert dados(client.tts.get_by_id(speech))["mensagem"] == "olá"
    for answer in (
        client.sms.enviar(CONTACT, "x"),
        client.audio.enviar(CONTACT, "http://a.b/c.mp3"),
        client.composto.enviar(CONTACT, []),
        client.ramal.get_relatorio(),
        client.ura.deletar("1"),
        client.did.get_my_dids(),
        client.fila.get_fila("1"),
        client.minha_conta.get_recargas(),
        client.tts.get_relatorio(*PERIOD),
        client.conta.get_by_id("1"),
    ):
        assert refused(answer) == (501, 30)


def test_a_wrong_token_is_an_answer_not_an_error(client: Any) -> None:
    """The client never raises: it returns the API's 403 as bytes."""
    client.access_token = "wrong"
    assert refused(client.minha_conta.get_saldo()) == (403, 40)
