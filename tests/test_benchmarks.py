"""The benchmarks run, each in its shortest form: what they measure on some day is not looked at here."""

import json
import os
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

FOLDER = Path(__file__).parents[1] / "benchmarks"
SHORT = 1e-3  # seconds for each contender


@pytest.mark.parametrize(
    "table", ["training_step.measure", "costs.figures", "convolution_step.measure"]
)
def test_a_benchmark_makes_its_table(table):
    module, _, function = table.partition(".")
    code = f"import {module}; print({module}.{function}({SHORT}))"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(FOLDER), "src"])}
    run = subprocess.run(
        [sys.executable, "-c", code],
        cwd=FOLDER.parent,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout.count("\n| ") >= 3 and "nan" not in run.stdout


def test_the_parts_of_a_step_are_the_lines_that_the_appendix_shows(monkeypatch):
    monkeypatch.syspath_prepend(FOLDER)
    monkeypatch.setattr(os, "environ", dict(os.environ))  # `timing` fixes the threads there
    import step_parts

    stored = json.loads(step_parts.OUTCOME.read_text(encoding="utf-8"))
    found = step_parts.measure(SHORT)
    assert found.keys() == stored.keys()
    parts = list(dict.fromkeys(part for part, _ in step_parts.STEP))
    for kind in (found, stored):
        assert list(kind["microseconds of its calls"]) == parts
        for times in kind["microseconds of each part"].values():
            assert list(times) == parts and min(times.values()) > 0
    chapter = FOLDER.parent / "book" / "appendix_making_it_fast.ipynb"
    cells = {cell.id: cell.source for cell in nbformat.read(chapter, as_version=4).cells}
    shown = {line.strip() for line in cells["chF-hand-code"].splitlines()}
    timed = {one.strip() for _, code in step_parts.STEP for one in code.split(";")}
    assert len(timed & shown) == 13  # not the gradients, which stand in one line there
