"""A bad browser, a bad page, a bad hand: nothing is lost, and what cannot work says so."""

import json
import re

import find_browser
import numpy as np
import pytest

from chainrule.graph import Variable, exp, log
from chainrule.network import two_layer_net
from chainrule.widgets import BetGrid, Explorer, Quiz, Replay, Scene, Stepper

BROKEN = "cannot be stepped"


def product(x=2.0):
    z = Variable(x, "x") * Variable(3.0, "y") + exp(Variable(0.5, "w"))
    z.name = "z"
    return z


def net():
    network = two_layer_net(2, 3, 2, np.random.default_rng(0))
    return Stepper(network, np.array([[1.0, 2.0], [-3.0, 0.5]]), [0, 1])


def press(figure, name):
    figure.get_by_role("button", name=name, exact=True).click()


def step(figure):
    return int(figure.get_attribute("data-step"))


@pytest.fixture
def page_of(from_disk):
    """page_of(markup, ...): figures on a page of their own."""
    whole = Stepper(product())
    text = whole.to_html()
    return lambda *figures, **options: from_disk(
        text.replace(whole.markup(), "".join(figures)), **options
    )


# ---------------------------------------------------------------- a broken figure


def in_trace(change):
    """The markup of the product with its data changed: change(data) -> data, or text."""
    markup = Stepper(product()).markup()

    def replaced(match):
        made = change(json.loads(match[2]))
        return match[1] + (made if isinstance(made, str) else json.dumps(made)) + match[3]

    return re.sub(r'(class="chainrule-trace">)(.*?)(</script>)', replaced, markup, flags=re.DOTALL)


def without(*path):
    def change(data):
        at = data
        for key in path[:-1]:
            at = at[key]
        del at[path[-1]]
        return data

    return change


def with_value(value, *path):
    def change(data):
        at = data
        for key in path[:-1]:
            at = at[key]
        at[path[-1]] = value
        return data

    return change


MALFORMED = {
    "empty": lambda data: "",
    "cut short": lambda data: json.dumps(data)[:300],
    "null": lambda data: "null",
    "a list": lambda data: [],
    "no trace": without("trace"),
    "no variables": without("trace", "variables"),
    "no steps": without("trace", "steps"),
    "no code": without("trace", "code"),
    "no level": without("level"),
    "an unknown level": with_value("deep", "level"),
    "a step of nothing": with_value(99, "trace", "steps", 1, "variable"),
    "an input that is not there": with_value([99], "trace", "variables", 2, "inputs"),
    "a value that is an object": with_value({"a": 1}, "trace", "variables", 0, "value"),
    "contributions that are text": with_value("three", "trace", "steps", 4, "contributions"),
    "steps that are text": with_value("many", "trace", "steps"),
    "open inputs that are not there": with_value(["nobody"], "open"),
}


@pytest.mark.parametrize("fault", MALFORMED)
def test_a_malformed_trace_says_so_and_leaves_picture_and_table(fault, page_of):
    page = page_of(in_trace(MALFORMED[fault]), Stepper(product()).markup())
    page.wait_for_selector(".chainrule-live")
    bad, good = page.locator(".chainrule-stepper").all()
    assert BROKEN in bad.locator(".chainrule-broken").inner_text()
    assert bad.locator("svg").first.is_visible() and bad.locator("table").count() == 1
    assert bad.locator("button, input").count() == 0  # nothing to press that does nothing
    assert bad.locator('[data-variable="z"] .gradient').is_visible()
    press(good, "Next step")
    assert step(good) == 1


def test_a_figure_without_its_parts_says_so(page_of):
    whole = Stepper(product()).markup()
    figures = [
        re.sub(r"<script.*?</script>", "", whole, flags=re.DOTALL),
        re.sub(r"<svg.*?</svg>", "", whole, flags=re.DOTALL),
        re.sub(r'<p class="chainrule-sentence".*?</p>', "", whole, flags=re.DOTALL),
    ]
    page = page_of(*figures, Stepper(product()).markup())
    page.wait_for_selector(".chainrule-live")
    assert page.locator(".chainrule-broken").count() == 3
    assert page.locator(".chainrule-live").count() == 1


