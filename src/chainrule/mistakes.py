"""Mistakes: one table of what goes wrong in a backward pass, by name.

Each mistake has a code, a sentence that says what the code does, a hint for whoever wrote it, and a
function that tells which numbers it would have produced. The doctor compares those with what it
meets; the zoo below breeds whole networks with one mistake each; the exercises hand on the hints.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from chainrule import nodes
from chainrule.guards.numbers import sum_to
from chainrule.layers import Affine, ReLU, Sigmoid
from chainrule.losses import SoftmaxWithLoss, softmax
from chainrule.network import two_layer_net


@dataclass
class Scene:
    """One gradient, and everything that a mistake in it may have been made of.

    place     the name of the array whose gradient this is, a key of `inputs` or `params`
    inputs    name -> array, what went into forward
    params    name -> array
    out       what came out
    dout      the upstream gradient, of the shape of `out`
    true      the right gradient
    unit      the gradient that would be right if `dout` were 1 everywhere
    slopes    name -> local derivative of each entry of `out`, for what works entry by entry
    slope_at  x -> the local derivative there, for a single input that works entry by entry
    out_at    x -> the output there, likewise
    t         the targets of a loss, one-hot
    forks     (label, gradient): what remains when one use of a forked value is forgotten
    forkless  whether the input is known to be used once, as in a power
    """

    place: str
    inputs: dict
    params: dict
    out: np.ndarray
    dout: np.ndarray
    true: np.ndarray
    unit: np.ndarray
    slopes: dict = field(default_factory=dict)
    slope_at: Callable | None = None
    out_at: Callable | None = None
    t: np.ndarray | None = None
    forks: tuple = ()
    forkless: bool = False

    @property
    def arrays(self):
        return self.inputs | self.params

    @property
    def own(self):
        return self.arrays[self.place]

    @property
    def x(self):
        """The only input; None where there are several."""
        return next(iter(self.inputs.values())) if len(self.inputs) == 1 else None

    @property
    def slope(self):
        return self.slopes.get(self.place)

    @property
    def others(self):
        return {name: array for name, array in self.arrays.items() if name != self.place}

    @property
    def samples(self):
        """The number N of samples, 1 where there is no batch."""
        first = next(iter(self.inputs.values()), np.zeros(()))
        return len(first) if first.ndim > 1 else 1

    def fit(self, gradient):
        """`gradient`, of the output's shape, summed to the shape of the place."""
        return sum_to(np.broadcast_to(gradient, self.out.shape), self.true.shape)

    @cached_property
    def terms(self):
        """What the gradient sums up along the batch, (number of terms, *shape), or None."""
        shape = self.true.shape
        if self.slope is None or self.out.shape == shape:
            return None
        while shape and shape[0] == 1:
            shape = shape[1:]
        terms = self.dout * self.slope
        fits = terms.shape[terms.ndim - len(shape) :] == shape
        return terms.reshape(-1, *self.true.shape) if fits else None

    @cached_property
    def gate(self):
        """(slope where open, slope where closed, where it is open), or None for what is no gate."""
        if self.slope is None or self.place not in self.inputs:
            return None
        if len(self.inputs) == 2 and not self.params:
            x, y = self.inputs.values()
            chosen = any(same(self.out, pick(x, y)) for pick in (np.maximum, np.minimum))
            return (1.0, 0.0, self.slope > 0.5) if chosen else None
        if self.slope_at is None:
            return None
        points = (0.7, 1.9, 5.0, -0.7, -1.9, -5.0)
        levels = np.array([self.slope_at(np.full(self.own.shape, point)) for point in points])
        ranked = np.take_along_axis(levels, np.argsort(np.abs(levels), axis=0), axis=0)
        low, high = np.round(ranked[0], 6), np.round(ranked[-1], 6)
        off = np.minimum(np.abs(levels - low), np.abs(levels - high))
        two = np.all(off < 1e-6) and np.all(low != high)
        return (high, low, np.abs(self.slope - high) < np.abs(self.slope - low)) if two else None


