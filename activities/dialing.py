"""The dialing of lanes: one turn at a time, and what makes the next one cheaper.

One activity settles, reserves, places and tracks, because a turn costs six events of history
whatever it carries, and because tracking must go on while calls are placed (`activities.turn`).
"""

from __future__ import annotations

import asyncio
from datetime import timedelta

import structlog
from temporalio import activity

from activities.messages import AdvanceInput, AdvanceResult
from activities.metrics import TURNS
from activities.plans import Plan, TrackRules, plan_of
from activities.posting import Poster
from activities.tracking import Tracker
from activities.turn import Turn
from store import runs
from store.engine import Store
from zenvia.client import VoiceClient

HEARTBEAT = timedelta(seconds=2)
"""How often a turn says that its process lives; Temporal's timeout allows for several misses."""

_log = structlog.get_logger("discador.dialing")


class DialingActivities:
    """Built in the worker; holds what makes tracking cheap, and nothing that counts."""

    def __init__(
        self,
        store: Store,
        client: VoiceClient,
        poster: Poster,
        *,
        loopback: bool,
        http_total: float,
    ) -> None:
        self._store = store
        self._client = client
        self._poster = poster
        self._loopback = loopback
        self._http_total = http_total
        self._plans: dict[str, Plan] = {}
        self._trackers: dict[tuple[str, int], Tracker] = {}

    @activity.defn(name="advance")
    async def advance(self, request: AdvanceInput) -> AdvanceResult:
        """Do one turn of a lane and return when somebody has to decide something.

        Twice with the same token is the same as once: what was settled stays settled, what was
        reserved is returned again, what was posted is never posted again.
        """
        alive = asyncio.create_task(_beat())
        try:
            with TURNS.time():
                return await Turn(self, request).run()
        finally:
            alive.cancel()

    async def plan(self, run_id: str) -> Plan:
        """Return the run's plan in its newest version."""
        definition, version = await runs.get_definition(self._store, run_id)
        known = self._plans.get(run_id)
        if known is not None and known.version == version:
            return known
        plan = plan_of(definition, version, loopback=self._loopback, http_total=self._http_total)
        self._plans[run_id] = plan
        requests, calls = self._client.requests_per_second, definition.pacing.calls_per_second
        if requests is not None and calls >= requests:
            # New calls go all the same; how they are is then asked every two seconds at the most.
            _log.warning(
                "requests_leave_no_room",
                run=run_id,
                requests_per_second=requests,
                calls_per_second=calls,
                what_to_do="raise DISCADOR_API_REQUESTS_PER_SECOND above calls_per_second",
            )
        return plan

    def tracker(self, run_id: str, lane: int, rules: TrackRules) -> Tracker:
        """Return what this process remembers of a lane's calls."""
        tracker = self._trackers.get((run_id, lane))
        if tracker is None:
            tracker = Tracker(self._store, self._client, self._poster, run_id, lane, rules)
            self._trackers[run_id, lane] = tracker
        tracker.rules = rules
        return tracker

    def hint(self, api_id: int) -> None:
        """Look at a call soon: a webhook says that something happened to it."""
        if any(tracker.hint(api_id) for tracker in self._trackers.values()):
            self._poster.notify()

    async def close(self) -> None:
        """End the polls that no turn waits for any more; the store is needed no longer after it."""
        for tracker in self._trackers.values():
            await tracker.give_up()

    def forget(self, run_id: str, lane: int) -> None:
        """Drop what is remembered of a lane that has finished."""
        tracker = self._trackers.pop((run_id, lane), None)
        if tracker is not None:
            tracker.forget()
        if not any(run == run_id for run, _ in self._trackers):
            self._plans.pop(run_id, None)
            self._poster.forget(run_id)

    @property
    def store(self) -> Store:
        """The store."""
        return self._store

    @property
    def poster(self) -> Poster:
        """Where POSTs are sent from."""
        return self._poster


async def _beat() -> None:
    """Tell Temporal that this process lives, however long the API or the store takes."""
    while True:
        await asyncio.sleep(HEARTBEAT.total_seconds())
        activity.heartbeat()
