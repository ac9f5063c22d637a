"""The doctor: names what is wrong, in code it has never seen, and finds nothing in what is right."""

import copy
import os
from collections import Counter, OrderedDict

import numpy as np
import public_mistakes
import pytest
from right_pieces import RIGHT, by_closures
from wrong_pieces import CASES, LABELS, SquaredNumber, Thrice, X, layer, net

from chainrule import gradcheck
from chainrule.doctor import diagnose
from chainrule.layers import Affine, ReLU, Sigmoid, Tanh
from chainrule.losses import IdentityWithLoss, SoftmaxWithLoss
from chainrule.mistakes import MISTAKES, ZOO
from chainrule.network import Network, two_layer_net
from chainrule.nodes import Add, Divide, Exp, Log, MatMul, Maximum, Multiply, Power, Sum
from chainrule.training import SGD


def test_the_doctor_is_reached_through_gradcheck():
    assert gradcheck.diagnose is diagnose


# The zoo.


def batch(N=3):
    rng = np.random.default_rng(2)
    return rng.normal(size=(5, 4))[:N], np.array([0, 2, 1, 1, 0])[:N]


def animals(one):
    return one.network(4, 5, 3, np.random.default_rng(1))


HOME = {"bias": "Affine2.b", "mask": "ReLU1", "derivative": "Sigmoid1"}


@pytest.mark.parametrize("one", ZOO, ids=lambda one: one.name)
def test_every_animal_is_named_first_and_alone_and_found_at_home(one):
    findings = diagnose(animals(one), *batch())
    assert {finding.cause for finding in findings} == ({one.cause} if one.cause else set())
    if findings:
        assert findings[0].where == HOME.get(one.cause.split("-")[0], "loss")


BATCHWISE = {"bias-mean", "bias-first-row", "softmax-over-batch", None}


@pytest.mark.parametrize("one", ZOO, ids=lambda one: one.name)
def test_one_sample_shows_what_has_nothing_to_do_with_the_batch(one):
    hidden = one.cause in BATCHWISE or "division" in one.cause
    found = [finding.cause for finding in diagnose(animals(one), *batch(1))]
    assert found[:1] == ([] if hidden else [one.cause])


@pytest.mark.parametrize("one", ZOO, ids=lambda one: one.name)
def test_an_animal_is_known_after_training_too(one):
    network, (x, t) = animals(one), batch(5)
    for _ in range(30):
        SGD(0.05).update(network.params, network.gradient(x, t) | shaped_bias(network, x, t))
    assert [finding.cause for finding in diagnose(network, x, t)][:1] == [one.cause][
        : bool(one.cause)
    ]


def shaped_bias(network, x, t):
    gradients = network.gradient(x, t)
    return {
        key: np.broadcast_to(gradient, network.params[key].shape)
        for key, gradient in gradients.items()
    }


@pytest.mark.parametrize("scale", [1e-8, 1e-3, 30.0, 300.0])
@pytest.mark.parametrize("one", ZOO, ids=lambda one: one.name)
def test_an_animal_is_known_when_its_weights_are_tiny_or_huge(one, scale):
    network, (x, t) = animals(one), batch(5)
    for array in network.params.values():
        array[...] = scale * np.random.default_rng(3).normal(size=array.shape)
    assert [finding.cause for finding in diagnose(network, x, t)][:1] == [one.cause][
        : bool(one.cause)
    ]


# Code in other styles.


@pytest.mark.parametrize(
    ("cause", "where", "make"), [one[1:] for one in CASES], ids=[one[0] for one in CASES]
)
def test_a_mistake_in_another_style_is_named_first(cause, where, make):
    findings = diagnose(*make())
    assert [(one.cause, one.where) for one in findings][:1] == [(cause, where)]


def test_the_cases_are_many_and_cover_the_table():
    counted = Counter(cause for _, cause, _, _ in CASES)
    counted.update(one[2] for one in public_mistakes.CASES)
    assert sum(counted.values()) >= 100 and {None, *MISTAKES} == {*counted, "not-repeatable"}


