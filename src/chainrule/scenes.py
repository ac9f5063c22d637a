"""Scenes: one gradient with everything that a mistake in it may have been made of, and the mistakes.

Each function here takes a `Scene` and yields (in words, the numbers) for what one mistake of the
table in `mistakes` would have produced there; none where the mistake has no room.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import combinations, permutations, product

import numpy as np

from chainrule.guards.numbers import sum_to


@dataclass
class Scene:
    """One gradient, and what it may depend on. Arrays stand by name; `place` is a key of inputs or params."""

    place: str  # the array whose gradient this is
    inputs: dict  # what went into forward
    params: dict
    out: np.ndarray  # what came out
    dout: np.ndarray  # the upstream gradient, of the shape of `out`
    true: np.ndarray  # the right gradient
    unit: np.ndarray  # the gradient that would be right if `dout` were 1 everywhere
    slopes: dict = field(default_factory=dict)  # local derivatives, of what works entry by entry
    slope_at: Callable | None = None  # x -> the local derivative there, for a single such input
    out_at: Callable | None = None  # x -> the output there, likewise
    t: np.ndarray | None = None  # the targets of a loss, one-hot
    axis: int = 0  # along which the samples of the inputs stand
    siblings: dict = field(default_factory=dict)  # right gradients of other arrays of this shape
    claims: dict = field(default_factory=dict)  # what backward gives for each array
    redraws: bool = False  # whether backward gives another gradient at a second call
    forked: Callable = lambda: True  # whether the array may be used more than once
    listed: bool = False  # whether each entry of x (N,) is a sample, with a target of its own

    @property
    def own(self):
        return (self.inputs | self.params)[self.place]

    @property
    def x(self):
        """The only input; None where there are several."""
        return next(iter(self.inputs.values())) if len(self.inputs) == 1 else None

    @property
    def claim(self):
        """What backward gives here, for mistakes that leave a part right; or None."""
        return self.claims.get(self.place)

    @property
    def claimed(self):
        return self.claim is not None and np.shape(self.claim) == self.true.shape

    @property
    def partners(self):
        """The arrays to which backward gives the gradient of this one."""
        return [name for name in self.siblings if same(self.claims.get(name), self.true, 1e-5)]

    @property
    def slope(self):
        return self.slopes.get(self.place)

    @property
    def others(self):
        return {k: v for k, v in (self.inputs | self.params).items() if k != self.place}

    @property
    def sizes(self):
        """(the number N of samples, the size of the other axis); 1 where there is no batch."""
        first = next(iter(self.inputs.values()), np.zeros(()))
        if first.ndim == 2:
            return first.shape[self.axis], first.shape[1 - self.axis]
        return (len(first), 1) if first.ndim > 2 or self.listed else (1, 1)

    @property
    def samples(self):
        return self.sizes[0]

    def fit(self, gradient):
        """`gradient`, of the output's shape, summed to the shape of the place."""
        return sum_to(np.broadcast_to(gradient, self.out.shape), self.true.shape)

    @cached_property
    def terms(self):
        """What the gradient sums up along the batch, (number of terms, *shape), or None."""
        if self.slope is None and self.true.ndim == 1:
            for axis, size in enumerate(self.out.shape):  # a bias for each channel
                terms = np.moveaxis(self.dout, axis, -1).reshape(-1, size)
                if size == self.true.size > 1 and same(terms.sum(axis=0), self.true):
                    return terms
        if self.slope is None or self.out.shape == self.true.shape:
            return None
        shape = (1,) * (self.out.ndim - self.true.ndim) + self.true.shape
        axes = [i for i, n in enumerate(shape) if n == 1 and self.out.shape[i] > 1]
        terms = np.moveaxis(self.dout * self.slope, axes, range(len(axes)))
        return terms.reshape(-1, *self.true.shape)

    @cached_property
    def gate(self):
        """(slope where open, slope where closed, where it is open), or None for what is no gate."""
        if self.slope is None or self.place not in self.inputs:
            return None
        if len(self.inputs) == 2 and not self.params:
            x, y = self.inputs.values()
            chosen = any(same(self.out, pick(x, y)) for pick in (np.maximum, np.minimum))
            return (1.0, 0.0, self.slope > 0.5) if chosen else None
        if self.slope_at is None:
            return None
        is_open = self.slope != 0
        high = self.slope.flat[np.argmax(is_open)]  # one slope where it is open, anywhere
        if is_open.any() and not is_open.all() and same(self.slope, high * is_open, 1e-6):
            if same(self.slope_at(1.3 * self.own + 3), self.slope):
                return high, 0.0, is_open
        points = (0.7, 1.9, 5.0, -0.7, -1.9, -5.0)
        levels = np.array([self.slope_at(np.full(self.own.shape, point)) for point in points])
        ranked = np.take_along_axis(levels, np.argsort(np.abs(levels), axis=0), axis=0)
        low, high = np.round(ranked[0], 6), np.round(ranked[-1], 6)
        off = np.minimum(np.abs(levels - low), np.abs(levels - high))
        two = np.all(off < 1e-6) and np.all(np.abs(low) != np.abs(high))
        return (high, low, np.abs(self.slope - high) < np.abs(self.slope - low)) if two else None

    @cached_property
    def standardised(self):
        return list(standardisations(self))

    @cached_property
    def probabilities(self):
        """(y, divisor, constant) where the loss is, in numbers, the cross-entropy of a softmax or of
        a sigmoid: its probabilities, what its sum was divided by, and what was added inside its log."""
        return next(self.cross_entropies(1e-2), None)

    def cross_entropies(self, largest):
        """Yield the same for each way to get the loss so, with a constant below `largest`."""
        x, t = self.x, self.t
        if t is None or x is None or t.shape != x.shape or self.out.size != 1 or not x.size:
            return
        axis = 1 - self.axis if x.ndim == 2 else -1
        y, counts = softmax_along(x, axis), [self.samples, 1]
        surprise = [np.logaddexp.reduce(x, axis=axis, keepdims=True) - x] if x.ndim else []
        if x.ndim and (one := constant_in_log(self.out, [(t, y)], counts, surprise, largest)):
            yield y, *one
        y, surprise = 1 / (1 + np.exp(-x)), [np.logaddexp(0, -x), np.logaddexp(0, x)]
        pairs, counts = [(t, y), (1 - t, 1 - y)], [*counts, x.size]
        if one := constant_in_log(self.out, pairs, counts, surprise, largest):
            yield y, *one


