"""Recorded histories replay with today's code, and today's code does what is written down."""

from __future__ import annotations

import base64
import json
import re
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest
from temporalio.api.enums.v1 import EventType
from temporalio.client import WorkflowHistory
from temporalio.worker import Replayer

from campaigns.keys import attempt_key
from tests.workflows.record import CASES, FOLDER, scheduled
from tests.workflows.stage import Stage, campaign, people
from workflows import lane
from workflows.environment import DATA_CONVERTER, WORKFLOWS, workflow_runner

FINGERPRINTS = Path(__file__).with_name("fingerprints.json")
HISTORIES = sorted(FOLDER.glob("*.json"))
COMMANDS = {
    EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED: "activity",
    EventType.EVENT_TYPE_TIMER_STARTED: "timer",
    EventType.EVENT_TYPE_START_CHILD_WORKFLOW_EXECUTION_INITIATED: "child",
    EventType.EVENT_TYPE_SIGNAL_EXTERNAL_WORKFLOW_EXECUTION_INITIATED: "signal",
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_COMPLETED: "complete",
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_CONTINUED_AS_NEW: "continue",
}


def read(path: Path) -> WorkflowHistory:
    """Read a recorded history."""
    return WorkflowHistory.from_json(path.stem, path.read_text(encoding="utf-8"))


def replayer() -> Replayer:
    """Return a replayer that runs workflow code as the worker does."""
    return Replayer(
        workflows=list(WORKFLOWS), workflow_runner=workflow_runner(), data_converter=DATA_CONVERTER
    )


def commands(history: WorkflowHistory) -> list[str]:
    """Return what a workflow ordered, in order; the same order again and again counts once."""
    found = []
    for event in history.events:
        kind = COMMANDS.get(event.event_type)
        if kind == "activity":
            name = event.activity_task_scheduled_event_attributes.activity_type.name
            found.append(f"activity {name}")
        elif kind == "child":
            attributes = event.start_child_workflow_execution_initiated_event_attributes
            found.append(f"child {attributes.workflow_type.name}")
        elif kind == "signal":
            attributes_of_signal = (
                event.signal_external_workflow_execution_initiated_event_attributes
            )
            found.append(f"signal {attributes_of_signal.signal_name}")
        elif kind is not None:
            found.append(kind)
    return [name for name, _ in groupby(found)]


def test_every_branch_is_recorded() -> None:
    """Each case has the histories of its campaign and of its lane."""
    names = {path.name.split(".")[0] for path in HISTORIES}
    assert names == set(CASES)
    assert all((FOLDER / f"{name}.lane-1.json").exists() for name in CASES)


@pytest.mark.parametrize("path", HISTORIES, ids=lambda path: path.stem)
async def test_a_recorded_history_replays(path: Path) -> None:
    """What workers did under an older version is what this one would do."""
    await replayer().replay_workflow(read(path))


async def test_a_change_of_order_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """A lane that decided otherwise does not replay: the check can fail."""
    changed = replayer()
    history = read(FOLDER / "completed_with_retries.lane-1.json")
    spoiled = json.loads(history.to_json())
    scheduled = [
        event for event in spoiled["events"] if "activityTaskScheduledEventAttributes" in event
    ]
    scheduled[-1]["activityTaskScheduledEventAttributes"]["activityType"]["name"] = "load_rules"
    with pytest.raises(Exception, match=r"(?i)nondeterminism"):
        await changed.replay_workflow(WorkflowHistory.from_json("spoiled", json.dumps(spoiled)))


def test_the_continued_history_is_one() -> None:
    """The case of continue-as-new holds at least one, with what goes on."""
    continued = [path for path in HISTORIES if path.name.startswith("continued_as_new.lane")]
    kinds = [commands(read(path))[-1] for path in continued]
    assert "continue" in kinds
    assert kinds[-1] == "complete"


@pytest.mark.parametrize("path", [p for p in HISTORIES if "lane" in p.name], ids=lambda p: p.stem)
def test_keys_in_the_histories_are_derived_as_today(path: Path) -> None:
    """Attempt keys of recorded runs are the ones that today's derivation gives."""
    texts: list[str] = []
    for event in json.loads(path.read_text())["events"]:
        texts += _payloads(event)
    found = {match for text in texts for match in re.findall(r'"key":"([^"]+)"', text)}
    for key in found:
        run, contact, attempt = key.split(".")
        assert attempt_key(run, int(contact, 36), int(attempt, 36)) == key
    if "failed" not in path.name:
        assert found or "lane-1" not in path.name


def _payloads(value: Any) -> list[str]:
    if isinstance(value, dict):
        if isinstance(value.get("data"), str) and "metadata" in value:
            return [base64.b64decode(value["data"]).decode()]
        return [text for item in value.values() for text in _payloads(item)]
    if isinstance(value, list):
        return [text for item in value for text in _payloads(item)]
    return []


async def test_workflows_order_what_their_fingerprints_say(working: Stage) -> None:
    """The commands of a small run are the committed ones, so a change of order shows in review."""
    working.script("answer")
    run = await working.start(campaign(), people(2))
    await run.result()
    first, *lanes = await run.histories()
    now = {"CampaignWorkflow": commands(first), "LaneWorkflow": commands(lanes[0])}
    written = json.loads(FINGERPRINTS.read_text())
    assert now == {name: written[name] for name in now}


async def test_a_firing_orders_what_its_fingerprint_says(working: Stage) -> None:
    """The same of the workflow that a schedule starts."""
    run = await scheduled(working)
    assert run.firing is not None
    history = await working.client.get_workflow_handle(run.firing).fetch_history()
    assert commands(history) == json.loads(FINGERPRINTS.read_text())["ScheduledWorkflow"]


def test_fingerprints_cover_every_workflow() -> None:
    """No workflow is without one."""
    assert set(json.loads(FINGERPRINTS.read_text())) == {item.__name__ for item in WORKFLOWS}
    assert lane.LaneWorkflow in WORKFLOWS
