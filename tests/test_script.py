"""The script by itself: it shows, draws, computes and says what Python does."""

import gzip
import json
import math
import re
from pathlib import Path

import numpy as np
import pytest
from profiles import generator, times

from chainrule import nodes
from chainrule.drawing import heat
from chainrule.graph import Variable, exp, log, maximum, sigmoid, sum_, tanh
from chainrule.layers import Affine, ReLU, Sigmoid, Tanh
from chainrule.losses import IdentityWithLoss, SoftmaxWithLoss
from chainrule.mistakes import GUESSES, evaluate, explain_guess
from chainrule.narration import display, fit
from chainrule.network import Network
from chainrule.nodes import Power
from chainrule.trace import trace_graph, trace_network
from chainrule.widgets import Stepper, page
from chainrule.widgets.shorter import roles_of, shorter, tokens_of, units_of
from chainrule.widgets.sphinx_extension import kinds_in

BOOK = Path(__file__).parents[1] / "book"


def test_python_and_script_show_every_number_alike(module):
    rng = np.random.default_rng(0)
    numbers = [0.0, 1234.5, -1234.5, 0.5, 999999.5, 1e6, 9.9995, 1e-4, 9.99995e-5, 2.5e-5]
    numbers += (rng.normal(size=2000) * 10.0 ** rng.integers(-12, 12, 2000)).tolist()
    numbers += (rng.integers(-(10**7), 10**7, 1000) / 8).tolist()
    for digits in (3, 4):
        script = "([numbers, digits]) => numbers.map((number) => chainrule.display(number, digits))"
        shown = module.evaluate(script, [numbers, digits])
        assert shown == [display(number, digits) for number in numbers]
    for room in range(3, 8):
        script = "([numbers, room]) => numbers.map((number) => chainrule.fit(number, room))"
        assert module.evaluate(script, [numbers, room]) == [fit(number, room) for number in numbers]


@pytest.mark.parametrize("shape", [(9,), (9, 10), (30, 64), (3, 0), (5, 2, 3)])
def test_python_and_script_draw_the_same_heat_picture(module, shape):
    array = np.random.default_rng(0).integers(-50, 50, shape).astype(float)
    found = module.evaluate(
        "([shape, data]) => chainrule.heat({ shape, data })", [list(shape), array.ravel().tolist()]
    )
    assert found == heat(array)[2]


def random_expression(rng):
    """A random graph of all operations, with forks, broadcasting, large and small numbers."""
    leaves = [
        Variable(float(rng.normal() * 10.0 ** rng.integers(-3, 4)), f"s{k}") for k in range(2)
    ]
    shapes = [(3,), (2, 3), (2, 1), (1,), ()]
    for k in range(3):
        shape = shapes[rng.integers(len(shapes))]
        leaves.append(Variable(rng.normal(size=shape), f"a{k}"))
    leaves.append(Variable(rng.normal(size=(2, 3)), "m"))
    made = list(leaves)
    while len(made) < len(leaves) + rng.integers(3, 9):
        x, y = made[rng.integers(len(made))], made[rng.integers(len(made))]
        try:
            np.broadcast_shapes(np.shape(x.value), np.shape(y.value))
        except ValueError:
            continue
        made.append(random_node(rng, x, y))
    total = None
    for variable in made[len(leaves) :]:
        part = sum_(variable)
        total = part if total is None else total + part
    return total


def random_node(rng, x, y):
    choice = rng.integers(16)
    if choice > 10 and np.ndim(x.value):
        return random_move(rng, x)
    if choice == 0:
        return x + y
    if choice == 1:
        return x - y
    if choice == 2:
        return x * y
    if choice == 3:
        return x / (y * y + 0.5)
    if choice == 4:
        return -x
    if choice == 5:
        return x ** float(rng.integers(0, 4))
    if choice == 6:
        return exp(tanh(x * 0.1))
    if choice == 7:
        return log(y * y + 0.1)
    if choice == 8:
        return maximum(x, y * 0.5 + 0.001)
    if choice == 9 and np.shape(x.value) == (2, 3):
        return x @ Variable(rng.normal(size=(3, 2)), f"w{rng.integers(10**9)}")
    axis = None if np.ndim(x.value) == 0 else int(rng.integers(np.ndim(x.value)))
    return sum_(sigmoid(x * 0.1), axis=axis, keepdims=bool(rng.integers(2)))