def softmax_along(x, axis):
    weights = np.exp(x - x.max(axis=axis, keepdims=True)) if x.ndim else np.ones(())
    return weights / weights.sum(axis=axis, keepdims=True) if x.ndim else weights


def constant_in_log(loss, pairs, counts, surprise=None, largest=1e-2):
    """(N, c) if the loss is the sum of -t log(y + c) over the pairs, divided by one of `counts`.

    surprise   -log y for each pair, where it is known without the rounding of y
    """
    loss, targets = float(np.reshape(loss, ())), [t for t, _ in pairs]
    surprise = surprise or [-np.log(y) for _, y in pairs]
    whole = sum(np.sum(t * s, where=t != 0) for t, s in zip(targets, surprise, strict=True))
    for N in dict.fromkeys(counts):
        value, constant = whole / N, 0.0
        for _ in range(20):
            if not np.isfinite(value) or abs(value - loss) <= 1e-13 * (1 + abs(loss)):
                break
            slope = -sum(np.sum(t / (y + constant), where=t != 0) for t, y in pairs) / N
            before, constant = constant, min(max(constant - (value - loss) / slope, 0.0), 0.1)
            if constant == before:
                break  # it would have to be less than 0, or is too large
            value = -sum(np.sum(t * np.log(y + constant), where=t != 0) for t, y in pairs) / N
        if abs(value - loss) <= 1e-10 * (1 + abs(loss)) and constant < largest:
            return N, constant
    return None


def same(a, b, tolerance=1e-7):
    """Whether two arrays have one shape and nearly the same numbers, compared by norm."""
    if np.shape(a) != np.shape(b):
        return False
    size = np.linalg.norm(np.ravel(a)) + np.linalg.norm(np.ravel(b))
    return bool(np.linalg.norm(np.ravel(np.subtract(a, b))) <= tolerance * size)


