"""The stepper in a real browser, driven as a reader would drive it: clicks, keys and typed numbers."""

import json
import re

import numpy as np
import pytest
from playwright.sync_api import expect

from chainrule.graph import Variable, log, maximum, sigmoid, sum_
from chainrule.narration import display
from chainrule.network import two_layer_net
from chainrule.trace import Trace, trace_graph
from chainrule.widgets import Stepper


def bill(side=3.0, price=20.0, delivery=15.0, tax=1.2):
    side, price = Variable(side, "side"), Variable(price, "price")
    delivery, tax = Variable(delivery, "delivery"), Variable(tax, "tax")
    total = (side**2 * price + delivery) * tax
    total.name = "total"
    return total


def state(page):
    return page.eval_on_selector(
        ".chainrule-stepper", "e => [Number(e.dataset.step), e.dataset.phase]"
    )


def press(page, name):
    page.get_by_role("button", name=name, exact=True).click()


def gradient(page, name):
    return page.locator(f'[data-variable="{name}"] .gradient')


def value(page, name):
    return page.locator(f'[data-variable="{name}"] .value')


def shown(place):
    return place.text_content() if place.is_visible() else None


def test_the_served_figure_starts_before_the_first_step():
    text = Stepper(bill()).to_html()
    assert 'data-step="0" data-steps="9" data-phase="start"' in text


def test_forward_and_back_by_click(show):
    page = show(Stepper(bill()))
    assert state(page) == [0, "start"]
    press(page, "Next step")
    assert state(page) == [1, "forward"]
    press(page, "Last step")
    assert state(page) == [9, "backward"]
    press(page, "Previous step")
    assert state(page) == [8, "backward"]
    press(page, "First step")
    assert state(page) == [0, "start"]


def test_the_keys_do_what_the_buttons_do(show):
    page = show(Stepper(bill()))
    page.locator(".chainrule-scroll").focus()
    for key, after in [
        ("ArrowRight", 1),
        ("ArrowRight", 2),
        ("ArrowLeft", 1),
        ("End", 9),
        ("ArrowRight", 9),
        ("Home", 0),
        ("ArrowLeft", 0),
    ]:
        page.keyboard.press(key)
        assert state(page)[0] == after


def test_the_first_key_after_the_first_tab_works(show):
    page = show(Stepper(bill()))
    page.keyboard.press("Tab")
    page.keyboard.press("ArrowRight")
    assert state(page)[0] == 1


def test_the_scrubber_goes_to_any_step(show):
    page = show(Stepper(bill()))
    scrubber = page.get_by_role("slider", name="Step")
    scrubber.fill("6")
    assert state(page) == [6, "backward"]
    scrubber.press("ArrowLeft")
    assert state(page)[0] == 5
    assert scrubber.get_attribute("aria-valuetext") == "backward · 5 of 9"


def test_buttons_that_lead_nowhere_say_so_and_stay_focusable(show):
    page = show(Stepper(bill()))
    back = page.get_by_role("button", name="Previous step", exact=True)
    assert back.get_attribute("aria-disabled") == "true"
    assert back.get_attribute("disabled") is None
    back.dispatch_event("click")
    assert state(page)[0] == 0


def test_play_walks_to_the_turn_and_rests_there(show):
    page = show(Stepper(bill()))
    page.clock.install()
    press(page, "Play")
    expect(page.get_by_role("button", name="Pause")).to_be_visible()
    page.clock.run_for(30_000)
    assert state(page) == [4, "forward"]
    press(page, "Play")
    page.clock.run_for(30_000)
    assert state(page) == [9, "backward"]


def test_the_sentence_is_the_one_of_the_trace_at_every_step(show):
    stepper = Stepper(bill())
    page = show(stepper)
    page.locator(".chainrule-scroll").focus()
    for step in range(len(stepper.trace) + 1):
        assert page.get_by_role("status").inner_text() == stepper.trace.sentence(step)
        page.keyboard.press("ArrowRight")


def test_numbers_appear_when_they_are_known_and_not_before(show):
    page = show(Stepper(bill()))
    assert not gradient(page, "side").is_visible()
    assert not value(page, "total").is_visible()
    press(page, "Last step")
    assert shown(gradient(page, "side")) == "144"
    assert shown(value(page, "total")) == "234"


