"""The example that takes Ollama and a web UI out of their images: with stand-ins for the two."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from lapstrake import process
from lapstrake.dist import read_build
from lapstrake.layers.files_layer import write_files
from lapstrake.layers.kinds import FileEntry, Files
from lapstrake.smoke.report import read_report
from support.registry import serve_registry

pytestmark = [
    pytest.mark.root,
    pytest.mark.docker,
    pytest.mark.network,
    pytest.mark.slow,
    pytest.mark.timeout(1800),
    pytest.mark.xdist_group("e2e"),
]

SERVER = """\
import http.server, os, sys, urllib.request

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        code = answer(self.path)
        self.send_response(code)
        self.end_headers()

def serve(port):
    http.server.ThreadingHTTPServer(("", int(port)), Handler).serve_forever()
"""

OLLAMA = f"""\
#!/usr/bin/python3
{SERVER}
def answer(path):
    return 200

if sys.argv[1:] == ["--version"]:
    print("ollama version is 0.3.11")
else:
    serve(os.environ["OLLAMA_HOST"].rpartition(":")[2])
"""

# ready where Ollama is: so each finds the other
UVICORN = f"""\
{SERVER}
def answer(path):
    ollama = urllib.request.urlopen(os.environ["OLLAMA_BASE_URL"])
    return ollama.status if path == "/health" else 404

serve(sys.argv[sys.argv.index("--port") + 1])
"""

PYTHON = """\
#!/usr/bin/python3
import os, sys
os.execv("/usr/bin/python3", ["python3", *sys.argv[1:]])
"""

STAND_INS = {
    "docker.io/ollama/ollama:0.3.11": {
        "/bin/ollama": OLLAMA,
        "/usr/lib/ollama/libcudart.so.12": "what CUDA's own would be beside",
    },
    "ghcr.io/open-webui/open-webui:v0.3.32": {
        "/app/backend/uvicorn/__init__.py": "",
        "/app/backend/uvicorn/__main__.py": UVICORN,
        "/usr/local/bin/python3.11": PYTHON,
        "/usr/local/lib/libpython3.11.so.1.0": "a library",
        "/usr/local/lib/python3.11/os.py": "",
    },
}


def push(folder: Path, reference: str, files: Mapping[str, str]) -> None:
    """Push an image with these files, all of them executable."""
    blobs = folder / "blobs/sha256"
    blobs.mkdir(parents=True)

    def keep(data: bytes, kind: str) -> dict[str, object]:
        digest = hashlib.sha256(data).hexdigest()
        (blobs / digest).write_bytes(data)
        media = f"application/vnd.oci.image.{kind}"
        return {"mediaType": media, "digest": f"sha256:{digest}", "size": len(data)}

    entries = (FileEntry.of(path, text.encode(), 0o755) for path, text in files.items())
    blob = write_files(Files("stand-in", tuple(entries)), folder / "layer")
    layer = keep((folder / "layer").read_bytes(), "layer.v1.tar+gzip")
    rootfs = {"type": "layers", "diff_ids": [blob.diff_id]}
    config = {"architecture": "amd64", "os": "linux", "config": {}, "rootfs": rootfs}
    manifest = {
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": keep(json.dumps(config).encode(), "config.v1+json"),
        "layers": [layer],
    }
    entry = keep(json.dumps(manifest).encode(), "manifest.v1+json")
    (folder / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [entry]}))
    (folder / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
    command = ["skopeo", "copy", "--quiet", "--dest-tls-verify=false"]
    process.run([*command, f"oci:{folder}", f"docker://{reference}"])


@pytest.fixture
def example(top: Path, tmp_path: Path) -> Iterator[Path]:
    """The example, with images on loopback, and with as little of CUDA as there is."""
    root = tmp_path / "example"
    shutil.copytree(top / "examples/ollama-webui", root)
    file = root / "images/ollama-webui/image.yaml"
    with serve_registry(tmp_path / "registry") as address:
        for number, (reference, files) in enumerate(STAND_INS.items()):
            here = f"{address}/{reference.partition('/')[2]}"
            push(tmp_path / f"stand-in-{number}", here, files)
            text = file.read_text()
            assert text.count(reference) == 1
            file.write_text(text.replace(reference, here))
        cuda = root / "images/cuda/image.yaml"
        text = cuda.read_text()
        assert "flavour: runtime" in text
        cuda.write_text(text.replace("flavour: runtime", "flavour: base"))
        yield root


def run(root: Path, *args: str) -> str:
    command = [sys.executable, "-m", "lapstrake", *args]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_it_is_locked_built_and_every_check_passes(example: Path) -> None:
    run(example, "lock")
    run(example, "build", "ollama-webui")
    image = read_build(example / "dist").image("ollama-webui")
    kinds = [layer.kind for layer in image.layers]
    assert kinds.count("copy") == 2
    assert image.ports == (8080, 11434)
    assert image.tags[1].startswith("ollama0.3.11-python3.11-cuda12.4.1-base-debian12")
    run(example, "smoke", "ollama-webui", "--quiet", "--remove")
    report = read_report(example / "dist")
    assert report is not None
    assert report.images[0].failed == ()
    passed = {c.name for c in report.images[0].checks if c.verdict == "passed"}
    assert {"services-answer", "ports", "cuda-once", "tag-is-true", "runs-as-any-user"} <= passed