def same(a, b, tolerance=1e-7):
    """Whether two arrays have one shape and nearly the same numbers, compared by norm."""
    if np.shape(a) != np.shape(b):
        return False
    size = np.linalg.norm(np.ravel(a)) + np.linalg.norm(np.ravel(b))
    return bool(np.linalg.norm(np.ravel(np.subtract(a, b))) <= tolerance * size)


# What each mistake would have produced: a generator of pairs (in words, the numbers).


def bias_sum_over_everything(scene):
    if scene.terms is not None and scene.true.size > 1:
        yield "the sum over all entries", np.sum(scene.terms)


def bias_first_row(scene):
    if scene.terms is not None and len(scene.terms) > 1:
        yield "the first sample alone", scene.terms[0]
        yield "the last sample alone", scene.terms[-1]


def bias_mean(scene):
    if scene.terms is not None and len(scene.terms) > 1:
        yield "the mean over the batch", scene.terms.mean(axis=0)
        yield "the mean over all entries", np.mean(scene.terms)


def products(scene, matrix):
    """Every product of dout and `matrix`, transposed or not, that has the shape of the gradient."""
    dout, matrix = np.atleast_2d(scene.dout), np.atleast_2d(matrix)
    if dout.ndim != 2 or matrix.ndim != 2:
        return
    turned = {"": matrix, ".T": matrix.T, ".reshape": matrix.reshape(matrix.shape[::-1])}
    turned[".T.reshape"] = matrix.T.reshape(matrix.shape)
    for name, m in turned.items():
        for side, d in {"dout": dout, "dout.T": dout.T}.items():
            for words, left, right in ((f"{side} @ M{name}", d, m), (f"M{name} @ {side}", m, d)):
                shape = scene.true.shape
                shape = shape if len(shape) == 2 else (1, *shape)
                if left.shape[1] == right.shape[0] and (len(left), right.shape[1]) == shape:
                    yield words, (left @ right).reshape(scene.true.shape)


def right_factor(scene):
    """The name of the array that makes the right gradient in a product with dout, or None."""
    if scene.slope is not None or scene.true.ndim not in (1, 2):
        return None
    for name, array in scene.others.items():
        if array.ndim in (1, 2) and any(same(p, scene.true) for _, p in products(scene, array)):
            return name
    return None


def weight_not_transposed(scene):
    name = right_factor(scene)
    if name is not None:
        for words, product in products(scene, scene.others[name]):
            yield words.replace("M", name), product
        if scene.true.shape == scene.true.T.shape:
            yield "the transpose of the right one", scene.true.T


def inputs_not_swapped(scene):
    if right_factor(scene) is not None and scene.own.ndim == 2:
        yield from products(scene, scene.own)
    if scene.slope is None or scene.gate is not None:
        return
    for name in scene.others:
        slope = scene.slopes.get(name)
        if slope is None or (name in scene.params and same(slope, np.ones_like(slope))):
            continue  # a bias has nothing of its own to hand over
        if not same(np.abs(slope), np.abs(scene.slope)):
            yield f"the gradient of {name}", scene.fit(scene.dout * slope)


def softmax_over_batch(scene):
    if scene.t is None or scene.t.ndim != 2:
        return
    a = scene.x
    weights = np.exp(a - a.max())
    for words, total in (("everything", weights.sum()), ("each column", weights.sum(axis=0))):
        yield f"softmax over {words}", scene.dout * (weights / total - scene.t) / len(a)


def mask_missing(scene):
    if scene.gate is not None:
        yield "dout, let through everywhere", scene.fit(scene.dout * scene.gate[0])


def mask_inverted(scene):
    if scene.gate is not None:
        high, low, is_open = scene.gate
        yield "dout where the gate is closed", scene.fit(scene.dout * np.where(is_open, low, high))


