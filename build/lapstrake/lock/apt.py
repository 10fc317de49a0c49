"""apt as a resolver: in a private folder, without privileges, without this machine's settings.

Nothing is installed. apt is told what an image has (a dpkg status file) and is asked what it
would fetch besides.
"""

from __future__ import annotations

import contextlib
import difflib
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from urllib.parse import unquote

from lapstrake import process
from lapstrake.errors import UserError
from lapstrake.fetch.http import certificates
from lapstrake.fetch.mirrors import Archive
from lapstrake.lock.model import Deb
from lapstrake.store.scratch import temporary_folder

ARCHES = {"linux/amd64": "amd64", "linux/arm64": "arm64"}

_URI = re.compile(r"^'(?P<url>[^']+)' (?P<file>\S+) (?P<size>\d+) SHA256:(?P<sha256>[0-9a-f]{64})$")
_NO_CANDIDATE = re.compile(r"Package '?([^\s']+)'? has no installation candidate")
# Settings of this machine's apt that say how a mirror is reached; all others are ours.
_REACHING = re.compile(r"^Acquire::(http|https)(::|\s)")


class UnknownPackage(UserError):
    """The suite has no package of this name; `name` is it, `close` are names like it."""

    def __init__(self, name: str, suite: str, close: Sequence[str]) -> None:
        hint = f"is it {' or '.join(close)}?" if close else ""
        super().__init__(f"{suite} has no package {name}", hint)
        self.name = name


class Apt:
    """One apt for some archives and an architecture; see `open_apt`."""

    def __init__(
        self, folder: Path, archives: Sequence[Archive], arch: str, env: Mapping[str, str]
    ):
        self._folder = folder
        self._archives = archives
        self._arch = arch
        self._env = {**env, "APT_CONFIG": str(folder / "apt.conf"), "LC_ALL": "C.UTF-8"}

    @property
    def suite(self) -> str:
        """The suite that its archives have."""
        return self._archives[0].suite

    @cached_property
    def names(self) -> frozenset[str]:
        """The names of all packages, virtual ones included."""
        return frozenset(self._run("apt-cache", "pkgnames").stdout.split())

    def root(self, packages: Sequence[str]) -> tuple[Deb, ...]:
        """The whole set of a root: the essential packages, apt, `packages` and what they need.

        Raises:
            UnknownPackage: the suite lacks one.
            UserError: they can't be installed together.
        """
        # stands in for usrmerge, which would bring perl: what is bootstrapped is merged already
        merged = ["usr-is-merged"] if "usr-is-merged" in self.names else []
        return self._fetched(["?essential", "apt", *merged], packages, "")

    def over(self, status: str, packages: Sequence[str]) -> tuple[Deb, ...]:
        """What `packages` add to an image whose dpkg status is `status`.

        Raises:
            UnknownPackage: the suite lacks one.
            UserError: they can't be installed over it.
        """
        return self._fetched([], packages, status)

    def status(self, debs: Sequence[Deb]) -> str:
        """The dpkg status of an image that has exactly these packages."""
        known = self._paragraphs(debs)
        return "\n\n".join(_installed(d, known) for d in debs) + "\n"

    def _paragraphs(self, debs: Sequence[Deb]) -> dict[tuple[str, str], str]:
        """What the archives say of the packages they still have, by name and version."""
        asked = [f"{d.name}={d.version}" for d in debs]
        if not asked:
            return {}
        shown = self._run("apt-cache", "show", *asked, check=False).stdout
        found: dict[tuple[str, str], str] = {}
        for paragraph in re.split(r"\n\n+", shown.strip()):
            fields = dict(re.findall(r"^(Package|Version): (.*)$", paragraph, re.MULTILINE))
            if len(fields) == 2:
                found.setdefault((fields["Package"], fields["Version"]), paragraph)
        return found

    def _fetched(
        self, first: Sequence[str], packages: Sequence[str], status: str
    ) -> tuple[Deb, ...]:
        """What `apt-get install` would fetch, sorted by name."""
        for name in packages:
            self._check(name)
        path = self._folder / "status"
        path.write_text(status, encoding="utf-8", errors="surrogateescape")
        asked = [*first, *sorted(packages)]
        options = ("-qq", "--print-uris", "--no-remove", "install")
        result = self._run("apt-get", *options, *asked, check=False)
        if result.code != 0:
            if match := _NO_CANDIDATE.search(result.stderr):
                raise UnknownPackage(match[1], self.suite, ())
            raise UserError(
                f"{self.suite}: apt can't install {', '.join(sorted(packages))} together",
                "its own words are below",
                result.tail,
            )
        lines = (_URI.match(line) for line in result.stdout.splitlines())
        return tuple(sorted((self._deb(m) for m in lines if m), key=lambda d: (d.name, d.arch)))

    def _check(self, name: str) -> None:
        """Refuse a name that the suite lacks: apt would take it for a pattern."""
        if name not in self.names:
            close = difflib.get_close_matches(name, self.names, 3, 0.75)
            raise UnknownPackage(name, self.suite, close)

    def _deb(self, match: re.Match[str]) -> Deb:
        name, version, arch = match["file"].removesuffix(".deb").split("_")
        url = _plain(match["url"])
        # the longest, since one mirror's folder may lie in another's
        archive = max(
            (a for a in self._archives if url.startswith(f"{_plain(a.base)}/")),
            key=lambda a: len(a.base),
            default=None,
        )
        if archive is None:
            raise UserError(f"apt found {name} where none of its sources is", "", (url,))
        return Deb(
            name=name,
            version=unquote(version),
            arch=arch,
            sha256=match["sha256"],
            size=int(match["size"]),
            path=url.removeprefix(f"{_plain(archive.base)}/"),
            archive=archive.suite,
        )

    def update(self) -> None:
        """Fetch the archives' indexes.

        Raises:
            UserError: a mirror doesn't answer, or its signature is not good.
        """
        result = self._run("apt-get", "-qq", "--error-on=any", "update", check=False)
        if result.code != 0:
            said = [line for line in result.tail if line.startswith("E:")] or ["E: no reason given"]
            raise UserError(
                f"the Debian mirror's index can't be read: {said[0].removeprefix('E: ')}",
                "check the network, the mirror and its keyring",
                result.tail,
            )

    def _run(self, program: str, *args: str, check: bool = True) -> process.Result:
        return process.run([program, *args], env=self._env, cwd=self._folder, check=check)


