"""The doors of a network: layers that can go both ways, and a way back from the pass just made.

Each layer's forward leaves a fresh token, `seen` (see `layers`). A network notes them with its loss,
and goes back only while every layer still holds its own. A layer without a door has no token.

Some layers behave differently while they learn and while they predict: they have an attribute
`training`, True by default. A pass with targets is for learning, and leaves it as it is; a pass without
(`predict`, `accuracy`, `forward_steps(x)`) sets it to False around each layer, and puts it back. So a loss
on held-out data is `network.loss_layer.forward(network.predict(x), t)`, and moves nothing.
"""

import copy
from collections import OrderedDict
from collections.abc import Mapping
from contextlib import contextmanager
from functools import wraps
from itertools import combinations
from operator import is_ as is_same
from os import fspath
from zipfile import BadZipFile

import numpy as np

from chainrule.guards.layers import Layer
from chainrule.guards.losses import Loss
from chainrule.guards.numbers import NOTHING, SAYS, as_array, as_numbers
from chainrule.guards.numeric import check_nudge, check_step


class Model:
    """What stands behind `Network`."""

    checked = ()  # the layers and the loss that were last looked over
    run = ()  # the tokens that the forwards of the last pass left, once it has come to its loss
    alone = False  # whether nobody looks on between the steps of this pass
    ours = False  # whether all layers are the package's own
    one_pass = False  # whether loss and backward are the package's own, and no reader's
    spares = False  # whether the first layer may leave out its dx
    both_ways = ()  # the layers that have an attribute `training`
    held = None  # during a numerical gradient: the noise, held still

    def __init_subclass__(cls, **options):
        super().__init_subclass__(**options)
        if Model in cls.__bases__:
            for name, door in DOORS.items():
                setattr(cls, name, door(getattr(cls, name)))

    def pieces(self):
        """The layers and the loss, looked over once for each change of them."""
        now = [*self.layers.values(), self.loss_layer]
        if not same(now, self.checked):
            check_layers(self.layers, self.loss_layer)
            self.checked = now
            self.ours = all(map(is_ours, now))
            self.one_pass = self.own("loss") and self.own("backward")
            spares = self.own("backward_steps") and is_ours(now[0])
            self.spares = spares and getattr(now[0], "want_dx", False)
            self.both_ways = [piece for piece in now if hasattr(piece, "training")]
        return now

    def own(self, name):
        """Whether a method is the package's own: then it has a door."""
        return hasattr(getattr(type(self), name), "__wrapped__")

    @property
    def kept(self):
        """What a file keeps: the parameters, and what a layer counts besides (its dict `running`)."""
        return Parameters(self.layers, {**self.collect("params"), **self.collect("running")})

    def __repr__(self):
        pieces = [*self.layers.items(), ("loss", self.loss_layer)]
        lines = "".join(f"\n  {name}: {piece!r}" for name, piece in pieces)
        return f"{type(self).__name__}{lines}"


def is_ours(piece):
    return isinstance(piece, (Layer, Loss)) and type(piece).__module__.startswith("chainrule.")


class Parameters(dict):
    """A network's parameters by name: the live arrays. What is assigned to an entry goes into its layer."""

    __slots__ = ("layers",)

    def __init__(self, layers, found):
        dict.__init__(self, found)
        self.layers = layers

    def __setitem__(self, key, array):
        if key not in self:
            raise KeyError(f"no parameter {key!r}; there are {', '.join(self) or 'none'}")
        name, _, short = key.rpartition(".")
        array = as_array(array, f"Network.params[{key!r}]")
        check_sharing({**self, key: array}.items())
        layer = next(layer for other, layer in self.layers.items() if str(other) == name)
        layer.params[short] = array
        super().__setitem__(key, array)

    def update(self, *others, **more):
        for key, array in dict(*others, **more).items():
            self[key] = array

    def __ior__(self, other):
        self.update(other)
        return self

    def take(self, saved):
        """Copy in the arrays of `saved`, by name: all of them or, where one does not fit, none."""
        saved = {key: as_numbers(array, f"Network.load: {key}") for key, array in saved.items()}
        fits, wanted = ({key: a.shape for key, a in arrays.items()} for arrays in (saved, self))
        if fits != wanted:
            raise ValueError(f"the file holds {fits}, and the network wants {wanted}")
        for key, array in self.items():
            array[...] = saved[key]

    def __reduce__(self):  # a copy is a plain dict: it belongs to no network
        return dict, (dict(self),)


