"""The draft release: made, found again, completed, never published; what goes wrong on the way."""

from __future__ import annotations

import hashlib
import logging
import multiprocessing
import os
import re
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest

from lapstrake.errors import UserError
from lapstrake.store.store import Store
from lapstrake_release.evidence import SUMS
from lapstrake_release.facts import DraftResult, ReleaseFacts
from lapstrake_release.github import (
    GithubClient,
    GithubSettings,
    check_target,
    find_release,
    find_settings,
    publish_draft,
)
from support.github_api import TOKEN, Fault, GithubApi, secondary_limit, serve_github
from support.github_state import Asset, Release
from support.publishing import publish
from support.released import Checkout, make_facts, with_evidence

ASSETS = r"/_uploads/repos/octo/fam/releases/\d+/assets"


@dataclass
class Case:
    """A release that is ready, and the GitHub that it goes to."""

    api: GithubApi
    checkout: Checkout
    facts: ReleaseFacts
    settings: GithubSettings

    def client(self) -> GithubClient:
        return GithubClient(self.settings)

    def publish(self) -> DraftResult:
        with self.client() as client:
            return publish_draft(client, self.facts)

    @property
    def release(self) -> Release:
        (found,) = self.api.repository.releases
        return found

    def state(self) -> object:
        """All that the release is in the end, but for ids and times."""
        release = self.release
        assets = sorted((a.name, a.digest, a.state) for a in release.assets)
        return release.tag, release.target, release.name, release.body, release.draft, assets


@pytest.fixture
def case(tmp_path: Path, store: Store) -> Iterator[Case]:
    checkout = Checkout(tmp_path / "git")
    checkout.commit("first")
    checkout.git("tag", "v1.1.0")
    merges = [checkout.commit(f"Merge {n}") for n in range(3)]
    facts = with_evidence(make_facts(tmp_path, store, merges[-1]))
    late = checkout.commit("Merge after the release")
    with serve_github(checkout.folder) as api:
        api.repository.merged("Faster starts", merges[0], "ada", "performance")
        api.repository.merged("fix: an <odd> thing", merges[1], "grace")
        api.repository.merged("Bump x", merges[2], "dependabot[bot]", "dependencies")
        api.repository.merged("Not yet", late)
        settings = find_settings("octo/fam", tmp_path, api.env)
        yield Case(api, checkout, facts, replace(settings, pause=0.001))


def test_a_draft_has_notes_files_and_no_tag(case: Case) -> None:
    result = case.publish()
    release = case.release
    assert (result.state, result.id) == ("created", release.id)
    assert (release.draft, release.prerelease, release.tag) == (True, False, "v1.2.0")
    assert release.target == case.facts.commit
    assert release.name == "fam 1.2.0"
    assert case.checkout.git("tag") == "v1.1.0"
    wanted = {p.name: p for p in (*(f.path for f in case.facts.files), *case.facts.evidence)}
    assert {a.name: a.data for a in release.assets} == {
        n: p.read_bytes() for n, p in wanted.items()
    }
    assert release.assets[-1].name == SUMS
    assert [(a.name, a.sha256, a.sent) for a in result.assets] == [
        (a.name, hashlib.sha256(a.data).hexdigest(), True) for a in release.assets
    ]


def test_the_notes_list_what_was_merged_since_the_release_before(case: Case) -> None:
    case.publish()
    body = case.release.body or ""
    assert "### Fixed\n\n- fix: an \\<odd\\> thing ([#2](" in body
    assert "### Faster\n\n- Faster starts ([#1](" in body
    assert "### Dependencies\n\n- Bump x ([#3](" in body
    assert body.index("### Fixed") < body.index("### Faster") < body.index("### Dependencies")
    assert "Not yet" not in body
    assert "/compare/v1.1.0...v1.2.0" in body


def test_the_first_release_lists_all_that_was_merged_before(case: Case) -> None:
    case.checkout.git("tag", "--delete", "v1.1.0")
    case.publish()
    body = case.release.body or ""
    assert body.count("([#") == 3
    assert "/compare/" not in body


def test_history_and_lists_of_several_pages_are_read_whole(case: Case) -> None:
    commits = [case.checkout.commit(f"Merge {n}") for n in range(230)]
    for number, commit in enumerate(commits):
        case.api.repository.merged(f"Change {number}", commit)
    case.facts = replace(case.facts, commit=commits[-1])
    case.publish()
    body = case.release.body or ""
    assert body.count("- Change ") == 230
    assert case.api.count("GET", "/compare/.*page=3") == 1
    assert case.api.count("GET", r"/pulls\?") == 3


def test_a_second_run_sends_nothing(case: Case) -> None:
    first = case.publish()
    before = case.state()
    writes = sum(s.method != "GET" for s in case.api.seen)
    again = case.publish()
    assert (again.state, again.id) == ("unchanged", first.id)
    assert not any(a.sent for a in again.assets)
    assert sum(s.method != "GET" for s in case.api.seen) == writes
    assert case.state() == before


