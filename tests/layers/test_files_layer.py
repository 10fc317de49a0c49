from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from layer_tools import read_layer

from lapstrake.errors import UserError
from lapstrake.layers.files_layer import write_files
from lapstrake.layers.fixed import FIXED_MTIME
from lapstrake.layers.kinds import FileEntry, Files


def _layer(*entries: FileEntry) -> Files:
    return Files("files", tuple(sorted(entries, key=lambda e: e.path)))


def test_parents_come_first_with_the_modes_of_a_debian_root(tmp_path: Path) -> None:
    layer = _layer(
        FileEntry.of("/root/.config/a", b"a", 0o600), FileEntry.of("/var/tmp/b", b"b", 0o755)
    )
    write_files(layer, tmp_path / "blob")
    found = read_layer(tmp_path / "blob")
    assert [(n, e.type, oct(e.mode)) for n, (e, _) in found.items()] == [
        ("root", "dir", "0o700"),
        ("root/.config", "dir", "0o755"),
        ("root/.config/a", "file", "0o600"),
        ("var", "dir", "0o755"),
        ("var/tmp", "dir", "0o1777"),
        ("var/tmp/b", "file", "0o755"),
    ]
    assert {e.mtime for e, _ in found.values()} == {FIXED_MTIME}
    assert found["root/.config/a"][1] == b"a"


def test_owners_links_folders_and_files_of_the_repository(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(b"text\n")
    digest = hashlib.sha256(b"text\n").hexdigest()
    layer = _layer(
        FileEntry("/srv/data", 0o750, "dir", uid=5, gid=6),
        FileEntry("/srv/link", 0o777, "symlink", target="data/x"),
        FileEntry("/srv/text", 0o644, sha256=digest, source=source),
    )
    write_files(layer, tmp_path / "blob")
    found = read_layer(tmp_path / "blob")
    data = found["srv/data"][0]
    assert (data.type, data.mode, data.uid, data.gid) == ("dir", 0o750, 5, 6)
    assert found["srv/link"][0].target == "data/x"
    assert found["srv/text"][1] == b"text\n"


def test_a_file_that_changed_since_the_plan_is_refused(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(b"new\n")
    digest = hashlib.sha256(b"old\n").hexdigest()
    layer = _layer(FileEntry("/x", 0o644, sha256=digest, source=source))
    with pytest.raises(UserError, match="changed while it was being built"):
        write_files(layer, tmp_path / "blob")
    assert not (tmp_path / "blob").exists()
    source.unlink()
    with pytest.raises(UserError, match="can't be read"):
        write_files(layer, tmp_path / "blob")
