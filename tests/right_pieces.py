"""Code whose backward is right, in styles and with habits that could mislead the doctor."""

import threading
from types import SimpleNamespace

import numpy as np
from wrong_pieces import LABELS, A, CrossEntropy, Dense, Handmade, SquareDense, X, net

from chainrule.layers import Affine, ReLU, Sigmoid, Tanh
from chainrule.losses import IdentityWithLoss, SoftmaxWithLoss


class Dropout:
    def __init__(self):
        self.rng = np.random.default_rng(0)

    def forward(self, x):
        self.kept = 2.0 * (self.rng.random(x.shape) > 0.5)
        return x * self.kept

    def backward(self, dout):
        return dout * self.kept


class BatchNorm:
    def __init__(self):
        self.params = {"gamma": np.array([1.0, 2.0, 0.5, -1.0]), "beta": np.zeros(4)}
        self.grads, self.running = {}, np.zeros(4)

    def forward(self, x):
        self.running = 0.9 * self.running + 0.1 * x.mean(axis=0)
        self.spread = np.sqrt(x.var(axis=0) + 1e-5)
        self.h = (x - x.mean(axis=0)) / self.spread
        return self.params["gamma"] * self.h + self.params["beta"]

    def backward(self, dout):
        self.grads = {"gamma": (dout * self.h).sum(axis=0), "beta": dout.sum(axis=0)}
        dh = dout * self.params["gamma"]
        return (dh - dh.mean(axis=0) - self.h * (dh * self.h).mean(axis=0)) / self.spread


class Softmax:
    def forward(self, x):
        e = np.exp(x - x.max(axis=-1, keepdims=True))
        self.y = e / e.sum(axis=-1, keepdims=True)
        return self.y

    def backward(self, dout):
        return self.y * (dout - (dout * self.y).sum(axis=-1, keepdims=True))


class MaxPool:
    def forward(self, x):
        self.shape, self.best = x.shape, x.argmax(axis=1)
        return x.max(axis=1)

    def backward(self, dout):
        dx = np.zeros(self.shape)
        dx[np.arange(len(dout)), self.best] = dout
        return dx


class PReLU:
    def __init__(self):
        self.params, self.grads = {"slope": np.array(0.25)}, {}

    def forward(self, x):
        self.x = x
        return np.where(x > 0, x, self.params["slope"] * x)

    def backward(self, dout):
        self.grads["slope"] = (dout * self.x * (self.x <= 0)).sum()
        return np.where(self.x > 0, dout, self.params["slope"] * dout)


class GELU:
    def forward(self, x):
        self.x, self.u = x, np.tanh(0.8 * (x + 0.04 * x**3))
        return 0.5 * x * (1 + self.u)

    def backward(self, dout):
        bent = 0.5 * self.x * (1 - self.u**2) * 0.8 * (1 + 0.12 * self.x**2)
        return dout * (0.5 * (1 + self.u) + bent)


class Stacked:
    """Keeps a stack of inputs; each backward takes the last one."""

    def __init__(self):
        self.kept = []

    def forward(self, x):
        self.kept.append(x)
        return x**2

    def backward(self, dout):
        return 2 * dout * self.kept.pop()


class Forgetful:
    """Throws its cache away in backward, to save memory."""

    def forward(self, x):
        self.y = np.exp(x)
        return self.y

    def backward(self, dout):
        y = self.y
        del self.y
        return dout * y


class Slots:
    __slots__ = ("x",)

    def forward(self, x):
        self.x = x
        return np.sin(x)

    def backward(self, dout):
        return dout * np.cos(self.x)


class Locked:
    """Cannot be copied to its depths; its parameter is a plain number."""

    def __init__(self):
        self.lock, self.params, self.grads = threading.Lock(), {"k": 2.0}, {}

    def forward(self, x):
        self.x = x
        return self.params["k"] * x

    def backward(self, dout):
        self.grads["k"] = float(np.sum(dout * self.x))
        return dout * self.params["k"]


class Clip:
    def forward(self, x):
        self.inside = np.abs(x) < 1
        return np.clip(x, -1, 1)

    def backward(self, dout):
        return dout * self.inside


class Convolution:
    def __init__(self):
        self.params, self.grads = {"w": np.array([0.5, -1.0])}, {}

    def forward(self, x):
        self.x, w = x, self.params["w"]
        return x[:, :-1] * w[0] + x[:, 1:] * w[1]

    def backward(self, dout):
        x, w = self.x, self.params["w"]
        self.grads["w"] = np.array([np.sum(x[:, :-1] * dout), np.sum(x[:, 1:] * dout)])
        dx = np.zeros_like(x)
        dx[:, :-1] += w[0] * dout
        dx[:, 1:] += w[1] * dout
        return dx


class Coarse:
    """Calculates in float32, whatever it gets."""

    def forward(self, x):
        return np.float32(3) * np.asarray(x, np.float32)

    def backward(self, dout):
        return np.float32(3) * np.asarray(dout, np.float32)


class Gain32:
    def __init__(self):
        self.params, self.grads = {"k": np.full(4, 1.5, np.float32)}, {}

    def forward(self, x):
        self.x = x
        return self.params["k"] * x

    def backward(self, dout):
        self.grads["k"] = (dout * self.x).sum(axis=0)
        return dout * self.params["k"]


