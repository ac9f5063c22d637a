"""The form in which a figure stands in a notebook's output: a still picture, and the figure in a comment."""

import html
import json
import re
import subprocess
import sys
from urllib.parse import unquote

import nbformat
import numpy as np
import pytest

from chainrule.graph import Variable
from chainrule.narration import label
from chainrule.widgets import BetGrid, Explorer, Quiz, Replay, Scene, Stepper, page


def square(name="x", **options):
    x = Variable(3.0, name)
    return Stepper(x * x, title="A square", **options)


def secant(pen, h):
    ws = np.linspace(0, 2, 21)
    pen.line(ws, ws**2, look="value")
    pen.area([1, 1 + h, 1 + h], [1, 1, (1 + h) ** 2])
    pen.box(0, 3, 0.2, 4)
    pen.image(1.5, 0, 2, 1, [[0.2, 1.0], [0.7, 0.0]])
    pen.arrow(0.5, 1, 1, 1, dash=True)
    pen.text(0.5, 2, "secant", look="gradient")
    pen.text(0.5, 3, "tangent", look="quiet")
    pen.dot(1, 1)
    pen.dot(1 + h, (1 + h) ** 2, hollow=True)
    pen.handle("h", 1 + h, (1 + h) ** 2)
    return f"The secant rises by *{2 + h:g}*."


def frame(step):
    norms = {"Affine1.W": 1 / (step + 1), "Affine1.b": 0.1}
    return {"step": step, "loss": 2.0 / (step + 1), "accuracy": 0.1 * step, "gradient_norms": norms}


EACH = {  # kind -> (a figure of that kind, how many pictures it keeps, what it says beside them)
    "stepper": (square(), 1, label("still")),
    "scene": (
        Scene(secant, {"h": [1.0, 0.5]}, title="A secant", x=("w", 0, 2), y=("loss", 0, 4)),
        1,
        f"The secant rises by 3. {label('still.moves')}",
    ),
    "explorer": (
        Explorer({"error": ([1, 2, 3], [4.0, 1.0, 2.0])}, x="h", y="size", title="An error"),
        1,
        label("still.moves"),
    ),
    "replay": (Replay([frame(step) for step in range(4)]), 3, label("still.moves")),
    "quiz": (Quiz("Which way?", {"left": "No.", "right": "Yes."}, "right"), 0, "Which way?"),
    "bets": (BetGrid("Which is found?", {"a bug": {"check": True, "loss": False}}), 0, "Which"),
}


def output(figure):
    return figure._repr_mimebundle_()[0]["text/html"]


def test_there_is_one_of_every_kind():
    assert set(EACH) == set(page.KINDS)


@pytest.mark.parametrize("kind", EACH)
def test_outside_of_a_comment_nothing_stands_that_an_untrusting_host_would_take_out(kind):
    """Such a host leaves the text of what it takes out: the numbers of a picture, the source of a script."""
    figure, pictures, said = EACH[kind]
    shown = re.sub("<!--.*?-->", "", output(figure), flags=re.DOTALL)
    assert set(re.findall(r"<(\w+)", shown)) <= {
        *("img", "p", "div", "b", "em", "code", "span", "details", "summary"),
        *("table", "thead", "tbody", "tfoot", "tr", "th", "td"),
    }
    assert shown.count("<img ") == pictures
    assert said in html.unescape(re.sub("<[^>]*>", "", shown))


@pytest.mark.parametrize("kind", EACH)
def test_the_build_puts_the_figure_where_its_picture_was(kind):
    figure, *_ = EACH[kind]
    text = f"<p>before</p>{output(figure)}<p>between</p>{output(figure)}"
    markup = figure.markup()
    assert page.unpacked(text) == f"<p>before</p>{markup}<p>between</p>{markup}"


LOOK = """(svg) => [...svg.querySelectorAll("path, circle, rect, text")].map((one) => {
    const worn = getComputedStyle(one);
    const names = ["fill", "stroke", "strokeWidth", "fillOpacity", "fontWeight", "paintOrder"];
    const bytes = (...parts) => `rgb(${parts.map((part) => Math.round(255 * part)).join(", ")})`;
    const plain = (look) => look.replace(/^color\\(srgb (\\S+) (\\S+) (\\S+)\\)$/, (_, ...rgb) => bytes(...rgb.slice(0, 3)));
    return [one.tagName, ...names.map((name) => plain(worn[name]))];
})"""


