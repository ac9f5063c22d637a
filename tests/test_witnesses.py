"""Second witnesses: PyTorch, JAX, SciPy and the complex step differentiate the same things, and agree.

None of them is needed by the package. `make witnesses` puts them into an environment of their own and
runs this file there; where one is absent, its tests say so and are skipped.
"""

import numpy as np
import pytest

from chainrule import guests, layers, losses, more_nodes, nodes
from chainrule.network import Network

SEEDS = range(12)
ABSENT = "{} is not installed here: `make witnesses` runs this test"


class Torch:
    """PyTorch's own functions, and its reverse mode."""

    def __init__(self):
        self.library = pytest.importorskip("torch", reason=ABSENT.format("PyTorch"))
        for name in ("exp", "log", "maximum", "matmul", "sigmoid", "tanh", "relu", "log_softmax"):
            setattr(self, name, getattr(self.library, name))

    def differentiate(self, function, inputs, dout):
        """The value of the function, and one gradient an input."""
        tensors = [self.library.tensor(x, requires_grad=True) for x in inputs]
        out = function(self, *tensors)
        out.backward(self.library.tensor(dout, dtype=out.dtype))
        return out.detach().numpy(), [tensor.grad.numpy() for tensor in tensors]


class Jax:
    """JAX's own functions, in double precision, and its vector-Jacobian product."""

    def __init__(self):
        self.library = pytest.importorskip("jax", reason=ABSENT.format("JAX"))
        self.library.config.update("jax_enable_x64", True)
        for name in ("exp", "log", "maximum", "matmul", "tanh"):
            setattr(self, name, getattr(self.library.numpy, name))
        for name in ("sigmoid", "relu", "log_softmax"):
            setattr(self, name, getattr(self.library.nn, name))

    def differentiate(self, function, inputs, dout):
        out, back = self.library.vjp(lambda *arrays: function(self, *arrays), *inputs)
        return np.asarray(out), [np.asarray(gradient) for gradient in back(np.asarray(dout))]


@pytest.fixture(scope="module", params=[Torch, Jax], ids=["PyTorch", "JAX"])
def witness(request):
    return request.param()


def agree(got, wanted, tolerance=1e-10):
    assert np.shape(got) == np.shape(wanted)
    difference = np.linalg.norm(np.asarray(got) - np.asarray(wanted))
    assert (
        difference <= tolerance * np.linalg.norm(wanted) + 1e-14
    )  # of one class the gradient is 0


# ---------------------------------------------------------------- nodes and layers


def pair(rng):
    shape = tuple(rng.integers(1, 6, rng.integers(1, 4)))
    other = tuple(1 if rng.integers(3) == 0 else size for size in shape)[rng.integers(len(shape)) :]
    return rng.uniform(0.5, 3, shape), rng.uniform(0.5, 3, other)


def one(rng):
    return (rng.normal(size=tuple(rng.integers(1, 6, rng.integers(1, 4)))) * 3,)


def positive(rng):
    return tuple(np.abs(x) + 0.1 for x in one(rng))


def factors(rng):
    N, D, M = rng.integers(1, 8, 3)
    return rng.normal(size=(N, D)), rng.normal(size=(D, M))


def stacks(rng):
    stack, N, D, M = rng.integers(1, 5, 4)
    return rng.normal(size=(stack, N, D)), rng.normal(size=(D, M))


def factors_one(rng):
    return factors(rng)[:1]


TWICE = np.array([0, -1, 0])

# name -> (how to make the piece, its inputs, the same function of a witness w)
PIECES = {
    "Add": (nodes.Add, pair, lambda w, x, y: x + y),
    "Subtract": (nodes.Subtract, pair, lambda w, x, y: x - y),
    "Multiply": (nodes.Multiply, pair, lambda w, x, y: x * y),
    "Divide": (nodes.Divide, pair, lambda w, x, y: x / y),
    "Power": (nodes.Power, pair, lambda w, x, y: x**y),
    "Power(3)": (lambda: nodes.Power(3), one, lambda w, x: x**3),
    "Negate": (nodes.Negate, one, lambda w, x: -x),
    "Exp": (nodes.Exp, one, lambda w, x: w.exp(x)),
    "Log": (nodes.Log, positive, lambda w, x: w.log(x)),
    "Maximum": (nodes.Maximum, pair, lambda w, x, y: w.maximum(x, y)),
    "MatMul": (nodes.MatMul, factors, lambda w, x, y: w.matmul(x, y)),
    "MatMul of stacks": (nodes.MatMul, stacks, lambda w, x, y: w.matmul(x, y)),
    "Sum": (nodes.Sum, one, lambda w, x: x.sum()),
    "Sum(0)": (lambda: nodes.Sum(0), one, lambda w, x: x.sum(0)),
    "Reshape": (lambda: more_nodes.Reshape(-1, 1), one, lambda w, x: x.reshape(-1, 1)),
    "Transpose": (lambda: more_nodes.Transpose(1, 0), factors_one, lambda w, x: x.T),
    "Take": (lambda: more_nodes.Take(TWICE), one, lambda w, x: x[TWICE]),
    "Mean(0)": (lambda: more_nodes.Mean(0), one, lambda w, x: x.mean(0)),
    "Max(0)": (
        lambda: more_nodes.Max(0),
        one,
        lambda w, x: x.amax(0) if hasattr(x, "amax") else x.max(0),
    ),
    "ReLU": (layers.ReLU, one, lambda w, x: w.relu(x)),
    "Sigmoid": (layers.Sigmoid, one, lambda w, x: w.sigmoid(x)),
    "Tanh": (layers.Tanh, one, lambda w, x: w.tanh(x)),
}