# What each mistake would have produced: a generator of pairs (in words, the numbers).


def bias_sum_over_everything(scene):
    if scene.terms is not None and scene.true.size > 1:
        yield "the sum over all entries", np.sum(scene.terms)


def sum_over_wrong_axis(scene):
    if scene.slope is not None and scene.true.ndim < scene.out.ndim:
        terms, n = scene.dout * scene.slope, scene.out.ndim
        for axes in combinations(range(n), n - scene.true.ndim):
            made = terms.sum(axis=axes)
            if made.shape == scene.true.shape and not same(made, scene.true):
                yield f"the sum along {said(axes)}", made
    for axes, (off, slope, scale) in scene.standardised:
        d = scene.dout * scale  # `below`: the root inside the sums, and not before them
        for other, below in product([a for a in some_axes(d.ndim) if a != axes], (0, 1)):
            one = [*product((axes, other), repeat=2)]  # sum along the one, divide by the other
            for ways in [*product(one, repeat=2)][1:]:  # the first is right
                first, second = (
                    np.sum(d * off**p * slope ** (p + below * (1 + p)), along, keepdims=True)
                    / np.prod([d.shape[k] for k in count])
                    for p, (along, count) in zip((0, 1), ways, strict=True)
                )
                told = [said(a) + f" (over the number along {said(n)})" * (a != n) for a, n in ways]
                words = f"sums along {' and '.join(dict.fromkeys(told))} in place of {said(axes)}"
                made = slope ** (1 - below) * first + off * slope ** (2 - 2 * below) * second
                yield words + ", with the root inside" * below, slope * d - made
    for ratio, axis, share in lengths(scene):
        d, y = scene.dout, scene.out
        for other in {*some_axes(y.ndim)} - {(axis,)}:
            for words, way in (("sum", share), ("mean", 1 / np.prod([y.shape[k] for k in other]))):
                made = ratio * (d - y * np.sum(d * y, axis=other, keepdims=True) * way)
                yield f"the {words} along {said(other)} in place of axis {axis}", made
    for axis in softmax_axes(scene):
        d, y = scene.dout, scene.out
        for other in {*some_axes(y.ndim)} - {(axis,)}:
            made = y * (d - np.sum(d * y, axis=other, keepdims=True))
            yield f"the sum along {said(other)} in place of axis {axis}", made


def said(axes):
    return ("axis " if len(axes) == 1 else "axes ") + " and ".join(map(str, axes))


def bias_first_row(scene):
    if scene.terms is not None and len(scene.terms) > 1:
        yield "the first sample alone", scene.terms[0]
        yield "the last sample alone", scene.terms[-1]


def bias_mean(scene):
    if scene.terms is not None and len(scene.terms) > 1:
        yield "the mean in place of the sum", scene.terms.mean(axis=0)
        yield "the mean over all entries", np.mean(scene.terms)
        if scene.out.ndim > 2:
            words = "the mean over the samples, and the sum over the rest,"
            yield words, scene.true / len(scene.out)


def products(scene, matrix):
    """Every product of dout and `matrix`, transposed or not, that has the shape of the gradient; of stacks of
    matrices too."""
    dout, matrix, shape = np.atleast_2d(scene.dout), np.atleast_2d(matrix), scene.true.shape
    turned = {"": matrix, ".T": matrix.mT}
    if matrix.ndim == 2:
        turned[".reshape"] = matrix.reshape(matrix.shape[::-1])
        turned[".T.reshape"] = matrix.T.reshape(matrix.shape)
    for name, m in turned.items():
        for side, d in {"dout": dout, "dout.T": dout.mT}.items():
            for words, left, right in ((f"{side} @ M{name}", d, m), (f"M{name} @ {side}", m, d)):
                if left.shape[-1] == right.shape[-2] and fits(left[..., 0, 0], right[..., 0, 0]):
                    made = left @ right
                    if made.shape[-len(shape) :] == shape or made.shape == (1, *shape):
                        yield words, made.reshape(-1, *shape).sum(axis=0)


