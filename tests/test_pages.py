"""Every page as its readers open it: at a desk, on a phone, from disk, and without scripts.

A page is opened once for each of them, and all that is asked of it is asked there: to open it costs more than most of
the questions. So a test finds it as those before have left it, and sets what it needs: the window, the scheme, the step.
"""

import gzip
import re
from dataclasses import dataclass
from urllib.parse import urlsplit

import pytest
from audit import findings, findings_after_a_change, off_contrast
from built_site import CHAPTERS, PAGES, READ, SITE, SUB_PATH, settle, watch
from test_overlaps import over_at_any_step

SCRIPT_BUDGET, STYLE_BUDGET = 60_000, 40_000  # bytes, gzip, on any page
WIDTHS = (360, 640, 1024, 2560, 1280)  # 640 is also 200 % zoom of 1280
PHONES = (390, 360)
# What a page loads only if it holds something that matches: a part of the file's name, and what.
LOADED_FOR = {
    "chainrule.js": ".chainrule-stepper, .chainrule-quiz, .chainrule-explorer, .chainrule-replay, .chainrule-scene, .chainrule-bets",
    "chainrule.css": "[class*='chainrule-']:not(.chainrule-plot)",  # that one brings its own
    "clipboard": ".highlight",
    "copybutton": ".highlight",
    "design-tabs": "[class*='sd-tab']",
    "katex": ".katex",
    "mystnb": ".cell",
    "pygments": ".highlight",
    "search.js": "#search-results",
    "sphinx-design": "[class*='sd-']",
    "togglebutton": ".toggle",
}
ALWAYS = {"chainrule.js", "chainrule.css", "copybutton", "katex", "mystnb", "search.js"}  # there
# Figures that scroll, in a window of 1280 pixels and on a phone: (page, number of the figure), and no others.
SCROLL = {("book/reference/figures.html", 2)}
SCROLL_ON_PHONES = {("book/reference/figures.html", 3)}


@dataclass
class Visit:
    path: str
    page: object
    complaints: list


@pytest.fixture(scope="module")
def visiting(browser, site_url):
    """visiting(**context) is a visitor, who opens one page after the other in one tab: visitor(path) is the visit."""
    contexts = []

    def arrive(**options):
        contexts.append(browser.new_context(**options))
        page, complaints = contexts[-1].new_page(), []
        watch(page, site_url, "a page", complaints)

        def visitor(path):
            complaints.clear()
            page.set_viewport_size(options["viewport"])
            page.emulate_media(
                color_scheme="null", reduced_motion=options.get("reduced_motion", "null")
            )
            page.goto(site_url + path)
            return Visit(path, page, complaints)

        return visitor

    yield arrive
    for context in contexts:
        context.close()


@pytest.fixture(scope="module")
def at_a_desk(visiting):
    return visiting(viewport={"width": 1280, "height": 900})


@pytest.fixture(scope="module")
def by_phone(visiting):
    size = {"width": PHONES[0], "height": 740}
    return visiting(viewport=size, is_mobile=True, has_touch=True, reduced_motion="reduce")


@pytest.fixture(scope="module", params=READ)
def desk(request, at_a_desk):
    """The page in a window of 1280 pixels; then in others."""
    seen = at_a_desk(request.param)
    settle(seen.page)
    yield seen
    assert seen.complaints == []


@pytest.fixture(scope="module", params=READ)
def phone(request, by_phone):
    """The page on a phone of 390 pixels."""
    seen = by_phone(request.param)
    yield seen
    assert seen.complaints == []


# ---------------------------------------------------------------- at a desk


def test_a_page_opens_without_a_complaint(desk):
    assert desk.complaints == []
    assert desk.page.title()


def loaded(page):
    """The addresses of all that a page has asked for."""
    return page.evaluate("performance.getEntriesByType('resource').map((entry) => entry.name)")


