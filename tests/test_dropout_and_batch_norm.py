"""Dropout and batch normalisation: by hand, in both modes, on every kind of input."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from profiles import examples

from chainrule.gradcheck import diagnose, gradient_check
from chainrule.graph import Variable, topological_order
from chainrule.guests import Attention, BatchNorm, Conv2D, Dropout
from chainrule.layers import Affine, ReLU
from chainrule.losses import SoftmaxWithLoss
from chainrule.mistakes import MISTAKES
from chainrule.network import Network
from chainrule.trace import trace_network
from chainrule.zoo import PART_TWO, DropsInPlace, ForgetsGamma

SEEDS = st.integers(0, 2**32 - 1)
GAMMA, BETA = np.array([0.5, 2.0, -1.5]), np.array([0.1, -0.2, 0.3])


def array(shape, seed=1):
    return np.random.default_rng(seed).normal(size=shape)


def dropout(p=0.4, seed=0):
    return Dropout(p, np.random.default_rng(seed))


def batch_norm():
    layer = BatchNorm(GAMMA.copy(), BETA.copy())
    layer.running_mean, layer.running_var = array(3, 5), np.array([0.3, 2.0, 1.0])
    return layer


def close(a, b, tolerance=1e-12):
    assert np.shape(a) == np.shape(b)
    size = np.linalg.norm(np.ravel(a)) + np.linalg.norm(np.ravel(b))
    assert np.linalg.norm(np.ravel(np.subtract(a, b))) <= tolerance * size + 1e-300


BOTH = pytest.mark.parametrize("make", [dropout, batch_norm])


# ---------------------------------------------------------------- by hand


def test_dropout_by_hand():
    layer = dropout(0.75)
    layer.mask = np.array([4.0, 4.0, 0.0, 0.0])
    layer.draw = lambda x: layer.mask
    assert layer.forward([3.0, 0.0, -2.0, 5.0]).tolist() == [12.0, 0.0, 0.0, 0.0]
    assert layer.backward([1.0, -2.0, 6.0, 0.0]).tolist() == [4.0, -8.0, 0.0, 0.0]


def test_batch_norm_by_hand():
    layer = BatchNorm([1.0], [0.0], eps=0.0)
    y = layer.forward([[1.0], [7.0], [7.0], [9.0]])
    np.testing.assert_allclose(y.ravel(), [-5 / 3, 1 / 3, 1 / 3, 1], rtol=1e-14)
    dx = layer.backward([[3.0], [0.0], [0.0], [0.0]])
    np.testing.assert_allclose(dx.ravel(), [1 / 18, -1 / 9, -1 / 9, 1 / 6], rtol=1e-13)
    np.testing.assert_allclose(layer.grads["gamma"], [-5.0], rtol=1e-14)
    assert layer.grads["beta"].tolist() == [3.0]


# ---------------------------------------------------------------- the nodes, and nudging


def test_batch_norm_has_nine_nodes_and_dropout_has_one():
    for layer, count in ((batch_norm(), 9), (dropout(), 1)):
        nodes = [v for v in topological_order(layer.expand(array((5, 3)))) if v.node is not None]
        assert len(nodes) == count


@BOTH
@examples(60)
@given(SEEDS)
def test_nodes_and_layer_agree_on_random_shapes(make, seed):
    rng = np.random.default_rng(seed)
    N, D = rng.integers(3, 9), rng.integers(1, 6)
    layer = Dropout(rng.uniform(0, 0.9), rng)
    if make is batch_norm:
        layer = BatchNorm(rng.normal(size=D), rng.normal(size=D), eps=10.0 ** rng.uniform(-8, 0))
    x, dout = rng.normal(rng.normal() * 3, rng.uniform(0.1, 5), (2, N, D))
    out, leaf = layer.forward(x), Variable(x, "x")
    written_out = layer.expand(leaf)
    written_out.backward(dout)
    close(out, written_out.value)
    # of what is subtracted, rounding may leave its share
    off = np.linalg.norm(layer.backward(dout) - leaf.grad)
    size = np.linalg.norm(dout * getattr(layer, "gamma", 1) / getattr(layer, "std", 1))
    assert off <= 1e-12 * size


# ---------------------------------------------------------------- dropout


def test_a_mask_holds_zeros_and_the_factor_in_the_right_shares():
    for p in (0.1, 0.25, 0.5, 0.9):
        mask = dropout(p).draw(np.zeros((200, 500)))
        np.testing.assert_allclose(np.unique(mask), [0.0, 1 / (1 - p)], rtol=1e-15)
        assert abs(np.mean(mask == 0) - p) < 5 * np.sqrt(p * (1 - p) / mask.size)


def test_without_a_share_to_drop_and_in_prediction_nothing_changes():
    x, dout = array((4, 3)), array((4, 3), 2)
    predicting = dropout(0.5)
    predicting.training = False
    for layer in (dropout(0.0), predicting):
        assert layer.forward(x).tolist() == x.tolist()
        assert layer.backward(dout).tolist() == dout.tolist()
        assert layer.forward(x) is not x and layer.backward(dout) is not dout


def test_each_training_pass_draws_and_a_prediction_does_not():
    x, layer, twin = np.ones((20, 30)), dropout(), dropout()
    first = layer.forward(x)
    assert first.tolist() != layer.forward(x).tolist()
    twin.training = False
    twin.forward(x)
    twin.training = True
    assert twin.forward(x).tolist() == first.tolist()  # the generator did not move


# ---------------------------------------------------------------- batch normalisation


def test_an_output_has_mean_beta_and_deviation_gamma():
    y = BatchNorm(GAMMA, BETA, eps=0.0).forward(5 + 3 * array((50, 3)))
    np.testing.assert_allclose(y.mean(axis=0), BETA, atol=1e-14)
    np.testing.assert_allclose(y.std(axis=0), np.abs(GAMMA), rtol=1e-13)


def test_each_of_many_columns_is_normalised_by_itself():
    x = array((5, 300))
    close(BatchNorm.init(300).forward(x)[:, 7:8], BatchNorm.init(1).forward(x[:, 7:8]))


def test_images_are_normalised_over_samples_and_places():
    x, layer = array((4, 3, 2, 5)), BatchNorm(GAMMA, BETA)
    rows = BatchNorm(GAMMA, BETA)
    flat = np.stack([x[:, k].ravel() for k in range(3)], axis=1)
    y, wanted = layer.forward(x), rows.forward(flat)
    for k in range(3):
        close(y[:, k].ravel(), wanted[:, k])
    dout = array(x.shape, 2)
    dx = layer.backward(dout)
    wanted = rows.backward(np.stack([dout[:, k].ravel() for k in range(3)], axis=1))
    for k in range(3):
        close(dx[:, k].ravel(), wanted[:, k])


def test_the_running_numbers_move_by_momentum_in_training_and_never_in_prediction():
    layer, x = BatchNorm(GAMMA, BETA, momentum=0.75), 2 + array((6, 3))
    layer.forward(x)
    np.testing.assert_allclose(layer.running_mean, 0.25 * x.mean(axis=0), rtol=1e-14)
    np.testing.assert_allclose(layer.running_var, 0.75 + 0.25 * x.var(axis=0), rtol=1e-14)
    before = layer.running_mean.tolist(), layer.running_var.tolist()
    layer.training = False
    layer.forward(x)
    layer.backward(x)
    layer.expand(x)
    layer.training = True
    layer.expand(x)
    assert before == (layer.running_mean.tolist(), layer.running_var.tolist())


def test_in_prediction_a_sample_does_not_know_the_others():
    layer, x = batch_norm(), array((5, 3))
    layer.training = False
    close(layer.forward(x)[2], layer.forward(x[2]), 1e-15)


def test_backward_belongs_to_the_mode_of_the_last_forward():
    layer, x, dout = batch_norm(), array((5, 3)), array((5, 3), 2)
    layer.forward(x)
    wanted = layer.backward(dout)
    layer.training = False
    assert layer.backward(dout).tolist() == wanted.tolist()


def test_a_column_of_equal_numbers_gives_beta_and_no_gradient_of_its_own():
    layer = BatchNorm(GAMMA, BETA)
    y = layer.forward(np.full((4, 3), 7.0))
    assert y.tolist() == [BETA.tolist()] * 4
    dx = layer.backward(array((4, 3)))
    assert np.all(np.isfinite(dx)) and np.allclose(dx.sum(axis=0), 0, atol=1e-9)


# ---------------------------------------------------------------- both, as layers


def test_parameters_that_are_assigned_are_used():
    layer, x = BatchNorm(GAMMA, BETA), array((5, 3))
    layer.params["gamma"], layer.params["beta"] = [1, 1, 1], [0, 0, 7]
    assert layer.forward(x).mean(axis=0).round(9).tolist() == [0.0, 0.0, 7.0]


def animal(kind):
    """An animal of Part II, and an input for it."""
    if issubclass(kind, Dropout):
        return kind(0.25, np.random.default_rng(3)), array((6, 4))
    if issubclass(kind, Conv2D):
        return kind(array((3, 2, 2, 3)), array((3,), 2), pad=1), array((2, 2, 4, 5))
    if issubclass(kind, Attention):
        return kind(*(array((3, 2), seed) for seed in (1, 2, 3))), array((2, 4, 3))
    return kind([0.5, 2.0, 1.5, -1.0], np.zeros(4)), array((6, 4))


@pytest.mark.parametrize("kind", PART_TWO, ids=lambda kind: kind.__name__)
def test_an_animal_of_part_two_is_found_and_named(kind):
    layer, x = animal(kind)
    assert diagnose(layer, x.copy())[0].cause == PART_TWO[kind]
    assert gradient_check(layer, x.copy()).ok == (kind is DropsInPlace)
    assert set(PART_TWO.values()) <= set(MISTAKES)


def test_a_fresh_gamma_hides_that_it_is_forgotten():
    assert gradient_check(ForgetsGamma.init(4), array((6, 4))).ok


def net():
    rng = np.random.default_rng(2)
    layers = [
        Affine.init(4, 6, rng),
        BatchNorm.init(6),
        ReLU(),
        Dropout(0.3, rng),
        Affine.init(6, 3, rng),
    ]
    return Network(layers, SoftmaxWithLoss())


def test_a_network_with_both_is_checked_with_the_masks_of_its_own_run():
    x, t = array((5, 4)), np.array([2, 0, 1, 1, 0])
    report = gradient_check(net(), x, t)
    assert report.ok and sum(row.compared for row in report.rows) > 60, report
    assert all(row.compared for row in report.rows)
    assert diagnose(net(), x, t) == []


def test_to_predict_and_to_look_moves_nothing():
    network, x, t = net(), array((5, 4)), np.array([2, 0, 1, 1, 0])
    network.loss(x, t)
    norm, drop = network.layers["BatchNorm1"], network.layers["Dropout1"]

    def state():
        return repr([norm.running_mean, norm.running_var, drop.rng.bit_generator.state])

    before = state()
    for look in (network.predict, lambda x: network.accuracy(x, t), lambda x: trace_network(network, x, t),
                 lambda x: network.numerical_gradient(x, t), lambda x: gradient_check(network, x, t)):  # fmt: skip
        look(x)
        assert state() == before
    assert norm.training and drop.training


def test_a_saved_network_predicts_the_same_after_it_is_loaded(tmp_path):
    network, twin, x = net(), net(), array((5, 4))
    for _ in range(3):
        network.loss(3 + x, np.array([2, 0, 1, 1, 0]))
    twin.layers["Affine1"].params["W"] += 1.0
    network.save(tmp_path / "net")
    twin.load(tmp_path / "net")
    assert twin.predict(x).tolist() == network.predict(x).tolist()
    assert twin.layers["BatchNorm1"].running_mean.tolist() != [0.0] * 6
    assert "BatchNorm1.running_mean" not in network.params


def test_the_figure_of_a_network_opens_both_into_nodes():
    trace = trace_network(net(), array((3, 4)), np.array([2, 0, 1]))
    assert trace.nodes is not None, trace.why


# ---------------------------------------------------------------- bad input

RNG = np.random.default_rng(0)
REFUSED = [
    (lambda: Dropout(1, RNG), ValueError, "share p .* got 1"),
    (lambda: Dropout(-0.1, RNG), ValueError, "got -0.1"),
    (lambda: Dropout(np.nan, RNG), ValueError, "got nan"),
    (lambda: Dropout(True, RNG), ValueError, "got True"),
    (lambda: Dropout("half", RNG), ValueError, "got 'half'"),
    (lambda: Dropout(0.5, 3), TypeError, "Generator as rng, got 3"),
    (lambda: Dropout(0.5, RNG).backward([1.0]), RuntimeError, "before forward"),
    (lambda: Dropout(0.5, RNG).forward("x"), TypeError, "Dropout wants real numbers"),
    (lambda: BatchNorm([1.0, 2.0], [0.0]), ValueError, r"gamma \(2,\) and beta \(1,\)"),
    (lambda: BatchNorm([[1.0]], [[0.0]]), ValueError, r"gamma \(1, 1\)"),
    (lambda: BatchNorm(1.0, 0.0), ValueError, r"gamma \(\) and beta \(\)"),
    (lambda: BatchNorm([], []), ValueError, r"gamma \(0,\)"),
    (lambda: BatchNorm(["a"], [0.0]), TypeError, "BatchNorm gamma wants real numbers"),
    (lambda: BatchNorm([1.0], [0.0], momentum=1.5), ValueError, "momentum .* got 1.5"),
    (lambda: BatchNorm([1.0], [0.0], eps=-1e-5), ValueError, "eps .* got -1e-05"),
    (lambda: BatchNorm.init(0), ValueError, "positive whole number D, got 0"),
    (lambda: BatchNorm(np.ones(2), np.zeros(3)), ValueError, r"got gamma \(2,\) and beta \(3,\)"),
    (lambda: BatchNorm.init(2).forward(array((4, 3))), ValueError, r"x \(N, 2\).*got x \(4, 3\)"),
    (lambda: BatchNorm.init(2).forward(array((4, 2, 3))), ValueError, r"got x \(4, 2, 3\)"),
    (lambda: BatchNorm.init(2).forward(1.0), ValueError, r"got x \(\)"),
    (lambda: BatchNorm.init(2).forward(np.ones((0, 2))), ValueError, r"samples .* got x \(0, 2\)"),
    (lambda: BatchNorm.init(2).expand(array((4, 3))), ValueError, r"got x \(4, 3\)"),
    (lambda: BatchNorm.init(2).backward(array((4, 2))), RuntimeError, "before forward"),
]  # fmt: skip


@pytest.mark.parametrize(("call", "kind", "words"), REFUSED)
def test_what_does_not_fit_is_refused_in_words(call, kind, words):
    with pytest.raises(kind, match=words):
        call()


def test_a_refused_batch_leaves_the_running_numbers_alone():
    layer = BatchNorm.init(2)
    layer.forward(array((4, 2)))
    before = layer.running_mean.tolist(), layer.running_var.tolist()
    for x in (array((4, 3)), np.ones((0, 2)), "x"):
        with pytest.raises((ValueError, TypeError)):
            layer.forward(x)
    assert before == (layer.running_mean.tolist(), layer.running_var.tolist())


def test_an_empty_batch_can_be_predicted():
    layer = BatchNorm.init(2)
    layer.training = False
    assert layer.forward(np.ones((0, 2))).shape == (0, 2)