def mask_from_upstream(scene):
    if scene.gate is not None:
        high, low, _ = scene.gate
        kept = scene.dout * np.where(scene.dout > 0, high, low)
        yield "dout where dout is positive", scene.fit(kept)
        both = scene.dout * np.where(scene.dout > 0, scene.slope, low)
        yield "dout where the gate is open and dout positive", scene.fit(both)


def derivative_missing(scene):
    if scene.t is not None and scene.t.shape == scene.x.shape:
        yield (
            "the derivative by the probabilities, −t / y",
            -scene.dout * scene.t / softmax(scene.x) / scene.samples,
        )
    elif scene.slope is not None:
        if scene.gate is None and not only_signs(scene.slope):
            yield "dout as it came", scene.fit(scene.dout)
    elif scene.x is not None and scene.x.ndim and same(scene.out, softmax(scene.x)):
        yield "dout as it came", scene.dout


def derivative_twice(scene):
    if scene.t is not None and scene.t.shape == scene.x.shape:
        y = softmax(scene.x)
        yield "(y − t) y (1 − y)", scene.dout * (y - scene.t) * y * (1 - y) / scene.samples
    elif scene.slope is not None and not only_signs(scene.slope):
        yield "dout times the derivative squared", scene.fit(scene.dout * scene.slope**2)


def only_signs(slope):
    """Whether every slope is 1 or -1, as in x + y and x - y: a mistake there is one of sign."""
    return same(np.abs(slope), np.ones_like(slope))


BY_OUTPUT = {  # functions whose derivative is mostly written by the output
    "sigmoid": (lambda x: 1 / (1 + np.exp(-x)), lambda y: y * (1 - y)),
    "tanh": (np.tanh, lambda y: 1 - y * y),
    "exp": (np.exp, lambda y: y),
    "sqrt": (np.sqrt, lambda y: 0.5 / y),
    "softplus": (lambda x: np.log1p(np.exp(x)), lambda y: 1 - np.exp(-y)),
}


def derivative_of_input(scene):
    if scene.t is not None and scene.t.shape == scene.x.shape:
        yield "a − t, scores for probabilities", scene.dout * (scene.x - scene.t) / scene.samples
    if scene.slope_at is None or scene.slope is None or scene.place not in scene.inputs:
        return
    for function, derivative in BY_OUTPUT.values():
        if same(function(scene.x), scene.out):
            yield "y's formula taken at x", scene.dout * derivative(scene.x)
    if scene.gate is None:
        yield "x's formula taken at y", scene.dout * scene.slope_at(scene.out)


def direct_branch(scene):
    """Whether the output is its input plus some simple function of it: a fork at its plainest."""
    x, out = scene.own, scene.out
    if scene.place not in scene.inputs or x.shape != out.shape:
        return False
    if scene.out_at is not None:  # at moderate numbers: tiny and huge ones make functions alike
        x = np.linspace(-1.3, 1.7, x.size + 1)[1:].reshape(x.shape)
        moderate = scene.out_at(x)
        x, out = (x, moderate) if np.all(np.isfinite(moderate)) else (scene.own, out)
    return simple(x, out - x, scene.others)


def simple(x, values, others):
    """Whether `values` is a simple function of x, or its product with one of the other arrays."""
    functions = [np.tanh, np.exp, np.square, np.sin, np.cos, np.abs, np.array]
    made = [f(x) for f in functions] + [np.maximum(x, 0), 1 / (1 + np.exp(-x)), x**3]
    made += [x * other for other in others.values() if other.shape in ((), x.shape)]
    if x.ndim == 2:
        products = [x @ W for W in others.values() if W.shape == (x.shape[1],) * 2]
        biases = [b for b in others.values() if b.shape == x.shape[1:]]
        made += products + [xW + b for xW in products for b in biases]
    return any(same(values, one) for one in made)


