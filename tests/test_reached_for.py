"""What users of other libraries reach for: it works, or is refused in words that help."""

from importlib import import_module
from inspect import getsource, getsourcefile, isclass, isfunction, signature, unwrap
from types import SimpleNamespace

import numpy as np
import pytest

from chainrule.gradcheck import gradient_check
from chainrule.graph import Variable, apply, maximum
from chainrule.guests import Flatten, Reshape
from chainrule.layers import Affine, ReLU, Tanh
from chainrule.losses import IdentityWithLoss, SoftmaxWithLoss, cross_entropy, softmax
from chainrule.network import Network, two_layer_net
from chainrule.nodes import Multiply
from chainrule.numeric import numerical_gradient
from chainrule.training import SGD, Adam, Momentum, are_classes, train

X = np.random.default_rng(0).normal(size=(6, 4))
OTHER = np.random.default_rng(1).normal(size=(6, 4))
T = np.array([0, 1, 2, 1, 0, 2])


def net(seed=2):
    return two_layer_net(4, 5, 3, np.random.default_rng(seed))


def regression():
    rng = np.random.default_rng(3)
    return Network([Affine.init(4, 8, rng), Tanh(), Affine.init(8, 1, rng)], IdentityWithLoss())


# ---------------------------------------------------------------- what was silently wrong or lost


def test_a_layer_run_by_hand_after_the_loss_is_found():
    for name in net().layers:
        network = net()
        network.loss(X, T)
        layer = network.layers[name]
        layer.forward(np.zeros((6, 5 if name != "Affine1" else 4)))
        with pytest.raises(RuntimeError, match=f"{type(layer).__name__}.*call loss"):
            network.backward()
        with pytest.raises(RuntimeError, match="call loss"):
            next(network.backward_steps())
    network.loss_layer.forward(X[:, :3], T)
    with pytest.raises(RuntimeError, match="SoftmaxWithLoss"):
        network.loss(X, T), network.loss_layer.forward(X[:, :3], T), network.backward()


@pytest.mark.parametrize("base", [-2.0, 0.0, np.array([1.0, -2.0])])
def test_an_exponent_that_is_a_variable_gets_no_zero_for_a_negative_base(base):
    x, y = Variable(base, "x"), Variable(3.0 if np.ndim(base) == 0 else np.full(2, 3.0), "y")
    with pytest.raises(ValueError, match="positive base"):
        (x**y).backward(np.ones_like(x.value) if np.ndim(base) else 1.0)


def test_a_parameter_that_is_assigned_reaches_its_layer():
    network = net()
    new = np.ones((4, 5))
    network.params["Affine1.W"] = new
    assert network.layers["Affine1"].params["W"] is new
    params = network.params
    params.update({"Affine1.b": np.full(5, 2.0)})
    params |= {"Affine2.b": np.full(3, 3.0)}
    np.testing.assert_array_equal(
        network.predict(X), np.maximum(X @ new + 2.0, 0) @ network.params["Affine2.W"] + 3.0
    )
    with pytest.raises(KeyError, match="Affine3.W.*Affine1.W"):
        network.params["Affine3.W"] = new


def test_an_optimizer_that_assigns_new_arrays_trains():
    class Assigning:
        def update(self, params, grads):
            for key in params:
                params[key] = params[key] - 0.5 * grads[key]

    losses = [r.loss for r in train(net(), (X, T), optimizer=Assigning(), epochs=50, rng=np.random.default_rng(0))]  # fmt: skip
    assert losses[-1] < 0.5 * losses[0]


class Foreign:
    """An affine layer as the best-known book writes it: with attributes."""

    def __init__(self, W, b):
        self.W, self.b = W, b

    def forward(self, x):
        self.x = x
        return x @ self.W + self.b

    def backward(self, dout):
        self.dW, self.db = self.x.T @ dout, dout.sum(axis=0)
        return dout @ self.W.T


