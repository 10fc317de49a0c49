"""What the page does in Chromium: from disk and from a server, with keys, on a phone, on paper."""

from __future__ import annotations

from dataclasses import replace

import pytest
from page_browser import Opener, axe
from page_facts import digest, eventful, family
from playwright.sync_api import Page, expect

pytestmark = pytest.mark.xdist_group("browser")

PHONE = {"viewport": {"width": 375, "height": 740}, "has_touch": True, "is_mobile": True}
PLACES = ["file", "http"]


def violations(page: Page) -> list[tuple[str, list[object]]]:
    """What axe-core finds: the rule, and the first places that break it."""
    page.evaluate(axe())
    found = page.evaluate("axe.run().then((r) => r.violations)")
    return [(v["id"], [n["target"] for n in v["nodes"]][:3]) for v in found]


def shown(page: Page) -> list[str]:
    """The images that can be seen, in their order."""
    rows = page.locator("#t-images tbody:not([hidden]) th .name")
    return [r.strip() for r in rows.all_inner_texts()]


@pytest.mark.parametrize("over", PLACES)
def test_it_loads_and_fetches_nothing_else(opened: Opener, over: str) -> None:
    with opened(eventful(), over) as page:
        expect(page).to_have_title("models 1.2.0")
        expect(page.get_by_role("heading", level=1)).to_have_text("models 1.2.0")
        assert len(shown(page)) == 6


@pytest.mark.parametrize("over", PLACES)
def test_commands_and_digests_are_copied_whole(opened: Opener, over: str) -> None:
    with opened(eventful(), over) as page:
        # what a button says for two seconds must not be missed by a slow machine
        page.clock.install()
        row = page.locator("#image-slim")
        row.get_by_role("button", name="Copy digest").click()
        assert page.evaluate("navigator.clipboard.readText()") == digest("slim")
        row.locator("summary").click()
        copy = row.get_by_role("button", name="Copy command for slim").first
        copy.click()
        expect(copy).to_have_text("Copied")
        expect(page.locator("#said")).to_have_text("Copied command for slim")
        line = f"docker pull registry.example/acme/models@{digest('slim')}"
        assert page.evaluate("navigator.clipboard.readText()") == line
        page.clock.run_for(2500)
        expect(copy).to_have_text("Copy")


def test_without_a_clipboard_of_its_own_it_copies_in_the_old_way(opened: Opener) -> None:
    with opened(eventful(), "http") as page:
        page.clock.install()
        page.evaluate("Object.defineProperty(navigator, 'clipboard', {value: undefined})")
        button = page.locator("#image-slim").get_by_role("button", name="Copy digest")
        button.click()
        expect(button).to_have_text("Copied")
        expect(button).to_be_focused()
        field = page.get_by_label("Filter images", exact=True)
        field.focus()
        page.keyboard.press("Control+V")
        expect(field).to_have_value(digest("slim"))


def test_images_are_filtered_by_words_and_by_state(opened: Opener) -> None:
    with opened(eventful()) as page:
        field = page.get_by_label("Filter images", exact=True)
        field.fill("RUNTIME 8080")
        assert shown(page) == [f"runtime-0{n}" for n in range(1, 5)]
        count = page.locator(".tools[data-for=t-images] output")
        expect(count).to_have_text("4 of 6 images")
        page.get_by_label("Filter images by state").select_option("failed")
        assert shown(page) == []
        expect(count).to_have_text("0 of 6 images")
        field.press("Escape")
        assert shown(page) == ["slim"]
        page.get_by_label("Filter images by state").select_option("any")
        assert len(shown(page)) == 6
        expect(count).to_have_text("")


def test_images_are_sorted_by_each_column_both_ways(opened: Opener) -> None:
    facts = eventful()
    sizes = {i.name: i.size for i in facts.images}
    with opened(facts) as page:
        head = page.locator("#t-images th", has_text="Size")
        for direction in ("ascending", "descending"):
            head.get_by_role("button").click()
            expect(head).to_have_attribute("aria-sort", direction)
            found = [sizes[n] for n in shown(page)]
            assert found == sorted(found, reverse=direction == "descending")
        page.locator("#t-images th", has_text="Checks").get_by_role("button").click()
        assert shown(page)[-1] == "slim"
        expect(page.locator("#t-images th[aria-sort]")).to_have_count(1)
        # what belongs to a row goes with it
        page.locator("#image-slim summary").click()
        expect(page.locator("#image-slim .known")).to_contain_text(digest("slim"))


