"""Every refusal of the catalogue, as HTTP status, motivo and message."""

from typing import Any

import pytest

from sandbox.server import SandboxServer
from tests.sandbox.conftest import CONTACT, Api, Clock, Sandboxes

E164 = "formato E.164: [+][DDI][DDD][Número] ex: +5510999999999"
GOOD = {"numero_origem": CONTACT, "numero_destino": "4000"}

REFUSED: list[tuple[str, str, Any, int, int, str]] = [
    ("GET", "/chamada", None, 404, 10, "qual chamada? informar ID /chamada/ID"),
    ("GET", "/chamada/1", None, 404, 60, "chamada não encontrada"),
    ("GET", "/chamada/1/gravacao", None, 404, 60, "chamada não encontrada"),
    ("GET", "/chamada/{call}/gravacao", None, 404, 70, "chamada sem gravação solicitada"),
    ("POST", "/chamada", {}, 405, 11, f"numero_origem inválido, {E164}"),
    (
        "POST",
        "/chamada",
        {**GOOD, "numero_destino": "12"},
        405,
        11,
        f"numero_destino inválido, {E164}",
    ),
    ("POST", "/chamada", {**GOOD, "data_criacao": "amanhã"}, 405, 11, "data_criacao inválida"),
    ("POST", "/chamada", {**GOOD, "bina_origem": "x"}, 405, 11, "bina inválida"),
    ("POST", "/chamada", {**GOOD, "tags": ["x"]}, 405, 11, "o parametro tags é inválido"),
    ("POST", "/chamada/1", {}, 404, 90, "caminho não encontrado"),
    ("POST", "/chamada/{call}/escuta", {"modo": 1}, 405, 11, f"numero inválido, {E164}"),
    (
        "POST",
        "/chamada/{call}/escuta",
        {"numero": CONTACT, "modo": 4},
        405,
        11,
        "modo inválido: 1=escuta, 2=sussurro, 3=conferência",
    ),
    (
        "POST",
        "/chamada/1/escuta",
        {"numero": CONTACT, "modo": 1},
        404,
        60,
        "chamada não encontrada",
    ),
    (
        "POST",
        "/chamada/{call}/transfer",
        {"numero": CONTACT, "perna": "meio"},
        405,
        11,
        "parametro inválido, informe perna 'origem' ou 'destino'",
    ),
    ("POST", "/chamada/{call}/transfer", {"perna": "origem"}, 405, 11, f"numero inválido, {E164}"),
    ("POST", "/chamada/{call}/transfr", {"perna": "origem"}, 404, 90, "caminho não encontrado"),
    ("POST", "/chamada/{call}/avaliar", {"nota": 6}, 405, 11, "nota inválida, informe de 1 a 5"),
    (
        "POST",
        "/chamada/{call}/avaliar",
        {"numero": "5"},
        405,
        11,
        "nota inválida, informe de 1 a 5",
    ),
    (
        "POST",
        "/chamada/{call}/avaliar",
        {"nota": 5, "comentario": "x" * 1001},
        405,
        11,
        "comentario inválido, máximo de 1000 caracteres",
    ),
    ("POST", "/chamada/1/avaliar", {"nota": 5}, 404, 60, "chamada não encontrada"),
    ("DELETE", "/chamada/1", None, 404, 60, "chamada não encontrada"),
    (
        "GET",
        "/chamada/relatorio?data_fim=2020-01-01",
        None,
        405,
        10,
        "o parametro data_inicio é obrigatório",
    ),
    (
        "GET",
        "/chamada/relatorio?data_inicio=ontem&data_fim=2020-01-01",
        None,
        405,
        11,
        "o parametro data_inicio é inválido",
    ),
    ("GET", "/conferencia/1", None, 404, 60, "conferência não encontrada"),
    ("DELETE", "/conferencia/1", None, 404, 60, "conferência não encontrada"),
    ("POST", "/conferencia/{room}", {}, 405, 11, f"numero inválido, {E164}"),
    ("GET", "/webphone?ramal=5000", None, 404, 60, "ramal não encontrada"),
    ("GET", "/webphone?id_ramal=0", None, 404, 60, "ramal não encontrada"),
    ("GET", "/webphone?ligar_para=x", None, 405, 11, f"Parâmetro ligar_para inválido, {E164}"),
    ("PUT", "/webhook", {"url": "http://a.b"}, 405, 10, "o parametro webhook é obrigatório"),
    ("PUT", "/webhook/chamada_fim", {}, 405, 10, "o parametro url é obrigatório"),
    (
        "PUT",
        "/webhook/chamada_fim",
        {"url": "foo.bar/x"},
        405,
        11,
        "o parametro url é inválido, informar ex: http://foooo.bar/x/y",
    ),
    (
        "DELETE",
        "/webhook/nada",
        None,
        405,
        11,
        "o parametro webhook é inválido. Webhooks válidos: chamada_fim, status_tempo_real",
    ),
    ("POST", "/tts", {"numero_destino": CONTACT}, 405, 10, "o parametro mensagem é obrigatório"),
    ("GET", "/tts/1", None, 404, 60, "tts não encontrado"),
    ("GET", "/bina/99", None, 404, 60, "bina não encontrada"),
    ("POST", "/sms", {}, 501, 30, "não implementado"),
    ("GET", "/ramal/relatorio", None, 501, 30, "não implementado"),
    ("GET", "/nada", None, 404, 90, "caminho não encontrado"),
    ("PUT", "/chamada", None, 404, 90, "caminho não encontrado"),
    ("GET", "/chamada/abc", None, 404, 90, "caminho não encontrado"),
]