def test_a_network_steps_with_its_arrays(show):
    net = two_layer_net(2, 3, 2, np.random.default_rng(0))
    x, t = np.array([[1.0, 2.0], [3.0, 4.0]]), [0, 1]
    page = show(Stepper(net, x, t))
    assert not gradient(page, "Affine1.W").is_visible()
    press(page, "Last step")
    found = json.loads(gradient(page, "Affine1.W").get_attribute("data-exact"))
    np.testing.assert_array_equal(found, net.gradient(x, t)["Affine1.W"])
    cells = gradient(page, "Affine1.b").locator("text").all_text_contents()
    for cell, wanted in zip(cells, net.gradient(x, t)["Affine1.b"], strict=True):
        decimals = len(cell.partition(".")[2])
        assert float(cell.replace("−", "-")) == round(wanted, decimals), "each cell is rounded"


def test_a_fork_shows_the_sum_so_far(show):
    x = Variable(3.0, "x")
    page = show(Stepper(x * x + x))
    seen = []
    for _ in range(5):
        press(page, "Next step")
        seen.append(shown(gradient(page, "x")))
    assert seen == [None, None, None, "1", "7"]


def test_the_line_that_ran_is_marked(show):
    page = show(Stepper(bill(), step=1))
    page.locator(".chainrule-code summary").click()
    page.get_by_role("slider", name="Step").fill("6")
    assert page.locator(".chainrule-code .ran").last.inner_text().strip() == (
        "return dout * self.y, dout * self.x"
    )


def rules(page, last):
    """The rule line at every step."""
    slider = page.get_by_role("slider", name="Step")
    said = []
    for step in range(last + 1):
        slider.fill(str(step))
        said.append(page.locator(".rule").text_content())
    return said


def test_the_rule_is_written_in_the_names_of_the_graph(show):
    side, price = Variable(3.0, "side"), Variable(-20.0, "price")
    area = side**2
    total = area * price - 4.0
    area.name, total.name = "area", "total"
    assert rules(show(Stepper(total)), 7) == [
        "",
        "area = side²",
        "v1 = area × price",
        "total = v1 − 4",
        "∂total/∂total = 1",
        "∂total/∂v1 = 1",
        "∂v1/∂area = price = −20,  ∂v1/∂price = area = 9",
        "∂area/∂side = 2 × side = 6",
    ]


def test_the_rule_of_one_value_on_two_edges_speaks_of_each_edge(show):
    x = Variable(3.0, "x")
    y = x * x
    y.name = "y · y"  # a name that reads as a product
    assert rules(show(Stepper(y)), 3) == [
        "",
        "y · y = x × x",
        "∂(y · y)/∂(y · y) = 1",
        "∂(y · y)/∂x = x = 3 on one edge,  ∂(y · y)/∂x = x = 3 on the other",
    ]


def test_every_name_in_a_rule_is_in_the_picture(show):
    x, w = Variable(-2.0, "height"), Variable(0.5, "width")
    graph = maximum(x, 0.0) * -x - x**-1 + (x * x) ** 0.5 / w + sigmoid(w) ** x
    page = show(Stepper(graph))
    names = set(page.locator(".variable").evaluate_all("all => all.map(e => e.dataset.variable)"))
    for said in rules(page, len(Stepper(graph).trace)):
        words = set(
            re.findall(
                r"[a-z][a-z0-9]*", said.replace("on one edge", "").replace("on the other", "")
            )
        )
        assert words <= names | {"max", "exp", "log"}, said


def test_a_typed_number_changes_values_gradients_words_and_table(show):
    page = show(Stepper(bill(), step=-1))
    page.locator('input[name="side"]').fill("4")
    after = trace_graph(bill(side=4.0))
    for variable in after.variables:
        assert float(value(page, variable.name).get_attribute("data-exact")) == variable.value
        assert float(gradient(page, variable.name).get_attribute("data-exact")) == variable.grad
    assert page.get_by_role("status").inner_text() == after.sentence(len(after))
    page.get_by_text("All 9 steps as a table").click()
    cells = page.locator(".chainrule-table tbody td:last-child").all_inner_texts()
    assert cells == [after.sentence(step) for step in range(1, len(after) + 1)]


def test_arrow_keys_nudge_a_number_and_undo_and_reset_bring_it_back(show):
    page = show(Stepper(bill(), step=-1))
    field = page.locator('input[name="side"]')
    field.press("ArrowUp")
    raised = float(field.input_value())
    assert raised > 3.0
    field.press("ArrowUp")
    press(page, "Undo")
    assert float(field.input_value()) == raised
    press(page, "Reset")
    assert field.input_value() == "3"
    assert shown(value(page, "total")) == "234"


