"""What a stranger's code taught the doctor: which name wants which evidence, and what is right as a whole."""

from time import process_time

import numpy as np
import pytest

from chainrule import zoo
from chainrule.doctor import diagnose, tape
from chainrule.gradcheck import gradient_check
from chainrule.graph import Variable, apply
from chainrule.layers import Affine
from chainrule.layers import Tanh as OwnTanh
from chainrule.losses import SoftmaxWithLoss
from chainrule.mistakes import MISTAKES
from chainrule.network import Network
from chainrule.scenes import softmax_along

RNG = np.random.default_rng(5)
X, LABELS = RNG.normal(size=(7, 4)), np.array([0, 2, 1, 2, 2, 0, 1])
W1, W2 = RNG.normal(size=(4, 5)), RNG.normal(size=(5, 3))


class Dense:
    decay = 0.0
    share = 1.0

    def __init__(self, W):
        self.W, self.b = W.copy(), np.full(W.shape[1], 0.1)

    def forward(self, x):
        self.x = x
        return x @ self.W + self.b

    def backward(self, dout):
        self.dW = self.x.T @ dout + self.decay * self.W
        self.db = dout.sum(axis=0)
        return dout @ self.W.T


class Tanh:
    def forward(self, x):
        self.y = np.tanh(x)
        return self.y

    def backward(self, dout):
        return dout * (1 - self.y**2)


class Entropy:
    """Softmax with cross-entropy; `mean` is whether backward divides by N, as the loss does."""

    constant, first, mean, ignores = 0.0, 0, True, False

    def __init__(self, regularised=(), penalty=0.0):
        self.regularised, self.penalty = regularised, penalty

    def forward(self, a, t):
        self.y, self.t = softmax_along(a, -1), t
        taken = self.y[np.arange(len(t)), np.asarray(t) - self.first]
        squares = sum(np.sum(layer.W**2) for layer in self.regularised)
        return -np.mean(np.log(taken + self.constant)) + self.penalty / 2 * squares

    def backward(self, dout=1.0):
        dx = self.y.copy()
        dx[np.arange(len(dx)), self.t] -= 1
        return dx / (len(dx) if self.mean else 1) * (1 if self.ignores else dout)


def changed(base, **changes):
    return type(base.__name__, (base,), changes)


def network(layer=Dense, penalty=0.0, shared=True, loss=Entropy):
    one, two = layer(W1), layer(W2)
    layers = {"one": one, "gate": Tanh(), "two": two}
    return Network(layers, loss((one, two) if shared else (), penalty))


def causes(*arguments):
    return [(one.cause, one.where) for one in diagnose(*arguments)]


# Right as a whole.


@pytest.mark.parametrize("shared", [True, False])
def test_layers_that_keep_their_gradients_as_attributes_are_asked_for_them(shared):
    assert causes(network(shared=shared), X, LABELS) == []
    assert gradient_check(network(shared=shared), X, LABELS).ok


def test_a_penalty_in_the_loss_belongs_to_the_gradients_of_the_layers_it_holds():
    assert causes(network(changed(Dense, decay=0.2), 0.2), X, LABELS) == []
    for decay, penalty in ((0.2, 0.1), (0.0, 0.3), (0.3, 0.0)):
        found = causes(network(changed(Dense, decay=decay), penalty), X, LABELS)
        assert {one for one, _ in found} == {"weight-decay"}, found
        assert {where for _, where in found} == {"one.W", "two.W"}, found


def test_a_division_by_n_may_stand_in_the_layers_instead_of_the_loss():
    def backward(self, dout):
        dx = Dense.backward(self, dout)
        self.dW, self.db = self.dW / len(dout), self.db / len(dout)
        return dx

    layer = changed(Dense, backward=backward)
    assert causes(network(layer, loss=changed(Entropy, mean=False)), X, LABELS) == []
    found = causes(network(layer), X, LABELS)
    assert {one for one, _ in found} <= {"double-batch-division", "bias-mean"} and found


class Upright:
    """Samples are columns."""

    def __init__(self, W):
        self.W, self.b = W.T.copy(), np.full((W.shape[1], 1), 0.1)

    def forward(self, x):
        self.x = x
        return self.W @ x + self.b

    def backward(self, dout):
        self.dW, self.db = dout @ self.x.T, dout.sum(axis=1, keepdims=True)
        return self.W.T @ dout


class UprightSquares:
    def forward(self, a, t):
        self.off = a - t
        return np.sum(self.off**2) / (2 * t.shape[1])

    def backward(self, dout=1.0):
        return dout * self.off / self.off.shape[1]


def test_a_network_of_columns_is_right():
    layers = {"one": Upright(W1), "gate": Tanh(), "two": Upright(W2)}
    t = RNG.normal(size=(3, 7))
    assert causes(Network(layers, UprightSquares()), X.T, t) == []
    layers["two"].backward = lambda dout: Upright.backward(layers["two"], -dout)
    assert causes(Network(layers, UprightSquares()), X.T, t)


def test_a_loss_that_ignores_dout_is_told_so_last_and_that_it_is_right_at_the_end():
    scores = X[:, :3]
    (only,) = diagnose(changed(Entropy, ignores=True)(), scores, LABELS)
    assert only.cause == "upstream-ignored" and "it is right for dout = 1" in only.evidence
    assert gradient_check(changed(Entropy, ignores=True)(), scores, LABELS).ok


# A name only where its evidence is its own.


@pytest.mark.parametrize("constant", [1e-4, 3e-3, 0.02, 0.05])
def test_a_constant_in_the_log_of_any_size_is_named(constant):
    found = diagnose(changed(Entropy, constant=constant)(), X[:, :3], LABELS)
    assert [one.cause for one in found] == ["log-constant"]


@pytest.mark.parametrize("first", [1, -1])
def test_labels_that_are_counted_from_another_number_are_named(first):
    labels = np.array([1, 2, 1, 2, 1, 1, 2]) if first == 1 else np.array([0, 1, 0, 1, 1, 0, 0])
    assert causes(changed(Entropy, first=first)(), X[:, :3], labels) == [("labels-shifted", "x")]


class Entrywise:
    def __init__(self, forward, backward):
        self.f, self.b = forward, backward

    def forward(self, x):
        self.x = x
        self.y = self.f(x)
        return self.y

    def backward(self, dout):
        return self.b(self.x, dout)


def layer(forward, backward):
    """A layer that is two functions, x -> y and (x, dout) -> dx."""

    class Own(Entrywise):
        def __init__(self):
            super().__init__(forward, backward)

    return Own()


@pytest.mark.parametrize("low, high", [(-0.9, 0.8), (0.0, 1.2)])
def test_a_mask_that_is_asked_of_dout_is_no_missing_factor(low, high):
    own = layer(
        lambda x: np.clip(1.3 * x, 1.3 * low, 1.3 * high),
        lambda x, dout: 1.3 * dout * ((dout > low) & (dout < high)),
    )
    found = causes(own, X)
    assert found[0][0] in ("mask-from-upstream", "unknown") and len(found) == 1
    own = layer(np.tanh, lambda x, dout: np.clip(dout, -0.9, 0.9))
    assert causes(own, X) == [("unknown", "x")]


def test_what_passes_only_where_nothing_should_is_a_missing_mask():
    image = RNG.normal(size=(2, 6, 4, 2))

    def pool(x):
        return x.reshape(2, 3, 2, 2, 2, 2).max(axis=(2, 4))

    def spread(x, dout):
        return dout.repeat(2, axis=1).repeat(2, axis=2)

    assert causes(layer(pool, spread), image) == [("mask-missing", "x")]

    def right(x, dout):
        return spread(x, dout) * (x == spread(x, pool(x)))

    assert causes(layer(pool, right), image) == []
    assert causes(layer(pool, lambda x, dout: 3 * right(x, dout)), image) == [("scaled", "x")]


def test_a_target_that_forward_leaves_out_is_a_missing_mask():
    class Padded:
        def forward(self, y, t):
            self.off, self.known = y - t, t > -90
            return np.sum(self.off**2 * self.known)

        def backward(self, dout=1.0):
            return dout * 2 * self.off

    t = np.where(X > 0.8, -99.0, 0.3)
    assert causes(Padded(), X, t) == [("mask-missing", "x")]


@pytest.mark.parametrize("axis", [1, 2])
def test_halves_that_take_each_others_gradient_are_not_swapped(axis):
    x = RNG.normal(size=(3, 4, 6))

    def forward(x):
        a, b = np.split(x, 2, axis)
        return a * np.tanh(b)

    def halves(x, dout):
        a, b = np.split(x, 2, axis)
        return [dout * np.tanh(b), dout * a * (1 - np.tanh(b) ** 2)]

    right = layer(forward, lambda x, dout: np.concatenate(halves(x, dout), axis))
    turned = layer(forward, lambda x, dout: np.concatenate(halves(x, dout)[::-1], axis))
    assert causes(right, x) == []
    assert causes(turned, x) == [("inputs-not-swapped", "x")]


@pytest.mark.parametrize("order", [slice(None), slice(None, None, -1)])
def test_windows_that_write_over_each_other_are_overwritten(order):
    K, image = RNG.normal(size=(2, 2, 3)), RNG.normal(size=(2, 4, 5))

    def forward(x):
        return np.array([[[[np.sum(K[..., f] * one[i : i + 2, j : j + 2]) for f in range(3)]
                           for j in range(4)] for i in range(3)] for one in x])  # fmt: skip

    def backward(x, dout, add=False):
        dx = np.zeros_like(x)
        for i, j in [(i, j) for i in range(3) for j in range(4)][order]:
            piece = np.einsum("nf,abf->nab", dout[:, i, j], K)
            dx[:, i : i + 2, j : j + 2] = piece + add * dx[:, i : i + 2, j : j + 2]
        return dx

    assert causes(layer(forward, backward), image) == [("overwritten-at-fork", "x")]
    assert causes(layer(forward, lambda x, dout: backward(x, dout, True)), image) == []


@pytest.mark.parametrize("use", ["first", "second"])
def test_one_matrix_used_twice_with_a_gate_between_wants_both_gradients(use):
    class Twice:
        def __init__(self):
            self.W = W1.copy()

        def forward(self, x):
            self.x, self.h = x, np.maximum(x @ self.W, 0)
            return self.h @ self.W.T

        def backward(self, dout):
            d = (dout @ self.W) * (self.h > 0)
            made = {"first": self.x.T @ d, "second": dout.T @ self.h}
            self.dW = made[use] if use in made else sum(made.values())
            return d @ self.W.T

    assert causes(Twice(), X) == [("overwritten-at-fork", "W")]


def test_what_a_run_writes_into_dout_is_told_before_what_comes_of_it():
    def backward(x, dout):
        inner = dout
        inner[x @ W1 @ W1.T < 0] = 0
        return dout + inner @ (W1 @ W1.T)

    own = layer(lambda x: x + np.maximum(x @ W1 @ W1.T, 0), backward)
    assert causes(own, X) == [("mutates-dout", "dout")]


# Whatever a reader's code raises is told, or tells nothing, and never comes out.


class Worn:
    """Right, or with a wrong gradient of V; its forward runs `lasts` times in all, over all copies."""

    def __init__(self, lasts, share):
        self.V = np.linspace(-1, 1, 6).reshape(2, 3)
        self.share, self.left = share, iter(range(lasts))

    def __deepcopy__(self, memo):
        other = Worn(0, self.share)
        other.V, other.left = self.V.copy(), self.left
        return other

    def forward(self, x):
        if next(self.left, None) is None:
            raise IndexError("worn out")
        self.x = x
        return np.tanh(x @ self.V)

    def backward(self, dout):
        d = dout * (1 - np.tanh(self.x @ self.V) ** 2)
        self.dV = self.x.T @ d + self.share * np.sin(self.x.T @ d)
        return d @ self.V.T


