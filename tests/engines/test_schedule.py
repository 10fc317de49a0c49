from __future__ import annotations

import threading
from collections.abc import Callable
from graphlib import CycleError

import pytest

from lapstrake import process
from lapstrake.engines.schedule import Task, run_tasks


class Recorder:
    def __init__(self) -> None:
        self.order: list[str] = []
        self.lock = threading.Lock()

    def task(self, key: str, *after: str, weight: int = 0) -> Task:
        return Task(key, self.work(key), frozenset(after), weight)

    def work(self, key: str) -> Callable[[], None]:
        def run() -> None:
            with self.lock:
                self.order.append(key)

        return run


def test_each_task_after_what_it_needs() -> None:
    seen = Recorder()
    run_tasks([seen.task("c", "b"), seen.task("b", "a"), seen.task("a")], 4)
    assert seen.order == ["a", "b", "c"]


def test_the_heaviest_first_then_by_name() -> None:
    seen = Recorder()
    run_tasks([seen.task("b"), seen.task("a"), seen.task("big", weight=5)], 1)
    assert seen.order == ["big", "a", "b"]


def test_what_a_heavy_one_waits_for_comes_first() -> None:
    seen = Recorder()
    tasks = [seen.task("a"), seen.task("middle", weight=3), seen.task("light", weight=1)]
    run_tasks([*tasks, seen.task("between", "light"), seen.task("heavy", "between", weight=5)], 1)
    assert seen.order == ["light", "between", "heavy", "middle", "a"]


def test_as_many_at_once_as_allowed() -> None:
    both = threading.Barrier(2, timeout=30)
    run_tasks([Task(k, lambda: both.wait() and None, frozenset()) for k in "ab"], 2)


def test_one_more_at_once_than_jobs_and_pythons_first() -> None:
    """Of four of each kind, two in this process and one outside are begun; then no other."""
    begun: list[str] = []
    three, fourth = threading.Barrier(3, timeout=30), threading.Event()
    too_many: list[bool] = []

    def work(key: str) -> None:
        begun.append(key)
        if len(begun) > 3:
            fourth.set()
            return
        three.wait()
        # The three hold their places for as long as one more would need to begin beside them.
        too_many.append(fourth.wait(0.3))
        three.wait()

    def task(key: str) -> Task:
        return Task(key, lambda: work(key), frozenset(), 0, key.startswith("out"))

    run_tasks([task(f"{kind}{n}") for kind in ("out", "in") for n in range(4)], 2)
    assert sorted(begun[:3]) == ["in0", "in1", "out0"]
    assert too_many == [False, False, False]
    assert len(begun) == 8


@pytest.mark.parametrize("outside", [False, True])
def test_what_runs_outside_takes_no_place_of_what_runs_here(outside: bool) -> None:
    both = threading.Barrier(2, timeout=30)
    alone = threading.Lock()

    def work(key: str) -> None:
        if key != "other":  # two of one kind at once would find it held
            assert alone.acquire(blocking=False)
        if key in {"first", "other"}:
            both.wait()
        if key != "other":
            alone.release()

    def task(key: str, *, outside: bool) -> Task:
        return Task(key, lambda: work(key), frozenset(), 0, outside)

    same = [task(key, outside=outside) for key in ("first", "second", "third")]
    run_tasks([*same, task("other", outside=not outside)], 1)


def test_a_failure_ends_the_others_and_is_raised() -> None:
    seen = Recorder()
    stopped = threading.Event()

    def fail() -> None:
        raise ValueError("no")

    def long() -> None:
        for _ in range(3000):
            try:
                process.check_stopped()
            except process.Stopped:
                stopped.set()
                raise
            threading.Event().wait(0.01)

    tasks = [Task("fail", fail, frozenset()), Task("long", long, frozenset())]
    with pytest.raises(ValueError, match="no"):
        run_tasks([*tasks, seen.task("later", "fail")], 2)
    assert stopped.is_set()
    assert seen.order == []


def test_tasks_that_wait_for_each_other_are_a_bug() -> None:
    seen = Recorder()
    with pytest.raises(CycleError):
        run_tasks([seen.task("a", "b"), seen.task("b", "a")], 1)
