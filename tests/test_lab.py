"""The same figure in a real JupyterLab, with a live kernel, driven in the browser; in a real Notebook by `make hosts`."""

import json
import os
import shutil
import time
from pathlib import Path

import nbformat
import pytest
from lab import SERVERS, open_notebook, run, serving
from nbformat.sign import NotebookNotary
from playwright.sync_api import expect
from test_still import EACH, output

pytest.importorskip("jupyterlab", reason="JupyterLab is not installed")
pytestmark = pytest.mark.looks

WANTED = os.environ.get("CHAINRULE_SERVERS", "lab").split()
GLOSSARY = Path(__file__).parents[1] / "book" / "glossary.md"
CELLS = [
    """\
from ipywidgets import HBox, IntSlider, jslink
from chainrule.graph import Variable
from chainrule.widgets import Stepper

side, price = Variable(3.0, "side"), Variable(20.0, "price")
total = side**2 * price
total.name = "total"
stepper = Stepper(total)
stepper""",
    """\
slider = IntSlider(min=0, max=len(stepper.trace))
link = jslink((stepper, "step"), (slider, "value"))
HBox([stepper, slider])""",
    "print('step', stepper.step)",
    "print(dict(stepper.inputs), stepper.trace.variables[-1].value, side.value)",
    "stepper.inputs = {'side': 5.0, 'price': 20.0}",
]


@pytest.fixture(scope="module", params=WANTED)
def server(request, tmp_path_factory):
    """A JupyterLab, or a Notebook, each with a folder of its own: (address of a notebook by name, folder)."""
    pytest.importorskip(SERVERS[request.param][0])
    folder = tmp_path_factory.mktemp(request.param)
    with serving(folder, folder, request.param) as (address, _):
        yield lambda name: f"{address}/{name}", folder


def write(folder, name, cells):
    notebook = nbformat.v4.new_notebook(cells=cells)
    notebook.metadata.kernelspec = {"name": "python3", "display_name": "Python 3"}
    nbformat.write(notebook, folder / name)


@pytest.fixture(scope="module")
def page(server, browser):
    """A notebook with two views of one figure, run top to bottom."""
    address, folder = server
    write(folder, "figure.ipynb", [nbformat.v4.new_code_cell(source) for source in CELLS])
    page = browser.new_page(viewport={"width": 1280, "height": 1400})
    open_notebook(page, address("figure.ipynb"), folder / "log")
    for cell in range(2):
        run(page, cell)
    page.wait_for_function(
        "document.querySelectorAll('.chainrule-live').length === 2", timeout=90_000
    )
    yield page
    page.close()


OPEN_WITHOUT_A_KERNEL = """(path) => jupyterapp.commands.execute(
    "docmanager:open", { path, kernelPreference: { shouldStart: false } })"""
IS_OPEN = """(path) => {
    const context = jupyterapp.shell.currentWidget?.context;
    return context?.path === path && context.isReady;
}"""


@pytest.fixture
def another(page, server):
    """another(name, height) opens one more notebook: Lab in a tab, without a kernel; Notebook in a page of its own."""
    address, folder = server
    opened = []

    def open_it(name, height):
        size = {"width": 1280, "height": height}
        if "/lab/" in address(""):
            page.set_viewport_size(size)
            page.evaluate(OPEN_WITHOUT_A_KERNEL, name)
            page.wait_for_function(IS_OPEN, arg=name, timeout=90_000)
            return page
        opened.append(page.context.browser.new_page(viewport=size))
        open_notebook(opened[0], address(name), folder / "log")
        return opened[0]

    yield open_it
    for one in opened:
        one.close()


def prints(page, number, wanted):
    """Whether a cell prints `wanted`, once the messages on their way to the kernel have arrived."""
    for _ in range(20):
        if printed(page, number) == wanted:
            return True
        time.sleep(0.25)
    return False


def printed(page, number):
    """What a cell prints when it is run now."""
    run(page, number)
    return page.evaluate(
        """(number) => {
            const cell = jupyterapp.shell.currentWidget.content.widgets[number];
            return cell.model.outputs.toJSON().map((output) => output.text ?? "").join("");
        }""",
        number,
    )


def wait_for(page, condition):
    """Until the condition on `figures`, every view of the figure, holds."""
    page.wait_for_function(
        f"(() => {{ const figures = [...document.querySelectorAll('.chainrule-live')]; return {condition}; }})()",
        timeout=30_000,
    )


def exact(page, view, name, kind):
    place = page.locator(".chainrule-live").nth(view).locator(f'[data-variable="{name}"] .{kind}')
    return json.loads(place.get_attribute("data-exact"))


