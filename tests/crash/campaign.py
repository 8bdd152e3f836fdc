"""A campaign whose ledger can be foretold, and the checks of its ledger and its books.

What each number does is scripted, so the rules say exactly how many calls it must get: a call that
was lost, doubled or forgotten shows as a wrong count, whatever the faults were.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from sqlalchemy import func, select

from campaigns.contacts import ContactRow
from campaigns.definition import Campaign
from campaigns.numbers import PhoneNumber, normalise
from store import importing, reporting, runs
from store.engine import Store
from store.reporting import Report
from store.schema import attempts, contacts, decisions
from tests.crash import ledger
from tests.crash.ledger import LedgerCall
from tests.crash.stack import TASK_QUEUE, Stack
from workflows.campaign import CampaignWorkflow
from workflows.messages import CampaignInput
from workflows.names import campaign_id

ACCOUNT = "crash"

ANSWER = {"outcome": "answer", "ring": 5, "talk": 20}
BUSY = {"outcome": "busy", "ring": 3}
NO_ANSWER = {"outcome": "no_answer", "ring": 20}
INVALID = {"outcome": "invalid", "ring": 2}


@dataclass(frozen=True)
class Behaviour:
    """What calls to a number do, one after the other (the last repeats), and what must follow."""

    script: tuple[dict[str, Any], ...]
    calls: int
    outcome: str


BEHAVIOURS = (
    *[Behaviour((ANSWER,), 1, "answered")] * 6,
    Behaviour((BUSY, ANSWER), 2, "answered"),
    Behaviour((NO_ANSWER, NO_ANSWER, ANSWER), 3, "answered"),
    Behaviour((BUSY,), 3, "busy"),
    Behaviour((INVALID,), 1, "invalid_number"),
)
"""Ten people, of whom the list is made over and over: 15 calls."""

RETRY = (
    {"leg": "contact", "status": ["ocupado"], "after": "1s", "times": "2"},
    {"leg": "contact", "status": ["sem resposta"], "after": "1s", "times": "2"},
)


@dataclass(frozen=True)
class Plan:
    """A run and what its ledger has to show at the end.

    `quiet` is the campaign's own; the provider's report must not lag as long as that. Runs that
    share a sandbox differ in `run` and in `first`, the first of their numbers.
    """

    name: str
    contacts: int
    channels: int
    rate: float
    quiet: str = "3s"
    lanes: int = 1
    run: str = "crashtest"
    first: int = 0

    @property
    def number_of(self) -> dict[str, Behaviour]:
        """Behaviour by number, as the API is told it."""
        return {self.number(index).e164: _behaviour(index) for index in range(self.contacts)}

    def number(self, index: int) -> PhoneNumber:
        """Return the number of the n-th contact."""
        number = normalise(f"119{80_000_000 + self.first + index}")
        assert isinstance(number, PhoneNumber)
        return number

    @property
    def calls(self) -> dict[str, int]:
        """How often each number has to be called, exactly."""
        return {number: behaviour.calls for number, behaviour in self.number_of.items()}

    @property
    def outcomes(self) -> dict[str, int]:
        """How many contacts end with which outcome."""
        return dict(Counter(behaviour.outcome for behaviour in self.number_of.values()))


def _behaviour(index: int) -> Behaviour:
    return BEHAVIOURS[index % len(BEHAVIOURS)]


def _rows(plan: Plan) -> Iterator[ContactRow]:
    for index in range(plan.contacts):
        yield ContactRow(
            line=index + 2, external_id=str(index), numbers=(plan.number(index),), columns={}
        )


def definition(plan: Plan) -> Campaign:
    """Return the campaign of a plan."""
    return Campaign.model_validate(
        {
            "campaign": plan.name,
            "purpose": "collection",
            "dial_list": {"file": "list.csv", "numbers": ["number"]},
            "call": {"connect_to": "4000", "bina_origem": "4832830151", "tags": "crash"},
            "pacing": {"channels": str(plan.channels), "calls_per_second": str(plan.rate)},
            "calling_hours": "always",
            "limits": {"per_contact": {"total": "4"}},
            "reconcile": {"quiet": plan.quiet, "then": "requeue"},
            "retry": RETRY,
        }
    )


async def start(stack: Stack, plan: Plan) -> None:
    """Script the numbers, import the list and start the campaign's workflow."""
    stack.sandbox.script({number: list(who.script) for number, who in plan.number_of.items()})
    await runs.ensure_account(stack.store, ACCOUNT, None, None)
    await runs.create_run(
        stack.store,
        run_id=plan.run,
        account=ACCOUNT,
        definition=definition(plan),
        lanes=plan.lanes,
    )
    await importing.import_rows(stack.store, plan.run, _rows(plan))
    await runs.mark_ready(stack.store, plan.run)
    client = await stack.client()
    await client.start_workflow(
        CampaignWorkflow.run,
        CampaignInput(run=plan.run),
        id=campaign_id(plan.name, plan.run),
        task_queue=TASK_QUEUE,
    )


