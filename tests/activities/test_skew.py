"""What calls say about the provider's clock: narrow while they agree, wide where they do not."""

from __future__ import annotations

import random

from activities.skew import Skew

NOON = 1_795_608_000.0


def said(luck: random.Random, ahead: float) -> Skew:
    """Return what a call says that a clock which is `ahead` printed, to the second."""
    intent = NOON + luck.uniform(0, 3600)
    created = intent + luck.uniform(0, 0.6)
    answered = created + luck.uniform(0.02, 0.8)
    return Skew.of(float(int(created + ahead)), intent, answered)


def test_a_few_hundred_calls_tell_the_difference_closely() -> None:
    """The bounds close in on the true difference to a fifth of a second, and never leave it out."""
    for seed in range(20):
        luck = random.Random(seed)
        ahead = luck.uniform(-3000, 3000)
        skew = said(luck, ahead)
        for _ in range(500):
            skew = skew.and_also(said(luck, ahead))
            assert skew.least <= ahead <= skew.most, (seed, ahead, skew)
        assert skew.agreed
        assert skew.most - skew.least < 0.2, (seed, skew)


def test_clocks_that_differ_among_themselves_only_widen_the_bounds() -> None:
    """Once no single difference explains the calls, none that was seen is left out again."""
    luck = random.Random(7)
    skew = said(luck, 0.0)
    for _ in range(200):
        skew = skew.and_also(said(luck, luck.choice((0.0, 2.5))))
    assert not skew.agreed
    assert skew.least <= 0.0
    assert skew.most >= 2.5
    wide = skew.and_also(said(luck, 0.0))
    assert (wide.least, wide.most) == (
        min(skew.least, wide.least),
        max(skew.most, wide.most),
    )


def test_a_printed_fraction_leaves_nothing_out() -> None:
    """A provider that prints fractions of a second is taken at its word."""
    skew = Skew.of(NOON + 10.25, NOON + 10, NOON + 10.5)
    assert (skew.least, skew.most) == (-0.25, 0.25)
