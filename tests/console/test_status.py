"""`discador status` of a run that nobody may be carrying."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path

import pytest

from console import commands
from store import runs
from store.engine import open_store
from tests.store.scene import open_scene, people


def test_a_run_is_told_apart_from_whoever_carries_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where nobody can tell whether a worker is there, that is said; a paused run needs none."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DISCADOR_STORE_URL", "sqlite:///discador.db")
    monkeypatch.delenv("TEMPORAL_ADDRESS", raising=False)

    async def prepare(*, pause: bool) -> None:
        async with open_store("sqlite:///discador.db", time.time) as store:
            if pause:
                await runs.pause(store, "run1", "a break")
            else:
                await open_scene(store, rows=people(1))

    def status(*arguments: str) -> str:
        assert commands.call(["status", *arguments]) == 0
        return capsys.readouterr().out

    asyncio.run(prepare(pause=False))
    unknown = "not known whether a worker is connected"
    assert f"worker     {unknown}: no Temporal is configured" in status("teste")
    monkeypatch.setenv("TEMPORAL_ADDRESS", "127.0.0.1:1")
    assert f"teste (run1): {unknown}: Temporal does not answer" in status()
    assert json.loads(status("teste", "--json"))["worker_connected"] is None
    asyncio.run(prepare(pause=True))
    assert "worker" not in status("teste")