async def ended(stack: Stack, plan: Plan) -> bool:
    """Whether the store says that the run has ended."""
    return not (await runs.get_run(stack.store, plan.run)).is_open


async def completed(stack: Stack, plan: Plan, seconds: float = 120.0) -> Report:
    """Wait until the run has ended in the store and in Temporal; return its report."""
    try:
        took = await stack.until(partial(ended, stack, plan), "the run has ended", seconds)
    except AssertionError as error:
        so_far = broken_promises(ledger.read(stack.sandbox.ledger()), plan, 0, at_the_end=False)
        left = await remains(stack.store)
        raise AssertionError("\n".join([str(error), left, *so_far])) from None
    stack.say(f"the run has ended, {took:.1f} s after the last disturbance")
    handle = (await stack.client()).get_workflow_handle_for(
        CampaignWorkflow.run, campaign_id(plan.name, plan.run)
    )
    result = await handle.result()
    assert result.state == "completed"
    return await reporting.report(stack.store, plan.run)


async def remains(store: Store) -> str:
    """Say what is left to do, for a run that does not end."""
    async with store.read() as connection:
        people = await connection.execute(
            select(contacts.c.state, func.count().label("n")).group_by(contacts.c.state)
        )
        tries = await connection.execute(
            select(attempts.c.state, func.count().label("n"))
            .where(attempts.c.settled_at.is_(None))
            .group_by(attempts.c.state)
        )
        return (
            f"contacts: { {row.state: row.n for row in people} }, "
            f"unsettled attempts: { {row.state: row.n for row in tries} }"
        )


def broken_promises(
    calls: Sequence[LedgerCall],
    plan: Plan,
    peak_live: int,
    *,
    at_the_end: bool = True,
    densest: int | None = None,
) -> list[str]:
    """Return every promise that the ledger shows broken, with the calls that break it.

    `peak_live` is the provider's own count of it, and `densest` of calls within a second where it
    knows better than its ledger. Before the end, calls may be missing.
    """
    peak = ledger.peak_live(calls)
    second = ledger.most_within(calls) if densest is None else densest
    found = {
        "calls without a key": ledger.without_key(calls),
        "attempt keys twice": ledger.repeated_keys(calls),
        "numbers live twice": ledger.live_twice(calls),
        "called after answering": ledger.called_after_answering(calls),
        "not called as often as the rules say": {
            number: (seen, expected)
            for number, (seen, expected) in ledger.wrong_counts(calls, plan.calls).items()
            if at_the_end or seen > expected
        },
        "channels exceeded": [
            f"{value} live calls on {plan.channels} channels"
            for value in sorted({peak, peak_live})
            if value > plan.channels
        ],
        "pacing exceeded": [f"{second} calls in one second"]
        if second > ledger.allowed_within_a_second(plan.rate)
        else [],
        "still live": [call.id for call in calls if at_the_end and call.end == ledger.FOREVER],
    }
    return [f"{promise}: {what}" for promise, what in found.items() if what]


