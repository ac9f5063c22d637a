"""The door of a node: numbers, domains, and broadcasting undone.

Whether shapes, axes and indices fit, NumPy says. The door adds which node it was and what came, and puts
back what the node remembered before.
"""

from functools import wraps
from inspect import signature

import numpy as np
from numpy.lib.array_utils import normalize_axis_tuple

from chainrule.guards.numbers import any_of, as_value, check_has_run, quiet, say_so, sum_to

FLOATS = "floats"  # what a node remembers of inputs that were all plain floats
OURS = set()  # the package's own nodes


class Node:
    """What all nodes share. A subclass writes `forward(*inputs)` and `backward(dout) -> tuple`."""

    symbol = "?"  # how pictures and formulas write the operation
    elementwise = True  # floats are as good as arrays
    moves = False  # its output holds numbers of its input: the caller gets a copy
    refuse = None  # what it checks beyond what NumPy does
    seen = None  # after forward: FLOATS, or the inputs' shapes and types, and the output's shape

    def __init_subclass__(cls, **options):
        super().__init_subclass__(**options)
        if Node not in cls.__bases__ or not (hasattr(cls, "forward") and hasattr(cls, "backward")):
            return
        if cls.__module__.startswith("chainrule."):
            OURS.add(cls)
            cls.refuse = REFUSES.get(cls.__name__, cls.refuse)
            if cls.__name__ == "MatMul":
                cls.forward, cls.backward = lifts_vectors(cls.forward), lowers_them(cls.backward)
        cls.forward, cls.backward = forward_door(cls, cls.forward), backward_door(cls.backward)

    @property
    def name(self):
        return type(self).__name__

    def __repr__(self):
        return f"{self.name}()"


def forward_door(cls, formula):
    """Plain floats, by far the commonest case in a scalar graph, go straight through."""
    general, refuse = general_door(formula), cls.refuse

    @wraps(formula)
    def unary(self, x):
        __tracebackhide__ = True
        if type(x) is not float:
            return general(self, x)
        if refuse is not None:
            refuse(self, x)
        out = formula(self, x)
        self.seen = FLOATS
        return out

    @wraps(formula)
    def binary(self, x, y):
        __tracebackhide__ = True
        if type(x) is not float or type(y) is not float:
            return general(self, x, y)
        if refuse is not None:
            refuse(self, x, y)
        out = formula(self, x, y)
        self.seen = FLOATS
        return out

    takes = list(signature(formula).parameters.values())[1:]
    plain = cls.elementwise and all(str(one) == one.name for one in takes)
    return {1: unary, 2: binary}.get(len(takes), general) if plain else general


def general_door(formula):
    hushed = quiet(formula)

    @wraps(formula)
    def forward(self, *inputs):
        __tracebackhide__ = True
        inputs = tuple([as_value(value, self.name) for value in inputs])
        before = self.__dict__.copy()
        try:
            if self.refuse is not None:
                self.refuse(*inputs)
            out = hushed(self, *inputs)
        except Exception as error:
            say_so(error, self, self.name, before, *inputs)
        floats = all(type(value) is float for value in inputs) and np.ndim(out) == 0
        if floats and self.elementwise:
            self.seen = FLOATS
        else:  # a Python float has no type of its own among arrays: None
            self.seen = [(np.shape(v), getattr(v, "dtype", None)) for v in inputs], np.shape(out)
        if floats:
            return float(out)
        if self.moves:
            return out.copy()
        for kept in self.__dict__.values():
            if kept is out:  # backward needs it, and the caller may write into what it got
                return np.copy(out)
        return out

    return forward


def backward_door(formula):
    hushed = quiet(formula)

    @wraps(formula)
    def backward(self, dout):
        __tracebackhide__ = True
        if self.seen is FLOATS and type(dout) is float:
            return formula(self, dout)
        if self.seen is None:
            check_has_run(self)
            return formula(self, dout)
        dout = as_value(dout, f"{self.name}.backward")
        shape = () if self.seen is FLOATS else self.seen[1]
        if np.shape(dout) != shape:
            raise ValueError(
                f"{self.name}.backward wants a dout of the output's shape {shape}, "
                f"got {np.shape(dout)}"
            )
        if self.seen is FLOATS:
            return formula(self, float(dout))
        gradients = hushed(self, dout)
        check_count(self, gradients, len(self.seen[0]))
        return tuple([like(g, *of, dout) for g, of in zip(gradients, self.seen[0], strict=True)])

    return backward