def overwritten_at_fork(scene):
    yield from scene.forks
    if scene.place not in scene.inputs or scene.forkless or scene.own.shape != scene.out.shape:
        return
    x = scene.own
    branch = direct_branch(scene)
    if branch or (scene.x is not None and not straight(scene)):
        yield "every branch but the direct one", scene.true - scene.dout
    if branch or (scene.slope is None and not same(scene.out, softmax_of(x))):
        yield "the direct branch alone", scene.dout
    if scene.slope is not None and not lone_factor(scene):
        factor = np.divide(scene.out, x, out=np.array(scene.slope), where=x != 0)
        yield "one factor of a product alone", scene.dout * factor
        yield "the other factor of a product alone", scene.true - scene.dout * factor


def straight(scene):
    """Whether the function is linear, entry by entry: then a factor is no sign of a fork."""
    if scene.slope is None or scene.slope_at is None:
        return scene.slope is not None
    return same(scene.slope, scene.slope_at(1.3 * scene.own + 0.1), 1e-6)


def lone_factor(scene):
    """Whether out / x is no factor that a fork could have lost: out is a power of x, but neither its
    square nor another whole power, which are products of x with itself."""
    points = [(scene.own, scene.out, scene.slope)]
    if scene.slope_at is not None:
        x = 1.3 * scene.own + 0.1
        points.append((x, scene.out_at(x), scene.slope_at(x)))
    x, out, slope = (np.concatenate([np.ravel(p[i]) for p in points]) for i in range(3))
    use = np.isfinite(out) & np.isfinite(slope) & (np.abs(out) > 1e-6)
    if not use.any():
        return True
    powers = slope[use] * x[use] / out[use]  # the exponent, where out is a power of x
    p = np.median(powers)
    return bool(np.all(np.abs(powers - p) < 1e-6) and not (p > 1.5 and abs(p - np.round(p)) < 1e-6))


def softmax_of(x):
    return softmax(x) if x.ndim else x


def upstream_ignored(scene):
    yield "the gradient for a dout of 1", scene.unit


def missing_batch_division(scene):
    if scene.samples > 1:
        yield "N times the right gradient, for N samples,", scene.true * scene.samples


def double_batch_division(scene):
    if scene.samples > 1:
        yield "the right gradient divided by the number of samples", scene.true / scene.samples


def wrong_sign(scene):
    yield "the right gradient with its sign turned", -scene.true


def nothing(scene):
    """For mistakes that are found by running the code, not by their numbers."""
    return ()


@dataclass(frozen=True)
class Mistake:
    """code, what the code under test does, what its author should do, and what it would produce."""

    code: str
    cause: str
    hint: str
    produces: Callable = nothing

    def predictions(self, scene):
        """What this mistake would produce there: (in words, the numbers) pairs, in a dict."""
        try:
            return dict(self.produces(scene))
        except (ValueError, IndexError, TypeError, ArithmeticError):
            return {}  # the shapes at this place leave it no room


