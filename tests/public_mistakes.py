"""Wrong code as the public writes it: after the style of well-known books, courses and forum questions.

`CASES` is a list of (name, kind, cause, where, make); make() returns the arguments of `diagnose`. The
kinds are numbered as in the list that the doctor was taught by. Every line here was written anew.
"""

import numpy as np

from chainrule.layers import Affine, ReLU
from chainrule.losses import SoftmaxWithLoss
from chainrule.network import Network

CASES = []
rng = np.random.default_rng(11)
X = rng.normal(size=(5, 4))
A = rng.normal(size=(5, 3))
T = rng.normal(size=(5, 3))
LABELS = np.array([0, 2, 1, 1, 0])
ONE_HOT = np.eye(3)[LABELS]
W43, b3, W44 = rng.normal(size=(4, 3)), rng.normal(size=3), rng.normal(size=(4, 4))
K63, c6 = rng.normal(size=(6, 3)), rng.normal(size=6)
W46 = rng.normal(size=(4, 6))


def case(kind, cause, where, *arguments, given=()):
    """Register a class, made of copies of `given`, and what `diagnose` gets beside it."""

    def register(thing):
        def make():
            return thing(*(np.copy(one) for one in given)), *arguments

        CASES.append((thing.__name__, kind, cause, where, make))
        return thing

    return register


# 1. Parameters as attributes, without gradients, or with wrong ones.


class BookAffine:
    def __init__(self, W, b):
        self.W, self.b = W, b
        self.x = self.dW = self.db = None

    def forward(self, x):
        self.x = x
        return np.dot(x, self.W) + self.b

    def backward(self, dout):
        self.dW = np.dot(self.x.T, dout)
        self.db = np.sum(dout, axis=0)
        return np.dot(dout, self.W.T)


@case(1, "gradient-missing", "W", X, given=(W43, b3))
class NoGradients(BookAffine):
    def backward(self, dout):
        return np.dot(dout, self.W.T)


@case(1, "bias-mean", "b", X, given=(W43, b3))
class BookMean(BookAffine):
    def backward(self, dout):
        dx = super().backward(dout)
        self.db = np.mean(dout, axis=0)
        return dx


@case(1, "wrong-sign", "W", X, given=(W43, b3))
class BookTurned(BookAffine):
    def backward(self, dout):
        dx = super().backward(dout)
        self.dW = -self.dW
        return dx


@case(1, "gradient-missing", "b", X, given=(W43, b3))
class ForgetsOne(BookAffine):
    def backward(self, dout):
        self.dW = np.dot(self.x.T, dout)
        return np.dot(dout, self.W.T)


@case(1, "double-batch-division", "W", X, given=(W43, b3))
class Linear:
    def __init__(self, weights, bias):
        self.weights, self.bias = weights, bias

    def forward(self, inputs):
        self.inputs = inputs
        return inputs @ self.weights + self.bias

    def backward(self, grad):
        m = len(grad)
        self.grad_weights = self.inputs.T @ grad / m
        self.grad_bias = grad.sum(axis=0) / m
        return grad @ self.weights.T


CASES[-1] = (*CASES[-1][:3], "weights", CASES[-1][4])


# 2. A constant inside the log of the loss beside another mistake.


class BookSoftmaxWithLoss:
    def forward(self, x, t):
        e = np.exp(x - x.max(axis=1, keepdims=True))
        self.t, self.y = t, e / e.sum(axis=1, keepdims=True)
        return -np.sum(np.log(self.y[np.arange(len(t)), t] + 1e-7)) / len(t)

    def backward(self, dout=1):
        dx = self.y.copy()
        dx[np.arange(len(self.t)), self.t] -= 1
        return dx / len(self.t)


class BookNet:
    """Layers in a dict, the loss apart, parameters by name."""

    affine, loss_kind = BookAffine, BookSoftmaxWithLoss

    def __init__(self, *_):
        make = np.random.default_rng(3).normal
        self.params = {"W1": make(size=(4, 6)), "b1": make(size=6)}
        self.params |= {"W2": make(size=(6, 3)), "b2": make(size=3)}
        self.layers = {"Affine1": self.affine(self.params["W1"], self.params["b1"])}
        self.layers["Relu1"] = ReLU()
        self.layers["Affine2"] = self.affine(self.params["W2"], self.params["b2"])
        self.lastLayer = self.loss_kind()

    def loss(self, x, t):
        for layer in self.layers.values():
            x = layer.forward(x)
        return self.lastLayer.forward(x, t)

    def gradient(self, x, t):
        self.loss(x, t)
        dout = self.lastLayer.backward(1)
        for layer in reversed(list(self.layers.values())):
            dout = layer.backward(dout)
        one, two = self.layers["Affine1"], self.layers["Affine2"]
        return {"W1": one.dW, "b1": one.db, "W2": two.dW, "b2": two.db}


@case(2, "bias-mean", "Affine2.b", X, LABELS)
class ConstantAndMean(BookNet):
    affine = BookMean


@case(2, "wrong-sign", "Affine2.W", X, LABELS)
class ConstantAndSign(BookNet):
    affine = BookTurned


@case(2, "log-constant", "loss", X, LABELS)
class ConstantAlone(BookNet):
    pass


@case(2, "log-constant", "x", A, LABELS)
class ConstantInTheLog(BookSoftmaxWithLoss):
    def backward(self, dout=1):
        return dout * super().backward()


