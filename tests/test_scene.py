"""The scene: what Python draws for each setting, what a reader moves, and what is refused."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
import traitlets
from audit import findings
from painted import middle_of_red
from test_explorer import numbers_in
from test_quiz import Both, in_a_notebook

from chainrule.widgets import BetGrid, Scene
from chainrule.widgets.chart import Axis
from chainrule.widgets.page import style
from chainrule.widgets.scene import Pen, merged

PHONE = {"width": 390, "height": 800}
AUTHORS = Path(__file__).parents[1] / "book" / "reference" / "figures.ipynb"
STEPS = [1.0, 0.5, 0.25, 0.125]


def draw_secant(pen, h):
    pen.line([0, 1, 2], [0, 1, 4], look="value")
    pen.line([0, 2], [1 - (2 + h), 1 + (2 + h)], look="gradient", dash=True)
    pen.dot(1, 1)
    pen.handle("h", 1 + h, (1 + h) ** 2)
    pen.text(0.5, 3, f"slope {2 + h:g}", look="gradient")
    return f"With `h` = {h:g} the slope is *{2 + h:g}*.", {"slope": 2 + h}


def secant(**options):
    axes = {"x": ("w", 0, 2), "y": ("loss", 0, 4)}
    return Scene(draw_secant, {"h": STEPS}, title="A secant", **{**axes, **options})


def draw_bars(pen, size, kind, lit):
    pen.box(1, 1, 1 + size, 3, look="value")
    pen.text(7, 7, kind)
    if lit == "yes":
        pen.arrow(7, 4, 7 + size, 4, look="gradient")
    return f"{kind}, {size:g}, {lit}."


def bars(**options):
    settings = {"size": [1, 2, 3], "kind": ["sigmoid", "ReLU"], "lit": ["no", "yes"]}
    return Scene(draw_bars, settings, title="Bars", **options)


def said(page):
    return page.get_by_role("status").inner_text()


def shapes(page):
    """Every shape of the picture as it stands, hidden ones apart."""
    return page.locator(".chainrule-chart").evaluate(
        """(svg) => [...svg.querySelectorAll("path, circle, text, rect")]
            .filter((one) => one.getAttribute("visibility") !== "hidden")
            .map((one) => ["class", "d", "transform", "r", "text-anchor"].map((name) => one.getAttribute(name)).join("|")
                + (one.tagName === "text" ? one.textContent : ""))"""
    )


# ---------------------------------------------------------------- in the browser


def test_the_keys_move_the_handle_and_the_sentence(show):
    page = show(secant())
    assert said(page) == "With h = 1 the slope is 3."
    page.keyboard.press("Tab")
    for key, position in [("ArrowRight", 1), ("End", 3), ("ArrowLeft", 2), ("Home", 0)]:
        page.keyboard.press(key)
        assert said(page) == f"With h = {STEPS[position]:g} the slope is {2 + STEPS[position]:g}."
    slider = page.get_by_role("slider", name="h")
    assert slider.get_attribute("aria-valuetext") == "h = 1"
    assert page.get_by_role("status").locator("em").inner_text() == "3"


def test_a_slider_that_changes_nothing_here_is_out_of_sight(show):
    def draw(pen, kind, y):
        pen.text(1, 1, f"{y:g}" if kind == "two" else "one")
        return "two inputs" if kind == "two" else "one input"

    page = show(Scene(draw, {"kind": ["two", "one"], "y": [1.0, 2.0]}, title="T"))
    slider = page.locator('input[aria-label="y"]')
    assert slider.is_visible()
    page.get_by_role("button", name="one").click()
    assert not slider.is_visible()
    page.get_by_role("button", name="two").click()
    slider.fill("1")
    assert slider.is_visible() and slider.get_attribute("aria-valuetext") == "y = 2"


def test_every_picture_of_the_page_is_the_one_that_python_draws(show):
    page = show(bars())
    for size in (2, 0, 1):
        for kind in ("ReLU", "sigmoid"):
            for lit in ("yes", "no"):
                page.get_by_role("slider", name="size").fill(str(size))
                page.get_by_role("button", name=kind).click()
                page.get_by_role("button", name=lit).click()
                chosen = {"size": size + 1, "kind": kind, "lit": lit}
                other = show(bars(chosen=chosen))
                assert shapes(page) == shapes(other)
                assert said(page) == said(other) == f"{kind}, {size + 1}, {lit}."
                assert page.locator("desc").text_content() == f"{kind}, {size + 1}, {lit}."
                other.close()
    assert page.get_by_role("button", name="sigmoid").get_attribute("aria-pressed") == "true"


def test_the_handle_stands_at_its_point_and_can_be_dragged(show):
    scene = secant()
    page = show(scene)
    box = page.locator(".chainrule-chart").bounding_box()
    scale = box["width"] / 560

    def place(h):
        x, y = scene.across.at(1 + h), scene.up.at((1 + h) ** 2)
        return box["x"] + scale * x, box["y"] + scale * y

    def middle():
        thumb = page.get_by_role("slider").bounding_box()
        return thumb["x"] + thumb["width"] / 2, thumb["y"] + thumb["height"] / 2

    assert middle() == pytest.approx(place(1.0), abs=1)
    page.mouse.move(*place(1.0))
    page.mouse.down()
    for h in (0.5, 0.25):
        page.mouse.move(*place(h))
        assert said(page).startswith(f"With h = {h:g}")
        assert middle() == pytest.approx(place(h), abs=1)
    page.mouse.up()
    page.mouse.move(*place(1.0))
    assert said(page).startswith("With h = 0.25")  # it was let go
    assert page.evaluate("getSelection().toString()") == ""
    page.keyboard.press("ArrowRight")  # the keys go on from there
    assert said(page).startswith("With h = 0.125")


ONLY_THE_THUMB = """
.chainrule-thumb { --chainrule-ink: #f00; --chainrule-ground: #f00; }
.chainrule-chart { visibility: hidden; }
"""


@pytest.mark.looks
@pytest.mark.parametrize("width", [390, 1280])
def test_the_thumb_is_painted_at_its_point(show, width):
    scene = secant()
    page = show(scene, viewport={"width": width, "height": 800}, device_scale_factor=3)
    page.add_style_tag(content=ONLY_THE_THUMB)
    box = page.locator(".chainrule-chart").bounding_box()
    scale = box["width"] / 560
    for k, h in enumerate(STEPS):
        page.get_by_role("slider").fill(str(k))
        x, y = scene.across.at(1 + h), scene.up.at((1 + h) ** 2)
        x, y = box["x"] + scale * x, box["y"] + scale * y
        clip = {"x": x - 20, "y": y - 20, "width": 40, "height": 40}
        assert middle_of_red(page, clip) == pytest.approx([x, y], abs=1)


def test_a_finger_drags_the_handle_up_and_down(browser, tmp_path):
    def draw(pen, level):
        pen.handle("level", 7, level)
        return f"level {level}"

    path = tmp_path / "scene.html"
    path.write_text(Scene(draw, {"level": range(1, 8)}, title="Up").to_html(), encoding="utf-8")
    context = browser.new_context(viewport=PHONE, has_touch=True)
    page = context.new_page()
    page.goto(path.as_uri())
    page.wait_for_selector(".chainrule-live")
    box = page.locator(".chainrule-chart").bounding_box()
    x, scale = box["x"] + box["width"] / 2, box["width"] / 560
    line = context.new_cdp_session(page)
    for kind, level in [("touchStart", 1), ("touchMove", 3), ("touchMove", 6), ("touchEnd", None)]:
        points = [] if level is None else [{"x": x, "y": box["y"] + scale * (320 - 40 * level)}]
        line.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
    page.wait_for_function(
        "document.querySelector('[role=status]').textContent === 'level 6'", timeout=5000
    )
    context.close()


def test_in_a_notebook_the_reader_tells_python_and_python_moves_the_view(module):
    in_a_notebook(module, bars(), chosen={"size": 1, "kind": "sigmoid", "lit": "no"})
    module.get_by_role("slider", name="size").fill("2")
    module.get_by_role("button", name="ReLU").click()
    assert module.evaluate("state.chosen") == {"size": 3, "kind": "ReLU", "lit": "no"}
    module.evaluate("python('chosen', { size: 2, kind: 'sigmoid', lit: 'yes' })")
    assert said(module) == "sigmoid, 2, yes."
    assert module.get_by_role("slider", name="size").input_value() == "1"
    assert module.evaluate("leave()") == []


def test_without_script_the_first_picture_and_all_sentences_are_there(show):
    page = show(secant(), java_script_enabled=False)
    assert page.locator(".chainrule-chart").is_visible()
    assert said(page) == "With h = 1 the slope is 3."
    page.get_by_text("In words").click()
    rows = page.locator("tbody tr").all_inner_texts()
    assert [row.split("\t") for row in rows] == [
        [f"{h:g}", f"{2 + h:g}", f"With h = {h:g} the slope is {2 + h:g}."] for h in STEPS
    ]


def draw_switch(pen, size, lit):
    pen.box(1, 1, 2 + (size if lit == "yes" else 0), 3)
    return f"A bar of {size}." if lit == "yes" else "No bar."


def test_pictures_of_which_the_same_is_said_share_a_row_of_the_table(show):
    page = show(Scene(draw_switch, {"size": [1, 2, 3], "lit": ["no", "yes"]}, title="Bars"))
    page.get_by_text("In words").click()
    assert [row.split("\t") for row in page.locator("tbody tr").all_inner_texts()] == [
        ["any", "no", "No bar."],
        *([f"{size}", "yes", f"A bar of {size}."] for size in (1, 2, 3)),
    ]
    for lit, size, wanted in (
        ("no", 2, "No bar."),
        ("yes", 2, "A bar of 3."),
        ("yes", 0, "A bar of 1."),
    ):
        page.get_by_role("button", name=lit).click()
        if lit == "yes":
            page.get_by_role("slider").fill(f"{size}")
        assert said(page) == wanted
        assert page.locator("tr.now td").all_inner_texts() == [wanted]


def test_two_scenes_on_a_page_do_not_disturb_each_other(show):
    page = show(Both(secant(), secant(chosen={"h": 0.25})))
    page.get_by_role("slider").nth(0).fill("1")
    texts = page.get_by_role("status").all_inner_texts()
    assert [text[:12] for text in texts] == ["With h = 0.5", "With h = 0.2"]


@pytest.mark.looks
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280])
@pytest.mark.parametrize("made", [secant, bars])
def test_axe_finds_nothing_and_nothing_is_wider_than_the_page(show, made, width, scheme):
    page = show(made(caption="Two"), viewport={"width": width, "height": 800}, color_scheme=scheme)
    page.eval_on_selector_all("details", "all => all.forEach((one) => (one.open = true))")
    page.get_by_role("slider").fill("1")
    assert findings(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_in_forced_colours_the_pressed_choice_differs_and_the_handle_is_seen(show):
    page = show(bars(), forced_colors="active")
    colours = page.get_by_role("button").evaluate_all(
        "all => all.map((e) => [getComputedStyle(e).backgroundColor, e.getAttribute('aria-pressed')])"
    )
    pressed = {colour for colour, state in colours if state == "true"}
    others = {colour for colour, state in colours if state == "false"}
    assert len(pressed) == 1 and not pressed & others
    other = show(secant(), forced_colors="active")
    before = other.screenshot()
    other.locator(".chainrule-thumb").evaluate("(e) => (e.style.opacity = 0)")
    assert other.screenshot() != before


HOSTILE = '</script></text><img src=x onerror="document.title=1">&"'


def test_hostile_texts_show_as_themselves(show):
    def draw(pen, name):
        pen.text(7, 4, name)
        return name, {HOSTILE: 1}

    scene = Scene(draw, {HOSTILE: [HOSTILE, "b"]}, title=HOSTILE, caption=HOSTILE)
    page = show(scene)
    page.get_by_role("button", name="b", exact=True).click()
    page.get_by_role("button", name=HOSTILE).click()
    assert said(page) == HOSTILE
    assert page.locator("img").count() == 0 and page.title() != "1"


# ---------------------------------------------------------------- what authors make


def scenes_for_authors():
    """The scenes of the page for authors, made by its own cells."""
    made, names = {}, {}
    for cell in json.loads(AUTHORS.read_text(encoding="utf-8"))["cells"]:
        source = "".join(cell["source"])
        if cell["cell_type"] == "code" and re.search(r"^(Scene|BetGrid)\($", source, re.M):
            before, _, last = re.split(r"^(Scene|BetGrid)(?=\()", source, flags=re.M)
            exec(before, names)
            made[cell["id"]] = eval(f"{_}{last}", names)
    return made


@pytest.fixture(scope="module")
def examples():
    return scenes_for_authors()


def test_there_is_an_example_of_each_kind_and_each_is_small(examples):
    kinds = [sum(isinstance(one, kind) for one in examples.values()) for kind in (Scene, BetGrid)]
    assert kinds[0] >= 3 and kinds[1] >= 1
    for one in examples.values():
        assert len(one.markup().encode()) < 40_000


OUTSIDE = """() => {
    const svg = document.querySelector(".chainrule-chart");
    const all = svg.getBoundingClientRect();
    const texts = [...svg.querySelectorAll("text:not([visibility=hidden])")].map((one) => [one.textContent, one.getBoundingClientRect()]);
    const out = texts.filter(([, box]) => box.left < all.left - 1 || box.right > all.right + 1 || box.top < all.top - 2 || box.bottom > all.bottom + 2);
    const over = texts.filter(([, a], k) => texts.some(([, b], l) => l < k
        && a.left < b.right - 1 && b.left < a.right - 1 && a.top < b.bottom - 4 && b.top < a.bottom - 4));
    return [...out, ...over].map(([text]) => text);
}"""


@pytest.mark.looks
@pytest.mark.parametrize("viewport", [PHONE, {"width": 1280, "height": 900}], ids=["phone", "desk"])
def test_no_text_of_the_examples_leaves_its_picture_or_lies_on_another(show, examples, viewport):
    for scene in (one for one in examples.values() if isinstance(one, Scene)):
        page = show(scene, viewport=viewport)
        for slider in page.get_by_role("slider").all():
            for position in range(int(slider.get_attribute("max")) + 1):
                slider.fill(str(position))
                assert page.evaluate(OUTSIDE) == []
        page.close()


# ---------------------------------------------------------------- Python's side


def pen(**settings):
    return Pen(Axis(False, 0, 14, 0, 560), Axis(False, 0, 8, 320, 0), settings, 320)


def drawn(act):
    made = pen()
    act(made)
    ((_, attributes),) = made.shapes.items()
    return attributes


def test_the_pen_draws_in_squares_of_forty_pixels_upwards():
    assert drawn(lambda p: p.dot(1, 2))["transform"] == "translate(40 240)"
    assert drawn(lambda p: p.line([0, 1], [0, 1]))["d"] == "M0 320h0L40 280"
    assert drawn(lambda p: p.box(1, 1, 3, 2))["d"] == "M40 280H120V240H40z"
    assert drawn(lambda p: p.area([0, 1, 1], [0, 0, 1]))["d"] == "M0 320L40 320L40 280z"
    arrow = numbers_in(drawn(lambda p: p.arrow(1, 1, 3, 1))["d"])
    assert arrow[:4] == [40, 280, 120, 280] and arrow[4] == arrow[8] < 120
    assert drawn(lambda p: p.arrow(1, 1, 1, 1))["d"] == ""


def test_a_text_stays_inside_the_picture():
    assert drawn(lambda p: p.text(0, 9, "abcdefgh"))["transform"] == "translate(46 10.5)"
    assert drawn(lambda p: p.text(14, 4, "abcd", at="right"))["transform"] == "translate(560 160)"


def test_an_image_is_squares_of_eight_shades():
    made = pen()
    made.image(0, 0, 4, 2, [[0, 1], [0.5, 0]])
    drawn = {a["fill-opacity"]: a["d"] for a in made.shapes.values() if a.get("d") and len(a) == 2}
    assert drawn == {"0.5": "M0 280h80v40h-80z", "1": "M80 240h80v40h-80z"}


def test_a_shape_that_one_picture_lacks_hides_there_and_keeps_its_place_in_the_order():
    first, second = pen(), pen()
    first.dot(1, 1), first.text(1, 1, "end")
    second.dot(1, 1), second.arrow(0, 0, 1, 1), second.text(1, 1, "end")
    dot, arrow, text = merged([first, second])
    assert (dot.moves, text.moves) == ({}, {})
    assert arrow.moves == {"visibility": ["hidden", "visible"]}


def test_what_is_the_same_in_every_picture_is_kept_once():
    data = json.loads(re.search(r"json\">(.*?)</script>", bars().markup())[1])
    assert data["moves"][0] == [
        ["d", *[[f"M40 280H{40 + 40 * k}V200H40z" for k in (1, 2, 3)], [0] * 4 + [1] * 4 + [2] * 4]]
    ]


def test_the_markup_is_the_same_at_every_run_and_follows_the_trait():
    scene = secant()
    assert scene.markup() == secant().markup()
    scene.chosen = {"h": 0.25}
    assert scene.markup() == secant(chosen={"h": 0.25}).markup()
    assert "<style" not in scene.markup() and " id=" not in scene.markup()
    with pytest.raises(traitlets.TraitError, match="h is one of"):
        scene.chosen = {"h": 3.0}


def test_a_choice_finds_the_nearest_float_of_a_linspace():
    steps = np.linspace(0.01, 0.21, 21)
    assert 0.1 not in steps.tolist()
    scene = Scene(lambda p, lr: f"{lr}", {"lr": steps}, title="t", chosen={"lr": 0.1})
    assert scene.chosen["lr"] == pytest.approx(0.1)


def test_a_log_axis_places_powers_evenly():
    scene = secant(x=("w", 1e-4, 1), log="x")
    a, b, c = (scene.across.at(x) for x in (1e-4, 1e-2, 1))
    assert b - a == pytest.approx(c - b)
    assert ">0.0001</text>" in scene.markup()


def nothing(pen, h):
    return "nothing"


@pytest.mark.parametrize(
    ("draw", "settings", "options", "said"),
    [
        (3, {"h": [1]}, {}, r"a function draw\(pen, h\), got 3"),
        (nothing, {}, {}, "1 to 400 pictures; {} makes 0"),
        (nothing, {"h": range(401)}, {}, "1 to 400 pictures; .* makes 401"),
        (nothing, {"h": [1, 1]}, {}, "different values"),
        (nothing, ["h"], {}, "settings as a dict"),
        (nothing, {"h": [1]}, {"title": ""}, "title as a text"),
        (nothing, {"h": [1]}, {"height": 20}, "height as pixels from 80 to 800"),
        (nothing, {"h": [1]}, {"x": ("w", 2, 1)}, r'x as \("name", low, high\)'),
        (nothing, {"h": [1]}, {"x": 3}, r'x as \("name", low, high\)'),
        (nothing, {"h": [1]}, {"y": ("w", 0, 1), "log": "y"}, "above 0 on a log axis"),
        (nothing, {"h": [1]}, {"log": "z"}, 'log is "", "x", "y" or "xy"'),
        (nothing, {"h": [1]}, {"chosen": {"h": 2}}, r"h is one of \[1\]"),
        (lambda p, h: None, {"h": [1]}, {}, "returns a sentence"),
        (lambda p, h: ("a", {str(h): 1}), {"h": [1, 2]}, {}, "the same numbers each time"),
        (lambda p, h: p.dot(1, 1, look="red"), {"h": [1]}, {}, "look is one of value"),
        (lambda p, h: p.text(1, 1, "a", at="top"), {"h": [1]}, {}, "at is one of left"),
        (lambda p, h: p.line([1], [1, 2]), {"h": [1]}, {}, "as many ys as xs"),
        (lambda p, h: p.handle("k", 1, 1), {"h": [1]}, {}, "'k' is no setting with numbers"),
        (lambda p, h: p.handle("h", 1, 1), {"h": ["a"]}, {}, "'h' is no setting with numbers"),
        (lambda p, h: p.handle("h", np.nan, 1), {"h": [1]}, {}, "no place in the picture"),
        (
            lambda p, h: "a" if h == 1 else p.handle("h", 1, 1) or "a",
            {"h": [1, 2]},
            {},
            "in every picture or in none",
        ),
    ],
)
def test_wrong_arguments_are_refused_with_what_is_wanted(draw, settings, options, said):
    with pytest.raises(ValueError, match=said):
        Scene(draw, settings, **{"title": "t", **options})


def test_a_terminal_says_what_is_seen():
    assert secant().as_text() == "A secant. With h = 1 the slope is 3."


@pytest.mark.parametrize("kind", ["scene", "replay", "explorer"])
def test_a_page_of_one_kind_of_figure_has_the_style_of_charts(kind):
    assert ".chainrule-chart{" in style((kind,)).replace(" ", "")


def test_words_are_painted_over_shapes_whatever_comes_first_elsewhere():
    """A picture with one line of words more must not push the others under a dot."""

    def draw(pen, kind):
        for word in ("x", "y")[: 1 + (kind == "two")]:
            pen.text(1, 1, word)
        pen.dot(3, 3, size=20, hollow=True)
        pen.text(3, 3, kind)
        return f"The picture of {kind}."

    scene = Scene(draw, {"kind": ["two", "one"]}, title="T", chosen={"kind": "one"})
    tags = [shape.tag for shape in scene.shapes]
    assert tags.index("text") > max(k for k, tag in enumerate(tags) if tag != "text")


def test_a_word_in_a_filled_box_has_the_box_as_its_ground_and_any_other_word_the_page():
    def draw(pen, h):
        pen.box(0, 0, 2, 2)
        pen.box(4, 0, 6, 2, opacity=0)
        pen.text(1, 1, "inside")
        pen.text(5, 1, "in a frame")
        pen.text(3, 1, "beside")
        return "Three words."

    html = Scene(draw, {"h": [1, 2]}, title="Words").markup()
    assert [
        word
        for word in ("inside", "in a frame", "beside")
        if 'text in c2" color="#1c1e21"' in html.split(word)[0].rpartition("<text")[2]
    ] == ["inside"]


def luminance(colour):
    parts = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in colour]
    return float(np.dot((0.2126, 0.7152, 0.0722), parts))


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize("boxes", [1, 2])
@pytest.mark.parametrize("filled", ["value", "gradient", "ink", "quiet", "faint"])
@pytest.mark.parametrize("look", ["value", "gradient", "ink", "quiet"])
def test_a_word_in_a_full_box_can_be_read(look, filled, boxes, theme):
    """A contrast of 4.5 in both themes, however full the box was meant to be, and where two lie over each other."""

    def colour(name):
        name = {"faint": "line"}.get(name, name)
        found = re.findall(rf"--chainrule-{name}: ?#([0-9a-f]+)", style(("scene",)))[theme]
        digits = found if len(found) == 6 else "".join(2 * digit for digit in found)
        return np.array([int(digits[k : k + 2], 16) / 255 for k in (0, 2, 4)])

    pen = Pen(Axis(False, 0, 14, 0, 560), Axis(False, 0, 8, 320, 0), {}, 320)
    for _ in range(boxes):
        pen.box(1, 1, 3, 2, look=filled, opacity=1)
    pen.text(2, 1.5, "7", look=look)
    ground = colour("ground")
    for (_, kind, *_), attributes in pen.shapes.items():
        if kind == "box":
            opacity = float(attributes["fill-opacity"])
            ground = opacity * colour(filled) + (1 - opacity) * ground
    light, dark = sorted(map(luminance, (ground, colour(look))), reverse=True)
    assert (light + 0.05) / (dark + 0.05) >= 4.5
