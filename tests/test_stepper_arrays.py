"""The stepper on a network: two levels, arrays that can be changed, and how an entry came about."""

import json
import re

import numpy as np
import pytest

from chainrule.graph import Variable, exp, log, maximum, sum_
from chainrule.losses import SoftmaxWithLoss
from chainrule.network import two_layer_net
from chainrule.trace import trace_network
from chainrule.widgets import Stepper

X, T = np.array([[1.0, 2.0], [-3.0, 0.5]]), np.array([0, 1])


def net():
    network = two_layer_net(2, 3, 2, np.random.default_rng(0))
    rng = np.random.default_rng(1)
    for key, array in network.params.items():
        if key.endswith(".b"):
            array += rng.normal(0, 0.5, array.shape)
    return network


def press(page, name):
    page.get_by_role("button", name=name, exact=True).click()


def step(page):
    return int(page.locator(".chainrule-stepper").get_attribute("data-step"))


def exact(page, name, kind="value"):
    place = page.locator(f'[data-variable="{name}"] .{kind}').first
    return np.array(json.loads(place.get_attribute("data-exact")))


def cell(page, name, kind, entry):
    return page.locator(f'[data-variable="{name}"] g.{kind} [data-cell="{entry}"]')


def lit(page, name, kind):
    """Where the marked entries of an array are, as (row, column)."""
    return page.evaluate(
        """([name, kind]) => {
            const place = [...document.querySelectorAll(".variable")]
                .find((one) => one.dataset.variable === name).querySelector(`g.${kind}`);
            const [left, top, width] = place.dataset.box.split(" ").map(Number);
            return [...place.querySelectorAll("rect.lit")].map((rect) => [
                Math.round((rect.getAttribute("y") - top) / 17),
                Math.round((rect.getAttribute("x") - left) / width),
            ]).sort();
        }""",
        [name, kind],
    )


def told(page):
    return page.locator(".chainrule-reading").inner_text()


# ---------------------------------------------------------------- two levels


def test_the_toggle_keeps_the_place_and_the_totals(show):
    page = show(Stepper(net(), X, T))
    for now in range(10):
        page.get_by_role("slider", name="Step").fill(str(now))
        before = exact(page, "Affine1.W", "gradient")
        press(page, "Nodes")
        assert page.locator(".chainrule-stepper").get_attribute("data-steps") == "29"
        phase = page.locator(".chainrule-stepper").get_attribute("data-phase")
        assert phase == ("start" if now == 0 else "forward" if now < 5 else "backward")
        assert np.allclose(exact(page, "Affine1.W", "gradient"), before, rtol=1e-12)
        press(page, "Layers")
        assert step(page) == now


def test_between_two_layers_the_nodes_belong_to_the_layer_that_they_make_up(show):
    page = show(Stepper(net(), X, T, level="nodes"))
    page.get_by_role("slider", name="Step").fill("1")  # the product within Affine1
    press(page, "Layers")
    assert step(page) == 1


def test_each_level_has_its_own_table_and_its_own_words(show):
    stepper = Stepper(net(), X, T)
    page = show(stepper)
    for level, trace in (("Layers", stepper.trace), ("Nodes", stepper.trace.nodes)):
        press(page, level)
        page.locator(".chainrule-table summary").click()
        cells = page.locator(".chainrule-table tbody td:last-child").all_inner_texts()
        assert cells == [trace.sentence(k) for k in range(1, len(trace) + 1)]


def test_a_network_opens_at_the_level_asked_for_and_both_are_in_the_page(show):
    page = show(Stepper(net(), X, T, level="nodes"), java_script_enabled=False)
    assert page.locator(".chainrule-table tbody tr").count() == 29
    assert (
        page.locator("svg.chainrule-picture:visible").count() == 1
    )  # the other level is in a template


