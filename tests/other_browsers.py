"""Every kind of figure, driven as a reader would in Firefox and in WebKit: `make browsers`."""

import engines
import pytest
from find_browser import complaint
from test_policy import PAGES, WithPolicy

WITH_ARRAYS = [
    f"book/{name}.html"
    for name in ("05_affine", "06_softmax_with_loss", "07_network", "13_batch_normalisation")
]

BROKEN_FORMULAS = """() => [...document.querySelectorAll("msup, msub, mfrac, mover, munder, msubsup, munderover")]
    .filter((one) => one.childElementCount !== (["msubsup", "munderover"].includes(one.tagName) ? 3 : 2)).map((one) => one.outerHTML)"""
ON_TOP = """(selector) => {
    const { x, y, width, height } = document.querySelector(selector).getBoundingClientRect();
    return document.elementFromPoint(x + width / 2, y + height / 2)?.closest(selector);
}"""
FOCUSED_IN_THE_HEADER = """() => {
    const here = document.activeElement;
    return here.closest(".bd-header-article") && [here.title, getComputedStyle(here).outlineStyle];
}"""


@pytest.fixture(scope="module", params=["firefox", "webkit"])
def engine(request, tmp_path_factory):
    if missing := complaint(request.param):
        pytest.fail(missing)
    with getattr(engines, request.param)(tmp_path_factory.mktemp(request.param)) as engine:
        yield engine


@pytest.fixture(scope="module")
def address(site, serve):
    """The site, served under its content security policy."""
    return serve(site, WithPolicy)


@pytest.fixture
def visit(engine, address):
    """visit(path) opens a page of the site with its figures live. Whatever the console says fails the test."""

    def open_it(path):
        engine.open(address + path)
        engine.wait("() => document.querySelectorAll('.chainrule-live').length")
        return engine

    yield open_it
    assert [said for said in engine.complaints() if "Invalid markup" not in said] == []


def data(engine, kind, name):
    """An attribute data-... of the first figure of a kind."""
    return engine.run("(s, n) => document.querySelector(s).dataset[n]", f".chainrule-{kind}", name)


def exact(engine, variable, part):
    path = f'.chainrule-stepper [data-variable="{variable}"] .{part}'
    return float(engine.run("(s) => document.querySelector(s).dataset.exact", path))


def selected(engine):
    return engine.run("() => getSelection().toString().trim()")


@pytest.mark.parametrize("path", PAGES)
def test_a_page_says_nothing_in_the_console(path, engine, address):
    engine.open(address + path)
    engine.run("() => new Promise((done) => setTimeout(done, 300))")
    assert engine.run("() => document.title")
    # Firefox looks at a formula whose end has not arrived yet, now and then; so each is looked at here.
    assert engine.run(BROKEN_FORMULAS) == []
    assert [said for said in engine.complaints() if "Invalid markup" not in said] == []


def test_a_stepper_steps_by_click_and_by_key(visit):
    page = visit("book/01_computational_graphs.html")
    page.click(".chainrule-stepper .chainrule-next")
    assert data(page, "stepper", "step") == "1"
    page.press("ArrowRight", "ArrowRight")
    assert data(page, "stepper", "step") == "3"
    page.press("End")
    assert data(page, "stepper", "step") == data(page, "stepper", "steps")
    assert exact(page, "side", "gradient") == 144


def test_a_number_is_typed_and_every_gradient_follows(visit):
    page = visit("book/01_computational_graphs.html")
    page.click(".chainrule-stepper [aria-label='Last step']")
    page.click('.chainrule-stepper input[name="side"]')
    page.run("() => document.activeElement.select()")
    page.press("5")
    page.wait("() => document.querySelector('[data-variable=side] .value').dataset.exact === '5'")
    assert exact(page, "side", "gradient") == 240


def test_a_number_is_dragged_and_nothing_is_selected(visit):
    page = visit("book/01_computational_graphs.html")
    for name in ("side", "area"):  # an input, and a number that cannot be changed
        x, y = page.middle(f'.chainrule-stepper [data-variable="{name}"] text.value')
        page.drag([(x, y), (x + 20, y + 5), (x + 60, y + 60), (x + 60, y + 200)])
        assert selected(page) == ""
        page.click(".chainrule-stepper [aria-label='Last step']")  # so that the second is there
    assert exact(page, "side", "value") > 3


def test_a_nudge_travels(visit):
    page = visit("book/01_computational_graphs.html")
    page.click(".chainrule-stepper button[aria-label='Nudge']")
    page.click(".chainrule-nudge button[aria-label='side']")
    page.wait("() => /Δ × 6/.test(document.querySelector('.chainrule-stepper svg').textContent)")


def test_an_answer_of_a_quiz_is_picked(visit):
    page = visit("book/04_relu_and_sigmoid.html")
    page.click(".chainrule-quiz:not([data-reveal]) input")
    said = page.run(
        "() => document.querySelector('.chainrule-quiz:has(input:checked) [role=status]').innerText"
    )
    assert len(said) > 20


@pytest.mark.parametrize(("kind", "path", "key"), [
    ("explorer", "book/09_gradient_check.html", "index"),
    ("replay", "book/10_learning.html", "frame"),
])  # fmt: skip
def test_a_chart_is_dragged_and_goes_on_by_key(kind, path, key, visit):
    page = visit(path)
    before = int(data(page, kind, key))
    area = f".chainrule-{kind} svg"
    x, y = page.middle(area, at=(0.4, 0.5))
    page.drag([(x, y), (x + 20, y + 10), (x + 120, y + 40), (x + 120, y + 250)])
    dragged = int(data(page, kind, key))
    assert dragged != before
    assert selected(page) == ""
    page.press("ArrowLeft")
    assert int(data(page, kind, key)) == dragged - 1


