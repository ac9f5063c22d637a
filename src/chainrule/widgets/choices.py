"""Figures that hold one recorded picture for each combination of a few settings, and let a reader choose.

`explorer` and `scene` are made of this.
"""

import math
from collections.abc import Mapping
from itertools import product

import numpy as np
import traitlets

from chainrule.narration import display
from chainrule.widgets.figure import Figure
from chainrule.widgets.quiz import is_text


class Choosing(Figure):
    """A figure with `settings`, a dict from setting to its values, and `chosen`, a value of each."""

    chosen = traitlets.Dict().tag(sync=True)

    def first_choice(self, chosen):
        """The choice that a figure starts with: what is given, and of all other settings the first value."""
        if chosen is not None and not isinstance(chosen, Mapping):
            raise ValueError(f"{type(self).__name__} wants chosen as a dict, got {chosen!r}")
        first = {setting: values[0] for setting, values in self.settings.items()}
        return self.checked_choices({**first, **(chosen or {})})

    @traitlets.validate("chosen")
    def check_chosen(self, proposal):
        try:
            return self.checked_choices(proposal["value"])
        except ValueError as error:
            raise traitlets.TraitError(str(error)) from None

    def checked_choices(self, chosen):
        """The choices, one a setting. ValueError says what there is to choose from."""
        if chosen.keys() != self.settings.keys():
            raise ValueError(f"chosen wants {list(self.settings)}, got {list(chosen)}")
        return {name: one_of(self.settings[name], value, name) for name, value in chosen.items()}

    @property
    def key(self):
        """What is chosen, a value for each setting in their order."""
        return tuple(self.chosen[setting] for setting in self.settings)

    @property
    def keys_of_all(self):
        return list(product(*self.settings.values()))


def check_settings(settings, of):
    """Setting -> list of its values, plain texts and numbers. ValueError for anything else."""
    if settings is not None and not isinstance(settings, Mapping):
        raise ValueError(f"{of} wants settings as a dict, got {settings!r}")
    checked = {}
    for name, values in (settings or {}).items():
        listed = isinstance(values, (list, tuple, range, np.ndarray))
        values = [plain(value) for value in values] if listed else []
        if not is_text(name) or not values or len(set(values)) < len(values):
            raise ValueError(f"{of}: setting {name!r} wants a list of different values")
        checked[name] = values
    return checked


def one_of(values, value, name):
    """The value of a setting that is meant: 0.1 finds the 0.09999999999999999 of a linspace."""
    value = plain(value)
    for one in values:
        if one == value or (is_number(one) and is_number(value) and math.isclose(one, value)):
            return one
    raise ValueError(f"{name} is one of {values}, got {value!r}")


def is_number(value):
    return isinstance(value, (int, float, np.number)) and not isinstance(value, bool)


def worded(value):
    """A choice as the reader sees it."""
    return display(value) if is_number(value) else str(value)


def plain(value):
    """A choice as JSON knows it: a text, a number, True or False."""
    value = value.item() if isinstance(value, np.generic) else value
    if not isinstance(value, (str, int, float)) or value != value:
        raise ValueError(f"a choice is a text or a number, got {value!r}")
    return value