def right_factor(scene):
    """(name, words): the array that makes the right gradient in a product with dout, or None."""
    if scene.slope is not None or not scene.true.ndim:
        return None
    for name, array in scene.others.items():
        for words, made in products(scene, array) if array.ndim else ():
            if same(made, scene.true):
                return name, words.replace("M", name)
    return None


def weight_not_transposed(scene):
    if factor := right_factor(scene):
        for words, made in products(scene, scene.others[factor[0]]):
            yield words.replace("M", factor[0]), made
        if scene.true.shape == scene.true.T.shape:
            yield "the transpose of the right one", scene.true.T


def inputs_not_swapped(scene):
    if right_factor(scene) and scene.own.ndim == 2:
        yield from products(scene, scene.own)
    if scene.x is not None and scene.place in scene.inputs:
        for axis, size in enumerate(scene.x.shape):
            if scene.out.shape == scene.x.shape[:axis] + (size / 2,) + scene.x.shape[axis + 1 :]:
                first, second = np.split(scene.true, 2, axis=axis)
                yield f"the halves along axis {axis} swapped", np.concatenate([second, first], axis)
    if scene.gate is not None:
        return
    for name in scene.partners if scene.slope is None else ():
        other = scene.siblings[name]
        if not same(np.abs(other), np.abs(scene.true), 1e-3):
            yield f"what belongs to {name}", other
    for name, slope in scene.slopes.items() if scene.slope is not None else ():
        if len(scene.slopes) > 2 and name not in scene.partners:
            continue  # with more than two, each has to have that of the other one
        if slope is None or (name in scene.params and same(slope, np.ones_like(slope))):
            continue  # a bias has nothing of its own to hand over
        if not same(np.abs(slope), np.abs(scene.slope)):
            yield f"what belongs to {name}", scene.fit(scene.dout * slope)


def softmax_over_batch(scene):
    for axis in softmax_axes(scene) if scene.out.ndim == 2 else ():
        if len(scene.out) == len(scene.out.T):  # else the shapes tell
            laid = np.sum(scene.dout * scene.out, axis=axis, keepdims=True).T
            yield "the sums of the rows laid along the columns", scene.out * (scene.dout - laid)
    if scene.x is None or scene.x.ndim != 2:
        return
    for axis in (0, 1) if scene.out.shape != scene.x.shape else ():
        whole = scene.true.sum(axis=axis, keepdims=True)
        if same(scene.true, whole * softmax_along(scene.x, axis)):  # log(sum(exp(x)))
            for words, other in (("everything", None), (f"axis {1 - axis}", 1 - axis)):
                yield f"softmax over {words}", whole * softmax_along(scene.x, other)
    if scene.t is None or scene.t.shape != scene.x.shape:
        return
    right = scene.probabilities
    for words, axis in (("everything", None), ("each column", scene.axis)):
        y = softmax_along(scene.x, axis)
        found = right or constant_in_log(scene.out, [(scene.t, y)], [scene.samples, 1])
        if found:  # the loss is right and backward is not, or both run over the batch
            yield f"softmax over {words}", scene.dout * (y - scene.t) / found[-2]


def labels_shifted(scene):
    for start in (0, -1, 1):  # the number from which forward counts
        one = replace(scene, t=np.roll(scene.t, start, axis=1 - scene.axis))
        y, N, constant = one.probabilities or (0, 0, np.inf)
        for words, axis in (("one class", 1 - scene.axis), ("one sample", scene.axis)):
            for step in (-1, 1) if constant < 1e-6 or not start and N else ():
                t = np.roll(one.t, step, axis=axis)
                told = f"labels {words} {'on' if step > 0 else 'back'} from those of the loss"
                yield told, scene.dout * (y - t) / N


