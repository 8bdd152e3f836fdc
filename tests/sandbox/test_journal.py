"""A sandbox with a journal, started again on it, is the same provider."""

from pathlib import Path
from typing import Any

from tests.sandbox.conftest import CONTACT, START, Api, Clock, Sandboxes


def _again(sandbox: Sandboxes, api: Api, **options: Any) -> Api:
    """Stop a sandbox and start another on the same journal."""
    api.server.stop()
    return sandbox(**options)


def test_calls_go_on_where_they_were(sandbox: Sandboxes, clock: Clock, tmp_path: Path) -> None:
    """A call that was live is live again and ends when it would have; it is the same call."""
    options: dict[str, Any] = {"clock": clock, "journal": str(tmp_path / "calls")}
    api = sandbox(**options)
    api.script({"outcome": "answer", "ring": 10, "talk": 42})
    api.script({"outcome": "answer", "ring": 2, "talk": 600}, number="4000")
    call_id = api.create(tags="k-1")
    clock.now = START + 20
    before = api.fetch(call_id)
    api = _again(sandbox, api, **options)
    assert api.fetch(call_id) == before | {"url_gravacao": api.fetch(call_id)["url_gravacao"]}
    assert api.server.stats()["live"] == 1
    clock.now = START + 55
    assert api.fetch(call_id)["status_geral"] == "finalizada"
    assert api.server.ledger()[0]["ended_at"] == START + 55


def test_what_would_have_ended_has_ended(sandbox: Sandboxes, clock: Clock, tmp_path: Path) -> None:
    """Time goes on while the sandbox is down; a call to somebody who is there does not wait."""
    options: dict[str, Any] = {"clock": clock, "journal": str(tmp_path / "calls")}
    api = sandbox(**options)
    call_id = api.create()
    clock.now = START + 4_000
    api = _again(sandbox, api, **options)
    assert api.fetch(call_id)["status_geral"] == "finalizada"
    assert api.server.stats()["live"] == 0


def test_a_hang_up_is_kept(sandbox: Sandboxes, clock: Clock, tmp_path: Path) -> None:
    """A call that was hung up before the restart stays so."""
    options: dict[str, Any] = {"clock": clock, "journal": str(tmp_path / "calls")}
    api = sandbox(**options)
    call_id = api.create()
    clock.now = START + 2
    assert api("DELETE", f"/chamada/{call_id}").status_code == 200
    api = _again(sandbox, api, **options)
    clock.now = START + 4
    assert api.fetch(call_id)["status_geral"] == "finalizada"
    assert api.server.ledger()[0]["hung_up_by_api"] is True


def test_ids_and_fates_go_on(sandbox: Sandboxes, clock: Clock, tmp_path: Path) -> None:
    """No id is given twice, and the n-th call to a number is the n-th across restarts."""
    options: dict[str, Any] = {"clock": clock, "journal": str(tmp_path / "calls")}
    api = sandbox(**options)
    first = api.create()
    api = _again(sandbox, api, **options)
    assert api.create() == first + 1
    assert [row["attempt"] for row in api.server.ledger()] == [0, 1]


def test_a_torn_line_is_nothing(sandbox: Sandboxes, clock: Clock, tmp_path: Path) -> None:
    """A sandbox that was killed while it wrote starts with every whole line, and goes on."""
    journal = tmp_path / "calls"
    options: dict[str, Any] = {"clock": clock, "journal": str(journal)}
    api = sandbox(**options)
    first = api.create()
    api.server.stop()
    with journal.open("a", encoding="utf-8") as file:
        file.write('{"id": 77, "accep')
    api = sandbox(**options)
    second = api.create()
    api = _again(sandbox, api, **options)
    assert [row["id"] for row in api.server.ledger()] == [first, second]
    assert {row["numero_origem"] for row in api.server.ledger()} == {CONTACT}


def test_without_a_journal_nothing_is_written(
    sandbox: Sandboxes, clock: Clock, tmp_path: Path
) -> None:
    """Keeping calls is asked for."""
    sandbox(clock=clock).create()
    assert list(tmp_path.iterdir()) == []
