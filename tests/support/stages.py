"""A release that is made again and again, each time as if for the first time."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from support.github_api import GithubApi, serve_github
from support.releases import VERSION, Released
from support.targets import Targets, serve_targets


@dataclass
class Stage:
    """A release whose servers and dist/ can be made as new; its wheels were checked already.

    Attributes:
        template: the journal of the run that has checked them.
        api: its GitHub; None where it isn't drafted anywhere.
    """

    targets: Targets
    released: Released
    template: Path
    api: GithubApi | None = None

    def reset(self) -> None:
        """Forget all that was released."""
        self.targets.reset()
        if self.api is not None:
            self.api.repository.releases.clear()
            self.api.seen.clear()
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
        drafting = self.api.env if self.api else {}
        return self.released.env({**self.targets.env, **drafting, "TMPDIR": str(temporary)})

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
def stage_in(folder: Path, *, drafted: bool = False) -> Iterator[Stage]:
    """A stage, with its servers as long as the context lasts; GitHub's among them if `drafted`."""
    with contextlib.ExitStack() as stack:
        targets = stack.enter_context(serve_targets(folder / "servers"))
        settings = {"github": "octo/fam"} if drafted else {}
        released = targets.family(folder / "a", size=300_000, settings=settings)
        api = stack.enter_context(serve_github(released.root)) if drafted else None
        stage = Stage(targets, released, folder / "template", api)
        # the wheels' checks take longest, and ask no server: a run that comes no further
        targets.first.harm = lambda _, m, p: "405" if m == "PUT" and "blobs" in p else None
        done = released.run(VERSION, "--prebuilt", env=stage.env)
        assert done.returncode == 1, done.stderr
        stage.template.mkdir()
        for path in released.dist.glob("release-*.jsonl"):
            shutil.copy2(path, stage.template)
        yield stage
