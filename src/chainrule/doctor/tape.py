"""A tape: forward, run once on arrays that write down what is done with them.

What comes of it is the graph of the code under test, whoever wrote it: a node for each call of NumPy,
with the line that made it. Its derivatives are found by nudging one node at a time. Read `walks` next.
"""

import linecache
import math
import sys
from collections import Counter
from contextlib import contextmanager
from functools import cached_property, partial
from pathlib import Path
from unittest.mock import patch

import numpy as np

from chainrule.doctor.copies import enclosed, layers_of, loss_of
from chainrule.guards.numbers import sum_to

HERE = str(Path(__file__).parent)
STEP = 1e-6  # of a nudge, for a number of size 1
CELLS = 400_000  # entries of one matrix of derivatives, at most
NODES = 4000
CALLS = 60_000  # of the code's own calls, made again to find derivatives; beyond that the graph is left alone
AS_IT_IS = ("asarray", "asanyarray", "ascontiguousarray", "asfortranarray")
MAKERS = ("zeros", "empty", "ones", "full", "array", *AS_IT_IS)
array_of, asarray_of, plain_float = np.array, np.asarray, float  # as they are, while a tape runs
OF_NUMBERS = ("exp", "log", "sqrt", "tanh", "sin", "cos", "pow")
METHODS = """reshape transpose ravel flatten swapaxes squeeze repeat take copy astype mean sum max
    min var std prod cumsum clip diagonal trace""".split()


class NoGraph(Exception):
    """The code cannot be written down, or not without more work than an answer is worth."""


