"""Checks of what a campaign names outside itself: its list, the columns of it, time zones."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final
from zoneinfo import available_timezones

from campaigns.checks import Finding
from campaigns.contacts import first_look
from campaigns.definition import ONE_SOURCE, RULE_NAME, Call, DialList
from campaigns.opening import ZONE_NAME
from campaigns.optouts import check_list
from campaigns.packs import shipped_packs
from campaigns.problems import did_you_mean, printable
from campaigns.sections import STAND_IN, Sections
from campaigns.tables import ListError, no_rows, require_columns, tidy

_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")
_BRACES: Final = "a column is written {name}: both braces, no blanks around the name"
_PERSONAL: Final = re.compile(
    r"nome|name|cpf|cnpj|\brg\b|mail|nasc|birth|endere|address|\brua\b|\bcep\b|tel|fone|celular"
    r"|m[oó]vel|whats|sal[aá]rio|renda|doen|religi|documento",
    re.IGNORECASE,
)


def findings(data: dict[str, Any], sections: Sections, base: Path) -> Iterator[Finding]:
    """Give what is wrong with the files and zones that a campaign names. Reads, never writes."""
    yield from _zones(data)
    yield from _overrides(data)
    yield from _suppression(data, base)
    written = data.get("dial_list")
    if isinstance(written, dict) and bool(written.get("file")) == bool(written.get("contacts")):
        yield Finding(("dial_list",), ONE_SOURCE, "list_source")
        return
    dial_list = sections.dial_list
    if dial_list is None or dial_list.file == STAND_IN:
        return
    try:
        columns, rows = first_look(dial_list, base)
    except ListError as error:
        key = "sheet" if error.code == "missing_sheet" else "file"
        yield Finding(("dial_list", key), _told(error), error.code)
        return
    name = Path(dial_list.file).name or "contacts"
    if not rows:
        yield Finding(("dial_list", "file"), str(no_rows(name)), "empty_list")
    yield from _columns(name, columns, dial_list, sections.call)


def _told(error: ListError) -> str:
    if error.code == "missing_list":
        return "there is no such file; the path is relative to the campaign file"
    return str(error)


def _columns(
    name: str, columns: list[str], dial_list: DialList, call: Call | None
) -> Iterator[Finding]:
    """Check that every column that the campaign speaks of is there."""
    if dial_list.id is not None:
        yield from _column(("dial_list", "id"), name, columns, dial_list.id)
    for n, column in enumerate(dial_list.numbers):
        yield from _column(("dial_list", "numbers", n), name, columns, column)
    if call is not None:
        yield from _tags(call.tags, name, columns, dial_list.numbers)


def _column(
    path: tuple[str | int, ...], name: str, columns: list[str], column: str
) -> Iterator[Finding]:
    if column == STAND_IN:
        return
    try:
        require_columns(name, columns, [column])
    except ListError as error:
        yield Finding(path, str(error), error.code)


def _tags(tags: str, name: str, columns: list[str], numbers: tuple[str, ...]) -> Iterator[Finding]:
    path = ("call", "tags")
    for column in dict.fromkeys(_PLACEHOLDER.findall(tags)):
        if tidy(column) in {tidy(number) for number in numbers}:
            yield Finding(
                path,
                f'"{printable(column)}" holds phone numbers, and tags leave this system',
                "number_in_tags",
            )
        elif column not in columns:
            unknown = list(_column(path, name, columns, column or " "))
            yield from unknown or [Finding(path, _BRACES, "bad_tags")]
        elif _PERSONAL.search(column):
            yield Finding(
                path,
                f'"{printable(column)}" looks like personal data, and tags leave this system; an id'
                " of your own tells as much",
                "personal_data",
                "warning",
            )
    if set("{}") & set(_PLACEHOLDER.sub("", tags)):
        yield Finding(path, _BRACES, "bad_tags")


def _overrides(data: dict[str, Any]) -> Iterator[Finding]:
    """Check that the rules that are set aside are there; the packs are read only for this."""
    overrides = data.get("overrides")
    for index, override in enumerate(overrides if isinstance(overrides, list) else ()):
        rule = override.get("rule") if isinstance(override, dict) else None
        if isinstance(rule, str) and re.fullmatch(RULE_NAME, rule):
            known = shipped_packs().rule_ids()
            if rule not in known:
                yield Finding(
                    ("overrides", index, "rule"),
                    f"there is no rule of this name{did_you_mean(rule, known)}",
                    "unknown_rule",
                )


def _suppression(data: dict[str, Any], base: Path) -> Iterator[Finding]:
    """Check that the lists of numbers not to call are there and have their column."""
    section = data.get("suppression")
    files = section.get("files") if isinstance(section, dict) else None
    several = isinstance(files, list)
    for index, file in enumerate(files if isinstance(files, list) else [files]):
        if not isinstance(file, str) or not file:
            continue
        path: tuple[str | int, ...] = ("suppression", "files")
        try:
            check_list(base / file)
        except ListError as error:
            yield Finding((*path, index) if several else path, _told(error), error.code)


def _zones(data: dict[str, Any]) -> Iterator[Finding]:
    for section in ("calling_hours", "schedule"):
        holder = data.get(section)
        zone = holder.get("timezone") if isinstance(holder, dict) else None
        if not isinstance(zone, str) or re.fullmatch(ZONE_NAME, zone) is None:
            continue
        if zone not in {"contact", *available_timezones()}:
            near = did_you_mean(zone, available_timezones())
            yield Finding(
                (section, "timezone"), f"there is no time zone of this name{near}", "bad_zone"
            )
