"""The rest of the table that `bad_inputs` begins: numbers, labels, the order of calls, and wrong things.

python tests/bad_calls.py [word]    prints the whole table, or the rows that hold the word: callable,
                                    input, what comes, and an arrow where that is not what is wanted
"""

import json
import re
import sys
from io import BytesIO
from itertools import islice
from operator import attrgetter
from pathlib import Path

import bad_inputs
import numpy as np
from bad_inputs import CENTRED, ONE_HOT, C, D, X, Y, a_gradient, a_network, parameters
from trial import Case, Refused, Right, judge

from chainrule import datasets, graph, guests, layers, losses, more_nodes, nodes
from chainrule.doctor import diagnose
from chainrule.exercises import check
from chainrule.gradcheck import gradient_check
from chainrule.graph import Variable
from chainrule.guests.convolution import views
from chainrule.network import Network, two_layer_net
from chainrule.numeric import nudged, numerical_gradient
from chainrule.plots import digit_pictures
from chainrule.trace import Trace, trace_graph, trace_network
from chainrule.training import SGD, Adam, Momentum, minibatches, random_batches, train
from chainrule.widgets import BetGrid, Explorer, Quiz, Replay, Scene, Stepper, record_training
from chainrule.zoo import ZOO

T = np.array([2, 0, 3])


def rng():
    return np.random.default_rng(0)


def call(name, given, function, *arguments, wanted, owners=()):
    return Case(name, given, lambda: (function, arguments, owners), wanted)


# ---------------------------------------------------------------- numbers


class Kind:
    """What a number may be: `allows(value)`, for values that are numbers at all."""

    def __init__(self, whole, allows, others=()):
        self.whole, self.allows, self.others = whole, allows, others

    def takes(self, value):
        if value is None or isinstance(value, str):
            return value in self.others
        if isinstance(value, bool) or not np.isscalar(value) or isinstance(value, complex):
            return False
        if not self.whole and isinstance(value, int) and value > 2**1023:  # no float can hold it
            return False
        whole = isinstance(value, int | np.integer)
        return (whole or not self.whole) and bool(self.allows(value))


POSITIVE = Kind(False, lambda v: 0 < v < np.inf)
FROM_ZERO = Kind(False, lambda v: 0 <= v < np.inf)
FROM_0_TO_1 = Kind(False, lambda v: 0 <= v <= 1)
FROM_0_BELOW_1 = Kind(False, lambda v: 0 <= v < 1)
COUNT = Kind(True, lambda v: v >= 1)
SOME_OR_NONE = Kind(True, lambda v: v >= 1, (None,))
COUNT_FROM_ZERO = Kind(True, lambda v: v >= 0)
COUNT_OR_NONE = Kind(True, lambda v: v >= 0, (None,))
UP_TO_9 = Kind(True, lambda v: -1 <= v <= 9)
UP_TO_9_OR_NONE = Kind(True, lambda v: 0 <= v <= 9, (None,))
UP_TO_1 = Kind(True, lambda v: -1 <= v <= 1)

VALUES = [0, -1, 1, 3, 0.5, -0.5, 2.0, np.nan, np.inf, -np.inf, True, False, "3", None, [1], 1j]
VALUES += [np.int64(2), np.uint8(2), np.float64(0.5), np.float32(0.5), np.array(2), np.array([2])]
VALUES += [{}, 10**4, 10**400]


FRAME = {"step": 1, "loss": 2.0, "accuracy": 0.5, "gradient_norms": {"W": 1.0}}
LATER = FRAME | {"step": 2}


def trace_of_the_bill():
    side, price = Variable(3.0, "side"), Variable(20.0, "price")
    return trace_graph((side**2 * price + Variable(15.0, "delivery")) * Variable(1.2, "tax"))


BILL = trace_of_the_bill()


def one_update(**options):
    options = {"rng": rng(), "updates": 1, "progress": False, **options}
    return list(train(a_network(), (X, T), **options))