@pytest.mark.parametrize("typed", ["abc", "", "1e999", "1/2", "<b>7</b>"])
def test_what_is_not_a_number_is_refused_in_words_and_nothing_breaks(show, typed):
    page = show(Stepper(bill(), step=-1))
    field = page.locator('input[name="tax"]')
    field.fill(typed)
    field.blur()
    assert "is not a number. tax stays 1.2." in page.get_by_role("alert").inner_text()
    assert shown(value(page, "total")) == "234"
    field.fill("2")
    assert shown(value(page, "total")) == "390"
    assert page.get_by_role("alert").text_content() == ""


def test_the_logarithm_of_a_negative_number_is_refused_in_words(show):
    page = show(Stepper(log(Variable(2.0, "x")), step=-1))
    page.locator('input[name="x"]').fill("-1")
    assert (
        "Log wants positive numbers, got −1. x stays 2." in page.get_by_role("alert").inner_text()
    )
    assert shown(value(page, "x")) == "2"


@pytest.mark.parametrize("width", [1280, 390, 360])
def test_without_script_the_picture_and_the_table_remain(show, width):
    """On a phone it is the picture in rows: one of the two that are there, and whole."""
    size = {"width": width, "height": 900}
    page = show(Stepper(bill()), java_script_enabled=False, viewport=size)
    seen = page.locator("svg.chainrule-picture:visible")
    assert seen.count() == 1 and seen.locator('[data-variable="side"] .gradient').is_visible()
    box, frame = (one.bounding_box() for one in (seen, page.locator(".chainrule-scroll")))
    assert frame["x"] <= box["x"] and box["x"] + box["width"] <= frame["x"] + frame["width"]
    assert page.locator(".chainrule-table tbody tr").count() == 9
    assert page.locator("button, input").count() == 0


def test_a_narrow_page_does_not_scroll_sideways_and_follows_the_active_node(show):
    page = show(Stepper(bill()), viewport={"width": 360, "height": 700})
    for _ in range(4):
        press(page, "Next step")
    page.wait_for_timeout(600)
    assert page.evaluate("document.documentElement.scrollWidth") == 360
    box, frame = (
        page.locator(".node.now").bounding_box(),
        page.locator(".chainrule-scroll").bounding_box(),
    )
    assert frame["x"] <= box["x"] and box["x"] + box["width"] <= frame["x"] + frame["width"]


def test_a_hostile_name_shows_as_itself(show):
    name = "<img src=x onerror=alert(1)>"
    page = show(Stepper(Variable(2.0, name) * Variable(3.0, '"quoted"'), step=-1))
    assert page.locator("img").count() == 0
    assert page.locator(".chainrule-changes label").first.inner_text() == name
    assert name in page.get_by_role("status").inner_text()


def test_one_broken_figure_says_so_and_harms_no_other(browser, tmp_path):
    good = Stepper(bill())
    broken = good.markup().replace('{"trace":', '{"lost":')
    path = tmp_path / "two.html"
    path.write_text(good.to_html().replace("<main>", f"<main>{broken}"), encoding="utf-8")
    page = browser.new_page()
    page.goto(path.as_uri())
    page.wait_for_selector(".chainrule-live")
    assert "cannot be stepped" in page.locator(".chainrule-broken").inner_text()
    press(page, "Next step")
    assert page.locator(".chainrule-live").get_attribute("data-step") == "1"
    page.close()


# ---------------------------------------------------------------- arguments


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: Stepper(3.0), "wants a Variable, a Trace, or a network"),
        (lambda: Stepper(two_layer_net(2, 3, 2, np.random.default_rng(0))), "wants x and t"),
        (lambda: Stepper(trace_graph(bill()), dout=2.0), "dout is of a graph; .* got 2.0"),
        (lambda: Stepper(bill(), step=10), "from 0 to 9, or -1, got 10"),
        (lambda: Stepper(bill(), step="2"), "from 0 to 9, or -1, got '2'"),
        (lambda: Stepper(bill(), open=["side", "size"]), "open is True, False or names"),
        (lambda: Stepper(bill(), level="deep"), "level is one of layers, nodes, got 'deep'"),
    ],
)
def test_a_wrong_argument_is_refused_in_words(make, said):
    with pytest.raises(ValueError, match=said):
        make()


