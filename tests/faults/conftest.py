"""The small family, made once for all tests of a worker."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest
from small_family import Family, digests, serve_family

# In the background of a script ^C is ignored, by what it starts too; here it has to be felt.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def family(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Family]:
    """The family, and the digests that a build of it has when nothing goes wrong."""
    folder = tmp_path_factory.mktemp("family")
    with serve_family(folder) as found:
        said = found.build(folder / "cache", folder / "dist")
        assert said.returncode == 0, said.stderr
        found.digests = digests(folder / "dist")
        yield found
