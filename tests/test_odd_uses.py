"""Odd uses that are legal, or look so: each gives the right answer, or is refused in words of ours.

The table in `bad_inputs` and `bad_calls` holds single calls; here are those that take a short story.
"""

import copy
import pickle
from inspect import isclass, signature, unwrap
from itertools import islice
from pathlib import Path
from traceback import walk_tb
from types import SimpleNamespace

import numpy as np
import pytest

from chainrule import guests, layers, losses, more_nodes, nodes, numeric, training
from chainrule import network as networks
from chainrule.gradcheck import diagnose, gradient_check
from chainrule.graph import Variable, apply, exp
from chainrule.network import Network, two_layer_net
from chainrule.numeric import numerical_gradient
from chainrule.trace import trace_network
from chainrule.training import SGD, train

X = np.random.default_rng(0).normal(size=(5, 4))
OTHER = np.random.default_rng(1).normal(size=(5, 4))
T = np.array([0, 1, 2, 1, 0])


def net():
    return two_layer_net(4, 6, 3, np.random.default_rng(2))


def one_affine(name="a", **params):
    network = Network({name: layers.Affine(np.ones((4, 3)), np.zeros(3))}, losses.SoftmaxWithLoss())
    network.layers[name].params.update(params)
    return network


def same(got, wanted):
    return got.keys() == wanted.keys() and all(np.array_equal(got[k], wanted[k]) for k in wanted)


# ---------------------------------------------------------------- walks that are left half way


def test_walks_forward_may_go_side_by_side_and_the_last_one_can_be_gone_back():
    network = net()
    wanted = [dict(network.forward_steps(x, T)) for x in (OTHER, X)]
    gradient = network.gradient(X, T)
    both = list(zip(network.forward_steps(OTHER, T), network.forward_steps(X, T), strict=True))
    for steps, right in zip(zip(*both, strict=True), wanted, strict=True):
        assert same(dict(steps), right)
    assert same(network.backward(), gradient)


def test_a_walk_forward_that_ends_after_another_pass_leaves_nothing_to_go_back_from():
    network = net()
    steps = network.forward_steps(OTHER, T)
    next(steps)
    network.loss(X, T)
    list(steps)
    with pytest.raises(RuntimeError, match="has used a layer since the loss"):
        network.backward()


@pytest.mark.parametrize("done", [1, 2, 3])
def test_a_walk_back_that_another_pass_has_overtaken_says_so(done):
    network = net()
    network.loss(X, T)
    steps = network.backward_steps()
    list(islice(steps, done))
    network.loss(OTHER, T)
    with pytest.raises(RuntimeError, match="call loss"):
        next(steps)


def test_a_walk_back_notices_a_prediction_of_layers_that_have_no_door():
    network = Network({"a": Equal(2.0)}, losses.IdentityWithLoss())
    network.loss(X, OTHER)
    steps = network.backward_steps()
    next(steps)
    network.predict(OTHER)
    with pytest.raises(RuntimeError, match="call loss"):
        next(steps)


def test_a_walk_that_was_asked_for_and_not_begun_changes_nothing():
    network = net()
    wanted = network.gradient(X, T)
    network.forward_steps(OTHER, T)
    assert same(network.backward(), wanted)


def test_an_exception_in_the_middle_of_a_pass_leaves_nothing_to_go_back_from():
    network = net()
    network.loss(X, T)
    network.layers["ReLU1"].forward = lambda x: 1 / 0
    with pytest.raises(ZeroDivisionError):
        network.loss(OTHER, T)
    del network.layers["ReLU1"].forward
    with pytest.raises(RuntimeError, match="goes back from a loss"):
        network.backward()


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda one: pickle.loads(pickle.dumps(one))])
def test_a_copy_of_a_network_is_a_network_of_its_own(copied):
    network = net()
    network.loss(X, T)
    twin = copied(network)
    twin_gradient, gradient = twin.backward(), network.backward()
    assert same(twin_gradient, gradient)
    SGD(1.0).update(twin.params, twin_gradient)
    assert same(network.gradient(X, T), gradient)