@pytest.mark.parametrize("lasts", [*range(12), 20, 40, 60, 90, 130, 200, 400])
@pytest.mark.parametrize("share", [0.0, 0.3])
def test_an_exception_at_any_run_does_not_come_out(lasts, share):
    x = np.linspace(-1, 1, 8).reshape(4, 2)
    found = diagnose(Worn(lasts, share), x)
    gradient_check(Worn(lasts, share), x)
    assert found if share else not any(one.where == "V" for one in found)


def test_inputs_with_other_numbers_of_rows_are_no_exception():
    def forward(self, x, z):
        self.x, self.z = x, z
        return np.vstack([x, z[:, :4]]) @ self.A + 1

    def backward(self, dout):
        self.dA = np.vstack([self.x, self.z]).T @ dout
        return np.sin(dout[:7] @ self.A.T) * 2, dout[7:] @ self.A.T

    two = type("Two", (), {"forward": forward, "backward": backward, "A": W1})()
    two.A = W1.copy()
    assert [where for _, where in causes(two, (X, X[:2] + 1))] == ["x"]


# Two more kinds.


def test_a_way_straight_on_that_is_lost_is_a_use_that_is_lost():
    gate = np.linspace(0.2, 0.9, 4)

    class Gated:
        kept = 0.0

        def __init__(self):
            self.U = (W1 @ W1.T) / 4

        def forward(self, x):
            self.x, self.z = x, np.tanh(x @ self.U)
            return gate * x + self.z

        def backward(self, dout):
            d = dout * (1 - self.z**2)
            self.dU = self.x.T @ d
            return d @ self.U.T + self.kept * gate * dout

    assert causes(Gated(), X) == [("overwritten-at-fork", "x")]
    assert causes(changed(Gated, kept=1.0)(), X) == []


@pytest.mark.parametrize("targets", [np.eye(2)[LABELS % 2], 0.3 * X[:, :1]])
@pytest.mark.parametrize("lost", [True, False])
def test_a_squared_loss_is_not_taken_for_a_logarithm_with_a_constant(lost, targets):
    M = targets.shape[1]

    class Squares:
        def __init__(self):
            self.params = {"V": W1[:, :M] / 2, "c": np.full(M, 0.1)}

        def predict(self, x):
            return 1 / (1 + np.exp(-(x @ self.params["V"] + self.params["c"])))

        def loss(self, x, t):
            return float(0.5 * np.sum((self.predict(x) - t) ** 2) / len(x))

        def gradient(self, x, t):
            y = self.predict(x)
            delta = (y - t) / len(x) * (1 if lost else y * (1 - y))
            return {"V": x.T @ delta, "c": delta.sum(axis=0)}

    found = [code for code, _ in causes(Squares(), X, targets)]
    assert found == (["derivative-missing"] if lost else [])


# A multiple is told only where it is one, and a graph is walked only as far as it is worth it.


def rooted(root):
    """A loss, and the same backward whether or not it takes the root of the mean square."""

    class Root:
        def forward(self, y, t):
            self.off = y - t
            self.value = np.sqrt(np.mean(self.off**2)) if root else np.mean(self.off**2) / 2
            return self.value

        def backward(self):
            return self.off / self.off.size

    return Root()


@pytest.mark.parametrize("rows", [3, 7])
def test_a_multiple_that_is_another_one_elsewhere_is_a_missing_factor(rows):
    y, t = X[:rows], 0.4 * X[::-1][:rows]
    (found,) = diagnose(rooted(True), y, t)
    assert found.cause == "factor-missing"
    assert "with a factor more at `self.off / self.off.size`" in found.evidence
    assert causes(rooted(False), y, t) == []
    third = rooted(False)
    third.backward = lambda: third.off / 3
    assert causes(third, y, t) == [("scaled", "x")]


@pytest.mark.parametrize("shut, code", [(np.tanh, "factor-missing"), (None, "mask-missing")])
def test_a_way_past_the_gate_that_comes_after_it_lacks_the_gate(shut, code):
    class Residual:
        past = True

        def __init__(self):
            self.W = W1 @ W1.T / 3

        def forward(self, x):
            self.x, self.z = x, x + np.sin(x @ self.W)
            return shut(self.z) if shut else np.maximum(self.z, 0)

        def backward(self, dout):
            dz = dout * (1 - np.tanh(self.z) ** 2 if shut else self.z > 0)
            da = dz * np.cos(self.x @ self.W)
            self.dW = self.x.T @ da
            return da @ self.W.T + (dout if self.past else dz)

    assert causes(Residual(), X) == [(code, "x")]
    assert causes(changed(Residual, past=False)(), X) == []


@pytest.mark.parametrize("wrong", ["old", "pre"])
def test_a_derivative_at_another_array_is_told_with_that_array(wrong):
    class Step:
        taken = wrong

        def __init__(self):
            self.U, self.V = W1 @ W1.T / 4, W1 @ W1.T / 5

        def forward(self, x, old):
            self.x, self.old, self.pre = x, old, x @ self.V + old @ self.U
            self.new = np.tanh(self.pre)
            return self.new

        def backward(self, dout):
            d = dout * (1 - getattr(self, self.taken) ** 2)
            self.dU, self.dV = self.old.T @ d, self.x.T @ d
            return d @ self.V.T, d @ self.U.T

    named = "another-array" if wrong == "old" else "derivative-of-input"
    assert causes(Step(), (X, np.sin(2 * X)))[0][0] == named
    assert causes(changed(Step, taken="new")(), (X, np.sin(2 * X))) == []


class Loops:
    """A convolution written as four loops, of which backward sees nothing of the last column."""

    def __init__(self):
        self.K = RNG.normal(size=(3, 3, 2, 3))

    def windows(self, x):
        for n in range(len(x)):
            for i in range(x.shape[1] - 2):
                for j in range(x.shape[2] - 2):
                    for c in range(self.K.shape[-1]):
                        yield (n, i, j, c), (n, slice(i, i + 3), slice(j, j + 3))

    def forward(self, x):
        self.x, n, h, w = x, *x.shape[:3]
        y = np.zeros((n, h - 2, w - 2, self.K.shape[-1]))
        for place, window in self.windows(x):
            y[place] = np.sum(x[window] * self.K[..., place[-1]])
        return y

    def backward(self, dout):
        self.dK, dx = np.zeros_like(self.K), np.zeros_like(self.x)
        for place, window in self.windows(self.x):
            dx[window] += dout[place] * self.K[..., place[-1]]
            self.dK[..., place[-1]] += dout[place] * self.x[window]
        dx[:, :, -1] = 0.7
        return dx


def test_a_layer_in_loops_takes_no_longer_than_its_budget():
    image = np.random.default_rng(0).normal(size=(3, 7, 7, 2))
    start = process_time()
    assert [where for _, where in causes(Loops(), image)] == ["x"]
    assert (
        process_time() - start < 8
    )  # two seconds, of which half a minute was made without a budget
    assert tape.CALLS / 2 < tape.Node.spent < 1.1 * tape.CALLS


def test_without_a_graph_the_numbers_still_have_a_name(monkeypatch):
    own = layer(lambda x: np.sin(x) * x, lambda x, dout: dout * (np.sin(x) + 2 * x * np.cos(x)))
    wanted = causes(own, X)
    monkeypatch.setattr(tape, "CALLS", 3)
    assert len(causes(own, X)) == len(wanted) == 1
    assert causes(layer(np.tanh, lambda x, dout: dout), X) == [("derivative-missing", "x")]


# What is wrong in the middle of a layer.


@pytest.mark.parametrize("first, second", [(0, -1), (-1, 0), (0, 0), (-1, -1)])
def test_one_mean_along_another_axis_is_told(first, second):
    def standard(x):
        off = x - x.mean(axis=-1, keepdims=True)
        spread = np.sqrt(np.mean(off**2, axis=-1, keepdims=True) + 1e-5)
        return off / spread, spread

    def backward(x, d):
        y, spread = standard(x)
        means = d.mean(axis=first, keepdims=True), (d * y).mean(axis=second, keepdims=True)
        return (d - means[0] - y * means[1]) / spread

    wrong = [("sum-over-wrong-axis", "x")] if 0 in (first, second) else []
    assert causes(layer(lambda x: standard(x)[0], backward), X) == wrong


@pytest.mark.parametrize("axis", [-1, -2])
def test_a_softmax_inside_that_sums_along_another_axis_is_told(axis):
    class Attention:
        def forward(self, q, k):
            self.q, self.k, self.p = q, k, softmax_along(q @ k.T / 2, -1)
            return self.p @ k

        def backward(self, dout):
            dp = dout @ self.k.T
            ds = self.p * (dp - np.sum(dp * self.p, axis=axis, keepdims=True)) / 2
            return ds @ self.k, ds.T @ self.q + self.p.T @ dout

    found = causes(Attention(), (X, np.cos(X)))
    assert found == ([("sum-over-wrong-axis", "x")] if axis == -2 else [])


@pytest.mark.parametrize("way", ["reshaped", "again", "right"])
def test_what_forward_moved_and_backward_does_not_move_back_is_told(way):
    class Heads:
        def __init__(self):
            self.V = W1 @ W1.T / 3

        def forward(self, x):
            self.x = x
            heads = (x @ self.V).reshape(2, 3, 2, 2).transpose(2, 0, 1, 3)
            return np.sin(heads)

        def backward(self, dout):
            d = dout * np.cos((self.x @ self.V).reshape(2, 3, 2, 2).transpose(2, 0, 1, 3))
            if way == "again":
                d = np.reshape(d.transpose(2, 0, 1, 3), (2, 3, 2, 2))
            d = (d.transpose(1, 2, 0, 3) if way == "right" else d).reshape(self.x.shape)
            self.dV = self.x.T @ d
            return d @ self.V.T

    found = causes(Heads(), X[:6])
    assert found[:1] == ([] if way == "right" else [("axes-in-wrong-order", "x")])


@pytest.mark.parametrize("lost", [np.sign, np.array])
@pytest.mark.parametrize("given", [np.sign, np.array])
def test_a_penalty_of_one_form_in_the_loss_and_another_in_the_gradient(lost, given):
    def cost(w):
        off = X @ w - np.cos(LABELS)
        penalty = np.sum(np.abs(w)) if lost is np.sign else np.sum(w**2) / 2
        return off @ off / 2 + 0.3 * penalty, X.T @ off + 0.3 * given(w)

    w = np.array([0.4, -1.1, 0.7, 1.6])
    assert causes(cost, w) == ([] if lost is given else [("weight-decay", "w")])
    assert all("0.3 times" in one.evidence for one in diagnose(cost, w))


@pytest.mark.parametrize("shared", [3, 2])
def test_targets_that_are_smoothed_in_another_way_are_told(shared):
    class Smoothed:
        def forward(self, a, t):
            self.y, hot = softmax_along(a, -1), np.eye(3)[t]
            self.q = np.where(hot > 0, 0.8, 0.2 / shared)
            return -np.sum(np.where(hot > 0, 0.8, 0.1) * np.log(self.y)) / len(a)

        def backward(self, dout=1.0):
            return dout * (self.y - self.q) / len(self.y)

    wrong = [("targets-differ", "x")] if shared == 3 else []
    assert causes(Smoothed(), X[:, :3], LABELS) == wrong


@pytest.mark.parametrize("cut, wrong", [(0, True), (1, False), (2, True)])
def test_a_padding_that_is_cut_off_at_one_end_is_told(cut, wrong):
    kernel = np.array([0.5, -1.2, 0.8])

    def forward(x):
        wide = np.pad(x, ((0, 0), (1, 1)))
        return sum(k * wide[:, i : i + x.shape[1]] for i, k in enumerate(kernel))

    def backward(x, dout):
        wide = np.zeros((len(x), x.shape[1] + 2))
        for i, k in enumerate(kernel):
            wide[:, i : i + x.shape[1]] += k * dout
        return wide[:, cut : cut + x.shape[1]]

    x = RNG.normal(size=(4, 6))
    assert causes(layer(forward, backward), x) == ([("axes-in-wrong-order", "x")] if wrong else [])


