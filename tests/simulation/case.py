"""What there is to judge a simulation by, in the shapes that the promises ask for.

The provider's ledger and what was written to the wire come first. The store's rows are read by
plain SQL, for what only they can say: when something was asked for, and how people ended.
"""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from campaigns.definition import Campaign
from tests.simulation.people import Done
from tests.simulation.process import Sent
from tests.simulation.provider import Call
from tests.simulation.scenario import Scenario

HAIR = 1e-6
"""Seconds by which two floats of the same instant may differ."""


@dataclass
class Evidence:
    """What there is to judge by. `over`: everything ended in time, at `ended_at`."""

    plan: Scenario
    ledger: Sequence[Call]
    sent: Sequence[Sent]
    done: Sequence[Done]
    connection: Any
    over: bool
    ended_at: float


class Case:
    """The evidence, in the shapes that the promises ask for."""

    def __init__(self, evidence: Evidence) -> None:
        self.evidence = evidence
        self.plan = evidence.plan
        self.ledger = evidence.ledger
        self.attempts = self._table("attempts")
        self.by_key = {row["key"]: row for row in self.attempts}
        self.contacts = self._table("contacts")
        self.runs = {row["id"]: row for row in self._table("runs")}
        self.events = self._table("run_events")
        self.done = evidence.done
        self.rules = {(listed.run, 1): listed.definition for listed in self.plan.campaigns}
        for done in self.done:
            if done.definition is not None:
                self.rules[done.run, done.version] = done.definition

    def _table(self, name: str) -> list[sqlite3.Row]:
        cursor = self.evidence.connection.cursor()
        cursor.row_factory = sqlite3.Row
        return list(cursor.execute(f"SELECT * FROM {name} ORDER BY rowid"))

    def query(self, text: str, *values: Any) -> list[Any]:
        """Ask the store in SQL."""
        return list(self.evidence.connection.cursor().execute(text, values))

    def run_of(self, call: Call) -> str:
        """Return the run that a call was made for."""
        return call.key.partition(".")[0]

    def version_of(self, key: str) -> int:
        """Return by which version of its run's rules an attempt was reserved."""
        return self.by_key[key]["rules_version"] if key in self.by_key else 1

    def rules_of(self, key: str) -> Campaign:
        """Return the rules by which an attempt was reserved."""
        return self.rules[key.partition(".")[0], self.version_of(key)]

    def of_contact(self, run: str, n: int) -> list[sqlite3.Row]:
        """Return the attempts of a contact."""
        return [row for row in self.attempts if (row["run_id"], row["n"]) == (run, n)]

    def calls_by(self, key: Callable[[Call], Any]) -> Iterator[tuple[Any, list[Call]]]:
        """Group the ledger."""
        groups: dict[Any, list[Call]] = defaultdict(list)
        for call in self.ledger:
            groups[key(call)].append(call)
        yield from groups.items()
