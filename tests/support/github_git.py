"""The tests' GitHub: references, tags, commits, from real git."""

from __future__ import annotations

from typing import TYPE_CHECKING

from support.github_routes import Answer, R, Refused, Request, not_found, route

if TYPE_CHECKING:
    from support.github_api import GithubApi


@route("GET", R + "/tags")
def tags(api: GithubApi, request: Request) -> Answer:
    names = [r.removeprefix("refs/tags/") for r in api.repository.git.refs("refs/tags")]
    rows = [api.views.tag(n, api.repository.git.commit(f"refs/tags/{n}") or "") for n in names]
    return Answer(200, rows=rows[::-1])


@route("GET", R + "/git/ref/{ref}")
def one_ref(api: GithubApi, request: Request) -> Answer:
    name = f"refs/{request.path['ref']}"
    found = api.repository.git.refs(name).get(name)
    if found is None:
        raise not_found()
    return Answer(200, api.views.ref(name, *found))


@route("GET", R + "/git/matching-refs/{ref}")
def matching_refs(api: GithubApi, request: Request) -> Answer:
    found = api.repository.git.refs("refs")
    wanted = f"refs/{request.path['ref']}"
    rows = [api.views.ref(n, *at) for n, at in found.items() if n.startswith(wanted)]
    return Answer(200, rows)


@route("POST", R + "/git/refs", writes=True)
def new_ref(api: GithubApi, request: Request) -> Answer:
    name, sha = request.json["ref"], request.json["sha"]
    if api.repository.git.refs(name):
        raise Refused(422, "Reference already exists")
    if api.repository.git.commit(sha) is None:
        raise Refused(422, "Object does not exist")
    api.repository.git("update-ref", name, sha)
    return Answer(201, api.views.ref(name, sha, "commit"))


@route("GET", R + "/git/tags/{tag_sha}")
def tag_object(api: GithubApi, request: Request) -> Answer:
    sha = request.path["tag_sha"]
    for name, (there, kind) in api.repository.git.refs("refs/tags").items():
        if (there, kind) == (sha, "tag"):
            commit = api.repository.git.commit(name) or ""
            return Answer(200, api.views.tag_object(sha, name.removeprefix("refs/tags/"), commit))
    raise not_found()


@route("GET", R + "/commits")
def commits(api: GithubApi, request: Request) -> Answer:
    start = api.repository.git.commit(request.query.get("sha", "HEAD"))
    if start is None:
        raise not_found()
    return Answer(200, rows=api.repository.git.log(start), view=api.views.commit)


@route("GET", R + "/commits/{commit_sha}/pulls")
def pulls_of_commit(api: GithubApi, request: Request) -> Answer:
    sha = request.path["commit_sha"]
    found = [i for i in api.repository.issues if i.pull and i.pull.commit == sha]
    return Answer(200, rows=found, view=api.views.pull)


@route("GET", R + "/commits/{ref}")
def one_commit(api: GithubApi, request: Request) -> Answer:
    ref = request.path["ref"]
    sha = api.repository.git.commit(ref)
    if sha is None:
        raise Refused(422, f"No commit found for SHA: {ref}")
    return Answer(200, api.views.commit(api.repository.git.log("-1", sha)[0]))


@route("GET", R + "/compare/{basehead}")
def compare(api: GithubApi, request: Request) -> Answer:
    git = api.repository.git
    ends = [git.commit(x) for x in request.path["basehead"].split("...")]
    if None in ends or len(ends) != 2:
        raise not_found()
    base, head = (git.log("-1", str(end))[0] for end in ends)
    merge = git.log("-1", git("merge-base", base.sha, head.sha))[0]
    ahead = git.log("--reverse", f"{base.sha}..{head.sha}")
    behind = len(git.log(f"{head.sha}..{base.sha}"))
    status = ("ahead" if ahead else "identical") if not behind else "behind"
    value = api.views.comparison(
        base,
        head,
        merge,
        status="diverged" if ahead and behind else status,
        ahead_by=len(ahead),
        behind_by=behind,
        total_commits=len(ahead),
        commits=[],
    )
    return Answer(200, value, rows=ahead, view=api.views.commit, key="commits")
