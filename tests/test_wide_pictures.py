"""Pictures that are wider than their place: which ones there are, and that each of them shows it."""

import numpy as np
import pytest

from chainrule.chain import WIDEST, is_chain, lay_out_chain
from chainrule.drawing import ENLARGED
from chainrule.graph import Variable, exp, matmul, sum_
from chainrule.layers import Affine, ReLU
from chainrule.layout import DESK, PHONE, lay_out
from chainrule.losses import IdentityWithLoss
from chainrule.network import Network, two_layer_net
from chainrule.trace import trace_graph, trace_network
from chainrule.widgets import Stepper


def normalised(size=6):
    """Batch normalisation: a picture in rows that is higher than a window."""
    x = Variable(np.arange(1.0, size + 1)[:, np.newaxis] % 5, "x")
    c = x - x.mean(axis=0)
    y = c / (c**2).mean(axis=0) ** 0.5
    return sum_(y * Variable(np.array([2.0]), "gamma") + Variable(np.array([0.5]), "beta"))


def show_tall(show, width, height):
    size = {"width": width, "height": height}
    return show(Stepper(normalised()), viewport=size, reduced_motion="reduce")


@pytest.mark.looks
@pytest.mark.parametrize("size", [(1280, 900), (1280, 720), (390, 844)])
def test_of_a_tall_picture_the_running_node_the_sentence_and_the_buttons_are_in_sight(size, show):
    page, height = show_tall(show, *size), size[1]
    assert page.locator(".chainrule-tall").bounding_box()["height"] > height * 0.9
    button = page.get_by_role("button", name="Next step")
    for step in range(int(page.locator(".chainrule-stepper").get_attribute("data-steps"))):
        button.click()
        for one in (page.locator(".node.now"), page.get_by_role("status"), button):
            box = one.bounding_box()
            assert -1 <= box["y"] and box["y"] + box["height"] <= height + 1, (step, box)
        node, dock = page.locator(".node.now").bounding_box(), button.bounding_box()
        assert node["y"] + node["height"] < dock["y"], step  # and not behind the buttons


def test_a_tall_picture_is_shown_at_its_own_size_where_a_low_one_is_enlarged(show):
    size = {"width": 1280, "height": 900}
    for figure, times in ((normalised(), 1.0), (Variable(2.0, "x") * Variable(3.0, "y"), ENLARGED)):
        picture = show(Stepper(figure), viewport=size).locator(".chainrule-picture")
        own = float(picture.get_attribute("width"))
        assert picture.bounding_box()["width"] == pytest.approx(times * own, rel=0.01)


@pytest.mark.looks
@pytest.mark.parametrize("size", [(1280, 900), (390, 844)])
def test_of_a_tall_picture_the_number_that_is_asked_for_and_its_question_are_in_sight(size, show):
    page, height = show_tall(show, *size), size[1]
    page.get_by_role("button", name="Let me guess").click()
    asked, stepper = 0, page.locator(".chainrule-stepper")
    while stepper.get_attribute("data-step") != stepper.get_attribute("data-steps"):
        while page.locator(".asked").count():
            asked += 1
            mark, field = (page.locator(one).bounding_box() for one in (".asked", ".chainrule-ask"))
            top = page.locator(".chainrule-controls").bounding_box()["y"]
            assert 0 <= mark["y"] and mark["y"] + mark["height"] <= top, (asked, mark, top)
            assert field["y"] + field["height"] <= height + 1
            page.get_by_role("button", name="Show me").click()
        page.locator(".chainrule-scroll").press("ArrowRight")
    assert asked > 15


def test_a_change_of_a_number_does_not_scroll_the_picture(show):
    page = show(Stepper(*net()), viewport={"width": 390, "height": 800}, reduced_motion="reduce")
    scroll = page.locator(".chainrule-scroll")
    scroll.press("End")
    page.get_by_text("Change a number").click()
    scroll.evaluate("(box) => box.scrollTo(33, 0)")
    page.locator(".chainrule-array input").first.fill("2")
    assert scroll.evaluate("(box) => box.scrollLeft") == 33


def net(D=2, H=3, C=2, N=2):
    rng = np.random.default_rng(4)
    return two_layer_net(D, H, C, rng), rng.normal(size=(N, D)), np.arange(N) % C


