"""A run: prepares, opens its lanes, carries pause, resume and stop, and closes with a report.

The store's run row is the authority on the state. The updates here write it through an activity and
then wake the lanes; whoever wrote it first (the command line does, so that it works with Temporal
down) loses nothing by asking again.
"""

from __future__ import annotations

import asyncio
from typing import Literal

from temporalio import workflow
from temporalio.exceptions import ActivityError, ApplicationError, ChildWorkflowError

from workflows import options
from workflows.lane import LaneWorkflow
from workflows.messages import (
    CampaignInput,
    CampaignResult,
    LaneCounters,
    LaneInput,
    LaneResult,
    PauseRequest,
    Progress,
    ResumeRequest,
    StateChanged,
    StateSeen,
    StopRequest,
    Wake,
)
from workflows.names import lane_id

with workflow.unsafe.imports_passed_through():
    from activities import signatures
    from activities.messages import (
        ChangeStateInput,
        CloseInput,
        PrepareInput,
        PrepareResult,
        RunStateName,
    )

_ENDED = ("completed", "stopped", "failed")
_CANCELLED = "the workflow was cancelled"


@workflow.defn
class CampaignWorkflow:
    """One run of one campaign."""

    @workflow.init
    def __init__(self, start: CampaignInput) -> None:
        self._run = start.run
        self._campaign = ""
        self._state: RunStateName = "running"
        self._reason = ""
        self._epoch = 0
        self._lanes: list[workflow.ChildWorkflowHandle[LaneWorkflow, LaneResult]] = []
        self._done: list[LaneCounters] = []
        self._running = 0
        self._closing = False
        self._cancelled = False

    @workflow.run
    async def run(self, _: CampaignInput) -> CampaignResult:
        """Carry the run to its end. A cancelled run is a stopped run: its calls are followed."""
        carried = asyncio.ensure_future(self._carry())
        try:
            return await asyncio.shield(carried)
        except asyncio.CancelledError:
            self._cancelled = True
            await self._insist("stop", _CANCELLED)
            return await carried

    async def _carry(self) -> CampaignResult:
        plan = await workflow.execute_activity(
            signatures.prepare, PrepareInput(run=self._run), **options.store_only()
        )
        self._campaign = plan.campaign
        while True:
            self._lanes, self._running = [], plan.lanes
            for lane in range(plan.lanes):
                self._lanes.append(await self._open(plan, lane))
            self._details()
            await asyncio.gather(*(self._follow(plan, lane) for lane in range(plan.lanes)))
            result = await self._close()
            if result is not None:
                return result
            if self._cancelled:  # while it closed, when there was nothing left to stop
                await self._insist("stop", _CANCELLED)

    async def _open(
        self, plan: PrepareResult, lane: int
    ) -> workflow.ChildWorkflowHandle[LaneWorkflow, LaneResult]:
        return await workflow.start_child_workflow(
            LaneWorkflow.run,
            LaneInput(run=self._run, lane=lane, rules=plan.rules),
            id=lane_id(plan.campaign, self._run, lane),
            cancellation_type=workflow.ChildWorkflowCancellationType.ABANDON,
        )

    async def _follow(self, plan: PrepareResult, lane: int) -> None:
        """Wait for a lane. One that fails ends the run, and is opened again for its live calls."""
        while True:
            try:
                result = await self._lanes[lane]
            except ChildWorkflowError as error:
                await self._insist("fail", f"lane {lane} failed: {error.cause or error}")
                await workflow.sleep(options.BREATHER)
                self._lanes[lane] = await self._open(plan, lane)
                continue
            self._done.append(result.counters)
            self._running -= 1
            self._details()
            return

    async def _insist(self, change: Literal["stop", "fail"], reason: str) -> None:
        """End the run however long the store is away; one that has ended needs nothing."""
        while not self._closing:
            try:
                await self._write(change, reason)
            except ActivityError as error:
                if isinstance(error.cause, ApplicationError) and error.cause.non_retryable:
                    return
                await workflow.sleep(options.BREATHER)
            else:
                return

    async def _close(self) -> CampaignResult | None:
        """End the run; None when contacts came in after its lanes had finished."""
        self._closing = True
        await workflow.wait_condition(workflow.all_handlers_finished)
        while True:
            try:
                closed = await workflow.execute_activity(
                    signatures.close, CloseInput(run=self._run), **options.store_only()
                )
            except ActivityError:
                await workflow.sleep(options.BREATHER)
                continue
            break
        self._state, self._reason = closed.state, closed.reason
        self._details()
        if closed.state not in _ENDED:
            self._closing = False
            return None
        return CampaignResult(
            run=self._run,
            state=closed.state,
            reason=closed.reason,
            by_outcome=closed.by_outcome,
        )

    def _details(self) -> None:
        text = f"{self._campaign}: {self._state}"
        if self._reason:
            text += f" ({self._reason})"
        workflow.set_current_details(
            f"{text}; lanes finished: {len(self._lanes) - self._running} of {len(self._lanes)}"
        )

    async def _change(
        self, change: Literal["pause", "resume", "stop"], reason: str, *, hang_up: bool = False
    ) -> StateChanged:
        try:
            return await self._write(change, reason, hang_up=hang_up)
        except ActivityError as error:
            raise ApplicationError(str(error.cause or error), non_retryable=True) from error

    async def _write(
        self,
        change: Literal["pause", "resume", "stop", "fail"],
        reason: str,
        *,
        hang_up: bool = False,
    ) -> StateChanged:
        """Write the store, then wake the lanes so that they look at it."""
        result = await workflow.execute_activity(
            signatures.change_state,
            ChangeStateInput(run=self._run, change=change, reason=reason, hang_up=hang_up),
            **options.store_only(),
        )
        self._take(result.state, result.reason, result.epoch)
        for handle in self._lanes:
            await self._wake(handle)
        return StateChanged(state=result.state, reason=result.reason)

    def _take(self, state: RunStateName, reason: str, epoch: int) -> None:
        """Remember the run's state, unless a newer one is known."""
        if epoch >= self._epoch:
            self._state, self._reason, self._epoch = state, reason, epoch
            self._details()

    async def _wake(self, handle: workflow.ChildWorkflowHandle[LaneWorkflow, LaneResult]) -> None:
        try:
            await handle.signal(LaneWorkflow.wake, Wake())
        except ApplicationError:
            return  # the lane has finished: there is nothing to wake

    def _open_only(self, request: PauseRequest | ResumeRequest | StopRequest) -> None:
        if self._closing or self._state in _ENDED:
            asked = type(request).__name__.removesuffix("Request").lower()
            raise ApplicationError(f"cannot {asked}: the run has ended, it is {self._state}")

    @workflow.update
    async def pause(self, request: PauseRequest) -> StateChanged:
        """Stop placing, retries included. Twice is the same as once."""
        return await self._change("pause", request.reason)

    @pause.validator
    def _pause_allowed(self, request: PauseRequest) -> None:
        self._open_only(request)
        if self._state == "stopping":
            raise ApplicationError("the run is stopping: there is nothing to pause")

    @workflow.update
    async def resume(self, request: ResumeRequest) -> StateChanged:
        """Go on. Twice is the same as once."""
        return await self._change("resume", request.reason)

    @resume.validator
    def _resume_allowed(self, request: ResumeRequest) -> None:
        self._open_only(request)
        if self._state == "stopping":
            raise ApplicationError("the run is stopping and cannot be resumed")

    @workflow.update
    async def stop(self, request: StopRequest) -> StateChanged:
        """Place nothing more and end. A second stop may add the hang-up, never take it back."""
        return await self._change("stop", request.reason, hang_up=request.hang_up)

    @stop.validator
    def _stop_allowed(self, request: StopRequest) -> None:
        self._open_only(request)

    @workflow.signal
    def state_seen(self, seen: StateSeen) -> None:
        """Hear from a lane that the run's state has changed in the store."""
        self._take(seen.state, seen.reason, seen.epoch)

    @workflow.query
    def progress(self) -> Progress:
        """Return what the run knows without asking the store: finished lanes' counters, summed."""
        return Progress(
            run=self._run,
            state=self._state,
            reason=self._reason,
            lanes=max(len(self._lanes), 1),
            lanes_finished=len(self._lanes) - self._running,
            counters=LaneCounters(
                turns=sum(item.turns for item in self._done),
                posted=sum(item.posted for item in self._done),
                decided=sum(item.decided for item in self._done),
                retried=sum(item.retried for item in self._done),
                finished=sum(item.finished for item in self._done),
            ),
        )
