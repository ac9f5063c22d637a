"""Numbers: what may come in, and arithmetic that grows infinite without a warning."""

import math
from contextvars import Context, ContextVar
from functools import wraps

import numpy as np

NUMBERS = (int, float, np.integer, np.floating)  # what a plain number may be

# NumPy's own variable for what it says, and its value for nothing: `np.errstate` makes that anew each time
SILENCE = Context()
SILENCE.run(np.seterr, all="ignore")
(SAYS, NOTHING), *_ = *SILENCE.items(), (ContextVar("own", default=None), "nothing")


def quiet(formula):
    """A decorator: numbers may grow infinite without a warning."""

    @wraps(formula)
    def hushed(*args, **named):
        __tracebackhide__ = True
        before = SAYS.set(NOTHING)
        try:
            return formula(*args, **named)
        finally:
            SAYS.reset(before)

    return hushed


def door(before, function):
    """`function`, with `before` run on its arguments first; it may return others in their place."""

    @wraps(function)
    def behind_a_door(*args, **kwargs):
        __tracebackhide__ = True
        changed = before(*args, **kwargs)
        return function(*(args if changed is None else changed), **kwargs)

    return behind_a_door


def say_so(error, piece, where, before, *inputs):
    """Raise anew what stopped a piece, which gets back what it remembered before.

    Where NumPy spoke to a piece of ours, its words come after ours: who met the error, and with what. An
    IndexError of a node stays one, since that ends a loop over the rows of a `Variable`.
    """
    __tracebackhide__ = True
    piece.__dict__.clear()
    piece.__dict__.update(before)
    ours = type(piece).__module__.startswith("chainrule.")
    spoken = isinstance(error, (ValueError, TypeError, IndexError))
    if not ours or not spoken or str(error).startswith(where):
        raise error
    kind = IndexError if type(error) is IndexError and np.ndim(inputs[0]) else ValueError
    shapes = " and ".join([str(np.shape(value)) for value in inputs])
    raise kind(f"{where}: {error}; got shape {shapes}") from None


def check_has_run(piece):
    """RuntimeError where nothing went forward; a class with a forward of its own, behind no door, may know better."""
    if hasattr(type(piece).forward, "__wrapped__"):
        raise RuntimeError(f"{type(piece).__name__}: backward was called before forward")


def as_numbers(value, where):
    """`value` as an array of real numbers, integers still integers; an array as it is.

    Raises TypeError or ValueError, naming `where`, for what is not a number or an array of them.
    """
    try:
        array = np.asarray(value)
    except ValueError:
        raise ValueError(f"{where} wants a number or an array, got a ragged sequence") from None
    if array is not value and np.ma.is_masked(value):  # what lies under a mask is no number
        raise ValueError(f"{where} wants numbers without a mask, got a masked array")
    if array.dtype.kind not in "fiub":
        raise TypeError(f"{where} wants real numbers, got {type(value).__name__} ({array.dtype})")
    return array


def as_value(value, where):
    """A number as a Python float, anything else as an array of floats (float32 stays float32)."""
    if type(value) is np.ndarray and value.dtype.kind == "f":
        return value  # by far the commonest
    if isinstance(value, (bool, int, float)):
        try:
            return float(value)
        except OverflowError:
            raise ValueError(
                f"{where} wants a number up to 1.8e308, got a larger integer"
            ) from None
    array = as_numbers(value, where)
    return array if array.dtype.kind == "f" else array.astype(np.float64)


def as_array(value, where):
    """`value` as a float array (float32 stays float32); TypeError, naming `where`, otherwise."""
    if type(value) is np.ndarray and value.dtype.kind == "f":
        return value  # without it a step of the smallest net takes 1 in 100 longer
    return np.asarray(as_value(value, where))


def is_number(value):
    """Whether `value` is one finite real number, Python's or NumPy's; True and False are none."""
    try:
        return isinstance(value, NUMBERS) and not isinstance(value, bool) and math.isfinite(value)
    except OverflowError:  # an integer that no float can hold
        return False


def is_count(value):
    """Whether `value` is a whole number, Python's or NumPy's; True and False are none."""
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool)


def describe(value):
    if isinstance(value, np.ndarray):
        return f"an array of {value.dtype}" + ("" if value.flags.writeable else ", read-only")
    return type(value).__name__


def check_number(value, words, fits=lambda value: value >= 0):
    """ValueError, in these words, unless `value` is a number that fits."""
    if not (is_number(value) and fits(value)):
        raise ValueError(f"{words}, got {value!r}")


def check_count(value, words, least=1):
    """`value` as Python's own int; ValueError, in these words, unless it is a whole number from `least`."""
    if not is_count(value) or value < least:
        raise ValueError(f"{words}, got {value!r}")
    return int(value)


def check_counts(where, **sizes):
    for name, size in sizes.items():
        check_count(size, f"{where} wants a positive whole number {name}")


def check_rng(rng, where):
    if not isinstance(rng, np.random.Generator):
        raise TypeError(f"{where} a numpy.random.Generator as rng, got {rng!r}")


# Arithmetic for plain floats and arrays alike.


def exp(x):
    """e ** x; too large a result is infinite."""
    if type(x) is not float:
        return np.exp(x)
    try:
        return math.exp(x)
    except OverflowError:
        return math.inf


def log(x):
    return math.log(x) if type(x) is float else np.log(x)


def power(x, y):
    """x ** y; too large a result is infinite, and 0 to a negative power (a slope) is too."""
    if type(x) is float is type(y):
        try:
            return x**y
        except (OverflowError, ZeroDivisionError):
            with np.errstate(all="ignore"):
                return float(np.power(x, y))
    return np.power(x, y)


def larger(x, y):
    """The larger of the two; not a number, if one of them is none."""
    if type(x) is float is type(y):
        return x if x > y or x != x else y
    return np.maximum(x, y)


def gate(dout, is_open):
    """dout where the gate is open, 0 where it is closed, whatever comes: an infinite dout too."""
    if type(is_open) is bool:
        return dout if is_open else 0.0
    return np.where(is_open, dout, 0.0)


def any_of(condition):
    return condition if type(condition) is bool else condition.any()


def expectation(t, surprise):
    """The sum of t times `surprise`, -log of the probabilities; where t is 0, nothing counts."""
    total = np.vdot(t.T, surprise.T)  # in this order without a copy, for the columns of losses
    if not math.isfinite(total):  # 0 times an infinite surprise is no number, and float16 is short
        total = np.sum(t * surprise, where=t != 0, dtype=np.float64)
    return float(total)


def sum_to(gradient, shape):
    """Undo broadcasting: sum `gradient` over each axis that was stretched."""
    if np.shape(gradient) == shape:
        return gradient
    gradient = np.asarray(gradient)
    gradient = gradient.sum(axis=tuple(range(gradient.ndim - len(shape))))
    stretched = tuple(axis for axis, size in enumerate(shape) if size == 1)
    return gradient.sum(axis=stretched, keepdims=True) if stretched else gradient
