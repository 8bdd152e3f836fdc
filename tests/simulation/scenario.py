"""What a seed stands for: campaigns, people, the provider's weather, and trouble to come."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from random import Random
from typing import Any, Literal

from campaigns.contacts import ContactRow
from campaigns.definition import Campaign
from campaigns.numbers import PhoneNumber, normalise
from tests.simulation.loop import START
from tests.simulation.provider import OURS, Weather

RETRIES: tuple[list[dict[str, Any]], ...] = (
    [],
    [{"leg": "contact", "status": "ocupado", "after": "2s", "times": "2"}],
    [
        {"status": "ocupado", "after": ["1s", "3s"], "times": "2"},
        {"status": "congestionado", "after": "2s", "times": "2"},
        {"status": ["sem resposta", "não existe"], "then": "next_number"},
        {"outcome": "voicemail", "after": "3s", "times": "1"},
    ],
    [
        {"status": "sem resposta", "after": "2s", "times": "1"},
        {"leg": "contact", "reasons": "busy", "then": "next_number"},
        {"reasons": "rejected", "then": "suppress"},
    ],
)


@dataclass(frozen=True)
class Doom:
    """What happens to one process: at the n-th boundary of its I/O, or at an instant."""

    what: Literal["dies", "freezes", "is cut off", "is told to end"]
    at_boundary: int | None = None
    at: float | None = None
    seconds: float = 0.0


@dataclass(frozen=True)
class Order:
    """What a person at the command line does at an instant."""

    at: float
    what: Literal[
        "pause",
        "resume",
        "stop",
        "stop and hang up",
        "suppress",
        "withdraw",
        "update",
        "resolve",
    ]
    run: int
    person: int = 0
    """Whom it is about: a number by its index, or, to withdraw, a contact by its place."""
    definition: Campaign | None = None
    """What the campaign is to be from then on."""


@dataclass(frozen=True)
class Listed:
    """One campaign with its people, each a list of numbers by their index."""

    run: str
    written: Mapping[str, Any]
    """The campaign as its file has it."""
    people: tuple[tuple[int, ...], ...]
    lanes: int

    @cached_property
    def definition(self) -> Campaign:
        """The campaign as it begins."""
        return Campaign.model_validate(self.written)


@dataclass(frozen=True)
class Scenario:
    """Everything that one simulation is made of."""

    seed: int
    campaigns: tuple[Listed, ...]
    account_channels: int | None
    account_rate: float | None
    weather: Weather
    workers: int
    dooms: tuple[tuple[Doom, ...], ...]
    """What becomes of each process, in the order in which they start; later ones live on."""
    orders: tuple[Order, ...]
    looks_after: bool
    """Whether somebody settles, in the end, what could not be decided."""
    store_faults: float
    """Share of the store's transactions that fail until the weather clears up."""
    mix: Mapping[str, float]
    """How often a call comes to what."""
    invalid: tuple[int, ...]
    """Numbers that the API refuses, by their index."""

    @property
    def requeues(self) -> bool:
        """Whether a call that is proven absent is made again."""
        return self.campaigns[0].definition.reconcile.then == "requeue"


def number(index: int) -> PhoneNumber:
    """Return the number with an index."""
    parsed = normalise(f"119{61000000 + index}")
    assert isinstance(parsed, PhoneNumber)
    return parsed


def index_of(e164: str) -> int:
    """Return the index of a number, which is what is shown of it."""
    return int(e164[-8:]) - 61000000


def rows(people: tuple[tuple[int, ...], ...]) -> list[ContactRow]:
    """Return the list's rows."""
    return [
        ContactRow(
            line=line + 2,
            external_id=str(line),
            numbers=tuple(number(n) for n in numbers),
            columns={},
        )
        for line, numbers in enumerate(people)
    ]


