"""Pieces: a node, a layer, a loss, a network, a graph or a function, seen from outside.

A piece runs forward, and tells what backward claims, as arrays by name, whatever the code looks like.
Nothing here looks inside the code under test. Read `probe` next: it nudges what a piece holds.
"""

import copy
import inspect
from collections.abc import Mapping
from contextlib import contextmanager, suppress
from functools import cached_property
from traceback import extract_tb

import numpy as np

from chainrule.doctor.copies import GIVEN, Noise, among, loss_of, params_of, private_copy, slots
from chainrule.doctor.findings import told_line
from chainrule.graph import Variable, forward_steps, topological_order
from chainrule.guards.numbers import as_value
from chainrule.guards.training import LEARNS

RAISES = False  # whether a fault of the doctor's own is raised; our tests set it


def is_network(target):
    """Whether it has a loss and its gradient, rather than forward and backward."""

    def has(*names):
        return all(callable(getattr(target, name, None)) for name in names)

    return has("loss") and (has("gradient") or not has("forward", "backward"))


class Piece:
    """A node, a layer or a loss at given inputs.

    target   it; it is only ever copied
    inputs   a tuple of numbers or arrays; whole numbers stay so where forward wants them (an index)
    t        the targets, for a loss
    others   what stands beside it: arrays of theirs that the target holds too are no arrays of its own
    names    the inputs that have a gradient
    used     the arrays of the target that forward uses and that have, or should have, a gradient
    unchecked  those that forward uses and that have none: a mask, a table of constants
    """

    pair = False  # whether it is a function that gives its value and its gradient
    strict = True  # whether the number of gradients that backward returns has to be right
    last = False  # whether nothing comes after it, as after the loss of a network
    hold = False  # whether random numbers are drawn, and have to be held still
    repeatable, axis, error, used, unchecked, borrowed = True, 0, None, None, (), frozenset()
    takes_dout = True  # whether backward is given an upstream gradient

    def __init__(self, target, inputs, t=None, others=()):
        self.target, self.t, self.given = target, t, inputs
        theirs = {id(slot.array) for one in others for slot in slots(one).values()}
        self.borrowed = {name for name, s in self.held.items() if id(s.array) in theirs}
        self.takes_dout = takes_dout(target)
        whole = [np.asarray(v).dtype.kind in "iub" for v in inputs]
        self.inputs = tuple(np.array(as_value(v, "diagnose"), np.float64) for v in inputs)
        held = params_of(target)
        names = names_for(inputs, target.f if isinstance(target, Returning) else None)
        names = list(target.leaves) if isinstance(target, OfGraph) else names
        self.labels = [f"input {n}" if n in held else n for n in names]
        self.noise, self.names = Noise(target), list(self.labels)
        if any(whole) and self.runs() is None:
            floats, pairs = self.inputs, list(zip(inputs, whole, self.inputs, strict=True))
            self.inputs = tuple(np.array(v) if w else f for v, w, f in pairs)
            self.names = [name for name, w in zip(self.labels, whole, strict=True) if not w]
            if self.runs() is None:
                self.inputs, self.names = floats, list(self.labels)
        self.look()

    @property
    def listed(self):
        """Whether x (N,) has a target for each entry."""
        alone = np.ndim(self.inputs[0]) == 1 == len(self.inputs)
        return self.t is not None and alone and np.shape(self.t) == self.inputs[0].shape

    def runs(self, subject=None):
        """The output, or None where forward raises."""
        with suppress(Exception):
            return self.forward(self.fresh() if subject is None else subject)

    def look(self):
        """Find out whether the same input gives the same output, which arrays forward uses, and along
        which axis the samples stand."""
        try:
            subject = self.fresh()
            first = self.forward(subject)
            twice = np.array_equal(first, self.forward(subject), equal_nan=True)
            self.hold = self.noise.drawn() or not twice
            if self.hold:
                first, again = self.forward(self.fresh()), self.forward(self.fresh())
                self.repeatable = np.array_equal(first, again, equal_nan=True)
        except Exception as error:
            self.error = error
            return
        self.last = first.size == 1 and not self.takes_dout
        found = {n: s for n, s in slots(self.fresh()).items() if n not in self.borrowed}
        loose = [name for name, slot in found.items() if not slot.declared and self.repeatable]
        loose = [name for name in loose if self.moves(name, first)]
        self.used = [n for n, slot in found.items() if slot.declared or n in loose]
        whole = self.t is not None and self.used and self.names and self.claims_no_input(first)
        ends = self.target if self.t is not None and self.names and not whole else None
        self.unchecked = self.constants({n: found[n] for n in loose}, first, ends)
        self.used = [name for name in self.used if name not in self.unchecked]
        if whole and self.used:
            self.names = []
        self.axis = self.sample_axis(first)

    def constants(self, held, first, ends):
        """Those of the arrays, given with their slots, that want no gradient. None is given for them, and
        they have no name of what learns; or else their owner has `params`, which says what learns there,
        or nothing does in a loss, or all that learns is smaller than this one, as a bias beside a matrix."""
        claims = {}
        with suppress(Exception):
            claims = self.claims(np.ones(first.shape)) if held else {}
        without = [name for name in held if claims.get(name, name) is None]
        asked = [id(held[name].owner) for name in without if LEARNS.search(name)]

        def fixed(slot):
            owner, loss = slot.owner, (ends, loss_of(self.target))
            if isinstance(getattr(owner, "params", None), (Mapping, list, tuple)):
                return True
            learn = [s.array.ndim for n, s in held.items() if s.owner is owner and n not in without]
            alone = asked.count(id(owner)) == 1 or any(owner is one for one in loss)
            return alone and slot.array.ndim > max(learn, default=-1)

        return [n for n in without if not LEARNS.search(n) or fixed(held[n])]

    def claims_no_input(self, first):
        """Whether it is a whole network, whose backward gives a dict, or nothing, and no dx."""
        given, subject = (), self.fresh()
        with suppress(Exception):
            self.forward(subject)
            given = self.call_backward(subject, np.ones_like(first))
        return given is None or isinstance(given, Mapping)

    def moves(self, name, first):
        """Whether the output changes with this array."""
        subject = self.fresh()
        array = slots(subject)[name].array
        array += 1e-3 * (1 + np.abs(array)) * np.random.default_rng(0).uniform(0.5, 1, array.shape)
        out = self.runs(subject)
        return out is None or not np.array_equal(first, out, equal_nan=True)

    def sample_axis(self, first):
        """1 where the samples stand in columns: whoever changes their order changes nothing else."""
        x = self.inputs[0] if len(self.inputs) == 1 else np.zeros(())
        if x.ndim != 2 or min(x.shape) < 2 or type(self.target).__module__.startswith("chainrule."):
            return 0
        for axis in (0, 1):
            order = np.roll(np.arange(x.shape[axis]), 1)
            with suppress(Exception):
                out = self.sampled(order, axis).runs()
                wanted = first if first.size == 1 else np.take(first, order, axis=axis)
                if np.allclose(out, wanted, rtol=1e-9, atol=1e-12):
                    return axis
        return 0

    def sampled(self, order, axis=None):
        """The same with these samples, of every input and of t."""
        axis = self.axis if axis is None else axis
        t = self.t
        if np.ndim(t):
            t = np.take(np.asarray(t), order, axis=min(axis, np.ndim(t) - 1))
        return self.at([np.take(v, order, axis=axis) for v in self.inputs], t)

    def at(self, inputs, t=None, target=None):
        """The same, at other inputs; or another target there."""
        other = copy.copy(self)
        if target is not None:
            other.target = target
            other.__dict__.pop("held", None)
        other.inputs, other.t = tuple(np.array(value) for value in inputs), t
        return other

    def at_the_end(self):
        """The same as the end of a network, so that its upstream gradient is 1."""
        other = copy.copy(self)
        other.last = True
        return other

    def originals(self):
        """name -> the caller's own array, for all that will be nudged."""
        given = dict(zip(self.labels, self.given, strict=True))
        arrays = {name: np.asarray(as_value(given[name], "gradient_check")) for name in self.names}
        held = [name for name in self.used or () if name in self.held]
        return arrays | {name: self.held[name].array for name in held}

    @cached_property
    def held(self):
        """The slots of the target."""
        return slots(self.target)

    def fresh(self):
        return private_copy(self.target, held=self.held)

    def arguments(self):
        inputs = [as_argument(array) for array in self.inputs]
        return inputs if self.t is None else [*inputs, copy.copy(self.t)]

    def forward(self, subject):
        """The output of `subject`, a copy of the target, as an array of floats."""
        if self.hold:
            self.noise.again()
        return as_floats(self.output(subject), where=type(self.target).__name__)

    def output(self, subject, arguments=None):
        return subject.forward(*(arguments or self.arguments()))

    def on_tape(self, leaf):
        """A subject and arguments in which leaf(array, name) stands for each array of floats."""
        arguments = self.arguments()
        for k, name in enumerate(self.labels or ["x"]):  # that of a network has no gradient
            if name in self.names or not self.names and self.inputs[k].dtype.kind == "f":
                arguments[k] = leaf(self.inputs[k], name)
        return private_copy(self.target, leaf), arguments

    def backward(self, subject, dout):
        """What `subject` claims after its forward: a dict name -> gradient, None where it has none.

        Raises ValueError where it hands on the wrong number of gradients.
        """
        held = {} if self.used == [] else slots(subject)
        given = self.call_backward(subject, as_argument(dout))
        if isinstance(given, Mapping):  # a whole network with forward and backward
            return self.named(given, held)
        given = self.one_each(given)
        names = list(self.parameters(subject, held))
        beside = self.of_parameters(given, names, held)
        given = given[: len(given) - len(beside)]
        labels = self.names if len(given) == len(self.names) else self.labels
        if len(given) != len(labels) and self.strict:
            raise ValueError(
                f"backward returns {len(given)} gradients for the {len(labels)} inputs of forward: "
                "wrong shape of the result"
            )
        claims = dict(zip(labels, given, strict=self.strict))
        claims = {name: claims.get(name) for name in self.names}
        for name in names:
            claims[name] = held[name].gradient() if name in held else None
        return arrays_of(claims | beside)

    def of_parameters(self, given, names, held):
        """The gradients of parameters, where backward returns them behind those of the inputs: dx, dW, db."""
        rest = given[len(self.labels) :]
        shapes = [held[name].array.shape for name in names if name in held]
        fits = len(rest) == len(names) and [np.shape(one) for one in rest] == shapes
        return dict(zip(names, rest, strict=True)) if fits else {}

    def named(self, given, held):
        """The gradients in a dict, whichever way its keys are formed."""
        claims = {}
        for name in self.parameters(None, held):
            slot = held[name]
            ways = [(given, [name, *slot.names, *(form.format(name) for form in GIVEN)])]
            ways += [(given.get(form.format(slot.holder)), slot.names) for form in GIVEN]
            found = next((one for way in ways if (one := among(*way)) is not None), None)
            if found is None and not slot.declared:  # it stays in the layer, as an attribute
                found = slot.gradient()
            claims[name] = found
        return arrays_of(claims)

    def one_each(self, given):
        """What backward returned, as a tuple with one gradient for each input."""
        many = isinstance(given, (list, tuple)) and len(given) > isinstance(given, tuple)
        parts = {np.shape(one) for one in given} if many else ()
        plain = len(parts) == 1 == len(self.labels)  # the entries of the one, or its rows
        if plain and (len(given), *parts.pop()) == self.inputs[0].shape:
            return (given,)
        return tuple(given) if isinstance(given, (list, tuple)) else (given,)

    def call(self, subject, arguments, dout):
        """Forward and backward on these very arrays, to see whether they are written to."""
        subject.forward(*arguments)
        self.call_backward(subject, dout)

    def call_backward(self, subject, dout):
        if callable(getattr(subject, "zero_grad", None)):
            subject.zero_grad()  # what it adds up, call after call, is told to start again
        return subject.backward(dout) if self.takes_dout else subject.backward()

    def parameters(self, subject, held=None):
        """name -> array, for the arrays of a subject that have a gradient."""
        held = slots(subject) if held is None else held
        names = self.used if self.used is not None else [n for n in held if held[n].declared]
        names = [name for name in names if name in held and name not in self.names]
        return {n: held[n].array for n in names if held[n].array.dtype.kind == "f"}

    def upstreams(self, out, seed):
        """Two random upstream gradients for the output `out`, of either sign everywhere; 1 where nothing
        comes after."""
        if self.last or (not self.names and out.size == 1):
            return [np.ones(out.shape)]
        rng = np.random.default_rng(seed)
        signs = rng.choice([-1.0, 1.0], out.shape)
        return [sign * rng.uniform(0.5, 1.5, out.shape) for sign in (signs, -signs)]

    def claims(self, dout, subject=None):
        """What the target claims at these inputs for the upstream gradient `dout`."""
        subject = self.fresh() if subject is None else subject
        self.forward(subject)
        return self.backward(subject, dout)

    def after(self, subject, dout):
        """The claims of a `subject` that was used before."""
        return self.claims(dout, subject)


