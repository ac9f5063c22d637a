"""Ask first: the next number is hidden until the reader has typed a guess."""

import re

import numpy as np
import pytest

from chainrule.graph import Variable, sum_
from chainrule.layers import Affine
from chainrule.losses import IdentityWithLoss
from chainrule.network import Network, two_layer_net
from chainrule.trace import trace_network
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
    assert step(page) == 0  # and the first question is there at once
    assert question(page).strip() == "What is z?"
    assert not page.locator('[data-variable="z"] .value').is_visible()
    guess(page, "-12")
    assert step(page) == 1
    assert page.locator('[data-variable="z"] .value').is_visible()
    assert answer(page) == "Right: z is −12."
    assert score(page) == "1 of 1 right at the first try."


def test_near_enough_counts_as_right(page):
    guess(page, "-12.1")
    assert step(page) == 1


def test_a_wrong_guess_is_answered_and_may_be_mended_but_counts_once(page):
    guess(page, "-1")
    assert answer(page) == "No, not −1. That is the sum. This node multiplies."
    assert step(page) == 0
    guess(page, "7")
    assert answer(page) == "No, not 7."
    guess(page, "-12")
    assert step(page) == 1
    assert score(page) == "0 of 1 right at the first try."


def to_the_first_piece(page):
    for text in ["-12", "-2"]:
        guess(page, text)
        forward(page)
    forward(page)  # nobody asks for the seed
    guess(page, "1")
    forward(page)


def test_nobody_asks_for_the_derivative_of_a_value_with_respect_to_itself(page):
    for text in ["-12", "-2"]:
        guess(page, text)
        forward(page)
    assert step(page) == 3 and page.locator(".chainrule-asked").is_hidden()
    forward(page)
    assert question(page).strip().startswith("Which gradient goes to z?")


def test_nobody_is_asked_for_the_gradient_of_targets(show):
    y, t = Variable(0.5, "y"), Variable(2.0, "t")
    page = show(Stepper(y - t))
    page.get_by_role("button", name="Let me guess").click()
    guess(page, "-1.5")
    forward(page)
    forward(page)
    assert question(page).strip() == "Which gradient goes to y?"
    guess(page, "1")
    assert step(page) == 3 and score(page) == "2 of 2 right at the first try."


def test_a_gradient_that_was_not_swapped_is_named(page):
    to_the_first_piece(page)
    assert step(page) == 4
    assert question(page).strip() == "Which gradient goes to x?"
    guess(page, "3")
    assert "if multiply did not swap" in answer(page)
    guess(page, "-4")
    assert question(page).strip() == "Which gradient goes to y?"
    guess(page, "-4")
    assert "if multiply did not swap" in answer(page)
    guess(page, "3")
    assert step(page) == 5
    assert score(page) == "3 of 5 right at the first try."


def test_by_keyboard_alone(page):
    assert page.evaluate("document.activeElement.name") == "guess"
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
    guess(page, "-12")
    assert page.locator(".chainrule-table tbody tr:visible").count() == 1


def test_show_me_gives_the_answer_and_goes_on(page):
    page.get_by_role("button", name="Show me").click()
    assert step(page) == 1
    assert answer(page) == "z is −12."
    assert score(page) == "0 of 1 right at the first try."


def test_what_is_no_number_is_said_and_costs_nothing(page):
    guess(page, "twelve")
    assert "“twelve” is not a number" in answer(page)
    assert score(page) == ""


def test_the_score_is_forgotten_on_leaving(page):
    guess(page, "-12")
    page.reload()
    page.wait_for_selector(".chainrule-live")
    assert page.get_by_role("button", name="Let me guess").get_attribute("aria-pressed") == "false"
    assert not page.locator(".chainrule-score").is_visible()


def test_switched_off_everything_can_be_seen_again(page):
    page.get_by_role("button", name="Let me guess").click()
    page.get_by_role("button", name="Last step").click()
    assert step(page) == 5


def test_next_step_on_an_open_question_says_what_is_missing(page):
    forward(page)
    assert step(page) == 0
    assert answer(page) == "Type your guess first, or press Show me."
    guess(page, "")
    assert answer(page) == "Type your guess first, or press Show me."
    assert score(page) == ""