def scenario(seed: int) -> Scenario:
    """Return what a seed stands for; the same seed gives the same."""
    rng = Random(seed)
    quiet = rng.choice((2.0, 2.0, 3.0, 5.0))
    park = rng.random() < 0.25
    together = rng.random() < 0.3
    campaigns = tuple(
        _campaign(rng, index, quiet, park=park, crowd=5) for index in range(1 + together)
    )
    capped = rng.random() < 0.3
    workers = rng.choice((1, 2, 2, 3))
    people = Random(f"{seed} people")  # so that what they may do can grow and the rest stay
    weather = _weather(rng, quiet)
    if park and people.random() < 0.5:
        weather = replace(weather, hides=people.choice((0.3, 0.9)), hidden=4 * quiet)
    return Scenario(
        seed=seed,
        campaigns=campaigns,
        account_channels=rng.randint(1, 4) if capped else None,
        account_rate=rng.choice((2.0, 4.0)) if capped else None,
        weather=weather,
        workers=workers,
        dooms=tuple(_dooms(rng) for _ in range(workers + rng.randint(0, 3))),
        orders=_in_order(*_orders(rng, len(campaigns)), *_changes(people, campaigns, park=park)),
        looks_after=people.random() < 0.5,
        store_faults=rng.choice((0.0, 0.0, 0.0, 0.02, 0.08)),
        mix={
            "answer": rng.choice((1, 2, 4)),
            "busy": rng.choice((0, 1, 2)),
            "no_answer": rng.choice((0, 1)),
            "voicemail": rng.choice((0, 0, 1)),
            "rejected": rng.choice((0, 0, 1)),
            "technical": rng.choice((0, 0, 1)),
            "invalid_number": rng.choice((0, 0, 1)),
            "never_ran": 0.05 if rng.random() < 0.05 else 0,
        },
        invalid=tuple(n for n in range(6) if rng.random() < 0.03),
    )


def _campaign(rng: Random, index: int, quiet: float, *, park: bool, crowd: int) -> Listed:
    people = []
    for _ in range(rng.choice((1, 2, 3, 4))):
        how_many = rng.choice((1, 1, 1, 2))
        people.append(tuple(rng.sample(range(crowd), how_many)))
    limits: dict[str, Any] = {"per_contact": {"total": str(rng.choice((1, 2, 3, 5)))}}
    if rng.random() < 0.15:
        limits["per_number"] = {"total": str(rng.choice((1, 2, 3)))}
    written = {
        "campaign": f"campanha-{index}",
        "purpose": "collection",
        "dial_list": {"file": "lista.csv", "numbers": ["a", "b"]},
        "call": {
            "connect_to": OURS,
            "contact_leg": rng.choice(("origem", "origem", "destino")),
            "max_duration": rng.choice(("10s", "15s")),
        },
        "pacing": {
            "channels": str(rng.choice((1, 2, 3, 5))),
            "calls_per_second": rng.choice(("1", "2", "2", "5", "10")),
        },
        "calling_hours": "always",
        "limits": limits,
        "reconcile": {"quiet": f"{quiet:g}s", "then": "park" if park else "requeue"},
        "retry": rng.choice(RETRIES),
    }
    return Listed(f"run{index + 1}", written, tuple(people), rng.choice((1, 1, 1, 2, 2, 3)))


def _weather(rng: Random, quiet: float) -> Weather:
    """Return weather whose every delay stays below `quiet`, as the promises ask for."""
    lag = rng.choice((0.0, 0.0, 0.3, quiet * 0.4))
    bad = rng.choice((0.0, 0.3, 0.6, 0.9))
    fates: tuple[str, ...] = ("reset before", "reset after", "500 before", "500 after", "silence")
    fates += ("garbage", "slow", "late", "429")
    chosen = rng.sample(fates, rng.randint(1, 4))
    post = {fate: bad / len(chosen) for fate in chosen}
    if rng.random() < 0.05:
        post["402"] = 0.1
    bad_get = rng.choice((0.0, 0.0, 0.1, 0.4))
    get = dict.fromkeys(("500", "reset", "silence", "garbage", "slow"), bad_get / 5)
    return Weather(
        post=post,
        report=get,
        fetch=get if rng.random() < 0.5 else {},
        hang_up={fate: rng.choice((0.0, 0.2)) for fate in ("500", "reset", "deaf")},
        unreachable=rng.choice((0.0, 0.0, 0.1, 0.4)),
        lag=lag,
        late=quiet - lag - 0.5,
        skew=rng.choice((0.0, 0.0, 0.0, 3.0, -40.0, 1500.0)),
        clear_at=START + rng.choice((5.0, 10.0, 20.0)),
    )