TABLE = [
    Mistake(
        "not-finite",
        "A number is infinite or not a number.",
        "Look for an overflow in exp, a logarithm of 0, or a division by 0.",
    ),
    Mistake(
        "bias-sum-over-everything",
        "The gradient of the bias is summed over all axes.",
        "Sum over the batch alone, dout.sum(axis=0): each bias has a gradient of its own.",
        bias_sum_over_everything,
    ),
    Mistake(
        "bias-first-row",
        "The gradient of the bias comes from one sample.",
        "Every sample used the bias, so sum dout over the whole batch: dout.sum(axis=0).",
        bias_first_row,
    ),
    Mistake(
        "bias-mean",
        "The gradient of the bias is averaged over the batch.",
        "Sum over the batch, do not average: the loss has already divided by N.",
        bias_mean,
    ),
    Mistake(
        "softmax-over-batch",
        "The softmax runs over the batch instead of over the classes.",
        "Each sample has its own probabilities: use axis=-1 and keepdims=True.",
        softmax_over_batch,
    ),
    Mistake(
        "mask-from-upstream",
        "The mask is taken from the sign of dout.",
        "The gate opens where the *input* was positive: keep the mask of forward.",
        mask_from_upstream,
    ),
    Mistake(
        "mask-missing",
        "The gradient passes the gate everywhere.",
        "Multiply dout by the mask of forward: where the gate was closed, nothing comes back.",
        mask_missing,
    ),
    Mistake(
        "mask-inverted",
        "The gradient passes where the gate was closed, and stops where it was open.",
        "Turn the mask around: the gradient passes where x > 0.",
        mask_inverted,
    ),
    Mistake(
        "weight-not-transposed",
        "A matrix has the wrong orientation in the product.",
        "Use dx = dout @ W.T and dW = x.T @ dout; the shapes of square matrices do not tell.",
        weight_not_transposed,
    ),
    Mistake(
        "inputs-not-swapped",
        "Each input gets the gradient that belongs to the other one.",
        "The gradient of x is dout times y, and that of y is dout times x: multiply swaps.",
        inputs_not_swapped,
    ),
    Mistake(
        "overwritten-at-fork",
        "A value that is used more than once got the gradient of only some of its uses.",
        "At a fork gradients add: one use writes with =, every other one needs +=.",
        overwritten_at_fork,
    ),
    Mistake(
        "derivative-missing",
        "The upstream gradient is handed on without the local derivative.",
        "Downstream is upstream times local: multiply dout by the derivative.",
        derivative_missing,
    ),
    Mistake(
        "derivative-twice",
        "The local derivative is multiplied in twice.",
        "Multiply dout by the derivative once.",
        derivative_twice,
    ),
    Mistake(
        "derivative-of-input",
        "The derivative is a formula of the output, taken at the input (or the other way round).",
        "Keep the output y in forward, not x: y (1 - y) and 1 - y ** 2 are formulas of y.",
        derivative_of_input,
    ),
    Mistake(
        "upstream-ignored",
        "The upstream gradient plays no part.",
        "Multiply by dout, also where it happens to be 1 today.",
        upstream_ignored,
    ),
    Mistake(
        "missing-batch-division",
        "The gradient is N times too large, for N samples.",
        "The loss is a mean over the batch, so divide its gradient by N.",
        missing_batch_division,
    ),
    Mistake(
        "double-batch-division",
        "The gradient is divided by the number of samples once more than it should be.",
        "Divide by N in one place only, in the loss.",
        double_batch_division,
    ),
    Mistake(
        "wrong-sign",
        "The gradient has the wrong sign.",
        "Go through the derivation once more and count the minus signs.",
        wrong_sign,
    ),
    Mistake(
        "scaled",
        "The gradient is a fixed multiple of the right one.",
        "Look for a constant that forward has and backward has not, or the other way round.",
    ),
    Mistake(
        "stale-cache",
        "Backward uses what an earlier call left behind.",
        "Let each forward store anew what backward needs, and let backward change none of it.",
    ),
    Mistake(
        "mutates-dout",
        "Backward writes into the upstream gradient that it was given.",
        "Make a new array: dx = dout * mask, instead of dout[...] = 0.",
    ),
    Mistake(
        "mutates-input",
        "An array that belongs to the caller is overwritten.",
        "Work on a copy, or write x = x + 1 instead of x += 1.",
    ),
    Mistake(
        "wrong-shape",
        "A gradient does not have the shape of the thing that it belongs to.",
        "Return one gradient for each input, in its shape; undo broadcasting by a sum.",
    ),
    Mistake(
        "unknown",
        "The gradient is wrong, in a way that is not in the table.",
        "Compute the entry in the evidence by hand, and print each step of backward beside it.",
    ),
]
MISTAKES = {mistake.code: mistake for mistake in TABLE}


class SumsEverything(Affine):
    def backward(self, dout):
        dx = super().backward(dout)
        self.grads["b"] = dout.sum()
        return dx


