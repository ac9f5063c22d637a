"""Nodes: the smallest calculations, each with its forward and its backward.

A node knows nothing of the graph around it. It takes its inputs, gives its output, and later turns
the upstream gradient into one downstream gradient an input. Read `graph` next: it connects nodes.

Every class has the same two methods, one above the other:

    forward(*inputs) -> output        floats, or arrays whose shapes broadcast
    backward(dout) -> tuple           one gradient an input, in order, in that input's shape

The local derivatives are those of any calculus text; the matrix rules are derived in chapter 5.
"""

import math

import numpy as np
from numpy.lib.array_utils import normalize_axis_tuple


def as_value(value, where):
    """A number as a Python float, anything else as an array of floats (float32 stays float32).

    Raises TypeError, naming `where`, for what is not a number or an array of real numbers.
    """
    if isinstance(value, (bool, int, float)):
        return float(value)
    try:
        array = np.asarray(value)
    except ValueError:
        raise ValueError(f"{where} wants a number or an array, got a ragged sequence") from None
    if array.dtype.kind == "f":
        return array
    if array.dtype.kind in "biu":
        return array.astype(np.float64)
    raise TypeError(f"{where} wants real numbers, got {type(value).__name__} ({array.dtype})")


def sum_to(gradient, shape):
    """Undo broadcasting: sum `gradient` over every axis along which `shape` was stretched."""
    gradient = np.asarray(gradient)
    gradient = gradient.sum(axis=tuple(range(gradient.ndim - len(shape))))
    stretched = tuple(axis for axis, size in enumerate(shape) if size == 1)
    return gradient.sum(axis=stretched, keepdims=True) if stretched else gradient


class Node:
    """What all nodes share: inputs are checked on the way in, gradients fitted on the way out."""

    symbol = "?"  # how pictures and formulas write the operation
    inputs_seen = None  # (shape, dtype) of each input; dtype None stands for a Python float
    out_shape = None

    def accept(self, *inputs):
        """The inputs as floats or float arrays, and their shapes remembered for backward."""
        for value in inputs:
            if type(value) is not float:
                break
        else:  # plain floats, by far the commonest case in a scalar graph
            self.check(*inputs)
            self.inputs_seen, self.out_shape = None, ()
            return inputs
        inputs = tuple(as_value(value, self.name) for value in inputs)
        out_shape = self.shape_of_output(*(np.shape(value) for value in inputs))
        self.check(*inputs)
        self.inputs_seen = tuple((np.shape(v), getattr(v, "dtype", None)) for v in inputs)
        self.out_shape = out_shape
        return inputs

    def check(self, *inputs):
        """Raise ValueError for inputs outside the operation's domain; most have no bounds."""

    def shape_of_output(self, *shapes):
        try:
            return np.broadcast_shapes(*shapes)
        except ValueError:
            met = " and ".join(str(shape) for shape in shapes)
            raise ValueError(f"{self.name}: the shapes {met} do not broadcast") from None

    def upstream(self, dout):
        """The upstream gradient, checked: it must have the shape of the output."""
        if self.out_shape is None:
            raise RuntimeError(f"{self.name}: backward was called before forward")
        if type(dout) is not float:
            dout = as_value(dout, f"{self.name}.backward")
        if np.shape(dout) != self.out_shape:
            raise ValueError(
                f"{self.name}.backward wants a dout of the output's shape {self.out_shape}, "
                f"got {np.shape(dout)}"
            )
        return dout

    def fit(self, *gradients):
        """Give each gradient the shape and type of its input; broadcasting is undone here."""
        if self.inputs_seen is None:  # all were floats
            return gradients
        return tuple(
            None if gradient is None else like(gradient, shape, dtype)
            for gradient, (shape, dtype) in zip(gradients, self.inputs_seen, strict=True)
        )

    @property
    def name(self):
        return type(self).__name__

    def __repr__(self):
        return f"{self.name}()"


def like(gradient, shape, dtype):
    """`gradient` summed to `shape`, as a fresh array of `dtype`, or as a float for dtype None."""
    gradient = sum_to(gradient, shape)
    return float(gradient) if dtype is None else np.array(gradient, dtype=dtype)


