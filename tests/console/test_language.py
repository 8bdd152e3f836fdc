"""`discador schema` and `discador init`, as a newcomer types them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def discador(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run the command line in a folder."""
    return subprocess.run(
        [sys.executable, "-m", "console", *words],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        cwd=folder,
    )


def test_the_schema_is_json(tmp_path: Path) -> None:
    """The schema can be kept in a file that editors read."""
    done = discador(tmp_path, "schema")
    assert done.returncode == 0, done.stderr
    assert "campaign" in json.loads(done.stdout)["properties"]


def test_init_writes_a_campaign_that_is_valid_and_replaces_nothing(tmp_path: Path) -> None:
    """What init writes passes validate; a second init refuses and leaves everything as it is."""
    done = discador(tmp_path, "init", "primeira")
    assert done.returncode == 0, done.stderr
    checked = discador(tmp_path, "validate", "primeira.yaml")
    assert checked.returncode == 0, checked.stdout + checked.stderr
    before = (tmp_path / "primeira.yaml").read_text()
    again = discador(tmp_path, "init", "primeira")
    assert again.returncode == 1
    assert "nothing was written" in again.stderr
    assert (tmp_path / "primeira.yaml").read_text() == before


def test_init_refuses_a_name_that_is_no_name(tmp_path: Path) -> None:
    """A bad name is one clear line, and nothing is written."""
    done = discador(tmp_path, "init", "Minha Campanha")
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []
