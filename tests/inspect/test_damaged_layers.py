"""Layers of others, without a table of contents, that are damaged."""

from __future__ import annotations

import gzip
import io
import random
import tarfile
from pathlib import Path

import pytest

from lapstrake.errors import UserError
from lapstrake.inspect.contents import read_file


def test_damage_within_a_file_that_is_read_is_named(tmp_path: Path) -> None:
    content = random.Random(1).randbytes(100_000).hex().encode()  # noqa: S311
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as tar:
        member = tarfile.TarInfo("var/lib/dpkg/status")
        member.size = len(content)
        tar.addfile(member, io.BytesIO(content))
    blob = tmp_path / "blob"
    whole = gzip.compress(made.getvalue())
    blob.write_bytes(whole)
    assert read_file(blob, "var/lib/dpkg/status") == content
    middle = len(whole) // 2
    blob.write_bytes(whole[:middle] + bytes(64) + whole[middle + 64 :])
    with pytest.raises(UserError, match="the layer blob is damaged"):
        read_file(blob, "var/lib/dpkg/status")
