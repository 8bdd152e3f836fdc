"""Attempt keys: derived from ids of our own, never drawn, and frozen by a golden test.

A key is sent first in the call's `tags`. It says nothing about the person, and the provider's
ledger shows it at most once.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"
_KEY = re.compile(r"[0-9a-z]{4,16}\.[0-9a-z]{1,8}\.[0-9a-z]{1,6}")
_COLUMN = re.compile(r"\{([^{}]*)\}")
MAX_LENGTH = 40


def _base36(value: int) -> str:
    text = ""
    while True:
        value, digit = divmod(value, 36)
        text = _DIGITS[digit] + text
        if not value:
            return text


def attempt_key(run_id: str, contact: int, attempt: int) -> str:
    """Return the key of a contact's n-th attempt in a run, 40 characters at most."""
    key = f"{run_id}.{_base36(contact)}.{_base36(attempt)}"
    if len(key) > MAX_LENGTH or not _KEY.fullmatch(key):
        raise ValueError(
            "an attempt key is a run id of 4 to 16 letters or digits, and two counters"
        )
    return key


def tags_with(key: str, own: str) -> str:
    """Return the `tags` of a call: the key first, then what the campaign wants to say."""
    return f"{key} {own}".strip()


def fill(text: str, columns: Mapping[str, str]) -> str:
    """Return `text` with every `{column}` replaced by the contact's value, empty where unknown."""
    return _COLUMN.sub(lambda match: columns.get(match[1], ""), text)


def key_in(tags: str | None) -> str | None:
    """Return the attempt key in front of `tags`, or None where there is none."""
    first = (tags or "").split(" ", 1)[0]
    return first if _KEY.fullmatch(first) else None