def test_a_question_mark_stands_where_the_number_will_be(page):
    mark = page.locator(".asked").bounding_box()
    guess(page, "-12")
    assert page.locator(".asked").count() == 0
    page.wait_for_timeout(100)
    found = page.locator('[data-variable="z"] .value').bounding_box()
    assert abs(mark["x"] + mark["width"] / 2 - found["x"] - found["width"] / 2) < 12


def test_a_fraction_is_a_number(show):
    x = Variable(2.0, "x")
    y = x / 3.0
    y.name = "y"
    page = show(Stepper(y))
    page.get_by_role("button", name="Let me guess").click()
    guess(page, "2/")
    assert "is not a number" in answer(page)
    guess(page, "2/3")
    assert answer(page) == "Right: y is 0.6667."


def test_an_answer_shown_is_never_that_of_another_question(page):
    to_the_first_piece(page)
    assert question(page).strip() == "Which gradient goes to x?"
    assert answer(page) == ""
    page.get_by_role("button", name="Show me").click()
    assert question(page).strip() == "Which gradient goes to y?"
    assert answer(page) == "x gets −4."


# ---------------------------------------------------------------- arrays and layers


def network_and_page(show, step=0, seed=0):
    net = two_layer_net(2, 3, 2, np.random.default_rng(seed))
    for key, array in net.params.items():
        if key.endswith(".b"):
            array += np.arange(1.0, array.size + 1)
    net.layers["Affine1"].params["W"][:] = [[1.0, -2.0, 0.5], [0.3, 1.1, -0.7]]
    net.layers["Affine2"].params["W"][:] = [[0.3, -0.2], [0.1, 0.4], [-0.2, 0.1]]
    net.layers["Affine2"].params["b"][:] = [0.2, -0.1]
    x, t = np.array([[1.0, -2.0], [3.0, 0.5]]), np.array([0, 1])
    stepper = Stepper(net, x, t, step=step)
    page = show(stepper)
    page.get_by_role("button", name="Let me guess").click()
    return stepper.trace, page


def asked_place(page):
    """The name and the entry of the array that is asked for."""
    entry, name = re.search(
        r"entry \[(.*?)\] (?:of|goes to entry .* of) (.*)\?", question(page)
    ).groups()
    return name, tuple(int(n) for n in entry.split(","))


def test_of_an_array_one_telling_entry_is_asked_for_and_why(show):
    trace, page = network_and_page(show)
    name, entry = asked_place(page)
    assert name == "a₁" and entry[0] != entry[1]
    assert "One entry is enough" in page.locator(".chainrule-ask").inner_text()
    out = trace.variables[3].value
    guess(page, f"{out[entry]:.4f}")
    assert step(page) == 1


def test_a_wrong_guess_shows_the_row_the_column_and_the_sum_of_the_asked_entry(show):
    _, page = network_and_page(show)
    name, (row, column) = asked_place(page)
    guess(page, "1000")
    told = page.locator(".chainrule-reading").inner_text()
    assert told.startswith(f"{name}[{row}, {column}] = ") and told.endswith("= ?")
    assert page.locator('[data-variable="x"] rect.lit').count() == 2
    assert page.locator('[data-variable="Affine1.W"] rect.lit').count() == 2


def test_the_sum_written_out_after_show_me_is_that_of_the_asked_entry(show):
    _, page = network_and_page(show, step=6)
    for _ in range(3):
        name, entry = asked_place(page)
        page.get_by_role("button", name="Show me").click()
        lines = page.locator(".chainrule-reading").inner_text()
        if step(page) == 7:
            break
    assert step(page) == 7
    assert f"∂loss/∂{name}[{', '.join(map(str, entry))}] = " in lines
    assert lines.count("\n") == 2  # one entry of each of dx, dW and db


def slip(page, number):
    guess(page, repr(float(number)))
    return answer(page)


