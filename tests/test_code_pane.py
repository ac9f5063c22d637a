"""The pane under a figure: the loop's line that called, and every line of the method that computed a result."""

import numpy as np
import pytest

from chainrule.graph import Variable, exp
from chainrule.guests import Conv2D, Embedding
from chainrule.layers import Affine, ReLU, Sigmoid
from chainrule.more_nodes import Take
from chainrule.network import two_layer_net
from chainrule.nodes import Exp, Multiply
from chainrule.sources import method_source, walk_source
from chainrule.trace import trace_graph, trace_network
from chainrule.widgets import Stepper


def net():
    rng = np.random.default_rng(0)
    return two_layer_net(2, 3, 2, rng), rng.normal(size=(2, 2)), np.array([0, 1])


def lit(source):
    return [source["lines"][k].strip() for k in source["mark"]]


def test_an_affine_lights_its_three_gradients():
    layer = Affine(np.ones((2, 3)), np.zeros(3))
    starts = ('self.grads["W"] = ', 'self.grads["b"] = ', "return ")
    assert [
        line.startswith(start)
        for line, start in zip(lit(method_source(layer, "backward")), starts, strict=True)
    ] == [True] * 3
    (forward,) = lit(method_source(layer, "forward"))
    assert forward.startswith("return x @ ")


@pytest.mark.parametrize(
    ("piece", "way", "wanted"),
    [
        (ReLU(), "forward", ["self.mask = x > 0", "return np.maximum(x, 0.0)"]),
        (ReLU(), "backward", ["return dout * self.mask"]),
        (Multiply(), "forward", ["return x * y"]),
        (Multiply(), "backward", ["return dout * self.y, dout * self.x"]),
        (Exp(), "forward", ["self.y = exp(x)", "return self.y"]),
    ],
)
def test_what_is_lit_is_what_computes(piece, way, wanted):
    assert lit(method_source(piece, way)) == wanted


@pytest.mark.parametrize(
    ("piece", "way", "wanted"),
    [
        (Take((0, 1)), "backward", "np.add.at(dx, self.index, dout)"),
        (Embedding(np.ones((3, 2))), "backward", "np.add.at(dW, self.x, dout)"),
        (Conv2D(np.ones((1, 1, 2, 2))), "backward", "view += share"),
    ],
)
def test_what_is_written_into_a_result_is_lit(piece, way, wanted):
    assert wanted in lit(method_source(piece, way))


def test_a_name_that_is_returned_lights_the_line_that_computed_it():
    class Layer:
        def forward(self, x):
            if x is None:
                raise ValueError("no x")
            x = np.asarray(x)
            out = x @ x
            self.x, self.shape = x, x.shape
            return out

    assert lit(method_source(Layer(), "forward")) == ["out = x @ x", "return out"]


def test_the_walk_shows_the_loop_and_the_call_and_nothing_else():
    network, x, t = net()
    code = trace_network(network, x, t).code
    assert code[""]["forward"]["lines"] == [
        "for name, layer in self.layers.items():",
        "    x = layer.forward(x)",
    ]
    assert code[""]["backward"]["lines"] == [
        "for name, layer in reversed(self.layers.items()):",
        "    dout = layer.backward(dout)",
    ]
    assert lit(code[" seed"]["backward"]) == ['yield "seed", dout']
    assert lit(code[" loss"]["backward"]) == ["dout = self.loss_layer.backward(dout)"]
    assert "self.loss_layer.forward(x, t)" in lit(code[" loss"]["forward"])[0]


def test_the_walk_through_a_graph_lights_the_sum_of_the_gradients():
    code = trace_graph(exp(Variable(1.0, "x"))).code
    assert "source.grad = source.grad + gradient" in lit(code[""]["backward"])
    assert lit(code[" seed"]["backward"]) == ["out.grad = seed"]


def test_a_walk_without_source_shows_nothing():
    made = {}
    exec("def walk(self):\n yield 1", made)
    for function in (made["walk"], print, lambda self: iter(())):
        assert walk_source(function, "forward")["layer"]["lines"] == []


def test_the_whole_source_is_there_with_its_docstring():
    source = method_source(Sigmoid(), "forward")
    assert len(source["shown"]) < len(source["lines"])
    hidden = set(range(len(source["lines"]))) - {*source["shown"]}
    assert any('"""' in source["lines"][k] for k in hidden)