@case(2, "bias-mean", "b2", X, LABELS)
class ByHand:
    """A network without layers, and the constant inside its log."""

    def __init__(self):
        make = np.random.default_rng(5).normal
        self.W1, self.b1, self.W2, self.b2 = make(size=(4, 6)), make(size=6), make(size=(6, 3)), make(size=3)  # fmt: skip

    def loss(self, X, y):
        self.h = np.maximum(0, X @ self.W1 + self.b1)
        s = self.h @ self.W2 + self.b2
        e = np.exp(s - s.max(axis=1, keepdims=True))
        self.p = e / e.sum(axis=1, keepdims=True)
        return -np.mean(np.log(self.p[range(len(y)), y] + 1e-8))

    def gradient(self, X, y):
        self.loss(X, y)
        d = self.p.copy()
        d[range(len(y)), y] -= 1
        d /= len(y)
        dh = d @ self.W2.T * (self.h > 0)
        return {"dW1": X.T @ dh, "db1": dh.mean(0), "dW2": self.h.T @ d, "db2": d.mean(0)}


# 3. Softmax's mistakes only where the loss is a softmax loss.


@case(3, "scaled", "x", A, T)
class MSE:
    def forward(self, y, t):
        self.d = y - t
        return float((self.d**2).sum() / len(y))

    def backward(self, dout=1.0):
        return dout * self.d / len(self.d)


@case(3, "scaled", "x", A, T)
class MeanOfAll:
    def forward(self, y, t):
        self.y, self.t = y, t
        return np.mean((y - t) ** 2)

    def backward(self, dout=1.0):
        return dout * (self.y - self.t) / self.y.size


@case(3, "derivative-twice", "x", A[:, :1], (T[:, :1] > 0) * 1.0)
class BinaryTwice:
    def forward(self, z, t):
        self.a, self.t = 1 / (1 + np.exp(-z)), t
        return -np.mean(t * np.log(self.a) + (1 - t) * np.log(1 - self.a))

    def backward(self, dout=1.0):
        return dout * (self.a - self.t) * self.a * (1 - self.a) / len(self.t)


@case(3, "missing-batch-division", "x", A, T)
class SquaresUndivided(MSE):
    def backward(self, dout=1.0):
        return dout * 2 * self.d


# 4. An array of forward that backward forgot.


@case(4, "factor-missing", "x", X)
class Scaled:
    def __init__(self):
        self.params, self.grads = {"g": np.array([0.5, 2.0, 1.5, 0.7])}, {}

    def forward(self, x):
        self.y = np.tanh(x)
        return self.params["g"] * self.y

    def backward(self, d):
        self.grads["g"] = (d * self.y).sum(0)
        return d * (1 - self.y**2)


@case(4, "factor-missing", "x", X)
class BatchNormNoGamma:
    def __init__(self):
        self.gamma, self.beta = np.array([1.0, 2.0, 0.5, -1.0]), np.zeros(4)

    def forward(self, x):
        self.std = np.sqrt(x.var(axis=0) + 1e-5)
        self.xn = (x - x.mean(axis=0)) / self.std
        return self.gamma * self.xn + self.beta

    def backward(self, dout):
        self.dbeta, self.dgamma = dout.sum(axis=0), (dout * self.xn).sum(axis=0)
        d = dout
        return (d - d.mean(axis=0) - self.xn * (d * self.xn).mean(axis=0)) / self.std


class Cell:
    def __init__(self, Wx, Wh, b):
        self.params = [Wx, Wh, b]
        self.grads = [np.zeros_like(Wx), np.zeros_like(Wh), np.zeros_like(b)]

    def forward(self, x, h):
        Wx, Wh, b = self.params
        self.cache = (x, h, np.tanh(x @ Wx + h @ Wh + b))
        return self.cache[2]

    def backward(self, dh):
        Wx, Wh, b = self.params
        x, h, h_next = self.cache
        dt = dh * (1 - h_next**2)
        self.grads[0][...], self.grads[1][...] = x.T @ dt, h.T @ dt
        self.grads[2][...] = dt.sum(axis=0)
        return dt @ Wx.T, self.back(dt, Wh)

    def back(self, dt, Wh):
        return dt @ Wh.T


@case(4, "factor-missing", "y", (X, A), given=(W43, W43[:3] + 0.1, b3))
class CellWithoutWh(Cell):
    def back(self, dt, Wh):
        return dt


@case(4, "factor-missing", "x", X)
class PReLUWithoutSlope:
    def __init__(self):
        self.alpha = np.full(4, 0.25)

    def forward(self, x):
        self.x = x
        return np.where(x > 0, x, self.alpha * x)

    def backward(self, dout):
        self.dalpha = (dout * self.x * (self.x <= 0)).sum(axis=0)
        return np.where(self.x > 0, dout, dout * 0.01)


# 5. Randomness, and masks that are not applied.


class BookDropout:
    def __init__(self, ratio=0.5):
        self.ratio, self.mask = ratio, None

    def forward(self, x, train=True):
        self.mask = (np.random.rand(*x.shape) > self.ratio) / (1 - self.ratio)
        return x * self.mask

    def backward(self, dout):
        return dout * self.mask


@case(5, "mask-missing", "x", X)
class DropoutForgets(BookDropout):
    def backward(self, dout):
        return dout


@case(5, "scaled", "x", X)
class DropoutUnscaled(BookDropout):
    def backward(self, dout):
        return dout * (self.mask > 0)


@case(5, "mask-inverted", "x", X)
class DropoutTurned(BookDropout):
    def backward(self, dout):
        return dout * (self.mask == 0) * 2


@case(5, None, "x", X)
class DropoutSeven(BookDropout):
    def backward(self, dout):
        return dout * 7


@case(5, "mask-missing", "x", X)
class GivenMask:
    def __init__(self):
        self.mask = np.array([1.0, 0.0, 1.0, 0.0])

    def forward(self, x):
        return x * self.mask

    def backward(self, dout):
        return dout.copy()


# 6. An exception as a symptom.


