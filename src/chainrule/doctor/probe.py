"""A probe: a piece of code seen from outside, by running it and by nudging its numbers.

`gradcheck` judges gradients with it, and `doctor` asks what went wrong. Nothing here looks inside the
code under test; it is run on a copy, so that the caller's own object stays as it was.
"""

import copy
import inspect
from collections.abc import Mapping
from contextlib import contextmanager
from types import FunctionType

import numpy as np

from chainrule.guards.numbers import as_value
from chainrule.numeric import nudged

TOLERANCE = 1e-7  # relative; what central differences in float64 can promise
KINK_CHANGE = 1e-6  # one-sided slopes closer than this are no kink that could matter


def rounding(size, h, count, eps):
    """How far rounding alone may carry a difference quotient: `count` entries, terms of `size`."""
    return 10 * eps * (1 + size) / h * np.sqrt(count)


def slopes_differ(evaluate, live, index, h, values, size):
    """Whether a kink lies within h: the slopes to the two sides differ, and not as a curve's would.

    On a smooth curve the difference of the two slopes shrinks with the step; at a kink it stays, or,
    once the step no longer reaches the kink, vanishes. Two smaller steps are tried, since at one of
    them a kink may look like a curve by accident.

    evaluate   () -> a number or an array, from `live`, in which the entry at `index` is moved
    values     what it gave at +h, here and at -h
    size       of the terms that `evaluate` summed
    """
    above, here, below = values
    gap = np.abs(above - 2 * here + below) / h
    noise = 8 * np.finfo(live.dtype).eps * (1 + size) / h
    if np.max(gap, initial=0.0) <= KINK_CHANGE + 4 * noise:
        return False
    for times in (10, 3):
        above, below = both_sides(evaluate, live, index, h / times)
        closer = np.abs(above - 2 * here + below) / (h / times)
        if np.any(np.abs(closer - gap / times) > 0.02 * gap + times * noise):
            return True
    return False


def both_sides(evaluate, live, index, h):
    kept = live[index]
    try:
        live[index] = kept + h
        above = evaluate()
        live[index] = kept - h
        return above, evaluate()
    finally:
        live[index] = kept


def params_of(target):
    """The parameters of a layer or a network as a dict; empty where it has none."""
    params = getattr(target, "params", None)
    return params if isinstance(params, Mapping) else {}


def shares_state(target):
    """Whether it holds functions that may keep things outside of it, where no copy of it would look."""
    held = getattr(target, "__dict__", {}).values()
    return any(isinstance(one, FunctionType) and one.__closure__ for one in held)


@contextmanager
def as_it_was(target):
    """Put parameters, gradients and attributes back where a copy could not keep apart from them."""
    owners = [one for one in (target, *layers_of(target).values()) if shares_state(one)]
    kept = [(vars(one), dict(vars(one))) for one in owners]
    dicts = [getattr(one, key, {}) for one in owners for key in ("params", "grads")]
    kept += [(one, dict(one)) for one in dicts if isinstance(one, dict)]
    arrays = [a for _, items in kept for a in items.values() if isinstance(a, np.ndarray)]
    numbers = [array.copy() for array in arrays]
    try:
        yield
    finally:
        for now, before in kept:
            now.clear()
            now.update(before)
        for array, before in zip(arrays, numbers, strict=True):
            if array.flags.writeable:
                array[...] = before


def private_copy(target):
    """A copy of `target` to do anything with. Its parameters are float64, and may be written to.

    What refuses to be copied to its depths (a lock, an open file) is copied at its surface. What keeps
    its state in the closure of a function cannot be copied at all, and is used itself (`as_it_was`).
    """
    memo = {}
    owners = [target, *layers_of(target).values()]
    memo |= {id(owner): owner for owner in owners if shares_state(owner)}
    for owner in owners:
        if id(owner) in memo:
            continue
        for array in params_of(owner).values():
            if isinstance(array, np.ndarray) and array.dtype.kind in "fiub":
                memo[id(array)] = array.astype(np.float64)  # one array under all of its names
    try:
        twin = copy.deepcopy(target, memo)
    except Exception:
        twin = copy.copy(target)
        if isinstance(vars(twin).get("params"), dict):
            twin.params = {key: copy.copy(value) for key, value in twin.params.items()}
    for owner in [twin, *layers_of(twin).values()]:
        params = getattr(owner, "params", None)
        if isinstance(params, dict):
            for key, value in params.items():
                if isinstance(value, (int, float, np.number)):
                    params[key] = np.array(value, np.float64)
    return twin


def layers_of(network):
    """The layers of a network by name, whether it keeps a dict or a list; empty for anything else."""
    layers = getattr(network, "layers", None)
    if isinstance(layers, (list, tuple)):
        layers = {f"layers[{i}]": layer for i, layer in enumerate(layers)}
    if not isinstance(layers, Mapping):
        return {}
    whole = all(hasattr(v, "forward") and hasattr(v, "backward") for v in layers.values())
    return {str(name): layer for name, layer in layers.items()} if whole else {}


