"""What has to hold of a release at any moment, and at its end; read from the servers alone."""

from __future__ import annotations

import hashlib

import httpx

from support.github_api import GithubApi
from support.releases import Released
from support.targets import LOGIN, Targets

# What the manifest about nothing is made of, by which temporary names are removed.
EMPTY = "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"


def check_now(targets: Targets, released: Released) -> None:
    """At any moment: a public name means that everything is everywhere, and each is right."""
    held = [targets.names(p) for p in (targets.first, targets.second)]
    public = [{n: d for n, d in names.items() if "candidate" not in n} for names in held]
    for names in public:
        assert names.items() <= released.public.items()
    if any(public):
        assert sorted(targets.uploaded) == sorted(p.name for p in released.files)
        for proxy in (targets.first, targets.second):
            _check_whole(targets, proxy.host, released)
    for name, content in targets.uploaded.items():
        (path,) = [p for p in released.files if p.name == name]
        assert content == path.read_bytes()
    check_once(targets)


def check_once(targets: Targets) -> None:
    """No blob and no file was accepted twice by any server."""
    for proxy in targets.proxies:
        assert {k: n for k, n in proxy.blobs.items() if n > 1 and k[1] != EMPTY} == {}
        assert {k: n for k, n in proxy.files.items() if n > 1} == {}


def check_end(targets: Targets, released: Released) -> None:
    """At the end: all names hold what they should, no temporary one is left, nothing is lost."""
    for proxy in (targets.first, targets.second):
        assert targets.names(proxy) == released.public
        _check_whole(targets, proxy.host, released)
    assert targets.uploaded == {p.name: p.read_bytes() for p in released.files}
    check_once(targets)


def check_draft(targets: Targets, released: Released, api: GithubApi) -> None:
    """At any moment: nothing is published, and a draft means that all public names stand."""
    assert not any(not r.draft for r in api.repository.releases)
    if api.repository.releases:
        for proxy in (targets.first, targets.second):
            assert released.public.items() <= targets.names(proxy).items()
    sent = [s.path for s in api.seen if s.method == "POST" and s.status == 201]
    assert len(sent) == len(set(sent)), "something was made or sent twice"


def check_drafted(targets: Targets, released: Released, api: GithubApi) -> None:
    """At the end: one draft, with every file as it was built."""
    check_draft(targets, released, api)
    (draft,) = api.repository.releases
    assert {a.state for a in draft.assets} == {"uploaded"}
    evidence = (released.dist / "evidence").iterdir()
    wanted = {p.name: p.read_bytes() for p in (*released.files, *evidence)}
    held = {a.name: a.data for a in draft.assets}
    assert wanted.items() <= held.items()
    lines = (line.split() for line in held["SHA256SUMS"].decode().splitlines())
    hashes = {n: hashlib.sha256(d).hexdigest() for n, d in held.items() if n != "SHA256SUMS"}
    assert hashes == {name: hashed for hashed, name in lines}
    assert all(digest in str(draft.body) for digest in released.digests.values())


def _check_whole(targets: Targets, host: str, released: Released) -> None:
    """Every manifest and every blob of the release is in a registry."""
    login = LOGIN if host == targets.second.host else None
    base = f"http://{host}/v2/x/fam"
    with httpx.Client(base_url=base, trust_env=False, auth=login) as client:
        for digest in released.digests.values():
            kind = "application/vnd.oci.image.manifest.v1+json"
            answer = client.head(f"/manifests/{digest}", headers={"Accept": kind})
            assert answer.status_code == 200
        for digest in released.blobs:
            assert client.head(f"/blobs/{digest}").status_code == 200
