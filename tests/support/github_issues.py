"""The tests' GitHub: issues and what is one in part, pull requests; comments, labels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from support.github_routes import Answer, R, Refused, Request, invalid, not_found, route
from support.github_state import Comment, Issue, now

if TYPE_CHECKING:
    from support.github_api import GithubApi

# GitHub takes no longer text.
_LONGEST = 65_536


@route("GET", R + "/pulls")
def pulls(api: GithubApi, request: Request) -> Answer:
    state, order = request.query.get("state", "open"), request.query.get("sort", "created")
    found = [i for i in api.repository.issues if i.pull and state in {i.state, "all"}]
    down = request.query.get("direction", "desc") == "desc"
    found.sort(key=lambda i: i.updated if order == "updated" else i.created, reverse=down)
    return Answer(200, rows=found, view=api.views.pull)


@route("GET", R + "/pulls/{pull_number}")
def one_pull(api: GithubApi, request: Request) -> Answer:
    issue = _issue(api, request.path["pull_number"])
    if issue.pull is None:
        raise not_found()
    return Answer(200, api.views.pull(issue, "pull-request"))


@route("GET", R + "/labels")
def labels(api: GithubApi, request: Request) -> Answer:
    return Answer(200, rows=list(api.repository.labels.values()), view=api.views.label)


@route("POST", R + "/labels", writes=True)
def new_label(api: GithubApi, request: Request) -> Answer:
    wish = request.json
    if wish["name"].lower() in api.repository.labels:
        raise invalid("Label", "name", "already_exists")
    label = api.repository.label(wish["name"])
    label.color = wish.get("color", label.color)
    label.description = wish.get("description", "")
    return Answer(201, api.views.label(label))


@route("GET", R + "/issues")
def issues(api: GithubApi, request: Request) -> Answer:
    state = request.query.get("state", "open")
    wanted = {x.lower() for x in request.query.get("labels", "").split(",") if x}
    found = [
        i
        for i in reversed(api.repository.issues)
        if state in {i.state, "all"} and wanted <= {x.name.lower() for x in i.labels}
    ]
    return Answer(200, rows=found, view=api.views.issue)


@route("POST", R + "/issues", writes=True)
def new_issue(api: GithubApi, request: Request) -> Answer:
    assert request.user is not None
    wish = request.json
    issue = api.repository.issue(str(wish["title"]), request.user.login, _names(wish))
    issue.body = _text("Issue", wish.get("body"))
    for login in wish.get("assignees") or ():
        if not api.repository.is_assignable(login):
            raise invalid("Issue", "assignees", "invalid")
        issue.assignees.append(api.repository.user(login))
    return Answer(201, api.views.issue(issue))


@route("GET", R + "/assignees/{assignee}")
def assignee(api: GithubApi, request: Request) -> Answer:
    if not api.repository.is_assignable(request.path["assignee"]):
        raise not_found()
    return Answer(204)


@route("GET", R + "/issues/{issue_number}")
def one_issue(api: GithubApi, request: Request) -> Answer:
    return Answer(200, api.views.issue(_issue(api, request.path["issue_number"])))


@route("PATCH", R + "/issues/{issue_number}", writes=True)
def change_issue(api: GithubApi, request: Request) -> Answer:
    issue, wish = _issue(api, request.path["issue_number"]), request.json
    issue.title = str(wish.get("title", issue.title))
    issue.body = _text("Issue", wish.get("body", issue.body))
    if "labels" in wish:
        issue.labels = [api.repository.label(x) for x in _names(wish)]
    if wish.get("state", issue.state) != issue.state:
        issue.state = wish["state"]
        issue.closed = now() if issue.state == "closed" else None
        issue.reason = "completed" if issue.state == "closed" else "reopened"
    issue.reason = wish.get("state_reason", issue.reason)
    issue.updated = now()
    return Answer(200, api.views.issue(issue))


@route("GET", R + "/issues/{issue_number}/comments")
def comments(api: GithubApi, request: Request) -> Answer:
    issue = _issue(api, request.path["issue_number"])
    return Answer(200, rows=[api.views.comment(issue, c) for c in issue.comments])


@route("POST", R + "/issues/{issue_number}/comments", writes=True)
def new_comment(api: GithubApi, request: Request) -> Answer:
    issue = _issue(api, request.path["issue_number"])
    assert request.user is not None
    if not request.json["body"].strip():
        raise invalid("IssueComment", "body", "missing_field")
    said = _text("IssueComment", request.json["body"]) or ""
    comment = Comment(api.repository.id(), request.user, said)
    issue.comments.append(comment)
    issue.updated = comment.created
    return Answer(201, api.views.comment(issue, comment))


@route("PATCH", R + "/issues/comments/{comment_id}", writes=True)
def change_comment(api: GithubApi, request: Request) -> Answer:
    issue, comment = _comment(api, request)
    comment.body, comment.updated = request.json["body"], now()
    return Answer(200, api.views.comment(issue, comment))


@route("DELETE", R + "/issues/comments/{comment_id}", writes=True)
def delete_comment(api: GithubApi, request: Request) -> Answer:
    issue, comment = _comment(api, request)
    issue.comments.remove(comment)
    return Answer(204)


@route("GET", R + "/issues/{issue_number}/labels")
def issue_labels(api: GithubApi, request: Request) -> Answer:
    issue = _issue(api, request.path["issue_number"])
    return Answer(200, rows=issue.labels, view=api.views.label)


@route("POST", R + "/issues/{issue_number}/labels", writes=True)
def add_labels(api: GithubApi, request: Request) -> Answer:
    issue = _issue(api, request.path["issue_number"])
    new = [api.repository.label(x) for x in _names(request.json)]
    issue.labels += [x for x in new if x not in issue.labels]
    return Answer(200, [api.views.label(x) for x in issue.labels])


@route("DELETE", R + "/issues/{issue_number}/labels/{name}", writes=True)
def remove_label(api: GithubApi, request: Request) -> Answer:
    issue, name = _issue(api, request.path["issue_number"]), request.path["name"].lower()
    if name not in {x.name.lower() for x in issue.labels}:
        raise Refused(404, "Label does not exist")
    issue.labels = [x for x in issue.labels if x.name.lower() != name]
    return Answer(200, [api.views.label(x) for x in issue.labels])


def _text(resource: str, text: str | None) -> str | None:
    if text is not None and len(text) > _LONGEST:
        raise invalid(resource, "body", "custom")
    return text


def _names(wish: Mapping[str, Any]) -> tuple[str, ...]:
    found = wish.get("labels") or []
    return tuple(x if isinstance(x, str) else x["name"] for x in found)


def _issue(api: GithubApi, number: str) -> Issue:
    found = next((i for i in api.repository.issues if i.number == int(number)), None)
    if found is None:
        raise not_found()
    return found


def _comment(api: GithubApi, request: Request) -> tuple[Issue, Comment]:
    for issue in api.repository.issues:
        for comment in issue.comments:
            if comment.id == int(request.path["comment_id"]):
                return issue, comment
    raise not_found()
