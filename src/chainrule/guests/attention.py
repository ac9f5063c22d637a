"""Attention: every token looks at every other one, and takes a weighted mean of what they say.

Vaswani et al. (2017), "Attention is all you need", equation 1: one head, without a mask.
"""

import math

from chainrule.graph import Variable, as_variable, exp, sum_
from chainrule.guards.guests import arrays, refuse_sequences
from chainrule.guards.layers import Layer
from chainrule.losses import softmax


class Attention(Layer):
    """softmax(Q K^T / sqrt(H)) V, with the queries Q = x Wq, the keys K = x Wk and the values V = x Wv.

    Wq, Wk, Wv   (D, H) each
    """

    refuse = refuse_sequences

    def __init__(self, Wq, Wk, Wv):
        self.params = arrays("Attention", Wq=Wq, Wk=Wk, Wv=Wv)
        self.grads = dict.fromkeys(self.params)

    @classmethod
    def init(cls, D, H, rng):
        """Three normal random matrices (D, H), with standard deviation sqrt(1/D).

        rng   a numpy.random.Generator
        """
        return cls(*(rng.normal(0.0, math.sqrt(1 / D), (D, H)) for _ in range(3)))

    def forward(self, x):
        """x (N, T, D), N sequences of T tokens -> (N, T, H); one sequence (T, D) -> (T, H)."""
        W = [self.params[name] for name in ("Wq", "Wk", "Wv")]
        Q, K, V = [x @ W_one for W_one in W]
        A = softmax(Q @ K.mT / math.sqrt(Q.shape[-1]))
        self.x, self.W, self.Q, self.K, self.V, self.A = x, W, Q, K, V, A
        return A @ V

    def backward(self, dout):
        """dW = x.T @ its own gradient, for each of the three; dx = the sum of three uses."""
        dA, dV = dout @ self.V.mT, self.A.mT @ dout
        mean = (dA * self.A).sum(axis=-1, keepdims=True)
        dS = self.A * (dA - mean)
        dS = dS / math.sqrt(self.Q.shape[-1])
        dQ, dK = dS @ self.K, dS.mT @ self.Q
        for name, gradient in zip(self.params, (dQ, dK, dV), strict=True):
            self.grads[name] = as_rows(self.x).T @ as_rows(gradient)
        Wq, Wk, Wv = self.W
        return dQ @ Wq.T + dK @ Wk.T + dV @ Wv.T

    def expand(self, x):
        """The definition in nodes, for moderate scores; returns a Variable."""
        x = as_variable(x)
        Q, K, V = [x @ Variable(self.params[name], name) for name in ("Wq", "Wk", "Wv")]
        last_two = (*range(len(x.shape) - 2), -1, -2)
        weights = exp(Q @ K.transpose(*last_two) / math.sqrt(Q.shape[-1]))
        return weights / sum_(weights, axis=-1, keepdims=True) @ V


def as_rows(x):
    """All tokens of all sequences, one below the other: (N, T, D) -> (N T, D)."""
    return x.reshape(-1, x.shape[-1])
