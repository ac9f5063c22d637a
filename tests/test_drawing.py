"""The layout and the picture: nothing overlaps, nothing is markup that should be text."""

import itertools
import re
from xml.etree import ElementTree

import numpy as np
import pytest

from chainrule.chain import REACH, lay_out_chain
from chainrule.drawing import draw, draw_graph, figure_html
from chainrule.graph import Variable, exp, sigmoid, sum_, tanh
from chainrule.layout import DESK, PHONE, RADIUS, lay_out, node_reach
from chainrule.network import two_layer_net
from chainrule.trace import trace_graph, trace_network

HOSTILE = [
    "<img src=x onerror=alert(1)>",
    "\"quoted\" & 'quoted'",
    "שלום",
    "기울기",
    "🙂🙂",
    "long " * 40,
]
SVG = "{http://www.w3.org/2000/svg}"


def random_graph(seed, size):
    rng = np.random.default_rng(seed)
    made = [Variable(1.0, "a"), Variable(2.0, "b")]
    for _ in range(size):
        i, j = rng.integers(max(0, len(made) - 5), len(made)), rng.integers(len(made))
        made.append(made[i] * 0.5 + made[j] if rng.random() < 0.5 else made[i] - made[j])
    return made[-1]


def pictures():
    x = Variable(0.5, "x")
    yield "fork", trace_graph(x * x + x * 2.0)
    yield "sigmoid", trace_graph(sigmoid(x * 3.0))
    yield "tanh", trace_graph(tanh(x) + exp(x))
    net = two_layer_net(2, 3, 2, np.random.default_rng(0))
    yield "network", trace_network(net, np.ones((2, 2)), [0, 1])
    for seed in range(6):
        yield f"random {seed}", trace_graph(random_graph(seed, 12))
    yield "two hundred nodes", trace_graph(random_graph(7, 130))


PICTURES = dict(pictures())


@pytest.mark.parametrize("page", [DESK, PHONE], ids=["desk", "phone"])
@pytest.mark.parametrize("name", PICTURES)
def test_nodes_labels_and_passing_edges_keep_apart(name, page):
    columns = lay_out(PICTURES[name], page).columns
    for column in columns:
        for above, below in itertools.pairwise(column.places):
            assert below.y - above.y >= above.below + below.above - 0.2
    for before, after in itertools.pairwise(columns):
        assert before.end < after.start or after.enters  # a new row


@pytest.mark.parametrize("page", [DESK, PHONE], ids=["desk", "phone"])
@pytest.mark.parametrize("name", PICTURES)
def test_no_edge_runs_through_a_node(name, page):
    trace = PICTURES[name]
    laid = lay_out(trace, page)
    line = page is DESK and " loss" in trace.code
    boxes = boxes_of_line(trace) if line else boxes_of(trace, laid)
    drawn = draw(trace) if page is DESK else draw_graph(trace, laid, None, "title", False, False)
    root = ElementTree.fromstring(drawn)
    for path in root.iter(f"{SVG}path"):
        key = path.get("data-edge") or path.get("data-wire")
        if key is None:
            continue  # a bracket, or a square of a heat picture
        target = int(re.match(r"\d+", key)[0])
        x, y = points(path.get("d")).T
        for j, (left, right, top, bottom) in boxes.items():
            inside = (left + 1 < x) & (x < right - 1) & (top < y) & (y < bottom)
            assert j == target or not inside.any(), (name, x[inside], y[inside], j)


def boxes_of_line(trace):
    """Variable -> left, right, top and bottom of its node, of a network along one line."""
    boxes, line = {}, lay_out_chain(trace)
    for box in line.boxes:
        ends = box.x - box.reach, box.x + box.reach
        boxes[box.variable] = (*ends, line.y - REACH, line.y + REACH)
    return boxes


def boxes_of(trace, laid):
    """As `boxes_of_line`, in the general layout."""
    boxes = {}
    for j, variable in enumerate(trace.variables):
        if variable.inputs:
            right, y = laid.column(j).end - laid.column(j).trunk, laid.places[j].y
            left = right - 2 * node_reach(variable)
            boxes[j] = (left, right, y - RADIUS, y + RADIUS)
    return boxes


def points(path, apart=3.0):
    """Points along a path of M, m, h, v, V, l, c and C commands, at most so many pixels apart: (points, 2)."""
    assert set(re.findall("[A-Za-z]", path)) <= set("MmhvVlcC"), path
    here, found = np.zeros(2), []
    for command, numbers in re.findall(r"([MmhvVlcC])([^MmhvVlcC]*)", path):
        values = [float(v) for v in re.findall(r"-?\d+\.?\d*", numbers)]
        moves = [(values[0], 0.0)] if command == "h" else None
        if command in "vV":
            moves = [(0.0, values[0] - here[1] * (command == "V"))]
        moves = np.reshape(values, (-1, 2)) if moves is None else np.array(moves)
        if command == "C":
            command, moves = "c", moves - here
        if command in "Mm":
            here = moves[0] + here * (command == "m")
        elif command == "c":
            (a, b, c), rest = moves, np.diff(moves, axis=0)
            s = shares(3 * max(map(np.hypot.reduce, (a, *rest))), apart)  # as fast as it ever goes
            found.append(here + 3 * s * (1 - s) ** 2 * a + 3 * s**2 * (1 - s) * b + s**3 * c)
            here = here + c
        else:
            for move in moves:
                found.append(here + shares(np.hypot(*move), apart) * move)
                here = here + move
    return np.concatenate(found)


