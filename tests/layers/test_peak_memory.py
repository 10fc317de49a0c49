from __future__ import annotations

import os
import subprocess
import sys
import zipfile
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

out, *names = map(Path, sys.argv[1:])
paths = {name.stem.split("-")[0]: name for name in names}
wheels = tuple(
    Wheel(name=name, version="1", filename=path.name, sha256="0" * 64, size=0)
    for name, path in paths.items()
)
before = peak()
write_wheels(Wheels("big", "3.11", "2.36", wheels), paths, out)
print(peak() - before)
"""


def _growth(out: Path, wheels: list[Path]) -> int:
    """Bytes that a process needs more to make a layer of some wheels."""
    script = [sys.executable, "-c", _WRITE, out, *wheels]
    return int(subprocess.run(script, check=True, capture_output=True, text=True).stdout)


@pytest.mark.parametrize(("files", "size"), [(1, 128 * _MB), (256, _MB // 2)])
def test_memory_does_not_grow_with_the_wheel(tmp_path: Path, files: int, size: int) -> None:
    made = Maker("big", "1", {f"big/{n}": os.urandom(size) for n in range(files)})
    path = made.write(tmp_path)
    assert _growth(tmp_path / "layer", [path]) < files * size / 2


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_memory_does_not_grow_with_the_number_of_wheels(tmp_path: Path, method: int) -> None:
    """All of them are open at once, and none is large enough to be let go for itself."""
    count, size = 64, _MB
    for n in range(count):
        content = {f"w{n}/{i}": os.urandom(size // 32) for i in range(32)}
        Maker(f"w{n}", "1", content, method=method).write(tmp_path)
    assert _growth(tmp_path / "layer", sorted(tmp_path.glob("*.whl"))) < count * size / 2
