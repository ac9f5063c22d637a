"""The picture as a browser sets it: no label over a label or a node, no line through either."""

import numpy as np
import pytest
from test_drawing import HOSTILE, PICTURES, points

from chainrule.graph import Variable, exp, log
from chainrule.losses import SoftmaxWithLoss
from chainrule.network import two_layer_net
from chainrule.trace import trace_graph, trace_network
from chainrule.widgets import Stepper


def skips():
    """A chain whose first value is used again at its very end, past everything."""
    x = made = Variable(0.5, "x")
    for _ in range(8):
        made = exp(made * 0.1)
    return trace_graph(log(made) * x + x)


def softmax():
    a = Variable(np.array([[0.3, -2.5, 1.25], [1e-5, 12345.0, -0.001]]), "a")
    return trace_graph(SoftmaxWithLoss().expand(a, np.array([1, 0])))


def two_levels(level):
    net = two_layer_net(2, 3, 2, np.random.default_rng(0))
    trace = trace_network(net, np.array([[1.0, 2.0], [-3.0, 0.5]]), np.array([0, 1]))
    return trace.nodes if level == "nodes" else trace


def hostile():
    made = Variable(2.0, HOSTILE[0])
    for name in HOSTILE[1:]:
        made = made * Variable(3.0, name)
        made.name = name[::-1]
    return trace_graph(made)


MORE = {
    "long skips": skips(),
    "softmax with loss": softmax(),
    "2-3-2 by layers": two_levels("layers"),
    "2-3-2 by nodes": two_levels("nodes"),
    "hostile names": hostile(),
}

MEASURE = """() => {
    const svg = document.querySelector(".chainrule-picture");
    const inverse = svg.getScreenCTM().inverse();
    const boxOf = (element, what) => {
        const box = element.getBoundingClientRect();
        const corner = new DOMPoint(box.left, box.top).matrixTransform(inverse);
        const end = new DOMPoint(box.right, box.bottom).matrixTransform(inverse);
        return { what, x: corner.x, y: corner.y, right: end.x, bottom: end.y };
    };
    const texts = [...svg.querySelectorAll(".variables text")]
        .filter((text) => getComputedStyle(text).visibility === "visible" && text.textContent)
        .map((text) => boxOf(text, text.textContent));
    const nodes = [...svg.querySelectorAll(".node")].map((node) =>
        boxOf(node.firstElementChild, node.textContent));
    const paths = [...svg.querySelectorAll("[data-edge], [data-wire]")].map((path) => ({
        what: path.dataset.edge ?? path.dataset.wire, path: path.getAttribute("d") }));
    return { texts, nodes, paths };
}"""


def over(a, b, slack):
    """Whether two boxes share more than `slack` pixels both ways."""
    wide = min(a["right"], b["right"]) - max(a["x"], b["x"])
    high = min(a["bottom"], b["bottom"]) - max(a["y"], b["y"])
    return wide > slack and high > slack


def crossed(path, boxes):
    """The boxes through which a path passes, more than a pixel inside."""
    x, y = points(path).T
    return [
        box["what"]
        for box in boxes
        if np.any(
            (box["x"] + 1 < x)
            & (x < box["right"] - 1)
            & (box["y"] + 1 < y)
            & (y < box["bottom"] - 1)
        )
    ]


@pytest.mark.parametrize("name", [*PICTURES, *MORE])
def test_nothing_lies_over_anything_else(name, show):
    trace = (PICTURES | MORE)[name]
    page = show(Stepper(trace, step=-1), viewport={"width": 1280, "height": 900})
    drawn = page.evaluate(MEASURE)
    assert drawn["texts"] and drawn["nodes"]
    # a line box is taller than its digits: 5 pixels of it, above and below, are empty
    labels = [{**box, "y": box["y"] + 3, "bottom": box["bottom"] - 3} for box in drawn["texts"]]
    found = [
        f"{a['what']} over {b['what']}"
        for k, a in enumerate(labels)
        for b in [*labels[k + 1 :], *drawn["nodes"]]
        if over(a, b, 1.0)
    ]
    found += [
        f"line {path['what']} through {name}"
        for path in drawn["paths"]
        for name in crossed(path["path"], labels)
    ]
    assert found == []


def test_the_measure_sees_an_overlap(show):
    """The test above can fail: a label that is moved onto another is found, and one on a line."""
    page = show(Stepper(PICTURES["fork"], step=-1))
    page.evaluate(
        """() => {
            const [a, b] = document.querySelectorAll(".variables .value");
            a.setAttribute("x", b.getAttribute("x"));
            a.setAttribute("y", b.getAttribute("y"));
        }"""
    )
    drawn = page.evaluate(MEASURE)
    texts = drawn["texts"]
    assert any(over(a, b, 1.0) for k, a in enumerate(texts) for b in texts[k + 1 :])
    middle = points(drawn["paths"][0]["path"])[5]
    box = dict(zip(("x", "y", "right", "bottom"), (*middle - 3, *middle + 3), strict=True))
    away = {**box, "y": box["y"] - 99, "bottom": box["bottom"] - 99}
    both = [{**box, "what": "on it"}, {**away, "what": "above it"}]
    assert crossed(drawn["paths"][0]["path"], both) == ["on it"]