@case(6, "weight-not-transposed", "x", X, given=(W43, b3))
class MatmulOfTheWrongSide(BookAffine):
    def backward(self, d):
        self.dW, self.db = self.x.T @ d, d.sum(0)
        return d @ self.W


@case(6, "weight-not-transposed", "x", X, given=(W43, b3))
class DotOfTheWrongSide(BookAffine):
    def backward(self, d):
        self.dW, self.db = np.dot(self.x.T, d), d.sum(0)
        return np.dot(d, self.W)


@case(6, "weight-not-transposed", "W", X, given=(W43, b3))
class WeightsUntransposed(BookAffine):
    def backward(self, d):
        self.dW, self.db = np.dot(self.x, d), d.sum(0)
        return np.dot(d, self.W.T)


@case(6, "weight-not-transposed", "Affine2", X, LABELS)
class InANetwork(BookNet):
    affine, loss_kind = MatmulOfTheWrongSide, SoftmaxWithLoss


@case(6, "weight-not-transposed", "W2", X, LABELS)
class ByHandWrongSide(ByHand):
    def gradient(self, X, y):
        self.loss(X, y)
        d = self.p.copy()
        d[range(len(y)), y] -= 1
        d /= len(y)
        dh = d @ self.W2 * (self.h > 0)
        return {"W1": X.T @ dh, "b1": dh.sum(0), "W2": self.h.T @ d, "b2": d.sum(0)}


# 7. An update inside backward.


@case(7, "update-in-backward", "W", X)
class Hasty:
    def __init__(self):
        self.params, self.grads = {"W": W43.copy()}, {}

    def forward(self, x):
        self.x = x
        return x @ self.params["W"]

    def backward(self, d):
        dW = self.x.T @ d
        self.params["W"] -= 0.1 * dW
        self.grads["W"] = dW
        return d @ self.params["W"].T


@case(7, "update-in-backward", "W", X, given=(W43, b3))
class UpdatesItself(BookAffine):
    lr = 0.01

    def backward(self, d):
        dx = super().backward(d)
        self.W -= self.lr * self.dW
        self.b -= self.lr * self.db
        return dx


CASES[-1] = (*CASES[-1][:3], None, CASES[-1][4])


@case(7, "update-in-backward", "W", X, given=(W43, b3))
class Rebinds(BookAffine):
    def backward(self, d):
        self.dW, self.db = self.x.T @ d, d.sum(0)
        self.W = self.W - 0.5 * self.dW
        return d @ self.W.T


@case(7, "update-in-backward", "Affine2.W", X, LABELS)
class HastyNet(BookNet):
    affine, loss_kind = Rebinds, SoftmaxWithLoss


# 8. A fork only where there is one.


@case(8, "factor-missing", "x", X, given=(W44, np.ones(4)))
class SquareCopies(BookAffine):
    def backward(self, d):
        super().backward(d)
        return d.copy()


@case(8, "factor-missing", "x", X)
class Mixes:
    def __init__(self):
        self.params, self.grads = {"M": W44.copy()}, {}

    def forward(self, x):
        self.x = x
        return np.sin(x) @ self.params["M"]

    def backward(self, d):
        self.grads["M"] = np.sin(self.x).T @ d
        return d * np.cos(self.x)


@case(8, "overwritten-at-fork", "x", X)
class Shortcut:
    def forward(self, x):
        self.h = np.tanh(x)
        return x + self.h

    def backward(self, d):
        return d * (1 - self.h**2)


@case(8, "factor-missing", "x", X)
class Softmax:
    def forward(self, x):
        e = np.exp(x)
        self.s = e.sum(axis=1, keepdims=True)
        return e / self.s

    def backward(self, d):
        return d * 0.25


# 9. A finding about state beside a wrong gradient.


@case(9, "unknown", "x", X)
class Wave:
    def forward(self, x):
        self.x = x
        return x**3 + np.sin(5 * x)

    def backward(self, d):
        d *= 2 * self.x
        return d


@case(9, "mask-missing", "x", X)
class SpoilsAndForgets:
    def forward(self, x):
        return np.maximum(0, x)

    def backward(self, d):
        d += 0
        kept = d.copy()
        d[...] = 0
        return kept


@case(9, "derivative-twice", "x", X)
class TwiceInPlace:
    def forward(self, x):
        self.y = 1 / (1 + np.exp(-x))
        return self.y

    def backward(self, d):
        d *= self.y * (1 - self.y)
        return d * self.y * (1 - self.y)


@case(9, "wrong-sign", "x", X)
class TurnsTheInput:
    def forward(self, x):
        self.x = x
        return np.exp(x)

    def backward(self, d):
        self.x *= 1.0
        dx = -d * np.exp(self.x)
        self.x[...] = 0
        return dx


# 10. Other containers.


@case(10, "bias-mean", "params[1]", X, given=(W43, b3))
class Lists:
    def __init__(self, W, b):
        self.params, self.grads = [W, b], [np.zeros_like(W), np.zeros_like(b)]

    def forward(self, x):
        W, b = self.params
        self.x = x
        return x @ W + b

    def backward(self, d):
        self.grads[0][...], self.grads[1][...] = self.x.T @ d, d.mean(axis=0)
        return d @ self.params[0].T


