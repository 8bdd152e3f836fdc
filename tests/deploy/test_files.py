"""The files under deploy/, held by their own linters and against the worker's own limits."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from activities.settings import Settings
from workflows.options import GRACE

DEPLOY = Path(__file__).parents[2] / "deploy"


def tool(name: str) -> str:
    """Return a linter of this environment."""
    found = shutil.which(name, path=str(Path(sys.executable).parent))
    assert found, f"{name} is not in the environment; run `make .venv`"
    return found


def lint(*command: str) -> None:
    """Run a linter and show what it says when it objects."""
    result = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert result.returncode == 0, result.stdout + result.stderr


def test_the_image_passes_hadolint() -> None:
    """The Dockerfile has nothing that its linter objects to."""
    lint(tool("hadolint"), str(DEPLOY / "Dockerfile"))


def test_the_compose_file_follows_its_schema() -> None:
    """The compose file is one that Compose takes."""
    schema = "vendor.compose-spec"
    lint(tool("check-jsonschema"), "--builtin-schema", schema, str(DEPLOY / "compose.yaml"))


def test_nothing_is_killed_before_the_worker_has_drained() -> None:
    """Unit and compose file wait longer than the worker's grace before they kill."""
    unit = (DEPLOY / "discador-worker.service").read_text()
    stop = re.search(r"^TimeoutStopSec=(\d+)$", unit, re.MULTILINE)
    assert stop
    assert int(stop[1]) > GRACE.total_seconds() + 20
    worker = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]["worker"]
    assert int(worker["stop_grace_period"].removesuffix("s")) > GRACE.total_seconds() + 20


def test_every_image_is_pinned() -> None:
    """No image floats on a moving tag."""
    services = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]
    images = [service["image"] for service in services.values() if "image" in service]
    assert images
    assert all(re.search(r":\d+\.\d+", image) for image in images)


@pytest.mark.parametrize("lock", ["requirements.lock", "requirements-dev.lock"])
def test_locks_hold_hashes_and_no_address(lock: str) -> None:
    """Every requirement has a hash, and no lock names an index."""
    text = (DEPLOY / lock).read_text()
    assert "://" not in text
    names = re.findall(r"^([a-z0-9._-]+(?:\[[^]]*\])?==\S+)", text, re.MULTILINE)
    blocks = re.split(r"^(?=[a-z0-9._-]+(?:\[[^]]*\])?==)", text, flags=re.MULTILINE)[1:]
    assert names
    assert all("--hash=sha256:" in block for block in blocks)


def test_the_example_names_only_settings_that_exist() -> None:
    """Every variable of the example is one that somebody reads."""
    known = {field.alias for field in Settings.model_fields.values()}
    known |= {"TEMPORAL_ADDRESS", "TEMPORAL_NAMESPACE", "POSTGRES_PASSWORD"}
    example = (DEPLOY / "discador.env.example").read_text()
    assert set(re.findall(r"^([A-Z_]+)=", example, re.MULTILINE)) <= known
