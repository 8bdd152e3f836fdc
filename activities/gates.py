"""May this contact be called now? The campaign's hours and rules, as `reserve` asks for them."""

from __future__ import annotations

from campaigns.definition import Campaign
from campaigns.numbers import may_be_dialed
from store.reserving import Candidate, Gate, GateAnswer


def build_gate(definition: Campaign, *, loopback: bool) -> Gate:
    """Return the gate of a campaign.

    `calling_hours: always` opens it only while the API is on this machine: a campaign that was
    checked against a sandbox must not follow a worker to the real service.
    """
    always = definition.calling_hours == "always"

    def gate(candidate: Candidate, now: float) -> GateAnswer:
        if not may_be_dialed(candidate.e164):
            return GateAnswer(allowed=False, why="never_dial")
        if always and loopback:
            return GateAnswer()
        return GateAnswer(allowed=False, wait_until=now + 60, why="always_needs_loopback")

    return gate
