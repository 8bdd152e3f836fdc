"""Bad input gets one clear answer, the right exit code, and nothing is started."""

from __future__ import annotations

import os
import socket
import subprocess

import pytest

from tests.console.newcomer import DISCADOR, Newcomer


def _told(newcomer: Newcomer, *arguments: str, code: int) -> str:
    """Run a command that must fail, and return its one answer."""
    return _answer(newcomer.asks(*arguments), code)


def _answer(done: subprocess.CompletedProcess[str], code: int) -> str:
    assert done.returncode == code, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
    return done.stderr.strip()


def _nothing_was_stored(newcomer: Newcomer) -> None:
    assert not list(newcomer.folder.rglob("discador.db"))


def test_a_missing_file_is_told(newcomer: Newcomer) -> None:
    """A campaign that is not there is an invalid definition, in one line."""
    told = _told(newcomer, "run", "none.yaml", "--sandbox", code=2)
    assert "none.yaml" in told
    _nothing_was_stored(newcomer)


def test_every_mistake_of_a_file_is_told_with_its_place(newcomer: Newcomer) -> None:
    """All problems come at once, each with file, line and column, and nothing starts."""
    file = newcomer.campaign()
    text = file.read_text(encoding="utf-8").replace("purpose: service", "purpose: hobby")
    file.write_text(text + "colour: blue\n", encoding="utf-8")
    told = _answer(newcomer.discador("run", str(file), "--sandbox"), 2)
    assert f"{file}:2:" in told
    assert f"{file}:11:1:" in told
    _nothing_was_stored(newcomer)


def test_a_campaign_whose_end_has_passed_is_not_started(newcomer: Newcomer) -> None:
    """It could call nobody, and says so before anything is started or stored."""
    file = newcomer.campaign()
    with file.open("a", encoding="utf-8") as text:
        text.write('schedule: {end_at: "2026-01-05 18:00"}\n')
    told = _told(newcomer, "run", str(file), "--sandbox", code=1)
    assert "ended at 2026-01-05 18:00" in told
    _nothing_was_stored(newcomer)


@pytest.mark.parametrize("command", ["run", "validate"])
def test_a_missing_list_is_told(newcomer: Newcomer, command: str) -> None:
    """The list that is named and not there is named in the answer."""
    file = newcomer.campaign()
    (newcomer.folder / "teste.csv").unlink()
    assert "teste.csv" in _told(newcomer, command, str(file), "--sandbox", code=2)
    _nothing_was_stored(newcomer)


def test_a_missing_column_is_told_with_those_that_exist(newcomer: Newcomer) -> None:
    """Someone who mistyped a column sees what the columns are called."""
    file = newcomer.campaign()
    text = file.read_text(encoding="utf-8").replace("[celular]", "[telefone]")
    file.write_text(text, encoding="utf-8")
    told = _told(newcomer, "run", str(file), "--sandbox", code=2)
    assert "telefone" in told
    assert "contrato" in told
    assert "celular" in told
    _nothing_was_stored(newcomer)


@pytest.mark.parametrize("content", [b"", b"contrato;celular\n"])
def test_an_empty_list_is_told(newcomer: Newcomer, content: bytes) -> None:
    """A list without anybody in it starts nothing."""
    file = newcomer.campaign()
    (newcomer.folder / "teste.csv").write_bytes(content)
    assert "teste.csv" in _told(newcomer, "run", str(file), "--sandbox", code=2)
    _nothing_was_stored(newcomer)


def test_an_unreadable_encoding_is_told(newcomer: Newcomer) -> None:
    """Bytes that are no text in any encoding we read are refused."""
    file = newcomer.campaign()
    (newcomer.folder / "teste.csv").write_bytes("contrato;celular\nC1;48\n".encode("utf-16-be"))
    assert "teste.csv" in _told(newcomer, "run", str(file), "--sandbox", code=2)
    _nothing_was_stored(newcomer)