SEEDS = range(3)
SHAPES = [(2, 3), (6, 4), (7, 1)]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("seed", SEEDS)
def test_elementwise_mistakes_are_named_at_other_numbers_and_shapes(seed, shape):
    x = np.random.default_rng(seed).normal(size=shape)
    right = total = 0
    for name, cause, where, make in CASES:
        target, *arguments = make()
        if (
            where == "x"
            and len(arguments) == 1
            and arguments[0] is X
            and not hasattr(target, "params")
        ):
            if cause in ("not-finite", "unknown", "stale-cache") or name == "ResidualMatrix":
                continue
            total += 1
            right += [one.cause for one in diagnose(target, x)][:1] == [cause]
    assert total >= 20 and right >= 0.95 * total


@pytest.mark.parametrize("name", ["mask-missing", "stale-cache", "mutates-dout", "wrong-sign"])
def test_a_finding_reads_as_a_sentence_with_numbers_and_a_hint(name):
    make = next(make for _, cause, _, make in CASES if cause == name)
    finding = diagnose(*make())[0]
    assert finding.hint == MISTAKES[name].hint
    assert finding.evidence.endswith(".") and finding.evidence[0].isupper()
    assert str(finding).startswith(f"{name} at {finding.where}: {MISTAKES[name].cause}")
    assert finding.factor is None


def test_a_scaled_gradient_is_told_with_its_factor():
    (finding,) = diagnose(Thrice(), X)
    assert finding.cause == "scaled" and finding.factor == pytest.approx(2 / 3)
    assert "0.666667 times" in finding.evidence


def test_a_number_is_not_called_scaled_just_because_any_two_numbers_have_a_ratio():
    assert diagnose(SquaredNumber(), 3.0)[0].cause == "overwritten-at-fork"

    odd = layer(lambda kept, x: x**2, lambda kept, dout: dout * 1.7)
    assert diagnose(odd, 2.0)[0].cause not in ("scaled", "wrong-sign")


def test_a_factor_of_n_grows_with_the_batch_and_any_other_does_not():
    def loss(factor):
        class Loss(SoftmaxWithLoss):
            def backward(self, dout=1.0):
                return super().backward(dout) * factor(len(self.y))

        return Loss()

    a, t = X[:2, :3], LABELS[:2]
    assert diagnose(loss(lambda N: N), a, t)[0].cause == "missing-batch-division"
    assert diagnose(loss(lambda N: 2), a, t)[0].cause == "scaled"
    assert diagnose(loss(lambda N: 1 / N), a, t)[0].cause == "double-batch-division"
    assert diagnose(loss(lambda N: 0.5), a, t)[0].cause == "scaled"


def test_two_mistakes_at_once_are_both_named():
    class Loss(SoftmaxWithLoss):
        def backward(self, dout=1.0):
            return (self.t - self.y) / len(self.y)

    found = [finding.cause for finding in diagnose(Loss(), X[:, :3], LABELS)]
    assert found == ["wrong-sign", "upstream-ignored"]

    class Gate(ReLU):
        def backward(self, dout):
            return -dout

    assert [one.cause for one in diagnose(Gate(), X)] == ["mask-missing", "wrong-sign"]


def test_every_wrong_array_of_a_layer_gets_a_finding():
    class Negative(Affine):
        def backward(self, dout):
            dx = -super().backward(dout)
            self.grads = {key: -gradient for key, gradient in self.grads.items()}
            return dx

    findings = diagnose(Negative(np.ones((4, 3)), np.zeros(3)), X)
    assert [(one.cause, one.where) for one in findings] == [
        ("wrong-sign", "x"),
        ("wrong-sign", "W"),
        ("wrong-sign", "b"),
    ]


def test_a_mistake_that_these_inputs_hide_shows_at_others():
    class Open(ReLU):
        def backward(self, dout):
            return dout * 1.0

    assert diagnose(Open(), np.abs(X) + 0.1)[0].cause == "mask-missing"


def test_a_large_array_is_seen_whole_though_few_of_its_entries_are_nudged():
    class OneRow(Affine):
        def backward(self, dout):
            dx = super().backward(dout)
            self.grads["W"][137] *= 1.01
            return dx

    rng = np.random.default_rng(0)
    x = rng.normal(size=(3, 300))
    W, b = rng.normal(size=(300, 20)), rng.normal(size=20)
    assert diagnose(Affine(W, b), x) == []
    assert [one.where for one in diagnose(OneRow(W, b), x)] == ["W"]


