"""Servers, and ways to them, that fail in the middle of a release."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pytest

from support.fault_proxy import FAULTS, Fault
from support.invariants import check_end, check_now
from support.stages import Stage, stage_in

pytestmark = pytest.mark.slow

SERVERS = ("first", "second", "index")

# How many requests of a run to a server are harmed, one a run, spread over it.
SPREAD = 4

# How many of them go on without another start, where not all do. A 401 passes where the same login
# was good before: not at the first request that has it, nor where there is no login. Which of a
# registry's requests that is, is a matter of threads.
ENOUGH = {("401", "first"): 0, ("401", "second"): SPREAD - 1, ("401", "index"): SPREAD - 1}


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with stage_in(tmp_path_factory.mktemp("faults")) as found:
        yield found


@pytest.fixture(scope="module")
def asked(stage: Stage) -> dict[str, int]:
    """How many requests a release makes of each server that nothing disturbs."""
    stage.reset()
    stage.run()
    return {name: getattr(stage.targets, name).asked for name in SERVERS}


@pytest.mark.parametrize("server", SERVERS)
@pytest.mark.parametrize("fault", FAULTS)
def test_one_fault_somewhere(
    stage: Stage, asked: Mapping[str, int], fault: Fault, server: str
) -> None:
    done = 0
    for moment in range(SPREAD):
        stage.reset()
        proxy = getattr(stage.targets, server)
        proxy.at(1 + asked[server] * moment // SPREAD, fault)
        with stage.begin() as child:
            said = child.communicate(timeout=120)[1]
        assert proxy.harmed == 1
        check_now(stage.targets, stage.released)
        if child.returncode == 0:
            done += 1
        else:
            # one line that says what it is, and no name that is of no use any more
            assert child.returncode == 1, said
            assert said.count("error: ") == 1, said
            assert not any("candidate" in n for n in stage.targets.names(stage.targets.first))
            stage.run()
        check_end(stage.targets, stage.released)
    print(f"{fault} {server}: {done} of {SPREAD} runs went on by themselves")
    assert done >= ENOUGH.get((fault, server), SPREAD)


@pytest.mark.parametrize("server", SERVERS)
def test_a_server_that_is_down_for_good(stage: Stage, server: str) -> None:
    """Nothing public anywhere, one line; and once it is up again, all goes on."""
    stage.reset()
    proxy = getattr(stage.targets, server)
    proxy.harm = lambda n, _m, _p: "500" if n > 3 else None
    with stage.begin() as child:
        said = child.communicate(timeout=120)[1]
    assert child.returncode == 1
    assert "doesn't serve: HTTP 500" in said
    for registry in (stage.targets.first, stage.targets.second):
        if registry is not proxy:
            assert not set(stage.targets.names(registry)) & set(stage.released.public)
    proxy.harm = lambda *_: None
    check_now(stage.targets, stage.released)
    stage.run()
    check_end(stage.targets, stage.released)


def test_many_faults_one_after_the_other(stage: Stage) -> None:
    """Every seventh request of each server fails in another way."""
    stage.reset()
    kinds: list[Fault] = ["reset", "lost", "truncate", "500", "429"]
    harmed = 0
    for _ in range(5):
        with stage.begin() as child:
            for proxy in stage.targets.proxies:
                proxy.harm = lambda n, _m, _p: kinds[n // 7 % len(kinds)] if n % 7 == 0 else None
            child.communicate(timeout=120)
        harmed += sum(p.harmed for p in stage.targets.proxies)
        for proxy in stage.targets.proxies:
            proxy.harm = lambda *_: None
        check_now(stage.targets, stage.released)
        if child.returncode == 0:
            break
    assert child.returncode == 0
    assert harmed > 10
    check_end(stage.targets, stage.released)
