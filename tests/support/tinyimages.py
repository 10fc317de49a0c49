"""dist/ folders with tiny images, made by the real assembly from `Files` layers."""

from __future__ import annotations

from pathlib import Path

from lapstrake.build import build
from lapstrake.dist import Build
from lapstrake.engines.model import Outcome
from lapstrake.layers.files_layer import write_files
from lapstrake.layers.kinds import FileEntry, Files
from lapstrake.plan.model import Config, ImagePlan, Plan
from lapstrake.report.progress import JsonLines, Progress
from lapstrake.store.records import LayerRecord
from lapstrake.store.store import Store


class FilesEngine:
    """An engine for plans of `Files` layers alone."""

    name = "files"

    def build(self, plan: Plan, store: Store, progress: Progress, jobs: int) -> dict[str, Outcome]:
        del progress, jobs
        found = {}
        for layer in plan.layers:
            assert isinstance(layer, Files)
            with store.scratch("t") as folder:
                blob = write_files(layer, folder / "x")
                if not store.holds(blob):
                    store.adopt(folder / "x", blob.digest)
            record = LayerRecord(layer.id, "files", layer.title, (blob,), layer.inputs(), 0.1)
            store.commit(record)
            found[layer.id] = Outcome(record, "built")
        return found


def image(name: str, *texts: str) -> ImagePlan:
    """An image with one layer for each text, at /srv/<text>."""
    layers = tuple(Files(f"file {t}", (FileEntry.of(f"/srv/{t}", t.encode()),)) for t in texts)
    config = Config(
        env=(("A", 'quote " and\nnewline'), ("PATH", "/bin")),
        entrypoint=("/bin/true",),
        workdir="/srv",
        volumes=("/data",),
        ports=(8080,),
        labels=(("org.opencontainers.image.title", name),),
    )
    return ImagePlan(
        name=name,
        description="",
        extends=None,
        layers=layers,
        config=config,
        annotations=(("org.opencontainers.image.title", name),),
        tags=(f"1-{name}",),
        tokens=(),
        services=(),
        python=None,
        requirements=(),
        budget=None,
        smoke=(),
    )


def built(out: Path, store: Store, *images: ImagePlan, version: str = "1") -> Build:
    """Build images into `out`."""
    plan = Plan("fam", version, "linux/amd64", 1_700_000_000, images)
    with JsonLines() as progress:
        return build(plan, FilesEngine(), store, out, progress, 1)
