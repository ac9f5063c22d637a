"""Code with a mistake in its backward pass, in as many styles as people write it: what the doctor meets.

`CASES` is a list of (name, cause, where, make), and make() returns the arguments of `diagnose`.
"""

from collections import OrderedDict
from types import SimpleNamespace

import numpy as np

from chainrule.layers import Affine, ReLU, Sigmoid, Tanh
from chainrule.losses import IdentityWithLoss, SoftmaxWithLoss
from chainrule.network import Network

CASES = []
rng = np.random.default_rng(42)
X = rng.normal(size=(5, 4))
SQUARE = rng.normal(size=(4, 4))
A = rng.normal(size=(5, 3))
LABELS = np.array([0, 2, 1, 1, 0])
ONE_HOT = np.eye(3)[LABELS]


START = rng.bit_generator.state


def case(cause, where, *arguments):
    """Register a class or a function that makes the target, and what `diagnose` gets beside it."""

    def register(thing):
        def make():
            rng.bit_generator.state = START  # the same numbers in whatever order they are made
            return thing(), *arguments

        CASES.append((thing.__name__, cause, where, make))
        return thing

    return register


def layer(forward, backward, **params):
    """A layer without a class: two functions and a place for what they share."""
    kept = SimpleNamespace(params=params, grads={})
    kept.forward = lambda x: forward(kept, x)
    kept.backward = lambda dout: backward(kept, dout)
    return kept


# gates


@case("mask-missing", "x", X)
class Rectifier:
    def forward(self, v):
        self.v = v
        return np.clip(v, 0, None)

    def backward(self, g):
        return 1.0 * g


@case("mask-missing", "x", X)
class LeakyGate:
    def forward(self, v):
        return np.where(v > 0, v, 0.1 * v)

    def backward(self, g):
        return np.array(g)


@case("mask-inverted", "x", X)
class HalfWave:
    def forward(self, v):
        self.off = v <= 0
        out = v.copy()
        out[self.off] = 0
        return out

    def backward(self, g):
        g = g.copy()
        g[~self.off] = 0
        return g


@case("mask-inverted", "x", X)
class LeakySwapped:
    def forward(self, v):
        self.slope = np.where(v > 0, 0.2, 1.0)
        return np.where(v > 0, v, 0.2 * v)

    def backward(self, g):
        return g * self.slope


@case("mask-from-upstream", "x", X)
class GuidedGate:
    def forward(self, v):
        return v * (v > 0)

    def backward(self, g):
        return np.maximum(g, 0)


@case("mask-from-upstream", "x", X)
class DoubleGuidedGate:
    def forward(self, v):
        self.on = v > 0
        return v * self.on

    def backward(self, g):
        return np.where(self.on & (g > 0), g, 0.0)


@case("mask-missing", "x", 0.7 * np.array([-2.0, 3.0, -1.0]))
class VectorGate:
    def forward(self, v):
        return np.array([max(entry, 0.0) for entry in v])

    def backward(self, g):
        return [entry for entry in g]


@case("mask-inverted", "x", (3.0, 2.0))
class LargerOfTwo:
    def forward(self, p, q):
        self.first = p > q
        return max(p, q)

    def backward(self, g):
        return (0.0, g) if self.first else (g, 0.0)


@case("mask-missing", "y", (3.0, 2.0))
class LargerGivesBoth:
    def forward(self, p, q):
        return max(p, q)

    def backward(self, g):
        return g, g


# smooth functions


@case("derivative-missing", "x", X)
class Squash:
    def forward(self, v):
        self.s = 1 / (1 + np.exp(-v))
        return self.s

    def backward(self, g):
        return g + 0


@case("derivative-twice", "x", X)
class SquashTwice:
    def forward(self, v):
        self.s = 1 / (1 + np.exp(-v))
        return self.s

    def backward(self, g):
        slope = self.s - self.s**2
        return slope * g * slope


@case("derivative-of-input", "x", X)
class SquashAtInput:
    def forward(self, v):
        self.v = v
        return 1 / (1 + np.exp(-v))

    def backward(self, g):
        return g * self.v * (1 - self.v)


