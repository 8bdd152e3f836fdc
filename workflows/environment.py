"""How workflow code is run: shared by the worker, the tests and the replayer."""

from __future__ import annotations

from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner, SandboxRestrictions

from workflows.campaign import CampaignWorkflow
from workflows.lane import LaneWorkflow
from workflows.scheduled import ScheduledWorkflow

WORKFLOWS = (CampaignWorkflow, LaneWorkflow, ScheduledWorkflow)
DATA_CONVERTER = pydantic_data_converter

_PASSED_THROUGH = (
    "pydantic",
    "pydantic_core",
    "annotated_types",
    "activities.signatures",
    "activities.messages",
    "campaigns.attempts",
    "campaigns.definition",
)
"""Models and signatures only: the modules that decide run inside the sandbox, in its sight."""


def workflow_runner() -> SandboxedWorkflowRunner:
    """Return the runner that every place uses, so that a replay means what the worker does."""
    return SandboxedWorkflowRunner(
        restrictions=SandboxRestrictions.default.with_passthrough_modules(*_PASSED_THROUGH)
    )