@pytest.mark.looks
def test_a_picture_follows_the_running_node_and_comes_back_to_its_inputs(show):
    page = show(Stepper(*net()), viewport={"width": 390, "height": 800}, reduced_motion="reduce")
    scroll = page.locator(".chainrule-scroll")
    assert scroll.get_attribute("data-more") == "right"
    for key, more in [
        ("ArrowRight", "right"),
        ("ArrowRight", "both"),
        ("End", "right"),
        ("Home", "right"),
    ]:
        scroll.focus()
        page.keyboard.press(key)
        page.wait_for_function(
            f"document.querySelector('.chainrule-scroll').dataset.more === '{more}'"
        )
        if key != "Home":
            assert page.evaluate("""() => {
                const [node, box] = [".node.now", ".chainrule-scroll"].map((one) => document.querySelector(one).getBoundingClientRect());
                return node.left >= box.left && node.right <= box.right;
            }""")
    assert scroll.evaluate("(box) => box.scrollLeft") == 0


def test_on_a_phone_the_sum_at_a_fork_is_in_sight_at_the_step_that_speaks_of_it(show):
    page = show_tall(show, 390, 844)
    page.locator(".chainrule-scroll").press("End")
    assert "x is used more than once" in page.locator(".chainrule-sentence").inner_text()
    told, frame = (
        page.locator(one).bounding_box()
        for one in ('.variable[data-index="0"] .pieces', ".chainrule-scroll")
    )
    assert frame["x"] <= told["x"] and told["x"] + told["width"] <= frame["x"] + frame["width"]


@pytest.mark.parametrize("size", [(2, 3, 2, 2), (2, 3, 3, 4), (64, 6, 10, 3), (2, 8, 2, 4)])
def test_a_two_layer_net_fits_the_column_of_a_book(size):
    chain = lay_out_chain(trace_network(*net(*size)))
    assert chain.width <= WIDEST


def long_chain(size):
    """One value after another, of arrays, and the first one is used again at the end."""
    x = made = Variable(np.arange(1.0, 4.0), "x")
    for k in range(size):
        made = made * Variable(np.ones(3), f"w{k}")
    return trace_graph(sum_(made * x))


@pytest.mark.parametrize("page", [DESK, PHONE], ids=["desk", "phone"])
def test_a_wide_graph_goes_on_in_rows_that_a_page_can_hold(page):
    trace = long_chain(5)
    laid = lay_out(trace, page)
    columns, places = laid.columns, laid.places
    rows = [column for column in columns if column.enters]
    assert len(rows) >= 1 and laid.width + 2 * page.margin <= page.width
    assert laid.height <= page.tallest
    for column in rows:
        assert {p.variable for p in column.places if p.lane} == column.enters.keys()
        assert not any(place.left for place in column.places)  # no line leads here from above
        before = columns[columns.index(column) - 1]
        assert min(p.y - p.above for p in column.places) > max(p.y for p in before.places)
        assert all(0 <= left < column.end for left in column.enters.values())
    assert set(map(id, places)) == {id(p) for c in columns for p in c.places if not p.lane}


def bill():
    side, price = Variable(3.0, "side"), Variable(20.0, "price")
    return (side**2 * price + Variable(15.0, "delivery")) * Variable(1.2, "tax")


@pytest.mark.looks
def test_a_phone_that_is_turned_shows_the_other_picture_of_the_same_step_and_numbers(show):
    upright, across = {"width": 390, "height": 844}, {"width": 844, "height": 390}
    page = show(Stepper(bill()), viewport=upright, is_mobile=True, has_touch=True)
    page.get_by_label("side", exact=True).fill("4")
    page.locator(".chainrule-scroll").press("End")
    picture = page.locator("svg.chainrule-picture")
    for size in (upright, across, upright, across):
        page.set_viewport_size(size)
        wide = size is across
        page.wait_for_function(
            "(wide) => document.querySelector('.chainrule-picture').viewBox.baseVal.width > 400 === wide",
            arg=wide,
        )
        assert picture.count() == 1 and page.locator(".chainrule-scroll[data-more]").count() == 0
        told = picture.locator('[data-variable="side"] :is(.value, .gradient)').all_text_contents()
        assert told == ["4", "192"]
        assert page.locator(".chainrule-stepper").get_attribute("data-step") == "9"
    page.get_by_role("button", name="Previous step").click()
    assert page.locator(".chainrule-stepper").get_attribute("data-step") == "8"


