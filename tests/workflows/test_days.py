"""Days of calling hours in seconds, judged by the ledger."""

from __future__ import annotations

import threading
import time
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from temporalio import activity
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput, Interceptor

from campaigns.definition import Purpose
from campaigns.explain import HoursOracle, Terms
from tests.workflows.stage import (
    TIME_SKIPPING,
    Stage,
    campaign,
    e164,
    open_stage,
    people,
    person,
    rule,
)
from workflows.environment import DATA_CONVERTER

BRASILIA = ZoneInfo("America/Sao_Paulo")
DAY = 86_400.0


class SharedClock:
    """A clock that runs by itself and is moved forward whenever the server has skipped time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._offset = 0.0

    def __call__(self) -> float:
        """Read the clock, in seconds since 1970."""
        with self._lock:
            return time.time() + self._offset

    def move_to(self, instant: float) -> None:
        """Move forward to an instant; never back."""
        with self._lock:
            self._offset = max(self._offset, instant - time.time())


class _Following(ActivityInboundInterceptor):
    def __init__(self, following: ActivityInboundInterceptor, clock: SharedClock) -> None:
        super().__init__(following)
        self._clock = clock

    async def execute_activity(self, input: ExecuteActivityInput) -> Any:  # noqa: A002 - the SDK's
        self._clock.move_to(activity.info().started_time.timestamp())
        return await self.next.execute_activity(input)


class FollowTheServer(Interceptor):
    """Takes the server's time at the start of every activity."""

    def __init__(self, clock: SharedClock) -> None:
        self._clock = clock

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:  # noqa: A002 - the SDK's
        """Stand in front of the activities."""
        return _Following(next, self._clock)


@pytest.fixture
async def skipping(tmp_path: Path) -> AsyncIterator[Stage]:
    """Give the test a stage on a time-skipping server, with one clock for everybody."""
    clock = SharedClock()
    async with (
        await WorkflowEnvironment.start_time_skipping(
            test_server_existing_path=TIME_SKIPPING, data_converter=DATA_CONVERTER
        ) as environment,
        open_stage(environment.client, tmp_path, clock=clock, speed=1000.0) as stage,
        stage.worker(interceptors=[FollowTheServer(clock)]),
    ):
        yield stage


async def test_calls_wait_for_the_hours_of_the_contact(skipping: Stage) -> None:
    """Calls fall into the written hours of the number's own place, on open days only."""
    for index in range(1, 4):
        skipping.script("answer", to=index)
    skipping.script("busy", "busy", "busy", "answer", to=0)
    opens = {"mon-fri": "10:00-11:00", "timezone": "contact", "holidays": "closed"}
    definition = campaign(
        calling_hours=opens,
        retry=[rule(leg="contact", status=["ocupado"], after="2h", times="5")],
    )
    run = await skipping.start(definition, people(4))
    result = await run.result(90)

    assert result.by_outcome == {"answered": 4}
    calls = run.calls()
    assert len(calls) == 7
    for call in calls:
        local = datetime.fromtimestamp(call["accepted_at"], BRASILIA)
        assert local.weekday() < 5
        assert local.hour == 10
        assert local.minute < 55, "a call starts only if it can end within the hours"
    days = {
        datetime.fromtimestamp(call["accepted_at"], BRASILIA).date()
        for call in calls
        if call["numero_origem"] == e164(person(0))
    }
    assert len(days) == 4
    assert max(days) - min(days) >= timedelta(days=3)


async def test_no_attempt_starts_before_the_start_or_after_the_end(skipping: Stage) -> None:
    """A run waits for its start, and ends at its end with an outcome for everybody.

    The end falls into hours in which those who were busy would be called again.
    """
    for index in range(3):
        skipping.script("busy" if index else "answer", to=index)
    now = datetime.fromtimestamp(skipping.clock(), BRASILIA)
    law = HoursOracle(Terms(purpose=Purpose.COLLECTION))
    start = (now + timedelta(days=3)).replace(hour=9, minute=20, second=0, microsecond=0)
    end = (start + timedelta(days=1)).replace(hour=10, minute=0)
    while not (law.evaluate("11", start).callable and law.evaluate("11", end).callable):
        start, end = start + timedelta(days=1), end + timedelta(days=1)
    definition = campaign(
        calling_hours={
            **dict.fromkeys(("mon-fri", "sat", "sun"), "09:00-12:00"),
            **dict.fromkeys(("holidays", "optional_holidays"), "open"),
        },
        schedule={"start_at": f"{start:%Y-%m-%d %H:%M}", "end_at": f"{end:%Y-%m-%d %H:%M}"},
        retry=[rule(leg="contact", status=["ocupado"], after=["24h", "50m"], times="50")],
        limits={"per_contact": {"total": "50"}, "per_number": {"per_day": "50", "min_gap": "30m"}},
    )
    run = await skipping.start(definition, people(3))
    result = await run.result(90)
    ended = datetime.fromtimestamp(skipping.clock(), BRASILIA)

    assert result.by_outcome == {"answered": 1, "expired": 2}
    moments = [datetime.fromtimestamp(call["accepted_at"], BRASILIA) for call in run.calls()]
    assert start <= min(moments) < start + timedelta(minutes=2)
    assert end - timedelta(hours=1) < max(moments) <= end
    assert len(moments) == 5
    assert {moment.date() for moment in moments} == {start.date(), end.date()}
    assert ended < end + timedelta(minutes=5), "the run did not outlast its end"