NUMBERS = [
    ("SGD", "lr", SGD, POSITIVE),
    ("Momentum", "lr", Momentum, POSITIVE),
    ("Momentum", "momentum", lambda m: Momentum(0.1, m), FROM_0_BELOW_1),
    ("Adam", "lr", Adam, POSITIVE),
    ("Adam", "beta1", lambda b: Adam(0.1, b), FROM_0_BELOW_1),
    ("Adam", "beta2", lambda b: Adam(0.1, 0.9, b), FROM_0_BELOW_1),
    ("numerical_gradient", "h", lambda h: numerical_gradient(np.sum, X, h), POSITIVE),
    ("numerical_gradient of a number", "h", lambda h: numerical_gradient(abs, 3.0, h), POSITIVE),
    ("Network.numerical_gradient", "h", lambda h: a_network().numerical_gradient(X, T, h), POSITIVE),
    ("gradient_check", "h", lambda h: gradient_check(layers.Tanh(), X, h=h), POSITIVE),
    ("gradient_check", "seed", lambda s: gradient_check(layers.Tanh(), X, seed=s), COUNT_FROM_ZERO),
    ("diagnose", "h", lambda h: diagnose(layers.Tanh(), X[:1, :1], h=h), POSITIVE),
    ("diagnose", "seed", lambda s: diagnose(layers.Tanh(), X[:1, :1], seed=s), COUNT_FROM_ZERO),
    ("minibatches", "batch_size", lambda n: list(minibatches(X, T, n, rng())), COUNT),
    ("random_batches", "batch_size", lambda n: next(random_batches(X, T, n, rng())), COUNT),
    ("train", "batch_size", lambda n: one_update(batch_size=n), COUNT),
    ("train", "epochs", lambda n: one_update(epochs=n, updates=None), COUNT_OR_NONE),
    ("train", "updates", lambda n: one_update(updates=n), COUNT_OR_NONE),
    ("Affine.init", "D", lambda n: layers.Affine.init(n, 2, rng()), COUNT),
    ("Affine.init", "M", lambda n: layers.Affine.init(2, n, rng()), COUNT),
    ("Embedding.init", "V", lambda n: guests.Embedding.init(n, 2, rng()), COUNT),
    ("Embedding.init", "D", lambda n: guests.Embedding.init(2, n, rng()), COUNT),
    ("Attention.init", "D", lambda n: guests.Attention.init(n, 2, rng()), COUNT),
    ("Attention.init", "H", lambda n: guests.Attention.init(2, n, rng()), COUNT),
    ("BatchNorm.init", "D", guests.BatchNorm.init, COUNT),
    ("BatchNorm", "momentum", lambda m: guests.BatchNorm([1.0], [0.0], momentum=m), FROM_0_TO_1),
    ("BatchNorm", "eps", lambda e: guests.BatchNorm([1.0], [0.0], eps=e), FROM_ZERO),
    ("Dropout", "p", lambda p: guests.Dropout(p, rng()), FROM_0_BELOW_1),
    ("Conv2D.init", "C", lambda n: guests.Conv2D.init(n, 2, 3, rng()), COUNT),
    ("Conv2D.init", "scale", lambda s: guests.Conv2D.init(2, 2, 3, rng(), scale=s), FROM_ZERO),
    ("Conv2D", "stride", lambda n: guests.Conv2D(bad_inputs.KERNELS, stride=n), COUNT),
    ("Conv2D", "pad", lambda n: guests.Conv2D(bad_inputs.KERNELS, pad=n), COUNT_FROM_ZERO),
    ("MaxPool2D", "size", guests.MaxPool2D, COUNT),
    ("Affine.init", "scale", lambda s: layers.Affine.init(2, 2, rng(), s), FROM_ZERO),
    ("two_layer_net", "D", lambda n: two_layer_net(n, 2, 2, rng()), COUNT),
    ("two_layer_net H", "M", lambda n: two_layer_net(2, n, 2, rng()), COUNT),
    ("two_layer_net C", "M", lambda n: two_layer_net(2, 2, n, rng()), COUNT),
    ("make_spirals", "n_per_class", lambda n: datasets.make_spirals(n, rng=rng()), COUNT),
    ("make_spirals", "classes", lambda n: datasets.make_spirals(5, n, rng=rng()), COUNT),
    ("make_spirals", "noise", lambda s: datasets.make_spirals(5, noise=s, rng=rng()), FROM_ZERO),
    ("make_moons", "n", lambda n: datasets.make_moons(n, rng=rng()), COUNT),
    ("make_moons", "noise", lambda s: datasets.make_moons(5, noise=s, rng=rng()), FROM_ZERO),
    ("record_training", "every", lambda n: record(every=n), SOME_OR_NONE),
    ("record_training", "wrong", lambda n: record(wrong=n), COUNT_FROM_ZERO),
    ("Stepper", "step", lambda k: Stepper(BILL, step=k), UP_TO_9),
    ("Stepper.to_svg", "step", Stepper(BILL).to_svg, UP_TO_9_OR_NONE),
    ("Replay", "frame", lambda k: Replay([FRAME, LATER], frame=k), UP_TO_1),
    ("Explorer", "index", lambda k: Explorer({"a": ([0, 1], [2, 3])}, index=k), UP_TO_1),
    ("Trace.sentence", "step", lambda k: BILL.sentence(k), Kind(True, lambda v: 0 <= v <= 9)),
]  # fmt: skip
HUGE = {
    "V",
    "D",
    "M",
    "H",
    "C",
    "n_per_class",
    "classes",
    "n",
    "epochs",
    "updates",
}  # would take long


def number_cases():
    for name, argument, function, kind in NUMBERS:
        for value in VALUES:
            most = 100 if argument in HUGE else 10**5 if name == "random_batches" else np.inf
            if isinstance(value, int) and value > most:
                continue
            says = rf"\b{argument}\b|\bstep\b" if argument == "h" else rf"\b{argument}s?\b"
            wanted = (
                Right()
                if kind.takes(value)
                else Refused((says, f"{re.escape(repr(value))}|{re.escape(str(value))}"))
            )
            yield call(name, f"{argument} = {value!r}", function, value, wanted=wanted)


def record(**options):
    options = {"rng": rng(), "updates": 2, "progress": False, **options}
    return record_training(a_network(), (X[:, :D], T), **options)


# ---------------------------------------------------------------- labels

RIGHT_LABELS = {
    "indices": T,
    "a list": T.tolist(),
    "a tuple": tuple(T.tolist()),
    "uint8": T.astype(np.uint8),
    "int32, strided": np.repeat(T, 2).astype(np.int32)[::2],
    "one-hot": ONE_HOT,
    "one-hot integers": ONE_HOT.astype(int),
    "one-hot booleans": ONE_HOT.astype(bool),
    "one-hot float32": ONE_HOT.astype(np.float32),
    "one-hot float16": ONE_HOT.astype(np.float16),
    "one-hot lists": ONE_HOT.tolist(),
}
WRONG_LABELS = {
    "floats": (T.astype(float), "float64"),
    "floats in a list": ([2.0, 0.0, 3.0], "float64"),
    "booleans": (np.array([True, False, True]), "bool"),
    "text": (["2", "0", "3"], "str|<U"),
    "objects": (T.astype(object), "object"),
    "complex": (T.astype(complex), "complex"),
    "one too large": ([2, 0, C], "4"),
    "one below zero": ([2, 0, -1], "-1"),
    "too few": ([2, 0], r"\(2,\)"),
    "too many": ([2, 0, 3, 1], r"\(4,\)"),
    "none": (np.zeros(0, int), r"\(0,\)"),
    "a column": (T[:, None], r"\(3, 1\)"),
    "a number": (2, r"\(\)|int"),
    "text alone": ("cat", "str"),
    "a dict": ({"t": T}, "dict"),
    "a ragged list": ([[1.0], [0.0, 1.0]], "ragged|list"),
    "one-hot transposed": (ONE_HOT.T, r"\(4, 3\)"),
    "one-hot of too few classes": (ONE_HOT[:, 1:], r"\(3, 3\)"),
}
NO_DISTRIBUTIONS = {
    "rows that sum to two": (2 * ONE_HOT, "sum to 1"),
    "rows that sum to nothing": (0 * ONE_HOT, "sum to 1"),
    "a negative share": (ONE_HOT + [[0.5, -0.5, 0, 0]], "negative"),
    "NaN": (ONE_HOT * np.nan, "sum to 1|nan"),
    "infinity": (np.where(ONE_HOT > 0, np.inf, 0), "sum to 1|inf"),
    "one-hot of -1 and 1": (2 * ONE_HOT - 1, "sum to 1|negative"),
}
NETWORK_LOSS = bad_inputs.entropy(bad_inputs.a_scores(CENTRED))


def last_value(trace):
    return trace.variables[-1].value