CUT = """() => [...document.querySelectorAll(".chainrule-lines, .chainrule-lines span")]
    .filter((one) => one.scrollWidth > one.clientWidth + 1).length"""


@pytest.mark.looks
@pytest.mark.parametrize("width", [1280, 768, 390])
def test_nothing_in_the_pane_is_cut_at_any_step(width, show):
    page = show(
        Stepper(*net(), step=1), viewport={"width": width, "height": 900}, reduced_motion="reduce"
    )
    pane = page.locator("details.chainrule-code")
    assert pane.get_attribute("open") is None  # it is opened by whom it interests
    pane.locator("summary").click()
    page.get_by_role("button", name="Whole source").click() if page.get_by_role(
        "button", name="Whole source"
    ).is_visible() else None
    for level in ("Layers", "Nodes"):
        page.get_by_role("button", name=level, exact=True).click()
        page.locator(".chainrule-scroll").focus()
        page.keyboard.press("Home")
        for _ in range(int(page.locator(".chainrule-stepper").get_attribute("data-steps"))):
            page.locator(".chainrule-scroll").press("ArrowRight")
            assert page.evaluate(CUT) == 0
            assert page.locator(".chainrule-loop .ran").count() >= 1


@pytest.mark.looks
def test_an_open_pane_is_as_high_at_every_step_so_that_the_page_below_stands_still(show):
    for figure in (Stepper(*net(), step=1), Stepper(exp(Variable(1.0, "x")) * 2.0, step=1)):
        page = show(figure, viewport={"width": 1280, "height": 900}, reduced_motion="reduce")
        pane = page.locator("details.chainrule-code")
        pane.locator("summary").click()
        heights, lines = set(), set()
        for _ in range(int(page.locator(".chainrule-stepper").get_attribute("data-steps")) - 1):
            heights.add(round(pane.bounding_box()["height"]))
            lines.add(pane.locator(".chainrule-lines span").count())
            box = pane.locator(".chainrule-lines").bounding_box()
            last = pane.locator(".chainrule-lines span").last.bounding_box()
            assert box["y"] + box["height"] - last["y"] - last["height"] < 15  # no empty lines
            page.locator(".chainrule-scroll").press("ArrowRight")
        assert len(lines) > 1 and len(heights) == 1


def test_the_pane_is_folded_and_away_while_a_nudge_travels(show):
    page = show(Stepper(exp(Variable(1.0, "x"))), reduced_motion="reduce")
    pane = page.locator("details.chainrule-code")
    assert pane.get_attribute("open") is None
    pane.locator("summary").click()
    assert page.locator(".chainrule-lines").is_visible()
    page.get_by_role("button", name="Nudge", exact=True).click()
    assert not pane.is_visible()
    page.get_by_role("button", name="Nudge", exact=True).click()
    assert page.locator(".chainrule-lines").is_visible()


def test_the_gradients_are_back_when_the_nudge_is_switched_off(show):
    page = show(Stepper(exp(Variable(1.0, "x")), step=-1), reduced_motion="reduce")
    stepper, nudge = (
        page.locator(".chainrule-stepper"),
        page.get_by_role("button", name="Nudge", exact=True),
    )
    last = stepper.get_attribute("data-steps")
    nudge.click()
    assert stepper.get_attribute("data-step") == "1"
    nudge.click()
    assert stepper.get_attribute("data-step") == last
    nudge.click()
    page.get_by_role("button", name="Previous step").click()  # the reader walks on from here
    assert stepper.get_attribute("data-step") == "0"
    assert nudge.get_attribute("aria-pressed") == "false"


def test_the_pane_lights_the_loop_and_the_three_lines_and_shows_the_whole_on_a_click(show):
    page = show(Stepper(*net(), step=1), reduced_motion="reduce")
    page.locator("details.chainrule-code summary").click()
    page.locator(".chainrule-scroll").press("End")
    ran = page.locator(".chainrule-lines .ran").all_inner_texts()
    assert ran[0].strip() == "dout = layer.backward(dout)" and len(ran) == 4
    whole = page.get_by_role("button", name="Whole source")
    before = page.locator(".chainrule-method span").count()
    whole.click()
    assert whole.get_attribute("aria-pressed") == "true"
    assert page.locator(".chainrule-method span").count() > before
    whole.click()
    assert page.locator(".chainrule-method span").count() == before
