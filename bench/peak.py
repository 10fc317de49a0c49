"""`peak.py OUT [ARGUMENT]…`: run `lapstrake ARGUMENT…` in this process, then write its peak memory.

OUT gets VmHWM of this process alone, in KiB: programs that it starts don't count. Without
arguments it is what the bare interpreter needs.
"""

import re
import sys
from pathlib import Path


def main(out: str, arguments: list[str]) -> int:
    """The exit code."""
    code = 0
    if arguments:
        from lapstrake.cli.main import cli

        returned = cli.main(arguments, standalone_mode=False)
        code = returned if isinstance(returned, int) else 0
    found = re.search(r"VmHWM:\s*(\d+) kB", Path("/proc/self/status").read_text())
    Path(out).write_text(found[1] if found else "0")
    return code


if __name__ == "__main__":
    # this folder's modules are not meant to be imported under their bare names
    sys.path = [p for p in sys.path if Path(p or ".").resolve() != Path(__file__).parent]
    sys.exit(main(sys.argv[1], sys.argv[2:]))
