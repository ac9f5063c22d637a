"""The gradient check: backpropagation against the numerical gradient, and a report of the outcome.

Backpropagation is quick and easy to get wrong, the numerical gradient is slow and hard to get wrong;
where the two agree, backward belongs to this forward. Use float64, a few samples, and shapes that are not square.
"""

from dataclasses import dataclass
from html import escape

import numpy as np

from chainrule.doctor import diagnose
from chainrule.doctor.checks import checked_piece, quiet
from chainrule.doctor.copies import as_it_was
from chainrule.doctor.findings import apart, said
from chainrule.doctor.probe import Truth, rounding
from chainrule.numeric import numerical_gradient

__all__ = ["diagnose", "gradient_check", "numerical_gradient", "Report", "Row"]


def gradient_check(target, x=None, t=None, *, h=1e-5, seed=0, allow_float32=False) -> "Report":
    """Compare the gradients that `target` computes with numerical ones.

    target  a node or a layer, with `x` its input, or a tuple of inputs; or, with targets `t`, a loss
            (x are the scores) or a network (its parameters are checked); or a `Variable` (its leaves
            are); or a function of x that gives a Variable, a pair (value, gradient), or a pair
            (output, backward), where backward(dout) gives the gradient
    t       for a loss or a network, which have nothing above them: their dout is 1
    h       the step of the central difference
    seed    without t the output is weighted by a random array dout of either sign, drawn from this
            seed, so that one number comes out
    allow_float32  float32 is too coarse to tell a right gradient from a nearly right one, and is
            refused unless asked for

    Returns a `Report`. What is nudged is a copy: the target's own numbers stay as they are.
    """
    with as_it_was(target), quiet():
        piece = checked_piece(target, x, t, h, seed, allow_float32)  # whatever it is, one to run
        if problem := piece.problem:
            return Report(type(target).__name__, [failed(piece, problem)])
        weighted = t is None and not piece.last
        upstream = weights if weighted else lambda out, seed: np.ones(out.shape)
        doing = "forward"
        try:
            # what nudging finds: an array `truth.gradients[name]` for each input and parameter
            truth = Truth(piece, lambda out: [upstream(out, seed)], h)
            doing = "backward"
            claims = piece.claims(truth.douts[0])  # name -> the gradient that the target computes
        except Exception as error:
            return Report(type(target).__name__, [failed(piece, said(error, doing))])
    rows = [compare(name, claims.get(name), truth) for name in truth.arrays]
    return Report(type(target).__name__, rows, piece.unchecked)


def weights(out, seed):
    """A random upstream gradient: between 0.5 and 1.5 in size, of either sign."""
    dout = np.random.default_rng(seed).uniform(0.5, 1.5, out.shape)
    return dout * np.random.default_rng(seed + 1).choice([-1.0, 1.0], out.shape)


def compare(name, claimed, truth):
    """The `Row` of one array: right is |a - n| <= tolerance (|a| + |n|) + what rounding may do, off the kinks.

    a is what backward claims, n what nudging finds, and |.| the Euclidean norm.
    """
    numeric, kink = truth.gradients[name][0], truth.kinks[name]
    kinks = int(kink.sum())
    if claimed is None or claimed.shape != numeric.shape:
        problem = "no gradient was given"
        if claimed is not None:
            problem = f"the gradient has shape {claimed.shape}, wanted {numeric.shape}"
        return Row(name, numeric.shape, kinks, 0, 1.0, None, problem)
    kink = kink & np.isfinite(claimed)  # a gradient that is no number is wrong at a kink too
    a, n = claimed[~kink].astype(np.float64), numeric[~kink]
    scale = float(np.linalg.norm(a) + np.linalg.norm(n))
    difference = float(np.linalg.norm(a - n))
    floor = rounding(truth.size, truth.h, a.size, truth.eps)
    relative, problem, worst = difference / scale if scale != 0 else 0.0, "", None
    if a.size:
        off = np.where(kink, -1.0, np.abs(claimed - numeric))
        index = tuple(int(i) for i in np.unravel_index(int(np.argmax(off)), off.shape))
        worst = (index, float(claimed[index]), float(numeric[index]))
    if not difference <= truth.tolerance * scale + floor:  # NaN fails too
        place = f" at index {worst[0]}" if claimed.ndim else ""
        claim, true = apart(*worst[1:], digits=8)
        problem = f"backward gives {claim}{place}, the numerical gradient {true}"
        relative = relative if np.isfinite(relative) else 1.0
    drowned = not problem and 0 < scale <= 2 * floor  # both are 0 but for rounding
    relative = 0.0 if drowned else relative
    return Row(name, numeric.shape, kinks, a.size, relative, worst, problem, drowned)


