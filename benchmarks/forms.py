"""How long each part takes: the full form, the quick one, and `smoke`, which only runs things."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Form:
    """Seconds and sizes. What is zero or empty is left out."""

    name: str
    saturation: float
    warm_up: float
    steady: float
    steady_warm_up: float
    steady_by_all: bool
    crowd: tuple[int, int, int]
    """Contacts of the small list and of the large one, and the attempts that are compared."""
    imports: tuple[int, ...]
    pacing: dict[float, float] = field(default_factory=dict)
    """Seconds by rate."""
    channels: int = 2_000
    contacts: int = 0
    """Contacts of the saturation's list; zero: enough."""
    turns: int = 1
    """Turns at saturation that those compared most closely take, one after the other: the machine's
    own speed changes from minute to minute, and a turn's neighbour is measured in the same one."""
    judged: bool = True
    """Whether its figures say anything about the goals."""


FULL = Form(
    name="full",
    saturation=60.0,
    warm_up=10.0,
    steady=180.0,
    steady_warm_up=90.0,
    steady_by_all=True,
    turns=4,
    crowd=(20_000, 1_000_000, 20_000),
    imports=(10_000, 100_000, 1_000_000),
    pacing={1.0: 60.0, 10.0: 30.0, 50.0: 20.0, 200.0: 20.0},
)

QUICK = Form(
    name="quick",
    saturation=16.0,
    warm_up=5.0,
    turns=2,
    steady=45.0,
    steady_warm_up=60.0,
    steady_by_all=False,
    crowd=(4_000, 100_000, 4_000),
    imports=(10_000, 100_000),
    pacing={1.0: 10.0, 10.0: 8.0, 50.0: 8.0, 200.0: 8.0},
)

SMOKE = Form(
    name="smoke",
    saturation=1.0,
    warm_up=0.2,
    steady=0.0,
    steady_warm_up=0.0,
    steady_by_all=False,
    crowd=(0, 0, 0),
    imports=(300,),
    channels=20,
    contacts=400,
    judged=False,
)

FORMS = {form.name: form for form in (FULL, QUICK, SMOKE)}