@pytest.mark.parametrize("change", [lambda g: -g, lambda g: np.sin(3 * g), lambda g: g * ONE])
def test_work_on_a_wrong_large_network_is_bounded(change):
    class Counted(Affine):
        runs = [0]

        def forward(self, x):
            self.runs[0] += 1
            return super().forward(x)

        def backward(self, dout):
            dx = super().backward(dout)
            self.grads["W"] = change(self.grads["W"])
            return dx

    network = two_layer_net(784, 50, 10, np.random.default_rng(0))
    first = network.layers["Affine1"]
    network.layers["Affine1"] = Counted(first.params["W"], first.params["b"])
    x = np.random.default_rng(1).normal(size=(5, 784))
    assert [one.where for one in diagnose(network, x, LABELS[[0, 1, 2, 0, 1]])] == ["Affine1.W"]
    assert Counted.runs[0] < 20_000  # nudging each entry of W and x alone takes 86,240


ONE = np.where(np.arange(784 * 50).reshape(784, 50) == 20_123, 1.5, 1.0)  # one entry among all


def test_in_a_network_the_mistake_nearest_to_the_loss_comes_first():
    class Untransposed(Affine):
        def backward(self, dout):
            super().backward(dout)
            return dout @ self.params["W"]

    class Twice(Sigmoid):
        def backward(self, dout):
            return super().backward(dout) * self.y * (1 - self.y)

    findings = diagnose(net(Twice(), H=3, Affine2=Untransposed), X, LABELS)
    assert [(one.cause, one.where) for one in findings] == [
        ("weight-not-transposed", "Affine2"),
        ("derivative-twice", "Hidden"),
    ]


def test_an_exception_in_a_layer_of_a_network_is_located():
    def burst(kept, x):
        raise OverflowError("too much")

    (finding,) = diagnose(net(layer(burst, None)), X, LABELS)
    assert finding.where == "Hidden" and "OverflowError: too much" in finding.evidence


# What is right.


@pytest.mark.parametrize("arguments", RIGHT, ids=lambda one: type(one[0]).__name__)
def test_right_code_gets_no_finding(arguments):
    assert diagnose(*arguments) == []


NODES = [
    (Add(), (2.0, 3.0)),
    (Add(), (X, X[0])),
    (Multiply(), (2.0, X)),
    (Divide(), (X, np.abs(X[0]) + 1)),
    (Power(3), X),
    (Power(), (np.abs(X) + 0.5, X)),
    (Power(), (-2.0, 3.0)),
    (Exp(), 0.3),
    (Log(), np.abs(X) + 0.5),
    (Maximum(), (X, 0.0)),
    (Maximum(), (X, X)),
    (MatMul(), (X, X.T)),
    (MatMul(), (X[0], X.T)),
    (Sum(axis=0), X),
    (Sum(), X),
]


@pytest.mark.parametrize(("node", "x"), NODES, ids=lambda value: getattr(value, "name", ""))
def test_a_right_node_gets_no_finding(node, x):
    assert diagnose(node, x) == []


def random_network(seed):
    """A right network and a batch: deep or shallow, tiny or saturated, sometimes trained."""
    rng = np.random.default_rng(seed)
    D, H, C, N = rng.integers(1, 6, 4) + [0, 0, 1, 0]
    scale = [1.0, 1e-8, 30.0, 1e-3, 0.3, 100.0][seed % 6]
    widths = [D, *[H] * rng.integers(1, 4), C]
    layers = OrderedDict()
    for i, (into, out) in enumerate(zip(widths, widths[1:], strict=False), 1):
        biases = rng.normal(size=out) * scale * (seed % 4 > 0)
        layers[f"Affine{i}"] = Affine(rng.normal(size=(into, out)) * scale, biases)
        if i < len(widths) - 1:
            layers[f"Act{i}"] = [ReLU, Sigmoid, Tanh][rng.integers(3)]()
    x, t = rng.normal(size=(N, D)) * rng.choice([1.0, 1e-3, 10.0]), rng.integers(0, C, N)
    if seed % 5 == 0:
        return Network(layers, IdentityWithLoss()), x, rng.normal(size=(N, C))
    network = Network(layers, SoftmaxWithLoss())
    if seed % 3 == 0 and scale <= 1:
        for _ in range(50):
            SGD(0.5).update(network.params, network.gradient(x, t))
    return network, x, t


WHOLE = "CHAINRULE_WHOLE" in os.environ  # all thousand, and not a sample: some minutes


@pytest.mark.parametrize("hundred", range(10))
def test_a_hundred_random_right_networks_get_no_finding(hundred):
    for seed in range(100 * hundred, 100 * hundred + 100)[:: 1 if WHOLE else 11]:
        assert diagnose(*random_network(seed)) == [], f"seed {seed}"


