"""Layers and losses by hand and on every kind of input; test_every_layer.py holds what is true of all layers."""

import re

import numpy as np
import pytest

from chainrule.gradcheck import gradient_check
from chainrule.graph import Variable
from chainrule.guards.layers import Layer
from chainrule.guests import Attention, BatchNorm, Conv2D, Embedding
from chainrule.layers import Affine, ReLU, Sigmoid, Tanh
from chainrule.losses import (
    IdentityWithLoss,
    SoftmaxWithLoss,
    cross_entropy,
    softmax,
    sum_squared_error,
)


def affine(D=3, M=2, seed=0):
    rng = np.random.default_rng(seed)
    return Affine(rng.normal(size=(D, M)), rng.normal(size=M))


def array(shape, seed=1):
    return np.random.default_rng(seed).normal(size=shape)


LAYERS = [ReLU, Sigmoid, Tanh, affine]


def close(a, b, tolerance=1e-12):
    """Equal by norm, as DESIGN asks of a layer and its nodes."""
    assert np.shape(a) == np.shape(b)
    difference = np.linalg.norm(np.subtract(a, b))
    assert difference <= tolerance * (np.linalg.norm(a) + np.linalg.norm(b) + 1e-300)


def test_a_layer_that_refuses_need_not_know_how_to_expand():
    class Positive(Layer):
        def refuse(self, x):
            if np.any(x < 0):
                raise ValueError("it wants numbers from 0")

        def forward(self, x):
            self.x = x
            return np.sqrt(x)

        def backward(self, dout):
            return dout / (2 * np.sqrt(self.x))

    assert gradient_check(Positive(), array((2, 3)) ** 2).ok
    with pytest.raises(ValueError, match="it wants numbers from 0"):
        Positive().forward([-1.0])


def test_relu_by_hand():
    layer = ReLU()
    assert layer.forward([-1.0, 0.0, 2.0]).tolist() == [0.0, 0.0, 2.0]
    assert layer.backward([5.0, 5.0, 5.0]).tolist() == [0.0, 0.0, 5.0]


def test_sigmoid_by_hand():
    layer = Sigmoid()
    assert layer.forward(np.array([0.0])).tolist() == [0.5]
    assert layer.backward(np.array([4.0])).tolist() == [1.0]


def test_affine_by_hand():
    layer = Affine([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]], [10.0, 20.0])
    assert layer.forward([[1.0, 0.0, 1.0], [0.0, 2.0, 0.0]]).tolist() == [
        [16.0, 28.0],
        [16.0, 28.0],
    ]
    dx = layer.backward([[1.0, 0.0], [0.0, 1.0]])
    assert dx.tolist() == [[1.0, 3.0, 5.0], [2.0, 4.0, 6.0]]
    assert layer.grads["W"].tolist() == [[1.0, 0.0], [0.0, 2.0], [1.0, 0.0]]
    assert layer.grads["b"].tolist() == [1.0, 1.0]


def test_softmax_with_loss_by_hand():
    loss = SoftmaxWithLoss()
    a = np.log([[1.0, 2.0, 1.0], [1.0, 1.0, 2.0]])
    assert loss.forward(a, [1, 0]) == pytest.approx((np.log(2) + np.log(4)) / 2)
    expected = np.array([[0.25, -0.5, 0.25], [-0.75, 0.25, 0.5]]) / 2
    np.testing.assert_allclose(loss.backward(), expected, rtol=1e-14)


def test_identity_with_loss_by_hand():
    loss = IdentityWithLoss()
    assert loss.forward([[1.0, 2.0], [3.0, 5.0]], [[0.0, 2.0], [3.0, 2.0]]) == 2.5
    assert loss.backward(2.0).tolist() == [[1.0, 0.0], [0.0, 3.0]]
    assert sum_squared_error([1.0, 2.0], [0.0, 0.0]) == 2.5


@pytest.mark.parametrize("make", [SoftmaxWithLoss, IdentityWithLoss])
@pytest.mark.parametrize("shape", [(4, 3), (1, 3), (3,), (2, 1)])
def test_a_loss_equals_its_own_nodes_and_passes_the_check(make, shape):
    loss, a = make(), 3 * array(shape)
    t = softmax(array(shape, 5)) if make is SoftmaxWithLoss else array(shape, 5)
    leaf = Variable(a)
    written_out = loss.expand(leaf, t)
    close(loss.forward(a, t), written_out.value)
    written_out.backward(0.7)
    close(loss.backward(0.7), leaf.grad)
    assert gradient_check(loss, a, t).ok