def test_training_that_is_looked_in_at_between_updates_goes_on_as_it_would_have():
    looked_at, left_alone = net(), net()
    for network in (looked_at, left_alone):
        for _ in train(network, (X, T), rng=np.random.default_rng(0), updates=5, batch_size=2, progress=False):  # fmt: skip
            if network is looked_at:
                network.gradient(OTHER, T)
    assert same(looked_at.params, left_alone.params)


# ---------------------------------------------------------------- one thing in two places


@pytest.mark.parametrize("node", [nodes.Multiply(), SimpleNamespace(forward=max, backward=max)])
def test_a_node_applied_twice_is_refused(node):
    once = apply(node, Variable(5.0), 2.0)
    with pytest.raises(RuntimeError, match="make a node for each use"):
        apply(node, once, 3.0)


def test_one_array_as_the_parameter_of_two_layers_is_refused():
    b = np.zeros(3)
    pair = {"a": layers.Affine(np.ones((4, 3)), b), "b": layers.Affine(np.ones((3, 3)), b)}
    with pytest.raises(ValueError, match="a.b and b.b are one array"):
        Network(pair, losses.SoftmaxWithLoss())


def test_a_plain_dict_of_layers_stays_live():
    made = {"a": layers.Affine(np.ones((4, 3)), np.zeros(3))}
    network = Network(made, losses.SoftmaxWithLoss())
    made["a"] = layers.Affine(np.zeros((4, 3)), np.ones(3))
    assert np.array_equal(network.predict(X), np.ones((5, 3)))


@pytest.mark.parametrize("name", ["x", "t", "loss", "seed", "a.b", 0, 1, "", None, ("a", 1)])
def test_a_layer_may_be_called_anything(name):
    network = one_affine(name)
    assert set(network.gradient(X, T)) == {f"{name}.W", f"{name}.b"}
    network.params[f"{name}.b"] = np.ones(3)
    assert network.layers[name].params["b"].tolist() == [1, 1, 1]


def test_a_layer_named_like_no_other_can_be_traced():
    assert len(trace_network(one_affine("X"), X, T)) == 5


# ---------------------------------------------------------------- what the caller writes into


@pytest.mark.parametrize("piece", [nodes.Exp(), nodes.Power(3), layers.Sigmoid(), layers.Tanh(), layers.ReLU()])  # fmt: skip
def test_what_forward_returned_may_be_written_into(piece):
    out = piece.forward(np.abs(X))
    wanted = piece.backward(np.ones_like(X))
    out[:] = 7.0
    np.testing.assert_array_equal(piece.backward(np.ones_like(X)), wanted)


def test_the_second_input_of_a_power_keeps_its_gradient_too():
    node, base = nodes.Power(), np.abs(X) + 1
    node.forward(base, OTHER)[:] = 0.0
    np.testing.assert_allclose(
        node.backward(np.ones_like(X))[1], base**OTHER * np.log(base), rtol=1e-14
    )


def test_a_value_in_a_graph_may_be_written_into_before_the_way_back():
    x = Variable(X)
    y = exp(x)
    y.value[:] = 0.0
    y.backward(np.ones_like(X))
    np.testing.assert_array_equal(x.grad, np.exp(X))


def test_a_function_that_writes_into_its_argument_is_nudged_all_the_same():
    def shifted(x):
        x -= x.max()
        return np.sum(np.exp(x))

    def fresh(x):
        return shifted(x.copy())

    x = np.array([0.5, 1.0, 3.0])
    np.testing.assert_array_equal(numerical_gradient(shifted, x), numerical_gradient(fresh, x))


# ---------------------------------------------------------------- nodes of the reader's own


class Double:
    """A node that gives back whatever it is told to."""

    def __init__(self, gradients):
        self.gradients = gradients

    def forward(self, x):
        return 2 * x

    def backward(self, dout):
        return self.gradients