@case("derivative-of-input", "x", X)
class SquashOfOutput:
    def forward(self, v):
        self.s = 1 / (1 + np.exp(-v))
        return self.s

    def backward(self, g):
        again = 1 / (1 + np.exp(-self.s))
        return g * again * (1 - again)


@case("derivative-of-input", "x", X)
class HyperbolicAtInput:
    def forward(self, v):
        self.v = v
        return np.tanh(v)

    def backward(self, g):
        return g * (1 - self.v**2)


@case("derivative-twice", "x", X[0])
class HyperbolicTwice:
    def forward(self, v):
        self.s = np.tanh(v)
        return self.s

    def backward(self, g):
        return g * (1 - self.s**2) ** 2


@case("derivative-missing", "x", 0.4)
class Exponential:
    def forward(self, v):
        return float(np.exp(v))

    def backward(self, g):
        return (g,)


@case("derivative-of-input", "x", 0.4)
class ExponentialAtInput:
    def forward(self, v):
        self.v = v
        return float(np.exp(v))

    def backward(self, g):
        return g * self.v


@case("derivative-missing", "x", np.abs(X) + 0.5)
class Logarithm:
    def forward(self, v):
        return np.log(v)

    def backward(self, g):
        return g.copy()


@case("upstream-ignored", "x", np.abs(X) + 0.5)
class LogarithmAlone:
    def forward(self, v):
        self.v = v
        return np.log(v)

    def backward(self, g):
        return 1 / self.v


@case("upstream-ignored", "x", X)
def squash_alone():
    def forward(kept, v):
        kept.s = 1 / (1 + np.exp(-v))
        return kept.s

    return layer(forward, lambda kept, g: kept.s * (1 - kept.s))


@case("derivative-missing", "x", X)
class SoftplusPlain:
    def forward(self, v):
        return np.log1p(np.exp(v))

    def backward(self, g):
        return g * np.ones_like(g)


@case("wrong-sign", "x", X)
class SineTurned:
    def forward(self, v):
        self.v = v
        return np.cos(v)

    def backward(self, g):
        return np.sin(self.v) * g


@case("scaled", "x", X)
class Thrice:
    def forward(self, v):
        return 3 * v

    def backward(self, g):
        return 2 * g


@case("scaled", "x", X)
class CubeWithoutThree:
    def forward(self, v):
        self.v = v
        return v**3 / 3 + v

    def backward(self, g):
        return 0.4 * g * (self.v**2 + 1)


@case("derivative-missing", "x", 1.7)
class Root:
    def forward(self, v):
        return v**0.5

    def backward(self, g):
        return g


# two inputs


@case("inputs-not-swapped", "x", (2.0, 5.0))
class Times:
    def forward(self, p, q):
        self.p, self.q = p, q
        return p * q

    def backward(self, g):
        return g * self.p, g * self.q


@case("inputs-not-swapped", "x", (X, X[::-1] + 0.3))
class TimesArrays:
    def forward(self, p, q):
        self.kept = (p, q)
        return p * q

    def backward(self, g):
        return tuple(g * one for one in self.kept)


@case("derivative-missing", "x", (2.0, 5.0))
class TimesAsPlus:
    def forward(self, p, q):
        return p * q

    def backward(self, g):
        return g, g


@case("upstream-ignored", "x", (2.0, 5.0))
class TimesAlone:
    def forward(self, p, q):
        self.p, self.q = p, q
        return p * q

    def backward(self, g):
        return self.q, self.p


@case("wrong-sign", "y", (2.0, 5.0))
class Minus:
    def forward(self, p, q):
        return p - q

    def backward(self, g):
        return g, g


@case("wrong-sign", "y", (X, np.abs(X) + 1))
class Over:
    def forward(self, p, q):
        self.p, self.q = p, q
        return p / q

    def backward(self, g):
        return g / self.q, g * self.p / self.q**2


@case("wrong-shape", "y", (X, X[0]))
class PlusUnsummed:
    def forward(self, p, q):
        return p + q

    def backward(self, g):
        return g.copy(), g.copy()


@case("bias-mean", "y", (X, X[0]))
class PlusAveraged:
    def forward(self, p, q):
        return p + q

    def backward(self, g):
        return g.copy(), g.mean(0)