class AveragesTheBias(Affine):
    def backward(self, dout):
        dx = super().backward(dout)
        self.grads["b"] = np.atleast_2d(dout).mean(axis=0)
        return dx


class TakesTheFirstRow(Affine):
    def backward(self, dout):
        dx = super().backward(dout)
        self.grads["b"] = np.atleast_2d(dout)[0].copy()
        return dx


class UpdatesEarly(Affine):
    """Changes W before it hands the gradient back, so that dx goes through the new W.

    lr   the learning rate of the update, 0 where none is made, as in any check of gradients. The
         optimizer makes the update that counts, with the same lr; this is only what dx sees of it.
    """

    lr = 0.0

    def backward(self, dout):
        super().backward(dout)
        return dout @ (self.W - self.lr * self.grads["W"]).T


class ForgetsTheMask(ReLU):
    def backward(self, dout):
        return dout.copy()


class InvertsTheMask(ReLU):
    def backward(self, dout):
        return dout * ~self.mask


class MasksByUpstream(ReLU):
    def backward(self, dout):
        return dout * (dout > 0)


class ForgetsTheDerivative(Sigmoid):
    def backward(self, dout):
        return dout.copy()


class DerivesTwice(Sigmoid):
    def backward(self, dout):
        return super().backward(dout) * self.y * (1 - self.y)


class NeverDivides(SoftmaxWithLoss):
    def backward(self, dout=1.0):
        return dout * (self.y - self.t)


class DividesTwice(SoftmaxWithLoss):
    def backward(self, dout=1.0):
        return super().backward(dout) / len(np.atleast_2d(self.y))


class NormalisesTheBatch(SoftmaxWithLoss):
    def forward(self, a, t):
        loss = super().forward(a, t)
        self.y = softmax(np.ravel(a)).reshape(np.shape(a))
        return loss


@dataclass(frozen=True)
class Specimen:
    """One animal of the zoo: a two-layer network with a mistake in it.

    name        as the chapter calls it
    cause       its code in the table; None for the update made too early, which is no wrong gradient
    parts       the classes with the mistake, by the name of the class that each stands in for
    activation  of the network, "relu" or "sigmoid"
    """

    name: str
    cause: str | None
    parts: dict
    activation: str = "relu"

    def network(self, D, H, C, rng):
        """The network: D inputs, H hidden units, C classes. Only the mistake differs from
        `two_layer_net`: the same rng gives the same weights."""
        network = two_layer_net(D, H, C, rng, self.activation)
        for name, layer in network.layers.items():
            if name in self.parts or type(layer).__name__ in self.parts:
                kind = self.parts.get(name) or self.parts[type(layer).__name__]
                network.layers[name] = kind(**layer.params)
        network.loss_layer = self.parts.get("SoftmaxWithLoss", SoftmaxWithLoss)()
        return network


ZOO = [
    Specimen("bias: sum over everything", "bias-sum-over-everything", {"Affine": SumsEverything}),
    Specimen("bias: mean over the batch", "bias-mean", {"Affine": AveragesTheBias}),
    Specimen("bias: first row only", "bias-first-row", {"Affine": TakesTheFirstRow}),
    Specimen("ReLU: mask forgotten", "mask-missing", {"ReLU": ForgetsTheMask}),
    Specimen("loss: no division by N", "missing-batch-division", {"SoftmaxWithLoss": NeverDivides}),
    Specimen(
        "loss: divided by N twice", "double-batch-division", {"SoftmaxWithLoss": DividesTwice}
    ),
    Specimen(
        "softmax over the whole batch",
        "softmax-over-batch",
        {"SoftmaxWithLoss": NormalisesTheBatch},
    ),
    Specimen(
        "ReLU: mask from the upstream's sign", "mask-from-upstream", {"ReLU": MasksByUpstream}
    ),
    Specimen("ReLU: mask inverted", "mask-inverted", {"ReLU": InvertsTheMask}),
    Specimen("W2 updated too early", None, {"Affine2": UpdatesEarly}),
    Specimen("sigmoid: derivative twice", "derivative-twice", {"Sigmoid": DerivesTwice}, "sigmoid"),
    Specimen(
        "sigmoid: derivative forgotten",
        "derivative-missing",
        {"Sigmoid": ForgetsTheDerivative},
        "sigmoid",
    ),
]


