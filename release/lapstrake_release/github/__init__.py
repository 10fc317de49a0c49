"""The draft release on GitHub: its notes and files. Publishing it is left to a person."""

from __future__ import annotations

from lapstrake_release.github.changes import Change, Changes, find_changes
from lapstrake_release.github.check import check_target
from lapstrake_release.github.client import GithubClient
from lapstrake_release.github.draft import FoundRelease, find_release, publish_draft
from lapstrake_release.github.notes import release_notes
from lapstrake_release.github.settings import GithubSettings, find_settings
from lapstrake_release.github.summary import job_summary, write_job_summary

__all__ = [
    "Change",
    "Changes",
    "FoundRelease",
    "GithubClient",
    "GithubSettings",
    "check_target",
    "find_changes",
    "find_release",
    "find_settings",
    "job_summary",
    "publish_draft",
    "release_notes",
    "write_job_summary",
]
