"""The nodes of Part II: small numbers by hand, then every form against a numerical gradient and NumPy."""

import inspect
import subprocess
import sys

import numpy as np
import pytest

from chainrule.gradcheck import gradient_check
from chainrule.graph import Variable, forward_steps
from chainrule.guests import Flatten
from chainrule.guests import Reshape as OldReshape
from chainrule.more_nodes import (
    Max,
    Mean,
    Reshape,
    Take,
    Transpose,
    max_,
    mean,
    reshape,
    take,
    transpose,
)
from chainrule.trace import Trace, trace_graph

X = np.random.default_rng(0).normal(size=(2, 3, 4))
NODES = {
    "reshape": (lambda: Reshape(4, 6), lambda x: x.reshape(4, 6)),
    "reshape, one size open": (lambda: Reshape(3, -1), lambda x: x.reshape(3, -1)),
    "reshape, a tuple": (lambda: Reshape((24,)), lambda x: x.reshape(24)),
    "transpose": (Transpose, lambda x: x.T),
    "transpose, an order": (lambda: Transpose(0, 2, 1), lambda x: x.transpose(0, 2, 1)),
    "transpose, a cycle": (lambda: Transpose(2, 0, 1), lambda x: x.transpose(2, 0, 1)),
    "transpose, from behind": (lambda: Transpose(-1, 0, 1), lambda x: x.transpose(-1, 0, 1)),
    "take a row": (lambda: Take(1), lambda x: x[1]),
    "take from behind": (lambda: Take((0, -1)), lambda x: x[0, -1]),
    "take one number": (lambda: Take((1, 2, 3)), lambda x: x[1, 2, 3]),
    "take a slice": (lambda: Take((..., slice(None, None, 2))), lambda x: x[..., ::2]),
    "take backwards": (lambda: Take(slice(None, None, -1)), lambda x: x[::-1]),
    "take rows twice": (lambda: Take([0, 1, 0, 0]), lambda x: x[[0, 1, 0, 0]]),
    "take pairs twice": (
        lambda: Take(([0, 0, 1], [2, 2, 0])),
        lambda x: x[[0, 0, 1], [2, 2, 0]],
    ),
    "take a table": (lambda: Take(np.array([[0, 1], [1, 1]])), lambda x: x[[[0, 1], [1, 1]]]),
    "take a mask": (lambda: Take(X > 0), lambda x: x[X > 0]),
    "take nothing": (lambda: Take(slice(0, 0)), lambda x: x[0:0]),
    "take with a new axis": (lambda: Take((slice(None), None)), lambda x: x[:, None]),
    **{
        f"{cls.__name__.lower()} over {axis}{', kept' * keepdims}": (
            lambda cls=cls, axis=axis, keepdims=keepdims: cls(axis, keepdims),
            lambda x, f=f, axis=axis, keepdims=keepdims: f(x, axis=axis, keepdims=keepdims),
        )
        for cls, f in ((Mean, np.mean), (Max, np.max))
        for axis in (None, 0, 1, -1, (0, 2), (2, 0), (0, 1, 2), ())
        for keepdims in (False, True)
    },
}
every_node = pytest.mark.parametrize(("node", "numpy"), NODES.values(), ids=NODES)


@every_node
def test_each_node_gives_what_numpy_gives_and_the_numerical_gradient(node, numpy):
    out = node().forward(X)
    np.testing.assert_array_equal(out, numpy(X))
    assert out.shape == numpy(X).shape
    if out.size:
        report = gradient_check(node(), X)
        assert report.ok and report.kinks == 0, report


@every_node
def test_a_float32_array_stays_one_and_integers_become_float64(node, numpy):
    for given, kept in ((X.astype(np.float32), np.float32), (X.astype(int), np.float64)):
        made = node()
        out = made.forward(given)
        (dx,) = made.backward(np.ones(np.shape(out)))
        assert (out.dtype, dx.dtype, dx.shape) == (kept, kept, X.shape)


@every_node
def test_nothing_that_came_is_written_to_and_what_went_is_the_callers_own(node, numpy):
    x, dout = X.copy(), np.ones(numpy(X).shape)
    x.flags.writeable = dout.flags.writeable = False
    made = node()
    out = made.forward(x)
    (dx,) = made.backward(dout)
    kept = dx.copy()
    if out.ndim:
        assert out.flags.writeable and not np.shares_memory(out, x)
    assert dx.flags.writeable and not np.shares_memory(dx, dout)
    dx += 1.0
    np.testing.assert_array_equal(made.backward(dout)[0], kept)


