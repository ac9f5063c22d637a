"""The doors of training: what moves can be moved, batches fit, and Ctrl-C waits for a whole update."""

import re
import signal
import threading
from functools import wraps

import numpy as np
from numpy import ndarray

from chainrule.guards.numbers import (
    as_numbers,
    check_count,
    check_number,
    check_rng,
    describe,
    quiet,
)


class Optimizer:
    """What optimizers share. A subclass writes `update(params, grads)`, and says its numbers in __init__."""

    def __init_subclass__(cls, **options):
        super().__init_subclass__(**options)
        if Optimizer in cls.__bases__:
            cls.__init__ = init_door(cls.__init__)
            cls.update = update_door(cls.update, f"{cls.__name__}.update")

    def __repr__(self):
        return f"{type(self).__name__}({self.lr})"


def init_door(formula):
    @wraps(formula)
    def __init__(self, *numbers, **named):
        formula(self, *numbers, **named)
        name = type(self).__name__
        check_number(self.lr, f"{name} wants a positive learning rate lr", lambda lr: lr > 0)
        for key in ("momentum", "beta1", "beta2"):
            words = f"{name} wants {key} from 0 to below 1"
            check_number(getattr(self, key, 0), words, lambda share: 0 <= share < 1)

    return __init__


def update_door(formula, where):
    """Everything is checked before anything moves: TypeError or ValueError, naming the parameter."""
    hushed = quiet(formula)

    @wraps(formula)
    def update(self, params, grads):
        __tracebackhide__ = True
        check_update(where, params, grads)
        hushed(self, params, grads)

    return update


def check_update(where, params, grads):
    if params.keys() != grads.keys():
        odd = sorted(map(str, params.keys() ^ grads.keys()))
        raise ValueError(f"{where}: not in both params and grads: {', '.join(odd)}")
    for key, array in params.items():
        gradient = grads[key]
        if type(array) is not ndarray or array.dtype.kind != "f" or not array.flags.writeable:
            raise TypeError(f"{where} wants writeable float arrays, {key} is {describe(array)}")
        if type(gradient) is not ndarray or gradient.dtype.kind != "f":
            raise TypeError(
                f"{where} wants the gradient of {key} as floats, got {describe(gradient)}"
            )
        if array.shape != gradient.shape:
            raise ValueError(
                f"{where}: {key} has shape {array.shape}, its gradient {gradient.shape}"
            )


def check_batch(x, t, batch_size, rng):
    """x and t as arrays, and batch_size as an int. TypeError or ValueError for what is none."""
    check_rng(rng, "batches want")
    batch_size = check_count(batch_size, "batch_size is a positive whole number")
    x, t = as_numbers(x, "a batch: x"), as_numbers(t, "a batch: t")
    if x.shape[:1] != t.shape[:1] or x.shape[:1] in ((), (0,)):
        raise ValueError(
            f"x and t want the same number of samples, above 0: got shapes {x.shape} and {t.shape}"
        )
    return x, t, batch_size


class Whole:
    """While it lasts, Ctrl-C waits for the end of the update; pressed again, it does not.

    Pressed between two updates, it ends whichever loop asks for them, as it always does.
    """

    def __init__(self, step, updates):
        self.step, self.updates, self.pressed = step, updates, False

    def __enter__(self):
        self.listens = (  # only Python's main thread hears signals; a handler of others is theirs
            threading.current_thread() is threading.main_thread()
            and signal.getsignal(signal.SIGINT) is signal.default_int_handler
        )
        if self.listens:
            signal.signal(signal.SIGINT, self.press)

    def press(self, *_):
        if self.pressed:
            raise KeyboardInterrupt("training stopped in the middle of an update")
        self.pressed = True

    def __exit__(self, failed, *_):
        if self.listens:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        if self.pressed and failed is None:
            raise KeyboardInterrupt(f"training stopped after update {self.step} of {self.updates}")


LEARNS = re.compile(
    r"(^|\.)_?(W\w{0,3}|w\d*|b\d*|b_\w+|weights?\w*|bias(es)?\w*|gamma|beta|theta)(\d|\[\w+\])*$"
)  # names of what learns: an array of such a name wants a gradient


def check_learner(network, optimizer):
    if isinstance(network, type) or not all(
        hasattr(network, name) for name in ("loss", "backward", "params")
    ):
        raise TypeError(f"train wants a network, got {network!r}")
    for name, layer in getattr(network, "layers", {}).items():
        kept = {} if hasattr(layer, "params") else getattr(layer, "__dict__", {})
        lost = [key for key in kept if LEARNS.search(key) and isinstance(kept[key], np.ndarray)]
        if lost:
            raise ValueError(
                f"train: layer {name!r} keeps {', '.join(lost)} as attributes, where nothing would "
                "move them: put them into a dict, self.params, and their gradients into self.grads "
                "(or set params = {}, if they are not to learn)"
            )
    if isinstance(optimizer, type) or not hasattr(optimizer, "update"):
        raise TypeError(f"train wants an optimizer such as SGD(0.1), got {optimizer!r}")


def are_classes(t):
    """Whether targets are labels, or rows that are one-hot: then accuracy says something."""
    t = np.asarray(t)
    if t.dtype.kind in "iu" and t.ndim < 2:
        return True
    return t.ndim == 2 and bool(np.all((t == 0) | (t == 1)) and np.all(t.sum(axis=-1) == 1))


def split(data):
    """The data to train on, and those to measure by. To find out after an epoch that they do not fit is too late."""
    first, second = a_pair(data, "(x, t) or ((x, t), (x_test, t_test))")
    if not isinstance(first, tuple):
        return data, data
    pairs = a_pair(first, "training data (x, t)"), a_pair(second, "held-out data (x, t)")
    x, x_test, t_test = (np.shape(as_numbers(part, "data")) for part in (first[0], *second))
    if x_test[1:] != x[1:] or x_test[:1] != t_test[:1] or x_test[:1] in ((), (0,)):
        raise ValueError(
            f"data: held-out x and t want samples like those of x {x}, as many as labels, "
            f"got {x_test} and {t_test}"
        )
    return pairs


def a_pair(data, wanted):
    if not isinstance(data, (tuple, list)) or len(data) != 2:
        got = type(data).__name__ + (f" of {len(data)}" if hasattr(data, "__len__") else "")
        raise ValueError(f"data: a pair is wanted, {wanted}, got {got}")
    return data


def count_updates(epochs, updates, per_epoch):
    if epochs is not None and updates is not None:
        raise ValueError("say epochs or updates, not both")
    count, each = (1 if epochs is None else epochs, per_epoch) if updates is None else (updates, 1)
    return check_count(count, "epochs and updates are whole numbers from 0", 0) * each