@pytest.mark.looks
def test_a_phone_gets_the_level_asked_for_in_rows(show):
    """Layers and nodes have a picture for a desk and one for a phone each, if a phone can hold it."""
    network = Network([Affine(np.eye(2), np.zeros(2)), ReLU()], IdentityWithLoss())
    source = Stepper(network, np.array([[1.0, -2.0]]), np.array([[0.0, 1.0]]))
    page = show(source, viewport={"width": 390, "height": 844})
    for level in ("Nodes", "Layers", "Nodes"):
        page.get_by_role("button", name=level).click()
        picture = page.locator("svg.chainrule-picture")
        assert picture.count() == 1 and picture.bounding_box()["width"] <= 390
        assert page.locator(".chainrule-scroll[data-more]").count() == 0


def test_one_that_would_be_a_tower_scrolls_to_the_side():
    assert not any(column.enters for column in lay_out(long_chain(60)).columns)


def test_no_row_begins_without_a_node():
    """A leaf that the next row uses first stands there, beside the wire that comes in."""
    trace = long_chain(5)
    columns = lay_out(trace).columns
    names = [[trace.variables[p.variable].shown for p in c.places if not p.lane] for c in columns]
    assert all(any(not p.lane for p in column.places) or column.enters for column in columns)
    assert sum(map(len, names)) == len(trace.variables)


def test_where_a_value_goes_on_in_another_row_its_name_stands_before_its_wire(show):
    """In the row where it comes from its wire ends in an arrow; between the rows there is no line."""
    trace = long_chain(5)
    page = show(Stepper(trace, step=-1), viewport={"width": 1280, "height": 1200})
    columns = lay_out(trace).columns
    entered = [(i, k) for k, column in enumerate(columns) for i in column.enters]
    assert entered
    for i, k in entered:
        name = trace.variables[i].shown
        boxes = [
            one.bounding_box()
            for one in page.locator(f'[data-variable="{name}"] .name', has_text=name).all()
        ]
        assert len(boxes) == 1 + sum(i == other for other, _ in entered), name
    tallest = page.evaluate(
        "() => Math.max(...[...document.querySelectorAll('[data-edge]')].map((edge) => edge.getBBox().height))"
    )
    assert tallest < 130


def test_what_goes_on_in_another_row_is_the_picture_of_a_run(show):
    """The path of an edge leads from its wire's end, or from where it enters the row, to its node."""
    page = show(Stepper(long_chain(5), step=-1), viewport={"width": 1280, "height": 1200})
    assert page.locator(".chainrule-scroll").get_attribute("data-more") is None
    far = page.evaluate("""() => [...document.querySelectorAll(".edges [data-edge]")].map((path) => {
        const [x, y] = (({ e, f }) => [e, f])(document.querySelector(`[data-node="${path.dataset.edge.split(".")[0]}"]`).transform.baseVal[0].matrix);
        const end = path.getPointAtLength(path.getTotalLength() - 14);
        return Math.hypot(end.x - x, end.y - y);
    })""")
    assert far and max(far) < 60


def overlapping(boxes):
    return [
        (a, b)
        for k, a in enumerate(boxes)
        for b in boxes[k + 1 :]
        if a[0] < b[2] - 1 and b[0] < a[2] - 1 and a[1] < b[3] - 1 and b[1] < a[3] - 1
    ]


@pytest.mark.parametrize("size", [(2, 3, 2, 2), (5, 8, 4, 6), (64, 30, 10, 3), (1, 1, 2, 1)])
def test_no_block_of_a_network_lies_on_another(size):
    trace = trace_network(*net(*size))
    chain = lay_out_chain(trace)
    beside = [b for box in chain.boxes for b in box.above + box.below]
    places = [
        (b.middle - b.width / 2, b.top, b.middle + b.width / 2, b.top + b.height) for b in beside
    ]
    line = [(b.middle - b.width / 2, b.middle + b.width / 2) for b in chain.line]
    line += [(box.x - box.reach, box.x + box.reach) for box in chain.boxes]
    assert overlapping(places) == []
    assert overlapping([(left, 0, right, 9) for left, right in line]) == []
    for left, top, right, bottom in places:
        assert 0 <= left and right <= chain.width and 0 <= top and bottom <= chain.height


