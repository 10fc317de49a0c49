"""Signatures by cosign's own program, where it is installed; it is in no package of Debian 12."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest
import yaml
from pydantic import ValidationError

from lapstrake import process
from lapstrake.definition.qa import QaSpec, SignSpec
from lapstrake.errors import UserError
from lapstrake_release import gates
from lapstrake_release.beside.referrers import Referrers
from lapstrake_release.sign import github
from lapstrake_release.sign.signing import find_signer
from support.handed import VERSION, Family, handed
from support.registry import serve_registry

cosign = pytest.mark.skipif(process.which("cosign") is None, reason="cosign is not installed")
PASSWORD = {"COSIGN_PASSWORD": "secret-canary"}


@pytest.fixture
def family(tmp_path: Path) -> Iterator[Family]:
    with serve_registry(tmp_path / "registry") as host:
        yield handed(tmp_path, host)


def with_key(family: Family, name: str = "cosign") -> str:
    """Make a pair of keys beside the definition, and ask for signatures by it."""
    env = {**os.environ, **PASSWORD}
    process.run(
        ["cosign", "generate-key-pair", "--output-key-prefix", name], env=env, cwd=family.root
    )
    asked_for(family, key=f"{name}.pub")
    return str(family.root / f"{name}.key")


def asked_for(family: Family, **signatures: object) -> None:
    path = family.root / "lapstrake.yaml"
    definition = yaml.safe_load(path.read_text())
    path.write_text(yaml.safe_dump(definition | {"qa": {"signatures": signatures}}))


def unmet(family: Family, key: str) -> list[str]:
    rules = gates.Rules(QaSpec(signatures=SignSpec(key=key)), family.root, date(2026, 1, 1))
    images = [gates.Image(n, family.digests[n]) for n in ("slim", "srv")]
    with Referrers(family.repository) as client:
        return [p.message for p in gates.unmet(["signature"], client, images, rules)]


@cosign
def test_what_is_signed_is_verified(family: Family) -> None:
    key = with_key(family)
    assert unmet(family, "cosign.pub") == [
        f"{n} ({family.digests[n][:19]}) is not signed" for n in ("slim", "srv")
    ]
    done = family.call("sign", VERSION, "--key", key, "--image", "srv", env=PASSWORD)
    assert "verified" in done.stdout
    assert PASSWORD["COSIGN_PASSWORD"] not in done.stdout + done.stderr
    (left,) = unmet(family, "cosign.pub")
    assert left.startswith("slim")
    said = family.call("sign", VERSION, "--verify", env=PASSWORD, code=1).stderr
    assert "is not signed" in said


@cosign
def test_what_is_in_it_is_attested(family: Family) -> None:
    key = with_key(family)
    family.call("sign", VERSION, "--key", key, "--image", "srv", env=PASSWORD)
    place = f"{family.repository}@{family.digests['srv']}"
    args = ["cosign", "verify-attestation", "--key", family.root / "cosign.pub"]
    args += ["--insecure-ignore-tlog=true", "--allow-http-registry", "--type", "spdxjson", place]
    statement = json.loads(base64.b64decode(json.loads(process.run(args).stdout)["payload"]))
    assert statement["subject"][0]["digest"]["sha256"] == family.digests["srv"][7:]
    assert "libssl3" in {p["name"] for p in statement["predicate"]["packages"]}


@cosign
def test_another_key_is_none(family: Family) -> None:
    key = with_key(family)
    family.call("sign", VERSION, "--key", key, "--image", "srv", env=PASSWORD)
    with_key(family, "other")
    assert any(m.startswith("srv") for m in unmet(family, "other.pub"))
    said = family.call("sign", VERSION, "--verify", "--image", "srv", env=PASSWORD, code=1).stderr
    assert "no signature of that key or identity" in said
    wrong = {"COSIGN_PASSWORD": "no"}
    said = family.call("sign", VERSION, "--key", key, "--image", "srv", env=wrong, code=1).stderr
    assert "cosign can't sign srv" in said


def test_who_signs_here(tmp_path: Path) -> None:
    key = tmp_path / "k"
    key.touch()
    assert find_signer(str(key), log=False, env={}).words[-1] == "--tlog-upload=false"
    assert find_signer(None, log=True, env={"COSIGN_PRIVATE_KEY": "x"}).words == [
        "--yes", "--key", "env://COSIGN_PRIVATE_KEY", "--tlog-upload=true",
    ]  # fmt: skip
    assert find_signer("awskms:///k", log=False, env={}).key == "awskms:///k"
    job = {"ACTIONS_ID_TOKEN_REQUEST_URL": "https://x"}
    assert find_signer(None, log=False, env=job).words == ["--yes"]
    for wrong in (None, str(tmp_path / "no")):
        with pytest.raises(UserError):
            find_signer(wrong, log=False, env={})


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"key": "a.pub", "identity": "x", "issuer": "https://x"},
        {"identity": "x"},
        {"key": "a.pub", "issuer": "https://x"},
        {"by": "github"},
        {"by": "github", "identity": "o/r", "key": "a.pub"},
        {"key": "../out.pub"},
    ],
)
def test_settings_say_one_way(values: dict[str, str]) -> None:
    with pytest.raises(ValidationError):
        SignSpec.model_validate(values)


def test_a_gate_without_settings_or_key_is_shut(family: Family) -> None:
    rules = gates.Rules(QaSpec(), family.root, date(2026, 1, 1))
    image = gates.Image("srv", family.digests["srv"])
    with Referrers(family.repository) as client:
        (problem,) = gates.unmet(["signature"], client, [image], rules)
        assert "nothing says whose" in problem.message
        rules = gates.Rules(QaSpec(signatures=SignSpec(key="no.pub")), family.root, rules.today)
        with pytest.raises(UserError, match=r"there is no key no\.pub"):
            gates.unmet(["signature"], client, [image], rules)


# What gh 2.65 says of one that it has verified, in short.
VERIFIED = "echo '[{\"verificationResult\": {}}]'"


def gh_that(folder: Path, monkeypatch: pytest.MonkeyPatch, says: str) -> None:
    """A program in the place of `gh`: what that verifies is on GitHub alone."""
    program = folder / "gh"
    program.write_text(f"#!/bin/sh\n{says}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")


@pytest.mark.parametrize(
    ("identity", "words"),
    [
        ("octo/fam", "--repo octo/fam"),
        (
            "octo/fam/.github/workflows/release.yml",
            "--repo octo/fam --signer-workflow octo/fam/.github/workflows/release.yml",
        ),
    ],
)
def test_what_github_is_asked_for(
    family: Family,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    identity: str,
    words: str,
) -> None:
    gh_that(tmp_path, monkeypatch, f'echo "$@" >> {tmp_path}/asked\n{VERIFIED}')
    spec = SignSpec(by="github", identity=identity)
    rules = gates.Rules(QaSpec(signatures=spec), family.root, date(2026, 1, 1))
    image = gates.Image("srv", family.digests["srv"])
    with Referrers(family.repository) as client:
        assert not gates.unmet(["signature"], client, [image], rules)
        gh_that(tmp_path, monkeypatch, "exit 1")
        (problem,) = gates.unmet(["signature"], client, [image], rules)
    assert problem.message.startswith("srv (")
    place = f"oci://{family.repository}@{image.digest}"
    assert (tmp_path / "asked").read_text() == f"attestation verify {place} {words} --format json\n"


@pytest.mark.parametrize(
    ("says", "wrong"),
    [
        (VERIFIED, ""),
        # all that there are are of another kind: gh before 2.67 ends well
        ("exit 0", "has no attestation of"),
        ("echo '[]'", "has no attestation of"),
        ("echo 'Error: no attestations found for digest' >&2; exit 1", "has no attestation of"),
        ("echo 'Error: verifying with issuer \"sigstore.dev\"' >&2; exit 1", "has no attestation"),
        ("echo 'Error: failed to fetch remote image' >&2; exit 1", "can't be verified by gh"),
    ],
)
def test_what_gh_says_is_understood(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, says: str, wrong: str
) -> None:
    gh_that(tmp_path, monkeypatch, says)
    spec = SignSpec(by="github", identity="octo/fam")
    found = github.verify("ghcr.io/x/fam@sha256:0", spec)
    assert (found is None) if not wrong else (found is not None and wrong in found.message)


def test_gh_without_a_login_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gh_that(tmp_path, monkeypatch, "echo 'please run:  gh auth login' >&2\nexit 4")
    with pytest.raises(UserError, match="isn't logged in"):
        github.verify("ghcr.io/x/fam@sha256:0", SignSpec(by="github", identity="octo/fam"))