def targets_differ(scene):
    if scene.t is None or scene.x is None or scene.t.shape != scene.x.shape or scene.out.size != 1:
        return
    axis = 1 - scene.axis if scene.x.ndim == 2 else -1
    y = softmax_along(scene.x, axis)
    for N in {scene.samples, 1}:
        taken = y - N * scene.unit  # the targets that the loss has, if it is a softmax's
        likely = np.all(taken > -1e-6) and np.allclose(taken.sum(axis=axis), 1, atol=1e-6)
        if likely and made_of(scene.t, taken):
            yield "y − t, with t as it came,", scene.dout * (y - scene.t) / N
            if scene.claimed and made_of(scene.t, y - N * scene.claim / scene.dout):
                yield "y less other targets, made of t in another way,", scene.claim


def made_of(t, targets):
    """Whether the targets have one number wherever t has one; that says something where t repeats its numbers."""
    kinds = np.unique(t)
    return 2 * kinds.size <= t.size and all(np.ptp(targets[t == one]) < 1e-6 for one in kinds)


def whole_numbers(scene):
    cut = np.trunc(scene.true)
    if np.any(cut) and cut.size > 2 and not same(cut, scene.true):
        yield "the right gradient, cut to whole numbers,", cut


def label_term_missing(scene):
    if scene.t is not None and scene.claimed and scene.t.shape == scene.true.shape:
        hot, near = scene.t == 1, same(scene.claim, scene.true, 1e-3)
        rest = np.where(hot, 0.0, scene.claim), np.where(hot, 0.0, scene.true)
        off = (scene.claim - scene.true)[hot]
        true = np.atleast_1d(scene.true)
        sums = true.sum(axis=1 - scene.axis if true.ndim == 2 else -1)
        balanced = np.max(np.abs(sums)) < 1e-6 * np.max(np.abs(true))
        term = off.size and (balanced or np.ptp(off) < 1e-6 * np.max(np.abs(off)))
        if term and np.any(rest[1]) and same(*rest, 1e-6) and not near:
            yield "the right gradient everywhere but at the right classes", scene.claim


def mask_redrawn(scene):
    if scene.redraws and scene.gate is not None and scene.claimed:
        high, low, is_open = scene.gate
        kept = np.abs(scene.claim - scene.dout * high) < np.abs(scene.claim - scene.dout * low)
        if not np.array_equal(kept, is_open) and not kept.all():
            yield "another mask, with the same two slopes,", scene.dout * np.where(kept, high, low)


def leaky_slope_lost(scene):
    if leaky(scene.gate):
        high, _, is_open = scene.gate
        yield "0 where the gate is closed", scene.fit(scene.dout * np.where(is_open, high, 0.0))
    elif scene.slope is not None and scene.place in scene.inputs and scene.gate is None:
        if scene.own.shape == scene.out.shape and np.any(scene.own > 0):
            yield "0 where x is negative", np.where(scene.own > 0, scene.true, 0.0)


def mask_missing(scene):
    if scene.gate is not None:
        yield "dout, let through everywhere", scene.fit(scene.dout * scene.gate[0])
        if np.all(scene.gate[1] == 0) and np.any(np.where(scene.gate[2], 0, scene.dout)):
            yield "dout as it came", scene.fit(scene.dout)


def mask_inverted(scene):
    if scene.gate is not None:
        high, low, is_open = scene.gate
        yield "dout where the gate is closed", scene.fit(scene.dout * np.where(is_open, low, high))


def mask_from_upstream(scene):
    if scene.gate is not None and np.any(scene.dout < 0):  # else it lets all of it through
        high, low, _ = scene.gate
        kept = scene.dout * np.where(scene.dout > 0, high, low)
        yield "dout where dout is positive", scene.fit(kept)
        if scene.slope_at is not None and scene.dout.shape == scene.own.shape:
            yield "dout where dout would pass", scene.dout * scene.slope_at(scene.dout)
        both = scene.dout * np.where(scene.dout > 0, scene.slope, low)
        yield "dout where the gate is open and dout positive", scene.fit(both)


def always_zero(scene):
    yield "0 everywhere", np.zeros_like(scene.true)


def softmax_diagonal(scene):
    for _ in softmax_axes(scene):
        yield "dout y (1 - y)", scene.dout * scene.out * (1 - scene.out)
    for _ in softmax_axes(scene, np.exp(scene.out)):
        yield "dout (1 - y)", scene.dout * (1 - np.exp(scene.out))


