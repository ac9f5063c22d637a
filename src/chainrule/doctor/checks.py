"""Checks: what is refused before anything is examined, because it is a wrong call and no wrong code."""

import inspect
import warnings
from collections.abc import Mapping
from contextlib import contextmanager

import numpy as np

from chainrule.doctor import pieces
from chainrule.doctor.copies import params_of, slots
from chainrule.doctor.findings import said
from chainrule.graph import Variable
from chainrule.guards.numbers import as_value
from chainrule.guards.numeric import check_nudge, check_step

SMALLEST_STEP = 1e-12


@contextmanager
def quiet():
    """Code under test may overflow and warn; what counts is what it returns."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        yield


def check_numbers(h, seed, where):
    check_step(h)
    if h < SMALLEST_STEP:
        raise ValueError(f"{where}: with a step h = {h!r} rounding would hide every error")
    if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)) or seed < 0:
        raise ValueError(f"the seed is a whole number from 0, got {seed!r}")


def piece_for(where, target, x, t, h, last=False):
    """The `Piece` for a target, or TypeError or ValueError, naming `where`, for a wrong call.

    last   whether a loss stands at the end, with nothing above it, so that its dout is 1
    """
    if isinstance(target, type):
        raise TypeError(f"{where} wants an object, got the class: try {target.__name__}(...)")
    if isinstance(target, Variable):
        return pieces.piece_of_graph(target)
    network = pieces.is_network(target)
    if network and t is None:
        raise ValueError(f"{where} of a network wants the targets t")
    if network and not params_of(target) and not slots(target):
        raise TypeError(f"{where} of a network wants its parameters in `params`, got {target!r}")
    inputs = x if isinstance(x, tuple) and not network else (x,)
    walks = hasattr(target, "forward") and hasattr(target, "backward")
    if not inputs or (x is None and callable(target)):
        raise ValueError(f"{where} wants at least one input")
    if callable(target) and not walks and isinstance(inputs[0], Mapping):
        target, inputs, network = pieces.OfParams(target, *inputs), inputs[1:] or (0.0,), True
    if walks or network:
        check_inputs(where, inputs, h)
    with quiet():
        if network:
            return pieces.NetworkPiece(target, inputs, t)
        if walks:
            piece = pieces.Piece(target, inputs, t)
            return piece.at_the_end() if last and t is not None else piece
        if callable(target) and all(np.asarray(v).dtype.kind in "fiub" for v in inputs):
            check_inputs(where, inputs, h)
            if (piece := pieces.piece_of_function(target, inputs, t)) is not None:
                return piece
    raise TypeError(
        f"{where} wants something with forward and backward, a Variable, or a function that gives a "
        f"Variable or a pair, (value, gradient) or (output, backward), got {target!r}"
    )


def check_inputs(where, inputs, h):
    for value in inputs:
        value = as_value(value, where)
        if not np.all(np.isfinite(value)):
            raise ValueError(f"{where} wants finite inputs, got infinity or NaN")
        check_nudge(np.asarray(value), h, where)


def checked_piece(target, x, t, h, seed, allow_float32):
    """`piece_for` with what `gradient_check` refuses beyond it: another number of inputs, or numbers
    too coarse. Its `problem` says, in words, why it cannot be run."""
    where = "gradient_check"
    check_numbers(h, seed, where)
    alone = hasattr(target, "forward") and not pieces.is_network(target)
    if alone and not isinstance(target, type):
        check_count(target, (*(x if isinstance(x, tuple) else (x,)), *(() if t is None else (t,))))
    piece = piece_for(where, target, x, t, h, last=True)
    if piece.error is not None and type(target).__module__.startswith("chainrule."):
        raise piece.error  # an argument that does not fit is the caller's mistake
    for name, array in piece.originals().items():
        check_nudge(array, h, f"gradient_check: {name}")
        if array.dtype != np.float64 and not allow_float32:
            raise ValueError(
                f"gradient_check wants float64, got {name} in {array.dtype}: "
                "convert it, or pass allow_float32=True"
            )
    piece.strict, piece.problem = False, ""
    if piece.error is not None:
        piece.problem = said(piece.error, "forward")
    elif not piece.repeatable:
        piece.problem = (
            "the same input gives two outputs: give it a fixed mask, or a generator of its own"
        )
    return piece


def check_count(target, inputs):
    """TypeError unless the target's forward takes so many inputs."""
    try:
        takes = inspect.signature(target.forward)
    except (TypeError, ValueError):  # written in C, say: it has none to look at
        return
    try:
        takes.bind(*inputs)
    except TypeError:
        raise TypeError(
            f"gradient_check: {type(target).__name__}.forward takes {takes}, got {len(inputs)} "
            "(two inputs go in as a tuple, the targets of a loss as t)"
        ) from None
