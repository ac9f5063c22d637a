"""Layers: several nodes taken in one step, with the backward pass worked out on paper beforehand.

A layer is anything with `forward(x)` and `backward(dout) -> dx`; if it learns, its parameters are in
the dict `params` and, after backward, their gradients under the same keys in `grads`. There is
nothing to inherit. What forward took is kept as it is, without a copy, so leave it alone until
backward has run: `x *= 2` in between would change the gradients. Each layer here also has
`expand(x)`, which writes it out in the nodes it stands for, so that the graph can prove the closed
form. Read `losses` next.
"""

import math

import numpy as np

from chainrule.graph import Variable, as_variable, maximum, sigmoid, tanh
from chainrule.nodes import as_value, is_count, is_number, quiet


def as_array(value, where):
    """`value` as a float array (float32 stays float32); TypeError, naming `where`, otherwise."""
    if type(value) is np.ndarray and value.dtype.kind == "f":
        return value
    return np.asarray(as_value(value, where))


def upstream(layer, dout):
    """`dout` as an array, checked against the shape and type of what the layer's forward returned."""
    name = type(layer).__name__
    if layer.out_shape is None:
        raise RuntimeError(f"{name}: backward was called before forward")
    dout = as_array(dout, f"{name}.backward")
    if dout.shape != layer.out_shape:
        raise ValueError(
            f"{name}.backward wants a dout of the output's shape {layer.out_shape}, "
            f"got {dout.shape}"
        )
    return dout if dout.dtype == layer.dtype else dout.astype(layer.dtype)


class ReLU:
    """max(x, 0), entry by entry. A gate: where x > 0 the gradient passes, elsewhere it stops."""

    def __init__(self):
        self.params, self.grads = {}, {}
        self.mask = self.out_shape = None

    def forward(self, x):
        """x of any shape -> the same shape."""
        x = as_array(x, "ReLU")
        self.mask, self.out_shape, self.dtype = x > 0, x.shape, x.dtype
        return np.maximum(x, 0.0)

    @quiet
    def backward(self, dout):
        """dx = dout where x was positive, else 0. At x = 0, the kink, 0 is a convention."""
        dout = upstream(self, dout)
        dx = dout * self.mask
        if not math.isfinite(np.vdot(dx, dx)):  # infinity times 0 is no number: choose instead
            dx = np.where(self.mask, dout, 0.0)
        return dx

    def expand(self, x):
        """max(x, 0) as one node; returns a Variable of x's shape."""
        return maximum(x, 0.0)


class Sigmoid:
    """1 / (1 + exp(-x)), entry by entry, without overflow for any x."""

    def __init__(self):
        self.params, self.grads = {}, {}
        self.y = self.out_shape = None

    @quiet
    def forward(self, x):
        """x of any shape -> the same shape, each entry between 0 and 1."""
        x = as_array(x, "Sigmoid")
        small = np.exp(-np.abs(x))  # at most 1, so it cannot overflow
        self.y = np.where(x >= 0, 1, small) / (1 + small)
        self.out_shape, self.dtype = x.shape, x.dtype
        return self.y.copy()

    @quiet
    def backward(self, dout):
        """dx = dout y (1 - y): the output alone is enough."""
        dout = upstream(self, dout)
        return dout * self.y * (1 - self.y)

    def expand(self, x):
        """The definition in nodes, for moderate x; returns a Variable of x's shape."""
        return sigmoid(x)


class Tanh:
    """The hyperbolic tangent, entry by entry."""

    def __init__(self):
        self.params, self.grads = {}, {}
        self.y = self.out_shape = None

    def forward(self, x):
        """x of any shape -> the same shape, each entry between -1 and 1."""
        x = as_array(x, "Tanh")
        self.y, self.out_shape, self.dtype = np.asarray(np.tanh(x)), x.shape, x.dtype
        return self.y.copy()

    @quiet
    def backward(self, dout):
        """dx = dout (1 - y^2)."""
        dout = upstream(self, dout)
        return dout * ((1 - self.y) * (1 + self.y))

    def expand(self, x):
        """The definition in nodes, for moderate x; returns a Variable of x's shape."""
        return tanh(x)


class Affine:
    """x @ W + b: every output is a weighted sum of all inputs, plus a bias.

    W   (D, M), which is the transpose of what PyTorch's Linear keeps
    b   (M,)
    """

    def __init__(self, W, b):
        self.params = {"W": as_array(W, "Affine W"), "b": as_array(b, "Affine b")}
        self.grads = {"W": None, "b": None}
        self.x = self.out_shape = None
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
            if not is_count(size) or size < 1:
                raise ValueError(f"Affine.init wants a positive whole number {name}, got {size!r}")
        if isinstance(scale, str) and scale in ("he", "xavier"):
            scale = np.sqrt((2 if scale == "he" else 1) / D)
        if not is_number(scale):
            raise ValueError(f'Affine.init: scale is "he", "xavier" or a number, got {scale!r}')
        if scale < 0:
            raise ValueError(f"Affine.init: scale cannot be negative, got {scale!r}")
        return cls(rng.normal(0.0, scale, (D, M)), np.zeros(M))

    def parameters(self):
        """W and b as they are now, checked: an entry of `params` may be assigned anew at any time."""
        try:
            W, b = self.params["W"], self.params["b"]
        except (KeyError, TypeError):
            raise ValueError(f'Affine wants params "W" and "b", got {self.params!r}') from None
        W, b = as_array(W, "Affine W"), as_array(b, "Affine b")
        if W.ndim != 2 or b.shape != W.shape[1:]:
            raise ValueError(f"Affine wants W (D, M) and b (M,), got W {W.shape} and b {b.shape}")
        return W, b

    @quiet
    def forward(self, x):
        """x (N, D) -> (N, M), or one sample (D,) -> (M,)."""
        W, b = self.parameters()
        x = as_array(x, "Affine")
        if x.ndim not in (1, 2) or x.shape[-1] != W.shape[0]:
            raise ValueError(
                f"Affine wants x (N, {W.shape[0]}) to go with W {W.shape}, got x {x.shape}"
            )
        out = x @ W + b
        self.x, self.W, self.out_shape, self.dtype = x, W, out.shape, out.dtype
        return out

    @quiet
    def backward(self, dout, want_dx=True):
        """dx = dout @ W.T (N, D);  dW = x.T @ dout (D, M);  db = the sum of dout over the batch.

        want_dx   False leaves dx out and returns None: the first layer of a network has nobody to
                  hand it to, and there it is the largest of the three products
        """
        dout = upstream(self, dout)
        x, rows = self.x, dout
        if x.ndim == 1:  # one sample is a batch of one
            x, rows = x[np.newaxis], rows[np.newaxis]
        self.grads["W"] = None  # the last one's memory is free, unless somebody kept it
        self.grads["W"] = x.T @ rows
        self.grads["b"] = rows.sum(axis=0)
        return dout @ self.W.T if want_dx else None

    def expand(self, x):
        """x @ W + b in nodes, with W and b as leaves of these names; returns a Variable."""
        W, b = self.parameters()
        return as_variable(x) @ Variable(W, "W") + Variable(b, "b")