class Node:
    """One call: `again(values)` makes it with other numbers in the places of its sources.

    shared  whether its line is called from several places
    fixed   whether it is a constant, of which nobody wants a gradient
    spent   what has been done for all nodes together since it was set to 0, counted in calls
    """

    fixed, shared, spent, layer = False, False, 0.0, None

    @classmethod
    def spend(cls, calls):
        Node.spent += calls
        if Node.spent > CALLS:
            raise NoGraph("too many calls made again")

    def __init__(self, value, again=None, sources=(), kind=None, site=(), name=None):
        self.value, self.again = array_of(value, np.float64), again
        self.sources, self.places = zip(*sources, strict=True) if sources else ((), ())
        self.entrywise, self.linear = kind in ("entrywise", "linear"), kind == "linear"
        self.pair = kind if callable(kind) else None
        self.free = [source for source in self.sources if not source.fixed]
        self.site, self.name, self.uses, self.known = site, name, [], {}

    @cached_property
    def line(self):
        """The line of code that made it, with that of its caller where it has several; or a leaf's name."""
        if self.name is not None:
            return self.name
        frames = [(code.co_filename, n) for code, _, n in self.site[:-1]]
        lines = [linecache.getline(*frame).strip() for frame in frames if HERE not in frame[0]]
        line, caller = (*lines, "", "")[:2]
        helper = caller and self.shared and "forward(" not in caller
        told = f" (called in `{caller}`)" if helper else ""
        return f"`{line}`{told}" if line else "one step of forward"

    def at(self, i, value, bare=False):
        """The value, with another array in the place of source i; `bare` of all others, in whose places 0
        stands."""
        self.spend(1 + value.size / 2000)
        values = [source.value * (0 if bare else 1) for source in self.sources]
        values[i] = value
        return array_of(self.again(values), np.float64)

    def slope(self, i, value=None):
        """The derivative of each entry of an entrywise call by its own entry of source i."""
        if self.linear:
            ones = np.ones(self.sources[i].value.shape)
            return self.at(i, ones) - self.at(i, 0 * ones)
        value = self.sources[i].value if value is None else value
        size = np.abs(value)

        def central(step):
            wide = np.broadcast_to(step, np.shape(self.value)) if step.ndim else step
            made = (self.at(i, value + step) - self.at(i, value - step)) / (2 * wide)
            return made, 1e-13 * (1 + np.abs(self.value)) / wide  # and its rounding

        made, _ = central(STEP * (1 + size))
        if np.any(small := (0 < size) & (size < 0.01)):  # log and root want steps smaller than it
            close, rounding = central(STEP * np.where(small, size, 1 + size))
            agree = np.abs(close - made) <= rounding + 1e-6 * np.abs(close)
            made = np.where(agree | ~np.isfinite(close), made, close)
        if not np.all(size):  # at a kink, as of a ReLU at 0, code takes the side that is closed
            below = (self.at(i, value) - self.at(i, value - STEP)) / STEP
            halved = (np.abs(made - below) > 1e-3) & (np.abs(made) > 1e-3)  # that of |x| is 0
            made = np.where(halved & np.broadcast_to(size == 0, halved.shape), below, made)
        return made

    def local(self, i):
        """The slopes by source i, in the shape of the value, or the matrix (value.size, source.size)."""
        if i not in self.known:
            made = self.slope(i) if self.entrywise else self.matrix(i)
            whole = np.round(made)  # a choice is one exactly
            self.known[i] = np.where(np.abs(made - whole) < 1e-8 * np.abs(whole), whole, made)
        return self.known[i]

    def moved(self, i):
        """For each entry of the value which entry of source i it is, from 1, or 0 for none; None where
        the call does more than to move entries, repeat them or choose from them."""
        if (i, "moved") not in self.known:
            self.known[i, "moved"] = self.move(i)
        return self.known[i, "moved"]

    def chosen(self, i):
        """The same where it chooses by the values too, as a maximum."""
        places = self.moved(i)
        if places is None and self.small(i):
            matrix = self.local(i)
            if np.isin(matrix, (0, 1)).all() and np.all(matrix.sum(1) <= 1):
                places = matrix.astype(int) @ np.arange(1, matrix.shape[1] + 1)
        return places

    def move(self, i):
        own = self.sources[i].value
        numbers = np.arange(1.0, own.size + 1)
        places = np.ravel(self.at(i, numbers.reshape(own.shape), bare=True))
        if not np.isin(places, (0, *numbers)).all():
            return None
        places, rest = places.astype(int), np.ravel(self.at(i, 0 * own))
        for array in (own, np.cos(numbers).reshape(own.shape)):
            wanted = np.where(places > 0, np.append(0.0, array)[places], rest)
            if not np.array_equal(wanted, np.ravel(self.at(i, array)), equal_nan=True):
                return None
        return places

    def small(self, i):
        return self.sources[i].value.size * self.value.size <= CELLS

    def matrix(self, i):
        value = self.sources[i].value.copy()
        if not self.small(i):
            raise NoGraph("too large to be nudged entry by entry")
        if (places := self.moved(i)) is not None:
            return 1.0 * (places[:, None] == np.arange(1, value.size + 1))
        columns = np.zeros((self.value.size, value.size))
        for k, kept in enumerate(value.ravel().copy()):
            step = STEP * (1 + abs(kept))
            value.flat[k] = kept + step
            above = self.at(i, value)
            value.flat[k] = kept - step
            columns[:, k] = np.ravel(above - self.at(i, value)) / (2 * step)
            value.flat[k] = kept
        return columns

    def touches(self, i):
        """Which entries of source i the value depends on."""
        shape = self.sources[i].value.shape
        if self.entrywise or self.pair:
            return np.ones(shape, bool)
        if (places := self.moved(i)) is not None:
            return np.isin(np.arange(1, np.prod(shape) + 1), places).reshape(shape)
        return np.any(self.local(i) != 0, axis=0).reshape(shape)

    def back(self, i, dout):
        """The gradient of source i, from that of the value."""
        if (i, "back") not in self.known:
            self.known[i, "back"] = self.way_back(i)
        cost, back = self.known[i, "back"]
        self.spend(cost)
        return back(dout)

    def beside(self, i, other):
        """The same call, had source i been this array."""
        sources = [*zip(self.sources, self.places, strict=True)]
        sources[i] = Node(other), self.places[i]
        kind = "linear" if self.linear else "entrywise" if self.entrywise else self.pair
        return Node(self.value, self.again, sources, kind)

    def way_back(self, i):
        """(what it costs, in calls, the function that gives the gradient of source i from that of the value)"""
        shape = self.sources[i].value.shape
        if self.pair:  # it needs no nudging
            return 0.3 + self.value.size / 10_000, self.through_product(i, shape)
        if not self.entrywise and (places := self.moved(i)) is not None:
            return 0.2 + places.size / 10_000, partial(sent, places, shape=shape)
        local = self.local(i)

        def back(dout):
            made = dout * local
            return made if made.shape == shape else sum_to(made, shape)

        def by_matrix(dout):
            return (np.ravel(dout) @ local).reshape(shape)

        return 0.2 + local.size / 20_000, back if self.entrywise else by_matrix

    @cached_property
    def factors(self):
        """The two arrays of a matrix product."""
        return self.pair([source.value for source in self.sources])

    def through_product(self, i, shape):
        """The way back through a matrix product. Vectors are matrices of one row or column."""
        place, (a, b) = self.places[i][1], self.factors
        left, right = a.ndim == 1, b.ndim == 1
        wide = np.atleast_2d(a), b[:, None] if right else b
        own, met = wide[place], wide[1 - place]

        def back(dout):
            dout = np.reshape(dout, self.value.shape)
            dout = dout[..., None] if right else dout
            dout = dout[..., None, :] if left else dout
            made = met.mT @ dout if place else dout @ met.mT
            return made if made.shape == shape else sum_to(made, own.shape).reshape(shape)

        return back


