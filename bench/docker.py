"""Docker's side: the images built by BuildKit from bench/docker/, and pushed."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from bench.setting import IMAGES, Setting
from lapstrake import process
from lapstrake.errors import UserError

_PROXIES = ("http_proxy", "https_proxy", "ftp_proxy", "no_proxy", "all_proxy")


def find_client(work: Path) -> str:
    """The first Docker client that can build with BuildKit: $DOCKER alone, else those on the PATH.

    Raises:
        UserError: there is none. Newer clients need the plugin buildx for it.
    """
    (work / "Dockerfile").write_text("FROM scratch\nCOPY Dockerfile /\n")
    folders = os.environ.get("PATH", os.defpath).split(os.pathsep)
    named = os.environ.get("DOCKER")
    found = [named] if named else [shutil.which("docker", path=f) for f in folders]
    for client in filter(None, found):
        result = process.run([client, "build", "--quiet", work], env=_env(), check=False)
        if result.code == 0:
            process.run([client, "rmi", result.stdout.strip()], check=False)
            return client
    hint = "install docker-buildx-plugin, or set DOCKER to a client that has it"
    raise UserError("no Docker client here can build with BuildKit", hint)


def _env() -> dict[str, str]:
    return {**os.environ, "DOCKER_BUILDKIT": "1", "BUILDKIT_PROGRESS": "plain"}


@dataclass
class DockerSide:
    """One variant's images in one registry.

    Attributes:
        prefix: HOST:PORT/PATH, below which each image has its own name.
        secrets: files by the id that Dockerfiles mount them under.
        made: ids of all images that were built, which `clean` removes.
    """

    setting: Setting
    variant: str
    prefix: str
    secrets: dict[str, Path]
    made: set[str] = field(default_factory=set)

    def reference(self, name: str) -> str:
        """The image's name in the registry."""
        return f"{self.prefix}/{name}:bench"

    def build(self, context: Path, root: str) -> None:
        """Build all images, one after another; the cache makes what they share once."""
        for name in IMAGES:
            self._build(name, context, root)

    def _build(self, name: str, context: Path, root: str) -> None:
        noted = self.setting.work / "image-id"
        args = ["build", "--network=host", f"--target={name}", f"--tag={self.reference(name)}"]
        args += [f"--iidfile={noted}", f"--build-arg=ROOT={root}"]
        args += [f"--build-arg=BENCH_RUN={self.setting.run_id}"]
        # caches that steps mount belong to this run and variant as well
        args += [f"--build-arg=BUILDKIT_CACHE_MOUNT_NS={self.setting.run_id}-{self.variant}"]
        args += [f"--build-arg={n}" for n in _PROXIES if os.environ.get(n)]
        args += [f"--secret=id={k},src={v}" for k, v in self.secrets.items()]
        self._docker(*args, context)
        self.made.add(noted.read_text())

    def push(self) -> None:
        """Push all images; the engine finds out which layers are there."""
        for name in IMAGES:
            self._docker("push", self.reference(name))

    def pull(self, reference: str) -> None:
        """Have an image in the engine; it is removed at the end."""
        self._docker("pull", "--quiet", reference)
        self.made.add(reference)

    def _docker(self, *args: str | Path) -> str:
        return process.run([self.setting.docker, *args], env=_env()).stdout

    def clean(self) -> None:
        """Remove the images of this side, whatever is left of them."""
        client = self.setting.docker
        references = [self.reference(n) for n in IMAGES]
        for image in (*references, *sorted(self.made)):
            process.run([client, "rmi", "--force", image], check=False)


@contextlib.contextmanager
def cleaned_cache(client: str) -> Iterator[None]:
    """Afterwards, remove from BuildKit's cache what wasn't there before, and nothing else."""
    before = _cache_ids(client)
    try:
        yield
    finally:
        # what others stand on goes only after them
        for _ in range(20):
            left = _cache_ids(client) - before
            for entry in sorted(left):
                prune = ["builder", "prune", "--force", "--all", "--filter", f"id={entry}"]
                process.run([client, *prune], env=_env(), check=False)
            if not left or _cache_ids(client) - before == left:
                break


def _cache_ids(client: str) -> set[str]:
    text = process.run([client, "system", "df", "-v", "--format", "{{json .BuildCache}}"]).stdout
    entries = json.loads(text) or []
    return {e["ID"] for e in entries}