def test_what_a_person_wrote_into_the_notes_stays(case: Case) -> None:
    case.publish()
    case.release.body = "Dear all!\n\n" + (case.release.body or "")
    edited = case.release.body
    case.release.assets.pop()
    assert case.publish().state == "updated"
    assert case.release.body == edited


def test_notes_that_nobody_touched_follow_what_was_merged(case: Case) -> None:
    case.publish()
    case.api.repository.issues[0].labels = [case.api.repository.label("security")]
    assert case.publish().state == "updated"
    assert "### Security\n\n- Faster starts" in (case.release.body or "")
    assert case.release.draft


def test_a_file_that_is_another_or_half_there_is_replaced(case: Case) -> None:
    case.publish()
    wanted = case.state()
    bot = case.release.author
    first, second, *rest = case.release.assets
    case.release.assets = [
        Asset(9001, first.name, first.data[:-1] + b"!", bot),
        Asset(9002, second.name, second.data[:7], bot, state="starter"),
        *rest,
    ]
    result = case.publish()
    assert {a.name for a in result.assets if a.sent} == {first.name, second.name}
    assert case.state() == wanted


def test_where_github_says_no_digest_the_file_is_read(
    case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    case.publish()
    monkeypatch.setattr(Asset, "digest", None)
    assert case.publish().state == "unchanged"
    asset = case.release.assets[0]
    asset.data = asset.data[:-1] + b"!"
    assert [a.name for a in case.publish().assets if a.sent] == [asset.name]


def test_what_is_public_is_never_touched(case: Case) -> None:
    case.publish()
    case.api.repository.publish(case.release)
    case.release.assets.pop()
    before = case.state()
    with pytest.raises(UserError, match=r"v1\.2\.0 is published already"):
        case.publish()
    assert case.state() == before


def test_what_is_published_meanwhile_is_not_withdrawn(
    case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    case.publish()
    case.facts = replace(case.facts, prerelease=True)
    number, publish = case.release.id, case.api.repository.publish
    find, looked = case.api.repository.find_release, []

    def published_at_second_look(wanted: int) -> Release | None:
        found = find(wanted)
        if wanted == number and found is not None:
            looked.append(wanted)
            if len(looked) == 2:
                publish(found)
        return found

    monkeypatch.setattr(case.api.repository, "find_release", published_at_second_look)
    with pytest.raises(UserError, match="is published already"):
        case.publish()
    assert not case.release.draft


def test_a_draft_of_somebody_else_is_left_alone(case: Case) -> None:
    author = case.api.repository.user("ada")
    case.api.repository.releases.append(
        Release(7, "v1.2.0", "main", author, body="by hand", draft=True)
    )
    with pytest.raises(UserError, match="not made here"):
        case.publish()
    assert (case.release.body, case.release.assets) == ("by hand", [])


def test_the_same_tag_in_other_releases_of_ours_is_another_draft(case: Case) -> None:
    case.publish()
    case.facts = replace(case.facts, version="1.2.1", git_tag="v1.2.1")
    assert case.publish().state == "created"
    assert [r.tag for r in case.api.repository.releases] == ["v1.2.0", "v1.2.1"]


FAULTS = {
    "500 to the draft": Fault("POST", "/releases$"),
    "its answer is lost": Fault("POST", "/releases$", kind="lost"),
    "reset before the draft": Fault("POST", "/releases$", kind="reset", times=2),
    "429 with Retry-After": Fault(
        "POST", ASSETS, status=429, message="slower", headers={"Retry-After": "0"}, after=2, times=2
    ),
    "secondary rate limit": secondary_limit("POST", ASSETS, after=3),
    "502 in a list": Fault("GET", "/assets", status=502, message="Bad Gateway"),
    "reset in the history": Fault("GET", "/compare/", kind="reset"),
    "an upload cut in the middle": Fault("POST", ASSETS, kind="half", after=1),
    "an upload's answer is lost": Fault("POST", ASSETS, kind="lost", after=2),
    "an upload reset before": Fault("POST", ASSETS, kind="reset", after=4),
}


@pytest.mark.parametrize("name", FAULTS)
def test_what_passes_is_tried_again_and_the_end_is_the_same(
    case: Case, name: str, tmp_path: Path
) -> None:
    fault = replace(FAULTS[name])
    case.api.faults.append(fault)
    case.publish()
    assert fault.happened >= 1
    accident = case.state()
    case.api.faults.clear()
    assert case.publish().state == "unchanged"
    case.api.repository.releases.clear()
    case.publish()
    assert case.state() == accident


REFUSALS = {
    "refuses the token": Fault("POST", ASSETS, status=401, message="Bad credentials", times=99),
    "HTTP 503": Fault("POST", ASSETS, status=503, message="Unavailable", after=3, times=99),
    "can't be reached": Fault("POST", ASSETS, kind="half", after=3, times=99),
    "may not upload": Fault("POST", ASSETS, status=403, message="Resource not accessible"),
    "rate limit is used up until": secondary_limit("POST", ASSETS, seconds=4000, after=2),
    "refuses to make the draft": Fault("POST", "/releases$", status=422, message="Validation"),
}


@pytest.mark.parametrize("said", REFUSALS)
def test_what_does_not_pass_is_one_line_and_a_re_run_ends_the_same(case: Case, said: str) -> None:
    fault = replace(REFUSALS[said])
    case.api.faults.append(fault)
    with pytest.raises(UserError, match=said) as caught:
        case.publish()
    assert "\n" not in caught.value.message
    assert len(caught.value.details) <= 1
    case.api.faults.clear()
    result = case.publish()
    accident = case.state()
    # each file arrived whole just once, whatever was cut off
    arrived = [x.path for x in case.api.seen if x.status == 201 and re.search(ASSETS, x.path)]
    assert len(arrived) == len(set(arrived)) == len(result.assets)
    case.api.repository.releases.clear()
    case.publish()
    assert case.state() == accident


@pytest.mark.slow
def test_killed_before_or_after_any_request_a_re_run_ends_the_same(case: Case) -> None:
    moments: list[int] = []
    case.api.moment = lambda: moments.append(1)
    case.publish()
    wanted, number = case.state(), len(moments)
    assert number > 20
    # a process that loads nothing of its own: the test forks one for each moment
    children = multiprocessing.get_context("forkserver")
    children.set_forkserver_preload(["lapstrake_release.github"])
    for last in range(1, number + 1):
        case.api.repository.releases.clear()
        case.api.seen.clear()
        child = children.Process(target=publish, args=(case.settings, case.facts))
        left = [last]

        def moment(child: BaseProcess = child, left: list[int] = left) -> None:
            left[0] -= 1
            if left[0] == 0 and child.pid is not None:
                os.kill(child.pid, signal.SIGKILL)

        case.api.moment = moment
        child.start()
        child.join()
        assert child.exitcode == -signal.SIGKILL
        case.api.moment = lambda: None
        case.publish()
        assert case.state() == wanted
        sent = [x.path for x in case.api.seen if x.status == 201 and re.search(ASSETS, x.path)]
        assert len(sent) == len(set(sent))


def test_drafts_made_twice_by_lost_answers_become_one(case: Case) -> None:
    case.publish()
    twin = replace(case.release, id=9000, assets=[])
    case.api.repository.releases.append(twin)
    first = case.api.repository.releases[0].id
    assert case.publish().id == first
    assert case.release.id == first


def test_the_primary_limit_says_until_when(case: Case) -> None:
    case.api.remaining = 5
    with pytest.raises(UserError, match=r"rate limit is used up until \d\d:\d\d UTC"):
        case.publish()
    case.api.remaining = 5000
    assert case.publish().state == "created"


def test_a_limit_that_ends_soon_is_waited_for(case: Case) -> None:
    case.api.remaining = 0
    case.api.reset = int(time.time()) + 3
    assert case.publish().state == "created"
    assert [s.status for s in case.api.seen if s.status >= 400] == [403]


def test_a_token_is_in_no_error_log_or_repr(case: Case, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    case.publish()
    said = f"a message with {TOKEN} in it"
    case.api.faults.append(Fault("GET", "/tags", status=401, message=said))
    with pytest.raises(UserError) as caught:
        case.publish()
    error = caught.value
    shown = "\n".join((error.message, error.hint, *error.details, repr(case.settings), caplog.text))
    assert "a message with *** in it" in shown
    assert TOKEN not in shown


def check(case: Case) -> list[str]:
    with case.client() as client:
        return [e.message for e in check_target(client, "v1.2.0", case.facts.commit)]


def test_a_target_that_is_ready_has_no_problem_and_is_only_read(case: Case) -> None:
    assert check(case) == []
    case.publish()
    case.checkout.git("tag", "-a", "-m", "x", "v1.2.0", case.facts.commit)
    assert check(case) == []
    assert {s.method for s in case.api.seen[:4]} == {"GET"}


def test_every_problem_of_a_target_is_found_at_once(case: Case) -> None:
    case.api.tokens[TOKEN] = ("reader", False)
    case.api.repository.releases.append(
        Release(7, "v1.2.0", "main", case.api.repository.user("ada"), body="", draft=False)
    )
    case.checkout.git("tag", "v1.2.0", "v1.1.0")
    case.facts = replace(case.facts, commit="0" * 40)
    assert check(case) == [
        "the token may not write to octo/fam",
        "v1.2.0 is published already, and is left as it is",
        "octo/fam has no commit 000000000000",
        f"the tag v1.2.0 is at {case.checkout.git('rev-parse', 'v1.1.0')[:12]}, "
        "and this release is of 000000000000",
    ]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda s: replace(s, token="ghp_other"), "GitHub refuses the token"),
        (lambda s: replace(s, repository="octo/nothing"), "octo/nothing has no such thing"),
        (lambda s: replace(s, api="http://127.0.0.1:9"), r"127\.0\.0\.1:9 can't be reached"),
    ],
)
def test_a_target_that_can_not_be_read_is_one_problem(
    case: Case, change: Callable[[GithubSettings], GithubSettings], said: str
) -> None:
    case.settings = change(case.settings)
    (found,) = check(case)
    assert re.search(said, found)


