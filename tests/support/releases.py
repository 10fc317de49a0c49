"""A repository that can be released at once: a commit, and a dist/ that was built and tested."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import os
import random
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import yaml

from lapstrake import process
from lapstrake.dist import Build
from lapstrake.layers.kinds import FileEntry, Files
from lapstrake.plan.model import ImagePlan
from lapstrake.smoke.report import CheckResult, ImageSmoke, SmokeReport, write_report
from lapstrake.store.store import Store
from support.tinyimages import built, image

VERSION = "1.2.0"
DESCRIPTIVE = "srv1.0-python3.11-debian12"
_DATE = (2024, 1, 1, 0, 0, 0)
_METADATA = """\
Metadata-Version: 2.1
Name: {name}
Version: {version}
Summary: tiny
Description-Content-Type: text/plain

Tiny.
"""


@dataclass(frozen=True)
class Released:
    """A repository at `root` with a dist/ of `build`."""

    root: Path
    build: Build

    @property
    def dist(self) -> Path:
        return self.root / "dist"

    def args(self, *words: str) -> list[str]:
        return [sys.executable, "-m", "lapstrake", "-C", str(self.root), "release", *words]

    def run(
        self, *words: str, env: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """`lapstrake release` with these words."""
        return subprocess.run(
            self.args(*words),
            env=self.env(env),
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )

    def env(self, more: Mapping[str, str] | None = None) -> dict[str, str]:
        """Ours, without what a developer's shell or a workflow may have set."""
        own = {
            k: v
            for k, v in os.environ.items()
            if not k.startswith(("TWINE_", "GITHUB_", "GH_", "ACTIONS_", "UV_", "PIP_"))
        }
        cache = {"LAPSTRAKE_CACHE": str(self.root.parent / "cache"), "HOME": str(self.root.parent)}
        return own | cache | {"UV_OFFLINE": "1"} | dict(more or {})

    @property
    def digests(self) -> dict[str, str]:
        """The digest of each image."""
        return {i.name: i.digest for i in self.build.images}

    @property
    def public(self) -> dict[str, str]:
        """What each public name is to hold."""
        return {tag: i.digest for i in self.build.images for tag in i.tags}

    @property
    def blobs(self) -> set[str]:
        """The digests of all layers and configs."""
        layers = {x.digest for i in self.build.images for x in i.layers}
        return layers | {i.config for i in self.build.images}

    @property
    def files(self) -> list[Path]:
        """The wheels and source archives."""
        return sorted((*self.dist.glob("wheels/*"), *self.dist.glob("sdists/*")))

    def journal(self, version: str = VERSION) -> list[dict[str, object]]:
        """The journal's lines."""
        text = (self.dist / f"release-{version}.jsonl").read_text()
        return [json.loads(line) for line in text.splitlines()]


def family(
    folder: Path,
    registries: Sequence[str] = (),
    indexes: Sequence[str] = (),
    *,
    version: str = VERSION,
    size: int = 0,
    settings: Mapping[str, object] | None = None,
) -> Released:
    """Make a repository in `folder`/repo.

    Args:
        folder: an empty folder.
        registries: HOST[:PORT][/PATH] of each.
        indexes: the address of each; they are called index0, index1, …
        version: what dist/ holds.
        size: bytes of a layer that all images have besides small ones.
        settings: more of `release:` in lapstrake.yaml.
    """
    root = folder / "repo"
    root.mkdir(parents=True)
    release = {
        "registries": list(registries),
        "indexes": [{"name": f"index{n}", "upload": url} for n, url in enumerate(indexes)],
        **(settings or {}),
    }
    (root / "lapstrake.yaml").write_text(yaml.safe_dump({"name": "fam", "release": release}))
    (root / ".gitignore").write_text("/dist/\n")
    commit(root, "begin")
    build = built(root / "dist", Store(folder / "cache"), *_images(version, size), version=version)
    passed(root / "dist", build)
    for name in ("fam-core", "fam-extra"):
        wheel(root / "dist/wheels", name, version)
        sdist(root / "dist/sdists", name, version)
    return Released(root, build)


def _images(version: str, size: int) -> list[ImagePlan]:
    whole = replace(image("full", "shared", "a", "b"), tags=(version,))
    slim = replace(image("slim", "shared"), tags=(f"{version}-slim",))
    srv = replace(image("srv", "shared", "a"), tags=(f"{version}-srv", DESCRIPTIVE))
    versioned = ("org.opencontainers.image.version", version)
    content = random.Random(0).randbytes(size)  # noqa: S311
    large = Files("large", (FileEntry.of("/srv/large", content),))
    return [
        replace(
            plan,
            annotations=(*plan.annotations, versioned),
            layers=(*([large] if size else []), *plan.layers),
        )
        for plan in (slim, srv, whole)
    ]


def passed(dist: Path, build: Build) -> None:
    """Write dist/smoke.json: every image has passed."""
    images = [
        ImageSmoke(
            name=i.name,
            digest=i.digest,
            seconds=0.1,
            checks=(CheckResult(image=i.name, name="container-starts", verdict="passed"),),
        )
        for i in build.images
    ]
    report = SmokeReport(lapstrake="0", engine="test", seconds=0.1, images=tuple(images))
    write_report(dist, report)


def commit(root: Path, message: str) -> str:
    """Commit everything; the commit's hash."""
    git = ["git", "-C", root, "-c", "user.name=t", "-c", "user.email=t@example.invalid"]
    if not (root / ".git").exists():
        process.run(["git", "init", "-q", "-b", "main", root])
    process.run([*git, "add", "-A"])
    process.run([*git, "commit", "-q", "--allow-empty", "-m", message])
    return process.run(["git", "-C", root, "rev-parse", "HEAD"]).stdout.strip()


def wheel(folder: Path, name: str, version: str, body: bytes = b"") -> Path:
    """A wheel that `twine check --strict` has nothing against."""
    folder.mkdir(parents=True, exist_ok=True)
    module = name.replace("-", "_")
    info = f"{module}-{version}.dist-info"
    files = {
        f"{module}/__init__.py": body,
        f"{info}/METADATA": _METADATA.format(name=name, version=version).encode(),
        f"{info}/WHEEL": b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(f"{n},sha256={_hash(c)},{len(c)}\n" for n, c in files.items())
    files[f"{info}/RECORD"] = f"{record}{info}/RECORD,,\n".encode()
    path = folder / f"{module}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as zipped:
        for entry, content in files.items():
            zipped.writestr(zipfile.ZipInfo(entry, _DATE), content)
    return path


def sdist(folder: Path, name: str, version: str) -> Path:
    """A source archive of the same kind."""
    folder.mkdir(parents=True, exist_ok=True)
    module = name.replace("-", "_")
    path = folder / f"{module}-{version}.tar.gz"
    data = _METADATA.format(name=name, version=version).encode()
    with tarfile.open(path, "w:gz") as tar:
        for entry, content in (("PKG-INFO", data), ("pyproject.toml", b"")):
            member = tarfile.TarInfo(f"{module}-{version}/{entry}")
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return path


def _hash(content: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(content).digest()).decode().rstrip("=")
