"""Dropout: in training a random share of the numbers is set to 0, each time another one."""

import numpy as np

from chainrule.graph import Variable, as_variable
from chainrule.guards.guests import check_share
from chainrule.guards.layers import Layer
from chainrule.guards.numbers import door


class Dropout(Layer):
    """Each entry is set to 0 with probability p, and divided by 1 - p otherwise (Srivastava et al. 2014).

    So an entry's mean over many masks is the entry itself, and in prediction nothing is left to do.

    p         the probability to drop, from 0 up to, but not, 1 (the paper's p is the probability to keep)
    rng       a numpy.random.Generator, from which each forward in training draws a mask
    training  whether it drops at all; in prediction a network sets it to False
    """

    training = True
    mask = None

    def __init__(self, p, rng):
        super().__init__()
        self.p, self.rng = float(p), rng

    def forward(self, x):
        """x of any shape -> the same shape."""
        if self.training:
            self.mask = self.draw(x)
        else:
            self.mask = 1.0
        return x * self.mask

    def backward(self, dout):
        """dx = dout times the mask of forward."""
        return dout * self.mask

    def draw(self, x):
        """A mask like x: 0, or 1 / (1 - p)."""
        kept = self.rng.random(x.shape) >= self.p
        return np.asarray(kept / (1 - self.p), x.dtype)

    def expand(self, x):
        """x times the mask of the last forward, as one node; without one that fits, a mask is drawn."""
        x = as_variable(x)
        if self.training and getattr(self.mask, "shape", None) != x.shape:
            self.forward(x.value)
        return x * Variable(self.mask if self.training else 1.0, "mask")

    def __repr__(self):
        return f"Dropout({self.p:g})"


Dropout.__init__ = door(check_share, Dropout.__init__)
