"""Any network that trains can be traced, drawn, told and stepped, whatever its layers are made of."""

import functools
from types import SimpleNamespace

import numpy as np
import pytest

from chainrule import layers
from chainrule.drawing import draw, figure_html
from chainrule.graph import Variable, apply, maximum
from chainrule.losses import IdentityWithLoss, SoftmaxWithLoss
from chainrule.network import Network
from chainrule.trace import Trace, trace_graph, trace_network
from chainrule.widgets import Stepper

D = 3


class Affine:
    """Called like one of ours, and without a bias."""

    def __init__(self, rng):
        self.params, self.grads = {"W": rng.normal(size=(D, D))}, {}

    def forward(self, x):
        self.x = x
        return x @ self.params["W"]

    def backward(self, dout):
        self.grads["W"] = self.x.T @ dout
        return dout @ self.params["W"].T


def linear(rng):
    """Another class of the name Linear at every call, with parameters whose keys are no texts."""

    class Linear(Affine):
        def __init__(self, rng):
            super().__init__(rng)
            self.params = {0: self.params.pop("W"), ("b", 1): np.zeros(D), "n": np.int64(3)}

        def forward(self, x):
            self.x = x
            return x @ self.params[0] + self.params["b", 1]

        def backward(self, dout):
            self.grads = {0: self.x.T @ dout, ("b", 1): dout.sum(axis=0)}
            return dout @ self.params[0].T

    return Linear(rng)


class Lambdas:
    forward = lambda self, x: 2 * x  # noqa: E731
    backward = lambda self, dout: 2 * dout  # noqa: E731


def namespace(rng):
    return SimpleNamespace(forward=lambda x: x + 1, backward=lambda dout: dout)


def partials(rng):
    return SimpleNamespace(forward=functools.partial(np.multiply, 3), backward=np.negative)


def without_source(rng):
    made = {}
    exec(
        "class Typed:\n def forward(self, x): return x\n def backward(self, dout): return dout",
        made,
    )
    return made["Typed"]()


def patched(rng):
    relu = layers.ReLU()
    relu.backward = lambda dout: dout
    return relu


class Pair:
    """Hands on two arrays of two shapes."""

    params = grads = None

    def forward(self, x):
        return x, x[:1]

    def backward(self, dout):
        return dout[0]


class Unpair:
    def forward(self, pair):
        return pair[0]

    def backward(self, dout):
        return dout, None


def pair(rng):
    return [Pair(), Unpair()]


class InPlace:
    def forward(self, x):
        x *= 0.5
        return x

    def backward(self, dout):
        return dout * 0.5


class ReLU(layers.ReLU):
    """Inherits, and does something else."""

    def backward(self, dout):
        return dout


class constructor:  # noqa: N801, a name that every object of JavaScript knows
    def forward(self, x):
        return np.tanh(x)

    def backward(self, dout):
        return dout


class start(constructor):  # noqa: N801, a word of the narration's own table
    pass


class BadExpand(constructor):
    def expand(self, x):
        return x * 3.0


class NoExpand(constructor):
    def expand(self, x):
        raise KeyError("not here")


class NothingBack(constructor):
    def backward(self, dout):
        return 0.0


def plain(cls):
    return lambda rng: cls()


MAKERS = [
    Affine, linear, namespace, partials, without_source, patched, pair,
    *map(plain, [Lambdas, InPlace, ReLU, constructor, start, BadExpand, NoExpand]),
    *map(plain, [layers.ReLU, layers.Sigmoid]),
    lambda rng: layers.Affine.init(D, D, rng),
    lambda rng: layers.Affine(rng.normal(size=(D, D))),
]  # fmt: skip


class Loss:
    """No relation of ours, and without `expand`."""

    def forward(self, a, t):
        self.a, self.t = np.asarray(a), t
        return np.float32(np.mean(self.a))

    def backward(self, dout=1.0):
        return np.full(self.a.shape, dout / self.a.size)


class Loop:
    """A network of the reader's own: names of any kind, and walks of another form."""

    def __init__(self, layers, loss):
        self.layers, self.loss_layer = layers, loss

    def forward_steps(self, x, t):
        return iter([*self.run(x), ("loss", self.loss_layer.forward(self.out, t))])

    def run(self, x):
        self.out = x
        for name in self.layers:
            self.out = self.layers[name].forward(self.out)
            yield name, self.out

    def backward_steps(self, dout=1.0):
        yield "seed", dout
        dout = self.loss_layer.backward(dout)
        yield "loss", dout
        for name in [*self.layers][::-1]:
            dout = self.layers[name].backward(dout)
            yield name, dout


