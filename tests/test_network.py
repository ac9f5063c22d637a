"""A network is an ordered list of layers: what it promises, and training it in four steps."""

import os
import signal
import subprocess
import sys
import threading
from collections import OrderedDict
from inspect import isfunction, signature
from itertools import islice

import numpy as np
import pytest

from chainrule import numeric
from chainrule.datasets import load_digits
from chainrule.graph import Variable, topological_order
from chainrule.guards.training import are_classes
from chainrule.guests.dropout import Dropout
from chainrule.layers import Affine, ReLU, Sigmoid, Tanh
from chainrule.losses import IdentityWithLoss, SoftmaxWithLoss
from chainrule.network import Network, two_layer_net
from chainrule.training import SGD, Adam, bar, minibatches, random_batches, train


def net(D=4, H=5, C=3, seed=0, activation="relu"):
    network = two_layer_net(D, H, C, np.random.default_rng(seed), activation)
    for key, array in network.params.items():
        if key.endswith(".b"):
            array[:] = np.random.default_rng(seed + 1).normal(size=array.shape)
    return network


def batch(N=6, D=4, C=3, seed=2):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(N, D)), rng.integers(0, C, N)


def test_the_layers_are_named_and_in_order():
    assert list(net().layers) == ["Affine1", "ReLU1", "Affine2"]
    assert list(net(activation="sigmoid").layers) == ["Affine1", "Sigmoid1", "Affine2"]
    assert list(net().params) == ["Affine1.W", "Affine1.b", "Affine2.W", "Affine2.b"]


def test_steps_go_through_the_list_and_back():
    network, (x, t) = net(), batch()
    assert [n for n, _ in network.forward_steps(x, t)] == ["Affine1", "ReLU1", "Affine2", "loss"]
    names = [n for n, _ in network.backward_steps()]
    assert names == ["seed", "loss", "Affine2", "ReLU1", "Affine1"]


def test_backpropagation_agrees_with_the_numerical_gradient():
    for activation in ("relu", "sigmoid"):
        network, (x, t) = net(activation=activation), batch()
        numeric, analytic = network.numerical_gradient(x, t), network.gradient(x, t)
        assert numeric.keys() == analytic.keys() == network.params.keys()
        for key in numeric:
            np.testing.assert_allclose(analytic[key], numeric[key], atol=1e-9)


@pytest.mark.parametrize("seed", range(20))
def test_a_whole_network_equals_its_own_nodes(seed):
    rng = np.random.default_rng(seed)
    sizes = rng.integers(1, 6, rng.integers(2, 5))
    layers = OrderedDict()
    for k, (D, M) in enumerate(zip(sizes, sizes[1:], strict=False)):
        layers[f"Affine{k}"] = Affine(rng.normal(size=(D, M)), rng.normal(size=M))
        layers[f"Act{k}"] = [ReLU, Sigmoid, Tanh][rng.integers(3)]()
    network = Network(layers, [SoftmaxWithLoss, IdentityWithLoss][seed % 2]())
    x = rng.normal(size=(3, sizes[0]))
    t = np.eye(sizes[-1])[rng.integers(0, sizes[-1], 3)]
    out, leaves = Variable(x), {}
    for name, layer in layers.items():
        out = layer.expand(out)
        for v in topological_order(out):
            if v.name in layer.params and v not in leaves.values():
                leaves[f"{name}.{v.name}"] = v
    out = network.loss_layer.expand(out, t)
    out.backward()
    gradients = network.gradient(x, t)
    assert network.loss(x, t) == pytest.approx(out.value, rel=1e-12)
    for key, gradient in gradients.items():
        difference = np.linalg.norm(gradient - leaves[key].grad)
        assert difference <= 1e-12 * np.linalg.norm(gradient) + 1e-15


def test_params_hold_the_layers_own_arrays():
    network = net()
    assert network.params["Affine1.W"] is network.layers["Affine1"].params["W"]


def test_a_layer_that_is_replaced_is_honoured():
    network, (x, _) = net(), batch()
    before = network.predict(x)
    network.layers["ReLU1"] = Sigmoid()
    assert not np.allclose(network.predict(x), before)


def test_an_ordered_dict_stays_live_and_a_plain_dict_will_do():
    layers = OrderedDict(one=ReLU())
    assert Network(layers, SoftmaxWithLoss()).layers is layers
    assert list(Network({"one": ReLU()}, SoftmaxWithLoss()).layers) == ["one"]


