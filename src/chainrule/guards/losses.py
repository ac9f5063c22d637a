"""The door of a loss: scores and targets in one shape, one sample or many, and a number that is one."""

import copy
import math
from functools import cache, partial, wraps

import numpy as np

from chainrule.guards.numbers import (
    NOTHING,
    SAYS,
    as_array,
    as_numbers,
    check_has_run,
    quiet,
    say_so,
)


class Loss:
    """What the losses share. A subclass writes `forward(a, t)` for (N, C), and `backward(dout=1.0)`.

    targets   how t is read: `one_hot` or `same_shape`
    """

    seen = None  # after forward, made anew each time: whether it was one sample

    def __init_subclass__(cls, targets=None, **options):
        super().__init_subclass__(**options)
        if Loss in cls.__bases__ and hasattr(cls, "forward") and hasattr(cls, "backward"):
            cls.targets = staticmethod(targets)
            cls.forward = forward_door(cls.forward)
            if not hasattr(cls.backward, "__wrapped__"):
                cls.backward = backward_door(cls.backward)

    def read(self, a, t):
        """The scores and the targets, checked, as float arrays of one shape and type."""
        where = type(self).__name__
        a = scores(a, where)
        return a, self.targets(t, a, where)

    def __repr__(self):
        return f"{type(self).__name__}()"


def forward_door(formula):
    hushed = quiet(formula)

    @wraps(formula)
    def forward(self, a, t):
        __tracebackhide__ = True
        a, t = self.read(a, t)
        single = a.ndim == 1
        if single:  # one sample is a batch of one
            a, t = a[np.newaxis], t[np.newaxis]
        if 1 < a.shape[1] < SHORT:
            a, t = np.asfortranarray(a), np.asfortranarray(t)
        before = self.__dict__.copy()
        loss = (formula if SAYS.get() is NOTHING else hushed)(self, a, t)
        if not math.isfinite(loss):
            try:
                loss = look_again(partial(hushed, copy.copy(self)), a, t, type(self).__name__)
            except ValueError as error:
                say_so(error, self, type(self).__name__, before)
        self.seen = [single]
        return loss

    return forward


SHORT = 64  # NumPy reduces shorter rows more quickly where columns lie together, copy included


def look_again(formula, a, t, where):
    """The loss that is infinite only where the number is, since float32 is short; ValueError for NaN."""
    all_finite(a, "scores", where), all_finite(t, "t", where)
    return formula(a.astype(float), t.astype(float))


def backward_door(formula):
    hushed = quiet(formula)

    @wraps(formula)
    def backward(self, dout=1.0):
        __tracebackhide__ = True
        if self.seen is None:
            check_has_run(self)
            return formula(self, dout)
        if type(dout) is not float:
            dout = as_array(dout, where := f"{type(self).__name__}.backward")
            if dout.size != 1:
                raise ValueError(f"{where} wants one number as dout, got shape {dout.shape}")
            dout = float(dout.reshape(()))
        da = (formula if SAYS.get() is NOTHING else hushed)(self, dout)
        return da[0] if self.seen[0] else da

    return backward


def function_door(formula):
    """For a loss that is a plain function of y and t of any one shape."""
    name, hushed = formula.__name__, quiet(formula)

    @wraps(formula)
    def function(y, t):
        __tracebackhide__ = True
        y = as_array(y, name)
        t = same_shape(t, y, name)
        loss = hushed(y, t)
        return loss if math.isfinite(loss) else look_again(hushed, y, t, name)

    return function


def softmax_door(formula):
    hushed = quiet(formula)

    @wraps(formula)
    def softmax(a):
        __tracebackhide__ = True
        a = as_array(a, "softmax")
        if a.ndim == 0 or a.shape[-1] == 0:
            raise ValueError(f"softmax wants at least one class, got shape {a.shape}")
        y = hushed(a)
        if not math.isfinite(np.vdot(y, y)):
            all_finite(a.max(axis=-1), "scores", "softmax")
        return y

    return softmax


