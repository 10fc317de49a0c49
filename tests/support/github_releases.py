"""The tests' GitHub: users, the repository itself, its releases and their files."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from support.github_routes import Answer, R, Refused, Request, invalid, not_found, route
from support.github_state import Asset, Release, asset_name

if TYPE_CHECKING:
    from support.github_api import GithubApi


@route("GET", "/rate_limit")
def rate_limit(api: GithubApi, request: Request) -> Answer:
    rate = {"limit": 5000, "remaining": api.remaining, "reset": api.reset, "used": 0}
    return Answer(200, {"resources": {"core": rate, "search": rate}, "rate": rate})


@route("GET", "/user")
def own_user(api: GithubApi, request: Request) -> Answer:
    if request.user is None:
        raise Refused(401, "Requires authentication")
    return Answer(200, api.views.user(request.user, "public-user"))


@route("GET", "/users/{username}")
def one_user(api: GithubApi, request: Request) -> Answer:
    user = api.repository.users.get(request.path["username"])
    if user is None:
        raise not_found()
    return Answer(200, api.views.user(user, "public-user"))


@route("GET", R)
def repository(api: GithubApi, request: Request) -> Answer:
    return Answer(200, api.views.repository(request.push))


@route("GET", R + "/releases")
def releases(api: GithubApi, request: Request) -> Answer:
    found = [r for r in reversed(api.repository.releases) if request.push or not r.draft]
    return Answer(200, rows=found, view=api.views.release)


@route("POST", R + "/releases", writes=True)
def new_release(api: GithubApi, request: Request) -> Answer:
    wish = request.json
    if any(r.tag == wish["tag_name"] and not r.draft for r in api.repository.releases):
        raise invalid("Release", "tag_name", "already_exists")
    assert request.user is not None
    release = Release(api.repository.id(), wish["tag_name"], "", request.user)
    _change(api, release, {"target_commitish": api.repository.default_branch, **wish})
    api.repository.releases.append(release)
    if not wish.get("draft", False):
        api.repository.publish(release)
    return Answer(201, api.views.release(release))


@route("GET", R + "/releases/latest")
def latest_release(api: GithubApi, request: Request) -> Answer:
    public = [r for r in api.repository.releases if not (r.draft or r.prerelease)]
    if not public:
        raise not_found()
    return Answer(200, api.views.release(max(public, key=lambda r: r.published or "")))


@route("GET", R + "/releases/tags/{tag}")
def release_by_tag(api: GithubApi, request: Request) -> Answer:
    for release in api.repository.releases:
        if release.tag == request.path["tag"] and not release.draft:
            return Answer(200, api.views.release(release))
    raise not_found()


@route("GET", R + "/releases/assets/{asset_id}")
def one_asset(api: GithubApi, request: Request) -> Answer:
    release, asset = _asset(api, request)
    if request.headers.get("accept") == "application/octet-stream":
        return Answer(302, headers={"Location": f"{api.url}/_objects/{asset.id}"})
    return Answer(200, api.views.asset(release, asset))


@route("DELETE", R + "/releases/assets/{asset_id}", writes=True)
def delete_asset(api: GithubApi, request: Request) -> Answer:
    release, asset = _asset(api, request)
    release.assets.remove(asset)
    return Answer(204)


@route("GET", R + "/releases/{release_id}")
def one_release(api: GithubApi, request: Request) -> Answer:
    return Answer(200, api.views.release(_release(api, request)))


@route("PATCH", R + "/releases/{release_id}", writes=True)
def change_release(api: GithubApi, request: Request) -> Answer:
    release, wish = _release(api, request), request.json
    was_draft = release.draft
    _change(api, release, wish)
    if was_draft and not release.draft:
        api.repository.publish(release)
    return Answer(200, api.views.release(release))


@route("DELETE", R + "/releases/{release_id}", writes=True)
def delete_release(api: GithubApi, request: Request) -> Answer:
    api.repository.releases.remove(_release(api, request))
    return Answer(204)


@route("GET", R + "/releases/{release_id}/assets")
def assets(api: GithubApi, request: Request) -> Answer:
    release = _release(api, request)
    return Answer(200, rows=[api.views.asset(release, a) for a in release.assets])


@route("POST", R + "/releases/{release_id}/assets", writes=True)
def upload(api: GithubApi, request: Request) -> Answer:
    release, name = _release(api, request), asset_name(request.query["name"])
    if any(a.name == name for a in release.assets):
        raise invalid("ReleaseAsset", "name", "already_exists")
    if not request.body:
        raise invalid("ReleaseAsset", "size", "custom")
    assert request.user is not None
    kind = request.headers.get("content-type", "")
    label = request.query.get("label")
    asset = Asset(api.repository.id(), name, request.body, request.user, label, kind)
    release.assets.append(asset)
    return Answer(201, api.views.asset(release, asset))


def _change(api: GithubApi, release: Release, wish: Mapping[str, Any]) -> None:
    release.tag = wish.get("tag_name", release.tag)
    release.name = wish.get("name", release.name)
    release.body = wish.get("body", release.body)
    release.draft = wish.get("draft", release.draft)
    release.prerelease = wish.get("prerelease", release.prerelease)
    if target := wish.get("target_commitish"):
        if api.repository.git.commit(target) is None:
            raise invalid("Release", "target_commitish", "invalid")
        release.target = target


def _release(api: GithubApi, request: Request) -> Release:
    found = api.repository.find_release(int(request.path["release_id"]))
    if found is None or (found.draft and not request.push):
        raise not_found()
    return found


def _asset(api: GithubApi, request: Request) -> tuple[Release, Asset]:
    for release, asset in api.repository.assets():
        if asset.id == int(request.path["asset_id"]):
            return release, asset
    raise not_found()