def test_one_layer_object_twice_is_refused_when_made_and_later():
    relu = ReLU()
    with pytest.raises(ValueError, match="twice"):
        Network({"a": relu, "b": relu}, SoftmaxWithLoss())
    network = Network({"a": relu, "b": ReLU()}, SoftmaxWithLoss())
    network.layers["b"] = relu
    with pytest.raises(ValueError, match="twice"):
        network.predict(np.ones((2, 3)))


def test_what_is_no_layer_is_refused():
    with pytest.raises(TypeError, match="'a' has no forward and backward"):
        Network({"a": np.tanh}, SoftmaxWithLoss())
    with pytest.raises(TypeError, match="wants a dict of layers, or a list of them, got ReLU"):
        Network(ReLU(), SoftmaxWithLoss())


def test_a_list_of_layers_gets_their_names():
    rng = np.random.default_rng(0)
    layers = [
        Affine.init(4, 5, rng),
        ReLU(),
        Affine.init(5, 5, rng),
        ReLU(),
        Affine.init(5, 3, rng),
    ]
    network = Network(layers, SoftmaxWithLoss())
    assert list(network.layers) == ["Affine1", "ReLU1", "Affine2", "ReLU2", "Affine3"]
    assert network.gradient(*batch()).keys() == network.params.keys()


def test_nobody_has_to_inherit():
    class Double:
        def forward(self, x):
            return 2 * x

        def backward(self, dout):
            return 2 * dout

    class Scale:
        def __init__(self):
            self.params, self.grads = {"s": np.array([3.0])}, {}

        def forward(self, x):
            self.x = x
            return x * self.params["s"]

        def backward(self, dout):
            self.grads["s"] = np.array([np.sum(dout * self.x)])
            return dout * self.params["s"]

    network = Network(OrderedDict(a=Double(), b=Scale()), SoftmaxWithLoss())
    x, t = np.random.default_rng(0).normal(size=(4, 3)), [0, 1, 2, 0]
    numeric = network.numerical_gradient(x, t)
    np.testing.assert_allclose(network.gradient(x, t)["b.s"], numeric["b.s"], rtol=1e-8)


def test_a_batch_is_the_mean_of_its_samples():
    network, (x, t) = net(), batch()
    whole = {key: g.copy() for key, g in network.gradient(x, t).items()}
    singles = [network.gradient(x[k : k + 1], t[k : k + 1]) for k in range(len(x))]
    for key, gradient in whole.items():
        np.testing.assert_allclose(gradient, np.mean([s[key] for s in singles], axis=0), atol=1e-15)


def test_gradients_once_returned_are_not_overwritten():
    network, (x, t) = net(), batch()
    first = network.gradient(x, t)
    kept = {key: g.copy() for key, g in first.items()}
    network.gradient(-x, t)
    for key in first:
        np.testing.assert_array_equal(first[key], kept[key])


def test_accuracy_counts_the_right_ones_for_indices_and_one_hot():
    network = Network({"same": ReLU()}, SoftmaxWithLoss())
    x = np.eye(3)
    assert network.accuracy(x, [0, 1, 0]) == pytest.approx(2 / 3)
    assert network.accuracy(x, np.eye(3)[[0, 1, 0]]) == pytest.approx(2 / 3)
    for label in range(3):  # one sample
        assert network.accuracy(x[0], label) == network.accuracy(x[0], np.eye(3)[label])
    with pytest.raises(ValueError, match="class indices of shape"):
        network.accuracy(x, [0, 1])


def test_an_unknown_activation_is_refused():
    with pytest.raises(ValueError, match='"relu" or "sigmoid", got \'tanh\''):
        two_layer_net(2, 3, 2, np.random.default_rng(0), "tanh")


# ---------------------------------------------------------------- training


def test_sgd_moves_against_the_gradient_in_place():
    params = {"w": np.array([1.0, 2.0])}
    array = params["w"]
    SGD(0.1).update(params, {"w": np.array([10.0, -10.0])})
    assert array.tolist() == [0.0, 3.0] and params["w"] is array


def test_an_update_too_large_is_infinite_without_a_warning():
    params = {"w": np.array([1e308, 1e-308])}
    with np.errstate(all="raise"):
        SGD(100.0).update(params, {"w": np.array([-1e308, 0.0])})
    assert params["w"].tolist() == [np.inf, 1e-308]