@case("upstream-ignored", "x", (2.0, 5.0))
class PlusAlone:
    def forward(self, p, q):
        return p + q

    def backward(self, g):
        return 1.0, 1.0


@case("weight-not-transposed", "x", (SQUARE, SQUARE[::-1] + 0.1))
class Product:
    def forward(self, p, q):
        self.p, self.q = p, q
        return p @ q

    def backward(self, g):
        return g @ self.q, self.p @ g


@case("inputs-not-swapped", "x", (SQUARE, SQUARE[::-1] + 0.1))
class ProductUnswapped:
    def forward(self, p, q):
        self.p, self.q = p, q
        return p @ q

    def backward(self, g):
        return g @ self.p.T, self.q.T @ g


@case("wrong-shape", "x", (2.0, 5.0))
class OneGradientForTwo:
    def forward(self, p, q):
        return p * q

    def backward(self, g):
        return g


# forks


@case("overwritten-at-fork", "x", X)
class Squared:
    def forward(self, v):
        self.v = v
        return v * v

    def backward(self, g):
        return g * self.v


@case("overwritten-at-fork", "x", 3.0)
class SquaredNumber:
    def forward(self, v):
        self.v = v
        return v * v

    def backward(self, g):
        return g * self.v


@case("overwritten-at-fork", "x", X)
class Residual:
    def __init__(self):
        self.inner = Tanh()

    def forward(self, v):
        return v + self.inner.forward(v)

    def backward(self, g):
        return self.inner.backward(g)


@case("overwritten-at-fork", "x", X)
class ResidualSkipOnly:
    def forward(self, v):
        return v + np.maximum(v, 0)

    def backward(self, g):
        return g.copy()


@case("overwritten-at-fork", "x", X)
class Swish:
    def forward(self, v):
        self.s = 1 / (1 + np.exp(-v))
        return v * self.s

    def backward(self, g):
        return g * self.s


@case("overwritten-at-fork", "x", X)
class ResidualMatrix:
    def __init__(self):
        self.inner = Affine(SQUARE, np.ones(4))

    def forward(self, v):
        return v + self.inner.forward(v)

    def backward(self, g):
        return self.inner.backward(g)


@case("overwritten-at-fork", "x", (2.0, 5.0))
class TimesPlus:
    def forward(self, p, q):
        self.p, self.q = p, q
        return p * q + p

    def backward(self, g):
        return g * self.q, g * self.p


@case("overwritten-at-fork", "x", X)
class WrittenOut:
    def forward(self, v):
        self.v = v
        return np.exp(v) + v**3

    def backward(self, g):
        return g * np.exp(self.v)

    def expand(self, v):
        from chainrule.graph import exp

        return exp(v) + v**3


# layers with parameters


class Dense:
    """In the style of PyTorch: weight (M, D)."""

    def __init__(self):
        self.params = {"weight": rng.normal(size=(3, 4)), "bias": rng.normal(size=3)}
        self.grads = {}

    def forward(self, v):
        self.v = v
        return v @ self.params["weight"].T + self.params["bias"]

    def backward(self, g):
        self.grads = {"weight": g.T @ self.v, "bias": g.sum(0)}
        return g @ self.params["weight"]


@case("bias-mean", "bias", X)
class DenseMean(Dense):
    def backward(self, g):
        dx = super().backward(g)
        self.grads["bias"] = self.grads["bias"] / len(g)
        return dx


@case("bias-sum-over-everything", "bias", X)
class DenseTotal(Dense):
    def backward(self, g):
        dx = super().backward(g)
        self.grads["bias"] = np.full(3, g.sum())
        return dx


@case("bias-first-row", "bias", X)
class DenseFirst(Dense):
    def backward(self, g):
        dx = super().backward(g)
        self.grads["bias"] = g[0]
        return dx


@case("double-batch-division", "weight", X)
class DenseDivides(Dense):
    def backward(self, g):
        dx = super().backward(g)
        self.grads = {key: value / g.shape[0] for key, value in self.grads.items()}
        return dx


@case("wrong-shape", "bias", X)
class DenseKeepdims(Dense):
    def backward(self, g):
        dx = super().backward(g)
        self.grads["bias"] = g.sum(axis=0, keepdims=True)
        return dx


