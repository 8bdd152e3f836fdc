"""The language as it is documented: schema, template, page and loader say the same."""

import re
import runpy
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
import yaml

from campaigns import document, not_yet
from campaigns.contacts import ContactRow, read_contacts
from campaigns.definition import Campaign
from campaigns.descriptions import DESCRIPTIONS
from campaigns.document import Mapping, Node, Sequence
from campaigns.loader import check, load
from campaigns.problems import render
from campaigns.schema import models_of, schema
from campaigns.template import LIST, LIST_FILE, template

ROOT = Path(__file__).parents[2]
BAD = Path(__file__).parent / "bad"
PAGE = ROOT / "docs" / "campaign-language.md"
EXAMPLE = ROOT / "campaigns" / "examples" / "cobranca.yaml"
WRITER = runpy.run_path(str(Path(__file__).with_name("write_language_page.py")))

BASE = """\
campaign: teste
purpose: collection
dial_list: {file: listas/novembro.csv, id: contrato, numbers: [celular, fixo]}
call: {connect_to: "4000"}
"""

#: Problems that need more than the text of the file, or places that a schema cannot see.
BEYOND_A_SCHEMA = (
    "always_needs_loopback bad_area_code bad_bina bad_connect_to bad_cron bad_tags bad_zone"
    " both_days column_twice day_twice duplicate_key empty_list ends_before_start"
    " missing_column missing_list missing_sheet never_dial never_open not_a_table not_yet"
    " number_in_tags shadowed_rule unknown_rule unreadable_encoding unreadable_list"
    " voicemail_leg alias empty_value syntax encoding tag two_files bad_key bad_date"
    " bad_duration bad_hours empty_file budget_needs_detection"
    " budget_needs_max_duration budget_too_small"
)

#: Codes that no golden case can show: about the file itself, or about keys of which none is left.
BEYOND_A_CASE = frozenset({"no_file", "not_yet", "too_large", "too_many"})


def examples() -> list[str]:
    """Give the YAML examples of the page."""
    return re.findall(
        r"^```yaml\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
    )


def completed(example: str) -> str:
    """Give a whole campaign: an example that is only a part replaces that part of a small one."""
    whole: dict[str, Any] = yaml.load(BASE, yaml.BaseLoader)
    part = yaml.load(example, yaml.BaseLoader)
    if "campaign" in part:
        return example
    kept = {key: value for key, value in whole.items() if key not in part}
    return yaml.safe_dump(kept, default_style='"') + example


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Give a folder with the list that the examples name."""
    (tmp_path / "listas").mkdir()
    (tmp_path / "listas" / "novembro.csv").write_text(
        "contrato;nome;celular;fixo;carteira\nNV-1;Inês;48 90000-0001;;cartão\n", encoding="utf-8"
    )
    return tmp_path


@pytest.mark.parametrize("number", range(len(examples())))
def test_every_example_of_the_page_loads(number: int, folder: Path) -> None:
    """What the documentation shows is accepted without a doubt."""
    path = folder / "exemplo.yaml"
    path.write_text(completed(examples()[number]), encoding="utf-8")
    checked = check(path, loopback=False)
    assert not [p for p in checked.problems if p.code != "beyond_limit"], render(checked.problems)
    assert checked.campaign is not None
    assert [row for row in read_contacts(checked.campaign, folder) if isinstance(row, ContactRow)]


def test_the_page_is_up_to_date() -> None:
    """The tables are those of today's models and cases (write_language_page.py writes them)."""
    text = PAGE.read_text(encoding="utf-8")
    assert WRITER["page"](text) == text


def test_the_page_tells_every_reason_of_a_row() -> None:
    """Each reason for which a row or number is rejected or noted is explained, and no other."""
    source = "".join(
        (ROOT / "campaigns" / f"{name}.py").read_text(encoding="utf-8")
        for name in ("numbers", "judging", "tables")
    )
    given = set(re.findall(r'(?:_rejected\(\s*|reason=|reason, message, shown = )"(\w+)"', source))
    given |= set(re.findall(r'return "(\w+)", (?:f?")', source))
    given |= set(re.findall(r'\(number\.\w+, "(\w+)"', source))
    given |= set(re.findall(r'BrokenRow\(\s*line, "(\w+)"', source))
    given |= set(re.findall(r'alone else "(\w+)"', source))
    given |= set(re.findall(r'reason, message = "(\w+)"', source))
    page = PAGE.read_text(encoding="utf-8")
    table = page.partition("| reason |")[2].partition("\n## ")[0]
    assert set(re.findall(r"^\| `(\w+)`", table, re.MULTILINE)) == given


