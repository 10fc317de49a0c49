"""What an ordinary user leaves when a build is killed, and sweeps."""

from __future__ import annotations

from pathlib import Path

from lapstrake import process
from lapstrake.engines.local import namespace
from lapstrake.store.store import Store
from lapstrake.store.sweep import sweep


def leave_and_sweep(cache: Path) -> tuple[int, list[str]]:
    """How much was swept where a tree belonged to ids of the user's range, and what is left."""
    store = Store(cache)
    dead = store.root / "tmp/run-dead"
    dead.mkdir()
    script = f"mkdir {dead}/x && touch {dead}/x/f && chown -R 5:5 {dead}/x && chmod 700 {dead}/x"
    process.run([*namespace.command(), "sh", "-c", script])
    count = sweep(store)
    return count, [path.name for path in (store.root / "tmp").iterdir()]
