"""Verdicts beside images: kept, overridden, found with and without the referrers API."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from lapstrake.errors import UserError
from lapstrake.registry.client import sha256_of
from lapstrake.registry.repository import Repository
from lapstrake_release import gates, verdicts
from lapstrake_release.beside.artifact import fallback_tag, read_tag
from lapstrake_release.beside.referrers import Referrers, opened
from lapstrake_release.verdicts.model import Verdict, has_passed, said, standing
from support.fault_proxy import FAULTS, Fault, Proxy, fault_proxy
from support.handed import Family, handed, push
from support.referrers import serve_referrers
from support.registry import serve_registry

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


@pytest.fixture(params=["fallback", "api"])
def family(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Family]:
    """In a registry without the referrers API, and in one with it."""
    with serve_registry(tmp_path / "registry") as host:
        if request.param == "fallback":
            yield handed(tmp_path, host)
        else:
            with serve_referrers(host) as proxy:
                yield handed(tmp_path, proxy)


def verdict(family: Family, outcome: Any = "pass", by: str = "ada", **more: Any) -> Verdict:
    values = {
        "outcome": outcome,
        "family": "fam",
        "version": "1.2.0.rc1",
        "image": "srv",
        "digest": family.digests["srv"],
        "by": by,
        "at": NOON,
    }
    return Verdict(**{**values, **more})


def read(family: Family) -> tuple[Verdict, ...]:
    with Referrers(family.repository) as client:
        return verdicts.read(client, family.digests["srv"])


def test_all_are_kept_and_the_last_of_each_counts(family: Family) -> None:
    with Referrers(family.repository) as client:
        first = verdicts.give(client, verdict(family, "fail", note="no answer"))
        verdicts.give(client, verdict(family, "pass", "bob"))
        assert said(verdicts.read(client, family.digests["srv"])) == "failed by ada"
        # the clock went back meanwhile
        second = verdicts.give(client, verdict(family, at=NOON - timedelta(hours=1)))
    found = read(family)
    assert [v.outcome for v in found if v.by == "ada"] == ["fail", "pass"]
    assert [v.outcome for v in found if v.by == "bob"] == ["pass"]
    assert second.at > first.at
    assert has_passed(found)
    assert not has_passed(found, 3)
    assert {v.by for v in standing(found)} == {"ada", "bob"}
    assert {v.artifact for v in found} >= {first.artifact, second.artifact}
    with Referrers(family.repository) as client:
        assert verdicts.read(client, family.digests["slim"]) == ()


def test_the_same_again_adds_nothing(family: Family) -> None:
    with Referrers(family.repository) as client:
        first = verdicts.give(client, verdict(family))
        assert verdicts.give(client, verdict(family, by="Ada", at=NOON + timedelta(1))) == first
        verdicts.give(client, verdict(family, note="looked again"))
    assert len(read(family)) == 2


def test_two_at_once_are_both_kept(family: Family) -> None:
    people = [f"p{n}" for n in range(8)]
    ready = threading.Barrier(len(people))
    failed: list[BaseException] = []

    def give(who: str) -> None:
        try:
            with Referrers(family.repository) as client:
                ready.wait()
                verdicts.give(client, verdict(family, by=who))
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=give, args=(p,)) for p in people]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed
    assert {v.by for v in read(family)} == set(people)


def test_an_index_that_lost_one_is_mended_by_the_next(tmp_path: Path) -> None:
    with serve_registry(tmp_path / "registry") as host:
        family = handed(tmp_path, host)
        tag = fallback_tag(family.digests["srv"])
        with Referrers(family.repository) as client:
            verdicts.give(client, verdict(family))
            old = client.holder(tag)
            assert old is not None
            verdicts.give(client, verdict(family, by="bob"))
            # another writer's index, which doesn't know of bob's
            client.put_manifest(tag, old, json.loads(old)["mediaType"])
            assert {v.by for v in read(family)} == {"ada", "bob"}
            verdicts.give(client, verdict(family, by="eve"))
            index = json.loads(client.holder(tag) or b"")
        assert len(index["manifests"]) == 3
        assert {d["artifactType"] for d in index["manifests"]} == {verdicts.KIND.type}


def test_one_that_was_deleted_is_in_nobodys_way(family: Family) -> None:
    with Referrers(family.repository) as client:
        first = verdicts.give(client, verdict(family, "fail"))
        url = f"{client.repository.url}/manifests/{first.artifact}"
        assert httpx.delete(url, trust_env=False).status_code == 202
        verdicts.give(client, verdict(family, by="bob"))
        verdicts.give(client, verdict(family, by="eve"))
    assert {v.by for v in read(family)} == {"bob", "eve"}


def test_the_artifact_is_one_by_the_specification(family: Family) -> None:
    with Referrers(family.repository) as client:
        stored = verdicts.give(client, verdict(family, note="ünï"))
        manifest = client.holder(stored.artifact)
        subject = client.holder(family.digests["srv"])
        names = client.names()
    assert manifest is not None
    assert subject is not None
    found = json.loads(manifest)
    assert found["subject"] == {
        "mediaType": json.loads(subject)["mediaType"],
        "digest": family.digests["srv"],
        "size": len(subject),
    }
    assert found["artifactType"] == found["layers"][0]["mediaType"] == verdicts.KIND.type
    assert found["config"]["mediaType"] == "application/vnd.oci.empty.v1+json"
    (own,) = [t for n in names if (t := read_tag(n))]
    assert (own.kind, own.subject) == ("verdict", family.digests["srv"])
    assert stored.artifact.startswith(f"sha256:{own.own}")


def test_what_is_about_another_image_does_not_count(family: Family) -> None:
    """An index may list anything, as whoever may write to it likes."""
    with Referrers(family.repository) as client:
        other = verdicts.give(client, verdict(family, digest=family.digests["slim"], image="slim"))
        manifest = client.holder(other.artifact)
        assert manifest is not None
        entry = {
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "digest": other.artifact,
            "size": len(manifest),
            "artifactType": verdicts.KIND.type,
        }
        index = {
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.index.v1+json",
            "manifests": [entry],
        }
        tag = fallback_tag(family.digests["srv"])
        client.put_manifest(tag, json.dumps(index).encode(), str(index["mediaType"]))
    assert read(family) == ()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"{}", "can't be read"),
        (b"no json", "can't be read"),
        (b'{"format": 2}', "can't be read"),
    ],
)
def test_one_that_cannot_be_read_stops_everything(
    family: Family, content: bytes, said: str
) -> None:
    """It may be a fail: to leave it out would let an image through."""
    from lapstrake_release.beside.artifact import Artifact, Subject

    with Referrers(family.repository) as client:
        manifest = client.holder(family.digests["srv"])
        assert manifest is not None
        subject = Subject.of(manifest)
        client.attach(Artifact(verdicts.KIND, subject, content, "2026-01-01T00:00:00Z"))
        with pytest.raises(UserError, match=said) as caught:
            verdicts.read(client, family.digests["srv"])
    assert sha256_of(content) not in caught.value.message


def test_a_digest_that_is_not_there_gets_none(family: Family) -> None:
    with (
        Referrers(family.repository) as client,
        pytest.raises(UserError, match="has no sha256:0"),
    ):
        verdicts.give(client, verdict(family, digest=f"sha256:{'0' * 64}"))


@pytest.mark.slow
@pytest.mark.parametrize("fault", FAULTS)
def test_faults_of_the_registry_lose_and_double_nothing(tmp_path: Path, fault: Fault) -> None:
    with serve_registry(tmp_path / "registry") as host, fault_proxy(host) as proxy:
        family = handed(tmp_path, host)
        asked, number = 1, 0
        while asked > number:
            number += 1
            push(family, host, f"x/n{number}")
            place = Repository.parse(f"{proxy.host}/x/n{number}")
            asked = _give_harmed(proxy, number, fault, place, verdict(family))
            with Referrers(place) as client:
                verdicts.give(client, verdict(family))
                (found,) = verdicts.read(client, family.digests["srv"])
                index = json.loads(client.holder(fallback_tag(found.digest)) or b"{}")
            assert [d["digest"] for d in index["manifests"]] == [found.artifact]
        assert number > 5


def _give_harmed(proxy: Proxy, number: int, fault: Fault, place: Repository, given: Verdict) -> int:
    """Give a verdict while the request of that number fails; how many there are at least."""
    first, harmed = proxy.asked, proxy.harmed

    def harm(asked: int, method: str, path: str) -> Fault | None:
        # a registry may think for minutes over a blob that it has been sent
        thinking = fault == "stall" and method == "PUT" and "/blobs/" in path
        return fault if asked == first + number and not thinking else None

    proxy.harm = harm
    with Referrers(place, pause=0.001) as client:
        client._http.timeout = httpx.Timeout(0.5)
        assert _gives(client, given) or proxy.harmed > harmed
    proxy.harm = lambda *_: None
    # where it gave up there may be more to harm
    return proxy.asked - first + (proxy.harmed > harmed)


def _gives(client: Referrers, given: Verdict) -> bool:
    try:
        verdicts.give(client, given)
    except UserError:
        return False
    return True


def test_the_gate_says_what_is_missing(family: Family) -> None:
    from datetime import date

    from lapstrake.definition.qa import QaSpec

    rules = gates.Rules(QaSpec(verdicts=2), family.root, date(2026, 1, 1))
    images = [gates.Image(n, family.digests[n]) for n in ("slim", "srv")]
    with opened([family.repository]) as (client,):
        verdicts.give(client, verdict(family, "fail", note="no answer\nmore"))
        verdicts.give(client, verdict(family, by="bob", image="slim", digest=images[0].digest))
        found = gates.unmet(["verdict"], client, images, rules)
        assert [p.message.partition(") ")[2] for p in found] == [
            "is passed by bob; 2 have to",
            "is failed by ada",
        ]
        assert found[1].details == ("ada: no answer",)
        verdicts.give(client, verdict(family, by="eve", image="slim", digest=images[0].digest))
        verdicts.give(client, verdict(family))
        verdicts.give(client, verdict(family, by="bob"))
        assert gates.unmet(["verdict"], client, images, rules) == []
        # nothing is asked for
        assert gates.unmet([], client, images, rules) == []


def test_a_repository_that_is_not_there_has_none(tmp_path: Path) -> None:
    with (
        serve_registry(tmp_path / "registry") as host,
        Referrers(Repository.parse(f"{host}/no/such")) as client,
    ):
        assert verdicts.read(client, f"sha256:{'0' * 64}") == ()
