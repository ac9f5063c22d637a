"""More nodes, for Part II: they move the numbers of an array, or take one number from many.

`Reshape`, `Transpose` and `Take` compute nothing: each entry of the output is an entry of the input. So on
the way back each gradient goes home to the entry that it came from, and where an entry was taken twice,
its gradients add. `Mean` shares a gradient out equally; `Max` gives it all to the winner. Whoever reads
the core does not need these; `guests` is built of them.
"""

import math

import numpy as np
from numpy.lib.array_utils import normalize_axis_tuple

from chainrule.graph import Variable, run
from chainrule.guards.nodes import Node, axes, one_or_many
from chainrule.guards.numbers import gate


class Reshape(Node):
    """x in another shape, its numbers in the same order; one size may be -1, and is worked out.

    Backward: the gradient in x's own shape.
    """

    symbol = "reshape"
    elementwise, moves = False, True

    def __init__(self, *shape):
        self.shape = one_or_many(shape)

    def forward(self, x):
        self.x_shape = np.shape(x)
        return np.reshape(x, self.shape)

    def backward(self, dout):
        return (np.reshape(dout, self.x_shape),)


class Transpose(Node):
    """x with its axes in another order, reversed if none is given: (N, D) -> (D, N).

    Backward: the order undone.
    """

    symbol = "transpose"
    elementwise, moves = False, True

    def __init__(self, *axes):
        self.axes = one_or_many(axes) or None

    def forward(self, x):
        return np.transpose(x, self.axes)

    def backward(self, dout):
        undo = self.axes and np.argsort([axis % len(self.axes) for axis in self.axes])
        return (np.transpose(dout, undo),)


class Take(Node):
    """x[index]: the entries that NumPy takes, for whole numbers, slices, masks and arrays of indices.

    Backward: zeros, into which each gradient is added where its entry came from. An entry taken twice
    gets the *sum* of both, as at any fork; `dx[index] += dout` would keep the last one alone.
    """

    symbol = "take"
    elementwise, moves = False, True

    def __init__(self, index):
        self.index = index

    def forward(self, x):
        self.x_shape = np.shape(x)
        return x[self.index]

    def backward(self, dout):
        dx = np.zeros(self.x_shape, np.asarray(dout).dtype)
        np.add.at(dx, self.index, dout)
        return (dx,)


class Mean(Node):
    """The mean over `axis` (an int, a tuple, or None for all). Backward: each of n entries gets 1/n."""

    symbol = "mean"
    elementwise = False

    def __init__(self, axis=None, keepdims=False):
        self.axis, self.keepdims = axes(axis), bool(keepdims)

    def forward(self, x):
        self.x_shape = np.shape(x)
        y = np.mean(x, axis=self.axis, keepdims=self.keepdims)
        self.n = np.size(x) / max(np.size(y), 1)
        return y

    def backward(self, dout):
        if self.axis is not None and not self.keepdims:
            dout = np.expand_dims(dout, self.axis)
        return (np.broadcast_to(dout / self.n, self.x_shape),)


class Max(Node):
    """The largest entry over `axis` (an int, a tuple, or None for all).

    Backward: the winner gets the whole gradient, the others 0. Of several that tie, the first one wins,
    in the order in which the array is read; a convention, since there is a kink.
    """

    symbol = "max"
    elementwise = False

    def __init__(self, axis=None, keepdims=False):
        self.axis, self.keepdims = axes(axis), bool(keepdims)

    def forward(self, x):
        self.won = first_largest(x, self.axis)
        return np.max(x, axis=self.axis, keepdims=self.keepdims)

    def backward(self, dout):
        if self.axis is not None and not self.keepdims:
            dout = np.expand_dims(dout, self.axis)
        return (gate(dout, self.won),)


def first_largest(x, axis):
    """Where the largest entry over `axis` stands, the first of several; True there, in x's shape."""
    x = np.asarray(x)
    along = range(x.ndim) if axis is None else normalize_axis_tuple(axis, x.ndim)
    order = [k for k in range(x.ndim) if k not in along] + sorted(along)
    last = x.transpose(order)
    kept = last.shape[: x.ndim - len(along)]
    rows = last.reshape(*kept, math.prod(last.shape[len(kept) :]))
    won = np.arange(rows.shape[-1]) == rows.argmax(axis=-1, keepdims=True)
    return won.reshape(last.shape).transpose(np.argsort(order))


def reshape(x, *shape):
    """x in another shape, its numbers in the same order; one size may be -1."""
    return run(Reshape(*shape), x)


def transpose(x, *axes):
    """x with its axes in this order, reversed if none is given."""
    return run(Transpose(*axes), x)


def take(x, index):
    """x[index]; an entry that is taken twice gets both gradients."""
    return run(Take(index), x)


def mean(x, axis=None, keepdims=False):
    """The mean over `axis` (an int, a tuple, or None for all)."""
    return run(Mean(axis, keepdims), x)


def max_(x, axis=None, keepdims=False):
    """The largest entry over `axis`; of several that tie, the first gets the gradient."""
    return run(Max(axis, keepdims), x)


Variable.reshape, Variable.transpose, Variable.T = reshape, transpose, property(transpose)
Variable.__getitem__, Variable.mean, Variable.max = take, mean, max_
