"""The rule packs: their examples, their form, and that they only narrow."""

from __future__ import annotations

import re
from datetime import date, datetime, timedelta
from importlib import resources

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaigns.areas import UFS, ZONES
from campaigns.clocks import packaged_zone
from campaigns.definition import Purpose, RuleOverride
from campaigns.explain import HoursOracle, Reason, Terms
from campaigns.opening import CallingHours
from campaigns.packs import (
    AttemptLimits,
    Example,
    PackError,
    Packs,
    Rule,
    describe_limits,
    parse_packs,
    shipped_packs,
)

ALL_RULES = [rule for pack in shipped_packs().packs for rule in pack.rules]
EXAMPLES = [(rule, example) for rule in ALL_RULES for example in rule.examples]
ROUND_THE_CLOCK = CallingHours.model_validate(
    {"mon-sun": "00:00-24:00", "holidays": "open", "optional_holidays": "open"}
)
MINIMAL = """
pack: test
verified_on: 2026-11-23
rules:
  - id: r
    text: A rule that is only here to be read.
    law: no law
    confidence: C
    sources: nobody
    examples:
      - {ddd: "11", at: "2026-11-25 10:00", purpose: sales, gives: applies}
"""


def only_rules(*rules: Rule) -> Packs:
    """Make packs that hold these rules, changed ones too."""
    pack = shipped_packs().packs[0]
    return Packs(packs=(pack.model_copy(update={"applies": "always", "rules": rules}),))


def outcome(rule: Rule, example: Example) -> str:
    """Say what a rule does to an example, in the words of the packs."""
    terms = Terms(
        purpose=example.purpose,
        automation=example.automation,
        recording=example.recording,
        sector=example.sector,
        registries=frozenset(example.registries),
        hours=ROUND_THE_CLOCK,
        margin=timedelta(0),
    )
    at = example.at
    if at.tzinfo is None:
        at = at.replace(tzinfo=packaged_zone(ZONES[example.ddd][0]))
    verdict = HoursOracle(terms, packs=only_rules(rule)).evaluate(example.ddd, at)
    found = [reason for reason in verdict.reasons if reason.rule == rule.id]
    assert len(found) <= 1
    if not found:
        return "silent"
    assert found[0].blocks is not verdict.callable
    return _word(found[0])


def _word(reason: Reason) -> str:
    if reason.blocks:
        return "blocked"
    if reason.met is not None:
        return "met" if reason.met else "unmet"
    return {"hours": "allowed", "expired": "expired"}.get(reason.effect, "applies")


@pytest.mark.parametrize(
    ("rule", "example"), EXAMPLES, ids=[f"{r.id}-{e.ddd}-{e.at}-{e.gives}" for r, e in EXAMPLES]
)
def test_an_example_of_a_rule_holds(rule: Rule, example: Example) -> None:
    """Every example in the packs gives what it says."""
    assert outcome(rule, example) == example.gives


@pytest.mark.parametrize("rule", ALL_RULES, ids=lambda rule: rule.id)
def test_a_rule_shows_by_examples_both_what_it_does_and_what_it_leaves(rule: Rule) -> None:
    """Hours and denials have an example on each side; requirements one met and one unmet."""
    given = {example.gives for example in rule.examples}
    needed = {
        "hours": {"allowed", "blocked"},
        "deny": {"blocked", "silent"},
        "require": {"met", "unmet"},
        "limit": {"applies"},
        "duty": {"applies"},
    }
    assert needed[rule.effect] <= given


@pytest.mark.parametrize("rule", ALL_RULES, ids=lambda rule: rule.id)
def test_a_rule_is_sourced_and_dated(rule: Rule) -> None:
    """Law, sources, confidence and the day of verification are there and sane."""
    assert rule.law.strip()
    assert all(source.strip() for source in rule.sources)
    assert date(2026, 1, 1) <= rule.verified_on <= date(2036, 1, 1)
    assert set(rule.when.uf) <= {uf for ufs in UFS.values() for uf in ufs}
    assert rule.text.endswith(".")


def test_every_pack_warns_that_it_is_not_legal_advice() -> None:
    """The first line of each file says so."""
    folder = resources.files("campaigns").joinpath("rules/br")
    for entry in folder.iterdir():
        assert entry.read_text(encoding="utf-8").startswith("# Not legal advice"), entry.name


