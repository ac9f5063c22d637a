"""Guests: what real networks have besides, behind the core. Nobody needs it to understand the rest.

`Reshape` gives an array another shape, and `Flatten` is the layer that does so for images.
"""

import numpy as np

from chainrule.graph import as_variable, run
from chainrule.guards.layers import Layer
from chainrule.guards.nodes import Node


class Reshape(Node):
    """x in another shape, its numbers in the same order. Backward: the gradient in x's own shape."""

    symbol = "reshape"
    elementwise = False

    def __init__(self, *shape):
        self.shape = shape

    def forward(self, x):
        self.x_shape = np.shape(x)
        return np.reshape(x, self.shape)

    def backward(self, dout):
        return (np.reshape(dout, self.x_shape),)


class Flatten(Layer):
    """Each sample as one row: (N, ...) -> (N, D)."""

    def forward(self, x):
        """x (N, ...) -> (N, D), with D the product of the other sizes."""
        self.x_shape = x.shape
        return x.reshape(len(x), -1)

    def backward(self, dout):
        """dx = dout, in x's shape."""
        return dout.reshape(self.x_shape)

    def expand(self, x):
        """One node; returns a Variable (N, D)."""
        x = as_variable(x)
        return run(Reshape(len(x.value), -1), x)


from chainrule.guests.batch_norm import BatchNorm  # noqa: E402, F401
from chainrule.guests.dropout import Dropout  # noqa: E402, F401
