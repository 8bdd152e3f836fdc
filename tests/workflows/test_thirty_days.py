"""Thirty days of a campaign in seconds: the ledger is read by the law, the clock and the caps.

What is asserted here is worked out in this file alone: from the zones of the area codes, from the
holidays of these weeks, and from counting. Nothing of the engine's own rules or oracle is asked.
"""

from __future__ import annotations

import os
import random
from collections import defaultdict
from datetime import date, datetime, time, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from campaigns.contacts import ContactRow
from tests.workflows.leaping import open_leap
from tests.workflows.stage import campaign, keys, live_twice, row, rule
from workflows import environment, options

BEGIN = datetime(2026, 9, 4, 8, tzinfo=ZoneInfo("America/Sao_Paulo"))
"""A Friday: Independence Day is the Monday after it."""
MARGIN = timedelta(minutes=5)
ZONES = {
    "11": ["America/Sao_Paulo"],
    "21": ["America/Sao_Paulo"],
    "27": ["America/Sao_Paulo"],
    "63": ["America/Araguaina"],
    "68": ["America/Rio_Branco"],
    "82": ["America/Maceio"],
    "92": ["America/Manaus"],
    "97": ["America/Manaus", "America/Eirunepe"],
}
INDEPENDENCE = date(2026, 9, 7)
STATE_HOLIDAYS = {
    "63": {date(2026, 9, 8), date(2026, 10, 5)},
    "82": {date(2026, 9, 16)},
    "68": {date(2026, 9, 5)},
    "92": {date(2026, 9, 5)},
    "97": {date(2026, 9, 5)},
}
"""Natividade and the founding of Tocantins, the emancipation of Alagoas, the day of Amazonia."""
WEEKDAYS, SATURDAYS = (time(9), time(20)), (time(9), time(13))
STRICTER = {"21": (time(9), time(19)), "27": (time(9), time(19))}
"""Rio de Janeiro (Lei 6.854/2014) and Espírito Santo (Lei 10.626/2017): weekdays only."""
PER_CONTACT = {"total": 9, "per_day": 2, "rolling_24h": 3, "per_month": 6, "min_gap": 5_400}
PER_NUMBER = {"total": 8, "per_day": 2, "rolling_24h": 2, "per_month": 5, "min_gap": 7_200}
TECHNICAL = ("34.", "41.", "42.", "44.", "102.", "111.", "127.")

DEFINITION = campaign(
    call={"connect_to": "4000", "bina_origem": "4832830151", "gravar_audio": "true"},
    pacing={"channels": "30", "calls_per_second": "20"},
    calling_hours={
        "mon-fri": "09:00-20:00",
        "sat": "09:00-13:00",
        "timezone": "contact",
        "holidays": "closed",
    },
    dial_list={"file": "lista.csv", "numbers": ["celular", "fixo"]},
    limits={
        "per_contact": {**{k: str(v) for k, v in PER_CONTACT.items()}, "min_gap": "90m"},
        "per_number": {**{k: str(v) for k, v in PER_NUMBER.items()}, "min_gap": "2h"},
    },
    retry=[
        rule(leg="contact", reasons=["busy"], after=["20m", "3h"], times="4"),
        rule(leg="contact", reasons=["no_answer"], after="2h", times="9", other_daypart="true"),
        rule(leg="contact", reasons=["technical"], after="10m", times="6"),
        rule(outcome=["voicemail"], after="1d", times="3"),
        rule(leg="contact", reasons=["unreachable", "rejected"], then="next_number"),
        rule(leg="contact", reasons=["number_suspect"], then="next_number"),
        rule(leg="contact", reasons=["number_suspect"], after="1d", times="1"),
    ],
)


def dialed(call: dict[str, Any]) -> str:
    """Return the contact's number of a call, as digits."""
    return str(call["numero_origem"]).removeprefix("+55")


def counts(call: dict[str, Any]) -> bool:
    """Whether a call reached for the person: a failure of the network does not count."""
    reason = call["origem"]["motivo_desconexao"] or "indefinido"
    return not reason.startswith((*TECHNICAL, "indefinido"))


def hours_of(ddd: str, day: date) -> tuple[time, time] | None:
    """Return when a contact of this area code may be called on a day of its own, None: never."""
    if day == INDEPENDENCE or day in STATE_HOLIDAYS.get(ddd, ()) or day.weekday() == 6:
        return None
    if day.weekday() == 5:
        return None if ddd in STRICTER else SATURDAYS
    return STRICTER.get(ddd, WEEKDAYS)


def outside_hours(call: dict[str, Any]) -> list[str]:
    """Return the zones of the contact in which a call did not start and fit into the hours."""
    ddd = dialed(call)[:2]
    wrong = []
    for name in ZONES[ddd]:
        local = datetime.fromtimestamp(call["accepted_at"], ZoneInfo(name))
        hours = hours_of(ddd, local.date())
        if hours is None:
            wrong.append(f"{name}: {local} is closed")
            continue
        opens, closes = (datetime.combine(local.date(), at, local.tzinfo) for at in hours)
        if not opens <= local <= closes - MARGIN:
            wrong.append(f"{name}: {local} is not within {opens:%H:%M}-{closes:%H:%M}")
    return wrong


