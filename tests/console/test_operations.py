"""The commands for single operations: a table for people, JSON for programs, errors in a line."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from console.commands import call
from sandbox.server import SandboxServer
from tests.zenvia.raw_server import envelope, http

NUMBER, OTHER = "+5548999990001", "+5548999990002"


class Clock:
    """The sandbox's time, moved by the test."""

    def __init__(self) -> None:
        self.now = float(int(time.time()))

    def __call__(self) -> float:
        """Tell the time in epoch seconds."""
        return self.now


@dataclass
class Said:
    """What a command line printed and how it ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Standard output as JSON."""
        return json.loads(self.out)


class Shell:
    """Runs command lines against a sandbox."""

    def __init__(self, sandbox: SandboxServer, clock: Clock, capture: Any) -> None:
        self.sandbox = sandbox
        self.clock = clock
        self._capture = capture

    def __call__(self, *arguments: object) -> Said:
        """Run one command line."""
        code = call([str(argument) for argument in arguments])
        printed = self._capture.readouterr()
        return Said(code, printed.out, printed.err)

    def running_call(self) -> int:
        """Place a recorded call and let both talk."""
        created = self(
            "chamada", "criar", "4000", NUMBER, "--gravar-audio", "--tags", "k1", "--json"
        )
        self.clock.now += 20
        return int(created.json["id"])


