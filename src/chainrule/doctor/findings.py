"""Findings: what the doctor says, and how it says it.

Each sentence is made from the table of mistakes and from the numbers that gave the mistake away.
"""

import re
from dataclasses import dataclass

import numpy as np

from chainrule.mistakes import MISTAKES, TABLE

RANK = {mistake.code: rank for rank, mistake in enumerate(TABLE)}  # the most specific first


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
        return (
            f"{self.cause} at {self.where}: {MISTAKES[self.cause].cause} {self.evidence} "
            f"Hint: {self.hint}"
        )


def finding(cause, where, evidence, factor=None):
    """A `Finding`, from its evidence without a full stop."""
    evidence = evidence[:1].upper() + evidence[1:] + "."
    return Finding(cause, where, evidence, MISTAKES[cause].hint, factor)


def raised(error, doing, where):
    """The finding for an exception of the code under test."""
    shapes = r"shape|dimension|broadcast|align|axis|axes|size|length|unpack|index|subscript"
    cause = "wrong-shape" if re.search(shapes, str(error)) else "unknown"
    return finding(cause, where, f"{doing} raises {type(error).__name__}: {error}")


def tell(explained, wrong):
    """The findings for the suspects, the most specific first."""
    groups = [
        (RANK[cause.code], told(name, cause, wrong[name]))
        for name, causes in explained.items()
        for cause in causes
    ]
    return [one for _, group in sorted(groups, key=lambda pair: pair[0]) for one in group]


def told(name, suspect, samples):
    """The findings for one suspect: two where it takes two mistakes."""
    where = suspect.where or name
    words = f"{proof(name, samples[0])}; {suspect.words} would give that"
    found = [finding(suspect.code, where, words, suspect.factor)]
    if suspect.also:
        found.append(finding(suspect.also, where, f"{words}, with this mistake on top"))
    return found


def proof(name, sample):
    if sample.shaped:
        return f"for {name} {sample.worst()}"
    return f"the gradient of {name} has shape {np.shape(sample.claim)}"


def missing(name):
    return finding("wrong-shape", name, f"no gradient is given for {name}")


def shapeless(name, sample):
    wanted, got = sample.seen.shape, np.shape(sample.claim)
    words = f"the gradient of {name} has shape {got}, but {name} has shape {wanted}"
    if got == np.shape(sample.scene.out):
        words += ": it still has the shape of the output, so sum over the axes that were stretched"
    return finding("wrong-shape", name, words)


def unknown(name, samples):
    words = f"for {name} {samples[0].worst()}"
    true = samples[0].scene.true
    if not np.any(true):
        words += f"; nudging {name} changes nothing, so forward may not use it, or use an old copy"
    elif samples[0].fits(true, 1e-3):
        words += "; they are close: is a small constant added somewhere, as in log(y + 1e-7)?"
    return finding("unknown", name, words)
