from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest
from layer_tools import read_layer

from lapstrake.errors import UserError
from lapstrake.layers.fixed import FIXED_MTIME
from lapstrake.layers.from_tar import Times, write_rootfs
from lapstrake.layers.root_split import Database, Split
from lapstrake.layers.tarheader import Entry

_EPOCH = 1_700_000_000
_TIMES = Times(_EPOCH)
_WHOLE = Split(Database({}, {}), {}, 1)


def _tar(*names: str, mtime: int = _EPOCH - 5) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name in names:
            info = tarfile.TarInfo(name.rstrip("/"))
            info.mtime = mtime
            if name.endswith("/"):
                info.type, info.mode = tarfile.DIRTYPE, 0o755
                tar.addfile(info)
            else:
                info.size = len(name)
                tar.addfile(info, io.BytesIO(name.encode()))
    return out.getvalue()


def _root(data: bytes, out: Path, times: Times = _TIMES) -> dict[str, tuple[Entry, bytes]]:
    """The entries of a root's only blob."""
    ((path, _),) = write_rootfs(io.BytesIO(data), out, times, _WHOLE)
    return read_layer(path)


def test_what_belongs_to_the_builder_is_left_out(tmp_path: Path) -> None:
    noise = [
        "./dev/null",
        "./dev/pts/",
        "./etc/hostname",
        "./etc/resolv.conf",
        "./etc/shadow-",
        "./etc/ssh/ssh_host_ed25519_key",
        "./run/lock/x",
        "./tmp/x",
        "./var/cache/apt/archives/a.deb",
        "./var/cache/apt/pkgcache.bin",
        "./var/cache/debconf/config.dat-old",
        "./var/cache/ldconfig/aux-cache",
        "./var/lib/apt/lists/lock",
        "./var/lib/dpkg/status-old",
        "./var/log/apt/history.log",
        "./var/log/btmp",
    ]
    kept = ["./dev/", "./etc/shadow", "./etc/ssh/sshd_config", "./tmp/", "./var/log/apt/"]
    data = _tar("./", *sorted(noise + kept))
    assert list(_root(data, tmp_path)) == [name[2:].rstrip("/") for name in kept]


def test_the_machine_id_is_empty(tmp_path: Path) -> None:
    entry, content = _root(_tar("./etc/machine-id"), tmp_path)["etc/machine-id"]
    assert (entry.type, entry.mode, content) == ("file", 0o644, b"")


def test_times_after_the_epoch_are_the_epoch(tmp_path: Path) -> None:
    for mtime, wanted in ((_EPOCH + 9, _EPOCH), (_EPOCH - 9, _EPOCH - 9)):
        assert _root(_tar("./a", mtime=mtime), tmp_path)["a"][0].mtime == wanted


def test_times_of_the_making_are_the_epoch_whatever_the_clock_said(tmp_path: Path) -> None:
    made = (_EPOCH - 1000, _EPOCH - 900)
    for mtime, wanted in ((made[0], _EPOCH), (made[1], _EPOCH), (made[1] + 1, made[1] + 1)):
        found = _root(_tar("./a", mtime=mtime), tmp_path, Times(_EPOCH, made))
        assert found["a"][0].mtime == wanted


def test_folders_have_a_fixed_time(tmp_path: Path) -> None:
    assert _root(_tar("./a/"), tmp_path)["a"][0].mtime == FIXED_MTIME


def test_capabilities_links_owners_and_setuid_are_kept(tmp_path: Path) -> None:
    out = io.BytesIO()
    capability = b"\x01\x00\x00\x02\x00\x20\x00\x00" + bytes(12)
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
        info = tarfile.TarInfo("./usr/bin/ping")
        info.mode, info.uid, info.gid, info.size = 0o4755, 7, 8, 2
        text = capability.decode("utf-8", "surrogateescape")
        info.pax_headers = {"SCHILY.xattr.security.capability": text}
        tar.addfile(info, io.BytesIO(b"hi"))
        info = tarfile.TarInfo("./usr/bin/ping6")
        info.type, info.linkname = tarfile.LNKTYPE, "./usr/bin/ping"
        tar.addfile(info)
    found = _root(out.getvalue(), tmp_path)
    ping = found["usr/bin/ping"][0]
    assert (ping.mode, ping.uid, ping.gid) == (0o4755, 7, 8)
    assert ping.xattrs == {"security.capability": capability}
    assert found["usr/bin/ping6"][0].target == "usr/bin/ping"


@pytest.mark.parametrize("length", [0, 700])
def test_a_tar_that_ends_early_leaves_nothing(tmp_path: Path, length: int) -> None:
    data = _tar("./a" * 500)
    start = data.index(b"./a./a./a./a./a", 2000)
    cut = io.BytesIO(data[: start + length] if length else b"")
    with pytest.raises(UserError, match="tar is damaged"):
        write_rootfs(cut, tmp_path, _TIMES, _WHOLE)
    assert list(tmp_path.iterdir()) == []