def test_one_broken_figure_among_twenty_harms_none_of_the_others(page_of):
    good = [Stepper(product(float(k))).markup() for k in range(19)]
    page = page_of(*good[:9], in_trace(MALFORMED["no steps"]), *good[9:])
    page.wait_for_selector(".chainrule-live")
    assert page.locator(".chainrule-live").count() == 19
    for figure in page.locator(".chainrule-live").all():
        press(figure, "Last step")
        assert step(figure) == int(figure.get_attribute("data-steps"))


def test_every_kind_of_figure_says_when_it_is_broken(page_of):
    frame = {"step": 1, "loss": 2.0, "accuracy": 0.5, "gradient_norms": {"W": 1.0}}
    figures = [
        Explorer({"a": ([0, 1, 2], [3.0, 4.0, 5.0])}).markup(),
        Replay([frame, frame | {"step": 2}]).markup(),
        Scene(lambda pen, h: pen.dot(h, 1) or "a dot", {"h": [1, 2]}, title="A dot").markup(),
    ]
    cut = [re.sub(r'(application/json">).{20}', r"\1", text, flags=re.DOTALL) for text in figures]
    others = Quiz("q", {"a": "b", "c": "d"}, "a"), BetGrid("q", {"a": {"b": True}})
    page = page_of(*cut, *figures, *(one.markup() for one in others))
    page.wait_for_selector(".chainrule-live")
    assert page.locator(".chainrule-broken").count() == 3
    assert page.locator(".chainrule-live").count() == 5


# ---------------------------------------------------------------- many clicks, two copies, slow machines

CLICKS = """count => {
    const figure = document.querySelector(".chainrule-live");
    const buttons = [...figure.querySelectorAll("button")].filter((one) =>
        ["First step", "Previous step", "Next step", "Last step"].includes(one.getAttribute("aria-label") ?? one.textContent.trim()));
    let seed = 1;
    const random = (n) => (seed = (seed * 16807) % 2147483647) % n;
    const size = document.querySelectorAll("*").length;
    for (let k = 0; k < count; k++) buttons[random(buttons.length)].click();
    buttons.find((one) => (one.getAttribute("aria-label") ?? one.textContent.trim()) === "First step").click();
    return [buttons.length, document.querySelectorAll("*").length - size];
}"""


def test_two_thousand_clicks_leave_the_figure_as_it_was(page_of):
    page = page_of(Stepper(product()).markup())
    page.wait_for_selector(".chainrule-live")
    figure = page.locator(".chainrule-live")
    before = figure.inner_text()
    assert page.evaluate(CLICKS, 2_000) == [4, 0]
    page.wait_for_timeout(700)  # what moves comes to rest
    assert figure.inner_text() == before
    press(figure, "Last step")
    assert step(figure) == int(figure.get_attribute("data-steps"))


def test_a_thousand_changed_numbers_leave_the_last_one_and_one_undo_each(page_of):
    page = page_of(Stepper(product(), step=-1).markup())
    page.wait_for_selector(".chainrule-live")
    field = page.locator('input[name="x"]')
    field.evaluate(
        """field => {
            for (let k = 1; k <= 1000; k++) {
                field.value = String(k);
                field.dispatchEvent(new Event("input", { bubbles: true }));
            }
        }"""
    )
    page.wait_for_timeout(100)
    value = page.locator('[data-variable="z"] .value').get_attribute("data-exact")
    assert float(value) == pytest.approx(3000 + np.exp(0.5), rel=1e-12)
    press(page, "Reset")
    assert field.input_value() == "2"


def test_two_copies_of_a_page_do_not_know_of_each_other(browser, page_of):
    markup = Stepper(product()).markup() + Quiz("q", {"a": "b", "c": "d"}, "a").markup()
    one, two = page_of(markup), page_of(markup)
    for page in (one, two):
        page.wait_for_selector(".chainrule-live")
    press(one, "Last step")
    assert step(one.locator(".chainrule-stepper")) > 0
    assert step(two.locator(".chainrule-stepper")) == 0


