"""The gradient check itself: it passes what is right, and it can fail."""

from types import SimpleNamespace

import numpy as np
import pytest

from chainrule.datasets import load_digits
from chainrule.doctor.probe import EPS, TOLERANCE
from chainrule.gradcheck import (
    Report,
    compare,
    diagnose,
    gradient_check,
    numerical_gradient,
    weights,
)
from chainrule.layers import Affine, ReLU, Sigmoid
from chainrule.losses import SoftmaxWithLoss
from chainrule.network import Network, two_layer_net
from chainrule.nodes import Maximum, Multiply


def make(D=4, H=5, C=3, seed=0):
    return two_layer_net(D, H, C, np.random.default_rng(seed))


def batch(N=3, D=4, C=3, seed=2):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(N, D)), rng.integers(0, C, N)


def test_the_numerical_gradient_of_a_square_by_hand():
    assert numerical_gradient(lambda x: x**2, 3.0) == pytest.approx(6.0)
    gradient = numerical_gradient(lambda x: (x**2).sum(), np.array([[1.0, 2.0]]))
    np.testing.assert_allclose(gradient, [[2.0, 4.0]])


def test_the_numerical_gradient_leaves_its_argument_alone():
    x = np.array([1.0, 2.0])
    x.setflags(write=False)
    numerical_gradient(lambda v: v @ v, x)
    assert x.tolist() == [1.0, 2.0]
    assert numerical_gradient(lambda v: float(v) ** 2, np.array(2.0)).shape == ()
    assert numerical_gradient(lambda v: v.sum(), np.array([1, 2])).dtype == np.float64


@pytest.mark.parametrize("shape", [(0,), (2,), (1, 2)])
def test_a_function_wants_to_return_one_number(shape):
    with pytest.raises(ValueError, match="f must return one number, got an array of shape"):
        numerical_gradient(lambda x: np.ones(shape), 1.0)


@pytest.mark.parametrize("h", [0, -1e-5, np.nan, np.inf, "small"])
def test_a_step_is_a_positive_number(h):
    with pytest.raises(ValueError, match="step h must be a positive number"):
        numerical_gradient(lambda x: x, 1.0, h=h)
    with pytest.raises(ValueError, match="step h must be a positive number"):
        gradient_check(ReLU(), np.ones(3), h=h)


def test_a_function_of_many_outputs_has_no_single_gradient():
    with pytest.raises(ValueError, match="one number"):
        numerical_gradient(lambda x: x, np.ones(3))


def test_a_net_on_five_digits_is_right_to_seven_places():
    (x, t), _ = load_digits()
    network = two_layer_net(64, 20, 10, np.random.default_rng(0))
    report = gradient_check(network, x[:5], t[:5])
    assert report.ok and report.max_relative_error < 1e-7
    assert type(report.ok) is bool and type(report.max_relative_error) is float
    assert type(report.kinks) is int
    assert [row.name for row in report.rows] == list(network.params)


