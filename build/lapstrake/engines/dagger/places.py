"""Where things lie in the containers that build layers; known to both sides."""

from __future__ import annotations

from pathlib import Path

CODE = Path("/lapstrake/code")
LAYER = Path("/lapstrake/layer.json")
FILES = Path("/lapstrake/files")
BELOW = Path("/lapstrake/below")
PRIMED = Path("/lapstrake/primed")
CACHE = Path("/lapstrake/cache")
OUT = Path("/lapstrake/out")
CARRIED = Path("/run/lapstrake-client.json")
APT_SOURCES = Path("/etc/apt/sources.list.d")
WORKED = Path("/lapstrake/worked")

# Below OUT: what is known of the layer, its blobs, and which build it was made for.
RECORD = "record.json"
BLOBS = "blobs"
RUN = "run"

MODULE = "lapstrake.engines.dagger.inside"
