"""A campaign in a store, as the tests of the store set it up and look at it."""

from __future__ import annotations

import asyncio
import itertools
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import select, text, update

from campaigns.attempts import CallFacts, Ended, LegFacts, Outcome, Step
from campaigns.contacts import ContactRow, Note, RejectedRow
from campaigns.definition import Campaign
from campaigns.guarding import Watch
from campaigns.numbers import PhoneNumber, normalise
from store import importing, placing, reserving, runs, tracking
from store.engine import Store
from store.gate import Candidate, GateAnswer
from store.pacing import Pace
from store.placing import Claim, Placed
from store.reserving import Reservation
from store.schema import attempts, contacts, decisions, suppressions, tallies
from store.tracking import EndedCall

ACCOUNT = "account"
START = 1_770_000_000.0
ANSWERED = LegFacts(status="atendida", reason=16, talked=20, total=30)
BUSY = LegFacts(status="ocupado", reason=17, total=4)
NOBODY = LegFacts()


@dataclass
class Clock:
    """A clock that stands still until it is moved; seconds since 1970."""

    now: float = START

    def __call__(self) -> float:
        """Read the clock."""
        return self.now


class OpenGate:
    """A gate that lets everyone through, or answers as it is told."""

    def __init__(
        self,
        answer: Callable[[Candidate, float], GateAnswer] | None = None,
        *,
        history: float = 0.0,
    ) -> None:
        self._answer = answer
        self.history = history
        self.asked: list[Candidate] = []

    def __call__(self, candidate: Candidate, now: float, /) -> GateAnswer:
        """Judge a candidate, and remember that it was asked about."""
        self.asked.append(candidate)
        return GateAnswer() if self._answer is None else self._answer(candidate, now)


def phone(index: int) -> PhoneNumber:
    """Return the number of the n-th person of a test."""
    number = normalise(f"119{61000000 + index}")
    assert isinstance(number, PhoneNumber)
    return number


def people(
    count: int, *, first: int = 0, numbers: int = 1
) -> list[ContactRow | RejectedRow | Note]:
    """Return rows for `count` people with so many numbers each."""
    return [
        ContactRow(
            line=index + 2,
            external_id=f"row-{index}",
            numbers=tuple(phone(index * numbers + position) for position in range(numbers)),
            columns={"contrato": f"A-{index}"},
        )
        for index in range(first, first + count)
    ]


def campaign(name: str = "teste", **parts: Any) -> Campaign:
    """Return a campaign; `parts` replace whole sections."""
    definition: dict[str, Any] = {
        "campaign": name,
        "purpose": "collection",
        "dial_list": {"file": "lista.csv", "numbers": ["celular"]},
        "call": {"connect_to": "4000"},
        "pacing": {"channels": "100", "calls_per_second": "50"},
        "calling_hours": "always",
    }
    return Campaign.model_validate({**definition, **parts})


