"""Running steps that wait for each other, several at a time.

The first failure stops what hasn't begun; what runs is told through `process.stop_all`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from graphlib import TopologicalSorter

from lapstrake import process


@dataclass(frozen=True)
class Task:
    """A step: it starts when all of `after` have ended; of the ready, the one most depends on.

    That is the one with the heaviest chain of steps that wait for it, itself included.
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
        CycleError: tasks wait for each other.
        BaseException: what the first task to fail raised, after the running ones have ended.
    """
    waiting = _most_urgent_first(tasks)
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


def _most_urgent_first(tasks: Iterable[Task]) -> dict[str, Task]:
    """Tasks by key: first what has the heaviest chain waiting for it, then by key."""
    known = {t.key: t for t in tasks}
    chain = {key: task.weight for key, task in known.items()}
    order = TopologicalSorter({key: task.after for key, task in known.items()}).static_order()
    for key in reversed(tuple(order)):
        for before in known[key].after:
            chain[before] = max(chain[before], known[before].weight + chain[key])
    return {key: known[key] for key in sorted(known, key=lambda key: (-chain[key], key))}


def _startable(
    waiting: Mapping[str, Task], done: set[str], running: Collection[Task], jobs: int
) -> list[Task]:
    ready = [t for t in waiting.values() if t.after <= done]
    found: list[Task] = []
    for outside in (False, True):
        free = jobs - sum(t.outside is outside for t in running)
        free = min(free, jobs + 1 - len(running) - len(found))
        found += [t for t in ready if t.outside is outside][: max(0, free)]
    return found
