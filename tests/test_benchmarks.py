"""The benchmarks run, each in its shortest form: what they measure on some day is not looked at here."""

import json
import os
import re
import subprocess
import sys
from contextlib import redirect_stdout
from io import StringIO
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


def test_what_the_browser_benchmarks_print_becomes_tables(monkeypatch):
    monkeypatch.syspath_prepend(FOLDER)
    import pages
    import stepper

    import book

    def printed(show, *given):
        with redirect_stdout(StringIO()) as text:
            show(*given)
        return text.getvalue()

    told = printed(stepper.row, "one step", 17.04, 16, "ms") + printed(
        stepper.row, "elements gained", -4, 0, ""
    )
    assert book.beside_bars(told).splitlines()[2:] == [
        "| one step | **17.0\u00a0ms** | 16\u00a0ms |",
        "| elements gained | −4.0 | 0 |",
    ]
    weights = {"ours": {"js": (1500, 500)}, "defaults": {"js": (3000, 2000), "css": (7000, 7000)}}
    told = printed(pages.report, {"ours": [1.0, 2, 3], "defaults": [4.0, 8, 9]}, weights)
    rows = book.beside_defaults(told + "book/01_x, first screen of a phone: 1 s; bar: 2 s\n")
    assert "| scripts, gzip, kB | 0.5 | 2.0 | 0.250 |" in rows
    assert book.in_print("7285.2 of 12,000") == "7,285.2 of 12,000"
    assert (
        "| interactive after, s | 2.00 (1.00\u2060–\u20603.00) | 8.00 (4.00\u2060–\u20609.00) | 0.250 |"
        in rows
    )
    assert rows.endswith("| chapter 1 | 1\u00a0s | 2\u00a0s |")


def test_the_page_has_the_picture_that_is_written_with_its_tables(monkeypatch):
    monkeypatch.syspath_prepend(FOLDER)
    monkeypatch.setattr(os, "environ", dict(os.environ))  # `timing` fixes the threads there
    import speed

    page = speed.PAGE.read_text(encoding="utf-8")
    assert page.startswith(speed.HEAD) and page.count(speed.PICTURE) == 1


def test_every_figure_in_a_table_of_the_page_is_set_as_in_print():
    text = (FOLDER.parent / "book" / "reference" / "speed.md").read_text(encoding="utf-8")
    tables = [line for line in text.splitlines() if line.startswith("| ") and "---" not in line]
    cells = [cell for line in tables for cell in line.split(" | ")[1:] if "‑" not in cell]
    assert len(cells) > 100
    assert [cell for cell in cells if re.search(r"\d{4}|-\d", re.sub(r"\.\d+", "", cell))] == []
