"""Listening in, transferring, rating, voicemail, compressed time and bills."""

import pytest

from sandbox.behaviour import REPORTED
from sandbox.profile import Profile
from tests.sandbox.conftest import CONTACT, START, Api, Clock, Sandboxes

OTHER = "48999990009"


def test_a_listener_is_noted_from_the_moment_of_acceptance(api: Api) -> None:
    """A call can be listened to, moved and ended as soon as it is accepted."""
    call = api.create()
    answer = api("POST", f"/chamada/{call}/escuta", {"numero": OTHER, "modo": "2"})
    assert answer.json() == {
        "status": 200,
        "sucesso": True,
        "motivo": 0,
        "mensagem": "escuta criada com sucesso",
    }
    assert api.server.ledger()[0]["listeners"] == [{"numero": OTHER, "modo": 2}]


def test_a_transfer_moves_one_leg_and_ends_the_other(api: Api, clock: Clock) -> None:
    """The named leg talks on with the new number; the other one is disconnected at once."""
    api.script({"outcome": "answer", "ring": 1, "talk": 600})
    api.script({"outcome": "answer", "ring": 1, "talk": 600}, number="4000")
    api.script({"outcome": "answer", "ring": 5, "talk": 100}, number=OTHER)
    call = api.create()
    clock.now += 30
    answer = api("POST", f"/chamada/{call}/transfer", {"numero": OTHER, "perna": "origem"})
    assert answer.json()["mensagem"] == "a chamada está sendo transferida"
    assert "dados" not in answer.json()
    clock.now += 1_000
    entry = api.server.ledger()[0]
    assert entry["destino"]["ended_at"] == START + 30
    assert entry["origem"]["ended_at"] == entry["ended_at"] == START + 30 + 105
    assert entry["transfers"] == [{"at": START + 30, "perna": "origem", "numero": OTHER}]


def test_transferring_a_leg_that_nobody_answers_ends_as_it_would_have(
    api: Api, clock: Clock
) -> None:
    """A leg still ringing is not answered because the other one was moved."""
    api.script({"outcome": "no_answer", "ring": 40})
    call = api.create()
    clock.now += 10
    api("POST", f"/chamada/{call}/transfer", {"numero": OTHER, "perna": "destino"})
    clock.now += 1
    assert api.fetch(call)["status_geral"] == "finalizada"


def test_the_last_rating_stands(api: Api, clock: Clock) -> None:
    """A call can be rated at any time, as number or text, and again."""
    call = api.create()
    assert api("POST", f"/chamada/{call}/avaliar", {"nota": 1}).json()["sucesso"]
    clock.now += 5_000
    api("POST", f"/chamada/{call}/avaliar", {"nota": "5", "comentario": "muito boa"})
    assert api.server.ledger()[0]["rating"] == {"nota": 5, "comentario": "muito boa"}


def test_a_detected_machine_is_hung_up_within_three_seconds(api: Api, clock: Clock) -> None:
    """With detection on, a machine ends the call at once and is named on the first leg."""
    api.script({"outcome": "voicemail", "ring": 10})
    calls = [api.create(detecta_caixa_origem=True) for _ in range(30)]
    clock.now += 600
    for call in map(api.fetch, calls):
        assert call["origem"]["substatus"] == "maquina_origem"
        assert call["detecta_caixa"] is True
        assert 1 <= call["origem"]["duracao_falada_segundos"] <= 3
        assert call["destino"]["status"] is None
        assert call["origem"]["duracao_cobrada_segundos"] == 60


def test_without_detection_a_machine_is_connected_like_a_person(api: Api, clock: Clock) -> None:
    """A machine that nobody looks for plays its greeting to the second leg."""
    api.script({"outcome": "voicemail", "ring": 5, "talk": 20})
    call_id = api.create()
    clock.now += 600
    call = api.fetch(call_id)
    assert (call["origem"]["status"], call["destino"]["status"]) == ("atendida", "atendida")
    assert call["origem"]["duracao_falada_segundos"] == 20
    assert "substatus" not in call["origem"]
    assert "detecta_caixa" not in call


