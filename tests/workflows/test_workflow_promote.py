"""promote.yml, step by step, after a release."""

from __future__ import annotations

import pytest
from workflow_machine import Ran
from workflow_place import Place

from lapstrake.definition.channels import DEFAULT
from support.targets import LOGIN, names_at

pytestmark = [
    pytest.mark.root,
    pytest.mark.docker,
    pytest.mark.network,
    pytest.mark.slow,
    pytest.mark.xdist_group("workflows"),
]

VERSION = "1.2.0-rc.1"


def promote(place: Place, channel: str, **inputs: object) -> Ran:
    """Somebody promotes the version, and not only to see what would be done."""
    filled = {"version": VERSION, "channel": channel, "dry_run": False, **inputs}
    return place.dispatch("promote.yml", **filled)["promote"]


def test_a_candidate_goes_into_its_channel_and_no_other(place: Place) -> None:
    released = place.release(VERSION)
    assert released.result == "success", released.log
    registries = (place.targets.first, place.targets.second)
    before = [place.targets.names(r) for r in registries]
    images = {i: before[0][f"1.2.0.rc1-{i}"] for i in ("base", "slim")}

    planned = promote(place, "staging", dry_run=True)
    assert planned.result == "success", planned.log
    assert all(digest in planned.summary for digest in images.values())
    refused = promote(place, "production")
    assert refused.result == "failure"
    assert "production takes official releases" in refused.log
    assert [place.targets.names(r) for r in registries] == before

    moved = promote(place, "staging", why='it\'s $(good) "now"')
    assert moved.result == "success", moved.log
    assert moved.steps[-1] == "See what is where"
    wanted = {f"{c}-{i}": d for c in ("staging", "staging.1") for i, d in images.items()}
    for registry in registries:
        assert wanted.items() <= place.targets.names(registry).items()

    other = f"{place.targets.second.host}/public"
    copied = promote(place, "staging", registry=other)
    assert copied.result == "success", copied.log
    there = names_at(f"{other}/fam", LOGIN)
    assert wanted.items() <= there.items()
    assert LOGIN[1] not in moved.log + moved.summary + copied.log + copied.summary


def test_the_channels_of_the_page_are_those_by_default(place: Place) -> None:
    """So are the environments, which have their names."""
    for channel in (c.name for c in DEFAULT):
        ran = place.dispatch("promote.yml", version="1 2", channel=channel)["promote"]
        assert ran.result == "failure"
        assert "is no version" in ran.log
