"""Where things lie in the containers that build layers; known to both sides."""

from __future__ import annotations

from pathlib import Path

CODE = Path("/lapstrake/code")
LAYER = Path("/lapstrake/layer.json")
LAYERS = Path("/lapstrake/layers.json")
FILES = Path("/lapstrake/files")
ARCHIVES = Path("/lapstrake/archives")
BELOW = Path("/lapstrake/below")
PRIMED = Path("/lapstrake/primed")
CACHE = Path("/lapstrake/cache")
OUT = Path("/lapstrake/out")
CARRIED = Path("/run/lapstrake-client.json")
APT_SOURCES = Path("/etc/apt/sources.list.d")
IMAGE = Path("/lapstrake/image")
PLAN = Path("/lapstrake/plan.json")
LOGINS = Path("/run/lapstrake-logins.json")
PASSWORD = Path("/run/lapstrake-password")

# Below OUT: what is known of the layer, its blobs, the files that are released beside it, and which
# build it was made for.
RECORD = "record.json"
BLOBS = "blobs"
RELEASED = "released"
RUN = "run"

# Below OUT, of an image: its layout, and the same as one file.
LAYOUT = "layout"
ARCHIVE = "image.tar"

# How a container that publishes to it calls the client's machine.
CLIENT = "client"

MODULE = "lapstrake.engines.dagger.inside"
