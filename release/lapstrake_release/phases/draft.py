"""Phase 6: the draft release on GitHub. It stays a draft; publishing it makes the git tag."""

from __future__ import annotations

from lapstrake_release.evidence import write_evidence
from lapstrake_release.facts import DraftResult, ReleaseFacts
from lapstrake_release.job import Job, Meter
from lapstrake_release.problems import Refusal


def check(job: Job) -> None:
    """What stands against a draft; nothing where GitHub is not among the targets.

    Raises:
        Refusal: with every reason.
        UserError: there is no token.
    """
    if job.targets.github is None:
        return
    from lapstrake_release.github import GithubClient, check_target, find_settings

    settings = find_settings(job.targets.github, job.definition.root)
    with GithubClient(settings) as client:
        found = check_target(client, job.version.git_tag, job.commit)
    if found:
        raise Refusal(found)


def draft(job: Job, facts: ReleaseFacts) -> DraftResult:
    """Have the draft with all of its files; `none` where GitHub is not among the targets."""
    if job.targets.github is None:
        return DraftResult("none")
    from lapstrake_release.github import GithubClient, find_settings, publish_draft

    settings = find_settings(job.targets.github, job.definition.root)
    meter = Meter(job.journal, sum(f.size for f in facts.files) or 1)
    with (
        GithubClient(settings) as client,
        job.progress.step("draft", f"draft  {facts.git_tag}"),
    ):
        result = publish_draft(client, facts, meter.adding(job.targets.github))
    job.journal.done("draft", facts.git_tag, url=result.url, assets=len(result.assets))
    return result


def evidence(job: Job, facts: ReleaseFacts) -> ReleaseFacts:
    """The facts with SBOMs, provenance and checksums, which are written into dist/evidence/."""
    from dataclasses import replace

    source = f"https://github.com/{job.targets.github}" if job.targets.github else ""
    source = source or job.definition.family.source
    written = write_evidence(facts, job.dist / "evidence", source)
    return replace(facts, evidence=tuple(sorted({*facts.evidence, *written})))
