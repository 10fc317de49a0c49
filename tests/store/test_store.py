from __future__ import annotations

import hashlib
import json
import multiprocessing
import os
import threading
from pathlib import Path

import pytest

from lapstrake.errors import UserError
from lapstrake.store.records import Blob, LayerRecord
from lapstrake.store.store import Store, default_root, write_staged


def put(store: Store, data: bytes) -> Blob:
    digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
    with store.scratch("test") as folder:
        (folder / "x").write_bytes(data)
        store.adopt(folder / "x", digest)
    return Blob(digest, "sha256:" + "0" * 64, len(data), 100)


def record_of(*blobs: Blob) -> LayerRecord:
    return LayerRecord("a" * 64, "files", "t", blobs, {"files": {"/x": "1"}}, 0.5)


def test_a_committed_layer_is_found_again(store: Store) -> None:
    record = record_of(put(store, b"one"), put(store, b"two"))
    store.commit(record)
    assert Store(store.root).record(record.id) == record


def test_a_layer_whose_blob_is_gone_or_short_is_not_known(store: Store) -> None:
    blob = put(store, b"content")
    store.commit(record_of(blob))
    path = store.blob(blob.digest)
    path.chmod(0o644)
    path.write_bytes(b"short")
    assert store.record("a" * 64) is None
    path.unlink()
    assert store.record("a" * 64) is None


@pytest.mark.parametrize("text", ["", "{", "[]", '{"id": 1}', '{"blobs": 3}'])
def test_a_mangled_record_is_no_record(store: Store, text: str) -> None:
    store.commit(record_of(put(store, b"x")))
    (store.root / "layers" / f"{'a' * 64}.json").write_text(text)
    assert store.record("a" * 64) is None


def _fails_in_scratch(store: Store) -> None:
    with store.scratch("t") as folder:
        (folder / "deep").mkdir()
        raise RuntimeError


def test_scratch_is_removed_whatever_happens(store: Store) -> None:
    with pytest.raises(RuntimeError):
        _fails_in_scratch(store)
    assert list((store.root / "tmp").iterdir()) == []


def test_blobs_in_the_cache_cant_be_written_by_mistake(store: Store) -> None:
    blob = put(store, b"x")
    assert store.blob(blob.digest).stat().st_mode & 0o222 == 0


def _count_up(root: str, path: str) -> None:
    store = Store(Path(root))
    for _ in range(50):
        with store.locked("counter"):
            value = int(Path(path).read_text())
            os.sched_yield()
            Path(path).write_text(str(value + 1))


def test_the_lock_holds_between_processes_and_threads(store: Store, tmp_path: Path) -> None:
    path = tmp_path / "n"
    path.write_text("0")
    context = multiprocessing.get_context("spawn")
    args = (str(store.root), str(path))
    workers = [context.Process(target=_count_up, args=args) for _ in range(2)]
    workers += [threading.Thread(target=_count_up, args=args) for _ in range(2)]  # type: ignore[list-item]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert path.read_text() == "200"


def test_staged_writes_leave_the_old_file_when_they_fail(tmp_path: Path) -> None:
    path = tmp_path / "f"
    write_staged(path, b"old")
    with pytest.raises(TypeError):
        write_staged(path, "text")  # type: ignore[arg-type]
    assert path.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["f"]


def test_a_cache_that_is_no_folder_is_a_user_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="can't be written") as caught:
        Store(tmp_path / "file")
    assert "LAPSTRAKE_CACHE" in caught.value.hint


def test_where_the_cache_lies(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "/x")
    assert default_root() == Path("/x/lapstrake")
    monkeypatch.setenv("LAPSTRAKE_CACHE", "/y")
    assert default_root() == Path("/y")


def test_records_are_plain_json(store: Store) -> None:
    record = record_of(put(store, b"x"))
    assert LayerRecord.from_json(json.loads(json.dumps(record.to_json()))) == record
