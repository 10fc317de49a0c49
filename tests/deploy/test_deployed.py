"""What `deploy` writes for Docker and Compose is run; data are fetched into the volume first."""

from __future__ import annotations

import contextlib
import hashlib
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest
from image_maker import Maker, service

from lapstrake import process
from lapstrake.definition.deploying import DataSpec
from lapstrake.definition.load import load
from lapstrake.deploy.formats import FORMATS
from lapstrake.deploy.model import Deployable
from lapstrake.dist import Deploying, read_build
from lapstrake.guest.system import DATA_JSON, FETCH, SystemSpec, system_entries
from lapstrake.lock.file import read_lock
from lapstrake.lock.model import LOCK_NAME
from lapstrake.plan.make import make_plan
from lapstrake.smoke.engine import bridge_address, open_docker
from support.registry import free_port, serve_registry

pytestmark = [pytest.mark.docker, pytest.mark.slow, pytest.mark.root]

CONTENT = bytes(range(256)) * 4000
CUT = 300_000


@contextlib.contextmanager
def cutting_server() -> Iterator[str]:
    """HOST:PORT that containers reach; each connection is cut after some bytes."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked = self.headers.get("Range", "bytes=0-")
            start = int(asked.removeprefix("bytes=").rstrip("-"))
            self.send_response(206 if start else 200)
            if start:
                last = len(CONTENT) - 1
                self.send_header("Content-Range", f"bytes {start}-{last}/{len(CONTENT)}")
            self.send_header("Content-Length", str(len(CONTENT) - start))
            self.end_headers()
            self.wfile.write(CONTENT[start : start + CUT])

        def log_message(self, *args: object) -> None:
            pass

    client = open_docker()
    (bridge,) = client.networks.list(names=["bridge"])
    gateway = bridge_address(bridge.attrs["IPAM"]["Config"][0])
    client.close()
    server = ThreadingHTTPServer((gateway, 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield f"{gateway}:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@dataclass
class Deployed:
    """An image in a registry, whose one service serves a volume's files."""

    image: Deployable
    port: int

    def get(self) -> bytes:
        """The data file, as soon as the service has it."""
        end = time.monotonic() + 90
        while True:
            with contextlib.suppress(httpx.TransportError):
                url = f"http://127.0.0.1:{self.port}/model.bin"
                answer = httpx.get(url, timeout=10, trust_env=False)
                if answer.status_code == 200:
                    return answer.content
            assert time.monotonic() < end
            time.sleep(0.1)


@pytest.fixture
def deployed(top: Path, tmp_path: Path) -> Iterator[Deployed]:
    repo = load(top)
    maker = Maker(
        make_plan(repo, read_lock(repo.root / LOCK_NAME), ["base"]).image("base"), tmp_path
    )
    port = free_port()
    web = service(
        command=["python3", "-m", "http.server", str(port), "--directory", "/data"],
        directory="/tmp",
        ports=[port],
        health={"port": port},
    )
    with cutting_server() as host, serve_registry(tmp_path / "registry") as registry:
        sha256 = hashlib.sha256(CONTENT).hexdigest()
        data = (DataSpec(url=f"http://{host}/model.bin", sha256=sha256, path="/data/model.bin"),)
        ours = (FETCH, DATA_JSON)
        system = system_entries(SystemSpec((), b"", data))
        image = maker.image([web], [e for e in system if e.path in ours])
        image = replace(
            image,
            config=replace(image.config, volumes=("/data",)),
            deploying=Deploying(volumes=("/data",), data=data),
        )
        dist = maker.dist(image)
        build = read_build(dist)
        where = f"{registry}/team/{build.family}"
        process.run(
            ["skopeo", "copy", "--dest-tls-verify=false", f"oci:{dist}:base", f"docker://{where}:1"]
        )
        found = Deployable.of_build(build, build.images[0], where)
        try:
            yield Deployed(found, port)
        finally:
            remove(found)


def remove(image: Deployable) -> None:
    """What the files made in the engine: containers, volumes, networks, the image."""
    client = open_docker()
    ours = image.family
    for container in client.containers.list(all=True, ignore_removed=True):
        if ours in container.name or ours in str(container.attrs["Config"]["Image"]):
            container.remove(force=True, v=True)
    for kind in (client.volumes, client.networks):
        for thing in kind.list():
            if ours in thing.name:
                thing.remove()
    for found in client.api.images():  # `images.list` asks for each, which may be gone by then
        if any(ours in name for name in found["RepoDigests"] or ()):
            client.images.remove(found["Id"], force=True)
    client.close()


def test_the_lines_for_docker(deployed: Deployed) -> None:
    fetch, run = FORMATS["docker"]([deployed.image]).splitlines()
    assert deployed.image.digest in run
    said = process.run(["sh", "-ec", fetch])
    assert "/data/model.bin fetched: 1.0 MB" in said.stderr
    process.run(["sh", "-ec", run])
    assert deployed.get() == CONTENT
    # what is there is left alone
    assert process.run(["sh", "-ec", fetch]).stderr.rstrip().endswith("/data/model.bin is there")


def compose_command() -> list[str]:
    """Docker's own Compose where it has one; else Debian's."""
    has_own = process.run(["docker", "compose", "version"], check=False).code == 0
    return ["docker", "compose"] if has_own else ["docker-compose"]


def test_the_compose_file(deployed: Deployed, tmp_path: Path) -> None:
    path = tmp_path / "compose.yaml"
    path.write_text(FORMATS["compose"]([deployed.image]))
    project = [*compose_command(), "-p", deployed.image.family, "-f", path]
    process.run([*project, "up", "-d"])
    try:
        assert deployed.get() == CONTENT
        client = open_docker()
        (web,) = (
            c
            for c in client.containers.list(ignore_removed=True)
            if deployed.image.family in c.name
        )
        end = time.monotonic() + 90
        while web.attrs["State"]["Health"]["Status"] != "healthy":
            assert time.monotonic() < end, web.attrs["State"]["Health"]
            time.sleep(0.2)
            web.reload()
        client.close()
    finally:
        process.run([*project, "down", "--volumes"])
