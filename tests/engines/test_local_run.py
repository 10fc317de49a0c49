from __future__ import annotations

import http.server
import os
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from as_user import User
from debian_root import Debian

from lapstrake.engines.local.run import run_layer
from lapstrake.errors import UserError
from lapstrake.layers.estargz import Entry, LayerWriter
from lapstrake.layers.files_layer import write_files
from lapstrake.layers.kinds import FileEntry, Files, Run
from lapstrake.layers.tarread import layer_members
from lapstrake.store.records import Blob
from lapstrake.store.store import Store

pytestmark = [pytest.mark.root, pytest.mark.network, pytest.mark.slow]

_CHANGES = r"""
rm /etc/issue
rm -r /usr/share/base-files; mkdir /usr/share/base-files; echo new > /usr/share/base-files/new
mkdir -p /srv/a; cd /srv/a
echo x > file; chown 1234:5678 file; chmod 6755 file; ln file second
mkfifo pipe; ln -s ../nowhere link; mkdir sticky; chmod 1777 sticky
long=$(printf 'n%.0s' $(seq 200)); echo long > $long
python3 -c 'import os; os.setxattr("file", "user.note", b"\0\xff")'
python3 -m compileall -q /srv 2>/dev/null; echo 'x = {"a", "b"}' > m.py; python3 -c 'import m'
echo gone > /tmp/gone; echo gone > /run/gone; echo gone > /dev/shm/gone
sleep 300 &
"""


def _run(
    debian: Debian,
    *scripts: str,
    env: dict[str, str] | None = None,
    packages: bool = False,
    above: Sequence[Blob] = (),
) -> dict[str, Entry]:
    layer = _layer(debian, scripts, env or {}, packages=packages)
    below = [debian.blob, *above]
    (blob,) = run_layer(layer, below, debian.more_files, debian.store, lambda _: None)
    return _entries(debian.store.blob(blob.digest))


def _layer(
    debian: Debian, scripts: Sequence[str], env: dict[str, str], *, packages: bool = False
) -> Run:
    debs = debian.more if packages else ()
    return Run("run", (), debs, tuple(scripts), tuple(env.items()), debian.layer.epoch)


def _entries(blob: Path) -> dict[str, Entry]:
    return {member.entry.name: member.entry for member in layer_members(blob)}


def _content(debian: Debian, script: str, env: dict[str, str] | None = None) -> str:
    """What a script writes to /srv/out."""
    layer = _layer(debian, [script], env or {})
    (blob,) = run_layer(layer, [debian.blob], {}, debian.store, lambda _: None)
    for member in layer_members(debian.store.blob(blob.digest)):
        if member.entry.name == "srv/out" and member.content is not None:
            return member.content.read().decode()
    raise AssertionError("nothing was written")


def test_what_commands_change_is_the_layer(debian: Debian) -> None:
    found = _run(debian, _CHANGES)
    assert "etc/.wh.issue" in found
    assert "usr/share/base-files/.wh..wh..opq" in found
    assert "srv/a/.wh..wh..opq" not in found
    file = found["srv/a/file"]
    assert (file.mode, file.uid, file.gid) == (0o6755, 1234, 5678)
    assert file.xattrs == {"user.note": b"\x00\xff"}
    second = found["srv/a/second"]
    assert (second.type, second.target) == ("hardlink", "srv/a/file")
    assert found["srv/a/pipe"].type == "fifo"
    assert found["srv/a/link"].target == "../nowhere"
    assert found["srv/a/sticky"].mode == 0o1777
    assert f"srv/a/{'n' * 200}" in found
    assert max(entry.mtime for entry in found.values()) == debian.layer.epoch
    tops = {name.partition("/")[0] for name in found}
    assert tops == {"etc", "srv", "usr"}


def test_the_same_commands_make_the_same_bytes_also_without_root(
    debian: Debian, user: User, store: Store
) -> None:
    layer = _layer(debian, [_CHANGES], {}, packages=True)
    source = debian.store.blob(debian.blob.digest)
    store.blob(debian.blob.digest).write_bytes(source.read_bytes())
    (blob,) = run_layer(layer, [debian.blob], debian.more_files, store, lambda _: None)
    assert list((store.root / "tmp").iterdir()) == []
    copies = {}
    for name, path in [*debian.more_files.items(), ("root", source)]:
        copies[name] = user.folder / name
        copies[name].write_bytes(path.read_bytes())
    args = (user.folder / "cache", layer, copies.pop("root"), debian.blob, copies)
    assert user.call("rootless_calls:build_run", *args) == (blob, [])


