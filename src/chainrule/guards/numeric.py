"""The door of the numerical gradient: a step that is not lost, an array that can be moved, one number out."""

from functools import wraps

import numpy as np

from chainrule.guards.numbers import as_value, check_number, describe, quiet


def check_step(h):
    """Raise ValueError unless the step h is a positive, finite number."""
    check_number(h, "the step h must be a positive number", lambda h: h > 0)


@quiet
def check_nudge(array, h, where):
    """TypeError or ValueError, naming `where`, unless every number in the array can be moved by h."""
    if not isinstance(array, np.ndarray) or array.dtype.kind != "f":
        raise TypeError(f"{where} wants an array of floats, got {describe(array)}")
    h = float(h)  # a float64 of NumPy would widen the sum, and the array keeps float32
    lost = np.isfinite(array) & ((array + h == array) | (array - h == array))
    if lost.any():
        raise ValueError(
            f"{where}: the step h = {h!r} is lost in {array[lost].flat[0]} ({array.dtype}), "
            "which stays the same number: a larger h, or numbers of size 1, are wanted"
        )


def number(value):
    """What f returned, as a float; TypeError or ValueError if it is not one real number."""
    value = as_value(value, "numerical_gradient: f must return one number, and")
    if np.size(value) != 1:
        raise ValueError(f"f must return one number, got an array of shape {np.shape(value)}")
    return float(np.reshape(value, ()))


def gradient_door(formula):
    """f gets a copy, since it may write into it; a plain number goes in and comes out as one."""

    @wraps(formula)
    def numerical_gradient(f, x, h=1e-5):
        __tracebackhide__ = True
        check_step(h)
        if not callable(f):
            raise TypeError(f"numerical_gradient wants a function f, got {type(f).__name__}")
        x = as_value(x, "numerical_gradient")
        check_nudge(np.asarray(x), h, "numerical_gradient")
        if isinstance(x, float):
            return float(quiet(formula)(lambda x: number(f(float(x))), np.array(x), h))
        return quiet(formula)(lambda x: number(f(x.copy())), x, h)

    return numerical_gradient