@pytest.fixture
def shell(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> Iterator[Shell]:
    """Give a shell in an empty folder, its settings pointing to a sandbox."""
    clock = Clock()
    with SandboxServer(clock=clock) as sandbox:
        talk = [{"outcome": "answer", "ring": 5, "talk": 60}]
        sandbox.script({NUMBER: talk, OTHER: talk, "4000": talk})
        monkeypatch.chdir(tmp_path)
        monkeypatch.setenv("ZENVIA_BASE_URL", sandbox.url)
        monkeypatch.setenv("ZENVIA_ACCESS_TOKEN", sandbox.token)
        yield Shell(sandbox, clock, capsys)


def today(shell: Shell) -> list[str]:
    """Return the options for the day of the sandbox's clock."""
    day = time.strftime("%Y-%m-%d", time.gmtime(shell.clock.now - 3 * 3600))
    return ["--inicio", day, "--fim", day]


def test_a_call_is_created_as_typed(shell: Shell) -> None:
    """Every option reaches the provider; numbers may be written as people write them."""
    said = shell(
        "chamada",
        "criar",
        "4000",
        "(48) 99999-0001",
        "--data-criacao",
        "2030-01-31T15:00:00",
        "--gravar-audio",
        "--bina-origem",
        "4832830151",
        "--bina-destino",
        "4832830152",
        "--tags",
        "clienteUm",
        "--detecta-caixa-origem",
    )
    assert said.code == 0
    entry = shell.sandbox.ledger()[0]
    assert str(entry["id"]) in said.out
    assert (entry["numero_origem"], entry["numero_destino"]) == ("4000", NUMBER)
    assert entry["tags"] == "clienteUm"


def test_a_call_is_shown(shell: Shell) -> None:
    """A table for people without the recording's address; the whole object for programs."""
    created = shell.running_call()
    shell.clock.now += 200
    people, program = (
        shell("chamada", "buscar", created),
        shell("chamada", "buscar", created, "--json"),
    )
    assert (people.code, program.code) == (0, 0)
    for word in ("finalizada", "atendida", "16. normal", "k1", "00:01:00"):
        assert word in people.out
    assert "/rec/" not in people.out
    assert program.json["destino"]["duracao_falada_segundos"] == 60
    assert program.json["id"] == created


def test_a_call_is_ended_once(shell: Shell) -> None:
    """The second time says in the API's words that there is nothing to end."""
    created = shell.running_call()
    assert shell("chamada", "desligar", created).code == 0
    shell.clock.now += 5
    again = shell("chamada", "desligar", created)
    assert again.code == 1
    assert again.err == "chamada desligar: a chamada não está ativa (HTTP 404, motivo 80)\n"


def test_a_recording_is_kept(shell: Shell, tmp_path: Path) -> None:
    """By default under the call's id, else where it was told."""
    created = shell.running_call()
    shell.clock.now += 200
    assert shell("chamada", "gravacao", created).code == 0
    said = shell("chamada", "gravacao", created, "--saida", tmp_path / "a.mp3", "--json")
    assert said.json["size"] == (tmp_path / "a.mp3").stat().st_size
    assert (tmp_path / f"gravacao-{created}.mp3").exists()


def test_a_broken_recording_replaces_nothing(shell: Shell, tmp_path: Path) -> None:
    """The file from before stays; the command says so and fails."""
    created = shell.running_call()
    shell.clock.now += 200
    (tmp_path / "a.mp3").write_bytes(b"old")
    shell.sandbox.faults(truncated_recording=1.0, operations=["chamada.gravacao"])
    said = shell("chamada", "gravacao", created, "--saida", "a.mp3")
    assert said.code == 1
    assert (tmp_path / "a.mp3").read_bytes() == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["a.mp3"]


def test_calls_of_a_day_are_listed(shell: Shell) -> None:
    """Tables and JSON have the same calls, and filters hold."""
    for number in (NUMBER, OTHER, NUMBER):
        assert shell("chamada", "criar", "4000", number).code == 0
    people = shell("chamada", "relatorio", *today(shell))
    assert people.out.count(NUMBER) == 2
    assert len(shell("chamada", "relatorio", *today(shell), "--json").json) == 3
    filtered = shell("chamada", "relatorio", *today(shell), "--destino", OTHER, "--json")
    assert [row["destino"]["numero"] for row in filtered.json] == [OTHER]
    empty = shell("chamada", "relatorio", "--inicio", "2020-01-01", "--fim", "2020-01-02", "--json")
    assert empty.json == []


def test_a_running_call_is_listened_to_moved_and_rated(shell: Shell) -> None:
    """The operations that act on a running call."""
    created = shell.running_call()
    for modo in ("1", "sussurro", "conferencia"):
        assert shell("chamada", "escuta", created, "4001", "--modo", modo).code == 0
    assert shell("chamada", "avaliar", created, "5", "--comentario", "muito boa").code == 0
    assert shell("chamada", "transferir", created, "4001", "--perna", "origem", "--json").json == {
        "id": created
    }


def test_a_conference_is_carried_through(shell: Shell) -> None:
    """Open, fill, look, list, close."""
    room = shell("conferencia", "criar", "--json").json["id"]
    added = shell(
        "conferencia", "adicionar", room, NUMBER, "--bina", "4832830151", "--gravar-audio", "--json"
    )
    assert added.json["conferencia_id"] == room
    shell.clock.now += 20
    assert NUMBER in shell("conferencia", "buscar", room).out
    assert shell("conferencia", "buscar", room, "--json").json["chamadas"][0]["numero"] == NUMBER
    rooms = shell("conferencia", "relatorio", *today(shell), "--json").json
    assert [row["id"] for row in rooms] == [room]
    assert str(room) in shell("conferencia", "relatorio", *today(shell)).out
    calls = shell("conferencia", "chamadas", *today(shell), "--json").json
    assert [row["id"] for row in calls] == [added.json["id"]]
    assert NUMBER in shell("conferencia", "chamadas", *today(shell)).out
    assert shell("conferencia", "encerrar", room).code == 0


@pytest.mark.parametrize("tipo", ["floating", "embedded", "hidden"])
def test_a_webphone_address_is_printed(shell: Shell, tipo: str) -> None:
    """The address itself, alone on the first line."""
    said = shell("webphone", "url", "--ramal", "4000", "--tipo", tipo)
    assert said.code == 0
    assert said.out.splitlines()[0].startswith(shell.sandbox.webphone_url)
    asked = shell("webphone", "url", "--ramal", "4000", "--ligar-para", NUMBER, "--json")
    assert asked.json["url"].startswith("http")


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("chamada buscar 5", "chamada buscar: chamada não encontrada (HTTP 404, motivo 60)"),
        ("chamada criar 4000 190", "emergency"),
        ("chamada criar 4000 08001234567", "0800"),
        ("chamada criar 4000", "NUMERO|DESTINO|destino"),
        ("chamada buscar x", "id"),
        ("chamada buscar -5", "5"),
        ("chamada escuta 5 4001 --modo 9", "--modo"),
        ("chamada transferir 5 4001 --perna meio", "--perna"),
        ("chamada avaliar 5 9", "5"),
        ("chamada relatorio --inicio yesterday --fim 2026-01-01", "not a time"),
        ("chamada relatorio --inicio 2026-01-01", "fim"),
        ("chamada criar 4000 4001 --data-criacao soon", "not a time"),
        ("chamada gravacao 5 --saida nowhere/a.mp3", "nowhere"),
        ("conferencia buscar 5", "conferência não encontrada"),
        ("conferencia adicionar 5 190", "emergency"),
        ("webphone url", "--ramal"),
        ("webphone url --ramal 9999", "ramal não encontrada"),
        ("webphone url --ramal 4000 --tipo popup", "--tipo"),
        ("webphone url --ramal 4000 --ligar-para 12", "too few"),
    ],
)
def test_a_mistake_is_one_line(shell: Shell, line: str, words: str) -> None:
    """What is wrong, on standard error, exit code 1; nothing is dialed and no number repeated."""
    said = shell(*line.split())
    assert said.code == 1
    assert said.out == ""
    assert said.err.count("\n") == 1
    assert any(word in said.err for word in words.split("|"))
    assert "Traceback" not in said.err
    assert "08001234567" not in said.err
    assert shell.sandbox.ledger() == []