def test_the_written_out_loss_is_stable_where_the_closed_one_is():
    a = np.array([[1e4, -1e4, 0.0], [0.0, 700.0, -700.0]])
    leaf = Variable(a)
    written_out = SoftmaxWithLoss().expand(leaf, [1, 1])
    loss = SoftmaxWithLoss()
    close(loss.forward(a, [1, 1]), written_out.value)
    written_out.backward()
    close(loss.backward(), leaf.grad)


def test_no_overflow_and_no_warning_at_ten_thousand():
    x = np.array([[1e4, -1e4, 0.0]])
    assert Sigmoid().forward(x).tolist() == [[1.0, 0.0, 0.5]]
    assert softmax(x).tolist() == [[1.0, 0.0, 0.0]]
    assert SoftmaxWithLoss().forward(x, [1]) == 2e4
    for layer in (Sigmoid(), Tanh()):
        layer.forward(x)
        assert np.all(np.isfinite(layer.backward(np.ones((1, 3)))))


def test_labels_may_be_one_hot_or_indices_and_a_batch_or_one_sample():
    a = array((3, 4))
    t = np.array([2, 0, 3])
    hot = np.eye(4)[t]
    loss = SoftmaxWithLoss()
    assert loss.forward(a, t) == loss.forward(a, hot) == cross_entropy(a, t)
    single = loss.forward(a[0], 2)
    assert single == loss.forward(a[0], hot[0]) == loss.forward(a[:1], [2])
    assert single == cross_entropy(a[0], 2) == cross_entropy(a[0], hot[0])
    assert loss.backward().shape == (1, 4)
    loss.forward(a[0], 2)
    assert loss.backward().shape == (4,)


def test_a_loss_is_a_python_float_a_mean_and_multiplies_by_dout():
    a, t = array((6, 3)), np.array([0, 1, 2, 0, 1, 2])
    loss = SoftmaxWithLoss()
    singles = [loss.forward(a[k : k + 1], t[k : k + 1]) for k in range(6)]
    total = loss.forward(a.astype(np.float32), t)
    assert type(total) is float
    assert loss.forward(a, t) == pytest.approx(np.mean(singles))
    np.testing.assert_allclose(loss.backward(3.0), 3 * loss.backward())


@pytest.mark.parametrize(
    ("t", "error", "said"),
    [
        ([4, 3], ValueError, "labels run from 0 to 2, got 4"),
        ([0, 3], ValueError, "labels run from 0 to 2, got 3"),
        ([0, -1], ValueError, "labels run from 0 to 2, got -1"),
        ([0.0, 1.0], TypeError, "class indices as integers"),
        ([True, False], TypeError, "class indices as integers"),
        ([0], ValueError, r"class indices of shape \(2,\)"),
        (np.ones((2, 3)), ValueError, "sum to 1"),
        (np.zeros((2, 3)), ValueError, "sum to 1"),
        ([[0.0, 0.0, 0.0], [1.0, 0.0, 0.0]], ValueError, "sum to 1"),
        ([[1e6, 0.0, 0.0], [1.0, 0.0, 0.0]], ValueError, "sum to 1"),
        ([[2.0, -1.0, 0.0], [1.0, 0.0, 0.0]], ValueError, "non-negative"),
        (np.full((2, 3), np.nan), ValueError, "sum to 1"),
        (0, ValueError, "class indices"),
    ],
)
def test_wrong_labels_are_refused_in_words_before_any_change(t, error, said):
    loss = SoftmaxWithLoss()
    loss.forward(np.zeros((2, 3)), [0, 1])
    before = loss.backward()
    with pytest.raises(error, match=said):
        loss.forward(np.ones((2, 3)), t)
    np.testing.assert_array_equal(loss.backward(), before)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_scores_that_are_not_finite_are_refused(bad):
    with pytest.raises(ValueError, match=f"finite scores, got {bad}"):
        SoftmaxWithLoss().forward([[bad, 0.0], [1.0, np.nan]], [0, 0])


