from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from wheel_maker import Maker

_MB = 1 << 20

# In a process of its own, since the peak is that of a process.
_WRITE = """
import re, sys
from pathlib import Path
from lapstrake.layers.kinds import Wheels
from lapstrake.layers.wheels_layer import write_wheels
from lapstrake.lock.model import Wheel

def peak():
    return int(re.search(r"VmHWM:\\s*(\\d+)", Path("/proc/self/status").read_text())[1]) << 10

path, out = map(Path, sys.argv[1:])
wheel = Wheel(name="big", version="1", filename=path.name, sha256="0" * 64, size=0)
before = peak()
write_wheels(Wheels("big", "3.11", "2.36", (wheel,)), {"big": path}, out)
print(peak() - before)
"""


@pytest.mark.parametrize(("files", "size"), [(1, 128 * _MB), (256, _MB // 2)])
def test_memory_does_not_grow_with_the_wheel(tmp_path: Path, files: int, size: int) -> None:
    made = Maker("big", "1", {f"big/{n}": os.urandom(size) for n in range(files)})
    path = made.write(tmp_path)
    script = [sys.executable, "-c", _WRITE, path, tmp_path / "layer"]
    said = subprocess.run(script, check=True, capture_output=True, text=True).stdout
    assert int(said) < files * size / 2