def failed(piece, problem):
    """The `Row` that stands for all of them where the code under test cannot be run."""
    name = piece.labels[0] if piece.labels else "loss"
    return Row(name, piece.inputs[0].shape, 0, 0, 1.0, None, problem)


@dataclass(frozen=True)
class Row:
    """The comparison for one array: an input or a parameter.

    name, shape     which array
    kinks           entries set apart, because a kink lies within h of them
    compared        entries compared
    relative_error  |a - n| / (|a| + |n|), Euclidean norms over the compared entries
    worst           (index, analytic, numerical) of the entry that differs most, or None
    problem         why the row fails, in words, or "" where it passes
    drowned         whether it passes because both are no larger than rounding
    """

    name: str
    shape: tuple
    kinks: int
    compared: int
    relative_error: float
    worst: tuple | None
    problem: str
    drowned: bool = False

    @property
    def ok(self):
        return not self.problem

    @property
    def outcome(self):
        if self.problem:
            return self.problem
        if not self.compared:
            return "nothing to compare"
        telling = self.relative_error < TELLING and not self.drowned
        return "ok" if telling else "ok, too small to tell from rounding"


TELLING = 1e-3  # a relative error that passes above this one is within rounding


class Report:
    """The outcome of a gradient check: a row for each array, and what could not be checked."""

    def __init__(self, target, rows, unchecked=()):
        self.target, self.rows, self.unchecked = target, rows, list(unchecked)

    @property
    def kinks(self):
        return sum(row.kinks for row in self.rows)

    @property
    def max_relative_error(self):
        return max((row.relative_error for row in self.rows), default=0.0)

    @property
    def ok(self):
        return all(row.ok for row in self.rows) and any(row.compared for row in self.rows)

    @property
    def verdict(self):
        if self.ok:
            return "ok"
        return "FAILED" if any(row.problem for row in self.rows) else "nothing left to compare"

    def raise_if_failed(self):
        """AssertionError, naming the parameter, the index and both values, unless all is well."""
        if not self.ok:
            wrong = [f"{row.name}: {row.problem}" for row in self.rows if row.problem]
            raise AssertionError(
                f"gradient check of {self.target}: " + ("; ".join(wrong) or self.verdict)
            )

    @property
    def last(self):
        words = f"largest relative error {self.max_relative_error:.1e}, kinks {self.kinks}"
        return words + "".join(
            f"; unchecked: {name}, no gradient is given" for name in self.unchecked
        )

    def cells(self):
        yield "array", "shape", "compared", "kinks", "relative error", ""
        for row in self.rows:
            shape = " × ".join(map(str, row.shape)) or "number"
            error = f"{row.relative_error:.1e}"
            yield row.name, shape, str(row.compared), str(row.kinks), error, row.outcome

    def __repr__(self):
        cells = list(self.cells())
        widths = [max(len(line[i]) for line in cells) for i in range(5)]
        lines = [f"gradient check of {self.target}: {self.verdict}"]
        for name, *numbers, outcome in cells:
            middle = (n.rjust(w) for n, w in zip(numbers, widths[1:], strict=True))
            lines.append("  ".join([name.ljust(widths[0]), *middle, outcome]).rstrip())
        return "\n".join([*lines, self.last])

    def _repr_html_(self):
        head, *body = [[escape(cell) for cell in line] for line in self.cells()]
        head = "".join(f'<th scope="col">{cell}</th>' for cell in head[:-1]) + "<th>outcome</th>"
        rows = "".join(
            f'<tr><th scope="row">{name}</th>'
            + "".join(f"<td>{cell}</td>" for cell in rest)
            + "</tr>"
            for name, *rest in body
        )
        return (
            f'<div class="chainrule-report"><p>Gradient check of {escape(self.target)}: '
            f"{escape(self.verdict)}. {escape(self.last.capitalize())}.</p>"
            f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>"
        )
