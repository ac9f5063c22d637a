"""What no known mistake explains is looked for in the source: one thing is changed at a time."""

import linecache

import numpy as np
import pytest

from chainrule.doctor import diagnose
from chainrule.doctor.changes import WAYS

RNG = np.random.default_rng(3)
X = RNG.normal(size=(4, 3))
POSITIVE = RNG.uniform(0.5, 2, (4, 3))


class Elu:
    def forward(self, x):
        self.x = x
        return np.where(x > 0, x, 0.7 * (np.exp(x) - 1))

    def backward(self, dout):
        return dout * np.where(self.x > 0, 1.0, self.x + 0.7)


class Running:
    def forward(self, x):
        self.x = x
        return np.cumsum(x**2, axis=1)

    def backward(self, dout):
        return 2 * self.x * np.cumsum(dout, axis=1)


class Outer:
    def forward(self, x, y):
        self.x, self.y = x, y
        return x[:, :, None] * y[:, None, :]

    def backward(self, dout):
        dx = dout * self.y[:, None, :]
        dy = dout * self.x[:, :, None]
        return dx.sum(1), dy.sum(1)


class UnitRows:
    def forward(self, x):
        self.x, self.n = x, np.sqrt(np.sum(x**2, axis=1, keepdims=True))
        return x / self.n

    def backward(self, dout):
        along = np.sum(dout * self.x, axis=1, keepdims=True)
        return dout / self.n - self.x * along / self.n**2


class Spread:
    def forward(self, x):
        self.x = x
        return x.var(axis=1)

    def backward(self, dout):
        return 2 * dout[:, None] * self.x / self.x.shape[1]


class Learned:
    def __init__(self):
        self.params, self.grads = {"p": np.array([0.5, 1.5, 2.5])}, {}

    def forward(self, x):
        self.x, self.y = x, x ** self.params["p"]
        return self.y

    def backward(self, dout):
        self.grads["p"] = np.sum(dout * self.y, axis=0)
        return dout * self.params["p"] * self.y / self.x


class Decayed:
    def __init__(self):
        self.params, self.grads, self.lam = {"W": RNG.normal(size=(3, 2))}, {}, 0.03

    def forward(self, x):
        self.x = x
        return x @ self.params["W"]

    def backward(self, dout):
        self.grads["W"] = self.x.T @ dout + self.lam * self.params["W"]
        return dout @ self.params["W"].T


class Rms:
    eps = 0.1

    def forward(self, x):
        self.x = x
        return x / np.sqrt(np.mean(x * x, axis=-1, keepdims=True) + self.eps)

    def backward(self, dout):
        rms = np.sqrt(np.mean(self.x * self.x, axis=-1, keepdims=True))
        return dout / rms - self.x * np.mean(dout * self.x, axis=-1, keepdims=True) / rms**3


class Clipped:
    def forward(self, x):
        self.x = x
        return np.sin(3 * x)

    def backward(self, dout):
        dx = 3 * dout * np.cos(3 * self.x)
        np.tanh(dx, out=dx)
        return dx


class Half:
    def forward(self, x):
        self.y = 1 / (1 + np.exp(-x))
        return self.y

    def backward(self, dout):
        slope = (self.y * (1 - self.y)).astype(np.float16)
        return dout * slope


class Windows:
    def forward(self, x):
        self.shape = x.shape
        return x[:, ::2] ** 2 + 0 * x[:, :2]

    def backward(self, dout):
        return dout


class Early:
    def forward(self, x):
        self.x = x
        return np.array([np.sum(row**3) for row in x])

    def backward(self, dout):
        dx = np.zeros_like(self.x)
        for i in range(len(self.x)):
            dx[i] = 3 * self.x[i] ** 2 * dout[i]
            return dx


SLIPS = [  # the layer, its inputs, the name, and the line
    (Elu, [X], "derivative-of-input", "return dout * np.where(self.x > 0, 1.0, self.x + 0.7)"),
    (Running, [X], "axes-in-wrong-order", "return 2 * self.x * np.cumsum(dout, axis=1)"),
    (Outer, [RNG.normal(size=(2, 3)), RNG.normal(size=(2, 3))], "sum-over-wrong-axis", "return dx.sum(1), dy.sum(1)"),
    (UnitRows, [X], "unknown", "return dout / self.n - self.x * along / self.n**2"),
    (Spread, [X], "another-array", "return 2 * dout[:, None] * self.x / self.x.shape[1]"),
    (Learned, [POSITIVE], "factor-missing", 'self.grads["p"] = np.sum(dout * self.y, axis=0)'),
    (Decayed, [X], "weight-decay", 'self.grads["W"] = self.x.T @ dout + self.lam * self.params["W"]'),
    (Rms, [X], "epsilon-forgotten", "rms = np.sqrt(np.mean(self.x * self.x, axis=-1, keepdims=True))"),
    (Clipped, [X], "unknown", "np.tanh(dx, out=dx)"),
    (Half, [X], "unknown", "slope = (self.y * (1 - self.y)).astype(np.float16)"),
    (Early, [X], "unknown", "for i in range(len(self.x)):"),
]  # fmt: skip


@pytest.mark.parametrize("slip", SLIPS, ids=lambda slip: slip[0].__name__)
def test_the_line_is_told_whose_change_makes_the_gradient_right(slip):
    make, inputs, cause, line = slip
    found = diagnose(make(), tuple(inputs))
    assert {one.cause for one in found} == {cause}
    assert all(f" in `{line}` it is right." in one.evidence for one in found)