class Course:
    """A network whose loss gives back the loss and the gradients."""

    reg = 0.0

    def __init__(self):
        make = np.random.default_rng(8).normal
        self.params = {"W1": make(size=(4, 6)), "b1": make(size=6)}
        self.params |= {"W2": make(size=(6, 3)), "b2": make(size=3)}

    def loss(self, X, y):
        p, N = self.params, len(X)
        h = np.maximum(0, X.dot(p["W1"]) + p["b1"])
        scores = h.dot(p["W2"]) + p["b2"]
        scores -= scores.max(axis=1, keepdims=True)
        probs = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
        loss = -np.log(probs[range(N), y]).mean()
        loss += 0.5 * self.reg * (np.sum(p["W1"] ** 2) + np.sum(p["W2"] ** 2))
        ds = self.start(probs, y) / N
        dh = self.gate(ds.dot(p["W2"].T), h)
        grads = {"W1": X.T.dot(dh), "b1": dh.sum(axis=0), "W2": h.T.dot(ds), "b2": ds.sum(axis=0)}
        return loss, self.decayed(grads)

    def start(self, probs, y):
        ds = probs.copy()
        ds[range(len(y)), y] -= 1
        return ds

    def gate(self, dh, h):
        return dh * (h > 0)

    def decayed(self, grads):
        for key in ("W1", "W2"):
            grads[key] = grads[key] + self.reg * self.params[key]
        return grads


@case(10, "mask-missing", "b1", X, LABELS)
class CourseGate(Course):
    def gate(self, dh, h):
        return dh


@case(10, "missing-batch-division", "loss", X, LABELS)
class Pairs(ByHand):
    """gradient returns (loss, gradients)."""

    def loss(self, X, y):
        super().loss(X, y)
        return -np.mean(np.log(self.p[range(len(y)), y]))

    def gradient(self, X, y):
        loss = self.loss(X, y)
        d = self.p.copy()
        d[range(len(y)), y] -= 1
        dh = d @ self.W2.T * (self.h > 0)
        return loss, {"W1": X.T @ dh, "b1": dh.sum(0), "W2": self.h.T @ d, "b2": d.sum(0)}


@case(10, "wrong-sign", "params[0]", X, given=(W43,))
class ListOfOne:
    def __init__(self, W):
        self.params, self.grads = [W], [np.zeros_like(W)]

    def forward(self, x):
        self.x = x
        return np.dot(x, self.params[0])

    def backward(self, d):
        self.grads[0] = -np.dot(self.x.T, d)
        return np.dot(d, self.params[0].T)


@case(10, "unknown", "x", X)
class ZerosOfAnArray:
    def forward(self, x):
        self.x = x
        return x * 2

    def backward(self, d):
        dx = np.zeros(self.x)
        return dx + d


class TwoLists:
    """weights and biases in lists, and gradients in two lists likewise."""

    def __init__(self):
        make = np.random.default_rng(3).normal
        self.weights = [make(size=(4, 5)), make(size=(5, 3))]
        self.biases = [make(size=5), make(size=3)]

    def loss(self, x, t):
        self.a = [x]
        for W, b in zip(self.weights, self.biases, strict=True):
            self.a.append(np.tanh(self.a[-1] @ W + b))
        return ((self.a[-1] - t) ** 2).mean()

    def total(self, d):
        return d.sum(axis=0)

    def gradient(self, x, t):
        self.loss(x, t)
        d, nabla_w, nabla_b = 2 * (self.a[-1] - t) / t.size, [], []
        for i in (1, 0):
            d = d * (1 - self.a[i + 1] ** 2)
            nabla_w.insert(0, self.a[i].T @ d)
            nabla_b.insert(0, self.total(d))
            d = d @ self.weights[i].T
        return nabla_w, nabla_b


@case(10, "bias-mean", "biases[1]", X, T)
class TwoListsMean(TwoLists):
    def total(self, d):
        return d.mean(axis=0)


@case(10, "bias-first-row", "biases[1]", X, T)
class TwoListsFirst(TwoLists):
    def total(self, d):
        return d[0]


@case(10, "wrong-sign", "W", X)
class Parameters:
    """parameters and gradients in dicts of other names, as an online course has them."""

    def __init__(self):
        self.parameters, self.gradients = {"W": W43.copy(), "b": b3.copy()}, {}

    def forward(self, x):
        self.cache = x, self.parameters["W"]
        return x @ self.parameters["W"] + self.parameters["b"]

    def backward(self, d):
        x, W = self.cache
        self.gradients = {"dW": -x.T @ d, "db": d.sum(axis=0)}
        return d @ W.T


@case(4, "softmax-diagonal", "x", X)
class SoftmaxByItsDiagonal:
    def forward(self, x):
        e = np.exp(x - x.max(axis=1, keepdims=True))
        self.y = e / e.sum(axis=1, keepdims=True)
        return self.y

    def backward(self, d):
        return d * self.y * (1 - self.y)


@case(4, "factor-missing", "x", X)
class LayerNormWithoutItsSpread:
    def forward(self, x):
        self.n = x - x.mean(axis=1, keepdims=True)
        self.s = np.sqrt((self.n**2).mean(axis=1, keepdims=True) + 1e-5)
        self.n = self.n / self.s
        return self.n

    def backward(self, d):
        line = {"axis": 1, "keepdims": True}
        return d - d.mean(**line) - self.n * (d * self.n).mean(**line)


# 11. is about words and about the check: see the tests.


# 12. Gradients that are always 0, penalties, rows.


@case(12, "always-zero", "x", X)
class NeverFilled:
    def forward(self, x):
        self.x = x
        return x**2

    def backward(self, d):
        dx = np.zeros_like(self.x)
        for row in dx:
            row = 2 * row  # noqa: PLW2901
        return dx


@case(12, "weight-decay", "W2", X, LABELS)
class DecayForgotten(Course):
    reg = 0.3

    def decayed(self, grads):
        return grads


@case(12, "weight-decay", "W2", X, LABELS)
class DecayTwice(Course):
    reg = 0.3

    def decayed(self, grads):
        return super().decayed(super().decayed(grads))