def test_a_page_is_light(desk):
    files = {SITE / urlsplit(url).path.partition(SUB_PATH)[2] for url in loaded(desk.page)}
    for kind, budget in ((".js", SCRIPT_BUDGET), (".css", STYLE_BUDGET)):
        sizes = [len(gzip.compress(file.read_bytes())) for file in files if file.suffix == kind]
        assert sum(sizes) <= budget
        assert sizes or desk.path == "404.html"


def test_a_page_loads_what_it_uses_and_no_more(desk):
    addresses = loaded(desk.page)
    for name, selector in LOADED_FOR.items():
        is_loaded = any(name in address for address in addresses)
        is_used = desk.page.query_selector(selector) is not None
        assert is_loaded <= is_used, f"{name} is loaded in vain"
        assert is_loaded == is_used or name not in ALWAYS, f"{name} is not loaded"


def test_every_icon_of_the_theme_is_drawn_by_our_style(desk):
    undrawn = desk.page.eval_on_selector_all(
        ":is(i, span)[class*='fa-']",
        """(all) => all.filter((one) => !getComputedStyle(one).maskImage.startsWith("url("))
            .map((one) => one.className)""",
    )
    assert undrawn == []


# Signs that no text letter draws well; and the terms of the glossary, for which a Korean reader has letters.
NOT_OURS = re.compile(r"[\u2060∗✗✓ᵢⱼ가-힣]")
# A character that the letters lack is drawn by what comes after them, so its width depends on that.
MISSING = """async (text) => {
    await document.fonts.ready;
    const pen = new OffscreenCanvas(1, 1).getContext("2d");
    const width = (sign, family) => ((pen.font = `100px "Book Text", ${family}`), pen.measureText(sign).width);
    await document.fonts.load('100px "Book Text"');
    return [...new Set(text)].filter((one) => width(one, "monospace") !== width(one, "serif"));
}"""
WORDS = """() => {
    const article = (document.querySelector(".bd-article") ?? document.body).cloneNode(true);
    for (const one of article.querySelectorAll("pre, code, .katex, script, style")) one.remove();
    return article.textContent;
}"""


def test_the_letters_have_every_character_of_the_text(desk):
    text = NOT_OURS.sub("", "".join(desk.page.evaluate(WORDS).split()))
    if desk.path != "404.html":  # that one has the letters of the reader's system
        assert desk.page.evaluate(MISSING, text) == []


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


def test_no_line_begins_with_the_full_stop_of_a_formula_at_a_desk(desk):
    assert desk.page.evaluate(TORN) == []


# One in a closed answer is told of a new width when it opens.
PICTURES = """(all) => [...document.querySelectorAll(".chainrule-stepper")].filter(
    (figure) => all || figure.checkVisibility({ contentVisibilityAuto: true })
).map((figure) => {
    const scroll = figure.querySelector(".chainrule-scroll");
    const svg = scroll.querySelector("svg");
    const scale = svg.getBoundingClientRect().width / svg.viewBox.baseVal.width;
    const sizes = [...svg.querySelectorAll("[data-cell]")].map((cell) => parseFloat(getComputedStyle(cell).fontSize));
    return {
        scrolls: scroll.scrollWidth > scroll.clientWidth + 1,
        overflow: getComputedStyle(scroll).overflowX,
        more: scroll.dataset.more ?? "",
        mask: getComputedStyle(scroll).maskImage,
        left: scroll.scrollLeft,
        step: Number(figure.dataset.step),
        digits: sizes.length ? scale * Math.min(...sizes) : 99,
        level: figure.dataset.level,
    };
})"""


FOLLOWED = """() => [...document.querySelectorAll(".chainrule-scroll")].every(
    (box) => !box.checkVisibility({ contentVisibilityAuto: true }) || (box.scrollWidth > box.clientWidth + 1) === Boolean(box.dataset.more))"""


