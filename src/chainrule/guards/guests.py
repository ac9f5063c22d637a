"""The doors of the guests: what Part II's layers refuse, each before it changes anything."""

import inspect

import numpy as np

from chainrule.guards.numbers import as_array, as_numbers, check_counts, check_rng


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
