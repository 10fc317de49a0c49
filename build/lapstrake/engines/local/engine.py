"""The local engine: no daemon, no Docker; as root, or as an ordinary user."""

from __future__ import annotations

from lapstrake.engines.missing import missing_layers
from lapstrake.engines.model import Outcome
from lapstrake.plan.model import Plan
from lapstrake.report.progress import Progress
from lapstrake.store.store import Store


class LocalEngine:
    """Builds layers on this machine."""

    name = "local"

    def build(self, plan: Plan, store: Store, progress: Progress, jobs: int) -> dict[str, Outcome]:
        """See `Engine.build`."""
        missing, outcomes = missing_layers(plan, store)
        if missing:
            # a build with nothing to do is over sooner than the import of all that builds
            from lapstrake.engines.local.heap import collecting_seldom, share_heap
            from lapstrake.engines.local.making import Making

            share_heap()
            with collecting_seldom():
                outcomes = Making(missing, outcomes, plan.platform, store, progress).run(jobs)
        return outcomes