def test_packages_are_installed_without_a_trace_of_how(debian: Debian) -> None:
    found = _run(debian, "file /bin/dash | grep -q ELF", packages=True)
    assert "usr/bin/file" in found
    assert found["var/lib/dpkg/status"].type == "file"
    files = [name for name, entry in found.items() if entry.type != "dir"]
    traces = ("var/log/", "var/cache/apt/", "var/lib/apt/lists/", "usr/sbin/policy-rc.d", "run/")
    assert [name for name in files if name.startswith(traces) or name.endswith("-old")] == []


def test_a_failing_command_is_named_with_its_last_words(debian: Debian) -> None:
    with pytest.raises(UserError) as raised:
        _run(debian, "echo first", "\n  echo out; echo err >&2\n  (exit 7)\n  echo never")
    assert raised.value.message == "a command failed: echo out; echo err >&2 (exit 7)"
    assert raised.value.details == ("out", "err")


def test_commands_see_their_environment_and_no_more_of_this_machine(
    debian: Debian, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET", "s3cret")
    monkeypatch.setenv("PIP_TARGET", "/elsewhere")
    text = _content(debian, "mkdir -p /srv; env > /srv/out; hostname >> /srv/out", {"A": "b c"})
    lines = text.splitlines()
    assert "A=b c" in lines
    assert "HOME=/root" in lines
    assert f"SOURCE_DATE_EPOCH={debian.layer.epoch}" in lines
    assert lines[-1] == "build"
    assert "SECRET" not in text
    assert "PIP_TARGET" not in text


@pytest.fixture
def index() -> Iterator[str]:
    """A server on loopback that answers everything with its own text."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"from the index")

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/simple"
        server.shutdown()


def test_the_networks_settings_hold_inside_and_leave_nothing(
    debian: Debian, index: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate = tmp_path / "company.pem"
    certificate.write_text("a certificate\n")
    links = tmp_path / "wheels"
    links.mkdir()
    (links / "some.whl").touch()
    settings = tmp_path / "pip.conf"
    settings.write_text(f"[global]\nindex-url = {index}\nfind-links = {links}\n")
    for name in ("PIP_INDEX_URL", "PIP_FIND_LINKS", "http_proxy", "HTTP_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    monkeypatch.setenv("PIP_CONFIG_FILE", str(settings))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    script = """
        mkdir -p /srv
        cat $SSL_CERT_FILE > /srv/out
        ls $PIP_FIND_LINKS >> /srv/out
        python3 - >> /srv/out <<'END'
import os, urllib.request
print(urllib.request.urlopen(os.environ["PIP_INDEX_URL"]).read().decode())
END
        echo changed > /etc/resolv.conf
    """
    assert _content(debian, script) == "a certificate\nsome.whl\nfrom the index\n"
    found = _run(debian, script)
    assert {name for name in found if name != "etc"} == {"srv", "srv/out"}
    assert Path("/etc/resolv.conf").read_text() != "changed\n"


def test_more_layers_below_than_a_page_of_options_holds(debian: Debian) -> None:
    layers = []
    with debian.store.scratch("layers") as work:
        for number in range(60):
            files = Files("f", (FileEntry.of(f"/srv/{number:02}", b"x"),))
            blob = write_files(files, work / "blob")
            debian.store.adopt(work / "blob", blob.digest)
            layers.append(blob)
    found = _run(debian, 'test "$(ls /srv | wc -l)" = 60; rm /srv/00', above=layers)
    assert "srv/.wh.00" in found


def test_a_whiteout_below_hides_what_lies_under_it(debian: Debian) -> None:
    with debian.store.scratch("layers") as work:
        with LayerWriter(work / "blob") as writer:
            writer.add(Entry("etc", "dir", 0o755, 0))
            writer.add(Entry("etc/.wh.issue", "file", 0o644, 0))
            writer.add(Entry("etc/ssh", "dir", 0o711, 0))
            writer.add(Entry("etc/ssh/.wh..wh..opq", "file", 0o644, 0))
        debian.store.adopt(work / "blob", writer.blob.digest)
    script = 'test ! -e /etc/issue; test -z "$(ls /etc/ssh)"; touch /etc/ssh/x'
    found = _run(debian, script, above=[writer.blob])
    assert found["etc/ssh"].mode == 0o711


def test_a_root_whose_folders_are_links_is_refused(debian: Debian, tmp_path: Path) -> None:
    with debian.store.scratch("layers") as work:
        with LayerWriter(work / "blob") as writer:
            writer.add(Entry("tmp", "symlink", 0o777, 0, target=os.fspath(tmp_path)))
        debian.store.adopt(work / "blob", writer.blob.digest)
    with pytest.raises(UserError, match="/tmp is no folder in the image below"):
        _run(debian, "echo x > /tmp/x", above=[writer.blob])
    assert list(tmp_path.iterdir()) == []
