"""The picture as a browser sets it: no label over a label or a node, no line through either."""

import numpy as np
import pytest
from test_drawing import HOSTILE, PICTURES, points

from chainrule.graph import Variable, exp, log, sum_
from chainrule.layers import Affine
from chainrule.losses import SoftmaxWithLoss
from chainrule.network import Network, two_layer_net
from chainrule.trace import trace_graph, trace_network
from chainrule.widgets import Stepper

pytestmark = pytest.mark.looks


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


def long_words():
    """Local derivatives that are longer than their edges, on steep ones too, and a sum over a stretched input."""
    x = Variable(np.array([[5.0], [1.0], [4.0]]), "x")
    c = x - sum_(x, axis=0) / 3.0
    s = (sum_(c * c) + 1e-3) ** 0.5
    c.name, s.name = "centred", "spread"
    return trace_graph(sum_(c / s * Variable(np.array([[-1.5], [2.0], [0.125]]), "weights")))


def photograph():
    """The way back of y to u comes from below, with seven letters, and from above."""
    u = exp(Variable(np.log([6.0, 3.0, 1.0]), "a"))
    return trace_graph(-sum_(Variable(np.array([0.0, 1.0, 0.0]), "t") * log(u / sum_(u))))


def attention():
    """Three products use x: edges that come from above and from below, with a factor to be written beside each."""
    x, log2 = Variable(np.array([[1, 0], [0, 1], [1, 1.0]]), "x"), np.log(2)
    Wq, Wk, Wv = [[1.0], [-1.0]], [[log2], [-log2]], [[7.0], [0.0]]
    pairs = zip(("Wq", "Wk", "Wv"), (Wq, Wk, Wv), strict=True)
    Q, K, V = (x @ Variable(np.array(W), name) for name, W in pairs)
    E = exp(Q @ K.T)
    return trace_graph(E / sum_(E, axis=1, keepdims=True) @ V, np.array([[7.0], [7.0], [9.0]]))


