"""Nodes: the smallest calculations, each with its forward and its backward.

A node knows nothing of the graph around it. It takes its inputs, gives its output, and later turns
the upstream gradient into one downstream gradient an input. Read `graph` next: it connects nodes.

Every class has the same two methods, one above the other:

    forward(*inputs) -> output        floats, or arrays whose shapes broadcast
    backward(dout) -> tuple           one gradient an input, in order, in that input's shape

What you read in them is the mathematics alone. The two decorators look after the rest: inputs and
`dout` are checked before anything changes, broadcasting in forward is summed away in backward, and
numbers that grow too large become infinite without a warning.

The local derivatives are those of any calculus text; the matrix rules are derived in chapter 5.
"""

import math
from functools import wraps

import numpy as np
from numpy.lib.array_utils import normalize_axis_tuple

quiet = np.errstate(all="ignore")  # a decorator: numbers may grow infinite without a warning


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
    """A number as a Python float, anything else as an array of floats (float32 stays float32).

    Raises TypeError or ValueError, naming `where`, for what is not a number or an array of them.
    """
    if type(value) is np.ndarray and value.dtype.kind == "f":
        return value  # by far the commonest
    if isinstance(value, (bool, int, float)):
        return as_float(value, where)
    array = as_numbers(value, where)
    return array if array.dtype.kind == "f" else array.astype(np.float64)


def as_float(value, where):
    try:
        return float(value)
    except OverflowError:
        raise ValueError(f"{where} wants a number up to 1.8e308, got a larger integer") from None


NUMBERS = (int, float, np.integer, np.floating)  # what a plain number may be


def is_number(value):
    """Whether `value` is one finite real number, Python's or NumPy's; True and False are none."""
    try:
        return isinstance(value, NUMBERS) and not isinstance(value, bool) and math.isfinite(value)
    except OverflowError:  # an integer that no float can hold
        return False


def is_count(value):
    """Whether `value` is a whole number, Python's or NumPy's; True and False are none."""
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool)


def sum_to(gradient, shape):
    """Undo broadcasting: sum `gradient` over every axis along which `shape` was stretched."""
    gradient = np.asarray(gradient)
    gradient = gradient.sum(axis=tuple(range(gradient.ndim - len(shape))))
    stretched = tuple(axis for axis, size in enumerate(shape) if size == 1)
    return gradient.sum(axis=stretched, keepdims=True) if stretched else gradient


FLOATS = "floats"  # what a node remembers of inputs that were all plain floats


def checks_inputs(formula):
    """Make `formula` a node's forward: check the inputs first, and remember their shapes."""
    hushed = quiet(formula)

    @wraps(formula)
    def forward(self, *inputs):
        for value in inputs:
            if type(value) is not float:
                break
        else:  # plain floats, by far the commonest case in a scalar graph
            if self.elementwise:
                out = formula(self, *inputs)
                self.seen = FLOATS
                return out
        inputs, seen = self.accept(inputs)
        out = hushed(self, *inputs)
        self.seen = seen
        return np.copy(out) if self.keeps_output and isinstance(out, np.ndarray) else out

    return forward


def fits_gradients(formula):
    """Make `formula` a node's backward: check dout first, and give each gradient its input's shape."""
    hushed = quiet(formula)

    @wraps(formula)
    def backward(self, dout):
        if self.seen is FLOATS and type(dout) is float:
            return formula(self, dout)
        dout = self.upstream(dout)
        return self.fit(hushed(self, dout))

    return backward


