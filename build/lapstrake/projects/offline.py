"""Programs that shall do without a network."""

from __future__ import annotations

import functools

from lapstrake import process


@functools.cache
def without_network() -> tuple[str, ...]:
    """The words before a program that leave it no network; none where the kernel refuses.

    An ordinary user may where user namespaces are allowed.
    """
    if process.which("unshare") is None:
        return ()
    for words in (("unshare", "--net"), ("unshare", "--net", "--map-current-user")):
        if process.run([*words, "true"], check=False).code == 0:
            return words
    return ()
