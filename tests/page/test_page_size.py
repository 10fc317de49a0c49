"""The page stays small, so that it opens at once from disk and over a phone's network."""

from __future__ import annotations

from itertools import pairwise

import pytest
from page_facts import eventful, family

from lapstrake_release.page.document import asset, page
from lapstrake_release.page.parts.layers import columns


def test_a_page_about_twenty_images_has_less_than_500_kb() -> None:
    # each with 27 checks, some with logs; three channels with 50 moves each; a version before
    assert len(page(eventful(20, 50)).encode()) < 500_000


def test_style_and_script_are_a_tenth_of_that() -> None:
    assert sum(len(asset(n).encode()) for n in ("page.css", "page.js")) < 50_000


@pytest.mark.parametrize("count", [1, 2, 20])
def test_the_columns_of_layers_fill_the_figure_and_none_is_lost(count: int) -> None:
    facts = family(count)
    spans = columns(facts.layers)
    assert len(spans) == len(facts.layers)
    ends = [at + width for at, width in spans]
    assert all(width > 0 for _, width in spans)
    assert all(end <= at for end, (at, _) in zip(ends, spans[1:], strict=False))
    assert 9_950 < ends[-1] <= 10_050
    by_size = sorted(zip(facts.layers, spans, strict=True), key=lambda x: x[0].size)
    widths = [span[1] for _, span in by_size]
    # rounding moves an edge by one
    assert all(a <= b + 1 for a, b in pairwise(widths))
