"""What an installation leaves behind that no image should hold.

It differs between two runs or two machines (logs, host keys, caches keyed by inode), or it is
the builder's own (its name servers). Folders are never noise: a service may need its own.
"""

from __future__ import annotations

import re
from fnmatch import translate

_ALWAYS = (
    "etc/group-",
    "etc/gshadow-",
    "etc/hostname",
    "etc/machine-id",
    "etc/passwd-",
    "etc/resolv.conf",
    "etc/shadow-",
    "etc/ssh/ssh_host_*",
    "etc/subgid-",
    "etc/subuid-",
    "var/backups/*",
    "var/cache/apt/*",
    "var/cache/debconf/*-old",
    "var/cache/ldconfig/aux-cache",
    "var/cache/man/*",
    "var/lib/apt/daily_lock",
    "var/lib/apt/lists/*",
    "var/lib/dbus/machine-id",
    "var/lib/dpkg/*-old",
    "var/lib/dpkg/lock",
    "var/lib/dpkg/lock-frontend",
    "var/lib/dpkg/triggers/Lock",
    "var/lib/systemd/random-seed",
    "var/log/alternatives.log",
    "var/log/apt/*",
    "var/log/bootstrap.log",
    "var/log/dpkg.log",
)

# A root begins with no log at all, and without what a container's runtime mounts.
_IN_A_ROOT = ("proc/*", "run/*", "sys/*", "tmp/*", "var/log/*", "var/tmp/*")

_MOUNTED = ("dev/",)


def _pattern(globs: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile("|".join(f"(?:{translate(glob)})" for glob in globs))


_NOISE = _pattern(_ALWAYS)
_ROOT_NOISE = _pattern(_ALWAYS + _IN_A_ROOT)


def is_noise(name: str) -> bool:
    """Whether what is no folder and called `name` (relative) should not be in a layer."""
    return _NOISE.match(name) is not None


def is_root_noise(name: str, *, folder: bool) -> bool:
    """Whether `name` should not be in a root filesystem."""
    if name.startswith(_MOUNTED):
        return True
    return not folder and _ROOT_NOISE.match(name) is not None