NO_UPSTREAM = "You left out the upstream gradient: local times upstream goes on."
COPIES = "That multiplies by an input. Addition copies: its inputs do not matter."
HALVES = "That splits the gradient. Addition gives the whole of it to each side."
NOT_SWAPPED = "That is what you get if multiply did not swap: each side wants the other input."
AS_ADDITION = "That is what addition would do. Multiplication scales by the other input."
BY_ITS_OUTPUT = "That multiplies by the output. The local derivative is the other input."
CLOSED = "The gate is closed here: the larger input gets everything, the other 0."
OPEN = "The gate is open here: this input is the larger one."
TURNED = "The sign is wrong: the size is right, it pulls the other way."
UP = ["^", "x", ["-", "y", 1]]

# operation -> [position, formula, sentence]: what a wrong guess at a number of that node may have
# come from. position: an input, or -1 for the output. A formula is a number, a name (the inputs x and
# y, the output z, dout) or [sign, formula, formula]. Plain data, so that a page can use it too.
GUESSES = {
    "Add": [
        [-1, ["*", "x", "y"], "That is the product. This node adds."],
        [0, ["*", "dout", "x"], COPIES],
        [0, ["*", "dout", "y"], COPIES],
        [1, ["*", "dout", "x"], COPIES],
        [1, ["*", "dout", "y"], COPIES],
        [0, ["/", "dout", 2], HALVES],
        [1, ["/", "dout", 2], HALVES],
        [0, 1, NO_UPSTREAM],
        [1, 1, NO_UPSTREAM],
        [0, ["-", 0, "dout"], TURNED],
        [1, ["-", 0, "dout"], TURNED],
    ],
    "Subtract": [
        [-1, ["-", "y", "x"], "The order matters: the first input less the second."],
        [1, "dout", "The sign is missing: what is subtracted pulls the other way."],
        [0, ["-", 0, "dout"], "The first input keeps its sign; only the second turns it."],
        [0, 1, NO_UPSTREAM],
        [1, -1, NO_UPSTREAM],
    ],
    "Multiply": [
        [-1, ["+", "x", "y"], "That is the sum. This node multiplies."],
        [0, ["*", "dout", "x"], NOT_SWAPPED],
        [1, ["*", "dout", "y"], NOT_SWAPPED],
        [0, "y", NO_UPSTREAM],
        [1, "x", NO_UPSTREAM],
        [0, "dout", AS_ADDITION],
        [1, "dout", AS_ADDITION],
        [0, ["*", "dout", "z"], BY_ITS_OUTPUT],
        [1, ["*", "dout", "z"], BY_ITS_OUTPUT],
        [0, ["-", 0, ["*", "dout", "y"]], TURNED],
        [1, ["-", 0, ["*", "dout", "x"]], TURNED],
    ],
    "Divide": [
        [-1, ["/", "y", "x"], "The order matters: the first input divided by the second."],
        [0, ["*", "dout", "y"], "That multiplies where the derivative divides by y."],
        [
            1,
            ["/", ["*", "dout", "x"], ["*", "y", "y"]],
            "The sign is missing: a larger divisor makes the quotient smaller.",
        ],
        [0, ["/", 1, "y"], NO_UPSTREAM],
        [1, ["/", ["-", 0, "x"], ["*", "y", "y"]], NO_UPSTREAM],
        [1, ["/", "dout", "y"], "That is the gradient of the other input."],
        [1, ["/", ["-", 0, ["*", "dout", "x"]], "y"], "The divisor is squared here: −x / y²."],
    ],
    "Negate": [
        [-1, "x", "The sign is missing."],
        [0, "dout", "The sign is missing: the derivative of −x is −1."],
        [0, -1, NO_UPSTREAM],
    ],
    "Power": [
        [-1, ["*", "x", "y"], "That multiplies by the exponent. x² is x times x."],
        [0, ["*", "y", UP], NO_UPSTREAM],
        [
            0,
            ["*", "dout", UP],
            "The exponent is missing in front: the derivative of xᵖ is p xᵖ⁻¹.",
        ],
        [
            0,
            ["*", "dout", ["*", "y", "z"]],
            "The exponent goes down by one in the derivative.",
        ],
        [0, ["*", "dout", "z"], "That multiplies by the output. The derivative of xᵖ is p xᵖ⁻¹."],
        [0, "dout", "The local derivative is missing: p xᵖ⁻¹."],
    ],
    "Exp": [
        [
            0,
            ["*", "dout", "x"],
            "That multiplies by the input. exp is its own derivative: multiply by the output.",
        ],
        [0, "z", NO_UPSTREAM],
        [0, "dout", "The local derivative is missing: it is the output itself."],
    ],
    "Log": [
        [0, ["*", "dout", "x"], "That multiplies where the derivative divides: it is 1/x."],
        [0, ["/", 1, "x"], NO_UPSTREAM],
        [0, "dout", "The local derivative is missing: 1/x."],
        [0, ["/", "dout", "z"], "That divides by the output. The derivative of log x is 1/x."],
    ],
    "Maximum": [
        [-1, ["+", "x", "y"], "That is the sum. This node takes the larger one."],
        [0, "dout", CLOSED],
        [1, "dout", CLOSED],
        [0, 0, OPEN],
        [1, 0, OPEN],
        [0, 1, NO_UPSTREAM],
        [1, 1, NO_UPSTREAM],
    ],
    "Sum": [[0, 1, NO_UPSTREAM]],
}