def test_a_graph_is_a_line_only_where_each_node_takes_the_last_output_once():
    x, W = Variable(np.ones((2, 3)), "x"), Variable(np.ones((3, 2)), "W")
    assert is_chain(trace_graph(sum_(matmul(x, W) * 2.0)))
    assert is_chain(trace_graph(sum_(3.0 - matmul(x, W))))
    forked, other = exp(x), exp(Variable(np.ones((2, 3)), "y"))
    for out in (forked * forked, exp(x) * x, exp(x) * other):
        assert not is_chain(trace_graph(sum_(out)))
    assert not is_chain(trace_graph(Variable(2.0, "alone")))


def test_a_wide_graph_of_arrays_stands_along_one_line_and_every_number_is_there(show):
    x, W = Variable(np.arange(6.0).reshape(2, 3), "x"), Variable(np.arange(12.0).reshape(3, 4), "W")
    b, dout = Variable(np.arange(4.0), "b"), Variable(np.ones((2, 4)) / 3, "dout")
    page = show(Stepper(sum_(dout * (x @ W + b)), step=-1))
    for name in ("x", "W", "b", "dout"):
        for kind in ("value", "gradient"):
            assert page.locator(f'[data-variable="{name}"] .{kind}').is_visible()
    assert page.locator(".chainrule-scroll").get_attribute("data-more") is None


def test_the_faded_edge_follows_when_the_window_changes(show):
    """A phone that is turned: what was seen whole is cut off now, and says so; and the other way round."""
    page = show(Stepper(*net()), viewport={"width": 1280, "height": 800})
    scroll = page.locator(".chainrule-scroll")
    assert scroll.get_attribute("data-more") is None
    for width, more in [(390, "right"), (1280, None), (390, "right")]:
        page.set_viewport_size({"width": width, "height": 800})
        page.wait_for_function(
            "(more) => (document.querySelector('.chainrule-scroll').dataset.more ?? null) === more",
            arg=more,
        )


def test_the_faded_edge_follows_a_picture_that_changes_alone(show):
    """A larger letter, or another level: the box stays as it is, and what is in it grows or shrinks."""
    page = show(Stepper(*net()), viewport={"width": 1280, "height": 800})
    more = (
        "(wanted) => (document.querySelector('.chainrule-scroll').dataset.more ?? null) === wanted"
    )
    for width, wanted in [("3000px", "right"), ("100px", None), ("3000px", "right")]:
        page.eval_on_selector(
            ".chainrule-picture", "(svg, width) => (svg.style.minWidth = width)", width
        )
        page.wait_for_function(more, arg=wanted)
    page.get_by_role("button", name="Nodes").click()
    page.eval_on_selector(".chainrule-picture", "(svg) => (svg.style.minWidth = '100px')")
    page.wait_for_function(more, arg=None)
    page.eval_on_selector(".chainrule-picture", "(svg) => (svg.style.minWidth = '3000px')")
    page.wait_for_function(more, arg="right")


@pytest.mark.looks
def test_a_network_in_nodes_goes_on_in_rows_where_its_line_would_scroll(show):
    """Layers stand along one line; pressed apart into nodes nothing of them is out of sight."""
    layers = [Affine(np.ones((2, 3)), np.ones(3)), ReLU(), Affine(np.ones((3, 2)), np.ones(2))]
    network, x, t = Network(layers, IdentityWithLoss()), np.ones((3, 2)), np.zeros((3, 2))
    trace = trace_network(network, x, t)
    assert lay_out_chain(trace).width <= WIDEST < lay_out_chain(trace.nodes).width
    page = show(Stepper(network, x, t), viewport={"width": 1280, "height": 900})
    for level, rows in (("Layers", False), ("Nodes", True)):
        page.get_by_role("button", name=level).click()
        box = page.locator(".chainrule-scroll")
        assert box.evaluate("(box) => box.scrollWidth <= box.clientWidth")
        assert (page.locator(".chainrule-tall").count() == 1) == rows
