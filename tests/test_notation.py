"""Every symbol of a formula in a chapter has a row in the notation."""

import re
from pathlib import Path

import nbformat
import pytest

BOOK = Path(__file__).parents[1] / "book"
CHAPTERS = sorted(BOOK.glob("*.ipynb"))
FORMULA = re.compile(r"\$\$(.+?)\$\$|(?<![\\$\w])\$([^$]+?)\$(?!\w)", re.DOTALL)
WORDS = re.compile(r"\\(?:text|operatorname|mathrm|begin|end|mathsf)\{([^{}]*)\}")
GREEK = {
    r"\alpha", r"\beta", r"\gamma", r"\delta", r"\epsilon", r"\varepsilon", r"\eta", r"\theta", r"\lambda",
    r"\mu", r"\pi", r"\rho", r"\sigma", r"\tau", r"\phi", r"\omega", r"\Delta", r"\ell",
}  # fmt: skip


def formulas(text):
    return [display or inline for display, inline in FORMULA.findall(text)]


def symbols(formula):
    """Its letters and Greek letters; names of functions and words are none."""
    tokens = re.findall(r"\\[A-Za-z]+|[A-Za-z]", WORDS.sub(" ", formula))
    return {token for token in tokens if len(token) == 1 or token in GREEK}


def written_in(chapter):
    cells = nbformat.read(chapter, as_version=4).cells
    return [f for cell in cells if cell.cell_type == "markdown" for f in formulas(cell.source)]


def explained(page):
    """The symbols of the first two columns: where a symbol stands, and what it is said to mean."""
    rows = [line.split("|") for line in page.splitlines() if line.startswith("| ")]
    return set().union(*(symbols(f) for row in rows for f in formulas("|".join(row[1:3]))))


NOTATION = (BOOK / "notation.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda path: path.stem)
def test_every_symbol_of_a_chapter_is_in_the_notation(chapter):
    used = {s: f for f in written_in(chapter) for s in symbols(f)}
    missing = {s: used[s] for s in used.keys() - explained(NOTATION)}
    assert missing == {}


@pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda path: path.stem)
def test_the_learning_rate_has_one_face(chapter):
    bare = [
        f
        for f in written_in(chapter)
        if re.search(r"(?<![A-Za-z])lr(?![A-Za-z])", WORDS.sub("", f))
    ]
    assert bare == []


def test_the_symbols_of_a_formula_are_its_letters_and_greek_letters():
    found = symbols(
        r"\frac{\partial L}{\partial W_1} = \text{lr} \cdot \mu\, \log x \begin{aligned} \end{aligned}"
    )
    assert found == {"L", "W", r"\mu", "x"}


def test_a_symbol_that_nobody_explains_is_found():
    assert symbols("Y") - explained(NOTATION) == {"Y"}


def test_formulas_are_found_within_a_line_and_over_lines():
    assert formulas("a $x$ and\n\n$$\ny\n$$ costs 5 dollars") == ["x", "\ny\n"]