def test_labels_of_another_shape_are_told_the_shape_that_is_wanted():
    for a, wanted in [(np.zeros((2, 3)), r"\(2,\)"), (np.zeros(3), r"\(\)")]:
        with pytest.raises(ValueError, match=f"class indices of shape {wanted}, got"):
            SoftmaxWithLoss().forward(a, [0, 1, 2, 0])


@pytest.mark.parametrize("shape", [(3,), (2, 2), (5, 1), (4, 1, 1), (1,)])
@pytest.mark.parametrize("of_scores", [(4, 3), (2,)])
def test_only_a_column_of_labels_is_told_to_ravel(of_scores, shape):
    with pytest.raises(ValueError, match=rf"got {re.escape(str(shape))}$"):
        SoftmaxWithLoss().forward(np.zeros(of_scores), np.zeros(shape, int))
    with pytest.raises(ValueError, match=r"got \(4, 1\): t.ravel\(\) makes"):
        SoftmaxWithLoss().forward(np.zeros((4, 3)), np.zeros((4, 1), int))


@pytest.mark.parametrize("kind", [bool, np.uint8, int, np.float32])
def test_one_hot_targets_may_be_numbers_of_any_kind(kind):
    for t in np.eye(3, dtype=kind), np.eye(3, dtype=kind)[0]:
        a = np.ones_like(t, float)
        assert SoftmaxWithLoss().forward(a, t) == pytest.approx(np.log(3))


def test_only_labels_that_are_whole_are_told_how_to_become_integers():
    for labels, told in ((np.array([1.0, 0.0]), True), (np.array([0.5, 1.0]), False)):
        with pytest.raises(TypeError, match="as integers") as caught:
            SoftmaxWithLoss().forward(np.ones((2, 3)), labels)
        assert ("astype(int)" in str(caught.value)) == told


def test_soft_targets_of_one_sample_are_looked_at_like_those_of_many():
    tenths = np.full(10, 0.1)  # whose sum is not 1 to the last digit
    assert SoftmaxWithLoss().forward(np.zeros(10), tenths) == pytest.approx(np.log(10))
    with pytest.raises(ValueError, match="sum to 1, got a row whose sum is off by 0.1"):
        SoftmaxWithLoss().forward(np.zeros(11), np.full(11, 0.1))


@pytest.mark.parametrize("shape", [(3,), (2, 3), (2, 2, 3)])
def test_softmax_tells_what_is_not_finite_along_any_shape(shape):
    scores = np.zeros(shape)
    scores[..., -1] = np.nan
    with pytest.raises(ValueError, match="softmax wants finite scores, got nan"):
        softmax(scores)


def test_softmax_of_a_row_in_which_no_class_is_possible_is_refused_beside_rows_that_are_good():
    with pytest.raises(ValueError, match="softmax wants finite scores, got -inf"):
        softmax(np.array([[-np.inf, -np.inf], [0.0, 1.0]]))


@pytest.mark.parametrize(
    ("dtype", "near", "far"),
    [(np.float16, 1e-3, 4e-3), (np.float32, 3e-7, 3e-6), (np.float64, 3e-10, 3e-9)],
)
def test_rows_of_t_sum_to_one_as_nearly_as_their_type_can_tell(dtype, near, far):
    a = np.zeros((2, 2), dtype)
    for off in (near, -near):
        SoftmaxWithLoss().forward(a, np.array([[1.0, 0.0], [0.5, 0.5 + off]], dtype))
    for off in (far, -far):
        with pytest.raises(ValueError, match="sum to 1"):
            SoftmaxWithLoss().forward(a, np.array([[1.0, 0.0], [0.5, 0.5 + off]], dtype))