# A whole by hand: its mistake is told with its line, and with its layer where it has layers.


class Deep:
    """Three layers in a loop, their gradients in lists."""

    slope = staticmethod(lambda z, y, place: 1 - y**2)

    def __init__(self):
        sizes = (4, 5, 6, 3)
        pairs = list(zip(sizes, sizes[1:], strict=False))
        rng = np.random.default_rng(8)
        self.params = {f"W{i}": rng.normal(size=pair) for i, pair in enumerate(pairs)}

    def loss(self, x, t):
        self.ys, self.zs = [x], []
        for i in range(3):
            self.zs.append(self.ys[-1] @ self.params[f"W{i}"])
            self.ys.append(np.tanh(self.zs[-1]))
        return float(np.sum((self.ys[-1] - t) ** 2) / 2)

    def gradient(self, x, t):
        self.loss(x, t)
        grads, d = {}, self.ys[-1] - t
        for i in (2, 1, 0):
            d = d * self.slope(self.zs[i], self.ys[i + 1], i)
            grads[f"W{i}"] = self.ys[i].T @ d
            d = d @ self.params[f"W{i}"].T
        return grads


SLOPES = {
    "derivative-missing": lambda z, y: np.ones_like(y),
    "derivative-twice": lambda z, y: (1 - y**2) ** 2,
    "derivative-of-input": lambda z, y: 1 - z**2,
}


@pytest.mark.parametrize("places", [(0,), (1,), (2,), (0, 1, 2)])
@pytest.mark.parametrize("code", SLOPES)
def test_a_mistake_in_one_pass_of_a_loop_is_told_with_its_line(code, places):
    def slope(z, y, place):
        return SLOPES[code](z, y) if place in places else 1 - y**2

    found = diagnose(changed(Deep, slope=staticmethod(slope))(), X, np.ones((7, 3)))
    assert [(one.cause, one.where) for one in found] == [(code, f"W{max(places)}")]
    assert "`self.ys.append(np.tanh(self.zs[-1]))`" in found[0].evidence
    assert causes(Deep(), X, np.ones((7, 3))) == []


@pytest.mark.parametrize("skipped", ["first", "second"])
def test_a_layer_that_gradient_skips_is_told_by_its_name(skipped):
    class Skips(Network):
        def gradient(self, x, t):
            self.loss(x, t)
            dout = self.loss_layer.backward(1.0)
            for name, layer in reversed(self.layers.items()):
                if name != skipped:
                    dout = layer.backward(dout)
            return {
                f"{name}.W": self.layers[name].grads["W"] for name in ("one", "two", "three")
            } | {f"{name}.b": self.layers[name].grads["b"] for name in ("one", "two", "three")}

    rng = np.random.default_rng(4)
    layers = {"one": Affine.init(4, 5, rng), "first": OwnTanh(), "two": Affine.init(5, 6, rng)}
    layers |= {"second": OwnTanh(), "three": Affine.init(6, 3, rng)}
    assert causes(Skips(layers, SoftmaxWithLoss()), X, LABELS) == [("derivative-missing", skipped)]


@pytest.mark.parametrize("N", range(2, 10))
def test_a_sum_for_a_mean_is_no_other_target(N):
    labels = np.arange(N) % 3
    assert causes(changed(Entropy, mean=False)(), X[[0] * N], labels)[0][0] != "targets-differ"
    x = np.random.default_rng(N).normal(size=(N, 3))
    assert causes(changed(Entropy, mean=False)(), x, labels) == [("missing-batch-division", "x")]


def test_branches_that_are_exchanged_are_an_inverted_mask():
    class Huber:
        def forward(self, x, y):
            self.r = x - y
            return np.sum(
                np.where(np.abs(self.r) > 0.7, 0.7 * np.abs(self.r) - 0.245, self.r**2 / 2)
            )

        def backward(self, dout=1.0):
            far = np.abs(self.r) > 0.7
            dx = dout * np.where(far == self.right, 0.7 * np.sign(self.r), self.r)
            return dx, -dx

    pair = X, X[::-1] * 0.4
    assert causes(changed(Huber, right=True)(), pair) == []
    assert causes(changed(Huber, right=False)(), pair)[0] == ("mask-inverted", "x")


@pytest.mark.parametrize("eps", [1e-3, 1e-2])
def test_a_constant_that_only_backward_adds_is_told_as_close(eps):
    class Entropy2:
        def forward(self, p, t):
            self.p, self.t = p, t
            return -np.mean(t * np.log(p) + (1 - t) * np.log(1 - p))

        def backward(self, dout=1.0):
            p, t = self.p, self.t
            return dout * ((1 - t) / (1 - p + eps) - t / (p + eps)) / t.size

    p = 0.2 + 0.6 * np.random.default_rng(0).random((5, 1))
    (one,) = diagnose(Entropy2(), p, (p > 0.4).astype(float))
    assert one.cause == "unknown" and "they are close" in one.evidence and "eps" in one.hint


@pytest.mark.parametrize("wrong, where", [("dW", "W2"), ("dh", "W2"), ("first", "W1")])
def test_a_product_that_does_not_fit_is_told_in_names_of_the_code(wrong, where):
    class ByHand:
        def __init__(self):
            self.params = {"W1": W1.copy(), "W2": W2.copy()}

        def loss(self, x, t):
            p = self.params
            self.h = np.tanh(x @ p["W1"])
            self.off = self.h @ p["W2"] - t
            return float(np.sum(self.off**2) / 2)

        def gradient(self, x, t):
            self.loss(x, t)
            W2 = self.params["W2"]
            dh = (self.off @ (W2 if wrong == "dh" else W2.T)) * (1 - self.h**2)
            return {
                "W1": (dh @ x.T) if wrong == "first" else x.T @ dh,
                "W2": (self.off.T @ self.h.T) if wrong == "dW" else self.h.T @ self.off,
            }

    (one,) = diagnose(ByHand(), X, np.ones((7, 3)))
    assert (one.cause, one.where) == ("weight-not-transposed", where)
    assert "v0" not in one.evidence and "v1" not in one.evidence and "fits" in one.evidence


@pytest.mark.parametrize("scale", [0.3, 1.0, 3.0])
@pytest.mark.parametrize("wrong", ["mask-missing", "another-array", None])
def test_a_hidden_layer_of_any_size_has_a_graph(scale, wrong):
    class Hidden:
        def __init__(self, rng):
            sizes = [(4, 5), (5, 5), (5, 3)]
            self.params = {f"W{i}": scale * rng.normal(size=size) for i, size in enumerate(sizes)}

        def loss(self, x, t):
            self.hs = [x]
            for i in range(2):
                self.hs.append(np.maximum(self.hs[-1] @ self.params[f"W{i}"], 0))
            self.y = softmax_along(self.hs[-1] @ self.params["W2"], -1)
            return -np.mean(np.log(self.y[np.arange(len(x)), t]))

        def gradient(self, x, t):
            self.loss(x, t)
            d, grads = self.y.copy(), {}
            d[np.arange(len(x)), t] -= 1
            d /= len(x)
            for i in (2, 1, 0):
                grads[f"W{i}"] = self.hs[i].T @ d
                d = d @ self.params[f"W{i}"].T
                if i == 2:
                    d = d * (self.hs[1 if wrong == "another-array" else 2] > 0)
                elif i == 1 and wrong != "mask-missing":
                    d = d * (self.hs[1] > 0)
            return grads

    for seed in range(4):
        rng = np.random.default_rng(seed)
        found = causes(Hidden(rng), rng.normal(size=(7, 4)), LABELS)
        assert [code for code, _ in found[:1]] == ([wrong] if wrong else []), found


@pytest.mark.parametrize("on", [0, 1])
def test_a_state_that_is_one_step_on_is_another_array(on):
    class Steps:
        def __init__(self):
            rng = np.random.default_rng(2)
            self.params = {"U": rng.normal(size=(4, 3)), "W": rng.normal(size=(3, 3))}
            self.grads = {}

        def forward(self, x):
            self.x, self.h = x, [np.zeros((len(x), 3))]
            for t in range(x.shape[1]):
                z = x[:, t] @ self.params["U"] + self.h[-1] @ self.params["W"]
                self.h.append(np.tanh(z))
            return self.h[-1]

        def backward(self, d):
            self.grads, dx = {key: np.zeros_like(p) for key, p in self.params.items()}, self.x * 0
            for t in reversed(range(self.x.shape[1])):
                d = d * (1 - self.h[t + 1] ** 2)
                self.grads["U"] += self.x[:, t].T @ d
                self.grads["W"] += self.h[t + on].T @ d
                dx[:, t] = d @ self.params["U"].T
                d = d @ self.params["W"].T
            return dx

    x = np.random.default_rng(3).normal(size=(2, 3, 4))
    assert causes(Steps(), x) == ([("another-array", "W")] if on else [])


class Squares:
    """A network of square layers whose layers are walked back in any order."""

    def __init__(self, order, exchanged=()):
        self.inner = [Dense(W1[:, :4] / (1 + i)) for i in range(3)]
        for i, layer in enumerate(self.inner):
            layer.b += np.arange(4) / (3 + i)
        self.order, self.names = order, dict(zip(exchanged, exchanged[::-1], strict=True))
        self.params = {f"{k}{i}": getattr(one, k) for i, one in enumerate(self.inner) for k in "Wb"}

    def loss(self, x, t):
        self.out = x
        for layer in self.inner:
            self.out = np.tanh(layer.forward(self.out))
            layer.y = self.out
        return np.sum((self.out - t) ** 2) / 2

    def gradient(self, x, t):
        self.loss(x, t)
        dout = self.out - t
        for i in self.order:
            dout = self.inner[i].backward(dout * (1 - self.inner[i].y ** 2))
        found = {f"{k}{i}": getattr(one, f"d{k}") for i, one in enumerate(self.inner) for k in "Wb"}
        return {self.names.get(name, name): gradient for name, gradient in found.items()}


def test_layers_that_are_walked_in_another_order_are_not_swapped_inputs():
    t = np.cos(X)
    assert causes(Squares((2, 1, 0)), X, t) == []
    for order in ((0, 1, 2), (1, 2, 0), (1, 0, 2)):
        found = diagnose(Squares(order), X, t)
        assert found and all(one.cause != "inputs-not-swapped" for one in found), found


def test_arrays_that_have_each_others_gradient_are_exchanged():
    for pair in (("b0", "b2"), ("W1", "W2")):
        found = causes(Squares((2, 1, 0), pair), X, np.cos(X))
        assert sorted(found) == [("inputs-not-swapped", name) for name in pair]


def test_what_belongs_to_another_array_is_told_first():
    class Copied(Squares):
        def gradient(self, x, t):
            found = super().gradient(x, t)
            return found | {"b2": 1.3 * found["b2"] ** 2, "b0": found["b1"]}

    first = diagnose(Copied((2, 1, 0)), X, np.cos(X))[0]
    assert (first.cause, first.where) == ("unknown", "b0") and "gradient of b1" in first.evidence


A5 = np.array([0.4, -1.3, 0.8, 1.6, -0.6])


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("power", [1, 2, 3])
def test_a_way_through_a_norm_is_no_penalty(sign, power):
    def shares(u):
        size = np.sqrt(np.sum(u * u)) ** power
        return u @ A5 / size, A5 / size + sign * power * (u @ A5) * u / (size * np.sum(u * u))

    found = causes(shares, np.array([1.2, 0.5, -0.7, 0.9, 0.3]))
    assert found == ([("wrong-sign", "u")] if sign > 0 else [])