class Inherits(nodes.Multiply):
    """A node that inherits, and forgets one of its gradients."""

    def backward(self, dout):
        return (dout,)


WRONG = {
    "no tuple": (np.full((1, 3), 2.0), TypeError, "tuple, got ndarray"),
    "a number": (2.0, TypeError, "tuple, got float"),
    "nothing": (None, TypeError, "tuple, got None"),
    "two of them": ((np.ones((1, 3)),) * 2, ValueError, "2 gradients for 1 inputs"),
    "another shape": ((np.ones(3),), ValueError, r"\(3,\) for \(1, 3\)"),
    "a shorter shape": ((np.ones(1),), ValueError, r"\(1,\) for \(1, 3\)"),
    "text": (("abc",), TypeError, "real numbers, got str"),
}


@pytest.mark.parametrize("given", WRONG)
def test_a_node_of_ones_own_that_gives_back_nonsense_is_named(given):
    gradients, kind, words = WRONG[given]
    y = apply(Double(gradients), Variable(np.ones((1, 3))))
    with pytest.raises(kind, match=f"Double.*{words}"):
        y.backward(np.ones((1, 3)))


def test_a_node_that_inherits_from_ours_is_looked_at_as_well():
    with pytest.raises(ValueError, match="1 gradients for 2 inputs"):
        apply(Inherits(), 2.0, 3.0).backward()


@pytest.mark.parametrize("given", [(1.0,), (1.0, 1.0, 1.0)])
def test_a_node_on_the_door_that_stands_alone_is_told_how_many_gradients_it_gave(given):
    class Pair(nodes.Node):
        def forward(self, x, y):
            return x + y

        def backward(self, dout):
            return given

    node = Pair()
    node.forward(np.ones(2), np.ones(2))
    with pytest.raises(ValueError, match=f"Pair.*gave {len(given)} gradients for 2 inputs"):
        node.backward(np.ones(2))


def test_a_gradient_has_the_type_of_its_input_whatever_a_node_hands_back():
    class Coarse(nodes.Node):
        def forward(self, x):
            return x * 1.0

        def backward(self, dout):
            return (np.ones(2, np.float32 if dout.dtype == np.float64 else np.float64),)

    for dtype in (np.float32, np.float64):
        node = Coarse()
        assert node.backward(node.forward(np.ones(2, dtype)))[0].dtype == dtype


def test_a_list_of_gradients_is_as_good_as_a_tuple():
    x = Variable(3.0)
    apply(Double([2.0]), x).backward()
    assert x.grad == 2.0


# ---------------------------------------------------------------- odd numbers


@pytest.mark.parametrize("two", [np.int64(2), np.float32(2), np.float64(2), np.uint8(2)])
def test_a_number_of_numpy_is_a_fixed_exponent_as_well(two):
    x = Variable(np.array([-3.0, 0.0, 2.0]))
    y = x**two
    y.backward(np.ones(3))
    np.testing.assert_array_equal(y.value, [9.0, 0.0, 4.0])
    np.testing.assert_array_equal(x.grad, [-6.0, 0.0, 4.0])
    assert nodes.Power(two).exponent == 2.0 and type(nodes.Power(two).exponent) is float


def test_many_classes_need_no_table_of_their_square():
    a = np.zeros((2, 200_000), np.float32)  # as one-hot by np.eye it would be 160 gigabytes
    assert losses.SoftmaxWithLoss().forward(a, [3, 199_999]) == pytest.approx(np.log(200_000))


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_a_loss_is_infinite_only_where_its_number_is(dtype):
    big = np.full((3, 2), 0.9 * np.finfo(dtype).max, dtype)
    exact = np.sum(big.astype(float) ** 2)
    assert losses.sum_squared_error(big, -big) == pytest.approx(2 * exact)
    assert losses.IdentityWithLoss().forward(big, 0 * big) == pytest.approx(exact / 6)
    many = np.zeros((100_000, 2), dtype)
    many[:, 0] = 40.0
    assert losses.SoftmaxWithLoss().forward(many, np.ones(100_000, int)) == pytest.approx(40.0)