def test_sgd_refuses_what_does_not_fit_before_it_moves_anything():
    params = {"v": np.zeros(2), "w": np.zeros(2)}
    with pytest.raises(ValueError, match="not in both"):
        SGD(0.1).update(params, {"v": np.ones(2)})
    with pytest.raises(ValueError, match="w has shape"):
        SGD(0.1).update(params, {"v": np.ones(2), "w": np.ones(3)})
    assert not params["v"].any()


@pytest.mark.parametrize("lr", [0, -1, np.nan, np.inf, "0.1", None])
def test_a_learning_rate_is_a_positive_number(lr):
    with pytest.raises(ValueError, match="positive learning rate"):
        SGD(lr)


def test_an_epoch_is_a_true_pass():
    n = np.arange(10)
    batches = [x.tolist() for x, _ in minibatches(n, n, 4, np.random.default_rng(0))]
    assert [len(b) for b in batches] == [4, 4, 2]
    assert sorted(sum(batches, [])) == list(range(10))
    assert sum(batches, []) != list(range(10))


def test_sampling_with_replacement_draws_from_all():
    n = np.arange(5)
    drawn = [x for x, _ in islice(random_batches(n, n, 50, np.random.default_rng(0)), 3)]
    assert [len(x) for x in drawn] == [50] * 3
    assert set(drawn[0]) == set(range(5))


@pytest.mark.parametrize("replacement", [False, True])
def test_the_same_seed_gives_the_same_training(replacement):
    def run():
        rng = np.random.default_rng(5)
        network = net()
        options = {"epochs": 3, "batch_size": 2, "replacement": replacement}
        return [r.loss for r in train(network, batch(), rng=rng, **options)]

    assert run() == run() and len(run()) == 9


def test_records_tell_step_epoch_loss_accuracy_and_gradient_sizes():
    x, t = batch(N=5)
    records = list(train(net(), (x, t), epochs=2, batch_size=2, rng=np.random.default_rng(0)))
    assert [r.step for r in records] == [1, 2, 3, 4, 5, 6]
    assert records[-1].epoch == 2.0
    assert [r.accuracy is None for r in records] == [True, True, False] * 2
    assert records[0].gradient_norms.keys() == net().params.keys()
    with pytest.raises(AttributeError):  # what came of an update is not to be written over
        records[0].loss = 0.0


def test_the_loss_of_a_record_is_that_of_its_batch_before_the_update():
    network, (x, t) = net(), batch()
    before = network.loss(x, t)
    (record,) = train(network, (x, t), updates=1, batch_size=6, rng=np.random.default_rng(0))
    assert record.loss == pytest.approx(before)
    assert network.loss(x, t) < before


def test_stopping_early_leaves_whole_updates():
    x, t = batch()
    run = train(net(), (x, t), updates=100, batch_size=6, rng=np.random.default_rng(0))
    assert next(run).step == 1
    run.close()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"epochs": 1, "updates": 1}, "not both"),
        ({"epochs": 1.5}, "whole numbers"),
        ({"updates": -1}, "whole numbers"),
        ({"batch_size": 0}, "batch_size"),
    ],
)
def test_wrong_training_arguments_are_refused(options, said):
    with pytest.raises(ValueError, match=said):
        list(train(net(), batch(), rng=np.random.default_rng(0), **options))


def test_no_progress_bar_where_nobody_waits(capsys):
    list(train(net(), batch(), updates=3, rng=np.random.default_rng(0)))
    assert capsys.readouterr() == ("", "")


def test_digits_are_learned_to_above_95_per_cent():
    data = load_digits()
    rng = np.random.default_rng(0)
    network = two_layer_net(64, 50, 10, rng)
    *_, last = train(network, data, optimizer=SGD(0.3), batch_size=50, epochs=20, rng=rng)
    assert last.accuracy > 0.95


# ---------------------------------------------------------------- Ctrl-C


def interrupted_at(moment, presses=1):
    """Train with Ctrl-C pressed inside an update, as Python hears it; what was said, and the steps."""
    rng, done = np.random.default_rng(0), []

    class Pressed(SGD):
        def update(self, params, grads):
            super().update(params, grads)
            if len(done) == moment:
                for _ in range(presses):
                    signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt) as stopped:
        for record in train(net(), batch(), optimizer=Pressed(0.1), rng=rng, updates=9):
            done.append(record.step)
    return str(stopped.value), done


