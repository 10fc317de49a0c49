"""What an engine is: something that turns a plan's layers into blobs in the cache."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

from lapstrake.plan.model import Plan
from lapstrake.report.progress import Progress
from lapstrake.store.records import LayerRecord
from lapstrake.store.store import Store

State = Literal["built", "reused"]


@dataclass(frozen=True)
class Outcome:
    """What became of a layer."""

    record: LayerRecord
    state: State


class Engine(Protocol):
    """Builds layers; the digests don't depend on which engine does."""

    name: str

    def build(self, plan: Plan, store: Store, progress: Progress, jobs: int) -> dict[str, Outcome]:
        """Build what the cache lacks; the outcome of every layer of the plan's images, by id.

        Raises:
            UserError: a layer can't be built; those that were finished stay in the cache.
        """
        ...
