from __future__ import annotations

import base64
import contextlib
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from lapstrake import process
from lapstrake.errors import UserError
from lapstrake.fetch.wheels import fetch_wheels
from lapstrake.lock.model import Wheel
from lapstrake.store.store import Store
from support.tiny import Answer, Request, Served, serve, serving, sha256, wheel
from support.tls import authority, server_side


def locked(path: Path) -> Wheel:
    name, version, *_ = path.name.split("-")
    size = path.stat().st_size
    return Wheel(name=name, version=version, filename=path.name, sha256=sha256(path), size=size)


def fetch(wheels: list[Wheel], store: Store) -> tuple[dict[str, Path], Counter[str]]:
    ticked: Counter[str] = Counter()

    def tick(name: str, count: int) -> None:
        ticked[name] += count

    return fetch_wheels(wheels, store, "3.11", "2.36", "linux/amd64", tick), ticked


def test_from_a_folder_and_then_from_the_cache(store: Store, links: Path) -> None:
    wheels = [locked(wheel(links, "aa", "1.0")), locked(wheel(links, "bb", "2.0", body=b"x" * 99))]
    wheel(links, "aa", "2.0")
    paths, ticked = fetch(wheels, store)
    assert {n: sha256(p) for n, p in paths.items()} == {w.name: w.sha256 for w in wheels}
    assert paths["aa"] == store.wheel(wheels[0].sha256, "aa-1.0-py3-none-any.whl")
    assert ticked == {w.name: w.size for w in wheels}
    for file in links.iterdir():
        file.unlink()
    assert fetch(wheels, store) == (paths, Counter())


def test_another_file_under_the_name_is_refused(store: Store, links: Path) -> None:
    mine = locked(wheel(links, "aa", "1.0"))
    wheel(links, "aa", "1.0", body=b"changed")
    with pytest.raises(UserError, match=r"aa-1\.0-py3-none-any\.whl is not the file that the lock"):
        fetch([mine], store)
    assert not store.wheel(mine.sha256, mine.filename).exists()


def test_a_version_that_the_index_lacks(store: Store, links: Path) -> None:
    mine = locked(wheel(links, "aa", "1.0")).model_copy(update={"version": "1.5"})
    with pytest.raises(UserError, match="the configured package indexes lack") as caught:
        fetch([mine], store)
    assert "lapstrake lock --upgrade" in caught.value.hint


