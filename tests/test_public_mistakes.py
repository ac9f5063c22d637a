"""What the public gets wrong: named first, with a hint; and what it gets right: left alone."""

import re
from collections import Counter
from functools import cache
from types import SimpleNamespace

import numpy as np
import pytest
import sequence_mistakes
from blind_mistakes import SETS
from profiles import times
from public_mistakes import (
    CASES,
    IMAGE,
    K63,
    LABELS,
    MSE,
    ONE_HOT,
    SEQUENCE,
    SQUARES,
    W43,
    YCOL,
    A,
    Attends,
    BookAffine,
    BookDropout,
    BookNet,
    BookSoftmaxWithLoss,
    Cell,
    Columns,
    Course,
    EveryStep,
    Hasty,
    Lists,
    NoGradients,
    Norm,
    Pool,
    Sliding,
    T,
    TwoLists,
    X,
    b3,
    c6,
)
from right_functions import FUNCTIONS, Layer

from chainrule.doctor import diagnose
from chainrule.exercises import check
from chainrule.gradcheck import gradient_check
from chainrule.graph import Variable, exp, sum_
from chainrule.layers import Affine
from chainrule.losses import SoftmaxWithLoss


@cache
def findings_on(make):
    return diagnose(*make())


@pytest.mark.parametrize("one", CASES, ids=[one[0] for one in CASES])
def test_a_public_mistake_is_named_first(one):
    name, _, cause, where, make = one
    found = findings_on(make)
    assert found, name
    assert cause in (None, found[0].cause), found
    assert where in (None, found[0].where), found


@pytest.mark.parametrize("one", CASES, ids=[one[0] for one in CASES])
def test_a_finding_is_a_sentence_and_its_hint_a_step(one):
    for finding in findings_on(one[4]):
        text = str(finding)
        assert text.endswith(".") and not re.search(r"[:?!,;]\.|(?<!\.)\.\.(?!\.)|: \.", text), text
        same = re.search(r"gives (\S+)( at \[[^]]*\])?, where nudging finds (\S+?)[.;]? ", text)
        assert same is None or same[1] != same[3], text


def test_every_kind_has_four_cases_at_least():
    counted = Counter(one[1] for one in CASES)
    assert all(counted[kind] >= 4 for kind in range(1, 13) if kind != 11), counted


def test_all_findings_come_and_what_is_close_comes_last():
    case = {one[0]: one[4] for one in CASES}
    found = [(one.cause, one.where) for one in diagnose(*case["ConstantAndMean"]())]
    assert found == [
        ("bias-mean", "Affine2.b"),
        ("bias-mean", "Affine1.b"),
        ("upstream-ignored", "loss"),
        ("log-constant", "loss"),
    ] or found == [("bias-mean", "Affine2.b"), ("bias-mean", "Affine1.b"), ("log-constant", "loss")]
    found = diagnose(*case["ConstantAlone"]())
    assert "1e-07" in found[0].evidence
    causes = [one.cause for one in diagnose(*case["Wave"]())]
    assert causes[0] == "unknown" and "mutates-dout" in causes[1:]
    causes = [one.cause for one in diagnose(*case["ByHand"]())]
    assert causes[:2] == ["bias-mean"] * 2 and causes[-1] == "log-constant"


# 1. Never a wrong "Right".


def named(base, name, **methods):
    return type(name, (base,), methods)


def test_an_affine_layer_without_gradients_is_not_right_at_any_door():
    made = NoGradients(W43.copy(), b3.copy())
    assert {one.where for one in diagnose(made, X)} == {"W", "b"}
    report = gradient_check(made, X)
    assert not report.ok and [row.name for row in report.rows if row.problem] == ["W", "b"]
    for thing in (named(NoGradients, "MyAffine"), named(NoGradients, "MyAffine")(W43, b3)):
        verdict = check(thing)
        assert not verdict.ok and "no gradient is given for W" in verdict.sentence.replace(
            "No", "no"
        )
    assert check(named(BookAffine, "MyAffine")).ok