class Node:
    """What all nodes share: the checks that the two decorators make."""

    symbol = "?"  # how pictures and formulas write the operation
    elementwise = True  # floats are as good as arrays
    keeps_output = False  # for backward: then the caller gets a copy, and may write into it
    seen = None  # after forward: FLOATS, or the inputs' (shape, dtype) and the output's shape

    def accept(self, inputs):
        """The inputs as floats or float arrays, and what backward must remember of them."""
        inputs = tuple([as_value(value, self.name) for value in inputs])
        shapes = [np.shape(value) for value in inputs]
        out_shape = self.shape_of_output(*shapes)
        dtypes = [getattr(value, "dtype", None) for value in inputs]  # None for a Python float
        return inputs, (list(zip(shapes, dtypes, strict=True)), out_shape)

    def shape_of_output(self, *shapes):
        try:
            return np.broadcast_shapes(*shapes)
        except ValueError:
            met = " and ".join(str(shape) for shape in shapes)
            raise ValueError(f"{self.name}: the shapes {met} do not broadcast") from None

    def upstream(self, dout):
        """The upstream gradient, checked: it must have the shape of the output."""
        if self.seen is None:
            raise RuntimeError(f"{self.name}: backward was called before forward")
        dout = as_value(dout, f"{self.name}.backward")
        out_shape = () if self.seen is FLOATS else self.seen[1]
        if np.shape(dout) != out_shape:
            raise ValueError(
                f"{self.name}.backward wants a dout of the output's shape {out_shape}, "
                f"got {np.shape(dout)}"
            )
        return float(dout) if self.seen is FLOATS else dout

    def fit(self, gradients):
        """Give each gradient the shape and type of its input; broadcasting is undone here."""
        if self.seen is FLOATS:
            return gradients
        return tuple(
            None if gradient is None else like(gradient, shape, dtype)
            for gradient, (shape, dtype) in zip(gradients, self.seen[0], strict=True)
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

    @checks_inputs
    def forward(self, x, y):
        return x + y

    @fits_gradients
    def backward(self, dout):
        return dout, dout


class Subtract(Node):
    """x - y. What flows back to y changes its sign."""

    symbol = "−"

    @checks_inputs
    def forward(self, x, y):
        return x - y

    @fits_gradients
    def backward(self, dout):
        return dout, -dout


class Multiply(Node):
    """x * y. Swaps: each side gets the upstream gradient times the *other* input."""

    symbol = "×"

    @checks_inputs
    def forward(self, x, y):
        self.x, self.y = x, y
        return x * y

    @fits_gradients
    def backward(self, dout):
        return dout * self.y, dout * self.x


class Divide(Node):
    """x / y, for y other than 0."""

    symbol = "÷"

    @checks_inputs
    def forward(self, x, y):
        if any_of(y == 0):
            raise ValueError("Divide: cannot divide by 0, and y holds a 0")
        self.x, self.y = x, y
        return x / y

    @fits_gradients
    def backward(self, dout):
        return dout / self.y, -dout * self.x / self.y / self.y


class Negate(Node):
    """-x."""

    symbol = "−"

    @checks_inputs
    def forward(self, x):
        return -x

    @fits_gradients
    def backward(self, dout):
        return (-dout,)


class Power(Node):
    """x ** y: `Power(2)` raises its one input to a fixed power, `Power()` takes x and y.

    A fixed exponent gets no gradient. With two inputs both do, and since d(x**y)/dy = x**y log(x),
    the base must be positive then; only where y is a plain number may x be negative, and the
    gradient of y is None.
    """

    symbol = "^"
    keeps_output = True

    def __init__(self, exponent=None):
        self.exponent = None if exponent is None else as_value(exponent, "Power")
        if np.ndim(self.exponent):
            raise ValueError(
                f"Power: a fixed exponent is one number, an input varies; got {exponent}"
            )
        if self.exponent is not None:
            self.exponent = float(self.exponent)  # NumPy's numbers too: an array would be an input

    @checks_inputs
    def forward(self, x, *exponents):
        y = the_exponent(self.exponent, exponents)
        refuse_power(x, y)
        self.x, self.y, self.z = x, y, power(x, y)
        return self.z

    @fits_gradients
    def backward(self, dout):
        dx = dout * power_slope(self.x, self.y)
        if self.exponent is not None:
            return (dx,)
        return dx, dout * self.z * logarithm(self.x) if all_of(self.x > 0) else None


def the_exponent(fixed, given):
    """The fixed one, or the one input beside x. TypeError for any other number of inputs."""
    if len(given) != (1 if fixed is None else 0):
        raise TypeError(
            f"Power() takes x and y; Power(exponent) takes x alone; got {1 + len(given)} inputs"
        )
    return given[0] if fixed is None else fixed


def refuse_power(x, y):
    """Raise ValueError where x ** y is no real number, or has no gradient."""
    if type(y) is not float and any_of(x <= 0):
        raise ValueError("Power: an exponent that is a variable wants a positive base x")
    if any_of(x < 0) and any_of(y != np.floor(y)):
        raise ValueError(f"Power: a negative base has no real power {y}")
    if any_of(x == 0) and any_of(y < 0):
        raise ValueError(f"Power: 0 has no power {y}")


def power(x, y):
    """x ** y; too large a result is infinite, and 0 to a negative power (a slope) is too."""
    if type(x) is float is type(y):
        try:
            return x**y
        except (OverflowError, ZeroDivisionError):
            with np.errstate(all="ignore"):
                return float(np.power(x, y))
    return np.power(x, y)


def power_slope(x, y):
    """d(x ** y)/dx = y x ** (y - 1), and 0 for y = 0, at x = 0 too."""
    return y * power(x, y - 1.0 + (y == 0))


def any_of(condition):
    return condition if type(condition) is bool else condition.any()


def all_of(condition):
    return condition if type(condition) is bool else condition.all()


class Exp(Node):
    """e ** x. Its derivative is its own output, so that is what it keeps."""

    symbol = "exp"
    keeps_output = True

    @checks_inputs
    def forward(self, x):
        self.y = exponential(x)
        return self.y

    @fits_gradients
    def backward(self, dout):
        return (dout * self.y,)


def exponential(x):
    """e ** x; too large a result is infinite."""
    if type(x) is not float:
        return np.exp(x)
    try:
        return math.exp(x)
    except OverflowError:
        return math.inf


class Log(Node):
    """The natural logarithm of a positive x."""

    symbol = "log"

    @checks_inputs
    def forward(self, x):
        if any_of(x <= 0):
            raise ValueError(f"Log wants positive numbers, got {np.min(x)}")
        self.x = x
        return logarithm(x)

    @fits_gradients
    def backward(self, dout):
        return (dout / self.x,)


def logarithm(x):
    return math.log(x) if type(x) is float else np.log(x)


class Maximum(Node):
    """The larger of x and y. It hands the gradient to the winner; a tie goes to y.

    So Maximum(x, 0), the ReLU, has gradient 0 at x = 0: a convention, since it has a kink there.
    """

    symbol = "max"

    @checks_inputs
    def forward(self, x, y):
        self.from_x, self.from_y = x > y, x <= y
        if type(x) is float is type(y):
            return x if x > y or x != x else y
        return np.maximum(x, y)

    @fits_gradients
    def backward(self, dout):
        return gate(dout, self.from_x), gate(dout, self.from_y)


def gate(dout, is_open):
    """dout where the gate is open, 0 where it is closed, whatever comes: an infinite dout too."""
    if type(is_open) is bool:
        return dout if is_open else 0.0
    return np.where(is_open, dout, 0.0)


class MatMul(Node):
    """x @ y for arrays, as NumPy multiplies them: (N, D) @ (D, M) -> (N, M), vectors and stacks too.

    Backward: dx = dout @ y.T, dy = x.T @ dout.
    """

    symbol = "@"
    elementwise = False

    @checks_inputs
    def forward(self, x, y):
        self.x, self.y = x, y
        return x @ y

    @fits_gradients
    def backward(self, dout):
        x = np.atleast_2d(self.x)
        y = self.y if self.y.ndim > 1 else self.y[:, np.newaxis]
        stack = np.broadcast_shapes(x.shape[:-2], y.shape[:-2])
        dout = np.reshape(dout, (*stack, x.shape[-2], y.shape[-1]))
        dx, dy = dout @ np.swapaxes(y, -1, -2), np.swapaxes(x, -1, -2) @ dout
        return dx, dy if self.y.ndim > 1 else dy[..., 0]

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
    elementwise = False

    def __init__(self, axis=None, keepdims=False):
        if isinstance(axis, (tuple, list)) and all(map(is_count, axis)):
            axis = tuple(map(int, axis))
        elif axis is not None and not is_count(axis):
            raise ValueError(f"Sum wants a whole number as axis, or a tuple of them, got {axis!r}")
        if not isinstance(keepdims, (bool, np.bool, int)):
            raise ValueError(f"Sum wants keepdims as True or False, got {keepdims!r}")
        self.axis = int(axis) if is_count(axis) else axis
        self.keepdims = bool(keepdims)

    @checks_inputs
    def forward(self, x):
        self.x_shape = np.shape(x)
        return np.sum(x, axis=self.axis, keepdims=self.keepdims) if self.x_shape else x

    @fits_gradients
    def backward(self, dout):
        if self.x_shape and self.axis is not None and not self.keepdims:
            dout = np.expand_dims(dout, self.axis)
        return (np.broadcast_to(dout, self.x_shape),)

    def shape_of_output(self, shape):
        try:
            axes = range(len(shape)) if self.axis is None else self.axis
            axes = normalize_axis_tuple(axes, len(shape))
        except ValueError:
            raise ValueError(f"Sum: no axis {self.axis} in an input of shape {shape}") from None
        kept = [1 if axis in axes else size for axis, size in enumerate(shape)]
        return tuple(n for axis, n in enumerate(kept) if self.keepdims or axis not in axes)


OURS = {Add, Subtract, Multiply, Divide, Negate, Power, Exp, Log, Maximum, MatMul, Sum}


def check_gradients(node, gradients, inputs):
    """ValueError or TypeError unless a node of the reader's own gave one gradient an input, in its shape."""
    where = f"{node!r}.backward"
    if not isinstance(gradients, (tuple, list)):
        raise TypeError(f"{where} wants to return a tuple, got {type(gradients).__name__}")
    if len(gradients) != len(inputs):
        raise ValueError(f"{where} gave {len(gradients)} gradients for {len(inputs)} inputs")
    for value, gradient in zip(inputs, gradients, strict=True):
        shape = np.shape(value)
        if gradient is not None and np.shape(as_value(gradient, where)) != shape:
            raise ValueError(f"{where} gave a gradient of shape {np.shape(gradient)} for {shape}")


class RanAgain:
    """Stands where a node stood that was applied once more, and so has forgotten this place."""

    def __init__(self, node):
        self.node = node

    def forward(self, *inputs):
        raise RuntimeError(
            f"{self.node!r} was applied again since, and a node remembers one run: "
            "make a node for each use"
        )

    backward = forward
