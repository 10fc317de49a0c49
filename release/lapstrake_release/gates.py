"""What stands between images and a channel: verdicts, scans, signatures.

Everything is read from the registry that has the images, and judged by the settings as they are
today: an entry of the allow list that is over stops what it let pass yesterday.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Literal

from lapstrake.definition.qa import QaSpec
from lapstrake.definition.repository import Repository
from lapstrake.errors import UserError
from lapstrake_release import scan, verdicts
from lapstrake_release.beside.referrers import Referrers
from lapstrake_release.scan.model import Finding
from lapstrake_release.verdicts.model import has_passed, said

Need = Literal["verdict", "scan", "signature"]

# So many findings are named in one line.
_NAMED = 5


@dataclass(frozen=True)
class Image:
    """What a gate is asked about: an image's name, and the digest of its manifest."""

    name: str
    digest: str


@dataclass(frozen=True)
class Rules:
    """By what it is judged.

    Attributes:
        spec: `qa:` of lapstrake.yaml; `root` the folder that its paths begin at.
        today: the day on which it is judged, in UTC.
    """

    spec: QaSpec
    root: Path
    today: date

    @classmethod
    def of(cls, repo: Repository) -> Rules:
        """Those of a repository, today."""
        return cls(repo.family.qa, repo.root, datetime.now(UTC).date())


def unmet(
    needs: Collection[Need], registry: Referrers, images: Sequence[Image], rules: Rules
) -> list[UserError]:
    """What is missing for images to pass: one problem an image and need, in the images' order.

    Args:
        needs: what is asked for; nothing is read for what isn't.
        registry: has the images, and what lies beside them.

    Raises:
        UserError: the registry can't be reached, or what lies there can't be read.
    """
    checks: dict[Need, Callable[[], Iterable[UserError]]] = {
        "verdict": lambda: _verdicts(registry, images, rules),
        "scan": lambda: _scans(registry, images, rules),
        "signature": lambda: _signatures(registry, images, rules),
    }
    return [p for need, check in checks.items() if need in needs for p in check()]


def _verdicts(registry: Referrers, images: Sequence[Image], rules: Rules) -> Iterator[UserError]:
    found = verdicts.read_all(registry, {i.digest for i in images})
    needed = rules.spec.verdicts
    for image in images:
        given = found[image.digest]
        if not has_passed(given, needed):
            last = [v for v in verdicts.standing(given) if v.outcome == "fail" and v.note]
            yield UserError(
                f"{image.name} ({_short(image.digest)}) is {said(given, needed)}",
                f"lapstrake verdict VERSION pass --image {image.name}",
                tuple(f"{v.by}: {v.note.splitlines()[0]}" for v in last),
            )


def _scans(registry: Referrers, images: Sequence[Image], rules: Rules) -> Iterator[UserError]:
    found = scan.latest_of_all(registry, {i.digest for i in images})
    spec = rules.spec.scan
    for image in images:
        about, findings = f"{image.name} ({_short(image.digest)})", found[image.digest]
        if findings is None:
            yield UserError(f"{about} was not scanned", "lapstrake scan VERSION")
        elif _is_old(findings.at, spec.days, rules.today):
            when = findings.at.date().isoformat()
            yield UserError(
                f"{about} was last scanned on {when}, and a scan counts {spec.days} days",
                "lapstrake scan VERSION",
            )
        elif stopping := scan.judge(findings, spec, rules.today).stopping:
            count = f"{len(stopping)} finding{'s' * (len(stopping) > 1)}"
            yield UserError(
                f"{about} has {count} of {spec.severity} or worse: {_named(stopping)}",
                "mend them, or list them in `qa.scan.allow` with a reason and an end date",
            )


def _signatures(registry: Referrers, images: Sequence[Image], rules: Rules) -> Iterator[UserError]:
    from lapstrake_release.sign.verify import unsigned

    if rules.spec.signatures is None:
        yield UserError(
            "signatures are asked for, but nothing says whose", "lapstrake.yaml: qa.signatures"
        )
        return
    wrong = unsigned(registry, {i.digest for i in images}, rules.spec.signatures, rules.root)
    for image in images:
        if error := wrong.get(image.digest):
            message = f"{image.name} ({_short(image.digest)}) {error.message}"
            yield UserError(message, error.hint, error.details)


def _is_old(at: datetime, days: int | None, today: date) -> bool:
    return days is not None and at.astimezone(UTC).date() + timedelta(days=days) < today


def _named(findings: Sequence[Finding]) -> str:
    names = list(dict.fromkeys(f"{f.id} in {f.package}" for f in findings))
    more = [f"and {len(names) - _NAMED} more"] if len(names) > _NAMED else []
    return ", ".join([*names[:_NAMED], *more])


def _short(digest: str) -> str:
    return digest[: len("sha256:") + 12]