def test_a_stepper_takes_a_trace_and_a_network():
    trace = trace_graph(bill())
    assert Stepper(Trace.from_json(trace.to_json())).trace == trace
    net = two_layer_net(2, 3, 2, np.random.default_rng(0))
    assert len(Stepper(net, np.ones((2, 2)), [0, 1]).trace) == 9


def test_only_the_open_inputs_can_be_changed(show):
    page = show(Stepper(bill(), open=["tax"]))
    assert page.locator(".chainrule-changes input").count() == 1
    assert json.loads(page.locator("script.chainrule-trace").inner_text())["open"] == ["tax"]


def test_the_output_in_a_notebook_is_the_figure_and_its_text():
    stepper = Stepper(bill())
    bundle, _ = stepper._repr_mimebundle_()
    assert stepper.markup() in bundle["text/html"]
    assert bundle["text/plain"].splitlines()[0].endswith("Square. 3 × 3 = 9.")
    assert "application/vnd.jupyter.widget-view+json" in bundle


def test_the_level_is_a_trait_and_the_markup_follows_it():
    net = two_layer_net(2, 3, 2, np.random.default_rng(0))
    stepper = Stepper(net, np.ones((2, 2)), [0, 1], level="nodes", step=20)
    assert 'data-step="20" data-steps="29"' in stepper.markup()
    stepper.level = "layers"
    assert 'data-step="9" data-steps="9"' in stepper.markup()


def test_a_picture_for_slides_stands_alone():
    assert "<style>" in Stepper(bill()).to_svg(3)


# ---------------------------------------------------------------- what is in the picture


def exactly(place):
    return float(place.get_attribute("data-exact"))


def test_upstream_times_local_is_downstream_in_the_picture(show):
    """At every step backward: on each edge into the node stands its local derivative."""
    stepper = Stepper(bill(side=-3.0))
    page = show(stepper)
    slider = page.get_by_role("slider", name="Step")
    for number, step in stepper.trace.numbered():
        slider.fill(str(number))
        locals_ = page.locator(".local")
        if step.phase == "forward" or step.seed:
            assert locals_.count() == 0  # it goes when the next node runs
            continue
        out = stepper.trace.variables[step.variable]
        assert locals_.count() == len(out.inputs)
        upstream = exactly(gradient(page, out.name))
        for k, i in enumerate(out.inputs):
            name = stepper.trace.variables[i].name
            assert upstream * exactly(locals_.nth(k)) == exactly(gradient(page, name))
    assert page.locator(".local").all_text_contents() == ["× (−6)"]


def test_a_local_derivative_stands_under_the_gradient_that_it_makes(show):
    """In the middle of it, and near: 144 and "× 6" are read together."""
    stepper = Stepper(bill())
    page = show(stepper)
    for step, done in stepper.trace.numbered():
        if done.phase == "forward" or done.seed:
            continue
        page.get_by_role("slider", name="Step").fill(str(step))
        for k, i in enumerate(stepper.trace.receivers(done)):
            name = stepper.trace.variables[i].name
            over, under = (
                one.bounding_box() for one in (gradient(page, name), page.locator(".local").nth(k))
            )
            middles = [box["x"] + box["width"] / 2 for box in (over, under)]
            assert abs(middles[0] - middles[1]) < 1.5
            assert -8 < under["y"] - (over["y"] + over["height"]) < 3


def test_of_an_array_the_local_derivative_is_a_word(show):
    net = two_layer_net(2, 3, 2, np.random.default_rng(0))
    page = show(Stepper(net, np.array([[1.0, 2.0], [3.0, 4.0]]), [0, 1]))
    seen = []
    for step in range(6, 10):
        page.get_by_role("slider", name="Step").fill(str(step))
        seen.append(page.locator(".local").all_text_contents())
    second, first = (["@ Wᵀ", f"{name}ᵀ @", "Σ rows"] for name in "hx")  # each with its own input
    assert seen == [["× (y − t)/N"], second, ["× mask"], first]


def test_a_local_derivative_stands_on_no_number(show):
    page = show(Stepper(bill()))
    for step in range(6, 10):
        page.get_by_role("slider", name="Step").fill(str(step))
        boxes = [
            page.locator(".local").nth(k).bounding_box()
            for k in range(page.locator(".local").count())
        ]
        numbers = page.locator(".variable text:not(.hidden)")
        boxes += [numbers.nth(k).bounding_box() for k in range(numbers.count())]
        for k, one in enumerate(boxes):
            for other in boxes[k + 1 :]:
                across = min(one["x"] + one["width"], other["x"] + other["width"]) - max(
                    one["x"], other["x"]
                )
                down = min(one["y"] + one["height"], other["y"] + other["height"]) - max(
                    one["y"], other["y"]
                )
                assert across < 3 or down < 7, (step, one, other)


