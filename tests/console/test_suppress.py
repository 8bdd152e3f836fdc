"""`discador suppress`: who asked not to be called is left alone at once, in every store."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from campaigns.loader import load
from console import commands, engine
from console.failures import CommandError
from store import runs, suppressing
from store.engine import open_store
from store.suppressing import Suppression

Answer = tuple[int, str, str]
PHONE = "(48) 99876-1234"
E164 = "+5548998761234"


@pytest.fixture
def suppress(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., Answer]:
    """Run the command in an empty directory; returns exit code, output and errors."""
    monkeypatch.chdir(tmp_path)
    for name in ("DISCADOR_STORE_URL", "TEMPORAL_ADDRESS"):
        monkeypatch.delenv(name, raising=False)

    def run(*arguments: str) -> Answer:
        code = commands.call(["suppress", *arguments])
        printed = capsys.readouterr()
        assert "98761234" not in printed.out + printed.err
        assert "9876-1234" not in printed.out + printed.err
        return code, printed.out, printed.err

    return run


def _stored(folder: Path, e164: str = E164, *, sandbox: bool = False) -> list[Suppression]:
    home = folder / ".discador"
    file = (home / "sandbox" if sandbox else home) / "discador.db"

    async def read() -> list[Suppression]:
        async with open_store(f"sqlite:///{file}", time.time) as store:
            return await suppressing.entries_of(store, "default", e164)

    return asyncio.run(read())


def test_names_of_ours_are_refused(suppress: Callable[..., Answer], tmp_path: Path) -> None:
    """Told plainly, for a registry and for a source; nothing is written."""
    (tmp_path / "list.csv").write_text(f"number\n{PHONE}\n", encoding="utf-8")
    for arguments in (
        ("add", PHONE, "--source", "dead number"),
        ("import", "list.csv", "--as", "dead number"),
        ("import", "list.csv", "--as", "by hand"),
    ):
        code, _, err = suppress(*arguments)
        assert code == 1
        assert "choose another name" in err
        assert _stored(tmp_path) == []


def test_a_number_is_suppressed_for_real_calls_and_rehearsals(
    suppress: Callable[..., Answer], tmp_path: Path
) -> None:
    """One command writes both stores, and twice is the same as once."""
    for _ in range(2):
        code, out, _ = suppress("add", PHONE, "--scope", "sales", "--expires", "2099-12-31")
        assert (code, out) == (0, "1 number suppressed, at once.\n")
    real, rehearsal = _stored(tmp_path), _stored(tmp_path, sandbox=True)
    assert real == rehearsal
    assert [(entry.scope, entry.campaign, entry.source) for entry in real] == [
        ("sales", "", "by hand")
    ]
    # The day has ended in all of Brazil at five in the morning UTC.
    assert real[0].expires_at == 4_102_462_800.0


def test_checking_tells_each_entry_and_a_mask(suppress: Callable[..., Answer]) -> None:
    """The answer names the area code and two digits, whom the entry binds, and from where it is."""
    suppress("add", PHONE, "--campaign", "natal", "--source", "ouvidoria")
    _, out, _ = suppress("check", PHONE, "48 3283-0151")
    assert out.splitlines() == [
        "(48) ...34: suppressed by",
        "  natal; ouvidoria",
        "(48) ...51: not suppressed",
    ]
    _, out, _ = suppress("check", PHONE, "--json")
    found = json.loads(out)
    assert found[0]["suppressed"] is True
    assert found[0]["entries"][0]["campaign"] == "natal"


def test_an_entry_that_has_expired_suppresses_nobody(suppress: Callable[..., Answer]) -> None:
    """It is shown as expired, and the answer is that the number is free."""
    suppress("add", PHONE, "--expires", "2020-01-31")
    _, out, _ = suppress("check", PHONE)
    assert "not suppressed" in out
    assert "expired" in out


def test_removing_tells_what_still_holds(suppress: Callable[..., Answer], tmp_path: Path) -> None:
    """An account's entry goes, the campaign's one stays and is told."""
    suppress("add", PHONE)
    suppress("add", PHONE, "--campaign", "natal")
    _, out, _ = suppress("remove", PHONE)
    assert out.startswith("(48) ...34: 1 entry removed.")
    assert "still there: natal" in out
    assert [entry.campaign for entry in _stored(tmp_path)] == ["natal"]


def test_a_list_is_imported_and_its_bad_rows_are_told(
    suppress: Callable[..., Answer], tmp_path: Path
) -> None:
    """Rows with a number bind; the others come with line and reason, once, and never a number."""
    Path("fora.csv").write_text(
        f"number;scope;source\n{PHONE};sales;loja\n48 123;;\n48 3283-0151;;\n", encoding="utf-8"
    )
    code, out, err = suppress("import", "fora.csv", "--scope", "collection")
    assert code == 0
    assert out == "2 numbers suppressed, at once; 1 row rejected.\n"
    assert err.count("line 3 (number)") == 1
    assert [(e.scope, e.source) for e in _stored(tmp_path)] == [("sales", "loja")]
    assert [(e.scope, e.source) for e in _stored(tmp_path, "+554832830151")] == [
        ("collection", "fora.csv")
    ]


def test_a_registry_is_replaced_by_its_next_import(
    suppress: Callable[..., Answer], tmp_path: Path
) -> None:
    """Who left the registry is free again; who was suppressed by hand is not."""
    Path("procon.csv").write_text(f"{PHONE}\n4832830151\n", encoding="utf-8")
    suppress("import", "procon.csv", "--as", "procon-sp")
    suppress("add", "4832830151")
    Path("procon.csv").write_text("48997312846\n", encoding="utf-8")
    assert suppress("import", "procon.csv", "--as", "procon-sp")[0] == 0
    assert _stored(tmp_path) == []
    assert [entry.source for entry in _stored(tmp_path, "+554832830151")] == ["by hand"]
    _, out, _ = suppress("lists")
    assert out.startswith("procon-sp: 1 number, imported ")


def test_a_registry_that_was_cut_off_frees_nobody(
    suppress: Callable[..., Answer], tmp_path: Path
) -> None:
    """A file with less than half of the last one's numbers is taken in, and nobody is let go."""
    rows = "".join(f"48997312{index:03d}\n" for index in range(5))
    Path("procon.csv").write_text(f"{PHONE}\n{rows}", encoding="utf-8")
    suppress("import", "procon.csv", "--as", "procon-sp")
    Path("procon.csv").write_text("4832830151\n", encoding="utf-8")
    code, out, err = suppress("import", "procon.csv", "--as", "procon-sp")
    assert (code, out) == (1, "")
    assert "procon-sp held 6 numbers and this file holds 1" in err
    assert len(_stored(tmp_path)) == len(_stored(tmp_path, "+554832830151")) == 1
    assert suppress("import", "procon.csv", "--as", "procon-sp", "--shrink")[0] == 0
    assert _stored(tmp_path) == []


