"""Handoffs: entry criteria, issues made once and kept up to date, verdicts from comments, bugs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from lapstrake.smoke.report import CheckResult, read_report, write_report
from support.github_api import TOKEN, Fault, GithubApi, secondary_limit, serve_github
from support.github_state import Comment, Issue
from support.handed import VERSION, Family, handed, moved, push, rebuilt
from support.registry import serve_registry

SOON = "2999-01-01T00:00:00Z"


@dataclass
class Case:
    """A family that is ready, and the GitHub that its issues go to."""

    family: Family
    api: GithubApi

    def hand_over(self, *words: str, code: int = 0) -> str:
        done = self.family.call("handoff", VERSION, *words, env=self.api.env, code=code)
        return done.stderr if code else done.stdout

    def verdict(self, *words: str, code: int = 0) -> str:
        done = self.family.call("verdict", VERSION, *words, env=self.api.env, code=code)
        return done.stderr if code else done.stdout

    def said(self) -> dict[str, list[tuple[str, str]]]:
        """Who said what of each image."""
        found: dict[str, list[tuple[str, str]]] = {}
        for row in self.family.json("candidates", VERSION, env=self.api.env):
            found[row["image"]] = [(v["by"], v["outcome"]) for v in row["verdicts"]]
        return found

    def issue(self, about: str = "srv") -> Issue:
        (found,) = [i for i in self.issues if i.title == f"Test fam {VERSION}: {about}"]
        return found

    @property
    def issues(self) -> list[Issue]:
        return self.api.repository.issues

    @property
    def bugs(self) -> list[Issue]:
        return [i for i in self.issues if i.title.endswith("fails its test")]

    def comment(self, text: str, by: str = "ada", on: str = "srv", at: str = SOON) -> Comment:
        repository = self.api.repository
        found = Comment(repository.id(), repository.user(by), text, at, at)
        self.issue(on).comments.append(found)
        return found


@pytest.fixture
def case(tmp_path: Path) -> Iterator[Case]:
    with serve_registry(tmp_path / "registry") as host:
        family = handed(tmp_path, host)
        with serve_github(family.root) as api:
            api.repository.associations["ada"] = "MEMBER"
            yield Case(family, api)


def test_an_issue_has_what_a_tester_needs(case: Case) -> None:
    case.hand_over()
    assert {i.title for i in case.issues} == {
        f"Test fam {VERSION}: {n}" for n in ("full", "slim", "srv")
    }
    issue = case.issue()
    text = issue.body or ""
    digest = case.family.digests["srv"]
    place = f"{case.family.host}/x/fam:{VERSION}-srv@{digest}"
    assert [x.name for x in issue.labels] == ["qa-handoff"]
    for wanted in (
        f"`{digest}`",
        f"docker pull {place}\n",
        "-p 2222:22 -p 8080:8080 -p 8081:8081",
        "ssh -p 2222 root@localhost",
        "| `srv` | 8080 (rest) | http | `/v2/health/ready`, `/v2/models/NAME/infer` |",
        "| `srv-1-2-0-rc1.localhost` | 8080 | http |",
        "| `grpc-srv-1-2-0-rc1.localhost` | 8081 | grpc |",
        "@ada @octo/team",
        "1 checks of this digest passed",
        "- [ ] SSH lets me in",
        "- [ ] the answer is right",
        "| `srv` | not tested |",
        "/lapstrake pass what you looked at",
    ):
        assert wanted in text, wanted
    assert "| `srv` | The srv one |" in text


def test_the_page_is_a_part_of_the_issue(case: Case) -> None:
    case.hand_over()
    text = case.issue().body or ""
    head = re.search(r"/blob/([0-9a-f]{40})/", text)
    assert head is not None
    top = f"https://github.com/octo/fam/blob/{head[1]}"
    assert "\n### Srv\n" in text
    assert f"[the request]({top}/runtimes/srv/demo/request.json)" in text
    assert f"[more]({top}/README.md#top)" in text
    # what is code stays as it is
    assert "\n# a comment, not a heading\n" in text
    full = case.issue("full").body or ""
    assert f"- srv: [`runtimes/srv/verify.md`]({top}/runtimes/srv/verify.md)" in full


def test_the_ingress_rules_are_kubernetes(case: Case) -> None:
    case.hand_over()
    found = re.search(r"```yaml\n(.*?)```", case.issue().body or "", re.DOTALL)
    assert found is not None
    first, second = yaml.safe_load_all(found[1])
    assert first["kind"] == second["kind"] == "Ingress"
    (rule,) = first["spec"]["rules"]
    assert rule["host"] == "srv-1-2-0-rc1.localhost"
    backend = rule["http"]["paths"][0]["backend"]["service"]
    assert backend == {"name": "srv-1-2-0-rc1", "port": {"number": 8080}}
    assert second["metadata"]["annotations"] == {
        "nginx.ingress.kubernetes.io/backend-protocol": "GRPC"
    }


def test_twice_makes_no_second_issue_and_keeps_what_people_wrote(case: Case) -> None:
    case.hand_over()
    before = [(i.number, i.body) for i in case.issues]
    assert "unchanged" in case.hand_over()
    assert [(i.number, i.body) for i in case.issues] == before
    issue = case.issue()
    text = (issue.body or "").replace("- [ ] SSH lets", "- [x] SSH lets")
    issue.body = f"Grace tests this.\r\n\r\n{text}\nSee the wiki.\n".replace("\n", "\r\n")
    case.family.write("runtimes/srv/verify.md", "# Srv\n\nOther steps.\n\n- [ ] new\n")
    assert "updated" in case.hand_over()
    assert issue.body.startswith("Grace tests this.")
    assert issue.body.rstrip().endswith("See the wiki.")
    assert "Other steps." in issue.body
    assert "- [x] SSH lets me in" in issue.body
    assert issue.body.count("qa-handoff") == issue.body.count("<!-- lapstrake handoff end") - 1 == 0
    assert len(case.issues) == 3


def test_another_digest_is_said_and_its_ticks_are_gone(case: Case, tmp_path: Path) -> None:
    case.hand_over()
    issue = case.issue()
    issue.body = (issue.body or "").replace("- [ ] SSH lets", "- [x] SSH lets")
    issue.state = "closed"
    old = case.family.digests["srv"]
    case.family = rebuilt(case.family, tmp_path, "x")
    case.hand_over()
    new = case.family.digests["srv"]
    assert new != old
    assert issue.state == "open"
    assert "- [x] SSH lets" not in issue.body
    (comment,) = issue.comments
    assert old in comment.body
    assert new in comment.body
    case.hand_over()
    assert len(issue.comments) == 1
    assert not case.issue("slim").comments


def test_one_issue_for_the_family(case: Case) -> None:
    case.hand_over("--per", "family")
    (issue,) = case.issues
    assert issue.title == f"Test fam {VERSION}"
    text = issue.body or ""
    assert all(d in text for d in case.family.digests.values())
    assert "start one at a time" in text
    assert "- [ ] `slim`: SSH lets me in" in text
    assert "\n## srv\n" in text
    assert "\n#### Srv\n" in text
    assert "/lapstrake pass full what you looked at" in text
    case.hand_over("--per", "family")
    assert len(case.issues) == 1


def test_a_dry_run_asks_github_nothing(case: Case) -> None:
    text = case.family.call("handoff", VERSION, "--dry-run", "--image", "srv").stdout
    assert text.startswith(f"# Test fam {VERSION}: srv\n")
    assert not case.api.seen


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("runtimes/srv/verify.md", None, "srv has no runtimes/srv/verify.md"),
        ("runtimes/srv/verify.md", "# Only a heading\n", "runtimes/srv/verify.md says nothing"),
        ("runtimes/srv/verify.md", "[gone](demo/gone.py)", "links to demo/gone.py"),
        ("runtimes/srv/verify.md", "[out](../../../../etc/passwd)", "which is not there"),
        ("runtimes/srv/verify.md", "x" * 20_001, "more than 20000 characters"),
        ("runtimes/srv/demo/request.json", None, "srv has no demo"),
        ("images/slim/verify.md", None, "slim has no images/slim/verify.md"),
    ],
)
def test_no_handoff_without_documents(case: Case, name: str, text: str | None, said: str) -> None:
    if text is None:
        (case.family.root / name).unlink()
        if name == "runtimes/srv/demo/request.json":
            case.family.write("runtimes/srv/verify.md", "Look.\n")
    else:
        case.family.write(name, text)
    assert said in case.hand_over(code=1)
    assert not case.issues


def test_every_reason_is_said_at_once(case: Case) -> None:
    (case.family.root / "runtimes/srv/verify.md").unlink()
    (case.family.root / "images/slim/verify.md").unlink()
    moved(case.family, "full")
    said = case.hand_over(code=1)
    for wanted in ("srv has no", "slim has no", f"fam:{VERSION} is not what was built and tested"):
        assert wanted in said


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("none", "srv was not smoke-tested"),
        ("digest", "the smoke tests of srv are of another digest"),
        ("failed", "srv fails its smoke tests: answers"),
        ("skipped", "no smoke test of srv has passed"),
    ],
)
def test_no_handoff_without_smoke_tests_of_that_digest(case: Case, change: str, said: str) -> None:
    dist = case.family.dist
    report = read_report(dist)
    assert report is not None
    changed = []
    for image in report.images:
        if image.name == "srv" and change == "none":
            continue
        if image.name == "srv" and change == "digest":
            changed.append(image.model_copy(update={"digest": f"sha256:{'0' * 64}"}))
            continue
        verdict = {"failed": "failed", "skipped": "skipped"}.get(change)
        if image.name == "srv" and verdict:
            check = CheckResult(image="srv", name="answers", verdict=verdict)  # type: ignore[arg-type]
            changed.append(image.model_copy(update={"checks": (check,)}))
            continue
        changed.append(image)
    write_report(dist, report.model_copy(update={"images": tuple(changed)}))
    assert said in case.hand_over(code=1)
    assert not case.issues


def test_what_is_not_there_is_named(case: Case) -> None:
    assert "dist holds 1.2.0.rc1, not 1.2.0.rc2" in (
        case.family.call("handoff", "1.2.0.rc2", env=case.api.env, code=1).stderr
    )
    assert "no image or runtime 'nope'" in case.hand_over("--image", "nope", code=1)
    assert "is not there" in case.hand_over("--registry", f"{case.family.host}/y", code=1)
    words = ("pass", "--by", "ada", "--image")
    said = case.family.call("verdict", "1.2.0.rc9", *words, "srv", code=1).stderr
    assert "has no version 1.2.0.rc9" in said
    assert "it has 1.2.0.rc1" in said
    said = case.family.call("verdict", VERSION, *words, "no", code=1).stderr
    assert "no image or runtime 'no'" in said
    for more, wanted in (
        (("pass", "--all"), "nothing says whose verdict it is"),
        (("pass", "--by", "ada"), "a verdict is about an image"),
        (("pass", "--all", "--by", "x" * 101), "is no name"),
        (("pass", "--all", "--by", "ada", "--note", "x" * 4001), "at most 4000"),
        (("--from-comments",), "there is no issue about 1.2.0.rc1"),
        (("pass", "--from-comments"), "comments say themselves"),
    ):
        assert wanted in case.verdict(*more, code=1)


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (Fault("GET", "/issues$", status=401, message="Bad credentials"), "refuses the token"),
        (Fault("POST", "/issues$", status=403, message="Resource not accessible"), "issues: write"),
        (Fault("GET", "/repos/octo/fam$", status=404, message="Not Found"), "octo/fam"),
        (secondary_limit("POST", "/issues$", seconds=9000), "rate limit is used up"),
    ],
)
def test_what_github_refuses_is_one_line(case: Case, fault: Fault, said: str) -> None:
    fault.times = 99
    case.api.faults.append(fault)
    error = case.hand_over(code=1)
    assert said in error
    assert TOKEN not in error
    case.api.faults.clear()
    case.hand_over()
    assert len(case.issues) == 3


@pytest.mark.parametrize("kind", ["reset", "lost", "answer"])
def test_what_passes_makes_no_second_issue(case: Case, kind: str) -> None:
    for method, path in (("POST", "/issues$"), ("GET", "/issues$"), ("PATCH", r"/issues/\d+$")):
        case.api.faults.append(Fault(method, path, kind=kind, status=502))  # type: ignore[arg-type]
    case.hand_over("--image", "srv")
    assert len(case.issues) == 1
    case.family.write("runtimes/srv/verify.md", "Otherwise.\n")
    case.hand_over("--image", "srv")
    assert len(case.issues) == 1
    assert "Otherwise." in (case.issue().body or "")
    assert all(f.happened for f in case.api.faults)


def test_a_twin_is_closed(case: Case) -> None:
    case.hand_over("--image", "srv")
    one = case.issue()
    two = case.api.repository.issue("Another title", "release-bot", ("qa-handoff",))
    two.body = one.body
    case.hand_over("--image", "srv")
    assert (one.state, two.state, two.reason) == ("open", "closed", "not_planned")


def test_somebodys_own_issue_with_our_marker_is_none_of_ours(case: Case) -> None:
    case.hand_over("--image", "srv")
    text = (case.issue().body or "").replace(case.family.digests["srv"], f"sha256:{'0' * 64}")
    forged = case.api.repository.issue("Test it", "mallory", ("qa-handoff",))
    forged.body = text
    forged.number, case.issue().number = 0, 99
    case.comment("/lapstrake pass", on="srv")
    case.verdict("--from-comments")
    assert case.said()["srv"] == [("ada", "pass")]


def test_comments_are_verdicts(case: Case) -> None:
    case.hand_over()
    case.api.repository.associations |= {"bob": "CONTRIBUTOR", "eve": "COLLABORATOR"}
    case.comment("/lapstrake pass works for me")
    case.comment(
        "Looks odd.\n/lapstrake fail no answer on 8081\n\nlog:\n```\n/lapstrake pass\n```", "eve"
    )
    case.comment("> /lapstrake pass\n\nreally?", "eve")
    case.comment("/lapstrake pass", "mallory")
    case.comment("/lapstrake pass", "bob", on="slim")
    case.comment("/lapstrake ship it", "ada", on="slim")
    case.comment("/lapstrake pass", "helper[bot]", on="slim")
    edited = case.comment("/lapstrake pass", "ada", on="slim")
    edited.updated = "2999-01-02T00:00:00Z"
    case.comment("/lapstrake pass", "ada", on="slim", at="2001-01-01T00:00:00Z")
    done = case.family.call("verdict", VERSION, "--from-comments", env=case.api.env)
    assert case.said() == {
        "full": [],
        "slim": [],
        "srv": [("ada", "pass"), ("eve", "fail")],
    }
    for wanted in (
        "GitHub calls its author NONE",
        "GitHub calls its author CONTRIBUTOR",
        "'ship' is no verdict",
        "it is an app's",
        "it was edited",
        "it was written before slim was",
    ):
        assert done.stderr.count(wanted) == 1, wanted
    text = case.issue().body or ""
    assert "| `srv` | failed by eve |" in text
    assert "no answer on 8081" in text
    (bug,) = case.bugs
    assert "> /lapstrake pass" in (bug.body or "")
    # taken once, however often they are read
    case.verdict("--from-comments")
    assert case.said()["srv"] == [("ada", "pass"), ("eve", "fail")]
    assert len(case.bugs) == 1
    assert not case.bugs[0].comments


def test_a_family_issue_names_images(case: Case) -> None:
    case.hand_over("--per", "family")
    (issue,) = case.issues
    issue.title = f"Test fam {VERSION}: srv"
    case.comment("/lapstrake pass slim,full fine")
    case.comment("/lapstrake pass it all works")
    case.comment("/lapstrake fail `srv`: odd", at="2999-01-01T00:00:01Z")
    done = case.family.call("verdict", VERSION, "--from-comments", env=case.api.env)
    assert "doesn't say which image" in done.stderr
    assert case.said() == {
        "full": [("ada", "pass")],
        "slim": [("ada", "pass")],
        "srv": [("ada", "fail")],
    }
    case.comment("/lapstrake pass all", at="2999-01-01T00:00:02Z")
    # of all issues that are open
    case.family.call("verdict", "--from-comments", env=case.api.env)
    assert case.said()["srv"] == [("ada", "fail"), ("ada", "pass")]


def test_a_comment_read_late_overrides_nothing_newer(case: Case) -> None:
    case.hand_over("--image", "srv")
    case.comment("/lapstrake pass", at="2900-01-01T00:00:00Z")
    case.comment("/lapstrake fail", at="2950-01-01T00:00:00Z")
    case.verdict("--from-comments")
    first = case.issue().comments
    assert len(first) == 2
    assert case.said()["srv"][-1] == ("ada", "fail")


def test_a_fail_is_a_bug_of_the_owners(case: Case) -> None:
    case.hand_over()
    words = ("fail", "--image", "srv", "--by", "eve", "--note", "no answer <!-- x -->\nat all")
    said = case.verdict(*words)
    (bug,) = case.bugs
    assert f"/issues/{bug.number}" in said
    assert [u.login for u in bug.assignees] == ["ada"]
    assert {x.name for x in bug.labels} == {"bug", "qa-failed"}
    text = bug.body or ""
    assert case.family.digests["srv"] in text
    assert "For @octo/team" in text
    assert "> at all" in text
    assert f"/issues/{case.issue().number}" in text
    assert "failed by eve" in (case.issue().body or "")
    case.verdict(*words)
    assert len(case.bugs) == 1
    assert not bug.comments
    bug.state = "closed"
    case.verdict("fail", "--image", "srv", "--by", "bob", "--note", "nor for me")
    assert len(case.bugs) == 1
    assert bug.state == "open"
    assert "nor for me" in bug.comments[0].body
    case.verdict("fail", "--image", "full", "--by", "bob")
    # its owners are those of the image below
    assert {b.title.split()[2] for b in case.bugs} == {"srv", "full"}
    assert "For @grace" in (case.bugs[1].body or "")


def test_a_verdict_is_stored_before_github_is_told(case: Case) -> None:
    case.hand_over("--image", "srv")
    case.api.faults.append(Fault("POST", "/issues$", status=403, message="No", times=99))
    said = case.verdict("fail", "--image", "srv", "--by", "eve", code=1)
    assert "the verdicts are stored, but GitHub isn't told" in said
    assert case.said()["srv"] == [("eve", "fail")]
    case.api.faults.clear()
    case.verdict("fail", "--image", "srv", "--by", "eve")
    assert len(case.bugs) == 1
    assert case.said()["srv"] == [("eve", "fail")]


def test_an_image_that_moved_since_its_handoff_gets_no_verdict(case: Case, tmp_path: Path) -> None:
    case.hand_over("--image", "srv")
    digest = case.family.digests["srv"]
    case.family = rebuilt(case.family, tmp_path, "y")
    said = case.verdict("pass", "--image", "srv", "--by", "ada", code=1)
    assert "srv 1.2.0.rc1 is no longer what was handed to testers" in said
    said = case.verdict("pass", "--image", "srv", "--by", "ada", "--digest", digest, code=1)
    assert "is not what you tested" in said
    # a comment is about the digest that it was written for
    case.comment("/lapstrake pass")
    case.verdict("--from-comments")
    assert case.said()["srv"] == []
    case.hand_over("--image", "srv")
    case.verdict("pass", "--image", "srv", "--by", "ada")
    assert case.said()["srv"] == [("ada", "pass")]


def test_verdicts_lie_in_every_registry(case: Case, tmp_path: Path) -> None:
    with serve_registry(tmp_path / "second") as other:
        push(case.family, other)
        words = ("--registry", f"{case.family.host}/x", "--registry", f"{other}/x")
        case.verdict("pass", "--image", "srv", "--by", "ada", "--no-issues", *words)
        for host in (case.family.host, other):
            (row,) = case.family.json(
                "candidates", VERSION, "--image", "srv", "--registry", f"{host}/x"
            )
            assert [v["by"] for v in row["verdicts"]] == ["ada"]
        moved(case.family, "srv", other)
        said = case.verdict("pass", "--image", "srv", "--by", "bob", *words, code=1)
        assert "srv 1.2.0.rc1 is not the same in all registries" in said


def test_candidates_show_the_newest_with_their_state(case: Case, tmp_path: Path) -> None:
    host = case.family.host
    handed(tmp_path / "dev", host, version="1.3.0.dev1")
    handed(tmp_path / "old", host, version="1.1.0")
    handed(tmp_path / "older", host, version="1.1.0.rc1")
    handed(tmp_path / "rc", host, version="1.2.0.rc2")
    rows = case.family.json("candidates")
    versions = list(dict.fromkeys(r["version"] for r in rows))
    assert versions == ["1.1.0", "1.2.0.rc2", "1.3.0.dev1"]
    case.verdict("pass", "--all", "--by", "ada")
    rows = case.family.json("candidates", VERSION)
    assert [(r["image"], r["state"], r["passed"]) for r in rows] == [
        (n, "passed by ada", True) for n in ("full", "slim", "srv")
    ]
    assert rows[0]["reference"] == f"{host}/x/fam:{VERSION}@{case.family.digests['full']}"
    assert case.family.json("candidates", VERSION, "--open") == []
    shown = case.family.call("candidates", "--open").stdout
    assert f"docker pull {host}/x/fam:1.1.0@" in shown
