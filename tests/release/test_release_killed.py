"""kill -9 at moments spread over each phase of a release; then it goes on."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator

import pytest

from support.fault_proxy import Fault, Seen
from support.invariants import check_draft, check_drafted, check_end, check_now
from support.processes import wait_for
from support.releases import VERSION
from support.stages import Stage, stage_in

pytestmark = pytest.mark.slow

MOMENTS = 20

# Which requests belong to a phase that talks: the journal names it when it begins.
TALKING = ("check", "candidates", "wheels", "names", "finally")


def killed_at(stage: Stage, phase: str, number: int, *, after: bool) -> bool:
    """Kill a release at the request of that number of a phase; whether it came so far.

    With `after` the server has heard the request, but the answer is lost.
    """
    reached, counting = threading.Event(), threading.Lock()
    count = 0

    def harm(_: int, method: str, path: str) -> Fault | None:
        nonlocal count
        del method, path
        with counting:
            count += not reached.is_set() and stage.phase == phase
            hit = count == number + 1 and not reached.is_set()
            if hit:
                reached.set()
        if hit and not after:
            child.send_signal(signal.SIGKILL)
        return ("lost" if after else "reset") if hit else None

    def heard(_: Seen) -> None:
        if after and reached.is_set():
            child.send_signal(signal.SIGKILL)

    with stage.begin() as child:
        for proxy in stage.targets.proxies:
            proxy.harm, proxy.on_answer = harm, heard
        said = child.communicate(timeout=120)[1]
    for proxy in stage.targets.proxies:
        proxy.harm, proxy.on_answer = (lambda *_: None), (lambda _: None)
    wait_for(str(stage.targets.folder / "tmp"))
    if not reached.is_set():
        assert child.returncode == 0, said
        return False
    assert child.returncode in {-signal.SIGKILL, 0}, said
    return True


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with stage_in(tmp_path_factory.mktemp("killed")) as found:
        yield found


@pytest.fixture(scope="module")
def drafting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """One with a draft on GitHub among its targets."""
    with stage_in(tmp_path_factory.mktemp("drafted"), drafted=True) as found:
        yield found


@pytest.mark.parametrize("phase", TALKING)
def test_killed_at_requests_of_each_phase(stage: Stage, phase: str) -> None:
    total, seconds = _requests(stage, phase)
    assert total > 2
    # before and after a request are two moments
    wanted = sorted({(2 * total - 1) * n // (MOMENTS - 1) for n in range(MOMENTS)})
    killed = 0
    for moment in wanted:
        stage.reset()
        killed += killed_at(stage, phase, moment // 2, after=bool(moment % 2))
        check_and_go_on(stage)
    # the number of requests may differ a little from run to run
    assert killed >= len(wanted) - 2
    more = MOMENTS - len(wanted)
    for number in range(more):
        stage.reset()
        killed += killed_within(stage, phase, seconds * (number + 0.5) / more)
        check_and_go_on(stage)
    print(f"{phase}: {total} requests, {killed} kills, {more} of them by the clock")


def test_killed_within_the_build(stage: Stage) -> None:
    _, seconds = _requests(stage, "build", fresh=True)
    killed = 0
    for number in range(MOMENTS):
        stage.reset()
        anew(stage)
        killed += killed_within(stage, "build", seconds * (number + 0.5) / MOMENTS)
        check_and_go_on(stage)
    print(f"build: {killed} kills")
    assert killed > MOMENTS // 2


def test_killed_at_requests_of_the_draft(drafting: Stage) -> None:
    """Before GitHub has heard a request, or after it has worked on it: the answer is lost."""
    drafting.reset()
    total = killed_in_draft(drafting, 0)
    assert total >= MOMENTS
    assert drafting.api is not None
    check_drafted(drafting.targets, drafting.released, drafting.api)
    killed = 0
    for number in range(MOMENTS):
        drafting.reset()
        moment = 1 + (total - 1) * number // (MOMENTS - 1)
        killed += killed_in_draft(drafting, moment) == moment
        check_and_go_on(drafting)
    print(f"draft: {total // 2} requests, {killed} kills")
    assert killed >= MOMENTS - 1


def killed_in_draft(stage: Stage, moment: int) -> int:
    """Kill a release at a moment of its draft, counted from 1, or never; how far it has come.

    Each request has two: before and after it is worked on.
    """
    assert stage.api is not None
    count, counting = 0, threading.Lock()

    def come() -> None:
        nonlocal count
        with counting:
            if stage.phase == "draft" and (count < moment or not moment):
                count += 1
                if count == moment:
                    child.send_signal(signal.SIGKILL)

    with stage.begin() as child:
        stage.api.moment = come
        said = child.communicate(timeout=120)[1]
    stage.api.moment = lambda: None
    wait_for(str(stage.targets.folder / "tmp"))
    assert child.returncode == (-signal.SIGKILL if count == moment else 0), said
    return count


def check_and_go_on(stage: Stage) -> None:
    """After a kill: what has to hold at once, and once it has come to its end."""
    check_now(stage.targets, stage.released)
    if stage.api is not None:
        check_draft(stage.targets, stage.released, stage.api)
    stage.run()
    check_end(stage.targets, stage.released)
    if stage.api is not None:
        check_drafted(stage.targets, stage.released, stage.api)


def anew(stage: Stage) -> None:
    """Forget also that the wheels were checked."""
    (stage.released.dist / f"release-{VERSION}.jsonl").unlink()


def killed_within(stage: Stage, phase: str, seconds: float) -> bool:
    """Kill a release some time after a phase has begun; whether it was still running."""
    with stage.begin() as child:
        end = time.monotonic() + 60
        while child.poll() is None and not _is_in(stage, phase) and time.monotonic() < end:
            time.sleep(0.002)
        try:
            child.communicate(timeout=max(seconds, 0.001))
        except subprocess.TimeoutExpired:
            child.send_signal(signal.SIGKILL)
            child.communicate()
    wait_for(str(stage.targets.folder / "tmp"))
    return child.returncode == -signal.SIGKILL


def _is_in(stage: Stage, phase: str) -> bool:
    """Whether the run that goes on now has come to a phase."""
    try:
        lines = stage.released.journal()
    except (OSError, ValueError):
        return False
    last = max((n for n, x in enumerate(lines) if x["event"] == "begin"), default=len(lines))
    own = [x for x in lines[last:] if x["event"] == "phase"]
    ended = any(x["event"] == "end" for x in lines[last:])
    return not ended and any(x["phase"] == phase for x in own)


def _requests(stage: Stage, phase: str, *, fresh: bool = False) -> tuple[int, float]:
    """How many requests a phase makes in a run that nothing disturbs, and how long it takes."""
    stage.reset()
    if fresh:
        anew(stage)
    count = 0
    counting = threading.Lock()

    def harm(*_: object) -> None:
        nonlocal count
        with counting:
            count += stage.phase == phase

    for proxy in stage.targets.proxies:
        proxy.harm = harm
    stage.run()
    over = [x for x in stage.released.journal() if x["event"] == "over" and x["phase"] == phase]
    return count, float(str(over[-1]["seconds"]))


def test_killed_at_moments_of_its_whole_run(stage: Stage) -> None:
    """Wherever the clock strikes, also between requests and within twine."""
    stage.reset()
    began = time.monotonic()
    stage.run()
    lasts = time.monotonic() - began
    for moment in range(MOMENTS):
        stage.reset()
        with stage.begin() as child:
            try:
                child.communicate(timeout=lasts * (moment + 0.5) / MOMENTS)
            except subprocess.TimeoutExpired:
                os.kill(child.pid, signal.SIGKILL)
        wait_for(str(stage.targets.folder / "tmp"))
        check_now(stage.targets, stage.released)
        stage.run()
        check_end(stage.targets, stage.released)


def test_killed_again_and_again(stage: Stage) -> None:
    """Each run gets some requests further than the one before."""
    stage.reset()
    for limit in range(12, 400, 12):
        with stage.begin() as child:
            harm = _Deadly(child, limit)
            for proxy in stage.targets.proxies:
                proxy.harm = harm
            child.communicate(timeout=120)
        check_now(stage.targets, stage.released)
        if child.returncode == 0:
            break
        assert child.returncode == -signal.SIGKILL
    assert limit > 50
    check_end(stage.targets, stage.released)


class _Deadly:
    """Kills a process at its request of some number."""

    def __init__(self, child: subprocess.Popen[str], limit: int) -> None:
        self._child = child
        self._left = limit
        self._lock = threading.Lock()

    def __call__(self, *_: object) -> None:
        with self._lock:
            self._left -= 1
            if self._left == 0:
                self._child.send_signal(signal.SIGKILL)


def test_a_lost_journal_after_a_kill(stage: Stage) -> None:
    stage.reset()
    assert killed_at(stage, "names", 9, after=True)
    (stage.released.dist / f"release-{VERSION}.jsonl").unlink()
    stage.run()
    check_end(stage.targets, stage.released)
