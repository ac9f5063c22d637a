"""Losses: one number that says how wrong the scores are, and the gradient that starts the way back.

A loss is a layer with a second input, the targets t. Both losses here are means over the batch, and
both were chosen so that what flows back is simply (y - t) / N. Read `numeric` next.
"""

import numpy as np

from chainrule.graph import Variable, as_variable, exp, log, sum_
from chainrule.guards.losses import Loss, function_door, one_hot, same_shape, softmax_door
from chainrule.guards.numbers import expectation


def softmax(a):
    """Scores to probabilities, along the last axis: (C,) or (N, C) -> the same shape.

    Each row is shifted by its maximum first: the ratios stay as they are, and exp cannot overflow.
    """
    powers = np.exp(a - a.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


class SoftmaxWithLoss(Loss, targets=one_hot):
    """Softmax and the cross-entropy error, in one layer because together their backward is (y - t) / N."""

    def forward(self, a, t):
        """The mean over the batch of -log(probability of the right class), a float.

        a   scores, (N, C) or one sample (C,), which arrives as a batch of one
        t   one-hot or probabilities of a's shape, each row summing to 1; or class indices:
            integers (N,), an int for one sample

        -log softmax(a) = log(sum(exp(a))) - a, so the probabilities, which may round to 0, never meet
        the log, and no epsilon is needed there.
        """
        shifted = a - a.max(axis=-1, keepdims=True)
        powers = np.exp(shifted)
        total = powers.sum(axis=-1, keepdims=True)
        self.y, self.t = powers / total, t
        return expectation(t, np.log(total) - shifted) / len(a)

    def backward(self, dout=1.0):
        """da = dout (y - t) / N, in a's shape."""
        return (self.y - self.t) * (dout / len(self.y))

    def expand(self, a, t):
        """The same loss in nodes, by log-sum-exp. The shift is a constant: it changes no value."""
        a = as_variable(a)
        t = Variable(self.read(a.value, t)[1], "t")
        shifted = a - RowMaximum(a)
        log_y = shifted - log(sum_(exp(shifted), axis=-1, keepdims=True))
        return -sum_(t * log_y) / samples(a)


class RowMaximum(Variable):
    """The largest score of each row (N, 1): a leaf that follows its scores when they change."""

    __slots__ = ("scores",)

    def __init__(self, scores):
        self.scores = scores
        super().__init__(self.value, "max")

    @property
    def value(self):
        return np.max(self.scores.value, axis=-1, keepdims=True)

    @value.setter
    def value(self, _):
        pass


class IdentityWithLoss(Loss, targets=same_shape):
    """The identity and half the squared error, a mean over the batch: the regression twin, with the same backward."""

    def forward(self, a, t):
        """Half the sum of squares over the batch size, a float. a and t (N, C), or both (C,)."""
        self.y, self.t = a, t
        return half_square(a - t) / len(a)

    backward = SoftmaxWithLoss.backward  # the same: (y - t) / N

    def expand(self, a, t):
        """The same loss in nodes."""
        a = as_variable(a)
        t = Variable(self.read(a.value, t)[1], "t")
        return sum_((a - t) ** 2) / (2.0 * samples(a))


def samples(a):
    return float(len(a.value) if a.value.ndim > 1 else 1)


def cross_entropy(a, t):
    """The mean over the batch of -log(probability of the right class), from scores a, as a float.

    a and t as in `SoftmaxWithLoss.forward`.
    """
    return SoftmaxWithLoss().forward(a, t)


def sum_squared_error(y, t):
    """Half the sum of squares of y - t (any one shape), as a float; not divided by N."""
    return half_square(y - t)


def half_square(difference):
    return 0.5 * float(np.vdot(difference, difference))


softmax, sum_squared_error = softmax_door(softmax), function_door(sum_squared_error)
