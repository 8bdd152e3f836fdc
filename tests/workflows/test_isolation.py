"""What workflow code may load and call, and that activities are what their signatures say."""

from __future__ import annotations

import inspect
import secrets
from typing import Any, get_type_hints

import pytest
from temporalio.client import Client
from temporalio.worker import Replayer, Worker

from activities import signatures
from activities.dialing import DialingActivities
from activities.running import RunActivities
from activities.scheduling import ScheduleActivities
from campaigns import policy
from tests.workflows.probe import ProbeWorkflow
from workflows.environment import _PASSED_THROUGH, DATA_CONVERTER, WORKFLOWS, workflow_runner

DEFINITION = "__temporal_activity_definition"


def signed() -> dict[str, Any]:
    """Return the signatures by the activities' names."""
    found = {
        getattr(item, DEFINITION).name: item
        for item in vars(signatures).values()
        if hasattr(item, DEFINITION)
    }
    assert found
    return found


def bodies() -> dict[str, Any]:
    """Return the bodies by the activities' names."""
    return {
        getattr(item, DEFINITION).name: item
        for owner in (DialingActivities, RunActivities, ScheduleActivities)
        for item in vars(owner).values()
        if hasattr(item, DEFINITION)
    }


def test_bodies_are_what_their_signatures_say() -> None:
    """Every signature has a body of the same name that takes and gives the same models."""
    assert signed().keys() == bodies().keys()
    for name, signature in signed().items():
        body = bodies()[name]
        promised, real = get_type_hints(signature), get_type_hints(body)
        assert promised == real, name
        assert "wice" in (inspect.getdoc(body) or ""), f"{name} does not say what twice does"


def test_only_models_pass_through_the_sandbox() -> None:
    """The modules that decide are not among those that the sandbox lets through unchecked."""
    assert not {"campaigns.policy", "campaigns.outcomes"} & set(_PASSED_THROUGH)
    assert not {"campaigns", "activities", "workflows"} & set(_PASSED_THROUGH)


def test_every_workflow_can_be_prepared() -> None:
    """Each workflow loads in its sandbox."""
    Replayer(
        workflows=list(WORKFLOWS), workflow_runner=workflow_runner(), data_converter=DATA_CONVERTER
    )


async def test_the_policy_runs_inside_the_sandbox(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A workflow sees a policy of its own, loaded in the sandbox, where a clock is refused."""
    monkeypatch.setattr(policy, "PROBED", True, raising=False)
    queue = f"probe-{secrets.token_hex(4)}"
    async with Worker(
        client, task_queue=queue, workflows=[ProbeWorkflow], workflow_runner=workflow_runner()
    ):
        found = await client.execute_workflow(ProbeWorkflow.run, id=queue, task_queue=queue)
    assert found == ["inside", "nondeterministic"]