def test_at_a_fork_one_piece_is_asked_for_and_the_question_says_whose(show):
    # x is used twice; either piece may come first, and their sum is never the answer
    x, y = Variable(np.array([3.0, -1.0]), "x"), Variable(np.array([-4.0, -4.0]), "y")
    product, twice = x * y, 2.0 * x
    total = product + twice
    loss = sum_(total)
    product.name, twice.name, total.name, loss.name = "p", "q", "t", "L"
    page = show(Stepper(loss, step=7))  # all but the product and the doubling have run
    page.get_by_role("button", name="Let me guess").click()
    asked = {}
    for node in "qpp":  # q doubles, so one number comes back; p multiplies, so two do
        if node == "p" and len(asked) == 1:
            forward(page)
        words = question(page).strip()
        page.get_by_role("button", name="Show me").click()
        asked[re.sub(r"\[\d\]", "[k]", words)] = re.sub(r"\[\d\]", "[k]", answer(page))
    assert asked["How much does q send back to x[k]?"] == "q sends 2 back to x[k]."
    assert asked["How much does p send back to x[k]?"] == "p sends −4 back to x[k]."
    # y is used once: its one piece is all of its gradient
    assert asked["Which gradient goes to entry [k] of y?"].startswith("y[k] gets ")


def test_a_mistake_in_a_layer_has_a_name(show):
    trace, page = network_and_page(show, step=5)
    values = {v.name: v.value for v in trace.variables}
    grads = {v.name: v.grad for v in trace.variables}
    kept = trace.variables[-1].kept[1]
    a, t, N = values["Affine2"], np.eye(2)[values["t"]], 2
    _, entry = asked_place(page)
    assert "The 1/N is missing" in slip(page, (kept - t)[entry])
    batch = np.exp(a) / np.exp(a).sum(axis=0)
    assert "Each row has its own" in slip(page, ((batch - t) / N)[entry])
    guess(page, repr(float(grads["Affine2"][entry])))
    page.get_by_role("button", name="Next step").click()
    page.get_by_role("button", name="Show me").click()  # dx
    _, entry = asked_place(page)
    assert "divides by the batch size" in slip(page, grads["Affine2.W"][entry] / N)
    page.get_by_role("button", name="Show me").click()
    _, entry = asked_place(page)
    assert "are summed" in slip(page, grads["Affine2"][0][entry])


def test_a_mask_or_a_transpose_left_out_has_a_name(show):
    trace, page = network_and_page(show, step=1)
    values = {v.name: v.value for v in trace.variables}
    closed = tuple(np.argwhere(values["Affine1"] < 0)[0])
    page.close()
    net = trace  # the same run, read at an entry of the author's choice
    page = show(Stepper(net, step=1, cell=tuple(int(n) for n in closed)))
    page.get_by_role("button", name="Let me guess").click()
    assert "The mask is missing" in slip(page, values["Affine1"][closed])
    square = Affine(np.array([[1.0, 2.0], [3.0, 4.0]]), np.zeros(2))
    both = Network({"A": square}, IdentityWithLoss())
    x = np.array([[1.0, 0.5], [2.0, -1.0]])
    page = show(Stepper(both, x, np.zeros((2, 2)), step=4))
    page.get_by_role("button", name="Let me guess").click()
    name, entry = asked_place(page)
    assert name == "x"
    wrong = both.gradient(x, np.zeros((2, 2))) and trace_network(both, x, np.zeros((2, 2)))
    dout = wrong.variables[3].grad
    assert "transpose is missing" in slip(page, (dout @ square.params["W"])[entry])


def test_what_comes_back_along_two_edges_of_one_node_is_asked_for_together(show):
    x = Variable(2.0, "x")
    square = x * x
    square.name = "square"
    out = square + 3.0 * x
    out.name = "y"
    page = show(Stepper(out))
    page.get_by_role("button", name="Let me guess").click()
    asked = {}
    for _ in range(20):
        if not page.locator(".chainrule-asked").is_visible():
            forward(page)
            continue
        words = question(page).strip()
        if "both edges" in words:
            mark, before = page.locator(".asked"), page.locator('[data-variable="x"] .gradient')
            assert mark.text_content() == "+ ?" and before.is_visible()
            assert mark.bounding_box()["x"] >= sum(before.bounding_box()[k] for k in ("x", "width"))
            guess(page, "2")
            assert answer(page) == "No, not 2. That comes along one edge, and there are two."
        asked[words] = True
        page.get_by_role("button", name="Show me").click()
        if step(page) == 7 or len(asked) == 8:
            break
    together = "How much does square send back to x, along both edges together?"
    assert list(asked).count(together) == 1
    assert answer(page) == "square sends 4 back to x."
