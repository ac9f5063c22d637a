"""Layers that behave differently while they learn and while they predict: who tells them, and what stays still."""

import copy

import numpy as np
import pytest

from chainrule.gradcheck import diagnose, gradient_check
from chainrule.graph import Variable, as_variable
from chainrule.layers import Affine, ReLU
from chainrule.losses import IdentityWithLoss, SoftmaxWithLoss
from chainrule.network import Network
from chainrule.trace import trace_network
from chainrule.training import SGD, train, validation_loss
from chainrule.widgets.replay import record_training

X = np.random.default_rng(0).normal(size=(6, 4))
T = np.array([0, 1, 2, 1, 0, 2])


class Noisy:
    """Drops entries while learning, counts its runs, and keeps a running mean; anyone might write it so."""

    def __init__(self, seed=0, training=True):
        self.rng, self.training = np.random.default_rng(seed), training
        self.runs, self.mean, self.modes = 0, np.zeros(5), []

    def forward(self, x):
        self.modes.append(self.training)
        self.mask = np.ones_like(x)
        if self.training:
            self.mask = (self.rng.random(x.shape) < 0.5) * 2.0
            self.mean *= 0.9  # in place
            self.mean += 0.1 * x.mean(axis=0)
            self.runs += 1
        return x * self.mask

    def backward(self, dout):
        return dout * self.mask

    def expand(self, x):
        return as_variable(x) * self.mask


def net(loss=SoftmaxWithLoss, **options):
    rng = np.random.default_rng(1)
    layers = [Affine.init(4, 5, rng), ReLU(), Noisy(**options), Affine.init(5, 3, rng)]
    return Network(layers, loss())


def state(network):
    layer = network.layers["Noisy1"]
    return repr(
        (layer.rng.bit_generator.state, layer.mean.tolist(), layer.runs, layer.training)
    ) + repr({key: array.tolist() for key, array in network.params.items()})


def modes(network):
    found, network.layers["Noisy1"].modes = network.layers["Noisy1"].modes, []
    return found


def test_a_pass_with_targets_is_for_learning_and_one_without_is_for_predicting():
    network = net()
    network.gradient(X, T)
    list(network.forward_steps(X, T))
    assert modes(network) == [True, True]
    network.predict(X)
    network.accuracy(X, T)
    list(network.forward_steps(X))
    assert modes(network) == [False] * 3
    assert network.layers["Noisy1"].training is True


@pytest.mark.parametrize(
    "look",
    [
        lambda network: network.predict(X),
        lambda network: network.accuracy(X, T),
        lambda network: validation_loss(network, X, T),
        lambda network: network.numerical_gradient(X, T),
        lambda network: gradient_check(network, X, T),
        lambda network: gradient_check(network.layers["Noisy1"], X[:, :1] * np.ones(5)),
        lambda network: diagnose(network, X, T),
        lambda network: trace_network(network, X, T),
    ],
)
def test_to_look_at_a_network_moves_nothing(look):
    network = net()
    network.loss(X, T)  # some way into its training
    before = state(network)
    first = look(network)
    assert state(network) == before
    assert repr(look(network)) == repr(first)
    twin = net()
    twin.loss(X, T)
    assert network.loss(X, T) == twin.loss(X, T)


def test_a_loss_draws_anew_each_time():
    network = net()
    assert network.loss(X, T) != network.loss(X, T)


def test_the_numerical_gradient_meets_one_mask_and_agrees_with_backward():
    network = net()
    twin = copy.deepcopy(network)
    numeric, exact = network.numerical_gradient(X, T), twin.gradient(X, T)
    for key, gradient in exact.items():
        np.testing.assert_allclose(gradient, numeric[key], atol=1e-9)
    assert gradient_check(network, X, T).ok
    assert diagnose(network, X, T) == []


class Scaled:
    """A layer with a mode and a parameter, which is an attribute too."""

    training = True

    def __init__(self):
        self.W = np.arange(1.0, 5.0)
        self.params, self.grads = {"W": self.W}, {}

    def forward(self, x):
        self.x = x
        return x * self.W

    def backward(self, dout):
        self.grads["W"] = (dout * self.x).sum(axis=0)
        return dout * self.W


def test_a_parameter_of_a_layer_with_a_mode_is_nudged_and_not_held_still():
    network = Network([Scaled(), Affine.init(4, 3, np.random.default_rng(1))], SoftmaxWithLoss())
    numeric, exact = network.numerical_gradient(X, T), network.gradient(X, T)
    for key, gradient in exact.items():
        np.testing.assert_allclose(gradient, numeric[key], atol=1e-9)