def test_the_pieces_of_a_fork_stand_on_their_edges_and_add_up_under_the_name(show):
    x = Variable(3.0, "x")
    square, five = x**2, x * 5.0
    total = square + five
    square.name, five.name, total.name = "square", "five x", "total"
    page = show(Stepper(total))
    pieces = page.locator('[data-variable="x"] .pieces')
    seen = []
    for step in range(8):
        page.get_by_role("slider", name="Step").fill(str(step))
        visible = [e.text_content() for e in page.locator("[data-piece]").all() if e.is_visible()]
        seen.append((pieces.text_content() if pieces.is_visible() else "", visible))
    assert seen[:6] == [("", [])] * 6
    assert seen[6] == ("", ["5"])  # one piece alone is no sum: it stands as the gradient so far
    assert seen[7] == ("5 + 6 = 11", ["5", "6"])
    assert gradient(page, "x").text_content() == "11"
    page.locator('input[name="x"]').fill("-4")
    assert pieces.text_content() == "5 + (−8) = −3"
    assert sorted(page.locator("[data-piece]").all_text_contents()) == ["5", "−8"]


def test_a_page_without_script_shows_the_pieces_and_a_legend(show):
    x = Variable(3.0, "x")
    page = show(Stepper(x * x + x, step=2), java_script_enabled=False)
    assert page.locator(".pieces:visible").all_text_contents() == ["1 + 3 + 3 = 7"]
    assert page.locator(".chainrule-legend").is_visible()
    assert "local derivative" in page.locator(".chainrule-legend").inner_text()


def test_print_shows_the_last_step_with_its_table_and_a_legend(show):
    x = Variable(3.0, "x")
    page = show(Stepper(x * x + x, step=2))
    page.emulate_media(media="print")
    assert page.locator(".chainrule-legend").is_visible()
    assert gradient(page, "x").is_visible() and gradient(page, "x").text_content() == "7"
    assert page.locator(".chainrule-table tbody tr").last.is_visible()
    assert page.locator(".local").count() == 0


def test_a_picture_that_stands_alone_has_a_legend():
    assert "local derivative" in Stepper(bill()).to_svg()


@pytest.mark.parametrize("figure", ["square", "bill", "network"])
def test_the_legend_stands_whole_inside_the_picture(figure, browser):
    x, rng = Variable(3.0, "x"), np.random.default_rng(0)
    network = two_layer_net(2, 3, 2, rng), rng.normal(size=(4, 2)), np.array([0, 1, 1, 0])
    sources = {"square": [x * x], "bill": [bill()], "network": network}
    page = browser.new_page()
    page.set_content(Stepper(*sources[figure]).to_svg())
    boxes = page.eval_on_selector_all(
        "svg, svg > text[text-anchor=start]",
        "(all) => all.map((one) => one.getBoundingClientRect()).map((b) => [b.left, b.top, b.right, b.bottom])",
    )
    (left, top, right, bottom), *texts = boxes
    assert texts
    for box in texts:
        assert left <= box[0] and top <= box[1] and box[2] <= right and box[3] <= bottom
    page.close()


# ---------------------------------------------------------------- a nudge that travels


def nudge(page, name):
    press(page, "Nudge")
    press(page, name)


def test_a_nudge_runs_forward_edge_by_edge_and_backward_to_the_same_product(show):
    page = show(Stepper(bill()))
    page.clock.install()
    nudge(page, "side")
    assert page.locator(".delta").all_text_contents() == ["Δ"]
    factors = []
    for changed in ["Δ × 6", "Δ × 120", "Δ × 120", "Δ × 144"]:
        page.clock.run_for(900)
        assert page.locator(".delta").last.text_content() == changed
        factors.append(page.locator(".local").last.text_content())
    assert factors == ["× 6", "× 20", "× 1", "× 1.2"]
    page.clock.run_for(900)
    said = page.get_by_role("status").inner_text()
    assert "the output changes by Δ × 144" in said
    assert page.locator(".rule").text_content() == "Δ × 6 × 20 × 1 × 1.2 = Δ × 144"
    press(page, "Backward")
    page.clock.run_for(10_000)
    assert "144" in page.get_by_role("status").inner_text()
    assert page.locator(".rule").text_content() == "1.2 × 1 × 20 × 6 = 144"
    shown = page.locator("svg:visible .gradient:not(.hidden)").all_text_contents()
    assert {"1", "1.2", "195", "24", "10.8", "144"} == set(shown)