@pytest.mark.parametrize("width", [1, 2])
@pytest.mark.parametrize("wanted, given", [(0.6, 0.3), (0.3, 0.6), (0.3, 0.0), (0.0, 0.2)])
def test_both_factors_of_a_penalty_are_told(width, wanted, given):
    class Penalised:
        def __init__(self):
            self.params = {"W": W1[:, :width].copy(), "b": np.array([[0.2, -0.4]])[:, :width]}

        def off(self, x, t):
            return np.tanh(x @ self.params["W"] + self.params["b"]) - np.reshape(t, (-1, 1))

        def loss(self, x, t):
            return np.sum(self.off(x, t) ** 2) / 2 + wanted / 2 * np.sum(self.params["W"] ** 2)

        def gradient(self, x, t):
            off = self.off(x, t)
            d = off * (1 - (off + np.reshape(t, (-1, 1))) ** 2)
            return {"W": x.T @ d + given * self.params["W"], "b": d.sum(0, keepdims=True)}

    (found,) = diagnose(Penalised(), X, LABELS)
    assert (found.cause, found.where) == ("weight-decay", "W")
    assert (
        f"backward adds {given:.4g} times W, and the loss wants {wanted:.4g} times"
        in found.evidence
    )


def layer_of(forward, backward):
    methods = {"forward": forward, "backward": backward}
    return type("Given", (), methods)()


@pytest.mark.parametrize("axis", [0, 1])
def test_sums_that_are_laid_along_the_other_axis_are_a_softmax_over_the_batch(axis):
    def forward(self, x):
        self.y = softmax_along(x, axis)
        return self.y

    def backward(self, dout):
        return self.y * (dout - np.sum(dout * self.y, axis=axis, keepdims=True).T)

    assert causes(layer_of(forward, backward), X[:4]) == [("softmax-over-batch", "x")]


@pytest.mark.parametrize("axis", [0, 1])
def test_a_logarithm_of_a_softmax_that_takes_the_sum_of_dout_for_one(axis):
    def forward(self, x):
        self.log = x - np.log(np.sum(np.exp(x), axis=axis, keepdims=True))
        return self.log

    def backward(self, dout):
        return dout - np.exp(self.log)

    assert causes(layer_of(forward, backward), X) == [("upstream-ignored", "x")]


@pytest.mark.parametrize("keep", [True, False])
@pytest.mark.parametrize("choose", [np.max, np.min])
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_choice_that_hands_on_to_all_lacks_its_mask(axis, choose, keep):
    def forward(self, x):
        self.shape = x.shape
        return choose(np.sin(x), axis=axis, keepdims=keep)

    def backward(self, dout):
        dout = dout if keep else np.expand_dims(dout, axis)
        return np.broadcast_to(dout, self.shape) * np.cos(self.x)

    def kept(self, x):
        self.x = x
        return forward(self, x)

    x = np.random.default_rng(3).normal(size=(2, 3, 4))
    assert causes(layer_of(kept, backward), x) == [("mask-missing", "x")]


@pytest.mark.parametrize("gate", [lambda x: np.minimum(x, 0), lambda x: np.where(x > 0.2, x, 0)])
def test_a_slope_beside_a_gate_that_sums_over_all_entries_lacks_the_mask(gate):
    class Slope:
        def __init__(self):
            self.params, self.grads = {"slope": np.array([0.25])}, {}

        def forward(self, x):
            self.x = x
            return np.sin(x) + self.params["slope"] * gate(x)

        def backward(self, dout):
            self.grads["slope"] = np.sum(dout * self.x, keepdims=True).ravel()
            return dout * (np.cos(self.x) + self.params["slope"] * (gate(self.x) != 0))

    assert causes(Slope(), X) == [("mask-missing", "slope")]


def test_hints_for_what_may_happen_anywhere_name_no_operation():
    for code in ("another-array", "factor-missing", "scaled", "wrong-sign", "unknown"):
        assert "@" not in MISTAKES[code].hint, code


# A fixed array, a zero, and a place of dout.


@pytest.mark.parametrize("keeps", [True, False])
def test_a_fixed_matrix_beside_a_bias_that_learns_is_told_as_unchecked(keeps):
    class Shifted:
        def __init__(self):
            self.W, self.b = W1.copy(), np.full(5, 0.1)

        def forward(self, x):
            if keeps:
                self.x = x
            return x @ self.W + self.b

        def backward(self, dout):
            self.db = dout.sum(axis=0)
            return dout @ self.W.T

    found = diagnose(Shifted(), X)
    assert found == [] and found.unchecked == ["W"]
    assert repr(found) == "[] (unchecked, since no gradient is given: W)"
    alone = diagnose(layer_of(lambda s, x: x @ W1, lambda s, dout: dout @ W1.T), X)
    assert repr(alone) == "[]"


def test_a_gradient_of_zeros_is_no_lost_use():
    class Penalised(Deep):
        def loss(self, x, t):
            return super().loss(x, t) + 0.0 * sum(np.sum(W**2) for W in self.params.values())

        def gradient(self, x, t):
            found = super().gradient(x, t)
            return found | {"W1": 0 * found["W1"]}

    assert causes(Penalised(), X, np.ones((7, 3))) == [("always-zero", "W1")]


class Steps:
    """A recurrent layer; each method is what backward does in one pass."""

    def __init__(self):
        rng = np.random.default_rng(2)
        self.U, self.W, self.b = rng.normal(size=(4, 3)), rng.normal(size=(3, 3)), np.full(3, 0.2)

    def forward(self, x):
        self.x, self.h = x, [np.zeros((len(x), 3))]
        for t in range(x.shape[1]):
            self.h.append(np.tanh(x[:, t] @ self.U + self.h[-1] @ self.W + self.b))
        return np.stack(self.h[1:], axis=1)

    def slope(self, t):
        return 1 - self.h[t + 1] ** 2

    def of_bias(self, d):
        return d.sum(axis=0)

    def of_input(self, d, t):
        return self.x[:, t].T @ d

    def backward(self, dout):
        self.dU, self.dW, self.db, dx, d = 0 * self.U, 0 * self.W, 0 * self.b, 0 * self.x, 0.0
        for t in reversed(range(self.x.shape[1])):
            d = (dout[:, t] + d) * self.slope(t)
            self.dU = self.dU + self.of_input(d, t)
            self.dW, self.db = self.dW + self.h[t].T @ d, self.db + self.of_bias(d)
            dx[:, t] = d @ self.U.T
            d = d @ self.W.T
        return dx


SEQUENCE = np.random.default_rng(3).normal(size=(2, 4, 4))


@pytest.mark.parametrize(
    "code, where, changes",
    [
        ("bias-mean", "b", {"of_bias": lambda self, d: d.mean(axis=0)}),
        ("another-array", "x", {"slope": lambda self, t: 1 - self.h[t] ** 2}),
        ("bias-first-row", "b", {"of_bias": lambda self, d: d[0]}),
        ("overwritten-at-fork", "U", {"of_input": lambda self, d, t: self.x[1:, t].T @ d[1:]}),
    ],
)
def test_what_is_wrong_in_every_pass_is_told_as_that(code, where, changes):
    assert causes(Steps(), SEQUENCE) == []
    assert causes(changed(Steps, **changes)(), SEQUENCE)[0] == (code, where)


@pytest.mark.parametrize("part", [slice(1), slice(6, None), slice(1, None), slice(6)])
def test_a_parameter_that_sees_some_samples_only_lost_the_others(part):
    class Some(Dense):
        def backward(self, dout):
            dx = super().backward(dout)
            self.dW = self.x[part].T @ dout[part]
            return dx

    (found,) = diagnose(Some(W1), X)
    assert (found.cause, found.where) == ("overwritten-at-fork", "W")
    wanted = "left out" if len(X[part]) > 1 else "alone"
    assert "along axis 0 " + wanted in found.evidence


def sliced(x, dout):
    dx = np.zeros_like(x)
    dx[:, :-1] = dout * x[:, 1:]
    dx[:, 1:] = dout * x[:, :-1]
    return dx


def added(x, dout):
    dx = np.zeros_like(x)
    dx[:, 1:] += dout
    dx[:, :-1] += dout
    return dx


def largest(x):
    """The largest of each two entries that follow each other."""
    return np.stack([x[:, k : k + 2].max(axis=1) for k in range(x.shape[1] - 1)], axis=1)


def last_win(x, dout):
    dx, rows = np.zeros_like(x), np.arange(len(x))
    for k in range(dout.shape[1]):
        dx[rows, k + x[:, k : k + 2].argmax(axis=1)] = dout[:, k]
    return dx


def log_shares(x):
    return x - np.log(np.sum(np.exp(x), axis=1, keepdims=True))


def shares(squares):
    return squares / np.sum(squares, axis=1, keepdims=True)


MATRICES = {
    "one copy of two": (
        "overwritten-at-fork",
        lambda x: np.repeat(x, 2, axis=1),
        lambda x, dout: dout[:, 1::2],
    ),
    "slices that overlap": ("overwritten-at-fork", lambda x: x[:, 1:] * x[:, :-1], sliced),
    "copies along both axes": (
        "overwritten-at-fork",
        lambda x: x.repeat(2, axis=0).repeat(3, axis=1),
        lambda x, dout: dout[::2, ::3],
    ),
    "windows that overlap": ("overwritten-at-fork", largest, last_win),
    "a logarithm of a softmax": (
        "softmax-diagonal",
        log_shares,
        lambda x, dout: dout - dout * np.exp(log_shares(x)),
    ),
    "a difference": ("wrong-sign", lambda x: np.diff(x, axis=1), added),
    "a largest entry that divides": (
        "statistics-constant",
        lambda x: x / np.abs(x).max(axis=1, keepdims=True),
        lambda x, dout: dout / np.abs(x).max(axis=1, keepdims=True),
    ),
    "a sum that divides": (
        "statistics-constant",
        lambda x: shares(x**2),
        lambda x, dout: dout * 2 * x / np.sum(x**2, axis=1, keepdims=True),
    ),
}


@pytest.mark.parametrize("name", MATRICES)
def test_what_moves_copies_or_chooses_entries_has_its_mistakes_told(name):
    code, forward, backward = MATRICES[name]
    assert causes(layer(forward, backward), X) == [(code, "x")]


def test_windows_that_have_the_same_winners_are_two_uses():
    waves = 0.1 * RNG.normal(size=(4, 7)) + [0, 9, 0, 0, 9, 0, 0]  # each 9 wins twice, in each row
    assert causes(layer(largest, last_win), waves) == [("overwritten-at-fork", "x")]


def test_a_slope_of_a_gate_that_is_written_with_where_lacks_the_mask():
    class Slope:
        masked = False

        def __init__(self):
            self.a = np.array([0.3])

        def forward(self, x):
            self.x = x
            return np.where(x > 0, x, self.a * x)

        def backward(self, dout):
            shut = self.x <= 0 if self.masked else 1.0
            self.da = np.array([np.sum(dout * self.x * shut)])
            return dout * np.where(self.x > 0, 1.0, self.a)

    assert causes(Slope(), X) == [("mask-missing", "a")]
    assert causes(changed(Slope, masked=True)(), X) == []


def test_a_layer_of_whole_numbers_is_asked_with_a_dout_of_its_own():
    class Table:
        shift = 0

        def __init__(self):
            self.W = W2.copy()

        def forward(self, rows):
            self.rows = rows
            return self.W[rows]

        def backward(self, dout):
            self.dW = np.zeros_like(self.W)
            np.add.at(self.dW, self.rows + self.shift, self.given(dout))

        def given(self, dout):
            return dout

    rows = np.array([0, 3, 1, 3])
    ignores = changed(Table, given=lambda self, dout: np.ones_like(dout))
    assert causes(Table(), rows) == []
    assert causes(ignores(), rows) == [("upstream-ignored", "W")]
    assert causes(changed(Table, shift=1)(), rows)[0][0] not in ("kernel-not-turned", "wrong-sign")


