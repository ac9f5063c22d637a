"""The doors of the guests: what Part II's layers refuse, each before it changes anything."""

import inspect

import numpy as np

from chainrule.guards.numbers import as_array, as_numbers, check_counts, check_rng, is_number


def check_init(cls, *sizes_and_rng):
    """For `init(cls, D, H, rng)` and its like: sizes from 1, and a generator last."""
    *sizes, rng = sizes_and_rng
    where = f"{cls.__name__}.init"
    check_rng(rng, f"{where} wants")
    names = list(inspect.signature(cls.init).parameters)
    check_counts(where, **dict(zip(names, sizes, strict=False)))


def matrices(where, **params):
    """The parameters as float arrays, all matrices of one shape; ValueError where they are not."""
    check_matrices(where, params)
    return params


def check_matrices(where, params):
    for name, value in params.items():
        params[name] = as_array(value, f"{where} {name}")
    shapes = {name: np.shape(array) for name, array in params.items()}
    if len(set(shapes.values())) > 1 or any(len(shape) != 2 for shape in shapes.values()):
        got = ", ".join(f"{name} {shape}" for name, shape in shapes.items())
        raise ValueError(f"{where} wants matrices of one shape as its parameters, got {got}")


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


def whole_numbers(layer, x):
    """x as an array of whole numbers, whatever came."""
    x = as_numbers(x, type(layer).__name__)
    return x.astype(np.int64) if x.dtype.kind == "u" else x


def refuse_words(layer, x):
    """TypeError or ValueError unless each number in x is a row of the table W."""
    check_matrices("Embedding", layer.params)
    if x.dtype.kind != "i":
        raise TypeError(f"Embedding wants whole numbers as x, the rows to pick, got {x.dtype}")
    V = len(layer.params["W"])
    wrong = x[(x < 0) | (x >= V)]
    if wrong.size:
        raise ValueError(f"Embedding has rows 0 to {V - 1} in W, got x with {wrong.flat[0]}")


def refuse_sequences(layer, x):
    check_matrices("Attention", layer.params)
    D = len(layer.params["Wq"])
    if np.ndim(x) not in (2, 3) or x.shape[-1] != D or x.shape[-2] == 0:
        raise ValueError(
            f"Attention wants x (N, T, {D}), or one sequence (T, {D}), to go with Wq "
            f"{layer.params['Wq'].shape}, got {np.shape(x)}"
        )
