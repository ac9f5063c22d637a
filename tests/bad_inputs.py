"""The table of inputs that a public callable may meet, and what must come of each.

This module holds what takes an array; `bad_calls` holds the rest, and `make bad-inputs` prints both.

What is wanted follows from a few rules, and never from what the code does:

- Real numbers of any type and layout (lists, integers, booleans, float16 to longdouble, either byte order,
  strided, read-only) give the answer of the same numbers as contiguous float64, which is worked out here
  from a formula; floats keep their type. Objects, text, complex numbers and dates are refused.
- A shape that does not fit is refused, and the message says the shape. An empty batch is a batch, but a
  mean over no sample is none: the losses refuse it.
- Nodes and layers let NaN and infinities through, by the rules of arithmetic and without a warning; too
  large a result is infinite. A loss refuses scores and targets that are no numbers, and so a training run
  that blows up ends there, in words. Minus infinity is a score that softmax understands: probability 0.
- The gate of Maximum passes nothing on where it is closed, not even an infinite gradient. ReLU multiplies
  by 0, as its formula says: what is not finite becomes NaN there.
- True is no count and no size. Each refusal leaves everything as it was.
"""

import math
import warnings
from dataclasses import dataclass
from functools import partial

import numpy as np
from trial import Case, Refused, Right

from chainrule import graph, guests, layers, losses, more_nodes, nodes
from chainrule.graph import Variable
from chainrule.network import Network
from chainrule.numeric import numerical_gradient

N, D, M, C = 3, 4, 2, 4  # C = D, so that the same array serves as x and as scores
X = np.linspace(0.4, 2.6, N * D).reshape(N, D) ** 1.1
Y = X[:, ::-1] - 0.15
W = np.linspace(-1.3, 1.7, D * M).reshape(D, M)
B = np.array([0.5, -0.25])
LEFT = np.linspace(-1.1, 0.9, 2 * N).reshape(2, N)
for constant in (X, Y, W, B, LEFT):
    constant.flags.writeable = False
ONE_HOT = np.eye(C)[[2, 0, 3]]
FLOATS = {"float16": 2e-2, "float32": 2e-5, "longdouble": 1e-12, ">f8": 1e-12, "<f4": 2e-5}


@dataclass(frozen=True)
class Place:
    """One array that a callable takes.

    callable  its public name, and which argument this is
    make      () -> (function of the array, owners)
    good      an array that fits, float64
    formula   the right answer, of a float64 array
    says      what a refusal must name
    fits      shape -> bool
    domain    array -> bool: whether the numbers are allowed
    keeps     whether the answer is one array of the type of this one
    kinds     how a shape that does not fit is refused
    """

    callable: str
    make: object
    good: np.ndarray
    formula: object
    says: str
    fits: object = lambda shape: True
    domain: object = lambda x: True
    keeps: bool = False
    kinds: tuple = (ValueError, TypeError)


def array_cases(place):
    """The cases of one array: its types and layouts, its shapes, its numbers."""
    yield from type_cases(place)
    yield from shape_cases(place)
    yield from number_cases(place)


def case(place, given, value, tolerance=1e-12, dtype=None):
    """The case of an array of real numbers, right or refused by shape and domain."""
    exact = np.array(value, dtype=np.float64)
    if not place.fits(exact.shape):
        wanted = Refused((place.says, shape_words(exact.shape)), place.kinds)
    elif not place.domain(exact):
        wanted = Refused((place.says,), (ValueError,))
    else:
        with np.errstate(all="ignore"):
            wanted = Right(place.formula(exact), tolerance, dtype)

    def make():
        function, owners = place.make()
        return function, (value,), owners

    return Case(place.callable, given, make, wanted)


def shape_words(shape):
    return r"\(" + ", ?".join(map(str, shape)) + r",?\)" if shape else r"\(\)|float|number"


def refused(place, given, value, *words):
    def make():
        function, owners = place.make()
        return function, (value,), owners

    return Case(place.callable, given, make, Refused((place.says, *words)))