class NetworkPiece(Piece):
    """A network as one function of its parameters; it claims no gradient of its inputs."""

    def __init__(self, target, inputs, t=None):
        self.target, self.t, self.names, self.labels, self.given = target, t, [], [], ()
        self.inputs, self.noise = tuple(np.array(v) for v in inputs), Noise(target)
        self.look()

    def output(self, subject, arguments=None):
        value = subject.loss(*(arguments or self.arguments()))
        return value[0] if isinstance(value, tuple) else value

    def call(self, subject, arguments, dout):
        subject.loss(*arguments)
        getattr(subject, "gradient", subject.loss)(*arguments)

    def claims(self, dout, subject=None):
        if self.hold:  # its `gradient` runs forward, and would draw a second time
            return self.backward(self.fresh(), dout)
        return super().claims(dout, subject)

    def after(self, subject, dout):
        return self.backward(subject, dout)  # its `gradient` has to run forward by itself

    def backward(self, subject, dout):
        held = slots(subject)
        if self.hold:
            self.noise.again()
        given = getattr(subject, "gradient", subject.loss)(*self.arguments())
        many, names = (Mapping, list, tuple), list(self.parameters(subject, held))
        if isinstance(given, tuple) and len(given) == 2 and isinstance(given[1], many):
            both = isinstance(given[0], many)  # weights, then biases; else (loss, gradients)
            given = [one for part in given for one in part] if both else given[1]
        if isinstance(given, Mapping):
            return self.named(given, held)
        if isinstance(given, np.ndarray) and len(names) == 1:
            return arrays_of({names[0]: given})
        if isinstance(given, (list, tuple)) and len(given):
            left, claims, exact = list(given), {}, len(given) == len(names)
            for name in names:  # in order; what has no gradient may stand between
                fits = left and (exact or np.shape(left[0]) == held[name].array.shape)
                claims[name] = left.pop(0) if fits else None
            return arrays_of(claims)
        if given is None and any(held[name].gradient() is not None for name in names):
            return arrays_of({name: held[name].gradient() for name in names})
        raise ValueError(f"gradient returns a {type(given).__name__}, not a dict: wrong shape")