def same(now, before):
    """Whether these are the very same objects; two layers may be equal, and remember different inputs."""
    return len(now) == len(before) and all(map(is_same, now, before))


def npz(path):
    """The name of a file as `numpy.savez` completes it; an open file as it is."""
    if hasattr(path, "write"):
        return path
    path = fspath(path)
    return path if path.endswith(".npz") else f"{path}.npz"


def saved_arrays(path):
    """The arrays in a file, by name; ValueError for what `save` did not write."""
    try:
        with np.load(npz(path), allow_pickle=False) as saved:
            return dict(saved)
    except (ValueError, TypeError, EOFError, BadZipFile) as error:
        raise ValueError(
            f"Network.load wants a file that Network.save wrote, got {path!r}: {error}"
        ) from None


def init_door(formula):
    @wraps(formula)
    def __init__(self, layers, loss):
        if isinstance(layers, (list, tuple)):
            layers = named(layers)
        if not isinstance(layers, dict):
            raise TypeError(
                f"Network wants a dict of layers, or a list of them, got {type(layers).__name__}"
            )
        formula(self, layers, loss)
        self.pieces()

    return __init__


def named(layers):
    """Affine1, ReLU1, Affine2, ...: each layer by its class and how many of it came so far."""
    kinds = [type(layer).__name__ for layer in layers]
    names = [f"{kind}{kinds[:n].count(kind)}" for n, kind in enumerate(kinds, 1)]
    return OrderedDict(zip(names, layers, strict=True))


def forward_door(formula):
    @wraps(formula)
    def forward_steps(self, x, t=None):
        return formula(self, x, t) if self.alone else watched_forward(formula, self, x, t)

    return forward_steps


def watched_forward(formula, network, x, t):
    """The steps forward, for somebody who looks on, and may start another pass in between."""
    pieces = network.pieces()
    network.run = run = []  # a new pass: what came of the last one is forgotten
    steps = formula(network, x, t)
    if t is None and network.both_ways:
        steps = predicted(steps, network.both_ways)
    for piece, step in zip(pieces, steps, strict=False):
        run += tokens([piece])
        yield step


def predicted(steps, layers):
    """The steps of a pass that predicts. Between them, whoever looks on meets the layers as they were."""
    while True:
        with predicting(layers):
            step = next(steps, None)
        if step is None:
            return
        yield step


@contextmanager
def predicting(layers):
    """While it lasts, no layer is in training."""
    before = [layer.training for layer in layers]
    try:
        for layer in layers:
            layer.training = False
        yield
    finally:
        for layer, was in zip(layers, before, strict=True):
            layer.training = was


class Still:
    """While it lasts, what layers draw and count goes into copies: afterwards all is as it was.

    These are the random generators, arrays and numbers among the attributes of a layer that has such a
    generator, or `training`; parameters and gradients are left alone. `again()` starts from the same
    state once more, so that a second run draws what the first one drew.
    """

    def __init__(self, layers):
        self.layers = [layer for layer in layers if counted(layer)]
        self.kept = [*map(counted, self.layers)]

    def __enter__(self):
        self.again()
        return self

    def again(self):
        self.put(copy.deepcopy(self.kept))

    def __exit__(self, *_):
        self.put(self.kept)

    def put(self, kept):
        for layer, mine in zip(self.layers, kept, strict=True):
            vars(layer).update(mine)


def counted(layer):
    random, held = (np.random.Generator, np.random.RandomState), getattr(layer, "__dict__", {})
    if not (hasattr(layer, "training") or any(isinstance(one, random) for one in held.values())):
        return {}
    learnt = [*map(id, (getattr(layer, "params", None) or {}).values())]
    return {
        name: value
        for name, value in held.items()
        if isinstance(value, (*random, np.ndarray, int, float)) and id(value) not in learnt
    }


def tokens(pieces):
    """What the forward of each piece left (see `layers`): None, where it is a reader's own."""
    return [getattr(piece, "seen", None) for piece in pieces]


def backward_door(formula):
    @wraps(formula)
    def backward_steps(self, dout=1.0):
        return formula(self, dout) if self.alone else watched_backward(formula, self, dout)

    return backward_steps


def watched_backward(formula, network, dout):
    run = network.run
    check_memory(network, run)
    for step in formula(network, dout):
        yield step
        check_memory(network, run)


