"""The page *Where it runs*: a row for each program that a test has driven, with what was seen, its version and the day.

`make browsers`, `make hosts` and `make binder` ask for the rows to be written. A test that fails writes none, and an old row
keeps its day.
"""

import os
from datetime import date
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[1] / "book" / "reference" / "where_it_runs.md"


@pytest.fixture(scope="module")
def told():
    """Program -> the other cells of its row, written when the tests of a file are through."""
    found = {}
    yield found
    if os.environ.get("CHAINRULE_TELL"):
        PAGE.write_text(with_rows(PAGE.read_text(encoding="utf-8"), found), encoding="utf-8")


@pytest.fixture
def tell(told):
    """tell(program, opened, after a run, what was driven): its row, of today."""

    def say(program, opened, after, driven):
        told[program] = [opened or "–", after or "–", driven, date.today().isoformat()]

    return say


def with_rows(text, new):
    """The page with these rows in its table, in the place of older ones."""
    lines = text.splitlines()
    first, *places = [k for k, line in enumerate(lines) if line.startswith("|")][1:]
    old = dict(cells(lines[k]) for k in places)
    table = [f"| {' | '.join([program, *rest])} |" for program, rest in {**old, **new}.items()]
    return "\n".join([*lines[: first + 1], *table, *lines[first + 1 + len(places) :]]) + "\n"


def cells(line):
    program, *rest = (cell.strip() for cell in line.strip("|").split("|"))
    return program, rest