def random_move(rng, x):
    """Numbers that move, or of which one is made, over any axes; an entry may be taken twice."""
    x = x + Variable(rng.normal(size=x.shape), f"n{rng.integers(10**9)}")  # no ties
    axes = tuple(rng.permutation(x.value.ndim)[: rng.integers(1, 3)].tolist())
    keepdims = bool(rng.integers(2))
    rows = rng.integers(-len(x.value), len(x.value), 4)
    return [
        lambda: x.reshape(-1, 1),
        lambda: x.transpose(*rng.permutation(x.value.ndim).tolist()),
        lambda: x[rows],
        lambda: x[..., -1],
        lambda: x[x.value >= x.value.mean()],
        lambda: x.mean(axes, keepdims),
        lambda: x.max(axes, keepdims),
        lambda: x.max(),
    ][rng.integers(8)]()


def as_array(data):
    if data is None or isinstance(data, (int, float)):
        return data
    return np.array(data["data"], float).reshape(data["shape"])


RUN = """traces => JSON.stringify(traces.map((text) => {
    const run = new chainrule.Run(JSON.parse(text));
    run.set(chainrule.compute(run.trace, run.values));
    return run.values.map((value, i) => [value, run.gradient(i) ?? null]);
}))"""


def test_the_browser_computes_what_python_computes(module):
    """400 random graphs, or 20,000: values and gradients agree to 1e-12 of the largest term of their sums."""
    rng = generator(1)
    for _ in range(4 * times()):
        traces = []
        while len(traces) < 100:
            with np.errstate(all="ignore"):
                trace = trace_graph(random_expression(rng))
            finite = all(np.all(np.isfinite(v.grad)) for v in trace.variables)
            if finite and away_from_kinks(trace):
                traces.append(trace)
        assert_the_browser_agrees(module, traces)


def random_network(rng):
    """Affine layers of 1 to 8 units with all activations, either loss, labels or shares; 1 to 6 samples."""
    sizes = rng.integers(1, 9, rng.integers(2, 5))
    layers = {}
    for k, (D, M) in enumerate(zip(sizes, sizes[1:], strict=False), 1):
        layers[f"Affine{k}"] = Affine(rng.normal(size=(D, M)), rng.normal(size=M))
        kind = [ReLU, Sigmoid, Tanh][rng.integers(3)]
        layers[f"{kind.__name__}{k}"] = kind()
    N, C = rng.integers(1, 7), sizes[-1]
    x = rng.normal(size=(N, sizes[0]))
    if rng.integers(2):
        return Network(layers, IdentityWithLoss()), x, rng.normal(size=(N, C))
    t = rng.integers(0, C, N) if rng.integers(2) else rng.dirichlet(np.ones(C), N)
    return Network(layers, SoftmaxWithLoss()), x, t


def test_the_browser_computes_random_networks_as_python_does(module):
    rng = generator(3)
    for _ in range(times()):
        traces = [trace_network(*random_network(rng)).nodes for _ in range(100)]
        assert_the_browser_agrees(module, [trace for trace in traces if away_from_kinks(trace)])


def assert_the_browser_agrees(module, traces):
    found = json.loads(module.evaluate(RUN, [trace.to_json() for trace in traces]))
    for trace, results in zip(traces, found, strict=True):
        for i, (variable, (got, grad)) in enumerate(zip(trace.variables, results, strict=True)):
            assert_close(got, variable.value, terms_of_value(trace, i))
            if trace.received(i, len(trace)):
                assert_close(grad, variable.grad, terms_of_gradient(trace, i))


