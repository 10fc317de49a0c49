"""What of a plan the cache lacks."""

from __future__ import annotations

from lapstrake.engines.built import is_complete
from lapstrake.engines.model import Outcome
from lapstrake.layers.kinds import Layer
from lapstrake.plan.model import Plan, direct_needs
from lapstrake.store.store import Store


def missing_layers(plan: Plan, store: Store) -> tuple[dict[str, Layer], dict[str, Outcome]]:
    """The layers that are to be built, by id, and the outcomes of those that are there.

    To be built is what the images lack, and what is lacking to build that: a layer that only
    others needed, and that are there, isn't.
    """
    missing: dict[str, Layer] = {}
    there: dict[str, Outcome] = {}
    waiting = [layer for image in plan.images for layer in image.layers]
    while waiting:
        layer = waiting.pop()
        if layer.id in missing or layer.id in there:
            continue
        record = store.record(layer.id)
        # a layer that came from elsewhere came without the wheels that are released
        if record is None or not is_complete(layer, store):
            missing[layer.id] = layer
            waiting += direct_needs(layer)
        else:
            there[layer.id] = Outcome(record, "reused")
    return missing, there
