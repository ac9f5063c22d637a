"""Losses: one number that says how wrong the scores are, and the gradient that starts the way back.

A loss is a layer with a second input, the targets t. Both losses here are means over the batch, and
both were chosen so that what flows back is simply (y - t) / N. Read `numeric` next.
"""

import math

import numpy as np

from chainrule.graph import Variable, as_variable, exp, log, sum_
from chainrule.layers import as_array
from chainrule.nodes import as_numbers, quiet


@quiet
def softmax(a):
    """Scores to probabilities, along the last axis: (C,) or (N, C) -> the same shape.

    Each row is shifted by its maximum first: the ratios stay as they are, and exp cannot overflow.
    """
    weights = np.exp(shift(as_array(a, "softmax"), "softmax"))
    return weights / weights.sum(axis=-1, keepdims=True)


@quiet
def cross_entropy(a, t):
    """The mean over the batch of -log(probability of the right class), from scores a, as a float.

    -log softmax(a) = log(sum(exp(a))) - a, so the probabilities, which may round to 0, never meet
    the log, and no epsilon is needed there. a and t as in `SoftmaxWithLoss.forward`.
    """
    a = scores(a, "cross_entropy")
    t = one_hot(t, a, "cross_entropy")
    shifted = shift(a, "cross_entropy")
    total = np.exp(shifted).sum(axis=-1, keepdims=True)
    return mean_surprise(np.log(total) - shifted, t)


def mean_surprise(surprise, t):
    """The mean over the batch of t times `surprise`, -log of the probabilities, as a float."""
    total = np.vdot(t, surprise)
    if not math.isfinite(total):  # 0 times an infinite surprise is no number; where t is 0 nothing
        total = np.sum(t * surprise, where=t != 0, dtype=np.float64)  # counts, and float16 is short
    return float(total) / batch_size(surprise)


@quiet
def sum_squared_error(y, t):
    """Half the sum of squares of y - t (any one shape), as a float; not divided by N."""
    y = as_array(y, "sum_squared_error")
    return half_square(y, same_shape(t, y, "sum_squared_error"), "sum_squared_error")


def half_square(y, t, where):
    """Half the sum of squares of y - t, as a float: infinite if it is too large, never NaN."""
    difference = y - t
    total = 0.5 * float(np.vdot(difference, difference))
    if not math.isfinite(total):
        all_finite(y, "y", where), all_finite(t, "t", where)
        difference = y.astype(np.float64) - t  # too much for float16 or float32 is not yet infinite
        total = 0.5 * float(np.vdot(difference, difference))
    return total


def all_finite(array, name, where):
    odd = array[~np.isfinite(array)]
    if odd.size:
        raise ValueError(f"{where} wants finite {name}, got {odd[0]}")
    return array


class SoftmaxWithLoss:
    """Softmax and the cross-entropy error, in one layer because together their backward is y - t."""

    def __init__(self):
        self.y = None

    @quiet
    def forward(self, a, t):
        """The mean loss over the batch, a float.

        a   scores, (N, C) or one sample (C,)
        t   one-hot or probabilities of a's shape, each row summing to 1; or class indices:
            integers (N,), an int for one sample
        """
        a = scores(a, "SoftmaxWithLoss")
        t = one_hot(t, a, "SoftmaxWithLoss")
        shifted = shift(a, "SoftmaxWithLoss")
        weights = np.exp(shifted)
        total = weights.sum(axis=-1, keepdims=True)
        self.y, self.t = weights / total, t
        return mean_surprise(np.log(total) - shifted, t)

    @quiet
    def backward(self, dout=1.0):
        """da = dout (y - t) / N, in a's shape."""
        dout = loss_upstream(self, dout)
        return (self.y - self.t) * (dout / batch_size(self.y))

    @quiet
    def expand(self, a, t):
        """The same loss in nodes, by log-sum-exp. The shift is a constant: it changes no value."""
        a = as_variable(a)
        t = Variable(one_hot(t, scores(a.value, "SoftmaxWithLoss"), "SoftmaxWithLoss"), "t")
        shifted = a - RowMaximum(a)
        log_y = shifted - log(sum_(exp(shifted), axis=-1, keepdims=True))
        return -sum_(t * log_y) / float(batch_size(a.value))


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


