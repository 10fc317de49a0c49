"""A small family with all kinds of layers, its registry and its index; and whole builds of it."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import random
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from small_root import push_root, python_of_this_machine

from support.registry import serve_registry
from support.tiny import Answer, Request, serve, sha256, wheel

_WHEELS = ("alpha", "beta", "gamma", "delta")
_WHEEL_BYTES = 1_500_000

# Modules that each wheel has a copy of: classes, annotations, sets and long functions among them.
_MODULES = ("argparse.py", "enum.py", "json/decoder.py", "keyword.py", "tokenize.py")

# Sets of strings are what a compiler may order by their hashes.
_MODULE = b"""\
def known(word: str) -> bool:
    return word in {"alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta"}
"""

_FILES = {
    "lapstrake.yaml": "name: small\nversion: 1.0.0\n",
    "images/base/image.yaml": """\
root: {{image: "{registry}/root:1", python: "{python}", os: debian12}}
files: [{{from: hello, to: /srv/hello}}]
run: ["echo made > /made; : {mark}; sleep 0.2"]
env: {{LANG: C.UTF-8}}
""",
    "images/base/hello": "hello\n",
    "images/slim/image.yaml": "extends: base\npython: {{requirements: [alpha]}}\n",
    "images/full/image.yaml": "extends: slim\nruntimes: all\n",
    "runtimes/one/runtime.yaml": "python: {{requirements: [beta, gamma]}}\n",
    "runtimes/two/runtime.yaml": """\
python: {{requirements: [gamma, delta]}}
copy: [{{from: base, paths: [{{from: /made, to: /taken}}]}}]
""",
}


@dataclass
class Family:
    """Where the family's parts are served, and what a build of it is told.

    Attributes:
        root: the repository, locked.
        wheels: the folder of the index's wheels.
        env: the whole environment for commands, without a cache.
        mark: a word that stands in the arguments of every program that its builds run for long.
    """

    root: Path
    wheels: Path
    env: dict[str, str]
    mark: str
    digests: dict[str, str] = field(default_factory=dict)

    def command(self, cache: Path, out: Path, *more: str) -> tuple[list[str], dict[str, str]]:
        """The words and the environment of a build."""
        words = [sys.executable, "-m", "lapstrake", "-C", str(self.root), "build"]
        temporary = cache.parent / f"{cache.name}-tmp"
        temporary.mkdir(parents=True, exist_ok=True)
        env = self.env | {"LAPSTRAKE_CACHE": str(cache), "TMPDIR": str(temporary)}
        return [*words, "--out", str(out), "--progress", "json", *more], env

    def build(
        self, cache: Path, out: Path, *more: str, env: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a build to its end."""
        words, own = self.command(cache, out, *more)
        return subprocess.run(
            words,
            env={**own, **(env or {})},
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )


def digests(out: Path) -> dict[str, str]:
    """Each image's digest, as dist/ says."""
    said = json.loads((out / "build.json").read_bytes())
    return {i["name"]: i["digest"] for i in said["images"]}


def built_layers(said: str) -> list[str]:
    """The layers that a build's progress tells as built, by id."""
    events = [json.loads(line) for line in said.splitlines() if line.startswith("{")]
    ended = [e["key"] for e in events if e["event"] == "done"]
    return [key for key in ended if re.fullmatch("[0-9a-f]{64}", key)]


def check_clean(cache: Path, out: Path) -> None:
    """Nothing temporary is left, and every blob is what its name says."""
    left = [p for p in cache.rglob(".*") if "trees" not in p.parts and p.name != ".wh..wh..opq"]
    assert left == []
    assert list((cache / "tmp").iterdir()) == []
    assert list((cache.parent / f"{cache.name}-tmp").iterdir()) == []
    assert [p for p in out.rglob(".*") if p.is_file()] == []
    for folder in (cache / "blobs/sha256", out / "blobs/sha256"):
        for blob in folder.iterdir():
            assert sha256(blob) == blob.name


def simple_index(folder: Path) -> Answer:
    """Answers as a package index (PEP 503) with the files of a folder."""

    def answer(request: Request) -> None:
        path = request.path.partition("?")[0]
        if path.startswith("/simple/"):
            name = path.strip("/").rpartition("/")[2]
            links = "".join(
                f'<a href="/files/{p.name}#sha256={sha256(p)}">{p.name}</a>'
                for p in sorted(folder.glob(f"{name}-*.whl"))
            )
            html = f"<!DOCTYPE html><html><body>{links}</body></html>".encode()
            request.reply(200, html, headers={"Content-Type": "text/html"})
            return
        content = (folder / path.rpartition("/")[2]).read_bytes()
        start = request.first_byte()
        request.reply(206 if start else 200, content[start:])

    return answer


def clean_environment(folder: Path) -> dict[str, str]:
    """An environment with none of this machine's indexes, and its own home."""
    left_out = ("PIP_", "UV_", "LAPSTRAKE_", "XDG_", "SOURCE_DATE")
    env = {
        k: v
        for k, v in os.environ.items()
        if not k.startswith(left_out) and not k.lower().endswith("_proxy")
    }
    home = folder / "home"
    home.mkdir(parents=True, exist_ok=True)
    return env | {
        "HOME": str(home),
        "PIP_CONFIG_FILE": os.devnull,
        "UV_CACHE_DIR": str(home / "uv"),
        "UV_HTTP_RETRIES": "0",
    }


@contextlib.contextmanager
def serve_family(folder: Path) -> Iterator[Family]:
    """The family, its registry and its index, as long as the context lasts."""
    wheels = folder / "wheels"
    modules = {name: (python_of_this_machine()[1] / name).read_bytes() for name in _MODULES}
    for number, name in enumerate(_WHEELS):
        data = random.Random(number).randbytes(_WHEEL_BYTES).hex().encode()  # noqa: S311
        files = {f"{name}/{n}": content for n, content in modules.items()}
        wheel(wheels, name, "1.0", body=_MODULE, more={**files, f"{name}/data": data})
    with serve_registry(folder / "registry") as registry, serve(simple_index(wheels)) as index:
        push_root(folder, registry)
        mark = f"mark-{hashlib.sha256(str(folder).encode()).hexdigest()[:16]}"
        root = write_repository(folder / "repo", registry, mark)
        env = clean_environment(folder)
        env |= {"PIP_INDEX_URL": f"{index.url}/simple/", "LAPSTRAKE_TEST_MARK": mark}
        family = Family(root, wheels, env, mark)
        said = subprocess.run(
            [sys.executable, "-m", "lapstrake", "-C", str(root), "lock"],
            env=env | {"LAPSTRAKE_CACHE": str(folder / "lock-cache")},
            capture_output=True,
            text=True,
            check=False,
        )
        assert said.returncode == 0, said.stderr
        yield family


def write_repository(root: Path, registry: str, mark: str) -> Path:
    """The family's definition."""
    for name, text in _FILES.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(
            text.format(registry=registry, mark=mark, python=python_of_this_machine()[0])
        )
    return root