def type_cases(place):
    good = place.good
    for name, tolerance in FLOATS.items():
        kept = np.dtype(name).newbyteorder("=") if place.keeps else None
        yield case(place, name, good.astype(name), tolerance, kept)
    kept = np.dtype(float) if place.keeps else None
    for name in ("int64", "int8", "uint8", "bool"):
        value = np.rint(good).astype(name)
        yield case(place, name, value, dtype=kept)
    yield case(place, "lists", good.tolist())
    yield case(place, "tuples", tuple(map(tuple, good.tolist())) if good.ndim == 2 else good)
    yield case(place, "Fortran order", np.asfortranarray(good))
    yield case(place, "strided", np.repeat(good, 2, axis=-1)[..., ::2])
    yield case(place, "reversed", good[::-1].copy()[::-1] if good.ndim else good)
    frozen = good.copy()
    frozen.flags.writeable = False
    yield case(place, "read-only", frozen)
    yield case(place, "a subclass", good.view(Subclass))
    if place.callable != "array ** Variable":  # a matrix does that itself, its own way
        yield case(place, "a matrix", matrix(good))
    yield case(place, "a mask that hides nothing", np.ma.masked_array(good))
    yield case(place, "a memoryview", memoryview(good.copy()))
    yield refused(place, "a mask", np.ma.masked_array(good, good == good.flat[0]), "mask")
    yield refused(place, "an integer too large", 10**400, "larger|alone|object")
    yield refused(place, "objects", good.astype(object), "object")
    yield refused(place, "text in an array", good.astype(str), "str|<U")
    yield refused(place, "text", "three", "str")
    yield refused(place, "bytes", b"three", "bytes")
    yield refused(place, "complex", good.astype(complex), "complex")
    yield refused(place, "dates", np.zeros(good.shape, "M8[s]"), "datetime")
    if place.callable != "Affine b":  # a layer without a bias
        yield refused(place, "None", None, "None|alone")
    yield refused(place, "a dict", {"x": 1.0}, "dict")
    yield refused(place, "a set", {1.0, 2.0}, "set")
    yield refused(place, "a generator", iter([1.0]), "iterator|object")
    yield refused(place, "a ragged list", [[1.0, 2.0], [3.0]], "ragged|list")
    yield refused(place, "a class", layers.ReLU, "type|object")


def matrix(array):
    """A `numpy.matrix`, as old homework has them; for an array without two axes the array itself."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PendingDeprecationWarning)
        return np.asmatrix(array) if array.ndim == 2 else array


class Subclass(np.ndarray):
    """An array of somebody's own kind; its numbers are what counts."""


def shape_cases(place):
    good = place.good
    rows = np.atleast_2d(good)
    shapes = {
        "a number": good.flat[0].item(),
        "an array without axes": np.array(good.flat[0]),
        "one number in an array": good.ravel()[:1],
        "one row": rows[0],
        "one row as a batch": rows[:1],
        "the first column": rows[:, :1],
        "too many columns": np.hstack([rows, rows[:, :1]]),
        "too few columns": rows[:, 1:],
        "twice the batch": np.vstack([rows, rows]),
        "transposed": rows.T,
        "an axis more, behind": good[..., np.newaxis],
        "an axis more, in front": good[np.newaxis],
        "an empty batch": rows[:0],
        "no columns": rows[:, :0],
        "nothing": np.zeros(0),
        "nothing at all": np.zeros((0, 0)),
    }
    for name, value in shapes.items():
        yield case(place, name, value)


def number_cases(place):
    for name, number in {
        "a NaN": np.nan,
        "an infinity": np.inf,
        "minus infinity": -np.inf,
        "a huge number": 1e308,
        "a tiny number": 5e-324,
        "a zero": 0.0,
        "a minus zero": -0.0,
        "a negative number": -1.5,
    }.items():
        value = np.array(place.good, float)
        value.flat[0] = number
        yield case(place, name, value)
    value = np.array(place.good, float)
    value.flat[0], value.flat[-1] = np.inf, -np.inf
    yield case(place, "both infinities", value)
    yield case(place, "huge numbers", np.full(place.good.shape, 1.7e308))


# ---------------------------------------------------------------- nodes and graph


def accepted(function, *others):
    """shape -> whether NumPy's `function` takes an array of that shape in the place of the None."""

    def fits(shape):
        try:
            function(*filled(others, np.ones(shape)))
        except ValueError:
            return False
        return True

    return fits


def filled(inputs, value):
    return [value if one is None else one for one in inputs]


def has_axis(axis):
    return lambda shape: axis is None or axis < len(shape)


def tie_to_y(dout, x, y):
    return np.where(x > y, dout, 0.0), np.where(x > y, 0.0, dout)


NONZERO = lambda y: not np.any(y == 0)  # noqa: E731
POSITIVE = lambda x: not np.any(x <= 0)  # noqa: E731