def test_an_affine_layer_with_a_wrong_gradient_as_attribute_is_not_right():
    def backward(self, d):
        self.dW, self.db = self.x.T @ d, d.mean(0)
        return d @ self.W.T

    verdict = check(named(BookAffine, "MyAffine", backward=backward))
    assert not verdict.ok and verdict.findings[0].cause == "bias-mean"
    assert not gradient_check(named(BookAffine, "Mine", backward=backward)(W43, b3), X).ok


def test_an_affine_layer_that_hides_its_parameters_is_asked_for_them():
    class MyAffine:
        def __init__(self, W, b):
            self.kernel, self.shift = W, b

        def forward(self, x):
            return x @ self.kernel + self.shift

        def backward(self, d):
            return d @ self.kernel.T

    verdict = check(MyAffine)
    assert not verdict.ok and "no gradient for W and b" in verdict.sentence
    report = gradient_check(MyAffine(W43, b3), X)
    assert report.unchecked == ["kernel", "shift"] and "unchecked: kernel" in repr(report)


class Images(BookAffine):
    """An affine layer that takes images too."""

    def forward(self, x):
        self.shape = x.shape
        return super().forward(x.reshape(len(x), -1))

    def backward(self, d):
        return super().backward(d).reshape(self.shape)


def test_an_affine_layer_that_takes_images_is_to_hand_images_back():
    assert check(named(Images, "MyAffine")).ok
    verdict = check(named(Images, "MyAffine", backward=BookAffine.backward))
    assert not verdict.ok and verdict.findings[0].cause == "wrong-shape"
    assert "(3, 2, 2)" in verdict.sentence


@pytest.mark.parametrize("axes", [3, 4])
def test_an_activation_is_graded_with_sequences_and_images_too(axes):
    class MyTanh:
        def forward(self, x):
            self.y = np.tanh(x)
            return self.y

        def backward(self, d):
            return d * (1 - self.y**2) * (-1 if d.ndim == axes else 1)

    verdict = check(MyTanh)
    assert not verdict.ok and verdict.findings[0].cause == "wrong-sign"


def test_a_network_of_layers_without_gradients_gets_findings():
    net = BookNet()
    net.layers["Affine1"] = NoGradients(net.params["W1"], net.params["b1"])
    assert {one.where for one in diagnose(net, X, LABELS)} >= {"Affine1.W", "Affine1.b"}


# 5 and 6: right code, in public styles, passes every door.


class Hinge:
    def forward(self, s, y):
        self.y, n = y, np.arange(len(s))
        m = np.maximum(0, s - s[n, y][:, None] + 1)
        m[n, y] = 0
        self.mask = (m > 0) * 1.0
        return m.sum() / len(s)

    def backward(self, d=1.0):
        g = self.mask.copy()
        g[np.arange(len(g)), self.y] -= self.mask.sum(axis=1)
        return d * g / len(g)


class MyEmbedding:
    def __init__(self, W=K63):
        self.params, self.grads = {"W": W.copy()}, {}

    def forward(self, idx):
        self.idx = idx
        return self.params["W"][idx]

    def backward(self, dout):
        self.grads["W"] = np.zeros_like(self.params["W"])
        np.add.at(self.grads["W"], self.idx, dout)


class OwnGenerator(BookDropout):
    def __init__(self):
        super().__init__()
        self.rng = np.random.default_rng(0)

    def forward(self, x):
        self.mask = (self.rng.random(x.shape) > 0.5) * 2.0
        return x * self.mask


MODULE_RNG = np.random.default_rng(5)


class ModuleGenerator(BookDropout):
    def forward(self, x):
        self.mask = (MODULE_RNG.random(x.shape) > 0.5) * 2.0
        return x * self.mask


class FixedMask:
    def __init__(self):
        self.mask = np.array([[2.0, 0.0, 2.0, 0.0]])

    def forward(self, x):
        return x * self.mask

    def backward(self, d):
        return d * self.mask


