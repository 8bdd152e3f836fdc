"""Campaigns of one account and lanes of one campaign: who gets what of channels and slots."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from store import placing
from store.pacing import SPACING, take_between
from store.placing import CLAIM_AHEAD, Placed
from store.sharing import WEIGHTS, Sharer, fill, whole_shares
from tests.store.conftest import Opens
from tests.store.scene import START, Clock, Scene, api_id, final, people
from tests.store.test_pacing import most_in_a_second

SHARERS = st.lists(
    st.tuples(st.sampled_from([1.0, 2.0, 4.0, 8.0, 16.0]), st.integers(0, 60), st.floats(0, 9)),
    min_size=1,
    max_size=8,
).map(
    lambda items: [
        Sharer(f"run{index}", weight, wants, served=served)
        for index, (weight, wants, served) in enumerate(items)
    ]
)


@given(st.integers(0, 80), SHARERS)
def test_shares_add_up_and_nothing_is_left_while_somebody_wants_more(
    capacity: int, sharers: list[Sharer]
) -> None:
    """Nobody gets more than it wants, all of them no more than there is, and all of it is given."""
    shares = whole_shares(capacity, sharers)
    assert all(0 <= shares[item.name] <= item.wants for item in sharers)
    assert sum(shares.values()) == min(capacity, sum(item.wants for item in sharers))


@given(st.floats(0.1, 500), SHARERS)
def test_a_heavier_one_never_gets_less_of_what_both_want(
    capacity: float, sharers: list[Sharer]
) -> None:
    """By weight: of two that are both left wanting, the heavier has more, in proportion."""
    parts = fill(capacity, {item.name: (item.weight, item.wants) for item in sharers})
    wanting = [item for item in sharers if parts[item.name] < item.wants - 1e-6]
    for one, other in pairwise(wanting):
        assert parts[one.name] / one.weight == pytest.approx(parts[other.name] / other.weight)


def test_one_channel_goes_round_by_weight() -> None:
    """With less than one channel for each, everybody has its turn, sixteen to one."""
    served = {"urgent": 0.0, "idle": 0.0}
    turns = Counter[str]()
    for _ in range(170):
        sharers = [
            Sharer("urgent", 16, 5, served=served["urgent"]),
            Sharer("idle", 1, 5, served=served["idle"]),
        ]
        (winner,) = [name for name, share in whole_shares(1, sharers).items() if share]
        turns[winner] += 1
        served[winner] += 1 / {"urgent": 16, "idle": 1}[winner]
    assert turns == {"urgent": 160, "idle": 10}


@given(st.integers(1, 300), st.lists(st.floats(0.02, 1.0), min_size=1, max_size=5), st.randoms())
def test_places_between_others_keep_the_rate_of_all_and_of_each(
    rate: int, parts: list[float], luck: random.Random
) -> None:
    """Whoever draws how many: slots lie a step apart, and nobody is faster than its own rate."""
    step = SPACING / rate
    own = [max(int(rate * part), 1) for part in parts]
    taken: list[float] = []
    ideal = [0.0] * len(own)
    drawn: list[list[float]] = [[] for _ in own]
    for _ in range(30):
        who = luck.randrange(len(own))
        slots, ideal[who] = take_between(
            taken,
            first=ideal[who],
            step=step,
            interval=SPACING / own[who],
            count=luck.randint(1, max(own[who] // 4, 1)),
        )
        drawn[who] += slots
    assert all(after - before >= step - 2e-5 for before, after in pairwise(taken))
    for slots, speed in zip(drawn, own, strict=True):
        assert slots == sorted(slots)
        assert most_in_a_second(slots) <= speed + 1


@dataclass
class Campaign:
    """A run whose calls last some seconds, and what the provider would have seen of it."""

    run: Scene
    seconds: float
    live: dict[str, float] = field(default_factory=dict)
    started: list[float] = field(default_factory=list)
    ended: list[str] = field(default_factory=list)
    lane: int = 0

    async def turn(self, now: float) -> None:
        """Settle what has ended, reserve, and place what pacing allows by now."""
        over = [key for key, until in self.live.items() if until <= now]
        await self.run.finish(over)
        for key in over:
            del self.live[key]
        token = self.run.token()
        found = await self.run.reserve(
            token,
            steps=[final(key) for key in self.ended + over],
            lane=self.lane,
            horizon=0.5,
        )
        self.ended = []
        claims = await self.run.claim(token, found.keys)
        await placing.record(
            self.run.store, [Placed(key=claim.key, api_id=api_id(claim.key)) for claim in claims]
        )
        for claim in claims:
            self.live[claim.key] = claim.slot + self.seconds
            self.started.append(claim.slot)


async def play(
    campaigns: Sequence[Campaign], clock: Clock, seconds: float, luck: random.Random, cap: int
) -> list[list[int]]:
    """Let campaigns take turns for some seconds; return how many calls each has, step by step."""
    seen = []
    until = clock.now + seconds
    while clock.now < until:
        for one in luck.sample(list(campaigns), len(campaigns)):
            await one.turn(clock.now)
            assert sum(len(each.live) for each in campaigns) <= cap
        seen.append([len(one.live) for one in campaigns])
        clock.now += 0.5
    return seen


async def several(
    scene: Opens, priorities: Sequence[int], *, channels: int, rate: float | None, seconds: float
) -> list[Campaign]:
    """Open campaigns of one account, with so many people that nobody runs out."""
    opened = []
    for index, priority in enumerate(priorities):
        run = await scene(
            run=f"run{index}",
            name=f"campaign-{index}",
            rows=people(220, first=index * 1_000),
            account_channels=channels,
            account_rate=rate,
            priority=priority,
            channels=channels,
            rate=100.0,
        )
        opened.append(Campaign(run, seconds))
    return opened


async def test_an_urgent_campaign_has_its_share_within_five_seconds(
    scene: Opens, clock: Clock
) -> None:
    """It starts beside one that holds every channel; idle channels are lent, and come back."""
    luck = random.Random(5)
    slow, urgent = await several(scene, [5, 1], channels=17, rate=None, seconds=3.0)
    assert (await play([slow], clock, 6, luck, 17))[-1] == [17]
    seen = await play([slow, urgent], clock, 5, luck, 17)
    assert seen[-1] == [1, 16]
    seen = await play([slow, urgent], clock, 20, luck, 17)
    assert all(busy >= 15 for _, busy in seen[4:])
    assert min(len(slow.live), 1) == 1
    assert len(slow.started) > 17 * 2 + 4  # it goes on, however light
    await urgent.run.finish(list(urgent.live))
    urgent.live.clear()
    assert (await play([slow], clock, 5, luck, 17))[-1] == [17]


async def test_nobody_starves_where_channels_are_fewer_than_campaigns(
    scene: Opens, clock: Clock
) -> None:
    """Two channels, three campaigns: the lightest is served too, the heaviest most."""
    luck = random.Random(8)
    three = await several(scene, [1, 3, 5], channels=2, rate=None, seconds=0.5)
    await play(three, clock, 24, luck, 2)
    served = [len(one.started) for one in three]
    assert served == sorted(served, reverse=True)
    assert served[-1] >= 2


async def test_slots_of_an_account_go_by_weight_and_none_is_wasted(
    scene: Opens, clock: Clock
) -> None:
    """Three campaigns want all of ten calls a second: together ten, each by its weight."""
    luck = random.Random(6)
    three = await several(scene, [1, 2, 3], channels=200, rate=10.0, seconds=1.0)
    begun = clock.now
    await play(three, clock, 18, luck, 200)
    slots = sorted(slot for one in three for slot in one.started)
    assert all(after - before >= SPACING / 10 - 2e-5 for before, after in pairwise(slots))
    assert most_in_a_second(slots) <= 11
    steady = [[slot for slot in one.started if begun + 5 < slot < begun + 17] for one in three]
    total = sum(len(part) for part in steady)
    assert total >= 0.9 * 12 * 10 / SPACING
    weights = [WEIGHTS[priority] for priority in (1, 2, 3)]
    for part, weight in zip(steady, weights, strict=True):
        assert len(part) / total == pytest.approx(weight / sum(weights), abs=0.06)


async def test_on_a_slow_account_nobody_claims_long_before_its_slot(
    scene: Opens, clock: Clock
) -> None:
    """A slot that others have pushed far ahead is waited for: a pause would not hold the POST."""
    four = await several(scene, [3, 3, 3, 3], channels=40, rate=0.4, seconds=1.0)
    runs = [one.run for one in four]
    for run in runs:  # each has heard of the others
        await run.reserve("heard", channels=1)
    held = {run.run: (await run.reserve("one", channels=1)).keys for run in runs}
    slots: list[float] = []
    for _ in range(8):
        told: list[float] = []
        for run in runs:
            claims, pace = await run.claim_at("one", held[run.run])
            if claims:
                held[run.run] = ()
                slots += [claim.slot for claim in claims]
                assert claims[0].slot <= clock.now + CLAIM_AHEAD
            elif held[run.run]:
                assert pace.next_slot > clock.now + CLAIM_AHEAD
                told.append(pace.next_slot)
        if not told:
            break
        clock.now = min(told) - 0.1
    assert len(slots) == 4
    assert all(after - before >= SPACING / 0.4 - 2e-5 for before, after in pairwise(slots))
    assert clock.now <= START + 5 * SPACING / 0.4


async def test_a_lone_campaign_has_all_of_it(scene: Opens, clock: Clock) -> None:
    """Nobody else wants any: it has every channel and every slot, whatever its priority."""
    (alone,) = await several(scene, [5], channels=30, rate=10.0, seconds=2.0)
    begun = clock.now
    seen = await play([alone], clock, 12, random.Random(1), 30)
    assert len([slot for slot in alone.started if slot < begun + 12]) >= 0.95 * 12 * 10 / SPACING
    assert most_in_a_second(alone.started) <= 11
    assert seen[-1][0] >= 19


async def test_two_lanes_of_a_campaign_do_not_starve_each_other(scene: Opens, clock: Clock) -> None:
    """The lane that came first leaves the other one half, and all where the other wants none."""
    luck = random.Random(2)
    run = await scene(rows=people(200), lanes=2, channels=8, rate=100.0)
    first, second = Campaign(run, 2.0), Campaign(run, 2.0, lane=1)
    assert (await play([first], clock, 4, luck, 8))[-1] == [8]
    seen = await play([first, second], clock, 8, luck, 8)
    assert seen[-1] == [4, 4]
    one = await scene(run="run2", name="two", rows=people(60, first=5_000), lanes=2, channels=1)
    third, fourth = Campaign(one, 0.5), Campaign(one, 0.5, lane=1)
    await play([third, fourth], clock, 12, luck, 1)
    assert abs(len(third.started) - len(fourth.started)) <= 2
    assert len(fourth.started) >= 4
