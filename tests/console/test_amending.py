"""`discador update` and `discador history`, as somebody types them beside a running campaign."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from activities.settings import ACCOUNT
from campaigns.loader import load
from console import commands
from store import runs
from store.engine import open_store

Answer = tuple[int, str, str]
RUN = "bcdfghjkm"
CAMPAIGN = """\
campaign: natal
purpose: service
dial_list: {file: lista.csv, numbers: [celular]}
call: {connect_to: "4000"}
pacing: {channels: 2, calls_per_second: 1}
"""


@pytest.fixture
def discador(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., Answer]:
    """Run commands in a directory whose store knows one running campaign."""
    monkeypatch.chdir(tmp_path)
    for name in ("DISCADOR_STORE_URL", "TEMPORAL_ADDRESS", "ZENVIA_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "lista.csv").write_text("celular\n11987654321\n", encoding="utf-8")
    (tmp_path / "natal.yaml").write_text(CAMPAIGN, encoding="utf-8")
    (tmp_path / ".discador").mkdir()
    definition = load(tmp_path / "natal.yaml", loopback=False)

    async def prepare() -> None:
        url = f"sqlite:///{tmp_path}/.discador/discador.db"
        async with open_store(url, time.time) as store:
            await runs.ensure_account(store, ACCOUNT, None, None)
            await runs.create_run(store, run_id=RUN, account=ACCOUNT, definition=definition)
            await runs.mark_ready(store, RUN)

    asyncio.run(prepare())

    def run(*arguments: str) -> Answer:
        code = commands.call(list(arguments))
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return run


def test_a_change_is_told_made_and_kept(discador: Callable[..., Answer], tmp_path: Path) -> None:
    """It can be looked at first; made, it is a version with its difference; twice it is once."""
    text = CAMPAIGN.replace("channels: 2", "channels: 9")
    (tmp_path / "natal.yaml").write_text(text, encoding="utf-8")
    code, out, _ = discador("update", "natal", "natal.yaml", "--dry-run")
    assert code == 0
    assert out.splitlines() == [
        "  pacing.channels: 2 -> 9",
        f"natal ({RUN}) would go on by version 2.",
    ]
    code, out, _ = discador("update", RUN, "natal.yaml")
    assert (code, out.splitlines()[-1]) == (0, f"natal ({RUN}) goes on by version 2.")
    code, out, _ = discador("update", RUN, "natal.yaml", "--json")
    assert json.loads(out) == {
        "run": RUN,
        "campaign": "natal",
        "version": 2,
        "applied": False,
        "changes": [],
    }
    _, out, _ = discador("history", "natal")
    assert "rules version 2:\n  pacing.channels: 2 -> 9" in out
    told = json.loads(discador("history", "natal", "--json")[1])
    assert [item["version"] for item in told["versions"]] == [1, 2]
    assert told["events"][-1]["reason"] == "rules version 2"


def test_a_change_that_cannot_be_is_refused_whole(
    discador: Callable[..., Answer], tmp_path: Path
) -> None:
    """What is right in the file is not taken over when something else is wrong."""
    text = CAMPAIGN.replace("channels: 2", "channels: 9").replace('"4000"', '"4001"')
    (tmp_path / "natal.yaml").write_text(text + "limits: {per_contact: {total: 0}}\n")
    code, out, err = discador("update", RUN, "natal.yaml")
    assert (code, out) == (2, "")
    assert "natal.yaml:6:" in err
    (tmp_path / "natal.yaml").write_text(text)
    code, _, err = discador("update", RUN, "natal.yaml")
    assert code == 2
    assert "natal.yaml:4:20: this cannot change while the campaign runs" in err
    told = json.loads(discador("history", RUN, "--json")[1])
    assert [item["version"] for item in told["versions"]] == [1]


def test_what_does_not_exist_is_said(discador: Callable[..., Answer]) -> None:
    """A run that nobody knows, and a file that is not there."""
    code, _, err = discador("update", "nobody", "natal.yaml")
    assert code == 1
    assert "There is no run or campaign nobody" in err
    code, _, err = discador("update", "natal", "missing.yaml")
    assert code == 2
    assert "missing.yaml" in err


def test_contacts_come_and_go(discador: Callable[..., Answer], tmp_path: Path) -> None:
    """A list is added once however often it is given; ids are withdrawn, unknown ones named."""
    (tmp_path / "mais.csv").write_text("celular\n11987654322\n11987654323\nabc\n", encoding="utf-8")
    code, out, _ = discador("contacts", "add", "natal", "mais.csv", "--json")
    assert (code, json.loads(out)) == (0, {"run": RUN, "added": 2, "rejected": 1})
    code, out, _ = discador("contacts", "add", "natal", "mais.csv", "--json")
    assert json.loads(out) == {"run": RUN, "added": 0, "rejected": 3}
    code, out, _ = discador("contacts", "withdraw", "natal", "mais.csv:2", "nobody")
    assert code == 0
    assert out.splitlines() == [
        f"1 contact of natal ({RUN}) will be called no more.",
        "Not of this run: 1 id, nobody.",
    ]
    code, _, err = discador("contacts", "withdraw", "natal", "--file", "mais.csv")
    assert code == 1
    assert "no column of ids" in err
    code, _, err = discador("contacts", "add", "natal", "missing.csv")
    assert code == 2
    assert "there is no list missing.csv" in err
