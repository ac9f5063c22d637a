"""What the appendix *Making it fast* shows and measures, tried on more than it tries."""

import re
from pathlib import Path

import nbformat
import numpy as np
import pytest

from chainrule.graph import Variable, relu
from chainrule.network import two_layer_net
from chainrule.training import SGD

ROOT = Path(__file__).parents[1]
BOOK = ROOT / "book"


@pytest.fixture(scope="module")
def shown():
    """What the cells of the appendix define."""
    notebook = nbformat.read(BOOK / "appendix_making_it_fast.ipynb", as_version=4)
    names = {"np": np}
    for cell in notebook.cells:
        if cell.id in ("chF-floor-count", "chF-hand-code", "chF-ex4-code"):
            exec(cell.source, names)
    return names


def steps(step, net, x, t, lr, count=5):
    params = [p.copy() for p in net.params.values()]
    for _ in range(count):
        step(params, x, t, lr)
    return params


@pytest.mark.parametrize("sizes", [(3, 4, 2), (7, 1, 5), (20, 30, 10)])
@pytest.mark.parametrize("lr", [0.01, 1.0])
def test_the_step_by_hand_moves_as_the_network_does_and_the_thrifty_one_does_not(shown, sizes, lr):
    rng = np.random.default_rng(sum(sizes))
    net = two_layer_net(*sizes, rng)
    x, t = rng.normal(size=(6, sizes[0])), np.eye(sizes[2])[rng.integers(sizes[2], size=6)]
    by_hand = steps(shown["my_step"], net, x, t, lr)
    thrifty = steps(shown["my_thrifty_step"], net, x, t, lr)
    for _ in range(5):
        SGD(lr).update(net.params, net.gradient(x, t))
    for ours, mine in zip(net.params.values(), by_hand, strict=True):
        np.testing.assert_allclose(mine, ours, rtol=0, atol=1e-12)
    first = net.params["Affine1.W"]
    assert np.linalg.norm(thrifty[0] - first) > 1e-6 * np.linalg.norm(first)


@pytest.mark.parametrize("seed", range(20))
def test_the_tape_has_the_gradients_of_the_graph(monkeypatch, seed):
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    from number_tape import Tape

    rng, tape = np.random.default_rng(seed), Tape()
    made = [(tape.number(v), Variable(v)) for v in rng.normal(size=3).tolist()]
    leaves = list(made)
    for _ in range(40):
        (i, x), (j, y) = (made[k] for k in rng.integers(max(0, len(made) - 6), len(made), size=2))
        pairs = [(tape.add(i, j), x + y), (tape.multiply(i, j), x * y), (tape.relu(i), relu(x))]
        made.append(pairs[rng.integers(3)])
    at, out = made[-1]
    out.backward()
    grads = tape.backward(at)
    assert tape.values[at] == out.value
    for i, leaf in leaves:
        wanted = 0.0 if leaf.grad is None else leaf.grad  # None where the output does not use it
        assert grads[i] == pytest.approx(wanted, rel=1e-12, abs=1e-300)


def test_a_product_multiplies_as_often_as_is_counted(shown):
    x, W = np.ones((4, 3), object), np.ones((3, 2), object)

    class Counted(int):
        calls = 0

        def __mul__(self, other):
            Counted.calls += 1
            return 1

        __rmul__ = __mul__

    x[:] = Counted(1)
    x @ W
    assert Counted.calls == shown["multiplications"]([3, 2], 4)["Affine1: x W"] == 24


def test_the_multiples_and_times_in_the_text_are_those_of_the_speed_page():
    """Within a tenth: the page is measured anew now and then, and a word like "a twentieth" need not move with it."""
    page = (BOOK / "reference" / "speed.md").read_text(encoding="utf-8").replace("\u2011", "-")
    text = "\n".join(
        cell.source
        for cell in nbformat.read(BOOK / "appendix_making_it_fast.ipynb", as_version=4).cells
        if cell.cell_type == "markdown"
    )

    steps = [
        line.split("|")[1:-1]
        for line in page.splitlines()
        if re.match(r"\| (net|NumPy by hand|chainrule)\b.*<br>", line)
    ]

    def of_page(net, name):
        column = next(
            k for k, head in enumerate(steps[0]) if re.match(rf" {net}<br>\d+,\sfloat64", head)
        )
        row = next(row for row in steps if row[0].strip() == name)
        return float(re.search(r"[\d.]+", row[column])[0])

    def graph(engine):
        row = re.search(rf"(?m)^\| {engine} \|.*$", page)[0].split("|")
        number, unit = row[6].split()
        return float(number) / (1000 if unit == "ns" else 1)

    table = re.findall(r"(?m)^\| (\d[\d-]+) \| \d+ \| ([\d.]+) \| ([\d.]+) \|$", text)
    assert len(table) == 3
    *numbers, tape = re.findall(r"(?m)^\| the [^|]*\| ([\d.]+) \|$", text)
    pairs = [
        *((told, of_page(net, "NumPy by hand")) for net, told, _ in table),
        *((told, of_page(net, "chainrule")) for net, _, told in table),
        *zip(numbers, (graph(rf"chainrule \| 69,118 \| {c}") for c in ("on", "off")), strict=True),
        (tape, graph(r"tape \| 65,818 \| on")),
    ]
    for told, measured in pairs:
        assert float(told) == pytest.approx(measured, rel=0.1)
