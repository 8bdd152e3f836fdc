"""Every check of the ledger can fail, and passes what is allowed."""

from __future__ import annotations

from typing import Any

import pytest

from tests.crash import ledger
from tests.crash.ledger import LedgerCall


def _call(ident: int, number: str, start: float, end: float, **more: Any) -> LedgerCall:
    key = more.pop("key", f"k{ident}")
    return LedgerCall(id=ident, key=key, number=number, start=start, end=end, **more)


def test_an_entry_is_read_from_the_leg_of_the_contact() -> None:
    """The key is the first word of the tags, and a call without an end is live."""
    side = {"status": "atendida"}
    entry = {
        "id": 7,
        "tags": "run.1.1 novembro",
        "numero_origem": "4000",
        "numero_destino": "+5548999990001",
        "accepted_at": 3.5,
        "ended_at": None,
        "origem": {"status": "chamando"},
        "destino": side,
        "hung_up_by_api": True,
    }
    (call,) = ledger.read([entry], contact_leg="destino")
    assert call == LedgerCall(
        id=7, key="run.1.1", number="+5548999990001", start=3.5, answered=True, hung_up=True
    )
    assert call.end == ledger.FOREVER


def test_a_call_without_tags_is_found() -> None:
    """A call that cannot be traced to an attempt does not pass as one."""
    calls = [_call(1, "a", 0, 1), _call(2, "b", 0, 1, key="")]
    assert ledger.without_key(calls) == [2]


def test_a_key_that_was_accepted_twice_is_found() -> None:
    """Two calls of one key break the first promise, however far apart they are."""
    calls = [_call(1, "a", 0, 1), _call(2, "b", 50, 51, key="k1"), _call(3, "c", 2, 3)]
    assert ledger.repeated_keys(calls) == {"k1": 2}
    assert ledger.repeated_keys(calls[1:]) == {}


@pytest.mark.parametrize(
    ("second", "overlap"),
    [((4.0, 9.0), True), ((1.0, 2.0), True), ((4.9, ledger.FOREVER), True), ((5.0, 9.0), False)],
)
def test_a_number_live_twice_is_found(second: tuple[float, float], overlap: bool) -> None:  # noqa: FBT001
    """Overlapping calls to one number are found; calls back to back, or to others, are not."""
    calls = [_call(1, "a", 0.0, 5.0), _call(2, "a", *second), _call(3, "b", 0.0, 9.0)]
    assert ledger.live_twice(calls) == ([(1, 2)] if overlap else [])


def test_an_overlap_is_found_behind_a_call_in_between() -> None:
    """A long call is held against every later one, not only against its neighbour."""
    calls = [_call(1, "a", 0, 10), _call(2, "a", 1, 2), _call(3, "a", 8, 12)]
    assert ledger.live_twice(calls) == [(1, 2), (1, 3)]


def test_the_peak_counts_what_is_live_at_one_instant() -> None:
    """A call that begins as another ends does not add to the peak; one that overlaps does."""
    calls = [_call(1, "a", 0, 2), _call(2, "b", 2, 4), _call(3, "c", 3, ledger.FOREVER)]
    assert ledger.peak_live(calls) == 2
    assert ledger.peak_live([*calls, _call(4, "d", 1.9, 3.5)]) == 3
    assert ledger.peak_live([]) == 0


def test_a_burst_is_found_across_the_edge_of_a_second() -> None:
    """The window slides: no alignment of seconds hides a burst."""
    calls = [_call(n, str(n), start, 99) for n, start in enumerate((0.9, 0.95, 1.05, 1.1, 3.0))]
    assert ledger.most_within(calls) == 4
    assert ledger.most_within(calls, seconds=0.1) == 2
    assert ledger.most_within(calls[:1]) == 1
    assert ledger.most_within([]) == 0


def test_a_window_does_not_hold_its_own_end() -> None:
    """Calls exactly one second apart are in two windows."""
    assert ledger.most_within([_call(1, "a", 0.0, 9), _call(2, "b", 1.0, 9)]) == 1


def test_a_call_to_somebody_who_had_answered_is_found() -> None:
    """Whoever was reached is not called again."""
    calls = [
        _call(1, "a", 0, 1),
        _call(2, "a", 2, 3, answered=True),
        _call(3, "b", 0, 1, answered=True),
    ]
    assert ledger.called_after_answering(calls) == []
    assert ledger.called_after_answering([*calls, _call(4, "a", 5, 6)]) == [(2, 4)]


def test_too_many_too_few_and_unexpected_calls_are_found() -> None:
    """A number must be called exactly as often as its script and the rules say."""
    calls = [_call(1, "a", 0, 1), _call(2, "a", 2, 3), _call(3, "b", 0, 1), _call(4, "x", 0, 1)]
    assert ledger.wrong_counts(calls, {"a": 2, "b": 1, "x": 1}) == {}
    assert ledger.wrong_counts(calls, {"a": 1, "b": 2, "c": 1}) == {
        "a": (2, 1),
        "b": (1, 2),
        "c": (0, 1),
        "x": (1, 0),
    }