def test_ctrl_c_waits_for_the_update_and_says_how_many_there_were(monkeypatch):
    assert interrupted_at(4) == ("training stopped after update 5 of 9", [1, 2, 3, 4])
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_ctrl_c_pressed_twice_does_not_wait():
    assert interrupted_at(2, presses=2)[0] == "training stopped in the middle of an update"
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_ctrl_c_between_two_updates_ends_the_loop_that_asks_for_them_and_leaves_whole_updates():
    stopped, through = net(), net()
    with pytest.raises(KeyboardInterrupt):
        for record in train(stopped, batch(), rng=np.random.default_rng(0), updates=9):
            if record.step == 4:
                signal.raise_signal(signal.SIGINT)
    *_, last = train(through, batch(), rng=np.random.default_rng(0), updates=record.step)
    assert last.step == record.step == 4
    for ours, theirs in zip(stopped.params.values(), through.params.values(), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert len([*train(stopped, batch(), rng=np.random.default_rng(0), updates=2)]) == 2


def test_a_handler_that_is_not_pythons_own_is_left_alone():
    heard = []
    before = signal.signal(signal.SIGINT, lambda *_: heard.append("here"))
    try:
        for record in train(net(), batch(), rng=np.random.default_rng(0), updates=3):
            signal.raise_signal(signal.SIGINT)
    finally:
        signal.signal(signal.SIGINT, before)
    assert record.step == 3 and heard == ["here"] * 3


def test_training_in_a_thread_listens_to_no_signal():
    steps = []
    target = lambda: steps.extend(train(net(), batch(), rng=np.random.default_rng(0), updates=3))  # noqa: E731
    thread = threading.Thread(target=target)
    thread.start()
    thread.join()
    assert [record.step for record in steps] == [1, 2, 3]


def test_a_network_notices_another_one_that_is_gone_by_now():
    ours = net()
    ours.loss(*batch())
    Network({"shared": ours.layers["ReLU1"]}, SoftmaxWithLoss()).predict(np.ones((2, 3)))
    with pytest.raises(RuntimeError, match="another network has used a layer"):
        ours.backward()


def test_a_large_parameter_is_moved_in_blocks_to_the_same_numbers():
    rng = np.random.default_rng(0)
    for shape in [(1000, 300), (300_000,), (3, 100_000)]:
        W, gradient = rng.normal(size=shape), rng.normal(size=shape)
        wanted = W - 0.5 * gradient
        SGD(0.5).update({"W": W}, {"W": gradient})
        np.testing.assert_array_equal(W, wanted)


def test_training_without_a_progress_bar_installed_goes_on(monkeypatch):
    monkeypatch.setitem(sys.modules, "tqdm.auto", None)
    records = train(net(), batch(), rng=np.random.default_rng(0), updates=2)
    assert [record.step for record in records] == [1, 2]


@pytest.mark.parametrize("count", [1, 3])
def test_training_wants_data_in_two_parts(count):
    network = two_layer_net(2, 3, 2, np.random.default_rng(0))
    data = (np.zeros((4, 2)),) * count
    with pytest.raises(ValueError, match=f"got tuple of {count}"):
        next(train(network, data, rng=np.random.default_rng(0)))


def test_networks_take_turns_and_a_shared_layer_is_found_whoever_ran_between():
    (x, t), first, second = batch(), net(), net(seed=5)
    wanted = first.gradient(x, t)
    first.loss(x, t)
    second.loss(-x, t)
    for key, gradient in first.backward().items():
        np.testing.assert_array_equal(gradient, wanted[key])
    sharing = net(seed=7)
    sharing.layers["Affine2"] = first.layers["Affine2"]
    first.loss(x, t)
    second.loss(x, t)
    sharing.loss(x, t)
    with pytest.raises(RuntimeError, match="another network has used a layer"):
        first.backward()
    sharing.backward()


class Told(Affine):
    """An affine layer of a reader's own, which uses the dx that it inherits."""

    def backward(self, dout):
        return super().backward(dout) * 1.0


def test_only_the_first_layer_is_spared_its_dx_and_only_where_nobody_looks(monkeypatch):
    (x, t), network = batch(), net()
    told = []
    backward = Affine.backward
    monkeypatch.setattr(
        Affine, "backward", lambda self, dout: told.append(self.want_dx) or backward(self, dout)
    )
    network.gradient(x, t)
    assert told == [True, False]  # the last layer comes first
    network.loss(x, t)
    steps = dict(network.backward_steps())
    assert told == [True, False, True, True] and steps["Affine1"].shape == x.shape


def test_a_first_layer_of_the_readers_own_keeps_its_dx_and_its_attributes():
    (x, t), rng = batch(), np.random.default_rng(0)
    first = Told.init(4, 5, rng)
    first.want_dx = True
    network = Network({"A": first, "B": Affine.init(5, 3, rng)}, SoftmaxWithLoss())
    grads, numeric = network.gradient(x, t), network.numerical_gradient(x, t)
    for key in grads:
        np.testing.assert_allclose(grads[key], numeric[key], atol=1e-9)
    assert first.want_dx is True


def test_the_first_layer_wants_its_dx_again_after_a_pass_that_failed():
    (x, t), network = batch(), net()
    network.loss(x, t)
    network.layers["ReLU1"].backward = lambda dout: 1 / 0
    with pytest.raises(ZeroDivisionError):
        network.backward()
    assert network.layers["Affine1"].want_dx


def test_a_walk_back_ends_where_the_network_has_begun_another_pass():
    (x, t), network = batch(), net()
    network.loss(x, t)
    steps = network.backward_steps()
    next(steps)
    network.loss(x, t)
    with pytest.raises(RuntimeError, match="call loss.* just before"):
        next(steps)


def test_a_readers_walk_in_another_order_gets_every_dx():
    class Forwards(Network):
        """Goes back in the wrong order, as a learner may try."""

        def backward_steps(self, dout=1.0):
            dout = self.loss_layer.backward(dout)
            for name, layer in self.layers.items():
                dout = layer.backward(dout)
                yield name, dout

    rng = np.random.default_rng(0)
    network = Forwards([Affine.init(3, 3, rng), ReLU(), Affine.init(3, 3, rng)], SoftmaxWithLoss())
    x, t = batch(D=3)
    assert network.gradient(x, t).keys() == network.params.keys()


@pytest.mark.parametrize(("activation", "share"), [("relu", 2), ("sigmoid", 1)])
def test_the_start_fits_the_activation(activation, share):
    params = two_layer_net(300, 200, 100, np.random.default_rng(0), activation).params
    for name, fan_in in (("Affine1.W", 300), ("Affine2.W", 200)):
        assert params[name].std() == pytest.approx(np.sqrt(share / fan_in), rel=0.03)


@pytest.mark.parametrize("lacks", ["forward", "backward"])
def test_a_layer_that_lacks_one_of_the_two_is_refused(lacks):
    layer = ReLU()
    setattr(layer, lacks, None)
    with pytest.raises(TypeError, match="'odd' has no forward and backward"):
        Network(OrderedDict(odd=layer), SoftmaxWithLoss())


def test_what_is_not_said_to_train_is_what_its_help_says():
    x, t = batch(250)
    said, unsaid = net(), net()
    wanted = {"optimizer": SGD(0.1), "batch_size": 100, "epochs": 1}
    records = list(train(said, (x, t), rng=np.random.default_rng(3), **wanted))
    again = list(train(unsaid, (x, t), rng=np.random.default_rng(3)))
    assert [r.loss for r in again] == [r.loss for r in records]
    assert [r.epoch for r in again] == pytest.approx([1 / 3, 2 / 3, 1])
    for key, array in said.params.items():
        np.testing.assert_array_equal(unsaid.params[key], array)


def test_a_bar_that_people_would_see_is_hidden_while_pages_are_made(monkeypatch):
    """`make book` sets the variable: on a busy machine a chapter may train for more than two seconds."""
    pytest.importorskip("tqdm")
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    with bar(range(3), None) as shown:
        assert not shown.disable
    command = "import sys; from chainrule.training import bar; sys.stderr.isatty = lambda: True; print(bar([], None).disable)"
    env = os.environ | {"TQDM_DISABLE": "1"}
    ran = subprocess.run([sys.executable, "-c", command], capture_output=True, text=True, env=env)
    assert ran.stdout == "True\n", ran.stderr


def test_a_bar_shows_itself_where_it_is_asked_for_and_leaves_nothing_behind():
    pytest.importorskip("tqdm")
    with bar(range(3), True) as shown:
        assert not shown.disable and not shown.leave and shown.delay == 2
    for progress in (False, None):  # nobody looks on here
        with bar(range(3), progress) as hidden:
            assert hidden.disable


@pytest.mark.parametrize("params", [[1.0], None])
def test_what_is_no_dict_of_parameters_is_refused_by_python(params):
    with pytest.raises(AttributeError, match="has no attribute 'keys'"):
        SGD(0.1).update(params, params)


def test_sgd_names_the_keys_that_are_odd_and_no_other():
    params = {"w": np.ones(2), "v": np.ones(2)}
    with pytest.raises(ValueError, match=r"not in both params and grads: u, v$"):
        SGD(0.1).update(params, {"w": np.ones(2), "u": np.ones(2)})


@pytest.mark.parametrize("labels", [2, 4])
def test_held_out_data_want_as_many_labels_as_samples(labels):
    x, t = batch()
    with pytest.raises(ValueError, match="held-out x and t"):
        next(train(net(), ((x, t), (x[:3], np.zeros(labels, int))), rng=np.random.default_rng(0)))


@pytest.mark.parametrize("count", [1, 3])
def test_held_out_data_are_a_pair(count):
    x, t = batch()
    with pytest.raises(ValueError, match="a pair is wanted, held-out data"):
        next(train(net(), ((x, t), (x,) * count), rng=np.random.default_rng(0)))


def test_a_label_too_large_is_told_the_last_one():
    for classes in (3, 4):
        with pytest.raises(ValueError, match=f"run from 0 to {classes - 1}, got 9"):
            SoftmaxWithLoss().forward(np.zeros((1, classes)), [9])


@pytest.mark.parametrize("row", [[0.5, 0.5, 0.0], [-1.0, 1.0, 1.0], [2.0, -1.0, 0.0], [0, 2, 0]])
def test_rows_that_are_not_one_hot_are_no_classes(row):
    assert not are_classes([[0, 1, 0], row]) and are_classes([[0, 1, 0], [1, 0, 0]])


def test_held_out_data_may_be_one_hot_and_want_the_features_of_the_training_data():
    x, t = batch()
    for record in train(net(), ((x, t), (x[:4], np.eye(3)[t[:4]])), rng=np.random.default_rng(0)):
        assert 0 <= record.accuracy <= 1
    for features in (3, 5):
        held_out = np.zeros((2, features)), np.zeros(2, int)
        with pytest.raises(ValueError, match="held-out x and t"):
            next(train(net(), ((x, t), held_out), rng=np.random.default_rng(0)))


@pytest.mark.parametrize("dtype", [bool, complex, int])
def test_sgd_moves_floats_alone(dtype):
    with pytest.raises(TypeError, match="wants writeable float arrays, w is an array of"):
        SGD(0.1).update({"w": np.ones(2, dtype)}, {"w": np.ones(2)})


@pytest.mark.parametrize("shape", [(1,), (3,), (2, 1)])
def test_sgd_wants_a_gradient_of_the_parameters_shape(shape):
    with pytest.raises(ValueError, match=r"w has shape \(2,\), its gradient"):
        SGD(0.1).update({"w": np.ones(2)}, {"w": np.ones(shape)})


@pytest.mark.parametrize("names", ["ab", "ba"])
def test_one_array_in_two_layers_is_refused_whatever_they_are_called(names):
    W = np.ones((3, 3))
    layers = {name: Affine(W, np.zeros(3)) for name in names}
    with pytest.raises(ValueError, match="are one array"):
        Network(layers, SoftmaxWithLoss())


DEFAULTS = {
    "Network.forward_steps t": None,
    "Network.backward_steps dout": 1.0,
    "Network.backward dout": 1.0,
    "Network.numerical_gradient h": 1e-5,
    "SoftmaxWithLoss.backward dout": 1.0,
    "IdentityWithLoss.backward dout": 1.0,
    "chainrule.numeric.numerical_gradient h": 1e-5,
}


@pytest.mark.parametrize("follow", [True, False], ids=["what help shows", "what is called"])
def test_a_door_has_the_defaults_of_its_formula(follow):
    found = {}
    for kind in (Network, SoftmaxWithLoss, IdentityWithLoss, numeric):
        for name, method in vars(kind).items():
            if isfunction(method) and hasattr(method, "__wrapped__"):
                called = signature(method, follow_wrapped=follow).parameters
                if "args" in called:  # handed on as it came: the formula's own count
                    called = signature(method.__wrapped__).parameters
                for key, one in called.items():
                    if one.default is not one.empty:
                        found[f"{kind.__name__}.{name} {key}"] = one.default
    assert found == DEFAULTS


def test_adam_makes_up_for_its_start_from_zero_whatever_its_shares():
    """Of a gradient that stays the same, the means are itself and its square: each step is lr."""
    params, grads = {"W": np.zeros(2)}, {"W": np.array([0.5, -3.0])}
    adam = Adam(0.1, beta1=0.3, beta2=0.4)
    for step in (1, 2, 3):
        adam.update(params, grads)
        np.testing.assert_allclose(params["W"], [-0.1 * step, 0.1 * step], rtol=1e-6)


class Penalised(Network):
    """Weight decay by hand, as readers write it; and its loss looks at the scores, too."""

    def loss(self, x, t):
        self.scores = self.predict(x)
        return super().loss(x, t) + 0.05 * np.sum(self.params["Affine1.W"] ** 2)

    def backward(self, dout=1.0):
        grads = super().backward(dout)
        grads["Affine1.W"] += 0.1 * self.params["Affine1.W"]
        return grads


class Watched(Network):
    """Only its loss is a reader's own: it looks at the scores first."""

    def loss(self, x, t):
        self.scores = self.predict(x)
        return super().loss(x, t)


@pytest.mark.parametrize("kind", [Penalised, Watched])
def test_a_pass_of_a_readers_own_loss_is_no_pass_as_a_whole(kind):
    """`gradient` is one pass of the package's two walks, and two where a reader has written one."""
    rng = np.random.default_rng(0)
    layers = [Affine.init(3, 4, rng), Dropout(0.5, rng), Affine.init(4, 2, rng)]
    network = kind(layers, SoftmaxWithLoss())
    x, t = batch(D=3)
    network.gradient(x, t)
    scores = layers[2].forward(layers[0].forward(x))
    assert np.array_equal(network.scores, scores)  # nothing was dropped: it predicted
    network = kind([layers[0], layers[2]], SoftmaxWithLoss())
    grads, numbers = network.gradient(x, t), network.numerical_gradient(x, t)
    for key in grads:
        np.testing.assert_allclose(grads[key], numbers[key], atol=1e-8)


def test_a_pass_takes_its_arguments_by_name():
    network, (x, t) = net(), batch()
    loss = network.loss(t=t, x=x)
    assert loss == network.loss(x, t=t)
    grads = network.backward(dout=2.0)
    for key, gradient in network.gradient(t=t, x=x).items():
        np.testing.assert_allclose(grads[key], 2 * gradient)
    for call in (network.loss, network.gradient):
        with pytest.raises(TypeError, match="missing 1 required positional argument: 't'"):
            call(x)


def test_a_loss_of_ones_own_costs_no_gradient_of_the_input():
    """The first layer leaves its dx out unless the way back itself is a reader's."""

    class Noted(Affine):
        def backward(self, dout):
            self.dx = super().backward(dout)
            return self.dx

    Noted.__module__ = "chainrule.noted"  # as if it were one of ours
    first = Noted.init(3, 4, np.random.default_rng(0))
    network = Penalised([first, Affine.init(4, 2, np.random.default_rng(1))], SoftmaxWithLoss())
    network.layers["Affine1"] = network.layers.pop("Noted1")
    network.layers.move_to_end("Affine1", last=False)
    network.gradient(*batch(D=3, C=2))
    assert first.dx is None


def test_a_pass_leaves_what_numpy_says_as_it_was_also_after_a_fault():
    net = two_layer_net(2, 3, 2, np.random.default_rng(0))
    x, t = np.array([[1e200, -1e200]]), np.array([0])
    for wanted in ("raise", "warn", "ignore"):
        with np.errstate(all=wanted):
            net.gradient(np.ones((1, 2)), t)
            with pytest.raises(ValueError):
                net.gradient(np.ones((1, 5)), t)
            net.predict(x)
            assert set(np.geterr().values()) == {wanted}


def test_the_package_runs_where_numpy_keeps_what_it_says_elsewhere():
    """As a later NumPy may: then it is loud, and right."""
    code = (
        "import numpy as np; np.seterr = lambda **_: None\n"
        "from chainrule.network import two_layer_net\n"
        "net = two_layer_net(2, 3, 2, np.random.default_rng(0))\n"
        "print(sorted(net.gradient(np.ones((2, 2)), np.array([0, 1]))))\n"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "Affine2.b" in ran.stdout
