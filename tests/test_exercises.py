"""The grader: right is right, wrong gets one useful sentence, and nothing of a learner's raises."""

import re

import numpy as np
import pytest

from chainrule import guests, layers, losses, network, nodes, numeric
from chainrule.exercises import FUNCTIONS, NAMES, PIECES, check
from chainrule.gradcheck import diagnose, gradient_check

OWN = [
    *[getattr(layers, name) for name in ("ReLU", "Sigmoid", "Tanh", "Affine")],
    *[getattr(nodes, name) for name in ("Add", "Subtract", "Multiply", "Divide", "Maximum")],
    *[getattr(nodes, name) for name in ("Negate", "Exp", "Log", "MatMul")],
    *[losses.SoftmaxWithLoss, losses.IdentityWithLoss, network.Network, guests.BatchNorm],
]


def named(base, name=None, **methods):
    return type(name or f"My{base.__name__}", (base,), methods)


@pytest.mark.parametrize("own", OWN, ids=lambda own: own.__name__)
def test_the_package_s_own_pieces_pass_under_a_learner_s_name(own):
    verdict = check(named(own))
    assert verdict.ok and repr(verdict).startswith("Right: "), verdict


@pytest.mark.parametrize(
    "thing",
    [
        layers.ReLU(),
        layers.Affine(np.ones((5, 3)), np.zeros(3)),
        losses.SoftmaxWithLoss(),
        network.two_layer_net(4, 3, 2, np.random.default_rng(0)),
        network.two_layer_net,
        numeric.numerical_gradient,
        losses.softmax,
        losses.cross_entropy,
        losses.sum_squared_error,
    ],
    ids=lambda thing: getattr(thing, "__name__", type(thing).__name__),
)
def test_objects_and_functions_can_be_graded(thing):
    if thing is network.two_layer_net:
        with pytest.raises(ValueError, match="nothing is known of 'two_layer_net'"):
            check(thing)
    else:
        assert check(thing).ok


def test_every_name_that_is_listed_is_known():
    known = {*PIECES, *FUNCTIONS, "network"}
    listed = {name.strip().lower().removeprefix("my").replace("_", "") for name in NAMES.split(",")}
    assert listed == known


class MyReLU:
    def forward(self, x):
        self.mask = x > 0
        return np.where(self.mask, x, 0.0)

    def backward(self, dout):
        return dout * self.mask


class MyAffine:
    def __init__(self, W, b):
        self.params, self.grads = {"W": W, "b": b}, {}

    def forward(self, x):
        self.x = x
        return x @ self.params["W"] + self.params["b"]

    def backward(self, dout):
        self.grads = {"W": self.x.T @ dout, "b": dout.sum(axis=0)}
        return dout @ self.params["W"].T


class MyMultiply:
    def forward(self, x, y):
        self.x, self.y = x, y
        return x * y

    def backward(self, dout):
        return dout * self.y, dout * self.x


class MySoftmaxWithLoss:
    def forward(self, a, t):
        e = np.exp(a - np.max(a, axis=-1, keepdims=True))
        self.y, self.t = e / e.sum(axis=-1, keepdims=True), t
        self.N = 1 if a.ndim == 1 else len(a)
        return -np.sum(t * np.log(self.y + 1e-300)) / self.N

    def backward(self, dout=1.0):
        return dout * (self.y - self.t) / self.N


class MySoftmaxWithIndices(losses.SoftmaxWithLoss):
    def forward(self, a, t):
        if np.ndim(t) == np.ndim(a):
            raise IndexError("arrays used as indices must be of integer type")
        return super().forward(a, t)


@pytest.mark.parametrize("right", [MyReLU, MyAffine, MyMultiply, MySoftmaxWithLoss])
def test_a_learner_s_own_code_passes_as_class_and_as_object(right):
    assert check(right).ok
    made = right(np.ones((3, 2)), np.zeros(2)) if right is MyAffine else right()
    assert check(made).ok


def test_a_loss_may_take_its_targets_as_indices_only():
    assert check(named(MySoftmaxWithIndices, "MySoftmaxWithLoss")).ok


def wrong(base, backward):
    return named(base, base.__name__, backward=backward)


def mean_of_bias(self, dout):
    dx = MyAffine.backward(self, dout)
    self.grads["b"] = dout.mean(axis=0)
    return dx


def in_place(self, dout):
    dout[~self.mask] = 0
    return dout