def sent(places, dout, shape):
    """Each entry of dout, added up at its place in an array of this shape, from 1; or, at 0, nowhere."""
    return np.bincount(places, np.ravel(dout), np.prod(shape, dtype=int) + 1)[1:].reshape(shape)


class Recorded(np.ndarray):
    """An array that belongs to a node of the tape that is running."""

    node = None

    def __array_finalize__(self, source):
        pass

    def __array_ufunc__(self, ufunc, method, *inputs, out=None, **kwargs):
        if method == "at":
            return change(inputs[0], lambda old, *rest: ufunc.at(old, *rest), inputs[1:])
        kind = "entrywise" if ufunc.signature is None else "product" if ufunc is np.matmul else None
        kind = "linear" if ufunc in (np.add, np.subtract, np.multiply, np.negative) else kind
        kind = kind if method == "__call__" else None
        made = record(getattr(ufunc, method), inputs, kwargs, kind)
        if out is None:
            return made
        np.copyto(asarray_of(out[0]).view(np.ndarray), asarray_of(made).view(np.ndarray), "unsafe")
        if isinstance(out[0], Recorded):
            out[0].node = getattr(made, "node", None)
        return out[0]

    def __array_function__(self, function, types, args, kwargs):
        kwargs.pop("out", None)
        flat = function is np.dot and all(0 < np.ndim(one) < 3 for one in args)
        kind = "entrywise" if function in (np.where, np.clip) else "product" if flat else None
        return record(function, args, kwargs, kind)

    def __getitem__(self, index):
        return record(lambda array, at: array[at], (self, index))

    def __setitem__(self, index, value):
        def put(array, value):
            array[index] = value

        change(self, put, (value,))

    def dot(self, other):
        return np.dot(self, other)

    T = property(lambda self: self.transpose())
    mT = property(lambda self: self.swapaxes(-1, -2))


def method(name):
    def call(self, *args, **kwargs):
        return record(getattr(np.ndarray, name), (self, *args), kwargs)

    return call


def inplace(ufunc):
    def call(self, other):  # a number is not changed in place
        return ufunc(self, other, out=(self,)) if self.ndim else ufunc(self, other)

    return call


for _name in METHODS:
    setattr(Recorded, _name, method(_name))
for _name in ("add", "subtract", "multiply", "power", "true_divide", "matmul"):
    sign = {"subtract": "sub", "multiply": "mul", "power": "pow", "true_divide": "truediv"}
    setattr(Recorded, f"__i{sign.get(_name, _name)}__", inplace(getattr(np, _name)))

RUNNING = []  # the tape that is running, if any: a list of nodes
INSIDE = [None]  # the name of the layer of a network that is running


def change(array, function, args, kwargs=None):
    """Change an array in place; a recorded one is then what this change made of it."""

    def changed(old, *rest, **more):
        new = array_of(old, np.float64)
        function(new, *rest, **more)
        return new

    made = record(changed, (array, *args), kwargs or {})
    asarray_of(array).view(np.ndarray)[...] = asarray_of(made).view(np.ndarray)
    if isinstance(array, Recorded):
        array.node = getattr(made, "node", None)


def record(function, args, kwargs=None, kind=None):
    """Call the function, and write down what it made of which recorded arrays. Of some kinds more is
    known: "entrywise", or a "product" of two matrices."""
    sources, tape = [], RUNNING[-1] if RUNNING else []
    args, kwargs = stripped((args, kwargs or {}), sources)

    def again(values):
        return function(*filled(args, values), **filled(kwargs, values))

    if kind == "product":

        def kind(values):
            return filled(args, values)

    RUNNING.append(None)  # what NumPy does inside is not to be seen
    try:
        made = again([source.value for source, _ in sources])
    finally:
        RUNNING.pop()
    if isinstance(made, (tuple, list)):
        parts = enumerate(made)
        alone = [wrapped(v, lambda a, k=k: again(a)[k], sources, None, tape) for k, v in parts]
        return type(made)(alone)
    return wrapped(made, again, sources, kind, tape)


def wrapped(made, again, sources, kind, tape):
    if asarray_of(made).dtype.kind != "f" or tape is None:
        return made
    array = array_of(made).view(Recorded)
    if sources or array.ndim:
        if len(tape) >= NODES:
            raise NoGraph("too many calls to be written down")
        array.node = Node(made, again, sources, kind, site())
        array.node.layer, array.node.fixed = INSIDE[-1], not sources
        tape.append(array.node)
    return array if sources or array.ndim else made