def test_what_has_no_name_is_told_with_its_line_where_right_arrays_tell_it():
    class Two:
        def __init__(self):
            self.U, self.V = W1.copy(), W2.copy()

        def forward(self, x):
            self.x = x
            self.h = np.tanh(x @ self.U)
            return self.h @ self.V

        def backward(self, dout):
            self.dV = self.h.T @ dout
            d = np.sinh(dout @ self.V.T) * (1 - self.h**2)
            self.dU = self.x.T @ d
            return d @ self.U.T

    found = diagnose(Two(), X)
    assert {one.cause for one in found} == {"unknown"} and len(found) == 2
    assert all("it goes wrong at `self.h = np.tanh(x @ self.U)`" in one.evidence for one in found)


@pytest.mark.parametrize("x", [0.7, np.array([0.7, -1.2])])
def test_a_part_with_the_other_sign_is_told_with_few_numbers(x):
    own = layer(lambda x: np.cos(x) * x, lambda x, dout: dout * np.cos(x) + dout * x * np.sin(x))
    assert causes(own, x) == [("wrong-sign", "x")]


def test_a_function_is_asked_at_other_inputs_too():
    def hinge(masked):
        def loss(w):
            margin = 1 - X[0] @ w
            active = margin > 0 if masked else 1.0
            return np.maximum(margin, 0), -X[0] * active

        return loss

    open_there = -2 * X[0] / (X[0] @ X[0])  # and closed where w is turned around
    assert causes(hinge(True), open_there) == [] != diagnose(hinge(False), open_there)


def test_the_sign_that_an_absolute_value_lacks_is_a_missing_derivative():
    def lasso(w):
        off = X @ w - np.cos(LABELS)
        return off @ off / 2 + 0.4 * np.abs(w).sum(), X.T @ off + 0.4

    assert causes(lasso, np.array([0.4, -1.1, 0.7, 1.6])) == [("derivative-missing", "w")]


def test_an_output_for_a_mask_is_another_array():
    def backward(x, dout):
        return dout * np.maximum(x @ W1 @ W1.T, 0) @ (W1 @ W1.T)

    own = layer(lambda x: np.maximum(x @ W1 @ W1.T, 0), backward)
    assert causes(own, X) == [("another-array", "x")]


@pytest.mark.parametrize("shape", [(3, 5, 4), (3, 2, 5, 4)])
def test_a_bias_that_is_averaged_over_the_samples_alone_is_a_mean(shape):
    class Shift:
        def __init__(self):
            self.b = np.full(shape[-1], 0.2)

        def forward(self, x):
            return x + self.b

        def backward(self, dout):
            self.db = dout.mean(axis=0).reshape(-1, shape[-1]).sum(axis=0)
            return dout

    assert causes(Shift(), RNG.normal(size=shape)) == [("bias-mean", "b")]


@pytest.mark.parametrize("size", [2, 3])
def test_a_kernel_of_any_size_that_is_not_turned_is_told(size):
    rng = np.random.default_rng(size)
    own = zoo.KernelNotTurned(rng.normal(size=(2, 2, size, size)))
    assert causes(own, rng.normal(size=(2, 2, 4, 4))) == [("kernel-not-turned", "x")]


OFF = {  # a weight for the targets that are 1, and what stands in backward in its place
    "right": ([], lambda p, t: (1 - t) * p - 3 * t * (1 - p)),
    "no weight": (["scaled"], lambda p, t: p - t),
    "no targets": (["label-term-missing"], lambda p, t: (1 - t) * p - 3 * t * (1 - p) + 3 * t),
}


@pytest.mark.parametrize("shape", [(6, 1), (3, 2), (6,)])
@pytest.mark.parametrize("name", OFF)
def test_a_label_term_is_missing_only_where_it_is_not_subtracted_at_all(name, shape):
    code, slope = OFF[name]

    class Loss:
        def forward(self, z, t):
            self.p, self.t = 1 / (1 + np.exp(-z)), t
            return -np.mean(3 * t * np.log(self.p) + (1 - t) * np.log(1 - self.p))

        def backward(self, dout=1.0):
            return dout * slope(self.p, self.t) / self.t.size

    z, t = X[:6, 0].reshape(shape), np.array([1.0, 0, 1, 0, 0, 1]).reshape(shape)
    assert [one.cause for one in diagnose(Loss(), z, t)] == code


def spread(x):
    off = x - x.mean(axis=1, keepdims=True)
    return np.sqrt(np.mean(off**2, axis=1, keepdims=True)), off


def normalised(x, dout, second=1, count=None):
    """The way back through off / spread, with the second sum along an axis, and divided by a count."""
    (size, off), n = spread(x), count or x.shape[1]
    y = off / size
    sums = dout.sum(axis=1, keepdims=True), (dout * y).sum(axis=second, keepdims=True)
    return (dout - sums[0] / n - y * sums[1] / n) / size


@pytest.mark.parametrize("wrong", [{"second": 0}, {"count": X.shape[0]}, {"count": X.size}])
def test_a_sum_or_a_count_of_a_normalisation_along_another_axis_is_told(wrong):
    def forward(x):
        size, off = spread(x)
        return off / size

    assert causes(layer(forward, normalised), X) == []
    own = layer(forward, lambda x, dout: normalised(x, dout, **wrong))
    assert causes(own, X) == [("sum-over-wrong-axis", "x")]


@pytest.mark.parametrize("power", [-1, -2, 3, 0.5])
@pytest.mark.parametrize("off", [1, -1, 0])
def test_a_derivative_with_another_power_is_told_at_its_line(power, off):
    def backward(x, dout):
        inner = 1 + x**2
        return dout * power * inner ** (power - 1 + off) * 2 * x

    own = layer(lambda x: (1 + x**2) ** power, backward)
    found = diagnose(own, X)
    assert [one.cause for one in found] == (["factor-missing"] if off else [])
    told = f"a power of {power - 1 + off} in place of {power - 1}"
    assert all(told in one.evidence for one in found)


@pytest.mark.parametrize("lost", [0, 1])
def test_a_use_that_is_lost_in_a_function_of_numbers_is_no_factor(lost):
    """Two uses of x[0] meet the same other number, so that what is lost moves with what is there."""

    def f(x):
        a, b, c = x
        y = np.tanh(a * c)
        uses = b, c * (1 - y * y) + b
        grads = uses[1 - lost], a + a + c, a * (1 - y * y) + b
        return a * b + y + b * (c + a), np.array(grads)

    assert diagnose(f, np.array([0.7, -1.2, 0.4]))[0].cause == "overwritten-at-fork"


@pytest.mark.parametrize("lost", [True, False])
def test_the_term_of_the_right_class_may_be_taken_sample_by_sample(lost):
    t = np.array([2, 0, 1, 1, 0, 2])

    class Hinge:
        def forward(self, W, t):
            self.W, self.t, total = W, t, 0.0
            for x, label in zip(X, t, strict=False):
                scores = x @ W
                right = scores[label]
                for k in range(3):
                    if k != label:
                        total += np.maximum(scores[k] - right + 1, 0)
            return total / len(t)

        def backward(self, dout=1.0):
            d = np.zeros_like(self.W)
            for x, label in zip(X, self.t, strict=False):
                scores = x @ self.W
                for k in range(3):
                    if k != label and scores[k] - scores[label] + 1 > 0:
                        d[:, k] += x
                        d[:, label] -= 0 if lost else x
            return dout * d / len(self.t)

    found = causes(Hinge(), RNG.normal(size=(X.shape[1], 3)), t)
    assert found == ([("label-term-missing", "x")] if lost else [])


@pytest.mark.parametrize("power", [1, 2])
def test_a_derivative_of_two_numbers_can_stand_twice(power):
    def backward(x, dout):
        y = 1 / (1 + np.exp(-x))
        return 3 * dout * (y * (1 - y)) ** power

    own = layer(lambda x: 3 * (1 / (1 + np.exp(-x))), backward)
    found = causes(own, np.array([[0.3, -1.1]]))
    assert found == ([("derivative-twice", "x")] if power == 2 else [])


@pytest.mark.parametrize("wrong", [True, False])
def test_many_entries_may_move_and_the_move_that_is_lost_is_told(wrong):
    """More of them than a matrix of derivatives has room for."""

    class Outputs(Dense):
        def forward(self, x):
            return super().forward(x.reshape(-1, 4)).reshape(*x.shape[:2], -1).transpose(0, 2, 1)

        def backward(self, dout):
            n, k, m = dout.shape
            dout = dout if wrong else dout.transpose(0, 2, 1)
            return super().backward(dout.reshape(n * m, k)).reshape(n, m, -1)

    x = RNG.normal(size=(25, 6, 4))
    assert 25 * 6 * 5 > tape.CELLS**0.5
    code = [("axes-in-wrong-order", name) for name in ("x", "W", "b")][: 3 * wrong]
    assert causes(Outputs(W1), x)[:1] == code[:1]


@pytest.mark.parametrize("inner", [lambda x: 1 + 0.3 * x**2, lambda x: 0.3 * x**2, lambda x: 1.0])
def test_a_derivative_inside_another_function_is_a_factor(inner):
    """GELU uses x twice, and twice again inside; what is lost inside spoils the derivative there."""

    def forward(x):
        t = np.tanh(0.8 * (x + 0.1 * x**3))
        return x * (1 + t)

    def backward(x, dout):
        t = np.tanh(0.8 * (x + 0.1 * x**3))
        return dout * (1 + t + x * (1 - t**2) * 0.8 * inner(x))

    found = causes(layer(forward, backward), X)
    assert found == ([] if inner(0.0) and inner(1.0) > 1 else [("factor-missing", "x")])


@pytest.mark.parametrize("late", [True, False])
def test_closures_that_all_see_the_last_pass_take_another_array(late):
    def f(x):
        total, slopes = 0.0, []
        for scale, weight in ((0.4, 1.5), (0.9, -0.7), (1.3, 0.8)):
            total += weight * np.sum(np.sin(scale * x + 0.2))
            slopes.append(weight * np.cos(scale * x + 0.2) * scale)
        return total, sum(slopes[-1] if late else slope for slope in slopes)

    assert causes(f, X) == ([("another-array", "x")] if late else [])


@pytest.mark.parametrize("power", [lambda x: x**2, np.square, lambda x: np.power(x, 2)])
def test_a_power_without_its_exponent_is_a_multiple_and_no_use_that_was_lost(power):
    """x**2 uses x once, and x * x twice; half of the gradient is wrong in both, for different reasons."""

    def backward(x, dout):
        return dout * x

    assert causes(layer(power, backward), X) == [("scaled", "x")]
    assert causes(layer(lambda x: x * x, backward), X) == [("overwritten-at-fork", "x")]


def relu(x):
    return np.maximum(x, 0), lambda dout: dout * (x > 0)


def product(x, y):
    return x * y, lambda dout: (dout * y, dout * x)


def test_a_function_may_return_its_output_and_a_function_for_the_way_back():
    assert causes(relu, X) == causes(product, (X, X + 1)) == []
    assert gradient_check(relu, X).ok and gradient_check(product, (X, X + 1)).ok
    assert causes(lambda x: (relu(x)[0], lambda dout: dout), X) == [("mask-missing", "x")]
    swapped = causes(lambda x, y: (x * y, lambda dout: (dout * x, dout * y)), (X, X + 1))
    assert swapped == [("inputs-not-swapped", "x"), ("inputs-not-swapped", "y")]


class Clips:
    """Its gradient of W is clipped, so that no dout, and no input, makes it larger."""

    def __init__(self):
        self.params, self.grads = {"W": np.array([[0.3], [-0.4], [0.5]])}, {}

    def forward(self, x):
        self.x = x
        return np.tanh(x @ self.params["W"])

    def backward(self, dout):
        d = dout * (1 - np.tanh(self.x @ self.params["W"]) ** 2)
        self.grads["W"] = np.clip(self.x.T @ d, -0.01, 0.01)
        return d @ self.params["W"].T


