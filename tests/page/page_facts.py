"""Facts of a family as large and as eventful as one likes: what the page is tried with."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from lapstrake.definition.models import PortSpec, Service
from lapstrake.inspect.contents import Package, PackageChange
from lapstrake.smoke.report import CheckResult
from lapstrake_release.page.facts import (
    Changes,
    Channel,
    Command,
    Held,
    Image,
    ImageChange,
    Layer,
    LayerChange,
    Move,
    PageFacts,
)
from lapstrake_release.scan.compare import Risks, compare
from lapstrake_release.scan.model import Finding, Findings
from lapstrake_release.verdicts.model import Verdict

NOW = datetime(2026, 11, 21, 14, 5, tzinfo=UTC)
REPOSITORY = "registry.example/acme/models"
CHECKS = [
    "container-starts",
    "models-train",
    "services-answer",
    "ports",
    "service-logs",
    "v2-rest",
    "v2-rest-inference",
    "v2-grpc",
    "v2-grpc-inference",
    "metrics",
    "ssh-with-key",
    "ssh-without-key",
    "ssh-command-environment",
    "ssh-login-environment",
    "ssh-interactive-environment",
    "ssh-file-transfer",
    "service-environment",
    "no-host-keys",
    "no-password-hashes",
    "size",
    "image-config",
    "pip-check",
    "imports",
    "tag-is-true",
    "runs-as-any-user",
    "killed-service-returns",
    "stops-in-time",
]


def digest(of: str) -> str:
    return f"sha256:{hashlib.sha256(of.encode()).hexdigest()}"


def names(count: int) -> list[str]:
    """`base`, `slim`, then runtimes."""
    return ["base", "slim", *(f"runtime-{n:02}" for n in range(1, count - 1))][:count]


def family_layers(images: list[str]) -> tuple[Layer, ...]:
    """Ten that all share, some that all but the first do, and one or two of each alone."""
    found = [
        Layer(digest(f"root {n}"), "root", "bookworm, 123 packages", size, size * 3, tuple(images))
        for n, size in enumerate(range(11_000_000, 1_000_000, -1_000_000))
    ]
    above = tuple(images[1:])
    for title, size in (("66 wheels of slim", 47_821_858), ("numpy 2.4.6", 18_957_701)):
        if above:
            found.append(Layer(digest(title), "wheels", title, size, size * 3, above))
    for at, name in enumerate(images):
        own = (28_222, 9_000_000 * (at % 7))
        found += [
            Layer(digest(f"{name} {n}"), "files", f"system of {name} {n}", size, size, (name,))
            for n, size in enumerate(own)
            if size
        ]
    return tuple(found)


def checks_of(name: str, failed: tuple[str, ...] = ()) -> tuple[CheckResult, ...]:
    """All checks of an image; every ninth is skipped."""
    found = []
    for at, check in enumerate(CHECKS):
        result = CheckResult(image=name, name=check, verdict="passed", seconds=0.1 * at)
        if check in failed:
            result = result.model_copy(
                update={
                    "verdict": "failed",
                    "expected": "HTTP 200 at /v2/health/ready within 90 s",
                    "seen": "HTTP 503: model 'churn' is not ready",
                    "log": tuple(f"2026-11-21 14:0{n} mlserver: loading churn…" for n in range(8)),
                }
            )
        elif at % 9 == 1:
            why = "the image has no smoke tests of its own"
            result = result.model_copy(update={"verdict": "skipped", "why": why, "seconds": 0.0})
        found.append(result)
    return tuple(found)


def image(name: str, layers: tuple[Layer, ...]) -> Image:
    has = tuple(i for i, x in enumerate(layers) if name in x.images)
    return Image(
        name=name,
        description=f"Serves {name} models",
        extends=None if name == "base" else "slim",
        digest=digest(name),
        config=digest(f"config of {name}"),
        size=sum(layers[i].size for i in has),
        own=sum(layers[i].size for i in has if len(layers[i].images) == 1),
        layers=has,
        budget=300_000_000,
        python=None if name == "base" else "3.11",
        services=(
            Service(
                name="mlserver",
                command=["mlserver"],
                ports=[
                    PortSpec(port=8080, name="rest", protocol="http", path="/v2"),
                    PortSpec(port=8081, name="grpc", protocol="grpc"),
                ],
            ),
        ),
        tags=(f"1.2.0-{name}", f"{name}1.7.1-python3.11-debian12"),
        pulls=(
            Command("By digest", f"docker pull {REPOSITORY}@{digest(name)}"),
            Command("By name", f"docker pull {REPOSITORY}:1.2.0-{name}"),
        ),
        checks=checks_of(name),
    )


def family(count: int = 6) -> PageFacts:
    """A family whose checks have all passed, and of which no registry was asked."""
    images = names(count)
    layers = family_layers(images)
    return PageFacts(
        family="models",
        version="1.2.0",
        platform="linux/amd64",
        epoch=1_795_219_200,
        engine="local",
        lapstrake="0.1.0",
        images=tuple(image(n, layers) for n in images),
        layers=layers,
        tested_by="Engine 20.10.24",
    )


def eventful(count: int = 6, moves: int = 12) -> PageFacts:
    """The same with failures, verdicts, channels and a version before."""
    facts = family(count)
    first, second, *others = facts.images
    failing = replace(second, checks=checks_of(second.name, ("v2-rest", "metrics")))
    images = (replace(first, checks=None), failing, *others)
    return replace(
        facts,
        images=tuple(replace(i, verdicts=verdicts_of(i), findings=findings_of(i)) for i in images),
        repository=REPOSITORY,
        read_at=NOW,
        channels=channels(facts, moves),
        changes=changes(facts),
    )


def verdicts_of(image: Image) -> tuple[Verdict, ...]:
    """One image nobody looked at, one that failed, others that passed."""
    if image.name == "base":
        return ()
    outcome = "fail" if image.name == "slim" else "pass"
    note = "the demo ends with HTTP 503" if outcome == "fail" else ""
    verdict = Verdict.model_validate(
        {
            "outcome": outcome,
            "family": "models",
            "version": "1.2.0",
            "image": image.name,
            "digest": image.digest,
            "by": "kim",
            "note": note,
            "at": NOW - timedelta(hours=3),
            "source": "https://github.example/acme/models/issues/12#issuecomment-1",
        }
    )
    return (verdict,)


def findings_of(image: Image) -> Findings | None:
    """One image was never scanned, one is clean, the others have eight vulnerabilities."""
    if image.name == "base":
        return None
    levels = ("low", "critical", "high", "medium")
    found = [
        Finding(id=f"CVE-2026-{n}", package="libssl3", version="3.0.17", severity=levels[n % 4])
        for n in range(1000, 1008 if image.name != "slim" else 1000)
    ]
    return Findings(
        scanner="trivy",
        scanner_version="0.58.1",
        family="models",
        version="1.2.0",
        image=image.name,
        digest=image.digest,
        at=NOW - timedelta(hours=5),
        findings=tuple(found),
    )


def channels(facts: PageFacts, moves: int) -> tuple[Channel, ...]:
    """Testing has this version, staging is mixed, production an earlier one."""
    now = tuple(Held(i.name, i.digest) for i in facts.images)
    old = tuple(Held(i.name, digest(f"old {i.name}")) for i in facts.images)
    mixed = (*now[:2], *old[2:])
    said = (
        ("testing", now, ""),
        ("staging", mixed, "a move was interrupted"),
        ("production", old, ""),
    )
    return tuple(
        Channel(name, moves, f"1.2.0.rc{moves}", held, trouble, history(name, moves), older=at * 3)
        for at, (name, held, trouble) in enumerate(said)
    )


def history(channel: str, moves: int) -> tuple[Move, ...]:
    """The newest first; every fifth goes back."""
    return tuple(
        Move(
            number=n,
            kind="rollback" if n % 5 == 0 else "promote",
            version=f"1.2.0.rc{n}",
            before=f"1.2.0.rc{n - 1}" if n > 1 else "",
            at=NOW - timedelta(days=moves - n, minutes=len(channel)),
            by=("kim", "alex", "sasha")[n % 3],
            why=f"the {n}th look at {channel}",
            state="done",
        )
        for n in range(moves, 0, -1)
    )


def changes(facts: PageFacts) -> Changes:
    """One image is the same, one is new, one is gone; the others have a newer numpy.

    One image was never scanned, two vulnerabilities of the others are new and one is gone.
    """
    same, *others = facts.images[:-1]
    found = [ImageChange(same.name, same.digest, same.digest, same.size, same.size, (), ())]
    for at, image in enumerate(others):
        packages = (
            PackageChange(Package("debian", "libssl3"), "3.0.17-1~deb12u2", "3.0.17-1~deb12u3"),
            PackageChange(Package("python", "numpy"), "2.4.5", "2.4.6"),
            PackageChange(Package("python", "pandas"), "", "3.1.1"),
            PackageChange(Package("python", "six"), "1.17.0", ""),
        )
        layers = (
            LayerChange("numpy 2.4.5", digest("numpy 2.4.5"), 18_900_000, gone=True),
            LayerChange("numpy 2.4.6", digest("numpy 2.4.6"), 18_957_701, gone=False),
        )
        before = digest(f"old {image.name}")
        found.append(
            ImageChange(
                image.name,
                before,
                image.digest,
                image.size - 57_701,
                image.size,
                packages if at else None,
                layers,
                risks_of(image) if at else None,
            )
        )
    gone = ("legacy",)
    return Changes("1.1.0", tuple(found), (facts.images[-1].name,), removed=gone, scans=True)


def risks_of(image: Image) -> Risks | None:
    """The last scan against one a week before that knew less, and of something else."""
    now = findings_of(image)
    if now is None:
        return None
    url = "https://github.example/advisories/GHSA-4xh5-x5gv-qwph"
    other = Finding(
        id="GHSA-4xh5-x5gv-qwph", package="six", version="1.17.0", severity="low", url=url
    )
    before = now.model_copy(
        update={"findings": (*now.findings[2:], other), "at": now.at - timedelta(days=7)}
    )
    return compare(before, now)