def test_a_layer_that_predicts_always_may_be_told_so():
    """Whoever freezes a layer by hand has it so with targets as well, and afterwards."""
    network = net(training=False)
    network.loss(X, T)
    network.predict(X)
    assert modes(network) == [False, False]
    assert network.layers["Noisy1"].training is False


def test_a_mistake_on_the_way_puts_the_mode_back():
    network = net()
    with pytest.raises(ValueError):
        network.predict(X[:, :2])
    assert network.layers["Noisy1"].training is True


def test_between_the_steps_of_a_prediction_the_layers_are_as_they_were():
    network = net()
    steps = network.forward_steps(X)
    for _ in range(3):
        next(steps)
        assert network.layers["Noisy1"].training is True
    network.loss(X, T)
    assert modes(network) == [False, True]


def test_a_layer_put_in_later_is_told_too():
    network = net()
    network.layers["Noisy1"] = Noisy(3)
    network.predict(X)
    assert modes(network) == [False]


def test_two_layers_may_draw_from_one_generator():
    rng = np.random.default_rng(5)
    first, second = Noisy(), Noisy()
    first.rng = second.rng = rng
    first.mean, before = np.zeros(4), repr(rng.bit_generator.state)
    layers = [first, Affine.init(4, 5, np.random.default_rng(1)), second]
    network = Network(layers, IdentityWithLoss())
    numeric = network.numerical_gradient(X, np.zeros((6, 5)))
    assert repr(rng.bit_generator.state) == before and first.rng is second.rng is rng
    exact = network.gradient(X, np.zeros((6, 5)))
    for key, gradient in exact.items():
        np.testing.assert_allclose(gradient, numeric[key], atol=1e-9)


def test_the_validation_loss_is_the_loss_without_noise():
    network = net()
    plain = Network(
        {name: layer for name, layer in network.layers.items() if name != "Noisy1"},
        SoftmaxWithLoss(),
    )
    assert validation_loss(network, X, T) == plain.loss(X, T)
    for targets in (np.eye(3)[T], T):
        assert validation_loss(network, X, targets) == plain.loss(X, targets)


def test_a_network_of_ones_own_is_asked_for_its_loss():
    class Mine:
        def loss(self, x, t):
            return 2.0

    class Foretelling(Mine):
        def predict(self, x):
            return x

    assert validation_loss(Mine(), X, T) == validation_loss(Foretelling(), X, T) == 2.0


@pytest.mark.parametrize("loss", [SoftmaxWithLoss, IdentityWithLoss])
def test_training_learns_with_noise_and_measures_without(loss):
    network = net(loss)
    data = (X, T) if loss is SoftmaxWithLoss else (X, np.ones((6, 3)))
    records = list(train(network, data, epochs=3, batch_size=3, rng=np.random.default_rng(0)))
    assert modes(network) == [True, True, False] * 3
    assert network.layers["Noisy1"].runs == 6
    measured = network.accuracy if loss is SoftmaxWithLoss else validation_loss
    wanted = measured(*data) if loss is SoftmaxWithLoss else measured(network, *data)
    assert records[-1].metric == wanted


@pytest.mark.parametrize("loss", [SoftmaxWithLoss, IdentityWithLoss])
def test_a_recorded_run_is_the_run_itself(loss):
    data = (X, T) if loss is SoftmaxWithLoss else (X, np.ones((6, 3)))
    plain, recorded = net(loss), net(loss)
    for network, run in ((plain, train), (recorded, record_training)):
        options = {"optimizer": SGD(0.1), "updates": 6, "batch_size": 3}
        list(run(network, data, rng=np.random.default_rng(0), **options) or [])
    assert state(plain) == state(recorded)


def test_a_trace_shows_the_same_mask_as_layers_and_as_nodes():
    network = net()
    trace = trace_network(network, X, T)
    assert trace.why == "" and trace.nodes is not None
    layer = next(v for v in trace.variables if v.name == "Noisy1")
    node = next(v for v in trace.nodes.variables if v.name == "Noisy1")
    np.testing.assert_array_equal(layer.value, node.value)
    twin = net()
    assert trace.variables[-1].value == twin.loss(X, T)


def test_layers_without_the_attribute_cost_nothing():
    network = Network([Affine.init(4, 3, np.random.default_rng(1))], SoftmaxWithLoss())
    network.predict(X)
    assert list(network.both_ways) == []
    assert Variable([1.0]).T.value.tolist() == [1.0]
