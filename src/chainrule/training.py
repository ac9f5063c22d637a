"""Training: learning is four steps, repeated, and `train` shows them as four lines.

A network learns when its parameters are adjusted, a little at a time, so that the loss falls. Check
the gradients first (`gradcheck`): a wrong gradient may train quite well, and that is the trouble.
"""

import sys
from dataclasses import dataclass

import numpy as np

from chainrule.guards.training import (
    Optimizer,
    Whole,
    are_classes,
    check_batch,
    check_learner,
    count_updates,
    split,
)


@dataclass(frozen=True)
class Record:
    """What one update looked like.

    step            1 for the first update
    epoch           how many passes over the data were made, as a fraction
    loss            of the mini-batch, before the update
    metric          the accuracy, or the loss where targets are no classes, or what `train` was given:
                    on held-out data where it got any, else on the training data; measured once an
                    epoch, after the update, and None in between
    accuracy        the same where it is the accuracy, else None
    gradient_norms  the Euclidean norm of each parameter's gradient, by the parameter's name
    """

    step: int
    epoch: float
    loss: float
    accuracy: float | None
    gradient_norms: dict
    metric: float | None = None


class SGD(Optimizer):
    """Stochastic gradient descent: each parameter moves against its gradient, lr times as far."""

    def __init__(self, lr):
        self.lr = lr

    def update(self, params, grads):
        """`params[key] -= lr * grads[key]`, in place, for every key; both dicts have the same keys."""
        for key, array in params.items():
            array -= self.lr * grads[key]


class Momentum(Optimizer):
    """SGD with a velocity v that remembers earlier gradients: `v = momentum * v - lr * g`, then `w += v`.

    Polyak (1964), "Some methods of speeding up the convergence of iteration methods".
    """

    def __init__(self, lr, momentum=0.9):
        self.lr, self.momentum, self.v = lr, momentum, {}

    def update(self, params, grads):
        """Move each parameter in place, by its velocity."""
        for key, array in params.items():
            self.v[key] = self.momentum * self.v.get(key, 0.0) - self.lr * grads[key]
            array += self.v[key]


class Adam(Optimizer):
    """Steps of about lr for every number: the mean of its gradients over the root of their mean square.

    Kingma and Ba (2015), algorithm 1.
    """

    def __init__(self, lr=0.001, beta1=0.9, beta2=0.999):
        self.lr, self.beta1, self.beta2 = lr, beta1, beta2
        self.m, self.v, self.t = {}, {}, 0

    def update(self, params, grads):
        """Move each parameter in place. Both means start at 0; dividing makes up for it (bias correction)."""
        self.t += 1
        for key, array in params.items():
            self.m[key] = self.beta1 * self.m.get(key, 0.0) + (1 - self.beta1) * grads[key]
            self.v[key] = self.beta2 * self.v.get(key, 0.0) + (1 - self.beta2) * grads[key] ** 2
            m, v = self.m[key] / (1 - self.beta1**self.t), self.v[key] / (1 - self.beta2**self.t)
            array -= self.lr * m / (np.sqrt(v) + 1e-8)


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
    metric=None,
    progress=None,
):
    """Train the network in place, and yield a `Record` after every update.

    data         (x, t), or ((x, t), (x_test, t_test)) as the `load_*` functions give it
    optimizer    default SGD(0.1)
    epochs       true passes over the data, each sample once a pass; or `updates`, a number of
                 updates. One of the two; the default is one epoch.
    replacement  draw each batch afresh instead of passing over the data
    metric       what to measure after an epoch, a function of (network, x, t) to a number; the default
                 is the accuracy for classes, and the loss for anything else
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
    measure = a_metric(metric, network, held_out)
    batches = endless_batches(x, t, batch_size, rng, replacement)

    for step in bar(range(1, updates + 1), progress):
        with Whole(step, updates):
            x_batch, t_batch = next(batches)  # 1. a mini-batch
            loss, grads = network.loss(x_batch, t_batch), network.backward()  # 2. the gradient
            optimizer.update(network.params, grads)  # 3. an update, against the gradient
            done = record(step, per_epoch, loss, grads, measure)
        yield done  # 4. repeat


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
    shown = sys.stderr.isatty() if progress is None else progress
    hidden = {} if shown else {"disable": True}  # where it is not hidden, tqdm asks TQDM_DISABLE
    return tqdm(steps, desc="training", unit="update", delay=2, leave=False, **hidden)


def a_metric(metric, network, held_out):
    """() -> ("accuracy" or "metric", number)"""
    if metric is not None:
        return lambda: ("metric", float(metric(network, *held_out)))
    if are_classes(held_out[1]) and hasattr(network, "accuracy"):
        return lambda: ("accuracy", network.accuracy(*held_out))
    return lambda: ("metric", validation_loss(network, *held_out))


def validation_loss(network, x, t):
    """The loss of x against t while predicting: no layer drops anything, and nothing that is kept moves.

    A network of the reader's own, without `predict` and `loss_layer`, is asked for its loss.
    """
    if hasattr(network, "predict") and hasattr(network, "loss_layer"):
        return float(network.loss_layer.forward(network.predict(x), t))
    return float(network.loss(x, t))


def record(step, per_epoch, loss, grads, measure):
    kind, metric = measure() if step % per_epoch == 0 else ("metric", None)
    norms = {key: float(np.linalg.norm(gradient)) for key, gradient in grads.items()}
    accuracy = metric if kind == "accuracy" else None
    return Record(step, step / per_epoch, loss, accuracy, norms, metric)
