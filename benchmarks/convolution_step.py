"""A training step of a convolutional network on digits, beside PyTorch's, in one run.

PYTHONPATH=src .venv-peers/bin/python benchmarks/convolution_step.py
"""

import importlib.util

import timing  # before NumPy: it fixes the threads

# isort: split
import numpy as np

from chainrule.datasets import load_digits
from chainrule.guests import Conv2D, Flatten, MaxPool2D
from chainrule.layers import Affine, ReLU
from chainrule.losses import SoftmaxWithLoss
from chainrule.network import Network
from chainrule.training import SGD

LR, BATCH = 0.01, 100
KERNELS = {"16 kernels": (16,), "16 and 16 kernels": (16, 16)}


def chainrule(x, t, counts):
    rng, layers, C = np.random.default_rng(0), [], 1
    for F in counts:
        layers, C = [*layers, Conv2D.init(C, F, 3, rng, pad=1), ReLU()], F
    layers += [MaxPool2D(2), Flatten(), Affine.init(16 * C, 10, rng)]
    network, sgd = Network(layers, SoftmaxWithLoss()), SGD(LR)
    for key, array in network.params.items():
        network.params[key] = array.astype(x.dtype)
    return lambda: sgd.update(network.params, network.gradient(x, t))


def pytorch(x, t, counts):
    import torch

    torch.set_num_threads(1)
    layers, C = [], 1
    for F in counts:
        layers += [torch.nn.Conv2d(C, F, 3, padding=1), torch.nn.ReLU()]
        C = F
    layers += [torch.nn.MaxPool2d(2), torch.nn.Flatten(), torch.nn.Linear(16 * C, 10)]
    x, t = torch.from_numpy(x), torch.from_numpy(t)
    net = torch.nn.Sequential(*layers).to(x.dtype)
    sgd = torch.optim.SGD(net.parameters(), LR)

    def step():
        sgd.zero_grad()
        torch.nn.functional.cross_entropy(net(x), t).backward()
        sgd.step()

    return step


def measure(seconds):
    """The table, as Markdown: milliseconds of ours, and our time in multiples of PyTorch's."""
    (x, t), _ = load_digits()
    x, t, rows = x[:BATCH].reshape(-1, 1, 8, 8), t[:BATCH], []
    contenders = {"chainrule": chainrule}
    if importlib.util.find_spec("torch"):
        contenders["PyTorch"] = pytorch
    for name, counts in KERNELS.items():
        for dtype in ("float64", "float32"):
            made = {who: make(x.astype(dtype), t, counts) for who, make in contenders.items()}
            seen = timing.side_by_side(made, seconds)
            ours, *theirs = (median for median, _, _ in seen.values())
            rows.append(
                [name, dtype, timing.in_units(ours), *(f"{ours / it:.2f}" for it in theirs)]
            )
            print(*rows[-1], flush=True)
    return timing.table(
        ["network", "type", "chainrule", "times PyTorch's"][: 2 + len(contenders)], rows
    )


if __name__ == "__main__":
    timing.one_core()
    print(measure(4))
