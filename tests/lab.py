"""A JupyterLab or a Notebook, started for a test, and driven in the browser."""

import os
import sys
import time
from contextlib import contextmanager

import engines
import pytest
from playwright.sync_api import TimeoutError
from processes import running

# module -> its options, and the path of a notebook's page
SERVERS = {
    "lab": ("jupyterlab", ["--LabApp.news_url="], "lab/tree"),
    "notebook": ("notebook", [], "notebooks"),
}
KERNEL_IS_IDLE = """() => {
    const widget = globalThis.jupyterapp?.shell.currentWidget;
    return widget?.sessionContext?.session?.kernel?.status === "idle";
}"""
SHOW_CELL = """async (number) => {
    const notebook = jupyterapp.shell.currentWidget.content;
    notebook.activeCellIndex = number;
    await notebook.scrollToItem(number, "start");
    return notebook.widgets[number].node.dataset.here = String(number);
}"""
# What was saved with a chapter is cleared first: what is seen then has run here.
RUN_ALL = """async () => {
    await jupyterapp.commands.execute("notebook:clear-all-cell-outputs");
    await jupyterapp.commands.execute("notebook:run-all-cells");
    const cells = jupyterapp.shell.currentWidget.content.widgets.filter((c) => c.model.type === "code");
    return cells.map((cell) => ({
        ran: cell.model.executionCount !== null,
        errors: cell.model.outputs.toJSON().filter((o) => o.output_type === "error").map((o) => o.evalue),
    }));
}"""


@contextmanager
def serving(root, beside, name="lab", program=None, **options):
    """A server of the notebooks below `root`; its settings, what is trusted and its log stand below `beside`.

    Gives the address of its page for a notebook, and the path of the log. `program` is another's Lab than our own.
    """
    module, flags, path = SERVERS[name]
    port = engines.free_port()
    command = [*(program or [sys.executable, "-m", module]), *flags, "--allow-root", "--no-browser"]
    command += [f"--port={port}", "--IdentityProvider.token=", f"--ServerApp.root_dir={root}"]
    command += ["--expose-app-in-browser", "--ServerApp.port_retries=0"]
    home = {
        f"JUPYTER_{which.upper()}_DIR": str(beside / which) for which in ("config", "data")
    } | options.pop("env", {})
    log = beside / "log"
    with open(log, "w") as file:
        # It shuts its kernels down first, and on a busy machine that takes a while.
        options |= {"patience": 60, "env": os.environ | home, "stdout": file, "stderr": file}
        with running(command, **options):
            yield f"http://127.0.0.1:{port}/{path}", log


def open_notebook(page, address, log):
    for _ in range(120):
        try:
            page.goto(address)
            break
        except Exception:
            time.sleep(0.5)
    else:
        pytest.fail(f"the server did not start: {log.read_text()}")
    page.wait_for_function(KERNEL_IS_IDLE, timeout=90_000)


def run(page, number):
    """Run one cell."""
    page.evaluate(
        """(number) => {
            const notebook = jupyterapp.shell.currentWidget.content;
            notebook.activeCellIndex = number;
            return jupyterapp.commands.execute("notebook:run-cell");
        }""",
        number,
    )


def seen(page, number, selector):
    """Scroll to a cell, and wait for something in it: Lab draws those cells alone that are in view.

    The last cells of a notebook cannot come to its top, and Lab 4.4 then leaves them out of view: a reader turns the wheel.
    """
    page.evaluate(SHOW_CELL, number)
    shown = page.locator(f'[data-here="{number}"] {selector}').first
    try:
        shown.wait_for(state="visible", timeout=5_000)
    except TimeoutError:
        page.mouse.move(700, 500)
        page.mouse.wheel(0, 20_000)
        shown.wait_for(state="visible")
    return shown