class RunningNorm:
    def __init__(self):
        self.gamma, self.beta = np.array([1.0, 2.0, 0.5, -1.0]), np.zeros(4)
        self.running_mean, self.running_var = np.zeros(4), np.ones(4)

    def forward(self, x, train=True):
        mu, self.std = x.mean(axis=0), np.sqrt(x.var(axis=0) + 1e-5)
        self.running_mean = 0.9 * self.running_mean + 0.1 * mu
        self.running_var = 0.9 * self.running_var + 0.1 * x.var(axis=0)
        self.xn = (x - mu) / self.std
        return self.gamma * self.xn + self.beta

    def backward(self, d):
        self.dgamma, self.dbeta = (d * self.xn).sum(axis=0), d.sum(axis=0)
        d = d * self.gamma
        return (d - d.mean(axis=0) - self.xn * (d * self.xn).mean(axis=0)) / self.std


class RightLists(Lists):
    def backward(self, d):
        self.grads[0][...], self.grads[1][...] = self.x.T @ d, d.sum(axis=0)
        return d @ self.params[0].T


class RightLoss(BookSoftmaxWithLoss):
    def forward(self, x, t):
        super().forward(x, t)
        return -np.mean(np.log(self.y[np.arange(len(t)), t]))

    def backward(self, dout=1):
        return dout * super().backward()


class RightNet(BookNet):
    loss_kind = RightLoss


class Decayed(Course):
    reg = 0.2


class Forwards:
    """A whole network with forward and backward, where backward gives a dict."""

    def __init__(self):
        self.W = W43.copy()

    def forward(self, x, t):
        self.x, self.d = x, x @ self.W - t
        return 0.5 * np.sum(self.d**2) / len(x)

    def backward(self):
        return {"dW": self.x.T @ self.d / len(self.x)}


class RightSquares(MSE):
    def backward(self, dout=1.0):
        return 2 * super().backward(dout)


def halved(self, d):
    ties = (self.windows == self.y).sum(axis=(3, 5))
    return Pool.backward(self, d / ties)


RIGHT = [
    (BookAffine(W43, b3), X),
    (RightLists(W43, b3), X),
    (BookDropout(), X),
    (OwnGenerator(), X),
    (ModuleGenerator(), X),
    (FixedMask(), X),
    (RunningNorm(), X),
    (Cell(W43, W43[:3] + 0.1, b3), (X, A)),
    (Hinge(), A, LABELS),
    (MyEmbedding(), np.array([0, 2, 2, 5])),
    (RightLoss(), A, LABELS),
    (RightSquares(), A, T),
    (SoftmaxWithLoss(), A, ONE_HOT.astype(np.float32)),
    (RightNet(), X, LABELS),
    (Course(), X, LABELS),
    (Decayed(), X, LABELS),
    (Columns(), X.T.copy(), YCOL),
    (Forwards(), X, T),
    (TwoLists(), X, T),
    (Norm(), X),
    (type("LayerNorm", (Norm,), {"axis": 1})(), X),
    (Sliding(), IMAGE),
    (Pool(), SQUARES),
    (type("HalfEach", (Pool,), {"backward": halved})(), np.round(SQUARES)),
    (Attends(), X),
    (EveryStep(), SEQUENCE),
]


@pytest.mark.parametrize("one", RIGHT, ids=lambda one: type(one[0]).__name__)
def test_right_public_code_passes_the_doctor_and_the_check(one):
    assert diagnose(*one) == []
    report = gradient_check(*one)
    assert report.ok, report
    assert report.max_relative_error < 1e-5


@pytest.mark.parametrize(
    "right", [BookDropout, OwnGenerator, FixedMask, RunningNorm, Hinge, MyEmbedding, RightSquares]
)
def test_right_public_code_passes_the_grader(right):
    verdict = check(right)
    assert verdict.ok, verdict


def test_masks_that_are_the_same_by_chance_accuse_nobody():
    for seed in (15, 36, 59):
        np.random.seed(seed)
        assert check(BookDropout).ok, seed
    assert diagnose(OwnGenerator(), X[:1, :1]) == [] == diagnose(BookDropout(), X[:1, :1])


def test_what_gives_two_outputs_for_one_input_is_told_so():
    import secrets

    class Restless:
        def forward(self, x):
            self.k = 1 + secrets.randbelow(10**6)
            return x * self.k

        def backward(self, d):
            return d * self.k

    assert diagnose(Restless(), X)[0].cause == "not-repeatable"
    report = gradient_check(Restless(), X)
    assert not report.ok and "two outputs" in repr(report) and report.kinks == 0
    verdict = check(Restless)
    assert not verdict.ok and "two outputs" in verdict.sentence


