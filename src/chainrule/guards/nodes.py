"""The door of a node: shapes, domains, and broadcasting undone."""

from functools import partial, wraps
from inspect import signature

import numpy as np
from numpy.lib.array_utils import normalize_axis_tuple

from chainrule.guards.numbers import any_of, as_value, check_has_run, is_count, quiet, sum_to

FLOATS = "floats"  # what a node remembers of inputs that were all plain floats
OURS = set()  # the package's own nodes


class Node:
    """What all nodes share. A subclass writes `forward(*inputs)` and `backward(dout) -> tuple`."""

    symbol = "?"  # how pictures and formulas write the operation
    elementwise = True  # floats are as good as arrays
    moves = False  # its output holds numbers of its input: the caller gets a copy
    refuse = None  # what it checks besides shapes, before it changes anything
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
        (self.refuse or partial(refuse_shapes, self))(*inputs)
        out = hushed(self, *inputs)
        floats = all(type(value) is float for value in inputs) and np.ndim(out) == 0
        if floats and self.elementwise:
            self.seen = FLOATS
            return float(out)
        # a Python float has no type of its own among arrays: None
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
        if type(self) not in OURS:
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
    where = f"{node!r}.backward"
    if not isinstance(gradients, (tuple, list)):
        raise TypeError(f"{where} wants to return a tuple, got {type(gradients).__name__}")
    if len(gradients) != count:
        raise ValueError(f"{where} gave {len(gradients)} gradients for {count} inputs")
    return where


def check_gradients(node, gradients, shapes):
    """The same, and ValueError unless each has the shape of its input."""
    where = check_count(node, gradients, len(shapes))
    for shape, gradient in zip(shapes, gradients, strict=True):
        if gradient is not None and np.shape(as_value(gradient, where)) != shape:
            raise ValueError(f"{where} gave a gradient of shape {np.shape(gradient)} for {shape}")


# What each node refuses, before it changes anything.


def refuse_shapes(node, *inputs):
    try:
        np.broadcast_shapes(*map(np.shape, inputs))
    except ValueError:
        met = " and ".join(str(np.shape(value)) for value in inputs)
        raise ValueError(f"{node.name}: the shapes {met} do not broadcast") from None


def refuse_division(node, x, y):
    refuse_shapes(node, x, y)
    if any_of(y == 0):
        raise ValueError("Divide: cannot divide by 0, and y holds a 0")


def refuse_logarithm(node, x):
    if any_of(x <= 0):
        raise ValueError(f"Log wants positive numbers, got {np.min(x)}")


def refuse_power(node, x, *exponents):
    if len(exponents) != (1 if node.exponent is None else 0):
        raise TypeError(
            f"Power() takes x and y; Power(exponent) takes x alone; got {1 + len(exponents)} inputs"
        )
    y = exponents[0] if exponents else node.exponent
    refuse_shapes(node, x, y)
    if exponents and type(y) is not float and any_of(x <= 0):
        raise ValueError("Power: an exponent that is a variable wants a positive base x")
    if any_of(x < 0) and np.any((x < 0) & (y != np.floor(y))):
        raise ValueError(f"Power: a negative base has no real power {y}")
    if any_of(x == 0) and np.any((x == 0) & (y < 0)):
        raise ValueError(f"Power: 0 has no power {y}")


def refuse_product(node, x, y):
    shapes = np.shape(x), np.shape(y)
    if not all(shapes):
        raise ValueError(
            f"MatMul wants arrays, got shapes {shapes[0]} and {shapes[1]}; "
            "a number times an array is written with *"
        )
    if shapes[0][-1] != shapes[1][-2 if len(shapes[1]) > 1 else 0]:
        raise ValueError(
            f"MatMul: shapes {shapes[0]} and {shapes[1]} do not fit, inner sizes differ"
        )
    refuse_shapes(node, np.empty(shapes[0][:-2]), np.empty(shapes[1][:-2]))


def refuse_axis(node, x):
    try:
        normalize_axis_tuple(() if node.axis is None else node.axis, np.ndim(x))
    except ValueError:
        raise ValueError(
            f"{node.name}: no axis {node.axis} in an input of shape {np.shape(x)}"
        ) from None


REFUSES = {
    "Divide": refuse_division,
    "Log": refuse_logarithm,
    "Power": refuse_power,
    "MatMul": refuse_product,
    "Sum": refuse_axis,
}


def fixed_exponent(exponent):
    """A number as a float, an array as it is; None for an exponent that is an input."""
    if exponent is None:
        return None
    exponent = as_value(exponent, "Power")
    return exponent if np.ndim(exponent) else float(exponent)


def axes(axis, where="Sum"):
    """An axis as an int, several as a tuple; ValueError for anything else but None."""
    if isinstance(axis, (tuple, list)) and all(map(is_count, axis)):
        return tuple(map(int, axis))
    if axis is not None and not is_count(axis):
        raise ValueError(f"{where} wants a whole number as axis, or a tuple of them, got {axis!r}")
    return axis if axis is None else int(axis)