def softmax_axes(scene, out=None):
    """The axes along which the output, or what is made of it, is the softmax of the place."""
    out = scene.out if out is None else out
    if scene.place in scene.inputs and scene.own.shape == out.shape:
        for axis in range(out.ndim):
            if out.shape[axis] > 1 and same(out, softmax_along(scene.own, axis)):
                yield axis


def some_axes(n):
    return [some for k in range(1, n + 1) for some in combinations(range(n), k)]


def lengths(scene):
    """Yield (ratio, axis, share) where the output is x over its length along an axis, or over its root of the
    mean square; the share is 1 over the sum of the squares that come out."""
    x, y = scene.own, scene.out
    if scene.place in scene.inputs and x.shape == y.shape and x.ndim > 1 and np.all(x != 0):
        for axis in range(x.ndim):
            ratio, squares = y / x, np.sum(y**2, axis=axis)
            flat = np.max(np.ptp(ratio, axis=axis)) < 1e-7 * np.max(np.abs(ratio))
            if flat and np.ptp(ratio) > 1e-3 and np.ptp(squares) < 1e-3:
                yield ratio, axis, 1 / np.mean(squares)


def standardisations(scene):
    """Yield (axes, (x - mean, slope, scale)) where, but for a scale and a shift by other arrays, the
    output is slope * (x - mean along some of the axes), as in a normalisation."""
    x = scene.own
    if scene.place not in scene.inputs or x.shape != scene.out.shape or scene.slope is not None:
        return
    held = [p for p in scene.others.values() if fits(x, p) and p.size <= x.size and np.all(p != 0)]
    scales = [(1.0, 0.0), *((p, 0.0) for p in held), *permutations(held, 2)]
    for axes in some_axes(x.ndim):
        mean, found = {"axis": axes, "keepdims": True}, []
        off = x - x.mean(**mean)
        var = np.mean(off**2, **mean)
        for scale, shift in scales if off.size > 2 * var.size and np.all(var > 0) else ():
            y = (scene.out - shift) / scale
            slope = np.mean(off * y, **mean) / var
            if same(slope * off, y - y.mean(**mean)) and not same(x, y):
                far = np.max(np.abs(np.abs(slope) * np.sqrt(var) - 1))  # its spread is nearly 1
                found.append((far, len(found), (off, slope, scale)))
        if found and min(found)[0] < 0.25:
            yield axes, min(found)[2]


def statistics_constant(scene):
    for axes, (_, slope, scale) in scene.standardised:
        dout = slope * scale * scene.dout
        mean = dout.mean(axis=axes, keepdims=True)
        yield f"mean and spread along {axes} as constants", dout
        yield f"the spread along {axes} as a constant", dout - mean
        yield f"the mean along {axes} as a constant", scene.true + mean


def epsilon_forgotten(scene):
    for axes, (off, slope, scale) in scene.standardised:
        d, mean = scene.dout * scale, {"axis": axes, "keepdims": True}
        rough = 1 / np.sqrt(np.mean(off**2, **mean))
        for words, y in (("in front", off * slope), ("everywhere", off * rough)):
            made = rough * (d - d.mean(**mean) - y * (d * y).mean(**mean))
            yield f"the root without its constant, {words},", made


def kernel_not_turned(scene):
    if scene.slope is None and scene.true.ndim > 1 and scene.claimed:
        for axes in ((-1,), (-2, -1), (0, 1)):
            if scene.place in scene.params and max(scene.true.shape[k] for k in axes) > 2:
                yield f"the right numbers turned around along {axes}", np.flip(scene.true, axes)


def axes_in_wrong_order(scene):
    if scene.claimed and scene.true.size > 3:
        claim, true = np.sort(np.ravel(scene.claim)), np.sort(np.ravel(scene.true))
        near = any(same(scene.claim, way * scene.true, 1e-3) for way in (1, -1))
        if np.ptp(true) > 0 and same(claim, true, 1e-6) and not near:
            yield "the same numbers in another order", scene.claim


def fits(array, other):
    """Whether one of two arrays keeps its shape when it meets the other one."""
    try:
        return np.broadcast_shapes(array.shape, other.shape) in (array.shape, other.shape)
    except ValueError:
        return False