@case("wrong-shape", "weight", X)
class DenseTransposedGradient(Dense):
    def backward(self, g):
        dx = super().backward(g)
        self.grads["weight"] = self.v.T @ g
        return dx


@case("gradient-missing", "bias", X)
class DenseForgetsOne(Dense):
    def backward(self, g):
        dx = super().backward(g)
        del self.grads["bias"]
        return dx


@case("upstream-ignored", "x", X)
class DenseAlone(Dense):
    def backward(self, g):
        return super().backward(np.ones_like(g))


@case("wrong-sign", "weight", X)
class DenseNegative(Dense):
    def backward(self, g):
        dx = super().backward(g)
        self.grads["weight"] *= -1
        return dx


@case("weight-not-transposed", "x", X)
class DenseUntransposed(Dense):
    def backward(self, g):
        return g @ self.params["weight"].T


class SquareDense:
    def __init__(self):
        self.params = {"K": SQUARE.copy(), "c": np.array([0.1, 0.2, -0.3, 0.4])}
        self.grads = {"K": None, "c": None}

    def forward(self, v):
        self.v = v
        return v @ self.params["K"] + self.params["c"]

    def backward(self, g):
        self.grads["K"] = self.v.T @ g
        self.grads["c"] = np.einsum("nm->m", g)
        return np.einsum("nm,dm->nd", g, self.params["K"])


@case("weight-not-transposed", "x", X)
class SquareUntransposed(SquareDense):
    def backward(self, g):
        super().backward(g)
        return g @ self.params["K"]


@case("weight-not-transposed", "K", X)
class SquareTurned(SquareDense):
    def backward(self, g):
        dx = super().backward(g)
        self.grads["K"] = g.T @ self.v
        return dx


@case("weight-not-transposed", "x", X)
class Reshaped(Dense):
    def backward(self, g):
        super().backward(g)
        return g @ self.params["weight"].T.reshape(3, 4)


@case("inputs-not-swapped", "x", X)
class Gain:
    def __init__(self):
        self.params, self.grads = {"k": np.array([1.5])}, {}

    def forward(self, v):
        self.v = v
        return self.params["k"] * v

    def backward(self, g):
        self.grads["k"] = np.array([np.sum(g * self.params["k"])])
        return g * self.v


@case("derivative-missing", "gamma", X)
class ScaleAndShift:
    def __init__(self):
        self.params = {"gamma": np.array([1.0, 2.0, 0.5, -1.0]), "beta": np.zeros(4)}
        self.grads = {}

    def forward(self, v):
        self.v = v
        return self.params["gamma"] * v + self.params["beta"]

    def backward(self, g):
        self.grads = {"gamma": g.sum(0), "beta": g.sum(0)}
        return g * self.params["gamma"]


@case("derivative-missing", "x", X)
class DenseWithSquash:
    def __init__(self):
        self.params = {"W": rng.normal(size=(4, 3)), "b": rng.normal(size=3)}
        self.grads = {}

    def forward(self, v):
        self.v = v
        return 1 / (1 + np.exp(-(v @ self.params["W"] + self.params["b"])))

    def backward(self, g):
        self.grads = {"W": self.v.T @ g, "b": g.sum(0)}
        return g @ self.params["W"].T


@case("mask-missing", "x", X)
class DenseWithGate:
    def __init__(self):
        self.params = {"W": rng.normal(size=(4, 3)), "b": rng.normal(size=3)}
        self.grads = {}

    def forward(self, v):
        self.v = v
        return np.maximum(v @ self.params["W"] + self.params["b"], 0)

    def backward(self, g):
        self.grads = {"W": self.v.T @ g, "b": g.sum(0)}
        return g @ self.params["W"].T


# state


@case("stale-cache", "x", X)
class FirstMaskForever:
    mask = None

    def forward(self, v):
        if self.mask is None:
            self.mask = v > 0
        return np.maximum(v, 0)

    def backward(self, g):
        return g * self.mask


@case("stale-cache", "W", X)
class FirstInputForever(Affine):
    def __init__(self):
        super().__init__(np.ones((4, 3)), np.zeros(3))

    def forward(self, x):
        if not hasattr(self, "first"):
            self.first = x
        return super().forward(x)

    def backward(self, dout):
        dx = super().backward(dout)
        self.grads["W"] = self.first.T @ dout if len(self.first) == len(dout) else 0 * self.W
        return dx


