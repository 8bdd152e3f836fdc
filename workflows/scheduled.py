"""One firing of a schedule: a new run is imported, started, and followed to its end.

It lasts as long as its run, so that Temporal sees that the last one still goes on when the next
time comes, and skips that.
"""

from __future__ import annotations

from temporalio import workflow
from temporalio.common import WorkflowIDReusePolicy
from temporalio.exceptions import ApplicationError, WorkflowAlreadyStartedError

from workflows import options
from workflows.campaign import CampaignWorkflow
from workflows.messages import CampaignInput, ScheduledInput, ScheduledResult
from workflows.names import campaign_id

with workflow.unsafe.imports_passed_through():
    from activities import signatures
    from activities.messages import BeginScheduledInput

_BEGUN = frozenset({"running", "paused", "stopping"})


@workflow.defn
class ScheduledWorkflow:
    """What a schedule starts when its time comes; its id names the schedule and the time."""

    @workflow.run
    async def run(self, start: ScheduledInput) -> ScheduledResult:
        """Begin the run and wait for its end. Ended early, it leaves the run going on."""
        begun = await workflow.execute_activity(
            signatures.begin_scheduled,
            BeginScheduledInput(
                campaign=start.campaign, file=start.file, firing=workflow.info().workflow_id
            ),
            **options.intake(),
        )
        workflow.set_current_details(f"run {begun.run}: contacts {begun.total}")
        if begun.state not in _BEGUN:
            raise ApplicationError(
                f"run {begun.run} is {begun.state}: {begun.reason}", non_retryable=True
            )
        try:
            child = await workflow.start_child_workflow(
                CampaignWorkflow.run,
                CampaignInput(run=begun.run),
                id=campaign_id(begun.campaign, begun.run),
                id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE,
                parent_close_policy=workflow.ParentClosePolicy.ABANDON,
                cancellation_type=workflow.ChildWorkflowCancellationType.ABANDON,
            )
        except WorkflowAlreadyStartedError:
            # Whoever found the open run first carries it; the store knows how it ends.
            return ScheduledResult(run=begun.run, state=begun.state, reason=begun.reason)
        ended = await child
        return ScheduledResult(
            run=ended.run, state=ended.state, reason=ended.reason, by_outcome=ended.by_outcome
        )
