"""Rows that are one contact: rejected or joined, as the campaign says, and always told."""

import random
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from campaigns.contacts import ContactRow, Note, RejectedRow, read_contacts
from campaigns.definition import Campaign
from campaigns.seen import Seen, key_of

FUZZ = settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)

Read = tuple[list[ContactRow], list[RejectedRow], list[Note]]


def read(rows: list[tuple[str, str, str]], duplicates: dict[str, str], **more: object) -> Read:
    """Read rows of id, mobile and landline that stand in the campaign itself."""
    contacts = [{"id": row[0], "celular": row[1], "fixo": row[2]} for row in rows]
    campaign = Campaign.model_validate(
        {
            "campaign": "teste",
            "purpose": "service",
            "dial_list": {
                "contacts": contacts,
                "id": "id",
                "numbers": ["celular", "fixo"],
                "duplicates": duplicates,
                **more,
            },
            "call": {"connect_to": "4000"},
        }
    )
    items = list(read_contacts(campaign, Path()))
    return (
        [item for item in items if isinstance(item, ContactRow)],
        [item for item in items if isinstance(item, RejectedRow)],
        [item for item in items if isinstance(item, Note)],
    )


def mobile(number: int) -> str:
    """Give an invented mobile."""
    return f"48 90000-{number:04d}"


def ends(contact: ContactRow) -> list[int]:
    """Give the last digits of a contact's numbers, in order."""
    return [int(number.e164[-4:]) for number in contact.numbers]


def test_rows_with_one_id_are_joined(tmp_path: Path) -> None:
    """The numbers of later rows come after those of the first, each once."""
    rows = [
        ("A", mobile(1), ""),
        ("B", mobile(2), ""),
        ("A", mobile(3), mobile(1)),
        ("A", "190", mobile(4)),
    ]
    contacts, rejected, notes = read(rows, {"id": "join"})
    assert {contact.external_id: ends(contact) for contact in contacts} == {
        "A": [1, 3, 4],
        "B": [2],
    }
    assert not rejected
    assert [(note.line, note.reason) for note in notes if note.reason == "joined"] == [
        (3, "joined"),
        (4, "joined"),
    ]
    assert (4, "emergency") in [(note.line, note.reason) for note in notes]


def test_rows_with_one_number_are_joined_through_others() -> None:
    """Rows that share numbers pairwise are one contact, named by the first."""
    rows = [
        ("A", mobile(1), ""),
        ("B", mobile(2), mobile(3)),
        ("C", mobile(3), mobile(1)),
        ("D", mobile(4), ""),
    ]
    contacts, rejected, _ = read(rows, {"number": "join"})
    assert {contact.external_id: ends(contact) for contact in contacts} == {
        "A": [1, 2, 3],
        "D": [4],
    }
    assert not rejected


def test_joining_ids_still_rejects_shared_numbers() -> None:
    """Each kind of duplicate is treated as the campaign says of that kind."""
    rows = [("A", mobile(1), ""), ("B", mobile(1), ""), ("A", mobile(2), "")]
    contacts, rejected, _ = read(rows, {"id": "join"})
    assert [ends(contact) for contact in contacts] == [[1, 2]]
    assert [(row.line, row.reason) for row in rejected] == [(2, "duplicate_number")]
    contacts, rejected, _ = read(rows, {"number": "join"})
    assert [contact.external_id for contact in contacts] == ["A"]
    assert [(row.line, row.reason) for row in rejected] == [(3, "duplicate_id")]


def test_a_row_without_a_number_is_not_joined() -> None:
    """A row that is no contact by itself is rejected, whatever its id."""
    rows = [("A", mobile(1), ""), ("A", "190", ""), ("A", "", mobile(2))]
    contacts, rejected, _ = read(rows, {"id": "join"})
    assert [ends(contact) for contact in contacts] == [[1, 2]]
    assert [(row.line, row.reason) for row in rejected] == [(2, "emergency")]


def test_an_old_mobile_may_be_rejected_instead_of_completed() -> None:
    """`ninth_digit: reject` keeps the engine from guessing the ninth digit."""
    contacts, rejected, _ = read([("A", "48 8000-4321", "")], {}, ninth_digit="reject")
    assert not contacts
    assert [row.reason for row in rejected] == ["ninth_digit_missing"]
    contacts, rejected, notes = read([("A", "48 8000-4321", "")], {})
    assert [note.reason for note in notes] == ["ninth_digit_added"]


def test_the_default_area_code_completes_a_list() -> None:
    """A list of one town may leave its area code away."""
    contacts, _, _ = read([("A", "90000-4321", "")], {}, default_ddd="85")
    assert contacts[0].numbers[0].e164 == "+5585900004321"


@FUZZ
@given(
    st.lists(
        st.tuples(st.sampled_from("ABCDE "), st.integers(0, 9), st.integers(0, 9)),
        min_size=1,
        max_size=14,
    ),
    st.sampled_from(["join", "reject"]),
    st.sampled_from(["join", "reject"]),
)
@pytest.mark.parametrize("order", range(2))
def test_every_row_is_a_contact_or_joined_or_rejected(
    order: int, rows: list[tuple[str, int, int]], by_id: str, by_number: str
) -> None:
    """However duplicates are treated, no row is lost and no number or id is in two contacts."""
    written = [
        (name.strip(), mobile(one) if one else "190", mobile(other) if other else "")
        for name, one, other in rows
    ]
    random.Random(order).shuffle(written)
    contacts, rejected, notes = read(written, {"id": by_id, "number": by_number})
    joined = [note for note in notes if note.reason == "joined"]
    assert len(contacts) + len(rejected) + len(joined) == len(written)
    numbers = [number.e164 for contact in contacts for number in contact.numbers]
    assert len(numbers) == len(set(numbers))
    ids = [contact.external_id for contact in contacts]
    assert len(ids) == len(set(ids))
    if by_id == by_number == "join":
        lost = {row[0] for row in written if row[0]} - set(ids)
        assert all(name in {row.external_id for row in rejected} or joined for name in lost)


@given(st.lists(st.integers(1, 2**64 - 1), max_size=300), st.integers(0, 2**64 - 1))
def test_what_was_seen_is_remembered_by_its_first_line(keys: list[int], other: int) -> None:
    """The compact memory answers as a dictionary would, also while it grows."""
    seen, known = Seen(), dict[int, int]()
    for line, key in enumerate([*keys, *(n * 2**40 + 1 for n in range(700))], start=1):
        assert seen.line_of(key) == known.get(key)
        if other and line % 2:
            assert seen.line_of(other) == known.get(other)
        seen.remember(key, line)
        known.setdefault(key, line)
        assert seen.line_of(key) == known[key]
    assert all(seen.line_of(key) == line for key, line in known.items())
    if other:
        assert seen.line_of(other) == known.get(other)


@given(st.text(min_size=1), st.text(min_size=1))
def test_different_ids_have_different_keys(one: str, other: str) -> None:
    """Ids such as 7 and 07 are different contacts."""
    assert (key_of(one) == key_of(other)) == (one == other)
    assert 0 < key_of(one) < 2**64
    assert key_of("7") != key_of("07")
