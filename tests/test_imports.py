"""Who may import whom: the table of `docs/architecture.md`, checked on the syntax tree."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

PACKAGES = frozenset(
    {"activities", "campaigns", "console", "sandbox", "store", "worker", "workflows", "zenvia"}
)

# What each package may import of ours, besides itself. A dotted name allows that module alone.
ALLOWED = {
    "campaigns": frozenset[str](),
    "zenvia": frozenset[str](),
    "sandbox": frozenset[str](),
    "store": frozenset({"campaigns"}),
    "activities": frozenset({"campaigns", "zenvia", "store"}),
    "workflows": frozenset({"campaigns", "activities.signatures", "activities.messages"}),
    "worker": frozenset({"campaigns", "zenvia", "store", "activities", "workflows"}),
    "console": PACKAGES - {"console", "worker"},
}


def _sources(package: str) -> list[Path]:
    if package == "worker":
        return [ROOT / "worker.py"]
    return sorted((ROOT / package).rglob("*.py"))


def _imported(tree: ast.AST) -> set[str]:
    """Every module that a file imports, in dotted form, wherever the import stands."""
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def _forbidden(package: str, source: str) -> set[str]:
    """Find the imports of ours in `source` that the table does not allow to `package`."""
    ours = {name for name in _imported(ast.parse(source)) if name.split(".")[0] in PACKAGES}
    allowed = ALLOWED[package] | {package}
    return {
        name for name in ours if not any(name == ok or name.startswith(f"{ok}.") for ok in allowed)
    }


@pytest.mark.parametrize("package", sorted(PACKAGES))
def test_a_package_imports_only_what_the_table_allows(package: str) -> None:
    """Data moves in one direction: no file imports a package that the table denies to its own."""
    found = {
        str(path.relative_to(ROOT)): names
        for path in _sources(package)
        if (names := _forbidden(package, path.read_text(encoding="utf-8")))
    }
    assert found == {}


@pytest.mark.parametrize(
    ("package", "source", "expected"),
    [
        ("sandbox", "import zenvia.models", {"zenvia.models"}),
        ("workflows", "from activities import dialing", {"activities.dialing"}),
        ("workflows", "from activities.signatures import place", set()),
        ("console", "def f():\n    from worker import main", {"worker.main"}),
        ("campaigns", "from campaigns.definition import Campaign\nimport json", set()),
    ],
)
def test_the_check_sees_what_it_must_see(package: str, source: str, expected: set[str]) -> None:
    """Both import forms are seen, also inside functions, and allowed modules pass."""
    assert _forbidden(package, source) == expected


def test_init_files_stay_empty() -> None:
    """A package's `__init__.py` holds nothing, so importing one module imports no other."""
    inits = [path for name in PACKAGES - {"worker"} for path in (ROOT / name).rglob("__init__.py")]
    assert inits
    assert [path for path in inits if path.read_text(encoding="utf-8").strip()] == []


def test_httpx_is_imported_in_one_module_only() -> None:
    """The HTTP library can be replaced by changing one file, in `zenvia/`."""
    users = {
        str(path.relative_to(ROOT))
        for package in PACKAGES
        for path in _sources(package)
        if {name.split(".")[0] for name in _imported(ast.parse(path.read_text(encoding="utf-8")))}
        & {"httpx", "httpx_aiohttp"}
    }
    assert len(users) == 1
    assert next(iter(users)).startswith("zenvia/")


def test_no_module_is_named_after_nothing() -> None:
    """No module is called utils, common, helpers or manager: a name says the reason to change."""
    names = {path.stem for package in PACKAGES for path in _sources(package)}
    assert names & {"utils", "util", "common", "helpers", "helper", "manager"} == set()


ACTING = {"aiohttp", "alembic", "httpx", "phonenumbers", "sqlalchemy", "uvicorn", "yaml"}


def test_workflow_modules_load_nothing_that_acts() -> None:
    """A fresh interpreter that imports them all has loaded no network, store or YAML library."""
    modules = sorted(
        f"workflows.{path.stem}"
        for path in (ROOT / "workflows").glob("*.py")
        if path.stem != "__init__"
    )
    code = (
        "import importlib, sys\n"
        f"for module in {modules}:\n"
        "    importlib.import_module(module)\n"
        f"    loaded = {ACTING} & set(sys.modules)\n"
        "    if loaded: sys.exit(f'{module} loads {sorted(loaded)}')\n"
        "print(sum(name.startswith('workflows.') for name in sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout.strip()) == (0, str(len(modules))), done.stderr


@pytest.mark.parametrize(
    ("module", "absent"),
    [
        ("console.commands", {"pydantic", "sqlalchemy", "temporalio"}),
        ("console.validating", {"sqlalchemy", "temporalio"}),
        ("console.steering", {"asyncpg", "sqlalchemy.orm", "temporalio"}),
        ("console.plan", {"asyncpg", "sqlalchemy.orm", "temporalio"}),
        ("store.engine", {"asyncpg", "sqlalchemy.orm"}),
    ],
)
def test_a_command_does_not_wait_for_what_it_does_not_use(module: str, absent: set[str]) -> None:
    """Temporal's client and what PostgreSQL needs take half a second each."""
    code = f"import sys, {module}; print(sorted({absent} & set(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (done.stdout.strip(), done.returncode) == ("[]", 0), done.stderr