# name -> (network or None -> function of the targets, what it gives for the right ones)
LABELLED = {
    "SoftmaxWithLoss.forward": (lambda net: lambda t: losses.SoftmaxWithLoss().forward(X, t), bad_inputs.entropy(X)),
    "SoftmaxWithLoss.expand": (lambda net: lambda t: losses.SoftmaxWithLoss().expand(X, t).value, bad_inputs.entropy(X)),
    "cross_entropy": (lambda net: lambda t: losses.cross_entropy(X, t), bad_inputs.entropy(X)),
    "Network.loss": (lambda net: lambda t: net.loss(CENTRED, t), NETWORK_LOSS),
    "Network.gradient": (lambda net: lambda t: net.gradient(CENTRED, t), a_gradient(CENTRED)),
    "Network.numerical_gradient": (lambda net: lambda t: net.numerical_gradient(CENTRED, t), a_gradient(CENTRED)),
    "Network.forward_steps": (lambda net: lambda t: list(net.forward_steps(CENTRED, t))[-1][1], NETWORK_LOSS),
    "trace_network": (lambda net: lambda t: last_value(trace_network(net, CENTRED, t)), NETWORK_LOSS),
    "Stepper": (lambda net: lambda t: last_value(Stepper(net, CENTRED, t).trace), NETWORK_LOSS),
    "gradient_check": (lambda net: lambda t: gradient_check(net, CENTRED, t).ok, True),
    "diagnose": (lambda net: lambda t: diagnose(losses.SoftmaxWithLoss(), X, t), []),
    "Network.accuracy": (lambda net: lambda t: net.accuracy(CENTRED, t), None),
    "train": (lambda net: lambda t: [r.loss for r in train(net, (CENTRED, t), rng=rng(), updates=1, progress=False)], [NETWORK_LOSS]),
}  # fmt: skip


def label_cases():
    for name, (make, answer) in LABELLED.items():
        tolerance = 1e-6 if "numerical" in name else 1e-12
        for given, t in RIGHT_LABELS.items():
            yield on_network(name, given, make, t, Right(answer, tolerance))
        wrong = WRONG_LABELS | ({} if name == "Network.accuracy" else NO_DISTRIBUTIONS)
        for given, (t, says) in wrong.items():
            if name == "train" and given in ("one-hot of too few classes", "too few", "too many"):
                says = "number of samples" if "too" == given[:3] else says
            yield on_network(name, given, make, t, Refused((says,)))


def on_network(name, given, make, argument, wanted):
    def made():
        network = a_network()
        return make(network), (argument,), parameters(network)

    return Case(name, given, made, wanted)


def single_cases():
    """One sample: scores (C,), and its class or its one-hot row."""
    wanted = bad_inputs.entropy(X[0], ONE_HOT[0])
    loss = losses.SoftmaxWithLoss
    for given, t in {"2": 2, "int64": np.int64(2), "one-hot": ONE_HOT[0]}.items():
        yield call("SoftmaxWithLoss.forward", f"one sample, {given}", loss().forward, X[0], t, wanted=Right(wanted))  # fmt: skip
    for t, says in {4: "4", -1: "-1", 2.0: "float", True: "bool", (2,): r"\(1,\)", "2": "str|U"}.items():  # fmt: skip
        yield call("SoftmaxWithLoss.forward", f"one sample, {t!r}", loss().forward, X[0], t, wanted=Refused((says,)))  # fmt: skip


# ---------------------------------------------------------------- the order of calls


def order_cases():
    yield from backward_first()
    yield from again_and_again()
    yield from stale()


PIECES = {
    "Add": (nodes.Add, (X, Y)), "Subtract": (nodes.Subtract, (X, Y)),
    "Multiply": (nodes.Multiply, (X, Y)), "Divide": (nodes.Divide, (X, Y)),
    "Negate": (nodes.Negate, (X,)), "Power": (nodes.Power, (X, Y)), "Exp": (nodes.Exp, (X,)),
    "Log": (nodes.Log, (X,)), "Maximum": (nodes.Maximum, (X, Y)),
    "MatMul": (nodes.MatMul, (X, Y.T)), "Sum": (nodes.Sum, (X,)),
    "Reshape": (lambda: more_nodes.Reshape(-1), (X,)), "Transpose": (more_nodes.Transpose, (X,)),
    "Take": (lambda: more_nodes.Take([0, 0]), (X,)), "Mean": (more_nodes.Mean, (X,)),
    "Max": (more_nodes.Max, (X,)),
    "ReLU": (layers.ReLU, (CENTRED,)), "Sigmoid": (layers.Sigmoid, (X,)),
    "Tanh": (layers.Tanh, (X,)),
    "Affine": (lambda: layers.Affine(bad_inputs.W, bad_inputs.B), (X,)),
    "Attention": (lambda: guests.Attention(bad_inputs.WQ, bad_inputs.WK, bad_inputs.WV), (X,)),
    "Embedding": (lambda: guests.Embedding(X), (T % 3,)),
    "Dropout": (lambda: guests.Dropout(0.4, bad_inputs.coins()), (X,)),
    "BatchNorm": (lambda: guests.BatchNorm(bad_inputs.GAMMA, bad_inputs.BETA), (X,)),
    "Conv2D": (lambda: guests.Conv2D(bad_inputs.KERNELS), (bad_inputs.PICTURES,)),
    "MaxPool2D": (lambda: guests.MaxPool2D(2), (bad_inputs.PICTURES,)),
    "Flatten": (guests.Flatten, (X,)),
    "SoftmaxWithLoss": (losses.SoftmaxWithLoss, (X, T)),
    "IdentityWithLoss": (losses.IdentityWithLoss, (X, Y)),
    "Network": (a_network, (X, T)),
}  # fmt: skip
BAD_FORWARD = {"Network": (X[:, 1:], T), "SoftmaxWithLoss": (Y, [2, 0, 9])}


def run(piece, inputs):
    return (piece.loss if isinstance(piece, Network) else piece.forward)(*inputs)


def dout_for(piece, out):
    return 1.0 if np.ndim(out) == 0 else np.array(out)


def results(piece, dout):
    """The gradients by the inputs, and by the parameters."""
    back = piece.backward(dout)
    grads = getattr(piece, "grads", {})
    return back, {key: np.array(grad) for key, grad in grads.items()}


def backward_first():
    for name, (make, inputs) in PIECES.items():
        if name == "Network":
            fresh = Network({"ReLU1": layers.ReLU()}, losses.SoftmaxWithLoss())
            yield call("Network.backward", "before any loss", fresh.backward, wanted=Refused(("before",), (RuntimeError,)))  # fmt: skip
            continue
        dout = dout_for(None, run(make(), inputs))
        yield call(f"{name}.backward", "before forward", make().backward, dout, wanted=Refused((name, "before forward"), (RuntimeError,)))  # fmt: skip
    leaf = Variable(3.0)
    yield call("Variable.backward", "a leaf alone", lambda: (leaf.backward(), leaf.grad)[1], wanted=Right(1.0))  # fmt: skip