def test_what_a_layer_keeps_is_drawn_once_it_has_run(show):
    page = show(Stepper(net(), X, T))
    mask = page.locator('[data-variable="ReLU1"] g.kept')
    assert not mask.is_visible()
    press(page, "Last step")
    assert exact(page, "ReLU1", "kept").tolist() == (exact(page, "ReLU1") > 0).tolist()
    np.testing.assert_allclose(exact(page, "loss", "kept").sum(axis=1), 1.0, rtol=1e-12)


# ---------------------------------------------------------------- what if


def changed(name, index, value):
    """The trace of the network with one number changed, run by Python."""
    network, x, t = net(), X.copy(), T.copy()
    {"x": x, "t": t, **network.params}[name][index] = value
    return trace_network(network, x, t)


@pytest.mark.parametrize("level", ["layers", "nodes"])
@pytest.mark.parametrize(
    ("name", "index", "value"),
    [("x", (1, 0), 2.5), ("Affine1.W", (0, 2), -7.0), ("Affine2.b", (1,), 0.25), ("t", (0,), 1)],
)
def test_one_changed_entry_changes_every_number_as_in_python(show, level, name, index, value):
    page = show(Stepper(net(), X, T, step=-1, level=level))
    page.get_by_text("Change a number").click()
    field = f"{name}[{','.join(map(str, index))}]"
    page.locator(f'input[name="{field}"]').fill(str(value))
    press(page, "Layers")
    wanted = changed(name, index, value)
    for variable in wanted.variables:
        np.testing.assert_allclose(exact(page, variable.name), variable.value, rtol=1e-12)
        if variable.grad is not None:
            found = exact(page, variable.name, "gradient")
            np.testing.assert_allclose(found, variable.grad, rtol=1e-10, atol=1e-14)
        if variable.kept is not None:
            kept = exact(page, variable.name, "kept")
            np.testing.assert_allclose(kept, variable.kept[1], rtol=1e-12)
    press(page, "Undo")
    np.testing.assert_allclose(exact(page, "loss"), Stepper(net(), X, T).trace.variables[-1].value)


@pytest.mark.parametrize("typed", ["2", "-1", "0.5", "one"])
def test_a_label_that_is_no_class_is_refused_in_words(show, typed):
    page = show(Stepper(net(), X, T, step=-1))
    page.get_by_text("Change a number").click()
    field = page.locator('input[name="t[0]"]')
    field.fill(typed)
    field.press("Tab")
    said = page.get_by_role("alert").inner_text()
    assert "t[0] stays 0" in said
    assert "is not a number" in said or "a whole number from 0 to 1" in said
    assert exact(page, "t").tolist() == [0, 1]


def test_scores_that_grow_without_bound_do_not_overflow(show):
    a = Variable(np.array([[1.0, 2.0, 0.5]]), "a")
    page = show(Stepper(SoftmaxWithLoss().expand(a, np.array([1])), step=-1))
    page.get_by_text("Change a number").click()
    page.locator('input[name="a[0,1]"]').fill("10000")
    assert exact(page, page.locator(".variable").last.get_attribute("data-variable")) == 0.0
    assert "not a number" not in page.locator(".chainrule-picture").inner_html()


def test_a_number_is_dragged_in_the_picture_and_one_undo_brings_it_back(show):
    page = show(Stepper(net(), X, T, step=-1))
    box = cell(page, "x", "value", "0,1").bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.down()
    for moved in range(10, 70, 10):
        page.mouse.move(box["x"] + box["width"] / 2 + moved, box["y"])
    page.mouse.up()
    dragged = exact(page, "x")[0, 1]
    assert dragged > 2.0
    wanted = changed("x", (0, 1), dragged)
    np.testing.assert_allclose(exact(page, "loss"), wanted.variables[-1].value, rtol=1e-12)
    press(page, "Undo")
    assert exact(page, "x")[0, 1] == 2.0
    assert page.get_by_role("button", name="Undo").get_attribute("aria-disabled") == "true"


