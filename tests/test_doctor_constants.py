"""Right code that keeps arrays which learn nothing, under the names that such code gives them."""

import numpy as np
import pytest
from public_mistakes import BookAffine, NoGradients

from chainrule.doctor import diagnose
from chainrule.gradcheck import gradient_check
from chainrule.layers import Affine
from chainrule.network import Network
from chainrule.scenes import softmax_along

RNG = np.random.default_rng(8)
X, LABELS = RNG.normal(size=(6, 4)), np.array([0, 2, 1, 1, 2, 0])
SCORES = X[:, :3].copy()
W, B = RNG.normal(size=(4, 3)), RNG.normal(size=3)


class Weighted:
    """Softmax with cross-entropy, and a weight for each class under any name."""

    count = None

    def __init__(self, name="weights", **more):
        self.name = name
        vars(self).update({name: np.array([1.0, 0.3, 2.5])} | more)

    def forward(self, a, t):
        self.y, self.t, self.share = softmax_along(a, -1), t, getattr(self, self.name)[t]
        self.total = self.share.sum()
        return -np.sum(self.share * np.log(self.y[np.arange(len(t)), t])) / self.total

    def backward(self, dout=1.0):
        off = self.y - np.eye(self.y.shape[1])[self.t]
        return dout * off * self.share[:, None] / (self.count or self.total)


class Distance:
    """A squared distance, measured by a fixed matrix."""

    def __init__(self):
        self.W = RNG.normal(size=(3, 3))

    def forward(self, a, t):
        self.off = (a - t) @ self.W
        return np.sum(self.off**2) / 2

    def backward(self, dout=1.0):
        return dout * self.off @ self.W.T


class Fixed:
    """A layer of which nothing learns: a projection, under any name."""

    def __init__(self, name, **more):
        self.name = name
        vars(self).update({name: W} | more)

    def forward(self, x):
        return x @ getattr(self, self.name)

    def backward(self, dout):
        return dout @ getattr(self, self.name).T


class Pretrained:
    """A table of words that stays as it is."""

    def __init__(self):
        self.weight, self.params, self.grads = RNG.normal(size=(5, 3)), {}, {}

    def forward(self, words):
        return self.weight[words]

    def backward(self, dout):
        return None


class LowRank:
    """A fixed matrix, and a narrow one beside it that learns."""

    def __init__(self):
        self.W, self.b, self.grads = W, B, {}
        self.params = {"A": RNG.normal(size=(4, 2)), "B": RNG.normal(size=(2, 3))}

    def forward(self, x):
        self.x, self.low = x, x @ self.params["A"]
        return x @ self.W + self.low @ self.params["B"] + self.b

    def backward(self, dout):
        dlow = dout @ self.params["B"].T
        self.grads["A"], self.grads["B"] = self.x.T @ dlow, self.low.T @ dout
        return dout @ self.W.T + dlow @ self.params["A"].T


class Running:
    """Batch normalisation while it predicts."""

    def __init__(self):
        self.params = {"gamma": B + 2, "beta": B[::-1].copy()}
        self.grads, self.mean, self.var, self.weights_mask = {}, B, B**2 + 1, np.array([1.0, 0, 1])

    def forward(self, x):
        self.hat = (x - self.mean) / np.sqrt(self.var) * self.weights_mask
        return self.params["gamma"] * self.hat + self.params["beta"]

    def backward(self, dout):
        self.grads["gamma"], self.grads["beta"] = np.sum(dout * self.hat, 0), dout.sum(0)
        return dout * self.params["gamma"] / np.sqrt(self.var) * self.weights_mask


class Places:
    """Places are added to the words, and each has a weight."""

    def __init__(self):
        self.w_places, self.pe = RNG.normal(size=4), RNG.normal(size=(6, 4))

    def forward(self, x):
        return (x + self.pe) * self.w_places

    def backward(self, dout):
        return dout * self.w_places


class Own:
    """A network of its own, with weights for the classes."""

    def __init__(self):
        self.params, self.weights, self.w0 = {"W": W, "b": B}, np.array([1.0, 0.3, 2.5]), X[0] + 2

    def scores(self, x):
        return (x * self.w0) @ self.params["W"] + self.params["b"]

    def loss(self, x, t):
        y = softmax_along(self.scores(x), -1)
        return -np.mean(self.weights[t] * np.log(y[np.arange(len(t)), t]))

    def gradient(self, x, t):
        off = softmax_along(self.scores(x), -1) - np.eye(3)[t]
        off *= self.weights[t][:, None] / len(t)
        return {"W": (x * self.w0).T @ off, "b": off.sum(0)}


