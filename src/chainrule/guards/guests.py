"""The doors of the guests: what Part II's layers refuse, each before it changes anything."""

import numpy as np

from chainrule.guards.numbers import as_array, check_counts, check_rng, is_number


def refuse_number(layer, x):
    if np.ndim(x) == 0:
        raise ValueError(f"{type(layer).__name__} wants x (N, ...), got a number")


def check_share(self, p, rng):
    if not is_number(p) or not 0 <= p < 1:
        raise ValueError(
            f"Dropout wants the share p that it drops as a number from 0 up to, but not, 1, got {p!r}"
        )
    check_rng(rng, "Dropout wants")


def scales(gamma, beta, momentum, eps):
    """The params of a batch normalisation, as float arrays (D,) that fit."""
    gamma, beta = (as_array(a, f"BatchNorm {n}") for a, n in ((gamma, "gamma"), (beta, "beta")))
    fit(gamma, beta)
    if not is_number(momentum) or not 0 <= momentum <= 1:
        raise ValueError(f"BatchNorm wants momentum as a number from 0 to 1, got {momentum!r}")
    if not is_number(eps) or eps < 0:
        raise ValueError(f"BatchNorm wants eps as a number from 0, got {eps!r}")
    return {"gamma": gamma, "beta": beta}


def fit(gamma, beta):
    if gamma.ndim != 1 or gamma.shape != beta.shape or not gamma.size:
        raise ValueError(
            f"BatchNorm wants gamma (D,) and beta (D,), got gamma {gamma.shape} and beta {beta.shape}"
        )


def check_width(cls, D):
    check_counts("BatchNorm.init", D=D)


def refuse_batch(layer, x):
    """Unless gamma and beta fit each other and the columns, or channels, of x."""
    for key in ("gamma", "beta"):
        layer.params[key] = as_array(layer.params[key], f"BatchNorm {key}")
    gamma, beta = layer.params["gamma"], layer.params["beta"]
    fit(gamma, beta)
    D, axis = len(gamma), 1 if x.ndim == 4 else -1
    if x.ndim not in (1, 2, 4) or x.shape[axis] != D:
        raise ValueError(
            f"BatchNorm wants x (N, {D}), or images (N, {D}, H, W), to go with gamma ({D},), "
            f"got x {x.shape}"
        )
    if layer.training and not x.size:
        raise ValueError(f"BatchNorm in training wants samples to average, got x {x.shape}")
