"""The family as GitHub Actions jobs: `strategy.matrix` from a plan."""

from __future__ import annotations

from lapstrake.plan.model import ImagePlan, Plan


def matrix(plan: Plan, shards: int | None = None) -> dict[str, list[dict[str, object]]]:
    """The value of `strategy.matrix`: one job an image, or `shards` jobs of similar weight.

    Each job has `name` (of the job) and `images` (the arguments of `lapstrake build`).
    """
    if shards is None:
        return {"include": [{"name": i.name, "images": i.name} for i in plan.images]}
    jobs = [job for job in _shared_out(plan, shards) if job]
    return {
        "include": [
            {"name": f"{n} of {len(jobs)}", "images": " ".join(sorted(i.name for i in job))}
            for n, job in enumerate(jobs, 1)
        ]
    }


def _shared_out(plan: Plan, shards: int) -> list[list[ImagePlan]]:
    """Each image, the heaviest first, goes where it adds the fewest layers to the lightest job."""
    jobs: list[list[ImagePlan]] = [[] for _ in range(max(shards, 1))]
    loads: list[set[str]] = [set() for _ in jobs]
    for image in sorted(plan.images, key=lambda i: (-len(i.layers), i.name)):
        ids = {layer.id for layer in image.layers}
        best = min(range(len(jobs)), key=lambda n: (len(loads[n] | ids), n))
        jobs[best].append(image)
        loads[best] |= ids
    return jobs
