"""A draft published by a process that can be killed; it imports nothing else, to start at once."""

from __future__ import annotations

from lapstrake_release.facts import ReleaseFacts
from lapstrake_release.github import GithubClient, GithubSettings, publish_draft


def publish(settings: GithubSettings, facts: ReleaseFacts) -> None:
    with GithubClient(settings) as client:
        publish_draft(client, facts)
