"""Evidence: what a piece of code claims, what nudging finds, and which mistakes would explain it.

An `Observation` runs one piece for a few upstream gradients. For each of its arrays it gives
`Sample`s, each a claim beside the truth, and `suspect_of` holds them against the table of mistakes.
Read `doctor` next: it decides what to run, and what to say.
"""

from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from chainrule.doctor.copies import private_copy
from chainrule.doctor.pieces import grown, one_hot, tried, variants, with_other
from chainrule.doctor.probe import Truth
from chainrule.doctor.tape import recorded
from chainrule.guards.numbers import sum_to
from chainrule.mistakes import TABLE
from chainrule.scenes import Scene, same, softmax_along

MANY = 1000  # entries of one array: beyond that a sample is nudged, and the rest together
LIMIT = 60  # entries of an array that are nudged at a second input
FIT = 1e-5  # how near a mistake's numbers must come; nudging itself is good to about 1e-9


@dataclass
class Sample:
    """One gradient as it is claimed, and the scene that it arose in, which holds the right one.

    seen       where nudging can be trusted
    noise      what rounding may add to the norm of a difference
    tolerance  relative, for a claim to be called right
    """

    scene: Scene
    claim: np.ndarray
    seen: np.ndarray
    noise: float
    tolerance: float

    def visible(self, gradient):
        """The trusted entries; a single number stands for all of them."""
        gradient = np.asarray(gradient, dtype=np.float64)
        if gradient.size == 1:
            gradient = np.broadcast_to(gradient.reshape(()), self.seen.shape)
        return gradient[self.seen] if gradient.shape == self.seen.shape else gradient

    def distance(self, gradient):
        """The norm of claim - gradient, infinite where their shapes or a NaN forbid it."""
        claim, other = self.visible(self.claim), self.visible(gradient)
        off = np.linalg.norm(np.ravel(claim - other)) if claim.shape == other.shape else np.inf
        return np.inf if np.isnan(off) else float(off)

    def fits(self, gradient, tolerance):
        size = np.linalg.norm(self.visible(self.claim)) + np.linalg.norm(self.visible(gradient))
        return self.distance(gradient) <= tolerance * size + self.noise < np.inf

    def explained_by(self, gradient):
        """Whether the claim is `gradient`, and not merely something close to both it and the truth."""
        if not self.shaped and np.size(self.claim) != 1:
            return False
        room = self.noise + 0.1 * min(self.distance(self.scene.true), 1e300)
        return self.fits(gradient, FIT) and self.distance(gradient) <= room

    @property
    def shaped(self):
        return np.shape(self.claim) == self.seen.shape

    @property
    def right(self):
        return self.shaped and self.fits(self.scene.true, self.tolerance)

    @property
    def finite(self):
        return bool(np.all(np.isfinite(self.claim)))  # at a kink too


@dataclass(frozen=True)
class Suspect:
    """A mistake that would have produced the claims.

    code    in the table of mistakes
    words   what it gives
    factor  by what the gradient, a part of it, or all of a wrong one is multiplied
    where   the place of the mistake, where it is not the array with the wrong gradient
    also    a second mistake, where only the two together explain the claims
    """

    code: str
    words: str
    factor: float | None = None
    where: str | None = None
    also: str | None = None


def suspect_of(samples, table=TABLE):
    """The first mistake of a table that explains the claims of all samples, or None."""
    first, *others = samples
    for mistake in table:
        made = mistake.predictions(first.scene)
        words = [told for told in made if first.explained_by(made[told])]
        for one in others if words else ():
            made = mistake.predictions(one.scene)
            words = [told for told in words if told in made and one.explained_by(made[told])]
        if words:
            return Suspect(mistake.code, words[0])
        if mistake.code == "scaled" and (factor := common_factor(samples)) is not None:
            return Suspect("scaled", f"{factor:.6g} times the right gradient", factor)
    return None


def common_factor(samples):
    """The c for which every claim is c times the truth, or None."""
    if not all(sample.shaped and sample.finite for sample in samples):
        return None
    claim = np.concatenate([np.ravel(s.visible(s.claim)) for s in samples])
    true = np.concatenate([np.ravel(s.visible(s.scene.true)) for s in samples])
    if not true @ true > 0:
        return None
    factor = float(claim @ true / (true @ true))
    return factor if all(s.explained_by(factor * s.scene.true) for s in samples) else None