def all_finite(array, name, where):
    odd = array[~np.isfinite(array)]
    if odd.size:
        raise ValueError(f"{where} wants finite {name}, got {odd[0]}")


def scores(a, where):
    """a as a float array (N, C) or (C,) with at least one sample and one class."""
    a = as_array(a, where)
    if a.size == 0 or a.ndim not in (1, 2):
        raise ValueError(f"{where} wants scores (N, C) or (C,), none of them 0, got {a.shape}")
    return a


def one_hot(t, a, where):
    """The targets as an array of a's shape and type, whichever way they came."""
    t = as_numbers(t, f"{where} t")
    if t.shape == a.shape:
        return cast(distribution(t, where), a.dtype)
    check_classes(t, a, where)
    hot = np.zeros(a.shape, a.dtype)
    hot[t if a.ndim == 1 else (np.arange(len(a)), t)] = 1
    return hot


def right_classes(t, a):
    """The classes that `Network.accuracy` counts; scores that are no numbers have no largest."""
    if np.isnan(a).any():
        raise ValueError("accuracy: the scores hold NaN, which has no largest class")
    t = as_numbers(t, "accuracy t")
    if t.shape == a.shape:
        return distribution(t, "accuracy").argmax(axis=-1)
    check_classes(t, a, "accuracy")
    return t


def check_classes(t, a, where):
    """ValueError or TypeError unless t holds a class for each row of a: integers (N,), an int for (C,)."""
    if t.shape != a.shape[:-1]:
        column = t.shape == (len(a), 1)
        raise ValueError(
            f"{where} wants t of the scores' shape {a.shape} (one-hot), or class indices of shape "
            f"{a.shape[:-1]}, got {t.shape}" + (": t.ravel() makes them that" if column else "")
        )
    if t.dtype.kind not in "iu":
        raise TypeError(
            f"{where} wants class indices as integers of shape {t.shape}, got {t.dtype}"
            + (": t.astype(int) makes them that" if np.all(t == np.floor(t)) else "")
        )
    classes = a.shape[-1]
    wrong = t[(t < 0) | (t >= classes)]
    if wrong.size:
        raise ValueError(f"{where}: labels run from 0 to {classes - 1}, got {wrong[0]}")


def distribution(t, where):
    """t, if each row is a probability distribution: y - t is the gradient only where it sums to 1.

    To what accuracy is told by the type that the numbers were made in, whatever carries them now.
    """
    if (is_one_hot if SAYS.get() is NOTHING else quiet(is_one_hot))(t):
        return t
    return soft_targets(t, where)


def is_one_hot(t):
    """Whether the rows sum to 1 exactly and no entry is below 0: by three quick looks at all of t."""
    if t.dtype.kind != "f":
        return False
    off = t.dot(ones(t.shape[-1], t.dtype))
    off -= 1
    return np.vdot(off, off) == 0 and t.min() >= 0


ones = cache(np.ones)


@quiet
def soft_targets(t, where):
    off = np.abs(t.sum(axis=-1, dtype=np.float64) - 1)
    made_in = next(kind for kind in TOLERANCE if np.array_equal(t.astype(kind), t, equal_nan=True))
    if not (off.max() <= TOLERANCE[made_in] and t.min() >= 0):  # false for NaN as well
        raise ValueError(
            f"{where}: each row of t must be non-negative and sum to 1, got a row whose sum is off by "
            f"{off.max():.3g} and a smallest entry {t.min():.3g}"
        )
    return t


TOLERANCE = {np.float16: 2e-3, np.float32: 1e-6, np.float64: 1e-9, np.longdouble: 1e-9}


def same_shape(t, y, where):
    if type(t) is np.ndarray and t.dtype is y.dtype and t.shape == y.shape:
        return t  # by far the commonest
    t = as_array(t, f"{where} t")
    if t.shape != y.shape:
        raise ValueError(f"{where} wants t of y's shape {y.shape}, got {t.shape}")
    return cast(t, y.dtype)


def cast(t, dtype):
    return t if t.dtype is dtype else quiet(t.astype)(dtype, copy=False)
