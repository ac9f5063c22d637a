"""The door of a layer: shapes and types, one sample or many, and a token of each run.

`seen` is made anew at each forward. So it tells the shape and type that `dout` must have, and whoever
kept it can see later whether the layer has run again since: a network does.
"""

from functools import wraps
from inspect import signature

import numpy as np
from numpy import ndarray

from chainrule.guards.numbers import (
    NOTHING,
    SAYS,
    as_array,
    check_counts,
    check_has_run,
    check_number,
    check_rng,
    quiet,
    say_so,
)

MISSING = object()


class Layer:
    """What the package's layers share. A subclass writes `forward(x)` and `backward(dout) -> dx`."""

    seen = None  # after forward: the shape and type of the output
    fitted = MISSING, None  # the W and b that were last looked at
    rows = False  # whether it is affine: W and b are to fit, and a sample is a row of a matrix
    keeps_output = False  # for backward: then the caller gets a copy, and may write into it
    refuse = None  # what it checks of x besides, before it changes anything
    want_dx = True  # False in a network's first layer, which has nobody to hand its dx to

    def __init__(self):
        self.params, self.grads = {}, {}

    def __init_subclass__(cls, **options):
        super().__init_subclass__(**options)
        if "init" in vars(cls) and cls.__module__.startswith("chainrule."):
            cls.init = init_door(cls.init.__func__)
        if Layer in cls.__bases__ and hasattr(cls, "forward") and hasattr(cls, "backward"):
            if cls.refuse is not None:
                for name in {"forward", "expand"} & set(dir(cls)):
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
        given, before = self.read(getattr(x, "value", x)), self.__dict__.copy()
        try:
            refuse(self, given)
            return formula(self, x)
        except Exception as error:
            say_so(error, self, type(self).__name__, before, given)

    return method


def forward_door(formula):
    hushed = quiet(formula)

    @wraps(formula)
    def forward(self, x):
        __tracebackhide__ = True
        if type(x) is not ndarray or x.dtype.kind != "f":
            x = self.read(x)
        if self.rows:
            (W, b), params = self.fitted, self.params
            if type(params) is not dict or params.get("W") is not W or params.get("b") is not b:
                W, b = check_parameters(params)
            if x.ndim != 2 or x.shape[1] != len(W):
                return as_rows(self, x, W, hushed)
            self.fitted = W, b
        out = formula(self, x) if SAYS.get() is NOTHING else hushed(self, x)
        self.seen = out.shape, out.dtype
        return out.copy() if self.keeps_output else out

    return forward


def as_rows(layer, x, W, hushed):
    """One sample is a batch of one, and a batch of batches is one batch."""
    if x.shape[-1:] != (len(W),):
        raise ValueError(f"Affine wants x (N, {len(W)}) to go with W {W.shape}, got x {x.shape}")
    out = hushed(layer, x.reshape(-1, len(W))).reshape(*x.shape[:-1], W.shape[1])
    layer.seen = out.shape, out.dtype
    return out


def backward_door(formula):
    hushed = quiet(formula)

    @wraps(formula)
    def backward(self, dout):
        __tracebackhide__ = True
        if self.seen is None:
            check_has_run(self)
            return formula(self, dout)
        shape, dtype = self.seen
        if type(dout) is not ndarray or dout.shape != shape or dout.dtype is not dtype:
            dout = upstream(self, dout)
        if self.rows and len(shape) != 2:
            dx = hushed(self, dout.reshape(-1, shape[-1]))
            return None if dx is None else dx.reshape(*shape[:-1], dx.shape[-1])
        return formula(self, dout) if SAYS.get() is NOTHING else hushed(self, dout)

    return backward


def upstream(layer, dout):
    """`dout` as an array of the shape and type of what the layer's forward returned."""
    where, (shape, dtype) = f"{type(layer).__name__}.backward", layer.seen
    dout = as_array(dout, where)
    if dout.shape != shape:
        raise ValueError(f"{where} wants a dout of the output's shape {shape}, got {dout.shape}")
    return dout.astype(dtype, copy=False)


def parameters(W, b, *kind):
    """The params of a layer with weights, as float arrays that fit: W and b, or W alone."""
    params = {"W": W} if b is None else {"W": W, "b": b}
    check_parameters(params, *kind)
    return params


def check_parameters(params, where="Affine", sizes="D, M", of_b="M"):
    """W and b. ValueError or TypeError unless they fit; what is no float array yet becomes one.

    sizes   the letters of W's shape, and `of_b` the one of them that b has
    """
    try:
        W, b = params["W"], params.get("b")
    except (KeyError, TypeError, AttributeError):
        raise ValueError(f'{where} wants params "W" and "b", got {params!r}') from None
    W = params["W"] = as_array(W, f"{where} W")
    if b is not None:
        b = params["b"] = as_array(b, f"{where} b")
    letters = sizes.split(", ")
    if W.ndim != len(letters) or (b is not None and b.shape != (W.shape[letters.index(of_b)],)):
        got = f"W {W.shape}" + ("" if b is None else f" and b {b.shape}")
        raise ValueError(f"{where} wants W ({sizes}) and b ({of_b},), got {got}")
    return W, b


def init_door(init):
    """`init` of a layer, behind a look at its sizes (one capital letter each), its generator and its scale."""

    @wraps(init)
    def behind_a_door(cls, *args, **kwargs):
        __tracebackhide__ = True
        where = f"{cls.__name__}.init"
        for name, value in signature(init).bind(cls, *args, **kwargs).arguments.items():
            if name.isupper():
                check_counts(where, **{name: value})
            elif name == "rng":
                check_rng(value, f"{where} wants")
            elif name == "scale":
                check_scale(where, value)
        return init(cls, *args, **kwargs)

    return classmethod(behind_a_door)


def check_scale(where, scale):
    if not (isinstance(scale, str) and scale in ("he", "xavier")):
        check_number(scale, f'{where}: scale is "he", "xavier" or a number from 0')
