"""A call from its acceptance to its end, by the clock of the test."""

from typing import Any

import pytest

from sandbox.moments import iso
from tests.sandbox.conftest import START, Api, Clock, Sandboxes


def test_an_answered_call_goes_through_every_state(api: Api, clock: Clock) -> None:
    """A call is created, rings its first leg, then its second, talks, and ends billed."""
    api.script({"outcome": "answer", "ring": 10, "talk": 42})
    api.script({"outcome": "answer", "ring": 2, "talk": 600}, number="4000")
    call_id = api.create(tags="k-1")
    seen = []
    for seconds in (0, 1, 11, 13, 55):
        clock.now = START + seconds
        call = api.fetch(call_id)
        seen.append((call["status_geral"], call["origem"]["status"], call["destino"]["status"]))
    assert seen == [
        ("criada", "preparando", None),
        ("curso", "chamando", "preparando"),
        ("curso", "atendida", "chamando"),
        ("curso", "atendida", "atendida"),
        ("finalizada", "atendida", "atendida"),
    ]
    assert call["tags"] == "k-1"
    assert call["destino"]["duracao_falada_segundos"] == 42
    assert call["origem"]["duracao_cobrada"] == "00:01:00"
    assert call["origem"]["preco"] == 0.35
    assert call["origem"]["motivo_desconexao"] == "16. normal"
    assert api.server.ledger()[0]["ended_at"] == START + 55


@pytest.mark.parametrize(
    ("outcome", "status", "reason"),
    [
        ("busy", "ocupado", "17. ocupado"),
        ("no_answer", "sem resposta", "19. sem resposta - mas chamou"),
        ("invalid", "não existe", "1. telefone não existe"),
        ("network", "falha", "41. falha temporária"),
        ("reject", "falha", "21. chamada rejeitada"),
        ("congested", "congestionado", "34. sem canal disponível"),
    ],
)
def test_a_call_that_fails_says_why(
    api: Api, clock: Clock, outcome: str, status: str, reason: str
) -> None:
    """A first leg that is not answered ends with its status, and the second was never dialled."""
    api.script(outcome)
    call_id = api.create()
    clock.now += 60
    call = api.fetch(call_id)
    assert (call["origem"]["status"], call["origem"]["motivo_desconexao"]) == (status, reason)
    assert call["destino"]["status"] is None
    assert call["destino"]["motivo_desconexao"] == "indefinido"
    assert call["origem"]["preco"] == call["destino"]["preco"] == 0


def test_a_clock_that_jumps_days_ends_every_call_at_its_own_time(api: Api, clock: Clock) -> None:
    """Nothing needs to tick: after a jump each call has ended when it would have."""
    for seconds in range(50):
        clock.now = START + seconds * 10
        api.create()
    clock.now = START + 86_400 * 3
    ends = [entry["ended_at"] for entry in api.server.ledger()]
    assert max(ends) < START + 86_400
    assert api.server.stats()["live"] == 0


def test_the_peak_of_live_calls_is_exact(api: Api, clock: Clock) -> None:
    """The peak is the true maximum even when nobody looked in between."""
    numbers = [f"4899999{index:04d}" for index in range(20)]
    for number in numbers:
        api.script({"outcome": "busy", "ring": 9}, number=number)
    for index, number in enumerate(numbers):
        clock.now = START + 3 * index
        api.create(numero_origem=number)
    # Each call lasts 10 s (1 to set up, 9 ringing) and one starts every 3 s: 4 overlap.
    assert api.server.stats()["peak_live"] == 4


def test_a_call_that_ends_makes_room_at_that_very_instant(api: Api, clock: Clock) -> None:
    """A call that starts at the instant at which another one ends is not live beside it."""
    clock.now = 1_760_000_000.0
    api.script({"outcome": "busy", "ring": 9})
    api.create(data_criacao=iso(clock.now + 20))
    for _ in range(2):
        api.create()
        clock.now += 10
    clock.now += 100
    stats = api.server.stats()
    assert (stats["peak_live"], stats["ended"]) == (1, 3)


def test_a_hang_up_takes_effect_a_moment_later(api: Api, clock: Clock) -> None:
    """DELETE answers at once; the call is over a second later, cancelled if nobody answered."""
    api.script({"outcome": "no_answer"})
    call_id = api.create()
    clock.now += 5
    assert api("DELETE", f"/chamada/{call_id}").json()["mensagem"] == "encerrando chamada"
    assert api.fetch(call_id)["status_geral"] == "curso"
    clock.now += 1
    call = api.fetch(call_id)
    assert (call["status_geral"], call["origem"]["status"]) == ("finalizada", "cancelada")
    assert api.server.ledger()[0]["hung_up_by_api"]
    again = api("DELETE", f"/chamada/{call_id}")
    assert (again.status_code, again.json()["motivo"]) == (404, 80)


def test_a_call_that_never_ran_ends_only_when_it_is_hung_up(api: Api, clock: Clock) -> None:
    """A call that never ran stays created for days, and says nothing of its legs at its end."""
    api.script("never_ran")
    call_id = api.create()
    clock.now += 86_400 * 2
    assert api.fetch(call_id)["status_geral"] == "criada"
    assert api.server.stats()["live"] == 1
    api("DELETE", f"/chamada/{call_id}")
    clock.now += 1
    call = api.fetch(call_id)
    assert (call["status_geral"], call["origem"]["status"]) == ("finalizada", None)
    assert api.server.stats()["live"] == 0


def test_fates_do_not_depend_on_the_order_of_calls(sandbox: Sandboxes) -> None:
    """The n-th call to a number does the same whatever calls came between, and whenever."""
    numbers = [f"4898888{index:04d}" for index in range(40)]

    def run(order: list[str]) -> dict[tuple[str, int], Any]:
        clock = Clock()
        api = sandbox(clock=clock)
        for number in order:
            api.create(numero_origem=number)
        clock.now += 10_000
        return {
            (entry["numero_origem"], entry["attempt"]): (entry["origem"], entry["destino"])
            for entry in api.server.ledger()
        }

    assert run(numbers * 2) == run([*reversed(numbers), *numbers])


def test_calls_to_one_number_differ_from_each_other(api: Api, clock: Clock) -> None:
    """Calling again is another draw: the same person is now away and now there."""
    for _ in range(12):
        api.create()
    clock.now += 10_000
    ledger = api.server.ledger()
    assert [entry["attempt"] for entry in ledger] == list(range(12))
    assert len({(entry["origem"]["status"], entry["ended_at"]) for entry in ledger}) > 6


def test_a_script_is_consumed_one_call_at_a_time(api: Api, clock: Clock) -> None:
    """Each call to a scripted number takes the next entry, and the last entry repeats."""
    api.script("busy", "invalid")
    calls = [api.create() for _ in range(4)]
    clock.now += 100
    assert [api.fetch(call)["origem"]["status"] for call in calls] == [
        "ocupado",
        "não existe",
        "não existe",
        "não existe",
    ]