class Passing(type):
    def __instancecheck__(cls, value):
        return isinstance(value, plain_float) or isinstance(value, Recorded) and not value.ndim


class Float(plain_float, metaclass=Passing):
    """A `float` that keeps a number on the tape. As a dtype it is what float is."""

    dtype = np.dtype(np.float64)

    def __new__(cls, value=0.0):
        there = RUNNING and RUNNING[-1] is not None and isinstance(value, Recorded)
        return value if there and not value.ndim else plain_float(value)


class Hole(int):
    """The place of a source among the arguments of a call."""


def stripped(value, sources, place=()):
    """A copy of arguments with a `Hole` for each recorded array, of which (node, place) goes to `sources`."""
    if isinstance(value, Recorded):
        if value.node is None:
            return array_of(value.view(np.ndarray))
        sources.append((value.node, place))
        return Hole(len(sources) - 1)
    if isinstance(value, np.ndarray):
        return value.copy()
    if type(value) in (tuple, list):
        return type(value)([stripped(v, sources, (*place, k)) for k, v in enumerate(value)])
    if type(value) is dict:
        return {key: stripped(one, sources, (*place, key)) for key, one in value.items()}
    return value


def filled(value, values):
    if isinstance(value, Hole):
        return values[value]
    if type(value) in (tuple, list):
        return type(value)([filled(one, values) for one in value])
    if type(value) is dict:
        return {key: filled(one, values) for key, one in value.items()}
    return value


def site():
    """Where in the code under test the call stands: an instruction for each frame, the inmost first."""
    frame, found = sys._getframe(1), []
    while frame is not None and frame.f_code is not recorded.__code__:
        if frame.f_code.co_filename != __file__ and "numpy" not in frame.f_code.co_filename:
            found.append((frame.f_code, frame.f_lasti, frame.f_lineno))
        frame = frame.f_back
    return (*found, INSIDE[-1])


def tell_layers(network):
    """Let the layers of a network, and its loss, say whose calls are written down."""
    for name, layer in {**layers_of(network), "loss": loss_of(network)}.items():
        run = getattr(layer, "forward", None)

        def forward(*args, name=name, run=run):
            INSIDE.append(name)
            try:
                return run(*args)
            finally:
                INSIDE.pop()

        if layer is not None and hasattr(layer, "__dict__"):
            layer.forward = forward


@contextmanager
def recording(tape):
    """While it lasts, what NumPy makes from nothing, or from lists, is recorded too."""

    def maker(make):
        def made(*args, **kwargs):
            if RUNNING[-1] is None:
                return make(*args, **kwargs)
            as_it_is = make.__name__ in AS_IT_IS and len(args) == 1 and not kwargs
            if as_it_is and isinstance(args[0], Recorded):
                return args[0]
            return record(make, args, kwargs)

        return made

    RUNNING.append(tape)
    try:
        with (
            patch.multiple(np, **{name: maker(getattr(np, name)) for name in MAKERS}),
            patch("builtins.float", Float),
            patch.multiple(math, **{name: maker(getattr(math, name)) for name in OF_NUMBERS}),
        ):
            yield
    finally:
        RUNNING.pop()


def leaf(value, name, tape, fixed=False):
    array = array_of(value, np.float64).view(Recorded)
    if name not in [node.name for node in tape]:
        array.node = Node(value, name=name)
        array.node.fixed = fixed
        tape.append(array.node)
    return array


def recorded(piece):
    """The nodes of a run of a piece, in order; the last one is its output. NoGraph where the code
    leaves NumPy on the way."""
    tape = []
    wanted = {"x", *piece.names, *piece.parameters(piece.fresh())}
    subject, arguments = piece.on_tape(lambda a, name: leaf(a, name, tape, name not in wanted))
    if piece.hold:
        piece.noise.again()
    if not piece.names:
        tell_layers(subject)
    with recording(tape), enclosed(subject, lambda a, name: leaf(a, name, tape, True)):
        out = piece.output(subject, arguments)
    value = array_of(out, np.float64)
    same = [n for n in tape if not n.fixed and np.array_equal(np.ravel(n.value), np.ravel(value))]
    if not same:
        raise NoGraph("the output is not on the tape")
    end = getattr(out, "node", None) or same[-1]
    needed = {end}
    for node in reversed(tape):
        if node in needed:
            needed.update(node.sources)
    calls = Counter(site[0] for site in {node.site for node in needed if node.site})
    for node in needed:
        node.shared = bool(node.site) and calls[node.site[0]] > 1
    order = [node for node in tape if node in needed or node.name is not None and not node.fixed]
    for node in order:
        for i, source in enumerate(node.sources):
            source.uses.append((node, i))
    order.remove(end)
    return [*order, end]
