"""What nbconvert makes of a chapter, with what `make env` puts into the environment: solutions are there, and closed."""

import os
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from bs4 import BeautifulSoup

ROOT = Path(__file__).parents[1]
JUPYTER = ROOT / "_theme" / "jupyter"
CHAPTER = ROOT / "book" / "05_affine.ipynb"
SETTINGS = {
    "JUPYTER_CONFIG_PATH": JUPYTER / "etc/jupyter",
    "JUPYTER_PATH": JUPYTER / "share/jupyter",
}


def convert(folder, to="html"):
    command = [
        sys.executable,
        "-m",
        "jupyter",
        "nbconvert",
        "--to",
        to,
        "--output-dir",
        folder,
        CHAPTER,
    ]
    environment = os.environ | {name: str(path) for name, path in SETTINGS.items()}
    ran = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    (path,) = folder.iterdir()
    return BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser")


@pytest.fixture(scope="module")
def converted(tmp_path_factory):
    return convert(tmp_path_factory.mktemp("html"))


def tagged(tag):
    cells = nbformat.read(CHAPTER, as_version=4).cells
    return [cell for cell in cells if tag in cell.metadata.get("tags", [])]


def words(cell):
    return "".join(cell.source.split())


def test_every_solution_is_there_and_closed(converted):
    closed = ["".join(one.get_text().split()) for one in converted.select("details:not([open])")]
    solutions = tagged("hide-cell")
    assert len(solutions) > 3
    for cell in solutions:
        assert sum(words(cell) in one for one in closed) == 1
        output = "".join(cell.outputs[0].get("text", "").split())
        assert any(words(cell) in one and output in one for one in closed)
    for folded in converted.find_all("details"):
        folded.decompose()
    assert not any(words(cell) in "".join(converted.get_text().split()) for cell in solutions)


def test_the_source_of_a_question_and_the_cell_for_colab_are_left_out(converted):
    text = "".join(converted.get_text().split())
    assert len(tagged("remove-input")) > 5
    for cell in [*tagged("remove-input"), *tagged("remove-cell")]:
        assert words(cell) not in text


def test_slides_keep_their_own_template(tmp_path):
    assert convert(tmp_path, "slides").select_one(".reveal .slides section")


def test_the_environment_gets_these_settings():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert "cp -r _theme/jupyter/. $(VENV)" in makefile.split("\n$(READY):")[1].split("\n\n")[0]
