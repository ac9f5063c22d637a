"""The same figure in a real JupyterLab, with a live kernel, driven in the browser."""

import os
import socket
import subprocess
import sys
import time

import nbformat
import pytest

pytest.importorskip("jupyterlab", reason="JupyterLab is not installed")

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
]


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """The address of a JupyterLab that serves a folder with one notebook."""
    folder = tmp_path_factory.mktemp("lab")
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(c) for c in CELLS])
    notebook.metadata.kernelspec = {"name": "python3", "display_name": "Python 3"}
    nbformat.write(notebook, folder / "figure.ipynb")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "jupyterlab", "--allow-root", "--no-browser"]
    command += [f"--port={port}", "--IdentityProvider.token=", f"--ServerApp.root_dir={folder}"]
    command += ["--expose-app-in-browser", "--LabApp.news_url=", "--ServerApp.port_retries=0"]
    home = {"JUPYTER_CONFIG_DIR": str(folder / "config"), "JUPYTER_DATA_DIR": str(folder / "data")}
    with open(folder / "log", "w") as log:
        server = subprocess.Popen(command, stdout=log, stderr=log, env={**os.environ, **home})
        yield f"http://127.0.0.1:{port}", folder / "log"
        server.terminate()
        server.wait(20)


KERNEL_IS_IDLE = """() => {
    const widget = globalThis.jupyterapp?.shell.currentWidget;
    return widget?.sessionContext?.session?.kernel?.status === "idle";
}"""


def open_notebook(browser, lab):
    address, log = lab
    page = browser.new_page(viewport={"width": 1280, "height": 1400})
    for _ in range(120):
        try:
            page.goto(f"{address}/lab/tree/figure.ipynb")
            break
        except Exception:
            time.sleep(0.5)
    else:
        pytest.fail(f"JupyterLab did not start: {log.read_text()}")
    page.wait_for_function(KERNEL_IS_IDLE, timeout=90_000)
    page.evaluate("jupyterapp.commands.execute('notebook:run-all-cells')")
    page.wait_for_function(
        "document.querySelectorAll('.chainrule-live').length === 2", timeout=90_000
    )
    return page


def test_a_click_moves_every_view_the_slider_and_the_trait_in_python(browser, lab):
    page = open_notebook(browser, lab)
    figures = page.locator(".chainrule-live")
    figures.first.get_by_role("button", name="Forward").click()
    page.keyboard.press("ArrowRight")
    page.wait_for_function(
        """[...document.querySelectorAll(".chainrule-live")].every((f) => f.dataset.step === "2")"""
    )
    page.wait_for_function("document.querySelector('.widget-readout')?.textContent === '2'")
    page.locator(".jp-CodeCell .cm-content").nth(2).click()
    page.evaluate("jupyterapp.commands.execute('notebook:run-cell')")
    page.wait_for_function(
        "document.querySelectorAll('.jp-CodeCell')[2].innerText.includes('step 2')", timeout=30_000
    )
    page.close()
