"""The form in which a figure stands in a notebook's output: a still picture, and the figure in a comment."""

import json
import re
import subprocess
import sys

import nbformat
import pytest

from chainrule.graph import Variable
from chainrule.narration import label
from chainrule.widgets import Stepper, page


def square(name="x", **options):
    x = Variable(3.0, name)
    return Stepper(x * x, title="A square", **options)


def output(stepper):
    return stepper._repr_mimebundle_()[0]["text/html"]


def test_the_output_is_an_image_a_sentence_and_a_comment():
    html = output(square())
    assert re.fullmatch(r"<img [^>]*><p>[^<]*</p><!--.*-->", html, re.DOTALL)
    assert html.count("-->") == 1 and label("still") in html


def test_the_build_puts_the_figure_where_its_picture_was():
    stepper = square()
    html = f"<p>before</p>{output(stepper)}<p>between</p>{output(stepper)}"
    figure = stepper.markup()
    assert page.unpacked(html) == f"<p>before</p>{figure}<p>between</p>{figure}"


@pytest.mark.parametrize("name", ["-->", "--!>", "<!--", "a-->b<script>", "--"])
def test_no_name_ends_the_comment(name):
    stepper = square(name, caption=name)
    html = output(stepper)
    assert html.count("-->") == 1 and "--!>" not in html
    assert page.unpacked(html) == stepper.markup()
    trace = re.search(r'class="chainrule-trace">(.*?)</script>', stepper.markup(), re.DOTALL)[1]
    assert json.loads(trace)["trace"]["variables"][0]["name"] == name


def test_an_html_page_made_of_the_notebook_shows_the_picture_once(browser, tmp_path):
    pytest.importorskip("nbconvert", reason="nbconvert is not installed")
    cell = nbformat.v4.new_code_cell("stepper")
    cell.outputs = [nbformat.v4.new_output("display_data", {"text/html": output(square())})]
    nbformat.write(nbformat.v4.new_notebook(cells=[cell]), tmp_path / "figure.ipynb")
    command = [sys.executable, "-m", "nbconvert", "--to", "html", str(tmp_path / "figure.ipynb")]
    subprocess.run(command, check=True, capture_output=True)
    shown = browser.new_page()
    shown.goto((tmp_path / "figure.html").as_uri())
    place = shown.locator(".jp-OutputArea-output")
    assert place.locator("img").count() == 1 and place.locator("svg, table, figure").count() == 0
    assert place.inner_text().strip() == label("still")
    image = place.locator("img")
    assert image.is_visible()
    assert image.evaluate("async (img) => { await img.decode(); return img.naturalWidth > 100; }")
    shown.close()
