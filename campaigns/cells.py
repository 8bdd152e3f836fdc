"""How a cell is written so that no spreadsheet takes it for a formula, and read back as it was.

A cell that begins like a formula gets an apostrophe before it, as people write it themselves. Every
export goes through `escaped`, every list through `plain`, so that what was exported can be mended
and imported again: `plain(escaped(text)) == text` for any text.
"""

from __future__ import annotations

import re
from typing import Final

_FORMULA: Final = re.compile(r"'*[=+\-@\t\r]")
_ESCAPED: Final = re.compile(r"'+[=+\-@\t\r]")


def escaped(text: str) -> str:
    """Write a cell so that it is text in every spreadsheet."""
    return f"'{text}" if _FORMULA.match(text) else text


def plain(text: str) -> str:
    """Read a cell that may have been escaped."""
    return text[1:] if text[:1] == "'" and _ESCAPED.match(text) else text
