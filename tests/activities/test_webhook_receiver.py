"""The receiver believes nothing, answers quickly, and wakes whoever waits."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
import requests
import uvicorn

from activities.webhook_receiver import Hint, create_receiver
from sandbox.server import SandboxServer
from tests.zenvia.test_models import CALL
from zenvia.client import VoiceClient
from zenvia.models import NewCall

SECRET = "a1b2c3d4e5f6a7b8c9"


class Sleeper:
    """Somebody who is woken."""

    def __init__(self) -> None:
        self.hints: list[Hint] = []

    async def wake(self, hint: Hint) -> None:
        """Take a hint."""
        self.hints.append(hint)


@pytest.fixture
async def listening() -> AsyncIterator[tuple[str, Sleeper]]:
    """Serve a receiver on a port of its own."""
    sleeper = Sleeper()
    config = uvicorn.Config(
        create_receiver(SECRET, sleeper.wake), port=0, log_level="error", access_log=False
    )
    server = uvicorn.Server(config)
    task = asyncio.create_task(server.serve())
    async with asyncio.timeout(10):
        while not server.started:  # noqa: ASYNC110 - it waits for the other side
            await asyncio.sleep(0.005)
    port = server.servers[0].sockets[0].getsockname()[1]
    yield f"http://127.0.0.1:{port}", sleeper
    server.should_exit = True
    await task


def post(url: str, body: bytes) -> int:
    """Post to a receiver; return the answer's code."""
    with requests.Session() as session:
        session.trust_env = False
        return session.post(url, data=body, timeout=10).status_code


@pytest.mark.parametrize(
    ("event", "changes", "ended"),
    [
        ("chamada_fim", {"gravacoes_parciais": []}, True),
        (
            "status_tempo_real",
            {"status_geral": "curso", "ativa": True, "url_gravacao": None},
            False,
        ),
        ("chamada_fim", {"id": "123", "tags": ""}, True),
        ("status_tempo_real", {"status_geral": None, "data_criacao": "2019-09-06T17:21:33"}, False),
    ],
)
async def test_an_event_is_a_hint(
    listening: tuple[str, Sleeper],
    event: Any,
    changes: dict[str, Any],
    ended: bool,  # noqa: FBT001 - a case
) -> None:
    """Its id wakes; whether the call has ended is what the event says."""
    body = json.dumps({**CALL, **changes}).encode()
    assert await asyncio.to_thread(post, f"{listening[0]}/{SECRET}/{event}", body) == 204
    assert listening[1].hints == [Hint(event=event, id=123, ended=ended)]


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/wrong/chamada_fim", json.dumps(CALL).encode(), 404),
        (f"/{SECRET}/envio_sms", json.dumps(CALL).encode(), 404),
        (f"/{SECRET}", json.dumps(CALL).encode(), 404),
        ("/%C3%A9%FF/chamada_fim", json.dumps(CALL).encode(), 404),
        (f"/{SECRET}/chamada_fim", b"", 400),
        (f"/{SECRET}/chamada_fim", b"{", 400),
        (f"/{SECRET}/chamada_fim", b"[" * 50_000, 400),
        (f"/{SECRET}/chamada_fim", b'{"id": null}', 400),
        (f"/{SECRET}/chamada_fim", b" " * 70_000, 413),
    ],
)
async def test_a_stranger_wakes_nobody(
    listening: tuple[str, Sleeper], path: str, body: bytes, status: int
) -> None:
    """A wrong secret, another event, nonsense or too much of it."""
    assert await asyncio.to_thread(post, listening[0] + path, body) == status
    assert listening[1].hints == []


@pytest.mark.parametrize("secret", ["", "short", "has/slash/has/slash/has", "é" * 20])
def test_a_weak_secret_is_refused(secret: str) -> None:
    """The path is all that keeps strangers out."""
    with pytest.raises(ValueError, match="secret"):
        create_receiver(secret, Sleeper().wake)


async def test_the_sandbox_s_own_events_arrive(listening: tuple[str, Sleeper]) -> None:
    """A call that runs and ends sends both events, and both name it."""
    address, sleeper = listening
    async with (
        SandboxServer(speed=30.0) as sandbox,
        VoiceClient(sandbox.url, sandbox.token) as voice,
    ):
        for event in ("chamada_fim", "status_tempo_real"):
            answer = await asyncio.to_thread(
                requests.put,
                f"{sandbox.url}/webhook/{event}",
                json={"url": f"{address}/{SECRET}/{event}"},
                headers={"Access-Token": sandbox.token},
                timeout=10,
            )
            assert answer.status_code == 200, answer.text
        sandbox.script({"4000": [{"outcome": "answer", "ring": 5, "talk": 30}]})
        sandbox.script({"4001": [{"outcome": "answer", "ring": 5, "talk": 30}]})
        created = await voice.create_call(NewCall(numero_origem="4000", numero_destino="4001"))
        deadline = time.monotonic() + 30
        while not any(h.event == "chamada_fim" for h in sleeper.hints):
            assert time.monotonic() < deadline
            await asyncio.sleep(0.01)
        assert {hint.id for hint in sleeper.hints} == {created}
        assert {h.event for h in sleeper.hints} == {"chamada_fim", "status_tempo_real"}
        assert (await voice.fetch_call(created)).ended
