"""The dialing loop of one lane.

Each turn hands the decisions about the last one to `advance`, which settles them, reserves and
places who is next, and tracks until there is news. Between turns this workflow decides, and nothing
else does. It carries counters and rules; calls under way live in the store.
"""

from __future__ import annotations

from datetime import timedelta

from temporalio import workflow
from temporalio.exceptions import ActivityError, ApplicationError

from workflows import options
from workflows.messages import LaneCounters, LaneInput, LaneResult, Progress, StateSeen, Wake
from workflows.names import STALLED, STATE_SEEN

with workflow.unsafe.imports_passed_through():
    from activities import signatures
    from activities.messages import AdvanceInput, AdvanceResult, RulesInput, RunStateName

from campaigns.attempts import Step
from campaigns.policy import next_step

SHORTEST_WAIT = 0.1
"""Seconds: less than this is not worth a timer."""

_MOST_QUIET_LOOKS = 6
_MOST_ROUNDS = 6


def _at_once(result: AdvanceResult) -> bool:
    """Whether the next turn has something to do right now."""
    return (
        result.state == "running"
        and result.next_due is not None
        and result.next_due < SHORTEST_WAIT
    )


@workflow.defn
class LaneWorkflow:
    """One hash share of a run's contacts."""

    @workflow.init
    def __init__(self, start: LaneInput) -> None:
        self._run = start.run
        self._lane = start.lane
        self._rules = start.rules
        self._steps: tuple[Step, ...] = start.steps
        self._turns = start.counters.turns
        self._posted = start.counters.posted
        self._decided = start.counters.decided
        self._retried = start.counters.retried
        self._finished = start.counters.finished
        self._woken = False
        self._quiet_looks = 0
        self._rounds = 0
        self._told: RunStateName = "running"

    @workflow.run
    async def run(self, start: LaneInput) -> LaneResult:
        """Turn until nothing is left; returns what the lane has done."""
        while True:
            result = await self._advance()
            if result is not None:
                if result.rules_version > self._rules.version:
                    await self._load_rules()
                self._decide(result)
                await self._tell(result)
                if result.finished and not self._steps:
                    return LaneResult(counters=self._counters())
                if not self._steps and result.live == 0 and not _at_once(result):
                    await self._wait(result)
            if workflow.info().is_continue_as_new_suggested():
                workflow.continue_as_new(
                    start.model_copy(
                        update={
                            "rules": self._rules,
                            "counters": self._counters(),
                            "steps": self._steps,
                        }
                    )
                )

    async def _advance(self) -> AdvanceResult | None:
        """Do a turn; None after one that failed to the end and deserves another round."""
        token = f"{workflow.info().run_id[:13]}/{self._turns}"
        try:
            result = await workflow.execute_activity(
                signatures.advance,
                AdvanceInput(
                    run=self._run,
                    lane=self._lane,
                    token=token,
                    steps=self._steps,
                    max_wait=options.TURN.total_seconds(),
                ),
                **options.turn(),
            )
        except ActivityError as error:
            await self._breathe(error)
            return None
        self._rounds = 0
        self._turns += 1
        self._posted += result.placed
        if result.placed or result.ended:
            self._quiet_looks = 0
        self._steps = ()
        return result

    async def _load_rules(self) -> None:
        while True:
            try:
                self._rules = await workflow.execute_activity(
                    signatures.load_rules, RulesInput(run=self._run), **options.store_only()
                )
            except ActivityError as error:
                await self._breathe(error)
            else:
                return

    async def _breathe(self, error: ActivityError) -> None:
        """Say why nothing goes on, and wait before another round. A cancelled lane ends."""
        if workflow.cancellation_reason() is not None:
            raise error
        cause = error.cause
        reason = cause.message if isinstance(cause, ApplicationError) else str(cause or error)
        wait = min(options.FIRST_BREATHER * 2**self._rounds, options.BREATHER)
        self._rounds = min(self._rounds + 1, _MOST_ROUNDS)
        workflow.set_current_details(
            f"{STALLED}: {reason}. Trying again in {wait.seconds} s and from then on."
        )
        workflow.logger.warning("turn failed", extra={"lane": self._lane})
        await workflow.sleep(wait)
        workflow.set_current_details(f"Trying again. {STALLED} for a while: {reason}.")

    async def _tell(self, result: AdvanceResult) -> None:
        """Let the campaign's workflow know of a state that came through the store."""
        parent = workflow.info().parent
        if result.state == self._told or parent is None:
            return
        self._told = result.state
        seen = StateSeen(state=result.state, reason=result.reason, epoch=result.epoch)
        try:
            await workflow.get_external_workflow_handle(parent.workflow_id).signal(STATE_SEEN, seen)
        except ApplicationError:
            return  # it has ended; the lane goes on with its calls

    def _decide(self, result: AdvanceResult) -> None:
        self._steps = tuple(next_step(self._rules, ended) for ended in result.ended)
        self._decided += len(self._steps)
        self._retried += sum(step.action != "final" for step in self._steps)
        self._finished += sum(step.action == "final" for step in self._steps)
        workflow.set_current_details(
            f"{result.state}: calls under way {result.live}, placed {self._posted}, "
            f"contacts finished {self._finished}"
        )

    async def _wait(self, result: AdvanceResult) -> None:
        """Sleep until a contact is due or a signal comes; ask the store now and then anyway."""
        wait = options.LOOK_AGAIN * 2**self._quiet_looks
        if result.state == "running" and result.next_due is not None:
            due = timedelta(seconds=result.next_due)
            wait = min(wait, due, options.LOOK_AGAIN_BEFORE_DUE)
        else:
            wait = min(wait, options.LOOK_AGAIN_AT_MOST)
            if result.state == "paused" and result.resumes_in is not None:
                wait = min(wait, timedelta(seconds=max(result.resumes_in, SHORTEST_WAIT)))
        try:
            await workflow.wait_condition(lambda: self._woken, timeout=wait)
        except TimeoutError:
            self._quiet_looks = min(self._quiet_looks + 1, _MOST_QUIET_LOOKS)
        else:
            self._quiet_looks = 0
        finally:
            self._woken = False

    def _counters(self) -> LaneCounters:
        return LaneCounters(
            turns=self._turns,
            posted=self._posted,
            decided=self._decided,
            retried=self._retried,
            finished=self._finished,
        )

    @workflow.signal
    def wake(self, _: Wake) -> None:
        """Look at the store now."""
        self._woken = True

    @workflow.query
    def progress(self) -> Progress:
        """Return what this lane has done, from memory."""
        return Progress(run=self._run, counters=self._counters())
