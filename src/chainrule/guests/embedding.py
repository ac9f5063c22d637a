"""Embedding: a table with a row of numbers for each word, which are looked up and learnt."""

import numpy as np

from chainrule.graph import Variable
from chainrule.guards.guests import arrays, refuse_words, whole_numbers
from chainrule.guards.layers import Layer


class Embedding(Layer):
    """W[x]: each whole number in x picks a row of the table W.

    W   (V, D): a row for each of V words

    It is `onehot(x) @ W`, without the multiplications by 0. The numbers in x are names, so they have no gradient.
    """

    read, refuse = whole_numbers, refuse_words

    def __init__(self, W):
        self.params = arrays("Embedding", W=W)
        self.grads = {"W": None}

    @classmethod
    def init(cls, V, D, rng):
        """A table (V, D) of normal random numbers with standard deviation 1; rng a numpy.random.Generator."""
        return cls(rng.normal(0.0, 1.0, (V, D)))

    def forward(self, x):
        """x whole numbers of any shape, from 0 to V - 1 -> (*x.shape, D)."""
        self.x, self.W = x, self.params["W"]
        return self.W[x]

    def backward(self, dout):
        """dW: each row of dout, added to the row that was picked. A word that comes twice gets both."""
        dW = np.zeros_like(self.W)
        np.add.at(dW, self.x, dout)
        self.grads["W"] = dW

    def expand(self, x):
        """One node, Take; returns a Variable."""
        return Variable(self.params["W"], "W")[self.read(getattr(x, "value", x))]