def again_and_again():
    for name, (make, inputs) in PIECES.items():
        piece = make()
        dout = dout_for(piece, run(piece, inputs))
        wanted = Right(results(piece, dout))

        def twice(make=make, inputs=inputs, dout=dout):
            piece = make()
            run(piece, inputs)
            results(piece, dout)
            return results(piece, dout)

        def another_first(make=make, inputs=inputs, dout=dout):
            piece = make()
            first = inputs[0]  # or, where it holds indices, the same in another order
            other = first[::-1] if first.dtype.kind == "i" else first * 1.5 + 0.1
            run(piece, (other, *inputs[1:]))
            run(piece, inputs)
            return results(piece, dout)

        def larger_batch_first(make=make, inputs=inputs, dout=dout, name=name):
            piece = make()
            larger = tuple(np.repeat(one, 2, axis=0) for one in inputs)
            run(piece, inputs if name == "MatMul" else larger)
            run(piece, inputs)
            return results(piece, dout)

        def refused_between(make=make, inputs=inputs, dout=dout, name=name):
            piece = make()
            run(piece, inputs)
            try:
                run(piece, BAD_FORWARD.get(name, ("no numbers", *inputs[1:])))
            except (TypeError, ValueError):
                return results(piece, dout)
            return "the wrong input went through"

        yield call(f"{name}.backward", "twice", twice, wanted=wanted)
        yield call(f"{name}.backward", "after two forwards", another_first, wanted=wanted)
        yield call(f"{name}.backward", "after a larger batch", larger_batch_first, wanted=wanted)
        unless = RuntimeError if name == "Network" else None
        wanted = Right(wanted.value, unless=unless)
        yield call(f"{name}.backward", "after a refused forward", refused_between, wanted=wanted)


def stale():
    """What a network remembers belongs to its last loss; anything else in between must not be mixed in."""
    wanted = Right(a_gradient(CENTRED), unless=RuntimeError)

    def after(between):
        def made():
            network = a_network()
            network.loss(CENTRED, T)
            try:
                between(network)
            except (TypeError, ValueError):
                pass
            return network.backward, (), ()

        return made

    def shared(network):
        other = Network({"first": network.layers["Affine1"], "last": layers.Affine(bad_inputs.W.T, np.zeros(C))}, losses.SoftmaxWithLoss())  # fmt: skip
        other.gradient(Y, T)

    other = a_network()
    other.gradient(Y, T)
    betweens = {
        "after predict of other inputs": lambda net: net.predict(Y),
        "after accuracy of other inputs": lambda net: net.accuracy(Y, T),
        "after predict of a larger batch": lambda net: net.predict(np.vstack([Y, Y])),
        "after a loss refused for its labels": lambda net: net.loss(Y, [0, 1, 9]),
        "after a loss refused in the second layer": lambda net: net.loss(Y[:, :2], T),
        "after another network ran a shared layer": shared,
        "after a layer was replaced": lambda net: net.layers.update(ReLU1=other.layers["ReLU1"]),
        "after the loss was replaced": lambda net: setattr(net, "loss_layer", other.loss_layer),
        "after a layer was taken out": lambda net: net.layers.pop("ReLU1"),
        "after a layer was added": lambda net: net.layers.update(Tanh1=layers.Tanh()),
        "after the order of layers changed": lambda net: net.layers.update(
            Affine1=net.layers.pop("Affine1")
        ),
        "after half a walk over other inputs": lambda net: next(net.forward_steps(Y, T)),
    }
    for given, between in betweens.items():
        yield Case("Network.backward", given, after(between), wanted)
    yield Case("Network.backward", "after predict of the same inputs", after(lambda net: net.predict(CENTRED)), wanted)  # fmt: skip


# ---------------------------------------------------------------- wrong things

THINGS = {
    "a number": (3, r"3|int|float"),
    "text": ("x", r"\bx\b|str"),
    "None": (None, "None"),
    "a list": ([1, 2], r"\[1, 2\]|list|got 1"),
    "a function": (len, "len|function|builtin"),
    "a class": (layers.ReLU, "ReLU|type"),
    "an array": (np.ones(3), r"array|float64|1\. 1|got 1"),
}


def things(name, function, says, but=(), owners=()):
    """The call with each thing in turn, all of them refused."""
    for given, (thing, came) in THINGS.items():
        if given not in but:
            yield call(name, given, function, thing, wanted=Refused((says, came)), owners=owners)


