"""Running steps that wait for each other, several at a time.

The first failure stops what hasn't begun; what runs is told through `process.stop_all`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass

from lapstrake import process


@dataclass(frozen=True)
class Task:
    """A step: it starts when all of `after` have ended; among the ready, the heaviest first."""

    key: str
    work: Callable[[], None]
    after: frozenset[str]
    weight: int = 0


def run_tasks(tasks: Iterable[Task], jobs: int) -> None:
    """Run all tasks, at most `jobs` at a time.

    Raises:
        BaseException: what the first task to fail raised, after the running ones have ended.
    """
    waiting = {t.key: t for t in tasks}
    done: set[str] = set()
    running: dict[Future[None], str] = {}
    with ThreadPoolExecutor(max_workers=jobs, thread_name_prefix="layer") as pool:
        try:
            while waiting or running:
                _start_ready(pool, waiting, done, running, jobs)
                finished, _ = wait(running, return_when=FIRST_COMPLETED)
                for future in finished:
                    future.result()
                    done.add(running.pop(future))
        except BaseException:
            process.stop_all()
            raise


def _start_ready(
    pool: ThreadPoolExecutor,
    waiting: dict[str, Task],
    done: set[str],
    running: dict[Future[None], str],
    jobs: int,
) -> None:
    ready = [t for t in waiting.values() if t.after <= done]
    ready.sort(key=lambda t: (-t.weight, t.key))
    for task in ready[: max(jobs - len(running), 0)]:
        del waiting[task.key]
        running[pool.submit(task.work)] = task.key
    if waiting and not running:
        msg = f"tasks wait for each other: {', '.join(sorted(waiting))}"
        raise AssertionError(msg)