@case("stale-cache", "x", X)
class TransposedOnce:
    def __init__(self):
        self.params = {"W": rng.normal(size=(4, 3))}
        self.grads = {}
        self.turned = self.params["W"].T.copy()

    def forward(self, v):
        self.v = v
        return v @ self.params["W"]

    def backward(self, g):
        self.grads["W"] = self.v.T @ g
        return g @ self.turned


@case("stale-cache", "W", X)
class Accumulates:
    def __init__(self):
        self.params = {"W": rng.normal(size=(4, 3))}
        self.grads = {"W": np.zeros((4, 3))}

    def forward(self, v):
        self.v = v
        return v @ self.params["W"]

    def backward(self, g):
        self.grads["W"] += self.v.T @ g
        return g @ self.params["W"].T


@case("factor-missing", "x", X)
class ConstantSlope:
    def __init__(self):
        self.slope = np.linspace(0.1, 0.9, 20).reshape(5, 4)

    def forward(self, v):
        return np.tanh(v)

    def backward(self, g):
        return g * self.slope


@case("stale-cache", "x", 0.3)
class NumberKept:
    def forward(self, v):
        self.v = getattr(self, "v", v)
        return v**3

    def backward(self, g):
        return 3 * self.v**2 * g


@case("mutates-dout", "dout", X)
class InPlaceGate:
    def forward(self, v):
        self.off = v <= 0
        return np.where(self.off, 0, v)

    def backward(self, g):
        g[self.off] = 0
        return g


@case("mutates-dout", "dout", X)
class InPlaceProduct:
    def forward(self, v):
        self.s = np.tanh(v)
        return self.s.copy()

    def backward(self, g):
        g *= 1 - self.s**2
        return g


@case("mutates-input", "x", X)
class InPlaceForward:
    def forward(self, v):
        self.on = v > 0
        v[~self.on] = 0
        return v

    def backward(self, g):
        return g * self.on


@case("mutates-input", "x", X)
class InPlaceBackward:
    def forward(self, v):
        self.v = v
        return v**2

    def backward(self, g):
        self.v *= 2
        return g * self.v


# what does not fit, or is no number


@case("gradient-missing", "x", X)
class Nothing:
    def forward(self, v):
        return 2 * v

    def backward(self, g):
        pass


@case("wrong-shape", "x", X)
class Total:
    def forward(self, v):
        return v.sum()

    def backward(self, g):
        return g


@case("wrong-shape", "x", X)
class Flat:
    def forward(self, v):
        self.v = v
        return np.exp(v)

    def backward(self, g):
        return (g * np.exp(self.v)).ravel()


@case("not-finite", "x", X * 1000)
class Overflows:
    def forward(self, v):
        self.v = v
        return np.tanh(v)

    def backward(self, g):
        up, down = np.exp(self.v), np.exp(-self.v)
        return g * (1 - ((up - down) / (up + down)) ** 2)


@case("unknown", "x", X)
class Raises:
    def forward(self, v):
        return np.tanh(v)

    def backward(self, g):
        raise KeyError("slope")


@case("unknown", "x", X)
class Nonsense:
    def forward(self, v):
        self.v = v
        return np.tanh(v)

    def backward(self, g):
        return g * np.cos(self.v) + self.v


# losses


class CrossEntropy:
    def forward(self, scores, labels):
        scores = scores - scores.max(axis=1, keepdims=True)
        self.p = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
        self.rows, self.labels = np.arange(len(scores)), labels
        return -np.log(self.p[self.rows, labels]).mean()

    def raw(self):
        d = self.p.copy()
        d[self.rows, self.labels] -= 1
        return d


@case("missing-batch-division", "x", A, LABELS)
class NoDivision(CrossEntropy):
    def backward(self, up=1.0):
        return up * self.raw()


@case("missing-batch-division", "x", A, LABELS)
class NoDivisionNoUpstream(CrossEntropy):
    def backward(self, up=1.0):
        return self.raw()


@case("double-batch-division", "x", A, LABELS)
class TwoDivisions(CrossEntropy):
    def backward(self, up=1.0):
        return up * self.raw() / len(self.p) ** 2


