"""The page *Where it runs*: each row comes from a test that drives its program."""

import re
from datetime import date
from pathlib import Path

import hosts
import pytest

HERE = Path(__file__).parent
DRIVERS = ["where_it_runs.py", "other_browsers.py", "binder_lab.py"]
LINES = [line for line in hosts.PAGE.read_text("utf-8").splitlines() if line.startswith("|")][2:]
ROWS = dict(map(hosts.cells, LINES))
PAGE = """# A page

| where | opened | after a run | driven | on |
| --- | --- | --- | --- | --- |
| Lab | a picture | it lives | Lab 1 | 2026-01-01 |
| Marimo | – | it lives | Marimo 1 | 2026-01-01 |

And more.
"""


def test_a_row_takes_the_place_of_its_older_one_and_others_stay():
    new = {"Lab": ["a picture", "it lives", "Lab 2", "2026-02-02"], "Colab": ["–"] * 4}
    expected = PAGE.replace("Lab 1 | 2026-01-01", "Lab 2 | 2026-02-02")
    expected = expected.replace("\n\nAnd", "\n| Colab | – | – | – | – |\n\nAnd")
    assert hosts.with_rows(PAGE, new) == expected


def test_a_page_without_rows_gets_its_first():
    empty = "".join(line for line in PAGE.splitlines(keepends=True) if "2026" not in line)
    assert "| --- |\n| Lab | – | – | – | – |\n\nAnd" in hosts.with_rows(empty, {"Lab": ["–"] * 4})


@pytest.mark.parametrize("program", ROWS)
def test_a_row_says_what_was_driven_and_when_and_that_it_works(program):
    opened, after, driven, day = ROWS[program]
    assert re.search(r"\d+\.\d+", driven) and date.fromisoformat(day)
    assert not re.search(r"fail|broken|error", f"{opened} {after}", re.IGNORECASE)
    source = "".join((HERE / name).read_text("utf-8") for name in DRIVERS)
    assert f'"{program.split(",")[0]}' in source  # no test tells of it any more


def test_every_program_that_a_test_tells_of_is_in_the_table():
    source = "".join((HERE / name).read_text("utf-8") for name in DRIVERS)
    assert len(ROWS) == source.count("    tell(") + len(["lab and notebook", "firefox and webkit"])
