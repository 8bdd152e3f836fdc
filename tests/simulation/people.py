"""What people at the command line do while campaigns run, and what it came to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from campaigns.attempts import Outcome
from campaigns.definition import Campaign
from store import amending, roster, runs, suppressing, unknowns
from store.unknowns import How, UnknownAttempt
from tests.simulation.database import SimulatedStore
from tests.simulation.loop import clock
from tests.simulation.provider import Call, Provider
from tests.simulation.scenario import Order, Scenario, number

ACCOUNT = "account"

SAYS = {
    "answer": Outcome.ANSWERED,
    "voicemail": Outcome.VOICEMAIL,
    "busy": Outcome.BUSY,
    "no_answer": Outcome.NO_ANSWER,
    "rejected": Outcome.REJECTED,
    "invalid_number": Outcome.INVALID_NUMBER,
}
"""What a person says of a call, by what became of it."""


@dataclass(frozen=True)
class Done:
    """What one order came to; `at` is the instant at which it was committed."""

    at: float
    what: str
    run: str
    contact: int = 0
    attempt: str = ""
    how: str = ""
    goes_on: bool = False
    """Whether the contact's lane was still turning."""
    version: int = 1
    definition: Campaign | None = None

    def rules_until(self, instant: float, run: str) -> bool:
        """Whether this gave a run other rules, by an instant."""
        return self.definition is not None and self.run == run and self.at <= instant


class People:
    """Whoever types commands: they see the store, and the provider's own pages."""

    def __init__(
        self,
        plan: Scenario,
        store: SimulatedStore,
        provider: Provider,
        say: Callable[[str, str], None],
    ) -> None:
        self.plan = plan
        self.store = store
        self.provider = provider
        self.rng = Random(f"{plan.seed} resolving")
        self.say = say
        self.done: list[Done] = []

    async def obey(self, order: Order) -> None:
        """Type a command, and read what it says."""
        run = self.plan.campaigns[order.run].run
        self.say("person", f"{order.what} {run}")
        try:
            await self._type(order, run)
        except runs.RunError as error:
            self.say("person", f"is told: {error}")

    async def _type(self, order: Order, run: str) -> None:
        if order.what == "pause":
            await runs.pause(self.store, run, "a person")
        elif order.what == "resume":
            await runs.resume(self.store, run)
        elif order.what == "suppress":
            entry = suppressing.Suppression(e164=number(order.person).e164)
            await suppressing.add(self.store, ACCOUNT, [entry])
        elif order.what == "withdraw":
            await self._withdraw(run, order.person)
        elif order.what == "resolve":
            await self.look_after(run)
        elif order.definition is not None:
            await self._update(run, order.definition)
        else:
            hang_up = order.what == "stop and hang up"
            await runs.stop(self.store, run, "a person", hang_up=hang_up)

    async def _withdraw(self, run: str, person: int) -> None:
        found = await roster.withdraw(self.store, run, [str(person)])
        self.say("person", f"contact {person + 1} of {run}: {found}")
        if found.gone or found.under_way:
            self.done.append(Done(clock(), "withdraw", run, contact=person + 1))

    async def _update(self, run: str, definition: Campaign) -> None:
        known = (await amending.versions(self.store, run))[-1].version
        version = await amending.amend(self.store, run, definition, known_version=known)
        self.say("person", f"{run} goes by version {version}")
        if version > known:
            made = Done(clock(), "update", run, version=version, definition=definition)
            self.done.append(made)

    async def look_after(self, run: str) -> None:
        """Settle what could not be decided, by what the provider's pages show."""
        for lost in await unknowns.unknowns(self.store, run):
            call = next((call for call in self.provider.ledger if call.key == lost.attempt), None)
            try:
                await self._resolve(run, lost, call)
            except runs.RunError as error:
                self.say("person", f"is told: {error}")

    async def _resolve(self, run: str, lost: UnknownAttempt, call: Call | None) -> None:
        """Say the truth about an attempt; sometimes twice, and sometimes something else as well."""
        goes_on = await self._goes_on(run, lost.contact)
        outcome = Outcome.OTHER if call is None else SAYS.get(call.kind, Outcome.OTHER)
        over = call is None or call.ended_at <= clock()
        how: How = "not-placed" if call is None else "placed"
        if over and (self.rng.random() < 0.2 or (call is not None and not goes_on)):
            how = "done"
        named = None if call is None or (lost.call and self.rng.random() < 0.5) else call.id
        for _ in range(self.rng.choice((1, 1, 2))):
            told = await unknowns.resolve(
                self.store,
                run,
                lost.attempt,
                how,
                call=named,
                outcome=outcome if how == "done" else None,
            )
            self.say("person", f"resolves {lost.attempt} as {how}: {told}")
        made = Done(clock(), "resolve", run, attempt=lost.attempt, how=how, goes_on=goes_on)
        self.done.append(made)
        if self.rng.random() < 0.3:
            other: How = "placed" if how == "not-placed" else "not-placed"
            await unknowns.resolve(self.store, run, lost.attempt, other, call=named)
            self.done.append(Done(clock(), "resolve", run, attempt=lost.attempt, how=other))

    async def _goes_on(self, run: str, n: int) -> bool:
        """Whether a contact's lane still turns."""
        cursor = self.store.file.reader.exec_driver_sql(
            "SELECT count(*) FROM contacts AS c JOIN lanes AS l ON l.run_id = c.run_id"
            " AND l.lane = c.lane JOIN runs AS r ON r.id = c.run_id WHERE c.run_id = ? AND c.n = ?"
            " AND NOT l.finished AND r.ended_at IS NULL",
            (run, n),
        )
        turns = bool(cursor.scalar())
        self.store.file.reader.rollback()
        return turns
