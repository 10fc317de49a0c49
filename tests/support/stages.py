"""A release that is made again and again, each time as if for the first time."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from support.releases import VERSION, Released
from support.targets import Targets, serve_targets


@dataclass
class Stage:
    """A release whose servers and dist/ can be made as new; its wheels were checked already."""

    targets: Targets
    released: Released
    template: Path

    def reset(self) -> None:
        """Forget all that was released."""
        self.targets.reset()
        for path in self.released.dist.glob("release-*"):
            path.unlink()
        shutil.rmtree(self.released.dist / "evidence", ignore_errors=True)
        for path in self.template.iterdir():
            shutil.copy2(path, self.released.dist)

    @property
    def phase(self) -> str:
        """The phase that the running release is in."""
        begun = [str(x["phase"]) for x in self.released.journal() if x["event"] == "phase"]
        return begun[-1] if begun else ""

    @property
    def env(self) -> dict[str, str]:
        """What it is run with."""
        temporary = self.targets.folder / "tmp"
        temporary.mkdir(exist_ok=True)
        return self.released.env({**self.targets.env, "TMPDIR": str(temporary)})

    def begin(self, *words: str) -> subprocess.Popen[str]:
        """Start it."""
        return subprocess.Popen(
            self.released.args(VERSION, "--prebuilt", *words),
            env=self.env,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self) -> str:
        """Run it to its good end; what it said."""
        with self.begin() as child:
            out, said = child.communicate(timeout=120)
        assert child.returncode == 0, said
        return out + said


@contextlib.contextmanager
def stage_in(folder: Path) -> Iterator[Stage]:
    """A stage, with its servers as long as the context lasts."""
    with serve_targets(folder / "servers") as targets:
        released = targets.family(folder / "a", size=300_000)
        # the wheels' checks take longest, and ask no server: a run that comes no further
        targets.first.harm = lambda _, m, p: "405" if m == "PUT" and "blobs" in p else None
        done = released.run(VERSION, "--prebuilt", env=targets.env)
        assert done.returncode == 1, done.stderr
        template = folder / "template"
        template.mkdir()
        for path in released.dist.glob("release-*.jsonl"):
            shutil.copy2(path, template)
        yield Stage(targets, released, template)
