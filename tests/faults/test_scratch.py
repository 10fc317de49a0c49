"""Temporary files and folders that tell whether their owner lives."""

from __future__ import annotations

import multiprocessing
import os
import signal
from pathlib import Path

import pytest

from lapstrake.store.scratch import claimed_file, claimed_folder, remove_abandoned_files
from lapstrake.store.store import Store
from lapstrake.store.sweep import sweep


def _hold(root: str, ready: str) -> None:
    store = Store(Path(root))
    claimed_file(store.root / "layers", ".held.")
    with store.scratch("held") as folder:
        (folder / "deep/er").mkdir(parents=True)
        (folder / "deep/er/file").touch()
        Path(ready).touch()
        signal.pause()


def test_what_a_killed_process_held_is_removed_and_not_before(tmp_path: Path) -> None:
    store = Store(tmp_path / "cache")
    ready = tmp_path / "ready"
    child = multiprocessing.get_context("spawn").Process(
        target=_hold, args=(str(store.root), str(ready))
    )
    child.start()
    while not ready.exists():
        assert child.exitcode is None
        os.sched_yield()
    assert sweep(store) == 0
    assert len(list((store.root / "tmp").iterdir())) == 2
    child.kill()
    child.join()
    assert sweep(store) == 2
    assert list((store.root / "tmp").iterdir()) == []
    assert list((store.root / "layers").iterdir()) == []


def test_a_file_that_was_renamed_into_place_stays(tmp_path: Path) -> None:
    handle, staged = claimed_file(tmp_path, ".x.")
    staged.rename(tmp_path / "x")
    os.close(handle)
    (tmp_path / "y").touch()
    assert remove_abandoned_files(tmp_path) == 0
    assert sorted(p.name for p in tmp_path.iterdir()) == ["x", "y"]


def test_a_link_in_the_place_of_a_lock_leads_nowhere(tmp_path: Path) -> None:
    target = tmp_path / "precious"
    target.write_text("x")
    store = Store(tmp_path / "cache")
    (store.root / "tmp/evil.lock").symlink_to(target)
    (store.root / "tmp/other").symlink_to(tmp_path)
    (store.root / "layers/.evil").symlink_to(target)
    sweep(store)
    assert target.read_text() == "x"


def test_a_folder_is_gone_after_its_block(tmp_path: Path) -> None:
    with claimed_folder(tmp_path, "a-") as folder:
        (folder / "x").touch()
    assert list(tmp_path.iterdir()) == []


def test_a_folder_is_gone_when_the_interrupt_comes_while_it_is_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    unlink = os.unlink

    def interrupted(path: str, *, dir_fd: int | None = None) -> None:
        unlink(path, dir_fd=dir_fd)
        signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt), claimed_folder(tmp_path, "a-") as folder:  # noqa: PT012
        for name in "xyz":
            (folder / name).touch()
        monkeypatch.setattr(os, "unlink", interrupted)
    monkeypatch.undo()
    assert list(tmp_path.iterdir()) == []


def test_a_folder_is_gone_when_the_interrupt_comes_while_it_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mkdir = os.mkdir

    def interrupted(path: Path, mode: int) -> None:
        signal.raise_signal(signal.SIGINT)
        mkdir(path, mode)

    monkeypatch.setattr(os, "mkdir", interrupted)
    with pytest.raises(KeyboardInterrupt), claimed_folder(tmp_path, "a-"):
        raise AssertionError("it was entered")
    monkeypatch.undo()
    assert list(tmp_path.iterdir()) == []


def test_beside_a_users_file_only_our_own_goes(tmp_path: Path) -> None:
    handle, staged = claimed_file(tmp_path, ".lapstrake.lock.")
    for name in (".lapstrake.lock.swp", ".gitignore", ".other.lock.abcdefgh", "lapstrake.lock"):
        (tmp_path / name).touch()
    assert remove_abandoned_files(tmp_path, "lapstrake.lock") == 0
    os.close(handle)
    assert remove_abandoned_files(tmp_path, "lapstrake.lock") == 1
    assert not staged.exists()
    assert len(list(tmp_path.iterdir())) == 4