def test_always_is_refused_where_people_could_be_called(newcomer: Newcomer) -> None:
    """`calling_hours: always` needs an API on this machine; for the real one it is invalid."""
    file = newcomer.campaign()
    assert "always" in _told(newcomer, "validate", str(file), code=2)


def test_without_a_token_nothing_dials(newcomer: Newcomer) -> None:
    """The answer names what is missing, and the way to try without an account."""
    for command in (["run", str(newcomer.campaign())], ["start", str(newcomer.campaign())], ["up"]):
        told = _told(newcomer, *command, code=1)
        assert "ZENVIA_ACCESS_TOKEN" in told
        assert "--sandbox" in told
        assert len(told.splitlines()) == 1
    _nothing_was_stored(newcomer)


def test_a_temporal_that_does_not_answer_is_told(newcomer: Newcomer) -> None:
    """The address is in the answer, and no run is left in the store."""
    with socket.socket() as silent:  # bound, never listening
        silent.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        newcomer.environ = {
            "TEMPORAL_ADDRESS": address,
            "ZENVIA_BASE_URL": "http://127.0.0.1:9",
            "ZENVIA_ACCESS_TOKEN": "x",
        }
        for command in ("run", "start"):
            told = _told(newcomer, command, str(newcomer.campaign()), code=1)
            assert address in told
            assert len(told.splitlines()) == 1
    _nothing_was_stored(newcomer)


def test_nonsense_in_the_environment_is_told_by_its_name(newcomer: Newcomer) -> None:
    """Settings are checked before anything is connected or written."""
    newcomer.environ = {"DISCADOR_ACCOUNT_CHANNELS": "many", "ZENVIA_BASE_URL": "zenvia"}
    told = _told(newcomer, "run", str(newcomer.campaign()), code=1)
    assert sorted(line.split()[0] for line in told.splitlines()) == sorted(newcomer.environ)


@pytest.mark.parametrize(
    "arguments",
    [["dance"], ["run"], ["run", "--nonsense"], ["sandbox", "--port", "x"], ["stop", "nobody"]],
)
def test_a_command_line_that_cannot_be_understood_is_told(
    newcomer: Newcomer, arguments: list[str]
) -> None:
    """Exit code 2 is for definitions alone; a mistyped command is 1, in one line."""
    assert len(_answer(newcomer.discador(*arguments), 1).splitlines()) == 1


def test_a_list_that_nobody_of_can_be_called_starts_nothing(newcomer: Newcomer) -> None:
    """When every row is rejected there is no run to wait for; the reasons are told."""
    file = newcomer.campaign(["C1;190", "C2;"])
    done = newcomer.discador("run", str(file), "--sandbox")
    assert done.returncode == 2
    assert "nobody in it can be dialed (2 rows rejected)" in done.stderr
    assert "line 2" in done.stderr
    assert newcomer.asks("status").stdout.count("running") == 0
    newcomer.no_process_is_left()


def test_a_store_that_cannot_be_opened_is_told(newcomer: Newcomer) -> None:
    """A path that is no database gives one line, not a trace."""
    (newcomer.folder / "store.db").write_text("this is no database, " * 100, encoding="utf-8")
    newcomer.environ = {"DISCADOR_STORE_URL": "sqlite:///store.db"}
    assert len(_told(newcomer, "status", code=1).splitlines()) == 1


def test_a_reader_that_goes_away_is_no_crash(newcomer: Newcomer) -> None:
    """`discador --help | true` ends by itself and without a trace."""
    reader, writer = os.pipe()
    os.close(reader)
    try:
        process = subprocess.Popen(
            [DISCADOR, "--help"], cwd=newcomer.folder, stdout=writer, stderr=subprocess.PIPE
        )
    finally:
        os.close(writer)
    _, told = process.communicate(timeout=60)
    assert process.returncode in {0, 1}
    assert told == b""


def test_help_needs_no_settings(newcomer: Newcomer) -> None:
    """Help is there even when the settings are broken."""
    newcomer.environ = {"ZENVIA_BASE_URL": "nonsense"}
    done = newcomer.discador("--help")
    assert done.returncode == 0
    assert "demo" in done.stdout