def test_parameters_that_nothing_would_move_are_named_before_training():
    network = Network({"a": Foreign(np.ones((4, 3)), np.zeros(3))}, SoftmaxWithLoss())
    with pytest.raises(ValueError, match="'a' keeps W, b as attributes.*self.params"):
        next(train(network, (X, T), rng=np.random.default_rng(0)))
    network.layers["a"].params = {}  # said in so many words: they are not to learn
    assert next(train(network, (X, T), rng=np.random.default_rng(0))).step == 1


@pytest.mark.parametrize("share", [lambda W: W, lambda W: W.T, lambda W: W[:], lambda W: W[::-1]])
def test_memory_that_two_layers_share_is_refused_however_it_is_seen(share):
    W = np.ones((4, 4))
    with pytest.raises(ValueError, match="a.W and b.W are one array"):
        Network({"a": Affine(W), "b": Affine(share(W))}, SoftmaxWithLoss())


def test_views_of_one_array_that_do_not_overlap_are_fine():
    both = np.ones((4, 8))
    network = Network({"a": Affine(both[:, :4]), "b": Affine(both[:, 4:])}, SoftmaxWithLoss())
    assert gradient_check(network, X, T + 1).ok


@pytest.mark.parametrize("function", [np.dot, np.matmul, np.add, np.outer])
def test_functions_of_numpy_do_not_make_arrays_of_variables(function):
    with pytest.raises(TypeError):
        function(X, Variable(X.T))
    with pytest.raises(TypeError, match="numpy.dot does not know variables.*x @ y"):
        np.dot(X, Variable(X.T))


# ---------------------------------------------------------------- what was refused, and is right


def test_a_constant_array_as_exponent_takes_any_base():
    x = Variable(np.array([-3.0, 0.0, 2.0]))
    y = x ** np.array([2.0, 2.0, 3.0])
    y.backward(np.ones(3))
    assert y.value.tolist() == [9.0, 0.0, 8.0] and x.grad.tolist() == [-6.0, 0.0, 12.0]
    stretched = Variable(-2.0) ** np.array([[1.0], [2.0]])
    assert stretched.value.tolist() == [[-2.0], [4.0]]
    leaf = stretched.inputs[0]
    stretched.backward(np.ones((2, 1)))
    assert leaf.grad == 1.0 - 4.0


def test_targets_made_in_float32_are_good_enough():
    a = np.random.default_rng(5).normal(size=(50, 30))
    made = softmax(a.astype(np.float32))
    for t in (made, made.astype(float)):
        assert SoftmaxWithLoss().forward(a, t) == cross_entropy(a, t) > 0
    with pytest.raises(ValueError, match="off by 1e-06|off by 1.0*e-06|off by 9.99") as refused:
        cross_entropy(a, softmax(a) * (1 + 1e-6))
    assert len(str(refused.value)) < 200  # not the whole array


@pytest.mark.parametrize(
    ("t", "kind", "says"),
    [
        (T[:, np.newaxis], ValueError, r"shape \(6,\), got \(6, 1\): t.ravel"),
        (T.astype(float), TypeError, r"integers of shape \(6,\), got float64: t.astype"),
    ],
)
def test_labels_in_another_form_are_told_what_would_do(t, kind, says):
    for use in (net().loss, net().accuracy):
        with pytest.raises(kind, match=says):
            use(X, t)


def test_a_number_times_a_matrix_is_told_its_operator():
    with pytest.raises(ValueError, match=r"a number times an array is written with \*"):
        2.0 @ Variable(X)


def test_a_layer_used_twice_is_told_why_not():
    relu = ReLU()
    with pytest.raises(ValueError, match="remembers one input .a ReLU its mask.*for each place"):
        Network([relu, relu], SoftmaxWithLoss())


def test_layers_take_batches_of_batches():
    x = np.random.default_rng(0).normal(size=(2, 3, 4))
    network = net()
    np.testing.assert_allclose(network.predict(x)[1], network.predict(x[1]), rtol=1e-12)
    for layer in (Affine(np.ones((4, 2))), Affine(np.ones((4, 2)), np.ones(2)), ReLU()):
        assert gradient_check(layer, x).ok


# ---------------------------------------------------------------- what users of the peers reach for