@pytest.mark.parametrize(
    ("node", "x", "output", "dout", "dx"),
    [
        (Reshape(4), [[1, 2], [3, 4]], [1, 2, 3, 4], [5, 6, 7, 8], [[5, 6], [7, 8]]),
        (Transpose(), [[1, 2], [3, 4]], [[1, 3], [2, 4]], [[5, 6], [7, 8]], [[5, 7], [6, 8]]),
        (Take([0, 2, 0]), [1, 2, 3], [1, 3, 1], [10, 20, 30], [40, 0, 20]),
        (Mean(), [1, 2, 3, 6], 3, 8, [2, 2, 2, 2]),
        (Mean(0), [[1, 2], [3, 6]], [2, 4], [10, 20], [[5, 10], [5, 10]]),
        (Max(), [1, 5, 2, 5], 5, 8, [0, 8, 0, 0]),
        (Max(1), [[1, 3], [4, 2]], [3, 4], [10, 20], [[0, 10], [20, 0]]),
    ],
)
def test_small_numbers_by_hand(node, x, output, dout, dx):
    assert np.array_equal(node.forward(x), output)
    assert np.array_equal(node.backward(dout)[0], dx)


def test_plain_numbers_stay_plain_where_that_has_a_sense():
    for node in (Mean(), Max(), Transpose(), Reshape()):
        out = node.forward(2.0)
        (dx,) = node.backward(3.0)
        assert (out, dx) == (2.0, 3.0) and type(out) is type(dx) is float
    made = Reshape(1, 1)
    assert made.forward(2.0).tolist() == [[2.0]]
    assert made.backward([[3.0]]) == (3.0,)


def test_a_row_that_is_taken_twice_gets_both_gradients():
    table = Variable(np.arange(6.0).reshape(3, 2), "table")
    rows = table[[2, 0, 2]]
    (rows * np.array([[1.0], [10.0], [100.0]])).sum().backward()
    assert table.grad.tolist() == [[10.0, 10.0], [0.0, 0.0], [101.0, 101.0]]


@pytest.mark.parametrize("axis", [None, 1, (0, 1), (1, 0)])
def test_of_several_largest_entries_the_first_wins(axis):
    node = Max(axis)
    x = np.array([[2.0, 7.0, 7.0], [7.0, 7.0, 0.0]])
    node.forward(x)
    (dx,) = node.backward(np.ones(2) if axis == 1 else 1.0)
    first = [[0, 1, 0], [1, 0, 0]] if axis == 1 else [[0, 1, 0], [0, 0, 0]]
    assert dx.tolist() == first


def test_a_tie_is_a_kink_and_is_counted():
    assert gradient_check(Max(), np.array([1.0, 2.0, 2.0])).kinks == 2


def test_no_number_is_the_largest():
    node = Max(1)
    assert np.isnan(node.forward(np.array([[1.0, np.nan, 3.0]]))).all()
    assert node.backward(np.ones(1))[0].tolist() == [[0.0, 1.0, 0.0]]


def test_a_closed_gate_passes_not_even_an_infinite_gradient():
    node = Max()
    node.forward(np.array([1.0, 2.0]))
    assert node.backward(np.inf)[0].tolist() == [0.0, np.inf]


