"""What a job in GitHub Actions shows of a release: a page of Markdown."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from lapstrake.errors import UserError
from lapstrake.redact import redact
from lapstrake_release.facts import DraftResult, ReleaseFacts
from lapstrake_release.github.notes import release_notes, size

_FILE = "GITHUB_STEP_SUMMARY"

# GitHub shows nothing of a summary that is larger.
_LIMIT = 1 << 20


def job_summary(facts: ReleaseFacts, draft: DraftResult | None = None) -> str:
    """The page: what was released and where it lies."""
    parts = [f"# {facts.family} {facts.version}"]
    if draft is not None and draft.url:
        total = size(sum(a.size for a in draft.assets))
        sent = sum(a.sent for a in draft.assets)
        parts.append(
            f"[The draft release]({draft.url}) has {len(draft.assets)} files ({total}), "
            f"{sent} of them new. Publishing it makes the tag `{facts.git_tag}`."
        )
    return "\n\n".join([*parts, release_notes(facts)])


def write_job_summary(text: str, env: Mapping[str, str] = os.environ) -> bool:
    """Add a page to the job's summary; False where this runs in no job.

    Raises:
        UserError: the file that the job names can't be written.
    """
    name = env.get(_FILE)
    if not name:
        return False
    data = f"{redact(text, env)}\n".encode()
    if len(data) > _LIMIT:
        data = data[: _LIMIT - 4].decode(errors="ignore").encode() + "…\n".encode()
    try:
        # other steps' pages stand there too
        with Path(name).open("ab") as file:
            file.write(data)
    except OSError as error:
        raise UserError(f"{_FILE} can't be written: {error.strerror}", name) from None
    return True