SIGNS = {"+": np.add, "-": np.subtract, "*": np.multiply, "/": np.divide, "^": np.power}


def evaluate(formula, numbers):
    """The value of a formula of `GUESSES`: a number, a name among `numbers`, or [sign, a, b]."""
    if isinstance(formula, str):
        return numbers[formula]
    if not isinstance(formula, list):
        return float(formula)
    sign, left, right = formula
    return float(SIGNS[sign](evaluate(left, numbers), evaluate(right, numbers)))


def explain_guess(op, inputs, output, dout, position, guess):
    """The sentence of the first known mistake that gives `guess`, within 1 %; None if none does.

    op        the name of a node, as in `nodes`
    inputs    its inputs, numbers (for a fixed power: x and the exponent)
    output    its output, a number
    dout      the upstream gradient, a number
    position  which input's gradient was guessed; -1 for a guess at the output
    guess     a number; a right one gets None
    """
    x, y, *_ = [*inputs, float("nan"), float("nan")]
    numbers = {"x": float(x), "y": float(y), "z": float(output), "dout": float(dout)}
    right = right_answer(op, inputs, output, dout, position)
    if right is None or near(guess, right):
        return None
    with np.errstate(all="ignore"):
        for place, formula, sentence in GUESSES.get(op, []):
            would = evaluate(formula, numbers) if place == position else np.nan
            if near(guess, would) and not near(would, right):
                return sentence
    return None


def near(a, b):
    return bool(abs(a - b) <= 0.01 * abs(b) + 1e-9)  # NaN is near to nothing


def right_answer(op, inputs, output, dout, position):
    """The number that was asked for, from the node itself; None for an operation of one's own."""
    if position == -1:
        return output
    kind = getattr(nodes, op, None) if op in GUESSES else None
    if kind is None:
        return None
    if op == "Power":
        inputs, node = inputs[:1], kind(inputs[1])
    else:
        node = kind()
    node.forward(*(float(value) for value in inputs))
    return node.backward(float(dout))[position] if position < len(inputs) else None