def test_a_scene_follows_its_handle(visit):
    page = visit("book/02_chain_rule.html")
    said = "() => document.querySelector('.chainrule-scene:has(input) .chainrule-said').textContent"
    before = page.run(said)
    x, y = page.middle(".chainrule-scene input[type=range]")
    page.drag([(x, y), (x + 30, y + 5), (x + 90, y + 5)])
    after = page.run(said)
    assert after != before
    assert selected(page) == ""
    page.press("ArrowLeft")
    assert page.run(said) != after


def test_bets_are_ticked_and_compared(visit):
    page = visit("book/11_bug_zoo.html")
    page.click(".chainrule-bets input")
    assert page.run("() => document.querySelector('.chainrule-bets input').checked")
    page.click(".chainrule-bets .chainrule-look")
    assert page.run("() => document.querySelector('.chainrule-bets [role=status]').innerText")


def test_curves_wait_until_a_bet_is_placed(visit):
    page = visit("book/13_batch_normalisation.html")
    shown = """() => {
        const figure = document.querySelector(".chainrule-explorer[data-reveal]");
        return [figure.querySelector(".curve"), figure.querySelector(".mark")].map((one) => getComputedStyle(one).visibility);
    }"""
    assert page.run(shown) == ["hidden", "hidden"]
    page.click(".chainrule-explorer[data-reveal] .chainrule-look")
    assert page.run(shown) == ["visible", "visible"]


@pytest.mark.parametrize("path", WITH_ARRAYS)
def test_the_digits_of_arrays_are_twelve_pixels_high(path, visit):
    sizes = visit(path).run("""() => [...document.querySelectorAll(".chainrule-scroll svg")].flatMap((svg) => {
        const scale = svg.getBoundingClientRect().width / svg.viewBox.baseVal.width;
        return [...svg.querySelectorAll("[data-cell]")].map((cell) => scale * parseFloat(getComputedStyle(cell).fontSize));
    })""")
    assert len(sizes) > 5 and min(sizes) >= 11.99


def test_a_picture_in_rows_is_seen_whole_and_one_that_scrolls_says_so(visit):
    sides = """(number) => {
        const box = document.querySelectorAll(".chainrule-scroll")[number];
        return [box.scrollWidth - box.clientWidth > 1, box.dataset.more ?? ""];
    }"""
    for chapter in ("06_softmax_with_loss", "13_batch_normalisation", "15_attention"):
        assert visit(f"book/{chapter}.html").run(sides, 0) == [False, ""]
    assert visit("book/reference/figures.html").run(sides, 2) == [True, "right"]


def test_switches_look_pressed(visit):
    page = visit("book/01_computational_graphs.html")
    look = """() => ["Let me guess", "Nudge", "Next step"].map((name) => {
        const made = document.querySelector(`.chainrule-stepper button[aria-label="${name}"]`);
        return [made.ariaPressed ?? made.getAttribute("aria-pressed"), getComputedStyle(made, "::before").borderColor, getComputedStyle(made).textDecorationLine];
    })"""
    (guess, before, line), nudge, main = page.run(look)
    assert (guess, nudge[0], main[0]) == ("false", "false", None) and line == "none"
    page.click(".chainrule-stepper button[aria-label='Let me guess']")
    (guess, after, _), *_ = page.run(look)
    assert guess == "true" and after != before


def test_a_figure_lives_in_a_page_opened_from_disk(engine, site, tell):
    engine.open((site / "book" / "01_computational_graphs.html").as_uri())
    engine.wait("() => document.querySelector('.chainrule-live')")
    engine.click(".chainrule-stepper .chainrule-next")
    assert data(engine, "stepper", "step") == "1"
    lives = "every figure lives, from a server and from a folder"
    program = {"firefox": "Firefox", "webkit": "WebKit, the engine of Safari"}[engine.name]
    name = f"{engine.name.title()} {engine.version}".replace("Webkit", "WebKitGTK")
    tell(f"{program}, the pages of the book", lives, "", name)


def test_a_phone_opens_the_contents_and_escape_gives_the_focus_back(visit):
    page = visit("book/07_network.html")
    page.resize(390, 800)
    try:
        page.wait(ON_TOP, ".primary-toggle")  # the sidebar slides away from it
        page.click(".primary-toggle")
        page.wait("() => document.querySelector('dialog[open]')")
        page.press("Escape")
        page.wait("() => !document.querySelector('dialog[open]')")
        assert page.run("() => document.activeElement.matches('.primary-toggle')")
    finally:
        page.resize(engines.WIDTH, engines.HEIGHT)


def test_every_button_of_the_header_shows_its_focus(visit):
    page = visit("book/07_network.html")
    page.run("() => document.querySelector('.primary-toggle').focus()")
    page.press("Shift+Tab", "Tab")  # by key, or no ring is drawn
    seen = []
    while here := page.run(FOCUSED_IN_THE_HEADER):
        seen.append(here)
        page.press("Tab")
    assert len(seen) >= 4
    assert [name for name, line in seen if line == "none"] == []
