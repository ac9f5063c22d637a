"""The doors of layers for images: kernels that fit, windows that fit into the image."""

import numpy as np

from chainrule.guards.layers import check_scale
from chainrule.guards.numbers import as_array, check_counts, check_rng, is_count


def kernels(W, b):
    """The params of a convolution, as float arrays that fit: W (F, C, KH, KW) and b (F,), or W alone."""
    params = {"W": W} if b is None else {"W": W, "b": b}
    fitting(params)
    return params


def fitting(params):
    """W. ValueError or TypeError unless W and b fit; what is no float array yet becomes one."""
    try:
        W, b = params["W"], params.get("b")
    except (KeyError, TypeError, AttributeError):
        raise ValueError(f'Conv2D wants params "W" and "b", got {params!r}') from None
    W = params["W"] = as_array(W, "Conv2D W")
    if b is not None:
        b = params["b"] = as_array(b, "Conv2D b")
    if W.ndim != 4 or 0 in W.shape or (b is not None and b.shape != W.shape[:1]):
        got = f"W {W.shape}" + ("" if b is None else f" and b {b.shape}")
        raise ValueError(f"Conv2D wants W (F, C, KH, KW) and b (F,), got {got}")
    return W


def pair(value):
    """A number as two of it, two numbers as a tuple; None for anything else."""
    both = (value, value) if is_count(value) else value
    if isinstance(both, (tuple, list)) and len(both) == 2 and all(map(is_count, both)):
        return tuple(map(int, both))


def window(where, size):
    """The size of a window as (KH, KW). ValueError for what is none."""
    found = pair(size)
    if found is None or min(found) < 1:
        raise ValueError(f"{where} wants size as a number from 1, or (KH, KW), got {size!r}")
    return found


def steps(where, stride, pad=0):
    """The stride as two numbers, down and across, and the padding. ValueError for what is none."""
    found = pair(stride)
    if found is None or min(found) < 1:
        raise ValueError(f"{where} wants stride as a number from 1, or two of them, got {stride!r}")
    if not is_count(pad) or pad < 0:
        raise ValueError(f"{where} wants pad as a whole number from 0, got {pad!r}")
    return found, int(pad)


def image(where, x):
    """x as a float array. ValueError unless it is a batch of images."""
    x = as_array(x, where)
    if x.ndim != 4:
        hint = "; one image is a batch of one, x[np.newaxis]" if x.ndim == 3 else ""
        raise ValueError(f"{where} wants images x (N, C, H, W), got shape {x.shape}{hint}")
    return x


def check_room(where, x, size, pad=0):
    room = x.shape[2] + 2 * pad, x.shape[3] + 2 * pad
    if room[0] < size[0] or room[1] < size[1]:
        raise ValueError(
            f"{where}: a window {tuple(size)} does not fit into an image {x.shape[2:]}"
            + (f" with {pad} around it" if pad else "")
        )


def check_kernels(layer, x):
    x, W = image("Conv2D", x), fitting(layer.params)
    if x.shape[1] != W.shape[1]:
        raise ValueError(
            f"Conv2D wants x (N, {W.shape[1]}, H, W) to go with W {W.shape}, got x {x.shape}"
        )
    check_room("Conv2D", x, W.shape[2:], layer.pad)
    return layer, x


def check_image(layer, x):
    x = image("MaxPool2D", x)
    check_room("MaxPool2D", x, layer.size)
    return layer, x


def check_picture(layer, x):
    x = as_array(x, "Flatten")
    if x.ndim < 2:
        raise ValueError(f"Flatten wants a batch x (N, ...), got shape {x.shape}")
    return layer, x


def check_start(cls, C, F, size, rng, stride=1, pad=0, scale="he"):
    check_rng(rng, "Conv2D.init wants")
    check_counts("Conv2D.init", C=C, F=F)
    check_scale("Conv2D.init", scale)