def check_memory(network, run):
    """RuntimeError unless every layer still remembers this run, and the network began no other."""
    pieces = [*network.layers.values(), network.loss_layer]
    now = tokens(pieces)
    if network.run is not run or len(run) != len(now) or not same(pieces, network.checked):
        raise RuntimeError("Network.backward goes back from a loss: call loss(x, t) just before")
    if not same(now, run):
        other = next(piece for piece, one, two in zip(pieces, now, run) if one is not two)
        raise RuntimeError(
            "Network.backward: you or another network has used a layer since the loss, "
            f"{other!r}, and a layer remembers one input; call loss(x, t) again"
        )


def pass_door(there=False, back=False):
    """For a whole pass, there or back or both, while nobody looks on.

    It is quiet if all its layers are ours; a reader's own may compute what it likes, and hear what NumPy
    says of it. On the way back the first layer leaves its dx out, if it knows how to: nothing uses the
    gradient of the images, and for 784-50-10 it takes a third of all multiplications.
    """

    def door(formula):
        @wraps(formula)
        def whole(self, *args, **named):
            __tracebackhide__ = True
            if self.alone:
                return formula(self, *args, **named)
            if there:
                begin(self, *args, **named)
                if back and not self.one_pass:  # each is a pass of its own
                    return formula(self, *args, **named)
            else:
                check_memory(self, self.run)
            first = self.checked[0] if back and self.spares else None
            self.alone, before = True, self.ours and SAYS.set(NOTHING)
            if first is not None:
                first.want_dx = False
            try:
                found = formula(self, *args, **named)
            finally:
                self.alone = False
                if before:
                    SAYS.reset(before)
                if first is not None:
                    del first.want_dx
            if there:
                pieces = self.checked
                self.run = [piece.seen for piece in pieces] if self.ours else tokens(pieces)
            return found

        return whole

    return door


def begin(network, x, t):
    if t is None:
        raise TypeError("Network.loss wants the targets t, got None")
    network.pieces()
    network.run = ()
    if network.held is not None:
        network.held.again()


def nudge_door(formula):
    @wraps(formula)
    def numerical_gradient(self, x, t, h=1e-5):
        __tracebackhide__ = True
        check_step(h)
        for key, array in self.params.items():
            check_nudge(array, h, f"Network.numerical_gradient: {key}")
        try:
            with Still(self.pieces()) as self.held:
                return formula(self, x, t, h)
        finally:
            self.held = None
            self.run = ()  # the last pass was a nudged one: nobody wants to go back from that

    return numerical_gradient


DOORS = {
    "__init__": init_door,
    "forward_steps": forward_door,
    "backward_steps": backward_door,
    "loss": pass_door(there=True),
    "backward": pass_door(back=True),
    "gradient": pass_door(there=True, back=True),
    "numerical_gradient": nudge_door,
}


def check_layers(layers, loss):
    """TypeError or ValueError unless every layer, and the loss, can go forward and backward."""
    for name, layer in [*layers.items(), ("the loss", loss)]:
        if isinstance(layer, type) or not (
            callable(getattr(layer, "forward", None)) and callable(getattr(layer, "backward", None))
        ):
            raise TypeError(f"Network: layer {name!r} has no forward and backward, got {layer!r}")
        if not isinstance(getattr(layer, "params", {}), Mapping):
            raise TypeError(f"Network: layer {name!r} wants a dict of params, got {layer.params!r}")
    pieces = [*layers.values(), loss]
    if len(set(map(id, pieces))) < len(pieces):
        raise ValueError(
            "a layer object stands twice in the network; it remembers one input (a ReLU its mask), "
            "so the second use would overwrite the first: make a layer for each place"
        )
    arrays = [
        (f"{name}.{key}", array)
        for name, layer in layers.items()
        for key, array in getattr(layer, "params", {}).items()
        if isinstance(array, np.ndarray)
    ]
    check_sharing(arrays)


def check_sharing(arrays):
    for (one, a), (other, b) in combinations(arrays, 2):
        if a is b or (np.may_share_memory(a, b) and np.shares_memory(a, b)):
            raise ValueError(
                f"Network: {one} and {other} are one array; an update of the one would move the "
                "other: give each its own copy"
            )


def check_two_layers(D, H, C, rng, activation="relu"):
    if not isinstance(activation, str) or activation not in ("relu", "sigmoid"):
        raise ValueError(f'activation is "relu" or "sigmoid", got {activation!r}')