# ---------------------------------------------------------------- parameters that are none


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (np.ones((4, 3), int), "array of int64"),
        (np.ones((4, 3), bool), "array of bool"),
        (np.ones((4, 3), complex), "array of complex128"),
        (np.ones((4, 3)).tolist(), "got list"),
        (np.full((4, 3), 1e12), "lost in 1"),
    ],
)
def test_parameters_that_cannot_be_nudged_are_named(wrong, says):
    network = one_affine(W=wrong)
    with pytest.raises((TypeError, ValueError), match=f"a.W.*{says}"):
        network.numerical_gradient(X, T)


def test_a_parameter_that_cannot_be_written_to_is_refused_by_numpy():
    network = one_affine(W=np.broadcast_to(1.0, (4, 3)))
    with pytest.raises(ValueError, match="read-only"):
        network.numerical_gradient(X, T)


@pytest.mark.parametrize("params", [{}, {"b": np.ones(3)}, None, [1]])
def test_an_affine_without_its_parameters_says_what_it_lacks(params):
    layer = layers.Affine(np.ones((4, 3)), np.zeros(3))
    layer.params = params
    with pytest.raises(ValueError, match='Affine wants params "W" and "b"'):
        layer.forward(X)


def test_params_that_are_no_dict_are_refused_with_the_name_of_the_layer():
    layer = layers.ReLU()
    layer.params = [1, 2]
    with pytest.raises(TypeError, match=r"'one' wants a dict of params, got \[1, 2\]"):
        Network({"one": layer}, losses.SoftmaxWithLoss())


def test_a_loss_without_targets_is_refused():
    with pytest.raises(TypeError, match="wants the targets t"):
        net().loss(X, None)


# ---------------------------------------------------------------- the gradient check and training


class Scale:
    """x times a parameter that is called like an input, its dx right or wrong."""

    def __init__(self, error=0.0):
        self.params, self.grads, self.error = {"x": np.ones(4)}, {"x": None}, error

    def forward(self, x):
        self.x = x
        return x * self.params["x"]

    def backward(self, dout):
        self.grads["x"] = (dout * self.x).sum(axis=0)
        return dout * self.params["x"] + self.error


def test_a_parameter_with_the_name_of_an_input_hides_no_wrong_gradient():
    assert gradient_check(Scale(), X).ok
    report = gradient_check(Scale(1.0), X)
    assert [(row.name, row.ok) for row in report.rows] == [("input x", False), ("x", True)]


@pytest.mark.parametrize("check", [gradient_check, diagnose])
def test_a_step_so_small_that_everything_would_pass_is_refused(check):
    for h in (1e-300, 1e-15):
        with pytest.raises(ValueError, match=f"{check.__name__}: .* rounding would hide"):
            check(Scale(1.0), X, h=h)
    with pytest.raises(ValueError, match=f"{check.__name__}.* is lost in 1"):
        check(Scale(1.0), np.full((2, 4), 1e12))


def test_a_backward_that_raises_fails_the_first_input_by_name():
    class Broken(nodes.Multiply):
        def backward(self, dout):
            raise ZeroDivisionError("no")

    (row,) = gradient_check(Broken(), (X, X[:1])).rows
    assert row.name == "x" and row.shape == X.shape and "ZeroDivisionError" in row.problem


@pytest.mark.parametrize("x", [1.0, -1.0])
def test_a_step_that_is_lost_in_one_direction_alone_is_refused_and_where_is_said(x):
    """Below a power of two numbers lie twice as close as above it."""
    assert x + 1e-16 == x or x - 1e-16 == x
    with pytest.raises(ValueError, match=f"numerical_gradient: .* is lost in {x} "):
        numerical_gradient(np.sum, [np.inf, 1e-9, x, 4.0], 1e-16)


@pytest.mark.parametrize("kind", [float, np.float64, np.longdouble])
def test_a_step_that_float32_loses_is_refused_whatever_number_carries_it(kind):
    with pytest.raises(ValueError, match="numerical_gradient: .* is lost in 1.0 .float32"):
        numerical_gradient(np.sum, np.ones(3, np.float32), kind(1e-9))


