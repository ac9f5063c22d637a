"""Layers for images: each sample is no row, but has axes of its own."""

import math

from chainrule.graph import as_variable
from chainrule.guards.guests import refuse_number
from chainrule.guards.layers import Layer
from chainrule.more_nodes import reshape


class Flatten(Layer):
    """Each sample as one row: (N, ...) -> (N, D)."""

    refuse = refuse_number

    def forward(self, x):
        """x (N, ...) -> (N, D), with D the product of the other sizes."""
        self.x_shape = x.shape
        return x.reshape(len(x), math.prod(x.shape[1:])).copy()

    def backward(self, dout):
        """dx = dout, in x's shape."""
        return dout.reshape(self.x_shape).copy()

    def expand(self, x):
        """One node; returns a Variable (N, D)."""
        x = as_variable(x)
        return reshape(x, len(x.value), math.prod(x.shape[1:]))
