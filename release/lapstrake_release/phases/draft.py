"""Phase 6: the draft release on GitHub. It stays a draft; publishing it makes the git tag."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from urllib.parse import urlsplit

from lapstrake.errors import UserError
from lapstrake_release.evidence import write_evidence
from lapstrake_release.evidence.publishable import check_publishable
from lapstrake_release.facts import DraftResult, ReleaseFacts
from lapstrake_release.job import Job, Meter
from lapstrake_release.problems import Refusal

_SERVER = "https://github.com"


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
    meter = Meter(job.journal, sum(p.stat().st_size for p in facts.published))
    with (
        GithubClient(settings) as client,
        job.progress.step("draft", f"draft  {facts.git_tag}"),
    ):
        result = publish_draft(client, facts, meter.adding(job.targets.github))
    job.journal.done("draft", facts.git_tag, url=result.url, assets=len(result.assets))
    return result


def evidence(job: Job, facts: ReleaseFacts) -> ReleaseFacts:
    """The facts with SBOMs, provenance and checksums, which are written into dist/evidence/.

    Raises:
        UserError: what would be published can't be, or not beside each other.
    """
    github = job.targets.github
    source = f"{server_of()}/{github}" if github else job.definition.family.source
    written = write_evidence(facts, job.dist / "evidence", source)
    found = replace(facts, evidence=tuple(sorted({*facts.evidence, *written})))
    if github:
        check_publishable(found.published)
    return found


def server_of(env: Mapping[str, str] = os.environ) -> str:
    """Where the pages of repositories are: of the GitHub that this runs on, or whose API is named.

    Raises:
        UserError: GITHUB_SERVER_URL is no address.
    """
    # that of a GitHub of one's own; a workflow there has both variables
    api = urlsplit(env.get("GITHUB_API_URL") or "")
    own = f"{api.scheme}://{api.netloc}" if api.path.rstrip("/") == "/api/v3" else _SERVER
    found = (env.get("GITHUB_SERVER_URL") or own).rstrip("/")
    parts = urlsplit(found)
    if parts.scheme not in {"http", "https"} or not parts.netloc or parts.username is not None:
        raise UserError("GITHUB_SERVER_URL is no address", f"by default it is {_SERVER}")
    return found