class Observation:
    """A piece at its inputs: what it claims for some upstream gradients, and what nudging finds.

    limit   how many entries of a wrong array are nudged; None for all of them, where need be
    given   the claims, and those for an upstream gradient of 1
    right   the names of the arrays whose claims hold
    """

    trials, decays = None, {}  # the walks, once they are made, and what has a penalty

    def __init__(self, piece, h=1e-5, seed=0, limit=None):
        self.piece, self.others, self.right = piece, {}, set()
        self.truth = truth = Truth(piece, lambda out: self.upstreams(out, seed), h, limit=0)
        self.douts = truth.douts[:-1]
        self.claims = [piece.claims(dout) for dout in self.douts]
        unit = piece.claims(truth.douts[-1]) if len(self.douts) > 1 else self.claims[0]
        self.given = [*self.claims, unit]
        for name, array in truth.arrays.items():
            every = np.arange(array.size)
            if self.agrees(name, every):
                truth.take(name, [one[name] for one in self.given])
                self.right.add(name)
                continue
            truth.sample(name, limit or MANY)
            if limit is None and array.size > MANY:
                if self.agrees(name, np.flatnonzero(truth.seen[name])):
                    truth.nudge(name, self.wrong_entries(name, every))

    def upstreams(self, out, seed):
        return [*self.piece.upstreams(out, seed), np.ones(out.shape)]

    def wrong_entries(self, name, found):
        """A few of these entries of a large array, of which nudging saw a sample, for which the claims do not
        hold. Half after half is moved along a random direction, which sees all its entries."""
        while len(found) > 8:
            first, second = np.array_split(found, 2)
            found = second if self.agrees(name, first) else first
        return found

    def agrees(self, name, entries):
        """Whether the claims hold along random directions that move these entries, and no others."""
        truth, rng = self.truth, np.random.default_rng(1)
        shape = truth.arrays[name].shape
        if any(np.shape(claims[name]) != shape or claims[name] is None for claims in self.given):
            return False
        for _ in range(2):
            direction = np.zeros(shape)
            moves = rng.choice([-1.0, 1.0], len(entries)) * rng.uniform(0.5, 1.5, len(entries))
            direction.flat[entries] = moves
            slopes = truth.along(name, direction).mean(axis=0)
            for claims, slope in zip(self.given, slopes, strict=True):
                room = truth.tolerance * (abs(slope) + np.linalg.norm(claims[name]))
                off = abs(np.vdot(claims[name], direction) - slope)
                if not off <= room + truth.noise[name]:
                    return False
        return True

    @property
    def names(self):
        """The arrays that can be judged at all: some entry of theirs was seen."""
        return [name for name, seen in self.truth.seen.items() if seen.any()]

    @property
    def params(self):
        return {key: a for key, a in self.truth.arrays.items() if key not in self.piece.names}

    def matters(self, name):
        """Whether the output depends on the array at all."""
        seen = self.truth.gradients[name][:, self.truth.seen[name]]
        return bool(np.linalg.norm(seen) > self.truth.noise[name])

    def samples(self, name):
        """A `Sample` for each upstream gradient; none where there is no claim."""
        rest = self.truth.seen[name], self.truth.noise[name], self.truth.tolerance
        given = [(k, one[name]) for k, one in enumerate(self.claims) if one[name] is not None]
        return [Sample(self.scene(name, k), claim, *rest) for k, claim in given]

    def scene(self, name, k):
        names, truth = self.piece.names, self.truth
        alike = [n for n, g in truth.gradients.items() if g.shape == truth.gradients[name].shape]
        siblings = {n: truth.gradients[n][k] for n in alike if n != name and truth.seen[n].all()}
        inputs = {key: truth.arrays[key] for key in names}
        if not names:  # an input that is no place for a gradient still tells the batch size
            inputs = {"x": np.asarray(self.piece.inputs[0], dtype=np.float64)}
        alone = len(names) == 1 and self.slopes.get(names[0]) is not None
        return Scene(
            name, inputs, self.params, truth.out, self.douts[k], truth.gradients[name][k],
            truth.gradients[name][-1], self.slopes,
            *((self.slope_at, self.out_at) if alone else (None, None)),
            t=self.targets(inputs) if names else None, axis=self.piece.axis, claims=self.claims[k],
            siblings=siblings, redraws=self.redraws, listed=self.piece.listed,
            forked=lambda: not self.uses or self.uses.count(name) > 1,
        )  # fmt: skip

    @cached_property
    def uses(self):
        """The arrays that a run of forward uses, one name a use: x * x has two, and x**2 one. Empty where
        nobody can tell."""
        nodes = tried([], recorded, self.piece)
        return [source.name for node in nodes for source in node.sources]

    @cached_property
    def redraws(self):
        """Whether backward draws random numbers of its own: it gives another gradient each time."""
        if not self.piece.hold or not self.piece.names:
            return False
        subject = self.piece.fresh()
        first = self.piece.claims(self.douts[0], subject)
        second = tried(first, self.piece.backward, subject, self.douts[0])
        return any(not np.array_equal(first[name], second[name]) for name in first)

    def targets(self, inputs):
        """One-hot targets of a loss; those that a function keeps to itself are seen in the truth, where
        it is softmax(x) - t over N."""
        x = next(iter(inputs.values()))
        if self.piece.t is not None or self.truth.out.size != 1 or x.ndim != 2 or len(inputs) > 1:
            return one_hot(self.piece.t, x, self.piece.axis)
        for N in (len(x), 1):
            t = softmax_along(x, -1) - N * self.truth.gradients[self.piece.names[0]][-1]
            if np.allclose(t, np.round(t), atol=1e-6) and np.all(np.round(t).sum(axis=-1) == 1):
                return np.round(t)
        return None

    def moved(self, name, index=..., way=grown):
        """What is observed where an array, or one entry of it, holds way(array) instead."""
        key = name, index, way
        if key not in self.others:
            self.others[key] = observed(with_other(self.piece, *key))
        return self.others[key]

    def ignores(self, name, other):
        """Whether the claim for one array stays the same when another one changes, and the truth does not."""
        moved = self.moved(other)
        if moved is None or moved.claims[0].get(name) is None or name not in moved.names:
            return False
        both = (self, moved)
        seen = np.logical_and(*(one.truth.seen[name] for one in both))
        claims = [one.claims[0][name] for one in both]
        truths = [one.truth.gradients[name][0][seen] for one in both]
        return same(*claims, 1e-12) and not same(*truths, 1e-4)

    @cached_property
    def slopes(self):
        return {name: self.slope(name) for name in self.truth.arrays}

    def slope(self, name):
        """The derivative of each entry of the output by its own entry of an array.

        None where the output does not work entry by entry: there the slopes do not add up.
        """
        array, truth = self.truth.arrays[name], self.truth
        if not self.piece.names or self.piece.t is not None:
            return None
        slope = self.slope_at(array, array)
        for dout, true in zip([*self.douts, 1.0], truth.gradients[name], strict=True):
            whole = None
            with suppress(ValueError):
                whole = sum_to(dout * slope, array.shape)
            sample = Sample(None, whole, truth.seen[name], truth.noise[name], truth.tolerance)
            if not (sample.shaped and sample.fits(true, FIT)):
                return None
        return slope

    def out_at(self, x, array=None):
        """The output where an array, the first input, holds other numbers of the same shape."""
        return self.truth.at(self.truth.moved.inputs[0] if array is None else array, x)

    def slope_at(self, x, array=None):
        """The slope of the output there, when all of the array moves at once."""
        h = self.truth.h
        return (self.out_at(x + h, array) - self.out_at(x - h, array)) / (2 * h)


def observed(piece, limit=LIMIT):
    """An observation, or None outside the domain of forward."""
    with suppress(Exception):
        return Observation(piece, limit=limit)


def elsewhere(piece):
    """What is observed at other inputs, and with other parameters, where forward still gives numbers."""
    for variant in variants(piece):
        target = private_copy(variant.target)
        for array in variant.parameters(target).values():
            array *= 1.25
            array += 0.05
        other = observed(variant.at(variant.inputs, variant.t, target))
        if other is not None and np.all(np.isfinite(other.truth.out)):
            yield other
