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


def test_binder_runs_our_script_and_installs_nothing_by_itself():
    assert installs() == ["chmod +x .binder/postBuild", "./.binder/postBuild"]


def test_the_script_installs_the_pins_then_the_package_without_fetching_anything_and_looks_at_both():
    script = (BINDER / "postBuild").read_text(encoding="utf-8")
    pins, package, check = re.findall(r"^python -m pip (.*)", script, re.MULTILINE)
    assert pins.endswith(" -r .binder/lock.txt")  # test_installs.py tries it
    assert {"--no-deps", "--no-build-isolation", "."} <= set(package.split())
    assert check.startswith("check ")


def test_binder_pins_are_those_of_the_book_with_hashes():
    ours, theirs = pins(ROOT / "requirements.txt"), pins(BINDER / "lock.txt")
    assert theirs and all(theirs.values())
    assert set(theirs) <= set(ours), "run `make lock`"


def test_binder_has_what_the_chapters_run_on_and_nothing_that_builds_the_book():
    names = {pin.split("==")[0] for pin in pins(BINDER / "lock.txt")}
    assert {"numpy", "matplotlib", "ipywidgets", "anywidget", "setuptools"} <= names
    assert not names & {"jupyter-book", "sphinx", "myst-nb", "pytest", "playwright", "jupyterlab"}
