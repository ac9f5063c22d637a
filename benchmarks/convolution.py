"""A convolutional network on MNIST: its accuracy after each epoch, for chapter 14.

    make convolution MNIST=FOLDER        FOLDER holds the four IDX files of MNIST, raw or gzipped

It takes about five minutes. The outcome goes to src/chainrule/data/convolution_mnist.json.
"""

import argparse
import json
from pathlib import Path
from time import perf_counter

import numpy as np
from zoo import made_by

import chainrule
from chainrule.datasets import load_mnist
from chainrule.guests import Conv2D, Flatten, MaxPool2D
from chainrule.layers import Affine, ReLU
from chainrule.losses import SoftmaxWithLoss
from chainrule.network import Network
from chainrule.training import Momentum, train

OUTCOME = Path(chainrule.__file__).parent / "data" / "convolution_mnist.json"
SEED, LR, BATCH = 0, 0.02, 100
NETWORK = "16 kernels 5 by 5, ReLU, pool 2; 32 kernels 5 by 5, ReLU, pool 2; 10 scores; He's start"


def newborn(rng, size=28):
    """The network for images of size by size pixels, in float32."""
    left = ((size - 4) // 2 - 4) // 2
    layers = [Conv2D.init(1, 16, 5, rng), ReLU(), MaxPool2D(2)]
    layers += [Conv2D.init(16, 32, 5, rng), ReLU(), MaxPool2D(2)]
    layers += [Flatten(), Affine.init(32 * left * left, 10, rng)]
    network = Network(layers, SoftmaxWithLoss())
    for key, array in network.params.items():
        network.params[key] = array.astype(np.float32)
    return network


def accuracy(network, x, t):
    """By parts: the windows of ten thousand images at once would take half a gigabyte."""
    parts = [(x[k : k + 500], t[k : k + 500]) for k in range(0, len(x), 500)]
    return sum(network.accuracy(*part) * len(part[1]) for part in parts) / len(x)


def images(data):
    x, t = data
    size = int(x.shape[1] ** 0.5)
    return x.reshape(-1, 1, size, size).astype(np.float32), t


def measure(data, epochs):
    """The accuracy on the held-out images after each epoch, and how long all of it took."""
    data, rng = tuple(map(images, data)), np.random.default_rng(SEED)
    network = newborn(rng, data[0][0].shape[-1])
    options = dict(optimizer=Momentum(LR), batch_size=BATCH, metric=accuracy, progress=True)
    begun, seen = perf_counter(), []
    for record in train(network, data, epochs=epochs, rng=rng, **options):
        if record.metric is not None:
            seen.append(record.metric)
            print(f"epoch {len(seen)}: {seen[-1]:.4f}", flush=True)
    sizes = {key: list(array.shape) for key, array in network.params.items()}
    return {
        "accuracy": seen,
        "seconds": round(perf_counter() - begun),
        "parameters": sum(array.size for array in network.params.values()),
        "sizes": sizes,
    }


def about(epochs):
    """Where the figures come from."""
    return made_by("make convolution MNIST=FOLDER") | {
        "data": "MNIST (Y. LeCun, C. Cortes, C. J. C. Burges, CC BY-SA 3.0): 60,000 images to train, 10,000 held out",
        "network": NETWORK,
        "recipe": {"epochs": epochs, "batch_size": BATCH, "lr": LR, "momentum": 0.9, "seed": SEED},
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="of the four IDX files")
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--outcome", type=Path, default=OUTCOME)
    wanted = parser.parse_args()
    found = measure(load_mnist(wanted.folder), wanted.epochs)
    text = json.dumps(about(wanted.epochs) | found, indent=1, allow_nan=False)
    wanted.outcome.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
