"""Copies: what a piece of code holds, found under whatever names its author gave, and copied.

The doctor works on copies, so that the caller's own object stays as it was. Read `pieces` next.
"""

import copy
import random
from collections.abc import Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache, partial
from types import CellType, CodeType, FunctionType

import numpy as np

GIVEN = ("{}", "d{}", "_d{}", "grad_{}", "{}_grad", "d_{}", "g{}", "grad{}", "{}.grad", "delta_{}")

LARGE = 1_000_000  # entries of an array around a function: it is not copied, and stays what it is


@dataclass
class Slot:
    """An array that a target holds: its owner, the attribute that holds it (a container, or the array
    itself, for which `key` is None), its key in a container, and whether that is `params`; and the
    slots of other places that hold the same array under a name."""

    array: np.ndarray
    owner: object
    holder: str
    key: object = None
    also: list = field(default_factory=list)

    @property
    def declared(self):
        return self.holder == "params"

    @property
    def names(self):
        """What code may call its gradient."""
        return [self.key, *names_given(str(self.holder if self.key is None else self.key))]

    def gradient(self):
        """What the owner gives as its gradient, under any of the names that such code uses, or None."""
        names = self.names
        for holder in ("grads", "gradients", "grad", *(f.format(self.holder) for f in GIVEN[1:])):
            found = among(getattr(self.owner, holder, None), names)
            if found is not None:
                return found
        given = [getattr(self.owner, str(name), None) for name in names[3:]]
        given += [one.gradient() for one in self.also]
        given = [one for one in given if not (callable(one) or isinstance(one, Mapping))]
        return next((one for one in given if one is not None), None)


@cache
def names_given(name):
    plain = name.lstrip("_")
    return [plain, *(form.format(plain) for form in GIVEN)]


def among(container, names):
    """What a dict holds under one of the names, or a list at the place that the first one tells."""
    if isinstance(container, Mapping):
        return next((container[name] for name in names if container.get(name) is not None), None)
    place = names[0]
    listed = isinstance(container, (list, tuple)) and isinstance(place, int)
    return container[place] if listed and place < len(container) else None


def slots(target, prefix="", depth=3, seen=None):
    """name -> `Slot` for each array of floats that a target holds, in a container or a layer inside it
    too; an array that stands in two places under its first name."""
    seen, found, held = {} if seen is None else seen, {}, getattr(target, "__dict__", {})
    own = type(target).__module__.startswith("chainrule.")
    for holder, value in {"params": getattr(target, "params", None), **held}.items():
        listed = isinstance(value, (list, tuple))
        if listed or isinstance(value, Mapping):
            entries = enumerate(value) if listed else value.items()
        elif isinstance(value, np.ndarray) or hasattr(value, "forward"):
            entries = ((None, value),)
        else:
            continue
        declared = holder == "params"
        for key, one in entries:
            if isinstance(one, np.ndarray):
                wanted = one.dtype.kind in "fiub" if declared else one.dtype.kind == "f" and not own
                slot = Slot(one, target, holder, key)
                if wanted and one.size and (id(one) not in seen or declared and not prefix):
                    name = holder if key is None else str(key)
                    if listed:
                        name = next((k for k, v in held.items() if v is one), f"{holder}[{key}]")
                    found.setdefault(prefix + name, slot)
                    seen.setdefault(id(one), slot)
                elif id(one) in seen and not listed:
                    seen[id(one)].also.append(slot)
            elif depth and hasattr(one, "forward") and not isinstance(one, type):
                name = holder if key is None else f"{holder}[{key}]" if listed else str(key)
                inner = slots(one, f"{prefix}{name}.", depth - 1, seen)
                found = found | {key: slot for key, slot in inner.items() if key not in found}
    return found


def params_of(target):
    """The parameters of a layer or a network as a dict, by number where it is a list; or empty."""
    params = getattr(target, "params", None)
    if isinstance(params, (list, tuple)):
        return dict(enumerate(params))
    return params if isinstance(params, Mapping) else {}


def shares_state(target):
    """Whether it holds functions that may keep things outside of it, where no copy of it would look."""
    held = getattr(target, "__dict__", {}).values()
    return any(isinstance(one, FunctionType) and one.__closure__ for one in held)


def outside(target):
    """(how to put another one there, name, array) for each array of floats that the functions which a target
    runs take from a function around them, or from their module."""
    owners = [target, *layers_of(target).values(), loss_of(target)]
    parts = [part for owner in owners for part in (owner, *type(owner).__mro__)]
    left = [held for part in parts for held in getattr(part, "__dict__", {}).values()]
    seen, found = [], []
    for function in left:
        function = getattr(function, "__func__", function)
        if not isinstance(function, FunctionType) or function in seen:
            continue
        seen.append(function)
        names = function.__code__.co_freevars
        for name, cell in zip(names, function.__closure__ or (), strict=True):
            if cell != CellType():  # not empty
                found.append((partial(setattr, cell, "cell_contents"), name, cell.cell_contents))
                left.append(cell.cell_contents)
        around, codes = function.__globals__, [function.__code__]
        for code in codes:
            codes += [one for one in code.co_consts if isinstance(one, CodeType)]
            names = [name for name in code.co_names if name in around]
            found += [(partial(around.__setitem__, n), n, around[n]) for n in names]
            left += [around[name] for name in names]  # a function that it calls
    arrays = [one for one in found if type(one[2]) is np.ndarray and one[2].dtype.kind == "f"]
    return [one for one in arrays if one[2].size <= LARGE]


