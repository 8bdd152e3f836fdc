"""`discador plan`: everything about a campaign before it does anything, from its file and list."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update

from activities.settings import ACCOUNT
from console import commands
from store import runs, suppressing
from store.dead import SOURCE as DEAD
from store.engine import open_store
from store.schema import suppressions
from store.suppressing import Suppression

CAMPAIGN = """\
campaign: natal
purpose: sales
automation: recorded
dial_list: {{file: lista.csv, id: contrato, numbers: [celular, fixo]}}
call: {{connect_to: "4000", max_duration: 2m, bina_origem: "48998760000"}}
limits: {{per_contact: {{total: 3}}}}
retry: [{{leg: contact, status: ocupado, after: 1m, times: 2}}]
{more}
"""
LIST = """\
contrato;celular;fixo
GO1;62998761234;
GO2;62998761235;6232831234
RJ1;21998761236;
DF1;61998761237;
AC1;68998761238;
XX1;190;
GO3;62998761239;
"""
EVENING = "2026-11-25T19:30:00-03:00"
Plan = Callable[..., Any]


@pytest.fixture
def plan(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Plan:
    """Plan a campaign in an empty directory; returns the JSON, or the text and what was noted."""
    monkeypatch.chdir(tmp_path)
    for name in ("DISCADOR_STORE_URL", "TEMPORAL_ADDRESS", "ZENVIA_ACCESS_TOKEN"):
        monkeypatch.delenv(name, raising=False)

    def run(*options: str, more: str = "", code: int = 0) -> Any:
        Path("natal.yaml").write_text(CAMPAIGN.format(more=more), encoding="utf-8")
        if not Path("lista.csv").exists():
            Path("lista.csv").write_text(LIST, encoding="utf-8")
        ended = commands.call(["plan", "natal.yaml", *options])
        printed = capsys.readouterr()
        assert ended == code, printed.err
        assert ("[nobody_to_call]" in printed.err) is (code == 2)
        assert ("[may_not_start]" in printed.err) is (code == 1)
        assert "9876" not in printed.out + printed.err, "a number was shown"
        return json.loads(printed.out) if "--json" in options else printed.out

    return run


def test_it_tells_who_is_called_now_later_and_never(plan: Plan, tmp_path: Path) -> None:
    """By count, instant and rule with its law; nothing is called, and no store is made.

    It may not start without the registries that its rules require, so the exit code is that of
    `run`.
    """
    told = plan("--at", EVENING, "--json", code=1)
    outlook = told["outlook"]
    assert (told["contacts"], told["rejected"], outlook["now"]) == (6, 1, 5)
    assert outlook["now_by_uf"] == {"AC": 1, "DF+GO": 1, "GO": 3}
    [blocked] = outlook["blocked"]
    assert (blocked["reason"]["rule"], blocked["contacts"]) == ("rj-no-automated-sales", 1)
    assert "10.339/2024" in blocked["reason"]["law"]
    assert told["may_start"] is False
    unmet = {item["reason"]["rule"]: item["ddds"] for item in outlook["unmet"]}
    assert unmet == {"rj-registry": ["21"], "df-registry": ["61"]}
    assert told["rejected_by_reason"] == {"emergency": 1}
    assert {"bina_mobile", "short_calls"} <= {warning["code"] for warning in told["warnings"]}
    assert outlook["first"] == "2026-11-25T19:30:00-03:00"
    assert told["forecast"]["attempts_at_most"] == 15
    assert told["forecast"]["cost_at_most_brl"] == pytest.approx(15 * 2 * 0.35)
    assert not list(tmp_path.rglob("*.db"))

    assert told["nobody"] is None

    late = plan("--at", "2026-11-25T22:00:00-03:00", "--json", code=1)["outlook"]
    assert late["now"] == 0
    waits = {item["until"]: item["contacts"] for item in late["waiting"]}
    assert waits == {"2026-11-26T12:00:00Z": 4, "2026-11-26T14:00:00Z": 1}


def test_people_read_the_same(plan: Plan) -> None:
    """The text names rules, laws, instants, and the file of rejected rows."""
    text = plan("--at", EVENING, more="schedule: {start_at: '2026-11-26T07:00:00-03:00'}", code=1)
    assert "as of Thu 2026-11-26 07:00:00" in text
    assert "called at once  0" in text
    assert "until Thu 2026-11-26 09:00:00: 4 (" in text
    assert "rj-no-automated-sales: 1 (RJ 1)" in text
    assert "It may not start yet" in text
    assert "R$ 10.50" in text
    assert "[bina_mobile]" in text
    assert ".discador/rows/natal-rejected.csv" in text


def test_lists_and_registries_of_the_store_and_of_the_campaign_are_looked_at(plan: Plan) -> None:
    """Suppressed and dead numbers are never called; a registry at hand lets it start."""

    async def prepare() -> None:
        async with open_store("sqlite:///.discador/discador.db", time.time) as store:
            for name in ("procon-df", "procon-rj"):
                entry = Suppression(e164="+5561998760001")
                await suppressing.import_list(store, ACCOUNT, name, [entry])
            await suppressing.add(
                store,
                ACCOUNT,
                [
                    Suppression(e164="+5562998761234", scope="sales"),
                    Suppression(e164="+5568998761238", scope="collection"),
                    Suppression(e164="+5562998761235", source="gone"),
                    Suppression(e164="+5561998761237", source="gone"),
                ],
            )
            async with store.write() as connection:  # a source that nobody else may name
                gone = suppressions.c.source == "gone"
                await connection.execute(update(suppressions).where(gone).values(source=DEAD))

    asyncio.run(prepare())
    Path("fora.csv").write_text("number\n62998761239\n", encoding="utf-8")
    told = plan("--at", EVENING, "--json", more="suppression: {files: fora.csv}")
    outlook = told["outlook"]
    blocked = {item["reason"]["rule"]: item["by_uf"] for item in outlook["blocked"]}
    assert blocked["suppressed"] == {"GO": 2}
    assert blocked["dead-number"] == {"DF+GO": 1}
    assert (outlook["now"], outlook["now_by_uf"]) == (2, {"AC": 1, "GO": 1})
    assert told["contacts"] == 6
    assert told["may_start"] is True
    assert told["not_looked_at"] == ["how often each number was tried before"]

    async def count() -> int:
        async with open_store("sqlite:///.discador/discador.db", time.time) as store:
            return len(await runs.list_runs(store))

    assert asyncio.run(count()) == 0


@pytest.mark.parametrize(
    ("rows", "more", "why"),
    [
        ("XX1;190;\nXX2;191;\n", "", "nobody in it can be dialed (2 rows rejected)"),
        ("RJ1;21998761236;\n", "", "all its contacts are held back (rj-no-automated-sales 1)"),
        (
            "GO1;62998761234;\n",
            "schedule: {end_at: '2026-11-24T20:00:00-03:00'}",
            "are held back (end-at 1)",
        ),
    ],
)
def test_where_nobody_would_ever_be_called_it_says_why(
    plan: Plan, rows: str, more: str, why: str
) -> None:
    """The whole plan is told all the same, and the exit code is that of `validate`."""
    Path("lista.csv").write_text("contrato;celular;fixo\n" + rows, encoding="utf-8")
    told = plan("--at", EVENING, "--json", more=more, code=2)
    assert why in told["nobody"]
    assert told["outlook"]["first"] is None
    assert "never " in plan("--at", EVENING, more=more, code=2)


def test_nonsense_is_told(plan: Plan, capsys: pytest.CaptureFixture[str]) -> None:
    """A time that is none, and a list that cannot be used, each in one line."""
    plan(code=1)
    assert commands.call(["plan", "natal.yaml", "--at", "soon"]) == 1
    assert "is not a time" in capsys.readouterr().err
    Path("lista.csv").unlink()
    assert commands.call(["plan", "natal.yaml"]) == 2
    assert "lista.csv" in capsys.readouterr().err
