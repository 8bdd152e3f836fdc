"""Days of a campaign in seconds, judged by the ledger, with one clock for everybody."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from campaigns.definition import Campaign
from tests.workflows.leaping import open_leap
from tests.workflows.stage import campaign, e164, keys, live_twice, people, person, rule
from workflows.messages import CampaignResult

BRASILIA = ZoneInfo("America/Sao_Paulo")
DAY = 86_400.0


@dataclass
class Played:
    """What came of a campaign, on the clock of the provider."""

    result: CampaignResult
    calls: list[dict[str, Any]]
    ended: datetime

    def moments(self, index: int | None = None) -> list[datetime]:
        """Return when calls were accepted, as clocks in Brasília show it; those to one alone."""
        return [
            datetime.fromtimestamp(call["accepted_at"], BRASILIA)
            for call in self.calls
            if index is None or call["numero_origem"] == e164(person(index))
        ]


async def play(
    folder: Path, begin: datetime, definition: Campaign, *scripts: Sequence[str]
) -> Played:
    """Begin a campaign at a time of day; it has a person for each script."""
    async with open_leap(folder, begin.timestamp(), seed=3, speed=200.0) as leap:
        for index, script in enumerate(scripts):
            leap.stage.script(*script, to=index)
        run = await leap.do(leap.stage.start(definition, people(len(scripts))))
        result = await leap.result(run)
        return Played(result, run.calls(), datetime.fromtimestamp(leap.clock(), BRASILIA))


async def test_retries_that_span_three_days(tmp_path: Path) -> None:
    """Each retry is made when the table says, days later, and none a minute sooner."""
    begin = datetime(2026, 10, 19, 15, tzinfo=BRASILIA)
    definition = campaign(
        retry=[
            rule(leg="contact", status=["ocupado"], after="1d", times="3"),
            rule(leg="contact", reasons=["18", "19", "20"], after="30h", times="2"),
        ]
    )
    scripts = (["busy", "busy", "answer"], ["no_answer"], ["answer"])
    played = await play(tmp_path, begin, definition, *scripts)

    calls = played.calls
    assert played.result.by_outcome == {"answered": 2, "no_answer": 1}
    assert len(set(keys(calls))) == len(calls) == 7
    assert live_twice(calls) == []
    for index, wait in ((0, DAY), (1, 30 * 3_600.0)):
        first, second, third = (moment.timestamp() for moment in played.moments(index))
        assert wait <= second - first < wait + 120
        assert wait <= third - second < wait + 120


async def test_calls_wait_for_the_hours_of_the_contact(tmp_path: Path) -> None:
    """Calls fall into the written hours of the number's own place, on open days only."""
    begin = datetime(2026, 9, 2, 18, tzinfo=BRASILIA)
    opens = {"mon-fri": "10:00-11:00", "timezone": "contact", "holidays": "closed"}
    definition = campaign(
        calling_hours=opens,
        retry=[rule(leg="contact", status=["ocupado"], after="2h", times="5")],
    )
    scripts = (["busy", "busy", "busy", "answer"], ["answer"], ["answer"], ["answer"])
    played = await play(tmp_path, begin, definition, *scripts)

    assert played.result.by_outcome == {"answered": 4}
    called = played.moments()
    assert len(called) == 7
    for local in called:
        assert local.hour == 10
        assert local.minute < 55, "a call starts only if it can end within the hours"
    open_days = [date(2026, 9, day) for day in (3, 4, 8, 9)]
    assert [local.date() for local in played.moments(0)] == open_days, "the 7th is a holiday"


async def test_no_attempt_starts_before_the_start_or_after_the_end(tmp_path: Path) -> None:
    """A run waits for its start, and ends at its end with an outcome for everybody.

    The end falls into hours in which those who were busy would be called again.
    """
    begin, start, end = (
        datetime(2026, 10, day, hour, minute, tzinfo=BRASILIA)
        for day, hour, minute in ((19, 15, 0), (22, 9, 20), (23, 10, 0))
    )
    definition = campaign(
        calling_hours={
            **dict.fromkeys(("mon-fri", "sat", "sun"), "09:00-12:00"),
            **dict.fromkeys(("holidays", "optional_holidays"), "open"),
        },
        schedule={"start_at": f"{start:%Y-%m-%d %H:%M}", "end_at": f"{end:%Y-%m-%d %H:%M}"},
        retry=[rule(leg="contact", status=["ocupado"], after=["24h", "50m"], times="50")],
        limits={"per_contact": {"total": "50"}, "per_number": {"per_day": "50", "min_gap": "30m"}},
    )
    played = await play(tmp_path, begin, definition, ["answer"], ["busy"], ["busy"])

    assert played.result.by_outcome == {"answered": 1, "expired": 2}
    called = played.moments()
    assert len(called) == 5
    assert start <= min(called)
    assert max(called[:3]) < start + timedelta(minutes=2)
    assert start + timedelta(days=1) <= min(called[3:])
    assert max(called[3:]) <= end
    assert played.ended < end + timedelta(minutes=5), "the run did not outlast its end"
