"""The bug zoo on MNIST: how well each animal learns, and which detector finds it.

    make zoo MNIST=FOLDER        FOLDER holds the four IDX files of MNIST, raw or gzipped

It takes up to half an hour. The outcome goes to src/chainrule/data/zoo_mnist.json, which chapter 11 shows.
"""

import argparse
import json
import platform
from contextlib import suppress
from datetime import date
from pathlib import Path

import numpy as np

import chainrule
from chainrule.datasets import load_mnist
from chainrule.gradcheck import gradient_check
from chainrule.mistakes import ZOO
from chainrule.network import two_layer_net
from chainrule.training import train

OUTCOME = Path(chainrule.__file__).parent / "data" / "zoo_mnist.json"
SIZES = (784, 50, 10)
TRAINED, HELD_OUT = 8_000, 2_000
RIGHT = {"right, with ReLU": "relu", "right, with sigmoid": "sigmoid"}
ANIMALS = {animal.name: animal for animal in ZOO}


class ByHand:
    """An update as loops written by hand have it: a gradient of the wrong shape is stretched."""

    def __init__(self, lr):
        self.lr = lr

    def update(self, params, grads):
        for key, array in params.items():
            array -= self.lr * grads[key]


def newborn(name, seed, lr=0.0):
    """The network of that name. lr is how far the update that comes too early goes."""
    rng = np.random.default_rng(seed)
    if name in RIGHT:
        return two_layer_net(*SIZES, rng, RIGHT[name])
    network = ANIMALS[name].network(*SIZES, rng)
    if ANIMALS[name].cause is None:
        network.layers["Affine2"].lr = lr
    return network


def accuracy(name, seed, data, recipe):
    network, (training, held_out) = newborn(name, seed, recipe["lr"]), data
    options = dict(batch_size=recipe["batch_size"], updates=recipe["updates"], progress=False)
    rng = np.random.default_rng(seed)
    with suppress(ValueError):  # a loss refuses infinite scores, and then the training is over
        for _ in train(network, training, optimizer=ByHand(recipe["lr"]), rng=rng, **options):
            pass
    return network.accuracy(*held_out)


def loss_of_twenty(name, seed, data, recipe):
    """The loss after learning the same twenty samples again and again; None where it became infinite."""
    network, (x, t) = newborn(name, seed, recipe["lr"]), data[0]
    with suppress(ValueError):
        for _ in range(recipe["updates_of_twenty"]):
            ByHand(recipe["lr"]).update(network.params, network.gradient(x[:20], t[:20]))
        return float(f"{network.loss(x[:20], t[:20]):.3g}")
    return None


def first_loss(name, seed, data):
    """The loss of a hundred samples before any training, from small first weights."""
    network, rng, (x, t) = newborn(name, seed), np.random.default_rng(seed), data[0]
    for array in network.params.values():
        array[...] = 0.01 * rng.normal(size=array.shape)
    return network.loss(x[:100], t[:100])


def check(name, seed, data, samples):
    """(relative error, whether the check found something), for the first samples."""
    x, t = data[0]
    report = gradient_check(newborn(name, seed), x[:samples], t[:samples])
    return report.max_relative_error, not report.ok


def measure(name, seed, data, recipe):
    """All that is recorded of one animal for one seed."""
    with np.errstate(all="ignore"):  # some of them run to infinity
        check_1, found_1 = check(name, seed, data, 1)
        check_3, found_3 = check(name, seed, data, 3)
        return {
            "accuracy": accuracy(name, seed, data, recipe),
            "check_1": float(f"{check_1:.3g}"),
            "found_1": found_1,
            "check_3": float(f"{check_3:.3g}"),
            "found_3": found_3,
            "loss_of_twenty": loss_of_twenty(name, seed, data, recipe),
            "first_loss": round(first_loss(name, seed, data), 4),
        }


def made_by(command):
    """How a record was made, when, and where."""
    return {
        "command": command,
        "date": date.today().isoformat(),
        "machine": f"{platform.system()}, {platform.machine()}",
        "versions": {
            "python": platform.python_version(),
            "numpy": np.__version__,
            "chainrule": chainrule.__version__,
        },
    }


def about(recipe, seeds):
    """Where the figures come from."""
    return made_by("make zoo MNIST=FOLDER") | {
        "data": f"the first {TRAINED + HELD_OUT:,} training images of MNIST (Y. LeCun, C. Cortes, "
        f"C. J. C. Burges, CC BY-SA 3.0): {TRAINED:,} to train, {HELD_OUT:,} held out",
        "network": "784-50-10, He's start",
        "recipe": recipe,
        "seeds": seeds,
    }


def load(folder):
    (x, t), _ = load_mnist(folder)
    end = TRAINED + HELD_OUT
    return (x[:TRAINED], t[:TRAINED]), (x[TRAINED:end], t[TRAINED:end])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="of the four IDX files")
    parser.add_argument("--updates", type=int, default=2_000)
    parser.add_argument("--seeds", type=int, default=3, help="how many")
    parser.add_argument("--names", nargs="+", default=[*RIGHT, *ANIMALS])
    parser.add_argument("--outcome", type=Path, default=OUTCOME)
    wanted = parser.parse_args()
    data, seeds = load(wanted.folder), list(range(wanted.seeds))
    recipe = {"updates": wanted.updates, "batch_size": 100, "lr": 0.1, "updates_of_twenty": 1_000}
    rows = {}
    for name in wanted.names:
        runs = [measure(name, seed, data, recipe) for seed in seeds]
        rows[name] = {key: [run[key] for run in runs] for key in runs[0]}
        print(f"{name:<36} {rows[name]['accuracy']}", flush=True)
    text = json.dumps(about(recipe, seeds) | {"rows": rows}, indent=1, allow_nan=False)
    wanted.outcome.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
