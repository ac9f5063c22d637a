"""How Hypothesis chooses its examples: the same ones in every run, or, with `make explore`, many others each time."""

import numpy as np
from hypothesis import settings

settings.register_profile("repeatable", derandomize=True, deadline=None, print_blob=False)
settings.register_profile("explore", derandomize=False, deadline=None, print_blob=True)
settings.load_profile(
    "repeatable"
)  # pytest --hypothesis-profile explore loads the other one after this

TIMES = {"repeatable": 1, "explore": 50}


def times():
    """How many times as much is tried as `make test` tries."""
    return TIMES[settings.get_current_profile_name()]


def examples(count):
    """The settings of a test that is tried `count` times, and fifty times as often by `make explore`."""
    return settings(max_examples=count * times())


def generator(seed):
    """Random numbers from this seed; with `make explore` from another one each time, which pytest shows if it fails."""
    if times() > 1:
        seed = np.random.SeedSequence().entropy
        print(f"generator({seed})")
    return np.random.default_rng(seed)