def test_an_archived_repository_takes_nothing(case: Case) -> None:
    case.api.repository.archived = True
    assert check(case) == ["octo/fam is archived: nothing can be added to it"]


def test_a_workflow_s_token_is_not_judged_by_what_github_says_of_its_rights(case: Case) -> None:
    case.api.tokens["ghs_workflow"] = ("github-actions[bot]", False)
    case.settings = replace(case.settings, token="ghs_workflow")
    assert check(case) == []


def test_a_release_is_found_whatever_its_state(case: Case) -> None:
    with case.client() as client:
        assert find_release(client, "v1.2.0") is None
        publish_draft(client, case.facts)
        found = find_release(client, "v1.2.0")
        assert found is not None
        assert (found.draft, found.ours, found.edited) == (True, True, False)
        assert found.commit == case.facts.commit
        case.api.repository.publish(case.release)
        found = find_release(client, "v1.2.0")
        assert found is not None
        assert (found.draft, found.ours) == (False, True)


@pytest.mark.parametrize(
    ("repository", "env", "said"),
    [
        ("octo/fam", {}, "no token"),
        ("octo/fam", {"GITHUB_TOKEN": " "}, "no token"),
        ("octo/fam", {"GH_TOKEN": "a b"}, "a character that no token has"),
        ("octo", {"GH_TOKEN": "x"}, "'octo' is no repository"),
        ("octo/fam", {"GH_TOKEN": "x", "GITHUB_API_URL": "http://a.example"}, "without TLS"),
        ("octo/fam", {"GH_TOKEN": "x", "GITHUB_API_URL": "ftp://a"}, "no address of an API"),
        ("octo/fam", {"GH_TOKEN": "x", "GITHUB_API_URL": "https://u:p@a"}, "no address of an API"),
    ],
)
def test_settings_that_can_not_be(
    tmp_path: Path, repository: str, env: dict[str, str], said: str
) -> None:
    with pytest.raises(UserError, match=said):
        find_settings(repository, tmp_path, env)