def test_a_slow_machine_loses_no_click(page_of):
    page = page_of(net().markup())
    page.wait_for_selector(".chainrule-live")
    page.context.new_cdp_session(page).send("Emulation.setCPUThrottlingRate", {"rate": 6})
    figure = page.locator(".chainrule-live")
    page.locator(".chainrule-scroll").focus()
    for _ in range(6):
        page.keyboard.press("ArrowRight")
    assert step(figure) == 6
    press(figure, "Previous step")
    assert step(figure) == 5


@pytest.mark.looks
@pytest.mark.parametrize("scale", [0.5, 2, 3])
def test_zoomed_in_or_out_every_control_is_within_the_window(scale, page_of):
    size = {"width": round(1280 / scale), "height": round(800 / scale)}
    page = page_of(net().markup(), viewport=size, device_scale_factor=scale)
    page.wait_for_selector(".chainrule-live")
    assert page.evaluate("document.documentElement.scrollWidth") <= size["width"]
    for button in page.get_by_role("button").all():
        box = button.bounding_box()
        assert box is None or (box["x"] >= 0 and box["x"] + box["width"] <= size["width"])
    press(page, "Next step")
    assert step(page.locator(".chainrule-live")) == 1


# ---------------------------------------------------------------- the built site

NO_STORAGE = """
    for (const name of ["localStorage", "sessionStorage"])
        Object.defineProperty(window, name, {
            configurable: true,
            get() { throw new DOMException("blocked", "SecurityError"); },
        });
"""
CHAPTER = "book/01_computational_graphs.html"


def test_with_storage_blocked_the_figures_work_and_nothing_is_said(open_page):
    page = open_page(CHAPTER, init=NO_STORAGE)
    figure = page.locator(".chainrule-stepper").first
    press(figure, "Next step")
    assert step(figure) == 1


def test_back_and_forward_bring_a_live_figure_each_time(open_page, site_url):
    page = open_page(CHAPTER)
    figure = page.locator(".chainrule-stepper").first
    press(figure, "Next step")
    page.goto(site_url + "book/02_chain_rule.html")
    for move in (page.go_back, page.go_forward, page.go_back):
        move()
        figure = page.locator(".chainrule-stepper").first
        before = step(figure)
        press(figure, "Next step")
        assert step(figure) == before + 1
        assert page.locator(".chainrule-stepper").first.locator(".chainrule-controls").count() == 1


def test_without_javascript_nothing_is_offered_that_needs_it(open_page):
    page = open_page(CHAPTER, java_script_enabled=False)
    figure = page.locator(".chainrule-stepper").first
    assert figure.locator("svg").first.is_visible()
    assert figure.locator("button, input").count() == 0
    assert figure.locator(".chainrule-legend").inner_text()
    assert "Press" not in figure.inner_text()


def test_a_logarithm_that_makes_no_sense_in_the_page_is_refused_in_words(page_of):
    page = page_of(Stepper(log(Variable(2.0, "x")), step=-1).markup())
    page.wait_for_selector(".chainrule-live")
    page.locator('input[name="x"]').fill("-3")
    assert "x stays 2" in page.get_by_role("alert").inner_text()


@pytest.fixture
def browser_that_keeps_pages(browser):
    """A browser as people have it. Playwright switches the back and forward cache off."""
    kept = browser.browser_type.launch(
        executable_path=find_browser.find(whole=True),
        args=find_browser.ARGUMENTS,
        chromium_sandbox=False,
        ignore_default_args=["--disable-back-forward-cache"],
    )
    yield kept
    kept.close()


def test_a_page_out_of_the_back_and_forward_cache_is_as_it_was_left(
    browser_that_keeps_pages, site_url
):
    page = browser_that_keeps_pages.new_page()
    page.add_init_script("addEventListener('pageshow', (e) => { window.kept = e.persisted; })")
    page.goto(site_url + CHAPTER, wait_until="load")
    figure = page.locator(".chainrule-stepper").first
    press(figure, "Next step")
    press(figure, "Next step")
    page.goto(site_url + "book/02_chain_rule.html", wait_until="load")
    page.go_back(wait_until="commit")  # no "load" comes: the page was loaded long ago
    page.wait_for_function("window.kept !== undefined")
    assert page.evaluate("window.kept"), "the page came from the server: nothing was tested"
    assert step(figure) == 2
    press(figure, "Next step")
    assert step(figure) == 3
    assert figure.locator(".chainrule-controls").count() == 1