@pytest.mark.parametrize(
    ("make", "error", "said"),
    [
        (lambda: Reshape(2.5).forward(X), ValueError, r"Reshape: .*float.* \(2, 3, 4\)"),
        (lambda: Reshape(-1, -1).forward(X), ValueError, "Reshape: .* one unknown dimension"),
        (lambda: Reshape(True, -1).forward(X), ValueError, "Reshape: .*integer"),
        (lambda: Reshape((4, 6), 1).forward(X), ValueError, "Reshape: 'tuple'"),
        (lambda: Reshape(5).forward(X), ValueError, r"Reshape: .*size 24 into shape \(5,\)"),
        (lambda: Reshape(-1, 0).forward(X), ValueError, "Reshape: .*size 24"),
        (lambda: Transpose(0.5).forward(X), ValueError, "Transpose: .*float"),
        (lambda: Transpose(0, 1).forward(X), ValueError, r"Transpose: axes .*\(2, 3, 4\)"),
        (lambda: Transpose(0, 1, 1).forward(X), ValueError, "Transpose: repeated axis"),
        (lambda: Transpose(0, 1, 3).forward(X), ValueError, "Transpose: axis 3 is out of bounds"),
        (lambda: Take(2).forward(X), IndexError, r"Take: index 2 .*\(2, 3, 4\)"),
        (lambda: Take([0, -3]).forward(X), IndexError, r"Take: index -3 .*\(2, 3, 4\)"),
        (lambda: Take(np.ones(3, bool)).forward(X), IndexError, r"Take: .*3.*\(2, 3, 4\)"),
        (lambda: Take(0).forward(1.0), ValueError, r"Take: .*; got shape \(\)"),
        (lambda: Take(0).forward(np.array(1.0)), ValueError, r"Take: .*; got shape \(\)"),
        (lambda: Take(0.5).forward(X), IndexError, "Take: only integers, slices"),
        (lambda: Take("name").forward(X), IndexError, "Take: only integers, slices"),
        (lambda: Take([[0], [0, 1]]).forward(X), ValueError, "Take: .*inhomogeneous"),
        (lambda: Take(np.ones(2)).forward(X), IndexError, "Take: .* must be of integer"),
        (lambda: Take(Variable(1.0)).forward(X), IndexError, "Take: only integers, slices"),
        (lambda: Mean("rows").forward(X), ValueError, "Mean: 'str'"),
        (lambda: Max(1.5).forward(X), ValueError, "Max: 'float'"),
        (lambda: Mean(3).forward(X), ValueError, r"Mean: axis 3 is out of bounds.*\(2, 3, 4\)"),
        (lambda: Max((0, 0)).forward(X), ValueError, "Max: repeated axis"),
        (lambda: Mean().forward(X[:0]), ValueError, r"Mean wants at least one number.*\(0, 3, 4\)"),
        (lambda: Max(0).forward(X[:0]), ValueError, r"Max wants at least one number.*\(0, 3, 4\)"),
        (lambda: Max().forward([]), ValueError, r"at least one number, got shape \(0,\)"),
    ],
)
def test_what_does_not_fit_is_refused_in_words(make, error, said):
    with pytest.raises(error, match=said):
        make()


def test_an_empty_batch_is_one_and_has_its_means_and_maxima_over_the_other_axes():
    empty = np.zeros((0, 3))
    for node in (Mean(1), Max(1), Reshape(-1, 3), Transpose(), Take((slice(None), 0))):
        out = node.forward(empty)
        assert out.size == 0 and node.backward(out)[0].shape == (0, 3)


def test_a_refused_input_leaves_the_node_as_it_was():
    node = Take([0, 0])
    node.forward(np.ones(2))
    with pytest.raises(IndexError):
        node.forward(np.ones(0))
    assert node.backward(np.ones(2))[0].tolist() == [2.0, 0.0]


# ---------------------------------------------------------------- on a Variable


def test_a_variable_has_the_methods_of_an_array_and_the_functions_say_the_same():
    x = Variable(X, "x")
    pairs = [
        (x.reshape(6, 4), reshape(x, 6, 4), X.reshape(6, 4)),
        (x.transpose(1, 0, 2), transpose(x, 1, 0, 2), X.transpose(1, 0, 2)),
        (x.T, transpose(x), X.T),
        (x[1, ::2], take(x, (1, slice(None, None, 2))), X[1, ::2]),
        (x.mean(axis=-1, keepdims=True), mean(x, -1, True), X.mean(-1, keepdims=True)),
        (x.max(axis=1), max_(x, 1), X.max(1)),
    ]
    for method, function, wanted in pairs:
        np.testing.assert_array_equal(method.value, wanted)
        np.testing.assert_array_equal(function.value, wanted)
        assert gradient_check(method).ok