# (name, node, the inputs with None for the one that varies, forward, backward, domain)
NODES = [
    ("Add", nodes.Add, (None, Y), np.add, lambda g, x, y: (g, g)),
    ("Add", nodes.Add, (X, None), np.add, None),
    ("Subtract", nodes.Subtract, (None, Y), np.subtract, lambda g, x, y: (g, -g)),
    ("Subtract", nodes.Subtract, (X, None), np.subtract, None),
    ("Multiply", nodes.Multiply, (None, Y), np.multiply, lambda g, x, y: (g * y, g * x)),
    ("Multiply", nodes.Multiply, (X, None), np.multiply, None),
    ("Divide", nodes.Divide, (None, Y), np.divide, lambda g, x, y: (g / y, -g * x / y / y)),
    ("Divide", nodes.Divide, (X, None), np.divide, None, NONZERO),
    ("Maximum", nodes.Maximum, (None, Y), np.maximum, tie_to_y),
    ("Maximum", nodes.Maximum, (X, None), np.maximum, None),
    (
        "Power",
        nodes.Power,
        (None, Y),
        np.power,
        lambda g, x, y: (g * (y * x ** (y - 1)), g * x**y * np.log(x)),
        POSITIVE,
    ),
    ("Power", nodes.Power, (X, None), np.power, None),
    ("Power(3)", lambda: nodes.Power(3), (None,), lambda x: x**3, lambda g, x: (g * (3 * x**2),)),
    ("Power(-1)", lambda: nodes.Power(-1), (None,), lambda x: 1 / x, None, NONZERO),
    ("Power(0.5)", lambda: nodes.Power(0.5), (None,), np.sqrt, None, lambda x: not np.any(x < 0)),
    ("Negate", nodes.Negate, (None,), np.negative, lambda g, x: (-g,)),
    ("Exp", nodes.Exp, (None,), np.exp, lambda g, x: (g * np.exp(x),)),
    ("Log", nodes.Log, (None,), np.log, lambda g, x: (g / x,), POSITIVE),
    ("MatMul", nodes.MatMul, (None, W), np.matmul, lambda g, x, y: (g @ y.T, x.T @ g)),
    ("MatMul", nodes.MatMul, (LEFT, None), np.matmul, None),
    ("Sum", nodes.Sum, (None,), np.sum, lambda g, x: (np.full(x.shape, g),)),
    ("Sum(0)", lambda: nodes.Sum(0), (None,), lambda x: np.sum(x, 0), lambda g, x: (x * 0 + g,)),
    ("Sum(1, True)", lambda: nodes.Sum(1, True), (None,), lambda x: np.sum(x, 1, keepdims=True),
     lambda g, x: (np.repeat(g, x.shape[1], 1),)),
]  # fmt: skip


def node_places():
    for name, make, inputs, forward, backward, *domain in NODES:

        def made(make=make, inputs=inputs):
            node = make()
            node.forward(*filled(inputs, X))
            return lambda value: node.forward(*filled(inputs, value)), (node,)

        def right(value, forward=forward, inputs=inputs):
            return forward(*filled(inputs, value))

        side = " y" if len(inputs) == 2 and inputs[1] is None else " x"
        more = {"domain": domain[0]} if domain else {}
        plain = name.partition("(")[0]
        fits = has_axis(make().axis) if plain == "Sum" else accepted(forward, *inputs)
        yield Place(
            f"{name}.forward{side}", made, X, right, plain, fits, keeps=len(inputs) == 1, **more
        )
        if backward is not None:
            yield backward_place(name, make, filled(inputs, X), forward, backward)


def backward_place(name, make, inputs, forward, backward):
    out = forward(*inputs)

    def made():
        node = make()
        node.forward(*inputs)
        return node.backward, (node,)

    return Place(
        f"{name}.backward dout", made, np.array(out - 0.3), lambda g: backward(g, *inputs),
        name.partition("(")[0], lambda shape: shape == np.shape(out),
    )  # fmt: skip


# name -> (node, function, forward, backward, shape -> whether it fits)
MORE_NODES = {
    "Reshape": (lambda: more_nodes.Reshape(2, -1), lambda x: more_nodes.reshape(x, 2, -1),
                lambda x: np.reshape(x, (2, -1)), lambda g, x: np.reshape(g, x.shape),
                lambda shape: math.prod(shape) % 2 == 0),
    "Transpose": (lambda: more_nodes.Transpose(1, 0), lambda x: more_nodes.transpose(x, 1, 0),
                  np.transpose, lambda g, x: g.T, lambda shape: len(shape) == 2),
    "Take": (lambda: more_nodes.Take(1), lambda x: more_nodes.take(x, 1),
             lambda x: x[1], lambda g, x: np.vstack([0 * x[0], g, 0 * x[0]]),
             lambda shape: len(shape) > 0 and shape[0] > 1),
    "Mean": (lambda: more_nodes.Mean(0), lambda x: more_nodes.mean(x, 0),
             lambda x: np.mean(x, 0), lambda g, x: np.tile(g / N, (N, 1)),
             lambda shape: len(shape) > 0 and shape[0] > 0),
    "Max": (lambda: more_nodes.Max(1, True), lambda x: more_nodes.max_(x, 1, True),
            lambda x: np.max(x, 1, keepdims=True),
            lambda g, x: np.where(x == np.max(x, 1, keepdims=True), g, 0.0),
            lambda shape: len(shape) > 1 and shape[1] > 0),
}  # fmt: skip