def test_a_gradient_that_does_not_grow_with_dout_lacks_no_factor():
    (found,) = diagnose(Clips(), np.array([[0.5, 0.7, 0.9]]))
    assert (found.cause, found.where) == ("unknown", "W")


class Off(Affine):
    """The gradients of two weights are wrong, by as much; it counts how often it runs forward."""

    by, runs = (0.0, 0.0), 0

    def forward(self, x):
        Off.runs += 1
        return super().forward(x)

    def backward(self, dout):
        dx = super().backward(dout)
        self.grads["W"][0, 0] += self.by[0]
        self.grads["W"][19, 9] += self.by[1]
        return dx


@pytest.mark.parametrize("by", [(0.3, 0.3), (0.3, -0.3)])
def test_two_errors_do_not_make_up_for_one_another(by):
    layer = Off(np.random.default_rng(0).normal(size=(20, 10)), np.zeros(10))
    layer.by = by
    assert [
        one.where for one in diagnose(layer, np.random.default_rng(1).normal(size=(3, 20)))
    ] == ["W"]


def test_what_is_right_is_not_nudged_entry_by_entry():
    layer = Off(np.random.default_rng(0).normal(size=(20, 10)), np.zeros(10))
    Off.runs = 0
    assert diagnose(layer, np.random.default_rng(1).normal(size=(3, 20))) == []
    assert 0 < Off.runs < 100  # there are 210 parameters, and 60 inputs


# What the next strangers wrote.


def batch_norm(first=1.0, second=1.0, ddof=0):
    def spread(x):
        off = x - x.mean(axis=0)
        return off, np.sqrt(x.var(axis=0, ddof=ddof) + 1e-5)

    def backward(x, dout):
        off, size = spread(x)
        means = first * dout.mean(axis=0), second * (dout * off / size).mean(axis=0)
        return (dout - means[0] - off / size * means[1]) / size

    return layer(lambda x: spread(x)[0] / spread(x)[1], backward)


@pytest.mark.parametrize("shares", [(1, 1, 1), (2, 1, 0), (1, 0.5, 0)])
def test_a_term_of_a_normalisation_with_another_factor_has_no_wrong_axis(shares):
    (one,) = diagnose(batch_norm(*shares), X)
    assert one.cause == "scaled" and "times the part with" in one.evidence
    assert causes(batch_norm(), X) == causes(batch_norm(second=7 / 6, ddof=1), X) == []


@pytest.mark.parametrize("most", [3, 20])
def test_a_gradient_that_is_clipped_is_told_so(most):
    def loss(w):
        off = X @ w - 3
        return off @ off / 2, np.clip(X.T @ off, -most, most)

    (found,) = diagnose(loss, np.array([4.0, -3.0, 2.0, 5.0]))
    assert found.cause == "unknown" and "without the call `np.clip(" in found.evidence
    assert "Clip" in found.hint


@pytest.mark.parametrize("most", [1.0, 3.0])
def test_a_gradient_of_a_length_that_never_changes_lacks_no_factor(most):
    def loss(w):
        off = X @ w - 3
        slope = X.T @ off
        return off @ off / 2, slope * min(1.0, most / np.linalg.norm(slope))

    assert causes(loss, np.array([4.0, -3.0, 2.0, 5.0])) == [("unknown", "w")]


class InOrder:
    def __init__(self, layers, turned):
        self.layers, self.turned = layers, turned

    def forward(self, x):
        for one in self.layers:
            x = one.forward(x)
        return x

    def backward(self, dout):
        for one in self.layers[:: -1 if self.turned else 1]:
            dout = one.backward(dout)
        return dout


@pytest.mark.parametrize("count", [2, 3])
def test_layers_walked_in_the_order_of_forward_lack_no_factor(count):
    W = [np.cos(3 * k + np.arange(16.0)).reshape(4, 4) for k in range(count)]
    layers = [one for w in W for one in (Dense(w), Tanh())]
    assert causes(InOrder(layers, True), X) == []
    found = diagnose(InOrder(layers, False), X)
    assert {one.cause for one in found} == {"unknown"}
    line = "in `for one in self.layers[:: -1 if self.turned else 1]:` it is right"
    assert all(line in one.evidence for one in found)


def svm(W):
    scores, rows = X @ W, np.arange(len(X))
    margins = np.maximum(scores - scores[rows, LABELS][:, None] + 1, 0)
    margins[rows, LABELS] = 0
    slopes = (margins > 0) * 1.0
    slopes[rows, LABELS] = -1
    return margins.sum() / len(X), X.T @ slopes / len(X)


@pytest.mark.parametrize("size", [1e-3, 0.05])
def test_a_label_that_counts_once_for_all_margins_is_told_by_its_hint(size):
    assert causes(svm, size * W1[:, :3]) == [("label-term-missing", "W")]


@pytest.mark.parametrize("steps", [3, 6])
def test_a_first_state_that_is_the_last_one_is_told_in_a_loop_of_any_length(steps):
    class Recurrent:
        def __init__(self):
            self.W, self.U = W1[:, :4].copy(), 0.5 * W1.T[:4].copy()

        def forward(self, x):
            h, self.x, self.hs = np.zeros(4), x, np.zeros((len(x), 4))
            for t in range(len(x)):
                h = np.tanh(x[t] @ self.W + h @ self.U)
                self.hs[t] = h
            return self.hs.copy()

        def backward(self, dout):
            dx, back = np.zeros_like(self.x), np.zeros(4)
            self.dW, self.dU = np.zeros((4, 4)), np.zeros((4, 4))
            for t in reversed(range(len(dx))):
                d = (dout[t] + back) * (1 - self.hs[t] ** 2)
                self.dW += np.outer(self.x[t], d)
                self.dU += np.outer(self.hs[t - 1], d)
                dx[t], back = self.W @ d, self.U @ d
            return dx

    assert causes(Recurrent(), X[:steps]) == [("another-array", "U")]


def logistic(z):
    return 1 / (1 + np.exp(-z))


class Nielsen:
    """One sample after another, through all layers in one loop."""

    def __init__(self, sizes, of):
        shapes = enumerate(zip(sizes[1:], sizes, strict=False))
        self.params = {f"W{k}": np.cos(np.arange(a * b)).reshape(a, b) for k, (a, b) in shapes}
        self.of = of

    def run(self, a):
        states = [a]
        for W in self.params.values():
            states.append(logistic(W @ states[-1]))
        return states

    def loss(self, x, t):
        return sum(np.sum((self.run(a)[-1] - b) ** 2) / 2 for a, b in zip(x, t, strict=True))

    def gradient(self, x, t):
        grads = {name: np.zeros_like(W) for name, W in self.params.items()}
        for a, b in zip(x, t, strict=True):
            states = self.run(a)
            d = states[-1] - b
            for k in reversed(range(len(grads))):
                y = states[k + 1]
                y = logistic(y) if self.of == k else y
                d = d * y * (1 - y)
                grads[f"W{k}"] += np.outer(d, states[k])
                d = self.params[f"W{k}"].T @ d
        return grads


@pytest.mark.parametrize("sizes", [(4, 5, 3), (4, 3, 3, 3)])
def test_one_layer_of_a_loop_over_layers_is_looked_at_alone(sizes):
    t = np.cos(X[:, :3]) ** 2
    assert causes(Nielsen(sizes, None), X, t) == []
    (found, *_) = diagnose(Nielsen(sizes, 0), X, t)
    assert (found.cause, found.where) == ("derivative-of-input", "W0")


class Value:
    def __init__(self, v, parts=()):
        self.v, self.g, self.parts, self.back = v, 0.0, parts, lambda: None

    def then(self, v, other, a, b):
        out = Value(v, {self, other})

        def back():
            self.g = self.adds * self.g + a * out.g
            other.g = self.adds * other.g + b * out.g

        out.back = back
        return out

    adds = True

    def __add__(self, other):
        return self.then(self.v + other.v, other, 1.0, 1.0)

    def __mul__(self, other):
        return self.then(self.v * other.v, other, other.v, self.v)

    def walk(self):
        order = []

        def visit(one):
            if one not in order:
                for part in one.parts:
                    visit(part)
                order.append(one)

        visit(self)
        self.g = 1.0
        for one in reversed(order):
            one.back()


@pytest.mark.parametrize("x", [[1.5, -0.7, 0.4, 0.8], [0.3, 1.1, 2.0, -1.0]])
def test_numbers_that_went_through_float_are_seen_to_be_used_twice(x, monkeypatch):
    def f(x):
        a, b, *rest = [Value(float(one)) for one in x]
        out = a * a + b * rest[0] + b * rest[-1]
        out.walk()
        return out.v, np.array([one.g for one in (a, b, *rest)])

    assert causes(f, np.array(x)) == []
    monkeypatch.setattr(Value, "adds", False)
    assert causes(f, np.array(x)) == [("overwritten-at-fork", "x")]


@pytest.mark.parametrize("mode", ["edge", "wrap"])
@pytest.mark.parametrize("p", [1, 2])
def test_copies_in_a_rim_that_is_cut_off_are_lost_uses(mode, p):
    def backward(x, dout):
        return dout[:, p:-p]

    own = layer(lambda x: np.pad(x, ((0, 0), (p, p)), mode=mode), backward)
    assert causes(own, X) == [("overwritten-at-fork", "x")]


def binary(p, t):
    return -np.mean(t * np.log(p) + (1 - t) * np.log(1 - p)), (p - t) / len(t)


def shares_of(p, t):
    return -np.sum(t * np.log(p)) / len(t), (p - t) / len(t)


def test_the_gradient_by_the_scores_is_no_gradient_by_the_probabilities():
    p, t = softmax_along(X[:, :3], -1), np.eye(3)[LABELS]
    for loss, given, wanted in ((binary, p[:, :1], t[:, :1]), (shares_of, p, t)):
        assert causes(lambda p, f=loss, t=wanted: f(p, t), given) == [("factor-missing", "p")]
    assert causes(lambda p: (np.sum((p - t) ** 2) / 2, p - t), p) == []
    (one,) = diagnose(lambda p: (np.sum((p - t) ** 2), p - t), p)
    assert one.cause == "scaled" and one.factor == pytest.approx(0.5)


@pytest.mark.parametrize("table", [True, False])
def test_targets_that_a_function_takes_from_around_it_may_make_a_table(table):
    labels = 1.0 * (LABELS > 0)

    def loss(w):
        p, t = logistic(X @ w), labels if table else labels[:, None]
        return np.mean((p - t) ** 2), 2 * X.T @ ((p - labels[:, None]) * p * (1 - p)) / len(X)

    wanted = [("broadcast-targets", "w")] if table else []
    assert causes(loss, np.array([[0.3], [-0.5], [0.2], [0.8]])) == wanted


@pytest.mark.parametrize("kind", [bool, float])
def test_a_mask_of_an_earlier_call_is_a_stale_cache(kind):
    class Drops:
        training = True

        def forward(self, x):
            if self.training:
                self.mask = (np.cos(7 * x) > 0).astype(kind)
            return x * self.mask if self.training else x

        def backward(self, dout):
            return dout * self.mask

    own = Drops()
    assert causes(own, X) == []
    own.forward(X)
    own.training = False
    assert causes(own, X) == [("stale-cache", "x")]


@pytest.mark.parametrize("alpha", [1.0, 1.5])
def test_an_output_for_the_derivative_of_an_elu_is_another_array(alpha):
    def forward(x):
        return np.where(x > 0, x, alpha * (np.exp(x) - 1))

    own = layer(forward, lambda x, dout: dout * np.where(x > 0, 1, forward(x)))
    assert causes(own, X) == [("another-array", "x")]


BATCH = np.random.default_rng(3).normal(size=(4, 3))