class IdentityWithLoss:
    """The identity and half the mean squared error: the regression twin, with the same backward."""

    def __init__(self):
        self.y = None

    @quiet
    def forward(self, a, t):
        """Half the sum of squares over the batch size, a float. a and t (N, C), or both (C,)."""
        a = scores(a, "IdentityWithLoss")
        t = same_shape(t, a, "IdentityWithLoss")
        loss = half_square(a, t, "IdentityWithLoss") / batch_size(a)
        self.y, self.t = a, t
        return loss

    @quiet
    def backward(self, dout=1.0):
        """da = dout (y - t) / N, in a's shape."""
        dout = loss_upstream(self, dout)
        return (self.y - self.t) * (dout / batch_size(self.y))

    @quiet
    def expand(self, a, t):
        a = as_variable(a)
        t = same_shape(t, scores(a.value, "IdentityWithLoss"), "IdentityWithLoss")
        t = Variable(t, "t")
        return sum_((a - t) ** 2) / (2.0 * batch_size(a.value))


def scores(a, where):
    """a as a float array (N, C) or (C,) with at least one sample and one class."""
    a = as_array(a, where)
    if a.ndim not in (1, 2) or a.size == 0:
        raise ValueError(f"{where} wants scores (N, C) or (C,), none of them 0, got {a.shape}")
    return a


def batch_size(a):
    return 1 if a.ndim == 1 else len(a)


def shift(a, where):
    """a minus the maximum of each row, so that the largest entry is 0."""
    if a.ndim == 0 or a.shape[-1] == 0:
        raise ValueError(f"{where} wants at least one class, got shape {a.shape}")
    top = a.max(axis=-1, keepdims=True)
    if not math.isfinite(np.vdot(top, top)):
        all_finite(top, "scores", where)
    return a - top


def one_hot(t, a, where):
    """The targets as an array of a's shape and type, whichever way they came."""
    t = as_numbers(t, f"{where} t")
    if t.shape == a.shape:
        return distribution(as_array(t, f"{where} t"), where).astype(a.dtype, copy=False)
    hot = np.zeros(a.shape, a.dtype)
    classes = class_indices(t, a, where)
    hot[classes if a.ndim == 1 else (np.arange(len(a)), classes)] = 1
    return hot


def class_indices(t, a, where):
    """The classes as integers (N,), from one-hot (N, C) or from indices; an int for one sample."""
    t = as_numbers(t, f"{where} t")
    if t.shape == a.shape:
        return distribution(as_array(t, f"{where} t"), where).argmax(axis=-1)
    if t.shape != a.shape[:-1]:
        raise ValueError(
            f"{where} wants t of the scores' shape {a.shape} (one-hot), or class indices of shape "
            f"{a.shape[:-1]}, got {t.shape}"
        )
    if t.dtype.kind not in "iu":
        raise TypeError(f"{where} wants class indices as integers, got {t.dtype}")
    classes = a.shape[-1]
    if t.size and not 0 <= t.min() <= t.max() < classes:
        wrong = t[(t < 0) | (t >= classes)].flat[0]
        raise ValueError(f"{where}: labels run from 0 to {classes - 1}, got {wrong}")
    return t


def distribution(t, where):
    """t, if each row is a probability distribution: y - t is the gradient only where it sums to 1."""
    tolerance = 1e-6 if t.dtype.itemsize < 8 else 1e-9
    off = np.abs(t @ np.ones(t.shape[-1], t.dtype) - 1)
    if not (off.max() <= tolerance and t.min() >= 0):  # false for NaN as well
        raise ValueError(f"{where}: each row of t must be non-negative and sum to 1, got {t}")
    return t


def same_shape(t, y, where):
    t = as_array(t, f"{where} t")
    if t.shape != y.shape:
        raise ValueError(f"{where} wants t of y's shape {y.shape}, got {t.shape}")
    return t.astype(y.dtype, copy=False)


def loss_upstream(loss, dout):
    """`dout` as one Python float: it scales, and leaves float32 as it is."""
    name = type(loss).__name__
    if loss.y is None:
        raise RuntimeError(f"{name}: backward was called before forward")
    if type(dout) is float:
        return dout
    dout = as_array(dout, f"{name}.backward")
    if dout.size != 1:
        raise ValueError(f"{name}.backward wants one number as dout, got shape {dout.shape}")
    return float(dout.reshape(()))