class Add(Node):
    """x + y. Copies the upstream gradient to both sides, and needs neither value to do so."""

    symbol = "+"

    def forward(self, x, y):
        x, y = self.accept(x, y)
        return x + y

    def backward(self, dout):
        dout = self.upstream(dout)
        return self.fit(dout, dout)


class Subtract(Node):
    """x - y. What flows back to y changes its sign."""

    symbol = "−"

    def forward(self, x, y):
        x, y = self.accept(x, y)
        return x - y

    def backward(self, dout):
        dout = self.upstream(dout)
        return self.fit(dout, -dout)


class Multiply(Node):
    """x * y. Swaps: each side gets the upstream gradient times the *other* input."""

    symbol = "×"

    def forward(self, x, y):
        self.x, self.y = self.accept(x, y)
        return self.x * self.y

    def backward(self, dout):
        dout = self.upstream(dout)
        return self.fit(dout * self.y, dout * self.x)


class Divide(Node):
    """x / y, for y other than 0."""

    symbol = "÷"

    def forward(self, x, y):
        self.x, self.y = self.accept(x, y)
        return self.x / self.y

    def backward(self, dout):
        dout = self.upstream(dout)
        return self.fit(dout / self.y, -dout * self.x / self.y / self.y)

    def check(self, x, y):
        if np.any(y == 0):
            raise ValueError("Divide: cannot divide by 0, and y holds a 0")


class Negate(Node):
    """-x."""

    symbol = "−"

    def forward(self, x):
        (x,) = self.accept(x)
        return -x

    def backward(self, dout):
        dout = self.upstream(dout)
        return self.fit(-dout)


class Power(Node):
    """x ** y: `Power(2)` raises its one input to a fixed power, `Power()` takes x and y.

    A fixed exponent gets no gradient. With two inputs both do, and since d(x**y)/dy = x**y log(x),
    the base must be positive then; only where y is a plain number may x be negative, and the
    gradient of y is None.
    """

    symbol = "^"

    def __init__(self, exponent=None):
        self.exponent = None if exponent is None else as_value(exponent, "Power")
        if np.ndim(self.exponent):
            raise ValueError("Power: a fixed exponent is one number; an array is an input")

    def forward(self, x, y=None):
        self.x, self.y = self.base_and_exponent(x, y)
        self.z = power(self.x, self.y)
        return self.z

    def backward(self, dout):
        dout = self.upstream(dout)
        dx = dout * power_slope(self.x, self.y)
        return self.fit(dx, *self.exponent_gradient(dout))

    def base_and_exponent(self, x, y):
        if (y is None) == (self.exponent is None):
            raise TypeError("Power() takes x and y; Power(exponent) takes x alone")
        return self.accept(x, y) if y is not None else (*self.accept(x), self.exponent)

    def exponent_gradient(self, dout):
        if self.exponent is not None:
            return ()
        return (dout * self.z * logarithm(self.x) if np.all(self.x > 0) else None,)

    def check(self, x, y=None):
        y = self.exponent if y is None else y
        if not isinstance(y, float) and np.any(x <= 0):
            raise ValueError("Power: an exponent that is a variable wants a positive base x")
        if np.any(x < 0) and np.any(y != np.floor(y)):
            raise ValueError(f"Power: a negative base has no real power {y}")
        if np.any(x == 0) and np.any(y < 0):
            raise ValueError(f"Power: 0 has no power {y}")


def power(x, y):
    """x ** y; too large a result is infinite, and 0 to a negative power (a slope) is too."""
    with np.errstate(over="ignore", divide="ignore"):
        z = np.power(x, y)
    return z if np.ndim(z) or isinstance(x, np.ndarray) else float(z)


def power_slope(x, y):
    """d(x ** y)/dx = y x ** (y - 1), and 0 for y = 0, at x = 0 too."""
    return y * power(x, y - 1.0 + (y == 0))


class Exp(Node):
    """e ** x. Its derivative is its own output, so that is what it keeps."""

    symbol = "exp"

    def forward(self, x):
        (x,) = self.accept(x)
        with np.errstate(over="ignore"):  # too large a result is infinite
            y = np.exp(x)
        self.y = float(y) if type(x) is float else y
        return self.y

    def backward(self, dout):
        dout = self.upstream(dout)
        return self.fit(dout * self.y)


