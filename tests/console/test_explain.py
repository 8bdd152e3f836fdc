"""`discador explain`: from the campaign file and a number alone to a decision with its chain."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from console.explain import read_campaign, register
from console.failures import CommandError, InvalidDefinitionError

CAMPAIGN = """
campaign: natal
purpose: {purpose}
dial_list: {{file: not-there.csv, numbers: [celular]}}
call: {{connect_to: "4000"}}
{more}
"""


@pytest.fixture
def explain(tmp_path: Path) -> Any:
    """Run the command on a campaign of a purpose; returns the JSON or the text."""
    app = typer.Typer()
    register(app)
    app.command("other")(lambda: None)

    def run(number: str, *options: str, purpose: str = "sales", more: str = "") -> Any:
        path = tmp_path / "campaign.yaml"
        path.write_text(CAMPAIGN.format(purpose=purpose, more=more), encoding="utf-8")
        done = CliRunner().invoke(app, ["explain", str(path), number, *options])
        if done.exception is not None:
            raise done.exception
        return json.loads(done.stdout) if "--json" in options else done.stdout

    return run


def test_it_needs_no_list_no_store_and_no_token(
    explain: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A file whose list is not there, in an empty environment, is enough."""
    monkeypatch.delenv("ZENVIA_ACCESS_TOKEN", raising=False)
    monkeypatch.chdir(tmp_path)
    answer = explain("62 99876-1234", "--at", "2026-11-25 10:00", "--json")
    assert answer["callable"] is True
    assert answer["next"] is None
    assert answer["callable_until"] == "2026-11-25T19:55:00-03:00"
    assert sorted(tmp_path.iterdir()) == [tmp_path / "campaign.yaml"]


def test_who_may_not_be_called_learns_when_and_by_which_law(explain: Any) -> None:
    """The JSON names the next instant, in local time, and the law of each rule that blocks."""
    answer = explain("(21) 99876-1234", "--at", "2026-11-25T18:30:00-03:00", "--json")
    assert answer["callable"] is False
    assert answer["next"] == "2026-11-26T09:00:00-03:00"
    blocking = {r["rule"]: r["law"] for r in answer["reasons"] if r["blocks"]}
    assert "4.896/2006" in blocking["rj-sales-hours"]


def test_a_registry_that_is_missing_does_not_make_a_number_uncallable(explain: Any) -> None:
    """São Paulo's list stands against starting; the number itself is callable."""
    answer = explain("11 99876-1234", "--at", "2026-11-25 10:00", "--json", purpose="collection")
    assert answer["callable"] is True
    [reason] = [r for r in answer["reasons"] if r["rule"] == "sp-nao-me-ligue"]
    assert (reason["blocks"], reason["effect"]) == (False, "require")


def test_a_time_without_an_offset_is_the_numbers_own(explain: Any) -> None:
    """09:30 is 09:30 in Acre for a number of Acre, and an offset says otherwise."""
    assert explain("68 99876-1234", "--at", "2026-11-25 09:30", "--json")["callable"]
    answer = explain("68 99876-1234", "--at", "2026-11-25T09:30-03:00", "--json")
    assert answer["callable"] is False
    assert answer["at"] == "2026-11-25T07:30:00-05:00"


def test_without_a_time_it_is_now(explain: Any) -> None:
    """The instant in the answer is that of asking."""
    before = datetime.now().astimezone()
    at = datetime.fromisoformat(explain("11 99876-1234", "--json")["at"])
    assert before <= at <= datetime.now().astimezone()


@pytest.mark.parametrize("number", ["190", "0800 123 4567", "abc", "", "+1 212 555 0100"])
def test_a_number_that_is_never_dialed_has_no_next_instant(explain: Any, number: str) -> None:
    """Emergency numbers, 0800, foreign numbers and nonsense: not callable, never."""
    answer = explain(number, "--at", "2026-11-25 10:00", "--json")
    assert (answer["callable"], answer["next"]) == (False, None)
    assert [r["rule"] for r in answer["reasons"]] == ["never-dial"]