def test_every_command_answers_programs_too(
    suppress: Callable[..., Answer], tmp_path: Path
) -> None:
    """With --json the output is one JSON document, and holds no number."""
    _, out, _ = suppress("add", PHONE, "--scope", "sales", "--expires", "2099-12-31", "--json")
    assert json.loads(out) == {"suppressed": 1, "campaign": None, "scope": "sales"}
    Path("procon.csv").write_text(f"{PHONE}\nx\n", encoding="utf-8")
    _, out, _ = suppress("import", "procon.csv", "--as", "procon-sp", "--json")
    told = json.loads(out)
    assert (told["suppressed"], told["rejected"], told["registry"]) == (1, 1, "procon-sp")
    _, out, _ = suppress("lists", "--json")
    assert [(item["name"], item["numbers"]) for item in json.loads(out)] == [("procon-sp", 1)]
    _, out, _ = suppress("remove", PHONE, "--scope", "sales", "--json")
    [gone] = json.loads(out)
    assert (gone["number"], gone["removed"], gone["suppressed"]) == ("(48) ...34", 1, True)


def test_an_empty_registry_frees_nobody(suppress: Callable[..., Answer], tmp_path: Path) -> None:
    """A file in which no number can be read changes nothing, and ends with 2."""
    Path("procon.csv").write_text(f"{PHONE}\n", encoding="utf-8")
    suppress("import", "procon.csv", "--as", "procon-sp")
    Path("procon.csv").write_text("number\nnobody\n", encoding="utf-8")
    code, _, err = suppress("import", "procon.csv", "--as", "procon-sp")
    assert code == 2
    assert "no row of it holds a number" in err
    assert len(_stored(tmp_path)) == 1


