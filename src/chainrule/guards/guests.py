"""The doors of the guests: what NumPy would do to Part II's layers without a word, or say less clearly."""

import numpy as np

from chainrule.guards.layers import parameters
from chainrule.guards.numbers import (
    as_array,
    as_numbers,
    check_count,
    check_number,
    check_rng,
    is_count,
)


def arrays(where, **params):
    """The parameters as float arrays."""
    return {name: as_array(value, f"{where} {name}") for name, value in params.items()}


def refuse_number(layer, x):
    if np.ndim(x) == 0:
        raise ValueError(f"{type(layer).__name__} wants x (N, ...), got a number, shape ()")


def check_share(self, p, rng):
    check_number(p, "Dropout drops a share p from 0 to below 1", lambda p: 0 <= p < 1)
    check_rng(rng, "Dropout wants")


def scales(gamma, beta, momentum, eps):
    """The params of a batch normalisation, as float arrays (D,) that fit."""
    params = arrays("BatchNorm", gamma=gamma, beta=beta)
    gamma, beta = params["gamma"].shape, params["beta"].shape
    if len(gamma) != 1 or gamma != beta or gamma == (0,):
        raise ValueError(
            f"BatchNorm wants gamma (D,) and beta (D,), got gamma {gamma} and beta {beta}"
        )
    check_number(
        momentum, "BatchNorm wants momentum as a number from 0 to 1", lambda m: 0 <= m <= 1
    )
    check_number(eps, "BatchNorm wants eps as a number from 0")
    return params


def refuse_batch(layer, x):
    """A single column would be stretched to as many as gamma has; a mean over no sample is no number."""
    D, axis = len(layer.params["gamma"]), 1 if x.ndim == 4 else -1
    if x.ndim not in (1, 2, 4) or x.shape[axis] != D:
        raise ValueError(
            f"BatchNorm wants x (N, {D}), or images (N, {D}, H, W), to go with gamma ({D},), "
            f"got x {x.shape}"
        )
    if layer.training and not x.size:
        raise ValueError(f"BatchNorm in training wants samples to average, got x {x.shape}")


def whole_numbers(layer, x):
    """x as an array of whole numbers, whatever came."""
    x = as_numbers(x, type(layer).__name__)
    return x.astype(np.int64) if x.dtype.kind == "u" else x


def refuse_words(layer, x):
    """A negative number would count from behind, and True and False would be a mask."""
    if x.dtype.kind != "i":
        raise TypeError(f"Embedding wants whole numbers as x, the rows to pick, got {x.dtype}")
    V = len(layer.params["W"])
    wrong = x[(x < 0) | (x >= V)]
    if wrong.size:
        raise ValueError(f"Embedding has rows 0 to {V - 1} in W, got x with {wrong.flat[0]}")


def refuse_sequences(layer, x):
    D = len(layer.params["Wq"])
    if x.ndim not in (2, 3) or x.shape[-1:] != (D,) or x.shape[-2] == 0:
        raise ValueError(
            f"Attention wants x (N, T, {D}), or one sequence (T, {D}), to go with Wq "
            f"{layer.params['Wq'].shape}, got {x.shape}"
        )


# Images: what slides over them must fit, and has two sizes, down and across.


def kernels(W, b):
    """The params of a convolution: W (F, C, KH, KW) and b (F,), or W alone."""
    return parameters(W, b, "Conv2D", "F, C, KH, KW", "F")


def pair(where, name, value):
    """A number as two of it, two numbers as a tuple. ValueError for anything else."""
    both = (value, value) if is_count(value) else value
    if not (
        isinstance(both, (tuple, list))
        and len(both) == 2
        and all(is_count(one) and one >= 1 for one in both)
    ):
        raise ValueError(f"{where} wants {name} as a number from 1, or two of them, got {value!r}")
    return tuple(map(int, both))


def frame(pad):
    return check_count(pad, "Conv2D wants pad as a whole number from 0", 0)


def refuse_kernels(layer, x):
    W = layer.params["W"].shape
    if x.ndim == 4 and x.shape[1] != W[1]:
        raise ValueError(f"Conv2D wants x (N, {W[1]}, H, W) to go with W {W}, got x {x.shape}")
    refuse_images(layer, x, W[2:], layer.pad)


def refuse_images(layer, x, size=None, pad=0):
    name, size = type(layer).__name__, size or layer.size
    if x.ndim != 4:
        hint = "; one image is a batch of one, x[np.newaxis]" if x.ndim == 3 else ""
        raise ValueError(f"{name} wants images x (N, C, H, W), got shape {x.shape}{hint}")
    if x.shape[2] + 2 * pad < size[0] or x.shape[3] + 2 * pad < size[1]:
        raise ValueError(
            f"{name}: a window {size} does not fit into an image {x.shape[2:]} with pad {pad}"
        )
