"""The gradient check: backpropagation against the numerical gradient, and a report of the outcome.

Backpropagation is quick and easy to get wrong, the numerical gradient is slow and hard to get wrong;
where the two agree, both are right. Use float64, a few samples, and shapes that are not square.
"""

import inspect
from dataclasses import dataclass
from html import escape

import numpy as np

from chainrule.doctor import check_arguments, check_fine_step, check_seed, diagnose
from chainrule.doctor.probe import TOLERANCE, rounding, slopes_differ
from chainrule.guards.numbers import as_value
from chainrule.guards.numeric import check_nudge
from chainrule.layers import ReLU
from chainrule.nodes import Maximum
from chainrule.numeric import nudged, numerical_gradient

__all__ = ["diagnose", "gradient_check", "numerical_gradient", "Report", "Row"]


@dataclass(frozen=True)
class Row:
    """The comparison for one array: an input or a parameter.

    name, shape     which array
    kinks           entries set apart, because a kink lies within h of them
    compared        entries compared
    relative_error  |a - n| / (|a| + |n|), Euclidean norms over the compared entries
    worst           (index, analytic, numerical) of the entry that differs most, or None
    problem         why the row fails, in words, or "" where it passes
    """

    name: str
    shape: tuple
    kinks: int
    compared: int
    relative_error: float
    worst: tuple | None
    problem: str

    @property
    def ok(self):
        return not self.problem


TELLING = 1e-3  # a relative error that passes above this one is within rounding


class Report:
    """The outcome of a gradient check: a row for each array."""

    def __init__(self, target, rows):
        self.target, self.rows = target, rows

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

    def cells(self):
        yield "array", "shape", "compared", "kinks", "relative error", ""
        for row in self.rows:
            shape = " × ".join(map(str, row.shape)) or "number"
            error = f"{row.relative_error:.1e}"
            fine = "ok" if row.relative_error < TELLING else "ok, too small to tell from rounding"
            yield row.name, shape, str(row.compared), str(row.kinks), error, row.problem or fine

    def __repr__(self):
        cells = list(self.cells())
        widths = [max(len(line[i]) for line in cells) for i in range(5)]
        lines = [f"gradient check of {self.target}: {self.verdict}"]
        for name, *numbers, outcome in cells:
            middle = (n.rjust(w) for n, w in zip(numbers, widths[1:], strict=True))
            lines.append("  ".join([name.ljust(widths[0]), *middle, outcome]).rstrip())
        lines.append(f"largest relative error {self.max_relative_error:.1e}, kinks {self.kinks}")
        return "\n".join(lines)

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
            f'<table class="chainrule-report"><caption>Gradient check of {escape(self.target)}: '
            f"{escape(self.verdict)}. Largest relative error {self.max_relative_error:.1e}, "
            f"kinks {self.kinks}.</caption><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
        )


def gradient_check(target, x, t=None, *, h=1e-5, seed=0, allow_float32=False):
    """Compare the gradients that `target` computes with numerical ones.

    target  a node or a layer, with `x` its input, or a tuple of inputs; or, with targets `t`, a loss
            (x are the scores) or a network (its parameters are checked)
    t       for a loss or a network
    h       the step of the central difference
    seed    without t the output is weighted by a random array, drawn from this seed, so that one
            number comes out
    allow_float32  float32 is too coarse to tell a right gradient from a nearly right one, and is
            refused unless asked for

    Returns a `Report`. Parameters are nudged in place and put back exactly.
    """
    check_fine_step(h, "gradient_check")
    check_seed(seed)
    probe = make_probe(target, x, t, seed)
    for name, array in probe.arrays.items():
        check_nudge(array, h, f"gradient_check: {name}")
        if array.dtype != np.float64 and not allow_float32:
            raise ValueError(
                f"gradient_check wants float64, got {name} in {array.dtype}: "
                "convert it, or pass allow_float32=True"
            )
    loss, size = probe.loss()
    analytic = {key: np.array(value) for key, value in probe.gradients().items()}
    rows = [
        compare(probe, name, array, analytic.get(name), h, loss, size)
        for name, array in probe.arrays.items()
    ]
    return Report(probe.name, rows)


class Probe:
    """A target seen as one function of several arrays, with the gradients it claims.

    arrays     name -> the array that may be nudged
    loss       () -> (the number, and the size of the terms it was summed from)
    gradients  () -> name -> claimed gradient, after a call of `loss`
    layers     whatever may have a kink
    """

    def __init__(self, target, arrays, layers):
        self.name = type(target).__name__
        self.target, self.arrays, self.layers = target, arrays, layers
        self.relus = [layer for layer in layers if isinstance(layer, ReLU)]
        self.foreign = any(may_have_kinks(layer) for layer in layers)

    def masks(self):
        return [relu.mask.copy() for relu in self.relus]


def may_have_kinks(layer):
    """Of this package's own pieces only Maximum has kinks, beside ReLU, whose mask tells exactly."""
    return isinstance(layer, Maximum) or not type(layer).__module__.startswith("chainrule.")


class NetworkProbe(Probe):
    def __init__(self, network, x, t):
        super().__init__(
            network, dict(network.params), list(getattr(network, "layers", {}).values())
        )
        self.foreign |= not hasattr(network, "layers")
        self.x, self.t = x, t

    def loss(self):
        loss = float(self.target.loss(self.x, self.t))
        return loss, abs(loss)

    def gradients(self):
        return self.target.gradient(self.x, self.t)