@pytest.mark.parametrize(
    "rule",
    [
        *("rj-sales-hours", "rj-collection-hours", "es-hours", "df-sales-hours", "mg-sales-hours"),
        *("pe-sales-hours", "sp-collection-hours", "al-collection-hours", "br-telecom-hours"),
        *("ap-no-automated-sales", "am-no-automated-sales", "rj-no-automated-sales"),
        *("ms-no-automated-sales", "pb-no-automated-sales", "br-election-telemarketing"),
        *("sp-nao-me-ligue", "pr-registry", "rs-registry", "sc-registry", "mg-registry"),
        *("ms-registry", "pe-registry", "df-registry", "pb-registry", "rj-registry"),
        *("pa-registry", "br-nao-me-perturbe", "mt-opt-in", "rj-collection-recording"),
        *("df-sales-attempts", "br-telecom-attempts", "br-large-callers", "br-short-calls"),
        *("br-own-numbers", "rj-caller-identity", "ms-caller-identity", "df-call-back"),
        *("pr-no-loans-to-pensioners", "ms-no-loans-to-pensioners"),
    ],
)
def test_a_rule_that_is_well_attested_is_shipped(rule: str) -> None:
    """No rule that the project promises to know gets lost."""
    assert rule in shipped_packs().rule_ids()


def test_no_rule_is_shipped_that_was_vetoed_or_never_passed() -> None:
    """Mato Grosso do Sul has no hour law and Paraná none for collections."""
    for uf, purpose in (("MS", "sales"), ("MS", "collection"), ("PR", "collection")):
        hours = [
            rule.id
            for rule in shipped_packs().rules()
            if rule.effect == "hours" and uf in rule.when.uf and purpose in rule.when.purpose
        ]
        assert hours == []


@pytest.mark.parametrize("purpose", [*Purpose, "election"])
@pytest.mark.parametrize("ddd", ["11", "21", "97"])
def test_whoever_writes_no_hours_gets_the_polite_ones(purpose: Purpose, ddd: str) -> None:
    """No purpose is without default hours: night and Sunday are closed for each."""
    oracle = HoursOracle(Terms(purpose=purpose))
    zone = packaged_zone(ZONES[ddd][0])
    for local in ("2026-11-25 22:00", "2026-11-25 07:30", "2026-11-29 11:00"):
        at = datetime.fromisoformat(local).replace(tzinfo=zone)
        assert not oracle.evaluate(ddd, at).callable


def test_written_hours_replace_the_polite_ones_and_not_the_law() -> None:
    """Hours until 22:00 hold in Goiás; in Rio de Janeiro the state still closes sales at 18:00."""
    hours = CallingHours.model_validate({"mon-fri": "08:00-22:00"})
    oracle = HoursOracle(Terms(purpose="sales", hours=hours))
    at = datetime.fromisoformat("2026-11-25T21:00:00-03:00")
    assert oracle.evaluate("62", at).callable
    assert oracle.evaluate("21", at).why == "rj-sales-hours"


def test_an_override_sets_a_rule_aside_and_shows_why() -> None:
    """The written reason stands in the chain, and the rule no longer blocks."""
    override = RuleOverride(rule="rj-sales-hours", reason="consent on file, checked by counsel")
    hours = CallingHours.model_validate({"mon-fri": "08:00-22:00"})
    oracle = HoursOracle(Terms(purpose="sales", hours=hours, overrides=(override,)))
    verdict = oracle.evaluate("21", datetime.fromisoformat("2026-11-25T21:00:00-03:00"))
    assert verdict.callable
    [reason] = [reason for reason in verdict.reasons if reason.rule == "rj-sales-hours"]
    assert reason.effect == "override"
    assert "checked by counsel" in reason.text


def test_the_polite_profile_is_not_set_aside_by_an_override() -> None:
    """Defaults are replaced by writing hours, never by naming them in an override."""
    assert not {rule for rule in shipped_packs().rule_ids() if rule.startswith("polite")}
    override = RuleOverride(rule="polite-sales-hours", reason="we would like to call at night")
    oracle = HoursOracle(Terms(purpose="sales", overrides=(override,)))
    at = datetime.fromisoformat("2026-11-25T22:00:00-03:00")
    assert not oracle.evaluate("11", at).callable