@pytest.mark.parametrize("name", PIECES)
def test_a_second_witness_agrees_on_every_node_and_layer(witness, name):
    make, draw, same = PIECES[name]
    for seed in SEEDS:
        rng = np.random.default_rng(seed)
        piece, inputs = make(), draw(rng)
        out = piece.forward(*inputs)
        dout = rng.normal(size=np.shape(out))
        back = piece.backward(dout if np.ndim(out) else float(dout))
        value, gradients = witness.differentiate(same, inputs, dout)
        agree(out, value)
        back = back if isinstance(back, tuple) else (back,)
        for got, wanted in zip(back, gradients, strict=True):
            agree(got, wanted)


def test_a_second_witness_agrees_on_affine_and_its_parameters(witness):
    for seed in SEEDS:
        rng = np.random.default_rng(seed)
        (x, W), b = factors(rng), rng.normal(size=0)
        b = rng.normal(size=W.shape[1])
        layer = layers.Affine(W, b)
        out = layer.forward(x)
        dout = rng.normal(size=out.shape)
        dx = layer.backward(dout)
        value, gradients = witness.differentiate(lambda w, x, W, b: x @ W + b, (x, W, b), dout)
        agree(out, value)
        for got, wanted in zip((dx, layer.grads["W"], layer.grads["b"]), gradients, strict=True):
            agree(got, wanted)


# ---------------------------------------------------------------- guests


def attended(w, x, Wq, Wk, Wv):
    """By PyTorch's own function of that name, where it has one."""
    Q, K, V = x @ Wq, x @ Wk, x @ Wv
    functions = getattr(w.library.nn, "functional", None)
    if functions is not None:
        return functions.scaled_dot_product_attention(Q, K, V)
    return w.exp(w.log_softmax(Q @ K.mT / np.sqrt(Q.shape[-1]), -1)) @ V


def test_a_second_witness_agrees_on_attention(witness):
    for seed in SEEDS:
        rng = np.random.default_rng(seed)
        N, T, D, H = rng.integers(1, 6, 4)
        x, params = rng.normal(size=(N, T, D)), rng.normal(size=(3, D, H))
        layer = guests.Attention(*params)
        out = layer.forward(x)
        dout = rng.normal(size=out.shape)
        dx = layer.backward(dout)
        value, gradients = witness.differentiate(attended, (x, *params), dout)
        agree(out, value)
        for got, wanted in zip((dx, *layer.grads.values()), gradients, strict=True):
            agree(got, wanted, 1e-9)


def test_a_second_witness_agrees_on_an_embedding(witness):
    for seed in SEEDS:
        rng = np.random.default_rng(seed)
        V, D = rng.integers(1, 6, 2)
        words = rng.integers(0, V, (3, 4))
        layer = guests.Embedding(rng.normal(size=(V, D)))
        out = layer.forward(words)
        dout = rng.normal(size=out.shape)
        layer.backward(dout)
        value, (dW,) = witness.differentiate(
            lambda w, W, words=words: W[words], (layer.params["W"],), dout
        )
        agree(out, value)
        agree(layer.grads["W"], dW)