@pytest.mark.parametrize(
    ("thing", "cause", "words"),
    [
        (wrong(MyReLU, lambda self, dout: dout + 0), "mask-missing", "mask"),
        (wrong(MyReLU, in_place), "mutates-dout", "new array"),
        (wrong(MyAffine, mean_of_bias), "bias-mean", "do not average"),
        (wrong(MyAffine, lambda self, dout: dout), "wrong-shape", "shape"),
        (
            wrong(MyMultiply, lambda self, dout: (dout * self.x, dout * self.y)),
            "inputs-not-swapped",
            "swaps",
        ),
        (
            wrong(MySoftmaxWithLoss, lambda self, dout=1.0: dout * (self.y - self.t)),
            "missing-batch-division",
            "divide",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_wrong_backward_gets_the_doctor_s_hint(thing, cause, words):
    verdict = check(thing)
    assert not verdict.ok and verdict.sentence.startswith("Not yet: ")
    assert verdict.findings[0].cause == cause and words in verdict.sentence
    assert thing.__name__ in verdict.sentence and len(verdict.sentence) < 500


def test_a_wrong_forward_is_named_before_backward():
    verdict = check(named(MyReLU, "MyReLU", forward=lambda self, x: np.abs(x), backward=None))
    assert "forward of MyReLU, given an array of shape (3, 4), gives" in verdict.sentence
    assert "was wanted" in verdict.sentence


def test_a_forward_of_the_wrong_shape_is_named():
    verdict = check(named(MyReLU, "MyReLU", forward=lambda self, x: np.maximum(x, 0)[0]))
    assert "returns shape (4,), but (3, 4) was wanted" in verdict.sentence


def test_a_softmax_must_bear_large_scores():
    def forward(self, a, t):
        loss = MySoftmaxWithLoss.forward(self, a, t)
        self.y = np.exp(a) / np.exp(a).sum(axis=-1, keepdims=True)
        return loss if np.all(np.isfinite(self.y)) else float("nan")

    verdict = check(named(MySoftmaxWithLoss, "MySoftmaxWithLoss", forward=forward))
    assert not verdict.ok and "overflows" in verdict.sentence


def test_a_loss_that_shifts_but_takes_the_log_of_a_rounded_probability_is_told_so():
    def forward(self, a, t):
        MySoftmaxWithLoss.forward(self, a, t)
        return -np.sum(t * np.log(self.y)) / self.N

    verdict = check(named(MySoftmaxWithLoss, "MySoftmaxWithLoss", forward=forward))
    assert not verdict.ok and "rounded to 0" in verdict.sentence
    assert "Subtract the maximum" not in verdict.sentence


def raises(self, *_):
    raise KeyError("y")


@pytest.mark.parametrize(
    "thing",
    [
        named(MyReLU, "MyReLU", forward=raises),
        named(MyReLU, "MyReLU", backward=raises),
        named(MyReLU, "MyReLU", __init__=raises),
        named(MyReLU, "MyReLU", forward=lambda self, x: None),
        named(MyReLU, "MyReLU", forward=lambda self, x: "y"),
        named(MyReLU, "MyReLU", backward=lambda self, dout: None),
        named(MyReLU, "MyReLU", backward=None),
        named(MyReLU, "MyReLU", forward=lambda self: 1),
        type("MyReLU", (), {}),
        named(MyAffine, "MyAffine", __init__=lambda self: None),
        named(network.Network, "MyNetwork", gradient=raises),
        named(network.Network, "MyNetwork", gradient=lambda self, x, t: None),
        named(network.Network, "MyNetwork", loss=raises),
        type("MyNetwork", (), {}),
        named(MyReLU, "MyOwn", forward=raises),
        named(MyAffine, "MyOwn"),
    ],
)
def test_whatever_a_learner_s_code_does_it_is_told_in_words(thing):
    verdict = check(thing)
    assert not verdict.ok and thing.__name__.removeprefix("My") in verdict.sentence


def test_an_exception_is_told_with_its_message():
    assert "KeyError: 'y'" in check(named(MyReLU, "MyReLU", forward=raises)).sentence


class MyBent:
    def forward(self, x):
        self.slope = np.where(x > 0, 1.0, 0.1)
        return x * self.slope

    def backward(self, dout):
        return dout * self.slope


class MyHuber:
    def forward(self, a, t):
        self.d = a - t
        return float(np.sum(np.sqrt(1 + self.d**2)))

    def backward(self, dout=1.0):
        return dout * self.d / np.sqrt(1 + self.d**2)


class MyGain:
    def __init__(self, k=None):
        self.params = {"k": np.ones(3) if k is None else np.array(k)}
        self.grads = {}

    def forward(self, x):
        self.x = x
        return x * self.params["k"]

    def backward(self, dout):
        self.grads["k"] = (dout * self.x).reshape(-1, len(self.params["k"])).sum(axis=0)
        return dout * self.params["k"]


@pytest.mark.parametrize("thing", [MyBent, MyHuber, MyGain, MyGain([1.0, 2.0])])
def test_an_unknown_piece_is_graded_by_what_its_methods_say(thing):
    verdict = check(thing)
    assert verdict.ok and "fits its forward" in verdict.sentence, verdict
    assert "could not be checked: the package has nothing of that name" in verdict.sentence


def test_a_piece_that_draws_random_numbers_hears_why_its_forward_is_not_checked():
    sentence = check(guests.Dropout(0.25, np.random.default_rng(0))).sentence
    assert "it draws random numbers" in sentence and "of that name" not in sentence


def test_an_unknown_piece_with_a_wrong_backward_is_found_out():
    assert check(wrong(MyBent, lambda self, dout: dout + 0)).findings[0].cause == "mask-missing"


@pytest.mark.parametrize("thing", [3.0, "MyText", object(), type("MyMomentum", (), {}), print])
def test_what_nothing_is_known_of_gets_a_list_of_what_can_be_checked(thing):
    with pytest.raises(ValueError, match="MyReLU, MySigmoid, MyTanh, MyAffine"):
        check(thing)


def my_numerical_gradient(f, x, h=1e-5):
    x, gradient = x.copy(), np.zeros_like(x)
    for index in np.ndindex(x.shape):
        kept = x[index]
        x[index] = kept + h
        above = f(x)
        x[index] = kept - h
        gradient[index] = (above - f(x)) / (2 * h)
        x[index] = kept
    return gradient


def test_a_numerical_gradient_is_graded():
    assert check(my_numerical_gradient).ok


def all_at_once(f, x, h=1e-5):
    return (f(x + h) - f(x - h)) / (2 * h)


def one_sided(f, x, h=1e-5):
    here = f(x)
    return np.array([(f(x + h * e.reshape(x.shape)) - here) / h for e in np.eye(x.size)]).reshape(
        x.shape
    )


def not_put_back(f, x, h=1e-5):
    gradient = my_numerical_gradient(f, x, h)
    x += h
    return gradient


def without_brackets(f, x, h=1e-5):
    moved = [h * e.reshape(x.shape) for e in np.eye(x.size)]
    return np.reshape([f(x + e) - f(x - e) / (2 * h) for e in moved], x.shape)


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (all_at_once, "one entry at a time"),
        (one_sided, "both sides"),
        (not_put_back, "Put each"),
        (without_brackets, "Mind the brackets"),
    ],
)
def test_a_wrong_numerical_gradient_gets_a_reason(function, words):
    function.__name__ = "my_numerical_gradient"
    assert words in check(function).sentence


def my_gradient(layers, loss, x, t):
    for layer in layers.values():
        x = layer.forward(x)
    loss.forward(x, t)
    dout, found = loss.backward(), {}
    for name, layer in reversed(layers.items()):
        dout = layer.backward(dout)
        found |= {f"{name}.{key}": g for key, g in getattr(layer, "grads", {}).items()}
    return found


def test_a_gradient_as_a_loop_is_graded():
    assert check(my_gradient).ok

    def my_gradients(*arguments):
        return {key: 2 * g for key, g in my_gradient(*arguments).items()}

    my_gradients.__name__ = "my_gradient"
    assert "Affine2" in check(my_gradients).sentence


def test_a_network_with_a_wrong_layer_is_located():
    def __init__(self, parts, loss):
        network.Network.__init__(self, parts | {"ReLU1": wrong(MyReLU, lambda s, d: d + 0)()}, loss)

    verdict = check(named(network.Network, "MyNetwork", __init__=__init__))
    assert verdict.findings[0].where == "ReLU1"


def test_grading_leaves_an_object_as_it_was():
    layer = MyAffine(np.arange(6.0).reshape(3, 2), np.zeros(2))
    layer.params["W"].setflags(write=False)
    assert check(layer).ok
    assert set(vars(layer)) == {"params", "grads"} and layer.grads == {}


def test_the_verdict_is_text_in_html_too():
    bad = named(MyReLU, "MyReLU", forward=lambda self, x: [][0], backward=None)
    html = check(bad)._repr_html_()
    assert html.startswith('<p class="chainrule-report"') and "<strong>Not yet:</strong>" in html
    hostile = type("<b>MyReLU", (MyBent,), {"backward": lambda self, dout: dout + 0})
    assert "<b>" not in check(hostile)._repr_html_()


@pytest.mark.parametrize("share", [1, 2])
@pytest.mark.parametrize("ndim", [3, 4])
def test_pieces_of_any_name_are_run_on_as_many_axes_as_they_take(ndim, share):
    """One that unpacks the shape of its input, and mixes its axis 1, of a size that its array tells."""

    class MyMixer:
        def __init__(self):
            self.W = np.linspace(-1, 1, 15).reshape(5, 3)

        def forward(self, x):
            if x.ndim != ndim:
                raise ValueError("not enough values to unpack")
            self.x = np.moveaxis(x, 1, -1) if ndim == 4 else x
            return self.x @ self.W

        def backward(self, dout):
            self.dW = self.x.reshape(-1, 5).T @ dout.reshape(-1, 3) / share
            dx = dout @ self.W.T
            return np.moveaxis(dx, -1, 1) if ndim == 4 else dx

    assert check(MyMixer()).ok == check(MyMixer).ok == (share == 1)


class Gated:
    """Three inputs of widths that only its parameters tell."""

    def __init__(self):
        draw = np.random.default_rng(0).normal
        self.params, self.grads = {"Wx": draw(size=(3, 2)), "Wh": draw(size=(2, 2))}, {}

    def forward(self, x, h, c):
        self.x, self.h, self.c = x, h, c
        return x @ self.params["Wx"] + c * (h @ self.params["Wh"])

    def backward(self, dout):
        inner = dout * self.c
        self.grads["Wx"], self.grads["Wh"] = self.x.T @ dout, self.h.T @ inner
        dh, dc = inner @ self.params["Wh"].T, dout * (self.h @ self.params["Wh"])
        return dout @ self.params["Wx"].T, dh, dc


class InColumns:
    """A network for samples in columns, and an autoencoder: its targets are as wide as its inputs."""

    def __init__(self):
        self.params = {"W": np.random.default_rng(1).normal(size=(2, 3))}

    def parts(self, x, t):
        h = self.params["W"] @ x
        return h, self.params["W"].T @ h - t

    def loss(self, x, t):
        return float(np.sum(self.parts(x, t)[1] ** 2) / 2)

    def gradient(self, x, t):
        h, off = self.parts(x, t)
        return {"W": h @ off.T + self.params["W"] @ off @ x.T}


class NeedsColumns:
    """A right layer for one form of inputs, which the grader does not guess."""

    def forward(self, x):
        self.at = x.argmax(axis=1), np.arange(len(x))
        return x[self.at[1], self.at[0]]

    def backward(self, dout):
        dx = np.zeros((len(dout), 3))
        dx[self.at[1], self.at[0]] = dout
        return dx


@pytest.mark.parametrize("kind", [Gated, InColumns])
def test_what_takes_inputs_of_its_own_form_is_given_them(kind):
    assert check(kind()).sentence.startswith("Right: ")


def test_where_the_form_of_inputs_was_guessed_a_verdict_says_what_was_given():
    verdict = check(NeedsColumns())
    assert not verdict.ok and re.search(
        r"It was given an array of shape \(.*yours", verdict.sentence
    )
    assert gradient_check(NeedsColumns(), np.random.default_rng(0).normal(size=(4, 3))).ok


def test_a_parameter_named_s_is_not_looked_up_as_the_whole_of_grads():
    class Scaled(Gated):
        def __init__(self):
            self.params, self.grads = {"s": np.array([2.0, -1.0])}, {}

        def forward(self, x):
            return x * self.params["s"]

        def backward(self, dout):
            return dout * self.params["s"]

    found = diagnose(Scaled(), np.ones((3, 2)))
    assert [one.cause for one in found] == ["gradient-missing"]


def test_an_object_that_was_made_with_arrays_of_its_own_is_run_on_inputs_that_fit_it():
    class MyBatchNorm:
        def __init__(self, gamma, beta):
            self.params, self.grads = {"gamma": gamma, "beta": beta}, {}

        def forward(self, x):
            self.s = np.sqrt(x.var(0) + 1e-7)
            self.n = (x - x.mean(0)) / self.s
            return self.n * self.params["gamma"] + self.params["beta"]

        def backward(self, dout):
            self.grads["gamma"], self.grads["beta"] = (dout * self.n).sum(0), dout.sum(0)
            d = dout * self.params["gamma"]
            return (d - d.mean(0) - self.n * (d * self.n).mean(0)) / self.s

    for width in (3, 4):
        verdict = check(MyBatchNorm(np.linspace(0.5, 2, width), np.zeros(width)))
        assert verdict.ok and "give `check` the class MyBatchNorm" in str(verdict)