def test_the_name_of_a_machine_can_be_withheld(sandbox: Sandboxes, clock: Clock) -> None:
    """With the flag off a machine shows only as an answered leg that is very short."""
    api = sandbox(clock=clock, show_substatus=False)
    api.script("voicemail")
    call = api.create(detecta_caixa_origem="true")
    clock.now += 600
    assert "substatus" not in api.fetch(call)["origem"]


def test_time_is_compressed_but_not_what_is_reported(sandbox: Sandboxes, clock: Clock) -> None:
    """At speed 60 a call of 46 s takes 0.77 s of the clock and is still reported as 46 s."""
    api = sandbox(clock=clock, speed=60.0)
    api.script({"outcome": "answer", "ring": 3, "talk": 40})
    api.script({"outcome": "answer", "ring": 2, "talk": 90}, number="4000")
    call_id = api.create()
    clock.now += 0.8
    call = api.fetch(call_id)
    assert call["origem"]["duracao_segundos"] == 45
    assert call["destino"]["duracao_falada"] == "00:00:40"
    assert api.server.ledger()[0]["ended_at"] == pytest.approx(START + 46 / 60)


@pytest.mark.parametrize(
    ("number", "talk", "expected"),
    [
        ("48999990001", 5, (60, 0.35)),
        ("48999990001", 60, (60, 0.35)),
        ("48999990001", 61, (66, 0.385)),
        ("4832830151", 125, (126, 0.126)),
        ("4050", 17, (17, 0)),
    ],
)
def test_a_leg_is_billed_by_its_kind(
    api: Api, clock: Clock, number: str, talk: int, expected: tuple[int, float]
) -> None:
    """Telephones cost a minute at least and then steps of six seconds; a ramal costs nothing."""
    billed, price = expected
    api.script({"outcome": "answer", "ring": 3, "talk": talk}, number=number)
    api.script({"outcome": "answer", "ring": 1, "talk": 900}, number=OTHER)
    call_id = api.create(numero_origem=OTHER, numero_destino=number)
    clock.now += 2_000
    leg = api.fetch(call_id)["destino"]
    assert (leg["duracao_falada_segundos"], leg["duracao_cobrada_segundos"]) == (talk, billed)
    assert leg["preco"] == pytest.approx(price)


def test_a_running_call_says_only_how_long_it_has_run(api: Api, clock: Clock) -> None:
    """While a call runs its amounts are null and both legs count their seconds."""
    api.script({"outcome": "no_answer", "ring": 40})
    call_id = api.create()
    clock.now += 11
    call = api.fetch(call_id)
    assert call["ativa"] is True
    for name in ("origem", "destino"):
        leg = call[name]
        assert leg["duracao_segundos"] == 10
        for key in ("duracao_cobrada", "duracao_falada_segundos", "preco"):
            assert leg[key] is None
        assert leg["motivo_desconexao"] == "indefinido"
    assert call["url_gravacao"] is None


def test_the_object_carries_what_was_sent(api: Api) -> None:
    """Tags, caller IDs and the ramal's id come back in the object."""
    call = api.fetch(
        api.create(
            numero_origem="4001",
            numero_destino=CONTACT,
            tags="k-1,mine",
            bina_origem="4832830151",
            bina_destino="4832830152",
        )
    )
    assert call["tags"] == "k-1,mine"
    assert call["ramal_id_origem"] == 2
    assert call["origem"]["bina_origem"] == "4832830151"
    assert call["destino"]["bina_destino"] == "4832830152"


def test_every_outcome_is_reported() -> None:
    """No outcome that a script or a profile can name is without a status and a reason."""
    api_outcomes = set(REPORTED)
    drawn = {outcome for outcome, _ in Profile().movel.weights()}
    assert drawn <= api_outcomes
    assert all(reason for _, reason in REPORTED.values())
