"""A workflow that looks at its own surroundings."""

from __future__ import annotations

import time

from temporalio import workflow

from campaigns import policy


@workflow.defn
class ProbeWorkflow:
    """Tells whether the policy it sees is the process's own, and what a clock does."""

    @workflow.run
    async def run(self) -> list[str]:
        """Return what was found."""
        found = ["outside" if hasattr(policy, "PROBED") else "inside"]
        try:
            time.time()
        except workflow.NondeterminismError:
            found.append("nondeterministic")
        return found
