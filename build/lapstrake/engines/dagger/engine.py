"""The Dagger engine: the same layers, built in containers of a Dagger engine."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Literal

from lapstrake.engines.missing import missing_layers
from lapstrake.engines.model import Outcome
from lapstrake.plan.model import Plan
from lapstrake.report.progress import Progress
from lapstrake.store.store import Store

if TYPE_CHECKING:
    from lapstrake.engines.dagger.graph import Toolchain


class DaggerEngine:
    """Builds layers in an engine, and brings each back into the cache once.

    Args:
        toolchain: finds the image that layers are built in; called only if there is one to build.
        fetch: whether the engine fetches wheels and packages, or the client for it.
    """

    name = "dagger"

    def __init__(
        self,
        toolchain: Callable[[Store, Progress, int], Toolchain],
        fetch: Literal["engine", "client"] = "engine",
    ) -> None:
        self._toolchain = toolchain
        self._fetch = fetch

    def build(self, plan: Plan, store: Store, progress: Progress, jobs: int) -> dict[str, Outcome]:
        """See `Engine.build`."""
        missing, outcomes = missing_layers(plan, store)
        if missing:
            # a build with nothing to do needs no engine, and not even its client
            from lapstrake.engines.dagger.session import check_engine, need_sdk

            need_sdk()
            # a toolchain may be some time in the making
            check_engine()
            from lapstrake.engines.dagger.building import Building

            toolchain = self._toolchain(store, progress, jobs)
            building = Building(missing, plan.platform, store, progress, self._fetch == "client")
            outcomes = {**outcomes, **building.run(toolchain, jobs)}
        return outcomes