class Log(Node):
    """The natural logarithm of a positive x."""

    symbol = "log"

    def forward(self, x):
        (self.x,) = self.accept(x)
        return logarithm(self.x)

    def backward(self, dout):
        dout = self.upstream(dout)
        return self.fit(dout / self.x)

    def check(self, x):
        if np.any(x <= 0):
            raise ValueError(f"Log wants positive numbers, got {np.min(x)}")


def logarithm(x):
    return math.log(x) if type(x) is float else np.log(x)


class Maximum(Node):
    """The larger of x and y. It hands the gradient to the winner; a tie goes to y.

    So Maximum(x, 0), the ReLU, has gradient 0 at x = 0: a convention, since it has a kink there.
    """

    symbol = "max"

    def forward(self, x, y):
        x, y = self.accept(x, y)
        self.from_x, self.from_y = x > y, x <= y
        if type(x) is type(y) is float:
            return x if x > y or x != x else y
        return np.maximum(x, y)

    def backward(self, dout):
        dout = self.upstream(dout)
        return self.fit(dout * self.from_x, dout * self.from_y)


class MatMul(Node):
    """x @ y for arrays, as NumPy multiplies them: (N, D) @ (D, M) -> (N, M), vectors and stacks too.

    Backward: dx = dout @ y.T, dy = x.T @ dout.
    """

    symbol = "@"

    def forward(self, x, y):
        self.x, self.y = self.accept(*(np.asarray(as_value(v, "MatMul")) for v in (x, y)))
        return self.x @ self.y

    def backward(self, dout):
        dout = np.asarray(self.upstream(dout))
        x = self.x if self.x.ndim > 1 else self.x[np.newaxis, :]
        y = self.y if self.y.ndim > 1 else self.y[:, np.newaxis]
        dout = dout if self.x.ndim > 1 else np.expand_dims(dout, -1 if self.y.ndim == 1 else -2)
        dout = dout if self.y.ndim > 1 else np.expand_dims(dout, -1)
        dx, dy = dout @ np.swapaxes(y, -1, -2), np.swapaxes(x, -1, -2) @ dout
        return self.fit(
            dx if self.x.ndim > 1 else dx.sum(axis=-2), dy if self.y.ndim > 1 else dy.sum(axis=-1)
        )

    def shape_of_output(self, x_shape, y_shape):
        if not x_shape or not y_shape:
            raise ValueError(f"MatMul wants arrays, got shapes {x_shape} and {y_shape}")
        if x_shape[-1] != y_shape[-2 if len(y_shape) > 1 else 0]:
            raise ValueError(
                f"MatMul: shapes {x_shape} and {y_shape} do not fit, inner sizes differ"
            )
        stack = super().shape_of_output(x_shape[:-2], y_shape[:-2])
        return stack + x_shape[-2:-1] + (y_shape[-1:] if len(y_shape) > 1 else ())


class Sum(Node):
    """The sum over `axis` (an int, a tuple, or None for all). Backward: every term gets its share."""

    symbol = "Σ"

    def __init__(self, axis=None, keepdims=False):
        self.axis, self.keepdims = axis, keepdims

    def forward(self, x):
        (x,) = self.accept(x)
        self.x_shape = np.shape(x)
        return np.sum(x, axis=self.axis, keepdims=self.keepdims) if self.x_shape else x

    def backward(self, dout):
        dout = self.upstream(dout)
        if self.x_shape and self.axis is not None and not self.keepdims:
            dout = np.expand_dims(dout, self.axis)
        return self.fit(np.broadcast_to(dout, self.x_shape) if self.x_shape else dout)

    def shape_of_output(self, shape):
        try:
            axes = range(len(shape)) if self.axis is None else self.axis
            axes = normalize_axis_tuple(axes, len(shape))
        except (ValueError, TypeError):
            raise ValueError(f"Sum: no axis {self.axis} in an input of shape {shape}") from None
        kept = [1 if axis in axes else size for axis, size in enumerate(shape)]
        return tuple(n for axis, n in enumerate(kept) if self.keepdims or axis not in axes)