@case(12, "weight-decay", "W2", X, LABELS)
class DecayHalf(Course):
    reg = 0.3

    def decayed(self, grads):
        return {k: g + 0.5 * self.reg * self.params[k] * (k[0] == "W") for k, g in grads.items()}


@case(12, "weight-decay", "b2", X, LABELS)
class DecayOnBiases(Course):
    reg = 0.3

    def decayed(self, grads):
        return {k: g + self.reg * self.params[k] for k, g in grads.items()}


@case(12, "weight-decay", "W2", X, LABELS)
class BookDecay(BookNet):
    loss_kind = SoftmaxWithLoss

    def loss(self, x, t):
        weights = self.params["W1"], self.params["W2"]
        return super().loss(x, t) + 0.05 * sum(np.sum(W**2) for W in weights)


@case(12, "weight-decay", "W2", X, LABELS)
class DecayAndMean(Course):
    reg = 0.3

    def decayed(self, grads):
        return grads | {"b1": grads["b1"] / 5}


@case(12, "repeated-rows", "W", np.array([0, 2, 2, 5]), given=(K63,))
class BookEmbedding:
    def __init__(self, W):
        self.params, self.grads = {"W": W}, {}

    def forward(self, idx):
        self.idx = idx
        return self.params["W"][idx]

    def backward(self, dout):
        dW = np.zeros_like(self.params["W"])
        dW[self.idx] += dout
        self.grads["W"] = dW


@case(12, "repeated-rows", "x", X)
class TakesRows:
    rows = np.array([3, 0, 3, 1])

    def forward(self, x):
        self.shape = x.shape
        return x[self.rows]

    def backward(self, d):
        dx = np.zeros(self.shape)
        dx[self.rows] += d
        return dx


@case(12, "labels-shifted", "x", A, LABELS)
class FromOne(BookSoftmaxWithLoss):
    def forward(self, x, t):
        super().forward(x, t)
        return -np.log(self.y[np.arange(len(t)), t]).mean()

    def backward(self, dout=1):
        d = self.y.copy()
        d[np.arange(len(self.t)), self.t - 1] -= 1
        return dout * d / len(d)


class Columns:
    """One column a sample, as an online course has it; binary labels (1, m)."""

    def __init__(self):
        make = np.random.default_rng(4).normal
        self.params = {"W1": make(size=(3, 4)), "b1": make(size=(3, 1))}
        self.params |= {"W2": make(size=(1, 3)), "b2": make(size=(1, 1))}

    def loss(self, X, Y):
        p = self.params
        self.A1 = np.tanh(p["W1"] @ X + p["b1"])
        self.A2 = 1 / (1 + np.exp(-(p["W2"] @ self.A1 + p["b2"])))
        m = Y.shape[1]
        return float(-np.sum(Y * np.log(self.A2) + (1 - Y) * np.log(1 - self.A2)) / m)

    def count(self, X):
        return X.shape[1]

    def total(self, dZ):
        return np.sum(dZ, axis=1, keepdims=True)

    def slope(self):
        return 1 - self.A1**2

    def gradient(self, X, Y):
        self.loss(X, Y)
        m = self.count(X)
        dZ2 = self.A2 - Y
        dZ1 = self.params["W2"].T @ dZ2 * self.slope()
        return {
            "dW1": dZ1 @ X.T / m, "db1": self.total(dZ1) / m,
            "dW2": dZ2 @ self.A1.T / m, "db2": self.total(dZ2) / m,
        }  # fmt: skip


YCOL = np.array([[1.0, 0.0, 0.0, 1.0, 1.0]])


@case(12, "samples-as-columns", None, X.T.copy(), YCOL)
class CountsFeatures(Columns):
    def count(self, X):
        return X.shape[0]


@case(12, "missing-batch-division", "loss", X.T.copy(), YCOL)
class NoM(Columns):
    def count(self, X):
        return 1


@case(12, "derivative-missing", "b1", X.T.copy(), YCOL)
class NoSlope(Columns):
    def slope(self):
        return 1.0


@case(12, "bias-mean", "b2", X.T.copy(), YCOL)
class ColumnMean(Columns):
    def total(self, dZ):
        return np.mean(dZ, axis=1, keepdims=True)


@case(12, "bias-sum-over-everything", "b2", X.T.copy(), YCOL)
class ColumnTotal(Columns):
    def total(self, dZ):
        return np.sum(dZ)


@case(12, "broadcast-targets", "loss", X, rng.normal(size=5))
class Regression:
    def __init__(self):
        self.params = {"w": np.array([[0.3], [-0.2], [0.5], [1.0]]), "b": np.array([0.1])}

    def loss(self, X, t):
        self.y = X @ self.params["w"] + self.params["b"]
        return np.mean((self.y - t) ** 2)

    def gradient(self, X, t):
        self.loss(X, t)
        d = 2 * (self.y - t.reshape(-1, 1)) / len(t)
        return {"w": X.T @ d, "b": d.sum(axis=0)}


@case(12, "broadcast-targets", "w", X, np.array([0.4, -1.0, 0.3, 2.0, -0.7]))
class FlatOnTheWayBack(Regression):
    def loss(self, X, t):
        self.y = X @ self.params["w"] + self.params["b"]
        return np.mean((self.y[:, 0] - t) ** 2)

    def gradient(self, X, t):
        self.loss(X, t)
        d = 2 * (self.y - t)
        return {"w": (X.T @ d).mean(axis=1, keepdims=True) / len(t), "b": d.mean(keepdims=True)[0]}


@case(12, "broadcast-targets", "x", A[:, :1], rng.normal(size=5))
class MSEOfAColumn(MSE):
    pass


