"""What may change of a campaign while it runs, and what is said of a change."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaigns.amending import carried_uses, changes, findings, moved_rules
from campaigns.definition import Campaign, RetryRule
from campaigns.loader import check, load

LIST = "contrato,celular\n1,11987654321\n"
BASE = """\
campaign: cobranca
purpose: collection
dial_list: {file: lista.csv, id: contrato, numbers: [celular]}
call: {connect_to: "4000"}
pacing: {channels: 2, calls_per_second: 1}
limits: {per_contact: {total: 3}}
retry:
  - {status: ocupado, after: 15m, times: 2}
  - {status: sem resposta, after: 1h, times: 1}
"""


def written(folder: Path, text: str, name: str = "campanha.yaml") -> Path:
    """Write a campaign beside its list."""
    (folder / "lista.csv").write_text(LIST, encoding="utf-8")
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


@pytest.fixture
def running(tmp_path: Path) -> Campaign:
    """Give the campaign as it runs."""
    return load(written(tmp_path, BASE), loopback=False)


def test_what_may_change_is_told_key_by_key(running: Campaign, tmp_path: Path) -> None:
    """Pacing, limits, retries, hours and ring times change, each with both values."""
    text = (
        BASE.replace("channels: 2", "channels: 8")
        .replace("after: 15m", "after: 30m")
        .replace('connect_to: "4000"', 'connect_to: "4000", max_ring: 25s')
        .replace("limits:", 'calling_hours: {mon-fri: "09:00-18:00"}\nlimits:')
    )
    wanted = check(written(tmp_path, text), loopback=False, running=running)
    assert wanted.errors == ()
    assert wanted.campaign is not None
    told = {item.key: (item.before, item.after) for item in changes(running, wanted.campaign)}
    assert told["pacing.channels"] == ("2", "8")
    assert told["retry[1].after"] == ("15m", "30m")
    assert told["call.max_ring"] == (None, "25s")
    assert any(key.startswith("calling_hours.") for key in told)
    assert changes(running, running) == ()


def test_every_thing_that_may_not_change_is_a_problem_at_its_place(
    running: Campaign, tmp_path: Path
) -> None:
    """The list, the call and the purpose stay; all of it is told at once, with line and caret."""
    text = (
        BASE.replace("purpose: collection", "purpose: sales")
        .replace('"4000"', '"4001"')
        .replace("id: contrato, ", "")
    )
    found = check(written(tmp_path, text), loopback=False, running=running)
    assert found.campaign is None
    places = {(problem.code, problem.line) for problem in found.errors}
    assert {("not_changeable", 2), ("not_changeable", 3), ("not_changeable", 4)} <= places
    assert all("^" in problem.render() for problem in found.errors)


def test_what_is_wrong_hides_nothing_that_may_not_change(running: Campaign, tmp_path: Path) -> None:
    """A value out of range, a key that nobody knows and a new override are told in one go."""
    text = (
        BASE.replace("channels: 2", "channels: 0, lanes: 3, colour: red")
        .replace('"4000"', '"4001"')
        .replace("purpose: collection", "purpose: pleasure")
        .replace("after: 15m", "after: soon")
        + "overrides:\n  - {rule: rj-sales-hours, reason: our lawyers say that it is fine}\n"
    )
    found = check(written(tmp_path, text), loopback=False, running=running)
    assert found.campaign is None
    assert [(problem.line, problem.code) for problem in found.errors] == [
        (2, "not_a_choice"),
        (4, "not_changeable"),
        (5, "out_of_range"),
        (5, "not_changeable"),
        (5, "unknown_key"),
        (8, "bad_duration"),
        (11, "widens_a_law"),
    ]


@pytest.mark.parametrize(
    "text",
    [
        "campaign: x",
        "campaign: x\ncall: 3\nretry: {a: b}\npacing: [1]",
        "purpose: sales\nlimits: no",
    ],
)
def test_a_file_with_little_right_in_it_is_compared_all_the_same(
    running: Campaign, tmp_path: Path, text: str
) -> None:
    """Whatever shape its sections have, problems are what comes of it."""
    found = check(written(tmp_path, text), loopback=False, running=running)
    assert found.campaign is None
    assert "not_changeable" in {problem.code for problem in found.errors}


def test_a_rule_of_the_law_cannot_be_set_aside_in_a_running_campaign(
    running: Campaign, tmp_path: Path
) -> None:
    """An override that was not there when the run began is refused; one may be withdrawn."""
    rule = "br-collection-attempts-per-day"
    override = f"overrides:\n  - {{rule: {rule}, reason: our lawyers say that it is fine}}\n"
    with_override = check(written(tmp_path, BASE + override), loopback=False, running=running)
    assert "widens_a_law" in {problem.code for problem in with_override.errors}
    stored = Campaign.model_validate(
        running.model_dump()
        | {"overrides": [{"rule": rule, "reason": "our lawyers say that it is fine"}]}
    )
    assert list(findings(stored, running)) == []
    assert [item.key for item in changes(stored, running)] == [
        "overrides[1].rule",
        "overrides[1].reason",
    ]


RULES = st.lists(
    st.sampled_from(
        [RetryRule.model_validate({"after": f"{minutes}m", "times": 1}) for minutes in range(1, 6)]
    ),
    max_size=6,
)


@given(RULES, RULES, st.lists(st.integers(0, 9), max_size=6))
def test_a_rule_that_stays_keeps_its_count_and_no_count_is_used_twice(
    before: list[RetryRule], after: list[RetryRule], uses: list[int]
) -> None:
    """Counts follow their rule to its new place; a new rule begins at nought."""
    moved = moved_rules(tuple(before), tuple(after))
    kept = [index for index in moved if index is not None]
    assert len(kept) == len(set(kept))
    assert all(
        before[index] == rule for index, rule in zip(moved, after, strict=True) if index is not None
    )
    carried = carried_uses(uses, moved)
    assert len(carried) == len(after)
    assert sum(carried) <= sum(uses)
    assert moved_rules(tuple(before), tuple(before)) == tuple(range(len(before)))
