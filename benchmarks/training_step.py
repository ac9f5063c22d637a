"""A training step, in multiples of the matrix products that nobody can avoid.

The floor does those products alone, into outputs that were made before. *Plain NumPy* is the code that
books print: a class a layer, nothing checked. *By hand* is NumPy written as tightly as it goes, with
gradients overwritten. `chainrule` is the package as its readers use it: `Network`,
`gradient`, `SGD.update`. The rest are there if they are installed: `make bench` installs them.
"""

import importlib.util
from collections import OrderedDict

import numpy as np
from timing import in_units, side_by_side, table

from chainrule.layers import Affine, ReLU
from chainrule.losses import IdentityWithLoss, SoftmaxWithLoss
from chainrule.network import Network
from chainrule.training import SGD

NETS = [
    ((784, 50, 10), 100, "float64"),
    ((784, 50, 10), 100, "float32"),
    ((784, 512, 512, 10), 256, "float64"),
    ((784, 512, 512, 10), 256, "float32"),
    ((2, 3, 1), 4, "float64"),
]
LR = 0.01
HYPHEN, TO = "\u2011", "\u2060–\u2060"  # no line ends at these


class Task:
    """Inputs x (N, D), one-hot or real targets t (N, C), and the weights every contender starts from."""

    def __init__(self, sizes, samples, dtype):
        rng = np.random.default_rng(0)
        self.x = rng.random((samples, sizes[0])).astype(dtype)
        self.classes = sizes[-1] if sizes[-1] > 1 else 0
        self.labels = rng.integers(max(2, self.classes), size=samples)
        hot = np.eye(self.classes)[self.labels] if self.classes else rng.normal(size=(samples, 1))
        self.t = hot.astype(dtype)
        shapes = list(zip(sizes, sizes[1:], strict=False))
        self.weights = [
            (rng.normal(size=shape) * np.sqrt(2 / shape[0])).astype(dtype) for shape in shapes
        ]
        self.biases = [np.zeros(shape[1], dtype) for shape in shapes]


def floor(task):
    """The unavoidable products: x W, dW = x' d, and dx = d W' but for the input's."""
    rng = np.random.default_rng(1)
    outs = [np.empty((len(task.x), W.shape[1]), task.x.dtype) for W in task.weights]
    values = [task.x, *(rng.normal(size=out.shape).astype(out.dtype) for out in outs)]
    back = [rng.normal(size=value.shape).astype(value.dtype) for value in values]
    products = [(values[i].dot, W, outs[i]) for i, W in enumerate(task.weights)]
    for i, W in reversed(list(enumerate(task.weights))):
        products.append((values[i].T.dot, back[i + 1], np.empty_like(W)))
        if i:
            products.append((back[i + 1].dot, W.T, np.empty_like(values[i])))

    def step():
        for times, right, out in products:  # dot: of NumPy's products the one that starts soonest
            times(right, out)

    return step


class PlainReLU:
    def forward(self, x):
        self.mask = x <= 0
        out = x.copy()
        out[self.mask] = 0
        return out

    def backward(self, dout):
        dout = dout.copy()
        dout[self.mask] = 0
        return dout


class PlainAffine:
    def __init__(self, W, b):
        self.W, self.b = W, b

    def forward(self, x):
        self.x = x
        return np.dot(x, self.W) + self.b

    def backward(self, dout):
        self.dW = np.dot(self.x.T, dout)
        self.db = np.sum(dout, axis=0)
        return np.dot(dout, self.W.T)


class PlainSoftmax:
    def forward(self, a, t):
        e = np.exp(a - np.max(a, axis=1, keepdims=True))
        self.y, self.t = e / np.sum(e, axis=1, keepdims=True), t
        return -np.sum(t * np.log(self.y + 1e-7)) / len(a)

    def backward(self):
        return (self.y - self.t) / len(self.t)


class PlainSquares(PlainSoftmax):
    def forward(self, a, t):
        self.y, self.t = a, t
        return 0.5 * np.sum((a - t) ** 2) / len(a)


def plain(task):
    layers = []
    for W, b in zip(task.weights, task.biases, strict=True):
        layers += [PlainAffine(W.copy(), b.copy()), PlainReLU()]
    layers.pop()
    loss = PlainSoftmax() if task.classes else PlainSquares()

    def step():
        x = task.x
        for layer in layers:
            x = layer.forward(x)
        loss.forward(x, task.t)
        dout = loss.backward()
        for layer in reversed(layers):
            dout = layer.backward(dout)
        for layer in layers[::2]:
            layer.W -= LR * layer.dW
            layer.b -= LR * layer.db

    return step


def by_hand(task):
    weights = [W.copy() for W in task.weights]
    biases = [b.copy() for b in task.biases]
    x, t, N, last = task.x, task.t, len(task.x), len(task.weights) - 1

    def output_error(a):
        if not task.classes:
            d = a - t
            float(np.vdot(d, d)) / (2 * N)
            d /= N
            return d
        a -= a.max(axis=1, keepdims=True)
        e = np.exp(a)
        total = e.sum(axis=1, keepdims=True)
        float(np.log(total).sum() - np.vdot(a, t)) / N
        e /= total
        e -= t
        e /= N
        return e

    def step():
        kept = [x]
        for i in range(last + 1):
            a = kept[-1] @ weights[i]
            a += biases[i]
            if i < last:
                np.maximum(a, 0, out=a)
            kept.append(a)
        d = output_error(kept[-1])
        for i in range(last, -1, -1):
            dW, db = kept[i].T @ d, d.sum(axis=0)
            if i:
                d = d @ weights[i].T
                d *= kept[i] > 0
            dW *= LR
            weights[i] -= dW
            db *= LR
            biases[i] -= db

    return step


