"""What holds for every layer: it equals its nodes, agrees with nudging, keeps float32, and leaves alone what is not its own."""

from itertools import product

import numpy as np
import pytest
from trial import snapshot

from chainrule.gradcheck import diagnose, gradient_check
from chainrule.graph import Variable, topological_order
from chainrule.guests import Attention, BatchNorm, Conv2D, Dropout, Embedding, Flatten, MaxPool2D
from chainrule.layers import Affine, ReLU, Sigmoid, Tanh


def array(*shape, seed=1):
    return np.random.default_rng(seed).normal(size=shape)


def affine(bias=True):
    return Affine(array(3, 2, seed=2), array(2, seed=3) if bias else None)


def dropout(training):
    layer = Dropout(0.4, np.random.default_rng(0))
    layer.training = training
    return layer


def batch_norm(training):
    layer = BatchNorm([0.5, 2.0, -1.5], [0.1, -0.2, 0.3])
    layer.running_mean, layer.running_var = array(3, seed=5), np.array([0.3, 2.0, 1.0])
    layer.training = training
    return layer


def convolution(stride, pad, bias):
    return Conv2D(array(3, 2, 3, 2), array(3) if bias else None, stride, pad)


def attention():
    return Attention.init(3, 5, np.random.default_rng(1))


def embedding():
    return Embedding.init(5, 3, np.random.default_rng(1))


def rows():
    """(how a layer is made, what it is given, its name): every layer with every form of x."""
    for shape in [(4, 3), (1, 3), (3,), (2, 4, 3), (2, 1, 2, 3), (0, 3)]:
        for make in (ReLU, Sigmoid, Tanh, affine, lambda: affine(bias=False)):
            name = "Affine without bias" if make.__name__ == "<lambda>" else make.__name__
            yield make, array(*shape), f"{name} {shape}"
    modes = {"training": True, "prediction": False}.items()
    for shape, (mode, training) in product([(5, 3), (2, 3), (1, 3), (3,), (4, 3, 2, 5)], modes):
        for make in (dropout, batch_norm):
            yield lambda m=make, t=training: m(t), array(*shape), f"{make.__name__} {mode} {shape}"
    ways = [(1, 0), (2, 0), (1, 1), ((2, 1), 2), ((3, 2), 1)]
    for (stride, pad), bias in product(ways, (True, False)):
        name = f"convolution, stride {stride}, pad {pad}{', bias' * bias}"
        yield lambda s=stride, p=pad, b=bias: convolution(s, p, b), array(2, 2, 6, 5), name
    for size, stride in [(2, None), ((2, 3), None), (3, 1), (2, (1, 3)), (1, 2)]:
        name = f"pooling {size}, stride {stride}"
        yield lambda s=size, t=stride: MaxPool2D(s, t), array(2, 3, 6, 7), name
    ties = np.random.default_rng(0).integers(0, 3, (2, 2, 5, 6)).astype(float)
    yield lambda: MaxPool2D(3, 1), ties, "pooling with ties"
    yield lambda: convolution(1, 0, True), array(0, 2, 6, 5), "convolution, no sample"
    yield lambda: MaxPool2D(2), array(0, 2, 6, 5), "pooling, no sample"
    tokens = array(2, 4, 3)
    yield attention, tokens, "attention"
    yield attention, tokens[0], "attention, one sequence"
    yield attention, tokens[:, :1], "attention, one token"
    yield attention, tokens[:0], "attention, no sequence"
    yield embedding, np.array([[0, 2, 2], [4, 0, 0]]), "embedding"
    yield embedding, np.array(3), "embedding, one word"
    yield embedding, np.zeros((0, 2), int), "embedding, no word"
    yield Flatten, tokens, "flatten"
    yield Flatten, tokens[:0], "flatten, nothing"


ROWS = [pytest.param(make, x, id=name) for make, x, name in rows()]
every_layer = pytest.mark.parametrize(("make", "x"), ROWS)
# at a tie there is a kink, and where there is no number there is nothing to nudge
every_layer_that_can_be_nudged = pytest.mark.parametrize(
    ("make", "x"), [row for row in ROWS if row.values[1].size and "ties" not in row.id]
)