def test_failed_checks_stand_first_and_open_with_their_log(opened: Opener) -> None:
    with opened(eventful()) as page:
        failing = page.locator("#checks-image-slim")
        expect(failing).to_have_attribute("open", "")
        assert failing.locator("tbody th").all_inner_texts()[:2] == ["v2-rest", "metrics"]
        expect(failing.get_by_label("Log of v2-rest")).to_contain_text("14:07 mlserver: loading")
        passing = page.locator("#checks-image-runtime-01")
        expect(passing).not_to_have_attribute("open", "")
        page.get_by_label("Filter checks", exact=True).fill("runtime-01 stops-in-time")
        expect(passing).to_have_attribute("open", "")
        expect(failing).to_be_hidden()
        expect(passing.locator("tbody tr:visible")).to_have_count(1)
        page.get_by_label("Filter checks", exact=True).fill("")
        expect(passing).not_to_have_attribute("open", "")
        expect(failing).to_be_visible()


def test_a_link_to_an_image_s_checks_opens_them(opened: Opener) -> None:
    with opened(eventful()) as page:
        page.locator("#image-runtime-01").get_by_role("link").click()
        expect(page.locator("#checks-image-runtime-01")).to_have_attribute("open", "")
        expect(page.locator("#checks-image-runtime-01 table")).to_be_in_viewport()


def test_layers_are_pointed_at_with_mouse_and_keys(opened: Opener) -> None:
    facts = family()
    with opened(facts) as page:
        said = page.locator(".scrub output")
        page.locator(".planks").scroll_into_view_if_needed()
        box = page.locator(".plank svg").first.bounding_box()
        assert box is not None
        page.mouse.move(box["x"] + 3, box["y"] + 3)
        expect(said).to_have_text("bookworm, 123 packages (root), 11.0 MB: all 6")
        slider = page.get_by_label("Look at a layer")
        slider.focus()
        slider.press("End")
        last = facts.layers[-1]
        expect(said).to_have_text(f"{last.title} ({last.kind}), 45.0 MB: {last.images[0]}")
        expect(slider).to_have_attribute("aria-valuetext", said.inner_text())
        mark = page.locator(".plank .here").first
        assert float(mark.get_attribute("width") or 0) > 0


def test_moves_of_one_channel(opened: Opener) -> None:
    with opened(eventful()) as page:
        rows = page.locator("#t-moves tbody tr:visible")
        expect(rows).to_have_count(36)
        page.get_by_label("Filter moves by state").select_option("staging")
        expect(rows).to_have_count(12)
        page.get_by_label("Filter moves", exact=True).fill("rolled back")
        assert rows.locator("th code").all_inner_texts() == ["staging.10", "staging.5"]
        expect(page.locator("#channels li", has_text="staging")).to_contain_text("interrupted")


def test_all_of_it_is_there_without_scripts(opened: Opener) -> None:
    with opened(eventful(), java_script_enabled=False) as page:
        assert len(shown(page)) == 6
        expect(page.locator(".tools:visible, button:visible, .scrub:visible")).to_have_count(0)
        page.locator("#image-slim summary").click()
        expect(page.locator("#image-slim .command").first).to_contain_text("docker pull")
        page.goto(f"{page.url}#checks-image-runtime-01")
        expect(page.locator("#t-moves tbody tr")).to_have_count(36)


def test_it_is_used_with_keys_alone(opened: Opener) -> None:
    with opened(eventful()) as page:
        page.keyboard.press("Tab")
        expect(page.get_by_role("link", name="Skip to the images")).to_be_focused()
        page.keyboard.press("Enter")
        page.keyboard.press("Tab")
        field = page.get_by_label("Filter images", exact=True)
        expect(field).to_be_focused()
        page.keyboard.type("slim")
        assert shown(page) == ["slim"]
        page.keyboard.press("Escape")
        page.keyboard.press("Tab")
        expect(page.get_by_label("Filter images by state")).to_be_focused()
        page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        expect(page.locator("#t-images th").first).to_have_attribute("aria-sort", "ascending")
        page.locator("#image-base summary").focus()
        page.keyboard.press("Enter")
        page.keyboard.press("Tab")
        page.keyboard.press("Space")
        expect(page.locator("#said")).to_have_text("Copied command for base")


def test_keys_reach_everything_that_a_mouse_does(opened: Opener) -> None:
    with opened(eventful()) as page:
        there = page.evaluate(
            """() => {
                const found = [...document.querySelectorAll(
                    'a[href], button, input, select, summary, [tabindex="0"]')]
                    .filter((e) => e.checkVisibility());
                found.forEach((e, at) => { e.dataset.number = at; });
                return found.length;
            }"""
        )
        assert there > 40
        reached = set()
        for _ in range(there):
            page.keyboard.press("Tab")
            reached.add(page.evaluate("document.activeElement.dataset.number"))
        assert reached == {str(n) for n in range(there)}


