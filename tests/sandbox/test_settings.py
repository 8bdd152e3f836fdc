"""Settings of the sandbox from the command line, and the page that explains them."""

import json
import re
import subprocess
import sys
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import yaml

from sandbox.behaviour import REPORTED
from sandbox.profile import load
from sandbox.settings import SandboxSettings, SettingError, changed
from tests.sandbox.conftest import WAIT, Api

PAGE = (Path(__file__).parents[2] / "docs" / "sandbox.md").read_text(encoding="utf-8")
FROM_OPTIONS = {"token", "seed", "speed", "profile"}


def blocks(language: str) -> list[str]:
    """Take the page's code blocks of one language."""
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


def test_settings_are_read_by_their_type() -> None:
    """Values are YAML and are held to the type of their setting."""
    settings = changed(
        SandboxSettings(),
        ["flat_conference=true", "retry_after=2", "blocked_numbers=['48999990001']", "saldo=7.5"],
    )
    assert settings.flat_conference is True
    assert settings.retry_after == 2.0
    assert settings.blocked_numbers == frozenset({"48999990001"})
    assert settings.saldo == 7.5
    assert settings.price_movel == SandboxSettings().price_movel


@pytest.mark.parametrize(
    ("assignment", "said"),
    [
        ("flat_conferense=true", "did you mean flat_conference?"),
        ("flat_conference", "NAME=VALUE"),
        ("profile=x", "not NAME=VALUE of a known setting"),
        ("billing_step=soon", "billing_step"),
        ("binas=[", "not YAML"),
    ],
)
def test_a_bad_setting_is_named(assignment: str, said: str) -> None:
    """An unknown name or a value of the wrong type is an error that says which."""
    with pytest.raises(SettingError, match=re.escape(said)):
        changed(SandboxSettings(), [assignment])


def test_the_command_refuses_a_bad_setting() -> None:
    """`--set` with nonsense starts nothing and leaves with 2 and one line."""
    command = [sys.executable, "-m", "sandbox", "--set", "sald=1"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=WAIT, check=False)
    assert done.returncode == 2
    assert done.stderr.splitlines() == [
        "sald=1: not NAME=VALUE of a known setting; did you mean saldo?"
    ]


def test_the_page_names_every_setting_with_its_default() -> None:
    """The table on the page is complete and its plain defaults are the real ones."""
    rows = [line.split("|")[1:3] for line in PAGE.splitlines() if line.startswith("| `")]
    shown: dict[str, Any] = {}
    for names, defaults in rows:
        found = re.findall(r"`(\w+)`", names)
        values = [text.strip() for text in re.split(r", (?![^\[]*\])", defaults)]
        shown.update(zip(found, values * len(found) if len(values) == 1 else values, strict=False))
    settings = SandboxSettings()
    assert shown.keys() == {each.name for each in fields(settings)} - FROM_OPTIONS
    for name, text in shown.items():
        if text == "[...]":
            continue
        real = getattr(settings, name)
        wanted = yaml.safe_load(text)
        assert (list(real) if isinstance(real, frozenset) else real) == (
            str(wanted) if isinstance(real, str) else wanted
        ), name


def test_what_the_page_shows_is_taken(api: Api, tmp_path: Path) -> None:
    """The page's profile loads, and its script, faults and limits are accepted as they stand."""
    file = tmp_path / "profile.yaml"
    file.write_text(blocks("yaml")[0], encoding="utf-8")
    assert load(file).ramais.answer == 0.95
    for name, text in zip(("script", "faults", "limits"), blocks("json"), strict=True):
        answer = api("PUT", f"/_sandbox/{name}", json.loads(text))
        assert answer.status_code == 200, answer.text
    faults = api("GET", "/_sandbox/faults").json()
    assert faults.keys() == json.loads(blocks("json")[1]).keys()
    for outcome in REPORTED:
        assert f"`{outcome}`" in PAGE


def test_the_command_of_the_page_prints_what_the_page_says() -> None:
    """The command starts and its line has the keys that are shown."""
    command, shown = blocks("console")[0].splitlines()
    options = command.removeprefix("$ python ").replace("8081", "0").split()
    with subprocess.Popen([sys.executable, *options], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        printed = json.loads(process.stdout.readline())
        process.terminate()
        assert process.wait(WAIT) == 0
    assert printed.keys() == json.loads(shown).keys()
    assert printed["token"] == json.loads(shown)["token"]