@pytest.mark.parametrize("keys", [("x", "W"), ("dW", "dx")])
@pytest.mark.parametrize("factor", [1.0, 0.5])
def test_gradients_in_a_dict_are_those_of_the_arguments_of_that_name(keys, factor):
    def loss(x, W):
        both = {"x": factor * 2 * (x @ W) @ W.T, "W": 2 * x.T @ (x @ W)}
        return ((x @ W) ** 2).sum(), {key: both[key.removeprefix("d")] for key in keys}

    def product(x, W):
        return x @ W, lambda dout: {"W": x.T @ dout, "x": factor * dout @ W.T}

    W = np.array([[0.5, -1.0], [2.0, 0.3], [0.1, 0.7]])
    wanted = [] if factor == 1 else [("scaled", "x")]
    assert causes(loss, (BATCH, W)) == causes(product, (BATCH, W)) == wanted


@pytest.mark.parametrize("reduce, wanted", [(np.sum, []), (np.mean, [("bias-mean", "b")])])
def test_gradients_of_parameters_may_be_returned_behind_those_of_inputs(reduce, wanted):
    class Returns:
        def __init__(self):
            self.W, self.b = np.arange(6.0).reshape(3, 2) / 5, np.array([0.5, -1.0])

        def forward(self, x):
            self.x = x
            return x @ self.W + self.b

        def backward(self, dout):
            return dout @ self.W.T, self.x.T @ dout, reduce(dout, axis=0)

    assert causes(Returns(), BATCH) == wanted


@pytest.mark.parametrize("batch, wanted", [(True, []), (False, [("missing-batch-division", "x")])])
def test_a_loss_as_a_function_of_scores_and_labels_is_told_like_a_class(batch, wanted):
    def softmax_loss(x, y):
        p = np.exp(x - x.max(axis=1, keepdims=True))
        p /= p.sum(axis=1, keepdims=True)
        dx = p.copy()
        dx[np.arange(len(x)), y] -= 1
        return -np.log(p[np.arange(len(x)), y]).mean(), dx / (len(x) if batch else 1)

    assert causes(softmax_loss, BATCH, np.array([0, 2, 1, 1])) == wanted


# What came of breaking right code, one mistake at a time.

NEAR_MISSES = {
    "1 - y": ("sigmoid", "factor-missing", lambda x, y: 1 - y),
    "y (1 + y)": ("sigmoid", "wrong-sign", lambda x, y: y * (1 + y)),
    "y y (1 - y)": ("sigmoid", "derivative-twice", lambda x, y: y * y * (1 - y)),
    "x (1 - y)": ("sigmoid", "derivative-of-input", lambda x, y: x * (1 - y)),
    "1 - y, no square": ("tanh", "factor-missing", lambda x, y: 1 - y),
    "1 + y ** 2": ("tanh", "wrong-sign", lambda x, y: 1 + y * y),
}


@pytest.mark.parametrize("case", NEAR_MISSES)
def test_what_is_nearly_the_derivative_of_a_sigmoid_or_a_tanh_has_a_name(case):
    function, code, slope = NEAR_MISSES[case]
    forward = np.tanh if function == "tanh" else lambda x: 1 / (1 + np.exp(-x))
    own = layer(forward, lambda x, dout: dout * slope(x, forward(x)))
    assert causes(own, X) == [(code, "x")]


def test_a_mean_in_place_of_a_sum_is_a_mistake_of_a_bias_at_a_bias_alone():
    def backward(x, dout):
        y = softmax_along(x, 1)
        return y * (dout - np.mean(dout * y, axis=1, keepdims=True))

    assert causes(layer(lambda x: softmax_along(x, 1), backward), X) == [("scaled", "x")]


def test_a_mask_that_closes_nothing_is_not_what_is_missing():
    """Where the gate is closed nothing comes back anyway: only the factor is wrong."""

    def forward(x):
        scores = 0.5 * x
        scores[np.triu_indices(4, 1)] = -1e9
        return softmax_along(scores, 1)

    def backward(x, dout):
        y = forward(x)
        return y * (dout - np.sum(dout * y, axis=1, keepdims=True))

    assert causes(layer(forward, lambda x, dout: 0.5 * backward(x, dout)), X[:4]) == []
    assert causes(layer(forward, backward), X[:4]) == [("scaled", "x")]


@pytest.mark.parametrize("stride", [1, 2, 3])
def test_windows_that_go_back_one_step_apart_are_told(stride):
    kernel = np.array([0.5, -1.0, 2.0])

    def forward(x):
        return np.array([np.sum(x[k * stride : k * stride + 3] * kernel) for k in range(3)])

    def backward(x, dout, step):
        dx = np.zeros_like(x)
        for k in range(3):
            dx[k * step : k * step + 3] += dout[k] * kernel
        return dx

    x = np.linspace(-1, 2, 9)
    assert causes(layer(forward, lambda x, dout: backward(x, dout, stride)), x) == []
    wrong = causes(layer(forward, lambda x, dout: backward(x, dout, 1)), x)
    assert wrong == ([("axes-in-wrong-order", "x")] if stride > 1 else [])


def test_a_value_of_forward_that_some_rows_lack_is_told_with_its_line():
    """Two kinds of rows, and the factor is left out for one of them."""
    near = np.array([True, False, True, False, True, False, False])[:, None]

    def forward(x):
        size = np.sqrt(np.sum(x**2, axis=1, keepdims=True))
        return np.where(near, np.sum(x**2, axis=1, keepdims=True), 3 - size)

    def backward(x, dout, lost):
        size = np.sqrt(np.sum(x**2, axis=1, keepdims=True))
        return dout * np.where(near, 2 * x, -x if lost else -x / size)

    assert causes(layer(forward, lambda x, dout: backward(x, dout, False)), X) == []
    found = diagnose(layer(forward, lambda x, dout: backward(x, dout, True)), X)
    assert [one.cause for one in found] == ["factor-missing"]
    assert "`return dout * np.where(near, 2 * x, -x if lost else -x / size)`" in found[0].evidence


def test_a_root_that_is_divided_by_twice_is_no_missing_factor():
    def backward(x, dout):
        size, off = spread(x)
        sums = dout.sum(axis=1, keepdims=True), (dout * off).sum(axis=1, keepdims=True)
        return (dout - sums[0] / 4 - off * sums[1] / size**2 / 4) / size / size

    found = diagnose(layer(lambda x: spread(x)[1] / spread(x)[0], backward), X)
    assert [one.cause for one in found] == ["another-array"]
    assert "it is right" in found[0].evidence and "/ 4) / size / size`" in found[0].evidence


def test_a_part_whose_factor_is_another_one_elsewhere_is_no_constant():
    def cosine(u, v):
        a, b = np.sqrt(np.sum(u * u)), np.sqrt(np.sum(v * v))
        c = np.sum(u * v) / (a * b)
        return c, (v / (a * b) - c * u / a, u / (a * b) - c * v / b**2)

    found = diagnose(cosine, (X[0], X[1]))
    assert [(one.cause, one.where) for one in found] == [("another-array", "u")]


def test_a_number_that_is_cut_off_lacks_no_factor():
    def cubed(a):
        return a**3, np.clip(3 * a**2, -1.5, 1.5)

    def squared(a):
        return a**2, np.clip(2 * a, -1.5, 1.5)

    assert causes(squared, 0.9) == [("unknown", "a")]
    assert causes(cubed, 0.9) == [("unknown", "a")]


def test_a_claim_that_depends_on_what_has_no_part_in_it_is_no_lost_use():
    class Norm:
        def __init__(self):
            self.gamma, self.beta = np.linspace(0.5, 1.5, 4), np.linspace(-1, 1, 4)

        def forward(self, x):
            self.x = x
            return self.gamma * x + self.beta

        def backward(self, dout):
            self.dgamma, self.dbeta = (dout * self.beta).sum(axis=0), dout.sum(axis=0)
            return dout * self.gamma

    assert causes(Norm(), X)[0] not in [
        ("overwritten-at-fork", "gamma"),
        ("factor-missing", "gamma"),
    ]


@pytest.mark.parametrize("way", ["beside", "behind", "alone"])
def test_a_function_of_a_dict_of_parameters_is_taken(way):
    def loss(params, x, t, share):
        d = x @ params["W"] + params["b"] - t
        grads = {"W": 2 * x.T @ d / len(x), "b": 2 * d.sum(axis=0) / share}
        return np.sum(d**2) / len(x), grads

    params, t = {"W": W1, "b": np.full(5, 0.1)}, np.cos(np.arange(35.0).reshape(7, 5))
    calls = {
        "beside": lambda share: diagnose(lambda p, x, t: loss(p, x, t, share), (params, X), t),
        "behind": lambda share: diagnose(lambda p, x, t: loss(p, x, t, share), (params, X, t)),
        "alone": lambda share: diagnose(lambda p: loss(p, X, t, share), params),
    }
    assert calls[way](len(X)) == []
    code = "scaled" if way == "alone" else "missing-batch-division"
    assert [(one.cause, one.where) for one in calls[way](1)] == [(code, "b")]


def test_the_inputs_of_a_function_are_called_as_its_arguments():
    def line(weights, bias):
        return np.sum(X @ weights + bias), (X.sum(axis=0), 2.0 * len(X))

    found = diagnose(line, (W1[:, 0], np.array(0.3)))
    assert [(one.cause, one.where) for one in found] == [("scaled", "bias")]


def test_a_function_that_raises_is_told_with_its_line():
    def score(w):
        return np.sum(X @ w), X @ np.ones(7)

    found = diagnose(score, W1[:, 0])
    assert [(one.cause, one.where) for one in found] == [("wrong-shape", "w")]
    assert "X @ np.ones(7)" in found[0].evidence


@pytest.mark.parametrize("rows", [5, 7])
@pytest.mark.parametrize("kept", [True, False])
def test_a_sum_along_the_wrong_axis_that_has_another_shape_is_told(rows, kept):
    class Line:
        def __init__(self):
            self.W, self.b = W1, np.full((1, 5), 0.1)

        def forward(self, x):
            self.x = x
            return x @ self.W + self.b

        def backward(self, dout):
            self.dW, self.db = self.x.T @ dout, dout.sum(axis=1, keepdims=kept)
            return dout @ self.W.T

    assert causes(Line(), X[:rows]) == [("sum-over-wrong-axis", "b")]


@pytest.mark.parametrize("rows", [True, False])
def test_a_gradient_in_a_list_of_numbers_is_one_gradient(rows):
    def squares(w):
        return sum(a * a for a in np.ravel(w)), [2 * a for a in w] if rows else (2 * w[0], 2 * w[1])

    assert causes(squares, W1[:2]) == causes(squares, W1[:2, 0]) == []
    assert causes(lambda w: (squares(w)[0], [3 * a for a in w]), W1[0]) == [("scaled", "w")]


@pytest.mark.parametrize("decay", [0.0, 0.3])
@pytest.mark.parametrize("code", ["missing-batch-division", "samples-as-columns"])
def test_a_function_that_takes_its_samples_from_around_it_is_told_of_their_number(decay, code):
    """X has 7 rows, and 4 columns, one for each row of W."""
    t = np.arange(7) % 3

    def hinge(W, N):
        s = X @ W
        margins = np.maximum(0, s - s[range(7), t][:, None] + 1)
        margins[range(7), t] = 0
        open_ = 1.0 * (margins > 0)
        open_[range(7), t] = -open_.sum(axis=1)
        return margins.sum() / 7 + decay * np.sum(W * W), X.T @ open_ / N + 2 * decay * W

    W = W1[:, :3]
    assert causes(lambda W: hinge(W, 7), W) == []
    count = 1 if code == "missing-batch-division" else 4
    assert causes(lambda W: hinge(W, count), W) == [(code, "W")]
    assert causes(lambda W: hinge(W, 2.1), W) == [("scaled", "W")]