@case("upstream-ignored", "x", A, LABELS)
class NoUpstream(CrossEntropy):
    def backward(self, up=1.0):
        return self.raw() / len(self.p)


@case("wrong-sign", "x", A, LABELS)
class TargetMinusOutput(CrossEntropy):
    def backward(self, up=1.0):
        return -up * self.raw() / len(self.p)


@case("softmax-over-batch", "x", A, LABELS)
class ColumnSoftmax(CrossEntropy):
    def forward(self, scores, labels):
        value = super().forward(scores, labels)
        self.p = np.exp(scores) / np.exp(scores).sum(axis=0)
        return value

    def backward(self, up=1.0):
        return up * self.raw() / len(self.p)


@case("softmax-over-batch", "x", A, ONE_HOT)
class WholeSoftmax:
    def forward(self, s, t):
        self.p, self.t = np.exp(s) / np.exp(s).sum(), t
        return -np.sum(t * np.log(self.p)) / len(s)

    def backward(self, up=1.0):
        return up * (self.p - self.t) / len(self.t)


@case("scaled", "x", A, A[::-1])
class SquaresWithoutHalf:
    def forward(self, s, t):
        self.off = s - t
        return np.sum(self.off**2) / (2 * len(s))

    def backward(self, up=1.0):
        return up * 2 * self.off / len(self.off)


@case("double-batch-division", "x", A, A[::-1])
class SquaresTwice:
    def forward(self, s, t):
        self.off = s - t
        return 0.5 * np.mean(np.sum(self.off**2, axis=1))

    def backward(self, up=1.0):
        return up * self.off / len(self.off) / len(self.off)


@case("derivative-missing", "x", A, ONE_HOT)
class ForgetsTheSoftmax:
    def forward(self, s, t):
        e = np.exp(s - s.max(1, keepdims=True))
        self.p, self.t = e / e.sum(1, keepdims=True), t
        return -np.sum(t * np.log(self.p)) / len(s)

    def backward(self, up=1.0):
        return -up * self.t / self.p / len(self.t)


@case("stale-cache", "x", A, LABELS)
class FirstTargets(CrossEntropy):
    def forward(self, scores, labels):
        if hasattr(self, "labels"):
            labels = self.labels
        value = super().forward(scores, labels)
        return value

    def backward(self, up=1.0):
        return up * self.raw() / len(self.p)


@case("stale-cache", "x", A, LABELS)
class SpoilsItsCache(CrossEntropy):
    def backward(self, up=1.0):
        d = self.p
        d[self.rows, self.labels] -= 1
        return up * d / len(d)


@case("mutates-input", "x", A, LABELS)
class ShiftsInPlace(CrossEntropy):
    def forward(self, scores, labels):
        scores -= scores.max(axis=1, keepdims=True)
        return super().forward(scores, labels)

    def backward(self, up=1.0):
        return up * self.raw() / len(self.p)


# networks


def net(hidden=None, loss=None, D=4, H=5, C=3, **replaced):
    layers = OrderedDict()
    layers["Affine1"] = Affine(rng.normal(size=(D, H)), rng.normal(size=H))
    layers["Hidden"] = hidden or ReLU()
    layers["Affine2"] = Affine(rng.normal(size=(H, C)), rng.normal(size=C))
    for name, kind in replaced.items():
        layers[name] = kind(**layers[name].params)
    return Network(layers, loss or SoftmaxWithLoss())


@case("mask-missing", "Hidden", X, LABELS)
def gate_in_a_network():
    return net(Rectifier())


@case("derivative-of-input", "Hidden", X, LABELS)
def squash_in_a_network():
    return net(SquashAtInput())


@case("upstream-ignored", "Hidden", X, LABELS)
def upstream_ignored_in_a_network():
    return net(squash_alone())


@case("missing-batch-division", "loss", X, LABELS)
def loss_in_a_network():
    return net(loss=NoDivision())


@case("double-batch-division", "loss", X, A)
def squares_in_a_network():
    return net(Tanh(), SquaresTwice())


@case("stale-cache", "Hidden", X, LABELS)
def stale_gate_in_a_network():
    return net(FirstMaskForever())


@case("mutates-dout", "Hidden", X, LABELS)
def in_place_gate_in_a_network():
    return net(InPlaceGate())


