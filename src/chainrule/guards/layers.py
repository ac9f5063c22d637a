"""The door of a layer: shapes and types, one sample or many, and a token of each run.

`seen` is made anew at each forward. So it tells the shape and type that `dout` must have, and whoever
kept it can see later whether the layer has run again since: a network does.
"""

from functools import wraps

import numpy as np

from chainrule.guards.numbers import (
    as_array,
    check_counts,
    check_rng,
    is_number,
    quiet,
)


class Layer:
    """What the package's layers share. A subclass writes `forward(x)` and `backward(dout) -> dx`."""

    seen = None  # after forward: the shape and type of the output
    rows = False  # whether the formula wants a matrix, a sample a row
    want_dx = True  # False in a network's first layer, which has nobody to hand its dx to

    def __init__(self):
        self.params, self.grads = {}, {}

    def __init_subclass__(cls, **options):
        super().__init_subclass__(**options)
        if Layer in cls.__bases__:
            cls.forward, cls.backward = forward_door(cls.forward), backward_door(cls.backward)

    def accept(self, x):
        """What a layer checks besides: nothing, unless it has parameters."""

    def __repr__(self):
        sizes = ", ".join(f"{key} {np.shape(array)}" for key, array in self.params.items())
        return f"{type(self).__name__}({sizes})"


def forward_door(formula):
    hushed = quiet(formula)

    @wraps(formula)
    def forward(self, x):
        __tracebackhide__ = True
        if type(x) is not np.ndarray or x.dtype.kind != "f":
            x = as_array(x, type(self).__name__)
        self.accept(x)
        if self.rows and x.ndim != 2:  # one sample is a batch of one, and a batch of batches is one
            out = hushed(self, x.reshape(-1, x.shape[-1]))
            out = out.reshape(*x.shape[:-1], out.shape[-1])
        else:
            out = hushed(self, x)
        self.seen = out.shape, out.dtype
        for kept in self.__dict__.values():
            if kept is out:  # backward needs it, and the caller may write into what it got
                return out.copy()
        return out

    return forward


def backward_door(formula):
    hushed = quiet(formula)

    @wraps(formula)
    def backward(self, dout):
        __tracebackhide__ = True
        if self.seen is None:
            raise RuntimeError(f"{type(self).__name__}: backward was called before forward")
        shape, dtype = self.seen
        if type(dout) is not np.ndarray or dout.shape != shape or dout.dtype is not dtype:
            dout = upstream(self, dout)
        if self.grads:
            self.grads.update(dict.fromkeys(self.grads))  # the last one's memory is free again
        if self.rows and len(shape) != 2:
            dx = hushed(self, dout.reshape(-1, shape[-1]))
            return None if dx is None else dx.reshape(*shape[:-1], dx.shape[-1])
        return hushed(self, dout)

    return backward


def upstream(layer, dout):
    """`dout` as an array of the shape and type of what the layer's forward returned."""
    where, (shape, dtype) = f"{type(layer).__name__}.backward", layer.seen
    dout = as_array(dout, where)
    if dout.shape != shape:
        raise ValueError(f"{where} wants a dout of the output's shape {shape}, got {dout.shape}")
    return dout.astype(dtype, copy=False)


def parameters(W, b):
    """The params of an affine layer, as float arrays that fit: W (D, M) and b (M,), or W alone."""
    params = {"W": W} if b is None else {"W": W, "b": b}
    check_parameters(params)
    return params


def check_parameters(params):
    """ValueError or TypeError unless W and b fit; what is no float array yet becomes one."""
    try:
        W, b = params["W"], params.get("b")
    except (KeyError, TypeError):
        raise ValueError(f'Affine wants params "W" and "b", got {params!r}') from None
    if type(W) is not np.ndarray or W.dtype.kind != "f":
        W = params["W"] = as_array(W, "Affine W")
    if b is not None and (type(b) is not np.ndarray or b.dtype.kind != "f"):
        b = params["b"] = as_array(b, "Affine b")
    if W.ndim != 2 or (b is not None and b.shape != W.shape[1:]):
        got = f"W {W.shape}" + ("" if b is None else f" and b {b.shape}")
        raise ValueError(f"Affine wants W (D, M) and b (M,), got {got}")
    return W


def check_affine(layer, x):
    """The parameters are looked at each time: an entry may be assigned anew at any time."""
    W = check_parameters(layer.params)
    if x.ndim == 0 or x.shape[-1] != len(W):
        raise ValueError(f"Affine wants x (N, {len(W)}) to go with W {W.shape}, got x {x.shape}")


def check_start(cls, D, M, rng, scale="he"):
    check_rng(rng, "Affine.init wants")
    check_counts("Affine.init", D=D, M=M)
    if isinstance(scale, str) and scale in ("he", "xavier"):
        return
    if not is_number(scale):
        raise ValueError(f'Affine.init: scale is "he", "xavier" or a number, got {scale!r}')
    if scale < 0:
        raise ValueError(f"Affine.init: scale cannot be negative, got {scale!r}")