def thing_cases():
    loss = losses.SoftmaxWithLoss()
    relu = {"ReLU1": layers.ReLU()}
    yield from things("gradient_check", lambda v: gradient_check(v, X), "gradient_check")
    yield from things("diagnose", lambda v: diagnose(v, X), "diagnose")
    yield from things("Network layers", lambda v: Network(v, loss), "Network")
    yield from things("Network a layer", lambda v: Network({"A": v}, loss), "layer")
    yield from things("Network loss", lambda v: Network(relu, v), "the loss")
    yield from things("topological_order", graph.topological_order, "topological_order|Variable")
    yield from things("graph.forward_steps", lambda v: list(graph.forward_steps(v)), "Variable")
    yield from things("graph.backward_steps", lambda v: list(graph.backward_steps(v)), "Variable")
    yield from things("trace_graph", trace_graph, "Variable")
    yield from things("trace_network", lambda v: trace_network(v, X, T), "trace_network")
    yield from things("Stepper", Stepper, "Stepper")
    yield from things("apply", lambda v: graph.apply(v, 1.0), "apply")
    yield from things("minibatches rng", lambda v: list(minibatches(X, T, 2, v)), "rng")
    yield from things("random_batches rng", lambda v: next(random_batches(X, T, 2, v)), "rng")
    yield from things("train rng", lambda v: one_update(rng=v), "rng")
    yield from things("train optimizer", lambda v: one_update(optimizer=v), "optimizer", ("None",))
    yield from things("train network", lambda v: list(train(v, (X, T), rng=rng(), progress=False)), "network")  # fmt: skip
    yield from things("train data", lambda v: list(train(a_network(), v, rng=rng(), progress=False)), "data|samples", ("a list",))  # fmt: skip
    yield from things("Embedding.init rng", lambda v: guests.Embedding.init(2, 2, v), "rng")
    yield from things("Attention.init rng", lambda v: guests.Attention.init(2, 2, v), "rng")
    yield from things("Embedding W", guests.Embedding, "Embedding", ("a number", "a list", "an array"))  # fmt: skip
    for W in ([1, 2], X, X[None]):
        yield call("Embedding.forward W", repr(W), lambda W: guests.Embedding(W).forward([0]), W, wanted=Right(np.array(W)[[0]]))  # fmt: skip
    for x in (0.5, [0.0], True, [0, 4], [-1], np.array([2**40])):
        for name, go in {
            "forward": guests.Embedding(X).forward,
            "expand": guests.Embedding(X).expand,
        }.items():
            yield call(f"Embedding.{name} x", repr(x), go, x, wanted=Refused(("Embedding",)))  # fmt: skip
    for x in (2, [2, 0, 2], np.uint8([1]), np.zeros((0, 2), int), np.int64(1)):
        yield call("Embedding.forward x", repr(x), guests.Embedding(X).forward, x, wanted=Right(X[x]))  # fmt: skip
    yield from things("Conv2D.init rng", lambda v: guests.Conv2D.init(2, 2, 3, v), "rng")
    yield from things("Conv2D W", guests.Conv2D, "Conv2D", ("a number", "a list", "an array"))
    for W, came in ((3, r"W \(\)"), ([1, 2], r"W \(2,\)"), (X, r"W \(3, 4\)")):
        yield call("Conv2D W", repr(W), guests.Conv2D, W, wanted=Refused(("Conv2D", came)))
    yield from things("Dropout rng", lambda v: guests.Dropout(0.5, v), "rng")
    for gamma, came in ((3.0, r"gamma \(\)"), ([1, 2], r"gamma \(2,\)"), ([], r"gamma \(0,\)"), (X, r"gamma \(3, 4\)")):  # fmt: skip
        yield call("BatchNorm gamma", repr(gamma), guests.BatchNorm, gamma, [0.0], wanted=Refused(("BatchNorm", came)))  # fmt: skip
    yield from things("Affine.init rng", lambda v: layers.Affine.init(2, 2, v), "rng")
    yield from things("two_layer_net rng", lambda v: two_layer_net(2, 2, 2, v), "rng")
    yield from things("two_layer_net activation", lambda v: two_layer_net(2, 2, 2, rng(), v), "activation")  # fmt: skip
    yield from things("make_moons rng", lambda v: datasets.make_moons(rng=v), "rng")
    yield from things("make_spirals rng", lambda v: datasets.make_spirals(rng=v), "rng")
    yield from things("numerical_gradient f", lambda v: numerical_gradient(v, X), "numerical_gradient|\\bf\\b", ("a function", "a class"))  # fmt: skip
    yield from things("load_mnist folder", datasets.load_mnist, "load_mnist", ("None", "text"))
    yield from things("load_mnist dtype", lambda v: datasets.load_mnist(dtype=v), "dtype")
    yield from things("check", check, "known|check", ("a class",))
    yield from things("record_training", lambda v: record_training(v, (X, T), rng=rng(), progress=False), "network|record_training")  # fmt: skip
    yield from things("record_training weights", lambda v: record(weights=v), "weights", ("a list",))  # fmt: skip
    yield from things("Replay", Replay, "Replay")
    yield from things("Replay a frame", lambda v: Replay([v]), "Replay")
    yield from things("Explorer", Explorer, "Explorer")
    yield from things("Explorer a curve", lambda v: Explorer({"a": v}), "Explorer", ("a list",))
    yield from things("Explorer settings", lambda v: Explorer({"a": ([0, 1], [2, 3])}, v), "Explorer|settings", ("None",))  # fmt: skip
    yield from things("Explorer notes", lambda v: Explorer({"a": ([0, 1], [2, 3])}, notes=v), "Explorer|note", ("a function",))  # fmt: skip
    yield from things("Explorer chosen", lambda v: Explorer({"a": ([0, 1], [2, 3])}, chosen=v), "chosen", ("None",))  # fmt: skip
    yield from things("Scene", lambda v: Scene(v, {"h": [1]}, title="t"), "Scene", ("a function", "a class"))  # fmt: skip
    yield from things("Scene settings", lambda v: Scene(lambda pen, h: "a", v, title="t"), "Scene")  # fmt: skip
    yield from things("Scene x", lambda v: Scene(lambda pen, h: "a", {"h": [1]}, title="t", x=v), "Scene wants x", ("None", "a list"))  # fmt: skip
    yield from things("BetGrid found", lambda v: BetGrid("q", v), "BetGrid")
    yield from things("Quiz question", lambda v: Quiz(v, {"a": "b", "c": "d"}, "a"), "Quiz", ("text",))  # fmt: skip
    yield from things("Quiz choices", lambda v: Quiz("q", v, "a"), "Quiz")
    yield from things("Quiz right", lambda v: Quiz("q", {"a": "b", "c": "d"}, v), "Quiz")
    yield from things("Trace.from_json", Trace.from_json, "not a trace")
    yield from things("Stepper open", lambda v: Stepper(BILL, open=v), "open", ("None",))  # fmt: skip
    yield from things("Stepper level", lambda v: Stepper(BILL, level=v), "level")
    yield from things("Sum axis", lambda v: nodes.Sum(v).forward(X), "Sum", ("None", "a list", "an array"))  # fmt: skip
    for axis in (True, np.True_, 0.0, np.ones(2), (0, 0), 2, -3, {0}):
        yield call("Sum axis", repr(axis), lambda v: nodes.Sum(v).forward(X), axis, wanted=Refused(("Sum",), (ValueError,)))  # fmt: skip
    for axis in ([0, 1], (0, 1), (np.int8(-1), 0), np.array([0, 1])):
        yield call("Sum axis", repr(axis), lambda v: trace_graph(graph.sum_(Variable(X, "x"), v)).to_json(), axis, wanted=Right())  # fmt: skip
    yield call("Sum axis", "an int64", lambda v: nodes.Sum(v).forward(X), np.int64(1), wanted=Right(X.sum(1)))  # fmt: skip
    yield from things(
        "Power exponent", nodes.Power, "Power", ("None", "a number", "a list", "an array")
    )