@pytest.mark.parametrize(
    "arguments",
    [
        ("add", "190"),
        ("add", PHONE, "48 123"),
        ("add", PHONE, "--expires", "soon"),
        ("add", PHONE, "--campaign", "No Such Name"),
        ("import", "none.csv"),
        ("import", "none.csv", "--as", "procon-sp", "--campaign", "natal"),
    ],
)
def test_a_mistake_writes_nothing(
    arguments: tuple[str, ...], suppress: Callable[..., Answer], tmp_path: Path
) -> None:
    """A command with one wrong value leaves no store behind, and says what is wrong."""
    code, out, err = suppress(*arguments)
    assert code in {1, 2}
    assert out == ""
    assert len(err.splitlines()) == 1
    assert not (tmp_path / ".discador").exists()


CAMPAIGN = """\
campaign: natal
purpose: {purpose}
dial_list: {{file: lista.csv, numbers: [celular]}}
call: {{connect_to: "4000"}}
suppression: {{files: [nao-ligar.csv], max_age: 2d}}
"""


class Starting:
    """Imports a campaign into a store of its own, as `start` does before it lets it dial."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.now = time.time()
        self.said: list[str] = []

    def __call__(self, purpose: str, *registries: str) -> str:
        """Return the run's state; `registries` are imported first."""
        path = self.folder / "natal.yaml"
        path.write_text(CAMPAIGN.format(purpose=purpose), encoding="utf-8")
        (self.folder / "lista.csv").write_text("celular\n11 99876-1234\n", encoding="utf-8")
        campaign = load(path, loopback=False)

        async def work() -> str:
            async with open_store(f"sqlite:///{self.folder}/store.db", lambda: self.now) as store:
                await engine.know_account(store)
                for name in registries:
                    entry = Suppression(e164="+5511912345678")
                    await suppressing.import_list(store, "default", name, [entry])
                self.now += 86_400.0
                try:
                    run = await engine.import_list(
                        store, campaign, path, lambda _: None, self.said.append
                    )
                    return run.state
                finally:
                    for left in await runs.list_runs(store, open_only=True):
                        await runs.abandon(store, left.id, "the test has seen enough")

        return asyncio.run(work())

    def files(self, text: str) -> None:
        """Write the campaign's own suppression list."""
        (self.folder / "nao-ligar.csv").write_text(text, encoding="utf-8")

    def entries(self, e164: str) -> list[Suppression]:
        """Return the entries of a number."""

        async def work() -> list[Suppression]:
            async with open_store(f"sqlite:///{self.folder}/store.db", lambda: self.now) as store:
                return await suppressing.entries_of(store, "default", e164)

        return asyncio.run(work())


@pytest.fixture
def starting(tmp_path: Path) -> Starting:
    """Give a way to start campaigns, with a suppression list of one number."""
    made = Starting(tmp_path)
    made.files(f"number\n{PHONE}\n")
    return made


def test_a_campaigns_lists_bind_it_alone_and_are_replaced_at_its_next_start(
    starting: Starting,
) -> None:
    """The file is read into the store before the run may dial; who left the file is let go."""
    assert starting("survey") == "preparing"
    assert [(e.campaign, e.scope) for e in starting.entries(E164)] == [("natal", "all")]
    starting.files("number\n48 3283-0151\nnobody\n")
    starting.said.clear()
    starting("service")
    assert starting.entries(E164) == []
    assert len(starting.entries("+554832830151")) == 1
    assert any("line 3" in line for line in starting.said)


def test_missing_registries_keep_a_sales_campaign_from_starting(starting: Starting) -> None:
    """Every list that is missing is named with its area codes and law, and nobody is called."""
    with pytest.raises(CommandError) as error:
        starting("sales")
    told = str(error.value)
    assert "natal may not start" in told
    assert "(area codes 11)" in told
    assert "procon-sp" in told
    assert "discador suppress import FILE --as NAME" in told
    assert "at most 2d old" in told
    assert starting.entries(E164) == []


def test_with_every_registry_at_hand_it_starts(starting: Starting) -> None:
    """Registries younger than `max_age` are enough; a day older, they are not."""
    names = _required(starting)
    assert starting("sales", *names) == "preparing"
    starting.now += 86_400.0
    with pytest.raises(CommandError, match="missing or too old"):
        starting("sales")


def _required(starting: Starting) -> list[str]:
    names: list[str] = []
    for _ in range(5):
        try:
            starting("sales", *names)
        except CommandError as error:
            names += [
                word
                for word in str(error).replace(".", " ").split()
                if word.startswith(("procon-", "nao-me-"))
            ]
        else:
            break
    return sorted(set(names))