@pytest.fixture(scope="module")
def refusing() -> Any:
    """Start one sandbox for all refusals: none of them leaves a trace."""
    with SandboxServer(seed=1) as server:
        yield Api(server)


@pytest.mark.parametrize("refusal", REFUSED, ids=lambda row: f"{row[0]} {row[1]} {row[3]}")
def test_each_refusal_says_what_the_catalogue_says(
    refusing: Api, refusal: tuple[str, str, Any, int, int, str]
) -> None:
    """A refused request gets the catalogue's status, motivo and message, and null `dados`."""
    method, path, body, status, motivo, mensagem = refusal
    refusing.script({"outcome": "answer", "talk": 3_600})
    call = refusing.create()
    room = refusing("POST", "/conferencia").json()["dados"]["id"]
    answer = refusing(method, path.format(call=call, room=room), body)
    assert answer.json() == {
        "status": status,
        "sucesso": False,
        "motivo": motivo,
        "mensagem": mensagem,
        "dados": None,
    }
    assert answer.status_code == status
    assert answer.headers["access-control-allow-origin"] == "*"


@pytest.mark.parametrize("path", ["/chamada/1", "/nada", "/saldo"])
def test_a_bad_token_is_403_with_motivo_40(api: Api, path: str) -> None:
    """There is no 401: a wrong or missing token is 403, whatever is asked for."""
    for headers in ({"Access-Token": "wrong"}, {"Access-Token": ""}):
        answer = api("GET", path, headers=headers)
        assert (answer.status_code, answer.json()["motivo"]) == (403, 40)
        assert answer.json()["mensagem"] == "access token inválido"


def test_a_body_that_is_no_json_object_is_400(api: Api) -> None:
    """A body that is not JSON, or not an object, is refused before anything else of it."""
    for data in (b"{", b"[]", b'"x"', b"\xff\xfe", b"[" * 100_000):
        answer = api("POST", "/chamada", data=data, headers={"Content-Type": "application/json"})
        assert (answer.status_code, answer.json()["motivo"]) == (400, 100)


def test_what_has_ended_is_not_active(api: Api, clock: Clock) -> None:
    """Listening to, transferring and ending a call that is over are 404/80, and so are rooms."""
    api.script("busy")
    call = api.create()
    clock.now += 60
    assert api.refusal("DELETE", f"/chamada/{call}") == (404, 80)
    listening = {"numero": CONTACT, "modo": 1}
    assert api.refusal("POST", f"/chamada/{call}/escuta", listening) == (404, 80)
    moving = {"numero": CONTACT, "perna": "origem"}
    assert api.refusal("POST", f"/chamada/{call}/transfer", moving) == (404, 80)
    room = api("POST", "/conferencia").json()["dados"]["id"]
    assert api("DELETE", f"/conferencia/{room}").json()["sucesso"]
    assert api.refusal("DELETE", f"/conferencia/{room}") == (404, 80)


def test_account_settings_refuse(sandbox: Sandboxes) -> None:
    """A disabled account, a number outside a trial and a foreign caller ID are refused."""
    disabled = sandbox(account_disabled=True)
    assert disabled("GET", "/saldo").json()["mensagem"] == "conta desativada"
    trial = sandbox(blocked_numbers=frozenset({CONTACT}), only_own_binas=True)
    assert trial.refusal("POST", "/chamada", GOOD) == (403, 8)
    other = {**GOOD, "numero_origem": "48999990002"}
    assert trial.refusal("POST", "/chamada", {**other, "bina_origem": "4899990000"}) == (405, 11)
    assert trial("POST", "/chamada", {**other, "bina_origem": "4832830151"}).json()["sucesso"]