def derivative_missing(scene):
    if scene.probabilities:
        y, N, _ = scene.probabilities
        yield "the derivative by the probabilities, −t / y", -scene.dout * scene.t / y / N
        yield "(y − t) / (y (1 − y))", scene.dout * (y - scene.t) / (y * (1 - y)) / N
    elif scene.slope is not None:
        if scene.gate is None and not only_signs(scene.slope):
            yield "dout as it came", scene.fit(scene.dout)
    elif scene.x is not None and scene.x.ndim and same(scene.out, softmax_along(scene.x, -1)):
        yield "dout as it came", scene.dout


def derivative_twice(scene):
    if scene.probabilities:
        y, N, _ = scene.probabilities
        yield "(y − t) y (1 − y)", scene.dout * (y - scene.t) * y * (1 - y) / N
    elif scene.slope is not None and not only_signs(scene.slope) and not leaky(scene.gate):
        yield "dout times the derivative squared", scene.fit(scene.dout * scene.slope**2)


def leaky(gate):
    """Whether it lets something through where it is closed: a wrong slope there is no square."""
    return gate is not None and np.any(gate[1])


def only_signs(slope):
    """Whether every slope is 1, or every one -1, as in x + y and x - y: a mistake there is of sign."""
    return same(slope, np.ones_like(slope)) or same(slope, -np.ones_like(slope))


BY_OUTPUT = {  # functions whose derivative is mostly written by the output
    "sigmoid": (lambda x: 1 / (1 + np.exp(-x)), lambda y: y * (1 - y)),
    "tanh": (np.tanh, lambda y: 1 - y * y),
    "exp": (np.exp, lambda y: y),
    "expm1": (np.expm1, lambda y: y + 1),
    "sqrt": (np.sqrt, lambda y: 0.5 / y),
    "softplus": (lambda x: np.log1p(np.exp(x)), lambda y: 1 - np.exp(-y)),
    "relu": (lambda x: np.maximum(x, 0), lambda y: (y > 0) * 1.0),
}


def derivative_of_input(scene):
    if scene.probabilities:
        _, N, _ = scene.probabilities
        yield "a − t, scores for probabilities", scene.dout * (scene.x - scene.t) / N
    if scene.slope_at is None or scene.slope is None or scene.place not in scene.inputs:
        return
    if power_of(scene) is None:
        yield from other_side(scene)


def another_array(scene):
    """Of a power of x what is taken at the wrong side is a power too, as with a factor too many."""
    yield from other_side(scene) if power_of(scene) else ()


def other_side(scene):
    """The derivative, taken at the output in place of the input, or the other way round."""
    for function, derivative in BY_OUTPUT.values():
        if same(function(scene.x), scene.out):
            yield "y's formula taken at x", scene.dout * derivative(scene.x)
    if scene.gate is None:
        yield "x's formula taken at y", scene.dout * scene.slope_at(scene.out)


def overwritten_at_fork(scene):
    if scene.place not in scene.inputs or scene.own.shape != scene.out.shape:
        return
    x = scene.own
    powers = exponents(scene) if scene.slope is not None else np.zeros(0)
    square = np.any(np.abs(powers - 2) < 1e-6)
    if (square or np.any(np.abs(powers - powers[:1]) > 1e-6)) and scene.forked():
        factor = np.divide(scene.out, x, out=np.array(scene.slope), where=x != 0)
        yield "one factor of a product alone", scene.dout * factor
        yield "the other factor of a product alone", scene.true - scene.dout * factor


def exponents(scene):
    """The exponent, at each entry, if the output is a power of x, here and elsewhere."""
    points = [(scene.own, scene.out, scene.slope)]
    if scene.slope_at is not None:
        x = 1.3 * scene.own + 0.1
        points.append((x, scene.out_at(x), scene.slope_at(x)))
    x, out, slope = (np.concatenate([np.ravel(p[i]) for p in points]) for i in range(3))
    use = np.isfinite(out) & np.isfinite(slope) & (np.abs(out) > 1e-6)
    return slope[use] * x[use] / out[use]