def test_the_global_generator_is_left_where_it_was():
    np.random.seed(4)
    wanted = np.random.rand(3)
    np.random.seed(4)
    diagnose(BookDropout(), X)
    gradient_check(BookDropout(), X)
    np.testing.assert_array_equal(np.random.rand(3), wanted)


# 7. The check leaves W as it was.


def test_a_layer_that_updates_itself_is_left_as_it_was():
    layer = Hasty()
    before = layer.params["W"].copy()
    report = gradient_check(layer, X)
    diagnose(layer, X)
    np.testing.assert_array_equal(layer.params["W"], before)
    assert not report.ok and report.kinks == 0


def test_the_hint_for_an_update_in_backward_does_not_lead_to_the_same_bug():
    found = diagnose(Hasty(), X)[0]
    assert "update afterwards" in found.hint and "x = x + 1" not in found.hint
    assert "-0.1 times its gradient" in found.evidence


# 10 and 5: no bare error from any door.


class Raises:
    def __init__(self, error):
        self.error = error

    def forward(self, x):
        return x * 2

    def backward(self, d):
        raise self.error


@pytest.mark.parametrize(
    "error", [ValueError(), KeyError("x"), TypeError("no"), IndexError("index 9")]
)
def test_an_exception_of_backward_is_told_in_a_sentence_at_every_door(error):
    layer = Raises(error)
    text = str(diagnose(layer, X)[0])
    assert type(error).__name__ in text and ": ." not in text and "`raise self.error`" in text
    report = gradient_check(layer, X)
    assert not report.ok and f"backward raises {type(error).__name__}" in repr(report)
    verdict = check(SimpleNamespace and Raises(error))
    assert not verdict.ok and ": ." not in verdict.sentence


# 11. Words and numbers of the check.


def test_a_loss_is_checked_with_a_dout_of_one():
    class IgnoresDout(RightLoss):
        def backward(self, dout=1):
            return super().backward(1)

    assert gradient_check(IgnoresDout(), A, LABELS).ok
    assert diagnose(IgnoresDout(), A, LABELS)[0].cause == "upstream-ignored"


def test_numbers_that_differ_late_are_told_in_as_many_digits_as_tell_them_apart():
    verdict = check(named(BookSoftmaxWithLoss, "MySoftmaxWithLoss"))
    assert not verdict.ok
    came, wanted = re.search(r"gives (\S+), but (\S+) was wanted", verdict.sentence).groups()
    assert came != wanted and "small constant" in verdict.sentence
    with pytest.raises(AssertionError) as told:
        gradient_check(BookSoftmaxWithLoss(), A, LABELS).raise_if_failed()
    came, wanted = re.search(r"gives (\S+) at .*gradient (\S+)", str(told.value)).groups()
    assert came != wanted


def test_a_gradient_that_is_zero_but_for_rounding_agrees():
    class Cancels:
        def forward(self, x):
            return (1e6 + x) - x

        def backward(self, d):
            return np.zeros_like(d)

    report = gradient_check(Cancels(), X)
    assert report.ok and report.max_relative_error < 1e-3


# Plain functions and graphs.


def test_a_graph_is_checked_at_its_leaves():
    x, y = Variable(A, "x"), Variable(T, "y")
    out = sum_(exp(x * y) + x)
    report = gradient_check(out)
    assert report.ok and [row.name for row in report.rows] == ["x", "y"]
    assert x.grad is None and diagnose(out) == []
    np.testing.assert_array_equal(x.value, A)

    class Wrong:
        def forward(self, x):
            self.x = x
            return x**2

        def backward(self, d):
            return (d * self.x,)

    from chainrule.graph import apply

    assert not gradient_check(apply(Wrong(), Variable(2.0, "x"))).ok
    assert gradient_check(Variable(3.0, "a") * 2.0 + 1.0).ok


def test_a_function_of_variables_is_checked():
    assert gradient_check(lambda x: sum_(x * x), A).ok
    assert gradient_check(lambda x, y: exp(x) * y, (0.3, 2.0)).ok