def more_places():
    kinds = (ValueError, TypeError, IndexError)
    for name, (make, function, forward, backward, fits) in MORE_NODES.items():

        def made(make=make):
            node = make()
            node.forward(X)
            return node.forward, (node,)

        def made_function(function=function):
            return lambda value: function(value).value, ()

        yield Place(f"{name}.forward x", made, X, forward, name, fits, keeps=True, kinds=kinds)
        says = f"{name}|Variable"
        plain = "max_" if name == "Max" else name.lower()
        yield Place(f"{plain} x", made_function, X, forward, says, fits, kinds=kinds)
        backward = as_tuple(backward)
        yield backward_place(name, make, (X,), forward, backward)


def as_tuple(backward):
    return lambda g, x: (backward(g, x),)


OPERATORS = {
    "Variable / array": (lambda v, a: v / a, lambda a: X / a, {"domain": NONZERO}),
    "Variable ** array": (lambda v, a: v**a, lambda a: X**a),
    "array ** Variable": (lambda v, a: a**v, lambda a: a**X, {"domain": POSITIVE}),
    "Variable + array": (lambda v, a: v + a, lambda a: X + a),
    "array + Variable": (lambda v, a: a + v, lambda a: X + a),
    "Variable - array": (lambda v, a: v - a, lambda a: X - a),
    "array - Variable": (lambda v, a: a - v, lambda a: a - X),
    "Variable * array": (lambda v, a: v * a, lambda a: X * a),
    "array * Variable": (lambda v, a: a * v, lambda a: X * a),
    "array / Variable": (lambda v, a: a / v, lambda a: a / X),
    "maximum y": (graph.maximum, lambda a: np.maximum(X, a)),
}
FUNCTIONS = {
    "exp": (graph.exp, np.exp, {}),
    "log": (graph.log, np.log, {"domain": POSITIVE}),
    "sum_": (graph.sum_, np.sum, {}),
    "relu": (graph.relu, lambda x: np.maximum(x, 0), {}),
    "sigmoid": (graph.sigmoid, lambda x: sigmoid(x), {}),
    "tanh": (graph.tanh, lambda x: written_out_tanh(x), {}),
}
SAYS_VARIABLE = "Variable|Add|Subtract|Multiply|Divide|Maximum|Power"


def graph_places():
    for name, (function, formula, *more) in OPERATORS.items():

        def made(function=function):
            v = Variable(X)
            return lambda value: function(v, value).value, (v,)

        yield Place(name, made, Y, formula, SAYS_VARIABLE, accepted(np.add, X, None), **dict(*more))
    for name, (function, formula, more) in FUNCTIONS.items():

        def made_function(function=function):
            return lambda value: function(value).value, ()

        yield Place(f"graph.{name}", made_function, X, formula, "Variable|Log", **more)

    def made_matmul():
        return lambda value: graph.matmul(value, W).value, ()

    yield Place("graph.matmul x", made_matmul, X, lambda x: x @ W, "MatMul|Variable", accepted(np.matmul, None, W))  # fmt: skip
    for name, run, left in [("array @ Variable", lambda a: a @ Variable(W), True), ("Variable @ array", lambda a: Variable(LEFT) @ a, False)]:  # fmt: skip
        inputs = (None, W) if left else (LEFT, None)

        def formula(a, inputs=inputs):
            return np.matmul(*filled(inputs, a))

        yield Place(name, lambda run=run: (lambda a: run(a).value, ()), X, formula, "MatMul|Variable", accepted(np.matmul, *inputs))  # fmt: skip

    def made_variable():
        return lambda value: Variable(value).value, ()

    yield Place("Variable value", made_variable, X, lambda x: x, "Variable", keeps=True)

    def made_backward():
        v = Variable(X)
        out = v * Y

        def run(dout):
            out.backward(dout)
            return v.grad

        return run, (v, out)

    yield Place(
        "Variable.backward dout", made_backward, X, lambda g: g * Y, "backward",
        lambda shape: shape == X.shape,
    )  # fmt: skip


# ---------------------------------------------------------------- layers


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def written_out_tanh(x):
    """As its nodes have it: for moderate numbers."""
    return (np.exp(x) - np.exp(-x)) / (np.exp(x) + np.exp(-x))