def over_caps(calls: list[dict[str, Any]], caps: dict[str, int]) -> list[str]:
    """Return every cap that the calls to one person or number broke."""
    wrong = []
    at = sorted(call["accepted_at"] for call in calls)
    zone = ZoneInfo(ZONES[dialed(calls[0])[:2]][0])
    days: dict[Any, int] = defaultdict(int)
    months: dict[Any, int] = defaultdict(int)
    for instant in at:
        local = datetime.fromtimestamp(instant, zone)
        days[local.date()] += 1
        months[local.year, local.month] += 1
    if len(at) > caps["total"]:
        wrong.append(f"total {len(at)}")
    wrong += [f"{count} on {day}" for day, count in days.items() if count > caps["per_day"]]
    wrong += [f"{count} in {month}" for month, count in months.items() if count > caps["per_month"]]
    most = caps["rolling_24h"]
    wrong += [
        f"{most + 1} within {last - first:.0f} s"
        for first, last in zip(at, at[most:], strict=False)
        if last - first < 86_400 - 2
    ]
    wrong += [f"a gap of {b - a:.0f} s" for a, b in pairwise(at) if b - a < caps["min_gap"] - 2]
    return wrong


@pytest.fixture
def seldom_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a lane sleep until somebody is due, at most a day.

    What it looks for every hour, a signal that was lost, is not lost here, and takes three of four
    turns. Nor can a look that nobody needed make up for a moment that was said wrong.
    """
    sandboxed = (*environment._PASSED_THROUGH, options.__name__)
    monkeypatch.setattr(environment, "_PASSED_THROUGH", sandboxed)
    monkeypatch.setattr(options, "LOOK_AGAIN", timedelta(days=1))
    monkeypatch.setattr(options, "LOOK_AGAIN_BEFORE_DUE", timedelta(days=1))


@pytest.mark.timeout(600)  # of a machine that does other things as well
@pytest.mark.usefixtures("seldom_looks")
async def test_thirty_days_stay_within_hours_and_caps(tmp_path: Path) -> None:
    """48 people in eight area codes, a national and state holidays, retries and caps of a month."""
    seed = int(os.environ.get("DISCADOR_TEST_SEED") or random.randrange(10_000))
    print(f"DISCADOR_TEST_SEED={seed}")  # noqa: T201 - a failure can be played again
    people: list[ContactRow] = []
    script: dict[str, list[Any]] = {}
    for place, ddd in enumerate(ZONES):
        for index in range(6):
            mobile = f"{ddd}9{61_000_000 + 100 * place + index}"
            fixed = f"{ddd}32{830_000 + 100 * place + index}"
            numbers = [mobile] if index % 3 == 0 else [mobile, fixed]
            people.append(row(len(people) + 2, *numbers))
            ends = {0: "no_answer", 1: "busy", 2: "invalid", 3: "invalid", 4: "voicemail"}.get(
                index
            )
            if ends is not None:
                script |= {number: [ends] for number in numbers}
            elif index == 5:
                script |= {mobile: ["network", "no_answer", "network", "network", "answer"]}

    async with open_leap(tmp_path, BEGIN.timestamp(), seed=seed, speed=100.0) as leap:
        leap.stage.sandbox.script(script)
        run = await leap.do(leap.stage.start(DEFINITION, people))
        result = await leap.result(run)
        calls = run.calls()
        report = await leap.do(run.report())
        print(f"{len(calls)} calls, {leap.clock.turns} turns, {result}")  # noqa: T201 - the same

    assert sum(report.contacts.by_outcome.values()) == len(people)
    assert len(set(keys(calls))) == len(calls)
    assert live_twice(calls) == []

    wrong = {call["tags"]: found for call in calls if (found := outside_hours(call))}
    assert wrong == {}

    of_contact: dict[str, list[dict[str, Any]]] = defaultdict(list)
    of_number: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for call in filter(counts, calls):
        of_contact[call["tags"].split(".")[1]].append(call)
        of_number[dialed(call)].append(call)
    over = {
        key: found for key, made in of_contact.items() if (found := over_caps(made, PER_CONTACT))
    }
    over |= {
        key: found for key, made in of_number.items() if (found := over_caps(made, PER_NUMBER))
    }
    assert over == {}

    # The campaign was what it is said to be: a month, and stopped by each of these things.
    at = [datetime.fromtimestamp(call["accepted_at"], BEGIN.tzinfo) for call in calls]
    assert max(at) - min(at) > timedelta(days=26)
    assert any(day.weekday() == 5 for day in at)
    for ddd, days in (("63", [date(2026, 9, 9)]), ("11", [date(2026, 9, 8), date(2026, 9, 5)])):
        called = {
            day.date() for day, call in zip(at, calls, strict=True) if dialed(call)[:2] == ddd
        }
        assert called.issuperset(days), "the day beside a holiday is an ordinary one"
    never = of_number["11961000000"]
    assert len(never) == PER_NUMBER["total"], "who never answers is called until the cap"
    months = [datetime.fromtimestamp(call["accepted_at"], BEGIN.tzinfo).month for call in never]
    assert months == [9] * 5 + [10] * 3