def network(**replaced):
    layers = {"Affine1": Affine(W46.copy(), c6.copy()), "ReLU1": ReLU()}
    layers["Affine2"] = Affine(K63.copy(), b3.copy())
    return Network(layers | replaced, SoftmaxWithLoss())


# 13. Layers of images, of noise and of statistics.


class Norm:
    """Batch normalisation; `inner` takes the gradient of the normalised x back to x."""

    axis = 0

    def __init__(self):
        self.gamma, self.beta = np.array([1.0, 2.0, 0.5, -1.0]), np.ones(4)

    def forward(self, x):
        along = {"axis": self.axis, "keepdims": True}
        self.x, self.std = x, np.sqrt(x.var(**along) + 1e-3)
        self.y = (x - x.mean(**along)) / self.std
        return self.gamma * self.y + self.beta

    def backward(self, d):
        self.dgamma, self.dbeta = (d * self.y).sum(axis=0), d.sum(axis=0)
        return self.inner(d * self.gamma)

    def inner(self, d, axis=None):
        along = {"axis": self.axis if axis is None else axis, "keepdims": True}
        return (d - d.mean(**along) - self.y * (d * self.y).mean(**along)) / self.std


@case(13, "statistics-constant", "x", X)
class NormByItsSlope(Norm):
    def inner(self, d):
        return d / self.std


@case(13, "statistics-constant", "x", X)
class NormWithoutMean(Norm):
    def inner(self, d):
        return super().inner(d) + d.mean(axis=0) / self.std


@case(13, "statistics-constant", "x", X)
class LayerNormWithoutSpread(Norm):
    axis = 1

    def inner(self, d):
        return (d - d.mean(axis=1, keepdims=True)) / self.std


@case(13, "statistics-constant", "x", X)
class UnitRows:
    def forward(self, x):
        self.n = np.linalg.norm(x, axis=1, keepdims=True)
        return x / self.n

    def backward(self, d):
        return d / self.n


@case(13, "epsilon-forgotten", "x", X)
class NormWithoutEpsilon(Norm):
    def inner(self, d):
        return super().inner(d) * self.std / self.x.std(axis=0)


@case(13, "sum-over-wrong-axis", "x", X)
class LayerNormAlongTheBatch(Norm):
    axis = 1

    def inner(self, d):
        return super().inner(d, axis=0)


@case(13, "sum-over-wrong-axis", "b", X[:3], given=(W43, b3))
class SumOverUnits(BookAffine):
    def backward(self, dout):
        dx = super().backward(dout)
        self.db = np.sum(dout, axis=1)
        return dx


@case(13, "factor-missing", "x", X)
class NormWithoutGamma(Norm):
    def backward(self, d):
        super().backward(d)
        return self.inner(d)


@case(13, "mask-redrawn", "x", X)
class DrawnAgain:
    def forward(self, x):
        return x * (np.random.rand(*x.shape) > 0.4) / 0.6

    def backward(self, d):
        return d * (np.random.rand(*d.shape) > 0.4) / 0.6


@case(13, "mask-missing", "x", X)
class DroppedUnmasked(DrawnAgain):
    def backward(self, d):
        return d / 0.6


@case(13, "leaky-slope-lost", "x", X)
class LeakLost:
    def forward(self, x):
        self.x = x
        return np.where(x > 0, x, 0.2 * x)

    def backward(self, d):
        return d * (self.x > 0)


@case(13, "label-term-missing", "x", A, LABELS)
class UncountedHinge:
    def forward(self, s, y):
        rows = np.arange(len(s))
        margin = np.maximum(0, s - s[rows, y][:, None] + 1)
        margin[rows, y] = 0
        self.open = (margin > 0) * 1.0
        return margin.sum() / len(s)

    def backward(self, d=1.0):
        return d * self.open / len(self.open)


@case(13, "label-term-missing", "x", A, ONE_HOT)
class NothingSubtracted(SoftmaxWithLoss):
    def backward(self, dout=1.0):
        return dout * self.y / len(self.y)


IMAGE = rng.normal(size=(2, 2, 5, 4))
WINDOWS = [(i, j) for i in range(5) for j in range(4)]


class Sliding:
    """A convolution with a kernel (F, C, 3, 3), a rim of 1 around the image, and a bias a channel."""

    def __init__(self):
        make = np.random.default_rng(2).normal
        self.W, self.b = make(size=(3, 2, 3, 3)), make(size=3)

    def forward(self, x):
        self.padded = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)))
        out = np.zeros((len(x), 3, 5, 4))
        for i, j in WINDOWS:
            window = self.padded[:, :, i : i + 3, j : j + 3]
            out[:, :, i, j] = np.einsum("nchw,fchw->nf", window, self.W) + self.b
        return out

    def backward(self, d):
        self.dW, self.db, dx = np.zeros_like(self.W), d.sum(axis=(0, 2, 3)), 0 * self.padded
        for i, j in WINDOWS:
            window = self.padded[:, :, i : i + 3, j : j + 3]
            self.dW += np.einsum("nf,nchw->fchw", d[:, :, i, j], window)
            dx[:, :, i : i + 3, j : j + 3] += np.einsum("nf,fchw->nchw", d[:, :, i, j], self.back)
        return dx[:, :, 1:-1, 1:-1]

    @property
    def back(self):
        return self.W


@case(13, "kernel-not-turned", "x", IMAGE)
class Unturned(Sliding):
    back = property(lambda self: self.W[:, :, ::-1, ::-1])


@case(13, "kernel-not-turned", "W", IMAGE)
class UnturnedGradient(Sliding):
    def backward(self, d):
        dx = super().backward(d)
        self.dW = self.dW[:, :, ::-1, ::-1]
        return dx