def test_a_finger_drags_too(browser, tmp_path):
    path = tmp_path / "touch.html"
    path.write_text(Stepper(Variable(2.0, "x") * 3.0, step=-1).to_html(), encoding="utf-8")
    page = browser.new_page(has_touch=True)
    page.goto(path.as_uri())
    page.wait_for_selector(".chainrule-live")
    box = page.locator('[data-variable="x"] .value').bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    client = page.context.new_cdp_session(page)
    for kind, points in [
        ("touchStart", [(x, y)]),
        ("touchMove", [(x + 20, y)]),
        ("touchMove", [(x + 48, y)]),
        ("touchEnd", []),
    ]:
        spots = [{"x": a, "y": b} for a, b in points]
        client.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": spots})
    assert exact(page, "x") > 2.0
    page.close()


def test_an_operation_of_the_authors_own_is_stepped_but_not_edited_and_says_so(show):
    class Cube:
        def forward(self, x):
            self.x = x
            return x**3

        def backward(self, dout):
            return (3 * self.x**2 * dout,)

    from chainrule.graph import apply

    page = show(Stepper(apply(Cube(), Variable(2.0, "x")) * 5.0))
    press(page, "Last step")
    assert exact(page, "x", "gradient") == 60.0
    assert "Cube is the author's own" in page.locator(".chainrule-note").inner_text()
    assert page.locator(".chainrule-changes").count() == 0


def test_a_network_with_a_layer_of_the_readers_own_steps_by_layers(show):
    class MyReLU:
        def forward(self, x):
            self.mask = x > 0
            return x * self.mask

        def backward(self, dout):
            return dout * self.mask

    network = net()
    network.layers["ReLU1"] = MyReLU()
    page = show(Stepper(network, X, T, step=-1))
    wanted = network.gradient(X, T)["Affine1.W"]
    assert exact(page, "Affine1.W", "gradient").tolist() == wanted.tolist()
    assert "MyReLU" in page.locator(".chainrule-note").inner_text()
    assert page.get_by_role("button", name="Nodes").count() == 0


# ---------------------------------------------------------------- reading an array


def result_of(sentence):
    """The number that a written-out sum claims, and the sum of its products, from the text."""
    terms, total = sentence.split(" = ")[1:]
    products = re.sub(r"[()]", "", terms).replace("−", "-").split(" + ")
    numbers = [[float(n) for n in product.split(" × ")] for product in products]
    return sum(np.prod(term) for term in numbers), float(total.replace("−", "-"))


def test_pointing_at_a_result_marks_its_row_and_column_and_writes_out_the_sum(show):
    page = show(Stepper(net(), X, T, step=-1))
    cell(page, "Affine1", "value", "1,2").hover()
    assert lit(page, "x", "value") == [[1, 0], [1, 1]]
    assert lit(page, "Affine1.W", "value") == [[0, 2], [1, 2]]
    assert lit(page, "Affine1.b", "value") == [[0, 2]]
    assert lit(page, "Affine1", "value") == [[1, 2]]
    assert told(page).startswith("a₁[1, 2] = ")
    computed, claimed = result_of(told(page))
    assert computed == pytest.approx(claimed, abs=0.02)
    assert claimed == pytest.approx(exact(page, "Affine1")[1, 2], rel=1e-2)


@pytest.mark.parametrize(
    ("name", "entry", "marks"),
    [
        ("Affine1.W", "1,0", {"x.value": [[0, 1], [1, 1]], "Affine1.gradient": [[0, 0], [1, 0]]}),
        ("x", "0,1", {"Affine1.gradient": [[0, 0], [0, 1], [0, 2]]}),
        ("Affine1.b", "0,2", {"Affine1.gradient": [[0, 2], [1, 2]]}),
    ],
)
def test_pointing_at_a_gradient_marks_what_it_was_summed_from(show, name, entry, marks):
    page = show(Stepper(net(), X, T, step=-1))
    cell(page, name, "gradient", entry).hover()
    for place, where in marks.items():
        assert lit(page, *place.rsplit(".", 1)) == where
    assert told(page).startswith(f"∂loss/∂{name}[")
    computed, claimed = result_of(told(page))
    assert computed == pytest.approx(claimed, abs=0.01)


