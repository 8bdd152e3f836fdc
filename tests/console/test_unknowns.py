"""`discador unknowns` and `discador resolve`, as somebody types them after a call that got lost."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from campaigns.attempts import Outcome
from console import carrying, commands
from sandbox.server import SandboxServer
from store import giving_up
from store.engine import open_store
from store.runs import Run
from tests.store.scene import final, open_scene, people, phone

Answer = tuple[int, str, str]
LOST = "run1.1.1"
"""The attempt that nobody has heard of again."""


@pytest.fixture
def sandbox(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SandboxServer]:
    """Give a Voice API and a directory whose store has parked one attempt of three people."""
    monkeypatch.chdir(tmp_path)
    for name in ("DISCADOR_STORE_URL", "TEMPORAL_ADDRESS"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / ".discador").mkdir()

    async def prepare() -> None:
        async with open_store(f"sqlite:///{tmp_path}/.discador/discador.db", time.time) as store:
            run = await open_scene(store, rows=people(3))
            token = run.token()
            (key,) = (await run.reserve(token, channels=1)).keys
            assert key == LOST
            await run.claim(token, [key])
            await giving_up.give_up(
                store, [key], as_state="unknown", from_state="posting", hold=600
            )
            await run.reserve(steps=[final(key, Outcome.UNKNOWN)], channels=0)

    with SandboxServer() as server:
        monkeypatch.setenv("ZENVIA_BASE_URL", server.url)
        monkeypatch.setenv("ZENVIA_ACCESS_TOKEN", server.token)
        asyncio.run(prepare())
        yield server


@pytest.fixture
def discador(sandbox: SandboxServer, capsys: pytest.CaptureFixture[str]) -> Callable[..., Answer]:
    """Run commands there; none of them prints a number."""

    def run(*arguments: str) -> Answer:
        assert sandbox.url
        code = commands.call(list(arguments))
        printed = capsys.readouterr()
        assert phone(0).e164[3:] not in printed.out + printed.err
        return code, printed.out, printed.err

    return run


def called(discador: Callable[..., Answer], tags: str) -> str:
    """Make a call with these tags; return its id."""
    _, out, _ = discador("chamada", "criar", "4000", "4001", "--tags", tags, "--json")
    return str(json.loads(out)["id"])


def listed(discador: Callable[..., Answer]) -> list[dict[str, Any]]:
    """Return what `unknowns` lists."""
    found: list[dict[str, Any]] = json.loads(discador("unknowns", "teste", "--json")[1])
    return found


def test_what_is_undecided_is_listed(discador: Callable[..., Answer]) -> None:
    """By its key, with what there is to know; afterwards there is nothing to list."""
    (one,) = listed(discador)
    assert (one["attempt"], one["contact"], one["id"], one["call"]) == (LOST, 1, "row-0", None)
    shown = discador("unknowns")[1]
    assert f"  discador resolve run1 {LOST} --as not-placed  " in shown
    assert "row-0" in shown
    undecided = "undecided  1 contact: `discador unknowns run1`"
    assert undecided in discador("status", "teste")[1]
    assert "`discador unknowns run1` lists the undecided" in discador("report")[1]
    assert discador("resolve", "teste", LOST, "--as", "not-placed") == (
        0,
        "Nobody was called; the contact is due again.\n",
        "",
    )
    assert discador("unknowns", "teste")[1] == "Nothing of run run1 is undecided.\n"
    settled = discador("status", "teste")[1]
    assert "outcomes   none yet" in settled
    assert "undecided" not in settled


def test_only_the_attempts_own_call_is_taken_for_it(discador: Callable[..., Answer]) -> None:
    """A wrong id would follow somebody else's call and settle the contact by it."""
    for tags in ("run1.2.1", "clienteUm"):
        for how in (("--as", "placed"), ("--as", "done", "--outcome", "answered")):
            wrong = called(discador, tags)
            code, _, err = discador("resolve", "teste", LOST, *how, "--call-id", wrong)
            assert code == 1
            assert f"Call {wrong} is not of attempt {LOST}" in err.replace("\n", " ")
    code, _, err = discador("resolve", "teste", LOST, "--as", "placed", "--call-id", "404404")
    assert code == 1
    assert "404404" in err
    assert len(listed(discador)) == 1
    right = called(discador, f"{LOST} clienteUm")
    for said in ("is followed like any other", "already resolved as placed"):
        code, out, _ = discador("resolve", "teste", LOST, "--as", "placed", "--call-id", right)
        assert code == 0
        assert said in out


def test_what_makes_no_sense_is_said(
    discador: Callable[..., Answer], monkeypatch: pytest.MonkeyPatch
) -> None:
    """In words, with what to do; nothing is written."""
    for arguments, told in (
        (("--as", "maybe"), "--as takes one of placed, not-placed, done."),
        (("--as", "done"), "--as done goes with --outcome"),
        (("--as", "placed"), "--call-id ID"),
    ):
        code, _, err = discador("resolve", "teste", LOST, *arguments)
        assert code == 1
        assert told in err
    monkeypatch.delenv("ZENVIA_ACCESS_TOKEN")
    monkeypatch.delenv("ZENVIA_BASE_URL")
    code, _, err = discador("resolve", "teste", LOST, "--as", "placed", "--call-id", "7")
    assert code == 1
    assert "ZENVIA_ACCESS_TOKEN is not set" in err
    assert len(listed(discador)) == 1


def test_lanes_that_wait_look_at_once(
    discador: Callable[..., Answer], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The contact is dialed now, not when a lane happens to look again."""
    woken: list[str] = []

    async def connect(_: object) -> object:
        return object()

    async def wake(_: object, run: Run) -> None:
        woken.append(run.id)

    monkeypatch.setattr(carrying, "connect", connect)
    monkeypatch.setattr(carrying, "wake_lanes", wake)
    monkeypatch.setenv("DISCADOR_STORE_URL", "sqlite:///.discador/discador.db")
    monkeypatch.setenv("TEMPORAL_ADDRESS", "127.0.0.1:7233")
    assert discador("resolve", "teste", LOST, "--as", "not-placed")[0] == 0
    assert woken == ["run1"]
