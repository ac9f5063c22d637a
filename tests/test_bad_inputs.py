"""Every public callable against every doubtful input: the right answer, or words of ours."""

import re
from pathlib import Path

import bad_calls
import pytest
from trial import judge

API = Path(__file__).parents[1] / "book" / "reference" / "api.md"
TABLE = {}
for case in bad_calls.cases():
    TABLE.setdefault(case.callable.split()[0], []).append(case)

# What the reference lists and nobody calls with an input of their own: records that the package makes,
# and loaders without an argument.
WITHOUT_INPUT = {
    "Report", "Report.raise_if_failed", "Row", "Finding", "Record", "Verdict", "Step", "Traced",
    "Variable.shape", "Variable.exp", "Variable.log", "Variable.relu", "Variable.sigmoid",
    "Variable.tanh", "Variable.sum", "Variable.reshape", "Variable.transpose", "Variable.T",
    "Variable.mean", "Variable.max",  # the functions of these names are in the table
    "validation_loss",  # predict and the loss do it
    "Network.save",  # Python says what the name of a file may be
    "Trace", "Trace.to_json", "load_digits", "load_three_mnist_images", "Stepper.to_html",
}  # fmt: skip


@pytest.mark.parametrize("name", TABLE)
def test_a_doubtful_input_ends_in_the_right_answer_or_in_words(name):
    judged = [(case, *judge(case)) for case in TABLE[name]]
    wrong = [
        f"{c.callable}, {c.given}: {came}; {problem}" for c, came, problem in judged if problem
    ]
    assert wrong == []


def test_the_table_is_long():
    assert sum(map(len, TABLE.values())) >= 7_000


def documented():
    """Every callable of the reference: names, and for a class its listed methods."""
    found, last = [], ""
    for line in API.read_text(encoding="utf-8").splitlines():
        if match := re.match(r"\.\. auto(?:class|function):: (\w+)", line):
            last = match[1]
            found.append(last)
        elif match := re.match(r"\s+:members: (.+)", line):
            found += [f"{last}.{name.strip()}" for name in match[1].split(",")]
    return found


@pytest.mark.parametrize("name", documented())
def test_every_public_callable_is_in_the_table(name):
    if name not in WITHOUT_INPUT:
        plain = {re.sub(r"^graph\.|\(.*\)", "", listed) for listed in TABLE}
        assert any(listed == name or listed.startswith(f"{name}.") for listed in plain)