def test_the_gradient_of_the_scores_is_read_as_y_minus_t_over_n(show):
    page = show(Stepper(net(), X, T, step=-1))
    cell(page, "Affine2", "gradient", "0,0").hover()
    numbers = [float(n) for n in re.findall(r"\d+\.?\d*", told(page).split(" = ")[1])]
    assert (numbers[0] - numbers[1]) / numbers[2] == pytest.approx(
        exact(page, "Affine2", "gradient")[0, 0], abs=1e-3
    )


@pytest.mark.parametrize("name", ["Affine1", "ReLU1", "Affine2"])
def test_at_the_level_of_nodes_every_entry_can_be_read_too(show, name):
    page = show(Stepper(net(), X, T, step=-1, level="nodes"))
    for kind in ("value", "gradient"):
        cell(page, name, kind, "1,1").hover()
        assert told(page).count("=") >= 1
        assert "not a number" not in told(page)


def test_the_arrow_keys_read_entry_by_entry_and_leave_the_step_alone(show):
    page = show(Stepper(net(), X, T, step=-1))
    grid = page.locator('[data-variable="Affine1"] g.value')
    grid.focus()
    assert told(page).startswith("a₁[0, 0]")
    for key in ("ArrowRight", "ArrowDown", "ArrowRight", "ArrowRight"):
        page.keyboard.press(key)
    assert told(page).startswith("a₁[1, 2]")
    assert step(page) == 9
    assert "a₁, value, 2 by 3" in grid.get_attribute("aria-label")


def test_each_step_reads_a_telling_entry_of_its_result_by_itself(show):
    page = show(Stepper(net(), X, T))
    press(page, "Next step")
    assert told(page).startswith("a₁[0, 1] = 1 × ")
    page.get_by_role("slider", name="Step").fill("9")
    lines = told(page).splitlines()
    assert [line.split("[")[0] for line in lines] == [
        "∂loss/∂x", "∂loss/∂Affine1.W", "∂loss/∂Affine1.b",
    ]  # fmt: skip
    for line in lines:  # row and column apart, and a sum of several numbers
        assert "[0, 0]" not in line and " + " in line


def test_the_author_may_choose_the_entry_that_is_read(show):
    page = show(Stepper(net(), X, T, cell=(1, 0)))
    press(page, "Next step")
    assert told(page).startswith("a₁[1, 0] = ")


@pytest.mark.parametrize("cell", [3, (1,), (0, -1), ("a", 0), (True, 0)])
def test_an_entry_that_is_none_is_refused(cell):
    with pytest.raises(ValueError, match="a row and a column"):
        Stepper(net(), X, T, cell=cell)


def test_a_long_sum_is_written_with_its_first_and_last_terms(show):
    rng = np.random.default_rng(0)
    x, w = Variable(rng.normal(size=(2, 40)), "x"), Variable(rng.normal(size=(40, 3)), "w")
    y = x @ w
    y.name = "y"
    page = show(Stepper(sum_(y), step=-1))
    cell(page, "y", "value", "0,0").hover()
    assert "…" in told(page) and told(page).count("×") == 7


def test_a_large_net_shows_shapes_and_ranges_and_stays_light(show):
    network = two_layer_net(64, 20, 10, np.random.default_rng(0))
    stepper = Stepper(network, np.random.default_rng(1).random((5, 64)), np.arange(5))
    page = show(stepper)
    press(page, "Last step")
    words = page.locator('[data-variable="Affine1.W"] .gradient').text_content()
    assert "(64, 20)" in words and "…" in words


# ---------------------------------------------------------------- pieces at a fork, and a nudge


