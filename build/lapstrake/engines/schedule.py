"""Running steps that wait for each other, several at a time.

The first failure stops what hasn't begun; what runs is told through `process.stop_all`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass

from lapstrake import process


@dataclass(frozen=True)
class Task:
    """A step: it starts when all of `after` have ended; among the ready, the heaviest first.

    What programs do `outside` this process is done beside what is done in it, in a place of its
    own: Python runs on one core at a time, and would leave the others idle.
    """

    key: str
    work: Callable[[], None]
    after: frozenset[str]
    weight: int = 0
    outside: bool = False


def run_tasks(tasks: Iterable[Task], jobs: int) -> None:
    """Run all tasks, at most `jobs` of a kind (in this process, outside) at a time, and one more.

    Of what is ready, what is done in this process comes first; whatever there is much of, one of
    the other kind finds a place.

    Raises:
        BaseException: what the first task to fail raised, after the running ones have ended.
    """
    waiting = {t.key: t for t in tasks}
    done: set[str] = set()
    running: dict[Future[None], Task] = {}
    with ThreadPoolExecutor(max_workers=jobs + 1, thread_name_prefix="layer") as pool:
        try:
            while waiting or running:
                for task in _startable(waiting, done, running.values(), jobs):
                    del waiting[task.key]
                    running[pool.submit(task.work)] = task
                finished, _ = wait(running, return_when=FIRST_COMPLETED)
                for future in finished:
                    future.result()
                    done.add(running.pop(future).key)
        except BaseException:
            process.stop_all()
            raise


def _startable(
    waiting: Mapping[str, Task], done: set[str], running: Collection[Task], jobs: int
) -> list[Task]:
    ready = [t for t in waiting.values() if t.after <= done]
    ready.sort(key=lambda t: (-t.weight, t.key))
    found: list[Task] = []
    for outside in (False, True):
        free = jobs - sum(t.outside is outside for t in running)
        free = min(free, jobs + 1 - len(running) - len(found))
        found += [t for t in ready if t.outside is outside][: max(0, free)]
    if waiting and not running and not found:
        msg = f"tasks wait for each other: {', '.join(sorted(waiting))}"
        raise AssertionError(msg)
    return found
