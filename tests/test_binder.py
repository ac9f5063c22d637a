"""What Binder would build, read off the Dockerfile that repo2docker prints. `make binder` does it for real."""

import re
import subprocess
import sys
import tomllib
from functools import cache
from pathlib import Path

from packaging.specifiers import SpecifierSet

ROOT = Path(__file__).parents[1]
BINDER = ROOT / ".binder"


def python_version():
    """The Python that Binder is asked for: "3.12"."""
    return (BINDER / "runtime.txt").read_text(encoding="utf-8").strip().removeprefix("python-")


@cache
def dockerfile():
    """What repo2docker makes of this repository. It prints it without Docker."""
    command = [sys.executable, "-m", "repo2docker", "--no-build", "--debug", "."]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout


def installs():
    """The lines of the Dockerfile that install what the book needs, in their order."""
    lines = [line.removeprefix("RUN ") for line in dockerfile().splitlines() if "RUN " in line]
    return [line for line in lines if re.search(r"pip install|\.binder/", line)]


def pins(path):
    """Name and version -> the hashes, of each pin of a requirements file."""
    text = path.read_text(encoding="utf-8").replace("\\\n", "")
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return {re.split(r"[ ;]", line)[0]: re.findall(r"--hash=sha256:\w+", line) for line in lines}


def test_the_python_of_binder_is_named_and_one_of_ours():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert python_version() in SpecifierSet(project["requires-python"])
    file = f"environment.py-{python_version()}-linux"
    escaped = file.replace("-", "-2d").replace(".", "-2e")  # as repo2docker writes it
    assert escaped in dockerfile()


def test_binder_installs_the_pins_and_then_the_package_and_nothing_else():
    pip, executable, post_build = installs()
    assert pip.endswith('/bin/pip install --no-cache-dir -r ".binder/requirements.txt"')
    assert executable == "chmod +x .binder/postBuild"
    assert post_build == "./.binder/postBuild"


def test_the_pins_are_installed_before_the_book_is_copied():
    """So that a changed chapter does not install everything anew."""
    lines = dockerfile().splitlines()
    copied = next(i for i, line in enumerate(lines) if re.match(r"COPY .* src/ ", line))
    assert next(i for i, line in enumerate(lines) if "pip install" in line) < copied


def test_the_package_is_installed_without_fetching_anything():
    (command,) = re.findall(
        r"^python -m pip .*", (BINDER / "postBuild").read_text(encoding="utf-8"), re.MULTILINE
    )
    assert {"--no-deps", "--no-build-isolation", "."} <= set(command.split())


def test_binder_pins_are_those_of_the_book_with_hashes():
    ours, theirs = pins(ROOT / "requirements.txt"), pins(BINDER / "requirements.txt")
    assert theirs and all(theirs.values())
    assert set(theirs) <= set(ours), "run `make lock`"


def test_binder_has_what_the_chapters_run_on_and_nothing_that_builds_the_book():
    names = {pin.split("==")[0] for pin in pins(BINDER / "requirements.txt")}
    assert {"numpy", "matplotlib", "ipywidgets", "anywidget", "setuptools"} <= names
    assert not names & {"jupyter-book", "sphinx", "myst-nb", "pytest", "playwright", "jupyterlab"}
