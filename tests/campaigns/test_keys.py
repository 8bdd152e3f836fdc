"""Attempt keys: frozen, unique, short, and found again in the tags of a call."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaigns.keys import MAX_LENGTH, attempt_key, fill, key_in, tags_with

GOLDEN = [
    # run, contact, attempt, key: never change a line; calls at the provider carry these keys
    ("a1b2", 1, 1, "a1b2.1.1"),
    ("7k3m9qxw", 0, 1, "7k3m9qxw.0.1"),
    ("7k3m9qxw", 35, 1, "7k3m9qxw.z.1"),
    ("7k3m9qxw", 36, 2, "7k3m9qxw.10.2"),
    ("7k3m9qxw", 1_000_000, 4, "7k3m9qxw.lfls.4"),
    ("7k3m9qxw", 1_295, 36, "7k3m9qxw.zz.10"),
    ("zzzzzzzzzzzzzzzz", 36**8 - 1, 36**6 - 1, "zzzzzzzzzzzzzzzz.zzzzzzzz.zzzzzz"),
]
RUNS = st.from_regex(r"[0-9a-z]{4,16}", fullmatch=True)
CONTACTS = st.integers(0, 36**8 - 1)
ATTEMPTS = st.integers(0, 36**6 - 1)


@pytest.mark.parametrize(("run", "contact", "attempt", "key"), GOLDEN)
def test_the_key_of_an_attempt_never_changes(
    run: str, contact: int, attempt: int, key: str
) -> None:
    """A worker of today finds the calls that one of years ago placed."""
    assert attempt_key(run, contact, attempt) == key


@given(RUNS, CONTACTS, ATTEMPTS, st.text(max_size=60))
def test_a_key_is_short_and_is_found_again_in_front_of_any_tags(
    run: str, contact: int, attempt: int, own: str
) -> None:
    """Whatever the campaign adds, the provider's tags begin with the key."""
    key = attempt_key(run, contact, attempt)
    assert len(key) <= MAX_LENGTH == 40
    assert key_in(tags_with(key, own)) == key


@given(
    st.tuples(RUNS, CONTACTS, ATTEMPTS),
    st.tuples(RUNS, CONTACTS, ATTEMPTS),
)
def test_two_attempts_never_share_a_key(
    first: tuple[str, int, int], second: tuple[str, int, int]
) -> None:
    """A key stands for one attempt of one contact in one run."""
    assert (attempt_key(*first) == attempt_key(*second)) == (first == second)


@pytest.mark.parametrize(
    ("run", "contact", "attempt"),
    [
        ("abc", 1, 1),
        ("a" * 17, 1, 1),
        ("Abcd", 1, 1),
        ("ab.cd", 1, 1),
        ("abcd ", 1, 1),
        ("abcd", 36**8, 1),
        ("abcd", 1, 36**6),
    ],
)
def test_a_run_or_a_counter_that_would_break_the_key_is_refused(
    run: str, contact: int, attempt: int
) -> None:
    """Ids that could make two keys alike, or one too long, make no key."""
    with pytest.raises(ValueError, match="an attempt key is"):
        attempt_key(run, contact, attempt)


@pytest.mark.parametrize(
    "tags",
    [None, "", " ", "novembro", "a1b2", "a1b2.1", "a1b2.1.1.1", "A1B2.1.1", "x a1b2.1.1", ".1.1"],
)
def test_tags_of_somebody_else_hold_no_key(tags: str | None) -> None:
    """A call that another program placed is not taken for one of ours."""
    assert key_in(tags) is None


@given(st.text(max_size=80))
def test_looking_for_a_key_in_anything_gives_a_key_or_nothing(tags: str) -> None:
    """Whatever stands in the tags, the answer has the form of a key or is none."""
    key = key_in(tags)
    assert key is None or re.fullmatch(r"[0-9a-z]{4,16}\.[0-9a-z]{1,8}\.[0-9a-z]{1,6}", key)


@pytest.mark.parametrize(
    ("text", "filled"),
    [
        ("", ""),
        ("novembro", "novembro"),
        ("{contrato}", "A-17"),
        ("novembro {contrato}/{praça}", "novembro A-17/São José"),
        ("{contrato}{contrato}", "A-17A-17"),
        ("{nobody}", ""),
        ("{ contrato }", ""),
        ("{}", ""),
        ("{contrato", "{contrato"),
        ("contrato}", "contrato}"),
        ("{{contrato}}", "{A-17}"),
        ("{braces}", "{contrato}"),
    ],
)
def test_tags_are_filled_from_the_contacts_row_once(text: str, filled: str) -> None:
    """A column that the row lacks leaves nothing, and what a cell says is not filled again."""
    columns = {"contrato": "A-17", "praça": "São José", "braces": "{contrato}"}
    assert fill(text, columns) == filled


@given(st.text(max_size=80), st.dictionaries(st.text(max_size=8), st.text(max_size=8)))
def test_filling_never_fails(text: str, columns: dict[str, str]) -> None:
    """Any text and any row give tags: no POST is lost to a stray brace."""
    assert isinstance(fill(text, columns), str)