def for_scores(scene):
    """The gradient by the scores where the loss is a cross-entropy of probabilities that were given."""
    y, unit = scene.x, scene.unit
    if y is None or scene.out.size > 1 or not (y.size > 1 and np.all((0 < y) & (y < 1))):
        return
    t = scene.t if np.shape(scene.t) == y.shape else (unit < 0) * 1.0
    for lost, form, told in ((y * (1 - y), y - t, "1 / (y (1 - y))"), (-y, t, "1 / y")):
        k = np.vdot(form, unit * lost) / max(np.vdot(form, form), 1e-30)
        if same(unit * lost, k * form):
            yield f"y - t, where the derivative has {told},", scene.dout * k * (y - t)


def factor_missing(scene):
    yield from for_scores(scene)
    for axes, (_, slope, _) in scene.standardised:
        yield f"no division by the spread along {said(axes)}", scene.true / slope
    x, p = scene.own, power_of(scene)
    for power, way in ((p, np.multiply), (p - 2, np.divide)) if p else ():
        told = f"a power of {power:.4g} in place of {p - 1:.4g} in the derivative"
        yield told, scene.fit(scene.dout * way(scene.slope, x))


def power_of(scene):
    """The p for which the output is a multiple of x ** p, here and elsewhere, if it is neither 0 nor 1; or None."""
    if scene.slope_at is None or scene.place not in scene.inputs or scene.slope is None:
        return None
    powers = exponents(scene)
    p = np.median(powers) if powers.size and np.all(scene.own) else 1.0
    return p if np.all(np.abs(powers - p) < 1e-6) and min(abs(p), abs(p - 1)) > 1e-6 else None


def log_constant(scene):
    for y, N, constant in scene.cross_entropies(0.1):
        u, axis = -scene.t / (y + constant), 1 - scene.axis if y.ndim == 2 else -1
        softmax = y * (u - np.sum(u * y, axis=axis, keepdims=True)) if y.ndim else u
        sigmoid = y * (1 - y) * (u + (1 - scene.t) / (1 - y + constant))
        right = any(same(scene.true, scene.dout * one / N, 1e-4) for one in (softmax, sigmoid))
        if constant > 0 and right:
            words = f"the gradient for log(y), where the loss takes log(y + {constant:.1g})"
            yield words, scene.dout * (y - scene.t) / N


def upstream_ignored(scene):
    yield "the gradient for a dout of 1", scene.unit


def missing_batch_division(scene):
    if scene.samples > 1:
        yield "N times the right gradient, for N samples,", scene.true * scene.samples


def double_batch_division(scene):
    if scene.samples > 1:
        yield "the right gradient divided by the number of samples", scene.true / scene.samples


def samples_as_columns(scene):
    N, other = scene.sizes
    if N > 1 and other > 1 and N != other:
        yield "a division by the size of the other axis", scene.true * N / other


def scaled(scene):
    for axes, (off, slope, scale) in scene.standardised if scene.claimed else ():
        d, y = scene.dout * scale, off * slope
        means = [np.broadcast_to(z.mean(axes, keepdims=True), d.shape) for z in (d, d * y)]
        forms = np.array([np.ravel(means[0]), np.ravel(y * means[1])]).T
        rests = [np.ravel(d - one / slope) for one in (scene.true, scene.claim)]
        true, claim = (np.linalg.lstsq(forms, rest, rcond=None)[0] for rest in rests)
        if np.any(claim / true < 0):
            continue  # that is a sign
        told = zip(("mean(dout)", "y mean(y dout)"), claim / true, strict=True)
        words = " and ".join(
            f"{c:.4g} times the part with {m}" for m, c in told if abs(c - 1) > 1e-5
        )
        yield words, slope * (d - (forms @ claim).reshape(d.shape))


def wrong_sign(scene):
    yield "the right gradient with its sign turned", -scene.true
    if scene.claimed:
        turned = np.where(scene.claim * scene.true < 0, -scene.true, scene.true)
        if same(turned, scene.claim, 1e-6):
            yield "the right numbers, some of them with the sign turned,", turned
