"""What the README and the pages under docs/ say is true: links, commands, files."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted([ROOT / "README.md", ROOT / "deploy" / "README.md", *ROOT.glob("docs/**/*.md")])
CONSOLE = re.compile(r"^```console\n(.*?)^```", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")


def commands(page: Path) -> list[str]:
    """Return the commands that a page tells people to type."""
    blocks = CONSOLE.findall(page.read_text())
    lines = [line for block in blocks for line in block.splitlines()]
    return [line[2:].split("  #")[0].strip() for line in lines if line.startswith("$ ")]


ALL = [(page, command) for page in PAGES for command in commands(page)]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    """Every link to a file of the project has that file at its end."""
    for target in LINK.findall(page.read_text()):
        if "://" not in target:
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


def test_pages_have_commands() -> None:
    """The README's two commands are where a newcomer looks for them."""
    assert commands(ROOT / "README.md")[:2] == ["make demo", "make test"]


@pytest.mark.parametrize(("page", "command"), ALL, ids=lambda value: str(value)[-40:])
def test_commands_exist(page: Path, command: str) -> None:
    """Every command that a page tells people to type is one that exists, with its options."""
    words = shlex.split(command)
    if words[0] == "make":
        targets = (ROOT / "Makefile").read_text()
        assert all(re.search(rf"^{re.escape(word)}:", targets, re.MULTILINE) for word in words[1:])
    elif words[0] == "discador":
        subcommands = [word for word in words[1:] if re.fullmatch(r"[a-z]+", word)][:2]
        groups = ("chamada", "conferencia", "webphone", "suppress", "schedule")
        path = subcommands if subcommands[0] in groups else subcommands[:1]
        done = subprocess.run(
            [sys.executable, "-m", "console", *path, "--help"],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            cwd=ROOT,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        options = [word for word in words if word.startswith("--")]
        assert all(option in done.stdout for option in options)


def test_a_readme_campaign_is_valid() -> None:
    """The example that the README validates has no problem, against a local API."""
    command = next(c for c in commands(ROOT / "README.md") if "validate" in c)
    done = subprocess.run(
        [sys.executable, "-m", "console", *shlex.split(command)[1:]],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        cwd=ROOT,
    )
    assert done.returncode == 0, done.stdout + done.stderr
