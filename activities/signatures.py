"""Names and types of the activities that workflows call, without their bodies.

A workflow module imports this and nothing that touches the network or the store. Bodies live in
`activities.dialing`, `activities.running` and `activities.scheduling`; a test holds each of them
against its signature.
"""

from __future__ import annotations

from temporalio import activity

from activities.messages import (
    AdvanceInput,
    AdvanceResult,
    BeginScheduledInput,
    BeginScheduledResult,
    ChangeStateInput,
    ChangeStateResult,
    CloseInput,
    CloseResult,
    PrepareInput,
    PrepareResult,
    RulesInput,
)
from campaigns.attempts import DialingRules


@activity.defn
async def prepare(request: PrepareInput) -> PrepareResult:
    """See `activities.running`."""
    raise AssertionError(request)


@activity.defn
async def begin_scheduled(request: BeginScheduledInput) -> BeginScheduledResult:
    """See `activities.scheduling`."""
    raise AssertionError(request)


@activity.defn
async def advance(request: AdvanceInput) -> AdvanceResult:
    """See `activities.dialing`."""
    raise AssertionError(request)


@activity.defn
async def load_rules(request: RulesInput) -> DialingRules:
    """See `activities.running`."""
    raise AssertionError(request)


@activity.defn
async def change_state(request: ChangeStateInput) -> ChangeStateResult:
    """See `activities.running`."""
    raise AssertionError(request)


@activity.defn
async def close(request: CloseInput) -> CloseResult:
    """See `activities.running`."""
    raise AssertionError(request)
