"""A newcomer for each test, who leaves nothing running."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.console.newcomer import Newcomer


@pytest.fixture
def newcomer(tmp_path: Path) -> Iterator[Newcomer]:
    """Give a shell in an empty directory; nothing of it may be running at the end."""
    someone = Newcomer(tmp_path)
    yield someone
    left = someone.processes()
    someone.end_everything()
    assert left == [], "a process was left behind"