def pictures(page, all=True):
    """Every picture of a graph, or every one that is shown: whether it scrolls, and that it shows it."""
    page.wait_for_function(FOLLOWED, timeout=10_000)
    found = page.evaluate(PICTURES, all)
    for one in found:
        assert one["overflow"] == "auto" and one["level"] in ("layers", "nodes")
        assert bool(one["more"]) == one["scrolls"]
        assert ("gradient" in one["mask"]) == one["scrolls"]
        if one["scrolls"] and one["step"] == 0:
            assert one["left"] == 0 and one["more"] == "right"  # it starts at its inputs
    return found


def scrolling(visit, found):
    return {(visit.path, number) for number, one in enumerate(found) if one["scrolls"]}


@pytest.mark.looks
def test_no_page_is_wider_than_the_window_and_a_picture_that_scrolls_shows_it(desk):
    found = pictures(desk.page)
    assert scrolling(desk, found) == {one for one in SCROLL if one[0] == desk.path}
    assert all(one["digits"] >= 12 for one in found)
    for width in WIDTHS:
        desk.page.set_viewport_size({"width": width, "height": 900})
        pictures(desk.page, all=False)
        assert desk.page.evaluate("document.documentElement.scrollWidth") <= width


# How far what is drawn of each graph stands out of the column of its figure, at the side where it does so most.
OUTSIDE = """() => [...document.querySelectorAll(".chainrule-stepper")].flatMap((figure) => {
    if (!figure.checkVisibility({ contentVisibilityAuto: true })) return [];
    const scroll = figure.querySelector(".chainrule-scroll"), column = figure.getBoundingClientRect();
    if (scroll.scrollWidth > scroll.clientWidth + 1) return [];
    const drawn = [...scroll.querySelectorAll("svg :is(path, rect, circle, text)")].map((one) => one.getBoundingClientRect());
    const seen = drawn.filter((box) => box.width);
    return [Math.max(...seen.flatMap((box) => [column.left - box.left, box.right - column.right]))];
})"""


@pytest.mark.looks
def test_the_picture_of_a_stepper_lies_within_its_column(desk):
    desk.page.set_viewport_size({"width": 1280, "height": 900})
    assert max(desk.page.evaluate(OUTSIDE), default=0) <= 2.5


def to_the_last_step(page):
    page.eval_on_selector_all(
        'button[aria-label="Last step"]', "all => all.forEach((one) => one.click())"
    )


def turn_to(page, width, scheme):
    """Another width and scheme: wait until the page has followed, and no colour is on its way to another."""
    page.set_viewport_size({"width": width, "height": 800})
    page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
    page.wait_for_function(
        "(scheme) => (document.documentElement.dataset.theme ?? scheme) === scheme", arg=scheme
    )
    page.wait_for_function(  # the theme gives what scrolls a tab stop, a moment after the window changes
        """() => [...document.querySelectorAll(
            "pre, .cell_output > .output, .jp-RenderedHTMLCommon, .pst-scrollable-table-container")].every(
            (one) => one.scrollWidth <= one.clientWidth || one.tabIndex === 0)"""
    )
    page.evaluate("document.getAnimations().forEach((one) => one.cancel())")  # one may never finish


@pytest.mark.looks
def test_axe_finds_nothing_on_a_page_in_light_and_dark_wide_and_narrow(desk):
    """What differs between the four is style, and the figures answer as to a reader."""
    page = desk.page
    page.emulate_media(reduced_motion="reduce")
    to_the_last_step(page)
    turn_to(page, 1280, "dark")
    assert off_contrast(page) == off_colour(page) == []
    turn_to(page, 1280, "light")
    assert findings(page) == off_colour(page) == []
    turn_to(page, 360, "dark")
    assert off_contrast(page) == []
    turn_to(page, 360, "light")
    assert findings_after_a_change(page) == []


