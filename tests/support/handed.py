"""A family that was built, tested and pushed to a registry, ready to be handed to testers."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from lapstrake.definition.models import Health, PortSpec, Service
from lapstrake.dist import Build
from lapstrake.layers.kinds import FileEntry, Files
from lapstrake.plan.model import ImagePlan
from lapstrake.registry.client import RegistryClient
from lapstrake.registry.repository import Repository
from lapstrake.store.store import Store
from support.releases import Released, commit, passed
from support.tinyimages import built, image

VERSION = "1.2.0.rc1"

SERVICE = Service(
    name="srv",
    command=["srv"],
    main=True,
    ports=[
        PortSpec(port=8080, name="rest", protocol="http"),
        PortSpec(port=8081, name="grpc", protocol="grpc"),
    ],
    health=Health(port=8080, path="/v2/health/ready"),
    protocol="v2",
)

STATUS = """\
Package: libssl3
Status: install ok installed
Architecture: amd64
Source: openssl
Version: 3.0.11-1~deb12u2

Package: tini
Status: install ok installed
Architecture: amd64
Version: 0.19.0-1

Package: gone
Status: deinstall ok config-files
Architecture: amd64
Version: 1
"""
OS_RELEASE = 'PRETTY_NAME="Debian GNU/Linux 12"\nVERSION_ID="12"\nID=debian\n'

FILES: dict[str, str] = {
    "images/slim/image.yaml": "description: The least\nroot: {suite: bookworm}\nowners: [grace]\n",
    "images/slim/verify.md": "# Slim\n\nIt starts.\n",
    "images/full/image.yaml": "extends: slim\nruntimes: all\n",
    "images/full/verify.md": "# Full\n\nEverything at once.\n",
    "runtimes/srv/runtime.yaml": "description: Serves | it\nowners: ['@ada', octo/team]\n",
    "runtimes/srv/verify.md": (
        "# Srv\n\nSend [the request](demo/request.json), see [more](../../README.md#top).\n\n"
        "```sh\n# a comment, not a heading\ncurl localhost:8080\n```\n\n- [ ] the answer is right\n"
    ),
    "runtimes/srv/demo/request.json": "{}\n",
    "README.md": "# top\n",
}


@dataclass(frozen=True)
class Family(Released):
    """A repository with a dist/, in a registry on loopback."""

    host: str

    @property
    def repository(self) -> Repository:
        return Repository.parse(f"{self.host}/x/fam")

    def call(
        self, *words: str, env: Mapping[str, str] | None = None, code: int = 0
    ) -> subprocess.CompletedProcess[str]:
        """`lapstrake` with these words, which has to end with `code`."""
        done = subprocess.run(
            [sys.executable, "-m", "lapstrake", "-C", str(self.root), *words],
            env=self.env({"LAPSTRAKE_TIMEOUT": "5", **(env or {})}),
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )
        assert done.returncode == code, done.stderr + done.stdout
        return done

    def json(self, *words: str, env: Mapping[str, str] | None = None, code: int = 0) -> Any:
        """What a command says with `--json`."""
        return json.loads(self.call(*words, "--json", env=env, code=code).stdout)

    def write(self, name: str, text: str) -> None:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def handed(
    folder: Path,
    host: str,
    *,
    version: str = VERSION,
    settings: Mapping[str, object] | None = None,
    others: Sequence[str] = (),
) -> Family:
    """Make the repository in `folder`/repo, and push it to HOST/x/fam (and `others`).

    `settings` are more of lapstrake.yaml.
    """
    root = folder / "repo"
    registries = [f"{h}/x" for h in (host, *others)]
    release = {"registries": registries, "github": "octo/fam"}
    definition = {"name": "fam", "version": version, "release": release, **(settings or {})}
    texts = {"lapstrake.yaml": yaml.safe_dump(definition), ".gitignore": "/dist/\n", **FILES}
    for name, text in texts.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    commit(root, "begin")
    build = built(root / "dist", Store(folder / "cache"), *_plans(version), version=version)
    passed(root / "dist", build)
    found = Family(root, build, host)
    for place in (host, *others):
        push(found, place)
    return found


def push(family: Family, host: str, path: str = "x/fam") -> None:
    """Push every image of dist/ under its own tag."""
    with RegistryClient(Repository.parse(f"{host}/{path}")) as client:
        for one in family.build.images:
            manifest = blob(family.dist, one.digest)
            for part in (parts := json.loads(manifest))["layers"] + [parts["config"]]:
                client.upload(part["digest"], blob(family.dist, part["digest"]))
            client.put_manifest(one.tags[0], manifest)


def blob(dist: Path, digest: str) -> bytes:
    return (dist / "blobs/sha256" / digest.removeprefix("sha256:")).read_bytes()


def moved(family: Family, name: str, host: str = "") -> str:
    """Give the tag of an image to another one; that one's digest."""
    build = family.build
    one = build.image(name)
    other = next(i for i in build.images if i.name != name)
    with RegistryClient(Repository.parse(f"{host or family.host}/x/fam")) as client:
        client.put_manifest(one.tags[0], blob(family.dist, other.digest))
    return other.digest


def rebuilt(family: Family, folder: Path, text: str) -> Family:
    """The same version with another image `srv`, built, tested and pushed again."""
    version = family.build.version
    plans = [
        replace(p, layers=(*p.layers, Files("more", (FileEntry.of("/srv/more", text.encode()),))))
        if p.name == "srv"
        else p
        for p in _plans(version)
    ]
    build = _again(family.root / "dist", folder, plans, version)
    found = replace(family, build=build)
    push(found, family.host)
    return found


def _again(dist: Path, folder: Path, plans: Sequence[ImagePlan], version: str) -> Build:
    build = built(dist, Store(folder / "cache-again"), *plans, version=version)
    passed(dist, build)
    return build


def _plans(version: str) -> list[ImagePlan]:
    system = Files(
        "system: debian",
        (
            FileEntry.of("/var/lib/dpkg/status", STATUS.encode()),
            FileEntry.of("/usr/lib/os-release", OS_RELEASE.encode()),
        ),
    )
    wheel = Files(
        "wheel",
        (FileEntry.of("/opt/venv/lib/python3.11/site-packages/a-1.0.dist-info/METADATA", b"x"),),
    )

    def plan(name: str, tag: str, *texts: str) -> ImagePlan:
        one = image(name, *texts)
        layers = (system, *((wheel,) if "a" in texts else ()), *one.layers)
        more = ("org.opencontainers.image.version", version)
        return replace(
            one,
            layers=layers,
            tags=(tag,),
            services=(SERVICE,),
            description=f"The {name} one",
            annotations=(*one.annotations, more),
        )

    return [
        plan("full", version, "shared", "a", "b"),
        plan("slim", f"{version}-slim", "shared"),
        plan("srv", f"{version}-srv", "shared", "a"),
    ]
