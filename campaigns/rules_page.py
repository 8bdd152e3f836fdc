"""The page `docs/rules.md`, written from the rule packs: `python -m campaigns.rules_page`."""

from __future__ import annotations

import sys
from collections.abc import Iterator

from campaigns.packs import Pack, Packs, Rule, describe_hours, describe_limits, shipped_packs

_INTRODUCTION = """\
# Rules on calls

<!-- Written by `python -m campaigns.rules_page > docs/rules.md`; a test says when it is stale. -->

**This is not legal advice. Verify each rule with your own counsel before you rely on it.** The
rules are dated data in `campaigns/rules/`, compiled from public sources, several of them press
reports. Laws change and courts differ; a rule that is missing here may still bind you.

How sure we are: **A** the law or an official text was seen; **B** several press or legal sources
agree; **C** one weak source or a careful reading. *Verified* is the day of the last look.

What a rule does:

- **hours**: only these local hours stay open. All rules that fit a call hold at once, on the clocks
  of all zones of its area code; an area code that serves two states obeys both.
- **deny**: no such call at all. A denial wins over everything.
- **require**: the campaign may not start without it: a do-not-call register imported as a
  suppression list, or recording.
- **limit**: a cap on attempts at one number, over all campaigns of the account.
- **duty**: said to people, not enforced by the engine.

Rules only narrow: no rule opens hours that another one, or the campaign, has closed. A campaign can
set a rule aside by its id under `overrides`, with a written reason that is stored with the
campaign. Rules past their dates are shown and not applied. `discador explain FILE NUMBER` prints
the whole chain for one number.
"""


def render(packs: Packs) -> str:
    """Write the page in Markdown."""
    return "\n".join([_INTRODUCTION, *_sections(packs)]).rstrip() + "\n"


def _sections(packs: Packs) -> Iterator[str]:
    unwritten = [pack for pack in packs.packs if pack.applies == "unwritten"]
    yield "## Where a campaign says nothing\n"
    yield "These hold for hours and caps that the campaign file does not write.\n"
    for pack in unwritten:
        yield from _table(pack)
    country = [p for p in packs.packs if p.applies == "always" and p.rules and p.uf is None]
    yield "## All of Brazil\n"
    for pack in country:
        yield from _table(pack)
    for pack in sorted((p for p in packs.packs if p.uf is not None), key=lambda p: p.uf or ""):
        yield f"## {pack.uf}\n"
        yield from _table(pack)
    yield "## Days added to the calendar\n"
    yield (
        "Holidays come from the `holidays` package; these days it lacks. National and state days"
        " close\nthe polite hours and, unless the campaign says otherwise, written ones; optional"
        " days close sales.\n"
    )
    yield "| day | where | kind | name | source | sure |\n| --- | --- | --- | --- | --- | --- |"
    for pack in packs.packs:
        for day in pack.holidays:
            when = day.every or (day.on.isoformat() if day.on else "")
            where = day.uf or "Brazil"
            cells = (when, where, day.kind, day.name, day.source, day.confidence)
            yield "| " + " | ".join(map(_cell, cells)) + " |"


def _table(pack: Pack) -> Iterator[str]:
    yield "| rule | says | for | does | law | sources | sure | verified |"
    yield "| --- | --- | --- | --- | --- | --- | --- | --- |"
    for rule in pack.rules:
        cells = (
            f"`{rule.id}`",
            rule.text,
            _calls(rule),
            _does(rule),
            rule.law,
            "; ".join(rule.sources),
            rule.confidence,
            rule.verified_on.isoformat(),
        )
        yield "| " + " | ".join(map(_cell, cells)) + " |"
    yield ""


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def _calls(rule: Rule) -> str:
    when = rule.when
    parts = [
        " or ".join(when.purpose) or "every call",
        f"by {' or '.join(when.automation)}" if when.automation else "",
        f"callers in {' or '.join(when.sector)}" if when.sector else "",
        f"from {rule.valid_from}" if rule.valid_from else "",
        f"until {rule.valid_until}" if rule.valid_until else "",
    ]
    return ", ".join(part for part in parts if part)


def _does(rule: Rule) -> str:
    if rule.allow is not None:
        closed = f"; closed on {', '.join(rule.holidays)} holidays" if rule.holidays else ""
        return f"**hours** {describe_hours(rule.allow)}{closed}"
    if rule.require is not None:
        what = "recording" if rule.require.recording else f"the list `{rule.require.registry}`"
        return f"**require** {what}"
    if rule.limit is not None:
        return f"**limit** {describe_limits(rule.limit)}"
    return f"**{rule.effect}**"


if __name__ == "__main__":
    sys.stdout.write(render(shipped_packs()))