def test_a_nudge_goes_back_by_the_steps_of_the_walk_and_leaves_the_picture_of_its_last_one(show):
    """The counter, the dashed ways back, the pieces of the fork: all as if the reader had walked there."""
    x = Variable(5.0, "x")
    page = show(Stepper(2.0 * (x**2 + 3.0 * x)))
    page.clock.install()
    drawn = """() => [document.querySelector(".chainrule-controls").innerText,
        ...[...document.querySelectorAll(".chainrule-picture *")].map((one) =>
            [one.getAttribute("class"), one.textContent, getComputedStyle(one).visibility].join())]"""
    press(page, "Last step")
    page.clock.run_for(5_000)
    walked = page.evaluate(drawn)
    nudge(page, "x")
    page.clock.run_for(10_000)
    assert state(page) == [4, "forward"]
    press(page, "Backward")
    page.clock.run_for(900)
    assert state(page) == [5, "backward"] and page.locator(".delta").count() == 0
    page.clock.run_for(10_000)
    last = int(page.locator(".chainrule-stepper").get_attribute("data-steps"))
    assert state(page) == [last, "backward"]
    assert page.evaluate(drawn) == walked
    assert page.locator(".rule").text_content() == "6 + 20 = 26"
    press(page, "x")  # once more, from the turn
    assert state(page) == [4, "forward"] and page.locator(".delta").all_text_contents() == ["Δ"]
    page.clock.run_for(10_000)
    press(page, "Backward")
    page.clock.run_for(2_000)
    press(page, "Previous step")
    page.clock.run_for(10_000)
    assert state(page) == [5, "backward"]  # the reader walks, and nothing else does


def test_a_nudge_goes_back_no_further_than_its_input(show):
    page = show(Stepper(bill()))
    page.clock.install()
    nudge(page, "tax")
    page.clock.run_for(5_000)
    press(page, "Backward")
    page.clock.run_for(10_000)
    assert state(page) == [6, "backward"]
    assert page.locator(".rule").text_content() == ""


def test_at_a_fork_each_arrow_has_its_factor_beside_it_and_what_is_added_is_written_as_a_sum(show):
    """7 is a sum, 2 + 2 + 3; and no two factors are written on the stem, on top of each other."""
    x = Variable(2.0, "x")
    page = show(Stepper(x * x + x * 3.0))
    page.clock.install()
    nudge(page, "x")
    page.clock.run_for(10_000)
    boxes = page.evaluate(
        """() => [...document.querySelectorAll(".local")].map((text) => {
            const { x, y, width, height } = text.getBBox();
            return [text.textContent, x, x + width, y + 3, y + height - 3];
        })"""
    )
    assert sorted(box[0] for box in boxes) == ["× 1", "× 1", "× 2", "× 2", "× 3"]
    for k, (_, left, right, top, bottom) in enumerate(boxes):
        for _, left_too, right_too, top_too, bottom_too in boxes[:k]:
            apart = max(left, left_too) >= min(right, right_too)
            assert apart or max(top, top_too) >= min(bottom, bottom_too), boxes
    assert page.locator(".rule").text_content() == "Δ × 4 + Δ × 3 = Δ × 7"
    assert "product" not in page.get_by_role("status").inner_text()
    press(page, "Backward")
    page.clock.run_for(10_000)
    assert page.locator(".rule").text_content() == "3 + 2 + 2 = 7"
    assert (
        page.get_by_role("status").inner_text().endswith("The same number, from the other side: 7.")
    )


def test_a_fork_that_ends_on_the_way_is_called_neither_a_sum_nor_a_product(show):
    """The roads meet before the last node: what comes to it is one number, and its factors are no road's."""
    x = Variable(2.0, "x")
    page = show(Stepper((x * x + x) * 3.0))
    page.clock.install()
    nudge(page, "x")
    page.clock.run_for(10_000)
    assert page.locator(".rule").text_content() == ""
    press(page, "Backward")
    page.clock.run_for(10_000)
    assert page.locator(".rule").text_content() == "3 + 6 + 6 = 15"


