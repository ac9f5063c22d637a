"""The notation: a letter stands in it where a chapter uses it, and every rule of its first table runs."""

import re
from pathlib import Path

import nbformat
import numpy as np
import pytest

from chainrule import guests
from chainrule.graph import Variable, sum_
from chainrule.layers import Affine, ReLU, Sigmoid, Tanh
from chainrule.losses import IdentityWithLoss, SoftmaxWithLoss, softmax
from chainrule.nodes import Add, Multiply

BOOK = Path(__file__).parents[1] / "book"
CHAPTERS = sorted(BOOK.glob("[0-9]*.ipynb")) + [  # in the order of the book
    BOOK / f"appendix_{name}.ipynb"
    for name in ("family_of_losses", "two_results", "first_weights", "making_it_fast", "where_next")
]
FORMULA = re.compile(r"\$\$(.+?)\$\$|(?<![\\$\w])\$([^$]+?)\$(?!\w)", re.DOTALL)
WORDS = re.compile(
    r"\\(?:text|operatorname|mathrm|begin|end|mathsf)\{([^{}]*)\}|\\mathsf T|\\\\\[\d+pt\]"
)
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


def used_in(chapter):
    return {s: f for f in written_in(chapter) for s in symbols(f)}


def symbols_of(text):
    return set().union(*map(symbols, formulas(text)))


def read(page):
    """Everywhere: (symbols, with those that the meaning explains, first chapter); own: chapter -> the same."""
    everywhere, own, chapter = [], {}, None
    for line in page.splitlines():
        if line.startswith("#"):
            linked = re.search(r"\((\w+)\.ipynb\)", line)
            chapter = linked and linked[1]
        cells = [cell.strip() for cell in line.split("|")[1:-1]]
        if len(cells) < 4 or cells[0] == "symbol" or cells[0].startswith("-"):
            continue
        row = symbols_of(cells[0]), symbols_of(" ".join(cells[:2]))
        if chapter:
            own.setdefault(chapter, []).append(row)
        else:
            everywhere.append((*row, re.search(r"\((\w+)\.ipynb\)", cells[4])[1]))
    return everywhere, own


NOTATION = (BOOK / "notation.md").read_text(encoding="utf-8")
EVERYWHERE, OWN = read(NOTATION)
ORDER = [chapter.stem for chapter in CHAPTERS]


def explained(chapter, everywhere=EVERYWHERE, own=OWN):
    """What a reader of this chapter finds: its own letters, and those that stood in a formula before or here."""
    so_far = ORDER[: ORDER.index(chapter) + 1]
    known = [told for _, told, first in everywhere if first in so_far]
    return set().union(*known, *(told for _, told in own.get(chapter, [])))


@pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda path: path.stem)
def test_every_symbol_of_a_chapter_is_in_the_notation_for_that_chapter(chapter):
    used = used_in(chapter)
    missing = {s: used[s] for s in used.keys() - explained(chapter.stem)}
    assert missing == {}


@pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda path: path.stem)
def test_a_letter_of_the_notation_stands_in_a_formula_of_the_chapter_that_its_row_names(chapter):
    rows = [row for row, _, first in EVERYWHERE if first == chapter.stem]
    rows += [row for row, _ in OWN.get(chapter.stem, [])]
    assert [row for row in rows if row - used_in(chapter).keys()] == []


def test_a_letter_that_another_chapter_explains_is_not_explained():
    everywhere, own = read(
        "## All\n| $x$ | m | `x` | s | [ch. 2](02_chain_rule.ipynb) |\n"
        "### [1](01_computational_graphs.ipynb)\n| $a$ | like $b$ | `a` | s |\n"
    )
    assert explained("01_computational_graphs", everywhere, own) == {"a", "b"}
    assert explained("03_add_and_multiply", everywhere, own) == {"x"}


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
        r"\frac{\partial L}{\partial W_1} = \text{lr} \cdot \mu\, \log x^{\mathsf T} \begin{aligned} \end{aligned}"
    )
    assert found == {"L", "W", r"\mu", "x"}


def test_formulas_are_found_within_a_line_and_over_lines():
    assert formulas("a $x$ and\n\n$$\ny\n$$ costs 5 dollars") == ["x", "\ny\n"]


# ---- the table of all rules


def rules():
    """Layer -> its code forward, its code backward: what stands in backticks, a line each."""
    section = NOTATION.split("## Every rule")[1].split("\n## ")[0]
    rows = re.findall(r"^\| \[([^\]]+)\]\(.*?\).*?\| (.+?) \| (.+) \|$", section, re.MULTILINE)
    return {name: [re.findall("`(.*?)`", cell) for cell in cells] for name, *cells in rows}


RULES, rng = rules(), np.random.default_rng(7)


def normal(*shape):
    return rng.normal(size=shape)


