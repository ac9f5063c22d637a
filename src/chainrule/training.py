"""Training: learning is four steps, repeated, and `train` shows them as four lines.

A network learns when its parameters are adjusted, a little at a time, so that the loss falls. Check
the gradients first (`gradcheck`): a wrong gradient may train quite well, and that is the trouble.
"""

import signal
import threading
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from chainrule.nodes import as_numbers, is_count, is_number, quiet
from chainrule.numeric import describe


@dataclass(frozen=True)
class Record:
    """What one update looked like.

    step            1 for the first update
    epoch           how many passes over the data were made, as a fraction
    loss            of the mini-batch, before the update
    accuracy        on held-out data where `train` got any, else on the training data; measured once
                    an epoch, after the update, and None in between
    gradient_norms  the Euclidean norm of each parameter's gradient, by the parameter's name
    """

    step: int
    epoch: float
    loss: float
    accuracy: float | None
    gradient_norms: dict


class SGD:
    """Stochastic gradient descent: each parameter moves against its gradient, lr times as far."""

    def __init__(self, lr):
        if not (is_number(lr) and lr > 0):
            raise ValueError(f"SGD wants a positive learning rate lr, got {lr!r}")
        self.lr = lr

    @quiet
    def update(self, params, grads):
        """params[key] -= lr * grads[key], in place, for every key; both dicts have the same keys.

        Everything is checked before anything moves: TypeError or ValueError, naming the parameter.
        """
        if not (isinstance(params, Mapping) and isinstance(grads, Mapping)):
            raise TypeError(
                f"SGD.update wants params and grads as dicts, got {describe(params)} "
                f"and {describe(grads)}"
            )
        if params.keys() != grads.keys():
            odd = sorted(map(str, params.keys() ^ grads.keys()))
            raise ValueError(f"SGD.update: not in both params and grads: {', '.join(odd)}")
        for key, array in params.items():
            check_update(key, array, grads[key])
        for key, array in params.items():
            move(array, -self.lr, grads[key])


def check_update(key, array, gradient):
    if type(array) is not np.ndarray or array.dtype.kind != "f" or not array.flags.writeable:
        raise TypeError(f"SGD.update wants writeable float arrays, {key} is {describe(array)}")
    if type(gradient) is not np.ndarray or gradient.dtype.kind != "f":
        raise TypeError(
            f"SGD.update wants the gradient of {key} as floats, got {describe(gradient)}"
        )
    if gradient.shape != array.shape:
        raise ValueError(
            f"SGD.update: {key} has shape {array.shape}, its gradient {gradient.shape}"
        )


BLOCK = 65_536  # numbers; their product with a factor stays in the processor's cache


