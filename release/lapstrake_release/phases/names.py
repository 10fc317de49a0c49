"""Phase 5: the public names, of digests that are there: no blob is sent."""

from __future__ import annotations

import functools
import threading

from lapstrake.errors import UserError
from lapstrake_release.job import Job, Meter, Registries
from lapstrake_release.phases.candidates import manifest_in
from lapstrake_release.phases.check import check_names, names_in
from lapstrake_release.places import Place, places


def give_names(job: Job) -> None:
    """Give every image its public names in every registry, and read them back.

    Raises:
        UserError: a name of a final version holds something else, or a registry refuses.
    """
    names = names_in(job.built, job.version.ours)
    verdicts = check_names(job, names)
    wanted = [p for p in places(job.targets.registries, names) if verdicts[p] != "kept"]
    meter = Meter(job.journal, len(wanted))
    lock = threading.Lock()
    with job.registries() as registries:

        def give(place: Place) -> None:
            if verdicts[place] != "same":
                _give(job, registries, place)
                with lock:
                    job.sent.names += 1
            job.journal.done("names", str(place), digest=place.digest, image=place.image)
            meter.add(place.image, 1)

        # the plain version last: whoever finds it finds all the others
        plain = [p for p in wanted if p.name == job.version.ours]
        others = [p for p in wanted if p not in plain]
        registries.all_at_once([functools.partial(give, p) for p in others])
        registries.all_at_once([functools.partial(give, p) for p in plain])
    job.places = tuple(wanted)


def _give(job: Job, registries: Registries, place: Place) -> None:
    registry = registries[place.repository]
    registry.put_manifest(place.name, manifest_in(job.dist, job.built.image(place.image)))
    now = registry.digest(place.name)
    if now != place.digest:
        raise UserError(
            f"{place} is {now or 'missing'} after it was given, not {place.digest}",
            "does something else push to it?",
        )
