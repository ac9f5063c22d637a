"""Mistakes: one table of what goes wrong in a backward pass, by name.

A row has a code, a sentence that says what the code does, a hint for whoever wrote it, and, where
numbers alone give the mistake away, the function that tells which numbers it would have produced. The
doctor compares those with what it meets, the most specific row first; the exercises hand on the hints.
Read `doctor` next.
"""

from collections.abc import Callable
from dataclasses import dataclass

from chainrule import scenes
from chainrule.guesses import GUESSES, evaluate, explain_guess, right_answer  # noqa: F401
from chainrule.scenes import Scene  # noqa: F401
from chainrule.zoo import ZOO, Specimen, UpdatesEarly  # noqa: F401


def nothing(scene):
    """For mistakes that are found by running the code, not by their numbers."""
    return ()


@dataclass(frozen=True)
class Mistake:
    """code, what the code under test does, what its author should do, and what it would produce."""

    code: str
    cause: str
    hint: str
    produces: Callable = nothing

    def predictions(self, scene):
        """What this mistake would produce there: (in words, the numbers) pairs, in a dict."""
        try:
            return dict(self.produces(scene))
        except (ValueError, LookupError, TypeError, ArithmeticError):
            return {}  # the shapes at this place leave it no room


# fmt: off
ROWS = """
not-finite
    A number is infinite or not a number.
    Look for an overflow in exp, a logarithm of 0, or a division by 0.
not-repeatable
    The same input gives two outputs, so no gradient can be checked.
    Draw from a generator that the layer keeps (self.rng), or give it a fixed mask for the check.
update-in-backward
    Backward changes a parameter, so what it computes next goes through the new numbers.
    Collect all gradients first, and update afterwards: backward only fills self.grads.
bias-sum-over-everything
    The gradient of the bias is summed over all axes.
    Sum over the batch alone, dout.sum(axis=0): each bias has a gradient of its own.
bias-first-row
    The gradient of the bias comes from one sample.
    Every sample used the bias, so sum dout over the whole batch: dout.sum(axis=0).
sum-over-wrong-axis
    A sum runs along another axis than the one that was shared.
    Sum over what used the value: a bias (M,) was used by each sample, dout.sum(axis=0).
bias-mean
    The gradient of the bias is averaged over the batch.
    Sum over the batch, do not average: the loss has already divided by N.
softmax-over-batch
    The softmax runs over the batch instead of over the classes.
    Each sample has its own probabilities: use axis=-1 and keepdims=True.
labels-shifted
    The label that is subtracted is not the label of that sample: it is off by one.
    Print t beside the index where backward subtracts 1: labels start at 0, one a row, in order.
broadcast-targets
    Targets of shape (N,) meet outputs of shape (N, 1), and y - t becomes a table of N by N.
    Give both the same shape before you subtract: t = t.reshape(y.shape).
label-term-missing
    The gradient is right but for the scores of the right classes.
    The right class is subtracted too: y[n, t] -= 1 in a softmax, and a 1 for each margin in a hinge.
repeated-rows
    A row that was taken more than once got the gradient of one use only.
    Use np.add.at(d, rows, dout): d[rows] += dout adds once for each row, however often it is named.
mask-from-upstream
    The mask is taken from the sign of dout.
    The gate opens where the *input* was positive: keep the mask of forward.
leaky-slope-lost
    The gradient stops where the gate only made it smaller.
    Where forward multiplies by a small slope, so does backward: dout * np.where(x > 0, 1, slope).
mask-missing
    The gradient passes the gate everywhere.
    Multiply dout by the mask of forward: where the gate was closed, nothing comes back.
mask-inverted
    The gradient passes where the gate was closed, and stops where it was open.
    Turn the mask around: the gradient passes where forward let the value through.
mask-redrawn
    Backward draws a mask of its own.
    Keep the mask that forward drew, self.mask, and multiply dout by that one.
tie-counted-twice
    Where two entries tie for the largest, each of them gets the whole gradient.
    Keep the place of the winner, argmax, in forward, and hand the gradient to that one alone.
always-zero
    The gradient is 0 everywhere.
    Look where this gradient is assigned: an array of zeros may never be filled, or be filled too late.
weight-not-transposed
    A matrix has the wrong orientation in the product.
    Use dx = dout @ W.T and dW = x.T @ dout; the shapes of square matrices do not tell.
inputs-not-swapped
    Each input gets the gradient that belongs to the other one.
    The gradient of x is dout times y, and that of y is dout times x: multiply swaps.
softmax-diagonal
    Each probability is taken to depend on its own score alone.
    All scores stand below the bar: dx = y * (dout - sum(dout * y)), the sum along the classes.
statistics-constant
    The mean or the spread is taken for a constant, though each x is part of it.
    Follow every path from x: through x - mean, through the mean, and through the variance.
epsilon-forgotten
    Forward adds a small constant under the root, and backward does not know of it.
    Compute the root once, in forward, and use the same number in backward.
kernel-not-turned
    The kernel goes back the way it came, and not turned around.
    What x[i] gave to output i - k comes back through k: add dout[i] * K to the window of output i.
overwritten-at-fork
    A value that is used more than once got the gradient of only some of its uses.
    At a fork gradients add: one use writes with =, every other one needs +=; in a formula each use has its term.
derivative-missing
    The upstream gradient is handed on without the local derivative.
    Downstream is upstream times local: multiply dout by the derivative.
derivative-twice
    The local derivative is multiplied in twice.
    Multiply dout by the derivative once.
derivative-of-input
    The derivative is a formula of the output, taken at the input (or the other way round).
    Keep in forward what the formula wants: y (1 - y) and 1 - y ** 2 are formulas of the output y, cos(x) is one of x.
upstream-ignored
    The upstream gradient plays no part.
    Multiply by what comes back from the loss, dout, also where it happens to be 1 today.
log-constant
    The loss adds a small constant inside its logarithm, and backward does not know of it.
    Take the log of y alone: the score, less its row's maximum, less the log of the sum of exp.
targets-differ
    The gradient takes the targets as they came, and the loss takes others made of them.
    Keep what the loss really used (smoothed, weighted, clipped) in forward, and subtract that.
missing-batch-division
    The gradient is N times too large, for N samples.
    The loss is a mean over the batch, so divide its gradient by N.
double-batch-division
    The gradient is divided by the number of samples once more than it should be.
    Divide by N in one place only, in the loss.
samples-as-columns
    The number of samples is counted along the wrong axis.
    Where samples are rows N is x.shape[0], where they are columns it is x.shape[1].
axes-in-wrong-order
    The right numbers stand in the wrong places.
    Send each number back where it came from: a transpose by its inverse, and no reshape; x[:, p] by np.argsort(p).
weight-decay
    The penalty on the weights is one thing in the loss and another in the gradient.
    A loss with lam / 2 * sum(W ** 2) adds lam * W to the gradient of every W, once, and to no bias.
whole-numbers
    The gradient is cut to whole numbers.
    It is written into an array of integers: make that one with dtype=float, or let NumPy make it.
wrong-sign
    The gradient has the wrong sign.
    Go through the derivation once more and count the minus signs.
scaled
    The gradient, or a part of it, is a fixed multiple of the right one.
    Look for a constant that forward has and backward has not, or the other way round.
factor-missing
    Backward leaves out a factor of the derivative.
    Write the formula of forward down and differentiate it: what is missing stands in the derivative.
another-array
    Backward multiplies by another array than forward did.
    Print what backward multiplies by beside what forward had on that line; keep a copy if it changes later.
stale-cache
    Backward uses what an earlier call left behind.
    Let each forward store anew what backward needs, and let backward change none of it.
mutates-dout
    Backward writes into the upstream gradient that it was given.
    Make a new array: dx = dout * mask, instead of dout[...] = 0.
mutates-input
    An array that belongs to the caller is overwritten.
    Work on a copy, or write x = x + 1 instead of x += 1.
gradient-missing
    No gradient is given for an array that forward uses.
    Let backward leave it in self.grads, under the name of the array and in its shape.
wrong-shape
    A gradient does not have the shape of the thing that it belongs to.
    Return one gradient for each input, in its shape; undo broadcasting by a sum.
unknown
    The gradient is wrong, in a way that is not in the table.
    Compute the entry in the evidence by hand, and print each step of backward beside it.
"""
# fmt: on


def rows(text):
    lines = [line.strip() for line in text.strip().splitlines()]
    for code, cause, hint in zip(*[iter(lines)] * 3, strict=True):
        yield Mistake(code, cause, hint, getattr(scenes, code.replace("-", "_"), nothing))


TABLE = list(rows(ROWS))  # the most specific first
MISTAKES = {mistake.code: mistake for mistake in TABLE}
CODES = "\n".join(f"{m.code}  {m.cause} {m.hint}" for m in TABLE)
__doc__ = f"{__doc__}\nThe codes, the most specific first:\n\n{CODES}\n"
