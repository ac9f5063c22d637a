"""Layers: several nodes taken in one step, with the backward pass worked out on paper beforehand.

A layer is anything with `forward(x)` and `backward(dout) -> dx`; if it learns, its parameters are in
the dict `params` and, after backward, their gradients under the same keys in `grads`. There is nothing
that you have to inherit. What forward took is kept as it is, without a copy, so leave it alone until
backward has run. `expand(x)` writes a layer out in the nodes that it stands for: so the graph can prove
the closed form. Read `losses` next.
"""

import numpy as np

from chainrule.graph import Variable, as_variable, maximum, sigmoid, tanh
from chainrule.guards.layers import Layer, parameters


class ReLU(Layer):
    """max(x, 0), entry by entry. A gate: where x > 0 the gradient passes, elsewhere it stops."""

    def forward(self, x):
        """x of any shape -> the same shape."""
        self.mask = x > 0
        return np.maximum(x, 0.0)

    def backward(self, dout):
        """dx = dout where x was positive, else 0 (at 0 by convention)."""
        return dout * self.mask

    def expand(self, x):
        """max(x, 0) as one node; returns a Variable of x's shape."""
        return maximum(x, 0.0)


class Sigmoid(Layer):
    """1 / (1 + exp(-x)), entry by entry, without overflow for any x."""

    keeps_output = True  # backward needs it: the caller gets a copy

    def forward(self, x):
        """x of any shape -> the same shape, each entry between 0 and 1."""
        small = np.exp(-np.abs(x))  # at most 1, so it cannot overflow
        self.y = np.where(x >= 0, 1, small) / (1 + small)
        return self.y

    def backward(self, dout):
        """dx = dout y (1 - y): the output alone is enough."""
        return dout * self.y * (1 - self.y)

    def expand(self, x):
        """The definition in nodes, for moderate x; returns a Variable of x's shape."""
        return sigmoid(x)


class Tanh(Layer):
    """The hyperbolic tangent, entry by entry."""

    keeps_output = True  # backward needs it: the caller gets a copy

    def forward(self, x):
        """x of any shape -> the same shape, each entry between -1 and 1."""
        self.y = np.tanh(x)
        return self.y

    def backward(self, dout):
        """dx = dout (1 - y^2)."""
        return dout * ((1 - self.y) * (1 + self.y))  # exact near y = 1, where y^2 is rounded

    def expand(self, x):
        """The definition in nodes, for moderate x; returns a Variable of x's shape."""
        return tanh(x)


class Affine(Layer):
    """x @ W + b: every output is a weighted sum of all inputs, plus a bias.

    W   (D, M), which is the transpose of what PyTorch's Linear keeps
    b   (M,), or None for a layer without a bias
    """

    rows = True  # x is a matrix, a sample a row

    def __init__(self, W, b=None):
        self.params = parameters(W, b)
        self.grads = dict.fromkeys(self.params)

    @classmethod
    def init(cls, D, M, rng, scale="he"):
        """Normal random weights (D, M) and zero biases (M,).

        scale   their standard deviation: "he", sqrt(2/D), keeps the size of signals through ReLUs
                (He et al. 2015); "xavier", sqrt(1/D), does for sigmoid and tanh (after Glorot and
                Bengio 2010, who take sqrt(2/(D+M))); or a number
        rng     a numpy.random.Generator
        """
        if scale in ("he", "xavier"):
            scale = np.sqrt((2 if scale == "he" else 1) / D)
        return cls(rng.normal(0.0, scale, (D, M)), np.zeros(M))

    def forward(self, x):
        """x (..., D) -> (..., M): a batch (N, D), or one sample (D,), which arrives as a batch of one."""
        self.x, self.W = x, self.params["W"]
        return x @ self.W + self.params.get("b", 0.0)

    def backward(self, dout):
        """dW = x.T @ dout (D, M);  db = the sum of dout over the batch;  dx = dout @ W.T."""
        self.grads["W"] = self.x.T @ dout
        if "b" in self.params:
            self.grads["b"] = dout.sum(axis=0)
        if self.want_dx:  # a network's first layer hands it to nobody
            return dout @ self.W.T

    def expand(self, x):
        """x @ W + b in nodes, with W and b as leaves of these names; returns a Variable."""
        out = as_variable(x) @ Variable(self.params["W"], "W")
        return out + Variable(self.params["b"], "b") if "b" in self.params else out
