"""The loader: golden cases of everything that can be wrong, and no text that surprises it."""

import random
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from campaigns import not_yet
from campaigns.definition import Campaign, Purpose, Window
from campaigns.loader import DefinitionError, check, load
from campaigns.problems import render

BAD = Path(__file__).parent / "bad"
EXAMPLE = Path(__file__).parents[2] / "campaigns" / "examples" / "cobranca.yaml"
CASES = sorted(case.stem for case in BAD.glob("*.yaml"))

MINIMAL = """\
campaign: cobranca
purpose: collection
dial_list: {file: lista.csv, numbers: [celular]}
call: {connect_to: "4000"}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Give a folder with a list of one contact."""
    (tmp_path / "lista.csv").write_text("celular;lote\n48 90000-1000;a\n", encoding="utf-8")
    return tmp_path


def written(folder: Path, text: str | bytes) -> Path:
    """Write a campaign file."""
    path = folder / "campanha.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass"))
    return path


@pytest.mark.parametrize("case", CASES)
def test_every_bad_file_gets_all_its_problems(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each bad file is refused with exactly the problems written beside it."""
    monkeypatch.chdir(BAD)
    expected = (BAD / f"{case}.out").read_text(encoding="utf-8")
    checked = check(Path(f"{case}.yaml"), loopback=False)
    assert render(checked.problems) + "\n" == expected
    assert checked.campaign is None
    with pytest.raises(DefinitionError) as error:
        load(Path(f"{case}.yaml"), loopback=False)
    assert error.value.problems == checked.errors
    assert str(error.value) == render(checked.errors)


def test_there_are_forty_bad_files_at_least() -> None:
    """The golden cases are many, and each has both of its halves."""
    assert len(CASES) >= 40
    assert {case.stem for case in BAD.glob("*.out")} == set(CASES)


def test_the_example_loads_as_written() -> None:
    """The example campaign is read with every value as its file says."""
    campaign = load(EXAMPLE, loopback=True)
    assert campaign.purpose is Purpose.COLLECTION
    assert campaign.dial_list.numbers == ("celular", "fixo")
    assert campaign.call.connect_to == "4000"
    assert campaign.call.bina_origem == "4832830151"
    assert campaign.call.detecta_caixa_origem is True
    assert campaign.calling_hours == "always"
    assert campaign.limits.per_contact.total == 4
    assert campaign.reconcile.quiet == timedelta(minutes=2)
    assert [rule.after for rule in campaign.retry] == [
        timedelta(seconds=3),
        timedelta(seconds=5),
        None,
        timedelta(seconds=2),
    ]
    assert campaign.retry[1].reasons == (18, 19, 20)
    assert campaign.retry[2].then == "next_number"


def test_the_example_is_refused_where_the_api_is_not_local() -> None:
    """`calling_hours: always` never reaches the real service."""
    with pytest.raises(DefinitionError) as error:
        load(EXAMPLE, loopback=False)
    assert [problem.code for problem in error.value.problems] == ["always_needs_loopback"]


def test_a_stored_campaign_is_read_back_equal(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the store keeps as JSON gives the same campaign again."""
    monkeypatch.setattr(not_yet, "NOT_YET", ())
    text = MINIMAL + (
        "calling_hours: {mon-fri: '09:00-20:00', sat: ['10:00-12:00', '13:00-24:00'],"
        " extra_dates: ['2026-12-24']}\n"
        "limits: {per_contact: {total: 9, per_day: 2, min_gap: 4h}, per_number: {rolling_24h: 3}}\n"
        "retry:\n"
        "  - {reasons: [no_answer, 17], after: [15m, 1h, 4h], times: 5, other_daypart: true}\n"
        "  - {outcome: voicemail, then: suppress}\n"
        "schedule: {start_at: '2026-12-01 09:00', repeat: '0 9 * * 1-5'}\n"
        "overrides: [{rule: rj-sales-hours, reason: authorised in writing by legal}]\n"
    )
    campaign = load(written(folder, text), loopback=False)
    assert Campaign.model_validate_json(campaign.model_dump_json()) == campaign
    assert campaign.retry[0].reasons == (18, 19, 17)
    assert [campaign.retry[0].delay(used) for used in range(4)] == [
        timedelta(minutes=15),
        timedelta(hours=1),
        timedelta(hours=4),
        timedelta(hours=4),
    ]
    hours = campaign.calling_hours
    assert hours is not None
    assert hours != "always"
    assert hours.windows(0) == hours.windows(4) == (Window(opens=540, closes=1200),)
    assert hours.windows(5)[1] == Window(opens=780, closes=1440)
    assert hours.windows(6) == ()


def test_warnings_do_not_stop_a_campaign(folder: Path) -> None:
    """A doubtful campaign loads, and its doubts are told."""
    text = MINIMAL.replace('"4000"', '"4000", bina_origem: "48 90000-0000", tags: "{lote}"')
    checked = check(written(folder, text), loopback=False)
    assert checked.campaign is not None
    assert [(problem.code, problem.severity) for problem in checked.problems] == [
        ("bina_mobile", "warning")
    ]


def test_every_key_that_is_not_honoured_yet_is_refused(folder: Path) -> None:
    """A key that the engine would ignore is refused by name, and only where it is used."""
    for path in not_yet.NOT_YET:
        assert list(not_yet.used(_using(path))), path
    assert check(written(folder, MINIMAL), loopback=False).problems == ()


def _using(path: tuple[str, ...]) -> dict[str, object]:
    value: object = "x"
    for key in reversed(path):
        value = [value] if key == "*" else {key: value}
    assert isinstance(value, dict)
    return value


def test_a_byte_order_mark_is_not_part_of_the_first_key(folder: Path) -> None:
    """A file saved by Windows Notepad is read like any other."""
    assert load(written(folder, b"\xef\xbb\xbf" + MINIMAL.encode()), loopback=False)


def test_a_file_that_is_not_there_is_a_problem(tmp_path: Path) -> None:
    """A missing, unreadable or huge campaign file is told, not raised."""
    huge = tmp_path / "huge.yaml"
    huge.write_bytes(b"#" * 5_000_000)
    for path, code in (
        (tmp_path / "none.yaml", "no_file"),
        (tmp_path, "no_file"),
        (tmp_path / ("x" * 300), "no_file"),
        (tmp_path / "a\0b", "no_file"),
        (huge, "too_large"),
    ):
        assert [problem.code for problem in check(path, loopback=False).problems] == [code]


def test_problems_come_in_the_order_of_the_file(folder: Path) -> None:
    """Problems of different kinds are sorted by their place."""
    monkey = (BAD / "everything_at_once.yaml").read_bytes()
    places = [(p.line, p.column) for p in check(written(folder, monkey), loopback=False).problems]
    assert places == sorted(places)
    assert len(places) >= 15


def test_a_file_of_nothing_but_mistakes_is_told_within_bounds(folder: Path) -> None:
    """The list of problems ends, says so, and quotes no line that nobody could read."""
    problems = check(written(folder, "a: b\n" * 500), loopback=False).problems
    assert len(problems) == 201
    assert problems[-1].code == "too_many"
    (long,) = check(written(folder, "[" * 900_000), loopback=False).problems
    assert (long.code, long.source) == ("too_deep", "")


def refuses_or_loads(folder: Path, text: str | bytes) -> None:
    """Load a text; only problems may come of it, and each of them can be shown."""
    checked = check(written(folder, text), loopback=True)
    assert (checked.campaign is None) == bool(checked.errors)
    for problem in checked.problems:
        assert problem.line >= 1
        assert problem.column >= 1
        shown = problem.render()
        assert shown.replace("\n", "").isprintable()
        shown.encode("utf-8")


FUZZ = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@FUZZ
@given(st.text())
@example("a: \U0010ffff")
@example('a: "\\U00110000"')
@example('a: "\\ud800"')
@example("\ud800")
@example("a: \x00")
@example("%YAML 9.9\n---\na: b")
@example("!<tag:%ff> x")
@example("[" * 5000)
@example("a: " * 3000)
@example("- " * 3000)
@example("? " * 500)
@example("{a: " * 3000)
@example("&a [*a]")
@example("\t")
@example("a:\n\tb: c")
@example("'")
@example("|9\n x")
def test_no_text_makes_the_loader_raise_anything_else(folder: Path, text: str) -> None:
    """Whatever the text, it loads or it is refused with problems."""
    refuses_or_loads(folder, text)


@FUZZ
@given(st.binary(max_size=300))
@example(b"\xff\xfe\x00")
@example(b"\xef\xbb\xbf")
def test_no_bytes_make_the_loader_raise_anything_else(folder: Path, data: bytes) -> None:
    """Whatever the bytes, they load or are refused with problems."""
    refuses_or_loads(folder, data)


WORDS = (
    "campaign purpose sales dial_list file lista.csv numbers celular call connect_to '4000' retry"
    " leg contact status after 15m times calling_hours always mon-fri '09:00-20:00' limits"
    " per_contact total 3 reasons 18 then stop tags {lote} schedule ~ null true NO"
)
MARKS = (
    ": ",
    ":",
    "\n",
    "\n  ",
    "\n    ",
    "- ",
    ", ",
    "[",
    "]",
    "{",
    "}",
    '"',
    "'",
    "#",
    "&a",
    "*a",
)
YAML_LIKE = st.lists(st.sampled_from([*WORDS.split(), *MARKS]), max_size=60).map("".join)


@FUZZ
@given(YAML_LIKE)
def test_no_soup_of_our_own_words_makes_the_loader_raise_anything_else(
    folder: Path, text: str
) -> None:
    """Text made of the language's own pieces loads or is refused with problems."""
    refuses_or_loads(folder, text)


@pytest.mark.parametrize("seed", range(60))
def test_a_damaged_example_is_refused_or_loads(seed: int, folder: Path) -> None:
    """The example with a few characters cut, doubled or replaced raises nothing but problems."""
    draw = random.Random(seed)
    text = EXAMPLE.read_text(encoding="utf-8")
    for _ in range(draw.randrange(1, 6)):
        at = draw.randrange(len(text))
        text = (
            text[:at]
            + draw.choice(["", "\n", ":", '"', "\t", "[", "x", text[at] * 2])
            + text[at + 1 :]
        )
    refuses_or_loads(folder, text)
