"""What every contender is asked to do: how many channels, how long calls last, whom to call."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

SEED = 20_261
"""Everything that is drawn, here and in the sandbox, follows from it."""

RAMAL = "4000"

SHORT = """\
movel: {answer: 1, voicemail: 0, no_answer: 0, busy: 0, reject: 0, absent: 0, network: 0,
        congested: 0, invalid: 0, ported: 0}
answer_by_hour: {0: 1, 1: 1, 2: 1, 3: 1, 4: 1, 5: 1, 6: 1, 7: 1, 21: 1, 22: 1, 23: 1}
setup: 1
ramais: {answer: 1, ring: {low: 1, high: 1}}
ring_before_answer: {low: 1, high: 3}
talk: {median: 5.9, sigma: 0.2, minimum: 2, maximum: 20}
"""
"""Ten simulated seconds in the mean, which `--speed 10` makes one second of everybody's time."""

LONG = """\
movel: {answer: 1, voicemail: 0, no_answer: 0, busy: 0, reject: 0, absent: 0, network: 0,
        congested: 0, invalid: 0, ported: 0}
answer_by_hour: {0: 1, 1: 1, 2: 1, 3: 1, 4: 1, 5: 1, 6: 1, 7: 1, 21: 1, 22: 1, 23: 1}
setup: 1
ramais: {answer: 1, ring: {low: 1, high: 3}}
ring_before_answer: {low: 4, high: 10}
talk: {median: 19.4, sigma: 0.25, minimum: 5, maximum: 60}
"""
"""Thirty real seconds in the mean, from about 18 to 50."""


@dataclass(frozen=True)
class Load:
    """One scenario. `poll` is how often a contender that polls single calls should ask, seconds.

    `contacts` bounds the list; it is long enough that nobody reaches its end while measured.
    """

    name: str
    channels: int
    calls_per_second: float
    profile: str
    speed: float
    poll: float
    contacts: int
    warm_up: float
    seconds: float


def saturation(seconds: float, *, warm_up: float = 6.0, contacts: int = 0) -> Load:
    """2,000 channels and calls of about one second: the machine is the limit."""
    return Load(
        name="saturation",
        channels=2_000,
        calls_per_second=2_000.0,
        profile=SHORT,
        speed=10.0,
        poll=1.0,
        contacts=contacts or int(2_000 * (seconds + warm_up + 6)),
        warm_up=warm_up,
        seconds=seconds,
    )


def steady(seconds: float, *, warm_up: float = 60.0) -> Load:
    """300 channels and calls of about 30 s: the channels are the limit."""
    return Load(
        name="steady",
        channels=300,
        calls_per_second=50.0,
        profile=LONG,
        speed=1.0,
        poll=2.0,
        contacts=int(15 * (seconds + warm_up)) + 600,
        warm_up=warm_up,
        seconds=seconds,
    )


def paced(rate: float, seconds: float) -> Load:
    """Room for more calls than `rate` makes: pacing is the limit."""
    return Load(
        name=f"pacing {rate:g}/s",
        channels=2_000,
        calls_per_second=rate,
        profile=SHORT,
        speed=10.0,
        poll=1.0,
        contacts=int(1.2 * rate * (seconds + 20)) + 20,
        warm_up=2.0,
        seconds=seconds,
    )


def numbers(count: int) -> Iterator[str]:
    """Draw `count` different mobile numbers of São Paulo, in national form."""
    step = random.Random(SEED).randrange(1, 9_000_000, 2)  # odd and no multiple of 5 below: a walk
    while step % 5 == 0:
        step += 2
    for index in range(count):
        yield f"119{80_000_000 + index * step % 10_000_000:08d}"


def write_list(path: Path, rows: int) -> None:
    """Write a contact list as a user has it: a number, an id and two more columns."""
    with path.open("w", encoding="utf-8") as file:
        file.write("contrato;celular;carteira;vencimento\n")
        for index, number in enumerate(numbers(rows)):
            file.write(f"C{index:07d};({number[:2]}) {number[2:7]}-{number[7:]};A{index % 7};")
            file.write(f"2026-{index % 12 + 1:02d}-{index % 28 + 1:02d}\n")


def e164s(path: Path) -> Iterator[str]:
    """Read the numbers of such a list as the API takes them, one at a time."""
    with path.open(encoding="utf-8") as file:
        next(file)
        for line in file:
            yield "+55" + "".join(filter(str.isdecimal, line.split(";")[1]))
