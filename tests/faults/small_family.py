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
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from lapstrake import process
from lapstrake.layers.kinds import FileEntry, Files
from lapstrake.store.store import Store
from lapstrake_release.registry import Registry, Repository
from support.registry import serve_registry
from support.tiny import Answer, Request, serve, sha256, wheel
from support.tinyimages import built, image

_PROGRAMS = ("/bin/sh", "/usr/bin/env", "/bin/cat", "/bin/sleep")
_WHEELS = ("alpha", "beta", "gamma", "delta")
_WHEEL_BYTES = 1_500_000

_FILES = {
    "lapstrake.yaml": "name: small\nversion: 1.0.0\n",
    "images/base/image.yaml": """\
root: {{image: "{registry}/root:1", python: "3.11", os: debian12}}
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


def processes_with(word: str) -> list[str]:
    """The arguments of every process that has `word` among them or in its environment."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            args = (folder / "cmdline").read_bytes()
            env = (folder / "environ").read_bytes()
            if int(folder.name) != os.getpid() and word.encode() in args + env:
                found.append(args.replace(b"\0", b" ").decode(errors="replace"))
    return found


def wait_for(check: str, seconds: float = 20) -> list[str]:
    """What `processes_with` finds once it finds nothing, or after some time."""
    end = time.monotonic() + seconds
    while (found := processes_with(check)) and time.monotonic() < end:
        time.sleep(0.05)
    return found


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
    for number, name in enumerate(_WHEELS):
        body = random.Random(number).randbytes(_WHEEL_BYTES).hex().encode()  # noqa: S311
        wheel(wheels, name, "1.0", body=b"x = '" + body + b"'\n")
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
        path.write_text(text.format(registry=registry, mark=mark))
    return root


def push_root(folder: Path, registry: str) -> None:
    """Push `root:1`: this machine's own shell, with just the libraries that it needs."""
    store = Store(folder / "root-cache")
    layer = Files("root", tuple(sorted(_root_entries(_PROGRAMS), key=lambda e: e.path)))
    plan = image("root", "unused")
    plan = type(plan)(**{**plan.__dict__, "layers": (layer,)})
    found = built(folder / "root-dist", store, plan)
    target = Registry(Repository(registry, "root"))
    target.push(folder / "root-dist", found.images[0], "1")


def _root_entries(programs: Sequence[str]) -> Iterator[FileEntry]:
    libraries: set[str] = set()
    for program in programs:
        yield FileEntry.of(program, Path(program).read_bytes(), 0o755)
        libraries |= set(re.findall(r"(/lib\S+) \(0x", process.run(["ldd", program]).stdout))
    for library in sorted(libraries):
        yield FileEntry.of(library, Path(library).read_bytes(), 0o755)
    for name in ("/etc", "/tmp", "/srv"):
        yield FileEntry(name, 0o755, "dir")