@pytest.mark.parametrize("seed", SEEDS)
def test_pytorch_agrees_on_convolution_and_pooling(seed):
    torch = pytest.importorskip("torch", reason=ABSENT.format("PyTorch"))
    rng = np.random.default_rng(seed)
    N, C, F, KH, KW, *stride = rng.integers(1, 4, 7)
    stride, pad, H, X = tuple(stride), int(rng.integers(3)), *rng.integers(3, 8, 2)
    x, W, b = rng.normal(size=(N, C, H, X)), rng.normal(size=(F, C, KH, KW)), rng.normal(size=F)
    conv, pool = guests.Conv2D(W, b, stride, pad), guests.MaxPool2D((2, 3), stride)
    whole = rng.integers(3, size=(N, C, H, X)).astype(float)  # with ties
    for layer, arrays, same in (
        (conv, (x, W, b), lambda x, W, b: torch.conv2d(x, W, b, stride, pad)),
        (pool, (whole,), lambda x: torch.max_pool2d(x, (2, 3), stride)),
    ):
        tensors = [torch.tensor(array, requires_grad=True) for array in arrays]
        out, theirs = layer.forward(arrays[0]), same(*tensors)
        dout = rng.normal(size=out.shape)
        theirs.backward(torch.tensor(dout))
        agree(out, theirs.detach().numpy())
        for got, tensor in zip((layer.backward(dout), *layer.grads.values()), tensors, strict=True):
            agree(got, tensor.grad.numpy())


def normalised(w, x, gamma, beta):
    """By PyTorch's own function, where it has one."""
    functions = getattr(w.library.nn, "functional", None)
    if functions is not None:
        return functions.batch_norm(x, None, None, gamma, beta, training=True, eps=1e-5)
    axes, columns = ((0, 2, 3), (-1, 1, 1)) if x.ndim == 4 else (0, (-1,))
    mean, var = x.mean(axis=axes), x.var(axis=axes)
    mean, std, gamma, beta = (
        a.reshape(columns) for a in (mean, w.library.numpy.sqrt(var + 1e-5), gamma, beta)
    )
    return gamma * (x - mean) / std + beta


def test_a_second_witness_agrees_on_batch_normalisation(witness):
    for seed in SEEDS:
        rng = np.random.default_rng(seed)
        N, D, H, W = rng.integers(3, 7, 4)
        gamma, beta = rng.normal(size=(2, D))
        x = rng.normal(rng.normal(), 2, (N, D, H, W) if seed % 2 else (N, D))
        layer = guests.BatchNorm(gamma, beta)
        out = layer.forward(x)
        dout = rng.normal(size=out.shape)
        dx = layer.backward(dout)
        value, gradients = witness.differentiate(normalised, (x, gamma, beta), dout)
        agree(out, value)
        for got, wanted in zip((dx, *layer.grads.values()), gradients, strict=True):
            agree(got, wanted, 1e-9)


def test_pytorch_predicts_with_the_same_running_numbers_but_for_its_n_minus_1():
    torch = pytest.importorskip("torch", reason=ABSENT.format("PyTorch"))
    theirs, ours = (
        torch.nn.BatchNorm1d(3, momentum=0.1, dtype=torch.double),
        guests.BatchNorm.init(3),
    )
    x = np.random.default_rng(0).normal(5, 2, (8, 3))
    theirs(torch.tensor(x))
    ours.forward(x)
    agree(ours.running_mean, theirs.running_mean.numpy())
    agree((ours.running_var - 0.9) * 8 / 7 + 0.9, theirs.running_var.numpy())
    theirs.running_var[:] = torch.tensor(ours.running_var)
    theirs.eval()
    ours.training = False
    agree(ours.forward(x), theirs(torch.tensor(x)).detach().numpy())


def test_pytorch_goes_back_through_dropout_with_the_mask_that_it_drew():
    torch = pytest.importorskip("torch", reason=ABSENT.format("PyTorch"))
    for seed in SEEDS:
        torch.manual_seed(seed)
        rng = np.random.default_rng(seed)
        x, dout = torch.tensor(rng.normal(size=(4, 5)), requires_grad=True), rng.normal(size=(4, 5))
        out = torch.nn.functional.dropout(x, 0.3)
        out.backward(torch.tensor(dout))
        layer = guests.Dropout(0.3, rng)
        layer.draw = lambda x, out=out: np.where(out.detach().numpy() == 0, 0.0, 1 / (1 - 0.3))
        agree(layer.forward(x.detach().numpy()), out.detach().numpy())
        agree(layer.backward(dout), x.grad.numpy())


# ---------------------------------------------------------------- losses and networks


def cross_entropy(w, a, t):
    return -(t * w.log_softmax(a, -1)).sum() / a.shape[0]


def half_square(w, a, t):
    return ((a - t) ** 2).sum() / (2 * a.shape[0])


LOSSES = {
    "cross_entropy": (losses.SoftmaxWithLoss, cross_entropy),
    "half_square": (losses.IdentityWithLoss, half_square),
}