def test_kinks_are_set_apart():
    network = Network({"A": Affine(np.eye(2), [0.0, 0.0]), "R": ReLU()}, SoftmaxWithLoss())
    x = np.array([[5e-6, 1.0], [0.0, 3.0], [9e-7, -1.0]])  # the last fools one smaller step alone
    assert diagnose(network, x, [0, 1, 1]) == []
    assert diagnose(ReLU(), x) == []


# Nothing is left behind.


def frozen(value):
    """A read-only copy of arrays; anything else as it is."""
    if not isinstance(value, np.ndarray):
        return value
    value = value.copy()
    value.setflags(write=False)
    return value


def state(thing):
    """Everything an object holds, as text: arrays with all their digits."""
    held = dict(getattr(thing, "__dict__", {}))
    with np.printoptions(precision=17, threshold=10**6):
        return {key: repr(value) for key, value in held.items() if "lambda" not in repr(value)}


@pytest.mark.parametrize("make", [one[3] for one in CASES], ids=[one[0] for one in CASES])
def test_target_and_arguments_are_as_they_were(make):
    target, x, *t = make()
    x = tuple(map(frozen, x)) if isinstance(x, tuple) else frozen(x)
    t = [frozen(value) for value in t]
    kept, before = copy.deepcopy([x, *t]), state(target)
    params = {key: id(value) for key, value in getattr(target, "params", {}).items()}
    diagnose(target, x, *t)
    assert state(target) == before
    assert {key: id(value) for key, value in getattr(target, "params", {}).items()} == params
    for now, then in zip([x, *t], kept, strict=True):
        for a, b in zip(now, then, strict=True) if isinstance(now, tuple) else [(now, then)]:
            np.testing.assert_array_equal(a, b)


def test_a_layer_keeps_the_caches_of_the_run_before():
    network, x = two_layer_net(4, 5, 3, np.random.default_rng(0)), X
    gradients = network.gradient(x, LABELS)
    kept = copy.deepcopy(gradients)
    for array in network.params.values():
        array.setflags(write=False)
    assert diagnose(network, 2 * x, LABELS) == []
    for key, gradient in network.backward().items():
        np.testing.assert_array_equal(gradient, kept[key])
        np.testing.assert_array_equal(gradients[key], kept[key])


def test_what_lives_in_a_closure_is_put_back():
    target = by_closures()
    W = target.params["W"]
    before = W.copy()
    diagnose(target, X)
    assert target.params["W"] is W and target.grads == {}
    np.testing.assert_array_equal(W, before)


def test_the_global_random_numbers_are_not_touched():
    np.random.seed(3)
    diagnose(two_layer_net(4, 5, 3, np.random.default_rng(0)), X, LABELS)
    after = np.random.random()
    np.random.seed(3)
    assert np.random.random() == after


# A wrong call is no wrong code.


@pytest.mark.parametrize("target", [3.0, np.tanh, object()])
def test_what_has_no_forward_and_backward_is_refused(target):
    with pytest.raises(TypeError, match="forward and backward"):
        diagnose(target, X)


def test_a_class_is_refused_with_advice():
    with pytest.raises(TypeError, match=r"got the class: try ReLU\(...\)"):
        diagnose(ReLU, X)


def test_a_network_wants_its_targets_and_its_params():
    with pytest.raises(ValueError, match="wants the targets t"):
        diagnose(two_layer_net(4, 5, 3, np.random.default_rng(0)), X)
    with pytest.raises(TypeError, match="params"):
        diagnose(type("Net", (), {"loss": len, "gradient": len})(), X, LABELS)


@pytest.mark.parametrize("x", [np.array([np.nan, 1.0]), np.inf])
def test_inputs_are_finite(x):
    with pytest.raises(ValueError, match="finite"):
        diagnose(ReLU(), x)


def test_an_input_that_the_package_refuses_is_the_caller_s_mistake():
    with pytest.raises(ValueError, match=r"Affine wants x \(N, 4\)"):
        diagnose(Affine(np.ones((4, 3)), np.zeros(3)), np.ones((2, 5)))


@pytest.mark.parametrize("h", [0, -1e-5, np.nan, "small"])
def test_a_step_is_a_positive_number(h):
    with pytest.raises(ValueError, match="step h"):
        diagnose(ReLU(), X, h=h)