def test_a_click_moves_every_view_the_slider_and_the_trait_in_python(page):
    figures = page.locator(".chainrule-live")
    figures.first.get_by_role("button", name="Next step").click()
    page.keyboard.press("ArrowRight")
    wait_for(page, "figures.every((figure) => figure.dataset.step === '2')")
    page.wait_for_function("document.querySelector('.widget-readout')?.textContent === '2'")
    assert prints(page, 2, "step 2\n")


def test_a_number_changed_in_one_view_is_computed_in_python_and_shown_in_the_other(page):
    figures = page.locator(".chainrule-live")
    figures.first.get_by_role("button", name="Last step").click()
    figures.first.locator('input[name="side"]').fill("4")
    wait_for(page, "figures[1].querySelector('input[name=side]').value === '4'")
    for view in (0, 1):
        assert exact(page, view, "total", "value") == 320
        assert exact(page, view, "side", "gradient") == 160
    assert (
        printed(page, 3) == "{'side': 4, 'price': 20} 320.0 3.0\n"
    )  # the reader's own is as it was


def test_a_number_changed_in_python_is_shown_in_every_view(page):
    run(page, 4)
    wait_for(
        page, "figures.every((figure) => figure.querySelector('input[name=side]').value === '5')"
    )
    for view in (0, 1):
        assert exact(page, view, "total", "value") == 500


def test_the_picture_is_in_the_saved_output_too(page):
    kinds = page.evaluate(
        "Object.keys(jupyterapp.shell.currentWidget.content.widgets[0].model.outputs.toJSON()[0].data)"
    )
    assert {"text/html", "text/plain", "application/vnd.jupyter.widget-view+json"} <= set(kinds)


@pytest.mark.parametrize("trusted", [False, True])
def test_a_notebook_that_has_not_run_shows_every_figure_once_and_still(trusted, server, another):
    """Opened as it was cloned: where it is not trusted no SVG is let in, and where it is, nothing runs the script."""
    _, folder = server
    cells = []
    for kind, (figure, *_) in EACH.items():
        cell = nbformat.v4.new_code_cell(kind)
        cell.outputs = [nbformat.v4.new_output("display_data", {"text/html": output(figure)})]
        cells.append(cell)
    name = f"cloned{trusted}.ipynb"
    write(folder, name, cells)
    if trusted:
        notebook = nbformat.read(folder / name, as_version=4)
        NotebookNotary(data_dir=str(folder / "data")).sign(notebook)
    page = another(name, 4000)
    cell = "jupyterapp.shell.currentWidget.content.widgets[0].model"
    page.wait_for_function(f"{cell}.trusted === {str(trusted).lower()}", timeout=30_000)
    outputs = page.locator(".jp-OutputArea-output:visible")
    expect(outputs).to_have_count(len(EACH), timeout=30_000)  # shown anew once they are trusted
    for number, (_, pictures, said) in enumerate(EACH.values()):
        shown = outputs.nth(number)
        expect(shown).to_contain_text(said, timeout=30_000)
        drawn = shown.locator("img").evaluate_all(
            "(all) => Promise.all(all.map(async (img) => { await img.decode(); return img.checkVisibility() && img.naturalWidth > 100; }))"
        )
        assert drawn == [True] * pictures
        assert shown.locator("svg, script, form, figure").count() == 0
        assert "{" not in shown.inner_text()  # the text of a script that was taken out


@pytest.mark.parametrize("server", ["lab"], indirect=True)
def test_a_link_to_a_word_leads_to_the_word_in_the_glossary(server, another):
    """In Lab; Notebook opens the page in a window of its own."""
    _, folder = server
    shutil.copy(GLOSSARY, folder)
    cell = nbformat.v4.new_markdown_cell(
        "[a word](glossary.md#upstream-gradient) [another](glossary.md#He's-start)"
    )
    write(folder, "words.ipynb", [cell])
    page = another("words.ipynb", 800)
    for link, word in (("a word", "upstream gradient"), ("another", "He's start")):
        page.get_by_role("tab", name="words.ipynb").click()
        page.get_by_role("link", name=link, exact=True).click()
        heading = page.locator(".jp-MarkdownViewer h2", has_text=word).first
        heading.wait_for(timeout=30_000)
        page.wait_for_function(
            "(one) => { const { top } = one.getBoundingClientRect(); return top > 0 && top < innerHeight / 2; }",
            arg=heading.element_handle(),
            timeout=30_000,
        )
    assert "{" not in page.locator(".jp-MarkdownViewer").inner_text()
