"""Conferences: rooms that dial people in."""

from urllib.parse import quote

import requests

from sandbox.moments import iso
from tests.sandbox.conftest import CONTACT, START, WAIT, Api, Clock, Sandboxes

ALL = "data_inicio=2000-01-01&data_fim=2100-01-01"


def test_a_room_dials_people_in_until_it_is_ended(api: Api, clock: Clock) -> None:
    """Who is added is called; ending the room ends every call in it and bills them."""
    room = api("POST", "/conferencia", {"numero_destino": "ignored"}).json()["dados"]["id"]
    api.script({"outcome": "answer", "ring": 4, "talk": 600})
    body = {"numero": CONTACT, "bina": "4832830151", "gravar_audio": True}
    added = api("POST", f"/conferencia/{room}", body).json()
    guest = added["dados"]["id"]
    assert guest > room
    clock.now += 5
    shown = api("GET", f"/conferencia/{room}").json()["dados"]
    assert shown["data_termino"] is None
    assert (shown["chamadas"][0]["status"], shown["chamadas"][0]["duracao"]) == ("atendida", None)
    clock.now += 30
    assert api("DELETE", f"/conferencia/{room}").json() == {
        "status": 200,
        "sucesso": True,
        "motivo": 0,
        "mensagem": "conferencia encerrada com sucesso",
        "dados": None,
    }
    shown = api("GET", f"/conferencia/{room}").json()["dados"]
    assert shown["data_termino"] == iso(START + 35)
    call = shown["chamadas"][0]
    assert (call["id"], call["conferencia_id"]) == (guest, room)
    assert (call["duracao"], call["duracao_falada"], call["duracao_cobrada"]) == (
        "00:00:34",
        "00:00:30",
        "00:01:00",
    )
    assert call["preco"] == 0.35
    assert requests.get(call["url_gravacao"], timeout=WAIT).headers["content-type"] == "audio/mpeg"


def test_somebody_who_was_not_reached_before_the_end_is_cancelled(api: Api, clock: Clock) -> None:
    """Ending a room while it is still setting up a call cancels that call."""
    room = api("POST", "/conferencia").json()["dados"]["id"]
    api("POST", f"/conferencia/{room}", {"numero": CONTACT})
    api("DELETE", f"/conferencia/{room}")
    clock.now += 100
    call = api("GET", f"/conferencia/{room}").json()["dados"]["chamadas"][0]
    assert (call["status"], call["preco"]) == ("cancelada", 0)
    assert api.refusal("POST", f"/conferencia/{room}", {"numero": CONTACT}) == (404, 80)


def test_both_reports_page_through_a_period(api: Api, clock: Clock) -> None:
    """Rooms and the calls made into them are reported by when they were made."""
    rooms, guests = [], []
    for _ in range(3):
        rooms.append(api("POST", "/conferencia").json()["dados"]["id"])
        guests.append(
            api("POST", f"/conferencia/{rooms[-1]}", {"numero": CONTACT}).json()["dados"]["id"]
        )
        clock.now += 60

    def ids(kind: str, query: str) -> list[int]:
        found = api("GET", f"/conferencia/{kind}?{query}").json()["dados"]["relatorio"]
        return [row["id"] for row in found]

    assert ids("relatorio", ALL) == rooms
    assert ids("chamadas/relatorio", ALL) == guests
    assert ids("chamadas/relatorio", f"{ALL}&posicao=1&limite=1") == guests[1:2]
    since = f"data_inicio={quote(iso(START + 30))}&data_fim=2100-01-01"
    assert ids("relatorio", since) == rooms[1:]
    assert api.refusal("GET", "/conferencia/relatorio") == (405, 10)


def test_a_conference_can_be_printed_flat(sandbox: Sandboxes, clock: Clock) -> None:
    """Behind a setting, GET prints the document's other shape of the object."""
    api = sandbox(clock=clock, flat_conference=True)
    room = api("POST", "/conferencia").json()["dados"]["id"]
    empty = api("GET", f"/conferencia/{room}").json()["dados"]
    assert empty["numero_destino"] is None
    api.script({"outcome": "busy", "ring": 3})
    api("POST", f"/conferencia/{room}", {"numero": CONTACT})
    clock.now += 60
    shown = api("GET", f"/conferencia/{room}").json()["dados"]
    assert (shown["numero_destino"], shown["status"], shown["duracao"]) == (
        CONTACT,
        "ocupado",
        "00:00:03",
    )
    assert "chamadas" not in shown


def test_go_keys_can_be_refused(sandbox: Sandboxes) -> None:
    """The Go client's capital keys are taken, unless the setting is strict."""
    strict = sandbox(add_number_case_insensitive=False)
    room = strict("POST", "/conferencia").json()["dados"]["id"]
    body = {"Numero": CONTACT, "Bina": "", "GravarAudio": False}
    assert strict.refusal("POST", f"/conferencia/{room}", body) == (405, 11)
