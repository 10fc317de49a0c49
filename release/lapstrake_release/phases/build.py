"""Phase 2: build what is released, and see that it works, before anything leaves the machine."""

from __future__ import annotations

import functools

from lapstrake.build import build as build_images
from lapstrake.cli.common import open_lock
from lapstrake.dist import Build, read_build
from lapstrake.engines.choice import chosen_engine, open_engine
from lapstrake.errors import UserError
from lapstrake.plan.make import make_plan
from lapstrake.smoke.report import CheckResult, read_report
from lapstrake.smoke.run import run_smoke
from lapstrake.store.store import Store
from lapstrake_release.facts import SmokeFacts
from lapstrake_release.files import files_in
from lapstrake_release.indexes.upload import twine_check
from lapstrake_release.installs import check_installs
from lapstrake_release.job import Job
from lapstrake_release.made import make_files
from lapstrake_release.phases.check import check_files, check_names, names_in
from lapstrake_release.places import Names
from lapstrake_release.problems import Problems
from lapstrake_release.same_wheels import check_same

_SMOKE_JOBS = 3


def build(job: Job) -> None:
    """Have all that is released in dist/, tested.

    Raises:
        UserError: something can't be built or fails its tests; nothing was sent anywhere.
    """
    job.build = _prebuilt(job) if job.options.prebuilt else _built(job)
    names = names_in(job.build, job.version.ours)
    if not job.options.prebuilt:
        make_files(job)
    for image in job.build.images:
        job.journal.done("build", image.name, digest=image.digest)
    check_same(job.build, job.dist)
    job.files = files_in(job.dist, job.version)
    _check_complete(job)
    _check_conflicts(job, names)
    _check_files(job)
    _smoke(job)


def _check_complete(job: Job) -> None:
    """Each project has its wheel in dist/."""
    there = {f.project for f in job.files if f.kind == "wheel"}
    lacking = [p.title for p in job.definition.projects.all if p.name not in there]
    if lacking:
        raise UserError(f"dist/ has no wheel of {', '.join(lacking)}", "build without --prebuilt")


def _check_conflicts(job: Job, names: list[Names]) -> None:
    """Now that the digests are known: is anything public that they would have to replace?"""
    problems = Problems()
    with problems.collected():
        check_names(job, names)
    with problems.collected():
        check_files(job, job.files)
    problems.check()


def _built(job: Job) -> Build:
    lock = open_lock(job.definition)
    plan = make_plan(job.definition, lock)
    engine = open_engine(chosen_engine(job.options.engine), job.definition, lock)
    return build_images(plan, engine, Store(), job.dist, job.progress, job.options.jobs)


def _prebuilt(job: Job) -> Build:
    """What dist/ holds; where the definition has images, only if it would make just these."""
    found = read_build(job.dist)
    if not job.definition.images:
        return found
    plan = make_plan(job.definition, open_lock(job.definition))
    wanted = {i.name: [layer.id for layer in i.layers] for i in plan.images}
    have = {i.name: list(dict.fromkeys(x.id for x in i.layers)) for i in found.images}
    other = sorted(n for n in {*wanted, *have} if wanted.get(n) != have.get(n))
    if other:
        raise UserError(
            f"dist/ was not built from this commit: {', '.join(other)}", "build it again"
        )
    return found


def _check_files(job: Job) -> None:
    """`twine check --strict`, and each wheel in a clean environment; not twice for one hash."""
    new = [f for f in job.files if job.journal.fact("build", f.name) != {"sha256": f.sha256}]
    if not new:
        return
    with job.progress.step("twine", f"check  {len(new)} wheels and source archives"):
        twine_check([f.path for f in new])
        wheels = [f.path for f in job.files if f.kind == "wheel"]
        check_installs([f.path for f in new if f.kind == "wheel"], wheels)
    for file in new:
        job.journal.done("build", file.name, sha256=file.sha256)


def _smoke(job: Job) -> None:
    """Test the images whose digests have not passed yet."""
    report = read_report(job.dist)
    passed = {i.digest for i in report.images if i.passed} if report else set()
    untested = [i.name for i in job.built.images if i.digest not in passed]
    if untested:
        report = run_smoke(
            job.dist,
            untested,
            job.definition.root,
            store=Store(),
            jobs=_SMOKE_JOBS,
            progress=functools.partial(_show, job),
        )
        failed = [c for c in report.failed if c.image in untested]
        if failed:
            names = [f"{c.image}: {c.name} (seen {c.seen})" for c in failed]
            raise UserError(f"a check failed: {names[0]}", "nothing was sent", tuple(names[1:]))
    for image in job.built.images:
        job.journal.done("smoke", image.name, digest=image.digest)


def _show(job: Job, result: CheckResult) -> None:
    job.journal.progress(result.image, 0.5)
    if result.verdict == "failed":
        job.progress.note(f"failed {result.image}: {result.name}")


def smoke_facts(job: Job) -> tuple[SmokeFacts, ...]:
    """What dist/smoke.json says of the images, in their order."""
    report = read_report(job.dist)
    return tuple(
        SmokeFacts(i.name, i.digest, i.count("passed"), i.count("failed"), i.count("skipped"))
        for i in (report.images if report else ())
    )