class OfGraph:
    """A graph of `Variable`s, as something with both ways: its leaves are moved, and it is walked anew. It
    stands as it was after each run, so that nobody needs a copy."""

    def __init__(self, out, leaves=None):
        self.order = topological_order(out)
        if leaves is None:
            leaves = [v for v in self.order if v.node is None]
            named = [v for v in leaves if v.name is not None]
            leaves = {v.name or f"leaf {i}": v for i, v in enumerate(named or leaves, 1)}
        self.out, self.leaves, self.values = out, leaves, ()

    def __deepcopy__(self, memo):
        return self

    @contextmanager
    def walked(self):
        before = [(v, v.value, v.grad) for v in self.order]
        try:
            for leaf, value in zip(self.leaves.values(), self.values, strict=True):
                leaf.value = value
            for _ in forward_steps(self.out):
                pass
            yield self.out
        finally:
            for v, value, grad in before:
                v.value, v.grad = value, grad

    def forward(self, *values):
        self.values = values
        with self.walked() as out:
            return out.value

    def backward(self, dout):
        with self.walked() as out:
            out.backward(dout)
            return [np.array(leaf.grad, np.float64) for leaf in self.leaves.values()]


def piece_of_graph(out, leaves=None):
    graph = OfGraph(out, leaves)
    return Piece(graph, tuple(np.array(v.value, np.float64) for v in graph.leaves.values()))


