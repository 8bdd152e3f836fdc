"""The requests that the official clients put on the wire, replayed byte by byte."""

import http.client
import json
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml

from tests.sandbox.conftest import WAIT, Api

GOLDEN: dict[str, list[dict[str, Any]]] = yaml.safe_load(
    Path(__file__).with_name("golden.yaml").read_text(encoding="utf-8")
)
METHODS = ("GET", "POST", "DELETE")


class Wire:
    """One connection on which nothing is added that the entry does not say."""

    def __init__(self, api: Api) -> None:
        self._token = api.server.token
        self._connection = http.client.HTTPConnection(urlsplit(api.server.url).netloc, timeout=WAIT)
        self._last_post = b""

    def send(self, entry: dict[str, Any], values: dict[str, int]) -> dict[str, Any]:
        """Send one entry; return the envelope of its answer."""
        method = next(name for name in METHODS if name in entry)
        path = entry[method].format(**values)
        body = entry.get("body")
        content = self._last_post if body == "again" else (body or "").encode()
        if method == "POST":
            self._last_post = content
        self._connection.putrequest(method, path, skip_accept_encoding=True)
        self._connection.putheader("Access-Token", self._token)
        self._connection.putheader("Content-Type", "application/json")
        for name, value in entry.get("headers", {}).items():
            self._connection.putheader(name, value)
        if content:
            self._connection.putheader("Content-Length", str(len(content)))
        self._connection.endheaders(content or None)
        answer = self._connection.getresponse()
        envelope: dict[str, Any] = json.loads(answer.read())
        assert answer.status == envelope["status"]
        return envelope

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()


@pytest.mark.parametrize("client", list(GOLDEN))
def test_every_captured_request_is_answered_as_ruled(api: Api, client: str) -> None:
    """Each client's requests are all accepted, but for the ones that its own bugs spoil."""
    api.script({"outcome": "answer", "ring": 5, "talk": 600}, number="4811111111")
    call = api.create(numero_origem="4811111111", gravar_audio=True)
    room = api("POST", "/conferencia").json()["dados"]["id"]
    wire = Wire(api)
    try:
        for entry in GOLDEN[client]:
            envelope = wire.send(entry, {"call": call, "room": room})
            expected = tuple(entry.get("refused", (200, 0)))
            assert (envelope["status"], envelope["motivo"]) == expected, (entry, envelope)
            assert envelope["sucesso"] is (expected == (200, 0))
    finally:
        wire.close()


def test_what_the_clients_send_is_understood_not_just_tolerated(api: Api) -> None:
    """Python's `detecta_caixa` counts; Node's nested options and Go's key are lost, as they are."""
    wire = Wire(api)
    for client in ("python", "node", "go"):
        for entry in GOLDEN[client][:2]:
            wire.send(entry, {})
    wire.close()
    ledger = api.server.ledger()
    assert [entry["detecta_caixa"] for entry in ledger] == [False, True] + [False] * 4
    assert [entry["gravar_audio"] for entry in ledger] == [False, True, False, False, False, True]
    assert [entry["tags"] for entry in ledger] == [None, "clienteUm", None, None, None, "x"]
    assert all(entry["live_from"] == entry["accepted_at"] for entry in ledger)