@pytest.mark.parametrize("make", LAYERS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_gradient_has_the_type_of_the_output_whatever_dout_came_in(make, dtype):
    layer = make()
    for key, value in layer.params.items():
        layer.params[key] = value.astype(dtype)
    out = layer.forward(array((4, 3)).astype(dtype))
    for given in (np.float32, np.float64):
        dx = layer.backward(np.ones(out.shape, given))
        assert {a.dtype for a in (out, dx, *layer.grads.values())} == {np.dtype(dtype)}


EXTREMES = np.array([[1e308, -1e308, 1e-308], [800.0, -800.0, 5e-324], [20.0, 5.0, -20.0]])


@pytest.mark.parametrize("make", LAYERS)
@pytest.mark.parametrize("size", [np.inf, 1e308, 1e-308])
def test_layers_are_quiet_about_numbers_too_large_and_too_small(make, size):
    layer = make()
    if layer.params:
        layer.params["b"] = np.array([1.7e308, -1.7e308])
    with np.errstate(all="raise"):
        layer.backward(np.full_like(layer.forward(EXTREMES), size))


def test_a_class_without_a_share_counts_nothing_even_where_it_is_impossible():
    assert cross_entropy(np.array([1e308, -1e308]), np.array([1.0, 0.0])) == 0.0


@pytest.mark.parametrize("size", [np.inf, 1e308, 1e-308])
def test_losses_are_quiet_about_numbers_too_large_and_too_small(size):
    labels = [1, 0, 1]
    with np.errstate(all="raise"):
        assert cross_entropy(EXTREMES, labels) == np.inf
        assert sum_squared_error(EXTREMES, -EXTREMES) == np.inf
        assert softmax(EXTREMES)[:2].tolist() == [[1.0, 0.0, 0.0]] * 2
        for loss, t in [(SoftmaxWithLoss(), labels), (IdentityWithLoss(), -EXTREMES)]:
            assert loss.forward(EXTREMES, t) == np.inf
            loss.backward(size)
            loss.expand(EXTREMES, t).backward(size)
        IdentityWithLoss().expand(np.ones((1, 1), np.float32), [[size]])


@pytest.mark.parametrize("loss", [SoftmaxWithLoss, IdentityWithLoss])
@pytest.mark.parametrize("shape", [(0, 3), (3, 0), (2, 2, 2), ()])
def test_scores_of_an_impossible_shape_are_refused(loss, shape):
    with pytest.raises(ValueError, match="wants scores"):
        loss().forward(np.ones(shape), np.ones(shape))


@pytest.mark.parametrize("make", [*LAYERS, SoftmaxWithLoss, IdentityWithLoss])
def test_backward_before_forward_says_so(make):
    with pytest.raises(RuntimeError, match="backward was called before forward"):
        make().backward(1.0)


@pytest.mark.parametrize("make", LAYERS)
def test_a_dout_of_another_shape_is_refused(make):
    layer = make()
    layer.forward(array((4, 3)))
    for shape in ((4, 7), (4, 1), (3, 7), (12,)):
        with pytest.raises(ValueError, match="wants a dout of the output's shape"):
            layer.backward(np.ones(shape))


@pytest.mark.parametrize("make", LAYERS)
@pytest.mark.parametrize("kind", [int, bool])
def test_integers_become_float64(make, kind):
    layer = make()
    assert layer.forward(np.ones((4, 3), kind)).dtype == np.float64
    assert layer.backward(layer.forward(np.ones((4, 3)))).dtype == np.float64


@pytest.mark.parametrize("loss", [SoftmaxWithLoss, IdentityWithLoss])
def test_a_loss_hands_float32_back(loss):
    layer = loss()
    layer.forward(np.zeros((2, 3), np.float32), np.eye(3)[:2])
    assert layer.backward(2.0).dtype == np.float32


@pytest.mark.parametrize("M", [1, 2])
@pytest.mark.parametrize("before", [(), (1,), (4,), (2, 3)])
def test_an_affine_layer_takes_one_sample_or_a_batch_of_batches_both_ways(before, M):
    """What comes is that of the same samples as one batch, in the shape that the samples came in."""
    layer, x, dout = affine(3, M), array((*before, 3)), array((*before, M), 2)
    out, dx = layer.forward(x), layer.backward(dout)
    grads = dict(layer.grads)
    flat = affine(3, M)
    close(out, flat.forward(x.reshape(-1, 3)).reshape(*before, M))
    close(dx, flat.backward(dout.reshape(-1, M)).reshape(*before, 3))
    for key, gradient in flat.grads.items():
        assert grads[key].shape == flat.params[key].shape
        close(grads[key], gradient)


def test_a_parameter_assigned_anew_is_honoured():
    layer = affine()
    x = array((4, 3))
    layer.params["W"] = np.zeros((3, 2), np.float32)
    layer.params["b"] = np.array([1, 2])
    assert layer.forward(x).tolist() == [[1.0, 2.0]] * 4
    assert layer.params.keys() == layer.grads.keys() == {"W", "b"}
    layer.params["b"] = np.ones(1)  # W is the one that was looked at, and b would be stretched
    with pytest.raises(ValueError, match=r"b \(M,\), got W \(3, 2\) and b \(1,\)"):
        layer.forward(x)


@pytest.mark.parametrize(
    ("make", "error", "said"),
    [
        (lambda: Affine(np.ones((2, 3)), np.ones(2)), ValueError, r"W \(D, M\) and b \(M,\)"),
        (lambda: Affine(np.ones(3), np.ones(3)), ValueError, r"got W \(3,\)"),
        (lambda: Affine(np.ones(3), 1.0), ValueError, r"got W \(3,\) and b \(\)"),
        (lambda: Affine(np.ones((2, 3, 4)), np.ones((3, 4))), ValueError, r"got W \(2, 3, 4\)"),
        (lambda: Affine(np.ones((2, 3, 4)), np.ones(3)), ValueError, r"got W \(2, 3, 4\)"),
        (lambda: affine().forward(np.ones((4, 2))), ValueError, r"wants x \(N, 3\)"),
        (lambda: affine().forward(np.ones((4, 4))), ValueError, r"wants x \(N, 3\)"),
        (lambda: affine().forward(np.ones((2, 3, 4))), ValueError, r"got x \(2, 3, 4\)"),
        (lambda: affine().forward("x"), TypeError, "Affine wants real numbers"),
        (lambda: Affine.init(2, 3, 0), TypeError, "Generator as rng"),
        (lambda: Affine.init(0, 3, np.random.default_rng(0)), ValueError, "number D, got 0"),
        (lambda: Affine.init(2, 3, np.random.default_rng(0), "she"), ValueError, '"he", "xavier"'),
        (
            lambda: Affine.init(2, 3, np.random.default_rng(0), -1.0),
            ValueError,
            "number from 0, got -1",
        ),
    ],
)
def test_wrong_shapes_and_arguments_are_refused_in_words(make, error, said):
    with pytest.raises(error, match=said):
        make()


@pytest.mark.parametrize(
    ("scale", "spread"), [("he", np.sqrt(2 / 400)), ("xavier", np.sqrt(1 / 400)), (0.3, 0.3)]
)
def test_a_start_has_the_spread_it_promises(scale, spread):
    layer = Affine.init(400, 300, np.random.default_rng(0), scale)
    assert layer.params["W"].std() == pytest.approx(spread, rel=0.02)
    assert abs(layer.params["W"].mean()) < 0.02 * spread
    assert not layer.params["b"].any()


def test_both_losses_hand_back_y_minus_t_over_n():
    a, t = array((5, 3)), np.eye(3)[[0, 1, 2, 0, 1]]
    for loss, y in [(SoftmaxWithLoss(), softmax(a)), (IdentityWithLoss(), a)]:
        loss.forward(a, t)
        np.testing.assert_allclose(loss.backward(), (y - t) / 5, rtol=1e-14)


def test_softmax_does_not_feel_a_shift():
    a = array((4, 5))
    np.testing.assert_allclose(softmax(a), softmax(a + 1000.0), rtol=1e-12)


def test_every_start_takes_its_arguments_by_name_and_looks_at_them():
    rng = np.random.default_rng(0)
    starts = [
        (Affine, {"D": 2, "M": 3}), (Embedding, {"V": 5, "D": 3}), (BatchNorm, {"D": 3}),
        (Attention, {"D": 3, "H": 2}), (Conv2D, {"C": 1, "F": 2, "size": 3}),
    ]  # fmt: skip
    for layer, sizes in starts:
        given = sizes | ({} if layer is BatchNorm else {"rng": rng})
        assert layer.init(**given).params
        for name in given:
            with pytest.raises(
                (ValueError, TypeError), match=rf"{layer.__name__}.init .*\b{name}\b"
            ):
                layer.init(**(given | {name: "many"}))
