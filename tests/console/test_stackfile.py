"""Other commands find a running stack, and are not fooled by what a dead one left."""

from __future__ import annotations

import stat
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import SecretStr

from console.stackfile import (
    AlreadyRunningError,
    SandboxAddress,
    StackInfo,
    find_stack,
    own_stack,
    publish_stack,
)

INFO = StackInfo(
    pid=1,
    command="up",
    temporal_address="127.0.0.1:7233",
    store_url="sqlite:////tmp/x.db",
    base_url="http://127.0.0.1:8080",
    sandbox=SandboxAddress(url="http://127.0.0.1:8080", token=SecretStr("throwaway")),
    children={"worker": 2},
)
KILLED_OWNER = """
import os, signal, sys
from pathlib import Path
from console.stackfile import StackInfo, own_stack, publish_stack
with own_stack(Path(sys.argv[1])):
    publish_stack(Path(sys.argv[1]), StackInfo.model_validate_json(sys.argv[2]))
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_running_stack_is_found_with_its_addresses(tmp_path: Path) -> None:
    """What the owner published is what another command reads, the sandbox's token included."""
    with own_stack(tmp_path):
        publish_stack(tmp_path, INFO)
        assert find_stack(tmp_path) == INFO


def test_nothing_is_found_after_the_end(tmp_path: Path) -> None:
    """An ended stack leaves nothing that looks alive."""
    with own_stack(tmp_path):
        publish_stack(tmp_path, INFO)
    assert find_stack(tmp_path) is None
    assert not (tmp_path / "stack.json").exists()


def test_a_stack_that_is_still_starting_is_not_found_yet(tmp_path: Path) -> None:
    """Before it is published there is nothing to talk to."""
    with own_stack(tmp_path):
        assert find_stack(tmp_path) is None


def test_a_file_left_by_a_killed_owner_is_recognised(tmp_path: Path) -> None:
    """After SIGKILL of the owner its file is ignored, and the next owner takes over."""
    subprocess.run(
        [sys.executable, "-c", KILLED_OWNER, str(tmp_path), INFO.model_dump_json()], check=False
    )
    assert (tmp_path / "stack.json").exists()
    assert find_stack(tmp_path) is None
    with own_stack(tmp_path):
        assert not (tmp_path / "stack.json").exists()


def test_a_second_owner_is_told_of_the_first(tmp_path: Path) -> None:
    """Two stacks never share a directory; the second learns who is there."""
    with own_stack(tmp_path):
        publish_stack(tmp_path, INFO)
        with pytest.raises(AlreadyRunningError) as caught, own_stack(tmp_path):
            pytest.fail("two owners")
        assert caught.value.info == INFO
        assert find_stack(tmp_path) == INFO


def test_the_file_is_for_its_owner_only(tmp_path: Path) -> None:
    """Nobody else on the machine reads the sandbox's token."""
    with own_stack(tmp_path):
        publish_stack(tmp_path, INFO)
        mode = stat.S_IMODE((tmp_path / "stack.json").stat().st_mode)
    assert mode == 0o600


def test_the_token_stays_out_of_repr() -> None:
    """Printing the description of a stack does not print the token."""
    assert "throwaway" not in repr(INFO)


def test_a_directory_without_a_stack_has_none(tmp_path: Path) -> None:
    """Looking creates nothing."""
    assert find_stack(tmp_path / "none") is None
    assert not (tmp_path / "none").exists()
