"""The frame of the page: its letters, its measure, and what a reader's own colours leave of it."""

import pytest
from built_site import settle

pytestmark = pytest.mark.looks

DESK = {"width": 1280, "height": 900}
FAMILIES = '[...document.fonts].filter((one) => one.status === "loaded").map((one) => one.family.replaceAll(\'"\', ""))'


@pytest.mark.parametrize("scheme", ["http", "file"])
def test_the_pages_bring_their_own_letters(scheme, open_page):
    page = open_page("book/01_computational_graphs.html", scheme, viewport=DESK)
    settle(page)
    assert {"Book Text", "Book Code"} <= set(page.evaluate(FAMILIES))
    families = "(all) => all.map((one) => getComputedStyle(one).fontFamily.split(',')[0])"
    for selector, family in (
        ("p:not(.chainrule-rule), h1, h2, li, button, select, legend, svg text", "Book Text"),
        ("pre, code", "Book Code"),
    ):
        named = page.locator(f":is(.bd-article, nav) :is({selector})").evaluate_all(families)
        assert set(named) == {f'"{family}"'}, selector


def test_nothing_moves_when_the_letters_come(open_page):
    """The letters that stand in for them are as wide: a page has about the same height with the one and with the other."""
    heights = []
    for blocked in (False, True):
        complaints = []
        page = open_page("book/index.html", complaints=complaints, viewport=DESK)
        if blocked:
            page.route("**/fonts/*.woff2", lambda route: route.abort())
            page.reload()
        settle(page)
        assert ("Book Text" in page.evaluate(FAMILIES)) != blocked
        heights.append(page.locator(".bd-article").bounding_box()["height"])
    assert heights[0] == pytest.approx(heights[1], rel=0.02)


LETTERS_IN_A_LINE = """(paragraphs) => paragraphs.flatMap((one) => {
    const { lineHeight } = getComputedStyle(one);
    const lines = Math.round(one.getBoundingClientRect().height / parseFloat(lineHeight));
    return lines > 2 ? [one.textContent.length / lines] : [];
})"""


@pytest.mark.parametrize("width", [1280, 2560])
def test_a_line_of_words_holds_some_seventy_letters(width, open_page):
    page = open_page("book/01_computational_graphs.html", viewport=DESK | {"width": width})
    settle(page)
    words = page.locator("section > p:not(:has(code, .katex))")
    found = words.evaluate_all(LETTERS_IN_A_LINE)
    assert len(found) > 5 and 60 <= sum(found) / len(found) <= 75


def test_a_line_of_79_characters_fits_its_box_at_a_desk(open_page):
    page = open_page("book/05_affine.html", viewport=DESK)
    settle(page)
    box = page.locator(".cell_input pre:visible").first
    box.evaluate("(one) => { one.textContent = 'x'.repeat(79); }")
    assert box.evaluate("(one) => one.scrollWidth <= one.clientWidth")
    box.evaluate("(one) => { one.textContent = 'x'.repeat(85); }")
    assert not box.evaluate("(one) => one.scrollWidth <= one.clientWidth")


ICONS = """() => [...document.querySelectorAll("[class*='fa-']")].filter((one) => one.checkVisibility() && one.offsetWidth).map((one) => {
    const behind = document.createElement("i");
    behind.style.cssText = "background: Canvas; forced-color-adjust: none";
    one.parentElement.append(behind);
    return getComputedStyle(one).backgroundColor !== getComputedStyle(behind).backgroundColor;
})"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_an_icon_is_seen_in_colours_of_the_readers_own(scheme, open_page):
    colours = {"forced_colors": "active", "color_scheme": scheme}
    page = open_page("book/index.html", viewport=DESK, **colours)
    seen = page.evaluate(ICONS)
    assert len(seen) > 3 and all(seen)


def test_every_page_asks_for_the_letters_ahead_but_not_from_disk(open_page, site):
    """From disk a browser refuses to be asked, and says so in its console; `open_page` holds that it says nothing."""
    asked = "[...document.querySelectorAll('link[rel=preload]')].map((one) => one.href)"
    for path in ("search.html", "book/index.html", "book/reference/api.html"):
        (address,) = open_page(path).evaluate(asked)
        assert (site / "_static" / "fonts" / address.rpartition("/")[2]).exists()
        assert open_page(path, "file").evaluate(asked) == []