def test_tokens_come_from_the_environment(tmp_path: Path) -> None:
    both = {"GITHUB_TOKEN": "one", "GH_TOKEN": "two"}
    assert find_settings("octo/fam", tmp_path, both).token == "one"
    assert find_settings("octo/fam", tmp_path, {"GH_TOKEN": "two\n"}).token == "two"
    found = find_settings("octo/fam", tmp_path, {"GH_TOKEN": "x", "GITHUB_API_URL": "https://a/"})
    assert (found.api, found.host) == ("https://a", "a")


def test_files_that_github_does_not_take_are_refused_before_anything_is_made(
    case: Case, tmp_path: Path
) -> None:
    (tmp_path / "empty.yaml").touch()
    case.facts = replace(case.facts, evidence=(*case.facts.evidence, tmp_path / "empty.yaml"))
    with pytest.raises(UserError, match=r"empty\.yaml is empty, and GitHub takes no such file"):
        case.publish()
    assert case.api.repository.releases == []


@pytest.mark.parametrize(
    ("api", "upload", "taken"),
    [
        ("https://api.github.com", "https://uploads.github.com/repos/x/assets", True),
        ("https://git.example/api/v3", "https://git.example/api/uploads/repos/x", True),
        ("https://api.acme.ghe.com", "https://uploads.acme.ghe.com/repos/x", True),
        ("https://api.github.com", "https://uploads.github.com.example/repos/x", False),
        ("https://api.github.com", "http://uploads.github.com/repos/x", False),
        ("https://api.github.com", "https://uploads.github.com:8443/repos/x", False),
    ],
)
def test_the_token_goes_to_github_s_own_host_for_files_alone(
    api: str, upload: str, taken: bool
) -> None:
    with GithubClient(GithubSettings("octo/fam", "token", api)) as client:
        if taken:
            assert client.uploads(upload) is client.uploads(upload)
        else:
            with pytest.raises(UserError, match="GitHub takes files at"):
                client.uploads(upload)