def scores_to_loss():
    """Softmax and loss written out: e goes into the sum and into the division."""
    e = exp(Variable(np.log([6.0, 3.0, 1.0]), "a"))
    e.name = "e"
    y = e / sum_(e)
    loss = sum_(log(y) * np.array([0.0, -1.0, 0.0]))
    loss.name = "L"
    return loss


def test_the_pieces_of_an_array_are_shown_at_one_entry_each_on_its_edge(show):
    """In the still picture and in the live one: no sum without its terms."""
    page = show(Stepper(scores_to_loss()))
    page.get_by_role("button", name="Last step").click()
    pieces = page.locator('[data-variable="e"] .pieces')
    name, terms, total = re.fullmatch(r"\[(\d)\]: (.*) = (.*)", pieces.text_content()).groups()
    numbers = [float(term.strip("()").replace("−", "-")) for term in terms.split(" + ")]
    whole = exact(page, "e", "gradient")
    assert sum(numbers) == pytest.approx(whole[int(name)], abs=5e-3)
    on_edges = page.locator("[data-piece]:visible").all_text_contents()
    shown = sorted(float(text.replace("−", "-")) for text in on_edges)
    assert shown == pytest.approx(sorted(numbers), abs=5e-3)


def test_pointing_at_another_entry_tells_its_pieces(show):
    page = show(Stepper(scores_to_loss()))
    page.get_by_role("button", name="Last step").click()
    for entry in (0, 2, 1):
        page.locator(f'[data-variable="e"] .gradient [data-cell="0,{entry}"]').hover()
        assert page.locator('[data-variable="e"] .pieces').text_content().startswith(f"[{entry}]: ")


def test_a_nudge_of_an_array_says_which_entry_changes_most(show):
    page = show(Stepper(scores_to_loss()))
    page.clock.install()
    page.get_by_role("button", name="Nudge", exact=True).click()
    page.locator('[data-variable="a"] .value [data-cell="0,1"]').click()
    page.clock.run_for(60_000)
    said = dict(zip(["a", "e", "S", "y"], page.locator(".delta").all_text_contents(), strict=False))
    assert said["a"] == "[1]: Δ" and said["e"] == "[1]: Δ × 3" and said["S"] == "Δ × 3"
    assert said["y"] == "[1]: Δ × 0.21, …"  # and the other two
    assert page.locator(".delta").last.text_content() == "Δ × (−0.7)"
    assert "other entries change too" in page.get_by_role("status").inner_text()


def nudged(page, name, cell):
    """The deltas by variable on the way there, and the line under the sentence after it and after the way back."""
    page.get_by_role("button", name="Nudge", exact=True).click()
    page.locator(f'[data-variable="{name}"] .value [data-cell="{cell}"]').click()
    said = []
    for way in ("forward", "backward"):
        if way == "backward":
            page.get_by_role("button", name="Backward").click()
        page.clock.run_for(60_000)
        if way == "forward":
            said.append(page.evaluate(DELTAS))
        said.append(page.locator(".rule").text_content())
    return said


DELTAS = """() => Object.fromEntries([...document.querySelectorAll(".delta")].map((one) =>
    [document.querySelector(`.variable[data-index="${one.dataset.of}"]`).dataset.variable, one.textContent]))"""


@pytest.mark.parametrize(
    ("cell", "change", "product", "back"),
    [("0,1", "0", "Δ × 0 × (−2) × 1 = Δ × 0", "0"), ("0,2", "1", "Δ × 1 × 3 × 1 = Δ × 3", "3")],
)
def test_a_nudge_follows_its_own_entry_through_open_and_closed_gates(
    cell, change, product, back, show
):
    """Where nothing changes, there is no largest change that could lead to another entry."""
    x = Variable(np.array([[1.0, -0.5, 2.0]]), "x")
    y = maximum(x, 0.0)
    weighted = y * np.array([[5.0, -2.0, 3.0]])
    loss = sum_(weighted)
    y.name, weighted.name, loss.name = "y", "weighted", "L"
    page = show(Stepper(loss))
    page.clock.install()
    forward, line, line_back = nudged(page, "x", cell)
    place = f"[{cell.replace(',', ', ')}]"
    assert forward["y"] == f"{place}: Δ × {change}" and line == product
    assert forward["weighted"].startswith(place)
    assert exact(page, "x", "gradient")[0, int(cell[-1])] == float(back)
    assert line_back.endswith(f" = {back}")


