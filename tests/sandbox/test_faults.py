"""Faults and limits: what the account sees of them, and what the ledger says really happened."""

import json
import socket

import pytest
import requests

from tests.sandbox.conftest import CONTACT, WAIT, Api, Clock, Sandboxes, eventually

GOOD = {"numero_origem": CONTACT, "numero_destino": "4000"}


@pytest.mark.parametrize(
    ("fault", "accepted"),
    [("lost_answer", 1), ("reset_after", 1), ("reset_before", 0)],
)
def test_a_cut_connection_hides_whether_the_call_was_accepted(
    api: Api, fault: str, accepted: int
) -> None:
    """The caller sees only a broken connection; the ledger knows whether there is a call."""
    api.server.faults(**{fault: 1})
    with pytest.raises(requests.ConnectionError):
        api("POST", "/chamada", GOOD)
    assert len(api.server.ledger()) == accepted
    assert api.server.stats()["faults"] == {fault: 1}


@pytest.mark.parametrize("fault", ["lost_answer", "reset_after"])
def test_a_lost_answer_is_an_orderly_end_and_a_reset_is_not(api: Api, fault: str) -> None:
    """On the wire a lost answer is a connection that ends; a reset is an error at once."""
    api.server.faults(**{fault: 1})
    host, _, port = api.server.url.removeprefix("http://").partition(":")
    body = json.dumps(GOOD).encode()
    head = (
        f"POST /chamada HTTP/1.1\r\nHost: sandbox\r\nAccess-Token: {api.server.token}\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    with socket.create_connection((host, int(port)), timeout=WAIT) as connection:
        connection.sendall(head.encode() + body)
        if fault == "lost_answer":
            assert connection.recv(1) == b""
        else:
            with pytest.raises(ConnectionResetError):
                connection.recv(1)


@pytest.mark.parametrize(("fault", "accepted"), [("error_before", 0), ("error_after", 1)])
def test_an_internal_error_hides_it_too(api: Api, fault: str, accepted: int) -> None:
    """A 500 may come before or after the call was accepted."""
    api.server.faults(**{fault: 1})
    assert api.refusal("POST", "/chamada", GOOD) == (500, 50)
    assert len(api.server.ledger()) == accepted


def test_faults_befall_the_operations_that_are_named(api: Api) -> None:
    """By default only dialling goes wrong; any operation can be named."""
    call = api.create()
    api.server.faults(error_before=1)
    assert api.fetch(call)["id"] == call
    api.server.faults(error_before=1, operations=["chamada.buscar"])
    assert api.refusal("GET", f"/chamada/{call}") == (500, 50)
    assert api.create() > call


def test_shares_are_kept_and_repeat(sandbox: Sandboxes) -> None:
    """A fault with a share befalls about that share of requests, the same ones for a seed."""

    def run() -> list[int]:
        api = sandbox()
        api.server.faults(error_after=0.3)
        return [api("POST", "/chamada", GOOD).status_code for _ in range(100)]

    first = run()
    assert first == run()
    assert 15 <= first.count(500) <= 45


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_slow_answer_comes_too_late_but_the_call_is_real(api: Api, when: str) -> None:
    """Whoever gives up waiting for a slow answer has a call all the same, now or a little later."""
    api.server.faults(slow={"share": 1, "seconds": 0.3, "when": when})
    with pytest.raises(requests.ReadTimeout):
        requests.post(
            f"{api.server.url}/chamada",
            json=GOOD,
            headers={"Access-Token": api.server.token},
            timeout=0.1,
        )
    assert len(api.server.ledger()) == (1 if when == "after" else 0)
    api.server.faults()
    api("POST", "/chamada", GOOD)
    eventually(lambda: len(api.server.ledger()) == 2)


def test_rate_limited_calls_are_not_placed(sandbox: Sandboxes) -> None:
    """A 429, by fault or by rate, leaves no call; the header is there if the settings say so."""
    api = sandbox(retry_after=2.0)
    api.server.faults(rate_limited=1)
    answer = api("POST", "/chamada", GOOD)
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "2")
    assert api.server.ledger() == []


def test_calls_per_second_are_a_rate_with_one_second_of_burst(api: Api, clock: Clock) -> None:
    """The account takes so many calls a second, as the sandbox's clock counts."""
    api.server.limits(calls_per_second=5)
    statuses = [api("POST", "/chamada", GOOD).status_code for _ in range(7)]
    assert statuses == [200] * 5 + [429] * 2
    clock.now += 0.2
    assert [api("POST", "/chamada", GOOD).status_code for _ in range(2)] == [200, 429]
    assert api.server.stats()["refused"] == {"429/100": 3}


def test_requests_per_second_count_every_request(api: Api) -> None:
    """The rate of requests counts reading too."""
    call = api.create()
    api.server.limits(requests_per_second=2)
    assert [api("GET", f"/chamada/{call}").status_code for _ in range(3)] == [200, 200, 429]


def test_channels_can_refuse_or_congest(api: Api, clock: Clock) -> None:
    """Above its channels an account gets 429, or a call that ends congested at once."""
    api.script("no_answer")
    api.server.limits(channels=2)
    for _ in range(2):
        api.create()
    assert api.refusal("POST", "/chamada", GOOD) == (429, 100)
    api.server.limits(channels=2, over_channels="congest")
    call = api.fetch(api.create())
    assert call["origem"]["motivo_desconexao"] == "34. sem canal disponível"
    clock.now += 100
    assert api.create()
    assert api.server.stats()["peak_live"] == 2


def test_money_runs_out(api: Api, clock: Clock) -> None:
    """The balance goes down as calls end; without any a new call is 402."""
    api.script({"outcome": "answer", "ring": 1, "talk": 30})
    api.server.limits(balance=0.5)
    api.create()
    assert api("GET", "/saldo").json()["dados"] == {"saldo": 0.5}
    clock.now += 100
    assert api("GET", "/saldo").json()["dados"] == {"saldo": 0.15}
    api.create()
    clock.now += 100
    assert api.refusal("POST", "/chamada", GOOD) == (402, 9)
    assert api.server.stats()["spent"] == 0.7


def test_the_control_plane_refuses_what_it_does_not_know(api: Api) -> None:
    """A misspelt fault, limit, outcome or number is an error that names it, and changes nothing."""
    for path, body, named in (
        ("faults", {"lost": 1}, "lost"),
        ("faults", {"lost_answer": 2}, "lost_answer"),
        ("limits", {"canais": 1}, "canais"),
        ("script", {CONTACT: ["asleep"]}, CONTACT),
        ("script", {"x": ["busy"]}, "x"),
    ):
        answer = api("PUT", f"/_sandbox/{path}", body)
        assert answer.status_code == 400
        assert named in answer.json()["error"]
    assert api("GET", "/_sandbox/faults").json()["lost_answer"] == 0
    assert api("GET", "/_sandbox/limits").json()["channels"] is None