def test_always_is_told_to_hold_for_a_local_api_only(explain: Any) -> None:
    """The answer is yes without a limit, and says where that is true."""
    answer = explain(
        "96 99876-1234", "--at", "2026-12-25 03:00", "--json", more="calling_hours: always"
    )
    assert (answer["callable"], answer["callable_until"]) == (True, None)
    assert "loopback" in answer["reasons"][0]["law"]


def test_hours_and_overrides_of_the_file_are_judged(explain: Any) -> None:
    """What the campaign writes is in the chain, the reason of an override too."""
    more = (
        'calling_hours: {mon-fri: "08:00-22:00"}\n'
        "overrides: [{rule: rj-sales-hours, reason: consent on file since May}]"
    )
    answer = explain("21 99876-1234", "--at", "2026-11-25 21:00", "--json", more=more)
    assert answer["callable"] is True
    texts = " ".join(r["text"] for r in answer["reasons"])
    assert "mon-fri 08:00-22:00" in texts
    assert "consent on file since May" in texts


def test_the_text_for_people_gives_the_chain_without_the_number(explain: Any) -> None:
    """Headline, place, every rule with its law, the caps, the data; no digits of the number."""
    text = explain("(21) 99876-1234", "--at", "2026-11-25 18:30")
    assert text.startswith("Not callable for natal now; again Thursday 2026-11-26 09:00 -0300.")
    for part in ("Area code 21 (RJ), mobile", "[no]   rj-sales-hours", "[need] rj-registry"):
        assert part in text
    assert "no legal advice" in text
    assert "99876" not in text
    assert "1234" not in text


@pytest.mark.parametrize("at", ["tomorrow", "", "2026-13-01", "10:00", "1200-01-01", "9999-12-31"])
def test_a_time_that_cannot_be_read_is_one_clear_line(explain: Any, at: str) -> None:
    """Nonsense after --at is told in one sentence."""
    with pytest.raises(CommandError, match=r"not a time|too far away"):
        explain("11 99876-1234", "--at", at)


def test_a_campaign_that_is_wrong_is_told_with_its_places(explain: Any) -> None:
    """Problems of the file end the command as they end `validate`."""
    with pytest.raises(InvalidDefinitionError, match=r"campaign.yaml:\d+:\d+: "):
        explain("11 99876-1234", more="paceing: {channels: 3}")


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    """A wrong path is one clear problem."""
    with pytest.raises(InvalidDefinitionError, match="cannot be read"):
        read_campaign(tmp_path / "nothing.yaml")


def test_the_sector_decides_whether_rules_for_one_trade_hold(explain: Any) -> None:
    """A carrier's Saturday begins at ten; unsaid, the rule is shown; others are spared it."""
    hours = "calling_hours: {sat: '08:00-12:00'}"
    saturday = ("62 99876-1234", "--at", "2026-11-28 09:00", "--json")
    telecom = explain(*saturday, more=f"{hours}\nsector: telecom")
    blocking = [reason["rule"] for reason in telecom["reasons"] if reason["blocks"]]
    assert (telecom["callable"], blocking) == (False, ["br-telecom-hours"])
    assert (telecom["attempts"]["per_day"], telecom["attempts"]["per_month"]) == (2, 15)
    assert "br-nao-me-perturbe" in {r["rule"] for r in telecom["reasons"] if r["met"] is None}

    effects = {r["rule"]: r["effect"] for r in explain(*saturday, more=hours)["reasons"]}
    assert effects["br-telecom-hours"] == effects["br-nao-me-perturbe"] == "duty"
    bank = explain(*saturday, more=f"{hours}\nsector: bank")
    named = {reason["rule"] for reason in bank["reasons"]}
    assert (bank["callable"], "br-nao-me-perturbe" in named) == (True, True)
    other = explain(*saturday, more=f"{hours}\nsector: other")
    assert not {"br-telecom-hours", "br-nao-me-perturbe"} & {r["rule"] for r in other["reasons"]}