class Embedding:
    """Its input is whole numbers, and has no gradient."""

    def __init__(self):
        self.params, self.grads = {"table": np.arange(12.0).reshape(6, 2)}, {}

    def forward(self, x):
        self.index = np.rint(x).astype(int) % 6
        return self.params["table"][self.index]

    def backward(self, dout):
        self.grads["table"] = np.zeros((6, 2))
        np.add.at(self.grads["table"], self.index, dout)


class Outer:
    def forward(self, x, y):
        self.x, self.y = x, y
        return np.outer(x, y)

    def backward(self, dout):
        return [dout @ self.y, self.x @ dout]


class Fused:
    """Three inputs."""

    def forward(self, x, y, z):
        self.x, self.y = x, y
        return x * y + z

    def backward(self, dout):
        return dout * self.y, dout * self.x, dout


class Residual:
    def __init__(self):
        self.inner = Tanh()

    def forward(self, x):
        return x + self.inner.forward(x)

    def backward(self, dout):
        return dout + self.inner.backward(dout)


class Mean(CrossEntropy):
    def backward(self, up=1.0):
        return up * self.raw() / len(self.p)


class Plain(CrossEntropy):
    """At the end of a network nothing comes from above, so this one need not look."""

    def backward(self, up=1.0):
        return self.raw() / len(self.p)


class Summed(Dense):
    """Adds its gradients up, into the arrays that it has, until it is told to start again."""

    def zero_grad(self):
        self.summed = {key: np.zeros_like(array) for key, array in self.params.items()}

    def backward(self, dout):
        dx = super().backward(dout)
        for key, gradient in self.grads.items():
            self.summed[key] += gradient
        self.grads = self.summed
        return dx


class OfProbabilities:
    """Takes a probability that is 0 or 1 for one that is nearly so; in between it is right."""

    def forward(self, p, t):
        self.p, self.t = np.clip(p, 1e-12, 1 - 1e-12), t
        return -np.mean(t * np.log(self.p) + (1 - t) * np.log(1 - self.p))

    def backward(self, dout=1.0):
        return dout * (self.p - self.t) / (self.p * (1 - self.p)) / self.p.size


def by_closures():
    params, grads, kept = {"W": np.arange(12.0).reshape(4, 3) / 7}, {}, {}

    def forward(x):
        kept["x"] = x
        return x @ params["W"]

    def backward(dout):
        grads["W"] = kept["x"].T @ dout
        return dout @ params["W"].T

    return SimpleNamespace(params=params, grads=grads, forward=forward, backward=backward)


class ListNetwork:
    def __init__(self):
        self.layers, self.loss_fn = [Dense(), ReLU()], Mean()
        self.params = self.layers[0].params

    def loss(self, x, t):
        for layer in self.layers:
            x = layer.forward(x)
        return self.loss_fn.forward(x, t)

    def gradient(self, x, t):
        self.loss(x, t)
        dout = self.loss_fn.backward()
        for layer in reversed(self.layers):
            dout = layer.backward(dout)
        return self.layers[0].grads


class Decayed(Handmade):
    """Weight decay in the loss and in the gradient."""

    def loss(self, x, t):
        return super().loss(x, t) + 0.05 * sum(np.sum(W**2) for W in self.params.values())

    def gradient(self, x, t):
        return {key: g + 0.1 * self.params[key] for key, g in super().gradient(x, t).items()}


PLACES = (X, X[0], 3 * X)
RIGHT = [
    *[(kind(), x) for kind in (ReLU, Sigmoid, Tanh, Dropout, Softmax, PReLU) for x in PLACES],
    *[(kind(), x) for kind in (GELU, Stacked, Forgetful, Slots, Locked, Clip) for x in PLACES],
    *[(kind(), x) for kind in (Residual, Coarse) for x in (*PLACES, X[:1])],
    (Slots(), 0.3),
    (BatchNorm(), X),
    (MaxPool(), X),
    (Convolution(), X),
    (Gain32(), X),
    (Gain32(), X.astype(np.float32)),
    (Embedding(), np.array([0.0, 3.0, 3.0, 5.0])),
    (Outer(), (X[0], X[1, :3])),
    (Fused(), (1.0, 2.0, 3.0)),
    (by_closures(), X),
    (Dense(), X),
    (SquareDense(), X),
    (Affine([[1, 2], [3, 4]], [0, 1]), [[1, 2]]),
    (Affine(np.zeros((4, 3)), np.zeros(3)), np.zeros((2, 4))),
    (ReLU(), np.zeros((2, 3))),
    (Mean(), A, LABELS),
    (SoftmaxWithLoss(), A, LABELS),
    (SoftmaxWithLoss(), A[0], 2),
    (IdentityWithLoss(), A, A[::-1]),
    (Handmade(), X, LABELS),
    (Decayed(), X, LABELS),
    (ListNetwork(), X, LABELS),
    *[(net(kind()), X, LABELS) for kind in (ReLU, Tanh, Dropout, GELU, PReLU, Forgetful)],
    (net(loss=Plain()), X, LABELS),
    (Summed(), X),
    (OfProbabilities(), 1 / (1 + np.exp(-X)), (X > 0.3) * 1.0),
]