class OfParams:
    """f(params, *arrays) -> (loss, gradients), where params is a dict, as a network."""

    def __init__(self, f, params, *arrays):
        self.f, self.params, self.alone = f, params, not arrays

    def loss(self, *arrays):
        return self.f(self.params, *arrays[self.alone :])


class Returning:
    """f(*arrays) -> (output, backward), or (value, gradient or a tuple of them), as something with both ways."""

    def __init__(self, f):
        self.f, self.back = f, None

    def forward(self, *arrays):
        output, self.back = self.f(*arrays)
        return output

    def backward(self, dout):
        back = self.back
        given = back(dout) if callable(back) else back
        if isinstance(given, Mapping):  # by the names of the arguments, or in their order
            names = inspect.signature(self.f).parameters
            found = [among(given, [form.format(name) for form in GIVEN]) for name in names]
            given = tuple(given.values() if any(one is None for one in found) else found)
        if callable(back):
            return given
        given = given if isinstance(given, (tuple, list)) else (given,)
        return [dout * np.asarray(gradient) for gradient in given]


def piece_of_function(f, inputs, t=None):
    """For f(*variables) -> Variable, or for an f that is `Returning` what goes back."""
    leaves = {n: Variable(v, n) for n, v in zip(names_for(inputs, f), inputs, strict=True)}
    try:
        out = f(*leaves.values(), *(() if t is None else (t,)))
    except Exception:
        out = None
    if isinstance(out, Variable):
        return piece_of_graph(out, leaves)
    piece = Piece(Returning(f), inputs, t)
    if piece.error is not None:
        return piece if told_line(piece.error) else None
    out = piece.forward(subject := piece.fresh())
    piece.pair = piece.last = not callable(subject.back)
    return None if piece.pair and out.size != 1 else piece