LAYERS = {
    "ReLU": (layers.ReLU, lambda x: np.maximum(x, 0), lambda g, x: g * (x > 0)),
    "Sigmoid": (layers.Sigmoid, sigmoid, lambda g, x: g * sigmoid(x) * (1 - sigmoid(x))),
    "Tanh": (layers.Tanh, np.tanh, lambda g, x: g * (1 - np.tanh(x) ** 2)),
    "Affine": (lambda: layers.Affine(W, B), lambda x: x @ W + B, lambda g, x: g @ W.T),
}
CENTRED = X - 1.2  # on both sides of a gate


def layer_places():
    for name, (make, forward, backward) in LAYERS.items():
        affine = name == "Affine"
        fits = (lambda s: s and s[-1] == D) if affine else (lambda s: True)

        def made(make=make):
            layer = make()
            layer.forward(CENTRED)
            return layer.forward, (layer,)

        yield Place(f"{name}.forward x", made, CENTRED, forward, name, fits, keeps=not affine)

        def made_backward(make=make):
            layer = make()
            layer.forward(CENTRED)
            return layer.backward, (layer,)

        out = forward(CENTRED)
        yield Place(
            f"{name}.backward dout", made_backward, out - 0.1,
            lambda g, backward=backward: backward(g, CENTRED), name,
            lambda shape, out=out: shape == out.shape,
        )  # fmt: skip
    yield from parameter_places()
    yield from expand_places()


def parameter_places():
    def made_W():
        return lambda value: layers.Affine(value, B).forward(X), ()

    def made_b():
        return lambda value: layers.Affine(W, value).forward(X), ()

    def assigned():
        layer = layers.Affine(W, B)
        layer.forward(X)

        def run(value):
            kept = layer.params["W"]
            layer.params["W"] = value
            try:
                return layer.forward(X)
            except Exception:
                layer.params["W"] = kept
                raise

        return run, (layer,)

    def fits_W(shape):
        return len(shape) == 2 and shape == (D, M)

    yield Place("Affine W", made_W, W, lambda w: X @ w + B, "Affine", fits_W)
    yield Place("Affine b", made_b, B, lambda b: X @ W + b, "Affine", lambda shape: shape == (M,))
    yield Place("Affine.params W", assigned, W, lambda w: X @ w + B, "Affine", fits_W)


def expand_places():
    for name, (make, forward, _) in LAYERS.items():
        forward = written_out_tanh if name == "Tanh" else forward

        def made(make=make):
            return lambda value: make().expand(value).value, ()

        fits = accepted(np.matmul, None, W) if name == "Affine" else (lambda s: True)
        yield Place(f"{name}.expand x", made, CENTRED, forward, "Variable|MatMul|Add|Affine", fits)


WQ, WK, WV = W, W[::-1] + 0.1, 0.5 - W


def attended(x, shift=True):
    scores = x @ WQ @ np.swapaxes(x @ WK, -1, -2) / np.sqrt(M)
    weights = np.exp(scores - scores.max(axis=-1, keepdims=True) if shift else scores)
    return weights / weights.sum(axis=-1, keepdims=True) @ x @ WV


def can_attend(x):
    with np.errstate(all="ignore"):
        return not np.any(np.isnan(attended(x)))


def attended_back(g, x):
    scores = x @ WQ @ (x @ WK).T / np.sqrt(M)
    weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
    A = weights / weights.sum(axis=-1, keepdims=True)
    dA = g @ (x @ WV).T
    dS = A * (dA - (dA * A).sum(axis=1, keepdims=True)) / np.sqrt(M)
    return dS @ (x @ WK) @ WQ.T + dS.T @ (x @ WQ) @ WK.T + A.T @ g @ WV.T


@dataclass(frozen=True)
class Guest:
    """A layer of Part II: how it is made, an x for it, its formulas, and which x it takes.

    expanded  the formula that `expand` writes out, where it is another one
    """

    make: object
    x: np.ndarray
    forward: object
    backward: object
    fits: object
    domain: object = lambda x: True
    expanded: object = None


GAMMA, BETA = np.array([0.5, 2.0, -1.5, 1.0]), np.array([0.1, -0.2, 0.3, 0.4])


class Coins(np.random.Generator):
    """A generator that draws the same numbers each time, so that what dropout does can be told."""

    def random(self, shape):
        return np.random.default_rng(1).random(shape)


def coins():
    return Coins(np.random.PCG64(0))


def factors(x):
    return np.where(coins().random(x.shape) >= 0.4, 1 / 0.6, 0.0)