@pytest.mark.parametrize("name", LOSSES)
def test_a_second_witness_agrees_on_both_losses(witness, name):
    make, same = LOSSES[name]
    for seed in SEEDS:
        rng = np.random.default_rng(seed)
        N, C = rng.integers(1, 8, 2)
        a, t = rng.normal(size=(N, C)) * 5, rng.dirichlet(np.ones(C), N)
        loss, dout = make(), rng.normal()
        value, (da, _) = witness.differentiate(same, (a, t), dout)
        assert loss.forward(a, t) == pytest.approx(float(value), rel=1e-10)
        agree(loss.backward(dout), da)


ACTIVATIONS = {"relu": layers.ReLU, "sigmoid": layers.Sigmoid, "tanh": layers.Tanh}


def random_network(seed):
    """(network, the names of its activations, x, t), its parameters in order of the layers."""
    rng = np.random.default_rng(seed)
    sizes = rng.integers(1, 9, rng.integers(2, 6))
    named = [list(ACTIVATIONS)[k] for k in rng.integers(3, size=len(sizes) - 1)]
    made = {}
    for k, name in enumerate(named):
        shape = sizes[k], sizes[k + 1]
        made[f"Affine{k}"] = layers.Affine(rng.normal(size=shape), rng.normal(size=shape[1]))
        made[name + str(k)] = ACTIVATIONS[name]()
    N = rng.integers(1, 7)
    t = rng.dirichlet(np.ones(sizes[-1]), N)
    loss = LOSSES[list(LOSSES)[seed % 2]][0]()
    return Network(made, loss), named, rng.normal(size=(N, sizes[0])), t


def scores(w, named, x, params):
    for k, name in enumerate(named):
        x = getattr(w, name)(x @ params[2 * k] + params[2 * k + 1])
    return x


@pytest.mark.parametrize("seed", range(30))
def test_a_second_witness_agrees_on_random_networks(witness, seed):
    network, named, x, t = random_network(seed)
    same = LOSSES[list(LOSSES)[seed % 2]][1]

    def whole(w, t, *params):
        start = w.library.tensor(x) if hasattr(w.library, "tensor") else x
        return same(w, scores(w, named, start, params), t)

    value, (_, *wanted) = witness.differentiate(whole, (t, *network.params.values()), 1.0)
    assert network.loss(x, t) == pytest.approx(float(value), rel=1e-10)
    for got, gradient in zip(network.gradient(x, t).values(), wanted, strict=True):
        agree(got, gradient)


# ---------------------------------------------------------------- SciPy and the complex step


@pytest.mark.parametrize("seed", range(6))
def test_scipy_agrees_on_random_networks(seed):
    reason = ABSENT.format("SciPy")
    optimize = pytest.importorskip("scipy.optimize", reason=reason)
    network, _, x, t = random_network(seed)
    params = list(network.params.values())
    ends = np.cumsum([array.size for array in params])

    def put(flat):
        for array, part in zip(params, np.split(flat, ends[:-1]), strict=True):
            array[...] = part.reshape(array.shape)

    def loss(flat):
        put(flat)
        return network.loss(x, t)

    def gradient(flat):
        put(flat)
        return np.concatenate([grad.ravel() for grad in network.gradient(x, t).values()])

    start = np.concatenate([array.ravel() for array in params])
    size = np.linalg.norm(gradient(start))
    assert optimize.check_grad(loss, gradient, start) <= 1e-5 * (1 + size)  # one-sided differences


class Complex:
    """Numbers with an imaginary part of 1e-200: it carries the derivative, without any subtraction."""

    library = None
    relu = staticmethod(lambda x: np.where(x.real > 0, x, 0))
    tanh = staticmethod(np.tanh)
    sigmoid = staticmethod(lambda x: 1 / (1 + np.exp(-x)))

    @staticmethod
    def log_softmax(a, axis):
        shifted = a - a.real.max(axis=axis, keepdims=True)
        return shifted - np.log(np.exp(shifted).sum(axis=axis, keepdims=True))


@pytest.mark.parametrize("seed", range(12))
def test_the_complex_step_agrees_on_random_networks(seed):
    network, named, x, t = random_network(seed)
    same = LOSSES[list(LOSSES)[seed % 2]][1]
    params = [array.astype(complex) for array in network.params.values()]
    for array, gradient in zip(params, network.gradient(x, t).values(), strict=True):
        found = np.empty(array.shape)
        for index in np.ndindex(array.shape):
            array[index] += 1e-200j
            found[index] = same(Complex, scores(Complex, named, x, params), t).imag / 1e-200
            array[index] = array[index].real
        agree(gradient, found)
