"""What a release would do: every name, and what holds it now."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from lapstrake.errors import UserError
from lapstrake.report import console
from lapstrake_release.files import files_in
from lapstrake_release.job import PHASES, Job
from lapstrake_release.phases.check import planned_names, standing
from lapstrake_release.places import Verdict, places

_SAYINGS: dict[Verdict, str] = {
    "new": "new",
    "same": "is there",
    "moves": "moves",
    "kept": "stays with a release before",
    "taken": "holds something else",
}


@dataclass(frozen=True)
class Planned:
    """One name that a release would give; `state` is what there is to do about it."""

    image: str
    candidate: str
    reference: str
    state: str


@dataclass(frozen=True)
class Preview:
    """What a release would do.

    Attributes:
        files: names of wheels and source archives that dist/ has already.
        indexes: where they would go.
        github: OWNER/NAME of the draft; empty for none.
    """

    version: str
    git_tag: str
    commit: str
    phases: tuple[str, ...]
    names: tuple[Planned, ...]
    files: tuple[str, ...]
    indexes: tuple[str, ...]
    github: str

    def to_json(self) -> dict[str, Any]:
        """As `--json` prints it."""
        return asdict(self)


def preview(job: Job) -> Preview:
    """Plan a release; nothing is written, and registries are only read.

    Raises:
        UserError: the images can't be planned.
    """
    images = planned_names(job)
    candidates = {i.image: i.candidate(job.version.ours, 1) for i in images}
    wanted = places(job.targets.registries, images)
    return Preview(
        version=job.version.ours,
        git_tag=job.version.git_tag,
        commit=job.commit,
        phases=PHASES,
        names=tuple(
            Planned(p.image, f"{p.repository}:{candidates[p.image]}", str(p), state)
            for p, state in zip(wanted, _states(job, wanted), strict=True)
        ),
        files=_files(job),
        indexes=tuple(i.name for i in job.targets.indexes),
        github=job.targets.github or "",
    )


def _states(job: Job, wanted: list[Any]) -> list[str]:
    """What is to be done about each place, as far as that is known before the build."""
    try:
        with job.registries() as registries:
            found = standing(registries, wanted, job.version)
    except UserError:
        # the check says why; a plan is made all the same
        return ["?"] * len(wanted)
    return [
        _SAYINGS[found[p][0]] if p.digest or found[p][0] == "new" else f"is {found[p][1][:19]}… now"
        for p in wanted
    ]


def _files(job: Job) -> tuple[str, ...]:
    try:
        return tuple(f.name for f in files_in(job.dist, job.version))
    except UserError:
        return ()


def show(plan: Preview) -> None:
    """Print it for people."""
    console.say(f"release {plan.version} of {plan.commit[:12] or 'no commit'}")
    if plan.names:
        console.table(
            ["IMAGE", "CANDIDATE", "NAME", "NOW"],
            [[n.image, n.candidate, n.reference, n.state] for n in plan.names],
        )
    for index in plan.indexes:
        files = ", ".join(plan.files) or "the wheels and source archives that the build makes"
        console.say(f"{index}: {files}")
    if plan.github:
        console.say(f"github: a draft of {plan.git_tag} in {plan.github}")