@case(13, "bias-mean", "b", IMAGE)
class MeanOverPlaces(Sliding):
    def backward(self, d):
        dx = super().backward(d)
        self.db = d.mean(axis=(0, 2, 3))
        return dx


@case(13, "overwritten-at-fork", "W", IMAGE)
class LastWindow(Sliding):
    def backward(self, d):
        dx = super().backward(d)
        self.dW = np.einsum("nf,nchw->fchw", d[:, :, -1, -1], self.padded[:, :, 4:7, 3:6])
        return dx


@case(13, "wrong-shape", "x", IMAGE)
class RimKept(Sliding):
    def backward(self, d):
        return np.pad(super().backward(d), ((0, 0), (0, 0), (1, 1), (1, 1)))


@case(13, "axes-in-wrong-order", "W", IMAGE)
class ReshapedForTransposed(Sliding):
    def backward(self, d):
        dx = super().backward(d)
        self.dW = self.dW.reshape(3, -1).T.reshape(self.W.shape)
        return dx


class Pool:
    """The largest of each 2 by 2 windows."""

    def forward(self, x):
        self.windows = x.reshape(*x.shape[:2], x.shape[2] // 2, 2, x.shape[3] // 2, 2)
        self.y = self.windows.max(axis=(3, 5), keepdims=True)
        return self.y[:, :, :, 0, :, 0]

    def backward(self, d):
        spread = d[:, :, :, None, :, None]
        return (spread * (self.windows == self.y)).reshape(d.shape[:2] + (4, 4))


SQUARES = rng.normal(size=(2, 2, 4, 4))


case(13, "tie-counted-twice", "x", np.round(SQUARES))(Pool)


@case(13, "mask-missing", "x", SQUARES)
class PoolSpreadEvenly(Pool):
    def backward(self, d):
        return np.repeat(np.repeat(d / 4, 2, axis=2), 2, axis=3)


class Attends:
    lost, scale, full = None, 3**-0.5, True

    def __init__(self):
        make = np.random.default_rng(4).normal
        self.Wq, self.Wk, self.Wv = (make(size=(4, 3)) for _ in range(3))

    def forward(self, x):
        self.x, self.q, self.k, self.v = x, x @ self.Wq, x @ self.Wk, x @ self.Wv
        e = np.exp(self.q @ self.k.T * 3**-0.5)
        self.a = e / e.sum(axis=1, keepdims=True)
        return self.a @ self.v

    def backward(self, d):
        da, dv = d @ self.v.T, self.a.T @ d
        dz = self.a * (da - (da * self.a).sum(axis=1, keepdims=True)) * self.scale
        back = {"q": dz @ self.k, "k": dz.T @ self.q, "v": dv}
        self.dWq, self.dWk, self.dWv = (self.x.T @ one for one in back.values())
        uses = {key: one @ getattr(self, f"W{key}").T for key, one in back.items()}
        return sum(use for key, use in uses.items() if key != self.lost)


for lost in "qkv":
    case(13, "overwritten-at-fork", "x", X)(
        type(f"AttendsWithout_{lost}", (Attends,), {"lost": lost})
    )
case(13, "scaled", "x", X)(type("AttendsUnscaled", (Attends,), {"scale": 1.0}))


# 14. Functions that give their value and their gradient.


@case(14, "labels-shifted", "a", A)
class ShiftedInside:
    def __call__(self, a):
        e = np.exp(a - a.max(axis=1, keepdims=True))
        y, rows = e / e.sum(axis=1, keepdims=True), np.arange(len(a))
        d = y.copy()
        d[rows, LABELS - 1] -= 1
        return -np.mean(np.log(y[rows, LABELS])), d / len(a)


@case(14, "missing-batch-division", "x", np.array([0.3, -0.2, 1.1, 0.7]), np.array([0, 1, 1, 0]))
class OneScoreASample:
    def forward(self, x, t):
        self.y, self.t = 1 / (1 + np.exp(-x)), t
        return -np.mean(t * np.log(self.y) + (1 - t) * np.log(1 - self.y))

    def backward(self, dout=1.0):
        return dout * (self.y - self.t)


@case(14, "wrong-sign", "x", np.array([0.7, -1.3]))
class OneSignTurned:
    def __call__(self, x):
        return x[0] ** 2 - 3 * x[1], np.array([2 * x[0], 3.0])


@case(14, "overwritten-at-fork", "x", np.array([0.7, -1.3, 0.4]))
class LastUseAlone:
    def __call__(self, x):
        a, b, c = x
        return a * b + np.sin(a * c) + a, np.array([b, a, a * np.cos(a * c)])


@case(14, "factor-missing", "x", np.array([0.7, -1.3, 0.4]))
class OneFactorAlone:
    def __call__(self, x):
        a, b, c = x
        return a * b * c, np.array([b, a * c, a * b])


@case(13, "factor-missing", "x", X)
class HalfOfSigmoid:
    def forward(self, x):
        self.y = 1 / (1 + np.exp(-x))
        return self.y

    def backward(self, d):
        return d * (1 - self.y)


# 15. A part of the gradient is lost, or goes to another array.


@case(15, "inputs-not-swapped", "x", (X, X[::-1] + 0.3))
class SidesSwapped:
    def forward(self, x, y):
        return np.concatenate([x, y], axis=1)

    def backward(self, d):
        return d[:, 4:], d[:, :4]


@case(15, "leaky-slope-lost", "x", X)
class ExponentialUnit:
    def forward(self, x):
        self.x = x
        return np.where(x > 0, x, np.exp(x) - 1)

    def backward(self, d):
        return d * (self.x > 0)


@case(15, "overwritten-at-fork", "x", X)
class GatesWithOneUse:
    def __init__(self):
        make = np.random.default_rng(6).normal
        self.W, self.V = make(size=(4, 3)), make(size=(4, 3))

    def forward(self, x):
        self.x, self.g, self.h = x, 1 / (1 + np.exp(-x @ self.W)), np.tanh(x @ self.V)
        return self.g * self.h

    def backward(self, d):
        dg, dh = d * self.h * self.g * (1 - self.g), d * self.g * (1 - self.h**2)
        self.dW, self.dV = self.x.T @ dg, self.x.T @ dh
        return dh @ self.V.T


SEQUENCE = rng.normal(size=(4, 2, 4))


@case(15, "overwritten-at-fork", "Wx", SEQUENCE)
class LastStepAlone:
    """A recurrent layer over x (T, N, D); the gradient of Wx is written anew at each step."""

    def __init__(self):
        make = np.random.default_rng(7).normal
        self.Wx, self.Wh, self.b = make(size=(4, 3)), make(size=(3, 3)), make(size=3)

    def forward(self, xs):
        self.xs, self.hs = xs, [np.zeros((xs.shape[1], 3))]
        for x in xs:
            self.hs.append(np.tanh(x @ self.Wx + self.hs[-1] @ self.Wh + self.b))
        return np.array(self.hs[1:])

    def backward(self, d):
        self.dWx, self.dWh, self.db = np.zeros((4, 3)), np.zeros((3, 3)), np.zeros(3)
        dx, dh = np.zeros_like(self.xs), 0.0
        for t in reversed(range(len(d))):
            dz = (d[t] + dh) * (1 - self.hs[t + 1] ** 2)
            self.step(self.xs[t].T @ dz)
            self.dWh += self.hs[t].T @ dz
            self.db += dz.sum(axis=0)
            dx[t], dh = dz @ self.Wx.T, dz @ self.Wh.T
        return dx

    def step(self, dW):
        self.dWx = dW


class EveryStep(LastStepAlone):
    def step(self, dW):
        self.dWx = self.dWx + dW


@case(15, "mask-missing", "x", X)
class EachRowGetsAll:
    def forward(self, x):
        self.x, self.winner = x, x.argmax(axis=1)
        return x.max(axis=1)

    def backward(self, d):
        dx = np.zeros_like(self.x)
        dx[:, self.winner] = d[:, None]
        return dx


# 16. What only the graph of the code can tell: one mistake in the middle of it.


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


@case(16, "another-array", "w1", X)
class ItsOwnOutput:
    def __init__(self):
        rng = np.random.default_rng(5)
        self.w1, self.w2 = rng.normal(size=(4, 4)), rng.normal(size=(4, 3))

    def forward(self, x):
        self.x, self.h = x, sigmoid(x @ self.w1)
        return self.h @ self.w2

    def backward(self, d):
        self.dw2 = self.h.T @ d
        dz = d @ self.w2.T * self.h * (1 - self.h)
        self.dw1 = self.h.T @ dz
        return dz @ self.w1.T


@case(16, "targets-differ", "x", X[:, :3], LABELS)
class Smoothed:
    def forward(self, a, t):
        e = np.exp(a - a.max(axis=1, keepdims=True))
        self.y, self.t = e / e.sum(axis=1, keepdims=True), np.eye(3)[t]
        return float(-np.sum((0.9 * self.t + 0.1 / 3) * np.log(self.y)) / len(a))

    def backward(self, dout=1.0):
        return dout * (self.y - self.t) / len(self.y)


@case(16, "whole-numbers", "w", 3 * X)
class CutToIntegers:
    def __init__(self):
        self.w = np.random.default_rng(5).normal(size=(4, 3))
        self.dw = np.zeros((4, 3), dtype=int)

    def forward(self, x):
        self.x = x
        return x @ self.w

    def backward(self, d):
        self.dw[...] = self.x.T @ d
        return d @ self.w.T


class Gated:
    def __init__(self):
        rng = np.random.default_rng(6)
        self.w, self.u = rng.normal(size=(4, 4)), rng.normal(size=(4, 4))

    def forward(self, x):
        self.x, self.h, self.t = x, np.tanh(x @ self.w), sigmoid(x @ self.u)
        return self.t * self.h + (1 - self.t) * x

    def backward(self, d):
        dh, dt = self.to_h(d) * (1 - self.h**2), self.to_t(d) * self.t * (1 - self.t)
        self.dw, self.du = self.x.T @ dh, self.x.T @ dt
        return dh @ self.w.T + dt @ self.u.T + self.past(d)

    def to_h(self, d):
        return d * self.t

    def to_t(self, d):
        return d * (self.h - self.x)

    def past(self, d):
        return d * (1 - self.t)


@case(16, "overwritten-at-fork", "x", X)
class GateOfHAlone(Gated):
    def to_t(self, d):
        return d * self.h


@case(16, "overwritten-at-fork", "x", X)
class TwoUsesForgotten(Gated):
    def to_t(self, d):
        return d * self.h

    def past(self, d):
        return 0


@case(16, "factor-missing", "x", X)
class GateForgotten(Gated):
    def to_h(self, d):
        return d


@case(16, "wrong-sign", "x", X)
class GateTurned(Gated):
    def to_t(self, d):
        return d * (self.h + self.x)


@case(16, "softmax-diagonal", "x1", (X, X[:3] + 0.2, X[:3]))
class WeightsAlone:
    def forward(self, q, k, v):
        s = q @ k.T
        e = np.exp(s - s.max(axis=1, keepdims=True))
        self.q, self.k, self.v, self.a = q, k, v, e / e.sum(axis=1, keepdims=True)
        return self.a @ v

    def backward(self, d):
        ds = self.a * (d @ self.v.T)
        return ds @ self.k, ds.T @ self.q, self.a.T @ d
