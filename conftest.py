"""How nbval compares the outputs of chapters, wherever it is started from.

Matrix products and `exp` differ in their last digits between processors, so numbers are compared to
six significant digits. The exact numbers that a figure carries are compared by a test of their own.
"""

import re

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