def pair_cases():
    """Batches and updates: two things that must go together."""
    for name, function in {
        "minibatches": lambda x, t: list(minibatches(x, t, 2, rng())),
        "random_batches": lambda x, t: list(islice(random_batches(x, t, 2, rng()), 2)),
        "train": lambda x, t: [r.step for r in train(a_network(), (x, t), rng=rng(), updates=2, progress=False)],
    }.items():  # fmt: skip
        first = function(X, T)
        for given, x, t in [("lists", X.tolist(), T.tolist()), ("strided", X[::-1][::-1], T)]:
            yield call(name, given, function, x, t, wanted=Right(first))
        for given, x, t in [
            ("x is longer", X, T[:2]), ("t is longer", X[:2], T), ("nothing", X[:0], T[:0]),
            ("numbers", 3.0, 1), ("a number and labels", 3.0, T), ("None", None, None),
            ("text", "abc", T), ("a dict", {0: 1, 1: 2, 2: 3}, T), ("a set", {1, 2, 3}, T),
        ]:  # fmt: skip
            yield call(name, given, function, x, t, wanted=Refused(("sample|data|batch|array",)))
    yield from update_cases()


def update_cases():
    for optimizer in (SGD(0.5), Momentum(0.5), Adam(0.5)):
        yield from update_cases_of(optimizer)


def update_cases_of(optimizer):
    """Of every optimizer: what is refused moves nothing, its own memory of earlier gradients included."""

    def params():
        return {"W": np.ones((2, 2)), "b": np.ones(2)}

    frozen, halves = params(), {"W": np.full((2, 2), 0.5), "b": np.full(2, 0.5)}
    frozen["b"].flags.writeable = False
    for given, ours, grads, says in [
        ("an unknown name", params(), {"W": np.ones((2, 2)), "c": np.ones(2)}, "b, c|c"),
        ("a missing gradient", params(), {"W": np.ones((2, 2))}, "b"),
        ("no gradient yet", params(), {"W": np.ones((2, 2)), "b": None}, "b.*None|None.*b"),
        ("another shape", params(), {"W": np.ones((2, 2)), "b": np.ones(3)}, r"b.*\(2,\).*\(3,\)"),
        ("a shape that would broadcast", params(), {"W": np.ones((2, 2)), "b": 1.0}, "b"),
        (
            "lists of gradients",
            params(),
            {"W": [[1.0, 1.0], [1.0, 1.0]], "b": [1.0, 1.0]},
            "W.*list",
        ),
        ("integer gradients", params(), halves | {"b": np.ones(2, int)}, "b.*int"),
        ("a gradient of text", params(), halves | {"b": np.array(["a", "b"])}, "b"),
        ("a complex gradient", params(), halves | {"b": np.ones(2) * 1j}, "b.*complex"),
        ("a gradient of objects", params(), halves | {"b": np.ones(2, object)}, "b.*object"),
        ("integer parameters", params() | {"b": np.ones(2, int)}, halves, "b.*int"),
        ("a list as a parameter", params() | {"b": [1.0, 1.0]}, halves, "b.*list"),
        ("a number as a parameter", {"b": 1.0}, {"b": 0.5}, "b.*float"),
        ("names of two types", {1: np.ones(1), "b": np.ones(1)}, {}, "1, b"),
        ("a read-only parameter", frozen, halves, "b.*read-only"),
    ]:
        name, wanted = f"{type(optimizer).__name__}.update", Refused((says,))
        yield call(name, given, optimizer.update, ours, grads, wanted=wanted, owners=(optimizer,))


LOAD = attrgetter("load")


def file_cases():
    """What `Network.load` is asked to read from."""
    for given, (thing, came) in THINGS.items():
        if given != "text":
            yield on_network("Network.load", given, LOAD, thing, Refused(("Network.load", came)))
    right = a_network().params
    first, *others = right
    for given, arrays, says in [
        ("nothing", {}, "file holds"),
        ("an array less", {key: right[key] for key in others}, first),
        ("an array more", {**right, "Affine9.W": np.ones(2)}, "Affine9"),
        ("another shape", {**right, first: np.ones((9, 9))}, r"\(9, 9\)"),
        ("text", {**right, first: np.full(right[first].shape, "a")}, f"{first}.*<U"),
        ("complex numbers", {**right, first: right[first] * 1j}, f"{first}.*complex"),
    ]:
        yield on_network("Network.load", given, LOAD, npz_of(arrays), Refused((says,)))
    for given, content in [
        ("no bytes", b""),
        ("text", b"W = 1"),
        ("half", npz_of(right).read()[:90]),
    ]:
        wanted = Refused(("Network.load wants a file that Network.save wrote",))
        yield on_network("Network.load", f"a file of {given}", LOAD, BytesIO(content), wanted)
    alone = BytesIO()
    np.save(alone, np.ones(3))
    alone.seek(0)
    yield on_network(
        "Network.load", "a single array", LOAD, alone, Refused(("Network.save wrote",))
    )


def npz_of(arrays):
    file = BytesIO()
    np.savez(file, **arrays)
    file.seek(0)
    return file