def test_a_nudge_of_many_entries_shows_one_that_reaches_the_output_and_says_no_product(show):
    """The largest change, of entry 2, is multiplied by 0 afterwards: what arrives came by entry 1."""
    x, W = Variable(np.array([[1.0, 2.0]]), "x"), np.array([[1.0, 0.5, 0.0], [0.0, 1.0, 2.0]])
    xW = x @ Variable(W, "W")
    weighted = xW * np.array([[3.0, 1.0, 0.0]])
    loss = sum_(weighted)
    xW.name, weighted.name, loss.name = "xW", "weighted", "L"
    page = show(Stepper(loss))
    page.clock.install()
    forward, line, line_back = nudged(page, "x", "0,1")
    assert forward["xW"] == "[0, 1]: Δ × 1, …" and forward["weighted"] == "[0, 1]: Δ × 1"
    assert line == line_back == ""  # 1 × 1 is not all that arrived
    page.locator('[data-variable="x"] .value [data-cell="0,1"]').click()
    page.clock.run_for(60_000)
    assert page.locator(".local").count() == 0  # nor is a factor of one entry a factor of the whole


@pytest.mark.parametrize("width", [1280, 390])
def test_what_a_nudge_writes_stands_within_the_picture(show, width):
    """Whatever its length: at the last edge of a bill whose numbers are long."""
    price = Variable(1234.567, "price")
    total = price * 98.7654 * 1.23456
    page = show(Stepper(total), viewport={"width": width, "height": 800})
    page.clock.install()
    page.get_by_role("button", name="Nudge", exact=True).click()
    page.get_by_role("button", name="price", exact=True).click()
    page.clock.run_for(10_000)
    inside = page.evaluate(
        """() => [...document.querySelectorAll(".delta")].map((text) => {
            const box = text.getBBox(), [x, , width] = text.ownerSVGElement.getAttribute("viewBox").split(" ").map(Number);
            return [box.x - x, x + width - box.x - box.width];
        })"""
    )
    assert min(min(sides) for sides in inside) >= 0


def test_every_written_out_sum_is_equal_to_what_it_claims(show):
    """At forks too, where one piece came through a sum or a product of matrices."""
    x, W = Variable(np.array([[1.5, -2.0], [0.5, 3.0]]), "x"), Variable(np.array([2.0, -0.5]), "W")
    p, q = x * W, x @ W
    out = sum_(p * x - p / (x * x + 1.0)) + sum_(x, axis=0).sum() + sum_(q * q)
    p.name, q.name, out.name = "p", "q", "out"
    page = show(Stepper(out, step=-1))
    checked = 0
    for group in page.locator("g.value[data-box], g.gradient[data-box]").all():
        for one in group.locator("[data-cell]").all():
            one.dispatch_event("click")
            for line in page.locator(".chainrule-reading > span").all_text_contents():
                made = line.split(" = ")[1:]
                if len(made) < 2 or "…" in line:
                    continue
                made = [
                    text.replace("×", "*").replace("÷", "/").replace("−", "-").replace("²", "**2")
                    for text in made
                ]
                assert eval(made[0]) == pytest.approx(float(made[1]), abs=0.02, rel=0.02), line
                checked += 1
    assert checked > 20


# ---------------------------------------------------------------- the nodes of Part II