class LayerProbe(Probe):
    """A node, a layer or a loss: `inputs` are checked, and the parameters where there are any."""

    def __init__(self, target, inputs, t, seed):
        names = ["x", "y"] if len(inputs) == 2 else [f"x{i + 1}" for i in range(len(inputs))]
        names = ["x"] if len(inputs) == 1 else names
        names = [
            f"input {name}" if name in getattr(target, "params", {}) else name for name in names
        ]
        self.inputs = [np.array(as_value(value, "gradient_check")) for value in inputs]
        arrays = dict(zip(names, self.inputs, strict=True)) | getattr(target, "params", {})
        super().__init__(target, arrays, [target])
        self.names, self.t = names, t
        out = np.asarray(as_value(self.forward(), f"gradient_check: what {self.name} returns"))
        self.dout = np.random.default_rng(seed).uniform(0.5, 1.5, out.shape)
        self.dout *= np.random.default_rng(seed + 1).choice([-1.0, 1.0], out.shape)
        self.dout = self.dout.astype(out.dtype) if out.ndim else float(self.dout)

    def forward(self):
        # a number goes in as a number, since that is how it came
        inputs = [float(v) if v.ndim == 0 else v.copy() for v in self.inputs]
        return (
            self.target.forward(*inputs) if self.t is None else self.target.forward(*inputs, self.t)
        )

    def loss(self):
        terms = self.dout * np.asarray(self.forward())
        return float(np.sum(terms)), float(np.sum(np.abs(terms)))

    def gradients(self):
        dx = self.target.backward(self.dout if np.ndim(self.dout) == 0 else self.dout.copy())
        dx = dx if isinstance(dx, tuple) else (dx,)
        claimed = {n: g for n, g in zip(self.names, dx, strict=False) if g is not None}
        return claimed | dict(getattr(self.target, "grads", {}))


def make_probe(target, x, t, seed):
    network = hasattr(target, "gradient") and hasattr(target, "loss")
    inputs = x if isinstance(x, tuple) and not network else (x,)
    check_arguments("gradient_check", target, inputs, t, network)
    if not network:
        check_count(target, inputs if t is None else (*inputs, t))
    return NetworkProbe(target, x, t) if network else LayerProbe(target, inputs, t, seed)


def check_count(target, inputs):
    """TypeError unless the target's forward takes so many inputs."""
    try:
        takes = inspect.signature(target.forward)
    except (TypeError, ValueError):  # written in C, say: it has none to look at
        return
    try:
        takes.bind(*inputs)
    except TypeError:
        raise TypeError(
            f"gradient_check: {type(target).__name__}.forward takes {takes}, got {len(inputs)} "
            "(two inputs go in as a tuple, the targets of a loss as t)"
        ) from None


def compare(probe, name, array, claimed, h, loss, size):
    """The Row of one array: nudge every entry, set the kinks apart, compare the rest."""
    numeric, kink = np.zeros(array.shape), np.zeros(array.shape, bool)
    with writable(probe, name, array) as live:
        masks = []

        def evaluate_loss():
            return probe.loss()[0]

        def evaluate():
            value = evaluate_loss()
            masks.append(probe.masks())
            return value

        for index, above, below in nudged(live, h, evaluate):
            numeric[index] = (above - below) / (2 * h)
            kink[index] = any((p != q).any() for p, q in zip(*masks, strict=True))
            masks.clear()
            if probe.foreign and not kink[index]:
                values = above, loss, below
                kink[index] = slopes_differ(evaluate_loss, live, index, h, values, size)
    kinks = int(kink.sum())
    if claimed is None or claimed.dtype.kind not in "fiub":
        return Row(name, array.shape, kinks, 0, 1.0, None, "no gradient was given")
    if claimed.shape != array.shape:
        problem = f"the gradient has shape {claimed.shape}, wanted {array.shape}"
        return Row(name, array.shape, kinks, 0, 1.0, None, problem)
    return judge(name, claimed, numeric, kink, h, size, np.finfo(array.dtype).eps)


def judge(name, claimed, numeric, kink, h, size, eps):
    a, n = claimed[~kink].astype(np.float64), numeric[~kink]
    scale = np.linalg.norm(a) + np.linalg.norm(n)
    difference = np.linalg.norm(a - n)
    relative = float(difference) / float(scale) if scale != 0 else 0.0
    problem, worst = "", None
    if a.size:
        off = np.where(kink, -1.0, np.abs(claimed - numeric))
        index = np.unravel_index(int(np.argmax(off)), off.shape)
        index = tuple(int(i) for i in index)
        worst = (index, float(claimed[index]), float(numeric[index]))
    if not difference <= TOLERANCE * scale + rounding(size, h, a.size, eps):  # NaN fails too
        place = f" at index {worst[0]}" if claimed.ndim else ""
        problem = f"backward gives {worst[1]:.8g}{place}, the numerical gradient {worst[2]:.8g}"
        relative = relative if np.isfinite(relative) else 1.0
    return Row(name, claimed.shape, int(kink.sum()), a.size, relative, worst, problem)


class writable:
    """The array to nudge: the target's own, or, if that is read-only, a stand-in among its params."""

    def __init__(self, probe, name, array):
        self.probe, self.name, self.array = probe, name, array

    def __enter__(self):
        if self.array.flags.writeable:
            return self.array
        live = self.array.copy()
        self.assign(live)
        return live

    def __exit__(self, *_):
        if not self.array.flags.writeable:
            self.assign(self.array)

    def assign(self, array):
        layer, _, key = self.name.rpartition(".")
        owner = self.probe.target.layers[layer] if layer else self.probe.target
        owner.params[key] = array
