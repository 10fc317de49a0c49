from __future__ import annotations

import contextlib
import gc
import subprocess
import sys

from lapstrake.engines.local.heap import collecting_seldom

# A process of its own: the heaps of this one are there already.
_HEAPS = """
import ctypes, re, threading
from pathlib import Path
from lapstrake.engines.local.heap import share_heap

libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
libc.free.argtypes = [ctypes.c_void_p]
share_heap()
barrier = threading.Barrier(8)

def work():
    barrier.wait()
    place = libc.malloc(64 << 10)
    ctypes.memset(place, 1, 64 << 10)
    barrier.wait()
    found.append(place)

found = []
threads = [threading.Thread(target=work) for _ in range(8)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
low, high = next(
    (int(m[1], 16), int(m[2], 16))
    for line in Path("/proc/self/maps").read_text().splitlines()
    if (m := re.match(r"([0-9a-f]+)-([0-9a-f]+) .*\\[heap\\]", line))
)
print(sum(low <= place < high for place in found))
"""


def test_threads_share_one_heap() -> None:
    said = subprocess.run(
        [sys.executable, "-c", _HEAPS], check=True, capture_output=True, text=True
    )
    assert int(said.stdout) == 8


def test_cycles_are_looked_for_as_before_after_a_build_that_failed() -> None:
    before = gc.get_threshold()
    with contextlib.suppress(ValueError), collecting_seldom():
        during = gc.get_threshold()
        raise ValueError("no")
    assert during[0] > 10 * before[0]
    assert gc.get_threshold() == before
