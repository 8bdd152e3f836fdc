"""The worker as a whole: what it registers, and the webhooks that it takes."""

import asyncio
import socket
from pathlib import Path
from typing import cast
from unittest.mock import Mock

import httpx
import pytest
import structlog
from pydantic import SecretStr

import worker
from activities import api_signatures
from activities.api import api_activities
from activities.dialing import DialingActivities
from activities.settings import Settings
from store import watching
from store.engine import StoreError
from tests.store.server import Server
from tests.workflows.stage import until

SECRET = "0123456789abcdef"
DEFINITION = "__temporal_activity_definition"


def free_port() -> int:
    """Return a port of the loopback that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return cast("int", probe.getsockname()[1])


def settings(port: int, secret: str = SECRET) -> Settings:
    """Return settings with a webhook address."""
    return Settings.model_validate(
        {
            "DISCADOR_WEBHOOK_LISTEN": f"127.0.0.1:{port}",
            "DISCADOR_WEBHOOK_SECRET": SecretStr(secret),
        }
    )


def test_every_operation_of_the_api_is_registered(tmp_path: Path) -> None:
    """Each signature that a workflow may call has a body in the worker."""
    promised = {
        getattr(item, DEFINITION).name
        for item in vars(api_signatures).values()
        if hasattr(item, DEFINITION)
    }
    bodies = api_activities(Mock(), Mock(), tmp_path)
    assert promised
    assert {getattr(body, DEFINITION).name for body in bodies} == promised


async def test_a_webhook_is_a_hint_about_its_call() -> None:
    """An event under the secret wakes the tracking of its call; a stranger's does nothing."""
    port = free_port()
    dialing = Mock(spec=DialingActivities)
    async with worker.webhooks(settings(port), dialing), httpx.AsyncClient() as client:
        body = {"id": 77, "status_geral": "finalizada"}
        base = f"http://127.0.0.1:{port}"
        stranger = await client.post(f"{base}/{'x' * 16}/chamada_fim", json=body)
        assert stranger.status_code == 404
        assert not dialing.hint.called
        answer = await client.post(f"{base}/{SECRET}/chamada_fim", json=body)
        assert answer.status_code == 204
    dialing.hint.assert_called_once_with(77)


async def test_a_weak_secret_or_a_taken_port_stops_the_start() -> None:
    """Webhooks that cannot be served are an error that names the variable."""
    with pytest.raises(worker.StartError, match="DISCADOR_WEBHOOK_SECRET"):
        async with worker.webhooks(settings(free_port(), "short"), Mock()):
            pass
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(worker.StartError, match="DISCADOR_WEBHOOK_LISTEN"):
            async with worker.webhooks(settings(port), Mock()):
                pass


async def test_a_worker_that_starts_before_its_database_waits_for_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A machine starts both at once; who waits in vain is told why; a file is not waited for."""
    server = await asyncio.to_thread(Server.create)
    try:
        with monkeypatch.context() as patched:
            patched.setattr(worker, "CONNECT_SECONDS", 0.0)
            with pytest.raises(StoreError, match="does not answer"):
                async with worker.reached(server.url(), asyncio.Event()):
                    pass
        stop = asyncio.Event()
        asyncio.get_running_loop().call_later(0.2, stop.set)
        with pytest.raises(StoreError, match="does not answer"):  # told to stop while it waits
            async with worker.reached(server.url(), stop):
                pass
        with structlog.testing.capture_logs() as said:
            waiting = asyncio.ensure_future(_open_and_close(server.url()))
            await until(lambda: said, what="it says that it waits")
            assert said[0]["event"] == "store_awaited"
            assert "does not answer" in said[0]["reason"]
            await asyncio.to_thread(server.start)
            await waiting
        (server.home / "file.db").write_text("no database, " * 100, encoding="utf-8")
        with pytest.raises(StoreError, match="is not a SQLite file"):
            await _open_and_close(f"sqlite:///{server.home}/file.db")
    finally:
        await asyncio.to_thread(server.remove)


async def _open_and_close(url: str) -> None:
    async with worker.reached(url, asyncio.Event()) as store:
        await watching.answers(store)