def trace_cases():
    text = BILL.to_json()
    yield call("Trace.from_json", "what to_json wrote", lambda t: len(Trace.from_json(t)), text, wanted=Right(9))  # fmt: skip
    for given, wrong in {
        "half of it": text[: len(text) // 2],
        "empty text": "",
        "a list": "[1, 2]",
        "a number": "3",
        "null": "null",
        "no variables": text.replace('"variables"', '"v"'),
        "no steps": text.replace('"steps"', '"s"'),
        "no code": text.replace('"code"', '"c"'),
        "an input that is not there": text.replace('"inputs":[0]', '"inputs":[99]'),
        "a negative input": text.replace('"inputs":[0]', '"inputs":[-1]'),
        "an input that is text": text.replace('"inputs":[0]', '"inputs":["0"]'),
        "a step of nothing": text.replace('"variable":1', '"variable":77'),
        "an unknown phase": text.replace('"phase":"forward"', '"phase":"sideways"', 1),
        "another key in a step": text.replace('"phase":"forward"', '"phase":"forward","x":1', 1),
        "a value that is text": text.replace('"value":3.0', '"value":"three"'),
        "an array of objects": text.replace('"value":3.0', '"value":{"dtype":"object","shape":[1],"data":[1]}'),
        "an array of another size": text.replace('"value":3.0', '"value":{"dtype":"float64","shape":[2],"data":[1]}'),
        "an array of long texts": text.replace('"value":3.0', '"value":{"dtype":"U99999999","shape":[1],"data":["1"]}'),
        "a list as a value": text.replace('"value":3.0', '"value":[1,2]'),
        "no value": text.replace('"value":3.0,', ""),
        "a name that is a number": text.replace('"name":"side"', '"name":3'),
        "no name": text.replace('"name":"side",', ""),
        "one name twice": text.replace('"name":"price"', '"name":"side"'),
        "an operation that is a list": text.replace('"op":"Power"', '"op":["Power"]'),
        "options that are a list": text.replace('"options":{', '"options":[1],"o":{', 1),
        "something kept without a name": text.replace('"value":3.0', '"value":3.0,"kept":[3,1.0]'),
        "something kept that is half": text.replace('"value":3.0', '"value":3.0,"kept":["mask"]'),
        "a constant by half": text.replace('"value":3.0', '"value":3.0,"constant":1'),
        "a seed that is a number": text.replace('"seed":true', '"seed":3'),
        "a seed on the way forward": text.replace('"phase":"forward"', '"phase":"forward","seed":true', 1),
        "gradients on the way forward": text.replace('"phase":"forward"', '"phase":"forward","contributions":[1.0]', 1),
        "more gradients than inputs": text.replace('"contributions":[', '"contributions":[1.0,2.0,3.0,'),
        "a step of a leaf": text.replace('"variable":1', '"variable":0', 1),
        "code that is a number": text.replace('"lines":[', '"lines":3,"l":[', 1),
        "a mark in words": text.replace('"mark":[', '"mark":["first","last"],"m":[', 1),
        "brackets without end": "[" * 100_000,
        "an integer without end": text.replace("3.0", "1" + "0" * 400),
        "a number by a wrong name": text.replace('"value":3.0', '"value":{"float":"Infinite"}'),
    }.items():  # fmt: skip
        assert wrong != text, given
        yield call("Trace.from_json", given, Trace.from_json, wrong, wanted=Refused(("not a trace",), (ValueError,)))  # fmt: skip

    yield from changed_traces()


def changed_traces():
    """A whole trace with one thing that does not go with the others."""
    reads = [[[99, "same"], None]] * len(BILL.variables)
    elsewhere = [[[0, "nowhere"], None]] * len(BILL.variables)
    array = {"dtype": "float64", "shape": [1], "data": [1.0]}
    for given, says, change in [
        ("an empty list of variables", "no variables", lambda d: d.update(variables=[])),
        ("a gradient of another shape", "another shape", lambda d: d["variables"][0].update(grad=array)),
        ("nodes that are none", "not a trace", lambda d: d.update(nodes=3)),
        ("reads past the nodes", "nothing can be read at 99", lambda d: d.update(nodes=dict(d), reads=reads)),
        ("reads in another way", "by 'nowhere'", lambda d: d.update(nodes=dict(d), reads=elsewhere)),
        ("too few reads", "it reads 1 of", lambda d: d.update(nodes=dict(d), reads=reads[:1])),
        ("too many inputs", "does not go with its inputs", lambda d: d["variables"][-1].update(inputs=[0])),
    ]:  # fmt: skip
        data = BILL.to_dict()
        change(data)
        text = json.dumps(data)
        yield call("Trace.from_json", given, Trace.from_json, text, wanted=Refused(("not a trace", says), (ValueError,)))  # fmt: skip


def widget_cases():
    curve = ([0, 1, 2], [3.0, 4.0, 5.0])
    for given, records, says in [
        ("no curve", {}, "dict of curves"),
        ("xs and ys of different lengths", {"a": ([0, 1], [1, 2, 3])}, "shape"),
        ("xs that fall", {"a": ([1, 0], [1, 2])}, "increasing"),
        ("xs that are not finite", {"a": ([0, np.nan], [1, 2])}, "finite"),
        ("one point", {"a": ([0], [1])}, "2 to"),
        ("text for numbers", {"a": (["x", "y"], [1, 2])}, "numbers"),
        ("objects for numbers", {"a": ([object(), 2], [1, 2])}, "numbers"),
        ("complex ys", {"a": ([0, 1], [1j, 2])}, "numbers"),
        ("a ragged list", {"a": ([0, 1], [[1], [1, 2]])}, "numbers"),
        ("two axes", {"a": (np.zeros((2, 2)), np.zeros((2, 2)))}, "increasing|xs"),
        ("different grids", {"a": ([0, 1], [1, 2]), "b": ([0, 2], [1, 2])}, "share"),
        ("a name that is a number", {3: curve}, "name"),
    ]:
        yield call("Explorer", given, Explorer, records, wanted=Refused((says,), (ValueError,)))
    for given, frames, says in [
        ("no frame", [], "1 to"),
        ("a step back", [LATER, FRAME], "rising"),
        ("no loss", [{"step": 1, "gradient_norms": {}}], "loss"),
        ("a loss in words", [FRAME | {"loss": "high"}], "loss"),
        ("a step that is infinite", [FRAME | {"step": np.inf}], "step"),
        ("a step that is NaN", [FRAME | {"step": np.nan}], "step"),
        ("a fraction of a step", [FRAME | {"step": 1.5}], "step"),
        ("other norms later", [FRAME, LATER | {"gradient_norms": {"V": 1}}], "gradient_norms"),
        ("pixels above 1", [FRAME | {"images": [(np.full((2, 2), 7), "a")]}], "0 to 1"),
        ("pixels in words", [FRAME | {"images": [("abcd", "a")]}], "pixels|images"),
        ("pixels that are not square", [FRAME | {"images": [(np.ones(3), "a")]}], "square"),
        ("images that are no list", [FRAME | {"images": 3}], "images"),
        ("weights with three axes", [FRAME | {"weights": {"W": np.ones((2, 2, 2))}}], "axes"),
        ("weights in words", [FRAME | {"weights": {"W": "ab"}}], "weights"),
        ("weights that are no dict", [FRAME | {"weights": [1]}], "weights"),
    ]:
        yield call("Replay", given, Replay, frames, wanted=Refused((says,), (ValueError,)))
    for given, value in {"infinite": np.inf, "NaN": np.nan}.items():
        yield call("Replay", f"a loss that is {given}", lambda v: len(Replay([FRAME | {"loss": v}, LATER]).frames), value, wanted=Right(2))  # fmt: skip
    for given, choices, right, says in [
        ("one choice", {"a": "b"}, "a", "2 to"),
        ("an empty choice", {"": "b", "c": "d"}, "c", "choice"),
        ("an empty reason", {"a": " ", "c": "d"}, "c", "reason"),
        ("a reason that is a number", {"a": 3, "c": "d"}, "c", "reason"),
        ("a right one that is not there", {"a": "b", "c": "d"}, "e", "right"),
    ]:
        yield call("Quiz", given, Quiz, "q", choices, right, wanted=Refused((says,), (ValueError,)))
    for given, x, t in [("no x", None, T), ("no t", X, None), ("neither", None, None)]:
        yield call("Stepper", f"a network with {given}", lambda x, t: Stepper(a_network(), x, t), x, t, wanted=Refused(("Stepper", "x and t")))  # fmt: skip


def small_cases():
    """What chapters take from the package beside layers and figures."""
    for given, images, says in [
        ("pixels that are not square", np.ones((2, 3)), "square images"),
        ("one image, not in a list", np.ones(4), "square images"),
        ("no pixels", np.ones((2, 0)), "square images"),
    ]:
        yield call("digit_pictures", given, digit_pictures, images, ["a", "b"], wanted=Refused((says,), (ValueError,)))  # fmt: skip
    for given, size in {
        "no inputs": 0,
        "a fraction of an input": 1.5,
        "inputs in words": "x",
    }.items():
        yield call("Specimen.network", given, lambda D: ZOO[0].network(D, 3, 2, rng()), size, wanted=Refused(("whole number D",)))  # fmt: skip

    def slopes(x):
        return [(above - below) / 0.5 for _, above, below in nudged(x, 0.25, lambda: np.sum(x**2))]

    for given, x in {"strided": X[:, ::2], "a number": np.array(0.7), "nothing": X[:0]}.items():
        yield call("nudged", given, slopes, x.copy(), wanted=Right((2 * x).ravel().tolist()))
    image = np.arange(24.0).reshape(4, 6)
    for given, x in {"strided": image[::2, ::2], "integers": image.astype(int)}.items():
        yield call("views", given, lambda x: [one.tolist() for one in views(x, (1, 1))], x, wanted=Right([x.tolist()]))  # fmt: skip
    yield call("views", "a window larger than the image", lambda x: [one.size for one in views(x, (9, 1))][:1], image, wanted=Right([0]))  # fmt: skip


def check_cases():
    """`gradient_check` and `diagnose`: what is checked must make sense before it is nudged."""

    def affine():
        return layers.Affine(bad_inputs.W, bad_inputs.B)

    for name, function, fine in [
        ("gradient_check", lambda make, x: gradient_check(make(), x).ok, True),
        ("diagnose", lambda make, x: diagnose(make(), x), []),
    ]:
        for given, x in {"lists": X.tolist(), "integers": np.rint(X).astype(int), "a number": 0.7,
                         "read-only": frozen(X), "strided": X[:, ::2], "booleans": X > 1}.items():  # fmt: skip
            yield call(name, given, function, layers.Tanh, x, wanted=Right(fine))
        for given, x, says in [
            ("NaN", X * np.nan, "finite"), ("infinity", X * np.inf, "finite"),
            ("objects", X.astype(object), "object"), ("text", "abc", "str"), ("None", None, "None"),
            ("complex", X * 1j, "complex"), ("a ragged list", [[1.0], [1.0, 2.0]], "ragged"),
        ]:  # fmt: skip
            yield call(name, given, function, layers.Tanh, x, wanted=Refused((name, says)))
        yield call(name, "a shape that does not fit", function, affine, X[:, 1:], wanted=Refused(("Affine", r"\(3, 3\)")))  # fmt: skip
        yield call(name, "an empty tuple", function, layers.Tanh, (), wanted=Refused((name,)))
        yield call(name, "a network without targets", function, a_network, X, wanted=Refused((name, "targets t")))  # fmt: skip
    half = X.astype(np.float32)
    yield call("gradient_check", "float32", lambda x: gradient_check(layers.Tanh(), x), half, wanted=Refused(("float64", "float32"), (ValueError,)))  # fmt: skip
    yield call("numerical_gradient", "f gives an array", numerical_gradient, np.exp, X, wanted=Refused(("one number", r"\(3, 4\)")))  # fmt: skip
    yield call("numerical_gradient", "f gives text", numerical_gradient, lambda x: "three", X, wanted=Refused(("number", "str|three")))  # fmt: skip
    yield call("numerical_gradient", "f gives None", numerical_gradient, lambda x: None, X, wanted=Refused(("number", "None")))  # fmt: skip
    for given, x in {"objects": X.astype(object), "text": "abc", "None": None}.items():
        yield call("numerical_gradient", given, numerical_gradient, np.sum, x, wanted=Refused(("numerical_gradient",), (TypeError,)))  # fmt: skip
    layer = layers.ReLU()
    yield call("Network", "a layer twice", Network, {"a": layer, "b": layer}, losses.SoftmaxWithLoss(), wanted=Refused(("twice",), (ValueError,)))  # fmt: skip
    yield call("train", "epochs and updates", lambda: one_update(epochs=1), wanted=Refused(("epochs or updates",), (ValueError,)))  # fmt: skip
    yield call("load_mnist", "a folder without the files", datasets.load_mnist, Path(__file__).parent, wanted=Refused(("missing in", "train-images"), (FileNotFoundError,)))  # fmt: skip


def frozen(array):
    array = array.copy()
    array.flags.writeable = False
    return array


def blown_up():
    """Training that leaves the numbers behind ends in words, at the update where it happened."""

    def diverging(make_loss, t):
        network = a_network()
        network.loss_layer = make_loss()
        return list(train(network, (1e150 * X, t), optimizer=SGD(1e308), updates=5, rng=rng(), progress=False))  # fmt: skip

    for loss, t in ((losses.SoftmaxWithLoss, T), (losses.IdentityWithLoss, Y)):
        yield call("train", f"{loss.__name__}, lr = 1e308", diverging, loss, t, wanted=Refused((f"{loss.__name__}|accuracy", "finite|NaN"), (ValueError,)))  # fmt: skip


def cases():
    yield from bad_inputs.cases()
    for table in (
        number_cases, label_cases, single_cases, order_cases, thing_cases, pair_cases, file_cases, trace_cases,
        widget_cases, small_cases, check_cases, blown_up,
    ):  # fmt: skip
        yield from table()


def main(word=""):
    count, problems = 0, 0
    for case in cases():
        if word in case.callable or word in case.given:
            came, problem = judge(case)
            count, problems = count + 1, problems + bool(problem)
            arrow = f"   <-- {problem}" if problem else ""
            print(f"{case.callable:30}  {case.given:34}  {came}{arrow}")
    print(f"{count} cases, {problems} of them not as wanted")
    return problems > 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
