"""The benchmarks run, each in its shortest form: what they measure on some day is not looked at here."""

import os
import subprocess
import sys
from pathlib import Path

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