def test_a_gradient_that_rounding_drowns_passes_and_says_what_that_is_worth():
    report = gradient_check(Scale(3.0), 1e10 * X)
    assert report.ok and "ok, too small to tell from rounding" in repr(report)
    assert "too small" not in repr(gradient_check(Scale(), X))
    nothing = SimpleNamespace(forward=lambda x: 0.0 * x, backward=lambda dout: 0.0 * dout)
    assert "too small" not in repr(gradient_check(nothing, X))  # both are 0 exactly


@pytest.mark.parametrize(
    ("target", "x", "t", "says"),
    [
        (layers.ReLU(), X, T, r"ReLU.forward takes \(x\), got 2"),
        (layers.ReLU(), (X, X), None, r"ReLU.forward takes \(x\), got 2"),
        (nodes.Add(), [X, X], None, r"Add.forward takes \(x, y\), got 1.*tuple"),
        (losses.SoftmaxWithLoss(), X, None, r"SoftmaxWithLoss.forward takes \(a, t\), got 1"),
    ],
)
def test_too_many_or_too_few_inputs_are_told_in_words(target, x, t, says):
    with pytest.raises(TypeError, match=f"gradient_check: {says}"):
        gradient_check(target, x, t)


@pytest.mark.parametrize("returned", ["text", 1j, None])
def test_a_layer_that_returns_no_numbers_is_named(returned):
    layer = layers.ReLU()
    layer.forward = lambda x: returned
    with pytest.raises(TypeError, match="what ReLU returns wants real numbers"):
        gradient_check(layer, X)


def test_a_forward_written_in_c_has_no_signature_and_is_checked_all_the_same():
    assert gradient_check(SimpleNamespace(forward=np.negative, backward=np.negative), X).ok


HELD_OUT = {
    "nothing": None,
    "inputs alone": X,
    "other columns": (X[:, :2], T),
    "fewer labels": (X, T[:2]),
    "no samples": (X[:0], T[:0]),
    "numbers": (1.0, 2),
}


@pytest.mark.parametrize("given", HELD_OUT)
def test_held_out_data_that_do_not_fit_are_refused_before_the_first_update(given):
    network = net()
    before = copy.deepcopy(network.params)
    with pytest.raises(ValueError, match="^data: .*held-out"):
        list(train(network, ((X, T), HELD_OUT[given]), rng=np.random.default_rng(0), progress=False))  # fmt: skip
    assert same(network.params, before)


@pytest.mark.parametrize("params", [None, [1], {"b": np.ones(3)}])
def test_parameters_taken_away_between_two_calls_are_missed(params):
    layer = layers.Affine(np.ones((4, 3)), np.zeros(3))
    layer.forward(X)
    layer.params = params
    with pytest.raises(ValueError, match='Affine wants params "W" and "b"'):
        layer.forward(X)


def test_layers_of_the_package_that_have_no_door_make_a_network_too():
    class Plain:
        forward = staticmethod(np.tanh)

        def backward(self, dout):
            return dout

    Plain.__module__ = "chainrule.somewhere"
    network = Network({"a": Plain()}, losses.SoftmaxWithLoss())
    assert network.gradient(X, T) == {}


# ---------------------------------------------------------------- subclasses, and what is replaced


class Leaky(layers.ReLU):
    """Inherits, and writes forward anew: nothing at the door has seen what went in."""

    def forward(self, x):
        self.mask = np.where(x > 0, 1.0, 0.1)
        return x * self.mask


class TwoTo(nodes.Exp):
    def forward(self, x):
        self.y = 2.0**x
        return self.y

    def backward(self, dout):
        return (dout * self.y * np.log(2.0),)


class Smoothed(losses.SoftmaxWithLoss):
    def forward(self, a, t):
        self.y = losses.softmax(a)
        self.t = 0.9 * np.eye(a.shape[1])[t] + 0.1 / a.shape[1]
        return float(-np.sum(self.t * np.log(self.y)) / len(a))