def by_column(x):
    """(mean, deviation, a column of numbers such as gamma in a shape that fits x)."""
    axes = (0, 2, 3) if x.ndim == 4 else 0 if x.ndim == 2 else ()
    mean = x.mean(axis=axes, keepdims=True)
    std = np.sqrt(((x - mean) ** 2).mean(axis=axes, keepdims=True) + 1e-5)
    return mean, std, lambda a: a[:, None, None] if x.ndim == 4 else a


def normalised(x):
    mean, std, fit = by_column(x)
    return fit(GAMMA) * ((x - mean) / std) + fit(BETA)


def normalised_back(g, x):
    """The closed form of chapter 13, which test_derivations_12_13 proves."""
    mean, std, fit = by_column(x)
    h, g = (x - mean) / std, g * fit(GAMMA)
    return (g - g.mean(axis=0) - h * (g * h).mean(axis=0)) / std


PICTURES = np.sin(np.arange(2.0 * 2 * 3 * 5)).reshape(2, 2, 3, 5)
KERNELS = 0.1 + np.cos(np.arange(3.0 * 2 * 2 * 3)).reshape(3, 2, 2, 3) ** 2


def seen(x, size, stride):
    """Every window of x: (N, C, OH, OW, KH, KW)."""
    windows = np.lib.stride_tricks.sliding_window_view(x, size, (2, 3))
    return windows[:, :, :: stride[0], :: stride[1]]


def convolved(x):
    return np.einsum("ncijkl,fckl->nfij", seen(x, (2, 3), (1, 2)), KERNELS)


def convolved_back(g, x):
    dx = np.zeros_like(x)
    for n, f, i, j in np.ndindex(g.shape):
        dx[n, :, i : i + 2, 2 * j : 2 * j + 3] += g[n, f, i, j] * KERNELS[f]
    return dx


def pooled(x):
    return seen(x, (2, 2), (2, 2)).max(axis=(4, 5))


def pooled_back(g, x):
    dx = np.zeros_like(x)
    for n, c, i, j in np.ndindex(g.shape):
        k, m = divmod(x[n, c, 2 * i : 2 * i + 2, 2 * j : 2 * j + 2].argmax(), 2)
        dx[n, c, 2 * i + k, 2 * j + m] += g[n, c, i, j]
    return dx


GUESTS = {
    "Conv2D": Guest(
        lambda: guests.Conv2D(KERNELS, stride=(1, 2)), PICTURES, convolved, convolved_back,
        lambda shape: len(shape) == 4 and shape[1] == 2 and shape[2] >= 2 and shape[3] >= 3,
    ),
    "MaxPool2D": Guest(
        lambda: guests.MaxPool2D(2), PICTURES, pooled, pooled_back,
        lambda shape: len(shape) == 4 and shape[2] >= 2 and shape[3] >= 2,
    ),
    "Dropout": Guest(
        lambda: guests.Dropout(0.4, coins()), CENTRED, lambda x: x * factors(x),
        lambda g, x: g * factors(x), lambda shape: True,
    ),
    "BatchNorm": Guest(
        lambda: guests.BatchNorm(GAMMA, BETA), np.sin(np.arange(5.0 * D)).reshape(5, D), normalised, normalised_back,
        lambda shape: len(shape) in (1, 2, 4) and shape[1 if len(shape) == 4 else -1] == D and math.prod(shape) > 0,
    ),
    "Attention": Guest(
        lambda: guests.Attention(WQ, WK, WV), CENTRED, attended, attended_back,
        lambda shape: len(shape) in (2, 3) and shape[-1] == D and shape[-2] > 0,
        can_attend, lambda x: attended(x, shift=False),
    ),
    "Flatten": Guest(
        guests.Flatten, np.arange(12.0).reshape(2, 3, 2),
        lambda x: x.reshape(len(x), math.prod(x.shape[1:])), lambda g, x: g.reshape(x.shape),
        lambda shape: len(shape) > 0,
    ),
}  # fmt: skip


def guest_places():
    for name, guest in GUESTS.items():

        def made(method, guest=guest):
            layer = guest.make()
            layer.forward(guest.x)
            return getattr(layer, method), (layer,)

        def made_expand(guest=guest):
            return lambda value: guest.make().expand(value).value, ()

        # dout is no multiple of the output: for that a batch normalisation sends back nothing
        out, says = guest.forward(guest.x), f"{name}|softmax|Variable|MatMul"
        yield Place(
            f"{name}.forward x", partial(made, "forward"), guest.x, guest.forward, says,
            guest.fits, guest.domain,
        )  # fmt: skip
        yield Place(
            f"{name}.expand x", made_expand, guest.x, guest.expanded or guest.forward, says,
            guest.fits,
        )  # fmt: skip
        yield Place(
            f"{name}.backward dout", partial(made, "backward"), out**2 - 0.1,
            partial(at_place, guest), name, lambda shape, out=out: shape == out.shape,
        )  # fmt: skip


