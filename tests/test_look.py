"""The frame of the page: its letters, its measure, and what a reader's own colours leave of it."""

import re

import pytest
from built_site import CHAPTERS

DESK = {"width": 1280, "height": 900}
FAMILIES = '[...document.fonts].filter((one) => one.status === "loaded").map((one) => one.family.replaceAll(\'"\', ""))'
# Signs that no text letter draws well; and the terms of the glossary, for which a Korean reader has letters.
NOT_OURS = re.compile(r"[\u2060∗✗✓ᵢⱼ가-힣]")


@pytest.mark.parametrize("scheme", ["http", "file"])
def test_the_pages_bring_their_own_letters(scheme, open_page):
    page = open_page("book/01_computational_graphs.html", scheme, viewport=DESK)
    page.wait_for_load_state("networkidle")
    assert {"Book Text", "Book Code"} <= set(page.evaluate(FAMILIES))
    families = "(all) => all.map((one) => getComputedStyle(one).fontFamily.split(',')[0])"
    for selector, family in (
        ("p:not(.chainrule-rule), h1, h2, li, button, select, legend, svg text", "Book Text"),
        ("pre, code", "Book Code"),
    ):
        named = page.locator(f":is(.bd-article, nav) :is({selector})").evaluate_all(families)
        assert set(named) == {f'"{family}"'}, selector


# A character that the letters lack is drawn by what comes after them, so its width depends on that.
MISSING = """async (text) => {
    await document.fonts.ready;
    const pen = new OffscreenCanvas(1, 1).getContext("2d");
    const width = (sign, family) => ((pen.font = `100px "Book Text", ${family}`), pen.measureText(sign).width);
    await document.fonts.load('100px "Book Text"');
    return [...new Set(text)].filter((one) => width(one, "monospace") !== width(one, "serif"));
}"""
WORDS = """() => {
    const article = document.querySelector(".bd-article").cloneNode(true);
    for (const one of article.querySelectorAll("pre, code, .katex, script, style")) one.remove();
    return article.textContent;
}"""


@pytest.mark.parametrize("path", CHAPTERS)
def test_the_letters_have_every_character_of_the_text(path, open_page):
    page = open_page(path, viewport=DESK)
    text = NOT_OURS.sub("", "".join(page.evaluate(WORDS).split()))
    assert page.evaluate(MISSING, text) == []


def test_nothing_moves_when_the_letters_come(open_page):
    """The letters that stand in for them are as wide: a page has about the same height with the one and with the other."""
    heights = []
    for blocked in (False, True):
        complaints = []
        page = open_page("book/index.html", complaints=complaints, viewport=DESK)
        if blocked:
            page.route("**/fonts/*.woff2", lambda route: route.abort())
            page.reload()
        page.wait_for_load_state("networkidle")
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
    page.wait_for_load_state("networkidle")
    words = page.locator("section > p:not(:has(code, .katex))")
    found = words.evaluate_all(LETTERS_IN_A_LINE)
    assert len(found) > 5 and 60 <= sum(found) / len(found) <= 75


# A sign that touches a formula, and stands a line below it (or above it, where it opens a bracket).
TORN = """() => [...document.querySelectorAll(".bd-article span.math")].flatMap((formula) => {
    const torn = [], parts = formula.querySelectorAll(".base");
    const look = (text, at, sign, part) => {
        if (text?.nodeType !== Node.TEXT_NODE || !sign.test(text.data)) return;
        const range = document.createRange(), start = at < 0 ? text.data.length - 1 : 0;
        range.setStart(text, start), range.setEnd(text, start + 1);
        const one = range.getBoundingClientRect(), other = part.getBoundingClientRect();
        if (one.height && (one.top >= other.bottom || one.bottom <= other.top)) torn.push(text.data.slice(0, 40));
    };
    look(formula.nextSibling, 0, /^[.,;:?!)]/, parts[parts.length - 1]);
    look(formula.previousSibling, -1, /[(]$/, parts[0]);
    return torn;
})"""


@pytest.mark.parametrize("width", [390, 1280])
def test_no_line_begins_with_the_full_stop_of_a_formula(width, open_page):
    torn = {}
    for path in CHAPTERS:
        page = open_page(path, viewport=DESK | {"width": width})
        torn[path] = page.evaluate(TORN)
        page.close()
    assert torn and not any(torn.values()), torn


# What is folded is opened: a formula in a hint is read too.
WIDER_THAN_ITS_PLACE = """() => {
    document.querySelectorAll(".bd-article details").forEach((one) => (one.open = true));
    return [...document.querySelectorAll(".bd-article .katex-display")].flatMap((formula) => {
        const place = formula.getBoundingClientRect().right;
        const parts = [...formula.querySelectorAll(".katex-html > .base")];
        const over = Math.max(...parts.map((part) => part.getBoundingClientRect().right)) - place;
        return over > 1 ? [[Math.round(over), formula.querySelector("annotation").textContent]] : [];
    });
}"""


def test_every_displayed_formula_fits_a_phone(open_page):
    wide, formulas = {}, 0
    for path in CHAPTERS:
        page = open_page(path, viewport=DESK | {"width": 390})
        formulas += page.locator(".bd-article .katex-display").count()
        wide |= {path: found} if (found := page.evaluate(WIDER_THAN_ITS_PLACE)) else {}
        page.close()
    assert formulas > 50 and not wide, wide


def test_a_line_of_79_characters_fits_its_box_at_a_desk(open_page):
    page = open_page("book/05_affine.html", viewport=DESK)
    page.wait_for_load_state("networkidle")
    box = page.locator(".cell_input pre").first
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
