"""The official Node client, unmodified, against the sandbox: every operation of it that exists."""

import fcntl
import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.sandbox.conftest import CONTACT, Api, Clock, Sandboxes

HERE = Path(__file__).with_name("node")
MISSING = "The official Node client needs {0}: apt-get install nodejs npm"


@pytest.fixture(scope="session")
def installed() -> Path:
    """Install the client as its lock says, once for all workers; return its folder."""
    for program in ("node", "npm"):
        if shutil.which(program) is None:
            pytest.fail(MISSING.format(program), pytrace=False)
    lock, done = HERE / "package-lock.json", HERE / "node_modules" / ".package-lock.json"
    with (HERE / "package.json").open() as guard:
        fcntl.flock(guard, fcntl.LOCK_EX)
        if not done.exists() or done.stat().st_mtime < lock.stat().st_mtime:
            command = ["npm", "ci", "--loglevel=error"]
            ran = subprocess.run(command, cwd=HERE, capture_output=True, text=True, check=False)
            if ran.returncode:
                pytest.fail(f"npm ci in {HERE.name}/ did not work:\n{ran.stderr}", pytrace=False)
    return HERE


class Client:
    """The client in a process of its own."""

    def __init__(self, folder: Path, url: str, token: str) -> None:
        self._process = subprocess.Popen(
            ["node", "drive.js", url, token],
            cwd=folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __call__(self, method: str, *args: Any) -> Any:
        """Call a method; return what its promise resolves to."""
        outcome = self.try_(method, *args)
        assert "value" in outcome, outcome
        return outcome["value"]

    def try_(self, method: str, *args: Any) -> dict[str, Any]:
        """Call a method; return how it ended."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"method": method, "args": args}) + "\n")
        self._process.stdin.flush()
        outcome: dict[str, Any] = json.loads(self._process.stdout.readline())
        return outcome

    def refused(self, method: str, *args: Any) -> tuple[int, int]:
        """Call a method that the API refuses; return its HTTP status and motivo."""
        envelope = self.try_(method, *args)["rejected"]["data"]
        return envelope["status"], envelope["motivo"]

    def close(self) -> None:
        """End the process."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(10)
        assert self._process.stdout is not None
        self._process.stdout.close()


@pytest.fixture
def client(installed: Path, api: Api) -> Iterator[Client]:
    """Give the test the client, speaking to its sandbox."""
    client = Client(installed, api.server.url, api.server.token)
    yield client
    client.close()


def test_a_call_from_its_creation_to_its_recording(client: Client, api: Api, clock: Clock) -> None:
    """Every operation on calls works and its answer is what the document says."""
    api.script({"outcome": "answer", "ring": 1, "talk": 20})
    created = client("chamada.ligar", CONTACT, "4000", {"gravar_audio": True, "tags": "k-1"})
    assert created["mensagem"] == "chamada criada com sucesso"
    call = created["dados"]["id"]
    # Its options are nested in a key that the API does not know: they are lost.
    assert client("chamada.buscar", call)["dados"]["tags"] is None
    assert (
        client("chamada.escutar", call, "48999990002", 3)["mensagem"] == "escuta criada com sucesso"
    )
    clock.now += 100
    found = client("chamada.buscar", call)["dados"]
    assert (found["status_geral"], found["origem"]["motivo_desconexao"]) == (
        "finalizada",
        "16. normal",
    )
    page = client("chamada.relatorio", "2000-01-01", "2100-01-01")["dados"]["relatorio"]
    assert [row["id"] for row in page] == [call]
    recorded = api.create(gravar_audio=True)
    clock.now += 100
    audio = client("chamada.downloadGravacao", recorded)
    assert audio.startswith("ID3")
    assert client.refused("chamada.downloadGravacao", call) == (404, 70)


def test_a_call_is_moved_and_ended(client: Client, api: Api, clock: Clock) -> None:
    """Transferring and hanging up work on a call that runs; rating goes to the wrong path."""
    api.script({"outcome": "answer", "ring": 1, "talk": 600})
    call = client("chamada.ligar", CONTACT, "4000")["dados"]["id"]
    clock.now += 10
    moved = client("chamada.transferir", call, "48999990002", "origem")
    assert moved["mensagem"] == "a chamada está sendo transferida"
    assert client.refused("chamada.avaliar", call, "5", "muito boa") == (405, 11)
    ended = client("chamada.encerrar", call)
    assert (ended["mensagem"], ended["dados"]) == ("encerrando chamada", None)
    clock.now += 2
    assert client.refused("chamada.encerrar", call) == (404, 80)
    entry = api.server.ledger()[0]
    assert entry["hung_up_by_api"]
    assert entry["rating"] is None
    assert entry["transfers"][0]["perna"] == "origem"


def test_a_conference(client: Client) -> None:
    """A room is made, filled, read and ended; what the document's sample calls is no function."""
    room = client("conferencia.criar")["dados"]["id"]
    guest = client("conferencia.addNumero", room, CONTACT, "4832830151", True)["dados"]["id"]
    shown = client("conferencia.buscar", room)["dados"]
    assert [call["id"] for call in shown["chamadas"]] == [guest]
    assert client("conferencia.excluir", room)["sucesso"]
    assert "not a function" in client.try_("conferencia.enviar", CONTACT, "http://a.b")["thrown"]


def test_webphone_and_account(client: Client, api: Api) -> None:
    """Webphone URLs, caller IDs and the account work; siblings that nobody built are 501."""
    asked = {"ramal": 4000, "ligar_para": CONTACT, "fechar_fim": True, "tipo": "hidden"}
    url = client("central.webphone", asked)["dados"]["url"]
    assert url.startswith(f"{api.server.webphone_url}/w3/?key=")
    assert f"&ligar_para={CONTACT}" in url
    assert client("bina.enviar", "4832830199")["mensagem"] == "Código enviado com sucesso"
    assert client("bina.validar", "1234", "4832830199")["dados"]["valido"] is True
    listed = {
        row["numero_telefone"]: row["confirmado"] for row in client("bina.relatorio")["dados"]
    }
    assert listed["4832830199"] is True
    assert client("bina.excluir", "4832830199")["mensagem"] == "Bina removida com sucesso"
    assert client("perfil.consultaSaldo")["dados"] == {"saldo": 100}
    assert client("perfil.minhaConta")["dados"]["preco_cel"] == "0.350"
    speech = client("tts.enviar", CONTACT, "olá", {})["dados"]["id"]
    assert client("tts.buscar", speech)["dados"]["mensagem"] == "olá"
    for method, *args in (
        ("central.criarRamal", {"ramal": "4500"}),
        ("central.relatorio",),
        ("central.buscaUra", 1),
        ("sms.enviar", CONTACT, "x"),
        ("status.verificar",),
        ("perfil.relatorioRecarga",),
        ("conta.buscar", 1),
    ):
        assert client.refused(method, *args) == (501, 30), method


def test_webhooks_go_to_the_wrong_path(client: Client) -> None:
    """Listing works; saving and removing go to a path that no webhook has, as the real client's."""
    assert client("perfil.webhooks")["dados"] == {"webhooks": []}
    assert client("conta.webhooksDefault")["dados"] == {"webhooks": []}
    assert client.refused("perfil.salvaWebhook", "chamada_fim", "http://a.b/c") == (404, 90)
    assert client.refused("perfil.excluirWebhook", "chamada_fim") == (404, 90)
    assert client.refused("conta.salvaWebhookDefault", "chamada_fim", "http://a.b/c") == (404, 90)


def test_a_wrong_token_is_rejected(installed: Path, sandbox: Sandboxes) -> None:
    """The client hands on the API's 403 and its message."""
    client = Client(installed, sandbox().server.url, "wrong")
    data = client.try_("perfil.consultaSaldo")["rejected"]["data"]
    assert (data["status"], data["mensagem"]) == (403, "access token inválido")
    client.close()