def names_for(inputs, f=None):
    """What the inputs are called: as the arguments of a function, or x and y, or x1, x2 and so on."""
    count = len(inputs)
    with suppress(TypeError, ValueError):
        given = [*inspect.signature(f).parameters.values()][:count]
        if all(one.kind <= one.POSITIONAL_OR_KEYWORD for one in given) and len(given) == count:
            return [one.name for one in given]
    return ["x", "y"][:count] if count <= 2 else [f"x{i + 1}" for i in range(count)]


def takes_dout(subject):
    """Whether backward is given an upstream gradient."""
    with suppress(AttributeError, TypeError, ValueError):
        return len(inspect.signature(subject.backward).parameters) > 0
    return True


def as_argument(array):
    """What goes into a call: numbers go in as numbers, arrays as copies."""
    if array.ndim == 0:
        return float(array) if array.dtype.kind == "f" else int(array)
    return array.copy()


def as_floats(value, fresh=False, where="backward"):
    array = np.array(value) if fresh else np.asarray(value)
    if array.dtype.kind not in "fiub":
        got = f"{type(value).__name__} ({array.dtype})"
        raise TypeError(f"what {where} returns wants real numbers, got {got}")
    return array.astype(np.float64, copy=fresh) if array.dtype != np.float32 else array


