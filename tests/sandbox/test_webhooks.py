"""Webhooks: what the sandbox posts, to whom, and when."""

import json
import threading
from collections.abc import Iterator
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from tests.sandbox.conftest import Api, Clock, Sandboxes, eventually


class Receiver:
    """A web server that keeps what is posted to it."""

    def __init__(self) -> None:
        received: list[tuple[str, dict[str, Any]]] = []

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                received.append((self.path, json.loads(body)))
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - its signature
                """Say nothing."""

        self.received = received
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()

    def has(self, count: int) -> bool:
        """Whether so many events have arrived."""
        return len(self.received) == count

    def close(self) -> None:
        """Stop."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """Give the test a receiver of webhooks."""
    receiver = Receiver()
    yield receiver
    receiver.close()


def subscribe(api: Api, receiver: Receiver, *names: str) -> None:
    """Configure webhooks, each with a path of its own."""
    for name in names:
        answer = api("PUT", f"/webhook/{name}", {"url": f"{receiver.url}/{name}?s=1"}).json()
        assert answer["mensagem"] == "webhook atualizado com sucesso"


def test_the_end_of_a_call_is_posted_once(api: Api, clock: Clock, receiver: Receiver) -> None:
    """`chamada_fim` carries the whole object, as GET gives it, without an envelope."""
    subscribe(api, receiver, "chamada_fim")
    api.script("busy")
    call = api.create(tags="k-1")
    clock.now += 60
    eventually(lambda: receiver.received)
    path, body = receiver.received[0]
    assert path == "/chamada_fim?s=1"
    assert body.pop("gravacoes_parciais") == []
    assert body == api.fetch(call)
    api("POST", f"/chamada/{call}/avaliar", {"nota": 5})
    clock.now += 60
    api.create()
    clock.now += 60
    eventually(lambda: len(receiver.received) == 2)
    assert receiver.received[1][1]["id"] != call


def test_a_call_that_is_hung_up_twice_ends_once(api: Api, clock: Clock, receiver: Receiver) -> None:
    """However often a call's course is changed, its end is posted when it comes, and once."""
    subscribe(api, receiver, "chamada_fim")
    api.script("no_answer")
    first, second = api.create(), api.create()
    clock.now += 5
    for _ in range(2):
        api("DELETE", f"/chamada/{first}")
    clock.now += 1
    eventually(partial(receiver.has, 1))
    clock.now += 100
    eventually(lambda: receiver.received[-1][1]["id"] == second)
    assert [body["id"] for _, body in receiver.received] == [first, second]
    assert receiver.received[0][1]["origem"]["status"] == "cancelada"


def test_changes_of_a_running_call_are_posted_at_intervals(
    api: Api, clock: Clock, receiver: Receiver
) -> None:
    """`status_tempo_real` tells each change, two seconds apart at least, and never the end."""
    subscribe(api, receiver, "status_tempo_real")
    api.script({"outcome": "answer", "ring": 10, "talk": 30})
    api.script({"outcome": "answer", "ring": 1, "talk": 90}, number="4000")
    api.create()
    for posted, seconds in enumerate((2, 10, 3)):
        clock.now += seconds
        eventually(partial(receiver.has, posted + 1))
    clock.now += 600
    eventually(lambda: api.server.stats()["ended"] == 1)
    seen = [(body["origem"]["status"], body["destino"]["status"]) for _, body in receiver.received]
    assert seen == [("chamando", "preparando"), ("atendida", "chamando"), ("atendida", "atendida")]
    assert all(body["ativa"] and body["origem"]["preco"] is None for _, body in receiver.received)


def test_webhooks_are_listed_changed_and_removed(api: Api, receiver: Receiver) -> None:
    """Only those with a URL are listed; a parent account sees them under its own path."""
    assert api("GET", "/webhook").json()["dados"] == {"webhooks": []}
    subscribe(api, receiver, "chamada_fim")
    listed = {"webhooks": [{"webhook": "chamada_fim", "url": f"{receiver.url}/chamada_fim?s=1"}]}
    assert api("GET", "/webhook").json()["dados"] == listed
    assert api("GET", "/conta/webhook-default").json()["dados"] == listed
    removed = api("DELETE", "/webhook/chamada_fim").json()
    assert (removed["mensagem"], removed["dados"]) == ("webhook apagado com sucesso", None)
    default = api("PUT", "/conta/webhook-default/chamada_fim", {"url": receiver.url}).json()
    assert default["mensagem"] == "webhook default atualizado com sucesso"


def test_events_can_be_lost_and_doubled(api: Api, clock: Clock, receiver: Receiver) -> None:
    """With faults on, an event does not arrive, or arrives twice."""
    subscribe(api, receiver, "chamada_fim")
    api.script("busy")
    api.server.faults(webhooks={"drop": 1})
    api.create()
    clock.now += 60
    eventually(lambda: api.server.stats()["webhooks"] == {"dropped": 1})
    api.server.faults(webhooks={"duplicate": 1, "delay": 0.01})
    call = api.create()
    clock.now += 60
    eventually(lambda: len(receiver.received) == 2)
    assert [body["id"] for _, body in receiver.received] == [call, call]


def test_a_receiver_that_is_away_costs_nothing_but_the_event(
    sandbox: Sandboxes, receiver: Receiver
) -> None:
    """Events that nobody takes are counted and not sent again; calls go on."""
    receiver.close()
    api = sandbox(speed=100.0)
    subscribe(api, receiver, "chamada_fim")
    api.script("busy")
    for _ in range(3):
        api.create()
    eventually(lambda: api.server.stats()["webhooks"] == {"failed": 3})