MORE = {
    "photograph": photograph(),
    "attention": attention(),
    "long words": long_words(),
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


# So many points along a path. They are kept, since the browser takes longer to find them than for all else.
POINTS_OF = """const found = new Map();
    const pointsOf = (path, count) => {
        const d = path.getAttribute("d");
        if (!found.has(d)) {
            const length = path.getTotalLength();
            found.set(d, Array.from({ length: count }, (_, k) => path.getPointAtLength((k * length) / (count - 1))));
        }
        return found.get(d);
    };"""

# Each pair of texts, and of a text and a node, that share a pixel, each line through a local derivative or through a
# piece of a fork, and each text outside of the picture: at every step.
OVER = """async (figure) => {
    POINTS_OF
    const odd = [];
    const shown = (one) => one.textContent && getComputedStyle(one).visibility === "visible";
    for (const level of [null, ...figure.querySelectorAll("button[data-level]")]) {
        level?.click();
        const svg = figure.querySelector(".chainrule-picture");
        const slider = figure.querySelector(".chainrule-controls input[type=range]");
        for (let step = 1; step <= Number(slider.max); step += 1) {
            slider.value = step;
            slider.dispatchEvent(new Event("input", { bubbles: true }));
            const scale = svg.getBoundingClientRect().width / svg.viewBox.baseVal.width;
            // a line box is taller than its digits
            const boxOf = (one, what, empty = 0) => {
                const box = one.getBoundingClientRect();
                return { what, x: box.left, right: box.right, y: box.top + empty * scale, bottom: box.bottom - empty * scale };
            };
            const over = (a, b) =>
                Math.min(a.right, b.right) - Math.max(a.x, b.x) > scale && Math.min(a.bottom, b.bottom) - Math.max(a.y, b.y) > scale;
            const inside = ({ x, y }, a) => a.x + 1 < x && x < a.right - 1 && a.y + 1 < y && y < a.bottom - 1;
            const at = svg.getScreenCTM();
            const through = (line, a) => getComputedStyle(line).visibility === "visible" &&
                pointsOf(line, 60).some((point) => inside(point.matrixTransform(at), a));
            const nodes = [...svg.querySelectorAll(".node")].map((node) => boxOf(node.firstElementChild, node.textContent));
            const texts = [...svg.querySelectorAll("text:not(.node text)")].filter(shown)
                .map((text) => ({ ...boxOf(text, text.textContent, 3), beside: text.matches(".local, [data-piece]") }));
            const frame = boxOf(svg, "the edge");
            for (const [k, a] of texts.entries()) {
                for (const b of [...texts.slice(k + 1), ...nodes]) if (over(a, b)) odd.push(`${step}: ${a.what} over ${b.what}`);
                const lines = a.beside ? [...svg.querySelectorAll("[data-edge], [data-wire]")] : [];
                for (const line of lines) if (through(line, a)) odd.push(`${step}: a line through ${a.what}`);
                if (a.x < frame.x - 1 || a.right > frame.right + 1) odd.push(`${step}: ${a.what} over ${frame.what}`);
            }
        }
    }
    return odd;
}"""


def over_at_any_step(figure):
    return figure.evaluate(OVER.replace("POINTS_OF", POINTS_OF))


@pytest.mark.parametrize(
    "name",
    [
        "fork",
        "sigmoid",
        "long words",
        "softmax with loss",
        "2-3-2 by nodes",
        "photograph",
        "attention",
    ],
)
def test_at_no_step_a_text_lies_over_a_node_or_another_text_and_no_line_through_a_local_derivative(
    name, show
):
    page = show(
        Stepper((PICTURES | MORE)[name]),
        viewport={"width": 1280, "height": 900},
        reduced_motion="reduce",
    )
    assert over_at_any_step(page.locator(".chainrule-stepper")) == []


def test_the_measure_of_every_step_sees_an_overlap(show):
    page = show(Stepper(PICTURES["fork"]), reduced_motion="reduce")
    page.evaluate(
        """() => {
            const [a, b] = document.querySelectorAll(".variables .value");
            a.setAttribute("x", b.getAttribute("x"));
            a.setAttribute("y", b.getAttribute("y"));
        }"""
    )
    assert over_at_any_step(page.locator(".chainrule-stepper")) != []


CLEAR = """() => [...document.querySelectorAll(".chainrule-picture g[data-box]")].flatMap((grid) => {
    const cells = [...grid.querySelectorAll("[data-cell]")].map((text) => [text.dataset.cell.split(",")[0], text.getBBox(), text.textContent]);
    return cells.slice(1).flatMap(([row, box, text], k) => (row === cells[k][0]
        ? [[box.x - cells[k][1].x - cells[k][1].width, cells[k][2], text]] : []));
})"""
NUMBERS = [[7.0, -1.5, 2.0], [0.5, -0.333, 1234.0]]


@pytest.mark.parametrize("numbers", [NUMBERS, [[-120.0, -99.5, -0.0625], [1e-7, -1e6, 3.25]]])
def test_a_number_of_a_grid_stands_clear_of_its_neighbour(numbers, show):
    """7 −1.5 is not a subtraction, and 2 0.5 is not 20.5: in the general picture, in that of a network, and when changed."""
    x = np.array(numbers)
    net = Network({"Affine": Affine(x.T, np.ones(2))}, SoftmaxWithLoss())
    for source in (trace_graph(sum_(Variable(x, "x") * 1.0)), trace_network(net, x, [0, 1])):
        page = show(Stepper(source, step=-1), viewport={"width": 1280, "height": 900})
        gaps = page.evaluate(CLEAR)
        assert len(gaps) >= 4 and min(gaps)[0] >= 5, min(gaps)


def test_a_number_that_a_reader_types_gets_smaller_before_it_touches_its_neighbour(show):
    page = show(Stepper(sum_(Variable(np.ones((2, 3)), "x") * 1.0)))
    page.get_by_text("Change a number").click()
    page.locator('input[name="x[0,1]"]').fill("-0.12345")
    page.locator('input[name="x[1,2]"]').fill("-123456")
    assert min(page.evaluate(CLEAR))[0] >= 4


@pytest.mark.parametrize("chosen", ["side", "price", "tax"])
def test_what_a_nudge_writes_lies_over_no_node_and_no_number(chosen, show):
    side, price, tax = Variable(3.0, "side"), Variable(20.0, "price"), Variable(1.2, "tax")
    page = show(
        Stepper((side**2 * price + 15.0) * tax),
        viewport={"width": 1280, "height": 900},
        reduced_motion="reduce",
    )
    page.clock.install()
    page.get_by_role("button", name="Nudge", exact=True).click()
    page.locator(".chainrule-nudge").get_by_role("button", name=chosen).click()
    for _ in range(6):
        page.clock.run_for(900)
        drawn = page.evaluate(MEASURE)
        told = page.evaluate(DELTAS)
        assert told
        boxes = [{**box, "bottom": box["bottom"] - 3} for box in drawn["texts"]]
        lies = [
            (a["what"], b["what"])
            for a in told
            for b in [*boxes, *drawn["nodes"]]
            if over(a, b, 1.5)
        ]
        assert lies == []


DELTAS = """() => [...document.querySelectorAll(".delta")].map((text) => {
    const { x, y, width, height } = text.getBBox();
    return { what: text.textContent, x, y: y + 3, right: x + width, bottom: y + height - 3 };
})"""
