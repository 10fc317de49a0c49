"""What became of a release: for the terminal, as JSON, and for the page of a job on GitHub."""

from __future__ import annotations

import os
from dataclasses import asdict
from typing import Any

from lapstrake.report import console
from lapstrake_release.facts import FileFacts, ImageFacts
from lapstrake_release.job import Job
from lapstrake_release.release import Ended

_PAGE = "GITHUB_STEP_SUMMARY"


def to_json(job: Job, ended: Ended) -> dict[str, Any]:
    """The summary as `--json` prints it, and as dist/release-VERSION.json keeps it."""
    facts = ended.facts
    return {
        "version": job.version.ours,
        "git_tag": job.version.git_tag,
        "commit": job.commit,
        "job": job.journal.state.job,
        "outcome": ended.outcome,
        "error": ended.error.message if ended.error else "",
        "seconds": round(ended.seconds, 3),
        "phases": job.journal.state.seconds,
        "images": [_image(i) for i in facts.images] if facts else [],
        "files": [_file(f) for f in facts.files] if facts else [],
        "draft": {k: v for k, v in asdict(ended.draft).items() if k != "assets"},
        "assets": [asdict(a) for a in ended.draft.assets],
        "sent": asdict(job.sent),
        "remarks": job.remarks,
        "public": public(job),
    }


def public(job: Job) -> list[str]:
    """The public names and files that stand by now, as the journal knows them."""
    kinds = {"names", "wheels"}
    return sorted(key for phase, key in job.journal.state.done if phase in kinds)


def _image(image: ImageFacts) -> dict[str, Any]:
    known = asdict(image)
    return {k: known[k] for k in ("name", "digest", "size", "references", "pinned")}


def _file(file: FileFacts) -> dict[str, Any]:
    return {"name": file.name, "sha256": file.sha256, "size": file.size, "urls": file.urls}


def show(job: Job, ended: Ended) -> None:
    """Print it for people."""
    if ended.facts is not None and ended.facts.images:
        console.table(
            ["IMAGE", "DIGEST", "NAME"],
            [
                [i.name, i.digest, reference]
                for i in ended.facts.images
                for reference in i.references or ("-",)
            ],
        )
    if ended.facts is not None and ended.facts.files:
        console.table(
            ["FILE", "SHA256", "SIZE"],
            [[f.name, f.sha256, console.bytes_text(f.size)] for f in ended.facts.files],
        )
    for remark in job.remarks:
        console.note(f"note: {remark}")
    if ended.draft.url:
        console.say(f"draft {ended.draft.state}: {ended.draft.url}")
    console.say(_last_line(job, ended))


def _last_line(job: Job, ended: Ended) -> str:
    sent = job.sent
    travelled = (
        f"{sent.blobs} blobs ({console.bytes_text(sent.bytes)}), {sent.files} files and "
        f"{sent.names} names sent"
    )
    took = console.seconds_text(ended.seconds)
    if ended.outcome == "done":
        return f"{job.version.ours} is released: {travelled}, {took}"
    stands = public(job)
    left = f"{len(stands)} public names and files stand" if stands else "nothing is public"
    return f"{job.version.ours} {ended.outcome}: {left}; {travelled}, {took}"


def write_page(job: Job, ended: Ended) -> None:
    """Add it to the page of the job on GitHub that this runs in, if it does."""
    if not os.environ.get(_PAGE):
        return
    from lapstrake_release.github.summary import job_summary, write_job_summary

    text = job_summary(ended.facts, ended.draft) if ended.facts else f"# {_last_line(job, ended)}"
    if ended.error is not None:
        text += f"\n\n{ended.error.message}\n\n{ended.error.hint}"
    if job.remarks:
        text += "\n\n" + "\n".join(f"- {r}" for r in job.remarks)
    write_job_summary(text)