def as_argument(array):
    """What goes into a call: numbers go in as numbers, arrays as copies."""
    return float(array) if array.ndim == 0 else array.copy()


class Piece:
    """A node, a layer or a loss at given inputs.

    target   it; it is only ever copied
    inputs   a tuple of numbers or arrays
    t        the targets, for a loss
    """

    def __init__(self, target, inputs, t=None):
        self.target, self.t = target, t
        self.inputs = tuple(np.array(as_value(v, "diagnose"), np.float64) for v in inputs)
        count = len(self.inputs)
        self.names = ["x", "y"][:count] if count <= 2 else [f"x{i + 1}" for i in range(count)]

    def at(self, inputs, t=None, target=None):
        """The same, at other inputs; or another target there."""
        other = copy.copy(self)
        other.target = self.target if target is None else target
        other.inputs, other.t = tuple(np.array(value) for value in inputs), t
        return other

    def fresh(self):
        return private_copy(self.target)

    def arguments(self):
        inputs = [as_argument(array) for array in self.inputs]
        return inputs if self.t is None else [*inputs, copy.copy(self.t)]

    def forward(self, subject):
        """The output of `subject`, a copy of the target, as an array of floats."""
        return as_floats(subject.forward(*self.arguments()))

    def backward(self, subject, dout):
        """What `subject` claims after its forward: a dict name -> gradient, None where it has none.

        Raises ValueError where it hands on the wrong number of gradients.
        """
        given = call_backward(subject, as_argument(dout))
        given = self.one_each(given)
        if len(given) != len(self.names):
            raise ValueError(
                f"backward returns {len(given)} gradients for the {len(self.names)} inputs "
                f"of forward: wrong shape of the result"
            )
        claims = dict(zip(self.names, given, strict=True))
        grads = getattr(subject, "grads", None)
        grads = grads if isinstance(grads, Mapping) else {}
        claims |= {key: grads.get(key) for key in self.parameters(subject)}
        return {name: None if g is None else as_floats(g, True) for name, g in claims.items()}

    def one_each(self, given):
        """What backward returned, as a tuple with one gradient for each input."""
        if isinstance(given, tuple):
            return given
        plain = len(self.names) == 1 and np.shape(given) == self.inputs[0].shape
        return tuple(given) if isinstance(given, list) and not plain else (given,)

    def call(self, subject, arguments, dout):
        """Forward and backward on these very arrays, to see whether they are written to."""
        subject.forward(*arguments)
        call_backward(subject, dout)

    def parameters(self, subject):
        arrays = params_of(subject).items()
        return {
            key: array
            for key, array in arrays
            if isinstance(array, np.ndarray) and array.dtype.kind == "f" and key not in self.names
        }

    def upstreams(self, out, seed):
        """Two random upstream gradients for the output `out`, of either sign everywhere."""
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


class LastPiece(Piece):
    """The loss at the end of a network. Nothing comes from above: its upstream gradient is 1."""

    def upstreams(self, out, seed):
        return [np.ones(out.shape)]


class NetworkPiece(LastPiece):
    """A network as one function of its parameters; it claims no gradient of its inputs."""

    def __init__(self, target, inputs, t=None):
        self.target, self.t = target, t
        self.inputs, self.names = tuple(np.array(v) for v in inputs), []

    def forward(self, subject):
        return as_floats(subject.loss(*self.arguments()))

    def call(self, subject, arguments, dout):
        subject.loss(*arguments)
        subject.gradient(*arguments)

    def after(self, subject, dout):
        return self.backward(subject, dout)  # its `gradient` has to run forward by itself

    def backward(self, subject, dout):
        given = subject.gradient(*self.arguments())
        if not isinstance(given, Mapping):
            raise ValueError(f"gradient returns a {type(given).__name__}, not a dict: wrong shape")
        claims = {key: given.get(key) for key in self.parameters(subject)}
        return {name: None if g is None else as_floats(g, True) for name, g in claims.items()}


def call_backward(subject, dout):
    try:
        takes = len(inspect.signature(subject.backward).parameters)
    except (TypeError, ValueError):
        takes = 1
    return subject.backward(dout) if takes else subject.backward()


def as_floats(value, fresh=False):
    array = np.array(value) if fresh else np.asarray(value)
    if array.dtype.kind not in "fiub":
        raise TypeError(f"numbers were wanted, got {type(value).__name__} ({array.dtype})")
    return array.astype(np.float64, copy=fresh) if array.dtype != np.float32 else array


def one_hot(t, a):
    """Targets as an array of the scores' shape, whichever way they came; None for anything else."""
    if t is None or a is None:
        return None
    t = np.asarray(t)
    if t.shape == a.shape and t.dtype.kind in "fiub":
        return t.astype(np.float64)
    if t.dtype.kind in "iu" and t.shape == a.shape[:-1] and np.all((t >= 0) & (t < a.shape[-1])):
        return np.eye(a.shape[-1])[t]
    return None