def _dooms(rng: Random) -> tuple[Doom, ...]:
    dooms = []
    for _ in range(rng.choice((0, 1, 1, 1, 2))):
        what: Any = rng.choice(
            (
                "dies",
                "dies",
                "dies",
                "freezes",
                "freezes",
                "freezes",
                "is cut off",
                "is told to end",
            )
        )
        seconds = rng.choice((0.5, 3.0, 7.0, 8.0, 9.0))
        if rng.random() < 0.6:
            dooms.append(Doom(what, at_boundary=rng.randint(0, 30), seconds=seconds))
        else:
            dooms.append(Doom(what, at=round(rng.uniform(0, 5), 3), seconds=seconds))
    return tuple(dooms)


def _orders(rng: Random, runs: int) -> tuple[Order, ...]:
    orders: list[Order] = []
    for run in range(runs):
        at = 0.0
        for _ in range(rng.choice((0, 0, 0, 1, 2))):
            at += round(rng.choice((0.05, 0.5, 2.0, 4.0)) * rng.uniform(0.5, 1.5), 3)
            orders.append(Order(at, "pause", run))
            at += round(rng.choice((0.01, 0.5, 3.0)), 3)
            orders.append(Order(at, "resume", run))
        if rng.random() < 0.12:
            at = round(rng.uniform(0.1, 8), 3)
            orders.append(Order(at, rng.choice(("stop", "stop and hang up")), run))
    if rng.random() < 0.1:
        orders.append(Order(round(rng.uniform(0.1, 5), 3), "suppress", 0, person=rng.randint(0, 4)))
    return _in_order(*orders)


def _in_order(*orders: Order) -> tuple[Order, ...]:
    return tuple(sorted(orders, key=lambda order: order.at))


def _changes(rng: Random, campaigns: Sequence[Listed], *, park: bool) -> Iterator[Order]:
    """Draw who leaves, which rules change, and when somebody looks after lost calls."""
    for run, listed in enumerate(campaigns):
        for _ in range(rng.choice((0, 0, 0, 1, 1, 2))):
            at = round(rng.choice((0.5, 3.0, 8.0)) * rng.uniform(0.05, 1), 3)
            yield Order(at, "withdraw", run, person=rng.randrange(len(listed.people)))
        written, at = listed.written, 0.0
        for _ in range(rng.choice((0, 0, 0, 1, 2))):
            at += round(rng.choice((0.5, 2.0, 5.0)) * rng.uniform(0.1, 1), 3)
            written = _changed(rng, written)
            yield Order(at, "update", run, definition=Campaign.model_validate(written))
        for _ in range(rng.choice((0, 3, 6, 9)) if park else 0):
            yield Order(round(rng.uniform(4, 20), 3), "resolve", run)


def _changed(rng: Random, written: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a campaign with one or two of the things different that may change while it runs."""
    pacing = {
        "channels": str(rng.choice((1, 2, 3, 5))),
        "calls_per_second": rng.choice(("1", "2", "5", "10")),
        "priority": rng.choice(("1", "3", "5")),
    }
    changed = dict(written)
    for what in rng.sample((*pacing, "limits", "retry"), rng.randint(1, 2)):
        if what == "limits":
            total = {"total": str(rng.choice((1, 2, 3, 5)))}
            changed["limits"] = {**changed["limits"], "per_contact": total}
        elif what == "retry":
            changed["retry"] = rng.choice(RETRIES)
        else:
            changed["pacing"] = {**changed["pacing"], what: pacing[what]}
    return changed
