"""The door of a layer: shapes and types, one sample or many, and a token of each run.

`seen` is made anew at each forward. So it tells the shape and type that `dout` must have, and whoever
kept it can see later whether the layer has run again since: a network does.
"""

from functools import wraps

import numpy as np
from numpy import ndarray

from chainrule.guards.numbers import (
    HUSHED,
    as_array,
    check_counts,
    check_rng,
    is_number,
    minds_itself,
    quiet,
)


class Layer:
    """What the package's layers share. A subclass writes `forward(x)` and `backward(dout) -> dx`."""

    seen = None  # after forward: the shape and type of the output
    fitted = None, None  # the W and b that were last looked at
    rows = False  # whether it is affine: W and b are to fit, and a sample is a row of a matrix
    keeps_output = False  # for backward: then the caller gets a copy, and may write into it
    refuse = None  # what it checks of x besides, before it changes anything
    want_dx = True  # False in a network's first layer, which has nobody to hand its dx to

    def __init__(self):
        self.params, self.grads = {}, {}

    def __init_subclass__(cls, **options):
        super().__init_subclass__(**options)
        if Layer in cls.__bases__ and hasattr(cls, "forward") and hasattr(cls, "backward"):
            if cls.refuse is not None:
                for name in ("forward", "expand"):
                    setattr(cls, name, checked(getattr(cls, name), cls.refuse))
            cls.forward, cls.backward = forward_door(cls.forward), backward_door(cls.backward)

    def read(self, x):
        """x as a float array, whatever came."""
        return as_array(x, type(self).__name__)

    def __repr__(self):
        sizes = ", ".join(f"{key} {np.shape(array)}" for key, array in self.params.items())
        return f"{type(self).__name__}({sizes})"


def checked(formula, refuse):
    """`forward` or `expand`, behind a look at x; `expand` may get it as a `Variable`."""

    @wraps(formula)
    def method(self, x):
        __tracebackhide__ = True
        refuse(self, self.read(getattr(x, "value", x)))
        return formula(self, x)

    return method


def forward_door(formula):
    hushed = quiet(formula)

    @wraps(formula)
    def forward(self, x):
        __tracebackhide__ = True
        if type(x) is not ndarray or x.dtype.kind != "f":
            x = self.read(x)
        if self.rows:
            params, fitted = self.params, self.fitted
            W, b = fitted
            if (
                W is None
                or not isinstance(params, dict)
                or params.get("W") is not W
                or params.get("b") is not b
            ):
                W, b = fitted = check_parameters(params)
            if x.ndim == 0 or x.shape[-1] != len(W):
                raise ValueError(
                    f"Affine wants x (N, {len(W)}) to go with W {W.shape}, got x {x.shape}"
                )
            self.fitted = fitted
            if x.ndim != 2:  # one sample is a batch of one, and a batch of batches is one batch
                out = hushed(self, x.reshape(-1, x.shape[-1]))
                out = out.reshape(*x.shape[:-1], out.shape[-1])
                self.seen = out.shape, out.dtype
                return out
        out = formula(self, x) if HUSHED.get() else hushed(self, x)
        self.seen = out.shape, out.dtype
        return out.copy() if self.keeps_output else out

    return forward


def backward_door(formula):
    hushed = quiet(formula)

    @wraps(formula)
    def backward(self, dout):
        __tracebackhide__ = True
        if self.seen is None and minds_itself(self):
            return formula(self, dout)
        if self.seen is None:
            raise RuntimeError(f"{type(self).__name__}: backward was called before forward")
        shape, dtype = self.seen
        if type(dout) is not ndarray or dout.shape != shape or dout.dtype is not dtype:
            dout = upstream(self, dout)
        for key in self.grads:
            self.grads[key] = None  # the last one's memory is free again
        if self.rows and len(shape) != 2:
            dx = hushed(self, dout.reshape(-1, shape[-1]))
            return None if dx is None else dx.reshape(*shape[:-1], dx.shape[-1])
        return formula(self, dout) if HUSHED.get() else hushed(self, dout)

    return backward


def upstream(layer, dout):
    """`dout` as an array of the shape and type of what the layer's forward returned."""
    where, (shape, dtype) = f"{type(layer).__name__}.backward", layer.seen
    dout = as_array(dout, where)
    if dout.shape != shape:
        raise ValueError(f"{where} wants a dout of the output's shape {shape}, got {dout.shape}")
    return dout.astype(dtype, copy=False)


def parameters(W, b):
    """The params of an affine layer, as float arrays that fit: W (D, M) and b (M,), or W hushed."""
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
    return W, b


def check_start(cls, D, M, rng, scale="he"):
    check_rng(rng, "Affine.init wants")
    check_counts("Affine.init", D=D, M=M)
    check_scale("Affine.init", scale)


def check_scale(where, scale):
    if isinstance(scale, str) and scale in ("he", "xavier"):
        return
    if not is_number(scale):
        raise ValueError(f'{where}: scale is "he", "xavier" or a number, got {scale!r}')
    if scale < 0:
        raise ValueError(f"{where}: scale cannot be negative, got {scale!r}")
