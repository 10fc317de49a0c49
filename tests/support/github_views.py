"""The tests' GitHub in its own words: its state as the JSON that the API answers with."""

from __future__ import annotations

from typing import Any

from support.github_openapi import Description
from support.github_state import Asset, Comment, Commit, Issue, Label, Release, Repository, User

Json = dict[str, Any]


class Views:
    """Renders what a repository has; `address` is where the API begins."""

    def __init__(self, description: Description, repository: Repository, address: str) -> None:
        self._description = description
        self._repository = repository
        self._address = address

    @property
    def _api(self) -> str:
        return f"{self._address}/repos/{self._repository.full_name}"

    @property
    def _web(self) -> str:
        return f"{self._address}/web/{self._repository.full_name}"

    def _filled(self, name: str, /, **values: Any) -> Json:
        found: Json = self._description.filled(name, f"{self._address}/unused", **values)
        return found

    def user(self, user: User, schema: str = "simple-user") -> Json:
        values: Json = {"login": user.login, "id": user.id, "type": user.type}
        url = f"{self._address}/users/{user.login}"
        html = f"{self._address}/web/{user.login}"
        return self._filled(schema, **values, url=url, html_url=html)

    def repository(self, push: bool) -> Json:
        repository = self._repository
        rights = {"admin": False, "maintain": False, "push": push, "triage": push, "pull": True}
        return self._filled(
            "full-repository",
            id=1,
            name=repository.name,
            full_name=repository.full_name,
            owner=self.user(repository.owner),
            html_url=self._web,
            url=self._api,
            default_branch=repository.default_branch,
            archived=repository.archived,
            has_issues=repository.has_issues,
            permissions=rights,
            license=None,
        )

    def release(self, release: Release) -> Json:
        tag = f"untagged-{release.id}" if release.draft else release.tag
        url = f"{self._api}/releases/{release.id}"
        return self._filled(
            "release",
            id=release.id,
            url=url,
            assets_url=f"{url}/assets",
            upload_url=url.replace("/repos/", "/_uploads/repos/") + "/assets{?name,label}",
            html_url=f"{self._web}/releases/tag/{tag}",
            tag_name=release.tag,
            target_commitish=release.target,
            name=release.name,
            body=release.body,
            draft=release.draft,
            prerelease=release.prerelease,
            created_at=release.created,
            published_at=release.published,
            author=self.user(release.author),
            assets=[self.asset(release, a) for a in release.assets],
        )

    def asset(self, release: Release, asset: Asset) -> Json:
        tag = f"untagged-{release.id}" if release.draft else release.tag
        return self._filled(
            "release-asset",
            id=asset.id,
            url=f"{self._api}/releases/assets/{asset.id}",
            browser_download_url=f"{self._web}/releases/download/{tag}/{asset.name}",
            name=asset.name,
            label=asset.label,
            state={"uploaded": "uploaded"}.get(asset.state, "open"),
            content_type=asset.content_type,
            size=len(asset.data),
            digest=asset.digest if asset.state == "uploaded" else None,
            created_at=asset.created,
            updated_at=asset.created,
            uploader=self.user(asset.uploader),
        )

    def commit(self, commit: Commit) -> Json:
        url = f"{self._api}/commits/{commit.sha}"
        people = {
            who: dict(zip(("name", "email", "date"), person, strict=True))
            for who, person in (("author", commit.author), ("committer", commit.committer))
        }
        return self._filled(
            "commit",
            sha=commit.sha,
            url=url,
            html_url=f"{self._web}/commit/{commit.sha}",
            commit={
                **people,
                "message": commit.message,
                "tree": {"sha": commit.tree, "url": f"{self._api}/git/trees/{commit.tree}"},
                "url": f"{self._api}/git/commits/{commit.sha}",
                "comment_count": 0,
            },
            author=self.user(self._repository.user("ada")),
            committer=self.user(self._repository.user("web-flow")),
            parents=[{"sha": p, "url": f"{self._api}/commits/{p}"} for p in commit.parents],
        )

    def comparison(self, base: Commit, head: Commit, merge: Commit, **values: Any) -> Json:
        pair = f"{base.sha}...{head.sha}"
        return self._filled(
            "commit-comparison",
            url=f"{self._api}/compare/{pair}",
            html_url=f"{self._web}/compare/{pair}",
            base_commit=self.commit(base),
            merge_base_commit=self.commit(merge),
            files=[],
            **values,
        )

    def tag(self, name: str, commit: str) -> Json:
        target = {"sha": commit, "url": f"{self._api}/commits/{commit}"}
        return self._filled("tag", name=name, commit=target)

    def ref(self, name: str, sha: str, kind: str) -> Json:
        target = {"sha": sha, "type": kind, "url": f"{self._api}/git/{kind}s/{sha}"}
        url = f"{self._api}/git/{name}"
        return self._filled("git-ref", ref=name, url=url, object=target)

    def tag_object(self, sha: str, name: str, commit: str) -> Json:
        tagger = {"name": "ada", "email": "ada@example.org", "date": "2024-01-01T00:00:00Z"}
        target = {"sha": commit, "type": "commit", "url": f"{self._api}/git/commits/{commit}"}
        return self._filled("git-tag", tag=name, sha=sha, message="", tagger=tagger, object=target)

    def label(self, label: Label) -> Json:
        return self._filled(
            "label",
            id=label.id,
            url=f"{self._api}/labels/{label.name.replace(' ', '%20')}",
            name=label.name,
            color=label.color,
            description=label.description,
        )

    def issue(self, issue: Issue) -> Json:
        url = f"{self._api}/issues/{issue.number}"
        kind = "pull" if issue.pull else "issues"
        # the description has no null among the reasons
        values: Json = {"state_reason": issue.reason} if issue.reason else {}
        if issue.pull is not None:
            values["pull_request"] = self._pull_links(issue)
        return self._filled(
            "issue",
            id=issue.id,
            url=url,
            repository_url=self._api,
            comments_url=f"{url}/comments",
            labels_url=f"{url}/labels{{/name}}",
            html_url=f"{self._web}/{kind}/{issue.number}",
            number=issue.number,
            title=issue.title,
            body=issue.body,
            user=self.user(issue.user),
            author_association=self._repository.association(issue.user),
            assignees=[self.user(x) for x in issue.assignees],
            labels=[self.label(x) for x in issue.labels],
            state=issue.state,
            comments=len(issue.comments),
            created_at=issue.created,
            updated_at=issue.updated,
            closed_at=issue.closed,
            **values,
        )

    def _pull_links(self, issue: Issue) -> Json:
        html = f"{self._web}/pull/{issue.number}"
        return {
            "url": f"{self._api}/pulls/{issue.number}",
            "html_url": html,
            "diff_url": f"{html}.diff",
            "patch_url": f"{html}.patch",
        }

    def comment(self, issue: Issue, comment: Comment) -> Json:
        return self._filled(
            "issue-comment",
            id=comment.id,
            url=f"{self._api}/issues/comments/{comment.id}",
            html_url=f"{self._web}/issues/{issue.number}#issuecomment-{comment.id}",
            issue_url=f"{self._api}/issues/{issue.number}",
            body=comment.body,
            user=self.user(comment.user),
            author_association=self._repository.association(comment.user),
            created_at=comment.created,
            updated_at=comment.updated,
        )

    def pull(self, issue: Issue, schema: str = "pull-request-simple") -> Json:
        assert issue.pull is not None
        values: Json = {}
        if schema == "pull-request":
            values = {"merged": issue.pull.merged is not None, "comments": len(issue.comments)}
        return self._filled(
            schema,
            **self._pull_links(issue),
            id=issue.id,
            number=issue.number,
            state=issue.state,
            title=issue.title,
            body=issue.body,
            user=self.user(issue.user),
            labels=[self.label(x) for x in issue.labels],
            created_at=issue.created,
            updated_at=issue.updated,
            closed_at=issue.closed,
            merged_at=issue.pull.merged,
            merge_commit_sha=issue.pull.commit,
            issue_url=f"{self._api}/issues/{issue.number}",
            comments_url=f"{self._api}/issues/{issue.number}/comments",
            head=self._end(schema, "head", issue.pull.head),
            base=self._end(schema, "base", issue.pull.base),
            author_association="CONTRIBUTOR",
            auto_merge=None,
            **values,
        )

    def _end(self, schema: str, end: str, branch: str) -> Json:
        """One end of a pull request, both in this repository."""
        owner = self._repository.owner
        return {
            **self._description.filled_at(schema, end, f"{self._address}/unused"),
            "ref": branch,
            "label": f"{owner.login}:{branch}",
            "sha": "0" * 40,
            "user": self.user(owner),
        }