def at_place(guest, g):
    return guest.backward(g, guest.x)


# ---------------------------------------------------------------- losses


def log_softmax(a):
    shifted = a - a.max(axis=-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))


def entropy(a, t=ONE_HOT):
    terms = np.where(t == 0, 0.0, -t * log_softmax(a))
    return terms.sum() / (1 if a.ndim == 1 else len(a))


def half_square(y, t):
    return 0.5 * np.sum((y - t) ** 2)


def are_scores(a):
    return not (np.any(np.isnan(a)) or np.any(a == np.inf)) and bool(
        np.all(np.max(a, axis=-1) > -np.inf)
    )


def are_distributions(t):
    with np.errstate(over="ignore"):
        return bool(np.all(t >= 0) and np.all(abs(t.sum(-1) - 1) < 1e-9))


def are_finite(x):
    return bool(np.all(np.isfinite(x)))


def of_scores(shape):
    return shape == (N, C)


ENTROPIES = {
    "cross_entropy": lambda: losses.cross_entropy,
    "SoftmaxWithLoss.forward": lambda: losses.SoftmaxWithLoss().forward,
}
SQUARES = {
    "sum_squared_error": (lambda: losses.sum_squared_error, 1),
    "IdentityWithLoss.forward": (lambda: losses.IdentityWithLoss().forward, N),
}  # fmt: skip


def loss_places():
    def made_softmax():
        return losses.softmax, ()

    yield Place(
        "softmax a", made_softmax, X, lambda a: np.exp(log_softmax(a)), "softmax",
        lambda shape: len(shape) > 0 and shape[-1] > 0, are_scores, True,
    )  # fmt: skip
    for name, make in ENTROPIES.items():

        def made(make=make):
            function = make()
            return lambda a: function(a, ONE_HOT), owner_of(function)

        def made_t(make=make):
            function = make()
            return lambda t: function(X, t), owner_of(function)

        yield Place(f"{name} a", made, X, entropy, "SoftmaxWithLoss", of_scores, are_scores)
        yield Place(f"{name} t", made_t, SHARES, lambda t: entropy(X, t), "SoftmaxWithLoss", of_scores, are_distributions)  # fmt: skip
    for name, (make, share) in SQUARES.items():

        def made_y(make=make):
            function = make()
            return lambda y: function(y, Y), owner_of(function)

        def made_target(make=make):
            function = make()
            return lambda t: function(X, t), owner_of(function)

        says = name.partition(".")[0]
        yield Place(f"{name} y", made_y, X, lambda y, n=share: half_square(y, Y) / n, says, of_scores, are_finite)  # fmt: skip
        yield Place(f"{name} t", made_target, Y, lambda t, n=share: half_square(X, t) / n, says, of_scores, are_finite)  # fmt: skip
    for make in (losses.SoftmaxWithLoss, losses.IdentityWithLoss):
        yield dout_place(make)
    yield from written_out()


def written_out():
    """`expand` of a loss: a graph, which lets numbers through, of targets, which must make sense."""
    kinds = {
        losses.SoftmaxWithLoss: (SHARES, lambda a, t: -np.sum(t * log_softmax(a)) / N),
        losses.IdentityWithLoss: (Y, lambda a, t: half_square(a, t) / N),
    }
    for kind, (t, formula) in kinds.items():

        def made(kind=kind, t=t):
            return lambda a: kind().expand(a, t).value, ()

        def made_t(kind=kind):
            return lambda targets: kind().expand(X, targets).value, ()

        name = kind.__name__
        domain = are_distributions if name == "SoftmaxWithLoss" else (lambda t: True)
        yield Place(f"{name}.expand a", made, X, lambda a, f=formula, t=t: f(a, t), f"{name}|Variable", of_scores)  # fmt: skip
        yield Place(f"{name}.expand t", made_t, t, lambda t, f=formula: f(X, t), name, of_scores, domain)  # fmt: skip


SHARES = np.array([[0.5, 0.25, 0.125, 0.125], [0.0, 1.0, 0.0, 0.0], [0.0, 0.5, 0.5, 0.0]])


def owner_of(function):
    owner = getattr(function, "__self__", None)
    return () if owner is None else (owner,)


def dout_place(make):
    loss = make()
    loss.forward(X, SHARES)
    unit = loss.backward(1.0)

    def made():
        loss = make()
        loss.forward(X, SHARES)
        return loss.backward, (loss,)

    return Place(
        f"{make.__name__}.backward dout", made, np.array(0.7), lambda g: g * unit, make.__name__,
        lambda shape: np.prod(shape) == 1,
    )  # fmt: skip


