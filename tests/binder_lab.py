"""Binder without Docker: its installs repeated in a fresh environment, and every chapter run in the Lab there.

    make binder PYTHON=python3.12

The Python is the one that .binder/runtime.txt names. What stands in repo2docker's own environment (conda
packages, JupyterLab among them) comes from PyPI here, in the same versions.
"""

import os
import re
import shutil
import subprocess
from importlib.util import find_spec
from pathlib import Path

import nbformat
import pytest
from lab import RUN_ALL, open_notebook, seen, serving
from playwright.sync_api import expect
from test_binder import ROOT, installs, python_version

CHAPTERS = sorted((ROOT / "book").rglob("*.ipynb"))
BROUGHT = ["jupyterlab", "notebook", "ipykernel"]

# Until then a figure would be shown as its picture.
WIDGETS_ARE_READY = """() => jupyterapp.shell.currentWidget.content.rendermime.mimeTypes
    .includes("application/vnd.jupyter.widget-view+json")"""


def python():
    """The interpreter that PYTHON names, if it is the one that Binder is asked for."""
    path = os.environ.get("PYTHON", "python3")
    program = "import sys; print('%d.%d' % sys.version_info[:2])"
    found = subprocess.run([path, "-c", program], capture_output=True, text=True).stdout.strip()
    wanted = python_version()
    if found != wanted:
        pytest.fail(
            f"Binder's Python is {wanted}: make binder PYTHON=python{wanted}", pytrace=False
        )
    return path


def brought():
    """The versions in repo2docker's environment, as constraints for pip."""
    name = f"buildpacks/conda/environment.py-{python_version()}-linux-64.lock"
    (folder,) = find_spec("repo2docker").submodule_search_locations  # not imported: it warns
    lock = (Path(folder) / name).read_text(encoding="utf-8")
    packages = re.findall(r"/([a-z0-9][a-z0-9_.-]*)-(\d[^-/]*)-[^-/]*\.(?:conda|tar\.bz2)#", lock)
    return "".join(f"{name}=={version}\n" for name, version in packages)


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    """What is tracked, as it stands in the working tree, in a folder of its own."""
    folder = tmp_path_factory.mktemp("binder") / "home"
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True)
    for name in filter(None, listed.stdout.decode().split("\0")):
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, target)
    return folder


@pytest.fixture(scope="module")
def environment(checkout):
    """The environment after every install of the Dockerfile: its folder."""
    folder, constraints = checkout.parent / "environment", checkout.parent / "constraints.txt"
    subprocess.run([python(), "-m", "venv", folder], check=True)
    constraints.write_text(brought(), encoding="utf-8")
    pip = [folder / "bin" / "pip", "install", "--quiet", "--constraint", constraints]
    subprocess.run([*pip, *BROUGHT], check=True)
    settings = os.environ | {
        "KERNEL_PYTHON_PREFIX": str(folder),
        "PATH": f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}",
    }
    for line in installs():
        subprocess.run(["bash", "-c", line], cwd=checkout, env=settings, check=True)
    return folder


@pytest.fixture(scope="module")
def server(environment, checkout):
    """A JupyterLab of that environment in the checkout: its address, and its log."""
    lab = [environment / "bin" / "jupyter", "lab"]
    options = {"cwd": checkout, "env": {"HOME": str(checkout)}}
    with serving(checkout, checkout.parent, program=lab, **options) as (address, log):
        yield address.removesuffix("/lab/tree"), log


def test_the_package_and_the_pins_are_in_the_environment(environment, checkout):
    program = "import chainrule, numpy; print(chainrule.__file__, numpy.__version__)"
    said = subprocess.check_output([environment / "bin" / "python", "-c", program], text=True)
    file, version = said.split()
    assert Path(file).is_relative_to(checkout)
    assert f"numpy=={version} " in (ROOT / ".binder" / "lock.txt").read_text("utf-8")


def test_the_pins_fit_each_other_and_what_binder_brings(environment):
    subprocess.run([environment / "bin" / "pip", "check"], check=True)


def figures(chapter):
    """The cells that show a figure, by number, and the first of them with a stepper and its buttons, or None."""
    found, stepper = [], None
    for number, cell in enumerate(nbformat.read(chapter, as_version=4).cells):
        if cell.metadata.get("jupyter", {}).get("outputs_hidden"):
            continue
        html = str([o.get("data", {}).get("text/html") for o in cell.get("outputs", [])])
        if "chainrule-still" in html:
            found.append(number)
        if stepper is None and "chainrule-stepper" in html and "Explorer(" not in cell.source:
            stepper = number
    return found, stepper


def steps(page):
    """Step the figure in view once, forward or, from its end, back."""
    button = ':has(button[aria-label="Next step"])'
    figure = page.locator(f".chainrule-stepper.chainrule-live{button}:visible").first
    step, last = (int(figure.get_attribute(f"data-{name}")) for name in ("step", "steps"))
    figure.get_by_role("button", name="Next step" if step < last else "Previous step").click()
    expect(figure).to_have_attribute("data-step", str(step + 1 if step < last else step - 1))


@pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda path: path.stem)
def test_a_chapter_runs_from_top_to_bottom_and_its_figure_steps(chapter, server, page, tell):
    address, log = server
    # A workspace of its own: Lab would open again what was open in the one before.
    path = f"lab/workspaces/{chapter.stem}/tree/{chapter.relative_to(ROOT).as_posix()}"
    open_notebook(page, f"{address}/{path}", log)
    page.wait_for_function(WIDGETS_ARE_READY)
    drawn, stepper = figures(chapter)
    for number in drawn:
        seen(page, number, ".chainrule-still")
    cells = page.evaluate(RUN_ALL)
    assert [error for cell in cells for error in cell["errors"]] == []
    assert cells and all(cell["ran"] for cell in cells)
    for number in drawn:
        seen(page, number, ".chainrule-live")
    if stepper is not None:
        seen(page, stepper, ".chainrule-live")
        steps(page)
    lab = page.evaluate("jupyterapp.version")
    tell(
        "Binder",
        "text, formulas, folded hints, a still form of every figure",
        "every figure lives",
        f"what it installs, repeated: JupyterLab {lab}, Chromium",
    )