def test_they_are_there_whatever_is_imported_first():
    program = (
        "from chainrule.graph import Variable; print(Variable([[1.0, 3.0]]).T.mean(0)[0].value)"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (ran.stdout.strip(), ran.stderr) == ("2.0", "")


def test_a_variable_falls_apart_into_its_rows_and_a_number_does_not():
    first, second = Variable([[1.0, 2.0], [3.0, 4.0]])
    assert (first.value.tolist(), second.value.tolist()) == ([1.0, 2.0], [3.0, 4.0])
    for number in (Variable(1.0), Variable([1.0, 2.0]).sum()):
        with pytest.raises(ValueError, match=r"Take: .*; got shape \(\)"):
            list(number)


def test_a_subclass_of_variable_stays_one():
    class Mine(Variable):
        pass

    x = Mine([[1.0, 2.0]], "x")
    assert {type(v) for v in (x.T, x[0], x.mean(), x.max(), x.reshape(2))} == {Mine}


def test_a_graph_follows_its_leaf():
    x = Variable([1.0, 5.0, 2.0], "x")
    out = x.max() + x[::-1].mean()
    x.value = np.array([7.0, 1.0, 1.0])
    for _ in forward_steps(out):
        pass
    assert out.value == 10.0
    out.backward()
    assert x.grad == pytest.approx([4 / 3, 1 / 3, 1 / 3])


def test_the_old_names_among_the_guests_still_work():
    assert OldReshape is Reshape
    x = X.reshape(2, 3, 2, 2)
    layer = Flatten()
    out = layer.forward(x)
    assert np.array_equal(out, layer.expand(x).value)


def test_the_source_that_a_reader_asks_for_is_the_formula():
    assert "return x[self.index]" in inspect.getsource(Take.forward)
    assert "np.add.at(dx, self.index, dout)" in inspect.getsource(Take.backward)


# ---------------------------------------------------------------- told, and kept as text


def told(out):
    trace = trace_graph(out)
    assert Trace.from_json(trace.to_json()) == trace
    return [trace.sentence(k) for k in range(1, len(trace) + 1)]


def test_each_node_has_its_sentences():
    x = Variable([[1.0, 5.0], [2.0, 4.0]], "x")
    loss = lambda v: (v * v).sum()  # noqa: E731
    for made, forward, backward in [
        (x.reshape(4), "Reshape. The numbers of x (2, 2) in the same order, as v1 (4,).",
         "Reshape takes the shape back. The upstream gradient ∂v3/∂v1 (4,) gets the shape of the "
         "input again: x gets a gradient of shape (2, 2)."),
        (x.T, "Transpose. The axes of x (2, 2) change places = v1, of shape (2, 2).",
         "Transpose turns the gradient back. The axes of the upstream gradient ∂v3/∂v1 (2, 2) "
         "change places again: x gets a gradient of shape (2, 2)."),
        (x[[0, 0]], "Take. What is taken from x (2, 2) = v1, of shape (2, 2).",
         "Take puts back. The upstream gradient ∂v3/∂v1 goes back to the entries that were taken, and "
         "adds up there; all others get 0: x gets a gradient of shape (2, 2)."),
        (x.mean(0), "Mean. The mean over x (2, 2) = v1, of shape (2,).",
         "Mean shares out equally. The upstream gradient ∂v3/∂v1 is divided by the number of "
         "entries that were averaged: x gets a gradient of shape (2, 2)."),
        (x.max(1), "Largest entry. The largest entry of x (2, 2) = v1, of shape (2,).",
         "The winner takes the gradient. The largest entry gets the upstream gradient ∂v3/∂v1, the "
         "others 0 (of several that tie, the first): x gets a gradient of shape (2, 2)."),
    ]:  # fmt: skip
        said = told(loss(made))
        assert (said[0], said[-1]) == (forward, backward)


def test_the_trace_keeps_for_each_entry_where_it_came_from():
    x = Variable([[1.0, 5.0], [2.0, 4.0]], "x")
    for made, places in [
        (x.T, [[0, 2], [1, 3]]), (x.reshape(4), [0, 1, 2, 3]), (x[[1, 1]], [[2, 3], [2, 3]]),
        (x[0, 1], 1),
    ]:  # fmt: skip
        trace = trace_graph(made, np.ones(np.shape(made.value)))
        assert np.array_equal(trace.variables[-1].options["from"], places)
        assert trace.variables[-1].op in ("Transpose", "Reshape", "Take")