@contextlib.contextmanager
def open_apt(
    archives: Sequence[Archive],
    platform: str,
    *,
    stale: bool = False,
    env: Mapping[str, str] = os.environ,
) -> Iterator[Apt]:
    """An apt with the archives' indexes, in a folder that is removed at the end.

    Args:
        archives: where packages come from.
        platform: `linux/amd64`, …
        stale: accept indexes that are past their date, as a snapshot's are.
        env: the environment.
    """
    with temporary_folder("apt") as name:
        folder = Path(name)
        for inner in ("lists/partial", "cache/archives/partial", "etc"):
            (folder / inner).mkdir(parents=True)
        (folder / "status").touch()
        arch = ARCHES[platform]
        (folder / "lapstrake.sources").write_text("\n".join(map(_source, archives)))
        config = _config(folder, arch, stale, env)
        (folder / "apt.conf").write_text(config)
        apt = Apt(folder, archives, arch, env)
        apt.update()
        yield apt


def _config(folder: Path, arch: str, stale: bool, env: Mapping[str, str]) -> str:
    settings = {
        "Dir::State": folder,
        "Dir::State::status": folder / "status",
        "Dir::State::lists": folder / "lists",
        "Dir::Cache": folder / "cache",
        "Dir::Etc::main": "/dev/null",
        "Dir::Etc::parts": "/dev/null",
        "Dir::Etc::preferences": "/dev/null",
        "Dir::Etc::preferencesparts": "/dev/null",
        "Dir::Etc::sourcelist": folder / "lapstrake.sources",
        "Dir::Etc::sourceparts": "/dev/null",
        "APT::Architecture": arch,
        "APT::Install-Recommends": "false",
        "APT::Sandbox::User": "root",
        "Acquire::Languages": "none",
        "Acquire::ForceHash": "sha256",
        "Acquire::Retries": "3",
        "Acquire::Check-Valid-Until": "false" if stale else "true",
    }
    if (file := certificates(env)) is not None:
        settings["Acquire::https::CAInfo"] = file
    own = [f'{key} "{value}";' for key, value in settings.items()]
    lists = ("#clear APT::Architectures;", f'APT::Architectures {{ "{arch}"; }};')
    return "\n".join((*_reaching(), *own, *lists, ""))


def _reaching() -> Iterator[str]:
    """This machine's own settings of how mirrors are reached: proxies, certificates."""
    dumped = process.run(["apt-config", "dump"], check=False)
    return (line for line in dumped.stdout.splitlines() if _REACHING.match(line))


def _source(archive: Archive) -> str:
    lines = [
        "Types: deb",
        f"URIs: {archive.base}",
        f"Suites: {archive.suite}",
        f"Components: {' '.join(archive.components)}",
    ]
    if archive.trusted:
        lines.append("Trusted: yes")
    elif archive.signed_by:
        lines.append(f"Signed-By: {archive.signed_by}")
    return "\n".join((*lines, ""))


def _plain(url: str) -> str:
    """A URL without the ways in which apt writes it otherwise: quoting, credentials, `file:/`."""
    scheme, _, rest = unquote(url).partition(":")
    host, slash, path = rest.lstrip("/").partition("/")
    if scheme == "file":
        return f"file:///{rest.lstrip('/')}"
    return f"{scheme}://{host.rpartition('@')[2]}{slash}{path}"


def _installed(deb: Deb, known: Mapping[tuple[str, str], str]) -> str:
    """A package's paragraph in a dpkg status file.

    Where the archives no longer have the version, nothing is said of what it depends on: it was
    sound when it was locked.
    """
    paragraph = known.get((deb.name, deb.version)) or (
        f"Package: {deb.name}\nVersion: {deb.version}\nArchitecture: {deb.arch}\n"
        "Maintainer: unknown\nDescription: unknown"
    )
    first, _, rest = paragraph.partition("\n")
    return f"{first}\nStatus: install ok installed\n{rest}"
