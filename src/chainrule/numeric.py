"""The numerical gradient: nudge one number at a time, and look at what the output does.

Slow, and so simple that a bug can hardly hide in it: that is why every other gradient in this
package is checked against it. Read `network` next.
"""

import numpy as np

from chainrule.nodes import as_value, is_number, quiet


def check_step(h):
    """Raise ValueError unless the step h is a positive, finite number."""
    if not (is_number(h) and h > 0):
        raise ValueError(f"the step h must be a positive number, got {h!r}")


@quiet
def check_nudge(array, h, where):
    """TypeError or ValueError, naming `where`, unless every number in the array can be moved by h."""
    if not isinstance(array, np.ndarray) or array.dtype.kind != "f":
        raise TypeError(f"{where} wants an array of floats, got {describe(array)}")
    lost = np.isfinite(array) & ((array + h == array) | (array - h == array))
    if lost.any():
        raise ValueError(
            f"{where}: the step h = {h!r} is lost in {array[lost].flat[0]} ({array.dtype}), "
            "which stays the same number: a larger h, or numbers of size 1, are wanted"
        )


def describe(value):
    if isinstance(value, np.ndarray):
        return f"an array of {value.dtype}" + ("" if value.flags.writeable else ", read-only")
    return type(value).__name__


def nudged(x, h, evaluate):
    """Yield (index, f(x + h), f(x - h)) for each entry of the array x, which is left as it was.

    `evaluate()` reads x, in which one entry at a time is moved: in place, and put back exactly.
    """
    for index in np.ndindex(x.shape):
        kept = x[index]
        try:
            x[index] = kept + h
            above = evaluate()
            x[index] = kept - h
            below = evaluate()
        finally:
            x[index] = kept
        yield index, above, below


def numerical_gradient(f, x, h=1e-5):
    """The gradient of f at x by central differences, (f(x + h) - f(x - h)) / 2h, entry by entry.

    f   takes an array like x (or a float, if x is one) and returns one number
    x   any shape; a copy is moved, x itself is not written to
    h   the step: the error of the formula grows with h squared, that of rounding with 1/h

    Returns an array of x's shape and float type; a float for a float.
    """
    check_step(h)
    if not callable(f):
        raise TypeError(f"numerical_gradient wants a function f, got {type(f).__name__}")
    x = as_value(x, "numerical_gradient")
    if isinstance(x, float):
        check_nudge(np.array(x), h, "numerical_gradient")
        return (number(f(x + h)) - number(f(x - h))) / (2 * h)
    check_nudge(x, h, "numerical_gradient")
    x = x.copy()
    gradient = np.zeros_like(x)
    for index, above, below in nudged(x, h, lambda: number(f(x.copy()))):  # f may write into it
        gradient[index] = (above - below) / (2 * h)
    return gradient


def number(value):
    """What f returned, as a float; TypeError or ValueError if it is not one real number."""
    if type(value) is float:
        return value
    value = as_value(value, "numerical_gradient: f must return one number, and")
    if np.size(value) != 1:
        raise ValueError(f"f must return one number, got an array of shape {np.shape(value)}")
    return float(np.reshape(value, ()))