async def untidy_books(
    store: Store, run: str, calls: Sequence[LedgerCall], report: Report
) -> list[str]:
    """Return where the store disagrees with itself or with the ledger, after the run's end."""
    async with store.read() as connection:
        people = (
            await connection.execute(
                select(contacts.c.n, contacts.c.state, contacts.c.accepted).where(
                    contacts.c.run_id == run
                )
            )
        ).all()
        tries = (await connection.execute(select(attempts).where(attempts.c.run_id == run))).all()
        last_words = (
            await connection.execute(
                select(decisions.c.n).where(
                    decisions.c.run_id == run, decisions.c.what.in_(("final", "blocked"))
                )
            )
        ).scalars()
        finals = Counter(last_words.all())
    known = {row.api_id: row.key for row in tries if row.api_id is not None}
    late = {row.late_id: row.key for row in tries if row.late_id is not None}
    accepted = Counter(row.n for row in tries if row.api_id is not None)
    found = {
        "contacts not ended": [row.n for row in people if row.state != "done"],
        "contacts not ended exactly once": [row.n for row in people if finals[row.n] != 1],
        "attempts not over": [row.key for row in tries if row.settled_at is None or row.live],
        "calls that no attempt knows": [
            call.id for call in calls if {**late, **known}.get(call.id) != call.key
        ],
        "attempts whose call the provider does not know": sorted(
            known.keys() - {call.id for call in calls}
        ),
        "accepted calls miscounted": [row.n for row in people if row.accepted != accepted[row.n]],
        "report that does not add up": [
            f"{name}: {left} and {right}"
            for name, left, right in (
                ("contacts", sum(report.contacts.by_outcome.values()), report.contacts.total),
                ("attempts", sum(report.attempts.by_status.values()), report.attempts.total),
                ("calls", report.attempts.total + report.attempts.late, len(calls)),
            )
            if left != right
        ],
    }
    return [f"{fault}: {what}" for fault, what in found.items() if what]


async def recovered(store: Store, run: str) -> int:
    """Return how many calls were found whose answer had been lost."""
    query = select(func.count()).where(
        attempts.c.run_id == run, attempts.c.unsure_at.is_not(None), attempts.c.api_id.is_not(None)
    )
    async with store.read() as connection:
        return int((await connection.execute(query)).scalar_one())


async def check(stack: Stack, plan: Plan, report: Report) -> None:
    """Hold ledger and books of a run against every promise; print its figures."""
    mine = plan.calls.keys()
    calls = [call for call in ledger.read(stack.sandbox.ledger()) if call.number in mine]
    stats = stack.sandbox.stats()
    stack.say(
        f"{len(calls)} calls to {plan.contacts} contacts; disturbed {stack.kills}; "
        f"faults {stats['faults']}; peak {ledger.peak_live(calls)} of {plan.channels} channels; "
        f"{ledger.most_within(calls)} calls in the densest second at {plan.rate:g}/s; "
        f"keys twice {len(ledger.repeated_keys(calls))}; "
        f"numbers live twice {len(ledger.live_twice(calls))}; "
        f"lost answers found {await recovered(stack.store, plan.run)}; "
        f"not_placed {report.attempts.not_placed}, not_sent {report.attempts.not_sent}, "
        f"refused {report.attempts.refused}, unknown {report.attempts.unknown}, "
        f"late {report.attempts.late}"
    )
    broken = broken_promises(calls, plan, stats["peak_live"])
    broken += await untidy_books(stack.store, plan.run, calls, report)
    if report.contacts.by_outcome != plan.outcomes:
        broken.append(f"outcomes: {report.contacts.by_outcome} instead of {plan.outcomes}")
    assert not broken, "\n".join(broken)