def away_from_kinks(trace):
    for variable in trace.variables:
        if variable.op == "Maximum":
            x, y = (trace.variables[i].value for i in variable.inputs)
            if np.any(np.abs(np.asarray(x) - y) < 1e-9):
                return False
    return True


def largest(*values):
    return max(float(np.max(np.abs(v), initial=0.0)) for v in values)


def largest_product(a, b):
    """The largest term in any sum of the matrix product a @ b."""
    return largest(np.abs(a)[:, :, np.newaxis] * np.abs(b)[np.newaxis, :, :])


def terms_of_value(trace, i):
    """The largest term in the sums that made this value."""
    variable = trace.variables[i]
    inputs = [trace.variables[k].value for k in variable.inputs]
    if variable.op == "MatMul":
        return largest_product(*inputs)
    return (
        largest(*inputs)
        if variable.op in ("Add", "Subtract", "Sum", "Mean")
        else largest(variable.value)
    )


def terms_of_gradient(trace, i):
    """The largest term in the sums that made this gradient: over uses, rows and stretched axes."""
    uses = [v for v in trace.variables if i in v.inputs]
    return max([largest(trace.variables[i].grad), *(handed(trace, use, i) for use in uses)])


def handed(trace, use, i):
    """The largest term that the node of `use` hands to variable i, before anything is summed."""
    x, *rest = (np.asarray(trace.variables[k].value) for k in use.inputs)
    y = rest[0] if rest else use.options.get("exponent")
    dout, z = np.asarray(use.grad), np.asarray(use.value)
    if use.op == "MatMul":
        return largest_product(dout, y.T) if use.inputs[0] == i else largest_product(x.T, dout)
    with np.errstate(all="ignore"):
        slopes = {
            "Multiply": lambda: (y, x),
            "Divide": lambda: (1 / y, x / y / y),
            "Power": lambda: (y * x ** (y - 1), z * np.log(x)),
            "Exp": lambda: (z,),
            "Log": lambda: (1 / x,),
        }.get(use.op, lambda: (1.0, 1.0))()
    if use.op == "Sum":
        return largest(dout)
    return max(largest(dout * s) for k, s in zip(use.inputs, slopes, strict=False) if k == i)


def assert_close(got, wanted, scale):
    assert np.shape(as_array(got)) == np.shape(wanted)
    assert largest(np.asarray(as_array(got)) - wanted) <= 1e-12 * scale


@pytest.mark.parametrize(
    ("x", "y"), [(0.0, 0.0), (-0.0, 0.0), (2.0, 2.0), (math.inf, 1.0), (1.0, 2.0)]
)
def test_a_tie_goes_to_the_second_input_in_both(module, x, y):
    trace = trace_graph(maximum(Variable(x, "x"), Variable(y, "y")))
    got = module.evaluate(
        """text => {
            const run = new chainrule.Run(JSON.parse(text));
            run.set(chainrule.compute(run.trace, run.values));
            return run.contributions.at(-1).map(Number);
        }""",
        trace.to_json(),
    )
    assert got == [trace.variables[0].grad, trace.variables[1].grad]


@pytest.mark.parametrize("axis", [None, 0, 1, (1, 0)])
@pytest.mark.parametrize("x", [[[2.0, 2.0], [2.0, 1.0]], [[1.0, math.nan], [math.nan, 0.0]]])
def test_of_several_largest_entries_the_first_wins_in_both(module, x, axis):
    trace = trace_graph(sum_(Variable(x, "x").max(axis)))
    got = json.loads(module.evaluate(RUN, [trace.to_json()]))[0][0][1]
    assert as_array(got).tolist() == trace.variables[0].grad.tolist()
    assert np.sum(trace.variables[0].grad) == (1 if axis in (None, (1, 0)) else 2)