NAMES = ["x", "t", "loss", "seed", 0, "1", 1, "", "a.W", "a", "shifted", "v1", "<b>", None, "x (2)"]


def random_network(rng):
    pieces = []
    for _ in range(rng.integers(1, 6)):
        made = MAKERS[rng.integers(len(MAKERS))](rng)
        pieces += made if isinstance(made, list) else [made]
    names = rng.permutation(np.array(NAMES, dtype=object))[: len(pieces)]
    n = int(rng.choice([1, 2, 9, 12]))
    x = rng.normal(size=(n, D))
    t = rng.integers(0, D, n)
    if rng.integers(2):
        x = (255 * np.abs(x)).astype(np.float32)
    loss = [Loss(), SoftmaxWithLoss()][rng.integers(2)]
    if rng.integers(4) == 0:
        pieces.insert(0, NothingBack())  # nobody asks for the gradient of the images
    return Loop(dict(zip(names, pieces, strict=False)), loss), x, t


def check(trace):
    assert Trace.from_json(trace.to_json()) == trace
    for step in range(len(trace) + 1):
        assert trace.sentence(step)
    assert draw(trace, len(trace) // 2).endswith("</svg>") and repr(trace)
    assert figure_html(trace).startswith("<figure")
    names = [v.name for v in trace.variables]
    assert len({*names}) == len(names)


SENTENCES = """text => {
    const run = new chainrule.Run(JSON.parse(text));
    return Array.from({ length: run.last + 1 }, (_, now) => {
        const [title, parts] = run.sentence(now);
        return `${title} ${parts.map(([, text]) => text).join("")}`;
    });
}"""


@pytest.mark.parametrize("seed", range(30))
def test_a_random_network_of_odd_layers_is_traced_drawn_and_told_alike(seed, module):
    network, x, t = random_network(np.random.default_rng(seed))
    trace = trace_network(network, x.copy(), t)
    check(trace)
    for one in filter(None, [trace, trace.nodes]):
        wanted = [one.sentence(step) for step in range(len(one) + 1)]
        assert module.evaluate(SENTENCES, one.to_json()) == wanted


@pytest.mark.parametrize("seed", range(4))
def test_a_random_network_of_odd_layers_is_stepped(seed, show):
    network, x, t = random_network(np.random.default_rng(100 + seed))
    page = show(Stepper(network, x, t), reduced_motion="reduce")
    figure = page.locator(".chainrule-stepper")
    last = int(figure.get_attribute("data-steps"))
    figure.locator(".chainrule-scroll").focus()
    for step in range(1, last + 1):
        page.keyboard.press("ArrowRight")
        assert figure.get_attribute("data-step") == str(step)
    assert figure.locator(".chainrule-sentence").text_content().strip()


def test_a_class_called_like_ours_is_told_as_the_readers_own():
    rng = np.random.default_rng(0)
    network = Network({"first": Affine(rng), "second": layers.Affine.init(D, D, rng)}, Loss())
    trace = trace_network(network, rng.normal(size=(4, D)), np.zeros(4))
    kinds = {v.name: v.op for v in trace.variables if v.op}
    assert kinds == {"first": "Your Affine", "second": "Affine", "loss": "Loss"}
    assert "return x @ self.params" in trace.code["Your Affine"]["forward"]["lines"][2]
    assert trace.sentence(1) == "Your Affine. Its output is a₁, of shape (4, 3)."


def test_two_classes_of_one_name_keep_their_own_source():
    rng = np.random.default_rng(0)
    pieces = {"a": linear(rng), "b": without_source(rng), "c": linear(rng)}
    trace = trace_network(Network(pieces, Loss()), np.ones((2, D)), np.zeros(2))
    assert [v.op for v in trace.variables if v.op] == ["Linear", "Typed", "Linear (2)", "Loss"]
    assert trace.code["Typed"]["forward"]["lines"] == []


@pytest.mark.parametrize("dtype", [int, np.uint8, np.int64, bool])
def test_many_whole_numbers_are_drawn(dtype):
    """Nine labels, or the pixels of an image: once more than the numbers of a small grid."""
    x = np.arange(90).reshape(9, 10).astype(dtype)
    network = Network({"a": layers.Affine.init(10, 3, np.random.default_rng(0))}, SoftmaxWithLoss())
    labels = np.arange(9) % 3
    check(trace_network(network, x, labels))
    check(trace_network(network, x, labels).nodes)
    assert "(9,)" in draw(trace_network(network, x, labels))


def test_a_layer_may_have_the_name_of_anything_in_the_trace():
    pieces = {name: layers.ReLU() for name in ["x", "t", "loss", "seed", 1, "1"]}
    trace = trace_network(Loop(pieces, SoftmaxWithLoss()), np.ones((2, D)), np.array([0, 1]))
    names = [v.name for v in trace.variables]
    assert names == ["x (2)", "x", "t", "loss", "seed", "1", "1 (2)", "t (2)", "loss (2)"]
    assert trace.nodes is not None and trace.why == ""
    stepper = Stepper(Loop(pieces, SoftmaxWithLoss()), np.ones((2, D)), np.array([0, 1]))
    stepper.inputs = {"x (2)": np.full((2, D), 2.0).tolist(), "t (2)": [2, 2]}
    assert stepper.problem == "" and stepper.trace.variables[1].value.tolist() == [[2.0] * D] * 2


@pytest.mark.parametrize(
    ("piece", "why"),
    [
        (Lambdas(), r"a \(Lambdas\) has no expand"),
        (BadExpand(), "what its layers expand to gives another a"),
        (NoExpand(), r"expand of a \(NoExpand\) does not go"),
        (
            SimpleNamespace(forward=np.abs, backward=np.abs, expand=lambda x: 3),
            "expand of a .* does not go",
        ),
    ],
)
def test_a_network_that_cannot_be_taken_apart_says_why(piece, why):
    network = Network({"a": piece}, IdentityWithLoss())
    x = np.ones((2, D))
    assert trace_network(network, x, x).nodes is None
    with pytest.raises(ValueError, match=f'no level "nodes": {why}'):
        Stepper(network, x, x, level="nodes")


def test_a_node_called_like_ours_is_not_computed_anew_as_ours():
    class Add:
        symbol = 5

        def forward(self, x, y):
            return x - y

        def backward(self, dout):
            return dout, -dout

    trace = trace_graph(apply(Add(), Variable(5.0, "a"), Variable(3.0, "b")))
    check(trace)
    assert trace.variables[-1].op == "Your Add"
    assert trace.sentence(1) == "Your Add. Its output is v1 = 2."
    assert "cannot be changed" not in figure_html(trace)


def test_a_square_and_a_maximum_with_0_are_told_as_what_they_are():
    x = Variable(3.0, "side")
    trace = trace_graph(maximum(x**2, 0.0))
    assert [trace.told(v) for v in trace.variables if v.op] == ["Power.square", "Maximum.gate"]
    assert [trace.sentence(k) for k in (1, 2)] == [
        "Square. 3 × 3 = 9.",
        "ReLU. max(9, 0) = 9.",
    ]
    assert ">ReLU</text>" in draw(trace)
    code = trace.code["Power.square"]["forward"]
    assert [code["lines"][k].strip() for k in code["mark"]] == ["return x**2"]
    others = trace_graph(maximum(x**3, maximum(x, 1.0)))
    assert not {"Power.square", "Maximum.gate"} & others.code.keys()


@pytest.mark.parametrize(
    ("made", "node"),
    [("Power.square", lambda x: x**2), ("Maximum.gate", lambda x: maximum(x, 0.0))],
)
def test_the_short_formula_of_a_special_case_is_what_the_node_computes(made, node):
    from chainrule.sources import SPECIAL

    x, dout = Variable(np.array([-2.0, 0.0, 0.5, 3.0]), "x"), np.array([1.0, 2.0, 3.0, -4.0])
    out, short = node(x), SPECIAL[made]()
    np.testing.assert_array_equal(short.forward(x.value), out.value)
    out.backward(dout)
    np.testing.assert_array_equal(short.backward(dout), x.grad)


def test_a_variable_used_very_often_makes_a_figure_of_reasonable_size():
    """Its gradients are a sum of many terms: no sentence lists them all."""
    x = Variable(1.5, "x")
    sizes = []
    for uses in (200, 400):
        out = x
        for _ in range(uses):
            out = out + x
        sizes.append(len(figure_html(trace_graph(out))))
    assert sizes[1] < 2.3 * sizes[0]