def move(array, factor, direction):
    """array += factor * direction, in place: by blocks of rows, so that no large copy is made."""
    if array.size <= BLOCK:
        array += factor * direction
        return
    rows = max(1, BLOCK * len(array) // array.size)
    for start in range(0, len(array), rows):
        array[start : start + rows] += factor * direction[start : start + rows]


def minibatches(x, t, batch_size, rng):
    """One epoch: yield (x, t) batches that hold every sample exactly once, in a random order.

    x (n, ...), t (n, ...); the last batch is smaller where batch_size does not divide n.
    """
    x, t, batch_size = check_batch(x, t, batch_size, rng)
    order = rng.permutation(len(x))
    for start in range(0, len(x), batch_size):
        batch = order[start : start + batch_size]
        yield x[batch], t[batch]


def random_batches(x, t, batch_size, rng):
    """Yield (x, t) batches for ever, each drawn afresh: a sample may come twice, or not at all."""
    x, t, batch_size = check_batch(x, t, batch_size, rng)
    while True:
        batch = rng.integers(len(x), size=batch_size)
        yield x[batch], t[batch]


def check_batch(x, t, batch_size, rng):
    """x and t as arrays, and batch_size as an int. TypeError or ValueError for what is none."""
    if not isinstance(rng, np.random.Generator):
        raise TypeError(f"batches want a numpy.random.Generator as rng, got {rng!r}")
    if not is_count(batch_size) or batch_size < 1:
        raise ValueError(f"batch_size is a positive whole number, got {batch_size!r}")
    x, t = as_numbers(x, "a batch: x"), as_numbers(t, "a batch: t")
    if x.shape[:1] != t.shape[:1] or x.shape[:1] in ((), (0,)):
        raise ValueError(
            f"x and t want the same number of samples, above 0: got shapes {x.shape} and {t.shape}"
        )
    return x, t, int(batch_size)


def train(
    network,
    data,
    *,
    optimizer=None,
    batch_size=100,
    epochs=None,
    updates=None,
    rng,
    replacement=False,
    progress=None,
):
    """Train the network in place, and yield a `Record` after every update.

    data         (x, t), or ((x, t), (x_test, t_test)) as the `load_*` functions give it
    optimizer    default SGD(0.1)
    epochs       true passes over the data, each sample once a pass; or `updates`, a number of
                 updates. One of the two; the default is one epoch.
    replacement  draw each batch afresh instead of passing over the data
    progress     True shows a progress bar; None shows one where a person waits (a terminal)

    It is a generator: nothing happens until it is iterated, and stopping early leaves a network that
    has had whole updates only. Ctrl-C waits for the update, and says how many there were.
    """
    (x, t), held_out = split(data)
    optimizer = SGD(0.1) if optimizer is None else optimizer
    x, t, batch_size = check_batch(x, t, batch_size, rng)
    check_learner(network, optimizer)
    per_epoch = -(-len(x) // batch_size)  # rounded up
    updates = count_updates(epochs, updates, per_epoch)
    batches = endless_batches(x, t, batch_size, rng, replacement)

    for step in bar(range(1, updates + 1), progress):
        with Whole(step, updates):
            x_batch, t_batch = next(batches)  # 1. a mini-batch
            loss, grads = network.loss(x_batch, t_batch), network.backward()  # 2. the gradient
            optimizer.update(network.params, grads)  # 3. an update, against the gradient
            done = record(step, per_epoch, loss, grads, network, held_out)
        yield done  # 4. repeat


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


def check_learner(network, optimizer):
    if isinstance(network, type) or not all(
        hasattr(network, name) for name in ("loss", "backward", "params")
    ):
        raise TypeError(f"train wants a network, got {network!r}")
    if isinstance(optimizer, type) or not hasattr(optimizer, "update"):
        raise TypeError(f"train wants an optimizer such as SGD(0.1), got {optimizer!r}")


def split(data):
    if not isinstance(data, (tuple, list)) or len(data) != 2:
        got = f"{type(data).__name__}" + (f" of {len(data)}" if hasattr(data, "__len__") else "")
        raise ValueError(f"data is (x, t) or ((x, t), (x_test, t_test)), got {got}")
    first, second = data
    if not isinstance(first, tuple):
        return (first, second), (first, second)
    for name, pair in {"training data": first, "held-out data": second}.items():
        if not isinstance(pair, (tuple, list)) or len(pair) != 2:
            raise ValueError(f"data: the {name} want to be a pair (x, t), got {describe(pair)}")
    check_held_out(*(np.shape(as_numbers(part, "data")) for part in (first[0], *second)))
    return first, second


def check_held_out(x, x_test, t_test):
    """ValueError unless the shapes fit: to find out after an epoch is too late."""
    if x_test[1:] != x[1:] or x_test[:1] != t_test[:1] or x_test[:1] in ((), (0,)):
        raise ValueError(
            f"data: held-out x and t want samples like those of x {x}, as many as labels, "
            f"got {x_test} and {t_test}"
        )


def count_updates(epochs, updates, per_epoch):
    if epochs is not None and updates is not None:
        raise ValueError("say epochs or updates, not both")
    wanted = updates if updates is not None else epochs if epochs is not None else 1
    if not is_count(wanted) or wanted < 0:
        raise ValueError(f"epochs and updates are whole numbers from 0, got {wanted!r}")
    return int(wanted) if updates is not None else int(wanted) * per_epoch


def endless_batches(x, t, batch_size, rng, replacement):
    if replacement:
        yield from random_batches(x, t, batch_size, rng)
    while True:
        yield from minibatches(x, t, batch_size, rng)


def bar(steps, progress):
    """`steps` behind a progress bar, once a person has waited two seconds for them."""
    try:
        from tqdm.auto import tqdm
    except ImportError:
        return steps
    hidden = None if progress is None else not progress  # None: hidden where nobody looks on
    return tqdm(steps, desc="training", unit="update", delay=2, leave=False, disable=hidden)


def record(step, per_epoch, loss, grads, network, held_out):
    accuracy = network.accuracy(*held_out) if step % per_epoch == 0 else None
    norms = {key: float(np.linalg.norm(gradient)) for key, gradient in grads.items()}
    return Record(step, step / per_epoch, loss, accuracy, norms)