def vectors():
    """A dot product, what is stretched, and forks of short and of long vectors."""
    for size in (3, 5):
        x, b = Variable(np.arange(1.0, size + 1), "x"), Variable(2.0, "b")
        for made in (x + b, x - b, x * b, b / x, maximum(x, b)):
            yield (made * x) @ (x / sum_(x))


def arrays():
    """What ends in an array, whose gradient is given."""
    x, W = Variable(np.arange(6.0).reshape(2, 3), "x"), Variable(np.ones((3, 2)), "W")
    yield maximum(x, 1.0)
    yield x @ W + Variable(np.ones(2), "b")


def test_python_and_script_say_every_sentence_alike(module):
    rng = generator(2)
    with np.errstate(all="ignore"):
        made = [Stepper(random_expression(rng)) for _ in range(60 * times())]
    given = [trace_graph(y, np.full_like(y.value, 2.0)) for y in arrays()]
    for stepper in [*made, *map(Stepper, vectors()), *map(Stepper, given)]:
        said = module.evaluate(
            """text => {
                const run = new chainrule.Run(JSON.parse(text));
                return Array.from({ length: run.last + 1 }, (_, k) => {
                    const [title, parts] = run.sentence(k);
                    return `${title} ${parts.map((p) => p[1]).join("")}`;
                });
            }""",
            stepper.trace.to_json(),
        )
        assert said == [stepper.trace.sentence(k) for k in range(len(stepper.trace) + 1)]


# ---------------------------------------------------------------- wrong guesses


@pytest.mark.parametrize("op", [op for op in GUESSES if op])
def test_python_and_script_know_the_same_mistakes(op, module):
    x, y, dout = 3.7, 2.3, -1.9
    node = Power(y) if op == "Power" else getattr(nodes, op)()
    inputs = (x, y) if op in ("Add", "Subtract", "Multiply", "Divide", "Maximum", "Power") else (x,)
    output = node.forward(*(inputs[:1] if op == "Power" else inputs))
    gradients = node.backward(dout)
    ports = range(-1, len(gradients))
    rows = [*GUESSES[op], *GUESSES[""]]
    for port, formula in [
        (p, f) for p in ports for q, f, _ in rows if q == p or (q is None and p >= 0)
    ]:
        answer = output if port == -1 else gradients[port]
        numbers = {"x": x, "y": y, "z": output, "dout": dout, "right": answer}
        numbers["own"] = y if port == 1 else x
        guess = evaluate(formula, numbers)
        question = {"op": op, "port": port, "numbers": numbers, "answer": answer}
        said = module.evaluate("([q, guess]) => chainrule.mistake(q, guess)", [question, guess])
        if abs(guess - question["answer"]) > 0.05 * abs(question["answer"]):
            assert said == (explain_guess(op, inputs, output, dout, port, guess) or "")


# ---------------------------------------------------------------- weight


def figures_of_each_page():
    """For each source of the book, the kinds of figures that it makes, and the groups of their operations."""
    for path in sorted([*BOOK.rglob("*.ipynb"), *BOOK.rglob("*.md")]):
        if ".ipynb_checkpoints" in path.parts:
            continue
        text = path.read_text(encoding="utf-8")
        if path.suffix == ".md":  # its figures are made when the book is built
            kinds = tuple(k for k in page.KINDS if f"{k.capitalize()}(" in text)
            kinds += ("layers", "losses", "products") if "stepper" in kinds else ()
        else:
            kinds = kinds_in(page.unpacked(text.replace('\\"', '"')))
        if kinds:
            yield pytest.param(kinds, id=path.name)


@pytest.mark.parametrize("kinds", list(figures_of_each_page()))
def test_script_and_style_of_a_page_are_light(kinds):
    sizes = [len(gzip.compress(text.encode())) for text in (page.loader(kinds), page.style(kinds))]
    assert sum(sizes) <= 32_000


