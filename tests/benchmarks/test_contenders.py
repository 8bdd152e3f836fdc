"""Every contender runs and prints its figures; how fast is not for a test to say."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.__main__ import main
from benchmarks.load import e164s, numbers, write_list

ROOT = Path(__file__).parents[2]


@pytest.mark.timeout(300)
def test_every_contender_runs(tmp_path: Path) -> None:
    """Each one dials and has its line; one that cannot run here says what it lacks."""
    figures = tmp_path / "figures.json"
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", "--form", "smoke", "--json", str(figures)],
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
        cwd=ROOT,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    seen = json.loads(figures.read_text())
    expected = {"loop", "samples", "engine"}
    if not any("Celery" in line for line in seen["left_out"]):
        expected.add("celery")
    assert set(seen["saturation"]) == expected
    for one in seen["saturation"].values():
        assert one["attempts"] > 0
        assert one["contender"] in done.stdout
        assert one["cpu"].keys() >= {"sandbox"}
    assert all(line in done.stdout for line in seen["left_out"])
    assert [one["rows"] for one in seen["imports"]] == [300]


def test_an_unknown_part_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A name that does not exist is an error with the names that do."""
    monkeypatch.setattr(sys, "argv", ["benchmarks", "--parts", "saturatoin"])
    with pytest.raises(SystemExit, match="2"):
        main()
    assert "saturatoin: not one of saturation" in capsys.readouterr().err


def test_every_contender_reads_the_same_list(tmp_path: Path) -> None:
    """The numbers of a list are different ones, and are read back as the API takes them."""
    file = tmp_path / "list.csv"
    write_list(file, 5_000)
    read = list(e164s(file))
    assert read == [f"+55{number}" for number in numbers(5_000)]
    assert len(set(read)) == 5_000