def test_a_nudge_is_measured_and_agrees_with_the_gradient(show):
    """Through forks, powers, divisions and gates: the measured change is what backward says."""
    x, w = Variable(-1.5, "x"), Variable(0.5, "w")
    graph = maximum(x, -2.0) * -x - x**-1 + (x * x) ** 0.5 / w + sigmoid(w) * x
    stepper = Stepper(graph)
    page = show(stepper)
    page.clock.install()
    press(page, "Nudge")
    for variable in stepper.trace.variables:
        if variable.name in ("x", "w"):
            press(page, variable.name)
            page.clock.run_for(30_000)
            shown = display(variable.grad)
            assert page.locator(".delta").last.text_content() in (f"Δ × {shown}", f"Δ × ({shown})")


def test_an_input_is_nudged_by_pressing_it_in_the_picture(show):
    page = show(Stepper(bill()))
    page.clock.install()
    press(page, "Nudge")
    page.locator('[data-variable="tax"] .value').click()
    page.clock.run_for(5_000)
    assert page.locator(".delta").last.text_content() == "Δ × 195"
    assert page.evaluate("document.activeElement.name") != "tax"  # it is not edited meanwhile


def test_a_nudge_ends_when_the_walk_goes_on_and_leaves_nothing_behind(show):
    page = show(Stepper(bill()))
    page.clock.install()
    nudge(page, "side")
    page.clock.run_for(2_000)
    press(page, "Next step")
    assert state(page) == [5, "backward"]
    assert page.locator(".delta, .local").count() == 0
    assert page.get_by_role("button", name="Nudge").get_attribute("aria-pressed") == "false"
    press(page, "Nudge")
    press(page, "Let me guess")
    assert page.get_by_role("button", name="Nudge").get_attribute("aria-pressed") == "false"


def test_a_figure_of_layers_or_of_unknown_operations_offers_no_nudge(show):
    net = two_layer_net(2, 3, 2, np.random.default_rng(0))
    page = show(Stepper(net, np.array([[1.0, 2.0], [3.0, 4.0]]), [0, 1]))
    assert not page.get_by_role("button", name="Nudge").is_visible()
    press(page, "Nodes")
    page.clock.install()
    press(page, "Nudge")
    page.get_by_role("button", name="Affine1.W[0, 1]").click()
    page.clock.run_for(60_000)
    assert "the output changes by Δ × " in page.get_by_role("status").inner_text()


# ---------------------------------------------------------------- what looks editable is


def test_a_node_that_is_clicked_goes_to_its_step(show):
    page = show(Stepper(bill()))
    node = page.locator(".node").nth(1)
    node.click()
    assert state(page) == [2, "forward"]
    press(page, "Last step")
    node.click()
    assert state(page) == [8, "backward"]


def test_only_what_can_be_dragged_is_underlined_and_nothing_in_the_picture_is_selected(show):
    x = Variable(np.array([[1.0, 2.0]]), "x")
    page = show(Stepper(sum_(x * Variable(3.0, "w")), step=-1, open=["x"]))
    underlined = page.evaluate(
        """() => [...document.querySelectorAll(".chainrule-picture text")]
            .filter((one) => getComputedStyle(one).textDecorationLine.includes("underline"))
            .map((one) => one.closest(".variable").dataset.variable)"""
    )
    assert underlined == ["x", "x"]
    assert (
        page.evaluate(
            "getComputedStyle(document.querySelector('.chainrule-picture')).webkitUserSelect"
        )
        == "none"
    )
    page.locator('[data-variable="x"] .value [data-cell="0,1"]').click()
    assert page.evaluate("document.activeElement.name") == "x[0,1]"  # it opens what was folded


def test_a_focused_picture_has_its_ring_beside_all_words(show):
    page = show(Stepper(bill()))
    page.keyboard.press("Tab")
    ring = page.locator(".chainrule-scroll").bounding_box()
    assert page.evaluate("document.activeElement.className") == "chainrule-scroll"
    for text in page.locator(".chainrule-tools button, .chainrule-controls button").all():
        box = text.bounding_box()
        assert box["y"] >= ring["y"] + ring["height"] or box["y"] + box["height"] <= ring["y"]
    names = page.locator(".chainrule-picture text").all()
    inner = [box for box in (name.bounding_box() for name in names) if box]
    assert min(box["y"] for box in inner) > ring["y"] + 3
    assert min(box["x"] for box in inner) > ring["x"] + 3


