"""Names that outlive a deploy: queues, workflow ids, patch ids."""

from __future__ import annotations

TASK_QUEUE = "discador"
"""Default queue of the worker; `DISCADOR_TASK_QUEUE` overrides it."""


def campaign_id(campaign: str, run: str) -> str:
    """Return the workflow id of a run."""
    return f"campaign/{campaign}/{run}"


def lane_id(campaign: str, run: str, lane: int) -> str:
    """Return the workflow id of a lane of a run."""
    return f"{campaign_id(campaign, run)}/lane/{lane}"


SCHEDULE_PREFIX = "schedule/"


def schedule_id(campaign: str) -> str:
    """Return the id of a campaign's schedule; its firings' workflow ids begin with it."""
    return f"{SCHEDULE_PREFIX}{campaign}"


STATE_SEEN = "state_seen"
"""Signal of the campaign's workflow with which a lane tells it the run's state."""

STALLED = "Nothing is dialed"
"""How the details of a lane begin whose turns fail, so that `discador status` finds it."""