def like(gradient, shape, dtype, dout):
    """`gradient` in the shape and type of its input, a float for dtype None; the caller's own."""
    if gradient is None:
        return None
    gradient = sum_to(gradient, shape)
    if dtype is None:
        return float(gradient)
    own = type(gradient) is np.ndarray and gradient.base is None and gradient is not dout
    return gradient if own and gradient.dtype == dtype else np.array(gradient, dtype=dtype)


def lifts_vectors(formula):
    """A vector on the left is a matrix of one row, one on the right a matrix of one column."""

    @wraps(formula)
    def forward(self, x, y):
        self.vectors = row, column = x.ndim == 1, y.ndim == 1
        out = formula(self, x[np.newaxis] if row else x, y[:, np.newaxis] if column else y)
        out = out[..., 0, :] if row else out
        return out[..., 0] if column else out

    return forward


def lowers_them(formula):
    @wraps(formula)
    def backward(self, dout):
        row, column = self.vectors
        dout = np.asarray(dout)[..., np.newaxis] if column else dout
        dx, dy = formula(self, dout[..., np.newaxis, :] if row else dout)
        return dx, dy[..., 0] if column else dy

    return backward


def check_count(node, gradients, count):
    """TypeError or ValueError unless a node of the reader's own gave one gradient an input."""
    if not isinstance(gradients, (tuple, list)):
        raise TypeError(
            f"{node!r}.backward wants to return a tuple, got {type(gradients).__name__}"
        )
    if len(gradients) != count:
        raise ValueError(f"{node!r}.backward gave {len(gradients)} gradients for {count} inputs")


def check_gradients(node, gradients, shapes):
    """The same, and ValueError unless each has the shape of its input."""
    check_count(node, gradients, len(shapes))
    where = f"{node!r}.backward"
    for shape, gradient in zip(shapes, gradients, strict=True):
        if gradient is not None and np.shape(as_value(gradient, where)) != shape:
            raise ValueError(f"{where} gave a gradient of shape {np.shape(gradient)} for {shape}")


# What NumPy would do without a word, or say in words that help less.


def refuse_division(node, x, y):
    if any_of(y == 0):
        raise ValueError("Divide: cannot divide by 0, and y holds a 0")


def refuse_logarithm(node, x):
    if any_of(x <= 0):
        raise ValueError(f"Log wants positive numbers, got {np.min(x)}")


def refuse_power(node, x, variable=None):
    if (variable is None) == (node.exponent is None):
        raise TypeError("Power() takes x and y, Power(exponent) takes x alone")
    y = node.exponent if variable is None else variable
    if variable is not None and type(y) is not float and any_of(x <= 0):
        raise ValueError("Power: an exponent that is a variable wants a positive base x")
    if any_of(x < 0) and np.any((x < 0) & (y != np.floor(y))):
        raise ValueError(f"Power: a negative base has no real power {y}")
    if any_of(x == 0) and np.any((x == 0) & (y < 0)):
        raise ValueError(f"Power: 0 has no power {y}")


def refuse_product(node, x, y):
    left, right = np.shape(x), np.shape(y)
    if not (left and right):
        raise ValueError(
            f"MatMul wants arrays, got shapes {left} and {right}; "
            "a number times an array is written with *"
        )
    if left[-1] != right[-2:][0]:
        raise ValueError(f"MatMul: shapes {left} and {right} do not fit, inner sizes differ")


def sizes_along(node, x):
    """The sizes of the axes to go over; NumPy refuses one that is not there, except of a plain number."""
    axis = tuple(range(np.ndim(x))) if node.axis is None else node.axis
    return [np.shape(x)[one] for one in normalize_axis_tuple(axis, np.ndim(x))]


def refuse_empty(node, x):
    if 0 in sizes_along(node, x):
        raise ValueError(f"{node.name} wants at least one number, got shape {np.shape(x)}")


REFUSES = {
    "Divide": refuse_division,
    "Log": refuse_logarithm,
    "Power": refuse_power,
    "MatMul": refuse_product,
    "Sum": sizes_along,
    "Mean": refuse_empty,
    "Max": refuse_empty,
}


def fixed_exponent(exponent):
    """A number as a float, an array as it is; None for an exponent that is an input."""
    if exponent is None:
        return None
    exponent = as_value(exponent, "Power")
    return exponent if np.ndim(exponent) else float(exponent)


def axes(axis):
    """An axis as Python's own int, several as a tuple of them."""
    plain = np.asarray(axis).tolist()
    return tuple(plain) if isinstance(plain, list) else plain


def one_or_many(numbers):
    """For a method that takes numbers, or one tuple of them, as NumPy's `reshape` does."""
    one = len(numbers) == 1 and isinstance(numbers[0], (tuple, list))
    return tuple(numbers[0]) if one else numbers