def test_a_subclass_that_writes_forward_anew_minds_itself():
    assert gradient_check(Leaky(), X).ok
    assert gradient_check(TwoTo(), X).ok
    assert gradient_check(Smoothed(), X, np.array([0, 1, 2, 3, 0])).ok


def test_a_piece_without_a_backward_yet_can_be_written():
    for base in (layers.Layer, nodes.Node, losses.Loss):

        class Begun(base):
            def forward(self, *inputs):
                return inputs[0]

        assert Begun().forward(X) is X


def test_a_node_may_take_any_number_of_inputs():
    class Mean(nodes.Node):
        def forward(self, *inputs):
            self.count = len(inputs)
            return sum(inputs) / self.count

        def backward(self, dout):
            return (dout / self.count,) * self.count

    a, b, c = Variable(1.0), Variable(2.0), Variable(X)
    assert apply(Mean(), a, b).value == 1.5
    out = apply(Mean(), a, b, c)
    out.backward(np.ones_like(X))
    assert a.grad == b.grad == pytest.approx(X.size / 3) and np.allclose(c.grad, 1 / 3)


def test_an_input_that_gets_no_gradient_has_one_of_zeros_in_its_shape():
    class Gate:
        def forward(self, x, y):
            self.y = y
            return x * y

        def backward(self, dout):
            return dout * self.y, None

    x = Variable(X)
    made = x * 2.0
    apply(Gate(), x, made).backward(np.ones_like(X))
    np.testing.assert_array_equal(x.grad, 2 * X)
    np.testing.assert_array_equal(made.grad, np.zeros_like(X))


def test_a_value_set_to_an_integer_is_a_number_like_others():
    x = Variable(2.0)
    y = x * x
    x.value = y.value = 5
    y.backward(1)
    assert x.grad == 4.0


class Equal:
    """A layer that compares by its numbers, as a dataclass does."""

    def __init__(self, factor):
        self.factor = np.full(4, float(factor))

    def __eq__(self, other):
        return self.factor == other.factor  # an array: no truth in it

    __hash__ = None

    def forward(self, x):
        self.x = x
        return x * self.factor

    def backward(self, dout):
        return dout * self.factor


def test_layers_are_told_apart_as_objects_even_where_they_are_equal():
    network = Network({"a": Equal(2.0)}, losses.IdentityWithLoss())
    network.loss(X, OTHER)
    network.layers["a"] = Equal(2.0)
    with pytest.raises(RuntimeError, match="goes back from a loss"):
        network.backward()
    network.gradient(X, OTHER)


def test_nobody_goes_back_from_a_nudged_pass():
    network = net()
    network.numerical_gradient(X, T, h=1e-2)
    with pytest.raises(RuntimeError, match="goes back from a loss"):
        network.backward()


def test_parameters_that_are_assigned_are_looked_at():
    network = two_layer_net(4, 4, 4, np.random.default_rng(0))
    with pytest.raises(ValueError, match="are one array"):
        network.params["Affine2.W"] = network.params["Affine1.W"].T
    with pytest.raises(TypeError, match="Affine2.W.*real numbers"):
        network.params["Affine2.W"] = "x"
    assert network.gradient(X, T).keys() == network.params.keys()