def test_scans_and_verdicts_stand_with_the_image(opened: Opener) -> None:
    with opened(eventful()) as page:
        page.locator("#image-runtime-01 summary").click()
        known = page.locator("#image-runtime-01 .known")
        expect(known).to_contain_text("2 critical, 2 high, 2 medium and 2 low")
        expect(known).to_contain_text("CVE-2026-1001, CVE-2026-1005, CVE-2026-1002")
        expect(known).to_contain_text("and 2 more")
        page.locator("#image-slim summary").click()
        known = page.locator("#image-slim .known")
        expect(known).to_contain_text("nothing found")
        expect(known).to_contain_text("failed by kim, 2026-11-21 11:05 UTC, on the issue")
        expect(known).to_contain_text("the demo ends with HTTP 503")


@pytest.mark.parametrize("width", [320, 375, 768, 940, 1280])
def test_names_as_long_as_may_be_don_t_stick_out(opened: Opener, width: int) -> None:
    facts = eventful(3)
    long = "abcdefgh" * 8
    layer = replace(facts.layers[0], title="x" * 300)
    image = replace(facts.images[2], name=long, tags=("t" * 128,), description="d" * 200)
    facts = replace(
        facts, images=(*facts.images[:2], image), layers=(layer, *facts.layers[1:]), version=long
    )
    with opened(facts, viewport={"width": width, "height": 740}) as page:
        page.evaluate("document.querySelectorAll('details').forEach((d) => { d.open = true; })")
        assert page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("settings", [{}, PHONE], ids=["wide", "phone"])
def test_a_screen_reader_meets_tables_as_tables(
    opened: Opener, settings: dict[str, object]
) -> None:
    with opened(eventful(), **settings) as page:
        said = page.locator("#t-images").aria_snapshot()
        assert '- columnheader "Not shared":\n        - button "Not shared"' in said
        assert '- rowheader "slim Serves slim models"' in said
        assert said.count("- rowgroup") == 7
        picture = page.get_by_role(
            "img", name="slim: 14 layers, 131.8\u00a0MB of 140.8\u00a0MB shared"
        )
        expect(picture).to_have_count(1)


@pytest.mark.parametrize("width", [320, 375, 740, 768, 920, 1280])
def test_nothing_sticks_out(opened: Opener, width: int) -> None:
    with opened(eventful(), viewport={"width": width, "height": 740}) as page:
        page.evaluate("document.querySelectorAll('details').forEach((d) => { d.open = true; })")
        assert page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize(
    "settings",
    [{"color_scheme": "light"}, {"color_scheme": "dark"}, PHONE, PHONE | {"color_scheme": "dark"}],
    ids=["light", "dark", "phone", "dark-phone"],
)
def test_axe_finds_nothing(opened: Opener, settings: dict[str, object]) -> None:
    with opened(eventful(), **settings) as page:
        page.evaluate("document.querySelectorAll('details').forEach((d) => { d.open = true; })")
        page.locator("#t-images th button").first.click()
        assert violations(page) == []


def test_axe_finds_nothing_as_it_opens(opened: Opener) -> None:
    with opened(eventful()) as page:
        assert violations(page) == []


def test_axe_would_find_something(opened: Opener) -> None:
    with opened(family(2)) as page:
        page.evaluate(
            "document.querySelector('input[type=search]').parentElement.replaceWith("
            "document.createElement('input'))"
        )
        page.evaluate("document.body.style.color = '#bbb'")
        assert {"color-contrast", "label"} <= {name for name, _ in violations(page)}


def test_paper_shows_what_is_folded(opened: Opener) -> None:
    with opened(eventful()) as page:
        page.emulate_media(media="print")
        expect(page.locator("#image-slim .command").first).to_be_visible()
        expect(page.locator("#checks-image-runtime-01 table")).to_be_visible()
        expect(page.locator("nav, .tools:visible, .copy:visible, .scrub:visible")).to_have_count(1)
        expect(page.locator("nav")).to_be_hidden()
        assert page.pdf().startswith(b"%PDF")


def test_dark_and_light_differ(opened: Opener) -> None:
    colours = set()
    for scheme in ("light", "dark"):
        with opened(family(), color_scheme=scheme) as page:
            colours.add(page.evaluate("getComputedStyle(document.body).backgroundColor"))
    assert len(colours) == 2