def test_regression_trains_and_its_metric_is_the_loss():
    t = X[:, :1] ** 2
    network = regression()
    *_, last = train(network, (X, t), optimizer=SGD(0.1), epochs=200, rng=np.random.default_rng(0))
    assert last.accuracy is None and last.metric == network.loss(X, t) < 0.05


def test_a_metric_may_be_given():
    def worst(network, x, t):
        return np.abs(network.predict(x) - t).max()

    (record,) = train(regression(), (X, X[:, :1]), metric=worst, rng=np.random.default_rng(0))
    assert record.accuracy is None and type(record.metric) is float


def test_one_hot_targets_still_get_their_accuracy():
    (record,) = train(net(), (X, np.eye(3)[T]), rng=np.random.default_rng(0))
    assert record.metric == record.accuracy is not None


def test_a_column_of_ones_and_zeros_is_no_one_hot_row():
    t = np.array([0.0, 0.0, 1.0, 0.0])
    assert are_classes(t[np.newaxis]) and not are_classes(t)
    assert not are_classes([[0.0, 1.0], [0.0, 0.0]])  # nor is a row of zeros
    for other in ([[0.5, 0.5]], [[-1.0, 1.0, 1.0]], [[2, 0], [0, 1]], [np.eye(2)], [[[1]]]):
        assert not are_classes(other)


def test_momentum_and_adam_are_their_formulas():
    gradients = np.random.default_rng(0).normal(size=(4, 3))
    w, v = np.ones(3), np.zeros(3)
    params, momentum = {"w": np.ones(3)}, Momentum(0.1, momentum=0.8)
    for g in gradients:
        momentum.update(params, {"w": g})
        v = 0.8 * v - 0.1 * g
        w = w + v
    np.testing.assert_allclose(params["w"], w, rtol=1e-14)
    w, m, s = np.ones(3), np.zeros(3), np.zeros(3)
    params, adam = {"w": np.ones(3)}, Adam(0.1, beta1=0.8, beta2=0.9)
    for k, g in enumerate(gradients, 1):
        adam.update(params, {"w": g})
        m, s = 0.8 * m + 0.2 * g, 0.9 * s + 0.1 * g**2
        w = w - 0.1 * (m / (1 - 0.8**k)) / (np.sqrt(s / (1 - 0.9**k)) + 1e-8)
    np.testing.assert_allclose(params["w"], w, rtol=1e-14)


@pytest.mark.parametrize(
    ("called", "defaults"),
    [
        (Momentum, {"momentum": 0.9}),
        (Adam, {"lr": 0.001, "beta1": 0.9, "beta2": 0.999}),  # algorithm 1 of the paper
        (numerical_gradient, {"h": 1e-5}),
    ],
)
def test_what_is_not_said_is_what_the_sources_say(called, defaults):
    parameters = signature(called).parameters.values()
    assert {one.name: one.default for one in parameters if one.default is not one.empty} == defaults


@pytest.mark.parametrize("optimizer", [Momentum(0.1), Adam(0.05), Adam()])
def test_they_train(optimizer):
    losses = [r.loss for r in train(net(), (X, T), optimizer=optimizer, epochs=60, rng=np.random.default_rng(0))]  # fmt: skip
    assert losses[-1] < losses[0] and repr(optimizer).startswith(type(optimizer).__name__)


@pytest.mark.parametrize(
    "wrong", [lambda: Momentum(0.1, 1.0), lambda: Adam(beta1=-0.1), lambda: Adam(0)]
)
def test_their_numbers_are_looked_at(wrong):
    with pytest.raises(ValueError, match="Momentum|Adam"):
        wrong()


def test_variables_have_the_methods_of_their_functions():
    x = Variable(np.array([[0.5, -1.0], [2.0, 3.0]]), "x")
    assert x.shape == (2, 2) and Variable(2.0).shape == ()
    out = (x.relu() + 1.0).log().sum() + x.exp().sum(axis=0).tanh().sum() + x.sigmoid().sum()
    out.backward()

    def by_hand(x):
        tanh = np.tanh(np.exp(x).sum(axis=0)).sum()
        return np.log(np.maximum(x, 0) + 1).sum() + tanh + (1 / (1 + np.exp(-x))).sum()

    np.testing.assert_allclose(x.grad, numerical_gradient(by_hand, x.value), atol=1e-8)
    x.label = "whatever a reader wants to remember"
    assert x.label