def arrays_of(claims):
    return {name: None if one is None else as_floats(one, True) for name, one in claims.items()}


def one_hot(t, a, axis=0):
    """Targets as an array of the scores' shape, whichever way they came; None for anything else."""
    if t is None or a is None:
        return None
    t = np.asarray(t)
    if t.shape == a.shape and t.dtype.kind in "fiub":
        return t.astype(np.float64)
    if axis == 1 and a.ndim == 2 and (columns := one_hot(np.ravel(t), a.T)) is not None:
        return columns.T
    if t.dtype.kind in "iu" and t.shape == a.shape[:-1] and np.all((t >= 0) & (t < a.shape[-1])):
        return np.eye(a.shape[-1])[t]
    return None


def variants(piece):
    """The same piece at other inputs: moved on by one and grown, or turned around."""
    inputs, t = piece.inputs, piece.t
    if any(value.dtype.kind != "f" for value in inputs):
        yield piece.at([np.roll(value, 1, axis=0) if value.ndim else value for value in inputs], t)
        return
    batch = len(t) if np.ndim(t) and t is not None else 0
    turned = np.roll(t, 1, axis=0) if batch > 1 and np.ndim(inputs[0]) > 1 else t
    shares = t is not None and all(np.all((0 < value) & (value < 1)) for value in inputs)
    size = 0.9 if shares else 1.1  # a loss of probabilities stays one
    grown = [np.roll(value, 1) * (size - 0.15 * i) for i, value in enumerate(inputs)]
    yield piece.at(grown, turned)
    if len(inputs) == 2 and inputs[0].shape == inputs[1].shape:
        yield piece.at([inputs[1] * 1.05, inputs[0] * 0.95], t)
    yield piece.at([1 - value if shares else -0.9 * value for value in inputs], t)
    sizes = [np.max(np.abs(value), initial=0.0) for value in inputs]
    if 0 < max(sizes) < 1e-3 or max(sizes) > 20:  # all kinks, or all saturated
        yield piece.at([value / max(sizes) for value in inputs], t)


def one_sample_more(piece):
    """The same piece with one sample more, where samples can be told."""
    x, t = piece.inputs[0], piece.t
    if len(piece.inputs) == 1 and (np.ndim(x) > 1 or piece.listed) and x.dtype.kind == "f":
        count = x.shape[piece.axis]
        if count > 1 and (not np.ndim(t) or np.shape(t)[min(piece.axis, np.ndim(t) - 1)] == count):
            more = piece.sampled(np.append(np.arange(count), 0))
            yield more.at([1.1 * value for value in more.inputs], more.t)


def grown(array):
    """Other numbers, by more than a scale and a shift."""
    return 0.05 + (1.25 + 0.1 * np.cos(np.arange(array.size)).reshape(array.shape)) * array


def with_other(piece, name, index=..., way=grown):
    """The piece with way(array) in the place of one of its arrays, or of one entry of it."""
    target, inputs = private_copy(piece.target), [np.array(value) for value in piece.inputs]
    held = dict(zip(piece.labels, inputs, strict=False)) if name in piece.names else {}
    array = (held or piece.parameters(target))[name]
    array[index] = way(array)[index]
    return piece.at(inputs, piece.t, target)


def tried(default, search, *arguments):
    """What a search finds; `default` where it runs into an exception. It calls the code under test at
    numbers, and more often, than its author ever did, and what that raises tells nothing."""
    try:
        return search(*arguments)
    except Exception as error:
        frames = [frame.filename for frame in extract_tb(error.__traceback__)]
        if RAISES and all("chainrule" in name or "numpy" in name for name in frames):
            raise
        return default
