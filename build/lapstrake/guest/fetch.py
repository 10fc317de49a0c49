#!/usr/bin/python3 -IS
"""`lapstrake-fetch [PATH…]`: have the image's data where they belong, in the mounted volumes.

A file that is there with its SHA-256 is left alone. Any other is downloaded beside its place, as
`.NAME.HASH.part`, checked, and renamed: nobody ever sees half of it. A download that was ended (a
cut connection, ^C, a lost machine) goes on where it was, with the next try or the next start.

This runs inside images: the standard library of Python 3.9 only.
"""

from __future__ import annotations

import argparse
import base64
import contextlib
import fcntl
import hashlib
import http.client
import json
import netrc
import os
import re
import signal
import ssl
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import urlsplit

DATA = Path("/etc/lapstrake/data.json")
AT_ONCE = 4

# Seconds without a byte after which a connection is given up, and between two lines of progress.
STALL_SECONDS = 30.0
PROGRESS_SECONDS = 10.0

# How often in a row a download may get no further; how long it rests in between, in seconds.
ATTEMPTS = 6
FIRST_REST, LONGEST_REST = 0.5, 30.0

PASSING = {408, 425, 429, 500, 502, 503, 504}
PIECE = 1 << 16


class Problem(Exception):
    """What keeps a file from being fetched: one line."""


class Passing(Exception):
    """What may pass; `after` is how long the server asks us to rest, in seconds."""

    after = 0.0


@dataclass(frozen=True)
class File:
    """One file: where it is had from, its SHA-256 (hexadecimal), and where it goes."""

    url: str
    sha256: str
    path: Path

    @property
    def shown(self) -> str:
        """The address without a query, which may hold a signature."""
        return self.url.partition("?")[0]

    @property
    def part(self) -> Path:
        """What there is of it so far; of other content, it would have another name."""
        return self.path.with_name(f".{self.path.name}.{self.sha256[:12]}.part")


def say(message: str) -> None:
    """One line for the container's log."""
    sys.stderr.write(f"lapstrake-fetch: {message}\n")
    sys.stderr.flush()


def main(arguments: list[str]) -> int:
    """Fetch what is missing; 1 where anything couldn't be had."""
    parser = argparse.ArgumentParser(
        prog="lapstrake-fetch", description="Fetch the image's data into its volumes."
    )
    parser.add_argument("path", nargs="*", help="which files; by default all")
    parser.add_argument("--list", action="store_true", help="say what is there, and fetch nothing")
    parser.add_argument("--jobs", type=int, default=AT_ONCE, help="how many at once (%(default)s)")
    parser.add_argument("--data", type=Path, default=DATA, help="the list (%(default)s)")
    chosen = parser.parse_args(arguments)
    try:
        files = choose(read_list(chosen.data), chosen.path)
    except Problem as problem:
        say(str(problem))
        return 2
    if chosen.list:
        return show(files)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, interrupted)
    return fetch_all(files, max(1, chosen.jobs))


def interrupted(number: int, _frame: object) -> NoReturn:
    """End at once: what was written so far is all that the next start needs."""
    os.write(2, b"lapstrake-fetch: interrupted; the next start goes on from here\n")
    os._exit(128 + number)


def read_list(path: Path) -> list[File]:
    """The image's files; `Problem` where there is no list of them."""
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))
        return [File(e["url"], e["sha256"], Path(e["path"])) for e in entries]
    except OSError as error:
        raise Problem(f"{path}: {error.strerror}") from None
    except (ValueError, LookupError, TypeError):
        raise Problem(f"{path} is no list of files") from None


def choose(files: list[File], paths: list[str]) -> list[File]:
    """The files that are asked for; all, where none is."""
    known = {str(f.path): f for f in files}
    for path in paths:
        if path not in known:
            raise Problem(f"the image knows no {path}; it knows {', '.join(known) or 'no file'}")
    return [known[p] for p in dict.fromkeys(paths)] or files


def show(files: list[File]) -> int:
    """Say of each file what is in its place; 1 where one isn't there."""
    states = {f.path: state(f) for f in files}
    sys.stdout.writelines(f"{word:<8} {path}\n" for path, word in states.items())
    return int(set(states.values()) != {"there"})


def state(file: File) -> str:
    """`there`, `other` (something else is in its place), `begun` or `missing`."""
    with contextlib.suppress(OSError):
        if file.path.exists():
            return "there" if has(file) else "other"
        return "begun" if file.part.exists() else "missing"
    return "other"