class Unit(Variable):
    """A reader's own variable."""


def test_a_subclass_of_variable_survives_operators():
    x = Unit(3.0, "x")
    for y in (x + 1, 1 + x, x * x, -x, x**2, 2.0**x, 1 / x, x.exp(), x.relu(), x.sigmoid()):
        assert type(y) is Unit, y
    assert type(maximum(1.0, x)) is Unit or type(maximum(x, 1.0)) is Unit
    assert type(Variable(1.0) + 1.0) is Variable
    assert type(apply(Multiply(), x, Variable(1.0))) is Unit  # the first one's
    assert type(apply(Multiply(), Variable(1.0), x)) is Variable


def test_parameters_are_saved_and_come_back(tmp_path):
    saved, other = net(), net(seed=9)
    saved.save(tmp_path / "net.npz")
    arrays = dict(other.params)
    other.load(tmp_path / "net.npz")
    for key, array in saved.params.items():
        np.testing.assert_array_equal(other.params[key], array)
        assert other.params[key] is arrays[key]  # in place: an optimizer goes on
    wrong = two_layer_net(4, 6, 3, np.random.default_rng(0))
    before = wrong.params["Affine2.b"].copy()
    with pytest.raises(ValueError, match=r"\(4, 5\).*\(4, 6\)"):
        wrong.load(tmp_path / "net.npz")
    np.testing.assert_array_equal(wrong.params["Affine2.b"], before)


def test_networks_and_layers_say_their_sizes():
    assert repr(Affine(np.ones((4, 3)), np.ones(3))) == "Affine(W (4, 3), b (3,))"
    assert repr(ReLU()) == "ReLU()"
    assert repr(net()) == (
        "Network\n  Affine1: Affine(W (4, 5), b (5,))\n  ReLU1: ReLU()\n"
        "  Affine2: Affine(W (5, 3), b (3,))\n  loss: SoftmaxWithLoss()"
    )


def test_flatten_turns_images_into_rows_and_back():
    images = np.random.default_rng(0).normal(size=(5, 2, 2))
    layer = Flatten()
    np.testing.assert_array_equal(layer.forward(images), images.reshape(5, 4))
    assert gradient_check(layer, images).ok
    leaf = Variable(images, "x")
    written_out = layer.expand(leaf)
    dout = np.random.default_rng(1).normal(size=(5, 4))
    written_out.backward(dout)
    np.testing.assert_array_equal(layer.backward(dout), leaf.grad)
    assert gradient_check(Reshape(4, 5), images).ok
    network = Network([Flatten(), *net().layers.values()], SoftmaxWithLoss())
    assert gradient_check(network, images, T[:5]).ok


def test_a_node_with_slots_can_be_applied_as_well():
    class Slim:
        __slots__ = ()
        forward = staticmethod(lambda x: 2 * x)
        backward = staticmethod(lambda dout: (2 * dout,))

    x = Variable(3.0)
    apply(Slim(), x).backward()
    assert x.grad == 2.0
    assert apply(SimpleNamespace(forward=abs, backward=lambda d: (d,)), x).value == 3.0


@pytest.mark.parametrize("name", "nodes graph layers losses network numeric training".split())
def test_behind_each_door_stands_the_formula_under_its_own_name(name):
    """`help` and `inspect.getsource` show what the book shows, not the checks before it."""
    module = import_module(f"chainrule.{name}")
    text = getsource(module)
    owners = [module, *(one for one in vars(module).values() if isclass(one))]
    doors = [
        (known, one)
        for owner in owners
        if owner is module or owner.__module__ == module.__name__
        for known, one in vars(owner).items()
        if isfunction(one) and f"def {known}(" in text and one.__code__.co_filename != "<string>"
    ]
    assert doors
    for known, one in doors:
        assert one.__name__ == known and getsourcefile(unwrap(one)) == module.__file__
