"""A build, as a story: plan → layers → images → dist/."""

from __future__ import annotations

import time
from pathlib import Path

from lapstrake import __version__
from lapstrake.built_files import built_files, keep_archives
from lapstrake.dist import Build, BuiltImage, BuiltLayer
from lapstrake.engines.model import Engine, Outcome
from lapstrake.oci.image import Assembled, assemble
from lapstrake.oci.layout import check_ours, write_layout
from lapstrake.plan.model import ImagePlan, Plan
from lapstrake.report.progress import Progress
from lapstrake.store.store import Store
from lapstrake.store.sweep import sweep
from lapstrake.store.use import in_use, mark_used


def build(
    plan: Plan, engine: Engine, store: Store, out: Path, progress: Progress, jobs: int
) -> Build:
    """Build every image of the plan into the layout `out`; what dist/build.json then says.

    Raises:
        UserError: a layer can't be built, or `out` can't be written. `out` is then as it was.
    """
    began = time.monotonic()
    check_ours(out)
    with in_use(store):
        sweep(store)
        keep_archives(plan, store)
        outcomes = engine.build(plan, store, progress, jobs)
        mark_used(store, outcomes)
        records = {layer_id: o.record for layer_id, o in outcomes.items()}
        files = built_files(plan, store)
        images = [assemble(i, records, plan.platform, plan.epoch) for i in plan.images]
        built = Build(
            lapstrake=__version__,
            family=plan.family,
            version=plan.version,
            platform=plan.platform,
            epoch=plan.epoch,
            engine=engine.name,
            images=tuple(
                _built_image(p, a, outcomes) for p, a in zip(plan.images, images, strict=True)
            ),
            files=tuple(f for f, _ in files),
            seconds=round(time.monotonic() - began, 3),
        )
        write_layout(out, images, built, files, store)
    return built


def _built_image(plan: ImagePlan, image: Assembled, outcomes: dict[str, Outcome]) -> BuiltImage:
    layers = tuple(
        BuiltLayer(
            kind=layer.kind,
            id=layer.id,
            title=layer.title,
            digest=blob.digest,
            diff_id=blob.diff_id,
            size=blob.size,
            unpacked=blob.unpacked,
            toc=blob.toc,
            media_type=blob.media_type,
            state=outcomes[layer.id].state,
            seconds=outcomes[layer.id].record.seconds,
        )
        for layer, blob in image.blobs
    )
    seconds = {x.id: x.seconds for x in layers if x.state == "built"}
    return BuiltImage(
        name=plan.name,
        description=plan.description,
        extends=plan.extends,
        digest=image.manifest.digest,
        config=image.config.digest,
        size=image.size,
        layers=layers,
        tags=plan.tags,
        tokens=plan.tokens,
        services=plan.services,
        env=dict(image.env),
        python=plan.python,
        requirements=plan.requirements,
        budget=plan.budget,
        smoke=dict(plan.smoke),
        seconds=round(sum(seconds.values()), 3),
        deploying=plan.deploying,
        cuda=plan.cuda,
        plan=plan.id,
    )
