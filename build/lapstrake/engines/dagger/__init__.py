"""The Dagger engine, and images as containers for pipelines of one's own.

    import dagger
    from lapstrake.engines.dagger import runtime

    async with dagger.connection():
        image = runtime("xgboost")
        await image.with_exec(["python", "-c", "import xgboost"]).sync()

What is imported from here needs dagger-io; this module itself doesn't, since the builder within an
engine's container has none.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lapstrake.engines.dagger.images import (
        base,
        export,
        full,
        health,
        image,
        publish,
        runtime,
        service,
        slim,
    )

__all__ = ["base", "export", "full", "health", "image", "publish", "runtime", "service", "slim"]


def __getattr__(name: str) -> object:
    if name not in __all__:
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg)
    from lapstrake.engines.dagger.session import need_sdk

    need_sdk()
    return getattr(import_module(f"{__name__}.images"), name)
