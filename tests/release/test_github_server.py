"""The tests' GitHub itself: what PyGithub sees of it, and that what doesn't fit is noticed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from github import Auth, Github
from github.GithubException import (
    BadCredentialsException,
    GithubException,
    RateLimitExceededException,
    UnknownObjectException,
)
from github.Repository import Repository

from lapstrake import process
from support.github_api import TOKEN, Fault, GithubApi, serve_github
from support.released import Checkout


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    found = Checkout(tmp_path / "git")
    found.commit("first")
    return found


@pytest.fixture
def api(checkout: Checkout) -> Iterator[GithubApi]:
    with serve_github(checkout.folder) as found:
        yield found


def connect(api: GithubApi, token: str = TOKEN) -> Repository:
    github = Github(
        auth=Auth.Token(token),
        base_url=api.url,
        retry=None,
        seconds_between_requests=0,
        seconds_between_writes=0,
    )
    return github.get_repo("octo/fam")


def test_issues_comments_and_labels_are_kept(api: GithubApi) -> None:
    repository = connect(api)
    repository.create_label("qa", "00ff00", "for testers")
    issue = repository.create_issue("Please test 1.2.0", "the page", labels=["qa"])
    comment = issue.create_comment("failed")
    comment.edit("passed")
    issue.add_to_labels("passed", "xgboost")
    issue.remove_from_labels("qa")
    issue.edit(state="closed")
    again = connect(api).get_issue(issue.number)
    assert [c.body for c in again.get_comments()] == ["passed"]
    assert sorted(x.name for x in again.labels) == ["passed", "xgboost"]
    assert (again.state, again.state_reason) == ("closed", "completed")
    assert [i.number for i in repository.get_issues(state="closed", labels=["passed"])] == [1]
    assert list(repository.get_issues()) == []
    comment.delete()
    assert again.get_comments().totalCount == 0


def test_lists_come_in_pages(api: GithubApi) -> None:
    for number in range(65):
        api.repository.issue(f"issue {number}", "ada")
    repository = connect(api)
    found = [i.title for i in repository.get_issues(state="all")]
    assert found == [f"issue {n}" for n in reversed(range(65))]
    assert api.count("GET", r"/issues\?") == 3


def test_publishing_a_draft_makes_the_git_tag(api: GithubApi, checkout: Checkout) -> None:
    repository, commit = connect(api), checkout.git("rev-parse", "HEAD")
    draft = repository.create_git_release("v1", "one", "x", draft=True, target_commitish=commit)
    checkout.commit("second")
    assert checkout.git("tag") == ""
    assert list(repository.get_tags()) == []
    with pytest.raises(UnknownObjectException):
        repository.get_latest_release()
    draft.update_release("one", "x", draft=False)
    assert checkout.git("rev-parse", "v1^{commit}") == commit
    assert repository.get_latest_release().id == draft.id
    with pytest.raises(GithubException, match="already_exists"):
        repository.create_git_release("v1", "again", "x")


def test_drafts_are_for_those_who_may_write(api: GithubApi) -> None:
    api.tokens["reader"] = ("grace", False)
    connect(api).create_git_release("v1", "one", "x", draft=True)
    assert connect(api).get_releases().totalCount == 1
    assert list(connect(api, "reader").get_releases()) == []
    with pytest.raises(GithubException, match="403"):
        connect(api, "reader").create_git_release("v2", "two", "x", draft=True)
    with pytest.raises(BadCredentialsException):
        connect(api, "wrong")


def test_an_asset_is_named_and_kept_as_github_does(api: GithubApi, tmp_path: Path) -> None:
    release = connect(api).create_git_release("v1", "one", "x", draft=True)
    (tmp_path / "data").write_bytes(b"content")
    kind = "application/octet-stream"
    asset = release.upload_asset(str(tmp_path / "data"), content_type=kind, name="a b~c.txt")
    assert (asset.name, asset.size, asset.state) == ("a.b.c.txt", 7, "uploaded")
    assert asset.digest is not None
    assert b"".join(asset.download_asset()[2]) == b"content"
    with pytest.raises(GithubException, match="already_exists"):
        release.upload_asset(str(tmp_path / "data"), content_type=kind, name="a b~c.txt")


def test_the_rate_limit_is_counted(api: GithubApi) -> None:
    repository = connect(api)
    api.remaining = 1
    assert list(repository.get_labels()) == []
    with pytest.raises(RateLimitExceededException):
        list(repository.get_labels())


@pytest.mark.parametrize(
    ("method", "path", "body", "said"),
    [
        ("GET", "/repos/octo/fam/releases?per_pages=3", None, "per_pages is no parameter"),
        ("GET", "/repos/octo/fam/issues?sort=size", None, "sort: : 'size' is not one of"),
        ("GET", "/repos/octo/fam/issues?per_page=many", None, "per_page: : 'many' is not of type"),
        ("POST", "/repos/octo/fam/releases", {"tag_name": 1}, "tag_name: 1 is not of type"),
        ("POST", "/repos/octo/fam/labels", {"name": "a", "colour": "x"}, "colour is no property"),
        ("POST", "/repos/octo/fam/labels", {"name": None}, "name: None for not nullable"),
        ("GET", "/repos/octo/fam/weather", None, "no such operation"),
    ],
)
def test_a_request_that_the_description_does_not_know_is_noticed(
    api: GithubApi, method: str, path: str, body: object, said: str
) -> None:
    headers = {"Authorization": f"token {TOKEN}"}
    with httpx.Client(trust_env=False) as client:
        client.request(method, api.url + path, json=body, headers=headers)
    assert any(said in v for v in api.violations), api.violations
    api.violations.clear()


def test_an_answer_that_the_description_does_not_know_is_noticed(api: GithubApi) -> None:
    api.faults.append(Fault("GET", "/labels$", status=418))
    api.repository.name = None  # type: ignore[assignment]
    with httpx.Client(trust_env=False) as client:
        client.get(f"{api.url}/repos/octo/None")
        client.get(f"{api.url}/repos/octo/None/labels")
    first, last = api.violations[0], api.violations[-1]
    assert "GET /repos/octo/None -> 200: name: None for not nullable" in first
    assert "418 is no answer to this" in last
    api.violations.clear()


def test_without_the_description_the_set_up_fails_in_one_line(tmp_path: Path, top: Path) -> None:
    env = {
        **os.environ,
        "XDG_CACHE_HOME": str(tmp_path),
        "npm_config_registry": "http://127.0.0.1:9",
        "npm_config_fetch_retries": "0",
    }
    result = process.run([top / "setup/openapi.sh"], env=env, check=False)
    assert result.code == 1
    assert "could not be fetched with npm" in result.stderr
    assert list(tmp_path.rglob("*.json")) == []