@dataclass
class Scene:
    """A run in a store, with short words for what a lane does to it."""

    store: Store
    run: str
    definition: Campaign
    tokens: Any = field(default_factory=itertools.count)
    channels: int = 100
    rate: float = 50.0
    horizon: float = 5.0
    priority: int = 3

    @property
    def clock(self) -> Any:
        """The clock of the store."""
        return self.store.clock

    def token(self) -> str:
        """Draw a token that was not used before."""
        return f"t{next(self.tokens)}"

    async def reserve(
        self,
        token: str | None = None,
        *,
        steps: Sequence[Step] = (),
        lane: int = 0,
        gate: Any = None,
        channels: int | None = None,
        horizon: float | None = None,
        rate: float | None = None,
        per_contact: int = 5,
        starts_at: float | None = None,
        ends_at: float | None = None,
        watch: Watch = reserving.NO_GUARDS,
        rules_version: int | None = None,
        more: bool = False,
    ) -> Reservation:
        """Settle `steps` and reserve who is next, under a token of its own unless one is given."""
        return await reserving.settle_and_reserve(
            self.store,
            run_id=self.run,
            lane=lane,
            token=token or self.token(),
            steps=steps,
            channels=self.channels if channels is None else channels,
            calls_per_second=rate or self.rate,
            per_contact=per_contact,
            purpose="collection",
            horizon=horizon or self.horizon,
            gate=gate or OpenGate(),
            priority=self.priority,
            starts_at=starts_at,
            ends_at=ends_at,
            watch=watch,
            rules_version=rules_version,
            more=more,
        )

    async def claim(
        self,
        token: str,
        keys: Sequence[str],
        *,
        per_contact: int = 5,
        rate: float | None = None,
        with_columns: bool = False,
        capped: bool = False,
        watch: Watch | None = None,
    ) -> list[Claim]:
        """Win attempts."""
        claims, _ = await self.claim_at(
            token,
            keys,
            per_contact=per_contact,
            rate=rate,
            with_columns=with_columns,
            capped=capped,
            watch=watch,
        )
        return claims

    async def claim_at(
        self,
        token: str,
        keys: Sequence[str],
        *,
        per_contact: int = 5,
        rate: float | None = None,
        with_columns: bool = False,
        capped: bool = False,
        watch: Watch | None = None,
    ) -> tuple[list[Claim], Pace]:
        """Win attempts; return the pace of their slots too."""
        return await placing.claim(
            self.store,
            run_id=self.run,
            token=token,
            keys=keys,
            calls_per_second=rate or self.rate,
            per_contact=per_contact,
            purpose="collection",
            with_columns=with_columns,
            capped=capped,
            watch=watch,
        )

    async def place(self, count: int = 1_000, **how: Any) -> list[str]:
        """Reserve, claim and record as placed up to `count` calls; return their keys."""
        token = self.token()
        found = await self.reserve(token, **how)
        keys = [claim.key for claim in await self.claim(token, found.keys[:count])]
        await self.accept(keys)
        return keys

    async def accept(self, keys: Sequence[str]) -> None:
        """Record that the API has accepted these calls."""
        await placing.record(self.store, [Placed(key=key, api_id=api_id(key)) for key in keys])

    async def finish(self, keys: Sequence[str], contact: LegFacts = BUSY, **facts: Any) -> int:
        """Record that calls have ended so."""
        call = CallFacts(contact=contact, other=facts.pop("other", NOBODY), **facts)
        return await tracking.record_ended(
            self.store, [EndedCall(key=key, facts=call, cost_brl=0.35) for key in keys]
        )

    async def be_done(self) -> None:
        """Let everybody who is due be done: nobody is left to call."""
        async with self.store.write() as connection:
            await connection.execute(
                update(contacts)
                .where(contacts.c.run_id == self.run, contacts.c.state == "due")
                .values(state="done", outcome=Outcome.ANSWERED.value)
            )

    async def undecided(self, lane: int = 0, limit: int = 1_000) -> list[Ended]:
        """Return what waits for a decision."""
        return await tracking.undecided(self.store, self.run, lane, limit)

    async def attempts(self) -> dict[str, Any]:
        """Return every attempt of the run by key."""
        return {row.key: row for row in await self.rows(attempts)}

    async def contacts(self) -> list[Any]:
        """Return every contact of the run in order."""
        return sorted(await self.rows(contacts), key=lambda row: row.n)

    async def decisions(self) -> list[Any]:
        """Return the run's log of decisions."""
        return sorted(await self.rows(decisions), key=lambda row: row.id)

    async def tallies(self) -> dict[str, int]:
        """Return the run's running totals, summed over its lanes."""
        sums: dict[str, int] = {}
        for row in await self.rows(tallies):
            sums[row.name] = sums.get(row.name, 0) + row.count
        return sums

    async def rows(self, table: Any) -> list[Any]:
        """Return every row of the run in a table."""
        async with self.store.read() as connection:
            return list(
                (await connection.execute(select(table).where(table.c.run_id == self.run))).all()
            )

    async def suppress(self, e164: str, **columns: Any) -> None:
        """Write a number on the account's list of those that must not be called."""
        values = {
            "account_id": ACCOUNT,
            "e164": e164,
            "scope": "all",
            "created_at": self.store.now(),
        }
        async with self.store.write() as connection:
            await connection.execute(suppressions.insert().values(**{**values, **columns}))


def api_id(key: str) -> int:
    """Return the id that the API gave to an attempt: the same each time."""
    return zlib.crc32(key.encode())


def final(key: str, outcome: Outcome = Outcome.BUSY) -> Step:
    """Return the decision that a contact is done."""
    return Step(key=key, action="final", outcome=outcome, why="no_rule")


def retry(key: str, delay: float = 60.0, rule: int | None = 0) -> Step:
    """Return the decision to call again."""
    return Step(key=key, action="retry", outcome=Outcome.BUSY, delay=delay, rule=rule, why="rule")


def next_number(key: str) -> Step:
    """Return the decision to try the contact's next number."""
    return Step(key=key, action="next_number", outcome=Outcome.INVALID_NUMBER, rule=1, why="rule")


async def open_scene(
    store: Store,
    *,
    run: str = "run1",
    name: str = "teste",
    rows: Sequence[ContactRow | RejectedRow | Note] = (),
    lanes: int = 1,
    account_channels: int | None = None,
    account_rate: float | None = None,
    ready: bool = True,
    definition: Campaign | None = None,
    guards: dict[str, Any] | None = None,
    **options: Any,
) -> Scene:
    """Import a list and let its run dial."""
    await runs.ensure_account(store, ACCOUNT, account_channels, account_rate)
    definition = definition or campaign(name, guards=guards or {})
    await runs.create_run(store, run_id=run, account=ACCOUNT, definition=definition, lanes=lanes)
    await importing.import_rows(store, run, rows or people(4))
    if ready:
        await runs.mark_ready(store, run)
    return Scene(store, run, definition, **options)


async def until_somebody_waits(store: Store) -> None:
    """Wait until a transaction of a PostgreSQL database waits for another one."""
    waits = text(
        "SELECT count(*) FROM pg_locks JOIN pg_stat_activity USING (pid)"
        " WHERE NOT granted AND datname = current_database()"
    )
    async with asyncio.timeout(30):
        while True:
            async with store.read() as connection:
                if (await connection.execute(waits)).scalar_one():
                    return
            await asyncio.sleep(0.01)