def test_a_denial_that_ends_opens_on_the_next_day() -> None:
    """A rule with `valid_until` denies through that local day and not beyond."""
    [ban] = [rule for rule in ALL_RULES if rule.id == "ap-no-automated-sales"]
    ending = ban.model_copy(update={"valid_until": date(2026, 12, 1)})
    hours = CallingHours.model_validate({"mon-fri": "09:00-12:00"})
    terms = Terms(purpose="sales", automation="recorded", hours=hours)
    oracle = HoursOracle(terms, packs=only_rules(ending))
    verdict = oracle.evaluate("96", datetime.fromisoformat("2026-11-25T10:00:00-03:00"))
    assert verdict.why == "ap-no-automated-sales"
    assert verdict.next == datetime.fromisoformat("2026-12-02T09:00:00-03:00")
    after = oracle.evaluate("96", datetime.fromisoformat("2026-12-02T10:00:00-03:00"))
    assert after.callable
    assert "ended on 2026-12-01" in " ".join(reason.text for reason in after.reasons)


def test_a_ban_that_ends_far_ahead_is_seen_to_end() -> None:
    """Months of denial do not look like never."""
    [ban] = [rule for rule in ALL_RULES if rule.id == "ap-no-automated-sales"]
    ending = ban.model_copy(update={"valid_until": date(2027, 4, 30)})
    terms = Terms(purpose="sales", automation="recorded", hours=ROUND_THE_CLOCK)
    verdict = HoursOracle(terms, packs=only_rules(ending)).evaluate(
        "96", datetime.fromisoformat("2026-11-25T10:00:00-03:00")
    )
    assert verdict.next == datetime.fromisoformat("2027-05-01T00:00:00-03:00")


def test_a_cap_holds_in_its_dates_and_unless_set_aside() -> None:
    """A cap of a pack is neither applied before its time nor after an override of it."""
    [cap] = [rule for rule in ALL_RULES if rule.id == "df-sales-attempts"]
    later = cap.model_copy(update={"valid_from": date(2026, 12, 1)})
    terms = Terms(purpose="sales", limits=AttemptLimits(per_day=9))
    oracle = HoursOracle(terms, packs=only_rules(later))
    assert oracle.limits("61", date(2026, 11, 30)).per_day == 9
    assert oracle.limits("61", date(2026, 12, 1)).per_day == 3
    override = RuleOverride(rule="df-sales-attempts", reason="agreed with each of them")
    free = HoursOracle(terms.model_copy(update={"overrides": (override,)}))
    assert free.limits("61", date(2026, 12, 1)).per_day == 9


def test_a_ban_without_an_end_has_no_next_instant() -> None:
    """Who may never be called is said to be so at once."""
    oracle = HoursOracle(Terms(purpose="sales", automation="voicebot"))
    verdict = oracle.evaluate("83", datetime.fromisoformat("2026-11-25T10:00:00-03:00"))
    assert (verdict.callable, verdict.next) == (False, None)
    assert verdict.why == "pb-no-automated-sales"


def test_a_missing_registry_stands_against_starting_and_not_against_the_number() -> None:
    """Explain says callable; the start is what the missing list forbids, once for all its codes."""
    oracle = HoursOracle(Terms(purpose="collection", recording=True, registries=frozenset[str]()))
    at = datetime.fromisoformat("2026-11-25T10:00:00-03:00")
    assert oracle.evaluate("11", at).callable
    [unmet] = oracle.unmet(["11", "12", "48", "21"], date(2026, 11, 25))
    assert (unmet.reason.rule, unmet.ddds) == ("sp-nao-me-ligue", ("11", "12"))
    at_hand = Terms(purpose="collection", recording=True, registries=frozenset({"procon-sp"}))
    assert HoursOracle(at_hand).unmet(["11", "21"], date(2026, 11, 25)) == ()


def test_a_registry_that_nobody_looked_for_is_neither_met_nor_missing() -> None:
    """Explaining needs no store: the chain says that the list is looked for at the start."""
    oracle = HoursOracle(Terms(purpose="collection"))
    verdict = oracle.evaluate("11", datetime.fromisoformat("2026-11-25T10:00:00-03:00"))
    [reason] = [reason for reason in verdict.reasons if reason.rule == "sp-nao-me-ligue"]
    assert reason.met is None
    assert "looked for when the campaign starts" in reason.text
    assert oracle.unmet(["11"], date(2026, 11, 25))


def test_collections_in_rio_need_a_recording_before_they_start() -> None:
    """The state obliges recording; a campaign that does not record may not start there."""
    oracle = HoursOracle(Terms(purpose="collection"))
    assert [unmet.reason.rule for unmet in oracle.unmet(["21"], date(2026, 11, 25))] == [
        "rj-collection-recording"
    ]


