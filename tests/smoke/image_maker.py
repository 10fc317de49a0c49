"""Images to test the smoke tests with: this family's base, as it should be and broken."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from lapstrake.build import build
from lapstrake.definition.models import Service
from lapstrake.engines.local.engine import LocalEngine
from lapstrake.guest.system import SystemSpec, system_entries
from lapstrake.layers.kinds import FileEntry, Files, Wheels
from lapstrake.plan.model import ImagePlan, Plan
from lapstrake.report.progress import JsonLines
from lapstrake.smoke.report import CheckResult, ImageSmoke
from lapstrake.smoke.run import run_smoke
from lapstrake.store.store import Store

WEB = {
    "name": "web",
    "command": ["python3", "-u", "-m", "http.server", "8000", "--bind", "0.0.0.0"],  # noqa: S104
    "main": True,
    "directory": "/usr/share/lapstrake",
    "ports": [8000],
    "health": {"port": 8000},
    "env": {"ITS_OWN": """it's "both"\nand % ; a line"""},
}


def service(**changes: object) -> Service:
    """The web service, changed."""
    return Service.model_validate({**WEB, **changes})


def without(image: ImagePlan, *packages: str) -> ImagePlan:
    """The image without some of its Python packages."""
    layers = tuple(
        replace(x, wheels=tuple(w for w in x.wheels if w.name not in packages))
        if isinstance(x, Wheels)
        else x
        for x in image.layers
    )
    return replace(image, layers=layers)


@dataclass(frozen=True)
class Maker:
    """Makes images of this family's base, and tests them."""

    base: ImagePlan
    folder: Path

    def image(
        self,
        services: Sequence[Service] = (),
        files: Sequence[FileEntry] = (),
        **changes: object,
    ) -> ImagePlan:
        """base with services, with files over it, and with other facts about it."""
        spec = SystemSpec(tuple(services), b'{"spdxVersion": "SPDX-2.3"}')
        layers = (*self.base.layers[:-1], Files("system", system_entries(spec)))
        if files:
            layers = (*layers, Files("extra", tuple(sorted(files, key=lambda e: e.path))))
        ports = tuple(sorted({p.port for s in services for p in s.ports}))
        config = replace(self.base.config, ports=ports)
        facts = {"services": tuple(services), "layers": layers, "config": config, "smoke": ()}
        return replace(self.base, **{**facts, **changes})  # type: ignore[arg-type]

    def dist(self, image: ImagePlan) -> Path:
        """A dist/ with the image alone."""
        out = self.folder / "dist"
        # a name of its own: what another test removes from the engine isn't this test's
        plan = Plan(f"test-{secrets.token_hex(6)}", "1", "linux/amd64", 1_700_000_000, (image,))
        with JsonLines() as progress:
            build(plan, LocalEngine(), Store(), out, progress, 1)
        return out

    def smoke(
        self,
        image: ImagePlan,
        only: Sequence[str] = (),
        root: Path | None = None,
        patience: float = 60,
    ) -> ImageSmoke:
        """What the smoke tests say of it; the engine keeps nothing of it."""
        report = run_smoke(
            self.dist(image),
            [],
            root,
            store=Store(),
            jobs=1,
            progress=lambda _: None,
            patience=patience,
            remove=True,
            only=only,
        )
        return report.images[0]

    def check(self, image: ImagePlan, name: str, root: Path | None = None) -> CheckResult:
        """The verdict of one check."""
        return self.smoke(image, [name], root).checks[0]
