"""The numerical gradient: nudge one number at a time, and look at what the output does.

Slow, and so simple that a bug can hardly hide in it: that is why every other gradient in this
package is checked against it. Read `network` next.
"""

import numpy as np

from chainrule.guards.numeric import gradient_door


def numerical_gradient(f, x, h=1e-5):
    """The gradient of f at x by central differences, (f(x + h) - f(x - h)) / 2h, entry by entry.

    f   takes an array like x (or a float, if x is one) and returns one number
    x   any shape; a copy is moved, x itself is not written to (a float arrives as an array of one)
    h   the step: the error of the formula grows with h squared, that of rounding with 1/h

    Returns an array of x's shape and float type; a float for a float.
    """
    x = x.copy()
    return slopes(lambda: f(x), x, h)


def slopes(evaluate, x, h):
    """As `numerical_gradient`, for an `evaluate()` that reads x itself, as a loss reads its parameters."""
    gradient = np.zeros_like(x)
    for index, above, below in nudged(x, h, evaluate):
        gradient[index] = (above - below) / (2 * h)
    return gradient


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


numerical_gradient = gradient_door(numerical_gradient)
