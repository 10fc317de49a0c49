"""A family whose versions lie in a registry, and its channels; commands run as processes."""

from __future__ import annotations

import functools
import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import httpx
import yaml

from lapstrake.definition.load import load
from lapstrake.definition.repository import Repository as Definition
from lapstrake.dist import Build
from lapstrake.plan.model import ImagePlan
from lapstrake.registry.client import RegistryClient
from lapstrake.registry.repository import Repository
from lapstrake.store.store import Store
from lapstrake_release.channels.registry import ChannelRegistry
from support.targets import names_at
from support.tinyimages import built, image

WHERE = "x"
INDEX = "application/vnd.oci.image.index.v1+json"


@dataclass
class Shelf:
    """A repository at `root` whose images go to `host`; `env` is what commands are run with."""

    root: Path
    host: str
    env: dict[str, str]
    login: tuple[str, str] | None = None
    built: dict[str, Build] = field(default_factory=dict)

    @functools.cached_property
    def definition(self) -> Definition:
        return load(self.root)

    @property
    def repository(self) -> Repository:
        return Repository(self.host, f"{WHERE}/fam")

    def client(self) -> ChannelRegistry:
        return ChannelRegistry(self.repository, pause=0.01)

    def publish(
        self,
        version: str,
        *,
        content: str = "",
        without: Sequence[str] = (),
        change: Callable[[ImagePlan], ImagePlan] = lambda plan: plan,
    ) -> None:
        """Have a version in the registry as a release leaves it.

        Args:
            version: which.
            content: what makes its bytes others than those of the same version before.
            without: images that it doesn't have.
            change: what an image has besides.
        """
        names = [n for n in self.definition.images if n not in without]
        said = ("org.opencontainers.image.version", version)
        plans = []
        for name in names:
            plan = image(name, "shared", f"{name}-{content or version}")
            tag = version if name == "full" else f"{version}-{name}"
            plan = replace(plan, tags=(tag,), annotations=(*plan.annotations, said))
            plans.append(change(plan))
        out = self.root.parent / "built" / f"{version}-{content or version}"
        build = built(out, Store(self.root.parent / "cache"), *plans, version=version)
        with RegistryClient(self.repository, pause=0.01) as client:
            push(client, out, build)
        self.built[version] = build

    def digests(self, version: str) -> dict[str, str]:
        """The digest of each image of a version, by what its tags end with."""
        return {i.tags[0].removeprefix(version): i.digest for i in self.built[version].images}

    def run(self, *words: str, env: Mapping[str, str] | None = None) -> Ran:
        """Run `lapstrake` with these words."""
        with self.begin(*words, env=env) as child:
            out, err = child.communicate(timeout=120)
        return Ran(child.returncode, out, err)

    def begin(self, *words: str, env: Mapping[str, str] | None = None) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "lapstrake", "-C", str(self.root), *words],
            env={**self.env, **(env or {})},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def good(self, *words: str) -> Ran:
        """Run it to its good end."""
        ran = self.run(*words)
        assert ran.code == 0, ran.err
        return ran

    @property
    def names(self) -> dict[str, str]:
        """The digest of each image's name in the registry; records and claims are left out."""
        found = names_at(str(self.repository), self.login)
        return {n: d for n, d in found.items() if not n.startswith("_")}

    @property
    def all_names(self) -> list[str]:
        """Every name, of whatever it is."""
        url = f"http://{self.host}/v2/{self.repository.path}/tags/list"
        answer = httpx.get(url, trust_env=False, auth=self.login)
        return sorted(answer.json().get("tags") or [])

    def moving(self, channel: str) -> dict[str, str]:
        """What the moving tags of a channel hold, by suffix."""
        suffixes = ["" if n == "full" else f"-{n}" for n in self.definition.images]
        with self.client() as client:
            return {s: d for s in suffixes if (d := client.digest(f"{channel}{s}"))}

    def number(self, channel: str, number: int) -> dict[str, str]:
        """What the numbered tags of a move hold, by suffix."""
        return self.moving(f"{channel}.{number}")


@dataclass(frozen=True)
class Ran:
    """How a command ended, and what it said."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


def push(client: RegistryClient, dist: Path, build: Build) -> None:
    """Send a build to a registry, under its images' tags."""
    blobs = dist / "blobs/sha256"
    for one in build.images:
        data = (blobs / one.digest.removeprefix("sha256:")).read_bytes()
        said = json.loads(data)
        for part in (said["config"], *said["layers"]):
            client.upload(part["digest"], blobs / part["digest"].removeprefix("sha256:"))
        for tag in one.tags:
            client.put_manifest(tag, data)


def shelf_in(
    folder: Path,
    host: str,
    *,
    runtimes: Sequence[str] = ("srv",),
    settings: Mapping[str, object] | None = None,
) -> Shelf:
    """A family of `full`, `slim` and some runtimes in `folder`/repo, that is released to a host."""
    root = folder / "repo"
    (root / "images/slim").mkdir(parents=True)
    (root / "images/slim/image.yaml").write_text("root: {suite: bookworm}\n")
    (root / "images/full").mkdir()
    (root / "images/full/image.yaml").write_text("extends: slim\nruntimes: all\n")
    for name in runtimes:
        (root / "runtimes" / name).mkdir(parents=True)
        (root / "runtimes" / name / "runtime.yaml").write_text(f"description: {name}\n")
    _write_settings(root, host, settings or {})
    env = {k: v for k, v in os.environ.items() if not k.startswith(("GITHUB_", "GH_", "ACTIONS_"))}
    temporary = folder / "tmp"
    temporary.mkdir()
    own = {"HOME": str(folder), "TMPDIR": str(temporary), "USER": "tester", "LOGNAME": "tester"}
    own |= {"LAPSTRAKE_CACHE": str(folder / "cache"), "GIT_CONFIG_NOSYSTEM": "1"}
    return Shelf(root, host, {**env, **own})


def _write_settings(root: Path, host: str, settings: Mapping[str, object]) -> None:
    path = root / "lapstrake.yaml"
    there = yaml.safe_load(path.read_text()) if path.exists() else {"name": "fam"}
    there |= {"release": {"registries": [f"{host}/{WHERE}"]}, **settings}
    path.write_text(yaml.safe_dump(there))