def layer_case(layer, shape=(4, 3), **names):
    """What the rule starts from, and what it must find: the layer's output and gradients."""
    x = normal(*shape)
    y = layer.forward(x)
    dout = normal(*np.shape(y))
    wanted = {"y": y, "dx": layer.backward(dout)}
    wanted |= {f"d{name}": value for name, value in getattr(layer, "grads", {}).items()}
    given = {name: getattr(layer, name) for name in names}
    return {"x": x, "dout": dout, **getattr(layer, "params", {}), **given}, wanted


def case_of_node(node):
    x, y, dout = normal(4, 3), normal(4, 3), normal(4, 3)
    z = node.forward(x, y)
    dx, dy = node.backward(dout)
    return {"x": x, "y": y, "dout": dout}, {"z": z, "dx": dx, "dy": dy}


def case_of_fork():
    x, du, dv = Variable(normal(4, 3)), normal(4, 3), normal(4, 3)
    sum_(x * du + x * dv).backward()  # two uses, with du and dv upstream
    return {"x": x.value, "du": du, "dv": dv}, {"dx": x.grad}


def case_of_loss(layer, at):
    a, t = normal(4, 3), np.eye(3)[[0, 2, 1, 1]]
    loss = layer.forward(a, t)
    return {at: a, "t": t, "N": 4}, {"L": loss, f"d{at}": layer.backward()}


def case_of_convolution():
    layer = guests.Conv2D(normal(3, 2, 2, 3), normal(3))
    y = layer.forward(normal(1, 2, 4, 5))
    dout = normal(*y.shape)
    dx, W = layer.backward(dout), layer.params["W"].reshape(3, -1)
    names = {
        "W": W,
        "windows": layer.windows,
        "b": layer.params["b"][:, None],
        "dout": dout.reshape(3, -1),
    }
    wanted = {"y": y.reshape(3, -1), "dW": layer.grads["W"].reshape(3, -1), "db": layer.grads["b"]}
    places = layer.places((1, 2, 4, 5)).reshape(
        -1, W.shape[1]
    )  # "a pixel adds up what its windows got"

    def pixels(found):
        back = np.zeros(2 * 4 * 5)
        np.add.at(back, places, found["dwindows"].T)
        return {"dx": back.reshape(dx.shape)}

    return names, wanted | {"dx": dx}, pixels


def case_of_pooling():
    x, dout = np.array([1.0, 3, 3, 2]), 5.0  # with a tie
    pool = guests.MaxPool2D(2)
    y = pool.forward(x.reshape(1, 1, 2, 2))
    back = pool.backward(np.full(y.shape, dout))
    return {"window": x, "dout": dout}, {"y": y.item(), "dwindow": back.ravel()}


def case_of_embedding():
    table, words = guests.Embedding(normal(4, 3)), np.array([2, 0, 2])
    y, dout = table.forward(words), normal(3, 3)
    table.backward(dout)
    return {"W": table.params["W"], "words": words, "dout": dout}, {"y": y, "dW": table.grads["W"]}


def case_of_attention():
    layer = guests.Attention(np.eye(9)[:, :3], np.eye(9)[:, 3:6], np.eye(9)[:, 6:])
    x, dout = normal(4, 9), normal(4, 3)
    y = layer.forward(x)
    dQ, dK, dV = np.split(layer.backward(dout), 3, axis=1)
    names = {"Q": layer.Q, "K": layer.K, "V": layer.V, "root": np.sqrt(3), "dout": dout}
    return names, {"y": y, "dQ": dQ, "dK": dK, "dV": dV}


CASES = {
    "fork": case_of_fork,
    "add": lambda: case_of_node(Add()),
    "multiply": lambda: case_of_node(Multiply()),
    "ReLU": lambda: layer_case(ReLU()),
    "sigmoid": lambda: layer_case(Sigmoid()),
    "tanh": lambda: layer_case(Tanh()),
    "affine": lambda: layer_case(Affine(normal(3, 2), normal(2))),
    "softmax with loss": lambda: case_of_loss(SoftmaxWithLoss(), "a"),
    "identity with loss": lambda: case_of_loss(IdentityWithLoss(), "y"),
    "dropout": lambda: layer_case(guests.Dropout(0.5, np.random.default_rng(1)), mask=1),
    "batch normalisation": lambda: layer_case(
        guests.BatchNorm(np.array([2.0, 0.5, -1]), normal(3)), std=1
    ),
    "convolution": case_of_convolution,
    "max pooling": case_of_pooling,
    "embedding": case_of_embedding,
    "attention": case_of_attention,
}


def test_every_rule_of_the_notation_has_a_case_here():
    assert RULES.keys() == CASES.keys()


@pytest.mark.parametrize("name", CASES)
def test_a_rule_of_the_notation_gives_what_the_package_gives(name):
    names, wanted, *after = CASES[name]()
    forward, backward = RULES[name]
    found = {"np": np, "softmax": softmax} | names
    exec("\n".join(forward + backward), found)
    for further in after:
        found |= further(found)
    for key, value in wanted.items():
        np.testing.assert_allclose(found[key], value, rtol=1e-12, atol=1e-12, err_msg=key)
