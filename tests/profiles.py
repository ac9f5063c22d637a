"""How Hypothesis chooses its examples: the same ones in every run, or, with `make explore`, many others each time."""

from hypothesis import settings

settings.register_profile("repeatable", derandomize=True, deadline=None, print_blob=False)
settings.register_profile("explore", derandomize=False, deadline=None, print_blob=True)
settings.load_profile(
    "repeatable"
)  # pytest --hypothesis-profile explore loads the other one after this

TIMES = {"repeatable": 1, "explore": 50}


def examples(count):
    """The settings of a test that is tried `count` times, and fifty times as often by `make explore`."""
    return settings(max_examples=count * TIMES[settings.get_current_profile_name()])