class Truth:
    """What nudging finds: the gradients of sum(dout * output), for several `douts` at once.

    out         the output
    gradients   name -> array (number of douts, *shape)
    seen        name -> where the numbers can be trusted: not at kinks, nor where forward fails
    noise       name -> what rounding may add to the norm of a difference
    repeatable  whether the same input gives the same output twice
    """

    def __init__(self, piece, douts, h=1e-5, limit=None):
        self.subject = piece.fresh()
        twin = piece.fresh()
        out = piece.forward(twin)
        coarse = out.dtype == np.float32
        self.h, self.eps = (1e-2, 1.2e-7) if coarse else (h, 2.3e-16)
        self.tolerance = 3e-3 if coarse else TOLERANCE
        self.out = np.array(out, np.float64)
        self.repeatable = np.array_equal(out, piece.forward(twin), equal_nan=True)
        self.weights = np.array([np.broadcast_to(dout, out.shape).ravel() for dout in douts])
        self.size = float(np.max(np.sum(np.abs(self.weights * self.out.ravel()), axis=1)))
        self.moved = copy.copy(piece)
        self.moved.inputs = tuple(np.array(value) for value in piece.inputs)
        self.arrays = dict(zip(piece.names, self.moved.inputs, strict=False))
        self.arrays |= piece.parameters(self.subject)
        self.gradients, self.seen, self.noise = {}, {}, {}
        for name, array in self.arrays.items():
            self.nudge(name, array, limit)

    def evaluate(self):
        # a layer that draws random numbers draws the same ones again in a copy
        subject = self.subject if self.repeatable else copy.deepcopy(self.subject)
        return np.array(self.moved.forward(subject), np.float64)

    def nudge(self, name, array, limit):
        """Fill in one array, or, where it has more than `limit` entries, so many of them."""
        self.gradients[name] = np.zeros((len(self.weights), *array.shape))
        self.seen[name] = np.zeros(array.shape, bool)
        self.noise[name] = rounding(self.size, self.h, array.size, self.eps)
        entries = np.arange(array.size)
        if limit is not None and array.size > limit:
            entries = np.random.default_rng(0).choice(array.size, limit, replace=False)
        try:
            here = self.evaluate()
            for entry in entries:
                index = tuple(int(i) for i in np.unravel_index(entry, array.shape))
                self.nudge_entry(name, array, index, here)
        except Exception:  # outside the domain of forward: no more is seen of this array
            return

    def along(self, name, direction):
        """The derivatives for each upstream gradient when the whole array moves along `direction`."""
        array, kept = self.arrays[name], self.arrays[name].copy()
        try:
            array[...] = kept + self.h * direction
            above = self.evaluate()
            array[...] = kept - self.h * direction
            return self.weights @ (above - self.evaluate()).ravel() / (2 * self.h)
        finally:
            array[...] = kept

    def nudge_entry(self, name, array, index, here):
        cell = array[(..., *(slice(i, i + 1) for i in index))]  # a view of one entry
        step = (cell.item() + self.h) - (cell.item() - self.h)  # 2 h, as it is after rounding
        ((_, above, below),) = nudged(cell, self.h, self.evaluate)
        if not step > 0 or above.shape != here.shape or below.shape != here.shape:
            return
        slope = (above - below) / step
        self.gradients[name][(slice(None), *index)] = self.weights @ slope.ravel()
        values = above, here, below
        kink = slopes_differ(self.evaluate, array, index, self.h, values, self.size)
        self.seen[name][index] = bool(np.all(np.isfinite(slope))) and not kink


def variants(piece, same_shape=False):
    """The same piece at other inputs: moved on by one and grown, turned around, fewer samples."""
    inputs, t = piece.inputs, piece.t
    batch = len(t) if np.ndim(t) and t is not None else 0
    turned = np.roll(t, 1, axis=0) if batch > 1 and np.ndim(inputs[0]) > 1 else t
    grown = [np.roll(value, 1) * (1.1 - 0.15 * i) for i, value in enumerate(inputs)]
    yield piece.at(grown, turned)
    if len(inputs) == 2 and inputs[0].shape == inputs[1].shape:
        yield piece.at([inputs[1] * 1.05, inputs[0] * 0.95], t)
    yield piece.at([-0.9 * value for value in inputs], t)
    sizes = [np.max(np.abs(value), initial=0.0) for value in inputs]
    if 0 < max(sizes) < 1e-3 or max(sizes) > 20:  # all kinks, or all saturated
        yield piece.at([value / max(sizes) for value in inputs], t)
    if len(inputs) == 1 and np.ndim(inputs[0]) > 1 and len(inputs[0]) > 1 and not same_shape:
        yield piece.at([1.1 * inputs[0][1:]], t[1:] if batch == len(inputs[0]) else t)