def test_short_names_change_names_alone():
    """Templates, keys, shorthands, methods, regular expressions and text stay what they are."""
    source = """export const first = (value, { deep, other = 2 }) => ({ value, deep, key: other ? value : deep });
let one, another;
const digits = (text, d) => {
  return /^\\d+e$/.test(text) ? { d } : [d,
    text,];
};
function apart(other) {
  const value = 2
    - -other;
  return value;
}
class Kind {
  method(item) { return this.method ? `${item.name} = ${`<${item}>`}` : /[a-z"]+/.test(item); }
}
export function hydrate(place) {
  one = new Kind();
  another = first(place, { deep: one });
  return another && { parts: [`${place}${one} = `], lit: another.lit - -1 };
}
"""
    short = shorter(source)
    assert "".join(text for _, text in tokens_of(source)) == source
    assert len(short) < 0.8 * len(source)
    for kept in (
        "value:",
        "deep:",
        "key:",
        "method(",
        '/[a-z"]+/',
        ".name} = ${`<${",
        "function hydrate(",
        "- -1",
        r"return/^\d+e$/",
    ):
        assert kept in short, kept
    assert "another" not in short and short.count("export") == 1
    assert "value" not in short.replace("value:", "")


def test_no_name_of_the_module_is_taken_for_a_function_s_own():
    """The first keep their short name everywhere; the second get theirs anew in each function."""
    source = page.module()
    tokens = [
        token
        for token in tokens_of(re.sub(r"^export ", "", source, flags=re.M))
        if token[0] != "blank"
    ]
    texts = [text for _, text in tokens]
    named = [
        (text, unit)
        for text, unit, role in zip(
            texts, units_of(tokens, texts), roles_of(tokens, texts), strict=True
        )
        if role in ("variable", "shorthand")
    ]
    outer = {text for text, unit in named if unit is None}
    declared = {
        name
        for script in page.SCRIPTS
        for name in re.findall(
            r"^(?:export )?(?:function|class|const|let) (\w+)",
            page.read("script", f"{script}.js"),
            flags=re.M,
        )
    }
    assert len(declared) > 100 and declared - {"hydrate"} <= outer


def test_names_that_a_module_takes_out_of_brackets_are_refused():
    with pytest.raises(ValueError, match="on its own"):
        shorter("const [one, two] = [1, 2];\n")


def test_no_global_gets_a_short_name(browser):
    """Whatever a browser has by that name is a variable of ours, declared where it is used."""
    tokens = [token for token in tokens_of(page.module()) if token[0] != "blank"]
    texts = [text for _, text in tokens]
    names = {
        t
        for t, role in zip(texts, roles_of(tokens, texts), strict=True)
        if role in ("variable", "shorthand")
    }
    fresh = browser.new_page()  # what other tests left behind is no global of a browser
    found = fresh.evaluate("names => names.filter((name) => name in globalThis)", sorted(names))
    fresh.close()
    assert set(found) <= {"event", "length", "name", "open", "scroll", "stop", "top", "chainrule"}


@pytest.mark.parametrize("kind", page.KINDS)
def test_the_script_of_one_kind_of_figure_stands_alone(kind, browser):
    view = browser.new_page()
    found = view.evaluate(
        """async (source) => {
            const address = URL.createObjectURL(new Blob([source], { type: "text/javascript" }));
            return Object.keys(await import(address));
        }""",
        shorter(page.module((kind,))),
    )
    view.close()
    assert set(found) == {"hydrate"}


def test_a_stepper_of_thirty_nodes_is_light():
    rng = np.random.default_rng(0)
    made = [Variable(float(rng.normal()), f"x{k}") for k in range(5)]
    while len(made) < 35:
        x, y = made[rng.integers(max(0, len(made) - 9), len(made))], made[-1]
        made.append([x + y, x * y, x - y][rng.integers(3)])
    assert len(Stepper(made[-1]).html) <= 60_000
