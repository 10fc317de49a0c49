"""What an image in a registry has installed: read out of its layers, for apt to build upon."""

from __future__ import annotations

import json
import re
import tarfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from lapstrake import process
from lapstrake.errors import UserError
from lapstrake.skopeo import tls
from lapstrake.store.scratch import temporary_folder

STATUS = "var/lib/dpkg/status"
_RELEASES = ("usr/lib/os-release", "etc/os-release")


@dataclass(frozen=True)
class System:
    """A distribution's suite and the text of its dpkg status file."""

    suite: str
    status: str

    def with_packages(self, more: str, names: Iterable[str]) -> str:
        """The status with the packages `names` replaced by the paragraphs `more`."""
        gone = set(names)
        kept = [p for p in re.split(r"\n\n+", self.status.strip()) if _package(p) not in gone]
        return "\n\n".join([*kept, more.strip()]) + "\n"


def _package(paragraph: str) -> str:
    found = re.search(r"^Package: (\S+)", paragraph, re.MULTILINE)
    return found[1] if found else ""


def read_system(reference: str, digest: str, platform: str) -> System:
    """The suite and the packages of an image in a registry.

    Raises:
        UserError: it can't be pulled, or is no Debian or Ubuntu.
    """
    name = reference.partition("@")[0]
    name = re.sub(r":[^/:]*$", "", name)
    arch = platform.partition("/")[2]
    with temporary_folder("pull") as folder:
        target = Path(folder) / "image"
        args = ["skopeo", "copy", "--quiet", "--override-os", "linux", "--override-arch", arch]
        args += [*tls(reference, "--src-tls-verify"), f"docker://{name}@{digest}", f"dir:{target}"]
        process.run(args, failure=f"{reference} can't be pulled", hint="check the network")
        found = _newest(target, (STATUS, *_RELEASES))
    release = next((found[n] for n in _RELEASES if found.get(n)), "")
    suite = re.search(r'^VERSION_CODENAME="?([a-z]+)"?$', release, re.MULTILINE)
    if STATUS not in found or suite is None:
        raise UserError(
            f"{reference} has no Debian packages, so `apt` can't add any",
            "install what is needed with `run`, or begin from a suite",
        )
    return System(suite[1], found[STATUS])


def _newest(image: Path, paths: tuple[str, ...]) -> dict[str, str]:
    """The text of some files as the topmost layer that has them leaves them."""
    manifest = json.loads((image / "manifest.json").read_bytes())
    found: dict[str, str] = {}
    for layer in reversed(manifest["layers"]):
        missing = {p for p in paths if p not in found}
        if missing:
            found.update(_texts(image / layer["digest"].removeprefix("sha256:"), missing))
    return found


def _texts(layer: Path, wanted: set[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    try:
        with tarfile.open(layer, "r|*") as tar:
            for member in tar:
                name = member.name.removeprefix("./").lstrip("/")
                if name in wanted and member.isfile():
                    content = tar.extractfile(member)
                    text = content.read() if content else b""
                    found[name] = text.decode(errors="surrogateescape")
    except tarfile.TarError as error:
        raise UserError(
            f"a layer is compressed in a way that can't be read here: {error}",
            "begin from a suite, or from an image with gzip layers",
        ) from error
    return found