def test_a_function_that_gives_its_value_and_its_gradient_is_checked():
    def loss(W):
        d = X @ W - T
        return 0.5 * np.sum(d**2), X.T @ d

    assert gradient_check(loss, W43).ok and diagnose(loss, W43) == []

    def wrong(W):
        return loss(W)[0], -loss(W)[1]

    assert not gradient_check(wrong, W43).ok and diagnose(wrong, W43)[0].cause == "wrong-sign"


def test_what_is_no_such_function_is_refused_in_words():
    for function in (len, print, lambda x: None, np.tanh):
        with pytest.raises(TypeError, match="forward and backward"):
            gradient_check(function, A)


def my_numerical_gradient(f, x, h=1e-4):
    g = np.zeros_like(x)
    for i in np.ndindex(x.shape):
        kept = x[i]
        x[i] = kept + h
        up = f(x)
        x[i] = kept - h
        g[i] = divided(up - f(x), h)
        x[i] = kept
    return g


def divided(difference, h):
    return difference / h


def test_a_numerical_gradient_divided_by_the_wrong_step_gets_a_reason(monkeypatch):
    assert "2 times the right" in check(my_numerical_gradient).sentence
    monkeypatch.setitem(globals(), "divided", lambda difference, h: difference / 2 * h)
    assert "brackets" in check(my_numerical_gradient).sentence
    monkeypatch.setitem(globals(), "divided", lambda difference, h: difference / (2 * h))
    assert check(my_numerical_gradient).ok


def test_a_right_affine_layer_of_the_package_has_nothing_unchecked():
    assert gradient_check(Affine(K63.T.copy(), c6), A).unchecked == []


PLACES = [X, 3 * X, X[2:], -X]


@pytest.mark.parametrize("name", FUNCTIONS)
def test_nobody_is_accused_of_a_right_derivative(name):
    for x in PLACES:
        assert diagnose(Layer(name), x) == [], x
        assert gradient_check(Layer(name), x).ok, x


EVERY = 1 if times() > 1 else 4  # of many that are alike: `make explore` asks about all of them


@pytest.mark.parametrize("one", sequence_mistakes.RIGHT[::EVERY], ids=lambda one: one[0])
def test_nobody_is_accused_of_a_right_cell_loop_or_closure(one):
    _, _, make, arguments = one
    assert diagnose(make(), *arguments) == []
    assert gradient_check(make(), *arguments).ok


@pytest.mark.parametrize("one", sum(SETS, sequence_mistakes.SET[::EVERY]), ids=lambda one: one[0])
def test_a_mistake_that_was_written_blind_is_found_and_not_misnamed(one):
    _, wanted, make, arguments = one
    found = diagnose(make(), *arguments)
    assert found
    assert found[0].cause in wanted or ("?" in wanted and found[0].cause == "unknown"), found[0]


def sequence(name):
    (one,) = [one for one in sequence_mistakes.SET if one[0] == name]
    _, _, make, arguments = one
    return diagnose(make(), *arguments)[0]


def test_a_line_that_serves_several_gates_is_told_with_the_line_that_calls_it():
    assert 'called in `z = sigmoid(x[:, k] @ p["Wz"]' in sequence("GruUpdateTurned").evidence
    assert "called in" not in sequence("AttentionNoSum").evidence


def test_the_label_that_is_subtracted_is_told_with_its_step():
    found = sequence("CharWrongAtLastStep")
    assert found.where == "loss"
    assert "label 0 where the loss takes 4 (row or step 4; 1 in all)" in found.evidence


def test_what_a_function_takes_from_outside_is_left_as_it_is():
    W = np.random.default_rng(3).normal(size=(4, 4))
    before = W.copy()

    def f(x):
        return 0.5 * np.sum(x.dot(W) ** 2) + X.dot(W).sum(), x.dot(W).dot(W)

    cells, outer = dict(zip(f.__code__.co_freevars, f.__closure__, strict=True)), X
    (found,) = diagnose(f, A[:, :1] * np.ones(4))
    assert found.cause == "weight-not-transposed" and " @ W" in found.evidence
    assert cells["W"].cell_contents is W and X is outer and type(W) is np.ndarray
    assert np.array_equal(W, before)
