"""Convolution and pooling: equal to the loops and to the turned kernel, on shapes that all differ."""

import json
import sys
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainrule.datasets import load_digits
from chainrule.exercises import check
from chainrule.gradcheck import diagnose, gradient_check
from chainrule.guests import Conv2D, Flatten, MaxPool2D
from chainrule.guests.convolution import padded, places, views
from chainrule.layers import Affine, ReLU
from chainrule.losses import SoftmaxWithLoss
from chainrule.network import Network
from chainrule.numeric import numerical_gradient
from chainrule.trace import trace_network

RNG = np.random.default_rng(0)
WAYS = [(1, 0), (2, 0), (1, 1), ((2, 1), 2), ((3, 2), 1)]  # stride, pad


def normal(*shape, seed=0):
    return np.random.default_rng([seed, *shape]).normal(size=shape)


def conv(stride=1, pad=0):
    return Conv2D(normal(3, 2, 3, 2), normal(3), stride, pad)


def close(got, wanted, tolerance=1e-12):
    assert got.shape == wanted.shape
    assert np.linalg.norm(got - wanted) <= tolerance * (1 + np.linalg.norm(wanted))


def by_loops(x, W, b, stride, pad):
    """The definition, an entry at a time."""
    (down, across), x = np.broadcast_to(stride, 2), padded(x, pad)
    (N, _, H, X), (F, _, KH, KW) = x.shape, W.shape
    out = np.zeros((N, F, (H - KH) // down + 1, (X - KW) // across + 1))
    for n, f, i, j in np.ndindex(out.shape):
        window = x[n, :, i * down : i * down + KH, j * across : j * across + KW]
        out[n, f, i, j] = np.sum(window * W[f]) + b[f]
    return out


@pytest.mark.parametrize(("stride", "pad"), WAYS)
def test_a_convolution_is_a_weighted_sum_for_each_window(stride, pad):
    x, layer = normal(2, 2, 6, 5), conv(stride, pad)
    close(layer.forward(x), by_loops(x, *layer.params.values(), stride, pad))


# ---------------------------------------------------------------- what chapter 14 says


@given(st.data())
def test_the_way_back_is_a_convolution_with_the_turned_kernel(data):
    N, C, F, KH, KW = (data.draw(st.integers(1, 3)) for _ in range(5))
    H, X = KH + data.draw(st.integers(0, 3)), KW + data.draw(st.integers(0, 3))
    layer, x = Conv2D(normal(F, C, KH, KW)), normal(N, C, H, X)
    dout = normal(*layer.forward(x).shape, seed=1)
    turned = layer.params["W"][:, :, ::-1, ::-1].swapaxes(0, 1)
    framed = np.pad(dout, [(0, 0), (0, 0), (KH - 1, KH - 1), (KW - 1, KW - 1)])
    close(layer.backward(dout), Conv2D(turned).forward(framed))


def test_the_gradient_of_a_kernel_is_the_upstream_gradient_sliding_over_the_image():
    layer, x = Conv2D(normal(1, 1, 2, 3)), normal(1, 1, 3, 5)
    dout = normal(1, 1, 2, 3, seed=1)
    layer.forward(x)
    layer.backward(dout)
    close(layer.grads["W"], Conv2D(dout).forward(x))


def test_the_bias_gets_the_sum_over_samples_and_places():
    layer = conv(pad=1)
    dout = RNG.normal(size=layer.forward(normal(2, 2, 6, 5)).shape)
    layer.backward(dout)
    close(layer.grads["b"], dout.sum(axis=(0, 2, 3)))


def test_a_kernel_as_large_as_the_image_is_an_affine_layer():
    W, b, x = normal(4, 300, 3, 5), normal(4), normal(6, 300, 3, 5)
    layer, affine = Conv2D(W, b), Affine(W.reshape(4, -1).T, b)
    close(layer.forward(x)[:, :, 0, 0], affine.forward(x.reshape(6, -1)))
    dout = normal(6, 4, seed=1)
    close(layer.backward(dout[:, :, None, None]), affine.backward(dout).reshape(x.shape))


def test_a_shifted_image_gives_a_shifted_feature_map():
    layer, x = Conv2D(normal(2, 1, 3, 3)), np.zeros((1, 1, 9, 9))
    x[:, :, 3:6, 2:5] = normal(1, 1, 3, 3)
    moved = np.roll(x, 2, axis=3)
    close(np.roll(layer.forward(x), 2, axis=3), layer.forward(moved))


def test_what_no_window_sees_has_gradient_0_and_the_frame_is_cut_off():
    for stride, pad, unseen in [(1, 0, 0), (1, 1, 0), (2, 0, 15), (2, 1, 0), (3, 0, 28)]:
        layer = Conv2D(np.ones((1, 1, 3, 3)), stride=stride, pad=pad)
        dx = layer.backward(np.ones_like(layer.forward(normal(1, 1, 8, 8))))
        assert dx.shape == (1, 1, 8, 8) and (dx == 0).sum() == unseen


def test_places_number_the_entries_of_each_window_and_of_the_frame_by_minus_one():
    assert places((1, 3, 5), (2, 3), (1, 1))[0, 0].tolist() == [0, 1, 2, 5, 6, 7]
    assert places((2, 2, 2), (2, 1), (1, 1))[0, 1].tolist() == [1, 3, 5, 7]
    assert places((1, 1, 2), (1, 2), (1, 1), pad=1)[1, 0].tolist() == [-1, 0]


def test_views_are_what_each_entry_of_the_window_sees():
    x = np.arange(12.0).reshape(3, 4)
    assert [view.tolist() for view in views(x, (1, 2), (2, 2))] == [
        [[0, 2], [8, 10]],
        [[1, 3], [9, 11]],
    ]
    assert all(np.shares_memory(view, x) for view in views(x, (2, 2)))


def test_the_winner_of_a_window_takes_the_gradient_and_the_first_of_several_that_tie():
    x = np.array([[4, 1, 5, 5], [3, 4, 5, 5.0]]).reshape(1, 1, 2, 4)
    layer = MaxPool2D(2)
    assert layer.forward(x).tolist() == [[[[4, 5]]]]
    assert layer.backward([[[[7, 8]]]]).tolist() == [[[[7, 0, 8, 0], [0, 0, 0, 0]]]]


def test_where_windows_of_pooling_overlap_the_gradients_of_one_winner_add():
    layer = MaxPool2D(2, 1)
    layer.forward([[[[0, 1, 0], [0, 9, 0], [0, 0, 0]]]])
    assert layer.backward([[[[1, 2], [3, 4]]]])[0, 0, 1, 1] == 10


def test_of_all_entries_moved_together_a_tie_has_a_slope_and_the_gradients_add_up_to_it():
    x, layer = np.full((1, 1, 2, 2), 3.0), MaxPool2D(2)
    layer.forward(x)
    total = layer.backward(np.full((1, 1, 1, 1), 8.0)).sum()
    slope = numerical_gradient(lambda d: 8 * MaxPool2D(2).forward(x + d).item(), 0.0)
    assert total == pytest.approx(slope)


def test_the_hand_made_example_of_chapter_14():
    layer = Conv2D([[[[1.0, -1.0]]]])
    assert layer.forward([[[[1, 2, 0], [0, 1, 3]]]]).tolist() == [[[[-1, 2], [-1, -2]]]]
    assert layer.backward([[[[1, 2], [-1, 0]]]]).tolist() == [[[[1, 1, -2], [-1, 1, 0]]]]
    assert layer.grads["W"].tolist() == [[[[5, 1]]]]


def test_the_numbers_of_chapter_14():
    image = np.array([[0, 1, 3, 2, 0], [2, 3, 1, 0, 1], [1, 0, 0, 2, 3.0]])
    layer = Conv2D([[[[1, 0, -1], [2, 1, 0.0]]]], [1.0])
    assert layer.forward(image[None, None]).tolist() == [[[[5, 7, 6], [4, 4, 3]]]]
    dx = layer.backward([[[[2, 0, -2], [3, 1, 2]]]])
    assert layer.grads["W"][0, 0, 0, 0] == 5 and layer.grads["b"].tolist() == [6]
    assert dx[0, 0, 1, 2] == -2 * 2 + 3 * -1 + 1 * 0 + 2 * 1
    index = layer.places((1, 1, 3, 5))
    assert np.bincount(index.ravel()).tolist() == [1, 2, 3, 2, 1, 2, 4, 6, 4, 2, 1, 2, 3, 2, 1]


# ---------------------------------------------------------------- what is refused


def framed_by_three(KH, KW):
    return Conv2D(np.ones((1, 1, KH, KW)), pad=3).forward(np.ones((1, 1, 2, 2)))


def test_a_window_as_large_as_image_and_frame_has_one_place():
    assert framed_by_three(8, 8).tolist() == [[[[4.0]]]]


REFUSED = {
    "W of three axes": (lambda: Conv2D(np.ones((2, 3, 3))), "W (F, C, KH, KW)"),
    "b of another length": (lambda: Conv2D(np.ones((2, 1, 3, 3)), np.ones(3)), "b (F,)"),
    "no stride": (lambda: Conv2D(np.ones((2, 1, 3, 3)), stride=0), "stride"),
    "half a stride": (lambda: Conv2D(np.ones((2, 1, 3, 3)), stride=1.5), "stride"),
    "negative pad": (lambda: Conv2D(np.ones((2, 1, 3, 3)), pad=-1), "pad"),
    "pad as a word": (lambda: Conv2D(np.ones((2, 1, 3, 3)), pad="same"), "pad"),
    "no size": (lambda: MaxPool2D(0), "size"),
    "three sizes": (lambda: MaxPool2D((2, 2, 2)), "size"),
    "no stride of pooling": (lambda: MaxPool2D(2, 0), "stride"),
    "no channels": (lambda: Conv2D.init(0, 2, 3, RNG), "C"),
    "no kernels": (lambda: Conv2D.init(2, 0, 3, RNG), "F"),
    "no rng": (lambda: Conv2D.init(1, 2, 3, None), "rng"),
    "a scale": (lambda: Conv2D.init(1, 2, 3, RNG, scale="large"), "scale"),
    "a row": (lambda: conv().forward(np.ones((2, 30))), "(N, C, H, W)"),
    "one image": (lambda: conv().forward(np.ones((2, 6, 5))), "x[np.newaxis]"),
    "fewer channels": (lambda: conv().forward(np.ones((1, 1, 6, 5))), "(N, 2, H, W)"),
    "five axes": (lambda: conv().forward(np.ones((1, 3, 6, 5, 1))), "wants images x (N, C, H, W)"),
    "other channels": (lambda: conv().forward(np.ones((1, 3, 6, 5))), "(N, 2, H, W)"),
    "no room": (lambda: conv().forward(np.ones((1, 2, 2, 5))), "does not fit"),
    "no room down, padded": (
        lambda: Conv2D(np.ones((1, 1, 4, 1)), pad=1).forward(np.ones((1, 1, 1, 4))),
        "a window (4, 1) does not fit into an image (1, 4) with pad 1",
    ),
    "no room across, padded": (
        lambda: Conv2D(np.ones((1, 1, 1, 4)), pad=1).forward(np.ones((1, 1, 4, 1))),
        "a window (1, 4) does not fit into an image (4, 1) with pad 1",
    ),
    "no room down": (
        lambda: framed_by_three(9, 8),
        "(9, 8) does not fit into an image (2, 2) with pad 3",
    ),
    "no room across": (lambda: framed_by_three(8, 9), "does not fit"),
    "no room for pooling": (lambda: MaxPool2D(3).forward(np.ones((1, 2, 2, 5))), "does not fit"),
    "pooling of a row": (lambda: MaxPool2D(2).forward(np.ones((2, 8))), "(N, C, H, W)"),
    "expand of a row": (lambda: conv().expand(np.ones((2, 30))), "(N, C, H, W)"),
}


@pytest.mark.parametrize(("call", "words"), REFUSED.values(), ids=REFUSED)
def test_bad_input_is_refused_in_words_that_say_what_was_wanted(call, words):
    with pytest.raises((ValueError, TypeError)) as error:
        call()
    assert words in str(error.value)
    assert ("newaxis" in words) == ("newaxis" in str(error.value))


def test_one_image_alone_is_told_how_to_become_a_batch():
    for shape in ((2, 30), (1, 2, 6, 5, 1)):
        with pytest.raises(ValueError) as error:
            conv().forward(np.ones(shape))
        assert str(error.value).endswith(f"got shape {shape}")


# ---------------------------------------------------------------- in a network


def test_he_s_start_keeps_the_size_of_signals():
    layer = Conv2D.init(8, 200, (3, 5), np.random.default_rng(1))
    assert layer.params["W"].std() == pytest.approx(np.sqrt(2 / (8 * 15)), rel=0.02)
    assert layer.params["b"].tolist() == [0.0] * 200


def network(seed=0):
    rng = np.random.default_rng(seed)
    layers = [Conv2D.init(1, 4, 3, rng, pad=1), ReLU(), MaxPool2D(2), Flatten()]
    return Network([*layers, Affine.init(64, 10, rng)], SoftmaxWithLoss())


def test_a_network_of_them_passes_the_gradient_check_and_spares_the_gradient_of_its_images():
    (x, t), _ = load_digits()
    net, x = network(), x[:3].reshape(-1, 1, 8, 8)
    gradient_check(net, x, t[:3]).raise_if_failed()
    net.gradient(x, t[:3])
    assert net.layers["Conv2D1"].want_dx


def test_a_trace_of_a_network_holds_the_same_numbers_in_layers_and_in_nodes():
    (x, t), _ = load_digits()
    trace = trace_network(network(), x[:2].reshape(-1, 1, 8, 8), t[:2])
    assert trace.nodes is not None, trace.why
    again = trace.read_again(trace.nodes)
    for one, other in zip(trace.variables, again.variables, strict=True):
        close(np.asarray(one.value), np.asarray(other.value))
        if one.grad is not None:
            close(np.asarray(one.grad), np.asarray(other.grad))


# ---------------------------------------------------------------- exercises, and the public's mistakes


class MyConv2D(Conv2D):
    pass


class BiasAtOnePlace(Conv2D):
    def backward(self, dout):
        dx = super().backward(dout)
        self.grads["b"] = dout[:, :, 0, 0].sum(axis=0)
        return dx


class KernelNotTurned(Conv2D):
    def backward(self, dout):
        super().backward(dout)
        KH, KW = self.W.shape[2:]
        framed = np.pad(dout, [(0, 0), (0, 0), (KH - 1, KH - 1), (KW - 1, KW - 1)])
        return Conv2D(self.W.swapaxes(0, 1)).forward(framed)


class OverlapOverwritten(Conv2D):
    def backward(self, dout):
        super().backward(dout)
        dx = np.zeros(self.x_shape)
        flat = dout.transpose(1, 2, 3, 0).reshape(len(self.W), -1)
        shares = (self.W.reshape(len(self.W), -1).T @ flat).reshape(self.seen_shape)
        for view, share in zip(
            views(dx, self.W.shape[2:], self.stride), shares.transpose(1, 4, 0, 2, 3), strict=True
        ):
            view[...] = share
        return dx


class FrameKept(Conv2D):
    def backward(self, dout):
        return padded(super().backward(dout), 1)


class OrderLost(Conv2D):
    def backward(self, dout):
        dx, (F, C) = super().backward(dout), self.W.shape[:2]
        turned = self.grads["W"].reshape(F, C, -1).swapaxes(1, 2)
        self.grads["W"] = turned.reshape(self.W.shape)
        return dx


@pytest.mark.parametrize(
    ("kind", "cause", "where"),
    [
        (BiasAtOnePlace, "overwritten-at-fork", "b"),
        (KernelNotTurned, "kernel-not-turned", "x"),
        (OverlapOverwritten, "overwritten-at-fork", "x"),
        (FrameKept, "wrong-shape", "x"),
        (OrderLost, "axes-in-wrong-order", "W"),
    ],
)
def test_the_doctor_names_what_goes_wrong_in_a_convolution(kind, cause, where):
    found = diagnose(kind(normal(3, 2, 2, 3), normal(3)), normal(2, 2, 5, 4))
    assert [(one.cause, one.where) for one in found] == [(cause, where)]


class MyMaxPool2D(MaxPool2D):
    def forward(self, x):
        self.x, self.y = x, super().forward(x)
        return self.y.copy()

    def backward(self, dout):
        dx = np.zeros_like(self.x)
        for view, dview in zip(
            views(self.x, self.size, self.stride), views(dx, self.size, self.stride), strict=True
        ):
            dview += dout * (view == self.y)
        return dx


def test_a_tie_that_is_counted_twice_passes_the_check_and_the_doctor_names_it():
    whole = RNG.integers(4, size=(2, 3, 4, 6)).astype(float)
    assert gradient_check(MyMaxPool2D(2), whole).ok
    assert [one.cause for one in diagnose(MyMaxPool2D(2), whole)] == ["tie-counted-twice"]
    assert diagnose(MyMaxPool2D(2), normal(2, 3, 4, 6)) == []
    verdict = check(MyMaxPool2D)
    assert not verdict.ok and "tie" in verdict.sentence


def test_the_grader_says_right_of_what_is_right_and_names_a_bias_at_one_place():
    assert check(MyConv2D).ok
    Wrong = type("MyConv2D", (BiasAtOnePlace,), {})
    verdict = check(Wrong)
    assert not verdict.ok and "at b" in verdict.sentence


# ---------------------------------------------------------------- the record of MNIST


def test_the_record_of_mnist_says_how_it_was_made_and_holds_what_chapter_14_says():
    text = (files("chainrule") / "data/convolution_mnist.json").read_text(encoding="utf-8")
    record = json.loads(text)
    assert record["command"] == "make convolution MNIST=FOLDER"
    assert record["date"] and record["machine"] and "MNIST" in record["data"]
    assert len(record["accuracy"]) == record["recipe"]["epochs"] == 8
    assert round(record["accuracy"][-1], 3) == 0.990


def test_the_command_writes_the_record(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(Path(__file__).parents[1] / "benchmarks")
    import convolution

    (x, t), (x_test, t_test) = load_digits()
    large = [np.kron(a.reshape(-1, 8, 8), np.ones((2, 2))).reshape(-1, 256) for a in (x, x_test)]
    data = (large[0][:100], t[:100]), (large[1][:50], t_test[:50])
    monkeypatch.setattr(convolution, "load_mnist", lambda folder: data)
    made = tmp_path / "record.json"
    options = ["folder", "--epochs", "2", "--outcome", str(made)]
    monkeypatch.setattr(sys, "argv", ["convolution.py", *options])
    convolution.main()
    record = json.loads(made.read_text(encoding="utf-8"))
    assert len(record["accuracy"]) == 2 and record["recipe"]["epochs"] == 2