@case("bias-mean", "Affine2.b", X, LABELS)
def mean_in_the_last_layer():
    class Averages(Affine):
        def backward(self, dout):
            dx = super().backward(dout)
            self.grads["b"] = np.average(dout, axis=0)
            return dx

    return net(Sigmoid(), Affine2=Averages)


@case("weight-not-transposed", "Affine2", X, LABELS)
def square_network():
    class Untransposed(Affine):
        def backward(self, dout):
            super().backward(dout)
            return dout @ self.params["W"]

    return net(H=3, Affine2=Untransposed)


class Handmade:
    """Two layers and their gradient written out, without any layer object."""

    act = staticmethod(np.tanh)

    def __init__(self):
        make = np.random.default_rng(7).normal
        self.params = {
            "W1": make(size=(4, 6)),
            "b1": make(size=6),
            "W2": make(size=(6, 3)),
            "b2": make(size=3),
        }

    def loss(self, x, t):
        p = self.params
        self.x, self.t = x, np.eye(3)[t]
        self.h = self.act(x @ p["W1"] + p["b1"])
        e = np.exp(self.h @ p["W2"] + p["b2"])
        self.y = e / e.sum(1, keepdims=True)
        return -np.mean(np.log(np.sum(self.y * self.t, axis=1)))

    def slope(self):
        return 1 - self.h**2

    def start(self):
        return (self.y - self.t) / len(self.x)

    def rows(self, d):
        return d.sum(0)

    def gradient(self, x, t):
        self.loss(x, t)
        d2 = self.start()
        d1 = (d2 @ self.params["W2"].T) * self.slope()
        return {
            "W1": x.T @ d1,
            "b1": self.rows(d1),
            "W2": self.h.T @ d2,
            "b2": self.rows(d2),
        }


@case("missing-batch-division", "loss", X, LABELS)
class HandmadeUndivided(Handmade):
    def start(self):
        return self.y - self.t


@case("wrong-sign", "loss", X, LABELS)
class HandmadeTurned(Handmade):
    def start(self):
        return (self.t - self.y) / len(self.x)


@case("bias-mean", "b2", X, LABELS)
class HandmadeMean(Handmade):
    def rows(self, d):
        return d.mean(0)


@case("bias-first-row", "b2", X, LABELS)
class HandmadeFirst(Handmade):
    def rows(self, d):
        return d[0]


@case("bias-sum-over-everything", "b2", X, LABELS)
class HandmadeTotal(Handmade):
    def rows(self, d):
        return d.sum()


@case("derivative-missing", "b1", X, LABELS)
class HandmadePlain(Handmade):
    def slope(self):
        return 1.0


@case("derivative-twice", "b1", X, LABELS)
class HandmadeTwice(Handmade):
    def slope(self):
        return (1 - self.h**2) ** 2


@case("mask-missing", "b1", X, LABELS)
class HandmadeGate(Handmade):
    act = staticmethod(lambda a: a * (a > 0))

    def slope(self):
        return 1.0


@case("stale-cache", "W1", X, LABELS)
class HandmadeStale(Handmade):
    def gradient(self, x, t):
        if not hasattr(self, "kept"):
            self.kept = super().gradient(x, t)
        return self.kept


@case("mask-missing", "Hidden", X, LABELS)
def network_that_skips_a_layer():
    class Skips(Network):
        def gradient(self, x, t):
            self.loss(x, t)
            dout = self.loss_layer.backward(1.0)
            for name in ("Affine2", "Affine1"):
                dout = self.layers[name].backward(dout)
            return self.collect("grads")

    plain = net()
    return Skips(plain.layers, plain.loss_layer)


@case("gradient-missing", "Affine1.b", X, LABELS)
def network_that_forgets_a_gradient():
    class Forgets(Network):
        def gradient(self, x, t):
            gradients = super().gradient(x, t)
            del gradients["Affine1.b"]
            return gradients

    plain = net(loss=SoftmaxWithLoss())
    return Forgets(plain.layers, plain.loss_layer)


@case("scaled", "x", A, A[::-1])
class Regression(IdentityWithLoss):
    def backward(self, dout=1.0):
        return 0.25 * super().backward(dout)
