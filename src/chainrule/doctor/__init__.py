"""The doctor: names what is wrong with a backward pass, from its numbers alone.

A gradient that nudging contradicts is compared with what each known mistake would have produced at
that place (`mistakes`, `evidence`, `judge`). Where numbers cannot tell, the doctor calls twice (`state`).
In a network it looks at each layer alone, from the loss backward. `gradcheck.diagnose` is the door.
"""

import warnings
from contextlib import contextmanager
from dataclasses import replace

import numpy as np

from chainrule.doctor.chain import Chain
from chainrule.doctor.evidence import Observation
from chainrule.doctor.findings import finding, raised, unknown
from chainrule.doctor.judge import compare_whole, judge
from chainrule.doctor.probe import (
    LastPiece,
    NetworkPiece,
    Piece,
    as_it_was,
    layers_of,
    private_copy,
    variants,
)
from chainrule.doctor.state import called_before, called_twice, out_of_date, written_to
from chainrule.guards.numbers import as_value
from chainrule.guards.numeric import check_nudge, check_step


def diagnose(target, x, t=None, *, h=1e-5, seed=0):
    """What is wrong with the gradients of `target`: a list of `Finding`s, best first.

    target, x, t   as for `gradient_check`: a node or a layer with its input (or a tuple of inputs), or,
                   with targets t, a loss (x are the scores) or a network
    h              the step of the nudges
    seed           the upstream gradients are random, drawn from this seed

    The list is empty where nothing is wrong. What the target raises is reported, not raised. Target
    and arguments are left as they were.
    """
    check_fine_step(h, "diagnose")
    check_seed(seed)
    network = hasattr(target, "gradient") and hasattr(target, "loss")
    inputs = x if isinstance(x, tuple) and not network else (x,)
    check_arguments("diagnose", target, inputs, t, network)
    for value in inputs:
        check_nudge(np.asarray(as_value(value, "diagnose")), h, "diagnose")
    with quiet(), as_it_was(target):
        if network:
            return examine_network(target, np.asarray(x), t, h, seed)
        piece = Piece(target, inputs, t)
        if type(target).__module__.startswith("chainrule."):
            piece.forward(piece.fresh())  # an argument that does not fit is the caller's mistake
        return examine(piece, h, seed)


SMALLEST_STEP = 1e-12


def check_fine_step(h, where):
    check_step(h)
    if h < SMALLEST_STEP:
        raise ValueError(f"{where}: with a step h = {h!r} rounding would hide every error")


def check_seed(seed):
    if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)) or seed < 0:
        raise ValueError(f"the seed is a whole number from 0, got {seed!r}")


def check_arguments(where, target, inputs, t, network):
    """Raise TypeError or ValueError, naming `where`, for what is no wrong code but a wrong call."""
    if isinstance(target, type):
        raise TypeError(f"{where} wants an object, got the class: try {target.__name__}(...)")
    if network and t is None:
        raise ValueError(f"{where} of a network wants the targets t")
    if network and not hasattr(target, "params"):
        raise TypeError(f"{where} of a network wants its parameters in `params`, got {target!r}")
    if not network and not (hasattr(target, "forward") and hasattr(target, "backward")):
        raise TypeError(f"{where} wants something with forward and backward, got {target!r}")
    if not inputs:
        raise ValueError(f"{where} wants at least one input")
    for value in inputs:
        if not np.all(np.isfinite(as_value(value, where))):
            raise ValueError(f"{where} wants finite inputs, got infinity or NaN")


@contextmanager
def quiet():
    """Code under test may overflow and warn; what counts is what it returns."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        yield


def examine(piece, h, seed):
    """The findings for a node, a layer or a loss."""
    where = piece.names[0]
    try:
        out = piece.forward(piece.fresh())
    except Exception as error:
        return [raised(error, "forward", where)]
    if not np.all(np.isfinite(out)):
        return [finding("not-finite", where, "forward returns a number that is not finite")]
    try:
        observation = Observation(piece, h, seed)
    except Exception as error:
        return [raised(error, "backward", where)]
    named, unnamed = judge(observation)
    state = written_to(piece, observation.douts[0])
    state += out_of_date(observation, h, seed, {one.where for one in named}, unnamed)
    return named + state or [unknown(name, samples) for name, samples in unnamed.items()]


def examine_network(network, x, t, h, seed):
    """The findings for a network, from the loss backward."""
    twin = private_copy(network)
    layers, loss = layers_of(twin), loss_of(twin)
    found = []
    if layers and loss is not None:
        found = examine_layers(layers, loss, x, t, h, seed)
    return found or examine_whole(network, layers, loss, x, t, h, seed)


def loss_of(network):
    names = ("loss_layer", "lastLayer", "last_layer", "loss_fn", "criterion")
    candidates = (getattr(network, name, None) for name in names)
    return next(
        (one for one in candidates if hasattr(one, "forward") and hasattr(one, "backward")), None
    )


def examine_layers(layers, loss, x, t, h, seed):
    """Each layer alone, with the input that it gets here; the one nearest to the loss comes first."""
    found = []
    value = np.array(as_value(x, "diagnose"), np.float64)
    for name, layer in layers.items():
        piece = Piece(layer, (value,))
        found.insert(0, located(examine(piece, h, seed), name))
        try:
            value = np.array(piece.forward(piece.fresh()), np.float64)
        except Exception:
            return [one for part in found for one in part]
        if not np.all(np.isfinite(value)):
            return [one for part in found for one in part]
    found.insert(0, located(examine(LastPiece(loss, (value,), t), h, seed), "loss"))
    return [one for part in found for one in part]


def located(findings, layer):
    """The same findings with the name of the layer in them."""
    return [
        replace(one, where=layer if one.where in ("x", "dout", "t") else f"{layer}.{one.where}")
        for one in findings
    ]


def examine_whole(network, layers, loss, x, t, h, seed):
    """The network as one function, for what its layers alone do not show."""
    piece, end = NetworkPiece(network, (x,), t), np.array(1.0)
    try:
        twin = piece.fresh()
        value, again = piece.forward(twin), piece.forward(twin)
    except Exception as error:
        return [raised(error, "loss", "loss")]
    if not np.all(np.isfinite(value)):
        return [finding("not-finite", "loss", "the loss is not finite")]
    if layers and value != again:
        return []  # it draws random numbers; its layers alone were checked with the same ones
    try:
        claims = piece.claims(end)
        chain = own_chain(layers, loss, x, t, float(value))
        if chain is not None and set(claims) <= set(chain.gradients):
            named, unnamed = compare_whole(claims, chain)
        else:
            named, unnamed = judge(Observation(piece, h, seed))
    except Exception as error:
        return [raised(error, "gradient", "gradient")]
    state = written_to(piece, end) + called_twice(piece, end)
    for variant in variants(piece):
        state = state or called_before(piece, variant, seed)
    return named + state or [unknown(name, samples) for name, samples in unnamed.items()]


def own_chain(layers, loss, x, t, value):
    """The network's own layers as a chain; None if the loss of the network is not what they give."""
    if not layers or loss is None:
        return None
    try:
        chain = Chain(layers, {}, loss).run(np.array(x, np.float64), t)
    except Exception:
        return None
    return chain if abs(float(chain.value) - value) <= 1e-9 * (1 + abs(value)) else None
