"""A phone: what is typed stays in view above the keyboard. How the pages look there: test_pages.py."""

from pathlib import Path

import numpy as np
import pytest
from test_stepper import bill

from chainrule.drawing import PHONE
from chainrule.graph import Variable
from chainrule.layout import lay_out
from chainrule.network import two_layer_net
from chainrule.trace import trace_graph
from chainrule.widgets import Stepper


def phone(width):
    return {"viewport": {"width": width, "height": 740}, "is_mobile": True, "has_touch": True}


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


def test_the_first_figure_of_the_book_is_in_one_piece():
    text = Path("book/index.md").read_text(encoding="utf-8")
    cell = text.split("from chainrule.graph import Variable", 1)[1].split("Stepper(", 1)[0]
    space = {"Variable": Variable}
    exec(cell.split("from chainrule.widgets import Stepper")[1], space)
    assert not lay_out(trace_graph(space["y"]), PHONE).going_on
