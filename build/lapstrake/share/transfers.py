"""Many transfers at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait

from lapstrake.fetch.http import CONNECTIONS

# Seconds that transfers get to end by themselves once all is to end.
_GRACE = 2.0


def all_at_once(works: Iterable[Callable[[], None]], end: Callable[[], None]) -> None:
    """Run all, as many at a time as there are connections, in the order given.

    Args:
        works: what to run; each has to give up soon after `end` was called.
        end: called where one fails, or the command is interrupted.

    Raises:
        BaseException: what the first to fail raised. One that waits for a stalled registry then
            is left to itself: nobody waits for it on ^C.
    """
    pool = ThreadPoolExecutor(CONNECTIONS, "transfer")
    futures = [pool.submit(work) for work in works]
    try:
        done, _ = wait(futures, return_when=FIRST_EXCEPTION)
        for future in done:
            future.result()
    except BaseException:
        end()
        pool.shutdown(wait=False, cancel_futures=True)
        wait(futures, timeout=_GRACE)
        raise
    pool.shutdown()
