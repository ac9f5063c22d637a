"""A probe: what nudging finds, one number at a time. `gradcheck` judges gradients with it."""

import copy

import numpy as np

from chainrule.doctor.copies import layers_of
from chainrule.doctor.pieces import OfGraph
from chainrule.layers import ReLU
from chainrule.more_nodes import Max
from chainrule.nodes import Maximum
from chainrule.numeric import nudged

TOLERANCE = 1e-7  # relative; what central differences in float64 can promise
EPS = float(np.finfo(np.float64).eps)
KINK_CHANGE = 1e-6  # one-sided slopes closer than this are no kink that could matter


def rounding(size, h, count, eps):
    """How far rounding alone may carry a difference quotient: `count` entries, terms of `size`."""
    return 10 * eps * (1 + size) / h * np.sqrt(count)


def slopes_differ(evaluate, live, index, h, values, size, eps=EPS):
    """Whether a kink lies within h: the slopes to the two sides differ, and not as a curve's would.

    On a smooth curve the difference of the two slopes shrinks with the step, and to both sides alike; at a
    kink it stays, or, once the step no longer reaches the kink, vanishes.

    evaluate   () -> a number or an array, from `live`, in which the entry at `index` is moved
    values     what it gave at +h, here and at -h
    size       of the terms that `evaluate` summed
    eps        the relative rounding of what it gives
    """
    above, here, below = values
    gap = np.abs(above - 2 * here + below) / h
    noise = 8 * max(eps, np.finfo(live.dtype).eps) * (1 + size) / h
    if np.max(gap, initial=0.0) <= KINK_CHANGE + 4 * noise:
        return False
    cell = live[(..., *(slice(i, i + 1) for i in index))]
    ((_, near_above, near_below),) = nudged(cell, h / 10, evaluate)
    slopes = np.array([above - here, here - below]) / h
    near = np.array([near_above - here, here - near_below]) / (h / 10)
    (up, down), (near_up, near_down) = slopes - near, near
    shrunk, alike = np.abs(np.abs(near_up - near_down) - gap / 10), np.abs(up + down)
    return bool(np.any(np.maximum(shrunk, alike) > 0.02 * gap + 10 * noise))


class Truth:
    """What nudging finds: the gradients of sum(dout * output), for several upstream gradients at once.

    out         the output
    douts       upstreams(out), the upstream gradients
    gradients   name -> array (number of douts, *shape)
    kinks       name -> where a kink lies within h
    seen        name -> where the numbers can be trusted: not at kinks, nor where forward fails
    noise       name -> what rounding may add to the norm of a difference
    """

    def __init__(self, piece, upstreams, h=1e-5, limit=None):
        self.subject = piece.fresh()
        out = piece.forward(piece.fresh())
        self.douts = upstreams(out)
        coarse = out.dtype == np.float32
        self.h, self.eps = (1e-2, 1.2e-7) if coarse else (h, EPS)
        self.tolerance = 3e-3 if coarse else TOLERANCE
        self.out = np.array(out, np.float64)
        self.weights = np.array([np.broadcast_to(dout, out.shape).ravel() for dout in self.douts])
        self.size = float(np.max(np.sum(np.abs(self.weights * self.out.ravel()), axis=1)))
        self.moved = copy.copy(piece)
        self.moved.inputs = tuple(np.array(value) for value in piece.inputs)
        inputs = dict(zip(piece.labels, self.moved.inputs, strict=False))
        self.arrays = {name: inputs[name] for name in piece.names}
        self.arrays |= piece.parameters(self.subject)
        layers = layers_in(self.subject)
        self.relus = [layer for layer in layers if isinstance(layer, ReLU)]
        self.foreign = any(may_have_kinks(one) for one in [self.subject, *layers])
        self.gradients, self.kinks, self.seen, self.noise = {}, {}, {}, {}
        for name, array in self.arrays.items():
            self.gradients[name] = np.zeros((len(self.weights), *array.shape))
            self.kinks[name], self.seen[name] = (np.zeros(array.shape, bool) for _ in range(2))
            self.noise[name] = rounding(self.size, self.h, array.size, self.eps)
            if limit != 0:
                self.sample(name, limit)

    def evaluate(self):
        subject = self.subject
        if self.moved.hold:  # each run draws from the same state, and has masks of its own
            subject = copy.deepcopy(subject)
            self.relus = [layer for layer in layers_in(subject) if isinstance(layer, ReLU)]
        return np.array(self.moved.forward(subject), np.float64)

    def sample(self, name, limit=None):
        """Nudge so many entries of an array, or all."""
        entries = np.arange(self.arrays[name].size)
        if limit is not None and len(entries) > limit:
            entries = np.random.default_rng(0).choice(len(entries), limit, replace=False)
        self.nudge(name, entries)

    def take(self, name, gradients):
        """Gradients that are known to be right, for each upstream gradient, need no nudging."""
        self.gradients[name], self.seen[name][...] = np.array(gradients), True

    def nudge(self, name, entries):
        """Fill in these entries of one array, as they are counted in its ravel()."""
        array = self.arrays[name]
        try:
            here = self.evaluate()
            for entry in entries:
                index = tuple(int(i) for i in np.unravel_index(entry, array.shape))
                self.nudge_entry(name, array, index, here)
        except Exception:  # outside the domain of forward: no more is seen of this array
            return

    def at(self, array, x):
        """The output where an array holds other numbers; NaN outside the domain of forward."""
        kept = array.copy()
        try:
            array[...] = x
            return self.evaluate()
        except Exception:
            return np.full(self.out.shape, np.nan)
        finally:
            array[...] = kept

    def along(self, name, direction):
        """The derivatives for each upstream gradient when the whole array moves along `direction`: (on the
        way there, on the way back)."""
        array, step = self.arrays[name], self.h * direction
        both = self.at(array, array + step) - self.out, self.out - self.at(array, array - step)
        return np.array([self.weights @ one.ravel() for one in both]) / self.h

    def nudge_entry(self, name, array, index, here):
        cell = array[(..., *(slice(i, i + 1) for i in index))]  # a view of one entry
        step = (cell.item() + self.h) - (cell.item() - self.h)  # 2 h, as it is after rounding
        masks = []

        def evaluate():
            value = self.evaluate()
            masks.append([relu.mask.copy() for relu in self.relus])
            return value

        ((_, above, below),) = nudged(cell, self.h, evaluate)
        if not step > 0 or above.shape != here.shape or below.shape != here.shape:
            return
        slope = (above - below) / step
        self.gradients[name][(slice(None), *index)] = self.weights @ slope.ravel()
        kink = any((p != q).any() for p, q in zip(*masks, strict=True))
        if self.foreign and not kink:
            values = above, here, below
            kink = slopes_differ(self.evaluate, array, index, self.h, values, self.size, self.eps)
        self.kinks[name][index] = kink
        self.seen[name][index] = bool(np.all(np.isfinite(slope))) and not kink


def layers_in(subject):
    return list(layers_of(subject).values()) or [subject]


def may_have_kinks(layer):
    """Of the core's own pieces only Maximum has kinks, beside ReLU, whose mask tells exactly."""
    home = type(layer).__module__
    known = home.startswith("chainrule.") and not home.startswith("chainrule.guests.")
    return isinstance(layer, (Max, Maximum, OfGraph)) or not known
