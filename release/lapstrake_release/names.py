"""The names of one repository of a registry: what holds them, giving and taking them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence

import httpx

from lapstrake.errors import UserError
from lapstrake.registry.client import MANIFEST, Damaged, RegistryClient, sha256_of

# Whatever may hold a name: a registry answers 404 for a kind that isn't asked for.
ANYTHING = ", ".join(
    (
        MANIFEST,
        "application/vnd.oci.image.index.v1+json",
        "application/vnd.docker.distribution.manifest.v2+json",
        "application/vnd.docker.distribution.manifest.list.v2+json",
    )
)
_LARGEST = 4 << 20
_NEXT = re.compile(r'<([^>]+)>\s*;\s*rel="?next"?')

# What the OCI specification has for a manifest about nothing.
_EMPTY = b"{}"
_EMPTY_TYPE = "application/vnd.oci.empty.v1+json"
_DECOY_TYPE = "application/vnd.lapstrake.temporary-name.v1"


class Refused(UserError):
    """A registry takes no deletions."""


class Names(RegistryClient):
    """A client of one repository that also knows its names; see `RegistryClient`."""

    def holder(self, name: str) -> bytes | None:
        """The manifest or index that a name (or a digest) holds, of any kind; None if none."""
        return self._patiently(lambda: self._anything(name))

    def digest(self, name: str) -> str:
        """The digest of what a name holds; empty where there is no such name."""
        found = self.holder(name)
        return "" if found is None else sha256_of(found)

    def blob_size(self, digest: str) -> int | None:
        """The bytes that the registry says a blob has; None where it has no such blob."""

        def ask() -> int | None:
            answer = self._http.head(f"{self.repository.url}/blobs/{digest}", auth=self._auth)
            if answer.status_code == 404:
                return None
            self._check(answer, {200})
            return int(answer.headers.get("Content-Length", -1))

        return self._patiently(ask)

    def names(self) -> list[str]:
        """Every name in the repository, sorted; none where there is no such repository."""
        found: set[str] = set()
        for page in self._pages(f"{self.repository.url}/tags/list?n=1000"):
            found |= {str(t) for t in page.get("tags") or ()}
        return sorted(found)

    def check_push(self) -> None:
        """See that we may write: an upload is begun, and taken back.

        Raises:
            UserError: the registry can't be reached, wants a login, or refuses.
        """

        def begin() -> str:
            answer = self._http.post(f"{self.repository.url}/blobs/uploads/", auth=self._auth)
            self._check(answer, {202})
            return str(answer.url.join(answer.headers.get("Location", "")))

        place = self._patiently(begin)
        # the registry forgets it by itself, too
        self._http.delete(place, auth=self._auth)

    def remove(self, names: Sequence[str], job: str) -> None:
        """Take names away, and nothing else: what they hold stays under its other names.

        Deleting a manifest takes all of its names away, the public ones too. So the names are
        first given to a manifest about nothing, and that one is deleted. A registry that takes no
        deletions shows it before any name was touched.

        Args:
            names: which.
            job: the release that does so; it stands in that manifest.

        Raises:
            Refused: the registry takes no deletions; the names are as they were.
            UserError: it can't be reached.
        """
        if not names:
            return
        decoy = _decoy(job)
        self._put_decoy(sha256_of(decoy), decoy)
        self.delete(sha256_of(decoy))
        for name in names:
            self._put_decoy(name, decoy)
        self.delete(sha256_of(decoy))
        for name in names:
            # some registries delete what a name holds, but leave the name
            if self.digest(name) == sha256_of(decoy):
                self.delete(name)

    def _put_decoy(self, name: str, decoy: bytes) -> None:
        self.upload(sha256_of(_EMPTY), _EMPTY)
        self.put_manifest(name, decoy)

    def delete(self, reference: str) -> None:
        """Delete what a digest names, with all its names; nothing where it is gone already.

        Raises:
            Refused: the registry takes no deletions.
        """

        def delete() -> None:
            url = f"{self.repository.url}/manifests/{reference}"
            answer = self._http.delete(url, auth=self._auth)
            if answer.status_code in {400, 403, 405, 501}:
                raise Refused(f"{self.repository.host} takes no deletions")
            # gone already: an answer got lost
            self._check(answer, {200, 202, 204, 404})

        self._patiently(delete)

    def _anything(self, name: str) -> bytes | None:
        url = f"{self.repository.url}/manifests/{name}"
        with self._http.stream("GET", url, headers={"Accept": ANYTHING}, auth=self._auth) as got:
            if got.status_code == 404:
                return None
            self._check(got, {200})
            data = b""
            for piece in got.iter_raw():
                data += piece
                if len(data) > _LARGEST:
                    raise Damaged(f"{self.repository}: the manifest {name} is too large")
        if name.startswith("sha256:") and sha256_of(data) != name:
            raise Damaged(f"{self.repository} sends another manifest for {name}")
        return data

    def _pages(self, url: str) -> Iterator[dict[str, list[str]]]:
        place: httpx.URL | None = httpx.URL(url)
        while place is not None:
            page = place

            def ask(page: httpx.URL = page) -> httpx.Response:
                answer = self._http.get(page, auth=self._auth)
                self._check(answer, {200, 404})
                return answer

            answer = self._patiently(ask)
            if answer.status_code == 404:
                return
            yield answer.json()
            place = self.next_page(answer)

    @staticmethod
    def next_page(answer: httpx.Response) -> httpx.URL | None:
        """Where the list that an answer begins goes on; None where that was all."""
        more = _NEXT.search(answer.headers.get("Link", ""))
        return answer.url.join(more[1]) if more else None


def _decoy(job: str) -> bytes:
    """A manifest about nothing; each job has its own, so that no other's names go with it."""
    nothing = {"mediaType": _EMPTY_TYPE, "digest": sha256_of(_EMPTY), "size": len(_EMPTY)}
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "artifactType": _DECOY_TYPE,
        "config": nothing,
        "layers": [nothing],
        "annotations": {"org.opencontainers.image.title": f"a temporary name of release {job}"},
    }
    return json.dumps(manifest, sort_keys=True, separators=(",", ":")).encode()