NAMES = ("W", "w", "weights", "class_weights", "gamma")
RIGHT = {
    **{f"a loss with {name}": (Weighted(name), SCORES, LABELS) for name in NAMES},
    "a loss with params": (Weighted(params={}, grads={}), SCORES, LABELS),
    "a loss with two": (Weighted("w1", w2=B), SCORES, LABELS),
    "a distance": (Distance(), SCORES, RNG.normal(size=(6, 3))),
    **{f"a layer with {name}": (Fixed(name), X) for name in (*NAMES, "P", "table", "kernel")},
    "a layer that says so": (Fixed("W", params={}), X),
    "a list that says so": (Fixed("W", params=[], grads=[]), X),
    "a table of words": (Pretrained(), np.array([[1, 4], [0, 0]])),
    "low rank": (LowRank(), X),
    "running means": (Running(), SCORES),
    "places": (Places(), X),
    "a network of its own": (Own(), X, LABELS),
    "a network with such a loss": (Network({"one": Affine(W, B)}, Weighted()), X, LABELS),
    "a network with such a layer": (
        Network({"fixed": Fixed("W"), "one": Affine(RNG.normal(size=(3, 3)), B)}, Weighted()),
        X,
        LABELS,
    ),
}


@pytest.mark.parametrize("name", RIGHT)
def test_what_learns_nothing_is_asked_for_no_gradient(name):
    assert diagnose(*RIGHT[name]) == []
    report = gradient_check(*RIGHT[name])
    assert report.ok == bool(report.rows)  # what compared nothing is not ok


def test_what_has_no_gradient_is_said_to_be_unchecked():
    for target, x, *t, names in (
        (Weighted(), SCORES, LABELS, ["weights"]),
        (Fixed("W"), X, ["W"]),
        (LowRank(), X, ["W", "b"]),
    ):
        report = gradient_check(target, x, *t)
        assert report.unchecked == names and f"unchecked: {names[0]}" in repr(report)


def test_a_constant_does_not_hide_a_mistake():
    loss = Weighted()
    loss.count = len(SCORES)
    (found,) = diagnose(loss, SCORES, LABELS)
    assert (found.cause, found.where) == ("scaled", "x") and found.factor != 1


class Half(BookAffine):
    """The gradient of b is forgotten, beside that of W."""

    def backward(self, d):
        self.dW = self.x.T @ d
        return d @ self.W.T


@pytest.mark.parametrize("make, lost", [(Half, {"b"}), (NoGradients, {"W", "b"})])
def test_what_learns_beside_it_is_still_asked_for(make, lost):
    found = diagnose(make(W, B), X)
    assert {(one.cause, one.where) for one in found} == {("gradient-missing", n) for n in lost}


HELD = {
    "a list": lambda own: [own.W, own.b],
    "a tuple": lambda own: (own.W, own.b),
    "a dict with other names": lambda own: {"weight": own.W, "bias": own.b},
}
LEFT = {
    "attributes": lambda own, dW, db: vars(own).update(dW=dW, db=db),
    "attributes with another name": lambda own, dW, db: vars(own).update(grad_W=dW, grad_b=db),
    "a dict by name": lambda own, dW, db: vars(own).update(grads={"W": dW, "b": db}),
}


@pytest.mark.parametrize("left", LEFT)
@pytest.mark.parametrize("held", HELD)
def test_gradients_may_stand_beside_any_name_of_an_array(held, left):
    class Named:
        times = 1.0

        def __init__(self):
            self.W, self.b = W.copy(), B.copy()
            self.params = HELD[held](self)

        def forward(self, x):
            self.x = x
            return x @ self.W + self.b

        def backward(self, dout):
            LEFT[left](self, self.times * self.x.T @ dout, dout.sum(axis=0))
            return dout @ self.W.T

    assert diagnose(Named(), X) == [] and gradient_check(Named(), X).ok
    own = Named()
    own.times = 2.0
    (found,) = diagnose(own, X)
    assert found.cause == "scaled" and found.where in ("W", "weight")


LOSSES = {
    "squares": (lambda a, t: np.sum((a - t) ** 2) / len(a), lambda a, t: 2 * (a - t) / len(a)),
    "logits": (
        lambda a, t: np.mean(np.logaddexp(0, a) - a * t),
        lambda a, t: (1 / (1 + np.exp(-a)) - t) / a.size,
    ),
    "hinge": (
        lambda a, t: np.mean(np.maximum(0, 1 - a * (2 * t - 1))),
        lambda a, t: -(2 * t - 1) * (a * (2 * t - 1) < 1) / a.size,
    ),
}


@pytest.mark.parametrize("keeps", [True, False])
@pytest.mark.parametrize("name", LOSSES)
def test_a_loss_whose_backward_is_given_no_dout_cannot_multiply_by_it(name, keeps):
    value, slope = LOSSES[name]
    targets = (np.eye(3)[LABELS] > 0) * 1.0

    class Loss:
        times = 1.0

        def forward(self, a, t=targets):
            self.a, self.t = a, t
            return value(a, t)

        def backward(self):
            return self.times * slope(self.a, self.t)

    at = (SCORES,) if keeps else (SCORES, targets)
    assert diagnose(Loss(), *at) == [] and gradient_check(Loss(), *at).ok
    wrong = Loss()
    wrong.times = -1.0
    assert [one.cause for one in diagnose(wrong, *at)] == ["wrong-sign"]
