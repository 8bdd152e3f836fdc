"""What a schedule does when its time comes: the list is read anew and becomes a run."""

from __future__ import annotations

import asyncio
from pathlib import Path

from temporalio import activity
from temporalio.exceptions import ApplicationError

from activities.intake import fill_run, scheduled_run_id
from activities.lists import refuse_if_over
from activities.messages import BeginScheduledInput, BeginScheduledResult
from activities.refusals import InvalidFileError, StartRefusedError
from activities.settings import ACCOUNT
from campaigns.definition import Campaign
from campaigns.loader import check
from store import importing, runs
from store.engine import Store
from store.importing import ListChangedError
from store.runs import Run, RunError

HEARTBEAT_SECONDS = 2.0


class ScheduleActivities:
    """Built in the worker; `loopback` tells that the Voice API is a local one."""

    def __init__(self, store: Store, *, loopback: bool, account: str = ACCOUNT) -> None:
        self._store = store
        self._loopback = loopback
        self._account = account

    @activity.defn(name="begin_scheduled")
    async def begin_scheduled(self, request: BeginScheduledInput) -> BeginScheduledResult:
        """Check the campaign file, import its list as a new run, and let the run dial.

        The run's id comes from the firing, so twice is the same as once: an attempt that was cut
        off goes on where it stopped, unless the file or the list has changed, and a run that has
        begun is returned as it is. One that may not start fails for good, with the reason on the
        run; nothing of it dials.
        """
        alive = asyncio.create_task(_beat())
        try:
            return await self._begin(request)
        except StartRefusedError as error:
            raise ApplicationError(error.safe, type="StartRefused", non_retryable=True) from None
        finally:
            alive.cancel()

    async def _begin(self, request: BeginScheduledInput) -> BeginScheduledResult:
        run_id = scheduled_run_id(request.campaign, request.firing)
        run = await runs.find_run(self._store, run_id)
        if run is not None and run.state != "preparing":
            return _result(run)
        try:
            await self._prepare(request, run_id, run)
        except StartRefusedError as error:
            if await runs.find_run(self._store, run_id) is not None:
                await runs.abandon(self._store, run_id, error.safe)
            raise
        await runs.mark_ready(self._store, run_id)
        return _result(await runs.get_run(self._store, run_id))

    async def _prepare(self, request: BeginScheduledInput, run_id: str, run: Run | None) -> None:
        path = Path(request.file)
        campaign = await asyncio.to_thread(self._read, path, request.campaign)
        refuse_if_over(campaign, self._store.now())
        go_on = False
        if run is None:
            await self._create(run_id, campaign)
        elif not await runs.hold_import(self._store, run_id):
            raise RunError(f"run {run_id} has begun meanwhile")  # the next attempt finds it so
        else:
            definition, _ = await runs.get_definition(self._store, run_id)
            go_on = definition == campaign
        if run is not None and not go_on:
            await importing.start_over(self._store, run_id, campaign)
        try:
            await self._fill(run_id, campaign, path, go_on=go_on)
        except ListChangedError:
            await importing.start_over(self._store, run_id, campaign)
            await self._fill(run_id, campaign, path, go_on=False)

    async def _fill(self, run_id: str, campaign: Campaign, path: Path, *, go_on: bool) -> None:
        await fill_run(self._store, run_id, self._account, campaign, path, go_on=go_on)

    def _read(self, path: Path, name: str) -> Campaign:
        checked = check(path, loopback=self._loopback)
        if checked.campaign is None:
            raise InvalidFileError(path, checked.errors)
        if checked.campaign.campaign != name:
            said = f"{path.name} now holds the campaign {checked.campaign.campaign}, not {name}"
            raise StartRefusedError(said, safe=said)
        return checked.campaign

    async def _create(self, run_id: str, campaign: Campaign) -> None:
        try:
            await runs.create_run(
                self._store,
                run_id=run_id,
                account=self._account,
                definition=campaign,
            )
        except RunError as error:
            if await runs.find_run(self._store, run_id) is not None:
                raise  # another attempt at this firing was quicker; the next one finds its run
            raise StartRefusedError(str(error), safe=str(error)) from None


def _result(run: Run) -> BeginScheduledResult:
    return BeginScheduledResult(
        run=run.id, campaign=run.campaign, state=run.state, reason=run.reason, total=run.total
    )


async def _beat() -> None:
    """Tell Temporal that this process lives, however long the list is."""
    while True:
        activity.heartbeat()
        await asyncio.sleep(HEARTBEAT_SECONDS)
