"""This repository with other images: so small that every job can build, test and release them."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from lapstrake.build import build
from lapstrake.definition.load import load
from lapstrake.engines.local.engine import LocalEngine
from lapstrake.lock.make import read_lock
from lapstrake.lock.model import LOCK_NAME
from lapstrake.plan.make import make_plan
from lapstrake.plan.model import Plan
from lapstrake.report.progress import JsonLines
from lapstrake.store.store import Store
from lapstrake_release.registry import Registry, Repository
from support.gitrepo import git, write_files

TOP = Path(__file__).resolve().parents[2]

# What `uses: ./` installs, and the workflows.
_OURS = (".github", ".gitignore", "LICENSE", "README.md", "action.yml", "build", "pyproject.toml")

# A PEP 517 backend of the project's own: nothing has to be fetched to build it.
_BACKEND = '''\
import base64, hashlib, io, pathlib, re, tarfile, zipfile

VERSION = re.search('version = "(.*)"', pathlib.Path("pyproject.toml").read_text())[1]
ABOUT = f"""\\
Metadata-Version: 2.1
Name: fam-core
Version: {VERSION}
Summary: tiny
Description-Content-Type: text/plain

Tiny.
"""


def build_wheel(folder, config_settings=None, metadata_directory=None):
    info = f"fam_core-{VERSION}.dist-info"
    files = {
        "fam_core.py": pathlib.Path("fam_core.py").read_text(),
        f"{info}/METADATA": ABOUT,
        f"{info}/WHEEL": "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n",
    }
    record = f"{info}/RECORD,,\\n"
    for name, text in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).decode()
        record = f"{name},sha256={digest.rstrip('=')},{len(text.encode())}\\n{record}"
    name = f"fam_core-{VERSION}-py3-none-any.whl"
    with zipfile.ZipFile(pathlib.Path(folder, name), "w") as wheel:
        for path, text in {**files, f"{info}/RECORD": record}.items():
            wheel.writestr(zipfile.ZipInfo(path, (2024, 1, 1, 0, 0, 0)), text)
    return name


def build_sdist(folder, config_settings=None):
    name = f"fam_core-{VERSION}"
    with tarfile.open(pathlib.Path(folder, f"{name}.tar.gz"), "w:gz") as tar:
        for path in ("pyproject.toml", "backend.py", "fam_core.py"):
            tar.add(path, f"{name}/{path}")
        about = tarfile.TarInfo(f"{name}/PKG-INFO")
        about.size = len(ABOUT)
        tar.addfile(about, io.BytesIO(ABOUT.encode()))
    return f"{name}.tar.gz"
'''

_FILES = {
    "lapstrake.yaml": """\
name: fam
version: 1.2.0.dev0
release:
  python: {{core: //core}}
{release}""",
    "images/base/image.yaml": """\
root: {{image: "{root}", os: debian12}}
files: [{{from: hello, to: /srv/hello}}]
""",
    "images/base/hello": "hello\n",
    "images/slim/image.yaml": "extends: base\nfiles: [{{from: more, to: /srv/more}}]\n",
    "images/slim/more": "more\n",
    "core/pyproject.toml": """\
[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]

[project]
name = "fam-core"
version = "0.0.0"
""",
    "core/fam_core.py": "X = 1\n",
}


def make_repository(folder: Path, registry: str, release: str, env: Mapping[str, str]) -> Path:
    """A locked repository on `main`, whose images begin with one that `registry` is given.

    Args:
        folder: an empty one; the repository is in `origin` below it.
        registry: HOST:PORT, without a login.
        release: indented lines, more of `release:` in lapstrake.yaml.
        env: for the lock.
    """
    push_root(folder, registry)
    root = folder / "origin"
    _copy_own(root)
    about = {"root": f"{registry}/root:1", "release": release}
    files = {name: text.format_map(about) for name, text in _FILES.items()}
    write_files(root, {**files, "core/backend.py": _BACKEND})
    said = subprocess.run(
        [sys.executable, "-m", "lapstrake", "-C", str(root), "lock"],
        env={**env, "HOME": str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert said.returncode == 0, said.stderr
    git(root, "init", "-q", "-b", "main")
    change(root, "begin", {})
    return root


def change(root: Path, message: str, files: Mapping[str, str]) -> str:
    """Commit changes; the commit."""
    write_files(root, dict(files))
    git(root, "add", "-A")
    git(root, "commit", "-q", "-m", message)
    return git(root, "rev-parse", "HEAD").strip()


def _copy_own(root: Path) -> None:
    """This repository's own files as they are now, so far as they are needed."""
    names = git(
        TOP, "ls-files", "-z", "-c", "-o", "--exclude-standard", "--", *_OURS, "release"
    ).split("\0")
    for name in (n for n in names if (TOP / n).is_file()):
        target = root / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes((TOP / name).read_bytes())


def push_root(folder: Path, registry: str) -> None:
    """Push what the images begin with, as `root:1`: this family's base, all but what is made anew.

    It comes out of the cache of whoever runs the tests, where it is built once.
    """
    repo = load(TOP)
    alone = replace(repo, images={"base": repo.images["base"]})
    base = make_plan(alone, read_lock(TOP / LOCK_NAME)).image("base")
    plan = Plan("root", "1", repo.family.platform, 1_700_000_000, (base,))
    with JsonLines() as progress:
        found = build(plan, LocalEngine(), Store(), folder / "root-dist", progress, 1)
    Registry(Repository(registry, "root")).push(folder / "root-dist", found.images[0], "1")
