"""The page of rules that people read."""

from __future__ import annotations

from datetime import date
from pathlib import Path

from campaigns.packs import shipped_packs
from campaigns.rules_page import render

PAGE = Path(__file__).parents[2] / "docs" / "rules.md"


def test_the_page_says_what_the_packs_say() -> None:
    """`python -m campaigns.rules_page > docs/rules.md` was run after the last change of a pack."""
    assert PAGE.read_text(encoding="utf-8") == render(shipped_packs())


def test_every_rule_is_on_the_page_with_its_law_and_age() -> None:
    """Nothing is applied that is not on the page, and the page says that it is no advice."""
    page = render(shipped_packs())
    rows = [line for line in page.splitlines() if line.startswith("| `")]
    rules = [rule for pack in shipped_packs().packs for rule in pack.rules]
    assert len(rows) == len(rules)
    for rule in rules:
        [row] = [row for row in rows if row.startswith(f"| `{rule.id}` ")]
        assert rule.law in row
        assert f"| {rule.confidence} | {rule.verified_on} |" in row
    assert "not legal advice" in page


def test_a_rule_that_nobody_looked_at_for_a_year_is_named() -> None:
    """The day after a year all rules verified then are due for another look."""
    packs = shipped_packs()
    newest = max(rule.verified_on for pack in packs.packs for rule in pack.rules)
    assert packs.stale(newest) == ()
    assert "rj-sales-hours" in packs.stale(date(newest.year + 2, 1, 1))