def fetch_all(files: list[File], jobs: int) -> int:
    """Fetch several at once; one that can't be had doesn't keep the others."""
    meters = {f: Meter() for f in files}
    failed = False
    with ThreadPoolExecutor(jobs) as pool:
        waiting = {pool.submit(fetch, f, meters[f]): f for f in files}
        while waiting:
            done, _ = wait(waiting, PROGRESS_SECONDS, FIRST_COMPLETED)
            for future in done:
                failed |= not report(waiting.pop(future), future)
            for file in () if done else waiting.values():
                if meters[file].done:
                    say(meters[file].line(file))
    return int(failed)


def report(file: File, future: Future[str]) -> bool:
    """One line about a file that is done with; whether it is there."""
    try:
        say(f"{file.path} {future.result()}")
    except Problem as problem:
        say(f"{file.path}: {problem}")
        return False
    return True


class Meter:
    """How far a download is: bytes, of how many (0: nobody knows)."""

    def __init__(self) -> None:
        self.done = 0
        self.total = 0

    def line(self, file: File) -> str:
        """One line about it."""
        share = f", {100 * self.done // self.total}%" if self.total else ""
        return f"{file.path}: {size_text(self.done)}{share}"


def size_text(size: float) -> str:
    """Bytes for people."""
    return f"{size / 1e6:.1f} MB"


def fetch(file: File, meter: Meter) -> str:
    """Have a file in its place; what became of it. `Problem` where it can't be had."""
    began = time.monotonic()
    try:
        if has(file):
            return "is there"
        file.path.parent.mkdir(parents=True, exist_ok=True)
        with locked_part(file.part) as descriptor:
            if has(file):  # another process has fetched it meanwhile
                file.part.unlink()
                return "is there"
            part = Part(descriptor, meter)
            download(file, part)
            os.fsync(descriptor)
            os.fchmod(descriptor, 0o644)
            file.part.replace(file.path)
    except OSError as error:
        raise Problem(error.strerror or str(error)) from None
    return f"fetched: {size_text(part.size)}, {time.monotonic() - began:.1f} s"


def has(file: File) -> bool:
    """Whether the file is in its place, as it should be."""
    try:
        with file.path.open("rb") as content:
            digest = hashlib.sha256()
            while piece := content.read(1 << 20):
                digest.update(piece)
    except FileNotFoundError:
        return False
    return digest.hexdigest() == file.sha256


@contextlib.contextmanager
def locked_part(path: Path) -> Iterator[int]:
    """The descriptor of a file that is ours alone: another container may share the volume."""
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            with contextlib.suppress(OSError):  # some volumes know no locks
                fcntl.flock(descriptor, fcntl.LOCK_EX)
            # who had it before us may have renamed or removed it
            with contextlib.suppress(FileNotFoundError):
                if os.path.samestat(path.stat(), os.fstat(descriptor)):
                    yield descriptor
                    return
        finally:
            os.close(descriptor)


class Part:
    """What there is of a file so far, and the hash of it.

    Attributes:
        size: bytes that are there.
        pieced: whether they came with more than one answer, so that they may not fit together.
        etag: what the server called the content that they are of; empty where it didn't.
    """

    def __init__(self, descriptor: int, meter: Meter) -> None:
        self._descriptor = descriptor
        self.meter = meter
        self.size = 0
        self.pieced = False
        self.etag = ""
        self._hash = hashlib.sha256()
        os.lseek(descriptor, 0, os.SEEK_SET)
        while piece := os.read(descriptor, 1 << 20):
            self._hash.update(piece)
            self.size += len(piece)

    @property
    def sha256(self) -> str:
        """The hash of what is there, in hexadecimal."""
        return self._hash.hexdigest()

    def write(self, data: bytes) -> None:
        """Append; `Problem` where the disk won't take it."""
        try:
            view = memoryview(data)
            while view:
                count = os.write(self._descriptor, view)
                self._hash.update(view[:count])
                self.size += count
                view = view[count:]
        except OSError as error:
            raise Problem(error.strerror or str(error)) from None
        self.meter.done = self.size

    def clear(self) -> None:
        """Begin anew."""
        os.ftruncate(self._descriptor, 0)
        os.lseek(self._descriptor, 0, os.SEEK_SET)
        self.size, self.pieced, self.etag = 0, False, ""
        self._hash = hashlib.sha256()