# ---------------------------------------------------------------- networks and numerical gradients


def a_network():
    """Affine, ReLU, Affine, softmax with loss: 4 -> 2 -> 4, its parameters the same each time."""
    made = [layers.Affine(W.copy(), B.copy()), layers.ReLU(), layers.Affine(-W.T, np.full(C, 0.1))]
    network = Network(dict(zip(["Affine1", "ReLU1", "Affine2"], made, strict=True)), losses.SoftmaxWithLoss())  # fmt: skip
    network.gradient(CENTRED, [0, 1, 2])
    return network


def a_scores(x):
    return np.maximum(x @ W + B, 0) @ -W.T + 0.1


def a_gradient(x, dout=1.0):
    """The gradient of `dout` times the loss by the parameters, written out once more."""
    hidden = x @ W + B
    da = dout * (np.exp(log_softmax(a_scores(x))) - ONE_HOT) / N
    dh = np.where(hidden > 0, da @ -W, 0.0)
    kept = np.maximum(hidden, 0)
    return {
        "Affine1.W": x.T @ dh, "Affine1.b": dh.sum(0),
        "Affine2.W": kept.T @ da, "Affine2.b": da.sum(0),
    }  # fmt: skip


def parameters(network):
    return [network.params, {name: getattr(layer, "grads", {}) for name, layer in network.layers.items()}]  # fmt: skip


NETWORK = {
    "predict": (lambda net, x: net.predict(x), a_scores),
    "loss": (lambda net, x: net.loss(x, ONE_HOT), lambda x: entropy(a_scores(x))),
    "gradient": (lambda net, x: net.gradient(x, ONE_HOT), a_gradient),
    "accuracy": (
        lambda net, x: net.accuracy(x, ONE_HOT),
        lambda x: np.mean(a_scores(x).argmax(1) == ONE_HOT.argmax(1)),
    ),
}


def scores_are_scores(x):
    with np.errstate(all="ignore"):
        return are_scores(a_scores(x))


def scores_are_numbers(x):
    with np.errstate(all="ignore"):
        return not np.isnan(a_scores(x)).any()


NUMBERS_WANTED = {"accuracy": scores_are_numbers}  # an infinite score is the largest, NaN is none


def network_places():
    for name, (function, formula) in NETWORK.items():

        def made(function=function):
            network = a_network()
            return lambda x: function(network, x), parameters(network)

        predicts = name == "predict"
        fits = (lambda s: s and s[-1] == D) if predicts else of_scores
        domain = {} if predicts else {"domain": NUMBERS_WANTED.get(name, scores_are_scores)}
        yield Place(f"Network.{name} x", made, CENTRED, formula, "Affine|Loss|cross_entropy|accuracy", fits, **domain)  # fmt: skip

    def made_back(walk):
        network = a_network()
        network.loss(CENTRED, ONE_HOT)
        return lambda g: walk(network, g), parameters(network)

    for name, walk in {
        "backward": lambda net, g: net.backward(g),
        "backward_steps": lambda net, g: [list(net.backward_steps(g)), net.collect("grads")][1],
    }.items():
        yield Place(
            f"Network.{name} dout", lambda walk=walk: made_back(walk), np.array(0.7),
            lambda g: a_gradient(CENTRED, g.reshape(())), "SoftmaxWithLoss",
            lambda shape: np.prod(shape) == 1,
        )  # fmt: skip

    def made_numeric():
        return lambda x: numerical_gradient(plain_sum, x, 0.5), ()

    yield Place(
        "numerical_gradient x", made_numeric, X, slopes_of_sum, "numerical_gradient",
        domain=lambda x: not np.any(np.isfinite(x) & (np.abs(x) > 2**53)),
    )  # fmt: skip


def plain_sum(x):
    with np.errstate(all="ignore"):
        return float(np.sum(x, dtype=np.float64))


def slopes_of_sum(x):
    """(f(x + h) - f(x - h)) / 2h with h = 0.5, which is refused where h is lost in a large number."""
    slopes = np.empty(x.shape)
    for index in np.ndindex(x.shape):
        nudge = np.zeros(x.shape)
        nudge[index] = 0.5
        slopes[index] = plain_sum(x + nudge) - plain_sum(x - nudge)
    return slopes


def cases():
    for places in (
        node_places,
        more_places,
        graph_places,
        layer_places,
        guest_places,
        loss_places,
        network_places,
    ):
        for place in places():
            yield from array_cases(place)