def shares(length, apart):
    return np.linspace(0, 1, int(length / apart) + 2)[:, np.newaxis]


def test_points_of_a_path_are_close_and_reach_its_ends():
    found = points("M10 10h30l0 40V20c0 -100 60 -100 90 0C130 120 10 0 10 10")
    assert found[0].tolist() == found[-1].tolist() == [10, 10] and [130, 20] in found.tolist()
    assert np.hypot(*np.diff(found, axis=0).T).max() <= 3
    assert found[:, 0].max() > 125 and found[:, 1].min() < -50


def test_the_picture_is_the_same_every_time():
    first, second = (draw(trace_graph(random_graph(3, 20))) for _ in range(2))
    assert first == second


def test_the_picture_has_a_title_and_a_description_and_no_ids():
    text = draw(PICTURES["fork"], title="x squared & more")
    root = ElementTree.fromstring(text)
    assert root.find(f"{SVG}title").text == "x squared & more"
    assert "is Multiply of x and x" in root.find(f"{SVG}desc").text
    assert " id=" not in text


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_is_text(name):
    text = figure_html(trace_graph(Variable(1.0, name) * 2.0), title=name, caption=name)
    assert "<img" not in text
    picture = re.search(r"<svg.*?</svg>", text, re.S)[0]
    group = next(
        g for g in ElementTree.fromstring(picture).iter(f"{SVG}g") if g.get("data-variable") == name
    )
    assert name.startswith(group.find(f"{SVG}text").text.removesuffix("…"))


def test_embedded_json_cannot_close_its_own_element():
    text = figure_html(trace_graph(Variable(1.0, "</script><script>alert(1)</script>") * 2.0))
    assert text.count("</script>") == 1


def test_a_step_shows_what_is_known_then_and_no_more():
    x = Variable(3.0, "x")
    out = x * 2.0 + 1.0
    texts = [draw(trace_graph(out), step) for step in range(6)]
    hidden = [text.count(" hidden") for text in texts]
    assert hidden == [5, 4, 3, 2, 1, 0]


def test_a_step_beyond_the_last_is_refused():
    with pytest.raises(ValueError, match="steps run from 0 to"):
        draw(PICTURES["fork"], 99)


def test_exact_numbers_keep_all_their_digits():
    text = draw(trace_graph(Variable(0.1, "x") + Variable(0.2, "y")))
    assert 'data-exact="0.30000000000000004"' in text


def test_a_small_array_shows_its_numbers():
    x = Variable(np.array([[1.0, -2.5], [1 / 3, 4e-7]]), "x")
    root = ElementTree.fromstring(draw(trace_graph(x * 2.0, np.ones((2, 2)))))
    group = next(g for g in root.iter(f"{SVG}g") if g.get("data-variable") == "x")
    value = next(g for g in group.iter(f"{SVG}g") if g.get("class") == "value")
    assert [cell.text for cell in value.iter(f"{SVG}text")] == ["1", "−2.5", "0.333", "4e−7"]
    assert value.get("data-exact") == "[[1,-2.5],[0.3333333333333333,4e-07]]"


def test_a_large_array_shows_shape_range_and_a_heat_picture():
    x = Variable(np.arange(90.0).reshape(9, 10), "x")
    root = ElementTree.fromstring(draw(trace_graph(x * 2.0, np.ones((9, 10)))))
    group = next(g for g in root.iter(f"{SVG}g") if g.get("data-variable") == "x")
    value = next(g for g in group.iter(f"{SVG}g") if g.get("class") == "value")
    assert [line.text for line in value.iter(f"{SVG}text")] == ["(9, 10)", "0 … 89"]
    squares = "".join(p.get("d") for p in value.iter(f"{SVG}path"))
    assert squares.count("M") == 90


@pytest.mark.parametrize("shape", [(0,), (3, 0), (0, 3), (2, 2, 2), (1, 1)])
def test_an_array_of_any_shape_is_drawn(shape):
    x = Variable(np.ones(shape), "x")
    ElementTree.fromstring(draw(trace_graph(x + 1.0, np.ones(shape))))


def test_numbers_that_are_not_finite_are_drawn():
    x = Variable(np.array([np.nan, np.inf, -np.inf] * 4), "x")
    ElementTree.fromstring(draw(trace_graph(-x, np.ones(12))))


def test_no_picture_has_a_sign_that_looks_like_a_missing_one():
    x = Variable(3.0, "x")
    for power, symbol in ((2, "(·)²"), (-1, "(·)⁻¹"), (0.5, "√"), (1.5, "(·)^1.5")):
        drawn = draw(trace_graph(x**power))
        assert f">{symbol}</text>" in drawn and "□" not in drawn


def test_the_frame_of_a_marked_number_stands_clear_of_its_neighbours():
    """In the general picture and in that of a layer; the script draws a frame a pixel to the left of its column."""
    x = Variable(np.array([[1.0, 2.0, -1.0], [0.0, 3.0, 1.0]]), "x")
    for trace in (trace_graph(sum_(x * 2.0)), PICTURES["network"]):
        frames = 0
        for group in ElementTree.fromstring(draw(trace)).iter(f"{SVG}g"):
            if "data-box" not in group.attrib:
                continue
            left, _, *widths = map(float, group.get("data-box").split())
            ends = [float(text.get("x")) for text in group.iter(f"{SVG}text")][: len(widths)]
            for k, end in enumerate(ends):
                frame = left - 1 + sum(widths[:k])
                assert k == 0 or frame - ends[k - 1] >= 1.5
                assert frame + widths[k] - end >= 1.5
                frames += 1
        assert frames >= 12
