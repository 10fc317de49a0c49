"""What a release is made from, small: real git, images with bills of materials, wheels."""

from __future__ import annotations

import hashlib
import os
from dataclasses import replace
from pathlib import Path

from lapstrake import process
from lapstrake.dist import BuiltImage
from lapstrake.guest.system import SBOM
from lapstrake.layers.kinds import FileEntry, Files
from lapstrake.lock.model import Deb, Wheel
from lapstrake.plan.model import ImagePlan
from lapstrake.plan.sbom import sbom
from lapstrake.store.store import Store
from lapstrake_release.evidence import write_evidence
from lapstrake_release.facts import FileFacts, ImageFacts, Kind, ReleaseFacts, SmokeFacts
from support.tinyimages import built, image

EPOCH = 1_700_000_000

DEB = Deb(
    name="libc++-1",
    version="2:1.0+dfsg~rc1-1",
    arch="amd64",
    sha256="a" * 64,
    size=1,
    path="pool/x.deb",
    archive="bookworm",
)
WHEELS = tuple(
    Wheel(name=n, version=v, filename=f"{n}-{v}-py3-none-any.whl", size=1, sha256=h * 64)
    for n, v, h in (("numpy", "2.1.0", "b"), ("torch", "2.4+cu121", "c"))
)


class Checkout:
    """A git repository that is written to, one commit a minute."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._commits = 0
        process.run(["git", "init", "--quiet", "--initial-branch=main", folder])

    def git(self, *words: str) -> str:
        when = f"{EPOCH + 60 * self._commits} +0000"
        env = {**os.environ, "GIT_AUTHOR_DATE": when, "GIT_COMMITTER_DATE": when}
        who = ["-c", "user.name=Ada", "-c", "user.email=ada@example.org", "-c", "commit.gpgsign=no"]
        return process.run(["git", "-C", self.folder, *who, *words], env=env).stdout.strip()

    def commit(self, message: str) -> str:
        """An empty commit; its hash."""
        self._commits += 1
        self.git("commit", "--quiet", "--allow-empty", "-m", message)
        return self.git("rev-parse", "HEAD")


def with_bill(plan: ImagePlan) -> ImagePlan:
    """An image that carries a bill of materials, as every built one does."""
    bill = FileEntry.of(SBOM, sbom([DEB], WHEELS, "debian"))
    return replace(plan, layers=(*plan.layers, Files("system", (bill,))))


def make_facts(folder: Path, store: Store, commit: str = "f" * 40) -> ReleaseFacts:
    """The facts of a release of two images, a wheel and a source archive, in `folder`/dist."""
    dist = folder / "dist"
    plans = (with_bill(image("full", "shared", "full")), with_bill(image("slim", "shared")))
    build = built(dist, store, *plans, version="1.2.0")
    return ReleaseFacts(
        family="fam",
        version="1.2.0",
        git_tag="v1.2.0",
        prerelease=False,
        commit=commit,
        dist=dist,
        platform=build.platform,
        epoch=build.epoch,
        engine="local",
        lapstrake="0.1.0",
        job="job-1",
        images=tuple(image_facts(i) for i in build.images),
        wheels=(_file(dist / "wheels" / "fam-1.2.0-py3-none-any.whl", "wheel"),),
        sdists=(_file(dist / "sdists" / "fam-1.2.0.tar.gz", "sdist"),),
        smoke=tuple(SmokeFacts(i.name, i.digest, 12, 0, 1) for i in build.images),
    )


def with_evidence(facts: ReleaseFacts) -> ReleaseFacts:
    """The facts with all that proves them, written beside dist/, and a deploy file."""
    folder = facts.dist.parent / "evidence"
    folder.mkdir(exist_ok=True)
    (folder / "compose.yaml").write_text("services: {}\n")
    facts = replace(facts, evidence=(folder / "compose.yaml",))
    written = write_evidence(facts, folder, "https://github.com/octo/fam")
    return replace(facts, evidence=tuple(sorted((*facts.evidence, *written))))


def image_facts(built_image: BuiltImage) -> ImageFacts:
    tags = ("1.2.0",) if built_image.name == "full" else (f"1.2.0-{built_image.name}",)
    place = "ghcr.io/octo/fam"
    return ImageFacts(
        name=built_image.name,
        description=f"The {built_image.name} one",
        digest=built_image.digest,
        config=built_image.config,
        size=built_image.size,
        layers=len(built_image.layers),
        tags=tags,
        references=tuple(f"{place}:{t}" for t in tags),
        pinned=(f"{place}@{built_image.digest}",),
        python="3.11",
        sbom=SBOM,
    )


def _file(path: Path, kind: Kind) -> FileFacts:
    path.parent.mkdir(parents=True, exist_ok=True)
    data = f"{kind} ".encode() * 5000
    path.write_bytes(data)
    digest = hashlib.sha256(data).hexdigest()
    return FileFacts(path, kind, "fam", "1.2.0", digest, len(data))
