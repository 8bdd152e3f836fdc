"""Every cap of a campaign, as the gate keeps it over the calls that are in the store."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from activities.gates import CampaignGate
from campaigns.attempts import Outcome, Step
from campaigns.definition import Campaign
from store.engine import Store, open_store
from tests.store.scene import BUSY, START, Clock, Scene, campaign, open_scene, people, retry

DAY = 86_400.0
MIDNIGHT = 1_200.0
"""The tests begin at 23:40 of the first of February, where the numbers are."""
MARCH = 27 * DAY + MIDNIGHT


@pytest.fixture
def clock() -> Clock:
    """Give the test a clock that stands still until it is moved."""
    return Clock()


@pytest.fixture
async def store(template: Path, tmp_path: Path, clock: Clock) -> AsyncIterator[Store]:
    """Give the test a store."""
    shutil.copyfile(template, tmp_path / "store.db")
    async with open_store(f"sqlite:///{tmp_path}/store.db", clock) as opened:
        yield opened


def limited(name: str = "teste", **limits: Any) -> Campaign:
    """Return a campaign with these limits and no hours; a contact has calls enough."""
    per_contact = {"total": "100", **limits.pop("per_contact", {})}
    return campaign(name, limits={"per_contact": per_contact, **limits})


def of(whose: str, caps: dict[str, str]) -> Campaign:
    """Return a campaign with caps for a contact or for a number."""
    limits: dict[str, Any] = {whose: caps}
    return limited(**limits)


async def dial(
    run: Scene, definition: Campaign, count: int, *, outcome: Outcome = Outcome.BUSY
) -> list[float]:
    """Call whoever is due as soon as the gate lets them, up to `count` calls; return when."""
    gate = CampaignGate(definition, loopback=True)
    made: list[float] = []
    steps: list[Step] = []
    total = definition.limits.per_contact.total
    while len(made) < count:
        token = run.token()
        found = await run.reserve(token, steps=steps, gate=gate, per_contact=total)
        steps = []
        if not found.keys:
            if found.next_due is None:
                break
            assert found.next_due > run.clock.now, "who must wait is not due at once"
            run.clock.now = found.next_due
            continue
        keys = [claim.key for claim in await run.claim(token, found.keys, per_contact=total)]
        await run.accept(keys)
        made += [run.clock.now - START] * len(keys)
        await run.finish(keys, BUSY)
        spared = outcome in {Outcome.TECHNICAL, Outcome.NEVER_RAN}
        change = {"outcome": outcome, "spared": spared}
        steps = [retry(key, 0.0).model_copy(update=change) for key in keys]
    await run.reserve(steps=steps, gate=gate, per_contact=total, channels=0)
    return made


CAPS = [
    ({"total": "3"}, [0, 0, 0]),
    ({"per_day": "2"}, [0, 0, MIDNIGHT, MIDNIGHT, MIDNIGHT + DAY, MIDNIGHT + DAY]),
    ({"rolling_24h": "2"}, [0, 0, DAY, DAY, 2 * DAY, 2 * DAY]),
    ({"per_week": "2"}, [0, 0, MIDNIGHT, MIDNIGHT, MIDNIGHT + 7 * DAY, MIDNIGHT + 7 * DAY]),
    ({"per_month": "2"}, [0, 0, MARCH, MARCH, MARCH + 31 * DAY, MARCH + 31 * DAY]),
    ({"min_gap": "5h"}, [18_000.0 * n for n in range(6)]),
    ({"min_gap": "5h", "per_day": "2"}, [0, 18_000, 36_000, DAY + MIDNIGHT]),
]


@pytest.mark.parametrize("whose", ["per_contact", "per_number"])
@pytest.mark.parametrize(("caps", "expected"), CAPS)
async def test_each_cap_lets_a_call_through_at_its_moment(
    store: Store, whose: str, caps: dict[str, str], expected: list[float]
) -> None:
    """Not a call more, and not a second later than the cap says."""
    definition = of(whose, caps)
    run = await open_scene(store, rows=people(1))
    ends = "total" in caps
    assert await dial(run, definition, len(expected) + ends) == pytest.approx(expected)
    if ends:
        (contact,) = await run.contacts()
        assert (contact.state, contact.outcome) == ("done", Outcome.NOT_ALLOWED)


@pytest.mark.parametrize(("caps", "expected"), CAPS)
async def test_calls_of_other_campaigns_count_for_the_number(
    store: Store, clock: Clock, caps: dict[str, str], expected: list[float]
) -> None:
    """One campaign has made the first call; another goes on where the cap of the number stands."""
    first = await open_scene(store, run="run1", name="um", rows=people(1))
    await dial(first, limited("um", per_number=caps), 1)
    clock.now = START
    second = await open_scene(store, run="run2", name="dois", rows=people(1))
    made = await dial(second, limited("dois", per_number=caps), len(expected) - 1)
    assert made == pytest.approx(expected[1:])


async def test_caps_of_a_contact_count_all_its_numbers(store: Store) -> None:
    """A person with two numbers is one person, whichever of them rang in whatever campaign."""
    other = await open_scene(store, run="run1", name="um", rows=people(2))
    await dial(other, limited("um"), 2)
    run = await open_scene(store, run="run2", name="dois", rows=people(1, numbers=2))
    made = await dial(run, limited("dois", per_contact={"total": "9", "rolling_24h": "2"}), 1)
    assert made == pytest.approx([DAY])


@pytest.mark.parametrize("whose", ["per_contact", "per_number"])
@pytest.mark.parametrize("caps", [caps for caps, _ in CAPS])
async def test_a_technical_failure_burns_no_cap_of_the_person(
    store: Store, whose: str, caps: dict[str, str]
) -> None:
    """Calls that never reached the person may follow each other, within a cap of their own."""
    run = await open_scene(store, rows=people(1))
    made = await dial(run, of(whose, caps), 5, outcome=Outcome.TECHNICAL)
    assert made == [0] * 5
    (contact,) = await run.contacts()
    assert (contact.accepted, contact.technical) == (0, 5)


async def test_a_written_gap_holds_beside_written_hours(store: Store) -> None:
    """Each call is the first that hours and gap allow; unwritten, three a week are polite."""
    definition = campaign(
        calling_hours={"mon-fri": "09:00-12:00"},
        limits={"per_number": {"min_gap": "2h", "per_day": "5", "per_month": "20"}},
    )
    run = await open_scene(store, rows=people(1))
    made = await dial(run, definition, 4)
    zone = ZoneInfo("America/Sao_Paulo")
    local = [datetime.fromtimestamp(START + at, zone) for at in made]
    days = [f"{at:%a %d %H:%M}" for at in local]
    assert days == ["Mon 02 09:00", "Mon 02 11:00", "Tue 03 09:00", "Mon 09 09:00"]


async def test_a_written_week_takes_the_place_of_the_polite_one(store: Store) -> None:
    """A cap that is written holds, be it wider or narrower; every other stays polite."""
    definition = campaign(
        calling_hours={"mon-fri": "09:00-12:00"},
        limits={
            "per_contact": {"total": "9"},
            "per_number": {"min_gap": "2h", "per_week": "5", "per_month": "20"},
        },
    )
    run = await open_scene(store, rows=people(1))
    made = await dial(run, definition, 6)
    zone = ZoneInfo("America/Sao_Paulo")
    days = [f"{datetime.fromtimestamp(START + at, zone):%a %d %H:%M}" for at in made]
    assert days == [
        *("Mon 02 09:00", "Mon 02 11:00", "Tue 03 09:00", "Tue 03 11:00", "Wed 04 09:00"),
        "Mon 09 09:00",
    ]