def test_a_pass_in_another_thread_leaves_this_one_as_quiet_as_it_was():
    import threading

    def train_a_little():
        for _ in range(200):
            net().gradient(X, T)

    threads = [threading.Thread(target=train_a_little) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    layers.Affine(np.full((4, 3), 1e308)).forward(X)  # overflows, and warns nobody
    numerical_gradient(np.sum, np.array([1e308]), h=1.5e308)


def test_a_layer_of_ones_own_hears_what_numpy_says_of_it():
    class Loud(Scale):
        def forward(self, x):
            np.exp(np.full(1, 1e9))
            return super().forward(x)

    network = Network([Loud(1.0)], losses.IdentityWithLoss())
    with pytest.warns(RuntimeWarning, match="overflow"):
        network.loss(X, X)


def test_a_file_is_found_with_or_without_its_ending(tmp_path):
    saved = net()
    saved.save(tmp_path / "model")
    saved.load(tmp_path / "model")
    saved.load(tmp_path / "model.npz")


@pytest.mark.parametrize("path", [3, None, [1, 2], len, layers.ReLU, X])
def test_what_is_no_name_of_a_file_is_refused_by_python(path):
    with pytest.raises(TypeError, match="os.PathLike"):
        net().save(path)


# ---------------------------------------------------------------- what a traceback shows


def stale(network):
    network.loss(X, T)
    network.layers["ReLU1"].forward(X)
    return network.backward()


REFUSED = {
    "floats of one input": lambda: nodes.Log().forward(-1.0),
    "floats of two inputs": lambda: nodes.Divide().forward(1.0, 0.0),
    "arrays": lambda: nodes.MatMul().forward(X, X),
    "a node too early": lambda: nodes.Add().backward(1.0),
    "a layer": lambda: layers.ReLU().forward("x"),
    "a layer too early": lambda: layers.ReLU().backward(X),
    "a layer with a look of its own": lambda: guests.Flatten().forward(1.0),
    "a start": lambda: layers.Affine.init(0, 3, np.random.default_rng(0)),
    "a loss": lambda: losses.SoftmaxWithLoss().forward(X, T[:2]),
    "a loss too early": lambda: losses.SoftmaxWithLoss().backward(),
    "softmax": lambda: losses.softmax("x"),
    "a loss of any shape": lambda: losses.sum_squared_error(X, T),
    "a pass": lambda: net().gradient(X, None),
    "a way back": lambda: stale(net()),
    "a nudge": lambda: net().numerical_gradient(X, T, 0),
    "a nudge of a function": lambda: numerical_gradient(np.sum, X, 0),
    "an update": lambda: SGD(0.1).update({"W": X}, {}),
    "a network": lambda: two_layer_net(4, 6, 3, np.random.default_rng(2), "softplus"),
}


@pytest.mark.parametrize("call", REFUSED.values(), ids=REFUSED)
def test_a_traceback_hides_the_doors_between_a_call_and_what_refuses_it(call):
    """A door is a function around a method: it has the method in its closure."""
    with pytest.raises((ValueError, TypeError, RuntimeError)) as refused:
        call()
    frames = [frame for frame, _ in walk_tb(refused.tb)]
    ours = [one for one in frames if Path(one.f_code.co_filename).parent.name == "guards"]
    doors = [one for one in ours if one.f_code.co_freevars or one.f_code.co_name == "say_so"]
    assert doors and all(door.f_locals.get("__tracebackhide__") for door in doors)


def doors():
    """Whatever of ours is a function of the guards around another one."""
    for module in (nodes, more_nodes, layers, losses, networks, numeric, training, guests):
        for name, thing in vars(module).items():
            for key, one in vars(thing).items() if isclass(thing) else [(name, thing)]:
                one = getattr(one, "__func__", one)
                code = getattr(one, "__code__", None)
                if code and code.co_freevars and Path(code.co_filename).parent.name == "guards":
                    yield one


def test_what_stands_behind_a_door_keeps_its_name():
    """So that help, a traceback and the pane with the code name the method, and not the door."""
    names = [door.__qualname__ for door in doors()]
    assert len(names) > 80 and [name for name in names if "<locals>" in name] == []


def test_a_door_has_the_defaults_of_what_stands_behind_it():
    """A call gets those of the door, and whoever reads the method sees the others."""
    pairs = [(defaults(door), defaults(unwrap(door))) for door in doors()]
    assert len([here for here, _ in pairs if here]) == 8
    assert [pair for pair in pairs if not pair[0].items() <= pair[1].items()] == []


def defaults(function):
    parameters = signature(function, follow_wrapped=False).parameters.values()
    return {one.name: one.default for one in parameters if one.default is not one.empty}