def scores():
    """Queries times keys, turned: the scores of attention."""
    Q = Variable([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]], "Q")
    K = Variable([[7.0, 8.0], [9.0, 1.0], [2.0, 3.0]], "K")
    Kt = K.T
    S = Q @ Kt
    L = sum_(S * S)
    Kt.name, S.name, L.name = "Kt", "S", "L"
    return Stepper(L)


def test_pointing_at_a_score_marks_the_query_s_row_and_the_key_s_row(show):
    page = show(scores())
    press(page, "Last step")
    cell(page, "S", "value", "1,0").hover()
    assert told(page) == "S[1, 0] = 3 × 7 + 4 × 8 = 53"
    assert lit(page, "Q", "value") == [[1, 0], [1, 1]]
    assert lit(page, "Kt", "value") == [[0, 0], [1, 0]]
    assert lit(page, "K", "value") == [[0, 0], [0, 1]]
    cell(page, "K", "gradient", "2,1").hover()
    assert lit(page, "Kt", "gradient") == [[1, 2]]


@pytest.mark.parametrize(
    ("make", "value", "gradient"),
    [
        (lambda x: x[[1, 0, 1]], "= 3", "= 6 + 6 = 12"),
        (lambda x: x.mean(axis=0, keepdims=True), "(1 + 3) ÷ 2 = 2", None),
        (lambda x: x.max(axis=0, keepdims=True), "max(1, 3) = 3", None),
        (lambda x: x.reshape(4, 1), "= 1", None),
    ],
    ids=["take", "mean", "max", "reshape"],
)
def test_an_entry_says_from_which_entries_it_was_taken_or_made(make, value, gradient, show):
    x = Variable([[1.0, 2.0], [3.0, 4.0]], "x")
    y = make(x)
    L = sum_(y * y)
    y.name, L.name = "y", "L"
    page = show(Stepper(L))
    press(page, "Last step")
    cell(page, "y", "value", "0,0").hover()
    assert told(page).endswith(value)
    if gradient is not None:
        cell(page, "x", "gradient", "1,0").hover()
        assert told(page).endswith(gradient)
        assert lit(page, "y", "gradient") == [[0, 0], [2, 0]]


@pytest.mark.parametrize("make", [lambda x: x[[1, 0, 1]], lambda x: x.max(axis=1), lambda x: x.T])
def test_what_is_taken_from_a_changed_array_follows(make, show):
    x = Variable([[1.0, 2.0], [3.0, 4.0]], "x")
    y = make(x)
    L = sum_(y * y)
    y.name, L.name = "y", "L"
    page = show(Stepper(L, open=["x"]))
    press(page, "Last step")
    page.get_by_text("Change a number").click()
    page.locator('input[name="x[1,0]"]').fill("-9")
    changed = Variable([[1.0, 2.0], [-9.0, 4.0]], "x")
    out = make(changed)
    total = sum_(out * out)
    total.backward()
    np.testing.assert_allclose(exact(page, "y"), out.value)
    np.testing.assert_allclose(exact(page, "x", "gradient"), changed.grad)


def test_every_place_in_a_grid_tells_of_its_cell_and_not_the_digits_alone(show):
    page = show(Stepper(net(), X, T, step=-1), reduced_motion="reduce")
    ground = page.locator('[data-variable="Affine1.W"] g.gradient rect.ground')
    grid = page.locator('[data-variable="Affine1.W"] g.gradient')
    box, columns = ground.bounding_box(), int(grid.get_attribute("data-columns"))
    rows = grid.locator("[data-cell]").count() // columns
    for r in range(rows):
        for c in range(columns):
            for x, y in ((0.1, 0.2), (0.5, 0.9), (0.9, 0.5)):
                page.mouse.move(
                    box["x"] + (c + x) * box["width"] / columns,
                    box["y"] + (r + y) * box["height"] / rows,
                )
                assert f"[{r}, {c}]" in page.locator(".chainrule-reading").inner_text()