@pytest.mark.parametrize("seed", range(300))
def test_a_correct_network_is_never_blamed(seed):
    rng = np.random.default_rng(seed)
    D, H, C, N = rng.integers(1, 6, 4)
    network = two_layer_net(D, H, max(C, 2), rng, ["relu", "sigmoid"][seed % 2])
    scale = [1.0, 1e-6, 30.0, 1e-3][seed // 2 % 4]
    for array in network.params.values():
        array[:] = rng.normal(size=array.shape) * scale
    x, t = rng.normal(size=(N, D)), rng.integers(0, max(C, 2), N)
    gradient_check(network, x, t).raise_if_failed()


def test_kinks_are_counted_and_not_blamed():
    network = Network({"A": Affine(np.eye(2), [0.0, 0.0]), "R": ReLU()}, SoftmaxWithLoss())
    x = np.array([[5e-6, 1.0], [2.0, 3.0]])
    report = gradient_check(network, x, [0, 1])
    # only the first bias carries the first unit of the first sample over 0; its weights move it by
    # x times h, and x is 5e-6 or 1 there: one weight does
    assert report.ok
    assert {row.name: row.kinks for row in report.rows} == {"A.W": 1, "A.b": 1}
    assert report.kinks == 2


class MyReLU:
    def forward(self, x):
        self.open = x > 0
        return np.where(self.open, x, 0.0)

    def backward(self, dout):
        return dout * self.open


def test_the_gradient_check_sees_a_kink_at_any_distance():
    for x in 1e-5 * np.linspace(-0.99, 0.99, 199):
        report = gradient_check(MyReLU(), np.array([x, 1.0]))
        assert report.ok and report.kinks == 1


def test_a_kink_of_a_foreign_layer_is_found_by_its_slopes():
    report = gradient_check(MyReLU(), np.array([1.0, 4e-6, -2e-6, 0.0, -1.0]))
    assert report.ok and report.kinks == 3


@pytest.mark.parametrize(
    ("f", "df"),
    [
        (lambda x: 100 * x**2, lambda x: 200 * x),
        (np.cos, lambda x: -np.sin(x)),
        (lambda x: np.exp(5 * x), lambda x: 5 * np.exp(5 * x)),
    ],
)
def test_a_curve_is_no_kink_even_where_its_slope_is_zero(f, df):
    class Curve:
        def forward(self, x):
            self.x = x
            return f(x)

        def backward(self, dout):
            return dout * df(self.x)

    report = gradient_check(Curve(), np.array([0.0, 1e-7, 0.3, -2.0, 1.0]))
    assert report.ok and report.kinks == 0


def test_a_tie_of_maximum_is_a_kink():
    report = gradient_check(Maximum(), (np.array([0.0, 1.0]), np.array([0.0, 3.0])))
    assert report.ok and report.kinks == 2


def test_nothing_left_to_compare_is_not_ok():
    report = gradient_check(ReLU(), np.zeros(3))
    assert not report.ok and report.kinks == 3
    with pytest.raises(AssertionError, match="nothing left to compare"):
        report.raise_if_failed()


def test_float32_is_refused_unless_asked_for():
    network, (x, t) = make(), batch()
    for name in ("Affine1", "Affine2"):
        params = network.layers[name].params
        for key in params:
            params[key] = params[key].astype(np.float32)
    with pytest.raises(ValueError, match="wants float64, got Affine1.W in float32"):
        gradient_check(network, x, t)
    assert gradient_check(network, x, t, h=1e-2, allow_float32=True).rows


class WrongAffine(Affine):
    def backward(self, dout):
        dx = super().backward(dout)
        self.grads["b"] = dout[0]
        return dx


def wrong(what):
    class Wrong(Affine):
        def backward(self, dout):
            dx = super().backward(dout)
            return what(self, dx, dout)

    return Wrong


@pytest.mark.parametrize(
    "what",
    [
        lambda layer, dx, dout: 2 * dx,
        lambda layer, dx, dout: -dx,
        lambda layer, dx, dout: dx + 1e-4,
        lambda layer, dx, dout: np.full_like(dx, np.nan),
        lambda layer, dx, dout: dx[:1],
        lambda layer, dx, dout: layer.grads.update(b=dout.mean(axis=0)) or dx,
        lambda layer, dx, dout: layer.grads.update(b=dout.sum()) or dx,
        lambda layer, dx, dout: layer.grads.update(W=-layer.grads["W"]) or dx,
        lambda layer, dx, dout: layer.grads.pop("W") is None or dx,
        lambda layer, dx, dout: layer.grads.update(W=None) or dx,
    ],
)
def test_a_wrong_gradient_is_found(what):
    rng = np.random.default_rng(0)
    layer = wrong(what)(rng.normal(size=(4, 3)), rng.normal(size=3))
    report = gradient_check(layer, rng.normal(size=(3, 4)))
    assert not report.ok
    with pytest.raises(AssertionError):
        report.raise_if_failed()


def test_a_failure_names_the_parameter_the_index_and_both_values():
    class MyMultiply(Multiply):
        def backward(self, dout):
            dx, dy = super().backward(dout)
            dx[1] += 0.5
            return dx, dy

    report = gradient_check(MyMultiply(), (np.array([1.0, 2.0]), np.array([3.0, 4.0])))
    row = report.rows[0]
    assert row.name == "x" and row.worst[0] == (1,)
    assert row.worst[1] - row.worst[2] == pytest.approx(0.5)
    with pytest.raises(AssertionError, match=r"MyMultiply: x: backward gives .* at index \(1,\)"):
        report.raise_if_failed()


def test_what_takes_no_dout_is_checked_with_a_dout_of_one():
    class Squares:
        def forward(self, x):
            self.x = x
            return np.sum(x**2)

        def backward(self):
            return 2 * self.x

    assert gradient_check(Squares(), np.ones(3)).ok


def test_a_loss_is_checked_with_a_dout_of_one_which_is_what_comes_from_above():
    class MyLoss(SoftmaxWithLoss):
        def backward(self, dout=1.0):
            return super().backward()

    a = np.random.default_rng(0).normal(size=(3, 4))
    assert gradient_check(MyLoss(), a, [0, 1, 2]).ok
    assert diagnose(MyLoss(), a, [0, 1, 2])[0].cause == "upstream-ignored"


def test_one_sample_hides_what_three_show():
    network, (x, t) = make(), batch()
    network.layers["Affine2"] = WrongAffine(**network.layers["Affine2"].params)
    assert gradient_check(network, x[:1], t[:1]).ok
    assert not gradient_check(network, x, t).ok


def test_parameters_come_back_bit_for_bit_even_after_a_crash():
    network, (x, t) = make(), batch()
    before = {key: array.copy() for key, array in network.params.items()}
    gradient_check(network, x, t)
    calls = []

    class Crash(ReLU):
        def forward(self, x):
            calls.append(1)
            if len(calls) > 9:
                raise KeyboardInterrupt
            return super().forward(x)

    network.layers["ReLU1"] = Crash()
    with pytest.raises(KeyboardInterrupt):
        gradient_check(network, x, t)
    for key, array in network.params.items():
        np.testing.assert_array_equal(array, before[key])


def test_read_only_parameters_and_inputs_can_be_checked():
    network, (x, t) = make(), batch()
    x.setflags(write=False)
    for array in network.params.values():
        array.setflags(write=False)
    before = network.params
    assert gradient_check(network, x, t).ok
    assert all(network.params[key] is array for key, array in before.items())


def test_a_network_of_ones_own_can_be_checked():
    class MyNetwork:
        def __init__(self):
            self.params = {"w": np.array([0.5, -1.0])}

        def loss(self, x, t):
            self.off = x @ self.params["w"] - t
            return float(self.off @ self.off)

        def gradient(self, x, t):
            self.loss(x, t)
            return {"w": 2 * x.T @ self.off}

    x, t = np.random.default_rng(0).normal(size=(3, 2)), np.ones(3)
    assert gradient_check(MyNetwork(), x, t).ok


@pytest.mark.parametrize("target", [3.0, np.tanh, object()])
def test_what_cannot_be_checked_is_refused(target):
    with pytest.raises(TypeError, match="forward and backward"):
        gradient_check(target, np.ones(3))


def test_a_network_wants_its_targets():
    with pytest.raises(ValueError, match="wants the targets t"):
        gradient_check(make(), np.ones((2, 4)))


def test_the_report_reads_well_as_text_and_as_html():
    report = gradient_check(make(), *batch())
    lines = repr(report).splitlines()
    assert lines[0] == "gradient check of Network: ok"
    assert lines[2].split() == ["Affine1.W", "4", "×", "5", "20", "0", *lines[2].split()[6:]]
    assert lines[-1].endswith("kinks 0")
    assert report._repr_html_().count("<tr>") == 5


def test_html_holds_names_as_text():
    network = Network({"<b>": Affine(np.ones((2, 2)), np.ones(2))}, SoftmaxWithLoss())
    html = gradient_check(network, np.array([[1.0, 2.0]]), [0])._repr_html_()
    assert "&lt;b&gt;.W" in html and "<b>" not in html


def test_a_sigmoid_deep_in_saturation_is_not_blamed():
    assert gradient_check(Sigmoid(), np.array([[30.0, -30.0, 800.0, 0.0]])).ok


def test_a_backward_that_loses_the_sign_of_dout_is_found():
    class Unsigned:
        def forward(self, x):
            return 2 * x

        def backward(self, dout):
            return 2 * np.abs(dout)

    for seed in range(5):
        assert not gradient_check(Unsigned(), np.ones((3, 4)), seed=seed).ok


def test_a_gradient_that_is_not_there_or_has_another_shape_fails_with_nothing_compared():
    class Forgetful(Affine):
        def backward(self, dout):
            dx = super().backward(dout)
            self.grads = {"W": self.grads["W"].T}
            return dx

    layer = Forgetful.init(2, 3, np.random.default_rng(0))
    report = gradient_check(layer, np.ones((4, 2)))
    rows = {row.name: row for row in report.rows}
    assert rows["x"].ok and rows["x"].compared == 8
    assert rows["b"].problem == "no gradient was given"
    assert rows["W"].problem == "the gradient has shape (3, 2), wanted (2, 3)"
    for name in "Wb":
        row = rows[name]
        assert (row.compared, row.kinks, row.relative_error, row.worst) == (0, 0, 1.0, None)
    assert report.verdict == "FAILED" and report.max_relative_error == 1.0


class Scaled:
    """A node that multiplies by `slope`, and claims `claimed` in its place."""

    def __init__(self, slope, claimed):
        self.slope, self.claimed = slope, claimed

    def forward(self, x):
        return self.slope * x

    def backward(self, dout):
        return self.claimed * dout


@pytest.mark.parametrize("size", [1.0, 1e-3, 1e4])
def test_the_relative_error_is_the_norm_of_the_difference_beside_both_norms(size):
    x = np.array([[1.0, -2.0, 3.0]])
    report = gradient_check(Scaled(size, 3 * size), x)
    assert report.max_relative_error == pytest.approx((3 - 1) / (3 + 1), rel=1e-6)
    (row,) = report.rows
    index, claimed, numeric = row.worst
    assert claimed == pytest.approx(3 * numeric, rel=1e-6)
    assert f"backward gives {claimed:.8g} at index {index}" in row.problem
    assert f"the numerical gradient {numeric:.8g}" in row.problem
    flat = gradient_check(Scaled(0.0, 0.0), x)
    assert flat.ok and flat.max_relative_error == 0.0


def test_a_backward_that_levels_the_sizes_of_dout_is_found():
    class Level(Scaled):
        def backward(self, dout):
            return self.slope * np.sign(dout) * np.mean(np.abs(dout))

    assert not gradient_check(Level(2.0, 2.0), np.ones((3, 4))).ok


def test_the_worst_entry_is_never_a_kink():
    class Odd(ReLU):
        def backward(self, dout):
            dx = super().backward(dout)
            dx[0, 2] += 1e-3
            return dx

    (row,) = gradient_check(Odd(), np.array([[0.0, 1.0, 2.0]])).rows
    assert row.kinks == 1 and row.worst[0] == (0, 2) and not row.ok
    (row,) = gradient_check(ReLU(), np.array([[0.0, -1.0, -2.0]])).rows
    assert row.kinks == 1 and row.worst[0] != (0, 0) and row.ok


def test_inputs_are_called_x_and_y_and_further_ones_are_counted():
    class Sum:
        def forward(self, *inputs):
            return sum(inputs)

        def backward(self, dout):
            return (dout,) * self.count

    for names in (["x"], ["x", "y"], ["x1", "x2", "x3"], ["x1", "x2", "x3", "x4"]):
        node, arrays = Sum(), tuple(np.ones(2) * k for k in range(len(names)))
        node.count = len(names)
        assert [row.name for row in gradient_check(node, arrays).rows] == names
    node.count = 3
    assert gradient_check(node, arrays).rows[3].problem == "no gradient was given"


def test_a_layer_that_keeps_its_gradient_is_no_network():
    class Keeps(ReLU):
        def backward(self, dout):
            self.gradient = super().backward(dout)
            return self.gradient

    layer = Keeps()
    layer.gradient = None
    assert gradient_check(layer, np.array([[1.0, -2.0]])).ok


def test_outputs_are_weighted_by_numbers_of_both_signs_and_of_about_one_size():
    dout = weights(np.zeros(1000), 0)
    assert sorted(set(np.sign(dout))) == [-1.0, 1.0]
    assert 0.5 <= abs(dout).min() < 0.51 and 1.49 < abs(dout).max() <= 1.5


def test_a_report_is_a_table_with_its_columns_in_line():
    layer = Affine(np.eye(2), np.zeros(2))
    report = gradient_check(layer, np.ones((3, 2)))
    first, head, *rows, last = repr(report).splitlines()
    assert first == "gradient check of Affine: ok"
    assert head == "array  shape  compared  kinks  relative error"
    starts = [head.index(word) + len(word) for word in ("compared", "kinks", "relative error")]
    for name, row in zip("xWb", rows, strict=True):
        assert row.startswith(f"{name}     ") and row.endswith("  ok")
        assert all(row[end - 1] != " " and row[end] == " " for end in starts)
    html = report._repr_html_()
    for word in ("array", "shape", "compared", "kinks", "relative error"):
        assert f'<th scope="col">{word}</th>' in html


def test_names_of_any_length_leave_the_columns_in_line():
    lines = repr(gradient_check(make(), *batch())).splitlines()[1:-1]
    assert len({line.index("  ", len("Affine1.W")) for line in lines[1:]}) == 1
    assert len({len(line.removesuffix("  ok").rstrip()) for line in lines}) == 1


def test_a_gradient_that_is_no_number_counts_as_all_wrong():
    report = gradient_check(Scaled(1.0, np.nan), np.ones(3))
    assert report.max_relative_error == 1.0 and not report.ok


def test_a_report_of_nothing_is_not_ok_and_has_no_error():
    report = Report("nothing", [])
    assert (report.max_relative_error, report.ok, report.verdict) == (0.0, False, "nothing left to compare")  # fmt: skip


def test_only_float64_is_checked_unasked():
    with pytest.raises(ValueError, match="wants float64, got x in"):
        gradient_check(Scaled(2.0, 2.0), np.ones(3, np.longdouble))


def test_the_step_and_the_seed_are_named():
    with pytest.raises(TypeError, match="positional"):
        gradient_check(Scaled(2.0, 2.0), np.ones(3), None, 1e-4)


def test_a_backward_that_writes_into_its_dout_spoils_no_check():
    class Writes(Scaled):
        def backward(self, dout):
            dout *= self.slope
            return dout

    assert gradient_check(Writes(3.0, 3.0), np.ones((2, 3))).ok


def test_a_subclass_is_checked_as_well_after_it_has_run():
    class MeanBias(Affine):
        def backward(self, dout):
            dx = super().backward(dout)
            self.grads["b"] = dout.mean(axis=0)
            return dx

    x, t = np.random.default_rng(8).normal(size=(3, 6)), np.array([2, 0, 3])
    network = two_layer_net(6, 5, 4, np.random.default_rng(0))
    network.layers["Affine1"] = MeanBias(**network.layers["Affine1"].params)
    network.gradient(x, t)
    report = gradient_check(network, x, t)
    assert not report.ok and [row.name for row in report.rows] == list(network.params)


def a_truth(n):
    """What nudging x would have found: n, in a sum of terms of size 1, without a kink."""
    numbers = {"h": 1e-5, "size": 1.0, "eps": EPS, "tolerance": TOLERANCE}
    return SimpleNamespace(gradients={"x": [n]}, kinks={"x": np.zeros(n.shape, bool)}, **numbers)


def test_what_rounding_hides_passes_and_is_said_to_tell_nothing():
    """The floor is about 4e-10 here: up to twice that both count as 0, and well above it an error tells."""
    pairs = (3e-10, 1e-10), (1e-8, 1.02e-8), (1.0, 1.0)
    rows = [compare("x", np.array([a]), a_truth(np.array([n]))) for a, n in pairs]
    small = "ok, too small to tell from rounding"
    assert [row.outcome for row in rows] == [small, small, "ok"]
    assert [row.relative_error for row in rows] == pytest.approx([0, 0.2 / 20.2, 0])


def test_a_layer_that_fails_is_one_row_that_compares_nothing():
    class Fails(ReLU):
        def backward(self, dout):
            raise KeyError("W")

    (row,) = gradient_check(Fails(), np.ones((2, 3))).rows
    assert row.name == "x"
    assert (row.shape, row.kinks, row.compared, row.relative_error) == ((2, 3), 0, 0, 1.0)
    assert "KeyError" in row.problem and row.worst is None
    with pytest.raises(AttributeError):  # what came of a check is not to be written over
        row.problem = ""


@pytest.mark.parametrize("claimed", [None, np.zeros(3), np.zeros(2), np.ones(2)])
def test_only_what_passes_and_is_not_exactly_0_is_drowned_in_rounding(claimed):
    """What failed is wrong, and two zeros agree to the last bit."""
    row = compare("x", claimed, a_truth(np.zeros(2)))
    assert not row.drowned
    fits = claimed is not None and claimed.shape == (2,)
    assert row.ok == (fits and not claimed.any())
    assert "too small to tell" not in row.outcome


class InFloat32:
    """A smooth layer that computes in float32, whatever comes: x times x."""

    share = 1.0

    def forward(self, x):
        self.x = np.float32(x)
        return self.x * self.x

    def backward(self, dout):
        return np.float32(self.share) * 2 * self.x * np.float32(dout)


@pytest.mark.parametrize("seed", range(5))
def test_what_computes_in_float32_is_judged_as_coarsely_as_it_computes(seed):
    x = np.random.default_rng(seed).normal(size=(6, 4))
    report = gradient_check(InFloat32(), x, seed=seed, allow_float32=True)
    assert report.ok and report.kinks == 0
    wrong = InFloat32()
    wrong.share = 1.05
    assert not gradient_check(wrong, x, seed=seed, allow_float32=True).ok