def test_what_is_to_be_written_there_is_left_to_the_author():
    (found,) = diagnose(UnitRows(), X)
    assert "with another number in place of `2`" in found.evidence and "3" not in found.hint


@pytest.mark.parametrize("kind", [Elu, Running, UnitRows, Rms, Early])
def test_the_code_under_test_stays_as_it_was(kind):
    before = kind.forward.__code__, kind.backward.__code__
    assert diagnose(kind(), X)
    assert (kind.forward.__code__, kind.backward.__code__) == before


def test_what_code_prints_and_counts_is_not_told_a_hundred_times(capsys):
    class Telling(UnitRows):
        calls, seen = [0], []

        def backward(self, dout):
            print("backward")
            self.calls[0] += 1
            along = np.sum(dout * self.x, axis=1, keepdims=True)
            return dout / self.n - self.x * along / self.n**2

    (found,) = diagnose(Telling(), X)
    assert "it is right" in found.evidence and type(Telling.calls[0]) is int
    assert len(capsys.readouterr().out.splitlines()) < 60


def test_code_that_cannot_be_read_is_told_without_a_line():
    space = {"np": np}
    exec(  # as in a plain interpreter
        "class Unit:\n"
        "    def forward(self, x):\n"
        "        self.x, self.n = x, np.sqrt(np.sum(x**2, axis=1, keepdims=True))\n"
        "        return x / self.n\n"
        "    def backward(self, d):\n"
        "        return d / self.n - self.x * np.sum(d * self.x, axis=1, keepdims=True) / self.n**2\n",
        space,
    )
    (found,) = diagnose(space["Unit"](), X)
    assert found.cause == "unknown" and "``" not in found.evidence


def test_work_is_bounded_whatever_the_size():
    class Long(UnitRows):
        runs = 0

        def backward(self, dout):
            type(self).runs += 1
            dx = np.zeros_like(dout)
            for i, j in np.ndindex(dout.shape):
                dx[i, j] = np.sinh(dout[i, j]) / self.n[i, 0] - self.x[i, j] * np.cos(dout[i].sum())
            return dx

    assert [one.cause for one in diagnose(Long(), RNG.normal(size=(40, 30)))] == ["unknown"]
    assert Long.runs < 600


def test_each_kind_of_change_is_undone():
    """Whatever is changed in a tree stands in it again afterwards."""
    import ast

    text = """
def backward(self, dout):
    a, b = self.a, self.b
    dx = -dout * a.T / 3.0 + b[::2] @ a
    dx += dout[:1]
    for i in range(3):
        dx[i] = np.where(a > 0, b, dx.sum(axis=0))
        np.clip(dx, 0, 1, out=dx)
    return dx
"""
    from chainrule.doctor.changes import places

    tree = ast.parse(text).body[0]
    known = {name: None for name in ("a", "b", "dx")}
    for way in WAYS:
        spots = list(places(tree, set(range(1, 20))))
        assert any(list(way(node, parent, known)) for *_, node, parent in spots), way.__name__


def test_code_that_cannot_be_read_is_told_without_empty_quotes():
    space = {"np": np}
    exec(
        "class Soft:\n"
        "    def forward(self, x):\n"
        "        self.x = x\n"
        "        return np.log1p(np.exp(x)) * np.sin(2 * x)\n"
        "    def backward(self, d):\n"
        "        return d * 2 * np.cos(2 * self.x) * np.log1p(np.exp(self.x))\n",
        space,
    )
    (found,) = diagnose(space["Soft"](), X)
    assert (
        found.cause != "unknown"
        and "``" not in found.evidence
        and "one step of forward" in found.evidence
    )


class Change:
    def forward(self, x):
        y = x.copy()
        y[:, 1:] -= x[:, :-1]
        return y

    def backward(self, dout):
        dx = dout.copy()
        dx[:, 1:] -= dout[:, :-1]
        return dx


def test_backward_that_does_what_forward_does_is_told():
    (found,) = diagnose(Change(), X)
    assert found.cause == "kernel-not-turned" and "what forward does to x" in found.evidence


def test_a_term_without_dout_is_told():
    class Swish:
        def forward(self, x):
            self.x, self.s = x, 1 / (1 + np.exp(-x))
            return x * self.s

        def backward(self, dout):
            return dout * self.s + self.x * self.s * (1 - self.s)

    (found,) = diagnose(Swish(), X)
    assert found.cause == "upstream-ignored" and "return dout * self.s" in found.evidence


def test_text_that_is_not_what_runs_is_left_alone(tmp_path):
    """A file that has changed since it was imported: nothing of its new text is run."""
    path = tmp_path / "mine.py"
    lines = [
        "import numpy as np",
        "class Unit:",
        "    def forward(self, x):",
        "        self.x, self.n = x, np.sqrt(np.sum(x**2, axis=1, keepdims=True))",
        "        return x / self.n",
        "    def backward(self, d):",
        "        return d / self.n - self.x * np.sum(d * self.x, axis=1, keepdims=True) / self.n**2",
        "",
    ]
    path.write_text("\n".join(lines))
    space = {}
    exec(compile(path.read_text(), str(path), "exec"), space)
    (found,) = diagnose(space["Unit"](), X)
    assert "it is right" in found.evidence
    lines[6] = "        raise SystemExit('the new text ran')"
    path.write_text("\n".join(lines))
    linecache.checkcache()
    (found,) = diagnose(space["Unit"](), X)
    assert found.cause == "unknown" and "it is right" not in found.evidence
