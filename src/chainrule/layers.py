"""Layers: several nodes taken in one step, with the backward pass worked out on paper beforehand.

A layer is anything with `forward(x)` and `backward(dout) -> dx`; if it learns, its parameters are in
the dict `params` and, after backward, their gradients under the same keys in `grads`. There is
nothing to inherit. Each layer here also has `expand(x)`, which writes it out in the nodes it stands
for, so that the graph can prove the closed form. Read `losses` next.
"""

import numpy as np

from chainrule.graph import Variable, as_variable, maximum, sigmoid, tanh
from chainrule.nodes import as_value


def as_array(value, where):
    """`value` as a float array (float32 stays float32); TypeError, naming `where`, otherwise."""
    return np.asarray(as_value(value, where))


def upstream(layer, out, dout):
    """`dout` as an array, checked against `out`, what the layer's forward returned."""
    name = type(layer).__name__
    if out is None:
        raise RuntimeError(f"{name}: backward was called before forward")
    dout = as_array(dout, f"{name}.backward")
    if dout.shape != out.shape:
        raise ValueError(
            f"{name}.backward wants a dout of the output's shape {out.shape}, got {dout.shape}"
        )
    return dout.astype(out.dtype, copy=False)


class ReLU:
    """max(x, 0), entry by entry. A gate: where x > 0 the gradient passes, elsewhere it stops."""

    def __init__(self):
        self.params, self.grads = {}, {}
        self.mask = None

    def forward(self, x):
        """x of any shape -> the same shape."""
        x = as_array(x, "ReLU")
        self.mask = x > 0
        self.y = np.maximum(x, 0)
        return self.y

    def backward(self, dout):
        """dx = dout where x was positive, else 0. At x = 0, the kink, 0 is a convention."""
        dout = upstream(self, getattr(self, "y", None), dout)
        return dout * self.mask

    def expand(self, x):
        return maximum(x, 0.0)


class Sigmoid:
    """1 / (1 + exp(-x)), entry by entry, without overflow for any x."""

    def __init__(self):
        self.params, self.grads = {}, {}
        self.y = None

    def forward(self, x):
        """x of any shape -> the same shape, each entry between 0 and 1."""
        x = as_array(x, "Sigmoid")
        small = np.exp(-np.abs(x))  # at most 1, so it cannot overflow
        self.y = np.where(x >= 0, 1, small) / (1 + small)
        return self.y.copy()

    def backward(self, dout):
        """dx = dout y (1 - y): the output alone is enough."""
        dout = upstream(self, self.y, dout)
        return dout * self.y * (1 - self.y)

    def expand(self, x):
        return sigmoid(x)


class Tanh:
    """The hyperbolic tangent, entry by entry."""

    def __init__(self):
        self.params, self.grads = {}, {}
        self.y = None

    def forward(self, x):
        """x of any shape -> the same shape, each entry between -1 and 1."""
        self.y = np.asarray(np.tanh(as_array(x, "Tanh")))
        return self.y.copy()

    def backward(self, dout):
        """dx = dout (1 - y^2)."""
        dout = upstream(self, self.y, dout)
        return dout * (1 - self.y) * (1 + self.y)

    def expand(self, x):
        return tanh(x)


class Affine:
    """x @ W + b: every output is a weighted sum of all inputs, plus a bias.

    W   (D, M), which is the transpose of what PyTorch's Linear keeps
    b   (M,)
    """

    def __init__(self, W, b):
        self.params = {"W": as_array(W, "Affine W"), "b": as_array(b, "Affine b")}
        self.grads = {"W": None, "b": None}
        self.x = self.out = None
        self.parameters()

    @classmethod
    def init(cls, D, M, rng, scale="he"):
        """Normal random weights (D, M) and zero biases (M,).

        scale   their standard deviation: "he", sqrt(2/D), keeps the size of signals through ReLUs
                (He et al. 2015); "xavier", sqrt(1/D), does for sigmoid and tanh (after Glorot and
                Bengio 2010); or a number
        rng     a numpy.random.Generator
        """
        if not isinstance(rng, np.random.Generator):
            raise TypeError(f"Affine.init wants a numpy.random.Generator as rng, got {rng!r}")
        for name, size in {"D": D, "M": M}.items():
            if not isinstance(size, (int, np.integer)) or size < 1:
                raise ValueError(f"Affine.init wants a positive whole number {name}, got {size!r}")
        if isinstance(scale, str):
            if scale not in ("he", "xavier"):
                raise ValueError(f'Affine.init: scale is "he", "xavier" or a number, got {scale!r}')
            scale = np.sqrt((2 if scale == "he" else 1) / D)
        elif not scale >= 0:
            raise ValueError(f"Affine.init: scale cannot be negative, got {scale!r}")
        return cls(rng.normal(0.0, scale, (D, M)), np.zeros(M))

    def parameters(self):
        """W and b as they are now, checked: an entry of `params` may be assigned anew at any time."""
        W, b = as_array(self.params["W"], "Affine W"), as_array(self.params["b"], "Affine b")
        if W.ndim != 2 or b.shape != W.shape[1:]:
            raise ValueError(f"Affine wants W (D, M) and b (M,), got W {W.shape} and b {b.shape}")
        return W, b

    def forward(self, x):
        """x (N, D) -> (N, M), or one sample (D,) -> (M,)."""
        W, b = self.parameters()
        x = as_array(x, "Affine")
        if x.ndim not in (1, 2) or x.shape[-1] != W.shape[0]:
            raise ValueError(
                f"Affine wants x (N, {W.shape[0]}) to go with W {W.shape}, got x {x.shape}"
            )
        self.x, self.W, self.out = x, W, x @ W + b
        return self.out

    def backward(self, dout):
        """dx = dout @ W.T (N, D);  dW = x.T @ dout (D, M);  db = the sum of dout over the batch."""
        dout = upstream(self, self.out, dout)
        x, rows = np.atleast_2d(self.x), np.atleast_2d(dout)
        self.grads["W"] = x.T @ rows
        self.grads["b"] = rows.sum(axis=0)
        return dout @ self.W.T

    def expand(self, x):
        W, b = self.parameters()
        return as_variable(x) @ Variable(W, "W") + Variable(b, "b")