def close(got, wanted, tolerance=1e-12):
    assert np.shape(got) == np.shape(wanted)
    size = np.linalg.norm(np.ravel(got)) + np.linalg.norm(np.ravel(wanted))
    assert np.linalg.norm(np.ravel(np.subtract(got, wanted))) <= tolerance * size + 1e-300


@every_layer
def test_a_layer_equals_its_own_nodes_in_value_and_in_every_gradient(make, x):
    layer = make()
    out = layer.forward(x)
    dout = array(*out.shape, seed=2)
    leaf = x if x.dtype.kind == "i" else Variable(x, "x")
    written_out = layer.expand(leaf)
    written_out.backward(dout)
    close(out, written_out.value)
    dx = layer.backward(dout)
    if leaf is x:
        assert dx is None
    else:
        close(dx, leaf.grad)
    named = {v.name: v.grad for v in topological_order(written_out)}
    for key, gradient in layer.grads.items():
        close(gradient, named[key])


@every_layer_that_can_be_nudged
def test_a_layer_agrees_with_nudging_and_the_doctor_finds_nothing(make, x):
    report = gradient_check(make(), x)
    assert report.ok and report.kinks == 0 and report.max_relative_error < 1e-7, report
    assert diagnose(make(), x) == []


@every_layer
def test_float32_stays_and_nothing_that_came_is_written_to(make, x):
    layer = make()
    for key, value in layer.params.items():
        layer.params[key] = value.astype(np.float32)
        layer.params[key].flags.writeable = False
    given = x.copy() if x.dtype.kind == "i" else x.astype(np.float32)
    given.flags.writeable = False
    out = layer.forward(given)
    dout = np.ones(out.shape)
    dout.flags.writeable = False
    dx = layer.backward(dout)
    assert out.dtype == np.float32 and not np.shares_memory(out, given)
    assert dx is None or (dx.dtype == np.float32 and dx.shape == x.shape)
    assert {gradient.dtype for gradient in layer.grads.values()} <= {np.dtype(np.float32)}


@every_layer
def test_what_a_layer_returned_is_the_callers_own_to_keep_and_to_write_into(make, x):
    layer, twin = make(), make()
    out, first = layer.forward(x), twin.forward(x)
    np.testing.assert_array_equal(out, first)
    dout = array(*out.shape, seed=3)
    out[...] = 7.0
    dx, grads = layer.backward(dout), dict(layer.grads)
    kept = snapshot([dx, grads])
    assert snapshot([twin.backward(dout), dict(twin.grads)]) == kept  # 7 reached no gradient
    layer.backward(-2 * dout)
    layer.forward(x if x.dtype.kind == "i" else x + 1.0)
    layer.backward(dout)
    assert snapshot([dx, grads]) == kept and np.all(out == 7.0)


@pytest.mark.parametrize(
    ("make", "x", "bad"),
    [
        (ReLU, array(4, 3), "no array"),
        (Sigmoid, array(4, 3), "no array"),
        (Tanh, array(4, 3), "no array"),
        (affine, array(4, 3), array(4, 2)),
        (lambda: dropout(True), array(4, 3), "no array"),
        (lambda: batch_norm(True), array(4, 3), array(4, 2)),
        (lambda: convolution(1, 0, True), array(1, 2, 4, 4), array(1, 3, 4, 4)),
        (lambda: MaxPool2D(2), array(1, 2, 4, 4), array(1, 2, 1, 4)),
        (attention, array(2, 4, 3), array(2, 4, 3) * np.nan),
        (embedding, np.array([[0, 2, 2]]), np.array([[9]])),
        (Flatten, array(2, 4, 3), "no array"),
    ],
    ids=lambda one: type(one()).__name__ if callable(one) else "",
)
def test_a_refused_input_leaves_a_layer_as_it_was(make, x, bad):
    layer, twin = make(), make()
    dout = array(*layer.forward(x).shape, seed=3)
    twin.forward(x)
    with pytest.raises((ValueError, TypeError)):
        layer.forward(bad)
    got = [layer.backward(dout), dict(layer.grads)]
    assert snapshot(got) == snapshot([twin.backward(dout), dict(twin.grads)])
