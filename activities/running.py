"""Activities about a run as a whole: its rules, its state, its end."""

from __future__ import annotations

from temporalio import activity
from temporalio.exceptions import ApplicationError

from activities.messages import (
    ChangeStateInput,
    ChangeStateResult,
    CloseInput,
    CloseResult,
    PrepareInput,
    PrepareResult,
    RulesInput,
)
from campaigns.attempts import DialingRules
from campaigns.policy import dialing_rules
from store import forgiving, reporting, runs
from store.engine import Store


class RunActivities:
    """Built in the worker with the store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    @activity.defn(name="prepare")
    async def prepare(self, request: PrepareInput) -> PrepareResult:
        """Return what the run needs before its lanes open. Reads only: twice is the same."""
        try:
            run = await runs.get_run(self._store, request.run)
            definition, version = await runs.get_definition(self._store, request.run)
        except runs.RunError as error:
            raise ApplicationError(str(error), non_retryable=True) from None
        return PrepareResult(
            campaign=run.campaign,
            rules=dialing_rules(definition, version),
            lanes=run.lanes,
            total=run.total,
        )

    @activity.defn(name="load_rules")
    async def load_rules(self, request: RulesInput) -> DialingRules:
        """Return the newest rules. Reads only: twice is the same unless they changed between."""
        definition, version = await runs.get_definition(self._store, request.run)
        return dialing_rules(definition, version)

    @activity.defn(name="change_state")
    async def change_state(self, request: ChangeStateInput) -> ChangeStateResult:
        """Pause, resume or stop the run. Twice is the same as once: the second finds it done."""
        try:
            if request.change == "pause":
                run = await runs.pause(self._store, request.run, request.reason)
            elif request.change == "resume":
                run = await runs.resume(self._store, request.run)
            else:
                run = await runs.stop(
                    self._store,
                    request.run,
                    request.reason,
                    hang_up=request.hang_up,
                    ends_as="failed" if request.change == "fail" else "stopped",
                )
        except runs.RunError as error:
            raise ApplicationError(str(error), non_retryable=True) from None
        return ChangeStateResult(state=run.state, reason=run.reason, epoch=run.epoch)

    @activity.defn(name="close")
    async def close(self, request: CloseInput) -> CloseResult:
        """End the run. Twice is the same as once: a run that has ended stays as it is."""
        run = await runs.get_run(self._store, request.run)
        if run.ends_as == "failed":
            await forgiving.forgive_refusals(self._store, request.run)
        run = await runs.close(self._store, request.run)
        summary = await reporting.report(self._store, request.run)
        return CloseResult(
            state=run.state, reason=run.reason, by_outcome=summary.contacts.by_outcome
        )