def chainrule(task):
    layers = OrderedDict()
    for i, (W, b) in enumerate(zip(task.weights, task.biases, strict=True), 1):
        layers[f"Affine{i}"] = Affine(W.copy(), b.copy())
        if i < len(task.weights):
            layers[f"ReLU{i}"] = ReLU()
    network = Network(layers, SoftmaxWithLoss() if task.classes else IdentityWithLoss())
    sgd = SGD(LR)

    def step():
        sgd.update(network.params, network.gradient(task.x, task.t))

    return step


def pytorch(task):
    import torch

    torch.set_num_threads(1)
    layers = []
    for W, b in zip(task.weights, task.biases, strict=True):
        linear = torch.nn.Linear(*W.shape, dtype=torch.from_numpy(W).dtype)
        linear.weight.data, linear.bias.data = torch.from_numpy(W.T.copy()), torch.from_numpy(b)
        layers += [linear, torch.nn.ReLU()]
    net = torch.nn.Sequential(*layers[:-1])
    sgd = torch.optim.SGD(net.parameters(), LR)
    x, t = torch.from_numpy(task.x), torch.from_numpy(task.t)
    labels = torch.from_numpy(task.labels)

    def step():
        sgd.zero_grad()
        a = net(x)
        loss = (
            torch.nn.functional.cross_entropy(a, labels)
            if task.classes
            else ((a - t) ** 2).sum() / (2 * len(x))
        )
        loss.backward()
        sgd.step()

    return step


def jax_jit(task):
    import jax

    jax.config.update("jax_enable_x64", True)
    jnp = jax.numpy

    def loss(params, x, t):
        for W, b in params[:-1]:
            x = jnp.maximum(x @ W + b, 0)
        a = x @ params[-1][0] + params[-1][1]
        if not task.classes:
            return ((a - t) ** 2).sum() / (2 * len(x))
        return -(t * jax.nn.log_softmax(a)).sum() / len(x)

    @jax.jit
    def update(params, x, t):
        grads = jax.grad(loss)(params, x, t)
        return jax.tree.map(lambda p, g: p - LR * g, params, grads)

    x, t = jnp.asarray(task.x), jnp.asarray(task.t)
    state = [
        [(jnp.asarray(W), jnp.asarray(b)) for W, b in zip(task.weights, task.biases, strict=True)]
    ]

    def step():
        state[0] = jax.block_until_ready(update(state[0], x, t))

    return step


def autograd(task):
    import autograd.numpy as anp
    from autograd import grad

    params = [[W.copy(), b.copy()] for W, b in zip(task.weights, task.biases, strict=True)]

    def loss(params):
        x = task.x
        for W, b in params[:-1]:
            x = anp.maximum(anp.dot(x, W) + b, 0)
        a = anp.dot(x, params[-1][0]) + params[-1][1]
        if not task.classes:
            return anp.sum((a - task.t) ** 2) / (2 * len(x))
        a = a - anp.max(a, axis=1, keepdims=True)
        return anp.sum(task.t * (anp.log(anp.sum(anp.exp(a), axis=1, keepdims=True)) - a)) / len(x)

    slope = grad(loss)

    def step():
        for pair, gradients in zip(params, slope(params), strict=True):
            for array, gradient in zip(pair, gradients, strict=True):
                array -= LR * gradient

    return step


def scikit_learn(task):
    from sklearn.neural_network import MLPClassifier, MLPRegressor

    hidden = tuple(W.shape[1] for W in task.weights[:-1])
    options = {"solver": "sgd", "learning_rate_init": LR, "momentum": 0.0, "alpha": 0.0}
    options |= {"batch_size": len(task.x), "random_state": 0}
    if task.classes:
        net, extra = (
            MLPClassifier(hidden_layer_sizes=hidden, **options),
            {"classes": np.arange(task.classes)},
        )
        return lambda: net.partial_fit(task.x, task.labels, **extra)
    net = MLPRegressor(hidden_layer_sizes=hidden, **options)
    return lambda: net.partial_fit(task.x, task.t[:, 0])


PEERS = {
    "JAX jit": (jax_jit, "jax"),
    "PyTorch": (pytorch, "torch"),
    "autograd": (autograd, "autograd"),
    "scikit-learn": (scikit_learn, "sklearn"),
}


def measure(seconds):
    """The table, as Markdown: `seconds` a net, less a little for what starts up."""
    contenders = {"floor": floor, "NumPy by hand": by_hand, "plain NumPy": plain}
    contenders["chainrule"] = chainrule
    contenders |= {
        name: make for name, (make, module) in PEERS.items() if importlib.util.find_spec(module)
    }
    rows = []
    for sizes, samples, dtype in NETS:
        task = Task(sizes, samples, dtype)
        seen = side_by_side({name: make(task) for name, make in contenders.items()}, seconds)
        base = seen.pop("floor")[0]
        ratios = [
            f"**{m / base:.2f}**<br><small>{low / base:.2f}{TO}{high / base:.2f}</small>"
            for m, low, high in seen.values()
        ]
        net = f"{'-'.join(map(str, sizes)).replace('-', HYPHEN)}<br>{samples}, {dtype}"
        rows.append([net, in_units(base), *ratios])
        print(*rows[-1], flush=True)
    return table(["net<br>batch, type", *contenders], rows)


if __name__ == "__main__":
    print(measure(4))