def off_colour(page):
    """What stands in a formula in another colour than the text around it, or on a ground of its own."""
    return page.evaluate(
        """() => [...document.querySelectorAll(".katex-html *")].filter((one) => {
            const { color, backgroundColor } = getComputedStyle(one);
            const around = getComputedStyle(one.closest(".katex").parentElement).color;
            return color !== around || backgroundColor !== "rgba(0, 0, 0, 0)";
        }).map((one) => one.outerHTML.slice(0, 160))"""
    )


def test_a_letter_of_a_formula_in_a_colour_of_its_own_is_seen(open_page):
    page = open_page("book/05_affine.html")
    assert off_colour(page) == []
    page.evaluate("document.querySelector('.katex-html .mord').style.color = '#eee'")
    assert len(off_colour(page)) >= 1


def test_the_address_of_the_site_itself_leads_to_the_book(open_page):
    page = open_page("index.html")
    page.wait_for_url("**/book/index.html")


# The figures of a page that are higher at one time than at another, while everything in them is moved that moves; a bet
# is looked at when it is placed. What opens a fold, or asks for a guess, may take room.
RESTLESS = """async () => {
    const found = [];
    for (const figure of document.querySelectorAll(".chainrule-live:not(.chainrule-quiz)")) {
        if (!figure.checkVisibility({ contentVisibilityAuto: true })) continue; // in a closed answer
        const all = (selector) => [...figure.querySelectorAll(selector)];
        let heights = [];
        const look = () => heights.push(figure.getBoundingClientRect().height);
        const bet = all(".chainrule-look:not([hidden])")[0];
        look();
        if (bet) {
            bet.click();
            if (!figure.matches(".chainrule-bets")) heights = []; // its curves have come
            look();
        }
        const set = (input, value) => {
            input.value = value;
            input.dispatchEvent(new Event("input", { bubbles: true }));
            look();
        };
        for (const button of all(".chainrule-choosers button, button[data-level]").reverse()) {
            button.click();
            if (button.dataset.level) heights = []; // another picture
            look();
            slide();
        }
        slide();
        function slide() {
            for (const range of all("input[type=range]")) {
                const last = Number(range.max), stride = Math.ceil((last + 1) / 40);
                for (let at = 0; at <= last; at += stride) set(range, at);
                set(range, last);
            }
        }
        const moved = Math.max(...heights) - Math.min(...heights);
        if (moved > 1) found.push([figure.className, figure.ariaLabel, moved].join(" "));
    }
    return found;
}"""


@pytest.mark.looks
def test_no_figure_changes_its_height_under_the_hand_at_a_desk(desk):
    desk.page.set_viewport_size({"width": 1280, "height": 900})
    assert desk.page.evaluate(RESTLESS) == []


# ---------------------------------------------------------------- on a phone


@pytest.mark.looks
def test_no_line_begins_with_the_full_stop_of_a_formula_on_a_phone(phone):
    assert phone.page.evaluate(TORN) == []


# What is folded is opened for a moment: a formula in a hint is read too.
WIDER_THAN_ITS_PLACE = """() => {
    const folded = [...document.querySelectorAll(".bd-article details:not([open])")];
    for (const one of folded) one.open = true;
    const wide = [...document.querySelectorAll(".bd-article .katex-display")].filter((formula) => {
        const parts = [...formula.querySelectorAll(".katex-html > .base")];
        const right = Math.max(...parts.map((part) => part.getBoundingClientRect().right));
        return right > formula.getBoundingClientRect().right + 1;
    });
    for (const one of folded) one.open = false;
    return wide.map((formula) => formula.querySelector("annotation").textContent);
}"""


@pytest.mark.looks
def test_every_displayed_formula_fits_a_phone(phone):
    assert phone.page.evaluate(WIDER_THAN_ITS_PLACE) == []


