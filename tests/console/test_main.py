"""The border to the process: codes, one line, and nothing personal in it."""

from __future__ import annotations

import pytest

from console import commands, main
from console.commands import call


def _fail(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> int:
    def call(_: list[str]) -> int:
        raise error

    monkeypatch.setattr(commands, "call", call)
    return main._run([])


def test_an_unexpected_error_is_one_line_without_numbers(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Not even an error of a library shows a trace, or the telephone numbers that it quotes."""
    monkeypatch.delenv("DISCADOR_DEBUG", raising=False)
    error = ValueError("bad row (+55 48 99999-1234, 4832830151)\nwith more below")
    assert _fail(monkeypatch, error) == 1
    told = capsys.readouterr().err
    assert told.startswith("discador failed: ValueError: bad row")
    assert len(told.splitlines()) == 1
    assert not [part for part in ("99999", "1234", "4832830151", "more below") if part in told]


def test_the_trace_is_there_for_who_asks(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`DISCADOR_DEBUG=1` shows where it happened."""
    monkeypatch.setenv("DISCADOR_DEBUG", "1")
    assert _fail(monkeypatch, ValueError("x")) == 1
    assert "Traceback" in capsys.readouterr().err


@pytest.mark.parametrize("error", [KeyboardInterrupt(), BrokenPipeError()])
def test_an_early_interrupt_or_a_lost_reader_is_no_crash(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], error: BaseException
) -> None:
    """Both end the command with code 1 and without a trace."""
    assert _fail(monkeypatch, error) == 1
    assert "Traceback" not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["validate"], "Missing argument 'FILE'. `discador validate --help` shows how."),
        (["schema", "--xml"], "No such option: --xml. `discador schema --help` shows how."),
    ],
)
def test_a_mistake_names_the_help_of_its_own_command(
    arguments: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """One sentence, its full stop, and the help that answers it."""
    assert call(arguments) == 1
    assert capsys.readouterr().err.strip() == told


def test_a_group_without_a_command_shows_its_help_and_no_more(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Its last line is the last command, not a hint to ask for the help that stands there."""
    assert call(["contacts"]) == 1
    assert "shows how" not in capsys.readouterr().err
