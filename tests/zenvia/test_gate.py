"""The gate opens once, and never for a request that was given up."""

from __future__ import annotations

import contextlib

import pytest

from zenvia.gate import Gate, State, Withheld


def gate(*, send_by: float | None = None) -> Gate:
    """Make a gate whose clock stands still."""
    return Gate(send_by=send_by, clock=lambda: 1000.0)


async def test_it_opens_once() -> None:
    """A second attempt of a layer below finds it used."""
    one = gate()
    one.open()
    with pytest.raises(Withheld):
        one.open()
    assert one.state is State.OPEN


async def test_it_stays_shut_for_what_was_given_up() -> None:
    """A write that was still scheduled when its request ended is withheld."""
    one = gate()
    one.give_up()
    with pytest.raises(Withheld):
        one.open()
    assert one.state is State.GIVEN_UP


async def test_giving_up_does_not_hide_what_was_written() -> None:
    """Once open, it counts as written whatever follows."""
    one = gate()
    one.open()
    one.give_up()
    assert one.state is State.OPEN


async def test_the_permit_is_asked_last_and_only_in_time() -> None:
    """Who is too late by the clock does not use up a permit; who gets none writes nothing."""
    asked: list[str] = []

    def permit() -> bool:
        asked.append("permit")
        return False

    late = Gate(send_by=999.0, clock=lambda: 1000.0, permit=permit)
    with pytest.raises(Withheld):
        late.open()
    assert asked == []
    denied = Gate(send_by=1001.0, clock=lambda: 1000.0, permit=permit)
    with pytest.raises(Withheld):
        denied.open()
    assert (asked, denied.state) == (["permit"], State.EXPIRED)


@pytest.mark.parametrize(
    ("send_by", "state"),
    [(1000.001, State.OPEN), (1000.0, State.OPEN), (999.999, State.EXPIRED), (None, State.OPEN)],
)
async def test_the_deadline_itself_is_in_time(send_by: float | None, state: State) -> None:
    """Past it means later than it; without one there is no limit."""
    one = gate(send_by=send_by)
    with contextlib.suppress(Withheld):
        one.open()
    assert one.state is state