def download(file: File, part: Part) -> None:
    """Make a part whole, with as many answers as it takes; `Problem` where that can't be done."""
    in_vain = 0
    wrong = 0
    while part.sha256 != file.sha256:
        before = part.size
        try:
            receive(file, part)
        except Passing as reason:
            in_vain = 1 if part.size > before else in_vain + 1
            if in_vain >= ATTEMPTS:
                raise Problem(f"{file.shown}: {reason}; {in_vain} times in a row") from None
            rest = min(FIRST_REST * 2 ** (in_vain - 1), LONGEST_REST)
            time.sleep(max(rest, min(reason.after, 2 * LONGEST_REST)))
            continue
        if part.sha256 == file.sha256:
            return
        wrong += 1
        if wrong > 1 or not part.pieced:
            found = part.sha256
            part.clear()
            raise Problem(f"{file.shown} has SHA-256 {found[:12]}…, not {file.sha256[:12]}…")
        part.clear()  # the server's file changed between two answers


def receive(file: File, part: Part) -> None:
    """Add what one answer brings. A part that the server's file doesn't begin with is cleared."""
    try:
        with open_url(file, part) as answer:
            begin(file, part, answer)
            length = answer.headers.get("Content-Length")
            end = part.size + int(length) if length else 0
            part.meter.total = end
            while data := answer.read1(PIECE):
                part.write(data)
    except urllib.error.HTTPError as error:
        error.close()
        refused(file, part, error)
    except (urllib.error.URLError, OSError, http.client.HTTPException, ValueError) as error:
        raise reason_of(file, error) from None
    if part.size < end:
        raise Passing(f"the connection was cut {size_text(end - part.size)} before the end")


def open_url(file: File, part: Part) -> Any:
    """Ask for a file from where the part ends."""
    request = urllib.request.Request(file.url)  # noqa: S310  # a definition has http(s) alone
    request.add_header("Accept-Encoding", "identity")
    request.add_header("User-Agent", "lapstrake-fetch")
    if part.size:
        request.add_header("Range", f"bytes={part.size}-")
        if part.etag:
            request.add_header("If-Range", part.etag)
    if login := login_for(file.url):
        # not for the host that the server may send us on to
        request.add_unredirected_header("Authorization", login)
    return urllib.request.build_opener().open(request, timeout=STALL_SECONDS)


def login_for(url: str) -> str | None:
    """What ~/.netrc (or $NETRC) has for the address's host, if anything."""
    found = None
    with contextlib.suppress(OSError, netrc.NetrcParseError):
        found = netrc.netrc(os.environ.get("NETRC")).authenticators(urlsplit(url).hostname or "")
    return found and f"Basic {base64.b64encode(f'{found[0]}:{found[2]}'.encode()).decode()}"


def begin(file: File, part: Part, answer: Any) -> None:
    """See where an answer begins; a part that it doesn't go on from is cleared."""
    if answer.status == 206 and part.size:
        found = re.match(r"bytes (\d+)-", answer.headers.get("Content-Range", ""))
        if found is None or int(found[1]) != part.size:
            part.clear()
            raise Passing("the server sent another range than it was asked for")
        part.pieced = True
    elif answer.status == 200:
        part.clear()  # it knows no ranges, or its file has changed
    else:
        raise Problem(f"{file.shown} answers {answer.status}")
    etag = answer.headers.get("ETag", "")
    part.etag = etag if etag.startswith('"') else ""  # a weak one is no promise of equal bytes


def refused(file: File, part: Part, error: urllib.error.HTTPError) -> NoReturn:
    """Tell what may pass from what won't."""
    if error.code == 416 and part.size:
        part.clear()  # the part is longer than the file, or of another one
        raise Passing("the server has no such range")
    if error.code in PASSING:
        passing = Passing(f"it answers {error.code}")
        after = error.headers.get("Retry-After", "")
        passing.after = float(after) if after.isdigit() else 0.0
        raise passing
    raise Problem(f"{file.shown} answers {error.code} {error.reason}")


def reason_of(file: File, error: Exception) -> Exception:
    """What a failed connection means, in words."""
    inner = getattr(error, "reason", error)
    if isinstance(inner, ssl.SSLCertVerificationError):
        return Problem(f"{file.shown}: its certificate is not trusted")
    if isinstance(inner, TimeoutError) or str(inner) == "timed out":
        return Passing(f"nothing came for {STALL_SECONDS:.0f} s")
    words = getattr(inner, "strerror", None) or str(inner) or type(inner).__name__
    return Passing(str(words))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
