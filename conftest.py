"""How nbval compares the outputs of chapters, wherever it is started from.

Matrix products and `exp` differ in their last digits between processors, so numbers are compared to
six significant digits. The exact numbers that a stepper carries are compared by norm, to 1e-10.
"""

import json
import math
import re
from html import unescape

import pytest

NUMBER = r"(?<![\w.#-])[-+−]?(?:\d+\.\d*|\.\d+|\d+(?=e))(?:e[-+−]?\d+)?(?!\w|\.\d)"
NOISE = 1e-12  # what is left of a zero after rounding; it has no digit that can be trusted

SANITIZE = {
    r'\sdata-exact="[^"]*"': "",
    r'(?s)(<script type="application/json"[^>]*>).*?(</script>)': r"\1\2",
    r"\b0x[0-9a-f]{6,}\b": "ADDRESS",
    NUMBER: lambda match: six_digits(match[0]),
}


def six_digits(text):
    number = float(text.replace("−", "-"))  # figures write a true minus sign
    return "0" if abs(number) < NOISE else f"{number:.6g}"


def pytest_collection_modifyitems(items):
    """Give every notebook the patterns above (a file of patterns could not round)."""
    notebooks = {item.parent for item in items if hasattr(item.parent, "sanitize_patterns")}
    for notebook in notebooks:
        notebook.sanitize_patterns.update(SANITIZE)


def sanitized(text):
    """What nbval compares of an output."""
    for pattern, replacement in SANITIZE.items():
        text = re.sub(pattern, replacement, text)
    return text


# ---------------------------------------------------------------- exact numbers

EXACT = re.compile(
    r'\sdata-exact="([^"]*)"|<script type="application/json" class="chainrule-trace">(.*?)</script>',
    re.DOTALL,
)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item):
    """When a cell has run, and what nbval compares of it agrees: do its exact numbers agree as well?"""
    outcome = yield
    if hasattr(item, "test_outputs") and item.options["check"] and item.cell.execution_count:
        old, new = exact_of(item.cell.outputs), exact_of(item.test_outputs)
        if not agree(old, new):
            item.raise_cell_error("Exact numbers differ from a fresh run: make notebooks")
    return outcome


def exact_of(outputs):
    """What the outputs hold in full precision: numbers, arrays and traces, as JSON has them."""
    html = "".join("".join(output.get("data", {}).get("text/html", "")) for output in outputs)
    return [parsed(unescape(number) or trace) for number, trace in EXACT.findall(html)]


def parsed(text):
    try:
        return json.loads(text)
    except ValueError:  # infinity, say
        return text


def agree(old, new):
    """Whether both have the same form and texts, and each array in them is the same by norm."""
    numbers = [[*leaves(old)], [*leaves(new)]]
    if all(type(leaf) in (int, float) for leaf in numbers[0] + numbers[1]):
        olds, news = numbers
        return len(olds) == len(news) and (
            math.dist(olds, news) <= 1e-10 * math.hypot(*olds) + NOISE
        )
    if isinstance(old, dict) and isinstance(new, dict):
        return old.keys() == new.keys() and all(agree(old[key], new[key]) for key in old)
    if isinstance(old, list) and isinstance(new, list):
        return len(old) == len(new) and all(map(agree, old, new))
    return old == new


def leaves(data):
    if isinstance(data, list):
        for value in data:
            yield from leaves(value)
    else:
        yield data