def test_a_number_that_is_shortened_agrees_with_its_full_form(show):
    x = Variable(np.array([[1.0, 2.0]]), "x")
    y = x * 2.5
    y.name = "y"
    page = show(Stepper(sum_(y), step=-1))
    page.get_by_text("Change a number").click()
    page.locator('input[name="x[0,0]"]').fill("1e18")
    cell = page.locator('[data-variable="y"] g.value [data-cell="0,0"]')
    assert cell.text_content() == "2.5e18"
    left = page.locator('[data-variable="y"] g.value .bracket').first.bounding_box()
    assert cell.bounding_box()["x"] > left["x"]


# ---------------------------------------------------------------- contrast, zoom, paper


def test_high_contrast_keeps_icons_tracks_names_and_states(show):
    page = show(Stepper(bill()), forced_colors="active")
    press(page, "Next step")
    press(page, "Nudge")
    look = """(place) => {
        const all = [...document.querySelectorAll(place)].map((one) => getComputedStyle(one));
        return all.map((s) => [s.fill, s.backgroundColor, s.color, s.borderTopWidth, s.borderTopColor]);
    }"""
    canvas = page.evaluate("getComputedStyle(document.body).backgroundColor")
    for icon in page.evaluate(look, ".chainrule-buttons svg"):
        assert icon[0] != canvas
    for name in page.evaluate(look, ".chainrule-picture .name"):
        assert name[0] != canvas
    on, off = (
        page.evaluate(look, ".chainrule-tools button")[1],
        page.evaluate(look, ".chainrule-tools button")[0],
    )
    assert on[1] != off[1]  # pressed
    for button in page.evaluate(look, ".chainrule-stepper button"):
        assert button[3] == "1px"
    values = page.evaluate(look, ".chainrule-picture .edges path")
    assert values[0][0] == "none"
    track = page.evaluate(
        "getComputedStyle(document.querySelector('input[type=range]')).forcedColorAdjust"
    )
    assert track == "none"


def test_the_picture_and_its_buttons_fit_one_screen_at_four_hundred_percent(show):
    page = show(Stepper(bill()), viewport={"width": 320, "height": 256})
    page.evaluate("document.querySelector('.chainrule-scroll').scrollIntoView()")
    assert page.evaluate("document.documentElement.scrollWidth") == 320
    for place in (".chainrule-scroll", ".chainrule-buttons", ".chainrule-controls input"):
        box = page.locator(place).bounding_box()
        assert box["y"] >= -1 and box["y"] + box["height"] <= 256, place
    for one in page.locator(".chainrule-buttons button").all():
        box = one.bounding_box()
        assert box["x"] >= 0 and box["x"] + box["width"] <= 320


def test_paper_shows_the_whole_sum_of_a_fork_wherever_the_walk_stands(show):
    x = Variable(3.0, "x")
    page = show(Stepper(x * x + x, step=4))
    assert gradient(page, "x").text_content() == "1"
    page.emulate_media(media="print")
    expect(gradient(page, "x")).to_have_text("7")
    page.emulate_media(media="screen")
    expect(gradient(page, "x")).to_have_text("1")


def test_the_grids_of_arrays_are_in_the_accessibility_tree(show):
    x = Variable(np.array([[1.0, 2.0]]), "x")
    page = show(Stepper(sum_(x * 3.0), step=-1))
    tree = page.locator(".chainrule-stepper").aria_snapshot()
    assert "x, value, 1 by 2" in tree and "x, gradient, 1 by 2" in tree


def layouts(page):
    session = page.context.new_cdp_session(page)
    session.send("Performance.enable")

    def count():
        metrics = session.send("Performance.getMetrics")["metrics"]
        return next(one["value"] for one in metrics if one["name"] == "LayoutCount")

    return count


def test_a_step_lays_the_page_out_once(show):
    """What is read from a page that was written to lays it out anew: each such time is a part of a frame."""
    x = made = Variable(1.0, "x")
    for k in range(30):
        made = made * 0.9 + x if k % 3 else made + x
    page = show(Stepper(made), viewport={"width": 1280, "height": 900})
    page.wait_for_timeout(300)
    count = layouts(page)
    before = count()
    page.evaluate(
        """() => {
            const press = (key) => document.querySelector(".chainrule-scroll").dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true }));
            for (let k = 0; k < 60; k += 1) press("ArrowRight");
        }"""
    )
    assert count() - before <= 70
    assert page.locator(".chainrule-stepper").get_attribute("data-step") == "60"