def test_a_formula_that_is_wider_than_a_phone_is_seen(open_page):
    page = open_page("book/04_relu_and_sigmoid.html", viewport={"width": PHONES[0], "height": 740})
    last = page.locator(".bd-article .katex-display .katex-html > .base").last
    last.evaluate("(one) => { one.style.paddingRight = '400px'; }")
    assert len(page.evaluate(WIDER_THAN_ITS_PLACE)) == 1


# The buttons of figures and of the page's header are 44 pixels high and wide, as WCAG 2.5.5 wants. All else that is
# pressed has 24 pixels or as much room around it, as 2.5.8 wants; links in a line of text are free of both.
CUT = """() => {
    const found = [];
    for (const one of document.querySelectorAll(".bd-article :is(svg, img, table, math, canvas)")) {
        if (!one.checkVisibility() || one.closest("svg svg, button, .katex, details:not([open])")) continue;
        const { left, right, width } = one.getBoundingClientRect();
        if (!width) continue;
        for (let box = one.parentElement; box && box !== document.body; box = box.parentElement) {
            const { overflowX } = getComputedStyle(box);
            if (overflowX === "visible") continue;
            const frame = box.getBoundingClientRect();
            const hidden = Math.max(frame.left - left, right - frame.right);
            const style = getComputedStyle(box);
            const fades = ["--left", "--right"].some((side) => parseFloat(style.getPropertyValue(side)) > 0);
            if (hidden > 2 && (style.maskImage === "none" || !fades))
                found.push([box.className, one.tagName, Math.round(hidden)].join(" "));
            if (hidden > 2) break;
        }
    }
    for (const box of document.querySelectorAll(".bd-article [data-more]"))
        if (getComputedStyle(box).overflowX === "visible") found.push(`${box.className} fades, and does not scroll`);
    return [...new Set(found)];
}"""
SMALL = """() => {
    const wanted = ".bd-article :is(button, select, summary, input:not([type=hidden])), .bd-header-article :is(button, summary, a)";
    const large = ".chainrule-buttons button, .chainrule-word, .bd-header-article .btn";
    const boxes = [...document.querySelectorAll(wanted)].filter((one) => one.checkVisibility()).map((one) => {
        const pressed = one.closest("label") ?? one; // the words beside a box tick it too
        const { x, y, width, height } = pressed.getBoundingClientRect();
        return { one, x, y, width, height };
    }).filter(({ width, height }) => width && height);
    const apart = (a) => boxes.every((b) => a === b || Math.hypot(a.x + a.width / 2 - b.x - b.width / 2, a.y + a.height / 2 - b.y - b.height / 2) >= 24);
    return boxes.filter((box) => {
        const least = box.one.matches(large) ? 44 : 24;
        const fits = Math.min(box.width, box.height) >= least - 0.5;
        return !fits && !(least === 24 && apart(box));
    }).map(({ one, width, height }) => `${one.tagName} ${one.className} ${one.title || one.ariaLabel || one.textContent.slice(0, 20)}: ${Math.round(width)} x ${Math.round(height)}`);
}"""


@pytest.mark.looks
def test_no_picture_is_cut_without_a_sign_and_every_control_fits_a_thumb(phone):
    page = phone.page
    pictures(page, all=False)
    to_the_last_step(page)
    for width in PHONES:
        page.set_viewport_size({"width": width, "height": 740})
        page.wait_for_timeout(100)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert scrolling(phone, pictures(page, all=False)) <= SCROLL_ON_PHONES
        assert page.evaluate(CUT) == [], width
        assert page.evaluate(SMALL) == [], width


@pytest.mark.looks
def test_no_figure_changes_its_height_under_the_thumb_on_a_phone_that_has_been_turned(phone):
    for width, height in ((740, PHONES[0]), (PHONES[0], 740)):
        phone.page.set_viewport_size({"width": width, "height": height})
        phone.page.wait_for_timeout(100)
    assert phone.page.evaluate(RESTLESS) == []