@pytest.mark.parametrize("decay", [0.0, 0.2])
@pytest.mark.parametrize("mean", [True, False])
def test_labels_that_are_not_subtracted_in_a_function_of_w_alone_are_told(decay, mean):
    t = np.arange(7) % 3

    def softmax(W, label):
        s = X @ W
        s = s - np.max(s, axis=1, keepdims=True)
        p = np.exp(s) / np.sum(np.exp(s), axis=1, keepdims=True)
        N = 7 if mean else 1
        loss = -np.sum(np.log(p[range(7), t])) / N + decay * np.sum(W**2)
        p[range(7), t] -= label
        return loss, X.T @ p / N + 2 * decay * W

    assert causes(lambda W: softmax(W, 1), W1[:, :3]) == []
    assert causes(lambda W: softmax(W, 0), W1[:, :3]) == [("label-term-missing", "W")]


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("way", [np.sum, np.mean])
def test_a_length_whose_sum_runs_along_the_wrong_axis_is_told(axis, way):
    keep = {"axis": axis, "keepdims": True}

    def back(x, dout, along):
        size = np.sqrt(way(x**2, **keep))
        y = x / size
        return (dout - y * way(dout * y, axis=along, keepdims=True)) / size

    for along in (0, 1, (0, 1)):
        own = layer(
            lambda x: x / np.sqrt(way(x**2, **keep)), lambda x, d, along=along: back(x, d, along)
        )
        assert causes(own, X) == ([] if along == axis else [("sum-over-wrong-axis", "x")])


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("lost", ["spread", "mean"])
def test_a_normalisation_in_steps_that_sums_over_everything_is_told(axis, lost):
    keep = {"axis": axis, "keepdims": True}

    def forward(x):
        off = x - x.mean(**keep)
        return off / np.sqrt((off**2).mean(**keep) + 1e-5)

    def backward(x, dout, wrong):
        off, N = x - x.mean(**keep), x.shape[axis]
        std = np.sqrt((off**2).mean(**keep) + 1e-5)
        along = {"spread": keep, "mean": keep} | ({lost: {"keepdims": True}} if wrong else {})
        dvar = np.sum(dout * off * -0.5 * std**-3, **along["spread"])
        dmu = np.sum(-dout / std, **along["mean"])
        return dout / std + dvar * 2 * off / N + dmu / N

    assert causes(layer(forward, lambda x, d: backward(x, d, False)), X) == []
    wrong = causes(layer(forward, lambda x, d: backward(x, d, True)), X)
    assert wrong == [("sum-over-wrong-axis", "x")]


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("along", [None, "other"])
def test_a_softmax_over_everything_in_backward_alone_is_told(axis, along):
    def forward(x):
        return np.log(np.exp(x).sum(axis=axis)) * np.arange(1.0, x.shape[1 - axis] + 1)

    def backward(x, dout, over):
        dout = dout * np.arange(1.0, x.shape[1 - axis] + 1)
        return np.expand_dims(dout, axis) * np.exp(x) / np.exp(x).sum(axis=over, keepdims=True)

    over = None if along is None else 1 - axis
    assert causes(layer(forward, lambda x, d: backward(x, d, axis)), X) == []
    wrong = causes(layer(forward, lambda x, d: backward(x, d, over)), X)
    assert wrong == [("softmax-over-batch", "x")]


@pytest.mark.parametrize("power", [2, 3])
@pytest.mark.parametrize("network", [True, False])
def test_a_gate_that_is_left_out_below_a_power_is_told(power, network):
    t = np.where(np.arange(7) % 2, 1.0, -1.0)

    def hinge(w, gate):
        gap = 1 - t * (X @ w)
        open_ = np.maximum(0, gap) if gate else gap
        loss = np.mean(np.maximum(0, gap) ** power)
        return loss, -(power * open_ ** (power - 1) * t) @ X / 7

    class Net:
        def __init__(self, gate):
            self.params, self.gate = {"w": W1[:, 0].copy()}, gate

        def loss(self, x, t):
            return np.mean(np.maximum(0, 1 - t * (x @ self.params["w"])) ** power)

        def gradient(self, x, t):
            return {"w": hinge(self.params["w"], self.gate)[1]}

    for gate in (True, False):
        if network:
            found = [(one.cause, one.where) for one in diagnose(Net(gate), X, t)]
        else:
            found = causes(lambda w, gate=gate: hinge(w, gate), W1[:, 0])
        assert [code for code, _ in found] == ([] if gate else ["mask-missing"])


@pytest.mark.parametrize("first", [0, 3])
@pytest.mark.parametrize("logistic", [True, False])
def test_a_penalty_on_the_bias_that_stands_in_one_vector_with_the_weights_is_told(first, logistic):
    t = (np.arange(7) % 2).astype(float)

    def loss(theta, spared):
        s = X @ theta
        y = 1 / (1 + np.exp(-s)) if logistic else s
        terms = -t * np.log(y) - (1 - t) * np.log(1 - y) if logistic else (y - t) ** 2
        cost, inner = np.mean(terms), np.delete(theta, first)
        grad = (1 if logistic else 2) * X.T @ (y - t) / 7 + 0.4 * theta
        grad[first] -= 0.4 * theta[first] if spared else 0
        return cost + 0.2 * np.sum(inner**2), grad

    theta = np.array([1.3, -0.5, 0.2, 0.9])
    assert causes(lambda theta: loss(theta, True), theta) == []
    assert causes(lambda theta: loss(theta, False), theta) == [("weight-decay", "theta")]


def test_a_lost_2_at_one_entry_is_no_penalty():
    def loss(w):
        return w[0] ** 2 + np.sum((X @ w) ** 2), np.array([w[0], 0, 0, 0]) + 2 * X.T @ (X @ w)

    assert causes(loss, np.array([1.3, -0.5, 0.2, 0.9]))[0][0] != "weight-decay"


@pytest.mark.parametrize("axis", [0, 1])
def test_a_gradient_by_the_variance_and_not_by_its_logarithm_lacks_a_factor(axis):
    t = np.sin(X)

    def loss(m, s, factor):
        v = np.exp(s)
        return np.mean(0.5 * (s + (t - m) ** 2 / v)), (
            (m - t) / v / t.size,
            0.5 * (1 / v - (t - m) ** 2 / v**2) * (v if factor else 1) / t.size,
        )

    s = np.roll(0.3 * X, 1, axis)
    assert causes(lambda m, s: loss(m, s, True), (X, s)) == []
    assert causes(lambda m, s: loss(m, s, False), (X, s)) == [("factor-missing", "s")]


@pytest.mark.parametrize("scale", [1.0, 3.0])
def test_a_gradient_that_is_cut_in_an_array_of_integers_is_told(scale):
    counts = np.array([[3, 0, 1], [0, 2, 2], [1, 1, 5], [4, 0, 0]])
    t = np.array([1, 0, 0, 1])

    def loss(w, dtype):
        y = 1 / (1 + np.exp(-counts @ w))
        grad = np.zeros(3, dtype)
        grad[:] = scale * counts.T @ (y - t)
        return -scale * np.sum(t * np.log(y) + (1 - t) * np.log(1 - y)), grad

    w = np.array([0.4, -0.3, 0.8])
    assert causes(lambda w: loss(w, float), w) == []
    assert causes(lambda w: loss(w, int), w) == [("whole-numbers", "w")]


def test_the_words_of_a_lost_step_do_not_name_the_whole_line():
    def loss(w):
        y = np.tanh(2 * (w + 0.3 * w**3))
        return np.sum(w * (1 + y)), 1 + y + w * (1 - y * y) * 2

    assert "through one step of `y = np.tanh" in diagnose(loss, X[0])[0].evidence


def test_the_numbers_of_the_next_layer_are_told_as_those_of_a_later_pass():
    class Net:
        def __init__(self):
            rng = np.random.default_rng(2)
            self.params = {f"W{k}": rng.normal(size=(4, 4)) * 0.5 for k in range(4)}

        def loss(self, x, t):
            self.h, self.z = [x], []
            for k in range(4):
                z = self.h[-1] @ self.params[f"W{k}"]
                self.z.append(z)
                self.h.append(np.tanh(z))
            return np.sum((self.h[-1] - t) ** 2)

        def gradient(self, x, t):
            self.loss(x, t)
            d, grads = 2 * (self.h[-1] - t), {}
            for k in (3, 2, 1, 0):
                d = d * (1 - np.tanh(self.z[2 if k == 1 else k]) ** 2)
                grads[f"W{k}"] = self.h[k].T @ d
                d = d @ self.params[f"W{k}"].T
            return grads

    found = diagnose(Net(), X, np.cos(X))
    assert found[0].cause == "another-array"
    assert "in a later pass" in found[0].evidence


@pytest.mark.parametrize("power", [2, 3])
def test_a_multiple_that_no_factor_of_forward_makes_is_no_missing_factor(power):
    """Of c ** k + c, which came from a product, one part is handed back twice."""

    def loss(x, extra):
        c = x[0] * x[1]
        dc = power * c ** (power - 1) * (1 + extra) + 1
        return c**power + c, np.array([x[1], x[0]]) * dc

    x = np.array([1.5, 0.4])
    assert causes(lambda x: loss(x, 0), x) == []
    found = diagnose(lambda x: loss(x, 1), x)
    assert found[0].cause not in ("factor-missing", "derivative-missing")


# A node of one's own in a graph of Variables: its lines are seen as those of a layer are.


def own_node(back):
    class Own:
        def forward(self, x, y):
            self.x, self.y, self.e = x, y, np.exp(x)
            return self.e * y

        def backward(self, dout):
            return back(self, dout), dout * self.e

    return lambda a, b: apply(Own(), a * b, b) + b


@pytest.mark.parametrize(
    "cause, back",
    [
        ("derivative-missing", lambda node, dout: dout * node.y),
        ("wrong-sign", lambda node, dout: -dout * node.e * node.y),
        ("factor-missing", lambda node, dout: dout * node.e),
        ("derivative-of-input", lambda node, dout: dout * node.x * node.y),
    ],
)
def test_a_node_in_a_graph_of_variables_is_named_with_its_line(cause, back):
    arrays = np.array([[0.3, -0.5, 1.2]]), np.array([[1.0, 2.0, 0.5]])
    assert diagnose(own_node(lambda node, dout: dout * node.e * node.y), arrays) == []
    f = own_node(back)
    a, b = Variable(arrays[0], "a"), Variable(arrays[1], "b")
    for found in (diagnose(f, arrays), diagnose(f(a, b))):
        assert [(one.cause, one.where) for one in found] == [(cause, "a")]
        assert cause == "wrong-sign" or " at `" in found[0].evidence
    np.testing.assert_array_equal(a.value, arrays[0])
    assert a.grad is None


class HingeInALoop:
    """A linear classifier with a hinge loss, after CS231n: the loss is divided by N, its gradient is not."""

    def __init__(self):
        self.params = {"W": np.random.default_rng(5).normal(size=(4, 3)) / 2}

    def loss(self, x, t):
        rows = np.arange(len(t))
        scores = x @ self.params["W"]
        margins = np.maximum(0, scores - scores[rows, t][:, None] + 1)
        margins[rows, t] = 0
        return float(margins.sum() / len(t) + 0.1 * (self.params["W"] ** 2).sum())

    def gradient(self, x, t):
        dW = np.zeros((4, 3))
        for row, right in zip(x, t, strict=True):
            scores = row @ self.params["W"]
            for j in {0, 1, 2} - {right}:
                if scores[j] - scores[right] + 1 > 0:
                    dW[:, j] += row
                    dW[:, right] -= row
        return {"W": dW + 0.2 * self.params["W"]}


def test_a_network_by_hand_has_no_dout_that_it_might_ignore():
    x, t = np.random.default_rng(6).normal(size=(6, 4)), np.array([0, 2, 1, 1, 0, 2])
    assert [one.cause for one in diagnose(HingeInALoop(), x, t)] == ["missing-batch-division"]
