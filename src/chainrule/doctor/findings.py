"""Findings: what the doctor says, and how it says it.

Each sentence is made from the table of mistakes and from the numbers that gave the mistake away.
"""

import re
import traceback
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from chainrule.mistakes import MISTAKES, TABLE
from chainrule.scenes import said as along
from chainrule.scenes import same, some_axes

RANK = {mistake.code: rank for rank, mistake in enumerate(TABLE)}  # the most specific first
HERE = str(Path(__file__).parents[1])  # this package: its own lines are not the reader's
SHAPES = r"shape|dimension|broadcast|align|axis|axes|size|length|unpack|index|subscript"

CLOSE = r"they are close|right for dout = 1"  # words of what is nearly right, and comes last


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong.

    cause     its code in the table of mistakes
    where     an input ("x"), a parameter ("W"); in a network the layer ("ReLU1", "Affine1.b")
    evidence  the numbers that gave it away
    hint      what to do about it
    factor    for "scaled": how many times too large the gradient is
    """

    cause: str
    where: str
    evidence: str
    hint: str
    factor: float | None = None

    def __str__(self):
        told = MISTAKES[self.cause].cause
        return f"{self.cause} at {self.where}: {told} {self.evidence} Hint: {self.hint}"


class Findings(list):
    """Findings, where some arrays could not be checked: those are told wherever the list is shown."""

    def __init__(self, found, unchecked):
        super().__init__(found)
        self.unchecked = list(unchecked)

    def __repr__(self):
        names = ", ".join(self.unchecked)
        return f"{list(self)!r} (unchecked, since no gradient is given: {names})"


def finding(cause, where, evidence, factor=None, hint=None):
    """A `Finding`, from its evidence without a full stop."""
    evidence = evidence[:1].upper() + evidence[1:].rstrip(". ")
    evidence += "" if evidence.endswith(("?", "!")) else "."
    return Finding(cause, where, evidence, hint or MISTAKES[cause].hint, factor)


def apart(*values, digits=6):
    """The numbers in as many digits as tell them apart, at least so many."""
    for places in (digits, 8, 10, 12, 15, 17):
        texts = [f"{value + 0.0:.{places}g}" for value in values]  # no -0
        if len(set(texts)) == len(set(values)):
            break
    return texts


def told_line(error):
    """The line of the code under test that raised, or nothing where its source is not known."""
    frames, ours = traceback.extract_tb(error.__traceback__), "chainrule|site-packages|<__array"
    lines = [one.line for one in frames if one.line and not re.search(ours, one.filename)]
    return f" on the line `{lines[-1].strip()}`" if lines else ""


def said(error, doing):
    return f"{doing} raises " + f"{type(error).__name__}: {error}".rstrip(": ") + told_line(error)


def raised(error, doing, where):
    """The finding for an exception of the code under test."""
    words = said(error, doing)
    if isinstance(error, TypeError) and ("integer" in str(error) or "interpreted" in str(error)):
        hint = "A shape is wanted where an array is given: np.zeros_like(x), or np.zeros(x.shape)."
        return finding("unknown", where, words, hint=hint)
    if re.search(SHAPES, str(error)):
        hint = "Print the shapes of what that line combines; a gradient has the shape of its array."
        return finding("wrong-shape", where, words, hint=hint)
    hint = "Run forward and backward by hand on two samples, and print what that line is given."
    return finding("unknown", where, words, hint=hint)


def tell(explained, wrong):
    """The findings for the suspects, the most specific first."""
    pairs = [(name, cause) for name, cause in explained.items() if cause]
    pairs.sort(key=lambda pair: RANK[pair[1].code])
    return [one for name, cause in pairs for one in told(name, cause, wrong[name])]


HINTS = {  # for what a row of the table says in too general a way
    "the rim of": "What forward padded in front is cut off in front, and as much: dx[..., p:-p] for p on both sides.",
    "without the call `np.clip(": "Clip the gradients once they are all there, after backward, before the step.",
    "with the loop the other way round": "Walk back from the last layer to the first one: for layer in reversed(layers).",
    "after the loop": "It ends the loop in its first turn: move it one level to the left.",
    "each window one step after": "Send each window back to where forward took it: the same start, and the same stride.",
}


def told(name, suspect, samples):
    """The findings for one suspect: two where it takes two mistakes."""
    where = suspect.where or name
    words = f"{proof(name, samples[0])}; {suspect.words} would give that"
    found = [finding(suspect.code, where, words, suspect.factor, hint_for(words))]
    if suspect.also and " 1 times" not in words:
        found.append(finding(suspect.also, where, f"{words}, with this mistake on top"))
    return found


def hint_for(words):
    return next((hint for sign, hint in HINTS.items() if sign in words), None)


def proof(name, sample):
    """Where claim and truth differ most, in words."""
    if not sample.shaped:
        return f"the gradient of {name} has shape {np.shape(sample.claim)}"
    off = np.where(sample.seen, np.abs(sample.claim - sample.scene.true), -1.0)
    index = np.unravel_index(int(np.argmax(np.nan_to_num(off, nan=np.inf))), off.shape)
    place = f" at {[int(i) for i in index]}" if index else ""
    claim, true = apart(float(sample.claim[index]), float(sample.scene.true[index]))
    return f"for {name} backward gives {claim}{place}, where nudging finds {true}"


def missing(name, returned):
    key = name.rpartition(".")[2]
    hint = f'Let backward leave it in self.grads["{key}"] (or self.d{key}), in the shape of {key}.'
    hint += f" If {key} stays fixed, let self.params name what learns."
    if returned:
        hint = f"Let backward return the gradient of {key}, in its shape."
    return finding("gradient-missing", name, f"no gradient is given for {name}", hint=hint)


def shapeless(name, sample):
    wanted, got, hint = sample.seen.shape, np.shape(sample.claim), None
    words = f"the gradient of {name} has shape {got}, but {name} has shape {wanted}"
    dout = sample.scene.dout
    sums = {axes: dout.sum(axes, keepdims=True) for axes in some_axes(dout.ndim)}
    right = [axes for axes, one in sums.items() if same(one.ravel(), sample.scene.true.ravel())]
    other = [axes for axes, one in sums.items() if same(one.ravel(), np.ravel(sample.claim))]
    if right and other and right[0] != other[0]:
        words += f": it is the sum of dout along {along(other[0])}, and not along {along(right[0])}"
        return finding("sum-over-wrong-axis", name, words)
    if got == wanted[::-1]:
        hint = "It is transposed: for x @ W, that of W is x.T @ dout, and that of x is dout @ W.T."
    elif np.size(sample.claim) == np.prod(wanted):
        hint = "Give it that shape: sum with keepdims=True, or reshape at the end."
    elif got == np.shape(sample.scene.out):
        words += ": it still has the shape of the output, so sum over the axes that were stretched"
    elif len(got) == len(wanted) and all(np.greater_equal(got, wanted)) and got[0] == wanted[0]:
        hint = "Cut off what forward has added: dx = dx[..., p:-p, p:-p] for a padding of p."
    return finding("wrong-shape", name, words, hint=hint)


REPAIR = "Write the formula of that line once more, from the one of forward, and compare."


def unknown(name, samples, line="", mended=None):
    words, true, hint = proof(name, samples[0]), samples[0].scene.true, None
    words += f"; it goes wrong at {line}" if line else ""
    others = samples[0].scene.siblings.items()
    strange = [key for key, one in others if samples[0].explained_by(one) and np.any(one)]
    if not np.any(true):
        words += f"; nudging {name} changes nothing, so forward may not use it, or use an old copy"
    elif strange:
        words += f"; it is the gradient of {strange[0]}"
        hint = "Look for a copied line that kept an old name, for a dict that two layers share, "
        hint += "or for a loop back that starts with layer one."
    elif mended:
        words, hint = f"{words}; {mended[1]}", hint_for(mended[1])
        hint = REPAIR if mended[0] == "unknown" and hint is None else hint
        return finding(mended[0], name, words, hint=hint)
    elif close(samples, 0.03):
        words += "; they are close"
        hint = "Look for a small constant that only one of forward and backward adds: log(y + 1e-7), or eps. "
        hint += "Or is backward the derivative of an approximation of forward?"
    return finding("unknown", name, words, hint=hint)


SAYS_MORE = "samples-as-columns sum-over-wrong-axis weight-decay epsilon-forgotten".split()


def with_line(one, mended):
    """A finding that tells no line, with the one that a repair has found, and with the cause if that says more."""
    code, words = mended
    code = code if code in SAYS_MORE else one.cause
    return finding(code, one.where, f"{one.evidence.rstrip('.')}; {words}", one.factor)


def close(samples, tolerance=1e-3):
    """Whether a claim is nearly right, and not right but for a few entries."""
    sample = samples[0]
    if not sample.shaped or not sample.fits(sample.scene.true, tolerance):
        return False
    claim, true = sample.visible(sample.claim), sample.visible(sample.scene.true)
    worst = np.argmax(np.abs(claim - true))
    return bool(abs(claim[worst] - true[worst]) <= 0.1 * abs(true[worst]))


def in_order(found):
    """The findings as they are, but what is close to right comes last."""

    def is_close(one):
        return one.cause == "log-constant" or bool(re.search(CLOSE, one.evidence))

    return sorted(found, key=is_close)
