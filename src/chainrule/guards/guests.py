"""The doors of the guests: what Part II's layers refuse, each before it changes anything."""

import numpy as np


def refuse_number(layer, x):
    if np.ndim(x) == 0:
        raise ValueError(f"{type(layer).__name__} wants x (N, ...), got a number")