@pytest.mark.parametrize(
    ("terms", "ddd", "expected"),
    [
        (Terms(purpose="sales"), "62", "2 a day, 3 a week, 15 a month, 4 h apart"),
        (Terms(purpose="sales", limits=AttemptLimits(per_day=9)), "62", "9 a day, 3 a week"),
        (Terms(purpose="sales", limits=AttemptLimits(per_day=9)), "61", "3 a day, 3 a week"),
        (Terms(purpose="sales", limits=AttemptLimits(per_day=1)), "61", "1 a day, 3 a week"),
        (Terms(purpose="sales", hours="always"), "61", "no cap"),
        (
            Terms(purpose="survey", limits=AttemptLimits(per_day=2, min_gap=timedelta(minutes=30))),
            "11",
            "2 a day, 3 a week, 15 a month, 0.5 h apart",
        ),
    ],
)
def test_caps_are_written_else_polite_and_packs_narrow_them(
    terms: Terms, ddd: str, expected: str
) -> None:
    """What is written replaces the polite default key by key; a state's cap holds on top."""
    limits = HoursOracle(terms).limits(ddd, date(2026, 11, 25))
    assert describe_limits(limits).startswith(expected)


def test_values_of_a_pack_are_the_text_that_was_written() -> None:
    """YAML's guesses (`NO`, `20:30`, a date, a leading zero) do not happen."""
    text = MINIMAL.replace("id: r", "id: NO".lower()).replace("nobody", "0123")
    [rule] = parse_packs({"a.yaml": text}).rules()
    assert rule.sources == ("0123",)
    assert rule.id == "no"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("    law: no law\n", ""), "rules.0.law: Field required"),
        (("    law: no law\n", "    law: no law\n    law: other\n"), "'law' is there twice"),
        (("    confidence: C", "    confidence: D"), "rules.0.confidence"),
        (("    confidence: C", "    confidence: C\n    denies: true"), "rules.0.denies"),
        (("verified_on: 2026-11-23\n", ""), "verified_on"),
        (("    law: no law", "    law: no law\n    holidays: [national]"), "goes with `allow`"),
        (
            ("    law: no law", "    law: no law\n    deny: true\n    limit: {per_day: 2}"),
            "one effect",
        ),
        (("    examples:\n", "    examples: []\n    other:\n"), "rules.0.examples"),
    ],
)
def test_a_mistake_in_a_pack_is_named_with_its_file(change: tuple[str, str], message: str) -> None:
    """Whoever edits a pack learns which file, which rule and what."""
    assert change[0] in MINIMAL
    with pytest.raises(PackError, match=re.escape(message)) as caught:
        parse_packs({"br/zz.yaml": MINIMAL.replace(*change)})
    assert str(caught.value).startswith("br/zz.yaml: ")


def test_two_rules_of_one_id_are_refused() -> None:
    """An override names exactly one rule."""
    with pytest.raises(PackError, match="occur twice: r"):
        parse_packs({"a.yaml": MINIMAL, "b.yaml": MINIMAL.replace("pack: test", "pack: test2")})


def test_the_digest_changes_with_the_text_of_any_pack() -> None:
    """A decision tells which version of the rules made it."""
    first = parse_packs({"a.yaml": MINIMAL}).digest
    assert first == parse_packs({"a.yaml": MINIMAL}).digest
    assert first != parse_packs({"a.yaml": MINIMAL.replace("no law", "a law")}).digest
    assert first != parse_packs({"b.yaml": MINIMAL}).digest


LIMITS = st.builds(
    AttemptLimits,
    per_day=st.none() | st.integers(1, 9),
    per_week=st.none() | st.integers(1, 20),
    per_month=st.none() | st.integers(1, 40),
    min_gap=st.none() | st.timedeltas(timedelta(0), timedelta(days=2)),
)


@given(LIMITS, LIMITS)
def test_tightening_caps_never_loosens_either(first: AttemptLimits, second: AttemptLimits) -> None:
    """The result obeys both sides, in either order."""
    both = first.tightened(second)
    assert both == second.tightened(first)
    for side in (first, second):
        for cap in ("per_day", "per_week", "per_month"):
            if getattr(side, cap) is not None:
                assert getattr(both, cap) <= getattr(side, cap)
        if side.min_gap is not None:
            assert both.min_gap is not None
            assert both.min_gap >= side.min_gap
