"""The pages under a thumb: nothing is cut without a sign, controls are large enough, what is typed stays in view.

Sizes: the buttons of figures and of the page's header are 44 pixels high and wide, as WCAG 2.5.5 wants. All else that is pressed has
24 pixels or as much room around it, as 2.5.8 wants; links in a line of text are free of both.
"""

import numpy as np
import pytest
from test_site import READ
from test_stepper import bill

from chainrule.network import two_layer_net
from chainrule.widgets import Stepper

WIDTHS = (390, 360)


def phone(width):
    return {"viewport": {"width": width, "height": 740}, "is_mobile": True, "has_touch": True}


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


@pytest.mark.parametrize("path", READ)
def test_no_picture_is_cut_without_a_sign_and_every_control_fits_a_thumb(path, open_page):
    page = open_page(path, **phone(WIDTHS[0]), reduced_motion="reduce")
    page.eval_on_selector_all(
        "button[aria-label='Last step']", "all => all.forEach((one) => one.click())"
    )
    for width in WIDTHS:
        page.set_viewport_size(phone(width)["viewport"])
        page.wait_for_timeout(100)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.evaluate(CUT) == [], width
        assert page.evaluate(SMALL) == [], width


def net():
    network = two_layer_net(2, 3, 2, np.random.default_rng(0))
    return Stepper(network, np.array([[1.0, 2.0], [-3.0, 0.5]]), np.array([0, 1]))


@pytest.mark.parametrize("make", [lambda: Stepper(bill()), net], ids=["numbers", "arrays"])
def test_what_is_typed_stays_in_view_above_the_keyboard(make, show):
    page = show(make(), **phone(390))
    page.locator(".chainrule-changes details").evaluate_all(
        "all => all.forEach((one) => (one.open = true))"
    )
    field = page.locator(".chainrule-changes input").last
    field.tap()
    page.set_viewport_size({"width": 390, "height": 360})  # a keyboard comes
    in_view(page, field)
    for text in ("1", "12", "12345.678901"):
        field.fill(text)
        in_view(page, field)


def test_a_guess_stays_in_view_above_the_keyboard(show):
    page = show(Stepper(bill()), **phone(390))
    page.get_by_role("button", name="Let me guess").tap()
    field = page.locator("input[name=guess]")
    field.tap()
    page.set_viewport_size({"width": 390, "height": 360})
    in_view(page, field)


def in_view(page, field):
    page.wait_for_function(
        """(field) => {
            const { top, bottom } = field.getBoundingClientRect();
            return top >= 0 && bottom <= innerHeight && document.activeElement === field;
        }""",
        arg=field.element_handle(),
    )