def test_a_prerelease_that_was_locked_is_found(
    store: Store, links: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UV_PRERELEASE", "disallow")
    mine = locked(wheel(links, "aa", "1.0rc1"))
    assert fetch([mine], store)[0]["aa"].exists()


@contextlib.contextmanager
def index(folder: Path, *options: str) -> Iterator[int]:
    """pypiserver on a free port; waits until it answers."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port = sock.getsockname()[1]
    args = [sys.executable, "-m", "pypiserver", "run", "-p", str(port), "-i", "127.0.0.1"]
    with process.spawn([*args, *options, str(folder)], stderr=subprocess.DEVNULL) as child:
        for _ in range(100):
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except ConnectionRefusedError:
                time.sleep(0.05)
        yield port
        child.terminate()


def test_from_a_real_index(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mine = locked(wheel(tmp_path / "packages", "aa", "1.0"))
    with index(tmp_path / "packages") as port:
        monkeypatch.setenv("PIP_INDEX_URL", f"http://127.0.0.1:{port}/simple/")
        paths, _ = fetch([mine], store)
    assert sha256(paths["aa"]) == mine.sha256


@pytest.mark.parametrize("in_netrc", [False, True])
def test_an_index_that_wants_a_password(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, in_netrc: bool
) -> None:
    mine = locked(wheel(tmp_path / "packages", "aa", "1.0"))
    wanted = f"Basic {base64.b64encode(b'me:p@ss').decode()}"

    def answer(request: Request) -> None:
        if request.headers.get("Authorization") == wanted:
            simple(tmp_path / "packages")(request)
        else:
            request.reply(401, headers={"WWW-Authenticate": 'Basic realm="x"'})

    with serve(answer) as server:
        monkeypatch.setenv("PIP_INDEX_URL", f"{server.url}/simple/")
        with pytest.raises(UserError, match="index refuses"):
            fetch([mine], store)
        if in_netrc:
            netrc = tmp_path / "netrc"
            netrc.write_text("machine 127.0.0.1 login me password p@ss\n")
            netrc.chmod(0o600)
            monkeypatch.setenv("NETRC", str(netrc))
        else:
            monkeypatch.setenv("PIP_INDEX_URL", f"http://me:p%40ss@127.0.0.1:{server.port}/simple")
        assert fetch([mine], store)[0]["aa"].exists()


def page(*links: str) -> bytes:
    return f"<!DOCTYPE html><html><body>{''.join(links)}</body></html>".encode()


def test_an_index_that_serves_another_file_than_it_names(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = locked(wheel(tmp_path / "files", "aa", "1.0"))
    other = wheel(tmp_path / "other", "aa", "1.0", body=b"evil")
    link = f'<a href="/{mine.filename}#sha256={mine.sha256}">{mine.filename}</a>'

    def answer(request: Request) -> None:
        if request.path.startswith("/simple/"):
            request.reply(200, page(link), headers={"Content-Type": "text/html"})
        else:
            request.reply(200, other.read_bytes())

    with serve(answer) as server:
        monkeypatch.setenv("UV_DEFAULT_INDEX", f"{server.url}/simple/")
        with pytest.raises(UserError, match="aa is not the file that the lock names"):
            fetch([mine], store)
    assert not store.wheel(mine.sha256, mine.filename).exists()


def test_an_index_without_hashes_is_believed_only_after_the_download(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = locked(wheel(tmp_path, "aa", "1.0"))
    link = f'<a href="/{mine.filename}">{mine.filename}</a>'

    def answer(request: Request) -> None:
        if request.path.startswith("/simple/"):
            request.reply(200, page(link), headers={"Content-Type": "text/html"})
        else:
            serving(tmp_path)(request)

    with serve(answer) as server:
        monkeypatch.setenv("UV_DEFAULT_INDEX", f"{server.url}/simple/")
        assert fetch([mine], store)[0]["aa"].exists()


def test_no_network_is_one_line(store: Store, links: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mine = locked(wheel(links, "aa", "1.0"))
    monkeypatch.delenv("PIP_NO_INDEX")
    monkeypatch.delenv("PIP_FIND_LINKS")
    with serve(lambda request: request.reply(404)) as server:
        gone = server.url
    monkeypatch.setenv("UV_DEFAULT_INDEX", f"{gone}/simple")
    with pytest.raises(UserError, match="the package index can't be reached: ") as caught:
        fetch([mine], store)
    assert "\n" not in caught.value.message


def simple(folder: Path) -> Answer:
    """Answers as a simple index (PEP 503) of a folder's wheels."""

    def answer(request: Request) -> None:
        if not request.path.startswith("/simple/"):
            serving(folder)(request)
            return
        links = (
            f'<a href="/{p.name}#sha256={sha256(p)}">{p.name}</a>' for p in folder.glob("*.whl")
        )
        request.reply(200, page(*links), headers={"Content-Type": "text/html"})

    return answer


@contextlib.contextmanager
def tls(folder: Path, certificate: Path, key: Path) -> Iterator[Served]:
    """A simple index of a folder behind a certificate of its own."""
    with serve(simple(folder), server_side(certificate, key)) as server:
        yield server


def test_the_certificate_that_pip_was_told(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = locked(wheel(tmp_path / "files", "aa", "1.0"))
    ca, certificate, key = authority(tmp_path)
    for name in ("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
    with tls(tmp_path / "files", certificate, key) as server:
        monkeypatch.setenv("PIP_INDEX_URL", f"{server.url}/simple/")
        with pytest.raises(UserError, match="can't be reached"):
            fetch([mine], store)
        monkeypatch.setenv("PIP_CERT", str(ca))
        assert fetch([mine], store)[0]["aa"].exists()


def test_a_host_that_pip_trusts_without_a_certificate(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = locked(wheel(tmp_path / "files", "aa", "1.0"))
    _, certificate, key = authority(tmp_path)
    with tls(tmp_path / "files", certificate, key) as server:
        monkeypatch.setenv("PIP_INDEX_URL", f"{server.url}/simple/")
        monkeypatch.setenv("PIP_TRUSTED_HOST", f"127.0.0.1:{server.port}")
        assert fetch([mine], store)[0]["aa"].exists()