@pytest.mark.parametrize("kind", ["scene", "explorer", "replay"])
def test_a_still_chart_wears_what_the_style_sheet_gives_to_the_live_one(kind, show, browser):
    figure, pictures, _ = EACH[kind]
    script_off = show(figure, java_script_enabled=False, color_scheme="light")
    worn = script_off.locator("svg.chainrule-chart").evaluate_all(f"(all) => all.map({LOOK})")
    alone = browser.new_page()
    sources = re.findall(r'src="data:image/svg\+xml,([^"]*)"', output(figure))
    for source, live in zip(sources, worn, strict=True):
        alone.set_content(unquote(source))
        assert alone.locator("svg.chainrule-chart").evaluate(LOOK) == live
    alone.close()


def test_the_output_is_an_image_a_sentence_and_a_comment():
    html = output(square())
    assert re.fullmatch(r"<img [^>]*><p>[^<]*</p><!--.*-->", html, re.DOTALL)
    assert html.count("-->") == 1 and label("still") in html


@pytest.mark.parametrize("name", ["-->", "--!>", "<!--", "a-->b<script>", "--"])
def test_no_name_ends_the_comment(name):
    stepper = square(name, caption=name)
    html = output(stepper)
    assert html.count("-->") == 1 and "--!>" not in html
    assert page.unpacked(html) == stepper.markup()
    trace = re.search(r'class="chainrule-trace">(.*?)</script>', stepper.markup(), re.DOTALL)[1]
    assert json.loads(trace)["trace"]["variables"][0]["name"] == name


@pytest.mark.parametrize("name", ["-->", "--!>", "a-->b<script>"])
def test_no_text_of_another_figure_ends_it_either(name):
    curves, settings = {name: ([1, 2], [3, 4])}, {name: [name]}
    for figure in (
        Scene(lambda pen, _: pen.text(1, 1, name) or name, settings, title=name, caption=name),
        Explorer({(name,): curves}, settings, x=name, y=name, title=name, notes=[name, name]),
        Replay([{**frame(1), "gradient_norms": {name: 1.0}}], title=name),
        Quiz(name, {name: name, "other": name}, "other"),
        BetGrid(name, {name: {name: True}}, yes=name, no=name, reveal=name),
    ):
        html = output(figure)
        assert html.count("-->") == 1 and "--!>" not in html
        assert page.unpacked(html) == figure.markup()


@pytest.fixture(scope="module")
def converted(browser, tmp_path_factory):
    """The HTML page that nbconvert makes of a notebook with a figure of each kind."""
    pytest.importorskip("nbconvert", reason="nbconvert is not installed")
    folder, cells = tmp_path_factory.mktemp("converted"), []
    for kind, (figure, *_) in EACH.items():
        cells.append(nbformat.v4.new_code_cell(kind))
        cells[-1].outputs = [nbformat.v4.new_output("display_data", {"text/html": output(figure)})]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), folder / "figures.ipynb")
    command = [sys.executable, "-m", "nbconvert", "--to", "html", str(folder / "figures.ipynb")]
    subprocess.run(command, check=True, capture_output=True)
    shown = browser.new_page()
    shown.goto((folder / "figures.html").as_uri())
    yield shown
    shown.close()


@pytest.mark.parametrize("kind", EACH)
def test_an_html_page_made_of_the_notebook_shows_the_picture_once(kind, converted):
    _, pictures, said = EACH[kind]
    place = converted.locator(".jp-OutputArea-output").nth(list(EACH).index(kind))
    assert place.locator("svg, figure, form").count() == 0 and said in place.inner_text()
    drawn = place.locator("img").evaluate_all(
        "(all) => Promise.all(all.map(async (img) => { await img.decode(); return img.checkVisibility() && img.naturalWidth > 100; }))"
    )
    assert drawn == [True] * pictures
