"""`discador validate` in its three forms: for people, for programs, and for GitHub."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from console import commands

Answer = tuple[int, str, str]
CAMPAIGN = """\
campaign: natal
purpose: {purpose}
dial_list: {{file: "a,b.csv", id: contrato, numbers: [celular]}}
call: {{connect_to: "4000"}}
"""
LIST = "contrato;celular\nA1;48998761234\nA2;abc\nA3;4898761235\n"


@pytest.fixture
def validate(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., Answer]:
    """Validate a campaign for a purpose; returns exit code, output and errors."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("TEMPORAL_ADDRESS", raising=False)

    def run(*options: str, purpose: str = "service", rows: str = LIST) -> Answer:
        Path("natal.yaml").write_text(CAMPAIGN.format(purpose=purpose), encoding="utf-8")
        Path("a,b.csv").write_text(rows, encoding="utf-8")
        code = commands.call(["validate", "natal.yaml", *options])
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return run


def test_people_read_what_is_rejected_and_where_to_mend_it(validate: Callable[..., Answer]) -> None:
    """The text names line and reason, and the file that can be mended and imported again."""
    code, out, err = validate()
    assert (code, err) == (0, "")
    assert out.startswith("natal is valid: 2 contacts, 1 row rejected.\n")
    assert "line 3 (celular)" in out
    file = Path(".discador/rows/natal-rejected.csv")
    assert str(file) in out
    written = file.read_text(encoding="utf-8-sig").splitlines()
    assert written[1] == "3;letters;there are letters among the digits;A2;abc"


def test_programs_read_all_of_it_as_json(validate: Callable[..., Answer]) -> None:
    """One document with every problem and row; the exit code tells whether it is valid."""
    code, out, err = validate("--format", "json")
    told = json.loads(out)
    assert (code, err, told["valid"], told["contacts"], told["rejected"]) == (0, "", True, 2, 1)
    assert [(row["line"], row["reason"]) for row in told["rejected_rows"]] == [(3, "letters")]
    assert [row["reason"] for row in told["notes"]] == ["ninth_digit_added"]

    code, out, _ = validate("--format", "json", purpose="colection")
    told = json.loads(out)
    assert (code, told["valid"], told["campaign"]) == (2, False, None)
    [problem] = told["problems"]
    assert (problem["file"], problem["line"], problem["column"]) == ("natal.yaml", 2, 10)
    assert (problem["code"], problem["severity"]) == ("not_a_choice", "error")


def test_github_gets_annotations_at_their_places(validate: Callable[..., Answer]) -> None:
    """Errors of the file and rows of the list are commands in GitHub's own syntax, escaped."""
    code, out, err = validate("--format", "github", purpose="colection")
    assert (code, err) == (2, "")
    assert out.startswith("::error file=natal.yaml,line=2,col=10,title=not_a_choice::choose one of")
    _, out, _ = validate("--format", "github")
    assert out.splitlines() == [
        (
            "::warning file=a%2Cb.csv,line=3,title=letters"
            "::celular: there are letters among the digits"
        ),
        (
            "::notice file=a%2Cb.csv,line=4,title=ninth_digit_added"
            "::celular: the ninth digit was added to this mobile"
        ),
    ]


@pytest.mark.parametrize("form", ["text", "json", "github"])
def test_a_list_in_which_nobody_can_be_called_is_invalid(
    validate: Callable[..., Answer], form: str
) -> None:
    """What `run` would refuse is refused here, in every form, with exit code 2."""
    code, out, err = validate("--format", form, rows="contrato;celular\nA1;abc\n")
    assert code == 2
    assert "nobody_to_call" in out + err
    place = {"text": "natal.yaml:3:19: ", "json": '"line": 3,', "github": "line=3,col=19"}
    assert place[form] in out + err, "where the campaign names its list"