@contextmanager
def enclosed(target, form):
    """While it lasts, form(array, name) stands in the place of each array that is taken from outside."""
    places, made = outside(target), {}
    try:
        for put, name, array in places:
            if id(array) not in made:
                made[id(array)] = form(array, name)
            put(made[id(array)])
        yield
    finally:
        for put, _, array in places:
            put(array)


class Noise:
    """The random numbers that code under test may draw: NumPy's, Python's, and its module's own."""

    def __init__(self, target):
        run = getattr(type(target), "forward", None) or getattr(type(target), "loss", None)
        held = [*getattr(run, "__globals__", {}).values(), *vars(type(target)).values()]
        self.generators = [one for one in held if isinstance(one, np.random.Generator)]
        self.states = [copy.deepcopy(one.bit_generator.state) for one in self.generators]
        own = [v for owner in owners_of(target) for v in getattr(owner, "__dict__", {}).values()]
        kinds = (np.random.Generator, np.random.RandomState, random.Random)
        self.own = any(isinstance(one, kinds) for one in own)
        self.numpy, self.python = np.random.get_state(), random.getstate()

    def drawn(self):
        """Whether anything may have been drawn since: two draws may agree by chance."""
        pairs = zip(self.generators, self.states, strict=True)
        moved = [repr(one.bit_generator.state) != repr(state) for one, state in pairs]
        now = np.random.get_state()
        still = now[2] == self.numpy[2] and np.array_equal(now[1], self.numpy[1])
        return self.own or any(moved) or not still or random.getstate() != self.python

    def again(self):
        np.random.set_state(self.numpy)
        random.setstate(self.python)
        for one, state in zip(self.generators, self.states, strict=True):
            one.bit_generator.state = state


@contextmanager
def as_it_was(target):
    """Put random numbers, and what a copy could not keep apart, back as they were."""
    noise = Noise(target)
    owners = [one for one in owners_of(target) if shares_state(one)]
    kept = [(vars(one), dict(vars(one))) for one in owners]
    dicts = [getattr(one, key, {}) for one in owners for key in ("params", "grads")]
    kept += [(one, dict(one)) for one in dicts if isinstance(one, dict)]
    arrays = [a for _, items in kept for a in items.values() if isinstance(a, np.ndarray)]
    numbers = [array.copy() for array in arrays]
    try:
        yield
    finally:
        noise.again()
        for now, before in kept:
            now.clear()
            now.update(before)
        for array, before in zip(arrays, numbers, strict=True):
            if array.flags.writeable:
                array[...] = before


def private_copy(target, form=None, held=None):
    """A copy of `target` to do anything with. Its parameters are float64, and may be written to.
    With `form`, form(array, name) stands in the place of each; `held` are its slots, where they are known.

    What refuses to be copied to its depths (a lock, an open file) is copied at its surface. What keeps
    its state in the closure of a function cannot be copied at all, and is used itself (`as_it_was`).
    """
    memo = {id(owner): owner for owner in owners_of(target) if shares_state(owner)}
    for name, slot in (slots(target) if held is None else held).items():
        if id(slot.owner) not in memo:  # one array under all its names
            array = slot.array.astype(np.float64)
            memo[id(slot.array)] = array if form is None else form(array, name)
    try:
        twin = copy.deepcopy(target, memo)
    except Exception:
        twin = copy.copy(target)
        if isinstance(vars(twin).get("params"), dict):
            twin.params = {key: copy.copy(value) for key, value in twin.params.items()}
    for owner in owners_of(twin):
        params = getattr(owner, "params", None)
        if isinstance(params, dict):
            for key, value in params.items():
                if isinstance(value, (int, float, np.number)):
                    params[key] = np.array(value, np.float64)
    return twin


def layers_of(network):
    """The layers of a network by name, whether it keeps a dict or a list; empty for anything else."""
    layers = getattr(network, "layers", None)
    if isinstance(layers, (list, tuple)):
        layers = {f"layers[{i}]": layer for i, layer in enumerate(layers)}
    if not isinstance(layers, Mapping):
        return {}
    whole = all(hasattr(v, "forward") and hasattr(v, "backward") for v in layers.values())
    return {str(name): layer for name, layer in layers.items()} if whole else {}


def owners_of(target):
    """A target and its layers, which hold arrays; none for a class."""
    return () if isinstance(target, type) else (target, *layers_of(target).values())


def loss_of(network):
    names = ("loss_layer", "lastLayer", "last_layer", "loss_fn", "criterion")
    found = [getattr(network, name, None) for name in names]
    walks = [one for one in found if hasattr(one, "forward") and hasattr(one, "backward")]
    return walks[0] if walks else None
