"""How nbval compares the outputs of chapters, wherever it is started from.

Matrix products and `exp` differ in their last digits between processors, so numbers are compared to
six significant digits. The numbers that a figure carries in full are taken out of that comparison, and
compared by norm.
"""

import json
import re
from html import unescape
from itertools import zip_longest

import numpy as np

NUMBER = r"(?<![\w.#-])[-+−]?(?:\d+\.\d*|\.\d+|\d+(?=e))(?:e[-+−]?\d+)?(?!\w|\.\d)"
NOISE = 1e-12  # what is left of a zero after rounding; it has no digit that can be trusted

EXACT = re.compile(
    r'(?s)\sdata-exact="(?P<number>[^"]*)"|(<script type="application/json"[^>]*>)(?P<trace>.*?)</script>'
)
TOLERANCE = 1e-10  # of an array's norm
SANITIZE = {
    EXACT: lambda match: f"{match[2]}</script>" if match[2] else "",
    r"\b0x[0-9a-f]{6,}\b": "ADDRESS",
    NUMBER: lambda match: six_digits(match[0]),
}


def six_digits(text):
    number = float(text.replace("−", "-"))  # figures write a true minus sign
    return "0" if abs(number) < NOISE else f"{number:.6g}"


def pytest_collection_modifyitems(items):
    """Give every notebook the patterns above (a file of patterns could not round)."""
    cells = [item for item in items if hasattr(item.parent, "sanitize_patterns")]
    for notebook in {cell.parent for cell in cells}:
        notebook.sanitize_patterns.update(SANITIZE)
    for cell in cells:
        cell.compare_outputs = compare_exactly_too(cell, cell.compare_outputs)


def compare_exactly_too(cell, compare):
    """nbval's comparison, and after it that of the exact numbers."""

    def compare_outputs(test, ref, *args, **kwargs):
        if not compare(test, ref, *args, **kwargs):
            return False
        pairs = zip_longest(exact(test), exact(ref), fillvalue=(None, 0))
        odd = [f"now {now[0]}, committed {then[0]}" for now, then in pairs if not same(now, then)]
        cell.comparison_traceback += ["exact numbers of a figure differ:", *odd[:3]] if odd else []
        return not odd

    return compare_outputs


def exact(outputs):
    """What figures carry in full: lists of numbers, each with the largest number of all, and words."""
    found = []
    for output in outputs:
        for match in EXACT.finditer("".join(output.get("data", {}).get("text/html", ""))):
            found += pieces(json.loads(match["trace"] or unescape(match["number"])))
    numbers = [abs(n) for piece in found if type(piece) is list for n in piece]
    return [(piece, max(numbers, default=0.0)) for piece in found]


def pieces(data):
    """The leaves of JSON, with numbers that stand in one list together."""
    if isinstance(data, dict):
        for key, value in data.items():
            yield key
            yield from pieces(value)
    elif isinstance(data, list) and not all(type(value) in (int, float) for value in data):
        for value in data:
            yield from pieces(value)
    else:
        yield data if isinstance(data, list) else [data] if type(data) in (int, float) else data


def same(now, then):
    (a, largest), (b, _) = now, then
    if type(a) is not list or type(b) is not list or len(a) != len(b):
        return a == b
    off, size = np.linalg.norm(np.subtract(a, b)), np.linalg.norm(a) + np.linalg.norm(b)
    return off <= TOLERANCE * size + 1e-14 * largest  # a zero may be what rounding left of it


def sanitized(text):
    """What nbval compares of an output."""
    for pattern, replacement in SANITIZE.items():
        text = re.sub(pattern, replacement, text)
    return text