def test_every_problem_code_has_a_case() -> None:
    """Each code that the loader can give is shown by a golden case, or is about the file itself."""
    source = "".join(
        path.read_text(encoding="utf-8")
        for path in (ROOT / "campaigns").glob("*.py")
        if path.stem
        in {
            *("beside", "checks", "contacts", "definition", "document", "loader", "opening"),
            *("scalars", "sections", "spreadsheets", "tables", "wording"),
        }
    )
    given = set(re.findall(r'PydanticCustomError\(\s*"(\w+)"', source))
    given |= set(re.findall(r'ListError\(\s*"(\w+)"', source))
    given |= set(re.findall(r'(?:return|"code":) "(\w+)", f?["\w]', source))
    given |= set(re.findall(r'self\._(?:report|stop)\([^)]*?"(\w+)"\)', source))
    given |= set(re.findall(r'^ {12,}"(\w+)",\n {8,}\)', source, re.MULTILINE))
    given |= {"alias", "tag", "shape"}
    shown = set(
        re.findall(r"^\| `(\w+)`", PAGE.read_text().partition("## Problems")[2], re.MULTILINE)
    )
    assert given - shown - BEYOND_A_CASE - {"warning"} == set()
    assert len(shown) > 50


def test_every_key_is_described_and_nothing_else() -> None:
    """Descriptions are those of the keys of the models, in their order."""
    keys = {
        f"{path}.{key}".lstrip(".")
        for model, path in models_of(Campaign)
        for key in model.model_fields
    }
    assert set(DESCRIPTIONS) == keys - {"retry.later"}


def test_the_schema_is_one() -> None:
    """The schema is a valid schema of the draft that it names, with a text for each key."""
    made = schema()
    jsonschema_rs.validator_for(made)
    jsonschema_rs.meta.validate(made)
    for definition in (made, *made["$defs"].values()):
        for key in definition.get("properties", {}).values():
            assert key["description"]
    assert made["$defs"]["Reconcile"]["properties"]["quiet"]["default"] == "2m"
    assert "null" not in str(made)


def test_the_schema_accepts_what_the_loader_accepts() -> None:
    """The example, the template and the examples of the page are right in an editor too."""
    validator = jsonschema_rs.validator_for(schema())
    for text in (EXAMPLE.read_text(encoding="utf-8"), template(), *map(completed, examples())):
        data = as_an_editor_reads(text)
        errors = [error.message for error in validator.iter_errors(data)]
        assert errors == []


def as_an_editor_reads(text: str) -> Any:
    """Read YAML 1.2: only what stands without quotes can be a number, a flag or nothing."""
    root = document.read(text, lambda *_: None)
    return None if root is None else _typed(root)


def _typed(node: Node) -> Any:
    if isinstance(node, Mapping):
        return {key: _typed(value) for key, (_, value) in node.entries.items()}
    if isinstance(node, Sequence):
        return [_typed(item) for item in node.items]
    if not node.plain:
        return node.text
    if re.fullmatch(r"[-+]?[0-9]+(\.[0-9]*)?(e[-+]?[0-9]+)?", node.text):
        return float(node.text) if {".", "e"} & set(node.text) else int(node.text)
    return {"true": True, "false": False, "": None, "~": None, "null": None}.get(
        node.text, node.text
    )


def cases_for_a_schema() -> list[str]:
    """Give the bad files with a mistake within one section, as far as they are YAML."""
    beyond = set(BEYOND_A_SCHEMA.split(" "))
    cases = []
    for said in BAD.glob("*.out"):
        codes = set(re.findall(r"^\S+: (?!warning:).* \[(\w+)\]$", said.read_text(), re.MULTILINE))
        if codes - beyond and not codes & {"syntax", "encoding", "too_deep"}:
            cases.append(said.stem)
    return sorted(cases)


@pytest.mark.parametrize("case", cases_for_a_schema())
def test_the_schema_refuses_what_it_can_see(case: str) -> None:
    """A mistake within one section is marked by an editor as well."""
    data = as_an_editor_reads((BAD / f"{case}.yaml").read_text(encoding="utf-8"))
    assert not jsonschema_rs.validator_for(schema()).is_valid(data)


def test_the_template_is_a_campaign_without_problems(tmp_path: Path) -> None:
    """What `init` writes can be validated at once, under another name too."""
    (tmp_path / "lista-nova.csv").write_text(LIST, encoding="utf-8")
    (tmp_path / LIST_FILE).write_text(LIST, encoding="utf-8")
    for name, text in (
        ("minha-campanha", template()),
        ("natal", template("natal", "lista-nova.csv")),
    ):
        path = tmp_path / "campanha.yaml"
        path.write_text(text, encoding="utf-8")
        assert check(path, loopback=False).problems == ()
        campaign = load(path, loopback=False)
        assert campaign.campaign == name
        assert len(list(read_contacts(campaign, tmp_path))) == 1


def test_the_template_shows_every_section_that_is_honoured() -> None:
    """A newcomer meets each top-level key in the template, but for rarely used ones."""
    refused = {path[0] for path in not_yet.NOT_YET if len(path) == 1}
    shown = set(yaml.load(template(), yaml.BaseLoader))
    assert set(Campaign.model_fields) - shown - refused == {"overrides"}