def test_a_figure_whose_words_have_no_room_of_their_own_is_seen(open_page):
    page = open_page("book/01_computational_graphs.html", viewport={"width": 390, "height": 740})
    assert page.evaluate(RESTLESS) == []
    page.add_style_tag(content="[data-room]::before { display: none }")
    assert page.evaluate(RESTLESS)


# ---------------------------------------------------------------- from disk

# Whether the sentence of each step is that of its row in the table. All figures of a page step at the same time.
EVERY_STEP = """async () => {
    const plain = (element) => element.textContent.replace(/\\s+/g, " ").trim();
    const figures = [...document.querySelectorAll(".chainrule-stepper")];
    for (const figure of figures) {
        figure.scrollIntoView();
        while (!figure.matches(".chainrule-live")) await new Promise(requestAnimationFrame);
    }
    const odd = [];
    const steps = await Promise.all(figures.map(async (figure) => {
        let count = 0;
        for (const level of [null, ...figure.querySelectorAll("button[data-level]")]) {
            level?.click();
            const slider = figure.querySelector(".chainrule-controls input[type=range]");
            const rows = [...figure.querySelectorAll(".chainrule-table tbody tr")];
            for (const step of [...rows.keys()].map((row) => row + 1)) {
                slider.value = step;
                slider.dispatchEvent(new Event("input", { bubbles: true }));
                await new Promise(requestAnimationFrame);
                const [said, told] = [plain(figure.querySelector(".chainrule-sentence")), plain(rows[step - 1].lastElementChild)];
                if (said !== told) odd.push([step, said, told]);
                count++;
            }
        }
        return count;
    }));
    return [steps, odd];
}"""


@pytest.mark.parametrize("path", PAGES)
def test_opened_from_disk_every_step_of_every_figure_says_what_its_table_says_and_lies_over_nothing(
    path, open_page
):
    """The words come with the page's own script, which holds those of its own operations alone."""
    size = {"width": 1280, "height": 900}
    page = open_page(path, "file", viewport=size, reduced_motion="reduce")
    if path == "index.html":
        page.wait_for_url("**/book/index.html")
    assert page.title()
    steps, odd = page.evaluate(EVERY_STEP)
    assert odd == []
    assert all(count >= 2 for count in steps)
    assert bool(steps) == (page.locator(".chainrule-stepper").count() > 0)
    for figure in page.locator(".chainrule-stepper").all():
        assert over_at_any_step(figure) == []


# ---------------------------------------------------------------- without scripts

STANDS = """() => {
    document.querySelectorAll("details").forEach((one) => (one.open = true));
    const figures = [...document.querySelectorAll(".chainrule-stepper")];
    const whole = (figure) => figure.querySelector("svg").checkVisibility() && figure.querySelectorAll("table").length === 1;
    return { path: location.pathname, heading: document.querySelector("section > h1").checkVisibility(), broken: figures.filter((one) => !whole(one)).length };
}"""


def test_without_javascript_the_text_and_every_figure_stand_and_the_way_on_leads_through_the_book(
    open_page,
):
    """Each link on says what comes: the heading there, and the sentence that describes the page."""
    page = open_page("book/index.html", java_script_enabled=False)
    passed = []
    while page.url not in passed:
        passed.append(page.url)
        stands = page.evaluate(STANDS)
        assert stands["heading"] and stands["broken"] == 0, stands
        way = page.get_by_role("navigation", name="Pages before and after").locator(".right-next")
        said = way.inner_text().split("\n")
        way.click()
        page.wait_for_load_state()
        heading = page.locator("article h1").inner_text().rstrip("#")
        assert said[1] == heading
        if page.url.endswith("/book/index.html"):
            assert said[0] == "The end. Back to the start"
        else:
            description = page.locator("meta[name=description]").get_attribute("content")
            assert said[2] == description
    assert {urlsplit(url).path.removeprefix(SUB_PATH) for url in passed} == set(CHAPTERS)
