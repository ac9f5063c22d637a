"""Reading without seeing or without a mouse: an audit by axe of figures, in every state. That of the pages: test_pages.py."""

import numpy as np
import pytest
from audit import findings, findings_after_a_change, off_contrast
from test_stepper import bill

from chainrule.network import two_layer_net
from chainrule.widgets import Stepper

SCHEMES, WIDTHS = ("light", "dark"), (1280, 360)


def at(width):
    return {"width": width, "height": 800}


def network():
    net = two_layer_net(2, 3, 2, np.random.default_rng(0))
    return Stepper(net, np.array([[1.0, 2.0], [-3.0, 0.5]]), np.array([0, 1]), caption="A net.")


@pytest.mark.looks
def test_of_many_texts_that_look_alike_each_other_look_is_audited(show):
    """A paler colour, a darker ground further out, smaller or thinner letters, a link without a line: one among twenty."""
    page = show(Stepper(bill()))
    page.evaluate(
        """() => (document.body.innerHTML = "<main><h1>Texts</h1>" + "<section><p>A text and <a href='#'>a link</a> in it</p></section>".repeat(20))"""
    )
    assert off_contrast(page) == []
    for place, change in [
        ("p", "color: #aaa"),
        ("section", "background: #999"),
        ("section", "opacity: 0.3"),
        ("a", "color: #eee"),
        ("a", "text-decoration: none; color: #333"),
    ]:
        one = page.locator(f"{place} >> nth=9")
        one.evaluate("(one, change) => (one.style = change)", change)
        assert off_contrast(page) != [], change
        assert off_contrast(page) == [], "it was reported"
        one.evaluate("(one) => one.removeAttribute('style')")


NARROW = """<main><h1>A page</h1>%s</main><style>
    .narrow { display: none }
    @media (width < 500px) { .narrow { display: block } }
</style>"""


@pytest.mark.looks
@pytest.mark.parametrize(
    ("body", "rule"),
    [
        ("<button class='narrow'></button>", "button-name"),
        ("<div class='narrow'><p>Text <img src='data:,'></p></div>", "image-alt"),
        ("<h4 class='narrow'>Too small</h4>", "heading-order"),
        ("</main><p class='narrow'>Text</p>", "region"),
        ("<p class='narrow' style='color: #bbc'>Text</p>", "color-contrast"),
    ],
)
def test_what_a_narrow_window_shows_anew_is_audited(body, rule, show):
    page = show(Stepper(bill()), viewport=at(1280))
    page.evaluate("(html) => (document.body.innerHTML = html)", NARROW % body)
    assert findings(page) == []
    page.set_viewport_size(at(360))
    assert [found for found in findings_after_a_change(page) if found.startswith(rule)] != []


@pytest.mark.looks
@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("level", ["Layers", "Nodes"])
def test_axe_finds_nothing_in_a_stepper_with_everything_open(level, width, scheme, show):
    page = show(network(), viewport=at(width), color_scheme=scheme, reduced_motion="reduce")
    page.get_by_role("button", name=level, exact=True).click()
    for name in ("Next step", "Last step"):
        page.get_by_role("button", name=name).click()
        assert findings(page) == []
    page.eval_on_selector_all("details", "all => all.forEach((one) => (one.open = true))")
    page.locator('input[name="x[0,0]"]').fill("five")
    page.locator('input[name="x[0,0]"]').press("Tab")
    page.get_by_role("button", name="First step").click()
    page.get_by_role("button", name="Let me guess").click()
    page.get_by_role("button", name="Next step").click()
    assert page.locator('input[name="guess"]').is_visible()
    assert findings(page) == []


def test_every_control_can_be_reached_and_used_by_keyboard_alone(show):
    page = show(Stepper(bill()))
    reached = []
    for _ in range(40):
        page.keyboard.press("Tab")
        name = page.evaluate(
            """() => {
                const at = document.activeElement;
                return at.getAttribute("aria-label") ?? at.name ?? at.textContent;
            }"""
        )
        outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle !== 'none'")
        if page.evaluate("document.activeElement === document.body"):
            break
        assert outline, f"no visible focus on {name}"
        reached.append(name)
    for name in [
        "Next step",
        "Previous step",
        "First step",
        "Last step",
        "Play",
        "Step",
        "Speed",
        "Let me guess",
    ]:
        assert name in reached
    assert reached.index("Next step") < reached.index("Step")


def test_space_on_a_focused_button_presses_that_button(show):
    page = show(Stepper(bill()))
    page.get_by_role("button", name="Next step").focus()
    page.keyboard.press("Space")
    assert page.locator(".chainrule-stepper").get_attribute("data-step") == "1"


def test_each_step_is_spoken_once(show):
    """The live region is written once a step, with the whole sentence."""
    page = show(Stepper(bill()))
    page.evaluate(
        """() => {
            globalThis.said = [];
            const place = document.querySelector("[role=status]");
            new MutationObserver(() => said.push(place.textContent))
                .observe(place, { childList: true, characterData: true, subtree: true });
        }"""
    )
    for _ in range(3):
        page.keyboard.press("Tab")
    page.locator(".chainrule-scroll").focus()
    for _ in range(9):
        page.keyboard.press("ArrowRight")
        page.wait_for_timeout(20)
    trace = Stepper(bill()).trace
    assert page.evaluate("said") == [trace.sentence(k) for k in range(1, 10)]


@pytest.mark.looks
@pytest.mark.parametrize(
    ("width", "letters"), [(360, "16px"), (640, "16px"), (1280, "32px")], ids=str
)
def test_narrow_windows_and_large_letters_cut_nothing_off(show, width, letters):
    """360 pixels; 200 % zoom of a window of 1280; letters of twice the size."""
    page = show(network(), viewport=at(width))
    page.evaluate("letters => (document.documentElement.style.fontSize = letters)", letters)
    page.get_by_role("button", name="Last step").click()
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    cut = page.evaluate(
        """() => [...document.querySelectorAll(".chainrule-controls *, .chainrule-tools *")]
            .filter((e) => e.getBoundingClientRect().right > innerWidth + 1)
            .map((e) => e.outerHTML.slice(0, 80))"""
    )
    assert cut == []


def test_values_travel_along_the_edges_unless_motion_is_unwelcome(show):
    page = show(Stepper(bill()))
    page.get_by_role("button", name="Next step").click()
    assert page.locator(".token").count() >= 1
    page.wait_for_function("document.querySelectorAll('.token').length === 0")
    still = show(Stepper(bill()), reduced_motion="reduce")
    still.get_by_role("button", name="Next step").click()
    assert still.locator(".token").count() == 0


def test_play_says_that_it_rests_at_the_turn_and_keeps_the_pace_it_is_given(show):
    page = show(Stepper(bill()), reduced_motion="reduce")
    page.clock.install()
    page.get_by_role("combobox", name="Speed").select_option("4")
    page.get_by_role("button", name="Play").click()
    page.clock.run_for(4 * 350 + 50)
    assert page.locator(".chainrule-stepper").get_attribute("data-step") == "4"
    assert "Play rests here" in page.get_by_role("status").inner_text()
    assert page.get_by_role("button", name="Play").is_visible()
