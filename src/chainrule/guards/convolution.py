"""The doors of layers for images: kernels that fit, and images with room for a window."""

import numpy as np

from chainrule.guards.layers import check_parameters, check_scale, parameters
from chainrule.guards.numbers import check_counts, check_rng, is_count

KIND = "Conv2D", "F, C, KH, KW", "F"


def kernels(W, b):
    """The params of a convolution: W (F, C, KH, KW) and b (F,), or W alone."""
    return has_numbers(parameters(W, b, *KIND))


def has_numbers(params):
    if 0 in params["W"].shape:
        raise ValueError(f"Conv2D wants no size of W to be 0, got W {params['W'].shape}")
    return params


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


def refuse_kernels(layer, x):
    """ValueError unless x (N, C, H, W) fits the kernels, and has room for them."""
    refuse_shape("Conv2D", x)
    check_parameters(layer.params, *KIND)
    size = has_numbers(layer.params)["W"].shape
    if x.shape[1] != size[1]:
        raise ValueError(
            f"Conv2D wants x (N, {size[1]}, H, W) to go with W {size}, got x {x.shape}"
        )
    refuse_small("Conv2D", x, size[2:], layer.pad)


def refuse_images(layer, x):
    refuse_shape("MaxPool2D", x)
    refuse_small("MaxPool2D", x, layer.size)


def refuse_shape(where, x):
    if np.ndim(x) != 4:
        hint = "; one image is a batch of one, x[np.newaxis]" if np.ndim(x) == 3 else ""
        raise ValueError(f"{where} wants images x (N, C, H, W), got shape {np.shape(x)}{hint}")


def refuse_small(where, x, size, pad=0):
    if any(have + 2 * pad < want for have, want in zip(x.shape[2:], size, strict=True)):
        around = f" with {pad} around it" if pad else ""
        raise ValueError(
            f"{where}: a window {tuple(size)} does not fit into an image {x.shape[2:]}{around}"
        )


def check_start(cls, C, F, size, rng, stride=1, pad=0, scale="he"):
    check_rng(rng, "Conv2D.init wants")
    check_counts("Conv2D.init", C=C, F=F)
    check_scale("Conv2D.init", scale)
