"""Functions and their right derivatives, (f(x), dx from dout, x and y): layers that nobody may accuse."""

import numpy as np


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def softmax(x):
    e = np.exp(x - x.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def length(x):
    return np.linalg.norm(x, axis=1, keepdims=True)


def scattered(d, x):
    dx = np.zeros_like(x)
    np.add.at(dx, ROWS, d)
    return dx


ROWS = [0, 1, 1, 2]
COLUMNS = {"axis": 1, "keepdims": True}
FUNCTIONS = {
    "sigmoid": (sigmoid, lambda d, x, y: d * y * (1 - y)),
    "tanh": (np.tanh, lambda d, x, y: d * (1 - y * y)),
    "exp": (np.exp, lambda d, x, y: d * y),
    "square": (np.square, lambda d, x, y: 2 * x * d),
    "cube": (lambda x: x**3, lambda d, x, y: 3 * d * x * x),
    "abs": (np.abs, lambda d, x, y: d * np.sign(x)),
    "sin": (np.sin, lambda d, x, y: d * np.cos(x)),
    "relu": (lambda x: np.maximum(x, 0), lambda d, x, y: d * (x > 0)),
    "relu, open at 0": (lambda x: np.maximum(x, 0), lambda d, x, y: d * (x >= 0)),
    "leaky": (lambda x: np.where(x > 0, x, 0.1 * x), lambda d, x, y: d * np.where(x > 0, 1, 0.1)),
    "elu": (
        lambda x: np.where(x > 0, x, np.exp(np.minimum(x, 0)) - 1),
        lambda d, x, y: d * np.where(x > 0, 1, y + 1),
    ),
    "softplus": (lambda x: np.logaddexp(0, x), lambda d, x, y: d * sigmoid(x)),
    "swish": (
        lambda x: x * sigmoid(x),
        lambda d, x, y: d * (sigmoid(x) + y * (1 - sigmoid(x))),
    ),
    "gauss": (lambda x: np.exp(-x * x), lambda d, x, y: -2 * x * y * d),
    "relu6": (lambda x: np.clip(x, 0, 6), lambda d, x, y: d * ((x > 0) & (x < 6))),
    "at most": (lambda x: np.minimum(x, 0.5), lambda d, x, y: d * (x < 0.5)),
    "identity": (lambda x: x, lambda d, x, y: d),
    "negative": (lambda x: -x, lambda d, x, y: -d),
    "constant": (lambda x: 0 * x + 1, lambda d, x, y: 0 * d),
    "sign": (np.sign, lambda d, x, y: 0 * d),
    "round": (np.round, lambda d, x, y: 0 * d),
    "sum of columns": (lambda x: x.sum(0), lambda d, x, y: np.broadcast_to(d, x.shape)),
    "mean": (lambda x: x.mean(), lambda d, x, y: np.full(x.shape, d / x.size)),
    "transpose": (lambda x: x.T, lambda d, x, y: d.T),
    "softmax": (softmax, lambda d, x, y: y * (d - (d * y).sum(**COLUMNS))),
    "log softmax": (
        lambda x: np.log(softmax(x)),
        lambda d, x, y: d - softmax(x) * d.sum(**COLUMNS),
    ),
    "largest": (lambda x: x.max(1), lambda d, x, y: d[:, None] * (x == x.max(**COLUMNS))),
    "unit": (lambda x: x / length(x), lambda d, x, y: (d - y * (d * y).sum(**COLUMNS)) / length(x)),
    "running sum": (lambda x: x.cumsum(1), lambda d, x, y: d[:, ::-1].cumsum(1)[:, ::-1]),
    "roll": (lambda x: np.roll(x, 1, 0), lambda d, x, y: np.roll(d, -1, 0)),
    "pad": (lambda x: np.pad(x, 1), lambda d, x, y: d[1:-1, 1:-1]),
    "sort": (
        lambda x: np.sort(x, 1),
        lambda d, x, y: np.take_along_axis(d, np.argsort(np.argsort(x, 1), 1), 1),
    ),
    "product": (lambda x: x.prod(1), lambda d, x, y: (d * y)[:, None] / x),
    "variance": (
        lambda x: x.var(1),
        lambda d, x, y: d[:, None] * 2 * (x - x.mean(**COLUMNS)) / x.shape[1],
    ),
    "gram": (lambda x: x @ x.T, lambda d, x, y: (d + d.T) @ x),
    "stack": (lambda x: np.stack([x, 2 * x]), lambda d, x, y: d[0] + 2 * d[1]),
    "rows": (lambda x: x[ROWS], lambda d, x, y: scattered(d, x)),
    "columns": (lambda x: x * (np.arange(4) > 1), lambda d, x, y: d * (np.arange(4) > 1)),
    "first": (lambda x: x[:, :1], lambda d, x, y: np.pad(d, ((0, 0), (0, x.shape[1] - 1)))),
    "flat": (lambda x: x.ravel(), lambda d, x, y: d.reshape(x.shape)),
}


class Layer:
    def __init__(self, name):
        self.f, self.df = FUNCTIONS[name]

    def forward(self, x):
        self.x, self.y = x, self.f(x)
        return self.y

    def backward(self, d):
        return self.df(d, self.x, self.y)
