"""Ask first: the next number is hidden until the reader has typed a guess."""

import pytest

from chainrule.graph import Variable
from chainrule.network import two_layer_net
from chainrule.widgets import Stepper


def product():
    x, y = Variable(3.0, "x"), Variable(-4.0, "y")
    z = x * y
    z.name = "z"
    out = z + 10.0
    out.name = "out"
    return out


@pytest.fixture
def page(show):
    page = show(Stepper(product()))
    page.get_by_role("button", name="Let me guess").click()
    return page


def step(page):
    return int(page.locator(".chainrule-stepper").get_attribute("data-step"))


def guess(page, text):
    field = page.locator('input[name="guess"]')
    field.fill(text)
    field.press("Enter")


def answer(page):
    return page.locator(".chainrule-answer").inner_text()


def score(page):
    return page.locator(".chainrule-score").inner_text()


def question(page):
    return page.locator(".chainrule-ask label").inner_text()


def forward(page):
    page.get_by_role("button", name="Next step").click()


def test_the_next_value_stays_hidden_until_it_was_guessed(page):
    forward(page)
    assert step(page) == 0
    assert question(page).strip() == "What is z?"
    assert not page.locator('[data-variable="z"] .value').is_visible()
    guess(page, "-12")
    assert step(page) == 1
    assert page.locator('[data-variable="z"] .value').is_visible()
    assert answer(page) == "Right: −12."
    assert score(page) == "1 of 1 right"


def test_near_enough_counts_as_right(page):
    forward(page)
    guess(page, "-12.1")
    assert step(page) == 1


def test_a_wrong_guess_is_answered_and_may_be_mended_but_counts_once(page):
    forward(page)
    guess(page, "-1")
    assert answer(page) == "No, not −1. That is the sum. This node multiplies."
    assert step(page) == 0
    guess(page, "7")
    assert answer(page) == "No, not 7."
    guess(page, "-12")
    assert step(page) == 1
    assert score(page) == "0 of 1 right"


def test_a_gradient_that_was_not_swapped_is_named(page):
    for text in ["-12", "-2", "1", "1"]:
        forward(page)
        guess(page, text)
    assert step(page) == 4
    forward(page)
    assert question(page).strip() == "Which gradient goes to x?"
    guess(page, "3")
    assert "if multiply did not swap" in answer(page)
    guess(page, "-4")
    assert question(page).strip() == "Which gradient goes to y?"
    guess(page, "-4")
    assert "if multiply did not swap" in answer(page)
    guess(page, "3")
    assert step(page) == 5
    assert score(page) == "4 of 6 right"


def test_by_keyboard_alone(page):
    page.locator(".chainrule-scroll").focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.type("-12")
    page.keyboard.press("Enter")
    assert step(page) == 1
    page.keyboard.press("ArrowRight")
    page.keyboard.type("-2")
    page.keyboard.press("Enter")
    assert step(page) == 2


def test_no_control_goes_past_what_was_guessed_and_the_table_says_no_more(page):
    page.get_by_role("button", name="Last step").click()
    assert step(page) == 0
    page.get_by_role("slider", name="Step").fill("4")
    assert step(page) == 0
    page.locator(".chainrule-table summary").click()
    assert page.locator(".chainrule-table tbody tr:visible").count() == 0
    forward(page)
    guess(page, "-12")
    assert page.locator(".chainrule-table tbody tr:visible").count() == 1


def test_show_me_gives_the_answer_and_goes_on(page):
    forward(page)
    page.get_by_role("button", name="Show me").click()
    assert step(page) == 1
    assert answer(page) == "It is −12."
    assert score(page) == "0 of 1 right"


def test_what_is_no_number_is_said_and_costs_nothing(page):
    forward(page)
    guess(page, "twelve")
    assert "“twelve” is not a number" in answer(page)
    assert score(page) == ""


def test_the_score_is_forgotten_on_leaving(page):
    forward(page)
    guess(page, "-12")
    page.reload()
    page.wait_for_selector(".chainrule-live")
    assert page.get_by_role("button", name="Let me guess").get_attribute("aria-pressed") == "false"
    assert not page.locator(".chainrule-score").is_visible()


def test_switched_off_everything_can_be_seen_again(page):
    page.get_by_role("button", name="Let me guess").click()
    page.get_by_role("button", name="Last step").click()
    assert step(page) == 5


def test_of_an_array_one_entry_is_asked_for(show):
    import numpy as np

    net = two_layer_net(2, 3, 2, np.random.default_rng(0))
    stepper = Stepper(net, np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([0, 1]))
    page = show(stepper)
    page.get_by_role("button", name="Let me guess").click()
    forward(page)
    out = stepper.trace.variables[3].value
    row, column = np.unravel_index(np.abs(out).argmax(), out.shape)
    assert question(page).strip() == f"What is entry [{row}, {column}] of Affine1?"
    guess(page, f"{out[row, column]:.3f}")
    assert step(page) == 1