def test_a_lost_answer_says_what_to_do(shell: Shell) -> None:
    """It is not known whether a phone rings: look before trying again."""
    shell.sandbox.faults(lost_answer=1.0)
    said = shell("chamada", "criar", "4000", NUMBER)
    assert said.code == 1
    assert said.err.count("\n") == 1
    assert "discador chamada relatorio" in said.err
    assert NUMBER not in said.err
    assert len(shell.sandbox.ledger()) == 1


def test_without_a_token_nothing_is_asked(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    """It says which variable is missing, and how to try without an account."""
    monkeypatch.setenv("ZENVIA_ACCESS_TOKEN", "")
    said = shell("chamada", "criar", "4000", NUMBER)
    assert said.code == 1
    assert "ZENVIA_ACCESS_TOKEN" in said.err
    assert "sandbox" in said.err
    assert shell.sandbox.ledger() == []


def test_a_wrong_token_is_the_api_s_own_message(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    """403 with motivo 40; the token is not shown."""
    monkeypatch.setenv("ZENVIA_ACCESS_TOKEN", "wr0ngT0ken")
    said = shell("chamada", "criar", "4000", NUMBER)
    assert (said.code, said.out) == (1, "")
    assert said.err == "chamada criar: access token inválido (HTTP 403, motivo 40)\n"


def test_nobody_listening_is_one_line(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    """A refused connection: nothing was sent."""
    monkeypatch.setenv("ZENVIA_BASE_URL", "http://127.0.0.1:1")
    said = shell("chamada", "criar", "4000", NUMBER)
    assert said.code == 1
    assert "nothing was sent" in said.err


def test_the_api_cannot_paint_on_the_terminal(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Control characters and markup in the API's text are shown as text."""
    import socket  # noqa: PLC0415 - only here
    import threading  # noqa: PLC0415 - only here

    tags = "\x1b[2Jboo [red]x[/red]"
    page = http(200, envelope({"id": 5, "tags": tags}), "Connection: close")
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            connection, _ = server.accept()
            connection.recv(65536)
            connection.sendall(page)
            connection.close()

        thread = threading.Thread(target=answer)
        thread.start()
        monkeypatch.setenv("ZENVIA_BASE_URL", f"http://127.0.0.1:{server.getsockname()[1]}")
        said = shell("chamada", "buscar", "5")
        thread.join()
    assert "\x1b" not in said.out
    assert "boo [red]x[/red]" in said.out


def test_the_program_itself_ends_with_the_code(shell: Shell) -> None:
    """As a process: exit code 1, one line, no traceback."""
    done = subprocess.run(
        [sys.executable, "-m", "console", "chamada", "buscar", "5"],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "chamada buscar: chamada não encontrada (HTTP 404, motivo 60)\n"
